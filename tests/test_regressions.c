/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults that a review or the random streams found, each as the shortest
 * sequence that showed it.
 */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define GIB     (UINT64_C(1) << 30)
#define AT(f)   (4 * block(f))
#define PHYS(f) (12 * block(f))

static uint64_t tables(const struct fixture *f)
{
	struct iopgt_table_usage usage;

	assert_int_equal(iopgt_table_stats(f->table, &usage), IOPGT_OK);
	return usage.tables;
}

/* --- The host's cleaning --- */

/* Where the first entry is taken, none is to be cleaned. */
static void nothing_is_cleaned_where_nothing_is_mapped(struct fixture *f)
{
	struct iopgt_mapping mapping = fixture_mapping(AT(f), PHYS(f), granule(f), RW);
	struct iopgt_op op = new_op(f);

	fixture_map(f, &mapping);
	expect(IOPGT_EXISTS, iopgt_map(f->table, &mapping, &op));
	finish(f, &op);
}

/* --- The harvest of unmap_dirty --- */

/* The split's own wait completed the op, and with it forgot the bitmap. */
static void unmap_dirty_goes_on_harvesting_after_a_split(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	uint64_t b = block(f), pages = AT(f) + b, written = pages + 5 * granule(f);

	map(f, AT(f), PHYS(f), b, RW | IOPGT_CLEAN);
	map(f, pages, PHYS(f) + 8 * b + granule(f), b, RW | IOPGT_CLEAN);
	write_page(f, written);
	page_bitmap(f, AT(f), 2 * b);
	expect(IOPGT_OK, iopgt_unmap_dirty(f->table, AT(f) + b / 2, b + b / 2, &f->bitmap, &op));
	finish(f, &op);
	expect_only_bits(f, written, granule(f));
}

/* Tables that a plain unmap left in the same op have no place in the bitmap. */
static void plain_unmaps_in_the_op_are_not_harvested(struct fixture *f)
{
	uint64_t b = block(f), elsewhere = AT(f) + 64 * b;

	for (int first_dirty = 0; first_dirty < 2; first_dirty++) {
		struct iopgt_op op = new_op(f);

		map(f, AT(f), PHYS(f) + granule(f), b, RW | IOPGT_CLEAN);
		map(f, elsewhere, PHYS(f) + 40 * b + granule(f), b, RW);
		page_bitmap(f, AT(f), b);
		if (!first_dirty)
			expect(IOPGT_OK, iopgt_unmap(f->table, elsewhere, b, &op));
		expect(IOPGT_OK, iopgt_unmap_dirty(f->table, AT(f), b, &f->bitmap, &op));
		if (first_dirty)
			expect(IOPGT_OK, iopgt_unmap(f->table, elsewhere, b, &op));
		finish(f, &op);
		assert_int_equal(count_bits(f), 0);
	}
}

/* --- What may still be cached --- */

/*
 * Two splits, one inside the other, whose waits failed. Who cleans a third
 * place must cover the outer block, even if it passed through the inner table.
 */
static void cleaning_covers_the_outer_of_two_unsettled_blocks(struct fixture *f)
{
	struct iopgt_op outer = new_op(f), inner = new_op(f), op = new_op(f);
	uint64_t b = block(f), at = 4 * GIB, victim = at + 3 * b;
	uint64_t from = at + b + granule(f), size = at + 4 * b - from;

	map(f, at, 8 * GIB, GIB, RW | IOPGT_CLEAN);
	write_page(f, victim);
	host_fail(&f->host, HOST_SYNC, 1, false);
	expect(HOST_ERROR, iopgt_unmap(f->table, at, granule(f), &outer));
	host_fail(&f->host, HOST_SYNC, 1, false);
	expect(HOST_ERROR, iopgt_unmap(f->table, at + b, granule(f), &inner));
	host_fail_nothing(&f->host);
	page_bitmap(f, from, size);
	set_bits(f, victim, b);
	expect(IOPGT_OK, iopgt_clear_dirty_log(f->table, from, size, &f->bitmap, &op));
	finish(f, &op);
	write_page(f, victim);
	look_dirty(f, victim, b);
	assert_true(bit_at(f, victim));
	finish(f, &outer);
	finish(f, &inner);
}

static void write_through_the_new_block(struct fixture *f, enum host_call call, bool done)
{
	bool *written = f->hook_context;

	(void)done;
	if (call == HOST_SYNC && !*written) {
		*written = true;
		write_page(f, AT(f));
	}
}

