/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Contiguous groups where something ends: a range that begins far before a group of which
 * it holds a part, a member alone, tables that share a wait, a host that fails.
 */
#include <pthread.h>

#include "test_groups.h"

/* --- Beside a call that breaks up a group --- */

/* Asks about all of the space up to the middle of group 1. */
static void *read_first_half(void *argument)
{
	struct fixture *f = argument;
	struct iopgt_op op = new_op(f);
	uint64_t end = group(f, 1) + group_bytes(f) / 2;

	return (void *)(intptr_t)iopgt_sync_dirty_log(f->table, 0, end, &f->bitmap, &op);
}

/* The same of group 0, of which nothing is being replaced. */
static void *read_half_of_the_one_before(void *argument)
{
	struct fixture *f = argument;
	struct iopgt_op op = new_op(f);
	uint64_t end = group(f, 0) + group_bytes(f) / 2;

	return (void *)(intptr_t)iopgt_sync_dirty_log(f->table, 0, end, &f->bitmap, &op);
}

static void read_while_waiting(struct fixture *f, enum host_call call, bool done)
{
	unsigned *reads = f->hook_context;
	pthread_t thread;
	void *error;

	if (call != HOST_SYNC || done || (*reads)++)
		return;
	assert_int_equal(pthread_create(&thread, NULL, read_first_half, f), 0);
	assert_int_equal(pthread_join(thread, &error), 0);
	if (!bit_at(f, group(f, 1)))
		expect(IOPGT_BUSY, (int)(intptr_t)error);
	assert_int_equal(pthread_create(&thread, NULL, read_half_of_the_one_before, f), 0);
	assert_int_equal(pthread_join(thread, &error), 0);
	expect(IOPGT_OK, (int)(intptr_t)error);
}

/* Its entries may be gone for the moment (level 0): what was written is reported, or it is busy. */
static void a_range_that_ends_in_a_broken_group_misses_nothing(struct fixture *f)
{
	unsigned reads = 0;

	map_groups(f, 2, RW | IOPGT_CLEAN);
	mark(f, group(f, 1) + entry_bytes(f));
	fixture_bitmap(f, group(f, 0), 2 * group_bytes(f), shape(f)->entry_shift);
	f->bitmap.base = 0;
	f->bitmap.page_shift = 0;
	while (f->bitmap.bits << f->bitmap.page_shift < group(f, 2))
		f->bitmap.page_shift++;
	f->hook_context = &reads;
	f->hook = read_while_waiting;
	unmap(f, group(f, 1) + group_bytes(f) / 2, group_bytes(f) / 2);
	f->hook = NULL;
	assert_true(reads > 0);
}

/* --- A range that begins in a group --- */

/* The mark is in a member before the range, and nothing else is written far and wide. */
static void a_range_that_begins_in_a_written_group_reports_it(struct fixture *f)
{
	uint64_t first = entry(f, entries(f) / 2), end = group(f, 6);
	struct iopgt_op op = new_op(f);

	map_groups(f, 6, RW | IOPGT_CLEAN);
	mark(f, entry(f, 0));
	fixture_bitmap(f, group(f, 0), 6 * group_bytes(f), shape(f)->entry_shift);
	expect(IOPGT_OK, iopgt_sync_dirty_log(f->table, first, end - first, &f->bitmap, &op));
	expect_only_bits(f, first, group_bytes(f) / 2);
}

/* --- A member alone --- */

