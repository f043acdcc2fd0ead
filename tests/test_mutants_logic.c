/* SPDX-License-Identifier: BSD-2-Clause */
/* What mutants of the plain logic (tests/mutants/logic.py) showed that nothing else asked for. */
#include <string.h>

#include <iopgt/capabilities.h>

#include "test_open_tree.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (12 * block(f))

/* --- Capabilities --- */

/* Each field of what both can: bits that both have, the smaller of two numbers. */
static void what_both_can_is_what_each_can(void **state)
{
	const struct iopgt_capabilities one = {0x3ff, 0x15000, 0x5000, 0x4000, 0x1000, 52,
	                                       48,    44,      2,      2,      16,     8};
	const struct iopgt_capabilities other = {0x7c1, 0x11000, 0x14000, 0x5000, 0x5000, 48,
	                                         52,    48,      1,       1,      8,      16};
	struct iopgt_capabilities both;

	(void)state;
	for (int swapped = 0; swapped < 2; swapped++) {
		memset(&both, 0xff, sizeof(both));
		assert_int_equal(iopgt_capabilities_both(swapped ? &other : &one,
		                                         swapped ? &one : &other, &both),
		                 IOPGT_OK);
		assert_int_equal(both.flags, 0x3c1);
		assert_int_equal(both.granules_stage1, 0x11000);
		assert_int_equal(both.granules_stage2, 0x4000);
		assert_int_equal(both.lpa2_stage1, 0x4000);
		assert_int_equal(both.lpa2_stage2, 0x1000);
		assert_int_equal(both.input_bits_64k, 48);
		assert_int_equal(both.input_bits_lpa2, 48);
		assert_int_equal(both.output_bits, 44);
		assert_int_equal(both.update, 1);
		assert_int_equal(both.bbm_level, 1);
		assert_int_equal(both.asid_bits, 8);
		assert_int_equal(both.vmid_bits, 8);
	}
}

/* What one thing that is missing makes impossible. */
static void a_walker_without_what_is_asked_for_is_refused(void **state)
{
	const struct iopgt_capabilities good = {
		.flags = IOPGT_CAN_STAGE1 | IOPGT_CAN_STAGE2 | IOPGT_CAN_AARCH64,
		.granules_stage1 = 0x1000,
		.granules_stage2 = 0x1000,
		.output_bits = 48,
	};
	const struct iopgt_config config = {
		.regime = IOPGT_STAGE2, .granule_shift = 12, .input_bits = 40, .output_bits = 48};
	struct iopgt_capabilities bad = good;
	struct iopgt_config wrong = config;
	struct iopgt_walker walker = {0};

	(void)state;
	assert_int_equal(iopgt_walker_from_capabilities(&good, &config, &walker), IOPGT_OK);
	bad.flags &= ~(uint32_t)IOPGT_CAN_STAGE2;
	assert_int_equal(iopgt_walker_from_capabilities(&bad, &config, &walker),
	                 IOPGT_INCOMPATIBLE);
	bad = good;
	bad.granules_stage2 = 0x10000;
	assert_int_equal(iopgt_walker_from_capabilities(&bad, &config, &walker),
	                 IOPGT_INCOMPATIBLE);
	wrong.regime = IOPGT_REGIMES;
	assert_int_equal(iopgt_walker_from_capabilities(&good, &wrong, &walker),
	                 IOPGT_INCOMPATIBLE);
}

/* --- Configurations --- */

static void no_input_space_has_more_than_52_bits(void **state)
{
	struct iopgt_config config = {.regime = IOPGT_STAGE1_EL1, .output_bits = 52};

	(void)state;
	for (config.granule_shift = 12; config.granule_shift <= 16; config.granule_shift += 2) {
		config.flags = config.granule_shift == 16 ? 0 : IOPGT_CONFIG_LPA2;
		config.input_bits = 52;
		assert_true(iopgt_all_leaf_sizes(&config) != 0);
		config.input_bits = 53;
		assert_true(iopgt_all_leaf_sizes(&config) == 0);
	}
}

/* --- Open --- */

