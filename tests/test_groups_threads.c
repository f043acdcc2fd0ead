/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that work in one contiguous group at once: parts of it are unmapped,
 * read and cleaned by several callers, while devices write. Assertions are the
 * main thread's alone.
 */
#include <pthread.h>
#include <string.h>

#include "guest.h"
#include "test_groups.h"

#define THREADS 4
#define ROUNDS  20

struct worker {
	struct fixture *f;
	unsigned number, round;
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

	pthread_barrier_wait(start->worker->barrier);
	start->run(start->worker);
	return NULL;
}

/* Runs the work in all threads; returns the sum of what they did. */
static struct iopgt_stats run_all(struct fixture *f, work *run, unsigned round)
{
	struct worker workers[THREADS];
	struct start starts[THREADS];
	pthread_t threads[THREADS];
	pthread_barrier_t barrier;
	struct iopgt_stats sum = {0};

	assert_int_equal(pthread_barrier_init(&barrier, NULL, THREADS), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] =
			(struct worker){.f = f, .number = i, .round = round, .barrier = &barrier};
		starts[i] = (struct start){run, &workers[i]};
		assert_int_equal(pthread_create(&threads[i], NULL, run_worker, &starts[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	pthread_barrier_destroy(&barrier);
	for (unsigned i = 0; i < THREADS; i++) {
		expect(IOPGT_OK, workers[i].error);
		sum.unmapped += workers[i].stats.unmapped;
		sum.ungrouped += workers[i].stats.ungrouped;
	}
	return sum;
}

static void note(struct worker *worker, int error)
{
	if (error != IOPGT_OK && worker->error == IOPGT_OK)
		worker->error = error;
}

/* The worker's own entry of group 0, another one in each round. */
static uint64_t own(const struct worker *worker)
{
	const struct fixture *f = worker->f;

	return entry(f, (worker->number * entries(f) / THREADS + worker->round) % entries(f));
}

static bool is_own(const struct fixture *f, unsigned number, unsigned round)
{
	struct worker worker = {.round = round};

	for (worker.number = 0; worker.number < THREADS; worker.number++) {
		unsigned first = worker.number * entries(f) / THREADS + round;

		if (first % entries(f) == number)
			return true;
	}
	return false;
}

/* --- Several callers that break one group up --- */

static void unmap_own(struct worker *worker)
{
	struct fixture *f = worker->f;
	struct iopgt_op op = new_op(f);
	int error;

	do {
		error = iopgt_unmap(f->table, own(worker), entry_bytes(f), &op);
	} while (error == IOPGT_BUSY);
	note(worker, error);
	note(worker, iopgt_op_finish(&op));
	worker->stats = op.stats;
}

static void unmap_own_dirty(struct worker *worker)
{
	struct fixture *f = worker->f;
	struct iopgt_op op = new_op(f);
	int error;

	do {
		error = iopgt_unmap_dirty(f->table, own(worker), entry_bytes(f), &f->bitmap, &op);
	} while (error == IOPGT_BUSY);
	note(worker, error);
	note(worker, iopgt_op_finish(&op));
}

static void expect_own_gone(struct fixture *f, unsigned round)
{
	check(f);
	for (unsigned i = 0; i < entries(f); i++) {
		uint64_t iova = entry(f, i);

		for (unsigned walker = 0; walker < f->walker_count; walker++)
			assert_int_equal(access_ok(f, walker, iova, WALKER_READ),
			                 !is_own(f, i, round));
		if (!is_own(f, i, round))
			expect_singles(f, iova, phys_of(f, iova), entry_bytes(f));
	}
}

static void threads_may_unmap_entries_of_one_group(struct fixture *f)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct iopgt_stats sum;

		map_groups(f, 1, RW);
		for (unsigned i = 0; i < f->walker_count; i++)
			assert_true(access_ok(f, i, entry(f, 1), WALKER_WRITE));
		sum = run_all(f, unmap_own, round);
		assert_int_equal(sum.unmapped, THREADS * entry_bytes(f) / granule(f));
		/* By whoever took part in it. */
		assert_true(sum.ungrouped >= 1 && sum.ungrouped <= THREADS);
		expect_own_gone(f, round);
		unmap(f, 0, SPACE);
		assert_int_equal(pool_in_use(f->host.pool), 1);
	}
}

/* The mark may stand in an entry that another thread unmaps: all report theirs. */
static void entries_of_one_dirty_group_are_all_reported(struct fixture *f)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		map_groups(f, 1, RW | IOPGT_CLEAN);
		mark(f, entry(f, round % entries(f)));
		/* Off by some bits, so that words are shared and crossed. */
		entry_bitmap(f, group(f, 0) - 13 * entry_bytes(f), 2 * group_bytes(f));
		run_all(f, unmap_own_dirty, round);
		expect_own_gone(f, round);
		for (unsigned i = 0; i < entries(f); i++)
			assert_int_equal(bit_at(f, entry(f, i)), is_own(f, i, round));
		assert_int_equal(count_bits(f), THREADS);
		look_at_dirty(f, group(f, 0), group_bytes(f));
		assert_int_equal(count_bits(f), entries(f) - THREADS);
		unmap(f, 0, SPACE);
	}
}

