/* SPDX-License-Identifier: BSD-2-Clause */
#include <iopgt/domain.h>

#include "core/overlap.h"
#include "core/scan.h"
#include "core/walked.h"
#include "verbs/merge.h"

#define STRONGEST_BBM_LEVEL 2

/* Every walker is told even if one fails; the first failure is returned. */
static int invalidate_range(void *context, const struct iopgt_invalidation *request)
{
	const struct iopgt_domain *domain = context;
	int err = IOPGT_OK;

	for (struct iopgt_walker *w = domain->walkers; w; w = w->next) {
		int failed = w->tlb->invalidate_range(w->context, request);

		err = err ? err : failed;
	}
	return err;
}

static int invalidate_all(void *context)
{
	const struct iopgt_domain *domain = context;
	int err = IOPGT_OK;

	for (struct iopgt_walker *w = domain->walkers; w; w = w->next) {
		int failed = w->tlb->invalidate_all(w->context);

		err = err ? err : failed;
	}
	return err;
}

static int sync_walkers(void *context)
{
	const struct iopgt_domain *domain = context;
	int err = IOPGT_OK;

	for (struct iopgt_walker *w = domain->walkers; w; w = w->next) {
		int failed = w->tlb->sync(w->context);

		err = err ? err : failed;
	}
	return err;
}

/* What is mapped and cleaned from now on. */
static void set_policy(struct iopgt_domain *domain, bool on, uint32_t policy)
{
	struct iopgt_table *table = &domain->table;
	bool eager = on && policy == IOPGT_SPLIT_EAGER;

	domain->tracking = on;
	domain->policy = policy;
	table->map_clean = on;
	table->never_clean = !on;
	table->map_leaf_sizes =
		eager ? geometry_granule(&table->geometry) : table->geometry.leaf_sizes;
	table->split_on_clear = eager ? SCAN_SPLIT_CLEANED : SCAN_SPLIT_NONE;
}

int iopgt_domain_init(struct iopgt_domain *domain, const struct iopgt_config *config,
                      const struct iopgt_hal *hal, void *context, uint32_t flags)
{
	int err;

	if (!domain || !config || !hal)
		return IOPGT_BAD_ARGUMENT;
	if (flags & ~(uint32_t)IOPGT_DOMAIN_ENFORCE_DIRTY)
		return IOPGT_BAD_FLAGS;
	*domain = (struct iopgt_domain){
		.tlb = {.invalidate_range = invalidate_range,
	                .invalidate_all = invalidate_all,
	                .sync = sync_walkers},
		.flags = flags,
	};
	err = iopgt_table_configure(&domain->table, config);
	if (err)
		return err;
	if ((flags & IOPGT_DOMAIN_ENFORCE_DIRTY) && config->dirty != IOPGT_DIRTY_HARDWARE)
		return IOPGT_NO_DIRTY;
	domain->table.tlb = &domain->tlb;
	domain->table.tlb_context = domain;
	domain->config_bbm_level = domain->table.bbm_level;
	domain->config_faults_retried = domain->table.faults_retried;
	domain->config_access_managed = domain->table.access_managed;
	set_policy(domain, false, IOPGT_SPLIT_NONE);
	return iopgt_table_init(&domain->table, hal, context);
}

int iopgt_domain_fini(struct iopgt_domain *domain)
{
	if (!domain)
		return IOPGT_BAD_ARGUMENT;
	return domain->walkers ? IOPGT_IN_USE : iopgt_fini(&domain->table);
}

/* The smaller limit, where 0 is none. */
static uint32_t stricter(uint32_t a, uint32_t b)
{
	if (!a || !b)
		return a | b;
	return a < b ? a : b;
}

/* Flags that are to be trusted again, though some walker did not set them, start set. */
static void set_skipping(struct iopgt_table *table, bool skips)
{
	if (skips && !table_counted(&table->skips))
		iopgt_walked_mark_all(table);
	table_set_note(&table->skips, skips);
}

/* The table works by what the configuration and all attached walkers allow. */
static void recompute(struct iopgt_domain *domain)
{
	struct iopgt_table *table = &domain->table;
	uint64_t join = UINT64_MAX;
	bool skips = table->format.walked != 0;

	table->bbm_level = domain->config_bbm_level;
	table->access_managed = domain->config_access_managed || domain->walkers;
	table->faults_retried = domain->config_faults_retried || domain->walkers;
	domain->tlb.max_ranges = 0;
	for (const struct iopgt_walker *w = domain->walkers; w; w = w->next) {
		if (w->bbm_level < table->bbm_level)
			table->bbm_level = w->bbm_level;
		if (!(w->flags & IOPGT_WALKER_FAULTS_RETRIED))
			table->faults_retried = false;
		if (!(w->flags & (IOPGT_WALKER_DIRTY | IOPGT_WALKER_ACCESSED)))
			table->access_managed = false;
		if (!(w->flags & IOPGT_WALKER_TABLE_ACCESSED))
			skips = false;
		/* Where leaves have no nT there is no level 1. */
		if (table->bbm_level == 1 && !table->format.no_cache)
			table->bbm_level = 0;
		domain->tlb.max_ranges = stricter(domain->tlb.max_ranges, w->tlb->max_ranges);
		if (w->tlb->join_bytes < join)
			join = w->tlb->join_bytes;
	}
	domain->tlb.join_bytes = domain->walkers ? join : 0;
	set_skipping(table, skips);
}

/* The link that points at the walker, or null. */
static struct iopgt_walker **link_of(struct iopgt_domain *domain, const struct iopgt_walker *walker)
{
	struct iopgt_walker **link = &domain->walkers;

	while (*link && *link != walker)
		link = &(*link)->next;
	return *link ? link : NULL;
}

