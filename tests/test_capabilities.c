/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Capabilities from identification registers: DDI 0487 D24.2.88 to .90 (MMFR0, 1, 2) and
 * IHI 0070 6.3.1, 6.3.4, 6.3.6 (IDR0, 3, 5), of known hardware and field by field.
 */
#include <string.h>

#include <iopgt/capabilities.h>

#include "fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define K4           (1u << 12)
#define K16          (1u << 14)
#define K64          (1u << 16)

/* A PE that has nothing: 32 bits, 8-bit ASIDs, 4 and 64 KiB. */
#define OF_ANY_PE                                                                                  \
	(IOPGT_CAN_STAGE1 | IOPGT_CAN_STAGE2 | IOPGT_CAN_AARCH64 | IOPGT_CAN_COHERENT_WALK |       \
	 IOPGT_CAN_BROADCAST | IOPGT_CAN_EL2)

static struct iopgt_capabilities of_cpu(uint64_t mmfr0, uint64_t mmfr1, uint64_t mmfr2)
{
	struct iopgt_capabilities got;

	memset(&got, 0xa5, sizeof(got));
	assert_int_equal(iopgt_capabilities_from_cpu(mmfr0, mmfr1, mmfr2, &got), IOPGT_OK);
	return got;
}

static struct iopgt_capabilities of_smmu(uint32_t idr0, uint32_t idr3, uint32_t idr5)
{
	struct iopgt_capabilities got;

	memset(&got, 0xa5, sizeof(got));
	assert_int_equal(iopgt_capabilities_from_smmu(idr0, idr3, idr5, &got), IOPGT_OK);
	return got;
}

static void expect_same(const char *name, const struct iopgt_capabilities *got,
                        const struct iopgt_capabilities *want)
{
	print_message("%s\n", name);
	assert_int_equal(got->flags, want->flags);
	assert_int_equal(got->granules_stage1, want->granules_stage1);
	assert_int_equal(got->granules_stage2, want->granules_stage2);
	assert_int_equal(got->lpa2_stage1, want->lpa2_stage1);
	assert_int_equal(got->lpa2_stage2, want->lpa2_stage2);
	assert_int_equal(got->input_bits_64k, want->input_bits_64k);
	if (want->lpa2_stage1) /* else it says nothing */
		assert_int_equal(got->input_bits_lpa2, want->input_bits_lpa2);
	assert_int_equal(got->output_bits, want->output_bits);
	assert_int_equal(got->update, want->update);
	assert_int_equal(got->bbm_level, want->bbm_level);
	assert_int_equal(got->asid_bits, want->asid_bits);
	assert_int_equal(got->vmid_bits, want->vmid_bits);
}

/* --- Known hardware --- */

struct cpu {
	const char *name;
	uint64_t mmfr[3];
	struct iopgt_capabilities want;
};

