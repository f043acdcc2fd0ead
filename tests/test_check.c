/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iopgt_check names each rule when table memory is made to break it; bits are
 * typed from the Arm ARM (D8.3).
 */
#include <string.h>

#include "fixture.h"

#define BIT(n)       (UINT64_C(1) << (n))
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FIRST(f)     (4 * block(f))
#define PHYS(f)      (12 * block(f))

/* One block, and pages after it. */
static void map_some(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), block(f), RW);
	map(f, FIRST(f) + block(f), PHYS(f) + granule(f), 4 * granule(f), RW);
}

static uint64_t pages(struct fixture *f)
{
	return FIRST(f) + block(f);
}

static uint64_t load(struct fixture *f, uint64_t phys)
{
	return pool_little_endian(*pool_word(f->host.pool, phys, false));
}

static void store(struct fixture *f, uint64_t phys, uint64_t descriptor)
{
	*pool_word(f->host.pool, phys, false) = pool_little_endian(descriptor);
}

/* Where the descriptor of this level stands for iova. */
static uint64_t entry_at(struct fixture *f, uint64_t iova, int level)
{
	uint64_t mask = (BIT(48) - 1) & ~(granule(f) - 1), phys = f->table->root_phys;
	unsigned tables;
	int at;

	assert_true(walker_start_level(walker_config(f->walkers[0]), &at, &tables));
	phys += 8 * (iova / level_size(f, at));
	for (; at < level; at++)
		phys = (load(f, phys) & mask) +
		       8 * (iova / level_size(f, at + 1) % (granule(f) / 8));
	return phys;
}

/* The rule that is broken by this descriptor at iova, or by bits changed in it. */
static uint32_t rule_of(struct fixture *f, uint64_t iova, int level, uint64_t descriptor)
{
	uint64_t phys = entry_at(f, iova, level), good = load(f, phys);
	struct iopgt_finding finding = {0};
	int error;

	store(f, phys, descriptor);
	error = iopgt_check(f->table, &finding);
	store(f, phys, good);
	check(f);
	if (finding.rule == IOPGT_RULE_NONE) {
		expect(IOPGT_OK, error);
		return IOPGT_RULE_NONE;
	}
	expect(IOPGT_CORRUPT, error);
	if (finding.rule != IOPGT_RULE_TABLE_COUNT) {
		assert_int_equal(finding.level, level);
		assert_int_equal(finding.iova, iova & ~(level_size(f, level) - 1));
		assert_int_equal(finding.descriptor, descriptor);
	}
	return finding.rule;
}

static uint32_t rule_of_bits(struct fixture *f, uint64_t iova, int level, uint64_t bits)
{
	return rule_of(f, iova, level, load(f, entry_at(f, iova, level)) ^ bits);
}

/* --- Tables --- */

static void a_good_table_breaks_no_rule(struct fixture *f)
{
	struct iopgt_finding finding = {.rule = 99};

	expect(IOPGT_OK, iopgt_check(f->table, &finding));
	assert_int_equal(finding.rule, IOPGT_RULE_NONE);
	map_some(f);
	finding.rule = 99;
	expect(IOPGT_OK, iopgt_check(f->table, &finding));
	assert_int_equal(finding.rule, IOPGT_RULE_NONE);
}

static void a_table_in_unknown_memory_is_found(struct fixture *f)
{
	map_some(f);
	assert_int_equal(rule_of(f, pages(f), 2, BIT(40) | 3), IOPGT_RULE_TABLE_ADDRESS);
}

static void a_table_beyond_the_output_space_is_found(struct fixture *f)
{
	map_some(f);
	assert_int_equal(rule_of_bits(f, pages(f), 2, BIT(44)), IOPGT_RULE_TABLE_ADDRESS);
}

static void a_misaligned_table_is_found(struct fixture *f)
{
	map_some(f);
	assert_int_equal(rule_of_bits(f, pages(f), 2, BIT(12)), IOPGT_RULE_TABLE_BITS);
}

