/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shape of the tree: levels, indices, sizes (Arm ARM D8.2). Pure.
 *
 * Inside the library an address is an offset in the input space, and the last
 * address of a range is inclusive.
 */
#ifndef IOPGT_FORMAT_GEOMETRY_H
#define IOPGT_FORMAT_GEOMETRY_H

#include <iopgt/table.h>

#include "format/assert.h"
#include "format/format.h"

/* Fills *geometry; an error names the field of the configuration that is wrong. */
int iopgt_geometry_init(struct iopgt_geometry *geometry, const struct iopgt_config *config);

/* log2 of what one entry of a table at `level` covers. */
static inline unsigned geometry_shift(const struct iopgt_geometry *g, int level)
{
	IOPGT_ASSERT(level <= IOPGT_LAST_LEVEL);
	return g->granule_shift + (unsigned)(IOPGT_LAST_LEVEL - level) * g->level_bits;
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
	unsigned bits = g->level_bits;

	if (level == g->start_level)
		bits = g->input_bits - geometry_shift(g, level);
	return UINT32_C(1) << bits;
}

/* Index of the entry for iova in its table at `level`. */
static inline uint32_t geometry_index(const struct iopgt_geometry *g, int level, uint64_t iova)
{
	return (uint32_t)(iova >> geometry_shift(g, level)) & (geometry_entries(g, level) - 1);
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
	return (UINT64_C(1) << g->output_bits) - 1;
}

/* Largest input address. */
static inline uint64_t geometry_input_last(const struct iopgt_geometry *g)
{
	return (UINT64_C(1) << g->input_bits) - 1;
}

#endif
