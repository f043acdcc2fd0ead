/* SPDX-License-Identifier: BSD-2-Clause */
/* The access flag beside other state and other verbs, and who manages it. */
#include "test_accessed.h"

/* --- Other state --- */

static void only_the_access_flag_changes(struct fixture *f)
{
	static const uint32_t prots[] = {IOPGT_READ,         RW,
	                                 RW | IOPGT_CLEAN,   RW | IOPGT_NO_TRACK,
	                                 RW | IOPGT_EXECUTE, IOPGT_READ | IOPGT_EXECUTE};

	for (size_t i = 0; i < COUNT(prots); i++) {
		uint64_t at = FIRST(f) + i * granule(f), before;
		enum iopgt_leaf_state state;

		map(f, at, PHYS(f), granule(f), prots[i]);
		before = leaf_at(f, at).descriptor;
		state = state_at(f, at);
		assert_true(before & RAW_AF);
		take_accessed(f, at, granule(f));
		expect_raw(before & ~RAW_AF, leaf_at(f, at).descriptor);
		assert_int_equal(state_at(f, at), state);
		use(f, at);
		expect_raw(before, leaf_at(f, at).descriptor);
	}
}

static void dirty_and_accessed_do_not_mix(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f) + granule(f), 4 * granule(f), RW | IOPGT_CLEAN);
	take_accessed(f, FIRST(f), 4 * granule(f));
	write_page(f, FIRST(f) + granule(f));
	take_accessed(f, FIRST(f), 4 * granule(f));
	expect_only_bits(f, FIRST(f) + granule(f), granule(f));
	take_dirty(f, FIRST(f), 4 * granule(f));
	expect_only_bits(f, FIRST(f) + granule(f), granule(f));
	use(f, FIRST(f) + 2 * granule(f));
	take_dirty(f, FIRST(f), 4 * granule(f));
	assert_int_equal(count_bits(f), 0);
	take_accessed(f, FIRST(f), 4 * granule(f));
	expect_only_bits(f, FIRST(f) + 2 * granule(f), granule(f));
}

static void cleaning_loses_no_access(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), block(f) + 2 * granule(f), RW);
	take_dirty(f, FIRST(f), 2 * block(f));
	take_accessed(f, FIRST(f), 2 * block(f));
	expect_only_bits(f, FIRST(f), block(f) + 2 * granule(f));
}

/* A split, merged or protected leaf that was used still counts as used. */
static void split_merge_and_protect_lose_no_access(struct fixture *f)
{
	map_unused(f, 2 * block(f));
	use(f, FIRST(f) + 3 * granule(f));
	split(f, FIRST(f), block(f));
	look_accessed(f, FIRST(f), 2 * block(f));
	for (uint64_t at = 0; at < block(f); at += granule(f))
		assert_true(bit_at(f, FIRST(f) + at));
	assert_false(bit_at(f, FIRST(f) + block(f)));
	take_accessed(f, FIRST(f), 2 * block(f));
	use(f, FIRST(f) + 9 * granule(f));
	protect(f, FIRST(f), 2 * block(f), IOPGT_READ);
	look_accessed(f, FIRST(f), 2 * block(f));
	expect_only_bits(f, FIRST(f) + 9 * granule(f), granule(f));
	merge(f, FIRST(f), block(f));
	expect_level(f, FIRST(f), 2);
	look_accessed(f, FIRST(f), block(f));
	expect_only_bits(f, FIRST(f), block(f));
}

/* Unused pages and a used one may become a block: not a difference in attributes. */
static void pages_that_differ_in_use_alone_merge(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), block(f), RW);
	split(f, FIRST(f), block(f));
	take_accessed(f, FIRST(f), block(f));
	use(f, FIRST(f) + block(f) - granule(f));
	merge(f, FIRST(f), block(f));
	expect_level(f, FIRST(f), 2);
	take_accessed(f, FIRST(f), block(f));
	expect_only_bits(f, FIRST(f), block(f));
}

static void unused_leaves_are_found_by_all_readers(struct fixture *f)
{
	map_unused(f, block(f) + 2 * granule(f));
	expect_level(f, FIRST(f), 2);
	expect_mapped(f, FIRST(f), PHYS(f), block(f));
	expect(IOPGT_OK, iopgt_handle_translation_fault(f->table, FIRST(f)));
	unmap(f, FIRST(f) + granule(f), granule(f));
	unmap(f, FIRST(f), 2 * block(f));
}

/* --- Who manages it --- */

