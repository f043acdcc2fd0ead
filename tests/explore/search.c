/* SPDX-License-Identifier: BSD-2-Clause */
/* Which placements are tried. */
#include "explore.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN 6 /* violations that are printed */

/* What can be told of the steps of a run, which others then build on. */
struct explore_steps {
	uint32_t steps;
	uint8_t stored_at[EXPLORE_STEPS], others_at[EXPLORE_STEPS], meets_at[EXPLORE_STEPS];
};

static void print_run(const struct explore *x)
{
	const struct explore_scenario *s = x->scenario;

	fprintf(stderr, "level %u, setup %d, flags 0x%" PRIx32 ":", x->f->bbm_level, (int)s->setup,
	        s->flags);
	for (uint32_t i = 0; i < s->cpus; i++)
		fprintf(stderr, " %s of %" PRIu32 " to %" PRIu32 "%s",
		        explore_verb_text(s->calls[i].verb), s->calls[i].first,
		        s->calls[i].first + s->calls[i].pages - 1, i + 1 < s->cpus ? " |" : ";");
	if (s->nth)
		fprintf(stderr, " HAL call %d fails at no. %" PRIu32 ";", (int)s->fails, s->nth);
	for (uint32_t i = 0; i < x->placed; i++) {
		const struct explore_placement *p = &x->placements[i];

		fprintf(stderr, " at %" PRIu32 ": %s %d%s,", p->at,
		        p->event < s->events ? "event" : "CPU +",
		        p->event < s->events ? p->event : p->event - (int)s->events + 1,
		        p->keeps ? " (stores kept)" : "");
	}
	fprintf(stderr, "\n    %s\n", x->wrong);
}

static void run(struct explore *x)
{
	explore_run(x);
	if (!x->wrong[0])
		return;
	if (x->wrong_runs++ < SHOWN) {
		print_run(x);
		if (getenv("IOPGT_EXPLORE_TRACE")) {
			x->trace = true;
			explore_run(x);
			x->trace = false;
		}
	}
	if (getenv("IOPGT_EXPLORE_FIRST"))
		exit(1);
}

/* --- Learning which steps matter --- */

static void random_placements(struct explore *x, struct random *random, uint32_t steps)
{
	uint32_t kinds = x->scenario->events + x->scenario->cpus - 1;

	x->placed = 2 + (uint32_t)random_below(random, 3);
	for (uint32_t i = 0; i < x->placed; i++) {
		uint32_t at = (uint32_t)random_below(random, steps + 1);
		bool switches = random_chance(random, 2);

		x->placements[i] = (struct explore_placement){
			.at = at,
			.event = (uint8_t)(switches ? x->scenario->events +
		                                              random_below(random,
		                                                           x->scenario->cpus - 1)
		                                    : random_below(random, kinds)),
			.keeps = random_chance(random, 2),
		};
	}
	for (uint32_t i = 1; i < x->placed; i++)
		for (uint32_t k = i; k && x->placements[k].at < x->placements[k - 1].at; k--) {
			struct explore_placement p = x->placements[k];

			x->placements[k] = x->placements[k - 1];
			x->placements[k - 1] = p;
		}
}

/* In runs where all steps are places. */
static void learn(struct explore *x)
{
	struct random random = {.state = x->seed};

	memset(x->read_by, 0, sizeof(x->read_by));
	memset(x->written_by, 0, sizeof(x->written_by));
	x->names = 0;
	explore_spots_of_events(x);
	x->every_step = true;
	x->placed = 0;
	run(x);
	for (uint32_t i = 0; i < (x->scenario->nth ? 8 : 24); i++) {
		random_placements(x, &random, x->steps);
		run(x);
	}
	x->every_step = false;
}

/* --- All of up to so many --- */

static void remember(const struct explore *x, struct explore_steps *steps)
{
	steps->steps = x->steps < EXPLORE_STEPS ? x->steps : EXPLORE_STEPS;
	memcpy(steps->stored_at, x->stored_at, steps->steps);
	memcpy(steps->others_at, x->others_at, steps->steps);
	memcpy(steps->meets_at, x->meets_at, steps->steps);
}

/*
 * Whether the placement makes sense after those that are there. At one step: an event
 * once, and a change of CPU once, after which the others go on until they are done.
 */
