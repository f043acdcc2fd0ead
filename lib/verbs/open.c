/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/group.h"
#include "core/rules.h"

/* --- For readers: a HAL with phys_to_virt alone --- */

static int no_sync(void *context)
{
	(void)context;
	return IOPGT_OK;
}

static const struct iopgt_tlb_ops no_walkers = {.sync = no_sync};

static void make_read_only(struct iopgt_table *table, const struct iopgt_hal *hal)
{
	table->read_only = true;
	table->tlb = hal->tlb.sync ? &hal->tlb : &no_walkers;
	/* Nothing is ever cleaned for walkers, and what is invalid is no mark of this library. */
	table->non_coherent = false;
	table->format.broken = 0;
	/* The tree may have groups that this configuration would not make. */
	for (int level = table->geometry.start_level; level <= IOPGT_LAST_LEVEL; level++)
		table->grouped |= geometry_group_bits(&table->geometry, level) != 0;
}

/* --- For owners: each table may be linked once --- */

/* Maps the tables that were met, at their physical addresses. */
struct claims {
	struct iopgt_table map;
	uint64_t granule;
};

static int claims_init(struct claims *claims, const struct iopgt_table *table)
{
	struct iopgt_config config = {
		.regime = IOPGT_STAGE1_EL2,
		.flags = table->config.flags & IOPGT_CONFIG_LPA2,
		.granule_shift = table->config.granule_shift,
		.input_bits = table->config.output_bits,
		.output_bits = table->config.output_bits,
	};
	int err = iopgt_table_configure(&claims->map, &config);

	if (err)
		return err;
	claims->granule = geometry_granule(&table->geometry);
	/* Never called: what is only ever added to owes no invalidation. */
	claims->map.tlb = table->tlb;
	claims->map.tlb_context = table->tlb_context;
	return iopgt_table_init(&claims->map, table->hal, table->context);
}

static int claim(void *context, uint64_t phys)
{
	struct claims *claims = context;
	struct iopgt_mapping mapping = {.iova = phys,
	                                .phys = phys,
	                                .size = claims->granule,
	                                .prot = IOPGT_READ,
	                                .memory = IOPGT_WRITE_BACK};
	struct iopgt_op op = {0};

	return iopgt_map(&claims->map, &mapping, &op);
}

/* The start table, which may be smaller or larger than a granule. */
static int claim_root(struct claims *claims, const struct iopgt_table *table)
{
	uint64_t first = table->root_phys & ~(claims->granule - 1);
	uint64_t last = table->root_phys + (table->geometry.root_bytes - 1);
	int err = IOPGT_OK;

	for (; !err && first <= last; first += claims->granule)
		err = claim(claims, first);
	return err;
}

/* Looks at each table once, and finds those that are linked twice. */
static int check_links(struct iopgt_table *table, struct iopgt_rules_walk *walk,
                       struct iopgt_finding *finding)
{
	struct claims claims;
	int err = claims_init(&claims, table);

	if (err)
		return err;
	walk->claim = claim;
	walk->context = &claims;
	err = claim_root(&claims, table);
	if (!err)
		err = iopgt_rules_walk(walk, finding);
	iopgt_fini(&claims.map);
	walk->claim = NULL;
	walk->context = NULL;
	if (!walk->err || walk->err == IOPGT_EXISTS)
		return err;
	/* No table that is linked twice, but no memory to find out. */
	finding->rule = IOPGT_RULE_NONE;
	return walk->err;
}

/*
 * A second look finds links to the memory that the claims were kept in.
 * *unfinished: as in struct iopgt_rules_walk.
 */
static int check_tree(struct iopgt_table *table, struct iopgt_finding *finding, bool *unfinished)
{
	struct iopgt_rules_walk first = {.table = table, .max_tables = table->max_tables};
	struct iopgt_rules_walk again = {.table = table};
	int err = check_links(table, &first, finding);

	if (err)
		return err;
	again.max_tables = first.tables;
	err = iopgt_rules_walk(&again, finding);
	table->tables = (uint32_t)again.tables;
	*unfinished = again.unfinished;
	return err;
}

/* What may be cached of blocks and groups that are no more goes. */
static int forget_leaves(const struct iopgt_table *table)
{
	int err = table->tlb->invalidate_all(table->tlb_context);

	return err ? err : table->tlb->sync(table->tlb_context);
}

