/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * skip-64G-read, skip-64G-clear: tables with access flags, 1 % of the 2 MiB regions
 * written since the last round, 8 pages of each. The limit is the library's own scan of
 * a table without them.
 */
#include <string.h>

#include "baseline.h"
#include "space.h"

#define BYTES (UINT64_C(64) << 30)
#define PAGES (BYTES / PAGE_BYTES)

static void open_flagged(struct space *space)
{
	struct iopgt_config config = bench_config(PAGE_BYTES);

	config.flags = IOPGT_CONFIG_TABLE_ACCESS_FLAG;
	space_open_empty(space, PAGES / TABLE_ENTRIES + 256, &config);
	space->iova = IOVA;
	space->pages = PAGES;
	space_map(space, IOVA, PHYS, BYTES);
	space_make_bitmaps(space);
}

static void write_regions(struct space *space)
{
	memset(space->expected, 0, PAGES / 8);
	for (unsigned i = 0; i < PAGES / TABLE_ENTRIES / 100; i++) {
		uint64_t region = random_below(&space->random, PAGES / TABLE_ENTRIES);

		for (unsigned k = 0; k < 8; k++) {
			uint64_t page = region * TABLE_ENTRIES +
			                random_below(&space->random, TABLE_ENTRIES);

			if (!walker_write(space->table.root, IOVA + page * PAGE_BYTES))
				die_text("a write faults");
			space_expect(space, page);
		}
	}
}

static double timed(struct space *space, bool clear, const char *name)
{
	struct iopgt_bitmap bitmap = {space->found, IOVA, PAGES, PAGE_SHIFT};
	struct iopgt_op op = {.flags = clear ? 0 : IOPGT_OP_NO_CLEAR};
	double begin;
	int error;

	space_forget_found(space);
	begin = now_ns();
	error = iopgt_read_and_clear_dirty(&space->table, IOVA, BYTES, &bitmap, &op);
	if (error == IOPGT_OK)
		error = iopgt_op_finish(&op);
	begin = now_ns() - begin;
	if (error != IOPGT_OK)
		die(name, error);
	space_check_found(space, name);
	return begin;
}

static double timed_baseline(struct space *space, bool clear)
{
	struct baseline baseline;
	struct baseline_flush flush = {0};
	struct baseline_log log = {space->found, IOVA, PAGES, PAGE_SHIFT, &flush};
	double begin = now_ns();

	baseline_open(&baseline, &space->arena, space->table.root);
	baseline_dirty(&baseline, IOVA, BYTES, &log, clear);
	return now_ns() - begin;
}

static void measure(struct bench *bench, struct space *flagged, struct space *full)
{
	struct row *read = bench_row(bench, "skip-64G-read", (double)PAGES);
	struct row *clear = bench_row(bench, "skip-64G-clear", (double)PAGES);

	read->bar = clear->bar = 1.0 / 30;
	for (unsigned round = 0; round < 3 + bench->runs; round++) {
		double read_ns, clear_ns;

		write_regions(flagged);
		read_ns = timed(flagged, false, read->name);
		clear_ns = timed(flagged, true, clear->name);
		if (round < 3)
			continue;
		samples_add(&read->subject, read_ns);
		samples_add(&clear->subject, clear_ns);
		samples_add(&read->limit, timed(full, false, read->name));
		samples_add(&clear->limit, timed(full, true, clear->name));
		samples_add(&read->baseline, timed_baseline(full, false));
		samples_add(&clear->baseline, timed_baseline(full, true));
	}
	bench_done(bench, read);
	bench_done(bench, clear);
}

void rows_skip(struct bench *bench)
{
	static struct space flagged, full;
	bool wanted = bench_wants(bench, "skip-64G-read", true);

	if (!bench_wants(bench, "skip-64G-clear", true) && !wanted)
		return;
	open_flagged(&flagged);
	space_open(&full, BYTES, PAGE_SHIFT);
	measure(bench, &flagged, &full);
	space_close(&full);
	space_close(&flagged);
}
