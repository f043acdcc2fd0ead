/* SPDX-License-Identifier: BSD-2-Clause */
/* Bitmaps of every shape, and what ought to stand in them. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "stream_private.h"

#define MOST_BITS (1 << 17)

static const uint8_t *bits_of(const struct report *report)
{
	return (const uint8_t *)report->bitmap.words;
}

static bool bit_is_set(const uint8_t *bits, uint64_t bit)
{
	return bits[bit / 8] >> (bit % 8) & 1;
}

static uint64_t bit_at(const struct report *report, uint64_t iova)
{
	return (iova - report->bitmap.base) >> report->bitmap.page_shift;
}

bool report_has(const struct report *report, uint64_t first, uint64_t last)
{
	for (uint64_t bit = bit_at(report, first); bit <= bit_at(report, last); bit++)
		if (!bit_is_set(bits_of(report), bit))
			return false;
	return true;
}

void report_add(uint8_t *bits, const struct report *report, uint64_t first, uint64_t last)
{
	for (uint64_t bit = bit_at(report, first); bit <= bit_at(report, last); bit++)
		bits[bit / 8] |= 1u << (bit % 8);
}

static unsigned choose_page_shift(struct stream *stream, uint64_t range)
{
	unsigned granule = stream->config.granule_shift, shift = granule;

	switch (stream_below(stream, 8)) {
	case 0:
		shift = granule - 1 - stream_below(stream, 3);
		break;
	case 1:
		shift = granule + 1 + stream_below(stream, 4);
		break;
	case 2:
		shift = granule + stream_below(stream, 16);
		break;
	case 3:
		shift = stream_below(stream, 64);
		break;
	default:
		break;
	}
	while (range >> shift > MOST_BITS)
		shift++;
	return shift;
}

/* A multiple of the bit's size or of the granule, whichever is smaller. */
static uint64_t choose_base(struct stream *stream, uint64_t iova, unsigned shift)
{
	uint64_t unit = stream_granule(stream);
	uint64_t before;

	if (shift < stream->config.granule_shift)
		unit = UINT64_C(1) << shift;
	before = unit * (stream_chance(stream, 2) ? stream_below(stream, 130) : 0);
	if (iova >> shift < 256 && stream_chance(stream, 4))
		return 0;
	return before <= iova ? iova - before : 0;
}

static void *new_bytes(size_t bytes)
{
	void *memory = calloc(1, bytes);

	if (!memory)
		abort();
	return memory;
}

/* Some bits are set before: the library must leave them so. */
static void fill(struct stream *stream, struct report *report)
{
	struct random *random = &stream->source.random;

	if (!stream_chance(stream, 4))
		return;
	for (size_t i = 0; i < report->bytes; i++)
		report->before[i] = random_next(random) & random_next(random) & random_next(random);
	memcpy(report->bitmap.words, report->before, report->bytes);
}

void stream_free_report(struct report *report)
{
	free(report->bitmap.words);
	free(report->before);
	free(report->must);
	free(report->may);
	*report = (struct report){.op = 0};
}

void stream_choose_bitmap(struct stream *stream, struct report *report, const struct call *call)
{
	struct iopgt_bitmap *bitmap = &report->bitmap;

	stream_free_report(report);
	report->first = call->iova;
	report->last = call->last;
	bitmap->page_shift = choose_page_shift(stream, call->last - call->iova);
	bitmap->base = choose_base(stream, call->iova, bitmap->page_shift);
	bitmap->bits = ((call->last - bitmap->base) >> bitmap->page_shift) + 1;
	if (stream_chance(stream, 2))
		bitmap->bits += stream_below(stream, 130);
	report->bytes = (bitmap->bits + 63) / 64 * 8;
	bitmap->words = new_bytes(report->bytes);
	report->before = new_bytes(report->bytes);
	report->must = new_bytes(report->bytes);
	report->may = new_bytes(report->bytes);
	fill(stream, report);
}

/*
 * A bitmap that stays until the op is finished. Two ops do not have such bitmaps
 * at once: flags of a granule do not tell them apart.
 */
struct report *stream_harvest(struct stream *stream, const struct call *call)
{
	struct report *report = NULL;

