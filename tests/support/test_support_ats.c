/* SPDX-License-Identifier: BSD-2-Clause */
/* The walker model's device with ATS, and the hosts that serve it well and badly. */
#include "test_rig.h"

static const struct iopgt_invalidation first_page = {
	.size = 4 * KIB,
	.stride_shift = 12,
	.level = 3,
};

static struct walker_config with_ats(void)
{
	struct walker_config config = rig_usual();

	config.flags |= WALKER_ATS;
	config.atc_entries = 16;
	return config;
}

/* Sixteen clean pages and a clean block behind them. */
static uint64_t init_pages(struct rig *rig, const struct walker_config *config)
{
	rig_init(rig, config);
	for (uint64_t page = 0; page < 16; page++)
		rig_leaf(rig, page * 4 * KIB, 3, RIG_S1_CLEAN | page * 4 * KIB);
	rig_leaf(rig, 2 * MIB, 2, RIG_S1_CLEAN | 2 * MIB);
	return rig_slot(rig, 0, 3);
}

static bool is_marked(struct rig *rig, uint64_t slot)
{
	return !(rig_get(rig, slot) & RIG_BIT7);
}

static void clean(struct rig *rig, uint64_t slot)
{
	rig_put(rig, slot, 0, rig_get(rig, slot) | RIG_BIT7);
}

/* A write: does it leave a mark in this clean descriptor? */
static bool write_marks(struct rig *rig, uint64_t slot, uint64_t iova)
{
	assert_false(is_marked(rig, slot));
	rig_expect(rig, iova, WALKER_WRITE, WALKER_OK);
	return is_marked(rig, slot);
}

static void a_write_request_marks_and_its_copy_writes_without_a_trace(void **state)
{
	struct walker_config config = with_ats();
	struct rig rig;
	uint64_t slot;

	(void)state;
	slot = init_pages(&rig, &config);
	assert_true(write_marks(&rig, slot, 0));
	clean(&rig, slot);
	assert_false(write_marks(&rig, slot, 0));
	/* The TLB's invalidation does not reach the device. */
	walker_post_range(rig.walker, &first_page);
	walker_sync(rig.walker);
	assert_false(write_marks(&rig, slot, 0));
	assert_int_equal(rig_counters(&rig).requests, 1);
	assert_int_equal(rig_counters(&rig).atc_hits, 2);
	walker_post_atc(rig.walker, &first_page);
	walker_sync(rig.walker);
	assert_true(write_marks(&rig, slot, 0));
	assert_int_equal(rig_counters(&rig).requests, 2);
	rig_fini(&rig);
}

static void a_copy_to_read_does_not_write(void **state)
{
	struct walker_config config = with_ats();
	struct rig rig;
	uint64_t slot;

	(void)state;
	slot = init_pages(&rig, &config);
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	assert_false(is_marked(&rig, slot));
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	assert_int_equal(rig_counters(&rig).requests, 1);
	assert_true(write_marks(&rig, slot, 0));
	assert_int_equal(rig_counters(&rig).requests, 2);
	/* What may write may read. */
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	rig_expect(&rig, 0, WALKER_WRITE, WALKER_OK);
	assert_int_equal(rig_counters(&rig).requests, 2);
	rig_fini(&rig);
}

static void a_dirty_leaf_may_be_granted_to_a_reader_for_writing(void **state)
{
	struct walker_config config = with_ats();
	struct rig rig;
	uint64_t slot;

	(void)state;
	config.grant_one_in = 1;
	slot = init_pages(&rig, &config);
	/* A clean one is not. */
	rig_expect(&rig, 4 * KIB, WALKER_READ, WALKER_OK);
	assert_true(write_marks(&rig, slot + 8, 4 * KIB));
	rig_put(&rig, slot, 0, rig_get(&rig, slot) & ~RIG_BIT7);
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	clean(&rig, slot);
	assert_false(write_marks(&rig, slot, 0));
	rig_fini(&rig);
}

static void a_copy_serves_its_own_privilege(void **state)
{
	struct walker_config config = with_ats();
	struct rig rig;
	uint64_t slot;

	(void)state;
	slot = init_pages(&rig, &config);
	rig_put(&rig, slot, 0, rig_get(&rig, slot) & ~UINT64_C(0x40));
	rig_expect(&rig, 0, WALKER_WRITE | WALKER_PRIVILEGED, WALKER_OK);
	rig_expect(&rig, 0, WALKER_WRITE, WALKER_PERMISSION);
	rig_expect(&rig, 0, WALKER_READ, WALKER_PERMISSION);
	rig_expect(&rig, 0, WALKER_READ | WALKER_PRIVILEGED, WALKER_OK);
	assert_int_equal(rig_counters(&rig).requests, 3);
	rig_fini(&rig);
}

