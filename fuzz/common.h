/* SPDX-License-Identifier: BSD-2-Clause */
/* What the fuzz targets share: to fail, configurations, the walker that fits one. */
#ifndef FUZZ_COMMON_H
#define FUZZ_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <iopgt/iopgt.h>

#include "source.h"
#include "walker.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BIT(n)       (UINT64_C(1) << (n))

/* Prints what was to hold and two numbers that tell more, and ends the run. */
void fuzz_fail(const char *file, int line, const char *text, uint64_t a, uint64_t b)
	__attribute__((noreturn));

/* Is printed as well; null: nothing more. */
void fuzz_describe(const struct iopgt_config *config);

#define require_of(condition, a, b)                                                                \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fuzz_fail(__FILE__, __LINE__, #condition, (uint64_t)(a), (uint64_t)(b));   \
	} while (0)
#define require(condition) require_of(condition, 0, 0)

/* A function's result: one of those that its comment names. */
#define require_result(error, ...)                                                                 \
	do {                                                                                       \
		static const int allowed_[] = {__VA_ARGS__};                                       \
		if (!fuzz_is_among(error, allowed_, COUNT(allowed_)))                              \
			fuzz_fail(__FILE__, __LINE__, iopgt_strerror(error), (uint64_t) - (error), \
			          0);                                                              \
	} while (0)

bool fuzz_is_among(int error, const int *allowed, size_t count);

static inline bool fuzz_is_stage2(const struct iopgt_config *config)
{
	return config->regime == IOPGT_STAGE2 || config->regime == IOPGT_STAGE2_AARCH32;
}

static inline bool fuzz_is_aarch32(const struct iopgt_config *config)
{
	return config->regime == IOPGT_STAGE1_AARCH32 || config->regime == IOPGT_STAGE2_AARCH32;
}

/* The input space, inclusive. */
static inline uint64_t fuzz_first(const struct iopgt_config *config)
{
	return config->flags & IOPGT_CONFIG_TTBR1 ? UINT64_MAX << config->input_bits : 0;
}

static inline uint64_t fuzz_last(const struct iopgt_config *config)
{
	return fuzz_first(config) | (BIT(config->input_bits) - 1);
}

static inline uint64_t fuzz_granule(const struct iopgt_config *config)
{
	return BIT(config->granule_shift);
}

/* Any number, but often one near a power of two, or near the end. */
uint64_t fuzz_number(struct source *source);

/* An address of the input space, often near its ends. */
uint64_t fuzz_address(struct source *source, const struct iopgt_config *config);

/* A range in the input space: whole granules, small ones more often. */
struct fuzz_range {
	uint64_t iova, size;
};

struct fuzz_range fuzz_choose_range(struct source *source, const struct iopgt_config *config);

/* A legal configuration, by config.h. */
void fuzz_choose_config(struct source *source, struct iopgt_config *config);

/* Of a walker without caches and chances. HA and HD are not set. */
struct walker_config fuzz_walker(const struct iopgt_config *config, struct pool *pool,
                                 uint64_t root);

#endif
