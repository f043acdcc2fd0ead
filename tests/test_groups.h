/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For the tests of contiguous groups: every granule and level that has them, each
 * as a test case of its own, and what stands in memory, by raw descriptors.
 */
#ifndef TEST_GROUPS_H
#define TEST_GROUPS_H

#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"

#define BIT(n)       (UINT64_C(1) << (n))
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CONTIGUOUS   BIT(52)
#define SPACE        BIT(48)

/* A kind of group (D8.7.1, table D8-104), and the leaf sizes to test it with. */
struct shape {
	uint8_t granule_shift;
	uint8_t entry_shift;
	uint8_t group_shift;
	int8_t level;
	uint64_t leaf_sizes; /* the largest group size in it is this one */
};

#define SHAPES 7

static inline const struct shape *shape_number(size_t number)
{
	static const struct shape shapes[SHAPES] = {
		{12, 12, 16, 3, BIT(12) | BIT(16) | BIT(21)},
		{12, 21, 25, 2, BIT(12) | BIT(16) | BIT(21) | BIT(25) | BIT(30)},
		{12, 30, 34, 1, BIT(12) | BIT(16) | BIT(21) | BIT(25) | BIT(30) | BIT(34)},
		{14, 14, 21, 3, BIT(14) | BIT(21) | BIT(25)},
		{14, 25, 30, 2, BIT(14) | BIT(21) | BIT(25) | BIT(30)},
		{16, 16, 21, 3, BIT(16) | BIT(21) | BIT(29)},
		{16, 29, 34, 2, BIT(16) | BIT(21) | BIT(29) | BIT(34)},
	};

	return &shapes[number];
}

static inline const struct shape *shape(const struct fixture *f)
{
	for (size_t i = 0; i < SHAPES; i++)
		if (shape_number(i)->granule_shift == f->config.granule_shift &&
		    shape_number(i)->leaf_sizes == f->config.leaf_sizes)
			return shape_number(i);
	abort();
}

static inline uint64_t entry_bytes(const struct fixture *f)
{
	return BIT(shape(f)->entry_shift);
}

static inline uint64_t group_bytes(const struct fixture *f)
{
	return BIT(shape(f)->group_shift);
}

static inline unsigned entries(const struct fixture *f)
{
	return 1u << (shape(f)->group_shift - shape(f)->entry_shift);
}

/* What a whole table of such entries maps. */
static inline uint64_t upper_bytes(const struct fixture *f)
{
	return level_size(f, shape(f)->level - 1);
}

/* --- Where tests map: at a table's start, so that an output decides how --- */

static inline uint64_t group(const struct fixture *f, uint64_t number)
{
	return 4 * upper_bytes(f) + number * group_bytes(f);
}

static inline uint64_t entry(const struct fixture *f, uint64_t number)
{
	return group(f, 0) + number * entry_bytes(f);
}

/* Outputs of group 0: groups can be made, but no larger leaf ... */
static inline uint64_t phys_apart(const struct fixture *f)
{
	return 12 * upper_bytes(f) + group_bytes(f);
}

/* ... or a larger leaf too, where there is one. */
static inline uint64_t phys_alike(const struct fixture *f)
{
	return 12 * upper_bytes(f);
}

/* The output of an address, mapped by map_groups or map_singles. */
static inline uint64_t phys_of(const struct fixture *f, uint64_t iova)
{
	return phys_apart(f) + (iova - group(f, 0));
}

static inline void map_groups(struct fixture *f, unsigned count, uint32_t prot)
{
	map(f, group(f, 0), phys_apart(f), count * group_bytes(f), prot);
}

/* The same in single entries: no call maps a whole group. */
static inline void map_singles(struct fixture *f, unsigned groups, uint32_t prot)
{
	for (uint64_t at = 0; at < groups * group_bytes(f); at += entry_bytes(f)) {
		struct iopgt_mapping mapping =
			fixture_mapping(group(f, 0) + at, phys_apart(f) + at, entry_bytes(f), prot);
		struct iopgt_op op = new_op(f);

		expect(IOPGT_OK, iopgt_map(f->table, &mapping, &op));
		expect(IOPGT_OK, iopgt_op_finish(&op));
	}
	check(f);
}

/* --- What stands in memory --- */

/* The descriptor that ends the walk, valid or not. */
static inline struct walker_leaf look_at(struct fixture *f, uint64_t iova)
{
	struct walker_leaf leaf;

	walker_translate(f->walkers[0], iova, &leaf);
	return leaf;
}

static inline uint64_t raw(struct fixture *f, uint64_t iova)
{
	return look_at(f, iova).descriptor;
}

