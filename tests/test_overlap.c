/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A library built with IOPGT_DEBUG finds calls that the caller should have serialised.
 * The second call is made from a callback in the midst of the first one.
 */
#include <pthread.h>
#include <semaphore.h>
#include <string.h>

#include "fixture.h"

#define FIRST(f) (4 * block(f))

enum verb {
	SPLIT,
	MERGE,
	PROTECT,
	SWITCH,
	ATTACH,
	DETACH,
	VERBS
};

static const char *const names[VERBS] = {"iopgt_split_block",   "iopgt_merge_page",
                                         "iopgt_protect",       "iopgt_switch_dirty_log",
                                         "iopgt_domain_attach", "iopgt_domain_detach"};

/* What the first callback of a running verb does, and what came of it. */
static struct {
	bool armed;
	enum verb second;
	uint64_t iova, size;
	int result;
	unsigned told;
	pthread_t thread;
	struct iopgt_overlap overlap;
} t;

static int run(struct fixture *f, enum verb verb, uint64_t iova, uint64_t size)
{
	struct iopgt_op op = {0};
	int err, finished;

	switch (verb) {
	case SPLIT:
		err = iopgt_split_block(f->table, iova, size, &op);
		break;
	case MERGE:
		err = iopgt_merge_page(f->table, iova, size, &op);
		break;
	case PROTECT:
		err = iopgt_protect(f->table, iova, size, IOPGT_READ, &op);
		break;
	case SWITCH:
		err = iopgt_switch_dirty_log(&f->domain, false, iova, size, &op);
		break;
	case ATTACH:
		return iopgt_domain_attach(&f->domain, &f->domain_walkers[1]);
	default:
		return iopgt_domain_detach(&f->domain, &f->domain_walkers[0]);
	}
	finished = iopgt_op_finish(&op);
	return err ? err : finished;
}

static void second_call(struct fixture *f, enum host_call call, bool done)
{
	if (!t.armed || done || (call != HOST_SYNC && call != HOST_ALLOC))
		return;
	t.armed = false;
	t.result = run(f, t.second, t.iova, t.size);
}

static void overlap(void *context, const struct iopgt_overlap *met)
{
	(void)context;
	t.overlap = *met;
	t.told++;
}

/* Two blocks as blocks, then two as pages. */
static void prepare(struct fixture *f)
{
	memset(&t, 0, sizeof(t));
	f->hal.overlap = overlap;
	f->hook = NULL;
	unmap(f, FIRST(f), 4 * block(f));
	map(f, FIRST(f), FIRST(f), 4 * block(f), RW);
	expect(IOPGT_OK, run(f, SPLIT, FIRST(f) + 2 * block(f), 2 * block(f)));
	f->hook = second_call;
	t.armed = true;
}

static int level_at(struct fixture *f, uint64_t iova)
{
	struct iopgt_translation translation;

	expect(IOPGT_OK, iopgt_translate(f->table, iova, &translation));
	return translation.level;
}

/* Where a running call of this kind waits or allocates, and the second one begins. */
static uint64_t range_of(struct fixture *f, enum verb first, uint64_t *size)
{
	*size = 2 * block(f);
	if (first == MERGE || first == SWITCH)
		return FIRST(f) + 2 * block(f);
	if (first == PROTECT) {
		/* From the midst of a block on, which is split. */
		*size -= granule(f);
		return FIRST(f) + granule(f);
	}
	return FIRST(f);
}

