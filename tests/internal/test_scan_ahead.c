/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which table a scan fetches while it reads another one: the right one, or none. No test of a verb
 * sees it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/scan_state.h"

#define ENTRIES 512
#define MIB_2   (UINT64_C(1) << 21) /* what a table of pages covers */
#define GIB     (UINT64_C(1) << 30) /* what the table above it does */

#define BLOCK      UINT64_C(1)
#define TABLE      UINT64_C(3)
#define WALKED     (UINT64_C(1) << 10)
#define WAS_WALKED (UINT64_C(1) << 53)

/* No memory is there, nor at the address 0 of a table: whoever looks into it crashes. */
#define NOWHERE       ((live_descriptor *)0x1000)
#define LINEAR_OFFSET ((uintptr_t)-0x200000)

/* A tree of three levels, of which a scan is in the pages of one table. */
struct tree {
	struct iopgt_table table;
	struct scan_state scan;
	live_descriptor *root, *gib[2], *pages;
};

static live_descriptor memory[7][ENTRIES] __attribute__((aligned(4096)));

static void link_table(live_descriptor *entry, live_descriptor *table, uint64_t bits)
{
	live_store(entry, (uint64_t)((uintptr_t)table - LINEAR_OFFSET) | TABLE | bits);
}

/*
 * The scan is in the table that entry `index` of the second GiB links. What lies behind a table
 * in memory looks like a link, too.
 */
static struct tree *make_tree(uint32_t index)
{
	static struct tree tree;

	memset(memory, 0, sizeof(memory));
	tree = (struct tree){
		.table = {.linear = true,
	                  .linear_offset = LINEAR_OFFSET,
	                  .geometry = {.granule_shift = 12, .start_level = 1, .input_bits = 39},
	                  .format = {.present = 1,
	                             .table_mask = TABLE,
	                             .table_value = TABLE,
	                             .address_low = UINT64_C(0x0000fffffffff000),
	                             .walked = WALKED,
	                             .was_walked = WAS_WALKED}},
		.root = memory[0],
		.gib = {memory[1], memory[3]},
		.pages = memory[5],
	};
	iopgt_geometry_set_levels(&tree.table.geometry);
	tree.scan = (struct scan_state){.table = &tree.table,
	                                .c = {.table = &tree.table,
	                                      .range = {0, 8 * GIB - 1},
	                                      .iova = GIB + index * MIB_2,
	                                      .level = 3,
	                                      .path = {[2] = tree.root, [3] = tree.gib[0]}}};
	for (unsigned i = 2; i < 7; i += 2)
		link_table(&memory[i][0], memory[6], WALKED);
	link_table(&tree.root[1], tree.gib[0], 0);
	link_table(&tree.gib[0][index], NOWHERE, 0);
	return &tree;
}

/* From the first page of its table and from the last, the same. */
static live_descriptor *ahead(const struct tree *tree)
{
	uint64_t iova = tree->scan.c.iova;
	live_descriptor *found = iopgt_scan_ahead(&tree->scan, iova);

	assert_ptr_equal(iopgt_scan_ahead(&tree->scan, iova + MIB_2 - 1), found);
	return found;
}

static void the_next_entry_or_the_next_that_links_a_table(void **state)
{
	static const uint32_t indices[] = {0, 1, 62, 63, 64, 127, 300, 510};

	(void)state;
	for (unsigned i = 0; i < sizeof(indices) / sizeof(indices[0]); i++) {
		for (uint32_t next = indices[i] + 1; next < ENTRIES; next++) {
			struct tree *tree = make_tree(indices[i]);

			for (uint32_t hole = indices[i] + 1; hole < next; hole += 2)
				live_store(&tree->gib[0][hole], hole % 3 ? BLOCK : 0);
			link_table(&tree->gib[0][next], tree->pages, 0);
			if (next + 1 < ENTRIES)
				link_table(&tree->gib[0][next + 1], NOWHERE, 0);
			assert_ptr_equal(ahead(tree), tree->pages);
		}
	}
}

