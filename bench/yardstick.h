/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine's own limits: what no walk over these tables can undercut.
 */
#ifndef BENCH_YARDSTICK_H
#define BENCH_YARDSTICK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* By the widest vectors that this machine has; lists of tables of 4 KiB. */
struct yardstick {
	unsigned bits; /* of a vector */
	/* Reads all of each, the lines of the next one prefetched; of `after` in the end. */
	uint64_t (*read)(uint64_t *const *tables, uint64_t count, const uint64_t *after);
	/* Writes `first`, first + step ... through all of them. */
	void (*write)(uint64_t *const *tables, uint64_t count, uint64_t first, uint64_t step);
};

const struct yardstick *yardstick(void);
/* All that this machine has, the widest in the end. */
const struct yardstick *yardsticks(unsigned *count);

/* The read, and one atomic or of `bits` for each bit that is set in `pages`. */
uint64_t yardstick_clear(uint64_t *const *tables, uint64_t count, const uint64_t *pages,
                         uint64_t bits);

/*
 * A scan for dirty pages by hand-written code for vectors of 128 or 512 bits, into a bitmap;
 * null where there is none.
 */
typedef void yardstick_scan_function(uint64_t *const *tables, uint64_t count, uint64_t *words);
yardstick_scan_function *yardstick_scan(unsigned bits);

/*
 * A plain loop without vectors: sets the bit of each descriptor d with (d & mask) == value.
 * What the library's scan without vectors is not to be slower than.
 */
void yardstick_plain(uint64_t *const *tables, uint64_t count, uint64_t *words,
                     const uint64_t mask_value[2]);

/*
 * Four dependent loads an address, each address known only when the one before it
 * is through. Gives the last descriptors' sum.
 */
uint64_t yardstick_walks(const uint64_t *root, const uint64_t *addresses, uint64_t count);

/* Zero, unknown to the compiler: x & opaque_zero() depends on x. */
uint64_t opaque_zero(void);

#endif
