/* SPDX-License-Identifier: BSD-2-Clause */
/* The real files that a disk device streams into guest memory. */
#ifndef PRECOPY_FILES_H
#define PRECOPY_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct files {
	char **paths;
	size_t count, room;
	uint64_t bytes; /* of all, as their sizes were when they were found */
	uint64_t cap;   /* no more files are taken once `bytes` has reached it */
	bool no_builds; /* leave out folders that hold a CMakeCache.txt */
};

/*
 * Takes a file, or all regular files below a folder but those whose name, or
 * whose folder's name, begins with a dot. Empty and unreadable ones are left
 * out. Returns 0, or an errno value if `path` itself cannot be read.
 */
int files_add(struct files *files, const char *path);

/* The project's own sources and build products, as found from this executable. */
void files_add_defaults(struct files *files);

void files_free(struct files *files);

/*
 * A 64-bit hash of a stream of bytes: eight at a time, xor and multiply as
 * FNV-1a does, and a shift so that high bits reach low ones. Every part of the
 * stream but the last is a multiple of eight bytes long.
 */
#define HASH_START UINT64_C(0xcbf29ce484222325)

uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size);

#endif
