/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tracking with contiguous groups: switched on eagerly they are split like blocks,
 * with policy none they are tracked as groups; switched off they are made again.
 */
#include "test_groups.h"

#define GROUPS 4

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

static void map_written_groups(struct fixture *f)
{
	map_groups(f, GROUPS, RW);
	for (unsigned i = 0; i < f->walker_count; i++)
		for (unsigned j = 0; j < GROUPS; j++)
			assert_true(
				access_ok(f, i, group(f, j) + j * entry_bytes(f), WALKER_WRITE));
}

static void expect_groups(struct fixture *f, unsigned dirty_entries)
{
	for (unsigned i = 0; i < GROUPS; i++) {
		expect_group(f, group(f, i), phys_of(f, group(f, i)));
		assert_int_equal(count_entries(f, group(f, i), is_dirty), dirty_entries);
	}
}

/* Pages, by samples, of this state. */
static void expect_pages(struct fixture *f, enum iopgt_leaf_state state)
{
	for (unsigned i = 0; i < GROUPS * entries(f); i++) {
		const uint64_t ends[] = {entry(f, i), entry(f, i + 1) - granule(f)};

		for (unsigned j = 0; j < 2; j++) {
			expect_leaf(f, ends[j], granule(f));
			assert_false(is_contiguous(f, ends[j]));
			assert_int_equal(state_at(f, ends[j]), state);
		}
	}
	expect_output(f, group(f, 0), phys_apart(f), GROUPS * group_bytes(f));
}

static void take_pages(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	page_bitmap(f, group(f, 0), GROUPS * group_bytes(f));
	expect(IOPGT_OK, iopgt_read_and_clear_dirty(f->table, group(f, 0), GROUPS * group_bytes(f),
	                                            &f->bitmap, &op));
	finish(f, &op);
}

/* --- On --- */

static void eager_tracking_splits_groups_to_clean_pages(struct fixture *f)
{
	uint64_t page = group(f, 1) + 5 * entry_bytes(f) + granule(f);
	struct iopgt_stats stats;

	map_written_groups(f);
	stats = track_eagerly(f);
	assert_int_equal(stats.ungrouped, GROUPS);
	assert_int_equal(stats.left_unsplit, 0);
	/* Groups share a wait. */
	assert_true(stats.waits <= GROUPS);
	expect_pages(f, IOPGT_LEAF_CLEAN);
	for (unsigned i = 0; i < f->walker_count; i++) {
		assert_true(access_ok(f, i, page, WALKER_WRITE));
		take_pages(f);
		expect_only_bits(f, page, granule(f));
	}
}

static void tracking_without_splits_keeps_and_cleans_groups(struct fixture *f)
{
	struct iopgt_stats stats;

	map_written_groups(f);
	stats = track(f, true, IOPGT_SPLIT_NONE, 0);
	assert_int_equal(stats.ungrouped + stats.split + stats.left_unsplit, 0);
	expect_groups(f, 0);
	for (unsigned i = 0; i < f->walker_count; i++) {
		assert_true(access_ok(f, i, group(f, 1) + 7 * entry_bytes(f), WALKER_WRITE));
		take(f, group(f, 0), GROUPS * group_bytes(f));
		expect_only_bits(f, group(f, 1), group_bytes(f));
		expect_groups(f, 0);
	}
}

static void read_only_groups_forget_too(struct fixture *f)
{
	map_written_groups(f);
	protect(f, group(f, 0), GROUPS * group_bytes(f), IOPGT_READ);
	track_eagerly(f);
	look_at_dirty(f, group(f, 0), GROUPS * group_bytes(f));
	assert_int_equal(count_bits(f), 0);
	assert_int_equal(state_at(f, group(f, 0)), IOPGT_LEAF_READ_ONLY);
}

