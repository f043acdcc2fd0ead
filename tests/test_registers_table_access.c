/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iopgt_registers with IOPGT_CONFIG_TABLE_ACCESS_FLAG: HAFT in TCR2_ELx (D24.2.190, .191),
 * VTCR_EL2 (D24.2.224), CD and STE (IHI 0070 5.2, 5.4), and nowhere else.
 */
#include "test_registers.h"

#define TCR2_HAFT UINT64_C(0x800)              /* bit 11 */
#define VTCR_HAFT UINT64_C(0x0000100000000000) /* bit 44 */
#define CD1_HAFT  UINT64_C(0x8)                /* bit 67 */
#define STE2_HAFT UINT64_C(0x0800000000000000) /* bit 187 */

static const struct row rows[] = {
	{
		.name = "16 KiB, 47 bits, 44 out",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .flags = IOPGT_CONFIG_TABLE_ACCESS_FLAG,
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
				/* HAFT */
				.tcr2 = UINT64_C(0x0000000000000800),
				.mair = UINT64_C(0x000c0800f404ff44),
				/* ASID 0x5a, CnP */
				.ttbr0 = UINT64_C(0x005a000876540001),
				/*
				 * T0SZ 0x11, TG0 2, IR0 1, OR0 1, SH0 3, EPD1, V, IPS 4, AA64,
				 * HD, HA, R, A, ASID 0x5a
				 */
				.cd[0] = UINT64_C(0x005a6e04c0003591),
				/* HAFT, TTB0 in place */
				.cd[1] = UINT64_C(0x0000000876540008),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
	{
		.name = "upper half, 4 KiB, 48 bits",
		.config = {.regime = IOPGT_STAGE1_EL1,
                           .flags = IOPGT_CONFIG_TTBR1 | IOPGT_CONFIG_TABLE_ACCESS_FLAG,
                           .granule_shift = 12,
                           .input_bits = 48,
                           .output_bits = 48,
                           .dirty = IOPGT_DIRTY_HARDWARE},
		.phys = UINT64_C(0x40001000),
		.want =
			{
				/*
				 * EPD0, T1SZ 0x10, IRGN1 1, ORGN1 1, SH1 3, TG1 2, IPS 5, HA,
				 * HD
				 */
				.tcr = UINT64_C(0x00000185b5100080),
				/* HAFT */
				.tcr2 = UINT64_C(0x0000000000000800),
				.mair = UINT64_C(0x000c0800f404ff44),
				.ttbr1 = UINT64_C(0x0000000040001000),
				/*
				 * EPD0, T1SZ 0x10, TG1 2, IR1 1, OR1 1, SH1 3, V, IPS 5, AA64,
				 * HD, HA, R, A
				 */
				.cd[0] = UINT64_C(0x00006e05b5904000),
				/* HAFT */
				.cd[1] = UINT64_C(0x0000000000000008),
				/* TTB1 in place */
				.cd[2] = UINT64_C(0x0000000040001000),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000000000d4),
			},
	},
	{
		.name = "EL2, 64 KiB, 42 bits, 40 out",
		.config = {.regime = IOPGT_STAGE1_EL2,
                           .flags = IOPGT_CONFIG_TABLE_ACCESS_FLAG,
                           .granule_shift = 16,
                           .input_bits = 42,
                           .output_bits = 40,
                           .dirty = IOPGT_DIRTY_HARDWARE},
		.phys = UINT64_C(0x1234560000),
		.want =
			{
				/*
				 * T0SZ 0x16, IRGN0 1, ORGN0 1, SH0 3, TG0 1, PS 2, HA, HD,
				 * RES1, RES1
				 */
				.tcr = UINT64_C(0x0000000080e27516),
				/* HAFT */
				.tcr2 = UINT64_C(0x0000000000000800),
				.mair = UINT64_C(0x000c0800f404ff44),
				.ttbr0 = UINT64_C(0x0000001234560000),
				/*
				 * T0SZ 0x16, TG0 1, IR0 1, OR0 1, SH0 3, V, IPS 2, AA64, HD,
				 * HA, R, A
				 */
				.cd[0] = UINT64_C(0x00006e0280003556),
				/* HAFT, TTB0 in place */
				.cd[1] = UINT64_C(0x0000001234560008),
				.cd[3] = UINT64_C(0x000c0800f404ff44),
				/* V, Config 5 */
				.ste[0] = UINT64_C(0x000000000000000b),
				/* S1CIR 1, S1COR 1, S1CSH 3, STRW 2, SHCFG 1 */
				.ste[1] = UINT64_C(0x00001000800000d4),
			},
	},
	{
		.name = "stage 2, 4 KiB, 40 bits, 44 out",
		.config = {.regime = IOPGT_STAGE2,
                           .flags = IOPGT_CONFIG_TABLE_ACCESS_FLAG,
                           .granule_shift = 12,
                           .input_bits = 40,
                           .output_bits = 44,
                           .dirty = IOPGT_DIRTY_HARDWARE},
		.phys = UINT64_C(0x880000000),
		.inputs = {.vmid = 9},
		.want =
			{
				/*
				 * level 1: T0SZ 0x18, SL0 1, IRGN0 1, ORGN0 1, SH0 3, PS 4,
				 * HA, HD, RES1, HAFT
				 */
				.vtcr = UINT64_C(0x0000100080643558),
				/* VMID 9 */
				.vttbr = UINT64_C(0x0009000880000000),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2VMID 9, S2T0SZ 0x18, S2SL0 1, S2IR0 1, S2OR0 1, S2SH0 3,
				 * S2PS 4, S2AA64, S2HD, S2HA, S2R, S2HAFT
				 */
				.ste[2] = UINT64_C(0x0d8c355800000009),
				/* S2TTB in place */
				.ste[3] = UINT64_C(0x0000000880000000),
			},
	},
	{
		.name = "stage 2, 4 KiB, LPA2, 52 bits",
		.config = {.regime = IOPGT_STAGE2,
                           .flags = IOPGT_CONFIG_LPA2 | IOPGT_CONFIG_TABLE_ACCESS_FLAG,
                           .granule_shift = 12,
                           .input_bits = 52,
                           .output_bits = 52,
                           .dirty = IOPGT_DIRTY_HARDWARE},
		.phys = UINT64_C(0xa000000010000),
		.want =
			{
				/*
				 * level 0: T0SZ 0xc, SL0 2, IRGN0 1, ORGN0 1, SH0 3, PS 6, HA,
				 * HD, RES1, DS, HAFT
				 */
				.vtcr = UINT64_C(0x000010018066358c),
				/* A[51:48] 0xa in 5:2 */
				.vttbr = UINT64_C(0x0000000000010028),
				/* V, Config 6 */
				.ste[0] = UINT64_C(0x000000000000000d),
				/* SHCFG 1 */
				.ste[1] = UINT64_C(0x0000100000000000),
				/*
				 * S2T0SZ 0xc, S2SL0 2, S2IR0 1, S2OR0 1, S2SH0 3, S2PS 6,
				 * S2AA64, S2HD, S2HA, S2R, S2HAFT
				 */
				.ste[2] = UINT64_C(0x0d8e358c00000000),
				/* S2DS, S2TTB in place */
				.ste[3] = UINT64_C(0x000a000000010008),
			},
	},
};