static int claim_all(struct iopgt_domain *domain, enum overlap_verb verb,
                     struct iopgt_claim **claim)
{
	return iopgt_overlap_begin(&domain->table, verb, table_whole(&domain->table), claim);
}

static int check_walker(const struct iopgt_domain *domain, const struct iopgt_walker *walker)
{
	const struct iopgt_table *table = &domain->table;
	bool needs_dirty = (domain->flags & IOPGT_DOMAIN_ENFORCE_DIRTY) ||
	                   (domain->tracking && !table->software_dirty);

	if (!walker->tlb || !walker->tlb->invalidate_range || !walker->tlb->invalidate_all ||
	    !walker->tlb->sync)
		return IOPGT_BAD_HAL;
	if (walker->bbm_level > STRONGEST_BBM_LEVEL)
		return IOPGT_BAD_BBM_LEVEL;
	if (needs_dirty && !(walker->flags & IOPGT_WALKER_DIRTY))
		return IOPGT_NO_DIRTY;
	if (walker->input_bits < table->geometry.input_bits ||
	    walker->output_bits < table->geometry.output_bits)
		return IOPGT_INCOMPATIBLE;
	if (!table->non_coherent && !(walker->flags & IOPGT_WALKER_COHERENT))
		return IOPGT_INCOMPATIBLE;
	return IOPGT_OK;
}

static int attach(struct iopgt_domain *domain, struct iopgt_walker *walker)
{
	int err = check_walker(domain, walker);

	if (err)
		return err;
	walker->next = domain->walkers;
	domain->walkers = walker;
	recompute(domain);
	return IOPGT_OK;
}

int iopgt_domain_attach(struct iopgt_domain *domain, struct iopgt_walker *walker)
{
	struct iopgt_claim *claim;
	int err;

	if (!domain || !walker)
		return IOPGT_BAD_ARGUMENT;
	if (link_of(domain, walker))
		return IOPGT_IN_USE;
	err = claim_all(domain, OVERLAP_ATTACH, &claim);
	if (err)
		return err;
	err = attach(domain, walker);
	iopgt_overlap_end(claim);
	return err;
}

int iopgt_domain_detach(struct iopgt_domain *domain, struct iopgt_walker *walker)
{
	struct iopgt_claim *claim;
	struct iopgt_walker **link;
	int err;

	if (!domain || !walker)
		return IOPGT_BAD_ARGUMENT;
	link = link_of(domain, walker);
	if (!link)
		return IOPGT_NOT_ATTACHED;
	err = claim_all(domain, OVERLAP_DETACH, &claim);
	if (err)
		return err;
	*link = walker->next;
	walker->next = NULL;
	recompute(domain);
	iopgt_overlap_end(claim);
	return IOPGT_OK;
}

static bool can_track(const struct iopgt_domain *domain)
{
	if (!domain->table.format.dirty_managed)
		return false;
	for (const struct iopgt_walker *w = domain->walkers; w; w = w->next) {
		if (!domain->table.software_dirty && !(w->flags & IOPGT_WALKER_DIRTY))
			return false;
	}
	return true;
}

bool iopgt_domain_capable(const struct iopgt_domain *domain, uint32_t capability)
{
	if (!domain)
		return false;
	switch (capability) {
	case IOPGT_CAPABLE_DIRTY_TRACKING:
		return can_track(domain);
	case IOPGT_CAPABLE_LIVE_SPLIT:
		return domain->table.bbm_level > 0;
	case IOPGT_CAPABLE_SPLIT:
		return domain->table.bbm_level > 0 || domain->table.faults_retried;
	case IOPGT_CAPABLE_TABLE_ACCESS_FLAG:
		return table_counted(&domain->table.skips);
	default:
		return false;
	}
}

static int switch_on(struct iopgt_domain *domain, struct iopgt_range range, struct iopgt_op *op)
{
	struct iopgt_scan scan = {.table = &domain->table, .op = op, .range = range};

	if (op->flags & IOPGT_OP_START_DIRTY) {
		scan.flags = SCAN_MAKE_DIRTY;
		return iopgt_scan_run(&scan);
	}
	scan.flags = SCAN_CLEAN;
	if (domain->policy == IOPGT_SPLIT_EAGER)
		scan.split = SCAN_SPLIT_TRACKED;
	return iopgt_scan_run(&scan);
}

/* What the merge went over and left as it was becomes dirty: no more updates by walkers. */
static int switch_off(struct iopgt_domain *domain, struct iopgt_range range, struct iopgt_op *op)
{
	struct iopgt_scan scan = {
		.table = &domain->table, .op = op, .range = range, .flags = SCAN_MAKE_DIRTY};
	uint64_t budget = op->budget, next, from;
	int err =
		iopgt_merge_range(&domain->table, range, MERGE_FORCE_DIRTY | MERGE_IF_POSSIBLE, op);
	int made;

	if (err && err != IOPGT_AGAIN) {
		op->next = range.first;
		return err;
	}
	if (err == IOPGT_AGAIN)
		scan.range.last = op->next - 1;
	next = op->next;
	from = op->resumed_from;
	op->budget = 0;
	made = iopgt_scan_run(&scan);
	op->budget = budget;
	op->next = made ? range.first : err ? next : range.last + 1;
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
	if (!domain->table.format.dirty_managed || (on && !can_track(domain)))
		return IOPGT_NO_DIRTY;
	if (on && how->policy > IOPGT_SPLIT_EAGER)
		return IOPGT_BAD_POLICY;
	set_policy(domain, on, on ? how->policy : IOPGT_SPLIT_NONE);
	g = &domain->table.geometry;
	return iopgt_switch_dirty_log(domain, on, g->input_first, geometry_input_size(g), op);
}
