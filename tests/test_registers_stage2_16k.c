/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_registers, stage 2 with 16 KiB: whole words, each start level (tables D8-29 to D8-33). */
#include "test_registers.h"

static const struct row rows[] = {
	{
		.name = "16 KiB, 48 bits: level 1, 2 tables",
		.config = {.regime = IOPGT_STAGE2,
                           .granule_shift = 14,
                           .input_bits = 48,
                           .output_bits = 48},
		.phys = UINT64_C(0x400000008000),
		.want =
			{
				/*
				 * level 1: T0SZ 0x10, SL0 2, IRGN0 1, ORGN0 1, SH0 3, TG0 2,
				 * PS 5, RES1
				 */
				.vtcr = UINT64_C(0x000000008005b590),
				.vttbr = UINT64_C(0x0000400000008000),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2T0SZ 0x10, S2SL0 2, S2IR0 1, S2OR0 1, S2SH0 3, S2TG 2,
				 * S2PS 5, S2AA64, S2R
				 */
				.ste[2] = UINT64_C(0x040db59000000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000400000008000),
			},
	},
	{
		.name = "16 KiB, 42 bits, 42 out: level 1, 64 entries",
		.config = {.regime = IOPGT_STAGE2,
                           .granule_shift = 14,
                           .input_bits = 42,
                           .output_bits = 42,
                           .dirty = IOPGT_DIRTY_HARDWARE},
		.phys = UINT64_C(0x3fffffffe00),
		.inputs = {.vmid = 0xff},
		.want =
			{
				/*
				 * level 1: T0SZ 0x16, SL0 2, IRGN0 1, ORGN0 1, SH0 3, TG0 2,
				 * PS 3, HA, HD, RES1
				 */
				.vtcr = UINT64_C(0x000000008063b596),
				/* VMID 0xff */
				.vttbr = UINT64_C(0x00ff03fffffffe00),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2VMID 0xff, S2T0SZ 0x16, S2SL0 2, S2IR0 1, S2OR0 1, S2SH0
				 * 3, S2TG 2, S2PS 3, S2AA64, S2HD, S2HA, S2R
				 */
				.ste[2] = UINT64_C(0x058bb596000000ff),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x000003fffffffe00),
			},
	},
	{
		.name = "16 KiB, 40 bits, 40 out: level 2, 16 tables",
		.config = {.regime = IOPGT_STAGE2,
                           .granule_shift = 14,
                           .input_bits = 40,
                           .output_bits = 40},
		.phys = UINT64_C(0xfffffc0000),
		.want =
			{
				/*
				 * level 2: T0SZ 0x18, SL0 1, IRGN0 1, ORGN0 1, SH0 3, TG0 2,
				 * PS 2, RES1
				 */
				.vtcr = UINT64_C(0x000000008002b558),
				.vttbr = UINT64_C(0x000000fffffc0000),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2T0SZ 0x18, S2SL0 1, S2IR0 1, S2OR0 1, S2SH0 3, S2TG 2,
				 * S2PS 2, S2AA64, S2R
				 */
				.ste[2] = UINT64_C(0x040ab55800000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x000000fffffc0000),
			},
	},
	{
		.name = "16 KiB, 36 bits, 36 out: level 2",
		.config = {.regime = IOPGT_STAGE2,
                           .flags = IOPGT_CONFIG_NON_COHERENT,
                           .granule_shift = 14,
                           .input_bits = 36,
                           .output_bits = 36},
		.phys = UINT64_C(0x4000),
		.want =
			{
				/* level 2: T0SZ 0x1c, SL0 1, SH0 2, TG0 2, PS 1, RES1 */
				.vtcr = UINT64_C(0x000000008001a05c),
				.vttbr = UINT64_C(0x0000000000004000),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/* S2T0SZ 0x1c, S2SL0 1, S2SH0 2, S2TG 2, S2PS 1, S2AA64, S2R */
				.ste[2] = UINT64_C(0x0409a05c00000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000000000004000),
			},
	},
	{
		.name = "16 KiB, 29 bits, 32 out: level 3, 16 tables",
		.config = {.regime = IOPGT_STAGE2,
                           .granule_shift = 14,
                           .input_bits = 29,
                           .output_bits = 32},
		.phys = UINT64_C(0x80040000),
		.want =
			{
				/* level 3: T0SZ 0x23, IRGN0 1, ORGN0 1, SH0 3, TG0 2, RES1 */
				.vtcr = UINT64_C(0x000000008000b523),
				.vttbr = UINT64_C(0x0000000080040000),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/* S2T0SZ 0x23, S2IR0 1, S2OR0 1, S2SH0 3, S2TG 2, S2AA64, S2R */
				.ste[2] = UINT64_C(0x0408b52300000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000000080040000),
			},
	},
	{
		.name = "16 KiB, small, 16 bits: level 3, 4 entries",
		.config = {.regime = IOPGT_STAGE2,
                           .flags = IOPGT_CONFIG_SMALL_TABLES,
                           .granule_shift = 14,
                           .input_bits = 16,
                           .output_bits = 48},
		.phys = UINT64_C(0x1240),
		.want =
			{
				/*
				 * level 3: T0SZ 0x30, IRGN0 1, ORGN0 1, SH0 3, TG0 2, PS 5,
				 * RES1
				 */
				.vtcr = UINT64_C(0x000000008005b530),
				.vttbr = UINT64_C(0x0000000000001240),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2T0SZ 0x30, S2IR0 1, S2OR0 1, S2SH0 3, S2TG 2, S2PS 5,
				 * S2AA64, S2R
				 */
				.ste[2] = UINT64_C(0x040db53000000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000000000001240),
			},
	},
	{
		.name = "16 KiB, LPA2, 52 bits: level 0, 32 entries",
		.config = {.regime = IOPGT_STAGE2,
                           .flags = IOPGT_CONFIG_LPA2,
                           .granule_shift = 14,
                           .input_bits = 52,
                           .output_bits = 52},
		.phys = UINT64_C(0xd123456789a00),
		.want =
			{
				/*
				 * level 0: T0SZ 0xc, SL0 3, IRGN0 1, ORGN0 1, SH0 3, TG0 2, PS
				 * 6, RES1, DS
				 */
				.vtcr = UINT64_C(0x000000018006b5cc),
				/* A[51:48] 0xd in 5:2 */
				.vttbr = UINT64_C(0x0000123456789a34),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2T0SZ 0xc, S2SL0 3, S2IR0 1, S2OR0 1, S2SH0 3, S2TG 2, S2PS
				 * 6, S2AA64, S2R
				 */
				.ste[2] = UINT64_C(0x040eb5cc00000000),
				/* S2TTB in place, S2DS */
				.ste[3] = UINT64_C(0x000d123456789a08),
			},
	},
	{
		.name = "16 KiB, LPA2, 51 bits, 52 out: level 1, 16 tables",
		.config = {.regime = IOPGT_STAGE2,
                           .flags = IOPGT_CONFIG_LPA2,
                           .granule_shift = 14,
                           .input_bits = 51,
                           .output_bits = 52},
		.phys = UINT64_C(0xf000000040000),
		.want =
			{
				/*
				 * level 1: T0SZ 0xd, SL0 2, IRGN0 1, ORGN0 1, SH0 3, TG0 2, PS
				 * 6, RES1, DS
				 */
				.vtcr = UINT64_C(0x000000018006b58d),
				/* A[51:48] 0xf in 5:2 */
				.vttbr = UINT64_C(0x000000000004003c),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2T0SZ 0xd, S2SL0 2, S2IR0 1, S2OR0 1, S2SH0 3, S2TG 2, S2PS
				 * 6, S2AA64, S2R
				 */
				.ste[2] = UINT64_C(0x040eb58d00000000),
				/* S2TTB in place, S2DS */
				.ste[3] = UINT64_C(0x000f000000040008),
			},
	},
	{
		.name = "16 KiB, LPA2, 48 bits: level 1, 2 tables",
		.config = {.regime = IOPGT_STAGE2,
                           .flags = IOPGT_CONFIG_LPA2,
                           .granule_shift = 14,
                           .input_bits = 48,
                           .output_bits = 48},
		.phys = UINT64_C(0x8000),
		.want =
			{
				/*
				 * level 1: T0SZ 0x10, SL0 2, IRGN0 1, ORGN0 1, SH0 3, TG0 2,
				 * PS 5, RES1, DS
				 */
				.vtcr = UINT64_C(0x000000018005b590),
				.vttbr = UINT64_C(0x0000000000008000),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2T0SZ 0x10, S2SL0 2, S2IR0 1, S2OR0 1, S2SH0 3, S2TG 2,
				 * S2PS 5, S2AA64, S2R
				 */
				.ste[2] = UINT64_C(0x040db59000000000),
				/* S2TTB in place, S2DS */
				.ste[3] = UINT64_C(0x0000000000008008),
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
