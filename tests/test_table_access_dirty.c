/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IOPGT_CONFIG_TABLE_ACCESS_FLAG: whatever makes or leaves a dirty leaf in tables
 * that no walker went through, rounds find it. Walkers that come and go; trees
 * that are opened; what iopgt_check says.
 */
#include "test_table_access.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (8 * block(f))
#define BLOCKS   3

/* Two blocks of clean pages and a clean block, all in tables that are skipped. */
static void map_quiet(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f) + granule(f), 2 * block(f), RW | IOPGT_CLEAN);
	map(f, FIRST(f) + 2 * block(f), PHYS(f) + 2 * block(f), block(f), RW | IOPGT_CLEAN);
	quiet_down(f);
	assert_true(is_skipped(f, FIRST(f)));
}

static uint64_t page_at(const struct fixture *f, unsigned number)
{
	return FIRST(f) + number * granule(f);
}

/* --- What a round leaves --- */

static void pages_that_are_not_given_stay_dirty(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_quiet(f);
	write_page(f, page_at(f, 3));
	write_page(f, page_at(f, 4));
	page_bitmap(f, FIRST(f), 2 * block(f));
	set_bits(f, FIRST(f), 2 * block(f));
	f->bitmap.words[0] ^= pool_little_endian(UINT64_C(1) << 4);
	expect(IOPGT_OK, iopgt_clear_dirty_log(f->table, FIRST(f), 2 * block(f), &f->bitmap, &op));
	finish(f, &op);
	expect_all_reported(f);
	expect_reported_once(f, page_at(f, 4));
}

/* Two rounds with nothing given: H of the first may not go in the second. */
static void pages_that_are_never_given_stay_dirty(struct fixture *f)
{
	map_quiet(f);
	write_page(f, page_at(f, 3));
	for (int i = 0; i < 4; i++) {
		struct iopgt_op op = new_op(f);

		page_bitmap(f, FIRST(f), 2 * block(f));
		if (i % 2)
			set_bits(f, page_at(f, 9), granule(f));
		expect(IOPGT_OK,
		       iopgt_clear_dirty_log(f->table, FIRST(f), 2 * block(f), &f->bitmap, &op));
		finish(f, &op);
		expect_all_reported(f);
	}
	expect_reported_once(f, page_at(f, 3));
}

static void a_block_that_crosses_the_range_stays_dirty(struct fixture *f)
{
	uint64_t iova = FIRST(f) + 2 * block(f);

	map_quiet(f);
	write_page(f, iova);
	for (int i = 0; i < 3; i++) {
		take_dirty(f, FIRST(f), 2 * block(f) + granule(f));
		take_dirty(f, FIRST(f), 2 * block(f) + granule(f));
		expect_all_reported(f);
	}
	expect_reported_once(f, iova);
}

static void a_coarse_bit_that_crosses_the_range_leaves_its_pages(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_quiet(f);
	write_page(f, page_at(f, 5));
	fixture_bitmap(f, FIRST(f), 2 * block(f), f->config.granule_shift + 2);
	/* Of the pages 4 to 7, which one bit covers, 6 and 7 are not in the range. */
	expect(IOPGT_OK,
	       iopgt_read_and_clear_dirty(f->table, FIRST(f), 6 * granule(f), &f->bitmap, &op));
	finish(f, &op);
	expect_all_reported(f);
	round_of_all(f);
	quiet_down(f);
}

/* Stops after each number of descriptors, and never goes on. */
static void a_call_that_stops_half_way_loses_nothing(struct fixture *f)
{
	uint64_t table = granule(f) / 8;

	map_quiet(f);
	for (uint64_t budget = 1; budget < 4 * table; budget += 1 + table / 3) {
		struct runs runs;
		const struct iopgt_dirty_visitor visitor = {note_run, &runs};
		struct iopgt_op op = new_op(f);
		uint64_t dirty[] = {page_at(f, 0), page_at(f, table - 1), page_at(f, table),
		                    page_at(f, 2 * table - 1)};

		for (int i = 0; i < 4; i++)
			write_page(f, dirty[i]);
		/* Tables that have flags, and such that have been walked in the last round. */
		for (int round = 0; round < 3; round++) {
			runs.count = 0;
			op.flags |= IOPGT_OP_CLEAR;
			op.budget = budget;
			iopgt_for_each_dirty(f->table, space_first(f), space_size(f), &visitor,
			                     &op);
			finish(f, &op);
			expect_all_reported(f);
		}
		quiet_down(f);
	}
}

