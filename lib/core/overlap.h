/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds calls that should have been serialised and were not: a verb claims its range of
 * the table while it runs. In builds with IOPGT_DEBUG; in others nothing is left of it.
 */
#ifndef IOPGT_CORE_OVERLAP_H
#define IOPGT_CORE_OVERLAP_H

#include "core/table.h"

enum overlap_verb {
	OVERLAP_SPLIT,
	OVERLAP_MERGE,
	OVERLAP_PROTECT,
	OVERLAP_SWITCH,
	OVERLAP_ATTACH,
	OVERLAP_DETACH,
};

#ifdef IOPGT_DEBUG
/*
 * Claims the range, widened to the leaves at its ends. IOPGT_OVERLAP: another verb has
 * a part of it; the host was told, nothing is claimed. Else *claim is to be given back:
 * null, if too many verbs run.
 */
int iopgt_overlap_begin(struct iopgt_table *table, enum overlap_verb verb, struct iopgt_range range,
                        struct iopgt_claim **claim);
void iopgt_overlap_end(struct iopgt_claim *claim);
#else
static inline int iopgt_overlap_begin(struct iopgt_table *table, enum overlap_verb verb,
                                      struct iopgt_range range, struct iopgt_claim **claim)
{
	(void)table;
	(void)verb;
	(void)range;
	*claim = NULL;
	return IOPGT_OK;
}

static inline void iopgt_overlap_end(struct iopgt_claim *claim)
{
	(void)claim;
}
#endif

#endif
