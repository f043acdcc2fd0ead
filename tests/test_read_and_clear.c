/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_sync_dirty_log and iopgt_read_and_clear_dirty: what is reported and cleaned. */
#include "fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FIRST(f)     (4 * block(f))

static void map_clean_pages(struct fixture *f, uint64_t size)
{
	map(f, FIRST(f), 8 * block(f) + granule(f), size, RW | IOPGT_CLEAN);
}

static void map_clean_blocks(struct fixture *f, unsigned count)
{
	map(f, FIRST(f), 8 * block(f), count * block(f), RW | IOPGT_CLEAN);
}

static uint64_t page(struct fixture *f, uint64_t number)
{
	return FIRST(f) + number * granule(f);
}

/* --- Reading --- */

static void sync_changes_nothing(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_clean_pages(f, block(f));
	write_page(f, page(f, 3));
	host_log_clear(&f->host);
	for (int i = 0; i < 2; i++) {
		page_bitmap(f, FIRST(f), block(f));
		expect(IOPGT_OK,
		       iopgt_sync_dirty_log(f->table, FIRST(f), block(f), &f->bitmap, &op));
		assert_null(op.gather.table);
		expect_only_bits(f, page(f, 3), granule(f));
	}
	assert_int_equal(op.stats.dirty, 2);
	assert_int_equal(op.stats.cleaned, 0);
	assert_int_equal(host_logged(&f->host), 0);
}

static void no_clear_reads_only(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_clean_pages(f, block(f));
	write_page(f, page(f, 3));
	op.flags |= IOPGT_OP_NO_CLEAR;
	expect(IOPGT_OK, iopgt_read_and_clear_dirty(f->table, FIRST(f), block(f),
	                                            page_bitmap(f, FIRST(f), block(f)), &op));
	assert_null(op.gather.table);
	expect_only_bits(f, page(f, 3), granule(f));
	look_dirty(f, FIRST(f), block(f));
	expect_only_bits(f, page(f, 3), granule(f));
}

static void what_was_mapped_writable_is_dirty_and_the_rest_is_not(struct fixture *f)
{
	map(f, page(f, 0), 0, granule(f), RW);
	map(f, page(f, 1), 0, granule(f), RW | IOPGT_CLEAN);
	map(f, page(f, 2), 0, granule(f), RW | IOPGT_NO_TRACK);
	map(f, page(f, 3), 0, granule(f), IOPGT_READ);
	write_page(f, page(f, 2));
	look_dirty(f, FIRST(f), block(f));
	expect_only_bits(f, page(f, 0), granule(f));
	take_dirty(f, FIRST(f), block(f));
	expect_only_bits(f, page(f, 0), granule(f));
	assert_int_equal(state_at(f, page(f, 2)), IOPGT_LEAF_UNTRACKED);
	assert_int_equal(state_at(f, page(f, 3)), IOPGT_LEAF_READ_ONLY);
	write_page(f, page(f, 2));
}

static void holes_are_passed_over(struct fixture *f)
{
	uint64_t space = UINT64_C(1) << 48;

	take_dirty(f, FIRST(f), block(f));
	assert_int_equal(count_bits(f), 0);
	map(f, page(f, 5), 0, granule(f), RW | IOPGT_CLEAN);
	map(f, space - granule(f), 0, granule(f), RW | IOPGT_CLEAN);
	write_page(f, page(f, 5));
	write_page(f, space - 1);
	fixture_bitmap(f, 0, space, 42);
	{
		struct iopgt_op op = new_op(f);

		expect(IOPGT_OK, iopgt_read_and_clear_dirty(f->table, 0, space, &f->bitmap, &op));
		finish(f, &op);
		assert_int_equal(op.stats.cleaned, 2);
	}
	assert_int_equal(count_bits(f), 2);
	assert_true(bit_at(f, page(f, 5)) && bit_at(f, space - 1));
}

/* --- Clearing --- */

