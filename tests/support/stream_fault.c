/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the host does when an access faults: it asks the handlers of fault.h. They
 * may run while a verb runs, in its callbacks.
 */
#include <inttypes.h>

#include "stream_private.h"

/* fault.h: beside unmap, split and merge only where tables are freed late. */
static bool may_handle(const struct stream *stream)
{
	return !stream->call || (!stream->armed && stream->hal.flags & IOPGT_HAL_DEFERS_FREE);
}

/*
 * IOPGT_OK where it is mapped, and allowed; else IOPGT_FAULT. Where a verb changes
 * what the range maps to, either; elsewhere a leaf may be broken meanwhile, which
 * is no fault.
 */
static void judge_answer(struct stream *stream, const struct access *access, int error,
                         bool allowed)
{
	static const char *const names[] = {[WALKER_TRANSLATION] = "translation",
	                                    [WALKER_ACCESS_FLAG] = "access",
	                                    [WALKER_PERMISSION] = "write"};
	const struct reference_granule *granule = access->granule;
	bool mapped = granule && reference_has(granule, REFERENCE_MAPPED);
	int expected = mapped && allowed ? IOPGT_OK : IOPGT_FAULT;

	if (error == expected)
		return;
	if (error == IOPGT_FAULT && stream_in_flux(stream, access->iova))
		return;
	if (error == IOPGT_OK && stream->call)
		return;
	stream_fail(stream, "handle_%s_fault 0x%" PRIx64 " gave %d, not %d",
	            names[access->result.fault], access->iova, error, expected);
}

/* Of a contiguous group all entries are made alike. */
static void expect_all_entries(struct stream *stream, uint64_t iova, bool dirty)
{
	struct walker_group group;
	struct spot spot;

	stream_spot(stream, stream->probe, iova, &spot);
	if (!spot.leaf.contiguous || !walker_group_at(stream->probe, iova, &group))
		return;
	if ((dirty ? group.dirty : group.accessed) < group.entries)
		stream_fail(stream, "handle_%s_fault left entries of the group at 0x%" PRIx64,
		            dirty ? "write" : "access", group.iova);
}

/* The leaf is writable now, and dirty if it is tracked. */
static void note_writable(struct stream *stream, const struct access *access)
{
	uint64_t mask = stream_largest_leaf(stream) - 1;
	struct reference_steps steps;
	struct spot spot;

	if (stream->call) {
		stream->call->wrote[stream->call->wrote_count++] =
			(struct use){access->iova, false};
		stream_soften(stream, access->iova & ~mask, access->iova | mask);
		stream_allow_harvest(stream, access);
		return;
	}
	stream_spot(stream, stream->probe, access->iova, &spot);
	if (spot.leaf.dirty != WALKER_WRITABLE_DIRTY &&
	    spot.leaf.dirty != WALKER_WRITABLE_UNTRACKED)
		stream_fail(stream,
		            "handle_write_fault 0x%" PRIx64 " is OK, but left dirty state %d",
		            access->iova, spot.leaf.dirty);
	if (spot.leaf.dirty == WALKER_WRITABLE_UNTRACKED)
		return;
	expect_all_entries(stream, access->iova, true);
	steps = reference_range(&stream->reference, spot.first, spot.last);
	while (reference_step(&steps))
		if (steps.granule->states & REFERENCE_EITHER)
			steps.granule->states = REFERENCE_DIRTY;
}

static bool handle_write(struct stream *stream, const struct access *access)
{
	struct iopgt_op op = {.flags = 0};
	bool privileged = stream_has_levels(stream) && access->access & WALKER_PRIVILEGED;
	int error = iopgt_handle_write_fault(stream->table, access->iova,
	                                     privileged ? IOPGT_PRIVILEGED : 0, &op);
	bool allowed = access->granule && reference_may(&stream->reference, access->granule->prot) &
	                                          stream_permission_of(stream, access->access);

	stream->result->faults++;
	judge_answer(stream, access, error, allowed);
	if (error != IOPGT_OK)
		return false;
	error = iopgt_op_finish(&op);
	if (error)
		stream_fail(stream, "finish after a write fault gave %d", error);
	if (access->granule)
		note_writable(stream, access);
	return true;
}

static bool handle_access(struct stream *stream, const struct access *access)
{
	int error = iopgt_handle_access_fault(stream->table, access->iova);

	stream->result->faults++;
	judge_answer(stream, access, error, true);
	if (!error && !stream->call)
		expect_all_entries(stream, access->iova, false);
	return !error;
}

bool stream_handle_fault(struct stream *stream, const struct access *access)
{
	if (!may_handle(stream))
		return false;
	switch (access->result.fault) {
	case WALKER_ACCESS_FLAG:
		return handle_access(stream, access);
	case WALKER_TRANSLATION:
		judge_answer(stream, access,
		             iopgt_handle_translation_fault(stream->table, access->iova), true);
		return false;
	case WALKER_PERMISSION:
		return (access->access & WALKER_KIND) == WALKER_WRITE &&
		       handle_write(stream, access);
	default:
		return false;
	}
}

static void expect(struct stream *stream, const char *what, int error, int expected)
{
	if (error != expected)
		stream_fail(stream, "%s gave %d, not %d", what, error, expected);
}

void stream_check_bad_faults(struct stream *stream)
{
	uint64_t beyond =
		stream_chance(stream, 2) ? stream->space_last + 1 : stream->space_first - 1;
	struct iopgt_table *table = stream->table;
	struct iopgt_op op = {.flags = 0};

	expect(stream, "a write fault beyond the input space",
	       iopgt_handle_write_fault(table, beyond, 0, &op), IOPGT_FAULT);
	expect(stream, "an access fault beyond the input space",
	       iopgt_handle_access_fault(table, beyond), IOPGT_FAULT);
	expect(stream, "a translation fault beyond the input space",
	       iopgt_handle_translation_fault(table, beyond), IOPGT_FAULT);
	expect(stream, "a write fault without op",
	       iopgt_handle_write_fault(table, stream->space_first, 0, NULL), IOPGT_BAD_ARGUMENT);
	expect(stream, "an access fault without table",
	       iopgt_handle_access_fault(NULL, stream->space_first), IOPGT_BAD_ARGUMENT);
	expect(stream, "a translation fault without table",
	       iopgt_handle_translation_fault(NULL, stream->space_first), IOPGT_BAD_ARGUMENT);
}
