/* SPDX-License-Identifier: BSD-2-Clause */
#include "verbs/merge.h"

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
};

/* The cursor came up from a table: into the batch with it if it can be a block. */
static int leave_table(struct merge_state *s)
{
	const struct iopgt_geometry *g = &s->table->geometry;
	bool last_level = s->c.level + 1 == IOPGT_LAST_LEVEL;
	enum merge_answer answer;
	int err;

	if (cursor_first(&s->c) < s->begin || cursor_last(&s->c) > s->c.range.last ||
	    !geometry_leaf_allowed(g->leaf_sizes, g, s->c.level))
		return IOPGT_OK;
	if (merge_batch_full(s->batch)) {
		err = iopgt_merge_batch_flush(s->batch);
		if (err)
			return err;
	}
	s->c.looked_at += geometry_entries(g, s->c.level + 1);
	answer = iopgt_merge_batch_add(s->batch, &s->c);
	if (answer == MERGE_TAKEN && !table_may_break(s->table, s->op)) {
		s->batch->count--;
		if (!(s->flags & MERGE_IF_POSSIBLE))
			return IOPGT_WOULD_BREAK;
		answer = MERGE_UNLIKE;
	}
	if (answer == MERGE_UNLIKE && last_level)
		s->op->stats.left_unmerged++;
	return IOPGT_OK;
}

static int merge_entry(struct iopgt_cursor *c, uint32_t *steps)
{
	uint64_t d;

	/* A last-level table is looked at when the cursor leaves it. */
	*steps = cursor_rest(c);
	if (c->level == IOPGT_LAST_LEVEL)
		return IOPGT_OK;
	d = live_load_table(cursor_entry(c));
	if (format_is_broken(&c->table->format, d))
		return IOPGT_BUSY;
	*steps = format_is_table(&c->table->format, c->level, d) ? 0 : 1;
	return *steps ? IOPGT_OK : cursor_down(c, d);
}

static int merge_loop(struct merge_state *s)
{
	for (;;) {
		enum cursor_move move;
		uint32_t steps;
		int err = merge_entry(&s->c, &steps);

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
	struct merge_state s = {.table = table, .op = op, .batch = &batch, .flags = flags};
	int err, flushed;

	s.begin = cursor_resumed_from(op, CURSOR_MERGE, range.first);
	cursor_start(&s.c, table, range, op);
	/* Groups are looked for in a second pass. */
	if (table->grouped)
		s.c.budget = (s.c.budget + 1) / 2;
	merge_batch_start(&batch, table, op, (flags & MERGE_FORCE_DIRTY) != 0);
	err = merge_loop(&s);
	flushed = iopgt_merge_batch_flush(&batch);
	op->stats.looked_at += s.c.looked_at;
	if (table->grouped && !flushed && (!err || err == IOPGT_AGAIN))
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
