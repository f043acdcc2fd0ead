/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts the descriptors that a call reads or writes, each once. The library is the one
 * of tests/explore, in which each access of table memory is a step.
 */
#ifndef BOUNDS_TOUCHED_H
#define BOUNDS_TOUCHED_H

#include "fixture.h"

#define LEVELS 5 /* the most there are: -1 to 3 */

/* From here on; what lies in the table's own structure is no descriptor. */
void touched_begin(const struct fixture *f);

/* How many there were since. */
uint64_t touched_end(void);

/* The same, each as often as it was read or written. */
uint64_t touched_steps(void);

/* --- Bounds, from the sizes that the architecture has, not from the library's --- */

/* Descriptors of one table. */
static inline uint64_t table_entries(const struct fixture *f)
{
	return granule(f) / 8;
}

/* Of one contiguous group at most. */
static inline uint64_t most_of_a_group(const struct fixture *f)
{
	return group_size(f, 3) / granule(f) > 32 ? 128 : 32;
}

/* What one address may touch: one a level, and a group. */
static inline uint64_t most_of_an_address(const struct fixture *f)
{
	return LEVELS + most_of_a_group(f);
}

/* At each level those of which the range covers a part. */
static inline uint64_t entries_in(const struct fixture *f, uint64_t iova, uint64_t size)
{
	uint64_t count = LEVELS;

	/* At level -1 no range here has more than one. */
	for (int level = 0; level <= 3; level++)
		count += (iova + size - 1) / level_size(f, level) - iova / level_size(f, level);
	return count;
}

/* The same with what blocks and groups at the two ends have beyond it. */
static inline uint64_t most_of_a_range(const struct fixture *f, uint64_t iova, uint64_t size)
{
	return entries_in(f, iova, size) + 2 * (2 * table_entries(f) + most_of_a_group(f));
}

#endif
