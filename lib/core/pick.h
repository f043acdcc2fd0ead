/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One bit of each of 64 live descriptors, and what bits all of them have. Where the pages of a
 * table are alike but for their marks, that is all of a match, for fewer instructions. For live.h
 * alone; what match.h says about reading while walkers write, and about fetching ahead, holds
 * here too.
 *
 * Both are told from the same read of each. The asm is no instruction: it has the compiler deal
 * with them where they are read, rather than keep all until it is known what all of them have.
 */
#ifndef IOPGT_CORE_PICK_H
#define IOPGT_CORE_PICK_H

#include "core/match.h"

#ifdef MATCH_SSE2
typedef float pick_f32 __attribute__((vector_size(16), may_alias));

/* The low halves of four descriptors, of which `bits` are kept. */
static inline match_i32 pick_4(const volatile match_i32 *pairs, match_i32 bits, match_i32 *joined)
{
	match_i32 a = pairs[0], b = pairs[1];

	*joined &= a;
	__asm__("" : "+x"(*joined));
	*joined &= b;
	__asm__("" : "+x"(*joined));
	return (match_i32)__builtin_ia32_shufps((pick_f32)a, (pick_f32)b, 0x88) & bits;
}

/* Each is 0 or one bit of 7 to 30: packed to 8 bits, 0 or 128 to 255, of which bit 7 tells. */
static inline uint64_t pick_16(live_descriptor *entries, match_i32 bits, match_i32 *joined)
{
	const volatile match_i32 *pairs = (const volatile void *)entries;
	match_i32 a = pick_4(pairs, bits, joined), b = pick_4(pairs + 2, bits, joined);
	match_i32 c = pick_4(pairs + 4, bits, joined), d = pick_4(pairs + 6, bits, joined);
	uint32_t found = (uint32_t)__builtin_ia32_pmovmskb128((match_i8)__builtin_ia32_packuswb128(
		__builtin_ia32_packssdw128(a, b), __builtin_ia32_packssdw128(c, d)));

	__asm__ volatile("" : "+r"(found), "+x"(*joined));
	return found;
}

static inline uint64_t pick_64(live_descriptor *entries, unsigned bit, uint64_t *all,
                               const live_descriptor *ahead)
{
	const bool fetches = true;
	const int32_t one = (int32_t)1 << bit;
	const match_i32 bits = {one, one, one, one};
	match_i32 joined = {-1, -1, -1, -1};
	match_i64 halves;
	uint64_t found;

	MATCH_FETCH(0);
	MATCH_FETCH(8);
	found = pick_16(entries, bits, &joined);
	MATCH_FETCH(16);
	MATCH_FETCH(24);
	found |= pick_16(entries + 16, bits, &joined) << 16;
	MATCH_FETCH(32);
	MATCH_FETCH(40);
	found |= pick_16(entries + 32, bits, &joined) << 32;
	MATCH_FETCH(48);
	MATCH_FETCH(56);
	found |= pick_16(entries + 48, bits, &joined) << 48;
	halves = (match_i64)joined;
	*all = (uint64_t)(halves[0] & halves[1]);
	return found;
}
#endif

#ifdef MATCH_NEON
/* Four descriptors: all ones, where the bit is set. */
static inline uint32x4_t pick_4(const volatile uint64x2_t *pairs, uint32x4_t bits,
                                uint64x2_t *joined)
{
	uint64x2_t a = pairs[0], b = pairs[1];

	*joined = vandq_u64(vandq_u64(*joined, a), b);
	return vtstq_u32(vuzp1q_u32(vreinterpretq_u32_u64(a), vreinterpretq_u32_u64(b)), bits);
}

static inline uint8x16_t pick_16(const volatile uint64x2_t *pairs, uint32x4_t bits,
                                 uint64x2_t *joined)
{
	uint32x4_t a = pick_4(pairs, bits, joined), b = pick_4(pairs + 2, bits, joined);
	uint32x4_t c = pick_4(pairs + 4, bits, joined), d = pick_4(pairs + 6, bits, joined);
	uint8x16_t found = match_places(a, b, c, d);

	__asm__ volatile("" : "+w"(found), "+w"(*joined));
	return found;
}

static inline uint64_t pick_64(live_descriptor *entries, unsigned bit, uint64_t *all,
                               const live_descriptor *ahead)
{
	const bool fetches = true;
	const volatile uint64x2_t *pairs = (const volatile void *)entries;
	uint32x4_t bits = vdupq_n_u32(UINT32_C(1) << bit);
	uint64x2_t joined = vdupq_n_u64(UINT64_MAX);
	uint8x16_t a, b, c, d;

	MATCH_FETCH(0);
	MATCH_FETCH(8);
	a = pick_16(pairs, bits, &joined);
	MATCH_FETCH(16);
	MATCH_FETCH(24);
	b = pick_16(pairs + 8, bits, &joined);
	MATCH_FETCH(32);
	MATCH_FETCH(40);
	c = pick_16(pairs + 16, bits, &joined);
	MATCH_FETCH(48);
	MATCH_FETCH(56);
	d = pick_16(pairs + 24, bits, &joined);
	*all = vgetq_lane_u64(joined, 0) & vgetq_lane_u64(joined, 1);
	return match_word(a, b, c, d);
}
#endif

#ifdef MATCH_SCALAR
static inline uint64_t pick_1(live_descriptor *entry, uint64_t mask, uint64_t *joined)
{
	uint64_t d = live_load(entry);

	*joined &= d;
	__asm__("" : "+r"(*joined));
	return d & mask;
}

static inline uint64_t pick_64(live_descriptor *entries, unsigned bit, uint64_t *all,
                               const live_descriptor *ahead)
{
	const bool fetches = true;
	const uint64_t mask = UINT64_C(1) << bit;
	uint64_t joined = UINT64_MAX, found = 0;

	for (uint32_t i = 0; i < 64; i += 8) {
		/* From the last to the first: a shift and a sum are one instruction. */
		uint64_t eight;

		MATCH_FETCH(i);
		eight = pick_1(&entries[i + 7], mask, &joined);
		eight = 2 * eight + pick_1(&entries[i + 6], mask, &joined);
		eight = 2 * eight + pick_1(&entries[i + 5], mask, &joined);
		eight = 2 * eight + pick_1(&entries[i + 4], mask, &joined);
		eight = 2 * eight + pick_1(&entries[i + 3], mask, &joined);
		eight = 2 * eight + pick_1(&entries[i + 2], mask, &joined);
		eight = 2 * eight + pick_1(&entries[i + 1], mask, &joined);
		eight = 2 * eight + pick_1(&entries[i], mask, &joined);
		found |= eight >> bit << i;
	}
	*all = joined;
	return found;
}
#endif

#endif