static int stop_at_once(void *context, uint64_t iova, uint64_t size)
{
	(void)context;
	(void)iova;
	(void)size;
	return 5;
}

static void a_visitor_that_stops_loses_nothing(struct fixture *f)
{
	const struct iopgt_dirty_visitor visitor = {stop_at_once, NULL};
	uint64_t table = granule(f) / 8;

	map_quiet(f);
	for (int i = 0; i < 3; i++) {
		struct iopgt_op op = new_op(f);

		write_page(f, page_at(f, table - 1));
		write_page(f, page_at(f, table + 1));
		op.flags |= IOPGT_OP_CLEAR;
		expect(5, iopgt_for_each_dirty(f->table, space_first(f), space_size(f), &visitor,
		                               &op));
		finish(f, &op);
		expect_all_reported(f);
	}
	expect_reported_once(f, page_at(f, table + 1));
}

/* Every call of the host fails in turn, for good or once. */
static void a_host_that_fails_loses_nothing(struct fixture *f)
{
	static const enum host_call calls[] = {HOST_RANGE, HOST_ALL, HOST_SYNC, HOST_PHYS_TO_VIRT};

	map_quiet(f);
	for (unsigned i = 0; i < 4 * 6; i++) {
		struct runs runs = {.count = 0};
		const struct iopgt_dirty_visitor visitor = {note_run, &runs};
		struct iopgt_op op = new_op(f);

		write_page(f, page_at(f, 1));
		write_page(f, page_at(f, 1) + block(f));
		op.flags |= IOPGT_OP_CLEAR;
		host_fail(&f->host, calls[i % 4], 1 + i / 4, i % 8 == 3);
		iopgt_for_each_dirty(f->table, space_first(f), space_size(f), &visitor, &op);
		iopgt_op_finish(&op);
		host_fail_nothing(&f->host);
		write_page(f, page_at(f, 2));
		finish(f, &op);
		expect_all_reported(f);
		write_page(f, page_at(f, 3));
		expect_all_reported(f);
		/* Two idle rounds later still. */
		visit_all(f, &runs, IOPGT_OP_CLEAR);
		assert_true(has_run(&runs, page_at(f, 3)));
		quiet_down(f);
	}
}

/* --- What makes a leaf dirty --- */

static void mapped_dirty_in_an_old_table(struct fixture *f)
{
	map_quiet(f);
	unmap(f, page_at(f, 7), granule(f));
	assert_true(is_skipped(f, FIRST(f)));
	map(f, page_at(f, 7), PHYS(f), granule(f), RW);
	expect_reported_once(f, page_at(f, 7));
	/* A block beside them, tables of several levels. */
	map(f, FIRST(f) + 3 * block(f), PHYS(f) + 5 * block(f), block(f), RW);
	expect_reported_once(f, FIRST(f) + 3 * block(f));
	map(f, FIRST(f) + 4 * level_size(f, 1), PHYS(f), granule(f), RW);
	expect_reported_once(f, FIRST(f) + 4 * level_size(f, 1));
}

/* Each is of the same kind as the one before, but for the first: nothing has to be looked up. */
static void pages_mapped_dirty_one_by_one(struct fixture *f)
{
	struct runs runs;

	map_quiet(f);
	unmap(f, page_at(f, 7), 3 * granule(f));
	for (unsigned i = 7; i < 10; i++) {
		assert_true(is_skipped(f, FIRST(f)));
		map(f, page_at(f, i), PHYS(f), granule(f), RW);
		visit_all(f, &runs, IOPGT_OP_CLEAR);
		assert_true(has_run(&runs, page_at(f, i)));
		quiet_down(f);
	}
}

static void mapped_clean_needs_no_visit(struct fixture *f)
{
	map_quiet(f);
	unmap(f, page_at(f, 7), granule(f));
	map(f, page_at(f, 7), PHYS(f), granule(f), RW | IOPGT_CLEAN);
	expect_all_reported(f);
	write_page(f, page_at(f, 7));
	expect_reported_once(f, page_at(f, 7));
}

static void a_write_fault_that_is_handled(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_quiet(f);
	expect(IOPGT_OK, iopgt_handle_write_fault(f->table, page_at(f, 9), 0, &op));
	finish(f, &op);
	expect_reported_once(f, page_at(f, 9));
	expect(IOPGT_OK, iopgt_handle_write_fault(f->table, FIRST(f) + 2 * block(f), 0, &op));
	finish(f, &op);
	expect_reported_once(f, FIRST(f) + 2 * block(f));
}

