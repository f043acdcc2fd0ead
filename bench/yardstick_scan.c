/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scans by hand-written vector code that know these descriptors and nothing else: what a
 * scan that compares each can reach with vectors of a width, where the streaming read asks for
 * none of the comparing and packing.
 */
#include "space.h"
#include "yardstick.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define MASK  (DESCRIPTOR_WRITABLE | DESCRIPTOR_AP2)
#define VALUE DESCRIPTOR_WRITABLE

/* Four descriptors to four lanes of all ones or zero: their halves joined, then compared. */
static inline __m128i four(const uint64_t *entries)
{
	const __m128i low = _mm_set1_epi32((int)(uint32_t)MASK);
	const __m128i high = _mm_set1_epi32((int)(uint32_t)(MASK >> 32));
	const __m128i both = _mm_set1_epi32((int)(uint32_t)(VALUE | VALUE >> 32));
	__m128 a = _mm_load_ps((const float *)(const void *)entries);
	__m128 b = _mm_load_ps((const float *)(const void *)(entries + 2));
	__m128i l = _mm_and_si128(_mm_castps_si128(_mm_shuffle_ps(a, b, 0x88)), low);
	__m128i h = _mm_and_si128(_mm_castps_si128(_mm_shuffle_ps(a, b, 0xDD)), high);

	return _mm_cmpeq_epi32(_mm_or_si128(l, h), both);
}

/* The halves have no bit in common, so that they can be joined. */
_Static_assert(((MASK >> 32) & (uint32_t)MASK) == 0, "joined halves");

static inline uint64_t sixteen(const uint64_t *entries)
{
	__m128i a = _mm_packs_epi32(four(entries), four(entries + 4));
	__m128i b = _mm_packs_epi32(four(entries + 8), four(entries + 12));

	return (uint64_t)(unsigned)_mm_movemask_epi8(_mm_packs_epi16(a, b));
}

/* The same, while as many at `next` are fetched: spread out, more are on their way at once. */
static inline uint64_t sixteen_ahead(const uint64_t *entries, const uint64_t *next)
{
	__builtin_prefetch(next, 0, 2);
	__builtin_prefetch(next + 8, 0, 2);
	return sixteen(entries);
}

static void scan_128(uint64_t *const *tables, uint64_t count, uint64_t *words)
{
	for (uint64_t t = 0; t < count; t++) {
		const uint64_t *next = tables[t + 1 < count ? t + 1 : t];

		for (unsigned i = 0; i < TABLE_ENTRIES; i += 64, words++) {
			uint64_t found = 0;

			for (unsigned k = 0; k < 64; k += 16)
				found |= sixteen_ahead(tables[t] + i + k, next + i + k) << k;
			if (found)
				*words |= found;
		}
	}
}

__attribute__((target("avx512f"))) static void scan_512(uint64_t *const *tables, uint64_t count,
                                                        uint64_t *words)
{
	const __m512i mask = _mm512_set1_epi64((long long)MASK);
	const __m512i value = _mm512_set1_epi64((long long)VALUE);

	for (uint64_t t = 0; t < count; t++) {
		const uint64_t *next = tables[t + 1 < count ? t + 1 : t];

		for (unsigned i = 0; i < TABLE_ENTRIES; i += 64, words++) {
			uint64_t found = 0;

			for (unsigned k = 0; k < 64; k += 8) {
				__m512i d = _mm512_load_si512(tables[t] + i + k);

				__builtin_prefetch(next + i + k, 0, 2);
				d = _mm512_and_si512(d, mask);
				found |= (uint64_t)_mm512_cmpeq_epi64_mask(d, value) << k;
			}
			if (found)
				*words |= found;
		}
	}
}

yardstick_scan_function *yardstick_scan(unsigned bits)
{
	if (bits == 128)
		return scan_128;
	return bits == 512 && __builtin_cpu_supports("avx512f") ? scan_512 : NULL;
}
#else
yardstick_scan_function *yardstick_scan(unsigned bits)
{
	(void)bits;
	return NULL;
}
#endif
