/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 64 live descriptors to one mask word: which of them have, in the bits of a mask, the
 * bits of a value. For live.h alone. Chosen when it is compiled: SSE2, NEON, or what a
 * build without vector registers (-mgeneral-regs-only) and sanitizers need.
 *
 * Walkers write meanwhile, each descriptor by one atomic operation. Each is read once
 * and whole, by vectors too:
 *
 * - AArch64: a 128-bit read of a SIMD register, aligned to 64 bits, is treated as a pair
 *   of single-copy atomic 64-bit reads (Arm ARM B2.2.1).
 * - x86-64: an aligned 64-bit read is atomic (Intel SDM 3A 9.1.1, AMD APM 2 7.3.2). A
 *   128-bit one is too where there is AVX; older processors make it of 64-bit reads.
 *
 * While 64 are read, what comes later may be fetched, a line with each eight of them: spread
 * out, and no nearer than the second-level cache, more lines are on their way at once than
 * the first level has room for misses. A prefetch never faults.
 *
 * The vectors are volatile, so that the compiler makes each one access. What one read
 * misses the next scan finds, as with any other load. <arm_neon.h> is the compiler's own,
 * as <stdint.h> is.
 */
#ifndef IOPGT_CORE_MATCH_H
#define IOPGT_CORE_MATCH_H

#include "core/live.h"

#if defined(__SANITIZE_THREAD__)
#define MATCH_ATOMICS
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MATCH_ATOMICS
#endif
#endif

#if defined(MATCH_ATOMICS) || defined(IOPGT_MATCH_SCALAR) || defined(IOPGT_EXPLORE)
#define MATCH_SCALAR
#elif defined(__x86_64__) && defined(__SSE2__)
#define MATCH_SSE2
#elif defined(__aarch64__) && defined(__ARM_NEON) && defined(__AARCH64EL__)
#define MATCH_NEON
#include <arm_neon.h>
#else
#define MATCH_SCALAR
#endif

#define MATCH_ALIGNMENT 16 /* bytes; all table memory has it */

/*
 * What match_64, sieve_64 and pick_64 fetch of `ahead` with each eight, if `fetches`, which is
 * known when it is compiled. The asm is no instruction: it keeps the compiler from moving all of
 * them to one place. No function: GCC 12 drops calls of one that does nothing else.
 */
#define MATCH_FETCH(first)                                                                         \
	do {                                                                                       \
		if (fetches) {                                                                     \
			__asm__ volatile("" : "+r"(ahead));                                        \
			__builtin_prefetch((const void *)&ahead[first], 0, 2);                     \
		}                                                                                  \
	} while (0)

#ifdef MATCH_SSE2
typedef int32_t match_i32 __attribute__((vector_size(16), may_alias));
typedef int16_t match_i16 __attribute__((vector_size(16), may_alias));
typedef char match_i8 __attribute__((vector_size(16), may_alias));
typedef int64_t match_i64 __attribute__((vector_size(16), may_alias));

/* Four descriptors, each -2 if it matches, else -1 or 0. There is no 64-bit comparison. */
static inline match_i32 match_4(const volatile match_i32 *pairs, match_i32 mask, match_i32 value)
{
	static const match_i16 ones = {1, 1, 1, 1, 1, 1, 1, 1};
	match_i32 low = (pairs[0] & mask) == value;
	match_i32 high = (pairs[1] & mask) == value;

	return __builtin_ia32_pmaddwd128(__builtin_ia32_packssdw128(low, high), ones);
}

static inline uint64_t match_16(live_descriptor *entries, uint64_t mask, uint64_t value)
{
	static const match_i8 both = {-2, -2, -2, -2, -2, -2, -2, -2,
	                              -2, -2, -2, -2, -2, -2, -2, -2};
	const volatile match_i32 *pairs = (const volatile void *)entries;
	match_i32 masks = (match_i32)(match_i64){(int64_t)mask, (int64_t)mask};
	match_i32 values = (match_i32)(match_i64){(int64_t)value, (int64_t)value};
	match_i32 a = match_4(pairs, masks, values), b = match_4(pairs + 2, masks, values);
	match_i32 c = match_4(pairs + 4, masks, values), d = match_4(pairs + 6, masks, values);
	match_i8 all = (match_i8)__builtin_ia32_packsswb128(__builtin_ia32_packssdw128(a, b),
	                                                    __builtin_ia32_packssdw128(c, d));

	return (uint32_t)__builtin_ia32_pmovmskb128((match_i8)(all == both));
}

