/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Breaking up, while walkers run:
 *
 * Level 1 and 2: in every member the Contiguous bit is exchanged for the
 * `ungrouping` note; the group's range is invalidated and waited for, since a
 * walker may until then write to one member and mark another; then all get the
 * marks, dirty and accessed, that any has; then the notes go. As long as there is a
 * note, readers take the members for a group. Two calls may break up one group
 * at the same time: marks are spread to all before the first note goes, so that
 * whoever comes second finds them.
 *
 * Level 0: every member is made invalid but keeps its content, the first one
 * first; after the wait the members are put back without the bit, dirty if any
 * was, the first one last: whoever takes it has the group alone.
 *
 * Groups of one call share the wait.
 */
#include "core/regroup.h"

#include "core/gather.h"

#define GROUPS_AT_ONCE 32

struct group_pass {
	struct iopgt_table *table;
	struct iopgt_op *op;
	struct iopgt_cursor c;
	/* Breaking up */
	struct iopgt_range spared; /* groups that lie in here stay; none: first > last */
	bool tracked_only;
	/* Making */
	struct iopgt_range within; /* groups are made in here */
	uint32_t count;            /* groups that wait to be completed */
	struct iopgt_group groups[GROUPS_AT_ONCE];
	/* At the place of a group: begins, and takes it where there is to be a wait. */
	int (*visit)(struct group_pass *p, const struct iopgt_group *group);
	/* What is done with those taken after the wait; `failed`: if that failed. */
	void (*complete)(struct group_pass *p, const struct iopgt_group *group, bool failed);
};

static const struct iopgt_format *format_of(const struct group_pass *p)
{
	return &p->table->format;
}

static void take(struct group_pass *p, const struct iopgt_group *group)
{
	gather_at_cursor(p->table, p->op, &p->c, group->range);
	p->groups[p->count++] = *group;
}

/* Waits for what was taken, and completes it. */
static int flush(struct group_pass *p)
{
	int err;

	if (!p->count)
		return IOPGT_OK;
	err = iopgt_gather_flush(p->op);
	for (uint32_t i = 0; i < p->count; i++)
		p->complete(p, &p->groups[i], err != IOPGT_OK);
	p->count = 0;
	table_publish(p->table);
	return err;
}

/* Looks at the cursor's entry. *down: it linked a table, where the cursor is now. */
static int look(struct group_pass *p, uint64_t first, bool *down)
{
	uint64_t d = live_load_table(cursor_entry(&p->c));
	struct iopgt_group group;
	int err;

	*down = format_is_table(format_of(p), p->c.level, d);
	if (*down)
		return cursor_down(&p->c, d);
	if (p->c.iova != first && cursor_in_place(&p->c))
		return IOPGT_OK;
	group = group_at(&p->c);
	err = group.count > 1 ? p->visit(p, &group) : IOPGT_OK;
	return !err && p->count == GROUPS_AT_ONCE ? flush(p) : err;
}

/*
 * Visits every place of a group that overlaps the range, at its first entry in
 * the range. The range is cut where the pass ends early.
 */
static int run_pass(struct group_pass *p, struct iopgt_range *range, uint64_t budget)
{
	int err = IOPGT_OK;

	cursor_start(&p->c, p->table, *range, NULL);
	p->c.budget = budget;
	for (;;) {
		bool pages = p->c.level == IOPGT_LAST_LEVEL;
		bool down;

		err = look(p, range->first, &down);
		if (err)
			break;
		if (down)
			continue;
		/* Above the last level other entries of the place may link tables. */
		if (!cursor_next(&p->c, pages ? group_rest(&p->c) : 1))
			return IOPGT_OK;
		if (cursor_spent(&p->c))
			break;
	}
	range->last = p->c.iova - 1;
	return err;
}

/* --- Breaking up --- */

/*
 * The entry of the group's place that the cursor is on. If another call has
 * completed it, what that one spread before is seen from here on.
 */
static uint64_t entry_at(const struct group_pass *p)
{
	return live_load_table(cursor_entry(&p->c));
}

