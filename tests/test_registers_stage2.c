/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_registers, stage 2, 4 KiB: whole words, each start level (tables D8-19 to D8-24). */
#include "test_registers.h"

static const struct row k4_rows[] = {
	{
		.name = "4 KiB, 48 bits: level 0",
		.config = {.regime = IOPGT_STAGE2,
                           .granule_shift = 12,
                           .input_bits = 48,
                           .output_bits = 48},
		.phys = UINT64_C(0x40004000),
		.want =
			{
				/*
				 * level 0: T0SZ 0x10, SL0 2, IRGN0 1, ORGN0 1, SH0 3, PS 5,
				 * RES1
				 */
				.vtcr = UINT64_C(0x0000000080053590),
				.vttbr = UINT64_C(0x0000000040004000),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2T0SZ 0x10, S2SL0 2, S2IR0 1, S2OR0 1, S2SH0 3, S2PS 5,
				 * S2AA64, S2R
				 */
				.ste[2] = UINT64_C(0x040d359000000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000000040004000),
			},
	},
	{
		.name = "4 KiB, 44 bits, 44 out: level 0, 32 entries",
		.config = {.regime = IOPGT_STAGE2,
                           .granule_shift = 12,
                           .input_bits = 44,
                           .output_bits = 44},
		.phys = UINT64_C(0xabcdef01100),
		.inputs = {.vmid = 0x7f},
		.want =
			{
				/*
				 * level 0: T0SZ 0x14, SL0 2, IRGN0 1, ORGN0 1, SH0 3, PS 4,
				 * RES1
				 */
				.vtcr = UINT64_C(0x0000000080043594),
				/* VMID 0x7f */
				.vttbr = UINT64_C(0x007f0abcdef01100),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2VMID 0x7f, S2T0SZ 0x14, S2SL0 2, S2IR0 1, S2OR0 1, S2SH0
				 * 3, S2PS 4, S2AA64, S2R
				 */
				.ste[2] = UINT64_C(0x040c35940000007f),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x00000abcdef01100),
			},
	},
	{
		.name = "4 KiB, 43 bits, 44 out: level 1, 16 tables",
		.config = {.regime = IOPGT_STAGE2,
                           .granule_shift = 12,
                           .input_bits = 43,
                           .output_bits = 44,
                           .dirty = IOPGT_DIRTY_HARDWARE},
		.phys = UINT64_C(0x12345670000),
		.want =
			{
				/*
				 * level 1: T0SZ 0x15, SL0 1, IRGN0 1, ORGN0 1, SH0 3, PS 4,
				 * HA, HD, RES1
				 */
				.vtcr = UINT64_C(0x0000000080643555),
				.vttbr = UINT64_C(0x0000012345670000),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2T0SZ 0x15, S2SL0 1, S2IR0 1, S2OR0 1, S2SH0 3, S2PS 4,
				 * S2AA64, S2HD, S2HA, S2R
				 */
				.ste[2] = UINT64_C(0x058c355500000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000012345670000),
			},
	},
	{
		.name = "4 KiB, 40 bits, 40 out: level 1, 2 tables",
		.config = {.regime = IOPGT_STAGE2,
                           .granule_shift = 12,
                           .input_bits = 40,
                           .output_bits = 40},
		.phys = UINT64_C(0x8000002000),
		.inputs = {.flags = IOPGT_REGISTERS_CNP, .vmid = 1},
		.want =
			{
				/*
				 * level 1: T0SZ 0x18, SL0 1, IRGN0 1, ORGN0 1, SH0 3, PS 2,
				 * RES1
				 */
				.vtcr = UINT64_C(0x0000000080023558),
				/* VMID 0x1, CnP */
				.vttbr = UINT64_C(0x0001008000002001),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2VMID 1, S2T0SZ 0x18, S2SL0 1, S2IR0 1, S2OR0 1, S2SH0 3,
				 * S2PS 2, S2AA64, S2R
				 */
				.ste[2] = UINT64_C(0x040a355800000001),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000008000002000),
			},
	},
	{
		.name = "4 KiB, 39 bits, 42 out: level 1",
		.config = {.regime = IOPGT_STAGE2,
                           .flags = IOPGT_CONFIG_NON_COHERENT,
                           .granule_shift = 12,
                           .input_bits = 39,
                           .output_bits = 42},
		.phys = UINT64_C(0x3f000001000),
		.want =
			{
				/* level 1: T0SZ 0x19, SL0 1, SH0 2, PS 3, RES1 */
				.vtcr = UINT64_C(0x0000000080032059),
				.vttbr = UINT64_C(0x000003f000001000),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/* S2T0SZ 0x19, S2SL0 1, S2SH0 2, S2PS 3, S2AA64, S2R */
				.ste[2] = UINT64_C(0x040b205900000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x000003f000001000),
			},
	},
	{
		.name = "4 KiB, 34 bits, 36 out: level 2, 16 tables",
		.config = {.regime = IOPGT_STAGE2,
                           .granule_shift = 12,
                           .input_bits = 34,
                           .output_bits = 36,
                           .dirty = IOPGT_DIRTY_SOFTWARE},
		.phys = UINT64_C(0xfffff0000),
		.want =
			{
				/* level 2: T0SZ 0x1e, IRGN0 1, ORGN0 1, SH0 3, PS 1, RES1 */
				.vtcr = UINT64_C(0x000000008001351e),
				.vttbr = UINT64_C(0x0000000fffff0000),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/* S2T0SZ 0x1e, S2IR0 1, S2OR0 1, S2SH0 3, S2PS 1, S2AA64, S2R */
				.ste[2] = UINT64_C(0x0409351e00000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000000fffff0000),
			},
	},
	{
		.name = "4 KiB, 30 bits, 32 out: level 2",
		.config = {.regime = IOPGT_STAGE2,
                           .granule_shift = 12,
                           .input_bits = 30,
                           .output_bits = 32,
                           .dirty = IOPGT_DIRTY_SOFTWARE},
		.phys = UINT64_C(0xfffff000),
		.inputs = {.flags = IOPGT_REGISTERS_HARDWARE_ACCESS},
		.want =
			{
				/* level 2: T0SZ 0x22, IRGN0 1, ORGN0 1, SH0 3, HA, RES1 */
				.vtcr = UINT64_C(0x0000000080203522),
				.vttbr = UINT64_C(0x00000000fffff000),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/* S2T0SZ 0x22, S2IR0 1, S2OR0 1, S2SH0 3, S2AA64, S2HA, S2R */
				.ste[2] = UINT64_C(0x0508352200000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x00000000fffff000),
			},
	},
	{
		.name = "4 KiB, 25 bits: level 2, 16 entries",
		.config = {.regime = IOPGT_STAGE2,
                           .granule_shift = 12,
                           .input_bits = 25,
                           .output_bits = 48},
		.phys = UINT64_C(0x80),
		.want =
			{
				/* level 2: T0SZ 0x27, IRGN0 1, ORGN0 1, SH0 3, PS 5, RES1 */
				.vtcr = UINT64_C(0x0000000080053527),
				.vttbr = UINT64_C(0x0000000000000080),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/* S2T0SZ 0x27, S2IR0 1, S2OR0 1, S2SH0 3, S2PS 5, S2AA64, S2R */
				.ste[2] = UINT64_C(0x040d352700000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000000000000080),
			},
	},
	{
		.name = "4 KiB, small, 22 bits: level 2, 2 entries",
		.config = {.regime = IOPGT_STAGE2,
                           .flags = IOPGT_CONFIG_SMALL_TABLES,
                           .granule_shift = 12,
                           .input_bits = 22,
                           .output_bits = 48},
		.phys = UINT64_C(0xffffffffffc0),
		.want =
			{
				/* level 2: T0SZ 0x2a, IRGN0 1, ORGN0 1, SH0 3, PS 5, RES1 */
				.vtcr = UINT64_C(0x000000008005352a),
				.vttbr = UINT64_C(0x0000ffffffffffc0),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/* S2T0SZ 0x2a, S2IR0 1, S2OR0 1, S2SH0 3, S2PS 5, S2AA64, S2R */
				.ste[2] = UINT64_C(0x040d352a00000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000ffffffffffc0),
			},
	},
	{
		.name = "4 KiB, small, 21 bits: level 3",
		.config = {.regime = IOPGT_STAGE2,
                           .flags = IOPGT_CONFIG_SMALL_TABLES,
                           .granule_shift = 12,
                           .input_bits = 21,
                           .output_bits = 40},
		.phys = UINT64_C(0x1000),
		.want =
			{
				/*
				 * level 3: T0SZ 0x2b, SL0 3, IRGN0 1, ORGN0 1, SH0 3, PS 2,
				 * RES1
				 */
				.vtcr = UINT64_C(0x00000000800235eb),
				.vttbr = UINT64_C(0x0000000000001000),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2T0SZ 0x2b, S2SL0 3, S2IR0 1, S2OR0 1, S2SH0 3, S2PS 2,
				 * S2AA64, S2R
				 */
				.ste[2] = UINT64_C(0x040a35eb00000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000000000001000),
			},
	},
	{
		.name = "4 KiB, small, 16 bits: level 3, 16 entries",
		.config = {.regime = IOPGT_STAGE2,
                           .flags = IOPGT_CONFIG_SMALL_TABLES,
                           .granule_shift = 12,
                           .input_bits = 16,
                           .output_bits = 32},
		.phys = UINT64_C(0x12380),
		.want =
			{
				/* level 3: T0SZ 0x30, SL0 3, IRGN0 1, ORGN0 1, SH0 3, RES1 */
				.vtcr = UINT64_C(0x00000000800035f0),
				.vttbr = UINT64_C(0x0000000000012380),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/* S2T0SZ 0x30, S2SL0 3, S2IR0 1, S2OR0 1, S2SH0 3, S2AA64, S2R */
				.ste[2] = UINT64_C(0x040835f000000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000000000012380),
			},
	},
};

