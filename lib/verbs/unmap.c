/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/bitmap.h"
#include "core/bits.h"
#include "core/direct.h"
#include "core/regroup.h"
#include "core/split_batch.h"
#include "core/unlink.h"

struct unmap_state {
	struct iopgt_table *table;
	struct iopgt_op *op;
	struct iopgt_cursor c;
	uint64_t begin;                    /* where the sequence of calls began */
	const struct iopgt_bitmap *bitmap; /* of unmap_dirty */
};

/*
 * A member's mark is for all of its group: that one goes whole, or another call
 * is just completing its break-up.
 */
static struct iopgt_range group_in_range(const struct unmap_state *s, uint64_t iova)
{
	uint64_t low = geometry_group_size(&s->table->geometry, s->c.level) - 1;
	struct iopgt_range group = {iova & ~low, iova | low};

	if (group.first < s->c.range.first)
		group.first = s->c.range.first;
	if (group.last > s->c.range.last)
		group.last = s->c.range.last;
	return group;
}

/* d was removed at `range`. In unmap_dirty what it held at that instant counts. */
static void count_removed(struct unmap_state *s, uint64_t d, struct iopgt_range range)
{
	if (!s->bitmap || !format_is_dirty(&s->table->format, d))
		return;
	s->op->stats.dirty++;
	if (s->table->grouped && format_is_member(&s->table->format, s->c.level, d))
		range = group_in_range(s, range.first);
	iopgt_bitmap_mark(s->bitmap, range.first, range.last);
}

/* Nobody replaces a page by anything else. */
static void remove_page(struct unmap_state *s, live_descriptor *entry, struct iopgt_range page)
{
	if (s->bitmap)
		count_removed(s, live_exchange(entry, 0), page);
	else
		live_store(entry, 0);
}

/* False: it is no block any more; a dirty verb beside this call may split it. */
static bool remove_block(struct unmap_state *s, uint64_t d, struct iopgt_range block)
{
	while (!live_replace(cursor_entry(&s->c), &d, 0)) {
		if (!format_is_leaf(&s->table->format, s->c.level, d))
			return false;
	}
	count_removed(s, d, block);
	return true;
}

/* A last-level table wholly in the range goes as it is, when the cursor leaves it. */
static bool takes_whole_table(const struct unmap_state *s, uint32_t run)
{
	return s->c.level > s->table->geometry.start_level &&
	       run == geometry_entries(&s->table->geometry, s->c.level);
}

/* Removes those of up to 64 pages that are in `leaves`. */
static void remove_pages(struct unmap_state *s, live_descriptor *entries, uint64_t iova,
                         uint64_t leaves)
{
	uint64_t granule = geometry_granule(&s->table->geometry);

	for (; leaves; leaves &= leaves - 1) {
		uint32_t i = bits_lowest(leaves);
		uint64_t first = iova + i * granule;

		remove_page(s, &entries[i], (struct iopgt_range){first, first + granule - 1});
	}
}

/* The page `count` after the cursor's. */
static uint64_t page_at(const struct unmap_state *s, uint32_t count)
{
	return s->c.iova + ((uint64_t)count << s->table->geometry.granule_shift);
}

/*
 * Those that were no leaves when they were looked at together, each by one load: another
 * call may have put them back by now, or still have them (level 0).
 */
static uint64_t late_leaves(const struct unmap_state *s, live_descriptor *entries, uint64_t mask,
                            bool *broken)
{
	const struct iopgt_format *f = &s->table->format;
	uint64_t leaves = 0;

	for (; mask; mask &= mask - 1) {
		uint32_t i = bits_lowest(mask);
		uint64_t d = live_load(&entries[i]);

		*broken |= format_is_broken(f, d);
		leaves |= (uint64_t)format_is_leaf(f, IOPGT_LAST_LEVEL, d) << i;
	}
	return leaves;
}

/* Whether a table that goes whole is full of pages, while the next one is fetched. */
static bool is_full(const struct unmap_state *s, live_descriptor *entries, uint32_t count)
{
	const live_descriptor *ahead = cursor_ahead(&s->c);

	for (uint32_t i = 0; i < count; i += 64)
		if (!table_all_pages(s->table, &entries[i], &ahead[i]))
			return false;
	return true;
}

