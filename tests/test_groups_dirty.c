/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The dirty state of contiguous groups: dirty if any entry is (R_JKCXG), reported
 * whole, cleaned whole or not at all, invalidated whole.
 */
#include "test_groups.h"

/* Places for the one mark of a group. */
static bool marked_entry(const struct fixture *f, unsigned i, unsigned *number)
{
	const unsigned places[] = {0, 1, entries(f) / 2, entries(f) - 1};

	*number = places[i < COUNT(places) ? i : 0];
	return i < COUNT(places);
}

/* Four groups, of which the second is dirty by one entry. */
static void map_one_dirty(struct fixture *f, unsigned number)
{
	map_groups(f, 4, RW | IOPGT_CLEAN);
	mark(f, group(f, 1) + number * entry_bytes(f));
}

static void clean_up(struct fixture *f)
{
	for (unsigned i = 0; i < f->walker_count; i++)
		walker_forget(f->walkers[i]);
	unmap(f, 0, SPACE);
}

/* --- Reading --- */

static void one_marked_entry_makes_its_group_dirty(struct fixture *f)
{
	unsigned number;

	for (unsigned i = 0; marked_entry(f, i, &number); i++) {
		map_one_dirty(f, number);
		look_at_dirty(f, group(f, 0), 4 * group_bytes(f));
		expect_only_bits(f, group(f, 1), group_bytes(f));
		assert_int_equal(state_at(f, group(f, 1)), IOPGT_LEAF_DIRTY);
		assert_int_equal(state_at(f, group(f, 2) - 1), IOPGT_LEAF_DIRTY);
		assert_int_equal(state_at(f, group(f, 2)), IOPGT_LEAF_CLEAN);
		assert_int_equal(count_entries(f, group(f, 1), is_dirty), 1); /* only read */
		clean_up(f);
	}
}

static void a_write_by_a_walker_makes_its_group_dirty(struct fixture *f)
{
	map_groups(f, 3, RW | IOPGT_CLEAN);
	read_page(f, group(f, 1));
	write_page(f, group(f, 1) + 5 * entry_bytes(f) + granule(f) - 1);
	look_at_dirty(f, group(f, 0), 3 * group_bytes(f));
	expect_only_bits(f, group(f, 1), group_bytes(f));
}

static void a_part_of_the_range_is_reported_wherever_the_mark_is(struct fixture *f)
{
	unsigned number;

	for (unsigned i = 0; marked_entry(f, i, &number); i++) {
		uint64_t iova = group(f, 1) + 3 * entry_bytes(f);

		map_one_dirty(f, number);
		/* The bitmap is no larger than the range. */
		look_at_dirty(f, iova, 2 * entry_bytes(f));
		expect_only_bits(f, iova, 2 * entry_bytes(f));
		/* It crosses the group's end. */
		iova = group(f, 2) - entry_bytes(f);
		look_at_dirty(f, iova, 3 * entry_bytes(f));
		expect_only_bits(f, iova, entry_bytes(f));
		iova = group(f, 1) - entry_bytes(f);
		look_at_dirty(f, iova, 2 * entry_bytes(f));
		expect_only_bits(f, group(f, 1), entry_bytes(f));
		clean_up(f);
	}
}

static void bits_of_any_size_cover_the_group(struct fixture *f)
{
	unsigned group_shift = shape(f)->group_shift;

	for (unsigned shift = shape(f)->entry_shift - 2; shift <= group_shift + 2; shift++) {
		struct iopgt_op op = new_op(f);
		uint64_t want = shift < group_shift ? BIT(group_shift - shift) : 1;

		map_one_dirty(f, entries(f) / 2);
		fixture_bitmap(f, group(f, 0), 4 * group_bytes(f), shift);
		expect(IOPGT_OK, iopgt_sync_dirty_log(f->table, group(f, 0), 4 * group_bytes(f),
		                                      &f->bitmap, &op));
		finish(f, &op);
		assert_true(bit_at(f, group(f, 1)) && bit_at(f, group(f, 2) - 1));
		assert_int_equal(count_bits(f), want);
		clean_up(f);
	}
}

/* --- Cleaning --- */

