/* SPDX-License-Identifier: BSD-2-Clause */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "compare.h"

#define MIB (1024.0 * 1024.0)

/* A size in its largest whole unit. */
static const char *size_text(uint64_t bytes, char text[32])
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	unsigned unit = 0;

	while (unit < 4 && bytes && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, 32, "%" PRIu64 " %s", bytes, units[unit]);
	return text;
}

/* How many leaves there are of each size. */
static void print_leaves(const struct machine *machine)
{
	uint64_t counts[64];
	const char *comma = "";
	char text[32];

	machine_leaves(machine, counts);
	for (unsigned shift = 63; shift >= machine->options.granule_shift; shift--) {
		if (!counts[shift])
			continue;
		printf("%s%" PRIu64 " %s%s of %s", comma, counts[shift],
		       shift == machine->options.granule_shift ? "page" : "block",
		       counts[shift] > 1 ? "s" : "", size_text(UINT64_C(1) << shift, text));
		comma = ", ";
	}
}

static void print_devices(const struct precopy *precopy)
{
	static const char *const others[DEVICE_KINDS] = {
		[DEVICE_BYTES] = "bytes: writes single bytes anywhere",
		[DEVICE_BURSTS] = "bursts: writes some KiB across the ends of pages",
		[DEVICE_HOT_SPOT] = "hot spot: writes words in a small window that moves on",
	};
	const struct files *files = precopy->options.files;
	unsigned devices = precopy->options.machine.devices;

	printf("  %2u device%c  disk: streams %zu real file%s (%.1f MiB) in pieces up to 64 KiB\n",
	       devices, devices > 1 ? 's' : ' ', files->count, files->count > 1 ? "s" : "",
	       (double)files->bytes / MIB);
	for (unsigned i = 1; i < devices && i < DEVICE_KINDS; i++)
		printf("              %s\n", others[i]);
	if (devices > DEVICE_KINDS)
		printf("              and the same again, in turn\n");
}

static void print_break(enum precopy_break broken)
{
	static const char *const texts[] = {
		"",
		"no-invalidate: no invalidation reaches the devices' translation caches",
		"copy-before-flush: pages are copied before iopgt_op_finish, not after it",
		"plain-store: marks are cleared by storing an older copy of the descriptor",
	};

	if (broken != BREAK_NOTHING)
		printf("  BROKEN      %s\n", texts[broken]);
}

void report_start(struct report *report, const struct precopy *precopy)
{
	const struct machine_options *options = &precopy->options.machine;
	char size[32], granule[32], part[32];
	uint64_t cells = report->terminal ? REPORT_ROWS * REPORT_COLUMNS : REPORT_COLUMNS;

	memset(report->heat, 0, sizeof(report->heat));
	report->map_drawn = false;
	printf("Live copy of a machine whose devices go on writing. Its I/O page table tells\n"
	       "which pages were written; they are copied again, until little is left.\n\n");
	printf("  memory      %s at iova 0x%" PRIx64 ", stage %u, granule %s, seed %" PRIu64 "\n",
	       size_text(options->size, size), MACHINE_IOVA, options->stage,
	       size_text(UINT64_C(1) << options->granule_shift, granule), options->seed);
	printf("  table       ");
	print_leaves(&precopy->machine);
	printf("; break-before-make level %u\n", options->bbm_level);
	print_devices(precopy);
	printf("  link        %.0f MiB a second. Devices are slowed down if they write faster\n",
	       (double)precopy->link_rate / MIB);
	printf("  map         one column is %s: ' ' not written, . : - = + # more, @ all\n",
	       size_text(options->size / cells, part));
	print_break(precopy->options.broken);
	printf("\n");
	fflush(stdout);
}

void report_tracking_on(struct report *report, const struct precopy *precopy)
{
	const struct precopy_round *round = &precopy->round;

	(void)report;
	printf("tracking on: blocks split: %" PRIu64 ", left whole: %" PRIu64 ", in %.2f ms\n",
	       round->stats.split, round->stats.left_unsplit, (double)round->sync_ns / 1e6);
	printf("table now: ");
	print_leaves(&precopy->machine);
	printf("\n\n"
	       "round    dirty    copied     sync    entries  invali-  waits  pace of\n"
	       "         pages       MiB       ms    scanned  dations         devices\n");
	fflush(stdout);
}

/* 0 to 7, for a part of memory of which so many pages are dirty: each step twice as many. */
static uint8_t density(uint64_t dirty, uint64_t pages)
{
	uint8_t level = 1;

	if (dirty == 0)
		return 0;
	if (dirty == pages)
		return 7;
	while (level < 6 && dirty << (6 - level) >= pages)
		level++;
	return level;
}

static uint8_t cell_density(const struct iopgt_bitmap *bitmap, uint64_t cell, uint64_t cells)
{
	uint64_t first = bitmap->bits * cell / cells;
	uint64_t end = bitmap->bits * (cell + 1) / cells;
	uint64_t dirty = 0;

	if (end == first) /* fewer pages than cells */
		end = first + 1;
	for (uint64_t page = first; page < end; page++)
		dirty += iopgt_bitmap_test(bitmap, bitmap->base + (page << bitmap->page_shift));
	return density(dirty, end - first);
}

