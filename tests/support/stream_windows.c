/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a stream works: windows of the input space, ranges in them, outputs. */
#include "stream_private.h"

uint64_t stream_largest_leaf(const struct stream *stream)
{
	uint64_t largest = stream_granule(stream);

	for (unsigned shift = stream->config.granule_shift; shift < 52; shift++)
		if (stream->leaf_sizes >> shift & 1)
			largest = UINT64_C(1) << shift;
	return largest;
}

/* Some leaf above the granule, or the granule if there is none. */
static uint64_t some_block(struct stream *stream)
{
	uint64_t sizes[64];
	unsigned count = 0;

	for (unsigned shift = stream->config.granule_shift + 1; shift < 52; shift++)
		if (stream->leaf_sizes >> shift & 1)
			sizes[count++] = UINT64_C(1) << shift;
	return count ? sizes[stream_below(stream, count)] : stream_granule(stream);
}

/* The largest leaf of a large window, which is seldom: it has many granules. */
static unsigned large_shift(const struct stream *stream)
{
	unsigned granule = stream->config.granule_shift, shift = granule == 16 ? 34 : 30;

	if (!(stream->leaf_sizes >> shift & 1) || stream->config.input_bits <= shift + 3 ||
	    stream->config.output_bits <= shift + 3)
		return 0;
	return shift;
}

static uint64_t window_bytes(struct stream *stream)
{
	unsigned shift = large_shift(stream);

	stream->large = shift && stream_chance(stream, 24);
	if (stream->large)
		return UINT64_C(2) << shift;
	switch (stream->config.granule_shift) {
	case 12:
		return stream_chance(stream, 16) ? UINT64_C(2) << 25 : UINT64_C(4) << 21;
	case 14:
		return UINT64_C(3) << 25;
	default:
		return UINT64_C(2) << 29;
	}
}

/* Larger leaves than windows are not met. */
static void limit_leaf_sizes(struct stream *stream, uint64_t bytes)
{
	for (unsigned shift = 0; shift < 64; shift++)
		if (UINT64_C(1) << shift > bytes)
			stream->leaf_sizes &= ~(UINT64_C(1) << shift);
}

static uint64_t space_bytes(const struct stream *stream)
{
	return stream->space_last - stream->space_first + 1;
}

/* Over the border between two entries of some level, between the other two windows. */
static void add_middle(struct stream *stream, uint64_t bytes)
{
	unsigned granule = stream->config.granule_shift;
	unsigned shift = granule + (granule - 3) * (1 + stream_below(stream, 3));
	uint64_t space = space_bytes(stream), border, first;

	if (shift >= stream->config.input_bits)
		shift = stream->config.input_bits - 1;
	border = (1 + stream_below(stream, (space >> shift) - 1)) << shift;
	border &= ~(stream_largest_leaf(stream) - 1);
	if (border < 2 * bytes || border > space - 3 * bytes)
		border = space / 2;
	first = stream->space_first + border - stream_largest_leaf(stream);
	reference_add_window(&stream->reference, first, first + bytes - 1);
}

static void choose_phys_bases(struct stream *stream, uint64_t bytes)
{
	uint64_t output = UINT64_C(1) << stream->config.output_bits;
	uint64_t block = UINT64_C(1) << (stream->large ? 36 : 31);

	for (unsigned i = 0; i < REFERENCE_WINDOWS; i++) {
		stream->phys_base[i] = output - block * (1 + stream_below(stream, output / block));
		if (stream->phys_base[i] + bytes > output)
			stream->phys_base[i] = 0;
	}
}

void stream_choose_windows(struct stream *stream)
{
	uint64_t bytes = window_bytes(stream), space = space_bytes(stream);
	uint64_t first = stream->space_first, last = stream->space_last;

	if (space <= 4 * bytes) {
		limit_leaf_sizes(stream, space);
		reference_add_window(&stream->reference, first, last);
	} else {
		limit_leaf_sizes(stream, bytes);
		reference_add_window(&stream->reference, first, first + bytes - 1);
		add_middle(stream, bytes);
		reference_add_window(&stream->reference, last - bytes + 1, last);
	}
	choose_phys_bases(stream, 4 * bytes);
}

static const struct reference_window *some_window(struct stream *stream)
{
	return &stream->reference.windows[stream_below(stream, stream->reference.window_count)];
}

static uint64_t below_granules(struct stream *stream, uint64_t bytes)
{
	return stream_below(stream, bytes / stream_granule(stream)) * stream_granule(stream);
}

/* Some granules before or behind a border between blocks. */
static uint64_t near_border(struct stream *stream, const struct reference_window *window)
{
	uint64_t block = some_block(stream);
	uint64_t span = window->last - window->first + 1;
	uint64_t border = stream_below(stream, span / block + 1) * block;
	uint64_t offset = below_granules(stream, 4 * stream_granule(stream));

	if (stream_chance(stream, 2))
		return border >= offset ? border - offset : 0;
	return border + offset;
}

