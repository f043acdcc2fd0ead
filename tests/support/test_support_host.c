/* SPDX-License-Identifier: BSD-2-Clause */
/* The page pool, guest memory, and the host that ties them to walkers. */
#include "test_rig.h"

#include <stdlib.h>

#include "guest.h"

static void allocations_are_aligned_in_physical_space_and_full_of_garbage(void **state)
{
	struct pool *pool = pool_create((size_t)(4 * MIB), UINT64_C(0x80000040), 0);
	uint64_t phys;

	(void)state;
	for (size_t bytes = 64; bytes <= MIB; bytes *= 2) {
		uint64_t *words = pool_alloc(pool, bytes, false, &phys);

		assert_non_null(words);
		assert_int_equal(phys % bytes, 0);
		assert_int_equal(pool_little_endian(words[0]), POOL_GARBAGE);
		assert_int_equal(words[0], words[bytes / 8 - 1]);
		assert_ptr_equal((char *)pool_linear_offset(pool) + phys, words);
		assert_int_equal(pool_phys(pool, words), phys);
		words = pool_alloc(pool, bytes, true, &phys);
		assert_int_equal(words[0] | words[bytes / 8 - 1], 0);
	}
	assert_int_equal(pool_in_use(pool), 30);
	assert_null(pool_alloc(pool, (size_t)(4 * MIB), true, &phys));
	pool_destroy(pool);
}

static void addresses_are_virtual_inside_one_live_allocation_only(void **state)
{
	struct pool *pool = pool_create((size_t)(256 * MIB), 0, 0);
	uint64_t one, two;
	char *virt = pool_alloc(pool, 4096, true, &one);

	(void)state;
	assert_non_null(pool_alloc(pool, 4096, true, &two));
	assert_ptr_equal(pool_virt(pool, one, 4096), virt);
	assert_ptr_equal(pool_virt(pool, one + 4088, 8), virt + 4088);
	assert_null(pool_virt(pool, one + 4088, 16));
	assert_null(pool_virt(pool, one, 8192));
	assert_null(pool_virt(pool, 128 * MIB, 8));
	assert_null(pool_virt(pool, 256 * MIB, 8));
	assert_null(pool_virt(pool, UINT64_MAX - 7, 8));
	pool_free(pool, one, 4096);
	assert_null(pool_virt(pool, one, 8));
	assert_null(pool_word(pool, one, false));
	assert_int_equal(pool_in_use(pool), 1);
	assert_int_equal(pool_bytes_in_use(pool), 4096);
	pool_free(pool, two, 4096);
	pool_destroy(pool);
}

static void freed_memory_is_reused_when_the_arena_is_full(void **state)
{
	struct pool *pool = pool_create((size_t)MIB, 0, 0);
	uint64_t phys[256], more;

	(void)state;
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned i = 0; i < 256; i++)
			assert_non_null(pool_alloc(pool, 4096, false, &phys[i]));
		assert_null(pool_alloc(pool, 64, true, &more));
		pool_free(pool, phys[7], 4096);
		assert_non_null(pool_alloc(pool, 64, true, &more));
		pool_free(pool, more, 64);
		for (unsigned i = 0; i < 256; i++)
			if (i != 7)
				pool_free(pool, phys[i], 4096);
		if (round == 3)
			break;
		pool_destroy(pool);
		pool = pool_create((size_t)MIB, 0, 0);
	}
	pool_destroy(pool);
}

static void guest_copies_are_exact_at_every_alignment(void **state)
{
	unsigned char source[48], seen[48], *guest = calloc(1, 64);

	(void)state;
	assert_non_null(guest);
	for (unsigned i = 0; i < sizeof(source); i++)
		source[i] = (unsigned char)(i + 1);
	for (size_t at = 0; at < 16; at++) {
		for (size_t bytes = 0; bytes <= sizeof(source); bytes++) {
			memset(guest, 0, 64);
			memset(seen, 0, sizeof(seen));
			guest_write(guest + at, source, bytes);
			assert_memory_equal(guest + at, source, bytes);
			assert_int_equal(at + bytes < 64 ? guest[at + bytes] : 0, 0);
			guest_read(seen, guest + at, bytes);
			assert_memory_equal(seen, source, bytes);
			assert_int_equal(bytes < sizeof(seen) ? seen[bytes] : 0, 0);
		}
	}
	free(guest);
}

