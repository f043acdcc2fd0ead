/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dirty verbs over full tables that follow each other, in which marks are rare, dense, or
 * missing for stretches: what is looked for first, and for how long not, changes from 64 pages
 * to 64 pages and from table to table. And where a budget or a visitor ends a call among them.
 */
#include "random.h"
#include "test_raw.h"

#define TABLES   4
#define FIRST(f) (level_size(f, 1) - 2 * block(f)) /* in two tables of level 2 */
#define SIZE(f)  (TABLES * block(f))

struct row {
	struct fixture *f;
	struct random random;
	uint64_t count; /* pages */
	bool kept;      /* some are KEPT: then all are looked at by 64, and by both marks */
	bool *marked;
};

static uint64_t page_of(const struct fixture *f, uint64_t page)
{
	return FIRST(f) + page * granule(f);
}

enum stretch {
	CLEAN,
	RARE,
	DENSE,
	ALL,
	READ_ONLY,
	HOLES,
	KEPT, /* read-only since they were written */
	STRETCHES
};

static bool is_marked(struct row *row, enum stretch stretch)
{
	static const unsigned of_1000[STRETCHES] = {
		[RARE] = 10, [DENSE] = 300, [ALL] = 1000, [KEPT] = 20};

	return random_below(&row->random, 1000) < of_1000[stretch];
}

/* A stretch of some words: their pages, and then what a walker would have marked. */
static void fill_stretch(struct row *row, uint64_t first, uint64_t count)
{
	enum stretch stretch =
		(enum stretch)random_below(&row->random, row->kept ? KEPT + 1 : KEPT);
	struct fixture *f = row->f;
	struct raw raw = raw_of(f);

	if (stretch == HOLES)
		unmap(f, page_of(f, first), count * granule(f));
	if (stretch == READ_ONLY)
		protect(f, page_of(f, first), count * granule(f), IOPGT_READ);
	for (uint64_t page = first; page < first + count; page++) {
		row->marked[page] = is_marked(row, stretch);
		if (row->marked[page])
			raw_store(&raw, raw_slot(&raw, page_of(f, page), 3),
			          raw_at(&raw, page_of(f, page), 3) ^ RAW_BIT_7);
	}
	if (stretch == KEPT)
		protect(f, page_of(f, first), count * granule(f), IOPGT_READ);
}

/* All of them pages, since the output is aligned to no block. */
static struct row make_row(struct fixture *f, uint64_t seed)
{
	struct row row = {.f = f,
	                  .random = {seed_from_environment("IOPGT_SEED", seed)},
	                  .count = SIZE(f) / granule(f),
	                  .kept = seed % 3 == 0};
	uint64_t count;

	row.marked = test_calloc(row.count, sizeof(*row.marked));
	map(f, FIRST(f), granule(f), SIZE(f), RW | IOPGT_CLEAN);
	for (uint64_t page = 0; page < row.count; page += count) {
		count = 64 * (1 + random_below(&row.random, row.count / 256));
		if (count > row.count - page)
			count = row.count - page;
		fill_stretch(&row, page, count);
	}
	return row;
}

/* Not from the first page of a table, nor to the last of one. */
static const struct cut {
	unsigned before, after; /* pages */
} cuts[] = {{0, 0}, {3, 70}, {64, 1}};

struct call {
	uint64_t first, last; /* pages */
	uint64_t marked;
};

static struct call call_of(const struct row *row, size_t cut)
{
	struct call call = {cuts[cut].before, row->count - 1 - cuts[cut].after, 0};

	for (uint64_t page = call.first; page <= call.last; page++)
		call.marked += row->marked[page];
	return call;
}

static uint64_t call_iova(const struct row *row, const struct call *call)
{
	return page_of(row->f, call->first);
}

static uint64_t call_size(const struct row *row, const struct call *call)
{
	return (call->last - call->first + 1) * granule(row->f);
}

/* A bitmap that begins `pages` before the row, 2^more pages a bit. */
static void row_bitmap(struct row *row, unsigned pages, unsigned more)
{
	struct fixture *f = row->f;

	fixture_bitmap(f, FIRST(f) - pages * granule(f), SIZE(f) + 256 * granule(f),
	               f->config.granule_shift + more);
}

