/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a random stream takes its choices from: a seeded generator, or bytes
 * from a fuzzer. Every string of bytes means something; behind its end there
 * are only zeros, which stand for the plainest choice.
 */
#ifndef TEST_SOURCE_H
#define TEST_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "random.h"

struct source {
	const uint8_t *data; /* null: choices come from `random` */
	size_t left;         /* bytes at data */
	struct random random;
};

static inline bool source_empty(const struct source *source)
{
	return source->data && source->left == 0;
}

/* A number of so many bytes. */
static inline uint64_t source_take(struct source *source, unsigned bytes)
{
	uint64_t number = 0;

	if (!source->data)
		return random_next(&source->random) >> (64 - 8 * bytes);
	for (unsigned byte = 0; byte < bytes && source->left; byte++, source->left--)
		number |= (uint64_t)*source->data++ << (8 * byte);
	return number;
}

/* A number from 0 to bound - 1; 0 when bound is 0 or 1. */
static inline uint64_t source_below(struct source *source, uint64_t bound)
{
	if (bound <= 1)
		return 0;
	if (bound <= 0x100)
		return source_take(source, 1) % bound;
	return source_take(source, bound <= 0x10000 ? 2 : 6) % bound;
}

/* True once in so many times: never when 0, always when 1. */
static inline bool source_chance(struct source *source, unsigned one_in)
{
	return one_in && source_below(source, one_in) == one_in - 1;
}

#endif