static inline void set_raw(struct fixture *f, uint64_t iova, uint64_t descriptor)
{
	uint64_t phys = look_at(f, iova).descriptor_phys;

	atomic_store(pool_word(f->host.pool, phys, false), pool_little_endian(descriptor));
}

static inline bool is_contiguous(struct fixture *f, uint64_t iova)
{
	return (raw(f, iova) & (CONTIGUOUS | 1)) == (CONTIGUOUS | 1);
}

/* DBM, and AP[2] clear or S2AP[1] set (D8.5). */
static inline bool is_dirty(struct fixture *f, uint64_t iova)
{
	uint64_t bits = raw(f, iova);
	bool writable = f->config.regime == IOPGT_STAGE2 ? bits & BIT(7) : !(bits & BIT(7));

	return bits & 1 && bits & BIT(51) && writable;
}

/* What a walker does to a writable-clean descriptor, at an entry of the test's choice. */
static inline void mark(struct fixture *f, uint64_t iova)
{
	_Atomic uint64_t *word = pool_word(f->host.pool, look_at(f, iova).descriptor_phys, false);

	assert_true(raw(f, iova) & BIT(51));
	if (f->config.regime == IOPGT_STAGE2)
		atomic_fetch_or(word, pool_little_endian(BIT(7)));
	else
		atomic_fetch_and(word, ~pool_little_endian(BIT(7)));
	assert_true(is_dirty(f, iova));
}

typedef bool entry_property(struct fixture *f, uint64_t iova);

static inline bool is_present(struct fixture *f, uint64_t iova)
{
	return look_at(f, iova).fault == WALKER_OK;
}

/* Of the entries of the group that begins at iova. */
static inline unsigned count_entries(struct fixture *f, uint64_t iova, entry_property *property)
{
	unsigned count = 0;

	for (unsigned i = 0; i < entries(f); i++)
		count += property(f, iova + i * entry_bytes(f));
	return count;
}

/* --- What is mapped --- */

static inline void expect_leaf(struct fixture *f, uint64_t iova, uint64_t size)
{
	struct iopgt_translation translation;

	expect(IOPGT_OK, iopgt_translate(f->table, iova, &translation));
	assert_int_equal(translation.leaf_size, size);
	assert_int_equal(translation.leaf_iova, iova & ~(size - 1));
	assert_int_equal(look_at(f, iova).level, translation.level);
}

/* The first and last byte of each entry-sized piece, as the oracle and the library see it. */
static inline void expect_output(struct fixture *f, uint64_t iova, uint64_t phys, uint64_t size)
{
	for (uint64_t at = 0; at < size; at += entry_bytes(f)) {
		const uint64_t ends[] = {at, at + entry_bytes(f) - 1};

		for (size_t i = 0; i < 2; i++) {
			struct iopgt_translation translation;

			assert_int_equal(look_at(f, iova + ends[i]).fault, WALKER_OK);
			assert_int_equal(look_at(f, iova + ends[i]).phys, phys + ends[i]);
			expect(IOPGT_OK, iopgt_translate(f->table, iova + ends[i], &translation));
			assert_int_equal(translation.phys, phys + ends[i]);
		}
	}
}

/* A group of this shape begins at iova, complete and aligned. */
static inline void expect_group(struct fixture *f, uint64_t iova, uint64_t phys)
{
	assert_int_equal(iova % group_bytes(f), 0);
	assert_int_equal(phys % group_bytes(f), 0);
	expect_output(f, iova, phys, group_bytes(f));
	for (unsigned i = 0; i < entries(f); i++) {
		uint64_t at = iova + i * entry_bytes(f);

		assert_int_equal(look_at(f, at).level, shape(f)->level);
		assert_true(is_contiguous(f, at));
		expect_leaf(f, at, group_bytes(f));
	}
}

/* Single entries of this shape's level; no note of the break-up stays (bit 55). */
static inline void expect_singles(struct fixture *f, uint64_t iova, uint64_t phys, uint64_t size)
{
	expect_output(f, iova, phys, size);
	for (uint64_t at = iova; at < iova + size; at += entry_bytes(f)) {
		assert_int_equal(look_at(f, at).level, shape(f)->level);
		assert_int_equal(raw(f, at) & (CONTIGUOUS | BIT(55)), 0);
		expect_leaf(f, at, entry_bytes(f));
	}
}

/* --- Dirty bits, one an entry --- */

static inline struct iopgt_bitmap *entry_bitmap(struct fixture *f, uint64_t iova, uint64_t size)
{
	return fixture_bitmap(f, iova, size, shape(f)->entry_shift);
}

