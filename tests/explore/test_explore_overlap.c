/* SPDX-License-Identifier: BSD-2-Clause */
/* Pairs of verbs on overlapping ranges. */
#include "test_explore_pairs.h"

/* Looks at the table, or handles a fault: beside all. */
static bool looks(enum explore_verb verb)
{
	return verb >= EXPLORE_TRANSLATE && verb <= EXPLORE_TRANSLATION_FAULT;
}

/* What there is for `a`, and the ranges of both. */
struct ground {
	uint32_t verbs; /* of a */
	struct explore_part part;
	uint32_t first, pages, other, other_pages;
};

#define SPLITS  (VERB(SPLIT) | VERB(SWITCH_ON) | VERB(SWITCH_OFF))
#define MERGES  (VERB(MERGE) | VERB(MERGE_COLD))
#define CHANGES (VERB(MAP) | MERGES | VERB(TRIM) | VERB(PROTECT) | SPLITS)

static const struct ground grounds[] = {
	{VERB(MAP), {EXPLORE_NOTHING, 16}, 16, 1, 16, 2},
	{VERB(MAP), {EXPLORE_SHELL, 0}, 16, 16, 20, 2},
	{VERB(MAP), {EXPLORE_NOTHING, 0}, 0, 512, 20, 2},
	{~CHANGES, {EXPLORE_PAGE, 16}, 16, 1, 16, 2},
	{UNMAPS | VERB(PROTECT), {EXPLORE_GROUP, 16}, 16, 8, 20, 8},
	{UNMAPS | VERB(PROTECT), {EXPLORE_BLOCK, 0}, 0, 8, 4, 8},
	{UNMAPS | MERGES, {EXPLORE_TABLE, 0}, 0, 512, 20, 2},
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

	pairs_search(x, &s);
	if (looks(a) && looks(b))
		return;
	/* The other way round. */
	s.calls[0] = s.calls[1];
	s.calls[1] = first;
	pairs_search(x, &s);
}

static void overlapping_ranges(struct fixture *f)
{
	static struct explore x;

	pairs_begin(&x, f, 10000);
	for (unsigned a = 0; a < EXPLORE_VERBS; a++)
		for (unsigned b = 0; b < EXPLORE_VERBS; b++)
			for (unsigned i = 0; i < sizeof(grounds) / sizeof(grounds[0]); i++)
				if (grounds[i].verbs >> a & 1 &&
				    !explore_excluded(a, b, EXPLORE_SAME) &&
				    (looks(b) || (!looks(a) && b >= EXPLORE_SYNC)) &&
				    pairs_are_of(f, a, b))
					meet(&x, &grounds[i], a, b);
	explore_end(&x);
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(FIXTURE_LEVELS, overlapping_ranges, GROUPS),
		TEST_WITH(FIXTURE_LEVELS, overlapping_ranges, GROUPS, .domain = true),
		/* Whole tables are filled before they are linked. */
		TEST_WITH(0, overlapping_ranges, .input_bits = 31, .leaf_sizes = 1 << 12 | 1 << 16),
	};
	int failed = FIXTURE_RUN(tests);

	return pairs_are_missing(EXPLORE_SAME) || failed;
}
