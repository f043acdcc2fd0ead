/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random streams of operations: each choice of a source of bytes or of a seeded
 * generator is a configuration, a verb, an argument, a failure of the host or an
 * access of a walker. After each call the table is compared with the flat
 * reference, and the main property is checked: every write of a walker to a
 * tracked page is reported later, or copied after it.
 *
 * Walkers also access while a verb runs: in the host's callbacks, between what
 * the verb does before and after. What faults is handled as fault.h has it, so
 * that walkers without hardware update are in the streams as well; now and then
 * the tree is opened again (iopgt_open), by a reader or a new owner.
 */
#ifndef TEST_STREAM_H
#define TEST_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stream_flag {
	STREAM_DEAF = 1 << 0,  /* the host's invalidations do nothing: must be found out */
	STREAM_QUIET = 1 << 1, /* a failure is not printed */
	STREAM_TRACE = 1 << 2, /* every operation is printed as it runs */
};

enum stream_restriction {
	STREAM_ANY = -1,
};

struct stream_options {
	const uint8_t *data; /* choices; null: from `seed` */
	size_t size;
	uint64_t seed;
	uint32_t flags;      /* of enum stream_flag */
	unsigned operations; /* at most */
	int regime;          /* enum iopgt_regime, or STREAM_ANY */
	int granule_shift;   /* or STREAM_ANY */
	int bbm_level;       /* or STREAM_ANY */
};

#define STREAM_TEXT 400

struct stream_result {
	bool failed;
	char failure[STREAM_TEXT]; /* what was wrong first */
	char config[STREAM_TEXT];
	uint64_t operations;                    /* calls that ran */
	uint64_t writes;                        /* writes of walkers to tracked pages */
	uint64_t reported;                      /* granules reported dirty */
	uint64_t cleaned, split, merged, waits; /* as the ops counted them */
	uint64_t skipped;
	uint64_t in_callbacks; /* accesses in the middle of calls */
	uint64_t aged;         /* leaves whose access flag was cleared */
	uint64_t faults;       /* that were handled, or refused */
	uint64_t opened;
	uint64_t host_failures;
};

/* Runs one stream; prints configuration, operations and fault when it fails. */
bool stream_run(const struct stream_options *options, struct stream_result *result);

#endif
