/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Access flags of tables in a domain: used while every attached walker sets
 * them; tracking that is turned on and off.
 */
#include "test_table_access.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (8 * block(f))
#define BLOCKS   3

static uint64_t page_at(const struct fixture *f, unsigned number)
{
	return FIRST(f) + number * granule(f);
}

static bool capable(struct fixture *f)
{
	return iopgt_domain_capable(&f->domain, IOPGT_CAPABLE_TABLE_ACCESS_FLAG);
}

static void map_pages(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f) + granule(f), BLOCKS * block(f), RW | IOPGT_CLEAN);
}

/* A walker that knows nothing of flags of tables; not attached. */
static unsigned add_plain(struct fixture *f)
{
	struct walker_config config = fixture_walker_config(&f->config, f->table->root_phys);
	unsigned index = f->walker_count++;

	assert_true(index < FIXTURE_WALKERS);
	config.flags = (config.flags | WALKER_SMMU) & ~(uint32_t)WALKER_HAFT;
	config.tlb_entries = 2048;
	config.walk_cache_entries = 128;
	f->host_walkers[index] = host_add_domain_walker(&f->host, &config);
	f->walkers[index] = f->host_walkers[index]->walker;
	f->domain_walkers[index] = f->domain_walkers[0];
	f->domain_walkers[index].next = NULL;
	f->domain_walkers[index].context = f->host_walkers[index];
	f->domain_walkers[index].flags &= ~(uint32_t)IOPGT_WALKER_TABLE_ACCESSED;
	return index;
}

static void attach(struct fixture *f, unsigned walker)
{
	expect(IOPGT_OK, iopgt_domain_attach(&f->domain, &f->domain_walkers[walker]));
}

static void detach(struct fixture *f, unsigned walker)
{
	walker_forget(f->walkers[walker]);
	expect(IOPGT_OK, iopgt_domain_detach(&f->domain, &f->domain_walkers[walker]));
}

/* --- Walkers come and go --- */

static void one_walker_without_flags_stops_the_skipping(struct fixture *f)
{
	unsigned plain = add_plain(f);
	struct runs runs;

	map_pages(f);
	assert_true(capable(f));
	quiet_down(f);
	attach(f, plain);
	assert_false(capable(f));
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(round_of_all(f).skipped, 0);
		/* In tables whose flags say that nobody came. */
		assert_true(access_ok(f, plain, page_at(f, i), WALKER_WRITE));
		assert_int_equal(visit_all(f, &runs, 0).skipped, 0);
		assert_true(has_run(&runs, page_at(f, i)));
		take_dirty(f, FIRST(f), block(f));
		expect_only_bits(f, page_at(f, i), granule(f));
	}
}

static void skipping_begins_again_when_the_last_one_has_gone(struct fixture *f)
{
	unsigned plain = add_plain(f), other = add_plain(f);
	struct runs runs;

	map_pages(f);
	quiet_down(f);
	attach(f, plain);
	attach(f, other);
	/* Found by nobody before they go. */
	assert_true(access_ok(f, plain, page_at(f, 1), WALKER_WRITE));
	assert_true(access_ok(f, other, page_at(f, 2) + block(f), WALKER_WRITE));
	detach(f, plain);
	assert_false(capable(f));
	assert_int_equal(visit_all(f, &runs, 0).skipped, 0);
	detach(f, other);
	assert_true(capable(f));
	expect_all_reported(f);
	assert_int_equal(visit_all(f, &runs, IOPGT_OP_CLEAR).skipped, 0);
	assert_true(has_run(&runs, page_at(f, 1)));
	assert_true(has_run(&runs, page_at(f, 2) + block(f)));
	quiet_down(f);
	write_page(f, page_at(f, 3));
	expect_reported_once(f, page_at(f, 3));
}

/* Tables made, and leaves made dirty, while nobody looks at flags. */
static void what_happened_meanwhile_is_found(struct fixture *f)
{
	unsigned plain = add_plain(f);
	uint64_t far = 5 * level_size(f, 1);

	map_pages(f);
	quiet_down(f);
	attach(f, plain);
	for (int i = 0; i < 3; i++)
		round_of_all(f);
	map(f, far, PHYS(f), granule(f), RW);
	map(f, FIRST(f) + BLOCKS * block(f), PHYS(f), block(f), RW);
	assert_true(access_ok(f, plain, page_at(f, 1), WALKER_WRITE));
	split(f, FIRST(f) + BLOCKS * block(f), block(f));
	detach(f, plain);
	expect_all_reported(f);
	expect_reported_once(f, far);
}

