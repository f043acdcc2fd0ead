/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Attributes of stage-1 leaves. Table D8-52: 4:2 AttrIndx, 5 NS, 6 AP[1], 7 AP[2],
 * 9:8 SH, 10 AF, 11 nG, 50 GP, 51 DBM, 52 Contiguous, 53 PXN, 54 UXN or XN,
 * 58:55 for software.
 */
#include "test_descriptors.h"

/* --- Two privilege levels --- */

static const struct row el1[] = {
	/* AP[2], DBM (D8.5.2.1): dirty, clean, untracked, read-only */
	{R | W, WB, 0, 0x0068000000000f47, 0},
	{R | W | CLEAN, WB, 0, 0x0068000000000fc7, 0},
	{R | W | FREE, WB, 0, 0x0060000000000f47, 0},
	{R, WB, 0, 0x0060000000000fc7, 0},
	/* AP[1] = 0: no unprivileged access (table D8-63), in each state */
	{R | W | PRIV, WB, 0, 0x0068000000000f07, 0},
	{R | W | PRIV | CLEAN, WB, 0, 0x0068000000000f87, 0},
	{R | W | PRIV | FREE, WB, 0, 0x0060000000000f07, 0},
	{R | PRIV, WB, 0, 0x0060000000000f87, 0},
	/* PXN, UXN (table D8-65): both clear, all may execute what all may read */
	{R | X, WB, 0, 0x0000000000000fc7, 0},
	{R | W | X, WB, 0, 0x0008000000000f47, 0},
	{R | W | X | CLEAN, WB, 0, 0x0008000000000fc7, 0},
	/* UXN = 1, PXN = 0 */
	{R | X | PRIV, WB, 0, 0x0040000000000f87, 0},
	{R | W | X | PRIV, WB, 0, 0x0048000000000f07, 0},
	{R | XP, WB, 0, 0x0040000000000fc7, 0},
	{R | XP | PRIV, WB, 0, 0x0040000000000f87, 0},
	{R | W | XP | PRIV, WB, 0, 0x0048000000000f07, 0},
	/* UXN = 0, PXN = 1 */
	{R | XU, WB, 0, 0x0020000000000fc7, 0},
	{R | W | XU, WB, 0, 0x0028000000000f47, 0},
	{R | W | XU | CLEAN, WB, 0, 0x0028000000000fc7, 0},
};

static void stage_1_permissions_and_dirty_states(void **state)
{
	struct iopgt_config config = rig_config(IOPGT_STAGE1_EL1, 0);

	(void)state;
	expect_rows(&config, 0, el1, COUNT(el1));
	config.dirty = IOPGT_DIRTY_SOFTWARE;
	expect_rows(&config, 0, el1, COUNT(el1));
}

/*
 * AttrIndx (4:2) counts MAIR's bytes 44 FF 04 F4 00 08 0C (R_HHGNL, MAIR_EL1). SH: 3 for
 * write-back; 2 for the others, which for device and non-cacheable memory is what
 * the hardware takes whatever it reads (R_PYFVQ).
 */
static const struct row memory[] = {
	{R | W, IOPGT_NON_CACHEABLE, 0, 0x0068000000000e43, 0},
	{R | W, IOPGT_WRITE_BACK, 0, 0x0068000000000f47, 0},
	{R | W, IOPGT_DEVICE, 0, 0x0068000000000e4b, 0},
	{R | W, IOPGT_INNER_NON_CACHEABLE, 0, 0x0068000000000e4f, 0},
	{R | W, IOPGT_DEVICE_NGNRNE, 0, 0x0068000000000e53, 0},
	{R | W, IOPGT_DEVICE_NGRE, 0, 0x0068000000000e57, 0},
	{R | W, IOPGT_DEVICE_GRE, 0, 0x0068000000000e5b, 0},
	{R | W | FREE, IOPGT_NON_CACHEABLE, 0, 0x0060000000000e43, 0},
	{R | W | FREE, IOPGT_DEVICE, 0, 0x0060000000000e4b, 0},
	{R | W | FREE, IOPGT_DEVICE_NGNRNE, 0, 0x0060000000000e53, 0},
	{R | W | FREE | PRIV, IOPGT_DEVICE_NGRE, 0, 0x0060000000000e17, 0},
	{R | PRIV, IOPGT_DEVICE_GRE, 0, 0x0060000000000e9b, 0},
	{R, IOPGT_NON_CACHEABLE, 0, 0x0060000000000ec3, 0},
	{R | X, IOPGT_INNER_NON_CACHEABLE, 0, 0x0000000000000ecf, 0},
	{R, IOPGT_DEVICE, 0, 0x0060000000000ecb, 0},
	{R, IOPGT_DEVICE_NGNRNE, 0, 0x0060000000000ed3, 0},
	{R, IOPGT_DEVICE_NGRE, 0, 0x0060000000000ed7, 0},
	{R, IOPGT_DEVICE_GRE, 0, 0x0060000000000edb, 0},
	{R | W | PRIV, IOPGT_INNER_NON_CACHEABLE, 0, 0x0068000000000e0f, 0},
};

