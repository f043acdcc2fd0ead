/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A gibibyte of blocks, a few of which were split: merging takes the pages and
 * the blocks above them in one replacement, without a step between.
 */
#include "fixture.h"

#define GIB   (UINT64_C(1) << 30)
#define AT    (4 * GIB)
#define PHYS  (8 * GIB)
#define SPLIT 5 /* blocks that are split */

static void map_blocks(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map(f, AT, PHYS, GIB, RW | IOPGT_CLEAN);
	/* One page unmapped and mapped again leaves 2 MiB blocks and one table. */
	unmap(f, AT, granule(f));
	map(f, AT, PHYS, granule(f), RW | IOPGT_CLEAN);
	expect(IOPGT_OK, iopgt_split_block(f->table, AT + block(f), (SPLIT - 1) * block(f), &op));
	finish(f, &op);
	expect_level(f, AT + SPLIT * block(f), 2);
	expect_level(f, AT, 3);
}

static void pages_and_blocks_become_one_block_at_once(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	struct iopgt_table_usage before, after;

	map_blocks(f);
	read_page(f, AT); /* the way to it is cached */
	iopgt_table_stats(f->table, &before);
	expect(IOPGT_OK, iopgt_merge_page(f->table, AT, GIB, &op));
	assert_int_equal(op.stats.merged, SPLIT + 1);
	assert_true(op.stats.waits <= 2);
	finish(f, &op);
	iopgt_table_stats(f->table, &after);
	assert_int_equal(before.tables - after.tables, SPLIT + 1);
	expect_level(f, AT, 1);
	assert_int_equal(state_at(f, AT), IOPGT_LEAF_CLEAN);
	expect_mapped(f, AT, PHYS, 4 * block(f));
	for (uint64_t i = 1; i < 64; i++)
		read_page(f, AT + i * granule(f));
}

static void a_dirty_page_below_makes_the_block_dirty(struct fixture *f)
{
	map_blocks(f);
	write_page(f, AT + 3 * block(f) + 7 * granule(f));
	merge(f, AT, GIB);
	expect_level(f, AT, 1);
	assert_int_equal(state_at(f, AT), IOPGT_LEAF_DIRTY);
}

/* The page of which the hook below makes a late mark. */
#define LATE(f) (AT + 2 * block(f) + 9 * granule(f))

static void write_before_the_wait(struct fixture *f, enum host_call call, bool done)
{
	if (call == HOST_SYNC && !done)
		access_ok(f, 0, LATE(f), WALKER_WRITE);
}

static void a_mark_made_until_the_wait_is_carried(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_blocks(f);
	read_page(f, LATE(f)); /* cached clean, with the way to it */
	f->hook = write_before_the_wait;
	expect(IOPGT_OK, iopgt_merge_page(f->table, AT, GIB, &op));
	f->hook = NULL;
	finish(f, &op);
	expect_level(f, AT, 1);
	/* At level 0 the write may have faulted instead. */
	if (f->bbm_level > 0)
		assert_int_equal(state_at(f, AT), IOPGT_LEAF_DIRTY);
}

static void a_failed_wait_puts_all_back_with_its_marks(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_blocks(f);
	f->hook = write_before_the_wait;
	host_fail(&f->host, HOST_SYNC, 1, false);
	expect(HOST_ERROR, iopgt_merge_page(f->table, AT, GIB, &op));
	f->hook = NULL;
	host_fail_nothing(&f->host);
	expect_level(f, AT + SPLIT * block(f), 2);
	expect_level(f, LATE(f), 3);
	if (f->bbm_level > 0)
		assert_int_equal(state_at(f, LATE(f)), IOPGT_LEAF_DIRTY);
	finish(f, &op);
	merge(f, AT, GIB);
	expect_level(f, AT, 1);
}

int main(void)
{
	const uint32_t axes = FIXTURE_STAGES | FIXTURE_LEVELS;
	const struct fixture_test tests[] = {
		TEST(axes, pages_and_blocks_become_one_block_at_once),
		TEST(axes, a_dirty_page_below_makes_the_block_dirty),
		TEST(axes, a_mark_made_until_the_wait_is_carried),
		TEST(axes, a_failed_wait_puts_all_back_with_its_marks),
	};

	return FIXTURE_RUN(tests);
}
