/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A run of the benchmarks: which rows are wanted, what was measured, the report.
 */
#ifndef BENCH_H
#define BENCH_H

#include <inttypes.h>
#include <iopgt/iopgt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define MOST_RUNS 15
#define MOST_ROWS 160

/* Nanoseconds of each run. */
struct samples {
	double ns[MOST_RUNS];
	unsigned count;
};

/* One line of the table. Pages are granules of 4 KiB, unless the name says otherwise. */
struct row {
	char name[48];
	char counted_as[48]; /* its name among the instruction counts; "": not counted */
	double pages;        /* that a run is divided by */
	double bar;          /* the most that subject / limit may be; 0: no bar */
	double faster;       /* so many times faster than the baseline at least; 0: no bar */
	struct samples subject, limit, baseline;
};

struct instruction_count {
	char name[48];
	double per_page;
};

struct bench {
	bool quick;
	bool list;     /* name the rows, measure nothing */
	bool scalar;   /* the library was built without vectors: other bars, a plain loop */
	bool progress; /* say on stderr what goes on */
	unsigned runs; /* of each row, 7 or more */
	const char *filter;
	struct row rows[MOST_ROWS];
	size_t row_count;
	struct instruction_count counts[MOST_ROWS];
	size_t count_count;
};

/* Ends the program. */
void die(const char *what, int error);
void die_text(const char *what);
/* The memory, or the end. */
void *checked(void *memory);

/* Of this thread alone: what else the machine does takes caches from it, not time. */
double now_ns(void);
double wall_ns(void);

/* In [0, bound), from a state that starts at a constant: each run does the same. */
uint64_t random_below(uint64_t *state, uint64_t bound);
#define RANDOM_SEED UINT64_C(0x9E3779B97F4A7C15)

/* Keeps the compiler from dropping what computed the value. */
void use(uint64_t value);

/* Whether a row is to be measured; `quick`: also in a quick run. Lists it, if that is asked. */
bool bench_wants(struct bench *bench, const char *name, bool quick);
/* A new row. It is printed by bench_done. */
struct row *bench_row(struct bench *bench, const char *name, double pages);
void bench_done(struct bench *bench, struct row *row);
void bench_say(const struct bench *bench, const char *what);

double samples_median(const struct samples *samples);
double samples_least(const struct samples *samples);
void samples_add(struct samples *samples, double ns);

void report_head(const struct bench *bench);
/* Rows above their bar, in the end. */
void report_bars(const struct bench *bench);
void report_json(const struct bench *bench, const char *path);
/* Lines of a name and instructions a page. */
void report_read_counts(struct bench *bench, const char *path);

/* The kinds of rows, each in its own file. */
struct space;
void rows_stream(struct bench *bench);
void rows_dirty(struct bench *bench);
void rows_map(struct bench *bench);
void rows_translate(struct bench *bench);
void rows_threads(struct bench *bench);
void rows_size(struct bench *bench);
void rows_skip(struct bench *bench);
void rows_adaptive(struct bench *bench);

#endif
