/* SPDX-License-Identifier: BSD-2-Clause */
/* Options, and what becomes of a run. What is to be seen here is in precopy.c. */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "precopy.h"
#include "report.h"

#define MOST_RUNS 20 /* of a broken variant, until the break shows */

enum exit_status {
	STATUS_IDENTICAL = 0,
	STATUS_DIFFERENT = 1,
	STATUS_USAGE = 2,
	STATUS_NOT_CAUGHT = 3,
	STATUS_FAILED = 4,
};

static bool add_files(struct files *files, const struct options *options, int argc, char **argv)
{
	files->cap = options->precopy.machine.size / 4;
	if (options->first_path == argc)
		files_add_defaults(files);
	for (int i = options->first_path; i < argc; i++) {
		int error = files_add(files, argv[i]);

		if (error) {
			fprintf(stderr, "precopy: %s: %s\n", argv[i], strerror(error));
			return false;
		}
	}
	if (files->count)
		return true;
	fprintf(stderr, "precopy: no file to stream\n");
	return false;
}

static const char *error_text(int error)
{
	return error > 0 ? strerror(error) : iopgt_strerror(error);
}

/* Correct software sees neither errors nor faults. */
static int run_right(struct precopy *precopy, const struct options *options, struct report *report)
{
	precopy_run(precopy, &options->precopy, report);
	if (precopy->verdict.error) {
		printf("precopy: FAILED, %s\n", error_text(precopy->verdict.error));
		return STATUS_FAILED;
	}
	if (precopy->verdict.identical &&
	    (precopy->verdict.faults || precopy->verdict.table_wrong)) {
		printf("precopy: FAILED, a device found the table wrong\n");
		return STATUS_FAILED;
	}
	report_last_line(precopy);
	return precopy->verdict.identical ? STATUS_IDENTICAL : STATUS_DIFFERENT;
}

/* Races are won by chance: so again, with another seed, until the break shows. */
static int run_broken(struct precopy *precopy, const struct options *options, struct report *report)
{
	struct precopy_options run = options->precopy;

	for (unsigned i = 1; i <= MOST_RUNS; i++) {
		precopy_run(precopy, &run, report);
		if (precopy->verdict.error) {
			printf("precopy: FAILED, %s\n", error_text(precopy->verdict.error));
			return STATUS_FAILED;
		}
		if (!precopy->verdict.identical) {
			printf("the break showed in run %u\n", i);
			report_last_line(precopy);
			return STATUS_DIFFERENT;
		}
		printf("identical in run %u of at most %u: the break did not show\n\n", i,
		       MOST_RUNS);
		run.machine.seed++;
	}
	printf("precopy: NOT CAUGHT, the copy was identical in each of %u broken runs\n",
	       MOST_RUNS);
	return STATUS_NOT_CAUGHT;
}

static bool is_capable_terminal(void)
{
	const char *kind = getenv("TERM");

	return isatty(STDOUT_FILENO) && kind && strcmp(kind, "dumb") != 0;
}

int main(int argc, char **argv)
{
	static struct precopy precopy; /* large */
	struct report report = {0};
	struct options options;
	struct files files = {0};
	int result = options_read(&options, argc, argv);
	int status;

	if (result != OPTIONS_GOOD)
		return result == OPTIONS_HELP ? STATUS_IDENTICAL : STATUS_USAGE;
	if (!add_files(&files, &options, argc, argv)) {
		files_free(&files);
		return STATUS_USAGE;
	}
	report.terminal = !options.plain && is_capable_terminal();
	options.precopy.files = &files;
	options.precopy.machine.deaf = options.precopy.broken == BREAK_NO_INVALIDATE;
	if (options.precopy.broken == BREAK_NOTHING)
		status = run_right(&precopy, &options, &report);
	else
		status = run_broken(&precopy, &options, &report);
	files_free(&files);
	return status;
}
