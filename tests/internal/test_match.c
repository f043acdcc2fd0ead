/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * live_match, and what tells less of 64 than it, against plain loops: the variant that this build
 * has. A program of its own, without a test library, so that it runs wherever the library is
 * compiled for.
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

static void fail(const char *what, uint64_t mask, uint64_t value, uint64_t found)
{
	fprintf(stderr, "%s, mask %llx, value %llx: found %llx\n", what, (unsigned long long)mask,
	        (unsigned long long)value, (unsigned long long)found);
	exit(1);
}

/* Which of 64 have one bit, and the same of all of them. */
static void check_picked(live_descriptor *entries, const uint64_t *values, uint64_t bits,
                         uint64_t all)
{
	static const live_descriptor elsewhere[64];
	unsigned bit =
		LIVE_PICK_FIRST + (unsigned)(random64() % (LIVE_PICK_LAST - LIVE_PICK_FIRST + 1));
	uint64_t mask = UINT64_C(1) << bit, found;

	if (live_pick_ahead(entries, bit, bits, &found, elsewhere) != ((all & bits) == bits))
		fail("picked, all have", bits, bits, all);
	if (found != plain_match(values, 64, mask, mask))
		fail("picked", mask, mask, found);
}

/* Whether any of 64 has `bit` as the value has it, and whether all have all of these bits. */
static void check_joined(live_descriptor *entries, const uint64_t *values, uint64_t bit,
                         uint64_t bits)
{
	static const live_descriptor elsewhere[64];
	uint64_t any = 0, all = UINT64_MAX;

	for (uint32_t i = 0; i < 64; i++) {
		any |= values[i];
		all &= values[i];
	}
	if (live_may_match_ahead(entries, bit, UINT64_MAX, elsewhere) != ((any & bit) != 0))
		fail("may match a set bit", bit, UINT64_MAX, any);
	if (live_may_match_ahead(entries, bit, 0, elsewhere) != ((all & bit) == 0))
		fail("may match a clear bit", bit, 0, all);
	if (live_all_have_ahead(entries, bits, elsewhere) != ((all & bits) == bits))
		fail("all have", bits, bits, all);
	check_picked(entries, values, bits, all);
}

/* All alike but for one bit of one of them. */
static void check_one_differs(live_descriptor *entries)
{
	uint64_t alike = random64(), bit = UINT64_C(1) << random64() % 64;
	uint64_t at = random64() % 64, values[64];

	for (uint32_t i = 0; i < 64; i++) {
		values[i] = i == at ? alike ^ bit : alike;
		live_store(&entries[i], values[i]);
	}
	check_joined(entries, values, bit, alike);
	check_joined(entries, values, bit, alike | bit);
	check_joined(entries, values, UINT64_C(1) << random64() % 64, alike & ~bit);
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
	if (found != expected)
		fail("match", mask, value, found);
	if (count == 64)
		check_joined(entries, values, UINT64_C(1) << random64() % 64, random64());
}

int main(void)
{
	live_descriptor *entries = aligned_alloc(64, 128 * sizeof(*entries));

	if (!entries)
		return 1;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		check(entries + 64 * (i % 2), 64);
		check_one_differs(entries + 64 * (i % 2));
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
