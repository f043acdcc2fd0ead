/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accesses of walkers, between calls and in the middle of them, and what they
 * ought to come to.
 */
#include <inttypes.h>

#include "stream_private.h"

uint8_t stream_permission_of(const struct stream *stream, uint32_t access)
{
	static const uint8_t privileged[] = {WALKER_MAY_READ, WALKER_MAY_WRITE, WALKER_MAY_EXECUTE};
	static const uint8_t unprivileged[] = {WALKER_MAY_READ_UNPRIVILEGED,
	                                       WALKER_MAY_WRITE_UNPRIVILEGED,
	                                       WALKER_MAY_EXECUTE_UNPRIVILEGED};
	bool el0 = stream->config.regime != IOPGT_STAGE1_EL2 && !(access & WALKER_PRIVILEGED);

	return el0 ? unprivileged[access & WALKER_KIND] : privileged[access & WALKER_KIND];
}

static const char *name_of(uint32_t access)
{
	static const char *const names[] = {"read", "write", "execute"};

	return names[access & WALKER_KIND];
}

bool stream_in_flux(const struct stream *stream, uint64_t iova)
{
	const struct call *call = stream->call;

	return call && call->verb->flags & VERB_MOVES && iova >= call->iova && iova <= call->last;
}

static bool phys_is_right(const struct stream *stream, const struct access *access)
{
	uint64_t offset = access->iova & (stream_granule(stream) - 1);

	if (access->result.phys == access->granule->phys + offset)
		return true;
	return stream_in_flux(stream, access->iova) &&
	       access->result.phys ==
	               stream->call->mapping.phys + (access->iova - stream->call->mapping.iova);
}

static void judge_success(struct stream *stream, const struct access *access)
{
	const struct reference_granule *granule = access->granule;
	uint8_t permission = stream_permission_of(stream, access->access);

	if (!granule)
		stream_fail(stream, "stale: %s of 0x%" PRIx64 ", where nothing was ever mapped",
		            name_of(access->access), access->iova);
	if (!(granule->may & permission) && !stream_in_flux(stream, access->iova))
		stream_fail(stream, "stale: %s of 0x%" PRIx64 " works (walker %d%s)",
		            name_of(access->access), access->iova,
		            (int)(access->walker - stream->walkers),
		            access->result.cached ? ", cached" : "");
	if (!phys_is_right(stream, access))
		stream_fail(stream, "%s of 0x%" PRIx64 " came to 0x%" PRIx64 ", not 0x%" PRIx64,
		            name_of(access->access), access->iova, access->result.phys,
		            granule->phys);
}

/*
 * A verb that runs may break entries for a moment: then accesses may fault. What
 * faults for a clean leaf or an access flag waits until it can be handled.
 */
static bool may_fault_now(const struct stream *stream, const struct access *access)
{
	if (!stream->call)
		return false;
	if (access->result.fault == WALKER_ACCESS_FLAG)
		return true;
	if (access->result.fault == WALKER_PERMISSION &&
	    (access->access & WALKER_KIND) == WALKER_WRITE && !(access->walker->flags & WALKER_HD))
		return true;
	if (stream_in_flux(stream, access->iova))
		return true;
	return stream_level(stream) == 0 || access->walker->flags & WALKER_NT_FAULTS;
}

static void judge_fault(struct stream *stream, const struct access *access)
{
	const struct reference_granule *granule = access->granule;

	if (access->result.fault > WALKER_PERMISSION || access->result.fault == WALKER_ADDRESS_SIZE)
		stream_fail(stream, "%s of 0x%" PRIx64 ": fault %d: %s", name_of(access->access),
		            access->iova, access->result.fault,
		            walker_error(access->walker->model)
		                    ? walker_error(access->walker->model)
		                    : "?");
	if (!granule || !(granule->sure & stream_permission_of(stream, access->access)))
		return;
	if (may_fault_now(stream, access))
		return;
	stream_fail(stream, "%s of 0x%" PRIx64 " faults (%d, walker %d, level %d%s)",
	            name_of(access->access), access->iova, access->result.fault,
	            (int)(access->walker - stream->walkers), access->result.level,
	            access->result.cached ? ", cached" : "");
}

/* The write has to have left a mark, in memory, now. */
static void judge_mark(struct stream *stream, const struct access *access)
{
	struct reference_granule *granule = access->granule;
	struct reference_steps steps;
	struct spot spot;

	if (!(granule->states & REFERENCE_EITHER)) {
		if (reference_is_owed(granule) && !reference_has(granule, REFERENCE_KEPT))
			stream_fail(stream,
			            "lost write: to 0x%" PRIx64 ", which is read-only and clean",
			            access->iova);
		return;
	}
	stream_spot(stream, stream->probe, access->iova, &spot);
	if (spot.leaf.dirty != WALKER_WRITABLE_DIRTY && reference_is_owed(granule))
		stream_fail(stream,
		            "lost write: to 0x%" PRIx64
		            " by walker %d%s left no mark in 0x%" PRIx64,
		            access->iova, (int)(access->walker - stream->walkers),
		            access->result.cached ? " (cached)" : "", spot.leaf.descriptor);
	steps = reference_range(&stream->reference, spot.first, spot.last);
	while (reference_step(&steps))
		if (steps.granule->states & REFERENCE_EITHER)
			steps.granule->states = 1u << spot.leaf.dirty;
}