static void mapped_while_tracking_eagerly_are_pages(struct fixture *f)
{
	track_eagerly(f);
	map_groups(f, GROUPS, RW);
	expect_pages(f, IOPGT_LEAF_CLEAN);
	track(f, false, 0, 0);
	map(f, group(f, 8), phys_of(f, group(f, 8)), group_bytes(f), RW);
	expect_group(f, group(f, 8), phys_of(f, group(f, 8)));
	assert_int_equal(count_entries(f, group(f, 8), is_dirty), entries(f));
}

static void mapped_while_tracking_without_splits_are_clean_groups(struct fixture *f)
{
	track(f, true, IOPGT_SPLIT_NONE, 0);
	map_groups(f, GROUPS, RW);
	expect_groups(f, 0);
}

/* --- Starting dirty --- */

static void start_dirty_touches_no_group_at_first(struct fixture *f)
{
	uint64_t page = group(f, 2) + 3 * entry_bytes(f);
	struct iopgt_stats stats;

	map_written_groups(f);
	host_log_clear(&f->host);
	stats = track(f, true, IOPGT_SPLIT_EAGER, IOPGT_OP_START_DIRTY);
	assert_int_equal(stats.invalidations, 0);
	expect_groups(f, entries(f));
	take_pages(f);
	expect_only_bits(f, group(f, 0), GROUPS * group_bytes(f));
	expect_pages(f, IOPGT_LEAF_CLEAN);
	for (unsigned i = 0; i < f->walker_count; i++) {
		assert_true(access_ok(f, i, page, WALKER_WRITE));
		take_pages(f);
		expect_only_bits(f, page, granule(f));
	}
}

/* A clean group is dirty at the start too. */
static void start_dirty_reports_clean_groups(struct fixture *f)
{
	map_groups(f, GROUPS, RW | IOPGT_CLEAN);
	mark(f, group(f, 1) + 2 * entry_bytes(f));
	track(f, true, IOPGT_SPLIT_NONE, IOPGT_OP_START_DIRTY);
	take(f, group(f, 0), GROUPS * group_bytes(f));
	expect_only_bits(f, group(f, 0), GROUPS * group_bytes(f));
	expect_groups(f, 0);
	take(f, group(f, 0), GROUPS * group_bytes(f));
	assert_int_equal(count_bits(f), 0);
}

/* What a piece left: groups whole and dirty, or clean pages that are reported. */
static void expect_none_half(struct fixture *f)
{
	for (unsigned i = 0; i < GROUPS; i++) {
		unsigned dirty = count_entries(f, group(f, i), is_dirty);
		unsigned whole = count_entries(f, group(f, i), is_contiguous);

		assert_true(whole == 0 || whole == entries(f));
		assert_true(whole == 0 || dirty == entries(f));
		for (unsigned j = 0; j < entries(f); j++) {
			uint64_t iova = group(f, i) + j * entry_bytes(f);

			assert_true(is_dirty(f, iova) || bit_at(f, iova));
		}
	}
}

static void the_first_round_can_be_taken_in_pieces(struct fixture *f)
{
	const uint64_t budgets[] = {1, 3, entries(f) - 1, entries(f) + 1};

	for (size_t i = 0; i < COUNT(budgets); i++) {
		struct iopgt_op op = new_op(f);
		uint64_t at = group(f, 0), end = group(f, GROUPS);
		int error;

		map_written_groups(f);
		track(f, true, IOPGT_SPLIT_EAGER, IOPGT_OP_START_DIRTY);
		op.budget = budgets[i];
		entry_bitmap(f, at, end - at);
		while ((error = iopgt_read_and_clear_dirty(f->table, at, end - at, &f->bitmap,
		                                           &op)) == IOPGT_AGAIN) {
			assert_true(op.next > at && op.next < end);
			at = op.next;
			expect(IOPGT_OK, iopgt_op_finish(&op));
			expect_none_half(f);
		}
		expect(IOPGT_OK, error);
		finish(f, &op);
		expect_only_bits(f, group(f, 0), GROUPS * group_bytes(f));
		expect_pages(f, IOPGT_LEAF_CLEAN);
		track(f, false, 0, 0);
		unmap(f, 0, SPACE);
	}
}

