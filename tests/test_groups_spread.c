/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of the dirty state of a contiguous group that is removed, broken
 * up, protected or merged: one mark stands for all entries, so it spreads to all
 * that lose the Contiguous bit, with what walkers marked until the wait was over.
 */
#include "test_groups.h"

static void warm(struct fixture *f, unsigned groups)
{
	for (unsigned i = 0; i < f->walker_count; i++)
		for (unsigned j = 0; j < groups; j++)
			assert_true(access_ok(f, i, group(f, j) + group_bytes(f) / 2, WALKER_READ));
}

/* The places of the mark: the part that goes, the part that stays. */
static bool marked_entry(const struct fixture *f, unsigned i, unsigned *number)
{
	const unsigned places[] = {0, 3, 5, entries(f) - 1};

	*number = places[i < COUNT(places) ? i : 0];
	return i < COUNT(places);
}

static void unmap_dirty(struct fixture *f, uint64_t iova, uint64_t size, struct iopgt_op *op)
{
	expect(IOPGT_OK, iopgt_unmap_dirty(f->table, iova, size, entry_bitmap(f, iova, size), op));
}

/* --- unmap_dirty --- */

static void a_removed_group_is_reported_whole(struct fixture *f)
{
	unsigned number;

	for (unsigned i = 0; marked_entry(f, i, &number); i++) {
		struct iopgt_op op = new_op(f);

		map_groups(f, 3, RW | IOPGT_CLEAN);
		mark(f, group(f, 1) + number * entry_bytes(f));
		unmap_dirty(f, group(f, 0), 3 * group_bytes(f), &op);
		finish(f, &op);
		expect_only_bits(f, group(f, 1), group_bytes(f));
		assert_int_equal(op.stats.ungrouped, 0);
		for (unsigned j = 0; j < 3; j++)
			assert_int_equal(count_entries(f, group(f, j), is_present), 0);
	}
}

static void a_removed_part_is_reported_and_the_rest_stays_dirty(struct fixture *f)
{
	unsigned number;

	for (unsigned i = 0; marked_entry(f, i, &number); i++) {
		struct iopgt_op op = new_op(f);

		map_groups(f, 1, RW | IOPGT_CLEAN);
		mark(f, entry(f, number));
		unmap_dirty(f, entry(f, 3), 2 * entry_bytes(f), &op);
		finish(f, &op);
		expect_only_bits(f, entry(f, 3), 2 * entry_bytes(f));
		assert_int_equal(op.stats.ungrouped, 1);
		look_at_dirty(f, group(f, 0), group_bytes(f));
		for (unsigned j = 0; j < entries(f); j++)
			assert_int_equal(bit_at(f, entry(f, j)), j != 3 && j != 4);
		unmap(f, 0, SPACE);
	}
}

/* Both ends of the range cut a dirty group, a third is clean. */
static void both_ends_are_reported_and_spread(struct fixture *f)
{
	uint64_t first = entry(f, 2), size = 2 * group_bytes(f);
	struct iopgt_op op = new_op(f);

	map_groups(f, 4, RW | IOPGT_CLEAN);
	mark(f, group(f, 0));
	mark(f, group(f, 3) - entry_bytes(f));
	unmap_dirty(f, first, size, &op);
	finish(f, &op);
	for (uint64_t at = first; at < first + size; at += entry_bytes(f))
		assert_int_equal(bit_at(f, at), at < group(f, 1) || at >= group(f, 2));
	look_at_dirty(f, group(f, 0), 4 * group_bytes(f));
	for (uint64_t at = group(f, 0); at < group(f, 3); at += entry_bytes(f))
		assert_int_equal(bit_at(f, at), at < first || at >= first + size);
	assert_int_equal(count_bits(f), entries(f));
}

