/* SPDX-License-Identifier: BSD-2-Clause */
/* For the tests of iopgt_read_and_clear_accessed. */
#ifndef TEST_ACCESSED_H
#define TEST_ACCESSED_H

#include "test_raw.h"

#define FIRST(f) (16 * block(f))
#define PHYS(f)  (64 * block(f))

static inline int read_accessed(struct fixture *f, uint64_t iova, uint64_t size,
                                struct iopgt_op *op)
{
	return iopgt_read_and_clear_accessed(f->table, iova, size, &f->bitmap, op);
}

/* The whole verb, finished and checked, into a fresh f->bitmap of pages. */
static inline void take_accessed(struct fixture *f, uint64_t iova, uint64_t size)
{
	struct iopgt_op op = new_op(f);

	page_bitmap(f, iova, size);
	expect(IOPGT_OK, read_accessed(f, iova, size, &op));
	finish(f, &op);
}

static inline void look_accessed(struct fixture *f, uint64_t iova, uint64_t size)
{
	struct iopgt_op op = new_op(f);

	op.flags |= IOPGT_OP_NO_CLEAR;
	page_bitmap(f, iova, size);
	expect(IOPGT_OK, read_accessed(f, iova, size, &op));
	assert_null(op.gather.table);
	check(f);
}

/* An access as its host makes it: a fault of the access flag is handled. */
static inline void use(struct fixture *f, uint64_t iova)
{
	enum walker_fault fault = walker_access(f->walkers[0], iova, WALKER_READ, NULL);

	if (fault == WALKER_ACCESS_FLAG) {
		expect(IOPGT_OK, iopgt_handle_access_fault(f->table, iova));
		fault = walker_access(f->walkers[0], iova, WALKER_READ, NULL);
	}
	assert_int_equal(fault, WALKER_OK);
}

/* Mapped, looked at, and not used since. */
static inline void map_unused(struct fixture *f, uint64_t size)
{
	map(f, FIRST(f), PHYS(f), size, RW);
	take_accessed(f, FIRST(f), size);
}

/* Pages that will not become a block. */
static inline void map_unused_pages(struct fixture *f, uint64_t pages)
{
	map(f, FIRST(f), PHYS(f) + granule(f), pages * granule(f), RW);
	take_accessed(f, FIRST(f), pages * granule(f));
}

/* By page and block; with groups; with each way of management. */
static inline size_t add_all_ways(struct fixture_test *tests, const struct fixture_test *test)
{
	const struct fixture_options ways[] = {
		{.dirty = FIXTURE_HARDWARE},
		{.dirty = FIXTURE_SOFTWARE},
		{.dirty = FIXTURE_NO_DIRTY, .config_flags = IOPGT_CONFIG_ACCESS_FLAG},
		{.dirty = FIXTURE_NO_DIRTY,
	         .config_flags = IOPGT_CONFIG_ACCESS_FLAG | IOPGT_CONFIG_NON_COHERENT},
		{.dirty = FIXTURE_HARDWARE, .domain = true, .walkers = 2},
		{.dirty = FIXTURE_HARDWARE, .leaf_sizes = FIXTURE_ALL_LEAF_SIZES},
		{.dirty = FIXTURE_NO_DIRTY,
	         .config_flags = IOPGT_CONFIG_ACCESS_FLAG | IOPGT_CONFIG_NON_COHERENT,
	         .leaf_sizes = FIXTURE_ALL_LEAF_SIZES},
	};

	for (size_t i = 0; i < COUNT(ways); i++) {
		tests[i] = *test;
		tests[i].options = ways[i];
	}
	return COUNT(ways);
}

#define WAYS 7 /* that add_all_ways adds */

#endif
