/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_registers, stage 1 with TTBR1, and of EL2: whole words. */
#include "test_registers.h"

static const struct row upper_rows[] = {
	{
		.name = "TTBR1, 4 KiB, 48 bits",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .flags = IOPGT_CONFIG_TTBR1,
                           .granule_shift = 12,
                           .input_bits = 48,
                           .output_bits = 48},
		.phys = UINT64_C(0x40002000),
		.inputs = {.asid = 0x11},
		.want =
			{
				/* EPD0, T1SZ 0x10, IRGN1 1, ORGN1 1, SH1 3, TG1 2, IPS 5 */
				.tcr = UINT64_C(0x00000005b5100080),
				.mair = UINT64_C(0x000c0800f404ff44),
				/* ASID 0x11 */
				.ttbr1 = UINT64_C(0x0011000040002000),
				/*
				 * EPD0, T1SZ 0x10, TG1 2, IR1 1, OR1 1, SH1 3, V, IPS 5, AA64,
				 * R, A, ASID 0x11
				 */
				.cd[0] = UINT64_C(0x00116205b5904000),
				/* TTB1 in place */
				.cd[2] = UINT64_C(0x0000000040002000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
	{
		.name = "TTBR1, 16 KiB, 36 bits, 36 out, not coherent",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .flags = IOPGT_CONFIG_TTBR1 | IOPGT_CONFIG_NON_COHERENT,
                           .granule_shift = 14,
                           .input_bits = 36,
                           .output_bits = 36},
		.phys = UINT64_C(0xfedcb8000),
		.inputs = {.flags = IOPGT_REGISTERS_CNP},
		.want =
			{
				/* EPD0, T1SZ 0x1c, SH1 2, TG1 1, IPS 1 */
				.tcr = UINT64_C(0x00000001601c0080),
				.mair = UINT64_C(0x000c0800f404ff44),
				/* CnP */
				.ttbr1 = UINT64_C(0x0000000fedcb8001),
				/* EPD0, T1SZ 0x1c, TG1 1, SH1 2, V, IPS 1, AA64, R, A */
				.cd[0] = UINT64_C(0x00006201a05c4000),
				/* TTB1 in place */
				.cd[2] = UINT64_C(0x0000000fedcb8000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CSH 2, SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000080),
			},
	},
	{
		.name = "TTBR1, 64 KiB, 52 bits, dirty in hardware",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .flags = IOPGT_CONFIG_TTBR1,
                           .granule_shift = 16,
                           .input_bits = 52,
                           .output_bits = 52,
                           .dirty = IOPGT_DIRTY_HARDWARE},
		.phys = UINT64_C(0x3000123450000),
		.inputs = {.flags = IOPGT_REGISTERS_ASID16, .asid = 0xcafe},
		.want =
			{
				/*
				 * EPD0, T1SZ 0xc, IRGN1 1, ORGN1 1, SH1 3, TG1 3, IPS 6, AS,
				 * HA, HD
				 */
				.tcr = UINT64_C(0x00000196f50c0080),
				.mair = UINT64_C(0x000c0800f404ff44),
				/* ASID 0xcafe, A[51:48] 0x3 in 5:2 */
				.ttbr1 = UINT64_C(0xcafe00012345000c),
				/*
				 * EPD0, T1SZ 0xc, TG1 3, IR1 1, OR1 1, SH1 3, V, IPS 6, AA64,
				 * HD, HA, R, A, ASID 0xcafe
				 */
				.cd[0] = UINT64_C(0xcafe6e06b5cc4000),
				/* TTB1 in place */
				.cd[2] = UINT64_C(0x0003000123450000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
	{
		.name = "TTBR1, 4 KiB, LPA2, 49 bits, 52 out",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .flags = IOPGT_CONFIG_TTBR1 | IOPGT_CONFIG_LPA2,
                           .granule_shift = 12,
                           .input_bits = 49,
                           .output_bits = 52,
                           .dirty = IOPGT_DIRTY_SOFTWARE},
		.phys = UINT64_C(0xc000000000040),
		.inputs = {.flags = IOPGT_REGISTERS_HARDWARE_ACCESS},
		.want =
			{
				/*
				 * EPD0, T1SZ 0xf, IRGN1 1, ORGN1 1, SH1 3, TG1 2, IPS 6, HA,
				 * DS
				 */
				.tcr = UINT64_C(0x08000086b50f0080),
				.mair = UINT64_C(0x000c0800f404ff44),
				/* A[51:48] 0xc in 5:2 */
				.ttbr1 = UINT64_C(0x0000000000000070),
				/*
				 * EPD0, T1SZ 0xf, TG1 2, IR1 1, OR1 1, SH1 3, V, IPS 6, AA64,
				 * HA, R, A
				 */
				.cd[0] = UINT64_C(0x00006a06b58f4000),
				/* TTB1 in place, DS */
				.cd[2] = UINT64_C(0x040c000000000040),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
	{
		.name = "TTBR1, 16 KiB, small, 20 bits, 32 out",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .flags = IOPGT_CONFIG_TTBR1 | IOPGT_CONFIG_SMALL_TABLES,
                           .granule_shift = 14,
                           .input_bits = 20,
                           .output_bits = 32},
		.phys = UINT64_C(0x80000200),
		.want =
			{
				/* EPD0, T1SZ 0x2c, IRGN1 1, ORGN1 1, SH1 3, TG1 1 */
				.tcr = UINT64_C(0x00000000752c0080),
				.mair = UINT64_C(0x000c0800f404ff44),
				.ttbr1 = UINT64_C(0x0000000080000200),
				/* EPD0, T1SZ 0x2c, TG1 1, IR1 1, OR1 1, SH1 3, V, AA64, R, A */
				.cd[0] = UINT64_C(0x00006200b56c4000),
				/* TTB1 in place */
				.cd[2] = UINT64_C(0x0000000080000200),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
};

static const struct row el2_rows[] = {
	{
		.name = "EL2, 4 KiB, 48 bits",
		.config = {.regime = IOPGT_STAGE1_EL2,
                           .granule_shift = 12,
                           .input_bits = 48,
                           .output_bits = 48},
		.phys = UINT64_C(0x40003000),
		.want =
			{
				/* T0SZ 0x10, IRGN0 1, ORGN0 1, SH0 3, PS 5, RES1, RES1 */
				.tcr = UINT64_C(0x0000000080853510),
				.mair = UINT64_C(0x000c0800f404ff44),
				.ttbr0 = UINT64_C(0x0000000040003000),
				/* T0SZ 0x10, IR0 1, OR0 1, SH0 3, V, IPS 5, AA64, R, A */
				.cd[0] = UINT64_C(0x0000620580003510),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x0000000040003000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, STRW 2, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000800000d4),
			},
	},
	{
		.name = "EL2, 16 KiB, 36 bits, 42 out, dirty in hardware",
		.config = {.regime = IOPGT_STAGE1_EL2,
                           .granule_shift = 14,
                           .input_bits = 36,
                           .output_bits = 42,
                           .dirty = IOPGT_DIRTY_HARDWARE},
		.phys = UINT64_C(0x2aaaaaa8000),
		.inputs = {.flags = IOPGT_REGISTERS_CNP},
		.want =
			{
				/*
				 * T0SZ 0x1c, IRGN0 1, ORGN0 1, SH0 3, TG0 2, PS 3, HA, HD,
				 * RES1, RES1
				 */
				.tcr = UINT64_C(0x0000000080e3b51c),
				.mair = UINT64_C(0x000c0800f404ff44),
				/* CnP */
				.ttbr0 = UINT64_C(0x000002aaaaaa8001),
				/*
				 * T0SZ 0x1c, TG0 2, IR0 1, OR0 1, SH0 3, V, IPS 3, AA64, HD,
				 * HA, R, A
				 */
				.cd[0] = UINT64_C(0x00006e038000359c),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x000002aaaaaa8000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, STRW 2, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000800000d4),
			},
	},
	{
		.name = "EL2, 64 KiB, 52 bits, access flags",
		.config = {.regime = IOPGT_STAGE1_EL2,
                           .flags = IOPGT_CONFIG_ACCESS_FLAG,
                           .granule_shift = 16,
                           .input_bits = 52,
                           .output_bits = 52},
		.phys = UINT64_C(0x7000abcde0000),
		.inputs = {.flags = IOPGT_REGISTERS_HARDWARE_ACCESS},
		.want =
			{
				/*
				 * T0SZ 0xc, IRGN0 1, ORGN0 1, SH0 3, TG0 1, PS 6, HA, RES1,
				 * RES1
				 */
				.tcr = UINT64_C(0x0000000080a6750c),
				.mair = UINT64_C(0x000c0800f404ff44),
				/* A[51:48] 0x7 in 5:2 */
				.ttbr0 = UINT64_C(0x0000000abcde001c),
				/*
				 * T0SZ 0xc, TG0 1, IR0 1, OR0 1, SH0 3, V, IPS 6, AA64, HA, R,
				 * A
				 */
				.cd[0] = UINT64_C(0x00006a068000354c),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x0007000abcde0000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, STRW 2, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000800000d4),
			},
	},
	{
		.name = "EL2, 4 KiB, LPA2, 52 bits, 44 out, not coherent",
		.config = {.regime = IOPGT_STAGE1_EL2,
                           .flags = IOPGT_CONFIG_LPA2 | IOPGT_CONFIG_NON_COHERENT,
                           .granule_shift = 12,
                           .input_bits = 52,
                           .output_bits = 44},
		.phys = UINT64_C(0xfffffffff80),
		.want =
			{
				/* T0SZ 0xc, SH0 3, PS 4, RES1, RES1, DS */
				.tcr = UINT64_C(0x000000018084300c),
				.mair = UINT64_C(0x000c0800f404ff44),
				.ttbr0 = UINT64_C(0x00000fffffffff80),
				/* T0SZ 0xc, SH0 3, V, IPS 4, AA64, R, A */
				.cd[0] = UINT64_C(0x000062048000300c),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x00000fffffffff80),
				/* DS */
				.cd[2] = UINT64_C(0x0400000000000000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CSH 3, STRW 2, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000800000c0),
			},
	},
	{
		.name = "EL2, 64 KiB, small, 24 bits, 40 out",
		.config = {.regime = IOPGT_STAGE1_EL2,
                           .flags = IOPGT_CONFIG_SMALL_TABLES,
                           .granule_shift = 16,
                           .input_bits = 24,
                           .output_bits = 40},
		.phys = UINT64_C(0xfffffff800),
		.want =
			{
				/* T0SZ 0x28, IRGN0 1, ORGN0 1, SH0 3, TG0 1, PS 2, RES1, RES1 */
				.tcr = UINT64_C(0x0000000080827528),
				.mair = UINT64_C(0x000c0800f404ff44),
				.ttbr0 = UINT64_C(0x000000fffffff800),
				/* T0SZ 0x28, TG0 1, IR0 1, OR0 1, SH0 3, V, IPS 2, AA64, R, A */
				.cd[0] = UINT64_C(0x0000620280003568),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x000000fffffff800),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, STRW 2, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000800000d4),
			},
	},
};

static void words_of_an_upper_half_are_as_specified(void **state)
{
	(void)state;
	expect_rows(upper_rows, COUNT(upper_rows));
}

static void words_of_el2_are_as_specified(void **state)
{
	(void)state;
	expect_rows(el2_rows, COUNT(el2_rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_an_upper_half_are_as_specified),
		cmocka_unit_test(words_of_el2_are_as_specified),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