static void a_copy_outlives_its_mapping(void **state)
{
	struct walker_config config = with_ats();
	struct walker_result result;
	struct rig rig;
	uint64_t slot;

	(void)state;
	slot = init_pages(&rig, &config);
	rig_expect(&rig, 0, WALKER_WRITE, WALKER_OK);
	rig_put(&rig, slot, 0, 0);
	walker_post_all(rig.walker);
	walker_sync(rig.walker);
	assert_true(walker_caches_iova(rig.walker, 0));
	assert_int_equal(walker_access(rig.walker, 12, WALKER_WRITE, &result), WALKER_OK);
	assert_int_equal(result.phys, 12);
	assert_true(result.cached && result.translated);
	walker_post_atc(rig.walker, NULL);
	assert_true(walker_caches_iova(rig.walker, 0));
	walker_sync(rig.walker);
	assert_false(walker_caches_iova(rig.walker, 0));
	rig_expect(&rig, 0, WALKER_WRITE, WALKER_TRANSLATION);
	rig_fini(&rig);
}

static void execution_and_some_accesses_go_through_the_smmu(void **state)
{
	struct walker_config config = with_ats();
	struct rig rig;
	uint64_t slot;

	(void)state;
	config.untranslated_one_in = 1;
	slot = init_pages(&rig, &config);
	assert_true(write_marks(&rig, slot, 0));
	clean(&rig, slot);
	rig_invalidate(&rig, &first_page);
	assert_true(write_marks(&rig, slot, 0));
	assert_int_equal(rig_counters(&rig).requests, 0);
	rig_fini(&rig);

	config.untranslated_one_in = 0;
	init_pages(&rig, &config);
	rig_expect(&rig, 0, WALKER_EXECUTE, WALKER_OK);
	assert_int_equal(rig_counters(&rig).requests, 0);
	rig_fini(&rig);
}

static void an_invalidation_reaches_what_it_overlaps(void **state)
{
	struct iopgt_invalidation request = {
		.iova = 3 * MIB,
		.size = 4 * KIB,
		.stride_shift = 12,
		.level = IOPGT_NO_LEVEL,
	};
	struct walker_config config = with_ats();
	struct rig rig;

	(void)state;
	init_pages(&rig, &config);
	for (uint64_t page = 0; page < 4; page++)
		rig_expect(&rig, page * 4 * KIB, WALKER_WRITE, WALKER_OK);
	rig_expect(&rig, 2 * MIB, WALKER_WRITE, WALKER_OK);
	walker_post_all(rig.walker);
	walker_sync(rig.walker);
	/* One page of a block is enough for all of its copy. */
	walker_post_atc(rig.walker, &request);
	walker_sync(rig.walker);
	assert_false(walker_caches_iova(rig.walker, 2 * MIB));
	request.iova = 4 * KIB;
	request.size = 8 * KIB;
	walker_post_atc(rig.walker, &request);
	walker_sync(rig.walker);
	assert_true(walker_caches_iova(rig.walker, 0));
	assert_false(walker_caches_iova(rig.walker, 4 * KIB));
	assert_false(walker_caches_iova(rig.walker, 8 * KIB));
	assert_true(walker_caches_iova(rig.walker, 12 * KIB));
	rig_fini(&rig);
}

static void copies_leave_for_room_and_by_chance(void **state)
{
	struct walker_config config = with_ats();
	struct rig rig;

	(void)state;
	config.atc_entries = 4;
	init_pages(&rig, &config);
	for (uint64_t page = 0; page < 16; page++)
		rig_expect(&rig, page * 4 * KIB, WALKER_READ, WALKER_OK);
	assert_int_equal(rig_counters(&rig).evicted, 12);
	rig_fini(&rig);

	config = with_ats();
	config.evict_one_in = 4;
	init_pages(&rig, &config);
	for (unsigned i = 0; i < 64; i++)
		rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	assert_in_range(rig_counters(&rig).requests, 4, 40);
	rig_fini(&rig);

	config = with_ats();
	config.atc_entries = 0;
	init_pages(&rig, &config);
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	assert_int_equal(rig_counters(&rig).requests, 2);
	rig_fini(&rig);
}

/* --- What the host makes of it --- */

static void write_between(void *context)
{
	struct rig *rig = context;

	rig_expect(rig, 0, WALKER_WRITE, WALKER_OK);
}

