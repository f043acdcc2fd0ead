/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iopgt_open of trees that have software bit 55 in leaves: this library's note
 * that a contiguous group is being broken up. A tree whose break-up was cut short
 * has it, and others use the bit for their own ends (D8.3.1.2: 58:55 are free).
 * Who owns the tree completes the notes; who only reads takes them for a group.
 */
#include "test_open_notes.h"

#define ROUNDS 40

/* --- Owners --- */

static unsigned events_of(struct noted *n, enum host_call call)
{
	struct host_event event;
	unsigned events = 0;

	for (uint64_t i = 0; host_event(&n->tree.host, i, &event); i++)
		events += event.call == call && !event.failed;
	return events;
}

static void check_table(const struct iopgt_table *table)
{
	struct iopgt_finding finding;

	expect(IOPGT_OK, iopgt_check(table, &finding));
}

static void close_tree(struct noted *n, struct iopgt_table *table)
{
	expect(IOPGT_OK, iopgt_fini(table));
	assert_int_equal(pool_in_use(n->tree.host.pool), 0);
	uproot(&n->tree);
}

/* Marks spread to all noted leaves of a place; the rest is as it was. */
static void an_owner_completes_the_notes(void **state)
{
	struct random random = {seed_from_environment("IOPGT_SEED", 1)};
	static struct noted n;

	(void)state;
	for (unsigned i = 0; i < ROUNDS * COUNT(kinds); i++) {
		struct iopgt_table table;
		bool notes;

		plant_some(&n, &kinds[i % COUNT(kinds)], &random, 0);
		notes = predict_completion(&n);
		predict_reports(&n);
		expect(IOPGT_OK, open_as(&n.tree, IOPGT_OPEN_OWNING, &table, NULL));
		expect_leaves(&n);
		/* Without a note walkers are let alone. */
		assert_int_equal(events_of(&n, HOST_ALL), notes);
		assert_int_equal(events_of(&n, HOST_SYNC), notes);
		assert_int_equal(events_of(&n, HOST_RANGE), 0);
		check_table(&table);
		expect_all_reports(&n, &table, &random);
		close_tree(&n, &table);
	}
}

/* Of any part: no dirty page goes unreported, no bit is set outside of the bitmap. */
static void an_owner_removes_parts_of_noted_places(void **state)
{
	struct random random = {seed_from_environment("IOPGT_SEED", 2)};
	static struct noted n;

	(void)state;
	for (unsigned i = 0; i < ROUNDS * COUNT(kinds); i++) {
		struct iopgt_table table;
		unsigned first, count;

		plant_some(&n, &kinds[i % COUNT(kinds)], &random, 0);
		predict_completion(&n);
		predict_reports(&n);
		expect(IOPGT_OK, open_as(&n.tree, IOPGT_OPEN_OWNING, &table, NULL));
		first = (unsigned)random_below(&random, count_of(&n));
		count = 1 + (unsigned)random_below(&random, count_of(&n) - first);
		expect_reports(&n, &table, &lookers[READING], first, count);
		for (unsigned j = 0; j < count_of(&n); j++)
			n.reported[j] &= j < first || j >= first + count;
		expect_all_reports(&n, &table, &random);
		check_table(&table);
		close_tree(&n, &table);
	}
}

/* --- The wait --- */

static struct {
	struct noted *noted;
	int (*sync)(void *context);
	unsigned mark, syncs;
} waiting;

/* Until the wait is over, a walker may write to one page of the group and mark another. */
static int mark_while_waiting(void *context)
{
	struct noted *n = waiting.noted;

	if (!waiting.syncs++) {
		assert_int_equal(events_of(n, HOST_ALL), 1);
		for (unsigned i = 0; i < count_of(n); i++)
			expect_raw(n->leaf[i], get(&n->tree, n->kind->level, index_of(n, i)));
		put_leaf(n, waiting.mark, make_dirty(n, n->leaf[waiting.mark]));
	}
	return waiting.sync(context);
}

static void a_mark_set_before_the_wait_is_over_spreads(void **state)
{
	static struct noted n;

	(void)state;
	for (unsigned i = 0; i < 3 * COUNT(kinds); i++) {
		const struct kind *kind = &kinds[i % COUNT(kinds)];
		struct iopgt_table table;

		plant_clean(&n, kind, NOTE);
		waiting.noted = &n;
		waiting.sync = n.tree.host.hal.tlb.sync;
		waiting.syncs = 0;
		waiting.mark = kind->entries + (kind->entries - 1) * (i % 3) / 2;
		n.tree.host.hal.tlb.sync = mark_while_waiting;
		expect(IOPGT_OK, open_as(&n.tree, IOPGT_OPEN_OWNING, &table, NULL));
		assert_int_equal(waiting.syncs, 1);
		n.leaf[waiting.mark] = make_dirty(&n, n.leaf[waiting.mark]);
		predict_completion(&n);
		expect_leaves(&n);
		close_tree(&n, &table);
	}
}

