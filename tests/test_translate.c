/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_translate: one address. */
#include "fixture.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (12 * block(f))
#define SPACE    (UINT64_C(1) << 48)

static void translate_answers_for_every_byte_of_a_leaf(struct fixture *f)
{
	const uint64_t offsets[] = {0, 1, 4095, granule(f), block(f) / 2 + 5, block(f) - 1};
	struct iopgt_translation got;

	map(f, FIRST(f), PHYS(f), block(f) + granule(f), RW);
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		expect(IOPGT_OK, iopgt_translate(f->table, FIRST(f) + offsets[i], &got));
		assert_int_equal(got.phys, PHYS(f) + offsets[i]);
		assert_int_equal(got.leaf_iova, FIRST(f));
		assert_int_equal(got.leaf_size, block(f));
		assert_int_equal(got.level, 2);
	}
	expect(IOPGT_OK, iopgt_translate(f->table, FIRST(f) + block(f) + 7, &got));
	assert_int_equal(got.phys, PHYS(f) + block(f) + 7);
	assert_int_equal(got.leaf_iova, FIRST(f) + block(f));
	assert_int_equal(got.leaf_size, granule(f));
	assert_int_equal(got.level, 3);
}

static void translate_knows_a_gibibyte(struct fixture *f)
{
	uint64_t gib = UINT64_C(1) << 30;
	struct iopgt_translation got;

	map(f, gib, 5 * gib, gib, RW);
	expect(IOPGT_OK, iopgt_translate(f->table, 2 * gib - 1, &got));
	assert_int_equal(got.phys, 6 * gib - 1);
	assert_int_equal(got.leaf_iova, gib);
	assert_int_equal(got.leaf_size, gib);
	assert_int_equal(got.level, 1);
}

static void the_state_follows_the_walker(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), granule(f), RW | IOPGT_CLEAN);
	assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_CLEAN);
	read_page(f, FIRST(f));
	assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_CLEAN);
	write_page(f, FIRST(f));
	assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_DIRTY);
	take_dirty(f, FIRST(f), granule(f));
	assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_CLEAN);
	protect(f, FIRST(f), granule(f), IOPGT_READ);
	assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_READ_ONLY);
}

static void expect_page(struct fixture *f, uint64_t iova, uint64_t phys, uint32_t prot)
{
	struct iopgt_translation got;

	expect(IOPGT_OK, iopgt_translate(f->table, iova + 7, &got));
	assert_int_equal(got.phys, phys + 7);
	assert_int_equal(got.leaf_iova, iova);
	assert_int_equal(got.leaf_size, granule(f));
	assert_int_equal(got.level, 3);
	assert_int_equal(got.prot, prot);
	assert_int_equal(got.memory, IOPGT_WRITE_BACK);
	assert_int_equal(got.attributes, 0);
	assert_int_equal(got.state, prot == IOPGT_READ ? IOPGT_LEAF_READ_ONLY : IOPGT_LEAF_DIRTY);
}

/* One by one, the last one unlike the others; what was said of one is not said of a hole. */
static void single_pages_come_and_go_at_both_ends_of_the_space(struct fixture *f)
{
	uint64_t g = granule(f), first = space_first(f), last = space_last(f) - (g - 1);
	uint64_t half = UINT64_C(1) << (f->config.input_bits - 1);
	const struct {
		uint64_t iova, phys;
		uint32_t prot;
	} pages[] = {{first, 3 * g, RW},
	             {first + g, 9 * g, RW},
	             {last - half, 11 * g, RW},
	             {last - g, 5 * g, RW},
	             {last, 7 * g, IOPGT_READ}};
	struct iopgt_translation got;

	for (unsigned i = 0; i < 5; i++)
		map(f, pages[i].iova, pages[i].phys, g, pages[i].prot);
	for (unsigned i = 0; i < 10; i++)
		expect_page(f, pages[i % 5].iova, pages[i % 5].phys, pages[i % 5].prot);
	for (unsigned i = 0; i < 5; i++) {
		struct iopgt_stats stats = unmap(f, pages[i].iova, g);

		assert_int_equal(stats.unmapped, 1);
		assert_int_equal(stats.holes, 0);
		expect(IOPGT_NOT_MAPPED, iopgt_translate(f->table, pages[i].iova, &got));
	}
}

/* --- What is not there --- */

