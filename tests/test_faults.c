/* SPDX-License-Identifier: BSD-2-Clause */
/* fault.h: every outcome of the three handlers, by leaf, stage and level. */
#include "test_raw.h"

#define FIRST(f) (16 * block(f))
#define PHYS(f)  (64 * block(f))
#define CLEAN    IOPGT_CLEAN
#define PRIV     IOPGT_PRIVILEGED

/* A CPU that updates nothing, and keeps what it has read until it is told. */
static struct walker *add_cpu(struct fixture *f)
{
	struct walker_config config = fixture_walker_config(&f->config, f->table->root_phys);

	config.flags &= ~(uint32_t)(WALKER_HA | WALKER_HD);
	config.tlb_entries = 256;
	config.walk_cache_entries = 64;
	config.contiguous_one_in = 1;
	f->walkers[f->walker_count] = host_add_walker(&f->host, &config);
	return f->walkers[f->walker_count++];
}

static int write_fault(struct fixture *f, uint64_t iova, uint32_t access, struct iopgt_op *op)
{
	return iopgt_handle_write_fault(f->table, iova, access, op);
}

/* Where a leaf of each size is: a page, a block, and groups of both if there are. */
struct spot {
	uint64_t iova, size;
	int level;
};

static unsigned map_spots(struct fixture *f, uint32_t prot, struct spot *spots)
{
	unsigned count = 2;

	spots[0] = (struct spot){FIRST(f) - 2 * granule(f), granule(f), 3};
	spots[1] = (struct spot){FIRST(f) - block(f) * 2, block(f), 2};
	if (f->config.leaf_sizes) {
		uint64_t size = group_size(f, 3);

		spots[2] = (struct spot){FIRST(f) - block(f) + size, size, 3};
		spots[3] = (struct spot){64 * group_size(f, 2), group_size(f, 2), 2};
		count = 4;
	}
	for (unsigned i = 0; i < count; i++) {
		map(f, spots[i].iova, PHYS(f) + spots[i].iova, spots[i].size, prot);
		expect_leaf_size(f, spots[i].iova, spots[i].size);
	}
	return count;
}

/* Each descriptor of the leaf. */
static void expect_states(struct fixture *f, const struct spot *spot, enum walker_dirty want)
{
	for (uint64_t at = 0; at < spot->size; at += level_size(f, spot->level)) {
		struct walker_leaf leaf = leaf_at(f, spot->iova + at);

		assert_int_equal(leaf.dirty, want);
		assert_int_equal(leaf.level, spot->level);
		assert_true(leaf.access_flag);
	}
}

static void clear_access_flags(struct fixture *f, const struct spot *spot)
{
	struct raw raw = raw_of(f);

	for (uint64_t at = 0; at < spot->size; at += level_size(f, spot->level)) {
		uint64_t slot = raw_slot(&raw, spot->iova + at, spot->level);

		raw_store(&raw, slot, raw_load(&raw, slot) & ~RAW_AF);
	}
}

/* Leaf entries of exactly this leaf, and nothing else, were invalidated since the log began. */
static void expect_leaf_invalidated(struct fixture *f, const struct spot *spot)
{
	struct host_event event;
	int64_t index = event_index(f, HOST_RANGE, 0);

	assert_int_equal(event_count(f, HOST_RANGE), 1);
	assert_int_equal(event_count(f, HOST_ALL), 0);
	assert_int_equal(event_count(f, HOST_SYNC), 1);
	assert_true(host_event(&f->host, (uint64_t)index, &event));
	assert_int_equal(event.request.iova, spot->iova);
	assert_int_equal(event.request.size, spot->size);
	assert_int_equal(event.request.flags, 0);
	assert_true(event.request.level == spot->level || event.request.level == IOPGT_NO_LEVEL);
	assert_true(UINT64_C(1) << event.request.stride_shift <= level_size(f, spot->level));
}

/* --- Writes --- */

static void a_write_fault_makes_a_clean_leaf_dirty(struct fixture *f)
{
	struct spot spots[4];
	unsigned count = map_spots(f, RW | CLEAN, spots);

	for (unsigned i = 0; i < count; i++) {
		struct iopgt_op op = new_op(f);

		expect_states(f, &spots[i], WALKER_WRITABLE_CLEAN);
		clear_access_flags(f, &spots[i]);
		host_log_clear(&f->host);
		expect(IOPGT_OK, write_fault(f, spots[i].iova + spots[i].size - 5, 0, &op));
		expect_states(f, &spots[i], WALKER_WRITABLE_DIRTY);
		finish(f, &op);
		expect_leaf_invalidated(f, &spots[i]);
		assert_int_equal(state_at(f, spots[i].iova), IOPGT_LEAF_DIRTY);
	}
}

