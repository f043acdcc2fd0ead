/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations: tracking, on and off, whole and by range; walkers come and go. */
#include <inttypes.h>

#include "stream_private.h"

static bool starts_dirty(const struct call *call)
{
	return call->op->flags & IOPGT_OP_START_DIRTY;
}

/* Tracking on: is every walker that is attached able to mark? */
static bool all_mark(const struct stream *stream)
{
	for (unsigned i = 0; i < stream->walker_count; i++)
		if (stream->walkers[i].attached &&
		    !(stream->walkers[i].attachment.flags & IOPGT_WALKER_DIRTY))
			return false;
	return true;
}

static void expect_set(struct stream *stream, struct call *call)
{
	if (!call->pieces && !(stream->reference.dirty_managed && all_mark(stream)))
		call->expected = IOPGT_NO_DIRTY;
	/* Nothing is said of turning off what cannot be on. */
	if (!call->on && call->expected)
		call->also = IOPGT_OK;
}

static int invoke_set(struct stream *stream, struct call *call)
{
	struct iopgt_tracking how = {
		.policy = stream->policy,
		.max_splits = stream->max_splits,
		.cold_scans = 1 + stream->max_splits % 3,
	};

	if (call->pieces || call->all_failures)
		return iopgt_switch_dirty_log(stream->domain, call->on, call->iova,
		                              call->last - call->iova + 1, call->op);
	return iopgt_set_dirty_tracking(stream->domain, call->on, call->on ? &how : NULL, call->op);
}

/* A leaf that is not all in the range may follow the part that is. */
static void loosen_outside(struct stream *stream, const struct spot *spot, const struct call *call)
{
	struct reference_steps steps = reference_range(&stream->reference, spot->first, spot->last);

	if (spot->first >= call->start && spot->last <= call->last)
		return;
	while (reference_step(&steps))
		if (steps.granule->states & REFERENCE_EITHER)
			steps.granule->states = REFERENCE_EITHER;
}

static void switch_granule(struct reference_granule *granule, const struct call *call, bool whole)
{
	bool tracked = granule->states & REFERENCE_EITHER;

	if (!reference_has(granule, REFERENCE_MAPPED))
		return;
	if (!call->on) {
		granule->states = tracked ? REFERENCE_DIRTY : granule->states;
		return;
	}
	if (starts_dirty(call)) {
		if (!tracked)
			return;
		granule->states = REFERENCE_DIRTY;
		granule->flags |= REFERENCE_OWED;
		granule->copied_after = 0;
		return;
	}
	if (tracked)
		granule->states = whole ? REFERENCE_CLEAN : REFERENCE_EITHER;
	if (whole)
		granule->flags &= ~REFERENCE_KEPT;
	granule->kept_unsure = true;
	granule->copied_after |= call->op_bit;
}

static void switch_spot(struct stream *stream, const struct spot *spot, const struct call *call,
                        uint64_t last)
{
	uint64_t first = spot->first > call->iova ? spot->first : call->iova;
	uint64_t end = spot->last < last ? spot->last : last;
	struct reference_steps steps = reference_range(&stream->reference, first, end);
	bool whole = spot->first >= call->start && spot->last <= call->last;

	loosen_outside(stream, spot, call);
	while (reference_step(&steps))
		switch_granule(steps.granule, call, whole);
}

/* With an eager policy there are only pages, but for those that were counted. */
static void check_pages(struct stream *stream, const struct spot *spot, const struct call *call)
{
	if (!call->on || starts_dirty(call) || stream->policy != IOPGT_SPLIT_EAGER ||
	    call->all_failures || call->op->stats.left_unsplit != call->before.left_unsplit)
		return;
	if (spot->leaf.size != stream_granule(stream) &&
	    (spot->leaf.dirty == WALKER_WRITABLE_CLEAN ||
	     spot->leaf.dirty == WALKER_WRITABLE_DIRTY))
		stream_fail(stream, "tracking eagerly, but a block is left at 0x%" PRIx64,
		            spot->first);
}

static void done_switch(struct stream *stream, struct call *call, uint64_t last)
{
	uint64_t iova = call->iova;
	struct spot spot;

	if (!call->on)
		stream_spread(stream, call->start, call->last);
	do {
		stream_spot(stream, stream->probe, iova, &spot);
		if (spot.leaf.fault == WALKER_OK) {
			switch_spot(stream, &spot, call, last);
			check_pages(stream, &spot, call);
		}
	} while (stream_advance(&iova, spot.last, last));
}

