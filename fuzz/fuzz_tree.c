/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iopgt_open of trees of arbitrary memory. Whatever they hold: every call ends within
 * its budget, with an answer or an error that its comment names, and touches no memory
 * that the HAL did not hand out (memory.h); a reader changes nothing; an owner that
 * refuses has changed nothing; one that takes a tree over can use all verbs, and
 * translates as a walker does.
 */
#include "tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One call, with what it gets. */
struct call {
	struct tree *tree;
	struct iopgt_table *table;
	uint64_t iova, size, last, words[2];
	struct iopgt_bitmap bitmap;
	struct iopgt_op *op;
	uint64_t expected; /* of a visitor: runs begin here or later */
	unsigned visits;   /* left before a visitor stops */
};

static uint64_t take(struct tree *tree, uint64_t bound)
{
	return source_below(&tree->source, bound);
}

/* One of the next calls of the host. */
static void fail_soon(struct tree *tree)
{
	tree->memory.fail_after = 1 + (unsigned)take(tree, 6);
	tree->failed = true;
}

/* --- Callbacks --- */

#define STOPPED 77

static int visit(struct call *call, uint64_t iova, uint64_t size)
{
	require_of(size, iova, size);
	require_of(iova >= call->expected && iova <= call->last, iova, call->expected);
	require_of(size - 1 <= call->last - iova, iova, size);
	call->expected = iova + size;
	return --call->visits ? 0 : STOPPED;
}

static int visit_mapping(void *context, const struct iopgt_mapping *run)
{
	return visit(context, run->iova, run->size);
}

static int visit_dirty(void *context, uint64_t iova, uint64_t size)
{
	return visit(context, iova, size);
}

static void take_line(void *context, const char *text)
{
	(void)context;
	for (; *text; text++)
		require_of(*text >= ' ' && *text <= '~', *text, 0);
}

/* --- Verbs --- */

typedef int verb(struct call *call);

static int do_each_mapping(struct call *call)
{
	const struct iopgt_mapping_visitor visitor = {visit_mapping, call};

	return iopgt_for_each_mapping(call->table, call->iova, call->size, &visitor, call->op);
}

static int do_dump(struct call *call)
{
	const struct iopgt_writer writer = {take_line, call};

	return iopgt_dump(call->table, call->iova, call->size, &writer, call->op);
}

static int do_sync(struct call *call)
{
	return iopgt_sync_dirty_log(call->table, call->iova, call->size, &call->bitmap, call->op);
}

static int do_read(struct call *call)
{
	call->op->flags |= IOPGT_OP_NO_CLEAR;
	return iopgt_read_and_clear_dirty(call->table, call->iova, call->size, &call->bitmap,
	                                  call->op);
}

static int do_each_dirty(struct call *call)
{
	const struct iopgt_dirty_visitor visitor = {visit_dirty, call};

	return iopgt_for_each_dirty(call->table, call->iova, call->size, &visitor, call->op);
}

static verb *const readers[] = {do_each_mapping, do_dump, do_sync, do_read, do_each_dirty};

static int do_map(struct call *call)
{
	struct iopgt_mapping mapping = {.iova = call->iova,
	                                .size = call->size,
	                                .prot = IOPGT_READ | IOPGT_WRITE,
	                                .memory = IOPGT_WRITE_BACK};

	if (take(call->tree, 2))
		mapping.phys = call->iova & (BIT(call->tree->config.output_bits) - 1);
	return iopgt_map(call->table, &mapping, call->op);
}

static int do_unmap(struct call *call)
{
	return iopgt_unmap(call->table, call->iova, call->size, call->op);
}

static int do_unmap_dirty(struct call *call)
{
	return iopgt_unmap_dirty(call->table, call->iova, call->size, &call->bitmap, call->op);
}

static int do_protect(struct call *call)
{
	uint32_t prot = IOPGT_READ | (take(call->tree, 2) ? IOPGT_WRITE : 0);

	return iopgt_protect(call->table, call->iova, call->size, prot, call->op);
}

