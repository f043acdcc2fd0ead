/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IOPGT_CONFIG_TABLE_ACCESS_FLAG: what rounds skip, that they report everything
 * that was written, on several levels, whenever walkers write.
 */
#include "test_table_access.h"

#include <string.h>

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (8 * block(f))
#define BLOCKS   3 /* leaf tables beside each other */

/* Clean pages, never blocks. */
static void map_pages(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f) + granule(f), BLOCKS * block(f), RW | IOPGT_CLEAN);
}

static struct iopgt_stats take_stats(struct fixture *f, uint64_t iova, uint64_t size)
{
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK,
	       iopgt_read_and_clear_dirty(f->table, iova, size, page_bitmap(f, iova, size), &op));
	finish(f, &op);
	return op.stats;
}

/* --- What is skipped --- */

static void idle_tables_are_skipped_in_the_third_round(struct fixture *f)
{
	uint64_t descriptors = granule(f) / 8;
	struct iopgt_stats stats;

	map_pages(f);
	for (int i = 0; i < IDLE_ROUNDS; i++) {
		stats = take_stats(f, FIRST(f), BLOCKS * block(f));
		assert_int_equal(stats.skipped, 0);
		assert_true(stats.looked_at >= BLOCKS * descriptors);
	}
	for (int i = 0; i < 3; i++) {
		stats = take_stats(f, FIRST(f), BLOCKS * block(f));
		assert_int_equal(stats.skipped, BLOCKS);
		assert_true(stats.looked_at < 16);
		assert_int_equal(stats.invalidations, 0);
		assert_int_equal(stats.waits, 0);
	}
}

static void a_round_that_cleans_nothing_waits_for_walkers_all_the_same(struct fixture *f)
{
	map_pages(f);
	/* The flags that it takes away are owed an invalidation of walk caches. */
	read_page(f, FIRST(f));
	assert_int_equal(take_stats(f, FIRST(f), BLOCKS * block(f)).waits, 1);
	assert_int_equal(
		walker_caches_table(f->walkers[0], leaf_at(f, FIRST(f)).descriptor_phys, 8), false);
}

static void a_table_that_was_written_to_is_visited_alone(struct fixture *f)
{
	struct iopgt_stats stats;

	map_pages(f);
	quiet_down(f);
	write_page(f, FIRST(f) + block(f) + 5 * granule(f));
	stats = take_stats(f, FIRST(f), BLOCKS * block(f));
	assert_int_equal(stats.skipped, BLOCKS - 1);
	assert_true(stats.looked_at < granule(f) / 8 + 16);
	expect_only_bits(f, FIRST(f) + block(f) + 5 * granule(f), granule(f));
	quiet_down(f);
}

static void a_table_that_was_read_is_visited_and_clean(struct fixture *f)
{
	struct iopgt_stats stats;

	map_pages(f);
	quiet_down(f);
	read_page(f, FIRST(f));
	stats = take_stats(f, FIRST(f), BLOCKS * block(f));
	assert_int_equal(stats.skipped, BLOCKS - 1);
	expect_only_bits(f, 0, 0);
	/* Speculation counts as well, though nothing came of it. */
	assert_int_equal(walker_prefetch(f->walkers[0], FIRST(f) + 2 * block(f)), WALKER_OK);
	take_stats(f, FIRST(f), BLOCKS * block(f));
	assert_int_equal(take_stats(f, FIRST(f), BLOCKS * block(f)).skipped, BLOCKS - 1);
}

static void all_of_the_space_is_skipped_at_the_top(struct fixture *f)
{
	uint64_t top = level_size(f, 1); /* what one descriptor of level 1 or above covers */

	map_pages(f);
	map(f, 5 * top, PHYS(f) + granule(f), granule(f), RW | IOPGT_CLEAN);
	map(f, space_last(f) + 1 - granule(f), PHYS(f), granule(f), RW | IOPGT_CLEAN);
	quiet_down(f);
	assert_true(round_of_all(f).skipped <= 3);
	assert_true(round_of_all(f).looked_at <= 2 * granule(f) / 8);
}

