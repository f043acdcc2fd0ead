/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's callbacks as steps, which fail on demand. */
#include "explore.h"

#include <inttypes.h>

static struct explore *of;

/*
 * What may be placed before the call. Nobody sees that memory is taken, but where the
 * host fails; nor a barrier, unless something was stored.
 */
static uint32_t meets(const struct explore *x, enum host_call call)
{
	if (call == HOST_ALLOC && !(x->scenario->nth && x->scenario->fails == HOST_ALLOC))
		return 0;
	if (call == HOST_PUBLISH && !x->cpus[x->current].stored)
		return 0;
	return EXPLORE_ALL;
}

/* A place before the call; true: it is to fail. */
static bool enter(enum host_call call, const char *what)
{
	struct explore *x = of;

	if (!x->inside)
		return false;
	explore_place(x, what, NULL, meets(x, call));
	if (call != HOST_ALLOC && call != HOST_FREE && call != HOST_CLEAN)
		explore_drain(x, &x->cpus[x->current]);
	return x->scenario->fails == call && x->fails_in && --x->fails_in == 0;
}

static void *alloc_table(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys)
{
	struct explore *x = of;
	struct explore_cpu *cpu;
	void *table;

	if (enter(HOST_ALLOC, "alloc"))
		return NULL;
	table = x->f->host.hal.alloc_table(context, bytes, flags, phys);
	cpu = &x->cpus[x->current];
	if (table && x->inside && cpu->fresh_count < sizeof(cpu->fresh) / sizeof(cpu->fresh[0]))
		cpu->fresh[cpu->fresh_count++] = *phys;
	return table;
}

static void check_free(struct explore *x, uint64_t phys, uint32_t bytes)
{
	for (unsigned i = 0; i < x->f->host.walker_count; i++)
		if (walker_caches_table(x->f->host.walkers[i].walker, phys, bytes))
			explore_wrong(x, "table 0x%" PRIx64 " freed while walker %u caches it",
			              phys, i);
}

static void free_table(void *context, void *table, uint64_t phys, uint32_t bytes)
{
	struct explore *x = of;

	enter(HOST_FREE, "free");
	check_free(x, phys, bytes);
	explore_forget_table(x, phys, bytes);
	for (uint32_t i = 0; i < x->cpus[x->current].fresh_count && x->inside; i++)
		if (x->cpus[x->current].fresh[i] == phys)
			x->cpus[x->current].fresh[i] = UINT64_MAX;
	if (x->inside && x->f->hal.flags & IOPGT_HAL_DEFERS_FREE && x->deferred_count < 64) {
		x->deferred[x->deferred_count].table = table;
		x->deferred[x->deferred_count].phys = phys;
		x->deferred[x->deferred_count++].bytes = bytes;
		return;
	}
	x->f->host.hal.free_table(context, table, phys, bytes);
}

/* No walker came to them after they were freed. */
void explore_free_deferred(struct explore *x)
{
	for (uint32_t i = 0; i < x->deferred_count; i++) {
		check_free(x, x->deferred[i].phys, x->deferred[i].bytes);
		x->f->host.hal.free_table(&x->f->host, x->deferred[i].table, x->deferred[i].phys,
		                          x->deferred[i].bytes);
	}
	x->deferred_count = 0;
}

static void clean(void *context, const void *address, uint32_t bytes)
{
	enter(HOST_CLEAN, "clean");
	if (of->inside)
		explore_drain_lines(of, &of->cpus[of->current], address, bytes);
	of->f->host.hal.clean(context, address, bytes);
}

static void publish(void *context)
{
	enter(HOST_PUBLISH, "publish");
	of->f->host.hal.publish(context);
}

static int invalidate_range(void *context, const struct iopgt_invalidation *request)
{
	if (enter(HOST_RANGE, "invalidate range"))
		return HOST_ERROR;
	return of->f->host.hal.tlb.invalidate_range(context, request);
}

static int invalidate_all(void *context)
{
	if (enter(HOST_ALL, "invalidate all"))
		return HOST_ERROR;
	of->sync_broken = false;
	return of->f->host.hal.tlb.invalidate_all(context);
}

/*
 * A failed one loses what all CPUs had posted, and fails from then on until all is
 * invalidated (see struct iopgt_tlb_ops); or, with EXPLORE_ONCE, until the CPU has
 * gone on: nobody else may have synced before.
 */
static int wait_for_all(void *context)
{
	struct explore *x = of;

	if (enter(HOST_SYNC, "sync")) {
		x->sync_broken = true;
		x->learns = &x->cpus[x->current];
	}
	if (x->sync_broken)
		host_fail(&x->f->host, HOST_SYNC, 1, false);
	else
		explore_settle(x, NULL);
	return x->f->host.hal.tlb.sync(context);
}

/* In a sync, between the TLB and the copies of an ATS device. */
static void between(void *context)
{
	(void)context;
	enter(HOST_ATC, "device's copies");
}

/* The table has a pointer to the fixture's HAL. */
void explore_hal(struct explore *x)
{
	struct iopgt_hal *hal = &x->f->hal;

	of = x;
	*hal = x->f->host.hal;
	hal->alloc_table = alloc_table;
	hal->free_table = free_table;
	hal->clean = clean;
	hal->publish = publish;
	hal->tlb.invalidate_range = invalidate_range;
	hal->tlb.invalidate_all = invalidate_all;
	hal->tlb.sync = wait_for_all;
	x->f->host.between = between;
}
