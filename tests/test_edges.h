/* SPDX-License-Identifier: BSD-2-Clause */
/* Every verb that takes a range, called alike: for test_edges.c. */
#ifndef TEST_EDGES_H
#define TEST_EDGES_H

#include "fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline int go_on_mapping(void *context, const struct iopgt_mapping *run)
{
	uint64_t *end = context;

	*end = run->iova + (run->size - 1);
	return 0;
}

static inline int go_on_dirty(void *context, uint64_t iova, uint64_t size)
{
	uint64_t *end = context;

	*end = iova + (size - 1);
	return 0;
}

static inline void forget_line(void *context, const char *text)
{
	(void)context;
	(void)text;
}

struct call {
	struct fixture *f;
	uint64_t iova, size;
	const struct iopgt_bitmap *bitmap;
	struct iopgt_op *op;
	uint64_t end; /* last address that a visitor was given */
};

static inline int do_map(struct call *call)
{
	struct iopgt_mapping mapping = fixture_mapping(call->iova, 0, call->size, RW);

	return iopgt_map(call->f->table, &mapping, call->op);
}

static inline int do_unmap(struct call *call)
{
	return iopgt_unmap(call->f->table, call->iova, call->size, call->op);
}

static inline int do_unmap_dirty(struct call *call)
{
	return iopgt_unmap_dirty(call->f->table, call->iova, call->size, call->bitmap, call->op);
}

static inline int do_protect(struct call *call)
{
	return iopgt_protect(call->f->table, call->iova, call->size, IOPGT_READ, call->op);
}

static inline int do_each_mapping(struct call *call)
{
	const struct iopgt_mapping_visitor visitor = {go_on_mapping, &call->end};

	return iopgt_for_each_mapping(call->f->table, call->iova, call->size, &visitor, call->op);
}

static inline int do_dump(struct call *call)
{
	const struct iopgt_writer writer = {forget_line, NULL};

	return iopgt_dump(call->f->table, call->iova, call->size, &writer, call->op);
}

static inline int do_trim(struct call *call)
{
	return iopgt_trim(call->f->table, call->iova, call->size, call->op);
}

static inline int do_split(struct call *call)
{
	return iopgt_split_block(call->f->table, call->iova, call->size, call->op);
}

static inline int do_merge(struct call *call)
{
	return iopgt_merge_page(call->f->table, call->iova, call->size, call->op);
}

static inline int do_sync(struct call *call)
{
	return iopgt_sync_dirty_log(call->f->table, call->iova, call->size, call->bitmap, call->op);
}

static inline int do_clear(struct call *call)
{
	return iopgt_clear_dirty_log(call->f->table, call->iova, call->size, call->bitmap,
	                             call->op);
}

static inline int do_read_and_clear(struct call *call)
{
	return iopgt_read_and_clear_dirty(call->f->table, call->iova, call->size, call->bitmap,
	                                  call->op);
}

static inline int do_each_dirty(struct call *call)
{
	const struct iopgt_dirty_visitor visitor = {go_on_dirty, &call->end};

	return iopgt_for_each_dirty(call->f->table, call->iova, call->size, &visitor, call->op);
}

static inline int do_accessed(struct call *call)
{
	return iopgt_read_and_clear_accessed(call->f->table, call->iova, call->size, call->bitmap,
	                                     call->op);
}

static inline int do_switch_on(struct call *call)
{
	return iopgt_switch_dirty_log(&call->f->domain, true, call->iova, call->size, call->op);
}

static inline int do_switch_off(struct call *call)
{
	return iopgt_switch_dirty_log(&call->f->domain, false, call->iova, call->size, call->op);
}

static inline int do_merge_cold(struct call *call)
{
	return iopgt_merge_cold(&call->f->domain, call->iova, call->size, call->op);
}

static inline int do_tables_needed(struct call *call)
{
	uint64_t tables;

	return iopgt_tables_needed(call->f->table, call->iova, call->size, &tables);
}

static const struct verb {
	const char *name;
	int (*run)(struct call *call);
	bool bits; /* takes a bitmap */
} verbs[] = {
	{"map", do_map, false},
	{"unmap", do_unmap, false},
	{"unmap_dirty", do_unmap_dirty, true},
	{"protect", do_protect, false},
	{"for_each_mapping", do_each_mapping, false},
	{"dump", do_dump, false},
	{"trim", do_trim, false},
	{"split_block", do_split, false},
	{"merge_page", do_merge, false},
	{"sync_dirty_log", do_sync, true},
	{"clear_dirty_log", do_clear, true},
	{"read_and_clear_dirty", do_read_and_clear, true},
	{"for_each_dirty", do_each_dirty, false},
	{"read_and_clear_accessed", do_accessed, true},
	{"switch_dirty_log, on", do_switch_on, false},
	{"switch_dirty_log, off", do_switch_off, false},
	{"merge_cold", do_merge_cold, false},
	{"tables_needed", do_tables_needed, false},
};

static inline void expect_code(int want, int got, const struct verb *verb)
{
	if (got != want)
		print_error("%s: ", verb->name);
	expect(want, got);
}

static inline void track(struct fixture *f, uint32_t policy)
{
	const struct iopgt_tracking how = {.policy = policy};
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, true, &how, &op));
	finish(f, &op);
}

/* A bit for each 64th of the space. */
static struct iopgt_bitmap whole_bitmap(struct fixture *f, uint64_t *word)
{
	return (struct iopgt_bitmap){.words = word,
	                             .base = space_first(f),
	                             .bits = 64,
	                             .page_shift = f->config.input_bits - 6u};
}

#endif
