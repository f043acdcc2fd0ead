/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Table access flags (FEAT_HAFT): rounds of clearing beside walkers that start from
 * tables they have cached, and beside calls that leave or make dirty leaves.
 */
#include "explore.h"

#define SMALL  .input_bits = 31, .leaf_sizes = 1 << 12, .walks = FIXTURE_TABLE_ACCESS
#define GROUPS .input_bits = 31, .leaf_sizes = 1 << 12 | 1 << 16, .walks = FIXTURE_TABLE_ACCESS
#define BLOCKS .input_bits = 31, .leaf_sizes = 1 << 12 | 1 << 21, .walks = FIXTURE_TABLE_ACCESS

/* Pages 16 and 560, in a table each. */
#define TWO_TABLES                                                                                 \
	{                                                                                          \
		{EXPLORE_PAGE, 16},                                                                \
		{                                                                                  \
			EXPLORE_PAGE, 560                                                          \
		}                                                                                  \
	}

static const enum explore_verb clearing[] = {EXPLORE_READ_AND_CLEAR, EXPLORE_CLEAR,
                                             EXPLORE_EACH_CLEAR};
#define CLEARING (sizeof(clearing) / sizeof(clearing[0]))

static void begin(struct explore *x, struct fixture *f)
{
	explore_begin(x, f);
	x->bounds = (struct explore_bounds){3, 1, 600, 30};
	if (explore_is_long())
		x->bounds = (struct explore_bounds){3, 3, 25000, 1000};
}

/* Not every clearing verb with everything, but in a long run. */
static bool is_turn(unsigned clearing_verb, unsigned other)
{
	return explore_is_long() || other % CLEARING == clearing_verb;
}

/*
 * Tables as they are made, or not walked before the walkers come; these late, or not. In
 * a long run each with each.
 */
static void search(struct explore *x, struct explore_scenario *s)
{
	uint32_t flags = s->flags;

	s->setup = EXPLORE_PARTS;
	for (unsigned i = 0; i < 4; i++) {
		if (!explore_is_long() && (i == 1 || i == 2))
			continue;
		s->flags = flags | (i & 1 ? EXPLORE_LATE : 0) | (i & 2 ? EXPLORE_COLD : 0);
		explore_search(x, s);
	}
	s->flags = flags;
}

/* Two rounds, and the last look. The walkers come from where they were. */
static void rounds(struct fixture *f)
{
	static const uint32_t pages[] = {EXPLORE_WHOLE, 1024, 512};
	static struct explore x;

	begin(&x, f);
	for (unsigned i = 0; i < CLEARING; i++)
		for (unsigned k = 0; k < 3; k++) {
			struct explore_call call = {clearing[i], 0, pages[k]};
			struct explore_scenario s = {
				.flags = EXPLORE_WARM_FIRST,
				.cpus = 1,
				.calls = {call},
				.then = {call},
				.parts = TWO_TABLES,
				.events = 3,
				.event = {{EXPLORE_WRITES, 0, 16},
			                  {EXPLORE_WRITES, 0, 560},
			                  {EXPLORE_WRITES, 1, 16}},
			};

			search(&x, &s);
			s.flags |= EXPLORE_MARKED;
			search(&x, &s);
		}
	explore_end(&x);
}

/* Not all bits are given: what is left dirty is found by the next round, and the next. */
static void rounds_of_a_part(struct fixture *f)
{
	static const struct explore_manner even = {0, EXPLORE_EVEN};
	static const uint32_t pages[] = {EXPLORE_WHOLE, 1024, 512};
	bool blocks = f->config.leaf_sizes >> 21 & 1;
	struct explore_part first = {EXPLORE_PAGE, 17}, second = {EXPLORE_PAGE, 560};
	static struct explore x;

	if (f->table->grouped)
		first = (struct explore_part){EXPLORE_GROUP, 16};
	if (blocks) {
		first.first = 16;
		second = (struct explore_part){EXPLORE_BLOCK, 512};
	}
	begin(&x, f);
	for (unsigned k = 0; k < 3; k++) {
		struct explore_scenario s = {
			.flags = EXPLORE_WARM_FIRST | EXPLORE_MARKED,
			.cpus = 1,
			.calls = {{EXPLORE_CLEAR, 0, pages[k]}},
			.then = {{EXPLORE_CLEAR, 0, pages[k]}},
			.manner = {even},
			.manner_then = {even},
			.parts = {first, second},
			.events = 2,
			.event = {{EXPLORE_WRITES, 0, blocks ? 16 : 17},
		                  {EXPLORE_WRITES, 0, blocks ? 561 : 560}},
		};

		search(&x, &s);
	}
	explore_end(&x);
}

