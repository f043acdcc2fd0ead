/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iopgt_open of trees written by hand that break a rule: an owner refuses them
 * and leaves them as they are, a reader neither crashes, nor changes anything,
 * nor goes round for ever.
 */
#include "test_open_tree.h"

/* --- The tree itself is good --- */

static void the_tree_of_these_tests_is_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(plain); i++) {
		struct iopgt_finding finding = {.rule = 99};
		struct iopgt_translation got;
		struct iopgt_table table;
		struct tree tree;

		plant(&tree, &plain[i]);
		expect_reader_survives(&tree);
		expect(IOPGT_OK, open_as(&tree, IOPGT_OPEN_OWNING, &table, &finding));
		assert_int_equal(finding.rule, IOPGT_RULE_NONE);
		expect(IOPGT_OK, iopgt_translate(&table, iova_of(&tree, 3, 1) + 5, &got));
		assert_int_equal(got.phys, size_at(&tree, 3) + 5);
		expect(IOPGT_OK, iopgt_fini(&table));
		assert_int_equal(pool_in_use(tree.host.pool), 0);
		uproot(&tree);
	}
}

/* --- Tables --- */

static void unknown(struct tree *tree)
{
	put(tree, 2, 1, (BIT(40) - (UINT64_C(1) << tree->config.granule_shift)) | RAW_TABLE);
}

static void freed(struct tree *tree)
{
	pool_free(tree->host.pool, tree->table[3], (size_t)1 << tree->config.granule_shift);
}

static void links_itself(struct tree *tree)
{
	put(tree, 2, 3, tree->table[2] | RAW_TABLE);
}

static void links_the_one_above(struct tree *tree)
{
	put(tree, 2, 3, tree->table[1] | RAW_TABLE);
}

static void links_the_root(struct tree *tree)
{
	put(tree, 2, 3, tree->raw.root | RAW_TABLE);
}

static void root_links_itself(struct tree *tree)
{
	put(tree, tree->raw.start, 0, tree->raw.root | RAW_TABLE);
}

static void is_linked_twice(struct tree *tree)
{
	put(tree, 2, 3, tree->table[3] | RAW_TABLE);
}

static void is_linked_twice_from_two_tables(struct tree *tree)
{
	uint64_t other = new_table(tree);

	put(tree, 1, 2, other | RAW_TABLE);
	raw_store(&tree->raw, other + 8 * 5, tree->table[3] | RAW_TABLE);
}

static void is_linked_on_two_levels(struct tree *tree)
{
	uint64_t empty = new_table(tree);

	put(tree, 2, 3, empty | RAW_TABLE);
	put(tree, 1, 3, empty | RAW_TABLE);
}

static void is_linked_everywhere(struct tree *tree)
{
	uint64_t entries = RAW_SPACE(tree->config.granule_shift - 3);

	for (int level = tree->raw.start; level < 3; level++)
		for (uint64_t i = 0; i < (level == tree->raw.start ? 2 : entries); i++)
			put(tree, level, i, tree->table[level + 1] | RAW_TABLE);
	for (uint64_t i = 0; i < entries; i++)
		put(tree, 3, i, good_leaf(tree) | 2 | i << tree->config.granule_shift);
}

static void all_link_themselves(struct tree *tree)
{
	uint64_t entries = RAW_SPACE(tree->config.granule_shift - 3);

	for (uint64_t i = 0; i < entries; i++)
		put(tree, 2, i, tree->table[2] | RAW_TABLE);
}

static void has_access_limits(struct tree *tree)
{
	put(tree, 1, 1, get(tree, 1, 1) | BIT(62));
}

static void has_bit_63(struct tree *tree)
{
	put(tree, 2, 1, get(tree, 2, 1) | BIT(63));
}

static void has_reserved_bits(struct tree *tree)
{
	put(tree, 2, 1, get(tree, 2, 1) | BIT(50));
}

static void tables_that_break_a_rule(void **state)
{
	static const struct breakage breakages[] = {
		{"unknown", unknown, RULE(TABLE_ADDRESS)},
		{"freed", freed, RULE(TABLE_ADDRESS)},
		{"links itself", links_itself, RULE(TABLE_SHARED)},
		{"links the one above", links_the_one_above,
	         RULE(TABLE_SHARED) | RULE(TABLE_ADDRESS)},
		/* A root smaller than a granule cannot be a table elsewhere. */
		{"links the root", links_the_root, RULE(TABLE_SHARED) | RULE(TABLE_ADDRESS)},
		{"root links itself", root_links_itself, RULE(TABLE_SHARED) | RULE(TABLE_ADDRESS)},
		{"linked twice", is_linked_twice, RULE(TABLE_SHARED)},
		{"linked from two", is_linked_twice_from_two_tables, RULE(TABLE_SHARED)},
		{"linked on two levels", is_linked_on_two_levels, RULE(TABLE_SHARED)},
		{"linked everywhere", is_linked_everywhere, RULE(TABLE_SHARED)},
		{"all link themselves", all_link_themselves, RULE(TABLE_SHARED)},
		{"APTable", has_access_limits, RULE(TABLE_BITS)},
		{"bit 63", has_bit_63, RULE(TABLE_BITS)},
		{"bit 50", has_reserved_bits, RULE(TABLE_BITS)},
	};

	(void)state;
	run_breakages(breakages, COUNT(breakages));
}

