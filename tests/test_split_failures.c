/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iopgt_split_block with a host that fails, while walkers access the pages:
 * nothing that they marked is lost, also by those who work in a table before
 * the invalidation of the block that it replaced is complete.
 */
#include "fixture.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (12 * block(f))
#define BLOCKS   3
#define WATCHED  48

struct writes {
	struct random random;
	bool landed[WATCHED];
	unsigned faults;
};

static uint64_t watched(struct fixture *f, unsigned number)
{
	return FIRST(f) + number % BLOCKS * block(f) + number / BLOCKS * granule(f);
}

static void access_a_little(struct fixture *f, enum host_call call, bool done)
{
	struct writes *writes = f->hook_context;

	(void)call;
	(void)done;
	for (unsigned i = 0; i < 6; i++) {
		unsigned number = (unsigned)random_below(&writes->random, WATCHED);
		unsigned walker = (unsigned)random_below(&writes->random, f->walker_count);
		bool writing = random_chance(&writes->random, 4);

		if (!access_ok(f, walker, watched(f, number), writing ? WALKER_WRITE : WALKER_READ))
			writes->faults++;
		else
			writes->landed[number] |= writing;
	}
}

static void map_warm_blocks(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), BLOCKS * block(f), RW | IOPGT_CLEAN);
	for (unsigned walker = 0; walker < f->walker_count; walker++)
		for (unsigned i = 0; i < BLOCKS; i++)
			assert_true(access_ok(f, walker, watched(f, i), WALKER_READ));
}

static void expect_reported(struct fixture *f, const struct writes *writes)
{
	look_dirty(f, FIRST(f), BLOCKS * block(f));
	for (unsigned i = 0; i < WATCHED; i++)
		assert_true(!writes->landed[i] || bit_at(f, watched(f, i)));
}

/* --- A failure at each call --- */

struct mode {
	enum host_call call, instead;
	bool forever;
};

static bool split_with_failure(struct fixture *f, const struct mode *mode, uint64_t nth)
{
	struct writes writes = {.random = {nth}};
	struct iopgt_op op = new_op(f);
	int error;

	map_warm_blocks(f);
	f->hook_context = &writes;
	f->hook = access_a_little;
	host_fail(&f->host, mode->call, nth, mode->forever);
	if (mode->instead != mode->call)
		host_fail(&f->host, mode->instead, 1, true);
	error = iopgt_split_block(f->table, FIRST(f), BLOCKS * block(f), &op);
	host_fail_nothing(&f->host);
	assert_true(error == IOPGT_OK || error == HOST_ERROR || error == IOPGT_NO_MEMORY);
	expect_mapped(f, FIRST(f), PHYS(f), BLOCKS * block(f)); /* none half */
	access_a_little(f, HOST_ANY, false);
	expect(IOPGT_OK, iopgt_op_finish(&op));
	f->hook = NULL;
	check(f);
	assert_true(f->bbm_level == 0 || writes.faults == 0);
	expect_reported(f, &writes);
	split(f, FIRST(f), BLOCKS * block(f));
	expect_level(f, FIRST(f) + 2 * block(f), 3);
	expect_reported(f, &writes);
	unmap(f, 0, UINT64_C(1) << 48);
	assert_int_equal(pool_in_use(f->host.pool), 1);
	return error != IOPGT_OK;
}

static void failures_lose_nothing(struct fixture *f, const struct mode *mode)
{
	uint64_t nth = 1;

	while (split_with_failure(f, mode, nth))
		assert_true(++nth < 100);
	assert_true(nth > 1);
}

static void a_failed_allocation_loses_nothing(struct fixture *f)
{
	const struct mode once = {HOST_ALLOC, HOST_ALLOC, false};
	const struct mode forever = {HOST_ALLOC, HOST_ALLOC, true};

	failures_lose_nothing(f, &once);
	failures_lose_nothing(f, &forever);
}

static void a_failed_invalidation_loses_nothing(struct fixture *f)
{
	const struct mode mode = {HOST_RANGE, HOST_ALL, true};

	failures_lose_nothing(f, &mode);
}

static void a_failed_wait_loses_nothing(struct fixture *f)
{
	const struct mode once = {HOST_SYNC, HOST_SYNC, false};
	const struct mode forever = {HOST_SYNC, HOST_SYNC, true};

	failures_lose_nothing(f, &once);
	failures_lose_nothing(f, &forever);
}

/* --- Others, before the wait is over --- */

/*
 * The walkers have the dirty block cached, its table is in place, the wait has
 * failed, and the op that owes it is not finished.
 */
