/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory.h"

#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define POISONS
#endif
#endif

static void poison(const void *memory, size_t bytes)
{
#ifdef POISONS
	ASAN_POISON_MEMORY_REGION(memory, bytes);
#else
	(void)memory;
	(void)bytes;
#endif
}

static void unpoison(const void *memory, size_t bytes)
{
#ifdef POISONS
	ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
#else
	(void)memory;
	(void)bytes;
#endif
}

static unsigned char *slot_virt(const struct memory *memory, unsigned i)
{
	return memory->slots + (size_t)2 * memory->granule * i;
}

uint64_t memory_slot_phys(const struct memory *memory, unsigned i)
{
	return memory->slots_phys + (uint64_t)2 * memory->granule * i;
}

static void open_slot(struct memory *memory, unsigned i)
{
	memory->slot[i].open = true;
	unpoison(slot_virt(memory, i), memory->slot[i].bytes);
}

void *memory_take(struct memory *memory, uint32_t bytes, uint64_t *phys)
{
	for (unsigned i = 0; i < MEMORY_SLOTS; i++) {
		if (memory->slot[i].state != SLOT_FREE)
			continue;
		memory->slot[i].state = SLOT_USED;
		memory->slot[i].bytes = bytes;
		open_slot(memory, i);
		*phys = memory_slot_phys(memory, i);
		return slot_virt(memory, i);
	}
	return NULL;
}

/* Counts down to the one call that fails. */
static bool fails(struct memory *memory)
{
	return memory->fail_after && --memory->fail_after == 0;
}

static void *alloc_table(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys)
{
	struct memory *memory = context;
	void *table;

	require(!memory->read_only);
	if (memory->builds) {
		require(bytes == memory->root_bytes);
		memory->builds = false;
		memset(memory->root, 0, bytes);
		*phys = memory->root_phys;
		return memory->root;
	}
	require_of(bytes <= memory->granule && bytes >= 64, bytes, 0);
	require_of(!(flags & ~(uint32_t)(IOPGT_ALLOC_ZERO | IOPGT_ALLOC_ATOMIC)), flags, 0);
	table = fails(memory) ? NULL : memory_take(memory, bytes, phys);
	if (table)
		memset(table, flags & IOPGT_ALLOC_ZERO ? 0 : 0xa7, bytes);
	return table;
}

static void free_table(void *context, void *table, uint64_t phys, uint32_t bytes)
{
	struct memory *memory = context;
	uint64_t i = (phys - memory->slots_phys) / (2 * memory->granule);

	require(!memory->read_only);
	if (phys == memory->root_phys) {
		require(table == memory->root && bytes == memory->root_bytes);
		memory->root_phys = 1; /* it is nobody's any more */
		return;
	}
	require_of(phys >= memory->slots_phys && i < MEMORY_SLOTS, phys, 0);
	require_of(memory->slot[i].state == SLOT_USED, phys, 0);
	require(memory_slot_phys(memory, (unsigned)i) == phys);
	require(slot_virt(memory, (unsigned)i) == table && memory->slot[i].bytes == bytes);
	unpoison(table, bytes);
	memset(table, 0xdf, bytes); /* valid, for who still walks it */
	poison(table, bytes);
	memory->slot[i].state = SLOT_FREE;
	memory->slot[i].open = false;
}

static void *phys_to_virt(void *context, uint64_t phys, uint32_t bytes)
{
	struct memory *memory = context;
	uint64_t i = (phys - memory->slots_phys) / (2 * memory->granule);

	memory->lookups++;
	/* Concatenated start tables are as large as several others. */
	if (phys >= memory->root_phys && phys - memory->root_phys < memory->root_bytes &&
	    bytes <= memory->root_bytes && phys % bytes == 0)
		return memory->root + (phys - memory->root_phys);
	if (phys < memory->slots_phys || i >= MEMORY_SLOTS ||
	    memory_slot_phys(memory, (unsigned)i) != phys || memory->slot[i].state != SLOT_USED ||
	    memory->slot[i].bytes != bytes)
		return NULL;
	open_slot(memory, (unsigned)i);
	return slot_virt(memory, (unsigned)i);
}

static void clean(void *context, const void *address, uint32_t bytes)
{
	const volatile unsigned char *byte = address;
	struct memory *memory = context;

	require(!memory->read_only && bytes);
	/* Is it all memory of one table? */
	(void)byte[0];
	(void)byte[bytes - 1];
}

