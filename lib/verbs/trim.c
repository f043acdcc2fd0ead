/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/unlink.h"

/* Unlinks the table that the cursor came up from, if the sequence covers it and it is empty. */
static void leave_table(struct iopgt_table *table, struct iopgt_op *op,
                        const struct iopgt_cursor *c, uint64_t begin)
{
	if (cursor_first(c) >= begin && cursor_last(c) <= c->range.last && unlink_child_is_empty(c))
		unlink_child(table, op, c, false);
}

static int trim_entry(struct iopgt_cursor *c, uint32_t *steps)
{
	uint64_t d;

	/* A last-level table is looked at when the cursor leaves it. */
	*steps = cursor_rest(c);
	if (c->level == IOPGT_LAST_LEVEL)
		return IOPGT_OK;
	d = live_load_table(cursor_entry(c));
	*steps = format_is_table(&c->table->format, c->level, d) ? 0 : 1;
	return *steps ? IOPGT_OK : cursor_down(c, d);
}

int iopgt_trim(struct iopgt_table *table, uint64_t iova, uint64_t size, struct iopgt_op *op)
{
	struct iopgt_range range;
	struct iopgt_cursor c;
	uint64_t begin;
	int err = iopgt_check_change(table, iova, size, op, &range);

	if (err)
		return err;
	begin = cursor_resumed_from(op, CURSOR_TRIM, range.first);
	cursor_start(&c, table, range, op);
	while (!err) {
		enum cursor_move move;
		uint32_t steps;

		err = trim_entry(&c, &steps);
		if (err || !steps)
			continue;
		move = cursor_step(&c, steps);
		while (move == CURSOR_UP) {
			leave_table(table, op, &c, begin);
			move = cursor_step(&c, 1);
		}
		if (move == CURSOR_END)
			break;
		if (cursor_spent(&c))
			err = cursor_again_from(&c, op, CURSOR_TRIM, begin);
	}
	op->stats.looked_at += c.looked_at;
	return err;
}
