/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_for_each_dirty: runs of what was written. */

#include "fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FIRST(f)     (4 * block(f))
#define STOP         42
#define RUNS         64

struct runs {
	unsigned count, stop_at; /* 0: never stops */
	struct {
		uint64_t iova, size;
	} run[RUNS];
};

static int note_run(void *context, uint64_t iova, uint64_t size)
{
	struct runs *runs = context;

	assert_true(runs->count < RUNS);
	runs->run[runs->count].iova = iova;
	runs->run[runs->count++].size = size;
	return runs->stop_at && runs->count >= runs->stop_at ? STOP : 0;
}

static int visit(struct fixture *f, uint64_t iova, uint64_t size, struct runs *runs,
                 struct iopgt_op *op)
{
	const struct iopgt_dirty_visitor visitor = {note_run, runs};

	return iopgt_for_each_dirty(f->table, iova, size, &visitor, op);
}

static void map_clean_pages(struct fixture *f, uint64_t size)
{
	map(f, FIRST(f), 8 * block(f) + granule(f), size, RW | IOPGT_CLEAN);
}

static uint64_t page(struct fixture *f, uint64_t number)
{
	return FIRST(f) + number * granule(f);
}

static void expect_run(const struct runs *runs, unsigned number, uint64_t iova, uint64_t size)
{
	assert_true(number < runs->count);
	assert_int_equal(runs->run[number].iova, iova);
	assert_int_equal(runs->run[number].size, size);
}

static void runs_are_ascending_and_joined(struct fixture *f)
{
	const uint64_t written[] = {9, 3, 4, 5, 63, 64, 200};
	struct iopgt_op op = new_op(f);
	struct runs runs = {0};

	map_clean_pages(f, block(f));
	for (size_t i = 0; i < COUNT(written); i++)
		write_page(f, page(f, written[i]));
	expect(IOPGT_OK, visit(f, FIRST(f), block(f), &runs, &op));
	assert_int_equal(runs.count, 4);
	expect_run(&runs, 0, page(f, 3), 3 * granule(f));
	expect_run(&runs, 1, page(f, 9), granule(f));
	expect_run(&runs, 2, page(f, 63), 2 * granule(f));
	expect_run(&runs, 3, page(f, 200), granule(f));
	assert_null(op.gather.table);
}

static void runs_go_on_across_leaf_sizes(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	struct runs runs = {0};

	map_clean_pages(f, block(f));
	map(f, FIRST(f) + block(f), 0, block(f), RW);
	map(f, FIRST(f) + 2 * block(f), 0, granule(f), RW);
	write_page(f, FIRST(f) + block(f) - 1);
	expect(IOPGT_OK, visit(f, 0, UINT64_C(1) << 40, &runs, &op));
	assert_int_equal(runs.count, 1);
	expect_run(&runs, 0, FIRST(f) + block(f) - granule(f), block(f) + 2 * granule(f));
}

static void runs_are_cut_at_the_ends_of_the_range(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	struct runs runs = {0};

	map(f, FIRST(f), 0, 2 * block(f), RW);
	expect(IOPGT_OK, visit(f, page(f, 3), block(f), &runs, &op));
	assert_int_equal(runs.count, 1);
	expect_run(&runs, 0, page(f, 3), block(f));
}

static void nothing_is_cleaned_without_the_flag(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	struct runs first = {0}, second = {0};

	map_clean_pages(f, block(f));
	write_page(f, page(f, 3));
	host_log_clear(&f->host);
	expect(IOPGT_OK, visit(f, FIRST(f), block(f), &first, &op));
	expect(IOPGT_OK, visit(f, FIRST(f), block(f), &second, &op));
	assert_int_equal(second.count, 1);
	expect_run(&second, 0, page(f, 3), granule(f));
	assert_int_equal(host_logged(&f->host), 0);
}

static void with_the_flag_what_is_reported_is_clean(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	struct runs runs = {0}, none = {0};

	map_clean_pages(f, block(f));
	map(f, FIRST(f) + block(f), 0, block(f), RW);
	write_page(f, page(f, 3));
	op.flags |= IOPGT_OP_CLEAR;
	expect(IOPGT_OK, visit(f, FIRST(f), 2 * block(f), &runs, &op));
	finish(f, &op);
	assert_int_equal(runs.count, 2);
	assert_int_equal(op.stats.cleaned, 2);
	expect(IOPGT_OK, visit(f, FIRST(f), 2 * block(f), &none, &op));
	finish(f, &op);
	assert_int_equal(none.count, 0);
	write_page(f, page(f, 3));
	expect(IOPGT_OK, visit(f, FIRST(f), 2 * block(f), &none, &op));
	finish(f, &op);
	assert_int_equal(none.count, 1);
}

/* Pages one by one, a block as one. */
static void what_is_given_is_counted(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	struct runs runs = {0};

	map_clean_pages(f, block(f));
	map(f, FIRST(f) + block(f), 0, block(f), RW);
	for (uint64_t number = 3; number < 8; number++)
		write_page(f, page(f, number));
	write_page(f, page(f, 70));
	expect(IOPGT_OK, visit(f, FIRST(f), 2 * block(f), &runs, &op));
	assert_int_equal(runs.count, 3);
	assert_int_equal(op.stats.dirty, 7);
	assert_int_equal(op.stats.cleaned, 0);
	op.flags |= IOPGT_OP_CLEAR;
	expect(IOPGT_OK, visit(f, FIRST(f), 2 * block(f), &runs, &op));
	assert_int_equal(op.stats.dirty, 14);
	assert_int_equal(op.stats.cleaned, 7);
	finish(f, &op);
}

