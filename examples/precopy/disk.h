/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk controller: reads files from the host and puts them into its part of
 * guest memory by DMA, one after the other, round and round, and an entry for
 * each transfer into a completion queue. It remembers where each file lies that
 * has not been overwritten since, for the comparison.
 */
#ifndef PRECOPY_DISK_H
#define PRECOPY_DISK_H

#include "files.h"
#include "machine.h"
#include "random.h"

/* Where a file, or as much of it as was read so far, lies in guest memory. */
struct placement {
	struct placement *newer;
	const char *path;
	uint64_t lap;    /* how many times the disk had gone round */
	uint64_t offset; /* in guest memory */
	uint64_t room;   /* bytes set aside for it */
	uint64_t bytes;  /* read so far */
	uint64_t hash;   /* of these, as they came from the file */
};

struct disk {
	const struct files *files;
	struct machine_port *port;
	uint64_t queue;       /* offset in guest memory of the completion queue */
	uint64_t first, size; /* the memory for files */
	uint64_t cursor;      /* where the next file goes, from `first` */
	uint64_t lap;         /* how many times it went round */
	uint64_t transfers;   /* ever */
	size_t next_file;
	struct placement *oldest, *newest;
	int open_file;         /* or -1 */
	struct random *random; /* for the sizes of transfers */
	uint64_t faults;       /* transfers that faulted */
};

/* What the comparison of streamed files found. */
struct disk_verdict {
	uint64_t files, bytes;     /* compared */
	uint64_t different;        /* files */
	const char *path;          /* of the first different one */
	uint64_t different_offset; /* where it lies in guest memory */
};

/* [first, first + size) of guest memory is for this disk. All else in `disk` is zero. */
void disk_init(struct disk *disk, uint64_t first, uint64_t size);

/* One transfer of 512 bytes to 64 KiB. Returns its size; 0 if there is nothing to read. */
size_t disk_step(struct disk *disk);

/* Adds to the verdict: are the files that lie in guest memory the same in `copy`? */
void disk_compare(const struct disk *disk, const uint8_t *copy, struct disk_verdict *verdict);

void disk_fini(struct disk *disk);

#endif
