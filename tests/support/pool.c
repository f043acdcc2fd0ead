/* SPDX-License-Identifier: BSD-2-Clause */
/* MAP_ANONYMOUS */
#define _DEFAULT_SOURCE
#include "pool.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define ORDERS     48    /* an allocation is POOL_LINE << order bytes */
#define QUARANTINE 64    /* freed chunks of an order that wait before reuse */
#define ORDER_MASK 0x7fu /* unit state: order + 1 of its live allocation, or 0 */
#define WALKED     0x80u /* unit state of the first line of an allocation */

/* Offsets of free chunks of one order, oldest first. */
struct queue {
	size_t *offsets;
	size_t head, count, capacity;
};

struct pool {
	unsigned char *arena, *shadow; /* no shadow: null */
	_Atomic unsigned char *units;  /* state of each line */
	uint64_t phys_base;
	size_t bytes;
	pthread_mutex_t mutex;
	size_t unused; /* offset of what was never allocated */
	struct queue free[ORDERS];
	_Atomic size_t in_use, bytes_in_use;
};

static void die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "pool: ");
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	va_end(arguments);
	abort();
}

static void *allocate_zeroed(size_t bytes)
{
	void *memory = calloc(1, bytes);

	if (!memory)
		die("no memory for %zu bytes", bytes);
	return memory;
}

/* Zeroed memory of which the most is never touched: sanitizers need not know it by bytes. */
static void *map_zeroed(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		die("no memory for %zu bytes", bytes);
	return memory;
}

struct pool *pool_create(size_t bytes, uint64_t phys_base, uint32_t flags)
{
	struct pool *pool = allocate_zeroed(sizeof(*pool));

	if (bytes % POOL_LINE || phys_base % POOL_LINE)
		die("size and base must be multiples of %" PRIu64, POOL_LINE);
	pool->bytes = bytes;
	pool->phys_base = phys_base;
	pool->arena = map_zeroed(bytes);
	pool->units = map_zeroed(bytes / POOL_LINE);
	if (flags & POOL_NON_COHERENT)
		pool->shadow = map_zeroed(bytes);
	if (pthread_mutex_init(&pool->mutex, NULL))
		die("no mutex");
	return pool;
}

void pool_destroy(struct pool *pool)
{
	for (unsigned order = 0; order < ORDERS; order++)
		free(pool->free[order].offsets);
	pthread_mutex_destroy(&pool->mutex);
	munmap(pool->arena, pool->bytes);
	munmap((void *)pool->units, pool->bytes / POOL_LINE);
	if (pool->shadow)
		munmap(pool->shadow, pool->bytes);
	free(pool);
}

static void queue_grow(struct queue *queue)
{
	size_t capacity = queue->capacity ? 2 * queue->capacity : 64;
	size_t *offsets = allocate_zeroed(capacity * sizeof(*offsets));

	for (size_t i = 0; i < queue->count; i++)
		offsets[i] = queue->offsets[(queue->head + i) % queue->capacity];
	free(queue->offsets);
	*queue = (struct queue){.offsets = offsets, .count = queue->count, .capacity = capacity};
}

static void queue_push(struct queue *queue, size_t offset)
{
	if (queue->count == queue->capacity)
		queue_grow(queue);
	queue->offsets[(queue->head + queue->count++) % queue->capacity] = offset;
}

static size_t queue_pop(struct queue *queue)
{
	size_t offset = queue->offsets[queue->head];

	queue->head = (queue->head + 1) % queue->capacity;
	queue->count--;
	return offset;
}

static unsigned order_of(size_t bytes)
{
	unsigned order = 0;

	if (!bytes || (bytes & (bytes - 1)))
		die("%zu bytes is no power of two", bytes);
	while (POOL_LINE << order < bytes)
		order++;
	return order;
}

