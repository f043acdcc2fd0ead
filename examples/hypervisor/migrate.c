/* SPDX-License-Identifier: BSD-2-Clause */
#include "migrate.h"

#include "broken.h"
#include "cache.h"
#include "console.h"
#include "machine.h"
#include "memory.h"
#include "report.h"

#define MIN_ROUNDS  3
#define MIN_WRITTEN (UINT64_C(64) << 20)
#define MIN_COUNTS  5 /* of the guest's script, before and after */
#define ROUND_US    2000000
#define TOO_LONG_US UINT64_C(200000000)
#define POISON      0xa5

static uint64_t words[GUEST_PAGES / 64];
static const struct iopgt_bitmap dirty = {words, GUEST_IPA, GUEST_PAGES, 12};

/*
 * From here on what the guest writes leaves a mark. Everything counts as written at the start,
 * so nothing is touched here, and the first round copies and splits all.
 */
static int start_tracking(struct vm *vm)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_EAGER};
	struct iopgt_op op = {.flags = IOPGT_OP_START_DIRTY};
	int error = iopgt_set_dirty_tracking(&vm->domain, true, &how, &op);

	return error ? error : iopgt_op_finish(&op);
}

static uint64_t copy_dirty_pages(void)
{
	uint64_t pages = 0;

	for (uint64_t offset = 0; offset < GUEST_SIZE; offset += 4096) {
		if (!iopgt_bitmap_test(&dirty, GUEST_IPA + offset))
			continue;
		memcpy((void *)(COPY + offset), (const void *)(MEMORY + offset), 4096);
		pages++;
	}
	return pages;
}

/*
 * Read and clear; finish: no CPU writes through what it had cached any more; then copy. A write
 * that comes after the finish is marked again, one that came before is in the copy.
 */
static int run_round(struct vm *vm, struct round *round, uint32_t flags)
{
	struct iopgt_op op = {.flags = flags};
	uint64_t begin = report_clock_us();
	int error;

	memset(words, 0, sizeof(words));
	error = iopgt_read_and_clear_dirty(&vm->domain.table, GUEST_IPA, GUEST_SIZE, &dirty, &op);
	if (!error)
		error = iopgt_op_finish(&op);
	if (error)
		return error;
	round->scan_us = report_clock_us() - begin;
	round->did = op.stats;
	round->pages = copy_dirty_pages();
	report_round(round);
	return 0;
}

/* Rounds, while the guest boots and its script writes. There is no link that would be slow. */
static int copy_while_it_runs(struct vm *vm)
{
	struct round round = {.name = "first round"};
	uint64_t begin = report_clock_us(), written = 0;
	int error = run_round(vm, &round, 0);

	round.name = "round";
	for (unsigned rounds = 0; !error && (rounds < MIN_ROUNDS || written < MIN_WRITTEN ||
	                                     atomic_load(&vm->count) < MIN_COUNTS);
	     rounds++) {
		uint64_t now = report_clock_us();

		if (now - begin > TOO_LONG_US || atomic_load(&vm->lost))
			return IOPGT_FAULT;
		while (report_clock_us() - now < ROUND_US)
			;
		error = run_round(vm, &round, 0);
		written += round.pages << 12;
	}
	return error;
}

/*
 * Whatever the guest executes next faults, and brings its CPU to EL2, where it waits: no
 * interrupt is needed for that, and none can be masked. What was dirty stays dirty.
 */
static int stop_guest(struct vm *vm)
{
	struct iopgt_op op = {0};
	int error;

	broken_repair();
	atomic_store(&vm->state, VM_STOPPING);
	error = iopgt_protect(&vm->domain.table, GUEST_IPA, GUEST_SIZE, IOPGT_READ, &op);
	if (!error)
		error = iopgt_op_finish(&op);
	while (!error && atomic_load(&vm->state) != VM_STOPPED)
		;
	return error;
}

/* How many pages differ; each byte counts. */
static uint64_t compare(void)
{
	uint64_t different = 0, first = 0;

	for (uint64_t offset = 0; offset < GUEST_SIZE; offset += 4096) {
		if (!memcmp((const void *)(MEMORY + offset), (const void *)(COPY + offset), 4096))
			continue;
		first = different++ ? first : GUEST_IPA + offset;
	}
	if (different)
		console_line("hypervisor: %u pages differ, the first at IPA %x", different, first);
	return different;
}

/* Tracking ends, and with it pages; then stage 2 leads to the copy alone. */
static int move_to_copy(struct vm *vm)
{
	struct iopgt_op op = {0};
	int error = iopgt_set_dirty_tracking(&vm->domain, false, NULL, &op);

	if (!error)
		error = iopgt_op_finish(&op);
	console_line("hypervisor: %u tables merged into blocks, %u left", op.stats.merged,
	             op.stats.left_unmerged);
	if (!error)
		error = iopgt_unmap(&vm->domain.table, GUEST_IPA, GUEST_SIZE, &op);
	if (!error)
		error = iopgt_op_finish(&op);
	if (!error)
		error = vm_map_memory(vm, COPY);
	memset((void *)MEMORY, POISON, GUEST_SIZE);
	cache_sync_instructions(COPY, GUEST_SIZE);
	return error;
}

/* Whether the guest, which had come to `count`, counts on. */
static bool goes_on(struct vm *vm, uint64_t count)
{
	uint64_t begin = report_clock_us();

	while (atomic_load(&vm->count) < count + MIN_COUNTS)
		if (atomic_load(&vm->lost) || report_clock_us() - begin > TOO_LONG_US)
			return false;
	return !atomic_load(&vm->lost);
}

static enum verdict failed(int error)
{
	console_line("hypervisor: %s", iopgt_strerror(error));
	return VERDICT_FAILED;
}

enum verdict migrate(struct vm *vm)
{
	struct round last = {.name = "last round, guest stopped"};
	uint64_t count;
	int error;

	report_leaves(vm);
	error = start_tracking(vm);
	if (!error)
		error = copy_while_it_runs(vm);
	if (!error)
		error = stop_guest(vm);
	if (!error)
		error = run_round(vm, &last, IOPGT_OP_SYNC);
	if (error)
		return failed(error);
	report_leaves(vm);
	if (compare())
		return VERDICT_DIFFERENT;
	error = move_to_copy(vm);
	if (error)
		return failed(error);
	report_leaves(vm);
	count = atomic_load(&vm->count);
	atomic_store(&vm->state, VM_RUNNING);
	return goes_on(vm, count) ? VERDICT_IDENTICAL : VERDICT_FAILED;
}
