/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random operation streams against the reference model. IOPGT_SEED repeats a
 * run, IOPGT_STREAMS sets how many streams run in all, IOPGT_OPERATIONS how long
 * each is. The seed of one stream that failed is printed with it: with
 * IOPGT_STREAM it runs alone, every operation printed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <iopgt/table.h>

#include "random.h"
#include "stream.h"

#define USUAL_SECONDS    4
#define USUAL_OPERATIONS 60
#define LEAST_ROUNDS     2
#define DEAF_STREAMS     200 /* at most */
#define LOST_WRITES      5   /* so many are enough */

#define COMBINATIONS 31
#define AARCH64      27 /* of them: regime, granule, break-before-make level */

static const int granules[] = {12, 14, 16};

static uint64_t setting(const char *name, uint64_t usual)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : usual;
}

static struct stream_options options_for(uint64_t seed, unsigned combination)
{
	struct stream_options options = {
		.seed = seed,
		.operations = setting("IOPGT_OPERATIONS", USUAL_OPERATIONS),
		.regime = combination % 3,
		.granule_shift = granules[combination / 3 % 3],
		.bbm_level = combination / 9 % 3,
	};

	/* AArch32 has one granule, and no level 1. */
	if (combination >= AARCH64) {
		options.regime = combination & 1 ? IOPGT_STAGE1_AARCH32 : IOPGT_STAGE2_AARCH32;
		options.bbm_level = combination & 2;
	}
	return options;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* So many as are asked for, or as fit into the time; each combination at least twice. */
static bool enough(uint64_t streams, double started)
{
	uint64_t wanted = setting("IOPGT_STREAMS", 0);

	if (wanted)
		return streams >= wanted;
	if (streams < LEAST_ROUNDS * COMBINATIONS)
		return false;
	return seconds() - started > (getenv("IOPGT_TEST_LONG") ? 600 : USUAL_SECONDS);
}

static void add(struct stream_result *total, const struct stream_result *result)
{
	total->operations += result->operations;
	total->writes += result->writes;
	total->reported += result->reported;
	total->cleaned += result->cleaned;
	total->split += result->split;
	total->merged += result->merged;
	total->waits += result->waits;
	total->in_callbacks += result->in_callbacks;
	total->host_failures += result->host_failures;
	total->aged += result->aged;
	total->faults += result->faults;
	total->opened += result->opened;
	total->skipped += result->skipped;
}

static void print_totals(uint64_t streams, const struct stream_result *total)
{
	print_message("%" PRIu64 " streams, %" PRIu64 " operations, %" PRIu64
	              " calls in which the host failed\n",
	              streams, total->operations, total->host_failures);
	print_message("walkers: %" PRIu64 " tracked writes, %" PRIu64 " accesses in callbacks\n",
	              total->writes, total->in_callbacks);
	print_message("%" PRIu64 " granules reported, %" PRIu64 " leaves cleaned, %" PRIu64
	              " split, %" PRIu64 " merged, %" PRIu64 " waits\n",
	              total->reported, total->cleaned, total->split, total->merged, total->waits);
	print_message("%" PRIu64 " access flags cleared, %" PRIu64 " faults handled, %" PRIu64
	              " tables opened, %" PRIu64 " tables skipped\n",
	              total->aged, total->faults, total->opened, total->skipped);
}

static void streams_agree_with_the_reference(void **state)
{
	uint64_t seed = seed_from_environment("IOPGT_SEED", 0x10c);
	struct random random = {seed};
	struct stream_result result, total = {.failed = false};
	double started = seconds();
	uint64_t streams = 0;

	(void)state;
	for (; !enough(streams, started); streams++) {
		struct stream_options options =
			options_for(random_next(&random), streams % COMBINATIONS);

		if (!stream_run(&options, &result))
			fail_msg("IOPGT_STREAM=0x%" PRIx64 " IOPGT_COMBINATION=%u: %s",
			         options.seed, (unsigned)(streams % COMBINATIONS), result.failure);
		add(&total, &result);
	}
	print_totals(streams, &total);
	assert_true(total.writes > 0 && total.reported > 0);
}

static void streams_fail_when_invalidation_does_nothing(void **state)
{
	struct random random = {seed_from_environment("IOPGT_SEED", 0x10c)};
	unsigned streams = 0, failed = 0, lost = 0;

	(void)state;
	for (; streams < DEAF_STREAMS && lost < LOST_WRITES; streams++) {
		struct stream_options options =
			options_for(random_next(&random), streams % COMBINATIONS);
		struct stream_result result;

		options.flags = STREAM_DEAF | STREAM_QUIET;
		if (stream_run(&options, &result))
			continue;
		failed++;
		lost += strncmp(result.failure, "lost write", 10) == 0;
	}
	print_message("%u of %u streams failed, %u of them for a lost write\n", failed, streams,
	              lost);
	assert_true(failed > streams / 2);
	assert_int_equal(lost, LOST_WRITES);
}

static int run_alone(uint64_t seed)
{
	struct stream_options options = options_for(seed, setting("IOPGT_COMBINATION", 0));
	struct stream_result result;

	options.flags = STREAM_TRACE;
	return stream_run(&options, &result) ? 0 : 1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_agree_with_the_reference),
		cmocka_unit_test(streams_fail_when_invalidation_does_nothing),
	};

	if (getenv("IOPGT_STREAM"))
		return run_alone(setting("IOPGT_STREAM", 0));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
