/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * "Failure: nothing posted since the last sync counts; every op that had posted
 * something asks for invalidate_all" (hal.h): one op has posted, the sync of
 * another, the rival, fails; before the first one syncs, or while it does.
 */
#include <string.h>

#include "fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ROUNDS       24 /* what a failed sync loses may act by chance */

/* --- What stands where --- */

static uint64_t page(const struct fixture *f, unsigned number)
{
	return 4 * block(f) + number * granule(f);
}

static uint64_t rival_page(const struct fixture *f, unsigned number)
{
	return 40 * block(f) + number * granule(f);
}

/* In pages: walker 0 has every fourth of the op's cached; and the rival's. */
static void prepare(struct fixture *f)
{
	map(f, page(f, 0), 80 * block(f) + granule(f), 4 * ROUNDS * granule(f), RW | IOPGT_CLEAN);
	map(f, rival_page(f, 0), 120 * block(f) + granule(f), ROUNDS * granule(f), RW);
	for (unsigned i = 0; i < ROUNDS; i++)
		write_page(f, page(f, 4 * i));
}

static bool is_cached(struct fixture *f, uint64_t iova)
{
	return walker_caches_iova(f->walkers[0], iova);
}

/* Posts the invalidation of one page, since it takes another that does not touch it. */
static void post(struct fixture *f, unsigned round, struct iopgt_op *op)
{
	write_page(f, page(f, 4 * round));
	assert_true(is_cached(f, page(f, 4 * round)));
	expect(IOPGT_OK, iopgt_unmap(f->table, page(f, 4 * round), granule(f), op));
	expect(IOPGT_OK, iopgt_unmap(f->table, page(f, 4 * round + 2), granule(f), op));
}

static void owe(struct fixture *f, unsigned round, struct iopgt_op *rival)
{
	expect(IOPGT_OK, iopgt_unmap(f->table, rival_page(f, round), granule(f), rival));
}

static void fail_to_finish(struct fixture *f, struct iopgt_op *rival)
{
	host_fail(&f->host, HOST_SYNC, 1, false);
	expect(HOST_ERROR, iopgt_op_finish(rival));
	host_fail_nothing(&f->host);
}

/* --- Between: the op's own sync is that of a verb --- */

static int visit_nothing(void *context, uint64_t iova, uint64_t size)
{
	(void)context;
	(void)iova;
	(void)size;
	return 0;
}

static int sync_to_read(struct fixture *f, struct iopgt_op *op)
{
	op->flags |= IOPGT_OP_SYNC;
	return iopgt_sync_dirty_log(f->table, 0, block(f), page_bitmap(f, 0, block(f)), op);
}

static int sync_to_read_and_clear(struct fixture *f, struct iopgt_op *op)
{
	op->flags |= IOPGT_OP_SYNC;
	return iopgt_read_and_clear_dirty(f->table, 0, block(f), page_bitmap(f, 0, block(f)), op);
}

static int sync_to_visit(struct fixture *f, struct iopgt_op *op)
{
	const struct iopgt_dirty_visitor visitor = {visit_nothing, NULL};

	op->flags |= IOPGT_OP_SYNC;
	return iopgt_for_each_dirty(f->table, 0, block(f), &visitor, op);
}

static int sync_to_unmap(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_unmap_dirty(f->table, 0, block(f), page_bitmap(f, 0, block(f)), op);
}

static int no_sync(struct fixture *f, struct iopgt_op *op)
{
	(void)f;
	(void)op;
	return IOPGT_OK;
}

static void a_verbs_own_sync_is_no_wait_for_what_was_voided(struct fixture *f)
{
	int (*const verbs[])(struct fixture *, struct iopgt_op *) = {
		no_sync, sync_to_read, sync_to_read_and_clear, sync_to_visit, sync_to_unmap};

	for (size_t i = 0; i < COUNT(verbs); i++) {
		prepare(f);
		for (unsigned round = 0; round < ROUNDS; round++) {
			struct iopgt_op op = new_op(f), rival = new_op(f);

			post(f, round, &op);
			owe(f, round, &rival);
			fail_to_finish(f, &rival);
			expect(IOPGT_OK, verbs[i](f, &op));
			expect(IOPGT_OK, iopgt_op_finish(&op));
			assert_false(is_cached(f, page(f, 4 * round)));
			finish(f, &rival);
		}
		unmap(f, 0, 256 * block(f));
	}
}

