/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls on ranges that do not overlap, at once and without locks: threads that
 * need the same new tables, that take parts of one block, that read and clean
 * beside devices that write. Assertions are the main thread's alone.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "guest.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (12 * block(f))
#define THREADS  4

struct worker {
	struct fixture *f;
	unsigned number;
	pthread_barrier_t *barrier;
	struct iopgt_stats stats;
	int error; /* the first that should not have been */
};

typedef void work(struct worker *worker);

struct start {
	work *run;
	struct worker *worker;
};

static void *run_worker(void *argument)
{
	struct start *start = argument;

	start->run(start->worker);
	return NULL;
}

/* Runs the work in all threads; returns the sum of what they did. */
static struct iopgt_stats run_all(struct fixture *f, work *run)
{
	struct worker workers[THREADS];
	struct start starts[THREADS];
	pthread_t threads[THREADS];
	pthread_barrier_t barrier;
	struct iopgt_stats sum = {0};

	assert_int_equal(pthread_barrier_init(&barrier, NULL, THREADS), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.f = f, .number = i, .barrier = &barrier};
		starts[i] = (struct start){run, &workers[i]};
		assert_int_equal(pthread_create(&threads[i], NULL, run_worker, &starts[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	pthread_barrier_destroy(&barrier);
	for (unsigned i = 0; i < THREADS; i++) {
		expect(IOPGT_OK, workers[i].error);
		sum.unmapped += workers[i].stats.unmapped;
		sum.split += workers[i].stats.split;
	}
	return sum;
}

static void note(struct worker *worker, int error)
{
	if (error != IOPGT_OK && worker->error == IOPGT_OK)
		worker->error = error;
}

/* --- Tables that several need --- */

#define ROUNDS 60

static void map_and_unmap_pages(struct worker *worker)
{
	struct fixture *f = worker->f;

	for (uint64_t round = 0; round < ROUNDS; round++) {
		/* A new table each round, and pages that lie between the others'. */
		uint64_t iova = FIRST(f) + round * block(f) + worker->number * granule(f);
		struct iopgt_mapping mapping = fixture_mapping(iova, iova, granule(f), RW);
		struct iopgt_translation translation;
		struct iopgt_op op = new_op(f);

		pthread_barrier_wait(worker->barrier);
		note(worker, iopgt_map(f->table, &mapping, &op));
		note(worker, iopgt_translate(f->table, iova, &translation));
		if (round % 2)
			note(worker, iopgt_unmap(f->table, iova, granule(f), &op));
		note(worker, iopgt_op_finish(&op));
	}
}

static void threads_that_need_the_same_table_share_it(struct fixture *f)
{
	uint64_t tables;

	expect(IOPGT_OK, iopgt_tables_needed(f->table, FIRST(f), ROUNDS * block(f), &tables));
	run_all(f, map_and_unmap_pages);
	check(f);
	assert_int_equal(pool_in_use(f->host.pool), 1 + tables);
	for (uint64_t round = 0; round < ROUNDS; round++) {
		uint64_t iova = FIRST(f) + round * block(f);

		if (round % 2)
			expect_unmapped(f, iova, block(f));
		else
			expect_mapped(f, iova, iova, THREADS * granule(f));
		expect_unmapped(f, iova + THREADS * granule(f), granule(f));
	}
}

/* --- Parts of one block --- */

static void unmap_a_quarter(struct worker *worker)
{
	struct fixture *f = worker->f;
	uint64_t size = block(f) / THREADS;
	struct iopgt_op op = new_op(f);
	int error;

	pthread_barrier_wait(worker->barrier);
	do {
		error = iopgt_unmap(f->table, FIRST(f) + worker->number * size, size, &op);
	} while (error == IOPGT_BUSY);
	note(worker, error);
	note(worker, iopgt_op_finish(&op));
	worker->stats = op.stats;
}

static void threads_may_unmap_parts_of_one_block(struct fixture *f)
{
	for (int round = 0; round < 20; round++) {
		struct iopgt_stats sum;

		map(f, FIRST(f), PHYS(f), block(f), RW);
		for (unsigned i = 0; i < f->walker_count; i++)
			assert_true(access_ok(f, i, FIRST(f), WALKER_WRITE));
		sum = run_all(f, unmap_a_quarter);
		check(f);
		assert_int_equal(sum.unmapped, block(f) / granule(f));
		expect_unmapped(f, FIRST(f), block(f));
		for (unsigned i = 0; i < f->walker_count; i++)
			assert_false(access_ok(f, i, FIRST(f), WALKER_READ));
		unmap(f, 0, UINT64_C(1) << 48);
		assert_int_equal(pool_in_use(f->host.pool), 1);
	}
}

static void unmap_a_dirty_quarter(struct worker *worker)
{
	struct fixture *f = worker->f;
	uint64_t size = block(f) / THREADS;
	struct iopgt_op op = new_op(f);
	int error;

	pthread_barrier_wait(worker->barrier);
	do {
		error = iopgt_unmap_dirty(f->table, FIRST(f) + worker->number * size, size,
		                          &f->bitmap, &op);
	} while (error == IOPGT_BUSY);
	note(worker, error);
	note(worker, iopgt_op_finish(&op));
}

/* The first bit of the bitmap is half a quarter off, so that words are shared. */
static void parts_of_a_dirty_block_are_all_reported(struct fixture *f)
{
	for (int round = 0; round < 20; round++) {
		map(f, FIRST(f), PHYS(f), block(f), RW | IOPGT_CLEAN);
		write_page(f, FIRST(f));
		page_bitmap(f, FIRST(f) - 13 * granule(f), block(f) + 20 * granule(f));
		run_all(f, unmap_a_dirty_quarter);
		check(f);
		expect_only_bits(f, FIRST(f), block(f));
	}
}

/* --- Readers beside devices --- */

#define PAGES 120 /* not a multiple of 64 times THREADS: words are shared */

struct copier {
	struct fixture *f;
	struct walker_guest guest;
	unsigned char *copy;
	atomic_bool stop;
	_Atomic uint64_t faults;
};

static struct copier copier; /* one test at a time */

static void *write_pages(void *argument)
{
	struct walker *walker = argument;
	struct random random = {(uintptr_t)walker};
	unsigned char bytes[16];

	while (!atomic_load(&copier.stop)) {
		uint64_t at = random_below(&random, PAGES * granule(copier.f) - sizeof(bytes));
		struct walker_transfer moved;

		memset(bytes, (int)random_next(&random), sizeof(bytes));
		moved = walker_write(walker, FIRST(copier.f) + at, bytes, sizeof(bytes),
		                     &copier.guest);
		if (moved.bytes != sizeof(bytes))
			copier.faults++;
	}
	return NULL;
}

/* Takes and copies this worker's pages, once. */
static void copy_part(struct worker *worker, uint32_t flags)
{
	struct fixture *f = worker->f;
	uint64_t g = granule(f), count = PAGES / THREADS, first = worker->number * count;
	uint64_t words[3] = {0};
	struct iopgt_bitmap bitmap = {words, FIRST(f), PAGES, f->config.granule_shift};
	struct iopgt_op op = new_op(f);

	op.flags |= flags;
	note(worker,
	     iopgt_read_and_clear_dirty(f->table, FIRST(f) + first * g, count * g, &bitmap, &op));
	note(worker, iopgt_op_finish(&op));
	for (uint64_t i = first; i < first + count; i++)
		if (pool_little_endian(words[i / 64]) >> i % 64 & 1)
			guest_read(copier.copy + i * g, (unsigned char *)copier.guest.base + i * g,
			           g);
}

static void copy_while_devices_write(struct worker *worker)
{
	pthread_barrier_wait(worker->barrier);
	for (int round = 0; round < 30; round++)
		copy_part(worker, 0);
}

static void copy_the_rest(struct worker *worker)
{
	copy_part(worker, IOPGT_OP_SYNC);
}

static void with_devices(struct fixture *f, work *run)
{
	pthread_t threads[FIXTURE_WALKERS];

	for (unsigned i = 0; i < f->walker_count; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_pages, f->walkers[i]), 0);
	run_all(f, run);
	atomic_store(&copier.stop, true);
	for (unsigned i = 0; i < f->walker_count; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void readers_of_neighbouring_ranges_lose_nothing(struct fixture *f)
{
	size_t bytes = PAGES * granule(f);

	copier.f = f;
	copier.guest = (struct walker_guest){
		.base = calloc(1, bytes), .phys_base = PHYS(f), .bytes = bytes};
	copier.copy = calloc(1, bytes);
	atomic_store(&copier.stop, false);
	atomic_store(&copier.faults, 0);
	map(f, FIRST(f), PHYS(f), PAGES * granule(f), RW | IOPGT_CLEAN);
	with_devices(f, copy_while_devices_write);
	run_all(f, copy_the_rest);
	check(f);
	assert_int_equal(atomic_load(&copier.faults), 0);
	assert_memory_equal(copier.copy, copier.guest.base, bytes);
	free(copier.copy);
	free(copier.guest.base);
}

int main(void)
{
	const uint32_t levels = FIXTURE_GRANULES | FIXTURE_LEVELS;
	const struct fixture_test tests[] = {
		TEST(FIXTURE_GRANULES, threads_that_need_the_same_table_share_it),
		TEST_WITH(FIXTURE_GRANULES, threads_that_need_the_same_table_share_it,
	                  .dirty = FIXTURE_NO_DIRTY, .config_flags = IOPGT_CONFIG_NON_COHERENT),
		TEST_WITH(levels, threads_may_unmap_parts_of_one_block, .walkers = 2),
		TEST_WITH(levels, parts_of_a_dirty_block_are_all_reported, .walkers = 2),
		TEST_WITH(FIXTURE_REGIMES, readers_of_neighbouring_ranges_lose_nothing,
	                  .walkers = 2),
	};

	return FIXTURE_RUN(tests);
}