static bool makes_sense(const struct explore *x, const struct explore_steps *steps,
                        const struct explore_placement *p)
{
	bool switches = p->event >= x->scenario->events;

	if (p->keeps && !steps->stored_at[p->at])
		return false;
	if (switches && !steps->others_at[p->at])
		return false;
	if (!(steps->meets_at[p->at] & (switches ? EXPLORE_SWITCH : EXPLORE_EVENT(p->event))))
		return false;
	for (uint32_t i = 0; i < x->placed; i++) {
		const struct explore_placement *before = &x->placements[i];

		if (before->at == p->at && (before->event == p->event ||
		                            (switches && before->event >= x->scenario->events)))
			return false;
	}
	return true;
}

/* Gives up past the limit. */
static void explore_all(struct explore *x, uint32_t depth)
{
	struct explore_steps *steps = malloc(sizeof(*steps));
	uint32_t kinds = x->scenario->events + x->scenario->cpus - 1;
	uint32_t placed = x->placed;

	if (!steps)
		abort();
	run(x);
	remember(x, steps);
	for (uint32_t at = placed ? x->placements[placed - 1].at : 0;
	     depth && at < steps->steps && x->runs <= x->limit; at++)
		for (uint32_t kind = 0; kind < 2 * kinds; kind++) {
			struct explore_placement p = {at, (uint8_t)(kind / 2), kind & 1};

			x->placed = placed;
			if (!makes_sense(x, steps, &p))
				continue;
			x->placements[x->placed++] = p;
			explore_all(x, depth - 1);
		}
	x->placed = placed;
	free(steps);
}

/* How many runs that takes, about. */
static double cost(const struct explore *x, uint32_t depth)
{
	double places = 0, all = 1;

	for (uint32_t at = 0; at < x->steps && at < EXPLORE_STEPS; at++) {
		uint32_t events = (uint32_t)__builtin_popcount(
			x->meets_at[at] & ~EXPLORE_SWITCH &
			((1u << EXPLORE_CPUS << x->scenario->events) - 1));
		uint32_t kinds = events + (x->others_at[at] && x->meets_at[at] & EXPLORE_SWITCH
		                                   ? x->scenario->cpus - 1
		                                   : 0);

		places += x->stored_at[at] ? 2 * kinds : kinds;
	}
	for (uint32_t i = 1; i <= depth; i++)
		all = all * places / i;
	return all;
}

/* What fails, and at which call of it. */
static const struct {
	enum host_call call;
	uint32_t nth, flags;
} failures[] = {{HOST_SYNC, 1, 0},
                {HOST_SYNC, 2, 0},
                {HOST_SYNC, 1, EXPLORE_ONCE},
                {HOST_SYNC, 2, EXPLORE_ONCE},
                {HOST_RANGE, 1, 0},
                {HOST_ALL, 1, 0},
                {HOST_ALLOC, 1, 0}};

#define FAILURES (sizeof(failures) / sizeof(failures[0]))

bool explore_is_long(void)
{
	return getenv("IOPGT_TEST_LONG") != NULL;
}

/* In a domain one walker stands for all, with the HAL's callbacks. */
static void attach(struct explore *x)
{
	struct fixture *f = x->f;

	for (unsigned i = 0; i < f->walker_count; i++)
		expect(IOPGT_OK, iopgt_domain_detach(&f->domain, &f->domain_walkers[i]));
	x->walker = (struct iopgt_walker){
		.flags = IOPGT_WALKER_DIRTY | IOPGT_WALKER_COHERENT | IOPGT_WALKER_ACCESSED |
	                 IOPGT_WALKER_TABLE_ACCESSED,
		.bbm_level = f->bbm_level,
		.input_bits = 48,
		.output_bits = 48,
		.tlb = &f->hal.tlb,
		.context = &f->host,
	};
	expect(IOPGT_OK, iopgt_domain_attach(&f->domain, &x->walker));
}

