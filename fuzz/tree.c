/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Either tables whose entries the input chooses one by one, among leaves, links to
 * any table and rubbish; or a tree that the library has made, in which some words are
 * spoiled.
 */
#include "tree.h"

#include <stdlib.h>
#include <string.h>

#define TABLE      UINT64_C(3)
#define CONTIGUOUS BIT(52)

static uint64_t take(struct tree *tree, uint64_t bound)
{
	return source_below(&tree->source, bound);
}

static unsigned entries_of(const struct tree *tree, unsigned i)
{
	return (i ? tree->memory.granule : tree->memory.root_bytes) / 8;
}

static void put(struct tree *tree, unsigned i, uint64_t index, uint64_t word)
{
	word = pool_little_endian(word);
	memcpy(tree->table[i].virt + 8 * (index % entries_of(tree, i)), &word, 8);
}

/* --- Words --- */

/* Tables D8-50, D8-51. */
static uint64_t encode_address(const struct tree *tree, uint64_t phys)
{
	if (tree->config.flags & IOPGT_CONFIG_LPA2)
		return (phys & (BIT(50) - 1)) | (phys >> 50 & 3) << 8;
	if (tree->config.granule_shift == 16 && tree->config.output_bits == 52)
		return (phys & (BIT(48) - 1)) | (phys >> 48 & 15) << 12;
	return phys & (BIT(48) - 1);
}

static unsigned shift_of(const struct tree *tree, int level)
{
	unsigned granule_shift = tree->config.granule_shift;

	return granule_shift + (unsigned)(3 - level) * (granule_shift - 3);
}

static uint64_t leaf(struct tree *tree, int level)
{
	uint64_t word = 0x0060000000000f45, number = take(tree, 1 << 12);
	unsigned shift = shift_of(tree, level);

	if (tree->config.regime == IOPGT_STAGE1_EL2)
		word = 0x0040000000000745;
	if (fuzz_is_stage2(&tree->config))
		word = 0x00400000000007fd;
	if (tree->config.flags & IOPGT_CONFIG_LPA2)
		word &= ~(BIT(8) | BIT(9));
	if (tree->config.dirty != IOPGT_DIRTY_NONE)
		word |= (number & 1) << 51;
	word ^= (number & 2) << 6;
	if (level == 3)
		word |= 2;
	if (shift < 48)
		word |= encode_address(tree, (number >> 2 << shift) &
		                                     (BIT(tree->config.output_bits) - 1));
	return word;
}

static uint64_t some_link(struct tree *tree, int level)
{
	unsigned i = (unsigned)take(tree, tree->count);

	/* One level further down, if there is such a table. */
	for (unsigned tries = 0; level < 3 && tries < tree->count; tries++) {
		if (i && tree->table[i].level == level + 1)
			break;
		i = (i + 1) % tree->count;
	}
	return TABLE | encode_address(tree, tree->table[i].phys);
}

static uint64_t any_link(struct tree *tree)
{
	uint64_t phys = tree->table[take(tree, tree->count)].phys;

	switch (take(tree, 4)) {
	case 0:
		phys += tree->memory.granule; /* the gap after a table */
		break;
	case 1:
		phys ^= BIT(take(tree, 52));
		break;
	case 2:
		phys = fuzz_number(&tree->source);
		break;
	default:
		break;
	}
	return TABLE | encode_address(tree, phys);
}

static uint64_t choose_word(struct tree *tree, int level)
{
	switch (take(tree, 10)) {
	case 0:
		return 0;
	case 1:
		return source_take(&tree->source, 8);
	case 2:
		return any_link(tree);
	case 3:
		return leaf(tree, level) ^ BIT(take(tree, 64));
	case 4:
		return some_link(tree, level) ^ BIT(take(tree, 64));
	case 5:
		return source_take(&tree->source, 8) & ~TABLE;
	case 6:
	case 7:
		return leaf(tree, level);
	default:
		return some_link(tree, level);
	}
}

/* D8.7.1 */
static unsigned group_entries(const struct tree *tree, int level)
{
	if (tree->config.granule_shift == 12)
		return 16;
	return tree->config.granule_shift == 14 && level == 3 ? 128 : 32;
}

static void put_group(struct tree *tree, unsigned i, uint64_t index)
{
	int level = tree->table[i].level;
	unsigned count = group_entries(tree, level), shift = shift_of(tree, level);
	uint64_t word = leaf(tree, level) | CONTIGUOUS, aligned;

	if (shift > 36)
		return;
	aligned = word & ~((((uint64_t)count << shift) - 1) & (UINT64_MAX << shift));
	for (unsigned n = 0; n < count; n++)
		put(tree, i, index / count * count + n, aligned + ((uint64_t)n << shift));
}

/* --- Tables --- */

static void fill_table(struct tree *tree, unsigned i)
{
	unsigned changes = (unsigned)take(tree, 8), entries = entries_of(tree, i);
	int level = tree->table[i].level;

	if (source_chance(&tree->source, 4)) {
		uint64_t word = choose_word(tree, level);

		for (unsigned n = 0; n < entries; n++)
			put(tree, i, n, word);
	}
	while (changes--) {
		uint64_t index = take(tree, source_chance(&tree->source, 2) ? entries : 6);

		if (source_chance(&tree->source, 8))
			put_group(tree, i, index);
		else
			put(tree, i, index, choose_word(tree, level));
	}
}

