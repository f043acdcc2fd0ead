/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which groups a configuration can have (D8.7.1), and what becomes of them in
 * spaces whose start table is smaller than a group.
 */
#include "test_groups.h"

#define SIZES_4K_3  (BIT(12) | BIT(16))
#define SIZES_4K_2  (SIZES_4K_3 | BIT(21) | BIT(25))
#define SIZES_4K_1  (SIZES_4K_2 | BIT(30) | BIT(34))
#define SIZES_16K_3 (BIT(14) | BIT(21))
#define SIZES_16K_2 (SIZES_16K_3 | BIT(25) | BIT(30))
#define SIZES_64K_3 (BIT(16) | BIT(21))
#define SIZES_64K_2 (SIZES_64K_3 | BIT(29) | BIT(34))

#define SMALL IOPGT_CONFIG_SMALL_TABLES
#define LPA2  IOPGT_CONFIG_LPA2
#define TTBR1 IOPGT_CONFIG_TTBR1
#define EL1   IOPGT_STAGE1_EL1
#define EL2   IOPGT_STAGE1_EL2
#define S2    IOPGT_STAGE2

struct space {
	uint32_t regime, flags;
	uint8_t granule_shift, input_bits, output_bits;
	uint64_t sizes;
};

/*
 * By hand from D8.2 and table D8-104: where the start level is, how many entries
 * its tables have, whether they hold a group.
 */
static const struct space spaces[] = {
	/* 4 KiB, stage 1 */
	{EL1, 0, 12, 48, 48, SIZES_4K_1},
	{EL2, 0, 12, 39, 40, SIZES_4K_1},
	{EL1, TTBR1, 12, 39, 40, SIZES_4K_1},
	{EL1, 0, 12, 34, 40, SIZES_4K_1},               /* L1, 16 entries */
	{EL1, 0, 12, 33, 40, SIZES_4K_2 | BIT(30)},     /* L1, 8 */
	{EL1, 0, 12, 31, 40, SIZES_4K_2 | BIT(30)},     /* L1, 2 */
	{EL1, 0, 12, 30, 40, SIZES_4K_2},               /* L2, 512 */
	{EL1, 0, 12, 25, 40, SIZES_4K_2},               /* L2, 16 */
	{EL1, SMALL, 12, 24, 40, SIZES_4K_3 | BIT(21)}, /* L2, 8 */
	{EL1, SMALL, 12, 22, 40, SIZES_4K_3 | BIT(21)}, /* L2, 2 */
	{EL1, SMALL, 12, 21, 40, SIZES_4K_3},           /* L3, 512 */
	{EL1, SMALL, 12, 16, 40, SIZES_4K_3},           /* L3, 16 */
	{EL1, LPA2, 12, 48, 48, SIZES_4K_1 | BIT(39)},
	{EL1, LPA2, 12, 52, 52, SIZES_4K_1 | BIT(39)},
	/* 4 KiB, stage 2: up to 16 start tables a level further down */
	{S2, 0, 12, 48, 48, SIZES_4K_1},
	{S2, 0, 12, 43, 44, SIZES_4K_1},
	{S2, 0, 12, 40, 40, SIZES_4K_1},
	{S2, 0, 12, 35, 40, SIZES_4K_1}, /* L1, 32 */
	{S2, 0, 12, 34, 40, SIZES_4K_2}, /* 16 tables at L2 */
	{S2, 0, 12, 31, 40, SIZES_4K_2},
	{S2, 0, 12, 25, 40, SIZES_4K_2}, /* L2, 16 */
	/* 16 KiB */
	{EL1, 0, 14, 48, 48, SIZES_16K_2},
	{EL1, 0, 14, 36, 40, SIZES_16K_2},
	{EL1, 0, 14, 30, 40, SIZES_16K_2},           /* L2, 32 */
	{EL1, 0, 14, 29, 40, SIZES_16K_3 | BIT(25)}, /* L2, 16 */
	{EL1, 0, 14, 26, 40, SIZES_16K_3 | BIT(25)}, /* L2, 2 */
	{EL1, 0, 14, 25, 40, SIZES_16K_3},           /* L3, 2048 */
	{EL1, SMALL, 14, 21, 40, SIZES_16K_3},       /* L3, 128 */
	{EL1, SMALL, 14, 20, 40, BIT(14)},           /* L3, 64 */
	{EL1, SMALL, 14, 16, 40, BIT(14)},           /* L3, 4 */
	{EL1, LPA2, 14, 52, 52, SIZES_16K_2 | BIT(36)},
	{S2, 0, 14, 30, 40, SIZES_16K_2},
	{S2, 0, 14, 29, 40, SIZES_16K_3}, /* 16 tables at L3 */
	/* 64 KiB */
	{EL1, 0, 16, 48, 48, SIZES_64K_2},
	{EL1, 0, 16, 52, 52, SIZES_64K_2 | BIT(42)},
	{EL1, 0, 16, 43, 52, SIZES_64K_2 | BIT(42)}, /* L1, 2 */
	{EL1, 0, 16, 42, 52, SIZES_64K_2},           /* L2, 8192 */
	{EL1, 0, 16, 34, 40, SIZES_64K_2},           /* L2, 32 */
	{EL1, 0, 16, 33, 40, SIZES_64K_3 | BIT(29)}, /* L2, 16 */
	{EL1, 0, 16, 30, 40, SIZES_64K_3 | BIT(29)}, /* L2, 2 */
	{EL1, 0, 16, 29, 40, SIZES_64K_3},           /* L3, 8192 */
	{EL1, SMALL, 16, 21, 40, SIZES_64K_3},       /* L3, 32 */
	{EL1, SMALL, 16, 20, 40, BIT(16)},           /* L3, 16 */
	{EL1, SMALL, 16, 17, 40, BIT(16)},           /* L3, 2 */
	{S2, 0, 16, 34, 40, SIZES_64K_2},
	{S2, 0, 16, 33, 40, SIZES_64K_3}, /* 16 tables at L3 */
};

