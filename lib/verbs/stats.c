/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/table.h"

int iopgt_tables_needed(const struct iopgt_table *table, uint64_t iova, uint64_t size,
                        uint64_t *tables)
{
	const struct iopgt_geometry *g;
	struct iopgt_range range;
	int err;

	if (!tables)
		return IOPGT_BAD_ARGUMENT;
	err = iopgt_check_range(table, iova, size, &range);
	if (err)
		return err;
	g = &table->geometry;
	*tables = 0;
	/* One for every entry above the last level that the range touches. */
	for (int level = g->start_level; level < IOPGT_LAST_LEVEL; level++)
		*tables += (range.last >> geometry_shift(g, level)) -
		           (range.first >> geometry_shift(g, level)) + 1;
	return IOPGT_OK;
}

int iopgt_table_stats(const struct iopgt_table *table, struct iopgt_table_usage *stats)
{
	uint64_t below;

	if (!table || !stats)
		return IOPGT_BAD_ARGUMENT;
	below = table_counted(&table->tables);
	stats->tables = below + 1;
	stats->bytes = below * table_bytes(table) + table->geometry.root_bytes;
	return IOPGT_OK;
}
