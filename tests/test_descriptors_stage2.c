/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Attributes of stage-2 leaves. Table D8-53: 5:2 MemAttr, 6 S2AP[0], 7 S2AP[1],
 * 9:8 SH, 10 AF, 51 DBM, 52 Contiguous, 54:53 XN, 58:55 for software; 11 and 50
 * are zero.
 */
#include "test_descriptors.h"

static const struct row permissions[] = {
	/* DBM, S2AP[1] (D8.5.2.1): dirty, clean, untracked, read-only */
	{R | W, WB, 0, 0x00480000000007ff, 0},
	{R | W | CLEAN, WB, 0, 0x004800000000077f, 0},
	{R | W | FREE, WB, 0, 0x00400000000007ff, 0},
	{R, WB, 0, 0x004000000000077f, 0},
	/* S2AP[0] = 0 (table D8-76): write-only, in each state */
	{W, WB, 0, 0x00480000000007bf, 0},
	{W | CLEAN, WB, 0, 0x004800000000073f, 0},
	{W | FREE, WB, 0, 0x00400000000007bf, 0},
	/* XN, 54 (table D8-77) */
	{R | X, WB, 0, 0x000000000000077f, 0},
	{R | W | X, WB, 0, 0x00080000000007ff, 0},
	{R | W | X | CLEAN, WB, 0, 0x000800000000077f, 0},
};

static void stage_2_permissions_and_dirty_states(void **state)
{
	struct iopgt_config config = rig_config(IOPGT_STAGE2, 0);

	(void)state;
	expect_rows(&config, 0, permissions, COUNT(permissions));
	config.dirty = IOPGT_DIRTY_SOFTWARE;
	expect_rows(&config, 0, permissions, COUNT(permissions));
	/* Without XNX the first rows say all; with it, 0b00 and 0b10 stay (table D8-78). */
	config.flags = IOPGT_CONFIG_XNX;
	expect_rows(&config, 0, permissions, COUNT(permissions));
}

/* XN[1:0] at 54:53 (table D8-78): 0b01 EL0 alone, 0b11 EL1 alone */
static const struct row xnx[] = {
	{R | XU, WB, 0, 0x002000000000077f, 0},
	{R | W | XU, WB, 0, 0x00280000000007ff, 0},
	{R | W | XU | CLEAN, WB, 0, 0x002800000000077f, 0},
	{R | XP, WB, 0, 0x006000000000077f, 0},
	{R | W | XP, WB, 0, 0x00680000000007ff, 0},
	{R | W | XP | FREE, WB, 0, 0x00600000000007ff, 0},
	{R | X, WB, 0, 0x000000000000077f, 0},
	{R | W | X, WB, 0, 0x00080000000007ff, 0},
	{R | W, WB, 0, 0x00480000000007ff, 0},
};

static void with_xnx_execution_is_split_by_privilege(void **state)
{
	const struct iopgt_config config = rig_config(IOPGT_STAGE2, IOPGT_CONFIG_XNX);

	(void)state;
	expect_rows(&config, 0, xnx, COUNT(xnx));
}

/* MemAttr[3:0] (table D8-96); SH is outer but for write-back. */
static const struct row memory[] = {
	{R | W, IOPGT_NON_CACHEABLE, 0, 0x00480000000006d7, 0},       /* 0101 */
	{R | W, IOPGT_WRITE_BACK, 0, 0x00480000000007ff, 0},          /* 1111 */
	{R | W, IOPGT_DEVICE, 0, 0x00480000000006c7, 0},              /* 0001 */
	{R | W, IOPGT_INNER_NON_CACHEABLE, 0, 0x00480000000006f7, 0}, /* 1101 */
	{R | W, IOPGT_DEVICE_NGNRNE, 0, 0x00480000000006c3, 0},       /* 0000 */
	{R | W, IOPGT_DEVICE_NGRE, 0, 0x00480000000006cb, 0},         /* 0010 */
	{R | W, IOPGT_DEVICE_GRE, 0, 0x00480000000006cf, 0},          /* 0011 */
	{R, IOPGT_NON_CACHEABLE, 0, 0x0040000000000657, 0},
	{R, IOPGT_DEVICE, 0, 0x0040000000000647, 0},
	{R, IOPGT_INNER_NON_CACHEABLE, 0, 0x0040000000000677, 0},
	{R, IOPGT_DEVICE_NGNRNE, 0, 0x0040000000000643, 0},
	{R, IOPGT_DEVICE_NGRE, 0, 0x004000000000064b, 0},
	{R, IOPGT_DEVICE_GRE, 0, 0x004000000000064f, 0},
	{W | FREE, IOPGT_DEVICE, 0, 0x0040000000000687, 0},
	{W | FREE, IOPGT_DEVICE_NGNRNE, 0, 0x0040000000000683, 0},
	{W | FREE, IOPGT_DEVICE_NGRE, 0, 0x004000000000068b, 0},
	{W | FREE, IOPGT_DEVICE_GRE, 0, 0x004000000000068f, 0},
	{W, IOPGT_NON_CACHEABLE, 0, 0x0048000000000697, 0},
	{R | X, IOPGT_INNER_NON_CACHEABLE, 0, 0x0000000000000677, 0},
};