/* A merge that was taken back leaves its block in a cache: who cleans must cover it. */
static void cleaning_covers_the_block_of_a_failed_merge(struct fixture *f)
{
	struct iopgt_op merging = new_op(f), op = new_op(f);
	bool written = false;

	map(f, AT(f), PHYS(f), block(f), RW | IOPGT_CLEAN);
	split(f, AT(f), block(f));
	f->hook = write_through_the_new_block;
	f->hook_context = &written;
	host_fail(&f->host, HOST_SYNC, 1, false);
	expect(HOST_ERROR, iopgt_merge_page(f->table, AT(f), block(f), &merging));
	f->hook = NULL;
	host_fail_nothing(&f->host);
	page_bitmap(f, AT(f), block(f));
	expect(IOPGT_OK, iopgt_read_and_clear_dirty(f->table, AT(f), block(f), &f->bitmap, &op));
	finish(f, &op);
	write_page(f, AT(f) + 9 * granule(f));
	look_dirty(f, AT(f), block(f));
	assert_true(bit_at(f, AT(f) + 9 * granule(f)));
	finish(f, &merging);
}

/* A sync that fails in one op voids what another had posted: that one asks again. */
static void a_failed_sync_of_one_op_is_known_to_the_others(struct fixture *f)
{
	struct iopgt_op first = new_op(f), second = new_op(f);
	uint64_t far = AT(f) + 64 * block(f);

	map(f, AT(f), PHYS(f) + granule(f), block(f), RW);
	map(f, far, PHYS(f) + 64 * block(f) + granule(f), 3 * block(f), RW);
	read_page(f, far);
	/* The second range makes the first be posted. */
	expect(IOPGT_OK, iopgt_unmap(f->table, far, block(f), &first));
	expect(IOPGT_OK, iopgt_unmap(f->table, far + 2 * block(f), block(f), &first));
	page_bitmap(f, AT(f), block(f));
	host_fail(&f->host, HOST_SYNC, 1, false);
	expect(HOST_ERROR, iopgt_unmap_dirty(f->table, AT(f), block(f), &f->bitmap, &second));
	host_fail_nothing(&f->host);
	finish(f, &first);
	assert_false(access_ok(f, 0, far, WALKER_READ));
	finish(f, &second);
}

/* --- Cleaning beside unmap --- */

#define RACE_PAGES  64
#define RACE_ROUNDS 20000

struct race {
	struct fixture *f;
	atomic_bool stop;
};

static void *clean_all_the_time(void *context)
{
	struct race *race = context;
	static uint64_t words[RACE_PAGES / 64];
	struct iopgt_bitmap bitmap = {
		.words = words, .base = AT(race->f), .bits = RACE_PAGES, .page_shift = 12};

	while (!atomic_load(&race->stop)) {
		struct iopgt_op op = {0};

		(void)iopgt_read_and_clear_dirty(race->f->table, AT(race->f), RACE_PAGES << 12,
		                                 &bitmap, &op);
		(void)iopgt_op_finish(&op);
	}
	return NULL;
}

static void cleaning_never_writes_into_an_entry_that_was_unmapped(struct fixture *f)
{
	struct race race = {.f = f};
	pthread_t thread;

	/* So that the table stays. */
	map(f, AT(f) + 100 * granule(f), 0, granule(f), RW);
	assert_int_equal(pthread_create(&thread, NULL, clean_all_the_time, &race), 0);
	for (unsigned round = 0; round < RACE_ROUNDS; round++) {
		struct iopgt_op op = new_op(f);
		struct iopgt_mapping m = fixture_mapping(AT(f), PHYS(f), RACE_PAGES << 12, RW);
		struct walker_leaf leaf;

		expect(IOPGT_OK, iopgt_map(f->table, &m, &op));
		/* Meets the reader at another place of its pass each time. */
		for (volatile unsigned i = 0; i < round % 64 * 20; i++) {
		}
		expect(IOPGT_OK, iopgt_unmap(f->table, AT(f), RACE_PAGES << 12, &op));
		expect(IOPGT_OK, iopgt_op_finish(&op));
		for (uint64_t i = 0; i < RACE_PAGES; i++) {
			walker_translate(f->walkers[0], AT(f) + i * granule(f), &leaf);
			assert_int_equal(leaf.descriptor, 0);
		}
	}
	atomic_store(&race.stop, true);
	pthread_join(thread, NULL);
	check(f);
}