static void add_table(struct tree *tree, int level)
{
	unsigned i = tree->count++;

	tree->table[i].level = level;
	tree->table[i].virt =
		memory_take(&tree->memory, tree->memory.granule, &tree->table[i].phys);
	require(tree->table[i].virt);
	memset(tree->table[i].virt, 0, tree->memory.granule);
}

static void grow_wild(struct tree *tree)
{
	unsigned more = (unsigned)take(tree, TREE_TABLES);

	while (more--) {
		int below = tree->start + 1 + (int)tree->count - 1;

		add_table(tree, below <= 3 ? below : (int)take(tree, 4));
	}
	for (unsigned i = 0; i < tree->count; i++)
		fill_table(tree, i);
}

/* A tree of the library's own. */
static void map_some(struct tree *tree, struct iopgt_table *table)
{
	unsigned count = 1 + (unsigned)take(tree, 6);

	while (count--) {
		struct fuzz_range range = fuzz_choose_range(&tree->source, &tree->config);
		struct iopgt_mapping mapping = {.iova = range.iova, .size = range.size};
		struct iopgt_op op = {.budget = 20000};

		mapping.phys = source_take(&tree->source, 5) & ~(fuzz_granule(&tree->config) - 1);
		mapping.prot = IOPGT_READ | (uint32_t)take(tree, IOPGT_ALL_PROT + 1);
		mapping.memory = IOPGT_WRITE_BACK;
		if (source_chance(&tree->source, 2)) /* so that it fits a block */
			mapping.phys = mapping.iova & (BIT(tree->config.output_bits) - 1);
		iopgt_map(table, &mapping, &op);
		require(iopgt_op_finish(&op) == IOPGT_OK);
	}
}

static void know_tables(struct tree *tree)
{
	for (unsigned i = 0; i < MEMORY_SLOTS && tree->count < TREE_TABLES; i++) {
		unsigned n = tree->count;

		if (tree->memory.slot[i].state != SLOT_USED)
			continue;
		tree->table[n].phys = memory_slot_phys(&tree->memory, i);
		tree->table[n].virt = tree->memory.slots + (size_t)2 * tree->memory.granule * i;
		tree->table[n].level = 3;
		tree->count++;
	}
}

static void grow_good(struct tree *tree)
{
	unsigned changes;
	struct iopgt_table table;

	tree->memory.builds = true;
	require(iopgt_init(&table, &tree->config, &tree->memory.hal, &tree->memory) == IOPGT_OK);
	map_some(tree, &table);
	know_tables(tree);
	changes = (unsigned)take(tree, 4);
	while (changes--) {
		unsigned i = (unsigned)take(tree, tree->count);
		uint64_t index = take(tree, entries_of(tree, i)), word;

		memcpy(&word, tree->table[i].virt + 8 * index, 8);
		word = pool_little_endian(word);
		if (source_chance(&tree->source, 2))
			word = choose_word(tree, tree->table[i].level);
		else
			word ^= BIT(take(tree, 64));
		put(tree, i, index, word);
	}
}

void tree_plant(struct tree *tree, const uint8_t *data, size_t size)
{
	struct walker_config walker;
	unsigned tables;

	*tree = (struct tree){.source = {.data = data, .left = size}, .count = 1};
	fuzz_choose_config(&tree->source, &tree->config);
	walker = fuzz_walker(&tree->config, NULL, 0);
	require(walker_start_level(&walker, &tree->start, &tables));
	memory_init(&tree->memory, &tree->config, (uint32_t)walker_start_bytes(&walker));
	walker.pool = tree->memory.pool;
	walker.root = tree->memory.root_phys;
	walker.flags &= ~(uint32_t)WALKER_NON_COHERENT;
	tree->oracle = walker_create(&walker);
	tree->table[0].phys = tree->memory.root_phys;
	tree->table[0].virt = tree->memory.root;
	tree->table[0].level = tree->start;
	if (source_chance(&tree->source, 2))
		grow_good(tree);
	else
		grow_wild(tree);
}

void tree_uproot(struct tree *tree)
{
	walker_destroy(tree->oracle);
	memory_fini(&tree->memory);
	free(tree->before);
}

/* --- Whether anything was changed --- */

static void copy_out(struct tree *tree, bool compare)
{
	size_t at = 0;

	memory_open(&tree->memory);
	for (unsigned i = 0; i < tree->count; i++) {
		size_t bytes = (size_t)8 * entries_of(tree, i);

		if (compare)
			require_of(!memcmp(tree->before + at, tree->table[i].virt, bytes), i, 0);
		else
			memcpy(tree->before + at, tree->table[i].virt, bytes);
		at += bytes;
	}
}

void tree_remember(struct tree *tree)
{
	free(tree->before);
	tree->before = malloc(tree->memory.root_bytes + (size_t)TREE_TABLES * tree->memory.granule);
	require(tree->before);
	copy_out(tree, false);
}

void tree_expect_same(struct tree *tree)
{
	copy_out(tree, true);
}
