/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of table access flags share: rounds, and two views of what is dirty. */
#ifndef TEST_TABLE_ACCESS_H
#define TEST_TABLE_ACCESS_H

#include "fixture.h"

/* AF of a table descriptor (D8.5.1.3), and the bit beside it: walked in the last round. */
#define TABLE_AF     (UINT64_C(1) << 10)
#define TABLE_WALKED (UINT64_C(1) << 53)

#define IDLE_ROUNDS 2 /* until a table that no walker goes through is skipped */
#define MOST_RUNS   512

static inline uint64_t space_size(const struct fixture *f)
{
	return space_last(f) - space_first(f) + 1;
}

static inline uint64_t load(struct fixture *f, uint64_t phys)
{
	return pool_little_endian(*pool_word(f->host.pool, phys, false));
}

static inline void store(struct fixture *f, uint64_t phys, uint64_t descriptor)
{
	*pool_word(f->host.pool, phys, false) = pool_little_endian(descriptor);
}

/* Changes both bits of all table descriptors above iova. */
static inline void set_tables(struct fixture *f, uint64_t iova, uint64_t bits)
{
	struct walker_leaf leaf = leaf_at(f, iova);

	for (unsigned i = 0; i < leaf.table_count; i++)
		store(f, leaf.tables_phys[i],
		      (load(f, leaf.tables_phys[i]) & ~(TABLE_AF | TABLE_WALKED)) | bits);
}

/* Is there a table above iova that a dirty verb would leave alone? */
static inline bool is_skipped(struct fixture *f, uint64_t iova)
{
	struct walker_leaf leaf = leaf_at(f, iova);

	for (unsigned i = 0; i < leaf.table_count; i++)
		if (!(leaf.tables[i] & (TABLE_AF | TABLE_WALKED)))
			return true;
	return false;
}

/* --- Runs of dirty bytes --- */

struct runs {
	struct {
		uint64_t iova, size;
	} run[MOST_RUNS];
	unsigned count;
};

static inline int note_run(void *context, uint64_t iova, uint64_t size)
{
	struct runs *runs = context;

	assert_true(runs->count < MOST_RUNS);
	runs->run[runs->count].iova = iova;
	runs->run[runs->count++].size = size;
	return 0;
}

static inline bool has_run(const struct runs *runs, uint64_t iova)
{
	for (unsigned i = 0; i < runs->count; i++)
		if (iova - runs->run[i].iova < runs->run[i].size)
			return true;
	return false;
}

/* All of the space; with IOPGT_OP_CLEAR in flags it is cleaned. */
static inline struct iopgt_stats visit_all(struct fixture *f, struct runs *runs, uint32_t flags)
{
	const struct iopgt_dirty_visitor visitor = {note_run, runs};
	struct iopgt_op op = new_op(f);

	runs->count = 0;
	op.flags |= flags;
	expect(IOPGT_OK,
	       iopgt_for_each_dirty(f->table, space_first(f), space_size(f), &visitor, &op));
	finish(f, &op);
	return op.stats;
}

static inline struct iopgt_stats round_of_all(struct fixture *f)
{
	struct runs runs;

	return visit_all(f, &runs, IOPGT_OP_CLEAR);
}

/* Rounds after which nothing is dirty, and every table is skipped. */
static inline void quiet_down(struct fixture *f)
{
	for (int i = 0; i <= IDLE_ROUNDS; i++)
		round_of_all(f);
	assert_true(round_of_all(f).skipped > 0);
}

struct seen {
	struct fixture *f;
	const struct runs *runs;
};

static inline bool is_reported(void *context, uint64_t iova, const struct walker_leaf *leaf)
{
	const struct seen *seen = context;

	if (leaf->dirty != WALKER_WRITABLE_DIRTY)
		return true;
	assert_true(has_run(seen->runs, iova));
	assert_false(is_skipped(seen->f, iova));
	return true;
}

/*
 * A read reports each leaf that the walker's oracle finds dirty, and the same as
 * a reader of the tree that skips nothing.
 */
static inline void expect_all_reported(struct fixture *f)
{
	static struct runs runs, others;
	const struct iopgt_dirty_visitor visitor = {note_run, &others};
	struct iopgt_tree tree = {.root_phys = f->table->root_phys};
	struct iopgt_config config = f->config;
	struct seen seen = {f, &runs};
	struct iopgt_op op = {0};
	struct iopgt_table reader;

	visit_all(f, &runs, 0);
	assert_true(walker_for_each_leaf(f->walkers[0], space_first(f), space_last(f), is_reported,
	                                 &seen));
	config.flags &= ~(uint32_t)IOPGT_CONFIG_TABLE_ACCESS_FLAG;
	expect(IOPGT_OK, iopgt_open(&reader, &config, &f->hal, &f->host, &tree));
	others.count = 0;
	expect(IOPGT_OK,
	       iopgt_for_each_dirty(&reader, space_first(f), space_size(f), &visitor, &op));
	expect(IOPGT_OK, iopgt_fini(&reader));
	assert_int_equal(op.stats.skipped, 0);
	assert_int_equal(runs.count, others.count);
	assert_memory_equal(runs.run, others.run, runs.count * sizeof(runs.run[0]));
}

/* This page is reported by reads until a round takes it, and then not. */
static inline void expect_reported_once(struct fixture *f, uint64_t iova)
{
	struct runs runs;

	for (int i = 0; i < 3; i++) {
		visit_all(f, &runs, 0);
		assert_true(has_run(&runs, iova));
	}
	expect_all_reported(f);
	visit_all(f, &runs, IOPGT_OP_CLEAR);
	assert_true(has_run(&runs, iova));
	visit_all(f, &runs, IOPGT_OP_CLEAR);
	assert_int_equal(runs.count, 0);
	quiet_down(f);
}

#endif
