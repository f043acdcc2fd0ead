/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every pair of verbs that the contract allows, on as little as they need, and a walker
 * that writes: with no leaf in common, on parts of one, on overlapping ranges, which are
 * a program each. They print the table of their pairs, and fail if one is missing.
 */
#ifndef TEST_EXPLORE_PAIRS_H
#define TEST_EXPLORE_PAIRS_H

#include "explore.h"

#define GROUPS .input_bits = 31, .leaf_sizes = 1 << 12 | 1 << 16 | 1 << 21

#define VERB(verb) (1u << EXPLORE_##verb)
#define UNMAPS     (VERB(UNMAP) | VERB(UNMAP_DIRTY))

/* Those that are run in a domain, with one that is. */
static inline bool pairs_are_of(const struct fixture *f, enum explore_verb a, enum explore_verb b)
{
	const uint32_t domains = VERB(SWITCH_ON) | VERB(SWITCH_OFF) | VERB(MERGE_COLD);

	return f->options.domain == (((1u << a | 1u << b) & domains) != 0);
}

/* What it takes that a table is cold. */
static inline uint32_t pairs_flags(enum explore_verb a, enum explore_verb b)
{
	return (1u << a | 1u << b) & VERB(MERGE_COLD) ? EXPLORE_ADAPTS | EXPLORE_COLD : 0;
}

/* In one order as it is, in the other one with late walkers; in a long run, each so. */
static inline void pairs_search(struct explore *x, struct explore_scenario *s)
{
	bool back = s->calls[0].verb > s->calls[1].verb;
	uint32_t flags = s->flags | pairs_flags(s->calls[0].verb, s->calls[1].verb);

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

/* `most`: of a scenario in a long run, so that each program takes some ten minutes. */
static inline void pairs_begin(struct explore *x, struct fixture *f, uint64_t most)
{
	explore_begin(x, f);
	x->bounds = (struct explore_bounds){2, 0, 300, 20};
	if (explore_is_long())
		x->bounds = (struct explore_bounds){3, 1, most, 800};
}

/* After the tests. Whether pairs are missing; where only some tests are run, they are. */
static inline bool pairs_are_missing(enum explore_relation relation)
{
	return explore_print_pairs(relation) && !getenv("IOPGT_TEST");
}

#endif
