/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_protect: permissions change, dirty state stays. */
#include "fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FIRST(f)     (4 * block(f))
#define PHYS(f)      (12 * block(f))

static uint64_t page(struct fixture *f, uint64_t number)
{
	return FIRST(f) + number * granule(f);
}

static void map_clean_pages(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f) + granule(f), block(f), RW | IOPGT_CLEAN);
}

/* --- Permissions --- */

static void protect_changes_what_walkers_may_do(struct fixture *f)
{
	map_clean_pages(f);
	for (uint64_t number = 0; number < 8; number++)
		write_page(f, page(f, number));
	protect(f, page(f, 2), 4 * granule(f), IOPGT_READ);
	for (uint64_t number = 0; number < 8; number++) {
		bool inside = number >= 2 && number < 6;

		assert_true(access_ok(f, 0, page(f, number), WALKER_READ));
		assert_int_equal(access_ok(f, 0, page(f, number), WALKER_WRITE), !inside);
	}
	protect(f, page(f, 2), 4 * granule(f), RW);
	for (uint64_t number = 0; number < 8; number++)
		write_page(f, page(f, number));
	expect_mapped(f, FIRST(f), PHYS(f) + granule(f), block(f));
}

static void execution_can_be_given_and_taken(struct fixture *f)
{
	map_clean_pages(f);
	assert_false(access_ok(f, 0, page(f, 1), WALKER_EXECUTE));
	protect(f, page(f, 1), granule(f), IOPGT_READ | IOPGT_EXECUTE);
	assert_true(access_ok(f, 0, page(f, 1), WALKER_EXECUTE));
	assert_false(access_ok(f, 0, page(f, 1), WALKER_WRITE));
	protect(f, page(f, 1), granule(f), RW);
	assert_false(access_ok(f, 0, page(f, 1), WALKER_EXECUTE));
}

static void privileged_memory_is_out_of_reach_for_others(struct fixture *f)
{
	map_clean_pages(f);
	read_page(f, page(f, 1));
	protect(f, page(f, 1), granule(f), RW | IOPGT_PRIVILEGED);
	assert_false(access_ok(f, 0, page(f, 1), WALKER_READ));
	assert_true(access_ok(f, 0, page(f, 1), WALKER_WRITE | WALKER_PRIVILEGED));
	protect(f, page(f, 1), granule(f), RW);
	write_page(f, page(f, 1));
}

static void protect_keeps_memory_type_and_address(struct fixture *f)
{
	struct iopgt_mapping mapping = fixture_mapping(FIRST(f), PHYS(f), block(f), RW);
	struct walker_leaf before, after;

	mapping.memory = IOPGT_NON_CACHEABLE;
	fixture_map(f, &mapping);
	before = leaf_at(f, FIRST(f));
	protect(f, FIRST(f), block(f), IOPGT_READ | IOPGT_EXECUTE);
	protect(f, FIRST(f), block(f), RW);
	after = leaf_at(f, FIRST(f));
	assert_int_equal(after.descriptor, before.descriptor);
	expect_level(f, FIRST(f), 2);
}

/* --- Dirty state --- */

static void dirty_state_outlives_a_time_of_read_only(struct fixture *f)
{
	map_clean_pages(f);
	write_page(f, page(f, 3));
	protect(f, FIRST(f), block(f), IOPGT_READ);
	assert_int_equal(state_at(f, page(f, 3)), IOPGT_LEAF_READ_ONLY);
	look_dirty(f, FIRST(f), block(f));
	expect_only_bits(f, page(f, 3), granule(f));
	protect(f, FIRST(f), block(f), RW);
	assert_int_equal(state_at(f, page(f, 3)), IOPGT_LEAF_DIRTY);
	assert_int_equal(state_at(f, page(f, 4)), IOPGT_LEAF_CLEAN);
	take_dirty(f, FIRST(f), block(f));
	expect_only_bits(f, page(f, 3), granule(f));
}