/* Of pages in part of a word of the bitmap, in words as a whole, or of a coarser bitmap. */
static void what_is_cleaned_is_counted(struct fixture *f)
{
	static const struct {
		unsigned first, count, shift;
	} parts[] = {{3, 5, 0}, {60, 8, 0}, {0, 64, 0}, {65, 200, 0}, {3, 5, 1}, {65, 200, 1}};

	map_clean_pages(f, block(f));
	for (size_t i = 0; i < COUNT(parts); i++) {
		uint64_t first = page(f, parts[i].first), size = parts[i].count * granule(f);
		struct iopgt_op op = new_op(f);

		for (unsigned n = 0; n < parts[i].count; n++)
			write_page(f, first + n * granule(f));
		fixture_bitmap(f, FIRST(f), block(f), f->config.granule_shift + parts[i].shift);
		expect(IOPGT_OK,
		       iopgt_read_and_clear_dirty(f->table, first, size, &f->bitmap, &op));
		finish(f, &op);
		assert_int_equal(op.stats.dirty, parts[i].count);
		assert_int_equal(op.stats.cleaned, parts[i].count);
		look_dirty(f, FIRST(f), block(f));
		assert_int_equal(count_bits(f), 0);
	}
}

static void a_second_write_is_reported_again(struct fixture *f)
{
	map_clean_pages(f, 2 * block(f));
	for (int round = 0; round < 3; round++) {
		write_page(f, page(f, 7));
		write_page(f, FIRST(f) + 2 * block(f) - 1);
		take_dirty(f, FIRST(f), 2 * block(f));
		assert_true(bit_at(f, page(f, 7)));
		assert_int_equal(count_bits(f), 2);
		take_dirty(f, FIRST(f), 2 * block(f));
		assert_int_equal(count_bits(f), 0);
	}
}

static void a_write_through_a_stale_entry_after_finish_is_reported(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_clean_pages(f, block(f));
	write_page(f, page(f, 7)); /* cached as dirty from here on */
	expect(IOPGT_OK, iopgt_read_and_clear_dirty(f->table, FIRST(f), block(f),
	                                            page_bitmap(f, FIRST(f), block(f)), &op));
	write_page(f, page(f, 7)); /* may leave no mark: to be copied after finish */
	finish(f, &op);
	assert_true(bit_at(f, page(f, 7)));
	write_page(f, page(f, 7));
	take_dirty(f, FIRST(f), block(f));
	expect_only_bits(f, page(f, 7), granule(f));
}

static void a_host_that_drops_invalidations_loses_writes(struct fixture *f)
{
	map_clean_pages(f, block(f));
	write_page(f, page(f, 7));
	host_set_mode(&f->host, HOST_DEAF);
	take_dirty(f, FIRST(f), block(f));
	write_page(f, page(f, 7));
	take_dirty(f, FIRST(f), block(f));
	/* This test knows a lost write when there is one. */
	assert_int_equal(count_bits(f), 0);
	host_set_mode(&f->host, 0);
	walker_forget(f->walkers[0]);
}

static void all_walkers_are_invalidated(struct fixture *f)
{
	map_clean_pages(f, block(f));
	for (int round = 0; round < 3; round++) {
		for (unsigned i = 0; i < f->walker_count; i++)
			assert_true(access_ok(f, i, page(f, i), WALKER_WRITE));
		take_dirty(f, FIRST(f), block(f));
		expect_only_bits(f, FIRST(f), f->walker_count * granule(f));
	}
}

static void a_dirty_block_is_reported_whole_and_cleaned(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_clean_blocks(f, 3);
	write_page(f, FIRST(f) + block(f) + granule(f));
	expect(IOPGT_OK, iopgt_read_and_clear_dirty(f->table, FIRST(f), 3 * block(f),
	                                            page_bitmap(f, FIRST(f), 3 * block(f)), &op));
	finish(f, &op);
	expect_only_bits(f, FIRST(f) + block(f), block(f));
	assert_int_equal(op.stats.dirty, 1);
	assert_int_equal(op.stats.cleaned, 1);
	expect_level(f, FIRST(f) + block(f), 2);
	assert_int_equal(state_at(f, FIRST(f) + block(f)), IOPGT_LEAF_CLEAN);
	write_page(f, FIRST(f) + block(f));
	look_dirty(f, FIRST(f), 3 * block(f));
	expect_only_bits(f, FIRST(f) + block(f), block(f));
}

static void a_block_partly_in_the_range_is_reported_and_stays_dirty(struct fixture *f)
{
	const uint64_t g = granule(f), b = block(f);
	const uint64_t from[] = {0, g, b - g, b / 2}, size[] = {b - g, b - g, g, b};

	map_clean_blocks(f, 2);
	for (size_t i = 0; i < COUNT(from); i++) {
		write_page(f, FIRST(f));
		write_page(f, FIRST(f) + b);
		take_dirty(f, FIRST(f) + from[i], size[i]);
		expect_only_bits(f, FIRST(f) + from[i], size[i]);
		assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_DIRTY);
		assert_int_equal(state_at(f, FIRST(f) + b), IOPGT_LEAF_DIRTY);
	}
}