/* A wait that fails while a group is broken up ends the call: nothing was passed by. */
static void a_host_that_fails_in_the_midst_of_a_round_is_told(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	uint64_t size = GROUPS * group_bytes(f);

	map_written_groups(f);
	track(f, true, IOPGT_SPLIT_EAGER, IOPGT_OP_START_DIRTY);
	entry_bitmap(f, group(f, 0), size);
	host_fail(&f->host, HOST_SYNC, 2, true);
	expect(HOST_ERROR,
	       iopgt_read_and_clear_dirty(f->table, group(f, 0), size, &f->bitmap, &op));
	assert_true(op.next >= group(f, 0) && op.next < group(f, 2));
	host_fail_nothing(&f->host);
	expect(IOPGT_OK, iopgt_read_and_clear_dirty(f->table, op.next, group(f, GROUPS) - op.next,
	                                            &f->bitmap, &op));
	finish(f, &op);
	expect_only_bits(f, group(f, 0), size);
	expect_pages(f, IOPGT_LEAF_CLEAN);
}

/* --- What cannot be split --- */

static void at_level_0_groups_are_tracked_as_groups(struct fixture *f)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_EAGER};
	struct iopgt_op op = {0};

	map_written_groups(f);
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, true, &how, &op));
	finish(f, &op);
	assert_true(op.stats.left_unsplit >= GROUPS);
	assert_true(shape(f)->level != 3 || op.stats.left_unsplit == GROUPS);
	assert_int_equal(op.stats.ungrouped, 0);
	expect_groups(f, 0);
	write_page(f, group(f, 1) + granule(f));
	take(f, group(f, 0), GROUPS * group_bytes(f));
	expect_only_bits(f, group(f, 1), group_bytes(f));
}

/* "Refuse to split": groups too; they are tracked, and counted. */
static void without_splits_groups_are_tracked_as_groups(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	struct iopgt_stats stats;

	map_written_groups(f);
	stats = track(f, true, IOPGT_SPLIT_EAGER, IOPGT_OP_NO_SPLIT);
	assert_int_equal(stats.left_unsplit, GROUPS);
	assert_int_equal(stats.ungrouped + stats.split, 0);
	expect_groups(f, 0);
	assert_true(access_ok(f, 0, group(f, 1) + 5 * entry_bytes(f), WALKER_WRITE));
	op.flags |= IOPGT_OP_NO_SPLIT;
	entry_bitmap(f, group(f, 0), GROUPS * group_bytes(f));
	expect(IOPGT_OK, iopgt_read_and_clear_dirty(f->table, group(f, 0), GROUPS * group_bytes(f),
	                                            &f->bitmap, &op));
	finish(f, &op);
	expect_only_bits(f, group(f, 1), group_bytes(f));
	assert_int_equal(op.stats.left_unsplit, 1);
	expect_groups(f, 0);
}

/* The first clearing read would split. */
static void without_splits_the_first_round_cleans_groups_as_groups(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_written_groups(f);
	track(f, true, IOPGT_SPLIT_EAGER, IOPGT_OP_START_DIRTY);
	op.flags |= IOPGT_OP_NO_SPLIT;
	entry_bitmap(f, group(f, 0), GROUPS * group_bytes(f));
	expect(IOPGT_OK, iopgt_read_and_clear_dirty(f->table, group(f, 0), GROUPS * group_bytes(f),
	                                            &f->bitmap, &op));
	finish(f, &op);
	expect_only_bits(f, group(f, 0), GROUPS * group_bytes(f));
	assert_int_equal(op.stats.left_unsplit, GROUPS);
	assert_int_equal(op.stats.ungrouped + op.stats.split, 0);
	expect_groups(f, 0);
}

