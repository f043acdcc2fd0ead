/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iopgt_unmap and iopgt_protect on contiguous groups, whole and in part: a group
 * is broken up before a part of it changes, with an invalidation of all of it and
 * a wait between (D8.17; at break-before-make level 0 no entry is valid then).
 */
#include "test_groups.h"

/* Parts of a group, as (offset, size). */
struct part {
	uint64_t offset, size;
};

static bool part_of_group(const struct fixture *f, unsigned number, struct part *part)
{
	const uint64_t g = granule(f), e = entry_bytes(f), all = group_bytes(f);
	const struct part parts[] = {
		{0, g},       {all / 2, g}, {all - g, g},         /* pages: first, middle, last */
		{0, e},       {5 * e, e},   {all - e, e},         /* entries */
		{0, all / 2}, {e, all - e}, {e + g, all - 2 * e}, /* more of it */
	};

	if (number >= COUNT(parts))
		return false;
	*part = parts[number];
	return true;
}

/* --- What is seen at each wait --- */

struct waits {
	uint64_t iova; /* of the group */
	unsigned count;
	struct {
		unsigned present, contiguous;
		bool covered; /* what was posted before covers the group */
	} at[16];
};

static void look_at_group(struct fixture *f, enum host_call call, bool done)
{
	struct waits *waits = f->hook_context;

	if (call != HOST_SYNC || done || waits->count == COUNT(waits->at))
		return;
	waits->at[waits->count].present = count_entries(f, waits->iova, is_present);
	waits->at[waits->count].contiguous = count_entries(f, waits->iova, is_contiguous);
	waits->at[waits->count].covered =
		group_invalidated(f, waits->iova, 0, host_logged(&f->host));
	waits->count++;
}

static void watch(struct fixture *f, struct waits *waits, uint64_t iova)
{
	*waits = (struct waits){.iova = iova};
	host_log_clear(&f->host);
	f->hook_context = waits;
	f->hook = look_at_group;
}

/* The wait for the whole group, before any of its entries was changed for good. */
static void expect_broken_up_first(struct fixture *f, const struct waits *waits)
{
	f->hook = NULL;
	assert_true(waits->count >= 2);
	assert_int_equal(waits->at[0].contiguous, 0);
	assert_int_equal(waits->at[0].present, f->bbm_level == 0 ? 0 : entries(f));
	assert_true(waits->at[0].covered);
}

static void warm(struct fixture *f, unsigned groups)
{
	for (unsigned i = 0; i < f->walker_count; i++)
		for (unsigned j = 0; j < groups; j++)
			assert_true(access_ok(f, i, group(f, j) + group_bytes(f) / 2, WALKER_READ));
}

/* --- Parts --- */

static void expect_rest_of_group(struct fixture *f, const struct part *part)
{
	for (uint64_t at = 0; at < group_bytes(f); at += entry_bytes(f)) {
		uint64_t iova = group(f, 0) + at;
		bool overlaps =
			at < part->offset + part->size && at + entry_bytes(f) > part->offset;

		if (overlaps)
			assert_true(!is_present(f, iova) || !is_contiguous(f, iova) ||
			            look_at(f, iova).level > shape(f)->level);
		else
			expect_singles(f, iova, phys_of(f, iova), entry_bytes(f));
	}
}

static void unmap_of_a_part_breaks_its_group_up_first(struct fixture *f)
{
	struct waits waits;
	struct part part;

	for (unsigned i = 0; part_of_group(f, i, &part); i++) {
		uint64_t iova = group(f, 0) + part.offset;
		struct iopgt_stats stats;

		map_groups(f, 2, RW);
		warm(f, 2);
		watch(f, &waits, group(f, 0));
		stats = unmap(f, iova, part.size);
		expect_broken_up_first(f, &waits);
		assert_int_equal(stats.ungrouped, 1);
		assert_int_equal(stats.unmapped, part.size / granule(f));
		expect_rest_of_group(f, &part);
		expect_unmapped(f, iova, granule(f));
		expect_unmapped(f, iova + part.size - granule(f), granule(f));
		for (unsigned j = 0; j < f->walker_count; j++)
			assert_false(access_ok(f, j, iova, WALKER_READ));
		expect_group(f, group(f, 1), phys_of(f, group(f, 1)));
		unmap(f, 0, SPACE);
		assert_int_equal(pool_in_use(f->host.pool), 1);
	}
}

