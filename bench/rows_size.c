/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * size-SIZE-blocks, size-SIZE-pages: reads of 1 GiB to 1 TiB; a page of `blocks` is
 * 2 MiB, and so is a bit. sparse-N: 64 GiB of pages in 1024 parts, spread evenly over
 * 2^N bytes, read by iopgt_for_each_dirty.
 */
#include <stdlib.h>

#include "space.h"
#include "yardstick.h"

#define PARTS      1024
#define PART_BYTES (UINT64_C(64) << 20)

struct contest {
	struct space space;
	uint64_t **tables; /* that a read must read */
	uint64_t table_count;
	unsigned repeats; /* that are timed together */
	bool sparse;
};

static int read_once(struct contest *contest)
{
	struct space *space = &contest->space;
	struct iopgt_bitmap bitmap = {space->found, space->iova, space->pages, space->leaf_shift};
	struct iopgt_op op = {0};

	return iopgt_sync_dirty_log(&space->table, space->iova, space->pages << space->leaf_shift,
	                            &bitmap, &op);
}

static int count_dirty(void *context, uint64_t iova, uint64_t size)
{
	uint64_t *bytes = context;

	(void)iova;
	*bytes += size;
	return 0;
}

static int read_sparse(struct contest *contest)
{
	uint64_t bytes = 0;
	struct iopgt_dirty_visitor visitor = {count_dirty, &bytes};
	struct iopgt_op op = {0};
	int error =
		iopgt_for_each_dirty(&contest->space.table, 0, UINT64_C(1) << 48, &visitor, &op);

	if (error == IOPGT_OK && bytes != contest->space.dirty * PAGE_BYTES)
		die_text("another number of dirty pages");
	return error;
}

static double timed_library(struct contest *contest)
{
	double begin = now_ns();

	for (unsigned i = 0; i < contest->repeats; i++) {
		int error = contest->sparse ? read_sparse(contest) : read_once(contest);

		if (error != IOPGT_OK)
			die("read", error);
	}
	return (now_ns() - begin) / contest->repeats;
}

static double timed_limit(struct contest *contest)
{
	double begin = now_ns();

	for (unsigned i = 0; i < contest->repeats; i++)
		use(yardstick()->read(contest->tables, contest->table_count, contest->tables[0]));
	return (now_ns() - begin) / contest->repeats;
}

static void measure(struct bench *bench, struct contest *contest, struct row *row)
{
	contest->repeats = (unsigned)(UINT64_C(2000) / (contest->table_count + 1)) + 1;
	timed_library(contest);
	if (!contest->sparse)
		space_check_found(&contest->space, row->name);
	for (unsigned run = 0; run < bench->runs; run++) {
		samples_add(&row->subject, timed_library(contest));
		samples_add(&row->limit, timed_limit(contest));
	}
	bench_done(bench, row);
}

/* Below 64 tables a call costs more than the read; then none is asked for. */
static double size_bar(uint64_t tables)
{
	return tables < 64 ? 0 : tables <= 4096 ? 1.2 : 1.1;
}

static void row_of_size(struct bench *bench, unsigned gib, uint32_t leaf_shift)
{
	struct contest contest = {0};
	char name[48];
	struct row *row;

	snprintf(name, sizeof(name), gib < 1024 ? "size-%uG-%s" : "size-%uT-%s",
	         gib < 1024 ? gib : gib / 1024, leaf_shift == PAGE_SHIFT ? "pages" : "blocks");
	if (!bench_wants(bench, name, leaf_shift != PAGE_SHIFT))
		return;
	row = bench_row(bench, name, (double)((uint64_t)gib << 30 >> leaf_shift));
	space_open(&contest.space, (uint64_t)gib << 30, leaf_shift);
	space_choose_dirty(&contest.space, 1, PATTERN_RANDOM);
	contest.tables = contest.space.leaves;
	contest.table_count = contest.space.leaf_count;
	/* Not for blocks: each dirty one sets 512 bits, a line of a bitmap of 32 MiB. */
	row->bar = leaf_shift == PAGE_SHIFT ? size_bar(contest.table_count) : 0;
	measure(bench, &contest, row);
	space_close(&contest.space);
}

/* All tables: one that leads to few others is read as well. */
static void list_all_tables(struct contest *contest)
{
	const struct space *space = &contest->space;

	contest->table_count = space->leaf_count + space->upper_count;
	contest->tables = checked(malloc(contest->table_count * sizeof(uint64_t *)));
	for (uint64_t t = 0; t < space->leaf_count; t++)
		contest->tables[t] = space->leaves[t];
	for (uint64_t t = 0; t < space->upper_count; t++)
		contest->tables[space->leaf_count + t] = space->upper[t];
}

static void row_of_spread(struct bench *bench, unsigned bits)
{
	struct contest contest = {.sparse = true};
	struct iopgt_config config = bench_config(PAGE_BYTES);
	struct space *space = &contest.space;
	char name[48];
	struct row *row;

	snprintf(name, sizeof(name), "sparse-%u", bits);
	if (!bench_wants(bench, name, false))
		return;
	row = bench_row(bench, name, (double)(PARTS * PART_BYTES / PAGE_BYTES));
	space_open_empty(space, PARTS * (PART_BYTES >> BLOCK_SHIFT) + 4 * PARTS, &config);
	for (uint64_t i = 0; i < PARTS; i++)
		space_map(space, i << bits >> 10, PHYS + i * PART_BYTES, PART_BYTES);
	space_find_tables(space);
	space->pages = PARTS * PART_BYTES / PAGE_BYTES;
	space_make_bitmaps(space);
	contest.repeats = 1;
	space_choose_dirty(space, 1, PATTERN_RANDOM);
	timed_library(&contest); /* which checks */
	space_choose_dirty(space, 0, PATTERN_RANDOM);
	list_all_tables(&contest);
	row->bar = 1.1;
	measure(bench, &contest, row);
	free(contest.tables);
	space_close(space);
}

void rows_size(struct bench *bench)
{
	for (unsigned gib = 1; gib <= 1024; gib *= 4)
		row_of_size(bench, gib, BLOCK_SHIFT);
	for (unsigned gib = 1; gib <= 1024; gib *= 4)
		row_of_size(bench, gib, PAGE_SHIFT);
	for (unsigned bits = 36; bits <= 48; bits += 4)
		row_of_spread(bench, bits);
}
