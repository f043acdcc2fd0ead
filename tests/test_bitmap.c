/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bitmaps of every shape, for every verb that takes one: against a reference
 * that sets and tests one bit at a time.
 */
#include <string.h>

#include "fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FIRST(f)     (4 * block(f))
#define SIZE(f)      (3 * block(f))

typedef int verb(struct iopgt_table *table, uint64_t iova, uint64_t size,
                 const struct iopgt_bitmap *bitmap, struct iopgt_op *op);

static verb *const verbs[] = {iopgt_sync_dirty_log, iopgt_clear_dirty_log,
                              iopgt_read_and_clear_dirty, iopgt_unmap_dirty};

/* --- Bitmaps that are refused --- */

static void expect_bad_bitmap(struct fixture *f, const struct iopgt_bitmap *bitmap)
{
	for (size_t i = 0; i < COUNT(verbs); i++) {
		struct iopgt_op op = new_op(f);

		expect(IOPGT_BAD_BITMAP,
		       verbs[i](f->table, 4 * block(f), 8 * granule(f), bitmap, &op));
		assert_null(op.gather.table);
		assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_DIRTY);
		assert_int_equal(count_bits(f), 0);
	}
}

static void bad_bitmaps_are_refused_and_nothing_is_changed(struct fixture *f)
{
	struct iopgt_bitmap good, bad;

	map(f, FIRST(f), 0, block(f), RW);
	good = *page_bitmap(f, FIRST(f), 8 * granule(f));
	bad = good;
	bad.words = NULL;
	expect_bad_bitmap(f, &bad);
	bad.words = (void *)((uintptr_t)good.words + 4);
	expect_bad_bitmap(f, &bad);
	bad = good;
	bad.page_shift = 64;
	expect_bad_bitmap(f, &bad);
	bad.page_shift = UINT32_MAX;
	expect_bad_bitmap(f, &bad);
	bad = good;
	bad.bits = 7;
	expect_bad_bitmap(f, &bad);
	bad.bits = 0;
	expect_bad_bitmap(f, &bad);
}

static void bitmaps_with_a_bad_base_are_refused(struct fixture *f)
{
	struct iopgt_bitmap good, bad;

	map(f, FIRST(f), 0, block(f), RW);
	good = *page_bitmap(f, FIRST(f) - granule(f), 16 * granule(f));
	bad = good;
	bad.base = FIRST(f) + granule(f); /* begins after the range */
	expect_bad_bitmap(f, &bad);
	bad.base = FIRST(f) - 9 * granule(f); /* ends before the range */
	expect_bad_bitmap(f, &bad);
	bad.base = UINT64_MAX - granule(f) + 1;
	expect_bad_bitmap(f, &bad);
	bad.base = FIRST(f) - granule(f) / 2; /* no multiple of the granule */
	expect_bad_bitmap(f, &bad);
	bad.page_shift = f->config.granule_shift + 3;
	expect_bad_bitmap(f, &bad);
	bad.page_shift = f->config.granule_shift - 3; /* nor of the bit */
	bad.base = FIRST(f) - granule(f) / 16;
	bad.bits = 16 * 8;
	expect_bad_bitmap(f, &bad);
}

static void a_null_bitmap_is_refused(struct fixture *f)
{
	map(f, FIRST(f), 0, granule(f), RW);
	for (size_t i = 0; i < COUNT(verbs); i++) {
		struct iopgt_op op = new_op(f);
		int error = verbs[i](f->table, FIRST(f), granule(f), NULL, &op);

		assert_true(error == IOPGT_BAD_BITMAP || error == IOPGT_BAD_ARGUMENT);
		assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_DIRTY);
	}
}

