/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices with ATS: they are marked for when they ask to write, and write later
 * from their own copy of the translation. No write is lost by a host that
 * invalidates TLBs, waits, then invalidates the devices (hal.h); two that do not
 * lose some, and the same rounds see it.
 */
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "guest.h"

#define FIRST(f)  (4 * block(f))
#define PHYS(f)   (8 * block(f))
#define BLOCKS    3
#define RANGE(f)  (BLOCKS * block(f))
#define WATCHED   48 /* pages written, a third in each block */
#define ROUNDS    8
#define EACH_TIME 8 /* writes at each call of the host */

struct machine {
	struct random random;
	uint32_t version[WATCHED], copy[WATCHED];
	uint64_t writes;
	bool quiet;
};

static uint64_t watched(const struct fixture *f, unsigned number)
{
	return FIRST(f) + number % BLOCKS * block(f) + number / BLOCKS * granule(f);
}

static void write_one(struct fixture *f, struct machine *machine)
{
	unsigned number = (unsigned)random_below(&machine->random, WATCHED);
	unsigned walker = (unsigned)random_below(&machine->random, f->walker_count);

	if (access_ok(f, walker, watched(f, number), WALKER_WRITE)) {
		machine->version[number]++;
		machine->writes++;
	}
}

static void keep_writing(struct fixture *f, enum host_call call, bool done)
{
	struct machine *machine = f->hook_context;

	(void)call;
	(void)done;
	for (int i = 0; i < EACH_TIME && !machine->quiet; i++)
		write_one(f, machine);
}

static void start_machine(struct fixture *f, struct machine *machine)
{
	*machine = (struct machine){.random = {seed_from_environment("IOPGT_SEED", 1)}};
	f->hook_context = machine;
	f->hook = keep_writing;
}

/* --- Ways to take what is dirty, into a fresh f->bitmap --- */

typedef void take_function(struct fixture *f, struct iopgt_op *op);

static void read_and_clear(struct fixture *f, struct iopgt_op *op)
{
	expect(IOPGT_OK, iopgt_read_and_clear_dirty(f->table, FIRST(f), RANGE(f), &f->bitmap, op));
}

static void sync_then_clear(struct fixture *f, struct iopgt_op *op)
{
	expect(IOPGT_OK, iopgt_sync_dirty_log(f->table, FIRST(f), RANGE(f), &f->bitmap, op));
	keep_writing(f, HOST_ANY, false);
	expect(IOPGT_OK, iopgt_clear_dirty_log(f->table, FIRST(f), RANGE(f), &f->bitmap, op));
}

static int note_bits(void *context, uint64_t iova, uint64_t size)
{
	set_bits(context, iova, size);
	return 0;
}

static void visit_and_clear(struct fixture *f, struct iopgt_op *op)
{
	const struct iopgt_dirty_visitor visitor = {note_bits, f};

	op->flags |= IOPGT_OP_CLEAR;
	expect(IOPGT_OK, iopgt_for_each_dirty(f->table, FIRST(f), RANGE(f), &visitor, op));
}

