/* SPDX-License-Identifier: BSD-2-Clause */
#define _POSIX_C_SOURCE 200809L

#include "devices.h"

#include <sched.h>

#include "clock.h"
#include "guest.h"

#define PAGE          4096
#define MOST_BURST    8192
#define BATCH         16 /* small writes between two looks at the clock */
#define BACKLOG_NS    (20 * NS_PER_MS)
#define HOT_WORDS     2048 /* written before the window moves */
#define HOT_SPOT_PART 512  /* the window is about this part of the upper half */

static void write_memory(struct device *device, uint64_t offset, const void *data, size_t bytes)
{
	struct machine_port *port = device->port;
	struct walker_transfer done =
		walker_write(port->model, MACHINE_IOVA + offset, data, bytes, &port->memory);

	device->written += done.bytes;
	if (done.result.fault != WALKER_OK)
		device->faults++;
}

/* No two words written by devices are equal. */
static uint64_t next_word(struct device *device)
{
	return (uint64_t)device->port->device << 56 | ++device->sequence;
}

/* An address in the upper half of memory with `bytes` bytes to its end. */
static uint64_t random_offset(struct device *device, uint64_t bytes)
{
	uint64_t half = device->port->memory.bytes / 2;

	return half + random_below(&device->random, half - bytes + 1);
}

/* Memory is often written again soon where it was written before. */
static uint64_t byte_offset(struct device *device)
{
	uint64_t *recent = &device->recent[random_below(&device->random, DEVICE_RECENT)];

	if (*recent == 0 || random_chance(&device->random, 2))
		*recent = random_offset(device, 1);
	return *recent;
}

/* Adds one to what is there, so that every write changes memory. */
static size_t write_bytes(struct device *device)
{
	for (unsigned i = 0; i < BATCH; i++) {
		uint64_t offset = byte_offset(device);
		uint8_t byte;

		guest_read(&byte, (const uint8_t *)device->port->memory.base + offset, 1);
		byte++;
		write_memory(device, offset, &byte, 1);
	}
	return BATCH * PAGE;
}

static size_t write_burst(struct device *device)
{
	uint64_t data[MOST_BURST / sizeof(uint64_t)];
	uint64_t word = next_word(device);
	size_t bytes = 256 + random_below(&device->random, MOST_BURST - 256);
	uint64_t offset = random_offset(device, 3 * MOST_BURST);

	for (size_t i = 0; i < sizeof(data) / sizeof(*data); i++)
		data[i] = word;
	/* Its start is so far before the end of a page that it crosses it. */
	offset = (offset + 2 * MOST_BURST) / PAGE * PAGE;
	offset -= 1 + random_below(&device->random, bytes - 1);
	write_memory(device, offset, data, bytes);
	return 3 * PAGE;
}

/* Random words of the window; the window then jumps ahead, and from the end of memory back. */
static size_t write_hot_spot(struct device *device)
{
	uint64_t half = device->port->memory.bytes / 2;
	uint64_t bytes = half / HOT_SPOT_PART / PAGE * PAGE + 4 * PAGE;

	for (unsigned i = 0; i < BATCH; i++) {
		uint64_t word = next_word(device);
		uint64_t offset = random_below(&device->random, bytes / sizeof(word));

		if (device->sequence % HOT_WORDS == 1)
			device->window = (device->window + bytes) % (half - bytes);
		write_memory(device, half + device->window + offset * sizeof(word), &word,
		             sizeof(word));
	}
	return BATCH;
}

/* What a unit is differs by kind; what share of the pace a device has is in start_device. */
static size_t step(struct device *device)
{
	size_t bytes;

	switch (device->kind) {
	case DEVICE_DISK:
		bytes = disk_step(&device->disk);
		device->written += bytes;
		return bytes ? bytes : PAGE;
	case DEVICE_BYTES:
		return write_bytes(device);
	case DEVICE_BURSTS:
		return write_burst(device);
	default:
		return write_hot_spot(device);
	}
}

