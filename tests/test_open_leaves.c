/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_open of trees by hand whose leaves break a rule. */
#include "test_open_tree.h"

static bool is_stage2_tree(const struct tree *tree)
{
	return tree->config.regime == IOPGT_STAGE2;
}

/* --- Of any configuration --- */

static void block_where_there_is_none(struct tree *tree)
{
	int level = tree->config.granule_shift == 12 ? 0 : 1;

	put(tree, level, 0, good_leaf(tree));
}

static void misaligned_block(struct tree *tree)
{
	put(tree, 2, 2, get(tree, 2, 2) | size_at(tree, 2) / 2);
}

static void block_with_bit_17(struct tree *tree)
{
	put(tree, 2, 2, get(tree, 2, 2) | BIT(17));
}

static void nt_left(struct tree *tree)
{
	put(tree, 2, 2, get(tree, 2, 2) | RAW_NT);
}

static void leaf_bits_49_48(struct tree *tree)
{
	put(tree, 3, 1, get(tree, 3, 1) | BIT(48));
}

static void contiguous_alone(struct tree *tree)
{
	put(tree, 3, 1, get(tree, 3, 1) | RAW_CONTIGUOUS);
}

static void reserved_in_this_regime(struct tree *tree)
{
	switch (tree->config.regime) {
	case IOPGT_STAGE1_EL1:
		put(tree, 3, 1, get(tree, 3, 1) | BIT(5)); /* NS, not Secure */
		break;
	case IOPGT_STAGE1_EL2:
		put(tree, 3, 1, get(tree, 3, 1) | BIT(11)); /* nG */
		break;
	default:
		put(tree, 3, 1, get(tree, 3, 1) | BIT(53)); /* XN[0] without XNX */
	}
}

static void leaves_that_break_a_rule(void **state)
{
	static const struct breakage breakages[] = {
		{"a block where there is none", block_where_there_is_none, RULE(LEAF_LEVEL)},
		{"a misaligned block", misaligned_block, RULE(LEAF_ADDRESS)},
		{"a block with bit 17", block_with_bit_17, RULE(LEAF_ADDRESS) | RULE(LEAF_BITS)},
		{"nT", nt_left, RULE(LEAF_BITS) | RULE(LEAF_ADDRESS)},
		{"bits 49:48", leaf_bits_49_48, RULE(LEAF_BITS) | RULE(LEAF_ADDRESS)},
		{"Contiguous without groups", contiguous_alone, RULE(LEAF_BITS) | RULE(GROUP)},
	};

	(void)state;
	run_breakages(breakages, COUNT(breakages));
}

/* Attributes without a name here: refused or kept; in either case nothing breaks. */
static void unnamed_attributes_are_kept_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < 6 * COUNT(plain); i++) {
		struct iopgt_table table;
		struct snapshot before;
		struct tree tree;
		int error;

		plant(&tree, &plain[i % COUNT(plain)]);
		if (i < COUNT(plain))
			reserved_in_this_regime(&tree);
		else
			put(&tree, 3, 1, get(&tree, 3, 1) | BIT(58 + i / COUNT(plain)));
		expect_reader_survives(&tree);
		before = take_snapshot(&tree.host);
		error = open_as(&tree, IOPGT_OPEN_OWNING, &table, NULL);
		expect_snapshot(&before);
		drop_snapshot(&before);
		if (error == IOPGT_OK)
			expect(IOPGT_OK, iopgt_fini(&table));
		else
			expect(IOPGT_CORRUPT, error);
		uproot(&tree);
	}
}

/* --- Of one configuration each --- */

static void refuse(const struct options *options, void (*apply)(struct tree *), uint64_t rules)
{
	struct tree tree;

	plant(&tree, options);
	apply(&tree);
	expect_reader_survives(&tree);
	expect_owner_refuses(&tree, rules);
	uproot(&tree);
}

static void beyond_40_bits(struct tree *tree)
{
	put(tree, 2, 2, get(tree, 2, 2) | BIT(41));
}

static void leaf_with_dbm(struct tree *tree)
{
	put(tree, 3, 1, get(tree, 3, 1) | RAW_DBM);
}

