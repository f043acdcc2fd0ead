/* SPDX-License-Identifier: BSD-2-Clause */
/* Operation: map. */
#include <inttypes.h>

#include "stream_private.h"

static void expect_map(struct stream *stream, struct call *call)
{
	if (reference_count_mapped(&stream->reference, call->iova, call->last))
		call->expected = IOPGT_EXISTS;
}

static struct iopgt_mapping rest_of_mapping(const struct call *call, uint64_t last)
{
	struct iopgt_mapping mapping = call->mapping;

	mapping.iova = call->iova;
	mapping.phys = call->mapping.phys + (call->iova - call->mapping.iova);
	mapping.size = last - call->iova + 1;
	return mapping;
}

static int invoke_map(struct stream *stream, struct call *call)
{
	struct iopgt_mapping mapping = rest_of_mapping(call, call->last);
	uint64_t allocated = host_calls(&stream->host, HOST_ALLOC), needed;
	int error;

	if (iopgt_tables_needed(stream->table, mapping.iova, mapping.size, &needed))
		stream_fail(stream, "tables_needed failed");
	error = iopgt_map(stream->table, &mapping, call->op);
	allocated = host_calls(&stream->host, HOST_ALLOC) - allocated;
	if (allocated > needed)
		stream_fail(stream, "map took %" PRIu64 " tables, tables_needed said %" PRIu64,
		            allocated, needed);
	return error;
}

static void done_map(struct stream *stream, struct call *call, uint64_t last)
{
	struct iopgt_mapping mapping = rest_of_mapping(call, last);
	uint64_t mapped = call->op->stats.mapped - call->before.mapped;

	reference_map(&stream->reference, &mapping);
	if (mapped != mapping.size >> stream->config.granule_shift)
		stream_fail(stream, "map counted %" PRIu64 " granules", mapped);
}

static void remap_granule(struct stream *stream, const struct call *call, uint64_t iova)
{
	struct iopgt_mapping mapping = call->mapping;

	mapping.phys += iova - mapping.iova;
	mapping.iova = iova;
	mapping.size = stream_granule(stream);
	reference_map(&stream->reference, &mapping);
}

/*
 * What was mapped for a moment may be cached until the op is finished. A table
 * that was not found cannot be rolled back: what is left is found in memory.
 */
static void failed_map(struct stream *stream, struct call *call, int error)
{
	bool lost_table = call->failures & 1u << HOST_PHYS_TO_VIRT;
	struct reference_steps steps = reference_range(&stream->reference, call->iova, call->last);

	(void)error;
	while (reference_step(&steps)) {
		struct spot spot;

		if (reference_has(steps.granule, REFERENCE_MAPPED))
			continue;
		if (lost_table)
			stream_spot(stream, stream->probe, steps.iova, &spot);
		if (lost_table && spot.leaf.fault == WALKER_OK) {
			remap_granule(stream, call, steps.iova);
			continue;
		}
		steps.granule->may = reference_may(&stream->reference, call->mapping.prot);
		steps.granule->phys = call->mapping.phys + (steps.iova - call->mapping.iova);
	}
}

/* The largest leaf for what begins here. */
static uint64_t largest_at(const struct stream *stream, uint64_t iova, uint64_t phys, uint64_t size)
{
	bool pages = stream->reference.tracking && stream->policy == IOPGT_SPLIT_EAGER;

	for (unsigned shift = 51; shift > stream->config.granule_shift; shift--) {
		uint64_t leaf = UINT64_C(1) << shift;

		if (stream->leaf_sizes >> shift & 1 && !pages && leaf <= size &&
		    !((iova | phys) & (leaf - 1)))
			return leaf;
	}
	return stream_granule(stream);
}

static void finished_map(struct stream *stream, struct call *call)
{
	struct call mapped = *call;
	uint64_t iova = mapped.iova = call->start;
	struct spot spot;

	stream_remember(stream, &mapped);
	if (call->pieces)
		return;
	do {
		uint64_t phys = call->mapping.phys + (iova - call->mapping.iova), largest;

		stream_spot(stream, stream->probe, iova, &spot);
		largest = largest_at(stream, iova, phys, call->last - iova + 1);
		if (spot.leaf.fault == WALKER_OK && spot.leaf.size != largest)
			stream_fail(stream,
			            "map used a leaf of 0x%" PRIx64 " at 0x%" PRIx64
			            ", not 0x%" PRIx64,
			            spot.leaf.size, iova, largest);
	} while (stream_advance(&iova, spot.last, call->last));
}

static const struct verb map_verb = {
	.name = "map",
	.expect = expect_map,
	.invoke = invoke_map,
	.done = done_map,
	.failed = failed_map,
	.finished = finished_map,
	.flags = VERB_MOVES | VERB_FRESH | VERB_RESIZES,
};

/* What was unmapped there and may still be cached has to be gone first. */
static void settle_range(struct stream *stream, const struct call *call)
{
	struct reference_steps steps = reference_range(&stream->reference, call->iova, call->last);
	uint8_t changed = 0;

	while (reference_step(&steps))
		if (!reference_has(steps.granule, REFERENCE_MAPPED))
			changed |= steps.granule->changed;
	for (unsigned op = 0; op < STREAM_OPS; op++)
		if (changed >> op & 1)
			stream_finish(stream, op);
}

void stream_do_map(struct stream *stream)
{
	struct call call = stream_call(stream, &map_verb);

	stream_choose_map_range(stream, &call);
	stream_set_budget(stream, &call);
	call.mapping.iova = call.iova;
	call.mapping.phys = stream_choose_phys(stream, &call);
	call.mapping.size = call.last - call.iova + 1;
	stream_choose_kind(stream, &call.mapping);
	settle_range(stream, &call);
	stream_perform(stream, &call);
}
