/* SPDX-License-Identifier: BSD-2-Clause */
/* What is asked of the host: ranges, hints, walk caches, joining, limits. */
#include "fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FIRST(f)     (4 * block(f))
#define PHYS(f)      (12 * block(f))

static uint64_t page(struct fixture *f, uint64_t number)
{
	return FIRST(f) + number * granule(f);
}

static void map_dirty_pages(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f) + granule(f), block(f), RW);
}

static struct iopgt_invalidation request(struct fixture *f, uint64_t nth)
{
	struct host_event event = {0};
	int64_t index = event_index(f, HOST_RANGE, nth);

	assert_true(index >= 0);
	assert_true(host_event(&f->host, (uint64_t)index, &event));
	return event.request;
}

/* The nth request is this range of leaves of one level, and no walk caches. */
static void expect_leaves(struct fixture *f, uint64_t nth, uint64_t iova, uint64_t size, int level)
{
	struct iopgt_invalidation got = request(f, nth);

	assert_int_equal(got.iova, iova);
	assert_int_equal(got.size, size);
	assert_int_equal(got.flags, 0);
	assert_int_equal(got.level, level);
	assert_int_equal(UINT64_C(1) << got.stride_shift, level_size(f, level));
}

static void expect_requests(struct fixture *f, uint64_t ranges, uint64_t alls, uint64_t waits)
{
	assert_int_equal(event_count(f, HOST_RANGE), ranges);
	assert_int_equal(event_count(f, HOST_ALL), alls);
	assert_int_equal(event_count(f, HOST_SYNC), waits);
}

/* Cleans single pages, in an op that is not finished. */
static void clean_pages(struct fixture *f, const uint64_t *numbers, size_t count,
                        struct iopgt_op *op)
{
	page_bitmap(f, FIRST(f), block(f));
	for (size_t i = 0; i < count; i++)
		set_bits(f, page(f, numbers[i]), granule(f));
	expect(IOPGT_OK, iopgt_clear_dirty_log(f->table, FIRST(f), block(f), &f->bitmap, op));
}

/* --- Leaves --- */

static void map_asks_for_nothing(struct fixture *f)
{
	struct iopgt_mapping mapping = fixture_mapping(FIRST(f), PHYS(f), 3 * block(f), RW);
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_map(f->table, &mapping, &op));
	assert_null(op.gather.table);
	finish(f, &op);
	expect_requests(f, 0, 0, 0);
}

static void cleaning_pages_asks_for_their_leaves_alone(struct fixture *f)
{
	const uint64_t numbers[] = {3, 4, 5, 9};
	struct iopgt_op op = new_op(f);

	map_dirty_pages(f);
	host_log_clear(&f->host);
	clean_pages(f, numbers, COUNT(numbers), &op);
	finish(f, &op);
	expect_requests(f, 2, 0, 1);
	expect_leaves(f, 0, page(f, 3), 3 * granule(f), 3);
	expect_leaves(f, 1, page(f, 9), granule(f), 3);
	assert_int_equal(op.stats.invalidations, 2);
	assert_int_equal(op.stats.waits, 1);
}

static void cleaning_a_block_asks_for_the_block(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), block(f), RW);
	host_log_clear(&f->host);
	take_dirty(f, FIRST(f), block(f));
	expect_requests(f, 1, 0, 1);
	expect_leaves(f, 0, FIRST(f), block(f), 2);
}

static void cleaning_pages_and_blocks_gives_no_wrong_hint(struct fixture *f)
{
	uint64_t covered = 0;

	map(f, FIRST(f), PHYS(f), block(f) + 4 * granule(f), RW);
	host_log_clear(&f->host);
	take_dirty(f, FIRST(f), 2 * block(f));
	for (uint64_t i = 0; i < event_count(f, HOST_RANGE); i++) {
		struct iopgt_invalidation got = request(f, i);
		bool pages = got.iova + got.size > FIRST(f) + block(f);

		covered += got.size;
		if (pages) /* the smallest leaf may be a page */
			assert_int_equal(got.stride_shift, f->config.granule_shift);
		if (pages && got.iova < FIRST(f) + block(f))
			assert_int_equal(got.level, IOPGT_NO_LEVEL);
	}
	assert_int_equal(covered, block(f) + 4 * granule(f));
}