static int do_trim(struct call *call)
{
	return iopgt_trim(call->table, call->iova, call->size, call->op);
}

static int do_split(struct call *call)
{
	return iopgt_split_block(call->table, call->iova, call->size, call->op);
}

static int do_merge(struct call *call)
{
	return iopgt_merge_page(call->table, call->iova, call->size, call->op);
}

static int do_clear(struct call *call)
{
	call->words[0] = source_take(&call->tree->source, 8);
	return iopgt_clear_dirty_log(call->table, call->iova, call->size, &call->bitmap, call->op);
}

static int do_read_and_clear(struct call *call)
{
	return iopgt_read_and_clear_dirty(call->table, call->iova, call->size, &call->bitmap,
	                                  call->op);
}

static int do_clear_each(struct call *call)
{
	call->op->flags |= IOPGT_OP_CLEAR;
	return do_each_dirty(call);
}

static int do_accessed(struct call *call)
{
	return iopgt_read_and_clear_accessed(call->table, call->iova, call->size, &call->bitmap,
	                                     call->op);
}

static int do_write_fault(struct call *call)
{
	uint32_t access = take(call->tree, 2) ? IOPGT_PRIVILEGED : 0;

	return iopgt_handle_write_fault(call->table, call->iova, access, call->op);
}

static int do_access_fault(struct call *call)
{
	return iopgt_handle_access_fault(call->table, call->iova);
}

static verb *const changers[] = {
	do_map,      do_unmap,       do_unmap_dirty, do_protect,        do_trim,
	do_split,    do_merge,       do_clear,       do_read_and_clear, do_clear_each,
	do_accessed, do_write_fault, do_access_fault};

/* --- Calls --- */

static void choose_call(struct call *call, struct tree *tree, struct iopgt_table *table,
                        struct iopgt_op *op)
{
	struct fuzz_range range = fuzz_choose_range(&tree->source, &tree->config);

	*call = (struct call){.tree = tree,
	                      .table = table,
	                      .iova = range.iova,
	                      .size = range.size,
	                      .last = range.iova + (range.size - 1),
	                      .op = op,
	                      .expected = range.iova,
	                      .visits = 1 + (unsigned)take(tree, 200)};
	call->bitmap = (struct iopgt_bitmap){.words = call->words,
	                                     .base = fuzz_first(&tree->config),
	                                     .bits = 64,
	                                     .page_shift = tree->config.input_bits - 6u};
	op->budget = 1 + take(tree, 600);
}

/*
 * table.h: a budget is exceeded by one table, or by 64 entries where sizes change; and
 * the way down costs a lookup a level, each table met on the way one more.
 */
static void expect_bounded(const struct call *call, uint64_t before)
{
	uint64_t looked = call->op->stats.looked_at - before;
	uint64_t most = call->tree->memory.granule / 8;

	if (most < call->tree->memory.root_bytes / 8)
		most = call->tree->memory.root_bytes / 8;
	require_of(looked <= call->op->budget + most + 64, looked, call->op->budget);
	require_of(call->tree->memory.lookups <= 2 * looked + 16, call->tree->memory.lookups,
	           looked);
}

/* Where to go on lies ahead. */
static void go_on(struct call *call)
{
	uint64_t next = call->op->next;

	require_of(next > call->iova && next <= call->last, next, call->iova);
	require(!(next & (call->tree->memory.granule - 1)));
	call->iova = next;
	call->size = call->last - next + 1;
	if (call->expected < next)
		call->expected = next;
}

/* --- A reader --- */

static void read_in_pieces(struct call *call, verb *run)
{
	bool marks = run != do_each_mapping && run != do_dump;

	for (unsigned pieces = 1 + (unsigned)take(call->tree, 6); pieces; pieces--) {
		uint64_t before = call->op->stats.looked_at;
		int error;

		memory_shut(&call->tree->memory);
		error = run(call);
		require(!call->op->gather.table);
		if (marks && call->tree->config.dirty == IOPGT_DIRTY_NONE) {
			require_result(error, IOPGT_NO_DIRTY);
			return;
		}
		require_result(error, IOPGT_OK, IOPGT_AGAIN, IOPGT_BUSY, IOPGT_BAD_TABLE, STOPPED);
		expect_bounded(call, before);
		if (error != IOPGT_AGAIN)
			return;
		go_on(call);
	}
}