/* A part of a table is no reason to take its flag. */
static void a_part_of_a_table_is_never_skipped_for_long(struct fixture *f)
{
	uint64_t half = block(f) / 2;

	map_pages(f);
	for (int i = 0; i < 4; i++)
		take_stats(f, FIRST(f), half);
	write_page(f, FIRST(f) + half);
	write_page(f, FIRST(f));
	take_stats(f, FIRST(f), half);
	expect_only_bits(f, FIRST(f), granule(f));
	take_stats(f, FIRST(f) + half, half);
	expect_only_bits(f, FIRST(f) + half, granule(f));
	quiet_down(f);
	write_page(f, FIRST(f) + half);
	for (int i = 0; i < 4; i++) {
		take_stats(f, FIRST(f), half);
		expect_only_bits(f, 0, 0);
	}
	expect_reported_once(f, FIRST(f) + half);
}

static void without_the_flag_nothing_is_skipped(struct fixture *f)
{
	map_pages(f);
	for (int i = 0; i < 4; i++)
		assert_int_equal(round_of_all(f).skipped, 0);
	assert_int_equal(leaf_at(f, FIRST(f)).tables[0] & (TABLE_AF | TABLE_WALKED), 0);
}

/* --- What only reads --- */

static uint64_t sum_of_tables(struct fixture *f, uint64_t iova)
{
	struct walker_leaf leaf = leaf_at(f, iova);
	uint64_t sum = 0;

	for (unsigned i = 0; i < leaf.table_count; i++)
		sum = 3 * sum + (leaf.tables[i] & (TABLE_AF | TABLE_WALKED));
	return sum;
}

/* Skips, but moves no flag: whatever state the flags are in. */
static void reads_change_no_flag(struct fixture *f)
{
	struct iopgt_bitmap *bitmap;

	map_pages(f);
	for (int state = 0; state < 5; state++) {
		struct iopgt_op op = new_op(f);
		uint64_t before[BLOCKS];
		struct runs runs;

		if (state == 1)
			write_page(f, FIRST(f));
		if (state == 3)
			quiet_down(f);
		for (unsigned i = 0; i < BLOCKS; i++)
			before[i] = sum_of_tables(f, FIRST(f) + i * block(f));
		visit_all(f, &runs, 0);
		bitmap = page_bitmap(f, FIRST(f), BLOCKS * block(f));
		op.flags |= IOPGT_OP_NO_CLEAR;
		expect(IOPGT_OK,
		       iopgt_sync_dirty_log(f->table, FIRST(f), BLOCKS * block(f), bitmap, &op));
		expect(IOPGT_OK, iopgt_read_and_clear_dirty(f->table, FIRST(f), BLOCKS * block(f),
		                                            bitmap, &op));
		finish(f, &op);
		assert_int_equal(op.stats.waits, 0);
		if (state > 3)
			assert_int_equal(op.stats.skipped, 2); /* at the top */
		for (unsigned i = 0; i < BLOCKS; i++)
			assert_int_equal(sum_of_tables(f, FIRST(f) + i * block(f)), before[i]);
		if (state == 2 || state == 3)
			round_of_all(f);
	}
}

static void access_flags_are_read_everywhere(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	uint64_t before;

	map_pages(f);
	quiet_down(f);
	before = sum_of_tables(f, FIRST(f));
	page_bitmap(f, FIRST(f), BLOCKS * block(f));
	expect(IOPGT_OK, iopgt_read_and_clear_accessed(f->table, FIRST(f), BLOCKS * block(f),
	                                               &f->bitmap, &op));
	finish(f, &op);
	assert_int_equal(op.stats.skipped, 0);
	/* Mapped with their flags set. */
	assert_int_equal(count_bits(f), BLOCKS * block(f) / granule(f));
	assert_int_equal(sum_of_tables(f, FIRST(f)), before);
}

/* --- Rounds while walkers write, all over the space --- */

#define WATCHED 24
#define ROUNDS  10

struct machine {
	struct random random;
	uint64_t page[WATCHED];
	uint32_t version[WATCHED], copy[WATCHED];
	bool quiet;
};

/* Pages in the same leaf table, in neighbours of it, in far ones: every level branches. */
static void choose_pages(struct fixture *f, struct machine *machine)
{
	int start;
	unsigned tables, count = 0;

	assert_true(walker_start_level(walker_config(f->walkers[0]), &start, &tables));
	while (count < WATCHED) {
		uint64_t iova = count % 2 * granule(f);

		for (int level = start; level < 3; level++)
			iova += (count >> (level - start + 1) & 1) * level_size(f, level);
		/* Two in each table, and then some more of the first tables. */
		machine->page[count] = space_first(f) + iova + count / 16 * 7 * granule(f);
		count++;
	}
}

