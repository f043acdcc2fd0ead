/* SPDX-License-Identifier: BSD-2-Clause */
#include "domain/tracking.h"

#include "core/overlap.h"
#include "core/scan.h"
#include "verbs/merge.h"

#define DEFAULT_COLD_SCANS 3

/*
 * How many blocks may be split until the next round. Each takes a table, so that one
 * count holds both bounds.
 */
static void begin_round(struct iopgt_domain *domain)
{
	const struct iopgt_tracking *how = &domain->how;
	uint32_t tables = table_counted(&domain->table.tables);
	uint32_t extra = tables > domain->first_tables ? tables - domain->first_tables : 0;
	uint32_t left = how->max_splits ? how->max_splits : UINT32_MAX;
	uint32_t room = how->max_extra_tables > extra ? how->max_extra_tables - extra : 0;

	table_set(&domain->table.splits_left, how->max_extra_tables && room < left ? room : left);
}

static uint8_t split_on_clear(uint32_t policy)
{
	switch (policy) {
	case IOPGT_SPLIT_EAGER:
		return SCAN_SPLIT_CLEANED;
	case IOPGT_SPLIT_ADAPTIVE:
		return SCAN_SPLIT_ADAPTIVE;
	default:
		return SCAN_SPLIT_NONE;
	}
}

void iopgt_domain_set_policy(struct iopgt_domain *domain, const struct iopgt_tracking *how)
{
	struct iopgt_table *table = &domain->table;
	bool on = how != NULL;

	domain->tracking = on;
	domain->how = on ? *how : (struct iopgt_tracking){.policy = IOPGT_SPLIT_NONE};
	domain->first_tables = table_counted(&table->tables);
	table->map_clean = on;
	table->never_clean = !on;
	table->map_leaf_sizes = domain->how.policy == IOPGT_SPLIT_EAGER
	                                ? geometry_granule(&table->geometry)
	                                : table->geometry.leaf_sizes;
	table->split_on_clear = split_on_clear(domain->how.policy);
	if (!domain->how.cold_scans)
		domain->how.cold_scans = DEFAULT_COLD_SCANS;
	table->cold_age =
		domain->how.policy == IOPGT_SPLIT_ADAPTIVE ? (uint8_t)domain->how.cold_scans : 0;
	begin_round(domain);
}

bool iopgt_domain_can_track(const struct iopgt_domain *domain)
{
	if (!domain->table.format.dirty_managed)
		return false;
	for (const struct iopgt_walker *w = domain->walkers; w; w = w->next) {
		if (!domain->table.software_dirty && !(w->flags & IOPGT_WALKER_DIRTY))
			return false;
	}
	return true;
}

static int switch_on(struct iopgt_domain *domain, struct iopgt_range range, struct iopgt_op *op)
{
	struct iopgt_scan scan = {.table = &domain->table, .op = op, .range = range};

	if (op->flags & IOPGT_OP_START_DIRTY) {
		scan.flags = SCAN_MAKE_DIRTY;
		/* What is dirty in this round does not tell what was written to. */
		if (domain->how.policy == IOPGT_SPLIT_ADAPTIVE)
			table_set(&domain->table.splits_left, 0);
		return iopgt_scan_run(&scan);
	}
	scan.flags = SCAN_CLEAN;
	if (domain->how.policy == IOPGT_SPLIT_EAGER)
		scan.split = SCAN_SPLIT_TRACKED;
	return iopgt_scan_run(&scan);
}

/* What the merge went over and left as it was becomes dirty: no more updates by walkers. */
static int switch_off(struct iopgt_domain *domain, struct iopgt_range range, struct iopgt_op *op)
{
	struct iopgt_scan scan = {
		.table = &domain->table, .op = op, .range = range, .flags = SCAN_MAKE_DIRTY};
	uint64_t budget = op->budget, from;
	int err =
		iopgt_merge_range(&domain->table, range, MERGE_FORCE_DIRTY | MERGE_IF_POSSIBLE, op);
	int made;

	if (err && err != IOPGT_AGAIN) {
		op->next = range.first;
		return err;
	}
	if (err == IOPGT_AGAIN)
		scan.range.last = op->next - 1;
	from = op->resumed_from;
	op->budget = 0;
	made = iopgt_scan_run(&scan);
	op->budget = budget;
	if (made)
		op->next = range.first;
	op->resumed_from = from;
	return made ? made : err;
}

int iopgt_switch_dirty_log(struct iopgt_domain *domain, bool on, uint64_t iova, uint64_t size,
                           struct iopgt_op *op)
{
	struct iopgt_claim *claim;
	struct iopgt_range range;
	int err;

	if (!domain)
		return IOPGT_BAD_ARGUMENT;
	err = iopgt_check_call(&domain->table, iova, size, op, &range);
	if (err)
		return err;
	if (!domain->table.format.dirty_managed)
		return IOPGT_NO_DIRTY;
	if (on && !domain->tracking)
		return IOPGT_NOT_TRACKING;
	err = iopgt_overlap_begin(&domain->table, OVERLAP_SWITCH, range, &claim);
	if (err)
		return err;
	err = on ? switch_on(domain, range, op) : switch_off(domain, range, op);
	iopgt_overlap_end(claim);
	return err;
}

/* Whether there is such a policy, and such an age. */
static bool is_policy(const struct iopgt_tracking *how)
{
	return how->policy <= IOPGT_SPLIT_ADAPTIVE && how->cold_scans <= IOPGT_MAX_COLD_SCANS;
}

int iopgt_set_dirty_tracking(struct iopgt_domain *domain, bool on, const struct iopgt_tracking *how,
                             struct iopgt_op *op)
{
	const struct iopgt_geometry *g;
	int err;

	if (!domain || (on && !how))
		return IOPGT_BAD_ARGUMENT;
	err = iopgt_check_op(&domain->table, op);
	if (err)
		return err;
	if (!domain->table.format.dirty_managed || (on && !iopgt_domain_can_track(domain)))
		return IOPGT_NO_DIRTY;
	if (on && !is_policy(how))
		return IOPGT_BAD_POLICY;
	iopgt_domain_set_policy(domain, on ? how : NULL);
	g = &domain->table.geometry;
	return iopgt_switch_dirty_log(domain, on, g->input_first, geometry_input_size(g), op);
}

int iopgt_merge_cold(struct iopgt_domain *domain, uint64_t iova, uint64_t size, struct iopgt_op *op)
{
	struct iopgt_claim *claim;
	struct iopgt_range range;
	int err;

	if (!domain)
		return IOPGT_BAD_ARGUMENT;
	err = iopgt_check_call(&domain->table, iova, size, op, &range);
	if (err)
		return err;
	if (!domain->tracking || domain->how.policy != IOPGT_SPLIT_ADAPTIVE)
		return IOPGT_NOT_TRACKING;
	err = iopgt_overlap_begin(&domain->table, OVERLAP_MERGE, range, &claim);
	if (err)
		return err;
	err = iopgt_merge_range(&domain->table, range, MERGE_COLD | MERGE_IF_POSSIBLE, op);
	begin_round(domain);
	iopgt_overlap_end(claim);
	return err;
}
