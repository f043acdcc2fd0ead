/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Start level and size of the start table for every input size, against tables
 * typed from the specification (DDI 0487 D8.2.2 to D8.2.4): stage 2 concatenates up to
 * 16 tables, except where that would start 4 KiB at level 3.
 */
#include "fixture.h"

struct start {
	unsigned first, last; /* input bits */
	int level;
	unsigned shift; /* log2 of what an entry of this level covers */
};

static const struct start stage1_4k[] = {{25, 30, 2, 21}, {31, 39, 1, 30}, {40, 48, 0, 39}};
static const struct start stage1_16k[] = {
	{25, 25, 3, 14}, {26, 36, 2, 25}, {37, 47, 1, 36}, {48, 48, 0, 47}};
static const struct start stage1_64k[] = {{25, 29, 3, 16}, {30, 42, 2, 29}, {43, 48, 1, 42}};

/* 31 to 34 bits: 2 to 16 tables of level 2. 40 to 43: 2 to 16 of level 1. */
static const struct start stage2_4k[] = {{25, 34, 2, 21}, {35, 43, 1, 30}, {44, 48, 0, 39}};
/* 26 to 29: tables of level 3; 37 to 40: of level 2; 48: two of level 1. */
static const struct start stage2_16k[] = {{25, 29, 3, 14}, {30, 40, 2, 25}, {41, 48, 1, 36}};
/* 30 to 33: tables of level 3; 43 to 46: of level 2. */
static const struct start stage2_64k[] = {{25, 33, 3, 16}, {34, 46, 2, 29}, {47, 48, 1, 42}};

static const struct start *starts_of(unsigned granule_shift, uint32_t regime)
{
	static const struct start *const stage1[] = {stage1_4k, stage1_16k, stage1_64k};
	static const struct start *const stage2[] = {stage2_4k, stage2_16k, stage2_64k};
	unsigned index = (granule_shift - 12) / 2;

	return regime == IOPGT_STAGE2 ? stage2[index] : stage1[index];
}

static struct start start_of(const struct fixture *f, unsigned input_bits)
{
	const struct start *start = starts_of(f->config.granule_shift, f->config.regime);

	while (input_bits > start->last)
		start++;
	assert_true(input_bits >= start->first);
	return *start;
}

/* The smallest output size that stage 2 takes, or any. */
static uint8_t least_output(uint8_t input_bits)
{
	static const uint8_t sizes[] = {32, 36, 40, 42, 44, 48};
	unsigned i = 0;

	while (sizes[i] < input_bits)
		i++;
	return sizes[i];
}

/* First and last page of the space, for a walker that finds its own way. */
static void use_whole_space(struct fixture *f)
{
	uint64_t top = (UINT64_C(1) << f->config.input_bits) - granule(f);

	map(f, 0, granule(f), granule(f), RW);
	map(f, top, 0, granule(f), RW);
	expect_mapped(f, 0, granule(f), granule(f));
	expect_mapped(f, top, 0, granule(f));
	read_page(f, 0);
	write_page(f, top);
	assert_false(access_ok(f, 0, top + granule(f), WALKER_READ));
	expect_unmapped(f, granule(f), granule(f));
}

static void check_size(const struct fixture_options *options, uint8_t input, uint8_t output)
{
	struct fixture_options changed = *options;
	struct host_event event;
	struct fixture *f;
	struct start start;
	uint64_t bytes;

	changed.input_bits = input;
	changed.output_bits = output;
	f = fixture_create(&changed, false);
	start = start_of(f, input);
	bytes = UINT64_C(8) << (input > start.shift ? input - start.shift : 0);
	assert_true(host_event(&f->host, (uint64_t)event_index(f, HOST_ALLOC, 0), &event));
	assert_int_equal(event.bytes, bytes < 64 ? 64 : bytes);
	assert_true(event.flags & IOPGT_ALLOC_ZERO);
	assert_int_equal(f->table->geometry.start_level, start.level);
	assert_int_equal(f->table->root_phys % event.bytes, 0);
	use_whole_space(f);
	fixture_end(f);
	fixture_destroy(f);
}

static void start_tables_are_as_specified(struct fixture *f)
{
	for (uint8_t bits = 25; bits <= 48; bits++)
		check_size(&f->options, bits, 48);
}

/* With the smallest output that the input allows: no start level is forbidden. */
static void start_tables_are_legal_for_the_output_size(struct fixture *f)
{
	for (uint8_t bits = 25; bits <= 48; bits++)
		check_size(&f->options, bits, least_output(bits));
}

/* Mappings on both sides of each border between concatenated tables. */
static void concatenated_tables_are_one_space(struct fixture *f)
{
	uint64_t size = UINT64_C(1) << f->config.input_bits, border = size / 16;

	assert_int_equal(f->table->geometry.root_bytes, 16 * granule(f));
	for (uint64_t at = border; at < size; at += border) {
		map(f, at - granule(f), 5 * granule(f), 2 * granule(f), RW);
		expect_mapped(f, at - granule(f), 5 * granule(f), 2 * granule(f));
		write_page(f, at);
		read_page(f, at - 1);
	}
	unmap(f, 0, size);
	expect_unmapped(f, border - granule(f), 2 * granule(f));
	assert_int_equal(pool_in_use(f->host.pool), 1);
}

/* A space of 25 bits with 16 KiB or 64 KiB pages starts at the last level. */
static void a_table_of_one_level_works(struct fixture *f)
{
	uint64_t size = UINT64_C(1) << 25;

	assert_int_equal(f->table->geometry.start_level, 3);
	map(f, 0, size, size, RW | IOPGT_CLEAN);
	expect_mapped(f, 0, size, size);
	write_page(f, 5 * granule(f));
	take_dirty(f, 0, size);
	expect_only_bits(f, 5 * granule(f), granule(f));
	split(f, 0, size);
	assert_int_equal(merge(f, 0, size).merged, 0);
	protect(f, 0, size, IOPGT_READ);
	unmap(f, granule(f), granule(f));
	expect_unmapped(f, granule(f), granule(f));
	unmap(f, 0, size);
	expect_unmapped(f, 0, size);
	assert_int_equal(pool_in_use(f->host.pool), 1);
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_REGIMES;
	const struct fixture_test tests[] = {
		TEST(all, start_tables_are_as_specified),
		TEST(all, start_tables_are_legal_for_the_output_size),
		TEST_WITH(0, concatenated_tables_are_one_space, .regime = IOPGT_STAGE2,
	                  .input_bits = 34),
		TEST_WITH(0, concatenated_tables_are_one_space, .regime = IOPGT_STAGE2,
	                  .input_bits = 43),
		TEST_WITH(0, concatenated_tables_are_one_space, .regime = IOPGT_STAGE2,
	                  .granule_shift = 14, .input_bits = 40),
		TEST_WITH(0, concatenated_tables_are_one_space, .regime = IOPGT_STAGE2,
	                  .granule_shift = 14, .input_bits = 29),
		TEST_WITH(0, concatenated_tables_are_one_space, .regime = IOPGT_STAGE2,
	                  .granule_shift = 16, .input_bits = 46),
		TEST_WITH(0, concatenated_tables_are_one_space, .regime = IOPGT_STAGE2,
	                  .granule_shift = 16, .input_bits = 33),
		TEST_WITH(FIXTURE_REGIMES, a_table_of_one_level_works, .granule_shift = 14,
	                  .input_bits = 25),
		TEST_WITH(FIXTURE_REGIMES, a_table_of_one_level_works, .granule_shift = 16,
	                  .input_bits = 25),
	};

	return FIXTURE_RUN(tests);
}
