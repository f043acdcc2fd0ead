/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Verbs on contiguous groups, with the nth call of the host failing, for n = 1,
 * 2, ... until none fails, while walkers write: what is mapped stays as it was or
 * is as asked, no write is lost, the op can be finished, the verb succeeds when
 * it is called again.
 */
#include "test_groups.h"

#define GROUPS 3

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
	void (*done)(struct fixture *f);
	bool removes;   /* pages may be gone */
	bool read_only; /* pages may have become read-only */
	bool singles;   /* starts from single entries */
};

/* --- Writes while the verb runs --- */

struct writes {
	struct random random;
	bool landed[GROUPS * 128];
};

static void write_a_little(struct fixture *f, enum host_call call, bool done)
{
	struct writes *writes = f->hook_context;

	(void)call;
	(void)done;
	for (unsigned i = 0; i < 4; i++) {
		unsigned number = (unsigned)random_below(&writes->random, GROUPS * entries(f));
		unsigned walker = (unsigned)random_below(&writes->random, f->walker_count);
		bool writing = random_chance(&writes->random, 3);

		if (access_ok(f, walker, entry(f, number), writing ? WALKER_WRITE : WALKER_READ))
			writes->landed[number] |= writing;
	}
}

static void prepare(struct fixture *f, const struct verb *verb, struct writes *writes)
{
	if (verb->singles)
		map_singles(f, GROUPS, RW | IOPGT_CLEAN);
	else
		map_groups(f, GROUPS, RW | IOPGT_CLEAN);
	entry_bitmap(f, group(f, 0), GROUPS * group_bytes(f));
	*writes = (struct writes){.random = {(uint64_t)verb->removes + 1}};
	f->hook_context = writes;
	f->hook = write_a_little;
	write_a_little(f, HOST_ANY, false);
}

/* Each write is in the bitmap, or the library still reports it. */
static void expect_nothing_lost(struct fixture *f, const struct writes *writes)
{
	struct iopgt_bitmap taken = f->bitmap;
	fixture_hook *hook = f->hook;

	f->hook = NULL;
	f->bitmap.words = NULL;
	look_at_dirty(f, group(f, 0), GROUPS * group_bytes(f));
	for (unsigned i = 0; i < GROUPS * entries(f); i++)
		assert_true(!writes->landed[i] || bit_at(f, entry(f, i)) ||
		            iopgt_bitmap_test(&taken, entry(f, i)));
	free(f->bitmap.words);
	f->bitmap = taken;
	f->hook = hook;
}

static void expect_outputs(struct fixture *f, const struct verb *verb)
{
	for (unsigned i = 0; i < GROUPS * entries(f); i++) {
		struct walker_leaf leaf = look_at(f, entry(f, i));

		if (leaf.fault == WALKER_OK)
			assert_int_equal(leaf.phys, phys_of(f, entry(f, i)));
		else
			assert_true(verb->removes && leaf.fault == WALKER_TRANSLATION);
		if (!verb->removes && !verb->read_only)
			assert_true(access_ok(f, 0, entry(f, i), WALKER_READ));
	}
}

/* --- The driver --- */

static uint64_t calls_of(struct fixture *f, enum host_call call)
{
	uint64_t calls = 0;

	if (call != HOST_ANY)
		return host_calls(&f->host, call);
	for (enum host_call any = HOST_ALLOC; any < HOST_ANY; any++)
		calls += host_calls(&f->host, any);
	return calls;
}

static void finish_after(struct fixture *f, struct iopgt_op *op, const struct mode *mode)
{
	int error;

	if (mode->call == HOST_PHYS_TO_VIRT || mode->call == HOST_ANY)
		host_fail_nothing(&f->host); /* it finds the tables to be freed by that */
	error = iopgt_op_finish(op);
	assert_true(error == IOPGT_OK || error == HOST_ERROR);
	host_fail_nothing(&f->host);
	expect(IOPGT_OK, iopgt_op_finish(op));
}

