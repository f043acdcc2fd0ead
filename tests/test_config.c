/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_init: each field checked, each fault its own error, nothing left behind. */
#include "fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A host without a table, and a configuration to spoil. */
static void with_host(void (*test)(struct fixture *f))
{
	const struct fixture_options options = {0};
	struct fixture *f = fixture_create(&options, true);

	test(f);
	assert_int_equal(pool_in_use(f->host.pool), 0);
	host_check(&f->host);
	fixture_destroy(f);
}

static void expect_refused(struct fixture *f, int want, const struct iopgt_config *config)
{
	struct iopgt_table table;

	expect(want, iopgt_init(&table, config, &f->hal, &f->host));
	assert_int_equal(pool_in_use(f->host.pool), 0);
}

static void expect_accepted(struct fixture *f, const struct iopgt_config *config)
{
	struct iopgt_table table;

	expect(IOPGT_OK, iopgt_init(&table, config, &f->hal, &f->host));
	assert_int_equal(pool_in_use(f->host.pool), 1);
	expect(IOPGT_OK, iopgt_fini(&table));
	assert_int_equal(pool_in_use(f->host.pool), 0);
}

/* --- Fields --- */

#define EXPECT_EACH(f, want, field, ...)                                                           \
	do {                                                                                       \
		static const uint64_t values_[] = {__VA_ARGS__};                                   \
                                                                                                   \
		for (size_t i_ = 0; i_ < COUNT(values_); i_++) {                                   \
			struct iopgt_config config_ = (f)->config;                                 \
                                                                                                   \
			config_.field = values_[i_];                                               \
			if ((want) == IOPGT_OK)                                                    \
				expect_accepted(f, &config_);                                      \
			else                                                                       \
				expect_refused(f, want, &config_);                                 \
		}                                                                                  \
	} while (0)

static void each_field(struct fixture *f)
{
	EXPECT_EACH(f, IOPGT_OK, regime, IOPGT_STAGE1_EL1, IOPGT_STAGE1_EL2, IOPGT_STAGE2);
	EXPECT_EACH(f, IOPGT_BAD_REGIME, regime, IOPGT_REGIMES, 99, UINT32_MAX);
	EXPECT_EACH(f, IOPGT_OK, granule_shift, 12, 14, 16);
	EXPECT_EACH(f, IOPGT_BAD_GRANULE, granule_shift, 0, 1, 11, 13, 15, 17, 64, 255);
	EXPECT_EACH(f, IOPGT_OK, input_bits, 25, 32, 39, 40, 48);
	EXPECT_EACH(f, IOPGT_BAD_INPUT_BITS, input_bits, 0, 12, 24, 49, 52, 64, 255);
	EXPECT_EACH(f, IOPGT_OK, output_bits, 32, 36, 40, 42, 44, 48);
	EXPECT_EACH(f, IOPGT_BAD_OUTPUT_BITS, output_bits, 0, 31, 33, 39, 47, 49, 52, 64, 255);
	EXPECT_EACH(f, IOPGT_OK, bbm_level, 0, 1, 2);
	EXPECT_EACH(f, IOPGT_BAD_BBM_LEVEL, bbm_level, 3, 255);
	EXPECT_EACH(f, IOPGT_OK, dirty, IOPGT_DIRTY_NONE, IOPGT_DIRTY_HARDWARE,
	            IOPGT_DIRTY_SOFTWARE);
	EXPECT_EACH(f, IOPGT_BAD_DIRTY_MODE, dirty, 3, UINT32_MAX);
	EXPECT_EACH(f, IOPGT_OK, flags, 0, IOPGT_CONFIG_FAULTS_RETRIED);
	EXPECT_EACH(f, IOPGT_BAD_FLAGS, flags, IOPGT_CONFIG_ALL_FLAGS + 1, 1u << 31,
	            1u << 31 | IOPGT_CONFIG_FAULTS_RETRIED);
}

static void each_legal_value_is_accepted_and_each_fault_has_its_error(void **state)
{
	(void)state;
	with_host(each_field);
}

