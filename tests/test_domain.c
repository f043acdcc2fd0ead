/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_domain_*: walkers that share a table, and what it may do with them. */
#include "fixture.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (12 * block(f))

static int attach(struct fixture *f, unsigned index)
{
	return iopgt_domain_attach(&f->domain, &f->domain_walkers[index]);
}

static int detach(struct fixture *f, unsigned index)
{
	return iopgt_domain_detach(&f->domain, &f->domain_walkers[index]);
}

/* A further walker of another break-before-make level, not attached. */
static unsigned add_walker_of_level(struct fixture *f, uint8_t level)
{
	uint8_t usual = f->bbm_level;
	unsigned index;

	f->bbm_level = level;
	index = fixture_add_walker(f);
	f->bbm_level = usual;
	return index;
}

static bool capable(struct fixture *f, uint32_t capability)
{
	return iopgt_domain_capable(&f->domain, capability);
}

/* --- Making and ending --- */

static void init_refuses_bad_flags_and_configurations(struct fixture *f)
{
	struct iopgt_domain domain;
	struct iopgt_config config = f->config;
	size_t before = pool_in_use(f->host.pool);

	expect(IOPGT_BAD_FLAGS, iopgt_domain_init(&domain, &config, &f->hal, &f->host, 2));
	expect(IOPGT_BAD_ARGUMENT, iopgt_domain_init(NULL, &config, &f->hal, &f->host, 0));
	expect(IOPGT_BAD_ARGUMENT, iopgt_domain_init(&domain, NULL, &f->hal, &f->host, 0));
	expect(IOPGT_BAD_ARGUMENT, iopgt_domain_init(&domain, &config, NULL, &f->host, 0));
	config.dirty = IOPGT_DIRTY_NONE;
	expect(IOPGT_NO_DIRTY,
	       iopgt_domain_init(&domain, &config, &f->hal, &f->host, IOPGT_DOMAIN_ENFORCE_DIRTY));
	config.dirty = IOPGT_DIRTY_SOFTWARE;
	expect(IOPGT_NO_DIRTY,
	       iopgt_domain_init(&domain, &config, &f->hal, &f->host, IOPGT_DOMAIN_ENFORCE_DIRTY));
	config.granule_shift = 13;
	expect(IOPGT_BAD_GRANULE, iopgt_domain_init(&domain, &config, &f->hal, &f->host, 0));
	assert_int_equal(pool_in_use(f->host.pool), before);
}

static void the_hal_needs_no_invalidation_of_its_own(struct fixture *f)
{
	struct iopgt_hal hal = f->hal;
	struct iopgt_domain domain;

	hal.tlb = (struct iopgt_tlb_ops){0};
	expect(IOPGT_OK, iopgt_domain_init(&domain, &f->config, &hal, &f->host, 0));
	expect(IOPGT_OK, iopgt_domain_fini(&domain));
}

/* The walkers are gone: nothing to invalidate, and nothing that fails. */
static void a_domain_without_walkers_works(struct fixture *f)
{
	expect(IOPGT_OK, detach(f, 0));
	walker_forget(f->walkers[0]);
	host_log_clear(&f->host);
	map(f, FIRST(f), PHYS(f), 3 * block(f), RW | IOPGT_CLEAN);
	split(f, FIRST(f), block(f));
	unmap(f, FIRST(f) + granule(f), granule(f));
	protect(f, FIRST(f) + block(f), block(f), IOPGT_READ);
	take_dirty(f, FIRST(f), 3 * block(f));
	assert_int_equal(count_bits(f), 0);
	unmap(f, FIRST(f), 3 * block(f));
	assert_int_equal(event_count(f, HOST_RANGE) + event_count(f, HOST_ALL), 0);
}

static void fini_refuses_while_walkers_are_attached(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), block(f), RW);
	expect(IOPGT_IN_USE, iopgt_domain_fini(&f->domain));
	expect_mapped(f, FIRST(f), PHYS(f), block(f));
	read_page(f, FIRST(f));
	unmap(f, FIRST(f), block(f));
	expect(IOPGT_BAD_ARGUMENT, iopgt_domain_fini(NULL));
}

/* --- Attach and detach --- */

static void attach_refuses_what_is_attached(struct fixture *f)
{
	expect(IOPGT_IN_USE, attach(f, 0));
	expect(IOPGT_OK, detach(f, 0));
	expect(IOPGT_NOT_ATTACHED, detach(f, 0));
	expect(IOPGT_OK, attach(f, 0));
}

