/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An unlinked table waits in a list that is kept in its own first two
 * descriptors, with low bits zero, so that they are invalid in every format:
 * word 0 holds the link to the next table, which is 0 or a physical address with
 * bit 2 set, word 1 the first address of the table's range and, in bit 2, whether
 * its dirty bits are to be harvested.
 * Both are exchanged, so that what a walker marked there is not lost.
 */
#include "core/gather.h"

#include "core/group.h"
#include "core/scan.h"

#define NODE_LINK    (UINT64_C(1) << 2)
#define NODE_HARVEST (UINT64_C(1) << 2)

/* Something is about to be handed over. */
static void note_posted(struct iopgt_gather *g)
{
	if (!g->unsynced)
		g->failed_syncs = table_counted(&g->table->failed_syncs);
	g->unsynced = true;
}

/* Hands the joined range over; the whole table takes its place if that fails. */
static void post_range(struct iopgt_op *op)
{
	struct iopgt_gather *g = &op->gather;
	const struct iopgt_tlb_ops *tlb = g->table->tlb;
	struct iopgt_invalidation request = {
		.iova = g->first,
		.size = g->last - g->first + 1,
		.flags = g->walk_caches ? IOPGT_INVALIDATE_WALK_CACHES : 0,
		.stride_shift = g->stride_shift,
		.level = g->level,
	};

	if (!g->has_range)
		return;
	g->has_range = false;
	if (g->all || (tlb->max_ranges && g->ranges >= tlb->max_ranges)) {
		g->all = true;
		return;
	}
	g->ranges++;
	note_posted(g);
	op->stats.invalidations++;
	if (tlb->invalidate_range(g->table->tlb_context, &request))
		g->all = true;
}

static bool joins(const struct iopgt_gather *g, const struct iopgt_range *range)
{
	uint64_t gap = g->table->tlb->join_bytes;

	if (range->first > g->last)
		return range->first - g->last - 1 <= gap;
	if (g->first > range->last)
		return g->first - range->last - 1 <= gap;
	return true;
}

static void add_range(struct iopgt_table *table, struct iopgt_op *op,
                      const struct iopgt_range *range, unsigned stride_shift)
{
	struct iopgt_gather *g = &op->gather;

	g->table = table;
	gather_owe(g, *range);
	if (g->has_range && !joins(g, range))
		post_range(op);
	if (!g->has_range) {
		g->has_range = true;
		g->walk_caches = false;
		g->level = IOPGT_NO_LEVEL;
		g->first = range->first;
		g->last = range->last;
		g->stride_shift = (uint8_t)stride_shift;
		return;
	}
	if (range->first < g->first)
		g->first = range->first;
	if (range->last > g->last)
		g->last = range->last;
	if (stride_shift < g->stride_shift)
		g->stride_shift = (uint8_t)stride_shift;
}

void iopgt_gather_leaves(struct iopgt_table *table, struct iopgt_op *op, struct iopgt_range range,
                         int level)
{
	struct iopgt_gather *g = &op->gather;
	bool same_level;

	/* A range that is already joined keeps its hint only if all leaves agree. */
	same_level = !g->has_range || !joins(g, &range) || g->level == level;
	add_range(table, op, &range, geometry_shift(&table->geometry, level));
	g->level = (int8_t)(same_level ? level : IOPGT_NO_LEVEL);
}

void iopgt_gather_unsettled(struct iopgt_table *table, struct iopgt_op *op,
                            struct iopgt_range range)
{
	add_range(table, op, &range, table->geometry.granule_shift);
	op->gather.level = IOPGT_NO_LEVEL;
}

void iopgt_gather_walk_caches(struct iopgt_table *table, struct iopgt_op *op,
                              struct iopgt_range range)
{
	/* The leaves below were of any level; walk caches get no hint. */
	iopgt_gather_unsettled(table, op, range);
	op->gather.walk_caches = true;
}

int iopgt_gather_harvest(struct iopgt_table *table, struct iopgt_op *op,
                         const struct iopgt_bitmap *bitmap)
{
	struct iopgt_gather *g = &op->gather;
	int err;

	if (g->has_harvest &&
	    (g->harvest.words != bitmap->words || g->harvest.base != bitmap->base ||
	     g->harvest.page_shift != bitmap->page_shift)) {
		err = iopgt_gather_flush(op);
		if (err)
			return err;
	}
	g->table = table;
	g->harvest = *bitmap;
	g->has_harvest = true;
	return IOPGT_OK;
}

/* Marks pages of a table at iova in the op's bitmap. */
static void mark(struct iopgt_op *op, uint64_t iova, uint64_t mask)
{
	op->stats.dirty += bits_count(mask);
	iopgt_bitmap_mark_pages(&op->gather.harvest, iova, op->gather.table->geometry.granule_shift,
	                        mask);
}

/*
 * Marks every contiguous group of which some member is dirty. The list's own
 * words stand in for two members of the first one.
 */
static void harvest_groups(struct iopgt_op *op, live_descriptor *entries, uint64_t iova)
{
	const struct iopgt_table *table = op->gather.table;
	const struct iopgt_geometry *g = &table->geometry;
	uint32_t count = geometry_entries(g, IOPGT_LAST_LEVEL);
	uint32_t step = geometry_group_entries(g, IOPGT_LAST_LEVEL);

	for (uint32_t i = 0; i < count && step > 1; i += step) {
		struct iopgt_group group = group_of_entry(table, entries, i, IOPGT_LAST_LEVEL,
		                                          iova + ((uint64_t)i << g->granule_shift));

		if (iopgt_group_member_marks(table, &group).dirty)
			iopgt_bitmap_mark(&op->gather.harvest, group.range.first, group.range.last);
	}
}