/* "Pages must be among them, no block size may be missing below one that is given" */
static void leaf_sizes(struct fixture *f)
{
	EXPECT_EACH(f, IOPGT_OK, leaf_sizes, 0, 1 << 12, 1 << 12 | 1 << 21,
	            1 << 12 | 1 << 21 | 1 << 30);
	EXPECT_EACH(f, IOPGT_BAD_LEAF_SIZES, leaf_sizes, 1 << 21, 1 << 30, 1 << 21 | 1 << 30,
	            1 << 13 | 1 << 12, 1 << 14, 1 << 12 | 1 << 30, 1 << 12 | 1 << 25,
	            UINT64_C(1) << 39 | 1 << 12, UINT64_C(1) << 63, 1);
	f->config.granule_shift = 14;
	EXPECT_EACH(f, IOPGT_OK, leaf_sizes, 0, 1 << 14, 1 << 14 | 1 << 25);
	EXPECT_EACH(f, IOPGT_BAD_LEAF_SIZES, leaf_sizes, 1 << 12, 1 << 25, 1 << 14 | 1 << 20,
	            UINT64_C(1) << 36 | 1 << 25 | 1 << 14);
	f->config.granule_shift = 16;
	EXPECT_EACH(f, IOPGT_OK, leaf_sizes, 0, 1 << 16, 1 << 16 | 1 << 29);
	EXPECT_EACH(f, IOPGT_BAD_LEAF_SIZES, leaf_sizes, 1 << 12, 1 << 29, 1 << 16 | 1 << 25,
	            UINT64_C(1) << 42 | 1 << 29 | 1 << 16);
}

/* D8.3.1: 512 GiB and 64 GiB with DS = 1, 4 TiB with 52 output bits; nothing is larger. */
static void largest_leaf_sizes(struct fixture *f)
{
	f->config.output_bits = 52;
	f->config.flags = IOPGT_CONFIG_LPA2;
	EXPECT_EACH(f, IOPGT_OK, leaf_sizes, UINT64_C(1) << 39 | 1 << 30 | 1 << 21 | 1 << 12);
	EXPECT_EACH(f, IOPGT_BAD_LEAF_SIZES, leaf_sizes,
	            UINT64_C(1) << 48 | UINT64_C(1) << 39 | 1 << 30 | 1 << 21 | 1 << 12);
	f->config.granule_shift = 14;
	EXPECT_EACH(f, IOPGT_OK, leaf_sizes, UINT64_C(1) << 36 | 1 << 25 | 1 << 14);
	EXPECT_EACH(f, IOPGT_BAD_LEAF_SIZES, leaf_sizes,
	            UINT64_C(1) << 47 | UINT64_C(1) << 36 | 1 << 25 | 1 << 14);
	f->config.granule_shift = 16;
	f->config.flags = 0;
	EXPECT_EACH(f, IOPGT_OK, leaf_sizes, UINT64_C(1) << 42 | 1 << 29 | 1 << 16);
	EXPECT_EACH(f, IOPGT_BAD_LEAF_SIZES, leaf_sizes,
	            UINT64_C(1) << 55 | UINT64_C(1) << 42 | 1 << 29 | 1 << 16);
}

static void the_largest_blocks_need_an_extension(void **state)
{
	(void)state;
	with_host(largest_leaf_sizes);
}

