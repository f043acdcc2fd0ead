/* SPDX-License-Identifier: BSD-2-Clause */
/* One call of the library: failures are armed, its result judged and applied. */
#include <inttypes.h>

#include "stream_private.h"

#define BATCH       64    /* blocks or groups that change size at once */
#define GROUP       128   /* entries of a group, at most */
#define MOST_PIECES 20000 /* calls by budget for one range */
#define LEVELS      16    /* descriptors of the tables above, at both ends */

static const struct verb finish_verb = {.name = "finish"};

static unsigned op_number(const struct call *call)
{
	return call->op_bit >> 1;
}

struct call stream_call(struct stream *stream, const struct verb *verb)
{
	unsigned op = stream_chance(stream, 4) ? 1 : 0;
	struct call call = {.verb = verb, .op = &stream->ops[op], .op_bit = 1u << op};

	call.op->flags = 0;
	call.op->budget = 0;
	if (stream_chance(stream, 8))
		call.op->flags |= IOPGT_OP_ATOMIC;
	if (stream_chance(stream, 2))
		call.op->flags |= IOPGT_OP_MAY_BREAK;
	return call;
}

/* A budget for a third of the calls, such that no range needs thousands of them. */
void stream_set_budget(struct stream *stream, struct call *call)
{
	uint64_t granules = 0;

	if (!stream_chance(stream, 3))
		return;
	for (unsigned i = 0; i < stream->reference.window_count; i++) {
		const struct reference_window *window = &stream->reference.windows[i];
		uint64_t first = call->iova > window->first ? call->iova : window->first;
		uint64_t last = call->last < window->last ? call->last : window->last;

		if (first <= last)
			granules += (last - first + 1) >> stream->config.granule_shift;
	}
	call->op->budget = 1 + granules / 8 + stream_below(stream, 32);
}

static bool other_is_pending(const struct stream *stream, unsigned op)
{
	for (unsigned i = 0; i < STREAM_OPS; i++)
		if (i != op && stream->pending[i])
			return true;
	return false;
}

/* A failed sync loses what was posted, by other ops as well: they could not know. */
static void arm_failure(struct stream *stream, const struct call *call)
{
	bool finish = call->verb == &finish_verb;
	static const enum host_call kinds[] = {HOST_SYNC,  HOST_RANGE, HOST_ALL,         HOST_SYNC,
	                                       HOST_ALLOC, HOST_ALLOC, HOST_PHYS_TO_VIRT};
	static const uint8_t most[] = {1, 1, 3, 32};
	enum host_call kind;
	uint64_t nth;

	if (stream->calm || !stream_chance(stream, 4))
		return;
	kind = kinds[stream_below(stream, finish ? 3 : 7)];
	if (kind == HOST_SYNC && other_is_pending(stream, op_number(call)))
		return;
	nth = 1 + stream_below(stream, most[stream_below(stream, 4)]);
	stream->armed = true;
	host_fail(&stream->host, kind, nth, kind != HOST_PHYS_TO_VIRT && stream_chance(stream, 3));
}

/* May it return this? What failed in the host explains some codes. */
static bool explained(const struct call *call, int error)
{
	uint32_t invalidation = 1u << HOST_RANGE | 1u << HOST_ALL | 1u << HOST_SYNC;

	if (error == call->expected || error == call->also)
		return true;
	switch (error) {
	case IOPGT_AGAIN:
		return call->op->budget != 0;
	case IOPGT_NO_MEMORY:
		return call->failures & 1u << HOST_ALLOC && !(call->verb->flags & VERB_NO_NEED);
	case IOPGT_BAD_TABLE:
		return call->failures & 1u << HOST_PHYS_TO_VIRT;
	case HOST_ERROR:
		return call->failures & invalidation;
	default:
		return false;
	}
}

/*
 * It may touch as many descriptors as the budget says, and a table more; and the
 * tables that splits fill and that are then read, and groups that are broken up and
 * then read, of a batch. Who merges or splits all of a range is left out.
 */
static void judge_budget(struct stream *stream, const struct call *call)
{
	uint64_t looked_at = call->op->stats.looked_at - call->before.looked_at;
	uint64_t split = call->op->stats.split - call->before.split;
	uint64_t ungrouped = call->op->stats.ungrouped - call->before.ungrouped;
	uint64_t table = stream_granule(stream) / 8; /* descriptors */

	if (split > BATCH)
		split = BATCH;
	if (ungrouped > BATCH)
		ungrouped = BATCH;
	if (call->op->budget && !(call->verb->flags & VERB_RESIZES) &&
	    looked_at > call->op->budget + (1 + 2 * split) * table + ungrouped * GROUP + LEVELS)
		stream_fail(stream,
		            "%s looked at %" PRIu64 " descriptors with a budget of %" PRIu64
		            ", splitting %" PRIu64 " blocks, %" PRIu64 " groups",
		            call->verb->name, looked_at, call->op->budget, split, ungrouped);
}

