/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ends of spaces and of numbers: every verb that takes a range, at the last granule
 * and the last block of input spaces, of which that of TTBR1 ends at 2^64; ranges that are
 * empty or wrap; bitmaps of every page_shift, of no bits, and with a base behind the range.
 */
#include <endian.h> /* words of a bitmap are little-endian */
#include <string.h>

#include "test_edges.h"

/* --- What is legal --- */

/*
 * Alone and in pieces of one descriptor. What a piece leaves to do lies ahead, and ends at
 * the end of the space, past which `next` would be 0.
 */
static void run_at(struct fixture *f, const struct verb *verb, uint64_t iova, uint64_t budget)
{
	uint64_t last = space_last(f), word = 0;
	struct iopgt_bitmap bitmap = whole_bitmap(f, &word);
	struct iopgt_op op = new_op(f);
	struct call call = {f, iova, last - iova + 1, &bitmap, &op, last};
	int error;

	op.budget = budget;
	while ((error = verb->run(&call)) == IOPGT_AGAIN) {
		assert_true(op.next > call.iova && op.next <= last);
		call.iova = op.next;
		call.size = last - op.next + 1;
	}
	expect_code(IOPGT_OK, error, verb);
	assert_int_equal(call.end, last);
	finish(f, &op);
	if (verb->bits && verb->run != do_clear)
		assert_int_equal(le64toh(word), UINT64_C(1) << 63);
	else
		assert_int_equal(word, 0);
}

static void run_all(struct fixture *f, uint64_t size, uint64_t budget)
{
	uint64_t iova = space_last(f) - size + 1;

	for (size_t i = 0; i < COUNT(verbs); i++) {
		if (verbs[i].run != do_map) {
			map(f, iova, 0, size, RW);
			write_page(f, space_last(f) - granule(f) + 1);
		}
		run_at(f, &verbs[i], iova, budget);
		unmap(f, iova, size);
		expect_unmapped(f, iova, granule(f));
	}
}

static void every_verb_works_at_the_last_granule(struct fixture *f)
{
	track(f, IOPGT_SPLIT_ADAPTIVE);
	run_all(f, granule(f), 0);
	run_all(f, granule(f), 1);
}

static void every_verb_works_at_the_last_block(struct fixture *f)
{
	track(f, IOPGT_SPLIT_ADAPTIVE);
	run_all(f, block(f), 0);
	run_all(f, block(f), 1);
	run_all(f, 2 * block(f), 3);
	run_all(f, block(f) + granule(f), 0);
}

/* With something mapped at both ends. */
static void every_verb_takes_all_of_the_space(struct fixture *f)
{
	uint64_t first = space_first(f), last = space_last(f);

	track(f, IOPGT_SPLIT_ADAPTIVE);
	for (size_t i = 0; i < COUNT(verbs); i++) {
		uint64_t words[1] = {0};
		struct iopgt_bitmap bitmap = whole_bitmap(f, words);
		struct iopgt_op op = new_op(f);
		struct call call = {f, first, last - first + 1, &bitmap, &op, last};

		if (verbs[i].run == do_map)
			continue;
		map(f, first, 0, block(f), RW);
		map(f, last - granule(f) + 1, 0, granule(f), RW);
		write_page(f, first);
		write_page(f, last - granule(f) + 1);
		expect_code(IOPGT_OK, verbs[i].run(&call), &verbs[i]);
		finish(f, &op);
		if (verbs[i].bits && verbs[i].run != do_clear)
			assert_int_equal(le64toh(words[0]), UINT64_C(1) << 63 | 1);
		assert_int_equal(call.end, last);
		unmap(f, first, last - first + 1);
	}
}

/* What is invalidated of the last leaf ends where the space does. */
static void the_last_leaf_is_invalidated_whole(struct fixture *f)
{
	uint64_t iova = space_last(f) - block(f) + 1;
	struct host_event event;
	int64_t index;

	map(f, iova, 0, block(f), RW);
	host_log_clear(&f->host);
	unmap(f, iova, block(f));
	index = event_index(f, HOST_RANGE, 0);
	assert_true(index >= 0 && host_event(&f->host, (uint64_t)index, &event));
	assert_int_equal(event.request.iova, iova);
	assert_int_equal(event.request.size, block(f));
	assert_int_equal(event_count(f, HOST_RANGE), 1);
	assert_int_equal(event_count(f, HOST_ALL), 0);
}