/* Which voids nothing of an op that has posted nothing: no more is asked for than it owes. */
static void an_op_that_had_posted_nothing_asks_for_its_own_range(struct fixture *f)
{
	struct iopgt_op op = new_op(f), rival = new_op(f);

	prepare(f);
	owe(f, 0, &rival);
	fail_to_finish(f, &rival);
	host_log_clear(&f->host);
	expect(IOPGT_OK, iopgt_unmap(f->table, page(f, 0), granule(f), &op));
	finish(f, &op);
	assert_int_equal(event_count(f, HOST_RANGE), 1);
	assert_int_equal(event_count(f, HOST_ALL), 0);
	assert_false(is_cached(f, page(f, 0)));
	finish(f, &rival);
}

/* --- A host that lets sync fail until invalidate_all is called --- */

static bool refusing;

static void refuse_to_sync(struct fixture *f, enum host_call call, bool done)
{
	if (call == HOST_ALL && done)
		refusing = false;
	if (call == HOST_SYNC && !done && refusing)
		host_fail(&f->host, HOST_SYNC, 1, false);
}

/* Though the op had posted nothing: it is not refused for ever. */
static void a_refusal_to_sync_comes_to_an_end(struct fixture *f)
{
	int (*const verbs[])(struct fixture *, struct iopgt_op *) = {
		sync_to_read, sync_to_read_and_clear, sync_to_visit, sync_to_unmap};

	prepare(f);
	f->hook = refuse_to_sync;
	for (size_t i = 0; i < COUNT(verbs); i++) {
		struct iopgt_op op = new_op(f), finished = new_op(f);

		refusing = true;
		expect(HOST_ERROR, verbs[i](f, &op));
		expect(IOPGT_OK, verbs[i](f, &op));
		finish(f, &op);
		refusing = true;
		expect(HOST_ERROR, verbs[i](f, &finished));
		finish(f, &finished);
		expect(IOPGT_OK, verbs[i](f, &finished));
		finish(f, &finished);
	}
	f->hook = NULL;
}

/* --- Meanwhile: another thread's sync fails inside of the op's own --- */

struct meanwhile {
	struct iopgt_op rival;
	unsigned first; /* how many syncs are let alone before */
	unsigned times; /* how many are disturbed */
	bool at_end;    /* when the op's sync has acted, but not yet returned */
};

static void fail_the_rival(struct fixture *f, enum host_call call, bool done)
{
	struct meanwhile *meanwhile = f->hook_context;

	if (call != HOST_SYNC || done != meanwhile->at_end || !meanwhile->times)
		return;
	if (meanwhile->first) {
		meanwhile->first--;
		return;
	}
	meanwhile->times--;
	fail_to_finish(f, &meanwhile->rival);
}

static void disturb(struct fixture *f, struct meanwhile *meanwhile, unsigned times)
{
	meanwhile->times = times;
	f->hook_context = meanwhile;
	f->hook = fail_the_rival;
}

static void finish_rival(struct fixture *f, struct meanwhile *meanwhile)
{
	f->hook = NULL;
	finish(f, &meanwhile->rival);
}

static void finish_waits_again_if_its_sync_was_voided(struct fixture *f)
{
	for (unsigned at_end = 0; at_end < 2; at_end++) {
		prepare(f);
		for (unsigned round = 0; round < ROUNDS; round++) {
			struct meanwhile meanwhile = {.rival = new_op(f), .at_end = at_end};
			struct iopgt_op op = new_op(f);

			post(f, round, &op);
			owe(f, round, &meanwhile.rival);
			host_log_clear(&f->host);
			disturb(f, &meanwhile, 1);
			expect(IOPGT_OK, iopgt_op_finish(&op));
			assert_int_equal(meanwhile.times, 0);
			/* The rival failed before it was asked to post all itself. */
			assert_int_equal(event_count(f, HOST_ALL), 1);
			assert_int_equal(event_count(f, HOST_SYNC), 2);
			assert_false(is_cached(f, page(f, 4 * round)));
			finish_rival(f, &meanwhile);
		}
		unmap(f, 0, 256 * block(f));
	}
}