static void without_memory_nothing_is_lost(struct fixture *f)
{
	struct iopgt_stats stats;

	map_written_groups(f);
	host_fail(&f->host, HOST_ALLOC, 2, true);
	stats = track_eagerly(f);
	host_fail_nothing(&f->host);
	/* Groups of pages need no memory. */
	assert_int_equal(stats.left_unsplit > 0, shape(f)->level != 3);
	expect_output(f, group(f, 0), phys_apart(f), GROUPS * group_bytes(f));
	look_at_dirty(f, group(f, 0), GROUPS * group_bytes(f));
	assert_int_equal(count_bits(f), 0);
	for (unsigned i = 0; i < GROUPS * entries(f); i += 3) {
		write_page(f, entry(f, i));
		take(f, group(f, 0), GROUPS * group_bytes(f));
		assert_true(bit_at(f, entry(f, i)));
	}
}

/* --- Off --- */

static void off_makes_groups_again_and_all_entries_dirty(struct fixture *f)
{
	struct walker_counters counters[2];
	struct iopgt_stats stats;

	map_written_groups(f);
	track_eagerly(f);
	write_page(f, group(f, 1));
	stats = track(f, false, 0, 0);
	assert_int_equal(stats.grouped, GROUPS);
	expect_groups(f, entries(f));
	walker_counters(f->walkers[0], &counters[0]);
	for (unsigned i = 0; i < GROUPS * entries(f); i++)
		write_page(f, entry(f, i));
	walker_counters(f->walkers[0], &counters[1]);
	assert_int_equal(counters[1].dirty_updates, counters[0].dirty_updates);
}

static void off_makes_tracked_groups_dirty(struct fixture *f)
{
	map_written_groups(f);
	track(f, true, IOPGT_SPLIT_NONE, 0);
	write_page(f, group(f, 1));
	track(f, false, 0, 0);
	expect_groups(f, entries(f));
}

/* Where walkers do not mark, entries of a group may not differ (R_LCGVS). */
static void off_over_a_part_takes_the_whole_group(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	track(f, true, IOPGT_SPLIT_NONE, 0);
	map_groups(f, GROUPS, RW);
	expect(IOPGT_OK,
	       iopgt_switch_dirty_log(&f->domain, false, entry(f, 1), entry_bytes(f), &op));
	finish(f, &op);
	assert_int_equal(count_entries(f, group(f, 0), is_dirty), entries(f));
	assert_int_equal(count_entries(f, group(f, 1), is_dirty), 0);
}

static void tracking_can_be_turned_on_again(struct fixture *f)
{
	map_written_groups(f);
	for (int i = 0; i < 3; i++) {
		track(f, true, i % 2 ? IOPGT_SPLIT_NONE : IOPGT_SPLIT_EAGER, 0);
		write_page(f, group(f, 1));
		take(f, group(f, 0), GROUPS * group_bytes(f));
		assert_true(bit_at(f, group(f, 1)));
		track(f, false, 0, 0);
		expect_groups(f, entries(f));
	}
}

/* --- By range --- */

static int switch_range(struct fixture *f, bool on, uint64_t budget)
{
	uint64_t at = group(f, 1), end = group(f, 3);
	struct iopgt_op op = new_op(f);
	int error;

	op.budget = budget;
	while ((error = iopgt_switch_dirty_log(&f->domain, on, at, end - at, &op)) == IOPGT_AGAIN) {
		assert_true(op.next > at && op.next < end);
		at = op.next;
	}
	finish(f, &op);
	return error;
}

static void switch_in_pieces_changes_its_range_alone(struct fixture *f)
{
	const uint64_t budgets[] = {0, 1, entries(f) + 1};

	for (size_t i = 0; i < COUNT(budgets); i++) {
		map_written_groups(f);
		track(f, true, IOPGT_SPLIT_EAGER, IOPGT_OP_START_DIRTY);
		expect(IOPGT_OK, switch_range(f, true, budgets[i]));
		look_at_dirty(f, group(f, 0), GROUPS * group_bytes(f));
		for (unsigned j = 0; j < GROUPS; j++) {
			bool inside = j == 1 || j == 2;

			assert_int_equal(count_entries(f, group(f, j), is_contiguous),
			                 inside ? 0 : entries(f));
			assert_int_equal(count_entries(f, group(f, j), is_dirty),
			                 inside ? 0 : entries(f));
		}
		expect(IOPGT_OK, switch_range(f, false, budgets[i]));
		expect_groups(f, entries(f));
		track(f, false, 0, 0);
		unmap(f, 0, SPACE);
	}
}