static void a_gibibyte_is_reported_whole(struct fixture *f)
{
	uint64_t gib = UINT64_C(1) << 30;

	map(f, gib, gib, gib, RW | IOPGT_CLEAN);
	expect_level(f, gib, 1);
	write_page(f, 2 * gib - 1);
	take_dirty(f, gib, gib);
	expect_only_bits(f, gib, gib);
	take_dirty(f, gib, gib);
	assert_int_equal(count_bits(f), 0);
	write_page(f, gib + 5 * granule(f));
	take_dirty(f, gib + granule(f), granule(f));
	expect_only_bits(f, gib + granule(f), granule(f));
	take_dirty(f, gib, gib);
	expect_only_bits(f, gib, gib);
}

/* --- What it costs --- */

static void clean_pages_cost_no_invalidation(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_clean_pages(f, block(f));
	for (uint64_t at = 0; at < 64; at++)
		read_page(f, page(f, at));
	host_log_clear(&f->host);
	expect(IOPGT_OK, iopgt_read_and_clear_dirty(f->table, FIRST(f), block(f),
	                                            page_bitmap(f, FIRST(f), block(f)), &op));
	assert_null(op.gather.table);
	finish(f, &op);
	assert_int_equal(host_logged(&f->host), 0);
	assert_int_equal(op.stats.invalidations, 0);
	assert_int_equal(op.stats.waits, 0);
}

static void one_wait_serves_all_dirty_pages(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_clean_pages(f, 2 * block(f));
	for (uint64_t at = 0; at < 2 * block(f) / granule(f); at += 7)
		write_page(f, page(f, at));
	host_log_clear(&f->host);
	expect(IOPGT_OK, iopgt_read_and_clear_dirty(f->table, FIRST(f), 2 * block(f),
	                                            page_bitmap(f, FIRST(f), 2 * block(f)), &op));
	assert_int_equal(event_count(f, HOST_SYNC), 0);
	finish(f, &op);
	assert_int_equal(event_count(f, HOST_SYNC), 1);
	assert_int_equal(op.stats.waits, 1);
	assert_int_equal(op.stats.cleaned, (2 * block(f) / granule(f) + 6) / 7);
}

/* --- The final read --- */

static void a_read_with_op_sync_waits_for_finished_transactions(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_clean_pages(f, block(f));
	write_page(f, page(f, 3));
	op.flags |= IOPGT_OP_SYNC;
	page_bitmap(f, FIRST(f), block(f));
	host_log_clear(&f->host);
	expect(IOPGT_OK, iopgt_sync_dirty_log(f->table, FIRST(f), block(f), &f->bitmap, &op));
	assert_int_equal(event_count(f, HOST_SYNC), 1);
	assert_null(op.gather.table);
	expect_only_bits(f, page(f, 3), granule(f));
	expect(IOPGT_OK, iopgt_read_and_clear_dirty(f->table, FIRST(f), block(f), &f->bitmap, &op));
	assert_int_equal(event_count(f, HOST_SYNC), 2);
	finish(f, &op);
}

static void when_the_sync_fails_nothing_is_changed(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_clean_pages(f, block(f));
	write_page(f, page(f, 3));
	op.flags |= IOPGT_OP_SYNC;
	page_bitmap(f, FIRST(f), block(f));
	host_fail(&f->host, HOST_SYNC, 1, true);
	expect(HOST_ERROR, iopgt_sync_dirty_log(f->table, FIRST(f), block(f), &f->bitmap, &op));
	expect(HOST_ERROR,
	       iopgt_read_and_clear_dirty(f->table, FIRST(f), block(f), &f->bitmap, &op));
	host_fail_nothing(&f->host);
	assert_int_equal(count_bits(f), 0);
	assert_int_equal(state_at(f, page(f, 3)), IOPGT_LEAF_DIRTY);
	finish(f, &op);
	assert_int_equal(op.stats.dirty + op.stats.cleaned, 0);
}

/* --- In pieces --- */

