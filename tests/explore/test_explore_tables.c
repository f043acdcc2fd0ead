/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls that share tables and words of a bitmap but no leaf, and readers beside all. */
#include "explore.h"

#define GROUPS .input_bits = 31, .leaf_sizes = 1 << 12 | 1 << 16 | 1 << 21

static void run_family(struct fixture *f, const struct explore_family *family)
{
	static struct explore x;

	explore_begin(&x, f);
	explore_family(&x, family);
	explore_end(&x);
}

/* Two groups in one table; their bits are in one word. */
static void neighbours_in_a_table(struct fixture *f)
{
	static const struct explore_call low[] = {
		{EXPLORE_MAP, 0, 8},          {EXPLORE_UNMAP, 16, 8},
		{EXPLORE_UNMAP_DIRTY, 12, 8}, {EXPLORE_PROTECT, 16, 8},
		{EXPLORE_SPLIT, 16, 8},       {EXPLORE_READ_AND_CLEAR, 8, 24},
		{EXPLORE_EACH_CLEAR, 8, 24},  {EXPLORE_ACCESSED, 8, 24}};
	static const struct explore_call high[] = {
		{EXPLORE_MAP, 56, 8},     {EXPLORE_UNMAP, 40, 10}, {EXPLORE_UNMAP_DIRTY, 40, 8},
		{EXPLORE_PROTECT, 40, 8}, {EXPLORE_SPLIT, 40, 8},  {EXPLORE_READ_AND_CLEAR, 32, 24},
		{EXPLORE_CLEAR, 32, 24},  {EXPLORE_SYNC, 40, 10},  {EXPLORE_TRANSLATE, 40, 1},
		{EXPLORE_VISIT, 32, 32}};
	const struct explore_family family = {
		{.setup = EXPLORE_GROUPS,
	         .flags = EXPLORE_MARKED | EXPLORE_ONE_BITMAP,
	         .cpus = 2,
	         .events = 2,
	         .event = {{EXPLORE_WRITES, 0, 20}, {EXPLORE_WRITES, 1, 41}}},
		EXPLORE_CALLS(low),
		EXPLORE_CALLS(high),
		NULL,
		false};

	run_family(f, &family);
}

/* Pages of their own: few steps, of which all placements are tried. */
static void two_small_ranges(struct fixture *f)
{
	static const struct explore_call low[] = {{EXPLORE_UNMAP, 10, 1},
	                                          {EXPLORE_UNMAP_DIRTY, 10, 1}};
	static const struct explore_call high[] = {{EXPLORE_UNMAP_DIRTY, 50, 1},
	                                           {EXPLORE_PROTECT, 50, 1},
	                                           {EXPLORE_READ_AND_CLEAR, 50, 1}};
	const struct explore_family family = {{.setup = EXPLORE_GROUPS,
	                                       .flags = EXPLORE_MARKED | EXPLORE_ONE_BITMAP,
	                                       .cpus = 2,
	                                       .events = 1,
	                                       .event = {{EXPLORE_WRITES, 0, 10}}},
	                                      EXPLORE_CALLS(low),
	                                      EXPLORE_CALLS(high),
	                                      NULL,
	                                      true};
	static struct explore x;

	explore_begin(&x, f);
	x.bounds = (struct explore_bounds){2, 2, 8000, 0};
	if (explore_is_long())
		x.bounds = (struct explore_bounds){3, 3, 100000, 0};
	explore_family(&x, &family);
	explore_end(&x);
}

/* A page a call, where tables are in linear memory: the shortest way. */
static void pages_one_by_one(struct fixture *f)
{
	static const struct explore_call low[] = {
		{EXPLORE_UNMAP, 10, 1}, {EXPLORE_MAP, 70, 1}, {EXPLORE_MAP, 512, 1}};
	static const struct explore_call high[] = {
		{EXPLORE_UNMAP, 50, 1}, {EXPLORE_MAP, 71, 1},
		{EXPLORE_MAP, 513, 1},  {EXPLORE_TRANSLATE, 50, 1},
		{EXPLORE_SYNC, 40, 12}, {EXPLORE_READ_AND_CLEAR, 50, 1}};
	const struct explore_family family = {
		{.setup = EXPLORE_SINGLES,
	         .flags = EXPLORE_WARM,
	         .cpus = 2,
	         .events = 2,
	         .event = {{EXPLORE_WRITES, 0, 70}, {EXPLORE_WRITES, 1, 50}}},
		EXPLORE_CALLS(low),
		EXPLORE_CALLS(high),
		NULL,
		true};

	run_family(f, &family);
}

