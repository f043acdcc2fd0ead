/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The textbook walker that the library is measured against: recursive, one entry
 * at a time, the geometry computed for each, as kernels do it.
 */
#ifndef BENCH_BASELINE_H
#define BENCH_BASELINE_H

#include "space.h"

struct baseline {
	struct arena *arena; /* where tables come from, and go */
	uint64_t *root;
	unsigned granule_shift, start_level, bits_per_level;
};

/* A range that is to be invalidated: what was changed so far, if it joins. */
struct baseline_flush {
	uint64_t first, last, page_bytes;
	uint64_t flushes;
	bool pending;
};

/* Where dirty leaves go. */
struct baseline_log {
	uint64_t *words; /* may be null */
	uint64_t base, bits;
	unsigned page_shift;
	struct baseline_flush *flush; /* may be null */
};

/* A callback gets each dirty leaf. */
typedef int baseline_record(struct baseline_log *log, uint64_t iova, uint64_t size);

void baseline_open(struct baseline *baseline, struct arena *arena, uint64_t *root);
/* Reads, and with `clear` cleans, what is dirty in the range. */
int baseline_dirty(const struct baseline *baseline, uint64_t iova, uint64_t size,
                   struct baseline_log *log, bool clear);
int baseline_map(const struct baseline *baseline, uint64_t iova, uint64_t phys, uint64_t size);
/* Each leaf table is given back with its last page. */
int baseline_unmap(const struct baseline *baseline, uint64_t iova, uint64_t size,
                   struct baseline_flush *flush);
/* The physical address, 0 if there is none. */
uint64_t baseline_translate(const struct baseline *baseline, uint64_t iova);
/* Gives all tables back but the root. */
void baseline_close(const struct baseline *baseline);

#endif