/* "A contiguous group needs the size of its entries." */
static void group_sizes(struct fixture *f)
{
	EXPECT_EACH(f, IOPGT_OK, leaf_sizes, 1 << 12 | 1 << 16, 1 << 12 | 1 << 21 | 1 << 25,
	            1 << 12 | 1 << 16 | 1 << 21 | 1 << 30 | UINT64_C(1) << 34);
	EXPECT_EACH(f, IOPGT_BAD_LEAF_SIZES, leaf_sizes, 1 << 16, 1 << 12 | 1 << 25,
	            1 << 12 | 1 << 21 | UINT64_C(1) << 34, 1 << 12 | 1 << 17);
	f->config.granule_shift = 14;
	EXPECT_EACH(f, IOPGT_OK, leaf_sizes, 1 << 14 | 1 << 21,
	            1 << 14 | 1 << 25 | 1 << 30 | 1 << 21);
	EXPECT_EACH(f, IOPGT_BAD_LEAF_SIZES, leaf_sizes, 1 << 14 | 1 << 30, 1 << 21 | 1 << 25);
	f->config.granule_shift = 16;
	EXPECT_EACH(f, IOPGT_OK, leaf_sizes, 1 << 16 | 1 << 21,
	            1 << 16 | 1 << 29 | UINT64_C(1) << 34);
	EXPECT_EACH(f, IOPGT_BAD_LEAF_SIZES, leaf_sizes, 1 << 16 | UINT64_C(1) << 34);
}

static void groups_need_the_size_of_their_entries(void **state)
{
	(void)state;
	with_host(group_sizes);
}

static void leaf_sizes_are_those_of_the_granule(void **state)
{
	(void)state;
	with_host(leaf_sizes);
}

/* Each flag alone: good where the header says that it says something, refused elsewhere. */
static void flags_of_regimes(struct fixture *f)
{
	static const struct {
		uint32_t flag, regimes; /* a bit for each */
	} flags[] = {
		{IOPGT_CONFIG_NON_COHERENT, 0x1f},
		{IOPGT_CONFIG_FAULTS_RETRIED, 0x1f},
		{IOPGT_CONFIG_ACCESS_FLAG, 0x1f},
		{IOPGT_CONFIG_FORCED_WRITE_BACK, 1 << IOPGT_STAGE2},
		{IOPGT_CONFIG_XNX, 1 << IOPGT_STAGE2},
		{IOPGT_CONFIG_LPA2,
	         1 << IOPGT_STAGE1_EL1 | 1 << IOPGT_STAGE1_EL2 | 1 << IOPGT_STAGE2},
		{IOPGT_CONFIG_SMALL_TABLES,
	         1 << IOPGT_STAGE1_EL1 | 1 << IOPGT_STAGE1_EL2 | 1 << IOPGT_STAGE2},
		{IOPGT_CONFIG_TTBR1, 1 << IOPGT_STAGE1_EL1},
		{IOPGT_CONFIG_SECURE,
	         1 << IOPGT_STAGE1_EL1 | 1 << IOPGT_STAGE1_EL2 | 1 << IOPGT_STAGE1_AARCH32},
		{IOPGT_CONFIG_TABLE_ACCESS_FLAG, 0},
	};
	struct iopgt_config config = f->config;
	uint32_t all = 0;

	config.dirty = IOPGT_DIRTY_NONE;
	config.bbm_level = 0;
	config.input_bits = 32;
	config.output_bits = 40;
	for (size_t i = 0; i < COUNT(flags); i++) {
		all |= flags[i].flag;
		config.flags = flags[i].flag;
		for (config.regime = 0; config.regime < IOPGT_REGIMES; config.regime++)
			if (flags[i].regimes & 1u << config.regime)
				expect_accepted(f, &config);
			else
				expect_refused(f, IOPGT_BAD_FLAGS, &config);
	}
	assert_int_equal(all, IOPGT_CONFIG_ALL_FLAGS);
	/* DS says nothing with 64 KiB pages (D24.2, TCR_EL1.DS). */
	f->config.flags = IOPGT_CONFIG_LPA2;
	EXPECT_EACH(f, IOPGT_OK, granule_shift, 12, 14);
	EXPECT_EACH(f, IOPGT_BAD_FLAGS, granule_shift, 16);
}

static void flags_without_a_meaning_are_refused(void **state)
{
	(void)state;
	with_host(flags_of_regimes);
}

