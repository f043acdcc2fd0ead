/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_registers: inputs and flags in context descriptor and stream table entry. */
#include "test_registers.h"

static const struct row smmu1_rows[] = {
	{
		.name = "linear table of 64 CDs",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .granule_shift = 12,
                           .input_bits = 48,
                           .output_bits = 48},
		.phys = UINT64_C(0x1000),
		.inputs = {.asid = 7,
                           .vmid = 0x33,
                           .context_ptr = UINT64_C(0x80123456789000),
                           .context_bits = 6,
                           .context_default = 2},
		.want =
			{
				/* T0SZ 0x10, IRGN0 1, ORGN0 1, SH0 3, EPD1, IPS 5 */
				.tcr = UINT64_C(0x0000000500803510),
				.mair = UINT64_C(0x000c0800f404ff44),
				/* ASID 0x7 */
				.ttbr0 = UINT64_C(0x0007000000001000),
				/*
				 * T0SZ 0x10, IR0 1, OR0 1, SH0 3, EPD1, V, IPS 5, AA64, R, A,
				 * ASID 7
				 */
				.cd[0] = UINT64_C(0x00076205c0003510),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x0000000000001000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5, S1CDMax 6 */
				.ste[0] = UINT64_C(0x308012345678900b),
				/* S1DSS 2, S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d6),
				/* S2VMID 0x33 */
				.ste[2] = UINT64_C(0x0000000000000033),
			},
	},
	{
		.name = "two levels of 4 KiB, highest pointer",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .granule_shift = 12,
                           .input_bits = 48,
                           .output_bits = 48},
		.phys = UINT64_C(0x1000),
		.inputs = {.context_ptr = UINT64_C(0xffffffffffffc0),
                           .context_bits = 9,
                           .context_format = 1,
                           .context_default = 1,
                           .ats = 1},
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
				/* V, Config 5, S1Fmt 1, S1CDMax 9 */
				.ste[0] = UINT64_C(0x48ffffffffffffdb),
				/* S1DSS 1, S1CIR 1, S1COR 1, S1CSH 3, EATS 1, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000100000d5),
			},
	},
	{
		.name = "two levels of 64 KiB, 2^20 CDs",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .granule_shift = 12,
                           .input_bits = 48,
                           .output_bits = 48},
		.phys = UINT64_C(0x1000),
		.inputs = {.flags = IOPGT_REGISTERS_VMID16,
                           .vmid = 0xffff,
                           .context_ptr = UINT64_C(0x10000),
                           .context_bits = 0x14,
                           .context_format = 2,
                           .ats = 3},
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
				/* V, Config 5, S1Fmt 2, S1CDMax 0x14 */
				.ste[0] = UINT64_C(0xa00000000001002b),
				/* S1CIR 1, S1COR 1, S1CSH 3, EATS 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000300000d4),
				/* S2VMID 0xffff */
				.ste[2] = UINT64_C(0x000000000000ffff),
			},
	},
	{
		.name = "stall",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .granule_shift = 12,
                           .input_bits = 48,
                           .output_bits = 48},
		.phys = UINT64_C(0x1000),
		.inputs = {.flags = IOPGT_REGISTERS_STALL, .context_ptr = UINT64_C(0x40)},
		.want =
			{
				/* T0SZ 0x10, IRGN0 1, ORGN0 1, SH0 3, EPD1, IPS 5 */
				.tcr = UINT64_C(0x0000000500803510),
				.mair = UINT64_C(0x000c0800f404ff44),
				.ttbr0 = UINT64_C(0x0000000000001000),
				/*
				 * T0SZ 0x10, IR0 1, OR0 1, SH0 3, EPD1, V, IPS 5, AA64, S, R,
				 * A
				 */
				.cd[0] = UINT64_C(0x00007205c0003510),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x0000000000001000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000004b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
	{
		.name = "silent",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .granule_shift = 12,
                           .input_bits = 48,
                           .output_bits = 48},
		.phys = UINT64_C(0x1000),
		.inputs = {.flags = IOPGT_REGISTERS_SILENT},
		.want =
			{
				/* T0SZ 0x10, IRGN0 1, ORGN0 1, SH0 3, EPD1, IPS 5 */
				.tcr = UINT64_C(0x0000000500803510),
				.mair = UINT64_C(0x000c0800f404ff44),
				.ttbr0 = UINT64_C(0x0000000000001000),
				/* T0SZ 0x10, IR0 1, OR0 1, SH0 3, EPD1, V, IPS 5, AA64, A */
				.cd[0] = UINT64_C(0x00004205c0003510),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x0000000000001000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
	{
		.name = "read as zero, silent, own ASID",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .granule_shift = 12,
                           .input_bits = 48,
                           .output_bits = 48},
		.phys = UINT64_C(0x1000),
		.inputs = {.flags = IOPGT_REGISTERS_READ_ZERO | IOPGT_REGISTERS_SILENT |
                                    IOPGT_REGISTERS_ASID_PRIVATE,
                           .asid = 0xff},
		.want =
			{
				/* T0SZ 0x10, IRGN0 1, ORGN0 1, SH0 3, EPD1, IPS 5 */
				.tcr = UINT64_C(0x0000000500803510),
				.mair = UINT64_C(0x000c0800f404ff44),
				/* ASID 0xff */
				.ttbr0 = UINT64_C(0x00ff000000001000),
				/*
				 * T0SZ 0x10, IR0 1, OR0 1, SH0 3, EPD1, V, IPS 5, AA64, ASET,
				 * ASID 0xff
				 */
				.cd[0] = UINT64_C(0x00ff8205c0003510),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x0000000000001000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
	{
		.name = "read as zero, recorded",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .granule_shift = 12,
                           .input_bits = 48,
                           .output_bits = 48},
		.phys = UINT64_C(0x1000),
		.inputs = {.flags = IOPGT_REGISTERS_READ_ZERO},
		.want =
			{
				/* T0SZ 0x10, IRGN0 1, ORGN0 1, SH0 3, EPD1, IPS 5 */
				.tcr = UINT64_C(0x0000000500803510),
				.mair = UINT64_C(0x000c0800f404ff44),
				.ttbr0 = UINT64_C(0x0000000000001000),
				/* T0SZ 0x10, IR0 1, OR0 1, SH0 3, EPD1, V, IPS 5, AA64, R */
				.cd[0] = UINT64_C(0x00002205c0003510),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x0000000000001000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
	{
		.name = "EL2&0",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .granule_shift = 12,
                           .input_bits = 48,
                           .output_bits = 48,
                           .dirty = IOPGT_DIRTY_HARDWARE},
		.phys = UINT64_C(0x1000),
		.inputs = {.flags = IOPGT_REGISTERS_E2H | IOPGT_REGISTERS_ASID16, .asid = 0x1234},
		.want =
			{
				/* T0SZ 0x10, IRGN0 1, ORGN0 1, SH0 3, EPD1, IPS 5, AS, HA, HD */
				.tcr = UINT64_C(0x0000019500803510),
				.mair = UINT64_C(0x000c0800f404ff44),
				/* ASID 0x1234 */
				.ttbr0 = UINT64_C(0x1234000000001000),
				/*
				 * T0SZ 0x10, IR0 1, OR0 1, SH0 3, EPD1, V, IPS 5, AA64, HD,
				 * HA, R, A, ASID 0x1234
				 */
				.cd[0] = UINT64_C(0x12346e05c0003510),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x0000000000001000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, STRW 2, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000800000d4),
			},
	},
	{
		.name = "EL2, stall",
		.config = {.regime = IOPGT_STAGE1_EL2,
                           .granule_shift = 12,
                           .input_bits = 48,
                           .output_bits = 48},
		.phys = UINT64_C(0x1000),
		.inputs = {.flags = IOPGT_REGISTERS_STALL, .context_ptr = UINT64_C(0x100000000)},
		.want =
			{
				/* T0SZ 0x10, IRGN0 1, ORGN0 1, SH0 3, PS 5, RES1, RES1 */
				.tcr = UINT64_C(0x0000000080853510),
				.mair = UINT64_C(0x000c0800f404ff44),
				.ttbr0 = UINT64_C(0x0000000000001000),
				/* T0SZ 0x10, IR0 1, OR0 1, SH0 3, V, IPS 5, AA64, S, R, A */
				.cd[0] = UINT64_C(0x0000720580003510),
				/* TTB0 in place */
				.cd[1] = UINT64_C(0x0000000000001000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000010000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, STRW 2, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000800000d4),
			},
	},
};

static const struct row smmu2_rows[] = {
	{
		.name = "forced write-back, walks protected",
		.config = {.regime = IOPGT_STAGE2,
                           .flags = IOPGT_CONFIG_FORCED_WRITE_BACK,
                           .granule_shift = 12,
                           .input_bits = 40,
                           .output_bits = 40},
		.phys = UINT64_C(0x2000),
		.inputs = {.flags = IOPGT_REGISTERS_PROTECT_WALKS, .vmid = 9},
		.want =
			{
				/*
				 * level 1: T0SZ 0x18, SL0 1, IRGN0 1, ORGN0 1, SH0 3, PS 2,
				 * RES1
				 */
				.vtcr = UINT64_C(0x0000000080023558),
				/* VMID 0x9 */
				.vttbr = UINT64_C(0x0009000000002000),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* S2FWB, SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100002000000),
				/*
				 * S2VMID 9, S2T0SZ 0x18, S2SL0 1, S2IR0 1, S2OR0 1, S2SH0 3,
				 * S2PS 2, S2AA64, S2PTW, S2R
				 */
				.ste[2] = UINT64_C(0x044a355800000009),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000000000002000),
			},
	},
	{
		.name = "stage 2, stall",
		.config = {.regime = IOPGT_STAGE2,
                           .granule_shift = 12,
                           .input_bits = 40,
                           .output_bits = 40},
		.phys = UINT64_C(0x2000),
		.inputs = {.flags = IOPGT_REGISTERS_STALL},
		.want =
			{
				/*
				 * level 1: T0SZ 0x18, SL0 1, IRGN0 1, ORGN0 1, SH0 3, PS 2,
				 * RES1
				 */
				.vtcr = UINT64_C(0x0000000080023558),
				.vttbr = UINT64_C(0x0000000000002000),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2T0SZ 0x18, S2SL0 1, S2IR0 1, S2OR0 1, S2SH0 3, S2PS 2,
				 * S2AA64, S2S, S2R
				 */
				.ste[2] = UINT64_C(0x060a355800000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000000000002000),
			},
	},
	{
		.name = "stage 2, silent, dirty",
		.config = {.regime = IOPGT_STAGE2,
                           .granule_shift = 12,
                           .input_bits = 40,
                           .output_bits = 40,
                           .dirty = IOPGT_DIRTY_HARDWARE},
		.phys = UINT64_C(0x2000),
		.inputs = {.flags = IOPGT_REGISTERS_SILENT},
		.want =
			{
				/*
				 * level 1: T0SZ 0x18, SL0 1, IRGN0 1, ORGN0 1, SH0 3, PS 2,
				 * HA, HD, RES1
				 */
				.vtcr = UINT64_C(0x0000000080623558),
				.vttbr = UINT64_C(0x0000000000002000),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2T0SZ 0x18, S2SL0 1, S2IR0 1, S2OR0 1, S2SH0 3, S2PS 2,
				 * S2AA64, S2HD, S2HA
				 */
				.ste[2] = UINT64_C(0x018a355800000000),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000000000002000),
			},
	},
	{
		.name = "stage 2, all at once",
		.config = {.regime = IOPGT_STAGE2,
                           .flags = IOPGT_CONFIG_FORCED_WRITE_BACK,
                           .granule_shift = 16,
                           .input_bits = 48,
                           .output_bits = 52,
                           .dirty = IOPGT_DIRTY_HARDWARE},
		.phys = UINT64_C(0xf000000000200),
		.inputs = {.flags = IOPGT_REGISTERS_VMID16 | IOPGT_REGISTERS_STALL |
                                    IOPGT_REGISTERS_SILENT | IOPGT_REGISTERS_PROTECT_WALKS,
                           .vmid = 0xffff},
		.want =
			{
				/*
				 * level 1: T0SZ 0x10, SL0 2, IRGN0 1, ORGN0 1, SH0 3, TG0 1,
				 * PS 6, VS, HA, HD, RES1
				 */
				.vtcr = UINT64_C(0x00000000806e7590),
				/* VMID 0xffff, A[51:48] 0xf in 5:2 */
				.vttbr = UINT64_C(0xffff00000000023c),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* S2FWB, SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100002000000),
				/*
				 * S2VMID 0xffff, S2T0SZ 0x10, S2SL0 2, S2IR0 1, S2OR0 1, S2SH0
				 * 3, S2TG 1, S2PS 6, S2AA64, S2PTW, S2HD, S2HA, S2S
				 */
				.ste[2] = UINT64_C(0x03ce75900000ffff),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x000f000000000200),
			},
	},
};

static void words_of_stage_1_streams_are_as_specified(void **state)
{
	(void)state;
	expect_rows(smmu1_rows, COUNT(smmu1_rows));
}

static void words_of_stage_2_streams_are_as_specified(void **state)
{
	(void)state;
	expect_rows(smmu2_rows, COUNT(smmu2_rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_stage_1_streams_are_as_specified),
		cmocka_unit_test(words_of_stage_2_streams_are_as_specified),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
