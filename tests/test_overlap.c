/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A library built with IOPGT_DEBUG finds calls that the caller should have serialised.
 * The second call is made from a callback in the midst of the first one.
 */
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
		TEST_WITH(0, nobody_has_to_be_told, .domain = true),
	};

	return FIXTURE_RUN(tests);
}