static void a_read_only_page_is_reported_once(struct fixture *f)
{
	map_clean_pages(f);
	write_page(f, page(f, 3));
	protect(f, FIRST(f), block(f), IOPGT_READ);
	take_dirty(f, FIRST(f), block(f));
	expect_only_bits(f, page(f, 3), granule(f));
	take_dirty(f, FIRST(f), block(f));
	assert_int_equal(count_bits(f), 0);
	protect(f, FIRST(f), block(f), RW);
	take_dirty(f, FIRST(f), block(f));
	assert_int_equal(count_bits(f), 0);
}

static void a_read_only_page_can_be_cleared_by_bitmap(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_clean_pages(f);
	write_page(f, page(f, 3));
	write_page(f, page(f, 4));
	protect(f, FIRST(f), block(f), IOPGT_READ);
	page_bitmap(f, FIRST(f), block(f));
	set_bits(f, page(f, 3), granule(f));
	expect(IOPGT_OK, iopgt_clear_dirty_log(f->table, FIRST(f), block(f), &f->bitmap, &op));
	finish(f, &op);
	look_dirty(f, FIRST(f), block(f));
	expect_only_bits(f, page(f, 4), granule(f));
}

static void a_read_only_page_that_was_written_is_reported_by_unmap_dirty(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_clean_pages(f);
	write_page(f, page(f, 3));
	protect(f, FIRST(f), block(f), IOPGT_READ);
	expect(IOPGT_OK, iopgt_unmap_dirty(f->table, FIRST(f), block(f),
	                                   page_bitmap(f, FIRST(f), block(f)), &op));
	finish(f, &op);
	expect_only_bits(f, page(f, 3), granule(f));
}

/* Dirty may be over-reported, never under: no mark of a tracked write may go. */
static void a_mark_outlives_a_time_of_no_tracking(struct fixture *f)
{
	map_clean_pages(f);
	write_page(f, page(f, 3));
	protect(f, FIRST(f), block(f), RW | IOPGT_NO_TRACK);
	write_page(f, page(f, 4));
	assert_int_equal(state_at(f, page(f, 4)), IOPGT_LEAF_UNTRACKED);
	protect(f, FIRST(f), block(f), RW);
	look_dirty(f, FIRST(f), block(f));
	assert_true(bit_at(f, page(f, 3)));
}

/* A page that was not written is clean again, while walkers are known to mark. */
static void a_domain_that_tracks_keeps_clean_pages_clean(struct fixture *f)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_NONE};
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, true, &how, &op));
	finish(f, &op);
	map(f, FIRST(f), PHYS(f) + granule(f), block(f), RW);
	write_page(f, page(f, 3));
	protect(f, FIRST(f), block(f), IOPGT_READ);
	protect(f, FIRST(f), block(f), RW);
	look_dirty(f, FIRST(f), block(f));
	expect_only_bits(f, page(f, 3), granule(f));
}

static void a_domain_that_does_not_track_makes_writable_pages_dirty(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), block(f), IOPGT_READ);
	protect(f, FIRST(f), block(f), RW);
	assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_DIRTY);
	protect(f, FIRST(f), granule(f), IOPGT_READ);
	protect(f, FIRST(f), granule(f), RW);
	assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_DIRTY);
	assert_int_equal(state_at(f, page(f, 1)), IOPGT_LEAF_DIRTY);
}

/* The protected page was written through an entry that was cached as writable. */
static void a_write_before_finish_is_reported(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_clean_pages(f);
	write_page(f, page(f, 3));
	read_page(f, page(f, 4));
	expect(IOPGT_OK, iopgt_protect(f->table, FIRST(f), block(f), IOPGT_READ, &op));
	write_page(f, page(f, 3));                               /* a dirty entry, stale */
	assert_false(access_ok(f, 0, page(f, 4), WALKER_WRITE)); /* a clean one is checked */
	finish(f, &op);
	assert_false(access_ok(f, 0, page(f, 3), WALKER_WRITE));
	look_dirty(f, FIRST(f), block(f));
	expect_only_bits(f, page(f, 3), granule(f));
}

