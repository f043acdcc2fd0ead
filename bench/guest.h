/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's memory in blocks of 2 MiB, in a domain that tracks what it writes. */
#ifndef BENCH_GUEST_H
#define BENCH_GUEST_H

#include "space.h"

struct guest_policy {
	const char *name;
	enum iopgt_split_policy policy;
};

#define GUEST_POLICIES 3
extern const struct guest_policy guest_policies[GUEST_POLICIES];

struct guest {
	struct arena arena;
	struct iopgt_domain domain;
	struct iopgt_walker walker;
	uint64_t blocks;
	uint64_t *written, *found; /* bitmaps, a bit a page */
	uint64_t written_pages;    /* bits in written */
	uint64_t random;
};

/* Room for all blocks in pages. */
void guest_open(struct guest *guest, uint64_t bytes);
void guest_close(struct guest *guest);
void guest_map(struct guest *guest);
/* Starts tracking; what it took. */
double guest_start(struct guest *guest, enum iopgt_split_policy policy);
/* Back to an empty table, not tracking. */
void guest_reset(struct guest *guest);

/* The guest writes to some pages of a block. */
void guest_write(struct guest *guest, uint64_t block, unsigned pages);
void guest_forget_written(struct guest *guest);
/*
 * A round: reads and clears into found; then merges what is cold, if the policy does. What each
 * took. A page that was written and is not found is the end. op: zero at first; its stats are
 * those of both.
 */
double guest_sync(struct guest *guest, struct iopgt_op *op);
double guest_merge(struct guest *guest, struct iopgt_op *op);
uint64_t guest_found_pages(const struct guest *guest);
uint64_t guest_table_bytes(const struct guest *guest);

#endif
