/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fault handlers beside other verbs: called from HAL callbacks, as another CPU
 * would call them meanwhile; and a CPU that marks nothing itself with an SMMU
 * that does, in one table.
 */
#include "test_raw.h"

#define FIRST(f) (16 * block(f))
#define PHYS(f)  (64 * block(f))

/* --- While a block changes its size --- */

struct during {
	unsigned broken, nt, calls;
	struct raw raw;
};

static void fault_at_each_callback(struct fixture *f, enum host_call call, bool done)
{
	struct during *during = f->hook_context;
	uint64_t now = raw_at(&during->raw, FIRST(f), 2);

	(void)call;
	(void)done;
	during->calls++;
	during->broken += !(now & 1);
	during->nt += (now & 3) == 1 && now & RAW_NT;
	expect(IOPGT_OK, iopgt_handle_translation_fault(f->table, FIRST(f) + 7));
	expect(IOPGT_OK, iopgt_handle_access_fault(f->table, FIRST(f) + 7));
}

static void begin(struct fixture *f, struct during *during)
{
	*during = (struct during){.raw = raw_of(f)};
	f->hook_context = during;
	f->hook = fault_at_each_callback;
}

static void expect_during(struct fixture *f, struct during *during)
{
	f->hook = NULL;
	assert_true(during->calls > 0);
	/* At level 0 the entry was broken, at level 1 it had nT: the test saw it. */
	assert_int_equal(during->broken > 0, f->bbm_level == 0);
	assert_int_equal(during->nt > 0, f->bbm_level == 1);
}

static void a_block_being_replaced_may_be_tried_again(struct fixture *f)
{
	struct during during;

	map(f, FIRST(f), PHYS(f), block(f), RW);
	begin(f, &during);
	split(f, FIRST(f), block(f));
	expect_during(f, &during);
	begin(f, &during);
	merge(f, FIRST(f), block(f));
	expect_during(f, &during);
}

static void fault_in_the_group(struct fixture *f, enum host_call call, bool done)
{
	struct during *during = f->hook_context;
	uint64_t size = group_size(f, 3);

	(void)call;
	(void)done;
	during->calls++;
	for (uint64_t at = 0; at < size; at += granule(f)) {
		during->broken += !(raw_at(&during->raw, FIRST(f) + at, 3) & 1);
		expect(IOPGT_OK, iopgt_handle_translation_fault(f->table, FIRST(f) + at));
	}
}

static void a_group_being_broken_up_may_be_tried_again(struct fixture *f)
{
	struct during during;

	map(f, FIRST(f), PHYS(f), group_size(f, 3), RW);
	begin(f, &during);
	f->hook = fault_in_the_group;
	split(f, FIRST(f), granule(f));
	f->hook = NULL;
	assert_int_equal(during.broken > 0, f->bbm_level == 0);
	assert_int_equal(leaf_at(f, FIRST(f)).contiguous, false);
}

