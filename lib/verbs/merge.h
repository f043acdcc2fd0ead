/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef IOPGT_VERBS_MERGE_H
#define IOPGT_VERBS_MERGE_H

#include "core/table.h"

enum merge_flag {
	MERGE_FORCE_DIRTY = 1 << 0, /* tracked blocks are installed writable-dirty */
	MERGE_IF_POSSIBLE =
		1 << 1,      /* what needs a break that is not allowed is counted, no error */
	MERGE_COLD = 1 << 2, /* cold tables alone, and of them those without a dirty leaf */
};

/* iopgt_merge_page over a range that was checked. */
int iopgt_merge_range(struct iopgt_table *table, struct iopgt_range range, uint32_t flags,
                      struct iopgt_op *op);

#endif
