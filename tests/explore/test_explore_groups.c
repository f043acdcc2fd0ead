/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls on two or three parts of a contiguous group. */
#include "explore.h"

#define GROUPS .input_bits = 31, .leaf_sizes = 1 << 12 | 1 << 16 | 1 << 21

/* All that may share a group, on a part of it. */
#define SHARING(first, pages)                                                                      \
	{                                                                                          \
		{EXPLORE_UNMAP, first, pages}, {EXPLORE_UNMAP_DIRTY, first, pages},                \
			{EXPLORE_SYNC, first, pages}, {EXPLORE_CLEAR, first, pages},               \
			{EXPLORE_READ_AND_CLEAR, first, pages}, {EXPLORE_EACH, first, pages},      \
			{EXPLORE_EACH_CLEAR, first, pages}, {EXPLORE_ACCESSED, first, pages},      \
	}

static void run_families(struct fixture *f, const struct explore_family *families, unsigned count)
{
	static struct explore x;

	explore_begin(&x, f);
	if (explore_is_long())
		x.bounds.most = 40000;
	for (unsigned i = 0; i < count; i++)
		explore_family(&x, &families[i]);
	explore_end(&x);
}

static void two_halves_of_a_group(struct fixture *f)
{
	static const struct explore_call low[] = SHARING(16, 8), high[] = SHARING(24, 8);
	const struct explore_family families[] = {
		{{.setup = EXPLORE_GROUPS,
	          .flags = EXPLORE_MARKED,
	          .cpus = 2,
	          .events = 1,
	          .event = {{EXPLORE_WRITES, 0, 28}}},
	         EXPLORE_CALLS(low),
	         EXPLORE_CALLS(high),
	         NULL,
	         false},
	};

	run_families(f, families, 1);
}

/* All placements of up to two changes of CPU, three in a long run; no walkers. */
static void two_changes_of_cpu(struct fixture *f)
{
	static const struct explore_call low[] = {{EXPLORE_UNMAP, 16, 8}};
	static const struct explore_call high[] = {{EXPLORE_UNMAP, 24, 10},
	                                           {EXPLORE_UNMAP_DIRTY, 24, 8}};
	const struct explore_family family = {{.setup = EXPLORE_GROUPS, .cpus = 2},
	                                      EXPLORE_CALLS(low),
	                                      EXPLORE_CALLS(high),
	                                      NULL,
	                                      false};
	static struct explore x;

	explore_begin(&x, f);
	x.bounds = (struct explore_bounds){2, 2, 100000, 0};
	if (explore_is_long())
		x.bounds = (struct explore_bounds){3, 3, 500000, 0};
	explore_family(&x, &family);
	explore_end(&x);
}

/* Each has more than its part of the group. */
static void two_wider_ranges(struct fixture *f)
{
	static const struct explore_call low[] = SHARING(12, 10), high[] = SHARING(22, 14);
	const struct explore_family families[] = {
		{{.setup = EXPLORE_GROUPS,
	          .flags = EXPLORE_WARM | EXPLORE_ONE_BITMAP,
	          .cpus = 2,
	          .events = 2,
	          .event = {{EXPLORE_WRITES, 0, 20}, {EXPLORE_WRITES, 1, 30}}},
	         EXPLORE_CALLS(high),
	         EXPLORE_CALLS(low),
	         NULL,
	         false},
	};

	run_families(f, families, 1);
}

static void while_the_host_fails(struct fixture *f)
{
	static const struct explore_call low[] = {{EXPLORE_UNMAP, 16, 8},
	                                          {EXPLORE_UNMAP_DIRTY, 16, 8},
	                                          {EXPLORE_READ_AND_CLEAR, 16, 8}};
	static const struct explore_call high[] = {{EXPLORE_UNMAP, 24, 8},
	                                           {EXPLORE_UNMAP_DIRTY, 24, 8},
	                                           {EXPLORE_READ_AND_CLEAR, 24, 8},
	                                           {EXPLORE_SYNC, 24, 8}};
	const struct explore_family families[] = {
		{{.setup = EXPLORE_GROUPS,
	          .flags = EXPLORE_MARKED,
	          .cpus = 2,
	          .events = 1,
	          .event = {{EXPLORE_WRITES, 0, 28}}},
	         EXPLORE_CALLS(low),
	         EXPLORE_CALLS(high),
	         NULL,
	         true},
	};

	run_families(f, families, 1);
}

