/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fault handlers and access flags on contiguous groups: what is set is set in all
 * entries, what is read is read of all, and cleared in all or none.
 */
#include <pthread.h>

#include "test_groups.h"

#define AF BIT(10)

static bool is_accessed(struct fixture *f, uint64_t iova)
{
	return raw(f, iova) & AF;
}

/* --- Writes that fault: walkers mark nothing themselves --- */

static void expect_write_fault(struct fixture *f, uint64_t iova, int want, uint32_t access)
{
	struct iopgt_op op = new_op(f);

	expect(want, iopgt_handle_write_fault(f->table, iova, access, &op));
	finish(f, &op);
}

static void a_write_fault_makes_every_entry_dirty(struct fixture *f)
{
	const uint64_t offsets[] = {0, 77, 5 * entry_bytes(f) + 8, group_bytes(f) - 1};

	for (size_t i = 0; i < COUNT(offsets); i++) {
		uint64_t iova = group(f, 1) + offsets[i];

		map_groups(f, 3, RW | IOPGT_CLEAN);
		read_page(f, iova); /* now the read-only translation is cached */
		assert_false(access_ok(f, 0, iova, WALKER_WRITE));
		host_log_clear(&f->host);
		expect_write_fault(f, iova, IOPGT_OK, 0);
		assert_true(group_invalidated(f, group(f, 1), 0, host_logged(&f->host)));
		assert_int_equal(count_entries(f, group(f, 1), is_dirty), entries(f));
		assert_int_equal(count_entries(f, group(f, 0), is_dirty), 0);
		expect_group(f, group(f, 1), phys_of(f, group(f, 1)));
		for (unsigned j = 0; j < entries(f); j++)
			write_page(f, group(f, 1) + j * entry_bytes(f));
		look_at_dirty(f, group(f, 0), 3 * group_bytes(f));
		expect_only_bits(f, group(f, 1), group_bytes(f));
		unmap(f, 0, SPACE);
	}
}

static void a_cleaned_group_faults_again_for_every_walker(struct fixture *f)
{
	map_groups(f, 1, RW | IOPGT_CLEAN);
	for (unsigned i = 0; i < f->walker_count; i++) {
		assert_false(access_ok(f, i, entry(f, 2), WALKER_WRITE));
		expect_write_fault(f, entry(f, 2), IOPGT_OK, 0);
		for (unsigned j = 0; j < f->walker_count; j++)
			assert_true(access_ok(f, j, entry(f, j), WALKER_WRITE));
		take(f, group(f, 0), group_bytes(f));
		expect_only_bits(f, group(f, 0), group_bytes(f));
		assert_int_equal(count_entries(f, group(f, 0), is_dirty), 0);
	}
}

/* Another entry was marked before: the rest follow. */
static void a_group_that_is_dirty_in_part_becomes_so_in_all(struct fixture *f)
{
	map_groups(f, 1, RW | IOPGT_CLEAN);
	mark(f, entry(f, 4));
	host_log_clear(&f->host);
	expect_write_fault(f, entry(f, 4), IOPGT_OK, 0);
	assert_int_equal(count_entries(f, group(f, 0), is_dirty), entries(f));
	assert_true(group_invalidated(f, group(f, 0), 0, host_logged(&f->host)));
}

static void writes_that_are_not_allowed_are_faults(struct fixture *f)
{
	uint64_t before;

	map_groups(f, 1, IOPGT_READ);
	before = raw(f, entry(f, 1));
	expect_write_fault(f, entry(f, 1), IOPGT_FAULT, 0);
	expect_write_fault(f, group(f, 1), IOPGT_FAULT, 0);
	assert_int_equal(raw(f, entry(f, 1)), before);
	unmap(f, 0, SPACE);
	if (f->config.regime != IOPGT_STAGE1_EL1)
		return;
	map_groups(f, 1, RW | IOPGT_CLEAN | IOPGT_PRIVILEGED);
	expect_write_fault(f, entry(f, 1), IOPGT_FAULT, 0);
	assert_int_equal(count_entries(f, group(f, 0), is_dirty), 0);
	expect_write_fault(f, entry(f, 1), IOPGT_OK, IOPGT_PRIVILEGED);
	assert_int_equal(count_entries(f, group(f, 0), is_dirty), entries(f));
}

