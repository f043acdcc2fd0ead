/* SPDX-License-Identifier: BSD-2-Clause */
/* The walker model's memory: what stays cached, what leaves, what may not meet. */
#include "test_rig.h"

static const struct iopgt_invalidation first_page = {
	.size = 4 * KIB,
	.stride_shift = 12,
	.level = 3,
};

static bool cached(struct rig *rig, uint64_t iova)
{
	return walker_caches_iova(rig->walker, iova);
}

static void a_stale_dirty_entry_writes_without_a_trace_until_synced(void **state)
{
	struct walker_config config = rig_usual();
	struct rig rig;
	uint64_t slot;

	(void)state;
	rig_init(&rig, &config);
	slot = rig_leaf(&rig, 0, 3, RIG_S1_CLEAN);
	rig_expect(&rig, 0, WALKER_WRITE, WALKER_OK);
	rig_put(&rig, slot, 0, RIG_S1_CLEAN | 3);
	assert_int_equal(walker_prefetch(rig.walker, 0), WALKER_OK);
	rig_expect(&rig, 0, WALKER_WRITE, WALKER_OK);
	assert_int_equal(rig_get(&rig, slot), RIG_S1_CLEAN | 3);
	walker_post_range(rig.walker, &first_page);
	rig_expect(&rig, 0, WALKER_WRITE, WALKER_OK);
	assert_int_equal(rig_get(&rig, slot), RIG_S1_CLEAN | 3);
	walker_sync(rig.walker);
	rig_expect(&rig, 0, WALKER_WRITE, WALKER_OK);
	assert_int_equal(rig_get(&rig, slot), RIG_S1_DIRTY | 3);
	rig_fini(&rig);
}

static void a_stale_clean_entry_cannot_write_past_a_change(void **state)
{
	struct walker_config config = rig_usual();
	struct walker_result result;
	struct rig rig;
	uint64_t slot;

	(void)state;
	rig_init(&rig, &config);
	slot = rig_leaf(&rig, 0, 3, RIG_S1_CLEAN | 8 * KIB);
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	rig_put(&rig, slot, 0, 0);
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	rig_expect(&rig, 0, WALKER_WRITE, WALKER_TRANSLATION);
	assert_int_equal(rig_get(&rig, slot), 0);
	rig_put(&rig, slot, 0, RIG_S1_CLEAN | 8 * KIB | 3);
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	rig_put(&rig, slot, 0, RIG_S1_DIRTY | 12 * KIB | 3);
	assert_int_equal(walker_access(rig.walker, 0, WALKER_WRITE, &result), WALKER_OK);
	assert_int_equal(result.phys, 12 * KIB);
	assert_int_equal(rig_counters(&rig).dirty_updates, 0);
	assert_int_equal(rig_counters(&rig).rereads, 2);
	rig_fini(&rig);
}

/* Sixteen cached pages, and a cached block behind them. */
static void fill_cache(struct rig *rig)
{
	const struct walker_config config = rig_usual();

	rig_init(rig, &config);
	for (uint64_t page = 0; page < 16; page++) {
		rig_leaf(rig, page * 4 * KIB, 3, RIG_S1_CLEAN | page * 4 * KIB);
		rig_expect(rig, page * 4 * KIB, WALKER_READ, WALKER_OK);
	}
	rig_leaf(rig, 2 * MIB, 2, RIG_S1_CLEAN | 2 * MIB);
	rig_expect(rig, 2 * MIB, WALKER_READ, WALKER_OK);
}

static unsigned cached_pages(struct rig *rig)
{
	unsigned count = 0;

	for (uint64_t page = 0; page < 16; page++)
		count += cached(rig, page * 4 * KIB);
	return count;
}

static void a_page_stride_removes_pages_and_blocks(void **state)
{
	const struct iopgt_invalidation request = {
		.size = 4 * MIB,
		.stride_shift = 12,
		.level = IOPGT_NO_LEVEL,
	};
	struct rig rig;

	(void)state;
	fill_cache(&rig);
	rig_invalidate(&rig, &request);
	assert_int_equal(cached_pages(&rig), 0);
	assert_false(cached(&rig, 2 * MIB));
	rig_fini(&rig);
}

static void a_stride_reaches_only_what_it_steps_on(void **state)
{
	struct iopgt_invalidation request = {
		.size = 4 * MIB,
		.stride_shift = 21,
		.level = IOPGT_NO_LEVEL,
	};
	struct rig rig;

	(void)state;
	fill_cache(&rig);
	rig_invalidate(&rig, &request);
	assert_int_equal(cached_pages(&rig), 15);
	assert_false(cached(&rig, 0));
	assert_false(cached(&rig, 2 * MIB));
	request.iova = 12 * KIB;
	request.size = 40 * KIB;
	request.stride_shift = 14;
	rig_invalidate(&rig, &request);
	assert_int_equal(cached_pages(&rig), 12);
	assert_false(cached(&rig, 12 * KIB) || cached(&rig, 28 * KIB) || cached(&rig, 44 * KIB));
	assert_true(cached(&rig, 60 * KIB));
	rig_fini(&rig);
}

