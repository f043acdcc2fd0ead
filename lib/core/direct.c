/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/direct.h"

/* The last-level entry for iova; null: not plain. `asks`: the host is asked where tables are. */
static inline live_descriptor *walk(const struct iopgt_table *table, uint64_t iova, bool asks)
{
	const struct iopgt_geometry *g = &table->geometry;
	uint64_t value = table->format.table_value;
	uint64_t mask = table->format.table_mask | table->format.unsettled;
	uint64_t address = table->format.address_low;
	uint64_t last_index = g->last_index[g->start_level + 1];
	uint64_t below = g->last_index[IOPGT_LAST_LEVEL + 1];
	unsigned granule = g->granule_shift, step = granule - 3;
	unsigned shift = geometry_shift(g, g->start_level);
	live_descriptor *entries = table->root;

	while (shift > granule) {
		uint64_t d = live_load_table(&entries[iova >> shift & last_index]);

		if ((d & mask) != value)
			return NULL;
		d &= address;
		entries = asks ? table->hal->phys_to_virt(table->context, d, table_bytes(table))
		               : (live_descriptor *)((uintptr_t)d + table->linear_offset);
		if (asks && !entries)
			return NULL;
		last_index = below;
		shift -= step;
	}
	return &entries[iova >> shift & last_index];
}

/* Apart, since calls cost registers. */
static __attribute__((noinline)) live_descriptor *ask_and_walk(const struct iopgt_table *table,
                                                               uint64_t iova)
{
	return walk(table, iova, true);
}

live_descriptor *iopgt_direct_pages(const struct iopgt_table *table, struct iopgt_range range)
{
	const struct iopgt_geometry *g = &table->geometry;
	uint64_t low = geometry_size(g, IOPGT_LAST_LEVEL - 1) - 1;

	if (!table->plain || (range.first ^ range.last) > low || range.last - range.first == low)
		return NULL;
	return table->linear ? walk(table, range.first, false) : ask_and_walk(table, range.first);
}
