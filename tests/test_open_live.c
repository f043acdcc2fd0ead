/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A live update: walkers run, one struct iopgt_table is given up in whatever
 * state it is, and the tree is opened owning by another. No write is lost.
 */
#include "test_open.h"

#define FIRST(f) (16 * block(f))
#define PHYS(f)  (64 * block(f))
#define BLOCKS   3
#define WATCHED  96

/* --- Walkers that write whenever the library asks where a table is --- */

struct machine {
	struct random random;
	uint32_t version[WATCHED], copy[WATCHED];
	bool writing;
};

static struct machine machine;

static uint64_t watched(struct fixture *f, unsigned number)
{
	uint64_t pages = block(f) / granule(f);

	return FIRST(f) + number % BLOCKS * block(f) +
	       (number / BLOCKS * 37 + number) % pages * granule(f);
}

static void write_some(struct fixture *f, unsigned count)
{
	while (count--) {
		unsigned number = (unsigned)random_below(&machine.random, WATCHED);
		unsigned walker = (unsigned)random_below(&machine.random, f->walker_count);

		if (access_ok(f, walker, watched(f, number), WALKER_WRITE))
			machine.version[number]++;
	}
}

/* The context is the host, which is a fixture's first member. */
static void *find_and_write(void *context, uint64_t phys, uint32_t bytes)
{
	struct fixture *f = context;

	if (machine.writing)
		write_some(f, 1);
	return look_up(context, phys, bytes);
}

static void write_at_callbacks(struct fixture *f, enum host_call call, bool done)
{
	(void)call;
	(void)done;
	if (machine.writing)
		write_some(f, 2);
}

static void take_over(struct fixture *f)
{
	static struct iopgt_table tables[2];
	struct iopgt_tree tree = {.root_phys = f->table->root_phys, .flags = IOPGT_OPEN_OWNING};
	struct iopgt_table *table = &tables[f->table == &tables[0]];

	expect(IOPGT_OK, open_tree(table, &f->config, &f->hal, &f->host, &tree));
	memset(f->table, 0x5a, sizeof(*f->table));
	f->table = table;
}

static void copy_dirty(struct fixture *f)
{
	for (unsigned i = 0; i < WATCHED; i++)
		if (bit_at(f, watched(f, i)))
			machine.copy[i] = machine.version[i];
}

