/* SPDX-License-Identifier: BSD-2-Clause */
#include "operands.h"

#define FIELD(word, high, low) ((word) >> (low) & (UINT64_MAX >> (63 - (high) + (low))))

static unsigned shift_of(const struct operands_question *q, int level)
{
	unsigned granule = q->config.granule_shift;

	return granule + (unsigned)(3 - level) * (granule - 3);
}

void operands_enlarge(struct operands_question *q, int level)
{
	unsigned shift = shift_of(q, level);
	uint64_t mask, last = q->request.iova + (q->request.size - 1);

	if (shift >= q->config.input_bits)
		return;
	mask = BIT(shift) - 1;
	q->request.iova &= ~mask;
	last |= mask;
	q->request.size = last - q->request.iova + 1;
	q->request.stride_shift = (uint8_t)shift;
	if (q->request.level != IOPGT_NO_LEVEL)
		q->request.level = (int8_t)level;
}

static bool is_smmu(const struct operands_question *q)
{
	return q->target.flags & IOPGT_TLBI_SMMU;
}

/* What one operation covers, by its words alone; last is inclusive. */
struct effect {
	uint64_t first, last;
	unsigned ttl, scale;
};

static struct effect decode_pe(const struct operands_question *q,
                               const struct iopgt_tlbi_operation *operation)
{
	bool stage2 = fuzz_is_stage2(&q->config), lpa2 = q->config.flags & IOPGT_CONFIG_LPA2;
	uint64_t xt = operation->word[0], address;
	unsigned shift = lpa2 ? 16 : q->config.granule_shift;
	struct effect effect = {0};

	require(operation->word[1] == 0);
	if (!(operation->flags & IOPGT_TLBI_OPERATION_RANGE)) {
		address = FIELD(xt, stage2 ? 39 : 43, 0) << 12;
		if (!stage2 && address >> 55)
			address |= UINT64_MAX << 56;
		effect.first = effect.last = address;
		effect.ttl = (unsigned)FIELD(xt, 45, 44);
		require(!FIELD(xt, 47, 44) ||
		        FIELD(xt, 47, 46) == (q->config.granule_shift - 12u) / 2 + 1);
		return effect;
	}
	address = FIELD(xt, 36, 0) << shift;
	if (!stage2 && xt >> 36 & 1)
		address |= UINT64_MAX << (36 + shift);
	effect.scale = (unsigned)FIELD(xt, 45, 44);
	effect.ttl = (unsigned)FIELD(xt, 38, 37);
	effect.first = address;
	effect.last =
		address +
		((FIELD(xt, 43, 39) + 1) << (5 * effect.scale + 1) << q->config.granule_shift) - 1;
	require(FIELD(xt, 47, 46) == (q->config.granule_shift - 12u) / 2 + 1);
	return effect;
}

static struct effect decode_smmu(const struct operands_question *q,
                                 const struct iopgt_tlbi_operation *operation)
{
	const uint64_t *word = operation->word;
	struct effect effect = {.first = word[1] & ~UINT64_C(0xfff)};

	require((word[1] & 1) == !!(operation->flags & IOPGT_TLBI_OPERATION_LEAF));
	require(!!FIELD(word[1], 11, 10) == !!(operation->flags & IOPGT_TLBI_OPERATION_RANGE));
	effect.last = effect.first;
	effect.ttl = (unsigned)FIELD(word[1], 9, 8);
	effect.scale = (unsigned)FIELD(word[0], 25, 20);
	if (!FIELD(word[1], 11, 10)) {
		require(!effect.ttl && !effect.scale && !FIELD(word[0], 16, 12));
		return effect;
	}
	require(FIELD(word[1], 11, 10) == (q->config.granule_shift - 12u) / 2 + 1);
	require(effect.ttl || effect.scale || FIELD(word[0], 16, 12)); /* Reserved, 4.4.1.1 */
	effect.last = effect.first +
	              ((FIELD(word[0], 16, 12) + 1) << effect.scale << q->config.granule_shift) - 1;
	return effect;
}

/* Addresses of the lower 64 bits' space as walkers have them: TTBR1's are negative. */
static void expect_one(const struct operands_question *q,
                       const struct iopgt_tlbi_operation *operation)
{
	struct effect effect = is_smmu(q) ? decode_smmu(q, operation) : decode_pe(q, operation);
	uint64_t last = operation->iova + (operation->size - 1);
	unsigned stride = q->request.stride_shift;

	require(operation->size);
	require_of(effect.first == operation->iova, effect.first, operation->iova);
	if (operation->flags & IOPGT_TLBI_OPERATION_RANGE)
		require_of(effect.last == last, effect.last, last);
	else /* one address: what one leaf, or one table above leaves, put into the TLB */
		require_of(operation->size <= BIT(stride), operation->size, stride);
	require(!!(q->request.flags & IOPGT_INVALIDATE_WALK_CACHES) ==
	        !(operation->flags & IOPGT_TLBI_OPERATION_LEAF));
	if (effect.ttl) {
		require_of((int)effect.ttl == q->request.level, effect.ttl, 0);
		require(q->target.flags & IOPGT_TLBI_TTL);
	}
}

static uint64_t widest(const struct operands_question *q)
{
	uint64_t most = BIT(q->request.stride_shift);

	if (q->config.flags & IOPGT_CONFIG_LPA2 && most < BIT(16))
		most = BIT(16);
	return most;
}

void operands_expect(const struct operands_question *q, struct iopgt_tlbi *tlbi)
{
	uint64_t wanted_last = q->request.iova + (q->request.size - 1), next = 0, last = 0;
	uint32_t most =
		q->target.max_operations ? q->target.max_operations : IOPGT_TLBI_MAX_OPERATIONS;
	struct iopgt_tlbi_operation operation;
	uint32_t count = 0;

	while (iopgt_tlbi_next(tlbi, &operation)) {
		if (!count)
			require_of(operation.iova <= q->request.iova &&
			                   q->request.iova - operation.iova < widest(q),
			           operation.iova, q->request.iova);
		else
			require_of(operation.iova == next, operation.iova, next);
		require_of(count++ < most, most, q->request.size);
		expect_one(q, &operation);
		last = operation.iova + (operation.size - 1);
		next = last + 1;
	}
	require(count);
	require_of(last >= wanted_last && last - wanted_last < widest(q), last, wanted_last);
}
