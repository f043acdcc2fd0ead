/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Capabilities and what follows from them, at the edges of each field: SMMU_IDR0, 3 and 5
 * (IHI 0070 6.3) bit by bit, and what a walker of such capabilities can walk, and how far.
 */
#include <string.h>

#include <iopgt/capabilities.h>

#include "fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define K4           (1u << 12)
#define K16          (1u << 14)
#define K64          (1u << 16)
#define HIGHEST(n)   ((UINT64_C(1) << (n)) - 1)

/* --- Identification registers of an SMMU --- */

static struct iopgt_capabilities of_smmu(const uint32_t *idr)
{
	struct iopgt_capabilities got;

	memset(&got, 0xa5, sizeof(got));
	assert_int_equal(iopgt_capabilities_from_smmu(idr[0], idr[1], idr[2], &got), IOPGT_OK);
	return got;
}

static const struct {
	uint32_t flags;
	uint8_t word, bit; /* word 0: IDR0, 1: IDR3, 2: IDR5 */
} smmu_flags[] = {
	{IOPGT_CAN_STAGE2, 0, 0},        {IOPGT_CAN_STAGE1, 0, 1},
	{IOPGT_CAN_AARCH32, 0, 2},       {IOPGT_CAN_AARCH64, 0, 3},
	{IOPGT_CAN_COHERENT_WALK, 0, 4}, {IOPGT_CAN_BROADCAST, 0, 5},
	{IOPGT_CAN_EL2, 0, 9},           {IOPGT_CAN_ATS, 0, 10},
	{IOPGT_CAN_XNX, 1, 4},           {IOPGT_CAN_FORCED_WRITE_BACK, 1, 8},
	{IOPGT_CAN_SMALL_TABLES, 1, 9},  {IOPGT_CAN_TTL | IOPGT_CAN_RANGE_INVALIDATION, 1, 10},
};

/* Each bit alone, and all but it. */
static void each_bit_of_an_smmu_says_one_thing(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 96; i++) {
		uint32_t alone[3] = {0}, others[3] = {UINT32_MAX, UINT32_MAX, UINT32_MAX};
		uint32_t flags = 0;

		alone[i / 32] = 1u << i % 32;
		others[i / 32] ^= 1u << i % 32;
		for (size_t j = 0; j < COUNT(smmu_flags); j++)
			if (32u * smmu_flags[j].word + smmu_flags[j].bit == i)
				flags = smmu_flags[j].flags;
		assert_int_equal(of_smmu(alone).flags, IOPGT_CAN_AVOID_CONFLICTS | flags);
		assert_int_equal(of_smmu(others).flags,
		                 IOPGT_CAN_ALL & ~(uint32_t)IOPGT_CAN_CNP & ~flags);
	}
}

#define VALUE(field) offsetof(struct iopgt_capabilities, field)

/* Fields of two or three bits, and of one that gives a number. */
static const struct {
	size_t value;
	uint8_t word, low, bits, want[8];
} smmu_numbers[] = {
	{VALUE(update), 0, 6, 2, {0, 1, 2, 3}},
	{VALUE(asid_bits), 0, 12, 1, {8, 16}},
	{VALUE(vmid_bits), 0, 18, 1, {8, 16}},
	{VALUE(bbm_level), 1, 11, 2, {0, 1, 2, 2}},
	{VALUE(output_bits), 2, 0, 3, {32, 36, 40, 42, 44, 48, 52, 52}},
	{VALUE(input_bits_64k), 2, 10, 2, {48, 52, 52, 52}},
	{VALUE(input_bits_lpa2), 2, 10, 2, {48, 52, 52, 52}},
};

static uint8_t number_of(const uint32_t *idr, size_t value)
{
	struct iopgt_capabilities got = of_smmu(idr);

	return ((const uint8_t *)&got)[value];
}

/* Values that are not defined yet count as the largest defined one below. */
static void every_number_of_an_smmu_is_understood(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(smmu_numbers); i++) {
		unsigned word = smmu_numbers[i].word, low = smmu_numbers[i].low;
		uint32_t mask = (1u << smmu_numbers[i].bits) - 1;

		for (uint32_t number = 0; number <= mask; number++) {
			uint32_t zeros[3] = {0}, ones[3] = {UINT32_MAX, UINT32_MAX, UINT32_MAX};

			zeros[word] = number << low;
			ones[word] ^= (number ^ mask) << low;
			assert_int_equal(number_of(zeros, smmu_numbers[i].value),
			                 smmu_numbers[i].want[number]);
			assert_int_equal(number_of(ones, smmu_numbers[i].value),
			                 smmu_numbers[i].want[number]);
		}
	}
}

