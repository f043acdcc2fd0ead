/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pure questions and answers about one descriptor, for any format that
 * struct iopgt_format can state. Nothing here touches memory.
 */
#ifndef IOPGT_FORMAT_FORMAT_H
#define IOPGT_FORMAT_FORMAT_H

#include <iopgt/private.h>

#define IOPGT_LAST_LEVEL 3
#define IOPGT_MAX_LEVELS 5 /* -1 to 3 */

/* Index into the kind arrays of a format. */
static inline unsigned format_kind(int level)
{
	return level == IOPGT_LAST_LEVEL;
}

static inline bool format_is_present(const struct iopgt_format *f, uint64_t d)
{
	return (d & f->present) != 0;
}

static inline bool format_is_table(const struct iopgt_format *f, int level, uint64_t d)
{
	return level != IOPGT_LAST_LEVEL && format_is_present(f, d) &&
	       (d & f->table_mask) == f->table_value;
}

static inline bool format_is_leaf(const struct iopgt_format *f, int level, uint64_t d)
{
	unsigned kind = format_kind(level);

	return format_is_present(f, d) && (d & f->leaf_mask[kind]) == f->leaf_value[kind];
}

/* Address bits of a table or leaf, and back. */
static inline uint64_t format_encode_address(const struct iopgt_format *f, uint64_t phys)
{
	return (phys & f->address_low) | (phys >> f->address_shift & f->address_high);
}

static inline uint64_t format_address(const struct iopgt_format *f, uint64_t d)
{
	return (d & f->address_low) | (d & f->address_high) << f->address_shift;
}

static inline uint64_t format_address_bits(const struct iopgt_format *f)
{
	return f->address_low | f->address_high;
}

/* A new table counts as walked: what its leaves hold is nobody's business here. */
static inline uint64_t format_make_table(const struct iopgt_format *f, uint64_t phys)
{
	return f->table_value | f->walked | format_encode_address(f, phys);
}

/* The age of a table, as its descriptor holds it; and the descriptor with another age. */
static inline uint32_t format_age(const struct iopgt_format *f, uint64_t d)
{
	return (uint32_t)((d & f->age) >> f->age_shift);
}

static inline uint64_t format_with_age(const struct iopgt_format *f, uint64_t d, uint32_t age)
{
	return (d & ~f->age) | ((uint64_t)age << f->age_shift & f->age);
}

/* `bits`: all of a leaf but its kind and address. */
static inline uint64_t format_make_leaf(const struct iopgt_format *f, int level, uint64_t phys,
                                        uint64_t bits)
{
	return bits | f->leaf_value[format_kind(level)] | format_encode_address(f, phys);
}

/* The leaf that maps what comes `size` bytes after another one, both of one table. */
static inline uint64_t format_next_leaf(const struct iopgt_format *f, uint64_t leaf, uint64_t size)
{
	if (!f->address_high)
		return leaf + size;
	return (leaf & ~format_address_bits(f)) |
	       format_encode_address(f, format_address(f, leaf) + size);
}

/*
 * Of leaves of 2^shift bytes that follow each other from phys on, how many before the
 * address carries into bits that do not stand in place: their descriptors differ by that.
 */
static inline uint64_t format_leaves_in_place(const struct iopgt_format *f, uint64_t phys,
                                              unsigned shift)
{
	uint64_t end = f->address_low + (f->address_low & -f->address_low);

	return f->address_high ? (end - (phys & (end - 1))) >> shift : UINT64_MAX;
}

/* What is left of a leaf without kind and address. */
static inline uint64_t format_leaf_bits(const struct iopgt_format *f, int level, uint64_t leaf)
{
	return leaf & ~(format_address_bits(f) | f->leaf_mask[format_kind(level)]);
}

static inline uint64_t format_with_state(const struct iopgt_format *f, uint64_t d, uint64_t state)
{
	return (d & ~f->state_mask) | state;
}

/* The bits in which clean and dirty differ; there are some. */
static inline uint64_t format_dirty_bits(const struct iopgt_format *f)
{
	return f->state_clean ^ f->state_dirty;
}

static inline bool format_is_dirty(const struct iopgt_format *f, uint64_t leaf)
{
	return (leaf & f->state_mask) == f->state_dirty || (leaf & f->kept_dirty) != 0;
}

static inline bool format_is_clean(const struct iopgt_format *f, uint64_t leaf)
{
	return (leaf & f->state_mask) == f->state_clean;
}

/* Writes to it leave a mark, now or by being dirty already. */
static inline bool format_is_tracked(const struct iopgt_format *f, uint64_t leaf)
{
	uint64_t dirty_bits = format_dirty_bits(f);

	return (leaf & f->state_mask & ~dirty_bits) == (f->state_dirty & ~dirty_bits);
}

/* A leaf that was written; what is not tracked keeps that as a note. */
static inline uint64_t format_make_dirty(const struct iopgt_format *f, uint64_t leaf)
{
	return format_is_tracked(f, leaf) ? format_with_state(f, leaf, f->state_dirty)
	                                  : leaf | f->kept_dirty;
}

/* A leaf of a contiguous group, or of one whose members may still be cached as one. */
static inline bool format_is_member(const struct iopgt_format *f, int level, uint64_t d)
{
	return (d & (f->contiguous | f->ungrouping)) && format_is_leaf(f, level, d);
}

/*
 * The leaf as it is when nobody has written or accessed it, and outside of any
 * group: equal for leaves that can merge.
 */
static inline uint64_t format_without_marks(const struct iopgt_format *f, uint64_t leaf)
{
	if (format_is_tracked(f, leaf))
		leaf = format_with_state(f, leaf, f->state_clean);
	return leaf & ~(f->accessed | f->kept_dirty | f->contiguous | f->ungrouping);
}

/*
 * An entry that a call is replacing at break-before-make level 0. It may keep
 * the leaf that stood there, all but the bits that made it present.
 */
static inline bool format_is_broken(const struct iopgt_format *f, uint64_t d)
{
	return (d & f->broken) && !format_is_present(f, d);
}

static inline uint64_t format_break_member(const struct iopgt_format *f, uint64_t leaf)
{
	return (leaf & ~f->present) | f->broken;
}

static inline bool format_is_broken_member(const struct iopgt_format *f, uint64_t d)
{
	return format_is_broken(f, d) && d != f->broken;
}

static inline uint64_t format_restore_member(const struct iopgt_format *f, int level, uint64_t d)
{
	unsigned kind = format_kind(level);

	return (d & ~(f->broken | f->leaf_mask[kind])) | f->leaf_value[kind];
}

#endif
