/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_unmap: exactly the range, blocks split at its ends, tables given back. */
#include "fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Four blocks of memory at four blocks, walked through by the walker. */
#define FIRST(f) (4 * block(f))
#define PHYS(f)  (12 * block(f))
#define SIZE(f)  (4 * block(f))

static void map_four_blocks(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), SIZE(f), RW);
	for (uint64_t at = 0; at < SIZE(f); at += block(f))
		read_page(f, FIRST(f) + at);
}

/* Only [from, from + size) of the four blocks is gone, for the walker too. */
static void expect_hole(struct fixture *f, uint64_t from, uint64_t size)
{
	expect_mapped(f, FIRST(f), PHYS(f), from);
	expect_unmapped(f, FIRST(f) + from, size);
	expect_mapped(f, FIRST(f) + from + size, PHYS(f) + from + size, SIZE(f) - from - size);
	for (uint64_t at = 0; at < SIZE(f); at += block(f))
		assert_int_equal(access_ok(f, 0, FIRST(f) + at, WALKER_WRITE),
		                 at < from || at >= from + size);
}

static void unmap_removes_exactly_the_range(struct fixture *f)
{
	uint64_t g = granule(f), b = block(f);
	const struct {
		uint64_t from, size;
	} ranges[] = {
		{0, g},     {g, g},         {b - g, g},     {b - g, 2 * g}, {b, b},
		{0, 4 * b}, {g, 4 * b - g}, {0, 4 * b - g}, {b / 2, 2 * b}, {4 * b - g, g},
	};

	for (size_t i = 0; i < COUNT(ranges); i++) {
		struct iopgt_stats stats;

		map_four_blocks(f);
		stats = unmap(f, FIRST(f) + ranges[i].from, ranges[i].size);
		assert_int_equal(stats.unmapped, ranges[i].size / g);
		assert_int_equal(stats.holes, 0);
		expect_hole(f, ranges[i].from, ranges[i].size);
		unmap(f, 0, UINT64_C(1) << 48);
		expect_unmapped(f, FIRST(f), SIZE(f));
		assert_int_equal(pool_in_use(f->host.pool), 1);
	}
}

static void unmap_splits_only_blocks_that_cross_an_end(struct fixture *f)
{
	struct iopgt_stats stats;

	map_four_blocks(f);
	stats = unmap(f, FIRST(f) + block(f) / 2, 3 * block(f));
	assert_int_equal(stats.split, 2);
	expect_level(f, FIRST(f), 3);
	expect_level(f, FIRST(f) + SIZE(f) - granule(f), 3);
	map(f, FIRST(f) + block(f), PHYS(f), 2 * block(f), RW);
	stats = unmap(f, FIRST(f) + block(f), 2 * block(f));
	assert_int_equal(stats.split, 0);
}

static void unmap_of_a_part_of_a_gibibyte_keeps_the_rest(struct fixture *f)
{
	uint64_t gib = UINT64_C(1) << 30;

	map(f, gib, 5 * gib, gib, RW);
	read_page(f, gib);
	unmap(f, gib + block(f) + granule(f), granule(f));
	expect_mapped(f, gib, 5 * gib, block(f) + granule(f));
	expect_unmapped(f, gib + block(f) + granule(f), granule(f));
	expect_mapped(f, gib + block(f) + 2 * granule(f), 5 * gib + block(f) + 2 * granule(f),
	              gib - block(f) - 2 * granule(f));
}

static void holes_are_counted(struct fixture *f)
{
	struct iopgt_stats stats;
	uint64_t pages_per_block = block(f) / granule(f);

	map(f, FIRST(f), PHYS(f), block(f), RW);
	map(f, FIRST(f) + 2 * block(f) + granule(f), PHYS(f), 2 * granule(f), RW);
	stats = unmap(f, FIRST(f) - granule(f), 3 * block(f) + 2 * granule(f));
	assert_int_equal(stats.unmapped, pages_per_block + 2);
	assert_int_equal(stats.holes, 2 * pages_per_block);
	stats = unmap(f, 0, UINT64_C(1) << 48);
	assert_int_equal(stats.unmapped, 0);
	assert_int_equal(stats.holes, (UINT64_C(1) << 48) / granule(f));
}

