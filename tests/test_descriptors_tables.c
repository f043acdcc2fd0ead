/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Table descriptors (tables D8-50, D8-51): 1:0 are 3, the next table's address
 * stands as an output address does, all else is zero. The host here gives tables
 * at addresses chosen by hand, so that whole descriptors can be typed.
 */
#include "test_raw.h"

#include <stdlib.h>

#define TABLES 6

/* One table: where it is, and the descriptor that has to link it. */
struct place {
	uint64_t phys, want;
};

struct scene {
	struct iopgt_config config;
	uint64_t iova;
	int8_t start;
	struct place places[TABLES]; /* the first for the start table */
};

struct memory {
	const struct scene *scene;
	void *tables[TABLES];
	uint32_t bytes[TABLES];
	unsigned count;
};

static void *give(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys)
{
	struct memory *memory = context;
	unsigned number = memory->count++;

	(void)flags;
	assert_true(number < TABLES && memory->scene->places[number].phys);
	memory->tables[number] = aligned_alloc(bytes, bytes);
	assert_non_null(memory->tables[number]);
	for (uint32_t i = 0; i < bytes / 8; i++)
		((uint64_t *)memory->tables[number])[i] = 0;
	memory->bytes[number] = bytes;
	*phys = memory->scene->places[number].phys;
	return memory->tables[number];
}

static void take(void *context, void *table, uint64_t phys, uint32_t bytes)
{
	struct memory *memory = context;

	for (unsigned i = 0; i < memory->count; i++) {
		if (memory->tables[i] != table)
			continue;
		assert_true(memory->scene->places[i].phys == phys);
		assert_int_equal(memory->bytes[i], bytes);
		free(table);
		memory->tables[i] = NULL;
		return;
	}
	fail();
}

static void *find(void *context, uint64_t phys, uint32_t bytes)
{
	struct memory *memory = context;

	for (unsigned i = 0; i < memory->count; i++)
		if (memory->scene->places[i].phys == phys && bytes <= memory->bytes[i])
			return memory->tables[i];
	return NULL;
}

static int no_range(void *context, const struct iopgt_invalidation *request)
{
	(void)context;
	(void)request;
	return 0;
}

static int no_more(void *context)
{
	(void)context;
	return 0;
}

static void no_clean(void *context, const void *address, uint32_t bytes)
{
	(void)context;
	(void)address;
	(void)bytes;
}

static const struct iopgt_hal hal = {
	.alloc_table = give,
	.free_table = take,
	.phys_to_virt = find,
	.clean = no_clean,
	.tlb = {.invalidate_range = no_range, .invalidate_all = no_more, .sync = no_more},
};

static uint64_t read_entry(const struct memory *memory, unsigned table, uint64_t index)
{
	assert_true(8 * index + 8 <= memory->bytes[table]);
	return pool_little_endian(((const uint64_t *)memory->tables[table])[index]);
}

/* Which table this descriptor links: exactly as it was typed. */
static unsigned linked(const struct memory *memory, uint64_t descriptor)
{
	for (unsigned i = 1; i < memory->count; i++)
		if (memory->scene->places[i].want == descriptor)
			return i;
	print_error("unexpected table descriptor 0x%016llx\n", (unsigned long long)descriptor);
	fail();
	return 0;
}

/* Every table on the way to the page is linked by a descriptor that was typed. */
static void expect_links(const struct memory *memory)
{
	const struct iopgt_config *config = &memory->scene->config;
	const struct raw raw = {NULL, config, 0, memory->scene->start};
	unsigned table = 0, seen = 1;

	for (int level = raw.start; level < 3; level++) {
		uint64_t index = raw_index(&raw, memory->scene->iova, level);

		table = linked(memory, read_entry(memory, table, index));
		assert_false(seen & 1u << table);
		seen |= 1u << table;
	}
	assert_true(read_entry(memory, table, raw_index(&raw, memory->scene->iova, 3)) & 1);
	assert_int_equal(memory->count, 4 - raw.start);
}

