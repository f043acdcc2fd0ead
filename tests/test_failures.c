/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every verb, with the nth call of the host failing, for n = 1, 2, ... until
 * none fails: the table is as the verb's comment says, no dirty page is
 * forgotten, the op can be finished, the call succeeds when made again, and
 * nothing leaks.
 */
#include "fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FIRST(f)     (4 * block(f))
#define PHYS(f)      (16 * block(f))
#define SIZE(f)      (4 * block(f))

/* What fails: these from the nth on, or once. */
struct mode {
	enum host_call call, instead; /* `instead` fails at once: it takes the place of `call` */
	bool forever;
};

static const struct mode modes[] = {
	{HOST_ALLOC, HOST_ALLOC, false}, {HOST_ALLOC, HOST_ALLOC, true},
	{HOST_RANGE, HOST_ALL, true},    {HOST_RANGE, HOST_RANGE, false},
	{HOST_SYNC, HOST_SYNC, false},   {HOST_SYNC, HOST_SYNC, true},
	{HOST_ANY, HOST_ANY, false},     {HOST_PHYS_TO_VIRT, HOST_PHYS_TO_VIRT, false},
};

struct verb {
	int (*act)(struct fixture *f, struct iopgt_op *op);
	/* After a failure and iopgt_op_finish; and after success. Asserts. */
	void (*failed)(struct fixture *f, int error);
	void (*done)(struct fixture *f);
};

/* --- The machine that all start from --- */

/* Pages, two blocks, pages; clean, but for these. */
static uint64_t written(struct fixture *f, unsigned number)
{
	const uint64_t offsets[] = {0,
	                            granule(f),
	                            100 * granule(f),
	                            block(f) + 7 * granule(f),
	                            3 * block(f) + 5 * granule(f),
	                            4 * block(f) - granule(f)};

	return number < COUNT(offsets) ? FIRST(f) + offsets[number] : 0;
}

static void prepare(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), SIZE(f), RW | IOPGT_CLEAN);
	split(f, FIRST(f), block(f));
	split(f, FIRST(f) + 3 * block(f), block(f));
	for (unsigned i = 0; written(f, i); i++)
		write_page(f, written(f, i));
	read_page(f, FIRST(f) + 2 * block(f));
	/* An empty table, that the walker knows. */
	map(f, FIRST(f) + 5 * block(f), 0, granule(f), RW);
	read_page(f, FIRST(f) + 5 * block(f));
	unmap(f, FIRST(f) + 5 * block(f), granule(f));
	page_bitmap(f, FIRST(f), SIZE(f));
}

static void clean_up(struct fixture *f)
{
	unmap(f, 0, UINT64_C(1) << 48);
	assert_int_equal(pool_in_use(f->host.pool), 1);
}

/* Places where something changes, for checks that take less time than all pages. */
static uint64_t sample(struct fixture *f, unsigned number)
{
	const uint64_t g = granule(f), b = block(f);
	const uint64_t offsets[] = {
		0,         g,        100 * g,           b - g,         b,
		2 * b - g, 2 * b,    2 * b + b / 2 - g, 2 * b + b / 2, 3 * b - g,
		3 * b,     4 * b - g};

	return number < COUNT(offsets) ? FIRST(f) + offsets[number] : 0;
}

static void expect_samples(struct fixture *f, bool may_be_gone)
{
	struct walker_leaf leaf;

	for (unsigned i = 0; sample(f, i); i++) {
		uint64_t iova = sample(f, i);

		if (walker_translate(f->walkers[0], iova, &leaf) == WALKER_OK)
			assert_int_equal(leaf.phys, PHYS(f) + iova - FIRST(f));
		else
			assert_true(may_be_gone && leaf.fault == WALKER_TRANSLATION);
	}
}

static bool is_dirty(struct fixture *f, uint64_t iova)
{
	struct walker_leaf leaf;

	return walker_translate(f->walkers[0], iova, &leaf) == WALKER_OK &&
	       leaf.dirty == WALKER_WRITABLE_DIRTY;
}

static void expect_reported_or_dirty(struct fixture *f)
{
	for (unsigned i = 0; written(f, i); i++)
		assert_true(bit_at(f, written(f, i)) || is_dirty(f, written(f, i)));
}

static void expect_reported(struct fixture *f)
{
	for (unsigned i = 0; written(f, i); i++)
		assert_true(bit_at(f, written(f, i)));
}

/* --- The driver --- */

static void arm(struct fixture *f, const struct mode *mode, uint64_t nth)
{
	host_fail(&f->host, mode->call, nth, mode->forever);
	if (mode->instead != mode->call)
		host_fail(&f->host, mode->instead, 1, true);
}

static uint64_t calls_of(struct fixture *f, enum host_call call)
{
	uint64_t calls = 0;

	if (call != HOST_ANY)
		return host_calls(&f->host, call);
	for (enum host_call any = HOST_ALLOC; any < HOST_ANY; any++)
		calls += host_calls(&f->host, any);
	return calls;
}

