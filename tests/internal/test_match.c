/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * live_match against a plain loop: the variant that this build has. A program of its own,
 * without a test library, so that it runs wherever the library is compiled for.
 */
#include "core/live.h"

#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 200000

static uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t random64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Descriptors, masks and values that match often, and differ in single bits. */
static uint64_t some_bits(void)
{
	switch (random64() % 4) {
	case 0:
		return UINT64_C(1) << random64() % 63;
	case 1:
		return random64() & random64() & random64();
	case 2:
		return random64() >> 1;
	default:
		return UINT64_C(0x0008000000000083);
	}
}

static uint64_t plain_match(const uint64_t *values, uint32_t count, uint64_t mask, uint64_t value)
{
	uint64_t found = 0;

	for (uint32_t i = 0; i < count; i++)
		found |= (uint64_t)((values[i] & mask) == value) << i;
	return found;
}

static void check(live_descriptor *entries, uint32_t count)
{
	uint64_t values[64];
	uint64_t mask = some_bits() & ~(UINT64_C(1) << 63);
	uint64_t value = random64() % 8 ? random64() & mask : mask;
	uint64_t found, expected;

	for (uint32_t i = 0; i < count; i++) {
		values[i] = random64();
		if (random64() % 3)
			values[i] = (values[i] & ~mask) | value;
		if (random64() % 4 == 0)
			values[i] ^= UINT64_C(1) << random64() % 64;
		live_store(&entries[i], values[i]);
	}
	expected = plain_match(values, count, mask, value);
	found = live_match(entries, count, mask, value);
	if (found == expected)
		return;
	fprintf(stderr, "count %u, mask %llx, value %llx: found %llx, not %llx\n", (unsigned)count,
	        (unsigned long long)mask, (unsigned long long)value, (unsigned long long)found,
	        (unsigned long long)expected);
	exit(1);
}

int main(void)
{
	live_descriptor *entries = aligned_alloc(64, 128 * sizeof(*entries));

	if (!entries)
		return 1;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		check(entries + 64 * (i % 2), 64);
		if (i % 16 == 0) {
			uint32_t count = 1 + (uint32_t)(random64() % 63);

			check(entries + random64() % 64, count);
		}
	}
	free((void *)entries);
#if defined(MATCH_SSE2)
	puts("live_match by SSE2: as a plain loop");
#elif defined(MATCH_NEON)
	puts("live_match by NEON: as a plain loop");
#else
	puts("live_match by scalars: as a plain loop");
#endif
	return 0;
}
