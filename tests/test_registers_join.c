/* SPDX-License-Identifier: BSD-2-Clause */
/* Two halves of one address space in one set of words; a stage 1 above a stage 2. */
#include "test_registers.h"

#define LOW  UINT64_C(0x40002000)
#define HIGH UINT64_C(0x80000000)

static struct iopgt_config half(uint8_t granule_shift, uint8_t input, uint8_t output,
                                uint32_t flags)
{
	return (struct iopgt_config){.regime = IOPGT_STAGE1_EL1,
	                             .flags = flags,
	                             .granule_shift = granule_shift,
	                             .input_bits = input,
	                             .output_bits = output};
}

static struct iopgt_registers join(const struct iopgt_registers *lower,
                                   const struct iopgt_registers *upper)
{
	struct iopgt_registers out;

	memset(&out, 0xa5, sizeof(out));
	assert_int_equal(iopgt_registers_both_halves(lower, upper, &out), IOPGT_OK);
	return out;
}

static const struct row usual = {
	.name = "4 KiB, 39 bits, below 64 KiB, 42 bits",
	.config = {.regime = IOPGT_STAGE1_EL1},
	.want =
		{
			/*
			 * T0SZ 25, IRGN0 1, ORGN0 1, SH0 3, TG0 0; T1SZ 22, IRGN1 1,
			 * ORGN1 1, SH1 3, TG1 3; IPS 4 (44 bits before 40)
			 */
			.tcr = UINT64_C(0x00000004f5163519),
			.mair = UINT64_C(0x000c0800f404ff44),
			.ttbr0 = UINT64_C(0x0044000040002000),
			.ttbr1 = UINT64_C(0x0044000080000000),
			/* T0SZ 25, IR0, OR0, SH0; T1SZ 22, TG1 3, IR1, OR1, SH1 */
			/* V; IPS 4, AA64, R, A */
			.cd[0] = UINT64_C(0x00446204b5d63519),
			.cd[1] = UINT64_C(0x0000000040002000),
			.cd[2] = UINT64_C(0x0000000080000000),
			.cd[3] = UINT64_C(0x000c0800f404ff44),
			.ste[0] = UINT64_C(0x000000000000000b),
			.ste[1] = UINT64_C(0x00001000000000d4),
		},
};

static void both_halves_have_their_own_fields(void **state)
{
	const struct iopgt_register_inputs inputs = {.asid = 0x44};
	const struct iopgt_config low = half(12, 39, 44, 0);
	const struct iopgt_config high = half(16, 42, 40, IOPGT_CONFIG_TTBR1);
	struct iopgt_registers lower = good_words(&low, LOW, &inputs);
	struct iopgt_registers upper = good_words(&high, HIGH, &inputs);
	struct iopgt_registers out = join(&lower, &upper);

	(void)state;
	expect_words(&usual, &out);
	assert_int_equal(iopgt_registers_both_halves(&lower, &upper, &lower), IOPGT_OK);
	expect_words(&usual, &lower);
	lower = good_words(&low, LOW, &inputs);
	assert_int_equal(iopgt_registers_both_halves(&lower, &upper, &upper), IOPGT_OK);
	expect_words(&usual, &upper);
}

static const struct row full = {
	.name = "LPA2, 52 bits, 16 KiB below 4 KiB, dirty above",
	.config = {.regime = IOPGT_STAGE1_EL1},
	.want =
		{
			/*
			 * T0SZ 12, IRGN0 1, ORGN0 1, SH0 3, TG0 2; T1SZ 14, IRGN1 1,
			 * ORGN1 1, SH1 3, TG1 2; IPS 6, AS, HA, HD, DS
			 */
			.tcr = UINT64_C(0x08000196b50eb50c),
			.mair = UINT64_C(0x000c0800f404ff44),
			/* A[51:48] is 5, in bits 5:2; CnP */
			.ttbr0 = UINT64_C(0xface000000001115),
			/* A[51:48] is 0xA, in bits 5:2; CnP */
			.ttbr1 = UINT64_C(0xface000000002069),
			/*
			 * T0SZ 12, TG0 2, IR0, OR0, SH0; T1SZ 14, TG1 2, IR1, OR1, SH1; V;
			 * IPS 6, AA64, HD, HA, R, A
			 */
			.cd[0] = UINT64_C(0xface6e06b58e358c),
			.cd[1] = UINT64_C(0x0005000000001100),
			/* TTB1, DS (bit 186) */
			.cd[2] = UINT64_C(0x040a000000002040),
			.cd[3] = UINT64_C(0x000c0800f404ff44),
			.ste[0] = UINT64_C(0x000000000000000b),
			.ste[1] = UINT64_C(0x00001000000000d4),
		},
};