/* Finishes, at first with the failures still armed, if that is what they are for. */
static void finish_after(struct fixture *f, struct iopgt_op *op, const struct mode *mode)
{
	int error;

	if (mode->call == HOST_PHYS_TO_VIRT || mode->call == HOST_ANY)
		host_fail_nothing(&f->host); /* it finds the tables to be freed by that */
	error = iopgt_op_finish(op);
	assert_true(error == IOPGT_OK || error == HOST_ERROR);
	host_fail_nothing(&f->host);
	finish(f, op);
}

/* Returns whether there was an nth call. */
static bool try_with_failure(struct fixture *f, const struct verb *verb, const struct mode *mode,
                             uint64_t nth)
{
	uint64_t before = calls_of(f, mode->call);
	struct iopgt_op op = new_op(f);
	bool reached;
	int error;

	arm(f, mode, nth);
	error = verb->act(f, &op);
	assert_true(error == IOPGT_OK || error == IOPGT_NO_MEMORY || error == HOST_ERROR ||
	            error == IOPGT_BAD_TABLE);
	finish_after(f, &op, mode);
	reached = calls_of(f, mode->call) - before >= nth;
	if (error != IOPGT_OK) {
		verb->failed(f, error);
		expect(IOPGT_OK, verb->act(f, &op));
		finish(f, &op);
	}
	verb->done(f);
	return reached;
}

static void survives_all_failures(struct fixture *f, const struct verb *verb)
{
	uint64_t failures = 0;

	for (size_t i = 0; i < COUNT(modes); i++) {
		/* The steps grow: a call may descend some hundred times. */
		for (uint64_t nth = 1;; nth += 1 + nth / 16) {
			bool failed;

			assert_true(nth < 1000);
			prepare(f);
			failed = try_with_failure(f, verb, &modes[i], nth);
			clean_up(f);
			if (!failed)
				break;
			failures++;
		}
	}
	assert_true(failures > 0);
}

/* --- Verbs on a table --- */

static int act_map(struct fixture *f, struct iopgt_op *op)
{
	struct iopgt_mapping mapping =
		fixture_mapping(FIRST(f) + 5 * block(f) - granule(f), 9 * block(f) - granule(f),
	                        2 * block(f) + 2 * granule(f), RW);

	return iopgt_map(f->table, &mapping, op);
}

static void map_failed(struct fixture *f, int error)
{
	(void)error;
	expect_unmapped(f, FIRST(f) + 5 * block(f) - granule(f), 2 * granule(f));
	expect_unmapped(f, FIRST(f) + 6 * block(f) - granule(f), 2 * granule(f));
	expect_unmapped(f, FIRST(f) + 7 * block(f) - granule(f), 2 * granule(f));
	expect_samples(f, false);
}

static void map_done(struct fixture *f)
{
	expect_mapped(f, FIRST(f) + 5 * block(f) - granule(f), 9 * block(f) - granule(f),
	              2 * granule(f));
	expect_mapped(f, FIRST(f) + 7 * block(f) - granule(f), 11 * block(f) - granule(f),
	              2 * granule(f));
	read_page(f, FIRST(f) + 5 * block(f));
	expect_samples(f, false);
}

static uint64_t part(struct fixture *f)
{
	return FIRST(f) + granule(f);
}

static uint64_t part_size(struct fixture *f)
{
	return 2 * block(f) + block(f) / 2 - granule(f);
}

static int act_unmap(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_unmap(f->table, part(f), part_size(f), op);
}

static void expect_rest(struct fixture *f)
{
	expect_mapped(f, FIRST(f), PHYS(f), granule(f));
	for (uint64_t at = part_size(f) + granule(f); at < SIZE(f); at += block(f) / 8)
		expect_mapped(f, FIRST(f) + at, PHYS(f) + at, granule(f));
}

static void unmap_failed(struct fixture *f, int error)
{
	(void)error;
	expect_samples(f, true);
	expect_rest(f);
}

static void unmap_done(struct fixture *f)
{
	expect_unmapped(f, part(f), part_size(f));
	expect_rest(f);
}

static int act_unmap_dirty(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_unmap_dirty(f->table, FIRST(f), SIZE(f), &f->bitmap, op);
}

static void unmap_dirty_failed(struct fixture *f, int error)
{
	(void)error;
	expect_samples(f, true);
	expect_reported_or_dirty(f);
}

static void unmap_dirty_done(struct fixture *f)
{
	expect_unmapped(f, FIRST(f), SIZE(f));
	expect_reported(f);
}

static int act_unmap_dirty_part(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_unmap_dirty(f->table, part(f), part_size(f), &f->bitmap, op);
}

static void unmap_dirty_part_done(struct fixture *f)
{
	expect_unmapped(f, part(f), part_size(f));
	expect_rest(f);
	expect_reported_or_dirty(f);
}

