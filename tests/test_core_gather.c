/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an op owes: which ranges are joined, when all takes their place, and what of it fails.
 * Found by tests/mutants/logic.py.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (12 * block(f))

static uint64_t page(const struct fixture *f, unsigned number)
{
	return FIRST(f) + number * granule(f);
}

static void map_pages(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f) + granule(f), 2 * block(f), RW | IOPGT_CLEAN);
}

static void take_page(struct fixture *f, unsigned number, struct iopgt_op *op)
{
	expect(IOPGT_OK, iopgt_unmap(f->table, page(f, number), granule(f), op));
}

/* --- What is joined --- */

/* Pages in falling order touch, too; what lies inside of the range is part of it. */
static void pages_that_touch_are_one_request(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_pages(f);
	for (unsigned i = 20; i > 10; i--)
		take_page(f, i, &op);
	expect(IOPGT_OK, iopgt_protect(f->table, page(f, 30), granule(f), IOPGT_READ, &op));
	finish(f, &op);
	assert_int_equal(op.stats.invalidations, 2);
	op = new_op(f);
	expect(IOPGT_OK, iopgt_protect(f->table, page(f, 40), 10 * granule(f), IOPGT_READ, &op));
	take_page(f, 44, &op);
	take_page(f, 49, &op);
	finish(f, &op);
	assert_int_equal(op.stats.invalidations, 1);
}

/* join_bytes of three pages: "at most this many bytes apart", in either order. */
static void ranges_are_joined_up_to_the_given_distance(struct fixture *f)
{
	map_pages(f);
	for (unsigned distance = 3; distance < 6; distance++)
		for (unsigned falls = 0; falls < 2; falls++) {
			unsigned at = 20 * distance + 200 * falls;
			struct iopgt_op op = new_op(f);

			take_page(f, falls ? at + distance : at, &op);
			take_page(f, falls ? at : at + distance, &op);
			finish(f, &op);
			assert_int_equal(op.stats.invalidations, distance - 1 <= 3 ? 1 : 2);
		}
}

