/* SPDX-License-Identifier: BSD-2-Clause */
/* Tracking on and off: refusals, calls in pieces, and failures of the host. */
#include "fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FIRST(f)     (4 * block(f))
#define PHYS(f)      (12 * block(f))
#define SIZE(f)      (4 * block(f))
#define SPACE        (UINT64_C(1) << 48)

static const struct iopgt_tracking eagerly = {.policy = IOPGT_SPLIT_EAGER};

/* Two blocks, pages that can be merged, pages that cannot; all written. */
static void map_mixture(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), 3 * block(f), RW);
	map(f, FIRST(f) + 3 * block(f), PHYS(f) + granule(f), block(f), RW);
	split(f, FIRST(f) + 2 * block(f), block(f));
	for (uint64_t at = 0; at < SIZE(f); at += block(f) / 2)
		write_page(f, FIRST(f) + at);
}

static void expect_mixture(struct fixture *f)
{
	for (uint64_t at = 0; at < SIZE(f); at += block(f) / 4) {
		uint64_t more = at < 3 * block(f) ? 0 : granule(f) - 3 * block(f);

		expect_mapped(f, FIRST(f) + at, PHYS(f) + at + more, granule(f));
	}
}

static void expect_all(struct fixture *f, enum iopgt_leaf_state state)
{
	for (uint64_t at = 0; at < SIZE(f); at += block(f) / 8)
		assert_int_equal(state_at(f, FIRST(f) + at), state);
}

/* --- Refusals --- */

static void tracking_refuses_bad_arguments(struct fixture *f)
{
	const struct iopgt_tracking bad = {.policy = IOPGT_SPLIT_ADAPTIVE + 1};
	struct iopgt_op op = new_op(f);

	map_mixture(f);
	expect(IOPGT_BAD_POLICY, iopgt_set_dirty_tracking(&f->domain, true, &bad, &op));
	expect(IOPGT_BAD_ARGUMENT, iopgt_set_dirty_tracking(NULL, true, &eagerly, &op));
	expect(IOPGT_BAD_ARGUMENT, iopgt_set_dirty_tracking(&f->domain, true, NULL, &op));
	expect(IOPGT_BAD_ARGUMENT, iopgt_set_dirty_tracking(&f->domain, true, &eagerly, NULL));
	op.flags = IOPGT_OP_ALL_FLAGS + 1;
	expect(IOPGT_BAD_FLAGS, iopgt_set_dirty_tracking(&f->domain, true, &eagerly, &op));
	op = new_op(f);
	/* None of them turned it on. */
	map(f, 0, 0, granule(f), RW);
	assert_int_equal(state_at(f, 0), IOPGT_LEAF_DIRTY);
	expect(IOPGT_NOT_TRACKING, iopgt_switch_dirty_log(&f->domain, true, 0, granule(f), &op));
	expect_all(f, IOPGT_LEAF_DIRTY);
}

static void switch_refuses_bad_arguments(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	uint64_t g = granule(f);

	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, true, &eagerly, &op));
	for (int on = 0; on < 2; on++) {
		expect(IOPGT_BAD_ARGUMENT, iopgt_switch_dirty_log(NULL, on, 0, g, &op));
		expect(IOPGT_BAD_ARGUMENT, iopgt_switch_dirty_log(&f->domain, on, 0, g, NULL));
		expect(IOPGT_BAD_RANGE, iopgt_switch_dirty_log(&f->domain, on, 0, 0, &op));
		expect(IOPGT_BAD_RANGE, iopgt_switch_dirty_log(&f->domain, on, SPACE, g, &op));
		expect(IOPGT_BAD_ALIGNMENT, iopgt_switch_dirty_log(&f->domain, on, 1, g, &op));
		expect(IOPGT_BAD_ALIGNMENT, iopgt_switch_dirty_log(&f->domain, on, 0, 1, &op));
	}
	op.flags = 1u << 31;
	expect(IOPGT_BAD_FLAGS, iopgt_switch_dirty_log(&f->domain, true, 0, g, &op));
}

/* --- In pieces --- */

/* Goes on from op->next, as the comment says, until it is done. */
static void switch_rest(struct fixture *f, bool on, struct iopgt_op *op, int error)
{
	uint64_t at = 0;

	while (error == IOPGT_AGAIN) {
		assert_true(op->next > at && op->next < SPACE);
		at = op->next;
		error = iopgt_switch_dirty_log(&f->domain, on, at, SPACE - at, op);
	}
	expect(IOPGT_OK, error);
	finish(f, op);
}

