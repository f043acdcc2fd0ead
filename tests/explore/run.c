/* SPDX-License-Identifier: BSD-2-Clause */
/* Fibers, steps, store buffers: one run. */
#include "explore.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/live.h"

#define STACK_BYTES ((size_t)256 << 10)
#define WALKERS_BIT (1u << EXPLORE_CPUS)

static struct explore *running; /* whom a step is of: the library knows no context */

void explore_wrong(struct explore *x, const char *format, ...)
{
	va_list arguments;

	if (x->wrong[0])
		return;
	va_start(arguments, format);
	vsnprintf(x->wrong, sizeof(x->wrong), format, arguments);
	va_end(arguments);
}

/* --- Store buffers --- */

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

void explore_drain(struct explore_cpu *cpu)
{
	cpu->stored = 0;
}

static void release(struct explore_cpu *cpu)
{
	for (uint32_t i = 0; i < cpu->stored; i++)
		cpu->stores[i].released = true;
}

/* An atomic update has the last word; but for what another CPU has not released yet. */
static void forget_store(struct explore_cpu *cpu, const volatile void *entry, bool own)
{
	for (uint32_t i = 0; i < cpu->stored; i++)
		if (cpu->stores[i].entry == entry && (own || cpu->stores[i].released)) {
			cpu->stores[i] = cpu->stores[--cpu->stored];
			return;
		}
}

