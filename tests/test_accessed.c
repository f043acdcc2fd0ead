/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_read_and_clear_accessed: which leaves were used since they were last looked at. */
#include "test_accessed.h"

/* --- Reading and clearing --- */

static void what_was_just_mapped_counts_once(struct fixture *f)
{
	uint64_t size = block(f) + 5 * granule(f);

	map(f, FIRST(f), PHYS(f), size, RW);
	take_accessed(f, FIRST(f), size);
	expect_only_bits(f, FIRST(f), size);
	take_accessed(f, FIRST(f), size);
	assert_int_equal(count_bits(f), 0);
}

static void holes_have_no_bits(struct fixture *f)
{
	map(f, FIRST(f) + granule(f), PHYS(f), granule(f), RW);
	take_accessed(f, 0, 4 * FIRST(f));
	expect_only_bits(f, FIRST(f) + granule(f), granule(f));
	take_accessed(f, 0, 4 * FIRST(f));
	assert_int_equal(count_bits(f), 0);
}

static void exactly_the_pages_used_are_reported(struct fixture *f)
{
	map_unused_pages(f, 64);
	use(f, FIRST(f) + 3 * granule(f));
	use(f, FIRST(f) + 63 * granule(f) + 17);
	look_accessed(f, FIRST(f), 64 * granule(f));
	assert_int_equal(count_bits(f), 2);
	take_accessed(f, FIRST(f), 64 * granule(f));
	assert_int_equal(count_bits(f), 2);
	assert_true(bit_at(f, FIRST(f) + 3 * granule(f)));
	assert_true(bit_at(f, FIRST(f) + 63 * granule(f)));
	take_accessed(f, FIRST(f), 64 * granule(f));
	assert_int_equal(count_bits(f), 0);
}

/* The walker has the entry cached: it is told, and walks again. */
static void an_access_after_finish_is_seen_though_it_was_cached(struct fixture *f)
{
	map_unused_pages(f, 8);
	for (int round = 0; round < 3; round++) {
		use(f, FIRST(f));
		use(f, FIRST(f));
		take_accessed(f, FIRST(f), 8 * granule(f));
		expect_only_bits(f, FIRST(f), granule(f));
	}
}

static void a_block_is_reported_whole(struct fixture *f)
{
	map_unused(f, 2 * block(f));
	use(f, FIRST(f) + block(f) + 7 * granule(f));
	take_accessed(f, FIRST(f), 2 * block(f));
	expect_only_bits(f, FIRST(f) + block(f), block(f));
	expect_level(f, FIRST(f) + block(f), 2); /* not split */
	use(f, FIRST(f) + block(f));
	take_accessed(f, FIRST(f), 2 * block(f));
	expect_only_bits(f, FIRST(f) + block(f), block(f));
}

static void a_part_of_a_block_is_reported_and_stays(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), block(f), RW);
	for (int i = 0; i < 2; i++) {
		take_accessed(f, FIRST(f) + granule(f), 3 * granule(f));
		expect_only_bits(f, FIRST(f) + granule(f), 3 * granule(f));
	}
	take_accessed(f, FIRST(f), block(f) - granule(f));
	take_accessed(f, FIRST(f), block(f));
	expect_only_bits(f, FIRST(f), block(f));
	take_accessed(f, FIRST(f), block(f));
	assert_int_equal(count_bits(f), 0);
}

/* Any entry counts for all; all are cleared. */
static void a_group_is_one_leaf(struct fixture *f)
{
	uint64_t size = group_size(f, 3), at = FIRST(f) + size;
	struct raw raw = raw_of(f);

	map_unused(f, 3 * size);
	expect_leaf_size(f, at, size);
	use(f, at + size - granule(f));
	take_accessed(f, at, granule(f)); /* a part: reported, stays */
	expect_only_bits(f, at, granule(f));
	look_accessed(f, FIRST(f), 3 * size);
	expect_only_bits(f, at, size);
	take_accessed(f, FIRST(f), 3 * size);
	expect_only_bits(f, at, size);
	for (uint64_t page = 0; page < size; page += granule(f))
		assert_false(raw_at(&raw, at + page, 3) & RAW_AF);
	expect_leaf_size(f, at, size);
	use(f, at);
	take_accessed(f, FIRST(f), 3 * size);
	expect_only_bits(f, at, size);
}

