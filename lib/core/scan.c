/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/gather.h"
#include "core/scan_state.h"
#include "core/walked.h"

static int flush_batch(struct scan_state *s)
{
	int err = iopgt_split_batch_flush(s->batch);

	s->batch_failed = err != IOPGT_OK;
	return err;
}

/* Whether the cursor is in tables that this call made of one block: reported, and clean. */
static bool is_fresh(const struct scan_state *s)
{
	return s->c.level > s->split_level && s->c.iova >= s->split.first &&
	       s->c.iova <= s->split.last;
}

/* Takes the block into the batch. What cannot be split is an error, or counted. */
static int split_block(struct scan_state *s, uint64_t d, bool clean, bool *taken)
{
	struct iopgt_range block = {cursor_first(&s->c), cursor_last(&s->c)};
	bool fresh = is_fresh(s);
	int level = s->c.level;
	int err = IOPGT_OK;

	*taken = false;
	if (split_batch_full(s->batch)) {
		err = flush_batch(s);
		if (err)
			return err;
	}
	err = iopgt_split_batch_add(s->batch, &s->c, d, clean);
	*taken = !err;
	if (err && s->scan->split != SCAN_SPLIT_ALL) {
		s->op->stats.left_unsplit++;
		return IOPGT_OK;
	}
	if (!err && clean && !fresh) {
		s->split = block;
		s->split_level = level;
	}
	/* Of a block that crosses the range's end, its pages in the range are cleaned. */
	if (!err && !clean && (s->scan->flags & SCAN_CLEAN))
		err = flush_batch(s);
	return err;
}

/* The same by one level, if the table has a split left: what is below will be clean. */
static int split_by_one_level(struct scan_state *s, uint64_t d, bool *taken)
{
	int err;

	*taken = false;
	if (!table_take(&s->table->splits_left)) {
		s->op->stats.left_unsplit++;
		return IOPGT_OK;
	}
	err = split_block(s, d, true, taken);
	if (*taken)
		s->c.level--;
	return err;
}

static void clean_block(struct scan_state *s, struct iopgt_range block)
{
	clean_leaves(s, cursor_entry(&s->c), s->c.level, 1);
	s->op->stats.cleaned++;
	gather_at_cursor(s->table, s->op, &s->c, block);
}

static void make_block_dirty(struct scan_state *s, struct iopgt_range block)
{
	scan_make_dirty(s, cursor_entry(&s->c), block);
	walked_by_cursor(&s->c);
}

/* Pages of which some may be in groups; `run`: how many there are in table, range and budget. */
static int scan_grouped_pages(struct scan_state *s, uint32_t run, uint32_t *steps)
{
	const struct iopgt_format *f = &s->table->format;
	uint32_t group = geometry_group_entries(&s->table->geometry, IOPGT_LAST_LEVEL);
	uint32_t around = group > 64 ? group : 64;
	uint64_t d;

	*steps = iopgt_scan_unmarked_places(s, run, around);
	if (*steps)
		return IOPGT_OK;
	*steps = around - (cursor_index(&s->c) & (around - 1));
	if (*steps > run)
		*steps = run;
	if (iopgt_scan_is_unmarked(s, around))
		return IOPGT_OK;
	d = live_load(cursor_entry(&s->c));
	if (format_is_broken(f, d))
		return IOPGT_BUSY;
	if (iopgt_scan_in_group(s, d)) {
		if (!(s->scan->flags & SCAN_MAKE_DIRTY))
			return iopgt_scan_group(s, d, steps);
		iopgt_scan_dirty_group(s);
		*steps = group_rest(&s->c);
		return IOPGT_OK;
	}
	if (group > 1) {
		struct iopgt_group place = group_at(&s->c);

		/* Single pages, but of a group that is just being broken up, maybe not all yet. */
		if (!group_lies_in(&place, s->scan->range) && iopgt_scan_any_broken(s, &place))
			return IOPGT_BUSY;
		live_order_loads();
		*steps = group_rest(&s->c);
	}
	iopgt_scan_pages(s, *steps);
	return IOPGT_OK;
}

