/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every pair of verbs that the contract allows, on as little as they need: with no leaf
 * in common, on parts of one, on overlapping ranges; and a walker that writes. Prints
 * the table of them, and fails if one is missing.
 */
#include "explore.h"

#include <stdio.h>

#define GROUPS   .input_bits = 31, .leaf_sizes = 1 << 12 | 1 << 16 | 1 << 21
#define NO_BLOCK .input_bits = 31, .leaf_sizes = 1 << 12 | 1 << 16

#define VERB(verb) (1u << EXPLORE_##verb)
#define UNMAPS     (VERB(UNMAP) | VERB(UNMAP_DIRTY))

static bool is_switch(enum explore_verb verb)
{
	return verb == EXPLORE_SWITCH_ON || verb == EXPLORE_SWITCH_OFF;
}

/* Looks at the table, or handles a fault: beside all. */
static bool looks(enum explore_verb verb)
{
	return verb >= EXPLORE_TRANSLATE && verb <= EXPLORE_TRANSLATION_FAULT;
}

/* What a verb has something to do with. */
static enum explore_kind kind_for(enum explore_verb verb)
{
	switch (verb) {
	case EXPLORE_MAP:
		return EXPLORE_NOTHING;
	case EXPLORE_MERGE:
		return EXPLORE_TABLE;
	case EXPLORE_TRIM:
		return EXPLORE_SHELL;
	case EXPLORE_SPLIT:
	case EXPLORE_SWITCH_ON:
	case EXPLORE_SWITCH_OFF:
		return EXPLORE_GROUP;
	default:
		return EXPLORE_PAGE;
	}
}

static uint32_t pages_of(enum explore_kind kind)
{
	switch (kind) {
	case EXPLORE_GROUP:
		return 16;
	case EXPLORE_TABLE:
	case EXPLORE_SHELL:
	case EXPLORE_BLOCK:
		return 512;
	default:
		return 1;
	}
}

static bool is_large(enum explore_kind kind)
{
	return pages_of(kind) == 512;
}

/* In one order as it is, in the other one with late walkers; in a long run, each so. */
static void run(struct explore *x, struct explore_scenario *s)
{
	bool back = s->calls[0].verb > s->calls[1].verb;
	uint32_t flags = s->flags;

	s->cpus = 2;
	s->setup = EXPLORE_PARTS;
	s->events = 1;
	for (unsigned late = 0; late < 2; late++) {
		if (!explore_is_long() && s->calls[0].verb != s->calls[1].verb && late != back)
			continue;
		s->flags = flags | (late ? EXPLORE_LATE : 0);
		explore_search(x, s);
	}
	s->flags = flags;
	/* Readers whose tables go away. */
	if (explore_is_long() || (flags & EXPLORE_DEFERS && UNMAPS >> s->calls[0].verb & 1))
		explore_failing(x, s);
}

static void begin(struct explore *x, struct fixture *f)
{
	explore_begin(x, f);
	x->bounds = (struct explore_bounds){2, 0, 300, 20};
	if (explore_is_long())
		x->bounds = (struct explore_bounds){3, 1, 8000, 800};
}

/* --- With no leaf in common --- */

static void apart(struct explore *x, enum explore_verb a, enum explore_verb b)
{
	enum explore_kind kinds[] = {kind_for(a), kind_for(b)};
	bool large = is_large(kinds[0]) || is_large(kinds[1]);
	struct explore_scenario s = {.flags = EXPLORE_MARKED | EXPLORE_ONE_BITMAP};

	if (explore_excluded(a, b, EXPLORE_APART))
		return;
	s.parts[0] = (struct explore_part){kinds[0], is_large(kinds[0]) ? 0 : 16};
	s.parts[1] = (struct explore_part){kinds[1], large ? 512 : 32};
	s.calls[0] = (struct explore_call){a, s.parts[0].first, pages_of(kinds[0])};
	s.calls[1] = (struct explore_call){b, s.parts[1].first, pages_of(kinds[1])};
	s.event[0] = (struct explore_event){EXPLORE_WRITES, 0, s.parts[0].first};
	run(x, &s);
}

static void no_leaf_in_common(struct fixture *f)
{
	static struct explore x;

	begin(&x, f);
	for (unsigned a = 0; a < EXPLORE_VERBS; a++)
		for (unsigned b = 0; b < EXPLORE_VERBS; b++)
			if ((is_switch(a) || is_switch(b)) == f->options.domain)
				apart(&x, a, b);
	explore_end(&x);
}

/* --- On parts of one leaf --- */