static void expect_translation(struct tree *tree, int want, int level, uint64_t index)
{
	struct iopgt_translation got;
	struct iopgt_table table;

	expect(IOPGT_OK, open_as(tree, 0, &table, NULL));
	expect(want, iopgt_translate(&table, iova_of(tree, level, index), &got));
	expect(IOPGT_OK, iopgt_fini(&table));
}

static int keep_going(void *context, const struct iopgt_mapping *run)
{
	(void)context;
	(void)run;
	return 0;
}

static void expect_visit(struct tree *tree, int want, int level, uint64_t index)
{
	const struct iopgt_mapping_visitor visitor = {keep_going, NULL};
	uint64_t granule = UINT64_C(1) << tree->config.granule_shift;
	struct iopgt_op op = {0};
	struct iopgt_table table;

	expect(IOPGT_OK, open_as(tree, 0, &table, NULL));
	expect(want,
	       iopgt_for_each_mapping(&table, iova_of(tree, level, index), granule, &visitor, &op));
	expect(IOPGT_OK, iopgt_fini(&table));
}

/* "IOPGT_BAD_TABLE from the verb that meets it"; translate goes round as a walker would. */
static void a_reader_says_what_leads_nowhere_or_round(void **state)
{
	void (*const apply[])(struct tree *) = {links_itself, links_the_one_above, links_the_root};
	struct tree tree;

	(void)state;
	for (size_t i = 0; i < COUNT(apply); i++) {
		plant(&tree, &plain[0]);
		apply[i](&tree);
		expect_visit(&tree, IOPGT_BAD_TABLE, 2, 3);
		expect_visit(&tree, IOPGT_OK, 3, 1);
		/* Entry 0 of that table, read as a page. */
		expect_translation(&tree, IOPGT_NOT_MAPPED, 2, 3);
		expect_translation(&tree, IOPGT_OK, 3, 1);
		uproot(&tree);
	}
	plant(&tree, &plain[0]);
	unknown(&tree);
	expect_visit(&tree, IOPGT_BAD_TABLE, 3, 1);
	expect_translation(&tree, IOPGT_BAD_TABLE, 3, 1);
	expect_translation(&tree, IOPGT_OK, 2, 2);
	put(&tree, 2, 1, tree.table[3] | RAW_TABLE);
	is_linked_twice(&tree); /* which harms no reader */
	expect_translation(&tree, IOPGT_OK, 3, 1);
	expect_translation(&tree, IOPGT_NOT_MAPPED, 2, 3);
	uproot(&tree);
}

