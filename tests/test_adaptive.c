/* SPDX-License-Identifier: BSD-2-Clause */
/* IOPGT_SPLIT_ADAPTIVE and iopgt_merge_cold: blocks where it is cold, pages where it is not. */
#include "fixture.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (12 * block(f))
#define SIZE(f)  (3 * block(f))

#define COLD 2 /* scans */

static void set_tracking(struct fixture *f, const struct iopgt_tracking *how, uint32_t flags)
{
	struct iopgt_op op = new_op(f);

	op.flags |= flags;
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, how != NULL, how, &op));
	finish(f, &op);
}

static void adapt(struct fixture *f)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_ADAPTIVE, .cold_scans = COLD};

	set_tracking(f, &how, 0);
}

static struct iopgt_stats merge_cold_in(struct fixture *f, uint64_t iova, uint64_t size)
{
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_merge_cold(&f->domain, iova, size, &op));
	finish(f, &op);
	return op.stats;
}

static struct iopgt_stats merge_cold(struct fixture *f)
{
	return merge_cold_in(f, FIRST(f), SIZE(f));
}

static struct iopgt_stats take_in(struct fixture *f, uint64_t iova, uint64_t size)
{
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK,
	       iopgt_read_and_clear_dirty(f->table, iova, size, page_bitmap(f, iova, size), &op));
	finish(f, &op);
	return op.stats;
}

static struct iopgt_stats take(struct fixture *f)
{
	return take_in(f, FIRST(f), SIZE(f));
}

/* The same in calls of so many descriptors. */
static void take_in_pieces(struct fixture *f, uint64_t iova, uint64_t size, uint64_t budget)
{
	uint64_t at = iova, end = iova + size;
	struct iopgt_op op = new_op(f);
	int error = IOPGT_AGAIN;

	op.budget = budget;
	page_bitmap(f, iova, size);
	for (; error == IOPGT_AGAIN; at = op.next)
		error = iopgt_read_and_clear_dirty(f->table, at, end - at, &f->bitmap, &op);
	expect(IOPGT_OK, error);
	finish(f, &op);
}

/* Three blocks, of which the second is pages that were written to. */
static void heat_the_second(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), SIZE(f), RW);
	adapt(f);
	write_page(f, FIRST(f) + block(f) + 3 * granule(f));
	take(f);
	merge_cold(f);
}

/* --- Splitting --- */

static void a_block_is_reported_whole_once_and_then_by_pages(struct fixture *f)
{
	struct iopgt_stats stats;

	map(f, FIRST(f), PHYS(f), SIZE(f), RW);
	adapt(f);
	expect_level(f, FIRST(f), 2);
	write_page(f, FIRST(f) + block(f) + 3 * granule(f));
	stats = take(f);
	expect_only_bits(f, FIRST(f) + block(f), block(f));
	assert_int_equal(stats.split, 1);
	expect_level(f, FIRST(f), 2);
	expect_level(f, FIRST(f) + block(f), 3);
	expect_level(f, FIRST(f) + 2 * block(f), 2);
	expect_mapped(f, FIRST(f), PHYS(f), SIZE(f));
	write_page(f, FIRST(f) + block(f) + 5 * granule(f));
	take(f);
	expect_only_bits(f, FIRST(f) + block(f) + 5 * granule(f), granule(f));
	take(f);
	assert_int_equal(count_bits(f), 0);
}