/* Of two pages to a bit both may be marked. */
static void expect_reported(struct row *row, const struct call *call, unsigned more)
{
	uint64_t group = UINT64_C(1) << more;

	for (uint64_t page = 0; page < row->count; page += group) {
		bool want = false;

		for (uint64_t at = page; at < page + group; at++)
			want |= at >= call->first && at <= call->last && row->marked[at];
		if (bit_at(row->f, page_of(row->f, page)) != want)
			fail_msg("page %llu: wanted %d", (unsigned long long)page, want);
	}
}

/* What is still marked, of all of the row. */
static void expect_left(struct row *row)
{
	const struct call all = {0, row->count - 1, 0};

	look_dirty(row->f, FIRST(row->f), SIZE(row->f));
	expect_reported(row, &all, 0);
}

static void end_row(struct row *row)
{
	unmap(row->f, FIRST(row->f), SIZE(row->f));
	test_free(row->marked);
}

static void each_mark_is_reported_once(struct fixture *f)
{
	static const unsigned before[] = {0, 64, 5};

	for (size_t i = 0; i < COUNT(cuts) * COUNT(before); i++) {
		struct row row = make_row(f, 1 + i);
		struct call call = call_of(&row, i % COUNT(cuts));
		struct iopgt_op op = new_op(f);

		row_bitmap(&row, before[i / COUNT(cuts)], 0);
		expect(IOPGT_OK, iopgt_sync_dirty_log(f->table, call_iova(&row, &call),
		                                      call_size(&row, &call), &f->bitmap, &op));
		expect_reported(&row, &call, 0);
		assert_int_equal(op.stats.dirty, call.marked);
		row_bitmap(&row, before[i / COUNT(cuts)], 0);
		expect(IOPGT_OK,
		       iopgt_read_and_clear_dirty(f->table, call_iova(&row, &call),
		                                  call_size(&row, &call), &f->bitmap, &op));
		finish(f, &op);
		expect_reported(&row, &call, 0);
		assert_int_equal(op.stats.dirty, 2 * call.marked);
		assert_int_equal(op.stats.cleaned, call.marked);
		for (uint64_t page = call.first; page <= call.last; page++)
			row.marked[page] = false;
		expect_left(&row);
		end_row(&row);
	}
}

static void two_pages_share_a_bit(struct fixture *f)
{
	for (size_t i = 0; i < COUNT(cuts); i++) {
		struct row row = make_row(f, 20 + i);
		struct call call = call_of(&row, i);
		struct iopgt_op op = new_op(f);

		row_bitmap(&row, 4, 1);
		expect(IOPGT_OK, iopgt_sync_dirty_log(f->table, call_iova(&row, &call),
		                                      call_size(&row, &call), &f->bitmap, &op));
		expect_reported(&row, &call, 1);
		assert_int_equal(op.stats.dirty, call.marked);
		end_row(&row);
	}
}

static void what_is_given_is_cleaned(struct fixture *f)
{
	for (size_t i = 0; i < COUNT(cuts); i++) {
		struct row row = make_row(f, 30 + i);
		struct call call = call_of(&row, i);
		struct iopgt_op op = new_op(f);
		uint64_t cleaned = 0;

		row_bitmap(&row, 0, 0);
		for (uint64_t page = 0; page < row.count; page++) {
			if (random_chance(&row.random, 2))
				continue;
			set_bits(f, page_of(f, page), granule(f));
			if (page < call.first || page > call.last)
				continue;
			cleaned += row.marked[page];
			row.marked[page] = false;
		}
		expect(IOPGT_OK, iopgt_clear_dirty_log(f->table, call_iova(&row, &call),
		                                       call_size(&row, &call), &f->bitmap, &op));
		finish(f, &op);
		assert_int_equal(op.stats.cleaned, cleaned);
		expect_left(&row);
		end_row(&row);
	}
}

/* Whole tables at once, or page by page of the last one: one entry is counted as often. */
static void each_entry_is_looked_at_once(struct fixture *f)
{
	uint64_t pages = block(f) / granule(f), before = 0;

	map(f, FIRST(f), granule(f), SIZE(f), RW | IOPGT_CLEAN);
	row_bitmap(&(struct row){.f = f}, 0, 0);
	for (uint64_t count = pages - 1; count <= TABLES * pages; count++) {
		struct iopgt_op op = new_op(f);

		if (count % pages > 1 && count % pages < pages - 1)
			continue;
		expect(IOPGT_OK, iopgt_sync_dirty_log(f->table, FIRST(f), count * granule(f),
		                                      &f->bitmap, &op));
		/* The first page of a table: going into it, and leaving it, too; or into two. */
		if (before && count % pages != pages - 1)
			assert_int_equal(op.stats.looked_at - before, count % pages != 1       ? 1
			                                              : count == 2 * pages + 1 ? 5
			                                                                       : 3);
		before = op.stats.looked_at;
	}
}

