/* SPDX-License-Identifier: BSD-2-Clause */
/* Every verb that takes a range and an op, with something for it to do. */
#ifndef BOUNDS_WORK_H
#define BOUNDS_WORK_H

#include "touched.h"

#define WORK_BLOCKS 8

struct work {
	const char *name;
	/* What is there when it begins, beside work_layout; may be null. */
	void (*prepare)(struct fixture *f);
	/* One call. `at` is work_first at the start, and op->next then. */
	int (*call)(struct fixture *f, uint64_t at, uint64_t size, struct iopgt_op *op);
	/*
	 * How many tables a call may touch beyond its budget (0: one): two where the end of
	 * the range splits a block and a table is seen to be empty; those that the op owes,
	 * where a wait for that harvests them; 64 where block sizes change.
	 */
	unsigned tables;
	/* The call is for all of the table, which has so many tables at most; 0: a range. */
	unsigned whole;
	bool maps;   /* the range is to be free */
	bool clears; /* all bits are given */
};

extern const struct work work_verbs[];
extern const size_t work_count;

/* The range: not aligned to blocks, a block crosses its end. */
uint64_t work_first(const struct fixture *f);
uint64_t work_size(const struct fixture *f);

/* A fixture with all of it prepared, of the same options as another one. */
struct fixture *work_begin(const struct fixture *like, const struct work *work);

/* What the callbacks of reading verbs were told since work_begin, however it was cut. */
struct work_seen {
	uint64_t granules, sum; /* of mappings */
	uint64_t leaves, holes; /* entries in lines of a dump */
};
extern struct work_seen work_seen;

#endif
