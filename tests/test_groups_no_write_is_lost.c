/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pre-copy in small, over contiguous groups. Walkers, which cache a group as one
 * translation and mark any of its entries, write whenever the library calls the
 * host, while dirty pages are taken in parts and in whole, and groups are broken
 * up, made again, protected and removed. A copier copies what was reported after
 * iopgt_op_finish; at the end the copy is equal. Every page has a version that
 * each write increases.
 */
#include "test_groups.h"

#define GROUPS  3
#define WATCHED (GROUPS * 128 * 2) /* at most: the first and last page of each entry */
#define ROUNDS  40

struct machine {
	struct random random;
	uint32_t version[WATCHED], copy[WATCHED];
	unsigned watched;
	bool quiet;
};

static uint64_t watched(const struct fixture *f, unsigned number)
{
	uint64_t last = entry_bytes(f) - granule(f);

	return entry(f, number / 2) + (number % 2 ? last : 0);
}

static void write_one(struct fixture *f, struct machine *machine)
{
	unsigned number = (unsigned)random_below(&machine->random, machine->watched);
	unsigned walker = (unsigned)random_below(&machine->random, f->walker_count);

	if (entry_bytes(f) == granule(f))
		number &= ~1u;
	if (access_ok(f, walker, watched(f, number), WALKER_WRITE))
		machine->version[number]++;
}

static void keep_writing(struct fixture *f, enum host_call call, bool done)
{
	struct machine *machine = f->hook_context;

	(void)call;
	(void)done;
	for (int i = 0; i < 5 && !machine->quiet; i++)
		write_one(f, machine);
}

static void start_machine(struct fixture *f, struct machine *machine)
{
	*machine = (struct machine){
		.random = {seed_from_environment("IOPGT_SEED", 1)},
		.watched = 2 * GROUPS * entries(f),
	};
	f->hook_context = machine;
	f->hook = keep_writing;
}

static void copy_bits(struct fixture *f, struct machine *machine, uint64_t iova, uint64_t size)
{
	for (unsigned i = 0; i < machine->watched; i++)
		if (watched(f, i) >= iova && watched(f, i) < iova + size &&
		    bit_at(f, watched(f, i)))
			machine->copy[i] = machine->version[i];
}

static void expect_copied(const struct machine *machine)
{
	for (unsigned i = 0; i < machine->watched; i++)
		assert_int_equal(machine->copy[i], machine->version[i]);
}

struct range {
	uint64_t iova, size;
};

/* All, some groups, or any entries. */
static struct range random_range(struct fixture *f, struct machine *machine)
{
	struct random *random = &machine->random;
	uint64_t all = GROUPS * entries(f), first = random_below(random, all);
	uint64_t count = 1 + random_below(random, all - first);

	switch (random_below(random, 3)) {
	case 0:
		return (struct range){group(f, 0), GROUPS * group_bytes(f)};
	case 1:
		return (struct range){group(f, first / entries(f)), group_bytes(f)};
	default:
		return (struct range){entry(f, first), count * entry_bytes(f)};
	}
}

/* --- Ways to take what is dirty --- */

typedef void take_function(struct fixture *f, struct range range, struct iopgt_op *op);

static void read_and_clear(struct fixture *f, struct range range, struct iopgt_op *op)
{
	expect(IOPGT_OK,
	       iopgt_read_and_clear_dirty(f->table, range.iova, range.size, &f->bitmap, op));
}

static void sync_then_clear(struct fixture *f, struct range range, struct iopgt_op *op)
{
	expect(IOPGT_OK, iopgt_sync_dirty_log(f->table, range.iova, range.size, &f->bitmap, op));
	keep_writing(f, HOST_ANY, false);
	expect(IOPGT_OK, iopgt_clear_dirty_log(f->table, range.iova, range.size, &f->bitmap, op));
}

static int note_bits(void *context, uint64_t iova, uint64_t size)
{
	set_bits(context, iova, size);
	return 0;
}

static void visit_and_clear(struct fixture *f, struct range range, struct iopgt_op *op)
{
	const struct iopgt_dirty_visitor visitor = {note_bits, f};
	uint32_t flags = op->flags;

	op->flags |= IOPGT_OP_CLEAR;
	expect(IOPGT_OK, iopgt_for_each_dirty(f->table, range.iova, range.size, &visitor, op));
	op->flags = flags;
}

