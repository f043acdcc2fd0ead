/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What two threads share that nothing orders: a host that takes no lock, and writes new
 * table memory by plain stores.
 */
#ifndef TEST_MUTANTS_THREADS_H
#define TEST_MUTANTS_THREADS_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <iopgt/iopgt.h>

#define ROUNDS  200
#define BLOCK   (UINT64_C(1) << 21)
#define GRANULE UINT64_C(4096)
#define FIRST   (8 * BLOCK)
#define MEMORY  ((4 * ROUNDS + 16) * GRANULE)

struct pair {
	struct iopgt_hal hal;
	struct iopgt_domain domain;
	struct iopgt_walker walker; /* in the domain */
	struct iopgt_table *table;  /* the domain's */
	unsigned char *memory;
	_Atomic uint64_t used;
	_Atomic unsigned linked; /* tables; rounds that the first thread has done */
	/* What the second one does in a round, beside the page or block of the first. */
	int (*beside)(struct pair *pair, uint64_t iova);
	bool splits;     /* the first one splits a block, else it maps a page */
	uint64_t stride; /* from the block of one round to that of the next; 0: BLOCK */
	bool notes;      /* it clears the access flag of that page, too */
	_Atomic int errors;
};

/* --- The host --- */

static inline void *alloc_table(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys)
{
	struct pair *pair = context;
	uint64_t at = atomic_fetch_add_explicit(&pair->used, bytes, memory_order_relaxed);

	if (at + bytes > MEMORY)
		return NULL;
	memset(pair->memory + at, flags & IOPGT_ALLOC_ZERO ? 0 : 0x54, bytes);
	*phys = (uintptr_t)(pair->memory + at);
	return pair->memory + at;
}

static inline void free_table(void *context, void *table, uint64_t phys, uint32_t bytes)
{
	(void)context;
	(void)table;
	(void)phys;
	(void)bytes;
}

static inline void *phys_to_virt(void *context, uint64_t phys, uint32_t bytes)
{
	(void)context;
	(void)bytes;
	return (void *)(uintptr_t)phys;
}

static inline int invalidate_range(void *context, const struct iopgt_invalidation *request)
{
	(void)context;
	(void)request;
	return IOPGT_OK;
}

static inline int succeed(void *context)
{
	(void)context;
	return IOPGT_OK;
}

static inline struct iopgt_op new_op(void)
{
	return (struct iopgt_op){.flags = IOPGT_OP_MAY_BREAK};
}

static inline int map_pages(struct pair *pair, uint64_t iova, uint64_t size, uint32_t prot)
{
	const struct iopgt_mapping mapping = {
		.iova = iova, .phys = iova, .size = size, .prot = prot, .memory = IOPGT_WRITE_BACK};
	struct iopgt_op op = new_op();
	int error = iopgt_map(pair->table, &mapping, &op);

	return error ? error : iopgt_op_finish(&op);
}

/* --- Rounds --- */

static inline uint64_t block_of(const struct pair *pair, unsigned round)
{
	return FIRST + round * (pair->stride ? pair->stride : BLOCK);
}

static inline struct pair *new_host(void)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	assert_non_null(pair);
	pair->table = &pair->domain.table;
	pair->memory = aligned_alloc(GRANULE, MEMORY);
	assert_non_null(pair->memory);
	pair->hal = (struct iopgt_hal){
		.flags = IOPGT_HAL_LINEAR,
		.alloc_table = alloc_table,
		.free_table = free_table,
		.phys_to_virt = phys_to_virt, /* where the host is not IOPGT_HAL_LINEAR */
		.tlb = {.invalidate_range = invalidate_range,
	                .invalidate_all = succeed,
	                .sync = succeed},
	};
	return pair;
}

static inline struct iopgt_config config_of(uint8_t bbm_level, uint64_t leaf_sizes)
{
	return (struct iopgt_config){
		.regime = IOPGT_STAGE1_EL1,
		.granule_shift = 12,
		.input_bits = 39,
		.output_bits = 48,
		.bbm_level = bbm_level,
		.dirty = IOPGT_DIRTY_HARDWARE,
		.leaf_sizes = leaf_sizes,
	};
}

static inline void free_pair(struct pair *pair)
{
	assert_int_equal(iopgt_fini(pair->table), IOPGT_OK);
	free(pair->memory);
	free(pair);
}

#endif