static void words_with_table_access_flags_are_as_specified(void **state)
{
	(void)state;
	expect_rows(rows, COUNT(rows));
}

static struct iopgt_config dirty_config(uint32_t regime, uint8_t granule_shift, uint32_t flags)
{
	return (struct iopgt_config){.regime = regime,
	                             .flags = flags,
	                             .granule_shift = granule_shift,
	                             .input_bits = 40,
	                             .output_bits = 44,
	                             .dirty = IOPGT_DIRTY_HARDWARE};
}

#define PHYS UINT64_C(0x80000000)

static struct iopgt_registers words(const struct iopgt_config *config)
{
	const struct iopgt_register_inputs none = {0};

	return good_words(config, PHYS, &none);
}

/* What the flag changes, in any regime: these bits, and no other. */
static void the_flag_sets_haft_alone(void **state)
{
	static const uint32_t regimes[] = {IOPGT_STAGE1_EL1, IOPGT_STAGE1_EL2, IOPGT_STAGE2};

	(void)state;
	for (size_t i = 0; i < COUNT(regimes); i++) {
		for (uint8_t shift = 12; shift <= 16; shift += 2) {
			bool stage2 = regimes[i] == IOPGT_STAGE2;
			struct iopgt_config config = dirty_config(regimes[i], shift, 0);
			struct row row = {.name = "with the flag", .config = config};
			struct iopgt_registers got;

			row.want = words(&config);
			row.want.tcr2 ^= stage2 ? 0 : TCR2_HAFT;
			row.want.vtcr ^= stage2 ? VTCR_HAFT : 0;
			row.want.cd[1] ^= stage2 ? 0 : CD1_HAFT;
			row.want.ste[2] ^= stage2 ? STE2_HAFT : 0;
			config.flags |= IOPGT_CONFIG_TABLE_ACCESS_FLAG;
			got = words(&config);
			expect_words(&row, &got);
		}
	}
}

