/* SPDX-License-Identifier: BSD-2-Clause */
/* Leaves as the surface describes them. Pure. */
#ifndef IOPGT_CORE_DESCRIBE_H
#define IOPGT_CORE_DESCRIBE_H

#include "core/table.h"

/* Output address of a leaf's first byte; a block's nT is no part of it. */
static inline uint64_t describe_phys(const struct iopgt_table *table, int level, uint64_t leaf)
{
	uint64_t phys = format_address(&table->format, leaf);

	return phys & ~(geometry_size(&table->geometry, level) - 1);
}

/* enum iopgt_leaf_state */
static inline uint32_t describe_state(const struct iopgt_format *f, uint64_t leaf)
{
	uint64_t state = leaf & f->state_mask;

	if (state == f->state_read_only)
		return IOPGT_LEAF_READ_ONLY;
	if (!f->dirty_managed || state == f->state_untracked)
		return IOPGT_LEAF_UNTRACKED;
	return state == f->state_dirty ? IOPGT_LEAF_DIRTY : IOPGT_LEAF_CLEAN;
}

#endif
