/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks: two calls on parts of one, splits and merges beside other calls, and walkers alone. */
#include "explore.h"

#define BLOCKS .input_bits = 31, .leaf_sizes = 1 << 12 | 1 << 21
#define GROUPS .input_bits = 31, .leaf_sizes = 1 << 12 | 1 << 16 | 1 << 21

#define SHARING(first, pages)                                                                      \
	{                                                                                          \
		{EXPLORE_UNMAP, first, pages}, {EXPLORE_UNMAP_DIRTY, first, pages},                \
			{EXPLORE_SYNC, first, pages}, {EXPLORE_CLEAR, first, pages},               \
			{EXPLORE_READ_AND_CLEAR, first, pages},                                    \
			{EXPLORE_EACH_CLEAR, first, pages}, {EXPLORE_ACCESSED, first, pages},      \
	}

static void run_family(struct fixture *f, const struct explore_family *family)
{
	static struct explore x;

	explore_begin(&x, f);
	explore_family(&x, family);
	explore_end(&x);
}

static void two_parts_of_a_block(struct fixture *f)
{
	static const struct explore_call low[] = SHARING(0, 8), high[] = SHARING(8, 8);
	const struct explore_family family = {
		{.setup = EXPLORE_BLOCKS,
	         .flags = EXPLORE_WARM,
	         .cpus = 2,
	         .events = 2,
	         .event = {{EXPLORE_WRITES, 0, 12}, {EXPLORE_WRITES, 1, 300}}},
		EXPLORE_CALLS(low),
		EXPLORE_CALLS(high),
		NULL,
		false};

	run_family(f, &family);
}

/* A clean block, and a part of a dirty one that another call splits for its own part. */
static void a_shared_block_behind_a_clean_one(struct fixture *f)
{
	static const struct explore_call low[] = {
		{EXPLORE_SYNC, 0, 520}, {EXPLORE_READ_AND_CLEAR, 0, 520}, {EXPLORE_EACH, 0, 520}};
	static const struct explore_call high[] = {{EXPLORE_UNMAP, 520, 8},
	                                           {EXPLORE_UNMAP_DIRTY, 520, 8}};
	const struct explore_family family = {{.setup = EXPLORE_BLOCKS,
	                                       .flags = EXPLORE_MARKED,
	                                       .cpus = 2,
	                                       .events = 1,
	                                       .event = {{EXPLORE_WRITES, 0, 515}}},
	                                      EXPLORE_CALLS(low),
	                                      EXPLORE_CALLS(high),
	                                      NULL,
	                                      false};

	run_family(f, &family);
}

/* Each changes a block of its own, the other call the one beside it. */
static void blocks_beside_each_other(struct fixture *f)
{
	static const struct explore_call low[] = {
		{EXPLORE_SPLIT, 0, 512}, {EXPLORE_UNMAP, 4, 4}, {EXPLORE_PROTECT, 4, 4}};
	static const struct explore_call high[] = {
		{EXPLORE_SPLIT, 512, 512},  {EXPLORE_UNMAP, 512, 512},
		{EXPLORE_UNMAP, 700, 4},    {EXPLORE_UNMAP_DIRTY, 512, 4},
		{EXPLORE_PROTECT, 512, 4},  {EXPLORE_READ_AND_CLEAR, 512, 512},
		{EXPLORE_CLEAR, 512, 512},  {EXPLORE_EACH_CLEAR, 512, 512},
		{EXPLORE_PROTECT, 512, 512}};
	const struct explore_family family = {
		{.setup = EXPLORE_BLOCKS,
	         .flags = EXPLORE_ONE_BITMAP | EXPLORE_WARM,
	         .cpus = 2,
	         .events = 2,
	         .event = {{EXPLORE_WRITES, 0, 2}, {EXPLORE_WRITES, 1, 513}}},
		EXPLORE_CALLS(low),
		EXPLORE_CALLS(high),
		NULL,
		true};

	run_family(f, &family);
}

static void merge_beside_other_calls(struct fixture *f)
{
	static const struct explore_call low[] = {{EXPLORE_MERGE, 0, 512}};
	static const struct explore_call high[] = {{EXPLORE_MAP, 513, 3},
	                                           {EXPLORE_UNMAP, 512, 1},
	                                           {EXPLORE_SPLIT, 512, 1},
	                                           {EXPLORE_UNMAP, 512, 512},
	                                           {EXPLORE_READ_AND_CLEAR, 512, 8},
	                                           {EXPLORE_PROTECT, 512, 1},
	                                           {EXPLORE_TRANSLATE, 512, 1}};
	const struct explore_family family = {
		{.setup = EXPLORE_FULL,
	         .flags = EXPLORE_WARM,
	         .cpus = 2,
	         .events = 2,
	         .event = {{EXPLORE_WRITES, 0, 2}, {EXPLORE_WRITES, 1, 300}}},
		EXPLORE_CALLS(low),
		EXPLORE_CALLS(high),
		NULL,
		true};

	run_family(f, &family);
}

/* One call, and what walkers do: with more placements. */
static void walkers_beside_one_call(struct fixture *f)
{
	static const struct explore_call calls[] = {
		{EXPLORE_UNMAP, 0, 8},       {EXPLORE_UNMAP_DIRTY, 0, 8},
		{EXPLORE_UNMAP, 0, 512},     {EXPLORE_UNMAP_DIRTY, 0, 512},
		{EXPLORE_PROTECT, 0, 8},     {EXPLORE_PROTECT, 0, 512},
		{EXPLORE_SPLIT, 0, 512},     {EXPLORE_MERGE, 0, 512},
		{EXPLORE_CLEAR, 0, 512},     {EXPLORE_READ_AND_CLEAR, 0, 512},
		{EXPLORE_EACH_CLEAR, 0, 64}, {EXPLORE_ACCESSED, 0, 512}};
	static const struct explore_call nothing[] = {{EXPLORE_SYNC, 0, 1}};
	static const enum explore_setup setups[] = {EXPLORE_BLOCKS, EXPLORE_FULL, EXPLORE_GROUPS};
	static struct explore x;

	explore_begin(&x, f);
	for (unsigned i = 0; i < 3; i++)
		for (unsigned warm = 0; warm < 2; warm++) {
			const struct explore_family family = {
				{.setup = setups[i],
			         .flags = warm ? EXPLORE_WARM : 0,
			         .cpus = 1,
			         .events = 3,
			         .event = {{EXPLORE_WRITES, 0, 20},
			                   {EXPLORE_WRITES, 1, 33},
			                   {EXPLORE_PREFETCHES, 1, 20}}},
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
		TEST_WITH(FIXTURE_LEVELS, two_parts_of_a_block, BLOCKS),
		TEST_WITH(FIXTURE_LEVELS, a_shared_block_behind_a_clean_one, BLOCKS),
		TEST_WITH(FIXTURE_LEVELS, two_parts_of_a_block, BLOCKS, .dirty = FIXTURE_SOFTWARE),
		TEST_WITH(FIXTURE_LEVELS, blocks_beside_each_other, BLOCKS),
		TEST_WITH(FIXTURE_LEVELS, merge_beside_other_calls, BLOCKS),
		TEST_WITH(FIXTURE_LEVELS, merge_beside_other_calls, GROUPS),
		TEST_WITH(FIXTURE_LEVELS, walkers_beside_one_call, GROUPS),
		TEST_WITH(0, walkers_beside_one_call, GROUPS, .walks = FIXTURE_ATS),
	};

	return FIXTURE_RUN(tests);
}