static void a_part_of_a_clean_group_is_not_reported(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_groups(f, 2, RW | IOPGT_CLEAN);
	warm(f, 2);
	mark(f, group(f, 1));
	unmap_dirty(f, entry(f, 3), entry_bytes(f), &op);
	finish(f, &op);
	assert_int_equal(count_bits(f), 0);
	assert_int_equal(count_entries(f, group(f, 0), is_dirty), 0);
	expect_singles(f, group(f, 0), phys_apart(f), 3 * entry_bytes(f));
}

static void a_page_of_a_dirty_group_is_reported(struct fixture *f)
{
	uint64_t iova = entry(f, 4) + entry_bytes(f) - granule(f);
	struct iopgt_op op = new_op(f);

	map_groups(f, 1, RW | IOPGT_CLEAN);
	mark(f, entry(f, 9));
	expect(IOPGT_OK, iopgt_unmap_dirty(f->table, iova, granule(f),
	                                   page_bitmap(f, iova, granule(f)), &op));
	finish(f, &op);
	expect_only_bits(f, iova, granule(f));
	assert_int_equal(look_at(f, iova).fault, WALKER_TRANSLATION);
	assert_int_equal(count_entries(f, group(f, 0), is_dirty),
	                 entry_bytes(f) == granule(f) ? entries(f) - 1 : entries(f));
}

/* --- Writes of walkers while it runs --- */

struct writes {
	struct random random;
	bool landed[128];
	bool only_reads;
};

static void write_a_little(struct fixture *f, enum host_call call, bool done)
{
	struct writes *writes = f->hook_context;

	(void)call;
	(void)done;
	for (unsigned i = 0; i < 3; i++) {
		unsigned number = (unsigned)random_below(&writes->random, entries(f));
		unsigned walker = (unsigned)random_below(&writes->random, f->walker_count);
		bool writing = !writes->only_reads && random_chance(&writes->random, 3);

		if (access_ok(f, walker, entry(f, number), writing ? WALKER_WRITE : WALKER_READ))
			writes->landed[number] |= writing;
	}
}

typedef int change_function(struct fixture *f, struct iopgt_op *op);

static int unmap_two(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_unmap_dirty(f->table, entry(f, 3), 2 * entry_bytes(f), &f->bitmap, op);
}

static int unmap_all(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_unmap_dirty(f->table, group(f, 0), group_bytes(f), &f->bitmap, op);
}

static int protect_two(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_protect(f->table, entry(f, 3), 2 * entry_bytes(f), IOPGT_READ, op);
}

static int protect_all(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_protect(f->table, group(f, 0), group_bytes(f), IOPGT_READ, op);
}

static int split_all(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_split_block(f->table, group(f, 0), group_bytes(f), op);
}

static int split_and_merge(struct fixture *f, struct iopgt_op *op)
{
	int error = iopgt_split_block(f->table, group(f, 0), group_bytes(f), op);

	return error ? error : iopgt_merge_page(f->table, group(f, 0), group_bytes(f), op);
}

/* In the bitmap of an unmap, or reported by a read. */
static void expect_reported(struct fixture *f, const struct writes *writes)
{
	struct iopgt_bitmap taken = f->bitmap;

	f->bitmap.words = NULL;
	look_at_dirty(f, group(f, 0), group_bytes(f));
	for (unsigned i = 0; i < entries(f); i++)
		assert_true(!writes->landed[i] || bit_at(f, entry(f, i)) ||
		            iopgt_bitmap_test(&taken, entry(f, i)));
	free(taken.words);
}

static void change_beside_writes(struct fixture *f, change_function *change)
{
	struct random random = {seed_from_environment("IOPGT_SEED", 3)};

	for (unsigned round = 0; round < 12; round++) {
		struct writes writes = {.random = {random_next(&random)}};
		struct iopgt_op op = new_op(f);

		map_groups(f, 1, RW | IOPGT_CLEAN);
		entry_bitmap(f, group(f, 0), group_bytes(f));
		warm(f, 1);
		writes.only_reads = round % 4 == 0;
		f->hook_context = &writes;
		f->hook = write_a_little;
		expect(IOPGT_OK, change(f, &op));
		write_a_little(f, HOST_ANY, false);
		expect(IOPGT_OK, iopgt_op_finish(&op));
		f->hook = NULL;
		check(f);
		expect_reported(f, &writes);
		/* Without a write nothing is dirty. */
		if (writes.only_reads)
			assert_int_equal(count_bits(f), 0);
		unmap(f, 0, SPACE);
	}
}

