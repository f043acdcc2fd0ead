/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replaces live blocks by tables, 64 at a time, so that they share their waits.
 * Arm ARM D8.17.1 (break-before-make levels); facts of the order in split_batch.c.
 *
 * A block's new table may be split further before it is linked: after
 * iopgt_split_batch_add the caller goes down into the new table and adds its blocks;
 * they are private, and cost no wait.
 */
#ifndef IOPGT_CORE_SPLIT_BATCH_H
#define IOPGT_CORE_SPLIT_BATCH_H

#include "core/cursor.h"

#define SPLIT_BATCH_MAX 64

struct split_slot {
	live_descriptor *entry;       /* of the block */
	uint64_t block;               /* what the new table was filled from */
	struct iopgt_new_table table; /* what takes its place */
	uint64_t iova;                /* first address of the block */
	int8_t level;                 /* of the block */
	bool clean;                   /* the new leaves are clean, whatever the block was */
	bool is_private;              /* the entry is in a table of this batch */
	bool done;                    /* linked, or given up */
};

struct split_batch {
	struct iopgt_table *table;
	struct iopgt_op *op;
	struct split_slot *slots; /* the caller's */
	uint32_t count, capacity;
};

/* The batch is full with `capacity` slots, SPLIT_BATCH_MAX at most. */
static inline void split_batch_start(struct split_batch *b, struct iopgt_table *table,
                                     struct iopgt_op *op, struct split_slot *slots,
                                     uint32_t capacity)
{
	*b = (struct split_batch){.table = table, .op = op, .slots = slots, .capacity = capacity};
}

/* Whether the cursor stands in a table of the batch that is not linked yet. */
bool iopgt_split_batch_is_private(const struct split_batch *b, const struct iopgt_cursor *c);

/*
 * Takes in the block at the cursor, whose value is `block`, and goes down into
 * its new table. Changes nothing live.
 *
 * IOPGT_NO_MEMORY, IOPGT_WOULD_BREAK, IOPGT_WOULD_SPLIT: not taken in, the
 * cursor has not moved. The batch must not be full.
 */
int iopgt_split_batch_add(struct split_batch *b, struct iopgt_cursor *c, uint64_t block,
                          bool clean);

static inline bool split_batch_full(const struct split_batch *b)
{
	return b->count == b->capacity;
}

/*
 * Replaces what was taken in, and waits. On an error of the host each block is
 * split or whole, and the op owes the invalidation; on IOPGT_BUSY another call
 * is replacing one of them, the others are done. The batch is empty afterwards.
 */
int iopgt_split_batch_flush(struct split_batch *b);

/*
 * Splits the block at the cursor alone, down to tables of the next level, and
 * leaves the cursor on the entry. Whoever else split it meanwhile is as good.
 */
int iopgt_split_one(struct iopgt_table *table, struct iopgt_cursor *c, uint64_t block,
                    struct iopgt_op *op);

#endif
