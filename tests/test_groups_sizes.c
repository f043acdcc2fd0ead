/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iopgt_split_block and iopgt_merge_page on contiguous groups: groups become
 * pages; pages, blocks and groups become the largest leaves again.
 */
#include "test_groups.h"

static void warm(struct fixture *f, unsigned groups)
{
	for (unsigned i = 0; i < f->walker_count; i++)
		for (unsigned j = 0; j < groups; j++)
			assert_true(access_ok(f, i, group(f, j) + group_bytes(f) / 2, WALKER_READ));
}

static void expect_pages(struct fixture *f, uint64_t iova)
{
	const uint64_t offsets[] = {0, granule(f), entry_bytes(f) - granule(f), group_bytes(f) / 2,
	                            group_bytes(f) - granule(f)};

	for (size_t i = 0; i < COUNT(offsets); i++) {
		uint64_t at = iova + offsets[i];

		expect_leaf(f, at, granule(f));
		assert_false(is_contiguous(f, at));
	}
	expect_output(f, iova, phys_of(f, iova), group_bytes(f));
}

/* Blocks that take a table each when all of one entry becomes pages. */
static uint64_t tables_of_entry(const struct fixture *f)
{
	uint64_t tables = 0;

	for (int level = shape(f)->level; level < 3; level++)
		tables += entry_bytes(f) / level_size(f, level);
	return tables;
}

/* --- Split --- */

static void split_makes_pages_of_groups(struct fixture *f)
{
	struct iopgt_stats stats;

	map_groups(f, 2, RW);
	warm(f, 2);
	stats = split(f, group(f, 0), 2 * group_bytes(f));
	assert_int_equal(stats.ungrouped, 2);
	assert_int_equal(stats.split, 2 * entries(f) * tables_of_entry(f));
	assert_int_equal(stats.left_unsplit, 0);
	for (unsigned i = 0; i < 2; i++)
		expect_pages(f, group(f, i));
	for (unsigned i = 0; i < f->walker_count; i++)
		for (unsigned j = 0; j < 2 * entries(f); j++)
			assert_true(access_ok(f, i, entry(f, j), WALKER_WRITE));
}

static void split_of_one_page_splits_its_whole_group_and_no_other(struct fixture *f)
{
	map_groups(f, 3, RW);
	assert_int_equal(split(f, group(f, 2) - granule(f), granule(f)).ungrouped, 1);
	expect_group(f, group(f, 0), phys_apart(f));
	expect_group(f, group(f, 2), phys_of(f, group(f, 2)));
	assert_int_equal(count_entries(f, group(f, 1), is_contiguous), 0);
	expect_leaf(f, group(f, 2) - granule(f), granule(f));
	expect_output(f, group(f, 0), phys_apart(f), 3 * group_bytes(f));
}

static void no_walker_has_the_group_when_split_returns(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_groups(f, 3, RW);
	warm(f, 3);
	expect(IOPGT_OK, iopgt_split_block(f->table, group(f, 0), 3 * group_bytes(f), &op));
	assert_null(op.gather.table);
	for (unsigned i = 0; i < f->walker_count; i++)
		for (unsigned j = 0; j < 3 * entries(f); j++)
			assert_false(walker_caches_iova(f->walkers[i], entry(f, j)));
	finish(f, &op);
}

static void splits_of_many_groups_share_their_waits(struct fixture *f)
{
	const unsigned counts[] = {1, 2, 16, 63, 64, 65, 130};

	for (size_t i = 0; i < COUNT(counts); i++) {
		struct iopgt_stats stats;

		map_groups(f, counts[i], RW);
		host_log_clear(&f->host);
		stats = split(f, group(f, 0), counts[i] * group_bytes(f));
		assert_int_equal(stats.ungrouped, counts[i]);
		assert_true(stats.waits <= 2 + 2 * counts[i] / 64);
		assert_int_equal(stats.waits, event_count(f, HOST_SYNC));
		unmap(f, group(f, 0), counts[i] * group_bytes(f));
	}
}