/* Flags of the two halves of a joined pair, and what comes of it. */
struct halves {
	uint32_t lower, upper;
	bool lower_dirty, upper_dirty;
	int want;
	uint64_t tcr2;
};

#define HAFT   IOPGT_CONFIG_TABLE_ACCESS_FLAG
#define REMOTE IOPGT_CONFIG_NON_COHERENT

static const struct halves halves[] = {
	{0, 0, true, true, IOPGT_OK, 0},
	{HAFT, HAFT, true, true, IOPGT_OK, TCR2_HAFT},
	{HAFT, 0, true, true, IOPGT_OK, TCR2_HAFT},
	{0, HAFT, true, true, IOPGT_OK, TCR2_HAFT},
	{HAFT, 0, true, false, IOPGT_OK, TCR2_HAFT},
	{0, HAFT, false, true, IOPGT_OK, TCR2_HAFT},
	/* A descriptor of a walk that does not snoop cannot be updated (R_WLTNL). */
	{HAFT, REMOTE, true, false, IOPGT_INCOMPATIBLE, 0},
	{REMOTE, HAFT, false, true, IOPGT_INCOMPATIBLE, 0},
	{0, REMOTE, true, false, IOPGT_INCOMPATIBLE, 0},
	{REMOTE, 0, false, true, IOPGT_INCOMPATIBLE, 0},
	{REMOTE, REMOTE, false, false, IOPGT_OK, 0},
};

static struct iopgt_registers half(uint32_t flags, bool dirty)
{
	struct iopgt_config config = dirty_config(IOPGT_STAGE1_EL1, 12, flags);

	config.dirty = dirty ? IOPGT_DIRTY_HARDWARE : IOPGT_DIRTY_NONE;
	return words(&config);
}

/* One bit of one register is for both halves: either may ask for it. */
static void both_halves_have_one_haft(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(halves); i++) {
		const struct halves *h = &halves[i];
		struct iopgt_registers lower = half(h->lower, h->lower_dirty);
		struct iopgt_registers upper = half(h->upper | IOPGT_CONFIG_TTBR1, h->upper_dirty);
		struct iopgt_registers out, before;
		int err;

		memset(&out, 0xa5, sizeof(out));
		before = out;
		err = iopgt_registers_both_halves(&lower, &upper, &out);
		if (err != h->want)
			fail_msg("pair %zu: %s", i, iopgt_strerror(err));
		if (err) {
			assert_memory_equal(&out, &before, sizeof(out));
			continue;
		}
		assert_int_equal(out.tcr2, h->tcr2);
		assert_int_equal(out.cd[1], PHYS | (h->tcr2 ? CD1_HAFT : 0));
		assert_int_equal(out.cd[2], PHYS);
		/* HA and HD come with it: HAFT without HA is ILLEGAL (5.4 HAFT). */
		assert_int_equal(FIELD(out.tcr, 40, 39), h->lower_dirty || h->upper_dirty ? 3 : 0);
	}
}

/* Each stage of a nested stream has its own. */
static void nested_stages_have_their_own_haft(void **state)
{
	(void)state;
	for (unsigned which = 0; which < 4; which++) {
		struct iopgt_config first =
			dirty_config(IOPGT_STAGE1_EL1, 12, which & 1 ? HAFT : 0);
		struct iopgt_config second = dirty_config(IOPGT_STAGE2, 12, which & 2 ? HAFT : 0);
		struct iopgt_registers stage1 = words(&first), stage2 = words(&second);
		uint64_t ste[8];

		assert_int_equal(iopgt_registers_nested(&stage1, &stage2, ste), IOPGT_OK);
		assert_int_equal(FIELD(stage1.cd[1], 3, 3), which & 1);
		assert_int_equal(FIELD(ste[2], 59, 59), which >> 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_with_table_access_flags_are_as_specified),
		cmocka_unit_test(the_flag_sets_haft_alone),
		cmocka_unit_test(both_halves_have_one_haft),
		cmocka_unit_test(nested_stages_have_their_own_haft),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
