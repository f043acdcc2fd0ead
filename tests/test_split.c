/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_split_block: pages in place of blocks, under walkers that run. */
#include <pthread.h>

#include "fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FIRST(f)     (4 * block(f))
#define PHYS(f)      (12 * block(f))
#define GIB          (UINT64_C(1) << 30)

/* --- What stays --- */

static void split_keeps_the_output_address_of_every_page(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), 3 * block(f), RW);
	for (uint64_t at = 0; at < 3 * block(f); at += block(f))
		read_page(f, FIRST(f) + at);
	assert_int_equal(split(f, FIRST(f), 3 * block(f)).split, 3);
	expect_mapped(f, FIRST(f), PHYS(f), 3 * block(f));
	for (uint64_t at = 0; at < 3 * block(f); at += granule(f))
		assert_int_equal(leaf_at(f, FIRST(f) + at).level, 3);
	for (uint64_t at = 0; at < 3 * block(f); at += block(f) / 4)
		read_page(f, FIRST(f) + at);
}

struct kind {
	uint32_t prot, memory;
};

static const struct kind kinds[] = {
	{RW, IOPGT_WRITE_BACK},
	{RW | IOPGT_CLEAN, IOPGT_WRITE_BACK},
	{RW | IOPGT_NO_TRACK, IOPGT_DEVICE},
	{IOPGT_READ, IOPGT_WRITE_BACK},
	{IOPGT_READ | IOPGT_EXECUTE, IOPGT_WRITE_BACK},
	{RW | IOPGT_EXECUTE, IOPGT_NON_CACHEABLE},
	{RW | IOPGT_CLEAN, IOPGT_NON_CACHEABLE},
};

static void map_kinds(struct fixture *f)
{
	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct iopgt_mapping mapping = fixture_mapping(FIRST(f) + i * block(f),
		                                               PHYS(f) + i * block(f), block(f), 0);

		mapping.prot = kinds[i].prot;
		mapping.memory = kinds[i].memory;
		fixture_map(f, &mapping);
		expect_level(f, mapping.iova, 2);
	}
}

/* All but address, size and kind of descriptor. */
static void expect_alike(const struct walker_leaf *one, const struct walker_leaf *other)
{
	assert_int_equal(one->permissions, other->permissions);
	assert_int_equal(one->memory, other->memory);
	assert_int_equal(one->attribute, other->attribute);
	assert_int_equal(one->shareability, other->shareability);
	assert_int_equal(one->dirty, other->dirty);
	assert_int_equal(one->access_flag, other->access_flag);
	assert_false(one->no_translation || other->no_translation);
}

static void split_keeps_permissions_memory_type_and_dirty_state(struct fixture *f)
{
	struct walker_leaf before[COUNT(kinds)], after;

	map_kinds(f);
	for (size_t i = 0; i < COUNT(kinds); i++)
		before[i] = leaf_at(f, FIRST(f) + i * block(f));
	split(f, FIRST(f), COUNT(kinds) * block(f));
	for (size_t i = 0; i < COUNT(kinds); i++) {
		for (uint64_t at = 0; at < block(f); at += granule(f)) {
			after = leaf_at(f, FIRST(f) + i * block(f) + at);
			assert_int_equal(after.level, 3);
			expect_alike(&before[i], &after);
		}
	}
}

static void a_read_only_block_that_was_written_is_still_reported(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), block(f), RW | IOPGT_CLEAN);
	write_page(f, FIRST(f));
	protect(f, FIRST(f), block(f), IOPGT_READ);
	split(f, FIRST(f), block(f));
	look_dirty(f, FIRST(f), block(f));
	expect_only_bits(f, FIRST(f), block(f));
	protect(f, FIRST(f), block(f), RW);
	look_dirty(f, FIRST(f), block(f));
	expect_only_bits(f, FIRST(f), block(f));
}