static void both_halves_share_updates_and_sizes(void **state)
{
	const struct iopgt_register_inputs inputs = {
		.asid = 0xface, .flags = IOPGT_REGISTERS_ASID16 | IOPGT_REGISTERS_CNP};
	struct iopgt_config low = half(14, 52, 48, IOPGT_CONFIG_LPA2);
	struct iopgt_config high = half(12, 50, 52, IOPGT_CONFIG_LPA2 | IOPGT_CONFIG_TTBR1);
	struct iopgt_registers lower, upper, out;

	(void)state;
	low.output_bits = 52;
	high.dirty = IOPGT_DIRTY_HARDWARE;
	lower = good_words(&low, UINT64_C(0x5000000001100), &inputs);
	upper = good_words(&high, UINT64_C(0xa000000002040), &inputs);
	out = join(&lower, &upper);
	expect_words(&full, &out);
}

/* HA alone of one half and HA and HD of the other: both; IPS 52 above 48. */
static void the_larger_output_size_and_all_updates_win(void **state)
{
	const struct iopgt_register_inputs none = {0};
	const struct iopgt_register_inputs access = {.flags = IOPGT_REGISTERS_HARDWARE_ACCESS};
	struct iopgt_config low = half(16, 48, 52, IOPGT_CONFIG_ACCESS_FLAG);
	struct iopgt_config high = half(12, 48, 48, IOPGT_CONFIG_TTBR1);
	struct iopgt_registers lower = good_words(&low, LOW, &access);
	struct iopgt_registers upper = good_words(&high, HIGH, &none), out;

	(void)state;
	out = join(&lower, &upper);
	assert_int_equal(FIELD(out.tcr, 34, 32), 6);
	assert_int_equal(FIELD(out.tcr, 40, 39), 1); /* HA */
	assert_int_equal(FIELD(out.cd[0], 34, 32), 6);
	assert_int_equal(FIELD(out.cd[0], 43, 42), 2); /* HA */
	high.dirty = IOPGT_DIRTY_HARDWARE;
	upper = good_words(&high, HIGH, &none);
	out = join(&lower, &upper);
	assert_int_equal(FIELD(out.tcr, 40, 39), 3);
	assert_int_equal(FIELD(out.cd[0], 43, 42), 3);
}

static void expect_no_join(const struct iopgt_registers *lower, const struct iopgt_registers *upper)
{
	struct iopgt_registers before, out;

	memset(&before, 0xa5, sizeof(before));
	out = before;
	assert_int_equal(iopgt_registers_both_halves(lower, upper, &out), IOPGT_INCOMPATIBLE);
	assert_memory_equal(&out, &before, sizeof(out));
}

static void halves_that_do_not_fit_are_refused(void **state)
{
	static const struct iopgt_register_inputs other[] = {
		{.asid = 1},
		{.vmid = 1},
		{.flags = IOPGT_REGISTERS_ASID16},
		{.flags = IOPGT_REGISTERS_E2H},
		{.flags = IOPGT_REGISTERS_STALL},
		{.flags = IOPGT_REGISTERS_SILENT},
		{.flags = IOPGT_REGISTERS_READ_ZERO},
		{.flags = IOPGT_REGISTERS_ASID_PRIVATE},
		{.context_ptr = 64},
		{.context_bits = 1},
		{.ats = 1},
	};
	const struct iopgt_register_inputs none = {0};
	struct iopgt_config low = half(12, 48, 48, 0);
	struct iopgt_config high = half(12, 48, 48, IOPGT_CONFIG_TTBR1), lpa2;
	struct iopgt_registers lower = good_words(&low, LOW, &none);
	struct iopgt_registers upper = good_words(&high, HIGH, &none), odd;

	(void)state;
	expect_no_join(&lower, &lower);
	expect_no_join(&upper, &upper);
	expect_no_join(&upper, &lower);
	for (size_t i = 0; i < COUNT(other); i++) {
		odd = good_words(&high, HIGH, &other[i]);
		expect_no_join(&lower, &odd);
		odd = good_words(&low, LOW, &other[i]);
		expect_no_join(&odd, &upper);
	}
	lpa2 = half(12, 48, 48, IOPGT_CONFIG_LPA2);
	odd = good_words(&lpa2, LOW, &none);
	expect_no_join(&odd, &upper);
}

