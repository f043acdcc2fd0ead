/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pre-copy in small. Walkers write whenever the library calls the host; a copier
 * takes dirty pages and copies them after iopgt_op_finish; at the end the copy
 * is equal. Every page has a version that each write increases.
 */
#include "fixture.h"

#define FIRST(f) (4 * block(f))
#define BLOCKS   3
#define WATCHED  96 /* pages written, spread over the blocks */
#define ROUNDS   12

struct machine {
	struct random random;
	uint32_t version[WATCHED], copy[WATCHED];
	unsigned hot; /* writes go to this block alone, unless it is BLOCKS */
	bool quiet;
};

/* A third of the pages in each block: at its start, but for one at its end. */
static uint64_t watched(struct fixture *f, unsigned number)
{
	uint64_t in_block = number / BLOCKS;

	if (in_block == WATCHED / BLOCKS - 1)
		in_block = block(f) / granule(f) - 1;
	return FIRST(f) + number % BLOCKS * block(f) + in_block * granule(f);
}

static void write_one(struct fixture *f, struct machine *machine)
{
	unsigned number = (unsigned)random_below(&machine->random, WATCHED);
	unsigned walker = (unsigned)random_below(&machine->random, f->walker_count);

	if (machine->hot < BLOCKS)
		number = number / BLOCKS * BLOCKS + machine->hot;
	if (access_ok(f, walker, watched(f, number), WALKER_WRITE))
		machine->version[number]++;
}

static void keep_writing(struct fixture *f, enum host_call call, bool done)
{
	struct machine *machine = f->hook_context;

	(void)call;
	(void)done;
	for (int i = 0; i < 6 && !machine->quiet; i++)
		write_one(f, machine);
}

static void start_machine(struct fixture *f, struct machine *machine)
{
	*machine =
		(struct machine){.random = {seed_from_environment("IOPGT_SEED", 1)}, .hot = BLOCKS};
	f->hook_context = machine;
	f->hook = keep_writing;
	page_bitmap(f, FIRST(f), BLOCKS * block(f));
}

static void copy_dirty(struct fixture *f, struct machine *machine)
{
	for (unsigned i = 0; i < WATCHED; i++)
		if (bit_at(f, watched(f, i)))
			machine->copy[i] = machine->version[i];
}

static void copy_all(struct machine *machine)
{
	for (unsigned i = 0; i < WATCHED; i++)
		machine->copy[i] = machine->version[i];
}

static void expect_copied(const struct machine *machine)
{
	for (unsigned i = 0; i < WATCHED; i++)
		assert_int_equal(machine->copy[i], machine->version[i]);
}

/* --- Ways to take what is dirty --- */

static void read_and_clear(struct fixture *f, struct iopgt_op *op)
{
	expect(IOPGT_OK,
	       iopgt_read_and_clear_dirty(f->table, FIRST(f), BLOCKS * block(f), &f->bitmap, op));
}

static void sync_then_clear(struct fixture *f, struct iopgt_op *op)
{
	expect(IOPGT_OK,
	       iopgt_sync_dirty_log(f->table, FIRST(f), BLOCKS * block(f), &f->bitmap, op));
	keep_writing(f, HOST_ANY, false);
	expect(IOPGT_OK,
	       iopgt_clear_dirty_log(f->table, FIRST(f), BLOCKS * block(f), &f->bitmap, op));
}

static int note_bits(void *context, uint64_t iova, uint64_t size)
{
	set_bits(context, iova, size);
	return 0;
}

static void visit_and_clear(struct fixture *f, struct iopgt_op *op)
{
	const struct iopgt_dirty_visitor visitor = {note_bits, f};

	op->flags |= IOPGT_OP_CLEAR;
	expect(IOPGT_OK, iopgt_for_each_dirty(f->table, FIRST(f), BLOCKS * block(f), &visitor, op));
}

/* --- Changes of block size between rounds --- */