static void single_addresses_at_the_ends_are_found(struct fixture *f)
{
	uint64_t first = space_first(f), last = space_last(f), page = last - granule(f) + 1;
	struct iopgt_translation got;
	struct iopgt_op op = new_op(f);

	expect(IOPGT_NOT_MAPPED, iopgt_translate(f->table, last, &got));
	map(f, page, granule(f), granule(f), RW);
	expect(IOPGT_OK, iopgt_translate(f->table, last, &got));
	assert_int_equal(got.phys, 2 * granule(f) - 1);
	assert_int_equal(got.leaf_iova, page);
	expect(IOPGT_OK, iopgt_handle_write_fault(f->table, last, 0, &op));
	expect(IOPGT_OK, iopgt_handle_access_fault(f->table, last));
	expect(IOPGT_OK, iopgt_handle_translation_fault(f->table, last));
	finish(f, &op);
	expect(IOPGT_NOT_MAPPED, iopgt_translate(f->table, first, &got));
	for (int i = 0; i < 4; i++) {
		const uint64_t outside[] = {first - 1, last + 1, first ? 0 : UINT64_MAX,
		                            UINT64_C(1) << 63 ^ first};

		if (outside[i] - first <= last - first)
			continue;
		expect(IOPGT_BAD_RANGE, iopgt_translate(f->table, outside[i], &got));
		expect(IOPGT_FAULT, iopgt_handle_write_fault(f->table, outside[i], 0, &op));
		expect(IOPGT_FAULT, iopgt_handle_access_fault(f->table, outside[i]));
		expect(IOPGT_FAULT, iopgt_handle_translation_fault(f->table, outside[i]));
	}
}

/* --- What is refused --- */

static void expect_refused(struct fixture *f, uint64_t iova, uint64_t size)
{
	for (size_t i = 0; i < COUNT(verbs); i++) {
		uint64_t word = 0;
		/* One that covers any range. */
		struct iopgt_bitmap bitmap = {.words = &word, .bits = 2, .page_shift = 63};
		struct iopgt_op op = new_op(f);
		struct call call = {f, iova, size, &bitmap, &op, 0};

		expect_code(IOPGT_BAD_RANGE, verbs[i].run(&call), &verbs[i]);
		assert_null(op.gather.table);
		assert_int_equal(op.stats.looked_at, 0);
		assert_int_equal(word, 0);
	}
}

static void ranges_that_are_empty_or_pass_the_end_are_refused(struct fixture *f)
{
	uint64_t g = granule(f), first = space_first(f), last = space_last(f), all = last - first;

	track(f, IOPGT_SPLIT_ADAPTIVE);
	map(f, last - g + 1, 0, g, RW | IOPGT_CLEAN);
	host_log_clear(&f->host);
	for (int i = 0; i < 3; i++) {
		uint64_t iova = i == 0 ? first : i == 1 ? last - g + 1 : first + (all / g / 2) * g;

		expect_refused(f, iova, 0);
		expect_refused(f, iova, last - iova + 1 + g);
		expect_refused(f, iova, 0 - g);
		if (iova) /* past 2^64 */
			expect_refused(f, iova, (0 - iova) + g);
		expect_refused(f, iova, UINT64_C(1) << 63);
	}
	expect_refused(f, first - g, g);
	expect_refused(f, first - g, 2 * g);
	expect_refused(f, last + 1, g);
	expect_refused(f, last + 1, 0 - (last + 1));
	expect_refused(f, (UINT64_C(1) << 63) ^ first, g);
	assert_int_equal(host_logged(&f->host), 0);
	expect_mapped(f, last - g + 1, 0, g);
}

/* --- Bitmaps --- */