/* Sleeps until the device has kept its pace; a device that fell behind catches up a little. */
static void keep_pace(struct device *device, size_t units)
{
	unsigned percent = atomic_load_explicit(&device->all->percent, memory_order_relaxed);
	uint64_t now = clock_ns();

	device->due_ns += units * device->full_ns_per_unit_1024 * 100 / percent / 1024;
	if (device->due_ns + BACKLOG_NS < now)
		device->due_ns = now - BACKLOG_NS;
	if (device->due_ns > now)
		clock_sleep_until(device->due_ns);
	else
		sched_yield(); /* it never pauses, and the VMM needs its walker too */
}

static void *run_device(void *context)
{
	struct device *device = context;

	device->due_ns = clock_ns();
	while (!atomic_load_explicit(&device->all->stop, memory_order_acquire))
		keep_pace(device, step(device));
	return NULL;
}

/* Shares of the pace, in 1/64 of it for each four devices. A hot word counts a quarter page. */
static const unsigned shares[DEVICE_KINDS] = {12, 6, 6, 4};

static int start_device(struct devices *devices, unsigned number, const struct files *files,
                        uint64_t bytes_per_second)
{
	struct device *device = &devices->device[number];
	struct machine *machine = devices->machine;
	unsigned disks = (devices->count + DEVICE_KINDS - 1) / DEVICE_KINDS;
	uint64_t part = machine->options.size / 2 / disks / PAGE * PAGE;
	uint64_t units = bytes_per_second / 64;

	*device = (struct device){
		.all = devices,
		.port = &machine->ports[number],
		.kind = (enum device_kind)(number % DEVICE_KINDS),
		.random = {.state = machine->options.seed ^ (number + 1) << 8},
	};
	units = units * shares[device->kind] * DEVICE_KINDS / devices->count;
	if (device->kind == DEVICE_HOT_SPOT)
		units /= PAGE / 32;
	device->full_ns_per_unit_1024 = NS_PER_SECOND * 1024 / (units ? units : 1);
	device->disk = (struct disk){
		.files = files,
		.port = device->port,
		.random = &device->random,
	};
	disk_init(&device->disk, part * (number / DEVICE_KINDS), part);
	return pthread_create(&device->thread, NULL, run_device, device);
}

int devices_start(struct devices *devices, struct machine *machine, const struct files *files,
                  uint64_t bytes_per_second)
{
	devices->machine = machine;
	devices->count = machine->ports_made;
	devices->started = 0;
	atomic_init(&devices->stop, false);
	atomic_init(&devices->percent, 100);
	while (devices->started < devices->count) {
		int error = start_device(devices, devices->started, files, bytes_per_second);

		if (error)
			return error;
		devices->started++;
	}
	return 0;
}

void devices_set_pace(struct devices *devices, unsigned percent)
{
	atomic_store_explicit(&devices->percent, percent, memory_order_relaxed);
}

void devices_stop(struct devices *devices)
{
	atomic_store_explicit(&devices->stop, true, memory_order_release);
	while (devices->started)
		pthread_join(devices->device[--devices->started].thread, NULL);
}

void devices_compare_files(const struct devices *devices, const uint8_t *copy,
                           struct disk_verdict *verdict)
{
	for (unsigned i = 0; i < devices->count; i++)
		disk_compare(&devices->device[i].disk, copy, verdict);
}

uint64_t devices_written(const struct devices *devices)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < devices->count; i++)
		bytes += devices->device[i].written;
	return bytes;
}

uint64_t devices_faults(const struct devices *devices)
{
	uint64_t faults = 0;

	for (unsigned i = 0; i < devices->count; i++)
		faults += devices->device[i].faults + devices->device[i].disk.faults;
	return faults;
}

const char *device_name(const struct devices *devices, unsigned number)
{
	static const char *const names[DEVICE_KINDS] = {"disk", "bytes", "bursts", "hot spot"};

	if (number == MACHINE_NO_WRITER || number > devices->count)
		return "none";
	return names[devices->device[number - 1].kind];
}

void devices_fini(struct devices *devices)
{
	for (unsigned i = 0; i < devices->count; i++)
		disk_fini(&devices->device[i].disk);
}
