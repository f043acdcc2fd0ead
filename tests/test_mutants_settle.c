/* SPDX-License-Identifier: BSD-2-Clause */
/* What is owed, and must be settled before something else is done. */
#include "fixture.h"

#define FIRST(f) (4 * block(f))

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

int main(void)
{
	const struct fixture_test tests[] = {
		TEST(FIXTURE_GRANULES | FIXTURE_STAGES, who_settles_a_table_invalidates_its_block),
		TEST(FIXTURE_GRANULES | FIXTURE_STAGES,
	             what_takes_the_place_of_a_page_is_seen_at_once),
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_STAGES,
	                  what_takes_the_place_of_a_page_is_seen_at_once,
	                  .host = {.hal_flags = IOPGT_HAL_LINEAR}),
	};

	return FIXTURE_RUN(tests);
}
