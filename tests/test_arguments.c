/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What table.h says for all verbs that take a range and an op: bad arguments
 * are refused, each with its code, before anything is touched.
 */
#include "fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FIRST(f)     (4 * block(f))
#define SPACE        (UINT64_C(1) << 48)

static uint64_t no_words[1 << 12];
/* Large enough for every range below. */
static const struct iopgt_bitmap bitmap = {.words = no_words, .bits = 1 << 18, .page_shift = 63};

static int never_mapping(void *context, const struct iopgt_mapping *run)
{
	(void)context;
	(void)run;
	return 0;
}

static int never_dirty(void *context, uint64_t iova, uint64_t size)
{
	(void)context;
	(void)iova;
	(void)size;
	return 0;
}

static void never_line(void *context, const char *text)
{
	(void)context;
	(void)text;
}

static const struct iopgt_mapping_visitor mappings = {never_mapping, NULL};
static const struct iopgt_dirty_visitor dirty = {never_dirty, NULL};
static const struct iopgt_writer writer = {never_line, NULL};

/* --- All verbs alike --- */

typedef int verb(struct iopgt_table *table, uint64_t iova, uint64_t size, struct iopgt_op *op);

static int do_map(struct iopgt_table *table, uint64_t iova, uint64_t size, struct iopgt_op *op)
{
	struct iopgt_mapping mapping = fixture_mapping(iova, 0, size, RW);

	return iopgt_map(table, &mapping, op);
}

static int do_protect(struct iopgt_table *table, uint64_t iova, uint64_t size, struct iopgt_op *op)
{
	return iopgt_protect(table, iova, size, IOPGT_READ, op);
}

static int do_unmap_dirty(struct iopgt_table *table, uint64_t iova, uint64_t size,
                          struct iopgt_op *op)
{
	return iopgt_unmap_dirty(table, iova, size, &bitmap, op);
}

static int do_visit(struct iopgt_table *table, uint64_t iova, uint64_t size, struct iopgt_op *op)
{
	return iopgt_for_each_mapping(table, iova, size, &mappings, op);
}

static int do_dump(struct iopgt_table *table, uint64_t iova, uint64_t size, struct iopgt_op *op)
{
	return iopgt_dump(table, iova, size, &writer, op);
}

static int do_sync(struct iopgt_table *table, uint64_t iova, uint64_t size, struct iopgt_op *op)
{
	return iopgt_sync_dirty_log(table, iova, size, &bitmap, op);
}

static int do_clear(struct iopgt_table *table, uint64_t iova, uint64_t size, struct iopgt_op *op)
{
	return iopgt_clear_dirty_log(table, iova, size, &bitmap, op);
}

static int do_read_and_clear(struct iopgt_table *table, uint64_t iova, uint64_t size,
                             struct iopgt_op *op)
{
	return iopgt_read_and_clear_dirty(table, iova, size, &bitmap, op);
}

static int do_visit_dirty(struct iopgt_table *table, uint64_t iova, uint64_t size,
                          struct iopgt_op *op)
{
	return iopgt_for_each_dirty(table, iova, size, &dirty, op);
}

static const struct {
	const char *name;
	verb *run;
} verbs[] = {
	{"map", do_map},
	{"unmap", iopgt_unmap},
	{"unmap_dirty", do_unmap_dirty},
	{"protect", do_protect},
	{"for_each_mapping", do_visit},
	{"dump", do_dump},
	{"trim", iopgt_trim},
	{"split_block", iopgt_split_block},
	{"merge_page", iopgt_merge_page},
	{"sync_dirty_log", do_sync},
	{"clear_dirty_log", do_clear},
	{"read_and_clear_dirty", do_read_and_clear},
	{"for_each_dirty", do_visit_dirty},
};

/* --- Nothing is touched --- */

/* A block, and a page of which a walker has written. */
static void map_some(struct fixture *f)
{
	map(f, FIRST(f), 8 * block(f), block(f), RW | IOPGT_CLEAN);
	map(f, FIRST(f) + block(f), 0, granule(f), RW | IOPGT_CLEAN);
	write_page(f, FIRST(f) + block(f));
	host_log_clear(&f->host);
}

static void expect_untouched(struct fixture *f)
{
	assert_int_equal(host_logged(&f->host), 0);
	assert_int_equal(no_words[0], 0);
	expect_level(f, FIRST(f), 2);
	assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_CLEAN);
	assert_int_equal(state_at(f, FIRST(f) + block(f)), IOPGT_LEAF_DIRTY);
	expect_unmapped(f, FIRST(f) + block(f) + granule(f), granule(f));
	check(f);
}

static void expect_code(int want, int got, const char *name)
{
	if (got != want)
		print_error("%s: ", name);
	expect(want, got);
}

static void expect_range_refused(struct fixture *f, int want, uint64_t iova, uint64_t size)
{
	for (size_t i = 0; i < COUNT(verbs); i++) {
		struct iopgt_op op = new_op(f);

		expect_code(want, verbs[i].run(f->table, iova, size, &op), verbs[i].name);
		assert_null(op.gather.table);
	}
	expect_untouched(f);
}

static void misaligned_ranges_are_refused(struct fixture *f)
{
	uint64_t g = granule(f);

	map_some(f);
	expect_range_refused(f, IOPGT_BAD_ALIGNMENT, FIRST(f) + 1, g);
	expect_range_refused(f, IOPGT_BAD_ALIGNMENT, FIRST(f) + g / 2, g);
	expect_range_refused(f, IOPGT_BAD_ALIGNMENT, FIRST(f), 1);
	expect_range_refused(f, IOPGT_BAD_ALIGNMENT, FIRST(f), g + g / 2);
	expect_range_refused(f, IOPGT_BAD_ALIGNMENT, FIRST(f), block(f) - 1);
}