static void stage_2_memory_types(void **state)
{
	const struct iopgt_config config = rig_config(IOPGT_STAGE2, 0);

	(void)state;
	expect_rows(&config, 0, memory, COUNT(memory));
}

/*
 * Forced write-back (D8.6.6): bit 5 is RES0; MemAttr[2] = 0 is device memory by
 * [1:0] (table D8-100), 101 normal non-cacheable, 110 write-back (table D8-101).
 */
static const struct row forced[] = {
	{R | W, IOPGT_WRITE_BACK, 0, 0x00480000000007db, 0},
	{R, IOPGT_WRITE_BACK, 0, 0x004000000000075b, 0},
	{R | W | CLEAN, IOPGT_WRITE_BACK, 0, 0x004800000000075b, 0},
	{R | W, IOPGT_NON_CACHEABLE, 0, 0x00480000000006d7, 0},
	{R, IOPGT_NON_CACHEABLE, 0, 0x0040000000000657, 0},
	{W, IOPGT_NON_CACHEABLE, 0, 0x0048000000000697, 0},
	{R | W, IOPGT_DEVICE, 0, 0x00480000000006c7, 0},
	{R, IOPGT_DEVICE, 0, 0x0040000000000647, 0},
	{W | FREE, IOPGT_DEVICE, 0, 0x0040000000000687, 0},
	{R | W, IOPGT_DEVICE_NGNRNE, 0, 0x00480000000006c3, 0},
	{R, IOPGT_DEVICE_NGNRNE, 0, 0x0040000000000643, 0},
	{W, IOPGT_DEVICE_NGNRNE, 0, 0x0048000000000683, 0},
	{R | W, IOPGT_DEVICE_NGRE, 0, 0x00480000000006cb, 0},
	{R, IOPGT_DEVICE_NGRE, 0, 0x004000000000064b, 0},
	{W, IOPGT_DEVICE_NGRE, 0, 0x004800000000068b, 0},
	{R | W, IOPGT_DEVICE_GRE, 0, 0x00480000000006cf, 0},
	{R, IOPGT_DEVICE_GRE, 0, 0x004000000000064f, 0},
	{W, IOPGT_DEVICE_GRE, 0, 0x004800000000068f, 0},
};

static void forced_write_back_memory_types(void **state)
{
	const struct iopgt_config config = rig_config(IOPGT_STAGE2, IOPGT_CONFIG_FORCED_WRITE_BACK);

	(void)state;
	expect_rows(&config, 0, forced, COUNT(forced));
}

static const struct row attributes[] = {
	/* SH (table D8-102): 3 inner, 2 outer, 0 none */
	{R | W, WB, IOPGT_INNER_SHAREABLE, 0x00480000000007ff, 0},
	{R | W, WB, IOPGT_OUTER_SHAREABLE, 0x00480000000006ff, 0},
	{R | W, WB, IOPGT_NOT_SHAREABLE, 0x00480000000004ff, 0},
	{R, WB, IOPGT_NOT_SHAREABLE, 0x004000000000047f, 0},
	{R, WB, IOPGT_OUTER_SHAREABLE, 0x004000000000067f, 0},
	{R | W, IOPGT_INNER_NON_CACHEABLE, IOPGT_INNER_SHAREABLE, 0x00480000000007f7, 0},
	{R | W, IOPGT_DEVICE, IOPGT_OUTER_SHAREABLE, 0x00480000000006c7, 0},
	/* 57, 58: for software */
	{R | W, WB, IOPGT_SOFTWARE_0, 0x02480000000007ff, 0},
	{R | W, WB, IOPGT_SOFTWARE_1, 0x04480000000007ff, 0},
	{R, WB, IOPGT_SOFTWARE_0 | IOPGT_SOFTWARE_1, 0x064000000000077f, 0},
	{W | FREE, IOPGT_DEVICE, IOPGT_SOFTWARE_0, 0x0240000000000687, 0},
	{R | X, WB, IOPGT_SOFTWARE_1, 0x040000000000077f, 0},
};