static void two_that_need_a_table(struct fixture *f)
{
	static const struct explore_call low[] = {
		{EXPLORE_MAP, 0, 8}, {EXPLORE_MAP, 16, 16}, {EXPLORE_MAP, 0, 512}};
	static const struct explore_call high[] = {
		{EXPLORE_MAP, 512, 8},     {EXPLORE_MAP, 512, 512},
		{EXPLORE_UNMAP, 512, 512}, {EXPLORE_UNMAP_DIRTY, 512, 8},
		{EXPLORE_TRIM, 512, 512},  {EXPLORE_SYNC, 512, 64},
		{EXPLORE_VISIT, 512, 64},  {EXPLORE_TRANSLATE, 512, 1}};
	static const struct explore_call near[] = {{EXPLORE_MAP, 8, 8}, {EXPLORE_MAP, 40, 1}};
	static const enum explore_setup setups[] = {EXPLORE_EMPTY, EXPLORE_HOLLOW};
	static struct explore x;

	explore_begin(&x, f);
	for (unsigned i = 0; i < 2; i++) {
		struct explore_family family = {
			{.setup = setups[i],
		         .cpus = 2,
		         .events = 2,
		         .event = {{EXPLORE_READS, 0, 2}, {EXPLORE_WRITES, 1, 513}}},
			EXPLORE_CALLS(low),
			EXPLORE_CALLS(high),
			NULL,
			true};

		explore_family(&x, &family);
		family.firsts = 2;
		family.second = near;
		family.seconds = 2;
		family.scenario.event[1].page = 18;
		/* The first two leave room for the others. */
		explore_family(&x, &family);
	}
	explore_end(&x);
}

static void tables_that_go(struct fixture *f)
{
	static const struct explore_call low[] = {
		{EXPLORE_UNMAP, 0, 512}, {EXPLORE_UNMAP_DIRTY, 0, 512}, {EXPLORE_UNMAP, 256, 256}};
	static const struct explore_call high[] = {
		{EXPLORE_MAP, 513, 4},           {EXPLORE_UNMAP, 512, 512},
		{EXPLORE_UNMAP_DIRTY, 512, 512}, {EXPLORE_PROTECT, 512, 1},
		{EXPLORE_SYNC, 512, 2},          {EXPLORE_READ_AND_CLEAR, 512, 8},
		{EXPLORE_TRIM, 514, 510}};
	const struct explore_family family = {
		{.setup = EXPLORE_FULL,
	         .flags = EXPLORE_WARM,
	         .cpus = 2,
	         .events = 2,
	         .event = {{EXPLORE_WRITES, 0, 300}, {EXPLORE_WRITES, 1, 512}}},
		EXPLORE_CALLS(low),
		EXPLORE_CALLS(high),
		NULL,
		true};

	run_family(f, &family);
}

/* The first entries of an unlinked table, which are what it waits by in a list. */
static void first_pages_of_tables_that_go(struct fixture *f)
{
	static const struct explore_call low[] = {{EXPLORE_UNMAP_DIRTY, 0, 512}};
	static const struct explore_call high[] = {{EXPLORE_UNMAP_DIRTY, 512, 512}};
	const struct explore_family family = {
		{.setup = EXPLORE_FULL,
	         .flags = EXPLORE_WARM,
	         .cpus = 2,
	         .events = 2,
	         .event = {{EXPLORE_WRITES, 0, 1}, {EXPLORE_WRITES, 1, 512}}},
		EXPLORE_CALLS(low),
		EXPLORE_CALLS(high),
		NULL,
		false};

	run_family(f, &family);
}