static void split_without_wait(struct fixture *f, struct iopgt_op *op)
{
	map_warm_blocks(f);
	for (unsigned walker = 0; walker < f->walker_count; walker++)
		assert_true(access_ok(f, walker, FIRST(f), WALKER_WRITE));
	/* At level 1 it is the second wait that follows the table. */
	host_fail(&f->host, HOST_SYNC, f->bbm_level == 1 ? 2 : 1, false);
	expect(HOST_ERROR, iopgt_split_block(f->table, FIRST(f), block(f), op));
	host_fail_nothing(&f->host);
	expect_mapped(f, FIRST(f), PHYS(f), block(f));
}

static void expect_marked_again(struct fixture *f, uint64_t iova)
{
	for (unsigned walker = 0; walker < f->walker_count; walker++) {
		take_dirty(f, FIRST(f), block(f));
		assert_true(access_ok(f, walker, iova, WALKER_WRITE));
		look_dirty(f, FIRST(f), block(f));
		assert_true(bit_at(f, iova));
	}
}

static void pages_cleaned_by_another_op_are_marked_again(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	split_without_wait(f, &op);
	/* The other op covers one page; the walkers hold all of the block. */
	take_dirty(f, FIRST(f) + 5 * granule(f), granule(f));
	for (unsigned walker = 0; walker < f->walker_count; walker++)
		assert_true(access_ok(f, walker, FIRST(f) + 5 * granule(f), WALKER_WRITE));
	look_dirty(f, FIRST(f), block(f));
	assert_true(bit_at(f, FIRST(f) + 5 * granule(f)));
	finish(f, &op);
	expect_marked_again(f, FIRST(f) + 5 * granule(f));
}

static void a_page_unmapped_by_another_op_is_out_of_reach(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	split_without_wait(f, &op);
	unmap(f, FIRST(f) + 5 * granule(f), granule(f));
	for (unsigned walker = 0; walker < f->walker_count; walker++)
		assert_false(access_ok(f, walker, FIRST(f) + 5 * granule(f), WALKER_READ));
	finish(f, &op);
}

static void a_page_protected_by_another_op_is_not_written(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	split_without_wait(f, &op);
	protect(f, FIRST(f) + 5 * granule(f), granule(f), IOPGT_READ);
	for (unsigned walker = 0; walker < f->walker_count; walker++)
		assert_false(access_ok(f, walker, FIRST(f) + 5 * granule(f), WALKER_WRITE));
	finish(f, &op);
}

static void unmap_dirty_by_another_op_reports_until_it_is_finished(struct fixture *f)
{
	struct iopgt_op op = new_op(f), other = new_op(f);
	uint64_t iova = FIRST(f) + 5 * granule(f);

	split_without_wait(f, &op);
	expect(IOPGT_OK, iopgt_unmap_dirty(f->table, iova, granule(f),
	                                   page_bitmap(f, iova, granule(f)), &other));
	assert_true(bit_at(f, iova)); /* the block was dirty */
	expect(IOPGT_OK, iopgt_op_finish(&other));
	for (unsigned walker = 0; walker < f->walker_count; walker++)
		assert_false(access_ok(f, walker, iova, WALKER_WRITE));
	finish(f, &op);
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_STAGES | FIXTURE_LEVELS;
	const uint32_t live = FIXTURE_GRANULES | FIXTURE_STAGES;
	const struct fixture_test tests[] = {
		TEST_WITH(all, a_failed_allocation_loses_nothing, .walkers = 2),
		TEST_WITH(all, a_failed_invalidation_loses_nothing, .walkers = 2),
		TEST_WITH(all, a_failed_wait_loses_nothing, .walkers = 2),
		TEST_WITH(live, pages_cleaned_by_another_op_are_marked_again, .walkers = 2),
		TEST_WITH(live, pages_cleaned_by_another_op_are_marked_again, .walkers = 2,
	                  .level = FIXTURE_LEVEL_1),
		TEST_WITH(live, a_page_unmapped_by_another_op_is_out_of_reach, .walkers = 2),
		TEST_WITH(live, a_page_unmapped_by_another_op_is_out_of_reach, .walkers = 2,
	                  .level = FIXTURE_LEVEL_1),
		TEST_WITH(live, a_page_protected_by_another_op_is_not_written, .walkers = 2),
		TEST_WITH(live, a_page_protected_by_another_op_is_not_written, .walkers = 2,
	                  .level = FIXTURE_LEVEL_1),
		TEST_WITH(live, unmap_dirty_by_another_op_reports_until_it_is_finished,
	                  .walkers = 2),
		TEST_WITH(live, unmap_dirty_by_another_op_reports_until_it_is_finished,
	                  .walkers = 2, .level = FIXTURE_LEVEL_1),
	};

	return FIXTURE_RUN(tests);
}