static void only_two_privilege_levels_have_two_halves(void **state)
{
	static const uint32_t regimes[] = {IOPGT_STAGE1_EL2, IOPGT_STAGE2, IOPGT_STAGE1_AARCH32,
	                                   IOPGT_STAGE2_AARCH32};
	const struct iopgt_register_inputs none = {0};
	struct iopgt_config low = half(12, 32, 40, 0);
	struct iopgt_config high = half(12, 32, 40, IOPGT_CONFIG_TTBR1);
	struct iopgt_registers lower = good_words(&low, LOW, &none);
	struct iopgt_registers upper = good_words(&high, HIGH, &none), odd;

	(void)state;
	join(&lower, &upper);
	for (size_t i = 0; i < COUNT(regimes); i++) {
		struct iopgt_config config = low;

		config.regime = regimes[i];
		odd = good_words(&config, HIGH, &none);
		expect_no_join(&odd, &upper);
		expect_no_join(&lower, &odd);
	}
}

/* D24.2.194: T0SZ 5:0, EPD0 7, T1SZ 21:16, EPD1 23. */
static void a_half_with_something_of_the_other_is_refused(void **state)
{
	static const uint64_t of_lower[] = {1 << 7, 1 << 16, 1u << 31};
	static const uint64_t of_upper[] = {1 << 23, 1 << 0, 1 << 15};
	const struct iopgt_register_inputs none = {0};
	const struct iopgt_config low = half(12, 39, 44, 0);
	const struct iopgt_config high = half(12, 39, 44, IOPGT_CONFIG_TTBR1);
	const struct iopgt_registers lower = good_words(&low, LOW, &none);
	const struct iopgt_registers upper = good_words(&high, HIGH, &none);
	struct iopgt_registers odd;

	(void)state;
	join(&lower, &upper);
	for (size_t i = 0; i < COUNT(of_lower); i++) {
		odd = lower;
		odd.tcr |= of_lower[i];
		expect_no_join(&odd, &upper);
		odd = upper;
		odd.tcr |= of_upper[i];
		expect_no_join(&lower, &odd);
	}
	odd = lower;
	odd.tcr &= ~UINT64_C(0x800000); /* EPD1 */
	expect_no_join(&odd, &upper);
	odd = lower;
	odd.ttbr1 = HIGH;
	expect_no_join(&odd, &upper);
	odd = upper;
	odd.tcr &= ~UINT64_C(0x80); /* EPD0 */
	expect_no_join(&lower, &odd);
	odd = upper;
	odd.ttbr0 = LOW;
	expect_no_join(&lower, &odd);
}

/* --- Nested --- */

static struct iopgt_registers of_regime(uint32_t regime, const struct iopgt_register_inputs *inputs)
{
	const struct iopgt_config config = {
		.regime = regime, .granule_shift = 12, .input_bits = 32, .output_bits = 40};

	return good_words(&config, HIGH, inputs);
}

static void expect_ste(const uint64_t *got, const uint64_t *want)
{
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(got[i], want[i]);
}

