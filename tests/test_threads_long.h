/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A lean DMA engine: devices that walk 4 KiB tables of 39 bits by plain C11 atomics,
 * each with its own small TLB and walk cache, so that a write which hits costs some
 * nanoseconds. By facts of the architecture alone, it shares no code with lib/:
 *
 * - A write through a writable-clean leaf first makes it writable-dirty by one
 *   compare-and-swap in memory; a cached clean entry is compared with memory so
 *   (R_SGJBL). A cached dirty one is written through without a look.
 * - Entries stay until an invalidation covers them: an operation a stride, of the
 *   hint's level alone if there is a hint. Tables stay until walk caches are named.
 * - A block with nT is not cached.
 * - With flags of tables, AF is set in every table descriptor that a walk goes
 *   through, and none is cached without (R_CGKWB, R_JFCYB).
 *
 * Invalidations are posted to a log, which each device obeys some accesses later; sync
 * waits until all have, or are idle.
 */
#ifndef TEST_THREADS_LONG_H
#define TEST_THREADS_LONG_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

/* Sanitizers are slow. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define PAGE         UINT64_C(4096)
#define BLOCK        (512 * PAGE)
#define GIB          (512 * BLOCK)
#define WORDS        (PAGE / sizeof(uint64_t)) /* of a page */
#define MOST_DEVICES 4
#define TLB_ENTRIES  1024
#define WALK_ENTRIES 16
#define LOG          1024 /* posted invalidations that a device may be behind */
#define IDLE         UINT64_MAX

#define MEMORY_PHYS UINT64_C(0x8000000000)
#define TABLES_PHYS UINT64_C(0x40000000)

typedef _Atomic uint64_t word;

struct tlb_entry {
	uint64_t tag; /* page number + 1; 0: empty */
	word *page;   /* where it is in memory */
	word *descriptor;
	uint64_t value; /* of the descriptor, when it was cached */
	bool dirty;
	int8_t level;
};

/* A table that is cached, and what it maps. */
struct walk_entry {
	uint64_t tag; /* block number, or of an upper table GiB number, + 1 */
	word *table;
};

enum engine_mode {
	ENGINE_DEAF = 1 << 0,   /* invalidations are dropped, sync does nothing */
	ENGINE_TABLES = 1 << 1, /* FEAT_HAFT */
	ENGINE_STAGE2 = 1 << 2,
};

struct posted {
	struct iopgt_invalidation range; /* size 0: all */
};

struct engine {
	struct iopgt_hal hal;
	struct pool *pool;
	uint32_t mode;
	uint64_t root;
	word *memory; /* all that is mapped */
	uint64_t bytes;
	pthread_mutex_t mutex;
	struct posted log[LOG];
	_Atomic uint64_t posted; /* ever */
	_Atomic uint64_t obeyed[MOST_DEVICES];
	_Atomic uint64_t wrong; /* walks that met what cannot be there */
	unsigned devices;
};

struct device {
	struct engine *engine;
	unsigned number;
	uint64_t seen; /* of engine->posted */
	uint64_t writes, faults, marks;
	struct random random;
	struct tlb_entry tlb[TLB_ENTRIES];
	struct walk_entry lasts[WALK_ENTRIES], uppers[WALK_ENTRIES];
	uint64_t hot[4]; /* what the device is busy with: the test's */
};

/* --- The host's side --- */

static inline void post(struct engine *e, const struct iopgt_invalidation *range)
{
	uint64_t n;

	if (e->mode & ENGINE_DEAF)
		return;
	pthread_mutex_lock(&e->mutex);
	n = atomic_load_explicit(&e->posted, memory_order_relaxed);
	e->log[n % LOG].range = range ? *range : (struct iopgt_invalidation){0};
	atomic_store_explicit(&e->posted, n + 1, memory_order_release);
	pthread_mutex_unlock(&e->mutex);
}

static inline int engine_range(void *context, const struct iopgt_invalidation *range)
{
	post(context, range);
	return 0;
}

static inline int engine_all(void *context)
{
	post(context, NULL);
	return 0;
}

/* An idle device obeys before it goes on. */
static inline int engine_sync(void *context)
{
	struct engine *e = context;
	uint64_t posted = atomic_load(&e->posted);

	for (unsigned i = 0; i < e->devices && !(e->mode & ENGINE_DEAF); i++)
		while (atomic_load_explicit(&e->obeyed[i], memory_order_acquire) < posted)
			sched_yield();
	return 0;
}

static inline void *engine_alloc(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys)
{
	struct engine *e = context;

	return pool_alloc(e->pool, bytes, flags & IOPGT_ALLOC_ZERO, phys);
}

static inline void engine_free(void *context, void *table, uint64_t phys, uint32_t bytes)
{
	struct engine *e = context;

	(void)table;
	pool_free(e->pool, phys, bytes);
}

