/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands of an SMMU, put together by hand from IHI 0070 4.1.1 and 4.4; what
 * invalidates everything; errors.
 */
#include "test_invalidate_operands_one.h"

/*
 * 4.4: opcode 7:0, NUM 16:12, SCALE 25:20, VMID 47:32, ASID 63:48; Leaf 64, TTL 73:72,
 * TG 75:74, Address 127:76.
 */
static const struct one commands[] = {
	{"NH_VA",
         EL1,
         0,
         12,
         SMMU,
         OF(0x7ffff000, 0x1000, 0, 12, 3),
         LEAF,
         {0x0012003400000012, 0x7ffff001}},
	{"NH_VAA",
         EL1,
         0,
         12,
         SMMU | EVERY,
         OF(0x7ffff000, 0x1000, WALK, 12, 3),
         0,
         {0x0000003400000013, 0x7ffff000}},
	{"NH_VA, TTBR1",
         EL1,
         IOPGT_CONFIG_TTBR1,
         12,
         SMMU,
         OF(0xfffffffffffff000, 0x1000, 0, 12, 3),
         LEAF,
         {0x0012003400000012, 0xfffffffffffff001}},
	{"EL2_VA",
         IOPGT_STAGE1_EL2,
         0,
         12,
         SMMU,
         OF(0x1000, 0x1000, 0, 12, 3),
         LEAF,
         {0x22, 0x1001}},
	{"EL2_VA, E2H",
         EL1,
         0,
         12,
         SMMU | IOPGT_TLBI_E2H,
         OF(0x1000, 0x1000, 0, 12, 3),
         LEAF,
         {0x0012000000000022, 0x1001}},
	{"EL2_VAA",
         EL1,
         0,
         12,
         SMMU | IOPGT_TLBI_E2H | EVERY,
         OF(0x1000, 0x1000, 0, 12, 3),
         LEAF,
         {0x23, 0x1001}},
	{"S2_IPA",
         S2,
         0,
         12,
         SMMU,
         OF(0x1000, 0x1000, WALK, 12, 3),
         0,
         {0x000000340000002a, 0x1000}},
	{"NH_VA, AArch32",
         IOPGT_STAGE1_AARCH32,
         0,
         12,
         SMMU,
         OF(0xfffff000, 0x1000, 0, 12, 3),
         LEAF,
         {0x0012003400000012, 0xfffff001}},
	{"S2_IPA, AArch32",
         IOPGT_STAGE2_AARCH32,
         0,
         12,
         SMMU,
         OF(0xfffffff000, 0x1000, 0, 12, 3),
         LEAF,
         {0x000000340000002a, 0xfffffff001}},
	/* NUM = SCALE = TTL = 0 is Reserved: no TG */
	{"one page, no hint",
         EL1,
         0,
         12,
         SMMU | RANGE | TTL,
         OF(0x1000, 0x1000, 0, 12, NONE),
         LEAF,
         {0x0012003400000012, 0x1001}},
	/* TG 1, TTL 3 */
	{"one page, hint",
         EL1,
         0,
         12,
         SMMU | RANGE | TTL,
         OF(0x1000, 0x1000, 0, 12, 3),
         BOTH,
         {0x0012003400000012, 0x1701}},
	/* 3 pages: NUM 2, SCALE 0, TG 1 */
	{"three pages",
         EL1,
         0,
         12,
         SMMU | RANGE,
         OF(0x1000, 0x3000, 0, 12, NONE),
         BOTH,
         {0x0012003400002012, 0x1401}},
	/* 32 pages: NUM 31, SCALE 0, TG 1 */
	{"32 pages",
         EL1,
         0,
         12,
         SMMU | RANGE,
         OF(0x1000, 0x20000, 0, 12, NONE),
         BOTH,
         {0x001200340001f012, 0x1401}},
	/* TTL cannot name level 0: no TG */
	{"512 GiB",
         EL1,
         LPA2,
         12,
         SMMU | RANGE | TTL,
         OF(0x8000000000, 0x8000000000, 0, 39, 0),
         LEAF,
         {0x0012003400000012, 0x8000000001}},
	/* 31 pages of 16 KiB: NUM 30, SCALE 0, TG 2, TTL 3 */
	{"31 pages",
         S2,
         0,
         14,
         SMMU | RANGE | TTL,
         OF(0x4000, 0x7c000, 0, 14, 3),
         BOTH,
         {0x000000340001e02a, 0x4b01}},
	/* 7 pages of 64 KiB: NUM 6, TG 3 */
	{"7 pages",
         S2,
         0,
         16,
         SMMU | RANGE,
         OF(0x10000, 0x70000, WALK, 16, NONE),
         IOPGT_TLBI_OPERATION_RANGE,
         {0x000000340000602a, 0x10c00}},
};