static void note_piece(void *context, uint64_t iova, uint64_t phys, size_t bytes)
{
	uint64_t *pieces = context;

	assert_int_equal(iova + 64 * KIB, phys);
	pieces[0]++;
	pieces[1] += bytes;
}

static void writes_go_by_pages_and_stop_at_a_fault(void **state)
{
	struct walker_config config = rig_usual();
	unsigned char *memory = calloc(1, 16384), data[16384];
	uint64_t pieces[2] = {0, 0};
	struct walker_guest guest = {.base = memory,
	                             .phys_base = 64 * KIB,
	                             .bytes = 8192,
	                             .wrote = note_piece,
	                             .context = pieces};
	struct walker_transfer done;
	struct rig rig;

	(void)state;
	memset(data, 0x5a, sizeof(data));
	rig_init(&rig, &config);
	for (uint64_t page = 0; page < 3; page++)
		rig_leaf(&rig, page * 4096, 3, RIG_S1_CLEAN | (64 * KIB + page * 4096));
	done = walker_write(rig.walker, 4000, data, 200, &guest);
	assert_int_equal(done.bytes, 200);
	assert_int_equal(done.result.fault, WALKER_OK);
	assert_int_equal(pieces[0], 2);
	assert_int_equal(pieces[1], 200);
	assert_int_equal(memory[3999], 0);
	assert_memory_equal(memory + 4000, data, 200);
	assert_int_equal(memory[4200], 0);
	done = walker_write(rig.walker, 4096, data, 8192, &guest);
	assert_int_equal(done.bytes, 4096);
	assert_int_equal(done.result.fault, WALKER_OUTSIDE);
	guest.bytes = 8190;
	assert_int_equal(walker_write(rig.walker, 8188, data, 4, &guest).bytes, 0);
	guest.bytes = 16384;
	done = walker_write(rig.walker, 4096, data, 12288, &guest);
	assert_int_equal(done.bytes, 8192);
	assert_int_equal(done.result.fault, WALKER_TRANSLATION);
	assert_int_equal(done.result.iova, 12288);
	memset(data, 0, sizeof(data));
	done = walker_read(rig.walker, 4000, data, 200, &guest);
	assert_int_equal(done.bytes, 200);
	assert_memory_equal(data, memory + 4000, 200);
	rig_fini(&rig);
	free(memory);
}

static bool map_it(void *context, const struct walker_result *result)
{
	rig_leaf(context, result->iova & ~UINT64_C(4095), 3, RIG_S1_CLEAN);
	return true;
}

static void a_fault_handler_can_make_a_write_succeed(void **state)
{
	struct walker_config config = rig_usual();
	unsigned char memory[4096] = {0};
	struct walker_guest guest = {.base = memory, .bytes = sizeof(memory)};
	struct rig rig;

	(void)state;
	config.flags |= WALKER_RETRIES;
	config.on_fault = map_it;
	config.fault_context = &rig;
	rig_init(&rig, &config);
	assert_int_equal(walker_write(rig.walker, 8192, "x", 1, &guest).bytes, 1);
	assert_int_equal(memory[0], 'x');
	rig_fini(&rig);
}

static void calls_fail_when_they_are_told_to(void **state)
{
	const struct iopgt_invalidation page = {.size = 4096, .stride_shift = 12, .level = 3};
	struct walker_config config = rig_usual();
	struct iopgt_hal *hal;
	uint64_t phys;
	struct rig rig;

	(void)state;
	rig_init(&rig, &config);
	hal = &rig.host.hal;
	host_fail(&rig.host, HOST_ALLOC, 2, false);
	host_fail(&rig.host, HOST_SYNC, 1, true);
	assert_non_null(hal->alloc_table(&rig.host, 4096, 0, &phys));
	assert_null(hal->alloc_table(&rig.host, 4096, 0, &phys));
	assert_non_null(hal->alloc_table(&rig.host, 4096, 0, &phys));
	assert_int_equal(hal->tlb.sync(&rig.host), HOST_ERROR);
	assert_int_equal(hal->tlb.sync(&rig.host), HOST_ERROR);
	host_fail_nothing(&rig.host);
	assert_int_equal(hal->tlb.sync(&rig.host), 0);
	host_fail(&rig.host, HOST_ANY, 3, false);
	assert_int_equal(hal->tlb.invalidate_range(&rig.host, &page), 0);
	assert_non_null(hal->phys_to_virt(&rig.host, phys, 8));
	assert_int_equal(hal->tlb.invalidate_all(&rig.host), HOST_ERROR);
	assert_int_equal(hal->tlb.invalidate_all(&rig.host), 0);
	assert_int_equal(host_injected(&rig.host), 4);
	assert_int_equal(host_calls(&rig.host, HOST_SYNC), 3);
	assert_true(host_is_good(&rig.host));
	rig_fini(&rig);
}

