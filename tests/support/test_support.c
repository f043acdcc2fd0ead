/* SPDX-License-Identifier: BSD-2-Clause */
/* The walker model against tables built by hand: decoding, updates, faults. */
#include "test_rig.h"

struct start {
	uint8_t stage, granule_shift, input_bits, output_bits;
	int level;
	unsigned tables;
	uint64_t bytes;
};

static void start_levels_are_those_of_the_specification(void **state)
{
	static const struct start starts[] = {
		{1, 12, 48, 48, 0, 1, 4 * KIB},    {1, 12, 39, 48, 1, 1, 4 * KIB},
		{1, 12, 40, 48, 0, 1, 64},         {1, 12, 32, 40, 1, 1, 64},
		{1, 12, 30, 40, 2, 1, 4 * KIB},    {1, 12, 25, 40, 2, 1, 128},
		{1, 14, 48, 48, 0, 1, 64},         {1, 14, 47, 48, 1, 1, 16 * KIB},
		{1, 14, 36, 48, 2, 1, 16 * KIB},   {1, 16, 48, 48, 1, 1, 512},
		{1, 16, 42, 48, 2, 1, 64 * KIB},   {2, 12, 48, 48, 0, 1, 4 * KIB},
		{2, 12, 44, 44, 0, 1, 256},        {2, 12, 43, 48, 1, 16, 64 * KIB},
		{2, 12, 40, 40, 1, 2, 8 * KIB},    {2, 12, 39, 40, 1, 1, 4 * KIB},
		{2, 12, 34, 40, 2, 16, 64 * KIB},  {2, 12, 35, 40, 1, 1, 256},
		{2, 12, 31, 40, 2, 2, 8 * KIB},    {2, 12, 25, 40, 2, 1, 128},
		{2, 14, 48, 48, 1, 2, 32 * KIB},   {2, 14, 47, 48, 1, 1, 16 * KIB},
		{2, 14, 40, 40, 2, 16, 256 * KIB}, {2, 14, 41, 42, 1, 1, 256},
		{2, 14, 27, 40, 3, 4, 64 * KIB},   {2, 16, 48, 48, 1, 1, 512},
		{2, 16, 46, 48, 2, 16, 1 * MIB},   {2, 16, 42, 42, 2, 1, 64 * KIB},
		{2, 16, 33, 40, 3, 16, 1 * MIB},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		const struct start *start = &starts[i];
		struct walker_config config = {
			.stage = start->stage,
			.granule_shift = start->granule_shift,
			.input_bits = start->input_bits,
			.output_bits = start->output_bits,
		};
		unsigned tables;
		int level;

		assert_true(walker_start_level(&config, &level, &tables));
		assert_int_equal(level, start->level);
		assert_int_equal(tables, start->tables);
		assert_int_equal(walker_start_bytes(&config), start->bytes);
	}
}

static void impossible_sizes_are_refused(void **state)
{
	static const struct walker_config bad[] = {
		{.stage = 2, .granule_shift = 12, .input_bits = 41, .output_bits = 40},
		{.stage = 1, .granule_shift = 13, .input_bits = 40, .output_bits = 40},
		{.stage = 1, .granule_shift = 12, .input_bits = 24, .output_bits = 40},
		{.stage = 1, .granule_shift = 12, .input_bits = 49, .output_bits = 48},
		{.stage = 3, .granule_shift = 12, .input_bits = 40, .output_bits = 40},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(walker_start_bytes(&bad[i]), 0);
}

/* Bits of a readable, writable, untracked leaf with AF. */
static uint64_t writable_bits(const struct rig *rig)
{
	return rig->config.stage == 1 ? RIG_S1 | RIG_AF : RIG_S2 | RIG_AF | RIG_BIT7;
}

static void expect_leaf(struct rig *rig, uint64_t iova, uint64_t phys, int level)
{
	uint64_t size = UINT64_C(1) << (rig->config.granule_shift +
	                                (3 - level) * (rig->config.granule_shift - 3));
	uint64_t last = iova + size - 8;
	struct walker_result result;
	struct walker_leaf leaf;

	assert_int_equal(walker_translate(rig->walker, last, &leaf), WALKER_OK);
	assert_int_equal(leaf.phys, phys + size - 8);
	assert_int_equal(leaf.leaf_phys, phys);
	assert_int_equal(leaf.size, size);
	assert_int_equal(leaf.level, level);
	assert_int_equal(leaf.memory, WALKER_WRITE_BACK);
	assert_int_equal(leaf.shareability, 3);
	assert_int_equal(leaf.dirty, WALKER_WRITABLE_UNTRACKED);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(walker_access(rig->walker, last, WALKER_WRITE, &result),
		                 WALKER_OK);
		assert_int_equal(result.phys, phys + size - 8);
		assert_int_equal(result.cached, i == 1);
		assert_int_equal(result.level, level);
	}
	assert_int_equal(walker_translate(rig->walker, iova + size, &leaf), WALKER_TRANSLATION);
	rig_expect(rig, iova - 1, WALKER_READ, WALKER_TRANSLATION);
}

