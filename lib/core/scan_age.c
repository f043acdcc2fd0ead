/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long a table has been clean, in its own descriptor: each scan that cleans, and goes
 * over all that is below, makes it older by one; a dirty leaf makes it young again, and
 * all tables above. What a budget cuts in pieces counts as one scan.
 *
 * An age is a hint: which tables merge back (lib/verbs/merge.c), never what is dirty.
 */
#include "core/scan_state.h"

static uint64_t found(const struct scan_state *s)
{
	return s->op->stats.dirty + s->op->stats.cleaned;
}

static uint32_t older(const struct scan_state *s, uint64_t d)
{
	uint32_t age = format_age(&s->table->format, d);

	return age < s->table->cold_age ? age + 1 : s->table->cold_age;
}

static void grow_older(const struct scan_state *s, live_descriptor *entry)
{
	const struct iopgt_format *f = &s->table->format;
	uint64_t d = live_load(entry);

	while (format_is_table(f, s->c.level, d) && older(s, d) != format_age(f, d) &&
	       !live_replace(entry, &d, format_with_age(f, d, older(s, d)))) {
	}
}

void iopgt_scan_age_enter(struct scan_state *s)
{
	s->found_before[s->c.level + 1] = found(s);
}

void iopgt_scan_age_leave(struct scan_state *s)
{
	if (found(s) != s->found_before[s->c.level + 1])
		table_grow_young(s->table, cursor_entry(&s->c), s->c.level);
	else if (cursor_first(&s->c) >= s->begin && cursor_last(&s->c) <= s->scan->range.last)
		grow_older(s, cursor_entry(&s->c));
}

void iopgt_scan_age_cut(struct scan_state *s)
{
	for (int level = s->table->geometry.start_level; level < s->c.level; level++) {
		if (found(s) != s->found_before[level + 1])
			table_grow_young(s->table, cursor_entry_above(&s->c, level), level);
	}
}