static void stage_2_attributes(void **state)
{
	const struct iopgt_config config = rig_config(IOPGT_STAGE2, 0);

	(void)state;
	expect_rows(&config, 0, attributes, COUNT(attributes));
}

static const struct row no_dirty[] = {
	{R | W, WB, 0, 0x00400000000007ff, 0},
	{W, WB, 0, 0x00400000000007bf, 0},
	{R, WB, 0, 0x004000000000077f, 0},
	{R | W | X, WB, 0, 0x00000000000007ff, 0},
};

static void without_dirty_management_dbm_is_clear(void **state)
{
	struct iopgt_config config = rig_config(IOPGT_STAGE2, 0);

	(void)state;
	config.dirty = IOPGT_DIRTY_NONE;
	expect_rows(&config, 0, no_dirty, COUNT(no_dirty));
}

/* DS = 1: no SH; 9:8 are OA[51:50], here zero. */
static const struct row lpa2[] = {
	{R | W, WB, 0, 0x00480000000004ff, 0},
	{R | W | CLEAN, WB, 0, 0x004800000000047f, 0},
	{R, IOPGT_DEVICE, 0, 0x0040000000000447, 0},
	{W, IOPGT_NON_CACHEABLE, 0, 0x0048000000000497, 0},
};

static void with_lpa2_there_is_no_shareability(void **state)
{
	const struct iopgt_config config = rig_config(IOPGT_STAGE2, IOPGT_CONFIG_LPA2);

	(void)state;
	expect_rows(&config, 0, lpa2, COUNT(lpa2));
}

/*
 * 16 KiB: two concatenated tables at level 1 (R_HRSBS: a start table of 2 entries
 * at level 0 would be forbidden too); 64 KiB: 64 entries at level 1.
 */
static void other_granules_have_the_same_attributes(void **state)
{
	struct iopgt_config config = rig_config(IOPGT_STAGE2, 0);

	(void)state;
	config.granule_shift = 14;
	expect_rows(&config, 1, permissions, COUNT(permissions));
	expect_rows(&config, 1, memory, COUNT(memory));
	config.granule_shift = 16;
	expect_rows(&config, 1, attributes, COUNT(attributes));
	expect_rows(&config, 1, memory, COUNT(memory));
}

/*
 * AArch32 (G5.5.3): the same places; no DBM. XN = 1 denies execution to all, so
 * that PXN (53) says nothing then (G5.7.3).
 */
static const struct row aarch32[] = {
	{R | W, WB, 0, 0x0040000000000f47, BIT(53)},
	{R, WB, 0, 0x0040000000000fc7, BIT(53)},
	{R | W | PRIV, WB, 0, 0x0040000000000f07, BIT(53)},
	{R | PRIV, WB, 0, 0x0040000000000f87, BIT(53)},
	{R | X, WB, 0, 0x0000000000000fc7, 0},
	{R | W | X, WB, 0, 0x0000000000000f47, 0},
	{R | X | PRIV, WB, 0, 0x0000000000000f87, 0},
	{R | XP | PRIV, WB, 0, 0x0000000000000f87, 0},
	{R | XU, WB, 0, 0x0020000000000fc7, 0},
	{R | W | XU, WB, 0, 0x0020000000000f47, 0},
	{R | W, IOPGT_NON_CACHEABLE, 0, 0x0040000000000e43, BIT(53)},
	{R | W, IOPGT_DEVICE, 0, 0x0040000000000e4b, BIT(53)},
	{R | W, IOPGT_INNER_NON_CACHEABLE, 0, 0x0040000000000e4f, BIT(53)},
	{R | W, IOPGT_DEVICE_NGNRNE, 0, 0x0040000000000e53, BIT(53)},
	{R | W, IOPGT_DEVICE_NGRE, 0, 0x0040000000000e57, BIT(53)},
	{R | W, IOPGT_DEVICE_GRE, 0, 0x0040000000000e5b, BIT(53)},
	{R | X, WB, IOPGT_NOT_SHAREABLE, 0x0000000000000cc7, 0},
	{R | X, WB, IOPGT_OUTER_SHAREABLE, 0x0000000000000ec7, 0},
	{R | X, WB, IOPGT_GLOBAL, 0x00000000000007c7, 0},
	{R | X, WB, IOPGT_NON_SECURE, 0x0000000000000fe7, 0},
	{R | X, WB, IOPGT_SOFTWARE_0, 0x0200000000000fc7, 0},
	{R | X, WB, IOPGT_SOFTWARE_1, 0x0400000000000fc7, 0},
};