/* Takes from the part never used; skipped pieces become free chunks. */
static bool take_unused(struct pool *pool, unsigned order, size_t *offset)
{
	size_t size = (size_t)POOL_LINE << order;
	size_t aligned = (size_t)((pool->phys_base + pool->unused + size - 1) / size * size -
	                          pool->phys_base);

	if (aligned > pool->bytes || pool->bytes - aligned < size)
		return false;
	while (pool->unused < aligned) {
		unsigned piece = 0;

		while (!((pool->phys_base + pool->unused) & POOL_LINE << piece))
			piece++;
		queue_push(&pool->free[piece], pool->unused);
		pool->unused += (size_t)POOL_LINE << piece;
	}
	*offset = aligned;
	pool->unused = aligned + size;
	return true;
}

/* Takes the oldest free chunk of this order, or halves a larger one. */
static bool take_free(struct pool *pool, unsigned order, size_t *offset)
{
	unsigned larger = order;

	while (larger < ORDERS && !pool->free[larger].count)
		larger++;
	if (larger == ORDERS)
		return false;
	*offset = queue_pop(&pool->free[larger]);
	while (larger-- > order)
		queue_push(&pool->free[larger], *offset + ((size_t)POOL_LINE << larger));
	return true;
}

static bool take(struct pool *pool, unsigned order, size_t *offset)
{
	if (pool->free[order].count > QUARANTINE)
		return take_free(pool, order, offset);
	return take_unused(pool, order, offset) || take_free(pool, order, offset);
}

static void fill(unsigned char *image, size_t offset, size_t bytes, uint64_t value)
{
	_Atomic uint64_t *words = (void *)(image + offset);

	for (size_t i = 0; i < bytes / 8; i++)
		atomic_store_explicit(&words[i], value, memory_order_relaxed);
}

/* Release: who finds the allocation live finds it filled. */
static void set_units(struct pool *pool, size_t offset, size_t bytes, unsigned state)
{
	for (size_t unit = offset / POOL_LINE; unit < (offset + bytes) / POOL_LINE; unit++)
		atomic_store_explicit(&pool->units[unit], (unsigned char)state,
		                      memory_order_release);
}

void *pool_alloc(struct pool *pool, size_t bytes, bool zero, uint64_t *phys)
{
	unsigned order = order_of(bytes);
	size_t size = (size_t)POOL_LINE << order, offset;
	bool taken;

	pthread_mutex_lock(&pool->mutex);
	taken = take(pool, order, &offset);
	pthread_mutex_unlock(&pool->mutex);
	if (!taken)
		return NULL;
	fill(pool->arena, offset, size, zero ? 0 : pool_little_endian(POOL_GARBAGE));
	if (pool->shadow)
		fill(pool->shadow, offset, size, pool_little_endian(POOL_GARBAGE));
	set_units(pool, offset, size, order + 1);
	atomic_fetch_add(&pool->in_use, 1);
	atomic_fetch_add(&pool->bytes_in_use, size);
	*phys = pool->phys_base + offset;
	return pool->arena + offset;
}

/* State of the line at `phys`; 0 outside of the arena. */
static unsigned unit_state(const struct pool *pool, uint64_t phys)
{
	uint64_t offset = phys - pool->phys_base;

	if (phys < pool->phys_base || offset >= pool->bytes)
		return 0;
	return atomic_load_explicit(&pool->units[offset / POOL_LINE], memory_order_acquire);
}

/* First byte and size of the live allocation at `phys`; false if there is none. */
static bool find_live(const struct pool *pool, uint64_t phys, uint64_t *first, uint64_t *bytes)
{
	unsigned state = unit_state(pool, phys) & ORDER_MASK;

	if (!state)
		return false;
	*bytes = POOL_LINE << (state - 1);
	*first = phys / *bytes * *bytes;
	return true;
}

