/* SPDX-License-Identifier: BSD-2-Clause */
/* Pairs of verbs on ranges with no leaf in common. */
#include "test_explore_pairs.h"

/* What a verb has something to do with. */
static enum explore_kind kind_for(enum explore_verb verb)
{
	switch (verb) {
	case EXPLORE_MAP:
		return EXPLORE_NOTHING;
	case EXPLORE_MERGE:
	case EXPLORE_MERGE_COLD:
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
	pairs_search(x, &s);
}

static void no_leaf_in_common(struct fixture *f)
{
	static struct explore x;

	pairs_begin(&x, f, 30000);
	for (unsigned a = 0; a < EXPLORE_VERBS; a++)
		for (unsigned b = 0; b < EXPLORE_VERBS; b++)
			if (pairs_are_of(f, a, b))
				apart(&x, a, b);
	explore_end(&x);
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(FIXTURE_LEVELS, no_leaf_in_common, GROUPS),
		TEST_WITH(FIXTURE_LEVELS, no_leaf_in_common, GROUPS, .domain = true),
	};
	int failed = FIXTURE_RUN(tests);

	return pairs_are_missing(EXPLORE_APART) || failed;
}