static void without_management_it_is_refused(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	uint64_t before;

	map(f, FIRST(f), PHYS(f), granule(f), RW);
	before = leaf_at(f, FIRST(f)).descriptor;
	page_bitmap(f, FIRST(f), granule(f));
	expect(IOPGT_NO_ACCESS_FLAG, read_accessed(f, FIRST(f), granule(f), &op));
	assert_int_equal(count_bits(f), 0);
	expect_raw(before, leaf_at(f, FIRST(f)).descriptor);
	assert_null(op.gather.table);
}

/* A domain's walkers: all of them, or it is refused. */
static void a_domain_asks_all_its_walkers(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	unsigned last = f->walker_count - 1;

	map(f, FIRST(f), PHYS(f), granule(f), RW);
	page_bitmap(f, FIRST(f), granule(f));
	expect(IOPGT_NO_ACCESS_FLAG, read_accessed(f, FIRST(f), granule(f), &op));
	for (unsigned i = 0; i < f->walker_count; i++) {
		expect(IOPGT_OK, iopgt_domain_detach(&f->domain, &f->domain_walkers[i]));
		f->domain_walkers[i].flags |= IOPGT_WALKER_ACCESSED;
		if (i == last)
			f->domain_walkers[i].flags &= ~(uint32_t)IOPGT_WALKER_ACCESSED;
		expect(IOPGT_OK, iopgt_domain_attach(&f->domain, &f->domain_walkers[i]));
	}
	expect(IOPGT_NO_ACCESS_FLAG, read_accessed(f, FIRST(f), granule(f), &op));
	expect(IOPGT_OK, iopgt_domain_detach(&f->domain, &f->domain_walkers[last]));
	expect(IOPGT_OK, read_accessed(f, FIRST(f), granule(f), &op));
	finish(f, &op);
	expect_only_bits(f, FIRST(f), granule(f));
	expect(IOPGT_OK, iopgt_handle_access_fault(f->table, FIRST(f)));
	f->domain_walkers[last].flags |= IOPGT_WALKER_DIRTY; /* implies it */
	expect(IOPGT_OK, iopgt_domain_attach(&f->domain, &f->domain_walkers[last]));
	expect(IOPGT_OK, read_accessed(f, FIRST(f), granule(f), &op));
	finish(f, &op);
}

/* --- Rounds --- */

static void no_access_is_missed(struct fixture *f)
{
	struct random random = {seed_from_environment("IOPGT_SEED", 11)};
	uint64_t size = 2 * block(f) + 64 * granule(f);

	map_unused(f, size);
	for (int round = 0; round < 30; round++) {
		uint64_t used[12];

		for (size_t i = 0; i < COUNT(used); i++) {
			used[i] = FIRST(f) + random_below(&random, size);
			use(f, used[i]);
		}
		if (round % 5 == 2)
			split(f, FIRST(f), block(f));
		if (round % 5 == 4)
			merge(f, FIRST(f), block(f));
		take_accessed(f, FIRST(f), size);
		for (size_t i = 0; i < COUNT(used); i++)
			assert_true(bit_at(f, used[i]));
	}
}

int main(void)
{
	const uint32_t all = FIXTURE_REGIMES | FIXTURE_GRANULES;
	const struct fixture_test each[] = {
		TEST(all, only_the_access_flag_changes),
		TEST(all | FIXTURE_LEVELS, split_merge_and_protect_lose_no_access),
		TEST(FIXTURE_STAGES | FIXTURE_LEVELS, pages_that_differ_in_use_alone_merge),
		TEST(all, unused_leaves_are_found_by_all_readers),
		TEST(FIXTURE_STAGES | FIXTURE_LEVELS, no_access_is_missed),
	};
	const struct fixture_test some[] = {
		TEST(all, dirty_and_accessed_do_not_mix),
		TEST(all, cleaning_loses_no_access),
		TEST_WITH(all, without_management_it_is_refused, .dirty = FIXTURE_NO_DIRTY),
		TEST_WITH(0, a_domain_asks_all_its_walkers, .dirty = FIXTURE_NO_DIRTY,
	                  .domain = true, .walkers = 3),
	};
	struct fixture_test tests[WAYS * COUNT(each) + COUNT(some)];
	size_t count = 0;

	for (size_t i = 0; i < COUNT(each); i++)
		count += add_all_ways(&tests[count], &each[i]);
	for (size_t i = 0; i < COUNT(some); i++)
		tests[count++] = some[i];
	return fixture_run(__FILE__, tests, count);
}