static void overlapping_calls_are_refused(struct fixture *f)
{
	expect(IOPGT_OK, iopgt_domain_detach(&f->domain, &f->domain_walkers[1]));
	walker_forget(f->walkers[1]);
	for (int first = SPLIT; first <= SWITCH; first++)
		for (int second = SPLIT; second < VERBS; second++) {
			uint64_t size, iova;

			prepare(f);
			iova = range_of(f, first, &size);
			t.second = second;
			t.iova = iova + size - granule(f);
			t.size = granule(f);
			expect(IOPGT_OK, run(f, first, iova, size));
			assert_false(t.armed);
			expect(IOPGT_OVERLAP, t.result);
			assert_int_equal(t.told, 1);
			assert_string_equal(t.overlap.running, names[first]);
			assert_string_equal(t.overlap.refused, names[second]);
			assert_true(t.overlap.running_iova <= iova);
			assert_true(t.overlap.refused_iova <= t.iova);
			/* What ran is done, and leaves no claim. */
			expect(IOPGT_OK, run(f, SPLIT, FIRST(f), 4 * block(f)));
			expect(IOPGT_OK, run(f, PROTECT, FIRST(f), 4 * block(f)));
			assert_int_equal(t.told, 1);
		}
}

static void others_are_not(struct fixture *f)
{
	for (int first = SPLIT; first <= SWITCH; first++)
		for (int second = SPLIT; second <= SWITCH; second++) {
			uint64_t size, iova;

			prepare(f);
			iova = range_of(f, first, &size);
			t.second = second;
			t.iova = FIRST(f) + (iova < FIRST(f) + 2 * block(f) ? 2 * block(f) : 0);
			t.size = 2 * block(f);
			expect(IOPGT_OK, run(f, first, iova, size));
			expect(IOPGT_OK, t.result);
			assert_int_equal(t.told, 0);
		}
}

/* Two halves of one block. */
static void a_shared_block_counts(struct fixture *f)
{
	prepare(f);
	t.second = PROTECT;
	t.iova = FIRST(f) + block(f) / 2;
	t.size = granule(f);
	expect(IOPGT_OK, run(f, SPLIT, FIRST(f), granule(f)));
	expect(IOPGT_OVERLAP, t.result);
	assert_int_equal(t.overlap.running_iova, FIRST(f));
	assert_int_equal(t.overlap.running_size, block(f));
	assert_int_equal(t.overlap.refused_iova, FIRST(f));
	assert_int_equal(t.overlap.refused_size, block(f));
	assert_int_equal(level_at(f, t.iova), 3);
}

/* The end of the last block of the space is no reason to leave the rest of it out. */
static void the_last_block_of_all_counts_as_a_whole(struct fixture *f)
{
	uint64_t top = space_last(f) - block(f) + 1;

	memset(&t, 0, sizeof(t));
	f->hal.overlap = overlap;
	map(f, top, FIRST(f), block(f), RW);
	t.armed = true;
	t.second = PROTECT;
	t.iova = space_last(f) - granule(f) + 1;
	t.size = granule(f);
	f->hook = second_call;
	expect(IOPGT_OK, run(f, SPLIT, top, granule(f)));
	expect(IOPGT_OVERLAP, t.result);
	assert_int_equal(t.overlap.running_iova, top);
	assert_int_equal(t.overlap.running_size, block(f));
	assert_int_equal(t.overlap.refused_iova, top);
	assert_int_equal(t.overlap.refused_size, block(f));
}

/* What stood on the stack before, where a call has its variables. */
static __attribute__((noinline)) void fill_stack(int byte)
{
	volatile unsigned char deep[4096];

	for (size_t i = 0; i < sizeof(deep); i++)
		deep[i] = (unsigned char)byte;
}

static void holes_at_the_ends_widen_nothing(struct fixture *f)
{
	static const int bytes[] = {0, 0xff};

	for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++)
		for (uint64_t beside = 0; beside < 6; beside += 5) {
			prepare(f);
			unmap(f, FIRST(f), block(f));
			unmap(f, FIRST(f) + 3 * block(f), block(f));
			t.armed = true;
			t.second = PROTECT;
			t.iova = FIRST(f) + beside * block(f) - granule(f);
			t.size = granule(f);
			fill_stack(bytes[i]);
			expect(IOPGT_OK, run(f, SPLIT, FIRST(f), 4 * block(f)));
			assert_false(t.armed);
			expect(IOPGT_OK, t.result);
			assert_int_equal(t.told, 0);
		}
}