static void a_gibibyte_is_split_level_by_level(struct fixture *f)
{
	uint64_t gib = UINT64_C(1) << 30, at = gib + 7 * block(f) + granule(f);

	map(f, gib, 5 * gib, gib, RW);
	adapt(f);
	expect_level(f, at, 1);
	write_page(f, at);
	assert_int_equal(take_in(f, gib, gib).split, 1);
	expect_only_bits(f, gib, gib);
	expect_level(f, at, 2);
	assert_int_equal(merge_cold_in(f, gib, gib).merged, 0);
	write_page(f, at);
	assert_int_equal(take_in(f, gib, gib).split, 1);
	expect_only_bits(f, gib + 7 * block(f), block(f));
	expect_level(f, at, 3);
	expect_level(f, gib, 2);
	write_page(f, at);
	assert_int_equal(take_in(f, gib, gib).split, 0);
	expect_only_bits(f, at, granule(f));
	for (unsigned scan = 0; scan < COLD; scan++)
		take_in(f, gib, gib);
	assert_int_equal(merge_cold_in(f, gib, gib).merged, 2);
	expect_level(f, at, 1);
	expect_mapped(f, at, 5 * gib + (at - gib), granule(f));
}

static void what_is_mapped_meanwhile_is_mapped_in_blocks(struct fixture *f)
{
	adapt(f);
	map(f, FIRST(f), PHYS(f), SIZE(f), RW);
	expect_level(f, FIRST(f), 2);
	assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_CLEAN);
}

static void the_other_verbs_that_clean_split_too(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), PHYS(f), SIZE(f), RW);
	adapt(f);
	write_page(f, FIRST(f));
	write_page(f, FIRST(f) + block(f));
	page_bitmap(f, FIRST(f), SIZE(f));
	expect(IOPGT_OK, iopgt_sync_dirty_log(f->table, FIRST(f), SIZE(f), &f->bitmap, &op));
	expect_level(f, FIRST(f), 2);
	expect(IOPGT_OK, iopgt_clear_dirty_log(f->table, FIRST(f), block(f), &f->bitmap, &op));
	finish(f, &op);
	expect_level(f, FIRST(f), 3);
	expect_level(f, FIRST(f) + block(f), 2);
	assert_int_equal(state_at(f, FIRST(f) + block(f)), IOPGT_LEAF_DIRTY);
}

static void groups_are_broken_up_where_they_are_dirty(struct fixture *f)
{
	uint64_t group = group_size(f, 3);

	map(f, FIRST(f), PHYS(f), 2 * group, RW);
	adapt(f);
	write_page(f, FIRST(f) + granule(f));
	take(f);
	expect_only_bits(f, FIRST(f), group);
	expect_leaf_size(f, FIRST(f), granule(f));
	expect_leaf_size(f, FIRST(f) + group, group);
	for (unsigned scan = 0; scan < COLD; scan++)
		take(f);
	merge_cold(f);
	expect_leaf_size(f, FIRST(f), group);
}

/* --- Bounds --- */

static void no_more_blocks_are_split_in_a_round_than_allowed(struct fixture *f)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_ADAPTIVE, .max_splits = 2};
	struct iopgt_stats stats;

	map(f, FIRST(f), PHYS(f), SIZE(f), RW);
	set_tracking(f, &how, 0);
	for (unsigned i = 0; i < 3; i++)
		write_page(f, FIRST(f) + i * block(f));
	stats = take(f);
	expect_only_bits(f, FIRST(f), SIZE(f));
	assert_int_equal(stats.split, 2);
	assert_int_equal(stats.left_unsplit, 1);
	assert_int_equal(state_at(f, FIRST(f) + 2 * block(f)), IOPGT_LEAF_CLEAN);
	write_page(f, FIRST(f) + 2 * block(f));
	assert_int_equal(take(f).split, 0);
	expect_only_bits(f, FIRST(f) + 2 * block(f), block(f));
	merge_cold(f);
	write_page(f, FIRST(f) + 2 * block(f));
	assert_int_equal(take(f).split, 1);
	expect_level(f, FIRST(f) + 2 * block(f), 3);
}