static void the_first_one_of_the_next_table_above(void **state)
{
	struct tree *tree = make_tree(ENTRIES - 1);

	(void)state;
	link_table(&tree->root[2], tree->gib[1], 0);
	link_table(&tree->gib[1][0], tree->pages, 0);
	assert_ptr_equal(ahead(tree), tree->pages);
	/* Over holes and blocks of all sizes. */
	tree = make_tree(100);
	live_store(&tree->gib[0][200], BLOCK);
	live_store(&tree->root[2], BLOCK);
	link_table(&tree->root[4], tree->gib[1], 0);
	link_table(&tree->root[5], NOWHERE, 0);
	live_store(&tree->gib[1][2], BLOCK);
	link_table(&tree->gib[1][64], tree->pages, 0);
	assert_ptr_equal(ahead(tree), tree->pages);
	/* No further than the next: what is there is known when the scan is. */
	live_store(&tree->gib[1][64], BLOCK);
	assert_null(ahead(tree));
}

static void none_that_lies_behind_the_range(void **state)
{
	struct tree *tree = make_tree(8);

	(void)state;
	link_table(&tree->gib[0][9], tree->pages, 0);
	tree->scan.c.range.last = GIB + 9 * MIB_2;
	assert_ptr_equal(ahead(tree), tree->pages);
	tree->scan.c.range.last--;
	assert_null(ahead(tree));
	live_store(&tree->gib[0][9], BLOCK);
	link_table(&tree->gib[0][110], tree->pages, 0);
	tree->scan.c.range.last = GIB + 110 * MIB_2;
	assert_ptr_equal(ahead(tree), tree->pages);
	tree->scan.c.range.last--;
	assert_null(ahead(tree));
	/* There, a table above it is not looked into, either. */
	tree = make_tree(8);
	link_table(&tree->root[3], NOWHERE, 0);
	tree->scan.c.range.last = 3 * GIB - 1;
	assert_null(ahead(tree));
	tree->scan.c.range.last = 2 * GIB - 1;
	assert_null(ahead(tree));
	tree->scan.c.range.last = GIB + 9 * MIB_2 - 1;
	assert_null(ahead(tree));
	/* In one that the range reaches, what is behind it is not fetched. */
	link_table(&tree->root[3], tree->gib[1], 0);
	link_table(&tree->gib[1][5], tree->pages, 0);
	tree->scan.c.range.last = 3 * GIB + 5 * MIB_2;
	assert_ptr_equal(ahead(tree), tree->pages);
	tree->scan.c.range.last--;
	assert_null(ahead(tree));
}

static void none_where_there_is_no_other(void **state)
{
	struct tree *tree = make_tree(8);

	(void)state;
	tree->scan.c.range.last = 512 * GIB - 1;
	assert_null(ahead(tree));
	/* A start table of 4 entries, and memory behind it. */
	tree = make_tree(8);
	tree->table.geometry.input_bits = 32;
	iopgt_geometry_set_levels(&tree->table.geometry);
	link_table(&tree->root[5], NOWHERE, 0);
	assert_null(ahead(tree));
}

/* It is several tables in a row: what one of them covers is not all there is. */
static void a_start_table_that_is_all_above(void **state)
{
	struct tree *tree = make_tree(8);

	(void)state;
	tree->table.geometry.start_level = 2;
	tree->table.geometry.input_bits = 31;
	iopgt_geometry_set_levels(&tree->table.geometry);
	memset(memory[2], 0, sizeof(memory[2]));
	tree->scan.c.iova = 8 * MIB_2;
	tree->scan.c.path[2] = NOWHERE;
	tree->scan.c.range.last = 2 * GIB - 1;
	assert_null(ahead(tree));
	link_table(&memory[2][7], tree->pages, 0);
	assert_ptr_equal(ahead(tree), tree->pages);

	tree->table.geometry.start_level = 3;
	tree->table.geometry.input_bits = 22;
	iopgt_geometry_set_levels(&tree->table.geometry);
	tree->scan.c.iova = 0;
	tree->scan.c.path[3] = NOWHERE;
	tree->scan.c.range.last = 2 * MIB_2 - 1;
	assert_null(ahead(tree));
}