static void others_come_and_go_as_they_like(struct fixture *f)
{
	unsigned other = fixture_add_walker(f);

	map_pages(f);
	quiet_down(f);
	attach(f, other);
	assert_true(capable(f));
	assert_true(round_of_all(f).skipped > 0);
	assert_true(access_ok(f, other, page_at(f, 1), WALKER_WRITE));
	detach(f, other);
	expect_reported_once(f, page_at(f, 1));
	assert_true(round_of_all(f).skipped > 0);
	/* With no walker at all. */
	detach(f, 0);
	assert_true(capable(f));
	assert_true(round_of_all(f).skipped > 0);
	attach(f, 0);
	write_page(f, page_at(f, 2));
	expect_reported_once(f, page_at(f, 2));
}

static void a_domain_without_the_flag_is_not_capable(struct fixture *f)
{
	map_pages(f);
	assert_false(capable(f));
	for (int i = 0; i < 4; i++)
		assert_int_equal(round_of_all(f).skipped, 0);
	detach(f, 0);
	assert_false(capable(f));
}

/* --- Tracking --- */

static void track(struct fixture *f, bool on, uint32_t policy, uint32_t flags)
{
	const struct iopgt_tracking how = {.policy = policy};
	struct iopgt_op op = new_op(f);

	op.flags |= flags;
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, on, &how, &op));
	finish(f, &op);
}

static void switch_range(struct fixture *f, bool on, uint64_t iova, uint64_t size)
{
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_switch_dirty_log(&f->domain, on, iova, size, &op));
	finish(f, &op);
}

/* While nothing tracks, what becomes writable is writable-dirty (table.h). */
static void what_becomes_writable_is_found(struct fixture *f)
{
	uint64_t iova = FIRST(f) + 2 * block(f);

	map(f, FIRST(f), PHYS(f) + granule(f), block(f), IOPGT_READ);
	map(f, iova, PHYS(f) + 2 * block(f), block(f), IOPGT_READ);
	expect_level(f, iova, 2);
	quiet_down(f);
	protect(f, page_at(f, 6), granule(f), RW);
	expect_reported_once(f, page_at(f, 6));
	protect(f, iova, block(f), RW);
	expect_level(f, iova, 2);
	expect_reported_once(f, iova);
}

/* A block, and pages; all dirty, since nothing tracks. */
static void map_untracked(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), block(f), RW);
	map(f, FIRST(f) + block(f), PHYS(f) + block(f) + granule(f), 2 * block(f), RW);
}

static void work_while_tracking(struct fixture *f)
{
	uint64_t page = page_at(f, 3) + block(f);

	for (int i = 0; i < 3; i++) {
		write_page(f, page);
		expect_reported_once(f, page);
		/* Mapped clean while it tracks. */
		map(f, FIRST(f) + (10 + (unsigned)i) * block(f), PHYS(f), granule(f), RW);
		expect_all_reported(f);
		write_page(f, FIRST(f) + (10 + (unsigned)i) * block(f));
		expect_reported_once(f, FIRST(f) + (10 + (unsigned)i) * block(f));
	}
}

static void tracking_by(struct fixture *f, uint32_t policy)
{
	struct runs runs;

	map_untracked(f);
	for (int i = 0; i < 2; i++) {
		track(f, true, policy, 0);
		visit_all(f, &runs, 0);
		assert_int_equal(runs.count, 0);
		expect_all_reported(f);
		work_while_tracking(f);
		/* All is dirty again, in tables that were skipped. */
		track(f, false, policy, 0);
		expect_all_reported(f);
		visit_all(f, &runs, 0);
		assert_true(has_run(&runs, FIRST(f)) && has_run(&runs, FIRST(f) + 2 * block(f)));
		unmap(f, FIRST(f) + 10 * block(f), 3 * block(f));
	}
}

static void tracking_that_splits_nothing(struct fixture *f)
{
	tracking_by(f, IOPGT_SPLIT_NONE);
}

static void tracking_that_splits(struct fixture *f)
{
	tracking_by(f, IOPGT_SPLIT_EAGER);
}