static void stage_1_memory_types(void **state)
{
	const struct iopgt_config config = rig_config(IOPGT_STAGE1_EL1, 0);

	(void)state;
	expect_rows(&config, 0, memory, COUNT(memory));
}

static void mair_has_a_byte_for_each_memory_type(void **state)
{
	(void)state;
	/* MAIR_EL1: Attr<n> is bits [8n+7:8n] */
	assert_true(IOPGT_MAIR == UINT64_C(0x000c0800f404ff44));
	assert_int_equal(IOPGT_NON_CACHEABLE, 0);
	assert_int_equal(IOPGT_WRITE_BACK, 1);
	assert_int_equal(IOPGT_DEVICE, 2);
	assert_int_equal(IOPGT_INNER_NON_CACHEABLE, 3);
	assert_int_equal(IOPGT_DEVICE_NGNRNE, 4);
	assert_int_equal(IOPGT_DEVICE_NGRE, 5);
	assert_int_equal(IOPGT_DEVICE_GRE, 6);
}

#define INNER  IOPGT_INNER_SHAREABLE
#define OUTER  IOPGT_OUTER_SHAREABLE
#define NOT    IOPGT_NOT_SHAREABLE
#define GLOBAL IOPGT_GLOBAL
#define NS     IOPGT_NON_SECURE
#define GP     IOPGT_GUARDED
#define S0     IOPGT_SOFTWARE_0
#define S1     IOPGT_SOFTWARE_1

static const struct row attributes[] = {
	/* SH, 9:8 (R_ZWYSH): 3 inner, 2 outer, 0 none */
	{R | W, WB, INNER, 0x0068000000000f47, 0},
	{R | W, WB, OUTER, 0x0068000000000e47, 0},
	{R | W, WB, NOT, 0x0068000000000c47, 0},
	{R, WB, OUTER, 0x0060000000000ec7, 0},
	{R, WB, NOT, 0x0060000000000cc7, 0},
	{R | W, IOPGT_INNER_NON_CACHEABLE, INNER, 0x0068000000000f4f, 0},
	{R | W, IOPGT_INNER_NON_CACHEABLE, OUTER, 0x0068000000000e4f, 0},
	{R | W, IOPGT_INNER_NON_CACHEABLE, NOT, 0x0068000000000c4f, 0},
	{R | W, IOPGT_NON_CACHEABLE, OUTER, 0x0068000000000e43, 0},
	{R | W, IOPGT_DEVICE, OUTER, 0x0068000000000e4b, 0},
	/* nG, 11: 0 is global (R_QGKGF) */
	{R | W, WB, GLOBAL, 0x0068000000000747, 0},
	{R, WB, GLOBAL, 0x00600000000007c7, 0},
	{R | W | PRIV, IOPGT_DEVICE, GLOBAL, 0x006800000000060b, 0},
	/* NS, 5, in Secure state */
	{R | W, WB, NS, 0x0068000000000f67, 0},
	{R, WB, NS, 0x0060000000000fe7, 0},
	{R | W, IOPGT_DEVICE, NS, 0x0068000000000e6b, 0},
	/* GP, 50 (D8.4.5.3) */
	{R | X, WB, GP, 0x0004000000000fc7, 0},
	{R | W, WB, GP, 0x006c000000000f47, 0},
	{R | X | PRIV, WB, GP, 0x0044000000000f87, 0},
	/* 57, 58: for software */
	{R | W, WB, S0, 0x0268000000000f47, 0},
	{R | W, WB, S1, 0x0468000000000f47, 0},
	{R, WB, S0 | S1, 0x0660000000000fc7, 0},
	{R | W | FREE, IOPGT_DEVICE, S1, 0x0460000000000e4b, 0},
	{R | X, WB, S0, 0x0200000000000fc7, 0},
	/* all together */
	{R | W | CLEAN, WB, NOT | GLOBAL | NS | GP | S0 | S1, 0x066c0000000004e7, 0},
};

static void stage_1_attributes(void **state)
{
	const struct iopgt_config config = rig_config(IOPGT_STAGE1_EL1, IOPGT_CONFIG_SECURE);

	(void)state;
	expect_rows(&config, 0, attributes, COUNT(attributes));
}

/* Without dirty management writable leaves have DBM = 0 and AP[2] = 0. */
static const struct row no_dirty[] = {
	{R | W, WB, 0, 0x0060000000000f47, 0},
	{R | W | PRIV, WB, 0, 0x0060000000000f07, 0},
	{R | W | X, WB, S0, 0x0200000000000f47, 0},
	{R, WB, 0, 0x0060000000000fc7, 0},
};

