/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs a stream: set up, operation after operation, all away again. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "stream_private.h"

void stream_note(struct stream *stream, const char *format, ...)
{
	char *line = stream->lines[stream->line_count++ % STREAM_LINES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, STREAM_LINE, format, arguments);
	va_end(arguments);
	if (stream->options->flags & STREAM_TRACE)
		fprintf(stderr, "%4" PRIu64 " %s\n", stream->line_count, line);
}

void stream_fail(struct stream *stream, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(stream->result->failure, STREAM_TEXT, format, arguments);
	va_end(arguments);
	stream->result->failed = true;
	longjmp(stream->failed, 1);
}

static void print_failure(const struct stream *stream)
{
	uint64_t line = stream->line_count > STREAM_LINES ? stream->line_count - STREAM_LINES : 0;

	fprintf(stderr, "stream seed 0x%" PRIx64 ": %s\n%s\n", stream->options->seed,
	        stream->result->failure, stream->result->config);
	for (; line < stream->line_count; line++)
		fprintf(stderr, "%4" PRIu64 " %s\n", line + 1, stream->lines[line % STREAM_LINES]);
	if (stream->call)
		fprintf(stderr, "     while %s 0x%" PRIx64 "-0x%" PRIx64 " runs\n",
		        stream->call->verb->name, stream->call->iova, stream->call->last);
}

static void finish_one(struct stream *stream)
{
	stream_finish(stream, stream_below(stream, STREAM_OPS));
}

static void evict(struct stream *stream)
{
	pool_evict_random(stream->host.pool, &stream->source.random);
}

static const struct operation {
	void (*run)(struct stream *stream);
	unsigned weight;
} operations[] = {
	{stream_do_map, 9},
	{stream_do_unmap, 4},
	{stream_do_unmap_dirty, 4},
	{stream_do_protect, 3},
	{stream_do_split, 6},
	{stream_do_merge, 8},
	{stream_do_merge_cold, 5},
	{stream_do_trim, 2},
	{stream_do_sync, 3},
	{stream_do_clear, 4},
	{stream_do_read_and_clear, 7},
	{stream_do_each_dirty, 4},
	{stream_do_rounds, 3},
	{stream_do_accessed, 3},
	{stream_do_each_mapping, 2},
	{stream_do_dump, 1},
	{stream_do_translate, 1},
	{stream_do_bad_range, 1},
	{stream_do_bad_mapping, 1},
	{stream_do_bad_bitmap, 1},
	{stream_do_wrong_op, 1},
	{stream_do_tracking, 3},
	{stream_do_switch, 3},
	{stream_do_open, 2},
	{stream_do_attach, 2},
	{stream_do_bad_attach, 1},
	{stream_burst, 20},
	{finish_one, 6},
	{evict, 2},
};

static void run_one(struct stream *stream)
{
	size_t count = sizeof(operations) / sizeof(*operations);
	unsigned total = 0, pick;

	for (size_t i = 0; i < count; i++)
		total += operations[i].weight;
	pick = stream_below(stream, total);
	for (size_t i = 0; i < count; i++) {
		if (pick < operations[i].weight) {
			operations[i].run(stream);
			return;
		}
		pick -= operations[i].weight;
	}
}

static void detach_all(struct stream *stream)
{
	for (unsigned i = 0; i < stream->walker_count; i++) {
		struct stream_walker *walker = &stream->walkers[i];

		if (walker->posted && walker->attached &&
		    iopgt_domain_detach(stream->domain, &walker->attachment) != IOPGT_OK)
			stream_fail(stream, "the last detach failed");
		walker_forget(walker->model);
		walker->attached = false;
	}
}

/* Whatever is left goes; all memory has to come back. */
static void take_down(struct stream *stream)
{
	int error;

	stream->calm = true;
	stream_finish_all(stream);
	stream_check_all(stream);
	if (!stream_chance(stream, 4))
		stream_unmap_everything(stream);
	if (stream->domain && stream->walker_count && stream->walkers[0].attached &&
	    iopgt_domain_fini(stream->domain) != IOPGT_IN_USE)
		stream_fail(stream, "domain_fini with walkers attached is not IN_USE");
	detach_all(stream);
	error = stream->domain ? iopgt_domain_fini(stream->domain) : iopgt_fini(stream->table);
	if (error != IOPGT_OK)
		stream_fail(stream, "fini gave %d", error);
	if (pool_in_use(stream->host.pool) != 0)
		stream_fail(stream, "%zu tables were not freed", pool_in_use(stream->host.pool));
	stream_check_host(stream, "the end");
}

static void count(const struct stream *stream)
{
	for (unsigned op = 0; op < STREAM_OPS; op++) {
		const struct iopgt_stats *stats = &stream->ops[op].stats;

		stream->result->cleaned += stats->cleaned;
		stream->result->split += stats->split;
		stream->result->merged += stats->merged;
		stream->result->waits += stats->waits;
		stream->result->skipped += stats->skipped;
	}
}

static void run_guarded(struct stream *stream)
{
	if (setjmp(stream->failed))
		return;
	stream_set_up(stream);
	if (!stream->table)
		return;
	/* Something to work on. */
	stream_do_map(stream);
	stream_do_map(stream);
	while (!source_empty(&stream->source) &&
	       stream->result->operations < stream->options->operations) {
		stream->result->operations++;
		run_one(stream);
	}
	take_down(stream);
}

bool stream_run(const struct stream_options *options, struct stream_result *result)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		abort();
	*result = (struct stream_result){.failed = false};
	stream->options = options;
	stream->result = result;
	stream->source.data = options->data;
	stream->source.left = options->size;
	stream->source.random.state = options->seed;
	run_guarded(stream);
	count(stream);
	if (result->failed && !(options->flags & STREAM_QUIET))
		print_failure(stream);
	stream_tear_down(stream);
	free(stream->dirty);
	free(stream);
	return !result->failed;
}
