/* SPDX-License-Identifier: BSD-2-Clause */
/* Ages of tables: which scans make one older, and what becomes of cold ones. */
#include "fixture.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (12 * block(f))

/* "A table is cold after so many scans that clean found nothing dirty below." */
static void track_until_cold(struct fixture *f, uint32_t scans)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_ADAPTIVE, .cold_scans = scans};
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, true, &how, &op));
	map(f, FIRST(f), PHYS(f) + block(f), 2 * block(f), RW);
	write_page(f, FIRST(f));
	write_page(f, FIRST(f) + block(f));
	take_dirty(f, FIRST(f), 2 * block(f));
	expect_level(f, FIRST(f), 3);
	expect_level(f, FIRST(f) + block(f), 3);
}

static uint64_t merged(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_merge_cold(&f->domain, FIRST(f), 2 * block(f), &op));
	finish(f, &op);
	return op.stats.merged;
}

static int never_called(void *context, uint64_t iova, uint64_t size)
{
	(void)context;
	(void)iova;
	(void)size;
	fail();
	return 0;
}

static void reads_that_do_not_clean_make_nothing_cold(struct fixture *f)
{
	const struct iopgt_dirty_visitor visitor = {never_called, NULL};

	track_until_cold(f, 1);
	for (unsigned round = 0; round < 4; round++) {
		struct iopgt_op op = new_op(f);

		op.flags |= IOPGT_OP_NO_CLEAR;
		page_bitmap(f, FIRST(f), 2 * block(f));
		expect(IOPGT_OK, iopgt_read_and_clear_dirty(f->table, FIRST(f), 2 * block(f),
		                                            &f->bitmap, &op));
		expect(IOPGT_OK,
		       iopgt_for_each_dirty(f->table, FIRST(f), 2 * block(f), &visitor, &op));
		finish(f, &op);
	}
	assert_int_equal(merged(f), 0);
	take_dirty(f, FIRST(f), 2 * block(f));
	assert_int_equal(merged(f), 2);
}

/* In pieces: what is found in a table before a piece ends makes no other one young. */
static void scan_in_pieces(struct fixture *f, uint64_t written, uint64_t budget)
{
	track_until_cold(f, 2);
	for (unsigned round = 0; round < 2; round++) {
		uint64_t at = FIRST(f), end = FIRST(f) + 2 * block(f);
		struct iopgt_op op = new_op(f);
		int error;

		write_page(f, written);
		page_bitmap(f, FIRST(f), 2 * block(f));
		op.budget = budget;
		while ((error = iopgt_read_and_clear_dirty(f->table, at, end - at, &f->bitmap,
		                                           &op)) == IOPGT_AGAIN)
			at = op.next;
		expect(IOPGT_OK, error);
		assert_true(at > FIRST(f) + block(f));
		finish(f, &op);
	}
	assert_int_equal(merged(f), 1);
	expect_level(f, FIRST(f), 3);
	expect_level(f, FIRST(f) + block(f), 2);
}

static void a_scan_in_pieces_makes_its_clean_tables_cold(struct fixture *f)
{
	scan_in_pieces(f, FIRST(f) + 5 * granule(f), 3 * block(f) / granule(f) / 2);
}

/* One of the pieces ends where the table that was written to does. */
static void a_scan_page_by_page_makes_its_clean_tables_cold(struct fixture *f)
{
	scan_in_pieces(f, FIRST(f) + block(f) - granule(f), 1);
}

/* A cold table that becomes a block again is not made into groups on the way. */
static void what_is_merged_is_not_grouped(struct fixture *f)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_ADAPTIVE, .cold_scans = 1};
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, true, &how, &op));
	map(f, FIRST(f), PHYS(f) + block(f), block(f), RW);
	write_page(f, FIRST(f));
	for (unsigned round = 0; round < 3; round++)
		take_dirty(f, FIRST(f), block(f));
	expect_leaf_size(f, FIRST(f), granule(f));
	expect(IOPGT_OK, iopgt_merge_cold(&f->domain, FIRST(f), block(f), &op));
	finish(f, &op);
	expect_leaf_size(f, FIRST(f), block(f));
	assert_int_equal(op.stats.merged, 1);
	assert_int_equal(op.stats.grouped, 0);
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(FIXTURE_GRANULES, reads_that_do_not_clean_make_nothing_cold,
	                  .domain = true),
		TEST_WITH(FIXTURE_GRANULES, a_scan_in_pieces_makes_its_clean_tables_cold,
	                  .domain = true),
		TEST_WITH(FIXTURE_GRANULES, a_scan_page_by_page_makes_its_clean_tables_cold,
	                  .domain = true),
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_LEVELS, what_is_merged_is_not_grouped,
	                  .domain = true, .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
	};

	return FIXTURE_RUN(tests);
}