static void run_scene(const struct scene *scene)
{
	struct memory memory = {.scene = scene};
	struct iopgt_mapping mapping = fixture_mapping(
		scene->iova, 0, RAW_SPACE(scene->config.granule_shift), IOPGT_READ | IOPGT_WRITE);
	struct iopgt_table table;
	struct iopgt_op op = {0};

	expect(IOPGT_OK, iopgt_init(&table, &scene->config, &hal, &memory));
	expect(IOPGT_OK, iopgt_map(&table, &mapping, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	expect_links(&memory);
	expect(IOPGT_OK, iopgt_fini(&table));
	for (unsigned i = 0; i < memory.count; i++)
		assert_null(memory.tables[i]);
}

#define CONFIG(regime_, flags_, granule_, input_, output_)                                         \
	{                                                                                          \
		.regime = (regime_), .flags = (flags_), .granule_shift = (granule_),               \
		.input_bits = (input_), .output_bits = (output_), .dirty = IOPGT_DIRTY_HARDWARE    \
	}

static void table_addresses_stand_in_place(void **state)
{
	static const struct scene scenes[] = {
		{CONFIG(IOPGT_STAGE1_EL1, 0, 12, 48, 48),
	         UINT64_C(0xffffffffd000),
	         0,
	         {{0x0000800000000000, 0},
	          {0x0000fffffffff000, 0x0000fffffffff003},
	          {0x0000a5a5a5a5a000, 0x0000a5a5a5a5a003},
	          {0x0000000000001000, 0x0000000000001003}}},
		{CONFIG(IOPGT_STAGE1_EL2, 0, 14, 48, 48),
	         UINT64_C(0x800000004000),
	         0,
	         {{0x0000800000000000, 0},
	          {0x0000ffffffffc000, 0x0000ffffffffc003},
	          {0x0000123456784000, 0x0000123456784003},
	          {0x0000000000004000, 0x0000000000004003}}},
		{CONFIG(IOPGT_STAGE1_EL1, 0, 16, 48, 48),
	         0,
	         1,
	         {{0x0000800000000000, 0},
	          {0x0000ffffffff0000, 0x0000ffffffff0003},
	          {0x0000123456780000, 0x0000123456780003}}},
		{CONFIG(IOPGT_STAGE2, 0, 12, 40, 40),
	         UINT64_C(0xfffffff000),
	         1, /* two tables at level 1 */
	         {{0x0000008000000000, 0},
	          {0x000000fffffff000, 0x000000fffffff003},
	          {0x0000000000001000, 0x0000000000001003}}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(scenes); i++)
		run_scene(&scenes[i]);
}

/* NLTA[49:48] at 49:48, NLTA[51:50] at 9:8 */
static void lpa2_moves_two_bits_of_a_table_address(void **state)
{
	static const struct scene scenes[] = {
		{CONFIG(IOPGT_STAGE1_EL1, IOPGT_CONFIG_LPA2, 12, 52, 52),
	         UINT64_C(0xffffffffff000),
	         -1,
	         {{0x000f800000000000, 0},
	          {0x000ffffffffff000, 0x0003fffffffff303},
	          {0x0004000000001000, 0x0000000000001103},
	          {0x0008000000001000, 0x0000000000001203},
	          {0x0001876543210000, 0x0001876543210003}}},
		{CONFIG(IOPGT_STAGE1_EL1, IOPGT_CONFIG_LPA2, 12, 52, 52),
	         UINT64_C(0x8000000000000),
	         -1,
	         {{0x0000000000010000, 0},
	          {0x0002000000001000, 0x0002000000001003},
	          {0x0006000000001000, 0x0002000000001103},
	          {0x000a000000001000, 0x0002000000001203},
	          {0x000e000000001000, 0x0002000000001303}}},
		{CONFIG(IOPGT_STAGE1_EL1, IOPGT_CONFIG_LPA2, 14, 52, 52),
	         UINT64_C(0x8000000000000),
	         0,
	         {{0x000f800000000000, 0},
	          {0x000fffffffffc000, 0x0003ffffffffc303},
	          {0x0005000000004000, 0x0001000000004103},
	          {0x0000876543214000, 0x0000876543214003}}},
		{CONFIG(IOPGT_STAGE2, IOPGT_CONFIG_LPA2, 12, 52, 52),
	         UINT64_C(0xff00000000000),
	         0, /* sixteen tables at level 0 */
	         {{0x000f800000000000, 0},
	          {0x000b876543210000, 0x0003876543210203},
	          {0x0007000000001000, 0x0003000000001103},
	          {0x000c000000001000, 0x0000000000001303}}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(scenes); i++)
		run_scene(&scenes[i]);
}

/* NLTA[51:48] at 15:12 */
static void four_bits_of_a_table_address_stand_low_with_64_kib(void **state)
{
	static const struct scene scenes[] = {
		{CONFIG(IOPGT_STAGE1_EL1, 0, 16, 52, 52),
	         UINT64_C(0xfffffffff0000),
	         1,
	         {{0x000f800000000000, 0},
	          {0x000fffffffff0000, 0x0000fffffffff003},
	          {0x0001000000010000, 0x0000000000011003}}},
		{CONFIG(IOPGT_STAGE2, 0, 16, 52, 52),
	         0,
	         1,
	         {{0x0000000000100000, 0},
	          {0x000a876543210000, 0x000087654321a003},
	          {0x0004000000010000, 0x0000000000014003}}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(scenes); i++)
		run_scene(&scenes[i]);
}

/* Start tables smaller than a granule: 64 bytes at least. */
static void small_start_tables(void **state)
{
	static const struct scene scenes[] = {
		/* 30 bits: one table of 2 MiB blocks at level 2 */
		{CONFIG(IOPGT_STAGE1_EL1, 0, 12, 30, 48),
	         UINT64_C(0x3ffff000),
	         2,
	         {{0x0000000000001000, 0}, {0x0000fffffffff000, 0x0000fffffffff003}}},
		/* 31 bits: two entries at level 1 in 64 bytes */
		{CONFIG(IOPGT_STAGE1_EL1, 0, 12, 31, 48),
	         UINT64_C(0x7ffff000),
	         1,
	         {{0x0000000000000fc0, 0},
	          {0x0000a5a5a5a5a000, 0x0000a5a5a5a5a003},
	          {0x0000000000001000, 0x0000000000001003}}},
		/* 22 bits, small tables: two entries at level 2 */
		{CONFIG(IOPGT_STAGE1_EL1, IOPGT_CONFIG_SMALL_TABLES, 12, 22, 48),
	         UINT64_C(0x3ff000),
	         2,
	         {{0x0000000000000fc0, 0}, {0x0000a5a5a5a5a000, 0x0000a5a5a5a5a003}}},
		/* the top of the 64-bit space: the same indices */
		{CONFIG(IOPGT_STAGE1_EL1, IOPGT_CONFIG_TTBR1, 12, 48, 48),
	         UINT64_C(0xfffffffffffff000),
	         0,
	         {{0x0000800000000000, 0},
	          {0x0000fffffffff000, 0x0000fffffffff003},
	          {0x0000a5a5a5a5a000, 0x0000a5a5a5a5a003},
	          {0x0000000000001000, 0x0000000000001003}}},
		{CONFIG(IOPGT_STAGE1_EL1, IOPGT_CONFIG_TTBR1, 12, 39, 48),
	         UINT64_C(0xffffff8000000000),
	         1,
	         {{0x0000800000000000, 0},
	          {0x0000fffffffff000, 0x0000fffffffff003},
	          {0x0000a5a5a5a5a000, 0x0000a5a5a5a5a003}}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(scenes); i++)
		run_scene(&scenes[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_addresses_stand_in_place),
		cmocka_unit_test(lpa2_moves_two_bits_of_a_table_address),
		cmocka_unit_test(four_bits_of_a_table_address_stand_low_with_64_kib),
		cmocka_unit_test(small_start_tables),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
