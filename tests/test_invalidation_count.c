/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Verbs that change marks in leaves ask for the fewest invalidations: random sets of
 * dirty or accessed leaves among pages, blocks and contiguous groups.
 */
#include "test_invalidation_count.h"

#define ROUNDS 2

/* The same call once more finds nothing, asks for nothing and waits for nothing. */
static void expect_nothing(struct piece *p, struct iopgt_op *op)
{
	model_start(&p->model, p->f);
	op->stats = (struct iopgt_stats){0};
	finish(p->f, op);
	model_expect(&p->model, op);
}

static void read_and_clear(struct piece *p)
{
	struct iopgt_op op = new_op(p->f);
	uint64_t first, last, found;

	for (unsigned i = 0; i < 6; i++) {
		touch_some(p, WALKER_WRITE);
		random_range(p, &first, &last);
		page_bitmap(p->f, FIRST(p->f), SIZE(p->f));
		model_start(&p->model, p->f);
		found = model_marked(p, first, last);
		op.stats = (struct iopgt_stats){0};
		expect(IOPGT_OK, iopgt_read_and_clear_dirty(p->f->table, first, last - first + 1,
		                                            &p->f->bitmap, &op));
		finish(p->f, &op);
		model_expect(&p->model, &op);
		assert_int_equal(op.stats.cleaned, found);
		expect_nothing(p, &op);
		expect(IOPGT_OK, iopgt_read_and_clear_dirty(p->f->table, first, last - first + 1,
		                                            &p->f->bitmap, &op));
		expect_nothing(p, &op);
	}
}

static void reading_and_clearing_asks_for_the_runs_of_the_dirty_set(struct fixture *f)
{
	over_pieces(f, ROUNDS, read_and_clear);
}

/* Only leaves that the bitmap gives are cleaned: here whole units by chance. */
static void clear_log(struct piece *p)
{
	struct iopgt_op op = new_op(p->f);

	touch_some(p, WALKER_WRITE);
	page_bitmap(p->f, FIRST(p->f), SIZE(p->f));
	model_start(&p->model, p->f);
	for (unsigned unit = 0; unit < UNITS; unit++) {
		if (random_chance(p->random, 3))
			continue;
		set_bits(p->f, unit_at(p, unit), block(p->f));
		model_marked(p, unit_at(p, unit), unit_at(p, unit) + (block(p->f) - 1));
	}
	expect(IOPGT_OK,
	       iopgt_clear_dirty_log(p->f->table, FIRST(p->f), SIZE(p->f), &p->f->bitmap, &op));
	finish(p->f, &op);
	model_expect(&p->model, &op);
}

static void clearing_a_log_asks_for_the_leaves_that_it_gives(struct fixture *f)
{
	over_pieces(f, 3 * ROUNDS, clear_log);
}

static int go_on(void *context, uint64_t iova, uint64_t size)
{
	(void)context;
	(void)iova;
	(void)size;
	return 0;
}

static void visit_and_clear(struct piece *p)
{
	const struct iopgt_dirty_visitor visitor = {.visit = go_on};
	struct iopgt_op op = new_op(p->f);
	uint64_t first, last;

	touch_some(p, WALKER_WRITE);
	random_range(p, &first, &last);
	model_start(&p->model, p->f);
	model_marked(p, first, last);
	op.flags |= IOPGT_OP_CLEAR;
	expect(IOPGT_OK, iopgt_for_each_dirty(p->f->table, first, last - first + 1, &visitor, &op));
	finish(p->f, &op);
	model_expect(&p->model, &op);
}

static void visiting_and_clearing_asks_for_the_runs_of_the_dirty_set(struct fixture *f)
{
	over_pieces(f, 3 * ROUNDS, visit_and_clear);
}

/* A budget cuts the call, not the invalidations: one op joins across its calls. */
static void clear_in_pieces(struct piece *p)
{
	struct iopgt_op op = new_op(p->f);
	uint64_t at = FIRST(p->f), end = FIRST(p->f) + SIZE(p->f);
	int err;

	touch_some(p, WALKER_WRITE);
	page_bitmap(p->f, FIRST(p->f), SIZE(p->f));
	model_start(&p->model, p->f);
	model_marked(p, at, end - 1);
	op.budget = 1 + random_below(p->random, 600);
	do {
		err = iopgt_read_and_clear_dirty(p->f->table, at, end - at, &p->f->bitmap, &op);
		at = op.next;
	} while (err == IOPGT_AGAIN);
	expect(IOPGT_OK, err);
	finish(p->f, &op);
	model_expect(&p->model, &op);
}

