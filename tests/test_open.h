/* SPDX-License-Identifier: BSD-2-Clause */
/* For the tests of iopgt_open: trees as bytes, and every verb in a row. */
#ifndef TEST_OPEN_H
#define TEST_OPEN_H

#include <stdlib.h>
#include <string.h>

#include "test_raw.h"

/* --- All of a pool's live words --- */

struct snapshot {
	struct pool *pool;
	uint64_t base;
	size_t words;
	uint64_t *word; /* 0 where nothing is live */
};

static inline uint64_t snapshot_now(const struct snapshot *snapshot, size_t i)
{
	_Atomic uint64_t *word = pool_word(snapshot->pool, snapshot->base + 8 * i, false);

	return word ? pool_little_endian(atomic_load(word)) : 0;
}

static inline struct snapshot take_snapshot(struct test_host *host)
{
	struct snapshot snapshot = {
		.pool = host->pool,
		.base = host->options.phys_base,
		.words = host->options.arena_bytes / 8,
	};

	snapshot.word = malloc(host->options.arena_bytes);
	assert_non_null(snapshot.word);
	for (size_t i = 0; i < snapshot.words; i++)
		snapshot.word[i] = snapshot_now(&snapshot, i);
	return snapshot;
}

static inline void drop_snapshot(struct snapshot *snapshot)
{
	free(snapshot->word);
	snapshot->word = NULL;
}

/* Nothing was changed. */
static inline void expect_snapshot(const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->words; i++) {
		uint64_t now = snapshot_now(snapshot, i);

		if (now == snapshot->word[i])
			continue;
		print_error("at 0x%llx: 0x%llx became 0x%llx\n",
		            (unsigned long long)(snapshot->base + 8 * i),
		            (unsigned long long)snapshot->word[i], (unsigned long long)now);
		fail();
	}
}

/* --- A HAL that can look and do nothing else --- */

static inline void *look_up(void *context, uint64_t phys, uint32_t bytes)
{
	struct test_host *host = context;

	return pool_virt(host->pool, phys, bytes);
}

static inline struct iopgt_hal reading_hal(void)
{
	return (struct iopgt_hal){.phys_to_virt = look_up};
}

static inline const struct iopgt_hal *the_reading_hal(void)
{
	static struct iopgt_hal hal;

	hal = reading_hal();
	return &hal;
}

static inline int open_tree(struct iopgt_table *table, const struct iopgt_config *config,
                            const struct iopgt_hal *hal, struct test_host *host,
                            const struct iopgt_tree *tree)
{
	struct iopgt_finding finding = {.rule = 99};
	struct iopgt_tree what = *tree;
	int error;

	what.finding = &finding;
	error = iopgt_open(table, config, hal, host, &what);
	assert_int_equal(finding.rule != IOPGT_RULE_NONE, error == IOPGT_CORRUPT);
	return error;
}

/* --- Every verb --- */

struct verb_call {
	struct iopgt_table *table;
	uint64_t iova, size;
	const struct iopgt_bitmap *bitmap;
	struct iopgt_op *op;
};

struct verb {
	const char *name;
	int (*run)(const struct verb_call *call);
};

static inline int ignore_run(void *context, const struct iopgt_mapping *run)
{
	uint64_t *runs = context;

	assert_true(run->size != 0);
	++*runs;
	return 0;
}

static inline int ignore_dirty(void *context, uint64_t iova, uint64_t size)
{
	uint64_t *runs = context;

	(void)iova;
	assert_true(size != 0);
	++*runs;
	return 0;
}

static inline void ignore_line(void *context, const char *text)
{
	uint64_t *lines = context;

	assert_non_null(text);
	++*lines;
}

static inline int run_visit(const struct verb_call *call)
{
	uint64_t runs = 0;
	const struct iopgt_mapping_visitor visitor = {ignore_run, &runs};

	return iopgt_for_each_mapping(call->table, call->iova, call->size, &visitor, call->op);
}

static inline int run_dump(const struct verb_call *call)
{
	uint64_t lines = 0;
	const struct iopgt_writer writer = {ignore_line, &lines};

	return iopgt_dump(call->table, call->iova, call->size, &writer, call->op);
}

static inline int run_sync(const struct verb_call *call)
{
	return iopgt_sync_dirty_log(call->table, call->iova, call->size, call->bitmap, call->op);
}

static inline int run_read(const struct verb_call *call)
{
	int error;

	call->op->flags |= IOPGT_OP_NO_CLEAR;
	error = iopgt_read_and_clear_dirty(call->table, call->iova, call->size, call->bitmap,
	                                   call->op);
	call->op->flags &= ~(uint32_t)IOPGT_OP_NO_CLEAR;
	return error;
}

static inline int run_visit_dirty(const struct verb_call *call)
{
	uint64_t runs = 0;
	const struct iopgt_dirty_visitor visitor = {ignore_dirty, &runs};

	return iopgt_for_each_dirty(call->table, call->iova, call->size, &visitor, call->op);
}

