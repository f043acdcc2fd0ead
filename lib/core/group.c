/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/group.h"

#include "core/marks.h"

static struct group_marks marks_of(const struct iopgt_table *table, const struct iopgt_group *group,
                                   bool members)
{
	const struct iopgt_format *f = &table->format;
	struct group_marks marks = {0};

	for (uint32_t i = 0; i < group->count; i++) {
		uint64_t d = live_load(&group->entries[i]);

		if (format_is_broken_member(f, d))
			d = format_restore_member(f, group->level, d);
		if (!format_is_leaf(f, group->level, d) ||
		    (members && !format_is_member(f, group->level, d)))
			continue;
		marks.dirty |= format_is_dirty(f, d);
		marks.accessed |= (d & f->accessed) != 0;
	}
	return marks;
}

struct group_marks iopgt_group_member_marks(const struct iopgt_table *table,
                                            const struct iopgt_group *group)
{
	return marks_of(table, group, true);
}

struct group_marks iopgt_group_leaf_marks(const struct iopgt_table *table,
                                          const struct iopgt_group *group)
{
	return marks_of(table, group, false);
}

uint64_t iopgt_group_leaf(const struct iopgt_table *table, const struct iopgt_group *group,
                          uint64_t leaf)
{
	return iopgt_group_member_marks(table, group).dirty
	               ? format_make_dirty(&table->format, leaf)
	               : leaf;
}

uint64_t iopgt_group_changed(struct iopgt_table *table, const struct group_change *change,
                             uint64_t old)
{
	const struct iopgt_format *f = &table->format;

	if (change->dirty && !format_is_dirty(f, old)) {
		if (!format_is_tracked(f, old))
			table_note(&table->kept_dirty);
		old = format_make_dirty(f, old);
	}
	return (old & ~change->clear) | change->set;
}

void iopgt_group_change(struct iopgt_table *table, const struct iopgt_group *group,
                        const struct group_change *change)
{
	const struct iopgt_format *f = &table->format;

	for (uint32_t i = 0; i < group->count; i++) {
		live_descriptor *entry = &group->entries[i];
		uint64_t old = live_load(entry);

		/* By compare-and-swap, whatever walkers do to it meanwhile. */
		while (format_is_leaf(f, group->level, old) &&
		       format_is_member(f, group->level, old) == change->members &&
		       iopgt_group_changed(table, change, old) != old &&
		       !live_replace(entry, &old, iopgt_group_changed(table, change, old))) {
		}
	}
	table_clean(table, group->entries, group->count);
}

void iopgt_group_write(const struct iopgt_table *table, const struct iopgt_group *group)
{
	for (uint32_t i = 0; i < group->count; i++)
		marks_dirty_if_clean(&table->format, &group->entries[i], group->level);
}

void iopgt_group_spread(struct iopgt_table *table, const struct iopgt_group *group)
{
	const struct group_marks marks = iopgt_group_member_marks(table, group);
	const struct group_change change = {
		.members = true,
		.dirty = marks.dirty,
		.set = marks.accessed ? table->format.accessed : 0,
	};

	iopgt_group_change(table, group, &change);
}

void iopgt_group_dissolve(struct iopgt_table *table, const struct iopgt_group *group)
{
	const struct iopgt_format *f = &table->format;
	const struct group_change change = {.members = true,
	                                    .clear = f->contiguous | f->ungrouping};

	iopgt_group_spread(table, group);
	iopgt_group_change(table, group, &change);
}
