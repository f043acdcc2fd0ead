/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_tables_needed: against the allocations that were counted. */
#include "fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SPACE        (UINT64_C(1) << 48)

struct range {
	uint64_t iova, size;
};

/* In granules, blocks and tables, on and across borders. */
static size_t ranges(struct fixture *f, struct range *out)
{
	const uint64_t g = granule(f), b = block(f), t = level_size(f, 1);
	const struct range all[] = {
		{0, g},         {b - g, 2 * g},     {b, b},         {b - g, b + 2 * g},
		{t - g, 2 * g}, {t - b - g, 2 * b}, {SPACE - g, g}, {3 * b + g, 4 * b},
		{t - b, 2 * b}, {0, 2 * b},         {5 * g, 3 * g}, {SPACE - b - g, b + g},
	};

	for (size_t i = 0; i < COUNT(all); i++)
		out[i] = all[i];
	return COUNT(all);
}

static uint64_t needed(struct fixture *f, const struct range *range)
{
	uint64_t tables = 0;

	expect(IOPGT_OK, iopgt_tables_needed(f->table, range->iova, range->size, &tables));
	return tables;
}

static void map_pages(struct fixture *f, const struct range *range)
{
	map(f, range->iova, range->iova % block(f) + granule(f), range->size, RW);
}

/* What a map takes when it is given no blocks. */
static void the_bound_is_exact_for_pages_in_an_empty_table(struct fixture *f)
{
	struct range range[16];
	size_t count = ranges(f, range);

	for (size_t i = 0; i < count; i++) {
		size_t before = pool_in_use(f->host.pool);
		uint64_t bound = needed(f, &range[i]);

		map_pages(f, &range[i]);
		assert_int_equal(pool_in_use(f->host.pool) - before, bound);
		unmap(f, 0, SPACE);
	}
}

static void the_bound_holds_for_mappings_with_blocks(struct fixture *f)
{
	struct range range[16];
	size_t count = ranges(f, range);

	for (size_t i = 0; i < count; i++) {
		uint64_t bound = needed(f, &range[i]), before = host_calls(&f->host, HOST_ALLOC);

		map(f, range[i].iova, range[i].iova, range[i].size, RW);
		assert_true(host_calls(&f->host, HOST_ALLOC) - before <= bound);
		unmap(f, 0, SPACE);
	}
}

static void the_bound_holds_for_splits(struct fixture *f)
{
	struct range range[16];
	size_t count = ranges(f, range);

	for (size_t i = 0; i < count; i++) {
		uint64_t first = range[i].iova & ~(block(f) - 1), before;
		uint64_t last = (range[i].iova + range[i].size - 1) | (block(f) - 1);

		map(f, first, first, last - first + 1, RW);
		before = host_calls(&f->host, HOST_ALLOC);
		split(f, range[i].iova, range[i].size);
		assert_true(host_calls(&f->host, HOST_ALLOC) - before <= needed(f, &range[i]));
		unmap(f, 0, SPACE);
	}
}

static void the_bound_holds_for_a_gibibyte(struct fixture *f)
{
	struct range range = {UINT64_C(1) << 30, UINT64_C(1) << 30};
	uint64_t before;

	map(f, range.iova, 0, range.size, RW);
	before = host_calls(&f->host, HOST_ALLOC);
	split(f, range.iova, range.size);
	assert_int_equal(host_calls(&f->host, HOST_ALLOC) - before, 513);
	assert_true(needed(f, &range) >= 513);
}

static void reserving_the_bound_is_enough(struct fixture *f)
{
	struct range range[16];
	size_t count = ranges(f, range);

	for (size_t i = 0; i < count; i++) {
		host_fail(&f->host, HOST_ALLOC, needed(f, &range[i]) + 1, true);
		map_pages(f, &range[i]);
		host_fail_nothing(&f->host);
		unmap(f, 0, SPACE);
	}
}

static void bad_ranges_are_refused(struct fixture *f)
{
	uint64_t tables = 0, g = granule(f);

	expect(IOPGT_BAD_ARGUMENT, iopgt_tables_needed(NULL, 0, g, &tables));
	expect(IOPGT_BAD_ARGUMENT, iopgt_tables_needed(f->table, 0, g, NULL));
	expect(IOPGT_BAD_ALIGNMENT, iopgt_tables_needed(f->table, 1, g, &tables));
	expect(IOPGT_BAD_ALIGNMENT, iopgt_tables_needed(f->table, 0, g + 1, &tables));
	expect(IOPGT_BAD_RANGE, iopgt_tables_needed(f->table, 0, 0, &tables));
	expect(IOPGT_BAD_RANGE, iopgt_tables_needed(f->table, SPACE, g, &tables));
	expect(IOPGT_BAD_RANGE, iopgt_tables_needed(f->table, g, SPACE, &tables));
	expect(IOPGT_BAD_RANGE, iopgt_tables_needed(f->table, 0 - g, g, &tables));
	expect(IOPGT_OK, iopgt_tables_needed(f->table, 0, SPACE, &tables));
	assert_true(tables > SPACE / block(f));
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_REGIMES;
	const struct fixture_test tests[] = {
		TEST(all, the_bound_is_exact_for_pages_in_an_empty_table),
		TEST(all, the_bound_holds_for_mappings_with_blocks),
		TEST(all, the_bound_holds_for_splits),
		TEST(FIXTURE_STAGES | FIXTURE_LEVELS, the_bound_holds_for_a_gibibyte),
		TEST(all, reserving_the_bound_is_enough),
		TEST(FIXTURE_GRANULES, bad_ranges_are_refused),
	};

	return FIXTURE_RUN(tests);
}