static void a_wrong_level_hint_leaves_entries_behind(void **state)
{
	struct iopgt_invalidation request = {
		.size = 4 * MIB,
		.stride_shift = 12,
		.level = 2,
	};
	struct rig rig;

	(void)state;
	fill_cache(&rig);
	rig_invalidate(&rig, &request);
	assert_int_equal(cached_pages(&rig), 16);
	assert_false(cached(&rig, 2 * MIB));
	rig_expect(&rig, 2 * MIB, WALKER_READ, WALKER_OK);
	request.level = 3;
	rig_invalidate(&rig, &request);
	assert_int_equal(cached_pages(&rig), 0);
	assert_true(cached(&rig, 2 * MIB));
	rig_fini(&rig);
}

static void an_invalidation_next_door_removes_nothing(void **state)
{
	struct iopgt_invalidation request = {
		.iova = 64 * KIB,
		.size = 2 * MIB - 64 * KIB,
		.stride_shift = 12,
		.level = 3,
	};
	struct rig rig;

	(void)state;
	fill_cache(&rig);
	rig_invalidate(&rig, &request);
	assert_int_equal(cached_pages(&rig), 16);
	assert_true(cached(&rig, 2 * MIB + 8));
	request.iova = 4 * MIB;
	request.size = (UINT64_C(1) << 39) - 4 * MIB;
	rig_invalidate(&rig, &request);
	assert_int_equal(cached_pages(&rig), 16);
	assert_true(cached(&rig, 2 * MIB));
	assert_int_equal(rig.host.hal.tlb.invalidate_all(&rig.host), 0);
	assert_true(cached(&rig, 2 * MIB));
	assert_int_equal(rig.host.hal.tlb.sync(&rig.host), 0);
	assert_int_equal(cached_pages(&rig), 0);
	rig_fini(&rig);
}

static void a_cached_table_is_walked_until_walk_caches_go(void **state)
{
	struct iopgt_invalidation request = first_page;
	struct walker_config config = rig_usual();
	struct rig rig;
	uint64_t slot;

	(void)state;
	rig_init(&rig, &config);
	rig_leaf(&rig, 0, 3, RIG_S1_CLEAN);
	rig_leaf(&rig, 4 * KIB, 3, RIG_S1_CLEAN);
	slot = rig_slot(&rig, 0, 2);
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	rig_put(&rig, slot, 0, 0);
	rig_invalidate(&rig, &request);
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	rig_expect(&rig, 4 * KIB, WALKER_WRITE, WALKER_OK);
	request.flags = IOPGT_INVALIDATE_WALK_CACHES;
	request.size = 8 * KIB;
	rig_invalidate(&rig, &request);
	rig_expect(&rig, 0, WALKER_READ, WALKER_TRANSLATION);
	assert_true(host_is_good(&rig.host));
	rig_fini(&rig);
}

static void a_walk_into_a_freed_table_is_trapped(void **state)
{
	struct walker_config config = rig_usual();
	uint64_t slot, table;
	struct rig rig;

	(void)state;
	rig_init(&rig, &config);
	rig_leaf(&rig, 0, 3, RIG_S1_CLEAN);
	slot = rig_slot(&rig, 0, 2);
	table = rig_get(&rig, slot) & UINT64_C(0xfffffffff000);
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	assert_true(pool_was_walked(rig.host.pool, table));
	assert_true(walker_caches_table(rig.walker, table, 4 * KIB));
	rig_put(&rig, slot, 0, 0);
	pool_free(rig.host.pool, table, 4 * KIB);
	rig_expect(&rig, 4 * KIB, WALKER_READ, WALKER_BAD_TABLE);
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	rig_expect(&rig, 0, WALKER_WRITE, WALKER_BAD_TABLE);
	assert_false(host_is_good(&rig.host));
	walker_clear_error(rig.walker);
	assert_true(host_is_good(&rig.host));
	rig_fini(&rig);
}

/* A block is cached, and replaced by a table of pages without a wait. */
static enum walker_fault replace_block(uint8_t bbm_level, uint64_t page_bits)
{
	struct walker_config config = rig_usual();
	enum walker_fault fault;
	uint64_t slot, table;
	struct rig rig;

