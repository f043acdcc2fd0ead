/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_trim and iopgt_table_stats: memory in use, and given back. */
#include "fixture.h"

#define FIRST(f) (4 * block(f))
#define SPACE    (UINT64_C(1) << 48)

static struct iopgt_table_usage usage(struct fixture *f)
{
	struct iopgt_table_usage usage;

	expect(IOPGT_OK, iopgt_table_stats(f->table, &usage));
	return usage;
}

/* What the library says is what it has. */
static void expect_usage(struct fixture *f)
{
	assert_int_equal(usage(f).tables, pool_in_use(f->host.pool));
	assert_int_equal(usage(f).bytes, pool_bytes_in_use(f->host.pool));
}

static void trim_all(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_trim(f->table, 0, SPACE, &op));
	finish(f, &op);
}

/* A last-level table at iova, empty, that the walker has walked through. */
static void leave_empty_table(struct fixture *f, uint64_t iova)
{
	map(f, iova, 0, granule(f), RW);
	read_page(f, iova);
	unmap(f, iova, granule(f));
}

static void usage_follows_what_is_allocated(struct fixture *f)
{
	expect_usage(f);
	assert_int_equal(usage(f).tables, 1);
	map(f, FIRST(f), granule(f), block(f), RW);
	expect_usage(f);
	map(f, FIRST(f) + block(f), 0, block(f), RW);
	split(f, FIRST(f) + block(f), block(f));
	expect_usage(f);
	merge(f, FIRST(f) + block(f), block(f));
	expect_usage(f);
	unmap(f, 0, SPACE);
	expect_usage(f);
	assert_int_equal(usage(f).tables, 1);
}

static void tables_held_by_an_op_are_not_counted(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	uint64_t before;

	map(f, FIRST(f), granule(f), block(f), RW);
	before = usage(f).tables;
	expect(IOPGT_OK, iopgt_unmap(f->table, FIRST(f), block(f), &op));
	assert_int_equal(usage(f).tables, before - 1);
	assert_int_equal(pool_in_use(f->host.pool), before);
	finish(f, &op);
	expect_usage(f);
}

static void trim_frees_tables_that_map_nothing(struct fixture *f)
{
	leave_empty_table(f, FIRST(f));
	leave_empty_table(f, FIRST(f) + 3 * block(f));
	leave_empty_table(f, SPACE - block(f));
	assert_true(usage(f).tables >= 4);
	trim_all(f);
	assert_int_equal(usage(f).tables, 1);
	expect_usage(f);
	assert_false(access_ok(f, 0, FIRST(f), WALKER_READ));
}

static void trim_keeps_tables_in_use(struct fixture *f)
{
	uint64_t before;

	map(f, FIRST(f), 0, granule(f), RW);
	before = usage(f).tables;
	leave_empty_table(f, FIRST(f) + block(f));
	trim_all(f);
	assert_int_equal(usage(f).tables, before);
	expect_mapped(f, FIRST(f), 0, granule(f));
	read_page(f, FIRST(f));
}

static void trim_keeps_tables_partly_in_the_range(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	uint64_t before;

	leave_empty_table(f, FIRST(f));
	before = usage(f).tables;
	expect(IOPGT_OK, iopgt_trim(f->table, FIRST(f) + granule(f), block(f) - granule(f), &op));
	finish(f, &op);
	assert_int_equal(usage(f).tables, before);
	expect(IOPGT_OK, iopgt_trim(f->table, FIRST(f), block(f), &op));
	finish(f, &op);
	assert_int_equal(usage(f).tables, before - 1);
}

static void trim_frees_after_walk_caches_forgot(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	leave_empty_table(f, FIRST(f));
	host_log_clear(&f->host);
	expect(IOPGT_OK, iopgt_trim(f->table, FIRST(f), block(f), &op));
	assert_int_equal(event_count(f, HOST_FREE), 0);
	finish(f, &op);
	assert_int_equal(event_count(f, HOST_FREE), 1);
	assert_true(event_index(f, HOST_SYNC, 0) >= 0);
	assert_true(event_index(f, HOST_SYNC, 0) < event_index(f, HOST_FREE, 0));
}

static void trim_of_nothing_costs_nothing(struct fixture *f)
{
	map(f, FIRST(f), granule(f), block(f), RW);
	host_log_clear(&f->host);
	trim_all(f);
	assert_int_equal(host_logged(&f->host), 0);
}

static void trim_in_pieces_frees_the_same(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	uint64_t at = 0;
	int error;

	for (uint64_t i = 0; i < 8; i++)
		leave_empty_table(f, FIRST(f) + 2 * i * block(f));
	map(f, FIRST(f) + block(f), 0, granule(f), RW);
	op.budget = 1;
	while ((error = iopgt_trim(f->table, at, SPACE - at, &op)) == IOPGT_AGAIN) {
		assert_true(op.next > at && op.next < SPACE);
		at = op.next;
	}
	expect(IOPGT_OK, error);
	finish(f, &op);
	expect_usage(f);
	expect_mapped(f, FIRST(f) + block(f), 0, granule(f));
	unmap(f, FIRST(f) + block(f), granule(f));
	trim_all(f);
	assert_int_equal(usage(f).tables, 1);
}

static void null_pointers_are_refused(struct fixture *f)
{
	struct iopgt_table_usage usage;

	expect(IOPGT_BAD_ARGUMENT, iopgt_table_stats(NULL, &usage));
	expect(IOPGT_BAD_ARGUMENT, iopgt_table_stats(f->table, NULL));
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_REGIMES;
	const struct fixture_test tests[] = {
		TEST(all, usage_follows_what_is_allocated),
		TEST_WITH(0, usage_follows_what_is_allocated, .regime = IOPGT_STAGE2,
	                  .granule_shift = 14),
		TEST(all, tables_held_by_an_op_are_not_counted),
		TEST(all, trim_frees_tables_that_map_nothing),
		TEST(all, trim_keeps_tables_in_use),
		TEST(all, trim_keeps_tables_partly_in_the_range),
		TEST(all, trim_frees_after_walk_caches_forgot),
		TEST(all, trim_of_nothing_costs_nothing),
		TEST(all, trim_in_pieces_frees_the_same),
		TEST(0, null_pointers_are_refused),
	};

	return FIXTURE_RUN(tests);
}
