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

/*
 * The place of a group: where it is, or would be. Its members are the entries that
 * format_is_member finds there.
 */
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

/*
 * What is known of a place: of its members, or of all its leaves. Those count, too,
 * that are broken at this moment.
 */
struct group_marks {
	bool dirty, accessed;
};

struct group_marks iopgt_group_member_marks(const struct iopgt_table *table,
                                            const struct iopgt_group *group);
struct group_marks iopgt_group_leaf_marks(const struct iopgt_table *table,
                                          const struct iopgt_group *group);

/* `leaf`, a member, with the dirty mark that its group has. */
uint64_t iopgt_group_leaf(const struct iopgt_table *table, const struct iopgt_group *group,
                          uint64_t leaf);

/* What becomes of the entries of a place. */
struct group_change {
	bool members; /* of those that are members; else of single leaves */
	bool dirty;   /* they count as written from now on */
	uint64_t clear, set;
};

void iopgt_group_change(struct iopgt_table *table, const struct iopgt_group *group,
                        const struct group_change *change);

/* What one entry becomes that is `old` now. */
uint64_t iopgt_group_changed(struct iopgt_table *table, const struct group_change *change,
                             uint64_t old);

/* Makes all entries dirty that are tracked and clean, as walkers would do it. */
void iopgt_group_write(const struct iopgt_table *table, const struct iopgt_group *group);

/* Gives all members the marks that any has. */
void iopgt_group_spread(struct iopgt_table *table, const struct iopgt_group *group);

/*
 * Makes the members single leaves at once, after spreading. The caller owes
 * the group's invalidation, and to whoever takes dirty state before it is
 * complete every member counts as dirty. Not at break-before-make level 0.
 */
void iopgt_group_dissolve(struct iopgt_table *table, const struct iopgt_group *group);

#endif
