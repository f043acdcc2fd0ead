/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operands of TLBI instructions (D8.17.5) and SMMUv3 commands (IHI 0070 4.4).
 */
#include <iopgt/invalidate.h>

#include "format/field.h"
#include "format/format.h"
#include "format/regime.h"

#define CPU_RANGE_BASE_SHIFT 16 /* of BaseADDR with DS = 1 */
#define CPU_SCALES           4
#define NUM_MAX              32 /* NUM + 1 */
#define SMMU_SCALE_MAX       31

/* IHI 0070 4.1. */
enum opcode {
	NH_ALL = 0x10,
	NH_ASID = 0x11,
	NH_VA = 0x12,
	NH_VAA = 0x13,
	EL2_ALL = 0x20,
	EL2_ASID = 0x21,
	EL2_VA = 0x22,
	EL2_VAA = 0x23,
	S12_VMALL = 0x28,
	S2_IPA = 0x2a,
};

static uint64_t size_of(unsigned shift)
{
	return UINT64_C(1) << shift;
}

/* TG of a range operation and TTL[3:2]: 1, 2, 3. */
static uint64_t encode_granule(const struct iopgt_tlbi *t)
{
	return (t->granule_shift - 12u) / 2 + 1;
}

/* TTL, where 0 is no hint. */
static uint64_t encode_level(const struct iopgt_tlbi *t)
{
	return t->level > 0 ? (uint64_t)t->level : 0;
}

static unsigned level_shift(const struct iopgt_tlbi *t, int level)
{
	return t->granule_shift + (unsigned)(IOPGT_LAST_LEVEL - level) * (t->granule_shift - 3u);
}

/* Whether a hint can name the level; level 0 by single-address operations of a PE alone. */
static bool has_encoding(const struct iopgt_tlbi *t, int level)
{
	if (level == 0)
		return !(t->flags & IOPGT_TLBI_SMMU) && t->granule_shift == 12 && t->lpa2;
	if (level == 1)
		return t->granule_shift != 14 || t->lpa2;
	return level == 2 || level == 3;
}

/* The level that may be given as a hint for all of the request. */
static int usable_level(const struct iopgt_tlbi *t, const struct iopgt_tlbi_target *target,
                        const struct iopgt_invalidation *request)
{
	int level = request->level;
	unsigned shift;

	if (!(target->flags & IOPGT_TLBI_TTL) || !has_encoding(t, level))
		return IOPGT_NO_LEVEL;
	/* An SMMU knows of TTL only with TG, which asks for a range (4.4.1.1). */
	if ((target->flags & IOPGT_TLBI_SMMU) && !(target->flags & IOPGT_TLBI_RANGE))
		return IOPGT_NO_LEVEL;
	if (!(target->flags & IOPGT_TLBI_SMMU) && regime_is_aarch32(target->config->regime))
		return IOPGT_NO_LEVEL;
	/* A hint keeps table descriptors at its level and below (4.4.1.1, note). */
	if (!t->leaf && level != IOPGT_LAST_LEVEL)
		return IOPGT_NO_LEVEL;
	shift = level_shift(t, level);
	if (((request->iova | request->size) & (size_of(shift) - 1)) || t->stride_shift < shift)
		return IOPGT_NO_LEVEL;
	return level;
}

/*
 * An operation removes what one page or block put into the TLB, and the table
 * entries on the way there. Entries of a contiguous group may be cached each by
 * itself (R_LQLSD, I_JQPNP).
 */
static unsigned usable_stride(const struct iopgt_tlbi *t, const struct iopgt_invalidation *request)
{
	unsigned bits = t->granule_shift - 3u, shift = t->granule_shift;

	while (shift + bits <= request->stride_shift && shift + bits < 64)
		shift += bits;
	if (!t->leaf && shift > t->granule_shift + bits)
		shift = t->granule_shift + bits;
	return shift;
}

/* Whether ranges can be expressed where the target has range operations. */
static bool ranges_work(const struct iopgt_tlbi *t, uint32_t regime)
{
	if (t->flags & IOPGT_TLBI_SMMU)
		return true;
	/* D8.17.5.2: UNPREDICTABLE with DS = 1, TTL = 0 and bits 38:12 not zero; TTL has no 0. */
	if (t->granule_shift == 12 && t->lpa2 && t->level <= 0)
		return false;
	return !regime_is_aarch32(regime) &&
	       t->stride_shift < t->granule_shift + 5u * CPU_SCALES + 1;
}

static void widen(struct iopgt_tlbi *t, unsigned shift)
{
	uint64_t below = t->iova & (size_of(shift) - 1);

	t->iova -= below;
	t->left = (t->left + below + size_of(shift) - 1) & ~(size_of(shift) - 1);
}

/* One address stands for all that is left: a granule at least. */
static bool fits_one(const struct iopgt_tlbi *t)
{
	return !((t->iova ^ (t->iova + (t->left - 1))) >> t->stride_shift);
}

