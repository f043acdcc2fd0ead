/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/gather.h"
#include "core/regroup.h"
#include "core/scan_state.h"
#include "core/walked.h"

bool iopgt_scan_in_group(const struct scan_state *s, uint64_t d)
{
	const struct iopgt_format *f = &s->table->format;
	struct iopgt_group group;
	bool member = false;

	if (!s->table->grouped || !s->table->read_only)
		return s->table->grouped && format_is_member(f, s->c.level, d);
	group = group_at(&s->c);
	for (uint32_t i = 0; i < group.count; i++) {
		uint64_t other = live_load(&group.entries[i]);

		if (format_is_table(f, group.level, other))
			return false;
		member |= format_is_member(f, group.level, other);
	}
	return member;
}

static bool any_marked(const struct scan_state *s, const struct iopgt_group *place)
{
	struct group_marks marks = iopgt_group_leaf_marks(s->table, place);

	return s->scan->flags & SCAN_ACCESSED ? marks.accessed : marks.dirty;
}

bool iopgt_scan_any_broken(const struct scan_state *s, const struct iopgt_group *place)
{
	if (s->table->bbm_level > 0)
		return false;
	for (uint32_t i = 0; i < place->count; i++)
		if (format_is_broken(&s->table->format, live_load(&place->entries[i])))
			return true;
	return false;
}

/*
 * Whether any leaf of the place is marked. If it crosses an end of the range, a
 * call on its other part may break up a group there meanwhile: that call makes
 * all members dirty before it puts back any (level 0), clears its first note
 * (level 1 and 2), or removes its own. So what a first look misses, since an
 * entry is gone, a second one sees. What is broken counts as it was.
 */
static int look_for_marks(const struct scan_state *s, const struct iopgt_group *place, bool *marked)
{
	*marked = any_marked(s, place);
	if (*marked || group_lies_in(place, s->scan->range))
		return IOPGT_OK;
	live_order_loads();
	if (iopgt_scan_any_broken(s, place))
		return IOPGT_BUSY;
	live_order_loads();
	*marked = any_marked(s, place);
	return IOPGT_OK;
}

static void clean_group(struct scan_state *s, const struct iopgt_group *group)
{
	for (uint32_t i = 0; i < group->count; i++)
		clean_leaves(s, &group->entries[i], group->level, 1);
	s->op->stats.cleaned++;
	gather_at_cursor(s->table, s->op, &s->c, group->range);
}

/*
 * Makes the members single leaves, to be looked at again one by one. A group
 * that this call takes wholly needs no wait of its own: whatever is written until
 * op is finished is in the copy that follows.
 */
static int single_out(struct scan_state *s, const struct iopgt_group *group, bool whole)
{
	struct iopgt_range range = group->range;

	if (s->op->flags & IOPGT_OP_NO_SPLIT)
		return IOPGT_WOULD_SPLIT;
	if (!whole || s->table->bbm_level == 0)
		return iopgt_ungroup(s->table, &range, false, s->op);
	iopgt_group_dissolve(s->table, group);
	gather_at_cursor(s->table, s->op, &s->c, group->range);
	s->op->stats.ungrouped++;
	return IOPGT_OK;
}

int iopgt_scan_group(struct scan_state *s, uint64_t d, uint32_t *steps)
{
	struct iopgt_group group = group_at(&s->c);
	bool cleans = iopgt_scan_may_clean(s, group.range);
	bool marked;
	int err = look_for_marks(s, &group, &marked);

	if (err)
		return err;
	*steps = group_rest(&s->c);
	if (iopgt_scan_wants_split(s, d, marked && cleans)) {
		err = single_out(s, &group, cleans);
		*steps = err ? *steps : 0;
		if (!err || s->scan->split == SCAN_SPLIT_ALL ||
		    (err != IOPGT_WOULD_BREAK && err != IOPGT_WOULD_SPLIT))
			return err;
		s->op->stats.left_unsplit++;
	}
	if (!marked || ((s->scan->flags & SCAN_REPORT) && !iopgt_scan_report(s, group.range)))
		return IOPGT_OK;
	if (cleans)
		clean_group(s, &group);
	else
		iopgt_scan_left_marked(s);
	return IOPGT_OK;
}

/* Those `around` pages that the cursor is in, as far as its table goes. */
static struct iopgt_group pages_around(const struct scan_state *s, uint32_t around)
{
	const struct iopgt_geometry *g = &s->table->geometry;
	uint32_t entries = geometry_entries(g, IOPGT_LAST_LEVEL);
	uint32_t first = cursor_index(&s->c) & ~(around - 1);
	uint32_t count = entries < around ? entries : around;
	uint64_t iova = s->c.iova & ~(((uint64_t)around << g->granule_shift) - 1);

	return (struct iopgt_group){
		.entries = cursor_table(&s->c) + first,
		.count = count,
		.level = IOPGT_LAST_LEVEL,
		.range = {iova, iova + (((uint64_t)count << g->granule_shift) - 1)},
	};
}

static bool any_page_marked(const struct scan_state *s, const struct iopgt_group *pages)
{
	uint32_t count = pages->count < 64 ? pages->count : 64;

	for (uint32_t i = 0; i < pages->count; i += count) {
		if (marked_pages(s, pages->entries + i, count))
			return true;
	}
	return false;
}

void iopgt_scan_dirty_group(struct scan_state *s)
{
	struct iopgt_group group = group_at(&s->c);

	iopgt_group_write(s->table, &group);
	walked_by_cursor(&s->c);
	if (s->table->software_dirty)
		gather_at_cursor(s->table, s->op, &s->c, group.range);
}

/* Whether pages may be passed by for having no mark. */
static bool goes_by_marks(const struct scan_state *s)
{
	return !(s->scan->flags & SCAN_MAKE_DIRTY) && s->scan->split != SCAN_SPLIT_TRACKED;
}

uint32_t iopgt_scan_unmarked_places(struct scan_state *s, uint32_t run, uint32_t around)
{
	if (!goes_by_marks(s) || (cursor_index(&s->c) & (around - 1)))
		return 0;
	return iopgt_scan_unmarked(s, run & ~(around - 1)) & ~(around - 1);
}

bool iopgt_scan_is_unmarked(const struct scan_state *s, uint32_t around)
{
	struct iopgt_group pages = pages_around(s, around);
	bool marked;

	if (!goes_by_marks(s))
		return false;
	if (group_lies_in(&pages, s->scan->range))
		return !any_page_marked(s, &pages);
	return look_for_marks(s, &pages, &marked) == IOPGT_OK && !marked;
}

int iopgt_scan_break_groups(struct iopgt_scan *scan, bool *cut)
{
	uint64_t last = scan->range.last;
	bool all = scan->split == SCAN_SPLIT_ALL;
	int err;

	*cut = false;
	if (!scan->table->grouped || (!all && scan->split != SCAN_SPLIT_TRACKED))
		return IOPGT_OK;
	/* Above level 0 those that are to be clean are dissolved on the way. */
	if (!all && scan->table->bbm_level > 0)
		return IOPGT_OK;
	err = iopgt_ungroup(scan->table, &scan->range, !all, scan->op);
	*cut = scan->range.last != last;
	/* What may not be broken up is counted when the scan meets it. */
	if (!all && (err == IOPGT_WOULD_BREAK || err == IOPGT_WOULD_SPLIT)) {
		scan->range.last = last;
		*cut = false;
		return IOPGT_OK;
	}
	return err;
}
