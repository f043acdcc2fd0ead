/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_merge_page: a block in place of its pages, under walkers that run. */
#include "fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FIRST(f)     (4 * block(f))
#define PHYS(f)      (12 * block(f))
#define GIB          (UINT64_C(1) << 30)

/* Pages that could be blocks: mapped as blocks and split. */
static void map_pages(struct fixture *f, unsigned blocks, uint32_t prot)
{
	map(f, FIRST(f), PHYS(f), blocks * block(f), prot);
	split(f, FIRST(f), blocks * block(f));
	expect_level(f, FIRST(f), 3);
}

static uint64_t page(struct fixture *f, uint64_t number)
{
	return FIRST(f) + number * granule(f);
}

/* --- What becomes a block --- */

static void merge_keeps_the_output_address_of_every_page(struct fixture *f)
{
	size_t before = pool_in_use(f->host.pool);
	struct iopgt_stats stats;

	map(f, FIRST(f), PHYS(f), 3 * block(f), RW | IOPGT_CLEAN);
	before = pool_in_use(f->host.pool);
	split(f, FIRST(f), 3 * block(f));
	for (uint64_t at = 0; at < 3 * block(f); at += block(f) / 4)
		read_page(f, FIRST(f) + at);
	stats = merge(f, FIRST(f), 3 * block(f));
	assert_int_equal(stats.merged, 3);
	assert_int_equal(stats.left_unmerged, 0);
	assert_int_equal(pool_in_use(f->host.pool), before);
	expect_mapped(f, FIRST(f), PHYS(f), 3 * block(f));
	for (uint64_t at = 0; at < 3 * block(f); at += block(f)) {
		expect_level(f, FIRST(f) + at, 2);
		read_page(f, FIRST(f) + at + granule(f));
	}
}

static void merge_keeps_permissions_and_memory_type(struct fixture *f)
{
	static const struct {
		uint32_t prot, memory;
	} kinds[] = {
		{RW, IOPGT_WRITE_BACK},
		{RW | IOPGT_CLEAN, IOPGT_WRITE_BACK},
		{RW | IOPGT_NO_TRACK, IOPGT_DEVICE},
		{IOPGT_READ, IOPGT_WRITE_BACK},
		{IOPGT_READ | IOPGT_EXECUTE, IOPGT_NON_CACHEABLE},
	};

	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct iopgt_mapping mapping = fixture_mapping(FIRST(f), PHYS(f), block(f), 0);
		struct walker_leaf before, after;

		mapping.prot = kinds[i].prot;
		mapping.memory = kinds[i].memory;
		fixture_map(f, &mapping);
		before = leaf_at(f, FIRST(f));
		split(f, FIRST(f), block(f));
		read_page(f, page(f, 3));
		merge(f, FIRST(f), block(f));
		after = leaf_at(f, FIRST(f));
		assert_int_equal(after.descriptor, before.descriptor);
		unmap(f, FIRST(f), block(f));
	}
}

static void pages_mapped_one_by_one_can_be_merged(struct fixture *f)
{
	for (uint64_t at = 0; at < block(f); at += granule(f)) {
		struct iopgt_mapping mapping =
			fixture_mapping(FIRST(f) + at, PHYS(f) + at, granule(f), RW);
		struct iopgt_op op = new_op(f);

		expect(IOPGT_OK, iopgt_map(f->table, &mapping, &op));
	}
	assert_int_equal(merge(f, FIRST(f), block(f)).merged, 1);
	expect_level(f, FIRST(f), 2);
}

static void pages_become_a_gibibyte(struct fixture *f)
{
	map(f, GIB, 5 * GIB, GIB, RW | IOPGT_CLEAN);
	split(f, GIB, GIB);
	expect_level(f, GIB, 3);
	write_page(f, GIB + 300 * block(f) + 7 * granule(f));
	read_page(f, 2 * GIB - 1);
	merge(f, GIB, GIB);
	expect_level(f, GIB, 1);
	assert_int_equal(state_at(f, GIB), IOPGT_LEAF_DIRTY);
	assert_int_equal(leaf_at(f, GIB).leaf_phys, 5 * GIB);
	read_page(f, GIB);
	read_page(f, 2 * GIB - 1);
}

static void one_hole_in_a_gibibyte_leaves_blocks_around_it(struct fixture *f)
{
	struct iopgt_stats stats;

	map(f, GIB, 5 * GIB, GIB, RW | IOPGT_CLEAN);
	split(f, GIB, GIB);
	unmap(f, GIB + 7 * block(f), granule(f));
	stats = merge(f, GIB, GIB);
	assert_int_equal(stats.merged, 511);
	assert_int_equal(stats.left_unmerged, 1);
	expect_level(f, GIB, 2);
	expect_level(f, GIB + 7 * block(f) + granule(f), 3);
	expect_level(f, GIB + 8 * block(f), 2);
	expect_mapped(f, GIB, 5 * GIB, 7 * block(f));
}