/* Stage 2: bits 11, 50 and 63 of a leaf are RES0 or left 0. */
static void reserved_bits_of_stage_2_leaves_are_refused(void **state)
{
	static const unsigned bits[] = {11, 50, 63};

	(void)state;
	for (size_t i = 0; i < COUNT(bits); i++) {
		struct tree tree;

		plant(&tree, &plain[3]);
		put(&tree, 3, 1, get(&tree, 3, 1) | BIT(bits[i]));
		expect_owner_refuses(&tree, RULE(LEAF_BITS));
		uproot(&tree);
	}
}

/* The caller is not said to be one that may not sleep: nobody gave IOPGT_OP_ATOMIC. */
static void an_owner_asks_for_memory_that_may_be_waited_for(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(plain); i++) {
		struct host_event event;
		struct iopgt_table table;
		unsigned asked = 0;
		struct tree tree;

		plant(&tree, &plain[i]);
		expect(IOPGT_OK, open_as(&tree, IOPGT_OPEN_OWNING, &table, NULL));
		for (uint64_t nth = 0; host_event(&tree.host, nth, &event); nth++) {
			if (event.call != HOST_ALLOC)
				continue;
			assert_false(event.flags & IOPGT_ALLOC_ATOMIC);
			asked++;
		}
		assert_true(asked > 0);
		expect(IOPGT_OK, iopgt_fini(&table));
		uproot(&tree);
	}
}

/* A group that was being broken up, at the end of its table; what lies behind is not its. */
static void completing_a_note_touches_nothing_behind_the_table(void **state)
{
	struct options options = plain[0];
	struct iopgt_table table;
	struct tree tree;
	uint64_t behind;

	(void)state;
	options.leaf_sizes = BIT(12) | BIT(16) | BIT(21);
	plant(&tree, &options);
	for (uint64_t i = 512 - 16; i < 512; i++)
		put(&tree, 3, i, good_leaf(&tree) | 2 | RAW_UNGROUPING | i * size_at(&tree, 3));
	assert_non_null(pool_alloc(tree.host.pool, 4096, true, &behind));
	assert_int_equal(behind, tree.table[3] + 4096);
	raw_store(&tree.raw, behind, 0x550); /* no descriptor: bit 0 is clear */
	expect(IOPGT_OK, open_as(&tree, IOPGT_OPEN_OWNING, &table, NULL));
	expect_raw(0x550, raw_load(&tree.raw, behind));
	expect_raw(good_leaf(&tree) | 2 | 511 * size_at(&tree, 3), get(&tree, 3, 511));
	expect(IOPGT_OK, iopgt_fini(&table));
	uproot(&tree);
}

/* --- Dump --- */

/* Keeps the line of the page. */
static void keep_page(void *context, const char *text)
{
	char *kept = context;

	if (strstr(text, " page "))
		strncpy(kept, text, 199);
}

static void a_dump_tells_permissions_apart(struct fixture *f)
{
	static const struct {
		uint32_t prot;
		const char *text;
	} rows[] = {
		{IOPGT_READ, " r--- "},
		{IOPGT_READ | IOPGT_WRITE, " rw-- "},
		{IOPGT_READ | IOPGT_EXECUTE, " r-x- "},
		{IOPGT_READ | IOPGT_WRITE | IOPGT_EXECUTE, " rwx- "},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		char kept[200] = "";
		const struct iopgt_writer writer = {keep_page, kept};
		struct iopgt_op op = new_op(f);

		map(f, FIRST(f), PHYS(f), granule(f), rows[i].prot);
		expect(IOPGT_OK, iopgt_dump(f->table, FIRST(f), granule(f), &writer, &op));
		if (!strstr(kept, rows[i].text))
			print_error("%s instead of %s\n", kept, rows[i].text);
		assert_non_null(strstr(kept, rows[i].text));
		unmap(f, FIRST(f), granule(f));
	}
}

/* --- Groups --- */

/* At level 0, where nobody may break: pages that could be a group stay pages. */
static void groups_are_not_made_where_nothing_may_break(struct fixture *f)
{
	uint64_t size = group_size(f, 3);
	struct iopgt_op op = {.flags = 0};

	for (uint64_t at = 0; at < size; at += granule(f))
		map(f, FIRST(f) + at, PHYS(f) + at, granule(f), RW);
	expect_leaf_size(f, FIRST(f), granule(f));
	expect(IOPGT_WOULD_BREAK, iopgt_merge_page(f->table, FIRST(f), size, &op));
	finish(f, &op);
	expect_leaf_size(f, FIRST(f), granule(f));
	assert_int_equal(op.stats.grouped, 0);
	op.flags = IOPGT_OP_MAY_BREAK;
	expect(IOPGT_OK, iopgt_merge_page(f->table, FIRST(f), size, &op));
	finish(f, &op);
	expect_leaf_size(f, FIRST(f), size);
}

