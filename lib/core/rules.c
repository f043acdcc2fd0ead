/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/rules.h"

#include "core/cursor.h"
#include "core/describe.h"
#include "core/group.h"

static uint32_t check_table(const struct iopgt_table *table, uint64_t d)
{
	const struct iopgt_format *f = &table->format;
	/* Walkers may set access flags of tables though nobody here asks for them. */
	uint64_t own = table->opened
	                       ? f->table_ignored
	                       : f->cleaned | f->unsettled | f->accessed | f->was_walked | f->age;
	uint64_t phys = format_address(f, d);

	/* It is a multiple of a table's size: bits below have no place in a descriptor. */
	if (phys > geometry_output_last(&table->geometry) || !table_virt(table, phys))
		return IOPGT_RULE_TABLE_ADDRESS;
	if ((d & ~own) != (format_make_table(f, phys) & ~own))
		return IOPGT_RULE_TABLE_BITS;
	return table->non_coherent && !table->adopting && !(d & f->cleaned) ? IOPGT_RULE_NOT_CLEANED
	                                                                    : IOPGT_RULE_NONE;
}

static uint32_t check_state(const struct iopgt_table *table, uint64_t d)
{
	const struct iopgt_format *f = &table->format;
	uint64_t state = d & f->state_mask;

	if ((d & f->kept_dirty) && !table_counted(&table->kept_dirty))
		return IOPGT_RULE_LEAF_STATE;
	if (f->dirty_managed && (state == f->state_clean || state == f->state_dirty))
		return IOPGT_RULE_NONE;
	if (state == f->state_untracked || state == f->state_read_only)
		return IOPGT_RULE_NONE;
	return IOPGT_RULE_LEAF_STATE;
}

/* Whether somebody sets a cleared access flag, or was there to do so. */
static bool may_be_not_accessed(const struct iopgt_table *table)
{
	return table->access_managed || table_counted(&table->cleared_accessed);
}

/*
 * Whether the leaf is what its own permissions, memory type and attributes encode
 * to. Mostly a leaf is like the last one.
 */
static bool encodes_back(struct iopgt_rules_walk *walk, int level, uint64_t d)
{
	const struct iopgt_table *table = walk->table;
	const struct iopgt_format *f = &table->format;
	uint64_t free_bits = f->kept_dirty | f->contiguous | f->ungrouping;
	uint64_t given = format_leaf_bits(f, level, d & ~free_bits);
	struct iopgt_leaf_kind kind;
	uint64_t bits;

	if (given == walk->good_bits)
		return true;
	f->leaf_kind(f, d, &kind);
	if (format_is_clean(f, d))
		kind.prot |= IOPGT_CLEAN;
	if (f->leaf_bits(f, &kind, &bits))
		return false;
	if (may_be_not_accessed(table))
		bits = (bits & ~f->accessed) | (given & f->accessed);
	if (given != bits)
		return false;
	walk->good_bits = given;
	return true;
}

/* A member of a contiguous group: allowed, and like all the others. */
static uint32_t check_group(const struct iopgt_cursor *c, uint64_t d)
{
	const struct iopgt_format *f = &c->table->format;
	const struct iopgt_geometry *g = &c->table->geometry;
	struct iopgt_group group = group_at(c);
	uint64_t low = geometry_group_size(g, c->level) - 1;
	uint64_t bits = format_leaf_bits(f, c->level, format_without_marks(f, d));
	uint64_t phys = describe_phys(c->table, c->level, d) & ~low;

	if (!geometry_group_allowed(g->leaf_sizes, g, c->level))
		return IOPGT_RULE_GROUP;
	/* Looked at with the first one, if that is a member. */
	if (cursor_in_place(c) && (live_load(group.entries) & f->contiguous) &&
	    format_is_leaf(f, c->level, live_load(group.entries)))
		return IOPGT_RULE_NONE;
	for (uint32_t i = 0; i < group.count; i++, phys += geometry_size(g, c->level)) {
		uint64_t other = live_load(&group.entries[i]);

		if (!format_is_leaf(f, c->level, other) ||
		    (other & f->contiguous) != (d & f->contiguous) ||
		    format_without_marks(f, other) != format_make_leaf(f, c->level, phys, bits))
			return IOPGT_RULE_GROUP;
	}
	return IOPGT_RULE_NONE;
}

