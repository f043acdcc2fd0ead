/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/bitmap.h"

#include "core/bits.h"

int iopgt_bitmap_check(const struct iopgt_table *table, const struct iopgt_bitmap *bitmap,
                       const struct iopgt_range *range)
{
	uint64_t unit;

	if (!bitmap || !bitmap->words || (uintptr_t)bitmap->words % sizeof(uint64_t) ||
	    bitmap->page_shift > 63)
		return IOPGT_BAD_BITMAP;
	unit = UINT64_C(1) << bitmap->page_shift;
	if (unit > geometry_granule(&table->geometry))
		unit = geometry_granule(&table->geometry);
	if (bitmap->base & (unit - 1) || bitmap->base > range->first)
		return IOPGT_BAD_BITMAP;
	return bitmap_bit(bitmap, range->last) < bitmap->bits ? IOPGT_OK : IOPGT_BAD_BITMAP;
}

/* The part of word `word` that bits first to last take. */
static uint64_t word_mask(uint64_t word, uint64_t first, uint64_t last)
{
	uint64_t low = word == first / 64 ? first % 64 : 0;
	uint64_t high = word == last / 64 ? last % 64 : 63;

	return bits_low((uint32_t)(high - low + 1)) << low;
}

void iopgt_bitmap_mark(const struct iopgt_bitmap *bitmap, uint64_t first, uint64_t last)
{
	first = bitmap_bit(bitmap, first);
	last = bitmap_bit(bitmap, last);
	for (uint64_t word = first / 64; word <= last / 64; word++)
		bitmap_or_word(bitmap, word, word_mask(word, first, last));
}

bool iopgt_bitmap_given(const struct iopgt_bitmap *bitmap, uint64_t first, uint64_t last)
{
	first = bitmap_bit(bitmap, first);
	last = bitmap_bit(bitmap, last);
	for (uint64_t word = first / 64; word <= last / 64; word++) {
		uint64_t mask = word_mask(word, first, last);

		if ((live_load((live_descriptor *)&bitmap->words[word]) & mask) != mask)
			return false;
	}
	return true;
}

void iopgt_bitmap_mark_pages(const struct iopgt_bitmap *bitmap, uint64_t iova, unsigned shift,
                             uint64_t mask)
{
	if (mask && bitmap->page_shift == shift) {
		bitmap_or_mask(bitmap, bitmap_bit(bitmap, iova), mask);
		return;
	}
	while (mask) {
		uint32_t first, count;

		bits_take_run(&mask, &first, &count);
		iopgt_bitmap_mark(bitmap, iova + ((uint64_t)first << shift),
		                  iova + ((uint64_t)(first + count) << shift) - 1);
	}
}

uint64_t iopgt_bitmap_given_pages(const struct iopgt_bitmap *bitmap, uint64_t iova, unsigned shift,
                                  uint64_t mask)
{
	uint64_t given = 0;

	for (; mask; mask &= mask - 1) {
		uint32_t i = bits_lowest(mask);
		uint64_t first = iova + ((uint64_t)i << shift);

		if (iopgt_bitmap_given(bitmap, first, first + (UINT64_C(1) << shift) - 1))
			given |= UINT64_C(1) << i;
	}
	return given;
}