static void table_access_flags(struct fixture *f)
{
	f->config.flags = IOPGT_CONFIG_TABLE_ACCESS_FLAG;
	EXPECT_EACH(f, IOPGT_OK, dirty, IOPGT_DIRTY_HARDWARE);
	EXPECT_EACH(f, IOPGT_BAD_FLAGS, dirty, IOPGT_DIRTY_NONE, IOPGT_DIRTY_SOFTWARE);
	f->config.dirty = IOPGT_DIRTY_HARDWARE;
	f->config.input_bits = 32;
	f->config.output_bits = 40;
	EXPECT_EACH(f, IOPGT_OK, regime, IOPGT_STAGE1_EL1, IOPGT_STAGE1_EL2, IOPGT_STAGE2);
	EXPECT_EACH(f, IOPGT_BAD_FLAGS, regime, IOPGT_STAGE1_AARCH32, IOPGT_STAGE2_AARCH32);
}

static void table_access_flags_need_hardware_dirty_management(void **state)
{
	(void)state;
	with_host(table_access_flags);
}

static void aarch32_modes(struct fixture *f)
{
	f->config.output_bits = 40;
	f->config.input_bits = 32;
	f->config.bbm_level = 0;
	for (uint32_t regime = IOPGT_STAGE1_AARCH32; regime <= IOPGT_STAGE2_AARCH32; regime++) {
		f->config.regime = regime;
		EXPECT_EACH(f, IOPGT_BAD_DIRTY_MODE, dirty, IOPGT_DIRTY_HARDWARE,
		            IOPGT_DIRTY_SOFTWARE);
		f->config.dirty = IOPGT_DIRTY_NONE;
		EXPECT_EACH(f, IOPGT_OK, bbm_level, 0, 2);
		EXPECT_EACH(f, IOPGT_BAD_BBM_LEVEL, bbm_level, 1);
		EXPECT_EACH(f, IOPGT_BAD_GRANULE, granule_shift, 14, 16);
		EXPECT_EACH(f, IOPGT_BAD_OUTPUT_BITS, output_bits, 42, 48, 52);
	}
}

static void aarch32_has_neither_dirty_management_nor_nt(void **state)
{
	(void)state;
	with_host(aarch32_modes);
}

/* G5.5: T0SZ has 3 bits at stage 1, 4 signed bits at stage 2, of which all but 16 are used. */
static void aarch32_sizes(struct fixture *f)
{
	f->config.output_bits = 40;
	f->config.dirty = IOPGT_DIRTY_NONE;
	f->config.bbm_level = 0;
	f->config.regime = IOPGT_STAGE1_AARCH32;
	EXPECT_EACH(f, IOPGT_OK, input_bits, 25, 31, 32);
	EXPECT_EACH(f, IOPGT_BAD_INPUT_BITS, input_bits, 24, 33, 40);
	f->config.regime = IOPGT_STAGE2_AARCH32;
	EXPECT_EACH(f, IOPGT_OK, input_bits, 25, 32, 33, 40);
	EXPECT_EACH(f, IOPGT_BAD_INPUT_BITS, input_bits, 24, 41, 48);
}

static void aarch32_has_inputs_of_its_own(void **state)
{
	(void)state;
	with_host(aarch32_sizes);
}

/* D8.2: TxSZ is at most 48, with 64 KiB 47; at least 16, or 12 with DS = 1 or 64 KiB. */
static void sizes_of_small_and_large_spaces(struct fixture *f)
{
	f->config.flags = IOPGT_CONFIG_SMALL_TABLES;
	EXPECT_EACH(f, IOPGT_OK, input_bits, 16, 17, 24);
	EXPECT_EACH(f, IOPGT_BAD_INPUT_BITS, input_bits, 15, 49);
	f->config.granule_shift = 14;
	EXPECT_EACH(f, IOPGT_OK, input_bits, 16, 17, 24);
	EXPECT_EACH(f, IOPGT_BAD_INPUT_BITS, input_bits, 15, 49);
	f->config.flags |= IOPGT_CONFIG_LPA2;
	EXPECT_EACH(f, IOPGT_OK, input_bits, 16, 49, 52);
	EXPECT_EACH(f, IOPGT_BAD_INPUT_BITS, input_bits, 15, 53);
	f->config.flags = IOPGT_CONFIG_SMALL_TABLES;
	f->config.granule_shift = 16;
	EXPECT_EACH(f, IOPGT_OK, input_bits, 17, 24, 49, 52);
	EXPECT_EACH(f, IOPGT_BAD_INPUT_BITS, input_bits, 16, 53);
}

