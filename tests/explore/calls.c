/* SPDX-License-Identifier: BSD-2-Clause */
/* What the CPUs call. */
#include "explore.h"

#include <string.h>

#define MOST_TRIES 8 /* of one call, while others run and HAL calls fail */

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
	                                                 "dump",
	                                                 "write fault",
	                                                 "access fault",
	                                                 "translation fault",
	                                                 "switch on",
	                                                 "switch off",
	                                                 "merge_cold"};

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

static void see_line(void *context, const char *text)
{
	(void)context;
	(void)text;
}

static int look(struct explore *x, const struct explore_call *call)
{
	struct iopgt_translation t;
	int err = iopgt_translate(x->f->table, explore_iova(call->first), &t);

	if (!err && t.phys - explore_iova(call->first) != EXPLORE_OFFSET)
		explore_wrong(x, "translate: a wrong output address");
	return err == IOPGT_NOT_MAPPED ? IOPGT_OK : err;
}

static int call_dirty(struct explore *x, struct explore_cpu *cpu, uint64_t iova, uint64_t size)
{
	struct iopgt_table *table = x->f->table;
	const struct iopgt_dirty_visitor visitor = {mark_run, cpu};

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

static int call_look(struct explore *x, struct explore_cpu *cpu, uint64_t iova, uint64_t size)
{
	struct iopgt_table *table = x->f->table;
	const struct iopgt_mapping_visitor visitor = {see_run, x};
	const struct iopgt_writer writer = {see_line, x};

	switch (cpu->call->verb) {
	case EXPLORE_TRANSLATE:
		return look(x, cpu->call);
	case EXPLORE_VISIT:
		return iopgt_for_each_mapping(table, iova, size, &visitor, &cpu->op);
	case EXPLORE_DUMP:
		return iopgt_dump(table, iova, size, &writer, &cpu->op);
	case EXPLORE_WRITE_FAULT:
		return iopgt_handle_write_fault(table, iova, 0, &cpu->op);
	case EXPLORE_ACCESS_FAULT:
		return iopgt_handle_access_fault(table, iova);
	case EXPLORE_TRANSLATION_FAULT:
		return iopgt_handle_translation_fault(table, iova);
	default:
		return call_dirty(x, cpu, iova, size);
	}
}

/* A part of the call's range. */
static int call_verb(struct explore *x, struct explore_cpu *cpu, uint64_t iova, uint64_t size)
{
	struct iopgt_table *table = x->f->table;
	bool dirty = cpu->manner->flags & EXPLORE_DIRTY || x->f->options.domain;
	struct iopgt_mapping mapping =
		fixture_mapping(iova, iova + EXPLORE_OFFSET, size, dirty ? RW : RW | IOPGT_CLEAN);

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
	case EXPLORE_SWITCH_ON:
	case EXPLORE_SWITCH_OFF:
		return iopgt_switch_dirty_log(&x->f->domain, cpu->call->verb == EXPLORE_SWITCH_ON,
		                              iova, size, &cpu->op);
	case EXPLORE_MERGE_COLD:
		return iopgt_merge_cold(&x->f->domain, iova, size, &cpu->op);
	default:
		return call_look(x, cpu, iova, size);
	}
}

static void make_whole_bitmap(struct explore_cpu *cpu)
{
	cpu->bitmap.words = cpu->whole;
	cpu->bitmap.bits = 64 * sizeof(cpu->whole) / sizeof(cpu->whole[0]);
	memset(cpu->whole, 0, sizeof(cpu->whole));
}

/* What clear_dirty_log is to clean. */
static void give_bits(struct explore_cpu *cpu)
{
	bool even = cpu->manner->flags & EXPLORE_EVEN;

	for (uint64_t bit = 0; bit < cpu->bitmap.bits; bit += 8) {
		uint64_t left = cpu->bitmap.bits - bit;
		unsigned bits = (even ? 0x55 : 0xff) & (left < 8 ? (1u << left) - 1 : 0xff);

		((unsigned char *)cpu->bitmap.words)[bit / 8] = (unsigned char)bits;
	}
}

static void make_bitmap(struct explore *x, struct explore_cpu *cpu)
{
	bool one = x->scenario->flags & EXPLORE_ONE_BITMAP && cpu->call->verb != EXPLORE_CLEAR &&
	           cpu->call->verb != EXPLORE_ACCESSED && !cpu->manner->budget;

	memset(cpu->words, 0, sizeof(cpu->words));
	cpu->bitmap = (struct iopgt_bitmap){
		.words = (one ? x->words : cpu->words) + EXPLORE_GUARD,
		.base = one ? EXPLORE_BASE : explore_first(cpu->call),
		.bits = one ? EXPLORE_PAGES : cpu->call->pages,
		.page_shift = 12,
	};
	if (cpu->call->pages == EXPLORE_WHOLE)
		make_whole_bitmap(cpu);
	if (cpu->call->verb == EXPLORE_CLEAR)
		give_bits(cpu);
}

