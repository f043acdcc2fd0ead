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

/* What the second table is, what happens to it, and the page of it that is written. */
struct change {
	enum explore_kind kind;
	struct explore_call call;
	uint32_t page;
};

/* Walkers late, or not; in a long run each so. */
static void search(struct explore *x, struct explore_scenario *s, bool late)
{
	for (unsigned i = 0; i < 2; i++) {
		if (!explore_is_long() && late != i)
			continue;
		s->flags = (s->flags & ~(uint32_t)EXPLORE_LATE) | (i ? EXPLORE_LATE : 0);
		explore_search(x, s);
	}
}

static void run_changes(struct fixture *f, const struct change *changes, uint32_t count)
{
	static struct explore x;

	explore_begin(&x, f);
	x.bounds = (struct explore_bounds){2, 0, 6000, 200};
	if (explore_is_long())
		x.bounds = (struct explore_bounds){3, 1, 60000, 2000};
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t k = 0; k < SCANS; k++) {
			struct explore_scenario s = {
				.setup = EXPLORE_PARTS,
				.flags = EXPLORE_DEFERS | EXPLORE_MARKED | EXPLORE_ONE_BITMAP,
				.cpus = 2,
				.calls = {{scans[k], 0, 1024}, changes[i].call},
				.parts = {{EXPLORE_TABLE, 0}, {changes[i].kind, 512}},
				.events = 2,
				.event = {{EXPLORE_WRITES, 1, 20},
			                  {EXPLORE_WRITES, 0, changes[i].page}},
			};

			search(&x, &s, (i + k) & 1);
		}
	explore_end(&x);
}

#define RUN_CHANGES(f, changes) run_changes(f, changes, sizeof(changes) / sizeof((changes)[0]))

/* A table where nothing was, or one that mapped nothing. */
static void a_table_is_linked_or_filled(struct fixture *f)
{
	static const struct change changes[] = {
		{EXPLORE_NOTHING, {EXPLORE_MAP, 512, 8}, 516},
		{EXPLORE_NOTHING, {EXPLORE_MAP, 516, 1}, 516},
		{EXPLORE_NOTHING, {EXPLORE_MAP, 512, 512}, 516},
		{EXPLORE_SHELL, {EXPLORE_MAP, 512, 8}, 516},
		{EXPLORE_SHELL, {EXPLORE_MAP, 512, 512}, 516},
	};

	RUN_CHANGES(f, changes);
}

static void a_table_goes_or_parts_of_it(struct fixture *f)
{
	static const struct change changes[] = {
		{EXPLORE_TABLE, {EXPLORE_UNMAP, 512, 512}, 516},
		{EXPLORE_TABLE, {EXPLORE_UNMAP_DIRTY, 512, 512}, 516},
		{EXPLORE_TABLE, {EXPLORE_UNMAP_DIRTY, 514, 4}, 516},
		{EXPLORE_TABLE, {EXPLORE_UNMAP_DIRTY, 514, 4}, 520},
		{EXPLORE_SHELL, {EXPLORE_TRIM, 512, 512}, 516},
	};

	RUN_CHANGES(f, changes);
}

/* A block that walkers have cached becomes a table, of which a part is then unmapped. */
static void a_table_takes_the_place_of_a_block(struct fixture *f)
{
	static const struct change changes[] = {
		{EXPLORE_BLOCK, {EXPLORE_UNMAP_DIRTY, 514, 4}, 516},
		{EXPLORE_BLOCK, {EXPLORE_UNMAP_DIRTY, 514, 4}, 520},
		{EXPLORE_BLOCK, {EXPLORE_UNMAP, 512, 2}, 520},
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