static void expect_marked_again(struct fixture *f, uint64_t iova)
{
	for (unsigned walker = 0; walker < f->walker_count; walker++) {
		take(f, iova, group_bytes(f));
		assert_int_equal(count_entries(f, iova, is_dirty), 0);
		assert_true(access_ok(f, walker, iova + 3 * entry_bytes(f), WALKER_WRITE));
		assert_true(count_entries(f, iova, is_dirty) > 0);
	}
}

static void read_and_clear_cleans_every_entry(struct fixture *f)
{
	for (unsigned i = 1; i <= entries(f); i = 2 * i + 1) {
		struct iopgt_stats stats;

		map_groups(f, 4, RW | IOPGT_CLEAN);
		for (unsigned j = 0; j < i; j++)
			mark(f, group(f, 2) - (j + 1) * entry_bytes(f));
		host_log_clear(&f->host);
		stats = take(f, group(f, 0), 4 * group_bytes(f));
		expect_only_bits(f, group(f, 1), group_bytes(f));
		assert_int_equal(count_entries(f, group(f, 1), is_dirty), 0);
		assert_true(stats.cleaned > 0 && stats.dirty > 0);
		assert_int_equal(stats.ungrouped, 0);
		assert_int_equal(stats.waits, 1);
		expect_group(f, group(f, 1), phys_of(f, group(f, 1)));
		assert_true(group_invalidated(f, group(f, 1), 0, host_logged(&f->host)));
		look_at_dirty(f, group(f, 0), 4 * group_bytes(f));
		assert_int_equal(count_bits(f), 0);
		clean_up(f);
	}
}

static void every_walker_marks_a_cleaned_group_again(struct fixture *f)
{
	map_groups(f, 3, RW | IOPGT_CLEAN);
	for (unsigned walker = 0; walker < f->walker_count; walker++)
		for (unsigned i = 0; i < entries(f); i++)
			assert_true(access_ok(f, walker, group(f, 1) + i * entry_bytes(f),
			                      WALKER_WRITE));
	expect_marked_again(f, group(f, 1));
	expect_marked_again(f, group(f, 1));
}

static void read_and_clear_of_a_part_reports_it_and_cleans_nothing(struct fixture *f)
{
	unsigned number;

	for (unsigned i = 0; marked_entry(f, i, &number); i++) {
		const uint64_t g = entry_bytes(f), all = group_bytes(f);
		const uint64_t parts[][2] = {{0, g}, {3 * g, 2 * g}, {0, all - g}, {g, all - g}};

		map_one_dirty(f, number);
		for (size_t j = 0; j < COUNT(parts); j++) {
			uint64_t iova = group(f, 1) + parts[j][0];

			assert_int_equal(take(f, iova, parts[j][1]).cleaned, 0);
			expect_only_bits(f, iova, parts[j][1]);
			assert_int_equal(count_entries(f, group(f, 1), is_dirty), 1);
		}
		/* Whole groups beside are cleaned in the same call. */
		mark(f, group(f, 2));
		take(f, group(f, 1) + entry_bytes(f), 2 * group_bytes(f) - entry_bytes(f));
		assert_int_equal(count_entries(f, group(f, 1), is_dirty), 1);
		assert_int_equal(count_entries(f, group(f, 2), is_dirty), 0);
		clean_up(f);
	}
}

static struct iopgt_stats clear(struct fixture *f, uint64_t iova, uint64_t size)
{
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_clear_dirty_log(f->table, iova, size, &f->bitmap, &op));
	finish(f, &op);
	return op.stats;
}

static void clear_with_all_bits_cleans_every_entry(struct fixture *f)
{
	unsigned number;

	for (unsigned i = 0; marked_entry(f, i, &number); i++) {
		map_one_dirty(f, number);
		entry_bitmap(f, group(f, 0), 4 * group_bytes(f));
		set_bits(f, group(f, 1), group_bytes(f));
		host_log_clear(&f->host);
		assert_true(clear(f, group(f, 0), 4 * group_bytes(f)).cleaned > 0);
		assert_int_equal(count_entries(f, group(f, 1), is_dirty), 0);
		assert_true(group_invalidated(f, group(f, 1), 0, host_logged(&f->host)));
		expect_group(f, group(f, 1), phys_of(f, group(f, 1)));
		clean_up(f);
	}
}