static void take_and_copy(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	op.flags |= machine.writing ? 0u : IOPGT_OP_SYNC;
	page_bitmap(f, FIRST(f), BLOCKS * block(f));
	expect(IOPGT_OK,
	       iopgt_read_and_clear_dirty(f->table, FIRST(f), BLOCKS * block(f), &f->bitmap, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	copy_dirty(f);
}

static void change_something(struct fixture *f)
{
	uint64_t at = FIRST(f) + random_below(&machine.random, BLOCKS) * block(f);
	struct iopgt_op op = new_op(f);

	switch (random_below(&machine.random, 4)) {
	case 0:
		expect(IOPGT_OK, iopgt_split_block(f->table, at, block(f), &op));
		break;
	case 1:
		expect(IOPGT_OK, iopgt_merge_page(f->table, at, block(f), &op));
		break;
	case 2:
		expect(IOPGT_OK, iopgt_protect(f->table, at, granule(f), IOPGT_READ, &op));
		break;
	default:
		expect(IOPGT_OK, iopgt_protect(f->table, at, block(f), RW, &op));
	}
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

static void no_write_is_lost_over_updates(struct fixture *f)
{
	machine = (struct machine){.random = {seed_from_environment("IOPGT_SEED", 21)}};
	f->hal.phys_to_virt = find_and_write;
	map(f, FIRST(f), PHYS(f), BLOCKS * block(f), RW | IOPGT_CLEAN);
	machine.writing = true;
	f->hook = write_at_callbacks;
	for (int round = 0; round < 24; round++) {
		write_some(f, 12);
		change_something(f);
		if (round % 2)
			take_over(f);
		write_some(f, 6);
		if (round % 3 == 0)
			take_and_copy(f);
	}
	machine.writing = false;
	take_and_copy(f);
	f->hook = NULL;
	for (unsigned i = 0; i < WATCHED; i++)
		assert_int_equal(machine.copy[i], machine.version[i]);
	check(f);
}

/* --- All kinds of marks --- */

static void every_mark_is_found_by_the_next_owner(struct fixture *f)
{
	uint64_t pages = FIRST(f) + 2 * block(f), g = granule(f);

	map(f, FIRST(f), PHYS(f), 2 * block(f), RW | IOPGT_CLEAN);
	map(f, pages, PHYS(f) + 3 * g, 8 * g, RW | IOPGT_CLEAN);
	write_page(f, FIRST(f) + block(f));
	for (uint64_t i = 0; i < 4; i++)
		write_page(f, pages + 2 * i * g);
	protect(f, pages, g, IOPGT_READ);                      /* bit 56 */
	protect(f, pages + 2 * g, g, RW | IOPGT_NO_TRACK);     /* bit 56 */
	protect(f, FIRST(f) + block(f), block(f), IOPGT_READ); /* of a block */
	take_over(f);
	check(f);
	expect_level(f, FIRST(f), 2);
	take_dirty(f, FIRST(f), BLOCKS * block(f));
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(bit_at(f, pages + i * g), i % 2 == 0);
	assert_true(bit_at(f, FIRST(f) + block(f)));
	assert_false(bit_at(f, FIRST(f)));
	take_dirty(f, FIRST(f), BLOCKS * block(f));
	assert_int_equal(count_bits(f), 0);
}

/* What walkers have cached is the next owner's to invalidate. */
static void the_next_owner_invalidates_what_is_cached(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f) + granule(f), 8 * granule(f), RW);
	write_page(f, FIRST(f));
	take_over(f);
	take_dirty(f, FIRST(f), 8 * granule(f));
	write_page(f, FIRST(f));
	take_dirty(f, FIRST(f), 8 * granule(f));
	expect_only_bits(f, FIRST(f), granule(f));
	unmap(f, FIRST(f), granule(f));
	assert_false(access_ok(f, 0, FIRST(f), WALKER_READ));
}

/*
 * The owner before stopped in a split, before its last wait: a walker may still
 * have the block. Cleaning one of the pages invalidates all of it.
 */
static void a_split_that_was_not_finished_is_remembered(struct fixture *f)
{
	uint64_t page = FIRST(f) + 5 * granule(f);
	struct iopgt_op given_up = new_op(f);

	map(f, FIRST(f), PHYS(f), block(f), RW);
	write_page(f, page); /* the walker has the dirty block cached */
	host_fail(&f->host, HOST_SYNC, f->bbm_level == 2 ? 1 : 2, true);
	expect(HOST_ERROR, iopgt_split_block(f->table, FIRST(f), block(f), &given_up));
	host_fail_nothing(&f->host);
	take_over(f);
	check(f);
	take_dirty(f, page, granule(f));
	write_page(f, page);
	take_dirty(f, page, granule(f));
	expect_only_bits(f, page, granule(f));
}

/* The same with a group of pages, of which one was to be unmapped. */
static void a_group_that_was_being_broken_up_is_remembered(struct fixture *f)
{
	uint64_t size = group_size(f, 3), page = FIRST(f) + 5 * granule(f);
	struct iopgt_op given_up = new_op(f);

	map(f, FIRST(f), PHYS(f), size, RW | IOPGT_CLEAN);
	write_page(f, page);
	host_fail(&f->host, HOST_SYNC, 1, true);
	expect(HOST_ERROR, iopgt_unmap(f->table, FIRST(f), granule(f), &given_up));
	host_fail_nothing(&f->host);
	take_over(f);
	check(f);
	/* The mark of the one page may stand for any of the group. */
	take_dirty(f, FIRST(f), size);
	assert_true(bit_at(f, page));
	write_page(f, FIRST(f) + 6 * granule(f));
	take_dirty(f, FIRST(f), size);
	assert_true(bit_at(f, FIRST(f) + 6 * granule(f)));
}

/* The faults of walkers without update go to the next owner. */
static void faults_are_handled_by_the_next_owner(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), PHYS(f), block(f), RW | IOPGT_CLEAN);
	assert_false(access_ok(f, 0, FIRST(f), WALKER_WRITE));
	take_over(f);
	expect(IOPGT_OK, iopgt_handle_write_fault(f->table, FIRST(f), 0, &op));
	finish(f, &op);
	write_page(f, FIRST(f));
	look_dirty(f, FIRST(f), block(f));
	expect_only_bits(f, FIRST(f), block(f));
}

int main(void)
{
	const uint32_t all = FIXTURE_STAGES | FIXTURE_LEVELS | FIXTURE_GRANULES;
	const struct fixture_test tests[] = {
		TEST_WITH(all, no_write_is_lost_over_updates, .walkers = 2),
		TEST_WITH(all, no_write_is_lost_over_updates, .walkers = 2,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
		TEST(all, every_mark_is_found_by_the_next_owner),
		TEST_WITH(all, every_mark_is_found_by_the_next_owner,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
		TEST(all, the_next_owner_invalidates_what_is_cached),
		TEST_WITH(FIXTURE_STAGES | FIXTURE_GRANULES,
	                  a_split_that_was_not_finished_is_remembered, .level = FIXTURE_LEVEL_2),
		TEST_WITH(FIXTURE_STAGES | FIXTURE_GRANULES,
	                  a_split_that_was_not_finished_is_remembered, .level = FIXTURE_LEVEL_1),
		TEST_WITH(FIXTURE_STAGES | FIXTURE_GRANULES,
	                  a_group_that_was_being_broken_up_is_remembered, .level = FIXTURE_LEVEL_2,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
		TEST_WITH(FIXTURE_STAGES | FIXTURE_GRANULES,
	                  a_group_that_was_being_broken_up_is_remembered, .level = FIXTURE_LEVEL_1,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
		TEST_WITH(all, faults_are_handled_by_the_next_owner, .dirty = FIXTURE_SOFTWARE),
	};

	return FIXTURE_RUN(tests);
}
