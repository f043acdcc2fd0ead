/* SPDX-License-Identifier: BSD-2-Clause */
/* The table, what is above its bar, and results.json. */
#include "bench.h"

#include <string.h>

#include "yardstick.h"

static double per_page(const struct row *row, const struct samples *samples)
{
	return samples_median(samples) / row->pages;
}

static double ratio(const struct row *row)
{
	return samples_median(&row->subject) / samples_median(&row->limit);
}

static double times_faster(const struct row *row)
{
	return samples_median(&row->baseline) / samples_median(&row->subject);
}

void report_head(const struct bench *bench)
{
	if (bench->list)
		return;
	printf("ns a page of the library%s, of the machine's limit (vectors of %u bits)\n"
	       "and of %s: medians and minima of %u runs or more; what is asked for\n\n",
	       bench->scalar ? " without vectors" : "", yardstick()->bits,
	       bench->scalar ? "a plain loop (clear: a textbook walker)" : "a textbook walker",
	       bench->runs);
	printf("%-24s %8s %8s  %8s %8s  %-15s %8s %-15s %s\n", "", "median", "min", "limit", "min",
	       "to limit", "baseline", "faster", "instructions");
}

static void print_instructions(const struct bench *bench, const struct row *row)
{
	for (size_t i = 0; i < bench->count_count; i++) {
		if (strcmp(bench->counts[i].name, row->counted_as) == 0)
			printf("%8.2f", bench->counts[i].per_page);
	}
}

static void print_comparison(double value, double bar, const char *relation)
{
	char text[32] = "";

	if (bar != 0)
		snprintf(text, sizeof(text), " [%s%.4g]", relation, bar);
	printf(" %6.2f%-9s", value, text);
}

void bench_done(struct bench *bench, struct row *row)
{
	bench_say(bench, "");
	printf("%-24s %8.3f %8.3f ", row->name, per_page(row, &row->subject),
	       samples_least(&row->subject) / row->pages);
	if (row->limit.count) {
		printf(" %8.3f %8.3f ", per_page(row, &row->limit),
		       samples_least(&row->limit) / row->pages);
		print_comparison(ratio(row), row->bar, "<=");
	} else {
		printf(" %8s %8s  %15s", "", "", "");
	}
	if (row->baseline.count) {
		printf(" %8.3f", per_page(row, &row->baseline));
		print_comparison(times_faster(row), row->faster, ">=");
	} else {
		printf(" %8s %15s ", "", "");
	}
	print_instructions(bench, row);
	putchar('\n');
	fflush(stdout);
}

void report_bars(const struct bench *bench)
{
	unsigned bars = 0, missed = 0;

	printf("\nabove their bar:");
	for (size_t i = 0; i < bench->row_count; i++) {
		const struct row *row = &bench->rows[i];

		bars += (row->bar != 0) + (row->faster != 0);
		if (row->bar != 0 && ratio(row) > row->bar) {
			missed++;
			printf(" %s (%.2f > %.4g)", row->name, ratio(row), row->bar);
		}
		if (row->faster != 0 && times_faster(row) < row->faster) {
			missed++;
			printf(" %s (%.1f < %.4g x baseline)", row->name, times_faster(row),
			       row->faster);
		}
	}
	printf("%s: %u of %u\n", missed ? "" : " none", missed, bars);
}

static void write_number(FILE *file, const char *key, double value)
{
	if (value != 0)
		fprintf(file, ", \"%s\": %.6g", key, value);
	else
		fprintf(file, ", \"%s\": null", key);
}

static double instructions(const struct bench *bench, const struct row *row)
{
	for (size_t i = 0; i < bench->count_count; i++) {
		if (strcmp(bench->counts[i].name, row->counted_as) == 0)
			return bench->counts[i].per_page;
	}
	return 0;
}

static void write_row(FILE *file, const struct bench *bench, const struct row *row)
{
	fprintf(file, "\t\t{\"name\": \"%s\"", row->name);
	write_number(file, "ns_per_page", per_page(row, &row->subject));
	write_number(file, "limit_ns_per_page", per_page(row, &row->limit));
	write_number(file, "ratio", row->limit.count ? ratio(row) : 0);
	if (row->bar != 0)
		write_number(file, "bar", row->bar);
	write_number(file, "baseline_ns_per_page", per_page(row, &row->baseline));
	write_number(file, "instructions_per_page", instructions(bench, row));
	fputc('}', file);
}

void report_json(const struct bench *bench, const char *path)
{
	FILE *file = fopen(path, "w");

	if (file == NULL)
		die_text("cannot write the results");
	fputs("{\n\t\"results\": [\n", file);
	for (size_t i = 0; i < bench->row_count; i++) {
		write_row(file, bench, &bench->rows[i]);
		fputs(i + 1 < bench->row_count ? ",\n" : "\n", file);
	}
	fputs("\t]\n}\n", file);
	if (fclose(file) != 0)
		die_text("cannot write the results");
}

void report_read_counts(struct bench *bench, const char *path)
{
	FILE *file = fopen(path, "r");
	char line[128];

	if (file == NULL)
		die_text("cannot read the instruction counts");
	while (bench->count_count < MOST_ROWS && fgets(line, sizeof(line), file) != NULL) {
		struct instruction_count *count = &bench->counts[bench->count_count];

		bench->count_count += line[0] != '#' &&
		                      sscanf(line, "%47s %lf", count->name, &count->per_page) == 2;
	}
	fclose(file);
}

/* One line on stderr that the next one replaces. */
void bench_say(const struct bench *bench, const char *what)
{
	if (bench->progress)
		fprintf(stderr, "\r\033[K%s", what);
}