/* --- Blocks and holes --- */

static void blocks_that_cross_an_end_are_split(struct fixture *f)
{
	uint64_t g = granule(f), b = block(f);
	struct iopgt_stats stats;

	map(f, FIRST(f), PHYS(f), 3 * b, RW | IOPGT_CLEAN);
	write_page(f, FIRST(f));
	write_page(f, FIRST(f) + b);
	stats = protect(f, FIRST(f) + b - g, b + 2 * g, IOPGT_READ);
	assert_int_equal(stats.split, 2);
	expect_level(f, FIRST(f), 3);
	expect_level(f, FIRST(f) + b, 2);
	expect_level(f, FIRST(f) + 2 * b, 3);
	expect_mapped(f, FIRST(f), PHYS(f), 3 * b);
	assert_int_equal(state_at(f, FIRST(f) + b - 2 * g), IOPGT_LEAF_DIRTY);
	assert_int_equal(state_at(f, FIRST(f) + b - g), IOPGT_LEAF_READ_ONLY);
	assert_int_equal(state_at(f, FIRST(f) + 2 * b), IOPGT_LEAF_READ_ONLY);
	assert_int_equal(state_at(f, FIRST(f) + 2 * b + g), IOPGT_LEAF_CLEAN);
	look_dirty(f, FIRST(f), 3 * b);
	expect_only_bits(f, FIRST(f), 2 * b);
}

static void part_of_a_gibibyte_can_be_protected(struct fixture *f)
{
	uint64_t gib = UINT64_C(1) << 30;

	map(f, gib, 5 * gib, gib, RW | IOPGT_CLEAN);
	write_page(f, gib);
	protect(f, gib + 5 * granule(f), granule(f), IOPGT_READ);
	assert_false(access_ok(f, 0, gib + 5 * granule(f), WALKER_WRITE));
	assert_int_equal(state_at(f, gib + 6 * granule(f)), IOPGT_LEAF_DIRTY);
	assert_int_equal(state_at(f, 2 * gib - 1), IOPGT_LEAF_DIRTY);
	expect_mapped(f, gib, 5 * gib, gib);
}

static void blocks_that_may_not_be_split_stay_as_they_are(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), PHYS(f), block(f), RW);
	op.flags |= IOPGT_OP_NO_SPLIT;
	expect(IOPGT_WOULD_SPLIT, iopgt_protect(f->table, FIRST(f), granule(f), IOPGT_READ, &op));
	op.flags = 0;
	if (f->bbm_level == 0)
		expect(IOPGT_WOULD_BREAK,
		       iopgt_protect(f->table, FIRST(f), granule(f), IOPGT_READ, &op));
	op = new_op(f);
	host_fail(&f->host, HOST_ALLOC, 1, true);
	expect(IOPGT_NO_MEMORY, iopgt_protect(f->table, FIRST(f), granule(f), IOPGT_READ, &op));
	host_fail_nothing(&f->host);
	finish(f, &op);
	expect_level(f, FIRST(f), 2);
	write_page(f, FIRST(f));
}

static void holes_are_counted(struct fixture *f)
{
	struct iopgt_stats stats;

	map(f, page(f, 3), PHYS(f), 2 * granule(f), RW);
	stats = protect(f, FIRST(f), block(f), IOPGT_READ);
	assert_int_equal(stats.holes, block(f) / granule(f) - 2);
	expect_unmapped(f, FIRST(f), 3 * granule(f));
	expect_mapped(f, page(f, 3), PHYS(f), 2 * granule(f));
}

/* --- Refusals, pieces --- */

