/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_registers, stage 1, TTBR0 of two privilege levels: whole words. */
#include "test_registers.h"

static const struct row lower_rows[] = {
	{
		.name = "4 KiB, 48 bits",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .granule_shift = 12,
                           .input_bits = 48,
                           .output_bits = 48},
		.phys = UINT64_C(0x40001000),
		.want =
			{
				/* T0SZ 0x10, IRGN0 1, ORGN0 1, SH0 3, EPD1, IPS 5 */
				.tcr = UINT64_C(0x0000000500803510),
				.mair = UINT64_C(0x000c0800f404ff44),
				.ttbr0 = UINT64_C(0x0000000040001000),
				/* T0SZ 0x10, IR0 1, OR0 1, SH0 3, EPD1, V, IPS 5, AA64, R, A */
				.cd[0] = UINT64_C(0x00006205c0003510),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x0000000040001000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
	{
		.name = "16 KiB, 47 bits, 44 out, dirty in hardware",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .granule_shift = 14,
                           .input_bits = 47,
                           .output_bits = 44,
                           .dirty = IOPGT_DIRTY_HARDWARE},
		.phys = UINT64_C(0x876540000),
		.inputs = {.flags = IOPGT_REGISTERS_CNP, .asid = 0x5a},
		.want =
			{
				/*
				 * T0SZ 0x11, IRGN0 1, ORGN0 1, SH0 3, TG0 2, EPD1, IPS 4, HA,
				 * HD
				 */
				.tcr = UINT64_C(0x000001840080b511),
				.mair = UINT64_C(0x000c0800f404ff44),
				/* ASID 0x5a, CnP */
				.ttbr0 = UINT64_C(0x005a000876540001),
				/*
				 * T0SZ 0x11, TG0 2, IR0 1, OR0 1, SH0 3, EPD1, V, IPS 4, AA64,
				 * HD, HA, R, A, ASID 0x5a
				 */
				.cd[0] = UINT64_C(0x005a6e04c0003591),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x0000000876540000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
	{
		.name = "64 KiB, 42 bits, 40 out, software dirty with HA",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .granule_shift = 16,
                           .input_bits = 42,
                           .output_bits = 40,
                           .dirty = IOPGT_DIRTY_SOFTWARE},
		.phys = UINT64_C(0x1234560000),
		.inputs = {.flags = IOPGT_REGISTERS_HARDWARE_ACCESS | IOPGT_REGISTERS_ASID16,
                           .asid = 0xbeef},
		.want =
			{
				/*
				 * T0SZ 0x16, IRGN0 1, ORGN0 1, SH0 3, TG0 1, EPD1, IPS 2, AS,
				 * HA
				 */
				.tcr = UINT64_C(0x0000009200807516),
				.mair = UINT64_C(0x000c0800f404ff44),
				/* ASID 0xbeef */
				.ttbr0 = UINT64_C(0xbeef001234560000),
				/*
				 * T0SZ 0x16, TG0 1, IR0 1, OR0 1, SH0 3, EPD1, V, IPS 2, AA64,
				 * HA, R, A, ASID 0xbeef
				 */
				.cd[0] = UINT64_C(0xbeef6a02c0003556),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x0000001234560000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
	{
		.name = "4 KiB, 25 bits, 32 out, not coherent",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .flags = IOPGT_CONFIG_NON_COHERENT,
                           .granule_shift = 12,
                           .input_bits = 25,
                           .output_bits = 32},
		.phys = UINT64_C(0x80000080),
		.want =
			{
				/* T0SZ 0x27, SH0 2, EPD1 */
				.tcr = UINT64_C(0x0000000000802027),
				.mair = UINT64_C(0x000c0800f404ff44),
				.ttbr0 = UINT64_C(0x0000000080000080),
				/* T0SZ 0x27, SH0 2, EPD1, V, AA64, R, A */
				.cd[0] = UINT64_C(0x00006200c0002027),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x0000000080000080),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CSH 2, SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000080),
			},
	},
	{
		.name = "4 KiB, 39 bits, 36 out, access flags by software",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .flags = IOPGT_CONFIG_ACCESS_FLAG,
                           .granule_shift = 12,
                           .input_bits = 39,
                           .output_bits = 36},
		.phys = UINT64_C(0x9abcde000),
		.want =
			{
				/* T0SZ 0x19, IRGN0 1, ORGN0 1, SH0 3, EPD1, IPS 1 */
				.tcr = UINT64_C(0x0000000100803519),
				.mair = UINT64_C(0x000c0800f404ff44),
				.ttbr0 = UINT64_C(0x00000009abcde000),
				/* T0SZ 0x19, IR0 1, OR0 1, SH0 3, EPD1, V, IPS 1, AA64, R, A */
				.cd[0] = UINT64_C(0x00006201c0003519),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x00000009abcde000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
	{
		.name = "4 KiB, 39 bits, 42 out, access flags by hardware",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .flags = IOPGT_CONFIG_ACCESS_FLAG,
                           .granule_shift = 12,
                           .input_bits = 39,
                           .output_bits = 42},
		.phys = UINT64_C(0x3fffffff000),
		.inputs = {.flags = IOPGT_REGISTERS_HARDWARE_ACCESS},
		.want =
			{
				/* T0SZ 0x19, IRGN0 1, ORGN0 1, SH0 3, EPD1, IPS 3, HA */
				.tcr = UINT64_C(0x0000008300803519),
				.mair = UINT64_C(0x000c0800f404ff44),
				.ttbr0 = UINT64_C(0x000003fffffff000),
				/*
				 * T0SZ 0x19, IR0 1, OR0 1, SH0 3, EPD1, V, IPS 3, AA64, HA, R,
				 * A
				 */
				.cd[0] = UINT64_C(0x00006a03c0003519),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x000003fffffff000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
	{
		.name = "64 KiB, 52 bits in and out",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .granule_shift = 16,
                           .input_bits = 52,
                           .output_bits = 52},
		.phys = UINT64_C(0xa123456782000),
		.inputs = {.flags = IOPGT_REGISTERS_CNP, .asid = 0xff},
		.want =
			{
				/* T0SZ 0xc, IRGN0 1, ORGN0 1, SH0 3, TG0 1, EPD1, IPS 6 */
				.tcr = UINT64_C(0x000000060080750c),
				.mair = UINT64_C(0x000c0800f404ff44),
				/* ASID 0xff, A[51:48] 0xa in 5:2, CnP */
				.ttbr0 = UINT64_C(0x00ff123456782029),
				/*
				 * T0SZ 0xc, TG0 1, IR0 1, OR0 1, SH0 3, EPD1, V, IPS 6, AA64,
				 * R, A, ASID 0xff
				 */
				.cd[0] = UINT64_C(0x00ff6206c000354c),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x000a123456782000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
	{
		.name = "64 KiB, 48 bits in, 52 out, table of 512 bytes",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .granule_shift = 16,
                           .input_bits = 48,
                           .output_bits = 52},
		.phys = UINT64_C(0xf000000000200),
		.want =
			{
				/* T0SZ 0x10, IRGN0 1, ORGN0 1, SH0 3, TG0 1, EPD1, IPS 6 */
				.tcr = UINT64_C(0x0000000600807510),
				.mair = UINT64_C(0x000c0800f404ff44),
				/* A[51:48] 0xf in 5:2 */
				.ttbr0 = UINT64_C(0x000000000000023c),
				/*
				 * T0SZ 0x10, TG0 1, IR0 1, OR0 1, SH0 3, EPD1, V, IPS 6, AA64,
				 * R, A
				 */
				.cd[0] = UINT64_C(0x00006206c0003550),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x000f000000000200),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
	{
		.name = "4 KiB, LPA2, 52 bits",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .flags = IOPGT_CONFIG_LPA2,
                           .granule_shift = 12,
                           .input_bits = 52,
                           .output_bits = 52,
                           .dirty = IOPGT_DIRTY_HARDWARE},
		.phys = UINT64_C(0x5000000000080),
		.want =
			{
				/* T0SZ 0xc, IRGN0 1, ORGN0 1, SH0 3, EPD1, IPS 6, HA, HD, DS */
				.tcr = UINT64_C(0x080001860080350c),
				.mair = UINT64_C(0x000c0800f404ff44),
				/* A[51:48] 0x5 in 5:2 */
				.ttbr0 = UINT64_C(0x0000000000000094),
				/*
				 * T0SZ 0xc, IR0 1, OR0 1, SH0 3, EPD1, V, IPS 6, AA64, HD, HA,
				 * R, A
				 */
				.cd[0] = UINT64_C(0x00006e06c000350c),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x0005000000000080),
				/* DS */
				.cd[2] = UINT64_C(0x0400000000000000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
	{
		.name = "16 KiB, LPA2, 50 bits, 48 out",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .flags = IOPGT_CONFIG_LPA2,
                           .granule_shift = 14,
                           .input_bits = 50,
                           .output_bits = 48},
		.phys = UINT64_C(0xfedcba987640),
		.want =
			{
				/* T0SZ 0xe, IRGN0 1, ORGN0 1, SH0 3, TG0 2, EPD1, IPS 5, DS */
				.tcr = UINT64_C(0x080000050080b50e),
				.mair = UINT64_C(0x000c0800f404ff44),
				.ttbr0 = UINT64_C(0x0000fedcba987640),
				/*
				 * T0SZ 0xe, TG0 2, IR0 1, OR0 1, SH0 3, EPD1, V, IPS 5, AA64,
				 * R, A
				 */
				.cd[0] = UINT64_C(0x00006205c000358e),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x0000fedcba987640),
				/* DS */
				.cd[2] = UINT64_C(0x0400000000000000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
	{
		.name = "4 KiB, small, 16 bits",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .flags = IOPGT_CONFIG_SMALL_TABLES,
                           .granule_shift = 12,
                           .input_bits = 16,
                           .output_bits = 48},
		.phys = UINT64_C(0x7f80),
		.want =
			{
				/* T0SZ 0x30, IRGN0 1, ORGN0 1, SH0 3, EPD1, IPS 5 */
				.tcr = UINT64_C(0x0000000500803530),
				.mair = UINT64_C(0x000c0800f404ff44),
				.ttbr0 = UINT64_C(0x0000000000007f80),
				/* T0SZ 0x30, IR0 1, OR0 1, SH0 3, EPD1, V, IPS 5, AA64, R, A */
				.cd[0] = UINT64_C(0x00006205c0003530),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x0000000000007f80),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
	{
		.name = "64 KiB, small, 17 bits, 52 out",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .flags = IOPGT_CONFIG_SMALL_TABLES,
                           .granule_shift = 16,
                           .input_bits = 17,
                           .output_bits = 52},
		.phys = UINT64_C(0x9000000000040),
		.want =
			{
				/* T0SZ 0x2f, IRGN0 1, ORGN0 1, SH0 3, TG0 1, EPD1, IPS 6 */
				.tcr = UINT64_C(0x000000060080752f),
				.mair = UINT64_C(0x000c0800f404ff44),
				/* A[51:48] 0x9 in 5:2 */
				.ttbr0 = UINT64_C(0x0000000000000064),
				/*
				 * T0SZ 0x2f, TG0 1, IR0 1, OR0 1, SH0 3, EPD1, V, IPS 6, AA64,
				 * R, A
				 */
				.cd[0] = UINT64_C(0x00006206c000356f),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x0009000000000040),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
	{
		.name = "software dirty, all faults",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .granule_shift = 12,
                           .input_bits = 48,
                           .output_bits = 48,
                           .dirty = IOPGT_DIRTY_SOFTWARE},
		.phys = UINT64_C(0x1000),
		.want =
			{
				/* T0SZ 0x10, IRGN0 1, ORGN0 1, SH0 3, EPD1, IPS 5 */
				.tcr = UINT64_C(0x0000000500803510),
				.mair = UINT64_C(0x000c0800f404ff44),
				.ttbr0 = UINT64_C(0x0000000000001000),
				/* T0SZ 0x10, IR0 1, OR0 1, SH0 3, EPD1, V, IPS 5, AA64, R, A */
				.cd[0] = UINT64_C(0x00006205c0003510),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x0000000000001000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
};

static void words_of_a_lower_half_are_as_specified(void **state)
{
	(void)state;
	expect_rows(lower_rows, COUNT(lower_rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_a_lower_half_are_as_specified),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
