/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The caller's dirty bits. Words are little-endian in memory on every host.
 * Bits are only ever set, and atomically: neighbouring ranges share words.
 */
#ifndef IOPGT_CORE_BITMAP_H
#define IOPGT_CORE_BITMAP_H

#include "core/table.h"

/* IOPGT_OK or IOPGT_BAD_BITMAP: well-formed, and covers the range. */
int iopgt_bitmap_check(const struct iopgt_table *table, const struct iopgt_bitmap *bitmap,
                       const struct iopgt_range *range);

/* Sets the bits of all pages that overlap [first, last]. */
void iopgt_bitmap_mark(const struct iopgt_bitmap *bitmap, uint64_t first, uint64_t last);

/* Whether the bits of all pages that overlap [first, last] are set. */
bool iopgt_bitmap_given(const struct iopgt_bitmap *bitmap, uint64_t first, uint64_t last);

/*
 * The same for up to 64 pages of 2^shift bytes, the first of them at iova: marks
 * those in `mask`; gives those in `mask` whose bits are all set.
 */
void iopgt_bitmap_mark_pages(const struct iopgt_bitmap *bitmap, uint64_t iova, unsigned shift,
                             uint64_t mask);
uint64_t iopgt_bitmap_given_pages(const struct iopgt_bitmap *bitmap, uint64_t iova, unsigned shift,
                                  uint64_t mask);

/* The bit for an address. */
static inline uint64_t bitmap_bit(const struct iopgt_bitmap *bitmap, uint64_t iova)
{
	return (iova - bitmap->base) >> bitmap->page_shift;
}

static inline void bitmap_or_word(const struct iopgt_bitmap *bitmap, uint64_t word, uint64_t mask)
{
	live_set((live_descriptor *)&bitmap->words[word], mask);
}

/* Or-s a mask, not 0, in from bit `bit` on. No bit of the mask lies past the bitmap's end. */
static inline void bitmap_or_mask(const struct iopgt_bitmap *bitmap, uint64_t bit, uint64_t mask)
{
	unsigned shift = bit % 64;

	if (mask << shift)
		bitmap_or_word(bitmap, bit / 64, mask << shift);
	if (shift && mask >> (64 - shift))
		bitmap_or_word(bitmap, bit / 64 + 1, mask >> (64 - shift));
}

#endif