static void a_bitmap_may_end_beyond_the_space(struct fixture *f)
{
	uint64_t top = (UINT64_C(1) << 48) - granule(f), word = 0;
	struct iopgt_bitmap bitmap = {.words = &word, .base = 0, .bits = 64, .page_shift = 63};
	struct iopgt_op op = new_op(f);

	map(f, top, 0, granule(f), RW);
	expect(IOPGT_OK, iopgt_sync_dirty_log(f->table, top, granule(f), &bitmap, &op));
	assert_int_equal(pool_little_endian(word), 1);
	word = 0;
	bitmap = (struct iopgt_bitmap){&word, top, UINT64_C(1) << 60, f->config.granule_shift};
	expect(IOPGT_OK, iopgt_sync_dirty_log(f->table, top, granule(f), &bitmap, &op));
	assert_int_equal(pool_little_endian(word), 1);
	finish(f, &op);
}

static void tables_without_dirty_management_refuse(struct fixture *f)
{
	map(f, FIRST(f), 0, granule(f), RW);
	page_bitmap(f, FIRST(f), granule(f));
	for (size_t i = 0; i < COUNT(verbs); i++) {
		struct iopgt_op op = new_op(f);

		expect(IOPGT_NO_DIRTY, verbs[i](f->table, FIRST(f), granule(f), &f->bitmap, &op));
		assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_UNTRACKED);
	}
}

/* --- Bitmaps of every shape --- */

/* Pages; a block; pages, with a hole of half of them. */
static void map_mixture(struct fixture *f)
{
	uint64_t b = block(f);

	map(f, FIRST(f), granule(f), b, RW | IOPGT_CLEAN);
	map(f, FIRST(f) + b, 8 * b, b, RW | IOPGT_CLEAN);
	map(f, FIRST(f) + 2 * b, 12 * b + granule(f), b / 2, RW | IOPGT_CLEAN);
}

static void write_somewhere(struct fixture *f, struct random *random)
{
	uint64_t writes = random_below(random, 40);

	if (random_chance(random, 2))
		write_page(f, FIRST(f) + block(f));
	while (writes--) {
		uint64_t at = random_below(random, block(f) / 2);

		write_page(f, FIRST(f) + (random_chance(random, 2) ? 0 : 2 * block(f)) + at);
	}
}

/* A call's shape. */
struct shape {
	uint64_t iova, size, base, bits;
	unsigned shift;
};

static struct shape random_shape(struct fixture *f, struct random *random)
{
	uint64_t pages = SIZE(f) / granule(f), g = granule(f), before;
	uint64_t from = random_below(random, pages);
	uint64_t count = 1 + random_below(random, pages - from);
	struct shape shape = {.iova = FIRST(f) + from * g, .size = count * g};
	uint64_t unit;

	if (random_chance(random, 4)) {
		shape.iova = FIRST(f);
		shape.size = SIZE(f);
	}
	shape.shift = f->config.granule_shift - 2 + (unsigned)random_below(random, 14);
	unit = shape.shift < f->config.granule_shift ? UINT64_C(1) << shape.shift : g;
	before = unit * random_below(random, 200);
	shape.base = shape.iova - before;
	shape.bits = ((before + shape.size - 1) >> shape.shift) + 1 + random_below(random, 70);
	return shape;
}

static uint64_t first_bit(const struct shape *shape, uint64_t iova)
{
	return (iova - shape->base) >> shape->shift;
}

static bool page_is_dirty(struct fixture *f, uint64_t iova, struct walker_leaf *leaf)
{
	walker_translate(f->walkers[0], iova, leaf);
	return leaf->present && leaf->dirty == WALKER_WRITABLE_DIRTY;
}

/* The reference: or's into `words` what the dirty leaves in the range say. */
static void reference_read(struct fixture *f, const struct shape *shape, uint64_t *words)
{
	struct walker_leaf leaf;

	for (uint64_t at = shape->iova; at < shape->iova + shape->size; at += granule(f)) {
		uint64_t last = first_bit(shape, at + granule(f) - 1);

		if (!page_is_dirty(f, at, &leaf))
			continue;
		for (uint64_t bit = first_bit(shape, at); bit <= last; bit++)
			words[bit / 64] |= pool_little_endian(UINT64_C(1) << bit % 64);
	}
}