static unsigned opcode_of(const struct iopgt_tlbi_target *target)
{
	bool every = target->flags & IOPGT_TLBI_EVERY_ASID;

	if (regime_is_stage2(target->config->regime))
		return S2_IPA;
	if (target->config->regime == IOPGT_STAGE1_EL2)
		return EL2_VA;
	if (target->flags & IOPGT_TLBI_E2H)
		return every ? EL2_VAA : EL2_VA;
	return every ? NH_VAA : NH_VA;
}

static bool uses_asid(const struct iopgt_tlbi_target *target)
{
	uint32_t regime = target->config->regime;

	return !(target->flags & IOPGT_TLBI_EVERY_ASID) && !regime_is_stage2(regime) &&
	       regime != IOPGT_STAGE1_EL2;
}

/* EL2 and EL2-E2H entries have no VMID. */
static bool uses_vmid(const struct iopgt_tlbi_target *target)
{
	return target->config->regime != IOPGT_STAGE1_EL2 && !(target->flags & IOPGT_TLBI_E2H);
}

/* Opcode, VMID and ASID of a command; the ASID of an operand. */
static uint64_t fixed_word(const struct iopgt_tlbi_target *target, unsigned opcode)
{
	uint64_t word = 0;

	if (uses_asid(target))
		field_put(&word, 63, 48, target->asid);
	if (target->flags & IOPGT_TLBI_SMMU) {
		field_put(&word, 7, 0, opcode);
		field_put(&word, 47, 32, uses_vmid(target) ? target->vmid : 0);
	}
	return word;
}

static int check_target(const struct iopgt_tlbi_target *target)
{
	if (!target || !target->config)
		return IOPGT_BAD_ARGUMENT;
	if (target->config->regime >= IOPGT_REGIMES)
		return IOPGT_BAD_REGIME;
	if (target->flags & ~(uint32_t)IOPGT_TLBI_ALL_FLAGS)
		return IOPGT_BAD_FLAGS;
	if ((target->flags & IOPGT_TLBI_E2H) && target->config->regime != IOPGT_STAGE1_EL1)
		return IOPGT_BAD_FLAGS;
	return IOPGT_OK;
}

static int check_request(const struct iopgt_tlbi_target *target,
                         const struct iopgt_invalidation *request)
{
	unsigned shift = target->config->granule_shift;

	if (!request)
		return IOPGT_BAD_ARGUMENT;
	if (shift != 12 && shift != 14 && shift != 16)
		return IOPGT_BAD_GRANULE;
	if ((request->iova | request->size) & (size_of(shift) - 1))
		return IOPGT_BAD_ALIGNMENT;
	if (!request->size || request->iova + (request->size - 1) < request->iova)
		return IOPGT_BAD_RANGE;
	return IOPGT_OK;
}

/* Whether there are more operations than that; `t` is a copy. */
static bool too_many(struct iopgt_tlbi t, uint32_t most)
{
	struct iopgt_tlbi_operation operation;

	if (!t.ranges)
		return t.left >> t.stride_shift > most;
	for (uint32_t count = 0; iopgt_tlbi_next(&t, &operation); count++) {
		if (count == most)
			return true;
	}
	return false;
}

int iopgt_tlbi_begin(struct iopgt_tlbi *tlbi, const struct iopgt_tlbi_target *target,
                     const struct iopgt_invalidation *request)
{
	struct iopgt_tlbi t;
	int err = tlbi ? check_target(target) : IOPGT_BAD_ARGUMENT;

	if (!err)
		err = check_request(target, request);
	if (err)
		return err;
	t = (struct iopgt_tlbi){
		.iova = request->iova,
		.left = request->size,
		.fixed = fixed_word(target, opcode_of(target)),
		.flags = target->flags,
		.granule_shift = target->config->granule_shift,
		.stage2 = regime_is_stage2(target->config->regime),
		.lpa2 = (target->config->flags & IOPGT_CONFIG_LPA2) != 0,
		.leaf = !(request->flags & IOPGT_INVALIDATE_WALK_CACHES),
	};
	t.stride_shift = (uint8_t)usable_stride(&t, request);
	t.level = (int8_t)usable_level(&t, target, request);
	if (t.level != IOPGT_NO_LEVEL)
		t.stride_shift = (uint8_t)level_shift(&t, t.level);
	t.ranges = (t.flags & IOPGT_TLBI_RANGE) && ranges_work(&t, target->config->regime);
	if (!t.ranges)
		widen(&t, t.stride_shift);
	else if (!(t.flags & IOPGT_TLBI_SMMU) && t.lpa2 && !fits_one(&t))
		widen(&t, CPU_RANGE_BASE_SHIFT);
	if (too_many(t,
	             target->max_operations ? target->max_operations : IOPGT_TLBI_MAX_OPERATIONS))
		return IOPGT_BAD_RANGE;
	*tlbi = t;
	return IOPGT_OK;
}

