/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/cursor.h"
#include "core/describe.h"

static uint32_t check_table(const struct iopgt_table *table, uint64_t d)
{
	const struct iopgt_format *f = &table->format;
	uint64_t phys = format_address(f, d);

	if (phys & (table_bytes(table) - 1) || phys > geometry_output_last(&table->geometry) ||
	    !table_virt(table, phys))
		return IOPGT_RULE_TABLE_ADDRESS;
	if ((d & ~(f->cleaned | f->unsettled)) != format_make_table(f, phys))
		return IOPGT_RULE_TABLE_BITS;
	return table->non_coherent && !(d & f->cleaned) ? IOPGT_RULE_NOT_CLEANED : IOPGT_RULE_NONE;
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

/* Whether the leaf is what its own permissions and memory type encode to. */
static bool encodes_back(const struct iopgt_format *f, int level, uint64_t d)
{
	uint32_t prot, memory;
	uint64_t bits;

	f->leaf_prot(f, d, &prot, &memory);
	if (format_is_clean(f, d))
		prot |= IOPGT_CLEAN;
	if (f->leaf_bits(f, prot, memory, &bits))
		return false;
	return format_leaf_bits(f, level, d & ~f->kept_dirty) == bits;
}

static uint32_t check_leaf(const struct iopgt_table *table, int level, uint64_t d)
{
	const struct iopgt_format *f = &table->format;
	const struct iopgt_geometry *g = &table->geometry;
	uint64_t low = geometry_size(g, level) - 1;
	bool not_cached = level != IOPGT_LAST_LEVEL && (d & f->no_cache);
	uint64_t phys = format_address(f, not_cached ? d & ~f->no_cache : d);
	uint32_t rule;

	if (!geometry_leaf_allowed(g->leaf_sizes, g, level))
		return IOPGT_RULE_LEAF_LEVEL;
	if (phys & low || (phys | low) > geometry_output_last(g))
		return IOPGT_RULE_LEAF_ADDRESS;
	rule = check_state(table, d);
	if (rule)
		return rule;
	return not_cached || !encodes_back(f, level, d) ? IOPGT_RULE_LEAF_BITS : IOPGT_RULE_NONE;
}

/* Looks at the cursor's entry; goes down into a good table. */
static uint32_t check_entry(struct iopgt_cursor *c, uint64_t d, uint32_t *tables)
{
	const struct iopgt_format *f = &c->table->format;
	uint32_t rule;

	if (format_is_table(f, c->level, d)) {
		rule = check_table(c->table, d);
		if (rule)
			return rule;
		++*tables;
		return cursor_down(c, d) ? IOPGT_RULE_TABLE_ADDRESS : IOPGT_RULE_NONE;
	}
	if (format_is_leaf(f, c->level, d))
		return check_leaf(c->table, c->level, d);
	return d ? IOPGT_RULE_INVALID_BITS : IOPGT_RULE_NONE;
}

int iopgt_check(const struct iopgt_table *table, struct iopgt_finding *finding)
{
	struct iopgt_cursor c;
	uint32_t tables = 0;
	bool more = true;

	if (!table || !finding)
		return IOPGT_BAD_ARGUMENT;
	cursor_start(&c, table, (struct iopgt_range){0, geometry_input_last(&table->geometry)},
	             NULL);
	while (more) {
		uint64_t d = live_load_table(cursor_entry(&c));
		int level = c.level;

		finding->iova = cursor_first(&c);
		finding->level = level;
		finding->descriptor = d;
		finding->rule = check_entry(&c, d, &tables);
		if (finding->rule)
			return IOPGT_CORRUPT;
		if (c.level == level)
			more = cursor_next(&c, 1);
	}
	*finding =
		(struct iopgt_finding){.level = table->geometry.start_level, .descriptor = tables};
	if (tables == table_counted(&table->tables))
		return IOPGT_OK;
	finding->rule = IOPGT_RULE_TABLE_COUNT;
	return IOPGT_CORRUPT;
}

const char *iopgt_rule_text(uint32_t rule)
{
	static const char *const texts[] = {
		[IOPGT_RULE_NONE] = "no broken rule",
		[IOPGT_RULE_TABLE_ADDRESS] = "table misaligned, out of the output space or unknown",
		[IOPGT_RULE_TABLE_BITS] = "attribute or reserved bits set in a table descriptor",
		[IOPGT_RULE_LEAF_LEVEL] = "leaf of a size that is not allowed",
		[IOPGT_RULE_LEAF_ADDRESS] = "leaf output misaligned or out of the output space",
		[IOPGT_RULE_LEAF_BITS] = "leaf attributes that no mapping has",
		[IOPGT_RULE_LEAF_STATE] = "dirty state that the configuration cannot have",
		[IOPGT_RULE_INVALID_BITS] = "invalid descriptor that is not zero",
		[IOPGT_RULE_NOT_CLEANED] = "linked table not cleaned for a non-coherent walker",
		[IOPGT_RULE_TABLE_COUNT] = "tables linked and tables counted differ",
	};

	return rule < sizeof(texts) / sizeof(texts[0]) ? texts[rule] : "unknown rule";
}