static void expect_read_only(struct tree *tree, struct iopgt_table *table)
{
	struct iopgt_op op = {0};
	struct call call;

	choose_call(&call, tree, table, &op);
	memory_shut(&tree->memory);
	require_result(changers[take(tree, COUNT(changers))](&call), IOPGT_READ_ONLY,
	               IOPGT_NO_DIRTY, IOPGT_NO_ACCESS_FLAG, IOPGT_FAULT, IOPGT_BAD_TABLE,
	               IOPGT_BAD_OUTPUT);
	require(!op.gather.table);
}

/* The walker model reads the gaps between tables as well, which nobody has handed out. */
static bool walk_is_legal(const struct tree *tree, const struct walker_leaf *leaf)
{
	for (unsigned i = 1; i < leaf->table_count; i++)
		if (!memory_has(&tree->memory, leaf->tables_phys[i]))
			return false;
	return !leaf->table_count || memory_has(&tree->memory, leaf->descriptor_phys);
}

/* What a walker can translate this library can, and to the same. */
static void look_up(struct tree *tree, const struct iopgt_table *table, bool owned)
{
	uint64_t iova = fuzz_address(&tree->source, &tree->config);
	struct iopgt_translation got;
	struct walker_leaf leaf;
	int error;

	memory_shut(&tree->memory);
	error = iopgt_translate(table, iova, &got);
	require_of(tree->memory.lookups <= 5, tree->memory.lookups, 0);
	memory_shut(&tree->memory);
	iopgt_handle_translation_fault(table, iova);
	memory_open(&tree->memory);
	walker_translate(tree->oracle, iova, &leaf);
	require_result(error, IOPGT_OK, IOPGT_NOT_MAPPED, IOPGT_BUSY, IOPGT_BAD_TABLE);
	if (leaf.fault == WALKER_OK && !walk_is_legal(tree, &leaf)) {
		require_of(error == IOPGT_BAD_TABLE, -error, leaf.descriptor);
	} else if (leaf.fault == WALKER_OK) {
		require_of(error == IOPGT_OK, -error, leaf.descriptor);
		require_of(got.phys == leaf.phys, got.phys, leaf.phys);
		require_of(got.level == leaf.level, got.level, leaf.level);
	} else if (owned && leaf.fault != WALKER_RESERVED) {
		/* An owner keeps bits that the walker model has no use for. */
		require_of(error != IOPGT_OK, leaf.fault, leaf.descriptor);
	}
}

static void read_it(struct tree *tree)
{
	const struct iopgt_tree what = {.root_phys = tree->memory.root_phys, .max_tables = 40};
	unsigned calls = 1 + (unsigned)take(tree, 10);
	struct iopgt_finding finding;
	struct iopgt_table table;

	tree->memory.read_only = true;
	memory_shut(&tree->memory);
	require(iopgt_open(&table, &tree->config, &tree->memory.hal, &tree->memory, &what) ==
	        IOPGT_OK);
	while (calls--) {
		struct iopgt_op op = {0};
		struct call call;

		choose_call(&call, tree, &table, &op);
		read_in_pieces(&call, readers[take(tree, COUNT(readers))]);
		look_up(tree, &table, false);
	}
	expect_read_only(tree, &table);
	memory_shut(&tree->memory);
	require_result(iopgt_check(&table, &finding), IOPGT_OK, IOPGT_CORRUPT, IOPGT_BAD_TABLE);
	require(iopgt_fini(&table) == IOPGT_OK);
	tree->memory.read_only = false;
	tree_expect_same(tree);
}

/* --- An owner --- */

static void finish(struct tree *tree, struct iopgt_op *op)
{
	int error;

	memory_shut(&tree->memory);
	error = iopgt_op_finish(op);
	require_result(error, IOPGT_OK, MEMORY_ERROR, IOPGT_BUSY);
	tree->memory.fail_after = 0;
	memory_shut(&tree->memory);
	require(iopgt_op_finish(op) == IOPGT_OK);
}

