/* SPDX-License-Identifier: BSD-2-Clause */
/* map-4G, unmap-4G in one call; map-64M-page, unmap-64M-page in one call a page. */
#include <stdlib.h>

#include "baseline.h"
#include "space.h"
#include "yardstick.h"

struct contest {
	struct space space;
	struct baseline baseline;
	uint64_t bytes, step; /* a call maps `step` bytes */
	uint64_t **tables;    /* the leaf tables, while they are free too */
	uint64_t table_count;
};

static int map_all(struct contest *contest)
{
	struct iopgt_op op = {0};
	struct iopgt_mapping mapping = {
		.iova = IOVA,
		.phys = PHYS,
		.size = contest->step,
		.prot = IOPGT_READ | IOPGT_WRITE | IOPGT_CLEAN,
		.memory = IOPGT_WRITE_BACK,
	};

	for (; mapping.iova < IOVA + contest->bytes; mapping.iova += contest->step) {
		int error = iopgt_map(&contest->space.table, &mapping, &op);

		if (error != IOPGT_OK)
			return error;
		mapping.phys += contest->step;
	}
	return iopgt_op_finish(&op);
}

static int unmap_all(struct contest *contest)
{
	struct iopgt_op op = {0};

	for (uint64_t iova = IOVA; iova < IOVA + contest->bytes; iova += contest->step) {
		int error = iopgt_unmap(&contest->space.table, iova, contest->step, &op);

		if (error != IOPGT_OK)
			return error;
	}
	return iopgt_op_finish(&op);
}

static int baseline_map_all(struct contest *contest)
{
	int error = 0;

	for (uint64_t at = 0; at < contest->bytes && !error; at += contest->step)
		error = baseline_map(&contest->baseline, IOVA + at, PHYS + at, contest->step);
	return error;
}

static int baseline_unmap_all(struct contest *contest)
{
	struct baseline_flush flush = {0};
	int error = 0;

	for (uint64_t at = 0; at < contest->bytes && !error; at += contest->step)
		error = baseline_unmap(&contest->baseline, IOVA + at, contest->step, &flush);
	return error;
}

static int write_all(struct contest *contest)
{
	yardstick()->write(contest->tables, contest->table_count, PHYS | DESCRIPTOR_WRITABLE,
	                   PAGE_BYTES);
	return 0;
}

static int write_zeros(struct contest *contest)
{
	yardstick()->write(contest->tables, contest->table_count, 0, 0);
	return 0;
}

static double timed(struct contest *contest, int (*run)(struct contest *contest))
{
	double begin;
	int error;

	if (contest->tables)
		use(yardstick()->read(contest->tables, contest->table_count, contest->tables[0]));
	begin = now_ns();
	error = run(contest);
	begin = now_ns() - begin;
	if (error != IOPGT_OK)
		die("map or unmap", error);
	return begin;
}

static void check_mapped(struct contest *contest)
{
	struct space *space = &contest->space;

	space_find_tables(space);
	if (space->leaf_count != contest->bytes / TABLE_BYTES / TABLE_ENTRIES)
		die_text("not all is mapped");
	for (uint64_t page = 0; page < contest->bytes / PAGE_BYTES; page++) {
		uint64_t d = *space_descriptor(space, page);

		if ((d & DESCRIPTOR_ADDRESS) != PHYS + page * PAGE_BYTES ||
		    (d & DESCRIPTOR_WRITABLE) != DESCRIPTOR_WRITABLE)
			die_text("a page is mapped wrong");
	}
}

static void check_empty(struct contest *contest)
{
	space_find_tables(&contest->space);
	for (uint64_t t = 0; t < contest->space.leaf_count; t++) {
		for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
			if (contest->space.leaves[t][i] != 0)
				die_text("a page is still mapped");
		}
	}
	baseline_close(&contest->baseline);
	contest->space.table.tables = 0;
}

/* Both map right and unmap all; and where the leaf tables are. */
static void check_both(struct contest *contest)
{
	timed(contest, baseline_map_all);
	check_mapped(contest);
	timed(contest, baseline_unmap_all);
	check_empty(contest);
	timed(contest, map_all);
	check_mapped(contest);
	contest->table_count = contest->space.leaf_count;
	contest->tables = checked(malloc(contest->table_count * sizeof(uint64_t *)));
	for (uint64_t t = 0; t < contest->table_count; t++)
		contest->tables[t] = contest->space.leaves[t];
	timed(contest, unmap_all);
	check_empty(contest);
}

static void measure(struct bench *bench, struct contest *contest, struct row *map,
                    struct row *unmap)
{
	for (unsigned run = 0; run < bench->runs; run++) {
		samples_add(&map->subject, timed(contest, map_all));
		samples_add(&unmap->subject, timed(contest, unmap_all));
		check_empty(contest);
		samples_add(&map->limit, timed(contest, write_all));
		samples_add(&unmap->limit, timed(contest, write_zeros));
		samples_add(&map->baseline, timed(contest, baseline_map_all));
		samples_add(&unmap->baseline, timed(contest, baseline_unmap_all));
		check_empty(contest);
	}
	bench_done(bench, map);
	bench_done(bench, unmap);
}

static void rows_of(struct bench *bench, const char *name, uint64_t bytes, uint64_t step)
{
	struct contest contest = {.bytes = bytes, .step = step};
	struct iopgt_config config = bench_config(PAGE_BYTES);
	char unmap_name[48];
	struct row *map, *unmap;
	bool wanted = bench_wants(bench, name, true);

	snprintf(unmap_name, sizeof(unmap_name), "un%s", name);
	if (!bench_wants(bench, unmap_name, true) && !wanted)
		return;
	map = bench_row(bench, name, (double)(bytes / PAGE_BYTES));
	unmap = bench_row(bench, unmap_name, (double)(bytes / PAGE_BYTES));
	if (step == bytes) {
		map->bar = 1.5;
		map->faster = 1.8;
		unmap->bar = 1.5;
	}
	space_open_empty(&contest.space, bytes / PAGE_BYTES / TABLE_ENTRIES + 64, &config);
	baseline_open(&contest.baseline, &contest.space.arena, contest.space.table.root);
	check_both(&contest);
	measure(bench, &contest, map, unmap);
	free(contest.tables);
	space_close(&contest.space);
}

void rows_map(struct bench *bench)
{
	rows_of(bench, "map-4G", UINT64_C(4) << 30, UINT64_C(4) << 30);
	rows_of(bench, "map-64M-page", UINT64_C(64) << 20, PAGE_BYTES);
}