/* Groups of blocks: their break-up is shared, and the splits that follow it. */
static void waits_do_not_grow_with_the_entries(struct fixture *f)
{
	struct iopgt_stats stats;

	map_groups(f, 2, RW);
	stats = split(f, group(f, 0), 2 * group_bytes(f));
	assert_true(stats.waits <= 4 + 2 * (stats.split + stats.ungrouped) / 64);
}

static void split_without_leave_changes_nothing_at_level_0(struct fixture *f)
{
	struct iopgt_op op = {0};

	map_groups(f, 2, RW);
	expect(IOPGT_WOULD_BREAK,
	       iopgt_split_block(f->table, group(f, 0), 2 * group_bytes(f), &op));
	finish(f, &op);
	for (unsigned i = 0; i < 2; i++)
		expect_group(f, group(f, i), phys_of(f, group(f, i)));
}

static void split_in_pieces_ends_the_same(struct fixture *f)
{
	uint64_t at = group(f, 0), end = group(f, 4);
	struct iopgt_op op = new_op(f);
	int error;

	map_groups(f, 4, RW);
	op.budget = 1;
	while ((error = iopgt_split_block(f->table, at, end - at, &op)) == IOPGT_AGAIN) {
		assert_true(op.next > at && op.next < end);
		at = op.next;
		check(f);
	}
	expect(IOPGT_OK, error);
	finish(f, &op);
	assert_int_equal(op.stats.ungrouped, 4);
	for (unsigned i = 0; i < 4; i++)
		expect_pages(f, group(f, i));
}

/* --- Merge of single entries --- */

static void single_entries_become_groups(struct fixture *f)
{
	struct iopgt_stats stats;
	uint64_t before;

	map_singles(f, 3, RW);
	before = raw(f, entry(f, 1));
	warm(f, 3);
	host_log_clear(&f->host);
	stats = merge(f, group(f, 0), 3 * group_bytes(f));
	assert_int_equal(stats.grouped, 3);
	assert_int_equal(stats.merged, 0);
	for (unsigned i = 0; i < 3; i++) {
		expect_group(f, group(f, i), phys_of(f, group(f, i)));
		/* The entries that were cached singly have to go. */
		assert_true(group_invalidated(f, group(f, i), 0, host_logged(&f->host)));
	}
	assert_int_equal(raw(f, entry(f, 1)), before | CONTIGUOUS);
	for (unsigned i = 0; i < f->walker_count; i++)
		for (unsigned j = 0; j < 3 * entries(f); j++)
			assert_true(access_ok(f, i, entry(f, j), WALKER_WRITE));
}

static void merge_of_groups_does_nothing(struct fixture *f)
{
	struct iopgt_stats stats;

	map_groups(f, 2, RW);
	host_log_clear(&f->host);
	stats = merge(f, group(f, 0), 2 * group_bytes(f));
	assert_int_equal(stats.grouped + stats.merged, 0);
	assert_int_equal(event_count(f, HOST_SYNC), 0);
	for (unsigned i = 0; i < 2; i++)
		expect_group(f, group(f, i), phys_of(f, group(f, i)));
}

static void only_groups_wholly_in_the_range_are_made(struct fixture *f)
{
	map_singles(f, 3, RW);
	assert_int_equal(merge(f, entry(f, 1), 3 * group_bytes(f) - 2 * entry_bytes(f)).grouped, 1);
	expect_singles(f, group(f, 0), phys_apart(f), group_bytes(f));
	expect_group(f, group(f, 1), phys_of(f, group(f, 1)));
	expect_singles(f, group(f, 2), phys_of(f, group(f, 2)), group_bytes(f));
}