/* --- Blocks that may not be split --- */

static void no_split_refuses_and_changes_nothing(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_four_blocks(f);
	op.flags |= IOPGT_OP_NO_SPLIT;
	expect(IOPGT_WOULD_SPLIT, iopgt_unmap(f->table, FIRST(f), granule(f), &op));
	expect(IOPGT_WOULD_SPLIT,
	       iopgt_unmap(f->table, FIRST(f) + granule(f), block(f) - granule(f), &op));
	finish(f, &op);
	expect_hole(f, 0, 0);
	expect_level(f, FIRST(f), 2);
}

static void no_split_allows_whole_blocks(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_four_blocks(f);
	op.flags |= IOPGT_OP_NO_SPLIT;
	expect(IOPGT_OK, iopgt_unmap(f->table, FIRST(f) + block(f), 2 * block(f), &op));
	finish(f, &op);
	expect_hole(f, block(f), 2 * block(f));
}

static void what_is_before_a_block_that_cannot_be_split_is_unmapped(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_four_blocks(f);
	op.flags |= IOPGT_OP_NO_SPLIT;
	expect(IOPGT_WOULD_SPLIT, iopgt_unmap(f->table, FIRST(f), 2 * block(f) + granule(f), &op));
	assert_int_equal(op.stats.unmapped, 2 * block(f) / granule(f));
	finish(f, &op);
	expect_hole(f, 0, 2 * block(f));
}

static void level_0_without_leave_to_break_changes_nothing(struct fixture *f)
{
	struct iopgt_op op = {0};

	map_four_blocks(f);
	expect(IOPGT_WOULD_BREAK, iopgt_unmap(f->table, FIRST(f), granule(f), &op));
	finish(f, &op);
	expect_hole(f, 0, 0);
	expect_level(f, FIRST(f), 2);
	expect(IOPGT_WOULD_BREAK, iopgt_unmap(f->table, FIRST(f), block(f) + granule(f), &op));
	finish(f, &op);
	expect_hole(f, 0, block(f));
}

static void level_0_unmaps_whole_blocks_without_leave(struct fixture *f)
{
	struct iopgt_op op = {0};

	map_four_blocks(f);
	expect(IOPGT_OK, iopgt_unmap(f->table, FIRST(f), 2 * block(f), &op));
	finish(f, &op);
	expect_hole(f, 0, 2 * block(f));
}

static void level_0_breaks_where_faults_are_retried(struct fixture *f)
{
	struct iopgt_op op = {0};

	map_four_blocks(f);
	expect(IOPGT_OK, iopgt_unmap(f->table, FIRST(f), granule(f), &op));
	finish(f, &op);
	expect_hole(f, 0, granule(f));
}

static void without_memory_the_block_stays_whole(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_four_blocks(f);
	host_fail(&f->host, HOST_ALLOC, 1, true);
	expect(IOPGT_NO_MEMORY, iopgt_unmap(f->table, FIRST(f), block(f) + granule(f), &op));
	host_fail_nothing(&f->host);
	finish(f, &op);
	expect_hole(f, 0, block(f));
	expect_level(f, FIRST(f) + block(f), 2);
	expect(IOPGT_OK, iopgt_unmap(f->table, FIRST(f), block(f) + granule(f), &op));
	finish(f, &op);
	expect_hole(f, 0, block(f) + granule(f));
}

static void two_callers_may_unmap_halves_of_a_block(struct fixture *f)
{
	struct iopgt_op one = new_op(f), two = new_op(f);

	map_four_blocks(f);
	expect(IOPGT_OK, iopgt_unmap(f->table, FIRST(f), block(f) / 2, &one));
	expect(IOPGT_OK, iopgt_unmap(f->table, FIRST(f) + block(f) / 2, block(f) / 2, &two));
	expect(IOPGT_OK, iopgt_op_finish(&two));
	finish(f, &one);
	expect_hole(f, 0, block(f));
}

