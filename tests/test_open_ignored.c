/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iopgt_open and the bits of table descriptors that no walker looks at: tables
 * D8-50 and D8-51 (stage 1, stage 2), G5.5.2 (AArch32). What is IGNORED is taken
 * as it is, what is RES0 or limits accesses below is refused.
 */
#include "test_open_tree.h"

struct shape {
	struct iopgt_config config;
	int start; /* level */
};

#define SHAPE(kind, bits, granule, in, out, level)                                                 \
	{                                                                                          \
		.config = {.regime = (kind),                                                       \
		           .flags = (bits),                                                        \
		           .granule_shift = (granule),                                             \
		           .input_bits = (in),                                                     \
		           .output_bits = (out),                                                   \
		           .bbm_level = 0,                                                         \
		           .dirty = IOPGT_DIRTY_NONE},                                             \
		.start = (level)                                                                   \
	}

static const struct shape shapes[] = {
	SHAPE(IOPGT_STAGE1_EL1, 0, 12, 48, 48, 0),
	SHAPE(IOPGT_STAGE1_EL2, 0, 14, 48, 48, 0),
	SHAPE(IOPGT_STAGE1_EL1, 0, 16, 48, 48, 1),
	SHAPE(IOPGT_STAGE1_EL1, 0, 16, 48, 52, 1),
	SHAPE(IOPGT_STAGE2, 0, 12, 44, 48, 0),
	SHAPE(IOPGT_STAGE2, 0, 16, 47, 48, 1),
	SHAPE(IOPGT_STAGE1_EL1, IOPGT_CONFIG_LPA2, 12, 48, 52, 0),
	SHAPE(IOPGT_STAGE1_EL1, IOPGT_CONFIG_LPA2, 14, 48, 52, 0),
	SHAPE(IOPGT_STAGE2, IOPGT_CONFIG_LPA2, 12, 44, 52, 0),
	SHAPE(IOPGT_STAGE1_EL1, IOPGT_CONFIG_NON_COHERENT, 12, 48, 48, 0),
	SHAPE(IOPGT_STAGE1_AARCH32, 0, 12, 32, 40, 1),
	SHAPE(IOPGT_STAGE2_AARCH32, 0, 12, 39, 40, 1),
};

static bool is_aarch32(const struct iopgt_config *config)
{
	return config->regime == IOPGT_STAGE1_AARCH32 || config->regime == IOPGT_STAGE2_AARCH32;
}

/* --- From the tables --- */

static uint64_t address_bits(const struct iopgt_config *config)
{
	uint64_t address = BITS(is_aarch32(config) ? 39 : 47, config->granule_shift);

	if (config->flags & IOPGT_CONFIG_LPA2)
		return address | BITS(49, 48) | BITS(9, 8);
	if (config->granule_shift == 16 && config->output_bits == 52)
		return address | BITS(15, 12);
	return address;
}

static uint64_t ignored_bits(const struct iopgt_config *config)
{
	return (BITS(58, 52) | (is_aarch32(config) ? 0 : BIT(51)) | BITS(11, 2)) &
	       ~address_bits(config);
}

/* NSTable, APTable, XNTable, PXNTable; an address size fault in AArch32 (47:40); RES0. */
static uint64_t refused_bits(const struct iopgt_config *config)
{
	return (BITS(63, 59) | BITS(50, 40) | BITS(15, 12)) & ~address_bits(config);
}

/* --- Trees --- */

/* RW, write-back, never executed; no shareability, which with DS is no field of a leaf. */
static uint64_t plain_leaf(const struct tree *tree)
{
	switch (tree->config.regime) {
	case IOPGT_STAGE1_EL1:
	case IOPGT_STAGE1_AARCH32:
		return 0x0060000000000c45;
	case IOPGT_STAGE1_EL2:
		return 0x0040000000000445;
	default:
		return 0x00400000000004fd;
	}
}

static void plant_shape(struct tree *tree, const struct shape *shape)
{
	plant_tables(tree, &shape->config, shape->start);
	put(tree, 3, 1, plain_leaf(tree) | 2 | size_at(tree, 3));
	put(tree, 2, 2, plain_leaf(tree) | size_at(tree, 2));
}

static void set_bits_of_table(struct tree *tree, int level, uint64_t bits)
{
	put(tree, level, 1, tree->table[level + 1] | RAW_TABLE | bits);
}

static void expect_both_leaves(const struct tree *tree, const struct iopgt_table *table)
{
	struct iopgt_translation got;

	expect(IOPGT_OK, iopgt_translate(table, iova_of(tree, 3, 1) + 5, &got));
	assert_int_equal(got.phys, size_at(tree, 3) + 5);
	expect(IOPGT_OK, iopgt_translate(table, iova_of(tree, 2, 2) + 7, &got));
	assert_int_equal(got.phys, size_at(tree, 2) + 7);
}

static void expect_reader_translates(struct tree *tree)
{
	struct iopgt_table table;

	expect(IOPGT_OK, open_as(tree, 0, &table, NULL));
	expect_both_leaves(tree, &table);
	expect(IOPGT_OK, iopgt_fini(&table));
}

/* --- Tests --- */