/* Pages from the cursor on; *steps: how many entries are done. */
static int unmap_pages(struct unmap_state *s, uint32_t *steps)
{
	live_descriptor *entries = cursor_entry(&s->c);
	struct iopgt_range removed = {1, 0};
	uint32_t run = cursor_run(&s->c);
	uint32_t n = 64 - (cursor_index(&s->c) & 63);
	bool whole = takes_whole_table(s, run);
	uint32_t pages = 0;
	bool broken = false;

	*steps = run;
	if (whole && is_full(s, entries, run)) {
		s->op->stats.unmapped += run;
		return IOPGT_OK;
	}
	for (uint32_t i = 0; i < run; i += n, n = 64) {
		uint64_t leaves;

		if (n > run - i)
			n = run - i;
		leaves = table_leaf_mask(s->table, &entries[i], n, IOPGT_LAST_LEVEL);
		if (leaves != bits_low(n))
			leaves |= late_leaves(s, &entries[i], bits_low(n) & ~leaves, &broken);
		pages += leaves == bits_low(n) ? n : bits_count(leaves);
		if (whole || !leaves)
			continue;
		if (removed.first > removed.last)
			removed.first = page_at(s, i + bits_lowest(leaves));
		removed.last = page_at(s, i + bits_highest(leaves) + 1) - 1;
		remove_pages(s, &entries[i], page_at(s, i), leaves);
	}
	s->op->stats.unmapped += pages;
	s->op->stats.holes += run - pages;
	if (removed.first <= removed.last) {
		table_clean(s->table, entries, run);
		gather_at_cursor(s->table, s->op, &s->c, removed);
	}
	return broken ? IOPGT_BUSY : IOPGT_OK;
}

static uint64_t granules_here(const struct unmap_state *s)
{
	uint64_t last = cursor_last(&s->c);

	if (last > s->c.range.last)
		last = s->c.range.last;
	return (last - s->c.iova + 1) >> s->table->geometry.granule_shift;
}

/* A block; *steps is 0 if it was split, by this call or another: the cursor is to look again. */
static int unmap_block(struct unmap_state *s, uint64_t d, uint32_t *steps)
{
	struct iopgt_range range = {cursor_first(&s->c), cursor_last(&s->c)};

	if (!cursor_covers(&s->c)) {
		int err = iopgt_split_one(s->table, &s->c, d, s->op);

		*steps = 0;
		/* Its wait completed what the op owed, and with it the harvest. */
		return err || !s->bitmap ? err : iopgt_gather_harvest(s->table, s->op, s->bitmap);
	}
	if (!remove_block(s, d, range)) {
		*steps = 0;
		return IOPGT_OK;
	}
	table_clean(s->table, cursor_entry(&s->c), 1);
	s->op->stats.unmapped += granules_here(s);
	gather_at_cursor(s->table, s->op, &s->c, range);
	return IOPGT_OK;
}

static int unmap_entry(struct unmap_state *s, uint32_t *steps)
{
	const struct iopgt_format *f = &s->table->format;
	uint64_t d;

	if (s->c.level == IOPGT_LAST_LEVEL)
		return unmap_pages(s, steps);
	d = live_load_table(cursor_entry(&s->c));
	if (format_is_table(f, s->c.level, d)) {
		*steps = 0;
		return cursor_down(&s->c, d);
	}
	*steps = 1;
	if (format_is_leaf(f, s->c.level, d))
		return unmap_block(s, d, steps);
	if (format_is_broken(f, d))
		return IOPGT_BUSY;
	s->op->stats.holes += granules_here(s);
	return IOPGT_OK;
}

/*
 * The cursor came up from a table. In a sequence of calls the earlier ones
 * emptied what lies before this call's range; that is looked at again, so that
 * a sequence given up and begun anew cannot take a table that is in use.
 */
static void leave_table(struct unmap_state *s)
{
	if (cursor_first(&s->c) < s->begin || cursor_last(&s->c) > s->c.range.last)
		return;
	if (cursor_first(&s->c) < s->c.range.first && !unlink_child_is_empty(&s->c))
		return;
	unlink_child(s->table, s->op, &s->c, s->bitmap != NULL);
}