static void three_parts_of_a_group(struct fixture *f)
{
	static const struct explore_call low[] = {{EXPLORE_UNMAP, 16, 4},
	                                          {EXPLORE_UNMAP_DIRTY, 16, 4}};
	static const struct explore_call middle[] = SHARING(20, 4);
	const struct explore_family families[] = {
		{{.setup = EXPLORE_GROUPS,
	          .flags = EXPLORE_MARKED,
	          .cpus = 3,
	          .calls = {[2] = {EXPLORE_UNMAP_DIRTY, 24, 8}},
	          .events = 1,
	          .event = {{EXPLORE_WRITES, 0, 28}}},
	         EXPLORE_CALLS(low),
	         EXPLORE_CALLS(middle),
	         NULL,
	         false},
		{{.setup = EXPLORE_GROUPS,
	          .flags = EXPLORE_MARKED,
	          .cpus = 3,
	          .calls = {[2] = {EXPLORE_SYNC, 24, 8}},
	          .events = 1,
	          .event = {{EXPLORE_WRITES, 0, 28}}},
	         EXPLORE_CALLS(low),
	         EXPLORE_CALLS(middle),
	         NULL,
	         false},
	};

	run_families(f, families, 2);
}

/* One call that breaks up a group, and walkers that have it cached. */
static void walkers_beside_a_break_up(struct fixture *f)
{
	static const struct explore_call calls[] = {
		{EXPLORE_UNMAP, 20, 2},          {EXPLORE_UNMAP_DIRTY, 20, 2},
		{EXPLORE_PROTECT, 20, 2},        {EXPLORE_SPLIT, 20, 1},
		{EXPLORE_READ_AND_CLEAR, 8, 40}, {EXPLORE_CLEAR, 16, 16},
		{EXPLORE_ACCESSED, 16, 16}};
	static const struct explore_call nothing[] = {{EXPLORE_SYNC, 0, 1}};
	static struct explore x;

	explore_begin(&x, f);
	for (unsigned marked = 0; marked < 2; marked++) {
		const struct explore_family family = {
			{.setup = EXPLORE_GROUPS,
		         .flags = EXPLORE_WARM | (marked ? EXPLORE_MARKED : 0),
		         .cpus = 1,
		         .events = 3,
		         .event = {{EXPLORE_WRITES, 0, 28},
		                   {EXPLORE_PREFETCHES, 0, 28},
		                   {EXPLORE_WRITES, 1, 18}}},
			EXPLORE_CALLS(calls),
			EXPLORE_CALLS(nothing),
			NULL,
			true};

		explore_family(&x, &family);
	}
	explore_end(&x);
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(FIXTURE_LEVELS, two_halves_of_a_group, GROUPS),
		TEST_WITH(FIXTURE_LEVELS, two_changes_of_cpu, GROUPS),
		TEST_WITH(FIXTURE_LEVELS, two_wider_ranges, GROUPS),
		TEST_WITH(FIXTURE_LEVELS, two_halves_of_a_group, GROUPS, .dirty = FIXTURE_SOFTWARE),
		TEST_WITH(FIXTURE_LEVELS, while_the_host_fails, GROUPS),
		TEST_WITH(FIXTURE_LEVELS, walkers_beside_a_break_up, GROUPS),
		TEST_WITH(FIXTURE_LEVELS, walkers_beside_a_break_up, GROUPS, .walks = FIXTURE_ATS),
		TEST_WITH(FIXTURE_LEVELS, three_parts_of_a_group, GROUPS),
	};

	return FIXTURE_RUN(tests);
}
