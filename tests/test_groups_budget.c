/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Budgets where groups are allowed. "Descriptors a call may touch [...] Each call
 * makes some progress, and may exceed it by one table, or by 64 where block sizes
 * change" (types.h), which is taken for: by the descriptors of one table, and those
 * that lead to it; by those of 64 tables in merge. Pieces do together what one
 * call does, and no piece looks at all again that came before it.
 */
#include "fixture.h"

#define BIT(n)       (UINT64_C(1) << (n))
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LEVELS       5 /* the most there are */

/* --- What is mapped, over whole last-level tables --- */

/* More than 64 in 4-KiB pages. */
static uint64_t tables_of(const struct fixture *f)
{
	return granule(f) == 4096 ? 72 : granule(f) == 16384 ? 6 : 3;
}

static uint64_t bytes_of(const struct fixture *f)
{
	return tables_of(f) * block(f);
}

/* In a 1-GiB area of 4-KiB pages, and over its end. */
static uint64_t first_of(const struct fixture *f)
{
	return level_size(f, 1) + level_size(f, 1) / 2 - 16 * block(f);
}

/* Without a look at the whole table each time. */
static void map_quickly(struct fixture *f, uint64_t at, uint64_t phys, uint64_t size)
{
	const struct iopgt_mapping mapping = fixture_mapping(first_of(f) + at, phys, size, RW);
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_map(f->table, &mapping, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

/* No two outputs continue each other: nothing can merge. */
static void map_scattered(struct fixture *f)
{
	for (uint64_t at = 0; at < bytes_of(f); at += 2 * granule(f))
		map_quickly(f, at, BIT(36) + 3 * at, granule(f));
}

/* Single pages that can become groups, but no blocks. */
static void map_groupable(struct fixture *f)
{
	for (uint64_t at = 0; at < bytes_of(f); at += granule(f))
		map_quickly(f, at, BIT(36) + group_size(f, 3) + at, granule(f));
}

/* Groups of pages. */
static void map_groups(struct fixture *f)
{
	map_quickly(f, 0, BIT(36) + group_size(f, 3), bytes_of(f));
}

/* Single pages that can become blocks, and groups of blocks. */
static void map_mergeable(struct fixture *f)
{
	for (uint64_t at = 0; at < bytes_of(f); at += granule(f))
		map_quickly(f, at, BIT(40) + first_of(f) + at, granule(f));
}

/* A page in each table, which then goes: the tables stay, empty. */
static void leave_empty(struct fixture *f)
{
	for (uint64_t at = 0; at < bytes_of(f); at += block(f)) {
		struct iopgt_op op = new_op(f);

		map_quickly(f, at + 7 * granule(f), BIT(36), granule(f));
		expect(IOPGT_OK,
		       iopgt_unmap(f->table, first_of(f) + at + 7 * granule(f), granule(f), &op));
		expect(IOPGT_OK, iopgt_op_finish(&op));
	}
}

typedef void layout_function(struct fixture *f);

static layout_function *const layouts[] = {map_scattered, map_groupable, map_groups, map_mergeable,
                                           leave_empty};

/* --- The verbs --- */

typedef int verb_function(struct fixture *f, uint64_t iova, uint64_t size, struct iopgt_op *op);

static int do_trim(struct fixture *f, uint64_t iova, uint64_t size, struct iopgt_op *op)
{
	return iopgt_trim(f->table, iova, size, op);
}

static int do_merge(struct fixture *f, uint64_t iova, uint64_t size, struct iopgt_op *op)
{
	return iopgt_merge_page(f->table, iova, size, op);
}

static int do_unmap(struct fixture *f, uint64_t iova, uint64_t size, struct iopgt_op *op)
{
	return iopgt_unmap(f->table, iova, size, op);
}

static int do_sync(struct fixture *f, uint64_t iova, uint64_t size, struct iopgt_op *op)
{
	return iopgt_sync_dirty_log(f->table, iova, size, &f->bitmap, op);
}

static int do_read_and_clear(struct fixture *f, uint64_t iova, uint64_t size, struct iopgt_op *op)
{
	return iopgt_read_and_clear_dirty(f->table, iova, size, &f->bitmap, op);
}

static int do_protect(struct fixture *f, uint64_t iova, uint64_t size, struct iopgt_op *op)
{
	return iopgt_protect(f->table, iova, size, IOPGT_READ, op);
}

/* --- Pieces --- */

static uint64_t most_of_a_call(const struct fixture *f, uint64_t budget, verb_function *verb)
{
	uint64_t table = granule(f) / 8;

	return budget + (verb == do_merge ? 64 : 1) * table + LEVELS;
}

static void in_pieces(struct fixture *f, verb_function *verb, struct iopgt_op *op)
{
	uint64_t at = first_of(f), end = at + bytes_of(f);
	int error;

	do {
		uint64_t before = op->stats.looked_at, looked_at;

		error = verb(f, at, end - at, op);
		looked_at = op->stats.looked_at - before;
		if (looked_at > most_of_a_call(f, op->budget, verb))
			print_error("%u descriptors of 0x%llx, with a budget of %u\n",
			            (unsigned)looked_at, (unsigned long long)at,
			            (unsigned)op->budget);
		assert_true(looked_at <= most_of_a_call(f, op->budget, verb));
		if (error == IOPGT_AGAIN) {
			assert_true(op->next > at && op->next < end);
			at = op->next;
		}
	} while (error == IOPGT_AGAIN);
	expect(IOPGT_OK, error);
	finish(f, op);
}

/* The same was done. */
static void expect_alike(const struct iopgt_op *whole, const struct iopgt_op *pieces)
{
	const struct iopgt_stats *a = &whole->stats, *b = &pieces->stats;

	assert_int_equal(a->unmapped, b->unmapped);
	assert_int_equal(a->dirty, b->dirty);
	assert_int_equal(a->cleaned, b->cleaned);
	assert_int_equal(a->merged, b->merged);
	assert_int_equal(a->grouped, b->grouped);
	assert_int_equal(a->ungrouped, b->ungrouped);
	assert_int_equal(a->left_unmerged, b->left_unmerged);
}

static uint64_t tables_in_use(const struct fixture *f)
{
	struct iopgt_table_usage usage;

	expect(IOPGT_OK, iopgt_table_stats(f->table, &usage));
	return usage.tables;
}

static void run_verb(struct fixture *f, verb_function *verb)
{
	const uint64_t budgets[] = {0, 64, 1, 3000};

	for (size_t i = 0; i < COUNT(layouts); i++) {
		struct iopgt_op whole = new_op(f);
		uint64_t tables = 0;

		print_message("# layout %zu\n", i);
		for (size_t j = 0; j < COUNT(budgets); j++) {
			struct iopgt_op op = new_op(f);

			layouts[i](f);
			page_bitmap(f, first_of(f), bytes_of(f));
			op.budget = budgets[j] ? budgets[j] : UINT64_MAX / 2;
			in_pieces(f, verb, &op);
			if (!budgets[j]) {
				whole = op;
				tables = tables_in_use(f);
			}
			expect_alike(&whole, &op);
			assert_int_equal(tables_in_use(f), tables);
			/* What came before is not looked at all again. */
			if (budgets[j] > 1)
				assert_true(op.stats.looked_at <= 3 * whole.stats.looked_at);
			unmap(f, 0, BIT(48));
		}
	}
}

static void trim_keeps_to_its_budget(struct fixture *f)
{
	run_verb(f, do_trim);
}

static void merge_keeps_to_its_budget(struct fixture *f)
{
	run_verb(f, do_merge);
}

static void unmap_keeps_to_its_budget(struct fixture *f)
{
	run_verb(f, do_unmap);
}

static void protect_keeps_to_its_budget(struct fixture *f)
{
	run_verb(f, do_protect);
}

static void a_dirty_read_keeps_to_its_budget(struct fixture *f)
{
	run_verb(f, do_sync);
}

static void a_clearing_read_keeps_to_its_budget(struct fixture *f)
{
	run_verb(f, do_read_and_clear);
}

#define ROWS(run)                                                                                  \
	TEST_WITH(FIXTURE_GRANULES, run, .leaf_sizes = FIXTURE_ALL_LEAF_SIZES), TEST(0, run)

int main(void)
{
	const struct fixture_test tests[] = {
		ROWS(trim_keeps_to_its_budget),         ROWS(merge_keeps_to_its_budget),
		ROWS(unmap_keeps_to_its_budget),        ROWS(protect_keeps_to_its_budget),
		ROWS(a_dirty_read_keeps_to_its_budget), ROWS(a_clearing_read_keeps_to_its_budget),
	};

	return FIXTURE_RUN(tests);
}