static void clear_with_one_bit_missing_cleans_nothing(struct fixture *f)
{
	map_one_dirty(f, 2);
	for (unsigned missing = 0; missing < entries(f); missing++) {
		uint64_t hole = group(f, 1) + missing * entry_bytes(f);

		entry_bitmap(f, group(f, 0), 4 * group_bytes(f));
		if (missing > 0)
			set_bits(f, group(f, 0), hole - group(f, 0));
		set_bits(f, hole + entry_bytes(f), group(f, 4) - hole - entry_bytes(f));
		if (missing == 0)
			set_bits(f, group(f, 0), group_bytes(f));
		assert_false(bit_at(f, hole));
		assert_int_equal(clear(f, group(f, 0), 4 * group_bytes(f)).cleaned, 0);
		assert_int_equal(count_entries(f, group(f, 1), is_dirty), 1);
	}
	/* All bits, but a range that cuts the group. */
	entry_bitmap(f, group(f, 0), 4 * group_bytes(f));
	set_bits(f, group(f, 0), 4 * group_bytes(f));
	clear(f, group(f, 0), 2 * group_bytes(f) - entry_bytes(f));
	clear(f, group(f, 1) + entry_bytes(f), group_bytes(f));
	assert_int_equal(count_entries(f, group(f, 1), is_dirty), 1);
	clear(f, group(f, 1), group_bytes(f));
	assert_int_equal(count_entries(f, group(f, 1), is_dirty), 0);
}

static void clear_with_coarse_bits_takes_whole_groups(struct fixture *f)
{
	for (unsigned shift = shape(f)->entry_shift; shift <= shape(f)->group_shift + 1u; shift++) {
		map_groups(f, 4, RW | IOPGT_CLEAN);
		for (unsigned i = 0; i < 4; i++)
			mark(f, group(f, i) + (shift % 5) * entry_bytes(f));
		fixture_bitmap(f, group(f, 0), 4 * group_bytes(f), shift);
		set_bits(f, group(f, 2), 2 * group_bytes(f));
		clear(f, group(f, 0), 4 * group_bytes(f));
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(count_entries(f, group(f, i), is_dirty), i < 2);
		clean_up(f);
	}
}

static void no_clear_changes_nothing(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	uint64_t before;

	map_one_dirty(f, 3);
	before = raw(f, group(f, 1) + 3 * entry_bytes(f));
	op.flags |= IOPGT_OP_NO_CLEAR | IOPGT_OP_SYNC;
	host_log_clear(&f->host);
	expect(IOPGT_OK,
	       iopgt_read_and_clear_dirty(f->table, group(f, 0), 4 * group_bytes(f),
	                                  entry_bitmap(f, group(f, 0), 4 * group_bytes(f)), &op));
	finish(f, &op);
	expect_only_bits(f, group(f, 1), group_bytes(f));
	assert_int_equal(raw(f, group(f, 1) + 3 * entry_bytes(f)), before);
	assert_int_equal(event_index(f, HOST_SYNC, 0), 0);
	assert_int_equal(event_count(f, HOST_RANGE) + event_count(f, HOST_ALL), 0);
}

/* --- Removing --- */

/*
 * A last-level table goes as it is, and two words of its memory serve the library until it
 * is freed: a mark in one of those entries, as in any other, is the whole group's.
 */
static void a_mark_in_a_removed_table_is_its_whole_groups(struct fixture *f)
{
	const unsigned places[] = {0, 1, 2, 3, 2 * entries(f) - 1, 2 * entries(f) + 3};

	for (unsigned i = 0; i < COUNT(places); i++) {
		unsigned number = places[i];
		struct iopgt_op op = new_op(f);
		size_t tables = pool_in_use(f->host.pool);

		map_groups(f, (unsigned)(upper_bytes(f) / group_bytes(f)), RW | IOPGT_CLEAN);
		mark(f, entry(f, number));
		expect(IOPGT_OK,
		       iopgt_unmap_dirty(f->table, group(f, 0), upper_bytes(f),
		                         entry_bitmap(f, group(f, 0), upper_bytes(f)), &op));
		assert_true(pool_in_use(f->host.pool) > tables);
		finish(f, &op);
		expect_only_bits(f, group(f, number / entries(f)), group_bytes(f));
		unmap(f, 0, SPACE);
	}
}