/* One entry of each group is not like the others. */
static void expect_not_merged(struct fixture *f, uint64_t iova)
{
	struct iopgt_stats stats = merge(f, iova, group_bytes(f));

	assert_int_equal(stats.grouped + stats.merged, 0);
	assert_int_equal(count_entries(f, iova, is_contiguous), 0);
	unmap(f, iova, group_bytes(f));
}

static void entries_that_differ_become_no_group(struct fixture *f)
{
	const uint32_t prots[] = {IOPGT_READ, RW | IOPGT_EXECUTE, RW | IOPGT_NO_TRACK};
	const unsigned places[] = {0, entries(f) / 2, entries(f) - 1};

	for (size_t i = 0; i < 3 * 6; i++) {
		uint64_t odd = entry(f, places[i % 3]);
		struct iopgt_mapping mapping =
			fixture_mapping(odd, phys_of(f, odd), entry_bytes(f), RW);

		map_singles(f, 1, RW);
		unmap(f, odd, entry_bytes(f));
		if (i / 3 < 3)
			mapping.prot = prots[i / 3];
		else if (i / 3 == 3)
			mapping.memory = IOPGT_NON_CACHEABLE;
		else if (i / 3 == 4)
			mapping.attributes = IOPGT_SOFTWARE_1;
		else
			mapping.phys += entry_bytes(f);
		fixture_map(f, &mapping);
		expect_not_merged(f, group(f, 0));
	}
}

static void holes_and_misaligned_outputs_become_no_group(struct fixture *f)
{
	map_singles(f, 1, RW);
	unmap(f, entry(f, 5), entry_bytes(f));
	expect_not_merged(f, group(f, 0));
	map(f, group(f, 0), phys_apart(f) + entry_bytes(f), group_bytes(f), RW);
	expect_not_merged(f, group(f, 0));
}

static void merge_without_leave_changes_nothing_at_level_0(struct fixture *f)
{
	struct iopgt_op op = {0};

	map_singles(f, 1, RW);
	expect(IOPGT_WOULD_BREAK, iopgt_merge_page(f->table, group(f, 0), group_bytes(f), &op));
	finish(f, &op);
	expect_singles(f, group(f, 0), phys_apart(f), group_bytes(f));
}

static void merges_of_many_groups_share_their_waits(struct fixture *f)
{
	struct iopgt_stats stats;

	map_singles(f, 16, RW);
	stats = merge(f, group(f, 0), 16 * group_bytes(f));
	assert_int_equal(stats.grouped, 16);
	assert_true(stats.waits <= 3);
}

/* --- At level 0 nothing is valid meanwhile; at 1 and 2 nothing faults --- */

struct seen {
	unsigned present, contiguous, waits;
};

static void look_at_first_wait(struct fixture *f, enum host_call call, bool done)
{
	struct seen *seen = f->hook_context;

	if (call != HOST_SYNC || done || seen->waits++)
		return;
	seen->present = count_entries(f, group(f, 0), is_present);
	seen->contiguous = count_entries(f, group(f, 0), is_contiguous);
}

static struct seen watch(struct fixture *f, int (*verb)(struct iopgt_table *table, uint64_t iova,
                                                        uint64_t size, struct iopgt_op *op))
{
	struct iopgt_op op = new_op(f);
	struct seen seen = {0};

	warm(f, 1);
	f->hook_context = &seen;
	f->hook = look_at_first_wait;
	expect(IOPGT_OK, verb(f->table, group(f, 0), group_bytes(f), &op));
	finish(f, &op);
	f->hook = NULL;
	assert_true(seen.waits > 0);
	return seen;
}

static void entries_are_invalid_meanwhile_at_level_0_alone(struct fixture *f)
{
	struct seen seen;

	map_groups(f, 1, RW);
	seen = watch(f, iopgt_split_block);
	assert_int_equal(seen.present, f->bbm_level == 0 ? 0 : entries(f));
	assert_int_equal(seen.contiguous, 0);
	unmap(f, 0, SPACE);
	map_singles(f, 1, RW);
	seen = watch(f, iopgt_merge_page);
	assert_int_equal(seen.present, f->bbm_level == 0 ? 0 : entries(f));
	expect_group(f, group(f, 0), phys_apart(f));
}

