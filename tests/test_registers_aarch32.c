/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_registers, AArch32 long descriptors: whole words (G8.2, IHI 0070 5.2 and 5.4). */
#include "test_registers.h"

static const struct row aarch32_rows[] = {
	{
		.name = "stage 1, 32 bits: level 1, 4 entries",
		.config = {.regime = IOPGT_STAGE1_AARCH32,
                           .granule_shift = 12,
                           .input_bits = 32,
                           .output_bits = 40},
		.phys = UINT64_C(0x40001040),
		.want =
			{
				/* IRGN0 1, ORGN0 1, SH0 3, EPD1, EAE */
				.tcr = UINT64_C(0x0000000080803500),
				.mair = UINT64_C(0x000c0800f404ff44),
				.ttbr0 = UINT64_C(0x0000000040001040),
				/* IR0 1, OR0 1, SH0 3, EPD1, V, R, A */
				.cd[0] = UINT64_C(0x00006000c0003500),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x0000000040001040),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
	{
		.name = "stage 1, 31 bits, 32 out: level 1, 2 entries",
		.config = {.regime = IOPGT_STAGE1_AARCH32,
                           .granule_shift = 12,
                           .input_bits = 31,
                           .output_bits = 32},
		.phys = UINT64_C(0xffffffc0),
		.inputs = {.flags = IOPGT_REGISTERS_CNP, .asid = 0xab},
		.want =
			{
				/* T0SZ 1, IRGN0 1, ORGN0 1, SH0 3, EPD1, EAE */
				.tcr = UINT64_C(0x0000000080803501),
				.mair = UINT64_C(0x000c0800f404ff44),
				/* ASID 0xab, CnP */
				.ttbr0 = UINT64_C(0x00ab0000ffffffc1),
				/* T0SZ 1, IR0 1, OR0 1, SH0 3, EPD1, V, R, A, ASID 0xab */
				.cd[0] = UINT64_C(0x00ab6000c0003501),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x00000000ffffffc0),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
	{
		.name = "stage 1, 30 bits: level 2, not coherent",
		.config = {.regime = IOPGT_STAGE1_AARCH32,
                           .flags = IOPGT_CONFIG_NON_COHERENT,
                           .granule_shift = 12,
                           .input_bits = 30,
                           .output_bits = 36},
		.phys = UINT64_C(0x912345000),
		.want =
			{
				/* T0SZ 2, SH0 2, EPD1, EAE */
				.tcr = UINT64_C(0x0000000080802002),
				.mair = UINT64_C(0x000c0800f404ff44),
				.ttbr0 = UINT64_C(0x0000000912345000),
				/* T0SZ 2, SH0 2, EPD1, V, R, A */
				.cd[0] = UINT64_C(0x00006000c0002002),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x0000000912345000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CSH 2, SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000080),
			},
	},
	{
		.name = "stage 1, 25 bits: level 2, 16 entries",
		.config = {.regime = IOPGT_STAGE1_AARCH32,
                           .granule_shift = 12,
                           .input_bits = 25,
                           .output_bits = 40},
		.phys = UINT64_C(0xffffffff80),
		.inputs = {.asid = 1, .vmid = 0x55},
		.want =
			{
				/* T0SZ 7, IRGN0 1, ORGN0 1, SH0 3, EPD1, EAE */
				.tcr = UINT64_C(0x0000000080803507),
				.mair = UINT64_C(0x000c0800f404ff44),
				/* ASID 0x1 */
				.ttbr0 = UINT64_C(0x000100ffffffff80),
				/* T0SZ 7, IR0 1, OR0 1, SH0 3, EPD1, V, R, A, ASID 1 */
				.cd[0] = UINT64_C(0x00016000c0003507),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x000000ffffffff80),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
				/* S2VMID 0x55 */
				.ste[2] = UINT64_C(0x0000000000000055),
			},
	},
	{
		.name = "stage 2, 40 bits: level 1, 2 tables",
		.config = {.regime = IOPGT_STAGE2_AARCH32,
                           .granule_shift = 12,
                           .input_bits = 40,
                           .output_bits = 40},
		.phys = UINT64_C(0x8000002000),
		.want =
			{
				/* T0SZ 8, S, SL0 1, IRGN0 1, ORGN0 1, SH0 3, RES1 */
				.vtcr = UINT64_C(0x0000000080003558),
				.vttbr = UINT64_C(0x0000008000002000),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/* S2T0SZ 8, S2SL0 1, S2IR0 1, S2OR0 1, S2SH0 3, S2R */
				.ste[2] = UINT64_C(0x0400354800000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000008000002000),
			},
	},
	{
		.name = "stage 2, 39 bits: level 1",
		.config = {.regime = IOPGT_STAGE2_AARCH32,
                           .granule_shift = 12,
                           .input_bits = 39,
                           .output_bits = 40},
		.phys = UINT64_C(0x1000),
		.inputs = {.flags = IOPGT_REGISTERS_CNP, .vmid = 0xa5},
		.want =
			{
				/* T0SZ 9, S, SL0 1, IRGN0 1, ORGN0 1, SH0 3, RES1 */
				.vtcr = UINT64_C(0x0000000080003559),
				/* VMID 0xa5, CnP */
				.vttbr = UINT64_C(0x00a5000000001001),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2VMID 0xa5, S2T0SZ 9, S2SL0 1, S2IR0 1, S2OR0 1, S2SH0 3,
				 * S2R
				 */
				.ste[2] = UINT64_C(0x04003549000000a5),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000000000001000),
			},
	},
	{
		.name = "stage 2, 35 bits, 36 out: level 1, 32 entries",
		.config = {.regime = IOPGT_STAGE2_AARCH32,
                           .granule_shift = 12,
                           .input_bits = 35,
                           .output_bits = 36},
		.phys = UINT64_C(0x900000100),
		.want =
			{
				/* T0SZ 0xd, S, SL0 1, IRGN0 1, ORGN0 1, SH0 3, RES1 */
				.vtcr = UINT64_C(0x000000008000355d),
				.vttbr = UINT64_C(0x0000000900000100),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/* S2T0SZ 0xd, S2SL0 1, S2IR0 1, S2OR0 1, S2SH0 3, S2R */
				.ste[2] = UINT64_C(0x0400354d00000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000000900000100),
			},
	},
	{
		.name = "stage 2, 34 bits, 36 out: level 2, 16 tables",
		.config = {.regime = IOPGT_STAGE2_AARCH32,
                           .flags = IOPGT_CONFIG_NON_COHERENT,
                           .granule_shift = 12,
                           .input_bits = 34,
                           .output_bits = 36},
		.phys = UINT64_C(0xfffff0000),
		.want =
			{
				/* T0SZ 0xe, S, SH0 2, RES1 */
				.vtcr = UINT64_C(0x000000008000201e),
				.vttbr = UINT64_C(0x0000000fffff0000),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/* S2T0SZ 0xe, S2SH0 2, S2R */
				.ste[2] = UINT64_C(0x0400200e00000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000000fffff0000),
			},
	},
	{
		.name = "stage 2, 32 bits, 32 out: level 2, 4 tables",
		.config = {.regime = IOPGT_STAGE2_AARCH32,
                           .granule_shift = 12,
                           .input_bits = 32,
                           .output_bits = 32},
		.phys = UINT64_C(0x80004000),
		.want =
			{
				/* IRGN0 1, ORGN0 1, SH0 3, RES1 */
				.vtcr = UINT64_C(0x0000000080003500),
				.vttbr = UINT64_C(0x0000000080004000),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/* S2IR0 1, S2OR0 1, S2SH0 3, S2R */
				.ste[2] = UINT64_C(0x0400350000000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000000080004000),
			},
	},
	{
		.name = "stage 2, 25 bits: level 2, 16 entries",
		.config = {.regime = IOPGT_STAGE2_AARCH32,
                           .granule_shift = 12,
                           .input_bits = 25,
                           .output_bits = 40},
		.phys = UINT64_C(0x80),
		.want =
			{
				/* T0SZ 7, IRGN0 1, ORGN0 1, SH0 3, RES1 */
				.vtcr = UINT64_C(0x0000000080003507),
				.vttbr = UINT64_C(0x0000000000000080),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/* S2T0SZ 7, S2IR0 1, S2OR0 1, S2SH0 3, S2R */
				.ste[2] = UINT64_C(0x0400350700000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000000000000080),
			},
	},
};

static void words_of_aarch32_are_as_specified(void **state)
{
	(void)state;
	expect_rows(aarch32_rows, COUNT(aarch32_rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_aarch32_are_as_specified),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
