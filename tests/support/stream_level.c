/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks: what may be split and merged, by break-before-make level. */
#include <inttypes.h>

#include "stream_private.h"

unsigned stream_level(const struct stream *stream)
{
	unsigned level = stream->config.bbm_level;

	for (unsigned i = 0; i < stream->walker_count; i++) {
		const struct stream_walker *walker = &stream->walkers[i];

		if (stream->domain && walker->attached && walker->attachment.bbm_level < level)
			level = walker->attachment.bbm_level;
	}
	return level;
}

/* The configuration says so of all walkers, and so does each that is attached. */
static bool faults_retried(const struct stream *stream)
{
	if (!(stream->config.flags & IOPGT_CONFIG_FAULTS_RETRIED))
		return false;
	for (unsigned i = 0; i < stream->walker_count; i++) {
		const struct stream_walker *walker = &stream->walkers[i];

		if (stream->domain && walker->attached &&
		    !(walker->attachment.flags & IOPGT_WALKER_FAULTS_RETRIED))
			return false;
	}
	return true;
}

bool stream_may_break(const struct stream *stream, const struct iopgt_op *op)
{
	return stream_level(stream) > 0 || faults_retried(stream) || op->flags & IOPGT_OP_MAY_BREAK;
}

bool stream_blocks_in(struct stream *stream, uint64_t first, uint64_t last)
{
	struct spot spot;

	do {
		stream_spot(stream, stream->probe, first, &spot);
		if (spot.leaf.fault == WALKER_OK && spot.leaf.size > stream_granule(stream))
			return true;
	} while (stream_advance(&first, spot.last, last));
	return false;
}

/* Could a leaf of `size` bytes stand at `iova`, where smaller ones stand now? */
static bool fits(struct stream *stream, uint64_t iova, uint64_t size)
{
	const struct reference_granule *first = reference_at(&stream->reference, iova);
	struct reference_steps steps = reference_range(&stream->reference, iova, iova + size - 1);
	struct spot spot;

	if (!first || !reference_at(&stream->reference, iova + size - 1) ||
	    !reference_has(first, REFERENCE_MAPPED) || first->phys & (size - 1))
		return false;
	while (reference_step(&steps)) {
		const struct reference_granule *granule = steps.granule;

		if (!reference_has(granule, REFERENCE_MAPPED) ||
		    granule->phys != first->phys + (steps.iova - iova) ||
		    granule->prot != first->prot || granule->memory != first->memory ||
		    stream_given_back(stream, granule->memory, granule->attributes) !=
		            stream_given_back(stream, first->memory, first->attributes))
			return false;
	}
	stream_spot(stream, stream->probe, iova, &spot);
	return spot.leaf.size < size;
}

static bool mergeable_in(struct stream *stream, const struct reference_window *window,
                         uint64_t first, uint64_t last, uint64_t size)
{
	if (first < window->first)
		first = window->first;
	if (last > window->last)
		last = window->last;
	if (first > last || last - first < size - 1)
		return false;
	first = (first + size - 1) & ~(size - 1);
	while (first < last && last - first >= size - 1) {
		if (fits(stream, first, size))
			return true;
		if (!stream_advance(&first, first + size - 1, last))
			break;
	}
	return false;
}

bool stream_mergeable(struct stream *stream, uint64_t first, uint64_t last, uint64_t size)
{
	for (unsigned i = 0; i < stream->reference.window_count; i++)
		if (mergeable_in(stream, &stream->reference.windows[i], first, last, size))
			return true;
	return false;
}

/* What could be merged has been, to blocks and to groups. */
void stream_check_merged(struct stream *stream, const struct call *call)
{
	unsigned granule = stream->config.granule_shift, block = 2 * granule - 3;

	if (!stream_may_break(stream, call->op) || call->all_failures)
		return;
	for (unsigned shift = granule + 1; shift < 52; shift++) {
		/* Where a call stopped half way, groups and tables above are not in one range. */
		if (call->pieces && shift != block)
			continue;
		if (stream->leaf_sizes >> shift & 1 &&
		    stream_mergeable(stream, call->start, call->last, UINT64_C(1) << shift))
			stream_fail(stream, "%s left what could be a leaf of 2^%u bytes",
			            call->verb->name, shift);
	}
}

static void spread_leaf(struct stream *stream, const struct spot *spot)
{
	struct reference_steps steps = reference_range(&stream->reference, spot->first, spot->last);
	uint8_t states = 0, kept = 0;
	bool sure = false;

	while (reference_step(&steps)) {
		states |= steps.granule->states;
		kept |= steps.granule->flags & REFERENCE_KEPT;
		sure |= reference_has(steps.granule, REFERENCE_KEPT) && !steps.granule->kept_unsure;
	}
	if (states == REFERENCE_EITHER)
		states = REFERENCE_DIRTY;
	steps = reference_range(&stream->reference, spot->first, spot->last);
	while (reference_step(&steps)) {
		steps.granule->states = states;
		steps.granule->flags |= kept;
		steps.granule->kept_unsure = !sure;
	}
}

/* A block is dirty if any of the pages that it was made of was. */
void stream_spread(struct stream *stream, uint64_t first, uint64_t last)
{
	struct spot spot;

	do {
		stream_spot(stream, stream->probe, first, &spot);
		if (spot.leaf.fault == WALKER_OK && spot.leaf.size > stream_granule(stream))
			spread_leaf(stream, &spot);
	} while (stream_advance(&first, spot.last, last));
}