void explore_begin(struct explore *x, struct fixture *f)
{
	memset(x, 0, sizeof(*x));
	x->f = f;
	x->arena = (uintptr_t)pool_virt(f->host.pool, f->table->root_phys, 8) - f->table->root_phys;
	x->tables = pool_in_use(f->host.pool);
	x->seed = seed_from_environment("IOPGT_SEED", 1);
	x->bounds = explore_is_long() ? (struct explore_bounds){3, 2, 20000, 1000}
	                              : (struct explore_bounds){2, 0, 600, 40};
	host_set_mode(&f->host, atomic_load(&f->host.mode) | HOST_FREES_UNCHECKED);
	explore_hal(x);
	if (f->options.domain)
		attach(x);
}

/* The cost is only an estimate: with less placements, if it was too low. */
static uint32_t all_that_is_affordable(struct explore *x, uint32_t depth, uint64_t most)
{
	for (;;) {
		x->placed = 0;
		x->limit = depth > 1 ? x->runs + 2 * most : UINT64_MAX;
		explore_all(x, depth);
		if (x->runs <= x->limit)
			return depth;
		depth--;
	}
}

void explore_search(struct explore *x, const struct explore_scenario *scenario)
{
	struct random random;
	/* With failures there are several scenarios of the same calls. */
	uint32_t depth = x->bounds.depth, share = scenario->nth ? FAILURES : 1, steps;

	x->scenario = scenario;
	explore_watch(x);
	x->came = !getenv("IOPGT_EXPLORE_CAME");
	learn(x);
	x->placed = 0;
	run(x);
	steps = x->steps;
	if (scenario->nth)
		depth = x->bounds.failing;
	if (!x->came && depth > 1) {
		x->limit = UINT64_MAX;
		explore_all(x, 1);
	}
	if (!x->came)
		depth = 0;
	while (depth > 1 && cost(x, depth) > (double)x->bounds.most / share)
		depth--;
	depth = all_that_is_affordable(x, depth, x->bounds.most / share);
	x->scenarios++;
	x->depths[depth]++;
	explore_note_pair(x, depth);
	if (!x->came || (depth && depth == (scenario->nth ? x->bounds.failing : x->bounds.depth)))
		return;
	random.state = x->seed + x->scenarios;
	for (uint64_t i = 0; i < x->bounds.random / share; i++) {
		random_placements(x, &random, steps + steps / 4);
		run(x);
	}
	x->placed = 0;
}

void explore_failing(struct explore *x, const struct explore_scenario *scenario)
{
	struct explore_scenario s = *scenario;

	for (uint32_t i = 0; i < FAILURES; i++) {
		s.flags = scenario->flags | failures[i].flags;
		s.fails = failures[i].call;
		s.nth = failures[i].nth;
		explore_search(x, &s);
	}
}

void explore_family(struct explore *x, const struct explore_family *family)
{
	struct explore_scenario s = family->scenario;

	for (uint32_t a = 0; a < family->firsts; a++)
		for (uint32_t b = 0; b < family->seconds; b++) {
			s.calls[0] = family->first[a];
			s.calls[1] = family->second[b];
			if (family->legal && !family->legal(&s.calls[0], &s.calls[1]))
				continue;
			explore_search(x, &s);
			if (family->fails)
				explore_failing(x, &s);
			if (!s.events)
				continue;
			s.flags |= EXPLORE_LATE;
			explore_search(x, &s);
			s.flags = family->scenario.flags;
		}
}

void explore_end(struct explore *x)
{
	fprintf(stderr,
	        "level %u, seed 0x%" PRIx64 ": %" PRIu64 " scenarios, %" PRIu64 " interleavings;",
	        x->f->bbm_level, x->seed, x->scenarios, x->runs);
	fprintf(stderr,
	        " all of up to 0, 1, 2, 3 placements in %" PRIu64 ", %" PRIu64 ", %" PRIu64
	        ", %" PRIu64 " of them; wrong: %" PRIu64 "\n",
	        x->depths[0], x->depths[1], x->depths[2], x->depths[3], x->wrong_runs);
	for (uint32_t i = 0; i < EXPLORE_CPUS; i++)
		free(x->cpus[i].stack);
	host_remove_walkers(&x->f->host);
	x->f->walker_count = 0;
	if (x->f->options.domain)
		expect(IOPGT_OK, iopgt_domain_detach(&x->f->domain, &x->walker));
	x->f->hal.flags = x->f->options.host.hal_flags;
	x->f->host.between = NULL;
	assert_int_equal(x->wrong_runs, 0);
}