static void without_dirty_management_dbm_is_clear(void **state)
{
	struct iopgt_config config = rig_config(IOPGT_STAGE1_EL1, 0);

	(void)state;
	config.dirty = IOPGT_DIRTY_NONE;
	expect_rows(&config, 0, no_dirty, COUNT(no_dirty));
	config.flags = IOPGT_CONFIG_ACCESS_FLAG;
	expect_rows(&config, 0, no_dirty, COUNT(no_dirty));
}

/* --- One privilege level: AP[1] is RES1, nG and bit 53 are RES0, 54 is XN --- */

static const struct row el2[] = {
	{R | W, WB, 0, 0x0048000000000747, 0},
	{R | W | CLEAN, WB, 0, 0x00480000000007c7, 0},
	{R | W | FREE, WB, 0, 0x0040000000000747, 0},
	{R, WB, 0, 0x00400000000007c7, 0},
	{R | X, WB, 0, 0x00000000000007c7, 0},
	{R | W | X, WB, 0, 0x0008000000000747, 0},
	{R | W | X | CLEAN, WB, 0, 0x00080000000007c7, 0},
	{R | W, IOPGT_NON_CACHEABLE, 0, 0x0048000000000643, 0},
	{R | W, IOPGT_DEVICE, 0, 0x004800000000064b, 0},
	{R | W, IOPGT_INNER_NON_CACHEABLE, 0, 0x004800000000064f, 0},
	{R | W, IOPGT_DEVICE_NGNRNE, 0, 0x0048000000000653, 0},
	{R | W, IOPGT_DEVICE_NGRE, 0, 0x0048000000000657, 0},
	{R | W, IOPGT_DEVICE_GRE, 0, 0x004800000000065b, 0},
	{R | W, WB, OUTER, 0x0048000000000647, 0},
	{R | W, WB, NOT | S1, 0x0448000000000447, 0},
	{R | X, WB, GP, 0x00040000000007c7, 0},
	{R, WB, S0, 0x02400000000007c7, 0},
	{R | W, WB, NS, 0x0048000000000767, 0},
};

static void one_privilege_level(void **state)
{
	const struct iopgt_config config = rig_config(IOPGT_STAGE1_EL2, IOPGT_CONFIG_SECURE);

	(void)state;
	expect_rows(&config, 0, el2, COUNT(el2));
}

/* --- DS = 1: no SH, 9:8 are OA[51:50] (table D8-52), here zero --- */

static const struct row lpa2[] = {
	{R | W, WB, 0, 0x0068000000000c47, 0},
	{R | W, WB, INNER, 0x0068000000000c47, 0},
	{R | W | CLEAN, WB, S0, 0x0268000000000cc7, 0},
	{R, WB, GLOBAL, 0x00600000000004c7, 0},
	{R | W, IOPGT_DEVICE, 0, 0x0068000000000c4b, 0},
	{R | W, IOPGT_NON_CACHEABLE, 0, 0x0068000000000c43, 0},
	{R | W, IOPGT_INNER_NON_CACHEABLE, 0, 0x0068000000000c4f, 0},
	{R | X, WB, GP, 0x0004000000000cc7, 0},
};

static void with_lpa2_there_is_no_shareability(void **state)
{
	struct iopgt_config config = rig_config(IOPGT_STAGE1_EL1, IOPGT_CONFIG_LPA2);

	(void)state;
	expect_rows(&config, 0, lpa2, COUNT(lpa2));
	config.granule_shift = 14;
	expect_rows(&config, 0, lpa2, COUNT(lpa2));
}

/* The same bits with every granule; 64 KiB starts at level 1 (D8.2). */
static void other_granules_have_the_same_attributes(void **state)
{
	struct iopgt_config config = rig_config(IOPGT_STAGE1_EL1, IOPGT_CONFIG_SECURE);

	(void)state;
	config.granule_shift = 14;
	expect_rows(&config, 0, attributes, COUNT(attributes));
	expect_rows(&config, 0, memory, COUNT(memory));
	config.granule_shift = 16;
	expect_rows(&config, 1, attributes, COUNT(attributes));
	expect_rows(&config, 1, memory, COUNT(memory));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stage_1_permissions_and_dirty_states),
		cmocka_unit_test(stage_1_memory_types),
		cmocka_unit_test(mair_has_a_byte_for_each_memory_type),
		cmocka_unit_test(stage_1_attributes),
		cmocka_unit_test(without_dirty_management_dbm_is_clear),
		cmocka_unit_test(one_privilege_level),
		cmocka_unit_test(with_lpa2_there_is_no_shareability),
		cmocka_unit_test(other_granules_have_the_same_attributes),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
