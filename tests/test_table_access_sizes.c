/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IOPGT_CONFIG_TABLE_ACCESS_FLAG where leaves change size: dirty blocks that
 * become pages, tables that become blocks, and those that are put back.
 */
#include "test_table_access.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (8 * block(f))

/* Two blocks of clean pages and a clean block, all in tables that are skipped. */
static void map_quiet(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f) + granule(f), 2 * block(f), RW | IOPGT_CLEAN);
	map(f, FIRST(f) + 2 * block(f), PHYS(f) + 2 * block(f), block(f), RW | IOPGT_CLEAN);
	quiet_down(f);
	assert_true(is_skipped(f, FIRST(f)));
}

/* --- Split --- */

static void a_dirty_block_that_is_split(struct fixture *f)
{
	uint64_t iova = FIRST(f) + 2 * block(f);

	map_quiet(f);
	write_page(f, iova);
	split(f, iova, block(f));
	expect_level(f, iova, 3);
	expect_all_reported(f);
	expect_reported_once(f, iova + block(f) - granule(f));
	write_page(f, iova + granule(f));
	expect_reported_once(f, iova + granule(f));
}

/* Only a part is unmapped or protected, so the block becomes pages on the way. */
static void a_dirty_block_that_is_cut(struct fixture *f)
{
	uint64_t iova = FIRST(f) + 2 * block(f);

	map_quiet(f);
	write_page(f, iova);
	unmap(f, iova, granule(f));
	expect_all_reported(f);
	protect(f, iova + granule(f), granule(f), IOPGT_READ);
	expect_all_reported(f);
	expect_reported_once(f, iova + 2 * granule(f));
}

/* --- Merged --- */

static void dirty_pages_that_are_merged(struct fixture *f)
{
	uint64_t iova = FIRST(f) + 2 * block(f);

	map_quiet(f);
	split(f, iova, block(f));
	quiet_down(f);
	write_page(f, iova + 3 * granule(f));
	merge(f, iova, block(f));
	expect_level(f, iova, 2);
	expect_reported_once(f, iova);
}

/* A walker marks a page of the old table until the wait is over, or the new block. */
static void write_in_merge(struct fixture *f, enum host_call call, bool done)
{
	(void)call;
	(void)done;
	access_ok(f, 0, FIRST(f) + 2 * block(f) + 3 * granule(f), WALKER_WRITE);
}

static void pages_that_turn_dirty_while_they_are_merged(struct fixture *f)
{
	uint64_t iova = FIRST(f) + 2 * block(f);

	map_quiet(f);
	split(f, iova, block(f));
	quiet_down(f);
	/* The page is cached, clean: its mark needs no walk. */
	read_page(f, iova + 3 * granule(f));
	f->hook = write_in_merge;
	merge(f, iova, block(f));
	f->hook = NULL;
	expect_reported_once(f, iova);
}

/* The wait for a merge fails: the table is put back, with what walkers did to the block. */
static void expect_put_back(struct fixture *f, uint64_t iova, uint64_t size)
{
	static const enum host_call calls[] = {HOST_SYNC, HOST_RANGE, HOST_ALL};
	uint64_t page = FIRST(f) + 2 * block(f) + 3 * granule(f);

	for (unsigned i = 0; i < 9; i++) {
		struct iopgt_op op = new_op(f);

		quiet_down(f);
		if (i % 2)
			read_page(f, page);
		f->hook = write_in_merge;
		host_fail(&f->host, calls[i % 3], 1 + i / 3, i % 3 == 1);
		iopgt_merge_page(f->table, iova, size, &op);
		f->hook = NULL;
		host_fail_nothing(&f->host);
		finish(f, &op);
		expect_all_reported(f);
		/* By now it was marked, whatever became of the merge. */
		write_page(f, page);
		expect_reported_once(f, page);
		split(f, FIRST(f) + 2 * block(f), block(f));
	}
}

static void a_merge_that_is_put_back(struct fixture *f)
{
	uint64_t iova = FIRST(f) + 2 * block(f);

	map_quiet(f);
	split(f, iova, block(f));
	expect_put_back(f, iova, block(f));
}

/* Tables of two levels become one block, or do not. */
static void a_merge_of_two_levels_that_is_put_back(struct fixture *f)
{
	uint64_t size = level_size(f, 1);

	map(f, 0, size, size, RW | IOPGT_CLEAN);
	expect_level(f, 0, 1);
	split(f, FIRST(f) + 2 * block(f), block(f));
	expect_put_back(f, 0, size);
}

/* --- Contiguous groups --- */

static void groups_are_found_like_pages(struct fixture *f)
{
	uint64_t size = group_size(f, 3);

	map(f, FIRST(f), PHYS(f), size, RW | IOPGT_CLEAN);
	map(f, FIRST(f) + block(f), PHYS(f) + granule(f), granule(f), RW | IOPGT_CLEAN);
	quiet_down(f);
	write_page(f, FIRST(f) + size - granule(f));
	expect_reported_once(f, FIRST(f));
	write_page(f, FIRST(f) + granule(f));
	protect(f, FIRST(f), granule(f), IOPGT_READ);
	expect_all_reported(f);
	round_of_all(f);
	quiet_down(f);
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_STAGES;
	const uint32_t live = all | FIXTURE_LEVELS;
	const struct fixture_test tests[] = {
		TEST_WITH(live, a_dirty_block_that_is_split, .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(live, a_dirty_block_that_is_cut, .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(live, dirty_pages_that_are_merged, .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(live, pages_that_turn_dirty_while_they_are_merged,
	                  .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(live, a_merge_that_is_put_back, .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(FIXTURE_STAGES | FIXTURE_LEVELS, a_merge_of_two_levels_that_is_put_back,
	                  .walks = FIXTURE_TABLE_ACCESS),
		TEST_WITH(live, groups_are_found_like_pages, .walks = FIXTURE_TABLE_ACCESS,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
	};

	return FIXTURE_RUN(tests);
}