static void tracking_in_pieces_ends_the_same(struct fixture *f)
{
	static const uint64_t budgets[] = {1, 10, 1000};

	map_mixture(f);
	for (size_t i = 0; i < COUNT(budgets); i++) {
		struct iopgt_op op = new_op(f);

		op.budget = budgets[i];
		switch_rest(f, true, &op,
		            iopgt_set_dirty_tracking(&f->domain, true, &eagerly, &op));
		expect_all(f, IOPGT_LEAF_CLEAN);
		expect_level(f, FIRST(f) + block(f), 3);
		expect_mixture(f);
		op = new_op(f);
		op.budget = budgets[i];
		switch_rest(f, false, &op, iopgt_set_dirty_tracking(&f->domain, false, NULL, &op));
		expect_all(f, IOPGT_LEAF_DIRTY);
		expect_level(f, FIRST(f) + block(f), 2);
		expect_level(f, FIRST(f) + 2 * block(f), 2);
		expect_level(f, FIRST(f) + 3 * block(f), 3);
		expect_mixture(f);
	}
}

static void after_the_first_piece_new_mappings_are_tracked(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	int error;

	map_mixture(f);
	op.budget = 1;
	error = iopgt_set_dirty_tracking(&f->domain, true, &eagerly, &op);
	expect(IOPGT_AGAIN, error);
	map(f, 64 * block(f), 0, block(f), RW);
	assert_int_equal(state_at(f, 64 * block(f)), IOPGT_LEAF_CLEAN);
	expect_level(f, 64 * block(f), 3);
	switch_rest(f, true, &op, error);
}

/* --- Failures --- */

struct mode {
	enum host_call call, instead;
	bool forever;
};

static const struct mode modes[] = {
	{HOST_RANGE, HOST_ALL, true},   {HOST_RANGE, HOST_RANGE, false},
	{HOST_SYNC, HOST_SYNC, false},  {HOST_SYNC, HOST_SYNC, true},
	{HOST_ALLOC, HOST_ALLOC, true},
};

/* Its block begins before the range: what lies there is none of this call's. */
static void a_failed_switch_goes_on_where_its_range_begins(struct fixture *f)
{
	uint64_t iova = FIRST(f) + 3 * granule(f), end = FIRST(f) + 2 * block(f);
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), PHYS(f), 2 * block(f), RW);
	op.flags |= IOPGT_OP_START_DIRTY;
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, true, &eagerly, &op));
	finish(f, &op);
	op = new_op(f);
	host_fail(&f->host, HOST_SYNC, 1, false);
	expect(HOST_ERROR, iopgt_switch_dirty_log(&f->domain, true, iova, end - iova, &op));
	host_fail_nothing(&f->host);
	assert_int_equal(op.next, iova);
	expect(IOPGT_OK, iopgt_switch_dirty_log(&f->domain, true, op.next, end - op.next, &op));
	finish(f, &op);
	expect_level(f, iova, 3);
	expect_level(f, end - 1, 3);
	for (uint64_t at = FIRST(f); at < end; at += granule(f))
		assert_int_equal(state_at(f, at), at < iova ? IOPGT_LEAF_DIRTY : IOPGT_LEAF_CLEAN);
}

/* In merging what was split, or in making dirty what stays: both go over all tables. */
static void switching_off_begins_anew_if_a_table_is_out_of_reach(struct fixture *f)
{
	uint64_t failed = 0, before = 0;
	struct iopgt_op op = new_op(f);

	map_mixture(f);
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, true, &eagerly, &op));
	for (uint64_t nth = 1; host_calls(&f->host, HOST_PHYS_TO_VIRT) - before >= nth || nth == 1;
	     nth++) {
		int error;

		expect(IOPGT_OK, iopgt_switch_dirty_log(&f->domain, true, FIRST(f), SIZE(f), &op));
		finish(f, &op);
		before = host_calls(&f->host, HOST_PHYS_TO_VIRT);
		host_fail(&f->host, HOST_PHYS_TO_VIRT, nth, false);
		error = iopgt_switch_dirty_log(&f->domain, false, FIRST(f), SIZE(f), &op);
		host_fail_nothing(&f->host);
		if (error == IOPGT_OK)
			continue;
		failed++;
		expect(IOPGT_BAD_TABLE, error);
		assert_int_equal(op.next, FIRST(f));
		expect(IOPGT_OK, iopgt_op_finish(&op));
		expect(IOPGT_OK, iopgt_switch_dirty_log(&f->domain, false, FIRST(f), SIZE(f), &op));
		finish(f, &op);
		expect_all(f, IOPGT_LEAF_DIRTY);
	}
	assert_true(failed > 3);
}

/* What is done, with the nth call failing, and looked at afterwards. */
struct step {
	int (*act)(struct fixture *f, struct iopgt_op *op);
	int (*go_on)(struct fixture *f, uint64_t from, struct iopgt_op *op);
	void (*prepare)(struct fixture *f);
	void (*done)(struct fixture *f);
};

