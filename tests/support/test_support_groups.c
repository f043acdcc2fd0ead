/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walker model's contiguous groups (D8.7.1, D8.5.5), against groups built by
 * hand: what is cached, marked and removed.
 */
#include "test_support_groups.h"

static uint64_t at(struct rig *rig, uint64_t iova)
{
	return rig_get(rig, rig_slot(rig, iova, 3));
}

static unsigned dirty_members(struct rig *rig, uint64_t iova)
{
	unsigned dirty = 0;

	for (unsigned i = 0; i < MEMBERS; i++)
		dirty += !(at(rig, iova + i * PAGE) & RIG_BIT7);
	return dirty;
}

static unsigned cached_members(struct rig *rig, uint64_t iova)
{
	unsigned cached = 0;

	for (unsigned i = 0; i < MEMBERS; i++)
		cached += walker_caches_iova(rig->walker, iova + i * PAGE);
	return cached;
}

struct shape {
	uint8_t stage, granule_shift;
	int level;
	uint64_t group;
	unsigned entries;
};

/* Table D8-104 */
static const struct shape shapes[] = {
	{1, 12, 1, 16 * GIB, 16}, {1, 12, 2, 32 * MIB, 16}, {2, 12, 3, 64 * KIB, 16},
	{1, 14, 2, 1 * GIB, 32},  {2, 14, 3, 2 * MIB, 128}, {1, 16, 2, 16 * GIB, 32},
	{1, 16, 3, 2 * MIB, 32},  {2, 16, 2, 16 * GIB, 32}, {1, 14, 3, 2 * MIB, 128},
};

static void groups_have_the_sizes_of_the_specification(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		const struct shape *shape = &shapes[i];
		struct walker_config config = whole_groups();
		uint64_t bits = CONTIGUOUS | RIG_AF | (shape->stage == 1 ? RIG_S1 : RIG_S2);
		uint64_t first = 3 * shape->group, entry = shape->group / shape->entries;
		struct walker_result result;
		struct walker_group group;
		struct rig rig;

		config.stage = shape->stage;
		config.granule_shift = shape->granule_shift;
		config.input_bits = 40;
		rig_init(&rig, &config);
		for (uint64_t member = 0; member < shape->entries; member++)
			rig_leaf(&rig, first + member * entry, shape->level,
			         bits | (shape->group + member * entry));
		assert_int_equal(walker_access(rig.walker, first + 5 * entry + 8, 0, &result), 0);
		assert_int_equal(result.phys, shape->group + 5 * entry + 8);
		assert_int_equal(result.size, shape->group);
		assert_int_equal(walker_access(rig.walker, first, 0, &result), 0);
		assert_true(result.cached);
		assert_int_equal(result.phys, shape->group);
		assert_int_equal(walker_access(rig.walker, first + shape->group - 8, 0, &result),
		                 0);
		assert_true(result.cached);
		assert_int_equal(result.phys, 2 * shape->group - 8);
		assert_false(walker_caches_iova(rig.walker, first - 1));
		assert_false(walker_caches_iova(rig.walker, first + shape->group));
		assert_true(walker_group_at(rig.walker, first + entry, &group));
		assert_int_equal(group.iova, first);
		assert_int_equal(group.size, shape->group);
		assert_int_equal(group.entries, shape->entries);
		assert_int_equal(group.valid, shape->entries);
		assert_int_equal(group.contiguous, shape->entries);
		assert_int_equal(group.accessed, shape->entries);
		assert_null(group.wrong);
		assert_true(host_is_good(&rig.host));
		rig_fini(&rig);
	}
}

static void entries_are_cached_alone_when_chance_is_off(void **state)
{
	struct walker_config config = rig_usual();
	struct rig rig;

	(void)state;
	rig_init(&rig, &config);
	put_group(&rig, GROUP, CLEAN);
	rig_expect(&rig, GROUP + PAGE, WALKER_WRITE, WALKER_OK);
	assert_int_equal(cached_members(&rig, GROUP), 1);
	assert_int_equal(dirty_members(&rig, GROUP), 1);
	assert_int_equal(at(&rig, GROUP + PAGE), DIRTY | (GROUP + PAGE) | 3);
	rig_expect(&rig, GROUP, WALKER_WRITE, WALKER_OK);
	assert_int_equal(dirty_members(&rig, GROUP), 2);
	rig_fini(&rig);
}