static void each_granule_has_inputs_of_its_own(void **state)
{
	(void)state;
	with_host(sizes_of_small_and_large_spaces);
}

static void stage_2_sizes(struct fixture *f)
{
	f->config.regime = IOPGT_STAGE2;
	f->config.output_bits = 40;
	EXPECT_EACH(f, IOPGT_OK, input_bits, 25, 32, 39, 40);
	EXPECT_EACH(f, IOPGT_BAD_INPUT_BITS, input_bits, 41, 48);
	f->config.output_bits = 32;
	EXPECT_EACH(f, IOPGT_BAD_INPUT_BITS, input_bits, 33, 40, 48);
	f->config.regime = IOPGT_STAGE1_EL1;
	EXPECT_EACH(f, IOPGT_OK, input_bits, 33, 48);
}

static void stage_2_input_is_at_most_the_output(void **state)
{
	(void)state;
	with_host(stage_2_sizes);
}

static void walks_that_do_not_snoop(struct fixture *f)
{
	f->config.flags = IOPGT_CONFIG_NON_COHERENT;
	EXPECT_EACH(f, IOPGT_BAD_WALK, dirty, IOPGT_DIRTY_HARDWARE, IOPGT_DIRTY_SOFTWARE);
	EXPECT_EACH(f, IOPGT_OK, dirty, IOPGT_DIRTY_NONE);
}

static void dirty_management_asks_for_a_coherent_walk(void **state)
{
	(void)state;
	with_host(walks_that_do_not_snoop);
}

/* --- The HAL --- */

static void expect_bad_hal(struct fixture *f)
{
	expect_refused(f, IOPGT_BAD_HAL, &f->config);
	f->hal = f->host.hal;
}

static void spoil_the_hal(struct fixture *f)
{
	f->hal = f->host.hal;
	f->hal.alloc_table = NULL;
	expect_bad_hal(f);
	f->hal.free_table = NULL;
	expect_bad_hal(f);
	f->hal.phys_to_virt = NULL;
	expect_bad_hal(f);
	f->hal.tlb.invalidate_range = NULL;
	expect_bad_hal(f);
	f->hal.tlb.invalidate_all = NULL;
	expect_bad_hal(f);
	f->hal.tlb.sync = NULL;
	expect_bad_hal(f);
	f->hal.flags |= UINT32_C(1) << 31;
	expect_bad_hal(f);
	f->config.flags = IOPGT_CONFIG_NON_COHERENT;
	f->config.dirty = IOPGT_DIRTY_NONE;
	f->hal.clean = NULL;
	expect_bad_hal(f);
}

static void each_missing_callback_or_unknown_flag_is_a_bad_hal(void **state)
{
	(void)state;
	with_host(spoil_the_hal);
}

static void leave_out_the_optional(struct fixture *f)
{
	f->hal = f->host.hal;
	f->hal.publish = NULL;
	f->hal.clean = NULL;
	expect_accepted(f, &f->config);
	f->hal.flags = IOPGT_HAL_LINEAR;
	f->hal.linear_offset = pool_linear_offset(f->host.pool);
	f->hal.phys_to_virt = NULL;
	expect_accepted(f, &f->config);
}

static void callbacks_that_are_not_needed_may_be_null(void **state)
{
	(void)state;
	with_host(leave_out_the_optional);
}

static void give_null(struct fixture *f)
{
	struct iopgt_table table;

	expect(IOPGT_BAD_ARGUMENT, iopgt_init(NULL, &f->config, &f->hal, &f->host));
	expect(IOPGT_BAD_ARGUMENT, iopgt_init(&table, NULL, &f->hal, &f->host));
	expect(IOPGT_BAD_ARGUMENT, iopgt_init(&table, &f->config, NULL, &f->host));
	expect(IOPGT_BAD_ARGUMENT, iopgt_fini(NULL));
}