static void one_that_the_scan_does_not_pass_by(void **state)
{
	static const uint64_t marks[] = {WALKED, WAS_WALKED, WALKED | WAS_WALKED};

	(void)state;
	for (unsigned i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		struct tree *tree = make_tree(8);

		tree->scan.skips = true;
		for (uint32_t index = 9; index + 1 < ENTRIES; index += 2) {
			link_table(&tree->gib[0][index], NOWHERE, 0);
			live_store(&tree->gib[0][index + 1], index % 4 == 1 ? BLOCK : 0);
		}
		assert_null(ahead(tree));
		link_table(&tree->gib[0][101], tree->pages, marks[i]);
		assert_ptr_equal(ahead(tree), tree->pages);
		link_table(&tree->gib[0][9], tree->gib[1], marks[i]);
		assert_ptr_equal(ahead(tree), tree->gib[1]);

		tree = make_tree(8);
		tree->scan.skips = true;
		link_table(&tree->root[2], NOWHERE, 0);
		link_table(&tree->root[3], tree->gib[1], marks[i]);
		link_table(&tree->gib[1][0], NOWHERE, 0);
		link_table(&tree->gib[1][1], tree->pages, marks[i]);
		assert_ptr_equal(ahead(tree), tree->pages);
	}
}

static void none_in_another_table_above_with_a_budget(void **state)
{
	struct tree *tree = make_tree(8);

	(void)state;
	link_table(&tree->gib[0][400], tree->pages, 0);
	tree->scan.c.budget = 1;
	assert_ptr_equal(ahead(tree), tree->pages);
	tree = make_tree(8);
	link_table(&tree->root[2], tree->gib[1], 0);
	link_table(&tree->gib[1][0], tree->pages, 0);
	assert_ptr_equal(ahead(tree), tree->pages);
	tree->scan.c.budget = 1;
	assert_null(ahead(tree));
}

static void none_where_the_host_has_to_be_asked(void **state)
{
	struct tree *tree = make_tree(8);

	(void)state;
	tree->table.linear = false;
	link_table(&tree->gib[0][9], tree->pages, 0);
	assert_null(ahead(tree));
}

#ifdef IOPGT_EXPLORE
/* While it is not 0: before so many loads from now on, all tables become empty. */
static unsigned steps_left;

void iopgt_explore_step(enum live_step step, const volatile void *entry)
{
	(void)step;
	(void)entry;
	if (steps_left && !--steps_left)
		memset(memory, 0, sizeof(memory));
}

/* At any moment all may be unmapped, by another call; then no link is followed any more. */
static void none_if_it_goes_meanwhile(void **state)
{
	unsigned steps = 0, found = 0;

	(void)state;
	do {
		struct tree *tree = make_tree(8);
		live_descriptor *table;

		link_table(&tree->root[3], tree->gib[1], 0);
		link_table(&tree->gib[1][70], tree->pages, 0);
		steps_left = ++steps;
		table = iopgt_scan_ahead(&tree->scan, tree->scan.c.iova);
		assert_true(!table || table == tree->pages);
		found += table != NULL;
	} while (!steps_left);
	steps_left = 0;
	assert_in_range(found, 1, 2);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_entry_or_the_next_that_links_a_table),
		cmocka_unit_test(the_first_one_of_the_next_table_above),
		cmocka_unit_test(none_that_lies_behind_the_range),
		cmocka_unit_test(none_where_there_is_no_other),
		cmocka_unit_test(a_start_table_that_is_all_above),
		cmocka_unit_test(one_that_the_scan_does_not_pass_by),
		cmocka_unit_test(none_in_another_table_above_with_a_budget),
		cmocka_unit_test(none_where_the_host_has_to_be_asked),
#ifdef IOPGT_EXPLORE
		cmocka_unit_test(none_if_it_goes_meanwhile),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
