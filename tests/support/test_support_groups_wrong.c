/* SPDX-License-Identifier: BSD-2-Clause */
/* Contiguous groups that the walker model and its oracle find fault with. */
#include "test_support_groups.h"

/* A group is cached, and changes to pages by themselves (or the other way round). */
static enum walker_fault change(uint8_t bbm_level, uint64_t before, uint64_t after)
{
	struct walker_config config = whole_groups();
	enum walker_fault fault;
	struct rig rig;

	config.bbm_level = bbm_level;
	rig_init(&rig, &config);
	put_group(&rig, GROUP, before);
	rig_expect(&rig, GROUP, WALKER_READ, WALKER_OK);
	put_group(&rig, GROUP, after);
	fault = walker_prefetch(rig.walker, GROUP);
	assert_int_equal(walker_error(rig.walker) != NULL, fault == WALKER_CONFLICT);
	rig_fini(&rig);
	return fault;
}

/* R_KHRBC; IHI 0070 3.21.1.3 */
static void the_contiguous_bit_may_change_alone_from_level_1_on(void **state)
{
	(void)state;
	for (uint8_t level = 0; level <= 2; level++) {
		enum walker_fault want = level ? WALKER_OK : WALKER_CONFLICT;

		assert_int_equal(change(level, CLEAN, RIG_S1_CLEAN), want);
		assert_int_equal(change(level, RIG_S1_CLEAN, CLEAN), want);
		assert_int_equal(change(level, CLEAN, RIG_S1_DIRTY), want);
		assert_int_equal(change(level, CLEAN, CLEAN ^ 0x4), WALKER_CONFLICT);
		assert_int_equal(change(level, CLEAN, DIRTY), WALKER_OK);
	}
}

/* A group of level 2 becomes a block of level 1: another size. */
static void a_group_and_a_block_differ_in_size(void **state)
{
	(void)state;
	for (uint8_t level = 0; level <= 2; level++) {
		struct walker_config config = whole_groups();
		struct rig rig;
		uint64_t slot;

		config.bbm_level = level;
		config.walk_cache_entries = 0;
		rig_init(&rig, &config);
		for (uint64_t block = GIB; block < GIB + 32 * MIB; block += 2 * MIB)
			rig_leaf(&rig, block, 2, CLEAN | block);
		slot = rig_slot(&rig, GIB, 1);
		rig_expect(&rig, GIB, WALKER_READ, WALKER_OK);
		rig_put(&rig, slot, 0, RIG_S1_CLEAN | GIB | 1);
		assert_int_equal(walker_prefetch(rig.walker, GIB + 48 * MIB),
		                 level == 2 ? WALKER_OK : WALKER_CONFLICT);
		rig_fini(&rig);
	}
}

static enum walker_fault touch_misprogrammed(uint8_t bbm_level, uint64_t member_bits)
{
	struct walker_config config = whole_groups();
	enum walker_fault fault;
	struct rig rig;

	config.bbm_level = bbm_level;
	rig_init(&rig, &config);
	put_group(&rig, GROUP, CLEAN);
	rig_leaf(&rig, GROUP + 7 * PAGE, 3, member_bits);
	fault = walker_access(rig.walker, GROUP, WALKER_READ, NULL);
	rig_fini(&rig);
	return fault;
}

static void misprogrammed_groups_are_conflicts(void **state)
{
	const uint64_t right = GROUP + 7 * PAGE;

	(void)state;
	for (uint8_t level = 0; level <= 2; level++) {
		assert_int_equal(touch_misprogrammed(level, CLEAN | right), WALKER_OK);
		assert_int_equal(touch_misprogrammed(level, DIRTY | right), WALKER_OK);
		assert_int_equal(touch_misprogrammed(level, CLEAN | (right + PAGE)),
		                 WALKER_CONFLICT);
		assert_int_equal(touch_misprogrammed(level, (CLEAN ^ 0x4) | right),
		                 WALKER_CONFLICT);
		/* R_QTRPM: an entry without the bit, which is how the bit changes */
		assert_int_equal(touch_misprogrammed(level, RIG_S1_CLEAN | right),
		                 level ? WALKER_OK : WALKER_CONFLICT);
	}
}

struct fault_row {
	uint64_t bits; /* of the member at 7 pages; 0: invalid */
	bool good;
};

static void the_oracle_finds_misprogrammed_groups(void **state)
{
	const uint64_t right = GROUP + 7 * PAGE;
	const struct fault_row rows[] = {
		{CLEAN | right, true},
		{DIRTY | right, true},
		{(CLEAN ^ RIG_AF) | right, true},
		{0, false},
		{RIG_S1_CLEAN | right, false},
		{CLEAN | (right + GROUP), false},
		{(CLEAN ^ 0x4) | right, false},             /* AttrIndx */
		{(CLEAN ^ 0x100) | right, false},           /* SH */
		{(CLEAN ^ 0x40) | right, false},            /* AP[1] */
		{(CLEAN ^ RIG_DBM) | right, false},         /* read-only */
		{(DIRTY ^ RIG_DBM) | right, false},         /* untracked */
		{CLEAN | UINT64_C(1) << 54 | right, false}, /* UXN */
		{CLEAN | UINT64_C(3) << 57 | right, true},  /* software */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct walker_config config = whole_groups();
		struct rig rig;

		rig_init(&rig, &config);
		put_group(&rig, GROUP, CLEAN);
		rig_leaf(&rig, right, 3, rows[i].bits | right);
		rig_put(&rig, rig_slot(&rig, right, 3), 0, rows[i].bits ? rows[i].bits | 3 : 0);
		if (walker_group_is_good(rig.walker, GROUP) != rows[i].good)
			fail_msg("row %zu", i);
		rig_fini(&rig);
	}
}

static void the_oracle_wants_an_aligned_output(void **state)
{
	struct walker_config config = whole_groups();
	struct walker_group group;
	struct rig rig;

	(void)state;
	rig_init(&rig, &config);
	for (unsigned i = 0; i < MEMBERS; i++)
		rig_leaf(&rig, GROUP + i * PAGE, 3, CLEAN | (GROUP + (i + 1) * PAGE));
	assert_true(walker_group_at(rig.walker, GROUP, &group));
	assert_non_null(group.wrong);
	rig_expect(&rig, GROUP, WALKER_READ, WALKER_CONFLICT);
	put_group(&rig, 2 * GROUP, RIG_S1_CLEAN);
	assert_true(walker_group_is_good(rig.walker, 2 * GROUP));
	assert_true(walker_group_at(rig.walker, 2 * GROUP, &group));
	assert_int_equal(group.contiguous, 0);
	assert_int_equal(group.valid, MEMBERS);
	assert_false(walker_group_at(rig.walker, 3 * GROUP, &group));
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_contiguous_bit_may_change_alone_from_level_1_on),
		cmocka_unit_test(a_group_and_a_block_differ_in_size),
		cmocka_unit_test(misprogrammed_groups_are_conflicts),
		cmocka_unit_test(the_oracle_finds_misprogrammed_groups),
		cmocka_unit_test(the_oracle_wants_an_aligned_output),
	};

	return cmocka_run_group_tests_name("walker groups, wrong ones", tests, NULL, NULL);
}