static void attributes_in_a_table_descriptor_are_found(struct fixture *f)
{
	map_some(f);
	for (unsigned bit = 59; bit <= 63; bit++)
		assert_int_equal(rule_of_bits(f, pages(f), 2, BIT(bit)), IOPGT_RULE_TABLE_BITS);
}

static void a_table_too_few_is_found(struct fixture *f)
{
	map_some(f);
	assert_int_equal(rule_of(f, pages(f), 2, 0), IOPGT_RULE_TABLE_COUNT);
}

static void a_table_linked_twice_is_found(struct fixture *f)
{
	map_some(f);
	assert_int_equal(rule_of(f, pages(f) + block(f), 2, load(f, entry_at(f, pages(f), 2))),
	                 IOPGT_RULE_TABLE_COUNT);
}

static void a_table_not_cleaned_is_found(struct fixture *f)
{
	uint64_t descriptor;

	map_some(f);
	descriptor = load(f, entry_at(f, pages(f), 2));
	descriptor &= ~UINT64_C(0x07f8000000000000); /* software's bits, 58:51 */
	assert_int_equal(rule_of(f, pages(f), 2, descriptor), IOPGT_RULE_NOT_CLEANED);
}

/* --- Leaves --- */

static void a_block_at_a_level_without_blocks_is_found(struct fixture *f)
{
	int level = f->config.granule_shift == 12 ? 0 : 1;
	uint64_t descriptor;

	map_some(f);
	descriptor = leaf_at(f, FIRST(f)).descriptor;
	descriptor &= ~(level_size(f, level) - 1) | 0xfff;
	assert_int_equal(rule_of(f, level_size(f, level), level, descriptor),
	                 IOPGT_RULE_LEAF_LEVEL);
}

static void a_block_of_a_size_that_was_not_allowed_is_found(struct fixture *f)
{
	uint64_t descriptor;

	map(f, FIRST(f), PHYS(f), block(f), RW);
	descriptor = leaf_at(f, FIRST(f)).descriptor & ~UINT64_C(2);
	assert_int_equal(rule_of(f, 2 * FIRST(f), 2, descriptor), IOPGT_RULE_LEAF_LEVEL);
}

static void a_leaf_beyond_the_output_space_is_found(struct fixture *f)
{
	map_some(f);
	assert_int_equal(rule_of_bits(f, FIRST(f), 2, BIT(44)), IOPGT_RULE_LEAF_ADDRESS);
	assert_int_equal(rule_of_bits(f, pages(f), 3, BIT(44)), IOPGT_RULE_LEAF_ADDRESS);
}

static void a_misaligned_block_is_found(struct fixture *f)
{
	map_some(f);
	assert_int_equal(rule_of_bits(f, FIRST(f), 2, block(f) / 2), IOPGT_RULE_LEAF_ADDRESS);
	assert_int_equal(rule_of_bits(f, FIRST(f), 2, BIT(17)), IOPGT_RULE_LEAF_ADDRESS);
}

static void wrong_bits_in_a_leaf_are_found(struct fixture *f)
{
	const unsigned both[] = {48, 49, 59, 60, 61, 62, 63};

	map_some(f);
	for (size_t i = 0; i < COUNT(both); i++) {
		assert_int_equal(rule_of_bits(f, pages(f), 3, BIT(both[i])), IOPGT_RULE_LEAF_BITS);
		assert_int_equal(rule_of_bits(f, FIRST(f), 2, BIT(both[i])), IOPGT_RULE_LEAF_BITS);
	}
	/* nT in a block */
	assert_int_equal(rule_of_bits(f, FIRST(f), 2, BIT(16)), IOPGT_RULE_LEAF_BITS);
}

/* AF is managed with dirty state; alone, a cleared one would fault for good. */
static void a_cleared_access_flag_that_nobody_sets_again_is_found(struct fixture *f)
{
	uint32_t want =
		f->config.dirty == IOPGT_DIRTY_NONE && !(f->config.flags & IOPGT_CONFIG_ACCESS_FLAG)
			? IOPGT_RULE_LEAF_BITS
			: IOPGT_RULE_NONE;

	map_some(f);
	assert_int_equal(rule_of_bits(f, pages(f), 3, BIT(10)), want);
	assert_int_equal(rule_of_bits(f, FIRST(f), 2, BIT(10)), want);
}