#define BESIDE_WRITES(change)                                                                      \
	static void writes_beside_##change##_are_reported(struct fixture *f)                       \
	{                                                                                          \
		change_beside_writes(f, change);                                                   \
	}

BESIDE_WRITES(unmap_two)
BESIDE_WRITES(unmap_all)
BESIDE_WRITES(protect_two)
BESIDE_WRITES(protect_all)
BESIDE_WRITES(split_all)
BESIDE_WRITES(split_and_merge)

/* --- The other verbs --- */

static void split_spreads_to_every_page(struct fixture *f)
{
	unsigned number;

	for (unsigned i = 0; marked_entry(f, i, &number); i++) {
		map_groups(f, 2, RW | IOPGT_CLEAN);
		mark(f, entry(f, number));
		split(f, group(f, 0), 2 * group_bytes(f));
		assert_int_equal(count_entries(f, group(f, 0), is_dirty), entries(f));
		assert_int_equal(count_entries(f, group(f, 1), is_dirty), 0);
		assert_true(is_dirty(f, group(f, 1) - granule(f)));
		assert_false(is_dirty(f, group(f, 2) - granule(f)));
		unmap(f, 0, SPACE);
	}
}

static void unmap_of_a_part_spreads_to_the_rest(struct fixture *f)
{
	unsigned number;

	for (unsigned i = 0; marked_entry(f, i, &number); i++) {
		map_groups(f, 1, RW | IOPGT_CLEAN);
		mark(f, entry(f, number));
		unmap(f, entry(f, number), entry_bytes(f));
		assert_int_equal(count_entries(f, group(f, 0), is_dirty), entries(f) - 1);
		unmap(f, 0, SPACE);
	}
}

static void protect_of_a_part_keeps_what_was_dirty(struct fixture *f)
{
	unsigned number;

	for (unsigned i = 0; marked_entry(f, i, &number); i++) {
		map_groups(f, 2, RW | IOPGT_CLEAN);
		mark(f, entry(f, number));
		protect(f, entry(f, 2), 2 * entry_bytes(f), IOPGT_READ);
		look_at_dirty(f, group(f, 0), 2 * group_bytes(f));
		expect_only_bits(f, group(f, 0), group_bytes(f));
		protect(f, entry(f, 2), 2 * entry_bytes(f), RW);
		assert_int_equal(count_entries(f, group(f, 0), is_dirty), entries(f));
		unmap(f, 0, SPACE);
	}
}

static void protect_of_a_whole_group_keeps_what_was_dirty(struct fixture *f)
{
	unsigned number;

	for (unsigned i = 0; marked_entry(f, i, &number); i++) {
		map_groups(f, 3, RW | IOPGT_CLEAN);
		mark(f, group(f, 1) + number * entry_bytes(f));
		protect(f, group(f, 0), 3 * group_bytes(f), IOPGT_READ);
		look_at_dirty(f, group(f, 0), 3 * group_bytes(f));
		expect_only_bits(f, group(f, 1), group_bytes(f));
		protect(f, group(f, 0), 3 * group_bytes(f), RW);
		assert_int_equal(state_at(f, group(f, 1)), IOPGT_LEAF_DIRTY);
		assert_int_equal(state_at(f, group(f, 0)), IOPGT_LEAF_CLEAN);
		take(f, group(f, 0), 3 * group_bytes(f));
		expect_only_bits(f, group(f, 1), group_bytes(f));
		assert_int_equal(state_at(f, group(f, 1)), IOPGT_LEAF_CLEAN);
		unmap(f, 0, SPACE);
	}
}