static void fill_randomly(struct iopgt_bitmap *bitmap, struct random *random)
{
	for (uint64_t i = 0; i < (bitmap->bits + 63) / 64; i++)
		bitmap->words[i] = random_next(random) & random_next(random) & random_next(random);
}

/* A bitmap of this shape, with random bits, and a copy of its words. */
static uint64_t *shaped_bitmap(struct fixture *f, const struct shape *shape, struct random *random)
{
	uint64_t *copy = test_calloc((shape->bits + 63) / 64, 8);

	fixture_bitmap(f, shape->base, shape->bits << shape->shift, shape->shift);
	f->bitmap.bits = shape->bits;
	fill_randomly(&f->bitmap, random);
	memcpy(copy, f->bitmap.words, (shape->bits + 63) / 64 * 8);
	return copy;
}

/* 128 pages, of which 64 share a word or not: at every offset of the first of their bits. */
static void pages_find_their_bits_at_any_offset(struct fixture *f)
{
	const uint64_t pages[] = {0, 3, 63, 64, 70, 127};

	map(f, FIRST(f), FIRST(f), SIZE(f), RW | IOPGT_CLEAN);
	unmap(f, FIRST(f), granule(f));
	map(f, FIRST(f), FIRST(f), granule(f), RW | IOPGT_CLEAN);
	for (size_t i = 0; i < COUNT(pages); i++)
		write_page(f, FIRST(f) + pages[i] * granule(f));
	for (uint64_t offset = 0; offset < 3 * 65; offset++) {
		struct iopgt_op op = new_op(f);

		fixture_bitmap(f, FIRST(f) - offset * granule(f), (offset + 128) * granule(f),
		               f->config.granule_shift);
		expect(IOPGT_OK,
		       iopgt_sync_dirty_log(f->table, FIRST(f), 128 * granule(f), &f->bitmap, &op));
		assert_int_equal(count_bits(f), COUNT(pages));
		for (size_t i = 0; i < COUNT(pages); i++)
			assert_true(bit_at(f, FIRST(f) + pages[i] * granule(f)));
	}
}

static struct random seeded(void)
{
	return (struct random){seed_from_environment("IOPGT_SEED", 1)};
}

#define ROUNDS 40

static void sync_sets_the_bits_of_the_reference(struct fixture *f)
{
	struct random random = seeded();

	map_mixture(f);
	for (int i = 0; i < ROUNDS; i++) {
		struct shape shape = random_shape(f, &random);
		uint64_t *want = shaped_bitmap(f, &shape, &random);
		struct iopgt_op op = new_op(f);

		write_somewhere(f, &random);
		reference_read(f, &shape, want);
		expect(IOPGT_OK,
		       iopgt_sync_dirty_log(f->table, shape.iova, shape.size, &f->bitmap, &op));
		finish(f, &op);
		assert_memory_equal(f->bitmap.words, want, (shape.bits + 63) / 64 * 8);
		take_dirty(f, FIRST(f), SIZE(f));
		test_free(want);
	}
}

/* Which leaves a verb has to clean: those wholly in the range, and given. */
static bool bits_all_set(const struct shape *shape, const uint64_t *words, uint64_t iova,
                         uint64_t size)
{
	uint64_t last = first_bit(shape, iova + size - 1);

	for (uint64_t bit = first_bit(shape, iova); bit <= last; bit++)
		if (!(pool_little_endian(words[bit / 64]) >> bit % 64 & 1))
			return false;
	return true;
}

