/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iopgt_registers over every size that a table can have: what a walker makes of
 * the words, by the tables of DDI 0487 D8.2, is the table that there is.
 */
#include "test_registers.h"

enum {
	NEEDS_DS = 1,  /* effective value of VTCR_EL2.DS is 1 */
	NEEDS_ST = 2,  /* FEAT_TTST */
	NEEDS_LPA = 4, /* 52-bit addresses */
};

/* A row of Tables D8-20 to D8-24, D8-30 to D8-33, D8-39 to D8-41. */
struct permitted {
	uint8_t granule_shift;
	int8_t level;
	uint8_t tables;
	uint8_t first, last; /* T0SZ */
	uint8_t needs;
};

static const struct permitted permitted[] = {
	{12, -1, 1, 12, 15, NEEDS_DS}, {12, 0, 1, 16, 24, 0},        {12, 0, 2, 15, 15, NEEDS_DS},
	{12, 0, 4, 14, 14, NEEDS_DS},  {12, 0, 8, 13, 13, NEEDS_DS}, {12, 0, 16, 12, 12, NEEDS_DS},
	{12, 1, 1, 25, 33, 0},         {12, 1, 2, 24, 24, 0},        {12, 1, 4, 23, 23, 0},
	{12, 1, 8, 22, 22, 0},         {12, 1, 16, 21, 21, 0},       {12, 2, 1, 40, 42, NEEDS_ST},
	{12, 2, 1, 34, 39, 0},         {12, 2, 2, 33, 33, 0},        {12, 2, 4, 32, 32, 0},
	{12, 2, 8, 31, 31, 0},         {12, 2, 16, 30, 30, 0},       {12, 3, 1, 43, 48, NEEDS_ST},
	{12, 3, 2, 42, 42, NEEDS_ST},  {12, 3, 4, 41, 41, NEEDS_ST}, {12, 3, 8, 40, 40, NEEDS_ST},
	{12, 3, 16, 39, 39, NEEDS_ST}, {14, 0, 1, 12, 16, NEEDS_DS}, {14, 1, 1, 17, 27, 0},
	{14, 1, 2, 16, 16, 0},         {14, 1, 4, 15, 15, NEEDS_DS}, {14, 1, 8, 14, 14, NEEDS_DS},
	{14, 1, 16, 13, 13, NEEDS_DS}, {14, 2, 1, 28, 38, 0},        {14, 2, 2, 27, 27, 0},
	{14, 2, 4, 26, 26, 0},         {14, 2, 8, 25, 25, 0},        {14, 2, 16, 24, 24, 0},
	{14, 3, 1, 40, 48, NEEDS_ST},  {14, 3, 1, 39, 39, 0},        {14, 3, 2, 38, 38, 0},
	{14, 3, 4, 37, 37, 0},         {14, 3, 8, 36, 36, 0},        {14, 3, 16, 35, 35, 0},
	{16, 1, 1, 12, 15, NEEDS_LPA}, {16, 1, 1, 16, 21, 0},        {16, 2, 1, 22, 34, 0},
	{16, 2, 2, 21, 21, 0},         {16, 2, 4, 20, 20, 0},        {16, 2, 8, 19, 19, 0},
	{16, 2, 16, 18, 18, 0},        {16, 3, 1, 40, 47, NEEDS_ST}, {16, 3, 1, 35, 39, 0},
	{16, 3, 2, 34, 34, 0},         {16, 3, 4, 33, 33, 0},        {16, 3, 8, 32, 32, 0},
	{16, 3, 16, 31, 31, 0},
};

static bool met(const struct permitted *row, const struct iopgt_config *config)
{
	uint8_t t0sz = 64 - config->input_bits;

	if (row->granule_shift != config->granule_shift || t0sz < row->first || t0sz > row->last)
		return false;
	if (row->needs == NEEDS_DS)
		return config->flags & IOPGT_CONFIG_LPA2;
	if (row->needs == NEEDS_ST)
		return config->flags & IOPGT_CONFIG_SMALL_TABLES;
	return row->needs != NEEDS_LPA || config->output_bits == 52;
}

/* The row with the fewest levels, but for 4 KiB at level 3 by concatenation. */
static const struct permitted *row_of(const struct iopgt_config *config)
{
	const struct permitted *best = NULL;

	for (size_t i = 0; i < COUNT(permitted); i++) {
		const struct permitted *row = &permitted[i];

		if (!met(row, config) ||
		    (row->granule_shift == 12 && row->level == 3 && row->tables > 1))
			continue;
		if (!best || row->level > best->level)
			best = row;
	}
	return best;
}