static int ignore_run(void *context, uint64_t iova, uint64_t size)
{
	(void)context;
	(void)iova;
	(void)size;
	return 0;
}

/* A visit takes entry after entry, whole tables or not. */
static void expect_the_pieces_of_a_visit(struct fixture *f, uint64_t budget)
{
	static const struct iopgt_dirty_visitor visitor = {ignore_run, NULL};
	uint64_t at = FIRST(f), end = FIRST(f) + SIZE(f);
	int error;

	do {
		struct iopgt_op op = {.budget = budget}, visit = {.budget = budget};

		error = iopgt_sync_dirty_log(f->table, at, end - at, &f->bitmap, &op);
		expect(error, iopgt_for_each_dirty(f->table, at, end - at, &visitor, &visit));
		assert_int_equal(op.next, visit.next);
		assert_int_equal(op.stats.looked_at, visit.stats.looked_at);
		at = op.next;
	} while (error == IOPGT_AGAIN);
	expect(IOPGT_OK, error);
	assert_int_equal(at, end);
}

/* Where about so many tables are within the budget, or one of their last pages is not. */
static void pieces_end_where_those_of_a_visit_do(struct fixture *f)
{
	uint64_t pages = block(f) / granule(f);

	map(f, FIRST(f), granule(f), SIZE(f), RW | IOPGT_CLEAN);
	row_bitmap(&(struct row){.f = f}, 0, 0);
	for (unsigned tables = 1; tables <= TABLES; tables++)
		for (unsigned more = 0; more <= 3 * TABLES; more++)
			expect_the_pieces_of_a_visit(f, tables * pages + more);
}

static int stop_at_once(void *context, uint64_t iova, uint64_t size)
{
	struct iopgt_mapping *run = context;

	assert_int_equal(run->size, 0);
	run->iova = iova;
	run->size = size;
	return 1;
}

/* The tables behind the stop are not looked at: what is to come first is there still. */
static void a_stopped_visit_goes_on_at_the_next_run(struct fixture *f)
{
	const uint64_t step = block(f) / granule(f) / 4 + 1, pages = SIZE(f) / granule(f);
	struct raw raw = raw_of(f);
	uint64_t at = FIRST(f);

	map(f, FIRST(f), granule(f), SIZE(f), RW | IOPGT_CLEAN);
	for (uint64_t page = 0; page < pages; page += step)
		raw_store(&raw, raw_slot(&raw, page_of(f, page), 3),
		          raw_at(&raw, page_of(f, page), 3) ^ RAW_BIT_7);
	for (uint64_t page = 0; page < pages; page += step) {
		struct iopgt_mapping run = {0};
		const struct iopgt_dirty_visitor visitor = {stop_at_once, &run};
		struct iopgt_op op = {.flags = IOPGT_OP_CLEAR};

		expect(1,
		       iopgt_for_each_dirty(f->table, at, FIRST(f) + SIZE(f) - at, &visitor, &op));
		finish(f, &op);
		assert_int_equal(run.iova, page_of(f, page));
		assert_int_equal(run.size, granule(f));
		at = op.next;
		assert_int_equal(at, page + step < pages ? page_of(f, page + step)
		                                         : FIRST(f) + SIZE(f));
	}
}

static const struct fixture_test tests[] = {
	TEST(FIXTURE_GRANULES | FIXTURE_STAGES, each_mark_is_reported_once),
	TEST_WITH(FIXTURE_GRANULES, each_mark_is_reported_once, .host.hal_flags = IOPGT_HAL_LINEAR),
	TEST(FIXTURE_GRANULES | FIXTURE_STAGES, two_pages_share_a_bit),
	TEST(FIXTURE_GRANULES | FIXTURE_STAGES, what_is_given_is_cleaned),
	TEST(FIXTURE_GRANULES, each_entry_is_looked_at_once),
	TEST(FIXTURE_GRANULES | FIXTURE_STAGES, a_stopped_visit_goes_on_at_the_next_run),
	TEST(FIXTURE_GRANULES, pieces_end_where_those_of_a_visit_do),
};

int main(void)
{
	return FIXTURE_RUN(tests);
}