/*
 * Level 0. `contiguous`: what the members have of that bit. False: another call
 * has the group. Who breaks the first entry has it, until that is put back.
 */
static bool break_entries(struct group_pass *p, const struct iopgt_group *group,
                          uint64_t contiguous)
{
	const struct iopgt_format *f = format_of(p);
	uint64_t first = live_load(&group->entries[0]);

	do {
		if (!format_is_leaf(f, group->level, first) ||
		    (first & f->contiguous) != contiguous)
			return false;
	} while (!live_replace(&group->entries[0], &first, format_break_member(f, first)));
	for (uint32_t i = 1; i < group->count; i++) {
		uint64_t old = live_load(&group->entries[i]);

		while (format_is_leaf(f, group->level, old) &&
		       !live_replace(&group->entries[i], &old, format_break_member(f, old))) {
		}
	}
	table_clean(p->table, group->entries, group->count);
	return true;
}

/* Puts broken members back, changed. */
static void restore_entries(struct group_pass *p, const struct iopgt_group *group,
                            const struct group_change *change)
{
	const struct iopgt_format *f = format_of(p);

	for (uint32_t i = group->count; i-- > 0;) {
		uint64_t d = live_load(&group->entries[i]);

		if (format_is_broken_member(f, d))
			live_exchange(
				&group->entries[i],
				iopgt_group_changed(p->table, change,
			                            format_restore_member(f, group->level, d)));
	}
	table_clean(p->table, group->entries, group->count);
}

/* After the wait the members are single leaves. */
static void complete_ungroup(struct group_pass *p, const struct iopgt_group *group, bool failed)
{
	const struct iopgt_format *f = format_of(p);
	const struct group_marks marks = iopgt_group_member_marks(p->table, group);
	const struct group_change as_before = {0};
	const struct group_change single = {
		.dirty = marks.dirty,
		.clear = f->contiguous | f->ungrouping,
		.set = marks.accessed ? f->accessed : 0,
	};

	if (format_is_broken_member(f, live_load(&group->entries[0])))
		restore_entries(p, group, failed ? &as_before : &single);
	else if (!failed)
		iopgt_group_dissolve(p->table, group);
	p->op->stats.ungrouped += !failed;
}

static int visit_ungroup(struct group_pass *p, const struct iopgt_group *group)
{
	const struct iopgt_format *f = format_of(p);
	uint64_t d = entry_at(p);
	/* A member that has the note alone needs the rest of its break-up, at any level. */
	bool breaks = p->table->bbm_level == 0 && (d & f->contiguous);
	const struct group_change begun = {
		.members = true, .clear = f->contiguous, .set = f->ungrouping};

	if (format_is_broken(f, d))
		return IOPGT_BUSY;
	if (!format_is_member(f, group->level, d) || group_lies_in(group, p->spared) ||
	    (p->tracked_only && !format_is_tracked(f, d)))
		return IOPGT_OK;
	if (p->op->flags & IOPGT_OP_NO_SPLIT)
		return IOPGT_WOULD_SPLIT;
	if (breaks && !table_may_break(p->table, p->op))
		return IOPGT_WOULD_BREAK;
	if (!breaks)
		iopgt_group_change(p->table, group, &begun);
	else if (!break_entries(p, group, f->contiguous))
		return IOPGT_BUSY;
	take(p, group);
	return IOPGT_OK;
}

static void start_ungroup(struct group_pass *p, struct iopgt_table *table, struct iopgt_op *op)
{
	p->table = table;
	p->op = op;
	p->spared = (struct iopgt_range){1, 0};
	p->tracked_only = false;
	p->count = 0;
	p->visit = visit_ungroup;
	p->complete = complete_ungroup;
}

int iopgt_ungroup(struct iopgt_table *table, struct iopgt_range *range, bool tracked_only,
                  struct iopgt_op *op)
{
	struct group_pass p;
	int err, waited;

