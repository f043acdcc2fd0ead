/* SPDX-License-Identifier: BSD-2-Clause */
#include "host_private.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES      ((size_t)64 << 20)
#define MOST_TABLE_BYTES (16u << 16) /* sixteen granules of 64 KiB */

/* What this thread has posted to a host and not synced. */
static _Thread_local struct {
	uint64_t host;
	uint64_t posted;
} own;

static _Atomic uint64_t identities;

static uint64_t *own_posted(const struct test_host *host)
{
	if (own.host != host->identity) {
		own.host = host->identity;
		own.posted = 0;
	}
	return &own.posted;
}

static void violate(struct test_host *host, const char *format, ...)
{
	va_list arguments;

	pthread_mutex_lock(&host->mutex);
	if (!host->violations++) {
		va_start(arguments, format);
		vsnprintf(host->violation, sizeof(host->violation), format, arguments);
		va_end(arguments);
	}
	pthread_mutex_unlock(&host->mutex);
}

/* With the mutex held: counts down one kind; is it this call's turn to fail? */
static bool is_due(struct test_host *host, enum host_call kind)
{
	if (!host->fail_after[kind])
		return false;
	if (host->fail_after[kind] > 1) {
		host->fail_after[kind]--;
		return false;
	}
	if (!host->fail_forever[kind])
		host->fail_after[kind] = 0;
	return true;
}

/* Counts a call; true when it has to fail. */
static bool enter(struct test_host *host, enum host_call call)
{
	bool fails, any_fails;

	atomic_fetch_add_explicit(&host->calls[call], 1, memory_order_relaxed);
	if (call > HOST_ANY || !atomic_load_explicit(&host->armed, memory_order_relaxed))
		return false;
	pthread_mutex_lock(&host->mutex);
	fails = is_due(host, call);
	any_fails = is_due(host, HOST_ANY);
	host->injected += fails || any_fails;
	pthread_mutex_unlock(&host->mutex);
	return fails || any_fails;
}

static void log_event(struct test_host *host, const struct host_event *event)
{
	pthread_mutex_lock(&host->mutex);
	host->log[host->logged++ % HOST_LOG] = *event;
	pthread_mutex_unlock(&host->mutex);
}

/* Table memory */

static void *alloc_table(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys)
{
	struct test_host *host = context;
	struct host_event event = {.call = HOST_ALLOC, .bytes = bytes, .flags = flags};
	void *table = NULL;

	event.failed = enter(host, HOST_ALLOC);
	if (bytes < 64 || bytes > MOST_TABLE_BYTES || (bytes & (bytes - 1))) {
		violate(host, "alloc_table of %" PRIu32 " bytes", bytes);
		return NULL;
	}
	if (flags & ~(uint32_t)(IOPGT_ALLOC_ZERO | IOPGT_ALLOC_ATOMIC))
		violate(host, "alloc_table with flags 0x%" PRIx32, flags);
	if (!event.failed)
		table = pool_alloc(host->pool, bytes, flags & IOPGT_ALLOC_ZERO, &event.phys);
	event.failed = !table;
	log_event(host, &event);
	if (table)
		*phys = event.phys;
	return table;
}

/* May this table be freed now, by what its walkers know and this thread posted? */
static void check_free(struct test_host *host, uint64_t phys, uint32_t bytes)
{
	if (host_is_mode(host, HOST_FREES_UNCHECKED))
		return;
	if (*own_posted(host) && pool_was_walked(host->pool, phys))
		violate(host,
		        "table 0x%" PRIx64 " freed before the invalidations posted were synced",
		        phys);
	for (unsigned i = 0; i < host->walker_count; i++)
		if (walker_caches_table(host->walkers[i].walker, phys, bytes))
			violate(host, "table 0x%" PRIx64 " freed while walker %u caches it", phys,
			        i);
}

static void free_table(void *context, void *table, uint64_t phys, uint32_t bytes)
{
	struct test_host *host = context;

	enter(host, HOST_FREE);
	log_event(host, &(struct host_event){.call = HOST_FREE, .phys = phys, .bytes = bytes});
	if (pool_virt(host->pool, phys, bytes) != table)
		violate(host, "free_table: 0x%" PRIx64 " is not at %p", phys, table);
	check_free(host, phys, bytes);
	pool_free(host->pool, phys, bytes);
}

