/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_merge_page while walkers access the pages at every call of the host. */
#include "fixture.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (12 * block(f))
#define BLOCKS   3
#define WATCHED  48

struct writes {
	struct random random;
	bool landed[WATCHED];
	unsigned faults, accesses;
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

		writes->accesses++;
		if (!access_ok(f, walker, watched(f, number), writing ? WALKER_WRITE : WALKER_READ))
			writes->faults++;
		else
			writes->landed[number] |= writing;
	}
}

/* Each walker has some pages and their tables cached, clean. */
static void warm_up(struct fixture *f)
{
	for (unsigned walker = 0; walker < f->walker_count; walker++)
		for (unsigned i = walker; i < WATCHED; i += 2)
			assert_true(access_ok(f, walker, watched(f, i), WALKER_READ));
}

static struct writes merge_beside_walkers(struct fixture *f, uint64_t seed)
{
	struct writes writes = {.random = {seed}};
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), PHYS(f), BLOCKS * block(f), RW | IOPGT_CLEAN);
	split(f, FIRST(f), BLOCKS * block(f));
	warm_up(f);
	f->hook_context = &writes;
	f->hook = access_a_little;
	expect(IOPGT_OK, iopgt_merge_page(f->table, FIRST(f), BLOCKS * block(f), &op));
	access_a_little(f, HOST_ANY, false);
	expect(IOPGT_OK, iopgt_op_finish(&op));
	f->hook = NULL;
	check(f);
	assert_int_equal(op.stats.merged, BLOCKS);
	assert_true(writes.accesses > 6);
	return writes;
}

static void expect_reported(struct fixture *f, const struct writes *writes)
{
	look_dirty(f, FIRST(f), BLOCKS * block(f));
	for (unsigned i = 0; i < WATCHED; i++)
		assert_true(!writes->landed[i] || bit_at(f, watched(f, i)));
}

#define SEEDS 20

static void writes_during_a_merge_are_reported(struct fixture *f)
{
	uint64_t seed = seed_from_environment("IOPGT_SEED", 1);

	for (uint64_t i = 0; i < SEEDS; i++) {
		struct writes writes = merge_beside_walkers(f, seed + i);

		expect_reported(f, &writes);
		expect_mapped(f, FIRST(f), PHYS(f), granule(f));
		unmap(f, FIRST(f), BLOCKS * block(f));
	}
}

static void walkers_do_not_fault_at_levels_1_and_2(struct fixture *f)
{
	for (uint64_t i = 0; i < SEEDS; i++) {
		assert_int_equal(merge_beside_walkers(f, i).faults, 0);
		unmap(f, FIRST(f), BLOCKS * block(f));
	}
}

static void a_merged_block_can_be_split_and_merged_again(struct fixture *f)
{
	struct writes writes = {.random = {1}};

	map(f, FIRST(f), PHYS(f), BLOCKS * block(f), RW | IOPGT_CLEAN);
	f->hook_context = &writes;
	f->hook = access_a_little;
	for (int i = 0; i < SEEDS; i++) {
		split(f, FIRST(f), BLOCKS * block(f));
		merge(f, FIRST(f), BLOCKS * block(f));
	}
	f->hook = NULL;
	check(f);
	expect_mapped(f, FIRST(f), PHYS(f), BLOCKS * block(f));
	expect_reported(f, &writes);
}

/*
 * A failure at any call: the tables are linked again with all that was marked,
 * and the op can be finished; then the merge succeeds.
 */
static void merge_with_failure(struct fixture *f, enum host_call call, uint64_t nth, bool *failed)
{
	struct writes writes = {.random = {nth}};
	struct iopgt_op op = new_op(f);
	int error;

	map(f, FIRST(f), PHYS(f), BLOCKS * block(f), RW | IOPGT_CLEAN);
	split(f, FIRST(f), BLOCKS * block(f));
	warm_up(f);
	f->hook_context = &writes;
	f->hook = access_a_little;
	host_fail(&f->host, call, nth, call == HOST_RANGE);
	if (call == HOST_RANGE) /* else it takes the place of a failed range */
		host_fail(&f->host, HOST_ALL, 1, true);
	error = iopgt_merge_page(f->table, FIRST(f), BLOCKS * block(f), &op);
	host_fail_nothing(&f->host);
	*failed = error != IOPGT_OK;
	assert_true(error == IOPGT_OK || error == HOST_ERROR);
	access_a_little(f, HOST_ANY, false);
	expect(IOPGT_OK, iopgt_op_finish(&op));
	f->hook = NULL;
	check(f);
	expect_reported(f, &writes);
	expect_mapped(f, FIRST(f), PHYS(f), BLOCKS * block(f));
	merge(f, FIRST(f), BLOCKS * block(f));
	expect_level(f, FIRST(f), 2);
	expect_reported(f, &writes);
	unmap(f, FIRST(f), BLOCKS * block(f));
}

/* Returns how many calls of this kind there were to fail. */
static uint64_t failures_lose_nothing(struct fixture *f, enum host_call call)
{
	bool failed = true;
	uint64_t nth;

	for (nth = 0; failed; nth++) {
		assert_true(nth < 100);
		merge_with_failure(f, call, nth + 1, &failed);
	}
	return nth - 1;
}

static void a_failed_invalidation_loses_nothing(struct fixture *f)
{
	assert_true(failures_lose_nothing(f, HOST_RANGE) > 0);
}

static void a_failed_wait_loses_nothing(struct fixture *f)
{
	assert_true(failures_lose_nothing(f, HOST_SYNC) > 0);
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_STAGES | FIXTURE_LEVELS;
	const uint32_t live = FIXTURE_GRANULES | FIXTURE_REGIMES;
	const struct fixture_test tests[] = {
		TEST_WITH(all, writes_during_a_merge_are_reported, .walkers = 2),
		TEST_WITH(live, walkers_do_not_fault_at_levels_1_and_2, .walkers = 2,
	                  .level = FIXTURE_LEVEL_1),
		TEST_WITH(live, walkers_do_not_fault_at_levels_1_and_2, .walkers = 2,
	                  .level = FIXTURE_LEVEL_2),
		TEST_WITH(all, a_merged_block_can_be_split_and_merged_again, .walkers = 2),
		TEST_WITH(all, a_failed_invalidation_loses_nothing, .walkers = 2),
		TEST_WITH(all, a_failed_wait_loses_nothing, .walkers = 2),
	};

	return FIXTURE_RUN(tests);
}
