/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which table a scan will be in next, so that it can be fetched while this one is read. A
 * guess: what is linked may change until then. But no table is looked at that lies wholly
 * behind the range, where another call may free it.
 */
#include "core/scan_state.h"

/* Whether the scan goes into what d links. */
static bool goes_into(const struct scan_state *s, int level, uint64_t d)
{
	const struct iopgt_format *f = &s->table->format;

	return format_is_table(f, level, d) && !(s->skips && !(d & (f->walked | f->was_walked)));
}

/* Those of up to 64 entries. */
static uint64_t links_ahead(const struct scan_state *s, live_descriptor *entries, uint32_t n)
{
	const struct iopgt_format *f = &s->table->format;
	uint64_t links = live_match(entries, n, f->table_mask, f->table_value);

	if (s->skips)
		links &= ~live_match(entries, n, f->table_mask | f->walked | f->was_walked,
		                     f->table_value);
	return links;
}

/* The first entry from `index` on by which the scan may go into a table; or how many there are. */
static uint32_t next_link(const struct scan_state *s, live_descriptor *entries, int level,
                          uint32_t index)
{
	uint32_t count = geometry_entries(&s->table->geometry, level);
	uint64_t before = (UINT64_C(1) << (index & 63)) - 1;

	for (index &= ~UINT32_C(63); index < count; index += 64, before = 0) {
		uint32_t n = count - index < 64 ? count - index : 64;
		uint64_t links = links_ahead(s, &entries[index], n) & ~before;

		if (links)
			return index + bits_lowest(links);
	}
	return count;
}

/* Where the next entry of the table above does not lead into it. */
static live_descriptor *later_table(const struct scan_state *s, uint64_t iova)
{
	const struct iopgt_geometry *g = &s->table->geometry;
	int level = IOPGT_LAST_LEVEL;
	live_descriptor *entries;
	uint32_t index, next;

	/* It costs up to as much as three tables do: not for a part of one. */
	if (cursor_budget_left(&s->c) <= geometry_entries(g, level))
		return NULL;
	/* Up to a table in which another link follows, */
	do {
		level--;
		if (level < g->start_level || geometry_last(g, level, iova) >= s->c.range.last)
			return NULL;
		entries = s->c.path[level + 1];
		index = geometry_index(g, level, iova);
		next = next_link(s, entries, level, index + 1);
	} while (next == geometry_entries(g, level));
	/* and down from there. */
	iova = geometry_first(g, level, iova);
	for (;;) {
		uint64_t d;

		iova += (uint64_t)(next - index) << geometry_shift(g, level);
		if (next == geometry_entries(g, level) || iova > s->c.range.last)
			return NULL;
		/* Another call may have unmapped it meanwhile. */
		d = live_load_table(&entries[next]);
		if (!goes_into(s, level, d))
			return NULL;
		entries = table_virt(s->table, format_address(&s->table->format, d));
		if (++level == IOPGT_LAST_LEVEL)
			return entries;
		index = 0;
		next = next_link(s, entries, level, 0);
	}
}

live_descriptor *iopgt_scan_ahead(const struct scan_state *s, uint64_t iova)
{
	const struct iopgt_geometry *g = &s->table->geometry;
	const int above = IOPGT_LAST_LEVEL - 1;
	uint32_t index;
	uint64_t d;

	/* The host is not asked where tables are more often than needed. */
	if (!s->table->linear || above < g->start_level ||
	    geometry_last(g, above, iova) >= s->c.range.last)
		return NULL;
	index = geometry_index(g, above, iova) + 1;
	d = index < geometry_entries(g, above) ? live_load(s->c.path[above + 1] + index) : 0;
	return goes_into(s, above, d) ? table_virt(s->table, format_address(&s->table->format, d))
	                              : later_table(s, iova);
}