static void *phys_to_virt(void *context, uint64_t phys, uint32_t bytes)
{
	struct test_host *host = context;

	if (enter(host, HOST_PHYS_TO_VIRT))
		return NULL;
	return pool_virt(host->pool, phys, bytes);
}

static void clean(void *context, const void *address, uint32_t bytes)
{
	struct test_host *host = context;

	enter(host, HOST_CLEAN);
	if (!bytes || !pool_virt(host->pool, pool_phys(host->pool, address), bytes))
		violate(host, "clean of %p, %" PRIu32 " bytes: no table", address, bytes);
	else
		pool_clean(host->pool, address, bytes);
}

static void publish(void *context)
{
	enter(context, HOST_PUBLISH);
	atomic_thread_fence(memory_order_seq_cst);
}

/* Invalidation: of `only`, or of all walkers that the host broadcasts to */

struct target {
	struct test_host *host;
	struct walker *only;
};

static bool is_target(const struct target *target, const struct host_walker *walker)
{
	return target->only ? target->only == walker->walker : walker->broadcast;
}

static const char *wrong_request(const struct test_host *host,
                                 const struct iopgt_invalidation *request)
{
	unsigned granule = host->options.granule_shift, shift;
	int least = (granule == 12 ? 1 : 2) - host->options.large_blocks;
	uint64_t mask = (UINT64_C(1) << granule) - 1;

	if (!request->size || (request->size & mask))
		return "size";
	if ((request->iova & mask) || request->iova + (request->size - 1) < request->iova)
		return "address";
	if (request->flags & ~(uint32_t)IOPGT_INVALIDATE_WALK_CACHES)
		return "flags";
	if (request->stride_shift < granule || request->stride_shift > 52)
		return "stride";
	if (request->level == IOPGT_NO_LEVEL)
		return NULL;
	/* A level hint wants a leaf level, and an address aligned to it (IHI 0070 4.4.1). */
	if (request->level < least || request->level > 3)
		return "level";
	shift = granule + (unsigned)(3 - request->level) * (granule - 3);
	if (request->iova & ((UINT64_C(1) << shift) - 1))
		return "address for this level hint";
	return NULL;
}

static int post_range(const struct target *target, const struct iopgt_invalidation *request)
{
	struct test_host *host = target->host;
	struct host_event event = {.call = HOST_RANGE, .walker = target->only, .request = *request};
	const char *wrong = wrong_request(host, request);

	event.failed = enter(host, HOST_RANGE);
	if (wrong)
		violate(host,
		        "invalidate_range: %s: iova 0x%" PRIx64 " size 0x%" PRIx64
		        " flags 0x%" PRIx32 " stride %u level %d",
		        wrong, request->iova, request->size, request->flags, request->stride_shift,
		        request->level);
	log_event(host, &event);
	if (event.failed)
		return HOST_ERROR;
	++*own_posted(host);
	for (unsigned i = 0; i < host->walker_count; i++)
		if (is_target(target, &host->walkers[i]) && !host_is_mode(host, HOST_DEAF))
			host_post(&host->walkers[i], request);
	return 0;
}

static int post_all(const struct target *target)
{
	struct test_host *host = target->host;
	struct host_event event = {.call = HOST_ALL, .walker = target->only};

	event.failed = enter(host, HOST_ALL);
	log_event(host, &event);
	if (event.failed)
		return HOST_ERROR;
	++*own_posted(host);
	for (unsigned i = 0; i < host->walker_count; i++)
		if (is_target(target, &host->walkers[i]) && !host_is_mode(host, HOST_DEAF))
			host_post(&host->walkers[i], NULL);
	return 0;
}

