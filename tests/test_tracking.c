/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_set_dirty_tracking and iopgt_switch_dirty_log: tracking on and off. */
#include "fixture.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (12 * block(f))
#define SIZE(f)  (3 * block(f))

/* The verb over all of the table, finished. */
static struct iopgt_stats track(struct fixture *f, bool on, uint32_t policy, uint32_t flags)
{
	const struct iopgt_tracking how = {.policy = policy};
	struct iopgt_op op = new_op(f);

	op.flags |= flags;
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, on, on ? &how : NULL, &op));
	finish(f, &op);
	return op.stats;
}

static struct iopgt_stats track_eagerly(struct fixture *f)
{
	return track(f, true, IOPGT_SPLIT_EAGER, 0);
}

static struct iopgt_stats stop_tracking(struct fixture *f)
{
	return track(f, false, 0, 0);
}

static void map_blocks(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), SIZE(f), RW);
	for (uint64_t at = 0; at < SIZE(f); at += block(f))
		write_page(f, FIRST(f) + at);
}

static void expect_levels(struct fixture *f, int level)
{
	for (uint64_t at = 0; at < SIZE(f); at += block(f) / 2)
		expect_level(f, FIRST(f) + at, level);
}

static void expect_states(struct fixture *f, enum iopgt_leaf_state state)
{
	for (uint64_t at = 0; at < SIZE(f); at += block(f) / 4)
		assert_int_equal(state_at(f, FIRST(f) + at), state);
}

/* --- On --- */

static void eager_tracking_splits_all_and_forgets_what_was_dirty(struct fixture *f)
{
	struct iopgt_stats stats;

	map_blocks(f);
	stats = track_eagerly(f);
	assert_int_equal(stats.split, 3);
	assert_int_equal(stats.left_unsplit, 0);
	expect_levels(f, 3);
	expect_states(f, IOPGT_LEAF_CLEAN);
	expect_mapped(f, FIRST(f), PHYS(f), SIZE(f));
	write_page(f, FIRST(f) + 5 * granule(f));
	take_dirty(f, FIRST(f), SIZE(f));
	expect_only_bits(f, FIRST(f) + 5 * granule(f), granule(f));
}

static void tracking_without_splits_keeps_blocks(struct fixture *f)
{
	struct iopgt_stats stats;

	map_blocks(f);
	stats = track(f, true, IOPGT_SPLIT_NONE, 0);
	assert_int_equal(stats.split, 0);
	assert_int_equal(stats.left_unsplit, 0);
	assert_int_equal(stats.cleaned, 3);
	/* Nothing was asked for. */
	assert_int_equal(stats.dirty, 0);
	expect_levels(f, 2);
	expect_states(f, IOPGT_LEAF_CLEAN);
	write_page(f, FIRST(f) + block(f) + granule(f));
	take_dirty(f, FIRST(f), SIZE(f));
	expect_only_bits(f, FIRST(f) + block(f), block(f));
	expect_levels(f, 2);
}

static void all_walkers_mark_from_the_start(struct fixture *f)
{
	map_blocks(f);
	for (unsigned i = 0; i < f->walker_count; i++)
		assert_true(access_ok(f, i, FIRST(f), WALKER_WRITE));
	track_eagerly(f);
	for (unsigned i = 0; i < f->walker_count; i++) {
		assert_true(access_ok(f, i, FIRST(f), WALKER_WRITE));
		take_dirty(f, FIRST(f), SIZE(f));
		expect_only_bits(f, FIRST(f), granule(f));
	}
}

static void read_only_and_untracked_pages_stay_as_they_are(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), block(f), IOPGT_READ);
	map(f, FIRST(f) + block(f), PHYS(f), block(f), RW | IOPGT_NO_TRACK);
	track_eagerly(f);
	assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_READ_ONLY);
	assert_int_equal(state_at(f, FIRST(f) + block(f)), IOPGT_LEAF_UNTRACKED);
	write_page(f, FIRST(f) + block(f));
	take_dirty(f, FIRST(f), SIZE(f));
	assert_int_equal(count_bits(f), 0);
	stop_tracking(f);
	assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_READ_ONLY);
	assert_int_equal(state_at(f, FIRST(f) + block(f)), IOPGT_LEAF_UNTRACKED);
}

static void what_a_read_only_page_was_is_forgotten_too(struct fixture *f)
{
	map_blocks(f);
	protect(f, FIRST(f), SIZE(f), IOPGT_READ);
	track_eagerly(f);
	take_dirty(f, FIRST(f), SIZE(f));
	assert_int_equal(count_bits(f), 0);
}

/* --- What is mapped while tracking --- */