static void detach_refuses_a_stranger(struct fixture *f)
{
	unsigned stranger = fixture_add_walker(f);

	expect(IOPGT_NOT_ATTACHED, detach(f, stranger));
	expect(IOPGT_BAD_ARGUMENT, iopgt_domain_detach(NULL, &f->domain_walkers[0]));
	expect(IOPGT_BAD_ARGUMENT, iopgt_domain_detach(&f->domain, NULL));
	expect(IOPGT_BAD_ARGUMENT, iopgt_domain_attach(NULL, &f->domain_walkers[stranger]));
	expect(IOPGT_BAD_ARGUMENT, iopgt_domain_attach(&f->domain, NULL));
}

static void walkers_are_detached_in_any_order(struct fixture *f)
{
	expect(IOPGT_OK, detach(f, 1));
	expect(IOPGT_OK, detach(f, 2));
	expect(IOPGT_OK, attach(f, 1));
	expect(IOPGT_OK, detach(f, 0));
	expect(IOPGT_NOT_ATTACHED, detach(f, 2));
	expect(IOPGT_IN_USE, attach(f, 1));
	expect(IOPGT_OK, detach(f, 1));
}

/* Each is refused, and a walker that would have lowered the level has not. */
static void attach_refuses_walkers_that_cannot_walk_the_table(struct fixture *f)
{
	unsigned index = add_walker_of_level(f, 0);
	struct iopgt_walker good = f->domain_walkers[index];
	struct iopgt_walker *walker = &f->domain_walkers[index];
	struct iopgt_tlb_ops tlb = f->domain_tlb;

	walker->input_bits = f->config.input_bits - 1;
	expect(IOPGT_INCOMPATIBLE, attach(f, index));
	*walker = good;
	walker->output_bits = f->config.output_bits - 4;
	expect(IOPGT_INCOMPATIBLE, attach(f, index));
	*walker = good;
	walker->flags &= ~(uint32_t)IOPGT_WALKER_COHERENT;
	expect(IOPGT_INCOMPATIBLE, attach(f, index));
	*walker = good;
	walker->bbm_level = 3;
	expect(IOPGT_BAD_BBM_LEVEL, attach(f, index));
	*walker = good;
	walker->tlb = NULL;
	expect(IOPGT_BAD_HAL, attach(f, index));
	walker->tlb = &tlb;
	tlb.sync = NULL;
	expect(IOPGT_BAD_HAL, attach(f, index));
	tlb = f->domain_tlb;
	tlb.invalidate_all = NULL;
	expect(IOPGT_BAD_HAL, attach(f, index));
	tlb = f->domain_tlb;
	tlb.invalidate_range = NULL;
	expect(IOPGT_BAD_HAL, attach(f, index));
	assert_true(capable(f, IOPGT_CAPABLE_LIVE_SPLIT));
	expect(IOPGT_NOT_ATTACHED, detach(f, index));
}

static void a_coherent_walker_suits_a_non_coherent_table(struct fixture *f)
{
	unsigned index = fixture_add_walker(f);

	f->domain_walkers[index].flags |= IOPGT_WALKER_COHERENT;
	expect(IOPGT_OK, attach(f, index));
}

static void a_domain_that_enforces_refuses_walkers_without_dirty(struct fixture *f)
{
	unsigned index = fixture_add_walker(f);

	f->domain_walkers[index].flags &= ~(uint32_t)IOPGT_WALKER_DIRTY;
	expect(IOPGT_NO_DIRTY, attach(f, index));
	f->domain_walkers[index].flags |= IOPGT_WALKER_DIRTY;
	expect(IOPGT_OK, attach(f, index));
}

static void a_domain_that_tracks_refuses_walkers_without_dirty(struct fixture *f)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_NONE};
	unsigned index = fixture_add_walker(f);
	struct iopgt_op op = new_op(f);

	f->domain_walkers[index].flags &= ~(uint32_t)IOPGT_WALKER_DIRTY;
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, true, &how, &op));
	finish(f, &op);
	expect(IOPGT_NO_DIRTY, attach(f, index));
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, false, NULL, &op));
	finish(f, &op);
	expect(IOPGT_OK, attach(f, index));
	expect(IOPGT_NO_DIRTY, iopgt_set_dirty_tracking(&f->domain, true, &how, &op));
	finish(f, &op);
}

/* --- Levels --- */

static void the_lowest_level_counts(struct fixture *f)
{
	unsigned weak = add_walker_of_level(f, 0);
	struct iopgt_op op = {0};

	map(f, FIRST(f), PHYS(f), 2 * block(f), RW);
	expect(IOPGT_OK, attach(f, weak));
	assert_false(capable(f, IOPGT_CAPABLE_LIVE_SPLIT));
	expect(IOPGT_WOULD_BREAK, iopgt_split_block(f->table, FIRST(f), block(f), &op));
	expect(IOPGT_OK, detach(f, weak));
	assert_true(capable(f, IOPGT_CAPABLE_LIVE_SPLIT));
	expect(IOPGT_OK, iopgt_split_block(f->table, FIRST(f), block(f), &op));
	finish(f, &op);
}