static void judge(struct stream *stream, const struct call *call, int error)
{
	if (!explained(call, error))
		stream_fail(stream, "%s 0x%" PRIx64 "-0x%" PRIx64 " gave %d (%s), expected %d (%s)",
		            call->verb->name, call->iova, call->last, error, iopgt_strerror(error),
		            call->expected, iopgt_strerror(call->expected));
	if (error == IOPGT_OK && call->failures & 1u << HOST_ALLOC &&
	    !(call->verb->flags & VERB_NO_NEED))
		stream_fail(stream, "%s is OK, though memory was refused", call->verb->name);
	stream_check_host(stream, call->verb->name);
	if (error >= 0 || error == IOPGT_AGAIN)
		judge_budget(stream, call);
	if (error != IOPGT_AGAIN)
		return;
	if (call->op->next - 1 < call->iova || call->op->next > call->last || !call->op->next ||
	    call->op->next & (stream_granule(stream) - 1))
		stream_fail(stream, "%s: AGAIN with next 0x%" PRIx64, call->verb->name,
		            call->op->next);
	if (call->pieces > MOST_PIECES)
		stream_fail(stream, "%s: no end of AGAIN", call->verb->name);
}

static void trace(struct stream *stream, const struct call *call, int error)
{
	char next[64] = "";
	int length = 0;

	if (error == IOPGT_AGAIN)
		length = snprintf(next, sizeof(next), " next 0x%" PRIx64, call->op->next);
	if (call->failures)
		snprintf(next + length, sizeof(next) - length, " host failed (calls 0x%x)",
		         call->failures);
	stream_note(stream,
	            "%s(0x%" PRIx64 " +0x%" PRIx64 " op %u flags 0x%x budget %" PRIu64
	            " phys 0x%" PRIx64 " prot 0x%x mem %u attr 0x%x on %d) = %d%s%s",
	            call->verb->name, call->iova, call->last - call->iova + 1, op_number(call),
	            call->op->flags, call->op->budget, call->mapping.phys, call->mapping.prot,
	            call->mapping.memory, call->mapping.attributes, call->on, error, next,
	            call->wrote_count ? " hooked" : "");
}

void stream_soften(struct stream *stream, uint64_t first, uint64_t last)
{
	struct reference_steps steps = reference_range(&stream->reference, first, last);

	while (reference_step(&steps))
		if (steps.granule->states & REFERENCE_EITHER)
			steps.granule->states |= REFERENCE_EITHER;
}

/* Protect: what was written before the permission went is kept. */
static void keep_write(struct stream *stream, uint64_t iova)
{
	uint64_t mask = stream_largest_leaf(stream) - 1;
	struct reference_steps steps =
		reference_range(&stream->reference, iova & ~mask, iova | mask);
	struct reference_granule *granule = reference_at(&stream->reference, iova);

	while (reference_step(&steps)) {
		if (steps.granule->states & REFERENCE_EITHER ||
		    reference_has(steps.granule, REFERENCE_KEPT))
			continue;
		steps.granule->flags |= REFERENCE_KEPT;
		steps.granule->kept_unsure = true;
	}
	if (granule->states == REFERENCE_READ_ONLY && reference_is_owed(granule))
		granule->kept_unsure = false;
}

/*
 * Writes that landed while the call ran: after it, they are owed like others.
 * They may have found a block, which the call split.
 */
static void apply_writes(struct stream *stream, const struct call *call)
{
	uint64_t mask = stream_largest_leaf(stream) - 1;

	for (unsigned i = 0; i < call->wrote_count; i++) {
		struct reference_granule *granule =
			reference_at(&stream->reference, call->wrote[i].iova);

		if (call->wrote[i].worked && reference_has(granule, REFERENCE_MAPPED) &&
		    granule->states & REFERENCE_EITHER)
			granule->flags |= REFERENCE_OWED;
		stream_soften(stream, call->wrote[i].iova & ~mask, call->wrote[i].iova | mask);
		if (call->verb->flags & VERB_MOVES && call->mapping.prot)
			keep_write(stream, call->wrote[i].iova);
	}
	stream_apply_uses(stream, call);
	/* What is left open by that is found in memory. */
	for (unsigned i = 0; i < call->wrote_count; i++)
		stream_check_around(stream, call->wrote[i].iova, call->wrote[i].iova);
}

static int invoke(struct stream *stream, struct call *call)
{
	int error;

	call->failures = 0;
	call->wrote_count = call->use_count = call->hooked = 0;
	call->expected = IOPGT_OK;
	call->also = 1; /* nothing returns it, unless asked to */
	call->owed_before = stream->pending[op_number(call)];
	call->before = call->op->stats;
	if (call->verb->expect)
		call->verb->expect(stream, call);
	arm_failure(stream, call);
	stream->call = call;
	error = call->verb->invoke(stream, call);
	stream->call = NULL;
	host_fail_nothing(&stream->host);
	stream->armed = false;
	call->all_failures |= call->failures;
	stream->result->host_failures += call->failures != 0;
	if (!(call->verb->flags & VERB_KEEPS))
		stream->pending[op_number(call)] = true;
	trace(stream, call, error);
	judge(stream, call, error);
	return error;
}

