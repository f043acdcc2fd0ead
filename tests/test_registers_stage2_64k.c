/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_registers, stage 2 with 64 KiB: whole words, each start level (tables D8-38 to D8-41). */
#include "test_registers.h"

static const struct row rows[] = {
	{
		.name = "64 KiB, 52 bits: level 1, 1024 entries",
		.config =
			{
				.regime = IOPGT_STAGE2,
				.granule_shift = 16,
				.input_bits = 52,
				.output_bits = 52,
			},
		.phys = UINT64_C(0x6543210012000),
		.want =
			{
				/*
				 * level 1: T0SZ 0xc, SL0 2, IRGN0 1, ORGN0 1, SH0 3, TG0 1, PS
				 * 6, RES1
				 */
				.vtcr = UINT64_C(0x000000008006758c),
				/* A[51:48] 0x6 in 5:2 */
				.vttbr = UINT64_C(0x0000543210012018),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2T0SZ 0xc, S2SL0 2, S2IR0 1, S2OR0 1, S2SH0 3, S2TG 1, S2PS
				 * 6, S2AA64, S2R
				 */
				.ste[2] = UINT64_C(0x040e758c00000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0006543210012000),
			},
	},
	{
		.name = "64 KiB, 48 bits, 48 out: level 1, 64 entries",
		.config =
			{
				.regime = IOPGT_STAGE2,
				.granule_shift = 16,
				.input_bits = 48,
				.output_bits = 48,
			},
		.phys = UINT64_C(0x10200),
		.inputs = {.flags = IOPGT_REGISTERS_VMID16 | IOPGT_REGISTERS_CNP, .vmid = 0x1234},
		.want =
			{
				/*
				 * level 1: T0SZ 0x10, SL0 2, IRGN0 1, ORGN0 1, SH0 3, TG0 1,
				 * PS 5, VS, RES1
				 */
				.vtcr = UINT64_C(0x00000000800d7590),
				/* VMID 0x1234, CnP */
				.vttbr = UINT64_C(0x1234000000010201),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2VMID 0x1234, S2T0SZ 0x10, S2SL0 2, S2IR0 1, S2OR0 1, S2SH0
				 * 3, S2TG 1, S2PS 5, S2AA64, S2R
				 */
				.ste[2] = UINT64_C(0x040d759000001234),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000000000010200),
			},
	},
	{
		.name = "64 KiB, 47 bits, 52 out: level 1, 32 entries",
		.config =
			{
				.regime = IOPGT_STAGE2,
				.granule_shift = 16,
				.input_bits = 47,
				.output_bits = 52,
				.dirty = IOPGT_DIRTY_HARDWARE,
			},
		.phys = UINT64_C(0x8000000000100),
		.want =
			{
				/*
				 * level 1: T0SZ 0x11, SL0 2, IRGN0 1, ORGN0 1, SH0 3, TG0 1,
				 * PS 6, HA, HD, RES1
				 */
				.vtcr = UINT64_C(0x0000000080667591),
				/* A[51:48] 0x8 in 5:2 */
				.vttbr = UINT64_C(0x0000000000000120),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2T0SZ 0x11, S2SL0 2, S2IR0 1, S2OR0 1, S2SH0 3, S2TG 1,
				 * S2PS 6, S2AA64, S2HD, S2HA, S2R
				 */
				.ste[2] = UINT64_C(0x058e759100000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0008000000000100),
			},
	},
	{
		.name = "64 KiB, 46 bits, 48 out: level 2, 16 tables",
		.config =
			{
				.regime = IOPGT_STAGE2,
				.granule_shift = 16,
				.input_bits = 46,
				.output_bits = 48,
			},
		.phys = UINT64_C(0x123456700000),
		.want =
			{
				/*
				 * level 2: T0SZ 0x12, SL0 1, IRGN0 1, ORGN0 1, SH0 3, TG0 1,
				 * PS 5, RES1
				 */
				.vtcr = UINT64_C(0x0000000080057552),
				.vttbr = UINT64_C(0x0000123456700000),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2T0SZ 0x12, S2SL0 1, S2IR0 1, S2OR0 1, S2SH0 3, S2TG 1,
				 * S2PS 5, S2AA64, S2R
				 */
				.ste[2] = UINT64_C(0x040d755200000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000123456700000),
			},
	},
	{
		.name = "64 KiB, 42 bits, 42 out: level 2",
		.config =
			{
				.regime = IOPGT_STAGE2,
				.flags = IOPGT_CONFIG_ACCESS_FLAG,
				.granule_shift = 16,
				.input_bits = 42,
				.output_bits = 42,
			},
		.phys = UINT64_C(0x20000000000),
		.inputs = {.flags = IOPGT_REGISTERS_HARDWARE_ACCESS},
		.want =
			{
				/*
				 * level 2: T0SZ 0x16, SL0 1, IRGN0 1, ORGN0 1, SH0 3, TG0 1,
				 * PS 3, HA, RES1
				 */
				.vtcr = UINT64_C(0x0000000080237556),
				.vttbr = UINT64_C(0x0000020000000000),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2T0SZ 0x16, S2SL0 1, S2IR0 1, S2OR0 1, S2SH0 3, S2TG 1,
				 * S2PS 3, S2AA64, S2HA, S2R
				 */
				.ste[2] = UINT64_C(0x050b755600000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000020000000000),
			},
	},
	{
		.name = "64 KiB, 33 bits, 36 out: level 3, 16 tables",
		.config =
			{
				.regime = IOPGT_STAGE2,
				.granule_shift = 16,
				.input_bits = 33,
				.output_bits = 36,
			},
		.phys = UINT64_C(0xabcd00000),
		.want =
			{
				/*
				 * level 3: T0SZ 0x1f, IRGN0 1, ORGN0 1, SH0 3, TG0 1, PS 1,
				 * RES1
				 */
				.vtcr = UINT64_C(0x000000008001751f),
				.vttbr = UINT64_C(0x0000000abcd00000),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2T0SZ 0x1f, S2IR0 1, S2OR0 1, S2SH0 3, S2TG 1, S2PS 1,
				 * S2AA64, S2R
				 */
				.ste[2] = UINT64_C(0x0409751f00000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000000abcd00000),
			},
	},
	{
		.name = "64 KiB, 25 bits, 40 out: level 3, 512 entries",
		.config =
			{
				.regime = IOPGT_STAGE2,
				.flags = IOPGT_CONFIG_FORCED_WRITE_BACK,
				.granule_shift = 16,
				.input_bits = 25,
				.output_bits = 40,
			},
		.phys = UINT64_C(0x1000),
		.want =
			{
				/*
				 * level 3: T0SZ 0x27, IRGN0 1, ORGN0 1, SH0 3, TG0 1, PS 2,
				 * RES1
				 */
				.vtcr = UINT64_C(0x0000000080027527),
				.vttbr = UINT64_C(0x0000000000001000),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* S2FWB, SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100002000000),
				/*
				 * S2T0SZ 0x27, S2IR0 1, S2OR0 1, S2SH0 3, S2TG 1, S2PS 2,
				 * S2AA64, S2R
				 */
				.ste[2] = UINT64_C(0x040a752700000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000000000001000),
			},
	},
	{
		.name = "64 KiB, small, 17 bits, 44 out: level 3, 2 entries",
		.config =
			{
				.regime = IOPGT_STAGE2,
				.flags = IOPGT_CONFIG_SMALL_TABLES,
				.granule_shift = 16,
				.input_bits = 17,
				.output_bits = 44,
			},
		.phys = UINT64_C(0x40),
		.want =
			{
				/*
				 * level 3: T0SZ 0x2f, IRGN0 1, ORGN0 1, SH0 3, TG0 1, PS 4,
				 * RES1
				 */
				.vtcr = UINT64_C(0x000000008004752f),
				.vttbr = UINT64_C(0x0000000000000040),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2T0SZ 0x2f, S2IR0 1, S2OR0 1, S2SH0 3, S2TG 1, S2PS 4,
				 * S2AA64, S2R
				 */
				.ste[2] = UINT64_C(0x040c752f00000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000000000000040),
			},
	},
};

static void words_of_start_levels_are_as_specified(void **state)
{
	(void)state;
	expect_rows(rows, COUNT(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_start_levels_are_as_specified),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