static void mapped_while_tracking_eagerly_starts_clean_in_pages(struct fixture *f)
{
	track_eagerly(f);
	map(f, FIRST(f), PHYS(f), SIZE(f), RW);
	expect_levels(f, 3);
	expect_states(f, IOPGT_LEAF_CLEAN);
	write_page(f, FIRST(f) + granule(f));
	take_dirty(f, FIRST(f), SIZE(f));
	expect_only_bits(f, FIRST(f) + granule(f), granule(f));
	stop_tracking(f);
	map(f, FIRST(f) + 8 * block(f), PHYS(f), block(f), RW);
	expect_level(f, FIRST(f) + 8 * block(f), 2);
	assert_int_equal(state_at(f, FIRST(f) + 8 * block(f)), IOPGT_LEAF_DIRTY);
}

static void mapped_while_tracking_without_splits_starts_clean_in_blocks(struct fixture *f)
{
	track(f, true, IOPGT_SPLIT_NONE, 0);
	map(f, FIRST(f), PHYS(f), SIZE(f), RW);
	expect_levels(f, 2);
	expect_states(f, IOPGT_LEAF_CLEAN);
}

/* --- Starting dirty --- */

static void start_dirty_reports_everything_once(struct fixture *f)
{
	map_blocks(f);
	map(f, FIRST(f) + SIZE(f), 0, granule(f), RW | IOPGT_CLEAN);
	track(f, true, IOPGT_SPLIT_EAGER, IOPGT_OP_START_DIRTY);
	expect_levels(f, 2); /* nothing is touched */
	take_dirty(f, FIRST(f), SIZE(f) + granule(f));
	expect_only_bits(f, FIRST(f), SIZE(f) + granule(f));
	expect_levels(f, 3);
	expect_states(f, IOPGT_LEAF_CLEAN);
	write_page(f, FIRST(f) + 7 * granule(f));
	take_dirty(f, FIRST(f), SIZE(f));
	expect_only_bits(f, FIRST(f) + 7 * granule(f), granule(f));
}

static void start_dirty_without_splits_reports_everything_once(struct fixture *f)
{
	map_blocks(f);
	track(f, true, IOPGT_SPLIT_NONE, IOPGT_OP_START_DIRTY);
	take_dirty(f, FIRST(f), SIZE(f));
	expect_only_bits(f, FIRST(f), SIZE(f));
	expect_levels(f, 2);
	take_dirty(f, FIRST(f), SIZE(f));
	assert_int_equal(count_bits(f), 0);
}

static void start_dirty_costs_no_invalidation(struct fixture *f)
{
	struct iopgt_stats stats;

	map_blocks(f);
	host_log_clear(&f->host);
	stats = track(f, true, IOPGT_SPLIT_EAGER, IOPGT_OP_START_DIRTY);
	assert_int_equal(stats.invalidations, 0);
	assert_int_equal(host_logged(&f->host), 0);
}

static void the_first_round_can_be_taken_in_pieces(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	uint64_t at = FIRST(f), end = FIRST(f) + SIZE(f);
	unsigned calls = 1;
	int error;

	map_blocks(f);
	track(f, true, IOPGT_SPLIT_EAGER, IOPGT_OP_START_DIRTY);
	op.budget = 1;
	page_bitmap(f, at, end - at);
	while ((error = iopgt_read_and_clear_dirty(f->table, at, end - at, &f->bitmap, &op)) ==
	       IOPGT_AGAIN) {
		assert_true(op.next > at && op.next < end);
		at = op.next;
		calls++;
	}
	expect(IOPGT_OK, error);
	finish(f, &op);
	assert_true(calls > 1);
	expect_only_bits(f, FIRST(f), SIZE(f));
	expect_levels(f, 3);
	expect_states(f, IOPGT_LEAF_CLEAN);
}

/* --- Blocks that cannot be split --- */

static void without_memory_blocks_are_tracked_as_blocks(struct fixture *f)
{
	struct iopgt_stats stats;

	map_blocks(f);
	host_fail(&f->host, HOST_ALLOC, 2, true);
	stats = track_eagerly(f);
	host_fail_nothing(&f->host);
	assert_int_equal(stats.split, 1);
	assert_int_equal(stats.left_unsplit, 2);
	expect_states(f, IOPGT_LEAF_CLEAN);
	write_page(f, FIRST(f) + 2 * block(f));
	take_dirty(f, FIRST(f), SIZE(f));
	expect_only_bits(f, FIRST(f) + 2 * block(f), block(f));
}