/* The page's bits among 130 words, by every page_shift that reaches it. */
static void bits_of_every_size_reach_the_last_page(struct fixture *f)
{
	uint64_t page = space_last(f) - granule(f) + 1;
	uint64_t words[1025];

	map(f, page, 0, granule(f), RW | IOPGT_CLEAN);
	for (unsigned shift = 0; shift < 64; shift++) {
		uint64_t unit = UINT64_C(1) << shift, count;
		struct iopgt_bitmap bitmap = {.words = words, .base = page, .page_shift = shift};
		struct iopgt_op op = new_op(f);

		memset(words, 0, sizeof(words));
		count = unit < granule(f) ? granule(f) / unit : 1;
		bitmap.bits = count;
		write_page(f, page);
		expect(IOPGT_OK,
		       iopgt_read_and_clear_dirty(f->table, page, granule(f), &bitmap, &op));
		finish(f, &op);
		for (uint64_t bit = 0; bit < count; bit++)
			assert_int_equal(le64toh(words[bit / 64]) >> (bit % 64) & 1, 1);
		assert_int_equal(le64toh(words[count / 64]) >> (count % 64), 0);
		assert_int_equal(words[1024], 0);
		assert_int_equal(state_at(f, page), IOPGT_LEAF_CLEAN);
		/* One bit less does not cover it. */
		bitmap.bits = count - 1;
		expect(IOPGT_BAD_BITMAP,
		       iopgt_sync_dirty_log(f->table, page, granule(f), &bitmap, &op));
	}
}

/* From a base of 0, which is a multiple of all. */
static void bits_from_zero_on_reach_the_last_page(struct fixture *f)
{
	uint64_t page = space_last(f) - granule(f) + 1;

	map(f, page, 0, granule(f), RW | IOPGT_CLEAN);
	for (unsigned shift = 56; shift < 64; shift++) {
		uint64_t words[5] = {0}, bit = page >> shift;
		struct iopgt_bitmap bitmap = {.words = words, .page_shift = shift};
		struct iopgt_op op = new_op(f);

		bitmap.bits = bit + 1;
		write_page(f, page);
		expect(IOPGT_OK, iopgt_sync_dirty_log(f->table, page, granule(f), &bitmap, &op));
		for (uint64_t i = 0; i < 320; i++)
			assert_int_equal(le64toh(words[i / 64]) >> (i % 64) & 1, i == bit);
		bitmap.bits = bit;
		expect(IOPGT_BAD_BITMAP,
		       iopgt_sync_dirty_log(f->table, page, granule(f), &bitmap, &op));
	}
}

static void expect_bad_bitmap(struct fixture *f, const struct iopgt_bitmap *bitmap)
{
	uint64_t page = space_last(f) - granule(f) + 1;

	for (size_t i = 0; i < COUNT(verbs); i++) {
		struct iopgt_op op = new_op(f);
		struct call call = {f, page, granule(f), bitmap, &op, 0};

		if (!verbs[i].bits)
			continue;
		expect_code(IOPGT_BAD_BITMAP, verbs[i].run(&call), &verbs[i]);
		assert_null(op.gather.table);
	}
	expect_mapped(f, page, 0, granule(f));
	assert_int_equal(state_at(f, page), IOPGT_LEAF_DIRTY);
}

static void bitmaps_that_do_not_reach_the_range_are_refused(struct fixture *f)
{
	uint64_t page = space_last(f) - granule(f) + 1, word[2] = {0};
	const struct iopgt_bitmap good = {
		.words = word, .base = page, .bits = 1, .page_shift = f->config.granule_shift};
	struct iopgt_bitmap bad = good;

	map(f, page, 0, granule(f), RW | IOPGT_CLEAN);
	write_page(f, page);
	for (unsigned shift = 0; shift < 64; shift++) {
		bad.page_shift = shift;
		bad.bits = 0;
		expect_bad_bitmap(f, &bad);
	}
	bad = good;
	bad.page_shift = 64;
	expect_bad_bitmap(f, &bad);
	bad.page_shift = UINT32_MAX;
	expect_bad_bitmap(f, &bad);
	bad = good;
	bad.base = page - granule(f);
	expect_bad_bitmap(f, &bad); /* ends before the page */
	/* Behind the range, by a granule and by the smallest unit; or wrapped to 0. */
	bad.bits = UINT64_MAX;
	bad.base = page + granule(f);
	if (bad.base)
		expect_bad_bitmap(f, &bad);
	bad.page_shift = 0;
	bad.base = page + 1;
	expect_bad_bitmap(f, &bad);
	bad.base = space_last(f);
	expect_bad_bitmap(f, &bad);
	bad.base = UINT64_MAX;
	expect_bad_bitmap(f, &bad);
	assert_int_equal(word[0] | word[1], 0);
}