/* DBM and the address stay; only the bit that denies writing, and AF, change. */
static void a_write_fault_changes_two_bits(struct fixture *f)
{
	struct raw raw = raw_of(f);
	struct iopgt_op op = new_op(f);
	uint64_t slot, before;

	map(f, FIRST(f), PHYS(f), granule(f), RW | CLEAN | IOPGT_EXECUTE);
	slot = raw_slot(&raw, FIRST(f), 3);
	before = raw_load(&raw, slot);
	raw_store(&raw, slot, before & ~RAW_AF);
	expect(IOPGT_OK, write_fault(f, FIRST(f) + 1, 0, &op));
	expect_raw(before ^ RAW_BIT_7, raw_load(&raw, slot));
	finish(f, &op);
}

/* R_XCLRD: the read-only entry may be cached. */
static void a_walker_gets_on_after_finish_and_not_before(struct fixture *f)
{
	struct walker *cpu = add_cpu(f);
	struct spot spots[4];
	unsigned count = map_spots(f, RW | CLEAN, spots);

	for (unsigned i = 0; i < count; i++) {
		struct iopgt_op op = new_op(f);
		uint64_t iova = spots[i].iova + spots[i].size / 2;

		assert_int_equal(walker_access(cpu, iova, WALKER_WRITE, NULL), WALKER_PERMISSION);
		expect(IOPGT_OK, write_fault(f, iova, 0, &op));
		assert_int_equal(walker_access(cpu, iova, WALKER_WRITE, NULL), WALKER_PERMISSION);
		finish(f, &op);
		for (uint64_t at = 0; at < spots[i].size; at += spots[i].size / 2)
			assert_int_equal(walker_access(cpu, spots[i].iova + at, WALKER_WRITE, NULL),
			                 WALKER_OK);
	}
}

/* Another agent was faster: the walker's own entry may still be read-only. */
static void a_leaf_that_is_dirty_already_is_invalidated_too(struct fixture *f)
{
	struct walker *cpu = add_cpu(f);
	struct spot spots[4];
	unsigned count = map_spots(f, RW | CLEAN, spots);

	for (unsigned i = 0; i < count; i++) {
		struct iopgt_op op = new_op(f), other = new_op(f);
		uint64_t iova = spots[i].iova;

		assert_int_equal(walker_access(cpu, iova, WALKER_READ, NULL), WALKER_OK);
		expect(IOPGT_OK, write_fault(f, iova, 0, &other));
		host_log_clear(&f->host);
		expect(IOPGT_OK, write_fault(f, iova, 0, &op));
		assert_ptr_equal(op.gather.table, f->table);
		finish(f, &op);
		expect_leaf_invalidated(f, &spots[i]);
		assert_int_equal(walker_access(cpu, iova, WALKER_WRITE, NULL), WALKER_OK);
		finish(f, &other);
	}
}

static void untracked_memory_is_writable_already(struct fixture *f)
{
	struct spot spots[4];
	unsigned count = map_spots(f, RW | IOPGT_NO_TRACK, spots);

	for (unsigned i = 0; i < count; i++) {
		struct iopgt_op op = new_op(f);

		host_log_clear(&f->host);
		expect(IOPGT_OK, write_fault(f, spots[i].iova, 0, &op));
		expect_states(f, &spots[i], WALKER_WRITABLE_UNTRACKED);
		finish(f, &op);
		expect_leaf_invalidated(f, &spots[i]);
	}
}

static void expect_true_fault(struct fixture *f, uint64_t iova, uint32_t access)
{
	struct iopgt_op op = new_op(f);

	host_log_clear(&f->host);
	expect(IOPGT_FAULT, write_fault(f, iova, access, &op));
	assert_null(op.gather.table);
	finish(f, &op);
	assert_int_equal(host_logged(&f->host), 0);
}

static void a_write_to_read_only_memory_is_a_fault(struct fixture *f)
{
	struct spot spots[4];
	unsigned count = map_spots(f, IOPGT_READ, spots);

	for (unsigned i = 0; i < count; i++) {
		uint64_t before = leaf_at(f, spots[i].iova).descriptor;

		expect_true_fault(f, spots[i].iova, 0);
		if (f->config.regime == IOPGT_STAGE1_EL1)
			expect_true_fault(f, spots[i].iova, PRIV);
		expect_raw(before, leaf_at(f, spots[i].iova).descriptor);
	}
}

/* Written before it became read-only: still read-only. */
static void a_kept_mark_gives_no_right_to_write(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), granule(f), RW);
	protect(f, FIRST(f), granule(f), IOPGT_READ);
	expect_true_fault(f, FIRST(f), 0);
	take_dirty(f, FIRST(f), granule(f));
	expect_only_bits(f, FIRST(f), granule(f));
}