/* What an invalid entry holds means nothing: not to this library, either. */
static void clear_invalid(const struct iopgt_table *table, live_descriptor *entry)
{
	uint64_t d = live_load(entry);

	if (d && !format_is_present(&table->format, d))
		live_store(entry, 0);
}

/* Completes the break-up of the group that the cursor's leaf is in. */
static void finish_ungroup(struct iopgt_table *table, const struct iopgt_cursor *c, uint64_t d)
{
	struct iopgt_group group = group_at(c);

	if (d & table->format.contiguous) {
		live_clear(cursor_entry(c), table->format.ungrouping); /* another's bit 55 */
		return;
	}
	for (uint32_t i = 0; i < group.count; i++)
		clear_invalid(table, &group.entries[i]);
	iopgt_group_dissolve(table, &group);
}

/* Clears what invalid descriptors hold, and lets non-coherent walkers see all tables. */
static void adopt(struct iopgt_table *table)
{
	const struct iopgt_format *f = &table->format;
	struct iopgt_cursor c;
	enum cursor_move move = CURSOR_MORE;

	cursor_start(&c, table, table_whole(table), NULL);
	while (move != CURSOR_END) {
		uint64_t d = live_load_table(cursor_entry(&c));

		if (format_is_table(f, c.level, d)) {
			live_clear(cursor_entry(&c), f->cleaned | f->unsettled);
			if (f->walked)
				live_set(cursor_entry(&c), f->walked);
			if (cursor_down(&c, d) == IOPGT_OK)
				continue;
		}
		clear_invalid(table, cursor_entry(&c));
		if (format_is_leaf(f, c.level, d) && (d & f->ungrouping))
			finish_ungroup(table, &c, d);
		move = cursor_step(&c, 1);
		while (move == CURSOR_UP) {
			table_clean(table, cursor_child(&c),
			            geometry_entries(&table->geometry, c.level + 1));
			if (table->non_coherent)
				live_set(cursor_entry(&c), f->cleaned);
			move = cursor_step(&c, 1);
		}
	}
	table_clean_root(table);
	table_publish(table);
}

static int find_root(struct iopgt_table *table, uint64_t phys)
{
	uint32_t bytes = table->geometry.root_bytes;

	if ((phys & (bytes - 1)) || phys > geometry_output_last(&table->geometry))
		return IOPGT_BAD_ROOT;
	table->root_phys = phys;
	table->root = table->hal->phys_to_virt(table->context, phys, bytes);
	return table->root && table_is_aligned(table->root) ? IOPGT_OK : IOPGT_BAD_ROOT;
}

static int take_over(struct iopgt_table *table, const struct iopgt_hal *hal,
                     struct iopgt_finding *finding)
{
	bool unfinished = false;
	int err;

	table->tlb = &hal->tlb;
	err = iopgt_table_check_hal(table, hal);
	if (err)
		return err;
	table->adopting = true;
	err = check_tree(table, finding, &unfinished);
	if (!err && unfinished)
		err = forget_leaves(table);
	if (err)
		return err;
	table->adopting = false;
	adopt(table);
	table->skips = table->format.walked != 0;
	return IOPGT_OK;
}

int iopgt_open(struct iopgt_table *table, const struct iopgt_config *config,
               const struct iopgt_hal *hal, void *context, const struct iopgt_tree *tree)
{
	struct iopgt_finding found = {0};
	int err;

	if (!table || !config || !hal || !tree)
		return IOPGT_BAD_ARGUMENT;
	if (tree->finding)
		*tree->finding = found;
	if (tree->flags & ~(uint32_t)IOPGT_OPEN_OWNING)
		return IOPGT_BAD_FLAGS;
	err = iopgt_table_configure(table, config);
	if (err)
		return err;
	if (!hal->phys_to_virt)
		return IOPGT_BAD_HAL;
	table_set_hal(table, hal, context);
	table->tlb_context = context;
	table->opened = true;
	/* Nobody knows what was walked. */
	table->skips = false;
	table->max_tables = tree->max_tables;
	/* The notes of whoever had it before count. */
	table->kept_dirty = 1;
	err = find_root(table, tree->root_phys);
	if (!err && (tree->flags & IOPGT_OPEN_OWNING))
		err = take_over(table, hal, &found);
	else if (!err)
		make_read_only(table, hal);
	if (tree->finding)
		*tree->finding = found;
	return err;
}