static void a_nested_stream_has_both_stages(void **state)
{
	static const uint64_t want[8] = {
		/* V, Config 7, S1Fmt 1, S1ContextPtr, S1CDMax 8 */
		UINT64_C(0x400000123456701f),
		/* S1DSS 2, S1CIR 1, S1COR 1, S1CSH 3, S2FWB, EATS 1, SHCFG 1 */
		UINT64_C(0x00001000120000d6),
		/* S2VMID 0x77; S2T0SZ 24, SL0 1, IR0, OR0, SH0, PS 2, AA64; PTW, HD, HA, R */
		UINT64_C(0x05ca355800000077), UINT64_C(0x0000000080002000), /* S2TTB */
	};
	const struct iopgt_config low = half(16, 42, 40, 0);
	const struct iopgt_config below = {.regime = IOPGT_STAGE2,
	                                   .flags = IOPGT_CONFIG_FORCED_WRITE_BACK,
	                                   .granule_shift = 12,
	                                   .input_bits = 40,
	                                   .output_bits = 40,
	                                   .dirty = IOPGT_DIRTY_HARDWARE};
	const struct iopgt_register_inputs first = {.context_ptr = UINT64_C(0x1234567000),
	                                            .context_bits = 8,
	                                            .context_format = 1,
	                                            .context_default = 2,
	                                            .ats = 1,
	                                            .vmid = 0x77};
	const struct iopgt_register_inputs second = {.vmid = 0x77,
	                                             .flags = IOPGT_REGISTERS_PROTECT_WALKS};
	struct iopgt_registers stage1 = good_words(&low, HIGH, &first);
	struct iopgt_registers stage2 = good_words(&below, UINT64_C(0x80002000), &second);
	uint64_t out[8];

	(void)state;
	memset(out, 0xa5, sizeof(out));
	assert_int_equal(iopgt_registers_nested(&stage1, &stage2, out), IOPGT_OK);
	expect_ste(out, want);
	assert_int_equal(iopgt_registers_nested(&stage1, &stage2, stage1.ste), IOPGT_OK);
	expect_ste(stage1.ste, want);
	stage1 = good_words(&low, HIGH, &first);
	assert_int_equal(iopgt_registers_nested(&stage1, &stage2, stage2.ste), IOPGT_OK);
	expect_ste(stage2.ste, want);
}

/* IHI 0070 5.4 AA64: a 64-bit stage 1 on a 32-bit stage 2 is ILLEGAL, the others are not. */
static void nested_regimes_fit_or_are_refused(void **state)
{
	static const bool good[IOPGT_REGIMES][IOPGT_REGIMES] = {
		[IOPGT_STAGE1_EL1] = {[IOPGT_STAGE2] = true},
		[IOPGT_STAGE1_AARCH32] = {[IOPGT_STAGE2] = true, [IOPGT_STAGE2_AARCH32] = true},
	};
	const struct iopgt_register_inputs none = {0};

	(void)state;
	for (uint32_t a = 0; a < IOPGT_REGIMES; a++) {
		for (uint32_t b = 0; b < IOPGT_REGIMES; b++) {
			struct iopgt_registers first = of_regime(a, &none);
			struct iopgt_registers second = of_regime(b, &none);
			uint64_t out[8] = {1, 2, 3}, before[8] = {1, 2, 3};
			int err = iopgt_registers_nested(&first, &second, out);

			assert_int_equal(err, good[a][b] ? IOPGT_OK : IOPGT_INCOMPATIBLE);
			if (good[a][b])
				assert_int_equal(FIELD(out[0], 3, 0), 0xf);
			else
				expect_ste(out, before);
		}
	}
}

struct pair {
	struct iopgt_register_inputs first, second;
	int want;
	unsigned eats;
};

#define NO IOPGT_INCOMPATIBLE

static const struct pair pairs[] = {
	{{.vmid = 1}, {.vmid = 2}, NO, 0},
	{{.vmid = 0}, {.vmid = 2}, NO, 0},
	{{.vmid = 2}, {.vmid = 3}, NO, 0},
	{{.vmid = 1}, {.vmid = 0x81}, NO, 0},
	{{.vmid = 0x8001, .flags = IOPGT_REGISTERS_VMID16}, {.vmid = 1}, NO, 0},
	{{.vmid = 2}, {.vmid = 2}, IOPGT_OK, 0},
	{{.flags = IOPGT_REGISTERS_E2H}, {0}, NO, 0},
	{{.ats = 1}, {0}, IOPGT_OK, 1},
	{{0}, {.ats = 1}, IOPGT_OK, 1},
	{{.ats = 2}, {.ats = 2}, IOPGT_OK, 2},
	{{.ats = 1}, {.ats = 3}, NO, 0},
	{{.ats = 1}, {.flags = IOPGT_REGISTERS_STALL}, NO, 0},
	{{.ats = 2}, {.flags = IOPGT_REGISTERS_STALL}, NO, 0},
	{{.ats = 3}, {.flags = IOPGT_REGISTERS_STALL}, NO, 0},
	{{.ats = 1, .flags = IOPGT_REGISTERS_STALL}, {0}, IOPGT_OK, 1},
	{{.flags = IOPGT_REGISTERS_STALL}, {.flags = IOPGT_REGISTERS_STALL}, IOPGT_OK, 0},
};