static void a_command_of_an_smmu(void **state)
{
	(void)state;
	expect_all(commands, COUNT(commands));
}

/* --- Everything --- */

struct everything {
	uint32_t regime, flags;
	uint64_t word;
};

/* 4.1.1: NH_ALL 0x10, NH_ASID 0x11, EL2_ALL 0x20, EL2_ASID 0x21, S12_VMALL 0x28. */
static const struct everything everything[] = {
	{EL1, SMMU, 0x0012003400000011},
	{EL1, SMMU | EVERY, 0x0000003400000010},
	{EL1, SMMU | IOPGT_TLBI_E2H, 0x0012000000000021},
	{EL1, SMMU | IOPGT_TLBI_E2H | EVERY, 0x20},
	{IOPGT_STAGE1_EL2, SMMU, 0x20},
	{S2, SMMU, 0x0000003400000028},
	{IOPGT_STAGE1_AARCH32, SMMU, 0x0012003400000011},
	{IOPGT_STAGE2_AARCH32, SMMU, 0x0000003400000028},
	{EL1, 0, 0x0012000000000000},
	{EL1, EVERY, 0},
	{IOPGT_STAGE1_EL2, 0, 0},
	{S2, 0, 0},
	{IOPGT_STAGE1_AARCH32, 0, 0x0012000000000000},
	{IOPGT_STAGE2_AARCH32, 0, 0},
};

static void everything_goes_by_one_operation(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(everything); i++) {
		const struct iopgt_config config = {.regime = everything[i].regime,
		                                    .granule_shift = 12};
		const struct iopgt_tlbi_target target = {.config = &config,
		                                         .flags = everything[i].flags,
		                                         .asid = 0x12,
		                                         .vmid = 0x34};
		struct iopgt_tlbi_operation operation;

		assert_int_equal(iopgt_tlbi_all(&target, &operation), IOPGT_OK);
		assert_int_equal(operation.word[0], everything[i].word);
		assert_int_equal(operation.word[1], 0);
		assert_int_equal(operation.flags & LEAF, 0);
	}
}

/* --- Errors --- */

static int begin_with(const struct iopgt_config *config, uint32_t flags, uint64_t iova,
                      uint64_t size)
{
	const struct iopgt_tlbi_target target = {.config = config, .flags = flags};
	const struct iopgt_invalidation request = {
		.iova = iova, .size = size, .stride_shift = config->granule_shift, .level = 3};
	struct iopgt_tlbi tlbi;

	return iopgt_tlbi_begin(&tlbi, &target, &request);
}

