/* SPDX-License-Identifier: BSD-2-Clause */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

void die_text(const char *what)
{
	fflush(stdout);
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

void die(const char *what, int error)
{
	fflush(stdout);
	fprintf(stderr, "bench: %s: %s\n", what, iopgt_strerror(error));
	exit(1);
}

void *checked(void *memory)
{
	if (memory == NULL)
		die_text("out of memory");
	return memory;
}

static double read_clock(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

double now_ns(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

double wall_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t random_below(uint64_t *state, uint64_t bound)
{
	uint64_t x = *state; /* xorshift64 */

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	return x % bound;
}

void use(uint64_t value)
{
	__asm__ volatile("" : : "r"(value));
}

bool bench_wants(struct bench *bench, const char *name, bool quick)
{
	if (strstr(name, bench->filter) == NULL || (bench->quick && !quick))
		return false;
	if (bench->list)
		puts(name);
	return !bench->list;
}

/* read-4G-10% is counted as read-10%: instructions a page do not depend on sizes. */
static void name_count(char *counted_as, const char *name, size_t size)
{
	const char *first = strchr(name, '-');
	const char *second = first ? strchr(first + 1, '-') : NULL;

	if (first == NULL)
		first = second = name + strlen(name);
	else if (second == NULL)
		second = name + strlen(name);
	snprintf(counted_as, size, "%.*s%s", (int)(first - name), name, second);
}

struct row *bench_row(struct bench *bench, const char *name, double pages)
{
	struct row *row = &bench->rows[bench->row_count];

	if (bench->row_count == MOST_ROWS)
		die_text("too many rows");
	bench->row_count++;
	memset(row, 0, sizeof(*row));
	row->pages = pages;
	snprintf(row->name, sizeof(row->name), "%s", name);
	name_count(row->counted_as, name, sizeof(row->counted_as));
	bench_say(bench, name);
	return row;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void samples_add(struct samples *samples, double ns)
{
	samples->ns[samples->count++] = ns;
	qsort(samples->ns, samples->count, sizeof(double), compare);
}

double samples_median(const struct samples *samples)
{
	return samples->count ? samples->ns[samples->count / 2] : 0;
}

double samples_least(const struct samples *samples)
{
	return samples->count ? samples->ns[0] : 0;
}
