/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scanning by the access flags of tables. The order, by which no write is lost though
 * walkers start from tables that they have cached (tests/model/flag.pml):
 *
 * - A table with neither `walked` nor `was_walked` is passed by.
 * - On the way in, `walked` becomes `was_walked` in one atomic operation, if this call
 *   covers and cleans all that is below. The op then owes the invalidation of the whole
 *   table: walk caches, and leaves too, since what is cached of a clean leaf is made
 *   dirty without a walk.
 * - On the way out of a table that was covered, and did not have `walked` on the way in,
 *   `was_walked` goes. A leaf left dirty has marked the table again. Not on the way in:
 *   a call that ends half way would leave dirty leaves behind.
 *
 * So a table is visited twice after its last walk: what a walker marked by a stale copy
 * of an upper table, before the invalidation, is found by the second visit. Between the
 * two the invalidation has to be complete; hence `moved`.
 */
#include "core/gather.h"
#include "core/scan_state.h"
#include "core/walked.h"

void iopgt_scan_start_skipping(struct scan_state *s)
{
	const struct iopgt_scan *scan = s->scan;
	const struct iopgt_gather *g = &s->op->gather;

	/* Those that split what is clean, too, go everywhere. */
	s->skips = table_counted(&s->table->skips) &&
	           !(scan->flags & (SCAN_ACCESSED | SCAN_MAKE_DIRTY)) &&
	           scan->split <= SCAN_SPLIT_CLEANED;
	s->moved = g->walked_last ? (struct iopgt_range){g->walked_first, g->walked_last}
	                          : (struct iopgt_range){UINT64_MAX, 0};
}

/* Takes the flag from *d, if it has it. *d is what stands there in the end. */
static bool move_flag(const struct iopgt_format *f, live_descriptor *entry, int level, uint64_t *d)
{
	while (format_is_table(f, level, *d) && (*d & f->walked)) {
		if (live_replace(entry, d, (*d & ~f->walked) | f->was_walked))
			return true;
	}
	return false;
}

static void owe_table(struct scan_state *s, struct iopgt_range range)
{
	struct iopgt_gather *g = &s->op->gather;

	iopgt_gather_walk_caches(s->table, s->op, range);
	if (!g->walked_last || range.first < g->walked_first)
		g->walked_first = range.first;
	if (range.last > g->walked_last)
		g->walked_last = range.last;
}

/* Tables from the cursor on that nobody walked through, each seen to be one by one load. */
static uint32_t count_unwalked(const struct scan_state *s)
{
	const struct iopgt_format *f = &s->table->format;
	uint32_t n = 64 - (cursor_index(&s->c) & 63), run = cursor_run(&s->c);
	uint64_t others;

	if (n > run)
		n = run;
	others = bits_low(n) &
	         ~cursor_match(&s->c, n, f->table_mask | f->walked | f->was_walked, f->table_value);
	return others ? bits_lowest(others) : n;
}

uint32_t iopgt_scan_pass_by(struct scan_state *s)
{
	/* While tables have an age, each is left by itself. */
	uint32_t count = s->ages ? 1 : count_unwalked(s);

	s->op->stats.skipped += count;
	return count;
}

enum scan_way iopgt_scan_enter(struct scan_state *s, uint64_t d)
{
	const struct iopgt_format *f = &s->table->format;
	struct iopgt_range range = {cursor_first(&s->c), cursor_last(&s->c)};
	bool covers = (s->scan->flags & SCAN_CLEAN) && cursor_covers(&s->c);
	bool owed = range.first <= s->moved.last && range.last >= s->moved.first;

	/* One that this call makes is linked later, as walked. */
	if (iopgt_split_batch_is_private(s->batch, &s->c))
		return SCAN_GO_DOWN;
	if (!(d & (f->walked | f->was_walked)))
		return SCAN_PASS_BY;
	if (!covers)
		return SCAN_GO_DOWN;
	if (move_flag(f, cursor_entry(&s->c), s->c.level, &d))
		owe_table(s, range);
	else if (format_is_table(f, s->c.level, d))
		s->forgets[s->c.level + 1] = !owed;
	else
		return SCAN_LOOK_AGAIN; /* unmapped beside this call */
	return SCAN_GO_DOWN;
}

void iopgt_scan_left_marked(const struct scan_state *s)
{
	if (s->skips && (s->scan->flags & SCAN_CLEAN))
		walked_by_cursor(&s->c);
}

void iopgt_scan_leave(struct scan_state *s)
{
	const struct iopgt_format *f = &s->table->format;
	live_descriptor *entry = cursor_entry(&s->c);
	bool *forgets = &s->forgets[s->c.level + 1];
	uint64_t d = *forgets ? live_load(entry) : 0;

	*forgets = false;
	while (format_is_table(f, s->c.level, d) && (d & f->was_walked) &&
	       !live_replace(entry, &d, d & ~f->was_walked)) {
	}
}