static void writes_after_a_split_mark_their_page_alone(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), block(f), RW | IOPGT_CLEAN);
	for (unsigned i = 0; i < f->walker_count; i++)
		assert_true(access_ok(f, i, FIRST(f), WALKER_READ));
	split(f, FIRST(f), block(f));
	for (unsigned i = 0; i < f->walker_count; i++)
		assert_true(access_ok(f, i, FIRST(f) + 2 * i * granule(f), WALKER_WRITE));
	look_dirty(f, FIRST(f), block(f));
	for (unsigned i = 0; i < f->walker_count; i++)
		assert_true(bit_at(f, FIRST(f) + 2 * i * granule(f)));
	assert_int_equal(count_bits(f), f->walker_count);
}

/* Nothing is owed then: all walkers have let go of the block. */
static void no_walker_has_the_block_when_split_returns(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), PHYS(f), 3 * block(f), RW);
	for (unsigned i = 0; i < 3 * f->walker_count; i++)
		assert_true(access_ok(f, i / 3, FIRST(f) + i % 3 * block(f), WALKER_WRITE));
	expect(IOPGT_OK, iopgt_split_block(f->table, FIRST(f), 3 * block(f), &op));
	for (unsigned i = 0; i < 3 * f->walker_count; i++)
		assert_false(walker_caches_iova(f->walkers[i / 3], FIRST(f) + i % 3 * block(f)));
	finish(f, &op);
}

/* --- Which blocks --- */

static void every_block_that_overlaps_the_range_is_split(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), 4 * block(f), RW);
	split(f, FIRST(f) + 2 * block(f) - granule(f), 2 * granule(f));
	expect_level(f, FIRST(f), 2);
	expect_level(f, FIRST(f) + block(f), 3);
	expect_level(f, FIRST(f) + 3 * block(f) - granule(f), 3);
	expect_level(f, FIRST(f) + 3 * block(f), 2);
	expect_mapped(f, FIRST(f), PHYS(f), 4 * block(f));
}

static void split_of_pages_and_holes_does_nothing(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), PHYS(f) + granule(f), block(f), RW);
	host_log_clear(&f->host);
	expect(IOPGT_OK, iopgt_split_block(f->table, 0, 8 * block(f), &op));
	assert_null(op.gather.table);
	assert_int_equal(op.stats.split, 0);
	assert_int_equal(host_logged(&f->host), 0);
}

static void split_takes_a_table_a_block_and_owes_nothing(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	size_t before;

	map(f, FIRST(f), PHYS(f), 5 * block(f), RW);
	before = pool_in_use(f->host.pool);
	expect(IOPGT_OK, iopgt_split_block(f->table, FIRST(f), 5 * block(f), &op));
	assert_null(op.gather.table);
	assert_int_equal(pool_in_use(f->host.pool), before + 5);
	assert_int_equal(op.stats.split, 5);
	check(f);
}

static void a_gibibyte_becomes_pages(struct fixture *f)
{
	map(f, GIB, 5 * GIB, GIB, RW | IOPGT_CLEAN);
	write_page(f, GIB);
	assert_true(split(f, GIB + 7 * granule(f), GIB / 2).split >= 1);
	expect_mapped(f, GIB, 5 * GIB, GIB);
	for (uint64_t at = GIB; at < GIB + GIB / 2; at += 64 * granule(f)) {
		expect_level(f, at, 3);
		assert_int_equal(state_at(f, at), IOPGT_LEAF_DIRTY);
	}
	split(f, GIB, GIB);
	expect_level(f, 2 * GIB - granule(f), 3);
	expect_mapped(f, GIB, 5 * GIB, GIB);
}

/* --- Waits --- */

static void waits_are_shared_by_64_blocks(struct fixture *f)
{
	static const uint64_t counts[] = {1, 2, 63, 64, 65, 130};

	for (size_t i = 0; i < COUNT(counts); i++) {
		uint64_t size = counts[i] * block(f);
		struct iopgt_stats stats;

		map(f, FIRST(f), PHYS(f), size, RW);
		host_log_clear(&f->host);
		stats = split(f, FIRST(f), size);
		assert_int_equal(stats.split, counts[i]);
		assert_true(stats.waits <= 2 + 2 * counts[i] / 64);
		assert_int_equal(stats.waits, event_count(f, HOST_SYNC));
		unmap(f, FIRST(f), size);
	}
}

