/* SPDX-License-Identifier: BSD-2-Clause */
/* Trees written by hand for the tests of iopgt_open, and what has to be so for each. */
#ifndef TEST_OPEN_TREE_H
#define TEST_OPEN_TREE_H

#include "test_open.h"

/*
 * One table of each level, linked from entry 1 of the one above: a page at entry 1,
 * a block at entry 2 of level 2. Start level 0, or 1 with 64 KiB.
 */
struct tree {
	struct test_host host;
	struct iopgt_config config;
	struct raw raw;
	uint64_t table[4]; /* by level; [start] is the root */
};

struct options {
	uint32_t regime, flags, dirty;
	uint8_t granule_shift, bbm_level, output_bits;
	uint64_t leaf_sizes;
};

static inline uint64_t new_table(struct tree *tree)
{
	uint64_t phys;
	size_t bytes = (size_t)1 << tree->config.granule_shift;

	assert_non_null(pool_alloc(tree->host.pool, bytes, true, &phys));
	return phys;
}

/* A good leaf of these regimes: RW write-back, never executed, dirty or untracked. */
static inline uint64_t good_leaf(const struct tree *tree)
{
	uint64_t leaf = tree->config.dirty == IOPGT_DIRTY_NONE ? 0 : RAW_DBM;

	switch (tree->config.regime) {
	case IOPGT_STAGE1_EL1:
		return leaf | 0x0060000000000f45;
	case IOPGT_STAGE1_EL2:
		return leaf | 0x0040000000000745;
	default:
		return leaf | 0x00400000000007fd;
	}
}

static inline uint64_t slot(const struct tree *tree, int level, uint64_t index)
{
	return tree->table[level] + 8 * index;
}

static inline void put(struct tree *tree, int level, uint64_t index, uint64_t descriptor)
{
	raw_store(&tree->raw, slot(tree, level, index), descriptor);
}

static inline uint64_t get(const struct tree *tree, int level, uint64_t index)
{
	return raw_load(&tree->raw, slot(tree, level, index));
}

static inline uint64_t size_at(const struct tree *tree, int level)
{
	return RAW_SPACE(raw_shift(&tree->raw, level));
}

/* Where entry `index` of the table of `level` maps. */
static inline uint64_t iova_of(const struct tree *tree, int level, uint64_t index)
{
	uint64_t iova = index * size_at(tree, level);

	for (int above = tree->raw.start; above < level; above++)
		iova += size_at(tree, above);
	return iova;
}

/* D8.2: as many entries as the input size needs, 64 bytes at least. */
static inline uint64_t new_root(struct tree *tree)
{
	size_t bytes =
		(size_t)8 << (tree->config.input_bits - raw_shift(&tree->raw, tree->raw.start));
	uint64_t phys;

	assert_non_null(pool_alloc(tree->host.pool, bytes < 64 ? 64 : bytes, true, &phys));
	return phys;
}

/* The tables of a tree of this configuration that starts at level `start`, linked. */
static inline void plant_tables(struct tree *tree, const struct iopgt_config *config, int start)
{
	const struct host_options host = {.arena_bytes = 1 << 20,
	                                  .granule_shift = config->granule_shift};

	memset(tree, 0, sizeof(*tree));
	tree->config = *config;
	host_init(&tree->host, &host);
	tree->raw = (struct raw){tree->host.pool, &tree->config, 0, start};
	tree->table[start] = new_root(tree);
	for (int level = start + 1; level <= 3; level++)
		tree->table[level] = new_table(tree);
	tree->raw.root = tree->table[start];
	for (int level = start; level < 3; level++)
		put(tree, level, 1, tree->table[level + 1] | RAW_TABLE);
}

static inline void plant(struct tree *tree, const struct options *options)
{
	struct iopgt_config config = {
		.regime = options->regime,
		.flags = options->flags,
		.granule_shift = options->granule_shift,
		.input_bits = 48,
		.output_bits = options->output_bits ? options->output_bits : 48,
		.bbm_level = options->bbm_level,
		.dirty = options->dirty,
		.leaf_sizes = options->leaf_sizes,
	};

	if (options->regime == IOPGT_STAGE2) /* 32 entries: no concatenation */
		config.input_bits = options->granule_shift == 12 ? 44 : 47;
	plant_tables(tree, &config, options->granule_shift == 16 ? 1 : 0);
	put(tree, 3, 1, good_leaf(tree) | 2 | size_at(tree, 3));
	put(tree, 2, 2, good_leaf(tree) | size_at(tree, 2));
}