static void pages_and_blocks_translate_at_every_granule_and_stage(void **state)
{
	static const uint8_t inputs[] = {32, 39, 40, 48};

	(void)state;
	for (unsigned i = 0; i < 4 * 3 * 2; i++) {
		struct walker_config config = rig_usual();
		struct rig rig;

		config.stage = (uint8_t)(1 + i % 2);
		config.granule_shift = (uint8_t)(12 + 2 * (i / 2 % 3));
		config.input_bits = inputs[i / 6];
		config.output_bits = 48;
		for (int level = config.granule_shift == 12 ? 1 : 2; level <= 3; level++) {
			uint64_t size = UINT64_C(1) << (config.granule_shift +
			                                (3 - level) * (config.granule_shift - 3));

			rig_init(&rig, &config);
			if (level >= rig.start && size < UINT64_C(1) << 31) {
				uint64_t iova = (UINT64_C(1) << config.input_bits) - 2 * size;

				rig_leaf(&rig, iova, level, writable_bits(&rig) | 4 * size);
				expect_leaf(&rig, iova, 4 * size, level);
			}
			assert_true(host_is_good(&rig.host));
			rig_fini(&rig);
		}
	}
}

static void input_beyond_the_range_faults_at_the_start_level(void **state)
{
	struct walker_config config = rig_usual();
	struct walker_result result;
	struct rig rig;

	(void)state;
	rig_init(&rig, &config);
	assert_int_equal(walker_access(rig.walker, UINT64_C(1) << 39, 0, &result),
	                 WALKER_TRANSLATION);
	assert_int_equal(result.level, 1);
	rig_expect(&rig, UINT64_MAX, WALKER_READ, WALKER_TRANSLATION);
	rig_fini(&rig);
}

static void misplaced_block_encodings_are_invalid(void **state)
{
	struct walker_config config = rig_usual();
	struct rig rig;

	(void)state;
	rig_init(&rig, &config);
	rig_put(&rig, rig_slot(&rig, 0, 3), 0, RIG_S1 | RIG_AF | 1);
	rig_expect(&rig, 0, WALKER_READ, WALKER_TRANSLATION);
	rig_fini(&rig);

	config.granule_shift = 16;
	config.input_bits = 48;
	rig_init(&rig, &config);
	rig_put(&rig, rig_slot(&rig, 0, 1), 0, RIG_S1 | RIG_AF | 1);
	rig_expect(&rig, 0, WALKER_READ, WALKER_TRANSLATION);
	rig_fini(&rig);
}

static void wide_addresses_are_address_size_faults(void **state)
{
	struct walker_config config = rig_usual();
	struct rig rig;

	(void)state;
	rig_init(&rig, &config);
	rig_leaf(&rig, 0, 3, RIG_S1 | RIG_AF | UINT64_C(1) << 40);
	rig_put(&rig, rig_slot(&rig, GIB, 1), 0, UINT64_C(1) << 47 | 3);
	rig_expect(&rig, 0, WALKER_READ, WALKER_ADDRESS_SIZE);
	rig_expect(&rig, GIB, WALKER_READ, WALKER_ADDRESS_SIZE);
	assert_false(walker_caches_iova(rig.walker, 0));
	assert_true(host_is_good(&rig.host));
	rig_fini(&rig);
}

static void reserved_bits_are_noticed(void **state)
{
	static const uint64_t stage1[] = {1 << 5, UINT64_C(1) << 48, UINT64_C(1) << 63,
	                                  UINT64_C(1) << 59, 0};
	static const uint64_t stage2[] = {1 << 11, UINT64_C(1) << 50, UINT64_C(1) << 53,
	                                  UINT64_C(1) << 63, 0};

	(void)state;
	for (unsigned stage = 1; stage <= 2; stage++) {
		const uint64_t *bits = stage == 1 ? stage1 : stage2;

		for (unsigned i = 0; bits[i]; i++) {
			struct walker_config config = rig_usual();
			struct rig rig;

			config.stage = (uint8_t)stage;
			rig_init(&rig, &config);
			rig_leaf(&rig, 0, 3, writable_bits(&rig) | bits[i]);
			rig_expect(&rig, 0, WALKER_READ, WALKER_RESERVED);
			assert_non_null(walker_error(rig.walker));
			rig_fini(&rig);
		}
	}
}

