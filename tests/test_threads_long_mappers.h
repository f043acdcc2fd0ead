/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all threads of the run share; and the mappers: each maps, splits, merges,
 * protects and unmaps a range of its own, into which devices write all the time, and
 * copies what it is told was written. After each unmapping its copy must be complete.
 */
#ifndef TEST_THREADS_LONG_MAPPERS_H
#define TEST_THREADS_LONG_MAPPERS_H

#include "test_threads_long.h"

#define DEVICES 2
#define SYNCERS 2
#define MAPPERS 2

#define TABLES      32               /* of a half, spread over a GiB */
#define HALF        (TABLES * 16)    /* pages, 16 in each table */
#define PAGES       (SYNCERS * HALF) /* that are copied while they are written */
#define FIRST       (4 * GIB)
#define UNITS       4 /* blocks of a mapper */
#define OWN_PAGES   (UNITS * 512)
#define OWN_BYTES   (UNITS * BLOCK)
#define FIRST_OF(m) ((16 + 8 * (uint64_t)(m)) * BLOCK)
#define PHYS_OF(m)  (MEMORY_PHYS + 2 * BLOCK + (uint64_t)(m)*OWN_BYTES)
#define BYTES       (2 * BLOCK + MAPPERS * OWN_BYTES)
#define LEAST       3 /* rounds of each syncer in an episode */

enum run_flag {
	RUN_EARLY = 1 << 0, /* wrong: pages are copied before op is finished */
	RUN_ALONE = 1 << 1, /* no mappers */
};

struct options {
	const char *name;
	uint32_t mode; /* of enum engine_mode */
	uint8_t bbm_level;
	uint32_t flags; /* of enum run_flag */
	uint64_t quota; /* writes of each device in an episode */
};

struct run {
	const struct options *options;
	struct engine engine;
	struct iopgt_table table;
	pthread_barrier_t barrier;
	atomic_bool over;
	atomic_uint finished;        /* devices, in this episode */
	atomic_uint rounds[SYNCERS]; /* in this episode */
	_Atomic uint64_t all_rounds, changes, skipped, lost;
	atomic_int error; /* the first of any thread */
	uint64_t *copy;   /* of all memory */
	uint64_t writes, faults, marks;
	struct device devices[DEVICES];
};

struct worker {
	struct run *run;
	unsigned number;
	struct random random;
	bool mapped[OWN_PAGES];          /* of a mapper */
	uint64_t words[GIB / PAGE / 64]; /* of a syncer */
};

static inline void note(struct run *run, int error)
{
	int none = IOPGT_OK;

	if (error)
		atomic_compare_exchange_strong(&run->error, &none, error);
}

static inline struct iopgt_op new_operation(const struct run *run)
{
	struct iopgt_op op = {0};

	op.flags = run->options->bbm_level ? 0 : IOPGT_OP_MAY_BREAK;
	return op;
}

/* --- Copies --- */

static inline void copy_page(struct run *run, uint64_t page)
{
	for (uint64_t i = page * WORDS; i < (page + 1) * WORDS; i++)
		run->copy[i] = atomic_load_explicit(&run->engine.memory[i], memory_order_relaxed);
}

/* Pages of memory from `first` on whose bits are set, counted from bit `bit` on. */
static inline void copy_pages(struct run *run, const uint64_t *words, uint64_t bit, uint64_t first,
                              uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		if (pool_little_endian(words[(bit + i) / 64]) >> (bit + i) % 64 & 1)
			copy_page(run, first + i);
}

/* Words that nobody writes now and that the copy does not have; it has them then. */
static inline void compare(struct run *run, uint64_t first, uint64_t count)
{
	uint64_t lost = 0;

	for (uint64_t i = first * WORDS; i < (first + count) * WORDS; i++) {
		uint64_t is = atomic_load_explicit(&run->engine.memory[i], memory_order_relaxed);

		lost += is != run->copy[i];
		run->copy[i] = is;
	}
	atomic_fetch_add(&run->lost, lost);
}

/* --- Mappers --- */

static inline uint64_t memory_page(const struct worker *w, uint64_t page)
{
	return (PHYS_OF(w->number) - MEMORY_PHYS) / PAGE + page;
}

/* What is not mapped of a unit from some page on, as far as the next that is. */
static inline void map_some(struct worker *w, struct iopgt_op *op)
{
	uint64_t first = 512 * random_below(&w->random, UNITS), end = first + 512, last;
	struct iopgt_mapping mapping;

	if (random_chance(&w->random, 3))
		first += random_below(&w->random, 512);
	while (first < end && w->mapped[first])
		first++;
	for (last = first; last < end && !w->mapped[last]; last++)
		;
	if (first == last)
		return;
	mapping = fixture_mapping(FIRST_OF(w->number) + first * PAGE,
	                          PHYS_OF(w->number) + first * PAGE, (last - first) * PAGE,
	                          RW | IOPGT_CLEAN);
	note(w->run, iopgt_map(&w->run->table, &mapping, op));
	memset(&w->mapped[first], 1, last - first);
}

