/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Callbacks around those of the fake host: they note what failed, and let
 * walkers access in the middle of a verb.
 */
#include "stream_private.h"

static int note_failure(struct stream *stream, enum host_call kind, int error)
{
	if (error && stream->call)
		stream->call->failures |= 1u << kind;
	return error;
}

/* The host's own callbacks; stream->hal holds ours. */
static const struct iopgt_hal *inner(const struct stream *stream)
{
	return &stream->host.hal;
}

static void *wrapped_alloc(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys)
{
	struct stream *stream = context;
	bool atomic = stream->call && stream->call->op->flags & IOPGT_OP_ATOMIC;
	void *table;

	if (atomic != !!(flags & IOPGT_ALLOC_ATOMIC))
		stream_fail(stream, "alloc_table flags 0x%x, but the op's ATOMIC is %d", flags,
		            atomic);
	stream_hook(stream);
	table = inner(stream)->alloc_table(context, bytes, flags, phys);
	note_failure(stream, HOST_ALLOC, table ? 0 : HOST_ERROR);
	return table;
}

static void wrapped_free(void *context, void *table, uint64_t phys, uint32_t bytes)
{
	struct stream *stream = context;

	inner(stream)->free_table(context, table, phys, bytes);
	stream_hook(stream);
}

static void *wrapped_phys_to_virt(void *context, uint64_t phys, uint32_t bytes)
{
	struct stream *stream = context;
	void *table = inner(stream)->phys_to_virt(context, phys, bytes);

	note_failure(stream, HOST_PHYS_TO_VIRT, table ? 0 : HOST_ERROR);
	/* The most frequent one. */
	if (stream->call && stream_chance(stream, 4))
		stream_hook(stream);
	return table;
}

static void wrapped_clean(void *context, const void *address, uint32_t bytes)
{
	struct stream *stream = context;

	inner(stream)->clean(context, address, bytes);
	stream_hook(stream);
}

static void wrapped_publish(void *context)
{
	struct stream *stream = context;

	stream_hook(stream);
	if (inner(stream)->publish)
		inner(stream)->publish(context);
}

static int wrapped_range(void *context, const struct iopgt_invalidation *request)
{
	struct stream *stream = context;

	stream_hook(stream);
	return note_failure(stream, HOST_RANGE,
	                    inner(stream)->tlb.invalidate_range(context, request));
}

static int wrapped_all(void *context)
{
	struct stream *stream = context;

	stream_hook(stream);
	return note_failure(stream, HOST_ALL, inner(stream)->tlb.invalidate_all(context));
}

static int wrapped_sync(void *context)
{
	struct stream *stream = context;
	int error;

	stream_hook(stream);
	error = note_failure(stream, HOST_SYNC, inner(stream)->tlb.sync(context));
	stream_hook(stream);
	return error;
}

/* For one walker of a domain. */

static int walker_range(void *context, const struct iopgt_invalidation *request)
{
	struct stream_walker *walker = context;

	stream_hook(walker->stream);
	return note_failure(walker->stream, HOST_RANGE,
	                    host_walker_tlb_ops()->invalidate_range(walker->posted, request));
}

static int walker_all(void *context)
{
	struct stream_walker *walker = context;

	stream_hook(walker->stream);
	return note_failure(walker->stream, HOST_ALL,
	                    host_walker_tlb_ops()->invalidate_all(walker->posted));
}

static int walker_sync_posted(void *context)
{
	struct stream_walker *walker = context;
	int error;

	stream_hook(walker->stream);
	error = note_failure(walker->stream, HOST_SYNC,
	                     host_walker_tlb_ops()->sync(walker->posted));
	stream_hook(walker->stream);
	return error;
}

/* In the middle of a sync, for devices with ATS. */
static void wrapped_between(void *context)
{
	stream_hook(context);
}

void stream_wrap_hal(struct stream *stream)
{
	const struct iopgt_hal *host = inner(stream);

	stream->host.between = wrapped_between;
	stream->host.between_context = stream;
	stream->hal = *host;
	stream->hal.alloc_table = wrapped_alloc;
	stream->hal.free_table = wrapped_free;
	stream->hal.clean = wrapped_clean;
	stream->hal.publish = wrapped_publish;
	if (host->phys_to_virt)
		stream->hal.phys_to_virt = wrapped_phys_to_virt;
	stream->hal.tlb.invalidate_range = wrapped_range;
	stream->hal.tlb.invalidate_all = wrapped_all;
	stream->hal.tlb.sync = wrapped_sync;
	stream->walker_tlb = stream->hal.tlb;
	stream->walker_tlb.invalidate_range = walker_range;
	stream->walker_tlb.invalidate_all = walker_all;
	stream->walker_tlb.sync = walker_sync_posted;
}