	config.bbm_level = bbm_level;
	rig_init(&rig, &config);
	slot = rig_leaf(&rig, 2 * MIB, 2, RIG_S1_CLEAN | 2 * MIB);
	rig_expect(&rig, 2 * MIB, WALKER_READ, WALKER_OK);
	table = rig_table(&rig, 4 * KIB);
	rig_put(&rig, table, 0, page_bits | 3);
	rig_put(&rig, slot, 0, table | 3);
	fault = walker_prefetch(rig.walker, 2 * MIB);
	assert_int_equal(walker_error(rig.walker) != NULL, fault == WALKER_CONFLICT);
	assert_int_equal(rig_counters(&rig).faults[WALKER_CONFLICT], fault == WALKER_CONFLICT);
	rig_fini(&rig);
	return fault;
}

static void two_sizes_conflict_below_level_2(void **state)
{
	(void)state;
	assert_int_equal(replace_block(0, RIG_S1_CLEAN | 2 * MIB), WALKER_CONFLICT);
	assert_int_equal(replace_block(1, RIG_S1_CLEAN | 2 * MIB), WALKER_CONFLICT);
	assert_int_equal(replace_block(2, RIG_S1_CLEAN | 2 * MIB), WALKER_OK);
	assert_int_equal(replace_block(2, RIG_S1_DIRTY | 2 * MIB), WALKER_OK);
}

static void two_outputs_or_attributes_always_conflict(void **state)
{
	(void)state;
	assert_int_equal(replace_block(2, RIG_S1_CLEAN | 4 * MIB), WALKER_CONFLICT);
	assert_int_equal(replace_block(2, (RIG_S1_CLEAN ^ 0x4) | 2 * MIB), WALKER_CONFLICT);
	assert_int_equal(replace_block(2, (RIG_S1_CLEAN ^ 0x100) | 2 * MIB), WALKER_CONFLICT);
}

static void a_level_1_split_by_nt_does_not_conflict(void **state)
{
	const struct iopgt_invalidation block = {
		.iova = 2 * MIB,
		.size = 2 * MIB,
		.stride_shift = 21,
		.level = 2,
	};
	struct walker_config config = rig_usual();
	uint64_t slot, table;
	struct rig rig;

	(void)state;
	config.bbm_level = 1;
	rig_init(&rig, &config);
	slot = rig_leaf(&rig, 2 * MIB, 2, RIG_S1_CLEAN | 2 * MIB);
	rig_expect(&rig, 2 * MIB, WALKER_WRITE, WALKER_OK);
	rig_put(&rig, slot, 0, rig_get(&rig, slot) | RIG_NT);
	rig_invalidate(&rig, &block);
	rig_expect(&rig, 3 * MIB, WALKER_WRITE, WALKER_OK);
	assert_false(cached(&rig, 3 * MIB));
	table = rig_table(&rig, 4 * KIB);
	rig_put(&rig, table, 0, RIG_S1_CLEAN | 2 * MIB | 3);
	rig_put(&rig, slot, 0, table | 3);
	rig_expect(&rig, 2 * MIB, WALKER_WRITE, WALKER_OK);
	assert_true(host_is_good(&rig.host));
	rig_fini(&rig);
}

static void a_remapped_page_conflicts_when_speculation_sees_it(void **state)
{
	struct walker_config config = rig_usual();
	struct rig rig;

	(void)state;
	config.speculate_one_in = 1;
	rig_init(&rig, &config);
	rig_leaf(&rig, 0, 3, RIG_S1_CLEAN);
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	rig_leaf(&rig, 0, 3, RIG_S1_DIRTY);
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	rig_leaf(&rig, 0, 3, RIG_S1_CLEAN | 4 * KIB);
	rig_expect(&rig, 0, WALKER_READ, WALKER_CONFLICT);
	rig_fini(&rig);
}

static void contiguous_changes_conflict_at_level_0_only(void **state)
{
	(void)state;
	for (uint8_t level = 0; level <= 2; level++) {
		struct walker_config config = rig_usual();
		struct rig rig;

		config.bbm_level = level;
		rig_init(&rig, &config);
		rig_leaf(&rig, 0, 3, RIG_S1_CLEAN);
		rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
		rig_leaf(&rig, 0, 3, RIG_S1_CLEAN | UINT64_C(1) << 52);
		assert_int_equal(walker_prefetch(rig.walker, 0),
		                 level ? WALKER_OK : WALKER_CONFLICT);
		rig_fini(&rig);
	}
}

