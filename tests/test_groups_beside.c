/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * "Two ranges that share a block do not overlap for unmap, map and the dirty
 * verbs" (table.h), and so do two parts of one group: what a call finds while
 * another one is in the midst of breaking the group up for its part. The states
 * between are put into memory by hand, from what such a call leaves there while it
 * waits.
 */
#include "test_groups.h"

#define NOTE BIT(55)
#define MOST 128

/* --- The range of the call beside: the second half of group 0, and group 1 --- */

static uint64_t first_of(const struct fixture *f)
{
	return entry(f, entries(f) / 2);
}

static uint64_t size_of(const struct fixture *f)
{
	return group(f, 2) - first_of(f);
}

static int visit(void *context, uint64_t iova, uint64_t size)
{
	struct fixture *f = context;

	for (uint64_t at = iova; at < iova + size; at += entry_bytes(f))
		set_bits(f, at, entry_bytes(f));
	return 0;
}

typedef int verb_function(struct fixture *f, struct iopgt_op *op);

static int do_unmap(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_unmap(f->table, first_of(f), size_of(f), op);
}

static int do_unmap_dirty(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_unmap_dirty(f->table, first_of(f), size_of(f), &f->bitmap, op);
}

static int do_sync(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_sync_dirty_log(f->table, first_of(f), size_of(f), &f->bitmap, op);
}

static int do_read_and_clear(struct fixture *f, struct iopgt_op *op)
{
	return iopgt_read_and_clear_dirty(f->table, first_of(f), size_of(f), &f->bitmap, op);
}

static int do_visit(struct fixture *f, struct iopgt_op *op)
{
	const struct iopgt_dirty_visitor visitor = {visit, f};

	return iopgt_for_each_dirty(f->table, first_of(f), size_of(f), &visitor, op);
}

static const struct {
	verb_function *run;
	bool removes, reports;
} verbs[] = {
	{do_unmap, true, false}, {do_unmap_dirty, true, true},     {do_sync, false, true},
	{do_visit, false, true}, {do_read_and_clear, false, true},
};

/* --- Group 0 in a state between --- */

static struct {
	uint64_t whole[MOST]; /* clean, but for one dirty entry */
	uint64_t broken[MOST];
	bool taken;
} seen;

static uint64_t dirty_single(struct fixture *f, unsigned i)
{
	uint64_t single = seen.whole[i] & ~CONTIGUOUS;

	return f->config.regime == IOPGT_STAGE2 ? single | BIT(7) : single & ~BIT(7);
}

static void map_dirty_group(struct fixture *f, unsigned marked)
{
	map_groups(f, 2, RW | IOPGT_CLEAN);
	mark(f, entry(f, marked));
	for (unsigned i = 0; i < entries(f); i++)
		seen.whole[i] = raw(f, entry(f, i));
}

static void look_while_waiting(struct fixture *f, enum host_call call, bool done)
{
	if (call != HOST_SYNC || done || seen.taken)
		return;
	for (unsigned i = 0; i < entries(f); i++)
		seen.broken[i] = raw(f, entry(f, i));
	seen.taken = true;
}

/* How entries stand at level 0 while another call breaks their group up. */
static void find_out_what_is_broken(struct fixture *f, unsigned marked)
{
	map_dirty_group(f, marked);
	seen.taken = false;
	f->hook = look_while_waiting;
	unmap(f, entry(f, 0), entry_bytes(f));
	f->hook = NULL;
	assert_true(seen.taken);
	for (unsigned i = 0; i < entries(f); i++)
		assert_false(seen.broken[i] & 1);
	unmap(f, 0, SPACE);
}

static void expect_part_is_gone(struct fixture *f)
{
	for (uint64_t at = first_of(f); at < first_of(f) + size_of(f); at += entry_bytes(f)) {
		assert_int_equal(look_at(f, at).fault, WALKER_TRANSLATION);
		assert_int_equal(raw(f, at), 0);
	}
}

static void expect_part_is_reported(struct fixture *f)
{
	for (uint64_t at = first_of(f); at < group(f, 1); at += entry_bytes(f))
		assert_true(bit_at(f, at));
	for (uint64_t at = group(f, 1); at < group(f, 2); at += entry_bytes(f))
		assert_false(bit_at(f, at));
}

static void expect_result(struct fixture *f, size_t verb)
{
	if (verbs[verb].removes)
		expect_part_is_gone(f);
	if (verbs[verb].reports)
		expect_part_is_reported(f);
}

/* --- Levels 1 and 2 --- */

/* All have the mark; some have lost the note, others not yet. */
static void beside_a_call_that_takes_the_notes_away(struct fixture *f)
{
	for (unsigned i = 0; i < entries(f) * COUNT(verbs); i += 1 + entries(f) / 16) {
		unsigned without_note = i / COUNT(verbs);
		size_t verb = i % COUNT(verbs);
		struct iopgt_op op = new_op(f);

		map_dirty_group(f, 3);
		for (unsigned j = 0; j < entries(f); j++)
			set_raw(f, entry(f, j), dirty_single(f, j) | (j < without_note ? 0 : NOTE));
		entry_bitmap(f, first_of(f), size_of(f));
		expect(IOPGT_OK, verbs[verb].run(f, &op));
		expect(IOPGT_OK, iopgt_op_finish(&op));
		expect_result(f, verb);
		unmap(f, 0, SPACE);
	}
}