/* --- A call that has not yet said what its range is --- */

static struct fixture *looking;
static void *(*next_phys_to_virt)(void *context, uint64_t phys, uint32_t bytes);

static void *protect_at_first_look(void *context, uint64_t phys, uint32_t bytes)
{
	if (t.armed) {
		t.armed = false;
		t.result = run(looking, PROTECT, t.iova, t.size);
	}
	return next_phys_to_virt(context, phys, bytes);
}

/* It looks up what lies at its range's ends. */
static void a_call_without_a_range_yet_stops_nobody(struct fixture *f)
{
	prepare(f);
	looking = f;
	next_phys_to_virt = f->hal.phys_to_virt;
	t.armed = false;
	f->hook = NULL;
	t.iova = FIRST(f) + 2 * block(f);
	t.size = block(f);
	/* The call that was there before had the range of the second one. */
	expect(IOPGT_OK, run(f, PROTECT, t.iova, t.size));
	t.armed = true;
	f->hal.phys_to_virt = protect_at_first_look;
	expect(IOPGT_OK, run(f, PROTECT, FIRST(f) + 3 * block(f), block(f)));
	f->hal.phys_to_virt = next_phys_to_virt;
	assert_false(t.armed);
	expect(IOPGT_OK, t.result);
	assert_int_equal(t.told, 0);
}

/* --- Many at once: each begins in the midst of the one before --- */

#define MOST_AT_ONCE 17

static struct {
	unsigned count, begun;
	uint64_t iova[MOST_AT_ONCE];
	int result[MOST_AT_ONCE];
} many;

static void next_call(struct fixture *f, enum host_call call, bool done)
{
	unsigned i = many.begun;

	if (done || call != HOST_ALLOC || i == many.count)
		return;
	many.begun++;
	f->in_hook = false;
	many.result[i] = run(f, SPLIT, many.iova[i], granule(f));
	f->in_hook = true;
}

static void split_at_once(struct fixture *f, unsigned count, unsigned first_of_last)
{
	memset(&t, 0, sizeof(t));
	f->hal.overlap = overlap;
	f->hook = next_call;
	many.count = count;
	many.begun = 1;
	for (unsigned i = 0; i < count; i++)
		many.iova[i] = FIRST(f) + (i + 1 < count ? i : first_of_last) * block(f);
	expect(IOPGT_OK, run(f, SPLIT, many.iova[0], granule(f)));
	assert_int_equal(many.begun, count);
	f->hook = NULL;
}

/* hal.h: found among the first 16 that run at once. */
static void the_16th_is_found_to_overlap(struct fixture *f)
{
	map(f, FIRST(f), FIRST(f), 16 * block(f), RW);
	split_at_once(f, 16, 0);
	for (unsigned i = 1; i < 15; i++)
		expect(IOPGT_OK, many.result[i]);
	expect(IOPGT_OVERLAP, many.result[15]);
	assert_int_equal(t.told, 1);
	assert_int_equal(t.overlap.running_iova, FIRST(f));
}

/* And what comes after the table in memory stays as it is. */
static void more_than_16_at_once_all_run(struct fixture *f)
{
	const struct iopgt_domain behind = f->domain;

	map(f, FIRST(f), FIRST(f), 17 * block(f), RW);
	split_at_once(f, 17, 16);
	for (unsigned i = 1; i < 17; i++)
		expect(IOPGT_OK, many.result[i]);
	assert_int_equal(t.told, 0);
	for (unsigned i = 0; i < 17; i++)
		assert_int_equal(level_at(f, FIRST(f) + i * block(f)), 3);
	expect(IOPGT_OK, run(f, PROTECT, FIRST(f), 17 * block(f)));
	assert_memory_equal(&f->domain, &behind, sizeof(behind));
}

/* --- Two that begin at the same time --- */

static sem_t looked, may_go_on;

