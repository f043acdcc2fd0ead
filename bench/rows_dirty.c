/* SPDX-License-Identifier: BSD-2-Clause */
/* read-SIZE-SHARE, clear-SIZE-SHARE: dirty pages in 4 and 64 GiB. */
#include <string.h>

#include "baseline.h"
#include "space.h"
#include "yardstick.h"

struct share {
	unsigned percent;
	enum pattern pattern;
	const char *name;
};

static const struct share shares[] = {
	{0, PATTERN_RANDOM, "0%"},
	{1, PATTERN_RANDOM, "1%"},
	{1, PATTERN_CLUSTERED, "1%-clustered"},
	{10, PATTERN_RANDOM, "10%"},
	{10, PATTERN_CLUSTERED, "10%-clustered"},
	{50, PATTERN_RANDOM, "50%"},
	{50, PATTERN_CLUSTERED, "50%-clustered"},
	{100, PATTERN_RANDOM, "100%"},
};

struct size {
	const char *name;
	uint64_t bytes;
	bool in_cache;
};

static const struct size sizes[] = {
	{"4G", UINT64_C(4) << 30, true},
	{"64G", UINT64_C(64) << 30, false},
};

struct contest {
	struct space space;
	struct baseline baseline;
	const struct size *size;
	const struct share *share;
	bool clear, is_open;
	bool scalar; /* the baseline of a read is a plain loop */
};

static void open_once(struct contest *contest)
{
	if (contest->is_open)
		return;
	space_open(&contest->space, contest->size->bytes, PAGE_SHIFT);
	baseline_open(&contest->baseline, &contest->space.arena, contest->space.table.root);
	contest->is_open = true;
}

/* Without vectors; never slower than a plain loop, but for a run's noise. */
static void set_scalar_bars(const struct contest *contest, struct row *row)
{
	if (contest->clear)
		return;
	if (contest->share->percent <= 1)
		row->bar = contest->size->in_cache ? 2.5 : 1.2;
	else
		row->faster = 0.95;
}

/* The bars of the project's plan. */
static void set_bars(const struct contest *contest, struct row *row)
{
	unsigned percent = contest->share->percent;

	if (contest->clear)
		row->bar = percent <= 1 ? 1.2 : 1.15;
	else if (contest->size->in_cache)
		row->bar = percent <= 1 ? 1.2 : 1.6;
	else
		row->bar = 1.1;
	if (!contest->size->in_cache)
		return;
	if (contest->clear)
		row->faster = percent <= 10 ? 4 : percent <= 50 ? 3.5 : 2.7;
	else
		row->faster = percent <= 1 ? 7 : percent <= 10 ? 12 : 25;
}

/* Each starts with the same marks, an empty bitmap and warm caches. */
static void prepare(struct contest *contest)
{
	struct space *space = &contest->space;

	space_mark(space);
	space_forget_found(space);
	use(yardstick()->read(space->leaves, space->leaf_count, space->leaves[0]));
}

static double run_library(struct contest *contest)
{
	struct space *space = &contest->space;
	struct iopgt_bitmap bitmap = {space->found, space->iova, space->pages, PAGE_SHIFT};
	struct iopgt_op op = {0};
	uint64_t size = space->pages << PAGE_SHIFT;
	double begin;
	int error;

	prepare(contest);
	begin = now_ns();
	if (contest->clear)
		error = iopgt_read_and_clear_dirty(&space->table, space->iova, size, &bitmap, &op);
	else
		error = iopgt_sync_dirty_log(&space->table, space->iova, size, &bitmap, &op);
	if (error == IOPGT_OK)
		error = iopgt_op_finish(&op);
	begin = now_ns() - begin;
	if (error != IOPGT_OK)
		die("dirty pages", error);
	return begin;
}

/* For clear: the same read, and one atomic or per dirty page; but up to 1 % the read alone. */
static double run_limit(struct contest *contest)
{
	struct space *space = &contest->space;
	double begin;

	prepare(contest);
	begin = now_ns();
	if (contest->clear && contest->share->percent > 1)
		use(yardstick_clear(space->leaves, space->leaf_count, space->expected,
		                    DESCRIPTOR_AP2));
	else
		use(yardstick()->read(space->leaves, space->leaf_count, space->leaves[0]));
	return now_ns() - begin;
}

static double run_plain(struct contest *contest)
{
	static const uint64_t dirty[2] = {DESCRIPTOR_WRITABLE | DESCRIPTOR_AP2,
	                                  DESCRIPTOR_WRITABLE};
	double begin;

	prepare(contest);
	begin = now_ns();
	yardstick_plain(contest->space.leaves, contest->space.leaf_count, contest->space.found,
	                dirty);
	return now_ns() - begin;
}

static double run_baseline(struct contest *contest)
{
	struct space *space = &contest->space;
	struct baseline_flush flush = {0};
	struct baseline_log log = {space->found, space->iova, space->pages, PAGE_SHIFT, &flush};
	double begin;
	int error;

	if (contest->scalar && !contest->clear)
		return run_plain(contest);
	prepare(contest);
	begin = now_ns();
	error = baseline_dirty(&contest->baseline, space->iova, space->pages << PAGE_SHIFT, &log,
	                       contest->clear);
	begin = now_ns() - begin;
	if (error != 0)
		die("baseline", error);
	return begin;
}

static void check(const struct contest *contest, const char *name)
{
	space_check_found(&contest->space, name);
	if (space_dirty_descriptors(&contest->space) != (contest->clear ? 0 : contest->space.dirty))
		die_text("the table is wrong afterwards");
}

static void measure(struct bench *bench, struct contest *contest, const char *name)
{
	struct row *row = bench_row(bench, name, (double)contest->space.pages);

	if (bench->scalar)
		set_scalar_bars(contest, row);
	else
		set_bars(contest, row);
	space_choose_dirty(&contest->space, contest->share->percent, contest->share->pattern);
	run_baseline(contest);
	check(contest, name);
	run_library(contest);
	check(contest, name);
	for (unsigned run = 0; run < bench->runs * (contest->size->in_cache ? 2 : 1); run++) {
		samples_add(&row->subject, run_library(contest));
		space_check_found(&contest->space, name);
		samples_add(&row->limit, run_limit(contest));
		samples_add(&row->baseline, run_baseline(contest));
	}
	bench_done(bench, row);
}

static void rows_of_size(struct bench *bench, const struct size *size)
{
	static struct contest contest;

	memset(&contest, 0, sizeof(contest));
	contest.size = size;
	contest.scalar = bench->scalar;
	for (unsigned i = 0; i < 2 * sizeof(shares) / sizeof(shares[0]); i++) {
		char name[48];

		contest.clear = i >= sizeof(shares) / sizeof(shares[0]);
		contest.share = &shares[i % (sizeof(shares) / sizeof(shares[0]))];
		snprintf(name, sizeof(name), "%s-%s-%s", contest.clear ? "clear" : "read",
		         size->name, contest.share->name);
		if (!bench_wants(bench, name, size->in_cache))
			continue;
		open_once(&contest);
		measure(bench, &contest, name);
	}
	if (contest.is_open)
		space_close(&contest.space);
}

void rows_dirty(struct bench *bench)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		rows_of_size(bench, &sizes[i]);
}
