/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations that must be refused, with the right code and nothing changed. */
#include <inttypes.h>
#include <stdlib.h>

#include "stream_private.h"

static void expect_code(struct stream *stream, const char *what, int error, int expected)
{
	stream_note(stream, "bad: %s = %d", what, error);
	if (error != expected)
		stream_fail(stream, "%s gave %d, expected %d (%s)", what, error, expected,
		            iopgt_strerror(expected));
}

/* Any verb with a range. */

struct range {
	struct iopgt_table *table;
	uint64_t iova, size;
	struct iopgt_op *op;
};

static int ignore_run(void *context, uint64_t iova, uint64_t size)
{
	(void)context, (void)iova, (void)size;
	return 0;
}

static int ignore_mapping(void *context, const struct iopgt_mapping *run)
{
	(void)context, (void)run;
	return 0;
}

static void ignore_line(void *context, const char *text)
{
	(void)context, (void)text;
}

static int call_mapper(unsigned verb, const struct range *range)
{
	struct iopgt_mapping mapping = {.iova = range->iova,
	                                .size = range->size,
	                                .prot = IOPGT_READ,
	                                .memory = IOPGT_WRITE_BACK};

	switch (verb) {
	case 0:
		return iopgt_map(range->table, &mapping, range->op);
	case 1:
		return iopgt_unmap(range->table, range->iova, range->size, range->op);
	case 2:
		return iopgt_protect(range->table, range->iova, range->size, IOPGT_READ, range->op);
	case 3:
		return iopgt_split_block(range->table, range->iova, range->size, range->op);
	case 4:
		return iopgt_merge_page(range->table, range->iova, range->size, range->op);
	default:
		return iopgt_trim(range->table, range->iova, range->size, range->op);
	}
}

static int call_reader(unsigned verb, const struct range *range)
{
	struct iopgt_dirty_visitor dirty = {ignore_run, NULL};
	struct iopgt_mapping_visitor mappings = {ignore_mapping, NULL};
	struct iopgt_writer writer = {ignore_line, NULL};

	switch (verb) {
	case 6:
		return iopgt_for_each_mapping(range->table, range->iova, range->size, &mappings,
		                              range->op);
	case 7:
		return iopgt_dump(range->table, range->iova, range->size, &writer, range->op);
	default:
		return iopgt_for_each_dirty(range->table, range->iova, range->size, &dirty,
		                            range->op);
	}
}

/* One thing is wrong with an otherwise good range. */
static int spoil_range(struct stream *stream, struct range *range, const char **what)
{
	uint64_t granule = stream_granule(stream), beyond = stream->space_last + 1;

	switch (stream_below(stream, 9)) {
	case 0:
		*what = "size 0";
		range->size = 0;
		return IOPGT_BAD_RANGE;
	case 1:
		*what = "odd iova";
		range->iova += granule / 2;
		return IOPGT_BAD_ALIGNMENT;
	case 2:
		*what = "odd size";
		range->size += 1 + stream_below(stream, granule - 1);
		return IOPGT_BAD_ALIGNMENT;
	case 3:
		*what = "iova beyond the top";
		range->iova = beyond;
		return IOPGT_BAD_RANGE;
	case 4:
		*what = "size beyond the top";
		range->size = beyond - range->iova + granule;
		return IOPGT_BAD_RANGE;
	case 5:
		*what = "size that wraps around";
		range->size = 0 - range->iova;
		if (!range->iova || stream->space_first)
			range->size = 0 - granule;
		return IOPGT_BAD_RANGE;
	case 6:
		*what = "unknown op flag";
		range->op->flags = IOPGT_OP_ALL_FLAGS + 1;
		return IOPGT_BAD_FLAGS;
	case 7:
		*what = "null op";
		range->op = NULL;
		return IOPGT_BAD_ARGUMENT;
	default:
		*what = "null table";
		range->table = NULL;
		return IOPGT_BAD_ARGUMENT;
	}
}