/* One op for both rounds: nothing is forgotten before its wait. */
static void rounds_of_one_op(struct fixture *f)
{
	static struct explore x;

	begin(&x, f);
	for (unsigned i = 0; i < CLEARING; i++) {
		struct explore_call call = {clearing[i], 0, EXPLORE_WHOLE};
		struct explore_scenario s = {
			.flags = EXPLORE_WARM_FIRST,
			.cpus = 1,
			.calls = {call},
			.then = {call},
			.parts = TWO_TABLES,
			.events = 2,
			.event = {{EXPLORE_WRITES, 0, 16}, {EXPLORE_WRITES, 0, 560}},
		};

		s.manner[0].flags = EXPLORE_OPEN;
		search(&x, &s);
		s.flags |= EXPLORE_MARKED;
		search(&x, &s);
	}
	explore_end(&x);
}

/* The budget is spent before a leaf of a table; then the rest, or all once more. */
static void calls_that_stop(struct fixture *f)
{
	static const uint32_t budgets[] = {40, 300, 700};
	static struct explore x;

	begin(&x, f);
	for (unsigned i = 0; i < CLEARING; i++)
		for (unsigned k = 0; k < 6; k++) {
			struct explore_call all = {clearing[i], 0, EXPLORE_WHOLE};
			struct explore_manner stops = {budgets[k / 2],
			                               k & 1 ? EXPLORE_ABANDONS : 0};
			struct explore_scenario s = {
				.flags = EXPLORE_WARM,
				.cpus = 1,
				.calls = {all},
				.then = {all},
				.manner = {stops},
				.parts = {{EXPLORE_PAGE, 400}, {EXPLORE_PAGE, 812}},
				.events = 2,
				.event = {{EXPLORE_WRITES, 1, 400}, {EXPLORE_WRITES, 0, 812}},
			};

			if (!is_turn(i, k / 2))
				continue;
			search(&x, &s);
			s.manner_then[0] = stops;
			s.manner[0] = (struct explore_manner){0, 0};
			search(&x, &s);
		}
	explore_end(&x);
}

/* The first CPU clears all, twice; what may run beside it on the same range. */
static void beside_map_and_unmap(struct fixture *f)
{
	static const struct explore_call beside[] = {
		{EXPLORE_MAP, 17, 1},          {EXPLORE_MAP, 700, 1},
		{EXPLORE_MAP, 32, 16},         {EXPLORE_UNMAP_DIRTY, 16, 1},
		{EXPLORE_UNMAP, 0, 512},       {EXPLORE_UNMAP_DIRTY, 0, 512},
		{EXPLORE_WRITE_FAULT, 560, 1}, {EXPLORE_WRITE_FAULT, 16, 1}};
	static struct explore x;

	begin(&x, f);
	for (unsigned i = 0; i < CLEARING; i++)
		for (unsigned k = 0; k < sizeof(beside) / sizeof(beside[0]); k++) {
			struct explore_call call = {clearing[i], 0, EXPLORE_WHOLE};
			struct explore_scenario s = {
				.flags = EXPLORE_WARM_FIRST | EXPLORE_DEFERS,
				.cpus = 2,
				.calls = {call, beside[k]},
				.then = {call},
				.manner = {{0, 0}, {0, EXPLORE_DIRTY}},
				.parts = TWO_TABLES,
				.events = 1,
				.event = {{EXPLORE_WRITES, 0, 560}},
			};

			if (!is_turn(i, k))
				continue;
			search(&x, &s);
			s.flags &= ~(uint32_t)EXPLORE_WARM_FIRST;
			search(&x, &s);
		}
	explore_end(&x);
}

/* Two shards below one upper table, two rounds each; or one beside a read. */
static void two_shards(struct fixture *f)
{
	static struct explore x;

	begin(&x, f);
	for (unsigned i = 0; i < CLEARING; i++)
		for (unsigned k = 0; k < 3; k++) {
			struct explore_call low = {clearing[i], 0, 512};
			struct explore_call high = {clearing[(i + k) % CLEARING], 512, 512};
			struct explore_scenario s = {
				.flags = EXPLORE_WARM_FIRST,
				.cpus = 2,
				.calls = {low, high},
				.then = {low, high},
				.parts = TWO_TABLES,
				.events = 2,
				.event = {{EXPLORE_WRITES, 0, 16}, {EXPLORE_WRITES, 0, 560}},
			};

			search(&x, &s);
			s.calls[1].verb = s.then[1].verb = EXPLORE_SYNC;
			if (k == 0)
				search(&x, &s);
		}
	explore_end(&x);
}