/* Returns whether there was an nth call. */
static bool try_with_failure(struct fixture *f, const struct verb *verb, const struct mode *mode,
                             uint64_t nth)
{
	struct iopgt_op op = new_op(f);
	struct writes writes;
	uint64_t before;
	bool reached;
	int error;

	prepare(f, verb, &writes);
	before = calls_of(f, mode->call);
	host_fail(&f->host, mode->call, nth, mode->forever);
	if (mode->instead != mode->call)
		host_fail(&f->host, mode->instead, 1, true);
	error = verb->act(f, &op);
	print_message("\tcall %d, number %d: %s\n", (int)mode->call, (int)nth,
	              fixture_error_text(error));
	assert_true(error == IOPGT_OK || error == IOPGT_NO_MEMORY || error == HOST_ERROR ||
	            error == IOPGT_BAD_TABLE);
	finish_after(f, &op, mode);
	reached = calls_of(f, mode->call) - before >= nth;
	if (error != IOPGT_OK) {
		check(f);
		expect_outputs(f, verb);
		expect_nothing_lost(f, &writes);
		expect(IOPGT_OK, verb->act(f, &op));
		expect(IOPGT_OK, iopgt_op_finish(&op));
	}
	f->hook = NULL;
	check(f);
	expect_outputs(f, verb);
	expect_nothing_lost(f, &writes);
	verb->done(f);
	return reached;
}

static void survives_all_failures(struct fixture *f, const struct verb *verb)
{
	uint64_t failures = 0;

	for (size_t i = 0; i < COUNT(modes); i++) {
		for (uint64_t nth = 1;; nth += 1 + nth / 8) {
			bool failed;

			assert_true(nth < 3000);
			failed = try_with_failure(f, verb, &modes[i], nth);
			unmap(f, 0, SPACE);
			assert_int_equal(pool_in_use(f->host.pool), 1);
			if (!failed)
				break;
			failures++;
		}
	}
	assert_true(failures > 0);
}

/* --- The verbs --- */

/* Cuts the first and the last group; takes the one in the middle. */
static uint64_t cut_first(struct fixture *f)
{
	return entry(f, 3);
}

static uint64_t cut_size(struct fixture *f)
{
	return GROUPS * group_bytes(f) - 5 * entry_bytes(f);
}

static bool is_cut(struct fixture *f, unsigned number)
{
	return number >= 3 && number < GROUPS * entries(f) - 2;
}

static int act_unmap(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_unmap_dirty(f->table, cut_first(f), cut_size(f), &f->bitmap, op);
}

static void unmap_done(struct fixture *f)
{
	for (unsigned i = 0; i < GROUPS * entries(f); i++) {
		assert_int_equal(is_present(f, entry(f, i)), !is_cut(f, i));
		assert_int_equal(access_ok(f, 1, entry(f, i), WALKER_WRITE), !is_cut(f, i));
		assert_false(is_contiguous(f, entry(f, i)));
	}
}

static int act_protect(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_protect(f->table, cut_first(f), cut_size(f), IOPGT_READ, op);
}

static void protect_done(struct fixture *f)
{
	for (unsigned i = 0; i < GROUPS * entries(f); i++)
		for (unsigned j = 0; j < f->walker_count; j++)
			assert_int_equal(access_ok(f, j, entry(f, i), WALKER_WRITE), !is_cut(f, i));
}

static int act_split(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_split_block(f->table, group(f, 0), GROUPS * group_bytes(f), op);
}

static void split_done(struct fixture *f)
{
	for (unsigned i = 0; i < GROUPS * entries(f); i++)
		expect_leaf(f, entry(f, i), granule(f));
}

static int act_merge(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_merge_page(f->table, group(f, 0), GROUPS * group_bytes(f), op);
}

static void merge_done(struct fixture *f)
{
	for (unsigned i = 0; i < GROUPS; i++)
		expect_group(f, group(f, i), phys_of(f, group(f, i)));
}

static int act_read_and_clear(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_read_and_clear_dirty(f->table, group(f, 0), GROUPS * group_bytes(f),
	                                  &f->bitmap, op);
}

static void clear_done(struct fixture *f)
{
	take(f, group(f, 0), GROUPS * group_bytes(f));
	for (unsigned i = 0; i < GROUPS; i++) {
		assert_int_equal(count_entries(f, group(f, i), is_dirty), 0);
		for (unsigned j = 0; j < f->walker_count; j++) {
			assert_true(access_ok(f, j, entry(f, i * entries(f) + 2), WALKER_WRITE));
			assert_true(count_entries(f, group(f, i), is_dirty) > 0);
			take(f, group(f, 0), GROUPS * group_bytes(f));
		}
	}
}