static inline uint64_t match_64(live_descriptor *entries, uint64_t mask, uint64_t value,
                                const live_descriptor *ahead, bool fetches)
{
	uint64_t found;

	MATCH_FETCH(0);
	MATCH_FETCH(8);
	found = match_16(entries, mask, value);
	MATCH_FETCH(16);
	MATCH_FETCH(24);
	found |= match_16(entries + 16, mask, value) << 16;
	MATCH_FETCH(32);
	MATCH_FETCH(40);
	found |= match_16(entries + 32, mask, value) << 32;
	MATCH_FETCH(48);
	MATCH_FETCH(56);
	return found | match_16(entries + 48, mask, value) << 48;
}
#endif

#ifdef MATCH_NEON
/* 16 of ones or zeros, as bytes: of the ones, the bit of each place. */
static inline uint8x16_t match_places(uint32x4_t a, uint32x4_t b, uint32x4_t c, uint32x4_t d)
{
	static const uint8_t places[16] = {1, 2, 4, 8, 16, 32, 64, 128,
	                                   1, 2, 4, 8, 16, 32, 64, 128};
	uint16x8_t low = vuzp1q_u16(vreinterpretq_u16_u32(a), vreinterpretq_u16_u32(b));
	uint16x8_t high = vuzp1q_u16(vreinterpretq_u16_u32(c), vreinterpretq_u16_u32(d));

	return vandq_u8(vuzp1q_u8(vreinterpretq_u8_u16(low), vreinterpretq_u8_u16(high)),
	                vld1q_u8(places));
}

/* Four of those to one word. */
static inline uint64_t match_word(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d)
{
	uint8x16_t sums = vpaddq_u8(vpaddq_u8(a, b), vpaddq_u8(c, d));

	return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(sums, sums)), 0);
}

/* Four descriptors: all ones, where they match. */
static inline uint32x4_t match_4(const volatile uint64x2_t *pairs, uint64x2_t mask,
                                 uint64x2_t value)
{
	uint64x2_t low = vceqq_u64(vandq_u64(pairs[0], mask), value);
	uint64x2_t high = vceqq_u64(vandq_u64(pairs[1], mask), value);

	return vuzp1q_u32(vreinterpretq_u32_u64(low), vreinterpretq_u32_u64(high));
}

static inline uint8x16_t match_16(const volatile uint64x2_t *pairs, uint64x2_t mask,
                                  uint64x2_t value)
{
	return match_places(match_4(pairs, mask, value), match_4(pairs + 2, mask, value),
	                    match_4(pairs + 4, mask, value), match_4(pairs + 6, mask, value));
}

static inline uint64_t match_64(live_descriptor *entries, uint64_t mask, uint64_t value,
                                const live_descriptor *ahead, bool fetches)
{
	const volatile uint64x2_t *pairs = (const volatile void *)entries;
	uint64x2_t masks = vdupq_n_u64(mask);
	uint64x2_t values = vdupq_n_u64(value);
	uint8x16_t a, b, c, d;

	MATCH_FETCH(0);
	MATCH_FETCH(8);
	a = match_16(pairs, masks, values);
	MATCH_FETCH(16);
	MATCH_FETCH(24);
	b = match_16(pairs + 8, masks, values);
	MATCH_FETCH(32);
	MATCH_FETCH(40);
	c = match_16(pairs + 16, masks, values);
	MATCH_FETCH(48);
	MATCH_FETCH(56);
	d = match_16(pairs + 24, masks, values);
	return match_word(a, b, c, d);
}
#endif

#ifdef MATCH_SCALAR
/* Bit 63 of the mask is 0: only 0 - 1 has it set. */
#define MATCH_BIT(entry)                                                                           \
	(LIVE_STEP(LIVE_LOAD, entry),                                                              \
	 (((LIVE_SWAP(atomic_load_explicit(entry, memory_order_relaxed)) ^ value) & mask) - 1) >>  \
	         63)

static inline uint64_t match_64(live_descriptor *entries, uint64_t mask, uint64_t value,
                                const live_descriptor *ahead, bool fetches)
{
	uint64_t found = 0;

	for (uint32_t i = 0; i < 64; i += 8) {
		/* From the last to the first: a shift and a sum are one instruction. */
		uint64_t eight;

		MATCH_FETCH(i);
		eight = MATCH_BIT(&entries[i + 7]);
		eight = 2 * eight + MATCH_BIT(&entries[i + 6]);
		eight = 2 * eight + MATCH_BIT(&entries[i + 5]);
		eight = 2 * eight + MATCH_BIT(&entries[i + 4]);
		eight = 2 * eight + MATCH_BIT(&entries[i + 3]);
		eight = 2 * eight + MATCH_BIT(&entries[i + 2]);
		eight = 2 * eight + MATCH_BIT(&entries[i + 1]);
		eight = 2 * eight + MATCH_BIT(&entries[i]);
		found |= eight << i;
	}
	return found;
}
#undef MATCH_BIT
#endif

#endif
