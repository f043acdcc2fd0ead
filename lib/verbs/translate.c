/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/describe.h"
#include "core/table.h"

int iopgt_translate(const struct iopgt_table *table, uint64_t iova,
                    struct iopgt_translation *translation)
{
	const struct iopgt_format *f;
	const struct iopgt_geometry *g;
	live_descriptor *entries;
	int level;
	uint64_t d;

	if (!table || !translation)
		return IOPGT_BAD_ARGUMENT;
	f = &table->format;
	g = &table->geometry;
	if (iova > geometry_input_last(g))
		return IOPGT_BAD_RANGE;
	entries = table->root;
	for (level = g->start_level;; level++) {
		d = live_load_table(&entries[geometry_index(g, level, iova)]);
		if (!format_is_table(f, level, d))
			break;
		entries = table_virt(table, format_address(f, d));
		if (!entries)
			return IOPGT_BAD_TABLE;
	}
	if (!format_is_leaf(f, level, d))
		return d == f->broken ? IOPGT_BUSY : IOPGT_NOT_MAPPED;
	*translation = (struct iopgt_translation){
		.phys = describe_phys(table, level, d) | (iova & (geometry_size(g, level) - 1)),
		.leaf_iova = geometry_first(g, level, iova),
		.leaf_size = geometry_size(g, level),
		.state = describe_state(f, d),
		.level = level,
	};
	f->leaf_prot(f, d, &translation->prot, &translation->memory);
	return IOPGT_OK;
}
