/* SPDX-License-Identifier: BSD-2-Clause */
/* Setting and clearing the marks of a live leaf: dirty, accessed. */
#ifndef IOPGT_CORE_MARKS_H
#define IOPGT_CORE_MARKS_H

#include "core/table.h"

/*
 * A tracked leaf becomes clean; another loses the note that it was written. By
 * compare-and-swap, since an unmap beside it may have taken the entry away.
 */
static inline void marks_clean(const struct iopgt_format *f, live_descriptor *entry, int level)
{
	uint64_t old = live_load(entry);
	uint64_t clean;

	do {
		if (!format_is_leaf(f, level, old) || !format_is_dirty(f, old))
			return;
		clean = old & ~f->kept_dirty;
		if (format_is_tracked(f, old))
			clean = format_with_state(f, clean, f->state_clean);
	} while (!live_replace(entry, &old, clean));
}

/* Clears the access flag of a leaf, by compare-and-swap for the same reason. */
static inline void marks_not_accessed(const struct iopgt_format *f, live_descriptor *entry,
                                      int level)
{
	uint64_t old = live_load(entry);

	while (format_is_leaf(f, level, old) && (old & f->accessed) &&
	       !live_replace(entry, &old, old & ~f->accessed)) {
	}
}

/* Sets it. */
static inline void marks_accessed(const struct iopgt_format *f, live_descriptor *entry, int level)
{
	uint64_t old = live_load(entry);

	while (format_is_leaf(f, level, old) && !(old & f->accessed) &&
	       !live_replace(entry, &old, old | f->accessed)) {
	}
}

/* A clean leaf becomes dirty, and accessed, as a walker would do it. */
static inline void marks_dirty_if_clean(const struct iopgt_format *f, live_descriptor *entry,
                                        int level)
{
	uint64_t old = live_load(entry);

	while (format_is_leaf(f, level, old) && format_is_clean(f, old) &&
	       !live_replace(entry, &old, format_make_dirty(f, old) | f->accessed)) {
	}
}

/*
 * A tracked leaf becomes dirty: one atomic operation on its bits, whatever a
 * walker does to it meanwhile. Nobody may unmap it.
 */
static inline void marks_dirty(const struct iopgt_format *f, live_descriptor *entry)
{
	uint64_t bits = format_dirty_bits(f);

	if (f->state_dirty & bits)
		live_set(entry, bits);
	else
		live_clear(entry, bits);
}

#endif
