/* SPDX-License-Identifier: BSD-2-Clause */
#define _POSIX_C_SOURCE 200809L

#include "disk.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR        512
#define MOST_TRANSFER (128 * SECTOR)

void disk_init(struct disk *disk, struct machine_port *port, const struct files *files)
{
	disk->port = port;
	disk->files = files;
	disk->open_file = -1;
}

static void forget_oldest(struct disk *disk)
{
	struct placement *oldest = disk->oldest;

	disk->oldest = oldest->newer;
	if (!disk->oldest)
		disk->newest = NULL;
	free(oldest);
}

/* Sets `room` bytes aside at the cursor, or at the start when the end is too near. */
static uint64_t take_room(struct disk *disk, uint64_t room)
{
	uint64_t offset;

	if (room > disk->size - disk->cursor) {
		while (disk->oldest && disk->oldest->offset >= disk->first + disk->cursor)
			forget_oldest(disk);
		disk->cursor = 0;
	}
	offset = disk->first + disk->cursor;
	while (disk->oldest && disk->oldest->offset < offset + room &&
	       offset < disk->oldest->offset + disk->oldest->room)
		forget_oldest(disk);
	disk->cursor += room;
	return offset;
}

/* Once through the list, all files move on a little: their bytes come to lie elsewhere. */
static const char *next_path(struct disk *disk)
{
	const char *path = disk->files->paths[disk->next_file];

	if (++disk->next_file == disk->files->count) {
		disk->next_file = 0;
		take_room(disk, SECTOR);
	}
	return path;
}

static bool open_next(struct disk *disk)
{
	struct placement *placement = calloc(1, sizeof(*placement));
	uint64_t most = disk->size / 4;
	struct stat status = {0};

	if (!placement)
		return false;
	placement->path = next_path(disk);
	disk->open_file = open(placement->path, O_RDONLY);
	if (disk->open_file < 0 || fstat(disk->open_file, &status) || status.st_size <= 0) {
		free(placement);
		if (disk->open_file >= 0)
			close(disk->open_file);
		disk->open_file = -1;
		return false;
	}
	placement->room = (uint64_t)status.st_size < most ? (uint64_t)status.st_size : most;
	placement->room = (placement->room + SECTOR - 1) / SECTOR * SECTOR;
	placement->offset = take_room(disk, placement->room);
	placement->hash = HASH_START;
	if (disk->newest)
		disk->newest->newer = placement;
	else
		disk->oldest = placement;
	disk->newest = placement;
	return true;
}

static void close_file(struct disk *disk)
{
	close(disk->open_file);
	disk->open_file = -1;
}

/* Hashes what came from the file; the device then writes it where translation leads. */
static void transfer(struct disk *disk, const uint8_t *data, size_t bytes)
{
	struct placement *placement = disk->newest;
	uint64_t iova = MACHINE_IOVA + placement->offset + placement->bytes;
	struct walker_transfer done =
		walker_write(disk->port->model, iova, data, bytes, &disk->port->memory);

	placement->hash = hash_bytes(placement->hash, data, done.bytes);
	placement->bytes += done.bytes;
	if (done.result.fault != WALKER_OK)
		disk->faults++;
	if (done.bytes < bytes || bytes % SECTOR || placement->bytes == placement->room)
		close_file(disk);
}

size_t disk_step(struct disk *disk)
{
	uint8_t data[MOST_TRANSFER];
	uint64_t left;
	size_t wanted;
	ssize_t got;

	if (disk->open_file < 0 && !open_next(disk))
		return 0;
	left = disk->newest->room - disk->newest->bytes;
	wanted = SECTOR * (1 + random_below(disk->random, MOST_TRANSFER / SECTOR));
	got = read(disk->open_file, data, wanted < left ? wanted : left);
	if (got <= 0) {
		close_file(disk);
		return 0;
	}
	transfer(disk, data, (size_t)got);
	return (size_t)got;
}

void disk_compare(const struct disk *disk, const uint8_t *copy, struct disk_verdict *verdict)
{
	for (const struct placement *at = disk->oldest; at; at = at->newer) {
		verdict->files++;
		verdict->bytes += at->bytes;
		if (hash_bytes(HASH_START, copy + at->offset, at->bytes) == at->hash)
			continue;
		if (verdict->different++ == 0) {
			verdict->path = at->path;
			verdict->different_offset = at->offset;
		}
	}
}

void disk_fini(struct disk *disk)
{
	while (disk->oldest)
		forget_oldest(disk);
	if (disk->open_file >= 0)
		close_file(disk);
}
