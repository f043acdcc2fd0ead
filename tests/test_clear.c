/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_clear_dirty_log: cleans exactly what the bitmap gives. */
#include <string.h>

#include "fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FIRST(f)     (4 * block(f))

static void map_dirty_pages(struct fixture *f)
{
	map(f, FIRST(f), 8 * block(f) + granule(f), block(f), RW);
}

static uint64_t page(struct fixture *f, uint64_t number)
{
	return FIRST(f) + number * granule(f);
}

static struct iopgt_stats clear(struct fixture *f, uint64_t iova, uint64_t size)
{
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_clear_dirty_log(f->table, iova, size, &f->bitmap, &op));
	finish(f, &op);
	return op.stats;
}

static void only_given_pages_are_cleaned(struct fixture *f)
{
	const uint64_t given[] = {0, 5, 63, 64, 65, 300, block(f) / granule(f) - 1};
	struct iopgt_stats stats;

	map_dirty_pages(f);
	page_bitmap(f, FIRST(f), block(f));
	for (size_t i = 0; i < COUNT(given); i++)
		set_bits(f, page(f, given[i]), granule(f));
	stats = clear(f, FIRST(f), block(f));
	assert_int_equal(stats.cleaned, COUNT(given));
	assert_int_equal(count_bits(f), COUNT(given)); /* only read */
	for (size_t i = 0; i < COUNT(given); i++)
		assert_int_equal(state_at(f, page(f, given[i])), IOPGT_LEAF_CLEAN);
	look_dirty(f, FIRST(f), block(f));
	assert_int_equal(count_bits(f), block(f) / granule(f) - COUNT(given));
}

static void only_pages_in_the_range_are_cleaned(struct fixture *f)
{
	map_dirty_pages(f);
	page_bitmap(f, 0, 2 * FIRST(f));
	memset(f->bitmap.words, 0xff, (f->bitmap.bits + 63) / 64 * 8);
	clear(f, page(f, 3), 5 * granule(f));
	look_dirty(f, FIRST(f), block(f));
	assert_int_equal(count_bits(f), block(f) / granule(f) - 5);
	assert_true(bit_at(f, page(f, 2)) && bit_at(f, page(f, 8)));
}

static void a_block_is_cleaned_when_all_its_bits_are_given(struct fixture *f)
{
	map(f, FIRST(f), 8 * block(f), 2 * block(f), RW);
	page_bitmap(f, FIRST(f), 2 * block(f));
	set_bits(f, FIRST(f), block(f));
	assert_int_equal(clear(f, FIRST(f), 2 * block(f)).cleaned, 1);
	assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_CLEAN);
	assert_int_equal(state_at(f, FIRST(f) + block(f)), IOPGT_LEAF_DIRTY);
	expect_level(f, FIRST(f), 2);
	write_page(f, FIRST(f) + granule(f));
	look_dirty(f, FIRST(f), block(f));
	expect_only_bits(f, FIRST(f), block(f));
}

static void a_block_of_which_a_bit_is_missing_stays_dirty(struct fixture *f)
{
	uint64_t pages = block(f) / granule(f);
	const uint64_t missing[] = {0, 1, 63, 64, pages / 2, pages - 1};

	map(f, FIRST(f), 8 * block(f), block(f), RW);
	for (size_t i = 0; i < COUNT(missing); i++) {
		page_bitmap(f, FIRST(f), block(f));
		set_bits(f, FIRST(f), block(f));
		f->bitmap.words[missing[i] / 64] &=
			~pool_little_endian(UINT64_C(1) << missing[i] % 64);
		assert_int_equal(clear(f, FIRST(f), block(f)).cleaned, 0);
		assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_DIRTY);
	}
}

static void a_block_partly_in_the_range_stays_dirty(struct fixture *f)
{
	map(f, FIRST(f), 8 * block(f), block(f), RW);
	page_bitmap(f, FIRST(f), block(f));
	set_bits(f, FIRST(f), block(f));
	clear(f, FIRST(f), block(f) - granule(f));
	clear(f, FIRST(f) + granule(f), block(f) - granule(f));
	assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_DIRTY);
}

static void a_page_with_finer_bits_needs_them_all(struct fixture *f)
{
	map_dirty_pages(f);
	fixture_bitmap(f, FIRST(f), block(f), f->config.granule_shift - 2);
	set_bits(f, page(f, 1), granule(f));
	set_bits(f, page(f, 2), granule(f) / 2);
	set_bits(f, page(f, 3) + granule(f) / 4, 3 * granule(f) / 4);
	assert_int_equal(clear(f, FIRST(f), block(f)).cleaned, 1);
	assert_int_equal(state_at(f, page(f, 1)), IOPGT_LEAF_CLEAN);
	assert_int_equal(state_at(f, page(f, 2)), IOPGT_LEAF_DIRTY);
	assert_int_equal(state_at(f, page(f, 3)), IOPGT_LEAF_DIRTY);
}