/* The other caller's half goes while this one takes memory for the block's table. */
static void unmap_upper_half(struct fixture *f, enum host_call call, bool done)
{
	struct iopgt_op op = new_op(f);

	if (call != HOST_ALLOC || !done)
		return;
	expect(IOPGT_OK, iopgt_unmap(f->table, FIRST(f) + block(f) / 2, block(f) / 2, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	f->hook = NULL;
}

static void a_block_that_another_call_split_meanwhile_is_not_split_again(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	size_t tables;

	map(f, FIRST(f), PHYS(f), block(f), RW);
	read_page(f, FIRST(f));
	tables = pool_in_use(f->host.pool);
	f->hook = unmap_upper_half;
	expect(IOPGT_OK, iopgt_unmap(f->table, FIRST(f), granule(f), &op));
	assert_null(f->hook);
	finish(f, &op);
	assert_int_equal(op.stats.split, 0);
	assert_int_equal(pool_in_use(f->host.pool), tables + 1);
	expect_unmapped(f, FIRST(f), granule(f));
	expect_unmapped(f, FIRST(f) + block(f) / 2, block(f) / 2);
	expect_mapped(f, FIRST(f) + granule(f), PHYS(f) + granule(f), block(f) / 2 - granule(f));
}

/* --- Tables --- */

static void map_pages(struct fixture *f, uint64_t iova, uint64_t size)
{
	map(f, iova, PHYS(f) + granule(f), size, RW);
	for (uint64_t at = 0; at < size; at += block(f))
		read_page(f, iova + at);
}

static void tables_wholly_in_the_range_are_freed(struct fixture *f)
{
	size_t before = pool_in_use(f->host.pool);

	map_pages(f, FIRST(f), SIZE(f));
	assert_true(pool_in_use(f->host.pool) >= before + 4);
	unmap(f, 0, UINT64_C(1) << 48);
	assert_int_equal(pool_in_use(f->host.pool), before);
}

static void tables_partly_in_the_range_stay(struct fixture *f)
{
	size_t before;

	map_pages(f, FIRST(f), granule(f));
	before = pool_in_use(f->host.pool);
	unmap(f, FIRST(f), block(f) - granule(f));
	expect_unmapped(f, FIRST(f), block(f));
	assert_int_equal(pool_in_use(f->host.pool), before);
	/* Empty now: it goes with the next range that holds all of it. */
	unmap(f, FIRST(f), block(f));
	assert_int_equal(pool_in_use(f->host.pool), before - 1);
}

static void no_table_is_freed_before_the_op_is_finished(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_pages(f, FIRST(f), SIZE(f));
	host_log_clear(&f->host);
	expect(IOPGT_OK, iopgt_unmap(f->table, FIRST(f), SIZE(f), &op));
	assert_int_equal(event_count(f, HOST_FREE), 0);
	finish(f, &op);
	assert_int_equal(event_count(f, HOST_FREE), 4);
}

static bool covers_walk_caches(const struct host_event *event, uint64_t iova, uint64_t size)
{
	if (event->call == HOST_ALL)
		return true;
	return event->call == HOST_RANGE && event->request.flags & IOPGT_INVALIDATE_WALK_CACHES &&
	       event->request.iova <= iova &&
	       event->request.iova + event->request.size >= iova + size;
}

static void tables_are_freed_after_walk_caches_forgot_them(struct fixture *f)
{
	struct host_event event = {0};
	int64_t waited, freed;
	bool covered = false;

	map_pages(f, FIRST(f), SIZE(f));
	host_log_clear(&f->host);
	unmap(f, FIRST(f), SIZE(f));
	freed = event_index(f, HOST_FREE, 0);
	for (waited = freed - 1; waited >= 0; waited--) {
		assert_true(host_event(&f->host, (uint64_t)waited, &event));
		if (event.call == HOST_SYNC)
			break;
	}
	assert_true(waited >= 0 && waited < freed);
	for (int64_t i = 0; i < waited; i++) {
		assert_true(host_event(&f->host, (uint64_t)i, &event));
		covered |= covers_walk_caches(&event, FIRST(f), SIZE(f));
	}
	assert_true(covered);
}

static void a_failed_wait_keeps_the_tables(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	size_t before;

	map_pages(f, FIRST(f), SIZE(f));
	before = pool_in_use(f->host.pool);
	expect(IOPGT_OK, iopgt_unmap(f->table, FIRST(f), SIZE(f), &op));
	for (int i = 0; i < 3; i++) {
		host_fail(&f->host, HOST_SYNC, 1, false);
		expect(HOST_ERROR, iopgt_op_finish(&op));
		assert_int_equal(pool_in_use(f->host.pool), before);
	}
	finish(f, &op);
	assert_int_equal(pool_in_use(f->host.pool), before - 4);
}

/* --- In pieces --- */

static void unmap_in_pieces_ends_in_the_same_table(struct fixture *f)
{
	static const uint64_t budgets[] = {1, 2, 7, 100, 5000, 1000000};
	uint64_t from = granule(f), size = SIZE(f) - 2 * granule(f);

	for (size_t i = 0; i < COUNT(budgets); i++) {
		struct iopgt_op op = new_op(f);
		uint64_t at = from;
		unsigned calls = 0;
		int error;

		op.budget = budgets[i];
		map_four_blocks(f);
		map_pages(f, FIRST(f) + SIZE(f), block(f));
		size = SIZE(f) + block(f) - from;
		while ((error = iopgt_unmap(f->table, FIRST(f) + at, size, &op)) == IOPGT_AGAIN) {
			assert_true(op.next > FIRST(f) + at && op.next - FIRST(f) - at < size);
			size -= op.next - FIRST(f) - at;
			at = op.next - FIRST(f);
			if (calls++ < 40)
				check(f);
		}
		expect(IOPGT_OK, error);
		finish(f, &op);
		assert_int_equal(op.stats.unmapped, (SIZE(f) + block(f) - from) / granule(f));
		expect_mapped(f, FIRST(f), PHYS(f), from);
		expect_unmapped(f, FIRST(f) + from, SIZE(f) + block(f) - from);
		unmap(f, FIRST(f), SIZE(f));
	}
}

static void unmap_in_pieces_frees_the_same_tables(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	uint64_t at = 0, end = UINT64_C(1) << 40;
	int error;

	op.budget = 1;
	map_pages(f, FIRST(f), SIZE(f));
	while ((error = iopgt_unmap(f->table, at, end - at, &op)) == IOPGT_AGAIN)
		at = op.next;
	expect(IOPGT_OK, error);
	finish(f, &op);
	assert_true(pool_in_use(f->host.pool) <= 2);
	unmap(f, 0, UINT64_C(1) << 48);
	assert_int_equal(pool_in_use(f->host.pool), 1);
}

/* A budget that leaves one page: it goes with the table that the sequence emptied. */
static void the_last_page_of_a_sequence_takes_its_table(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	uint64_t last = FIRST(f) + block(f) - granule(f);
	size_t tables;

	map(f, FIRST(f), PHYS(f) + granule(f), block(f), RW);
	tables = pool_in_use(f->host.pool);
	op.budget = 3 + 511;
	expect(IOPGT_AGAIN, iopgt_unmap(f->table, FIRST(f), block(f), &op));
	assert_int_equal(op.next, last);
	expect(IOPGT_OK, iopgt_unmap(f->table, last, granule(f), &op));
	finish(f, &op);
	assert_int_equal(pool_in_use(f->host.pool), tables - 1);
}

/* A call elsewhere ends the sequence: what comes then begins anew, and has half a table. */
static void a_call_elsewhere_ends_a_sequence(struct fixture *f)
{
	uint64_t second = FIRST(f) + block(f);
	const struct iopgt_mapping elsewhere =
		fixture_mapping(FIRST(f) + granule(f), PHYS(f), granule(f), RW);

	for (unsigned maps = 0; maps < 2; maps++) {
		struct iopgt_op op = new_op(f);
		size_t before;

		map_pages(f, FIRST(f), granule(f));
		map_pages(f, second, 2 * granule(f));
		before = pool_in_use(f->host.pool);
		op.budget = 1;
		expect(IOPGT_AGAIN, iopgt_unmap(f->table, second, block(f), &op));
		assert_int_equal(op.next, second + granule(f));
		op.budget = 0;
		expect(IOPGT_OK, maps ? iopgt_map(f->table, &elsewhere, &op)
		                      : iopgt_unmap(f->table, FIRST(f), granule(f), &op));
		expect(IOPGT_OK,
		       iopgt_unmap(f->table, second + granule(f), block(f) - granule(f), &op));
		finish(f, &op);
		assert_int_equal(pool_in_use(f->host.pool), before);
		unmap(f, FIRST(f), 2 * block(f));
	}
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_REGIMES | FIXTURE_LEVELS;
	const uint32_t splitting = FIXTURE_GRANULES | FIXTURE_LEVELS;
	const struct fixture_test tests[] = {
		TEST(0, the_last_page_of_a_sequence_takes_its_table),
		TEST_WITH(0, the_last_page_of_a_sequence_takes_its_table,
	                  .host.hal_flags = IOPGT_HAL_LINEAR),
		TEST(FIXTURE_GRANULES, a_call_elsewhere_ends_a_sequence),
		TEST_WITH(FIXTURE_GRANULES, a_call_elsewhere_ends_a_sequence,
	                  .host.hal_flags = IOPGT_HAL_LINEAR),
		TEST(all, unmap_removes_exactly_the_range),
		TEST(splitting, unmap_splits_only_blocks_that_cross_an_end),
		TEST(FIXTURE_STAGES | FIXTURE_LEVELS, unmap_of_a_part_of_a_gibibyte_keeps_the_rest),
		TEST(FIXTURE_GRANULES, holes_are_counted),
		TEST(splitting, no_split_refuses_and_changes_nothing),
		TEST(splitting, no_split_allows_whole_blocks),
		TEST(splitting, what_is_before_a_block_that_cannot_be_split_is_unmapped),
		TEST_WITH(FIXTURE_GRANULES, level_0_without_leave_to_break_changes_nothing,
	                  .level = FIXTURE_LEVEL_0),
		TEST_WITH(FIXTURE_GRANULES, level_0_unmaps_whole_blocks_without_leave,
	                  .level = FIXTURE_LEVEL_0),
		TEST_WITH(FIXTURE_GRANULES, level_0_breaks_where_faults_are_retried,
	                  .level = FIXTURE_LEVEL_0, .config_flags = IOPGT_CONFIG_FAULTS_RETRIED),
		TEST(splitting, without_memory_the_block_stays_whole),
		TEST(splitting, two_callers_may_unmap_halves_of_a_block),
		TEST(splitting, a_block_that_another_call_split_meanwhile_is_not_split_again),
		TEST(FIXTURE_GRANULES | FIXTURE_STAGES, tables_wholly_in_the_range_are_freed),
		TEST(FIXTURE_GRANULES, tables_partly_in_the_range_stay),
		TEST(FIXTURE_GRANULES, no_table_is_freed_before_the_op_is_finished),
		TEST(FIXTURE_GRANULES, tables_are_freed_after_walk_caches_forgot_them),
		TEST(FIXTURE_GRANULES, a_failed_wait_keeps_the_tables),
		TEST(splitting, unmap_in_pieces_ends_in_the_same_table),
		TEST(FIXTURE_GRANULES, unmap_in_pieces_frees_the_same_tables),
	};

	return FIXTURE_RUN(tests);
}
