/* SPDX-License-Identifier: BSD-2-Clause */
#define _POSIX_C_SOURCE 200809L

#include "disk.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR        512
#define MOST_TRANSFER (128 * SECTOR)
#define QUEUE_BYTES   (1 << 16)
#define LAP_STARTS    128

void disk_init(struct disk *disk, uint64_t first, uint64_t size)
{
	disk->queue = first;
	disk->first = first + QUEUE_BYTES;
	disk->size = size - QUEUE_BYTES;
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

/*
 * Sets `room` bytes aside at the cursor, or at the start when the end is too
 * near; each lap starts elsewhere, so that files do not fall on their own copies.
 */
static uint64_t take_room(struct disk *disk, uint64_t room)
{
	uint64_t offset;

	if (room > disk->size - disk->cursor) {
		while (disk->oldest && disk->oldest->lap < disk->lap)
			forget_oldest(disk);
		disk->lap++;
		disk->cursor = disk->lap % LAP_STARTS * SECTOR;
	}
	offset = disk->first + disk->cursor;
	disk->cursor += room;
	while (disk->oldest && disk->oldest->lap < disk->lap &&
	       disk->oldest->offset < offset + room)
		forget_oldest(disk);
	return offset;
}

static bool open_next(struct disk *disk)
{
	struct placement *placement = calloc(1, sizeof(*placement));
	uint64_t most = disk->size / 4;
	struct stat status = {0};

	if (!placement)
		return false;
	placement->path = disk->files->paths[disk->next_file++ % disk->files->count];
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
	placement->lap = disk->lap;
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

static size_t write_memory(struct disk *disk, uint64_t offset, const void *data, size_t bytes)
{
	struct machine_port *port = disk->port;
	struct walker_transfer done =
		walker_write(port->model, MACHINE_IOVA + offset, data, bytes, &port->memory);

	if (done.result.fault != WALKER_OK)
		disk->faults++;
	return done.bytes;
}

/* As NVMe does it: each transfer is noted in the next entry of a ring. */
static void complete(struct disk *disk, uint64_t bytes)
{
	uint64_t entry[2] = {++disk->transfers, bytes};

	write_memory(disk, disk->queue + disk->transfers * sizeof(entry) % QUEUE_BYTES, entry,
	             sizeof(entry));
}

/* Hashes what came from the file; the device then writes it where translation leads. */
static void transfer(struct disk *disk, const uint8_t *data, size_t bytes)
{
	struct placement *placement = disk->newest;
	uint64_t offset = placement->offset + placement->bytes;
	size_t written = write_memory(disk, offset, data, bytes);

	placement->hash = hash_bytes(placement->hash, data, written);
	placement->bytes += written;
	complete(disk, written);
	if (written < bytes || bytes % SECTOR || placement->bytes == placement->room)
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
