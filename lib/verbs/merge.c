/* SPDX-License-Identifier: BSD-2-Clause */
#include "verbs/merge.h"

#include "core/bits.h"
#include "core/merge_batch.h"
#include "core/overlap.h"
#include "core/regroup.h"

struct merge_state {
	struct iopgt_table *table;
	struct iopgt_op *op;
	struct iopgt_cursor c;
	struct merge_batch *batch;
	uint64_t begin; /* where the sequence of calls began */
	uint32_t flags; /* of enum merge_flag */
	/* MERGE_COLD: of the entry that links the outermost cold table around the cursor. */
	int cold_level;
};

/* --- Cold tables: format.age --- */

#define NOT_COLD IOPGT_MAX_LEVELS

/*
 * Of up to 64 entries from the cursor on, how many come before the first that links a
 * cold table, or one with tables below.
 */
static uint32_t none_cold(const struct merge_state *s)
{
	const struct iopgt_format *f = &s->table->format;
	uint32_t n = 64 - (cursor_index(&s->c) & 63), run = cursor_run(&s->c);
	uint64_t mask = f->table_mask, value = f->table_value, found;

	if (n > run)
		n = run;
	if (s->c.level + 1 == IOPGT_LAST_LEVEL && s->cold_level == NOT_COLD) {
		mask |= f->age;
		value = format_with_age(f, value, s->table->cold_age);
	}
	found = cursor_match(&s->c, n, mask, value);
	return found ? bits_lowest(found) : n;
}

/* The table that the cursor came up from is no block. The next try is some scans away. */
static int keep_cold(struct merge_state *s)
{
	const struct iopgt_cursor *c = &s->c;
	struct iopgt_range range = {cursor_first(c), cursor_last(c)};

	table_grow_young(s->table, cursor_entry(c), c->level);
	if (!s->table->grouped || c->level + 1 < IOPGT_LAST_LEVEL ||
	    !table_may_break(s->table, s->op))
		return IOPGT_OK;
	return iopgt_make_groups(s->table, range, range.first, s->op);
}

/* --- All tables --- */

/* Into the batch with the table that the cursor came up from, if it can be a block. */
static int take_table(struct merge_state *s, enum merge_answer *answer)
{
	if (merge_batch_full(s->batch)) {
		int err = iopgt_merge_batch_flush(s->batch);

		if (err)
			return err;
	}
	s->c.looked_at += geometry_entries(&s->table->geometry, s->c.level + 1);
	*answer = iopgt_merge_batch_add(s->batch, &s->c);
	if (*answer == MERGE_TAKEN && !table_may_break(s->table, s->op)) {
		s->batch->count--;
		*answer = MERGE_UNLIKE;
		return s->flags & MERGE_IF_POSSIBLE ? IOPGT_OK : IOPGT_WOULD_BREAK;
	}
	return IOPGT_OK;
}

/* The cursor came up from a table. */
static int leave_table(struct merge_state *s)
{
	const struct iopgt_geometry *g = &s->table->geometry;
	bool last_level = s->c.level + 1 == IOPGT_LAST_LEVEL;
	bool cold = s->cold_level <= s->c.level;
	enum merge_answer answer;
	int err;

	if (s->cold_level == s->c.level)
		s->cold_level = NOT_COLD;
	if (cursor_first(&s->c) < s->begin || cursor_last(&s->c) > s->c.range.last ||
	    !geometry_leaf_allowed(g->leaf_sizes, g, s->c.level))
		return IOPGT_OK;
	if ((s->flags & MERGE_COLD) && !cold)
		return IOPGT_OK;
	err = take_table(s, &answer);
	if (err)
		return err;
	if (answer == MERGE_UNLIKE && last_level)
		s->op->stats.left_unmerged++;
	return answer == MERGE_UNLIKE && cold ? keep_cold(s) : IOPGT_OK;
}

static int merge_entry(struct merge_state *s, uint32_t *steps)
{
	const struct iopgt_format *f = &s->table->format;
	struct iopgt_cursor *c = &s->c;
	uint64_t d;

	/* A last-level table is looked at when the cursor leaves it. */
	*steps = cursor_rest(c);
	if (c->level == IOPGT_LAST_LEVEL)
		return IOPGT_OK;
	*steps = s->flags & MERGE_COLD ? none_cold(s) : 0;
	if (*steps)
		return IOPGT_OK;
	d = live_load_table(cursor_entry(c));
	if (format_is_broken(f, d))
		return IOPGT_BUSY;
	*steps = format_is_table(f, c->level, d) ? 0 : 1;
	if (*steps)
		return IOPGT_OK;
	if ((s->flags & MERGE_COLD) && s->cold_level == NOT_COLD &&
	    format_age(f, d) >= s->table->cold_age)
		s->cold_level = c->level;
	return cursor_down(c, d);
}

static int merge_loop(struct merge_state *s)
{
	for (;;) {
		enum cursor_move move;
		uint32_t steps;
		int err = merge_entry(s, &steps);

		if (!err && !steps)
			continue;
		if (err)
			return err;
		move = cursor_step(&s->c, steps);
		while (move == CURSOR_UP) {
			err = leave_table(s);
			if (err)
				return err;
			move = cursor_step(&s->c, 1);
		}
		if (move == CURSOR_END)
			return IOPGT_OK;
		if (cursor_spent(&s->c)) {
			return cursor_again_from(&s->c, s->op, CURSOR_MERGE, s->begin);
		}
	}
}

/*
 * What did not become a block may still become groups. One that begins in an
 * earlier call of the sequence, and ends in this one, is made here.
 */
static int make_groups(struct merge_state *s, uint64_t last)
{
	int err = iopgt_make_groups(s->table, (struct iopgt_range){s->begin, last},
	                            s->c.range.first, s->op);

	return err == IOPGT_WOULD_BREAK && (s->flags & MERGE_IF_POSSIBLE) ? IOPGT_OK : err;
}

int iopgt_merge_range(struct iopgt_table *table, struct iopgt_range range, uint32_t flags,
                      struct iopgt_op *op)
{
	struct merge_batch batch;
	struct merge_state s = {
		.table = table, .op = op, .batch = &batch, .flags = flags, .cold_level = NOT_COLD};
	bool groups = table->grouped && !(flags & MERGE_COLD);
	int err, flushed;

	s.begin = cursor_resumed_from(op, CURSOR_MERGE, range.first);
	cursor_start(&s.c, table, range, op);
	/* Groups are looked for in a second pass. */
	if (groups)
		s.c.budget = (s.c.budget + 1) / 2;
	merge_batch_start(&batch, table, op, (flags & MERGE_FORCE_DIRTY) != 0);
	batch.only_clean = (flags & MERGE_COLD) != 0;
	err = merge_loop(&s);
	flushed = iopgt_merge_batch_flush(&batch);
	op->stats.looked_at += s.c.looked_at;
	if (groups && !flushed && (!err || err == IOPGT_AGAIN))
		flushed = make_groups(&s, err ? op->next - 1 : range.last);
	return flushed ? flushed : err;
}

int iopgt_merge_page(struct iopgt_table *table, uint64_t iova, uint64_t size, struct iopgt_op *op)
{
	struct iopgt_claim *claim;
	struct iopgt_range range;
	int err = iopgt_check_change(table, iova, size, op, &range);

	if (!err)
		err = iopgt_overlap_begin(table, OVERLAP_MERGE, range, &claim);
	if (err)
		return err;
	err = iopgt_merge_range(table, range, 0, op);
	iopgt_overlap_end(claim);
	return err;
}