static void in_pieces(struct fixture *f, struct range range, struct iopgt_op *op)
{
	uint64_t at = range.iova, end = at + range.size;
	int error;

	op->budget = 3;
	while ((error = iopgt_read_and_clear_dirty(f->table, at, end - at, &f->bitmap, op)) ==
	       IOPGT_AGAIN) {
		keep_writing(f, HOST_ANY, false);
		at = op->next;
	}
	op->budget = 0;
	expect(IOPGT_OK, error);
}

/* --- Changes between and within rounds --- */

typedef void change_function(struct fixture *f, struct machine *machine, struct range range);

static void no_change(struct fixture *f, struct machine *machine, struct range range)
{
	(void)f;
	(void)machine;
	(void)range;
}

static void change_sizes(struct fixture *f, struct machine *machine, struct range range)
{
	struct iopgt_op op = new_op(f);

	if (random_chance(&machine->random, 2))
		expect(IOPGT_OK, iopgt_split_block(f->table, range.iova, range.size, &op));
	else
		expect(IOPGT_OK,
		       iopgt_merge_page(f->table, group(f, 0), GROUPS * group_bytes(f), &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

static void change_permissions(struct fixture *f, struct machine *machine, struct range range)
{
	uint32_t prot = random_chance(&machine->random, 3) ? IOPGT_READ : RW;
	struct iopgt_op op = new_op(f);

	if (random_chance(&machine->random, 4))
		expect(IOPGT_OK,
		       iopgt_protect(f->table, group(f, 0), GROUPS * group_bytes(f), RW, &op));
	else if (random_chance(&machine->random, 3))
		expect(IOPGT_OK,
		       iopgt_merge_page(f->table, group(f, 0), GROUPS * group_bytes(f), &op));
	else
		expect(IOPGT_OK, iopgt_protect(f->table, range.iova, range.size, prot, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

/* Removes a part, copies what it had, and maps it again. */
static void remove_and_return(struct fixture *f, struct machine *machine, struct range range)
{
	struct iopgt_mapping mapping =
		fixture_mapping(range.iova, phys_of(f, range.iova), range.size, RW | IOPGT_CLEAN);
	struct iopgt_bitmap outer = f->bitmap;
	struct iopgt_op op = new_op(f);

	f->bitmap.words = NULL;
	entry_bitmap(f, group(f, 0), GROUPS * group_bytes(f));
	expect(IOPGT_OK, iopgt_unmap_dirty(f->table, range.iova, range.size, &f->bitmap, &op));
	keep_writing(f, HOST_ANY, false);
	expect(IOPGT_OK, iopgt_op_finish(&op));
	copy_bits(f, machine, range.iova, range.size);
	free(f->bitmap.words);
	f->bitmap = outer;
	expect(IOPGT_OK, iopgt_map(f->table, &mapping, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	if (random_chance(&machine->random, 2))
		expect(IOPGT_OK,
		       iopgt_merge_page(f->table, group(f, 0), GROUPS * group_bytes(f), &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

/* --- Rounds --- */

/* The change comes between the read and its wait, or after the copy. */
static void one_round(struct fixture *f, struct machine *machine, take_function *take_some,
                      change_function *change)
{
	bool within = random_chance(&machine->random, 3) && change != remove_and_return;
	struct range range = random_range(f, machine);
	struct iopgt_op op = new_op(f);

	if (machine->quiet) { /* the last one */
		op.flags |= IOPGT_OP_SYNC;
		range = (struct range){group(f, 0), GROUPS * group_bytes(f)};
	}
	entry_bitmap(f, group(f, 0), GROUPS * group_bytes(f));
	take_some(f, range, &op);
	if (within && !machine->quiet)
		change(f, machine, random_range(f, machine));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	copy_bits(f, machine, range.iova, range.size);
	if (!within && !machine->quiet)
		change(f, machine, random_range(f, machine));
	for (int i = 0; i < 15 && !machine->quiet; i++)
		write_one(f, machine);
}

static void pre_copy(struct fixture *f, change_function *change, take_function *take_some)
{
	struct machine machine;

	map_groups(f, GROUPS, RW | IOPGT_CLEAN);
	start_machine(f, &machine);
	for (int round = 0; round < ROUNDS; round++) {
		one_round(f, &machine, take_some, change);
		check(f);
	}
	machine.quiet = true;
	one_round(f, &machine, take_some, no_change);
	f->hook = NULL;
	check(f);
	expect_copied(&machine);
	expect_output(f, group(f, 0), phys_apart(f), GROUPS * group_bytes(f));
}

#define PRE_COPY(name, change, take_some)                                                          \
	static void name(struct fixture *f)                                                        \
	{                                                                                          \
		pre_copy(f, change, take_some);                                                    \
	}

PRE_COPY(by_read_and_clear, no_change, read_and_clear)
PRE_COPY(by_sync_and_clear, no_change, sync_then_clear)
PRE_COPY(by_for_each_dirty, no_change, visit_and_clear)
PRE_COPY(by_read_and_clear_in_pieces, no_change, in_pieces)
PRE_COPY(while_groups_are_split_and_merged, change_sizes, read_and_clear)
PRE_COPY(while_groups_are_split_and_merged_in_pieces, change_sizes, in_pieces)
PRE_COPY(while_permissions_change, change_permissions, sync_then_clear)
PRE_COPY(while_parts_are_removed_and_return, remove_and_return, read_and_clear)

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

	map_groups(f, GROUPS, RW);
	start_machine(f, &machine);
	for (int i = 0; i < 100; i++)
		write_one(f, &machine);
	track(f, true, policy, flags);
	if (!(flags & IOPGT_OP_START_DIRTY))
		for (unsigned i = 0; i < machine.watched; i++)
			machine.copy[i] = machine.version[i];
	for (int round = 0; round < ROUNDS; round++)
		one_round(f, &machine, read_and_clear, no_change);
	machine.quiet = true;
	one_round(f, &machine, read_and_clear, no_change);
	expect_copied(&machine);
	machine.quiet = false;
	track(f, false, policy, 0);
	f->hook = NULL;
	check(f);
	for (unsigned i = 0; i < GROUPS; i++)
		expect_group(f, group(f, i), phys_of(f, group(f, i)));
}

static void by_a_domain_that_splits(struct fixture *f)
{
	migrate(f, IOPGT_SPLIT_EAGER, 0);
}

static void by_a_domain_that_splits_none(struct fixture *f)
{
	migrate(f, IOPGT_SPLIT_NONE, 0);
}

static void by_a_domain_that_splits_on_the_first_round(struct fixture *f)
{
	migrate(f, IOPGT_SPLIT_EAGER, IOPGT_OP_START_DIRTY);
}

int main(void)
{
	const uint32_t plain = FIXTURE_STAGES;
	const uint32_t all = FIXTURE_STAGES | FIXTURE_LEVELS;
	const uint32_t small = all | GROUPS_SMALL;
	const struct fixture_test tests[] = {
		TEST_WITH(plain, by_read_and_clear, .walkers = 2),
		TEST_WITH(plain, by_read_and_clear, .walkers = 2,
	                  .groups = FIXTURE_GROUPS_SOMETIMES),
		TEST_WITH(plain, by_sync_and_clear, .walkers = 2),
		TEST_WITH(plain, by_for_each_dirty, .walkers = 2),
		TEST_WITH(plain, by_read_and_clear_in_pieces, .walkers = 2),
		TEST_WITH(small, while_groups_are_split_and_merged, .walkers = 2),
		TEST_WITH(small, while_groups_are_split_and_merged, .walkers = 2,
	                  .groups = FIXTURE_GROUPS_SOMETIMES),
		TEST_WITH(small, while_groups_are_split_and_merged_in_pieces, .walkers = 2),
		TEST_WITH(all, while_permissions_change, .walkers = 2),
		TEST_WITH(all, while_permissions_change, .walkers = 2,
	                  .groups = FIXTURE_GROUPS_SOMETIMES),
		TEST_WITH(all, while_parts_are_removed_and_return, .walkers = 2),
		TEST_WITH(all, while_parts_are_removed_and_return, .walkers = 2,
	                  .groups = FIXTURE_GROUPS_SOMETIMES),
		TEST_WITH(small, by_a_domain_that_splits, .walkers = 2, .domain = true),
		TEST_WITH(all, by_a_domain_that_splits_none, .walkers = 2, .domain = true),
		TEST_WITH(small, by_a_domain_that_splits_on_the_first_round, .walkers = 2,
	                  .domain = true),
	};

	return GROUPS_RUN_SOME(tests);
}
