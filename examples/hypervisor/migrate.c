/* SPDX-License-Identifier: BSD-2-Clause */
#include "migrate.h"

#include "broken.h"
#include "cache.h"
#include "console.h"
#include "machine.h"
#include "memory.h"
#include "report.h"
#include "sleep.h"

#define MIN_ROUNDS  3
#define MIN_WRITTEN (UINT64_C(64) << 20)
#define MIN_COUNTS  5 /* of the guest's script, before and after */
#define ROUND_US    2000000
#define TOO_LONG_US 60000000 /* for the guest to count, once its script runs; */
#define BOOT_US     90000000 /* and to get there */
#define POISON      0xa5

#define GUEST_FAILED (-1) /* an error of our own, as the library leaves room for */

static uint64_t words[GUEST_PAGES / 64];
static const struct iopgt_bitmap dirty = {words, GUEST_IPA, GUEST_PAGES, 12};

/*
 * From here on what the guest writes leaves a mark. Everything counts as written at the start,
 * so nothing is touched here, and the first round copies all.
 */
static int start_tracking(struct vm *vm)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_ADAPTIVE};
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
	round->number++;
	report_round(vm, round);
	return 0;
}

/* Between two rounds: parts that are cold become blocks again. */
static int merge_cold(struct vm *vm)
{
	struct iopgt_op op = {0};
	int error = iopgt_merge_cold(&vm->domain, GUEST_IPA, GUEST_SIZE, &op);

	return error ? error : iopgt_op_finish(&op);
}

static bool enough(const struct vm *vm, uint64_t rounds, uint64_t written)
{
	return rounds >= MIN_ROUNDS && written >= MIN_WRITTEN &&
	       atomic_load(&vm->count) >= MIN_COUNTS;
}

/*
 * Rounds, while the guest boots and its script writes. They begin some time apart, as if the
 * copy went over a link. Blocks are reported whole, so `written` counts pages found one by one.
 */
static int copy_while_it_runs(struct vm *vm, struct round *round)
{
	uint64_t begin = report_clock_us(), written = 0;
	int error = run_round(vm, round, 0);

	while (!error && !enough(vm, round->number, written)) {
		if (report_clock_us() - begin > BOOT_US + TOO_LONG_US || atomic_load(&vm->lost))
			return GUEST_FAILED;
		error = merge_cold(vm);
		sleep_us(ROUND_US);
		if (!error)
			error = run_round(vm, round, 0);
		written += (round->did.dirty - round->did.split) << 12;
	}
	return error;
}

/*
 * Whatever the guest executes next faults, and brings its CPU to EL2, where it waits: that
 * needs no interrupt, and the guest cannot mask it. What was dirty stays dirty.
 */
static int stop_guest(struct vm *vm)
{
	struct iopgt_op op = {0};
	int error;

	broken_repair(); /* of what --break broke; else nothing */
	atomic_store(&vm->state, VM_STOPPING);
	error = iopgt_protect(&vm->domain.table, GUEST_IPA, GUEST_SIZE, IOPGT_READ, &op);
	if (!error)
		error = iopgt_op_finish(&op);
	while (!error && atomic_load(&vm->state) != VM_STOPPED)
		;
	return error;
}

/* Byte by byte: how many pages differ, and which is the first. */
static uint64_t compare(uint64_t *first)
{
	uint64_t different = 0;

	for (uint64_t offset = 0; offset < GUEST_SIZE; offset += 4096) {
		if (!memcmp((const void *)(MEMORY + offset), (const void *)(COPY + offset), 4096))
			continue;
		*first = different++ ? *first : GUEST_IPA + offset;
	}
	return different;
}

/* Tracking ends, pages become blocks again. */
static int stop_tracking(struct vm *vm)
{
	struct iopgt_op op = {0};
	int error = iopgt_set_dirty_tracking(&vm->domain, false, NULL, &op);

	if (!error)
		error = iopgt_op_finish(&op);
	console_line("hypervisor: %u tables merged into blocks", op.stats.merged);
	report_leaves(vm);
	return error;
}

/* Stage 2 leads to the copy from now on, and the source is made useless. */
static int move_to_copy(struct vm *vm)
{
	struct iopgt_op op = {0};
	int error = iopgt_unmap(&vm->domain.table, GUEST_IPA, GUEST_SIZE, &op);

	if (!error)
		error = iopgt_op_finish(&op);
	if (!error)
		error = vm_map_memory(vm, COPY);
	memset((void *)MEMORY, POISON, GUEST_SIZE);
	cache_sync_instructions(COPY, GUEST_SIZE);
	return error;
}

/* The guest runs on. Does its script count on, from where it was? */
static int resume_guest(struct vm *vm)
{
	uint64_t enough = atomic_load(&vm->count) + MIN_COUNTS;
	uint64_t begin = report_clock_us();

	atomic_store(&vm->state, VM_RUNNING);
	while (atomic_load(&vm->count) < enough) {
		if (atomic_load(&vm->lost) || report_clock_us() - begin > TOO_LONG_US)
			return GUEST_FAILED;
		sleep_us(ROUND_US / 10);
	}
	return 0;
}

static int failed(int error)
{
	console_line("hypervisor: FAILED, %s", error == GUEST_FAILED
	                                               ? "the guest does not count as it should"
	                                               : iopgt_strerror(error));
	return 2;
}

/* Up to the last page. */
static int copy_guest(struct vm *vm)
{
	struct round round = {.note = ""};
	int error = start_tracking(vm);

	if (!error)
		error = copy_while_it_runs(vm, &round);
	if (!error)
		error = stop_guest(vm);
	round.note = ", guest stopped";
	if (!error)
		error = run_round(vm, &round, IOPGT_OP_SYNC);
	return error;
}

static int change_places(struct vm *vm)
{
	int error = stop_tracking(vm);

	if (!error)
		error = move_to_copy(vm);
	return error ? error : resume_guest(vm);
}

int migrate(struct vm *vm)
{
	uint64_t different, first = 0;
	int error;

	report_leaves(vm);
	error = copy_guest(vm);
	if (error)
		return failed(error);
	different = compare(&first);
	if (different) {
		console_line("hypervisor: DIFFERENT, %u pages, the first at IPA %x", different,
		             first);
		return 1;
	}
	error = change_places(vm);
	if (error)
		return failed(error);
	console_line("hypervisor: identical, guest running from the copy");
	return 0;
}