static void tracking_that_starts_dirty(struct fixture *f)
{
	struct runs runs;

	map_untracked(f);
	for (int i = 0; i < 2; i++) {
		track(f, true, IOPGT_SPLIT_EAGER, IOPGT_OP_START_DIRTY);
		expect_all_reported(f);
		visit_all(f, &runs, IOPGT_OP_CLEAR);
		assert_true(has_run(&runs, FIRST(f)) && has_run(&runs, FIRST(f) + 2 * block(f)));
		expect_all_reported(f);
		quiet_down(f);
		work_while_tracking(f);
		/* From clean to dirty without tracking being turned off. */
		track(f, true, IOPGT_SPLIT_EAGER, IOPGT_OP_START_DIRTY);
		expect_all_reported(f);
		visit_all(f, &runs, 0);
		assert_true(has_run(&runs, FIRST(f)));
		track(f, false, IOPGT_SPLIT_EAGER, 0);
		expect_all_reported(f);
		unmap(f, FIRST(f) + 10 * block(f), 3 * block(f));
	}
}

/* Nothing but blocks: by turning tracking off, and by starting dirty when they are clean. */
static void blocks_that_become_dirty(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), 2 * block(f), RW);
	for (int i = 0; i < 4; i++) {
		track(f, true, IOPGT_SPLIT_NONE, 0);
		expect_level(f, FIRST(f), 2);
		quiet_down(f);
		track(f, i % 2, IOPGT_SPLIT_NONE, i % 2 ? IOPGT_OP_START_DIRTY : 0);
		expect_all_reported(f);
		expect_reported_once(f, FIRST(f) + block(f));
	}
}

static void groups_that_become_dirty(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), group_size(f, 3), RW);
	for (int i = 0; i < 4; i++) {
		track(f, true, IOPGT_SPLIT_NONE, 0);
		expect_leaf_size(f, FIRST(f), group_size(f, 3));
		quiet_down(f);
		track(f, i % 2, IOPGT_SPLIT_NONE, i % 2 ? IOPGT_OP_START_DIRTY : 0);
		expect_all_reported(f);
		expect_reported_once(f, FIRST(f) + granule(f));
	}
}

static void tracking_of_a_range(struct fixture *f)
{
	struct runs runs;

	map_untracked(f);
	track(f, true, IOPGT_SPLIT_NONE, 0);
	quiet_down(f);
	/* One leaf table's pages are dirty for ever now; the other's not. */
	switch_range(f, false, FIRST(f) + block(f), granule(f));
	expect_all_reported(f);
	visit_all(f, &runs, 0);
	assert_true(has_run(&runs, FIRST(f) + block(f)));
	assert_false(has_run(&runs, FIRST(f) + 2 * block(f)));
	write_page(f, page_at(f, 3) + 2 * block(f));
	switch_range(f, true, FIRST(f) + block(f), block(f));
	expect_all_reported(f);
	expect_reported_once(f, page_at(f, 3) + 2 * block(f));
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_STAGES;
	const uint32_t live = all | FIXTURE_LEVELS;
	const struct fixture_test tests[] = {
		TEST_WITH(all, one_walker_without_flags_stops_the_skipping,
	                  .walks = FIXTURE_TABLE_ACCESS, .domain = true),
		TEST_WITH(all, skipping_begins_again_when_the_last_one_has_gone,
	                  .walks = FIXTURE_TABLE_ACCESS, .domain = true),
		TEST_WITH(live, what_happened_meanwhile_is_found, .walks = FIXTURE_TABLE_ACCESS,
	                  .domain = true),
		TEST_WITH(all, others_come_and_go_as_they_like, .walks = FIXTURE_TABLE_ACCESS,
	                  .domain = true),
		TEST_WITH(all, a_domain_without_the_flag_is_not_capable, .domain = true),
		TEST_WITH(all, what_becomes_writable_is_found, .walks = FIXTURE_TABLE_ACCESS,
	                  .domain = true),
		TEST_WITH(live, tracking_that_splits_nothing, .walks = FIXTURE_TABLE_ACCESS,
	                  .domain = true, .walkers = 2),
		TEST_WITH(live, tracking_that_splits, .walks = FIXTURE_TABLE_ACCESS, .domain = true,
	                  .walkers = 2),
		TEST_WITH(all, tracking_that_starts_dirty, .walks = FIXTURE_TABLE_ACCESS,
	                  .domain = true, .walkers = 2),
		TEST_WITH(all, blocks_that_become_dirty, .walks = FIXTURE_TABLE_ACCESS,
	                  .domain = true),
		TEST_WITH(all, groups_that_become_dirty, .walks = FIXTURE_TABLE_ACCESS,
	                  .domain = true, .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
		TEST_WITH(all, tracking_of_a_range, .walks = FIXTURE_TABLE_ACCESS, .domain = true,
	                  .walkers = 2),
	};

	return FIXTURE_RUN(tests);
}
