/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shape of the tree: levels, indices, sizes (Arm ARM D8.2). Pure.
 *
 * An input address is the full 64-bit one, in TTBR1's table too; the last address
 * of a range is inclusive, so that it may be the last there is.
 */
#ifndef IOPGT_FORMAT_GEOMETRY_H
#define IOPGT_FORMAT_GEOMETRY_H

#include <iopgt/table.h>

#include "format/assert.h"
#include "format/format.h"

/* Fills *g; an error names the field of the configuration that is wrong. */
int iopgt_geometry_init(struct iopgt_geometry *g, const struct iopgt_config *config);

/* Fills in what follows from sizes, start_level and input_first. */
void iopgt_geometry_set_levels(struct iopgt_geometry *g);

/* All leaf sizes that fit, groups included, for a geometry that was found legal. */
uint64_t iopgt_geometry_all_leaf_sizes(const struct iopgt_geometry *g,
                                       const struct iopgt_config *config);

/* log2 of what one entry of a table at `level` covers. */
static inline unsigned geometry_shift(const struct iopgt_geometry *g, int level)
{
	IOPGT_ASSERT(level <= IOPGT_LAST_LEVEL);
	return g->shift[level + 1];
}

static inline uint64_t geometry_size(const struct iopgt_geometry *g, int level)
{
	return UINT64_C(1) << geometry_shift(g, level);
}

static inline uint64_t geometry_granule(const struct iopgt_geometry *g)
{
	return UINT64_C(1) << g->granule_shift;
}

/* Entries of a table at `level`. */
static inline uint32_t geometry_entries(const struct iopgt_geometry *g, int level)
{
	return g->last_index[level + 1] + 1;
}

/* Index of the entry for iova in its table at `level`. */
static inline uint32_t geometry_index(const struct iopgt_geometry *g, int level, uint64_t iova)
{
	return (uint32_t)(iova >> geometry_shift(g, level)) & g->last_index[level + 1];
}

static inline uint64_t geometry_first(const struct iopgt_geometry *g, int level, uint64_t iova)
{
	return iova & ~(geometry_size(g, level) - 1);
}

static inline uint64_t geometry_last(const struct iopgt_geometry *g, int level, uint64_t iova)
{
	return iova | (geometry_size(g, level) - 1);
}

static inline bool geometry_leaf_allowed(uint64_t leaf_sizes, const struct iopgt_geometry *g,
                                         int level)
{
	return leaf_sizes >> geometry_shift(g, level) & 1;
}

/* Largest output address. */
static inline uint64_t geometry_output_last(const struct iopgt_geometry *g)
{
	return g->output_last;
}

/* Bytes of the input space. */
static inline uint64_t geometry_input_size(const struct iopgt_geometry *g)
{
	return UINT64_C(1) << g->input_bits;
}

/* Largest input address. */
static inline uint64_t geometry_input_last(const struct iopgt_geometry *g)
{
	return g->input_last;
}

static inline bool geometry_has_input(const struct iopgt_geometry *g, uint64_t iova)
{
	return iova >= g->input_first && iova <= geometry_input_last(g);
}

/* log2 of the entries of a contiguous group at `level`; 0: it has none. */
static inline unsigned geometry_group_bits(const struct iopgt_geometry *g, int level)
{
	return g->group_bits[level + 1];
}

/* Entries of a group at `level`; 1 where there are none. */
static inline uint32_t geometry_group_entries(const struct iopgt_geometry *g, int level)
{
	return UINT32_C(1) << geometry_group_bits(g, level);
}

/* Bytes of a group at `level`, or of an entry where there are none. */
static inline uint64_t geometry_group_size(const struct iopgt_geometry *g, int level)
{
	return geometry_size(g, level) << geometry_group_bits(g, level);
}

/* Whether groups of this level are among `leaf_sizes`. */
static inline bool geometry_group_allowed(uint64_t leaf_sizes, const struct iopgt_geometry *g,
                                          int level)
{
	return geometry_group_bits(g, level) && (leaf_sizes & geometry_group_size(g, level));
}

#endif