static void wrong_requests_are_refused(void **state)
{
	struct iopgt_config config = {.regime = EL1, .granule_shift = 12};

	(void)state;
	assert_int_equal(begin_with(&config, 0, 0, 0x1000), IOPGT_OK);
	assert_int_equal(begin_with(&config, 0, 0x1000, 0), IOPGT_BAD_RANGE);
	assert_int_equal(begin_with(&config, 0, 0, 0), IOPGT_BAD_RANGE);
	assert_int_equal(begin_with(&config, 0, 0xfffffffffffff000, 0x1000), IOPGT_OK);
	assert_int_equal(begin_with(&config, 0, 0xfffffffffffff000, 0x2000), IOPGT_BAD_RANGE);
	assert_int_equal(begin_with(&config, 0, 0x800, 0x1000), IOPGT_BAD_ALIGNMENT);
	assert_int_equal(begin_with(&config, 0, 0x1000, 0x1800), IOPGT_BAD_ALIGNMENT);
	assert_int_equal(begin_with(&config, 0, 0, 512 << 12), IOPGT_OK);
	assert_int_equal(begin_with(&config, 0, 0, 513 << 12), IOPGT_BAD_RANGE);
	config.granule_shift = 16;
	assert_int_equal(begin_with(&config, RANGE, 0x1000, 0x10000), IOPGT_BAD_ALIGNMENT);
	assert_int_equal(begin_with(&config, RANGE, 0x10000, 0x11000), IOPGT_BAD_ALIGNMENT);
}

static void wrong_targets_are_refused(void **state)
{
	struct iopgt_config config = {.regime = EL1, .granule_shift = 12};
	struct iopgt_tlbi_target target = {.config = &config, .flags = 1 << 5};
	struct iopgt_tlbi_operation operation;

	(void)state;
	assert_int_equal(begin_with(&config, 1 << 5, 0, 0x1000), IOPGT_BAD_FLAGS);
	assert_int_equal(begin_with(&config, 1u << 31, 0, 0x1000), IOPGT_BAD_FLAGS);
	assert_int_equal(iopgt_tlbi_all(&target, &operation), IOPGT_BAD_FLAGS);
	config.granule_shift = 13;
	assert_int_equal(begin_with(&config, 0, 0, 0x2000), IOPGT_BAD_GRANULE);
	config.granule_shift = 12;
	config.regime = IOPGT_REGIMES;
	target.flags = 0;
	assert_int_equal(begin_with(&config, 0, 0, 0x1000), IOPGT_BAD_REGIME);
	assert_int_equal(iopgt_tlbi_all(&target, &operation), IOPGT_BAD_REGIME);
}

/* EL2-E2H, of a stage-1 table with two halves: no other regime is known by it. */
static void e2h_is_refused_but_for_el1_tables(void **state)
{
	struct iopgt_config config = {.granule_shift = 12};
	struct iopgt_tlbi_target target = {.config = &config};
	struct iopgt_tlbi_operation operation;

	(void)state;
	for (uint32_t i = 0; i < 2 * IOPGT_REGIMES; i++) {
		int want = i / 2 == EL1 ? IOPGT_OK : IOPGT_BAD_FLAGS;

		config.regime = i / 2;
		target.flags = IOPGT_TLBI_E2H | (i % 2 ? SMMU : 0);
		assert_int_equal(begin_with(&config, target.flags, 0, 0x1000), want);
		assert_int_equal(iopgt_tlbi_all(&target, &operation), want);
	}
}

static void null_pointers_are_refused(void **state)
{
	const struct iopgt_config config = {.regime = EL1, .granule_shift = 12};
	const struct iopgt_tlbi_target target = {.config = &config}, homeless = {0};
	const struct iopgt_invalidation request = {.size = 0x1000, .stride_shift = 12, .level = 3};
	struct iopgt_tlbi_operation operation;
	struct iopgt_tlbi tlbi;

	(void)state;
	assert_int_equal(iopgt_tlbi_begin(NULL, &target, &request), IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_tlbi_begin(&tlbi, NULL, &request), IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_tlbi_begin(&tlbi, &homeless, &request), IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_tlbi_begin(&tlbi, &target, NULL), IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_tlbi_all(NULL, &operation), IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_tlbi_all(&homeless, &operation), IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_tlbi_all(&target, NULL), IOPGT_BAD_ARGUMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_of_an_smmu),
		cmocka_unit_test(everything_goes_by_one_operation),
		cmocka_unit_test(wrong_requests_are_refused),
		cmocka_unit_test(wrong_targets_are_refused),
		cmocka_unit_test(e2h_is_refused_but_for_el1_tables),
		cmocka_unit_test(null_pointers_are_refused),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