/* R_JKCXG, I_QDCMP: which entry is marked is the walker's choice. */
static void a_write_marks_at_least_one_member_of_its_choice(void **state)
{
	bool own = false, source = false, another = false, all = false;

	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		struct walker_config config = whole_groups();
		unsigned dirty;
		struct rig rig;

		config.seed = seed;
		rig_init(&rig, &config);
		put_group(&rig, GROUP, CLEAN);
		rig_expect(&rig, GROUP + 2 * PAGE, WALKER_READ, WALKER_OK);
		assert_int_equal(dirty_members(&rig, GROUP), 0);
		rig_expect(&rig, GROUP + 9 * PAGE, WALKER_WRITE, WALKER_OK);
		dirty = dirty_members(&rig, GROUP);
		assert_true(dirty >= 1);
		assert_int_equal(rig_counters(&rig).dirty_updates, dirty);
		own |= dirty == 1 && !(at(&rig, GROUP + 9 * PAGE) & RIG_BIT7);
		source |= dirty == 1 && !(at(&rig, GROUP + 2 * PAGE) & RIG_BIT7);
		another |= dirty == 2;
		all |= dirty == MEMBERS;
		assert_true(host_is_good(&rig.host));
		rig_fini(&rig);
	}
	assert_true(own && source && another && all);
}

static void a_dirty_group_is_written_everywhere_without_a_mark(void **state)
{
	struct walker_config config = whole_groups();
	struct rig rig;

	(void)state;
	rig_init(&rig, &config);
	put_group(&rig, GROUP, CLEAN);
	rig_expect(&rig, GROUP, WALKER_WRITE, WALKER_OK);
	put_group(&rig, GROUP, CLEAN);
	for (unsigned i = 0; i < MEMBERS; i++)
		rig_expect(&rig, GROUP + i * PAGE, WALKER_WRITE, WALKER_OK);
	assert_int_equal(dirty_members(&rig, GROUP), 0);
	rig_fini(&rig);
}

/* R_JKCXG: one dirty entry may be enough, even for a walker that cached nothing yet. */
static void with_one_dirty_entry_another_may_stay_clean(void **state)
{
	unsigned unmarked = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 64; seed++) {
		struct walker_config config = whole_groups();
		struct rig rig;

		config.seed = seed;
		rig_init(&rig, &config);
		put_group(&rig, GROUP, CLEAN);
		rig_leaf(&rig, GROUP + 3 * PAGE, 3, DIRTY | (GROUP + 3 * PAGE));
		rig_expect(&rig, GROUP, WALKER_WRITE, WALKER_OK);
		unmarked += dirty_members(&rig, GROUP) == 1;
		rig_fini(&rig);
	}
	assert_in_range(unmarked, 8, 56);
}

/* R_GPHKF: so may AF = 0 beside AF = 1. */
static void with_one_access_flag_another_may_stay_clear(void **state)
{
	unsigned left = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 64; seed++) {
		struct walker_config config = whole_groups();
		struct walker_group group;
		struct rig rig;

		config.seed = seed;
		rig_init(&rig, &config);
		put_group(&rig, GROUP, CLEAN ^ RIG_AF);
		rig_expect(&rig, GROUP, WALKER_READ, WALKER_OK);
		assert_true(walker_group_at(rig.walker, GROUP, &group));
		assert_int_equal(group.accessed, 1);
		walker_forget(rig.walker);
		rig_expect(&rig, GROUP + PAGE, WALKER_READ, WALKER_OK);
		assert_true(walker_group_at(rig.walker, GROUP, &group));
		left += group.accessed == 1;
		/* A write through it still is marked. */
		rig_expect(&rig, GROUP + PAGE, WALKER_WRITE, WALKER_OK);
		assert_true(dirty_members(&rig, GROUP) >= 1);
		assert_true(host_is_good(&rig.host));
		rig_fini(&rig);
	}
	assert_in_range(left, 8, 56);
}

static void without_ha_a_clear_access_flag_faults(void **state)
{
	struct walker_config config = whole_groups();
	struct rig rig;

	(void)state;
	config.flags = WALKER_SMMU;
	rig_init(&rig, &config);
	put_group(&rig, GROUP, DIRTY);
	rig_leaf(&rig, GROUP, 3, (DIRTY ^ RIG_AF) | GROUP);
	rig_expect(&rig, GROUP, WALKER_READ, WALKER_ACCESS_FLAG);
	rig_expect(&rig, GROUP + PAGE, WALKER_READ, WALKER_OK);
	/* Now the group is cached from an entry with AF = 1. */
	rig_expect(&rig, GROUP, WALKER_READ, WALKER_OK);
	rig_fini(&rig);
}

/* Writes through a cached clean group when memory has changed below it. */
static void a_cached_clean_group_cannot_write_past_a_change(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 64; seed++) {
		struct walker_config config = whole_groups();
		struct rig rig;

		config.seed = seed;
		rig_init(&rig, &config);
		put_group(&rig, GROUP, CLEAN);
		rig_expect(&rig, GROUP, WALKER_READ, WALKER_OK);
		for (unsigned i = 0; i < MEMBERS; i++)
			rig_put(&rig, rig_slot(&rig, GROUP + i * PAGE, 3), 0, 0);
		rig_expect(&rig, GROUP + 5 * PAGE, WALKER_WRITE, WALKER_TRANSLATION);
		rig_fini(&rig);
	}
}