struct accesses {
	unsigned turn, faults;
};

static void access_around(struct fixture *f, enum host_call call, bool done)
{
	struct accesses *accesses = f->hook_context;

	(void)call;
	(void)done;
	for (unsigned i = 0; i < 6; i++) {
		unsigned number = accesses->turn++ % entries(f);
		unsigned walker = accesses->turn % f->walker_count;
		uint64_t iova = entry(f, number) + accesses->turn % 3 * (entry_bytes(f) / 3);

		accesses->faults += !access_ok(f, walker, iova, WALKER_WRITE);
	}
}

static void walkers_do_not_fault_at_levels_1_and_2(struct fixture *f)
{
	struct accesses accesses = {0};

	map_groups(f, 1, RW | IOPGT_CLEAN);
	f->hook_context = &accesses;
	f->hook = access_around;
	access_around(f, HOST_ANY, false);
	split(f, group(f, 0), group_bytes(f));
	merge(f, group(f, 0), group_bytes(f));
	f->hook = NULL;
	expect_group(f, group(f, 0), phys_apart(f));
	assert_true(accesses.turn > 12);
	assert_int_equal(accesses.faults, 0);
}

/* --- Up and down through all sizes --- */

/* Pages, and what they were before: the same descriptors again. */
static void merge_makes_of_pages_what_map_made(struct fixture *f)
{
	uint64_t iova = group(f, 0) - granule(f), size = 2 * group_bytes(f) + 2 * granule(f);
	uint64_t before[256];

	map(f, iova, phys_of(f, iova), size, RW);
	for (unsigned i = 0; i < 2 * entries(f); i++)
		before[i] = raw(f, entry(f, i));
	split(f, iova, size);
	expect_pages(f, group(f, 1));
	merge(f, iova, size);
	for (unsigned i = 0; i < 2; i++)
		expect_group(f, group(f, i), phys_of(f, group(f, i)));
	for (unsigned i = 0; i < 2 * entries(f); i++)
		assert_int_equal(raw(f, entry(f, i)), before[i]);
	expect_leaf(f, iova, granule(f));
	expect_leaf(f, iova + size - 1, granule(f));
}

/* Group after group, so that none but groups are made. */
static void map_groups_of_a_block(struct fixture *f, uint32_t prot)
{
	for (uint64_t at = 0; at < upper_bytes(f); at += group_bytes(f))
		map(f, group(f, 0) + at, phys_alike(f) + at, group_bytes(f), prot);
	expect_group(f, group(f, 0), phys_alike(f));
}

static void expect_one_block(struct fixture *f)
{
	expect_leaf(f, group(f, 0), upper_bytes(f));
	expect_output(f, group(f, 0), phys_alike(f), upper_bytes(f));
	assert_false(is_contiguous(f, group(f, 0)));
}

static void groups_become_a_block(struct fixture *f)
{
	struct iopgt_stats stats;

	map_groups_of_a_block(f, RW | IOPGT_CLEAN);
	warm(f, (unsigned)(upper_bytes(f) / group_bytes(f)));
	mark(f, group(f, 1) + entry_bytes(f));
	stats = merge(f, group(f, 0), upper_bytes(f));
	assert_int_equal(stats.merged, 1);
	assert_int_equal(stats.grouped, 0);
	assert_int_equal(stats.left_unmerged, 0);
	expect_one_block(f);
	assert_int_equal(state_at(f, group(f, 0)), IOPGT_LEAF_DIRTY);
	for (unsigned i = 0; i < f->walker_count; i++)
		assert_true(access_ok(f, i, group(f, 2) + granule(f), WALKER_WRITE));
}