/* Marks what is dirty in an unlinked last-level table. */
static void harvest(struct iopgt_op *op, live_descriptor *entries, uint64_t iova)
{
	const struct iopgt_table *table = op->gather.table;
	uint32_t count = geometry_entries(&table->geometry, IOPGT_LAST_LEVEL);

	for (uint32_t i = 0; i < count; i += 64) {
		uint64_t mask = scan_dirty_mask(table, entries + i, 64, IOPGT_LAST_LEVEL);

		/* The list's own words were counted when they were exchanged. */
		if (i == 0)
			mask &= ~UINT64_C(3);
		mark(op, iova + ((uint64_t)i << table->geometry.granule_shift), mask);
	}
	if (table->grouped)
		harvest_groups(op, entries, iova);
}

/* Marks what the first two entries held when the list took their place. */
static void harvest_taken(struct iopgt_op *op, const struct iopgt_unlinked *unlinked,
                          const uint64_t taken[2])
{
	const struct iopgt_table *table = op->gather.table;
	const struct iopgt_format *f = &table->format;
	uint64_t mask = 0;
	bool member = false;

	for (unsigned i = 0; i < 2; i++) {
		if (!format_is_leaf(f, unlinked->level, taken[i]) || !format_is_dirty(f, taken[i]))
			continue;
		mask |= UINT64_C(1) << i;
		member |= format_is_member(f, unlinked->level, taken[i]);
	}
	mark(op, unlinked->iova, mask);
	if (member && table->grouped)
		iopgt_bitmap_mark(
			&op->gather.harvest, unlinked->iova,
			unlinked->iova +
				(geometry_group_size(&table->geometry, unlinked->level) - 1));
}

void iopgt_gather_table(struct iopgt_table *table, struct iopgt_op *op,
                        const struct iopgt_unlinked *unlinked)
{
	struct iopgt_gather *g = &op->gather;
	struct iopgt_range range = {
		unlinked->iova,
		unlinked->iova + geometry_size(&table->geometry, unlinked->level - 1) - 1};
	uint64_t taken[2];

	iopgt_gather_walk_caches(table, op, range);
	taken[0] = live_exchange(&unlinked->entries[0], g->free_list);
	taken[1] = live_exchange(&unlinked->entries[1],
	                         unlinked->iova | (unlinked->harvest ? NODE_HARVEST : 0));
	if (unlinked->harvest)
		harvest_taken(op, unlinked, taken);
	g->free_list = unlinked->phys | NODE_LINK;
	table_count(&table->tables, (uint32_t)-1);
}

/* After the wait: no walker reaches these tables any more. */
static int free_tables(struct iopgt_op *op)
{
	struct iopgt_gather *g = &op->gather;

	while (g->free_list) {
		uint64_t phys = g->free_list & ~NODE_LINK;
		live_descriptor *entries = table_virt(g->table, phys);
		uint64_t node;

		if (!entries)
			return IOPGT_BAD_TABLE;
		node = live_load(&entries[1]);
		g->free_list = live_load(&entries[0]);
		if (node & NODE_HARVEST)
			harvest(op, entries, node & ~NODE_HARVEST);
		iopgt_table_free(g->table, entries, phys);
	}
	return IOPGT_OK;
}

/* The failed sync of another op voids what this one handed over before. */
static void look_for_failed_syncs(struct iopgt_gather *g)
{
	if (g->unsynced && g->failed_syncs != table_counted(&g->table->failed_syncs))
		g->all = true;
}

static int post_all(struct iopgt_op *op)
{
	struct iopgt_gather *g = &op->gather;
	int err;

	post_range(op);
	look_for_failed_syncs(g);
	if (!g->all)
		return IOPGT_OK;
	g->unsynced = false;
	note_posted(g);
	op->stats.invalidations++;
	err = g->table->tlb->invalidate_all(g->table->tlb_context);
	g->all = err != IOPGT_OK;
	return err;
}

int iopgt_gather_sync(struct iopgt_table *table, struct iopgt_op *op)
{
	struct iopgt_gather *g = &op->gather;
	int err = g->all ? post_all(op) : IOPGT_OK;

	if (err)
		return err;
	err = table->tlb->sync(table->tlb_context);
	/* What was posted before a failed wait does not count. */
	if (err)
		table_count(&table->failed_syncs, 1);
	look_for_failed_syncs(g);
	/* The host may refuse to sync until then, though nothing was owed here. */
	if (err && !table->read_only) {
		g->table = table;
		g->all = true;
	}
	if (err)
		return err;
	op->stats.waits++;
	g->unsynced = false;
	g->ranges = 0;
	return IOPGT_OK;
}

static int post_and_wait(struct iopgt_op *op)
{
	struct iopgt_gather *g = &op->gather;
	int err = post_all(op);

	return !err && g->unsynced ? iopgt_gather_sync(g->table, op) : err;
}

int iopgt_gather_flush(struct iopgt_op *op)
{
	struct iopgt_gather *g = &op->gather;
	int err;

	if (!g->table)
		return IOPGT_OK;
	err = post_and_wait(op);
	/* Voided by others while it waited: once more, and no more often than that. */
	if (!err && g->all)
		err = post_and_wait(op);
	if (!err && g->all)
		err = IOPGT_BUSY;
	if (err)
		return err;
	err = free_tables(op);
	if (err)
		return err;
	*g = (struct iopgt_gather){0};
	return IOPGT_OK;
}

int iopgt_op_finish(struct iopgt_op *op)
{
	return op ? iopgt_gather_flush(op) : IOPGT_BAD_ARGUMENT;
}