/* --- Tables --- */

static void leave_an_empty_table(struct fixture *f, uint64_t iova)
{
	map(f, iova + 7 * granule(f), 7 * granule(f), granule(f), RW);
	unmap(f, iova + 7 * granule(f), granule(f));
}

static void map_replaces_empty_tables_under_several_upper_ones(struct fixture *f)
{
	leave_an_empty_table(f, 0);
	leave_an_empty_table(f, GIB);
	map(f, 0, 4 * GIB, GIB + block(f), RW);
	expect_level(f, 0, 1);
	expect_level(f, GIB, 2);
}

/* The upper table went with the empty ones below it, and map went on in it. */
static void map_does_not_trim_the_table_that_it_is_in(struct fixture *f)
{
	uint64_t upper = level_size(f, 1), phys = 3 * upper + block(f);

	leave_an_empty_table(f, 4 * upper);
	leave_an_empty_table(f, 5 * upper - block(f));
	map(f, 4 * upper, phys, upper, RW);
	for (uint64_t at = 0; at < upper; at += block(f)) {
		expect_level(f, 4 * upper + at, 2);
		assert_int_equal(leaf_at(f, 4 * upper + at).phys, phys + at);
	}
	unmap(f, 0, UINT64_C(1) << 48);
	assert_int_equal(tables(f), 1);
}

/* What the op still owes at a place is completed before it is mapped again. */
static void map_after_unmap_in_one_op_is_seen_at_once(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	struct iopgt_mapping m = fixture_mapping(AT(f), 40 * block(f), block(f), RW);
	struct walker_result result;

	map(f, AT(f), PHYS(f) + granule(f), block(f), RW);
	read_page(f, AT(f)); /* cached, with the way to it */
	expect(IOPGT_OK, iopgt_unmap(f->table, AT(f), block(f), &op));
	expect(IOPGT_OK, iopgt_map(f->table, &m, &op));
	assert_int_equal(walker_access(f->walkers[0], AT(f), WALKER_READ, &result), WALKER_OK);
	assert_int_equal(result.phys, 40 * block(f));
	finish(f, &op);
}

/*
 * The same for pages, one by one: what is owed is joined to what was owed before, or is
 * all of the table already.
 */
static void map_after_unmaps_in_one_op_is_seen_at_once(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	struct walker_result result;

	map(f, AT(f), PHYS(f), block(f), RW);
	split(f, AT(f), block(f));
	for (unsigned page = 0; page < 8; page++) {
		uint64_t at = AT(f) + (page < 4 ? page : 2 * page) * granule(f);
		struct iopgt_mapping m = fixture_mapping(at, 40 * block(f), granule(f), RW);

		read_page(f, at);
		expect(IOPGT_OK, iopgt_unmap(f->table, at, granule(f), &op));
		if (page != 2 && page != 7)
			continue;
		expect(IOPGT_OK, iopgt_map(f->table, &m, &op));
		assert_int_equal(walker_access(f->walkers[0], at, WALKER_READ, &result), WALKER_OK);
		assert_int_equal(result.phys, 40 * block(f));
	}
	finish(f, &op);
}

/* Empty tables go, the same in pieces as at once. */
static void trim_in_pieces_takes_upper_tables_too(struct fixture *f)
{
	uint64_t left[2];

	for (unsigned piecewise = 0; piecewise < 2; piecewise++) {
		struct iopgt_op op = new_op(f);
		uint64_t at = 4 * GIB, end = 5 * GIB;
		int error;

		for (unsigned i = 0; i < 4; i++)
			leave_an_empty_table(f, at + i * block(f));
		op.budget = piecewise ? 100 : 0;
		while ((error = iopgt_trim(f->table, at, end - at, &op)) == IOPGT_AGAIN)
			at = op.next;
		expect(IOPGT_OK, error);
		finish(f, &op);
		left[piecewise] = tables(f);
	}
	assert_int_equal(left[0], left[1]);
}