static struct iopgt_config config_of(const struct space *space)
{
	return (struct iopgt_config){
		.regime = space->regime,
		.flags = space->flags,
		.granule_shift = space->granule_shift,
		.input_bits = space->input_bits,
		.output_bits = space->output_bits,
		.dirty = IOPGT_DIRTY_NONE,
	};
}

static void all_leaf_sizes_are_those_of_the_architecture(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(spaces); i++) {
		struct iopgt_config config = config_of(&spaces[i]);
		uint64_t got = iopgt_all_leaf_sizes(&config);

		if (got != spaces[i].sizes)
			print_error("regime %u, granule %u, %u to %u bits, flags 0x%x\n",
			            config.regime, config.granule_shift, config.input_bits,
			            config.output_bits, config.flags);
		assert_int_equal(got, spaces[i].sizes);
		config.leaf_sizes = 1; /* is not read */
		assert_int_equal(iopgt_all_leaf_sizes(&config), spaces[i].sizes);
	}
}

static void a_wrong_configuration_has_no_leaf_sizes(void **state)
{
	const struct space wrong[] = {
		{99, 0, 12, 48, 48, 0},  {EL1, 0, 13, 48, 48, 0},        {EL1, 0, 12, 53, 48, 0},
		{EL1, 0, 12, 48, 47, 0}, {S2, 0, 12, 41, 40, 0},         {EL1, 0, 12, 24, 48, 0},
		{EL1, 0, 12, 52, 52, 0}, {EL1, 1u << 31, 12, 48, 48, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct iopgt_config config = config_of(&wrong[i]);

		assert_int_equal(iopgt_all_leaf_sizes(&config), 0);
	}
}

/* --- A table in each of these spaces --- */

static struct fixture *fixture_of(const struct space *space, uint64_t leaf_sizes)
{
	const struct fixture_options options = {
		.regime = space->regime,
		.config_flags = space->flags,
		.granule_shift = space->granule_shift,
		.input_bits = space->input_bits,
		.output_bits = space->output_bits,
		.leaf_sizes = leaf_sizes,
		.dirty = FIXTURE_NO_DIRTY,
	};

	return fixture_create(&options, false);
}

static uint64_t first_address(const struct space *space)
{
	return space->flags & TTBR1 ? ~(BIT(space->input_bits) - 1) : 0;
}

static void expect_refused(const struct space *space, uint64_t leaf_sizes)
{
	struct fixture *f = fixture_of(space, space->sizes);
	struct iopgt_config config = f->config;
	struct iopgt_table table;

	config.leaf_sizes = leaf_sizes;
	expect(IOPGT_BAD_LEAF_SIZES, iopgt_init(&table, &config, &f->hal, &f->host));
	fixture_end(f);
	fixture_destroy(f);
}

/* In a space that the largest leaves fill, or of which they fill the lower part. */
static uint64_t expected_leaf(const struct space *space, uint64_t allowed, uint64_t size)
{
	uint64_t leaf = BIT(space->granule_shift);

	for (unsigned shift = 12; shift < 48; shift++)
		if (allowed & BIT(shift) && BIT(shift) <= size)
			leaf = BIT(shift);
	return leaf;
}

static void expect_filled(struct fixture *f, const struct space *space, uint64_t sizes)
{
	uint64_t space_size = BIT(space->input_bits), first = first_address(space);
	uint64_t most = 64 * expected_leaf(space, sizes, BIT(35)); /* tables take memory */
	uint64_t size = space_size < most ? space_size : most;
	uint64_t leaf = expected_leaf(space, sizes, size);

	map(f, first, 0, size, RW);
	expect_leaf(f, first, leaf);
	expect_leaf(f, first + size - 1, leaf);
	assert_int_equal(look_at(f, first + size - 1).phys, size - 1);
	unmap(f, first, size);
	map(f, first + space_size - size, 0, size, RW);
	expect_leaf(f, first + (space_size - 1), leaf);
	assert_int_equal(look_at(f, first + (space_size - 1)).phys, size - 1);
	unmap(f, first + space_size - size, size);
}

/* Each space whole, or the room of 64 such leaves, at its lower and at its upper end. */
static void a_space_is_filled_with_the_largest_leaves_it_holds(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(spaces); i++) {
		struct fixture *f = fixture_of(&spaces[i], spaces[i].sizes);

		expect_filled(f, &spaces[i], spaces[i].sizes);
		fixture_end(f);
		fixture_destroy(f);
	}
}

