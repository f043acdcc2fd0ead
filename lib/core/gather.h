/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an op owes the walkers. Adding never fails: a range that the host would
 * not take becomes an invalidation of the whole table, owed until it succeeds.
 */
#ifndef IOPGT_CORE_GATHER_H
#define IOPGT_CORE_GATHER_H

#include "core/cursor.h"

/* Leaves of one level were changed or removed in [range]. */
void iopgt_gather_leaves(struct iopgt_table *table, struct iopgt_op *op, struct iopgt_range range,
                         int level);

/*
 * The table that the cursor's entry linked was unlinked: frees it after the
 * wait. What it linked in turn has been given to the gather already. `iova`:
 * first address of its range; `level`: of its entries.
 */
struct iopgt_unlinked {
	live_descriptor *entries;
	uint64_t phys;
	uint64_t iova;
	int level;
	bool harvest; /* its dirty bits go into the bitmap of iopgt_gather_harvest */
};
void iopgt_gather_table(struct iopgt_table *table, struct iopgt_op *op,
                        const struct iopgt_unlinked *unlinked);

/*
 * A leaf may be cached at any level in the range (below a table whose block was
 * not yet invalidated): no level hint.
 */
void iopgt_gather_unsettled(struct iopgt_table *table, struct iopgt_op *op,
                            struct iopgt_range range);

/* Widens what is known of all that is owed. */
static inline void gather_owe(struct iopgt_gather *g, struct iopgt_range range)
{
	if (!g->owed_last || range.first < g->owed_first)
		g->owed_first = range.first;
	if (range.last > g->owed_last)
		g->owed_last = range.last;
}

/* The same, with few instructions where it goes on from the last one, or all is owed. */
static inline void gather_leaves(struct iopgt_table *table, struct iopgt_op *op,
                                 struct iopgt_range range, int level)
{
	struct iopgt_gather *g = &op->gather;

	if (g->all) {
		gather_owe(g, range);
	} else if (g->has_range && range.first == g->last + 1 && g->level == level) {
		g->last = range.last;
		gather_owe(g, range);
	} else {
		iopgt_gather_leaves(table, op, range, level);
	}
}

/*
 * Leaves at the cursor's level were changed or removed in [range]; and the block
 * that covered them before goes too, if that is still owed.
 */
static inline void gather_at_cursor(struct iopgt_table *table, struct iopgt_op *op,
                                    const struct iopgt_cursor *c, struct iopgt_range range)
{
	if (cursor_is_unsettled(c))
		iopgt_gather_unsettled(table, op, c->unsettled);
	else
		gather_leaves(table, op, range, c->level);
}

/* A table that is not in use any more linked the range: walk caches must go too. */
void iopgt_gather_walk_caches(struct iopgt_table *table, struct iopgt_op *op,
                              struct iopgt_range range);

/*
 * Dirty bits that walkers leave in unlinked last-level tables until the wait go
 * into this bitmap. Waits first if the op already harvests into another.
 */
int iopgt_gather_harvest(struct iopgt_table *table, struct iopgt_op *op,
                         const struct iopgt_bitmap *bitmap);

/* Hands over, waits, harvests, frees. On failure all is still owed. */
int iopgt_gather_flush(struct iopgt_op *op);

/* Whether the op owes anything in the range, as far as its bounds tell. */
static inline bool gather_owes(const struct iopgt_op *op, struct iopgt_range range)
{
	const struct iopgt_gather *g = &op->gather;

	return g->owed_last && range.first <= g->owed_last && range.last >= g->owed_first;
}

/* Flushes if it does. */
static inline int gather_settle(struct iopgt_op *op, struct iopgt_range range)
{
	return gather_owes(op, range) ? iopgt_gather_flush(op) : IOPGT_OK;
}

/* Waits for finished transactions' marks to become visible. If that fails, all is owed. */
int iopgt_gather_sync(struct iopgt_table *table, struct iopgt_op *op);

#endif
