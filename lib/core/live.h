/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Live descriptors: memory that walkers read and update at any moment. This is
 * the only place that touches it, with match.h, sieve.h and pick.h, which are part of it.
 *
 * A descriptor is little-endian in memory on every host, and is read and
 * written whole. Orders:
 *
 * - live_load_table acquires: the new table that a descriptor links is seen
 *   filled; and what was done to other members before a group was gone. live_load
 *   does not: what follows from a leaf's value is an atomic operation on that same
 *   leaf, which is ordered by coherence.
 * - live_replace and live_exchange release: the content of the table that a new
 *   descriptor links was stored before it.
 * - Clearing a mark is ordered before the invalidation by the HAL's contract
 *   (an invalidation acts after all earlier stores), not here.
 */
#ifndef IOPGT_CORE_LIVE_H
#define IOPGT_CORE_LIVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/assert.h"

typedef _Atomic uint64_t live_descriptor;

/*
 * Called before each access here and in table.h: a step, between two of which other
 * CPUs and walkers may do theirs. For tests/explore, which provide the function.
 */
#ifdef IOPGT_EXPLORE
enum live_step {
	LIVE_LOAD,
	LIVE_STORE,
	LIVE_UPDATE,  /* an atomic read-modify-write that acquires and releases */
	LIVE_COUNTED, /* counters: a load, a store, a relaxed read-modify-write of 32 bits */
	LIVE_NOTE,
	LIVE_COUNT,
	LIVE_FENCE_LOADS, /* no entry */
	LIVE_FENCE_STORES,
};
void iopgt_explore_step(enum live_step step, const volatile void *entry);
#define LIVE_STEP(step, entry) iopgt_explore_step(step, entry)
#else
#define LIVE_STEP(step, entry) ((void)0)
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define LIVE_SWAP(value) __builtin_bswap64(value)
#else
#define LIVE_SWAP(value) (value)
#endif

static inline uint64_t live_load(live_descriptor *entry)
{
	LIVE_STEP(LIVE_LOAD, entry);
	return LIVE_SWAP(atomic_load_explicit(entry, memory_order_relaxed));
}

static inline uint64_t live_load_table(live_descriptor *entry)
{
	LIVE_STEP(LIVE_LOAD, entry);
	return LIVE_SWAP(atomic_load_explicit(entry, memory_order_acquire));
}

/* What is loaded from here on is at least as new as what the loads before showed. */
static inline void live_order_loads(void)
{
	LIVE_STEP(LIVE_FENCE_LOADS, NULL);
	atomic_thread_fence(memory_order_acquire);
}

/*
 * Where no mark can be lost: in memory that no walker reaches, in an entry that
 * is invalid, and to make one invalid whose marks nobody asks for.
 */
static inline void live_store(live_descriptor *entry, uint64_t value)
{
	LIVE_STEP(LIVE_STORE, entry);
	atomic_store_explicit(entry, LIVE_SWAP(value), memory_order_relaxed);
}

/* The same for a run of entries, whose values rise by `step`. */
static inline void live_fill(live_descriptor *entries, uint32_t count, uint64_t value,
                             uint64_t step)
{
	/* Four at a time: two instructions an entry. */
	for (; count >= 4; count -= 4, entries += 4, value += 4 * step) {
		live_store(&entries[0], value);
		live_store(&entries[1], value + step);
		live_store(&entries[2], value + 2 * step);
		live_store(&entries[3], value + 3 * step);
	}
	for (; count; count--, entries++, value += step)
		live_store(entries, value);
}

static inline uint64_t live_exchange(live_descriptor *entry, uint64_t value)
{
	LIVE_STEP(LIVE_UPDATE, entry);
	return LIVE_SWAP(atomic_exchange_explicit(entry, LIVE_SWAP(value), memory_order_acq_rel));
}

/* Returns the value before. */
static inline uint64_t live_set(live_descriptor *entry, uint64_t bits)
{
	LIVE_STEP(LIVE_UPDATE, entry);
	return LIVE_SWAP(atomic_fetch_or_explicit(entry, LIVE_SWAP(bits), memory_order_acq_rel));
}

