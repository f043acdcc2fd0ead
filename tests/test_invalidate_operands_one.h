/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests that one operation answers, and the operation. */
#ifndef TEST_INVALIDATE_OPERANDS_ONE_H
#define TEST_INVALIDATE_OPERANDS_ONE_H

#include "test_invalidate_operands.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define WALK  IOPGT_INVALIDATE_WALK_CACHES
#define SMMU  IOPGT_TLBI_SMMU
#define RANGE IOPGT_TLBI_RANGE
#define TTL   IOPGT_TLBI_TTL
#define EVERY IOPGT_TLBI_EVERY_ASID
#define LPA2  IOPGT_CONFIG_LPA2
#define LEAF  IOPGT_TLBI_OPERATION_LEAF
#define BOTH  (IOPGT_TLBI_OPERATION_RANGE | LEAF)

/* One operation. */
struct one {
	const char *name;
	uint32_t regime, config_flags, granule_shift, flags;
	struct iopgt_invalidation request;
	uint32_t want_flags;
	uint64_t word[2];
};

static inline struct question question_of(const struct one *one)
{
	struct question q = {0};

	q.config.regime = one->regime;
	q.config.flags = one->config_flags;
	q.config.granule_shift = (uint8_t)one->granule_shift;
	q.config.input_bits = q.config.output_bits = one->config_flags & LPA2 ? 52 : 48;
	if (one->regime == IOPGT_STAGE1_AARCH32 || one->regime == IOPGT_STAGE2_AARCH32) {
		q.config.input_bits = one->regime == IOPGT_STAGE1_AARCH32 ? 32 : 40;
		q.config.output_bits = 40;
	}
	q.target.flags = one->flags;
	q.target.asid = 0x12;
	q.target.vmid = 0x34;
	q.request = one->request;
	return q;
}

static inline void expect_one(const struct one *one)
{
	struct question q = question_of(one);
	struct iopgt_tlbi_operation operation;
	struct iopgt_tlbi tlbi;
	int err;

	q.target.config = &q.config;
	err = iopgt_tlbi_begin(&tlbi, &q.target, &q.request);
	if (err)
		fail_msg("%s: %s", one->name, iopgt_strerror(err));
	assert_true(iopgt_tlbi_next(&tlbi, &operation));
	decode(&q, &operation);
	if (operation.word[0] != one->word[0] || operation.word[1] != one->word[1] ||
	    operation.flags != one->want_flags)
		fail_msg("%s: 0x%016" PRIx64 " 0x%016" PRIx64 " flags %u", one->name,
		         operation.word[0], operation.word[1], operation.flags);
	assert_false(iopgt_tlbi_next(&tlbi, &operation));
}

static inline void expect_all(const struct one *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		expect_one(&list[i]);
}

#define OF(a, s, f, st, l)                                                                         \
	{                                                                                          \
		.iova = UINT64_C(a), .size = UINT64_C(s), .flags = f, .stride_shift = st,          \
		.level = l                                                                         \
	}
#define NONE IOPGT_NO_LEVEL
#define EL1  IOPGT_STAGE1_EL1
#define S2   IOPGT_STAGE2

#endif