/* Once op is finished no device can write there: the copy is complete, or never will be. */
static inline void unmap_some(struct worker *w, uint64_t first, uint64_t count)
{
	struct run *run = w->run;
	uint64_t words[OWN_PAGES / 64] = {0}, unmapped = 0;
	struct iopgt_bitmap bitmap = {words, FIRST_OF(w->number), OWN_PAGES, 12};
	struct iopgt_op op = new_operation(run);

	note(run, iopgt_unmap_dirty(&run->table, FIRST_OF(w->number) + first * PAGE, count * PAGE,
	                            &bitmap, &op));
	note(run, iopgt_op_finish(&op));
	for (uint64_t i = first; i < first + count; i++)
		unmapped += w->mapped[i];
	memset(&w->mapped[first], 0, count);
	if (op.stats.unmapped != unmapped)
		note(run, IOPGT_CORRUPT);
	copy_pages(run, words, first, memory_page(w, first), count);
	compare(run, memory_page(w, first), count);
}

static inline void clear_some(struct worker *w, uint64_t first, uint64_t count)
{
	struct run *run = w->run;
	uint64_t words[OWN_PAGES / 64] = {0};
	struct iopgt_bitmap bitmap = {words, FIRST_OF(w->number), OWN_PAGES, 12};
	struct iopgt_op op = new_operation(run);

	note(run, iopgt_read_and_clear_dirty(&run->table, FIRST_OF(w->number) + first * PAGE,
	                                     count * PAGE, &bitmap, &op));
	note(run, iopgt_op_finish(&op));
	copy_pages(run, words, first, memory_page(w, first), count);
}

static inline void protect_some(struct worker *w, uint64_t iova, uint64_t size)
{
	struct run *run = w->run;
	struct iopgt_op op = new_operation(run);

	note(run, iopgt_protect(&run->table, iova, size, IOPGT_READ, &op));
	note(run, iopgt_op_finish(&op));
	note(run, iopgt_protect(&run->table, iova, size, RW, &op));
	note(run, iopgt_op_finish(&op));
}

/* Blocks that were pages, all clean, but for what devices write meanwhile. */
static inline void merge_clean(struct worker *w, uint64_t unit)
{
	struct run *run = w->run;
	struct iopgt_op op = new_operation(run);
	uint64_t iova = FIRST_OF(w->number) + unit * BLOCK;

	note(run, iopgt_split_block(&run->table, iova, BLOCK, &op));
	clear_some(w, unit * 512, 512);
	note(run, iopgt_merge_page(&run->table, iova, BLOCK, &op));
	note(run, iopgt_op_finish(&op));
}

static inline void change_something(struct worker *w)
{
	struct iopgt_op op = new_operation(w->run);
	struct iopgt_table *table = &w->run->table;
	uint64_t align = random_chance(&w->random, 2) ? 512 : 1;
	uint64_t first = random_below(&w->random, OWN_PAGES) / align * align;
	uint64_t most = OWN_PAGES - first;
	uint64_t count = 1 + random_below(&w->random, most < 1100 ? most : 1100);
	uint64_t iova = FIRST_OF(w->number) + first * PAGE;

	switch (random_below(&w->random, 16)) {
	case 0:
	case 1:
	case 2:
		note(w->run, iopgt_split_block(table, iova, count * PAGE, &op));
		break;
	case 3:
	case 4:
	case 5:
		note(w->run, iopgt_merge_page(table, FIRST_OF(w->number), OWN_BYTES, &op));
		break;
	case 6:
		unmap_some(w, first, count);
		break;
	case 7:
		unmap_some(w, first & ~UINT64_C(511), 512);
		break;
	case 8:
	case 9:
		clear_some(w, first, count);
		break;
	case 10:
	case 11:
		merge_clean(w, first / 512);
		break;
	case 12:
		protect_some(w, iova, count * PAGE);
		break;
	default:
		map_some(w, &op);
	}
	note(w->run, iopgt_op_finish(&op));
	atomic_fetch_add(&w->run->changes, 1);
}

static inline void *run_mapper(void *argument)
{
	struct worker *w = argument;

	while (!atomic_load(&w->run->over)) {
		change_something(w);
		sched_yield();
	}
	unmap_some(w, 0, OWN_PAGES);
	return NULL;
}

#endif