static void protect_of_a_part_breaks_its_group_up_first(struct fixture *f)
{
	struct waits waits;
	struct part part;

	for (unsigned i = 0; part_of_group(f, i, &part); i++) {
		uint64_t iova = group(f, 0) + part.offset, last = iova + part.size - 1;

		map_groups(f, 2, RW);
		warm(f, 2);
		watch(f, &waits, group(f, 0));
		assert_int_equal(protect(f, iova, part.size, IOPGT_READ).ungrouped, 1);
		expect_broken_up_first(f, &waits);
		expect_rest_of_group(f, &part);
		expect_output(f, group(f, 0), phys_apart(f), 2 * group_bytes(f));
		for (unsigned j = 0; j < f->walker_count; j++) {
			assert_false(access_ok(f, j, iova, WALKER_WRITE));
			assert_false(access_ok(f, j, last, WALKER_WRITE));
			assert_true(part.offset == 0 || access_ok(f, j, iova - 1, WALKER_WRITE));
			assert_true(access_ok(f, j, last + 1, WALKER_WRITE));
		}
		expect_group(f, group(f, 1), phys_of(f, group(f, 1)));
		unmap(f, 0, SPACE);
	}
}

/* Nothing but the bit changes in the entries that stay (and dirtiness, elsewhere). */
static void what_stays_keeps_all_its_bits(struct fixture *f)
{
	const struct {
		uint32_t prot, memory, attributes;
	} kinds[] = {
		{RW, IOPGT_WRITE_BACK, 0},
		{RW | IOPGT_CLEAN, IOPGT_WRITE_BACK, IOPGT_SOFTWARE_0},
		{IOPGT_READ | IOPGT_EXECUTE, IOPGT_NON_CACHEABLE, IOPGT_SOFTWARE_1},
		{RW | IOPGT_NO_TRACK, IOPGT_DEVICE, IOPGT_SOFTWARE_0 | IOPGT_SOFTWARE_1},
	};

	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct iopgt_mapping mapping =
			fixture_mapping(group(f, 0), phys_apart(f), group_bytes(f), kinds[i].prot);
		uint64_t before[128];

		mapping.memory = kinds[i].memory;
		mapping.attributes = kinds[i].attributes;
		fixture_map(f, &mapping);
		for (unsigned j = 0; j < entries(f); j++)
			before[j] = raw(f, entry(f, j));
		unmap(f, entry(f, 3), entry_bytes(f));
		for (unsigned j = 0; j < entries(f); j++)
			assert_int_equal(raw(f, entry(f, j)), j == 3 ? 0 : before[j] & ~CONTIGUOUS);
		unmap(f, 0, SPACE);
	}
}

/* Both ends of the range cut a group; those between go whole. */
static void both_ends_of_a_range_break_groups_up(struct fixture *f)
{
	uint64_t first = entry(f, entries(f) / 2);
	uint64_t end = group(f, 3) + entry_bytes(f);
	struct iopgt_stats stats;

	map_groups(f, 5, RW);
	warm(f, 5);
	stats = unmap(f, first, end - first);
	assert_int_equal(stats.ungrouped, 2);
	assert_true(stats.waits <= 4);
	expect_singles(f, group(f, 0), phys_apart(f), first - group(f, 0));
	for (uint64_t at = first; at < end; at += entry_bytes(f))
		assert_false(is_present(f, at));
	expect_singles(f, end, phys_of(f, end), group(f, 4) - end);
	expect_group(f, group(f, 4), phys_of(f, group(f, 4)));
	for (unsigned i = 0; i < f->walker_count; i++)
		for (unsigned j = 0; j < 4; j++)
			assert_int_equal(
				access_ok(f, i, group(f, j) + group_bytes(f) / 2, WALKER_READ),
				j == 3);
}

static void part_after_part_breaks_a_group_up_once(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_groups(f, 2, RW);
	warm(f, 2);
	expect(IOPGT_OK, iopgt_unmap(f->table, entry(f, 1), entry_bytes(f), &op));
	expect(IOPGT_OK, iopgt_unmap(f->table, entry(f, 4), 2 * entry_bytes(f), &op));
	expect(IOPGT_OK, iopgt_protect(f->table, entry(f, 7), entry_bytes(f), IOPGT_READ, &op));
	finish(f, &op);
	assert_int_equal(op.stats.ungrouped, 1);
	assert_int_equal(op.stats.unmapped, 3 * entry_bytes(f) / granule(f));
	assert_false(access_ok(f, 0, entry(f, 7), WALKER_WRITE));
	assert_false(access_ok(f, 0, entry(f, 4), WALKER_READ));
	assert_true(access_ok(f, 0, entry(f, 6), WALKER_WRITE));
}

/* --- Whole groups --- */