static const struct cpu cpus[] = {
	{
		/* PARange 4, ASIDBits 2, BigEnd 1, SNSMem 1, TGran16 0 */
		.name = "a Cortex-A72",
		.mmfr = {0x1124, 0, 0},
		.want = {.flags = OF_ANY_PE,
                         .granules_stage1 = K4 | K64,
                         .granules_stage2 = K4 | K64,
                         .input_bits_64k = 48,
                         .output_bits = 44,
                         .asid_bits = 16,
                         .vmid_bits = 8},
	},
	{
		/*
		 * PARange 5, ASIDBits 2, TGran16 1; HAFDBS 2, VMIDBits 2, VH 1, HPDS 2,
		 * LO 1, PAN 2, XNX 1; CnP 1, UAO 1, IESB 1
		 */
		.name = "a Neoverse N1",
		.mmfr = {0x101125, 0x10212122, 0x1011},
		.want = {.flags = OF_ANY_PE | IOPGT_CAN_XNX | IOPGT_CAN_CNP,
                         .granules_stage1 = K4 | K16 | K64,
                         .granules_stage2 = K4 | K16 | K64,
                         .input_bits_64k = 48,
                         .output_bits = 48,
                         .update = IOPGT_UPDATE_DIRTY,
                         .asid_bits = 16,
                         .vmid_bits = 16},
	},
	{
		/*
		 * BBM 2, TTL 1, FWB 1, IDS 1, AT 1, ST 1, NV 2, CCIDX 1, IESB 1, UAO 1,
		 * CnP 1 beside those of the N1
		 */
		.name = "an Arm v8.5 server core",
		.mmfr = {0x101125, 0x10212122, 0x0221011112101011},
		.want = {.flags = OF_ANY_PE | IOPGT_CAN_XNX | IOPGT_CAN_CNP |
                                  IOPGT_CAN_FORCED_WRITE_BACK | IOPGT_CAN_SMALL_TABLES |
                                  IOPGT_CAN_TTL,
                         .granules_stage1 = K4 | K16 | K64,
                         .granules_stage2 = K4 | K16 | K64,
                         .input_bits_64k = 48,
                         .output_bits = 48,
                         .update = IOPGT_UPDATE_DIRTY,
                         .bbm_level = 2,
                         .asid_bits = 16,
                         .vmid_bits = 16},
	},
	{
		/*
		 * PARange 6, ASIDBits 2, TGran16 2, TGran64 0, TGran4 1, stage 2: 3, 2, 3;
		 * HAFDBS 3, VMIDBits 2, XNX 1; VARange 1, ST, TTL, FWB, BBM 1
		 */
		.name = "all 52 bits",
		.mmfr = {0x0000032310200026, 0x10000023, 0x0011010010010001},
		.want = {.flags = OF_ANY_PE | IOPGT_CAN_XNX | IOPGT_CAN_CNP |
                                  IOPGT_CAN_FORCED_WRITE_BACK | IOPGT_CAN_SMALL_TABLES |
                                  IOPGT_CAN_TTL,
                         .granules_stage1 = K4 | K16 | K64,
                         .granules_stage2 = K4 | K16 | K64,
                         .lpa2_stage1 = K4 | K16,
                         .lpa2_stage2 = K4 | K16,
                         .input_bits_64k = 52,
                         .input_bits_lpa2 = 52,
                         .output_bits = 52,
                         .update = IOPGT_UPDATE_TABLES,
                         .bbm_level = 1,
                         .asid_bits = 16,
                         .vmid_bits = 16},
	},
	{
		/* PARange 2, TGran16 1, TGran4 and TGran64 15; HAFDBS 1 */
		.name = "16 KiB alone",
		.mmfr = {0x00000000ff100002, 1, 0},
		.want = {.flags = OF_ANY_PE,
                         .granules_stage1 = K16,
                         .granules_stage2 = K16,
                         .input_bits_64k = 48,
                         .output_bits = 40,
                         .update = IOPGT_UPDATE_ACCESSED,
                         .asid_bits = 8,
                         .vmid_bits = 8},
	},
};

static void known_cpus_are_understood(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cpus); i++) {
		const uint64_t *mmfr = cpus[i].mmfr;
		struct iopgt_capabilities got = of_cpu(mmfr[0], mmfr[1], mmfr[2]);

		expect_same(cpus[i].name, &got, &cpus[i].want);
	}
}

struct smmu {
	const char *name;
	uint32_t idr[3];
	struct iopgt_capabilities want;
};

static const struct smmu smmus[] = {
	{
		/* S1P, TTF 2, COHACC, ASID16; HAD, RIL, BBML 2; OAS 4, all granules */
		.name = "stage 1 alone, as an emulator has it",
		.idr = {1 << 1 | 2 << 2 | 1 << 4 | 1 << 12, 1 << 2 | 1 << 10 | 2 << 11, 4 | 7 << 4},
		.want = {.flags = IOPGT_CAN_STAGE1 | IOPGT_CAN_AARCH64 | IOPGT_CAN_COHERENT_WALK |
                                  IOPGT_CAN_TTL | IOPGT_CAN_RANGE_INVALIDATION |
                                  IOPGT_CAN_AVOID_CONFLICTS,
                         .granules_stage1 = K4 | K16 | K64,
                         .input_bits_64k = 48,
                         .output_bits = 44,
                         .bbm_level = 2,
                         .asid_bits = 16,
                         .vmid_bits = 8},
	},
	{
		/* S2P, S1P, TTF 3, COHACC, BTM, HTTU 2, Hyp, ATS, ASID16, VMID16; XNX; OAS 5 */
		.name = "an MMU-600",
		.idr = {0x00041000 | 0x6bf, 1 << 2 | 1 << 4, 5 | 7 << 4},
		.want = {.flags = IOPGT_CAN_STAGE1 | IOPGT_CAN_STAGE2 | IOPGT_CAN_AARCH64 |
                                  IOPGT_CAN_AARCH32 | IOPGT_CAN_COHERENT_WALK |
                                  IOPGT_CAN_BROADCAST | IOPGT_CAN_ATS | IOPGT_CAN_EL2 |
                                  IOPGT_CAN_XNX | IOPGT_CAN_AVOID_CONFLICTS,
                         .granules_stage1 = K4 | K16 | K64,
                         .granules_stage2 = K4 | K16 | K64,
                         .input_bits_64k = 48,
                         .output_bits = 48,
                         .update = IOPGT_UPDATE_DIRTY,
                         .asid_bits = 16,
                         .vmid_bits = 16},
	},
	{
		/* S2P, S1P, TTF 2, HTTU 3; FWB, STT, RIL, BBML 1; OAS 6, DS, VAX 1, 4 and 64 KiB */
		.name = "52 bits",
		.idr = {3 | 2 << 2 | 3 << 6, 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11,
                        6 | 5 << 4 | 1 << 7 | 1 << 10},
		.want = {.flags = IOPGT_CAN_STAGE1 | IOPGT_CAN_STAGE2 | IOPGT_CAN_AARCH64 |
                                  IOPGT_CAN_FORCED_WRITE_BACK | IOPGT_CAN_SMALL_TABLES |
                                  IOPGT_CAN_TTL | IOPGT_CAN_RANGE_INVALIDATION |
                                  IOPGT_CAN_AVOID_CONFLICTS,
                         .granules_stage1 = K4 | K64,
                         .granules_stage2 = K4 | K64,
                         .lpa2_stage1 = K4,
                         .lpa2_stage2 = K4,
                         .input_bits_64k = 52,
                         .input_bits_lpa2 = 52,
                         .output_bits = 52,
                         .update = IOPGT_UPDATE_TABLES,
                         .bbm_level = 1,
                         .asid_bits = 8,
                         .vmid_bits = 8},
	},
};