/* Legal, though none of its last bits stands for an address. */
static void a_bitmap_may_be_longer_than_all_addresses(struct fixture *f)
{
	uint64_t page = space_last(f) - granule(f) + 1, word = 0;
	struct iopgt_bitmap bitmap = {.words = &word,
	                              .base = page,
	                              .bits = UINT64_MAX,
	                              .page_shift = f->config.granule_shift};
	struct iopgt_op op = new_op(f);

	map(f, page, 0, granule(f), RW | IOPGT_CLEAN);
	write_page(f, page);
	expect(IOPGT_OK, iopgt_sync_dirty_log(f->table, page, granule(f), &bitmap, &op));
	assert_int_equal(le64toh(word), 1);
}

/* --- Output addresses --- */

static void the_last_output_address_can_be_mapped_and_none_behind_it(struct fixture *f)
{
	uint64_t end = UINT64_C(1) << f->config.output_bits, g = granule(f), first = space_first(f);
	const uint64_t behind[] = {end, end - g, 0 - g, UINT64_C(1) << 63};

	map(f, first, end - g, g, RW);
	expect_mapped(f, first, end - g, g);
	map(f, first + block(f), end - block(f), block(f), RW);
	expect_mapped(f, first + block(f), end - block(f), block(f));
	for (size_t i = 0; i < COUNT(behind); i++) {
		struct iopgt_mapping mapping =
			fixture_mapping(first + 4 * block(f), behind[i], 2 * g, RW);
		struct iopgt_op op = new_op(f);

		expect(IOPGT_BAD_OUTPUT, iopgt_map(f->table, &mapping, &op));
		expect_unmapped(f, first + 4 * block(f), 2 * g);
	}
}

/* In all kinds of spaces. */
#define EVERYWHERE(test)                                                                           \
	TEST_WITH(FIXTURE_GRANULES | FIXTURE_LEVELS, test, .domain = true),                        \
		TEST_WITH(FIXTURE_GRANULES, test, .domain = true,                                  \
	                  .config_flags = IOPGT_CONFIG_TTBR1),                                     \
		TEST_WITH(FIXTURE_GRANULES, test, .domain = true,                                  \
	                  .config_flags = IOPGT_CONFIG_TTBR1, .input_bits = 39),                   \
		TEST_WITH(0, test, .domain = true,                                                 \
	                  .config_flags = IOPGT_CONFIG_TTBR1 | IOPGT_CONFIG_LPA2,                  \
	                  .input_bits = 52, .output_bits = 52),                                    \
		TEST_WITH(0, test, .domain = true, .granule_shift = 16, .input_bits = 52,          \
	                  .output_bits = 52, .config_flags = IOPGT_CONFIG_TTBR1),                  \
		TEST_WITH(0, test, .domain = true, .regime = IOPGT_STAGE2, .input_bits = 40,       \
	                  .output_bits = 40),                                                      \
		TEST_WITH(0, test, .domain = true, .leaf_sizes = FIXTURE_ALL_LEAF_SIZES,           \
	                  .config_flags = IOPGT_CONFIG_TTBR1)

int main(void)
{
	const struct fixture_test tests[] = {
		EVERYWHERE(every_verb_works_at_the_last_granule),
		EVERYWHERE(every_verb_works_at_the_last_block),
		EVERYWHERE(every_verb_takes_all_of_the_space),
		EVERYWHERE(the_last_leaf_is_invalidated_whole),
		EVERYWHERE(single_addresses_at_the_ends_are_found),
		EVERYWHERE(ranges_that_are_empty_or_pass_the_end_are_refused),
		EVERYWHERE(bits_of_every_size_reach_the_last_page),
		EVERYWHERE(bits_from_zero_on_reach_the_last_page),
		EVERYWHERE(bitmaps_that_do_not_reach_the_range_are_refused),
		EVERYWHERE(a_bitmap_may_be_longer_than_all_addresses),
		EVERYWHERE(the_last_output_address_can_be_mapped_and_none_behind_it),
	};

	return FIXTURE_RUN(tests);
}