/* The other thread waits as it looks up its range's ends. */
static void *wait_at_first_look(void *context, uint64_t phys, uint32_t bytes)
{
	if (t.armed) {
		t.armed = false;
		sem_post(&looked);
		while (sem_wait(&may_go_on)) {
		}
	}
	return next_phys_to_virt(context, phys, bytes);
}

static void *protect_beside(void *context)
{
	struct fixture *f = context;
	static int result;

	result = run(f, PROTECT, FIRST(f) + 2 * block(f), block(f));
	return &result;
}

/* In the midst of the call that overtook it the other one ends, and a third begins. */
static void the_other_ends(struct fixture *f, enum host_call call, bool done)
{
	void *result;

	if (done || call != HOST_ALLOC)
		return;
	f->hook = NULL;
	sem_post(&may_go_on);
	assert_int_equal(pthread_join(t.thread, &result), 0);
	expect(IOPGT_OK, *(int *)result);
	t.result = run(f, PROTECT, FIRST(f), granule(f));
}

static void calls_that_begin_at_once_have_a_claim_each(struct fixture *f)
{
	prepare(f);
	next_phys_to_virt = f->hal.phys_to_virt;
	f->hal.phys_to_virt = wait_at_first_look;
	f->hook = the_other_ends;
	assert_int_equal(sem_init(&looked, 0, 0), 0);
	assert_int_equal(sem_init(&may_go_on, 0, 0), 0);
	assert_int_equal(pthread_create(&t.thread, NULL, protect_beside, f), 0);
	while (sem_wait(&looked)) {
	}
	expect(IOPGT_OK, run(f, SPLIT, FIRST(f), block(f)));
	f->hal.phys_to_virt = next_phys_to_virt;
	expect(IOPGT_OVERLAP, t.result);
	assert_int_equal(t.told, 1);
}

static void merge_cold_beside(struct fixture *f, enum host_call call, bool done)
{
	struct iopgt_op op = {0};

	if (done || call != HOST_ALLOC)
		return;
	t.result = iopgt_merge_cold(&f->domain, FIRST(f), block(f), &op);
}

static void merging_what_is_cold_overlaps_too(struct fixture *f)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_ADAPTIVE};
	struct iopgt_op op = {0};

	prepare(f);
	f->hook = NULL;
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, true, &how, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	f->hook = merge_cold_beside;
	expect(IOPGT_OK, run(f, SPLIT, FIRST(f), block(f)));
	expect(IOPGT_OVERLAP, t.result);
	assert_string_equal(t.overlap.refused, names[MERGE]);
}

static void nobody_has_to_be_told(struct fixture *f)
{
	prepare(f);
	f->hal.overlap = NULL;
	t.second = MERGE;
	t.iova = FIRST(f);
	t.size = block(f);
	expect(IOPGT_OK, run(f, SPLIT, FIRST(f), block(f)));
	expect(IOPGT_OVERLAP, t.result);
	assert_int_equal(level_at(f, FIRST(f)), 3);
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(0, overlapping_calls_are_refused, .domain = true, .walkers = 2),
		TEST_WITH(0, others_are_not, .domain = true),
		TEST_WITH(0, a_shared_block_counts, .domain = true),
		TEST_WITH(0, the_last_block_of_all_counts_as_a_whole,
	                  .config_flags = IOPGT_CONFIG_TTBR1),
		TEST_WITH(0, holes_at_the_ends_widen_nothing, .domain = true),
		TEST_WITH(0, a_call_without_a_range_yet_stops_nobody, .domain = true),
		TEST_WITH(0, the_16th_is_found_to_overlap, .domain = true),
		TEST(0, more_than_16_at_once_all_run),
		TEST_WITH(0, calls_that_begin_at_once_have_a_claim_each, .domain = true),
		TEST_WITH(0, merging_what_is_cold_overlaps_too, .domain = true),
		TEST_WITH(0, nobody_has_to_be_told, .domain = true),
	};

	return FIXTURE_RUN(tests);
}