static void expect_good(struct tree *tree, const struct iopgt_table *table, uint64_t max_tables)
{
	struct iopgt_finding finding;
	int error;

	memory_shut(&tree->memory);
	error = iopgt_check(table, &finding);
	/* max_tables holds for it, too, whatever has been mapped since. */
	if (error == IOPGT_BAD_TABLE && max_tables && finding.rule == IOPGT_RULE_NONE)
		return;
	require_of(error == IOPGT_OK, finding.rule, finding.descriptor);
}

static void change_in_pieces(struct call *call, verb *run)
{
	for (unsigned pieces = 1 + (unsigned)take(call->tree, 6); pieces; pieces--) {
		int error;

		memory_shut(&call->tree->memory);
		error = run(call);
		require_result(error, IOPGT_OK, IOPGT_AGAIN, IOPGT_EXISTS, IOPGT_NO_MEMORY,
		               IOPGT_WOULD_BREAK, IOPGT_WOULD_SPLIT, IOPGT_NO_DIRTY,
		               IOPGT_NO_ACCESS_FLAG, IOPGT_FAULT, IOPGT_BAD_OUTPUT, MEMORY_ERROR,
		               IOPGT_BUSY, STOPPED);
		/* What invalid entries held was no mark of a call that is under way. */
		require(error != IOPGT_BUSY || call->tree->failed);
		if (error != IOPGT_AGAIN)
			return;
		go_on(call);
	}
}

static void use_it(struct tree *tree, struct iopgt_table *table, uint64_t max_tables)
{
	unsigned calls = (unsigned)take(tree, 24);

	while (calls-- && !source_empty(&tree->source)) {
		struct iopgt_op op = {.flags = (uint32_t)take(tree, 16)};
		struct call call;
		unsigned verb = (unsigned)take(tree, COUNT(changers) + COUNT(readers));

		choose_call(&call, tree, table, &op);
		if (source_chance(&tree->source, 4))
			fail_soon(tree);
		change_in_pieces(&call, verb < COUNT(changers) ? changers[verb]
		                                               : readers[verb - COUNT(changers)]);
		finish(tree, &op);
		expect_good(tree, table, max_tables);
		look_up(tree, table, true);
	}
}

static void own_it(struct tree *tree)
{
	struct iopgt_tree what = {.root_phys = tree->memory.root_phys, .flags = IOPGT_OPEN_OWNING};
	unsigned used = memory_used(&tree->memory);
	struct iopgt_table_usage usage;
	struct iopgt_table table;
	int error;

	if (source_chance(&tree->source, 8))
		what.max_tables = 1 + take(tree, 8);
	if (source_chance(&tree->source, 8))
		fail_soon(tree);
	memory_shut(&tree->memory);
	error = iopgt_open(&table, &tree->config, &tree->memory.hal, &tree->memory, &what);
	require_result(error, IOPGT_OK, IOPGT_CORRUPT, IOPGT_BAD_TABLE, IOPGT_NO_MEMORY,
	               MEMORY_ERROR);
	require(memory_used(&tree->memory) == used);
	tree->memory.fail_after = 0;
	if (error) {
		tree_expect_same(tree);
		return;
	}
	expect_good(tree, &table, what.max_tables);
	use_it(tree, &table, what.max_tables);
	used = memory_used(&tree->memory);
	require(iopgt_table_stats(&table, &usage) == IOPGT_OK);
	memory_shut(&tree->memory);
	require(iopgt_fini(&table) == IOPGT_OK);
	require_of(memory_used(&tree->memory) == used - (usage.tables - 1), used, usage.tables);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tree tree;

	tree_plant(&tree, data, size);
	fuzz_describe(&tree.config);
	tree_remember(&tree);
	if (!source_chance(&tree.source, 2))
		read_it(&tree);
	own_it(&tree);
	fuzz_describe(NULL);
	tree_uproot(&tree);
	return 0;
}