/* The model of the level-1 walker reports a conflict if level 2's way is used. */
static void access_all(struct fixture *f, enum host_call call, bool done)
{
	(void)call;
	(void)done;
	for (unsigned i = 0; i < f->walker_count; i++) {
		assert_true(access_ok(f, i, FIRST(f), WALKER_READ));
		assert_true(access_ok(f, i, FIRST(f) + 3 * granule(f), WALKER_WRITE));
	}
}

static void a_level_1_walker_among_those_of_level_2_sees_no_conflict(struct fixture *f)
{
	unsigned weak = add_walker_of_level(f, 1);

	expect(IOPGT_OK, attach(f, weak));
	assert_true(capable(f, IOPGT_CAPABLE_LIVE_SPLIT));
	map(f, FIRST(f), PHYS(f), block(f), RW);
	f->hook = access_all;
	access_all(f, HOST_ANY, false);
	split(f, FIRST(f), block(f));
	merge(f, FIRST(f), block(f));
	f->hook = NULL;
	expect_level(f, FIRST(f), 2);
}

static void faults_are_retried_only_if_all_walkers_do(struct fixture *f)
{
	unsigned impatient = fixture_add_walker(f);
	struct iopgt_op op = {0};

	map(f, FIRST(f), PHYS(f), 2 * block(f), RW);
	assert_true(capable(f, IOPGT_CAPABLE_SPLIT));
	assert_false(capable(f, IOPGT_CAPABLE_LIVE_SPLIT));
	f->domain_walkers[impatient].flags &= ~(uint32_t)IOPGT_WALKER_FAULTS_RETRIED;
	expect(IOPGT_OK, attach(f, impatient));
	assert_false(capable(f, IOPGT_CAPABLE_SPLIT));
	expect(IOPGT_WOULD_BREAK, iopgt_split_block(f->table, FIRST(f), block(f), &op));
	expect(IOPGT_OK, detach(f, impatient));
	assert_true(capable(f, IOPGT_CAPABLE_SPLIT));
	expect(IOPGT_OK, iopgt_split_block(f->table, FIRST(f), block(f), &op));
	finish(f, &op);
}

static void capabilities_follow_the_walkers(struct fixture *f)
{
	unsigned index = fixture_add_walker(f);

	assert_true(capable(f, IOPGT_CAPABLE_DIRTY_TRACKING));
	assert_int_equal(capable(f, IOPGT_CAPABLE_LIVE_SPLIT), f->bbm_level > 0);
	assert_int_equal(capable(f, IOPGT_CAPABLE_SPLIT), f->bbm_level > 0);
	f->domain_walkers[index].flags &= ~(uint32_t)IOPGT_WALKER_DIRTY;
	expect(IOPGT_OK, attach(f, index));
	assert_false(capable(f, IOPGT_CAPABLE_DIRTY_TRACKING));
	expect(IOPGT_OK, detach(f, index));
	assert_true(capable(f, IOPGT_CAPABLE_DIRTY_TRACKING));
	assert_false(iopgt_domain_capable(NULL, IOPGT_CAPABLE_SPLIT));
	assert_false(capable(f, 99));
}

static void without_dirty_management_tracking_is_no_capability(struct fixture *f)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_NONE};
	struct iopgt_op op = new_op(f);

	assert_false(capable(f, IOPGT_CAPABLE_DIRTY_TRACKING));
	expect(IOPGT_NO_DIRTY, iopgt_set_dirty_tracking(&f->domain, true, &how, &op));
	for (int on = 0; on < 2; on++)
		expect(IOPGT_NO_DIRTY, iopgt_switch_dirty_log(&f->domain, on, 0, granule(f), &op));
}

/* --- Invalidations --- */

static void invalidations_reach_all_walkers(struct fixture *f)
{
	struct walker_counters before, after;

	map(f, FIRST(f), PHYS(f), block(f), RW);
	for (unsigned i = 0; i < f->walker_count; i++)
		assert_true(access_ok(f, i, FIRST(f), WALKER_WRITE));
	for (unsigned i = 0; i < f->walker_count; i++)
		assert_true(walker_caches_iova(f->walkers[i], FIRST(f)));
	walker_counters(f->walkers[2], &before);
	unmap(f, FIRST(f), block(f));
	walker_counters(f->walkers[2], &after);
	assert_true(after.syncs > before.syncs);
	for (unsigned i = 0; i < f->walker_count; i++) {
		assert_false(walker_caches_iova(f->walkers[i], FIRST(f)));
		assert_false(access_ok(f, i, FIRST(f), WALKER_READ));
	}
}