static void whole_groups_are_unmapped_with_one_wait(struct fixture *f)
{
	struct iopgt_stats stats;

	map_groups(f, 4, RW);
	warm(f, 4);
	host_log_clear(&f->host);
	stats = unmap(f, group(f, 1), 2 * group_bytes(f));
	assert_int_equal(stats.ungrouped, 0);
	assert_int_equal(stats.waits, 1);
	assert_int_equal(stats.unmapped, 2 * group_bytes(f) / granule(f));
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(count_entries(f, group(f, 1 + i), is_present), 0);
		assert_true(group_invalidated(f, group(f, 1 + i), 0, host_logged(&f->host)));
	}
	expect_group(f, group(f, 0), phys_apart(f));
	expect_group(f, group(f, 3), phys_of(f, group(f, 3)));
	for (unsigned i = 0; i < f->walker_count; i++)
		assert_false(access_ok(f, i, group(f, 1), WALKER_READ));
}

static void whole_groups_are_protected_as_groups(struct fixture *f)
{
	struct iopgt_stats stats;

	map_groups(f, 3, RW);
	warm(f, 3);
	host_log_clear(&f->host);
	stats = protect(f, group(f, 0), 2 * group_bytes(f), IOPGT_READ);
	assert_int_equal(stats.ungrouped, 0);
	assert_int_equal(stats.waits, 1);
	for (unsigned i = 0; i < 2; i++) {
		expect_group(f, group(f, i), phys_of(f, group(f, i)));
		assert_true(group_invalidated(f, group(f, i), 0, host_logged(&f->host)));
	}
	for (unsigned i = 0; i < f->walker_count; i++)
		for (unsigned j = 0; j < 3 * entries(f); j++)
			assert_int_equal(access_ok(f, i, entry(f, j), WALKER_WRITE),
			                 j >= 2 * entries(f));
}

static void holes_and_groups_are_unmapped_together(struct fixture *f)
{
	uint64_t size = 6 * group_bytes(f);
	struct iopgt_stats stats;

	map_groups(f, 1, RW);
	map(f, group(f, 2), phys_of(f, group(f, 2)), group_bytes(f), IOPGT_READ);
	map(f, group(f, 4) + granule(f), phys_of(f, group(f, 4) + granule(f)), granule(f), RW);
	stats = unmap(f, group(f, 0), size);
	assert_int_equal(stats.unmapped, 2 * group_bytes(f) / granule(f) + 1);
	assert_int_equal(stats.holes, 4 * group_bytes(f) / granule(f) - 1);
	assert_int_equal(stats.ungrouped, 0);
	unmap(f, 0, SPACE);
	assert_int_equal(pool_in_use(f->host.pool), 1);
}

/* --- Refusals --- */

static void no_split_refuses_a_part_of_a_group(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	op.flags |= IOPGT_OP_NO_SPLIT;
	map_groups(f, 3, RW);
	expect(IOPGT_WOULD_SPLIT,
	       iopgt_protect(f->table, entry(f, 1), entry_bytes(f), IOPGT_READ, &op));
	expect(IOPGT_WOULD_SPLIT, iopgt_unmap(f->table, entry(f, 1), entry_bytes(f), &op));
	finish(f, &op);
	for (unsigned i = 0; i < 3; i++)
		expect_group(f, group(f, i), phys_of(f, group(f, i)));
	assert_true(access_ok(f, 0, entry(f, 1), WALKER_WRITE));
	/* "Nothing is unmapped", not even the whole one before it. */
	expect(IOPGT_WOULD_SPLIT,
	       iopgt_unmap(f->table, group(f, 0), group_bytes(f) + entry_bytes(f), &op));
	finish(f, &op);
	assert_int_equal(op.stats.ungrouped, 0);
	assert_int_equal(op.stats.unmapped, 0);
	for (unsigned i = 0; i < 3; i++)
		expect_group(f, group(f, i), phys_of(f, group(f, i)));
	/* Whole ones are not split. */
	expect(IOPGT_OK, iopgt_unmap(f->table, group(f, 0), 3 * group_bytes(f), &op));
	finish(f, &op);
}

static void level_0_without_leave_breaks_no_group(struct fixture *f)
{
	struct iopgt_op op = {0};

	map_groups(f, 3, RW);
	warm(f, 3);
	expect(IOPGT_WOULD_BREAK,
	       iopgt_protect(f->table, entry(f, 1), entry_bytes(f), IOPGT_READ, &op));
	expect(IOPGT_WOULD_BREAK, iopgt_unmap(f->table, entry(f, 1), entry_bytes(f), &op));
	finish(f, &op);
	for (unsigned i = 0; i < 3; i++)
		expect_group(f, group(f, i), phys_of(f, group(f, i)));
	assert_int_equal(op.stats.ungrouped, 0);
	expect(IOPGT_OK, iopgt_unmap(f->table, group(f, 0), group_bytes(f), &op));
	expect(IOPGT_WOULD_BREAK,
	       iopgt_unmap(f->table, group(f, 0), group_bytes(f) + granule(f), &op));
	finish(f, &op);
	expect_group(f, group(f, 1), phys_of(f, group(f, 1)));
}

