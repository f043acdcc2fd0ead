/* SPDX-License-Identifier: BSD-2-Clause */
/* threads-SIZE-N: a read by N threads, each of its part; time by the clock on the wall. */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "space.h"
#include "yardstick.h"

#define MOST_THREADS 16

struct contest {
	struct space space;
	pthread_barrier_t barrier;
	unsigned threads;
	bool library; /* else the streaming read */
};

struct part {
	struct contest *contest;
	uint64_t first_table, tables;
	double begin, end;
	int error;
};

static int read_part(struct space *space, uint64_t first_table, uint64_t tables)
{
	struct iopgt_bitmap bitmap = {space->found, space->iova, space->pages, PAGE_SHIFT};
	struct iopgt_op op = {0};

	return iopgt_sync_dirty_log(&space->table, space->iova + (first_table << BLOCK_SHIFT),
	                            tables << BLOCK_SHIFT, &bitmap, &op);
}

static void *run_part(void *argument)
{
	struct part *part = argument;
	struct space *space = &part->contest->space;

	pthread_barrier_wait(&part->contest->barrier);
	part->begin = wall_ns();
	if (part->contest->library)
		part->error = read_part(space, part->first_table, part->tables);
	else
		use(yardstick()->read(space->leaves + part->first_table, part->tables,
		                      space->leaves[part->first_table]));
	part->end = wall_ns();
	return NULL;
}

/* From the first begin to the last end. */
static double timed(struct contest *contest, bool library)
{
	pthread_t threads[MOST_THREADS];
	struct part parts[MOST_THREADS];
	uint64_t tables = contest->space.leaf_count;
	double begin = 0, end = 0;

	contest->library = library;
	space_forget_found(&contest->space);
	for (unsigned i = 0; i < contest->threads; i++) {
		uint64_t first = tables * i / contest->threads;

		parts[i] = (struct part){
			contest, first, tables * (i + 1) / contest->threads - first, 0, 0, 0};
		if (pthread_create(&threads[i], NULL, run_part, &parts[i]) != 0)
			die_text("no thread");
	}
	for (unsigned i = 0; i < contest->threads; i++) {
		pthread_join(threads[i], NULL);
		if (parts[i].error != IOPGT_OK)
			die("read", parts[i].error);
		begin = i == 0 || parts[i].begin < begin ? parts[i].begin : begin;
		end = i == 0 || parts[i].end > end ? parts[i].end : end;
	}
	return end - begin;
}

/*
 * Against the streaming read by as many threads. Two are to be 1.8 times as fast as
 * one, or as fast as memory lets two be; `one` is the time of one.
 */
static void set_bar(struct row *row, unsigned threads, double one)
{
	double limit = samples_median(&row->limit);

	row->bar = 1.1;
	if (threads == 2 && one / 1.8 / limit > row->bar)
		row->bar = one / 1.8 / limit;
}

static double measure(struct bench *bench, struct contest *contest, const char *name, double one)
{
	struct row *row = bench_row(bench, name, (double)contest->space.pages);

	pthread_barrier_init(&contest->barrier, NULL, contest->threads);
	timed(contest, true);
	space_check_found(&contest->space, name);
	for (unsigned run = 0; run < bench->runs; run++) {
		samples_add(&row->subject, timed(contest, true));
		space_check_found(&contest->space, name);
		samples_add(&row->limit, timed(contest, false));
	}
	pthread_barrier_destroy(&contest->barrier);
	set_bar(row, contest->threads, one);
	bench_done(bench, row);
	return samples_median(&row->subject);
}

void rows_threads(struct bench *bench)
{
	static struct contest contest;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	bool is_open = false;
	double one = 0;

	for (unsigned n = 1; n <= MOST_THREADS && n <= (unsigned long)cpus; n *= 2) {
		char name[48];

		snprintf(name, sizeof(name), "threads-64G-%u", n);
		if (!bench_wants(bench, name, false))
			continue;
		if (!is_open) {
			space_open(&contest.space, UINT64_C(64) << 30, PAGE_SHIFT);
			space_choose_dirty(&contest.space, 1, PATTERN_RANDOM);
			is_open = true;
		}
		contest.threads = n;
		if (n == 1)
			one = measure(bench, &contest, name, 0);
		else
			measure(bench, &contest, name, one);
	}
	if (is_open)
		space_close(&contest.space);
}