/* --- Walkers that run beside it --- */

#define WATCHED 48

struct writes {
	bool landed[WATCHED];
	unsigned turn, faults;
};

static uint64_t watched(struct fixture *f, unsigned number)
{
	return FIRST(f) + number % 3 * block(f) + number / 3 * granule(f);
}

static void access_a_little(struct fixture *f, enum host_call call, bool done)
{
	struct writes *writes = f->hook_context;

	(void)call;
	(void)done;
	for (unsigned i = 0; i < 5; i++) {
		unsigned number = writes->turn++ % WATCHED;
		unsigned walker = writes->turn % f->walker_count;

		writes->faults += !access_ok(f, walker, watched(f, number + 1), WALKER_READ);
		if (access_ok(f, walker, watched(f, number), WALKER_WRITE))
			writes->landed[number] = true;
		else
			writes->faults++;
	}
}

/* Splits three blocks with walkers in all pauses; returns what they did. */
static struct writes split_beside_walkers(struct fixture *f)
{
	struct writes writes = {.turn = 0};
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), PHYS(f), 3 * block(f), RW | IOPGT_CLEAN);
	for (unsigned i = 0; i < 3 * f->walker_count; i++)
		assert_true(access_ok(f, i / 3, watched(f, i % 3), WALKER_READ));
	f->hook_context = &writes;
	f->hook = access_a_little;
	expect(IOPGT_OK, iopgt_split_block(f->table, FIRST(f), 3 * block(f), &op));
	f->hook = NULL;
	finish(f, &op);
	assert_true(writes.turn > 0);
	return writes;
}

static void walkers_do_not_fault_at_levels_1_and_2(struct fixture *f)
{
	assert_int_equal(split_beside_walkers(f).faults, 0);
}

static void writes_during_a_split_are_reported(struct fixture *f)
{
	struct writes writes = split_beside_walkers(f);

	look_dirty(f, FIRST(f), 3 * block(f));
	for (unsigned i = 0; i < WATCHED; i++)
		assert_true(!writes.landed[i] || bit_at(f, watched(f, i)));
	for (unsigned i = 0; i < WATCHED; i++)
		for (unsigned walker = 0; walker < f->walker_count; walker++)
			assert_true(access_ok(f, walker, watched(f, i), WALKER_WRITE));
}

/* --- Level 0 --- */

static void level_0_without_leave_changes_nothing(struct fixture *f)
{
	struct iopgt_op op = {0};

	map(f, FIRST(f), PHYS(f), 2 * block(f), RW);
	expect(IOPGT_WOULD_BREAK, iopgt_split_block(f->table, FIRST(f), 2 * block(f), &op));
	finish(f, &op);
	expect_level(f, FIRST(f), 2);
	expect_level(f, FIRST(f) + block(f), 2);
}

static void level_0_splits_where_faults_are_retried(struct fixture *f)
{
	struct iopgt_op op = {0};

	map(f, FIRST(f), PHYS(f), 2 * block(f), RW);
	read_page(f, FIRST(f));
	expect(IOPGT_OK, iopgt_split_block(f->table, FIRST(f), 2 * block(f), &op));
	finish(f, &op);
	expect_mapped(f, FIRST(f), PHYS(f), 2 * block(f));
	read_page(f, FIRST(f));
}

/* A second caller asks while the first waits. */
static void *translate_first(void *argument)
{
	struct fixture *f = argument;
	struct iopgt_translation translation;

	return (void *)(intptr_t)iopgt_translate(f->table, FIRST(f), &translation);
}

