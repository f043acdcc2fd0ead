/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A flat model of a table: one entry a granule, over a few windows of the input
 * space. It knows nothing of levels and descriptors; what depends on the size of
 * a leaf (a block is dirty as a whole) the streams tell it.
 *
 * A page is OWED from the first write that nobody copied: the library has to
 * report it. Who reads and cleans copies the reported pages when the op is
 * finished; until then the page is `copied_after` that op, and writes are in the
 * copy, marked or not.
 */
#ifndef TEST_REFERENCE_H
#define TEST_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#include <iopgt/table.h>

#include "walker.h"

#define REFERENCE_WINDOWS 3

/* Dirty states, as masks of enum walker_dirty: a granule may be in any of its mask. */
enum reference_states {
	REFERENCE_READ_ONLY = 1 << WALKER_READ_ONLY,
	REFERENCE_CLEAN = 1 << WALKER_WRITABLE_CLEAN,
	REFERENCE_DIRTY = 1 << WALKER_WRITABLE_DIRTY,
	REFERENCE_UNTRACKED = 1 << WALKER_WRITABLE_UNTRACKED,
	REFERENCE_EITHER = REFERENCE_CLEAN | REFERENCE_DIRTY,
};

enum reference_flag {
	REFERENCE_MAPPED = 1 << 0,
	REFERENCE_OWED = 1 << 1,        /* written, or dirty at the start, and not copied since */
	REFERENCE_KEPT = 1 << 2,        /* read-only or untracked, and its leaf was dirty before */
	REFERENCE_HARVEST = 1 << 3,     /* unmapped by unmap_dirty, not finished */
	REFERENCE_MUST = 1 << 4,        /* has to be reported by the call that runs */
	REFERENCE_MAY = 1 << 5,         /* may be reported by the call that runs */
	REFERENCE_REPORTED = 1 << 6,    /* was reported by the call that runs */
	REFERENCE_HARVEST_MAY = 1 << 7, /* may be reported by an unfinished unmap_dirty */
};

struct reference_granule {
	uint64_t phys;           /* while mapped, and then until the unmap is finished */
	uint8_t prot;            /* of enum iopgt_prot, as reference_prot gives it */
	uint8_t memory : 3;      /* enum iopgt_memory */
	uint8_t kept_unsure : 1; /* KEPT, but a call that failed may have cleaned it */
	uint8_t attributes;      /* of enum iopgt_attribute, as given */
	uint8_t flags;           /* of enum reference_flag */
	uint8_t states;          /* of enum reference_states */
	uint8_t may;             /* enum walker_permission: what some walker may still do */
	uint8_t sure;            /* enum walker_permission: what every walker can do */
	uint8_t changed;         /* bit n: changed in op n, which is not finished */
	uint8_t copied_after;    /* bit n: copied when op n is finished */
	uint8_t aging;           /* bit n: its access flag was cleared in op n, not finished */
	bool accessed;           /* its access flag is set, or that of its group */
};

struct reference_window {
	uint64_t first, last; /* inclusive */
	struct reference_granule *granules;
};

struct reference {
	struct reference_window windows[REFERENCE_WINDOWS]; /* ascending */
	unsigned window_count;
	uint32_t regime;
	uint8_t granule_shift;
	bool dirty_managed;
	bool tracking; /* what is mapped now starts clean */
};

void reference_add_window(struct reference *reference, uint64_t first, uint64_t last);
void reference_fini(struct reference *reference);

/* The entry of an address of any alignment; null outside of all windows. */
struct reference_granule *reference_at(const struct reference *reference, uint64_t iova);

/* The granules of a range, those in windows: while (reference_step(&steps)) ... */
struct reference_steps {
	struct reference_granule *granule;
	uint64_t iova;
	const struct reference *reference;
	uint64_t first, last; /* of the range */
	uint64_t left;        /* granules in this window after this one */
	unsigned window;      /* the next one */
};

struct reference_steps reference_range(const struct reference *reference, uint64_t iova,
                                       uint64_t last);
bool reference_enter_window(struct reference_steps *steps);

static inline bool reference_step(struct reference_steps *steps)
{
	if (!steps->left)
		return reference_enter_window(steps);
	steps->left--;
	steps->granule++;
	steps->iova += UINT64_C(1) << steps->reference->granule_shift;
	return true;
}

/* What a walker may do, and what it can be sure of, with such a mapping. */
uint8_t reference_may(const struct reference *reference, uint32_t prot);
uint8_t reference_sure(const struct reference *reference, uint32_t prot);

/*
 * Permissions as they are compared: no CLEAN; NO_TRACK where it has a meaning; who
 * alone has access alone executes.
 */
uint32_t reference_prot(const struct reference *reference, uint32_t prot);

/* The verbs, on what they were found to have done. `op` is a bit. */
void reference_map(struct reference *reference, const struct iopgt_mapping *mapping);
void reference_unmap(struct reference_granule *granule, unsigned op, bool harvest);
void reference_protect(const struct reference *reference, struct reference_granule *granule,
                       uint32_t prot, unsigned op);

/* A granule that was changed without effect on what it maps to. */
static inline void reference_touch(struct reference_granule *granule, unsigned op)
{
	granule->changed |= op;
}

static inline bool reference_has(const struct reference_granule *granule, uint8_t flags)
{
	return (granule->flags & flags) == flags;
}

/* Somebody wrote, and nobody is about to copy. */
static inline bool reference_is_owed(const struct reference_granule *granule)
{
	return granule->flags & REFERENCE_OWED && !granule->copied_after;
}

/* The op is finished: what it changed holds, and what it reported is copied. */
void reference_finish(struct reference *reference, unsigned op);

/* Clears flags in a range. */
void reference_forget(struct reference *reference, uint64_t iova, uint64_t last, uint8_t flags);

uint64_t reference_count_mapped(const struct reference *reference, uint64_t iova, uint64_t last);

#endif