/* Pages of a last-level table from the cursor on; *steps: how many are done, 0: look again. */
static int scan_pages(struct scan_state *s, uint32_t *steps)
{
	uint32_t run;

	if (!s->scan->flags || (s->batch->count && iopgt_split_batch_is_private(s->batch, &s->c))) {
		*steps = cursor_rest(&s->c);
		return IOPGT_OK;
	}
	run = cursor_run(&s->c);
	if (s->table->grouped)
		return scan_grouped_pages(s, run, steps);
	iopgt_scan_pages(s, run);
	*steps = run;
	return IOPGT_OK;
}

/* --- Blocks --- */

/*
 * A block. Sets *steps to 1 if it is done, to 0 if the cursor went down into its
 * new table.
 */
static int scan_block(struct scan_state *s, uint64_t d, uint32_t *steps)
{
	struct iopgt_range block = {cursor_first(&s->c), cursor_last(&s->c)};
	bool adapts = s->scan->split == SCAN_SPLIT_ADAPTIVE;
	bool fresh = is_fresh(s);
	bool marked = is_marked(s, d);
	bool cleans = iopgt_scan_may_clean(s, block);
	bool taken = false;
	int err = IOPGT_OK;

	*steps = 1;
	if (s->scan->flags & SCAN_MAKE_DIRTY) {
		if (iopgt_scan_in_group(s, d))
			iopgt_scan_dirty_group(s);
		else if (format_is_clean(&s->table->format, d))
			make_block_dirty(s, block);
		return IOPGT_OK;
	}
	if (iopgt_scan_in_group(s, d))
		return iopgt_scan_group(s, d, steps);
	/* The block that a fresh one came from was reported, and is copied after the op. */
	if (!fresh && marked && (s->scan->flags & SCAN_REPORT) && !iopgt_scan_report(s, block))
		return IOPGT_OK;
	if (iopgt_scan_wants_split(s, d, fresh || (marked && cleans)))
		err = adapts ? split_by_one_level(s, d, &taken) : split_block(s, d, cleans, &taken);
	if (taken)
		*steps = adapts;
	else if (!err && marked && cleans)
		clean_block(s, block);
	else if (!err && marked)
		iopgt_scan_left_marked(s);
	return err;
}

/* A table whose block's invalidation failed once: completes it. */
static int settle_table(struct scan_state *s, uint64_t d)
{
	const struct iopgt_format *f = &s->table->format;
	live_descriptor *entry = cursor_entry(&s->c);
	int err;

	if (s->scan->split == SCAN_SPLIT_NONE || !(d & f->unsettled) ||
	    iopgt_split_batch_is_private(s->batch, &s->c))
		return IOPGT_OK;
	iopgt_gather_unsettled(s->table, s->op,
	                       (struct iopgt_range){cursor_first(&s->c), cursor_last(&s->c)});
	err = iopgt_gather_flush(s->op);
	while (!err && format_is_table(f, s->c.level, d) &&
	       !live_replace(entry, &d, d & ~f->unsettled)) {
	}
	return err;
}

/* A table, whose descriptor is d; *steps: 0, or how many tables the scan passes by. */
static int scan_table(struct scan_state *s, uint64_t d, uint32_t *steps)
{
	enum scan_way way = s->skips ? iopgt_scan_enter(s, d) : SCAN_GO_DOWN;
	int err;

	*steps = way == SCAN_PASS_BY ? iopgt_scan_pass_by(s) : 0;
	if (s->ages && way != SCAN_LOOK_AGAIN)
		iopgt_scan_age_enter(s);
	if (s->ages && way == SCAN_PASS_BY)
		iopgt_scan_age_leave(s);
	if (way != SCAN_GO_DOWN)
		return IOPGT_OK;
	err = settle_table(s, d);
	return err ? err : cursor_down(&s->c, d);
}

/* Looks at the entry the cursor is on; *steps: how many entries are done. */
static int scan_entry(struct scan_state *s, uint32_t *steps)
{
	const struct iopgt_format *f = &s->table->format;
	uint64_t d;

	if (s->c.level == IOPGT_LAST_LEVEL)
		return scan_pages(s, steps);
	d = live_load_table(cursor_entry(&s->c));
	if (format_is_table(f, s->c.level, d)) {
		*steps = s->streams ? iopgt_scan_tables(s) : 0;
		return *steps ? IOPGT_OK : scan_table(s, d, steps);
	}
	if (s->hops && !is_fresh(s)) {
		*steps = iopgt_scan_blocks(s);
		if (*steps)
			return IOPGT_OK;
	}
	*steps = 1;
	if (format_is_leaf(f, s->c.level, d))
		return scan_block(s, d, steps);
	return format_is_broken(f, d) ? IOPGT_BUSY : IOPGT_OK;
}

