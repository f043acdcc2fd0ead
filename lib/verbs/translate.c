/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/describe.h"
#include "core/group.h"

int iopgt_translate(const struct iopgt_table *table, uint64_t iova,
                    struct iopgt_translation *translation)
{
	const struct iopgt_format *f;
	const struct iopgt_geometry *g;
	struct iopgt_leaf_kind kind;
	live_descriptor *entries;
	int level;
	uint64_t d;

	if (!table || !translation)
		return IOPGT_BAD_ARGUMENT;
	f = &table->format;
	g = &table->geometry;
	if (!geometry_has_input(g, iova))
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
		return format_is_broken(f, d) ? IOPGT_BUSY : IOPGT_NOT_MAPPED;
	*translation = (struct iopgt_translation){
		.phys = describe_phys(table, level, d) | (iova & (geometry_size(g, level) - 1)),
		.leaf_iova = geometry_first(g, level, iova),
		.leaf_size = geometry_size(g, level),
		.level = level,
	};
	if (table->grouped && format_is_member(f, level, d)) {
		struct iopgt_group group =
			group_of_entry(table, entries, geometry_index(g, level, iova), level, iova);

		if (d & f->contiguous) {
			translation->leaf_iova = group.range.first;
			translation->leaf_size = geometry_group_size(g, level);
		}
		d = iopgt_group_leaf(table, &group, d);
	}
	translation->state = describe_state(f, d);
	f->leaf_kind(f, d, &kind);
	translation->prot = kind.prot;
	translation->memory = kind.memory;
	translation->attributes = kind.attributes;
	return IOPGT_OK;
}