/* Xt of a single address (D8.17.5.1). */
static uint64_t cpu_address(const struct iopgt_tlbi *t)
{
	uint64_t operand = t->fixed;

	if (t->stage2)
		operand |= t->iova >> 12 & FIELD_MASK(39, 0); /* IPA[51:12] */
	else
		operand |= t->iova >> 12 & FIELD_MASK(43, 0); /* VA[55:12] */
	if (t->level != IOPGT_NO_LEVEL)
		field_put(&operand, 47, 44, encode_granule(t) << 2 | encode_level(t));
	return operand;
}

/* Xt of a range (D8.17.5.2), the largest that does not pass the end. Return: bytes covered. */
static uint64_t cpu_range(const struct iopgt_tlbi *t, uint64_t *operand)
{
	unsigned base_shift = t->lpa2 ? CPU_RANGE_BASE_SHIFT : t->granule_shift;
	uint64_t granules = t->left >> t->granule_shift, num;
	unsigned scale = CPU_SCALES - 1;

	while (!(granules >> (5 * scale + 1)))
		scale--;
	num = granules >> (5 * scale + 1);
	if (num > NUM_MAX)
		num = NUM_MAX;
	*operand = t->fixed | (t->iova >> base_shift & FIELD_MASK(36, 0)); /* BaseADDR */
	field_put(operand, 38, 37, encode_level(t));                       /* TTL */
	field_put(operand, 43, 39, num - 1);                               /* NUM */
	field_put(operand, 45, 44, scale);                                 /* SCALE */
	field_put(operand, 47, 46, encode_granule(t));                     /* TG */
	return num << (5 * scale + 1 + t->granule_shift);
}

static uint64_t next_cpu(const struct iopgt_tlbi *t, struct iopgt_tlbi_operation *operation)
{
	if (!t->ranges || fits_one(t)) {
		operation->word[0] = cpu_address(t);
		return size_of(t->stride_shift);
	}
	operation->flags |= IOPGT_TLBI_OPERATION_RANGE;
	return cpu_range(t, &operation->word[0]);
}

/* NUM and SCALE (4.4.1.1), the most that does not pass the end. Return: bytes covered. */
static uint64_t smmu_range(const struct iopgt_tlbi *t, uint64_t *word)
{
	uint64_t granules = t->left >> t->granule_shift, num;
	unsigned scale = 0;

	while (scale < SMMU_SCALE_MAX && granules >> scale > NUM_MAX)
		scale++;
	num = granules >> scale;
	if (num > NUM_MAX)
		num = NUM_MAX;
	field_put(word, 16, 12, num - 1);           /* NUM */
	field_put(word, 24, 20, scale);             /* SCALE; IDR5.DS: 25:20 */
	field_put(word, 75, 74, encode_granule(t)); /* TG */
	field_put(word, 73, 72, encode_level(t));   /* TTL */
	return num << (scale + t->granule_shift);
}

static uint64_t next_smmu(const struct iopgt_tlbi *t, struct iopgt_tlbi_operation *operation)
{
	operation->word[0] = t->fixed;
	operation->word[1] = t->iova;                /* Address */
	field_put_bit(operation->word, 64, t->leaf); /* Leaf */
	/* A hint needs TG, and TG a hint or more than one granule. */
	if (!t->ranges || (t->level == IOPGT_NO_LEVEL && fits_one(t)))
		return size_of(t->stride_shift);
	operation->flags |= IOPGT_TLBI_OPERATION_RANGE;
	return smmu_range(t, operation->word);
}

bool iopgt_tlbi_next(struct iopgt_tlbi *tlbi, struct iopgt_tlbi_operation *operation)
{
	struct iopgt_tlbi_operation next = {.iova = tlbi->iova};
	uint64_t size;

	if (!tlbi->left)
		return false;
	if (tlbi->leaf)
		next.flags |= IOPGT_TLBI_OPERATION_LEAF;
	size = tlbi->flags & IOPGT_TLBI_SMMU ? next_smmu(tlbi, &next) : next_cpu(tlbi, &next);
	if (size > tlbi->left)
		size = tlbi->left;
	next.size = size;
	tlbi->iova += size;
	tlbi->left -= size;
	*operation = next;
	return true;
}

static unsigned opcode_of_all(const struct iopgt_tlbi_target *target)
{
	bool every = target->flags & IOPGT_TLBI_EVERY_ASID;

	if (regime_is_stage2(target->config->regime))
		return S12_VMALL;
	if (target->config->regime == IOPGT_STAGE1_EL2)
		return EL2_ALL;
	if (target->flags & IOPGT_TLBI_E2H)
		return every ? EL2_ALL : EL2_ASID;
	return every ? NH_ALL : NH_ASID;
}

int iopgt_tlbi_all(const struct iopgt_tlbi_target *target, struct iopgt_tlbi_operation *operation)
{
	int err = operation ? check_target(target) : IOPGT_BAD_ARGUMENT;

	if (err)
		return err;
	*operation = (struct iopgt_tlbi_operation){
		.word = {fixed_word(target, opcode_of_all(target)), 0},
	};
	return IOPGT_OK;
}