/* A group that is read-only and was written: reported once, then no more. */
static void a_read_only_group_is_taken_whole(struct fixture *f)
{
	map_groups(f, 2, RW | IOPGT_CLEAN);
	mark(f, entry(f, 5));
	protect(f, group(f, 0), 2 * group_bytes(f), IOPGT_READ);
	take(f, entry(f, 1), 2 * entry_bytes(f)); /* a part: stays */
	expect_only_bits(f, entry(f, 1), 2 * entry_bytes(f));
	take(f, group(f, 0), 2 * group_bytes(f));
	expect_only_bits(f, group(f, 0), group_bytes(f));
	look_at_dirty(f, group(f, 0), 2 * group_bytes(f));
	assert_int_equal(count_bits(f), 0);
}

static void a_read_only_group_that_is_split_was_written_everywhere(struct fixture *f)
{
	map_groups(f, 2, RW | IOPGT_CLEAN);
	mark(f, entry(f, 5));
	protect(f, group(f, 0), 2 * group_bytes(f), IOPGT_READ);
	split(f, group(f, 0), 2 * group_bytes(f));
	look_at_dirty(f, group(f, 0), 2 * group_bytes(f));
	expect_only_bits(f, group(f, 0), group_bytes(f));
	take(f, group(f, 0), group_bytes(f));
	look_at_dirty(f, group(f, 0), 2 * group_bytes(f));
	assert_int_equal(count_bits(f), 0);
}

static void a_merged_group_is_dirty_if_any_entry_was(struct fixture *f)
{
	unsigned number;

	for (unsigned i = 0; marked_entry(f, i, &number); i++) {
		map_singles(f, 3, RW | IOPGT_CLEAN);
		mark(f, group(f, 1) + number * entry_bytes(f));
		assert_int_equal(merge(f, group(f, 0), 3 * group_bytes(f)).grouped, 3);
		look_at_dirty(f, group(f, 0), 3 * group_bytes(f));
		expect_only_bits(f, group(f, 1), group_bytes(f));
		take(f, group(f, 0), 3 * group_bytes(f));
		assert_int_equal(count_entries(f, group(f, 1), is_dirty), 0);
		unmap(f, 0, SPACE);
	}
}

int main(void)
{
	const uint32_t all = FIXTURE_STAGES | FIXTURE_LEVELS;
	const struct fixture_test tests[] = {
		TEST(FIXTURE_REGIMES, a_removed_group_is_reported_whole),
		TEST(all, a_removed_part_is_reported_and_the_rest_stays_dirty),
		TEST(all, both_ends_are_reported_and_spread),
		TEST(all, a_part_of_a_clean_group_is_not_reported),
		TEST(all, a_page_of_a_dirty_group_is_reported),
		TEST_WITH(all, writes_beside_unmap_two_are_reported, .walkers = 2),
		TEST_WITH(all, writes_beside_unmap_all_are_reported, .walkers = 2),
		TEST_WITH(all, writes_beside_protect_two_are_reported, .walkers = 2),
		TEST_WITH(all, writes_beside_protect_all_are_reported, .walkers = 2),
		TEST_WITH(all | GROUPS_SMALL, writes_beside_split_all_are_reported, .walkers = 2),
		TEST_WITH(all | GROUPS_SMALL, writes_beside_split_and_merge_are_reported,
	                  .walkers = 2),
		TEST(all | GROUPS_SMALL, split_spreads_to_every_page),
		TEST(all, unmap_of_a_part_spreads_to_the_rest),
		TEST(all, protect_of_a_part_keeps_what_was_dirty),
		TEST(all, protect_of_a_whole_group_keeps_what_was_dirty),
		TEST(all, a_read_only_group_is_taken_whole),
		TEST(all | GROUPS_SMALL, a_read_only_group_that_is_split_was_written_everywhere),
		TEST(all, a_merged_group_is_dirty_if_any_entry_was),
	};

	return GROUPS_RUN_SOME(tests);
}