void stream_do_bad_range(struct stream *stream)
{
	unsigned verb = stream_below(stream, stream->reference.dirty_managed ? 9 : 8);
	struct call call;
	struct range range = {.table = stream->table, .op = &stream->ops[0]};
	const char *what;
	int expected, error;

	stream_choose_window_range(stream, &call);
	range.iova = call.iova;
	range.size = call.last - call.iova + 1;
	range.op->flags = 0;
	expected = spoil_range(stream, &range, &what);
	error = verb < 6 ? call_mapper(verb, &range) : call_reader(verb, &range);
	stream->ops[0].flags = 0;
	stream_note(stream, "bad: verb %u 0x%" PRIx64 " +0x%" PRIx64, verb, range.iova, range.size);
	expect_code(stream, what, error, expected);
	stream_check_around(stream, call.iova, call.last);
}

/* Map and protect */

static int spoil_mapping(struct stream *stream, struct iopgt_mapping *mapping, const char **what)
{
	uint64_t output = UINT64_C(1) << stream->config.output_bits;

	switch (stream_below(stream, 5)) {
	case 0:
		*what = "odd phys";
		mapping->phys += stream_granule(stream) / 2;
		return IOPGT_BAD_ALIGNMENT;
	case 1:
		*what = "phys beyond the output space";
		mapping->phys = output - mapping->size + stream_granule(stream);
		return IOPGT_BAD_OUTPUT;
	case 2:
		*what = "phys that wraps around";
		mapping->phys = 0 - stream_granule(stream);
		return IOPGT_BAD_OUTPUT;
	case 3:
		*what = "what the regime has not";
		return stream_choose_bad_kind(stream, mapping);
	default:
		*what = "NO_TRACK and CLEAN";
		mapping->prot |= IOPGT_NO_TRACK | IOPGT_CLEAN;
		return IOPGT_BAD_PROT;
	}
}

/* Permissions that not every regime has. */
static uint32_t foreign_prot(struct stream *stream)
{
	uint32_t prot = stream_below(stream, IOPGT_ALL_PROT + 1) | IOPGT_READ;

	if (!stream_prot_is_legal(stream, prot))
		return prot;
	return stream_has_levels(stream) ? IOPGT_WRITE : IOPGT_READ | IOPGT_PRIVILEGED;
}

static int bad_protect(struct stream *stream, const struct call *call, const char **what)
{
	uint64_t size = call->last - call->iova + 1;
	uint32_t prot = IOPGT_READ | IOPGT_WRITE | IOPGT_CLEAN;

	*what = "protect with CLEAN";
	if (stream_chance(stream, 2)) {
		*what = "protect with what the regime has not";
		prot = foreign_prot(stream);
	}
	return iopgt_protect(stream->table, call->iova, size, prot, &stream->ops[0]);
}

void stream_do_bad_mapping(struct stream *stream)
{
	struct iopgt_mapping mapping = {.prot = IOPGT_READ | IOPGT_WRITE,
	                                .memory = IOPGT_WRITE_BACK};
	struct call call;
	const char *what;
	int expected = IOPGT_BAD_PROT, error;

	stream_choose_window_range(stream, &call);
	stream->ops[0].flags = 0;
	if (stream_chance(stream, 3)) {
		error = bad_protect(stream, &call, &what);
	} else {
		mapping.iova = call.iova;
		mapping.size = call.last - call.iova + 1;
		expected = spoil_mapping(stream, &mapping, &what);
		if (expected == IOPGT_OK)
			return;
		error = iopgt_map(stream->table, &mapping, &stream->ops[0]);
	}
	expect_code(stream, what, error, expected);
	stream_check_around(stream, call.iova, call.last);
}

/* Bitmaps */

