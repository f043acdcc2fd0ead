/* SPDX-License-Identifier: BSD-2-Clause */
/* Marks of leaves, which walkers and other calls change just before a store. */
#include "test_mutants_torn.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (12 * block(f))

/* The range may be unmapped beside (IOPGT_HAL_DEFERS_FREE). */
static void unmap_beside(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	if (!iopgt_unmap(f->table, FIRST(f), block(f), &op))
		iopgt_op_finish(&op);
}

static void write_beside(struct fixture *f)
{
	access_ok(f, 0, FIRST(f), WALKER_WRITE);
}

static void read_beside(struct fixture *f)
{
	access_ok(f, 0, FIRST(f), WALKER_READ);
}

static void take_accessed(struct fixture *f, uint64_t size)
{
	struct iopgt_op op = new_op(f);

	page_bitmap(f, FIRST(f), size);
	expect(IOPGT_OK, iopgt_read_and_clear_accessed(f->table, FIRST(f), size, &f->bitmap, &op));
	finish(f, &op);
}

static void blocks_that_are_unmapped_while_they_are_cleaned_are_gone(struct fixture *f)
{
	f->hal.flags |= IOPGT_HAL_DEFERS_FREE;
	map(f, FIRST(f), PHYS(f), block(f), RW);
	before_a_store(f, leaf_at(f, FIRST(f)).descriptor_phys, unmap_beside);
	take_dirty(f, FIRST(f), block(f));
	expect_it_came();
	expect_unmapped(f, FIRST(f), block(f));
}

static void writes_beside_the_handler_of_access_faults_are_kept(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), block(f), RW | IOPGT_CLEAN);
	take_accessed(f, block(f));
	before_a_store(f, leaf_at(f, FIRST(f)).descriptor_phys, write_beside);
	expect(IOPGT_OK, iopgt_handle_access_fault(f->table, FIRST(f)));
	expect_it_came();
	look_dirty(f, FIRST(f), block(f));
	expect_only_bits(f, FIRST(f), block(f));
}

static void track(struct fixture *f, uint32_t policy, uint32_t flags)
{
	const struct iopgt_tracking how = {.policy = policy};
	struct iopgt_op op = new_op(f);

	op.flags |= flags;
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, true, &how, &op));
	finish(f, &op);
}

static void reads_of_what_becomes_dirty_are_kept(struct fixture *f)
{
	track(f, IOPGT_SPLIT_NONE, 0);
	map(f, FIRST(f), PHYS(f), block(f), RW);
	take_accessed(f, block(f));
	before_a_store(f, leaf_at(f, FIRST(f)).descriptor_phys, read_beside);
	track(f, IOPGT_SPLIT_NONE, IOPGT_OP_START_DIRTY);
	expect_it_came();
	take_accessed(f, block(f));
	expect_only_bits(f, FIRST(f), block(f));
	look_dirty(f, FIRST(f), block(f));
	expect_only_bits(f, FIRST(f), block(f));
}

/* What comes between a load and the exchange makes that fail, and is no reason to give up. */
static void a_page_that_is_read_as_it_is_cleaned_is_clean(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f) + granule(f), 2 * granule(f), RW);
	take_accessed(f, 2 * granule(f));
	before_a_store(f, leaf_at(f, FIRST(f)).descriptor_phys, read_beside);
	take_dirty(f, FIRST(f), 2 * granule(f));
	expect_it_came();
	expect_only_bits(f, FIRST(f), 2 * granule(f));
	look_dirty(f, FIRST(f), 2 * granule(f));
	assert_int_equal(count_bits(f), 0);
}

static void clean_beside(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	page_bitmap(f, FIRST(f), block(f));
	iopgt_read_and_clear_dirty(f->table, FIRST(f), block(f), &f->bitmap, &op);
	iopgt_op_finish(&op);
}

static void a_fault_beside_a_reader_of_dirty_state_is_handled(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), block(f), RW);
	take_accessed(f, block(f));
	assert_false(leaf_at(f, FIRST(f)).access_flag);
	before_a_store(f, leaf_at(f, FIRST(f)).descriptor_phys, clean_beside);
	expect(IOPGT_OK, iopgt_handle_access_fault(f->table, FIRST(f)));
	expect_it_came();
	assert_true(leaf_at(f, FIRST(f)).access_flag);
}

