/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules of iopgt_check, for every descriptor of a tree. */
#ifndef IOPGT_CORE_RULES_H
#define IOPGT_CORE_RULES_H

#include "core/table.h"

struct iopgt_rules_walk {
	const struct iopgt_table *table;
	uint64_t max_tables; /* give up when there are more: IOPGT_BAD_TABLE; 0: no bound */
	/* Null, or called for each table below the start table; an error: it is linked twice. */
	int (*claim)(void *context, uint64_t phys);
	void *context;
	uint64_t good_bits; /* of a leaf that was found to be good */
	uint64_t tables;    /* out */
	bool unfinished;    /* out: the note of an unfinished split or break-up was found */
	int err;            /* out: of claim */
};

/* Looks at every descriptor. IOPGT_CORRUPT: finding->rule is broken. Changes nothing. */
int iopgt_rules_walk(struct iopgt_rules_walk *walk, struct iopgt_finding *finding);

#endif