static void no_access_flag(struct tree *tree)
{
	put(tree, 2, 2, get(tree, 2, 2) & ~RAW_AF);
}

/* Below the address of 16 and 64 KiB. */
static void page_with_bit_12(struct tree *tree)
{
	put(tree, 3, 1, get(tree, 3, 1) | BIT(12));
}

static void nothing_to_apply(struct tree *tree)
{
	(void)tree;
}

static void leaves_that_a_configuration_does_not_have(void **state)
{
	static const struct options small = {
		IOPGT_STAGE1_EL1, 0, IOPGT_DIRTY_HARDWARE, 12, 2, 40, 0};
	static const struct options no_dirty = {IOPGT_STAGE1_EL1, 0, IOPGT_DIRTY_NONE, 12, 2, 0, 0};
	static const struct options no_dirty_s2 = {IOPGT_STAGE2, 0, IOPGT_DIRTY_NONE, 16, 2, 0, 0};
	static const struct options pages = {IOPGT_STAGE1_EL1, 0, IOPGT_DIRTY_HARDWARE, 12, 2, 0,
	                                     1 << 12};

	(void)state;
	refuse(&small, beyond_40_bits, RULE(LEAF_ADDRESS));
	refuse(&no_dirty, leaf_with_dbm, RULE(LEAF_STATE));
	refuse(&no_dirty_s2, leaf_with_dbm, RULE(LEAF_STATE));
	refuse(&no_dirty, no_access_flag, RULE(LEAF_BITS));
	refuse(&pages, nothing_to_apply, RULE(LEAF_LEVEL)); /* the block */
	refuse(&plain[1], page_with_bit_12, RULE(LEAF_BITS));
	refuse(&plain[2], page_with_bit_12, RULE(LEAF_BITS));
}

/* S2AP 0b00, DBM 0: no rule is broken, and nothing may be done there. */
static void a_page_that_nobody_may_access_has_no_permission(void **state)
{
	struct iopgt_translation got;
	struct iopgt_table table;
	struct tree tree;

	(void)state;
	plant(&tree, &plain[3]);
	put(&tree, 3, 1, get(&tree, 3, 1) & ~(RAW_DBM | BIT(6) | BIT(7)));
	expect(IOPGT_OK, open_as(&tree, IOPGT_OPEN_OWNING, &table, NULL));
	expect(IOPGT_OK, iopgt_translate(&table, iova_of(&tree, 3, 1), &got));
	assert_int_equal(got.prot, 0);
	assert_int_equal(got.state, IOPGT_LEAF_READ_ONLY);
	expect(IOPGT_OK, iopgt_fini(&table));
	uproot(&tree);
}

/* --- Contiguous groups --- */

#define GROUP 16 /* entries, 4 KiB; at entry 32 of levels 2 and 3 */
#define AT    32

static const struct options grouped[] = {
	{IOPGT_STAGE1_EL1, 0, IOPGT_DIRTY_HARDWARE, 12, 2, 0, 0},
	{IOPGT_STAGE2, 0, IOPGT_DIRTY_NONE, 12, 1, 0, 0},
};

static void put_group(struct tree *tree, int level)
{
	uint64_t page = level == 3 ? 2 : 0;

	for (uint64_t i = 0; i < GROUP; i++)
		put(tree, level, AT + i,
		    good_leaf(tree) | page | RAW_CONTIGUOUS | (AT + i) * size_at(tree, level));
}

static void missing_entry(struct tree *tree, int level)
{
	put(tree, level, AT + 7, 0);
}

static void missing_bit(struct tree *tree, int level)
{
	put(tree, level, AT + 7, get(tree, level, AT + 7) & ~RAW_CONTIGUOUS);
}

static void first_without_bit(struct tree *tree, int level)
{
	put(tree, level, AT, get(tree, level, AT) & ~RAW_CONTIGUOUS);
}

static void output_that_jumps(struct tree *tree, int level)
{
	put(tree, level, AT + 15, get(tree, level, AT + 15) + size_at(tree, level));
}

static void output_shifted(struct tree *tree, int level)
{
	for (uint64_t i = 0; i < GROUP; i++)
		put(tree, level, AT + i, get(tree, level, AT + i) + size_at(tree, level));
}