static void software_groups_are_split_and_merged_with_their_state(struct fixture *f)
{
	map_groups(f, 2, RW | IOPGT_CLEAN);
	expect_write_fault(f, entry(f, 3), IOPGT_OK, 0);
	unmap(f, entry(f, 3), entry_bytes(f));
	assert_int_equal(count_entries(f, group(f, 0), is_dirty), entries(f) - 1);
	split(f, group(f, 1), group_bytes(f));
	assert_int_equal(count_entries(f, group(f, 1), is_dirty), 0);
	expect_write_fault(f, group(f, 1) + entry_bytes(f), IOPGT_OK, 0);
	assert_int_equal(count_entries(f, group(f, 1), is_dirty), 1);
	merge(f, group(f, 1), group_bytes(f));
	expect_group(f, group(f, 1), phys_of(f, group(f, 1)));
	take(f, group(f, 1), group_bytes(f));
	expect_only_bits(f, group(f, 1), group_bytes(f));
}

/* "Writes leave no mark" (config.h), by a handler neither; the walker may go on. */
static void an_untracked_group_gets_no_mark(struct fixture *f)
{
	uint64_t before[128];

	map_groups(f, 1, RW | IOPGT_NO_TRACK);
	for (unsigned i = 0; i < entries(f); i++)
		before[i] = raw(f, entry(f, i));
	host_log_clear(&f->host);
	expect_write_fault(f, entry(f, 5) + 8, IOPGT_OK, 0);
	assert_true(group_invalidated(f, group(f, 0), 0, host_logged(&f->host)));
	for (unsigned i = 0; i < entries(f); i++)
		assert_int_equal(raw(f, entry(f, i)), before[i]);
	if (f->config.dirty == IOPGT_DIRTY_NONE)
		return;
	look_at_dirty(f, group(f, 0), group_bytes(f));
	assert_int_equal(count_bits(f), 0);
}

/* Walkers that mark nothing may take any entry for the group: all allow the same. */
static void a_group_made_by_merge_is_dirty_in_all_entries_or_none(struct fixture *f)
{
	for (unsigned dirty = 0; dirty < entries(f); dirty += 1 + entries(f) / 4) {
		map_singles(f, 2, RW | IOPGT_CLEAN);
		expect_write_fault(f, group(f, 1) + dirty * entry_bytes(f), IOPGT_OK, 0);
		assert_int_equal(count_entries(f, group(f, 1), is_dirty), 1);
		merge(f, group(f, 0), 2 * group_bytes(f));
		for (unsigned i = 0; i < 2; i++) {
			expect_group(f, group(f, i), phys_of(f, group(f, i)));
			assert_int_equal(count_entries(f, group(f, i), is_dirty),
			                 i ? entries(f) : 0);
		}
		for (unsigned i = 0; i < 2 * entries(f); i++)
			assert_int_equal(
				access_ok(f, i % f->walker_count, entry(f, i), WALKER_WRITE),
				i >= entries(f));
		look_at_dirty(f, group(f, 0), 2 * group_bytes(f));
		expect_only_bits(f, group(f, 1), group_bytes(f));
		unmap(f, 0, SPACE);
	}
}

/*
 * Read-only entries of which one was written before, as a group: it becomes writable
 * for all or for none, whichever comes first, merge or protect.
 */
static void a_written_read_only_group_becomes_writable_in_all_entries(struct fixture *f)
{
	for (unsigned merge_first = 0; merge_first < 2; merge_first++) {
		map_singles(f, 1, RW | IOPGT_CLEAN);
		expect_write_fault(f, entry(f, 3), IOPGT_OK, 0);
		protect(f, group(f, 0), group_bytes(f), IOPGT_READ);
		if (merge_first)
			merge(f, group(f, 0), group_bytes(f));
		protect(f, group(f, 0), group_bytes(f), RW);
		if (!merge_first)
			merge(f, group(f, 0), group_bytes(f));
		expect_group(f, group(f, 0), phys_apart(f));
		assert_int_equal(count_entries(f, group(f, 0), is_dirty), entries(f));
		look_at_dirty(f, group(f, 0), group_bytes(f));
		expect_only_bits(f, group(f, 0), group_bytes(f));
		unmap(f, 0, SPACE);
	}
}