/* Writes, cleans, syncs while the device writes: does the next write leave a mark? */
static bool marks_after_sync(uint32_t mode, bool all)
{
	struct walker_config config = with_ats();
	struct rig rig;
	uint64_t slot;
	bool marks;

	slot = init_pages(&rig, &config);
	host_set_mode(&rig.host, mode);
	rig.host.between = write_between;
	rig.host.between_context = &rig;
	rig_expect(&rig, 0, WALKER_WRITE, WALKER_OK);
	clean(&rig, slot);
	if (all) {
		assert_int_equal(rig.host.hal.tlb.invalidate_all(&rig.host), 0);
		assert_int_equal(rig.host.hal.tlb.sync(&rig.host), 0);
	} else {
		rig_invalidate(&rig, &first_page);
	}
	assert_int_equal(host_calls(&rig.host, HOST_ATC), mode != HOST_DEAF);
	rig.host.between = NULL;
	marks = write_marks(&rig, slot, 0);
	rig_fini(&rig);
	return marks;
}

static void only_the_tlb_first_and_then_the_device_is_right(void **state)
{
	(void)state;
	for (int all = 0; all < 2; all++) {
		assert_true(marks_after_sync(0, all));
		assert_false(marks_after_sync(HOST_ATC_FIRST, all));
		assert_false(marks_after_sync(HOST_NO_ATC, all));
		assert_false(marks_after_sync(HOST_DEAF, all));
	}
}

static void many_ranges_are_all_invalidated(void **state)
{
	struct iopgt_invalidation request = first_page;
	struct walker_config config = with_ats();
	struct rig rig;

	(void)state;
	init_pages(&rig, &config);
	for (uint64_t page = 0; page < 16; page++)
		rig_expect(&rig, page * 4 * KIB, WALKER_WRITE, WALKER_OK);
	for (uint64_t i = 0; i < 2 * HOST_OWED; i++) {
		request.iova = i < 16 ? i * 4 * KIB : GIB + i * 4 * KIB;
		assert_int_equal(rig.host.hal.tlb.invalidate_range(&rig.host, &request), 0);
	}
	assert_int_equal(rig.host.hal.tlb.sync(&rig.host), 0);
	for (uint64_t page = 0; page < 16; page++)
		assert_false(walker_caches_iova(rig.walker, page * 4 * KIB));
	assert_true(host_is_good(&rig.host));
	rig_fini(&rig);
}

static void a_failed_sync_leaves_the_device_as_it_was(void **state)
{
	struct walker_config config = with_ats();
	struct rig rig;

	(void)state;
	init_pages(&rig, &config);
	rig_expect(&rig, 0, WALKER_WRITE, WALKER_OK);
	host_fail(&rig.host, HOST_SYNC, 1, false);
	rig.host.hal.tlb.invalidate_range(&rig.host, &first_page);
	assert_int_equal(rig.host.hal.tlb.sync(&rig.host), HOST_ERROR);
	assert_int_equal(rig.host.hal.tlb.sync(&rig.host), 0);
	assert_true(walker_caches_iova(rig.walker, 0));
	assert_int_equal(rig.host.hal.tlb.invalidate_all(&rig.host), 0);
	assert_int_equal(rig.host.hal.tlb.sync(&rig.host), 0);
	assert_false(walker_caches_iova(rig.walker, 0));
	rig_fini(&rig);
}

/* --- Late writes --- */

struct memory {
	unsigned char bytes[16 * 4096];
	uint64_t wrote[8];
	unsigned count;
};

static void note_write(void *context, uint64_t iova, uint64_t phys, size_t bytes)
{
	struct memory *memory = context;

	assert_int_equal(iova, phys);
	assert_int_equal(bytes, 1);
	memory->wrote[memory->count++ % 8] = iova;
}

static struct walker_guest guest_of(struct memory *memory)
{
	*memory = (struct memory){.count = 0};
	return (struct walker_guest){
		.base = memory->bytes,
		.bytes = sizeof(memory->bytes),
		.wrote = note_write,
		.context = memory,
	};
}

static void write_at(struct rig *rig, const struct walker_guest *guest, uint64_t iova, char byte)
{
	assert_int_equal(walker_write(rig->walker, iova, &byte, 1, guest).bytes, 1);
}

