/* SPDX-License-Identifier: BSD-2-Clause */
/* The walker model's access flags of table descriptors (FEAT_HAFT). */
#include "test_rig.h"

static struct walker_config with_flags(void)
{
	struct walker_config config = rig_usual();

	config.flags |= WALKER_HAFT;
	return config;
}

/* AF of the table descriptor of this level for iova. */
static bool flag(struct rig *rig, uint64_t iova, int level)
{
	return rig_get(rig, rig_slot(rig, iova, level)) & RIG_AF;
}

static void clear_flag(struct rig *rig, uint64_t iova, int level)
{
	uint64_t slot = rig_slot(rig, iova, level);

	rig_put(rig, slot, 0, rig_get(rig, slot) & ~RIG_AF);
}

/* Pages at 0 and 4 KiB, 2 MiB, 1 GiB: leaf tables beside each other and far away. */
static void init_pages(struct rig *rig, const struct walker_config *config)
{
	rig_init(rig, config);
	rig_leaf(rig, 0, 3, RIG_S1_CLEAN);
	rig_leaf(rig, 4 * KIB, 3, RIG_S1_CLEAN);
	rig_leaf(rig, 2 * MIB, 3, RIG_S1_CLEAN);
	rig_leaf(rig, GIB, 3, RIG_S1_CLEAN);
}

static void a_walk_sets_the_flag_of_every_table_it_goes_through(void **state)
{
	struct walker_config config = with_flags();
	uint64_t slot, before;
	struct rig rig;

	(void)state;
	init_pages(&rig, &config);
	slot = rig_slot(&rig, 0, 2);
	before = rig_get(&rig, slot);
	assert_false(before & RIG_AF);
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	assert_true(flag(&rig, 0, 1));
	assert_int_equal(rig_get(&rig, slot), before | RIG_AF);
	assert_int_equal(rig_counters(&rig).table_updates, 2);
	assert_false(flag(&rig, 2 * MIB, 2));
	assert_false(flag(&rig, GIB, 1));
	assert_false(flag(&rig, GIB, 2));
	rig_fini(&rig);
}

static void a_walk_that_ends_in_nothing_sets_them_too(void **state)
{
	struct walker_config config = with_flags();
	struct rig rig;

	(void)state;
	init_pages(&rig, &config);
	rig_expect(&rig, 8 * KIB, WALKER_WRITE, WALKER_TRANSLATION);
	assert_true(flag(&rig, 0, 1));
	assert_true(flag(&rig, 0, 2));
	rig_fini(&rig);
}

static void a_speculative_walk_sets_them(void **state)
{
	struct walker_config config = with_flags();
	struct rig rig;

	(void)state;
	init_pages(&rig, &config);
	assert_int_equal(walker_prefetch(rig.walker, GIB), WALKER_OK);
	assert_true(flag(&rig, GIB, 1));
	assert_true(flag(&rig, GIB, 2));
	rig_fini(&rig);
}

static void without_the_feature_bit_10_stays_as_it_is(void **state)
{
	struct walker_config config = rig_usual();
	struct rig rig;

	(void)state;
	init_pages(&rig, &config);
	rig_put(&rig, rig_slot(&rig, 0, 1), 0, rig_get(&rig, rig_slot(&rig, 0, 1)) | RIG_AF);
	rig_expect(&rig, 0, WALKER_WRITE, WALKER_OK);
	assert_true(flag(&rig, 0, 1));
	assert_false(flag(&rig, 0, 2));
	assert_int_equal(rig_counters(&rig).table_updates, 0);
	rig_fini(&rig);
}

static void a_walk_from_a_cached_table_leaves_those_above_alone(void **state)
{
	struct walker_config config = with_flags();
	struct rig rig;

	(void)state;
	init_pages(&rig, &config);
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	clear_flag(&rig, 0, 1);
	clear_flag(&rig, 0, 2);
	/* From the leaf table: none. From the one above: that of the leaf table. */
	rig_expect(&rig, 4 * KIB, WALKER_WRITE, WALKER_OK);
	assert_false(flag(&rig, 0, 1));
	assert_false(flag(&rig, 0, 2));
	rig_expect(&rig, 2 * MIB, WALKER_WRITE, WALKER_OK);
	assert_false(flag(&rig, 0, 1));
	assert_true(flag(&rig, 2 * MIB, 2));
	rig_fini(&rig);
}

static void a_cached_clean_leaf_is_marked_without_them(void **state)
{
	const struct iopgt_invalidation walk_caches = {
		.iova = 2 * MIB,
		.size = 2 * MIB,
		.flags = IOPGT_INVALIDATE_WALK_CACHES,
		.stride_shift = 12,
		.level = IOPGT_NO_LEVEL,
	};
	struct walker_config config = with_flags();
	struct rig rig;

	(void)state;
	init_pages(&rig, &config);
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	/* The table above goes, that of the leaf stays. */
	rig_invalidate(&rig, &walk_caches);
	clear_flag(&rig, 0, 1);
	clear_flag(&rig, 0, 2);
	rig_expect(&rig, 0, WALKER_WRITE, WALKER_OK);
	assert_int_equal(rig_get(&rig, rig_slot(&rig, 0, 3)), RIG_S1_DIRTY | 3);
	assert_false(flag(&rig, 0, 1));
	assert_false(flag(&rig, 0, 2));
	rig_fini(&rig);
}

