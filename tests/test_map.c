/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_map: what becomes mapped, and in which leaves. */
#include "fixture.h"

/* --- Coverage --- */

static void map_translates_exactly_what_was_mapped(struct fixture *f)
{
	uint64_t first = 2 * block(f) - granule(f);
	uint64_t size = block(f) + 2 * granule(f);

	map(f, first, 5 * block(f) - granule(f), size, RW);
	expect_mapped(f, first, 5 * block(f) - granule(f), size);
	expect_unmapped(f, first - granule(f), granule(f));
	expect_unmapped(f, first + size, granule(f));
	assert_true(access_ok(f, 0, first + size - 1, WALKER_WRITE));
	assert_false(access_ok(f, 0, first + size, WALKER_READ));
	assert_false(access_ok(f, 0, first - 1, WALKER_READ));
}

static void map_reaches_both_ends_of_the_spaces(struct fixture *f)
{
	uint64_t top = (UINT64_C(1) << 48) - granule(f);

	map(f, 0, top, granule(f), RW);
	map(f, top, 0, granule(f), RW);
	expect_mapped(f, 0, top, granule(f));
	expect_mapped(f, top, 0, granule(f));
	expect_unmapped(f, granule(f), granule(f));
	expect_unmapped(f, top - granule(f), granule(f));
}

static void map_fills_a_whole_input_space(struct fixture *f)
{
	uint64_t size = UINT64_C(1) << 32;

	map(f, 0, 0, size, RW);
	expect_mapped(f, 0, 0, block(f));
	expect_mapped(f, size - block(f), size - block(f), block(f));
	assert_false(access_ok(f, 0, size, WALKER_READ));
	unmap(f, 0, size);
	expect_unmapped(f, 0, block(f));
}

/* Each begins in a table of its own, which is filled before it is linked. */
static void map_fills_any_run_of_a_new_table(struct fixture *f)
{
	for (uint64_t first = 1; first <= 10; first++) {
		for (uint64_t count = 1; count <= 26; count++) {
			uint64_t iova = block(f) + first * granule(f);
			uint64_t size = count * granule(f);

			map(f, iova, 7 * granule(f), size, RW);
			expect_unmapped(f, block(f), first * granule(f));
			expect_mapped(f, iova, 7 * granule(f), size);
			expect_unmapped(f, iova + size, 9 * granule(f));
			unmap(f, block(f), block(f));
		}
	}
}

static void map_leaves_neighbours_alone(struct fixture *f)
{
	map(f, block(f), block(f), granule(f), IOPGT_READ);
	map(f, block(f) + 2 * granule(f), 0, granule(f), IOPGT_READ);
	map(f, block(f) + granule(f), 9 * block(f), granule(f), RW);
	expect_mapped(f, block(f), block(f), granule(f));
	expect_mapped(f, block(f) + granule(f), 9 * block(f), granule(f));
	expect_mapped(f, block(f) + 2 * granule(f), 0, granule(f));
	assert_false(access_ok(f, 0, block(f), WALKER_WRITE));
	assert_true(access_ok(f, 0, block(f) + granule(f), WALKER_WRITE));
}

static void map_counts_granules(struct fixture *f)
{
	uint64_t size = block(f) + 3 * granule(f);
	struct iopgt_mapping mapping = fixture_mapping(block(f), block(f), size, RW);
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_map(f->table, &mapping, &op));
	assert_int_equal(op.stats.mapped, size / granule(f));
	assert_true(op.stats.looked_at > 0);
	finish(f, &op);
}

/* --- Leaves --- */

static void map_uses_level_2_blocks_where_both_addresses_are_aligned(struct fixture *f)
{
	uint64_t iova = 3 * block(f);

	map(f, iova - granule(f), 7 * block(f) - granule(f), 3 * block(f), RW);
	expect_level(f, iova - granule(f), 3);
	expect_level(f, iova, 2);
	expect_level(f, iova + 2 * block(f) - 1, 2);
	expect_level(f, iova + 2 * block(f), 3);
}

static void map_uses_pages_where_the_output_is_misaligned(struct fixture *f)
{
	map(f, block(f), granule(f), 2 * block(f), RW);
	expect_level(f, block(f), 3);
	expect_level(f, 3 * block(f) - 1, 3);
	expect_mapped(f, block(f), granule(f), 2 * block(f));
}

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)

static void map_uses_level_1_blocks_of_4_kib_granule(struct fixture *f)
{
	map(f, GIB - 2 * MIB, 3 * GIB - 2 * MIB, 2 * GIB + 4 * MIB, RW);
	expect_level(f, GIB - 2 * MIB, 2);
	expect_level(f, GIB, 1);
	expect_level(f, 3 * GIB - 1, 1);
	expect_level(f, 3 * GIB, 2);
	map(f, 8 * GIB, 8 * GIB + 2 * MIB, GIB, RW);
	expect_level(f, 8 * GIB, 2);
	expect_mapped(f, 3 * GIB - 4 * MIB, 5 * GIB - 4 * MIB, 6 * MIB);
}