static void a_failed_wait_leaves_the_tree_as_it_was(void **state)
{
	const enum host_call calls[] = {HOST_ALL, HOST_SYNC};
	static struct noted n;

	(void)state;
	for (unsigned i = 0; i < 2 * COUNT(kinds); i++) {
		struct iopgt_finding finding = {.rule = 99};
		struct iopgt_table table;
		struct snapshot before;
		size_t tables;

		plant_clean(&n, &kinds[i / 2], NOTE);
		put_leaf(&n, 5, make_dirty(&n, n.leaf[5]));
		load_leaves(&n);
		before = take_snapshot(&n.tree.host);
		tables = pool_in_use(n.tree.host.pool);
		host_fail(&n.tree.host, calls[i % 2], 1, false);
		expect(HOST_ERROR, open_as(&n.tree, IOPGT_OPEN_OWNING, &table, &finding));
		assert_int_equal(finding.rule, IOPGT_RULE_NONE);
		expect_snapshot(&before);
		drop_snapshot(&before);
		assert_int_equal(pool_in_use(n.tree.host.pool), tables);
		expect(IOPGT_OK, open_as(&n.tree, IOPGT_OPEN_OWNING, &table, &finding));
		predict_completion(&n);
		expect_leaves(&n);
		close_tree(&n, &table);
	}
}

/* --- Where there are no groups --- */