static void expect_taken(const struct shape *shape, int level, unsigned bit)
{
	struct iopgt_finding finding;
	struct iopgt_table table;
	struct tree tree;
	int error;

	plant_shape(&tree, shape);
	set_bits_of_table(&tree, level, BIT(bit));
	expect_reader_translates(&tree);
	error = open_as(&tree, IOPGT_OPEN_OWNING, &table, &finding);
	if (error)
		print_error("bit %u of a table at level %d: %s\n", bit, level,
		            iopgt_rule_text(finding.rule));
	expect(IOPGT_OK, error);
	expect_both_leaves(&tree, &table);
	expect(IOPGT_OK, iopgt_check(&table, &finding));
	expect(IOPGT_OK, iopgt_fini(&table));
	assert_int_equal(pool_in_use(tree.host.pool), 0);
	uproot(&tree);
}

static void each_ignored_bit_is_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(shapes); i++) {
		print_message("# shape %zu\n", i);
		for (int level = shapes[i].start; level < 3; level++)
			for (unsigned bit = 2; bit < 64; bit++)
				if (ignored_bits(&shapes[i].config) >> bit & 1)
					expect_taken(&shapes[i], level, bit);
	}
}

static void each_other_bit_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(shapes); i++) {
		print_message("# shape %zu\n", i);
		for (unsigned bit = 2; bit < 64; bit++) {
			struct iopgt_finding finding;
			struct iopgt_table table;
			struct tree tree;

			if (!(refused_bits(&shapes[i].config) >> bit & 1))
				continue;
			plant_shape(&tree, &shapes[i]);
			set_bits_of_table(&tree, 2, BIT(bit));
			expect(IOPGT_CORRUPT, open_as(&tree, IOPGT_OPEN_OWNING, &table, &finding));
			assert_true((RULE(TABLE_BITS) | RULE(TABLE_ADDRESS)) >> finding.rule & 1);
			uproot(&tree);
		}
	}
}

static void remove_a_page_of_each_leaf(const struct tree *tree, struct iopgt_table *table)
{
	struct iopgt_op op = {.flags = IOPGT_OP_MAY_BREAK};
	uint64_t granule = size_at(tree, 3), block = iova_of(tree, 2, 2);
	struct iopgt_translation got;

	expect(IOPGT_OK, iopgt_unmap(table, block + granule, granule, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	expect(IOPGT_NOT_MAPPED, iopgt_translate(table, block + granule, &got));
	expect_both_leaves(tree, table);
	expect(IOPGT_OK, iopgt_unmap(table, iova_of(tree, 3, 1), granule, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	expect(IOPGT_NOT_MAPPED, iopgt_translate(table, iova_of(tree, 3, 1), &got));
}

/* All of them at once, in all tables: the verbs work as ever, and every table goes back. */
static void verbs_work_below_tables_with_ignored_bits(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(shapes); i++) {
		struct iopgt_op op = {0};
		struct iopgt_finding finding;
		struct iopgt_table table;
		struct tree tree;

		print_message("# shape %zu\n", i);
		plant_shape(&tree, &shapes[i]);
		for (int level = shapes[i].start; level < 3; level++)
			set_bits_of_table(&tree, level, ignored_bits(&shapes[i].config));
		expect_reader_translates(&tree);
		expect(IOPGT_OK, open_as(&tree, IOPGT_OPEN_OWNING, &table, NULL));
		expect_both_leaves(&tree, &table);
		remove_a_page_of_each_leaf(&tree, &table);
		expect(IOPGT_OK, iopgt_check(&table, &finding));
		expect(IOPGT_OK, iopgt_unmap(&table, 0, RAW_SPACE(tree.config.input_bits), &op));
		expect(IOPGT_OK, iopgt_op_finish(&op));
		assert_int_equal(pool_in_use(tree.host.pool), 1);
		expect(IOPGT_OK, iopgt_fini(&table));
		assert_int_equal(pool_in_use(tree.host.pool), 0);
		uproot(&tree);
	}
}

/* Nor does any of them say more than to hardware: a page is invalidated as a page. */
static void ignored_bits_make_no_invalidation_larger(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * COUNT(plain); i++) {
		uint64_t words[1] = {0};
		struct iopgt_bitmap bitmap = {.words = words, .bits = 64};
		struct iopgt_op op = {0};
		struct host_event event;
		struct iopgt_table table;
		struct tree tree;
		uint64_t granule;

		plant(&tree, &plain[i / 2]);
		granule = size_at(&tree, 3);
		for (int level = tree.raw.start; level < 3; level++)
			set_bits_of_table(&tree, level, i % 2 ? ignored_bits(&tree.config) : 0);
		expect(IOPGT_OK, open_as(&tree, IOPGT_OPEN_OWNING, &table, NULL));
		bitmap.base = iova_of(&tree, 3, 0);
		bitmap.page_shift = plain[i / 2].granule_shift;
		host_log_clear(&tree.host);
		if (plain[i / 2].dirty == IOPGT_DIRTY_NONE)
			expect(IOPGT_OK, iopgt_unmap(&table, iova_of(&tree, 3, 1), granule, &op));
		else
			expect(IOPGT_OK, iopgt_read_and_clear_dirty(&table, bitmap.base,
			                                            64 * granule, &bitmap, &op));
		expect(IOPGT_OK, iopgt_op_finish(&op));
		for (uint64_t j = 0; host_event(&tree.host, j, &event); j++) {
			assert_int_not_equal(event.call, HOST_ALL);
			if (event.call == HOST_RANGE)
				assert_int_equal(event.request.size, granule);
		}
		expect(IOPGT_OK, iopgt_fini(&table));
		uproot(&tree);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_ignored_bit_is_taken),
		cmocka_unit_test(each_other_bit_is_refused),
		cmocka_unit_test(verbs_work_below_tables_with_ignored_bits),
		cmocka_unit_test(ignored_bits_make_no_invalidation_larger),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