static int act_protect(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_protect(f->table, part(f), part_size(f), IOPGT_READ, op);
}

static void protect_failed(struct fixture *f, int error)
{
	(void)error;
	expect_samples(f, false);
}

static void protect_done(struct fixture *f)
{
	expect_samples(f, false);
	for (unsigned i = 0; sample(f, i); i++)
		assert_int_equal(access_ok(f, 0, sample(f, i), WALKER_WRITE),
		                 sample(f, i) < part(f) || sample(f, i) >= part(f) + part_size(f));
	look_dirty(f, FIRST(f), SIZE(f));
	expect_reported(f);
}

static int act_split(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_split_block(f->table, FIRST(f), SIZE(f), op);
}

static void size_change_failed(struct fixture *f, int error)
{
	(void)error;
	expect_samples(f, false);
	look_dirty(f, FIRST(f), SIZE(f));
	expect_reported(f);
}

static void split_done(struct fixture *f)
{
	size_change_failed(f, 0);
	expect_level(f, FIRST(f) + block(f), 3);
	expect_level(f, FIRST(f) + 2 * block(f), 3);
}

static int act_merge(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_merge_page(f->table, FIRST(f), SIZE(f), op);
}

static void merge_done(struct fixture *f)
{
	size_change_failed(f, 0);
	expect_level(f, FIRST(f), 2);
	expect_level(f, FIRST(f) + 3 * block(f), 2);
}

static int act_read_and_clear(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_read_and_clear_dirty(f->table, FIRST(f), SIZE(f), &f->bitmap, op);
}

static void read_and_clear_failed(struct fixture *f, int error)
{
	(void)error;
	expect_samples(f, false);
	expect_reported_or_dirty(f);
}

static void read_and_clear_done(struct fixture *f)
{
	expect_samples(f, false);
	expect_reported(f);
	/* Clean for the walker too: each write is marked again. */
	for (unsigned i = 0; written(f, i); i++) {
		assert_false(is_dirty(f, written(f, i)));
		write_page(f, written(f, i));
		assert_true(is_dirty(f, written(f, i)));
	}
}

static int act_clear(struct fixture *f, struct iopgt_op *op)
{
	set_bits(f, FIRST(f), SIZE(f));
	return iopgt_clear_dirty_log(f->table, FIRST(f), SIZE(f), &f->bitmap, op);
}

static int act_trim(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_trim(f->table, 0, UINT64_C(1) << 48, op);
}

static void nothing_happened(struct fixture *f, int error)
{
	(void)error;
	expect_samples(f, false);
}

static void trim_done(struct fixture *f)
{
	expect_samples(f, false);
	map(f, FIRST(f) + 5 * block(f), 0, block(f), RW);
	read_page(f, FIRST(f) + 5 * block(f));
}

#define SURVIVES(name, ...)                                                                        \
	static void name##_survives_failures(struct fixture *f)                                    \
	{                                                                                          \
		static const struct verb verb = {__VA_ARGS__};                                     \
                                                                                                   \
		survives_all_failures(f, &verb);                                                   \
	}

SURVIVES(map, act_map, map_failed, map_done)
SURVIVES(unmap, act_unmap, unmap_failed, unmap_done)
SURVIVES(unmap_dirty, act_unmap_dirty, unmap_dirty_failed, unmap_dirty_done)
SURVIVES(unmap_dirty_of_a_part, act_unmap_dirty_part, unmap_dirty_failed, unmap_dirty_part_done)
SURVIVES(protect, act_protect, protect_failed, protect_done)
SURVIVES(split, act_split, size_change_failed, split_done)
SURVIVES(merge, act_merge, size_change_failed, merge_done)
SURVIVES(read_and_clear, act_read_and_clear, read_and_clear_failed, read_and_clear_done)
SURVIVES(clear, act_clear, nothing_happened, read_and_clear_done)
SURVIVES(trim, act_trim, nothing_happened, trim_done)

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_LEVELS;
	const struct fixture_test tests[] = {
		TEST(all, map_survives_failures),
		TEST(all, unmap_survives_failures),
		TEST(all, unmap_dirty_survives_failures),
		TEST(all, unmap_dirty_of_a_part_survives_failures),
		TEST(all, protect_survives_failures),
		TEST(all, split_survives_failures),
		TEST(all, merge_survives_failures),
		TEST(all, read_and_clear_survives_failures),
		TEST(all, clear_survives_failures),
		TEST(all, trim_survives_failures),
		TEST_WITH(FIXTURE_LEVELS, unmap_dirty_of_a_part_survives_failures,
	                  .regime = IOPGT_STAGE2),
		TEST_WITH(FIXTURE_LEVELS, protect_survives_failures, .regime = IOPGT_STAGE2),
		TEST_WITH(FIXTURE_LEVELS, merge_survives_failures, .regime = IOPGT_STAGE2),
	};

	return FIXTURE_RUN(tests);
}