static int act_map(struct fixture *f, struct iopgt_op *op)
{
	struct iopgt_mapping mapping =
		fixture_mapping(group(f, 4), phys_of(f, group(f, 4)), 2 * group_bytes(f), RW);

	return iopgt_map(f->table, &mapping, op);
}

static void map_done(struct fixture *f)
{
	for (unsigned i = 4; i < 6; i++)
		expect_group(f, group(f, i), phys_of(f, group(f, i)));
}

#define SURVIVES(name, ...)                                                                        \
	static void name##_survives_failures(struct fixture *f)                                    \
	{                                                                                          \
		static const struct verb verb = {__VA_ARGS__};                                     \
                                                                                                   \
		survives_all_failures(f, &verb);                                                   \
	}

SURVIVES(unmap_dirty, .act = act_unmap, .done = unmap_done, .removes = true)
SURVIVES(protect, .act = act_protect, .done = protect_done, .read_only = true)
SURVIVES(split, .act = act_split, .done = split_done)
SURVIVES(merge, .act = act_merge, .done = merge_done, .singles = true)
SURVIVES(read_and_clear, .act = act_read_and_clear, .done = clear_done)
SURVIVES(map, .act = act_map, .done = map_done)

/* --- Before the wait for a group is over --- */

/*
 * The walkers have a dirty group cached, its bit is gone, the wait has failed, and
 * the op that owes it is not finished.
 */
static void break_up_without_wait(struct fixture *f, struct iopgt_op *op)
{
	map_groups(f, 1, RW | IOPGT_CLEAN);
	for (unsigned walker = 0; walker < f->walker_count; walker++)
		assert_true(access_ok(f, walker, entry(f, 2), WALKER_WRITE));
	host_fail(&f->host, HOST_SYNC, 1, false);
	expect(HOST_ERROR, iopgt_unmap(f->table, entry(f, 1), entry_bytes(f), op));
	host_fail_nothing(&f->host);
	expect_output(f, group(f, 0), phys_apart(f), group_bytes(f));
}

static void entries_cleaned_by_another_op_are_marked_again(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	break_up_without_wait(f, &op);
	/* All were dirty: spread before anybody cleans. */
	take(f, entry(f, 5), entry_bytes(f));
	assert_true(bit_at(f, entry(f, 5)));
	for (unsigned walker = 0; walker < f->walker_count; walker++)
		assert_true(access_ok(f, walker, entry(f, 5), WALKER_WRITE));
	look_at_dirty(f, group(f, 0), group_bytes(f));
	assert_true(bit_at(f, entry(f, 5)));
	for (unsigned i = 0; i < entries(f); i++)
		assert_true(bit_at(f, entry(f, i)));
	finish(f, &op);
}

static void an_entry_unmapped_by_another_op_is_out_of_reach(struct fixture *f)
{
	struct iopgt_op op = new_op(f), other = new_op(f);

	break_up_without_wait(f, &op);
	entry_bitmap(f, entry(f, 5), entry_bytes(f));
	expect(IOPGT_OK,
	       iopgt_unmap_dirty(f->table, entry(f, 5), entry_bytes(f), &f->bitmap, &other));
	finish(f, &other);
	assert_true(bit_at(f, entry(f, 5))); /* the group was dirty */
	for (unsigned walker = 0; walker < f->walker_count; walker++)
		assert_false(access_ok(f, walker, entry(f, 5), WALKER_READ));
	finish(f, &op);
}

static void an_entry_protected_by_another_op_is_not_written(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	break_up_without_wait(f, &op);
	protect(f, entry(f, 5), entry_bytes(f), IOPGT_READ);
	for (unsigned walker = 0; walker < f->walker_count; walker++)
		assert_false(access_ok(f, walker, entry(f, 5), WALKER_WRITE));
	finish(f, &op);
	look_at_dirty(f, group(f, 0), group_bytes(f));
	assert_true(bit_at(f, entry(f, 5)));
}

/* --- The level changes while a group is half broken up --- */

static void a_walker_of_level_0_comes(struct fixture *f)
{
	unsigned index = fixture_add_walker(f);

	f->domain_walkers[index].bbm_level = 0;
	f->domain_walkers[index].flags |= IOPGT_WALKER_FAULTS_RETRIED;
	expect(IOPGT_OK, iopgt_domain_attach(&f->domain, &f->domain_walkers[index]));
}