static void print_cell(const struct report *report, uint8_t level)
{
	static const char *const colours[] = {"", "34", "36", "32", "1;32", "33", "31", "1;31"};

	if (report->terminal && level)
		printf("\033[%sm%c\033[0m", colours[level], " .:-=+#@"[level]);
	else
		putchar(" .:-=+#@"[level]);
}

/* A line for this round alone. */
static void print_map_line(const struct report *report, const struct iopgt_bitmap *bitmap)
{
	printf("       |");
	for (unsigned cell = 0; cell < REPORT_COLUMNS; cell++)
		print_cell(report, cell_density(bitmap, cell, REPORT_COLUMNS));
	printf("|\n");
}

/* Some rows, in which what was written cools down from round to round. */
static void draw_map(struct report *report, const struct precopy *precopy)
{
	uint64_t row_bytes = precopy->options.machine.size / REPORT_ROWS;

	printf("\n");
	for (unsigned row = 0; row < REPORT_ROWS; row++) {
		printf("%10" PRIx64 " |", MACHINE_IOVA + row * row_bytes);
		for (unsigned column = 0; column < REPORT_COLUMNS; column++) {
			unsigned cell = row * REPORT_COLUMNS + column;
			uint8_t level =
				cell_density(&precopy->bitmap, cell, REPORT_ROWS * REPORT_COLUMNS);
			uint8_t heat = report->heat[cell] ? report->heat[cell] - 1 : 0;

			report->heat[cell] = level > heat ? level : heat;
			print_cell(report, report->heat[cell]);
		}
		printf("|\n");
	}
	report->map_drawn = true;
}

/* Back to where the map began, so that the next line takes its place. */
static void erase_map(struct report *report)
{
	if (report->map_drawn)
		printf("\033[%uA\033[J", REPORT_ROWS + 1);
	report->map_drawn = false;
}

void report_round(struct report *report, const struct precopy *precopy)
{
	const struct precopy_round *round = &precopy->round;
	char name[16];

	snprintf(name, sizeof(name), round->number ? "%u" : "all", round->number);
	erase_map(report);
	printf("%5s %8" PRIu64 " %9.1f %8.2f %10" PRIu64 " %8" PRIu64 " %6" PRIu64,
	       round->last ? "last" : name, round->dirty_pages, (double)round->bytes / MIB,
	       (double)round->sync_ns / 1e6, round->stats.looked_at, round->stats.invalidations,
	       round->stats.waits);
	if (round->last)
		printf("  stopped\n");
	else
		printf("  %5u %%\n", round->percent);
	if (report->terminal)
		draw_map(report, precopy);
	else if (round->number)
		print_map_line(report, &precopy->bitmap);
	fflush(stdout);
}

void report_tracking_off(struct report *report, const struct precopy *precopy,
                         const struct iopgt_stats *stats)
{
	(void)report;
	printf("\ntracking off: tables merged into blocks: %" PRIu64 ", left as they are: %" PRIu64
	       "\ntable now: ",
	       stats->merged, stats->left_unmerged);
	print_leaves(&precopy->machine);
	printf("\ndevices wrote %.1f MiB and stood still for %.1f ms\n",
	       (double)devices_written(&precopy->devices) / MIB, (double)precopy->stop_ns / 1e6);
}

void report_verdict(struct report *report, struct precopy *precopy)
{
	const struct precopy_verdict *verdict = &precopy->verdict;
	const struct disk_verdict *files = &verdict->files;
	const char *error = machine_error(&precopy->machine);

	(void)report;
	if (verdict->faults)
		printf("%" PRIu64 " accesses of devices faulted\n", verdict->faults);
	if (error)
		printf("a device found the table wrong: %s\n", error);
	printf("hash of memory %016" PRIx64 ", of the copy %016" PRIx64 "\n", verdict->memory_hash,
	       verdict->copy_hash);
	printf("streamed files in the copy: %" PRIu64 " (%.1f MiB), %" PRIu64 " different\n",
	       files->files, (double)files->bytes / MIB, files->different);
	if (files->different)
		printf("the first is %s\n", files->path);
	if (!verdict->identical)
		printf("%" PRIu64 " bytes differ\n", verdict->different_bytes);
	fflush(stdout);
}

void report_last_line(const struct precopy *precopy)
{
	const struct precopy_verdict *verdict = &precopy->verdict;

	if (verdict->identical)
		printf("precopy: identical, ");
	else
		printf("precopy: DIFFERENT, first at iova 0x%" PRIx64
		       ", last written by device %u (%s), ",
		       verdict->first_iova, verdict->writer,
		       device_name(&precopy->devices, verdict->writer));
	printf("%" PRIu64 " bytes, %" PRIu64 " rounds, %" PRIu64 " dirty pages\n", verdict->bytes,
	       verdict->rounds, verdict->dirty_pages);
}
