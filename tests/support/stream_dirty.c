/* SPDX-License-Identifier: BSD-2-Clause */
/* What the dirty verbs have to report, may report, and clean. */
#include <stdlib.h>

#include "stream_private.h"

void stream_push_leaf(struct stream *stream, const struct spot *spot, bool sure)
{
	if (stream->dirty_count == stream->dirty_room) {
		stream->dirty_room = 2 * stream->dirty_room + 64;
		stream->dirty = realloc(stream->dirty, stream->dirty_room * sizeof(*stream->dirty));
		if (!stream->dirty)
			abort();
	}
	stream->dirty[stream->dirty_count++] = (struct dirty_leaf){spot->first, spot->last, sure};
}

void stream_flag_range(struct stream *stream, uint64_t first, uint64_t last, uint8_t flags)
{
	struct reference_steps steps = reference_range(&stream->reference, first, last);

	while (reference_step(&steps))
		steps.granule->flags |= flags;
}

void stream_allow_leaves(struct stream *stream, const struct call *call)
{
	if (!call->pieces && !call->all_failures)
		reference_forget(&stream->reference, call->start, call->last,
		                 REFERENCE_MUST | REFERENCE_MAY | REFERENCE_REPORTED);
	for (size_t i = 0; i < stream->dirty_count; i++) {
		const struct dirty_leaf *leaf = &stream->dirty[i];

		stream_flag_range(stream, leaf->first > call->iova ? leaf->first : call->iova,
		                  leaf->last < call->last ? leaf->last : call->last, REFERENCE_MAY);
	}
}

/* A leaf that is not tracked now is reported if it was dirty before. */
static void note_kept(struct stream *stream, const struct spot *spot)
{
	struct reference_steps steps = reference_range(&stream->reference, spot->first, spot->last);
	bool kept = false, sure = false;

	while (reference_step(&steps)) {
		if (!reference_has(steps.granule, REFERENCE_KEPT))
			continue;
		kept = true;
		sure |= !steps.granule->kept_unsure;
	}
	if (kept)
		stream_push_leaf(stream, spot, sure);
}

/* Notes the leaves that are dirty now, and what may be reported because of them. */
void stream_note_dirty(struct stream *stream, struct call *call)
{
	uint64_t iova = call->iova;
	struct spot spot;

	stream->dirty_count = 0;
	do {
		stream_spot(stream, stream->probe, iova, &spot);
		if (spot.leaf.fault == WALKER_OK && spot.leaf.dirty == WALKER_WRITABLE_DIRTY)
			stream_push_leaf(stream, &spot, true);
		else if (spot.leaf.fault == WALKER_OK && spot.leaf.dirty != WALKER_WRITABLE_CLEAN)
			note_kept(stream, &spot);
	} while (stream_advance(&iova, spot.last, call->last));
	stream_allow_leaves(stream, call);
}

void stream_expect_dirty(struct stream *stream, struct call *call)
{
	if (!stream->reference.dirty_managed)
		call->expected = IOPGT_NO_DIRTY;
	stream_note_dirty(stream, call);
}

/* Does the verb clean this leaf, which lies in the range? */
static bool cleans(const struct call *call, const struct dirty_leaf *leaf)
{
	uint32_t flags = call->op->flags;

	if (!(call->verb->flags & VERB_CLEANS))
		return false;
	if (call->verb->flags & VERB_GIVEN)
		return report_has(call->report, leaf->first, leaf->last);
	return call->report ? !(flags & IOPGT_OP_NO_CLEAR) : flags & IOPGT_OP_CLEAR;
}

static void clean_leaf(struct stream *stream, const struct dirty_leaf *leaf, bool surely)
{
	struct reference_steps steps = reference_range(&stream->reference, leaf->first, leaf->last);

	while (reference_step(&steps)) {
		struct reference_granule *granule = steps.granule;

		if (granule->states == REFERENCE_DIRTY)
			granule->states = surely ? REFERENCE_CLEAN : REFERENCE_EITHER;
		granule->kept_unsure = !surely;
		if (surely)
			granule->flags &= ~REFERENCE_KEPT;
	}
}

/* The verb is done up to `last`: what it had to report, and what it cleaned. */
static void take_leaf(struct stream *stream, const struct call *call, const struct dirty_leaf *leaf,
                      uint64_t last)
{
	if (leaf->first > last)
		return;
	if (leaf->sure)
		stream_flag_range(stream, leaf->first > call->iova ? leaf->first : call->iova,
		                  leaf->last < last ? leaf->last : last, REFERENCE_MUST);
	if (leaf->first < call->iova || leaf->last > call->last || !cleans(call, leaf))
		return;
	if (leaf->last <= last) {
		clean_leaf(stream, leaf, true);
	} else {
		/* It was split, and cleaned as far as the budget went. */
		struct dirty_leaf part = {leaf->first, last, leaf->sure};

		clean_leaf(stream, &part, false);
	}
}

static bool is_reported(const struct stream *stream, const struct call *call,
                        const struct reference_steps *steps)
{
	if (!call->report)
		return reference_has(steps->granule, REFERENCE_REPORTED);
	return report_has(call->report, steps->iova, steps->iova + stream_granule(stream) - 1);
}

static bool cleans_anything(const struct call *call)
{
	struct dirty_leaf any = {0};

	return call->verb->flags & VERB_GIVEN || cleans(call, &any);
}

/*
 * What was reported, or given, to a verb that cleans is copied after the op: also what
 * lies behind the end of this call, in a block that was reported whole.
 */
static void copy_reported(struct stream *stream, const struct call *call)
{
	struct reference_steps steps = reference_range(&stream->reference, call->iova, call->last);

	while (reference_step(&steps)) {
		if (!is_reported(stream, call, &steps))
			continue;
		stream->result->reported++;
		if (cleans_anything(call) && reference_has(steps.granule, REFERENCE_MAPPED))
			steps.granule->copied_after |= call->op_bit;
	}
}

/* What was written while the verb ran may be reported, by all of its leaf. */
static void allow_writes(struct stream *stream, const struct call *call)
{
	uint64_t mask = stream_largest_leaf(stream) - 1;

	for (unsigned i = 0; i < call->wrote_count; i++) {
		uint64_t first = call->wrote[i].iova & ~mask, last = call->wrote[i].iova | mask;

		stream_flag_range(stream, first, last, REFERENCE_MAY);
	}
}

void stream_done_dirty(struct stream *stream, struct call *call, uint64_t last)
{
	allow_writes(stream, call);
	for (size_t i = 0; i < stream->dirty_count; i++)
		take_leaf(stream, call, &stream->dirty[i], last);
	copy_reported(stream, call);
}

/* Reported is what was cleaned, and perhaps more: the rest is found in memory. */
void stream_failed_dirty(struct stream *stream, struct call *call, int error)
{
	(void)error;
	if (!stream->reference.dirty_managed)
		return;
	allow_writes(stream, call);
	for (size_t i = 0; i < stream->dirty_count; i++)
		if (stream->dirty[i].first >= call->iova && stream->dirty[i].last <= call->last &&
		    cleans(call, &stream->dirty[i]))
			clean_leaf(stream, &stream->dirty[i], false);
	copy_reported(stream, call);
}
