/* SPDX-License-Identifier: BSD-2-Clause */
/* For the tests of permissions, memory types and attributes: what can be said where. */
#ifndef TEST_ATTRIBUTES_H
#define TEST_ATTRIBUTES_H

#include "fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FIRST(f)     (4 * block(f))
#define PHYS(f)      (12 * block(f))

#define R           IOPGT_READ
#define W           IOPGT_WRITE
#define PRIV        IOPGT_PRIVILEGED
#define X           IOPGT_EXECUTE
#define XP          IOPGT_EXECUTE_PRIVILEGED
#define XU          IOPGT_EXECUTE_UNPRIVILEGED
#define ANY_EXECUTE ((uint32_t)(X | XP | XU))
#define SHAREABILITY                                                                               \
	((uint32_t)(IOPGT_INNER_SHAREABLE | IOPGT_OUTER_SHAREABLE | IOPGT_NOT_SHAREABLE))

enum answer {
	REFUSED,
	ACCEPTED,
	OPEN, /* the interface does not say */
};

static inline bool is_stage2(const struct fixture *f)
{
	return f->config.regime == IOPGT_STAGE2 || f->config.regime == IOPGT_STAGE2_AARCH32;
}

/* Stage 1 with two privilege levels. */
static inline bool has_levels(const struct fixture *f)
{
	return f->config.regime == IOPGT_STAGE1_EL1 || f->config.regime == IOPGT_STAGE1_AARCH32;
}

static inline bool can_split_execution(const struct fixture *f)
{
	return has_levels(f) || f->config.flags & IOPGT_CONFIG_XNX;
}

static inline bool is_single(uint32_t bits)
{
	return (bits & (bits - 1)) == 0;
}

/* Execution by one level alone. */
static inline enum answer answer_to_execute(const struct fixture *f, uint32_t prot)
{
	if (!is_single(prot & ANY_EXECUTE))
		return REFUSED;
	if (!(prot & (XP | XU)))
		return ACCEPTED;
	if (!can_split_execution(f))
		return REFUSED;
	if (prot & PRIV && prot & XU) /* "no unprivileged access" */
		return REFUSED;
	if (f->config.regime == IOPGT_STAGE1_AARCH32 && prot & XP)
		return prot & PRIV ? ACCEPTED : REFUSED;
	/* What the unprivileged may write the privileged never execute (table D8-65). */
	if (f->config.regime == IOPGT_STAGE1_EL1 && prot & XP && prot & W && !(prot & PRIV))
		return REFUSED;
	return ACCEPTED;
}

static inline enum answer answer_to_prot(const struct fixture *f, uint32_t prot)
{
	const uint32_t tracking = IOPGT_NO_TRACK | IOPGT_CLEAN;

	if (prot & ~(uint32_t)IOPGT_ALL_PROT || (prot & tracking) == tracking)
		return REFUSED;
	if (prot & PRIV && !has_levels(f))
		return REFUSED;
	if (!(prot & (R | W)) || ((prot & (R | W)) == W && !is_stage2(f)))
		return REFUSED;
	if (answer_to_execute(f, prot) == REFUSED)
		return REFUSED;
	/* AArch32 executes only what it may read (G5.6.3). */
	if (f->config.regime == IOPGT_STAGE2_AARCH32 && prot & ANY_EXECUTE && !(prot & R))
		return REFUSED;
	if (prot & tracking && !(prot & W))
		return OPEN;
	return answer_to_execute(f, prot);
}

static inline bool is_outer_anyway(uint32_t memory)
{
	return memory != IOPGT_WRITE_BACK && memory != IOPGT_INNER_NON_CACHEABLE;
}

static inline enum answer answer_to_memory(const struct fixture *f, uint32_t memory)
{
	if (memory >= IOPGT_MEMORY_TYPES)
		return REFUSED;
	if (memory == IOPGT_INNER_NON_CACHEABLE && f->config.flags & IOPGT_CONFIG_FORCED_WRITE_BACK)
		return REFUSED;
	return ACCEPTED;
}