static void no_more_tables_are_made_than_allowed(struct fixture *f)
{
	const struct iopgt_tracking how = {
		.policy = IOPGT_SPLIT_ADAPTIVE, .max_extra_tables = 2, .cold_scans = 1};

	map(f, FIRST(f), PHYS(f), SIZE(f), RW);
	set_tracking(f, &how, 0);
	for (unsigned i = 0; i < 3; i++)
		write_page(f, FIRST(f) + i * block(f));
	assert_int_equal(take(f).split, 2);
	write_page(f, FIRST(f));
	write_page(f, FIRST(f) + block(f));
	merge_cold(f);
	write_page(f, FIRST(f) + 2 * block(f));
	assert_int_equal(take(f).split, 0);
	/* One of the two is cold now, and gives room. */
	write_page(f, FIRST(f) + block(f));
	take(f);
	assert_int_equal(merge_cold(f).merged, 1);
	write_page(f, FIRST(f) + 2 * block(f));
	assert_int_equal(take(f).split, 1);
}

static void without_memory_a_block_stays_one(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), PHYS(f), SIZE(f), RW);
	adapt(f);
	write_page(f, FIRST(f));
	host_fail(&f->host, HOST_ALLOC, 1, true);
	expect(IOPGT_OK, iopgt_read_and_clear_dirty(f->table, FIRST(f), SIZE(f),
	                                            page_bitmap(f, FIRST(f), SIZE(f)), &op));
	host_fail_nothing(&f->host);
	finish(f, &op);
	assert_int_equal(op.stats.left_unsplit, 1);
	expect_only_bits(f, FIRST(f), block(f));
	assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_CLEAN);
}

static void where_nothing_may_break_blocks_stay(struct fixture *f)
{
	struct iopgt_op op = {0};

	map(f, FIRST(f), PHYS(f), SIZE(f), RW);
	adapt(f);
	assert_false(iopgt_domain_capable(&f->domain, IOPGT_CAPABLE_SPLIT));
	write_page(f, FIRST(f));
	expect(IOPGT_OK, iopgt_read_and_clear_dirty(f->table, FIRST(f), SIZE(f),
	                                            page_bitmap(f, FIRST(f), SIZE(f)), &op));
	finish(f, &op);
	assert_int_equal(op.stats.left_unsplit, 1);
	expect_only_bits(f, FIRST(f), block(f));
	expect_level(f, FIRST(f), 2);
	expect(IOPGT_OK, iopgt_merge_cold(&f->domain, FIRST(f), SIZE(f), &op));
}

static void a_start_that_is_dirty_splits_nothing_in_its_round(struct fixture *f)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_ADAPTIVE};
	struct iopgt_stats stats;

	map(f, FIRST(f), PHYS(f), SIZE(f), RW);
	set_tracking(f, &how, IOPGT_OP_START_DIRTY);
	stats = take(f);
	expect_only_bits(f, FIRST(f), SIZE(f));
	assert_int_equal(stats.split, 0);
	assert_int_equal(stats.cleaned, 3);
	assert_int_equal(stats.left_unsplit, 3);
	merge_cold(f);
	write_page(f, FIRST(f) + block(f));
	assert_int_equal(take(f).split, 1);
	expect_only_bits(f, FIRST(f) + block(f), block(f));
}

/* --- Merging --- */

static void what_stays_clean_is_merged_and_nothing_else(struct fixture *f)
{
	heat_the_second(f);
	write_page(f, FIRST(f));
	take(f);
	merge_cold(f);
	expect_level(f, FIRST(f), 3);
	expect_level(f, FIRST(f) + block(f), 3);
	write_page(f, FIRST(f));
	take(f);
	assert_int_equal(merge_cold(f).merged, 1);
	expect_level(f, FIRST(f), 3);
	expect_level(f, FIRST(f) + block(f), 2);
	assert_int_equal(state_at(f, FIRST(f) + block(f)), IOPGT_LEAF_CLEAN);
	expect_mapped(f, FIRST(f), PHYS(f), SIZE(f));
	write_page(f, FIRST(f) + block(f));
	take(f);
	expect_only_bits(f, FIRST(f) + block(f), block(f));
}