/* Groups and blocks of which a part is not given stay dirty; what splits them, or merges. */
static void parts_of_leaves(struct fixture *f)
{
	static const struct explore_call beside[] = {
		{EXPLORE_SPLIT, 512, 512},         {EXPLORE_PROTECT, 560, 4},
		{EXPLORE_UNMAP, 560, 4},           {EXPLORE_UNMAP_DIRTY, 560, 4},
		{EXPLORE_READ_AND_CLEAR, 512, 52}, {EXPLORE_CLEAR, 562, 100},
		{EXPLORE_MERGE, 512, 512},         {EXPLORE_WRITE_FAULT, 562, 1},
		{EXPLORE_ACCESSED, 512, 512}};
	static const enum explore_kind kinds[] = {EXPLORE_GROUP, EXPLORE_BLOCK};
	static struct explore x;
	bool blocks = !f->table->grouped;

	begin(&x, f);
	for (unsigned k = 0; k < sizeof(beside) / sizeof(beside[0]); k++) {
		struct explore_call low = {EXPLORE_READ_AND_CLEAR, 0, 512};
		struct explore_call both = {EXPLORE_READ_AND_CLEAR, 512, 512};
		struct explore_scenario s = {
			.flags = EXPLORE_WARM | EXPLORE_MARKED,
			.cpus = 2,
			.calls = {low, beside[k]},
			.then = {low, both},
			.parts = {{EXPLORE_PAGE, 16}, {kinds[blocks], blocks ? 512 : 560}},
			.events = 2,
			.event = {{EXPLORE_WRITES, 0, 16}, {EXPLORE_WRITES, 0, 562}},
		};

		search(&x, &s);
	}
	explore_end(&x);
}

/* What was dirty is forgotten, and the first round follows. */
static void tracking_starts(struct fixture *f)
{
	static const uint32_t pages[] = {EXPLORE_WHOLE, 1024, 512};
	static struct explore x;

	begin(&x, f);
	for (unsigned i = 0; i < CLEARING; i++)
		for (unsigned k = 0; k < 3; k++) {
			struct explore_scenario s = {
				.flags = EXPLORE_WARM_FIRST | EXPLORE_KEEPS,
				.cpus = 1,
				.calls = {{EXPLORE_SWITCH_ON, 0, pages[k]}},
				.then = {{clearing[i], 0, pages[k]}},
				.parts = TWO_TABLES,
				.events = 2,
				.event = {{EXPLORE_WRITES, 0, 16}, {EXPLORE_WRITES, 0, 560}},
			};

			search(&x, &s);
		}
	explore_end(&x);
}

/* Failing waits and posts: what was moved is owed still. */
static void while_the_host_fails(struct fixture *f)
{
	static const struct explore_call first[] = {{EXPLORE_READ_AND_CLEAR, 0, EXPLORE_WHOLE},
	                                            {EXPLORE_EACH_CLEAR, 0, EXPLORE_WHOLE}};
	static const struct explore_call nothing[] = {{EXPLORE_SYNC, 0, 1}};
	static struct explore x;

	begin(&x, f);
	for (unsigned i = 0; i < 2; i++) {
		const struct explore_family family = {
			{.setup = EXPLORE_PARTS,
		         .flags = EXPLORE_WARM_FIRST | EXPLORE_MARKED,
		         .cpus = 1,
		         .then = {first[i]},
		         .parts = TWO_TABLES,
		         .events = 2,
		         .event = {{EXPLORE_WRITES, 0, 16}, {EXPLORE_WRITES, 0, 560}}},
			&first[i],
			1,
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
		TEST_WITH(0, rounds, SMALL),
		TEST_WITH(0, rounds, .input_bits = 31, .leaf_sizes = 1 << 12,
	                  .walks = FIXTURE_TABLE_ACCESS | FIXTURE_ATS),
		TEST_WITH(0, rounds_of_a_part, SMALL),
		TEST_WITH(0, rounds_of_a_part, GROUPS),
		TEST_WITH(0, rounds_of_a_part, BLOCKS),
		TEST_WITH(0, rounds_of_one_op, SMALL),
		TEST_WITH(0, calls_that_stop, SMALL),
		TEST_WITH(0, beside_map_and_unmap, SMALL),
		TEST_WITH(0, beside_map_and_unmap, GROUPS),
		TEST_WITH(0, two_shards, SMALL),
		TEST_WITH(0, parts_of_leaves, GROUPS),
		TEST_WITH(FIXTURE_LEVELS, parts_of_leaves, BLOCKS),
		TEST_WITH(0, tracking_starts, SMALL, .domain = true),
		TEST_WITH(0, while_the_host_fails, SMALL),
	};

	return FIXTURE_RUN(tests);
}
