/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPU 1 writes without pause, this CPU takes what is dirty and copies it, in rounds, and
 * notices each write that it was not told of.
 */
#ifndef COPIER_H
#define COPIER_H

#include "rig.h"

#define COPIER_PAGES 8192

/* One word a page is written: the rest of a page would say nothing more. */
struct copier {
	struct rig *rig;
	uint64_t iova, pages;          /* a power of two, within DATA_BYTES */
	uint64_t hot_first, hot_pages; /* those that are written to, a power of two; 0: all */
	uint64_t rounds, lost, reported;
	uint64_t split;              /* blocks and groups, in the last round */
	uint64_t translation_faults; /* of the writer, that were retried */
};

/* How a round can be done. All but the first lose writes. */
enum copier_way {
	COPY_AFTER_FINISH,
	COPY_BEFORE_FINISH,
	COPY_WITH_PLAIN_STORES,    /* not the library's: stale copies of descriptors are stored */
	COPY_WITHOUT_INVALIDATION, /* ... of the writer's entries */
	COPY_WITH_LOCAL_INVALIDATION,
	COPY_AFTER_EARLY_INVALIDATION, /* it comes before the marks are cleared */
	COPY_WAYS,
};

extern const char *const copier_ways[COPY_WAYS];

/* The range is mapped to DATA_PHYS on, and clean. Copies all, and lets CPU 1 write. */
void copier_start(struct copier *copier);
void copier_round(struct copier *copier, enum copier_way way);
/* Waits for CPU 1. The last round counts, too: what still differs is lost. */
void copier_stop(struct copier *copier);

/* Writes by CPU 1 so far. */
uint64_t copier_writes(void);

#endif