static inline uint64_t live_clear(live_descriptor *entry, uint64_t bits)
{
	LIVE_STEP(LIVE_UPDATE, entry);
	return LIVE_SWAP(atomic_fetch_and_explicit(entry, LIVE_SWAP(~bits), memory_order_acq_rel));
}

/*
 * Puts `value` where *expected stands. On failure *expected is what stands
 * there instead.
 */
static inline bool live_replace(live_descriptor *entry, uint64_t *expected, uint64_t value)
{
	uint64_t raw = LIVE_SWAP(*expected);
	bool done;

	LIVE_STEP(LIVE_UPDATE, entry);
	done = atomic_compare_exchange_strong_explicit(entry, &raw, LIVE_SWAP(value),
	                                               memory_order_acq_rel, memory_order_acquire);

	*expected = LIVE_SWAP(raw);
	return done;
}

#include "core/fill.h"
#include "core/match.h"
#include "core/pick.h"
#include "core/sieve.h"

/*
 * Bit i of the answer: (entries[i] & mask) == value. count: 1 to 64; 64 of them begin
 * at a multiple of 64 entries of their table. Bit 63 of mask and value is 0. A mark that a
 * walker makes meanwhile is seen or not, as if the load came later or earlier. Two calls
 * look at two instants: what neither finds may have been either.
 */
static inline uint64_t live_match(live_descriptor *entries, uint32_t count, uint64_t mask,
                                  uint64_t value)
{
	uint64_t found = 0;

	IOPGT_ASSERT(count < 64 || (uintptr_t)entries % MATCH_ALIGNMENT == 0);
	if (count == 64)
		return match_64(entries, mask, value, entries, false);
	for (uint32_t i = 0; i < count; i++)
		found |= (uint64_t)((live_load(&entries[i]) & mask) == value) << i;
	return found;
}

/* The same for 64; the 64 at `ahead`, which may be any address, will be wanted soon. */
static inline uint64_t live_match_ahead(live_descriptor *entries, uint64_t mask, uint64_t value,
                                        const live_descriptor *ahead)
{
	IOPGT_ASSERT((uintptr_t)entries % MATCH_ALIGNMENT == 0);
	return match_64(entries, mask, value, ahead, true);
}

/*
 * Whether any of the 64 may match: has `bit`, one of the mask, as the value has it. Half of the
 * work, for where most have not. Each that cannot match is seen by one load that it does not.
 */
static inline bool live_may_match_ahead(live_descriptor *entries, uint64_t bit, uint64_t value,
                                        const live_descriptor *ahead)
{
	IOPGT_ASSERT((uintptr_t)entries % MATCH_ALIGNMENT == 0);
	if (value & bit)
		return (sieve_64(entries, false, ahead) & bit) != 0;
	return (sieve_64(entries, true, ahead) & bit) == 0;
}

/* Numbers that live_pick_ahead takes: what SSE2 packs to bytes that tell (pick.h). */
#define LIVE_PICK_FIRST 7
#define LIVE_PICK_LAST  30
/* Whether it is sooner done than live_match_ahead: descriptors fit into registers. */
#define LIVE_PICK_PAYS (sizeof(uintptr_t) == sizeof(uint64_t))

/*
 * *found: which of the 64 have the bit of that number. True: each has all of `bits`. Both are
 * told from one load of each.
 */
static inline bool live_pick_ahead(live_descriptor *entries, unsigned bit, uint64_t bits,
                                   uint64_t *found, const live_descriptor *ahead)
{
	uint64_t all;

	IOPGT_ASSERT((uintptr_t)entries % MATCH_ALIGNMENT == 0);
	IOPGT_ASSERT(bit >= LIVE_PICK_FIRST && bit <= LIVE_PICK_LAST);
	*found = pick_64(entries, bit, &all, ahead);
	return (all & bits) == bits;
}

/* Whether each of the 64 has all of `bits`. */
static inline bool live_all_have_ahead(live_descriptor *entries, uint64_t bits,
                                       const live_descriptor *ahead)
{
	IOPGT_ASSERT((uintptr_t)entries % MATCH_ALIGNMENT == 0);
	return (sieve_64(entries, true, ahead) & bits) == bits;
}

#endif