static void ranges_outside_of_the_space_are_refused(struct fixture *f)
{
	uint64_t g = granule(f);

	map_some(f);
	expect_range_refused(f, IOPGT_BAD_RANGE, FIRST(f), 0);
	expect_range_refused(f, IOPGT_BAD_RANGE, SPACE, g);
	expect_range_refused(f, IOPGT_BAD_RANGE, SPACE - g, 2 * g);
	expect_range_refused(f, IOPGT_BAD_RANGE, g, SPACE);
	expect_range_refused(f, IOPGT_BAD_RANGE, 0 - g, g);
	expect_range_refused(f, IOPGT_BAD_RANGE, 0 - g, 2 * g);
	expect_range_refused(f, IOPGT_BAD_RANGE, FIRST(f), 0 - g);
	expect_range_refused(f, IOPGT_BAD_RANGE, FIRST(f), 0 - FIRST(f));
	expect_range_refused(f, IOPGT_BAD_RANGE, UINT64_C(1) << 63, UINT64_C(1) << 63);
}

static void null_pointers_are_refused(struct fixture *f)
{
	map_some(f);
	for (size_t i = 0; i < COUNT(verbs); i++) {
		struct iopgt_op op = new_op(f);

		expect_code(IOPGT_BAD_ARGUMENT, verbs[i].run(NULL, FIRST(f), granule(f), &op),
		            verbs[i].name);
		expect_code(IOPGT_BAD_ARGUMENT, verbs[i].run(f->table, FIRST(f), granule(f), NULL),
		            verbs[i].name);
	}
	expect_untouched(f);
}

static void unknown_flags_are_refused(struct fixture *f)
{
	map_some(f);
	for (unsigned bit = 0; bit < 32; bit++) {
		if (IOPGT_OP_ALL_FLAGS & 1u << bit)
			continue;
		for (size_t i = 0; i < COUNT(verbs); i++) {
			struct iopgt_op op = {.flags = 1u << bit};

			expect_code(IOPGT_BAD_FLAGS,
			            verbs[i].run(f->table, FIRST(f), granule(f), &op),
			            verbs[i].name);
		}
	}
	expect_untouched(f);
}

/* An op that owes a second table something. */
static void another_tables_op_is_refused(struct fixture *f)
{
	struct iopgt_table other;
	struct iopgt_op op = new_op(f);
	struct iopgt_mapping mapping = fixture_mapping(0, 0, granule(f), RW);

	map_some(f);
	expect(IOPGT_OK, iopgt_init(&other, &f->config, &f->hal, &f->host));
	expect(IOPGT_OK, iopgt_map(&other, &mapping, &op));
	expect(IOPGT_OK, iopgt_unmap(&other, 0, granule(f), &op));
	assert_ptr_equal(op.gather.table, &other);
	host_log_clear(&f->host);
	for (size_t i = 0; i < COUNT(verbs); i++)
		expect_code(IOPGT_WRONG_OP, verbs[i].run(f->table, FIRST(f), granule(f), &op),
		            verbs[i].name);
	expect_untouched(f);
	expect(IOPGT_OK, iopgt_op_finish(&op));
	assert_null(op.gather.table);
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (verbs[i].run != do_map)
			expect_code(IOPGT_OK, verbs[i].run(f->table, SPACE / 2, granule(f), &op),
			            verbs[i].name);
	expect(IOPGT_OK, iopgt_op_finish(&op));
	expect(IOPGT_OK, iopgt_fini(&other));
}

static void every_verb_takes_the_whole_space(struct fixture *f)
{
	for (size_t i = 0; i < COUNT(verbs); i++) {
		struct iopgt_op op = new_op(f);

		if (verbs[i].run == do_map)
			continue;
		map(f, FIRST(f), 8 * block(f), block(f), RW);
		map(f, SPACE - granule(f), 0, granule(f), RW);
		expect_code(IOPGT_OK, verbs[i].run(f->table, 0, SPACE, &op), verbs[i].name);
		finish(f, &op);
		unmap(f, 0, SPACE);
	}
	no_words[0] = 0;
}

/* Counts only grow, and the caller may zero them. */
static void stats_are_added_to(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	uint64_t looked_at;

	expect(IOPGT_OK, do_map(f->table, 0, granule(f), &op));
	expect(IOPGT_OK, do_map(f->table, granule(f), granule(f), &op));
	assert_int_equal(op.stats.mapped, 2);
	looked_at = op.stats.looked_at;
	expect(IOPGT_OK, iopgt_unmap(f->table, 0, 3 * granule(f), &op));
	assert_int_equal(op.stats.mapped, 2);
	assert_int_equal(op.stats.unmapped, 2);
	assert_int_equal(op.stats.holes, 1);
	assert_true(op.stats.looked_at > looked_at);
	finish(f, &op);
	assert_int_equal(op.stats.waits, 1);
	op.stats = (struct iopgt_stats){0};
	expect(IOPGT_OK, iopgt_unmap(f->table, 0, granule(f), &op));
	assert_int_equal(op.stats.holes, 1);
	assert_int_equal(op.stats.unmapped, 0);
	finish(f, &op);
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_REGIMES;
	const struct fixture_test tests[] = {
		TEST(all, misaligned_ranges_are_refused),
		TEST(all, ranges_outside_of_the_space_are_refused),
		TEST(FIXTURE_REGIMES, null_pointers_are_refused),
		TEST(FIXTURE_REGIMES, unknown_flags_are_refused),
		TEST(FIXTURE_REGIMES, another_tables_op_is_refused),
		TEST(all | FIXTURE_LEVELS, every_verb_takes_the_whole_space),
		TEST(all, stats_are_added_to),
	};

	return FIXTURE_RUN(tests);
}