static void a_write_fault_beside_a_read_is_handled(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), PHYS(f), block(f), RW | IOPGT_CLEAN);
	take_accessed(f, block(f));
	before_a_store(f, leaf_at(f, FIRST(f)).descriptor_phys, read_beside);
	expect(IOPGT_OK, iopgt_handle_write_fault(f->table, FIRST(f), 0, &op));
	expect_it_came();
	finish(f, &op);
	assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_DIRTY);
}

/* --- Groups --- */

static void a_page_that_is_written_as_it_is_grouped_is_a_member(struct fixture *f)
{
	uint64_t size = group_size(f, 3);

	for (uint64_t at = 0; at < size; at += granule(f))
		map(f, FIRST(f) + at, PHYS(f) + size + at, granule(f), RW | IOPGT_CLEAN);
	before_a_store(f, leaf_at(f, FIRST(f)).descriptor_phys, write_beside);
	assert_int_equal(merge(f, FIRST(f), size).grouped, 1);
	expect_it_came();
	expect_leaf_size(f, FIRST(f), size);
	expect_good_groups(f, FIRST(f), size);
	look_dirty(f, FIRST(f), size);
	expect_only_bits(f, FIRST(f), size);
}

static void unmap_second_half(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	uint64_t half = group_size(f, 3) / 2;

	expect(IOPGT_OK, iopgt_unmap(f->table, FIRST(f) + half, half, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

/* Level 0. Two calls unmap a half each: who finds the group broken up looks again. */
static void a_group_that_another_call_breaks_up_first_is_busy(struct fixture *f)
{
	uint64_t half = group_size(f, 3) / 2;
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), PHYS(f) + 2 * half, 2 * half, RW);
	before_a_store(f, leaf_at(f, FIRST(f)).descriptor_phys, unmap_second_half);
	expect(IOPGT_BUSY, iopgt_unmap(f->table, FIRST(f), half, &op));
	expect_it_came();
	assert_int_equal(op.stats.ungrouped, 0);
	expect_mapped(f, FIRST(f), PHYS(f) + 2 * half, half);
	expect(IOPGT_OK, iopgt_unmap(f->table, FIRST(f), half, &op));
	finish(f, &op);
	expect_unmapped(f, FIRST(f), 2 * half);
}

/* --- Split --- */

/* A block of 1 GiB becomes pages: the tables below its own are filled anew, too. */
static void what_is_written_before_two_levels_are_linked_is_kept(struct fixture *f)
{
	uint64_t gib = UINT64_C(1) << 30, at = FIRST(f);

	map(f, 0, 16 * gib, gib, RW | IOPGT_CLEAN);
	before_a_store(f, leaf_at(f, at).descriptor_phys, write_beside);
	split(f, 0, 3 * granule(f));
	expect_it_came();
	expect_level(f, 0, 3);
	expect_mapped(f, 0, 16 * gib, 2 * block(f));
	assert_int_equal(state_at(f, 0), IOPGT_LEAF_DIRTY);
	assert_int_equal(state_at(f, at), IOPGT_LEAF_DIRTY);
}

/* --- Merge --- */

/* Reads through the old table before the wait; writes to the block after it. */
static void read_then_write(struct fixture *f, enum host_call call, bool done)
{
	unsigned *waits = f->hook_context;

	if (call != HOST_SYNC || *waits)
		return;
	if (!done) {
		read_beside(f);
		return;
	}
	++*waits;
	before_a_store(f, leaf_at(f, FIRST(f)).descriptor_phys, write_beside);
}

static void writes_are_kept_where_access_flags_are_carried(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	unsigned waits = 0;

	map(f, FIRST(f), PHYS(f), block(f), RW | IOPGT_CLEAN);
	split(f, FIRST(f), block(f));
	take_accessed(f, block(f));
	read_beside(f); /* the way to the table is cached */
	take_accessed(f, block(f));
	f->hook_context = &waits;
	f->hook = read_then_write;
	expect(IOPGT_OK, iopgt_merge_page(f->table, FIRST(f), block(f), &op));
	f->hook = NULL;
	finish(f, &op);
	expect_it_came();
	expect_level(f, FIRST(f), 2);
	look_dirty(f, FIRST(f), block(f));
	expect_only_bits(f, FIRST(f), block(f));
}

/* --- Tables that are settled --- */

static void unmap_after_the_wait(struct fixture *f, enum host_call call, bool done)
{
	unsigned *waits = f->hook_context;

	if (call != HOST_SYNC || !done || (*waits)++)
		return;
	before_a_store(f, link_of(f, FIRST(f), 0), unmap_beside);
}

static void expect_gone(struct fixture *f)
{
	expect_it_came();
	expect_unmapped(f, FIRST(f), block(f));
	check(f);
}

static void take_while_it_is_unmapped(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	unsigned waits = 0;

	f->hook_context = &waits;
	f->hook = unmap_after_the_wait;
	iopgt_read_and_clear_dirty(f->table, FIRST(f), block(f), page_bitmap(f, FIRST(f), block(f)),
	                           &op);
	f->hook = NULL;
	finish(f, &op);
	expect_gone(f);
}

static void new_tables_that_are_unmapped_meanwhile_are_gone(struct fixture *f)
{
	f->hal.flags |= IOPGT_HAL_DEFERS_FREE;
	map(f, FIRST(f), PHYS(f), block(f), RW);
	track(f, IOPGT_SPLIT_EAGER, IOPGT_OP_START_DIRTY);
	take_while_it_is_unmapped(f);
}

static void unsettled_tables_that_are_unmapped_meanwhile_are_gone(struct fixture *f)
{
	struct iopgt_op failed = new_op(f);

	f->hal.flags |= IOPGT_HAL_DEFERS_FREE;
	map(f, FIRST(f), PHYS(f), block(f), RW);
	host_fail(&f->host, HOST_SYNC, 1, false);
	expect(HOST_ERROR, iopgt_split_block(f->table, FIRST(f), block(f), &failed));
	host_fail_nothing(&f->host);
	track(f, IOPGT_SPLIT_EAGER, IOPGT_OP_START_DIRTY);
	take_while_it_is_unmapped(f);
	finish(f, &failed);
}

/* --- Blocks that are unmapped while another call splits them --- */

static void take_beside(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	page_bitmap(f, FIRST(f), block(f));
	if (!iopgt_read_and_clear_dirty(f->table, FIRST(f), block(f), &f->bitmap, &op))
		iopgt_op_finish(&op);
}

static void blocks_that_are_split_while_they_are_unmapped_are_gone(struct fixture *f)
{
	f->hal.flags |= IOPGT_HAL_DEFERS_FREE;
	map(f, FIRST(f), PHYS(f), block(f), RW);
	track(f, IOPGT_SPLIT_EAGER, IOPGT_OP_START_DIRTY);
	before_a_store(f, leaf_at(f, FIRST(f)).descriptor_phys, take_beside);
	unmap(f, FIRST(f), block(f));
	expect_gone(f);
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_STAGES;
	const struct fixture_test tests[] = {
		TEST(FIXTURE_GRANULES | FIXTURE_STAGES,
	             a_page_that_is_read_as_it_is_cleaned_is_clean),
		TEST(FIXTURE_STAGES, a_fault_beside_a_reader_of_dirty_state_is_handled),
		TEST(FIXTURE_STAGES, a_write_fault_beside_a_read_is_handled),
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_STAGES,
	                  a_page_that_is_written_as_it_is_grouped_is_a_member,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_STAGES,
	                  a_group_that_another_call_breaks_up_first_is_busy,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES, .level = FIXTURE_LEVEL_0),
		TEST(0, what_is_written_before_two_levels_are_linked_is_kept),
		TEST(all, blocks_that_are_unmapped_while_they_are_cleaned_are_gone),
		TEST(all, writes_beside_the_handler_of_access_faults_are_kept),
		TEST_WITH(all, reads_of_what_becomes_dirty_are_kept, .domain = true),
		TEST(all, writes_are_kept_where_access_flags_are_carried),
		TEST_WITH(all, writes_are_kept_where_access_flags_are_carried,
	                  .level = FIXTURE_LEVEL_1),
		TEST_WITH(all, new_tables_that_are_unmapped_meanwhile_are_gone, .domain = true),
		TEST_WITH(all, unsettled_tables_that_are_unmapped_meanwhile_are_gone,
	                  .domain = true),
		TEST_WITH(all | FIXTURE_LEVELS,
	                  blocks_that_are_split_while_they_are_unmapped_are_gone, .domain = true),
	};

	return TORN_RUN(tests);
}
