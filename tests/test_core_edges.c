/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Edges of what several verbs share: the walk, the gather, batches, groups. Found by
 * tests/mutants/logic.py; each asks for what no test of a verb did.
 */
#include <string.h>

#include "test_raw.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (12 * block(f))
#define GIB      (UINT64_C(1) << 30)

static void set_tracking(struct fixture *f, const struct iopgt_tracking *how)
{
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, how != NULL, how, &op));
	finish(f, &op);
}

static void add_walker(struct fixture *f, unsigned i)
{
	expect(IOPGT_OK, iopgt_domain_attach(&f->domain, &f->domain_walkers[i]));
}

static void remove_walker(struct fixture *f, unsigned i)
{
	walker_forget(f->walkers[i]);
	expect(IOPGT_OK, iopgt_domain_detach(&f->domain, &f->domain_walkers[i]));
}

/* --- Leaving --- */

/* fini goes on where a table is not to be found, and says so. */
static void what_fini_cannot_reach_is_an_error(struct fixture *unused)
{
	const struct fixture_options options = {0};
	struct fixture *f = fixture_create(&options, false);

	(void)unused;
	map(f, FIRST(f), PHYS(f), granule(f), RW);
	host_fail(&f->host, HOST_PHYS_TO_VIRT, 1, false);
	assert_int_equal(iopgt_fini(f->table), IOPGT_BAD_TABLE);
	host_fail_nothing(&f->host);
	f->table = NULL;
	fixture_destroy(f);
}

/* --- Budgets --- */

static struct iopgt_op sync_with_budget(struct fixture *f, uint64_t iova, uint64_t size,
                                        uint64_t budget)
{
	struct iopgt_op op = {.budget = budget};

	expect(IOPGT_AGAIN,
	       iopgt_sync_dirty_log(f->table, iova, size, page_bitmap(f, iova, size), &op));
	return op;
}

/* In one table, and without groups, a call ends where its budget does; a page is the least. */
static void a_call_within_a_table_ends_with_its_budget(struct fixture *f)
{
	uint64_t first = FIRST(f) + 5 * granule(f);
	const unsigned down = 3; /* levels 0 to 2 */

	map(f, FIRST(f), PHYS(f) + granule(f), block(f) + 100 * granule(f), RW);
	for (uint64_t budget = 1; budget < 80; budget++) {
		struct iopgt_op op = sync_with_budget(f, first, 200 * granule(f), budget);
		uint64_t pages = budget > down ? budget - down : 1;

		assert_int_equal(op.next, first + pages * granule(f));
		assert_int_equal(op.stats.looked_at, down + pages);
	}
}

/* The second table is entered with little left. */
static void a_call_ends_with_its_budget_in_the_next_table(struct fixture *f)
{
	uint64_t pages = block(f) / granule(f);
	struct iopgt_op op;

	map(f, FIRST(f), PHYS(f) + granule(f), block(f) + 100 * granule(f), RW);
	op = sync_with_budget(f, FIRST(f), block(f) + 100 * granule(f), pages + 50);
	assert_true(op.next > FIRST(f) + block(f));
	assert_true(op.stats.looked_at <= pages + 50);
}

static uint64_t looked_at_by_split(uint8_t input_bits)
{
	const struct fixture_options options = {.input_bits = input_bits};
	struct fixture *f = fixture_create(&options, false);
	uint64_t looked_at;

	map(f, FIRST(f), PHYS(f), block(f), RW);
	looked_at = split(f, FIRST(f), block(f)).looked_at;
	fixture_end(f);
	fixture_destroy(f);
	return looked_at;
}

/* What a split writes does not depend on the start table's size, but for the way to it. */
static void a_split_in_a_small_start_table_costs_no_less(struct fixture *f)
{
	(void)f;
	/* 48 bits have two levels more: gone down through, and left behind. */
	assert_int_equal(looked_at_by_split(26) + 2 * 2, looked_at_by_split(48));
}

static int no_run(void *context, const struct iopgt_mapping *run)
{
	(void)context;
	return run->size != 0;
}