static void a_detached_walker_gets_no_more_invalidations(struct fixture *f)
{
	struct walker_counters before, after;

	map(f, FIRST(f), PHYS(f), block(f), RW);
	expect(IOPGT_OK, detach(f, 1));
	walker_forget(f->walkers[1]);
	walker_counters(f->walkers[1], &before);
	unmap(f, FIRST(f), block(f));
	walker_counters(f->walkers[1], &after);
	assert_int_equal(after.syncs, before.syncs);
	assert_int_equal(after.ranges + after.alls, before.ranges + before.alls);
}

/* The nth of three walkers fails to invalidate or to wait: all is still owed. */
static void one_walker_that_fails_keeps_all_owed(struct fixture *f)
{
	for (uint64_t nth = 1; nth <= 3; nth++) {
		struct iopgt_op op = new_op(f);
		size_t before;

		map(f, FIRST(f), PHYS(f) + granule(f), block(f), RW);
		for (unsigned i = 0; i < f->walker_count; i++)
			assert_true(access_ok(f, i, FIRST(f), WALKER_WRITE));
		before = pool_in_use(f->host.pool);
		expect(IOPGT_OK, iopgt_unmap(f->table, FIRST(f), block(f), &op));
		host_fail(&f->host, HOST_SYNC, nth, false);
		expect(HOST_ERROR, iopgt_op_finish(&op));
		host_fail_nothing(&f->host);
		assert_int_equal(pool_in_use(f->host.pool), before);
		finish(f, &op);
		for (unsigned i = 0; i < f->walker_count; i++)
			assert_false(access_ok(f, i, FIRST(f), WALKER_READ));
	}
}

/* Level 1 asks for nT, which AArch32 does not have: such a walker bears no live change. */
static void level_1_is_level_0_at_aarch32(struct fixture *f)
{
	assert_true(capable(f, IOPGT_CAPABLE_LIVE_SPLIT));
	f->domain_walkers[0].bbm_level = 1;
	expect(IOPGT_OK, detach(f, 0));
	expect(IOPGT_OK, attach(f, 0));
	assert_false(capable(f, IOPGT_CAPABLE_LIVE_SPLIT));
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(0, init_refuses_bad_flags_and_configurations, .domain = true),
		TEST_WITH(0, the_hal_needs_no_invalidation_of_its_own, .domain = true),
		TEST_WITH(FIXTURE_LEVELS, a_domain_without_walkers_works, .domain = true),
		TEST_WITH(0, fini_refuses_while_walkers_are_attached, .domain = true),
		TEST_WITH(0, attach_refuses_what_is_attached, .domain = true),
		TEST_WITH(0, detach_refuses_a_stranger, .domain = true),
		TEST_WITH(0, walkers_are_detached_in_any_order, .domain = true, .walkers = 3),
		TEST_WITH(0, attach_refuses_walkers_that_cannot_walk_the_table, .domain = true),
		TEST_WITH(0, a_coherent_walker_suits_a_non_coherent_table, .domain = true,
	                  .dirty = FIXTURE_NO_DIRTY, .config_flags = IOPGT_CONFIG_NON_COHERENT),
		TEST_WITH(0, a_domain_that_enforces_refuses_walkers_without_dirty, .domain = true,
	                  .domain_flags = IOPGT_DOMAIN_ENFORCE_DIRTY),
		TEST_WITH(0, a_domain_that_tracks_refuses_walkers_without_dirty, .domain = true),
		TEST_WITH(FIXTURE_GRANULES, the_lowest_level_counts, .domain = true),
		TEST_WITH(0, level_1_is_level_0_at_aarch32, .domain = true,
	                  .regime = IOPGT_STAGE1_AARCH32, .dirty = FIXTURE_NO_DIRTY,
	                  .input_bits = 32, .output_bits = 40),
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_STAGES,
	                  a_level_1_walker_among_those_of_level_2_sees_no_conflict, .domain = true,
	                  .walkers = 2),
		TEST_WITH(FIXTURE_GRANULES, faults_are_retried_only_if_all_walkers_do,
	                  .domain = true, .level = FIXTURE_LEVEL_0,
	                  .config_flags = IOPGT_CONFIG_FAULTS_RETRIED),
		TEST_WITH(FIXTURE_LEVELS, capabilities_follow_the_walkers, .domain = true),
		TEST_WITH(0, without_dirty_management_tracking_is_no_capability, .domain = true,
	                  .dirty = FIXTURE_NO_DIRTY),
		TEST_WITH(FIXTURE_GRANULES, invalidations_reach_all_walkers, .domain = true,
	                  .walkers = 3),
		TEST_WITH(FIXTURE_GRANULES, a_detached_walker_gets_no_more_invalidations,
	                  .domain = true, .walkers = 3),
		TEST_WITH(FIXTURE_GRANULES, one_walker_that_fails_keeps_all_owed, .domain = true,
	                  .walkers = 3),
	};

	return FIXTURE_RUN(tests);
}