static void protect_asks_for_the_leaves_that_it_changed(struct fixture *f)
{
	map_dirty_pages(f);
	host_log_clear(&f->host);
	protect(f, page(f, 7), 2 * granule(f), IOPGT_READ);
	expect_requests(f, 1, 0, 1);
	expect_leaves(f, 0, page(f, 7), 2 * granule(f), 3);
}

static void unmap_of_pages_asks_for_their_leaves(struct fixture *f)
{
	map_dirty_pages(f);
	host_log_clear(&f->host);
	unmap(f, page(f, 7), 2 * granule(f));
	expect_requests(f, 1, 0, 1);
	expect_leaves(f, 0, page(f, 7), 2 * granule(f), 3);
}

static void what_was_not_mapped_needs_no_invalidation(struct fixture *f)
{
	host_log_clear(&f->host);
	unmap(f, 0, UINT64_C(1) << 48);
	protect(f, FIRST(f), block(f), IOPGT_READ);
	split(f, FIRST(f), block(f));
	merge(f, FIRST(f), block(f));
	take_dirty(f, FIRST(f), block(f));
	expect_requests(f, 0, 0, 0);
}

/* --- Tables --- */

static void a_table_that_goes_takes_walk_caches_with_it(struct fixture *f)
{
	struct iopgt_invalidation got;

	map_dirty_pages(f);
	read_page(f, FIRST(f));
	host_log_clear(&f->host);
	unmap(f, FIRST(f), block(f));
	got = request(f, 0);
	assert_true(got.flags & IOPGT_INVALIDATE_WALK_CACHES);
	assert_true(got.iova <= FIRST(f) && got.iova + got.size >= FIRST(f) + block(f));
	assert_true(UINT64_C(1) << got.stride_shift <= granule(f));
	expect_requests(f, 1, 0, 1);
}

/* After a split it is the block that may be cached; its pages follow one by one. */
static void a_split_asks_for_the_block(struct fixture *f)
{
	struct iopgt_invalidation got;

	map(f, FIRST(f), PHYS(f), block(f), RW);
	read_page(f, FIRST(f));
	host_log_clear(&f->host);
	split(f, FIRST(f), block(f));
	for (uint64_t i = 0; i < event_count(f, HOST_RANGE); i++) {
		got = request(f, i);
		assert_int_equal(got.iova, FIRST(f));
		assert_int_equal(got.size, block(f));
		assert_true(got.level == 2 || got.level == IOPGT_NO_LEVEL);
	}
	assert_true(event_count(f, HOST_RANGE) + event_count(f, HOST_ALL) > 0);
}

/* After a merge it is pages and their table. */
static void a_merge_asks_for_every_page_and_walk_caches(struct fixture *f)
{
	bool covered = false;

	map(f, FIRST(f), PHYS(f), block(f), RW);
	split(f, FIRST(f), block(f));
	host_log_clear(&f->host);
	merge(f, FIRST(f), block(f));
	for (uint64_t i = 0; i < event_count(f, HOST_RANGE); i++) {
		struct iopgt_invalidation got = request(f, i);

		covered |= got.flags & IOPGT_INVALIDATE_WALK_CACHES && got.iova <= FIRST(f) &&
		           got.iova + got.size >= FIRST(f) + block(f) &&
		           got.stride_shift == f->config.granule_shift &&
		           (got.level == 3 || got.level == IOPGT_NO_LEVEL);
	}
	assert_true(covered || event_count(f, HOST_ALL) > 0);
}

/* --- Joining and limits --- */

static void ranges_that_touch_are_joined(struct fixture *f)
{
	const uint64_t numbers[] = {63, 64, 65, 127, 128};
	struct iopgt_op op = new_op(f);

	map_dirty_pages(f);
	host_log_clear(&f->host);
	clean_pages(f, numbers, COUNT(numbers), &op);
	finish(f, &op);
	expect_requests(f, 2, 0, 1);
	expect_leaves(f, 0, page(f, 63), 3 * granule(f), 3);
	expect_leaves(f, 1, page(f, 127), 2 * granule(f), 3);
}

