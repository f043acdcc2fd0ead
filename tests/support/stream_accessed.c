/* SPDX-License-Identifier: BSD-2-Clause */
/* Operation: read and clear accessed. What walkers used keeps its flag until then. */
#include <inttypes.h>

#include "stream_private.h"

/* A write to a leaf is a use as well; whoever marks dirty state sets the flag. */
static bool manages(const struct stream_walker *walker)
{
	return walker->attachment.flags & (IOPGT_WALKER_ACCESSED | IOPGT_WALKER_DIRTY);
}

static bool is_configured(const struct stream *stream)
{
	return stream->config.flags & IOPGT_CONFIG_ACCESS_FLAG || stream->reference.dirty_managed;
}

/* All walkers of a domain; a table, and a domain without walkers, is asked itself. */
static bool is_managed(const struct stream *stream)
{
	bool walkers = false;

	for (unsigned i = 0; stream->domain && i < stream->walker_count; i++) {
		if (!stream->walkers[i].attached)
			continue;
		if (!manages(&stream->walkers[i]))
			return false;
		walkers = true;
	}
	return walkers || is_configured(stream);
}

static void expect_accessed(struct stream *stream, struct call *call)
{
	uint64_t iova = call->iova;
	struct spot spot;

	stream->dirty_count = 0;
	if (!is_managed(stream))
		call->expected = IOPGT_NO_ACCESS_FLAG;
	else
		do {
			stream_spot(stream, stream->probe, iova, &spot);
			if (spot.leaf.fault == WALKER_OK && spot.leaf.access_flag)
				stream_push_leaf(stream, &spot, true);
		} while (stream_advance(&iova, spot.last, call->last));
	stream_allow_leaves(stream, call);
}

static int invoke_accessed(struct stream *stream, struct call *call)
{
	return iopgt_read_and_clear_accessed(stream->table, call->iova, call->last - call->iova + 1,
	                                     &call->report->bitmap, call->op);
}

/* Walkers may have used it meanwhile, of all of its leaf. */
static void allow_uses(struct stream *stream, const struct call *call)
{
	uint64_t mask = stream_largest_leaf(stream) - 1;

	for (unsigned i = 0; i < call->use_count; i++)
		stream_flag_range(stream, call->uses[i].iova & ~mask, call->uses[i].iova | mask,
		                  REFERENCE_MAY);
}

/* Uses through what is cached leave no mark until the op is finished. */
static void age(struct stream *stream, const struct call *call, const struct dirty_leaf *leaf)
{
	struct reference_steps steps = reference_range(&stream->reference, leaf->first, leaf->last);

	while (reference_step(&steps)) {
		steps.granule->accessed = false;
		steps.granule->aging |= call->op_bit;
	}
}

static bool clears(const struct call *call, const struct dirty_leaf *leaf, uint64_t last)
{
	return !(call->op->flags & IOPGT_OP_NO_CLEAR) && leaf->first >= call->iova &&
	       leaf->last <= last;
}

static void done_accessed(struct stream *stream, struct call *call, uint64_t last)
{
	allow_uses(stream, call);
	for (size_t i = 0; i < stream->dirty_count; i++) {
		const struct dirty_leaf *leaf = &stream->dirty[i];
		struct spot spot;

		if (leaf->first > last)
			continue;
		stream_flag_range(stream, leaf->first > call->iova ? leaf->first : call->iova,
		                  leaf->last < last ? leaf->last : last, REFERENCE_MUST);
		if (!clears(call, leaf, last))
			continue;
		age(stream, call, leaf);
		stream->result->aged++;
		stream_spot(stream, stream->probe, leaf->first, &spot);
		if (spot.leaf.access_flag && !call->use_count)
			stream_fail(stream, "the access flag at 0x%" PRIx64 " was not cleared",
			            leaf->first);
	}
}

/* What was cleared was reported; the rest is found in memory. */
static void failed_accessed(struct stream *stream, struct call *call, int error)
{
	if (error == IOPGT_NO_ACCESS_FLAG)
		return;
	allow_uses(stream, call);
	for (size_t i = 0; i < stream->dirty_count; i++) {
		const struct dirty_leaf *leaf = &stream->dirty[i];
		struct spot spot;

		if (!clears(call, leaf, call->last))
			continue;
		age(stream, call, leaf);
		stream_spot(stream, stream->probe, leaf->first, &spot);
		if (!spot.leaf.access_flag)
			stream_flag_range(stream, leaf->first, leaf->last, REFERENCE_MUST);
	}
	stream_check_report(stream, call);
}

static const struct verb accessed_verb = {
	.name = "read_and_clear_accessed",
	.expect = expect_accessed,
	.invoke = invoke_accessed,
	.done = done_accessed,
	.failed = failed_accessed,
	.finished = stream_check_report,
	.flags = VERB_AGES,
};

void stream_do_accessed(struct stream *stream)
{
	struct call call = stream_call(stream, &accessed_verb);

	if (stream_chance(stream, 5))
		call.op->flags |= IOPGT_OP_NO_CLEAR;
	call.report = &stream->reports[0];
	stream_choose_range(stream, &call);
	stream_set_budget(stream, &call);
	stream_choose_bitmap(stream, call.report, &call);
	stream_perform(stream, &call);
}

/* A walker used it: unless its flag may be cached still, the mark is in memory, now. */
void stream_note_use(struct stream *stream, const struct access *access)
{
	struct reference_granule *granule = access->granule;
	struct spot spot;

	if (!granule || !reference_has(granule, REFERENCE_MAPPED) || granule->accessed ||
	    granule->aging || stream->call)
		return;
	stream_spot(stream, stream->probe, access->iova, &spot);
	if (!spot.leaf.access_flag)
		stream_fail(stream, "0x%" PRIx64 " was used by walker %d%s, but has no access flag",
		            access->iova, (int)(access->walker - stream->walkers),
		            access->result.cached ? " (cached)" : "");
}

/* Uses in the middle of a call: the flag has outlived it. */
void stream_apply_uses(struct stream *stream, const struct call *call)
{
	if (call->verb->flags & VERB_AGES)
		return;
	for (unsigned i = 0; i < call->use_count; i++) {
		struct reference_granule *granule =
			reference_at(&stream->reference, call->uses[i].iova);

		if (call->uses[i].worked && granule && reference_has(granule, REFERENCE_MAPPED) &&
		    !granule->aging && !(call->verb->flags & VERB_MOVES))
			granule->accessed = true;
	}
}