/*
 * An unmapped page is still written through its group, and the mark stands in
 * another entry: why a group is broken up before a part of it goes.
 */
static void an_invalid_member_is_written_through_its_group(void **state)
{
	unsigned written = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 64; seed++) {
		struct walker_config config = whole_groups();
		struct rig rig;

		config.seed = seed;
		rig_init(&rig, &config);
		put_group(&rig, GROUP, CLEAN);
		rig_expect(&rig, GROUP, WALKER_READ, WALKER_OK);
		rig_put(&rig, rig_slot(&rig, GROUP + 5 * PAGE, 3), 0, 0);
		if (walker_access(rig.walker, GROUP + 5 * PAGE, WALKER_WRITE, NULL) == WALKER_OK) {
			written++;
			assert_true(dirty_members(&rig, GROUP) >= 2); /* 0 counts as one */
		}
		rig_fini(&rig);
	}
	assert_in_range(written, 16, 63);
}

/* R_LQLSD, I_JQPNP: an operation for one page need not remove more of a group. */
static void an_invalidation_of_one_page_leaves_the_rest_of_the_group(void **state)
{
	const struct iopgt_invalidation page = {
		.iova = GROUP + 4 * PAGE,
		.size = PAGE,
		.stride_shift = 12,
		.level = 3,
	};
	struct walker_config config = whole_groups();
	struct rig rig;

	(void)state;
	rig_init(&rig, &config);
	put_group(&rig, GROUP, CLEAN);
	rig_expect(&rig, GROUP, WALKER_WRITE, WALKER_OK);
	put_group(&rig, GROUP, CLEAN);
	rig_invalidate(&rig, &page);
	assert_int_equal(cached_members(&rig, GROUP), MEMBERS - 1);
	rig_expect(&rig, GROUP + 3 * PAGE, WALKER_WRITE, WALKER_OK);
	assert_int_equal(dirty_members(&rig, GROUP), 0);
	/* The page that was invalidated is walked for again. */
	rig_expect(&rig, GROUP + 4 * PAGE, WALKER_WRITE, WALKER_OK);
	assert_true(dirty_members(&rig, GROUP) >= 1);
	assert_true(host_is_good(&rig.host));
	rig_fini(&rig);
}

static unsigned left_after(const struct iopgt_invalidation *request)
{
	struct walker_config config = whole_groups();
	struct rig rig;
	unsigned left;

	rig_init(&rig, &config);
	put_group(&rig, GROUP, CLEAN);
	rig_expect(&rig, GROUP, WALKER_READ, WALKER_OK);
	rig_invalidate(&rig, request);
	left = cached_members(&rig, GROUP);
	rig_fini(&rig);
	return left;
}

static void a_range_reaches_the_members_that_its_steps_touch(void **state)
{
	struct iopgt_invalidation request = {.iova = GROUP, .size = GROUP, .stride_shift = 12};

	(void)state;
	request.level = 3;
	assert_int_equal(left_after(&request), 0);
	request.level = IOPGT_NO_LEVEL;
	assert_int_equal(left_after(&request), 0);
	request.level = 2;
	request.iova = 0;
	request.size = 2 * MIB;
	assert_int_equal(left_after(&request), MEMBERS);
	/* A stride of the group's size is one operation: one page. */
	request.level = 3;
	request.iova = GROUP;
	request.size = GROUP;
	request.stride_shift = 16;
	assert_int_equal(left_after(&request), MEMBERS - 1);
	request.stride_shift = 13;
	assert_int_equal(left_after(&request), MEMBERS / 2);
	request.stride_shift = 12;
	request.iova = 0;
	assert_int_equal(left_after(&request), MEMBERS);
	request.iova = GROUP + 8 * PAGE;
	assert_int_equal(left_after(&request), MEMBERS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_have_the_sizes_of_the_specification),
		cmocka_unit_test(entries_are_cached_alone_when_chance_is_off),
		cmocka_unit_test(a_write_marks_at_least_one_member_of_its_choice),
		cmocka_unit_test(a_dirty_group_is_written_everywhere_without_a_mark),
		cmocka_unit_test(with_one_dirty_entry_another_may_stay_clean),
		cmocka_unit_test(with_one_access_flag_another_may_stay_clear),
		cmocka_unit_test(without_ha_a_clear_access_flag_faults),
		cmocka_unit_test(a_cached_clean_group_cannot_write_past_a_change),
		cmocka_unit_test(an_invalid_member_is_written_through_its_group),
		cmocka_unit_test(an_invalidation_of_one_page_leaves_the_rest_of_the_group),
		cmocka_unit_test(a_range_reaches_the_members_that_its_steps_touch),
	};

	return cmocka_run_group_tests_name("walker groups", tests, NULL, NULL);
}