static inline void engine_init(struct engine *e, uint32_t mode, uint64_t bytes)
{
	*e = (struct engine){.mode = mode, .bytes = bytes};
	e->pool = pool_create(64 << 20, TABLES_PHYS, 0);
	e->memory = calloc(1, bytes);
	assert_non_null(e->memory);
	assert_int_equal(pthread_mutex_init(&e->mutex, NULL), 0);
	e->hal = (struct iopgt_hal){
		.flags = IOPGT_HAL_LINEAR,
		.linear_offset = pool_linear_offset(e->pool),
		.alloc_table = engine_alloc,
		.free_table = engine_free,
		.tlb = {engine_range, engine_all, engine_sync, .max_ranges = 64},
	};
	for (unsigned i = 0; i < MOST_DEVICES; i++)
		atomic_init(&e->obeyed[i], IDLE);
}

static inline void engine_fini(struct engine *e)
{
	pool_destroy(e->pool);
	pthread_mutex_destroy(&e->mutex);
	free(e->memory);
}

/* --- The devices' side --- */

static inline uint64_t leaf_bytes(int level)
{
	return PAGE << 9 * (3 - level);
}

/* Whether some operation of the request reaches an address of the entry. */
static inline bool reaches(const struct iopgt_invalidation *r, const struct tlb_entry *entry)
{
	uint64_t size = leaf_bytes(entry->level), stride = UINT64_C(1) << r->stride_shift;
	uint64_t first = (entry->tag - 1) * PAGE & ~(size - 1), at = r->iova;

	if (r->level != IOPGT_NO_LEVEL && r->level != entry->level)
		return false;
	if (first > at)
		at += (first - at + stride - 1) / stride * stride;
	return at < first + size && at - r->iova < r->size;
}

/* Forgets tables that lie in the request, each of which maps `size` bytes. */
static inline void forget_tables(struct walk_entry *entries, uint64_t size,
                                 const struct iopgt_invalidation *r)
{
	for (unsigned i = 0; i < WALK_ENTRIES; i++) {
		uint64_t first = (entries[i].tag - 1) * size;

		if (!r->size || (first + size > r->iova && first < r->iova + r->size))
			entries[i].tag = 0;
	}
}

static inline void obey_one(struct device *d, const struct iopgt_invalidation *r)
{
	for (unsigned i = 0; i < TLB_ENTRIES; i++)
		if (d->tlb[i].tag && (!r->size || reaches(r, &d->tlb[i])))
			d->tlb[i].tag = 0;
	if (r->size && !(r->flags & IOPGT_INVALIDATE_WALK_CACHES))
		return;
	forget_tables(d->lasts, BLOCK, r);
	forget_tables(d->uppers, GIB, r);
}

/* All that was posted; the device has no access under way. */
static inline void obey(struct device *d)
{
	static const struct iopgt_invalidation all = {0};
	struct engine *e = d->engine;
	uint64_t posted;

	pthread_mutex_lock(&e->mutex);
	posted = atomic_load_explicit(&e->posted, memory_order_relaxed);
	if (posted - d->seen > LOG)
		obey_one(d, &all);
	else
		for (uint64_t i = d->seen; i < posted; i++)
			obey_one(d, &e->log[i % LOG].range);
	d->seen = posted;
	atomic_store_explicit(&e->obeyed[d->number], posted, memory_order_release);
	pthread_mutex_unlock(&e->mutex);
}

static inline void go_idle(struct device *d)
{
	atomic_store_explicit(&d->engine->obeyed[d->number], IDLE, memory_order_release);
}

static inline word *at_phys(struct engine *e, uint64_t phys)
{
	return (word *)((uintptr_t)phys + e->hal.linear_offset);
}

/* The table that a descriptor links; null if that cannot be a table. */
static inline word *next_table(struct device *d, word *entry, uint64_t descriptor)
{
	uint64_t phys = descriptor & UINT64_C(0xfffffffff000);
	const uint64_t af = pool_little_endian(UINT64_C(1) << 10);

	if (phys < TABLES_PHYS || phys >= TABLES_PHYS + (64 << 20) || descriptor >> 59) {
		atomic_fetch_add(&d->engine->wrong, 1);
		return NULL;
	}
	if ((d->engine->mode & ENGINE_TABLES) && !(descriptor >> 10 & 1)) {
		/* What it links now is what is walked. */
		descriptor = pool_little_endian(atomic_fetch_or(entry, af));
		if ((descriptor & 3) != 3)
			return NULL;
		phys = descriptor & UINT64_C(0xfffffffff000);
	}
	return at_phys(d->engine, phys);
}

static inline struct walk_entry *cached_last(struct device *d, uint64_t iova)
{
	return &d->lasts[(iova / BLOCK ^ iova / BLOCK / WALK_ENTRIES) % WALK_ENTRIES];
}

static inline struct walk_entry *cached_upper(struct device *d, uint64_t iova)
{
	return &d->uppers[iova / GIB % WALK_ENTRIES];
}

/* Where a walk begins: at the lowest table that is cached. */
static inline word *first_table(struct device *d, uint64_t iova, int8_t *level)
{
	*level = 3;
	if (cached_last(d, iova)->tag == iova / BLOCK + 1)
		return cached_last(d, iova)->table;
	*level = 2;
	if (cached_upper(d, iova)->tag == iova / GIB + 1)
		return cached_upper(d, iova)->table;
	*level = 1;
	return at_phys(d->engine, d->engine->root);
}

