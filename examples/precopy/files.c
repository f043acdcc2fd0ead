/* SPDX-License-Identifier: BSD-2-Clause */
#define _POSIX_C_SOURCE 200809L

#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef PATH_MAX
#define PATH_MAX 4096
#endif

#define MOST_DEPTH 32

static int add_file(struct files *files, const char *path, uint64_t bytes)
{
	if (files->count == files->room) {
		size_t room = files->room ? 2 * files->room : 256;
		char **paths = realloc(files->paths, room * sizeof(*paths));

		if (!paths)
			return ENOMEM;
		files->paths = paths;
		files->room = room;
	}
	files->paths[files->count] = strdup(path);
	if (!files->paths[files->count])
		return ENOMEM;
	files->count++;
	files->bytes += bytes;
	return 0;
}

static bool holds(const char *folder, const char *name)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/%s", folder, name) < (int)sizeof(path) &&
	       !access(path, R_OK);
}

static int add_folder(struct files *files, const char *path, unsigned depth);

/* What is found in folders may vanish or be forbidden: that is left out. */
static void add_entry(struct files *files, const char *path, unsigned depth)
{
	struct stat status;

	if (lstat(path, &status))
		return;
	if (S_ISDIR(status.st_mode) && depth < MOST_DEPTH &&
	    !(files->no_builds && holds(path, "CMakeCache.txt")))
		add_folder(files, path, depth + 1);
	else if (S_ISREG(status.st_mode) && status.st_size > 0 && !access(path, R_OK))
		add_file(files, path, (uint64_t)status.st_size);
}

static int add_folder(struct files *files, const char *path, unsigned depth)
{
	DIR *folder = opendir(path);
	struct dirent *entry;

	if (!folder)
		return errno;
	while (files->bytes < files->cap && (entry = readdir(folder))) {
		char below[PATH_MAX];
		int length = snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);

		if (entry->d_name[0] != '.' && length < (int)sizeof(below))
			add_entry(files, below, depth);
	}
	closedir(folder);
	return 0;
}

int files_add(struct files *files, const char *path)
{
	struct stat status;

	if (stat(path, &status))
		return errno;
	if (files->bytes >= files->cap)
		return 0;
	if (S_ISDIR(status.st_mode))
		return add_folder(files, path, 0);
	if (!S_ISREG(status.st_mode))
		return EINVAL;
	if (access(path, R_OK))
		return errno;
	return status.st_size > 0 ? add_file(files, path, (uint64_t)status.st_size) : 0;
}

/* The nearest folder above `path` that holds `name`; cuts `path` there, or leaves it empty. */
static void find_above(char *path, const char *name)
{
	char *slash;

	while ((slash = strrchr(path, '/'))) {
		*slash = '\0';
		if (holds(path, name))
			return;
	}
	*path = '\0';
}

/* Sources first: there may be many builds in the source tree, but only this one is taken. */
void files_add_defaults(struct files *files)
{
	char executable[PATH_MAX] = "", build[PATH_MAX], source[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", executable, sizeof(executable) - 1);

	executable[length < 0 ? 0 : length] = '\0';
	strcpy(build, executable);
	find_above(build, "CMakeCache.txt");
#ifdef IOPGT_SOURCE_DIR
	snprintf(source, sizeof(source), "%s", IOPGT_SOURCE_DIR);
#else
	strcpy(source, executable);
	find_above(source, "include/iopgt/iopgt.h");
#endif
	files->no_builds = true;
	if (*source)
		files_add(files, source);
	files->no_builds = false;
	if (*build)
		files_add(files, build);
	if (files->count == 0)
		files_add(files, executable);
}

void files_free(struct files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->paths[i]);
	free(files->paths);
	*files = (struct files){0};
}

uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
	const unsigned char *from = bytes;

	while (size) {
		uint64_t word = 0;
		size_t piece = size < sizeof(word) ? size : sizeof(word);

		memcpy(&word, from, piece);
		hash = (hash ^ word) * UINT64_C(0x100000001b3);
		hash ^= hash >> 29;
		from += piece;
		size -= piece;
	}
	return hash;
}