void pool_free(struct pool *pool, uint64_t phys, size_t bytes)
{
	unsigned order = order_of(bytes);
	size_t size = (size_t)POOL_LINE << order, offset = (size_t)(phys - pool->phys_base);
	uint64_t first, live;

	pthread_mutex_lock(&pool->mutex);
	if (!find_live(pool, phys, &first, &live))
		die("free of 0x%" PRIx64 ", which is not allocated (freed twice?)", phys);
	if (first != phys || live != size)
		die("free of 0x%" PRIx64 ", %zu bytes: the allocation is 0x%" PRIx64 ", %" PRIu64
		    " bytes",
		    phys, size, first, live);
	set_units(pool, offset, size, 0);
	fill(pool->arena, offset, size, pool_little_endian(POOL_POISON));
	if (pool->shadow)
		fill(pool->shadow, offset, size, pool_little_endian(POOL_POISON));
	queue_push(&pool->free[order], offset);
	pthread_mutex_unlock(&pool->mutex);
	atomic_fetch_sub(&pool->in_use, 1);
	atomic_fetch_sub(&pool->bytes_in_use, size);
}

void *pool_virt(const struct pool *pool, uint64_t phys, size_t bytes)
{
	uint64_t first, live;

	if (!find_live(pool, phys, &first, &live))
		return NULL;
	if (bytes > live || phys - first > live - bytes)
		return NULL;
	return pool->arena + (phys - pool->phys_base);
}

uint64_t pool_phys(const struct pool *pool, const void *virt)
{
	uintptr_t offset = (uintptr_t)virt - (uintptr_t)pool->arena;

	if (offset >= pool->bytes)
		die("%p is outside of the arena", virt);
	return pool->phys_base + offset;
}

_Atomic uint64_t *pool_word(const struct pool *pool, uint64_t phys, bool shadow)
{
	if (phys % 8 || !unit_state(pool, phys))
		return NULL;
	return (void *)((shadow ? pool->shadow : pool->arena) + (phys - pool->phys_base));
}

void pool_mark_walked(struct pool *pool, uint64_t phys)
{
	uint64_t first, bytes;
	_Atomic unsigned char *unit;
	unsigned char state;

	if (!find_live(pool, phys, &first, &bytes))
		return;
	unit = &pool->units[(first - pool->phys_base) / POOL_LINE];
	state = atomic_load_explicit(unit, memory_order_relaxed);
	/* Not a plain or: the allocation may be freed meanwhile, and 0 must stay 0. */
	while (state && !(state & WALKED))
		if (atomic_compare_exchange_weak(unit, &state, (unsigned char)(state | WALKED)))
			break;
}

bool pool_was_walked(const struct pool *pool, uint64_t phys)
{
	uint64_t first, bytes;

	return find_live(pool, phys, &first, &bytes) && unit_state(pool, first) & WALKED;
}

size_t pool_in_use(const struct pool *pool)
{
	return atomic_load(&pool->in_use);
}

size_t pool_bytes_in_use(const struct pool *pool)
{
	return atomic_load(&pool->bytes_in_use);
}

uintptr_t pool_linear_offset(const struct pool *pool)
{
	return (uintptr_t)pool->arena - (uintptr_t)pool->phys_base;
}

static void write_back(struct pool *pool, size_t line)
{
	_Atomic uint64_t *from = (void *)(pool->arena + line * POOL_LINE);
	_Atomic uint64_t *to = (void *)(pool->shadow + line * POOL_LINE);

	for (unsigned i = 0; i < POOL_LINE / 8; i++)
		atomic_store_explicit(&to[i], atomic_load_explicit(&from[i], memory_order_acquire),
		                      memory_order_release);
}

void pool_clean(struct pool *pool, const void *virt, size_t bytes)
{
	size_t offset;

	if (!pool->shadow || !bytes)
		return;
	offset = (size_t)(pool_phys(pool, virt) - pool->phys_base);
	pthread_mutex_lock(&pool->mutex);
	for (size_t line = offset / POOL_LINE; line <= (offset + bytes - 1) / POOL_LINE; line++)
		write_back(pool, line);
	pthread_mutex_unlock(&pool->mutex);
}

void pool_evict_random(struct pool *pool, struct random *random)
{
	size_t line;

	if (!pool->shadow)
		return;
	pthread_mutex_lock(&pool->mutex);
	line = (size_t)random_below(random, pool->unused / POOL_LINE);
	if (pool->unused && pool->units[line])
		write_back(pool, line);
	pthread_mutex_unlock(&pool->mutex);
}