/* IDR5.GRAN4K, GRAN16K, GRAN64K, DS, for AArch64 tables of the stages that there are. */
static void granules_of_an_smmu_are_those_of_its_stages(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 256; i++) {
		bool stage2 = i & 1, stage1 = i & 2, aarch64 = i & 8, ds = i & 128;
		const uint32_t idr[3] = {i & 15, 0, i & 0xf0};
		struct iopgt_capabilities got = of_smmu(idr);
		uint32_t granules = (i & 16 ? K4 : 0) | (i & 32 ? K16 : 0) | (i & 64 ? K64 : 0);
		uint32_t lpa2 = ds ? granules & (K4 | K16) : 0;

		assert_int_equal(got.granules_stage1, stage1 && aarch64 ? granules : 0);
		assert_int_equal(got.granules_stage2, stage2 && aarch64 ? granules : 0);
		assert_int_equal(got.lpa2_stage1, stage1 && aarch64 ? lpa2 : 0);
		assert_int_equal(got.lpa2_stage2, stage2 && aarch64 ? lpa2 : 0);
	}
}

/* --- Walkers --- */

/* All that there is; of each size its own. */
static const struct iopgt_capabilities full = {
	.flags = IOPGT_CAN_ALL,
	.granules_stage1 = K4 | K16 | K64,
	.granules_stage2 = K4 | K16 | K64,
	.lpa2_stage1 = K4 | K16,
	.lpa2_stage2 = K4 | K16,
	.input_bits_64k = 51,
	.input_bits_lpa2 = 50,
	.output_bits = 52,
	.update = IOPGT_UPDATE_TABLES,
	.bbm_level = 2,
	.asid_bits = 16,
	.vmid_bits = 16,
};

#define LPA2 IOPGT_CONFIG_LPA2

/* Addresses beyond 48 bits: 64 KiB, or LPA2. Stage 2 reaches all that there is; AArch32 has 40. */
static const struct {
	struct iopgt_config config;
	uint8_t input, output;
} reaches[] = {
	{{.regime = IOPGT_STAGE1_EL1, .granule_shift = 12}, 48, 48},
	{{.regime = IOPGT_STAGE1_EL1, .granule_shift = 12, .flags = LPA2}, 50, 52},
	{{.regime = IOPGT_STAGE1_EL1, .granule_shift = 14}, 48, 48},
	{{.regime = IOPGT_STAGE1_EL2, .granule_shift = 14, .flags = LPA2}, 50, 52},
	{{.regime = IOPGT_STAGE1_EL2, .granule_shift = 16}, 51, 52},
	{{.regime = IOPGT_STAGE2, .granule_shift = 12}, 48, 48},
	{{.regime = IOPGT_STAGE2, .granule_shift = 14, .flags = LPA2}, 52, 52},
	{{.regime = IOPGT_STAGE2, .granule_shift = 16}, 52, 52},
	{{.regime = IOPGT_STAGE1_AARCH32, .granule_shift = 12}, 32, 40},
	{{.regime = IOPGT_STAGE2_AARCH32, .granule_shift = 12}, 40, 40},
};

static void a_walker_reaches_what_its_table_can_hold(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(reaches); i++) {
		struct iopgt_capabilities few = full;
		struct iopgt_walker walker = {0};

		assert_int_equal(iopgt_walker_from_capabilities(&full, &reaches[i].config, &walker),
		                 IOPGT_OK);
		assert_int_equal(walker.input_bits, reaches[i].input);
		assert_int_equal(walker.output_bits, reaches[i].output);
		few.output_bits = 36;
		assert_int_equal(iopgt_walker_from_capabilities(&few, &reaches[i].config, &walker),
		                 IOPGT_OK);
		assert_int_equal(walker.output_bits, 36);
	}
}

/* What a configuration asks for, and the capabilities without it. */
struct need {
	const char *name;
	struct iopgt_config config;
	uint32_t without;                              /* of flags */
	uint32_t granules1, granules2, lpa2_1, lpa2_2; /* taken away */
};

