/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nanoseconds a page of what the library does, beside the machine's own limit and
 * a textbook walker in the same run. Results are checked before they are timed.
 */
#include "bench.h"

#include <string.h>
#include <unistd.h>

static int usage(FILE *to, int status)
{
	fputs("usage: bench [--quick] [--list] [--counts FILE] [--json FILE] [ROW]\n"
	      "    only rows whose names contain ROW\n",
	      to);
	return status;
}

static void run(struct bench *bench)
{
	report_head(bench);
	rows_stream(bench);
	rows_dirty(bench);
	if (bench->scalar)
		return;
	rows_map(bench);
	rows_translate(bench);
	rows_threads(bench);
	rows_skip(bench);
	rows_size(bench);
	rows_adaptive(bench);
}

int main(int count, char **arguments)
{
	static struct bench bench = {.runs = 7, .filter = ""};
	const char *json = NULL;

	bench.progress = isatty(2);
#ifdef BENCH_SCALAR
	bench.scalar = true;
#endif
	for (int i = 1; i < count; i++) {
		if (strcmp(arguments[i], "--help") == 0)
			return usage(stdout, 0);
		if (strcmp(arguments[i], "--quick") == 0)
			bench.quick = true;
		else if (strcmp(arguments[i], "--list") == 0)
			bench.list = true;
		else if (strcmp(arguments[i], "--json") == 0 && i + 1 < count)
			json = arguments[++i];
		else if (strcmp(arguments[i], "--counts") == 0 && i + 1 < count)
			report_read_counts(&bench, arguments[++i]);
		else if (arguments[i][0] != '-' && *bench.filter == 0)
			bench.filter = arguments[i];
		else
			return usage(stderr, 2);
	}
	run(&bench);
	if (bench.list)
		return 0;
	if (bench.row_count == 0) {
		fprintf(stderr, "bench: no such row: %s\n", bench.filter);
		return 2;
	}
	report_bars(&bench);
	if (json)
		report_json(&bench, json);
	return 0;
}
