/* SPDX-License-Identifier: BSD-2-Clause */
/* Masks of 64 leaves, without calls into a compiler's run-time library. */
#ifndef IOPGT_CORE_BITS_H
#define IOPGT_CORE_BITS_H

#include <stdbool.h>
#include <stdint.h>

/* Ones in bits 0 to count - 1; count: 1 to 64. */
static inline uint64_t bits_low(uint32_t count)
{
	/* It believes that a run of entries may be empty: cursor_run gives one at least. */
	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
	return ~UINT64_C(0) >> (64 - count);
}

/* mask is not 0. On 32-bit hosts the 64-bit built-ins would be calls. */
static inline uint32_t bits_lowest(uint64_t mask)
{
#if UINTPTR_MAX > 0xffffffff
	return (uint32_t)__builtin_ctzll(mask);
#else
	return (uint32_t)mask ? (uint32_t)__builtin_ctz((uint32_t)mask)
	                      : 32 + (uint32_t)__builtin_ctz((uint32_t)(mask >> 32));
#endif
}

static inline uint32_t bits_highest(uint64_t mask)
{
#if UINTPTR_MAX > 0xffffffff
	return 63 - (uint32_t)__builtin_clzll(mask);
#else
	return mask >> 32 ? 63 - (uint32_t)__builtin_clz((uint32_t)(mask >> 32))
	                  : 31 - (uint32_t)__builtin_clz((uint32_t)mask);
#endif
}

/* GCC calls __popcountdi2 where it may not use vector registers; this does not. */
static inline uint32_t bits_count(uint64_t mask)
{
	mask -= mask >> 1 & UINT64_C(0x5555555555555555);
	mask = (mask & UINT64_C(0x3333333333333333)) + (mask >> 2 & UINT64_C(0x3333333333333333));
	mask = (mask + (mask >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	return (uint32_t)(mask * UINT64_C(0x0101010101010101) >> 56);
}

/* Takes the lowest run of ones from *mask, which is not 0. */
static inline void bits_take_run(uint64_t *mask, uint32_t *first, uint32_t *count)
{
	uint64_t above;

	*first = bits_lowest(*mask);
	above = ~(*mask >> *first);
	*count = above ? bits_lowest(above) : 64;
	*mask &= ~(bits_low(*count) << *first);
}

#endif