static void succeed(struct stream *stream, struct call *call, uint64_t last)
{
	if (call->verb->done)
		call->verb->done(stream, call, last);
	apply_writes(stream, call);
}

/* A sequence may touch all of its range until its end: tables that it emptied go then. */
static void touch_all(struct stream *stream, const struct call *call)
{
	struct reference_steps steps = reference_range(&stream->reference, call->start, call->last);

	while (reference_step(&steps))
		reference_touch(steps.granule, call->op_bit);
}

static void fail(struct stream *stream, struct call *call, int error)
{
	if (error == HOST_ERROR)
		stream->unsettled = true;
	if (call->verb->failed)
		call->verb->failed(stream, call, error);
	if (call->verb->flags & VERB_MOVES)
		touch_all(stream, call);
	apply_writes(stream, call);
	stream_check_around(stream, call->start, call->last);
}

/* What may happen between two calls of a sequence. */
static void pause(struct stream *stream, const struct call *call)
{
	if (stream_chance(stream, 4))
		stream_random_access(stream, call->start, call->last);
	/* A bitmap that the op keeps is checked when all of the range is done. */
	if (!(call->report && call->report->op) && stream_chance(stream, 16))
		stream_finish(stream, op_number(call));
}

static void sequence(struct stream *stream, struct call *call)
{
	unsigned failures = 0;

	for (;;) {
		int error = invoke(stream, call);

		if (error == IOPGT_AGAIN || error > 0) {
			/* Behind the last address of all is 0. */
			bool end = call->op->next - 1 >= call->last;

			succeed(stream, call, end ? call->last : call->op->next - 1);
			call->iova = call->op->next;
			call->pieces++;
			if (end)
				break;
			pause(stream, call);
		} else if (error == IOPGT_OK) {
			succeed(stream, call, call->last);
			break;
		} else {
			fail(stream, call, error);
			if (error == call->expected || ++failures > 1 || stream_chance(stream, 2))
				return;
			stream->calm = true;
			if (call->verb->flags & VERB_FRESH)
				stream_finish(stream, op_number(call));
		}
	}
	if (call->pieces && call->verb->flags & VERB_MOVES && !(call->verb->flags & VERB_FRESH))
		touch_all(stream, call);
	if (call->verb->finished)
		call->verb->finished(stream, call);
}

void stream_perform(struct stream *stream, struct call *call)
{
	bool calm = stream->calm;

	stream_clear_alone(stream, call);
	sequence(stream, call);
	stream->calm = calm;
	stream_check_around(stream, call->start, call->last);
	if (stream_chance(stream, 2))
		stream_random_access(stream, call->start, call->last);
	if (!(call->verb->flags & VERB_KEEPS) && stream_chance(stream, 2))
		stream_finish(stream, op_number(call));
}

static int try_finish(struct stream *stream, struct call *call)
{
	size_t tables = pool_in_use(stream->host.pool);
	int error;

	call->failures = 0;
	arm_failure(stream, call);
	stream->call = call;
	error = iopgt_op_finish(call->op);
	stream->call = NULL;
	host_fail_nothing(&stream->host);
	stream->armed = false;
	call->all_failures |= call->failures;
	stream->result->host_failures += call->failures != 0;
	stream_note(stream, "finish(op %u) = %d%s", op_number(call), error,
	            call->wrote_count ? " hooked" : "");
	if (error && (error != HOST_ERROR || !call->failures))
		stream_fail(stream, "finish gave %d", error);
	if (error && pool_in_use(stream->host.pool) != tables)
		stream_fail(stream, "finish failed, but freed");
	if (!error && call->failures & 1u << HOST_SYNC)
		stream_fail(stream, "finish is OK, though a sync failed");
	return error;
}

static void check_idempotent(struct stream *stream, unsigned op)
{
	uint64_t syncs = host_calls(&stream->host, HOST_SYNC);

	if (iopgt_op_finish(&stream->ops[op]) != IOPGT_OK ||
	    host_calls(&stream->host, HOST_SYNC) != syncs)
		stream_fail(stream, "a finished op does something when it is finished again");
}

void stream_finish(struct stream *stream, unsigned op)
{
	struct call call = {.verb = &finish_verb, .op = &stream->ops[op], .op_bit = 1u << op};
	bool calm = stream->calm;

	while (try_finish(stream, &call))
		stream->calm = stream->calm || stream_chance(stream, 2);
	stream->calm = calm;
	stream->pending[op] = false;
	stream_check_harvest(stream, call.op_bit);
	apply_writes(stream, &call);
	reference_finish(&stream->reference, call.op_bit);
	stream_check_host(stream, "finish");
	if (stream_chance(stream, 4))
		check_idempotent(stream, op);
	if (stream_settled(stream) && stream_chance(stream, 4))
		stream_check_all(stream);
	for (unsigned i = 0; i < stream->recent_count && i < STREAM_RECENT; i++)
		stream_random_access(stream, stream->recent[i].iova, stream->recent[i].last);
}

void stream_finish_all(struct stream *stream)
{
	for (unsigned op = 0; op < STREAM_OPS; op++)
		stream_finish(stream, op);
}