static void a_group_of_blocks_is_one_leaf(struct fixture *f)
{
	uint64_t size = group_size(f, 2), at = 4 * size;

	map(f, at, 8 * size, size, RW);
	expect_leaf_size(f, at, size);
	take_accessed(f, at, size);
	use(f, at + 3 * block(f) + 5 * granule(f));
	take_accessed(f, at, size - granule(f));
	expect_only_bits(f, at, size - granule(f));
	take_accessed(f, at, size);
	expect_only_bits(f, at, size);
	take_accessed(f, at, size);
	assert_int_equal(count_bits(f), 0);
}

static void a_coarse_bit_covers_several_pages(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_unused_pages(f, 32);
	use(f, FIRST(f) + 9 * granule(f));
	fixture_bitmap(f, FIRST(f), 32 * granule(f), f->config.granule_shift + 3u);
	expect(IOPGT_OK, read_accessed(f, FIRST(f), 32 * granule(f), &op));
	finish(f, &op);
	assert_int_equal(count_bits(f), 1);
	assert_true(bit_at(f, FIRST(f) + 8 * granule(f)));
	take_accessed(f, FIRST(f), 32 * granule(f));
	assert_int_equal(count_bits(f), 0);
}

static void bits_are_added_never_cleared(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_unused_pages(f, 8);
	use(f, FIRST(f));
	page_bitmap(f, FIRST(f), 8 * granule(f));
	set_bits(f, FIRST(f) + granule(f), granule(f));
	expect(IOPGT_OK, read_accessed(f, FIRST(f), 8 * granule(f), &op));
	finish(f, &op);
	expect_only_bits(f, FIRST(f), 2 * granule(f));
}

static void no_clear_changes_nothing(struct fixture *f)
{
	uint64_t size = block(f) + 3 * granule(f);
	struct walker_leaf before[2];

	map(f, FIRST(f), PHYS(f), size, RW);
	before[0] = leaf_at(f, FIRST(f));
	before[1] = leaf_at(f, FIRST(f) + block(f));
	host_log_clear(&f->host);
	for (int i = 0; i < 2; i++) {
		look_accessed(f, FIRST(f), size);
		expect_only_bits(f, FIRST(f), size);
	}
	expect_raw(before[0].descriptor, leaf_at(f, FIRST(f)).descriptor);
	expect_raw(before[1].descriptor, leaf_at(f, FIRST(f) + block(f)).descriptor);
	assert_int_equal(event_count(f, HOST_RANGE) + event_count(f, HOST_ALL), 0);
}

/* --- What is owed --- */

static void cleared_leaves_are_invalidated_and_no_others(struct fixture *f)
{
	struct host_event event;
	struct iopgt_op op = new_op(f);

	map_unused_pages(f, 64);
	use(f, FIRST(f) + 4 * granule(f));
	use(f, FIRST(f) + 5 * granule(f));
	host_log_clear(&f->host);
	page_bitmap(f, FIRST(f), 64 * granule(f));
	expect(IOPGT_OK, read_accessed(f, FIRST(f), 64 * granule(f), &op));
	finish(f, &op);
	assert_int_equal(event_count(f, HOST_RANGE), 1);
	assert_int_equal(event_count(f, HOST_SYNC), 1);
	assert_true(host_event(&f->host, (uint64_t)event_index(f, HOST_RANGE, 0), &event));
	assert_int_equal(event.request.iova, FIRST(f) + 4 * granule(f));
	assert_int_equal(event.request.size, 2 * granule(f));
	assert_int_equal(event.request.flags, 0);
	assert_int_equal(op.stats.invalidations, 1);
}

static void where_nothing_was_used_nothing_is_owed(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_unused(f, block(f) + 3 * granule(f));
	page_bitmap(f, FIRST(f), 2 * block(f));
	expect(IOPGT_OK, read_accessed(f, FIRST(f), 2 * block(f), &op));
	assert_null(op.gather.table);
	finish(f, &op);
}

