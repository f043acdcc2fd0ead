/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_unmap_dirty: removes, and loses no write. */
#include "fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FIRST(f)     (4 * block(f))
#define PHYS(f)      (12 * block(f))

/* Pages, all clean, over `blocks` last-level tables. */
static void map_clean_pages(struct fixture *f, unsigned blocks)
{
	map(f, FIRST(f), PHYS(f) + granule(f), blocks * block(f), RW | IOPGT_CLEAN);
}

static uint64_t page(struct fixture *f, uint64_t number)
{
	return FIRST(f) + number * granule(f);
}

/* The verb alone, with a bitmap of the same range. */
static void unmap_dirty(struct fixture *f, uint64_t iova, uint64_t size, struct iopgt_op *op)
{
	expect(IOPGT_OK, iopgt_unmap_dirty(f->table, iova, size, page_bitmap(f, iova, size), op));
}

/* --- What is reported --- */

static void written_pages_are_reported_and_no_others(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	uint64_t pages = block(f) / granule(f);
	const uint64_t written[] = {0, 1, 63, 64, 200, pages - 1, pages, pages + 5, 2 * pages - 1};

	map_clean_pages(f, 2);
	for (size_t i = 0; i < COUNT(written); i++)
		write_page(f, page(f, written[i]));
	read_page(f, page(f, 2));
	unmap_dirty(f, FIRST(f), 2 * block(f), &op);
	finish(f, &op);
	for (size_t i = 0; i < COUNT(written); i++)
		assert_true(bit_at(f, page(f, written[i])));
	assert_int_equal(count_bits(f), COUNT(written));
	expect_unmapped(f, FIRST(f), 2 * block(f));
	assert_int_equal(op.stats.unmapped, 2 * pages);
}

static void only_the_range_is_reported_and_removed(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_clean_pages(f, 2);
	for (uint64_t number = 0; number < 8; number++)
		write_page(f, page(f, number));
	unmap_dirty(f, page(f, 2), 4 * granule(f), &op);
	finish(f, &op);
	expect_only_bits(f, page(f, 2), 4 * granule(f));
	look_dirty(f, FIRST(f), 2 * block(f));
	assert_int_equal(count_bits(f), 4);
	assert_true(bit_at(f, page(f, 1)) && bit_at(f, page(f, 6)));
}

static void a_dirty_block_sets_all_its_bits(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), PHYS(f), 3 * block(f), RW | IOPGT_CLEAN);
	write_page(f, FIRST(f) + block(f) + granule(f));
	unmap_dirty(f, FIRST(f), 3 * block(f), &op);
	finish(f, &op);
	expect_only_bits(f, FIRST(f) + block(f), block(f));
}

static void a_part_of_a_dirty_block_is_reported_and_the_rest_stays_dirty(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	uint64_t part = block(f) / 2;

	map(f, FIRST(f), PHYS(f), block(f), RW | IOPGT_CLEAN);
	write_page(f, FIRST(f));
	unmap_dirty(f, FIRST(f) + part, granule(f), &op);
	finish(f, &op);
	expect_only_bits(f, FIRST(f) + part, granule(f));
	look_dirty(f, FIRST(f), block(f));
	assert_int_equal(count_bits(f), block(f) / granule(f) - 1);
	assert_false(bit_at(f, FIRST(f) + part));
}

static void a_part_of_a_clean_block_is_not_reported(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), PHYS(f), block(f), RW | IOPGT_CLEAN);
	read_page(f, FIRST(f));
	unmap_dirty(f, FIRST(f), block(f) / 2, &op);
	finish(f, &op);
	assert_int_equal(count_bits(f), 0);
	look_dirty(f, FIRST(f), block(f));
	assert_int_equal(count_bits(f), 0);
}

static void read_only_and_untracked_pages_are_not_reported(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map(f, page(f, 0), 0, granule(f), IOPGT_READ);
	map(f, page(f, 1), 0, granule(f), RW | IOPGT_NO_TRACK);
	map(f, page(f, 2), 0, granule(f), RW);
	write_page(f, page(f, 1));
	unmap_dirty(f, FIRST(f), block(f), &op);
	finish(f, &op);
	expect_only_bits(f, page(f, 2), granule(f));
	assert_int_equal(op.stats.holes, block(f) / granule(f) - 3);
}

static void bits_that_were_set_stay_set(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_clean_pages(f, 1);
	write_page(f, page(f, 7));
	page_bitmap(f, 0, 2 * FIRST(f));
	set_bits(f, page(f, 3), granule(f));
	set_bits(f, 0, granule(f));
	expect(IOPGT_OK, iopgt_unmap_dirty(f->table, FIRST(f), block(f), &f->bitmap, &op));
	finish(f, &op);
	assert_true(bit_at(f, 0) && bit_at(f, page(f, 3)) && bit_at(f, page(f, 7)));
	assert_int_equal(count_bits(f), 3);
}

