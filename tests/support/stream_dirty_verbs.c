/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations: sync, clear, read and clear, for each dirty. */
#include <inttypes.h>
#include <string.h>

#include "stream_private.h"

#define STOP 5 /* what a visitor returns that has had enough */

static uint64_t size_left(const struct call *call)
{
	return call->last - call->iova + 1;
}

static void finished_report(struct stream *stream, struct call *call)
{
	stream_check_report(stream, call);
}

static void failed_report(struct stream *stream, struct call *call, int error)
{
	stream_failed_dirty(stream, call, error);
	stream_check_report(stream, call);
}

static void perform_with_report(struct stream *stream, struct call *call)
{
	call->report = &stream->reports[0];
	stream_choose_range(stream, call);
	stream_set_budget(stream, call);
	stream_choose_bitmap(stream, call->report, call);
	stream_perform(stream, call);
}

/* Sync */

static int invoke_sync(struct stream *stream, struct call *call)
{
	return iopgt_sync_dirty_log(stream->table, call->iova, size_left(call),
	                            &call->report->bitmap, call->op);
}

static const struct verb sync_verb = {
	.name = "sync_dirty_log",
	.expect = stream_expect_dirty,
	.invoke = invoke_sync,
	.done = stream_done_dirty,
	.failed = failed_report,
	.finished = finished_report,
};

void stream_do_sync(struct stream *stream)
{
	struct call call = stream_call(stream, &sync_verb);

	perform_with_report(stream, &call);
}

/* Clear what is given */

static int invoke_clear(struct stream *stream, struct call *call)
{
	int error = iopgt_clear_dirty_log(stream->table, call->iova, size_left(call),
	                                  &call->report->bitmap, call->op);

	if (memcmp(call->report->bitmap.words, call->report->before, call->report->bytes))
		stream_fail(stream, "clear_dirty_log wrote to its bitmap");
	return error;
}

static const struct verb clear_verb = {
	.name = "clear_dirty_log",
	.expect = stream_expect_dirty,
	.invoke = invoke_clear,
	.done = stream_done_dirty,
	.failed = stream_failed_dirty,
	.flags = VERB_CLEANS | VERB_GIVEN | VERB_NO_NEED,
};

/* All bits, most of them, few of them. */
static void give_bits(struct stream *stream, struct report *report)
{
	struct random *random = &stream->source.random;
	unsigned density = stream_below(stream, 4);

	for (size_t i = 0; i < report->bytes; i++) {
		uint64_t word = random_next(random);

		report->before[i] = density == 0   ? 0xff
		                    : density == 1 ? word | word >> 8 | word >> 16 | word >> 24
		                    : density == 2 ? word & word >> 8
		                                   : (word & 7 ? 0xff : word >> 8);
	}
	memcpy(report->bitmap.words, report->before, report->bytes);
}

void stream_do_clear(struct stream *stream)
{
	struct call call = stream_call(stream, &clear_verb);

	call.report = &stream->reports[0];
	stream_choose_range(stream, &call);
	stream_set_budget(stream, &call);
	stream_choose_bitmap(stream, call.report, &call);
	give_bits(stream, call.report);
	stream_perform(stream, &call);
}

/* Read and clear */

static int invoke_read_and_clear(struct stream *stream, struct call *call)
{
	return iopgt_read_and_clear_dirty(stream->table, call->iova, size_left(call),
	                                  &call->report->bitmap, call->op);
}

/* Blocks that were dirty are pages now, where tracking asks for it. */
static void check_split(struct stream *stream, const struct call *call, uint64_t last)
{
	if (!stream->reference.tracking || stream->policy != IOPGT_SPLIT_EAGER ||
	    call->op->flags & IOPGT_OP_NO_CLEAR || call->failures ||
	    call->op->stats.left_unsplit != call->before.left_unsplit)
		return;
	for (size_t i = 0; i < stream->dirty_count; i++) {
		const struct dirty_leaf *leaf = &stream->dirty[i];
		struct spot spot;

		if (leaf->first < call->iova || leaf->last > last)
			continue;
		stream_spot(stream, stream->probe, leaf->first, &spot);
		if (spot.leaf.size != stream_granule(stream) &&
		    (1u << spot.leaf.dirty) & REFERENCE_EITHER)
			stream_fail(stream,
			            "a block that was cleaned at 0x%" PRIx64 " is not split",
			            leaf->first);
	}
}

static void done_read_and_clear(struct stream *stream, struct call *call, uint64_t last)
{
	stream_done_dirty(stream, call, last);
	check_split(stream, call, last);
}

static const struct verb read_and_clear_verb = {
	.name = "read_and_clear",
	.expect = stream_expect_dirty,
	.invoke = invoke_read_and_clear,
	.done = done_read_and_clear,
	.failed = failed_report,
	.finished = finished_report,
	.flags = VERB_CLEANS | VERB_NO_NEED,
};

void stream_do_read_and_clear(struct stream *stream)
{
	struct call call = stream_call(stream, &read_and_clear_verb);

	if (stream_chance(stream, 5))
		call.op->flags |= IOPGT_OP_NO_CLEAR;
	perform_with_report(stream, &call);
}