static void map_watched(struct fixture *f, const struct machine *machine)
{
	for (unsigned i = 0; i < WATCHED; i++) {
		struct walker_leaf leaf;

		if (walker_translate(f->walkers[0], machine->page[i], &leaf) == WALKER_OK)
			continue;
		map(f, machine->page[i], PHYS(f) + i * granule(f), granule(f), RW | IOPGT_CLEAN);
	}
}

static void write_one(struct fixture *f, struct machine *machine)
{
	unsigned number = (unsigned)random_below(&machine->random, WATCHED);
	unsigned walker = (unsigned)random_below(&machine->random, f->walker_count);
	enum walker_access access = random_chance(&machine->random, 3) ? WALKER_READ : WALKER_WRITE;

	assert_true(access_ok(f, walker, machine->page[number], access));
	machine->version[number] += access == WALKER_WRITE;
}

static void keep_writing(struct fixture *f, enum host_call call, bool done)
{
	struct machine *machine = f->hook_context;

	(void)call;
	(void)done;
	if (!machine->quiet)
		write_one(f, machine);
}

static int visit_run(void *context, uint64_t iova, uint64_t size)
{
	struct fixture *f = context;
	struct machine *machine = f->hook_context;

	for (unsigned i = 0; i < WATCHED; i++)
		if (machine->page[i] - iova < size)
			machine->copy[i] |= UINT32_C(1) << 31;
	keep_writing(f, HOST_ANY, true);
	return 0;
}

/* Runs are taken as they come, copied when the op is finished. */
static void one_round(struct fixture *f, struct machine *machine, uint64_t budget)
{
	const struct iopgt_dirty_visitor visitor = {visit_run, f};
	struct iopgt_op op = new_op(f);
	uint64_t iova = space_first(f);
	int error;

	op.flags |= IOPGT_OP_CLEAR | (machine->quiet ? IOPGT_OP_SYNC : 0);
	op.budget = budget;
	do {
		error = iopgt_for_each_dirty(f->table, iova, space_last(f) - iova + 1, &visitor,
		                             &op);
		iova = op.next;
		keep_writing(f, HOST_ANY, true);
	} while (error == IOPGT_AGAIN);
	expect(IOPGT_OK, error);
	expect(IOPGT_OK, iopgt_op_finish(&op));
	for (unsigned i = 0; i < WATCHED; i++)
		if (machine->copy[i] >> 31)
			machine->copy[i] = machine->version[i];
}

static void no_write_is_lost_in_rounds(struct fixture *f, uint64_t budget)
{
	struct machine machine = {.random = {seed_from_environment("IOPGT_SEED", 1)}};

	choose_pages(f, &machine);
	map_watched(f, &machine);
	f->hook = keep_writing;
	f->hook_context = &machine;
	for (int i = 0; i < ROUNDS; i++) {
		/* Now and then some rounds in which little is done. */
		for (uint64_t left = random_below(&machine.random, WATCHED); left; left--)
			write_one(f, &machine);
		one_round(f, &machine, budget);
		for (machine.quiet = true; random_chance(&machine.random, 2);)
			one_round(f, &machine, budget);
		machine.quiet = false;
		check(f);
	}
	machine.quiet = true;
	one_round(f, &machine, budget);
	f->hook = NULL;
	assert_memory_equal(machine.copy, machine.version, sizeof(machine.copy));
	quiet_down(f);
}

static void no_write_is_lost(struct fixture *f)
{
	no_write_is_lost_in_rounds(f, 0);
}

static void no_write_is_lost_in_small_steps(struct fixture *f)
{
	no_write_is_lost_in_rounds(f, granule(f) / 16);
}

/* --- The loss of the obvious order, facts.md 6 --- */

/*
 * A walker has a table cached that leads to the leaf tables of both pages; the
 * round has been to the table of `late`, or has not, when that is written to: its
 * walk starts from the cached table, so only the flag of the leaf table is set
 * again.
 */
struct late {
	uint64_t page;
	int wait; /* calls of the host and pauses until it is written to */
};

static void write_late(struct fixture *f, enum host_call call, bool done)
{
	struct late *late = f->hook_context;

	(void)call;
	(void)done;
	if (late->wait-- == 0)
		write_page(f, late->page);
}

