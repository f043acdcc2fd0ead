/* SPDX-License-Identifier: BSD-2-Clause */
/* Is the port whole? Devices write, what they wrote is found, and found again. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user.h"

#define IOVA  UINT64_C(0x40000000)
#define SIZE  (UINT64_C(4) << 20)
#define PAGES (SIZE >> 12)

#define DEVICE_SPAN   (SIZE / 8) /* of pages, half of which are cached at any time */
#define DEVICE_WRITES 500000

struct test {
	struct user_port port;
	struct iopgt_table table;
	unsigned char *memory, *copy;
	uint64_t words[PAGES / 64];
	_Atomic unsigned device_writes;
	int wrong;
};

static void expect(struct test *test, bool right, const char *what)
{
	if (!right)
		printf("wrong: %s\n", what);
	test->wrong += !right;
}

static void device_writes(struct test *test, unsigned page, unsigned char byte)
{
	uint64_t offset = page * UINT64_C(4096) + 123;

	expect(test, user_device_write(&test->port, &test->table, IOVA + offset, byte) == 0,
	       "a device can write");
	expect(test, test->memory[offset] == byte, "where the table says");
}

static void read_and_clear(struct test *test, const struct iopgt_bitmap *dirty)
{
	struct iopgt_op op = {0};

	memset(test->words, 0, sizeof(test->words));
	expect(test,
	       !iopgt_read_and_clear_dirty(&test->table, IOVA, SIZE, dirty, &op) &&
	               !iopgt_op_finish(&op),
	       "dirty state is read and cleared");
}

/* Whether page `one` and page `other` are all that is reported, and cleans them. */
static void expect_dirty(struct test *test, unsigned one, unsigned other)
{
	const struct iopgt_bitmap dirty = {test->words, IOVA, PAGES, 12};

	read_and_clear(test, &dirty);
	for (unsigned i = 0; i < PAGES; i++)
		expect(test,
		       iopgt_bitmap_test(&dirty, IOVA + i * UINT64_C(4096)) ==
		               (i == one || i == other),
		       "what was written is dirty, and nothing else");
}

static void run(struct test *test)
{
	const struct iopgt_mapping mapping = {
		.iova = IOVA,
		.phys = (uintptr_t)test->memory,
		.size = SIZE,
		.prot = IOPGT_READ | IOPGT_WRITE | IOPGT_CLEAN,
		.memory = IOPGT_WRITE_BACK,
	};
	struct iopgt_op op = {0};

	expect(test,
	       !iopgt_map(&test->table, &mapping, &op) &&
	               !iopgt_split_block(&test->table, IOVA, SIZE, &op),
	       "memory can be mapped");
	device_writes(test, 3, 1);
	device_writes(test, 700, 2);
	expect_dirty(test, 3, 700);
	device_writes(test, 3, 3); /* missed, if its translation is still cached */
	expect_dirty(test, 3, 3);
	device_writes(test, 5, 4);
	expect(test, !iopgt_unmap(&test->table, IOVA, 6 << 12, &op) && !iopgt_op_finish(&op),
	       "memory can be unmapped");
	expect(test,
	       user_device_write(&test->port, &test->table, IOVA + (5 << 12), 5) == IOPGT_FAULT,
	       "no device reaches what is unmapped");
	device_writes(test, 6, 6);
	expect_dirty(test, 6, 6);
}

static void *device(void *argument)
{
	struct test *test = argument;
	unsigned random = 1;

	while (atomic_fetch_add(&test->device_writes, 1) < DEVICE_WRITES) {
		random = random * 1664525 + 1013904223;
		user_device_write(&test->port, &test->table, IOVA + (random >> 10) % DEVICE_SPAN,
		                  (unsigned char)random);
	}
	return NULL;
}

/* In one piece with a write of the device's, since this is C and no real DMA. */
static void copy_dirty_pages(struct test *test, const struct iopgt_bitmap *dirty)
{
	for (uint64_t offset = 0; offset < SIZE; offset += 4096) {
		if (!iopgt_bitmap_test(dirty, IOVA + offset))
			continue;
		pthread_mutex_lock(&test->port.lock);
		memcpy(test->copy + offset, test->memory + offset, 4096);
		pthread_mutex_unlock(&test->port.lock);
	}
}

/* A device writes all the time, and rounds copy what it wrote: none may be lost. */
static void run_live(struct test *test)
{
	const struct iopgt_bitmap dirty = {test->words, IOVA, PAGES, 12};
	pthread_t thread;

	memcpy(test->copy, test->memory, SIZE); /* everything is clean now */
	expect(test, !pthread_create(&thread, NULL, device, test), "a thread starts");
	do {
		read_and_clear(test, &dirty);
		copy_dirty_pages(test, &dirty);
	} while (atomic_load(&test->device_writes) < DEVICE_WRITES);
	pthread_join(thread, NULL);
	read_and_clear(test, &dirty);
	copy_dirty_pages(test, &dirty);
	expect(test, !memcmp(test->memory, test->copy, SIZE), "the copy is identical");
}

int main(void)
{
	static struct test test;

	test.memory = aligned_alloc(SIZE / 2, SIZE); /* so that blocks fit */
	test.copy = malloc(SIZE);
	if (!test.memory || !test.copy || user_init(&test.port) ||
	    iopgt_init(&test.table, &user_config, &user_hal, &test.port))
		return 2;
	run(&test);
	run_live(&test);
	iopgt_fini(&test.table);
	user_fini(&test.port);
	free(test.memory);
	free(test.copy);
	printf("port.user: %s\n", test.wrong ? "WRONG" : "right");
	return test.wrong != 0;
}
