/* SPDX-License-Identifier: BSD-2-Clause */
#include <iopgt/domain.h>

#include "core/overlap.h"
#include "core/walked.h"
#include "domain/tracking.h"

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
	iopgt_domain_set_policy(domain, NULL);
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
	table_set(&table->skips, skips);
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

bool iopgt_domain_capable(const struct iopgt_domain *domain, uint32_t capability)
{
	if (!domain)
		return false;
	switch (capability) {
	case IOPGT_CAPABLE_DIRTY_TRACKING:
		return iopgt_domain_can_track(domain);
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