static void bad_permissions_are_refused(struct fixture *f)
{
	const uint32_t bad[] = {RW | IOPGT_CLEAN, 1u << 6, RW | 1u << 31,
	                        RW | IOPGT_NO_TRACK | IOPGT_CLEAN};
	struct iopgt_op op = new_op(f);

	map_clean_pages(f);
	for (size_t i = 0; i < COUNT(bad); i++)
		expect(IOPGT_BAD_PROT, iopgt_protect(f->table, FIRST(f), granule(f), bad[i], &op));
	if (f->config.regime != IOPGT_STAGE2)
		expect(IOPGT_BAD_PROT,
		       iopgt_protect(f->table, FIRST(f), granule(f), IOPGT_WRITE, &op));
	if (f->config.regime != IOPGT_STAGE1_EL1)
		expect(IOPGT_BAD_PROT,
		       iopgt_protect(f->table, FIRST(f), granule(f), RW | IOPGT_PRIVILEGED, &op));
	assert_null(op.gather.table);
	write_page(f, FIRST(f));
}

static void protect_in_pieces_ends_the_same(struct fixture *f)
{
	static const uint64_t budgets[] = {1, 5, 1000};
	uint64_t size = 3 * block(f);

	map(f, FIRST(f), PHYS(f), size, RW | IOPGT_CLEAN);
	split(f, FIRST(f) + block(f), block(f));
	write_page(f, FIRST(f) + 2 * block(f));
	for (size_t i = 0; i < 2 * COUNT(budgets); i++) {
		struct iopgt_op op = new_op(f);
		uint64_t at = page(f, 1), end = FIRST(f) + size - granule(f);
		int error;

		op.budget = budgets[i / 2];
		while ((error = iopgt_protect(f->table, at, end - at, i % 2 ? RW : IOPGT_READ,
		                              &op)) == IOPGT_AGAIN) {
			assert_true(op.next > at && op.next < end);
			at = op.next;
		}
		expect(IOPGT_OK, error);
		finish(f, &op);
		write_page(f, FIRST(f) + size - granule(f));
		for (at = page(f, 1); at < end; at += block(f) / 4)
			assert_int_equal(access_ok(f, 0, at, WALKER_WRITE), i % 2);
	}
	expect_mapped(f, FIRST(f), PHYS(f), size);
}

/* No mark is made by protect itself. */
static void protect_makes_nothing_dirty(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), 2 * block(f), RW | IOPGT_CLEAN);
	protect(f, FIRST(f), block(f) + granule(f), IOPGT_READ);
	protect(f, FIRST(f), 2 * block(f), RW);
	look_dirty(f, FIRST(f), 2 * block(f));
	assert_int_equal(count_bits(f), 0);
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_REGIMES;
	const uint32_t levels = FIXTURE_GRANULES | FIXTURE_STAGES | FIXTURE_LEVELS;
	const struct fixture_test tests[] = {
		TEST(all, protect_changes_what_walkers_may_do),
		TEST(all, execution_can_be_given_and_taken),
		TEST(FIXTURE_GRANULES, privileged_memory_is_out_of_reach_for_others),
		TEST(all, protect_keeps_memory_type_and_address),
		TEST(all, dirty_state_outlives_a_time_of_read_only),
		TEST(all, a_read_only_page_is_reported_once),
		TEST(all, a_read_only_page_can_be_cleared_by_bitmap),
		TEST(all, a_read_only_page_that_was_written_is_reported_by_unmap_dirty),
		TEST(all, a_mark_outlives_a_time_of_no_tracking),
		TEST_WITH(all, a_domain_that_tracks_keeps_clean_pages_clean, .domain = true),
		TEST_WITH(levels, a_domain_that_does_not_track_makes_writable_pages_dirty,
	                  .domain = true),
		TEST(all, a_write_before_finish_is_reported),
		TEST(levels, blocks_that_cross_an_end_are_split),
		TEST(FIXTURE_STAGES | FIXTURE_LEVELS, part_of_a_gibibyte_can_be_protected),
		TEST(levels, blocks_that_may_not_be_split_stay_as_they_are),
		TEST(all, holes_are_counted),
		TEST(all, bad_permissions_are_refused),
		TEST(levels, protect_in_pieces_ends_the_same),
		TEST(levels, protect_makes_nothing_dirty),
	};

	return FIXTURE_RUN(tests);
}