static void only_tables_wholly_in_the_range_are_merged(struct fixture *f)
{
	map_pages(f, 3, RW);
	merge(f, FIRST(f) + granule(f), 3 * block(f) - 2 * granule(f));
	expect_level(f, FIRST(f), 3);
	expect_level(f, FIRST(f) + block(f), 2);
	expect_level(f, FIRST(f) + 2 * block(f), 3);
	expect_mapped(f, FIRST(f), PHYS(f), 3 * block(f));
}

static void merge_obeys_leaf_sizes(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), block(f), RW);
	expect_level(f, FIRST(f), 3);
	assert_int_equal(merge(f, FIRST(f), block(f)).merged, 0);
	expect_level(f, FIRST(f), 3);
}

/* --- Dirty state --- */

static void a_block_is_dirty_if_any_page_was(struct fixture *f)
{
	const uint64_t pages = block(f) / granule(f);
	const uint64_t places[] = {0, 1, 63, 64, pages / 2, pages - 1};

	for (size_t i = 0; i < COUNT(places); i++) {
		map_pages(f, 2, RW | IOPGT_CLEAN);
		write_page(f, page(f, places[i]));
		merge(f, FIRST(f), 2 * block(f));
		assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_DIRTY);
		take_dirty(f, FIRST(f), 2 * block(f));
		assert_true(bit_at(f, page(f, places[i])));
		unmap(f, FIRST(f), 2 * block(f));
	}
}

static void read_only_pages_that_were_written_make_a_block_that_was(struct fixture *f)
{
	map_pages(f, 1, RW | IOPGT_CLEAN);
	write_page(f, page(f, 9));
	protect(f, FIRST(f), block(f), IOPGT_READ);
	merge(f, FIRST(f), block(f));
	expect_level(f, FIRST(f), 2);
	assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_READ_ONLY);
	look_dirty(f, FIRST(f), block(f));
	assert_true(bit_at(f, page(f, 9)));
}

/* --- What does not --- */

static void expect_unmergeable(struct fixture *f)
{
	struct iopgt_stats stats = merge(f, FIRST(f), 2 * block(f));

	assert_int_equal(stats.merged, 1);
	assert_int_equal(stats.left_unmerged, 1);
	expect_level(f, page(f, 1), 3);
	expect_level(f, FIRST(f) + block(f), 2);
}

static void remap(struct fixture *f, uint64_t number, uint64_t phys, uint32_t prot)
{
	unmap(f, page(f, number), granule(f));
	map(f, page(f, number), phys, granule(f), prot);
}

static void a_hole_cannot_be_merged(struct fixture *f)
{
	map_pages(f, 2, RW);
	unmap(f, page(f, 5), granule(f));
	expect_unmergeable(f);
	expect_unmapped(f, page(f, 5), granule(f));
}

static void a_table_with_a_hole_at_its_end_cannot_be_merged(struct fixture *f)
{
	map_pages(f, 2, RW);
	unmap(f, FIRST(f) + block(f) - granule(f), granule(f));
	expect_unmergeable(f);
}

static void other_permissions_cannot_be_merged(struct fixture *f)
{
	map_pages(f, 2, RW);
	protect(f, page(f, 5), granule(f), IOPGT_READ);
	expect_unmergeable(f);
	assert_int_equal(state_at(f, page(f, 5)), IOPGT_LEAF_READ_ONLY);
	protect(f, page(f, 5), granule(f), RW | IOPGT_EXECUTE);
	assert_int_equal(merge(f, FIRST(f), block(f)).merged, 0);
}

static void another_memory_type_cannot_be_merged(struct fixture *f)
{
	struct iopgt_mapping mapping;

	map_pages(f, 2, RW);
	unmap(f, page(f, 5), granule(f));
	mapping = fixture_mapping(page(f, 5), PHYS(f) + 5 * granule(f), granule(f), RW);
	mapping.memory = IOPGT_NON_CACHEABLE;
	fixture_map(f, &mapping);
	expect_unmergeable(f);
}

static void outputs_out_of_order_cannot_be_merged(struct fixture *f)
{
	map_pages(f, 2, RW);
	remap(f, 5, PHYS(f) + 6 * granule(f), RW);
	remap(f, 6, PHYS(f) + 5 * granule(f), RW);
	expect_unmergeable(f);
	expect_mapped(f, page(f, 5), PHYS(f) + 6 * granule(f), granule(f));
}

static void a_misaligned_output_cannot_be_merged(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f) + granule(f), block(f), RW);
	map(f, FIRST(f) + block(f), PHYS(f), block(f), RW);
	split(f, FIRST(f) + block(f), block(f));
	expect_unmergeable(f);
	expect_mapped(f, FIRST(f), PHYS(f) + granule(f), block(f));
}