static int invalidate_range(void *context, const struct iopgt_invalidation *request)
{
	struct memory *memory = context;

	require(!memory->read_only);
	require_of(request->size && !((request->iova | request->size) & (memory->granule - 1)),
	           request->iova, request->size);
	require_of(request->iova + (request->size - 1) >= request->iova, request->iova,
	           request->size);
	return fails(memory) ? MEMORY_ERROR : 0;
}

static int invalidate_all(void *context)
{
	struct memory *memory = context;

	require(!memory->read_only);
	return fails(memory) ? MEMORY_ERROR : 0;
}

/* A reader's IOPGT_OP_SYNC comes by here, too. */
static int wait_for_all(void *context)
{
	return fails(context) ? MEMORY_ERROR : 0;
}

/*
 * Pools are kept from run to run, since to fill one takes longer than a run; what is in a
 * slot that is not used means nothing. At the end of the output space: links may go
 * just past it.
 */
static void find_pool(struct memory *memory, const struct iopgt_config *config)
{
	static struct {
		struct pool *pool;
		uint64_t slots_phys, root_phys;
	} pools[3][53];
	unsigned size = (config->granule_shift - 12u) / 2, bits = config->output_bits;
	size_t slots = (size_t)64 * 2 * memory->granule;
	struct pool *pool = pools[size][bits].pool;

	if (!pool) {
		pool = pool_create(2 * slots, BIT(bits) - 2 * slots, 0);
		require(pool_alloc(pool, slots, true, &pools[size][bits].slots_phys));
		require(pool_alloc(pool, slots / 4, true, &pools[size][bits].root_phys));
		pools[size][bits].pool = pool;
	}
	memory->pool = pool;
	memory->slots_phys = pools[size][bits].slots_phys;
	memory->root_phys = pools[size][bits].root_phys;
	memory->slots = pool_virt(pool, memory->slots_phys, slots);
	memory->root = pool_virt(pool, memory->root_phys, slots / 4);
}

void memory_init(struct memory *memory, const struct iopgt_config *config, uint32_t root_bytes)
{
	*memory = (struct memory){.granule = (uint32_t)fuzz_granule(config),
	                          .root_bytes = root_bytes};
	memory->hal = (struct iopgt_hal){
		.alloc_table = alloc_table,
		.free_table = free_table,
		.phys_to_virt = phys_to_virt,
		.clean = clean,
		.tlb = {.invalidate_range = invalidate_range,
	                .invalidate_all = invalidate_all,
	                .sync = wait_for_all},
	};
	find_pool(memory, config);
	memory_open(memory);
	memset(memory->root, 0, root_bytes);
}

void memory_fini(struct memory *memory)
{
	memory_open(memory);
}

static size_t slots_bytes(const struct memory *memory)
{
	return (size_t)2 * memory->granule * MEMORY_SLOTS;
}

void memory_shut(struct memory *memory)
{
	memory->lookups = 0;
	if (memory->open) {
		poison(memory->slots, slots_bytes(memory));
		poison(memory->root + memory->root_bytes, memory->root_bytes);
	}
	for (unsigned i = 0; i < MEMORY_SLOTS; i++) {
		if (memory->slot[i].open && !memory->open)
			poison(slot_virt(memory, i), memory->slot[i].bytes);
		memory->slot[i].open = false;
	}
	memory->open = false;
}

void memory_open(struct memory *memory)
{
	unpoison(memory->slots, slots_bytes(memory));
	unpoison(memory->root, (size_t)2 * memory->root_bytes);
	memory->open = true;
}

bool memory_has(const struct memory *memory, uint64_t phys)
{
	uint64_t offset = phys - memory->slots_phys, i = offset / (2 * memory->granule);

	/* A link may lead to the start table, but to no smaller one. */
	if (phys >= memory->root_phys && phys - memory->root_phys < memory->root_bytes)
		return memory->root_bytes >= memory->granule;
	return phys >= memory->slots_phys && i < MEMORY_SLOTS &&
	       memory->slot[i].state == SLOT_USED &&
	       offset - i * 2 * memory->granule < memory->slot[i].bytes;
}

unsigned memory_used(const struct memory *memory)
{
	unsigned used = 0;

	for (unsigned i = 0; i < MEMORY_SLOTS; i++)
		used += memory->slot[i].state == SLOT_USED;
	return used;
}
