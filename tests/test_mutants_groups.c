/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clean groups that become pages: a walker that has one of them cached whole, or writes
 * to a page when its group is no more.
 */
#include "test_mutants_torn.h"

#define FIRST(f)  (4 * block(f))
#define PHYS(f)   (12 * block(f))
#define SECOND(f) (FIRST(f) + granule(f))
#define TRIES     20 /* a walker marks any entry of a group */

static void track(struct fixture *f, uint32_t policy)
{
	const struct iopgt_tracking how = {.policy = policy};
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, true, &how, &op));
	finish(f, &op);
}

/* The cached group is dirty from here on. */
static void write_beside(struct fixture *f)
{
	access_ok(f, 0, FIRST(f), WALKER_WRITE);
}

/* It goes with the call, though none of its pages is found dirty there, or one alone. */
static void clean_groups_that_become_pages_are_invalidated(struct fixture *f)
{
	uint64_t size = group_size(f, 3);

	for (unsigned i = 0; i < TRIES; i++) {
		track(f, IOPGT_SPLIT_NONE);
		map(f, FIRST(f), PHYS(f), size, RW);
		expect_leaf_size(f, FIRST(f), size);
		read_page(f, FIRST(f));
		before_a_store(f, leaf_at(f, FIRST(f)).descriptor_phys, write_beside);
		track(f, IOPGT_SPLIT_EAGER);
		expect_it_came();
		expect_leaf_size(f, FIRST(f), granule(f));
		take_dirty(f, FIRST(f), size);
		write_page(f, SECOND(f));
		look_dirty(f, FIRST(f), size);
		expect_only_bits(f, SECOND(f), granule(f));
		unmap(f, FIRST(f), size);
	}
}

/* --- After the wait --- */

#define LAST(f) (FIRST(f) + group_size(f, 3) - granule(f))

static void write_last(struct fixture *f)
{
	access_ok(f, 0, LAST(f), WALKER_WRITE);
}

static void before_the_next_store(struct fixture *f, enum host_call call, bool done)
{
	unsigned *waits = f->hook_context;

	if (call == HOST_SYNC && done && !(*waits)++)
		before_a_store(f, leaf_at(f, LAST(f)).descriptor_phys, write_last);
}

static void writes_to_pages_whose_group_is_no_more_are_kept(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	unsigned waits = 0;

	map(f, FIRST(f), PHYS(f), group_size(f, 3), RW | IOPGT_CLEAN);
	f->hook_context = &waits;
	f->hook = before_the_next_store;
	expect(IOPGT_OK, iopgt_split_block(f->table, FIRST(f), group_size(f, 3), &op));
	f->hook = NULL;
	finish(f, &op);
	expect_it_came();
	look_dirty(f, FIRST(f), group_size(f, 3));
	expect_only_bits(f, LAST(f), granule(f));
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_STAGES;
	const struct fixture_test tests[] = {
		TEST_WITH(all, clean_groups_that_become_pages_are_invalidated, .domain = true,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
		TEST_WITH(all, clean_groups_that_become_pages_are_invalidated, .domain = true,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES, .level = FIXTURE_LEVEL_1),
		TEST_WITH(all, writes_to_pages_whose_group_is_no_more_are_kept,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
		TEST_WITH(all, writes_to_pages_whose_group_is_no_more_are_kept,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES, .level = FIXTURE_LEVEL_1),
	};

	return TORN_RUN(tests);
}
