/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/walked.h"

void iopgt_walked_mark(const struct iopgt_cursor *c)
{
	const struct iopgt_geometry *g = &c->table->geometry;

	for (int level = c->level - 1; level >= g->start_level; level--)
		walked_mark_entry(&c->table->format, cursor_entry_above(c, level), level);
}

void iopgt_walked_mark_at(const struct iopgt_table *table, uint64_t iova, int level)
{
	struct iopgt_cursor c;

	cursor_start(&c, table, (struct iopgt_range){iova, iova}, NULL);
	while (c.level < level) {
		uint64_t d = live_load_table(cursor_entry(&c));

		if (!format_is_table(&table->format, c.level, d) || cursor_down(&c, d))
			break;
	}
	iopgt_walked_mark(&c);
}

void iopgt_walked_mark_all(const struct iopgt_table *table)
{
	struct iopgt_cursor c;
	bool more = true;

	cursor_start(&c, table, table_whole(table), NULL);
	while (more) {
		live_descriptor *entry = cursor_entry(&c);
		uint64_t d = live_load_table(entry);
		bool is_table = format_is_table(&table->format, c.level, d);

		if (is_table)
			walked_mark_entry(&table->format, entry, c.level);
		/* Last-level tables hold no table descriptors. */
		if (!is_table || c.level + 1 == IOPGT_LAST_LEVEL || cursor_down(&c, d))
			more = cursor_next(&c, 1);
	}
}
