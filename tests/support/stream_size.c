/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations: split, merge, trim. */
#include <inttypes.h>

#include "stream_private.h"

static uint64_t size_left(const struct call *call)
{
	return call->last - call->iova + 1;
}

static uint64_t most_waits(uint64_t blocks, uint64_t groups)
{
	uint64_t most = 2 + (2 * blocks + 63) / 64;

	return groups ? most + 1 + (groups + 31) / 32 : most;
}

/* Waits of a call that found nothing owed (iopgt_split_block). */
static void check_waits(struct stream *stream, const struct call *call, uint64_t blocks,
                        uint64_t groups)
{
	uint64_t waits = call->op->stats.waits - call->before.waits;

	if (!call->owed_before && !call->failures && !stream->unsettled &&
	    waits > most_waits(blocks, groups))
		stream_fail(stream,
		            "%s waited %" PRIu64 " times for %" PRIu64 " blocks, %" PRIu64
		            " groups",
		            call->verb->name, waits, blocks, groups);
}

/* Split */

static void expect_split(struct stream *stream, struct call *call)
{
	if (stream_may_break(stream, call->op))
		return;
	call->expected = IOPGT_WOULD_BREAK;
	if (!stream_blocks_in(stream, call->iova, call->last))
		call->also = IOPGT_OK;
}

static int invoke_split(struct stream *stream, struct call *call)
{
	uint64_t allocated = host_calls(&stream->host, HOST_ALLOC), needed;
	int error;

	if (iopgt_tables_needed(stream->table, call->iova, size_left(call), &needed))
		stream_fail(stream, "tables_needed failed");
	error = iopgt_split_block(stream->table, call->iova, size_left(call), call->op);
	allocated = host_calls(&stream->host, HOST_ALLOC) - allocated;
	if (allocated > needed)
		stream_fail(stream, "split took %" PRIu64 " tables, tables_needed said %" PRIu64,
		            allocated, needed);
	return error;
}

static void done_split(struct stream *stream, struct call *call, uint64_t last)
{
	check_waits(stream, call, call->op->stats.split - call->before.split,
	            call->op->stats.ungrouped - call->before.ungrouped);
	if (stream_blocks_in(stream, call->iova, last))
		stream_fail(stream, "split left a block in 0x%" PRIx64 "-0x%" PRIx64, call->iova,
		            last);
}

static const struct verb split_verb = {
	.name = "split_block",
	.expect = expect_split,
	.invoke = invoke_split,
	.done = done_split,
	.flags = VERB_RESIZES,
};

void stream_do_split(struct stream *stream)
{
	struct call call = stream_call(stream, &split_verb);

	stream_choose_range(stream, &call);
	stream_set_budget(stream, &call);
	stream_perform(stream, &call);
}

/* Merge */

static void expect_merge(struct stream *stream, struct call *call)
{
	unsigned shift = 2 * stream->config.granule_shift - 3;

	if (stream_may_break(stream, call->op))
		return;
	call->also = IOPGT_WOULD_BREAK;
	if (stream->leaf_sizes >> shift & 1 &&
	    stream_mergeable(stream, call->iova, call->last, UINT64_C(1) << shift))
		call->expected = IOPGT_WOULD_BREAK;
}

static int invoke_merge(struct stream *stream, struct call *call)
{
	return iopgt_merge_page(stream->table, call->iova, size_left(call), call->op);
}

static void done_merge(struct stream *stream, struct call *call, uint64_t last)
{
	(void)last;
	stream_spread(stream, call->start, call->last);
	check_waits(stream, call, call->op->stats.merged - call->before.merged,
	            call->op->stats.grouped - call->before.grouped);
}

/* Tables that were linked again have all marks, perhaps more: dirty as a whole. */
static void failed_merge(struct stream *stream, struct call *call, int error)
{
	struct reference_steps steps = reference_range(&stream->reference, call->iova, call->last);

	stream_spread(stream, call->start, call->last);
	if (error != HOST_ERROR)
		return;
	stream_soften(stream, call->iova, call->last);
	while (reference_step(&steps))
		if (steps.granule->states == REFERENCE_READ_ONLY &&
		    !reference_has(steps.granule, REFERENCE_KEPT)) {
			steps.granule->flags |= REFERENCE_KEPT;
			steps.granule->kept_unsure = true;
		}
}

static void finished_merge(struct stream *stream, struct call *call)
{
	stream_check_merged(stream, call);
}

static const struct verb merge_verb = {
	.name = "merge_page",
	.expect = expect_merge,
	.invoke = invoke_merge,
	.done = done_merge,
	.failed = failed_merge,
	.finished = finished_merge,
	.flags = VERB_RESIZES,
};

void stream_do_merge(struct stream *stream)
{
	struct call call = stream_call(stream, &merge_verb);

	stream_choose_range(stream, &call);
	stream_set_budget(stream, &call);
	stream_perform(stream, &call);
}

/* Merge of what is cold: which that is, the library may choose */

static void expect_merge_cold(struct stream *stream, struct call *call)
{
	if (!stream->reference.tracking || stream->policy != IOPGT_SPLIT_ADAPTIVE)
		call->expected = IOPGT_NOT_TRACKING;
}

static int invoke_merge_cold(struct stream *stream, struct call *call)
{
	return iopgt_merge_cold(stream->domain, call->iova, size_left(call), call->op);
}

static void done_merge_cold(struct stream *stream, struct call *call, uint64_t last)
{
	(void)last;
	stream_spread(stream, call->start, call->last);
}

static const struct verb merge_cold_verb = {
	.name = "merge_cold",
	.expect = expect_merge_cold,
	.invoke = invoke_merge_cold,
	.done = done_merge_cold,
	.failed = failed_merge,
	.flags = VERB_RESIZES,
};

void stream_do_merge_cold(struct stream *stream)
{
	struct call call = stream_call(stream, &merge_cold_verb);

	if (!stream->domain)
		return;
	stream_choose_range(stream, &call);
	stream_set_budget(stream, &call);
	stream_perform(stream, &call);
}

/* Trim */

static int invoke_trim(struct stream *stream, struct call *call)
{
	return iopgt_trim(stream->table, call->iova, size_left(call), call->op);
}

/* Walkers may still go through the tables: nothing is to be mapped there before the finish. */
static void done_trim(struct stream *stream, struct call *call, uint64_t last)
{
	struct reference_steps steps = reference_range(&stream->reference, call->iova, last);

	while (reference_step(&steps))
		reference_touch(steps.granule, call->op_bit);
}

static void failed_trim(struct stream *stream, struct call *call, int error)
{
	(void)error;
	done_trim(stream, call, call->last);
}

static void finished_trim(struct stream *stream, struct call *call)
{
	if (!call->all_failures && !call->pieces)
		stream_check_no_tables(stream, call->start, call->last);
}

static const struct verb trim_verb = {
	.name = "trim",
	.invoke = invoke_trim,
	.done = done_trim,
	.failed = failed_trim,
	.finished = finished_trim,
	.flags = VERB_RESIZES,
};

void stream_do_trim(struct stream *stream)
{
	struct call call = stream_call(stream, &trim_verb);

	stream_choose_range(stream, &call);
	stream_set_budget(stream, &call);
	stream_perform(stream, &call);
}