static void parts_of_one_leaf(struct fixture *f)
{
	static struct explore x;

	begin(&x, f);
	for (unsigned a = 0; a < EXPLORE_VERBS; a++)
		for (unsigned b = 0; b < EXPLORE_VERBS; b++) {
			struct explore_scenario s = {
				.flags = EXPLORE_MARKED | EXPLORE_DEFERS,
				.calls = {{a, 16, 8}, {b, 24, 8}},
				.parts = {{EXPLORE_GROUP, 16}},
				.event = {{EXPLORE_WRITES, 0, 20}},
			};

			if (explore_excluded(a, b, EXPLORE_SHARING) ||
			    (is_switch(a) || is_switch(b)) != f->options.domain)
				continue;
			run(&x, &s);
			s.parts[0] = (struct explore_part){EXPLORE_BLOCK, 0};
			run(&x, &s);
		}
	explore_end(&x);
}

/* --- On overlapping ranges --- */

/* What there is for `a`, and the ranges of both. */
struct ground {
	uint32_t verbs; /* of a */
	struct explore_part part;
	uint32_t first, pages, other, other_pages;
};

#define SPLITS  (VERB(SPLIT) | VERB(SWITCH_ON) | VERB(SWITCH_OFF))
#define CHANGES (VERB(MAP) | VERB(MERGE) | VERB(TRIM) | VERB(PROTECT) | SPLITS)

static const struct ground grounds[] = {
	{VERB(MAP), {EXPLORE_NOTHING, 16}, 16, 1, 16, 2},
	{VERB(MAP), {EXPLORE_SHELL, 0}, 16, 16, 20, 2},
	{VERB(MAP), {EXPLORE_NOTHING, 0}, 0, 512, 20, 2},
	{~CHANGES, {EXPLORE_PAGE, 16}, 16, 1, 16, 2},
	{UNMAPS | VERB(PROTECT), {EXPLORE_GROUP, 16}, 16, 8, 20, 8},
	{UNMAPS | VERB(PROTECT), {EXPLORE_BLOCK, 0}, 0, 8, 4, 8},
	{UNMAPS | VERB(MERGE), {EXPLORE_TABLE, 0}, 0, 512, 20, 2},
	{~(CHANGES | UNMAPS) | SPLITS, {EXPLORE_GROUP, 16}, 16, 16, 20, 2},
	{SPLITS, {EXPLORE_BLOCK, 0}, 0, 512, 20, 2},
	{VERB(TRIM), {EXPLORE_SHELL, 0}, 0, 512, 5, 1},
};

static void meet(struct explore *x, const struct ground *ground, enum explore_verb a,
                 enum explore_verb b)
{
	struct explore_scenario s = {
		.flags = EXPLORE_MARKED | EXPLORE_DEFERS,
		.calls = {{a, ground->first, ground->pages},
	                  {b, ground->other, ground->other_pages}},
		.parts = {ground->part},
		.event = {{EXPLORE_WRITES, 0, ground->other}},
	};
	struct explore_call first = s.calls[0];

	run(x, &s);
	if (looks(a) && looks(b))
		return;
	/* The other way round. */
	s.calls[0] = s.calls[1];
	s.calls[1] = first;
	run(x, &s);
}

static void overlapping_ranges(struct fixture *f)
{
	static struct explore x;

	begin(&x, f);
	for (unsigned a = 0; a < EXPLORE_VERBS; a++)
		for (unsigned b = 0; b < EXPLORE_VERBS; b++)
			for (unsigned i = 0; i < sizeof(grounds) / sizeof(grounds[0]); i++)
				if (grounds[i].verbs >> a & 1 &&
				    !explore_excluded(a, b, EXPLORE_SAME) &&
				    (looks(b) || (!looks(a) && b >= EXPLORE_SYNC)) &&
				    (is_switch(a) || is_switch(b)) == f->options.domain)
					meet(&x, &grounds[i], a, b);
	explore_end(&x);
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(FIXTURE_LEVELS, no_leaf_in_common, GROUPS),
		TEST_WITH(FIXTURE_LEVELS, no_leaf_in_common, GROUPS, .domain = true),
		TEST_WITH(FIXTURE_LEVELS, parts_of_one_leaf, GROUPS),
		TEST_WITH(FIXTURE_LEVELS, parts_of_one_leaf, GROUPS, .domain = true),
		TEST_WITH(FIXTURE_LEVELS, overlapping_ranges, GROUPS),
		TEST_WITH(FIXTURE_LEVELS, overlapping_ranges, GROUPS, .domain = true),
		/* Whole tables are filled before they are linked. */
		TEST_WITH(0, overlapping_ranges, NO_BLOCK),
	};
	int failed = FIXTURE_RUN(tests);
	uint32_t missing = explore_print_pairs();

	if (missing && !getenv("IOPGT_TEST"))
		fprintf(stderr, "%" PRIu32 " pairs have not been run\n", missing);
	return failed || (missing && !getenv("IOPGT_TEST"));
}