static void a_block_partly_in_the_range_stays_dirty(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	struct runs runs = {0};

	map(f, FIRST(f), 0, block(f), RW);
	op.flags |= IOPGT_OP_CLEAR;
	expect(IOPGT_OK, visit(f, FIRST(f), block(f) / 2, &runs, &op));
	finish(f, &op);
	expect_run(&runs, 0, FIRST(f), block(f) / 2);
	assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_DIRTY);
}

static void the_callback_can_stop(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	struct runs runs = {.stop_at = 1};

	map_clean_pages(f, block(f));
	for (uint64_t number = 0; number < 20; number += 2)
		write_page(f, page(f, number));
	expect(STOP, visit(f, FIRST(f), block(f), &runs, &op));
	assert_int_equal(runs.count, 1);
	assert_true(op.next > page(f, 0) && op.next <= page(f, 2));
}

/* Whatever was cleaned before the stop was reported; the rest is found later. */
static void a_visit_that_was_stopped_goes_on_from_next(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	struct runs runs = {0};
	uint64_t at = FIRST(f), end = FIRST(f) + 2 * block(f);
	unsigned stops = 0;
	int error;

	map_clean_pages(f, block(f));
	map(f, FIRST(f) + block(f), 0, block(f), RW);
	for (uint64_t number = 0; number < 20; number += 2)
		write_page(f, page(f, number));
	op.flags |= IOPGT_OP_CLEAR;
	do {
		runs.stop_at = runs.count + 1;
		error = visit(f, at, end - at, &runs, &op);
		assert_true(error == STOP || error == IOPGT_OK);
		at = op.next;
		stops += error == STOP;
	} while (error == STOP && at < end && stops < RUNS);
	finish(f, &op);
	assert_int_equal(runs.count, 11);
	for (unsigned i = 0; i < 10; i++)
		expect_run(&runs, i, page(f, 2 * i), granule(f));
	expect_run(&runs, 10, FIRST(f) + block(f), block(f));
	look_dirty(f, FIRST(f), 2 * block(f));
	assert_int_equal(count_bits(f), 0);
}

static void what_a_stopped_visit_cleaned_was_reported(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	struct runs runs = {.stop_at = 1};
	uint64_t reported = 0;

	map_clean_pages(f, block(f));
	for (uint64_t number = 0; number < 40; number += 2)
		write_page(f, page(f, number));
	op.flags |= IOPGT_OP_CLEAR;
	expect(STOP, visit(f, FIRST(f), block(f), &runs, &op));
	finish(f, &op);
	for (unsigned i = 0; i < runs.count; i++)
		reported += runs.run[i].size / granule(f);
	look_dirty(f, FIRST(f), block(f));
	assert_true(reported + count_bits(f) >= 20);
	for (unsigned i = 0; i < 20; i++) {
		bool given = i < runs.count && runs.run[i].iova == page(f, 2 * i);

		assert_true(given || bit_at(f, page(f, 2 * i)));
	}
}

static void pieces_report_the_same_bytes(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	struct runs runs = {0};
	uint64_t at = FIRST(f), end = FIRST(f) + 3 * block(f), bytes = 0;
	int error;

	map_clean_pages(f, block(f));
	map(f, FIRST(f) + block(f), 0, 2 * block(f), RW);
	write_page(f, page(f, 2));
	write_page(f, FIRST(f) + block(f) - 1);
	op.budget = 1;
	op.flags |= IOPGT_OP_CLEAR;
	while ((error = visit(f, at, end - at, &runs, &op)) == IOPGT_AGAIN) {
		assert_true(op.next > at);
		at = op.next;
	}
	expect(IOPGT_OK, error);
	finish(f, &op);
	for (unsigned i = 0; i < runs.count; i++) {
		assert_true(!i || runs.run[i].iova >= runs.run[i - 1].iova + runs.run[i - 1].size);
		bytes += runs.run[i].size;
	}
	assert_int_equal(bytes, 2 * granule(f) + 2 * block(f));
}

static void a_visitor_must_be_given(struct fixture *f)
{
	const struct iopgt_dirty_visitor no_callback = {NULL, NULL};
	struct iopgt_op op = new_op(f);

	expect(IOPGT_BAD_ARGUMENT, iopgt_for_each_dirty(f->table, 0, granule(f), NULL, &op));
	expect(IOPGT_BAD_ARGUMENT,
	       iopgt_for_each_dirty(f->table, 0, granule(f), &no_callback, &op));
}

static void a_table_without_dirty_management_refuses(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	struct runs runs = {0};

	map(f, 0, 0, granule(f), RW);
	expect(IOPGT_NO_DIRTY, visit(f, 0, granule(f), &runs, &op));
	assert_int_equal(runs.count, 0);
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_REGIMES;
	const struct fixture_test tests[] = {
		TEST(all, runs_are_ascending_and_joined),
		TEST(all, runs_go_on_across_leaf_sizes),
		TEST(all, runs_are_cut_at_the_ends_of_the_range),
		TEST(all, nothing_is_cleaned_without_the_flag),
		TEST(all, with_the_flag_what_is_reported_is_clean),
		TEST(all, what_is_given_is_counted),
		TEST(all, a_block_partly_in_the_range_stays_dirty),
		TEST(all, the_callback_can_stop),
		TEST(all, a_visit_that_was_stopped_goes_on_from_next),
		TEST(all, what_a_stopped_visit_cleaned_was_reported),
		TEST(all, pieces_report_the_same_bytes),
		TEST(0, a_visitor_must_be_given),
		TEST_WITH(0, a_table_without_dirty_management_refuses, .dirty = FIXTURE_NO_DIRTY),
	};

	return FIXTURE_RUN(tests);
}