/* Groups that cross the range's ends: what is outside is not forgotten. */
static void switching_a_part_on_forgets_nothing_outside(struct fixture *f)
{
	const uint32_t policies[] = {IOPGT_SPLIT_EAGER, IOPGT_SPLIT_NONE};

	for (size_t i = 0; i < COUNT(policies); i++) {
		uint64_t first = entry(f, 5), end = group(f, 2) + 2 * entry_bytes(f);
		struct iopgt_op op = new_op(f);

		map_groups(f, GROUPS, RW | IOPGT_CLEAN);
		track(f, true, policies[i], IOPGT_OP_START_DIRTY);
		expect(IOPGT_OK, iopgt_switch_dirty_log(&f->domain, true, first, end - first, &op));
		finish(f, &op);
		look_at_dirty(f, group(f, 0), GROUPS * group_bytes(f));
		for (uint64_t at = group(f, 0); at < group(f, GROUPS); at += entry_bytes(f))
			if (at < first || at >= end)
				assert_true(bit_at(f, at));
		track(f, false, 0, 0);
		unmap(f, 0, SPACE);
	}
}

int main(void)
{
	const uint32_t all = FIXTURE_STAGES | FIXTURE_LEVELS | GROUPS_SMALL;
	const uint32_t plain = FIXTURE_REGIMES | GROUPS_SMALL;
	const uint32_t levels = FIXTURE_LEVELS | GROUPS_SMALL;
	const struct fixture_test tests[] = {
		TEST_WITH(all, eager_tracking_splits_groups_to_clean_pages, .domain = true,
	                  .walkers = 2),
		TEST_WITH(FIXTURE_REGIMES, tracking_without_splits_keeps_and_cleans_groups,
	                  .domain = true, .walkers = 2),
		TEST_WITH(plain, read_only_groups_forget_too, .domain = true),
		TEST_WITH(plain, mapped_while_tracking_eagerly_are_pages, .domain = true),
		TEST_WITH(FIXTURE_REGIMES, mapped_while_tracking_without_splits_are_clean_groups,
	                  .domain = true),
		TEST_WITH(all, start_dirty_touches_no_group_at_first, .domain = true, .walkers = 2),
		TEST_WITH(FIXTURE_REGIMES, start_dirty_reports_clean_groups, .domain = true),
		TEST_WITH(levels, the_first_round_can_be_taken_in_pieces, .domain = true),
		TEST_WITH(plain, a_host_that_fails_in_the_midst_of_a_round_is_told, .domain = true,
	                  .level = FIXTURE_LEVEL_0),
		TEST_WITH(FIXTURE_REGIMES, at_level_0_groups_are_tracked_as_groups, .domain = true,
	                  .level = FIXTURE_LEVEL_0),
		TEST_WITH(all, without_splits_groups_are_tracked_as_groups, .domain = true),
		TEST_WITH(all, without_splits_the_first_round_cleans_groups_as_groups,
	                  .domain = true),
		TEST_WITH(levels, without_memory_nothing_is_lost, .domain = true),
		TEST_WITH(all, off_makes_groups_again_and_all_entries_dirty, .domain = true),
		TEST_WITH(FIXTURE_REGIMES, off_makes_tracked_groups_dirty, .domain = true),
		TEST_WITH(FIXTURE_REGIMES, off_over_a_part_takes_the_whole_group, .domain = true,
	                  .dirty = FIXTURE_SOFTWARE),
		TEST_WITH(all, tracking_can_be_turned_on_again, .domain = true),
		TEST_WITH(levels, switch_in_pieces_changes_its_range_alone, .domain = true),
		TEST_WITH(levels, switching_a_part_on_forgets_nothing_outside, .domain = true),
	};

	return GROUPS_RUN_SOME(tests);
}
