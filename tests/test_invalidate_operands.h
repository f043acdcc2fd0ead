/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a TLBI operand or an SMMU command invalidates, and whether it is legal:
 * written from DDI 0487 D8.17.5 and IHI 0070 4.4, and what a request needs.
 */
#ifndef TEST_INVALIDATE_OPERANDS_H
#define TEST_INVALIDATE_OPERANDS_H

#include <iopgt/invalidate.h>

#include "fixture.h"

#define FIELD(w, h, l) (((w) >> (l)) & (UINT64_MAX >> (63 - (h) + (l))))

/* A request and for whom it is. */
struct question {
	struct iopgt_config config;
	struct iopgt_tlbi_target target;
	struct iopgt_invalidation request;
};

/* What an operation does. */
struct effect {
	bool range, leaf;
	int level;            /* of TTL; IOPGT_NO_LEVEL: any */
	uint64_t first, last; /* addresses of a range; of a single operation both the address */
};

static inline bool is_smmu(const struct question *q)
{
	return q->target.flags & IOPGT_TLBI_SMMU;
}

static inline bool is_stage2(const struct question *q)
{
	return q->config.regime == IOPGT_STAGE2 || q->config.regime == IOPGT_STAGE2_AARCH32;
}

static inline bool is_aarch32(const struct question *q)
{
	return q->config.regime == IOPGT_STAGE1_AARCH32 || q->config.regime == IOPGT_STAGE2_AARCH32;
}

static inline bool is_lpa2(const struct question *q)
{
	return q->config.flags & IOPGT_CONFIG_LPA2;
}

/* TG of range operations, of commands and of TTL[3:2]: Tables D8-122, D8-123. */
static inline unsigned granule_code(const struct question *q)
{
	return (q->config.granule_shift - 12u) / 2 + 1;
}

/* log2 of what an entry of a level maps. */
static inline unsigned level_shift(const struct question *q, int level)
{
	unsigned granule = q->config.granule_shift;

	return granule + (unsigned)(3 - level) * (granule - 3);
}

/* A level that TTL can name. Level 0 has no encoding in ranges and commands. */
static inline bool level_has_code(const struct question *q, int level, bool single_of_pe)
{
	if (level == 0)
		return single_of_pe && q->config.granule_shift == 12 && is_lpa2(q);
	if (level == 1)
		return q->config.granule_shift != 14 || is_lpa2(q);
	return level == 2 || level == 3;
}

/* Base of a range: [48:12] etc. of an address, whose top bit is the sign of a VA (I_TYBWT). */
static inline uint64_t base_address(const struct question *q, uint64_t field)
{
	unsigned shift = is_lpa2(q) ? 16 : q->config.granule_shift;
	uint64_t address = field << shift;

	if (!is_stage2(q) && FIELD(field, 36, 36))
		address |= UINT64_MAX << (37 + shift);
	return address;
}

/* Bits [high:12] of a base are zero, up to where the level's entries begin. */
static inline void expect_aligned(uint64_t address, unsigned shift)
{
	if (address & ((UINT64_C(1) << shift) - 1))
		fail_msg("0x%" PRIx64 " is not aligned to 2^%u", address, shift);
}

/* D8.17.5.2: where the invalidated range is UNPREDICTABLE. */
static inline void expect_predictable(const struct question *q, unsigned ttl, uint64_t base)
{
	if (q->config.granule_shift == 12 && is_lpa2(q) && ttl == 0)
		expect_aligned(base, 39);
	if (q->config.granule_shift == 14 && !is_lpa2(q))
		assert_int_not_equal(ttl, 1); /* reserved: Table D8-124 */
	if (ttl)
		expect_aligned(base, level_shift(q, (int)ttl));
}

static inline uint64_t last_of(uint64_t first, uint64_t granules, unsigned shift)
{
	uint64_t bytes = granules << shift;

	assert_true(granules && bytes >> shift == granules);
	return first + (bytes - 1) < first ? UINT64_MAX : first + (bytes - 1);
}

/* D8.17.5.2: ASID, TG, SCALE, NUM, TTL, BaseADDR. */
static inline struct effect decode_pe_range(const struct question *q, uint64_t xt)
{
	unsigned ttl = (unsigned)FIELD(xt, 38, 37), scale = (unsigned)FIELD(xt, 45, 44);
	uint64_t base = base_address(q, FIELD(xt, 36, 0));
	struct effect effect = {.range = true, .first = base};

	assert_int_equal(FIELD(xt, 47, 46), granule_code(q));
	expect_predictable(q, ttl, base);
	effect.level = ttl ? (int)ttl : IOPGT_NO_LEVEL;
	effect.last =
		last_of(base, (FIELD(xt, 43, 39) + 1) << (5 * scale + 1), q->config.granule_shift);
	return effect;
}