static void unmap_or_clean(struct worker *worker)
{
	struct fixture *f = worker->f;
	struct iopgt_op op = new_op(f);
	int error;

	if (worker->number % 2) {
		unmap_own_dirty(worker);
		return;
	}
	for (int i = 0; i < 10; i++) {
		do {
			error = iopgt_read_and_clear_dirty(f->table, own(worker), entry_bytes(f),
			                                   &f->bitmap, &op);
		} while (error == IOPGT_BUSY);
		note(worker, error);
		note(worker, iopgt_op_finish(&op));
	}
}

static void cleaning_beside_unmap_in_one_group_loses_nothing(struct fixture *f)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		map_groups(f, 1, RW | IOPGT_CLEAN);
		for (unsigned i = 0; i < f->walker_count; i++)
			assert_true(access_ok(f, i, entry(f, round % entries(f)), WALKER_WRITE));
		entry_bitmap(f, group(f, 0), group_bytes(f));
		run_all(f, unmap_or_clean, round);
		check(f);
		/* Each entry was dirty: taken, or still so. */
		for (unsigned i = 0; i < entries(f); i++)
			assert_true(bit_at(f, entry(f, i)) || is_dirty(f, entry(f, i)));
		for (unsigned i = 0; i < THREADS; i++)
			assert_true(bit_at(
				f, own(&(struct worker){.f = f, .number = i, .round = round})));
		unmap(f, 0, SPACE);
	}
}

/* --- Readers and cleaners beside devices --- */

struct copier {
	struct fixture *f;
	struct walker_guest guest;
	unsigned char *copy;
	atomic_bool stop;
	_Atomic uint64_t faults;
};

static struct copier copier; /* one test at a time */

static uint64_t watched_bytes(const struct fixture *f)
{
	return 2 * group_bytes(f) + 5 * granule(f);
}

static void *write_pages(void *argument)
{
	struct walker *walker = argument;
	struct random random = {(uintptr_t)walker};
	unsigned char bytes[16];

	while (!atomic_load(&copier.stop)) {
		uint64_t at = random_below(&random, watched_bytes(copier.f) - sizeof(bytes));
		struct walker_transfer moved;

		memset(bytes, (int)random_next(&random), sizeof(bytes));
		moved = walker_write(walker, group(copier.f, 0) + at, bytes, sizeof(bytes),
		                     &copier.guest);
		if (moved.bytes != sizeof(bytes))
			copier.faults++;
	}
	return NULL;
}

/* Group 0, group 1, the pages after it, or nothing: neighbours share words. */
static void copy_part(struct worker *worker, uint32_t flags)
{
	struct fixture *f = worker->f;
	uint64_t g = granule(f), first = worker->number * group_bytes(f);
	uint64_t size = worker->number < 2 ? group_bytes(f) : 5 * g;
	uint64_t words[8] = {0};
	struct iopgt_bitmap bitmap = {words, group(f, 0), 500, f->config.granule_shift};
	struct iopgt_op op = new_op(f);

	if (worker->number > 2)
		return;
	op.flags |= flags;
	note(worker, iopgt_read_and_clear_dirty(f->table, group(f, 0) + first, size, &bitmap, &op));
	note(worker, iopgt_op_finish(&op));
	for (uint64_t i = first / g; i < (first + size) / g; i++)
		if (pool_little_endian(words[i / 64]) >> i % 64 & 1)
			guest_read(copier.copy + i * g, (unsigned char *)copier.guest.base + i * g,
			           g);
}

static void copy_while_devices_write(struct worker *worker)
{
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
	run_all(f, run, 0);
	atomic_store(&copier.stop, true);
	for (unsigned i = 0; i < f->walker_count; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void readers_of_neighbouring_groups_lose_nothing(struct fixture *f)
{
	size_t bytes = (size_t)watched_bytes(f);

	copier.f = f;
	copier.guest = (struct walker_guest){
		.base = calloc(1, bytes), .phys_base = phys_apart(f), .bytes = bytes};
	copier.copy = calloc(1, bytes);
	atomic_store(&copier.stop, false);
	atomic_store(&copier.faults, 0);
	map(f, group(f, 0), phys_apart(f), watched_bytes(f), RW | IOPGT_CLEAN);
	expect_group(f, group(f, 1), phys_of(f, group(f, 1)));
	with_devices(f, copy_while_devices_write);
	run_all(f, copy_the_rest, 0);
	check(f);
	assert_int_equal(atomic_load(&copier.faults), 0);
	assert_memory_equal(copier.copy, copier.guest.base, bytes);
	free(copier.copy);
	free(copier.guest.base);
}

int main(void)
{
	const uint32_t all = FIXTURE_STAGES | FIXTURE_LEVELS;
	const struct fixture_test tests[] = {
		TEST_WITH(all, threads_may_unmap_entries_of_one_group, .walkers = 2),
		TEST_WITH(all, entries_of_one_dirty_group_are_all_reported, .walkers = 2),
		TEST_WITH(all, cleaning_beside_unmap_in_one_group_loses_nothing, .walkers = 2),
		TEST_WITH(FIXTURE_REGIMES | GROUPS_OF_PAGES,
	                  readers_of_neighbouring_groups_lose_nothing, .walkers = 2),
	};

	return GROUPS_RUN(tests);
}