static void finer_and_coarser_bits_cover_what_was_written(struct fixture *f)
{
	for (unsigned shift = f->config.granule_shift - 3; shift <= 24; shift++) {
		struct iopgt_op op = new_op(f);
		uint64_t bit = UINT64_C(1) << shift;
		uint64_t want = bit < granule(f) ? granule(f) / bit : 1;

		map_clean_pages(f, 1);
		write_page(f, page(f, 9));
		fixture_bitmap(f, 0, 2 * FIRST(f), shift);
		expect(IOPGT_OK, iopgt_unmap_dirty(f->table, FIRST(f), block(f), &f->bitmap, &op));
		finish(f, &op);
		assert_true(bit_at(f, page(f, 9)) && bit_at(f, page(f, 10) - 1));
		assert_int_equal(count_bits(f), want);
	}
}

/* --- Writes that race --- */

static void writes_through_a_stale_walk_are_reported(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	bool landed[32];

	map_clean_pages(f, 2);
	read_page(f, page(f, 5)); /* the table is in the walk cache now */
	unmap_dirty(f, FIRST(f), 2 * block(f), &op);
	for (uint64_t number = 0; number < COUNT(landed); number++)
		landed[number] = access_ok(f, 0, page(f, number), WALKER_WRITE);
	finish(f, &op);
	for (uint64_t number = 0; number < COUNT(landed); number++)
		assert_true(!landed[number] || bit_at(f, page(f, number)));
}

/* Pages written by the hook, a byte each, from page 0 of FIRST on. */
#define WATCHED 64

struct writes {
	bool landed[WATCHED];
	unsigned turn;
};

static void write_a_little(struct fixture *f, enum host_call call, bool done)
{
	struct writes *writes = f->hook_context;

	(void)call;
	(void)done;
	for (unsigned i = 0; i < 3; i++) {
		unsigned number = writes->turn++ % WATCHED;

		if (access_ok(f, writes->turn % f->walker_count, page(f, number), WALKER_WRITE))
			writes->landed[number] = true;
	}
}

static void start_writing(struct fixture *f, struct writes *writes)
{
	*writes = (struct writes){0};
	f->hook_context = writes;
	f->hook = write_a_little;
	for (unsigned walker = 0; walker < f->walker_count; walker++)
		for (unsigned i = 0; i < WATCHED; i++)
			assert_true(access_ok(f, walker, page(f, i), WALKER_READ));
}

static void expect_landed_bits(struct fixture *f, const struct writes *writes, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (writes->landed[i])
			assert_true(bit_at(f, page(f, i)));
}

static void writes_until_finish_are_reported(struct fixture *f)
{
	struct writes writes;

	for (unsigned round = 0; round < 4; round++) {
		struct iopgt_op op = new_op(f);
		uint64_t size = round % 2 ? 2 * block(f) : block(f) / 2;

		map_clean_pages(f, 2);
		start_writing(f, &writes);
		unmap_dirty(f, FIRST(f), size, &op);
		write_a_little(f, HOST_ANY, false);
		expect(IOPGT_OK, iopgt_op_finish(&op));
		f->hook = NULL;
		check(f);
		expect_landed_bits(f, &writes, WATCHED);
		for (unsigned i = 0; i < WATCHED; i++)
			assert_false(access_ok(f, 0, page(f, i), WALKER_WRITE));
		unmap(f, FIRST(f), 2 * block(f));
	}
}

static void writes_to_a_block_that_is_split_are_reported(struct fixture *f)
{
	struct writes writes;
	struct iopgt_op op = new_op(f);
	uint64_t size = block(f) / 2;

	map(f, FIRST(f), PHYS(f), block(f), RW | IOPGT_CLEAN);
	start_writing(f, &writes);
	unmap_dirty(f, FIRST(f), size, &op);
	write_a_little(f, HOST_ANY, false);
	expect(IOPGT_OK, iopgt_op_finish(&op));
	f->hook = NULL;
	check(f);
	expect_landed_bits(f, &writes, WATCHED);
}

static void writes_between_failed_finishes_are_reported(struct fixture *f)
{
	struct writes writes;
	struct iopgt_op op = new_op(f);

	map_clean_pages(f, 2);
	start_writing(f, &writes);
	unmap_dirty(f, FIRST(f), 2 * block(f), &op);
	for (int i = 0; i < 4; i++) {
		host_fail(&f->host, i % 2 ? HOST_SYNC : HOST_RANGE, 1, false);
		if (iopgt_op_finish(&op) == IOPGT_OK)
			break;
		write_a_little(f, HOST_ANY, false);
	}
	host_fail_nothing(&f->host);
	expect(IOPGT_OK, iopgt_op_finish(&op));
	f->hook = NULL;
	check(f);
	expect_landed_bits(f, &writes, WATCHED);
}