/* The Contiguous bit of some has become a note; the only mark is in one of them, or not. */
static void beside_a_call_that_sets_the_notes(struct fixture *f)
{
	for (unsigned i = 0; i < entries(f) * COUNT(verbs); i += 1 + entries(f) / 16) {
		unsigned noted = i / COUNT(verbs);
		size_t verb = i % COUNT(verbs);
		struct iopgt_op op = new_op(f);

		map_dirty_group(f, i % 3 ? 3 : entries(f) - 2);
		for (unsigned j = 0; j < noted; j++)
			set_raw(f, entry(f, j), (seen.whole[j] & ~CONTIGUOUS) | NOTE);
		entry_bitmap(f, first_of(f), size_of(f));
		expect(IOPGT_OK, verbs[verb].run(f, &op));
		expect(IOPGT_OK, iopgt_op_finish(&op));
		expect_result(f, verb);
		unmap(f, 0, SPACE);
	}
}

/* --- Level 0 --- */

/*
 * OK with all done, or BUSY; then the other call comes to its end, with entries that
 * are dirty since one was, and this one is called again.
 */
static void run_beside_broken(struct fixture *f, size_t verb, bool busy)
{
	struct iopgt_op op = new_op(f);
	int error;

	entry_bitmap(f, first_of(f), size_of(f));
	error = verbs[verb].run(f, &op);
	if (busy)
		expect(IOPGT_BUSY, error);
	if (error == IOPGT_OK)
		error = iopgt_op_finish(&op);
	if (error == IOPGT_OK)
		expect_result(f, verb);
	for (unsigned i = 0; i < entries(f); i++)
		if (raw(f, entry(f, i)))
			set_raw(f, entry(f, i), dirty_single(f, i));
	if (error == IOPGT_OK)
		return;
	expect(IOPGT_BUSY, error);
	expect(IOPGT_OK, verbs[verb].run(f, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	expect_result(f, verb);
}

/* Some are broken, the others still have the Contiguous bit. */
static void beside_a_call_that_breaks_the_entries(struct fixture *f)
{
	find_out_what_is_broken(f, 3);
	for (unsigned i = 0; i < entries(f) * COUNT(verbs); i += 1 + entries(f) / 16) {
		unsigned broken = 1 + i / COUNT(verbs);

		map_dirty_group(f, 3);
		for (unsigned j = 0; j < broken; j++)
			set_raw(f, entry(f, j), seen.broken[j]);
		run_beside_broken(f, i % COUNT(verbs), broken > entries(f) / 2);
		unmap(f, 0, SPACE);
	}
}

/* No mark is seen, and one may be on its way from an entry that is gone to those that stay. */
static void beside_broken_entries_a_clean_group_is_not_known_to_be_clean(struct fixture *f)
{
	find_out_what_is_broken(f, 3);
	for (size_t verb = 0; verb < COUNT(verbs); verb++) {
		struct iopgt_op op = new_op(f);
		uint64_t whole;

		if (verbs[verb].removes)
			continue;
		map_groups(f, 2, RW | IOPGT_CLEAN);
		whole = raw(f, entry(f, 1));
		set_raw(f, entry(f, 1), seen.broken[1]);
		entry_bitmap(f, first_of(f), size_of(f));
		expect(IOPGT_BUSY, verbs[verb].run(f, &op));
		assert_int_equal(count_bits(f), 0);
		set_raw(f, entry(f, 1), whole);
		expect(IOPGT_OK, verbs[verb].run(f, &op));
		expect(IOPGT_OK, iopgt_op_finish(&op));
		assert_int_equal(count_bits(f), 0);
		unmap(f, 0, SPACE);
	}
}

/* Some are back, all of those dirty, the others still broken. */
static void beside_a_call_that_puts_the_entries_back(struct fixture *f)
{
	find_out_what_is_broken(f, 3);
	for (unsigned i = 0; i < entries(f) * COUNT(verbs); i += 1 + entries(f) / 16) {
		unsigned back = i / COUNT(verbs);

		map_dirty_group(f, 3);
		for (unsigned j = 0; j < entries(f); j++)
			set_raw(f, entry(f, j), j < back ? dirty_single(f, j) : seen.broken[j]);
		run_beside_broken(f, i % COUNT(verbs), true);
		unmap(f, 0, SPACE);
	}
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST(FIXTURE_STAGES, beside_a_call_that_takes_the_notes_away),
		TEST_WITH(FIXTURE_STAGES, beside_a_call_that_takes_the_notes_away,
	                  .level = FIXTURE_LEVEL_1),
		TEST(FIXTURE_STAGES, beside_a_call_that_sets_the_notes),
		TEST_WITH(FIXTURE_STAGES, beside_a_call_that_sets_the_notes,
	                  .level = FIXTURE_LEVEL_1),
		TEST_WITH(FIXTURE_STAGES, beside_a_call_that_breaks_the_entries,
	                  .level = FIXTURE_LEVEL_0),
		TEST_WITH(FIXTURE_STAGES,
	                  beside_broken_entries_a_clean_group_is_not_known_to_be_clean,
	                  .level = FIXTURE_LEVEL_0),
		TEST_WITH(FIXTURE_STAGES, beside_a_call_that_puts_the_entries_back,
	                  .level = FIXTURE_LEVEL_0),
	};

	return GROUPS_RUN(tests);
}