static void a_failed_sync_loses_what_was_posted(void **state)
{
	const struct iopgt_invalidation page = {.size = 4096, .stride_shift = 12, .level = 3};
	struct walker_config config = rig_usual();
	struct rig rig;

	(void)state;
	rig_init(&rig, &config);
	rig_leaf(&rig, 0, 3, RIG_S1_CLEAN);
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	rig.host.hal.tlb.invalidate_range(&rig.host, &page);
	host_fail(&rig.host, HOST_SYNC, 1, false);
	assert_int_equal(rig.host.hal.tlb.sync(&rig.host), HOST_ERROR);
	assert_int_equal(rig.host.hal.tlb.sync(&rig.host), 0);
	assert_true(walker_caches_iova(rig.walker, 0));
	rig_invalidate(&rig, &page);
	assert_false(walker_caches_iova(rig.walker, 0));
	rig_fini(&rig);
}

static void the_log_keeps_the_order_of_requests(void **state)
{
	const struct iopgt_invalidation page = {4096, 8192, 1, 12, 3};
	struct walker_config config = rig_usual();
	struct host_event event;
	struct rig rig;

	(void)state;
	rig_init(&rig, &config);
	rig_invalidate(&rig, &page);
	assert_int_equal(host_logged(&rig.host), 2);
	assert_true(host_event(&rig.host, 0, &event));
	assert_int_equal(event.call, HOST_RANGE);
	assert_int_equal(event.request.size, 8192);
	assert_int_equal(event.request.level, 3);
	assert_true(host_event(&rig.host, 1, &event));
	assert_int_equal(event.call, HOST_SYNC);
	for (unsigned i = 0; i < HOST_LOG; i++)
		rig.host.hal.tlb.sync(&rig.host);
	assert_false(host_event(&rig.host, 1, &event));
	assert_true(host_event(&rig.host, HOST_LOG + 1, &event));
	host_log_clear(&rig.host);
	assert_false(host_event(&rig.host, 0, &event));
	rig_fini(&rig);
}

static void bad_requests_are_violations(void **state)
{
	static const struct iopgt_invalidation bad[] = {
		{0, 0, 0, 12, 3},    {0, 100, 0, 12, 3},        {8, 4096, 0, 12, 3},
		{0, 4096, 0, 11, 3}, {0, 4096, 8, 12, 3},       {0, 4096, 0, 12, 4},
		{0, 4096, 0, 12, 0}, {4096, 2 * MIB, 0, 12, 2}, {~UINT64_C(4095), 8192, 0, 12, 3},
	};
	struct walker_config config = rig_usual();
	struct rig rig;

	(void)state;
	rig_init(&rig, &config);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rig.host.hal.tlb.invalidate_range(&rig.host, &bad[i]);
		assert_int_equal(host_violations(&rig.host), i + 1);
	}
	assert_false(host_is_good(&rig.host));
	rig_fini(&rig);
}

static void a_free_before_the_sync_is_a_violation(void **state)
{
	const struct iopgt_invalidation page = {0, 4096, IOPGT_INVALIDATE_WALK_CACHES, 12, 3};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct walker_config config = rig_usual();
		uint64_t slot, table;
		struct rig rig;

		config.complete_one_in = i == 1;
		rig_init(&rig, &config);
		rig_leaf(&rig, 0, 3, RIG_S1_CLEAN);
		slot = rig_slot(&rig, 0, 2);
		table = rig_get(&rig, slot) & UINT64_C(0xfffffffff000);
		rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
		rig_put(&rig, slot, 0, 0);
		rig.host.hal.tlb.invalidate_range(&rig.host, &page);
		if (i == 2)
			rig.host.hal.tlb.sync(&rig.host);
		rig.host.hal.free_table(&rig.host, pool_virt(rig.host.pool, table, 4096), table,
		                        4096);
		/* 0: cached and not synced; 1: complete by luck, not synced; 2: good. */
		assert_int_equal(host_violations(&rig.host), 2 - i);
		rig_fini(&rig);
	}
}

