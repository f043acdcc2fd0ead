/* SPDX-License-Identifier: BSD-2-Clause */
/* translate-SIZE: random addresses, each known only when the one before is translated. */
#include <stdlib.h>

#include "baseline.h"
#include "space.h"
#include "yardstick.h"

#define ADDRESSES (UINT64_C(1) << 18)

struct contest {
	struct space space;
	struct baseline baseline;
	uint64_t *addresses;
};

static uint64_t library(const struct contest *contest)
{
	uint64_t zero = opaque_zero(), sum = 0;
	struct iopgt_translation translation = {0};

	for (uint64_t i = 0; i < ADDRESSES; i++) {
		uint64_t iova = contest->addresses[i] | (translation.phys & zero);
		int error = iopgt_translate(&contest->space.table, iova, &translation);

		if (error != IOPGT_OK)
			die("translate", error);
		sum += translation.phys;
	}
	return sum;
}

static uint64_t limit(const struct contest *contest)
{
	return yardstick_walks(contest->space.table.root, contest->addresses, ADDRESSES);
}

static uint64_t textbook(const struct contest *contest)
{
	uint64_t zero = opaque_zero(), sum = 0, phys = 0;

	for (uint64_t i = 0; i < ADDRESSES; i++) {
		phys = baseline_translate(&contest->baseline,
		                          contest->addresses[i] | (phys & zero));
		sum += phys;
	}
	return sum;
}

static double timed(const struct contest *contest, uint64_t (*run)(const struct contest *contest))
{
	double begin;

	use(run(contest)); /* the caches as they are in the long run */
	begin = now_ns();
	use(run(contest));
	return now_ns() - begin;
}

static void check(const struct contest *contest)
{
	uint64_t expected = 0;

	for (uint64_t i = 0; i < ADDRESSES; i++)
		expected += contest->addresses[i] - IOVA + PHYS;
	if (library(contest) != expected || textbook(contest) != expected)
		die_text("translated wrong");
}

static void rows_of(struct bench *bench, const char *name, uint64_t bytes)
{
	struct contest contest = {0};
	uint64_t random = RANDOM_SEED;
	struct row *row;

	if (!bench_wants(bench, name, true))
		return;
	row = bench_row(bench, name, (double)ADDRESSES);
	row->bar = 1.2;
	space_open(&contest.space, bytes, PAGE_SHIFT);
	baseline_open(&contest.baseline, &contest.space.arena, contest.space.table.root);
	contest.addresses = checked(malloc(ADDRESSES * sizeof(uint64_t)));
	for (uint64_t i = 0; i < ADDRESSES; i++)
		contest.addresses[i] = IOVA + random_below(&random, bytes);
	check(&contest);
	for (unsigned run = 0; run < bench->runs; run++) {
		samples_add(&row->subject, timed(&contest, library));
		samples_add(&row->limit, timed(&contest, limit));
		samples_add(&row->baseline, timed(&contest, textbook));
	}
	bench_done(bench, row);
	free(contest.addresses);
	space_close(&contest.space);
}

void rows_translate(struct bench *bench)
{
	rows_of(bench, "translate-4G", UINT64_C(4) << 30);
	rows_of(bench, "translate-64G", UINT64_C(64) << 30);
}