static void level_0_breaks_groups_where_faults_are_retried(struct fixture *f)
{
	struct iopgt_op op = {0};

	map_groups(f, 1, RW);
	warm(f, 1);
	expect(IOPGT_OK, iopgt_unmap(f->table, entry(f, 1), entry_bytes(f), &op));
	finish(f, &op);
	assert_int_equal(op.stats.ungrouped, 1);
	expect_singles(f, entry(f, 2), phys_of(f, entry(f, 2)),
	               group_bytes(f) - 2 * entry_bytes(f));
}

/* --- Walkers beside it, and budgets --- */

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

		if (number != 3 && !access_ok(f, walker, iova, WALKER_WRITE))
			accesses->faults++;
	}
}

static void walkers_of_the_rest_do_not_fault_at_levels_1_and_2(struct fixture *f)
{
	struct accesses accesses = {0};

	map_groups(f, 1, RW | IOPGT_CLEAN);
	f->hook_context = &accesses;
	f->hook = access_around;
	access_around(f, HOST_ANY, false);
	protect(f, entry(f, 3), granule(f), IOPGT_READ);
	unmap(f, entry(f, 3), entry_bytes(f));
	f->hook = NULL;
	assert_true(accesses.turn > 12);
	assert_int_equal(accesses.faults, 0);
}

static int in_pieces(struct fixture *f, uint64_t first, uint64_t end, struct iopgt_op *op)
{
	int error;

	do {
		error = iopgt_unmap(f->table, first, end - first, op);
		assert_true(error != IOPGT_AGAIN || (op->next > first && op->next < end));
		first = op->next;
	} while (error == IOPGT_AGAIN);
	return error;
}

static void unmap_in_pieces_ends_the_same(struct fixture *f)
{
	const uint64_t budgets[] = {1, 3, entries(f) - 1, entries(f) + 1, 50};

	for (size_t i = 0; i < COUNT(budgets); i++) {
		uint64_t first = entry(f, 2), end = group(f, 3) + 3 * entry_bytes(f);
		struct iopgt_op op = new_op(f);

		op.budget = budgets[i];
		map_groups(f, 4, RW);
		warm(f, 4);
		expect(IOPGT_OK, in_pieces(f, first, end, &op));
		finish(f, &op);
		assert_int_equal(op.stats.unmapped, (end - first) / granule(f));
		expect_singles(f, group(f, 0), phys_apart(f), 2 * entry_bytes(f));
		for (uint64_t at = first; at < end; at += entry_bytes(f))
			assert_false(is_present(f, at));
		expect_singles(f, end, phys_of(f, end), group(f, 4) - end);
		unmap(f, 0, SPACE);
	}
}

int main(void)
{
	const uint32_t all = FIXTURE_STAGES | FIXTURE_LEVELS;
	const struct fixture_test tests[] = {
		TEST_WITH(all, unmap_of_a_part_breaks_its_group_up_first, .walkers = 2),
		TEST_WITH(all, protect_of_a_part_breaks_its_group_up_first, .walkers = 2),
		TEST(all, what_stays_keeps_all_its_bits),
		TEST_WITH(all, both_ends_of_a_range_break_groups_up, .walkers = 2),
		TEST(all, part_after_part_breaks_a_group_up_once),
		TEST_WITH(all, whole_groups_are_unmapped_with_one_wait, .walkers = 2),
		TEST_WITH(all, whole_groups_are_protected_as_groups, .walkers = 2),
		TEST(FIXTURE_STAGES, holes_and_groups_are_unmapped_together),
		TEST(all, no_split_refuses_a_part_of_a_group),
		TEST_WITH(FIXTURE_STAGES, level_0_without_leave_breaks_no_group,
	                  .level = FIXTURE_LEVEL_0),
		TEST_WITH(FIXTURE_STAGES, level_0_breaks_groups_where_faults_are_retried,
	                  .level = FIXTURE_LEVEL_0, .config_flags = IOPGT_CONFIG_FAULTS_RETRIED),
		TEST_WITH(FIXTURE_STAGES, walkers_of_the_rest_do_not_fault_at_levels_1_and_2,
	                  .walkers = 2, .level = FIXTURE_LEVEL_1),
		TEST_WITH(FIXTURE_STAGES, walkers_of_the_rest_do_not_fault_at_levels_1_and_2,
	                  .walkers = 2, .level = FIXTURE_LEVEL_2),
		TEST(all, unmap_in_pieces_ends_the_same),
	};

	return GROUPS_RUN(tests);
}