static void a_coarse_bit_cleans_all_its_pages(struct fixture *f)
{
	map_dirty_pages(f);
	fixture_bitmap(f, FIRST(f), block(f), f->config.granule_shift + 2);
	set_bits(f, page(f, 4), granule(f));
	assert_int_equal(clear(f, FIRST(f), block(f)).cleaned, 4);
	assert_int_equal(state_at(f, page(f, 3)), IOPGT_LEAF_DIRTY);
	assert_int_equal(state_at(f, page(f, 4)), IOPGT_LEAF_CLEAN);
	assert_int_equal(state_at(f, page(f, 7)), IOPGT_LEAF_CLEAN);
	assert_int_equal(state_at(f, page(f, 8)), IOPGT_LEAF_DIRTY);
}

static void a_given_clean_page_costs_no_invalidation(struct fixture *f)
{
	struct iopgt_stats stats;

	map(f, FIRST(f), 0, block(f), RW | IOPGT_CLEAN);
	page_bitmap(f, FIRST(f), block(f));
	set_bits(f, FIRST(f), block(f));
	host_log_clear(&f->host);
	stats = clear(f, FIRST(f), block(f));
	assert_int_equal(stats.invalidations, 0);
	assert_int_equal(host_logged(&f->host), 0);
}

static void untracked_and_read_only_pages_are_left_alone(struct fixture *f)
{
	map(f, page(f, 0), 0, granule(f), RW | IOPGT_NO_TRACK);
	map(f, page(f, 1), 0, granule(f), IOPGT_READ);
	page_bitmap(f, FIRST(f), block(f));
	set_bits(f, FIRST(f), block(f));
	assert_int_equal(clear(f, FIRST(f), block(f)).cleaned, 0);
	assert_int_equal(state_at(f, page(f, 0)), IOPGT_LEAF_UNTRACKED);
	assert_int_equal(state_at(f, page(f, 1)), IOPGT_LEAF_READ_ONLY);
	write_page(f, page(f, 0));
	assert_false(access_ok(f, 0, page(f, 1), WALKER_WRITE));
}

static void a_write_after_finish_is_reported(struct fixture *f)
{
	map_dirty_pages(f);
	write_page(f, page(f, 9));
	for (int round = 0; round < 3; round++) {
		look_dirty(f, FIRST(f), block(f));
		clear(f, FIRST(f), block(f));
		write_page(f, page(f, 9));
		look_dirty(f, FIRST(f), block(f));
		expect_only_bits(f, page(f, 9), granule(f));
	}
}

static void pieces_equal_one_call(struct fixture *f)
{
	uint64_t at = FIRST(f), end = FIRST(f) + 2 * block(f);
	struct iopgt_op op = new_op(f);
	int error;

	map_dirty_pages(f);
	map(f, FIRST(f) + block(f), 0, block(f), RW);
	page_bitmap(f, at, end - at);
	set_bits(f, page(f, 1), granule(f));
	set_bits(f, page(f, 70), 100 * granule(f));
	set_bits(f, FIRST(f) + block(f), block(f));
	op.budget = 1;
	while ((error = iopgt_clear_dirty_log(f->table, at, end - at, &f->bitmap, &op)) ==
	       IOPGT_AGAIN)
		at = op.next;
	expect(IOPGT_OK, error);
	finish(f, &op);
	assert_int_equal(op.stats.cleaned, 102);
	look_dirty(f, FIRST(f), 2 * block(f));
	assert_int_equal(count_bits(f), block(f) / granule(f) - 101);
}

/* After an error of the gather, what was cleaned is owed and can be finished. */
static void a_failed_invalidation_can_be_finished_later(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	int error;

	map_dirty_pages(f);
	write_page(f, page(f, 0));
	page_bitmap(f, FIRST(f), block(f));
	for (uint64_t at = 0; at < 400; at += 2)
		set_bits(f, page(f, at), granule(f));
	host_fail(&f->host, HOST_RANGE, 1, true);
	host_fail(&f->host, HOST_ALL, 1, true);
	error = iopgt_clear_dirty_log(f->table, FIRST(f), block(f), &f->bitmap, &op);
	assert_true(error == IOPGT_OK || error == HOST_ERROR);
	expect(HOST_ERROR, iopgt_op_finish(&op));
	host_fail_nothing(&f->host);
	finish(f, &op);
	write_page(f, page(f, 0));
	assert_int_equal(state_at(f, page(f, 0)), IOPGT_LEAF_DIRTY);
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_REGIMES;
	const struct fixture_test tests[] = {
		TEST(all, only_given_pages_are_cleaned),
		TEST(all, only_pages_in_the_range_are_cleaned),
		TEST(all, a_block_is_cleaned_when_all_its_bits_are_given),
		TEST(all, a_block_of_which_a_bit_is_missing_stays_dirty),
		TEST(all, a_block_partly_in_the_range_stays_dirty),
		TEST(all, a_page_with_finer_bits_needs_them_all),
		TEST(all, a_coarse_bit_cleans_all_its_pages),
		TEST(all, a_given_clean_page_costs_no_invalidation),
		TEST(all, untracked_and_read_only_pages_are_left_alone),
		TEST(all, a_write_after_finish_is_reported),
		TEST(all, pieces_equal_one_call),
		TEST(FIXTURE_GRANULES, a_failed_invalidation_can_be_finished_later),
	};

	return FIXTURE_RUN(tests);
}