/* What a merge in pieces went over is no part of an unmap that begins where it stopped. */
static void a_sequence_is_continued_by_its_own_verb_only(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	uint64_t before;

	map(f, 4 * GIB + block(f), 8 * GIB + granule(f), block(f), RW);
	before = tables(f);
	op.budget = 1;
	expect(IOPGT_AGAIN, iopgt_merge_page(f->table, 4 * GIB, GIB, &op));
	op.budget = 0;
	expect(IOPGT_OK, iopgt_unmap(f->table, op.next, 5 * GIB - op.next, &op));
	finish(f, &op);
	/* The last-level table went, the one above began before the range. */
	assert_int_equal(tables(f), before - 1);
}

/* --- A table at physical address 0 --- */

struct tiny_host {
	_Alignas(4096) unsigned char memory[5][4096];
	unsigned given, freed;
};

static const unsigned tiny_order[] = {1, 2, 3, 0, 4};

static void *tiny_alloc(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys)
{
	struct tiny_host *host = context;
	unsigned page = tiny_order[host->given++];

	(void)flags;
	*phys = (uint64_t)page << 12;
	return memset(host->memory[page], 0, bytes);
}

static void tiny_free(void *context, void *table, uint64_t phys, uint32_t bytes)
{
	struct tiny_host *host = context;

	(void)table;
	(void)phys;
	(void)bytes;
	host->freed++;
}

static void *tiny_virt(void *context, uint64_t phys, uint32_t bytes)
{
	struct tiny_host *host = context;

	(void)bytes;
	return host->memory[phys >> 12];
}

static int tiny_range(void *context, const struct iopgt_invalidation *request)
{
	(void)context;
	(void)request;
	return 0;
}

static int tiny_nothing(void *context)
{
	(void)context;
	return 0;
}

static void a_table_at_physical_address_0_is_harvested_and_freed(struct fixture *f)
{
	static struct tiny_host host;
	const struct iopgt_hal hal = {
		.alloc_table = tiny_alloc,
		.free_table = tiny_free,
		.phys_to_virt = tiny_virt,
		.tlb = {.invalidate_range = tiny_range,
	                .invalidate_all = tiny_nothing,
	                .sync = tiny_nothing},
	};
	struct iopgt_mapping m = fixture_mapping(0, 1 << 20, 1 << 21, RW);
	struct iopgt_table table;
	struct iopgt_op op = {0};

	host = (struct tiny_host){.given = 0};
	expect(IOPGT_OK, iopgt_init(&table, &f->config, &hal, &host));
	expect(IOPGT_OK, iopgt_map(&table, &m, &op)); /* the last-level table is the one at 0 */
	page_bitmap(f, 0, 1 << 21);
	expect(IOPGT_OK, iopgt_unmap_dirty(&table, 0, 1 << 21, &f->bitmap, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	assert_int_equal(host.freed, 1);
	assert_int_equal(count_bits(f), 512);
	expect(IOPGT_OK, iopgt_fini(&table));
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST(FIXTURE_GRANULES | FIXTURE_LEVELS,
	             unmap_dirty_goes_on_harvesting_after_a_split),
		TEST(FIXTURE_GRANULES, plain_unmaps_in_the_op_are_not_harvested),
		TEST(0, cleaning_covers_the_outer_of_two_unsettled_blocks),
		TEST(FIXTURE_GRANULES, cleaning_covers_the_block_of_a_failed_merge),
		TEST(FIXTURE_GRANULES, a_failed_sync_of_one_op_is_known_to_the_others),
		TEST(0, cleaning_never_writes_into_an_entry_that_was_unmapped),
		TEST(0, map_replaces_empty_tables_under_several_upper_ones),
		TEST(FIXTURE_GRANULES, map_does_not_trim_the_table_that_it_is_in),
		TEST(FIXTURE_GRANULES, map_after_unmap_in_one_op_is_seen_at_once),
		TEST(FIXTURE_GRANULES, map_after_unmaps_in_one_op_is_seen_at_once),
		TEST_WITH(FIXTURE_GRANULES, map_after_unmaps_in_one_op_is_seen_at_once,
	                  .host.max_ranges = 1),
		TEST_WITH(FIXTURE_GRANULES, nothing_is_cleaned_where_nothing_is_mapped,
	                  .config_flags = IOPGT_CONFIG_NON_COHERENT, .dirty = FIXTURE_NO_DIRTY),
		TEST(0, trim_in_pieces_takes_upper_tables_too),
		TEST(0, a_sequence_is_continued_by_its_own_verb_only),
		TEST(0, a_table_at_physical_address_0_is_harvested_and_freed),
	};

	return FIXTURE_RUN(tests);
}