static void split_and_cut(struct tree *tree, struct iopgt_table *table)
{
	uint64_t block = iova_of(tree, 2, 2), granule = size_at(tree, 3);
	struct iopgt_op op = {.flags = IOPGT_OP_MAY_BREAK};
	struct iopgt_translation got;

	expect(IOPGT_OK, iopgt_unmap(table, block + granule, granule, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	expect(IOPGT_NOT_MAPPED, iopgt_translate(table, block + granule, &got));
	expect(IOPGT_OK, iopgt_translate(table, block, &got));
	assert_int_equal(got.phys, size_at(tree, 2));
	expect(IOPGT_OK, iopgt_unmap(table, iova_of(tree, 3, 1), granule, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	check_table(table);
}

static void the_bit_goes_where_there_are_no_groups(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * COUNT(plain); i++) {
		struct iopgt_op op = {.flags = IOPGT_OP_MAY_BREAK};
		uint64_t page, block;
		struct iopgt_table table;
		struct tree tree;

		plant(&tree, &plain[i / 2]);
		page = get(&tree, 3, 1);
		block = get(&tree, 2, 2);
		put(&tree, 3, 1, page | NOTE);
		put(&tree, 2, 2, block | NOTE);
		expect_reader_survives(&tree);
		expect(IOPGT_OK, open_as(&tree, IOPGT_OPEN_OWNING, &table, NULL));
		expect_raw(page, get(&tree, 3, 1));
		expect_raw(block, get(&tree, 2, 2));
		check_table(&table);
		if (i % 2)
			expect(IOPGT_OK, iopgt_split_block(&table, iova_of(&tree, 2, 2),
			                                   size_at(&tree, 2), &op));
		split_and_cut(&tree, &table);
		expect(IOPGT_OK, iopgt_fini(&table));
		assert_int_equal(pool_in_use(tree.host.pool), 0);
		uproot(&tree);
	}
}

/* Blocks of 512 GiB and 4 TiB: D8.7.1 has no groups of them, of smaller leaves it has. */
static void the_bit_goes_at_levels_without_groups(void **state)
{
	static const struct options options[] = {
		{IOPGT_STAGE1_EL1, IOPGT_CONFIG_LPA2, IOPGT_DIRTY_HARDWARE, 12, 2, 52,
	         BIT(12) | BIT(16) | BIT(21) | BIT(25) | BIT(30) | BIT(34) | BIT(39)},
		{IOPGT_STAGE1_EL1, 0, IOPGT_DIRTY_HARDWARE, 16, 2, 52,
	         BIT(16) | BIT(21) | BIT(29) | BIT(34) | BIT(42)},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(options); i++) {
		struct iopgt_translation got;
		struct iopgt_op op = {0};
		struct iopgt_table table;
		uint64_t block, iova;
		struct tree tree;
		int level;

		plant(&tree, &options[i]);
		level = tree.raw.start;
		iova = iova_of(&tree, level, 2);
		/* Not shareable, since with LPA2 that is where the address goes on. */
		block = (good_leaf(&tree) & ~BITS(9, 8)) | 2 * size_at(&tree, level);
		put(&tree, level, 2, block | NOTE);
		expect(IOPGT_OK, open_as(&tree, IOPGT_OPEN_OWNING, &table, NULL));
		expect_raw(block, get(&tree, level, 2));
		expect(IOPGT_OK, iopgt_unmap(&table, iova, size_at(&tree, level + 1), &op));
		expect(IOPGT_OK, iopgt_op_finish(&op));
		expect(IOPGT_NOT_MAPPED, iopgt_translate(&table, iova, &got));
		iova += size_at(&tree, level) - 1;
		expect(IOPGT_OK, iopgt_translate(&table, iova, &got));
		assert_int_equal(got.phys, 3 * size_at(&tree, level) - 1);
		expect(IOPGT_OK, iopgt_fini(&table));
		assert_int_equal(pool_in_use(tree.host.pool), 0);
		uproot(&tree);
	}
}

/* --- Readers --- */

/* The size of a group is that of leaves with the Contiguous bit. */
static void expect_sizes(struct noted *n, struct iopgt_table *table)
{
	uint64_t size = size_at(&n->tree, n->kind->level);

	for (unsigned i = 0; i < count_of(n); i++) {
		uint64_t want = n->leaf[i] & RAW_CONTIGUOUS ? size * n->kind->entries : size;
		struct iopgt_translation got;

		if (!(n->leaf[i] & 1)) {
			expect(IOPGT_NOT_MAPPED, iopgt_translate(table, iova_at(n, i), &got));
			continue;
		}
		expect(IOPGT_OK, iopgt_translate(table, iova_at(n, i), &got));
		assert_int_equal(got.leaf_size, want);
		assert_int_equal(got.leaf_iova, iova_at(n, i) & ~(want - 1));
		assert_int_equal(got.phys, index_of(n, i) * size);
	}
}

/* Whatever stands there, nothing that is dirty goes unreported, and nothing is changed. */
static void a_reader_takes_any_note_for_a_group(void **state)
{
	struct random random = {seed_from_environment("IOPGT_SEED", 3)};
	static struct noted n;

	(void)state;
	for (unsigned i = 0; i < ROUNDS * COUNT(kinds); i++) {
		uint32_t flags = i & 1 ? HALF_GROUPS : 0;
		struct iopgt_table table;
		struct snapshot before;

		plant_some(&n, &kinds[i % COUNT(kinds)], &random, flags);
		predict_reports(&n);
		before = take_snapshot(&n.tree.host);
		expect(IOPGT_OK, open_as(&n.tree, 0, &table, NULL));
		expect_all_reports(&n, &table, &random);
		expect_sizes(&n, &table);
		expect(IOPGT_OK, iopgt_fini(&table));
		expect_snapshot(&before);
		drop_snapshot(&before);
		assert_int_equal(events_of(&n, HOST_ALL) + events_of(&n, HOST_SYNC), 0);
		uproot(&n.tree);
	}
}

/* A place that links a table, too: at least what is dirty. */
static void a_reader_loses_nothing_beside_a_table(void **state)
{
	const uint64_t bits[] = {0, NOTE, RAW_CONTIGUOUS};
	static struct noted n;

	(void)state;
	for (unsigned i = 0; i < 4 * COUNT(bits); i++) {
		unsigned link = i % 4 * 5, dirty = (link + 7) % 16;
		uint64_t words[1] = {0};
		struct iopgt_bitmap bitmap = {.words = words, .bits = 48, .page_shift = 21};
		struct iopgt_table table;
		struct iopgt_op op = {0};

		plant_clean(&n, &kinds[1], bits[i / 4]);
		put_leaf(&n, dirty, make_dirty(&n, n.leaf[dirty]) & ~RAW_CONTIGUOUS & ~NOTE);
		put_leaf(&n, link, new_table(&n.tree) | RAW_TABLE);
		bitmap.base = iova_at(&n, 0);
		expect(IOPGT_OK, open_as(&n.tree, 0, &table, NULL));
		expect(IOPGT_OK, iopgt_sync_dirty_log(&table, bitmap.base, 48 * size_at(&n.tree, 2),
		                                      &bitmap, &op));
		assert_true(iopgt_bitmap_test(&bitmap, iova_at(&n, dirty)));
		assert_false(iopgt_bitmap_test(&bitmap, iova_at(&n, 16)));
		expect(IOPGT_OK, iopgt_fini(&table));
		uproot(&n.tree);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_owner_completes_the_notes),
		cmocka_unit_test(an_owner_removes_parts_of_noted_places),
		cmocka_unit_test(a_mark_set_before_the_wait_is_over_spreads),
		cmocka_unit_test(a_failed_wait_leaves_the_tree_as_it_was),
		cmocka_unit_test(the_bit_goes_where_there_are_no_groups),
		cmocka_unit_test(the_bit_goes_at_levels_without_groups),
		cmocka_unit_test(a_reader_takes_any_note_for_a_group),
		cmocka_unit_test(a_reader_loses_nothing_beside_a_table),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