/* 5.2 EATS: ATS and S2S = 1 exclude each other. */
static void nested_inputs_fit_or_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(pairs); i++) {
		struct iopgt_registers first = of_regime(IOPGT_STAGE1_EL1, &pairs[i].first);
		struct iopgt_registers second = of_regime(IOPGT_STAGE2, &pairs[i].second);
		uint64_t out[8];
		int err = iopgt_registers_nested(&first, &second, out);

		if (err != pairs[i].want)
			fail_msg("pair %zu: %s", i, iopgt_strerror(err));
		if (!err)
			assert_int_equal(FIELD(out[1], 29, 28), pairs[i].eats);
	}
}

/*
 * IHI 0070 5.2: S1STALLD 91, MEV 83, MemAttr 99:96, MTCFG 100, ALLOCCFG 104:101; S2ENDI 180,
 * S2AFFD 181.
 */
static void what_the_caller_adds_does_not_matter_to_a_nested_stream(void **state)
{
	const uint64_t added1 = UINT64_C(0x1ff08080000), added2 = UINT64_C(3) << 52;
	const struct iopgt_register_inputs none = {0};
	struct iopgt_registers first = of_regime(IOPGT_STAGE1_EL1, &none);
	struct iopgt_registers second = of_regime(IOPGT_STAGE2, &none);
	uint64_t out[8];

	(void)state;
	first.ste[1] |= added1;
	first.ste[2] |= UINT64_C(1) << 16; /* next to S2VMID: IMPLEMENTATION DEFINED */
	second.ste[2] |= added2;
	assert_int_equal(iopgt_registers_nested(&first, &second, out), IOPGT_OK);
	assert_int_equal(out[1] & added1, added1);
	assert_int_equal(out[2] & added2, added2);
	first.ste[1] |= UINT64_C(1) << 30; /* STRW 1 */
	assert_int_equal(iopgt_registers_nested(&first, &second, out), IOPGT_INCOMPATIBLE);
	first = of_regime(IOPGT_STAGE1_EL1, &none);
	second = of_regime(IOPGT_STAGE2_AARCH32, &none);
	second.ste[2] |= added2;
	assert_int_equal(iopgt_registers_nested(&first, &second, out), IOPGT_INCOMPATIBLE);
}

/* Each set of words has its neighbours, which differ. */
static void words_beside_those_given_are_not_looked_at(void **state)
{
	const struct iopgt_register_inputs none = {0};
	const struct iopgt_config low = half(12, 39, 44, 0);
	const struct iopgt_config high = half(12, 39, 44, IOPGT_CONFIG_TTBR1);
	struct iopgt_registers lower[2], upper[2], out[2], stage2[2];
	uint64_t ste[9] = {[8] = 7};

	(void)state;
	memset(lower, 0x11, sizeof(lower));
	memset(upper, 0x22, sizeof(upper));
	memset(out, 0x33, sizeof(out));
	memset(stage2, 0x44, sizeof(stage2));
	lower[0] = good_words(&low, LOW, &none);
	upper[0] = good_words(&high, HIGH, &none);
	stage2[0] = of_regime(IOPGT_STAGE2, &none);
	assert_int_equal(iopgt_registers_both_halves(lower, upper, out), IOPGT_OK);
	assert_int_equal(out[1].tcr, UINT64_C(0x3333333333333333));
	assert_int_equal(iopgt_registers_nested(lower, stage2, ste), IOPGT_OK);
	assert_int_equal(ste[8], 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_halves_have_their_own_fields),
		cmocka_unit_test(both_halves_share_updates_and_sizes),
		cmocka_unit_test(the_larger_output_size_and_all_updates_win),
		cmocka_unit_test(halves_that_do_not_fit_are_refused),
		cmocka_unit_test(only_two_privilege_levels_have_two_halves),
		cmocka_unit_test(a_half_with_something_of_the_other_is_refused),
		cmocka_unit_test(a_nested_stream_has_both_stages),
		cmocka_unit_test(nested_regimes_fit_or_are_refused),
		cmocka_unit_test(nested_inputs_fit_or_are_refused),
		cmocka_unit_test(what_the_caller_adds_does_not_matter_to_a_nested_stream),
		cmocka_unit_test(words_beside_those_given_are_not_looked_at),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
