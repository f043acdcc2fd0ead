/* SPDX-License-Identifier: BSD-2-Clause */
#include "yardstick.h"

#include "space.h"

#if defined(__x86_64__)
#define WIDE(name)      __attribute__((target(name)))
#define WITHOUT_VECTORS __attribute__((target("general-regs-only")))
#else
#define WIDE(name)
#define WITHOUT_VECTORS
#endif

/*
 * Written by macro, since vectors that are inlined into a function of another
 * target have already been cut into that of the first. Four lines in flight; sums
 * that do not wait for each other. Prefetches as far as the second-level cache let more lines
 * be on their way than the first level has room for misses: a third less from memory.
 */
#define DEFINE_READ(function, bytes, target)                                                       \
	target static uint64_t function(uint64_t *const *tables, uint64_t count,                   \
	                                const uint64_t *after)                                     \
	{                                                                                          \
		typedef uint64_t vector __attribute__((vector_size(bytes), may_alias));            \
		const uint64_t lanes = (bytes) / 8;                                                \
		vector a = {0}, b = {0}, c = {0}, d = {0};                                         \
		uint64_t sum = 0;                                                                  \
                                                                                                   \
		for (uint64_t t = 0; t < count; t++) {                                             \
			const vector *v = (const void *)tables[t];                                 \
			const char *next = (const char *)(t + 1 < count ? tables[t + 1] : after);  \
                                                                                                   \
			for (uint64_t i = 0; i < TABLE_BYTES / (bytes); i += 4) {                  \
				for (uint64_t k = 0; k < 4 * (bytes); k += 64)                     \
					__builtin_prefetch(next + i * (bytes) + k, 0, 2);          \
				a += v[i];                                                         \
				b += v[i + 1];                                                     \
				c += v[i + 2];                                                     \
				d += v[i + 3];                                                     \
			}                                                                          \
		}                                                                                  \
		a += b + c + d;                                                                    \
		for (uint64_t i = 0; i < lanes; i++)                                               \
			sum += a[i];                                                               \
		return sum;                                                                        \
	}

#define DEFINE_WRITE(function, bytes, target)                                                      \
	target static void function(uint64_t *const *tables, uint64_t count, uint64_t first,       \
	                            uint64_t step)                                                 \
	{                                                                                          \
		typedef uint64_t vector __attribute__((vector_size(bytes), may_alias));            \
		const uint64_t lanes = (bytes) / 8;                                                \
		vector value = {0};                                                                \
                                                                                                   \
		for (uint64_t i = 0; i < lanes; i++)                                               \
			value[i] = first + i * step;                                               \
		for (uint64_t t = 0; t < count; t++) {                                             \
			vector *v = (void *)tables[t];                                             \
                                                                                                   \
			for (uint64_t i = 0; i < TABLE_BYTES / (bytes); i++) {                     \
				v[i] = value;                                                      \
				value += lanes * step;                                             \
			}                                                                          \
		}                                                                                  \
	}

#if defined(__x86_64__)
DEFINE_READ(read_avx512, 64, WIDE("avx512f"))
DEFINE_WRITE(write_avx512, 64, WIDE("avx512f"))
DEFINE_READ(read_avx2, 32, WIDE("avx2"))
DEFINE_WRITE(write_avx2, 32, WIDE("avx2"))
#endif
DEFINE_READ(read_16, 16, )
DEFINE_WRITE(write_16, 16, )

static const struct yardstick widths[] = {
	{128, read_16, write_16},
#if defined(__x86_64__)
	{256, read_avx2, write_avx2},
	{512, read_avx512, write_avx512},
#endif
};

const struct yardstick *yardsticks(unsigned *count)
{
	*count = 1;
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2"))
		*count = __builtin_cpu_supports("avx512f") ? 3 : 2;
#endif
	return widths;
}

const struct yardstick *yardstick(void)
{
	unsigned count;
	const struct yardstick *all = yardsticks(&count);

	return &all[count - 1];
}

/* Table by table, so that a table is in the cache when its pages are cleaned. */
uint64_t yardstick_clear(uint64_t *const *tables, uint64_t count, const uint64_t *pages,
                         uint64_t bits)
{
	const struct yardstick *wide = yardstick();
	uint64_t sum = 0;

	for (uint64_t t = 0; t < count; t++) {
		const uint64_t *words = pages + t * (TABLE_ENTRIES / 64);

		sum += wide->read(tables + t, 1, t + 1 < count ? tables[t + 1] : tables[t]);
		for (unsigned w = 0; w < TABLE_ENTRIES / 64; w++) {
			for (uint64_t word = words[w]; word; word &= word - 1)
				__atomic_fetch_or(
					&tables[t][64 * w + (unsigned)__builtin_ctzll(word)], bits,
					__ATOMIC_RELAXED);
		}
	}
	return sum;
}

WITHOUT_VECTORS void yardstick_plain(uint64_t *const *tables, uint64_t count, uint64_t *words,
                                     const uint64_t mask_value[2])
{
	uint64_t mask = mask_value[0], value = mask_value[1];

	for (uint64_t t = 0; t < count; t++) {
		for (unsigned w = 0; w < TABLE_ENTRIES / 64; w++) {
			uint64_t found = 0;

			for (unsigned i = 0; i < 64; i++)
				found |= (uint64_t)((tables[t][64 * w + i] & mask) == value) << i;
			if (found)
				*words |= found;
			words++;
		}
	}
}

uint64_t opaque_zero(void)
{
	static volatile uint64_t zero;

	return zero;
}

uint64_t yardstick_walks(const uint64_t *root, const uint64_t *addresses, uint64_t count)
{
	uint64_t zero = opaque_zero(), before = 0, sum = 0;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t iova = addresses[i] | (before & zero);
		const uint64_t *table = root;

		for (unsigned shift = 39; shift > PAGE_SHIFT; shift -= 9)
			table = (const uint64_t *)(uintptr_t)(table[iova >> shift & 511] &
			                                      DESCRIPTOR_ADDRESS);
		before = table[iova >> PAGE_SHIFT & 511];
		sum += before;
	}
	return sum;
}
