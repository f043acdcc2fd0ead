/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/cursor.h"
#include "core/describe.h"

struct visit_state {
	const struct iopgt_table *table;
	const struct iopgt_mapping_visitor *visitor;
	struct iopgt_cursor c;
	struct iopgt_mapping run; /* not given yet, if size is not 0 */
};

static int give_run(const struct visit_state *s)
{
	return s->run.size ? s->visitor->visit(s->visitor->context, &s->run) : 0;
}

static bool continues(const struct iopgt_mapping *run, const struct iopgt_mapping *leaf)
{
	return run->size && run->iova + run->size == leaf->iova &&
	       run->phys + run->size == leaf->phys && run->prot == leaf->prot &&
	       run->memory == leaf->memory && run->attributes == leaf->attributes;
}

/* The part of the leaf at the cursor that is in the range joins the run, or begins one. */
static int visit_leaf(struct visit_state *s, uint64_t d)
{
	const struct iopgt_format *f = &s->table->format;
	uint64_t last = cursor_last(&s->c);
	struct iopgt_mapping leaf;
	struct iopgt_leaf_kind kind;
	int stop = 0;

	if (last > s->c.range.last)
		last = s->c.range.last;
	leaf.iova = s->c.iova;
	leaf.size = last - s->c.iova + 1;
	leaf.phys = describe_phys(s->table, s->c.level, d) + (s->c.iova - cursor_first(&s->c));
	f->leaf_kind(f, d, &kind);
	leaf.prot = kind.prot;
	leaf.memory = kind.memory;
	leaf.attributes = kind.attributes;
	if (continues(&s->run, &leaf)) {
		s->run.size += leaf.size;
		return 0;
	}
	stop = give_run(s);
	s->run = leaf;
	return stop;
}

static int visit_loop(struct visit_state *s, struct iopgt_op *op)
{
	const struct iopgt_format *f = &s->table->format;

	for (;;) {
		uint64_t d = live_load_table(cursor_entry(&s->c));
		int err = IOPGT_OK;

		if (format_is_table(f, s->c.level, d)) {
			err = cursor_down(&s->c, d);
			if (err)
				return err;
			continue;
		}
		if (format_is_broken(f, d))
			return IOPGT_BUSY;
		if (format_is_leaf(f, s->c.level, d))
			err = visit_leaf(s, d);
		if (err) {
			s->run.size = 0;
			return err;
		}
		if (!cursor_next(&s->c, 1))
			return IOPGT_OK;
		if (cursor_spent(&s->c))
			return cursor_again(&s->c, op);
	}
}

int iopgt_for_each_mapping(const struct iopgt_table *table, uint64_t iova, uint64_t size,
                           const struct iopgt_mapping_visitor *visitor, struct iopgt_op *op)
{
	struct visit_state s = {.table = table, .visitor = visitor};
	struct iopgt_range range;
	int err = iopgt_check_call(table, iova, size, op, &range);
	int stop;

	if (err)
		return err;
	if (!visitor || !visitor->visit)
		return IOPGT_BAD_ARGUMENT;
	cursor_start(&s.c, table, range, op);
	err = visit_loop(&s, op);
	op->stats.looked_at += s.c.looked_at;
	stop = give_run(&s);
	return stop ? stop : err;
}