#define READERS(first, pages)                                                                      \
	{                                                                                          \
		{EXPLORE_TRANSLATE, first, 1}, {EXPLORE_VISIT, first, pages},                      \
			{EXPLORE_SYNC, first, pages}, {EXPLORE_EACH, first, pages},                \
			{EXPLORE_CLEAR, first, pages}, {EXPLORE_READ_AND_CLEAR, first, pages},     \
			{EXPLORE_EACH_CLEAR, first, pages}, {EXPLORE_ACCESSED, first, pages},      \
			{EXPLORE_WRITE_FAULT, first, 1}, {EXPLORE_ACCESS_FAULT, first, 1},         \
			{EXPLORE_TRANSLATION_FAULT, first, 1},                                     \
	}

/* Translate and the handlers may run beside all; the dirty verbs beside map and unmap. */
static bool may_overlap(const struct explore_call *writer, const struct explore_call *reader)
{
	bool any = reader->verb == EXPLORE_TRANSLATE || reader->verb == EXPLORE_VISIT ||
	           reader->verb >= EXPLORE_WRITE_FAULT;

	return any || writer->verb <= EXPLORE_UNMAP_DIRTY;
}

static void readers_of_groups(struct fixture *f)
{
	static const struct explore_call writers[] = {
		{EXPLORE_MAP, 56, 8},     {EXPLORE_UNMAP, 24, 16}, {EXPLORE_UNMAP_DIRTY, 24, 16},
		{EXPLORE_PROTECT, 24, 4}, {EXPLORE_SPLIT, 24, 4},  {EXPLORE_UNMAP, 0, 512}};
	static const struct explore_call readers[] = READERS(26, 34);
	const struct explore_family family = {
		{.setup = EXPLORE_GROUPS,
	         .flags = EXPLORE_DEFERS,
	         .cpus = 2,
	         .events = 2,
	         .event = {{EXPLORE_WRITES, 0, 20}, {EXPLORE_WRITES, 1, 28}}},
		EXPLORE_CALLS(writers),
		EXPLORE_CALLS(readers),
		may_overlap,
		false};

	run_family(f, &family);
}

static void readers_of_blocks(struct fixture *f)
{
	static const struct explore_call writers[] = {{EXPLORE_UNMAP, 0, 512},
	                                              {EXPLORE_UNMAP_DIRTY, 0, 8},
	                                              {EXPLORE_PROTECT, 8, 8},
	                                              {EXPLORE_SPLIT, 0, 512},
	                                              {EXPLORE_MERGE, 0, 512}};
	static const struct explore_call readers[] = READERS(4, 8);
	static const enum explore_setup setups[] = {EXPLORE_BLOCKS, EXPLORE_FULL};
	static struct explore x;

	explore_begin(&x, f);
	for (unsigned i = 0; i < 2; i++) {
		const struct explore_family family = {
			{.setup = setups[i],
		         .flags = EXPLORE_DEFERS | EXPLORE_WARM,
		         .cpus = 2,
		         .events = 2,
		         .event = {{EXPLORE_WRITES, 0, 6}, {EXPLORE_WRITES, 1, 300}}},
			EXPLORE_CALLS(writers),
			EXPLORE_CALLS(readers),
			may_overlap,
			false};

		explore_family(&x, &family);
	}
	explore_end(&x);
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(FIXTURE_LEVELS, neighbours_in_a_table, GROUPS),
		TEST_WITH(FIXTURE_LEVELS, two_small_ranges, GROUPS),
		TEST_WITH(0, pages_one_by_one, .input_bits = 31, .leaf_sizes = 1 << 12 | 1 << 21,
	                  .host = {.hal_flags = IOPGT_HAL_LINEAR}),
		TEST_WITH(FIXTURE_LEVELS, two_that_need_a_table, GROUPS),
		/* Whole tables are filled before they are linked. */
		TEST_WITH(0, two_that_need_a_table, .input_bits = 31,
	                  .leaf_sizes = 1 << 12 | 1 << 16),
		TEST_WITH(FIXTURE_LEVELS, tables_that_go, GROUPS),
		TEST_WITH(0, first_pages_of_tables_that_go, GROUPS),
		TEST_WITH(0, first_pages_of_tables_that_go, .input_bits = 31,
	                  .leaf_sizes = 1 << 12),
		TEST_WITH(FIXTURE_LEVELS, readers_of_groups, GROUPS),
		TEST_WITH(FIXTURE_LEVELS, readers_of_blocks, GROUPS),
	};

	return FIXTURE_RUN(tests);
}