/* Of several walkers the stricter limit counts, and none is no limit. */
static void the_stricter_of_two_walkers_counts(struct fixture *f)
{
	static const struct {
		uint32_t max_ranges[2];
		uint64_t join_bytes[2];
		uint32_t ranges, all; /* requests, if eight pages that do not touch are taken */
	} rows[] = {
		{{0, 0}, {0, 0}, 8, 0},
		{{0, 3}, {0, 0}, 3, 1},
		{{3, 0}, {0, 0}, 3, 1},
		{{4, 1}, {0, 0}, 1, 1},
		{{1, 4}, {1 << 30, 0}, 1, 1},
		{{5, 5}, {0, 1 << 30}, 5, 1},
		{{0, 0}, {1 << 30, 1 << 30}, 1, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct iopgt_tlb_ops tlb[2] = {f->domain_tlb, f->domain_tlb};
		struct iopgt_op op = new_op(f);

		for (unsigned w = 0; w < 2; w++) {
			expect(IOPGT_OK, iopgt_domain_detach(&f->domain, &f->domain_walkers[w]));
			walker_forget(f->walkers[w]);
			tlb[w].max_ranges = rows[i].max_ranges[w];
			tlb[w].join_bytes = rows[i].join_bytes[w];
			f->domain_walkers[w].tlb = &tlb[w];
		}
		for (unsigned w = 0; w < 2; w++)
			expect(IOPGT_OK, iopgt_domain_attach(&f->domain, &f->domain_walkers[w]));
		map_pages(f);
		host_log_clear(&f->host);
		for (unsigned n = 0; n < 8; n++)
			take_page(f, 4 * n, &op);
		finish(f, &op);
		/* To each walker; a request counts once. */
		assert_int_equal(event_count(f, HOST_RANGE), 2 * rows[i].ranges);
		assert_int_equal(event_count(f, HOST_ALL), 2 * rows[i].all);
		assert_int_equal(op.stats.invalidations, rows[i].ranges + rows[i].all);
		unmap(f, FIRST(f), 2 * block(f));
		for (unsigned w = 0; w < 2; w++)
			f->domain_walkers[w].tlb = &f->domain_tlb;
	}
}

/* max_ranges is of ranges between two waits, and a verb's own sync is one. */
static void ranges_are_counted_anew_after_a_sync(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_pages(f);
	take_page(f, 0, &op);
	take_page(f, 4, &op);
	op.flags |= IOPGT_OP_SYNC;
	expect(IOPGT_OK, iopgt_sync_dirty_log(f->table, FIRST(f), block(f),
	                                      page_bitmap(f, FIRST(f), block(f)), &op));
	take_page(f, 9, &op);
	host_log_clear(&f->host);
	finish(f, &op);
	assert_int_equal(event_count(f, HOST_ALL), 0);
	assert_int_equal(op.stats.invalidations, 3);
}

/* The configuration does not know; all walkers that are there do. */
static void a_walker_that_retries_is_enough(struct fixture *f)
{
	assert_false(iopgt_domain_capable(&f->domain, IOPGT_CAPABLE_SPLIT));
	walker_forget(f->walkers[0]);
	expect(IOPGT_OK, iopgt_domain_detach(&f->domain, &f->domain_walkers[0]));
	f->domain_walkers[0].flags |= IOPGT_WALKER_FAULTS_RETRIED;
	expect(IOPGT_OK, iopgt_domain_attach(&f->domain, &f->domain_walkers[0]));
	assert_true(iopgt_domain_capable(&f->domain, IOPGT_CAPABLE_SPLIT));
}

/* --- What fails --- */

/* One walker's host refuses a range: all is invalidated, in every walker. */
static void a_range_that_one_walker_does_not_take_is_lost_in_none(struct fixture *f)
{
	for (uint64_t nth = 1; nth <= f->walker_count; nth++) {
		struct iopgt_op op = new_op(f);

		map_pages(f);
		for (unsigned i = 0; i < f->walker_count; i++)
			assert_true(access_ok(f, i, page(f, 1), WALKER_WRITE));
		take_page(f, 1, &op);
		host_fail(&f->host, HOST_RANGE, nth, false);
		expect(IOPGT_OK, iopgt_op_finish(&op));
		host_fail_nothing(&f->host);
		for (unsigned i = 0; i < f->walker_count; i++)
			assert_false(access_ok(f, i, page(f, 1), WALKER_READ));
		assert_int_equal(op.stats.invalidations, 2);
		unmap(f, FIRST(f), 2 * block(f));
	}
}

/* Two ranges of which the first was refused: a verb's own sync owes all before it. */
static void a_sync_fails_if_what_it_owes_before_fails(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_pages(f);
	read_page(f, page(f, 1));
	host_fail(&f->host, HOST_RANGE, 1, false);
	take_page(f, 1, &op);
	take_page(f, 9, &op);
	host_fail_nothing(&f->host);
	op.flags |= IOPGT_OP_SYNC;
	host_fail(&f->host, HOST_ALL, 1, false);
	expect(HOST_ERROR, iopgt_sync_dirty_log(f->table, FIRST(f), block(f),
	                                        page_bitmap(f, FIRST(f), block(f)), &op));
	host_fail_nothing(&f->host);
	finish(f, &op);
	assert_false(access_ok(f, 0, page(f, 1), WALKER_READ));
}

/* Where phys_to_virt does not know an unlinked table, it is still owed. */
static void tables_that_are_not_found_stay_owed(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	size_t before = pool_in_use(f->host.pool), with_tables;

	map_pages(f);
	with_tables = pool_in_use(f->host.pool);
	expect(IOPGT_OK, iopgt_unmap(f->table, FIRST(f), 2 * block(f), &op));
	host_fail(&f->host, HOST_PHYS_TO_VIRT, 1, false);
	expect(IOPGT_BAD_TABLE, iopgt_op_finish(&op));
	host_fail_nothing(&f->host);
	assert_int_equal(pool_in_use(f->host.pool), with_tables);
	finish(f, &op);
	assert_true(pool_in_use(f->host.pool) < with_tables);
	expect(IOPGT_OK,
	       iopgt_trim(f->table, space_first(f), space_last(f) - space_first(f) + 1, &op));
	finish(f, &op);
	assert_int_equal(pool_in_use(f->host.pool), before);
}

/* --- Dirty bits of unlinked tables --- */

/* Another bitmap is waited for; the first one's bits are complete, and nothing is in its place. */
static void late_writes_belong_into_the_bitmap_of_their_call(struct fixture *f)
{
	static uint64_t words[2][64];
	const unsigned shift = f->config.granule_shift;
	const struct iopgt_bitmap first = {words[0], FIRST(f), 4096, shift};
	const struct iopgt_bitmap others[] = {
		{words[1], FIRST(f), 4096, shift},
		{words[0], FIRST(f) - 128 * granule(f), 4096, shift},
		{words[0], FIRST(f), 4096, shift + 2},
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct iopgt_op op = new_op(f);

		for (unsigned w = 0; w < 64; w++)
			words[0][w] = words[1][w] = 0;
		map_pages(f);
		read_page(f, page(f, 100));
		expect(IOPGT_OK, iopgt_unmap_dirty(f->table, FIRST(f), block(f), &first, &op));
		/* Through what walkers have cached. */
		write_page(f, page(f, 100));
		host_fail(&f->host, HOST_SYNC, 2, false);
		expect(HOST_ERROR,
		       iopgt_unmap_dirty(f->table, FIRST(f) + block(f), block(f), &others[i], &op));
		host_fail_nothing(&f->host);
		expect_mapped(f, FIRST(f) + block(f), PHYS(f) + granule(f) + block(f), block(f));
		expect(IOPGT_OK,
		       iopgt_unmap_dirty(f->table, FIRST(f) + block(f), block(f), &others[i], &op));
		finish(f, &op);
		for (unsigned n = 0; n < 4096; n++) {
			assert_int_equal(iopgt_bitmap_test(&first, page(f, n)), n == 100);
			assert_int_equal(words[1][n / 64], 0);
		}
	}
}

/* The same bitmap again costs no wait but that of the call itself. */
static void one_bitmap_for_many_calls_is_waited_for_once(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_pages(f);
	page_bitmap(f, FIRST(f), 2 * block(f));
	expect(IOPGT_OK, iopgt_unmap_dirty(f->table, FIRST(f), block(f), &f->bitmap, &op));
	host_log_clear(&f->host);
	expect(IOPGT_OK,
	       iopgt_unmap_dirty(f->table, FIRST(f) + block(f), block(f), &f->bitmap, &op));
	assert_int_equal(event_count(f, HOST_SYNC), 1);
	assert_int_equal(event_count(f, HOST_FREE), 0);
	finish(f, &op);
}

/* The word is the last before memory that nobody may touch. */
static void no_word_behind_a_bitmap_is_touched(struct fixture *f)
{
	size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *memory =
		mmap(NULL, 2 * bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t *word = (uint64_t *)(void *)(memory + bytes) - 1;
	const struct iopgt_bitmap bitmap = {word, FIRST(f) - 8 * granule(f), 64,
	                                    f->config.granule_shift};
	struct iopgt_op op = new_op(f);

	assert_true(memory != MAP_FAILED);
	assert_int_equal(mprotect(memory + bytes, bytes, PROT_NONE), 0);
	map(f, FIRST(f), PHYS(f) + granule(f), 56 * granule(f), RW);
	expect(IOPGT_OK, iopgt_sync_dirty_log(f->table, FIRST(f), 56 * granule(f), &bitmap, &op));
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(iopgt_bitmap_test(&bitmap, bitmap.base + i * granule(f)), i >= 8);
	munmap(memory, 2 * bytes);
}

/* --- What was refused --- */

static void what_was_refused_once_is_refused_again(struct fixture *f)
{
	struct iopgt_mapping mapping =
		fixture_mapping(FIRST(f), PHYS(f), granule(f), IOPGT_WRITE | IOPGT_EXECUTE);
	struct iopgt_op op = new_op(f);

	for (unsigned i = 0; i < 3; i++)
		expect(IOPGT_BAD_PROT, iopgt_map(f->table, &mapping, &op));
	assert_true(iopgt_all_leaf_sizes(NULL) == 0);
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST(FIXTURE_GRANULES, pages_that_touch_are_one_request),
		TEST_WITH(0, ranges_are_joined_up_to_the_given_distance,
	                  .host = {.join_bytes = 3 * 4096}),
		TEST_WITH(0, the_stricter_of_two_walkers_counts, .domain = true, .walkers = 2),
		TEST_WITH(0, a_range_that_one_walker_does_not_take_is_lost_in_none, .domain = true,
	                  .walkers = 3),
		TEST(0, a_sync_fails_if_what_it_owes_before_fails),
		TEST(FIXTURE_GRANULES, tables_that_are_not_found_stay_owed),
		TEST(0, late_writes_belong_into_the_bitmap_of_their_call),
		TEST(FIXTURE_GRANULES, one_bitmap_for_many_calls_is_waited_for_once),
		TEST_WITH(0, ranges_are_counted_anew_after_a_sync, .host = {.max_ranges = 2}),
		TEST_WITH(0, a_walker_that_retries_is_enough, .domain = true,
	                  .level = FIXTURE_LEVEL_0),
		TEST(FIXTURE_GRANULES, no_word_behind_a_bitmap_is_touched),
		TEST(0, what_was_refused_once_is_refused_again),
	};

	return FIXTURE_RUN(tests);
}