static void a_write_makes_young_again(struct fixture *f)
{
	heat_the_second(f);
	for (unsigned i = 0; i < 3 * COLD; i++) {
		if (i % COLD)
			write_page(f, FIRST(f) + block(f));
		take(f);
		assert_int_equal(merge_cold(f).merged, 0);
	}
	take(f);
	take(f);
	assert_int_equal(merge_cold(f).merged, 1);
}

static void reads_and_parts_make_nothing_older(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	heat_the_second(f);
	for (unsigned i = 0; i < 2 * COLD; i++) {
		page_bitmap(f, FIRST(f), SIZE(f));
		expect(IOPGT_OK,
		       iopgt_sync_dirty_log(f->table, FIRST(f), SIZE(f), &f->bitmap, &op));
		take_in(f, FIRST(f) + block(f), block(f) / 2);
		take_in(f, FIRST(f) + 3 * block(f) / 2, block(f) / 2);
		take_in_pieces(f, FIRST(f) + 3 * block(f) / 2, block(f) / 2, granule(f) / 8 / 3);
	}
	finish(f, &op);
	assert_int_equal(merge_cold(f).merged, 0);
	expect_level(f, FIRST(f) + block(f), 3);
}

static void a_table_with_a_dirty_leaf_stays(struct fixture *f)
{
	heat_the_second(f);
	for (unsigned scan = 0; scan < COLD; scan++)
		take(f);
	write_page(f, FIRST(f) + block(f) + 2 * granule(f));
	assert_int_equal(merge_cold(f).merged, 0);
	take(f);
	expect_only_bits(f, FIRST(f) + block(f) + 2 * granule(f), granule(f));
}

static void what_is_no_block_is_tried_seldom(struct fixture *f)
{
	unsigned tried = 0;

	heat_the_second(f);
	unmap(f, FIRST(f) + block(f), granule(f));
	for (unsigned scan = 0; scan < 4 * COLD; scan++) {
		take(f);
		tried += (unsigned)merge_cold(f).left_unmerged;
	}
	assert_int_equal(tried, 4);
}

static void in_pieces_it_is_the_same(struct fixture *f)
{
	uint64_t budget = granule(f) / 8 / 3;

	heat_the_second(f);
	for (unsigned scan = 0; scan < COLD; scan++)
		take_in_pieces(f, FIRST(f), SIZE(f), budget);
	assert_int_equal(merge_cold(f).merged, 1);
	expect_level(f, FIRST(f) + block(f), 2);
}

static void a_write_in_any_piece_makes_young_again(struct fixture *f)
{
	uint64_t budget = granule(f) / 8 / 3;

	heat_the_second(f);
	take(f);
	write_page(f, FIRST(f) + block(f));
	take_in_pieces(f, FIRST(f), SIZE(f), budget);
	expect_only_bits(f, FIRST(f) + block(f), granule(f));
	assert_int_equal(merge_cold(f).merged, 0);
}

/* --- Errors --- */

static void only_while_it_tracks_so(struct fixture *f)
{
	struct iopgt_tracking how = {.policy = IOPGT_SPLIT_EAGER};
	struct iopgt_op op = new_op(f);

	expect(IOPGT_NOT_TRACKING, iopgt_merge_cold(&f->domain, FIRST(f), SIZE(f), &op));
	set_tracking(f, &how, 0);
	expect(IOPGT_NOT_TRACKING, iopgt_merge_cold(&f->domain, FIRST(f), SIZE(f), &op));
	adapt(f);
	expect(IOPGT_OK, iopgt_merge_cold(&f->domain, FIRST(f), SIZE(f), &op));
	expect(IOPGT_BAD_ARGUMENT, iopgt_merge_cold(NULL, FIRST(f), SIZE(f), &op));
	expect(IOPGT_BAD_ARGUMENT, iopgt_merge_cold(&f->domain, FIRST(f), SIZE(f), NULL));
	expect(IOPGT_BAD_ALIGNMENT, iopgt_merge_cold(&f->domain, FIRST(f) + 1, SIZE(f), &op));
	expect(IOPGT_BAD_RANGE, iopgt_merge_cold(&f->domain, FIRST(f), 0, &op));
	how = (struct iopgt_tracking){.policy = IOPGT_SPLIT_ADAPTIVE,
	                              .cold_scans = IOPGT_MAX_COLD_SCANS + 1};
	expect(IOPGT_BAD_POLICY, iopgt_set_dirty_tracking(&f->domain, true, &how, &op));
	how.cold_scans = IOPGT_MAX_COLD_SCANS;
	set_tracking(f, &how, 0);
	set_tracking(f, NULL, 0);
	expect(IOPGT_NOT_TRACKING, iopgt_merge_cold(&f->domain, FIRST(f), SIZE(f), &op));
}