/* --- Access flags --- */

static struct iopgt_stats take_accessed(struct fixture *f, uint64_t iova, uint64_t size,
                                        uint32_t flags)
{
	struct iopgt_op op = new_op(f);

	op.flags |= flags;
	expect(IOPGT_OK, iopgt_read_and_clear_accessed(f->table, iova, size,
	                                               entry_bitmap(f, iova, size), &op));
	finish(f, &op);
	return op.stats;
}

/* Three groups whose flags are clear. */
static void map_untouched(struct fixture *f)
{
	map_groups(f, 3, RW | IOPGT_CLEAN);
	take_accessed(f, group(f, 0), 3 * group_bytes(f), 0);
	expect_only_bits(f, group(f, 0), 3 * group_bytes(f)); /* mapped counts */
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(count_entries(f, group(f, i), is_accessed), 0);
	take_accessed(f, group(f, 0), 3 * group_bytes(f), 0);
	assert_int_equal(count_bits(f), 0);
}

static void set_flag(struct fixture *f, uint64_t iova)
{
	set_raw(f, iova, raw(f, iova) | AF);
}

static void a_group_is_accessed_if_any_entry_is(struct fixture *f)
{
	map_untouched(f);
	for (unsigned i = 0; i < entries(f); i += 3) {
		set_flag(f, group(f, 1) + i * entry_bytes(f));
		host_log_clear(&f->host);
		take_accessed(f, group(f, 0), 3 * group_bytes(f), 0);
		expect_only_bits(f, group(f, 1), group_bytes(f));
		assert_int_equal(count_entries(f, group(f, 1), is_accessed), 0);
		assert_true(group_invalidated(f, group(f, 1), 0, host_logged(&f->host)));
		expect_group(f, group(f, 1), phys_of(f, group(f, 1)));
	}
}

static void every_walker_sets_the_flag_again(struct fixture *f)
{
	map_untouched(f);
	for (unsigned i = 0; i < f->walker_count; i++) {
		for (unsigned j = 0; j < f->walker_count; j++)
			assert_true(access_ok(f, j, group(f, 1) + 5 * entry_bytes(f), WALKER_READ));
		take_accessed(f, group(f, 0), 3 * group_bytes(f), 0);
		expect_only_bits(f, group(f, 1), group_bytes(f));
		assert_true(access_ok(f, i, group(f, 1) + 2 * entry_bytes(f), WALKER_READ));
		take_accessed(f, group(f, 0), 3 * group_bytes(f), 0);
		expect_only_bits(f, group(f, 1), group_bytes(f));
	}
}

static void a_part_of_a_group_is_reported_and_stays_accessed(struct fixture *f)
{
	map_untouched(f);
	set_flag(f, group(f, 1));
	take_accessed(f, group(f, 1) + 3 * entry_bytes(f), 2 * entry_bytes(f), 0);
	expect_only_bits(f, group(f, 1) + 3 * entry_bytes(f), 2 * entry_bytes(f));
	take_accessed(f, group(f, 0), 3 * group_bytes(f), IOPGT_OP_NO_CLEAR);
	expect_only_bits(f, group(f, 1), group_bytes(f));
	assert_int_equal(count_entries(f, group(f, 1), is_accessed), 1);
}

static void clearing_access_flags_leaves_dirty_state(struct fixture *f)
{
	map_groups(f, 2, RW | IOPGT_CLEAN);
	mark(f, entry(f, 3));
	take_accessed(f, group(f, 0), 2 * group_bytes(f), 0);
	assert_int_equal(count_entries(f, group(f, 0), is_dirty), 1);
	look_at_dirty(f, group(f, 0), 2 * group_bytes(f));
	expect_only_bits(f, group(f, 0), group_bytes(f));
	take(f, group(f, 0), 2 * group_bytes(f));
	assert_int_equal(count_entries(f, group(f, 0), is_dirty), 0);
}

