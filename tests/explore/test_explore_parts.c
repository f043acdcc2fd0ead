/* SPDX-License-Identifier: BSD-2-Clause */
/* Pairs of verbs on parts of one leaf: a group, or a block. */
#include "test_explore_pairs.h"

static void parts_of_one_leaf(struct fixture *f)
{
	static struct explore x;

	pairs_begin(&x, f, 16000);
	for (unsigned a = 0; a < EXPLORE_VERBS; a++)
		for (unsigned b = 0; b < EXPLORE_VERBS; b++) {
			struct explore_scenario s = {
				.flags = EXPLORE_MARKED | EXPLORE_DEFERS,
				.calls = {{a, 16, 8}, {b, 24, 8}},
				.parts = {{EXPLORE_GROUP, 16}},
				.event = {{EXPLORE_WRITES, 0, 20}},
			};

			if (explore_excluded(a, b, EXPLORE_SHARING) || !pairs_are_of(f, a, b))
				continue;
			pairs_search(&x, &s);
			s.parts[0] = (struct explore_part){EXPLORE_BLOCK, 0};
			pairs_search(&x, &s);
		}
	explore_end(&x);
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(FIXTURE_LEVELS, parts_of_one_leaf, GROUPS),
		TEST_WITH(FIXTURE_LEVELS, parts_of_one_leaf, GROUPS, .domain = true),
	};
	int failed = FIXTURE_RUN(tests);

	return pairs_are_missing(EXPLORE_SHARING) || failed;
}
