/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_for_each_mapping: runs of what is mapped. */
#include "fixture.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (12 * block(f))
#define STOP     (-5)
#define RUNS     64

struct runs {
	struct fixture *f;
	unsigned count, stop_at; /* 0: never stops */
	struct iopgt_mapping run[RUNS];
};

static int note_run(void *context, const struct iopgt_mapping *run)
{
	struct runs *runs = context;
	struct iopgt_translation translation;

	assert_true(runs->count < RUNS);
	runs->run[runs->count++] = *run;
	/* It may call translate on this table. */
	expect(IOPGT_OK, iopgt_translate(runs->f->table, run->iova, &translation));
	assert_int_equal(translation.phys, run->phys);
	return runs->stop_at && runs->count >= runs->stop_at ? STOP : 0;
}

static int visit(struct runs *runs, uint64_t iova, uint64_t size, struct iopgt_op *op)
{
	const struct iopgt_mapping_visitor visitor = {note_run, runs};

	return iopgt_for_each_mapping(runs->f->table, iova, size, &visitor, op);
}

static struct runs visit_all(struct fixture *f)
{
	struct runs runs = {.f = f};
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, visit(&runs, 0, UINT64_C(1) << 48, &op));
	assert_null(op.gather.table);
	return runs;
}

static void expect_run(const struct runs *runs, unsigned number, uint64_t iova, uint64_t phys,
                       uint64_t size)
{
	assert_true(number < runs->count);
	assert_int_equal(runs->run[number].iova, iova);
	assert_int_equal(runs->run[number].phys, phys);
	assert_int_equal(runs->run[number].size, size);
}

static void an_empty_table_has_no_runs(struct fixture *f)
{
	assert_int_equal(visit_all(f).count, 0);
}

static void a_run_goes_on_across_leaf_sizes(struct fixture *f)
{
	uint64_t g = granule(f), size = 2 * block(f) + 2 * g;
	struct runs runs;

	map(f, FIRST(f) - g, PHYS(f) - g, size, RW);
	runs = visit_all(f);
	assert_int_equal(runs.count, 1);
	expect_run(&runs, 0, FIRST(f) - g, PHYS(f) - g, size);
	assert_int_equal(runs.run[0].prot, RW);
	assert_int_equal(runs.run[0].memory, IOPGT_WRITE_BACK);
}

static void runs_end_at_holes_and_where_the_output_jumps(struct fixture *f)
{
	uint64_t g = granule(f);
	struct runs runs;

	map(f, FIRST(f), PHYS(f), 2 * g, RW);
	map(f, FIRST(f) + 3 * g, PHYS(f) + 3 * g, g, RW); /* after a hole */
	map(f, FIRST(f) + 4 * g, PHYS(f) + 8 * g, g, RW); /* elsewhere */
	map(f, FIRST(f) + 5 * g, PHYS(f) + 7 * g, g, RW); /* backwards */
	runs = visit_all(f);
	assert_int_equal(runs.count, 4);
	expect_run(&runs, 0, FIRST(f), PHYS(f), 2 * g);
	expect_run(&runs, 1, FIRST(f) + 3 * g, PHYS(f) + 3 * g, g);
	expect_run(&runs, 2, FIRST(f) + 4 * g, PHYS(f) + 8 * g, g);
	expect_run(&runs, 3, FIRST(f) + 5 * g, PHYS(f) + 7 * g, g);
}

static void runs_end_where_permissions_or_memory_type_change(struct fixture *f)
{
	static const struct {
		uint32_t prot, memory;
	} kinds[] = {
		{RW, IOPGT_WRITE_BACK},
		{IOPGT_READ, IOPGT_WRITE_BACK},
		{IOPGT_READ, IOPGT_NON_CACHEABLE},
		{IOPGT_READ | IOPGT_EXECUTE, IOPGT_NON_CACHEABLE},
		{RW | IOPGT_NO_TRACK, IOPGT_DEVICE},
	};
	struct runs runs;
	uint64_t g = granule(f);

	for (unsigned i = 0; i < 5; i++) {
		struct iopgt_mapping mapping =
			fixture_mapping(FIRST(f) + i * g, PHYS(f) + i * g, g, kinds[i].prot);

		mapping.memory = kinds[i].memory;
		fixture_map(f, &mapping);
	}
	runs = visit_all(f);
	assert_int_equal(runs.count, 5);
	for (unsigned i = 0; i < 5; i++) {
		expect_run(&runs, i, FIRST(f) + i * g, PHYS(f) + i * g, g);
		assert_int_equal(runs.run[i].prot, kinds[i].prot);
		assert_int_equal(runs.run[i].memory, kinds[i].memory);
	}
}