/* Empty space costs one descriptor of the start table a step. */
static void a_budget_that_is_used_up_ends_the_call(struct fixture *f)
{
	const struct iopgt_mapping_visitor visitor = {.visit = no_run};
	struct iopgt_op op = {.budget = 2};

	expect(IOPGT_AGAIN,
	       iopgt_for_each_mapping(f->table, 0, 8 * level_size(f, 0), &visitor, &op));
	assert_int_equal(op.next, 2 * level_size(f, 0));
}

/* Three are gone down through, and four left behind. */
static void what_leads_to_a_page_is_counted(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), PHYS(f), granule(f), RW);
	expect(IOPGT_OK, iopgt_sync_dirty_log(f->table, FIRST(f), granule(f),
	                                      page_bitmap(f, FIRST(f), granule(f)), &op));
	assert_int_equal(op.stats.looked_at, 3 + 4);
}

/* --- Sequences of calls: each is of one verb --- */

enum verb {
	SYNC,
	UNMAP,
	MERGE,
	TRIM,
	VERBS
};

static int call(struct fixture *f, enum verb verb, uint64_t iova, uint64_t size,
                struct iopgt_op *op)
{
	switch (verb) {
	case SYNC:
		return iopgt_sync_dirty_log(f->table, iova, size, &f->bitmap, op);
	case UNMAP:
		return iopgt_unmap(f->table, iova, size, op);
	case MERGE:
		return iopgt_merge_page(f->table, iova, size, op);
	default:
		return iopgt_trim(f->table, iova, size, op);
	}
}

static uint64_t tables_of(struct fixture *f)
{
	struct iopgt_table_usage usage;

	expect(IOPGT_OK, iopgt_table_stats(f->table, &usage));
	return usage.tables;
}

/* A table of 512 blocks that could be one block; or that are gone. */
static void map_or_empty(struct fixture *f, uint64_t iova, bool empty)
{
	map(f, iova, 16 * GIB, GIB, RW);
	split(f, iova, granule(f));
	merge(f, iova, block(f));
	for (uint64_t at = 0; empty && at < GIB; at += GIB / 2)
		unmap(f, iova + at, GIB / 2);
	page_bitmap(f, iova, GIB);
}

/* One verb's call ends in the midst of a table; the next verb's has but the rest of it. */
static void a_sequence_is_continued_by_its_own_verb_alone(struct fixture *f)
{
	uint64_t first = 8 * GIB, tables;

	for (enum verb before = SYNC; before < VERBS; before++)
		for (enum verb after = UNMAP; after < VERBS; after++) {
			struct iopgt_op op = new_op(f);

			if (before == after)
				continue;
			map_or_empty(f, first, after == TRIM);
			tables = tables_of(f);
			op.budget = 20;
			expect(IOPGT_AGAIN, call(f, before, first, GIB, &op));
			assert_true(op.next > first && op.next < first + GIB);
			op.budget = 0;
			expect(IOPGT_OK, call(f, after, op.next, first + GIB - op.next, &op));
			finish(f, &op);
			assert_int_equal(tables_of(f), tables);
			if (before != UNMAP && after != TRIM)
				expect_mapped(f, first, 16 * GIB, block(f));
			unmap(f, first, GIB);
		}
}

/* A call that is done leaves no sequence behind, though it says where it ended. */
static void a_call_that_is_done_is_not_continued(struct fixture *f)
{
	uint64_t half = block(f) / 2;
	struct iopgt_op op = new_op(f);
	uint64_t tables;

	map(f, FIRST(f), PHYS(f) + granule(f), block(f), RW);
	unmap(f, FIRST(f), half);
	tables = tables_of(f);
	page_bitmap(f, FIRST(f), block(f));
	expect(IOPGT_OK, call(f, SYNC, FIRST(f), half, &op));
	expect(IOPGT_OK, call(f, UNMAP, FIRST(f) + half, half, &op));
	finish(f, &op);
	assert_int_equal(tables_of(f), tables);
	unmap(f, FIRST(f), block(f));
	assert_int_equal(tables_of(f), tables - 1);
}

