/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_open refuses bad arguments, configurations, HALs and start tables, each with its error. */
#include "test_open.h"

static void bad_arguments_are_refused(struct fixture *f)
{
	const struct iopgt_tree tree = {.root_phys = f->table->root_phys};
	const struct iopgt_tree flags = {.root_phys = tree.root_phys, .flags = 2};
	const struct iopgt_hal *hal = the_reading_hal();
	struct iopgt_table other;

	expect(IOPGT_BAD_ARGUMENT, iopgt_open(NULL, &f->config, hal, &f->host, &tree));
	expect(IOPGT_BAD_ARGUMENT, iopgt_open(&other, NULL, hal, &f->host, &tree));
	expect(IOPGT_BAD_ARGUMENT, iopgt_open(&other, &f->config, NULL, &f->host, &tree));
	expect(IOPGT_BAD_ARGUMENT, iopgt_open(&other, &f->config, hal, &f->host, NULL));
	expect(IOPGT_BAD_FLAGS, iopgt_open(&other, &f->config, hal, &f->host, &flags));
	expect(IOPGT_OK, iopgt_open(&other, &f->config, hal, &f->host, &tree));
}

static void configurations_are_checked_as_for_init(struct fixture *f)
{
	const struct iopgt_tree tree = {.root_phys = f->table->root_phys};
	struct iopgt_config config;
	struct iopgt_table other;

#define EXPECT_BAD(want, change)                                                                   \
	do {                                                                                       \
		config = f->config;                                                                \
		config.change;                                                                     \
		expect(want, iopgt_open(&other, &config, the_reading_hal(), &f->host, &tree));     \
	} while (0)
	EXPECT_BAD(IOPGT_BAD_REGIME, regime = IOPGT_REGIMES);
	EXPECT_BAD(IOPGT_BAD_GRANULE, granule_shift = 13);
	EXPECT_BAD(IOPGT_BAD_INPUT_BITS, input_bits = 53);
	EXPECT_BAD(IOPGT_BAD_OUTPUT_BITS, output_bits = 47);
	EXPECT_BAD(IOPGT_BAD_LEAF_SIZES, leaf_sizes = 1);
	EXPECT_BAD(IOPGT_BAD_BBM_LEVEL, bbm_level = 3);
	EXPECT_BAD(IOPGT_BAD_DIRTY_MODE, dirty = 9);
	EXPECT_BAD(IOPGT_BAD_FLAGS, flags = 1u << 30);
}

static void an_owner_needs_a_whole_hal(struct fixture *f)
{
	const struct iopgt_tree tree = {.root_phys = f->table->root_phys,
	                                .flags = IOPGT_OPEN_OWNING};
	struct iopgt_table other;
	struct iopgt_hal hal;

#define EXPECT_BAD_HAL(field)                                                                      \
	do {                                                                                       \
		hal = f->hal;                                                                      \
		hal.field = NULL;                                                                  \
		expect(IOPGT_BAD_HAL, iopgt_open(&other, &f->config, &hal, &f->host, &tree));      \
	} while (0)
	EXPECT_BAD_HAL(alloc_table);
	EXPECT_BAD_HAL(free_table);
	EXPECT_BAD_HAL(phys_to_virt);
	EXPECT_BAD_HAL(tlb.invalidate_range);
	EXPECT_BAD_HAL(tlb.invalidate_all);
	EXPECT_BAD_HAL(tlb.sync);
}

static void bad_roots_are_refused(struct fixture *f)
{
	uint64_t root = f->table->root_phys;
	const uint64_t roots[] = {root + 64,      root + 8, root + 1,   BIT(40),
	                          BIT(50) + root, BIT(63),  UINT64_MAX, ~UINT64_C(0xffff)};

	for (size_t i = 0; i < 2 * COUNT(roots); i++) {
		const struct iopgt_tree tree = {.root_phys = roots[i / 2], .flags = i % 2};
		struct iopgt_table other;

		expect(IOPGT_BAD_ROOT, iopgt_open(&other, &f->config, &f->hal, &f->host, &tree));
	}
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST(0, bad_arguments_are_refused),
		TEST_WITH(0, bad_arguments_are_refused, .host.phys_base = 4096),
		TEST(0, configurations_are_checked_as_for_init),
		TEST(0, an_owner_needs_a_whole_hal),
		TEST(FIXTURE_GRANULES, bad_roots_are_refused),
	};

	return FIXTURE_RUN(tests);
}