/* join_bytes is eight pages of 64 KiB here: gaps of 8 are joined, of 9 are not. */
static void ranges_within_join_bytes_are_joined(struct fixture *f)
{
	const uint64_t numbers[] = {10, 19, 29};
	struct iopgt_op op = new_op(f);

	map_dirty_pages(f);
	host_log_clear(&f->host);
	clean_pages(f, numbers, COUNT(numbers), &op);
	finish(f, &op);
	expect_requests(f, 2, 0, 1);
	expect_leaves(f, 0, page(f, 10), 10 * granule(f), 3);
	expect_leaves(f, 1, page(f, 29), granule(f), 3);
}

static void past_max_ranges_the_whole_table_is_invalidated(struct fixture *f)
{
	uint64_t numbers[40];
	struct iopgt_op op = new_op(f);

	for (uint64_t i = 0; i < COUNT(numbers); i++)
		numbers[i] = 3 * i;
	map_dirty_pages(f);
	write_page(f, page(f, 3 * 39));
	host_log_clear(&f->host);
	clean_pages(f, numbers, COUNT(numbers), &op);
	finish(f, &op);
	assert_true(event_count(f, HOST_RANGE) <= 4);
	expect_requests(f, event_count(f, HOST_RANGE), 1, 1);
	write_page(f, page(f, 3 * 39));
	assert_int_equal(state_at(f, page(f, 3 * 39)), IOPGT_LEAF_DIRTY);
}

static void up_to_max_ranges_are_asked_for_one_by_one(struct fixture *f)
{
	const uint64_t numbers[] = {1, 5, 9, 13};
	struct iopgt_op op = new_op(f);

	map_dirty_pages(f);
	host_log_clear(&f->host);
	clean_pages(f, numbers, COUNT(numbers), &op);
	finish(f, &op);
	expect_requests(f, 4, 0, 1);
}

/* What another op removed meanwhile may stand in this one's pages. */
static void a_map_waits_for_pages_that_were_cleaned_when_all_was_owed(struct fixture *f)
{
	const uint64_t many[] = {64, 66, 68, 70, 72, 74, 76, 130, 190}, low[] = {3, 5};
	const uint64_t at[] = {3, 190, 191, 2};

	for (size_t i = 0; i < COUNT(at); i++) {
		const struct iopgt_mapping again =
			fixture_mapping(page(f, at[i]), PHYS(f), granule(f), RW);
		struct iopgt_op op = new_op(f);

		map_dirty_pages(f);
		clean_pages(f, many, COUNT(many), &op);
		clean_pages(f, low, COUNT(low), &op);
		unmap(f, page(f, at[i]), granule(f));
		expect(IOPGT_OK, iopgt_map(f->table, &again, &op));
		assert_int_equal(op.stats.waits, i < 2);
		finish(f, &op);
		unmap(f, FIRST(f), block(f));
	}
}

/* --- Several calls --- */

static void one_op_gathers_across_calls(struct fixture *f)
{
	const uint64_t first[] = {3}, second[] = {4};
	struct iopgt_op op = new_op(f);

	map_dirty_pages(f);
	host_log_clear(&f->host);
	clean_pages(f, first, 1, &op);
	clean_pages(f, second, 1, &op);
	expect(IOPGT_OK, iopgt_protect(f->table, page(f, 5), granule(f), IOPGT_READ, &op));
	assert_int_equal(event_count(f, HOST_SYNC), 0);
	finish(f, &op);
	expect_requests(f, 1, 0, 1);
	expect_leaves(f, 0, page(f, 3), 3 * granule(f), 3);
}

static void finish_is_idempotent(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_op_finish(&op));
	map_dirty_pages(f);
	expect(IOPGT_OK, iopgt_unmap(f->table, FIRST(f), block(f), &op));
	finish(f, &op);
	host_log_clear(&f->host);
	finish(f, &op);
	finish(f, &op);
	assert_int_equal(host_logged(&f->host), 0);
	expect(IOPGT_BAD_ARGUMENT, iopgt_op_finish(NULL));
}