static void take(struct fixture *f, take_function *how, uint32_t flags)
{
	struct iopgt_op op = new_op(f);

	page_bitmap(f, FIRST(f), RANGE(f));
	op.flags |= flags;
	how(f, &op);
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

static void copy_dirty(struct fixture *f, struct machine *machine)
{
	for (unsigned i = 0; i < WATCHED; i++)
		if (bit_at(f, watched(f, i)))
			machine->copy[i] = machine->version[i];
}

static void copy_all(struct machine *machine)
{
	memcpy(machine->copy, machine->version, sizeof(machine->copy));
}

static unsigned lost(const struct machine *machine)
{
	unsigned count = 0;

	for (unsigned i = 0; i < WATCHED; i++)
		count += machine->copy[i] != machine->version[i];
	return count;
}

/* --- Rounds of a copy --- */

typedef void change_function(struct fixture *f, struct machine *machine);

static void change_sizes(struct fixture *f, struct machine *machine)
{
	uint64_t at = FIRST(f) + random_below(&machine->random, BLOCKS) * block(f);
	struct iopgt_op op = new_op(f);

	if (random_chance(&machine->random, 2))
		expect(IOPGT_OK, iopgt_split_block(f->table, at, block(f), &op));
	else
		expect(IOPGT_OK, iopgt_merge_page(f->table, at, block(f), &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

static void change_permissions(struct fixture *f, struct machine *machine)
{
	uint64_t at = watched(f, (unsigned)random_below(&machine->random, WATCHED));
	uint32_t prot = random_chance(&machine->random, 2) ? RW : IOPGT_READ;
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_protect(f->table, at, granule(f), prot, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

/* Returns how many pages differ from their copies in the end. */
static unsigned pre_copy(struct fixture *f, struct machine *machine, change_function *change,
                         take_function *how)
{
	for (int round = 0; round < ROUNDS; round++) {
		take(f, how, 0);
		copy_dirty(f, machine);
		for (int i = 0; i < WATCHED / 2; i++)
			write_one(f, machine);
		if (change)
			change(f, machine);
	}
	machine->quiet = true;
	take(f, how, IOPGT_OP_SYNC);
	copy_dirty(f, machine);
	f->hook = NULL;
	assert_true(machine->writes > WATCHED);
	return lost(machine);
}

/* A block of pages, and blocks behind it. */
static void map_clean(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f) + granule(f), block(f), RW | IOPGT_CLEAN);
	map(f, FIRST(f) + block(f), PHYS(f) + block(f), 2 * block(f), RW | IOPGT_CLEAN);
}

static unsigned lost_by(struct fixture *f, change_function *change, take_function *how)
{
	struct machine machine;
	unsigned count;

	map_clean(f);
	start_machine(f, &machine);
	count = pre_copy(f, &machine, change, how);
	/* With a wrong host the table need not be as it ought to. */
	if (!count)
		check(f);
	return count;
}

static void nothing_is_lost_by_read_and_clear(struct fixture *f)
{
	assert_int_equal(lost_by(f, NULL, read_and_clear), 0);
}

static void nothing_is_lost_by_sync_and_clear(struct fixture *f)
{
	assert_int_equal(lost_by(f, NULL, sync_then_clear), 0);
}

static void nothing_is_lost_by_for_each_dirty(struct fixture *f)
{
	assert_int_equal(lost_by(f, NULL, visit_and_clear), 0);
}

static void nothing_is_lost_while_sizes_change(struct fixture *f)
{
	assert_int_equal(lost_by(f, change_sizes, read_and_clear), 0);
}

static void nothing_is_lost_while_permissions_change(struct fixture *f)
{
	assert_int_equal(lost_by(f, change_permissions, read_and_clear), 0);
}

/* --- Wrong hosts --- */

static void a_host_that_forgets_the_devices_loses_writes(struct fixture *f)
{
	host_set_mode(&f->host, HOST_NO_ATC);
	assert_true(lost_by(f, NULL, read_and_clear) > 0);
}

static void a_host_that_begins_with_the_devices_loses_writes(struct fixture *f)
{
	host_set_mode(&f->host, HOST_ATC_FIRST);
	assert_true(lost_by(f, NULL, read_and_clear) > 0);
}

static void a_deaf_host_loses_writes(struct fixture *f)
{
	host_set_mode(&f->host, HOST_DEAF | HOST_FREES_UNCHECKED);
	assert_true(lost_by(f, NULL, read_and_clear) > 0);
}

/* --- Under a domain that tracks --- */

static void track(struct fixture *f, bool on, uint32_t policy, uint32_t flags)
{
	const struct iopgt_tracking how = {.policy = policy};
	struct iopgt_op op = new_op(f);

	op.flags |= flags;
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, on, &how, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

static unsigned lost_by_domain(struct fixture *f, uint32_t policy, uint32_t flags)
{
	struct machine machine;
	unsigned count;

	map(f, FIRST(f), PHYS(f), RANGE(f), RW);
	start_machine(f, &machine);
	for (int i = 0; i < 4 * WATCHED; i++)
		write_one(f, &machine);
	track(f, true, policy, flags);
	/* What was dirty before is in the first full copy, or in the first round. */
	if (!(flags & IOPGT_OP_START_DIRTY))
		copy_all(&machine);
	count = pre_copy(f, &machine, NULL, read_and_clear);
	track(f, false, policy, 0);
	check(f);
	return count;
}

static void nothing_is_lost_by_a_domain_that_splits(struct fixture *f)
{
	assert_int_equal(lost_by_domain(f, IOPGT_SPLIT_EAGER, 0), 0);
}

static void nothing_is_lost_by_a_domain_that_splits_none(struct fixture *f)
{
	assert_int_equal(lost_by_domain(f, IOPGT_SPLIT_NONE, 0), 0);
}

static void nothing_is_lost_by_a_domain_that_starts_dirty(struct fixture *f)
{
	assert_int_equal(lost_by_domain(f, IOPGT_SPLIT_EAGER, IOPGT_OP_START_DIRTY), 0);
}

static void a_domain_loses_writes_of_devices_that_are_forgotten(struct fixture *f)
{
	host_set_mode(&f->host, HOST_NO_ATC);
	assert_true(lost_by_domain(f, IOPGT_SPLIT_EAGER, 0) > 0);
}

/* --- Unmapped and protected --- */

static void unmap_dirty_reports_what_copies_wrote(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	struct machine machine;

	map_clean(f);
	start_machine(f, &machine);
	for (int i = 0; i < WATCHED; i++)
		write_one(f, &machine);
	take(f, read_and_clear, 0);
	copy_dirty(f, &machine);
	for (int i = 0; i < WATCHED / 4; i++)
		write_one(f, &machine);
	page_bitmap(f, FIRST(f), RANGE(f));
	expect(IOPGT_OK, iopgt_unmap_dirty(f->table, FIRST(f), RANGE(f), &f->bitmap, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	copy_dirty(f, &machine);
	assert_int_equal(lost(&machine), 0);
	f->hook = NULL;
	for (unsigned i = 0; i < WATCHED; i++)
		assert_false(access_ok(f, 0, watched(f, i), WALKER_READ));
}

static void a_protected_page_is_not_written_by_a_copy(struct fixture *f)
{
	map_clean(f);
	for (unsigned i = 0; i < WATCHED; i++)
		write_page(f, watched(f, i));
	protect(f, FIRST(f), RANGE(f), IOPGT_READ);
	for (unsigned i = 0; i < WATCHED; i++) {
		assert_false(access_ok(f, 0, watched(f, i), WALKER_WRITE));
		read_page(f, watched(f, i));
	}
}

/* A write request of a clean leaf is denied; the host marks it, and it is granted. */
static void software_marks_for_a_device_that_asks_again(struct fixture *f)
{
	map_clean(f);
	for (int round = 0; round < 3; round++) {
		for (unsigned i = 0; i < WATCHED; i += BLOCKS) {
			struct iopgt_op op = new_op(f);
			uint64_t iova = watched(f, i);

			read_page(f, iova);
			assert_false(access_ok(f, 0, iova, WALKER_WRITE));
			expect(IOPGT_OK, iopgt_handle_write_fault(f->table, iova, 0, &op));
			finish(f, &op);
			write_page(f, iova);
		}
		take_dirty(f, FIRST(f), block(f));
		expect_only_bits(f, FIRST(f), WATCHED / BLOCKS * granule(f));
	}
}

/* --- Bytes that land late --- */

struct transfer {
	struct walker_guest guest;
	struct walker *device;
	struct random random;
	unsigned char *copy;
	bool quiet;
};

static void send(struct fixture *f, struct transfer *transfer)
{
	uint64_t page = watched(f, (unsigned)random_below(&transfer->random, WATCHED));
	uint64_t value = random_next(&transfer->random);

	assert_int_equal(walker_write(transfer->device,
	                              page + 8 * random_below(&transfer->random, 4), &value,
	                              sizeof(value), &transfer->guest)
	                         .bytes,
	                 sizeof(value));
}

static void keep_sending(struct fixture *f, enum host_call call, bool done)
{
	struct transfer *transfer = f->hook_context;

	(void)call;
	(void)done;
	for (int i = 0; i < EACH_TIME && !transfer->quiet; i++)
		send(f, transfer);
}

static void copy_pages(struct fixture *f, struct transfer *transfer)
{
	for (uint64_t at = 0; at < RANGE(f); at += granule(f))
		if (bit_at(f, FIRST(f) + at))
			guest_read(transfer->copy + at, (char *)transfer->guest.base + at,
			           granule(f));
}

static void start_transfer(struct fixture *f, struct transfer *transfer)
{
	struct walker_config config = fixture_walker_config(&f->config, f->table->root_phys);

	config.flags |= WALKER_SMMU | WALKER_ATS;
	config.tlb_entries = 256;
	config.walk_cache_entries = 16;
	config.atc_entries = 256;
	config.evict_one_in = 256;
	config.late_one_in = 2;
	config.seed = seed_from_environment("IOPGT_SEED", 1);
	*transfer = (struct transfer){
		.guest = {.base = calloc(1, RANGE(f)), .phys_base = PHYS(f), .bytes = RANGE(f)},
		.device = host_add_walker(&f->host, &config),
		.random = {config.seed},
		.copy = calloc(1, RANGE(f)),
	};
	assert_true(transfer->guest.base && transfer->copy);
	f->hook_context = transfer;
	f->hook = keep_sending;
}

/* One round; in a quiet one the device is granted nothing after it began. */
static bool round_of_bytes(struct fixture *f, struct transfer *transfer, bool quiet)
{
	for (int i = 0; i < WATCHED / 2; i++)
		send(f, transfer);
	transfer->quiet = quiet;
	take(f, read_and_clear, 0);
	copy_pages(f, transfer);
	if (!quiet)
		return true;
	/* What it was granted before has landed by now, and is copied, or is marked. */
	walker_land(transfer->device);
	take(f, read_and_clear, IOPGT_OP_SYNC | IOPGT_OP_NO_CLEAR);
	copy_pages(f, transfer);
	transfer->quiet = false;
	return !memcmp(transfer->copy, transfer->guest.base, RANGE(f));
}

static bool copies_all_that_lands(struct fixture *f)
{
	struct transfer transfer;
	bool same = true;

	map(f, FIRST(f), PHYS(f), RANGE(f), RW | IOPGT_CLEAN);
	split(f, FIRST(f), block(f));
	start_transfer(f, &transfer);
	for (int round = 0; round < ROUNDS; round++)
		same &= round_of_bytes(f, &transfer, round % 2);
	f->hook = NULL;
	walker_forget(transfer.device);
	free(transfer.guest.base);
	free(transfer.copy);
	return same;
}

static void late_writes_are_copied(struct fixture *f)
{
	assert_true(copies_all_that_lands(f));
}

static void late_writes_are_lost_by_a_host_that_forgets_the_devices(struct fixture *f)
{
	host_set_mode(&f->host, HOST_NO_ATC);
	assert_false(copies_all_that_lands(f));
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_STAGES | FIXTURE_LEVELS;
	const uint32_t plain = FIXTURE_GRANULES | FIXTURE_REGIMES;
	const struct fixture_test tests[] = {
		TEST_WITH(plain, nothing_is_lost_by_read_and_clear, .walks = FIXTURE_ATS),
		TEST_WITH(plain, nothing_is_lost_by_sync_and_clear, .walks = FIXTURE_ATS),
		TEST_WITH(plain, nothing_is_lost_by_for_each_dirty, .walks = FIXTURE_ATS),
		TEST_WITH(all, nothing_is_lost_while_sizes_change, .walks = FIXTURE_ATS,
	                  .walkers = 3),
		TEST_WITH(all, nothing_is_lost_while_permissions_change, .walks = FIXTURE_ATS),
		TEST_WITH(plain, a_host_that_forgets_the_devices_loses_writes,
	                  .walks = FIXTURE_ATS),
		TEST_WITH(plain, a_host_that_begins_with_the_devices_loses_writes,
	                  .walks = FIXTURE_ATS),
		TEST_WITH(plain, a_deaf_host_loses_writes, .walks = FIXTURE_ATS),
		TEST_WITH(all, nothing_is_lost_by_a_domain_that_splits, .walks = FIXTURE_ATS,
	                  .domain = true, .walkers = 3),
		TEST_WITH(all, nothing_is_lost_by_a_domain_that_splits_none, .walks = FIXTURE_ATS,
	                  .domain = true, .walkers = 3),
		TEST_WITH(all, nothing_is_lost_by_a_domain_that_starts_dirty, .walks = FIXTURE_ATS,
	                  .domain = true, .walkers = 3),
		TEST_WITH(FIXTURE_GRANULES, a_domain_loses_writes_of_devices_that_are_forgotten,
	                  .walks = FIXTURE_ATS, .domain = true),
		TEST_WITH(plain, unmap_dirty_reports_what_copies_wrote, .walks = FIXTURE_ATS,
	                  .walkers = 2),
		TEST_WITH(plain, a_protected_page_is_not_written_by_a_copy, .walks = FIXTURE_ATS),
		TEST_WITH(plain, software_marks_for_a_device_that_asks_again, .walks = FIXTURE_ATS,
	                  .dirty = FIXTURE_SOFTWARE),
		TEST_WITH(FIXTURE_STAGES, late_writes_are_copied, .walkers = 1),
		TEST_WITH(FIXTURE_STAGES, late_writes_are_lost_by_a_host_that_forgets_the_devices,
	                  .walkers = 1),
	};

	return FIXTURE_RUN(tests);
}