static void a_budget_is_kept_and_nothing_missed(struct fixture *f)
{
	uint64_t size = 2 * block(f) + 70 * granule(f), at = FIRST(f), end = FIRST(f) + size;
	struct iopgt_op op = new_op(f);
	unsigned calls = 0;
	int error;

	map(f, FIRST(f), PHYS(f) + granule(f), size, RW);
	page_bitmap(f, FIRST(f), size);
	op.budget = 16;
	do {
		error = read_accessed(f, at, end - at, &op);
		calls++;
		if (error == IOPGT_AGAIN) {
			assert_true(op.next > at && op.next < end);
			at = op.next;
		}
	} while (error == IOPGT_AGAIN);
	expect(IOPGT_OK, error);
	finish(f, &op);
	assert_true(calls > 3);
	expect_only_bits(f, FIRST(f), size);
	take_accessed(f, FIRST(f), size);
	assert_int_equal(count_bits(f), 0);
}

/* --- Arguments --- */

static void bad_bitmaps_are_refused(struct fixture *f)
{
	struct iopgt_bitmap good, bad;
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), PHYS(f), 2 * granule(f), RW);
	good = *page_bitmap(f, FIRST(f), 2 * granule(f));
#define EXPECT_BAD(change)                                                                         \
	do {                                                                                       \
		bad = good;                                                                        \
		bad.change;                                                                        \
		expect(IOPGT_BAD_BITMAP, iopgt_read_and_clear_accessed(                            \
						 f->table, FIRST(f), 2 * granule(f), &bad, &op));  \
	} while (0)
	EXPECT_BAD(words = NULL);
	EXPECT_BAD(words = (void *)((char *)good.words + 4));
	EXPECT_BAD(page_shift = 64);
	EXPECT_BAD(bits = 1);
	EXPECT_BAD(base = FIRST(f) + granule(f));
	EXPECT_BAD(base = FIRST(f) + 8);
	expect(IOPGT_BAD_BITMAP,
	       iopgt_read_and_clear_accessed(f->table, FIRST(f), granule(f), NULL, &op));
	assert_true(leaf_at(f, FIRST(f)).access_flag);
	expect(IOPGT_BAD_ARGUMENT, read_accessed(f, FIRST(f), granule(f), NULL));
	expect(IOPGT_BAD_ALIGNMENT, read_accessed(f, FIRST(f) + 1, granule(f), &op));
	expect(IOPGT_BAD_RANGE, read_accessed(f, FIRST(f), 0, &op));
	expect(IOPGT_BAD_RANGE, read_accessed(f, RAW_SPACE(48), granule(f), &op));
	assert_null(op.gather.table);
}

int main(void)
{
	const uint32_t all = FIXTURE_REGIMES | FIXTURE_GRANULES;
	const struct fixture_test each[] = {
		TEST(all, what_was_just_mapped_counts_once),
		TEST(0, holes_have_no_bits),
		TEST(all, exactly_the_pages_used_are_reported),
		TEST(all, an_access_after_finish_is_seen_though_it_was_cached),
		TEST(all, a_block_is_reported_whole),
		TEST(all, a_part_of_a_block_is_reported_and_stays),
		TEST(FIXTURE_GRANULES, a_coarse_bit_covers_several_pages),
		TEST(0, bits_are_added_never_cleared),
		TEST(all, no_clear_changes_nothing),
		TEST(FIXTURE_GRANULES, where_nothing_was_used_nothing_is_owed),
		TEST(FIXTURE_GRANULES, a_budget_is_kept_and_nothing_missed),
		TEST(0, bad_bitmaps_are_refused),
	};
	const struct fixture_test some[] = {
		TEST(all, cleared_leaves_are_invalidated_and_no_others),
		TEST_WITH(all, a_group_is_one_leaf, .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
		TEST_WITH(all, a_group_is_one_leaf, .leaf_sizes = FIXTURE_ALL_LEAF_SIZES,
	                  .dirty = FIXTURE_SOFTWARE),
		TEST_WITH(all, a_group_of_blocks_is_one_leaf, .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
	};
	struct fixture_test tests[WAYS * COUNT(each) + COUNT(some)];
	size_t count = 0;

	for (size_t i = 0; i < COUNT(each); i++)
		count += add_all_ways(&tests[count], &each[i]);
	for (size_t i = 0; i < COUNT(some); i++)
		tests[count++] = some[i];
	return fixture_run(__FILE__, tests, count);
}