static void finished_transactions_are_synced_first(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	int64_t range;

	map_clean_pages(f, 1);
	host_log_clear(&f->host);
	unmap_dirty(f, FIRST(f), block(f), &op);
	finish(f, &op);
	range = event_index(f, HOST_RANGE, 0);
	assert_true(event_index(f, HOST_SYNC, 0) >= 0);
	assert_true(range < 0 || event_index(f, HOST_SYNC, 0) < range);
	assert_true(event_count(f, HOST_SYNC) >= 2);
}

/* --- In pieces, and refusals --- */

static void pieces_report_the_same(struct fixture *f)
{
	static const uint64_t budgets[] = {1, 3, 1000};

	for (size_t i = 0; i < COUNT(budgets); i++) {
		struct iopgt_op op = new_op(f);
		uint64_t at = FIRST(f), end = FIRST(f) + 3 * block(f);
		int error;

		op.budget = budgets[i];
		map_clean_pages(f, 2);
		map(f, FIRST(f) + 2 * block(f), PHYS(f), block(f), RW);
		write_page(f, page(f, 5));
		write_page(f, FIRST(f) + 2 * block(f) - 1);
		page_bitmap(f, at, end - at);
		while ((error = iopgt_unmap_dirty(f->table, at, end - at, &f->bitmap, &op)) ==
		       IOPGT_AGAIN)
			at = op.next;
		expect(IOPGT_OK, error);
		finish(f, &op);
		assert_true(bit_at(f, page(f, 5)) && bit_at(f, FIRST(f) + 2 * block(f) - 1));
		assert_int_equal(count_bits(f), 2 + block(f) / granule(f));
		expect_unmapped(f, FIRST(f), 3 * block(f));
	}
}

static void a_table_without_dirty_management_refuses(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map(f, 0, 0, granule(f), RW);
	expect(IOPGT_NO_DIRTY,
	       iopgt_unmap_dirty(f->table, 0, granule(f), page_bitmap(f, 0, granule(f)), &op));
	expect_mapped(f, 0, 0, granule(f));
	assert_null(op.gather.table);
}

static void a_bad_bitmap_changes_nothing(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	struct iopgt_bitmap bitmap;

	map(f, 0, 0, granule(f), RW);
	bitmap = *page_bitmap(f, granule(f), granule(f));
	expect(IOPGT_BAD_BITMAP, iopgt_unmap_dirty(f->table, 0, granule(f), &bitmap, &op));
	bitmap.words = NULL;
	expect(IOPGT_BAD_BITMAP, iopgt_unmap_dirty(f->table, granule(f), granule(f), &bitmap, &op));
	expect_mapped(f, 0, 0, granule(f));
	assert_null(op.gather.table);
}

static void no_memory_for_a_split_reports_what_was_removed(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_clean_pages(f, 1);
	map(f, FIRST(f) + block(f), PHYS(f), block(f), RW);
	write_page(f, page(f, 3));
	host_fail(&f->host, HOST_ALLOC, 1, true);
	page_bitmap(f, FIRST(f), block(f) + granule(f));
	expect(IOPGT_NO_MEMORY,
	       iopgt_unmap_dirty(f->table, FIRST(f), block(f) + granule(f), &f->bitmap, &op));
	host_fail_nothing(&f->host);
	finish(f, &op);
	expect_unmapped(f, FIRST(f), block(f));
	expect_mapped(f, FIRST(f) + block(f), PHYS(f), block(f));
	assert_true(bit_at(f, page(f, 3)));
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_STAGES | FIXTURE_LEVELS;
	const uint32_t plain = FIXTURE_GRANULES | FIXTURE_REGIMES;
	const struct fixture_test tests[] = {
		TEST(plain, written_pages_are_reported_and_no_others),
		TEST(plain, only_the_range_is_reported_and_removed),
		TEST(plain, a_dirty_block_sets_all_its_bits),
		TEST(all, a_part_of_a_dirty_block_is_reported_and_the_rest_stays_dirty),
		TEST(all, a_part_of_a_clean_block_is_not_reported),
		TEST(plain, read_only_and_untracked_pages_are_not_reported),
		TEST(plain, bits_that_were_set_stay_set),
		TEST(plain, finer_and_coarser_bits_cover_what_was_written),
		TEST(plain, writes_through_a_stale_walk_are_reported),
		TEST_WITH(plain, writes_until_finish_are_reported, .walkers = 2),
		TEST_WITH(all, writes_to_a_block_that_is_split_are_reported, .walkers = 2),
		TEST_WITH(plain, writes_between_failed_finishes_are_reported, .walkers = 2),
		TEST(FIXTURE_GRANULES, finished_transactions_are_synced_first),
		TEST(all, pieces_report_the_same),
		TEST_WITH(0, a_table_without_dirty_management_refuses, .dirty = FIXTURE_NO_DIRTY),
		TEST(0, a_bad_bitmap_changes_nothing),
		TEST(all, no_memory_for_a_split_reports_what_was_removed),
	};

	return FIXTURE_RUN(tests);
}