static void entries_leave_by_chance_and_for_room(void **state)
{
	struct walker_config config = rig_usual();
	struct rig rig;

	(void)state;
	config.tlb_entries = 4;
	rig_init(&rig, &config);
	for (uint64_t page = 0; page < 16; page++) {
		rig_leaf(&rig, page * 4 * KIB, 3, RIG_S1_CLEAN);
		rig_expect(&rig, page * 4 * KIB, WALKER_READ, WALKER_OK);
	}
	assert_int_equal(cached_pages(&rig), 4);
	rig_fini(&rig);

	config = rig_usual();
	config.evict_one_in = 4;
	rig_init(&rig, &config);
	rig_leaf(&rig, 0, 3, RIG_S1_CLEAN);
	for (unsigned i = 0; i < 64; i++)
		rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	assert_in_range(rig_counters(&rig).walks, 4, 40);
	rig_fini(&rig);
}

static void a_posted_invalidation_may_complete_early(void **state)
{
	unsigned early = 0;

	(void)state;
	for (unsigned seed = 0; seed < 64; seed++) {
		struct walker_config config = rig_usual();
		struct rig rig;

		config.seed = seed;
		config.complete_one_in = 4;
		rig_init(&rig, &config);
		rig_leaf(&rig, 0, 3, RIG_S1_CLEAN);
		rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
		walker_post_range(rig.walker, &first_page);
		early += !cached(&rig, 0);
		rig_fini(&rig);
	}
	assert_in_range(early, 4, 32);
}

static void a_non_coherent_walker_sees_what_was_cleaned(void **state)
{
	struct walker_config config = rig_usual();
	struct random random = {1};
	struct rig rig;
	uint64_t slot;
	void *virt;

	(void)state;
	config.flags = WALKER_SMMU | WALKER_NON_COHERENT;
	rig_init(&rig, &config);
	virt = pool_virt(rig.host.pool, rig.root, 4 * KIB);
	rig.host.hal.clean(&rig.host, virt, 4 * KIB);
	slot = rig_leaf(&rig, 0, 1, RIG_S1 | RIG_AF);
	rig_expect(&rig, 0, WALKER_READ, WALKER_TRANSLATION);
	rig.host.hal.clean(&rig.host, pool_virt(rig.host.pool, slot, 8), 8);
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	/* A neighbour in the same line goes with it; a cache may write back by itself. */
	rig_leaf(&rig, GIB, 1, RIG_S1 | RIG_AF);
	rig_leaf(&rig, 9 * GIB, 1, RIG_S1 | RIG_AF);
	rig.host.hal.clean(&rig.host, pool_virt(rig.host.pool, slot, 8), 8);
	rig_expect(&rig, GIB, WALKER_READ, WALKER_OK);
	rig_expect(&rig, 9 * GIB, WALKER_READ, WALKER_TRANSLATION);
	for (unsigned i = 0; i < 2000; i++)
		pool_evict_random(rig.host.pool, &random);
	rig_expect(&rig, 9 * GIB, WALKER_READ, WALKER_OK);
	assert_true(host_is_good(&rig.host));
	rig_fini(&rig);
}

static void a_table_that_was_not_cleaned_is_garbage(void **state)
{
	struct walker_config config = rig_usual();
	struct rig rig;

	(void)state;
	config.flags = WALKER_SMMU | WALKER_NON_COHERENT;
	rig_init(&rig, &config);
	rig_expect(&rig, 0, WALKER_READ, WALKER_RESERVED);
	assert_false(host_is_good(&rig.host));
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stale_dirty_entry_writes_without_a_trace_until_synced),
		cmocka_unit_test(a_stale_clean_entry_cannot_write_past_a_change),
		cmocka_unit_test(a_page_stride_removes_pages_and_blocks),
		cmocka_unit_test(a_stride_reaches_only_what_it_steps_on),
		cmocka_unit_test(a_wrong_level_hint_leaves_entries_behind),
		cmocka_unit_test(an_invalidation_next_door_removes_nothing),
		cmocka_unit_test(a_cached_table_is_walked_until_walk_caches_go),
		cmocka_unit_test(a_walk_into_a_freed_table_is_trapped),
		cmocka_unit_test(two_sizes_conflict_below_level_2),
		cmocka_unit_test(two_outputs_or_attributes_always_conflict),
		cmocka_unit_test(a_level_1_split_by_nt_does_not_conflict),
		cmocka_unit_test(a_remapped_page_conflicts_when_speculation_sees_it),
		cmocka_unit_test(contiguous_changes_conflict_at_level_0_only),
		cmocka_unit_test(entries_leave_by_chance_and_for_room),
		cmocka_unit_test(a_posted_invalidation_may_complete_early),
		cmocka_unit_test(a_non_coherent_walker_sees_what_was_cleaned),
		cmocka_unit_test(a_table_that_was_not_cleaned_is_garbage),
	};

	return cmocka_run_group_tests_name("walker caches", tests, NULL, NULL);
}