static void map_uses_no_block_above_those_that_the_granule_has(struct fixture *f)
{
	/* 16 KiB L1 is 64 GiB, 64 KiB L1 is 4 TiB: no blocks without 52-bit addresses. */
	uint64_t size = f->config.granule_shift == 14 ? 64 * GIB : 4096 * GIB;

	map(f, size, size, size, IOPGT_READ);
	expect_level(f, size, 2);
	expect_level(f, 2 * size - 1, 2);
}

static void map_uses_no_512_gib_block(struct fixture *f)
{
	map(f, 512 * GIB, 512 * GIB, 512 * GIB, IOPGT_READ);
	expect_level(f, 512 * GIB, 1);
	expect_level(f, 1024 * GIB - 1, 1);
}

static void map_obeys_leaf_sizes_of_pages_alone(struct fixture *f)
{
	map(f, block(f), block(f), block(f), RW);
	expect_level(f, block(f), 3);
	expect_level(f, 2 * block(f) - 1, 3);
}

static void map_obeys_leaf_sizes_without_the_largest(struct fixture *f)
{
	map(f, GIB, GIB, GIB, RW);
	expect_level(f, GIB, 2);
}

/* --- Dirty state of new mappings --- */

static void map_makes_the_state_that_was_asked_for(struct fixture *f)
{
	map(f, 0, 0, granule(f), RW);
	map(f, granule(f), 0, granule(f), RW | IOPGT_CLEAN);
	map(f, 2 * granule(f), 0, granule(f), RW | IOPGT_NO_TRACK);
	map(f, 3 * granule(f), 0, granule(f), IOPGT_READ);
	assert_int_equal(state_at(f, 0), IOPGT_LEAF_DIRTY);
	assert_int_equal(state_at(f, granule(f)), IOPGT_LEAF_CLEAN);
	assert_int_equal(state_at(f, 2 * granule(f)), IOPGT_LEAF_UNTRACKED);
	assert_int_equal(state_at(f, 3 * granule(f)), IOPGT_LEAF_READ_ONLY);
	assert_int_equal(leaf_at(f, 0).dirty, WALKER_WRITABLE_DIRTY);
	assert_int_equal(leaf_at(f, granule(f)).dirty, WALKER_WRITABLE_CLEAN);
	assert_int_equal(leaf_at(f, 2 * granule(f)).dirty, WALKER_WRITABLE_UNTRACKED);
	assert_int_equal(leaf_at(f, 3 * granule(f)).dirty, WALKER_READ_ONLY);
}

static void a_clean_mapping_is_marked_by_its_first_write(struct fixture *f)
{
	map(f, block(f), block(f), block(f), RW | IOPGT_CLEAN);
	read_page(f, block(f));
	assert_int_equal(state_at(f, block(f)), IOPGT_LEAF_CLEAN);
	write_page(f, block(f) + granule(f));
	assert_int_equal(state_at(f, block(f)), IOPGT_LEAF_DIRTY);
}

static void without_dirty_management_writable_is_untracked(struct fixture *f)
{
	map(f, 0, 0, granule(f), RW);
	assert_int_equal(state_at(f, 0), IOPGT_LEAF_UNTRACKED);
	write_page(f, 0);
}

/* --- Empty tables --- */

/* A last-level table at `iova`, empty, that the walker has walked through. */
static void leave_empty_table(struct fixture *f, uint64_t iova)
{
	map(f, iova, 0, granule(f), RW);
	map(f, iova + granule(f), 0, granule(f), RW);
	read_page(f, iova);
	unmap(f, iova, granule(f));
	unmap(f, iova + granule(f), granule(f));
}

static void map_replaces_an_empty_table_by_a_block(struct fixture *f)
{
	struct iopgt_table_usage before, after;

	leave_empty_table(f, block(f));
	expect(IOPGT_OK, iopgt_table_stats(f->table, &before));
	map(f, block(f), 3 * block(f), block(f), RW);
	expect(IOPGT_OK, iopgt_table_stats(f->table, &after));
	expect_level(f, block(f), 2);
	assert_int_equal(after.tables, before.tables - 1);
	assert_int_equal(pool_in_use(f->host.pool), after.tables);
}

static void a_block_in_place_of_an_empty_table_serves_at_once(struct fixture *f)
{
	struct iopgt_mapping mapping = fixture_mapping(block(f), 3 * block(f), block(f), RW);
	struct iopgt_op op = new_op(f);
	struct walker_result result;

	leave_empty_table(f, block(f));
	expect(IOPGT_OK, iopgt_map(f->table, &mapping, &op));
	assert_int_equal(walker_access(f->walkers[0], block(f), WALKER_READ, &result), WALKER_OK);
	assert_int_equal(result.phys, 3 * block(f));
	finish(f, &op);
}