static void fail_to_cut(struct fixture *f, uint32_t prot)
{
	struct iopgt_op op = new_op(f);
	uint64_t first = entry(f, 5), size = 2 * entry_bytes(f);

	op.flags |= IOPGT_OP_MAY_BREAK;
	host_fail(&f->host, HOST_SYNC, 1, false);
	if (prot)
		expect(HOST_ERROR, iopgt_protect(f->table, first, size, prot, &op));
	else
		expect(HOST_ERROR, iopgt_unmap(f->table, first, size, &op));
	host_fail_nothing(&f->host);
	finish(f, &op);
	expect_output(f, group(f, 0), phys_apart(f), group_bytes(f));
}

/* One mark stood for all entries: it does so until all have it, however often that fails. */
static void marks_outlive_failures_at_two_levels(struct fixture *f)
{
	const unsigned marked[] = {0, 3, 6, entries(f) - 1};

	for (size_t i = 0; i < 2 * COUNT(marked); i++) {
		struct iopgt_op op = new_op(f);

		map_groups(f, 1, RW | IOPGT_CLEAN);
		mark(f, entry(f, marked[i / 2]));
		fail_to_cut(f, 0);
		if (i == 0)
			a_walker_of_level_0_comes(f);
		for (unsigned again = 0; again < 2; again++) {
			fail_to_cut(f, i % 2 ? IOPGT_READ : 0);
			look_at_dirty(f, group(f, 0), group_bytes(f));
			expect_only_bits(f, group(f, 0), group_bytes(f));
		}
		op.flags |= IOPGT_OP_MAY_BREAK;
		entry_bitmap(f, entry(f, 5), 2 * entry_bytes(f));
		expect(IOPGT_OK, iopgt_unmap_dirty(f->table, entry(f, 5), 2 * entry_bytes(f),
		                                   &f->bitmap, &op));
		finish(f, &op);
		expect_only_bits(f, entry(f, 5), 2 * entry_bytes(f));
		look_at_dirty(f, group(f, 0), group_bytes(f));
		for (unsigned j = 0; j < entries(f); j++)
			assert_int_equal(bit_at(f, entry(f, j)), j != 5 && j != 6);
		unmap(f, 0, SPACE);
	}
}

int main(void)
{
	const uint32_t all = FIXTURE_STAGES | FIXTURE_LEVELS;
	const uint32_t levels = FIXTURE_LEVELS | GROUPS_SMALL;
	const struct fixture_test tests[] = {
		TEST_WITH(all, unmap_dirty_survives_failures, .walkers = 2),
		TEST_WITH(all, protect_survives_failures, .walkers = 2),
		TEST_WITH(levels, split_survives_failures, .walkers = 2),
		TEST_WITH(all, merge_survives_failures, .walkers = 2),
		TEST_WITH(FIXTURE_STAGES, read_and_clear_survives_failures, .walkers = 2),
		TEST_WITH(FIXTURE_LEVELS, map_survives_failures, .walkers = 2),
		TEST_WITH(FIXTURE_STAGES, entries_cleaned_by_another_op_are_marked_again,
	                  .walkers = 2),
		TEST_WITH(FIXTURE_STAGES, entries_cleaned_by_another_op_are_marked_again,
	                  .walkers = 2, .level = FIXTURE_LEVEL_1),
		TEST_WITH(FIXTURE_STAGES, an_entry_unmapped_by_another_op_is_out_of_reach,
	                  .walkers = 2),
		TEST_WITH(FIXTURE_STAGES, an_entry_unmapped_by_another_op_is_out_of_reach,
	                  .walkers = 2, .level = FIXTURE_LEVEL_1),
		TEST_WITH(FIXTURE_STAGES, an_entry_protected_by_another_op_is_not_written,
	                  .walkers = 2),
		TEST_WITH(FIXTURE_STAGES, an_entry_protected_by_another_op_is_not_written,
	                  .walkers = 2, .level = FIXTURE_LEVEL_1),
		TEST_WITH(FIXTURE_STAGES, marks_outlive_failures_at_two_levels, .domain = true),
		TEST_WITH(FIXTURE_STAGES, marks_outlive_failures_at_two_levels, .domain = true,
	                  .level = FIXTURE_LEVEL_1),
	};

	return GROUPS_RUN_SOME(tests);
}
