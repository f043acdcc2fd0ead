/* SPDX-License-Identifier: BSD-2-Clause */
/* Fibers and steps: one run. */
#include "explore.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STACK_BYTES ((size_t)256 << 10)

static struct explore *running; /* whom a step is of: the library knows no context */

/* In a weakened library (tests/mutants): it came by what is weakened. */
extern int iopgt_mutant_came __attribute__((weak));

void explore_wrong(struct explore *x, const char *format, ...)
{
	va_list arguments;

	if (x->wrong[0])
		return;
	va_start(arguments, format);
	vsnprintf(x->wrong, sizeof(x->wrong), format, arguments);
	va_end(arguments);
}

/* --- Spots: what a step touches --- */

static bool in_pool(const struct explore *x, const volatile void *entry, uint64_t *phys)
{
	uintptr_t offset = (uintptr_t)entry - x->arena;

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

static bool is_single(const struct explore_part *part)
{
	return part->kind == EXPLORE_NOTHING || part->kind == EXPLORE_PAGE ||
	       part->kind == EXPLORE_SHELL;
}

/* Whether there may be contiguous groups, of which walkers mark any entry. */
static bool has_groups(const struct explore *x)
{
	const struct explore_scenario *s = x->scenario;
	const struct explore_call *call;

	if (s->setup != EXPLORE_PARTS || !is_single(&s->parts[0]) || !is_single(&s->parts[1]))
		return x->f->table->grouped;
	for (uint32_t i = 0; (call = explore_call_of(s, i)) != NULL; i++)
		if (call->verb == EXPLORE_MAP && call->pages >= 16)
			return x->f->table->grouped;
	return false;
}

void explore_spots_of_events(struct explore *x)
{
	uint32_t near = has_groups(x) ? 16 : 1;

	for (uint32_t i = 0; i < x->scenario->events; i++) {
		uint32_t page = x->scenario->event[i].page;
		uint32_t block = (uint32_t)(explore_iova(page) >> 21) & 511;
		uint32_t top = 512 + (uint32_t)(explore_iova(page) >> 30);

		x->read_by[top] |= EXPLORE_EVENT(i);
		if (x->f->config.flags & IOPGT_CONFIG_TABLE_ACCESS_FLAG)
			x->written_by[top] |= EXPLORE_EVENT(i);
		x->read_by[block] |= EXPLORE_EVENT(i);
		x->written_by[block] |= EXPLORE_EVENT(i);
		for (uint32_t k = page & 511 & ~(near - 1); k < (page & 511 & ~(near - 1)) + near;
		     k++) {
			x->read_by[k] |= EXPLORE_EVENT(i);
			x->written_by[k] |= EXPLORE_EVENT(i);
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
	explore_swap_unreleased(from);
	if (x->trace)
		fprintf(stderr, "        CPU %u -> CPU %u\n", x->current, to);
	x->current = to;
	swapcontext(&from->context, &x->cpus[to].context);
	explore_swap_unreleased(from); /* back again */
}

static void place(struct explore *x, const struct explore_placement *placement)
{
	const struct explore_scenario *s = x->scenario;

	if (!placement->keeps)
		explore_drain(x, &x->cpus[x->current]);
	if (placement->event < s->events) {
		explore_event(x, &s->event[placement->event]);
	} else if (any_other(x)) {
		change_to(x, placement->event - s->events + 1);
	}
}

void explore_place(struct explore *x, const char *what, const volatile void *entry, uint32_t meets)
{
	uint32_t at;

	if (!meets && !x->every_step)
		return;
	at = x->steps++;
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
	x->meets_at[at] = (uint8_t)meets;
	while (x->next < x->placed && x->placements[x->next].at == at)
		place(x, &x->placements[x->next++]);
}

bool explore_yield(struct explore *x)
{
	if (!any_other(x))
		return false;
	explore_drain(x, &x->cpus[x->current]);
	change_to(x, 1);
	return true;
}

static void check_live(struct explore *x, const volatile void *entry, uint64_t phys)
{
	if (!pool_word(x->f->host.pool, phys, false))
		explore_wrong(x, "CPU %u accesses freed memory 0x%" PRIx64, x->current, phys);
	(void)entry;
}

/* Whom the step touches: those that change the entry, or look at what it changes. */
static uint32_t meets(struct explore *x, uint32_t spot, bool writes)
{
	uint32_t own = 1u << x->current, touched = x->written_by[spot];

	if (writes)
		touched |= x->read_by[spot];
	if (x->every_step)
		*(writes ? &x->written_by[spot] : &x->read_by[spot]) |= (uint8_t)own;
	touched &= ~own;
	return touched & EXPLORE_SWITCH ? touched | EXPLORE_SWITCH : touched;
}

/* A failed sync is known to others once its CPU has gone on. */
static void learn_of_failure(struct explore *x, const struct explore_cpu *cpu)
{
	if (x->learns != cpu)
		return;
	if (x->scenario->flags & EXPLORE_ONCE)
		x->sync_broken = false;
	x->learns = NULL;
}

static bool changes(enum live_step step)
{
	return step == LIVE_STORE || step == LIVE_UPDATE || step == LIVE_NOTE || step == LIVE_COUNT;
}

void iopgt_explore_step(enum live_step step, const volatile void *entry)
{
	struct explore *x = running;
	struct explore_cpu *cpu;
	uint64_t phys = 0;
	bool table;

	if (!x || !x->inside) {
		if (x && x->lates && (step == LIVE_STORE || step == LIVE_UPDATE))
			explore_settle(x, entry);
		return;
	}
	cpu = &x->cpus[x->current];
	note_linked(cpu);
	table = entry && in_pool(x, entry, &phys);
	if (entry && !(table && is_fresh(cpu, phys))) {
		explore_place(x, text_of(step), entry, meets(x, spot_of(x, entry), changes(step)));
		if (step == LIVE_UPDATE && table)
			cpu->updated = entry;
	}
	learn_of_failure(x, cpu);
	if (table)
		check_live(x, entry, phys);
	if (x->lates && (step == LIVE_STORE || step == LIVE_UPDATE))
		explore_settle(x, entry);
	explore_buffer(x, step, entry);
}

/* --- A run --- */

static void fiber(void)
{
	struct explore *x = running;
	struct explore_cpu *cpu = &x->cpus[x->current];
	uint32_t next;

	explore_make_calls(x, cpu);
	explore_drain(x, cpu);
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

static void make_fiber(struct explore_cpu *cpu, const struct explore_scenario *s, uint32_t number)
{
	char *stack = cpu->stack ? cpu->stack : malloc(STACK_BYTES);

	if (!stack || getcontext(&cpu->context))
		abort();
	cpu->stack = stack;
	cpu->context.uc_stack.ss_sp = stack;
	cpu->context.uc_stack.ss_size = STACK_BYTES;
	cpu->context.uc_link = NULL;
	makecontext(&cpu->context, fiber, 0);
	cpu->call = &s->calls[number];
	cpu->manner = &s->manner[number];
	cpu->start = cpu->finish = cpu->tries = 0;
	cpu->done = false;
	explore_drain(running, cpu);
	cpu->fresh_count = 0;
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
	x->lates = x->slot_count = 0;
	for (uint32_t i = 0; i < x->watched_count; i++) {
		x->first_write[x->watched[i]] = x->last_write[x->watched[i]] = 0;
		x->taken[x->watched[i]] = 0;
	}
	explore_setup(x);
	for (uint32_t i = 0; i < x->scenario->cpus; i++)
		make_fiber(&x->cpus[i], x->scenario, i);
}

void explore_run(struct explore *x)
{
	start_run(x);
	x->fails_in = x->scenario->nth;
	x->told = false;
	x->inside = true;
	if (&iopgt_mutant_came)
		iopgt_mutant_came = 0;
	swapcontext(&x->main, &x->cpus[0].context);
	if (&iopgt_mutant_came)
		x->came |= iopgt_mutant_came != 0;
	x->inside = false;
	x->fails_in = 0;
	x->sync_broken = false;
	explore_judge_end(x);
	explore_teardown(x);
	x->runs++;
}
