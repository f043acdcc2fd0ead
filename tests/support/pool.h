/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Simulated physical memory for tables. A physical address is phys_base plus
 * the offset in one arena, which is touched only where it is used.
 *
 * Thread-safe. pool_virt, pool_word and pool_mark_walked take no lock. Misuse
 * (double free, wrong size, unknown address) aborts with a message.
 */
#ifndef TEST_POOL_H
#define TEST_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "random.h"

#define POOL_LINE    UINT64_C(64)                 /* bytes: cache line, smallest allocation */
#define POOL_GARBAGE UINT64_C(0xa5a5a5a5a5a5a5a7) /* fresh memory; valid as a descriptor */
#define POOL_POISON  UINT64_C(0xdeaddeaddeaddeaf) /* freed memory */

enum pool_flag {
	/*
	 * A second image holds what a non-coherent walker reads. It changes only by
	 * pool_clean and pool_evict_random; fresh memory is garbage in it, even if
	 * it was asked for as zero.
	 */
	POOL_NON_COHERENT = 1 << 0,
};

struct pool;

/* `bytes` and `phys_base` are multiples of 64. Aborts if there is no memory. */
struct pool *pool_create(size_t bytes, uint64_t phys_base, uint32_t flags);
void pool_destroy(struct pool *pool);

/*
 * Memory aligned to its size in physical space. `bytes` is a power of two; less
 * than 64 counts as 64. Zero, or else full of POOL_GARBAGE. Null when the arena
 * is full. Freed memory is reused late, so that stale use is noticed.
 */
void *pool_alloc(struct pool *pool, size_t bytes, bool zero, uint64_t *phys);

/* `phys` and `bytes` as they were in pool_alloc. Fills with POOL_POISON. */
void pool_free(struct pool *pool, uint64_t phys, size_t bytes);

/* Null unless all of `phys` to phys + bytes - 1 lies in one live allocation. */
void *pool_virt(const struct pool *pool, uint64_t phys, size_t bytes);

/* The physical address of an address in the arena; aborts elsewhere. */
uint64_t pool_phys(const struct pool *pool, const void *virt);

/*
 * The word at `phys` (a multiple of 8) as a walker sees it: in the shadow image
 * if `shadow`, else live. Null unless in a live allocation. Little-endian.
 */
_Atomic uint64_t *pool_word(const struct pool *pool, uint64_t phys, bool shadow);

/* A walker has read from the live allocation at `phys`; forgotten when it is freed. */
void pool_mark_walked(struct pool *pool, uint64_t phys);
bool pool_was_walked(const struct pool *pool, uint64_t phys);

size_t pool_in_use(const struct pool *pool);       /* live allocations */
size_t pool_bytes_in_use(const struct pool *pool); /* bytes in them */

/* virtual - physical, may wrap: for IOPGT_HAL_LINEAR */
uintptr_t pool_linear_offset(const struct pool *pool);

/* POOL_NON_COHERENT: live bytes to the shadow image, by whole lines. Else nothing. */
void pool_clean(struct pool *pool, const void *virt, size_t bytes);

/*
 * Writes some line back, as a cache may at any time. Nothing if coherent. It
 * reads live memory: to be called by the thread that fills tables, if by plain stores.
 */
void pool_evict_random(struct pool *pool, struct random *random);

/* Descriptors are little-endian in memory on every host: both directions. */
static inline uint64_t pool_little_endian(uint64_t word)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	uint64_t swapped = 0;

	for (unsigned byte = 0; byte < 8; byte++)
		swapped |= (word >> (8 * byte) & 0xff) << (56 - 8 * byte);
	return swapped;
#else
	return word;
#endif
}

#endif