static void dirty_state_does_not_end_a_run(struct fixture *f)
{
	struct runs runs;

	map(f, FIRST(f), PHYS(f), block(f), RW | IOPGT_CLEAN);
	split(f, FIRST(f), block(f));
	write_page(f, FIRST(f) + 3 * granule(f));
	runs = visit_all(f);
	assert_int_equal(runs.count, 1);
	expect_run(&runs, 0, FIRST(f), PHYS(f), block(f));
	assert_int_equal(runs.run[0].prot, RW); /* "has no IOPGT_CLEAN" */
}

static void runs_are_cut_at_the_ends_of_the_range(struct fixture *f)
{
	struct runs runs = {.f = f};
	struct iopgt_op op = new_op(f);
	uint64_t g = granule(f);

	map(f, FIRST(f), PHYS(f), 2 * block(f), RW);
	expect(IOPGT_OK, visit(&runs, FIRST(f) + g, block(f), &op));
	assert_int_equal(runs.count, 1);
	expect_run(&runs, 0, FIRST(f) + g, PHYS(f) + g, block(f));
}

static void the_callback_can_stop(struct fixture *f)
{
	struct runs runs = {.f = f, .stop_at = 2};
	struct iopgt_op op = new_op(f);

	for (uint64_t at = 0; at < 10; at++)
		map(f, FIRST(f) + 2 * at * granule(f), PHYS(f), granule(f), RW);
	expect(STOP, visit(&runs, 0, UINT64_C(1) << 48, &op));
	assert_int_equal(runs.count, 2);
}

/* Joins what was cut, and finds the mapping. */
static void pieces_give_the_same_mapping(struct fixture *f)
{
	struct runs runs = {.f = f};
	struct iopgt_op op = new_op(f);
	uint64_t at = FIRST(f), end = FIRST(f) + 4 * block(f), expected = FIRST(f);
	int error;

	map(f, FIRST(f), PHYS(f), 3 * block(f), RW);
	split(f, FIRST(f) + block(f), block(f));
	op.budget = 1;
	while ((error = visit(&runs, at, end - at, &op)) == IOPGT_AGAIN) {
		assert_true(op.next > at && op.next < end);
		at = op.next;
		runs.count -= runs.count > 32 ? 16 : 0; /* 64 KiB has many */
	}
	expect(IOPGT_OK, error);
	for (unsigned i = 0; i < runs.count && i < 4; i++) {
		assert_int_equal(runs.run[i].iova, expected);
		assert_int_equal(runs.run[i].phys - PHYS(f), expected - FIRST(f));
		expected += runs.run[i].size;
	}
}

static void a_visitor_must_be_given(struct fixture *f)
{
	const struct iopgt_mapping_visitor none = {NULL, NULL};
	struct iopgt_op op = new_op(f);

	expect(IOPGT_BAD_ARGUMENT, iopgt_for_each_mapping(f->table, 0, granule(f), NULL, &op));
	expect(IOPGT_BAD_ARGUMENT, iopgt_for_each_mapping(f->table, 0, granule(f), &none, &op));
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_REGIMES;
	const struct fixture_test tests[] = {
		TEST(all, an_empty_table_has_no_runs),
		TEST(all, a_run_goes_on_across_leaf_sizes),
		TEST(all, runs_end_at_holes_and_where_the_output_jumps),
		TEST(all, runs_end_where_permissions_or_memory_type_change),
		TEST(all, dirty_state_does_not_end_a_run),
		TEST(all, runs_are_cut_at_the_ends_of_the_range),
		TEST(all, the_callback_can_stop),
		TEST(all, pieces_give_the_same_mapping),
		TEST(0, a_visitor_must_be_given),
	};

	return FIXTURE_RUN(tests);
}