static void without_memory_a_dirty_block_is_cleaned_as_a_block(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_blocks(f);
	track(f, true, IOPGT_SPLIT_EAGER, IOPGT_OP_START_DIRTY);
	host_fail(&f->host, HOST_ALLOC, 1, true);
	expect(IOPGT_OK, iopgt_read_and_clear_dirty(f->table, FIRST(f), SIZE(f),
	                                            page_bitmap(f, FIRST(f), SIZE(f)), &op));
	host_fail_nothing(&f->host);
	finish(f, &op);
	expect_only_bits(f, FIRST(f), SIZE(f));
	assert_int_equal(op.stats.left_unsplit, 3);
	expect_levels(f, 2);
	expect_states(f, IOPGT_LEAF_CLEAN);
}

static void at_level_0_blocks_are_tracked_as_blocks(struct fixture *f)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_EAGER};
	struct iopgt_op op = {0};

	map_blocks(f);
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, true, &how, &op));
	finish(f, &op);
	assert_int_equal(op.stats.left_unsplit, 3);
	expect_levels(f, 2);
	write_page(f, FIRST(f));
	take_dirty(f, FIRST(f), SIZE(f));
	expect_only_bits(f, FIRST(f), block(f));
}

/* --- Off --- */

static void off_merges_back_and_spends_no_more_updates(struct fixture *f)
{
	size_t before;
	struct walker_counters counters[2];
	struct iopgt_stats stats;

	map_blocks(f);
	before = pool_in_use(f->host.pool);
	track_eagerly(f);
	write_page(f, FIRST(f));
	stats = stop_tracking(f);
	assert_int_equal(stats.merged, 3);
	assert_int_equal(stats.left_unmerged, 0);
	expect_levels(f, 2);
	expect_states(f, IOPGT_LEAF_DIRTY);
	assert_int_equal(pool_in_use(f->host.pool), before);
	walker_counters(f->walkers[0], &counters[0]);
	for (uint64_t at = 0; at < SIZE(f); at += block(f) / 4)
		write_page(f, FIRST(f) + at);
	walker_counters(f->walkers[0], &counters[1]);
	assert_int_equal(counters[1].dirty_updates, counters[0].dirty_updates);
	expect_mapped(f, FIRST(f), PHYS(f), SIZE(f));
}

static void what_could_not_be_merged_is_counted_and_dirty(struct fixture *f)
{
	struct iopgt_stats stats;

	map_blocks(f);
	track_eagerly(f);
	unmap(f, FIRST(f) + block(f) + 3 * granule(f), granule(f));
	stats = stop_tracking(f);
	assert_int_equal(stats.merged, 2);
	assert_int_equal(stats.left_unmerged, 1);
	expect_level(f, FIRST(f) + block(f), 3);
	assert_int_equal(state_at(f, FIRST(f) + block(f)), IOPGT_LEAF_DIRTY);
	expect_states(f, IOPGT_LEAF_DIRTY);
}

static void a_gibibyte_is_split_and_merged_again(struct fixture *f)
{
	uint64_t gib = UINT64_C(1) << 30;

	map(f, gib, 5 * gib, gib, RW);
	track_eagerly(f);
	expect_level(f, gib, 3);
	expect_level(f, 2 * gib - 1, 3);
	stop_tracking(f);
	expect_level(f, gib, 1);
}

static void a_dirty_gibibyte_is_split_to_pages_as_it_is_cleaned(struct fixture *f)
{
	uint64_t gib = UINT64_C(1) << 30;
	struct iopgt_op op = new_op(f);

	map(f, gib, 5 * gib, gib, RW);
	track(f, true, IOPGT_SPLIT_EAGER, IOPGT_OP_START_DIRTY);
	expect(IOPGT_OK,
	       iopgt_read_and_clear_dirty(f->table, gib, gib, page_bitmap(f, gib, gib), &op));
	finish(f, &op);
	assert_int_equal(op.stats.split, 513);
	for (uint64_t at = gib; at < 2 * gib; at += block(f))
		expect_level(f, at, 3);
	take_dirty(f, gib, gib);
	assert_int_equal(count_bits(f), 0);
}

static void tracking_can_be_turned_on_again(struct fixture *f)
{
	map_blocks(f);
	for (int i = 0; i < 3; i++) {
		track_eagerly(f);
		write_page(f, FIRST(f) + block(f));
		take_dirty(f, FIRST(f), SIZE(f));
		expect_only_bits(f, FIRST(f) + block(f), granule(f));
		stop_tracking(f);
		expect_levels(f, 2);
	}
}

/* --- By range --- */