static uint64_t choose_size(struct stream *stream)
{
	uint64_t granule = stream_granule(stream), block = some_block(stream);

	switch (stream_below(stream, 8)) {
	case 0:
		return granule;
	case 1:
	case 2:
		return granule * (1 + stream_below(stream, 16));
	case 3:
		return granule + below_granules(stream, block);
	case 4:
		return granule + below_granules(stream, 2 * block);
	case 5:
		return block;
	case 6:
		return stream_largest_leaf(stream);
	default:
		return block * (1 + stream_below(stream, 3));
	}
}

static void clip(struct call *call, const struct reference_window *window, uint64_t offset,
                 uint64_t size)
{
	uint64_t span = window->last - window->first + 1;

	if (offset >= span)
		offset = 0;
	if (size > span - offset)
		size = span - offset;
	call->iova = call->start = window->first + offset;
	call->last = call->iova + size - 1;
}

/* Here the next calls and accesses go as well. */
void stream_remember(struct stream *stream, const struct call *call)
{
	unsigned slot = stream->recent_count++ % STREAM_RECENT;

	stream->recent[slot].iova = call->iova;
	stream->recent[slot].last = call->last;
}

/* A range as it was worked on before, or a part of it. */
static void repeat(struct stream *stream, struct call *call)
{
	unsigned count =
		stream->recent_count < STREAM_RECENT ? stream->recent_count : STREAM_RECENT;
	unsigned slot = stream_below(stream, count);
	uint64_t span = stream->recent[slot].last - stream->recent[slot].iova + 1;
	uint64_t size = choose_size(stream), offset = 0;

	switch (stream_below(stream, 4)) {
	case 0:
		size = span;
		break;
	case 1:
		break;
	case 2: /* its end */
		offset = size < span ? span - size : 0;
		break;
	default:
		offset = below_granules(stream, span);
	}
	call->iova = call->start = stream->recent[slot].iova + offset;
	call->last = call->iova + (size < span - offset ? size : span - offset) - 1;
}

void stream_choose_window_range(struct stream *stream, struct call *call)
{
	const struct reference_window *window = some_window(stream);
	uint64_t span = window->last - window->first + 1;
	uint64_t size = choose_size(stream);

	switch (stream_below(stream, 8)) {
	case 0:
		clip(call, window, 0, span);
		break;
	case 1:
	case 2:
		clip(call, window, near_border(stream, window), size);
		break;
	case 3:
		clip(call, window, below_granules(stream, span), size);
		break;
	case 4: /* whole blocks */
		size = some_block(stream);
		clip(call, window, below_granules(stream, span) & ~(size - 1),
		     size * (1 + stream_below(stream, 3)));
		break;
	default:
		if (stream->recent_count) {
			repeat(stream, call);
			return;
		}
		clip(call, window, 0, size);
	}
	if (!stream->recent_count || stream_chance(stream, 4))
		stream_remember(stream, call);
}

/* For maps: often all of a window, or whole blocks. */
void stream_choose_map_range(struct stream *stream, struct call *call)
{
	const struct reference_window *window = some_window(stream);
	uint64_t span = window->last - window->first + 1, block = some_block(stream);
	uint64_t offset = below_granules(stream, span) & ~(block - 1);

	switch (stream_below(stream, 4)) {
	case 0:
		clip(call, window, 0, span);
		break;
	case 1:
		clip(call, window, offset, block * (1 + stream_below(stream, 3)));
		break;
	default:
		stream_choose_window_range(stream, call);
	}
}

void stream_choose_range(struct stream *stream, struct call *call)
{
	if (!stream_chance(stream, 24)) {
		stream_choose_window_range(stream, call);
		return;
	}
	call->iova = call->start = stream->space_first;
	call->last = stream->space_last;
}

uint64_t stream_choose_address(struct stream *stream)
{
	const struct reference_window *window = some_window(stream);
	unsigned count =
		stream->recent_count < STREAM_RECENT ? stream->recent_count : STREAM_RECENT;
	unsigned slot = stream_below(stream, count);

	if (count && !stream_chance(stream, 4))
		return stream->recent[slot].iova +
		       stream_below(stream,
		                    stream->recent[slot].last - stream->recent[slot].iova + 1);
	if (stream_chance(stream, 16))
		return stream->space_first + stream_below(stream, space_bytes(stream));
	return window->first + stream_below(stream, window->last - window->first + 1);
}

/* Windows begin at multiples of the largest leaf, and so do their outputs, mostly. */
uint64_t stream_choose_phys(struct stream *stream, const struct call *call)
{
	uint64_t size = call->last - call->iova + 1;
	uint64_t output = UINT64_C(1) << stream->config.output_bits, phys = 0;

	for (unsigned i = 0; i < stream->reference.window_count; i++) {
		const struct reference_window *window = &stream->reference.windows[i];

		if (call->iova >= window->first && call->iova <= window->last)
			phys = stream->phys_base[i] + (call->iova - window->first);
	}
	if (stream_chance(stream, 6))
		phys += stream_granule(stream) * (1 + stream_below(stream, 64));
	if (phys + size > output || stream_chance(stream, 12))
		phys = output - size;
	return phys;
}