static inline enum answer answer_to_shareability(const struct fixture *f, uint32_t memory,
                                                 uint32_t shareability)
{
	if (!is_single(shareability))
		return REFUSED;
	if (!shareability)
		return ACCEPTED;
	if (is_outer_anyway(memory))
		return shareability == IOPGT_OUTER_SHAREABLE ? ACCEPTED : REFUSED;
	if (f->config.flags & IOPGT_CONFIG_LPA2)
		return shareability == IOPGT_INNER_SHAREABLE ? ACCEPTED : REFUSED;
	return ACCEPTED;
}

static inline enum answer answer_to_attributes(const struct fixture *f, uint32_t memory,
                                               uint32_t attributes)
{
	if (attributes & ~(uint32_t)IOPGT_ALL_ATTRIBUTES)
		return REFUSED;
	if (attributes & IOPGT_GLOBAL && !has_levels(f))
		return REFUSED;
	if (attributes & IOPGT_NON_SECURE &&
	    (is_stage2(f) || !(f->config.flags & IOPGT_CONFIG_SECURE)))
		return REFUSED;
	if (attributes & IOPGT_GUARDED && f->config.regime != IOPGT_STAGE1_EL1 &&
	    f->config.regime != IOPGT_STAGE1_EL2)
		return REFUSED;
	return answer_to_shareability(f, memory, attributes & SHAREABILITY);
}

/* As translate gives them back: without what the memory type has anyway. */
static inline uint32_t given_back(const struct fixture *f, uint32_t memory, uint32_t attributes)
{
	bool outer = memory != IOPGT_WRITE_BACK;

	if (f->config.flags & IOPGT_CONFIG_LPA2)
		return attributes & ~SHAREABILITY;
	return attributes & ~(uint32_t)(outer ? IOPGT_OUTER_SHAREABLE : IOPGT_INNER_SHAREABLE);
}

/*
 * As permissions are compared: without CLEAN, with NO_TRACK where it means
 * something; who alone has access alone executes.
 */
static inline uint32_t plain_prot(const struct fixture *f, uint32_t prot)
{
	prot &= ~(uint32_t)IOPGT_CLEAN;
	if (f->config.dirty == IOPGT_DIRTY_NONE)
		prot &= ~(uint32_t)IOPGT_NO_TRACK;
	if (prot & PRIV && prot & XP)
		prot = (prot & ~(uint32_t)XP) | X;
	return prot;
}

/* Whether translate gives back exactly this kind for all of a range. */
static inline void expect_kind(struct fixture *f, const struct iopgt_mapping *want)
{
	for (uint64_t at = 0; at < want->size; at += granule(f)) {
		struct iopgt_translation got;

		expect(IOPGT_OK, iopgt_translate(f->table, want->iova + at, &got));
		assert_int_equal(got.phys, want->phys + at);
		assert_int_equal(plain_prot(f, got.prot), plain_prot(f, want->prot));
		assert_int_equal(got.memory, want->memory);
		assert_int_equal(got.attributes, given_back(f, want->memory, want->attributes));
	}
}

struct kind_run {
	struct fixture *f;
	const struct iopgt_mapping *want;
	uint64_t seen;
};

static inline int note_kind_run(void *context, const struct iopgt_mapping *run)
{
	struct kind_run *all = context;

	assert_int_equal(run->phys - run->iova, all->want->phys - all->want->iova);
	assert_int_equal(plain_prot(all->f, run->prot), plain_prot(all->f, all->want->prot));
	assert_int_equal(run->memory, all->want->memory);
	assert_int_equal(run->attributes,
	                 given_back(all->f, all->want->memory, all->want->attributes));
	all->seen += run->size;
	return 0;
}

/* The same by for_each_mapping. */
static inline void expect_kind_of_runs(struct fixture *f, const struct iopgt_mapping *want)
{
	struct kind_run all = {f, want, 0};
	const struct iopgt_mapping_visitor visitor = {note_kind_run, &all};
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_for_each_mapping(f->table, want->iova, want->size, &visitor, &op));
	assert_int_equal(all.seen, want->size);
}

#endif