static void nt_is_reserved_in_pages_and_below_level_1(void **state)
{
	struct walker_config config = rig_usual();
	struct rig rig;

	(void)state;
	config.bbm_level = 0;
	rig_init(&rig, &config);
	rig_leaf(&rig, 0, 2, RIG_S1 | RIG_AF | RIG_NT);
	rig_expect(&rig, 0, WALKER_READ, WALKER_RESERVED);
	rig_fini(&rig);

	config.bbm_level = 1;
	rig_init(&rig, &config);
	rig_leaf(&rig, 0, 2, RIG_S1 | RIG_AF | RIG_NT);
	rig_leaf(&rig, 2 * MIB, 2, RIG_S1 | RIG_AF | UINT64_C(0x20000));
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	assert_false(walker_caches_iova(rig.walker, 0));
	rig_expect(&rig, 2 * MIB, WALKER_READ, WALKER_RESERVED);
	rig_fini(&rig);
}

static void nt_faults_on_a_cpu_that_chooses_so(void **state)
{
	struct walker_config config = rig_usual();
	struct rig rig;

	(void)state;
	config.flags = WALKER_HA | WALKER_NT_FAULTS;
	rig_init(&rig, &config);
	rig_leaf(&rig, 0, 2, RIG_S1 | RIG_AF | RIG_NT);
	rig_expect(&rig, 0, WALKER_READ, WALKER_TRANSLATION);
	assert_true(host_is_good(&rig.host));
	rig_fini(&rig);
}

static void access_flag_faults_or_is_set(void **state)
{
	struct walker_config config = rig_usual();
	struct rig rig;
	uint64_t slot;

	(void)state;
	rig_init(&rig, &config);
	slot = rig_leaf(&rig, 0, 3, RIG_S1_CLEAN ^ RIG_AF);
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	assert_int_equal(rig_get(&rig, slot), RIG_S1_CLEAN | 3);
	rig_expect(&rig, 0, WALKER_WRITE, WALKER_OK);
	assert_int_equal(rig_get(&rig, slot), RIG_S1_DIRTY | 3);
	assert_int_equal(rig_counters(&rig).access_flag_updates, 1);
	assert_int_equal(rig_counters(&rig).rereads, 0);
	rig_fini(&rig);

	config.flags = WALKER_SMMU;
	rig_init(&rig, &config);
	slot = rig_leaf(&rig, 0, 3, RIG_S1);
	rig_expect(&rig, 0, WALKER_READ, WALKER_ACCESS_FLAG);
	assert_int_equal(rig_get(&rig, slot), RIG_S1 | 3);
	assert_false(walker_caches_iova(rig.walker, 0));
	rig_fini(&rig);
}

struct permission {
	uint8_t stage;
	uint32_t flags;
	uint64_t bits; /* beside memory type, SH, AF */
	uint32_t may;  /* of enum walker_permission */
};

#define ALL_MAY UINT32_C(0x3f)
#define PXN     (UINT64_C(1) << 53)
#define UXN     (UINT64_C(1) << 54)

static void permissions_follow_the_bits(void **state)
{
	static const struct permission cases[] = {
		{1, 0, 0x040, ALL_MAY & ~(uint32_t)WALKER_MAY_EXECUTE},
		{1, 0, 0x0c0, ALL_MAY & ~UINT32_C(0x12)},
		{1, 0, 0x0c0 | PXN, ALL_MAY & ~UINT32_C(0x16)},
		{1, 0, 0x0c0 | UXN, ALL_MAY & ~UINT32_C(0x32)},
		{1, 0, 0x000, 0x27},
		{1, 0, 0x080 | UXN | PXN, 0x01},
		{1, WALKER_EL2, 0x040, 0x07},
		{1, WALKER_EL2, 0x0c0 | UXN, 0x01},
		{2, 0, 0x0c0, ALL_MAY},
		{2, 0, 0x040 | UXN, 0x09},
		{2, 0, 0x080, 0x36},
		{2, 0, 0, 0x24},
		{2, WALKER_XNX, 0x0c0 | PXN, ALL_MAY & ~UINT32_C(0x04)},
		{2, WALKER_XNX, 0x0c0 | PXN | UXN, ALL_MAY & ~UINT32_C(0x20)},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct walker_config config = rig_usual();
		struct rig rig;

		config.stage = cases[i].stage;
		config.flags |= cases[i].flags;
		rig_init(&rig, &config);
		rig_leaf(&rig, 0, 3,
		         RIG_SH | RIG_AF | cases[i].bits | (cases[i].stage == 1 ? 0x04 : 0x3c));
		for (uint32_t access = 0; access < 8; access++) {
			uint32_t kind = access & WALKER_KIND;
			bool high = access & WALKER_PRIVILEGED || cases[i].flags & WALKER_EL2;

			if (kind != 3)
				rig_expect(&rig, 0, access,
				           cases[i].may >> (kind + (high ? 0 : 3)) & 1
				                   ? WALKER_OK
				                   : WALKER_PERMISSION);
		}
		assert_true(host_is_good(&rig.host));
		rig_fini(&rig);
	}
}

