/* SPDX-License-Identifier: BSD-2-Clause */
/* The hook around the HAL. */
#include "fixture_private.h"

static void run_hook(struct fixture *f, enum host_call call, bool done)
{
	if (!f->hook || f->in_hook)
		return;
	f->in_hook = true;
	f->hook(f, call, done);
	f->in_hook = false;
}

_Static_assert(offsetof(struct fixture, host) == 0, "a host is found in its fixture");

static struct fixture *of_host(void *context)
{
	return context;
}

static void *hooked_alloc(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys)
{
	struct fixture *f = of_host(context);
	void *memory;

	run_hook(f, HOST_ALLOC, false);
	memory = f->host.hal.alloc_table(context, bytes, flags, phys);
	run_hook(f, HOST_ALLOC, true);
	return memory;
}

static int hooked_range(void *context, const struct iopgt_invalidation *request)
{
	struct fixture *f = of_host(context);
	int error;

	run_hook(f, HOST_RANGE, false);
	error = f->host.hal.tlb.invalidate_range(context, request);
	run_hook(f, HOST_RANGE, true);
	return error;
}

static int hooked_all(void *context)
{
	struct fixture *f = of_host(context);
	int error;

	run_hook(f, HOST_ALL, false);
	error = f->host.hal.tlb.invalidate_all(context);
	run_hook(f, HOST_ALL, true);
	return error;
}

static int hooked_sync(void *context)
{
	struct fixture *f = of_host(context);
	int error;

	run_hook(f, HOST_SYNC, false);
	error = f->host.hal.tlb.sync(context);
	run_hook(f, HOST_SYNC, true);
	return error;
}

static int domain_range(void *context, const struct iopgt_invalidation *request)
{
	struct host_walker *walker = context;
	struct fixture *f = of_host(walker->host);
	int error;

	run_hook(f, HOST_RANGE, false);
	error = host_walker_tlb_ops()->invalidate_range(context, request);
	run_hook(f, HOST_RANGE, true);
	return error;
}

static int domain_all(void *context)
{
	struct host_walker *walker = context;
	struct fixture *f = of_host(walker->host);
	int error;

	run_hook(f, HOST_ALL, false);
	error = host_walker_tlb_ops()->invalidate_all(context);
	run_hook(f, HOST_ALL, true);
	return error;
}

static int domain_sync(void *context)
{
	struct host_walker *walker = context;
	struct fixture *f = of_host(walker->host);
	int error;

	run_hook(f, HOST_SYNC, false);
	error = host_walker_tlb_ops()->sync(context);
	run_hook(f, HOST_SYNC, true);
	return error;
}

static void hooked_between(void *context)
{
	run_hook(context, HOST_ATC, true);
}

void fixture_hook_hal(struct fixture *f)
{
	f->host.between = hooked_between;
	f->host.between_context = f;
	f->hal = f->host.hal;
	f->hal.alloc_table = hooked_alloc;
	f->hal.tlb.invalidate_range = hooked_range;
	f->hal.tlb.invalidate_all = hooked_all;
	f->hal.tlb.sync = hooked_sync;
	f->domain_tlb = *host_walker_tlb_ops();
	f->domain_tlb.invalidate_range = domain_range;
	f->domain_tlb.invalidate_all = domain_all;
	f->domain_tlb.sync = domain_sync;
	f->domain_tlb.max_ranges = f->options.host.max_ranges;
	f->domain_tlb.join_bytes = f->options.host.join_bytes;
}