/* What the calls of a sequence emptied together goes, as with one call. */
static void a_table_that_is_emptied_in_pieces_goes(struct fixture *f)
{
	uint64_t at = FIRST(f), end = FIRST(f) + block(f), tables;
	struct iopgt_op op = {.budget = 100};
	int err = IOPGT_AGAIN;

	map(f, end, PHYS(f) + granule(f), granule(f), RW);
	tables = tables_of(f);
	map(f, at, PHYS(f) + granule(f), block(f), RW);
	for (; err == IOPGT_AGAIN; at = op.next)
		err = call(f, UNMAP, at, end - at, &op);
	expect(IOPGT_OK, err);
	finish(f, &op);
	assert_int_equal(tables_of(f), tables);
}

/* --- Merging --- */

/* What the call before merged says nothing of what is there now. */
static void a_table_that_was_a_block_once_is_looked_at_again(struct fixture *f)
{
	uint64_t hole = 8 * GIB + 5 * block(f);

	map(f, 8 * GIB, 16 * GIB, GIB, RW);
	split(f, hole, granule(f));
	assert_int_equal(merge(f, hole, block(f)).merged, 1);
	split(f, hole, granule(f));
	unmap(f, hole, granule(f));
	assert_int_equal(merge(f, 8 * GIB, GIB).merged, 0);
	expect_unmapped(f, hole, granule(f));
	expect_level(f, hole + granule(f), 3);
}

/* --- Groups --- */

/* One more than share a wait. Phys is aligned to a group and not to a block. */
static void groups_beyond_a_batch_count_once(struct fixture *f)
{
	uint64_t size = 33 * group_size(f, 3);
	struct iopgt_op op = new_op(f);
	struct iopgt_stats stats;

	map(f, FIRST(f), PHYS(f) + group_size(f, 3), size, RW);
	expect_leaf_size(f, FIRST(f), group_size(f, 3));
	expect(IOPGT_OK, iopgt_split_block(f->table, FIRST(f), size, &op));
	finish(f, &op);
	assert_int_equal(op.stats.ungrouped, 33);
	/* table.h: 1 + groups / 32 */
	assert_int_equal(op.stats.waits, 2);
	stats = merge(f, FIRST(f), size);
	assert_int_equal(stats.grouped, 33);
	assert_true(stats.looked_at >= size / granule(f));
	assert_true(stats.looked_at < 10 * size / granule(f));
	expect_leaf_size(f, FIRST(f) + size - granule(f), group_size(f, 3));
}

/* Tracking starts: what it does not track it does not break up. */
static void groups_that_nobody_may_write_to_stay(struct fixture *f)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_EAGER};
	uint64_t size = group_size(f, 3);

	map(f, FIRST(f), PHYS(f), size, IOPGT_READ);
	map(f, FIRST(f) + size, PHYS(f) + size, size, RW);
	set_tracking(f, &how);
	expect_leaf_size(f, FIRST(f), size);
	expect_leaf_size(f, FIRST(f) + size, granule(f));
}

/* A group of which the break-up failed, in a table that works at level 0 by now. */
static void a_break_up_is_completed_at_another_level(struct fixture *f)
{
	uint64_t size = group_size(f, 3);
	struct iopgt_op failed = new_op(f), op = new_op(f);
	unsigned weak = fixture_add_walker(f);

	map(f, FIRST(f), PHYS(f), size, RW);
	host_fail(&f->host, HOST_SYNC, 1, false);
	expect(HOST_ERROR, iopgt_unmap(f->table, FIRST(f), granule(f), &failed));
	host_fail_nothing(&f->host);
	finish(f, &failed);
	f->domain_walkers[weak].bbm_level = 0;
	add_walker(f, weak);
	expect(IOPGT_OK, iopgt_unmap(f->table, FIRST(f), granule(f), &op));
	finish(f, &op);
	expect_unmapped(f, FIRST(f), granule(f));
	expect_leaf_size(f, FIRST(f) + granule(f), granule(f));
}

