/* SPDX-License-Identifier: BSD-2-Clause */
#define _POSIX_C_SOURCE 200809L

#include "precopy.h"

#include <stdlib.h>
#include <string.h>

#include "broken.h"
#include "clock.h"
#include "compare.h"
#include "guest.h"
#include "report.h"

#define BUDGET        16384 /* descriptors a call may touch, so that none takes long */
#define MIN_ROUNDS    3     /* with devices running */
#define MAX_ROUNDS    1000
#define PIECE         (UINT64_C(1) << 18) /* bytes copied between two looks at the link */
#define LINK_AHEAD_NS NS_PER_MS
#define LITTLE_PART   20 /* what the link sends in 1/20 s is little */

/* Sends bytes to the second place: waits when they come faster than the link takes them. */
static void send_bytes(struct precopy *precopy, uint64_t bytes)
{
	uint64_t now = clock_ns();

	if (precopy->link_free_ns < now)
		precopy->link_free_ns = now;
	precopy->link_free_ns += bytes * NS_PER_SECOND / precopy->link_rate;
	if (precopy->link_free_ns > now + LINK_AHEAD_NS)
		clock_sleep_until(precopy->link_free_ns);
}

/* Copies while devices write: guest_read is to them as a CPU's loads are to real DMA. */
static void copy_bytes(struct precopy *precopy, uint64_t offset, uint64_t bytes)
{
	precopy->round.bytes += bytes;
	while (bytes) {
		uint64_t piece = bytes < PIECE ? bytes : PIECE;

		guest_read(precopy->copy + offset, precopy->machine.memory + offset, piece);
		send_bytes(precopy, piece);
		offset += piece;
		bytes -= piece;
	}
}

static void copy_dirty_pages(struct precopy *precopy)
{
	const struct iopgt_bitmap *bitmap = &precopy->bitmap;
	uint64_t page_bytes = UINT64_C(1) << bitmap->page_shift;

	for (uint64_t page = 0; page < bitmap->bits; page++) {
		if (!iopgt_bitmap_test(bitmap, bitmap->base + (page << bitmap->page_shift)))
			continue;
		precopy->round.dirty_pages++;
		copy_bytes(precopy, page << bitmap->page_shift, page_bytes);
	}
}

/*
 * Tracking on, and the first copy. All that devices write from here on leaves a
 * mark, once iopgt_op_finish has returned: before that, a device may still use a
 * translation that it cached as writable-dirty, and write without a trace. So
 * the copy comes after it.
 */
static int copy_everything(struct precopy *precopy)
{
	struct iopgt_tracking how = {.policy = IOPGT_SPLIT_EAGER};
	struct iopgt_op op = {0};
	uint64_t start = clock_ns();
	int error = iopgt_set_dirty_tracking(&precopy->machine.domain, true, &how, &op);

	if (error)
		return error;
	if (precopy->options.broken == BREAK_COPY_BEFORE_FLUSH) /* WRONG */
		copy_bytes(precopy, 0, precopy->machine.options.size);
	error = iopgt_op_finish(&op);
	if (error)
		return error;
	precopy->round.sync_ns = clock_ns() - start;
	precopy->round.stats = op.stats;
	precopy->round.dirty_pages = precopy->bitmap.bits;
	report_tracking_on(precopy->report, precopy);
	if (precopy->options.broken != BREAK_COPY_BEFORE_FLUSH)
		copy_bytes(precopy, 0, precopy->machine.options.size);
	return 0;
}

/* Which pages were written since the last call? In pieces: a kernel would let others run. */
static int read_and_clear(struct precopy *precopy, struct iopgt_op *op)
{
	struct machine *machine = &precopy->machine;
	uint64_t end = MACHINE_IOVA + machine->options.size;
	uint64_t iova = MACHINE_IOVA;
	int error;

	if (precopy->options.broken == BREAK_PLAIN_STORE) /* WRONG */
		return broken_read_and_clear(machine, &precopy->bitmap, op);
	do {
		error = iopgt_read_and_clear_dirty(&machine->domain.table, iova, end - iova,
		                                   &precopy->bitmap, op);
		iova = op->next;
		op->flags &= ~(uint32_t)IOPGT_OP_SYNC; /* once is enough */
	} while (error == IOPGT_AGAIN);
	return error;
}

/*
 * One round. What was marked is cleared, the clearing is made to hold for every
 * walker, and then the pages are copied: a write that comes after that is marked
 * again, and one that came before is in the copy. No write is in neither.
 */
static int copy_what_was_written(struct precopy *precopy)
{
	struct iopgt_op op = {.budget = BUDGET};
	uint64_t start = clock_ns();
	int error;

	/*
	 * In the last round devices have stopped, but their last marks may not be
	 * visible yet: the read waits for them first (SMMU: CMD_SYNC).
	 */
	if (precopy->round.last)
		op.flags = IOPGT_OP_SYNC;
	memset(precopy->bitmap.words, 0, (precopy->bitmap.bits + 63) / 64 * sizeof(uint64_t));
	error = read_and_clear(precopy, &op);
	if (error)
		return error;
	if (precopy->options.broken == BREAK_COPY_BEFORE_FLUSH) /* WRONG */
		copy_dirty_pages(precopy);
	error = iopgt_op_finish(&op);
	if (error)
		return error;
	precopy->round.sync_ns = clock_ns() - start;
	precopy->round.stats = op.stats;
	if (precopy->options.broken != BREAK_COPY_BEFORE_FLUSH)
		copy_dirty_pages(precopy);
	return 0;
}