/* Leaves entries behind, and tables that are done. False: the range is. */
static bool scan_next(struct scan_state *s, uint32_t steps)
{
	enum cursor_move move = cursor_step(&s->c, steps);

	while (move == CURSOR_UP) {
		if (s->skips)
			iopgt_scan_leave(s);
		if (s->ages)
			iopgt_scan_age_leave(s);
		move = cursor_step(&s->c, 1);
	}
	return move == CURSOR_MORE;
}

static int scan_loop(struct scan_state *s)
{
	for (;;) {
		uint32_t steps;
		int err = scan_entry(s, &steps);

		if (err) {
			s->op->next = s->c.iova;
			return err;
		}
		if (s->scan->visitor_stop)
			return s->scan->visitor_stop;
		if (!steps)
			continue;
		if (!scan_next(s, steps)) {
			s->op->next = s->scan->range.last + 1;
			return IOPGT_OK;
		}
		if (cursor_spent(&s->c))
			return cursor_again_from(&s->c, s->op, CURSOR_SCAN, s->begin);
	}
}

int iopgt_scan_check(struct iopgt_scan *scan, uint64_t iova, uint64_t size)
{
	int err = iopgt_check_call(scan->table, iova, size, scan->op, &scan->range);

	if (err)
		return err;
	if (scan->flags & SCAN_ACCESSED) {
		if (!scan->table->access_managed)
			return IOPGT_NO_ACCESS_FLAG;
	} else if (!scan->table->format.dirty_managed) {
		return IOPGT_NO_DIRTY;
	}
	if ((scan->flags & SCAN_CLEAN) && scan->table->read_only)
		return IOPGT_READ_ONLY;
	if ((scan->flags & SCAN_CLEAN) && (scan->flags & SCAN_ACCESSED))
		table_note(&scan->table->cleared_accessed);
	if (scan->visitor)
		return IOPGT_OK;
	return iopgt_bitmap_check(scan->table, scan->bitmap, &scan->range);
}

/* The scan itself; in scan->op->next is where to go on. */
static int run_in_batches(struct iopgt_scan *scan)
{
	struct split_slot slots[SPLIT_BATCH_MAX];
	struct split_batch batch;
	struct scan_state s = {.scan = scan,
	                       .table = scan->table,
	                       .op = scan->op,
	                       .batch = &batch,
	                       .split = {1, 0},
	                       .ages = scan->split == SCAN_SPLIT_ADAPTIVE};
	int err, flushed;

	s.begin = cursor_resumed_from(scan->op, CURSOR_SCAN, scan->range.first);
	cursor_start(&s.c, scan->table, scan->range, scan->op);
	split_batch_start(&batch, scan->table, scan->op, slots, SPLIT_BATCH_MAX);
	iopgt_scan_start_blocks(&s);
	iopgt_scan_start_skipping(&s);
	iopgt_scan_start_pages(&s);
	err = scan_loop(&s);
	if (s.ages)
		iopgt_scan_age_cut(&s);
	flushed = iopgt_split_batch_flush(&batch);
	iopgt_scan_give_run(scan);
	scan->op->stats.looked_at += s.c.looked_at;
	/* What the batch held comes again if it could not be replaced. */
	if (flushed || s.batch_failed) {
		scan->op->next = slots[0].iova;
		if (scan->op->next < scan->range.first)
			scan->op->next = scan->range.first;
	}
	if (flushed)
		return flushed;
	return err && err != IOPGT_AGAIN ? err : scan->visitor_stop ? scan->visitor_stop : err;
}

int iopgt_scan_run(struct iopgt_scan *scan)
{
	bool cut = false;
	int err = IOPGT_OK;

	scan->op->next = scan->range.first;
	if (scan->op->flags & IOPGT_OP_SYNC)
		err = iopgt_gather_sync(scan->table, scan->op);
	if (!err)
		err = iopgt_scan_break_groups(scan, &cut);
	if (err)
		return err;
	err = run_in_batches(scan);
	return cut && !err ? IOPGT_AGAIN : err;
}