static void switch_changes_its_range_alone(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_blocks(f);
	track_eagerly(f);
	expect(IOPGT_OK,
	       iopgt_switch_dirty_log(&f->domain, false, FIRST(f) + block(f), block(f), &op));
	finish(f, &op);
	expect_level(f, FIRST(f), 3);
	expect_level(f, FIRST(f) + block(f), 2);
	expect_level(f, FIRST(f) + 2 * block(f), 3);
	assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_CLEAN);
	assert_int_equal(state_at(f, FIRST(f) + block(f)), IOPGT_LEAF_DIRTY);
	write_page(f, FIRST(f));
	expect(IOPGT_OK,
	       iopgt_switch_dirty_log(&f->domain, true, FIRST(f) + block(f), block(f), &op));
	finish(f, &op);
	expect_level(f, FIRST(f) + block(f), 3);
	take_dirty(f, FIRST(f), SIZE(f));
	expect_only_bits(f, FIRST(f), granule(f));
}

/* A block that crosses an end: what is outside of the range is not forgotten. */
static void switching_a_part_of_a_block_on_forgets_nothing_outside(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_blocks(f);
	track(f, true, IOPGT_SPLIT_EAGER, IOPGT_OP_START_DIRTY);
	expect(IOPGT_OK,
	       iopgt_switch_dirty_log(&f->domain, true, FIRST(f) + block(f) / 2, block(f), &op));
	finish(f, &op);
	look_dirty(f, FIRST(f), SIZE(f));
	for (uint64_t at = 0; at < SIZE(f); at += granule(f))
		if (at < block(f) / 2 || at >= block(f) + block(f) / 2)
			assert_true(bit_at(f, FIRST(f) + at));
}

static void switch_on_refuses_while_the_domain_does_not_track(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_blocks(f);
	expect(IOPGT_NOT_TRACKING,
	       iopgt_switch_dirty_log(&f->domain, true, FIRST(f), SIZE(f), &op));
	expect_states(f, IOPGT_LEAF_DIRTY);
	expect_levels(f, 2);
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_STAGES | FIXTURE_LEVELS;
	const uint32_t levels = FIXTURE_GRANULES | FIXTURE_LEVELS;
	const uint32_t plain = FIXTURE_GRANULES | FIXTURE_REGIMES;
	const struct fixture_test tests[] = {
		TEST_WITH(all, eager_tracking_splits_all_and_forgets_what_was_dirty,
	                  .domain = true),
		TEST_WITH(plain, tracking_without_splits_keeps_blocks, .domain = true),
		TEST_WITH(all, all_walkers_mark_from_the_start, .domain = true, .walkers = 3),
		TEST_WITH(plain, read_only_and_untracked_pages_stay_as_they_are, .domain = true),
		TEST_WITH(plain, what_a_read_only_page_was_is_forgotten_too, .domain = true),
		TEST_WITH(plain, mapped_while_tracking_eagerly_starts_clean_in_pages,
	                  .domain = true),
		TEST_WITH(plain, mapped_while_tracking_without_splits_starts_clean_in_blocks,
	                  .domain = true),
		TEST_WITH(all, start_dirty_reports_everything_once, .domain = true, .walkers = 2),
		TEST_WITH(plain, start_dirty_without_splits_reports_everything_once,
	                  .domain = true),
		TEST_WITH(plain, start_dirty_costs_no_invalidation, .domain = true),
		TEST_WITH(levels, the_first_round_can_be_taken_in_pieces, .domain = true),
		TEST_WITH(levels, without_memory_blocks_are_tracked_as_blocks, .domain = true),
		TEST_WITH(levels, without_memory_a_dirty_block_is_cleaned_as_a_block,
	                  .domain = true),
		TEST_WITH(plain, at_level_0_blocks_are_tracked_as_blocks, .domain = true,
	                  .level = FIXTURE_LEVEL_0),
		TEST_WITH(all, off_merges_back_and_spends_no_more_updates, .domain = true),
		TEST_WITH(levels, what_could_not_be_merged_is_counted_and_dirty, .domain = true),
		TEST_WITH(FIXTURE_STAGES | FIXTURE_LEVELS, a_gibibyte_is_split_and_merged_again,
	                  .domain = true),
		TEST_WITH(FIXTURE_STAGES | FIXTURE_LEVELS,
	                  a_dirty_gibibyte_is_split_to_pages_as_it_is_cleaned, .domain = true),
		TEST_WITH(all, tracking_can_be_turned_on_again, .domain = true),
		TEST_WITH(levels, switch_changes_its_range_alone, .domain = true),
		TEST_WITH(levels, switching_a_part_of_a_block_on_forgets_nothing_outside,
	                  .domain = true),
		TEST_WITH(0, switch_on_refuses_while_the_domain_does_not_track, .domain = true),
	};

	return FIXTURE_RUN(tests);
}