/* A CPU marks through the handler at every callback: no mark is lost. */
static void mark_at_each_callback(struct fixture *f, enum host_call call, bool done)
{
	struct during *during = f->hook_context;
	struct iopgt_op op = {0};

	(void)call;
	(void)done;
	if (during->calls++)
		return;
	expect(IOPGT_OK, iopgt_handle_write_fault(f->table, FIRST(f) + 3 * granule(f), 0, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

static void marks_made_while_a_block_is_split_or_merged_stay(struct fixture *f)
{
	struct during during = {0};

	map(f, FIRST(f), PHYS(f), block(f), RW | IOPGT_CLEAN);
	f->hook_context = &during;
	f->hook = mark_at_each_callback;
	split(f, FIRST(f), block(f));
	f->hook = NULL;
	assert_true(during.calls > 0);
	if (f->bbm_level == 0) /* it may have met the broken entry, and marked nothing */
		mark_at_each_callback(f, HOST_ANY, (during.calls = 0));
	assert_int_equal(state_at(f, FIRST(f) + 3 * granule(f)), IOPGT_LEAF_DIRTY);
	take_dirty(f, FIRST(f), block(f));
	during.calls = 0;
	f->hook = mark_at_each_callback;
	merge(f, FIRST(f), block(f));
	f->hook = NULL;
	assert_true(during.calls > 0);
	if (f->bbm_level == 0)
		mark_at_each_callback(f, HOST_ANY, (during.calls = 0));
	look_dirty(f, FIRST(f), block(f));
	assert_true(bit_at(f, FIRST(f) + 3 * granule(f)));
}

/* --- One table, two kinds of walkers --- */

#define BLOCKS  3
#define WATCHED 96
#define ROUNDS  24

struct machine {
	struct random random;
	struct walker *cpu;
	uint32_t version[WATCHED], copy[WATCHED];
	uint64_t handled, by_cpu;
	bool quiet;
};

static uint64_t watched(struct fixture *f, unsigned number)
{
	uint64_t pages = block(f) / granule(f);

	return FIRST(f) + number % BLOCKS * block(f) +
	       (number / BLOCKS * 37 + number) % pages * granule(f);
}

/* What a host does with its CPU's faults; false: the access was given up. */
static bool cpu_write(struct fixture *f, struct machine *machine, uint64_t iova)
{
	for (int tries = 0; tries < 4; tries++) {
		enum walker_fault fault = walker_access(machine->cpu, iova, WALKER_WRITE, NULL);
		struct iopgt_op op = {0};

		if (fault == WALKER_OK)
			return true;
		if (fault == WALKER_ACCESS_FLAG)
			expect(IOPGT_OK, iopgt_handle_access_fault(f->table, iova));
		if (fault == WALKER_TRANSLATION)
			expect(IOPGT_OK, iopgt_handle_translation_fault(f->table, iova));
		if (fault == WALKER_PERMISSION) {
			expect(IOPGT_OK, iopgt_handle_write_fault(f->table, iova, 0, &op));
			expect(IOPGT_OK, iopgt_op_finish(&op));
			machine->handled++;
		}
	}
	return false;
}

static void write_one(struct fixture *f, struct machine *machine)
{
	unsigned number = (unsigned)random_below(&machine->random, WATCHED);
	bool cpu = random_chance(&machine->random, 2), wrote;

	if (cpu)
		wrote = cpu_write(f, machine, watched(f, number));
	else
		wrote = access_ok(f, 0, watched(f, number), WALKER_WRITE);
	machine->version[number] += wrote;
	machine->by_cpu += cpu && wrote;
}

static void keep_writing(struct fixture *f, enum host_call call, bool done)
{
	struct machine *machine = f->hook_context;

	(void)call;
	(void)done;
	for (int i = 0; i < 4 && !machine->quiet; i++)
		write_one(f, machine);
}

static void take_and_copy(struct fixture *f, struct machine *machine)
{
	struct iopgt_op op = new_op(f);

	op.flags |= machine->quiet ? IOPGT_OP_SYNC : 0u;
	page_bitmap(f, FIRST(f), BLOCKS * block(f));
	expect(IOPGT_OK,
	       iopgt_read_and_clear_dirty(f->table, FIRST(f), BLOCKS * block(f), &f->bitmap, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	for (unsigned i = 0; i < WATCHED; i++)
		if (bit_at(f, watched(f, i)))
			machine->copy[i] = machine->version[i];
}

static void change_size(struct fixture *f, struct machine *machine)
{
	uint64_t at = FIRST(f) + random_below(&machine->random, BLOCKS) * block(f);
	struct iopgt_op op = new_op(f);

	if (random_chance(&machine->random, 2))
		expect(IOPGT_OK, iopgt_split_block(f->table, at, block(f), &op));
	else
		expect(IOPGT_OK, iopgt_merge_page(f->table, at, block(f), &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

/* CPU: no HA, no HD. SMMU: both. */
static struct walker *add_cpu(struct fixture *f)
{
	struct walker_config config = fixture_walker_config(&f->config, f->table->root_phys);

	config.flags &= ~(uint32_t)(WALKER_HA | WALKER_HD);
	config.seed = 5;
	config.tlb_entries = 256;
	config.walk_cache_entries = 64;
	config.contiguous_one_in = 2;
	config.evict_one_in = 16;
	f->walkers[f->walker_count] = host_add_walker(&f->host, &config);
	return f->walkers[f->walker_count++];
}

static void two_kinds_of_walkers_lose_no_write(struct fixture *f)
{
	struct machine machine = {.random = {seed_from_environment("IOPGT_SEED", 7)}};

	machine.cpu = add_cpu(f);
	map(f, FIRST(f), PHYS(f), BLOCKS * block(f), RW | IOPGT_CLEAN);
	f->hook_context = &machine;
	f->hook = keep_writing;
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < 10; i++)
			write_one(f, &machine);
		if (random_chance(&machine.random, 2))
			change_size(f, &machine);
		take_and_copy(f, &machine);
	}
	machine.quiet = true;
	take_and_copy(f, &machine);
	f->hook = NULL;
	for (unsigned i = 0; i < WATCHED; i++)
		assert_int_equal(machine.copy[i], machine.version[i]);
	assert_true(machine.handled > 10 && machine.by_cpu > 10);
	check(f);
}

int main(void)
{
	const uint32_t all = FIXTURE_STAGES | FIXTURE_LEVELS | FIXTURE_GRANULES;
	const struct host_options deferring = {.hal_flags = IOPGT_HAL_DEFERS_FREE};
	const struct fixture_test tests[] = {
		TEST_WITH(all, a_block_being_replaced_may_be_tried_again, .host = deferring),
		TEST_WITH(all, a_group_being_broken_up_may_be_tried_again, .host = deferring,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
		TEST_WITH(all, marks_made_while_a_block_is_split_or_merged_stay, .host = deferring),
		TEST_WITH(all, two_kinds_of_walkers_lose_no_write, .host = deferring),
		TEST_WITH(all, two_kinds_of_walkers_lose_no_write, .host = deferring,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
	};

	return FIXTURE_RUN(tests);
}