/* --- Check --- */

/* The note that a read-only leaf was written, in a table of which no leaf was. */
static void check_finds_a_note_that_nobody_made(struct fixture *f)
{
	struct raw raw = raw_of(f);
	struct iopgt_finding finding;
	uint64_t slot, leaf;

	map(f, FIRST(f), PHYS(f), granule(f), IOPGT_READ);
	slot = raw_slot(&raw, FIRST(f), 3);
	leaf = raw_load(&raw, slot);
	raw_store(&raw, slot, leaf | RAW_KEPT_DIRTY);
	expect(IOPGT_CORRUPT, iopgt_check(f->table, &finding));
	assert_int_equal(finding.rule, IOPGT_RULE_LEAF_STATE);
	raw_store(&raw, slot, leaf);
}

/* Walkers do not manage access flags, and no verb cleared one: reads of dirty state do not. */
static void check_finds_an_access_flag_that_nobody_cleared(struct fixture *f)
{
	struct raw raw = raw_of(f);
	struct iopgt_finding finding;
	uint64_t slot, leaf;

	map(f, FIRST(f), PHYS(f), granule(f), RW);
	take_dirty(f, FIRST(f), granule(f));
	slot = raw_slot(&raw, FIRST(f), 3);
	leaf = raw_load(&raw, slot);
	raw_store(&raw, slot, leaf & ~RAW_AF);
	expect(IOPGT_CORRUPT, iopgt_check(f->table, &finding));
	assert_int_equal(finding.rule, IOPGT_RULE_LEAF_BITS);
	raw_store(&raw, slot, leaf);
}

/* --- Map over empty tables --- */

/* Whatever fails as an empty table is cleared away is passed up, and nothing is mapped. */
static void map_says_what_failed_as_it_cleared_away(struct fixture *f)
{
	struct iopgt_mapping mapping = fixture_mapping(FIRST(f), PHYS(f), block(f), RW);
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), PHYS(f), granule(f), RW);
	unmap(f, FIRST(f), granule(f));
	host_fail(&f->host, HOST_SYNC, 1, false);
	expect(HOST_ERROR, iopgt_map(f->table, &mapping, &op));
	host_fail_nothing(&f->host);
	finish(f, &op);
	expect_unmapped(f, FIRST(f), block(f));
	expect(IOPGT_OK, iopgt_map(f->table, &mapping, &op));
	finish(f, &op);
	expect_leaf_size(f, FIRST(f), block(f));
}

static int test_pure(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_both_can_is_what_each_can),
		cmocka_unit_test(a_walker_without_what_is_asked_for_is_refused),
		cmocka_unit_test(no_input_space_has_more_than_52_bits),
		cmocka_unit_test(reserved_bits_of_stage_2_leaves_are_refused),
		cmocka_unit_test(an_owner_asks_for_memory_that_may_be_waited_for),
		cmocka_unit_test(completing_a_note_touches_nothing_behind_the_table),
	};

	return cmocka_run_group_tests_name(__FILE__ ", pure", tests, NULL, NULL);
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_STAGES,
	                  groups_are_not_made_where_nothing_may_break, .level = FIXTURE_LEVEL_0,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
		TEST(FIXTURE_GRANULES | FIXTURE_STAGES, check_finds_a_note_that_nobody_made),
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_STAGES,
	                  check_finds_an_access_flag_that_nobody_cleared, .domain = true,
	                  .dirty = FIXTURE_SOFTWARE),
		TEST(FIXTURE_GRANULES | FIXTURE_STAGES, a_dump_tells_permissions_apart),
		TEST(FIXTURE_GRANULES | FIXTURE_STAGES, map_says_what_failed_as_it_cleared_away),
	};
	int failed = test_pure();

	return FIXTURE_RUN(tests) + failed;
}
