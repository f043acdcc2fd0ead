/* SPDX-License-Identifier: BSD-2-Clause */
/* Walkers that do not snoop: what has to be cleaned that shows only at times. */
#include "fixture.h"

#include <limits.h>

#define FIRST(f) (4 * block(f))

/*
 * Two calls that need the same new table: one has linked it, and has not cleaned the
 * link yet when the other one comes and goes.
 */
static unsigned cleans; /* that come before the other call */
static bool other_is_done;

/* Maps the page beside, and is over: walkers must see that. */
static void map_beside(struct fixture *f)
{
	struct iopgt_mapping mapping =
		fixture_mapping(FIRST(f) + granule(f), FIRST(f), granule(f), RW);
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_map(f->table, &mapping, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	assert_true(access_ok(f, 0, FIRST(f) + granule(f), WALKER_READ));
}

static void clean_later(void *context, const void *memory, uint32_t bytes)
{
	struct fixture *f = context; /* the host, its first member */

	if (!other_is_done && cleans-- == 0) {
		other_is_done = true;
		map_beside(f);
	}
	f->host.hal.clean(context, memory, bytes);
}

static void links_that_another_call_has_not_cleaned_are_cleaned(struct fixture *f)
{
	unsigned tried = 0;

	f->hal.clean = clean_later;
	for (other_is_done = true; other_is_done; tried++) {
		struct iopgt_mapping mapping = fixture_mapping(FIRST(f), 0, granule(f), RW);
		struct iopgt_op op = new_op(f);

		cleans = tried;
		other_is_done = false;
		expect(IOPGT_OK, iopgt_map(f->table, &mapping, &op));
		finish(f, &op);
		cleans = UINT_MAX;
		unmap(f, 0, UINT64_C(1) << 48);
	}
	/* Of three tables and their links, and of the leaf. */
	assert_true(tried > 3);
}

/* Level 1: what forbids walkers to cache a block goes where they see it. */
static void expect_seen_without_nt(struct fixture *f)
{
	struct walker_leaf seen;

	walker_translate(f->walkers[0], FIRST(f), &seen);
	assert_int_equal(seen.fault, WALKER_OK);
	assert_int_equal(seen.level, 2);
	assert_false(seen.no_translation);
}

static void merged_blocks_may_be_cached(struct fixture *f)
{
	map(f, FIRST(f), 0, block(f), RW);
	split(f, FIRST(f), block(f));
	merge(f, FIRST(f), block(f));
	expect_seen_without_nt(f);
}

/* They are there again, and walkers may cache them. */
static void blocks_that_were_not_split_are_seen(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), 0, block(f), RW);
	host_fail(&f->host, HOST_SYNC, 1, false);
	expect(HOST_ERROR, iopgt_split_block(f->table, FIRST(f), block(f), &op));
	host_fail_nothing(&f->host);
	finish(f, &op);
	expect_seen_without_nt(f);
}

static void tables_that_are_put_back_are_seen(struct fixture *f)
{
	struct walker_leaf seen;
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), 0, block(f), RW);
	split(f, FIRST(f), block(f));
	host_fail(&f->host, HOST_SYNC, 1, false);
	expect(HOST_ERROR, iopgt_merge_page(f->table, FIRST(f), block(f), &op));
	host_fail_nothing(&f->host);
	finish(f, &op);
	walker_translate(f->walkers[0], FIRST(f), &seen);
	assert_int_equal(seen.fault, WALKER_OK);
	assert_int_equal(seen.level, 3);
}

/* While a call waits at level 0, no walker finds the leaf; at level 1 it may not cache it. */
static void expect_broken(struct fixture *f, enum host_call call, bool done)
{
	struct walker_leaf seen;

	if (call != HOST_SYNC || done)
		return;
	walker_translate(f->walkers[0], FIRST(f) + granule(f), &seen);
	if (f->bbm_level == 0)
		assert_int_equal(seen.fault, WALKER_TRANSLATION);
	else if (!*(bool *)f->hook_context)
		assert_true(seen.no_translation);
	*(bool *)f->hook_context = true;
}

static void groups_are_seen_broken(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	bool waited = false;

	map(f, FIRST(f), 0, group_size(f, 3), RW);
	f->hook_context = &waited;
	f->hook = expect_broken;
	expect(IOPGT_OK, iopgt_unmap(f->table, FIRST(f), granule(f), &op));
	f->hook = NULL;
	finish(f, &op);
	assert_true(waited);
	expect_mapped(f, FIRST(f) + granule(f), granule(f), granule(f));
}

static void blocks_are_seen_broken(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	bool waited = false;

	map(f, FIRST(f), 0, block(f), RW);
	f->hook_context = &waited;
	f->hook = expect_broken;
	expect(IOPGT_OK, iopgt_split_block(f->table, FIRST(f), block(f), &op));
	f->hook = NULL;
	finish(f, &op);
	assert_true(waited);
}

#define NON_COHERENT .dirty = FIXTURE_NO_DIRTY, .config_flags = IOPGT_CONFIG_NON_COHERENT

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_STAGES,
	                  links_that_another_call_has_not_cleaned_are_cleaned, NON_COHERENT),
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_STAGES, merged_blocks_may_be_cached,
	                  .level = FIXTURE_LEVEL_1, NON_COHERENT),
		TEST_WITH(FIXTURE_GRANULES, blocks_that_were_not_split_are_seen,
	                  .level = FIXTURE_LEVEL_1, NON_COHERENT),
		TEST_WITH(FIXTURE_GRANULES, blocks_that_were_not_split_are_seen,
	                  .level = FIXTURE_LEVEL_0, NON_COHERENT),
		TEST_WITH(FIXTURE_GRANULES, blocks_are_seen_broken, .level = FIXTURE_LEVEL_1,
	                  NON_COHERENT),
		TEST_WITH(FIXTURE_GRANULES, blocks_are_seen_broken, .level = FIXTURE_LEVEL_0,
	                  NON_COHERENT),
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_LEVELS, tables_that_are_put_back_are_seen,
	                  NON_COHERENT),
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_STAGES, groups_are_seen_broken,
	                  .level = FIXTURE_LEVEL_0, .leaf_sizes = FIXTURE_ALL_LEAF_SIZES,
	                  NON_COHERENT),
	};

	return FIXTURE_RUN(tests);
}
