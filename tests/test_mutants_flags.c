/* SPDX-License-Identifier: BSD-2-Clause */
/* Access flags of tables, which walkers and other calls change just before a store. */
#include "test_mutants_torn.h"

#include "test_table_access.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (12 * block(f))
#define PAGES    8

static void map_pages(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f) + granule(f), block(f), RW | IOPGT_CLEAN);
}

/* As another CPU, which looks at nothing else. */
static void unmap_beside(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	if (!iopgt_unmap(f->table, FIRST(f), block(f), &op))
		iopgt_op_finish(&op);
}

static void write_beside(struct fixture *f)
{
	walker_forget(f->walkers[0]);
	access_ok(f, 0, FIRST(f), WALKER_WRITE);
}

static int ignore_run(void *context, uint64_t iova, uint64_t size)
{
	(void)context;
	(void)iova;
	(void)size;
	return 0;
}

/* What is clean, and was not walked, is passed by after that. */
static void rounds_beside(struct fixture *f)
{
	const struct iopgt_dirty_visitor visitor = {ignore_run, NULL};

	for (int round = 0; round <= IDLE_ROUNDS; round++) {
		struct iopgt_op op = new_op(f);

		op.flags |= IOPGT_OP_CLEAR;
		if (!iopgt_for_each_dirty(f->table, space_first(f), space_size(f), &visitor, &op))
			iopgt_op_finish(&op);
	}
}

static void take_beside(struct fixture *f, void (*event)(struct fixture *f))
{
	before_a_store(f, link_of(f, FIRST(f), 0), event);
	take_dirty(f, FIRST(f), block(f));
	expect_it_came();
}

/* The flag that is moved. */
static void tables_that_are_unmapped_on_the_way_in_are_gone(struct fixture *f)
{
	f->hal.flags |= IOPGT_HAL_DEFERS_FREE;
	map_pages(f);
	take_beside(f, unmap_beside);
	expect_unmapped(f, FIRST(f), block(f));
}

/* The note that goes. */
static void walks_on_the_way_out_of_a_table_are_seen(struct fixture *f)
{
	map_pages(f);
	take_dirty(f, FIRST(f), block(f));
	take_beside(f, write_beside);
	expect_all_reported(f);
	take_dirty(f, FIRST(f), block(f));
	assert_true(bit_at(f, FIRST(f)));
}

/* The mark of a table in which a page is left dirty. */
static void tables_that_are_unmapped_while_they_are_marked_are_gone(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	f->hal.flags |= IOPGT_HAL_DEFERS_FREE;
	map_pages(f);
	for (uint64_t i = 0; i < PAGES; i++)
		write_page(f, FIRST(f) + i * granule(f));
	page_bitmap(f, FIRST(f), PAGES * granule(f));
	set_bits(f, FIRST(f), granule(f));
	before_a_store(f, link_of(f, FIRST(f), 0), unmap_beside);
	expect(IOPGT_OK,
	       iopgt_clear_dirty_log(f->table, FIRST(f), PAGES * granule(f), &f->bitmap, &op));
	expect_it_came();
	finish(f, &op);
	expect_unmapped(f, FIRST(f), block(f));
}

/* A page that is mapped dirty, and rounds that come before `store`. */
static void map_beside_rounds(struct fixture *f, bool of_leaf)
{
	struct iopgt_mapping mapping = fixture_mapping(FIRST(f), PHYS(f), granule(f), RW);
	struct iopgt_op op = new_op(f);
	struct walker_leaf leaf;

	f->hal.flags |= IOPGT_HAL_DEFERS_FREE;
	map_pages(f);
	leaf = leaf_at(f, FIRST(f));
	unmap(f, FIRST(f), granule(f));
	quiet_down(f);
	before_a_store(f, of_leaf ? leaf.descriptor_phys : link_of(f, FIRST(f) + granule(f), 0),
	               rounds_beside);
	expect(IOPGT_OK, iopgt_map(f->table, &mapping, &op));
	expect_it_came();
	finish(f, &op);
	expect_all_reported(f);
}

/* From the bottom up, or rounds pass by the lower ones. */
static void tables_are_marked_after_those_below(struct fixture *f)
{
	map_beside_rounds(f, false);
}

static void tables_are_marked_after_their_leaves(struct fixture *f)
{
	map_beside_rounds(f, true);
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_STAGES;
	const struct fixture_test tests[] = {
		TEST_WITH(all, tables_that_are_unmapped_on_the_way_in_are_gone,
	                  .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, walks_on_the_way_out_of_a_table_are_seen,
	                  .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, tables_that_are_unmapped_while_they_are_marked_are_gone,
	                  .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, tables_are_marked_after_those_below, .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, tables_are_marked_after_their_leaves, .walks = FIXTURE_TABLE_ACCESS),
	};

	return TORN_RUN(tests);
}