static void tracked_and_untracked_pages_cannot_be_merged(struct fixture *f)
{
	map_pages(f, 2, RW);
	remap(f, 5, PHYS(f) + 5 * granule(f), RW | IOPGT_NO_TRACK);
	expect_unmergeable(f);
	assert_int_equal(state_at(f, page(f, 5)), IOPGT_LEAF_UNTRACKED);
}

/* --- Waits and memory --- */

static void waits_are_shared_by_64_blocks(struct fixture *f)
{
	static const uint64_t counts[] = {1, 63, 64, 130};

	for (size_t i = 0; i < COUNT(counts); i++) {
		uint64_t size = counts[i] * block(f);
		struct iopgt_stats stats;

		map_pages(f, (unsigned)counts[i], RW);
		stats = merge(f, FIRST(f), size);
		assert_int_equal(stats.merged, counts[i]);
		assert_true(stats.waits <= 2 + 2 * counts[i] / 64);
		unmap(f, FIRST(f), size);
	}
}

static void cached_pages_and_tables_are_forgotten(struct fixture *f)
{
	map_pages(f, 2, RW | IOPGT_CLEAN);
	for (uint64_t number = 0; number < 20; number++)
		for (unsigned walker = 0; walker < f->walker_count; walker++)
			assert_true(access_ok(f, walker, page(f, number), WALKER_WRITE));
	merge(f, FIRST(f), 2 * block(f));
	take_dirty(f, FIRST(f), 2 * block(f));
	/* A page left behind in a cache would be dirty still, and leave no mark. */
	for (uint64_t number = 0; number < 20; number += 3) {
		for (unsigned walker = 0; walker < f->walker_count; walker++)
			assert_true(access_ok(f, walker, page(f, number), WALKER_WRITE));
		take_dirty(f, FIRST(f), 2 * block(f));
		expect_only_bits(f, FIRST(f), block(f));
	}
}

/* --- Level 0 and pieces --- */

static void level_0_without_leave_changes_nothing(struct fixture *f)
{
	struct iopgt_op op = {0};

	map_pages(f, 2, RW);
	expect(IOPGT_WOULD_BREAK, iopgt_merge_page(f->table, FIRST(f), 2 * block(f), &op));
	finish(f, &op);
	expect_level(f, FIRST(f), 3);
	expect_level(f, FIRST(f) + block(f), 3);
}

static void merge_in_pieces_ends_the_same(struct fixture *f)
{
	uint64_t at = FIRST(f), end = FIRST(f) + 5 * block(f);
	struct iopgt_op op = new_op(f);
	unsigned calls = 1;
	int error;

	map_pages(f, 5, RW | IOPGT_CLEAN);
	write_page(f, page(f, 1));
	op.budget = 1;
	while ((error = iopgt_merge_page(f->table, at, end - at, &op)) == IOPGT_AGAIN) {
		assert_true(op.next > at && op.next < end);
		at = op.next;
		calls++;
	}
	expect(IOPGT_OK, error);
	finish(f, &op);
	assert_true(calls > 1);
	assert_int_equal(op.stats.merged, 5);
	look_dirty(f, FIRST(f), 5 * block(f));
	expect_only_bits(f, FIRST(f), block(f));
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_REGIMES | FIXTURE_LEVELS;
	const uint32_t plain = FIXTURE_GRANULES | FIXTURE_LEVELS;
	const struct fixture_test tests[] = {
		TEST(all, merge_keeps_the_output_address_of_every_page),
		TEST(all, merge_keeps_permissions_and_memory_type),
		TEST(plain, pages_mapped_one_by_one_can_be_merged),
		TEST(FIXTURE_STAGES | FIXTURE_LEVELS, pages_become_a_gibibyte),
		TEST(FIXTURE_LEVELS, one_hole_in_a_gibibyte_leaves_blocks_around_it),
		TEST(plain, only_tables_wholly_in_the_range_are_merged),
		TEST_WITH(FIXTURE_LEVELS, merge_obeys_leaf_sizes, .leaf_sizes = 1 << 12),
		TEST(all, a_block_is_dirty_if_any_page_was),
		TEST(all, read_only_pages_that_were_written_make_a_block_that_was),
		TEST(plain, a_hole_cannot_be_merged),
		TEST(plain, a_table_with_a_hole_at_its_end_cannot_be_merged),
		TEST(plain, other_permissions_cannot_be_merged),
		TEST(plain, another_memory_type_cannot_be_merged),
		TEST(plain, outputs_out_of_order_cannot_be_merged),
		TEST(plain, a_misaligned_output_cannot_be_merged),
		TEST(plain, tracked_and_untracked_pages_cannot_be_merged),
		TEST(plain, waits_are_shared_by_64_blocks),
		TEST_WITH(all, cached_pages_and_tables_are_forgotten, .walkers = 2),
		TEST_WITH(FIXTURE_GRANULES, level_0_without_leave_changes_nothing,
	                  .level = FIXTURE_LEVEL_0),
		TEST(plain, merge_in_pieces_ends_the_same),
	};

	return FIXTURE_RUN(tests);
}