/* The next table in memory holds the pages of another range. */
static void what_lies_behind_an_unlinked_table_is_not_its_own(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	uint64_t tables[3];

	for (unsigned i = 0; i < 3; i++) {
		map(f, FIRST(f) + 2 * i * block(f), PHYS(f) + group_size(f, 3), block(f), RW);
		tables[i] = leaf_at(f, FIRST(f) + 2 * i * block(f)).descriptor_phys;
	}
	assert_int_equal(tables[1] - tables[0], granule(f));
	assert_int_equal(tables[2] - tables[1], granule(f));
	fixture_bitmap(f, FIRST(f), 6 * block(f), f->config.granule_shift);
	expect(IOPGT_OK,
	       iopgt_unmap_dirty(f->table, FIRST(f) + 2 * block(f), block(f), &f->bitmap, &op));
	finish(f, &op);
	expect_only_bits(f, FIRST(f) + 2 * block(f), block(f));
}

/* --- Tables whose block may still be cached --- */

/* A fault at the last byte of the block is one below it. */
static void faults_at_the_end_of_a_table_invalidate_its_block(struct fixture *f)
{
	struct iopgt_op failed = new_op(f), op = new_op(f);
	uint64_t last = FIRST(f) + block(f) - 1;
	struct host_event event;

	map(f, FIRST(f), PHYS(f), block(f), RW | IOPGT_CLEAN);
	host_fail(&f->host, HOST_SYNC, 1, false);
	expect(HOST_ERROR, iopgt_split_block(f->table, FIRST(f), block(f), &failed));
	host_fail_nothing(&f->host);
	expect_level(f, last, 3);
	host_log_clear(&f->host);
	expect(IOPGT_OK, iopgt_handle_write_fault(f->table, last, 0, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	assert_true(host_event(&f->host, (uint64_t)event_index(f, HOST_RANGE, 0), &event));
	assert_int_equal(event.request.iova, FIRST(f));
	assert_int_equal(event.request.size, block(f));
	assert_int_equal(event.request.level, IOPGT_NO_LEVEL);
	finish(f, &failed);
}

/* --- Domains --- */

/* What was written through a walker without flags of tables is found after it has gone. */
static void flags_of_tables_at_every_level_are_set_when_they_count_again(struct fixture *f)
{
	unsigned plain = fixture_add_walker(f);

	f->domain_walkers[plain].flags &= ~(uint32_t)IOPGT_WALKER_TABLE_ACCESSED;
	map(f, FIRST(f), PHYS(f), 2 * granule(f), RW | IOPGT_CLEAN);
	map(f, 9 * GIB, PHYS(f), granule(f), RW | IOPGT_CLEAN);
	add_walker(f, plain);
	assert_false(iopgt_domain_capable(&f->domain, IOPGT_CAPABLE_TABLE_ACCESS_FLAG));
	remove_walker(f, plain);
	assert_true(iopgt_domain_capable(&f->domain, IOPGT_CAPABLE_TABLE_ACCESS_FLAG));
	for (unsigned i = 0; i < 2; i++) {
		struct walker_leaf leaf = leaf_at(f, i ? 9 * GIB : FIRST(f));

		for (unsigned up = 0; up < leaf.table_count; up++)
			assert_true(leaf.tables[up] & UINT64_C(1) << 10); /* AF, D8.5.1.3 */
	}
}

static void without_flags_of_tables_no_walker_makes_a_domain_capable(struct fixture *f)
{
	assert_false(iopgt_domain_capable(&f->domain, IOPGT_CAPABLE_TABLE_ACCESS_FLAG));
	remove_walker(f, 0);
	assert_false(iopgt_domain_capable(&f->domain, IOPGT_CAPABLE_TABLE_ACCESS_FLAG));
	add_walker(f, 0);
	assert_false(iopgt_domain_capable(&f->domain, IOPGT_CAPABLE_TABLE_ACCESS_FLAG));
}

/* Tables that tracking has made already leave less room for more. */
static void tables_that_stay_count_in_the_next_round(struct fixture *f)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_ADAPTIVE, .max_extra_tables = 3};

	map(f, FIRST(f), PHYS(f), 6 * block(f), RW);
	set_tracking(f, &how);
	for (unsigned round = 0; round < 3; round++) {
		struct iopgt_op op = new_op(f);

		/* Two blocks a round: of six, three are split. */
		for (unsigned i = 0; i < 2; i++)
			write_page(f, FIRST(f) + (2 * round + i) * block(f));
		expect(IOPGT_OK,
		       iopgt_read_and_clear_dirty(f->table, FIRST(f), 6 * block(f),
		                                  page_bitmap(f, FIRST(f), 6 * block(f)), &op));
		finish(f, &op);
		assert_int_equal(op.stats.split, round < 2 ? 2 - round : 0);
		expect(IOPGT_OK, iopgt_merge_cold(&f->domain, FIRST(f), 6 * block(f), &op));
		finish(f, &op);
	}
}