/* Marks, a byte a page of the mixture, those that shall be dirty afterwards. */
static void reference_clear(struct fixture *f, const struct shape *shape, const uint64_t *words,
                            bool *dirty)
{
	uint64_t end = shape->iova + shape->size;
	struct walker_leaf leaf;

	for (uint64_t page = 0; page < SIZE(f) / granule(f); page++) {
		uint64_t at = FIRST(f) + page * granule(f), first;

		dirty[page] = page_is_dirty(f, at, &leaf);
		if (!dirty[page])
			continue;
		first = at & ~(leaf.size - 1);
		if (first < shape->iova || first + leaf.size > end)
			continue;
		if (!words || bits_all_set(shape, words, first, leaf.size))
			dirty[page] = false;
	}
}

static void expect_dirty_pages(struct fixture *f, const bool *dirty)
{
	struct walker_leaf leaf;

	for (uint64_t page = 0; page < SIZE(f) / granule(f); page++)
		assert_int_equal(page_is_dirty(f, FIRST(f) + page * granule(f), &leaf),
		                 dirty[page]);
}

static void read_and_clear_agrees_with_the_reference(struct fixture *f)
{
	struct random random = seeded();
	bool *dirty = test_calloc(SIZE(f) / granule(f), sizeof(*dirty));

	map_mixture(f);
	for (int i = 0; i < ROUNDS; i++) {
		struct shape shape = random_shape(f, &random);
		uint64_t *want = shaped_bitmap(f, &shape, &random);
		struct iopgt_op op = new_op(f);

		write_somewhere(f, &random);
		reference_read(f, &shape, want);
		reference_clear(f, &shape, NULL, dirty);
		expect(IOPGT_OK, iopgt_read_and_clear_dirty(f->table, shape.iova, shape.size,
		                                            &f->bitmap, &op));
		finish(f, &op);
		assert_memory_equal(f->bitmap.words, want, (shape.bits + 63) / 64 * 8);
		expect_dirty_pages(f, dirty);
		test_free(want);
	}
	test_free(dirty);
}

static void clear_agrees_with_the_reference(struct fixture *f)
{
	struct random random = seeded();
	bool *dirty = test_calloc(SIZE(f) / granule(f), sizeof(*dirty));

	map_mixture(f);
	for (int i = 0; i < ROUNDS; i++) {
		struct shape shape = random_shape(f, &random);
		uint64_t *want = shaped_bitmap(f, &shape, &random);
		struct iopgt_op op = new_op(f);

		if (random_chance(&random, 3)) { /* all given */
			memset(f->bitmap.words, 0xff, (shape.bits + 63) / 64 * 8);
			memset(want, 0xff, (shape.bits + 63) / 64 * 8);
		}
		write_somewhere(f, &random);
		reference_clear(f, &shape, want, dirty);
		expect(IOPGT_OK,
		       iopgt_clear_dirty_log(f->table, shape.iova, shape.size, &f->bitmap, &op));
		finish(f, &op);
		assert_memory_equal(f->bitmap.words, want, (shape.bits + 63) / 64 * 8);
		expect_dirty_pages(f, dirty);
		test_free(want);
	}
	test_free(dirty);
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_STAGES;
	const struct fixture_test tests[] = {
		TEST(FIXTURE_GRANULES, bad_bitmaps_are_refused_and_nothing_is_changed),
		TEST(FIXTURE_GRANULES, bitmaps_with_a_bad_base_are_refused),
		TEST(0, a_null_bitmap_is_refused),
		TEST(FIXTURE_GRANULES, a_bitmap_may_end_beyond_the_space),
		TEST_WITH(FIXTURE_REGIMES, tables_without_dirty_management_refuse,
	                  .dirty = FIXTURE_NO_DIRTY),
		TEST(FIXTURE_GRANULES, pages_find_their_bits_at_any_offset),
		TEST(all, sync_sets_the_bits_of_the_reference),
		TEST(all, read_and_clear_agrees_with_the_reference),
		TEST(all, clear_agrees_with_the_reference),
	};

	return FIXTURE_RUN(tests);
}