/* For each dirty */

struct visit {
	struct stream *stream;
	struct call *call;
	uint64_t next;       /* the next run begins here or later; 0: there is no room for one */
	unsigned stop_in;    /* asks to stop at this run; 0: never */
	unsigned after_stop; /* runs given after that */
};

static void take_run(struct visit *visit, uint64_t iova, uint64_t last)
{
	struct stream *stream = visit->stream;
	struct reference_steps steps = reference_range(&stream->reference, iova, last);
	uint64_t count = 0;

	while (reference_step(&steps)) {
		steps.granule->flags |= REFERENCE_REPORTED;
		count++;
	}
	if (count != (last - iova + 1) >> stream->config.granule_shift)
		stream_fail(stream, "a dirty run at 0x%" PRIx64 ", where nothing was ever mapped",
		            iova);
}

static int visit_run(void *context, uint64_t iova, uint64_t size)
{
	struct visit *visit = context;
	uint64_t mask = stream_granule(visit->stream) - 1;

	if (iova < visit->next || (!visit->next && visit->call->iova) || !size ||
	    (iova | size) & mask || size - 1 > visit->call->last - iova)
		stream_fail(visit->stream,
		            "a dirty run 0x%" PRIx64 " +0x%" PRIx64 " after 0x%" PRIx64, iova, size,
		            visit->next);
	visit->next = iova + size;
	take_run(visit, iova, iova + size - 1);
	if (visit->after_stop && visit->after_stop++ > 1)
		stream_fail(visit->stream, "two more runs for a visitor that asked to stop");
	if (visit->stop_in != 1) {
		visit->stop_in -= !!visit->stop_in;
		return 0;
	}
	visit->after_stop = visit->after_stop ? visit->after_stop : 1;
	return STOP;
}

static int invoke_each(struct stream *stream, struct call *call)
{
	struct visit visit = {.stream = stream, .call = call, .next = call->iova};
	struct iopgt_dirty_visitor visitor = {visit_run, &visit};
	int error;

	if (stream_chance(stream, 4))
		visit.stop_in = 1 + stream_below(stream, 4);
	error = iopgt_for_each_dirty(stream->table, call->iova, size_left(call), &visitor,
	                             call->op);
	if (visit.after_stop && error >= 0)
		call->expected = STOP;
	if (error == STOP && (call->op->next - 1 < call->iova || call->op->next - 1 > call->last))
		stream_fail(stream, "a visit that was stopped goes on at 0x%" PRIx64,
		            call->op->next);
	return error;
}

static void check_runs(struct stream *stream, const struct call *call)
{
	struct reference_steps steps = reference_range(&stream->reference, call->start, call->last);

	while (reference_step(&steps)) {
		bool reported = reference_has(steps.granule, REFERENCE_REPORTED);

		if (reference_has(steps.granule, REFERENCE_MUST) && !reported)
			stream_fail(stream, "lost write: for_each_dirty left out 0x%" PRIx64,
			            steps.iova);
		if (reported && !reference_has(steps.granule, REFERENCE_MAY))
			stream_fail(stream,
			            "for_each_dirty reported 0x%" PRIx64
			            ", which is clean (flags 0x%x states 0x%x)",
			            steps.iova, steps.granule->flags, steps.granule->states);
	}
}

static void finished_each(struct stream *stream, struct call *call)
{
	check_runs(stream, call);
}

static void failed_each(struct stream *stream, struct call *call, int error)
{
	stream_failed_dirty(stream, call, error);
	if (error != IOPGT_NO_DIRTY)
		check_runs(stream, call);
}

static const struct verb each_verb = {
	.name = "for_each_dirty",
	.expect = stream_expect_dirty,
	.invoke = invoke_each,
	.done = stream_done_dirty,
	.failed = failed_each,
	.finished = finished_each,
	.flags = VERB_CLEANS | VERB_NO_NEED,
};

void stream_do_each_dirty(struct stream *stream)
{
	struct call call = stream_call(stream, &each_verb);

	if (stream_chance(stream, 2))
		call.op->flags |= IOPGT_OP_CLEAR;
	stream_choose_range(stream, &call);
	stream_set_budget(stream, &call);
	stream_perform(stream, &call);
}

/*
 * Rounds over everything, with few accesses between them: tables that no walker
 * goes through are left out in the third.
 */
void stream_do_rounds(struct stream *stream)
{
	unsigned rounds = 2 + stream_below(stream, 4);

	if (!(stream->config.flags & IOPGT_CONFIG_TABLE_ACCESS_FLAG))
		return;
	while (rounds--) {
		struct call call = stream_call(stream, &each_verb);

		call.op->flags |= IOPGT_OP_CLEAR;
		call.iova = call.start = stream->space_first;
		call.last = stream->space_last;
		stream_set_budget(stream, &call);
		stream_perform(stream, &call);
		if (!stream_chance(stream, 4))
			stream_finish(stream, call.op_bit >> 1);
		if (stream_chance(stream, 3)) {
			uint64_t iova = stream_choose_address(stream);

			stream_random_access(stream, iova, iova);
		}
	}
}