/* From entry 1 of level 2 to entry 3, of which 2 are good tables, and one page accessed. */
static void expect_read_stops_at_entry_3(struct tree *tree, struct iopgt_table *table)
{
	uint64_t words[3 * 2048 / 64] = {0}, at = iova_of(tree, 2, 1);
	uint64_t entries = RAW_SPACE(tree->config.granule_shift - 3);
	const struct iopgt_bitmap bitmap = {words, at, 3 * entries, tree->config.granule_shift};
	struct iopgt_op op = {0};

	expect(IOPGT_BAD_TABLE,
	       iopgt_read_and_clear_accessed(table, at, 3 * size_at(tree, 2), &bitmap, &op));
	assert_int_equal(op.next, iova_of(tree, 2, 3));
	assert_int_equal(op.stats.dirty, 1);
	for (uint64_t page = 0; page < 3 * entries; page++)
		assert_int_equal(iopgt_bitmap_test(&bitmap, at + page * size_at(tree, 3)),
		                 page == 1);
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

/*
 * Nobody may change the tree of an owner; if somebody did, a scan of one table after the
 * other does not take for pages what is none, either.
 */
static void an_owner_says_what_leads_round_by_now(void **state)
{
	void (*const apply[])(struct tree *) = {links_itself, links_the_one_above};
	static const struct options options[] = {
		{IOPGT_STAGE1_EL1, IOPGT_CONFIG_ACCESS_FLAG, IOPGT_DIRTY_HARDWARE, 12, 2, 0, 0},
		{IOPGT_STAGE1_EL2, IOPGT_CONFIG_ACCESS_FLAG, IOPGT_DIRTY_NONE, 14, 1, 0, 0},
		{IOPGT_STAGE2, IOPGT_CONFIG_ACCESS_FLAG, IOPGT_DIRTY_SOFTWARE, 12, 0, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(apply) * COUNT(options); i++) {
		struct iopgt_table table;
		struct tree tree;

		plant(&tree, &options[i / COUNT(apply)]);
		put(&tree, 2, 2, new_table(&tree) | RAW_TABLE);
		expect(IOPGT_OK, open_as(&tree, IOPGT_OPEN_OWNING, &table, NULL));
		apply[i % COUNT(apply)](&tree);
		expect_read_stops_at_entry_3(&tree, &table);
		put(&tree, 2, 3, 0);
		expect(IOPGT_OK, iopgt_fini(&table));
		uproot(&tree);
	}
}

static void tables_beyond_the_output_space(void **state)
{
	static const struct options small = {
		IOPGT_STAGE1_EL1, 0, IOPGT_DIRTY_HARDWARE, 12, 2, 40, 0};
	struct tree tree;

	(void)state;
	plant(&tree, &small);
	put(&tree, 2, 1, BIT(44) | get(&tree, 2, 1));
	expect_translation(&tree, IOPGT_BAD_TABLE, 3, 1);
	expect_reader_survives(&tree);
	expect_owner_refuses(&tree, RULE(TABLE_ADDRESS));
	uproot(&tree);
}

static void misaligned_tables(void **state)
{
	struct tree tree;

	(void)state;
	for (unsigned bit = 12; bit < 14; bit++) {
		plant(&tree, &plain[1]); /* 16 KiB */
		put(&tree, 2, 1, BIT(bit) | get(&tree, 2, 1));
		expect_reader_survives(&tree);
		expect_owner_refuses(&tree, RULE(TABLE_ADDRESS) | RULE(TABLE_BITS));
		uproot(&tree);
	}
}

/* Bits 58:51 are ignored: whoever built the tree may have used them, and lied. */
static void software_bits_of_tables_hide_no_loop(void **state)
{
	void (*const apply[])(struct tree *) = {links_itself, links_the_one_above, links_the_root,
	                                        is_linked_twice, is_linked_on_two_levels};

	(void)state;
	for (uint64_t bits = 0; bits < 16; bits++) {
		for (size_t i = 0; i < COUNT(apply); i++) {
			struct tree tree;

			plant(&tree, &plain[0]);
			apply[i](&tree);
			for (int level = 0; level < 3; level++)
				for (uint64_t index = 0; index < 8; index++)
					if ((get(&tree, level, index) & 3) == RAW_TABLE)
						put(&tree, level, index,
						    get(&tree, level, index) | bits << 52);
			expect_reader_survives(&tree);
			expect_owner_refuses(&tree, UINT64_MAX);
			uproot(&tree);
		}
	}
}

/* --- Memory that is free until the tree is looked at --- */

static struct {
	void *(*alloc)(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys);
	uint64_t phys[64];
	unsigned count;
} taken;

static void *note_taken(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys)
{
	void *memory = taken.alloc(context, bytes, flags, phys);

	if (memory && taken.count < COUNT(taken.phys))
		taken.phys[taken.count++] = *phys;
	return memory;
}

/* What an owner allocates to look at the tree: the same in every run. */
static void find_out_what_is_taken(const struct options *options)
{
	struct iopgt_table table;
	struct tree tree;

	plant(&tree, options);
	taken.alloc = tree.host.hal.alloc_table;
	taken.count = 0;
	tree.host.hal.alloc_table = note_taken;
	expect(IOPGT_OK, open_as(&tree, IOPGT_OPEN_OWNING, &table, NULL));
	expect(IOPGT_OK, iopgt_fini(&table));
	uproot(&tree);
}

/*
 * Else the next table that is allocated has two owners. By what rule is open: what
 * stands there is in open's own use.
 */
static void memory_that_open_itself_takes_is_no_table_of_the_tree(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(plain); i++) {
		find_out_what_is_taken(&plain[i]);
		for (unsigned j = 0; j < 2 * taken.count; j++) {
			size_t bytes = (size_t)1 << plain[i].granule_shift;
			struct tree tree;

			plant(&tree, &plain[i]);
			assert_null(pool_virt(tree.host.pool, taken.phys[j / 2], bytes));
			put(&tree, j % 2 ? 2 : 1, 7, taken.phys[j / 2] | RAW_TABLE);
			expect_reader_survives(&tree);
			expect_owner_refuses(&tree, UINT64_MAX);
			uproot(&tree);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tree_of_these_tests_is_good),
		cmocka_unit_test(tables_that_break_a_rule),
		cmocka_unit_test(a_reader_says_what_leads_nowhere_or_round),
		cmocka_unit_test(an_owner_says_what_leads_round_by_now),
		cmocka_unit_test(tables_beyond_the_output_space),
		cmocka_unit_test(misaligned_tables),
		cmocka_unit_test(software_bits_of_tables_hide_no_loop),
		cmocka_unit_test(memory_that_open_itself_takes_is_no_table_of_the_tree),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
