/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations that only look: translate, for each mapping, dump. */
#include <inttypes.h>
#include <string.h>

#include "stream_private.h"

#define STOP 7 /* what a visitor returns that has had enough */

void stream_do_translate(struct stream *stream)
{
	struct iopgt_translation translation;
	uint64_t iova = stream_choose_address(stream);

	if (iopgt_translate(stream->table, stream->space_last + 1, &translation) !=
	            IOPGT_BAD_RANGE ||
	    iopgt_translate(stream->table, stream->space_first - 1, &translation) !=
	            IOPGT_BAD_RANGE)
		stream_fail(stream, "translate beyond the input space is not BAD_RANGE");
	stream_check_bad_faults(stream);
	if (iopgt_translate(stream->table, iova, NULL) != IOPGT_BAD_ARGUMENT)
		stream_fail(stream, "translate to null is not BAD_ARGUMENT");
	stream_check_range(stream, stream->probe, iova & ~(stream_granule(stream) - 1), iova);
	if (!reference_at(&stream->reference, iova) &&
	    iopgt_translate(stream->table, iova, &translation) != IOPGT_NOT_MAPPED)
		stream_fail(stream, "translate 0x%" PRIx64 ": nothing was ever mapped there", iova);
}

/* For each mapping */

struct visit {
	struct stream *stream;
	struct call *call;
	struct iopgt_mapping previous; /* size 0: none */
	uint64_t next;                 /* everything before it has been compared; 0: all */
	unsigned stop_in;              /* stops at this run; 0: never */
	bool stopped;
};

static bool joins(const struct iopgt_mapping *before, const struct iopgt_mapping *after)
{
	return before->size && before->iova + before->size == after->iova &&
	       before->phys + before->size == after->phys && before->prot == after->prot &&
	       before->memory == after->memory && before->attributes == after->attributes;
}

/* Before `iova`, which is 0 behind the last address of all, nothing is mapped. */
static void skip_to(struct visit *visit, uint64_t iova)
{
	bool done = !visit->next && visit->call->iova;

	if (!done && iova - 1 >= visit->next && iova != visit->next &&
	    reference_count_mapped(&visit->stream->reference, visit->next, iova - 1))
		stream_fail(visit->stream, "for_each_mapping left out 0x%" PRIx64 " to 0x%" PRIx64,
		            visit->next, iova);
}

static void compare_run(struct stream *stream, const struct iopgt_mapping *run)
{
	struct reference_steps steps =
		reference_range(&stream->reference, run->iova, run->iova + run->size - 1);
	uint32_t prot = reference_prot(&stream->reference, run->prot);
	uint64_t count = 0;

	for (; reference_step(&steps); count++) {
		const struct reference_granule *granule = steps.granule;

		if (!reference_has(granule, REFERENCE_MAPPED) ||
		    granule->phys != run->phys + (steps.iova - run->iova) ||
		    granule->prot != prot || granule->memory != run->memory ||
		    stream_given_back(stream, granule->memory, granule->attributes) !=
		            run->attributes)
			stream_fail(stream, "for_each_mapping is wrong at 0x%" PRIx64, steps.iova);
	}
	if (count != run->size >> stream->config.granule_shift)
		stream_fail(stream, "for_each_mapping: a run leaves what was mapped");
}

static int visit_run(void *context, const struct iopgt_mapping *run)
{
	struct visit *visit = context;
	struct stream *stream = visit->stream;

	if (run->iova < visit->next || (!visit->next && visit->call->iova) || !run->size ||
	    run->size - 1 > visit->call->last - run->iova)
		stream_fail(stream, "for_each_mapping: run 0x%" PRIx64 " +0x%" PRIx64, run->iova,
		            run->size);
	if (joins(&visit->previous, run))
		stream_fail(stream, "for_each_mapping cut a run at 0x%" PRIx64, run->iova);
	skip_to(visit, run->iova);
	compare_run(stream, run);
	visit->previous = *run;
	visit->next = run->iova + run->size;
	visit->stopped = visit->stop_in == 1;
	visit->stop_in -= !!visit->stop_in;
	return visit->stopped ? STOP : 0;
}

static int invoke_each_mapping(struct stream *stream, struct call *call)
{
	struct visit visit = {.stream = stream, .call = call, .next = call->iova};
	struct iopgt_mapping_visitor visitor = {visit_run, &visit};
	int error;

	if (stream_chance(stream, 4))
		visit.stop_in = 1 + stream_below(stream, 4);
	error = iopgt_for_each_mapping(stream->table, call->iova, call->last - call->iova + 1,
	                               &visitor, call->op);
	if (visit.stopped) {
		call->expected = STOP;
		call->op->next = call->last + 1; /* it ends there */
	} else if (error == IOPGT_AGAIN) {
		skip_to(&visit, call->op->next);
	} else if (error == IOPGT_OK) {
		skip_to(&visit, call->last + 1);
	}
	return error;
}

static const struct verb each_mapping_verb = {
	.name = "for_each_mapping",
	.invoke = invoke_each_mapping,
	.flags = VERB_KEEPS,
};

void stream_do_each_mapping(struct stream *stream)
{
	struct call call = stream_call(stream, &each_mapping_verb);

	stream_choose_range(stream, &call);
	stream_set_budget(stream, &call);
	stream_perform(stream, &call);
}

/* Dump */

static void take_line(void *context, const char *text)
{
	if (!text || !*text || strchr(text, '\n'))
		stream_fail(context, "dump: a line that is null or empty or has a line end");
}

static int invoke_dump(struct stream *stream, struct call *call)
{
	struct iopgt_writer writer = {take_line, stream};

	return iopgt_dump(stream->table, call->iova, call->last - call->iova + 1, &writer,
	                  call->op);
}

static const struct verb dump_verb = {
	.name = "dump",
	.invoke = invoke_dump,
	.flags = VERB_KEEPS,
};

void stream_do_dump(struct stream *stream)
{
	struct call call = stream_call(stream, &dump_verb);

	stream_choose_range(stream, &call);
	stream_set_budget(stream, &call);
	stream_perform(stream, &call);
}