static inline void look_at_dirty(struct fixture *f, uint64_t iova, uint64_t size)
{
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK,
	       iopgt_sync_dirty_log(f->table, iova, size, entry_bitmap(f, iova, size), &op));
	finish(f, &op);
}

static inline struct iopgt_stats take(struct fixture *f, uint64_t iova, uint64_t size)
{
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK,
	       iopgt_read_and_clear_dirty(f->table, iova, size, entry_bitmap(f, iova, size), &op));
	finish(f, &op);
	return op.stats;
}

/* --- Invalidations in the log --- */

static inline bool covers_entry(struct fixture *f, const struct host_event *event, uint64_t iova)
{
	const struct iopgt_invalidation *request = &event->request;

	if (event->failed)
		return false;
	if (event->call == HOST_ALL)
		return true;
	/* One operation for each entry: I_JQPNP of D8.17. */
	return event->call == HOST_RANGE && request->iova <= iova &&
	       request->size - 1 >= iova + entry_bytes(f) - 1 - request->iova &&
	       request->stride_shift <= shape(f)->entry_shift &&
	       (request->level == IOPGT_NO_LEVEL || request->level == shape(f)->level);
}

/* Every entry of the group was invalidated by events [from, to) of the log. */
static inline bool group_invalidated(struct fixture *f, uint64_t iova, uint64_t from, uint64_t to)
{
	struct host_event event;

	for (unsigned i = 0; i < entries(f); i++) {
		bool covered = false;

		for (uint64_t nth = from; nth < to && !covered; nth++)
			covered = host_event(&f->host, nth, &event) &&
			          covers_entry(f, &event, iova + i * entry_bytes(f));
		if (!covered)
			return false;
	}
	return true;
}

/* --- Running: each test over all shapes, or some of them --- */

enum groups_axis {
	GROUPS_OF_PAGES = 1 << 16, /* level 3 only */
	GROUPS_SMALL = 1 << 17,    /* not those of 16 GiB in 4-KiB pages: too many tables */
	GROUPS_IN_BLOCKS = 1 << 18 /* those that a whole block of the level above could replace */
};

static inline bool groups_skip(const struct shape *shape, uint32_t axes)
{
	bool in_block = shape->level == 3 || (shape->granule_shift == 12 && shape->level == 2);

	if (axes & GROUPS_OF_PAGES && shape->level != 3)
		return true;
	if (axes & GROUPS_IN_BLOCKS && !in_block)
		return true;
	return axes & GROUPS_SMALL && shape->level == 1;
}

/* Groups of 512 MiB blocks: whatever splits them takes many tables of 64 KiB. */
static inline bool groups_takes_long(const struct shape *shape)
{
	return shape->granule_shift == 16 && shape->level == 2;
}

/* all_shapes: with those that take long. */
static inline int groups_run(const char *file, const struct fixture_test *tests, size_t count,
                             bool all_shapes)
{
	struct fixture_test *all = calloc(count * SHAPES, sizeof(*all));
	char(*names)[160] = calloc(count * SHAPES, sizeof(*names));
	size_t total = 0;
	int failed;

	if (!all || !names)
		abort();
	for (size_t i = 0; i < count * SHAPES; i++) {
		const struct fixture_test *test = &tests[i / SHAPES];
		const struct shape *shape = shape_number(i % SHAPES);

		if (groups_skip(shape, test->axes) || (!all_shapes && groups_takes_long(shape)))
			continue;
		snprintf(names[total], sizeof(names[total]), "%s, %u entries at L%d of %u KiB",
		         test->name, 1u << (shape->group_shift - shape->entry_shift), shape->level,
		         1u << (shape->granule_shift - 10));
		all[total] = *test;
		all[total].name = names[total];
		all[total].options.granule_shift = shape->granule_shift;
		all[total].options.leaf_sizes = shape->leaf_sizes;
		all[total].options.host.arena_bytes = (size_t)256 << 20;
		total++;
	}
	failed = fixture_run(file, all, total);
	free(names);
	free(all);
	return failed != 0; /* a count would be taken modulo 256 */
}

#define GROUPS_RUN(tests) groups_run(__FILE__, tests, sizeof(tests) / sizeof((tests)[0]), true)
/* Of long_tests in CMakeLists.txt. */
#define GROUPS_RUN_SOME(tests)                                                                     \
	groups_run(__FILE__, tests, sizeof(tests) / sizeof((tests)[0]),                            \
	           getenv("IOPGT_TEST_LONG") != NULL)

#endif
