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