static void access_flags_in_pieces_are_none_half(struct fixture *f)
{
	const uint64_t budgets[] = {1, 3, entries(f) - 1, entries(f) + 1};

	map_untouched(f);
	for (size_t i = 0; i < COUNT(budgets); i++) {
		struct iopgt_op op = new_op(f);
		uint64_t at = group(f, 0), end = group(f, 3);
		int error;

		set_flag(f, group(f, 1) - entry_bytes(f));
		set_flag(f, group(f, 2));
		op.budget = budgets[i];
		entry_bitmap(f, at, end - at);
		while ((error = iopgt_read_and_clear_accessed(f->table, at, end - at, &f->bitmap,
		                                              &op)) == IOPGT_AGAIN)
			at = op.next;
		expect(IOPGT_OK, error);
		finish(f, &op);
		for (unsigned j = 0; j < 3 * entries(f); j++)
			assert_int_equal(bit_at(f, entry(f, j)), j / entries(f) != 1);
		for (unsigned j = 0; j < 3; j++)
			assert_int_equal(count_entries(f, group(f, j), is_accessed), 0);
	}
}

/* Walkers without hardware update: the host sets the flag, in all entries. */
static void an_access_fault_sets_the_flag_of_every_entry(struct fixture *f)
{
	map_untouched(f);
	assert_false(access_ok(f, 0, group(f, 1) + granule(f), WALKER_READ));
	host_log_clear(&f->host);
	expect(IOPGT_OK, iopgt_handle_access_fault(f->table, group(f, 1) + granule(f) + 3));
	assert_int_equal(event_count(f, HOST_RANGE) + event_count(f, HOST_SYNC), 0);
	assert_int_equal(count_entries(f, group(f, 1), is_accessed), entries(f));
	assert_int_equal(count_entries(f, group(f, 0), is_accessed), 0);
	for (unsigned i = 0; i < entries(f); i++)
		read_page(f, group(f, 1) + i * entry_bytes(f));
	expect(IOPGT_FAULT, iopgt_handle_access_fault(f->table, group(f, 3)));
}

/* Hardware need set it in one entry alone, and uses the others without a mark (R_GPHKF). */
static void the_flag_spreads_to_all_that_leave_the_group(struct fixture *f)
{
	for (unsigned how = 0; how < 3; how++) {
		uint64_t first = group(f, 1);

		map_untouched(f);
		set_flag(f, group(f, 2) - 2 * entry_bytes(f));
		if (how == 0)
			protect(f, first, entry_bytes(f), IOPGT_READ);
		else if (how == 1)
			split(f, first, group_bytes(f));
		else
			unmap(f, first, entry_bytes(f));
		assert_int_equal(count_entries(f, first, is_contiguous), 0);
		take_accessed(f, group(f, 0), 3 * group_bytes(f), 0);
		if (how == 2)
			first += entry_bytes(f);
		expect_only_bits(f, first, group(f, 2) - first);
		unmap(f, 0, SPACE);
	}
}

/* The same of the flag: a walker that does not set it faults on all entries or none. */
static void a_group_made_by_merge_is_accessed_in_all_entries_or_none(struct fixture *f)
{
	for (unsigned number = 0; number <= entries(f); number += entries(f) / 4) {
		unsigned accessed;

		map_singles(f, 1, RW | IOPGT_CLEAN);
		take_accessed(f, group(f, 0), group_bytes(f), 0);
		if (number < entries(f))
			expect(IOPGT_OK, iopgt_handle_access_fault(f->table, entry(f, number)));
		accessed = count_entries(f, group(f, 0), is_accessed);
		assert_int_equal(accessed, number < entries(f));
		merge(f, group(f, 0), group_bytes(f));
		expect_group(f, group(f, 0), phys_apart(f));
		accessed = count_entries(f, group(f, 0), is_accessed);
		assert_true(accessed == entries(f) || (accessed == 0 && number == entries(f)));
		unmap(f, 0, SPACE);
	}
}

/* --- While a group is broken up --- */

static void *translation_fault(void *argument)
{
	struct fixture *f = argument;

	return (void *)(intptr_t)iopgt_handle_translation_fault(f->table, entry(f, 6) + 5);
}

static void *translate(void *argument)
{
	struct fixture *f = argument;
	struct iopgt_translation translation;

	return (void *)(intptr_t)iopgt_translate(f->table, entry(f, 6), &translation);
}

struct asked {
	unsigned times, retried, busy;
};