static void aarch32_stage_1(void **state)
{
	struct iopgt_config config = rig_config(IOPGT_STAGE1_AARCH32, IOPGT_CONFIG_SECURE);

	(void)state;
	config.input_bits = 32;
	config.output_bits = 40;
	config.bbm_level = 0;
	config.dirty = IOPGT_DIRTY_NONE;
	expect_rows(&config, 1, aarch32, COUNT(aarch32)); /* T0SZ 0: level 1 */
	config.input_bits = 31;
	expect_rows(&config, 1, aarch32, COUNT(aarch32)); /* T0SZ 1 */
	config.input_bits = 30;
	expect_rows(&config, 2, aarch32, COUNT(aarch32)); /* T0SZ 2: level 2 */
}

/* HAP at 7:6, MemAttr 5:2, XN 54 (G5.5.3.3) */
static const struct row aarch32_stage2[] = {
	{R | W, WB, 0, 0x00400000000007ff, 0},
	{R, WB, 0, 0x004000000000077f, 0},
	{W, WB, 0, 0x00400000000007bf, 0},
	{R | X, WB, 0, 0x000000000000077f, 0},
	{R | W | X, WB, 0, 0x00000000000007ff, 0},
	{R | W, IOPGT_NON_CACHEABLE, 0, 0x00400000000006d7, 0},
	{R | W, IOPGT_DEVICE, 0, 0x00400000000006c7, 0},
	{R | W, IOPGT_INNER_NON_CACHEABLE, 0, 0x00400000000006f7, 0},
	{R | W, IOPGT_DEVICE_NGNRNE, 0, 0x00400000000006c3, 0},
	{R | W, IOPGT_DEVICE_NGRE, 0, 0x00400000000006cb, 0},
	{R | W, IOPGT_DEVICE_GRE, 0, 0x00400000000006cf, 0},
	{R | W, WB, IOPGT_NOT_SHAREABLE, 0x00400000000004ff, 0},
	{R | W, WB, IOPGT_SOFTWARE_0 | IOPGT_SOFTWARE_1, 0x06400000000007ff, 0},
};

static void aarch32_stage_2(void **state)
{
	struct iopgt_config config = rig_config(IOPGT_STAGE2_AARCH32, 0);

	(void)state;
	config.input_bits = 40; /* two tables at level 1 */
	config.output_bits = 40;
	config.bbm_level = 0;
	config.dirty = IOPGT_DIRTY_NONE;
	expect_rows(&config, 1, aarch32_stage2, COUNT(aarch32_stage2));
	config.input_bits = 34; /* sixteen at level 2 */
	expect_rows(&config, 2, aarch32_stage2, COUNT(aarch32_stage2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stage_2_permissions_and_dirty_states),
		cmocka_unit_test(with_xnx_execution_is_split_by_privilege),
		cmocka_unit_test(stage_2_memory_types),
		cmocka_unit_test(forced_write_back_memory_types),
		cmocka_unit_test(stage_2_attributes),
		cmocka_unit_test(without_dirty_management_dbm_is_clear),
		cmocka_unit_test(with_lpa2_there_is_no_shareability),
		cmocka_unit_test(other_granules_have_the_same_attributes),
		cmocka_unit_test(aarch32_stage_1),
		cmocka_unit_test(aarch32_stage_2),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
