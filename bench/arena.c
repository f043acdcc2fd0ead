/* SPDX-License-Identifier: BSD-2-Clause */
#include "space.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE UINT64_C(0x200000)

void arena_open(struct arena *arena, uint64_t tables)
{
	uint64_t bytes = tables * TABLE_BYTES, random = RANDOM_SEED;

	bytes = (bytes + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	arena->memory = checked(aligned_alloc(HUGE_PAGE, bytes));
	madvise(arena->memory, bytes, MADV_HUGEPAGE); /* where it can be had */
	memset(arena->memory, 0, bytes);
	arena->free = checked(malloc(tables * sizeof(arena->free[0])));
	arena->count = tables;
	arena->free_count = tables;
	for (uint64_t i = 0; i < tables; i++) {
		uint64_t j = random_below(&random, i + 1);

		arena->free[i] = arena->free[j];
		arena->free[j] = (uint32_t)i;
	}
}

void arena_close(struct arena *arena)
{
	free(arena->memory);
	free(arena->free);
}

/* By no call of memset, which is another one on each machine: its instructions are counted. */
static void set_zero(uint64_t *table)
{
	for (unsigned i = 0; i < TABLE_ENTRIES; i += 8) {
		for (unsigned k = 0; k < 8; k++)
			table[i + k] = 0;
		__asm__ volatile("" : : : "memory");
	}
}

void *arena_take(struct arena *arena, bool zero)
{
	void *table;

	if (arena->free_count == 0)
		return NULL;
	table = arena->memory + (uint64_t)arena->free[--arena->free_count] * TABLE_BYTES;
	if (zero)
		set_zero(table);
	return table;
}

void arena_give(struct arena *arena, void *table)
{
	uint64_t offset = (uint64_t)((unsigned char *)table - arena->memory);

	arena->free[arena->free_count++] = (uint32_t)(offset / TABLE_BYTES);
}

static void *alloc_table(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys)
{
	void *table;

	if (bytes != TABLE_BYTES)
		die_text("a table of another size was asked for");
	table = arena_take(context, flags & IOPGT_ALLOC_ZERO);
	*phys = (uintptr_t)table;
	return table;
}

static void free_table(void *context, void *table, uint64_t phys, uint32_t bytes)
{
	(void)phys;
	(void)bytes;
	arena_give(context, table);
}

static int invalidate_range(void *context, const struct iopgt_invalidation *request)
{
	(void)context;
	(void)request;
	return 0;
}

static int nothing_to_do(void *context)
{
	(void)context;
	return 0;
}

const struct iopgt_hal bench_hal = {
	.flags = IOPGT_HAL_LINEAR,
	.alloc_table = alloc_table,
	.free_table = free_table,
	.tlb = {.invalidate_range = invalidate_range,
                .invalidate_all = nothing_to_do,
                .sync = nothing_to_do,
                .max_ranges = 64},
};

struct iopgt_config bench_config(uint64_t leaf_sizes)
{
	return (struct iopgt_config){
		.regime = IOPGT_STAGE1_EL1,
		.granule_shift = PAGE_SHIFT,
		.input_bits = 48,
		.output_bits = 48,
		.bbm_level = 2,
		.dirty = IOPGT_DIRTY_HARDWARE,
		.leaf_sizes = leaf_sizes,
	};
}
