/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Adaptive tracking: blocks are split by the scan that cleans them, and cold tables are
 * merged back, while walkers write; and beside other calls.
 */
#include "explore.h"

#define BLOCKS .input_bits = 31, .leaf_sizes = 1 << 12 | 1 << 21, .domain = true
#define GROUPS .input_bits = 31, .leaf_sizes = 1 << 12 | 1 << 16 | 1 << 21, .domain = true
#define WALKED BLOCKS, .walks = FIXTURE_TABLE_ACCESS

static const enum explore_verb clearing[] = {EXPLORE_READ_AND_CLEAR, EXPLORE_CLEAR,
                                             EXPLORE_EACH_CLEAR};
#define CLEARING (sizeof(clearing) / sizeof(clearing[0]))

static void begin(struct explore *x, struct fixture *f)
{
	explore_begin(x, f);
	x->bounds = (struct explore_bounds){2, 0, 500, 30};
	if (explore_is_long())
		x->bounds = (struct explore_bounds){3, 2, 25000, 1000};
}

/*
 * A table that has been clean for a scan, or is dirty and young; walkers late, or not. In
 * a long run each with each.
 */
static void search(struct explore *x, struct explore_scenario *s)
{
	uint32_t flags = s->flags | EXPLORE_ADAPTS;

	s->setup = EXPLORE_PARTS;
	for (unsigned i = 0; i < 4; i++) {
		if (!explore_is_long() && (i == 1 || i == 2))
			continue;
		s->flags = flags | (i & 1 ? EXPLORE_LATE : 0) | (i & 2 ? EXPLORE_COLD : 0);
		explore_search(x, s);
	}
	s->flags = flags;
}

/* A round, and what ends it; or that, and the next round. */
static void rounds(struct fixture *f)
{
	enum explore_kind first = f->table->grouped ? EXPLORE_GROUP : EXPLORE_BLOCK;
	enum explore_kind second = f->table->grouped ? EXPLORE_BLOCK : EXPLORE_TABLE;
	static struct explore x;

	begin(&x, f);
	for (unsigned i = 0; i < CLEARING; i++)
		for (unsigned k = 0; k < 4; k++) {
			uint32_t pages = k & 1 ? EXPLORE_WHOLE : 1024;
			struct explore_scenario s = {
				.flags = EXPLORE_WARM | (i ? EXPLORE_MARKED : 0),
				.cpus = 1,
				.calls = {{clearing[i], 0, pages}},
				.then = {{EXPLORE_MERGE_COLD, 0, pages}},
				.parts = {{first, f->table->grouped ? 16 : 0}, {second, 512}},
				.events = 3,
				.event = {{EXPLORE_WRITES, 0, 20},
			                  {EXPLORE_WRITES, 1, 530},
			                  {EXPLORE_PREFETCHES, 1, 20}},
			};

			if (k & 2) {
				s.calls[0] = s.then[0];
				s.then[0].verb = clearing[i];
			}
			search(&x, &s);
		}
	explore_end(&x);
}

/* What was merged, or split, with failing posts and waits. */
static void while_the_host_fails(struct fixture *f)
{
	static struct explore x;

	begin(&x, f);
	for (unsigned i = 0; i < 2; i++) {
		struct explore_scenario s = {
			.setup = EXPLORE_PARTS,
			.flags =
				EXPLORE_WARM | EXPLORE_ADAPTS | (i ? EXPLORE_MARKED : EXPLORE_COLD),
			.cpus = 1,
			.calls = {{i ? EXPLORE_READ_AND_CLEAR : EXPLORE_MERGE_COLD, 0, 1024}},
			.parts = {{EXPLORE_BLOCK, 0}, {EXPLORE_TABLE, 512}},
			.events = 2,
			.event = {{EXPLORE_WRITES, 0, 20}, {EXPLORE_WRITES, 1, 530}},
		};

		explore_failing(&x, &s);
	}
	explore_end(&x);
}