static void a_budget_costs_no_invalidation(struct fixture *f)
{
	over_pieces(f, 3 * ROUNDS, clear_in_pieces);
}

/* What only looks asks for nothing; a sync that is asked for is one wait. */
static void look(struct piece *p)
{
	const struct iopgt_dirty_visitor visitor = {.visit = go_on};
	struct iopgt_op op = new_op(p->f);
	struct iopgt_table *table = p->f->table;

	touch_some(p, WALKER_WRITE);
	page_bitmap(p->f, FIRST(p->f), SIZE(p->f));
	model_start(&p->model, p->f);
	expect(IOPGT_OK, iopgt_sync_dirty_log(table, FIRST(p->f), SIZE(p->f), &p->f->bitmap, &op));
	expect(IOPGT_OK, iopgt_for_each_dirty(table, FIRST(p->f), SIZE(p->f), &visitor, &op));
	op.flags |= IOPGT_OP_NO_CLEAR;
	expect(IOPGT_OK,
	       iopgt_read_and_clear_dirty(table, FIRST(p->f), SIZE(p->f), &p->f->bitmap, &op));
	expect(IOPGT_OK,
	       iopgt_read_and_clear_accessed(table, FIRST(p->f), SIZE(p->f), &p->f->bitmap, &op));
	finish(p->f, &op);
	model_expect(&p->model, &op);
	op.flags |= IOPGT_OP_SYNC;
	expect(IOPGT_OK,
	       iopgt_read_and_clear_dirty(table, FIRST(p->f), SIZE(p->f), &p->f->bitmap, &op));
	finish(p->f, &op);
	model_wait(&p->model);
	model_expect(&p->model, &op);
}

static void what_only_looks_asks_for_nothing(struct fixture *f)
{
	over_pieces(f, ROUNDS, look);
}

static void mark_all(struct piece *p)
{
	for (unsigned unit = 0; unit < UNITS; unit++)
		fill(p->marked[unit], 0, unit_pages(p), true);
}

/* All leaves are mapped accessed; later those that a walker went through are. */
static void read_and_clear_accessed(struct piece *p)
{
	uint64_t first, last;

	mark_all(p);
	for (unsigned i = 0; i < 4; i++) {
		struct iopgt_op op = new_op(p->f);

		random_range(p, &first, &last);
		page_bitmap(p->f, FIRST(p->f), SIZE(p->f));
		model_start(&p->model, p->f);
		model_marked(p, first, last);
		expect(IOPGT_OK, iopgt_read_and_clear_accessed(p->f->table, first, last - first + 1,
		                                               &p->f->bitmap, &op));
		finish(p->f, &op);
		model_expect(&p->model, &op);
		touch_some(p, WALKER_READ);
	}
}

static void clearing_access_flags_asks_for_the_leaves_that_had_one(struct fixture *f)
{
	over_pieces(f, ROUNDS, read_and_clear_accessed);
}

/* Walkers that mark nothing may have cached the leaf read-only (R_XCLRD). */
static void handle_faults(struct piece *p)
{
	struct iopgt_op op = new_op(p->f);

	for (unsigned unit = 0; unit < UNITS; unit++)
		for (uint64_t i = 0; i < unit_pages(p); i += 1 + random_below(p->random, 300))
			p->marked[unit][i] = true;
	model_start(&p->model, p->f);
	for (unsigned unit = 0; unit < UNITS; unit++) {
		for (uint64_t i = 0; i < unit_pages(p); i++) {
			uint64_t iova = unit_at(p, unit) + i * granule(p->f);

			if (p->marked[unit][i] && p->mapped[unit][i])
				expect(IOPGT_OK,
				       iopgt_handle_write_fault(p->f->table, iova, 0, &op));
		}
	}
	model_marked(p, FIRST(p->f), FIRST(p->f) + (SIZE(p->f) - 1));
	finish(p->f, &op);
	model_expect(&p->model, &op);
}