/* A dirty block, and behind it a table of dirty blocks: all are replaced, and waited for. */
static void dirty_blocks_of_two_levels_are_split_in_one_call(struct fixture *f)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_ADAPTIVE};
	uint64_t second = 9 * GIB + 3 * block(f);

	map(f, 8 * GIB, 16 * GIB, GIB, RW);
	map(f, 9 * GIB, 20 * GIB + block(f), 8 * block(f), RW);
	set_tracking(f, &how);
	write_page(f, 8 * GIB);
	write_page(f, second);
	take_dirty(f, 8 * GIB, 2 * GIB);
	expect_level(f, 8 * GIB, 2);
	expect_level(f, second, 3);
	write_page(f, second);
	look_dirty(f, 8 * GIB, 2 * GIB);
	expect_only_bits(f, second, granule(f));
}

/* Where nothing may break, turning off leaves the pages, counts them, and is no error. */
static void off_leaves_pages_where_nothing_may_break(struct fixture *f)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_NONE};
	struct iopgt_op op = {.flags = 0};

	map(f, FIRST(f), PHYS(f), block(f), RW | IOPGT_CLEAN);
	split(f, FIRST(f), block(f));
	set_tracking(f, &how);
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, false, NULL, &op));
	finish(f, &op);
	assert_int_equal(op.stats.left_unmerged, 1);
	expect_level(f, FIRST(f), 3);
	assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_DIRTY);
	assert_int_equal(state_at(f, FIRST(f) + block(f) - 1), IOPGT_LEAF_DIRTY);
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST(0, what_fini_cannot_reach_is_an_error),
		TEST(FIXTURE_STAGES, a_call_within_a_table_ends_with_its_budget),
		TEST(FIXTURE_STAGES, a_call_ends_with_its_budget_in_the_next_table),
		TEST(0, a_budget_that_is_used_up_ends_the_call),
		TEST(0, what_leads_to_a_page_is_counted),
		TEST(0, a_sequence_is_continued_by_its_own_verb_alone),
		TEST(0, a_call_that_is_done_is_not_continued),
		TEST(0, a_table_that_is_emptied_in_pieces_goes),
		TEST(0, a_split_in_a_small_start_table_costs_no_less),
		TEST(FIXTURE_LEVELS, a_table_that_was_a_block_once_is_looked_at_again),
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_LEVELS, groups_beyond_a_batch_count_once,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_LEVELS, groups_that_nobody_may_write_to_stay,
	                  .domain = true, .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
		TEST_WITH(FIXTURE_GRANULES, a_break_up_is_completed_at_another_level,
	                  .domain = true, .leaf_sizes = FIXTURE_ALL_LEAF_SIZES,
	                  .config_flags = IOPGT_CONFIG_FAULTS_RETRIED),
		TEST_WITH(0, dirty_blocks_of_two_levels_are_split_in_one_call, .domain = true),
		TEST_WITH(FIXTURE_GRANULES, what_lies_behind_an_unlinked_table_is_not_its_own,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
		TEST(FIXTURE_GRANULES, faults_at_the_end_of_a_table_invalidate_its_block),
		TEST_WITH(0, flags_of_tables_at_every_level_are_set_when_they_count_again,
	                  .domain = true, .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(0, without_flags_of_tables_no_walker_makes_a_domain_capable,
	                  .domain = true),
		TEST_WITH(0, tables_that_stay_count_in_the_next_round, .domain = true),
		TEST_WITH(0, off_leaves_pages_where_nothing_may_break, .domain = true,
	                  .level = FIXTURE_LEVEL_0),
	};

	return FIXTURE_RUN(tests);
}
