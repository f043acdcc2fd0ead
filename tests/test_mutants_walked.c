/* SPDX-License-Identifier: BSD-2-Clause */
/* Leaves that become dirty without a walk: the tables above them count as walked. */
#include "test_table_access.h"

#define GIB    (UINT64_C(1) << 30)
#define AT     (4 * GIB)
#define PHYS   (8 * GIB)
#define PAGE   (AT + 2 * block(f) + 9 * granule(f))
#define ROUNDS (IDLE_ROUNDS + 1)

static void write_before_the_wait(struct fixture *f, enum host_call call, bool done)
{
	if (call == HOST_SYNC && !done)
		assert_true(access_ok(f, 0, PAGE, WALKER_WRITE));
}

/* Tables that a failed merge puts back, and those below them. */
static void what_was_written_through_a_block_is_found_in_its_tables(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map(f, AT, PHYS, GIB, RW | IOPGT_CLEAN);
	unmap(f, AT, granule(f)); /* 2 MiB blocks and a table of pages */
	map(f, AT, PHYS, granule(f), RW | IOPGT_CLEAN);
	split(f, PAGE, granule(f));
	for (int round = 0; round < ROUNDS; round++)
		take_dirty(f, AT, GIB);
	assert_true(is_skipped(f, PAGE));
	host_fail(&f->host, HOST_SYNC, 1, false);
	f->hook = write_before_the_wait;
	expect(HOST_ERROR, iopgt_merge_page(f->table, AT, GIB, &op));
	f->hook = NULL;
	host_fail_nothing(&f->host);
	finish(f, &op);
	expect_level(f, PAGE, 3);
	take_dirty(f, AT, GIB);
	assert_true(bit_at(f, PAGE));
}

static void track(struct fixture *f, bool on)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_EAGER};
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, on, on ? &how : NULL, &op));
	finish(f, &op);
}

/* All that is mapped becomes dirty where tracking ends: blocks that were merged first. */
static void merged_blocks_are_found(struct fixture *f)
{
	map(f, AT, PHYS, 2 * block(f), RW);
	track(f, true);
	for (int round = 0; round < ROUNDS; round++)
		take_dirty(f, AT, GIB);
	assert_true(is_skipped(f, AT));
	track(f, false);
	expect_level(f, AT, 2);
	look_dirty(f, AT, 2 * block(f));
	expect_only_bits(f, AT, 2 * block(f));
}

/* Pages that a failed merge made dirty: they are found, and the table is good. */
static void pages_that_failed_to_merge_are_found(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map(f, AT, PHYS, 2 * block(f), RW);
	track(f, true);
	for (int round = 0; round < ROUNDS; round++)
		take_dirty(f, AT, GIB);
	assert_true(is_skipped(f, AT));
	host_fail(&f->host, HOST_SYNC, 1, false);
	expect(HOST_ERROR, iopgt_set_dirty_tracking(&f->domain, false, NULL, &op));
	host_fail_nothing(&f->host);
	finish(f, &op);
	expect_level(f, AT, 3);
	expect_all_reported(f);
}

/* Blocks that fail to be cleaned and split stay dirty: each round finds them. */
static void blocks_that_failed_to_be_split_are_found(struct fixture *f)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_EAGER};
	struct iopgt_op starts = new_op(f);

	map(f, AT, PHYS, block(f), RW);
	starts.flags |= IOPGT_OP_START_DIRTY;
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, true, &how, &starts));
	finish(f, &starts);
	for (int round = 0; round < ROUNDS; round++) {
		struct iopgt_op op = new_op(f);

		host_fail(&f->host, HOST_SYNC, 1, false);
		expect(HOST_ERROR,
		       iopgt_read_and_clear_dirty(f->table, AT, GIB, page_bitmap(f, AT, GIB), &op));
		host_fail_nothing(&f->host);
		finish(f, &op);
		expect_level(f, AT, 2);
	}
	look_dirty(f, AT, GIB);
	expect_only_bits(f, AT, block(f));
}

/* And those that were blocks, or groups, all the time. */
static void leaves_that_stop_being_tracked_are_found(struct fixture *f, uint64_t size)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_NONE};
	struct iopgt_op op = new_op(f);

	map(f, AT, PHYS, size, RW);
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, true, &how, &op));
	finish(f, &op);
	for (int round = 0; round < ROUNDS; round++)
		take_dirty(f, AT, GIB);
	assert_true(is_skipped(f, AT));
	track(f, false);
	look_dirty(f, AT, size);
	expect_only_bits(f, AT, size);
}

static void blocks_that_stop_being_tracked_are_found(struct fixture *f)
{
	leaves_that_stop_being_tracked_are_found(f, 2 * block(f));
}

static void groups_that_stop_being_tracked_are_found(struct fixture *f)
{
	leaves_that_stop_being_tracked_are_found(f, group_size(f, 3));
}

/* Walkers that do not mark: what they have cached clean goes. */
static void writes_do_not_fault_where_tracking_has_ended(struct fixture *f)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_NONE};
	struct iopgt_op op = new_op(f);

	map(f, AT, PHYS, 2 * block(f), RW);
	map(f, AT + 2 * block(f), PHYS + 2 * block(f), group_size(f, 3), RW);
	map(f, AT + 3 * block(f), PHYS, granule(f), RW);
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, true, &how, &op));
	finish(f, &op);
	for (uint64_t at = AT; at <= AT + 3 * block(f); at += block(f)) {
		read_page(f, at);
		assert_false(access_ok(f, 0, at, WALKER_WRITE));
	}
	track(f, false);
	for (uint64_t at = AT; at <= AT + 3 * block(f); at += block(f))
		write_page(f, at);
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(FIXTURE_STAGES, what_was_written_through_a_block_is_found_in_its_tables,
	                  .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(FIXTURE_STAGES | FIXTURE_LEVELS, merged_blocks_are_found,
	                  .walks = FIXTURE_TABLE_ACCESS, .domain = true),
		TEST_WITH(FIXTURE_STAGES | FIXTURE_LEVELS, pages_that_failed_to_merge_are_found,
	                  .walks = FIXTURE_TABLE_ACCESS, .domain = true),
		TEST_WITH(FIXTURE_STAGES, blocks_that_failed_to_be_split_are_found,
	                  .level = FIXTURE_LEVEL_1, .walks = FIXTURE_TABLE_ACCESS, .domain = true),
		TEST_WITH(FIXTURE_STAGES, blocks_that_failed_to_be_split_are_found,
	                  .level = FIXTURE_LEVEL_0, .walks = FIXTURE_TABLE_ACCESS, .domain = true),
		TEST_WITH(FIXTURE_STAGES, blocks_that_stop_being_tracked_are_found,
	                  .walks = FIXTURE_TABLE_ACCESS, .domain = true),
		TEST_WITH(FIXTURE_STAGES, groups_that_stop_being_tracked_are_found,
	                  .walks = FIXTURE_TABLE_ACCESS, .domain = true,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
		TEST_WITH(FIXTURE_STAGES, writes_do_not_fault_where_tracking_has_ended,
	                  .dirty = FIXTURE_SOFTWARE, .domain = true),
		TEST_WITH(FIXTURE_STAGES, writes_do_not_fault_where_tracking_has_ended,
	                  .dirty = FIXTURE_SOFTWARE, .domain = true,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
	};

	return FIXTURE_RUN(tests);
}
