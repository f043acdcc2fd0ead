/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Filling tables that no walker and no other CPU reaches yet: plain stores, by vectors
 * where match.h has them. What they wrote is published with the table. For live.h alone.
 */
#ifndef IOPGT_CORE_FILL_H
#define IOPGT_CORE_FILL_H

#include "core/live.h"
#include "core/match.h"

#ifndef MATCH_SCALAR
typedef uint64_t fill_pair __attribute__((vector_size(16), may_alias));

/* `count`: a multiple of 8; `entries` at one of 16 bytes. */
static inline void fill_eights(live_descriptor *entries, uint32_t count, uint64_t value,
                               uint64_t step)
{
	fill_pair *pairs = (void *)entries;
	fill_pair *end = pairs + count / 2;
	fill_pair pair = {2 * step, 2 * step}, eight = 4 * pair;
	fill_pair a = {value, value + step}, b = a + pair, c = b + pair, d = c + pair;

	for (; pairs < end; pairs += 4) {
		pairs[0] = a;
		pairs[1] = b;
		pairs[2] = c;
		pairs[3] = d;
		a += eight;
		b += eight;
		c += eight;
		d += eight;
	}
}
#endif

/* live_fill for such a table. */
static inline void live_fill_new(live_descriptor *entries, uint32_t count, uint64_t value,
                                 uint64_t step)
{
	uint32_t eights = 0;

#ifndef MATCH_SCALAR
	if ((uintptr_t)entries % sizeof(fill_pair) == 0) {
		eights = count & ~UINT32_C(7);
		fill_eights(entries, eights, value, step);
	}
#endif
	live_fill(entries + eights, count - eights, value + eights * step, step);
}

#endif
