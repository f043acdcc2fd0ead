/* SPDX-License-Identifier: BSD-2-Clause */
/* What is owed, and must be settled before something else is done. */
#include "fixture.h"

#define FIRST(f)  (4 * block(f))
#define MIDDLE(f) (5 * block(f))

/* No longer the block's range: the table is settled. */
static void expect_invalidated_alone(struct fixture *f)
{
	int64_t at = event_index(f, HOST_RANGE, 0);
	struct host_event event;

	assert_true(at >= 0 && host_event(&f->host, (uint64_t)at, &event));
	assert_int_equal(event.request.size, granule(f));
}

/* Only then may pages be cleaned alone: no walker has the block any more. */
static void who_settles_a_table_invalidates_its_block(struct fixture *f)
{
	struct iopgt_op failed = new_op(f), settles = new_op(f);
	uint64_t page = FIRST(f) + 5 * granule(f);

	map(f, FIRST(f), 0, block(f), RW | IOPGT_CLEAN);
	write_page(f, page); /* cached dirty */
	host_fail(&f->host, HOST_SYNC, 1, false);
	expect(HOST_ERROR, iopgt_split_block(f->table, FIRST(f), block(f), &failed));
	host_fail_nothing(&f->host);
	expect_level(f, page, 3);
	expect(IOPGT_OK, iopgt_split_block(f->table, FIRST(f), block(f), &settles));
	expect(IOPGT_OK, iopgt_op_finish(&settles));
	host_log_clear(&f->host);
	take_dirty(f, page, granule(f));
	expect_invalidated_alone(f);
	write_page(f, page);
	look_dirty(f, page, granule(f));
	assert_true(bit_at(f, page));
	finish(f, &failed);
}

/* One op unmaps a page and maps another one in its place. */
static void what_takes_the_place_of_a_page_is_seen_at_once(struct fixture *f)
{
	struct iopgt_mapping mapping =
		fixture_mapping(FIRST(f), 2 * granule(f), granule(f), RW | IOPGT_CLEAN);
	struct walker_result result;
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), 0, granule(f), RW | IOPGT_CLEAN);
	map(f, FIRST(f) + granule(f), granule(f), granule(f), RW | IOPGT_CLEAN);
	read_page(f, FIRST(f));
	expect(IOPGT_OK, iopgt_unmap(f->table, FIRST(f), granule(f), &op));
	expect(IOPGT_OK, iopgt_map(f->table, &mapping, &op));
	walker_access(f->walkers[0], FIRST(f), WALKER_READ, &result);
	assert_int_equal(result.fault, WALKER_OK);
	assert_int_equal(result.phys, 2 * granule(f));
	finish(f, &op);
}

/* --- Between other tables of pages, all of which are scanned together --- */

static void track(struct fixture *f, uint32_t policy)
{
	const struct iopgt_tracking how = {.policy = policy};
	struct iopgt_op op = new_op(f);

	op.flags |= IOPGT_OP_NO_SPLIT;
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, true, &how, &op));
	finish(f, &op);
}

/* A split whose last wait fails: its pages are dirty, and a walker has the block. */
static void split_in_vain(struct fixture *f, struct iopgt_op *failed)
{
	write_page(f, MIDDLE(f));
	host_fail(&f->host, HOST_SYNC, f->bbm_level == 1 ? 2 : 1, false);
	expect(HOST_ERROR, iopgt_split_block(f->table, FIRST(f), 3 * block(f), failed));
	host_fail_nothing(&f->host);
	expect_level(f, MIDDLE(f), 3);
	assert_true(f->bbm_level == 1 || walker_caches_iova(f->walkers[0], MIDDLE(f)));
}

static void expect_first_request(struct fixture *f, uint64_t size)
{
	struct host_event event;
	int64_t at = event_index(f, HOST_RANGE, 0);

	assert_true(at >= 0 && host_event(&f->host, (uint64_t)at, &event));
	assert_int_equal(event.request.size, size);
}

static void expect_nothing_is_lost(struct fixture *f, uint32_t policy)
{
	struct iopgt_op failed = new_op(f);

	track(f, IOPGT_SPLIT_NONE);
	map(f, FIRST(f), granule(f), block(f), RW);
	map(f, MIDDLE(f), 0, block(f), RW);
	map(f, MIDDLE(f) + block(f), granule(f), block(f), RW);
	track(f, policy);
	expect_level(f, MIDDLE(f), 2);
	split_in_vain(f, &failed);
	host_log_clear(&f->host);
	take_dirty(f, FIRST(f), 3 * block(f));
	expect_only_bits(f, MIDDLE(f), block(f));
	expect_first_request(f, block(f));
	write_page(f, MIDDLE(f));
	look_dirty(f, FIRST(f), 3 * block(f));
	expect_only_bits(f, MIDDLE(f), granule(f));
	/* Who splits settles the table; who does not leaves the note for the next scan. */
	host_log_clear(&f->host);
	take_dirty(f, FIRST(f), 3 * block(f));
	expect_first_request(f, policy == IOPGT_SPLIT_NONE ? block(f) : granule(f));
	finish(f, &failed);
	unmap(f, FIRST(f), 3 * block(f));
}

static void a_scan_of_tables_in_a_row_invalidates_the_block_of_one(struct fixture *f)
{
	expect_nothing_is_lost(f, IOPGT_SPLIT_NONE);
	expect_nothing_is_lost(f, IOPGT_SPLIT_EAGER);
	expect_nothing_is_lost(f, IOPGT_SPLIT_ADAPTIVE);
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST(FIXTURE_GRANULES | FIXTURE_STAGES, who_settles_a_table_invalidates_its_block),
		TEST(FIXTURE_GRANULES | FIXTURE_STAGES,
	             what_takes_the_place_of_a_page_is_seen_at_once),
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_STAGES,
	                  what_takes_the_place_of_a_page_is_seen_at_once,
	                  .host = {.hal_flags = IOPGT_HAL_LINEAR}),
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_STAGES,
	                  a_scan_of_tables_in_a_row_invalidates_the_block_of_one, .domain = true),
		TEST_WITH(FIXTURE_GRANULES, a_scan_of_tables_in_a_row_invalidates_the_block_of_one,
	                  .domain = true, .level = FIXTURE_LEVEL_1),
	};

	return FIXTURE_RUN(tests);
}