static int sync_target(const struct target *target)
{
	struct test_host *host = target->host;
	struct host_event event = {.call = HOST_SYNC, .walker = target->only};

	event.failed = enter(host, HOST_SYNC);
	for (unsigned i = 0; i < host->walker_count; i++) {
		if (!is_target(target, &host->walkers[i]) || host_is_mode(host, HOST_DEAF))
			continue;
		if (event.failed)
			host_lose_posted(&host->walkers[i]);
		else
			host_wait(&host->walkers[i]);
	}
	log_event(host, &event);
	if (event.failed)
		return HOST_ERROR;
	*own_posted(host) = 0;
	return 0;
}

static int host_invalidate_range(void *context, const struct iopgt_invalidation *request)
{
	return post_range(&(struct target){.host = context}, request);
}

static int host_invalidate_all(void *context)
{
	return post_all(&(struct target){.host = context});
}

static int host_sync(void *context)
{
	return sync_target(&(struct target){.host = context});
}

static int one_invalidate_range(void *context, const struct iopgt_invalidation *request)
{
	const struct host_walker *one = context;

	return post_range(&(struct target){one->host, one->walker}, request);
}

static int one_invalidate_all(void *context)
{
	const struct host_walker *one = context;

	return post_all(&(struct target){one->host, one->walker});
}

static int one_sync(void *context)
{
	const struct host_walker *one = context;

	return sync_target(&(struct target){one->host, one->walker});
}

const struct iopgt_tlb_ops *host_walker_tlb_ops(void)
{
	static const struct iopgt_tlb_ops ops = {
		.invalidate_range = one_invalidate_range,
		.invalidate_all = one_invalidate_all,
		.sync = one_sync,
	};

	return &ops;
}

/* Setting up */

static void fill_hal(struct test_host *host)
{
	host->hal = (struct iopgt_hal){
		.flags = host->options.hal_flags,
		.alloc_table = alloc_table,
		.free_table = free_table,
		.phys_to_virt = phys_to_virt,
		.clean = clean,
		.publish = publish,
		.tlb =
			{
				.invalidate_range = host_invalidate_range,
				.invalidate_all = host_invalidate_all,
				.sync = host_sync,
				.max_ranges = host->options.max_ranges,
				.join_bytes = host->options.join_bytes,
			},
	};
	if (host->hal.flags & IOPGT_HAL_LINEAR) {
		host->hal.linear_offset = pool_linear_offset(host->pool);
		host->hal.phys_to_virt = NULL;
	}
}

void host_init(struct test_host *host, const struct host_options *options)
{
	memset(host, 0, sizeof(*host));
	host->options = *options;
	if (!host->options.arena_bytes)
		host->options.arena_bytes = ARENA_BYTES;
	if (!host->options.granule_shift)
		host->options.granule_shift = 12;
	if (pthread_mutex_init(&host->mutex, NULL))
		abort();
	host->identity = atomic_fetch_add(&identities, 1) + 1;
	host->pool = pool_create(host->options.arena_bytes, options->phys_base,
	                         options->non_coherent ? POOL_NON_COHERENT : 0);
	host_set_mode(host, options->mode);
	fill_hal(host);
}

void host_remove_walkers(struct test_host *host)
{
	while (host->walker_count)
		walker_destroy(host->walkers[--host->walker_count].walker);
}

void host_fini(struct test_host *host)
{
	host_remove_walkers(host);
	pool_destroy(host->pool);
	pthread_mutex_destroy(&host->mutex);
}

static struct host_walker *add(struct test_host *host, const struct walker_config *config)
{
	struct walker_config with_pool = *config;
	struct host_walker *slot;

	if (host->walker_count == HOST_WALKERS) {
		fprintf(stderr, "host: more than %d walkers\n", HOST_WALKERS);
		abort();
	}
	with_pool.pool = host->pool;
	slot = &host->walkers[host->walker_count++];
	*slot = (struct host_walker){.host = host, .walker = walker_create(&with_pool)};
	return slot;
}

struct walker *host_add_walker(struct test_host *host, const struct walker_config *config)
{
	struct host_walker *slot = add(host, config);

	slot->broadcast = true;
	return slot->walker;
}

struct host_walker *host_add_domain_walker(struct test_host *host,
                                           const struct walker_config *config)
{
	return add(host, config);
}

void host_set_mode(struct test_host *host, uint32_t mode)
{
	atomic_store(&host->mode, mode);
}
