/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Device threads that write guest memory by DMA, all the time, each through its
 * own walker. Lower half of memory: disks put files there. Upper half: all others.
 */
#ifndef PRECOPY_DEVICES_H
#define PRECOPY_DEVICES_H

#include <pthread.h>

#include "disk.h"
#include "files.h"
#include "machine.h"
#include "random.h"

enum device_kind {
	DEVICE_DISK,     /* streams files in transfers of 512 bytes to 64 KiB */
	DEVICE_BYTES,    /* single bytes, anywhere or where one was written before */
	DEVICE_BURSTS,   /* some hundred bytes to some KiB, across the end of a page */
	DEVICE_HOT_SPOT, /* words in a small window, which moves on */
	DEVICE_KINDS,
};

#define DEVICE_RECENT 64

struct devices;

struct device {
	struct devices *all;
	struct machine_port *port;
	enum device_kind kind;
	pthread_t thread;
	struct random random;
	struct disk disk;               /* of DEVICE_DISK */
	uint64_t sequence;              /* every word or burst written has its own number */
	uint64_t recent[DEVICE_RECENT]; /* of DEVICE_BYTES: offsets written before */
	uint64_t window;                /* of DEVICE_HOT_SPOT: offset in the upper half */
	uint64_t due_ns;                /* when the next access may begin */
	uint64_t full_ns_per_unit_1024; /* time a unit takes at 100 %, in 1/1024 ns */
	uint64_t written;               /* bytes */
	uint64_t faults;                /* accesses that faulted: never, in correct software */
};

struct devices {
	struct machine *machine;
	unsigned count, started;
	atomic_bool stop;
	atomic_uint percent; /* of full pace */
	struct device device[MACHINE_MAX_DEVICES];
};

/*
 * Makes as many devices as the machine has ports, and starts them. At full pace
 * all of them together write a fraction of `bytes_per_second`, counted in whole
 * 4 KiB pages. Returns 0 or an errno value; devices_stop in both cases.
 */
int devices_start(struct devices *devices, struct machine *machine, const struct files *files,
                  uint64_t bytes_per_second);

/* 1 to 100 per cent of full pace, as a VMM throttles a guest that writes too fast. */
void devices_set_pace(struct devices *devices, unsigned percent);

/* When it returns no access is under way, and there will be none. */
void devices_stop(struct devices *devices);

void devices_compare_files(const struct devices *devices, const uint8_t *copy,
                           struct disk_verdict *verdict);

uint64_t devices_written(const struct devices *devices); /* bytes; after devices_stop */
uint64_t devices_faults(const struct devices *devices);  /* after devices_stop */
const char *device_name(const struct devices *devices, unsigned number); /* from 1 */
void devices_fini(struct devices *devices);

#endif
