/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations: map, unmap, protect. */
#include <inttypes.h>

#include "stream_private.h"

static uint32_t choose_prot(struct stream *stream)
{
	uint32_t prot = IOPGT_READ | IOPGT_WRITE;

	if (!stream_chance(stream, 3))
		return prot;
	if (stream_chance(stream, 2))
		prot &= ~(uint32_t)IOPGT_WRITE;
	else if (stream->config.regime == IOPGT_STAGE2 && stream_chance(stream, 4))
		prot &= ~(uint32_t)IOPGT_READ;
	if (prot & IOPGT_READ && stream_chance(stream, 3))
		prot |= IOPGT_EXECUTE;
	if (stream->config.regime == IOPGT_STAGE1_EL1 && stream_chance(stream, 3))
		prot |= IOPGT_PRIVILEGED;
	if (prot & IOPGT_WRITE && stream_chance(stream, 4))
		prot |= IOPGT_NO_TRACK;
	return prot;
}

/* Map */

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

	for (unsigned shift = 47; shift > stream->config.granule_shift; shift--) {
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

	stream_remember(stream, &mapped);
	while (iova <= call->last && !call->pieces) {
		uint64_t phys = call->mapping.phys + (iova - call->mapping.iova), largest;
		struct spot spot;

		stream_spot(stream, stream->probe, iova, &spot);
		largest = largest_at(stream, iova, phys, call->last - iova + 1);
		if (spot.leaf.fault == WALKER_OK && spot.leaf.size != largest)
			stream_fail(stream,
			            "map used a leaf of 0x%" PRIx64 " at 0x%" PRIx64
			            ", not 0x%" PRIx64,
			            spot.leaf.size, iova, largest);
		iova = spot.last + 1;
	}
}

static const struct verb map_verb = {
	.name = "map",
	.expect = expect_map,
	.invoke = invoke_map,
	.done = done_map,
	.failed = failed_map,
	.finished = finished_map,
	.flags = VERB_MOVES | VERB_FRESH,
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
	call.mapping.prot = choose_prot(stream);
	if (!(call.mapping.prot & IOPGT_NO_TRACK) && stream_chance(stream, 4))
		call.mapping.prot |= IOPGT_CLEAN;
	call.mapping.memory = stream_chance(stream, 6) ? stream_below(stream, 3) : IOPGT_WRITE_BACK;
	settle_range(stream, &call);
	stream_perform(stream, &call);
}

/* Unmap and protect: a block that crosses an end is split first. */

static void expect_cut(struct stream *stream, struct call *call)
{
	struct spot first, last;
	bool at_first, at_last;

	stream_spot(stream, stream->probe, call->iova, &first);
	stream_spot(stream, stream->probe, call->last, &last);
	at_first = first.leaf.fault == WALKER_OK && first.first < call->iova;
	at_last = last.leaf.fault == WALKER_OK && last.last > call->last;
	call->boundary = at_last ? last.first : call->last + 1;
	if (at_first && first.last >= call->boundary)
		call->boundary = call->iova;
	if (!at_first && !at_last)
		return;
	if (call->op->flags & IOPGT_OP_NO_SPLIT)
		call->expected = IOPGT_WOULD_SPLIT;
	else if (!stream_may_break(stream, call->op))
		call->expected = IOPGT_WOULD_BREAK;
	if (call->expected && at_first)
		call->boundary = call->iova;
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
	struct spot spot;

	stream_spot(stream, stream->probe, iova, &spot);
	if (!call->mapping.prot)
		return spot.leaf.fault != WALKER_OK;
	return spot.leaf.fault == WALKER_OK && looks_protected(stream, &spot, call->mapping.prot);
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
		return call->iova;
	if (last.leaf.fault == WALKER_OK && last.last > call->last)
		return last.first;
	return call->last + 1;
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
		changed = call->iova;
		unchanged = call->last + 1;
	}
	while (reference_step(&steps))
		if (steps.iova < changed ||
		    (steps.iova < unchanged && is_changed(stream, call, steps.iova)))
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
	call.mapping.prot = choose_prot(stream);
	stream_perform(stream, &call);
}