static void an_empty_table_is_freed_after_walk_caches_forgot_it(struct fixture *f)
{
	struct host_event event;
	int64_t range, waited, freed;

	leave_empty_table(f, block(f));
	host_log_clear(&f->host);
	map(f, block(f), 3 * block(f), block(f), RW);
	range = event_index(f, HOST_RANGE, 0);
	waited = event_index(f, HOST_SYNC, 0);
	freed = event_index(f, HOST_FREE, 0);
	assert_true(range >= 0 && range < waited && waited < freed);
	assert_true(host_event(&f->host, (uint64_t)range, &event));
	assert_true(event.request.flags & IOPGT_INVALIDATE_WALK_CACHES);
	assert_true(event.request.iova <= block(f));
	assert_true(event.request.iova + event.request.size >= 2 * block(f));
}

static void map_reuses_an_empty_table_for_pages(struct fixture *f)
{
	size_t before;

	leave_empty_table(f, block(f));
	before = pool_in_use(f->host.pool);
	map(f, block(f), granule(f), 2 * granule(f), RW);
	assert_int_equal(pool_in_use(f->host.pool), before);
	expect_mapped(f, block(f), granule(f), 2 * granule(f));
}

static void map_replaces_a_tree_of_empty_tables_by_one_block(struct fixture *f)
{
	size_t root_alone = pool_in_use(f->host.pool), before;

	leave_empty_table(f, GIB);
	leave_empty_table(f, GIB + 6 * MIB);
	before = pool_in_use(f->host.pool);
	assert_true(before >= root_alone + 3);
	map(f, GIB, GIB, GIB, RW);
	expect_level(f, GIB, 1);
	read_page(f, GIB);
	read_page(f, GIB + 6 * MIB);
	/* The level-2 table and two of level 3 are gone. */
	assert_int_equal(pool_in_use(f->host.pool), before - 3);
}

/* --- Walkers that do not snoop --- */

static void a_non_coherent_walker_sees_each_mapping(struct fixture *f)
{
	map(f, block(f) - granule(f), 2 * block(f) - granule(f), 2 * block(f), RW);
	read_page(f, block(f) - granule(f));
	read_page(f, block(f));
	read_page(f, 3 * block(f) - 2 * granule(f));
	expect_mapped(f, block(f) - granule(f), 2 * block(f) - granule(f), 2 * block(f));
	map(f, 8 * block(f), 0, granule(f), RW);
	expect_mapped(f, 8 * block(f), 0, granule(f));
	unmap(f, 8 * block(f), granule(f));
	expect_unmapped(f, 8 * block(f), granule(f));
	assert_false(access_ok(f, 0, 8 * block(f), WALKER_READ));
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_REGIMES;
	const struct fixture_test tests[] = {
		TEST(all, map_translates_exactly_what_was_mapped),
		TEST(all, map_reaches_both_ends_of_the_spaces),
		TEST_WITH(all, map_fills_a_whole_input_space, .input_bits = 32, .output_bits = 32),
		TEST(FIXTURE_GRANULES, map_fills_any_run_of_a_new_table),
		TEST(all, map_leaves_neighbours_alone),
		TEST(all, map_counts_granules),
		TEST(all, map_uses_level_2_blocks_where_both_addresses_are_aligned),
		TEST(all, map_uses_pages_where_the_output_is_misaligned),
		TEST(FIXTURE_REGIMES, map_uses_level_1_blocks_of_4_kib_granule),
		TEST_WITH(0, map_uses_no_block_above_those_that_the_granule_has,
	                  .granule_shift = 14),
		TEST_WITH(0, map_uses_no_block_above_those_that_the_granule_has,
	                  .granule_shift = 16),
		TEST(0, map_uses_no_512_gib_block),
		TEST_WITH(0, map_obeys_leaf_sizes_of_pages_alone, .leaf_sizes = 1 << 12),
		TEST_WITH(0, map_obeys_leaf_sizes_of_pages_alone, .granule_shift = 14,
	                  .leaf_sizes = 1 << 14),
		TEST_WITH(0, map_obeys_leaf_sizes_of_pages_alone, .granule_shift = 16,
	                  .leaf_sizes = 1 << 16),
		TEST_WITH(0, map_obeys_leaf_sizes_without_the_largest,
	                  .leaf_sizes = 1 << 12 | 1 << 21),
		TEST(FIXTURE_REGIMES, map_makes_the_state_that_was_asked_for),
		TEST_WITH(FIXTURE_REGIMES, map_makes_the_state_that_was_asked_for,
	                  .dirty = FIXTURE_SOFTWARE),
		TEST(all, a_clean_mapping_is_marked_by_its_first_write),
		TEST_WITH(FIXTURE_REGIMES, without_dirty_management_writable_is_untracked,
	                  .dirty = FIXTURE_NO_DIRTY),
		TEST(all, map_replaces_an_empty_table_by_a_block),
		TEST(all, a_block_in_place_of_an_empty_table_serves_at_once),
		TEST(all, an_empty_table_is_freed_after_walk_caches_forgot_it),
		TEST(all, map_reuses_an_empty_table_for_pages),
		TEST(FIXTURE_REGIMES, map_replaces_a_tree_of_empty_tables_by_one_block),
		TEST_WITH(all, a_non_coherent_walker_sees_each_mapping, .dirty = FIXTURE_NO_DIRTY,
	                  .config_flags = IOPGT_CONFIG_NON_COHERENT),
	};

	return FIXTURE_RUN(tests);
}