static bool try_step(struct fixture *f, const struct step *step, const struct mode *mode,
                     uint64_t nth)
{
	uint64_t before = host_calls(&f->host, mode->call);
	struct iopgt_op op = new_op(f);
	int error, late;

	host_fail(&f->host, mode->call, nth, mode->forever);
	if (mode->instead != mode->call)
		host_fail(&f->host, mode->instead, 1, true);
	error = step->act(f, &op);
	assert_true(error == IOPGT_OK || error == HOST_ERROR);
	late = iopgt_op_finish(&op);
	assert_true(late == IOPGT_OK || late == HOST_ERROR);
	host_fail_nothing(&f->host);
	finish(f, &op);
	expect_mixture(f);
	if (error != IOPGT_OK && op.next < SPACE) { /* else only the invalidation was owed */
		expect(IOPGT_OK, step->go_on(f, op.next, &op));
		finish(f, &op);
	}
	step->done(f);
	return host_calls(&f->host, mode->call) - before >= nth;
}

static void stop_and_unmap(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, false, NULL, &op));
	finish(f, &op);
	unmap(f, 0, SPACE);
	assert_int_equal(pool_in_use(f->host.pool), 1);
}

static void survives_all_failures(struct fixture *f, const struct step *step)
{
	uint64_t failures = 0;

	for (size_t i = 0; i < COUNT(modes); i++) {
		bool reached = true;

		for (uint64_t nth = 1; reached; nth++) {
			assert_true(nth < 300);
			map_mixture(f);
			step->prepare(f);
			reached = try_step(f, step, &modes[i], nth);
			failures += reached;
			stop_and_unmap(f);
		}
	}
	assert_true(failures > 0);
}

static void nothing(struct fixture *f)
{
	(void)f;
}

static void start(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, true, &eagerly, &op));
	finish(f, &op);
}

static void start_dirty(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	op.flags |= IOPGT_OP_START_DIRTY;
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, true, &eagerly, &op));
	finish(f, &op);
	page_bitmap(f, FIRST(f), SIZE(f));
}

static int turn_on(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_set_dirty_tracking(&f->domain, true, &eagerly, op);
}

static int turn_off(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_set_dirty_tracking(&f->domain, false, NULL, op);
}

static int first_round(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_read_and_clear_dirty(f->table, FIRST(f), SIZE(f), &f->bitmap, op);
}

static int rest_on(struct fixture *f, uint64_t from, struct iopgt_op *op)
{
	return iopgt_switch_dirty_log(&f->domain, true, from, SPACE - from, op);
}

static int rest_off(struct fixture *f, uint64_t from, struct iopgt_op *op)
{
	return iopgt_switch_dirty_log(&f->domain, false, from, SPACE - from, op);
}

static int round_again(struct fixture *f, uint64_t from, struct iopgt_op *op)
{
	(void)from;
	return first_round(f, op);
}

/* Clean, and clean for the walker too: a write is marked. */
static void expect_tracked(struct fixture *f)
{
	expect_all(f, IOPGT_LEAF_CLEAN);
	for (uint64_t at = 0; at < SIZE(f); at += block(f) / 2) {
		write_page(f, FIRST(f) + at);
		assert_int_equal(state_at(f, FIRST(f) + at), IOPGT_LEAF_DIRTY);
	}
}

static void expect_untracked(struct fixture *f)
{
	expect_all(f, IOPGT_LEAF_DIRTY);
	expect_level(f, FIRST(f), 2);
	read_page(f, FIRST(f));
	map(f, 64 * block(f), 0, block(f), RW);
	expect_level(f, 64 * block(f), 2);
}

static void expect_all_reported(struct fixture *f)
{
	expect_only_bits(f, FIRST(f), SIZE(f));
	expect_tracked(f);
}

static void turning_on_survives_failures(struct fixture *f)
{
	static const struct step step = {turn_on, rest_on, nothing, expect_tracked};

	survives_all_failures(f, &step);
}

static void turning_off_survives_failures(struct fixture *f)
{
	static const struct step step = {turn_off, rest_off, start, expect_untracked};

	survives_all_failures(f, &step);
}

static void the_first_round_survives_failures(struct fixture *f)
{
	static const struct step step = {first_round, round_again, start_dirty,
	                                 expect_all_reported};

	survives_all_failures(f, &step);
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_STAGES | FIXTURE_LEVELS;
	const struct fixture_test tests[] = {
		TEST_WITH(0, tracking_refuses_bad_arguments, .domain = true),
		TEST_WITH(FIXTURE_GRANULES, switch_refuses_bad_arguments, .domain = true),
		TEST_WITH(all, tracking_in_pieces_ends_the_same, .domain = true),
		TEST_WITH(FIXTURE_GRANULES, after_the_first_piece_new_mappings_are_tracked,
	                  .domain = true),
		TEST_WITH(all, a_failed_switch_goes_on_where_its_range_begins, .domain = true),
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_LEVELS,
	                  switching_off_begins_anew_if_a_table_is_out_of_reach, .domain = true),
		TEST_WITH(all, turning_on_survives_failures, .domain = true, .walkers = 2),
		TEST_WITH(all, turning_off_survives_failures, .domain = true, .walkers = 2),
		TEST_WITH(all, the_first_round_survives_failures, .domain = true, .walkers = 2),
	};

	return FIXTURE_RUN(tests);
}
