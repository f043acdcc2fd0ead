/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PRECOPY_COMPARE_H
#define PRECOPY_COMPARE_H

#include "precopy.h"

/* The bit of a page. Bitmaps are little-endian: on every host, bytes are taken in order. */
static inline bool bitmap_bit(const struct iopgt_bitmap *bitmap, uint64_t page)
{
	return ((const uint8_t *)bitmap->words)[page / 8] >> page % 8 & 1;
}

/*
 * Compares guest memory with the copy, byte by byte and by hash, and the files
 * in the copy with what was read from them: fills in precopy->verdict.
 *
 * Context: devices have stopped.
 */
void compare(struct precopy *precopy);

#endif