/* Voided twice: still owed, table memory too, and done when nobody disturbs. */
static void finish_gives_up_busy_and_still_owes(struct fixture *f)
{
	for (unsigned at_end = 0; at_end < 2; at_end++) {
		struct meanwhile meanwhile = {.rival = new_op(f), .at_end = at_end};
		struct iopgt_op op = new_op(f);
		size_t tables;

		prepare(f);
		owe(f, 0, &meanwhile.rival);
		expect(IOPGT_OK, iopgt_unmap(f->table, 4 * block(f), block(f), &op));
		tables = pool_in_use(f->host.pool);
		disturb(f, &meanwhile, 2);
		expect(IOPGT_BUSY, iopgt_op_finish(&op));
		assert_int_equal(meanwhile.times, 0);
		assert_int_equal(pool_in_use(f->host.pool), tables);
		host_log_clear(&f->host);
		finish(f, &op);
		assert_int_equal(event_count(f, HOST_ALL), 1);
		assert_int_equal(event_count(f, HOST_SYNC), 1);
		assert_true(pool_in_use(f->host.pool) < tables);
		for (unsigned i = 0; i < ROUNDS; i++)
			assert_false(is_cached(f, page(f, 4 * i)));
		finish_rival(f, &meanwhile);
		unmap(f, 0, 256 * block(f));
	}
}

/* Tables are not freed under a walker that a voided invalidation left with them. */
static void tables_are_freed_after_a_wait_that_counts(struct fixture *f)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct meanwhile meanwhile = {.rival = new_op(f), .at_end = round % 2};
		struct iopgt_op op = new_op(f);

		prepare(f);
		owe(f, 0, &meanwhile.rival);
		expect(IOPGT_OK, iopgt_unmap(f->table, 4 * block(f), block(f), &op));
		disturb(f, &meanwhile, 1);
		expect(IOPGT_OK, iopgt_op_finish(&op));
		f->hook = NULL;
		check(f); /* the host sees who still caches what it gets back */
		finish_rival(f, &meanwhile);
		unmap(f, 0, 256 * block(f));
	}
}

/*
 * "Nothing is owed for the split when the call returns": the block is in no cache.
 * Level 1 waits twice.
 */
static void a_split_waits_again_if_its_sync_was_voided(struct fixture *f)
{
	uint64_t at = 200 * block(f);

	prepare(f);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct meanwhile meanwhile = {.rival = new_op(f), .at_end = round % 2};
		struct iopgt_op op = new_op(f);

		map(f, at, 240 * block(f), block(f), RW | IOPGT_CLEAN);
		read_page(f, at + 3 * granule(f));
		owe(f, round, &meanwhile.rival);
		meanwhile.first = f->bbm_level == 1 ? round / 2 % 2 : 0;
		disturb(f, &meanwhile, 1);
		expect(IOPGT_OK, iopgt_split_block(f->table, at, block(f), &op));
		assert_int_equal(meanwhile.times, 0);
		assert_false(is_cached(f, at + 3 * granule(f)));
		finish(f, &op);
		finish_rival(f, &meanwhile);
		unmap(f, at, block(f));
	}
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST(FIXTURE_GRANULES, a_verbs_own_sync_is_no_wait_for_what_was_voided),
		TEST(FIXTURE_GRANULES, an_op_that_had_posted_nothing_asks_for_its_own_range),
		TEST(FIXTURE_GRANULES, a_refusal_to_sync_comes_to_an_end),
		TEST(FIXTURE_GRANULES, finish_waits_again_if_its_sync_was_voided),
		TEST(FIXTURE_GRANULES, finish_gives_up_busy_and_still_owes),
		TEST(FIXTURE_GRANULES, tables_are_freed_after_a_wait_that_counts),
		TEST(FIXTURE_GRANULES | FIXTURE_LEVELS, a_split_waits_again_if_its_sync_was_voided),
	};

	return FIXTURE_RUN(tests);
}