static inline void uproot(struct tree *tree)
{
	host_fini(&tree->host);
}

static inline int open_as(struct tree *tree, uint32_t flags, struct iopgt_table *table,
                          struct iopgt_finding *finding)
{
	const struct iopgt_tree what = {
		.root_phys = tree->raw.root, .flags = flags, .finding = finding};

	return iopgt_open(table, &tree->config, &tree->host.hal, &tree->host, &what);
}

/* --- What has to be so for every tree --- */

static inline void translate_some(struct tree *tree, struct iopgt_table *table)
{
	for (int i = 0; i < 16; i++) {
		int level = i / 4 < tree->raw.start ? 3 : i / 4;
		uint64_t iova = iova_of(tree, level, (uint64_t)i % 4);
		struct iopgt_translation got;

		iopgt_translate(table, iova, &got);
		iopgt_handle_translation_fault(table, iova);
	}
}

static inline void expect_reader_survives(struct tree *tree)
{
	struct snapshot before = take_snapshot(&tree->host);
	struct iopgt_table table;

	expect(IOPGT_OK, open_as(tree, 0, &table, NULL));
	for (size_t i = 0; i < READERS; i++) {
		int error;

		if (readers[i].run != run_visit && readers[i].run != run_dump &&
		    tree->config.dirty == IOPGT_DIRTY_NONE)
			continue;
		error = read_in_pieces(&table, &readers[i], 40);

		assert_true(error == IOPGT_OK || error == IOPGT_AGAIN || error == IOPGT_BUSY ||
		            error == IOPGT_BAD_TABLE);
	}
	translate_some(tree, &table);
	expect(IOPGT_OK, iopgt_fini(&table));
	expect_snapshot(&before);
	drop_snapshot(&before);
}

/* An owner refuses with one of these rules (0: any), and nothing is owned. */
static inline void expect_owner_refuses(struct tree *tree, uint64_t rules)
{
	struct snapshot before = take_snapshot(&tree->host);
	struct iopgt_finding finding = {.rule = 99};
	size_t tables = pool_in_use(tree->host.pool);
	struct iopgt_table table;

	expect(IOPGT_CORRUPT, open_as(tree, IOPGT_OPEN_OWNING, &table, &finding));
	if (!(rules >> finding.rule & 1))
		print_error("rule %u: %s, level %d, 0x%llx\n", finding.rule,
		            iopgt_rule_text(finding.rule), finding.level,
		            (unsigned long long)finding.descriptor);
	assert_true(rules >> finding.rule & 1);
	expect_snapshot(&before);
	drop_snapshot(&before);
	assert_int_equal(pool_in_use(tree->host.pool), tables);
	assert_int_equal(host_calls(&tree->host, HOST_FREE), host_calls(&tree->host, HOST_ALLOC));
}

static const struct options plain[] = {
	{IOPGT_STAGE1_EL1, 0, IOPGT_DIRTY_HARDWARE, 12, 2, 0, 0},
	{IOPGT_STAGE1_EL2, 0, IOPGT_DIRTY_SOFTWARE, 14, 1, 0, 0},
	{IOPGT_STAGE1_EL1, 0, IOPGT_DIRTY_NONE, 16, 0, 0, 0},
	{IOPGT_STAGE2, 0, IOPGT_DIRTY_HARDWARE, 12, 2, 0, 0},
};

struct breakage {
	const char *name;
	void (*apply)(struct tree *tree);
	uint64_t rules;
};

#define RULE(name) BIT(IOPGT_RULE_##name)

static inline void run_breakages(const struct breakage *breakages, size_t count)
{
	for (size_t i = 0; i < count * COUNT(plain); i++) {
		const struct breakage *breakage = &breakages[i / COUNT(plain)];
		struct tree tree;

		plant(&tree, &plain[i % COUNT(plain)]);
		breakage->apply(&tree);
		print_message("# %s, %zu\n", breakage->name, i % COUNT(plain));
		expect_reader_survives(&tree);
		expect_owner_refuses(&tree, breakage->rules);
		uproot(&tree);
	}
}

#endif