static void unlike_attributes(struct tree *tree, int level)
{
	uint64_t bits = is_stage2_tree(tree) ? 0x3c : 0x1c;

	put(tree, level, AT + 3, (get(tree, level, AT + 3) & ~bits) | (5 << 2 & bits));
}

static void unlike_permissions(struct tree *tree, int level)
{
	put(tree, level, AT + 3, get(tree, level, AT + 3) ^ BIT(54));
}

static void unlike_software_bits(struct tree *tree, int level)
{
	put(tree, level, AT + 9, get(tree, level, AT + 9) | BIT(57));
}

static void read_only_entry(struct tree *tree, int level)
{
	uint64_t entry = get(tree, level, AT + 1) & ~RAW_DBM;

	put(tree, level, AT + 1, entry ^ RAW_BIT_7);
}

static void groups_that_are_none(void **state)
{
	void (*const apply[])(struct tree *,
	                      int) = {missing_entry,      missing_bit,          first_without_bit,
	                              output_that_jumps,  output_shifted,       unlike_attributes,
	                              unlike_permissions, unlike_software_bits, read_only_entry};

	(void)state;
	for (size_t i = 0; i < 4 * COUNT(apply); i++) {
		struct options options = grouped[i & 1];
		int level = i & 2 ? 2 : 3;
		struct tree tree;

		options.leaf_sizes = BIT(12) | BIT(16) | BIT(21) | BIT(25);
		plant(&tree, &options);
		put_group(&tree, level);
		apply[i / 4](&tree, level);
		print_message("# number %zu\n", i);
		expect_reader_survives(&tree);
		expect_owner_refuses(&tree, RULE(GROUP));
		uproot(&tree);
	}
}

/* One entry dirty or unused is no difference: hardware marks any (R_JKCXG). */
static void good_groups_are_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct options options = grouped[0];
		struct iopgt_translation got;
		struct iopgt_table table;
		struct iopgt_op op = {0};
		int level = i & 1 ? 2 : 3;
		struct tree tree;

		options.leaf_sizes = BIT(12) | BIT(16) | BIT(21) | BIT(25);
		plant(&tree, &options);
		put_group(&tree, level);
		if (i & 2)
			for (uint64_t entry = 1; entry < GROUP; entry++)
				put(&tree, level, AT + entry,
				    (get(&tree, level, AT + entry) | RAW_BIT_7) & ~RAW_AF);
		expect_reader_survives(&tree);
		expect(IOPGT_OK, open_as(&tree, IOPGT_OPEN_OWNING, &table, NULL));
		expect(IOPGT_OK, iopgt_translate(&table, iova_of(&tree, level, AT + 9), &got));
		assert_int_equal(got.leaf_size, GROUP * size_at(&tree, level));
		assert_int_equal(got.state, IOPGT_LEAF_DIRTY);
		expect(IOPGT_OK,
		       iopgt_unmap(&table, iova_of(&tree, level, AT), size_at(&tree, level), &op));
		expect(IOPGT_OK, iopgt_op_finish(&op));
		expect(IOPGT_OK, iopgt_translate(&table, iova_of(&tree, level, AT + 9), &got));
		assert_int_equal(got.leaf_size, size_at(&tree, level));
		expect(IOPGT_OK, iopgt_fini(&table));
		assert_int_equal(pool_in_use(tree.host.pool), 0);
		uproot(&tree);
	}
}

/* The configuration allows pages and blocks alone. */
static void a_group_that_is_not_allowed(void **state)
{
	struct tree tree;

	(void)state;
	plant(&tree, &grouped[0]);
	put_group(&tree, 3);
	expect_reader_survives(&tree);
	expect_owner_refuses(&tree, RULE(GROUP) | RULE(LEAF_LEVEL) | RULE(LEAF_BITS));
	uproot(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_that_break_a_rule),
		cmocka_unit_test(unnamed_attributes_are_kept_or_refused),
		cmocka_unit_test(leaves_that_a_configuration_does_not_have),
		cmocka_unit_test(a_page_that_nobody_may_access_has_no_permission),
		cmocka_unit_test(groups_that_are_none),
		cmocka_unit_test(good_groups_are_taken),
		cmocka_unit_test(a_group_that_is_not_allowed),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