static void privileged_memory_is_written_by_the_privileged(struct fixture *f)
{
	struct spot spots[4];
	unsigned count = map_spots(f, RW | CLEAN | PRIV, spots);

	for (unsigned i = 0; i < count; i++) {
		struct iopgt_op op = new_op(f);

		expect_true_fault(f, spots[i].iova, 0);
		expect_states(f, &spots[i], WALKER_WRITABLE_CLEAN);
		expect(IOPGT_OK, write_fault(f, spots[i].iova, PRIV, &op));
		expect_states(f, &spots[i], WALKER_WRITABLE_DIRTY);
		expect(IOPGT_FAULT, write_fault(f, spots[i].iova, 0, &op));
		finish(f, &op);
	}
}

static void the_privileged_write_other_memory_too(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), PHYS(f), granule(f), RW | CLEAN);
	expect(IOPGT_OK, write_fault(f, FIRST(f), PRIV, &op));
	assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_DIRTY);
	finish(f, &op);
}

static void write_only_memory_is_written(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), PHYS(f), granule(f), IOPGT_WRITE | CLEAN);
	expect(IOPGT_OK, write_fault(f, FIRST(f), 0, &op));
	assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_DIRTY);
	finish(f, &op);
}

static void what_is_not_mapped_is_a_fault(struct fixture *f)
{
	const uint64_t holes[] = {0, FIRST(f) + granule(f), FIRST(f) - 1, space_last(f),
	                          8 * FIRST(f)};

	map(f, FIRST(f), PHYS(f), granule(f), RW | CLEAN);
	for (size_t i = 0; i < COUNT(holes); i++) {
		expect_true_fault(f, holes[i], 0);
		expect(IOPGT_FAULT, iopgt_handle_access_fault(f->table, holes[i]));
		expect(IOPGT_FAULT, iopgt_handle_translation_fault(f->table, holes[i]));
	}
}

static void addresses_outside_of_the_space_are_faults(struct fixture *f)
{
	const uint64_t outside[] = {RAW_SPACE(f->config.input_bits), UINT64_MAX, BIT(63), BIT(52)};

	map(f, 0, PHYS(f), granule(f), RW | CLEAN);
	for (size_t i = 0; i < COUNT(outside); i++) {
		expect_true_fault(f, outside[i], 0);
		expect(IOPGT_FAULT, iopgt_handle_access_fault(f->table, outside[i]));
		expect(IOPGT_FAULT, iopgt_handle_translation_fault(f->table, outside[i]));
	}
}

static void bad_arguments_are_refused(struct fixture *f)
{
	struct iopgt_op op = new_op(f), unknown = {.flags = 1u << 31}, wrong = new_op(f);
	struct iopgt_table other = {0};

	map(f, FIRST(f), PHYS(f), granule(f), RW | CLEAN);
	expect(IOPGT_BAD_ARGUMENT, iopgt_handle_write_fault(NULL, FIRST(f), 0, &op));
	expect(IOPGT_BAD_ARGUMENT, write_fault(f, FIRST(f), 0, NULL));
	expect(IOPGT_BAD_ARGUMENT, iopgt_handle_access_fault(NULL, FIRST(f)));
	expect(IOPGT_BAD_ARGUMENT, iopgt_handle_translation_fault(NULL, FIRST(f)));
	expect(IOPGT_BAD_FLAGS, write_fault(f, FIRST(f), 0, &unknown));
	wrong.gather.table = &other;
	expect(IOPGT_WRONG_OP, write_fault(f, FIRST(f), 0, &wrong));
	assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_CLEAN);
}

static void a_table_that_leads_nowhere_is_said(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), PHYS(f), granule(f), RW | CLEAN);
	host_fail(&f->host, HOST_PHYS_TO_VIRT, 1, true);
	expect(IOPGT_BAD_TABLE, write_fault(f, FIRST(f), 0, &op));
	expect(IOPGT_BAD_TABLE, iopgt_handle_access_fault(f->table, FIRST(f)));
	expect(IOPGT_BAD_TABLE, iopgt_handle_translation_fault(f->table, FIRST(f)));
	host_fail_nothing(&f->host);
	assert_null(op.gather.table);
	assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_CLEAN);
}

/* Leaves are writable or not there; nothing is to be marked. */
static void without_dirty_management_nothing_is_marked(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	uint64_t before;

	map(f, FIRST(f), PHYS(f), granule(f), RW);
	map(f, FIRST(f) + granule(f), PHYS(f), granule(f), IOPGT_READ);
	before = leaf_at(f, FIRST(f)).descriptor;
	expect(IOPGT_OK, write_fault(f, FIRST(f), 0, &op));
	expect_raw(before, leaf_at(f, FIRST(f)).descriptor);
	finish(f, &op);
	expect_true_fault(f, FIRST(f) + granule(f), 0);
}