static void dirty_pages_that_are_protected(struct fixture *f)
{
	struct runs runs;

	map_quiet(f);
	write_page(f, page_at(f, 2));
	protect(f, page_at(f, 2), granule(f), IOPGT_READ);
	/* Kept in the leaf, which is read-only now. */
	for (int i = 0; i < 2; i++) {
		visit_all(f, &runs, 0);
		assert_true(has_run(&runs, page_at(f, 2)));
	}
	protect(f, page_at(f, 2), granule(f), RW);
	expect_all_reported(f);
	visit_all(f, &runs, IOPGT_OP_CLEAR);
	assert_true(has_run(&runs, page_at(f, 2)));
	quiet_down(f);
}

/* What was mapped read-only, or not tracked, becomes writable in a table that is skipped. */
static void read_only_pages_that_become_writable(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f) + granule(f), block(f), IOPGT_READ);
	map(f, FIRST(f) + block(f), PHYS(f) + block(f) + granule(f), block(f), RW | IOPGT_CLEAN);
	quiet_down(f);
	protect(f, page_at(f, 6), granule(f), RW);
	expect_all_reported(f);
	round_of_all(f);
	quiet_down(f);
	write_page(f, page_at(f, 6));
	expect_reported_once(f, page_at(f, 6));
}

static void a_page_that_is_written_and_unmapped(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_quiet(f);
	write_page(f, page_at(f, 2));
	write_page(f, page_at(f, 3));
	page_bitmap(f, FIRST(f), 3 * granule(f));
	expect(IOPGT_OK, iopgt_unmap_dirty(f->table, FIRST(f), 3 * granule(f), &f->bitmap, &op));
	finish(f, &op);
	expect_only_bits(f, page_at(f, 2), granule(f));
	expect_reported_once(f, page_at(f, 3));
}

/* --- iopgt_check, iopgt_open --- */

static uint32_t rule_now(struct fixture *f)
{
	struct iopgt_finding finding;

	iopgt_check(f->table, &finding);
	return finding.rule;
}

static void check_names_a_dirty_leaf_that_would_be_skipped(struct fixture *f)
{
	struct walker_leaf leaf;

	map(f, FIRST(f), PHYS(f) + granule(f), granule(f), RW | IOPGT_CLEAN);
	write_page(f, FIRST(f));
	leaf = leaf_at(f, FIRST(f));
	for (unsigned i = 0; i < leaf.table_count; i++) {
		uint64_t bare = leaf.tables[i] & ~(TABLE_AF | TABLE_WALKED);

		store(f, leaf.tables_phys[i], bare);
		assert_int_equal(rule_now(f), IOPGT_RULE_TABLE_ACCESS);
		store(f, leaf.tables_phys[i], bare | TABLE_WALKED);
		assert_int_equal(rule_now(f), IOPGT_RULE_NONE);
		store(f, leaf.tables_phys[i], bare | TABLE_AF);
		assert_int_equal(rule_now(f), IOPGT_RULE_NONE);
	}
	/* A clean one may be skipped. */
	take_dirty(f, FIRST(f), granule(f));
	set_tables(f, FIRST(f), 0);
	assert_int_equal(rule_now(f), IOPGT_RULE_NONE);
}

/* A leaf's own access flag says nothing of the tables above it. */
static void a_dirty_leaf_that_is_no_longer_accessed_breaks_no_rule(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), PHYS(f), granule(f), RW | IOPGT_EXECUTE);
	page_bitmap(f, FIRST(f), granule(f));
	expect(IOPGT_OK,
	       iopgt_read_and_clear_accessed(f->table, FIRST(f), granule(f), &f->bitmap, &op));
	finish(f, &op);
	assert_int_equal(leaf_at(f, FIRST(f)).descriptor & (TABLE_AF | TABLE_WALKED), 0);
	check(f);
	expect_reported_once(f, FIRST(f));
}

static void check_says_nothing_where_flags_are_not_used(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f) + granule(f), granule(f), RW | IOPGT_CLEAN);
	write_page(f, FIRST(f));
	set_tables(f, FIRST(f), 0);
	assert_int_equal(rule_now(f), IOPGT_RULE_NONE);
	look_dirty(f, FIRST(f), granule(f));
	expect_only_bits(f, FIRST(f), granule(f));
}

