/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Access flags of table descriptors (FEAT_HAFT: R_CGKWB, R_JFCYB; IHI 0070 3.13.6). A walker sets
 * the flag of every table that it goes through, and caches no descriptor without it: a
 * table whose flag was cleared, and has been invalidated since, was not walked as long
 * as the flag is clear. So a scan may pass it by, if nothing was left dirty below.
 *
 * Invariant: below a table descriptor with neither `walked` nor `was_walked` no leaf is
 * dirty. The scan keeps it (scan_skip.c); whoever else makes a leaf dirty calls these
 * functions, after that, since a scan beside it may have seen the leaf clean before.
 */
#ifndef IOPGT_CORE_WALKED_H
#define IOPGT_CORE_WALKED_H

#include "core/cursor.h"

/*
 * Marks one. A read-modify-write even if it is marked: what was stored in a leaf before
 * is seen by the scan that clears the flag next.
 */
static inline void walked_mark_entry(const struct iopgt_format *f, live_descriptor *entry,
                                     int level)
{
	uint64_t old = live_load(entry);

	while (format_is_table(f, level, old) && !live_replace(entry, &old, old | f->walked)) {
	}
}

/* Marks every table that leads to the cursor's entry, from the bottom up. */
void iopgt_walked_mark(const struct iopgt_cursor *c);

/* The same for an entry that no cursor is on. */
void iopgt_walked_mark_at(const struct iopgt_table *table, uint64_t iova, int level);

/* Marks every table, so that nothing is passed by. */
void iopgt_walked_mark_all(const struct iopgt_table *table);

/* A leaf in the cursor's table was made dirty, or was left so by a call that cleans. */
static inline void walked_by_cursor(const struct iopgt_cursor *c)
{
	if (c->table->format.walked)
		iopgt_walked_mark(c);
}

static inline void walked_at(const struct iopgt_table *table, uint64_t iova, int level)
{
	if (table->format.walked)
		iopgt_walked_mark_at(table, iova, level);
}

#endif