static void known_smmus_are_understood(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(smmus); i++) {
		const uint32_t *idr = smmus[i].idr;
		struct iopgt_capabilities got = of_smmu(idr[0], idr[1], idr[2]);

		expect_same(smmus[i].name, &got, &smmus[i].want);
	}
}

/* --- Fields --- */

enum {
	PARANGE,
	ASID,
	GRAN16,
	GRAN64,
	GRAN4,
	UPDATE,
	VMID,
	XNX,
	VARANGE,
	ST,
	FWB,
	TTL,
	BBM,
	CNP
};

struct field {
	uint8_t which, word, shift;
	uint8_t want[16]; /* for values 0 to 15 */
};

#define FLAG                                                                                       \
	{                                                                                          \
		0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1                                     \
	}

/*
 * Values that are not defined yet count as the largest defined one below: fields
 * of the ID registers only grow. TGran4 and TGran64 are signed (D24.1.3): 0 is the granule,
 * 8 to 15 are less than that.
 */
static const struct field fields[] = {
	{PARANGE, 0, 0, {32, 36, 40, 42, 44, 48, 52, 52, 52, 52, 52, 52, 52, 52, 52, 52}},
	{ASID, 0, 4, {8, 8, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16}},
	{GRAN16, 0, 20, {0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2}},
	{GRAN64, 0, 24, {1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0}},
	{GRAN4, 0, 28, {1, 2, 2, 2, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0}},
	{UPDATE, 1, 0, {0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3}},
	{VMID, 1, 4, {8, 8, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16}},
	{XNX, 1, 28, FLAG},
	{CNP, 2, 0, FLAG},
	{VARANGE, 2, 16, {48, 52, 52, 52, 52, 52, 52, 52, 52, 52, 52, 52, 52, 52, 52, 52}},
	{ST, 2, 28, FLAG},
	{FWB, 2, 40, FLAG},
	{TTL, 2, 48, FLAG},
	{BBM, 2, 52, {0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2}},
};

/* 0: none; 1: there; 2: with LPA2. */
static uint8_t granule_of(uint32_t granules, uint32_t lpa2, uint32_t bit)
{
	return granules & bit ? (lpa2 & bit ? 2 : 1) : 0;
}

static uint8_t flag_of(const struct iopgt_capabilities *got, uint32_t flag)
{
	return (got->flags & flag) != 0;
}

static uint8_t value_of(const struct iopgt_capabilities *got, uint8_t which)
{
	switch (which) {
	case PARANGE:
		return got->output_bits;
	case ASID:
		return got->asid_bits;
	case GRAN16:
		return granule_of(got->granules_stage1, got->lpa2_stage1, K16);
	case GRAN64:
		return granule_of(got->granules_stage1, got->lpa2_stage1, K64);
	case GRAN4:
		return granule_of(got->granules_stage1, got->lpa2_stage1, K4);
	case UPDATE:
		return got->update;
	case VMID:
		return got->vmid_bits;
	case VARANGE:
		return got->input_bits_64k;
	case BBM:
		return got->bbm_level;
	case XNX:
		return flag_of(got, IOPGT_CAN_XNX);
	case CNP:
		return flag_of(got, IOPGT_CAN_CNP);
	case ST:
		return flag_of(got, IOPGT_CAN_SMALL_TABLES);
	case FWB:
		return flag_of(got, IOPGT_CAN_FORCED_WRITE_BACK);
	default:
		return flag_of(got, IOPGT_CAN_TTL);
	}
}