static bool spoil_bitmap(struct stream *stream, struct report *report, const char **what)
{
	struct iopgt_bitmap *bitmap = &report->bitmap;
	uint64_t unit = stream_granule(stream);

	switch (stream_below(stream, 6)) {
	case 0:
		*what = "null words";
		bitmap->words = NULL;
		return true;
	case 1:
		*what = "misaligned words";
		bitmap->words = (uint64_t *)(void *)((char *)bitmap->words + 4);
		return true;
	case 2:
		*what = "page_shift 64";
		bitmap->page_shift = 64 + stream_below(stream, 3) * 64;
		return true;
	case 3:
		*what = "misaligned base";
		if (bitmap->page_shift < stream->config.granule_shift)
			unit = UINT64_C(1) << bitmap->page_shift;
		/* Downwards the range stays covered. */
		bitmap->base -= unit / 2;
		return unit > 1 && bitmap->base < report->first;
	case 4:
		*what = "a bit too few";
		bitmap->bits = (report->last - bitmap->base) >> bitmap->page_shift;
		return true;
	default:
		*what = "base behind the range's start";
		bitmap->base = report->first + unit;
		return bitmap->base != 0;
	}
}

static int call_with_bitmap(struct stream *stream, const struct report *report)
{
	struct iopgt_op *op = &stream->ops[0];
	uint64_t size = report->last - report->first + 1;

	switch (stream_below(stream, 4)) {
	case 0:
		return iopgt_sync_dirty_log(stream->table, report->first, size, &report->bitmap,
		                            op);
	case 1:
		return iopgt_clear_dirty_log(stream->table, report->first, size, &report->bitmap,
		                             op);
	case 2:
		return iopgt_read_and_clear_dirty(stream->table, report->first, size,
		                                  &report->bitmap, op);
	default:
		return iopgt_unmap_dirty(stream->table, report->first, size, &report->bitmap, op);
	}
}

void stream_do_bad_bitmap(struct stream *stream)
{
	struct report *report = &stream->reports[0];
	struct iopgt_bitmap good;
	const char *what;
	struct call call;

	if (!stream->reference.dirty_managed)
		return;
	stream_choose_window_range(stream, &call);
	stream_choose_bitmap(stream, report, &call);
	good = report->bitmap;
	stream->ops[0].flags = 0;
	if (spoil_bitmap(stream, report, &what))
		expect_code(stream, what, call_with_bitmap(stream, report), IOPGT_BAD_BITMAP);
	report->bitmap = good;
	stream_check_around(stream, call.iova, call.last);
}

/* An op that owes another table something serves no other. */
static int misuse_op(struct stream *stream, struct iopgt_table *other, uint64_t iova)
{
	uint64_t granule = stream_granule(stream);
	uint64_t first = stream->space_first;
	struct iopgt_mapping mapping = {
		.iova = first, .size = granule, .prot = IOPGT_READ, .memory = IOPGT_WRITE_BACK};
	struct iopgt_op op = {.flags = 0};
	int error;

	if (iopgt_map(other, &mapping, &op) || iopgt_unmap(other, first, granule, &op))
		stream_fail(stream, "a second table cannot be used");
	error = iopgt_unmap(stream->table, iova, granule, &op);
	if (iopgt_op_finish(&op))
		stream_fail(stream, "the op of a second table cannot be finished");
	return error;
}

void stream_do_wrong_op(struct stream *stream)
{
	struct iopgt_table other;
	struct call call;
	int error;

	if (!stream->hal.tlb.sync)
		return;
	if (iopgt_init(&other, &stream->config, &stream->hal, stream))
		stream_fail(stream, "a second table cannot be made");
	stream_choose_window_range(stream, &call);
	error = misuse_op(stream, &other, call.iova);
	if (iopgt_fini(&other))
		stream_fail(stream, "a second table cannot be taken down");
	expect_code(stream, "an op that serves another table", error, IOPGT_WRONG_OP);
	stream_check_around(stream, call.iova, call.last);
}