static void a_write_makes_writable_clean_dirty_and_a_read_does_not(void **state)
{
	(void)state;
	for (unsigned stage = 1; stage <= 2; stage++) {
		uint64_t clean = stage == 1 ? RIG_S1_CLEAN : RIG_S2 | RIG_AF | RIG_DBM;
		struct walker_config config = rig_usual();
		struct walker_leaf leaf;
		struct rig rig;
		uint64_t slot;

		config.stage = (uint8_t)stage;
		rig_init(&rig, &config);
		slot = rig_leaf(&rig, 0, 3, clean);
		rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
		assert_int_equal(rig_get(&rig, slot), clean | 3);
		walker_translate(rig.walker, 0, &leaf);
		assert_int_equal(leaf.dirty, WALKER_WRITABLE_CLEAN);
		assert_true(leaf.permissions & WALKER_MAY_WRITE);
		rig_expect(&rig, 0, WALKER_WRITE, WALKER_OK);
		rig_expect(&rig, 0, WALKER_WRITE, WALKER_OK);
		assert_int_equal(rig_get(&rig, slot), (clean ^ RIG_BIT7) | 3);
		walker_translate(rig.walker, 0, &leaf);
		assert_int_equal(leaf.dirty, WALKER_WRITABLE_DIRTY);
		assert_int_equal(rig_counters(&rig).dirty_updates, 1);
		rig_fini(&rig);
	}
}

static void without_hd_a_clean_leaf_faults_and_stays_cached(void **state)
{
	const struct iopgt_invalidation page = {.size = 4 * KIB, .stride_shift = 12, .level = 3};
	struct walker_config config = rig_usual();
	struct rig rig;
	uint64_t slot;

	(void)state;
	config.flags = WALKER_HA | WALKER_SMMU;
	rig_init(&rig, &config);
	slot = rig_leaf(&rig, 0, 3, RIG_S1_CLEAN);
	rig_expect(&rig, 0, WALKER_WRITE, WALKER_PERMISSION);
	assert_int_equal(rig_get(&rig, slot), RIG_S1_CLEAN | 3);
	rig_put(&rig, slot, 0, RIG_S1_DIRTY | 3);
	rig_expect(&rig, 0, WALKER_WRITE, WALKER_PERMISSION);
	rig_invalidate(&rig, &page);
	rig_expect(&rig, 0, WALKER_WRITE, WALKER_OK);
	rig_fini(&rig);
}

static bool count_leaf(void *context, uint64_t iova, const struct walker_leaf *leaf)
{
	uint64_t *sum = context;

	*sum += leaf->size;
	assert_int_equal(leaf->leaf_phys, iova + 64 * MIB);
	return true;
}

static void for_each_leaf_skips_holes(void **state)
{
	struct walker_config config = rig_usual();
	uint64_t sum = 0;
	struct rig rig;

	(void)state;
	rig_init(&rig, &config);
	rig_leaf(&rig, 4 * KIB, 3, RIG_S1_CLEAN | (64 * MIB + 4 * KIB));
	rig_leaf(&rig, 4 * MIB, 2, RIG_S1_CLEAN | 68 * MIB);
	rig_leaf(&rig, 5 * GIB, 3, RIG_S1_CLEAN | (5 * GIB + 64 * MIB));
	assert_true(walker_for_each_leaf(rig.walker, 0, UINT64_MAX, count_leaf, &sum));
	assert_int_equal(sum, 2 * MIB + 8 * KIB);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_levels_are_those_of_the_specification),
		cmocka_unit_test(impossible_sizes_are_refused),
		cmocka_unit_test(pages_and_blocks_translate_at_every_granule_and_stage),
		cmocka_unit_test(input_beyond_the_range_faults_at_the_start_level),
		cmocka_unit_test(misplaced_block_encodings_are_invalid),
		cmocka_unit_test(wide_addresses_are_address_size_faults),
		cmocka_unit_test(reserved_bits_are_noticed),
		cmocka_unit_test(nt_is_reserved_in_pages_and_below_level_1),
		cmocka_unit_test(nt_faults_on_a_cpu_that_chooses_so),
		cmocka_unit_test(access_flag_faults_or_is_set),
		cmocka_unit_test(permissions_follow_the_bits),
		cmocka_unit_test(a_write_makes_writable_clean_dirty_and_a_read_does_not),
		cmocka_unit_test(without_hd_a_clean_leaf_faults_and_stays_cached),
		cmocka_unit_test(for_each_leaf_skips_holes),
	};

	return cmocka_run_group_tests_name("walker", tests, NULL, NULL);
}