static int unmap_loop(struct unmap_state *s)
{
	for (;;) {
		enum cursor_move move;
		uint32_t steps;
		int err = unmap_entry(s, &steps);

		if (err)
			return err;
		if (!steps)
			continue;
		move = cursor_step(&s->c, steps);
		while (move == CURSOR_UP) {
			leave_table(s);
			move = cursor_step(&s->c, 1);
		}
		if (move == CURSOR_END)
			return IOPGT_OK;
		if (cursor_spent(&s->c)) {
			return cursor_again_from(&s->c, s->op, CURSOR_UNMAP, s->begin);
		}
	}
}

static int unmap_range(struct unmap_state *s, struct iopgt_range range)
{
	int err;

	s->begin = cursor_resumed_from(s->op, CURSOR_UNMAP, range.first);
	cursor_start(&s->c, s->table, range, s->op);
	err = unmap_loop(s);
	s->op->stats.looked_at += s->c.looked_at;
	return err;
}

/* The plain case. False: it is not, and nothing was done. */
static bool unmap_direct(struct iopgt_table *table, struct iopgt_range range, struct iopgt_op *op)
{
	const struct iopgt_format *f = &table->format;
	uint32_t count = direct_count(table, range, op);
	live_descriptor *entries;

	/* A sequence takes tables that its calls empty together. */
	if (!count || op->resumed_from)
		return false;
	entries = iopgt_direct_pages(table, range);
	for (uint32_t i = 0; entries && i < count; i++)
		if (!format_is_leaf(f, IOPGT_LAST_LEVEL, live_load(&entries[i])))
			return false;
	if (!entries)
		return false;
	for (uint32_t i = 0; i < count; i++)
		live_store(&entries[i], 0);
	gather_leaves(table, op, range, IOPGT_LAST_LEVEL);
	op->stats.unmapped += count;
	direct_looked_at(table, op, count);
	return true;
}

static __attribute__((noinline)) int unmap_all(struct iopgt_table *table, struct iopgt_range range,
                                               struct iopgt_op *op)
{
	struct unmap_state s = {.table = table, .op = op};
	int err = iopgt_ungroup_ends(table, range, op);

	return err ? err : unmap_range(&s, range);
}

static __attribute__((noinline)) int unmap_any(struct iopgt_table *table, uint64_t iova,
                                               uint64_t size, struct iopgt_op *op)
{
	struct iopgt_range range;
	int err = iopgt_check_change(table, iova, size, op, &range);

	return err || unmap_direct(table, range, op) ? err : unmap_all(table, range, op);
}

/* One page, in the plain case. False: it is not, and nothing was done. */
static inline bool unmap_page(struct iopgt_table *table, uint64_t iova, uint64_t size,
                              struct iopgt_op *op)
{
	struct iopgt_range range = {iova, iova + (DIRECT_PAGE - 1)};
	live_descriptor *entry;

	if (!direct_page(table, iova, size, op, &entry) || op->resumed_from ||
	    !format_is_leaf(&table->format, IOPGT_LAST_LEVEL, live_load(entry)))
		return false;
	live_store(entry, 0);
	gather_leaves(table, op, range, IOPGT_LAST_LEVEL);
	op->stats.unmapped++;
	direct_looked_at(table, op, 1);
	return true;
}

int iopgt_unmap(struct iopgt_table *table, uint64_t iova, uint64_t size, struct iopgt_op *op)
{
	return unmap_page(table, iova, size, op) ? IOPGT_OK : unmap_any(table, iova, size, op);
}

int iopgt_unmap_dirty(struct iopgt_table *table, uint64_t iova, uint64_t size,
                      const struct iopgt_bitmap *bitmap, struct iopgt_op *op)
{
	struct unmap_state s = {.table = table, .op = op, .bitmap = bitmap};
	struct iopgt_range range;
	int err = iopgt_check_change(table, iova, size, op, &range);

	if (err)
		return err;
	if (!table->format.dirty_managed)
		return IOPGT_NO_DIRTY;
	err = iopgt_bitmap_check(table, bitmap, &range);
	if (err)
		return err;
	/* A walker drops the mark of a descriptor that is gone: finished ones first. */
	err = iopgt_gather_sync(table, op);
	if (!err)
		err = iopgt_ungroup_ends(table, range, op);
	if (!err)
		err = iopgt_gather_harvest(table, op, bitmap);
	return err ? err : unmap_range(&s, range);
}