/* --- Visiting --- */

struct visit {
	struct iopgt_mapping run[8];
	unsigned count, stop_at; /* stops at this run; 0: at none */
};

static int note_run(void *context, uint64_t iova, uint64_t size)
{
	struct visit *visit = context;

	assert_true(visit->count < COUNT(visit->run));
	visit->run[visit->count++] = (struct iopgt_mapping){.iova = iova, .size = size};
	return visit->count == visit->stop_at ? 77 : 0;
}

static int visit_dirty(struct fixture *f, struct visit *visit, struct iopgt_op *op, uint64_t iova,
                       uint64_t size)
{
	const struct iopgt_dirty_visitor visitor = {note_run, visit};

	return iopgt_for_each_dirty(f->table, iova, size, &visitor, op);
}

static void for_each_dirty_gives_whole_groups_cut_at_the_ends(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	struct visit visit = {0};

	map_one_dirty(f, 3);
	mark(f, group(f, 3));
	expect(IOPGT_OK, visit_dirty(f, &visit, &op, group(f, 0), 4 * group_bytes(f)));
	assert_int_equal(visit.count, 2);
	assert_int_equal(visit.run[0].iova, group(f, 1));
	assert_int_equal(visit.run[0].size, group_bytes(f));
	assert_int_equal(visit.run[1].iova, group(f, 3));
	assert_int_equal(visit.run[1].size, group_bytes(f));
	visit.count = 0;
	op.flags |= IOPGT_OP_CLEAR;
	expect(IOPGT_OK, visit_dirty(f, &visit, &op, group(f, 1) + granule(f), granule(f)));
	finish(f, &op);
	assert_int_equal(visit.count, 1);
	assert_int_equal(visit.run[0].iova, group(f, 1) + granule(f));
	assert_int_equal(visit.run[0].size, granule(f));
	assert_int_equal(count_entries(f, group(f, 1), is_dirty), 1);
}

static void for_each_dirty_joins_groups_and_cleans_them(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	struct visit visit = {0};

	map_one_dirty(f, 3);
	mark(f, group(f, 2) + 5 * entry_bytes(f));
	op.flags |= IOPGT_OP_CLEAR;
	expect(IOPGT_OK, visit_dirty(f, &visit, &op, group(f, 0), 4 * group_bytes(f)));
	finish(f, &op);
	assert_int_equal(visit.count, 1);
	assert_int_equal(visit.run[0].iova, group(f, 1));
	assert_int_equal(visit.run[0].size, 2 * group_bytes(f));
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(count_entries(f, group(f, i), is_dirty), 0);
}

static void a_visitor_that_stops_has_got_what_was_cleaned(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	struct visit visit = {.stop_at = 1};
	uint64_t end = group(f, 4);

	map_one_dirty(f, 3);
	mark(f, group(f, 3) + entry_bytes(f));
	op.flags |= IOPGT_OP_CLEAR;
	expect(77, visit_dirty(f, &visit, &op, group(f, 0), end - group(f, 0)));
	finish(f, &op);
	assert_int_equal(count_entries(f, group(f, 3), is_dirty), 1);
	assert_true(op.next >= group(f, 2) && op.next <= group(f, 3));
	expect(IOPGT_OK, visit_dirty(f, &visit, &op, op.next, end - op.next));
	finish(f, &op);
	assert_int_equal(visit.count, 2);
	assert_int_equal(visit.run[1].iova, group(f, 3));
	assert_int_equal(count_entries(f, group(f, 3), is_dirty), 0);
}

/* --- In pieces --- */

