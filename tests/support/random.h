/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small seeded generator (splitmix64). The seed is printed, so that a failed
 * run can be had again: IOPGT_SEED=0x... in the environment.
 */
#ifndef TEST_RANDOM_H
#define TEST_RANDOM_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct random {
	uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
	uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* A number from 0 to bound - 1; 0 when bound is 0. The slight bias does not matter here. */
static inline uint64_t random_below(struct random *random, uint64_t bound)
{
	uint64_t number = random_next(random);

	return bound ? number % bound : 0;
}

/* True once in `one_in` calls; never when it is 0, always when it is 1. */
static inline bool random_chance(struct random *random, uint64_t one_in)
{
	return one_in && random_below(random, one_in) == 0;
}

/* The seed in environment variable `name`, else `fallback`; printed to stderr. */
static inline uint64_t seed_from_environment(const char *name, uint64_t fallback)
{
	const char *text = getenv(name);
	uint64_t seed = text ? strtoull(text, NULL, 0) : fallback;

	fprintf(stderr, "%s=0x%" PRIx64 "\n", name, seed);
	return seed;
}

#endif