static void wrong_bits_of_a_regime_are_found(struct fixture *f)
{
	static const struct {
		uint64_t bits;
		uint32_t regime;
	} wrong[] = {
		{BIT(5), IOPGT_STAGE1_EL1},  {BIT(5), IOPGT_STAGE1_EL2}, /* NS */
		{BIT(6), IOPGT_STAGE1_EL2},                              /* AP[1] is RES1 */
		{BIT(11), IOPGT_STAGE1_EL2}, {BIT(53), IOPGT_STAGE1_EL2}, {BIT(11), IOPGT_STAGE2},
		{BIT(50), IOPGT_STAGE2},     {BIT(53), IOPGT_STAGE2}, /* XN 0b11 needs FEAT_XNX */
	};

	map_some(f);
	for (size_t i = 0; i < COUNT(wrong); i++)
		if (wrong[i].regime == f->config.regime)
			assert_int_equal(rule_of_bits(f, pages(f), 3, wrong[i].bits),
			                 IOPGT_RULE_LEAF_BITS);
}

static void a_memory_type_that_does_not_exist_is_found(struct fixture *f)
{
	uint64_t descriptor;

	map_some(f);
	descriptor = load(f, entry_at(f, pages(f), 3));
	if (f->config.regime == IOPGT_STAGE2)
		descriptor = (descriptor & ~UINT64_C(0x3c)) | 4 << 2; /* MemAttr 4 */
	else
		descriptor |= 7 << 2; /* AttrIndx 7 */
	assert_int_equal(rule_of(f, pages(f), 3, descriptor), IOPGT_RULE_LEAF_BITS);
}

static void a_dirty_state_that_cannot_be_is_found(struct fixture *f)
{
	map_some(f);
	assert_int_equal(rule_of_bits(f, pages(f), 3, BIT(51)), IOPGT_RULE_LEAF_STATE);
	assert_int_equal(rule_of_bits(f, FIRST(f), 2, BIT(51)), IOPGT_RULE_LEAF_STATE);
}

static void an_invalid_descriptor_that_is_not_zero_is_found(struct fixture *f)
{
	uint64_t free_page = pages(f) + 8 * granule(f);

	map_some(f);
	assert_int_equal(rule_of(f, free_page, 3, BIT(1)), IOPGT_RULE_INVALID_BITS);
	assert_int_equal(rule_of(f, free_page, 3, BIT(20)), IOPGT_RULE_INVALID_BITS);
	assert_int_equal(rule_of(f, 2 * FIRST(f), 2, BIT(57)), IOPGT_RULE_INVALID_BITS);
	/* A page descriptor without bit 1 is invalid to a walker, and not zero. */
	assert_int_not_equal(rule_of_bits(f, pages(f), 3, BIT(1)), IOPGT_RULE_NONE);
}

static void the_first_broken_rule_is_named(struct fixture *f)
{
	uint64_t first, second, good[2];
	struct iopgt_finding finding;

	map_some(f);
	first = entry_at(f, FIRST(f), 2);
	second = entry_at(f, pages(f) + granule(f), 3);
	good[0] = load(f, first);
	good[1] = load(f, second);
	store(f, second, BIT(9));
	store(f, first, good[0] ^ BIT(59));
	expect(IOPGT_CORRUPT, iopgt_check(f->table, &finding));
	assert_int_equal(finding.iova, FIRST(f));
	assert_int_equal(finding.rule, IOPGT_RULE_LEAF_BITS);
	store(f, first, good[0]);
	expect(IOPGT_CORRUPT, iopgt_check(f->table, &finding));
	assert_int_equal(finding.iova, pages(f) + granule(f));
	store(f, second, good[1]);
}

