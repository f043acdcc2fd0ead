/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which pages were written: read, clear, go on.
 *
 * There is one dirty state in a table. Two consumers that both clear take
 * writes from each other: let one reader fan out to them.
 *
 * Bits are or-ed into the bitmap, never cleared, and atomically: calls on ranges that
 * share a word may run at once, and so may calls on several tables that share a bitmap.
 * Bits outside the range are not changed. A bit is set if any
 * byte that it covers is in a dirty leaf within the range: a block sets all its
 * bits, a bit that covers several pages is set by any. A contiguous group is one
 * leaf here: dirty if any entry is (hardware need mark only one, R_JKCXG),
 * reported whole, cleaned whole or not at all.
 *
 * To take what was written and go on:
 *
 *     iopgt_read_and_clear_dirty(table, iova, size, &bitmap, &op);
 *     iopgt_op_finish(&op);      // invalidates and waits
 *     ... copy the pages whose bits are set ...
 *
 * A page copied before iopgt_op_finish has returned 0 may be written after the
 * copy without a mark.
 *
 * The final read, after the devices were stopped, is given IOPGT_OP_SYNC and
 * covers everything: a plain read may miss the marks of transactions that have
 * finished, until the host's sync has waited for them (R_RZYCN, IHI 0070
 * 3.13.4). If the devices may run on afterwards, it clears nothing
 * (IOPGT_OP_NO_CLEAR), or its op is finished before they run.
 *
 * With IOPGT_CONFIG_TABLE_ACCESS_FLAG a table is skipped that no walker went through
 * since it was last cleaned. Results are the same. It asks for one thing more: an op
 * that cleared is finished before another op clears in the same range.
 *
 * The common rules of table.h hold. Further, for every verb here: no dirty
 * management in the table is IOPGT_NO_DIRTY; a null bitmap, a null or misaligned
 * `words`, a page_shift above 63, a misaligned base or a bitmap that does not
 * cover the range is IOPGT_BAD_BITMAP, and nothing is changed. An error of sync
 * with IOPGT_OP_SYNC is passed up, and nothing is changed, but that op owes an
 * invalidation of all.
 *
 * Context, for all: may run beside any verb on other ranges; beside map of the same
 * range, as long as it frees no empty table (hal.h); beside one that may, and beside
 * unmap and trim of it, only with IOPGT_HAL_DEFERS_FREE. Walkers run.
 */
#ifndef IOPGT_DIRTY_H
#define IOPGT_DIRTY_H

#include <iopgt/table.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whether the bit for an address is set; the address is covered by the bitmap. */
static inline bool iopgt_bitmap_test(const struct iopgt_bitmap *bitmap, uint64_t iova)
{
	uint64_t bit = (iova - bitmap->base) >> bitmap->page_shift;

	/* By bytes, which are the same on every host. */
	return ((const unsigned char *)bitmap->words)[bit / 8] >> (bit % 8) & 1;
}

/*
 * Reads: sets the bits of dirty leaves. Changes nothing in the table.
 *
 * Return: IOPGT_OK; IOPGT_AGAIN; IOPGT_BUSY; IOPGT_BAD_BITMAP; IOPGT_NO_DIRTY;
 * the common ones.
 * Stack: 6144 bytes. Touches: its range.
 */
int iopgt_sync_dirty_log(struct iopgt_table *table, uint64_t iova, uint64_t size,
                         const struct iopgt_bitmap *bitmap, struct iopgt_op *op);

/*
 * Cleans leaves that lie wholly in the range and whose bits are all set in the
 * bitmap, which is only read. A block of which only a part is given stays dirty.
 * Blocks are split as by iopgt_read_and_clear_dirty.
 *
 * Return: as iopgt_sync_dirty_log; where blocks are split, an error of
 * invalidate_all or sync. What was cleaned before a failure is owed its
 * invalidation in op, and its pages are to be copied like all others after
 * iopgt_op_finish.
 * Stack: 6144 bytes. Touches: its range.
 */
int iopgt_clear_dirty_log(struct iopgt_table *table, uint64_t iova, uint64_t size,
                          const struct iopgt_bitmap *bitmap, struct iopgt_op *op);

/*
 * Reads and cleans in one pass. A leaf that does not lie wholly in the range is
 * reported and stays dirty. While a domain tracks with a policy that splits on
 * clearing, dirty blocks are reported whole and replaced by clean pages (or, with
 * IOPGT_SPLIT_ADAPTIVE, by clean leaves of the next level; a budget that ends in the
 * midst of a block leaves the rest of it so, too); one that could not be split is
 * cleaned as a block and counted in left_unsplit.
 *
 * With IOPGT_OP_NO_CLEAR it only reads.
 *
 * Return: as iopgt_clear_dirty_log. After a failure the bits are complete for
 * what was cleaned.
 * Stack: 6144 bytes. Touches: its range.
 */
int iopgt_read_and_clear_dirty(struct iopgt_table *table, uint64_t iova, uint64_t size,
                               const struct iopgt_bitmap *bitmap, struct iopgt_op *op);

/* A callback gets each run of dirty bytes; a value other than 0 asks to stop. */
struct iopgt_dirty_visitor {
	int (*visit)(void *context, uint64_t iova, uint64_t size);
	void *context;
};

/*
 * Gives runs of dirty leaves, cut at the range's ends, in ascending order: for
 * sparse spaces, where no bitmap fits. With IOPGT_OP_CLEAR, cleans what lies
 * wholly in the range as iopgt_read_and_clear_dirty does.
 *
 * All that was cleaned has been given to the callback, whatever the call returns.
 *
 * Return: IOPGT_OK; the callback's value, after which it is not called again:
 * op->next is where to go on (past the range's end if nothing is left); as
 * iopgt_read_and_clear_dirty.
 * Stack: 6144 bytes. Touches: its range.
 */
int iopgt_for_each_dirty(struct iopgt_table *table, uint64_t iova, uint64_t size,
                         const struct iopgt_dirty_visitor *visitor, struct iopgt_op *op);

/*
 * The same for the access flag, for working sets: sets the bits of leaves that
 * were accessed since their flag was last cleared (mapped, split or merged), and
 * clears the flags of those that lie wholly in the range. A group is accessed if
 * any entry is. No block is split. With IOPGT_OP_NO_CLEAR it only reads.
 *
 * Accesses through what walkers have cached leave no mark until iopgt_op_finish.
 * Dirty state is not touched.
 *
 * Return: as iopgt_sync_dirty_log, but IOPGT_NO_ACCESS_FLAG for IOPGT_NO_DIRTY:
 * in a domain, an attached walker that does not manage it; else, and without
 * walkers, the configuration does not.
 * Stack: 6144 bytes. Touches: its range.
 */
int iopgt_read_and_clear_accessed(struct iopgt_table *table, uint64_t iova, uint64_t size,
                                  const struct iopgt_bitmap *bitmap, struct iopgt_op *op);

#ifdef __cplusplus
}
#endif

#endif