/* What it came to is found in memory; what may have been forgotten is to be copied. */
static void failed_switch(struct stream *stream, struct call *call, int error)
{
	uint64_t mask = stream_largest_leaf(stream) - 1;
	struct reference_steps steps;

	if (error == call->expected)
		return;
	stream_spread(stream, call->start, call->last);
	steps = reference_range(&stream->reference, call->iova, call->last);
	while (reference_step(&steps)) {
		struct reference_granule *granule = steps.granule;

		if (granule->states & REFERENCE_EITHER)
			granule->states = REFERENCE_EITHER;
		granule->kept_unsure = true;
		if (call->on && !starts_dirty(call))
			granule->copied_after |= call->op_bit;
	}
	/* Leaves at the ends may not be all in the range. */
	stream_soften(stream, call->start & ~mask, call->start | mask);
	stream_soften(stream, call->last & ~mask, call->last | mask);
}

static void finished_switch(struct stream *stream, struct call *call)
{
	if (!call->on)
		stream_check_merged(stream, call);
}

static void done_set(struct stream *stream, struct call *call, uint64_t last)
{
	stream->reference.tracking = call->on;
	done_switch(stream, call, last);
}

static void failed_set(struct stream *stream, struct call *call, int error)
{
	if (error != call->expected)
		stream->reference.tracking = call->on;
	failed_switch(stream, call, error);
}

static const struct verb set_verb = {
	.name = "set_dirty_tracking",
	.expect = expect_set,
	.invoke = invoke_set,
	.done = done_set,
	.failed = failed_set,
	.finished = finished_switch,
	.flags = VERB_NO_NEED | VERB_RESIZES,
};

static void choose_switch(struct stream *stream, struct call *call)
{
	call->on = !stream_chance(stream, 3);
	if (stream_chance(stream, 2))
		call->op->flags |= IOPGT_OP_START_DIRTY;
	stream_set_budget(stream, call);
}

static void check_bad_policy(struct stream *stream, struct call *call)
{
	struct iopgt_tracking how = {.policy = 77};
	int error = iopgt_set_dirty_tracking(stream->domain, true, &how, call->op);

	if (error != IOPGT_BAD_POLICY)
		stream_fail(stream, "policy 77 gave %d", error);
}

static void choose_policy(struct stream *stream)
{
	static const uint32_t policies[] = {IOPGT_SPLIT_EAGER, IOPGT_SPLIT_NONE,
	                                    IOPGT_SPLIT_ADAPTIVE};

	stream->policy = policies[stream_below(stream, 3)];
	stream->max_splits = stream_below(stream, 6);
}

void stream_do_tracking(struct stream *stream)
{
	struct call call = stream_call(stream, &set_verb);

	if (!stream->domain)
		return;
	call.iova = call.start = stream->space_first;
	call.last = stream->space_last;
	choose_switch(stream, &call);
	if (stream->reference.dirty_managed && all_mark(stream) && stream_chance(stream, 8))
		check_bad_policy(stream, &call);
	if (call.on && stream->reference.dirty_managed && all_mark(stream))
		choose_policy(stream);
	stream_perform(stream, &call);
}

/* By range */

static void expect_switch(struct stream *stream, struct call *call)
{
	if (call->on && !stream->reference.tracking)
		call->expected = IOPGT_NOT_TRACKING;
	if (!stream->reference.dirty_managed)
		call->also = call->on ? IOPGT_NO_DIRTY : IOPGT_OK;
	if (!stream->reference.dirty_managed && !call->on)
		call->expected = IOPGT_NO_DIRTY;
}

static int invoke_switch(struct stream *stream, struct call *call)
{
	return iopgt_switch_dirty_log(stream->domain, call->on, call->iova,
	                              call->last - call->iova + 1, call->op);
}

static const struct verb switch_verb = {
	.name = "switch_dirty_log",
	.expect = expect_switch,
	.invoke = invoke_switch,
	.done = done_switch,
	.failed = failed_switch,
	.finished = finished_switch,
	.flags = VERB_NO_NEED | VERB_RESIZES,
};