static int in_thread(struct fixture *f, void *(*ask)(void *))
{
	pthread_t thread;
	void *error;

	assert_int_equal(pthread_create(&thread, NULL, ask, f), 0);
	assert_int_equal(pthread_join(thread, &error), 0);
	return (int)(intptr_t)error;
}

static void ask_while_waiting(struct fixture *f, enum host_call call, bool done)
{
	struct asked *asked = f->hook_context;

	if (call != HOST_SYNC || done || asked->times++)
		return;
	asked->retried += in_thread(f, translation_fault) == IOPGT_OK;
	asked->busy += in_thread(f, translate) == IOPGT_BUSY;
}

static void faults_on_a_broken_group_are_to_be_retried(struct fixture *f)
{
	struct asked asked = {0};

	map_groups(f, 1, RW);
	f->hook_context = &asked;
	f->hook = ask_while_waiting;
	unmap(f, entry(f, 2), entry_bytes(f));
	f->hook = NULL;
	assert_int_equal(asked.retried, 1);
	assert_int_equal(asked.busy, f->bbm_level == 0);
	expect(IOPGT_OK, iopgt_handle_translation_fault(f->table, entry(f, 3)));
	expect(IOPGT_FAULT, iopgt_handle_translation_fault(f->table, entry(f, 2)));
}

int main(void)
{
	const uint32_t all = FIXTURE_REGIMES;
	const struct fixture_test tests[] = {
		TEST_WITH(all, a_write_fault_makes_every_entry_dirty, .dirty = FIXTURE_SOFTWARE),
		TEST_WITH(all, a_cleaned_group_faults_again_for_every_walker,
	                  .dirty = FIXTURE_SOFTWARE, .walkers = 3),
		TEST_WITH(all, a_group_that_is_dirty_in_part_becomes_so_in_all,
	                  .dirty = FIXTURE_SOFTWARE),
		TEST(all, a_group_that_is_dirty_in_part_becomes_so_in_all),
		TEST_WITH(all, writes_that_are_not_allowed_are_faults, .dirty = FIXTURE_SOFTWARE),
		TEST_WITH(all | FIXTURE_LEVELS | GROUPS_SMALL,
	                  software_groups_are_split_and_merged_with_their_state,
	                  .dirty = FIXTURE_SOFTWARE),
		TEST_WITH(all, an_untracked_group_gets_no_mark, .dirty = FIXTURE_SOFTWARE),
		TEST(all, an_untracked_group_gets_no_mark),
		TEST_WITH(all, an_untracked_group_gets_no_mark, .dirty = FIXTURE_NO_DIRTY),
		TEST_WITH(all, an_untracked_group_gets_no_mark, .dirty = FIXTURE_NO_DIRTY,
	                  .config_flags = IOPGT_CONFIG_NON_COHERENT),
		TEST_WITH(all | FIXTURE_LEVELS,
	                  a_group_made_by_merge_is_dirty_in_all_entries_or_none,
	                  .dirty = FIXTURE_SOFTWARE, .walkers = 2),
		TEST_WITH(all | FIXTURE_LEVELS,
	                  a_group_made_by_merge_is_accessed_in_all_entries_or_none,
	                  .dirty = FIXTURE_SOFTWARE),
		TEST_WITH(all | FIXTURE_LEVELS,
	                  a_written_read_only_group_becomes_writable_in_all_entries,
	                  .dirty = FIXTURE_SOFTWARE),
		TEST(all | FIXTURE_LEVELS | GROUPS_SMALL,
	             the_flag_spreads_to_all_that_leave_the_group),
		TEST(all, a_group_is_accessed_if_any_entry_is),
		TEST_WITH(all, every_walker_sets_the_flag_again, .walkers = 3),
		TEST(all, a_part_of_a_group_is_reported_and_stays_accessed),
		TEST(all, clearing_access_flags_leaves_dirty_state),
		TEST(all, access_flags_in_pieces_are_none_half),
		TEST_WITH(all, an_access_fault_sets_the_flag_of_every_entry,
	                  .dirty = FIXTURE_SOFTWARE),
		TEST_WITH(FIXTURE_STAGES | FIXTURE_LEVELS,
	                  faults_on_a_broken_group_are_to_be_retried,
	                  .host.hal_flags = IOPGT_HAL_DEFERS_FREE),
	};

	return GROUPS_RUN(tests);
}
