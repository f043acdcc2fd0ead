/* SPDX-License-Identifier: BSD-2-Clause */
/* Store buffers: what a CPU has stored and others do not see yet. */
#include "explore.h"

static uint64_t peek(const struct explore_store *store)
{
	return store->narrow ? *(volatile uint32_t *)store->entry
	                     : *(volatile uint64_t *)store->entry;
}

/* Exchanges what stands in memory for what is hidden. */
static void swap(struct explore_store *store)
{
	uint64_t seen = peek(store);

	if (store->narrow)
		*(volatile uint32_t *)store->entry = (uint32_t)store->hidden;
	else
		*(volatile uint64_t *)store->entry = store->hidden;
	store->hidden = seen;
}

static void swap_stores(struct explore_cpu *cpu, bool released)
{
	for (uint32_t i = 0; i < cpu->stored; i++)
		if (cpu->stores[i].released == released)
			swap(&cpu->stores[i]);
}

/* Where the index of a store of this entry stands; null: not for such entries. */
static uint16_t *index_of(const struct explore *x, struct explore_cpu *cpu,
                          const volatile void *entry)
{
	uintptr_t word = ((uintptr_t)entry - x->arena) / 8;

	return word < EXPLORE_MAP_WORDS ? &cpu->store_at[word] : NULL;
}

static struct explore_store *find_store(const struct explore *x, struct explore_cpu *cpu,
                                        const volatile void *entry)
{
	const uint16_t *index = index_of(x, cpu, entry);

	if (index)
		return *index ? &cpu->stores[*index - 1] : NULL;
	for (uint32_t i = 0; i < cpu->stored; i++)
		if (cpu->stores[i].entry == entry)
			return &cpu->stores[i];
	return NULL;
}

static void set_index(const struct explore *x, struct explore_cpu *cpu, const volatile void *entry,
                      uint32_t value)
{
	uint16_t *index = index_of(x, cpu, entry);

	if (index)
		*index = (uint16_t)value;
}

void explore_drain(const struct explore *x, struct explore_cpu *cpu)
{
	while (cpu->stored)
		set_index(x, cpu, cpu->stores[--cpu->stored].entry, 0);
}

static void release(struct explore_cpu *cpu)
{
	for (uint32_t i = 0; i < cpu->stored; i++)
		cpu->stores[i].released = true;
}

static void take_out(const struct explore *x, struct explore_cpu *cpu, struct explore_store *store)
{
	set_index(x, cpu, store->entry, 0);
	*store = cpu->stores[--cpu->stored];
	if (store != &cpu->stores[cpu->stored])
		set_index(x, cpu, store->entry, (uint32_t)(store - cpu->stores) + 1);
}

/* An atomic update has the last word; but for what another CPU has not released yet. */
static void forget_store(const struct explore *x, struct explore_cpu *cpu,
                         const volatile void *entry, bool own)
{
	struct explore_store *store = find_store(x, cpu, entry);

	if (store && (own || store->released))
		take_out(x, cpu, store);
}

void explore_drain_lines(const struct explore *x, struct explore_cpu *cpu, const void *memory,
                         uint32_t bytes)
{
	uintptr_t first = (uintptr_t)memory & ~(uintptr_t)(POOL_LINE - 1);
	uintptr_t last = ((uintptr_t)memory + bytes - 1) | (POOL_LINE - 1);

	for (uint32_t i = cpu->stored; i-- > 0;) {
		uintptr_t at = (uintptr_t)cpu->stores[i].entry;

		if (at >= first && at <= last)
			take_out(x, cpu, &cpu->stores[i]);
	}
}

static void remember_store(const struct explore *x, struct explore_cpu *cpu,
                           const volatile void *entry, bool narrow)
{
	struct explore_store store = {.entry = (volatile void *)(uintptr_t)entry, .narrow = narrow};

	/* Walkers see neither; other CPUs the older one: take it that they see both. */
	if (find_store(x, cpu, entry))
		return;
	if (cpu->stored == EXPLORE_STORES)
		explore_drain(x, cpu);
	store.hidden = peek(&store);
	cpu->stores[cpu->stored++] = store;
	set_index(x, cpu, entry, cpu->stored);
}

void explore_swap_unreleased(struct explore_cpu *cpu)
{
	swap_stores(cpu, false);
}

bool explore_is_buffered(struct explore *x, const volatile void *entry)
{
	for (uint32_t i = 0; i < x->scenario->cpus; i++)
		if (find_store(x, &x->cpus[i], entry))
			return true;
	return false;
}

/* Stores of CPUs that do not run and that have not been released are out already. */
void explore_hide(struct explore *x)
{
	for (uint32_t i = 0; i < x->scenario->cpus; i++) {
		swap_stores(&x->cpus[i], true);
		if (i == x->current)
			swap_stores(&x->cpus[i], false);
	}
}

void explore_unhide(struct explore *x)
{
	for (uint32_t i = x->scenario->cpus; i-- > 0;) {
		if (i == x->current)
			swap_stores(&x->cpus[i], false);
		swap_stores(&x->cpus[i], true);
	}
}

/* What the store buffer makes of a step. */
void explore_buffer(struct explore *x, enum live_step step, const volatile void *entry)
{
	struct explore_cpu *cpu = &x->cpus[x->current];

	switch (step) {
	case LIVE_STORE:
	case LIVE_NOTE:
		remember_store(x, cpu, entry, step == LIVE_NOTE);
		break;
	case LIVE_UPDATE:
		release(cpu);
		for (uint32_t i = 0; i < x->scenario->cpus; i++)
			forget_store(x, &x->cpus[i], entry, i == x->current);
		break;
	case LIVE_FENCE_STORES:
		explore_drain(x, cpu);
		break;
	default:
		break;
	}
}