/* Each value alone, and with all bits of all other fields set. */
static void expect_field(const struct field *field, unsigned value, bool noise)
{
	uint64_t mmfr[3] = {0}, mask = UINT64_C(15) << field->shift;
	struct iopgt_capabilities got;

	if (noise)
		memset(mmfr, 0xff, sizeof(mmfr));
	mmfr[field->word] = (mmfr[field->word] & ~mask) | (uint64_t)value << field->shift;
	got = of_cpu(mmfr[0], mmfr[1], mmfr[2]);
	if (value_of(&got, field->which) != field->want[value])
		fail_msg("MMFR%u bits %u, value %u: %u, not %u", field->word, field->shift, value,
		         value_of(&got, field->which), field->want[value]);
}

static void every_value_of_every_cpu_field_is_understood(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(fields); i++) {
		for (unsigned value = 0; value < 16; value++) {
			expect_field(&fields[i], value, false);
			expect_field(&fields[i], value, true);
		}
	}
}

/* TGran*_2: 0 as stage 1, 1 none, 2 there, 3 and more with LPA2 (there is none for 64 KiB). */
static void stage_2_granules_of_a_cpu_are_their_own(void **state)
{
	static const struct {
		uint32_t bit;
		uint8_t shift1, shift2;
		uint8_t values[3]; /* of stage 1 that mean: none, there, with LPA2 */
	} rows[] = {{K4, 28, 40, {15, 0, 1}}, {K16, 20, 32, {0, 1, 2}}, {K64, 24, 36, {15, 0, 0}}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (unsigned first = 0; first < 3; first++) {
			for (unsigned second = 0; second < 8; second++) {
				struct iopgt_capabilities got =
					of_cpu((uint64_t)rows[i].values[first] << rows[i].shift1 |
				                       (uint64_t)second << rows[i].shift2,
				               0, 0);
				unsigned stage1 = first, want = second > 3 ? 2 : second - 1;

				if (rows[i].bit == K64 && first == 2)
					stage1 = 1;
				if (second == 0)
					want = stage1;
				if (rows[i].bit == K64 && want == 2)
					want = 1;
				assert_int_equal(granule_of(got.granules_stage1, got.lpa2_stage1,
				                            rows[i].bit),
				                 stage1);
				assert_int_equal(granule_of(got.granules_stage2, got.lpa2_stage2,
				                            rows[i].bit),
				                 want);
			}
		}
	}
}

/* --- Two walkers --- */

/* Of two walkers whose numbers are all different, whoever comes first. */
static void two_walkers_can_what_the_weaker_can(void **state)
{
	const struct iopgt_capabilities weak = {
		.flags = IOPGT_CAN_STAGE1 | IOPGT_CAN_AARCH64 | IOPGT_CAN_TTL,
		.granules_stage1 = K4,
		.granules_stage2 = K16,
		.lpa2_stage1 = K16,
		.lpa2_stage2 = K4,
		.input_bits_64k = 48,
		.input_bits_lpa2 = 49,
		.output_bits = 44,
		.update = IOPGT_UPDATE_ACCESSED,
		.bbm_level = 0,
		.asid_bits = 8,
		.vmid_bits = 8,
	};
	const struct iopgt_capabilities *full = &cpus[3].want;
	struct iopgt_capabilities out;

	(void)state;
	assert_int_equal(iopgt_capabilities_both(&weak, full, &out), IOPGT_OK);
	expect_same("the weaker one", &out, &weak);
	assert_int_equal(iopgt_capabilities_both(full, &weak, &out), IOPGT_OK);
	expect_same("the weaker one", &out, &weak);
	out = *full;
	assert_int_equal(iopgt_capabilities_both(&out, &weak, &out), IOPGT_OK);
	expect_same("the weaker one", &out, &weak);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_cpus_are_understood),
		cmocka_unit_test(known_smmus_are_understood),
		cmocka_unit_test(every_value_of_every_cpu_field_is_understood),
		cmocka_unit_test(stage_2_granules_of_a_cpu_are_their_own),
		cmocka_unit_test(two_walkers_can_what_the_weaker_can),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
