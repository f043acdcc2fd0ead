/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dirty verbs over whole last-level tables in a row, while another call links, fills or unlinks
 * the second one. A step is each load of 1024 entries; places are those that meet others.
 */
#include "explore.h"

#define BLOCKS .input_bits = 31, .leaf_sizes = 1 << 12 | 1 << 21
#define PAGES  .input_bits = 31, .leaf_sizes = 1 << 12
#define LINEAR .host = {.hal_flags = IOPGT_HAL_LINEAR}

static const enum explore_verb scans[] = {EXPLORE_READ_AND_CLEAR, EXPLORE_SYNC, EXPLORE_CLEAR};
#define SCANS (sizeof(scans) / sizeof(scans[0]))

/* What the second table is, what happens to it, and the pages that are written. */
struct change {
	enum explore_kind kind;
	struct explore_call call;
	uint32_t pages[2];
};

/* The scan comes first, or last; walkers late, or not. In a long run each with each. */
static void search(struct explore *x, const struct explore_scenario *scenario, uint32_t number)
{
	for (uint32_t i = 0; i < 4; i++) {
		struct explore_scenario s = *scenario;
		bool last = i & 1, late = i & 2;

		if (!explore_is_long() && late != ((number + i) & 1))
			continue;
		s.flags |= late ? EXPLORE_LATE : 0;
		s.calls[last ? 1 : 0] = scenario->calls[0];
		s.calls[last ? 0 : 1] = scenario->calls[1];
		explore_search(x, &s);
		/* A table of which some walker may still have the block. */
		if (s.parts[1].kind == EXPLORE_BLOCK)
			explore_failing(x, &s);
	}
}

static void run_changes(struct fixture *f, const struct change *changes, uint32_t count)
{
	static struct explore x;

	explore_begin(&x, f);
	x.bounds = (struct explore_bounds){2, 0, 2000, 60};
	if (explore_is_long())
		x.bounds = (struct explore_bounds){3, 1, 20000, 1000};
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t k = 0; k < SCANS; k++) {
			const struct explore_scenario s = {
				.setup = EXPLORE_PARTS,
				.flags = EXPLORE_DEFERS | EXPLORE_MARKED | EXPLORE_ONE_BITMAP,
				.cpus = 2,
				.calls = {{scans[k], 0, 1024}, changes[i].call},
				.parts = {{EXPLORE_TABLE, 0}, {changes[i].kind, 512}},
				.events = 2,
				.event = {{EXPLORE_WRITES, 0, changes[i].pages[0]},
			                  {EXPLORE_WRITES, k & 1, changes[i].pages[1]}},
			};

			search(&x, &s, i + k);
		}
	explore_end(&x);
}

#define RUN_CHANGES(f, changes) run_changes(f, changes, sizeof(changes) / sizeof((changes)[0]))

/* A table where nothing was, or one that mapped nothing. */
static void a_table_is_linked_or_filled(struct fixture *f)
{
	static const struct change changes[] = {
		{EXPLORE_NOTHING, {EXPLORE_MAP, 512, 8}, {20, 516}},
		{EXPLORE_NOTHING, {EXPLORE_MAP, 516, 1}, {20, 516}},
		{EXPLORE_NOTHING, {EXPLORE_MAP, 512, 512}, {20, 516}},
		{EXPLORE_SHELL, {EXPLORE_MAP, 512, 8}, {20, 516}},
		{EXPLORE_SHELL, {EXPLORE_MAP, 512, 512}, {20, 516}},
	};

	RUN_CHANGES(f, changes);
}

static void a_table_goes_or_parts_of_it(struct fixture *f)
{
	static const struct change changes[] = {
		{EXPLORE_TABLE, {EXPLORE_UNMAP, 512, 512}, {20, 516}},
		{EXPLORE_TABLE, {EXPLORE_UNMAP_DIRTY, 512, 512}, {20, 516}},
		{EXPLORE_TABLE, {EXPLORE_UNMAP_DIRTY, 514, 4}, {20, 516}},
		{EXPLORE_TABLE, {EXPLORE_UNMAP_DIRTY, 514, 4}, {516, 520}}, /* of one word */
		{EXPLORE_SHELL, {EXPLORE_TRIM, 512, 512}, {20, 516}},
	};

	RUN_CHANGES(f, changes);
}

/* A block that walkers have cached becomes a table, of which a part is then unmapped. */
static void a_table_takes_the_place_of_a_block(struct fixture *f)
{
	static const struct change changes[] = {
		{EXPLORE_BLOCK, {EXPLORE_UNMAP_DIRTY, 514, 4}, {516, 520}},
		{EXPLORE_BLOCK, {EXPLORE_UNMAP, 512, 2}, {20, 520}},
	};

	RUN_CHANGES(f, changes);
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(0, a_table_is_linked_or_filled, BLOCKS),
		TEST_WITH(0, a_table_is_linked_or_filled, PAGES, LINEAR),
		TEST_WITH(0, a_table_goes_or_parts_of_it, BLOCKS),
		TEST_WITH(FIXTURE_LEVELS, a_table_takes_the_place_of_a_block, BLOCKS),
	};

	return FIXTURE_RUN(tests);
}