static void remember_store(struct explore_cpu *cpu, const volatile void *entry, bool narrow)
{
	struct explore_store store = {.entry = (volatile void *)(uintptr_t)entry, .narrow = narrow};

	for (uint32_t i = 0; i < cpu->stored; i++) {
		if (cpu->stores[i].entry != entry)
			continue;
		/* Walkers see neither; other CPUs the older one: take it that they see both. */
		return;
	}
	if (cpu->stored == EXPLORE_STORES)
		explore_drain(cpu);
	store.hidden = peek(&store);
	cpu->stores[cpu->stored++] = store;
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

/* --- Spots: what a step touches --- */

static bool in_pool(const struct explore *x, const volatile void *entry, uint64_t *phys)
{
	uintptr_t offset = (uintptr_t)entry - pool_linear_offset(x->f->host.pool);

	*phys = offset;
	return offset < ((uint64_t)64 << 20);
}

static uint32_t spot_of(struct explore *x, const volatile void *entry)
{
	uint64_t phys;

	if (in_pool(x, entry, &phys)) {
		uint64_t in_root = phys - x->f->table->root_phys;

		return in_root < 64 ? 512 + (uint32_t)in_root / 8 : (uint32_t)(phys & 4095) / 8;
	}
	for (uint32_t i = 0; i < x->names; i++)
		if (x->named[i] == entry)
			return 520 + i;
	if (x->names == EXPLORE_SPOTS - 521)
		return EXPLORE_SPOTS - 1;
	x->named[x->names] = entry;
	return 520 + x->names++;
}

void explore_spots_of_events(struct explore *x)
{
	for (uint32_t i = 0; i < x->scenario->events; i++) {
		uint32_t page = x->scenario->event[i].page;
		uint32_t block = (uint32_t)(explore_iova(page) >> 21) & 511;
		uint32_t top = 512 + (uint32_t)(explore_iova(page) >> 30);

		x->read_by[top] |= WALKERS_BIT;
		x->read_by[block] |= WALKERS_BIT;
		x->written_by[block] |= WALKERS_BIT;
		for (uint32_t k = 0; k < 16; k++) {
			x->read_by[(page & 496) + k] |= WALKERS_BIT;
			x->written_by[(page & 496) + k] |= WALKERS_BIT;
		}
	}
}

static bool is_fresh(const struct explore_cpu *cpu, uint64_t phys)
{
	for (uint32_t i = 0; i < cpu->fresh_count; i++)
		if (phys - cpu->fresh[i] < 4096)
			return true;
	return false;
}

/* If one of its fresh tables was linked, others may come to all of them. */
static void note_linked(struct explore_cpu *cpu)
{
	uint64_t d;

	if (!cpu->updated)
		return;
	d = pool_little_endian(*(const volatile uint64_t *)cpu->updated);
	if (is_fresh(cpu, d & UINT64_C(0xfffffffff000)))
		cpu->fresh_count = 0;
	cpu->updated = NULL;
}

/* --- Places --- */

static const char *text_of(enum live_step step)
{
	static const char *const texts[] = {"load", "store", "update",     "load of counter",
	                                    "note", "count", "load fence", "store fence"};

	return texts[step];
}

static bool any_other(const struct explore *x)
{
	for (uint32_t i = 0; i < x->scenario->cpus; i++)
		if (i != x->current && !x->cpus[i].done)
			return true;
	return false;
}

/* The CPU that runs steps aside for the one `ahead` after it; whoever is done is passed over. */
static void change_to(struct explore *x, uint32_t ahead)
{
	struct explore_cpu *from = &x->cpus[x->current];
	uint32_t to = x->current;

	do {
		to = (to + 1) % x->scenario->cpus;
		if (ahead > 1 && !x->cpus[to].done)
			ahead--, to = (to + 1) % x->scenario->cpus;
	} while (x->cpus[to].done);
	if (to == x->current)
		return;
	swap_stores(from, false);
	if (x->trace)
		fprintf(stderr, "        CPU %u -> CPU %u\n", x->current, to);
	x->current = to;
	swapcontext(&from->context, &x->cpus[to].context);
	swap_stores(from, false); /* back again */
}

static void place(struct explore *x, const struct explore_placement *placement)
{
	const struct explore_scenario *s = x->scenario;

	if (!placement->keeps)
		explore_drain(&x->cpus[x->current]);
	if (placement->event < s->events) {
		explore_event(x, &s->event[placement->event]);
	} else if (any_other(x)) {
		change_to(x, placement->event - s->events + 1);
	}
}

void explore_place(struct explore *x, const char *what, const volatile void *entry)
{
	uint32_t at = x->steps++;

	if (at >= EXPLORE_STEPS) {
		explore_wrong(x, "more than %d steps", EXPLORE_STEPS);
		return;
	}
	if (x->trace) {
		uint64_t phys = 0;

		fprintf(stderr, "  %4u  CPU %u: %s", at, x->current, what);
		if (entry && in_pool(x, entry, &phys))
			fprintf(stderr, " 0x%" PRIx64 ": 0x%" PRIx64, phys,
			        *(const volatile uint64_t *)entry);
		fprintf(stderr, "\n");
	}
	x->stored_at[at] = x->cpus[x->current].stored != 0;
	x->others_at[at] = any_other(x);
	while (x->next < x->placed && x->placements[x->next].at == at)
		place(x, &x->placements[x->next++]);
}

bool explore_yield(struct explore *x)
{
	if (!any_other(x))
		return false;
	explore_drain(&x->cpus[x->current]);
	change_to(x, 1);
	return true;
}

static void check_live(struct explore *x, const volatile void *entry, uint64_t phys)
{
	if (!pool_word(x->f->host.pool, phys, false))
		explore_wrong(x, "CPU %u accesses freed memory 0x%" PRIx64, x->current, phys);
	(void)entry;
}

/* What the store buffer makes of a step. */
static void buffer_step(struct explore *x, enum live_step step, const volatile void *entry)
{
	struct explore_cpu *cpu = &x->cpus[x->current];

	switch (step) {
	case LIVE_STORE:
	case LIVE_NOTE:
		remember_store(cpu, entry, step == LIVE_NOTE);
		break;
	case LIVE_UPDATE:
		release(cpu);
		for (uint32_t i = 0; i < x->scenario->cpus; i++)
			forget_store(&x->cpus[i], entry, i == x->current);
		break;
	case LIVE_FENCE_STORES:
		explore_drain(cpu);
		break;
	default:
		break;
	}
}

void iopgt_explore_step(enum live_step step, const volatile void *entry)
{
	struct explore *x = running;
	bool writes = step == LIVE_STORE || step == LIVE_UPDATE || step == LIVE_NOTE ||
	              step == LIVE_COUNT;
	struct explore_cpu *cpu;
	uint64_t phys = 0;
	uint8_t others, touched;
	uint32_t spot;

	if (!x || !x->inside)
		return;
	cpu = &x->cpus[x->current];
	note_linked(cpu);
	if (entry && !(in_pool(x, entry, &phys) && is_fresh(cpu, phys))) {
		spot = spot_of(x, entry);
		others = (uint8_t) ~(1u << x->current);
		touched = writes ? x->read_by[spot] | x->written_by[spot] : x->written_by[spot];
		if (x->every_step || (touched & others))
			explore_place(x, text_of(step), entry);
		*(writes ? &x->written_by[spot] : &x->read_by[spot]) |=
			x->every_step ? (uint8_t)(1u << x->current) : 0;
		if (step == LIVE_UPDATE && in_pool(x, entry, &phys))
			cpu->updated = entry;
	}
	if (x->learns == cpu && x->scenario->flags & EXPLORE_ONCE)
		x->sync_broken = false;
	if (x->learns == cpu)
		x->learns = NULL;
	if (entry && in_pool(x, entry, &phys))
		check_live(x, entry, phys);
	buffer_step(x, step, entry);
}

/* --- A run --- */

static void fiber(void)
{
	struct explore *x = running;
	struct explore_cpu *cpu = &x->cpus[x->current];
	uint32_t next;

	explore_make_call(x, cpu);
	explore_drain(cpu);
	cpu->done = true;
	if (x->trace)
		fprintf(stderr, "        CPU %u is done\n", x->current);
	for (next = 0; next < x->scenario->cpus; next++)
		if (!x->cpus[next].done)
			break;
	if (next == x->scenario->cpus) {
		setcontext(&x->main);
		return;
	}
	x->current = next;
	setcontext(&x->cpus[next].context);
}

static void make_fiber(struct explore_cpu *cpu, const struct explore_call *call)
{
	char *stack = cpu->stack ? cpu->stack : malloc(STACK_BYTES);

	if (!stack || getcontext(&cpu->context))
		abort();
	cpu->stack = stack;
	cpu->context.uc_stack.ss_sp = stack;
	cpu->context.uc_stack.ss_size = STACK_BYTES;
	cpu->context.uc_link = NULL;
	makecontext(&cpu->context, fiber, 0);
	cpu->call = call;
	cpu->start = cpu->finish = cpu->tries = 0;
	cpu->done = false;
	cpu->stored = cpu->fresh_count = 0;
	cpu->updated = NULL;
}

static void start_run(struct explore *x)
{
	running = x;
	x->inside = false;
	x->current = 0;
	x->now = 1;
	x->next = x->steps = 0;
	x->wrong[0] = '\0';
	x->sync_broken = false;
	x->learns = NULL;
	x->fails_in = 0;
	for (uint32_t i = 0; i < x->scenario->events; i++) {
		x->first_write[x->scenario->event[i].page] = 0;
		x->last_write[x->scenario->event[i].page] = 0;
	}
	explore_setup(x);
	for (uint32_t i = 0; i < x->scenario->cpus; i++)
		make_fiber(&x->cpus[i], &x->scenario->calls[i]);
}

void explore_run(struct explore *x)
{
	start_run(x);
	x->fails_in = x->scenario->nth;
	x->inside = true;
	swapcontext(&x->main, &x->cpus[0].context);
	x->inside = false;
	x->fails_in = 0;
	x->sync_broken = false;
	explore_free_deferred(x);
	explore_judge_end(x);
	explore_teardown(x);
	x->runs++;
}
