/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replaces live tables by blocks, 64 at a time, so that they share their waits.
 * Arm ARM D8.17.1 (break-before-make levels); the order stands in merge_batch.c.
 */
#ifndef IOPGT_CORE_MERGE_BATCH_H
#define IOPGT_CORE_MERGE_BATCH_H

#include "core/cursor.h"

#define MERGE_BATCH_MAX 64

struct merge_slot {
	live_descriptor *entry; /* of the table */
	live_descriptor *child; /* the table */
	uint64_t old;           /* what the entry holds */
	uint64_t block;         /* what takes its place, as it was when looked at */
	uint64_t iova;          /* first address of the block */
	int8_t level;           /* of the block */
};

struct merge_batch {
	struct iopgt_table *table;
	struct iopgt_op *op;
	bool force_dirty; /* tracked blocks are installed dirty */
	bool only_clean;  /* a table with a dirty leaf is no block */
	uint32_t count;
	struct merge_slot slots[MERGE_BATCH_MAX];
};

static inline void merge_batch_start(struct merge_batch *b, struct iopgt_table *table,
                                     struct iopgt_op *op, bool force_dirty)
{
	b->table = table;
	b->op = op;
	b->force_dirty = force_dirty;
	b->only_clean = false;
	b->count = 0;
}

enum merge_answer {
	MERGE_TAKEN,
	MERGE_EMPTY,  /* nothing is mapped below */
	MERGE_UNLIKE, /* what is mapped is no block */
};

/*
 * Takes in the table that the cursor came up from, if it could be a block.
 * Tables below it that wait in the batch count as the blocks they will be, and
 * go with it. Changes nothing live. The batch must not be full.
 */
enum merge_answer iopgt_merge_batch_add(struct merge_batch *b, const struct iopgt_cursor *c);

static inline bool merge_batch_full(const struct merge_batch *b)
{
	return b->count == MERGE_BATCH_MAX;
}

/*
 * Replaces what was taken in, waits, and frees the tables. On an error of the
 * host the tables are linked as before, or all of them are blocks and the op
 * owes their second invalidation (level 1). The batch is empty afterwards.
 */
int iopgt_merge_batch_flush(struct merge_batch *b);

#endif
