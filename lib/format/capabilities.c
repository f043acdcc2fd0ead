/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Identification registers of a PE (D24.2.88 to .90) and of an SMMUv3 (IHI 0070 6.3).
 */
#include <iopgt/capabilities.h>

#include "format/field.h"

#define GRANULE_4K  (UINT32_C(1) << 12)
#define GRANULE_16K (UINT32_C(1) << 14)
#define GRANULE_64K (UINT32_C(1) << 16)

/* MMFR0.TGran*_2: 0 is as stage 1. */
#define STAGE2_AS_STAGE1 0
#define STAGE2_GRANULE   2
#define STAGE2_LPA2      3

#define NO_LPA2 16 /* more than a field holds */

/* PARange, and OAS of an SMMU. Beyond: sizes that 64-bit descriptors do not reach. */
static uint8_t decode_size(unsigned code)
{
	static const uint8_t sizes[] = {32, 36, 40, 42, 44, 48, 52};

	return code < sizeof(sizes) ? sizes[code] : 52;
}

static uint8_t smaller(unsigned a, unsigned b)
{
	return (uint8_t)(a < b ? a : b);
}

static uint32_t when(bool condition, uint32_t bits)
{
	return condition ? bits : 0;
}

/* A granule field of MMFR0, and the values from which on it says something. */
struct granule_field {
	uint32_t granule;
	uint8_t low, stage2_low; /* bits */
	int8_t supported, lpa2;
	bool is_signed; /* 15 is -1: not supported */
};

static const struct granule_field field_4k = {GRANULE_4K, 28, 40, 0, 1, true};
static const struct granule_field field_16k = {GRANULE_16K, 20, 32, 1, 2, false};
static const struct granule_field field_64k = {GRANULE_64K, 24, 36, 0, NO_LPA2, true};

static void read_granule(uint64_t mmfr0, const struct granule_field *f,
                         struct iopgt_capabilities *c)
{
	int stage1 = (int)(mmfr0 >> f->low & 15);
	int stage2 = (int)(mmfr0 >> f->stage2_low & 15);

	if (f->is_signed && stage1 > 7)
		stage1 -= 16;
	c->granules_stage1 |= when(stage1 >= f->supported, f->granule);
	c->lpa2_stage1 |= when(stage1 >= f->lpa2, f->granule);
	if (stage2 == STAGE2_AS_STAGE1) {
		c->granules_stage2 |= c->granules_stage1 & f->granule;
		c->lpa2_stage2 |= c->lpa2_stage1 & f->granule;
	} else {
		c->granules_stage2 |= when(stage2 >= STAGE2_GRANULE, f->granule);
		c->lpa2_stage2 |= when(f->lpa2 != NO_LPA2 && stage2 >= STAGE2_LPA2, f->granule);
	}
}

static uint32_t cpu_flags(uint64_t mmfr1, uint64_t mmfr2)
{
	return IOPGT_CAN_STAGE1 | IOPGT_CAN_STAGE2 | IOPGT_CAN_EL2 | IOPGT_CAN_AARCH64 |
	       IOPGT_CAN_COHERENT_WALK | IOPGT_CAN_BROADCAST |
	       when(field_get(mmfr1, 31, 28) >= 1, IOPGT_CAN_XNX) |
	       when(field_get(mmfr2, 3, 0) >= 1, IOPGT_CAN_CNP) |
	       when(field_get(mmfr2, 31, 28) >= 1, IOPGT_CAN_SMALL_TABLES) |
	       when(field_get(mmfr2, 43, 40) >= 1, IOPGT_CAN_FORCED_WRITE_BACK) |
	       when(field_get(mmfr2, 51, 48) >= 1, IOPGT_CAN_TTL);
}

int iopgt_capabilities_from_cpu(uint64_t mmfr0, uint64_t mmfr1, uint64_t mmfr2,
                                struct iopgt_capabilities *capabilities)
{
	if (!capabilities)
		return IOPGT_BAD_ARGUMENT;
	*capabilities = (struct iopgt_capabilities){
		.flags = cpu_flags(mmfr1, mmfr2),
		.input_bits_64k = field_get(mmfr2, 19, 16) >= 1 ? 52 : 48, /* VARange */
		.input_bits_lpa2 = 52,
		.output_bits = decode_size(field_get(mmfr0, 3, 0)),             /* PARange */
		.update = smaller(field_get(mmfr1, 3, 0), IOPGT_UPDATE_TABLES), /* HAFDBS */
		.bbm_level = smaller(field_get(mmfr2, 55, 52), 2),              /* BBM */
		.asid_bits = field_get(mmfr0, 7, 4) >= 2 ? 16 : 8,              /* ASIDBits */
		.vmid_bits = field_get(mmfr1, 7, 4) >= 2 ? 16 : 8,              /* VMIDBits */
	};
	read_granule(mmfr0, &field_4k, capabilities);
	read_granule(mmfr0, &field_16k, capabilities);
	read_granule(mmfr0, &field_64k, capabilities);
	return IOPGT_OK;
}

