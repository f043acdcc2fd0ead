/* SPDX-License-Identifier: BSD-2-Clause */
/* Taking tables out of the tree. */
#ifndef IOPGT_CORE_UNLINK_H
#define IOPGT_CORE_UNLINK_H

#include "core/cursor.h"
#include "core/gather.h"

/* Whether no entry of the table that the cursor came up from is present. */
static inline bool unlink_child_is_empty(const struct iopgt_cursor *c)
{
	const struct iopgt_table *table = c->table;
	uint32_t count = geometry_entries(&table->geometry, c->level + 1);
	live_descriptor *entries = cursor_child(c);

	for (uint32_t i = 0; i < count; i++) {
		uint64_t d = live_load(&entries[i]);

		if (format_is_present(&table->format, d) || format_is_broken(&table->format, d))
			return false;
	}
	return true;
}

/*
 * Unlinks the table that the cursor came up from; op frees it after its wait.
 * harvest: what walkers mark in it until then counts (last-level tables alone).
 */
static inline void unlink_child(struct iopgt_table *table, struct iopgt_op *op,
                                const struct iopgt_cursor *c, bool harvest)
{
	live_descriptor *entry = cursor_entry(c);
	uint64_t d = live_exchange(entry, 0);
	struct iopgt_unlinked unlinked = {
		.entries = cursor_child(c),
		.phys = format_address(&table->format, d),
		.iova = cursor_first(c),
		.level = c->level + 1,
		.harvest = harvest && c->level + 1 == IOPGT_LAST_LEVEL,
	};

	table_clean(table, entry, 1);
	iopgt_gather_table(table, op, &unlinked);
}

#endif
