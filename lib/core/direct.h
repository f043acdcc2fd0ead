/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Small calls, in the plain case: the pages of a range that lie in one last-level table,
 * but are not all of it, found by a plain walk. A page a call is what drivers do most;
 * the cursor, which knows of blocks, groups, ends and budgets, costs several times as
 * much. Whatever is not plain goes its way.
 */
#ifndef IOPGT_CORE_DIRECT_H
#define IOPGT_CORE_DIRECT_H

#include "core/table.h"

/* The entry of the range's first page; null: not plain, nothing was changed. */
live_descriptor *iopgt_direct_pages(const struct iopgt_table *table, struct iopgt_range range);

/* Pages of the range, if an op's budget allows for all of them; else 0. */
static inline uint32_t direct_count(const struct iopgt_table *table, struct iopgt_range range,
                                    const struct iopgt_op *op)
{
	uint64_t count = ((range.last - range.first) >> table->geometry.granule_shift) + 1;

	return count > UINT32_MAX || (op->budget && count > op->budget) ? 0 : (uint32_t)count;
}

/* Counts what was looked at, as a cursor does it. */
static inline void direct_looked_at(const struct iopgt_table *table, struct iopgt_op *op,
                                    uint32_t count)
{
	op->stats.looked_at += (uint64_t)(IOPGT_LAST_LEVEL - table->geometry.start_level) + count;
	op->resumed_from = 0;
}

#endif