/* Tables D8-19, D8-29 and D8-38. */
static int start_level(unsigned granule_shift, unsigned sl2, unsigned sl0)
{
	static const int8_t of_4k[] = {2, 1, 0, 3};

	if (granule_shift == 12)
		return sl2 ? (sl0 ? 99 : -1) : of_4k[sl0];
	return sl2 || (granule_shift == 16 && sl0 == 3) ? 99 : 3 - (int)sl0;
}

static uint64_t start_bytes(const struct iopgt_config *config, int level, unsigned tables)
{
	unsigned shift =
		config->granule_shift + (unsigned)(3 - level) * (config->granule_shift - 3);
	uint64_t bytes = UINT64_C(8)
	                 << (config->input_bits > shift ? config->input_bits - shift : 0);

	if (tables > 1)
		assert_int_equal(bytes, (uint64_t)tables << config->granule_shift);
	return bytes < 64 ? 64 : bytes;
}

/* The base address as the architecture reads it: D24.2.209, .225. */
static uint64_t base_of(uint64_t ttbr, bool extended)
{
	uint64_t low = ttbr & UINT64_C(0xfffffffffffe);

	return extended ? (low & ~UINT64_C(0x3e)) | FIELD(ttbr, 5, 2) << 48 : low;
}

static const uint8_t ps_bits[] = {32, 36, 40, 42, 44, 48, 52};
static const uint8_t tg0_shift[] = {12, 16, 14, 0};
static const uint8_t tg1_shift[] = {0, 14, 12, 16};

/* As high as the output size allows, so that all bits of the address are seen. */
static uint64_t base_for(const struct iopgt_config *config)
{
	return (UINT64_C(1) << config->output_bits) - MOST_BYTES;
}

static void check_stage2(const struct iopgt_config *config)
{
	const struct iopgt_register_inputs inputs = {.vmid = 0x81};
	const struct permitted *row = row_of(config);
	struct place place = {.phys = base_for(config)};
	struct iopgt_registers words;
	struct iopgt_table table;
	bool ds = config->flags & IOPGT_CONFIG_LPA2;

	assert_non_null(row);
	assert_int_equal(iopgt_init(&table, config, &place_hal, &place), IOPGT_OK);
	assert_int_equal(place.bytes, start_bytes(config, row->level, row->tables));
	assert_int_equal(iopgt_registers(&table, &inputs, &words), IOPGT_OK);
	assert_int_equal(iopgt_fini(&table), IOPGT_OK);
	assert_int_equal(64 - FIELD(words.vtcr, 5, 0), config->input_bits);
	assert_int_equal(tg0_shift[FIELD(words.vtcr, 15, 14)], config->granule_shift);
	assert_int_equal(start_level(config->granule_shift, FIELD(words.vtcr, 33, 33),
	                             FIELD(words.vtcr, 7, 6)),
	                 row->level);
	assert_int_equal(ps_bits[FIELD(words.vtcr, 18, 16)], config->output_bits);
	assert_int_equal(FIELD(words.vtcr, 32, 32), ds);
	assert_int_equal(words.vtcr & ~UINT64_C(0x7ffff), (uint64_t)ds << 32 | 1u << 31);
	assert_int_equal(base_of(words.vttbr, ds || config->output_bits == 52), place.phys);
	assert_int_equal(words.vttbr >> 48, 0x81);
	/* The STE has the same fields, 32 bits up in its word 2: IHI 0070 5.2. */
	assert_int_equal(FIELD(words.ste[2], 50, 32), FIELD(words.vtcr, 18, 0));
	assert_int_equal(words.ste[3],
	                 place.phys | (uint64_t)ds << 3 | FIELD(words.vtcr, 33, 33) << 2);
}