/* Reads page 0, clears all flags, invalidates page 0 with these flags, writes 4 KiB on. */
static unsigned flags_after(uint32_t invalidation_flags)
{
	const struct iopgt_invalidation request = {
		.size = 4 * KIB,
		.flags = invalidation_flags,
		.stride_shift = 12,
		.level = 3,
	};
	struct walker_config config = with_flags();
	struct rig rig;
	unsigned set;

	init_pages(&rig, &config);
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	clear_flag(&rig, 0, 1);
	clear_flag(&rig, 0, 2);
	rig_invalidate(&rig, &request);
	rig_expect(&rig, 4 * KIB, WALKER_WRITE, WALKER_OK);
	set = flag(&rig, 0, 1) + flag(&rig, 0, 2);
	rig_fini(&rig);
	return set;
}

static void they_are_set_again_when_walk_caches_have_gone(void **state)
{
	(void)state;
	assert_int_equal(flags_after(0), 0);
	assert_int_equal(flags_after(IOPGT_INVALIDATE_WALK_CACHES), 2);
}

static void what_is_cached_had_its_flag_set(void **state)
{
	struct walker_config config = with_flags();
	uint64_t table;
	struct rig rig;

	(void)state;
	init_pages(&rig, &config);
	table = rig_next(&rig, rig_get(&rig, rig_slot(&rig, 0, 2)));
	assert_false(walker_caches_table(rig.walker, table, 4 * KIB));
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	assert_true(walker_caches_table(rig.walker, table, 4 * KIB));
	assert_true(flag(&rig, 0, 2));
	/* Reading on goes by the caches: no more updates. */
	clear_flag(&rig, 0, 2);
	rig_expect(&rig, 4 * KIB, WALKER_READ, WALKER_OK);
	assert_int_equal(rig_counters(&rig).table_updates, 2);
	rig_fini(&rig);
}

/* Bits 9:8 or 15:12 of a table descriptor may be an address; bit 10 is none. */
static void wide_addresses_are_followed_all_the_same(void **state)
{
	const struct {
		uint8_t granule_shift, stage;
		uint32_t flags;
	} rows[] = {{12, 1, WALKER_LPA2}, {14, 2, WALKER_LPA2}, {16, 2, 0}, {16, 1, 0}};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct walker_config config = with_flags();
		struct walker_leaf leaf;
		struct rig rig;
		uint64_t bits;

		config.granule_shift = rows[i].granule_shift;
		config.stage = rows[i].stage;
		config.flags |= rows[i].flags;
		config.input_bits = 52;
		config.output_bits = 52;
		rig_init_at(&rig, &config, (UINT64_C(1) << 52) - 64 * MIB);
		/* Shareability is no part of a leaf with LPA2. */
		bits = config.stage == 1 ? RIG_S1_CLEAN : RIG_S2 | RIG_AF | RIG_DBM;
		rig_leaf(&rig, 0, 3, rows[i].flags ? bits & ~RIG_SH : bits);
		rig_expect(&rig, 0, WALKER_WRITE, WALKER_OK);
		assert_int_equal(walker_translate(rig.walker, 0, &leaf), WALKER_OK);
		assert_int_equal(leaf.table_count, 3 - rig.start);
		assert_int_equal(rig_counters(&rig).table_updates, leaf.table_count);
		for (unsigned level = 0; level < leaf.table_count; level++) {
			assert_int_equal(leaf.tables_phys[level],
			                 rig_slot(&rig, 0, rig.start + (int)level));
			assert_true(leaf.tables[level] & RIG_AF);
		}
		rig_fini(&rig);
	}
}

/* H, which the library keeps in bit 53, is nothing to a walker (58:51 ignored). */
static void software_bits_of_tables_are_kept(void **state)
{
	struct walker_config config = with_flags();
	uint64_t slot, bits = UINT64_C(0x1f) << 53;
	struct rig rig;

	(void)state;
	init_pages(&rig, &config);
	slot = rig_slot(&rig, 0, 2);
	rig_put(&rig, slot, 0, rig_get(&rig, slot) | bits);
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	assert_int_equal(rig_get(&rig, slot) & (bits | RIG_AF), bits | RIG_AF);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_walk_sets_the_flag_of_every_table_it_goes_through),
		cmocka_unit_test(a_walk_that_ends_in_nothing_sets_them_too),
		cmocka_unit_test(a_speculative_walk_sets_them),
		cmocka_unit_test(without_the_feature_bit_10_stays_as_it_is),
		cmocka_unit_test(a_walk_from_a_cached_table_leaves_those_above_alone),
		cmocka_unit_test(a_cached_clean_leaf_is_marked_without_them),
		cmocka_unit_test(they_are_set_again_when_walk_caches_have_gone),
		cmocka_unit_test(what_is_cached_had_its_flag_set),
		cmocka_unit_test(wide_addresses_are_followed_all_the_same),
		cmocka_unit_test(software_bits_of_tables_are_kept),
	};

	return cmocka_run_group_tests_name("table access flags", tests, NULL, NULL);
}
