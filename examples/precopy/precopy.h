/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a VMM does to move a running machine: copy everything, then round after
 * round what was written meanwhile, until little is left; stop the machine, copy
 * the last pages. Then, as this is a demo: compare.
 */
#ifndef PRECOPY_PRECOPY_H
#define PRECOPY_PRECOPY_H

#include "devices.h"
#include "files.h"
#include "machine.h"

/* One step done wrong, to see the comparison fail. */
enum precopy_break {
	BREAK_NOTHING,
	BREAK_NO_INVALIDATE,     /* invalidations do not reach the walkers */
	BREAK_COPY_BEFORE_FLUSH, /* pages are copied before iopgt_op_finish */
	BREAK_PLAIN_STORE,       /* clean descriptors are stored over what walkers marked */
};

struct precopy_options {
	struct machine_options machine;
	uint64_t run_ns; /* go on for at least this long */
	enum precopy_break broken;
	const struct files *files;
};

/* One pass: everything, or what a round found dirty. */
struct precopy_round {
	unsigned number;  /* 0: the first full copy */
	bool last;        /* devices have stopped */
	unsigned percent; /* pace of the devices */
	uint64_t dirty_pages, bytes;
	uint64_t sync_ns; /* from the call to the end of the wait */
	struct iopgt_stats stats;
};

struct precopy_verdict {
	bool identical;
	int error; /* enum iopgt_error or an errno value: there is no verdict */
	uint64_t bytes, rounds, dirty_pages;
	uint64_t faults;  /* accesses of devices that faulted */
	bool table_wrong; /* a walker met a descriptor or a conflict that must not be */
	uint64_t different_bytes;
	uint64_t first_iova; /* first difference */
	unsigned writer;     /* number of the device that wrote there last, 0: none did */
	uint64_t memory_hash, copy_hash;
	struct disk_verdict files;
};

struct report;

struct precopy {
	struct precopy_options options;
	struct report *report;
	struct machine machine;
	struct devices devices;
	uint8_t *copy;              /* the second place */
	struct iopgt_bitmap bitmap; /* what the last round found: a bit for each page */
	uint64_t link_rate;         /* bytes a second that can be sent */
	uint64_t link_free_ns;      /* when all that was sent has left */
	uint64_t start_ns, stop_ns; /* of tracking; of the devices */
	unsigned percent;           /* pace of the devices */
	struct precopy_round round; /* the last one */
	struct precopy_verdict verdict;
};

/* Runs all of it. `precopy` is large: no place for it on a stack. */
void precopy_run(struct precopy *precopy, const struct precopy_options *options,
                 struct report *report);

#endif