void stream_allow_harvest(struct stream *stream, const struct access *access)
{
	uint64_t mask = stream_largest_leaf(stream) - 1;
	struct reference_steps steps =
		reference_range(&stream->reference, access->iova & ~mask, access->iova | mask);

	if (!reference_has(access->granule, REFERENCE_HARVEST) &&
	    !(stream->call && stream->call->report && stream->call->report->op))
		return;
	while (reference_step(&steps))
		steps.granule->flags |= REFERENCE_HARVEST_MAY;
}

static void note_write(struct stream *stream, struct access *access)
{
	struct reference_granule *granule = access->granule;
	bool mapped = reference_has(granule, REFERENCE_MAPPED);
	bool known = mapped || reference_has(granule, REFERENCE_HARVEST);

	if (!stream->reference.dirty_managed || (known && granule->states == REFERENCE_UNTRACKED))
		return;
	stream->result->writes++;
	if (stream->call)
		stream->call->wrote[stream->call->wrote_count++] = (struct use){access->iova, true};
	stream_allow_harvest(stream, access);
	if (!known)
		return;
	granule->flags |= REFERENCE_OWED;
	if (!stream->call && mapped)
		judge_mark(stream, access);
}

#define FAULTS 3 /* of one access: no access flag, clean, both when a verb runs */

void stream_access(struct stream *stream, struct stream_walker *walker, uint64_t iova,
                   uint32_t kind)
{
	struct access access = {
		.walker = walker,
		.granule = reference_at(&stream->reference, iova),
		.iova = iova,
		.access = kind,
	};
	struct call *call = stream->call;
	unsigned faults = 0;

	if (call)
		call->uses[call->use_count++] = (struct use){.iova = iova};
	do
		walker_access(walker->model, iova, kind, &access.result);
	while (access.result.fault != WALKER_OK && faults++ < FAULTS &&
	       stream_handle_fault(stream, &access));
	if (access.result.fault != WALKER_OK) {
		judge_fault(stream, &access);
		return;
	}
	judge_success(stream, &access);
	if (call)
		call->uses[call->use_count - 1].worked = true;
	stream_note_use(stream, &access);
	if ((kind & WALKER_KIND) == WALKER_WRITE)
		note_write(stream, &access);
}

static uint32_t choose_access(struct stream *stream)
{
	static const uint8_t kinds[] = {WALKER_WRITE, WALKER_READ, WALKER_WRITE,
	                                WALKER_WRITE, WALKER_READ, WALKER_EXECUTE};
	uint32_t access = kinds[stream_below(stream, sizeof(kinds))];

	if (stream->config.regime != IOPGT_STAGE1_EL2 && stream_chance(stream, 4))
		access |= WALKER_PRIVILEGED;
	return access;
}

void stream_random_access(struct stream *stream, uint64_t first, uint64_t last)
{
	struct stream_walker *walker = &stream->walkers[stream_below(stream, stream->walker_count)];
	uint64_t iova = first + stream_below(stream, last - first + 1);

	if (walker->attached)
		stream_access(stream, walker, iova, choose_access(stream));
}

static void prefetch(struct stream *stream, uint64_t iova)
{
	struct stream_walker *walker = &stream->walkers[stream_below(stream, stream->walker_count)];

	if (walker->attached)
		walker_prefetch(walker->model, iova);
}

/* Many accesses close together, so that the caches of walkers are full of the place. */
void stream_burst(struct stream *stream)
{
	uint64_t iova = stream_choose_address(stream), last;
	unsigned count = 1 + stream_below(stream, 24);

	last = iova + (stream_granule(stream) << stream_below(stream, 6));
	if (last > stream->space_last || last < iova)
		last = stream->space_last;
	stream_note(stream, "%u accesses 0x%" PRIx64 "-0x%" PRIx64, count, iova, last);
	while (count--) {
		stream_random_access(stream, iova, last);
		if (stream_chance(stream, 8))
			prefetch(stream, iova + stream_below(stream, last - iova + 1));
	}
}

void stream_hook(struct stream *stream)
{
	struct call *call = stream->call;
	uint64_t around = stream_granule(stream) * 2, first, last;

	if (!call || stream->hooking || !stream->walker_count || call->hooked >= STREAM_HOOKED ||
	    !stream_chance(stream, stream->hook_one_in))
		return;
	call->hooked++;
	stream->result->in_callbacks++;
	stream->hooking = true;
	first = call->iova - stream->space_first > around ? call->iova - around
	                                                  : stream->space_first;
	last = call->last < stream->space_last - around ? call->last + around : stream->space_last;
	/* An iopgt_op_finish has no range. */
	if (!call->last || stream_chance(stream, 4))
		first = last = stream_choose_address(stream);
	stream_random_access(stream, first, last);
	stream->hooking = false;
}