static void null_pointers_are_refused(void **state)
{
	(void)state;
	with_host(give_null);
}

/* --- Memory for the start table --- */

static uint64_t spoiled_by; /* what is added to the physical address */

static void *alloc_spoiled(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys)
{
	struct fixture *f = context; /* the host is its first member */
	void *memory = f->host.hal.alloc_table(context, bytes, flags, phys);

	*phys += spoiled_by;
	return memory;
}

static void free_spoiled(void *context, void *memory, uint64_t phys, uint32_t bytes)
{
	struct fixture *f = context;

	f->host.hal.free_table(context, memory, phys - spoiled_by, bytes);
}

static void give_bad_memory(struct fixture *f)
{
	static const uint64_t spoils[] = {8, 64, 2048, UINT64_C(1) << 40, UINT64_C(1) << 52};

	f->config.output_bits = 40;
	f->config.input_bits = 48; /* a start table of 4 KiB */
	f->hal.alloc_table = alloc_spoiled;
	f->hal.free_table = free_spoiled;
	for (size_t i = 0; i < COUNT(spoils); i++) {
		spoiled_by = spoils[i];
		expect_refused(f, IOPGT_BAD_TABLE_MEMORY, &f->config);
	}
	spoiled_by = 0;
	expect_accepted(f, &f->config);
}

static void memory_that_is_misaligned_or_out_of_reach_is_given_back(void **state)
{
	(void)state;
	with_host(give_bad_memory);
}

static void give_no_memory(struct fixture *f)
{
	host_fail(&f->host, HOST_ALLOC, 1, false);
	expect_refused(f, IOPGT_NO_MEMORY, &f->config);
	expect_accepted(f, &f->config);
}

static void without_memory_there_is_no_table(void **state)
{
	(void)state;
	with_host(give_no_memory);
}

static void end_with_mappings(struct fixture *f)
{
	struct iopgt_mapping mapping = fixture_mapping(0, 4096, 4 << 20, RW);
	struct iopgt_table table;
	struct iopgt_op op = {0};

	expect(IOPGT_OK, iopgt_init(&table, &f->config, &f->hal, &f->host));
	expect(IOPGT_OK, iopgt_map(&table, &mapping, &op));
	mapping.iova = UINT64_C(1) << 46;
	expect(IOPGT_OK, iopgt_map(&table, &mapping, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	assert_true(pool_in_use(f->host.pool) > 5);
	expect(IOPGT_OK, iopgt_fini(&table));
}

static void fini_frees_all_tables(void **state)
{
	(void)state;
	with_host(end_with_mappings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_legal_value_is_accepted_and_each_fault_has_its_error),
		cmocka_unit_test(leaf_sizes_are_those_of_the_granule),
		cmocka_unit_test(the_largest_blocks_need_an_extension),
		cmocka_unit_test(groups_need_the_size_of_their_entries),
		cmocka_unit_test(flags_without_a_meaning_are_refused),
		cmocka_unit_test(table_access_flags_need_hardware_dirty_management),
		cmocka_unit_test(aarch32_has_neither_dirty_management_nor_nt),
		cmocka_unit_test(aarch32_has_inputs_of_its_own),
		cmocka_unit_test(each_granule_has_inputs_of_its_own),
		cmocka_unit_test(stage_2_input_is_at_most_the_output),
		cmocka_unit_test(dirty_management_asks_for_a_coherent_walk),
		cmocka_unit_test(each_missing_callback_or_unknown_flag_is_a_bad_hal),
		cmocka_unit_test(callbacks_that_are_not_needed_may_be_null),
		cmocka_unit_test(null_pointers_are_refused),
		cmocka_unit_test(memory_that_is_misaligned_or_out_of_reach_is_given_back),
		cmocka_unit_test(without_memory_there_is_no_table),
		cmocka_unit_test(fini_frees_all_tables),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
