/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A HAL whose table memory can be touched only where, and while, the HAL has
 * handed it out: of a pool every second slot is a table, and all is poisoned for
 * the address sanitizer but the start table and what phys_to_virt or alloc_table
 * gave in the call that runs.
 */
#ifndef FUZZ_MEMORY_H
#define FUZZ_MEMORY_H

#include <iopgt/hal.h>

#include "common.h"
#include "pool.h"

#define MEMORY_SLOTS 48
#define MEMORY_ERROR (-55) /* of a callback that was made to fail */

enum memory_state {
	SLOT_FREE,
	SLOT_USED,
};

struct memory {
	struct iopgt_hal hal; /* the context is the struct memory */
	struct pool *pool;
	uint32_t granule, root_bytes;
	uint64_t slots_phys, root_phys;
	unsigned char *slots, *root;
	struct {
		enum memory_state state;
		uint32_t bytes;
		bool open; /* not poisoned */
	} slot[MEMORY_SLOTS];
	uint64_t lookups;    /* of phys_to_virt, since memory_shut */
	unsigned fail_after; /* calls until one fails; 0: none does */
	bool read_only;      /* alloc, free and invalidations must not be called */
	bool builds;         /* the next table is the start table */
	bool open;           /* nothing is poisoned */
};

/* root_bytes: of the start table. All memory is open. */
void memory_init(struct memory *memory, const struct iopgt_config *config, uint32_t root_bytes);
void memory_fini(struct memory *memory);

/* A slot becomes table memory; null: none is free. Not filled. */
void *memory_take(struct memory *memory, uint32_t bytes, uint64_t *phys);

/* The table in slot i; the word at a physical address of a table. */
uint64_t memory_slot_phys(const struct memory *memory, unsigned i);

/* Before each call, poisons all but the start table. Before one looks by oneself, opens all. */
void memory_shut(struct memory *memory);
void memory_open(struct memory *memory);

/* Whether a word lies in a table of a granule that phys_to_virt gives. */
bool memory_has(const struct memory *memory, uint64_t phys);

unsigned memory_used(const struct memory *memory); /* slots */

#endif
