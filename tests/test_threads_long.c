/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several mappers, syncers and walkers on one table, for very many DMA writes
 * (IOPGT_TEST_LONG: 10^9): no write is lost.
 *
 * Devices write everywhere. Two syncers each read, clear and copy one half of a range
 * of pages, round by round; when the devices pause they take the rest, and all of the
 * copy must be what the devices wrote. Beside them mappers map, split, merge, protect
 * and unmap ranges of their own, and know at each unmapping that their copy is
 * complete.
 */
#include "test_threads_long_mappers.h"

/* --- Devices --- */

/* Where a page that is copied stands: every 32nd of every 16th block. */
static uint64_t iova_of(uint64_t page)
{
	uint64_t half = page / HALF, table = page % HALF / 16, slot = page % 16;

	return FIRST + half * GIB + table * 16 * BLOCK + (slot * 32 + table) * PAGE;
}

/*
 * A page of those tables that the device is busy with, until it is with others; or one
 * of those few of a mapper that are much in use.
 */
static uint64_t choose_page(struct device *d)
{
	uint64_t mapper = random_below(&d->random, MAPPERS);
	uint64_t *hot = &d->hot[random_below(&d->random, 4)];

	if (random_chance(&d->random, 3))
		return FIRST_OF(mapper) + random_below(&d->random, OWN_PAGES / 32) * 32 * PAGE;
	if (random_chance(&d->random, 32))
		*hot = random_below(&d->random, PAGES / 16);
	return iova_of(*hot * 16 + random_below(&d->random, 16));
}

/* Consecutive words of one page. */
static void burst(struct device *d)
{
	uint64_t iova = choose_page(d), at = random_below(&d->random, WORDS);
	uint64_t end = at + 1 + random_below(&d->random, 64);

	if (random_chance(&d->random, 4))
		dma_read(d, choose_page(d));
	for (; at < end && at < WORDS; at++)
		if (!dma_write(d, iova + at * sizeof(word), d->writes * DEVICES + d->number))
			return;
}

static bool copied_enough(struct run *run)
{
	for (unsigned i = 0; i < SYNCERS; i++)
		if (atomic_load_explicit(&run->rounds[i], memory_order_relaxed) < LEAST)
			return false;
	return true;
}

static void *run_device(void *argument)
{
	struct worker *w = argument;
	struct run *run = w->run;
	struct device *d = &run->devices[w->number];

	for (;;) {
		uint64_t end = d->writes + run->options->quota;

		pthread_barrier_wait(&run->barrier);
		if (atomic_load(&run->over))
			return NULL;
		obey(d);
		while (d->writes < end || !copied_enough(run)) {
			for (unsigned i = 0; i < 8; i++) {
				burst(d);
				obey_sometime(d);
			}
			/* On few CPUs, else a device writes 10^6 words before others run. */
			sched_yield();
		}
		go_idle(d);
		atomic_fetch_add(&run->finished, 1);
		pthread_barrier_wait(&run->barrier);
		pthread_barrier_wait(&run->barrier);
	}
}

/* --- Syncers --- */

static void copy_half(struct worker *w, const struct iopgt_bitmap *bitmap)
{
	for (uint64_t page = w->number * HALF; page < (w->number + 1) * HALF; page++)
		if (iopgt_bitmap_test(bitmap, iova_of(page)))
			copy_page(w->run, page);
}

static void take_half(struct worker *w, uint32_t flags)
{
	struct run *run = w->run;
	struct iopgt_bitmap bitmap = {w->words, FIRST + w->number * GIB, GIB / PAGE, 12};
	struct iopgt_op op = new_operation(run);

	memset(w->words, 0, sizeof(w->words));
	op.flags |= flags;
	note(run, iopgt_read_and_clear_dirty(&run->table, bitmap.base, GIB, &bitmap, &op));
	if (run->options->flags & RUN_EARLY)
		copy_half(w, &bitmap);
	note(run, iopgt_op_finish(&op));
	if (!(run->options->flags & RUN_EARLY))
		copy_half(w, &bitmap);
	atomic_fetch_add(&run->rounds[w->number], 1);
	atomic_fetch_add(&run->all_rounds, 1);
	atomic_fetch_add(&run->skipped, op.stats.skipped);
	if (!op.stats.dirty)
		sched_yield();
}