static void pieces_equal_one_call(struct fixture *f)
{
	static const uint64_t budgets[] = {1, 2, 3, 64, 1000, 100000};
	uint64_t size = 3 * block(f);

	map_clean_pages(f, block(f));
	map(f, FIRST(f) + block(f), 0, 2 * block(f), RW | IOPGT_CLEAN);
	for (size_t i = 0; i < COUNT(budgets); i++) {
		struct iopgt_op op = new_op(f);
		uint64_t at = FIRST(f), end = FIRST(f) + size;
		int error;

		op.budget = budgets[i];
		write_page(f, page(f, 1));
		write_page(f, FIRST(f) + block(f) - 1);
		write_page(f, FIRST(f) + 2 * block(f));
		page_bitmap(f, FIRST(f), size);
		while ((error = iopgt_read_and_clear_dirty(f->table, at, end - at, &f->bitmap,
		                                           &op)) == IOPGT_AGAIN) {
			assert_true(op.next > at && op.next < end);
			at = op.next;
		}
		expect(IOPGT_OK, error);
		finish(f, &op);
		assert_true(bit_at(f, page(f, 1)) && bit_at(f, FIRST(f) + block(f) - 1));
		assert_int_equal(count_bits(f), 2 + block(f) / granule(f));
		look_dirty(f, FIRST(f), size);
		assert_int_equal(count_bits(f), 0);
	}
}

static void budget_bounds_what_a_call_looks_at(struct fixture *f)
{
	uint64_t at = FIRST(f), end = FIRST(f) + 4 * block(f), entries = granule(f) / 8;
	struct iopgt_op op = new_op(f);
	unsigned calls = 0;
	int error;

	map_clean_pages(f, 4 * block(f));
	op.budget = 10;
	page_bitmap(f, at, end - at);
	do {
		op.stats = (struct iopgt_stats){0};
		error = iopgt_sync_dirty_log(f->table, at, end - at, &f->bitmap, &op);
		/* "may exceed it by one table", and the way down to it */
		assert_true(op.stats.looked_at <= op.budget + entries + 8);
		at = op.next;
		calls++;
	} while (error == IOPGT_AGAIN);
	expect(IOPGT_OK, error);
	assert_true(calls >= 3);
}

/* --- Software dirty management --- */

static void software_walkers_fault_on_clean_pages(struct fixture *f)
{
	map(f, page(f, 0), 0, granule(f), RW | IOPGT_CLEAN);
	map(f, page(f, 1), 0, granule(f), RW);
	assert_true(access_ok(f, 0, page(f, 0), WALKER_READ));
	assert_false(access_ok(f, 0, page(f, 0), WALKER_WRITE));
	write_page(f, page(f, 1));
	take_dirty(f, FIRST(f), block(f));
	expect_only_bits(f, page(f, 1), granule(f));
	assert_false(access_ok(f, 0, page(f, 1), WALKER_WRITE));
	look_dirty(f, FIRST(f), block(f));
	assert_int_equal(count_bits(f), 0);
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_REGIMES;
	const struct fixture_test tests[] = {
		TEST(all, sync_changes_nothing),
		TEST(all, no_clear_reads_only),
		TEST(all, what_was_mapped_writable_is_dirty_and_the_rest_is_not),
		TEST(all, holes_are_passed_over),
		TEST(all, what_is_cleaned_is_counted),
		TEST(all, a_second_write_is_reported_again),
		TEST(all, a_write_through_a_stale_entry_after_finish_is_reported),
		TEST(FIXTURE_REGIMES, a_host_that_drops_invalidations_loses_writes),
		TEST_WITH(all, all_walkers_are_invalidated, .walkers = 3),
		TEST(all, a_dirty_block_is_reported_whole_and_cleaned),
		TEST(all, a_block_partly_in_the_range_is_reported_and_stays_dirty),
		TEST(FIXTURE_REGIMES, a_gibibyte_is_reported_whole),
		TEST(all, clean_pages_cost_no_invalidation),
		TEST(all, one_wait_serves_all_dirty_pages),
		TEST(all, a_read_with_op_sync_waits_for_finished_transactions),
		TEST(FIXTURE_GRANULES, when_the_sync_fails_nothing_is_changed),
		TEST(all, pieces_equal_one_call),
		TEST(FIXTURE_GRANULES, budget_bounds_what_a_call_looks_at),
		TEST_WITH(all, software_walkers_fault_on_clean_pages, .dirty = FIXTURE_SOFTWARE),
	};

	return FIXTURE_RUN(tests);
}
