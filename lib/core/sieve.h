/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 64 live descriptors joined by and, or by or: what bits all of them have, or any of them. Half of
 * the instructions that it takes to tell which do. For live.h alone; what match.h says about
 * reading while walkers write, and about fetching ahead, holds here too.
 */
#ifndef IOPGT_CORE_SIEVE_H
#define IOPGT_CORE_SIEVE_H

#include "core/match.h"

/* Descriptors joined, in the byte order of memory: by and, if `all`; else by or. */
#ifdef MATCH_SCALAR
typedef uint64_t sieve_part;

static inline sieve_part sieve_join_1(live_descriptor *entry, sieve_part part, bool all)
{
	uint64_t raw;

	LIVE_STEP(LIVE_LOAD, entry);
	raw = atomic_load_explicit(entry, memory_order_relaxed);
	return all ? part & raw : part | raw;
}

/*
 * In full, since the compiler would make it a loop. The asm, no instruction, has it join them here:
 * else it keeps all that was loaded until the end.
 */
static inline sieve_part sieve_join_8(live_descriptor *entries, sieve_part part, bool all)
{
	part = sieve_join_1(&entries[0], part, all);
	part = sieve_join_1(&entries[1], part, all);
	part = sieve_join_1(&entries[2], part, all);
	part = sieve_join_1(&entries[3], part, all);
	part = sieve_join_1(&entries[4], part, all);
	part = sieve_join_1(&entries[5], part, all);
	part = sieve_join_1(&entries[6], part, all);
	part = sieve_join_1(&entries[7], part, all);
	__asm__("" : "+r"(part));
	return part;
}

static inline uint64_t sieve_one(sieve_part part, bool all)
{
	(void)all;
	return part;
}
#else
typedef uint64_t sieve_part __attribute__((vector_size(16), may_alias));

/* Not volatile, so that what is in memory may be an operand. It is used once, here. */
static inline sieve_part sieve_join_8(live_descriptor *entries, sieve_part part, bool all)
{
	const sieve_part *pairs = (const void *)entries;

	return all ? (part & pairs[0] & pairs[1]) & (pairs[2] & pairs[3])
	           : (part | pairs[0] | pairs[1]) | (pairs[2] | pairs[3]);
}

static inline uint64_t sieve_one(sieve_part part, bool all)
{
	return all ? part[0] & part[1] : part[0] | part[1];
}
#endif

static inline sieve_part sieve_join(sieve_part a, sieve_part b, bool all)
{
	return all ? a & b : a | b;
}

/* The barrier keeps loads where they stand, between the fetches. */
#define SIEVE_JOIN_8(part, first)                                                                  \
	do {                                                                                       \
		__asm__ volatile("" : : : "memory");                                               \
		MATCH_FETCH(first);                                                                \
		(part) = sieve_join_8(entries + (first), part, all);                               \
	} while (0)

/* 64 joined. Those at `ahead` are fetched meanwhile. */
static inline __attribute__((always_inline)) uint64_t sieve_64(live_descriptor *entries, bool all,
                                                               const live_descriptor *ahead)
{
	const bool fetches = true;
	const sieve_part none = all ? ~(sieve_part){0} : (sieve_part){0};
	sieve_part a = none, b = none, c = none, d = none;

	SIEVE_JOIN_8(a, 0);
	SIEVE_JOIN_8(b, 8);
	SIEVE_JOIN_8(c, 16);
	SIEVE_JOIN_8(d, 24);
	SIEVE_JOIN_8(a, 32);
	SIEVE_JOIN_8(b, 40);
	SIEVE_JOIN_8(c, 48);
	SIEVE_JOIN_8(d, 56);
	a = sieve_join(sieve_join(a, b, all), sieve_join(c, d, all), all);
	return LIVE_SWAP(sieve_one(a, all));
}
#undef SIEVE_JOIN_8

#endif