/* A wait that failed: nothing posted since the last one counts. */
static void after_a_failed_wait_all_is_asked_for_again(struct fixture *f)
{
	const uint64_t numbers[] = {3, 9};
	struct iopgt_op op = new_op(f);

	map_dirty_pages(f);
	write_page(f, page(f, 3));
	write_page(f, page(f, 9));
	clean_pages(f, numbers, COUNT(numbers), &op);
	host_fail(&f->host, HOST_SYNC, 1, false);
	expect(HOST_ERROR, iopgt_op_finish(&op));
	assert_non_null(op.gather.table);
	host_log_clear(&f->host);
	finish(f, &op);
	assert_true(event_count(f, HOST_RANGE) + event_count(f, HOST_ALL) > 0);
	assert_int_equal(event_count(f, HOST_SYNC), 1);
	for (size_t i = 0; i < COUNT(numbers); i++) {
		write_page(f, page(f, numbers[i]));
		assert_int_equal(state_at(f, page(f, numbers[i])), IOPGT_LEAF_DIRTY);
	}
}

/* A range that failed is replaced by all, as hal.h says. */
static void in_place_of_a_failed_range_all_is_asked_for(struct fixture *f)
{
	const uint64_t numbers[] = {3, 9, 20};
	struct iopgt_op op = new_op(f);

	map_dirty_pages(f);
	write_page(f, page(f, 9));
	host_log_clear(&f->host);
	host_fail(&f->host, HOST_RANGE, 2, false);
	clean_pages(f, numbers, COUNT(numbers), &op);
	finish(f, &op);
	assert_int_equal(event_count(f, HOST_ALL), 1);
	write_page(f, page(f, 9));
	assert_int_equal(state_at(f, page(f, 9)), IOPGT_LEAF_DIRTY);
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_REGIMES;
	const uint32_t levels = FIXTURE_GRANULES | FIXTURE_LEVELS;
	const struct fixture_test tests[] = {
		TEST(all, map_asks_for_nothing),
		TEST(all, cleaning_pages_asks_for_their_leaves_alone),
		TEST(all, cleaning_a_block_asks_for_the_block),
		TEST(all, cleaning_pages_and_blocks_gives_no_wrong_hint),
		TEST(all, protect_asks_for_the_leaves_that_it_changed),
		TEST(all, unmap_of_pages_asks_for_their_leaves),
		TEST(levels, what_was_not_mapped_needs_no_invalidation),
		TEST(all, a_table_that_goes_takes_walk_caches_with_it),
		TEST(levels, a_split_asks_for_the_block),
		TEST(levels, a_merge_asks_for_every_page_and_walk_caches),
		TEST(all, ranges_that_touch_are_joined),
		TEST_WITH(0, ranges_within_join_bytes_are_joined, .host.join_bytes = 8 << 12),
		TEST_WITH(0, ranges_within_join_bytes_are_joined, .host.join_bytes = 8 << 16,
	                  .granule_shift = 16),
		TEST_WITH(FIXTURE_GRANULES, past_max_ranges_the_whole_table_is_invalidated,
	                  .host.max_ranges = 4),
		TEST_WITH(FIXTURE_GRANULES, up_to_max_ranges_are_asked_for_one_by_one,
	                  .host.max_ranges = 4),
		TEST_WITH(FIXTURE_GRANULES,
	                  a_map_waits_for_pages_that_were_cleaned_when_all_was_owed,
	                  .host.max_ranges = 4),
		TEST(all, one_op_gathers_across_calls),
		TEST(FIXTURE_GRANULES, finish_is_idempotent),
		TEST(FIXTURE_GRANULES, after_a_failed_wait_all_is_asked_for_again),
		TEST(FIXTURE_GRANULES, in_place_of_a_failed_range_all_is_asked_for),
	};

	return FIXTURE_RUN(tests);
}