/* A call that failed took back what it had mapped; what was written there meanwhile is gone. */
static void forget_writes(struct explore *x, const struct explore_call *call)
{
	for (uint32_t page = call->first; page < call->first + call->pages; page++)
		x->first_write[page] = x->last_write[page] = 0;
}

static bool may_fail_so(const struct explore *x, const struct explore_cpu *cpu, int err)
{
	enum explore_verb verb = cpu->call->verb;
	bool handler = verb >= EXPLORE_WRITE_FAULT && verb <= EXPLORE_TRANSLATION_FAULT;

	return err == IOPGT_OK || err == IOPGT_BUSY || (handler && err == IOPGT_FAULT) ||
	       (err == IOPGT_AGAIN && cpu->manner->budget) ||
	       (x->scenario->nth && (err == HOST_ERROR || err == IOPGT_NO_MEMORY));
}

/* A part of the range, until it is done or the budget is spent; the host's failures pass. */
static int try_verb(struct explore *x, struct explore_cpu *cpu, uint64_t iova, uint64_t size)
{
	bool alone = false;
	int err;

	for (;;) {
		cpu->op.budget = cpu->manner->budget;
		err = call_verb(x, cpu, iova, size);
		if (!may_fail_so(x, cpu, err))
			explore_wrong(x, "CPU %u, %s: %s", x->current,
			              explore_verb_text(cpu->call->verb), iopgt_strerror(err));
		if (err == IOPGT_OK || err == IOPGT_FAULT || err == IOPGT_AGAIN || x->wrong[0])
			return err;
		if (cpu->call->verb == EXPLORE_MAP)
			forget_writes(x, cpu->call);
		if (alone || cpu->tries++ == 100)
			break;
		alone = !explore_yield(x) && err == IOPGT_BUSY;
	}
	explore_wrong(x, "CPU %u, %s: no end of failures", x->current,
	              explore_verb_text(cpu->call->verb));
	return IOPGT_OK;
}

static void finish_op(struct explore *x, struct explore_cpu *cpu)
{
	uint32_t tries = 0;
	int err;

	do {
		err = iopgt_op_finish(&cpu->op);
		if (err)
			explore_yield(x);
	} while (err && tries++ < MOST_TRIES && may_fail_so(x, cpu, err));
	if (err)
		explore_wrong(x, "CPU %u: iopgt_op_finish: %s", x->current, iopgt_strerror(err));
}

static void new_call_op(struct explore *x, struct explore_cpu *cpu)
{
	enum explore_verb verb = cpu->call->verb;

	cpu->op = new_op(x->f);
	/* Else a read may miss what is late. */
	if (x->scenario->flags & EXPLORE_LATE && (verb == EXPLORE_SYNC || verb == EXPLORE_EACH))
		cpu->op.flags |= IOPGT_OP_SYNC;
}

/* The call, in the op and with the bitmap that are there. */
static void make_call(struct explore *x, struct explore_cpu *cpu)
{
	uint64_t iova = explore_first(cpu->call), end = iova + explore_size(cpu->call);
	bool open = cpu->manner->flags & EXPLORE_OPEN;
	int err;

	cpu->finish = 0;
	for (;;) {
		err = try_verb(x, cpu, iova, end - iova);
		iova = cpu->op.next;
		if (err != IOPGT_AGAIN)
			explore_judge_call(x, cpu);
		if (!open)
			finish_op(x, cpu);
		if (err != IOPGT_AGAIN || cpu->manner->flags & EXPLORE_ABANDONS || x->wrong[0])
			break;
		if (!open)
			new_call_op(x, cpu);
	}
	if (open)
		return;
	cpu->finish = ++x->now;
	explore_judge_call(x, cpu);
}

void explore_make_calls(struct explore *x, struct explore_cpu *cpu)
{
	bool open = cpu->manner->flags & EXPLORE_OPEN;

	new_call_op(x, cpu);
	make_bitmap(x, cpu);
	cpu->start = ++x->now;
	make_call(x, cpu);
	cpu->call = &x->scenario->then[x->current];
	cpu->manner = &x->scenario->manner_then[x->current];
	if (!cpu->call->pages)
		return;
	if (!open) {
		new_call_op(x, cpu);
		make_bitmap(x, cpu);
		cpu->start = ++x->now;
	}
	make_call(x, cpu);
}
