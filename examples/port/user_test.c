/* SPDX-License-Identifier: BSD-2-Clause */
/* Is the port whole? Devices write, what they wrote is found, and found again. */
#include <stdio.h>
#include <stdlib.h>

#include "user.h"

#define IOVA  UINT64_C(0x40000000)
#define SIZE  (UINT64_C(4) << 20)
#define PAGES (SIZE >> 12)

struct test {
	struct user_port port;
	struct iopgt_table table;
	unsigned char *memory;
	uint64_t words[PAGES / 64];
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

/* Whether page `one` and page `other` are all that is reported, and cleans them. */
static void expect_dirty(struct test *test, unsigned one, unsigned other)
{
	const struct iopgt_bitmap dirty = {test->words, IOVA, PAGES, 12};
	struct iopgt_op op = {0};

	for (unsigned i = 0; i < PAGES / 64; i++)
		test->words[i] = 0;
	expect(test,
	       !iopgt_read_and_clear_dirty(&test->table, IOVA, SIZE, &dirty, &op) &&
	               !iopgt_op_finish(&op),
	       "dirty state is read and cleared");
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

int main(void)
{
	static struct test test;

	test.memory = aligned_alloc(SIZE / 2, SIZE); /* so that blocks fit */
	if (!test.memory || user_init(&test.port) ||
	    iopgt_init(&test.table, &user_config, &user_hal, &test.port))
		return 2;
	run(&test);
	iopgt_fini(&test.table);
	user_fini(&test.port);
	free(test.memory);
	printf("port.user: %s\n", test.wrong ? "WRONG" : "right");
	return test.wrong != 0;
}