	start_ungroup(&p, table, op);
	p.tracked_only = tracked_only;
	err = run_pass(&p, range, op->budget);
	op->stats.looked_at += p.c.looked_at;
	waited = flush(&p);
	return waited ? waited : err;
}

int iopgt_ungroup_ends(struct iopgt_table *table, struct iopgt_range range, struct iopgt_op *op)
{
	struct iopgt_range first = {range.first, range.first};
	struct iopgt_range last = {range.last, range.last};
	struct group_pass p;
	int err, waited;

	if (!table->grouped)
		return IOPGT_OK;
	start_ungroup(&p, table, op);
	p.spared = range;
	err = run_pass(&p, &first, 0);
	/* One group may cross both ends. */
	if (!err && (!p.count || range.last > p.groups[0].range.last))
		err = run_pass(&p, &last, 0);
	waited = flush(&p);
	return waited ? waited : err;
}

/* --- Making groups --- */

/* Whether the entries of the group's place are single leaves that could be one group. */
static bool could_be_group(const struct group_pass *p, const struct iopgt_group *group)
{
	const struct iopgt_format *f = format_of(p);
	uint64_t size = geometry_size(&p->table->geometry, group->level);
	uint64_t first = live_load(&group->entries[0]);
	uint64_t phys = format_address(f, first);
	uint64_t bits = format_leaf_bits(f, group->level, format_without_marks(f, first));

	if (phys & (geometry_group_size(&p->table->geometry, group->level) - 1))
		return false;
	for (uint32_t i = 0; i < group->count; i++, phys += size) {
		uint64_t d = live_load(&group->entries[i]);

		if (!format_is_leaf(f, group->level, d) || (d & (f->contiguous | f->ungrouping)) ||
		    format_without_marks(f, d) != format_make_leaf(f, group->level, phys, bits))
			return false;
	}
	return true;
}

/*
 * What makes a group of single leaves. They may differ by what hardware marks, and
 * only by that (R_CBXXM, R_LCGVS): where software marks, all are as any is.
 */
static struct group_change grouping(const struct group_pass *p, const struct iopgt_group *group)
{
	const struct iopgt_format *f = format_of(p);
	const struct group_marks marks = iopgt_group_leaf_marks(p->table, group);

	return (struct group_change){
		.dirty = marks.dirty && p->table->software_dirty,
		.set = f->contiguous | (marks.accessed ? f->accessed : 0),
	};
}

static void complete_group(struct group_pass *p, const struct iopgt_group *group, bool failed)
{
	const struct group_change as_before = {0};
	const struct group_change change = grouping(p, group);

	restore_entries(p, group, failed ? &as_before : &change);
	p->op->stats.grouped += !failed;
}

static int visit_make(struct group_pass *p, const struct iopgt_group *group)
{
	const struct iopgt_geometry *g = &p->table->geometry;
	struct group_change change;

	if (!group_lies_in(group, p->within) ||
	    !geometry_group_allowed(g->leaf_sizes, g, group->level) || !could_be_group(p, group))
		return IOPGT_OK;
	if (!table_may_break(p->table, p->op))
		return IOPGT_WOULD_BREAK;
	if (p->table->bbm_level == 0) {
		if (break_entries(p, group, 0))
			take(p, group);
		return IOPGT_OK;
	}
	change = grouping(p, group);
	iopgt_group_change(p->table, group, &change);
	gather_at_cursor(p->table, p->op, &p->c, group->range);
	p->op->stats.grouped++;
	return IOPGT_OK;
}

int iopgt_make_groups(struct iopgt_table *table, struct iopgt_range range, uint64_t from,
                      struct iopgt_op *op)
{
	struct group_pass p = {.table = table,
	                       .op = op,
	                       .within = range,
	                       .visit = visit_make,
	                       .complete = complete_group};
	int err, waited;

	/* The first entry looked at stands for its group's whole place. */
	range.first = from;
	err = run_pass(&p, &range, 0);
	op->stats.looked_at += p.c.looked_at;
	waited = flush(&p);
	return waited ? waited : err;
}