	for (unsigned i = 1; i < STREAM_REPORTS; i++)
		if (stream->reports[i].op && stream->reports[i].op != call->op_bit)
			stream_finish(stream, stream->reports[i].op >> 1);
	for (unsigned i = 1; i < STREAM_REPORTS && !report; i++)
		if (!stream->reports[i].op)
			report = &stream->reports[i];
	if (!report) {
		stream_finish(stream, call->op_bit >> 1);
		report = &stream->reports[1];
	}
	stream_choose_bitmap(stream, report, call);
	report->op = call->op_bit;
	return report;
}

static void compare(struct stream *stream, const struct report *report, const char *name)
{
	const uint8_t *got = bits_of(report);

	for (size_t i = 0; i < report->bytes; i++) {
		uint64_t iova =
			report->bitmap.base + ((uint64_t)i * 8 << report->bitmap.page_shift);
		unsigned missing = report->must[i] & ~got[i];
		unsigned more = got[i] & ~report->may[i] & ~report->before[i];
		unsigned cleared = report->before[i] & ~got[i];

		if (missing)
			stream_fail(stream,
			            "lost write: %s did not report bits 0x%x from 0x%" PRIx64
			            " on (a bit is 2^%u bytes)",
			            name, missing, iova, report->bitmap.page_shift);
		if (more)
			stream_fail(stream,
			            "%s reported bits 0x%x from 0x%" PRIx64
			            " on, which are clean (a bit is 2^%u bytes)",
			            name, more, iova, report->bitmap.page_shift);
		if (cleared)
			stream_fail(stream, "%s cleared bits 0x%x of byte %zu", name, cleared, i);
	}
}

void stream_check_report(struct stream *stream, struct call *call)
{
	struct report *report = call->report;
	struct reference_steps steps = reference_range(&stream->reference, call->start, call->last);
	uint64_t end = stream_granule(stream) - 1;

	while (reference_step(&steps)) {
		if (reference_has(steps.granule, REFERENCE_MUST))
			report_add(report->must, report, steps.iova, steps.iova + end);
		if (reference_has(steps.granule, REFERENCE_MAY))
			report_add(report->may, report, steps.iova, steps.iova + end);
	}
	compare(stream, report, call->verb->name);
}

/* Has any bitmap of this op the page? One call may have failed before the next went on. */
static bool harvested(const struct stream *stream, unsigned op, uint64_t iova)
{
	for (unsigned i = 1; i < STREAM_REPORTS; i++) {
		const struct report *report = &stream->reports[i];

		if (report->op == op && iova >= report->first && iova <= report->last &&
		    report_has(report, iova, iova + stream_granule(stream) - 1))
			return true;
	}
	return false;
}

static void check_harvest(struct stream *stream, struct report *report)
{
	struct reference_steps steps =
		reference_range(&stream->reference, report->first, report->last);
	uint64_t end = stream_granule(stream) - 1;
	uint8_t due = REFERENCE_HARVEST | REFERENCE_OWED;

	while (reference_step(&steps)) {
		struct reference_granule *granule = steps.granule;

		if (reference_has(granule, REFERENCE_HARVEST_MAY))
			report_add(report->may, report, steps.iova, steps.iova + end);
		if (!reference_has(granule, due))
			continue;
		if (!granule->copied_after && !harvested(stream, report->op, steps.iova))
			stream_fail(stream, "lost write: unmap_dirty did not report 0x%" PRIx64,
			            steps.iova);
	}
	compare(stream, report, "unmap_dirty");
}

/* Only one op has such bitmaps. */
static void forget_harvest(struct stream *stream)
{
	struct reference_steps steps = reference_range(&stream->reference, 0, UINT64_MAX);

	while (reference_step(&steps)) {
		if (reference_has(steps.granule, REFERENCE_HARVEST))
			steps.granule->flags &= ~(REFERENCE_HARVEST | REFERENCE_OWED);
		if (reference_has(steps.granule, REFERENCE_HARVEST_MAY))
			steps.granule->flags &= ~REFERENCE_HARVEST_MAY;
	}
}

/* The op was finished, so that its bitmaps are complete. */
void stream_check_harvest(struct stream *stream, unsigned op)
{
	for (unsigned i = 1; i < STREAM_REPORTS; i++)
		if (stream->reports[i].op == op)
			check_harvest(stream, &stream->reports[i]);
	for (unsigned i = 1; i < STREAM_REPORTS; i++) {
		if (stream->reports[i].op != op)
			continue;
		forget_harvest(stream);
		stream_free_report(&stream->reports[i]);
	}
}