/* Each on a block, or a table, of its own; they share those above, and what may be split. */
static void neighbours(struct fixture *f)
{
	static const enum explore_verb high[] = {EXPLORE_READ_AND_CLEAR, EXPLORE_EACH_CLEAR,
	                                         EXPLORE_MERGE_COLD, EXPLORE_UNMAP_DIRTY,
	                                         EXPLORE_SYNC};
	static struct explore x;

	begin(&x, f);
	for (unsigned i = 0; i < 2; i++)
		for (unsigned k = 0; k < sizeof(high) / sizeof(high[0]); k++) {
			struct explore_scenario s = {
				.flags = EXPLORE_WARM | EXPLORE_ONE_BITMAP,
				.cpus = 2,
				.calls = {{i ? EXPLORE_MERGE_COLD : EXPLORE_READ_AND_CLEAR, 0, 512},
			                  {high[k], 512, 512}},
				.parts = {{i ? EXPLORE_TABLE : EXPLORE_BLOCK, 0},
			                  {k & 1 ? EXPLORE_BLOCK : EXPLORE_TABLE, 512}},
				.events = 2,
				.event = {{EXPLORE_WRITES, 0, 20}, {EXPLORE_WRITES, 1, 530}},
			};

			search(&x, &s);
		}
	explore_end(&x);
}

/* Both would split their block, one may. */
static void one_split(struct fixture *f)
{
	static struct explore x;

	begin(&x, f);
	for (unsigned i = 0; i < CLEARING; i++) {
		struct explore_scenario s = {
			.flags = EXPLORE_ONE_SPLIT | EXPLORE_MARKED,
			.cpus = 2,
			.calls = {{EXPLORE_READ_AND_CLEAR, 0, 512}, {clearing[i], 512, 512}},
			.parts = {{EXPLORE_BLOCK, 0}, {EXPLORE_BLOCK, 512}},
			.events = 2,
			.event = {{EXPLORE_WRITES, 0, 20}, {EXPLORE_WRITES, 1, 530}},
		};

		search(&x, &s);
	}
	explore_end(&x);
}

/* A scan splits what another call splits, too, or unmaps. */
static void parts_of_a_block(struct fixture *f)
{
	static const struct explore_call beside[] = {
		{EXPLORE_UNMAP, 0, 8}, {EXPLORE_UNMAP_DIRTY, 0, 8},  {EXPLORE_UNMAP_DIRTY, 0, 512},
		{EXPLORE_MAP, 512, 1}, {EXPLORE_WRITE_FAULT, 20, 1}, {EXPLORE_TRANSLATE, 20, 1}};
	static struct explore x;

	begin(&x, f);
	for (unsigned i = 0; i < CLEARING; i++)
		for (unsigned k = 0; k < sizeof(beside) / sizeof(beside[0]); k++) {
			struct explore_scenario s = {
				.flags = EXPLORE_WARM | EXPLORE_DEFERS | EXPLORE_MARKED,
				.cpus = 2,
				.calls = {{clearing[i], 0, 512}, beside[k]},
				.then = {{clearing[i], 0, 512}},
				.parts = {{EXPLORE_BLOCK, 0}},
				.events = 2,
				.event = {{EXPLORE_WRITES, 0, 20}, {EXPLORE_WRITES, 1, 20}},
			};

			if (explore_is_long() || k % CLEARING == i)
				search(&x, &s);
		}
	explore_end(&x);
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(FIXTURE_LEVELS, rounds, BLOCKS),
		TEST_WITH(0, rounds, GROUPS),
		TEST_WITH(FIXTURE_LEVELS, rounds, WALKED),
		TEST_WITH(FIXTURE_LEVELS, while_the_host_fails, BLOCKS),
		TEST_WITH(0, while_the_host_fails, WALKED),
		TEST_WITH(FIXTURE_LEVELS, neighbours, BLOCKS),
		TEST_WITH(0, one_split, BLOCKS),
		TEST_WITH(0, neighbours, WALKED),
		TEST_WITH(FIXTURE_LEVELS, parts_of_a_block, BLOCKS),
		TEST_WITH(0, parts_of_a_block, GROUPS),
		TEST_WITH(0, parts_of_a_block, WALKED),
	};

	return FIXTURE_RUN(tests);
}