static uint32_t smmu_flags(uint32_t idr0, uint32_t idr3)
{
	return IOPGT_CAN_AVOID_CONFLICTS | when(idr0 & 1 << 0, IOPGT_CAN_STAGE2) |
	       when(idr0 & 1 << 1, IOPGT_CAN_STAGE1) | when(idr0 & 1 << 2, IOPGT_CAN_AARCH32) |
	       when(idr0 & 1 << 3, IOPGT_CAN_AARCH64) |
	       when(idr0 & 1 << 4, IOPGT_CAN_COHERENT_WALK) |
	       when(idr0 & 1 << 5, IOPGT_CAN_BROADCAST) | when(idr0 & 1 << 9, IOPGT_CAN_EL2) |
	       when(idr0 & 1 << 10, IOPGT_CAN_ATS) | when(idr3 & 1 << 4, IOPGT_CAN_XNX) |
	       when(idr3 & 1 << 8, IOPGT_CAN_FORCED_WRITE_BACK) |
	       when(idr3 & 1 << 9, IOPGT_CAN_SMALL_TABLES) |
	       when(idr3 & 1 << 10, IOPGT_CAN_TTL | IOPGT_CAN_RANGE_INVALIDATION);
}

/* GRAN4K, GRAN16K, GRAN64K of IDR5, where the stage is there. */
static uint32_t smmu_granules(uint32_t idr5, bool stage)
{
	return when(stage && (idr5 & 1 << 4), GRANULE_4K) |
	       when(stage && (idr5 & 1 << 5), GRANULE_16K) |
	       when(stage && (idr5 & 1 << 6), GRANULE_64K);
}

int iopgt_capabilities_from_smmu(uint32_t idr0, uint32_t idr3, uint32_t idr5,
                                 struct iopgt_capabilities *capabilities)
{
	uint32_t flags = smmu_flags(idr0, idr3);
	bool aarch64 = (flags & IOPGT_CAN_AARCH64) != 0;
	uint32_t stage1 = smmu_granules(idr5, aarch64 && (flags & IOPGT_CAN_STAGE1));
	uint32_t stage2 = smmu_granules(idr5, aarch64 && (flags & IOPGT_CAN_STAGE2));
	uint32_t lpa2 = when(idr5 & 1 << 7, GRANULE_4K | GRANULE_16K); /* DS */
	uint8_t input_bits = field_get(idr5, 11, 10) >= 1 ? 52 : 48;   /* VAX */

	if (!capabilities)
		return IOPGT_BAD_ARGUMENT;
	*capabilities = (struct iopgt_capabilities){
		.flags = flags,
		.granules_stage1 = stage1,
		.granules_stage2 = stage2,
		.lpa2_stage1 = stage1 & lpa2,
		.lpa2_stage2 = stage2 & lpa2,
		.input_bits_64k = input_bits,
		.input_bits_lpa2 = input_bits,
		.output_bits = decode_size(field_get(idr5, 2, 0)), /* OAS */
		.update = (uint8_t)field_get(idr0, 7, 6),          /* HTTU */
		.bbm_level = smaller(field_get(idr3, 12, 11), 2),  /* BBML */
		.asid_bits = idr0 & 1 << 12 ? 16 : 8,              /* ASID16 */
		.vmid_bits = idr0 & 1 << 18 ? 16 : 8,              /* VMID16 */
	};
	return IOPGT_OK;
}

int iopgt_capabilities_both(const struct iopgt_capabilities *a, const struct iopgt_capabilities *b,
                            struct iopgt_capabilities *out)
{
	if (!a || !b || !out)
		return IOPGT_BAD_ARGUMENT;
	*out = (struct iopgt_capabilities){
		.flags = a->flags & b->flags,
		.granules_stage1 = a->granules_stage1 & b->granules_stage1,
		.granules_stage2 = a->granules_stage2 & b->granules_stage2,
		.lpa2_stage1 = a->lpa2_stage1 & b->lpa2_stage1,
		.lpa2_stage2 = a->lpa2_stage2 & b->lpa2_stage2,
		.input_bits_64k = smaller(a->input_bits_64k, b->input_bits_64k),
		.input_bits_lpa2 = smaller(a->input_bits_lpa2, b->input_bits_lpa2),
		.output_bits = smaller(a->output_bits, b->output_bits),
		.update = smaller(a->update, b->update),
		.bbm_level = smaller(a->bbm_level, b->bbm_level),
		.asid_bits = smaller(a->asid_bits, b->asid_bits),
		.vmid_bits = smaller(a->vmid_bits, b->vmid_bits),
	};
	return IOPGT_OK;
}
