/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Contiguous groups: aligned entries of one table that walkers may cache as one
 * translation (D8.7.1). A walker that marks one entry need not mark the others
 * (R_JKCXG), so that a group is dirty if any of its members is, and single
 * members say nothing while the group, or a cached copy of it, is there.
 */
#ifndef IOPGT_CORE_GROUP_H
#define IOPGT_CORE_GROUP_H

#include "core/cursor.h"

/* The place of a group. Its members are the entries that format_is_member finds there. */
struct iopgt_group {
	live_descriptor *entries;
	uint32_t count;
	int level;
	struct iopgt_range range;
};

/* Where the entry `index` of a table at `level` would have its group; iova is inside the entry. */
static inline struct iopgt_group group_of_entry(const struct iopgt_table *table,
                                                live_descriptor *entries, uint32_t index, int level,
                                                uint64_t iova)
{
	const struct iopgt_geometry *g = &table->geometry;
	uint32_t count = geometry_group_entries(g, level);
	uint64_t first = iova & ~(geometry_group_size(g, level) - 1);

	return (struct iopgt_group){
		.entries = entries + (index & ~(count - 1)),
		.count = count,
		.level = level,
		.range = {first, first + (geometry_group_size(g, level) - 1)},
	};
}

static inline struct iopgt_group group_at(const struct iopgt_cursor *c)
{
	return group_of_entry(c->table, cursor_table(c), cursor_index(c), c->level, c->iova);
}

/* Entries from the cursor to the end of the group's place, as far as the range goes. */
static inline uint32_t group_rest(const struct iopgt_cursor *c)
{
	uint32_t count = geometry_group_entries(&c->table->geometry, c->level);
	uint32_t rest = count - (cursor_index(c) & (count - 1));
	uint32_t in_range = cursor_rest(c);

	return rest < in_range ? rest : in_range;
}

static inline bool group_lies_in(const struct iopgt_group *group, struct iopgt_range range)
{
	return group->range.first >= range.first && group->range.last <= range.last;
}

/* Whether any member is dirty. */
bool iopgt_group_is_dirty(const struct iopgt_table *table, const struct iopgt_group *group);

/* `leaf`, a member, with the dirty mark that its group has. */
uint64_t iopgt_group_leaf(const struct iopgt_table *table, const struct iopgt_group *group,
                          uint64_t leaf);

/* Makes every member clean. Owes nothing: the caller does. */
void iopgt_group_clean(const struct iopgt_table *table, const struct iopgt_group *group);

/* Makes every member dirty. */
void iopgt_group_make_dirty(struct iopgt_table *table, const struct iopgt_group *group);

/*
 * Makes the members single leaves at once, all dirty if one was. The caller owes
 * the group's invalidation, and to whoever takes dirty state before it is
 * complete every member counts as dirty. Not at break-before-make level 0.
 */
void iopgt_group_dissolve(struct iopgt_table *table, const struct iopgt_group *group);

/*
 * Breaks up every group (tracked_only: of tracked leaves) that overlaps the
 * range: their members become single leaves, all dirty if one was. Waits. The
 * budget of op, if it has one, may cut range->last; IOPGT_BUSY cuts it before the
 * entry that another call replaces.
 *
 * Return: IOPGT_OK; IOPGT_BUSY; IOPGT_WOULD_SPLIT; IOPGT_WOULD_BREAK (level 0);
 * IOPGT_BAD_TABLE; an error of the host: at level 0 the groups are whole again,
 * else their members are noted as `ungrouping` until a later call completes it,
 * and count as a group.
 */
int iopgt_ungroup(struct iopgt_table *table, struct iopgt_range *range, bool tracked_only,
                  struct iopgt_op *op);

/* The same for those groups alone that cross an end of the range. No budget. */
int iopgt_ungroup_ends(struct iopgt_table *table, struct iopgt_range range, struct iopgt_op *op);

/*
 * Makes groups of single leaves that could be one, where a group lies wholly in
 * the range and ends after `from`. Waits at level 0 alone, else op owes the
 * invalidation.
 *
 * Return: IOPGT_OK; IOPGT_BAD_TABLE; IOPGT_WOULD_BREAK (level 0); an error of the
 * host, at level 0: no group was made.
 */
int iopgt_make_groups(struct iopgt_table *table, struct iopgt_range range, uint64_t from,
                      struct iopgt_op *op);

#endif