static void change_sizes(struct fixture *f, struct machine *machine)
{
	uint64_t at = FIRST(f) + random_below(&machine->random, BLOCKS) * block(f);
	struct iopgt_op op = new_op(f);

	if (random_chance(&machine->random, 2))
		expect(IOPGT_OK, iopgt_split_block(f->table, at, block(f), &op));
	else
		expect(IOPGT_OK, iopgt_merge_page(f->table, at, block(f), &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

static void change_permissions(struct fixture *f, struct machine *machine)
{
	uint64_t at = FIRST(f) + random_below(&machine->random, BLOCKS) * block(f);
	uint32_t prot = random_chance(&machine->random, 2) ? RW : IOPGT_READ;
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_protect(f->table, at, granule(f), prot, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

typedef void change_function(struct fixture *f, struct machine *machine);
typedef void take_function(struct fixture *f, struct iopgt_op *op);

static void one_round(struct fixture *f, struct machine *machine, take_function *take)
{
	struct iopgt_op op = new_op(f);

	page_bitmap(f, FIRST(f), BLOCKS * block(f));
	if (machine->quiet) /* the last one */
		op.flags |= IOPGT_OP_SYNC;
	take(f, &op);
	expect(IOPGT_OK, iopgt_op_finish(&op));
	copy_dirty(f, machine);
	for (int i = 0; i < 20 && !machine->quiet; i++)
		write_one(f, machine);
}

static void pre_copy(struct fixture *f, change_function *change, take_function *take)
{
	struct machine machine;

	start_machine(f, &machine);
	for (int round = 0; round < ROUNDS; round++) {
		one_round(f, &machine, take);
		if (change)
			change(f, &machine);
	}
	machine.quiet = true;
	one_round(f, &machine, take);
	f->hook = NULL;
	check(f);
	expect_copied(&machine);
}

static void map_pages_and_blocks(struct fixture *f)
{
	map(f, FIRST(f), 8 * block(f), 2 * block(f), RW | IOPGT_CLEAN);
	map(f, FIRST(f) + 2 * block(f), granule(f), block(f), RW | IOPGT_CLEAN);
}

static void by_read_and_clear(struct fixture *f)
{
	map_pages_and_blocks(f);
	pre_copy(f, NULL, read_and_clear);
}

static void by_sync_and_clear(struct fixture *f)
{
	map_pages_and_blocks(f);
	pre_copy(f, NULL, sync_then_clear);
}

static void by_for_each_dirty(struct fixture *f)
{
	map_pages_and_blocks(f);
	pre_copy(f, NULL, visit_and_clear);
}

static void while_blocks_are_split_and_merged(struct fixture *f)
{
	map(f, FIRST(f), 8 * block(f), BLOCKS * block(f), RW | IOPGT_CLEAN);
	pre_copy(f, change_sizes, read_and_clear);
}

static void while_permissions_change(struct fixture *f)
{
	map_pages_and_blocks(f);
	pre_copy(f, change_permissions, read_and_clear);
}

/* --- Under a domain that tracks --- */

static void track(struct fixture *f, bool on, uint32_t policy, uint32_t flags)
{
	const struct iopgt_tracking how = {.policy = policy};
	struct iopgt_op op = new_op(f);

	op.flags |= flags;
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, on, &how, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

static void migrate(struct fixture *f, uint32_t policy, uint32_t flags)
{
	struct machine machine;

	map(f, FIRST(f), 8 * block(f), BLOCKS * block(f), RW);
	start_machine(f, &machine);
	for (int i = 0; i < 200; i++)
		write_one(f, &machine);
	track(f, true, policy, flags);
	if (!(flags & IOPGT_OP_START_DIRTY))
		copy_all(&machine);
	for (int round = 0; round < ROUNDS; round++)
		one_round(f, &machine, read_and_clear);
	machine.quiet = true;
	one_round(f, &machine, read_and_clear);
	expect_copied(&machine);
	machine.quiet = false;
	track(f, false, policy, 0);
	f->hook = NULL;
	check(f);
}

static void by_a_domain_that_splits(struct fixture *f)
{
	migrate(f, IOPGT_SPLIT_EAGER, 0);
	expect_level(f, FIRST(f), 2);
}

static void by_a_domain_that_splits_none(struct fixture *f)
{
	migrate(f, IOPGT_SPLIT_NONE, 0);
}

static void by_a_domain_that_splits_on_the_first_round(struct fixture *f)
{
	migrate(f, IOPGT_SPLIT_EAGER, IOPGT_OP_START_DIRTY);
	expect_level(f, FIRST(f), 2);
}

/* What is hot moves on every third round; merges meet writes everywhere. */
static uint64_t merge_cold(struct fixture *f, struct machine *machine, unsigned round)
{
	struct iopgt_op op = new_op(f);

	machine->hot = BLOCKS;
	expect(IOPGT_OK, iopgt_merge_cold(&f->domain, FIRST(f), BLOCKS * block(f), &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	machine->hot = round / 3 % BLOCKS;
	return op.stats.merged;
}

static void by_a_domain_that_adapts(struct fixture *f)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_ADAPTIVE, .cold_scans = 1};
	struct iopgt_op op = new_op(f);
	struct machine machine;
	uint64_t merged = 0;

	map(f, FIRST(f), 8 * block(f), BLOCKS * block(f), RW);
	start_machine(f, &machine);
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, true, &how, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	copy_all(&machine);
	for (unsigned round = 0; round < 3 * ROUNDS; round++) {
		one_round(f, &machine, read_and_clear);
		merged += merge_cold(f, &machine, round);
	}
	assert_true(merged > 0);
	machine.quiet = true;
	one_round(f, &machine, read_and_clear);
	expect_copied(&machine);
	f->hook = NULL;
	check(f);
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_STAGES | FIXTURE_LEVELS;
	const uint32_t plain = FIXTURE_GRANULES | FIXTURE_REGIMES;
	const struct fixture_test tests[] = {
		TEST_WITH(plain, by_read_and_clear, .walkers = 2),
		TEST_WITH(plain, by_sync_and_clear, .walkers = 2),
		TEST_WITH(plain, by_for_each_dirty, .walkers = 2),
		TEST_WITH(all, while_blocks_are_split_and_merged, .walkers = 2),
		TEST_WITH(all, while_permissions_change, .walkers = 2),
		TEST_WITH(all, by_a_domain_that_splits, .walkers = 2, .domain = true),
		TEST_WITH(all, by_a_domain_that_adapts, .walkers = 2, .domain = true),
		TEST_WITH(all, by_a_domain_that_splits_none, .walkers = 2, .domain = true),
		TEST_WITH(all, by_a_domain_that_splits_on_the_first_round, .walkers = 2,
	                  .domain = true),
	};

	return FIXTURE_RUN(tests);
}