static void a_late_write_lands_before_its_invalidation_completes(void **state)
{
	struct iopgt_invalidation request = first_page;
	struct walker_config config = with_ats();
	struct memory memory;
	struct walker_guest guest = guest_of(&memory);
	struct rig rig;
	uint64_t slot;

	(void)state;
	config.late_one_in = 1;
	slot = init_pages(&rig, &config);
	write_at(&rig, &guest, 8, 'a');
	assert_true(is_marked(&rig, slot));
	assert_int_equal(memory.bytes[8], 0);
	assert_int_equal(rig_counters(&rig).late, 1);
	/* Neither the TLB's invalidation nor one next door waits for it. */
	walker_post_all(rig.walker);
	walker_sync(rig.walker);
	request.iova = 4 * KIB;
	walker_post_atc(rig.walker, &request);
	walker_sync(rig.walker);
	assert_int_equal(memory.bytes[8], 0);
	clean(&rig, slot);
	walker_post_atc(rig.walker, &first_page);
	assert_int_equal(memory.bytes[8], 0);
	walker_sync(rig.walker);
	assert_int_equal(memory.bytes[8], 'a');
	assert_false(is_marked(&rig, slot));
	assert_int_equal(memory.count, 1);
	rig_fini(&rig);
}

static void late_writes_land_in_order(void **state)
{
	struct iopgt_invalidation request = first_page;
	struct walker_config config = with_ats();
	struct memory memory;
	struct walker_guest guest = guest_of(&memory);
	struct rig rig;

	(void)state;
	config.late_one_in = 1;
	init_pages(&rig, &config);
	for (unsigned i = 0; i < 3; i++)
		write_at(&rig, &guest, i * 4096, 'a');
	memory.count = 0;
	write_at(&rig, &guest, 4096, 'b');
	write_at(&rig, &guest, 12288, 'b');
	request.iova = 4096;
	walker_post_atc(rig.walker, &request);
	walker_sync(rig.walker);
	assert_int_equal(memory.bytes[4096], 'b');
	assert_int_equal(memory.bytes[8192], 'a');
	walker_land(rig.walker);
	assert_int_equal(memory.bytes[12288], 'b');
	assert_int_equal(memory.wrote[memory.count - 1], 12288);
	rig_fini(&rig);
}

static void a_device_reads_what_it_wrote(void **state)
{
	struct walker_config config = with_ats();
	struct memory memory;
	struct walker_guest guest = guest_of(&memory);
	struct rig rig;
	char seen = 0;

	(void)state;
	config.late_one_in = 1;
	init_pages(&rig, &config);
	write_at(&rig, &guest, 8, 'a');
	assert_int_equal(walker_read(rig.walker, 8, &seen, 1, &guest).bytes, 1);
	assert_int_equal(seen, 'a');
	rig_fini(&rig);
}

static void late_writes_land_by_themselves(void **state)
{
	struct walker_config config = with_ats();
	struct memory memory;
	struct walker_guest guest = guest_of(&memory);
	struct rig rig;

	(void)state;
	config.late_one_in = 1;
	init_pages(&rig, &config);
	write_at(&rig, &guest, 8, 'a');
	for (unsigned i = 0; i < 100; i++)
		rig_expect(&rig, 4096, WALKER_READ, WALKER_OK);
	assert_int_equal(memory.bytes[8], 'a');
	/* And for room. */
	for (unsigned i = 0; i < 100; i++)
		write_at(&rig, &guest, 4096 + i % 8, (char)i);
	assert_true(memory.count > 50);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_write_request_marks_and_its_copy_writes_without_a_trace),
		cmocka_unit_test(a_copy_to_read_does_not_write),
		cmocka_unit_test(a_dirty_leaf_may_be_granted_to_a_reader_for_writing),
		cmocka_unit_test(a_copy_serves_its_own_privilege),
		cmocka_unit_test(a_copy_outlives_its_mapping),
		cmocka_unit_test(execution_and_some_accesses_go_through_the_smmu),
		cmocka_unit_test(an_invalidation_reaches_what_it_overlaps),
		cmocka_unit_test(copies_leave_for_room_and_by_chance),
		cmocka_unit_test(only_the_tlb_first_and_then_the_device_is_right),
		cmocka_unit_test(many_ranges_are_all_invalidated),
		cmocka_unit_test(a_failed_sync_leaves_the_device_as_it_was),
		cmocka_unit_test(a_late_write_lands_before_its_invalidation_completes),
		cmocka_unit_test(late_writes_land_in_order),
		cmocka_unit_test(a_device_reads_what_it_wrote),
		cmocka_unit_test(late_writes_land_by_themselves),
	};

	return cmocka_run_group_tests_name("ATS", tests, NULL, NULL);
}