/* A pass is copied in full when the link has sent it. */
static int run_pass(struct precopy *precopy, unsigned number, bool last)
{
	int error;

	precopy->round = (struct precopy_round){
		.number = number,
		.last = last,
		.percent = precopy->percent,
	};
	error = number == 0 ? copy_everything(precopy) : copy_what_was_written(precopy);
	if (error)
		return error;
	clock_sleep_until(precopy->link_free_ns);
	if (number > 0) {
		precopy->verdict.rounds++;
		precopy->verdict.dirty_pages += precopy->round.dirty_pages;
	}
	report_round(precopy->report, precopy);
	return 0;
}

/* Rounds that do not shrink never end: then a VMM slows the machine down, and so do we. */
static void throttle(struct precopy *precopy, uint64_t bytes_before)
{
	uint64_t bytes = precopy->round.bytes;

	if (bytes <= precopy->link_rate / LITTLE_PART || bytes < bytes_before / 4 * 3)
		return;
	if (precopy->percent > 1)
		devices_set_pace(&precopy->devices, precopy->percent /= 2);
}

/* Long enough for a show; but at some time it ends even if the devices win. */
static bool is_enough(const struct precopy *precopy, uint64_t now)
{
	uint64_t ran = now - precopy->start_ns;
	uint64_t run = precopy->options.run_ns;

	if (precopy->round.number < MIN_ROUNDS || ran < run)
		return false;
	return precopy->round.bytes <= precopy->link_rate / LITTLE_PART ||
	       precopy->round.number >= MAX_ROUNDS || ran > 4 * run + 10 * NS_PER_SECOND;
}

static int copy_live(struct precopy *precopy)
{
	uint64_t pause = precopy->options.run_ns / 24;
	uint64_t begun = clock_ns();
	int error;

	precopy->start_ns = begun;
	error = run_pass(precopy, 0, false);
	while (!error && !is_enough(precopy, clock_ns())) {
		uint64_t bytes_before = precopy->round.bytes;

		clock_sleep_until(begun + pause);
		begun = clock_ns();
		error = run_pass(precopy, precopy->round.number + 1, false);
		throttle(precopy, bytes_before);
	}
	return error;
}

/* The last round, with the devices stopped. */
static int copy_the_rest(struct precopy *precopy)
{
	int error;

	precopy->stop_ns = clock_ns();
	devices_stop(&precopy->devices);
	error = run_pass(precopy, precopy->round.number + 1, true);
	precopy->stop_ns = clock_ns() - precopy->stop_ns;
	return error;
}

/* Blocks again where there were blocks, and walkers that spend no more time on marks. */
static int stop_tracking(struct precopy *precopy)
{
	struct iopgt_op op = {0};
	struct iopgt_finding finding;
	int error = iopgt_set_dirty_tracking(&precopy->machine.domain, false, NULL, &op);

	if (!error)
		error = iopgt_op_finish(&op);
	if (!error)
		error = iopgt_check(&precopy->machine.domain.table, &finding);
	if (!error)
		report_tracking_off(precopy->report, precopy, &op.stats);
	return error;
}

/* The first copy takes a quarter of the time: so fast is the link. */
static int prepare(struct precopy *precopy)
{
	const struct machine_options *machine = &precopy->options.machine;
	uint64_t copy_ns = precopy->options.run_ns / 4;
	uint64_t pages = machine->size >> machine->granule_shift;

	if (copy_ns < 50 * NS_PER_MS)
		copy_ns = 50 * NS_PER_MS;
	precopy->percent = 100;
	precopy->link_rate = machine->size * 1000 / (copy_ns / NS_PER_MS);
	precopy->copy = calloc(machine->size, 1);
	precopy->bitmap = (struct iopgt_bitmap){
		.words = calloc((pages + 63) / 64, sizeof(uint64_t)),
		.base = MACHINE_IOVA,
		.bits = pages,
		.page_shift = machine->granule_shift,
	};
	if (!precopy->copy || !precopy->bitmap.words)
		return IOPGT_NO_MEMORY;
	return machine_init(&precopy->machine, machine);
}

static int run(struct precopy *precopy)
{
	int error = prepare(precopy);

	if (error)
		return error;
	report_start(precopy->report, precopy);
	error = devices_start(&precopy->devices, &precopy->machine, precopy->options.files,
	                      precopy->link_rate);
	if (!error)
		error = copy_live(precopy);
	if (!error)
		error = copy_the_rest(precopy);
	devices_stop(&precopy->devices);
	if (!error)
		error = stop_tracking(precopy);
	return error;
}

void precopy_run(struct precopy *precopy, const struct precopy_options *options,
                 struct report *report)
{
	*precopy = (struct precopy){.options = *options, .report = report};
	precopy->verdict.error = run(precopy);
	if (!precopy->verdict.error) {
		compare(precopy);
		report_verdict(report, precopy);
	}
	devices_fini(&precopy->devices);
	machine_fini(&precopy->machine);
	free(precopy->bitmap.words);
	free(precopy->copy);
}
