/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One pass over the dirty state of a range, whatever mix of pages and blocks is
 * below: reports it, cleans it, makes it dirty, splits blocks on the way.
 */
#ifndef IOPGT_CORE_SCAN_H
#define IOPGT_CORE_SCAN_H

#include <iopgt/dirty.h>

#include "core/bitmap.h"
#include "core/bits.h"
#include "core/cursor.h"
#include "core/split_batch.h"

enum scan_flag {
	SCAN_REPORT = 1 << 0,     /* to the bitmap or the visitor */
	SCAN_CLEAN = 1 << 1,      /* leaves that lie wholly in the range */
	SCAN_SELECT = 1 << 2,     /* clean only leaves whose bits are all given in the bitmap */
	SCAN_MAKE_DIRTY = 1 << 3, /* clean leaves become dirty; alone */
	SCAN_ACCESSED = 1 << 4,   /* access flags in place of dirty state; no blocks are split */
};

/* Which blocks are split. */
enum scan_split {
	SCAN_SPLIT_NONE,
	SCAN_SPLIT_ADAPTIVE, /* dirty ones that are cleaned, by one level, as many as the table has
	                        left; what cannot be split is cleaned whole */
	SCAN_SPLIT_CLEANED, /* dirty ones that are cleaned; what cannot be split is cleaned whole */
	SCAN_SPLIT_TRACKED, /* all tracked ones; what cannot be split is left, and counted */
	SCAN_SPLIT_ALL,     /* all; what cannot be split is an error */
};

struct iopgt_scan {
	struct iopgt_table *table;
	struct iopgt_op *op;
	struct iopgt_range range;
	uint32_t flags;                    /* of enum scan_flag */
	uint32_t split;                    /* enum scan_split */
	const struct iopgt_bitmap *bitmap; /* null: none */
	const struct iopgt_dirty_visitor *visitor;
	struct iopgt_range run; /* not yet given to the visitor, while has_run */
	bool has_run;
	int visitor_stop; /* what the visitor returned when it asked to stop */
};

/* The checks of a dirty verb; fills scan->range. Without a visitor there must be a bitmap. */
int iopgt_scan_check(struct iopgt_scan *scan, uint64_t iova, uint64_t size);

/*
 * Runs it. IOPGT_AGAIN, an error of the tree, of a split, of a flush, or what
 * the visitor returned; op->next is where to go on unless all was done.
 */
int iopgt_scan_run(struct iopgt_scan *scan);

/* Dirty ones among up to 64 entries at one level. */
static inline uint64_t scan_dirty_mask(const struct iopgt_table *table, live_descriptor *entries,
                                       uint32_t count, int level)
{
	const struct iopgt_format *f = &table->format;
	uint64_t kind_mask = f->leaf_mask[format_kind(level)];
	uint64_t kind = f->leaf_value[format_kind(level)];
	uint64_t dirty =
		live_match(entries, count, kind_mask | f->state_mask, kind | f->state_dirty);

	if (table_counted(&table->kept_dirty))
		dirty |=
			live_match(entries, count, kind_mask | f->kept_dirty, kind | f->kept_dirty);
	return dirty;
}

/* Accessed ones among up to 64 entries at one level. */
static inline uint64_t scan_accessed_mask(const struct iopgt_table *table, live_descriptor *entries,
                                          uint32_t count, int level)
{
	const struct iopgt_format *f = &table->format;
	unsigned kind = format_kind(level);

	return live_match(entries, count, f->leaf_mask[kind] | f->accessed,
	                  f->leaf_value[kind] | f->accessed);
}

#endif
