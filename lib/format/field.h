/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fields of registers and of structures of several 64-bit words, as the
 * specifications name them: highest bit, lowest bit. Pure.
 */
#ifndef IOPGT_FORMAT_FIELD_H
#define IOPGT_FORMAT_FIELD_H

#include <stdbool.h>
#include <stdint.h>

#include "format/assert.h"

#define FIELD_MASK(high, low) ((UINT64_MAX >> (63 - (high) + (low))) << (low))

/*
 * Sets bits high:low, which are zero. Bit n is bit n % 64 of word n / 64; no
 * field crosses words.
 */
static inline void field_put(uint64_t *words, unsigned high, unsigned low, uint64_t value)
{
	uint64_t most = UINT64_MAX >> (63 - (high - low));

	IOPGT_ASSERT(high / 64 == low / 64 && value <= most);
	words[low / 64] |= (value & most) << (low % 64);
}

/* Sets one bit, or leaves it zero. */
static inline void field_put_bit(uint64_t *words, unsigned bit, bool value)
{
	if (value)
		words[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static inline unsigned field_get(uint64_t word, unsigned high, unsigned low)
{
	return (unsigned)((word & FIELD_MASK(high, low)) >> low);
}

/* Of several words, numbered as for field_put. */
static inline unsigned field_of(const uint64_t *words, unsigned high, unsigned low)
{
	return field_get(words[low / 64], high % 64, low % 64);
}

static inline bool field_bit(const uint64_t *words, unsigned bit)
{
	return words[bit / 64] >> (bit % 64) & 1;
}

#endif
