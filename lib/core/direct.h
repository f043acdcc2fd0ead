/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Short ways to a last-level entry, for the plain case. A page a call is what drivers do
 * most; the cursor, which knows of blocks, groups, ends and budgets, costs several times
 * as much. These functions only say that something is not plain, or is wrong with a call:
 * nothing was changed then, and the long way finds out what it is.
 */
#ifndef IOPGT_CORE_DIRECT_H
#define IOPGT_CORE_DIRECT_H

#include "core/table.h"

#define DIRECT_PAGE_SHIFT 12
#define DIRECT_PAGE       (UINT64_C(1) << DIRECT_PAGE_SHIFT)

/* Finds out what is plain in a table that is otherwise complete. */
void iopgt_direct_init(struct iopgt_table *table);

/*
 * The entry of a range's first page, if the table is plain, and one of its last-level tables
 * holds the range and more than that. Null: not so.
 */
live_descriptor *iopgt_direct_pages(const struct iopgt_table *table, struct iopgt_range range);

/* Where an address ends. */
struct direct_place {
	live_descriptor *entry; /* null: phys_to_virt gave that for its table */
	uint64_t d;             /* what it holds */
	int level;
};

/*
 * Goes there in a plain table. no_table: bits of which none is set in a table descriptor that
 * is good here. `asks` the host where tables are; a constant.
 */
static inline struct direct_place direct_find(const struct iopgt_table *table, uint64_t iova,
                                              uint64_t no_table, bool asks)
{
	const struct iopgt_geometry *g = &table->geometry;
	uint64_t mask = table->format.table_mask | no_table;
	uint64_t value = table->format.table_value;
	uint64_t address = table->format.address_low;
	uint64_t last_index = g->last_index[g->start_level + 1];
	uint64_t below = g->last_index[IOPGT_LAST_LEVEL + 1];
	unsigned shift = geometry_shift(g, g->start_level), step = g->granule_shift - 3u;
	live_descriptor *entries = table->root;
	struct direct_place place = {.level = g->start_level};

	for (;; place.level++, shift -= step) {
		place.entry = &entries[iova >> shift & last_index];
		place.d = live_load_table(place.entry);
		if (place.level == IOPGT_LAST_LEVEL || (place.d & mask) != value)
			return place;
		entries = asks ? table->hal->phys_to_virt(table->context, place.d & address,
		                                          table_bytes(table))
		               : (live_descriptor *)((uintptr_t)(place.d & address) +
		                                     table->linear_offset);
		if (asks && !entries)
			return (struct direct_place){0};
		last_index = below;
	}
}

/* The entry of that index in the table at `phys`, which is aligned to its size. */
static inline live_descriptor *direct_entry(const struct iopgt_direct *direct, uint64_t phys,
                                            uint64_t index)
{
	return (live_descriptor *)((uintptr_t)(phys | index * sizeof(live_descriptor)) +
	                           direct->linear_offset);
}

/* The table that the entry links. False: the entry is not plain. */
static inline bool direct_down(const struct iopgt_direct *direct, live_descriptor *entry,
                               uint64_t *phys)
{
	/* Nothing but its address is left of a good one. */
	*phys = live_load_table(entry) ^ direct->table_value;
	return !(*phys & direct->no_address);
}

/* The last-level entry for iova by the fewest instructions; see struct iopgt_direct. */
static inline bool direct_walk(const struct iopgt_table *table, uint64_t iova,
                               live_descriptor **entry)
{
	const struct iopgt_direct direct = table->direct;
	live_descriptor *root = table->root;
	uint64_t at = iova - table->geometry.input_first;
	uint64_t phys;

	if (__builtin_expect(at < direct.four_levels, 1)) {
		if (!direct_down(&direct, &root[at >> 39], &phys) ||
		    !direct_down(&direct, direct_entry(&direct, phys, at >> 30 & 511), &phys))
			return false;
	} else if (at >= table->direct.three_levels ||
	           !direct_down(&direct, &root[at >> 30], &phys)) {
		return false;
	}
	if (!direct_down(&direct, direct_entry(&direct, phys, at >> 21 & 511), &phys))
		return false;
	*entry = direct_entry(&direct, phys, at >> DIRECT_PAGE_SHIFT & 511);
	return true;
}

/* The same for a call that is right, and is about one page. */
static inline bool direct_page(const struct iopgt_table *table, uint64_t iova, uint64_t size,
                               const struct iopgt_op *op, live_descriptor **entry)
{
	return table && size == table->direct.page_bytes && !iopgt_check_op(table, op) &&
	       !(iova & (DIRECT_PAGE - 1)) && direct_walk(table, iova, entry);
}

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
