/* SPDX-License-Identifier: BSD-2-Clause */
#include "work.h"

#include <stdlib.h>
#include <string.h>

struct work_seen work_seen;

/* --- The layout --- */

static uint64_t area(const struct fixture *f)
{
	return 8 * block(f);
}

uint64_t work_first(const struct fixture *f)
{
	return area(f) + 3 * granule(f);
}

uint64_t work_size(const struct fixture *f)
{
	return WORK_BLOCKS * block(f) - 8 * granule(f);
}

static void put(struct fixture *f, uint64_t at, uint64_t phys, uint64_t size, uint32_t prot)
{
	const struct iopgt_mapping mapping = fixture_mapping(area(f) + at, phys, size, prot);
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_map(f->table, &mapping, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

/* Pages that no block can be made of, every other one; pages that can be merged. */
static void lay_pages(struct fixture *f)
{
	const uint64_t far = 64 * block(f);

	for (uint64_t at = 0; at < block(f); at += 2 * granule(f))
		put(f, at, far + 3 * at, granule(f), RW);
	for (uint64_t at = 0; at < block(f); at += granule(f))
		put(f, block(f) + at, 16 * block(f) + at, granule(f),
		    at < block(f) / 2 ? RW : RW | IOPGT_CLEAN);
}

/* A dirty block and a clean one, a hole, an empty table, groups where there are, a block. */
static void lay_out(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	lay_pages(f);
	put(f, 2 * block(f), 20 * block(f), block(f), RW);
	put(f, 3 * block(f), 30 * block(f), block(f), RW | IOPGT_CLEAN);
	put(f, 5 * block(f), 0, granule(f), RW);
	expect(IOPGT_OK, iopgt_unmap(f->table, area(f) + 5 * block(f), granule(f), &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	put(f, 6 * block(f), 40 * block(f) + group_size(f, 3), block(f), RW);
	put(f, 7 * block(f), 50 * block(f), block(f), IOPGT_READ);
}

struct fixture *work_begin(const struct fixture *like, const struct work *work)
{
	struct fixture *f = fixture_create(&like->options, false);

	memset(&work_seen, 0, sizeof(work_seen));
	if (!work->maps)
		lay_out(f);
	if (work->prepare)
		work->prepare(f);
	page_bitmap(f, work_first(f), work_size(f));
	if (work->clears)
		set_bits(f, work_first(f), work_size(f));
	return f;
}

/* --- The verbs of table.h --- */

static int do_map(struct fixture *f, uint64_t at, uint64_t size, struct iopgt_op *op)
{
	const struct iopgt_mapping mapping =
		fixture_mapping(at, 32 * block(f) + at, size, RW | IOPGT_CLEAN);

	return iopgt_map(f->table, &mapping, op);
}

/* Pages and groups alone. */
static int do_map_pages(struct fixture *f, uint64_t at, uint64_t size, struct iopgt_op *op)
{
	const struct iopgt_mapping mapping =
		fixture_mapping(at, 32 * block(f) + at + group_size(f, 3), size, RW);

	return iopgt_map(f->table, &mapping, op);
}

static int do_unmap(struct fixture *f, uint64_t at, uint64_t size, struct iopgt_op *op)
{
	return iopgt_unmap(f->table, at, size, op);
}

static int do_unmap_dirty(struct fixture *f, uint64_t at, uint64_t size, struct iopgt_op *op)
{
	return iopgt_unmap_dirty(f->table, at, size, &f->bitmap, op);
}

static int do_protect(struct fixture *f, uint64_t at, uint64_t size, struct iopgt_op *op)
{
	return iopgt_protect(f->table, at, size, IOPGT_READ, op);
}

static int see_mapping(void *context, const struct iopgt_mapping *run)
{
	const struct fixture *f = context;

	for (uint64_t at = 0; at < run->size; at += granule(f)) {
		work_seen.granules++;
		work_seen.sum += (run->iova + at) * 31 + (run->phys + at) * 7 + run->prot;
	}
	return 0;
}

static int do_for_each_mapping(struct fixture *f, uint64_t at, uint64_t size, struct iopgt_op *op)
{
	const struct iopgt_mapping_visitor visitor = {see_mapping, f};

	return iopgt_for_each_mapping(f->table, at, size, &visitor, op);
}

static void see_line(void *context, const char *text)
{
	const char *count = strstr(text, " x");

	(void)context;
	if (!count)
		return;
	if (strstr(text, " hole"))
		work_seen.holes += strtoull(count + 2, NULL, 10);
	else
		work_seen.leaves += strtoull(count + 2, NULL, 10);
}

static int do_dump(struct fixture *f, uint64_t at, uint64_t size, struct iopgt_op *op)
{
	const struct iopgt_writer writer = {see_line, NULL};

	return iopgt_dump(f->table, at, size, &writer, op);
}

static int do_trim(struct fixture *f, uint64_t at, uint64_t size, struct iopgt_op *op)
{
	return iopgt_trim(f->table, at, size, op);
}

static int do_split(struct fixture *f, uint64_t at, uint64_t size, struct iopgt_op *op)
{
	return iopgt_split_block(f->table, at, size, op);
}

static int do_merge(struct fixture *f, uint64_t at, uint64_t size, struct iopgt_op *op)
{
	return iopgt_merge_page(f->table, at, size, op);
}

/* --- Those of dirty.h --- */

static int do_sync(struct fixture *f, uint64_t at, uint64_t size, struct iopgt_op *op)
{
	return iopgt_sync_dirty_log(f->table, at, size, &f->bitmap, op);
}

static int do_clear(struct fixture *f, uint64_t at, uint64_t size, struct iopgt_op *op)
{
	return iopgt_clear_dirty_log(f->table, at, size, &f->bitmap, op);
}

static int do_read_and_clear(struct fixture *f, uint64_t at, uint64_t size, struct iopgt_op *op)
{
	return iopgt_read_and_clear_dirty(f->table, at, size, &f->bitmap, op);
}

static int see_dirty(void *context, uint64_t iova, uint64_t size)
{
	set_bits(context, iova, size);
	return 0;
}

static int do_for_each_dirty(struct fixture *f, uint64_t at, uint64_t size, struct iopgt_op *op)
{
	const struct iopgt_dirty_visitor visitor = {see_dirty, f};

	op->flags |= IOPGT_OP_CLEAR;
	return iopgt_for_each_dirty(f->table, at, size, &visitor, op);
}

static int do_accessed(struct fixture *f, uint64_t at, uint64_t size, struct iopgt_op *op)
{
	return iopgt_read_and_clear_accessed(f->table, at, size, &f->bitmap, op);
}

/* --- Those of domain.h --- */

static const struct iopgt_tracking eager = {.policy = IOPGT_SPLIT_EAGER};
static const struct iopgt_tracking adaptive = {.policy = IOPGT_SPLIT_ADAPTIVE, .cold_scans = 1};

static void track(struct fixture *f, const struct iopgt_tracking *how, uint32_t flags)
{
	struct iopgt_op op = new_op(f);

	op.flags |= flags;
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, true, how, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

/* Tracked, but nothing is clean or split yet. */
static void track_from_dirty(struct fixture *f)
{
	track(f, &eager, IOPGT_OP_START_DIRTY);
}

static void track_pages(struct fixture *f)
{
	track(f, &eager, 0);
}

/* What could be a block is cold, and pages. */
static void grow_cold(struct fixture *f)
{
	const uint64_t first = work_first(f), size = work_size(f);

	track(f, &adaptive, 0);
	for (int scan = 0; scan < 3; scan++) {
		struct iopgt_op op = new_op(f);

		page_bitmap(f, first, size);
		expect(IOPGT_OK, do_read_and_clear(f, first, size, &op));
		expect(IOPGT_OK, iopgt_op_finish(&op));
	}
}

/* The first call is for all of the table; what it leaves is switched by the range. */
static int go_on(struct fixture *f, bool on, uint64_t at, struct iopgt_op *op)
{
	const uint64_t all = UINT64_C(1) << f->config.input_bits;

	if (!op->stats.looked_at)
		return iopgt_set_dirty_tracking(&f->domain, on, on ? &eager : NULL, op);
	return iopgt_switch_dirty_log(&f->domain, on, at, all - at, op);
}

static int do_track(struct fixture *f, uint64_t at, uint64_t size, struct iopgt_op *op)
{
	(void)size;
	return go_on(f, true, at, op);
}

static int do_stop(struct fixture *f, uint64_t at, uint64_t size, struct iopgt_op *op)
{
	(void)size;
	return go_on(f, false, at, op);
}

static int do_switch_on(struct fixture *f, uint64_t at, uint64_t size, struct iopgt_op *op)
{
	return iopgt_switch_dirty_log(&f->domain, true, at, size, op);
}

static int do_switch_off(struct fixture *f, uint64_t at, uint64_t size, struct iopgt_op *op)
{
	return iopgt_switch_dirty_log(&f->domain, false, at, size, op);
}

static int do_merge_cold(struct fixture *f, uint64_t at, uint64_t size, struct iopgt_op *op)
{
	return iopgt_merge_cold(&f->domain, at, size, op);
}

const struct work work_verbs[] = {
	{.name = "iopgt_map", .call = do_map, .maps = true},
	{.name = "iopgt_map of pages", .call = do_map_pages, .maps = true},
	{.name = "iopgt_unmap", .call = do_unmap, .tables = 2},
	{.name = "iopgt_unmap_dirty", .call = do_unmap_dirty, .tables = 2 + WORK_BLOCKS},
	{.name = "iopgt_protect", .call = do_protect},
	{.name = "iopgt_for_each_mapping", .call = do_for_each_mapping},
	{.name = "iopgt_dump", .call = do_dump},
	{.name = "iopgt_trim", .call = do_trim},
	{.name = "iopgt_split_block", .call = do_split, .tables = 64},
	{.name = "iopgt_merge_page", .call = do_merge, .tables = 64},
	{.name = "iopgt_sync_dirty_log", .call = do_sync},
	{.name = "iopgt_clear_dirty_log", .call = do_clear, .clears = true},
	{.name = "iopgt_clear_dirty_log that splits",
         .prepare = track_from_dirty,
         .call = do_clear,
         .clears = true,
         .tables = 64},
	{.name = "iopgt_read_and_clear_dirty", .call = do_read_and_clear},
	{.name = "iopgt_read_and_clear_dirty that splits",
         .prepare = track_from_dirty,
         .call = do_read_and_clear,
         .tables = 64},
	{.name = "iopgt_for_each_dirty", .call = do_for_each_dirty},
	{.name = "iopgt_read_and_clear_accessed", .call = do_accessed},
	{.name = "iopgt_set_dirty_tracking on", .call = do_track, .tables = 64, .whole = 16},
	{.name = "iopgt_set_dirty_tracking off",
         .prepare = track_pages,
         .call = do_stop,
         .tables = 64,
         .whole = 16},
	{.name = "iopgt_switch_dirty_log on",
         .prepare = track_from_dirty,
         .call = do_switch_on,
         .tables = 64},
	{.name = "iopgt_switch_dirty_log off",
         .prepare = track_pages,
         .call = do_switch_off,
         .tables = 64},
	{.name = "iopgt_merge_cold", .prepare = grow_cold, .call = do_merge_cold, .tables = 64},
};

const size_t work_count = sizeof(work_verbs) / sizeof(work_verbs[0]);