static void a_deaf_host_invalidates_nothing(void **state)
{
	const struct iopgt_invalidation page = {.size = 4096, .stride_shift = 12, .level = 3};
	struct walker_config config = rig_usual();
	struct rig rig;

	(void)state;
	rig_init(&rig, &config);
	rig_leaf(&rig, 0, 3, RIG_S1_CLEAN);
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	host_set_mode(&rig.host, HOST_DEAF);
	rig_invalidate(&rig, &page);
	assert_true(walker_caches_iova(rig.walker, 0));
	rig_fini(&rig);
}

static void a_domain_walker_hears_its_own_requests_only(void **state)
{
	const struct iopgt_invalidation page = {.size = 4096, .stride_shift = 12, .level = 3};
	const struct iopgt_tlb_ops *ops = host_walker_tlb_ops();
	struct walker_config config = rig_usual();
	struct host_walker *one;
	struct rig rig;

	(void)state;
	rig_init(&rig, &config);
	one = host_add_domain_walker(&rig.host, &rig.config);
	rig_leaf(&rig, 0, 3, RIG_S1_CLEAN);
	walker_access(one->walker, 0, WALKER_READ, NULL);
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	rig_invalidate(&rig, &page);
	assert_false(walker_caches_iova(rig.walker, 0));
	assert_true(walker_caches_iova(one->walker, 0));
	rig_expect(&rig, 0, WALKER_READ, WALKER_OK);
	assert_int_equal(ops->invalidate_range(one, &page), 0);
	assert_int_equal(ops->sync(one), 0);
	assert_true(walker_caches_iova(rig.walker, 0));
	assert_false(walker_caches_iova(one->walker, 0));
	rig_fini(&rig);
}

/* A device writes while another thread cleans, waits and copies, as in live migration. */

#define RACE_PAGES  16u
#define RACE_WRITES 1000u /* before and after */
#define RACE_ROUNDS 50u   /* so many rounds of the other side */

struct race {
	struct rig rig;
	unsigned char *memory, *copy;
	atomic_uint rounds;
	atomic_bool done;
};

static void race_write(struct race *race, struct random *random)
{
	struct walker_guest guest = {.base = race->memory, .bytes = RACE_PAGES * 4096};
	uint64_t value = random_next(random);
	uint64_t iova = value % (RACE_PAGES * 4096 - 16);

	if (walker_write(race->rig.walker, iova, &value, 8, &guest).bytes != 8)
		abort();
}

static void *race_device(void *context)
{
	struct race *race = context;
	struct random random = {7};
	unsigned last;

	for (unsigned i = 0; i < RACE_WRITES; i++)
		race_write(race, &random);
	last = atomic_load(&race->rounds) + RACE_ROUNDS;
	while (atomic_load(&race->rounds) < last)
		race_write(race, &random);
	for (unsigned i = 0; i < RACE_WRITES; i++)
		race_write(race, &random);
	atomic_store(&race->done, true);
	return NULL;
}

/* One round: clean, invalidate, wait, copy. */
static void race_round(struct race *race, const uint64_t *slots)
{
	struct iopgt_invalidation request = {0, RACE_PAGES * 4096, 0, 12, 3};
	bool dirty[RACE_PAGES];

	for (unsigned page = 0; page < RACE_PAGES; page++) {
		_Atomic uint64_t *word = pool_word(race->rig.host.pool, slots[page], false);
		uint64_t old = atomic_fetch_or(word, pool_little_endian(RIG_BIT7));

		dirty[page] = !(pool_little_endian(old) & RIG_BIT7);
	}
	rig_invalidate(&race->rig, &request);
	for (unsigned page = 0; page < RACE_PAGES; page++)
		if (dirty[page])
			guest_read(race->copy + page * 4096, race->memory + page * 4096, 4096);
	atomic_fetch_add(&race->rounds, 1);
}