static void single_entries_become_a_block_and_not_groups(struct fixture *f)
{
	struct iopgt_stats stats;

	map_groups_of_a_block(f, RW);
	split(f, group(f, 0), upper_bytes(f));
	stats = merge(f, group(f, 0), upper_bytes(f));
	assert_int_equal(stats.merged, 1 + upper_bytes(f) / entry_bytes(f) * tables_of_entry(f));
	assert_int_equal(stats.left_unmerged, 0);
	expect_one_block(f);
}

static void what_becomes_no_block_becomes_groups(struct fixture *f)
{
	uint64_t last = group(f, 0) + upper_bytes(f) - group_bytes(f);
	struct iopgt_stats stats;

	map_groups_of_a_block(f, RW);
	split(f, group(f, 0), upper_bytes(f));
	unmap(f, last + granule(f), granule(f));
	stats = merge(f, group(f, 0), upper_bytes(f));
	/* In groups of blocks, the pages around the hole become smaller groups. */
	assert_true(stats.grouped >= upper_bytes(f) / group_bytes(f) - 1);
	for (uint64_t iova = group(f, 0); iova < last; iova += group_bytes(f))
		expect_group(f, iova, phys_alike(f) + (iova - group(f, 0)));
	assert_int_equal(look_at(f, last + granule(f)).fault, WALKER_TRANSLATION);
	assert_int_equal(count_entries(f, last, is_present),
	                 shape(f)->level == 3 ? entries(f) - 1 : entries(f));
	assert_int_equal(stats.left_unmerged, 1);
}

int main(void)
{
	const uint32_t all = FIXTURE_STAGES | FIXTURE_LEVELS;
	const uint32_t small = all | GROUPS_SMALL;
	const struct fixture_test tests[] = {
		TEST_WITH(small, split_makes_pages_of_groups, .walkers = 2),
		TEST(small, split_of_one_page_splits_its_whole_group_and_no_other),
		TEST_WITH(small, no_walker_has_the_group_when_split_returns, .walkers = 2),
		TEST(all | GROUPS_OF_PAGES, splits_of_many_groups_share_their_waits),
		TEST(small, waits_do_not_grow_with_the_entries),
		TEST_WITH(FIXTURE_STAGES, split_without_leave_changes_nothing_at_level_0,
	                  .level = FIXTURE_LEVEL_0),
		TEST(small, split_in_pieces_ends_the_same),
		TEST_WITH(all, single_entries_become_groups, .walkers = 2),
		TEST(all, merge_of_groups_does_nothing),
		TEST(all, only_groups_wholly_in_the_range_are_made),
		TEST(FIXTURE_STAGES, entries_that_differ_become_no_group),
		TEST(FIXTURE_STAGES, holes_and_misaligned_outputs_become_no_group),
		TEST_WITH(FIXTURE_STAGES, merge_without_leave_changes_nothing_at_level_0,
	                  .level = FIXTURE_LEVEL_0),
		TEST(all, merges_of_many_groups_share_their_waits),
		TEST_WITH(all, entries_are_invalid_meanwhile_at_level_0_alone, .walkers = 2),
		TEST_WITH(FIXTURE_STAGES, walkers_do_not_fault_at_levels_1_and_2, .walkers = 2,
	                  .level = FIXTURE_LEVEL_1),
		TEST_WITH(FIXTURE_STAGES, walkers_do_not_fault_at_levels_1_and_2, .walkers = 2,
	                  .level = FIXTURE_LEVEL_2),
		TEST(small, merge_makes_of_pages_what_map_made),
		TEST(FIXTURE_LEVELS, merge_makes_of_pages_what_map_made),
		TEST_WITH(all | GROUPS_IN_BLOCKS, groups_become_a_block, .walkers = 2),
		TEST(all | GROUPS_IN_BLOCKS, single_entries_become_a_block_and_not_groups),
		TEST(all | GROUPS_IN_BLOCKS, what_becomes_no_block_becomes_groups),
	};

	return GROUPS_RUN_SOME(tests);
}