/* Walkers may take all of the place for a group, and mark any entry for all (R_QTRPM, R_JKCXG). */
static void a_reader_takes_one_member_for_a_group(struct fixture *f)
{
	const struct iopgt_tree tree = {.root_phys = f->table->root_phys};
	const unsigned members[] = {0, 1, entries(f) - 1, entries(f)}; /* the last: of the next */
	struct iopgt_table reader;

	map_singles(f, 2, RW | IOPGT_CLEAN);
	mark(f, entry(f, 2));
	expect(IOPGT_OK, iopgt_open(&reader, &f->config, &f->hal, &f->host, &tree));
	for (size_t i = 0; i < COUNT(members); i++) {
		uint64_t at = entry(f, members[i]), before = raw(f, at);
		struct iopgt_op op = new_op(f);

		set_raw(f, at, before | CONTIGUOUS);
		fixture_bitmap(f, group(f, 0), 2 * group_bytes(f), shape(f)->entry_shift);
		expect(IOPGT_OK, iopgt_sync_dirty_log(&reader, group(f, 0), 2 * group_bytes(f),
		                                      &f->bitmap, &op));
		if (members[i] < entries(f))
			expect_only_bits(f, group(f, 0), group_bytes(f));
		else
			expect_only_bits(f, entry(f, 2), entry_bytes(f));
		set_raw(f, at, before);
	}
	expect(IOPGT_OK, iopgt_fini(&reader));
}

/* --- Waits --- */

#define TABLES 4

/* Level 0: "waits are shared": one for 32 groups and no more, whatever tables they are in. */
static void groups_of_several_tables_share_a_wait(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	for (uint64_t i = 0; i < TABLES * entries(f); i++) {
		uint64_t at = i / entries(f) * upper_bytes(f) + i % entries(f) * entry_bytes(f);

		map(f, group(f, 0) + at, phys_apart(f) + at, entry_bytes(f), RW);
	}
	expect(IOPGT_OK, iopgt_merge_page(f->table, group(f, 0), TABLES * upper_bytes(f), &op));
	finish(f, &op);
	assert_int_equal(op.stats.grouped, TABLES);
	assert_true(op.stats.waits <= 2);
	for (uint64_t i = 0; i < TABLES; i++)
		expect_leaf_size(f, group(f, 0) + i * upper_bytes(f), group_bytes(f));
}

/* --- Permissions --- */

/*
 * Where walkers do not mark, members may not differ (R_LCGVS): one that was written, by a
 * fault handler that was cut short, makes all of its group count as written, and no other.
 */
static void every_group_of_a_range_is_made_level(struct fixture *f)
{
	map_groups(f, 3, RW | IOPGT_CLEAN);
	mark(f, entry(f, entries(f) + 2));
	protect(f, group(f, 0), 3 * group_bytes(f), IOPGT_READ);
	protect(f, group(f, 0), 3 * group_bytes(f), RW);
	for (unsigned i = 0; i < 3 * entries(f); i++)
		assert_int_equal(is_dirty(f, entry(f, i)), i / entries(f) == 1);
	expect_good_groups(f, group(f, 0), 3 * group_bytes(f));
}

/* --- The host --- */

static void a_split_says_that_a_group_could_not_be_broken_up(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_groups(f, 2, RW | IOPGT_CLEAN);
	mark(f, entry(f, 1));
	host_fail(&f->host, HOST_SYNC, 1, false);
	expect(HOST_ERROR, iopgt_split_block(f->table, group(f, 0), 2 * group_bytes(f), &op));
	host_fail_nothing(&f->host);
	finish(f, &op);
	assert_int_equal(state_at(f, entry(f, 0)), IOPGT_LEAF_DIRTY);
	split(f, group(f, 0), group_bytes(f));
	expect_leaf_size(f, group(f, 0), granule(f));
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(FIXTURE_STAGES, a_range_that_ends_in_a_broken_group_misses_nothing,
	                  .level = FIXTURE_LEVEL_0, .host.hal_flags = IOPGT_HAL_DEFERS_FREE),
		TEST(FIXTURE_STAGES, a_range_that_begins_in_a_written_group_reports_it),
		TEST(FIXTURE_STAGES, a_reader_takes_one_member_for_a_group),
		TEST_WITH(FIXTURE_STAGES, groups_of_several_tables_share_a_wait,
	                  .level = FIXTURE_LEVEL_0),
		TEST_WITH(FIXTURE_STAGES, every_group_of_a_range_is_made_level,
	                  .dirty = FIXTURE_SOFTWARE),
		TEST(FIXTURE_LEVELS, a_split_says_that_a_group_could_not_be_broken_up),
	};

	return GROUPS_RUN(tests);
}
