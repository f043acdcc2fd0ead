/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Contiguous groups and the words of a bitmap: a group of 16, 32 or 128 pages may
 * begin at any bit, and cross one or two words.
 */
#include "test_groups.h"

/* Groups 1 and 2 of three, dirty by one entry each, wherever. */
static void mark_some(struct fixture *f, uint64_t turn)
{
	mark(f, group(f, 1) + turn % entries(f) * granule(f));
	mark(f, group(f, 2) + turn * 7 % entries(f) * granule(f));
}

/* Bit 0 lies this many pages before group 0; the bitmap ends with group 2. */
static struct iopgt_bitmap *bitmap_before(struct fixture *f, uint64_t pages)
{
	uint64_t base = group(f, 0) - pages * granule(f);

	return page_bitmap(f, base, group(f, 3) - base);
}

#define OFFSETS 130 /* more than two words */

static void sync_reports_at_every_offset(struct fixture *f)
{
	map_groups(f, 3, RW | IOPGT_CLEAN);
	mark_some(f, 5);
	for (uint64_t offset = 0; offset < OFFSETS; offset++) {
		struct iopgt_op op = new_op(f);

		bitmap_before(f, offset);
		expect(IOPGT_OK, iopgt_sync_dirty_log(f->table, group(f, 0), 3 * group_bytes(f),
		                                      &f->bitmap, &op));
		expect_only_bits(f, group(f, 1), 2 * group_bytes(f));
	}
}

/* The bitmap begins within group 1, at each of its pages. */
static void sync_reports_the_part_that_the_bitmap_covers(struct fixture *f)
{
	map_groups(f, 3, RW | IOPGT_CLEAN);
	mark(f, group(f, 1));
	for (uint64_t page = 0; page < entries(f); page++) {
		uint64_t base = group(f, 1) + page * granule(f);
		struct iopgt_op op = new_op(f);

		page_bitmap(f, base, group(f, 3) - base);
		expect(IOPGT_OK,
		       iopgt_sync_dirty_log(f->table, base, group(f, 3) - base, &f->bitmap, &op));
		expect_only_bits(f, base, group(f, 2) - base);
	}
}

static void bits_outside_of_the_range_stay_as_they_are(struct fixture *f)
{
	map_groups(f, 3, RW | IOPGT_CLEAN);
	mark(f, group(f, 1));
	for (uint64_t offset = 0; offset < 70; offset++) {
		uint64_t iova = group(f, 1) + offset % (entries(f) - 1) * granule(f);
		struct iopgt_op op = new_op(f);

		bitmap_before(f, offset);
		set_bits(f, group(f, 0), granule(f));
		expect(IOPGT_OK,
		       iopgt_sync_dirty_log(f->table, iova, 2 * granule(f), &f->bitmap, &op));
		assert_true(bit_at(f, group(f, 0)));
		assert_true(bit_at(f, iova) && bit_at(f, iova + granule(f)));
		assert_int_equal(count_bits(f), 3);
	}
}

static void read_and_clear_works_at_every_offset(struct fixture *f)
{
	map_groups(f, 3, RW | IOPGT_CLEAN);
	for (uint64_t offset = 0; offset < OFFSETS; offset++) {
		struct iopgt_op op = new_op(f);

		mark_some(f, offset);
		bitmap_before(f, offset);
		expect(IOPGT_OK, iopgt_read_and_clear_dirty(f->table, group(f, 0),
		                                            3 * group_bytes(f), &f->bitmap, &op));
		finish(f, &op);
		expect_only_bits(f, group(f, 1), 2 * group_bytes(f));
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(count_entries(f, group(f, i), is_dirty), 0);
	}
}

static void clear_works_at_every_offset(struct fixture *f)
{
	map_groups(f, 3, RW | IOPGT_CLEAN);
	for (uint64_t offset = 0; offset < OFFSETS; offset++) {
		struct iopgt_op op = new_op(f);

		mark_some(f, offset);
		bitmap_before(f, offset);
		set_bits(f, group(f, 1), 2 * group_bytes(f));
		expect(IOPGT_OK, iopgt_clear_dirty_log(f->table, group(f, 0), 3 * group_bytes(f),
		                                       &f->bitmap, &op));
		finish(f, &op);
		expect_only_bits(f, group(f, 1), 2 * group_bytes(f)); /* only read */
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(count_entries(f, group(f, i), is_dirty), 0);
	}
}

static void clear_sees_a_missing_bit_at_every_offset(struct fixture *f)
{
	map_groups(f, 3, RW | IOPGT_CLEAN);
	for (uint64_t offset = 0; offset < OFFSETS; offset++) {
		uint64_t missing = group(f, 1) + offset * 11 % entries(f) * granule(f);
		struct iopgt_op op = new_op(f);
		uint64_t dirty;

		mark_some(f, offset);
		dirty = count_entries(f, group(f, 1), is_dirty);
		bitmap_before(f, offset);
		set_bits(f, group(f, 0), group_bytes(f));
		if (missing > group(f, 1))
			set_bits(f, group(f, 1), missing - group(f, 1));
		set_bits(f, missing + granule(f), group(f, 3) - missing - granule(f));
		expect(IOPGT_OK, iopgt_clear_dirty_log(f->table, group(f, 0), 3 * group_bytes(f),
		                                       &f->bitmap, &op));
		finish(f, &op);
		assert_int_equal(count_entries(f, group(f, 1), is_dirty), dirty);
		assert_int_equal(count_entries(f, group(f, 2), is_dirty), 0);
	}
}

static void unmap_dirty_reports_at_every_offset(struct fixture *f)
{
	for (uint64_t offset = 0; offset < OFFSETS; offset++) {
		uint64_t end = group(f, 2) + (1 + offset % (entries(f) - 1)) * granule(f);
		struct iopgt_op op = new_op(f);

		map_groups(f, 3, RW | IOPGT_CLEAN);
		mark_some(f, offset);
		bitmap_before(f, offset);
		expect(IOPGT_OK, iopgt_unmap_dirty(f->table, group(f, 0), end - group(f, 0),
		                                   &f->bitmap, &op));
		finish(f, &op);
		expect_only_bits(f, group(f, 1), end - group(f, 1));
		unmap(f, 0, SPACE);
	}
}

int main(void)
{
	const uint32_t pages = FIXTURE_STAGES | GROUPS_OF_PAGES;
	const struct fixture_test tests[] = {
		TEST(pages, sync_reports_at_every_offset),
		TEST(pages, sync_reports_the_part_that_the_bitmap_covers),
		TEST(pages, bits_outside_of_the_range_stay_as_they_are),
		TEST(pages, read_and_clear_works_at_every_offset),
		TEST(pages, clear_works_at_every_offset),
		TEST(pages, clear_sees_a_missing_bit_at_every_offset),
		TEST(pages | FIXTURE_LEVELS, unmap_dirty_reports_at_every_offset),
	};

	return GROUPS_RUN(tests);
}