static void check_stage1(const struct iopgt_config *config)
{
	const struct iopgt_register_inputs inputs = {.asid = 0x42};
	bool ds = config->flags & IOPGT_CONFIG_LPA2, up = config->flags & IOPGT_CONFIG_TTBR1;
	uint64_t base = base_for(config);
	struct iopgt_registers words = good_words(config, base, &inputs);
	unsigned at = up ? 16 : 0;

	assert_int_equal(64 - FIELD(words.tcr, at + 5, at), config->input_bits);
	assert_int_equal(64 - FIELD(words.cd[0], at + 5, at), config->input_bits);
	assert_int_equal((up ? tg1_shift : tg0_shift)[FIELD(words.tcr, at + 15, at + 14)],
	                 config->granule_shift);
	assert_int_equal((up ? tg1_shift : tg0_shift)[FIELD(words.cd[0], at + 7, at + 6)],
	                 config->granule_shift);
	assert_int_equal(FIELD(words.tcr, 7, 7), up);
	assert_int_equal(FIELD(words.tcr, 23, 23), !up);
	assert_int_equal(FIELD(words.cd[0], 14, 14), up);
	assert_int_equal(FIELD(words.cd[0], 30, 30), !up);
	assert_int_equal(ps_bits[FIELD(words.tcr, 34, 32)], config->output_bits);
	assert_int_equal(ps_bits[FIELD(words.cd[0], 34, 32)], config->output_bits);
	assert_int_equal(FIELD(words.tcr, 59, 59), ds);
	assert_int_equal(FIELD(words.cd[2], 58, 58), ds);
	assert_int_equal(base_of(up ? words.ttbr1 : words.ttbr0, ds || config->output_bits == 52),
	                 base);
	assert_int_equal(up ? words.ttbr0 : words.ttbr1, 0);
	assert_int_equal(words.cd[up ? 2 : 1] & UINT64_C(0xffffffffffff0), base);
	assert_int_equal(words.cd[up ? 1 : 2] & UINT64_C(0xffffffffffff0), 0);
}

/* Whether iopgt_config may be so: the comments of struct iopgt_config. */
static bool legal(const struct iopgt_config *config)
{
	bool large = config->granule_shift == 16, ds = config->flags & IOPGT_CONFIG_LPA2;
	bool small = config->flags & IOPGT_CONFIG_SMALL_TABLES;

	if (ds && large)
		return false;
	if (config->output_bits == 52 && !large && !ds)
		return false;
	if (config->input_bits < (small ? (large ? 17 : 16) : 25))
		return false;
	if (config->input_bits > (large || ds ? 52 : 48))
		return false;
	return config->regime != IOPGT_STAGE2 || config->input_bits <= config->output_bits;
}

static unsigned sweep(struct iopgt_config config, void (*verify)(const struct iopgt_config *))
{
	unsigned count = 0;

	for (config.granule_shift = 12; config.granule_shift <= 16; config.granule_shift += 2) {
		for (size_t i = 0; i < COUNT(ps_bits); i++) {
			config.output_bits = ps_bits[i];
			for (config.input_bits = 16; config.input_bits <= 52; config.input_bits++) {
				if (!legal(&config))
					continue;
				verify(&config);
				count++;
			}
		}
	}
	return count;
}

static void sweep_flags(uint32_t regime, uint32_t flags,
                        void (*verify)(const struct iopgt_config *), unsigned want)
{
	struct iopgt_config config = {.regime = regime, .flags = flags};
	unsigned count;

	count = sweep(config, verify);
	config.flags = flags | IOPGT_CONFIG_LPA2;
	count += sweep(config, verify);
	config.flags = flags | IOPGT_CONFIG_SMALL_TABLES;
	count += sweep(config, verify);
	config.flags |= IOPGT_CONFIG_LPA2;
	count += sweep(config, verify);
	print_message("%u sizes\n", count);
	assert_int_equal(count, want);
}

/*
 * Stage 1. Plain: 4 and 16 KiB 24 input sizes (25 to 48) times 6 output sizes
 * each, 64 KiB 28 times 7. LPA2: 28 times 7 twice. Small: 33 times 6 twice, 36 times 7.
 * Both: 37 times 7 twice.
 */
#define STAGE1_SIZES (24 * 6 * 2 + 28 * 7 + 28 * 7 * 2 + 33 * 6 * 2 + 36 * 7 + 37 * 7 * 2)

static void every_size_of_stage_1_is_found_again(void **state)
{
	(void)state;
	sweep_flags(IOPGT_STAGE1_EL1, 0, check_stage1, STAGE1_SIZES);
}

static void every_size_of_an_upper_half_is_found_again(void **state)
{
	(void)state;
	sweep_flags(IOPGT_STAGE1_EL1, IOPGT_CONFIG_TTBR1, check_stage1, STAGE1_SIZES);
}

/*
 * Stage 2, input at most output: 32, 36, 40, 42, 44, 48 give 8 + 12 + 16 + 18 + 20 +
 * 24 = 98 input sizes from 25 on, and 52 gives 28; from 16 on 6 * 9 more (64 KiB:
 * 7 * 8).
 */
static void every_size_of_stage_2_is_found_again(void **state)
{
	(void)state;
	sweep_flags(IOPGT_STAGE2, 0, check_stage2,
	            98 * 2 + (98 + 28) + (98 + 28) * 2 + (98 + 54) * 2 + (98 + 28 + 56) +
	                    (98 + 54 + 37) * 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_of_stage_1_is_found_again),
		cmocka_unit_test(every_size_of_an_upper_half_is_found_again),
		cmocka_unit_test(every_size_of_stage_2_is_found_again),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