/* D8.17.5.1: ASID, TTL, VA[55:12]; IPA[51:12] in bits 39:0. */
static inline struct effect decode_pe_single(const struct question *q, uint64_t xt)
{
	unsigned ttl = (unsigned)FIELD(xt, 47, 44);
	uint64_t address = FIELD(xt, 43, 0) << 12;
	struct effect effect = {.level = IOPGT_NO_LEVEL};

	if (is_stage2(q))
		assert_int_equal(FIELD(xt, 43, is_aarch32(q) ? 28 : 40), 0);
	else if (is_aarch32(q))
		assert_int_equal(FIELD(xt, 43, 20), 0); /* R_FGPTT */
	else if (FIELD(xt, 43, 43))
		address |= UINT64_MAX << 56; /* R_JGGKN */
	if (ttl) {
		assert_int_equal(ttl >> 2, granule_code(q));
		effect.level = ttl & 3;
		assert_true(level_has_code(q, effect.level, true));
	}
	effect.first = effect.last = address;
	return effect;
}

static inline struct effect decode_pe(const struct question *q,
                                      const struct iopgt_tlbi_operation *operation)
{
	bool tagged = (q->config.regime == IOPGT_STAGE1_EL1 ||
	               q->config.regime == IOPGT_STAGE1_AARCH32) &&
	              !(q->target.flags & IOPGT_TLBI_EVERY_ASID);
	bool range = operation->flags & IOPGT_TLBI_OPERATION_RANGE;

	assert_int_equal(operation->word[0] >> 48, tagged ? q->target.asid : 0);
	assert_int_equal(operation->word[1], 0);
	return range ? decode_pe_range(q, operation->word[0])
	             : decode_pe_single(q, operation->word[0]);
}

/* 4.1.1: opcodes; 4.4.2 and 4.4.3: which fields a command has. */
static inline void expect_command(const struct question *q, uint64_t word)
{
	bool every = q->target.flags & IOPGT_TLBI_EVERY_ASID;
	bool el2 = q->config.regime == IOPGT_STAGE1_EL2;
	bool e2h = q->target.flags & IOPGT_TLBI_E2H;
	unsigned code = every ? 0x13 : 0x12; /* NH_VAA, NH_VA */

	if (is_stage2(q))
		code = 0x2a; /* S2_IPA */
	else if (el2 || e2h)
		code = every ? 0x23 : 0x22; /* EL2_VAA, EL2_VA */
	assert_int_equal(FIELD(word, 7, 0), code);
	assert_int_equal(FIELD(word, 63, 48), is_stage2(q) || every || el2 ? 0 : q->target.asid);
	assert_int_equal(FIELD(word, 47, 32), el2 || e2h ? 0 : q->target.vmid);
	assert_int_equal(word & UINT64_C(0xfc0e0f00), 0);
}

/* 4.4.1.1: where the range is UNPREDICTABLE, and what is Reserved. */
static inline void expect_legal_range(const struct question *q, const uint64_t *word)
{
	unsigned ttl = (unsigned)FIELD(word[1], 9, 8), scale = (unsigned)FIELD(word[0], 25, 20);
	uint64_t address = word[1] & ~UINT64_C(0xfff);

	assert_int_equal(FIELD(word[1], 11, 10), granule_code(q));
	assert_true(ttl || scale || FIELD(word[0], 16, 12)); /* CERROR_ILL */
	assert_true(scale <= (is_lpa2(q) ? 39 : 31));
	if (ttl)
		assert_true(level_has_code(q, (int)ttl, false));
	expect_aligned(address, ttl ? level_shift(q, (int)ttl) : q->config.granule_shift);
}

static inline struct effect decode_smmu(const struct question *q,
                                        const struct iopgt_tlbi_operation *operation)
{
	const uint64_t *word = operation->word;
	struct effect effect = {.first = word[1] & ~UINT64_C(0xfff), .level = IOPGT_NO_LEVEL};

	expect_command(q, word[0]);
	assert_int_equal(FIELD(word[1], 7, 1), 0);
	effect.leaf = word[1] & 1;
	effect.range = FIELD(word[1], 11, 10);
	effect.last = effect.first;
	assert_int_equal(effect.range, operation->flags & IOPGT_TLBI_OPERATION_RANGE);
	if (!effect.range) {
		assert_int_equal(FIELD(word[1], 9, 8), 0);
		assert_int_equal(word[0] & UINT64_C(0x03f1f000), 0); /* NUM, SCALE */
		return effect;
	}
	expect_legal_range(q, word);
	effect.last = last_of(effect.first, (FIELD(word[0], 16, 12) + 1) << FIELD(word[0], 25, 20),
	                      q->config.granule_shift);
	if (FIELD(word[1], 9, 8))
		effect.level = (int)FIELD(word[1], 9, 8);
	return effect;
}

/* What it does; the test fails if it is not legal. */
static inline struct effect decode(const struct question *q,
                                   const struct iopgt_tlbi_operation *operation)
{
	struct effect effect = is_smmu(q) ? decode_smmu(q, operation) : decode_pe(q, operation);

	assert_int_equal(operation->flags & ~(uint32_t)(IOPGT_TLBI_OPERATION_RANGE |
	                                                IOPGT_TLBI_OPERATION_LEAF),
	                 0);
	if (!is_smmu(q))
		effect.leaf = operation->flags & IOPGT_TLBI_OPERATION_LEAF;
	assert_int_equal(effect.leaf, !!(operation->flags & IOPGT_TLBI_OPERATION_LEAF));
	return effect;
}

#endif
