/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs of blocks and holes, up to 64 entries at a time. What is passed over, and what is
 * taken, must each be seen to be so by one load: an entry that is no clean block, and a
 * moment later no dirty one, may have been dirty before it became a table (another call
 * may split a block that the range shares). So what no match tells is left to be looked
 * at by itself.
 */
#include "core/gather.h"
#include "core/scan_state.h"

/* Whether all that is done about a marked block is to report and to clean it, whole. */
static bool takes_blocks(const struct scan_state *s)
{
	const struct iopgt_scan *scan = s->scan;

	if (scan->flags & (SCAN_MAKE_DIRTY | SCAN_SELECT))
		return false;
	if (!(scan->flags & SCAN_CLEAN) || scan->split == SCAN_SPLIT_NONE)
		return true;
	return scan->split == SCAN_SPLIT_ADAPTIVE && !table_counted(&s->table->splits_left);
}

void iopgt_scan_start_blocks(struct scan_state *s)
{
	const struct iopgt_format *f = &s->table->format;
	const struct iopgt_scan *scan = s->scan;
	uint64_t mask = f->leaf_mask[0], value = f->leaf_value[0];
	uint64_t bits = f->state_mask, marked = f->state_dirty, unmarked = f->state_clean;

	if (scan->flags & SCAN_ACCESSED) {
		bits = marked = f->accessed;
		unmarked = 0;
	} else if (scan->flags & SCAN_MAKE_DIRTY) {
		unmarked = f->state_dirty;
	}
	s->hops = scan->flags && scan->split <= SCAN_SPLIT_CLEANED && !s->table->grouped &&
	          !table_counted(&s->table->kept_dirty);
	s->takes = s->hops && takes_blocks(s);
	s->marked = (struct scan_match){mask | bits, value | marked};
	s->unmarked = (struct scan_match){mask | bits, value | unmarked};
}

/* Those of the `n` entries from the cursor on that lie wholly in the range. */
static uint64_t covered(const struct scan_state *s, uint32_t n)
{
	unsigned shift = geometry_shift(&s->table->geometry, s->c.level);
	uint64_t size = UINT64_C(1) << shift, mask = bits_low(n);

	if (cursor_first(&s->c) < s->scan->range.first)
		mask &= ~UINT64_C(1);
	if (cursor_first(&s->c) + (n - 1) * size + (size - 1) > s->scan->range.last)
		mask &= ~(UINT64_C(1) << (n - 1));
	return mask;
}

static void clean_blocks(struct scan_state *s, uint64_t mask, struct iopgt_range range)
{
	s->op->stats.cleaned += bits_count(mask);
	if (s->scan->split != SCAN_SPLIT_NONE)
		s->op->stats.left_unsplit += bits_count(mask);
	clean_leaves(s, cursor_entry(&s->c), s->c.level, mask);
	gather_at_cursor(s->table, s->op, &s->c, range);
}

/* Reports and cleans the blocks in `mask`, until the visitor stops. */
static void take_blocks(struct scan_state *s, uint64_t mask)
{
	unsigned shift = geometry_shift(&s->table->geometry, s->c.level);
	struct iopgt_scan *scan = s->scan;

	while (mask) {
		struct iopgt_range range;
		uint32_t first, count;

		bits_take_run(&mask, &first, &count);
		range.first = cursor_first(&s->c) + ((uint64_t)first << shift);
		range.last = range.first + (((uint64_t)count << shift) - 1);
		if (scan->bitmap && (scan->flags & SCAN_REPORT))
			iopgt_bitmap_mark(scan->bitmap, range.first, range.last);
		else if (scan->visitor && !iopgt_scan_visit(scan, range.first, range.last))
			return;
		s->op->stats.dirty += scan->flags & SCAN_REPORT ? count : 0;
		if (scan->flags & SCAN_CLEAN)
			clean_blocks(s, bits_low(count) << first, range);
	}
}

/* Whether the entry behind the cursor's, at that distance, links a table. */
static bool is_table_at(const struct scan_state *s, uint32_t distance)
{
	uint64_t d = live_load(cursor_entry(&s->c) + distance);

	return format_is_table(&s->table->format, s->c.level, d);
}

/*
 * Those of the `n` entries from the cursor on that are unmarked. Among 64 there may be tables,
 * which the scan goes into: the 64 are looked at once, not again behind each table. What was
 * unmarked at any moment of this call may be passed over: a later mark stays for the next one.
 */
static uint64_t unmarked_blocks(struct scan_state *s, uint32_t n)
{
	uint32_t before = cursor_index(&s->c) & 63;
	live_descriptor *entries = cursor_entry(&s->c) - before;

	if (before + n < 64 || (n < 32 && entries != s->seen))
		return cursor_match(&s->c, n, s->unmarked.mask, s->unmarked.value);
	if (entries != s->seen) {
		s->seen = entries;
		s->seen_unmarked = live_match(entries, 64, s->unmarked.mask, s->unmarked.value);
	}
	return s->seen_unmarked >> before;
}

uint32_t iopgt_scan_blocks(struct scan_state *s)
{
	const struct iopgt_format *f = &s->table->format;
	uint32_t n = 64 - (cursor_index(&s->c) & 63), run = cursor_run(&s->c);
	uint64_t rest, marked = 0;

	if (n > run)
		n = run;
	rest = bits_low(n) & ~unmarked_blocks(s, n);
	if (rest && s->takes) {
		marked = cursor_match(&s->c, n, s->marked.mask, s->marked.value) & covered(s, n);
		rest &= ~marked;
	}
	/* Mostly it is a table that ends the run: then holes need not be looked for. */
	if (rest && !is_table_at(s, bits_lowest(rest)))
		rest &= ~cursor_match(&s->c, n, f->present | f->broken, 0);
	if (rest)
		n = bits_lowest(rest);
	if (n)
		take_blocks(s, marked & bits_low(n));
	return n;
}