/* Goes down to the leaf of `iova`; null: a fault. */
static inline word *walk(struct device *d, uint64_t iova, uint64_t *leaf, int8_t *level)
{
	word *table = first_table(d, iova, level);

	for (;; ++*level) {
		word *entry = &table[iova / leaf_bytes(*level) % 512];

		*leaf = pool_little_endian(atomic_load_explicit(entry, memory_order_acquire));
		if (!(*leaf & 1) || (*level == 3 && !(*leaf & 2)))
			return NULL;
		if (*level == 3 || !(*leaf & 2))
			return entry;
		table = next_table(d, entry, *leaf);
		if (!table)
			return NULL;
		if (*level == 2)
			*cached_last(d, iova) = (struct walk_entry){iova / BLOCK + 1, table};
		else
			*cached_upper(d, iova) = (struct walk_entry){iova / GIB + 1, table};
	}
}

/* Writable: clean or dirty. Stage 1: AP[2] is 0, stage 2: S2AP[1] is 1, when dirty. */
static inline bool is_dirty_leaf(const struct engine *e, uint64_t leaf)
{
	return (leaf >> 7 & 1) == ((e->mode & ENGINE_STAGE2) != 0);
}

/* Makes the leaf dirty if it is what was cached; else the walk is done again. */
static inline bool mark_dirty(struct device *d, word *descriptor, uint64_t *value)
{
	uint64_t raw = pool_little_endian(*value);
	uint64_t dirty = *value ^ UINT64_C(1) << 7;

	if (!(*value >> 51 & 1) ||
	    !atomic_compare_exchange_strong(descriptor, &raw, pool_little_endian(dirty)))
		return false;
	*value = dirty;
	d->marks++;
	return true;
}

/* Fills the entry for a write; false: a fault. */
static inline bool refill(struct device *d, struct tlb_entry *entry, uint64_t iova)
{
	struct engine *e = d->engine;
	uint64_t offset;

	entry->tag = 0;
	entry->descriptor = walk(d, iova, &entry->value, &entry->level);
	if (!entry->descriptor)
		return false;
	/* Above the last level 16 is nT, and no address bit below the block's size counts. */
	offset = (entry->value & UINT64_C(0xfffffffff000) & ~(leaf_bytes(entry->level) - 1)) +
	         (iova & (leaf_bytes(entry->level) - 1) & ~(PAGE - 1)) - MEMORY_PHYS;
	if (offset >= e->bytes || !(entry->value >> 10 & 1)) {
		atomic_fetch_add(&e->wrong, 1);
		return false;
	}
	entry->page = e->memory + offset / sizeof(word);
	entry->dirty = is_dirty_leaf(e, entry->value);
	if (!entry->dirty && !(entry->value >> 51 & 1))
		return false;
	entry->tag = iova / PAGE + 1;
	return true;
}

/* Pages that are a power of two apart do not share a slot. */
static inline uint64_t slot_of(uint64_t page)
{
	return (page * UINT64_C(0x9e3779b97f4a7c15) >> 32) % TLB_ENTRIES;
}

/* Where a write to the page goes, all marks made; null: a fault. */
static inline word *translate(struct device *d, uint64_t iova)
{
	struct tlb_entry *entry = &d->tlb[slot_of(iova / PAGE)];

	while (entry->tag != iova / PAGE + 1 || !entry->dirty) {
		/* The cached clean entry may be stale: memory says so, and is walked again. */
		if (entry->tag == iova / PAGE + 1 &&
		    mark_dirty(d, entry->descriptor, &entry->value)) {
			entry->dirty = true;
			break;
		}
		if (!refill(d, entry, iova))
			return NULL;
	}
	if (entry->level < 3 && (entry->value >> 16 & 1))
		entry->tag = 0;
	return entry->page;
}

/* A read: what is writable-clean may be cached so. */
static inline void dma_read(struct device *d, uint64_t iova)
{
	struct tlb_entry *entry = &d->tlb[slot_of(iova / PAGE)];

	if (entry->tag != iova / PAGE + 1 && refill(d, entry, iova) && entry->level < 3 &&
	    (entry->value >> 16 & 1))
		entry->tag = 0;
}

/* Between two accesses: what was posted may wait for a while. */
static inline void obey_sometime(struct device *d)
{
	if (atomic_load_explicit(&d->engine->posted, memory_order_relaxed) != d->seen &&
	    random_chance(&d->random, 4))
		obey(d);
}

/* One DMA write. */
static inline bool dma_write(struct device *d, uint64_t iova, uint64_t value)
{
	word *page = translate(d, iova);

	if (!page) {
		d->faults++;
		return false;
	}
	atomic_store_explicit(&page[iova % PAGE / sizeof(word)], value, memory_order_relaxed);
	d->writes++;
	return true;
}

#endif
