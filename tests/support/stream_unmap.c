/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations: unmap, unmap_dirty, protect. A block that crosses an end is split
 * first, a contiguous group is broken up before anything else.
 */
#include <inttypes.h>

#include "stream_private.h"

static void expect_cut(struct stream *stream, struct call *call)
{
	struct spot first, last;
	bool at_first, at_last;

	stream_spot(stream, stream->probe, call->iova, &first);
	stream_spot(stream, stream->probe, call->last, &last);
	at_first = first.leaf.fault == WALKER_OK && first.first < call->iova;
	at_last = last.leaf.fault == WALKER_OK && last.last > call->last;
	call->boundary = (at_last ? last.first - 1 : call->last) - call->iova + 1;
	if (at_first && at_last && first.first == last.first)
		call->boundary = 0;
	if (!at_first && !at_last)
		return;
	if (call->op->flags & IOPGT_OP_NO_SPLIT)
		call->expected = IOPGT_WOULD_SPLIT;
	else if (!stream_may_break(stream, call->op))
		call->expected = IOPGT_WOULD_BREAK;
	if (call->expected && (at_first || stream_is_group(stream, &last)))
		call->boundary = 0;
}

static bool looks_protected(const struct stream *stream, const struct spot *spot, uint32_t prot)
{
	const struct reference *reference = &stream->reference;
	uint32_t kept = reference_prot(reference, prot);
	bool untracked = kept & IOPGT_NO_TRACK || (!reference->dirty_managed && kept & IOPGT_WRITE);

	return !(spot->leaf.permissions & ~reference_may(reference, kept)) &&
	       !(reference_sure(reference, kept) & ~spot->leaf.permissions) &&
	       untracked == (spot->leaf.dirty == WALKER_WRITABLE_UNTRACKED);
}

static void change(struct stream *stream, const struct call *call,
                   struct reference_granule *granule)
{
	if (call->mapping.prot)
		reference_protect(&stream->reference, granule, call->mapping.prot, call->op_bit);
	else
		reference_unmap(granule, call->op_bit, call->report);
}

static bool is_changed(struct stream *stream, const struct call *call, uint64_t iova)
{
	struct iopgt_translation got;
	struct spot spot;

	stream_spot(stream, stream->probe, iova, &spot);
	if (!call->mapping.prot)
		return spot.leaf.fault != WALKER_OK;
	if (spot.leaf.fault != WALKER_OK || !looks_protected(stream, &spot, call->mapping.prot))
		return false;
	/* Different permissions may come to the same for a walker (table D8-65). */
	return iopgt_translate(stream->table, iova, &got) ||
	       reference_prot(&stream->reference, got.prot) ==
	               reference_prot(&stream->reference, call->mapping.prot);
}

static void done_cut(struct stream *stream, struct call *call, uint64_t last)
{
	struct reference_steps steps = reference_range(&stream->reference, call->iova, last);
	uint64_t mapped = reference_count_mapped(&stream->reference, call->iova, last);
	uint64_t holes = ((last - call->iova + 1) >> stream->config.granule_shift) - mapped;

	if (call->op->stats.holes - call->before.holes != holes)
		stream_fail(stream, "%s counted %" PRIu64 " holes, not %" PRIu64, call->verb->name,
		            call->op->stats.holes - call->before.holes, holes);
	if (!call->mapping.prot && call->op->stats.unmapped - call->before.unmapped != mapped)
		stream_fail(stream, "unmap counted %" PRIu64 " granules, not %" PRIu64,
		            call->op->stats.unmapped - call->before.unmapped, mapped);
	while (reference_step(&steps))
		change(stream, call, steps.granule);
}

/*
 * The block at the start or the one at the end could not be split, or was split
 * into smaller blocks of which one could not: nothing from there on is changed.
 */
static uint64_t boundary_now(struct stream *stream, const struct call *call)
{
	struct spot first, last;

	stream_spot(stream, stream->probe, call->iova, &first);
	stream_spot(stream, stream->probe, call->last, &last);
	if (first.leaf.fault == WALKER_OK && first.first < call->iova)
		return 0;
	if (last.leaf.fault == WALKER_OK && last.last > call->last)
		return last.first - call->iova;
	return call->last - call->iova + 1;
}