static bool write_in_a_round(struct fixture *f, uint64_t early, struct late *late)
{
	struct iopgt_op op = new_op(f);
	uint64_t iova = space_first(f);
	struct runs runs = {.count = 0};
	const struct iopgt_dirty_visitor visitor = {note_run, &runs};
	int error;

	quiet_down(f);
	/* Now all tables down to the last level are cached, and the round finds flags. */
	read_page(f, early);
	f->hook_context = late;
	f->hook = write_late;
	op.flags |= IOPGT_OP_CLEAR;
	op.budget = granule(f) / 8;
	do {
		error = iopgt_for_each_dirty(f->table, iova, space_last(f) - iova + 1, &visitor,
		                             &op);
		iova = op.next;
		write_late(f, HOST_ANY, true);
	} while (error == IOPGT_AGAIN);
	expect(IOPGT_OK, error);
	expect(IOPGT_OK, iopgt_op_finish(&op));
	f->hook = NULL;
	return late->wait < 0;
}

/* Written at any point of a round, it is reported in that one or the next. */
static void expect_late_write(struct fixture *f, uint64_t early, uint64_t page)
{
	struct runs runs;

	for (int wait = 0;; wait++) {
		struct late late = {.page = page, .wait = wait};

		if (!write_in_a_round(f, early, &late))
			break;
		expect_all_reported(f);
		visit_all(f, &runs, IOPGT_OP_CLEAR);
		write_page(f, page);
		expect_all_reported(f);
		visit_all(f, &runs, IOPGT_OP_CLEAR);
		assert_true(has_run(&runs, page));
	}
}

static void a_walk_from_a_cached_table_is_not_lost(struct fixture *f)
{
	static const unsigned pages[] = {0, 7, 12};
	struct machine machine;
	unsigned tables;
	int start;

	choose_pages(f, &machine);
	map_watched(f, &machine);
	assert_true(walker_start_level(walker_config(f->walkers[0]), &start, &tables));
	/* The two part at each level. */
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		for (int level = start; level < 3; level++)
			expect_late_write(f, machine.page[pages[i] ^ 2u << (level - start)],
			                  machine.page[pages[i]]);
}

/*
 * Several calls of one op, before its one wait: what the first took from the upper
 * table no later one may forget, since the walker still has that table cached.
 */
static void calls_of_one_op_before_its_wait_lose_nothing(struct fixture *f)
{
	struct machine machine;

	choose_pages(f, &machine);
	map_watched(f, &machine);
	for (unsigned calls = 1; calls < 5; calls++) {
		struct runs runs = {.count = 0};
		const struct iopgt_dirty_visitor visitor = {note_run, &runs};
		struct iopgt_op op = new_op(f);
		uint64_t page = machine.page[3 * calls];

		quiet_down(f);
		for (unsigned i = 0; i < WATCHED; i += 2)
			if (machine.page[i] - page >= block(f))
				read_page(f, machine.page[i]);
		op.flags |= IOPGT_OP_CLEAR;
		for (unsigned i = 0; i < calls; i++)
			expect(IOPGT_OK, iopgt_for_each_dirty(f->table, space_first(f),
			                                      space_size(f), &visitor, &op));
		write_page(f, page);
		finish(f, &op);
		expect_all_reported(f);
		visit_all(f, &runs, IOPGT_OP_CLEAR);
		assert_true(has_run(&runs, page));
	}
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_STAGES;
	const struct fixture_test tests[] = {
		TEST_WITH(all, idle_tables_are_skipped_in_the_third_round,
	                  .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, a_round_that_cleans_nothing_waits_for_walkers_all_the_same,
	                  .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, a_table_that_was_written_to_is_visited_alone,
	                  .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, a_table_that_was_read_is_visited_and_clean,
	                  .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, all_of_the_space_is_skipped_at_the_top,
	                  .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, a_part_of_a_table_is_never_skipped_for_long,
	                  .walks = FIXTURE_TABLE_ACCESS),
		TEST(all, without_the_flag_nothing_is_skipped),
		TEST_WITH(all, reads_change_no_flag, .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, access_flags_are_read_everywhere, .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, no_write_is_lost, .walks = FIXTURE_TABLE_ACCESS, .walkers = 2),
		TEST_WITH(all, no_write_is_lost, .walks = FIXTURE_TABLE_ACCESS | FIXTURE_ATS,
	                  .walkers = 2),
		TEST_WITH(all, no_write_is_lost_in_small_steps, .walks = FIXTURE_TABLE_ACCESS,
	                  .walkers = 2),
		TEST_WITH(all, calls_of_one_op_before_its_wait_lose_nothing,
	                  .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(all, a_walk_from_a_cached_table_is_not_lost,
	                  .walks = FIXTURE_TABLE_ACCESS),
	};

	return FIXTURE_RUN(tests);
}