static void every_rule_has_a_text_of_its_own(struct fixture *f)
{
	(void)f;
	for (uint32_t rule = IOPGT_RULE_NONE; rule <= IOPGT_RULE_TABLE_COUNT; rule++) {
		assert_non_null(iopgt_rule_text(rule));
		for (uint32_t other = IOPGT_RULE_NONE; other < rule; other++)
			assert_string_not_equal(iopgt_rule_text(rule), iopgt_rule_text(other));
	}
	assert_non_null(iopgt_rule_text(IOPGT_RULE_TABLE_COUNT + 1));
	assert_non_null(iopgt_rule_text(UINT32_MAX));
}

static void null_pointers_are_refused(struct fixture *f)
{
	struct iopgt_finding finding;

	expect(IOPGT_BAD_ARGUMENT, iopgt_check(NULL, &finding));
	expect(IOPGT_BAD_ARGUMENT, iopgt_check(f->table, NULL));
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_REGIMES;
	const struct fixture_test tests[] = {
		TEST(all, a_good_table_breaks_no_rule),
		TEST(all, a_table_in_unknown_memory_is_found),
		TEST_WITH(all, a_table_beyond_the_output_space_is_found, .input_bits = 40,
	                  .output_bits = 40),
		TEST_WITH(0, a_table_beyond_the_output_space_is_found,
	                  .regime = IOPGT_STAGE1_AARCH32, .dirty = FIXTURE_NO_DIRTY),
		TEST_WITH(0, a_table_beyond_the_output_space_is_found,
	                  .regime = IOPGT_STAGE2_AARCH32, .dirty = FIXTURE_NO_DIRTY),
		TEST_WITH(all, a_table_beyond_the_output_space_is_found, .input_bits = 40,
	                  .output_bits = 40, .host.hal_flags = IOPGT_HAL_LINEAR),
		TEST_WITH(0, a_misaligned_table_is_found, .granule_shift = 14),
		TEST_WITH(0, a_misaligned_table_is_found, .granule_shift = 16),
		TEST(all, attributes_in_a_table_descriptor_are_found),
		TEST(all, a_table_too_few_is_found),
		TEST(all, a_table_linked_twice_is_found),
		TEST_WITH(all, a_table_not_cleaned_is_found, .dirty = FIXTURE_NO_DIRTY,
	                  .config_flags = IOPGT_CONFIG_NON_COHERENT),
		TEST(all, a_block_at_a_level_without_blocks_is_found),
		TEST_WITH(FIXTURE_REGIMES, a_block_of_a_size_that_was_not_allowed_is_found,
	                  .leaf_sizes = 1 << 12),
		TEST_WITH(all, a_leaf_beyond_the_output_space_is_found, .input_bits = 40,
	                  .output_bits = 40),
		TEST_WITH(0, a_leaf_beyond_the_output_space_is_found,
	                  .regime = IOPGT_STAGE1_AARCH32, .dirty = FIXTURE_NO_DIRTY),
		TEST_WITH(0, a_leaf_beyond_the_output_space_is_found,
	                  .regime = IOPGT_STAGE2_AARCH32, .dirty = FIXTURE_NO_DIRTY),
		TEST(all, a_misaligned_block_is_found),
		TEST(all | FIXTURE_LEVELS, wrong_bits_in_a_leaf_are_found),
		TEST(all, a_cleared_access_flag_that_nobody_sets_again_is_found),
		TEST_WITH(all, a_cleared_access_flag_that_nobody_sets_again_is_found,
	                  .dirty = FIXTURE_NO_DIRTY),
		TEST_WITH(all, a_cleared_access_flag_that_nobody_sets_again_is_found,
	                  .dirty = FIXTURE_NO_DIRTY, .config_flags = IOPGT_CONFIG_ACCESS_FLAG),
		TEST(all, wrong_bits_of_a_regime_are_found),
		TEST(all, a_memory_type_that_does_not_exist_is_found),
		TEST_WITH(all, a_dirty_state_that_cannot_be_is_found, .dirty = FIXTURE_NO_DIRTY),
		TEST(all, an_invalid_descriptor_that_is_not_zero_is_found),
		TEST(all, the_first_broken_rule_is_named),
		TEST(0, every_rule_has_a_text_of_its_own),
		TEST(0, null_pointers_are_refused),
	};

	return FIXTURE_RUN(tests);
}
