/* SPDX-License-Identifier: BSD-2-Clause */
/* What is there before a run, what the CPUs call, what is left after it. */
#include "explore.h"

#include <string.h>

#define MOST_TRIES 8 /* of one call, while others run and HAL calls fail */

/* --- Before --- */

static void map_pages(struct explore *x, uint32_t first, uint32_t pages)
{
	struct iopgt_mapping mapping =
		fixture_mapping(explore_iova(first), explore_iova(first) + EXPLORE_OFFSET,
	                        (uint64_t)pages << 12, RW | IOPGT_CLEAN);
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
		f->walkers[i] = host_add_walker(&f->host, &config);
	}
	f->walker_count = 2;
}

void explore_setup(struct explore *x)
{
	const struct explore_scenario *s = x->scenario;

	make_walkers(x);
	x->f->hal.flags = s->flags & EXPLORE_DEFERS ? IOPGT_HAL_DEFERS_FREE : 0;
	map_before(x);
	memset(x->words, 0, sizeof(x->words));
	for (uint32_t i = 0; i < s->events; i++) {
		struct explore_event before = s->event[i];

		before.access = EXPLORE_READS;
		if (s->flags & EXPLORE_WARM)
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
	if (pool_in_use(x->f->host.pool) != x->tables)
		explore_wrong(x, "%zu tables are left", pool_in_use(x->f->host.pool) - x->tables);
}

/* --- Calls --- */

bool explore_reports(enum explore_verb verb)
{
	return verb == EXPLORE_UNMAP_DIRTY || verb == EXPLORE_SYNC ||
	       verb == EXPLORE_READ_AND_CLEAR || verb == EXPLORE_EACH || verb == EXPLORE_EACH_CLEAR;
}

const char *explore_verb_text(enum explore_verb verb)
{
	static const char *const texts[EXPLORE_VERBS] = {"map",
	                                                 "unmap",
	                                                 "unmap_dirty",
	                                                 "protect",
	                                                 "split",
	                                                 "merge",
	                                                 "trim",
	                                                 "sync_dirty_log",
	                                                 "clear_dirty_log",
	                                                 "read_and_clear",
	                                                 "for_each_dirty",
	                                                 "for_each_dirty, clearing",
	                                                 "read_and_clear_accessed",
	                                                 "translate",
	                                                 "for_each_mapping",
	                                                 "write fault",
	                                                 "access fault",
	                                                 "translation fault"};

	return texts[verb];
}

static int mark_run(void *context, uint64_t iova, uint64_t size)
{
	struct explore_cpu *cpu = context;

	for (uint64_t at = iova; at < iova + size; at += 4096) {
		uint64_t bit = (at - cpu->bitmap.base) >> 12;

		((unsigned char *)cpu->bitmap.words)[bit / 8] |= (unsigned char)(1u << bit % 8);
	}
	return 0;
}

static int see_run(void *context, const struct iopgt_mapping *run)
{
	struct explore *x = context;

	if (run->phys - run->iova != EXPLORE_OFFSET)
		explore_wrong(x, "for_each_mapping: a wrong output address");
	return 0;
}

static int look(struct explore *x, const struct explore_call *call)
{
	struct iopgt_translation t;
	int err = iopgt_translate(x->f->table, explore_iova(call->first), &t);

	if (!err && t.phys - explore_iova(call->first) != EXPLORE_OFFSET)
		explore_wrong(x, "translate: a wrong output address");
	return err == IOPGT_NOT_MAPPED ? IOPGT_OK : err;
}

static int call_dirty(struct explore *x, struct explore_cpu *cpu)
{
	struct iopgt_table *table = x->f->table;
	const struct iopgt_dirty_visitor visitor = {mark_run, cpu};
	uint64_t iova = explore_iova(cpu->call->first), size = (uint64_t)cpu->call->pages << 12;

	switch (cpu->call->verb) {
	case EXPLORE_UNMAP_DIRTY:
		return iopgt_unmap_dirty(table, iova, size, &cpu->bitmap, &cpu->op);
	case EXPLORE_SYNC:
		return iopgt_sync_dirty_log(table, iova, size, &cpu->bitmap, &cpu->op);
	case EXPLORE_CLEAR:
		return iopgt_clear_dirty_log(table, iova, size, &cpu->bitmap, &cpu->op);
	case EXPLORE_READ_AND_CLEAR:
		return iopgt_read_and_clear_dirty(table, iova, size, &cpu->bitmap, &cpu->op);
	case EXPLORE_ACCESSED:
		return iopgt_read_and_clear_accessed(table, iova, size, &cpu->bitmap, &cpu->op);
	case EXPLORE_EACH_CLEAR:
		cpu->op.flags |= IOPGT_OP_CLEAR;
		return iopgt_for_each_dirty(table, iova, size, &visitor, &cpu->op);
	default:
		return iopgt_for_each_dirty(table, iova, size, &visitor, &cpu->op);
	}
}

static int call_verb(struct explore *x, struct explore_cpu *cpu)
{
	struct iopgt_table *table = x->f->table;
	const struct iopgt_mapping_visitor visitor = {see_run, x};
	uint64_t iova = explore_iova(cpu->call->first), size = (uint64_t)cpu->call->pages << 12;
	struct iopgt_mapping mapping =
		fixture_mapping(iova, iova + EXPLORE_OFFSET, size, RW | IOPGT_CLEAN);

	switch (cpu->call->verb) {
	case EXPLORE_MAP:
		return iopgt_map(table, &mapping, &cpu->op);
	case EXPLORE_UNMAP:
		return iopgt_unmap(table, iova, size, &cpu->op);
	case EXPLORE_PROTECT:
		return iopgt_protect(table, iova, size, IOPGT_READ, &cpu->op);
	case EXPLORE_SPLIT:
		return iopgt_split_block(table, iova, size, &cpu->op);
	case EXPLORE_MERGE:
		return iopgt_merge_page(table, iova, size, &cpu->op);
	case EXPLORE_TRIM:
		return iopgt_trim(table, iova, size, &cpu->op);
	case EXPLORE_TRANSLATE:
		return look(x, cpu->call);
	case EXPLORE_VISIT:
		return iopgt_for_each_mapping(table, iova, size, &visitor, &cpu->op);
	case EXPLORE_WRITE_FAULT:
		return iopgt_handle_write_fault(table, iova, 0, &cpu->op);
	case EXPLORE_ACCESS_FAULT:
		return iopgt_handle_access_fault(table, iova);
	case EXPLORE_TRANSLATION_FAULT:
		return iopgt_handle_translation_fault(table, iova);
	default:
		return call_dirty(x, cpu);
	}
}

static void make_bitmap(struct explore *x, struct explore_cpu *cpu)
{
	bool one = x->scenario->flags & EXPLORE_ONE_BITMAP && cpu->call->verb != EXPLORE_CLEAR &&
	           cpu->call->verb != EXPLORE_ACCESSED;

	memset(cpu->words, 0, sizeof(cpu->words));
	cpu->bitmap = (struct iopgt_bitmap){
		.words = (one ? x->words : cpu->words) + EXPLORE_GUARD,
		.base = explore_iova(one ? 0 : cpu->call->first),
		.bits = one ? EXPLORE_PAGES : cpu->call->pages,
		.page_shift = 12,
	};
	if (cpu->call->verb == EXPLORE_CLEAR)
		mark_run(cpu, cpu->bitmap.base, cpu->bitmap.bits << 12);
}

/* A call that failed took back what it had mapped; what was written there meanwhile is gone. */
static void forget_writes(struct explore *x, const struct explore_call *call)
{
	for (uint32_t page = call->first; page < call->first + call->pages; page++)
		x->first_write[page] = x->last_write[page] = 0;
}

static bool may_fail_so(const struct explore *x, const struct explore_call *call, int err)
{
	bool handler = call->verb >= EXPLORE_WRITE_FAULT;

	return err == IOPGT_OK || err == IOPGT_BUSY || (handler && err == IOPGT_FAULT) ||
	       (x->scenario->nth && (err == HOST_ERROR || err == IOPGT_NO_MEMORY));
}

/* Until the verb has done it all; the host's failures pass. */
static void try_verb(struct explore *x, struct explore_cpu *cpu)
{
	bool alone = false;
	int err;

	for (;;) {
		err = call_verb(x, cpu);
		if (!may_fail_so(x, cpu->call, err))
			explore_wrong(x, "CPU %u, %s: %s", x->current,
			              explore_verb_text(cpu->call->verb), iopgt_strerror(err));
		if (err == IOPGT_OK || err == IOPGT_FAULT || x->wrong[0])
			return;
		if (cpu->call->verb == EXPLORE_MAP)
			forget_writes(x, cpu->call);
		if (alone || cpu->tries++ == 100)
			break;
		alone = !explore_yield(x) && err == IOPGT_BUSY;
	}
	explore_wrong(x, "CPU %u, %s: no end of failures", x->current,
	              explore_verb_text(cpu->call->verb));
}

void explore_make_call(struct explore *x, struct explore_cpu *cpu)
{
	uint32_t tries = 0;
	int err;

	cpu->op = new_op(x->f);
	make_bitmap(x, cpu);
	cpu->start = ++x->now;
	try_verb(x, cpu);
	explore_judge_call(x, cpu);
	do {
		err = iopgt_op_finish(&cpu->op);
		if (err)
			explore_yield(x);
	} while (err && tries++ < MOST_TRIES && may_fail_so(x, cpu->call, err));
	if (err)
		explore_wrong(x, "CPU %u: iopgt_op_finish: %s", x->current, iopgt_strerror(err));
	cpu->finish = ++x->now;
	explore_judge_call(x, cpu);
}