static void failed_cut(struct stream *stream, struct call *call, int error)
{
	struct reference_steps steps = reference_range(&stream->reference, call->iova, call->last);
	uint64_t changed = call->boundary, unchanged = call->boundary;

	if (error == IOPGT_NO_MEMORY) {
		unchanged = boundary_now(stream, call);
		if (unchanged < changed)
			changed = unchanged;
	} else if (error != IOPGT_WOULD_SPLIT && error != IOPGT_WOULD_BREAK) {
		changed = 0;
		unchanged = call->last - call->iova + 1;
	}
	while (reference_step(&steps))
		if (steps.iova - call->iova < changed ||
		    (steps.iova - call->iova < unchanged && is_changed(stream, call, steps.iova)))
			change(stream, call, steps.granule);
}

static void finished_unmap(struct stream *stream, struct call *call)
{
	if (!call->all_failures)
		stream_check_no_tables(stream, call->start, call->last);
}

static int invoke_unmap(struct stream *stream, struct call *call)
{
	return iopgt_unmap(stream->table, call->iova, call->last - call->iova + 1, call->op);
}

static const struct verb unmap_verb = {
	.name = "unmap",
	.expect = expect_cut,
	.invoke = invoke_unmap,
	.done = done_cut,
	.failed = failed_cut,
	.finished = finished_unmap,
	.flags = VERB_MOVES,
};

static void choose_cut(struct stream *stream, struct call *call)
{
	stream_choose_range(stream, call);
	stream_set_budget(stream, call);
	if (stream_chance(stream, 8))
		call->op->flags |= IOPGT_OP_NO_SPLIT;
}

void stream_do_unmap(struct stream *stream)
{
	struct call call = stream_call(stream, &unmap_verb);

	choose_cut(stream, &call);
	stream_perform(stream, &call);
}

void stream_unmap_everything(struct stream *stream)
{
	struct call call = stream_call(stream, &unmap_verb);

	call.iova = call.start = stream->space_first;
	call.last = stream->space_last;
	stream_perform(stream, &call);
	stream_finish_all(stream);
	stream_check_all(stream);
	if (pool_in_use(stream->host.pool) != 1)
		stream_fail(stream, "nothing is mapped, but %zu tables are there",
		            pool_in_use(stream->host.pool));
}

/* Unmap, and what was dirty */

static void expect_unmap_dirty(struct stream *stream, struct call *call)
{
	struct reference_steps steps;

	expect_cut(stream, call);
	if (!stream->reference.dirty_managed) {
		call->expected = IOPGT_NO_DIRTY;
		return;
	}
	stream_note_dirty(stream, call);
	steps = reference_range(&stream->reference, call->iova, call->last);
	while (reference_step(&steps))
		if (reference_has(steps.granule, REFERENCE_MAY))
			steps.granule->flags |= REFERENCE_HARVEST_MAY;
}

static int invoke_unmap_dirty(struct stream *stream, struct call *call)
{
	return iopgt_unmap_dirty(stream->table, call->iova, call->last - call->iova + 1,
	                         &call->report->bitmap, call->op);
}

static const struct verb unmap_dirty_verb = {
	.name = "unmap_dirty",
	.expect = expect_unmap_dirty,
	.invoke = invoke_unmap_dirty,
	.done = done_cut,
	.failed = failed_cut,
	.finished = finished_unmap,
	.flags = VERB_MOVES,
};

void stream_do_unmap_dirty(struct stream *stream)
{
	struct call call = stream_call(stream, &unmap_dirty_verb);

	choose_cut(stream, &call);
	call.report = stream_harvest(stream, &call);
	stream_perform(stream, &call);
}

/* Protect */

static int invoke_protect(struct stream *stream, struct call *call)
{
	return iopgt_protect(stream->table, call->iova, call->last - call->iova + 1,
	                     call->mapping.prot, call->op);
}

static const struct verb protect_verb = {
	.name = "protect",
	.expect = expect_cut,
	.invoke = invoke_protect,
	.done = done_cut,
	.failed = failed_cut,
	.flags = VERB_MOVES,
};

void stream_do_protect(struct stream *stream)
{
	struct call call = stream_call(stream, &protect_verb);

	choose_cut(stream, &call);
	call.mapping.prot = stream_choose_prot(stream);
	stream_perform(stream, &call);
}