static const struct need needs[] = {
	{"stage 1", {.regime = IOPGT_STAGE1_EL1, .granule_shift = 12}, .without = IOPGT_CAN_STAGE1},
	{"stage 2", {.regime = IOPGT_STAGE2, .granule_shift = 12}, .without = IOPGT_CAN_STAGE2},
	{"EL2", {.regime = IOPGT_STAGE1_EL2, .granule_shift = 12}, .without = IOPGT_CAN_EL2},
	{"AArch64", {.regime = IOPGT_STAGE2, .granule_shift = 12}, .without = IOPGT_CAN_AARCH64},
	{"AArch32",
         {.regime = IOPGT_STAGE1_AARCH32, .granule_shift = 12},
         .without = IOPGT_CAN_AARCH32},
	{"forced write-back",
         {.regime = IOPGT_STAGE2, .granule_shift = 12, .flags = IOPGT_CONFIG_FORCED_WRITE_BACK},
         .without = IOPGT_CAN_FORCED_WRITE_BACK},
	{"XNX",
         {.regime = IOPGT_STAGE2, .granule_shift = 12, .flags = IOPGT_CONFIG_XNX},
         .without = IOPGT_CAN_XNX},
	{"small tables",
         {.regime = IOPGT_STAGE1_EL1, .granule_shift = 12, .flags = IOPGT_CONFIG_SMALL_TABLES},
         .without = IOPGT_CAN_SMALL_TABLES},
	{"4 KiB", {.regime = IOPGT_STAGE1_EL1, .granule_shift = 12}, .granules1 = K4},
	{"16 KiB", {.regime = IOPGT_STAGE1_EL2, .granule_shift = 14}, .granules1 = K16},
	{"64 KiB", {.regime = IOPGT_STAGE2, .granule_shift = 16}, .granules2 = K64},
	{"LPA2", {.regime = IOPGT_STAGE1_EL1, .granule_shift = 12, .flags = LPA2}, .lpa2_1 = K4},
	{"LPA2 of stage 2",
         {.regime = IOPGT_STAGE2, .granule_shift = 14, .flags = LPA2},
         .lpa2_2 = K16},
};

static void expect_needed(const struct need *need)
{
	struct iopgt_capabilities can = full, alone = full;
	struct iopgt_walker walker, before;

	print_message("%s\n", need->name);
	can.flags &= ~need->without;
	can.granules_stage1 &= ~need->granules1;
	can.granules_stage2 &= ~need->granules2;
	can.lpa2_stage1 &= ~need->lpa2_1;
	can.lpa2_stage2 &= ~need->lpa2_2;
	memset(&walker, 0xa5, sizeof(walker));
	before = walker;
	assert_int_equal(iopgt_walker_from_capabilities(&can, &need->config, &walker),
	                 IOPGT_INCOMPATIBLE);
	assert_memory_equal(&walker, &before, sizeof(walker));
	alone.flags &= ~(uint32_t)IOPGT_CAN_COHERENT_WALK;
	assert_int_equal(iopgt_walker_from_capabilities(&alone, &need->config, &walker), IOPGT_OK);
	assert_false(walker.flags & IOPGT_WALKER_COHERENT);
}

static void a_walker_without_what_a_table_needs_cannot_walk_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(needs); i++)
		expect_needed(&needs[i]);
}

static void no_walker_has_a_granule_that_there_is_not(void **state)
{
	struct iopgt_capabilities can = full;
	struct iopgt_walker walker = {0};

	(void)state;
	can.granules_stage1 |= 1; /* which shift 32 would find in a mask of 32 bits */
	for (unsigned shift = 1; shift < 256; shift++) {
		struct iopgt_config config = {.granule_shift = (uint8_t)shift};
		bool there = shift == 12 || shift == 14 || shift == 16;

		assert_int_equal(iopgt_walker_from_capabilities(&can, &config, &walker),
		                 there ? IOPGT_OK : IOPGT_INCOMPATIBLE);
	}
	for (uint8_t shift = 14; shift <= 16; shift += 2) {
		struct iopgt_config config = {.regime = IOPGT_STAGE1_AARCH32,
		                              .granule_shift = shift};

		assert_int_equal(iopgt_walker_from_capabilities(&can, &config, &walker),
		                 IOPGT_INCOMPATIBLE);
	}
}

/* --- Arguments --- */

static void null_pointers_are_refused(void **state)
{
	const struct iopgt_config config = {.granule_shift = 12};
	const struct iopgt_wishes wishes = {.iova_last = HIGHEST(32), .phys_last = HIGHEST(32)};
	struct iopgt_capabilities can = full;
	struct iopgt_config chosen;
	struct iopgt_walker walker;

	(void)state;
	assert_int_equal(iopgt_capabilities_from_cpu(0, 0, 0, NULL), IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_capabilities_from_smmu(0, 0, 0, NULL), IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_capabilities_both(NULL, &full, &can), IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_capabilities_both(&full, NULL, &can), IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_capabilities_both(&full, &full, NULL), IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_best_config(NULL, &wishes, &chosen), IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_best_config(&full, NULL, &chosen), IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_best_config(&full, &wishes, NULL), IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_walker_from_capabilities(NULL, &config, &walker),
	                 IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_walker_from_capabilities(&full, NULL, &walker), IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_walker_from_capabilities(&full, &config, NULL), IOPGT_BAD_ARGUMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_bit_of_an_smmu_says_one_thing),
		cmocka_unit_test(every_number_of_an_smmu_is_understood),
		cmocka_unit_test(granules_of_an_smmu_are_those_of_its_stages),
		cmocka_unit_test(a_walker_reaches_what_its_table_can_hold),
		cmocka_unit_test(a_walker_without_what_a_table_needs_cannot_walk_it),
		cmocka_unit_test(no_walker_has_a_granule_that_there_is_not),
		cmocka_unit_test(null_pointers_are_refused),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