static void a_wait_that_fails_leaves_the_tables(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	heat_the_second(f);
	for (unsigned scan = 0; scan < COLD; scan++)
		take(f);
	host_fail(&f->host, HOST_SYNC, 1, false);
	assert_true(iopgt_merge_cold(&f->domain, FIRST(f), SIZE(f), &op) != IOPGT_OK);
	host_fail_nothing(&f->host);
	finish(f, &op);
	expect_level(f, FIRST(f) + block(f), 3);
	write_page(f, FIRST(f) + block(f));
	take(f);
	expect_only_bits(f, FIRST(f) + block(f), granule(f));
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_STAGES | FIXTURE_LEVELS;
	const uint32_t levels = FIXTURE_STAGES | FIXTURE_LEVELS;
	const struct fixture_test tests[] = {
		TEST_WITH(all, a_block_is_reported_whole_once_and_then_by_pages, .domain = true),
		TEST_WITH(all, a_block_is_reported_whole_once_and_then_by_pages, .domain = true,
	                  .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(levels, a_gibibyte_is_split_level_by_level, .domain = true),
		TEST_WITH(levels, a_gibibyte_is_split_level_by_level, .domain = true,
	                  .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, what_is_mapped_meanwhile_is_mapped_in_blocks, .domain = true),
		TEST_WITH(levels, the_other_verbs_that_clean_split_too, .domain = true),
		TEST_WITH(all, groups_are_broken_up_where_they_are_dirty, .domain = true,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
		TEST_WITH(levels, no_more_blocks_are_split_in_a_round_than_allowed, .domain = true),
		TEST_WITH(levels, no_more_tables_are_made_than_allowed, .domain = true),
		TEST_WITH(levels, without_memory_a_block_stays_one, .domain = true),
		TEST_WITH(FIXTURE_STAGES, where_nothing_may_break_blocks_stay, .domain = true,
	                  .level = FIXTURE_LEVEL_0),
		TEST_WITH(levels, a_start_that_is_dirty_splits_nothing_in_its_round,
	                  .domain = true),
		TEST_WITH(all, what_stays_clean_is_merged_and_nothing_else, .domain = true),
		TEST_WITH(all, what_stays_clean_is_merged_and_nothing_else, .domain = true,
	                  .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(levels, a_write_makes_young_again, .domain = true),
		TEST_WITH(levels, reads_and_parts_make_nothing_older, .domain = true),
		TEST_WITH(levels, a_table_with_a_dirty_leaf_stays, .domain = true),
		TEST_WITH(levels, what_is_no_block_is_tried_seldom, .domain = true),
		TEST_WITH(all, in_pieces_it_is_the_same, .domain = true),
		TEST_WITH(levels, a_write_in_any_piece_makes_young_again, .domain = true),
		TEST_WITH(levels, only_while_it_tracks_so, .domain = true),
		TEST_WITH(levels, a_wait_that_fails_leaves_the_tables, .domain = true),
	};

	return FIXTURE_RUN(tests);
}