static void ask_while_waiting(struct fixture *f, enum host_call call, bool done)
{
	unsigned *busy = f->hook_context;
	pthread_t thread;
	void *error;

	if (call != HOST_SYNC || done)
		return;
	assert_int_equal(pthread_create(&thread, NULL, translate_first, f), 0);
	assert_int_equal(pthread_join(thread, &error), 0);
	*busy += (int)(intptr_t)error == IOPGT_BUSY;
}

static void others_are_told_that_an_entry_is_broken(struct fixture *f)
{
	unsigned busy = 0;

	map(f, FIRST(f), PHYS(f), block(f), RW);
	f->hook_context = &busy;
	f->hook = ask_while_waiting;
	split(f, FIRST(f), block(f));
	f->hook = NULL;
	assert_int_equal(busy > 0, f->bbm_level == 0);
	expect_mapped(f, FIRST(f), PHYS(f), block(f));
}

/* --- In pieces --- */

static void split_in_pieces_ends_the_same(struct fixture *f)
{
	uint64_t at = FIRST(f), end = FIRST(f) + 5 * block(f);
	struct iopgt_op op = new_op(f);
	unsigned calls = 1;
	int error;

	map(f, at, PHYS(f), end - at, RW | IOPGT_CLEAN);
	op.budget = 1;
	while ((error = iopgt_split_block(f->table, at, end - at, &op)) == IOPGT_AGAIN) {
		assert_true(op.next > at && op.next < end);
		assert_null(op.gather.table);
		at = op.next;
		calls++;
		check(f);
	}
	expect(IOPGT_OK, error);
	finish(f, &op);
	assert_true(calls > 1);
	assert_int_equal(op.stats.split, 5);
	expect_level(f, end - granule(f), 3);
	expect_mapped(f, FIRST(f), PHYS(f), end - FIRST(f));
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_REGIMES | FIXTURE_LEVELS;
	const uint32_t plain = FIXTURE_GRANULES | FIXTURE_LEVELS;
	const uint32_t live = FIXTURE_GRANULES | FIXTURE_REGIMES;
	const struct fixture_test tests[] = {
		TEST(all, split_keeps_the_output_address_of_every_page),
		TEST(all, split_keeps_permissions_memory_type_and_dirty_state),
		TEST(plain, a_read_only_block_that_was_written_is_still_reported),
		TEST_WITH(all, writes_after_a_split_mark_their_page_alone, .walkers = 3),
		TEST_WITH(all, no_walker_has_the_block_when_split_returns, .walkers = 3),
		TEST(plain, every_block_that_overlaps_the_range_is_split),
		TEST(plain, split_of_pages_and_holes_does_nothing),
		TEST(plain, split_takes_a_table_a_block_and_owes_nothing),
		TEST(FIXTURE_STAGES | FIXTURE_LEVELS, a_gibibyte_becomes_pages),
		TEST(plain, waits_are_shared_by_64_blocks),
		TEST_WITH(live, walkers_do_not_fault_at_levels_1_and_2, .walkers = 2,
	                  .level = FIXTURE_LEVEL_1),
		TEST_WITH(live, walkers_do_not_fault_at_levels_1_and_2, .walkers = 2,
	                  .level = FIXTURE_LEVEL_2),
		TEST_WITH(all, writes_during_a_split_are_reported, .walkers = 2),
		TEST_WITH(FIXTURE_GRANULES, level_0_without_leave_changes_nothing,
	                  .level = FIXTURE_LEVEL_0),
		TEST_WITH(FIXTURE_GRANULES, level_0_splits_where_faults_are_retried,
	                  .level = FIXTURE_LEVEL_0, .config_flags = IOPGT_CONFIG_FAULTS_RETRIED),
		TEST_WITH(FIXTURE_LEVELS, others_are_told_that_an_entry_is_broken,
	                  .host.hal_flags = IOPGT_HAL_DEFERS_FREE),
		TEST(plain, split_in_pieces_ends_the_same),
	};

	return FIXTURE_RUN(tests);
}