/* What a call left behind: groups clean with all their bits, or as they were. */
static void expect_none_half(struct fixture *f)
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned dirty = count_entries(f, group(f, i), is_dirty);

		if (i % 2 == 0 || dirty == 1)
			continue;
		assert_int_equal(dirty, 0);
		for (unsigned j = 0; j < entries(f); j++)
			assert_true(bit_at(f, group(f, i) + j * entry_bytes(f)));
	}
}

typedef int dirty_verb(struct iopgt_table *table, uint64_t iova, uint64_t size,
                       const struct iopgt_bitmap *bitmap, struct iopgt_op *op);

static void in_pieces(struct fixture *f, dirty_verb *verb, uint64_t budget)
{
	struct iopgt_op op = new_op(f);
	uint64_t at = group(f, 0), end = group(f, 4);
	int error;

	op.budget = budget;
	while ((error = verb(f->table, at, end - at, &f->bitmap, &op)) == IOPGT_AGAIN) {
		assert_true(op.next > at && op.next < end);
		at = op.next;
		expect(IOPGT_OK, iopgt_op_finish(&op));
		expect_none_half(f);
	}
	expect(IOPGT_OK, error);
	finish(f, &op);
}

static void pieces_report_and_clean_the_same(struct fixture *f)
{
	const uint64_t budgets[] = {1, 2, 3, entries(f) - 1, entries(f), entries(f) + 1, 70};
	unsigned number;

	for (size_t i = 0; i < COUNT(budgets) * 4; i++) {
		marked_entry(f, i % 4, &number);
		map_one_dirty(f, number);
		mark(f, group(f, 3) + (entries(f) - 1 - number) * entry_bytes(f));
		entry_bitmap(f, group(f, 0), 4 * group_bytes(f));
		in_pieces(f, iopgt_sync_dirty_log, budgets[i / 4]);
		assert_int_equal(count_bits(f), 2 * entries(f));
		entry_bitmap(f, group(f, 0), 4 * group_bytes(f));
		in_pieces(f, iopgt_read_and_clear_dirty, budgets[i / 4]);
		assert_int_equal(count_bits(f), 2 * entries(f));
		for (unsigned j = 0; j < entries(f); j++)
			assert_true(bit_at(f, group(f, 1) + j * entry_bytes(f)) &&
			            bit_at(f, group(f, 3) + j * entry_bytes(f)));
		look_at_dirty(f, group(f, 0), 4 * group_bytes(f));
		assert_int_equal(count_bits(f), 0);
		mark(f, group(f, 1) + number * entry_bytes(f));
		set_bits(f, group(f, 0), 4 * group_bytes(f));
		in_pieces(f, iopgt_clear_dirty_log, budgets[i / 4]);
		assert_int_equal(count_entries(f, group(f, 1), is_dirty), 0);
		clean_up(f);
	}
}

int main(void)
{
	const uint32_t all = FIXTURE_REGIMES;
	const struct fixture_test tests[] = {
		TEST(all, one_marked_entry_makes_its_group_dirty),
		TEST(all, a_write_by_a_walker_makes_its_group_dirty),
		TEST(all, a_part_of_the_range_is_reported_wherever_the_mark_is),
		TEST(FIXTURE_STAGES, bits_of_any_size_cover_the_group),
		TEST(all | FIXTURE_LEVELS, read_and_clear_cleans_every_entry),
		TEST_WITH(all, every_walker_marks_a_cleaned_group_again, .walkers = 3),
		TEST(all, read_and_clear_of_a_part_reports_it_and_cleans_nothing),
		TEST(all, clear_with_all_bits_cleans_every_entry),
		TEST(all, clear_with_one_bit_missing_cleans_nothing),
		TEST(FIXTURE_STAGES, clear_with_coarse_bits_takes_whole_groups),
		TEST(all, no_clear_changes_nothing),
		TEST(all | GROUPS_OF_PAGES, a_mark_in_a_removed_table_is_its_whole_groups),
		TEST(all, for_each_dirty_gives_whole_groups_cut_at_the_ends),
		TEST(all, for_each_dirty_joins_groups_and_cleans_them),
		TEST(all, a_visitor_that_stops_has_got_what_was_cleaned),
		TEST(FIXTURE_STAGES, pieces_report_and_clean_the_same),
	};

	return GROUPS_RUN(tests);
}