/* Takes the tree over, by a configuration with these flags more. */
static void own_again(struct fixture *f, uint32_t flags)
{
	static struct iopgt_table next;
	struct iopgt_tree tree = {
		.root_phys = f->table->root_phys,
		.flags = IOPGT_OPEN_OWNING,
	};

	f->config.flags = f->options.config_flags | flags;
	expect(IOPGT_OK, iopgt_open(&next, &f->config, &f->hal, &f->host, &tree));
	f->own_table = next;
	check(f);
}

/* Built without the flags, by walkers that have not set them, or have. */
static void a_tree_without_flags_is_opened(struct fixture *f)
{
	struct runs runs;

	map(f, FIRST(f), PHYS(f) + granule(f), 2 * block(f), RW | IOPGT_CLEAN);
	write_page(f, page_at(f, 3));
	set_tables(f, page_at(f, 3), 0);
	set_tables(f, page_at(f, 3) + block(f), 0);
	/* From now on the walker sets them; what it has cached it keeps. */
	own_again(f, IOPGT_CONFIG_TABLE_ACCESS_FLAG);
	for (int i = 0; i < 2; i++) {
		visit_all(f, &runs, 0);
		assert_true(has_run(&runs, page_at(f, 3)));
		/* By what is cached of its tables, and of itself: no walk sets a flag. */
		write_page(f, page_at(f, 4));
	}
	assert_true(has_run(&runs, page_at(f, 4)));
	expect_all_reported(f);
	visit_all(f, &runs, IOPGT_OP_CLEAR);
	assert_true(has_run(&runs, page_at(f, 3)) && has_run(&runs, page_at(f, 4)));
	write_page(f, page_at(f, 5));
	expect_reported_once(f, page_at(f, 5));
}

/* Used, then not, while the same walkers walk; then used again. */
static void a_tree_is_opened_without_and_with_the_flag(struct fixture *f)
{
	map_quiet(f);
	own_again(f, 0);
	map(f, FIRST(f) + 3 * block(f), PHYS(f) + 3 * block(f), block(f), RW);
	write_page(f, page_at(f, 1));
	look_dirty(f, FIRST(f), 4 * block(f));
	assert_true(bit_at(f, page_at(f, 1)) && bit_at(f, FIRST(f) + 3 * block(f)));
	set_tables(f, page_at(f, 1), 0);
	own_again(f, IOPGT_CONFIG_TABLE_ACCESS_FLAG);
	expect_all_reported(f);
	expect_reported_once(f, page_at(f, 1));
	map(f, FIRST(f) + 4 * block(f), PHYS(f) + 4 * block(f), block(f), RW);
	expect_reported_once(f, FIRST(f) + 4 * block(f));
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_STAGES;
	const uint32_t live = all | FIXTURE_LEVELS;
	const struct fixture_test tests[] = {
		TEST_WITH(all, pages_that_are_not_given_stay_dirty, .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, pages_that_are_never_given_stay_dirty,
	                  .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, a_block_that_crosses_the_range_stays_dirty,
	                  .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, a_coarse_bit_that_crosses_the_range_leaves_its_pages,
	                  .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, a_call_that_stops_half_way_loses_nothing,
	                  .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, a_visitor_that_stops_loses_nothing, .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, a_host_that_fails_loses_nothing, .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, mapped_dirty_in_an_old_table, .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, pages_mapped_dirty_one_by_one, .walks = FIXTURE_TABLE_ACCESS,
	                  .host.hal_flags = IOPGT_HAL_LINEAR),
		TEST_WITH(all, mapped_clean_needs_no_visit, .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, a_write_fault_that_is_handled, .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, dirty_pages_that_are_protected, .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, read_only_pages_that_become_writable, .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(live, a_page_that_is_written_and_unmapped, .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, check_names_a_dirty_leaf_that_would_be_skipped,
	                  .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, a_dirty_leaf_that_is_no_longer_accessed_breaks_no_rule,
	                  .walks = FIXTURE_TABLE_ACCESS),
		TEST(all, check_says_nothing_where_flags_are_not_used),
		TEST_WITH(all, a_tree_without_flags_is_opened, .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, a_tree_is_opened_without_and_with_the_flag,
	                  .walks = FIXTURE_TABLE_ACCESS),
	};

	return FIXTURE_RUN(tests);
}