static const struct row k4l_rows[] = {
	{
		.name = "4 KiB, LPA2, 52 bits: level 0, 16 tables",
		.config = {.regime = IOPGT_STAGE2,
                           .flags = IOPGT_CONFIG_LPA2,
                           .granule_shift = 12,
                           .input_bits = 52,
                           .output_bits = 52},
		.phys = UINT64_C(0x9876543210000),
		.inputs = {.flags = IOPGT_REGISTERS_VMID16, .vmid = 0xabcd},
		.want =
			{
				/*
				 * level 0: T0SZ 0xc, SL0 2, IRGN0 1, ORGN0 1, SH0 3, PS 6, VS,
				 * RES1, DS
				 */
				.vtcr = UINT64_C(0x00000001800e358c),
				/* VMID 0xabcd, A[51:48] 0x9 in 5:2 */
				.vttbr = UINT64_C(0xabcd876543210024),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2VMID 0xabcd, S2T0SZ 0xc, S2SL0 2, S2IR0 1, S2OR0 1, S2SH0
				 * 3, S2PS 6, S2AA64, S2R
				 */
				.ste[2] = UINT64_C(0x040e358c0000abcd),
				/* S2TTB in place, S2DS */
				.ste[3] = UINT64_C(0x0009876543210008),
			},
	},
	{
		.name = "4 KiB, LPA2, 49 bits, 52 out: level 0, 2 tables",
		.config = {.regime = IOPGT_STAGE2,
                           .flags = IOPGT_CONFIG_LPA2,
                           .granule_shift = 12,
                           .input_bits = 49,
                           .output_bits = 52,
                           .dirty = IOPGT_DIRTY_HARDWARE},
		.phys = UINT64_C(0x1000000002000),
		.want =
			{
				/*
				 * level 0: T0SZ 0xf, SL0 2, IRGN0 1, ORGN0 1, SH0 3, PS 6, HA,
				 * HD, RES1, DS
				 */
				.vtcr = UINT64_C(0x000000018066358f),
				/* A[51:48] 0x1 in 5:2 */
				.vttbr = UINT64_C(0x0000000000002004),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2T0SZ 0xf, S2SL0 2, S2IR0 1, S2OR0 1, S2SH0 3, S2PS 6,
				 * S2AA64, S2HD, S2HA, S2R
				 */
				.ste[2] = UINT64_C(0x058e358f00000000),
				/* S2TTB in place, S2DS */
				.ste[3] = UINT64_C(0x0001000000002008),
			},
	},
	{
		.name = "4 KiB, LPA2, 48 bits, 48 out, not coherent: level 0",
		.config = {.regime = IOPGT_STAGE2,
                           .flags = IOPGT_CONFIG_LPA2 | IOPGT_CONFIG_NON_COHERENT,
                           .granule_shift = 12,
                           .input_bits = 48,
                           .output_bits = 48},
		.phys = UINT64_C(0x800000001000),
		.want =
			{
				/* level 0: T0SZ 0x10, SL0 2, SH0 3, PS 5, RES1, DS */
				.vtcr = UINT64_C(0x0000000180053090),
				.vttbr = UINT64_C(0x0000800000001000),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/* S2T0SZ 0x10, S2SL0 2, S2SH0 3, S2PS 5, S2AA64, S2R */
				.ste[2] = UINT64_C(0x040d309000000000),
				/* S2TTB in place, S2DS */
				.ste[3] = UINT64_C(0x0000800000001008),
			},
	},
	{
		.name = "4 KiB, LPA2, 33 bits, 52 out: level 2, 8 tables",
		.config = {.regime = IOPGT_STAGE2,
                           .flags = IOPGT_CONFIG_LPA2,
                           .granule_shift = 12,
                           .input_bits = 33,
                           .output_bits = 52},
		.phys = UINT64_C(0xe000000008000),
		.want =
			{
				/* level 2: T0SZ 0x1f, IRGN0 1, ORGN0 1, SH0 3, PS 6, RES1, DS */
				.vtcr = UINT64_C(0x000000018006351f),
				/* A[51:48] 0xe in 5:2 */
				.vttbr = UINT64_C(0x0000000000008038),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/* S2T0SZ 0x1f, S2IR0 1, S2OR0 1, S2SH0 3, S2PS 6, S2AA64, S2R */
				.ste[2] = UINT64_C(0x040e351f00000000),
				/* S2TTB in place, S2DS */
				.ste[3] = UINT64_C(0x000e000000008008),
			},
	},
};

static void words_of_4k_start_levels_are_as_specified(void **state)
{
	(void)state;
	expect_rows(k4_rows, COUNT(k4_rows));
}

static void words_of_4k_lpa2_are_as_specified(void **state)
{
	(void)state;
	expect_rows(k4l_rows, COUNT(k4l_rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_4k_start_levels_are_as_specified),
		cmocka_unit_test(words_of_4k_lpa2_are_as_specified),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