/* Returns whether the copy equals the memory in the end. */
static bool race(uint32_t mode)
{
	struct race race = {.memory = calloc(RACE_PAGES, 4096), .copy = calloc(RACE_PAGES, 4096)};
	struct walker_config config = walker_usual(seed_from_environment("IOPGT_SEED", 11));
	struct walker_config usual = rig_usual();
	uint64_t slots[RACE_PAGES];
	pthread_t device;
	bool same;

	config.stage = usual.stage;
	config.granule_shift = usual.granule_shift;
	config.input_bits = usual.input_bits;
	config.output_bits = usual.output_bits;
	config.flags = usual.flags;
	if (mode & HOST_DEAF)
		config.evict_one_in = 0;
	rig_init(&race.rig, &config);
	host_set_mode(&race.rig.host, mode);
	for (unsigned page = 0; page < RACE_PAGES; page++)
		slots[page] = rig_leaf(&race.rig, page * 4096u, 3, RIG_S1_CLEAN | page * 4096u);
	assert_int_equal(pthread_create(&device, NULL, race_device, &race), 0);
	while (!atomic_load(&race.done))
		race_round(&race, slots);
	pthread_join(device, NULL);
	race_round(&race, slots);
	same = memcmp(race.memory, race.copy, RACE_PAGES * 4096) == 0;
	assert_true(host_is_good(&race.rig.host));
	rig_fini(&race.rig);
	free(race.memory);
	free(race.copy);
	return same;
}

static void a_live_copy_is_exact_with_invalidation_and_not_without(void **state)
{
	(void)state;
	assert_true(race(0));
	assert_false(race(HOST_DEAF));
}

static void *churn(void *context)
{
	struct pool *pool = context;
	uint64_t phys[8];

	for (unsigned round = 0; round < 200; round++) {
		for (unsigned i = 0; i < 8; i++)
			if (!pool_alloc(pool, 4096, round % 2, &phys[i]) ||
			    !pool_virt(pool, phys[i], 4096))
				abort();
		for (unsigned i = 0; i < 8; i++)
			pool_free(pool, phys[i], 4096);
	}
	return NULL;
}

static void two_threads_share_a_pool(void **state)
{
	struct pool *pool = pool_create((size_t)(16 * MIB), 0, POOL_NON_COHERENT);
	pthread_t one, two;

	(void)state;
	assert_int_equal(pthread_create(&one, NULL, churn, pool), 0);
	assert_int_equal(pthread_create(&two, NULL, churn, pool), 0);
	for (uint64_t at = 0; at < 16 * MIB; at += 4096)
		pool_virt(pool, at, 8);
	pthread_join(one, NULL);
	pthread_join(two, NULL);
	assert_int_equal(pool_in_use(pool), 0);
	assert_int_equal(pool_bytes_in_use(pool), 0);
	pool_destroy(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allocations_are_aligned_in_physical_space_and_full_of_garbage),
		cmocka_unit_test(addresses_are_virtual_inside_one_live_allocation_only),
		cmocka_unit_test(freed_memory_is_reused_when_the_arena_is_full),
		cmocka_unit_test(guest_copies_are_exact_at_every_alignment),
		cmocka_unit_test(writes_go_by_pages_and_stop_at_a_fault),
		cmocka_unit_test(a_fault_handler_can_make_a_write_succeed),
		cmocka_unit_test(calls_fail_when_they_are_told_to),
		cmocka_unit_test(a_failed_sync_loses_what_was_posted),
		cmocka_unit_test(the_log_keeps_the_order_of_requests),
		cmocka_unit_test(bad_requests_are_violations),
		cmocka_unit_test(a_free_before_the_sync_is_a_violation),
		cmocka_unit_test(a_deaf_host_invalidates_nothing),
		cmocka_unit_test(a_domain_walker_hears_its_own_requests_only),
		cmocka_unit_test(a_live_copy_is_exact_with_invalidation_and_not_without),
		cmocka_unit_test(two_threads_share_a_pool),
	};

	return cmocka_run_group_tests_name("pool and host", tests, NULL, NULL);
}