void stream_do_switch(struct stream *stream)
{
	struct call call = stream_call(stream, &switch_verb);

	if (!stream->domain)
		return;
	stream_choose_range(stream, &call);
	choose_switch(stream, &call);
	stream_perform(stream, &call);
}

/* Walkers */

static void check_capabilities(struct stream *stream)
{
	struct iopgt_op never = {.flags = 0};
	bool dirty = stream->reference.dirty_managed && all_mark(stream);

	if (iopgt_domain_capable(stream->domain, IOPGT_CAPABLE_DIRTY_TRACKING) != dirty)
		stream_fail(stream, "capable of dirty tracking: not %d", dirty);
	if (iopgt_domain_capable(stream->domain, IOPGT_CAPABLE_LIVE_SPLIT) !=
	    (stream_level(stream) > 0))
		stream_fail(stream, "capable of live split: not %d", stream_level(stream) > 0);
	if (iopgt_domain_capable(stream->domain, IOPGT_CAPABLE_TABLE_ACCESS_FLAG) !=
	    stream_uses_table_flags(stream))
		stream_fail(stream, "capable of table access flags: not %d",
		            stream_uses_table_flags(stream));
	if (iopgt_domain_capable(stream->domain, IOPGT_CAPABLE_SPLIT) !=
	    stream_may_break(stream, &never))
		stream_fail(stream, "capable of split: not %d", stream_may_break(stream, &never));
}

static void detach(struct stream *stream, struct stream_walker *walker)
{
	int error;

	stream_finish_all(stream);
	error = iopgt_domain_detach(stream->domain, &walker->attachment);
	if (error != IOPGT_OK)
		stream_fail(stream, "detach gave %d", error);
	walker_forget(walker->model);
	walker->attached = false;
	if (iopgt_domain_detach(stream->domain, &walker->attachment) != IOPGT_NOT_ATTACHED)
		stream_fail(stream, "a second detach is not NOT_ATTACHED");
}

static void attach(struct stream *stream, struct stream_walker *walker)
{
	bool marks = walker->attachment.flags & IOPGT_WALKER_DIRTY;
	int error = iopgt_domain_attach(stream->domain, &walker->attachment);

	if (!marks && (stream->reference.tracking || stream->domain_flags)) {
		if (error != IOPGT_NO_DIRTY)
			stream_fail(stream, "attaching a walker that cannot mark gave %d", error);
		return;
	}
	if (error != IOPGT_OK)
		stream_fail(stream, "attach gave %d", error);
	walker->attached = true;
	if (iopgt_domain_attach(stream->domain, &walker->attachment) != IOPGT_IN_USE)
		stream_fail(stream, "a second attach is not IN_USE");
}

void stream_do_attach(struct stream *stream)
{
	unsigned pick = stream_below(stream, stream->walker_count);
	struct stream_walker *walker = &stream->walkers[pick];

	if (!stream->domain)
		return;
	if (walker->attached)
		detach(stream, walker);
	else
		attach(stream, walker);
	stream_note(stream, "walker %u: attached %d", pick, walker->attached);
	check_capabilities(stream);
}

static int spoil_walker(struct stream *stream, struct iopgt_walker *walker)
{
	switch (stream_below(stream, 4)) {
	case 0:
		walker->bbm_level = 3;
		return IOPGT_BAD_BBM_LEVEL;
	case 1:
		walker->input_bits--;
		return IOPGT_INCOMPATIBLE;
	case 2:
		walker->output_bits--;
		return IOPGT_INCOMPATIBLE;
	default:
		walker->tlb = NULL;
		return IOPGT_BAD_HAL;
	}
}

void stream_do_bad_attach(struct stream *stream)
{
	struct iopgt_walker walker = stream->walkers[0].attachment;
	int expected, error;

	if (!stream->domain)
		return;
	walker.flags |= IOPGT_WALKER_DIRTY | IOPGT_WALKER_COHERENT;
	expected = spoil_walker(stream, &walker);
	error = iopgt_domain_attach(stream->domain, &walker);
	stream_note(stream, "bad attach = %d", error);
	if (error != expected)
		stream_fail(stream, "attaching a bad walker gave %d, not %d", error, expected);
	check_capabilities(stream);
}
