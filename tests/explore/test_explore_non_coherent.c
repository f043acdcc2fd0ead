/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walkers that do not snoop: they see what was cleaned, and lines that the cache has written
 * back before. What a call has done is seen when it returns, whoever linked the tables
 * that it used; and nothing is seen that leads to what was not cleaned.
 */
#include "explore.h"

#define NON_COHERENT                                                                               \
	.input_bits = 31, .dirty = FIXTURE_NO_DIRTY, .config_flags = IOPGT_CONFIG_NON_COHERENT
#define BLOCKS NON_COHERENT, .leaf_sizes = 1 << 12 | 1 << 21
#define GROUPS NON_COHERENT, .leaf_sizes = 1 << 12 | 1 << 16 | 1 << 21
#define PAGES  NON_COHERENT, .leaf_sizes = 1 << 12

/* With lines written back early, and not. */
static void explore_both(struct explore *x, const struct explore_family *family)
{
	struct explore_family early = *family;

	explore_family(x, family);
	early.scenario.flags |= EXPLORE_EARLY;
	early.fails = false;
	explore_family(x, &early);
}

static void begin(struct explore *x, struct fixture *f)
{
	explore_begin(x, f);
	x->bounds = (struct explore_bounds){2, 0, 600, 30};
	if (explore_is_long())
		x->bounds = (struct explore_bounds){3, 2, 40000, 1000};
}

/* Both need a table that is not there; who comes second may find it not cleaned yet. */
static void two_that_need_a_table(struct fixture *f)
{
	static const struct explore_call low[] = {
		{EXPLORE_MAP, 0, 1}, {EXPLORE_MAP, 0, 8}, {EXPLORE_MAP, 512, 512}};
	static const struct explore_call high[] = {
		{EXPLORE_MAP, 8, 8},     {EXPLORE_MAP, 40, 1},     {EXPLORE_MAP, 300, 100},
		{EXPLORE_UNMAP, 40, 64}, {EXPLORE_PROTECT, 40, 8}, {EXPLORE_TRANSLATE, 40, 1}};
	static const enum explore_setup setups[] = {EXPLORE_EMPTY, EXPLORE_HOLLOW};
	static struct explore x;

	begin(&x, f);
	for (unsigned i = 0; i < 2; i++) {
		const struct explore_family family = {
			{.setup = setups[i],
		         .cpus = 2,
		         .events = 2,
		         .event = {{EXPLORE_READS, 0, 40}, {EXPLORE_WRITES, 1, 512}}},
			EXPLORE_CALLS(low),
			EXPLORE_CALLS(high),
			NULL,
			true};

		explore_both(&x, &family);
	}
	explore_end(&x);
}

/* Two parts of a block: one call splits it, the other one works in the table. */
static void two_parts_of_a_block(struct fixture *f)
{
	static const struct explore_call low[] = {{EXPLORE_UNMAP, 0, 8}};
	static const struct explore_call high[] = {{EXPLORE_UNMAP, 8, 8}, {EXPLORE_UNMAP, 300, 1}};
	static struct explore x;
	const struct explore_family family = {
		{.setup = EXPLORE_BLOCKS,
	         .flags = EXPLORE_WARM,
	         .cpus = 2,
	         .events = 2,
	         .event = {{EXPLORE_READS, 0, 12}, {EXPLORE_WRITES, 1, 300}}},
		EXPLORE_CALLS(low),
		EXPLORE_CALLS(high),
		NULL,
		true};

	begin(&x, f);
	explore_both(&x, &family);
	explore_end(&x);
}

/* One call, and what walkers see of it, from what they have cached and anew. */
static void walkers_beside_one_call(struct fixture *f)
{
	static const struct explore_call calls[] = {
		{EXPLORE_UNMAP, 0, 8},   {EXPLORE_UNMAP, 0, 512}, {EXPLORE_PROTECT, 0, 8},
		{EXPLORE_SPLIT, 0, 512}, {EXPLORE_MERGE, 0, 512}, {EXPLORE_PROTECT, 20, 20}};
	static const struct explore_call nothing[] = {{EXPLORE_TRANSLATE, 0, 1}};
	static const enum explore_setup setups[] = {EXPLORE_BLOCKS, EXPLORE_FULL, EXPLORE_GROUPS};
	static struct explore x;

	begin(&x, f);
	for (unsigned i = 0; i < 3; i++)
		for (unsigned warm = 0; warm < 2; warm++) {
			const struct explore_family family = {
				{.setup = setups[i],
			         .flags = warm ? EXPLORE_WARM : 0,
			         .cpus = 1,
			         .events = 3,
			         .event = {{EXPLORE_READS, 0, 20},
			                   {EXPLORE_WRITES, 1, 33},
			                   {EXPLORE_PREFETCHES, 1, 20}}},
				EXPLORE_CALLS(calls),
				EXPLORE_CALLS(nothing),
				NULL,
				true};

			explore_both(&x, &family);
		}
	explore_end(&x);
}

/* Tables go, and others come to their place. */
static void tables_that_go_and_come(struct fixture *f)
{
	static const struct explore_call low[] = {{EXPLORE_UNMAP, 0, 512}};
	static const struct explore_call high[] = {
		{EXPLORE_MAP, 513, 4}, {EXPLORE_UNMAP, 512, 1}, {EXPLORE_TRIM, 514, 510}};
	static const enum explore_setup setups[] = {EXPLORE_FULL, EXPLORE_HOLLOW};
	static struct explore x;

	begin(&x, f);
	for (unsigned i = 0; i < 2; i++) {
		const struct explore_family family = {
			{.setup = setups[i],
		         .flags = EXPLORE_WARM,
		         .cpus = 2,
		         .events = 2,
		         .then = {{EXPLORE_MAP, 0, 4}},
		         .event = {{EXPLORE_READS, 0, 1}, {EXPLORE_WRITES, 1, 512}}},
			EXPLORE_CALLS(low),
			EXPLORE_CALLS(high),
			NULL,
			true};

		explore_both(&x, &family);
	}
	explore_end(&x);
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(0, two_that_need_a_table, BLOCKS),
		TEST_WITH(0, two_that_need_a_table, PAGES),
		TEST_WITH(FIXTURE_LEVELS, two_parts_of_a_block, BLOCKS),
		TEST_WITH(FIXTURE_LEVELS, walkers_beside_one_call, GROUPS),
		TEST_WITH(0, tables_that_go_and_come, GROUPS),
	};

	return FIXTURE_RUN(tests);
}