static const struct verb readers[] = {
	{"for_each_mapping", run_visit},     {"dump", run_dump},
	{"sync_dirty_log", run_sync},        {"read_and_clear_dirty, reading", run_read},
	{"for_each_dirty", run_visit_dirty},
};

#define READERS 5

static inline int run_map(const struct verb_call *call)
{
	const struct iopgt_mapping mapping =
		fixture_mapping(call->iova, 0, call->size, IOPGT_READ | IOPGT_WRITE);

	return iopgt_map(call->table, &mapping, call->op);
}

static inline int run_unmap(const struct verb_call *call)
{
	return iopgt_unmap(call->table, call->iova, call->size, call->op);
}

static inline int run_unmap_dirty(const struct verb_call *call)
{
	return iopgt_unmap_dirty(call->table, call->iova, call->size, call->bitmap, call->op);
}

static inline int run_protect(const struct verb_call *call)
{
	return iopgt_protect(call->table, call->iova, call->size, IOPGT_READ, call->op);
}

static inline int run_trim(const struct verb_call *call)
{
	return iopgt_trim(call->table, call->iova, call->size, call->op);
}

static inline int run_split(const struct verb_call *call)
{
	return iopgt_split_block(call->table, call->iova, call->size, call->op);
}

static inline int run_merge(const struct verb_call *call)
{
	return iopgt_merge_page(call->table, call->iova, call->size, call->op);
}

static inline int run_clear(const struct verb_call *call)
{
	return iopgt_clear_dirty_log(call->table, call->iova, call->size, call->bitmap, call->op);
}

static inline int run_read_and_clear(const struct verb_call *call)
{
	return iopgt_read_and_clear_dirty(call->table, call->iova, call->size, call->bitmap,
	                                  call->op);
}

static inline int run_clear_each(const struct verb_call *call)
{
	int error;

	call->op->flags |= IOPGT_OP_CLEAR;
	error = run_visit_dirty(call);
	call->op->flags &= ~(uint32_t)IOPGT_OP_CLEAR;
	return error;
}

static inline int run_accessed(const struct verb_call *call)
{
	return iopgt_read_and_clear_accessed(call->table, call->iova, call->size, call->bitmap,
	                                     call->op);
}

static inline int run_write_fault(const struct verb_call *call)
{
	return iopgt_handle_write_fault(call->table, call->iova, 0, call->op);
}

static inline int run_access_fault(const struct verb_call *call)
{
	return iopgt_handle_access_fault(call->table, call->iova);
}

static const struct verb changers[] = {
	{"map", run_map},
	{"unmap", run_unmap},
	{"unmap_dirty", run_unmap_dirty},
	{"protect", run_protect},
	{"trim", run_trim},
	{"split_block", run_split},
	{"merge_page", run_merge},
	{"clear_dirty_log", run_clear},
	{"read_and_clear_dirty", run_read_and_clear},
	{"for_each_dirty, clearing", run_clear_each},
	{"read_and_clear_accessed", run_accessed},
	{"handle_write_fault", run_write_fault},
	{"handle_access_fault", run_access_fault},
};

#define CHANGERS 13

/* A bitmap that covers all of any space. */
static inline struct iopgt_bitmap wide_bitmap(uint64_t *words, const struct iopgt_config *config)
{
	struct iopgt_bitmap bitmap = {.words = words, .bits = 64};

	bitmap.page_shift = config->input_bits - 6u;
	if (config->flags & IOPGT_CONFIG_TTBR1)
		bitmap.base = UINT64_MAX << config->input_bits;
	return bitmap;
}

/* At most this many more than the budget may be looked at: a table, or the start table. */
static inline uint64_t most_in_excess(const struct iopgt_config *config)
{
	return (UINT64_C(16) << (config->granule_shift - 3)) + 64;
}

/*
 * A reader over all of the space, in pieces; `calls` at most, since a tree may be
 * endless. Returns the last result.
 */
static inline int read_in_pieces(struct iopgt_table *table, const struct verb *verb, unsigned calls)
{
	const struct iopgt_config *config = &table->config;
	uint64_t words[1] = {0};
	struct iopgt_bitmap bitmap = wide_bitmap(words, config);
	struct iopgt_op op = {.budget = 300};
	uint64_t first = bitmap.base, last = first + (RAW_SPACE(config->input_bits) - 1);
	struct verb_call call = {table, first, last - first + 1, &bitmap, &op};
	int error = IOPGT_AGAIN;

	while (calls-- && error == IOPGT_AGAIN) {
		uint64_t before = op.stats.looked_at;

		error = verb->run(&call);
		assert_null(op.gather.table);
		assert_true(op.stats.looked_at - before <= op.budget + most_in_excess(config));
		if (error != IOPGT_AGAIN)
			break;
		assert_true(op.next > call.iova && op.next <= last);
		call.iova = op.next;
		call.size = last - op.next + 1;
	}
	return error;
}

#endif