static void holes_are_not_mapped(struct fixture *f)
{
	struct iopgt_translation got;

	expect(IOPGT_NOT_MAPPED, iopgt_translate(f->table, 0, &got));
	map(f, FIRST(f), PHYS(f), granule(f), RW);
	expect(IOPGT_NOT_MAPPED, iopgt_translate(f->table, FIRST(f) + granule(f), &got));
	expect(IOPGT_NOT_MAPPED, iopgt_translate(f->table, FIRST(f) - 1, &got));
	expect(IOPGT_NOT_MAPPED, iopgt_translate(f->table, SPACE - 1, &got));
}

static void addresses_outside_of_the_space_are_refused(struct fixture *f)
{
	struct iopgt_translation got;

	expect(IOPGT_BAD_RANGE, iopgt_translate(f->table, SPACE, &got));
	expect(IOPGT_BAD_RANGE, iopgt_translate(f->table, UINT64_MAX, &got));
}

static void null_pointers_are_refused(struct fixture *f)
{
	struct iopgt_translation got;

	expect(IOPGT_BAD_ARGUMENT, iopgt_translate(NULL, 0, &got));
	expect(IOPGT_BAD_ARGUMENT, iopgt_translate(f->table, 0, NULL));
}

static void a_table_that_leads_nowhere_is_said(struct fixture *f)
{
	struct iopgt_translation got;

	map(f, FIRST(f), PHYS(f), granule(f), RW);
	host_fail(&f->host, HOST_PHYS_TO_VIRT, 1, true);
	expect(IOPGT_BAD_TABLE, iopgt_translate(f->table, FIRST(f), &got));
	host_fail_nothing(&f->host);
	expect(IOPGT_OK, iopgt_translate(f->table, FIRST(f), &got));
}

static void a_linear_map_needs_no_callback(struct fixture *f)
{
	uint64_t before;

	map(f, FIRST(f), PHYS(f), block(f) + granule(f), RW);
	before = host_calls(&f->host, HOST_PHYS_TO_VIRT);
	expect_level(f, FIRST(f) + block(f), 3);
	unmap(f, FIRST(f) + granule(f), block(f));
	expect_mapped(f, FIRST(f), PHYS(f), granule(f));
	assert_int_equal(before, 0);
	assert_int_equal(host_calls(&f->host, HOST_PHYS_TO_VIRT), 0);
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_REGIMES;
	const struct fixture_test tests[] = {
		TEST(all, translate_answers_for_every_byte_of_a_leaf),
		TEST(FIXTURE_REGIMES, translate_knows_a_gibibyte),
		TEST(all, the_state_follows_the_walker),
		TEST(all, holes_are_not_mapped),
		TEST_WITH(all, holes_are_not_mapped, .host.hal_flags = IOPGT_HAL_LINEAR),
		TEST(all, addresses_outside_of_the_space_are_refused),
		TEST_WITH(all, addresses_outside_of_the_space_are_refused,
	                  .host.hal_flags = IOPGT_HAL_LINEAR),
		TEST(0, null_pointers_are_refused),
		TEST(all, single_pages_come_and_go_at_both_ends_of_the_space),
		TEST_WITH(all, single_pages_come_and_go_at_both_ends_of_the_space,
	                  .host.hal_flags = IOPGT_HAL_LINEAR),
		TEST_WITH(all, single_pages_come_and_go_at_both_ends_of_the_space,
	                  .host.hal_flags = IOPGT_HAL_LINEAR, .input_bits = 39),
		TEST_WITH(FIXTURE_GRANULES, single_pages_come_and_go_at_both_ends_of_the_space,
	                  .host.hal_flags = IOPGT_HAL_LINEAR, .regime = IOPGT_STAGE2,
	                  .input_bits = 40),
		TEST_WITH(FIXTURE_GRANULES, single_pages_come_and_go_at_both_ends_of_the_space,
	                  .host.hal_flags = IOPGT_HAL_LINEAR, .host.phys_base = 0x40000000,
	                  .config_flags = IOPGT_CONFIG_TTBR1),
		TEST(FIXTURE_GRANULES, a_table_that_leads_nowhere_is_said),
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_LEVELS, a_linear_map_needs_no_callback,
	                  .host.hal_flags = IOPGT_HAL_LINEAR),
		TEST_WITH(FIXTURE_GRANULES, a_linear_map_needs_no_callback,
	                  .host.hal_flags = IOPGT_HAL_LINEAR, .host.phys_base = 0x40000000),
	};

	return FIXTURE_RUN(tests);
}