static bool is_group_size(const struct space *space, unsigned shift)
{
	for (size_t i = 0; i < SHAPES; i++)
		if (shape_number(i)->granule_shift == space->granule_shift &&
		    shape_number(i)->group_shift == shift)
			return true;
	return false;
}

/* leaf_sizes = 0: all pages and blocks, no groups. */
static void there_are_no_groups_unless_asked_for(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(spaces); i++) {
		struct fixture *f = fixture_of(&spaces[i], 0);
		uint64_t sizes = spaces[i].sizes;

		for (unsigned shift = 12; shift < 48; shift++)
			if (is_group_size(&spaces[i], shift))
				sizes &= ~BIT(shift);
		expect_filled(f, &spaces[i], sizes);
		map(f, first_address(&spaces[i]), 0, BIT(spaces[i].granule_shift), RW);
		expect_leaf(f, first_address(&spaces[i]), BIT(spaces[i].granule_shift));
		fixture_end(f);
		fixture_destroy(f);
	}
}

/* --- leaf_sizes --- */

struct sizes {
	const struct space *space;
	uint64_t sizes;
};

static const struct space kib4 = {EL1, 0, 12, 48, 48, SIZES_4K_1};
static const struct space kib16 = {EL1, 0, 14, 48, 48, SIZES_16K_2};
static const struct space kib64 = {S2, 0, 16, 48, 48, SIZES_64K_2};

static void groups_with_their_entries_are_accepted(void **state)
{
	const struct sizes good[] = {
		{&kib4, BIT(12) | BIT(16)},
		{&kib4, BIT(12) | BIT(21) | BIT(25)},
		{&kib4, BIT(12) | BIT(16) | BIT(21)},
		{&kib4, BIT(12) | BIT(21) | BIT(30) | BIT(34)},
		{&kib4, BIT(12) | BIT(16) | BIT(21) | BIT(30)},
		{&kib4, SIZES_4K_1},
		{&kib16, BIT(14) | BIT(21)},
		{&kib16, BIT(14) | BIT(25) | BIT(30)},
		{&kib16, SIZES_16K_2},
		{&kib64, BIT(16) | BIT(21)},
		{&kib64, BIT(16) | BIT(29) | BIT(34)},
		{&kib64, SIZES_64K_2},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct fixture *f = fixture_of(good[i].space, good[i].sizes);

		expect_filled(f, good[i].space, good[i].sizes);
		fixture_end(f);
		fixture_destroy(f);
	}
}

static void groups_without_their_entries_are_refused(void **state)
{
	const struct sizes bad[] = {
		{&kib4, BIT(16)},
		{&kib4, BIT(16) | BIT(21)},
		{&kib4, BIT(12) | BIT(25)},
		{&kib4, BIT(12) | BIT(16) | BIT(25)},
		{&kib4, BIT(12) | BIT(21) | BIT(34)},
		{&kib4, BIT(12) | BIT(16) | BIT(30)},
		{&kib16, BIT(21)},
		{&kib16, BIT(14) | BIT(30)},
		{&kib16, BIT(14) | BIT(21) | BIT(30)},
		{&kib64, BIT(21)},
		{&kib64, BIT(16) | BIT(34)},
		{&kib64, BIT(16) | BIT(21) | BIT(34)},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		expect_refused(bad[i].space, bad[i].sizes);
}

static void sizes_that_the_granule_does_not_have_are_refused(void **state)
{
	(void)state;
	for (unsigned shift = 0; shift < 64; shift++) {
		if (!(SIZES_4K_1 & BIT(shift)))
			expect_refused(&kib4, SIZES_4K_1 | BIT(shift));
		if (!(SIZES_16K_2 & BIT(shift)))
			expect_refused(&kib16, SIZES_16K_2 | BIT(shift));
		if (!(SIZES_64K_2 & BIT(shift)))
			expect_refused(&kib64, SIZES_64K_2 | BIT(shift));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_leaf_sizes_are_those_of_the_architecture),
		cmocka_unit_test(a_wrong_configuration_has_no_leaf_sizes),
		cmocka_unit_test(a_space_is_filled_with_the_largest_leaves_it_holds),
		cmocka_unit_test(there_are_no_groups_unless_asked_for),
		cmocka_unit_test(groups_with_their_entries_are_accepted),
		cmocka_unit_test(groups_without_their_entries_are_refused),
		cmocka_unit_test(sizes_that_the_granule_does_not_have_are_refused),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