/* --- The access flag --- */

static void an_access_fault_sets_the_flag(struct fixture *f)
{
	struct walker *cpu = add_cpu(f);
	struct spot spots[4];
	unsigned count = map_spots(f, RW | CLEAN, spots);

	for (unsigned i = 0; i < count; i++) {
		uint64_t before = leaf_at(f, spots[i].iova).descriptor;
		uint64_t iova = spots[i].iova + spots[i].size - 3;

		clear_access_flags(f, &spots[i]);
		host_log_clear(&f->host);
		assert_int_equal(walker_access(cpu, iova, WALKER_READ, NULL), WALKER_ACCESS_FLAG);
		expect(IOPGT_OK, iopgt_handle_access_fault(f->table, iova));
		assert_int_equal(walker_access(cpu, iova, WALKER_READ, NULL), WALKER_OK);
		expect_states(f, &spots[i], WALKER_WRITABLE_CLEAN);
		expect_raw(before, leaf_at(f, spots[i].iova).descriptor);
		/* once more: nothing to do */
		expect(IOPGT_OK, iopgt_handle_access_fault(f->table, iova));
		expect_raw(before, leaf_at(f, spots[i].iova).descriptor);
		assert_int_equal(host_logged(&f->host), 0);
	}
}

static void an_access_fault_of_read_only_memory_sets_the_flag(struct fixture *f)
{
	struct spot spots[4];
	unsigned count = map_spots(f, IOPGT_READ, spots);

	for (unsigned i = 0; i < count; i++) {
		clear_access_flags(f, &spots[i]);
		expect(IOPGT_OK, iopgt_handle_access_fault(f->table, spots[i].iova));
		expect_states(f, &spots[i], WALKER_READ_ONLY);
	}
}

/* --- Translation faults --- */

static void what_is_mapped_may_be_tried_again(struct fixture *f)
{
	struct spot spots[4];
	unsigned count = map_spots(f, IOPGT_READ, spots);

	for (unsigned i = 0; i < count; i++) {
		uint64_t last = spots[i].iova + spots[i].size - 1;

		expect(IOPGT_OK, iopgt_handle_translation_fault(f->table, spots[i].iova));
		expect(IOPGT_OK, iopgt_handle_translation_fault(f->table, last));
	}
	assert_int_equal(event_count(f, HOST_RANGE), 0);
}

int main(void)
{
	const uint32_t regimes = FIXTURE_REGIMES | FIXTURE_GRANULES;
	const struct fixture_test each[] = {
		TEST(regimes, a_write_fault_makes_a_clean_leaf_dirty),
		TEST(regimes, a_write_fault_changes_two_bits),
		TEST(regimes, a_walker_gets_on_after_finish_and_not_before),
		TEST(regimes, a_leaf_that_is_dirty_already_is_invalidated_too),
		TEST(regimes, untracked_memory_is_writable_already),
		TEST(regimes, a_write_to_read_only_memory_is_a_fault),
		TEST(regimes, a_kept_mark_gives_no_right_to_write),
		TEST(FIXTURE_GRANULES, privileged_memory_is_written_by_the_privileged),
		TEST(FIXTURE_GRANULES, the_privileged_write_other_memory_too),
		TEST(regimes, what_is_not_mapped_is_a_fault),
		TEST(regimes, addresses_outside_of_the_space_are_faults),
		TEST(0, bad_arguments_are_refused),
		TEST(0, a_table_that_leads_nowhere_is_said),
		TEST(regimes, an_access_fault_sets_the_flag),
		TEST(regimes, an_access_fault_of_read_only_memory_sets_the_flag),
		TEST(regimes, what_is_mapped_may_be_tried_again),
	};
	struct fixture_test tests[4 * COUNT(each) + 2];
	size_t count = 0;

	for (size_t i = 0; i < COUNT(each); i++) {
		for (int which = 0; which < 4; which++) {
			struct fixture_test *test = &tests[count++];

			*test = each[i];
			test->options.dirty = which & 1 ? FIXTURE_SOFTWARE : FIXTURE_HARDWARE;
			test->options.leaf_sizes = which & 2 ? FIXTURE_ALL_LEAF_SIZES : 0;
		}
	}
	tests[count++] = (struct fixture_test)TEST_WITH(
		FIXTURE_GRANULES, write_only_memory_is_written, .regime = IOPGT_STAGE2);
	tests[count++] = (struct fixture_test)TEST_WITH(
		regimes, without_dirty_management_nothing_is_marked, .dirty = FIXTURE_NO_DIRTY);
	return fixture_run(__FILE__, tests, count);
}
