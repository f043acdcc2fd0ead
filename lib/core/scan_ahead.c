/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which table a scan will be in next, so that it can be fetched while this one is read. A
 * guess: what is linked may change until then. But nothing is looked at that lies wholly
 * behind the range, where another call may free tables.
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

/*
 * From the entry *index of a table on, which begins at *iova: goes on to the first one by which the
 * scan may go into a table. False: there is none in this table and in the range.
 */
static bool find_link(const struct scan_state *s, live_descriptor *entries, int level,
                      uint32_t *index, uint64_t *iova)
{
	unsigned shift = geometry_shift(&s->table->geometry, level);
	uint64_t left = (s->c.range.last >> shift) - (*iova >> shift) + 1;
	uint64_t before = (UINT64_C(1) << (*index & 63)) - 1;
	uint32_t end = geometry_entries(&s->table->geometry, level);

	if (left < end - *index)
		end = *index + (uint32_t)left;
	for (uint32_t i = *index & ~UINT32_C(63); i < end; i += 64, before = 0) {
		uint32_t n = end - i < 64 ? end - i : 64;
		uint64_t links = links_ahead(s, &entries[i], n) & ~before;

		if (links) {
			i += bits_lowest(links);
			*iova += (uint64_t)(i - *index) << shift;
			*index = i;
			return true;
		}
	}
	return false;
}

/* Where the next entry of the table above does not lead into it. */
static live_descriptor *later_table(const struct scan_state *s, uint64_t iova)
{
	const struct iopgt_geometry *g = &s->table->geometry;
	const int highest = s->c.budget ? IOPGT_LAST_LEVEL - 1 : g->start_level;
	int level = IOPGT_LAST_LEVEL;
	live_descriptor *entries;
	uint64_t next;
	uint32_t index;

	/* Up to a table in which another link follows: with a budget, no further than one level. */
	do {
		level--;
		if (level < highest || geometry_last(g, level, iova) >= s->c.range.last)
			return NULL;
		entries = s->c.path[level + 1];
		index = geometry_index(g, level, iova) + 1;
		next = geometry_last(g, level, iova) + 1;
	} while (!find_link(s, entries, level, &index, &next));
	/* And down from there. */
	for (;;) {
		uint64_t d = live_load_table(&entries[index]);

		/* Another call may have unmapped it meanwhile. */
		if (!goes_into(s, level, d))
			return NULL;
		entries = table_virt(s->table, format_address(&s->table->format, d));
		if (++level == IOPGT_LAST_LEVEL)
			return entries;
		index = 0;
		if (!find_link(s, entries, level, &index, &next))
			return NULL;
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