static void write_faults_ask_for_their_leaves(struct fixture *f)
{
	over_pieces(f, ROUNDS, handle_faults);
}

static void clean_one(struct fixture *f, uint64_t page, struct iopgt_op *op)
{
	page_bitmap(f, FIRST(f), block(f));
	set_bits(f, FIRST(f) + page * granule(f), granule(f));
	expect(IOPGT_OK, iopgt_clear_dirty_log(f->table, FIRST(f), block(f), &f->bitmap, op));
}

/* max_ranges counts from the last wait, whoever asked for it; a range is still open then. */
static void a_sync_in_between_is_a_wait_too(struct fixture *f)
{
	struct model *m = calloc(1, sizeof(*m));
	struct iopgt_op op = new_op(f);
	uint64_t g = granule(f);

	assert_non_null(m);
	map(f, FIRST(f), PHYS(f) + g, block(f), RW);
	model_start(m, f);
	for (uint64_t page = 0; page < 70; page += 10) {
		if (page == 30)
			model_wait(m);
		model_leaf(m, FIRST(f) + page * g, g, 3);
	}
	for (uint64_t page = 0; page < 40; page += 10)
		clean_one(f, page, &op);
	op.flags |= IOPGT_OP_SYNC | IOPGT_OP_NO_CLEAR;
	expect(IOPGT_OK, iopgt_read_and_clear_dirty(f->table, FIRST(f), block(f), &f->bitmap, &op));
	op.flags &= ~(uint32_t)(IOPGT_OP_SYNC | IOPGT_OP_NO_CLEAR);
	for (uint64_t page = 40; page < 70; page += 10)
		clean_one(f, page, &op);
	finish(f, &op);
	model_expect(m, &op);
	free(m);
}

#define JOINED     .host.join_bytes = 8 << 16
#define FEW        .host.max_ranges = 4
#define FEW_JOINED .host.max_ranges = 3, .host.join_bytes = 8 << 14
#define GROUPED    .leaf_sizes = FIXTURE_ALL_LEAF_SIZES

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_STAGES, size = FIXTURE_GRANULES;
	const struct fixture_test tests[] = {
		TEST(all, reading_and_clearing_asks_for_the_runs_of_the_dirty_set),
		TEST_WITH(size, reading_and_clearing_asks_for_the_runs_of_the_dirty_set, JOINED),
		TEST_WITH(size, reading_and_clearing_asks_for_the_runs_of_the_dirty_set, FEW),
		TEST_WITH(size, reading_and_clearing_asks_for_the_runs_of_the_dirty_set,
	                  FEW_JOINED),
		TEST_WITH(size, reading_and_clearing_asks_for_the_runs_of_the_dirty_set, GROUPED),
		TEST_WITH(size, reading_and_clearing_asks_for_the_runs_of_the_dirty_set, GROUPED,
	                  FEW_JOINED),
		TEST_WITH(all, clearing_a_log_asks_for_the_leaves_that_it_gives, GROUPED),
		TEST_WITH(size, clearing_a_log_asks_for_the_leaves_that_it_gives, FEW_JOINED),
		TEST_WITH(all, visiting_and_clearing_asks_for_the_runs_of_the_dirty_set, GROUPED),
		TEST_WITH(size, visiting_and_clearing_asks_for_the_runs_of_the_dirty_set,
	                  FEW_JOINED),
		TEST_WITH(all, a_budget_costs_no_invalidation, JOINED),
		TEST_WITH(size, a_budget_costs_no_invalidation, GROUPED),
		TEST_WITH(size, a_sync_in_between_is_a_wait_too, FEW),
		TEST_WITH(size, what_only_looks_asks_for_nothing, GROUPED),
		TEST_WITH(size, clearing_access_flags_asks_for_the_leaves_that_had_one, GROUPED),
		TEST_WITH(size, clearing_access_flags_asks_for_the_leaves_that_had_one, GROUPED,
	                  FEW_JOINED),
		TEST_WITH(size, write_faults_ask_for_their_leaves, GROUPED,
	                  .dirty = FIXTURE_SOFTWARE),
		TEST_WITH(size, write_faults_ask_for_their_leaves, FEW_JOINED,
	                  .dirty = FIXTURE_SOFTWARE),
	};

	return FIXTURE_RUN(tests);
}
