/* SPDX-License-Identifier: BSD-2-Clause */
/* What is there before a run, and what is left after it. */
#include "explore.h"

#include <string.h>

static void map_pages(struct explore *x, uint32_t first, uint32_t pages)
{
	struct iopgt_mapping mapping = fixture_mapping(
		explore_iova(first), explore_iova(first) + EXPLORE_OFFSET, (uint64_t)pages << 12,
		x->f->options.domain ? RW : RW | IOPGT_CLEAN);
	struct iopgt_op op = new_op(x->f);

	expect(IOPGT_OK, iopgt_map(x->f->table, &mapping, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

static void map_singles(struct explore *x, uint32_t first, uint32_t last)
{
	for (uint32_t page = first; page <= last; page++)
		map_pages(x, page, 1);
}

/* Tables that map nothing: an unmapped range that does not cover them leaves them. */
static void make_hollow(struct explore *x, uint32_t page)
{
	struct iopgt_op op = new_op(x->f);

	map_pages(x, page, 1);
	expect(IOPGT_OK, iopgt_unmap(x->f->table, explore_iova(page), 4096, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

/* --- Which pages --- */

static uint32_t part_pages(const struct explore_part *part)
{
	switch (part->kind) {
	case EXPLORE_PAGE:
		return 1;
	case EXPLORE_GROUP:
		return 16;
	case EXPLORE_TABLE:
	case EXPLORE_BLOCK:
		return 512;
	default:
		return 0;
	}
}

bool explore_was_mapped(const struct explore *x, uint32_t page)
{
	const struct explore_part *parts = x->scenario->parts;

	switch (x->scenario->setup) {
	case EXPLORE_SINGLES:
		return page < 64;
	case EXPLORE_GROUPS:
		return page >= 8 && page < 56;
	case EXPLORE_BLOCKS:
		return page < 1024;
	case EXPLORE_FULL:
		return page <= 512;
	case EXPLORE_PARTS:
		return page - parts[0].first < part_pages(&parts[0]) ||
		       page - parts[1].first < part_pages(&parts[1]);
	default:
		return false;
	}
}

static void map_part(struct explore *x, const struct explore_part *part)
{
	if (part->kind == EXPLORE_SHELL)
		make_hollow(x, part->first + 5);
	else if (part->kind == EXPLORE_TABLE)
		map_pages(x, part->first, 256), map_pages(x, part->first + 256, 256);
	else if (part->kind != EXPLORE_NOTHING)
		map_pages(x, part->first, part_pages(part));
}

static void map_before(struct explore *x)
{
	switch (x->scenario->setup) {
	case EXPLORE_EMPTY:
		break;
	case EXPLORE_SINGLES:
		map_singles(x, 0, 63);
		break;
	case EXPLORE_GROUPS:
		map_singles(x, 8, 15);
		map_pages(x, 16, 16);
		map_pages(x, 32, 16);
		map_singles(x, 48, 55);
		break;
	case EXPLORE_BLOCKS:
		map_pages(x, 0, 1024);
		break;
	case EXPLORE_FULL:
		map_pages(x, 0, 256);
		map_pages(x, 256, 256);
		map_pages(x, 512, 1);
		break;
	case EXPLORE_HOLLOW:
		make_hollow(x, 5);
		make_hollow(x, 600);
		break;
	case EXPLORE_PARTS:
		map_part(x, &x->scenario->parts[0]);
		map_part(x, &x->scenario->parts[1]);
		break;
	}
}

/* Walkers are made anew, so that every run has the same chances. */
static void make_walkers(struct explore *x)
{
	struct fixture *f = x->f;
	struct walker_config config = fixture_walker_config(&f->config, f->table->root_phys);

	host_remove_walkers(&f->host);
	config.tlb_entries = 32;
	config.walk_cache_entries = 8;
	config.flags |= WALKER_SMMU;
	for (unsigned i = 0; i < 2; i++) {
		config.contiguous_one_in = i == 0; /* the second one uses entries by themselves */
		if (i == 0 && f->options.walks & FIXTURE_ATS) {
			config.flags |= WALKER_ATS;
			config.atc_entries = 32;
		}
		f->walkers[i] = host_add_walker(&f->host, &config);
	}
	f->walker_count = 2;
}

static uint32_t policy_of(const struct explore_scenario *s)
{
	if (s->flags & EXPLORE_ADAPTS)
		return IOPGT_SPLIT_ADAPTIVE;
	return s->flags & EXPLORE_KEEPS ? IOPGT_SPLIT_NONE : IOPGT_SPLIT_EAGER;
}

/* All is dirty; iopgt_switch_dirty_log then cleans and splits, or merges. */
static void track(struct explore *x, bool on)
{
	struct iopgt_tracking how = {.policy = policy_of(x->scenario), .cold_scans = 1};
	struct iopgt_op op = new_op(x->f);

	how.max_splits = x->scenario->flags & EXPLORE_ONE_SPLIT ? 1 : 0;
	op.flags |= on ? IOPGT_OP_START_DIRTY : 0;
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&x->f->domain, on, &how, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

static int ignore_run(void *context, uint64_t iova, uint64_t size)
{
	(void)context, (void)iova, (void)size;
	return 0;
}

/* Rounds until nothing is left of how the tables were made. */
static void cool(struct explore *x)
{
	const struct iopgt_dirty_visitor visitor = {ignore_run, NULL};

	for (unsigned round = 0; round < 2; round++) {
		struct iopgt_op op = new_op(x->f);

		op.flags |= IOPGT_OP_CLEAR;
		expect(IOPGT_OK, iopgt_for_each_dirty(x->f->table, UINT64_C(1) << 30,
		                                      UINT64_C(1) << 30, &visitor, &op));
		expect(IOPGT_OK, iopgt_op_finish(&op));
	}
}

/* A round begins: blocks may be split. Nothing is where it merges what is cold. */
static void begin_round(struct explore *x)
{
	struct iopgt_op op = new_op(x->f);

	expect(IOPGT_OK, iopgt_merge_cold(&x->f->domain, 0, 4096, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

void explore_setup(struct explore *x)
{
	const struct explore_scenario *s = x->scenario;

	make_walkers(x);
	/* Notes are for good: without this the first run would have made them for all others. */
	x->f->table->kept_dirty = x->f->table->cleared_accessed = 0;
	x->f->hal.flags = x->f->options.host.hal_flags |
	                  (s->flags & EXPLORE_DEFERS ? (uint32_t)IOPGT_HAL_DEFERS_FREE : 0);
	map_before(x);
	if (x->f->options.domain)
		track(x, true);
	if (s->flags & EXPLORE_COLD)
		cool(x);
	if (s->flags & EXPLORE_ADAPTS)
		begin_round(x);
	memset(x->words, 0, sizeof(x->words));
	memset(x->seen, 0, sizeof(x->seen));
	for (uint32_t i = 0; i < s->events; i++) {
		struct explore_event before = s->event[i];

		before.access = EXPLORE_READS;
		if (s->flags & EXPLORE_WARM || (s->flags & EXPLORE_WARM_FIRST && i == 0))
			explore_event(x, &before);
		before = (struct explore_event){EXPLORE_WRITES, 0, s->event[i].page};
		if (s->flags & EXPLORE_MARKED)
			explore_event(x, &before);
	}
}

/* All goes, and all tables with it. */
void explore_teardown(struct explore *x)
{
	struct iopgt_op op = new_op(x->f);
	int err = iopgt_unmap(x->f->table, UINT64_C(1) << 30, UINT64_C(1) << 30, &op);

	if (!err)
		err = iopgt_op_finish(&op);
	if (err)
		explore_wrong(x, "cleaning up: %s", iopgt_strerror(err));
	if (x->f->options.domain)
		track(x, false);
	if (pool_in_use(x->f->host.pool) != x->tables)
		explore_wrong(x, "%zu tables are left", pool_in_use(x->f->host.pool) - x->tables);
}