static void *run_syncer(void *argument)
{
	struct worker *w = argument;
	struct run *run = w->run;

	for (;;) {
		pthread_barrier_wait(&run->barrier);
		if (atomic_load(&run->over))
			return NULL;
		while (atomic_load(&run->finished) < DEVICES)
			take_half(w, 0);
		pthread_barrier_wait(&run->barrier);
		take_half(w, IOPGT_OP_SYNC);
		pthread_barrier_wait(&run->barrier);
	}
}

/* --- Runs --- */

static void start_table(struct run *run)
{
	bool stage2 = run->options->mode & ENGINE_STAGE2;
	bool tables = run->options->mode & ENGINE_TABLES;
	struct iopgt_config config = {
		.regime = stage2 ? IOPGT_STAGE2 : IOPGT_STAGE1_EL1,
		.flags = IOPGT_CONFIG_FAULTS_RETRIED |
	                 (tables ? (uint32_t)IOPGT_CONFIG_TABLE_ACCESS_FLAG : 0),
		.granule_shift = 12,
		.input_bits = 39,
		.output_bits = 40,
		.bbm_level = run->options->bbm_level,
		.dirty = IOPGT_DIRTY_HARDWARE,
	};
	struct iopgt_op op = {0};

	expect(IOPGT_OK, iopgt_init(&run->table, &config, &run->engine.hal, &run->engine));
	run->engine.root = run->table.root_phys;
	for (uint64_t page = 0; page < PAGES; page++) {
		struct iopgt_mapping mapping = fixture_mapping(
			iova_of(page), MEMORY_PHYS + page * PAGE, PAGE, RW | IOPGT_CLEAN);

		expect(IOPGT_OK, iopgt_map(&run->table, &mapping, &op));
	}
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

static struct run *start_run(const struct options *options)
{
	struct run *run = calloc(1, sizeof(*run));

	assert_non_null(run);
	run->options = options;
	engine_init(&run->engine, options->mode, BYTES);
	run->engine.devices = DEVICES;
	run->copy = calloc(1, BYTES);
	assert_non_null(run->copy);
	start_table(run);
	assert_int_equal(pthread_barrier_init(&run->barrier, NULL, DEVICES + SYNCERS + 1), 0);
	return run;
}

/* One episode: the devices write their quota, the syncers copy all of it. */
static void run_episode(struct run *run)
{
	atomic_store(&run->finished, 0);
	for (unsigned i = 0; i < SYNCERS; i++)
		atomic_store(&run->rounds[i], 0);
	for (unsigned i = 0; i < 3; i++)
		pthread_barrier_wait(&run->barrier);
	compare(run, 0, PAGES);
	run->writes = 0;
	for (unsigned i = 0; i < DEVICES; i++)
		run->writes += run->devices[i].writes;
}

/* Until so many writes are made, or some were lost. */
static void run_threads(struct run *run, uint64_t writes, uint64_t seed)
{
	struct worker workers[DEVICES + SYNCERS + MAPPERS];
	pthread_t threads[DEVICES + SYNCERS + MAPPERS];
	unsigned count = DEVICES + SYNCERS + (run->options->flags & RUN_ALONE ? 0 : MAPPERS);

	for (unsigned i = 0; i < count; i++) {
		bool device = i < DEVICES, syncer = !device && i < DEVICES + SYNCERS;
		void *(*start)(void *) = device ? run_device : syncer ? run_syncer : run_mapper;

		workers[i] = (struct worker){.run = run, .random = {seed + i}};
		workers[i].number = device ? i : syncer ? i - DEVICES : i - DEVICES - SYNCERS;
		if (device)
			run->devices[i] = (struct device){
				.engine = &run->engine, .number = i, .random = {seed + 100 + i}};
		assert_int_equal(pthread_create(&threads[i], NULL, start, &workers[i]), 0);
	}
	while (run->writes < writes && !atomic_load(&run->lost) && !atomic_load(&run->error))
		run_episode(run);
	atomic_store(&run->over, true);
	pthread_barrier_wait(&run->barrier);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (unsigned i = 0; i < DEVICES; i++) {
		run->faults += run->devices[i].faults;
		run->marks += run->devices[i].marks;
	}
}

/* At least so many writes. Returns how many words were lost. */
static uint64_t run_all(const struct options *options, uint64_t writes, uint64_t *written)
{
	struct run *run = start_run(options);
	struct iopgt_finding finding;
	uint64_t lost;

	run_threads(run, writes, seed_from_environment("IOPGT_SEED", UINT64_C(0x109)));
	lost = atomic_load(&run->lost);
	print_message("%s: %" PRIu64 " writes, %" PRIu64 " marks, %" PRIu64 " faults; %" PRIu64
	              " rounds, %" PRIu64 " tables skipped; %" PRIu64 " changes; %" PRIu64
	              " words lost\n",
	              options->name, run->writes, run->marks, run->faults,
	              atomic_load(&run->all_rounds), atomic_load(&run->skipped),
	              atomic_load(&run->changes), lost);
	*written += run->writes;
	expect(IOPGT_OK, atomic_load(&run->error));
	assert_int_equal(atomic_load(&run->engine.wrong), 0);
	expect(IOPGT_OK, iopgt_check(&run->table, &finding));
	expect(IOPGT_OK, iopgt_fini(&run->table));
	assert_int_equal(pool_in_use(run->engine.pool), 0);
	engine_fini(&run->engine);
	pthread_barrier_destroy(&run->barrier);
	free(run->copy);
	free(run);
	return lost;
}

#define QUOTA (SANITIZED ? 20000 : 50000)

static uint64_t how_many(void)
{
	if (getenv("IOPGT_TEST_LONG"))
		return SANITIZED ? 20000000 : 1000000000;
	return SANITIZED ? 240000 : 4000000;
}

static void no_write_is_lost(void **state)
{
	static const struct options all[] = {
		{"stage 1, level 2", 0, 2, 0, QUOTA},
		{"stage 2, level 2", ENGINE_STAGE2, 2, 0, QUOTA},
		{"stage 1, level 1", 0, 1, 0, QUOTA},
		{"stage 2, level 0", ENGINE_STAGE2, 0, 0, QUOTA},
		{"stage 1, level 2, flags of tables", ENGINE_TABLES, 2, 0, QUOTA},
		{"stage 2, level 1, flags of tables", ENGINE_TABLES | ENGINE_STAGE2, 1, 0, QUOTA},
	};
	uint64_t lost = 0, written = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		lost += run_all(&all[i], how_many() / (sizeof(all) / sizeof(all[0])), &written);
	print_message("%" PRIu64 " writes, %" PRIu64 " words lost\n", written, lost);
	assert_int_equal(lost, 0);
}

/* What the test is there to see. */

static void invalidations_that_do_nothing_lose_writes(void **state)
{
	static const struct options deaf = {"deaf", ENGINE_DEAF, 2, RUN_ALONE, QUOTA / 2};
	uint64_t written = 0;

	(void)state;
	assert_true(run_all(&deaf, 40000000, &written) > 0);
}

static void copies_before_the_wait_lose_writes(void **state)
{
	static const struct options early = {"early", 0, 2, RUN_EARLY | RUN_ALONE, QUOTA / 2};
	uint64_t written = 0;

	(void)state;
	assert_true(run_all(&early, 40000000, &written) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_write_is_lost),
		cmocka_unit_test(invalidations_that_do_nothing_lose_writes),
		cmocka_unit_test(copies_before_the_wait_lose_writes),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
