/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef IOPGT_VERBS_CHECK_H
#define IOPGT_VERBS_CHECK_H

#include "core/table.h"

struct iopgt_check {
	const struct iopgt_table *table;
	uint64_t max_tables; /* give up when there are more: IOPGT_BAD_TABLE; 0: no bound */
	/* Null, or called for each table below the start table; an error: it is linked twice. */
	int (*claim)(void *context, uint64_t phys);
	void *context;
	uint64_t tables; /* out */
	int err;         /* out: of claim */
};

/* Looks at every descriptor. IOPGT_CORRUPT: finding->rule is broken. Changes nothing. */
int iopgt_check_run(struct iopgt_check *check, struct iopgt_finding *finding);

#endif