/* Whether dirty verbs would find a leaf that is dirty. A walker marks tables before leaves. */
static bool is_found(const struct iopgt_cursor *c)
{
	const struct iopgt_format *f = &c->table->format;

	live_order_loads();
	for (int level = c->level - 1; level >= c->table->geometry.start_level; level--) {
		if (!(live_load(cursor_entry_above(c, level)) & (f->walked | f->was_walked)))
			return false;
	}
	return true;
}

static uint32_t check_leaf(const struct iopgt_cursor *c, uint64_t d, struct iopgt_rules_walk *walk)
{
	const struct iopgt_table *table = c->table;
	const struct iopgt_format *f = &table->format;
	const struct iopgt_geometry *g = &table->geometry;
	uint64_t low = geometry_size(g, c->level) - 1;
	bool not_cached = c->level != IOPGT_LAST_LEVEL && (d & f->no_cache);
	uint64_t phys = format_address(f, not_cached ? d & ~f->no_cache : d);
	uint32_t rule;

	if (!geometry_leaf_allowed(g->leaf_sizes, g, c->level))
		return IOPGT_RULE_LEAF_LEVEL;
	if (phys & low || (phys | low) > geometry_output_last(g))
		return IOPGT_RULE_LEAF_ADDRESS;
	rule = check_state(table, d);
	if (rule)
		return rule;
	/* Others use memory types and attributes that this library has no name for. */
	if (not_cached || (d & f->leaf_reserved) ||
	    (!(d & f->accessed) && !may_be_not_accessed(table)) ||
	    (!table->opened && !encodes_back(walk, c->level, d)))
		return IOPGT_RULE_LEAF_BITS;
	if (table_counted(&table->skips) && format_is_dirty(f, d) && !is_found(c))
		return IOPGT_RULE_TABLE_ACCESS;
	return d & f->contiguous ? check_group(c, d) : IOPGT_RULE_NONE;
}

/* Goes down into a good table that nobody else links. */
static uint32_t check_link(struct iopgt_cursor *c, uint64_t d, struct iopgt_rules_walk *walk)
{
	uint32_t rule = check_table(c->table, d);

	if (rule)
		return rule;
	walk->tables++;
	walk->unfinished |= (d & c->table->format.unsettled) != 0;
	if (walk->claim) {
		walk->err = walk->claim(walk->context, format_address(&c->table->format, d));
		if (walk->err)
			return IOPGT_RULE_TABLE_SHARED;
	}
	return cursor_down(c, d) ? IOPGT_RULE_TABLE_SHARED : IOPGT_RULE_NONE;
}

/* Looks at the cursor's entry. */
static uint32_t check_entry(struct iopgt_cursor *c, uint64_t d, struct iopgt_rules_walk *walk)
{
	const struct iopgt_format *f = &c->table->format;

	if (format_is_table(f, c->level, d))
		return check_link(c, d, walk);
	if (format_is_leaf(f, c->level, d)) {
		walk->unfinished |= (d & f->ungrouping) != 0;
		return check_leaf(c, d, walk);
	}
	if (c->table->opened)
		return format_is_present(f, d) ? IOPGT_RULE_LEAF_LEVEL : IOPGT_RULE_NONE;
	return d ? IOPGT_RULE_INVALID_BITS : IOPGT_RULE_NONE;
}

int iopgt_rules_walk(struct iopgt_rules_walk *walk, struct iopgt_finding *finding)
{
	struct iopgt_cursor c;
	bool more = true;

	cursor_start(&c, walk->table, table_whole(walk->table), NULL);
	walk->good_bits = UINT64_MAX; /* of no leaf */
	while (more) {
		uint64_t d = live_load_table(cursor_entry(&c));
		int level = c.level;

		finding->iova = cursor_first(&c);
		finding->level = level;
		finding->descriptor = d;
		finding->rule = check_entry(&c, d, walk);
		if (finding->rule)
			return IOPGT_CORRUPT;
		if (c.level == level)
			more = cursor_next(&c, 1);
		if (walk->max_tables && walk->tables > walk->max_tables)
			return IOPGT_BAD_TABLE;
	}
	*finding = (struct iopgt_finding){.level = walk->table->geometry.start_level,
	                                  .descriptor = walk->tables};
	return IOPGT_OK;
}
