/* SPDX-License-Identifier: BSD-2-Clause */
/* What walkers wrote, and what must be true of it. */
#include "explore.h"

#include <inttypes.h>
#include <stdio.h>

/* A CPU, or the setup, runs library code that is no step; memory has what is true. */
static bool go_outside(struct explore *x)
{
	bool inside = x->inside;

	x->inside = false;
	explore_tell(x, true);
	return inside;
}

static void go_back(struct explore *x, bool inside)
{
	x->inside = inside;
	explore_tell(x, !inside);
}

static bool is_reserved(const struct explore *x, uint32_t page, uint32_t verbs)
{
	const struct explore_call *call;

	for (uint32_t i = 0; (call = explore_call_of(x->scenario, i)) != NULL; i++)
		if (verbs >> call->verb & 1 && explore_covers(call, page))
			return true;
	return false;
}

#define UNMAPS   (1u << EXPLORE_UNMAP | 1u << EXPLORE_UNMAP_DIRTY)
#define MAPS     (1u << EXPLORE_MAP)
#define PROTECTS (1u << EXPLORE_PROTECT)
#define FORGETS  (1u << EXPLORE_SWITCH_ON)
#define CLEARS                                                                                     \
	(1u << EXPLORE_CLEAR | 1u << EXPLORE_READ_AND_CLEAR | 1u << EXPLORE_EACH_CLEAR |           \
	 1u << EXPLORE_UNMAP_DIRTY)

/* --- Accesses --- */

/* A walker without updates: the host's handlers let it go on, in the end. */
static bool handle_fault(struct explore *x, uint32_t page, enum walker_fault fault)
{
	struct iopgt_op op = new_op(x->f);

	if (x->f->config.dirty != IOPGT_DIRTY_SOFTWARE)
		return false;
	if (fault == WALKER_ACCESS_FLAG)
		return iopgt_handle_access_fault(x->f->table, explore_iova(page)) == IOPGT_OK;
	return fault == WALKER_PERMISSION &&
	       iopgt_handle_write_fault(x->f->table, explore_iova(page), 0, &op) == IOPGT_OK &&
	       iopgt_op_finish(&op) == IOPGT_OK;
}

/* Whether the fault is one that the walker may see at this moment. */
static bool fault_is_right(struct explore *x, uint32_t page, enum walker_fault fault)
{
	bool changes = is_reserved(x, page, UNMAPS | MAPS) || !explore_was_mapped(x, page);

	if (fault == WALKER_PERMISSION)
		return is_reserved(x, page, PROTECTS) || handle_fault(x, page, fault) ||
		       (x->f->config.dirty == IOPGT_DIRTY_SOFTWARE && changes);
	if (fault != WALKER_TRANSLATION)
		return false;
	if (changes)
		return true;
	/* Level 0, and the handler knows. */
	return x->f->bbm_level == 0 &&
	       iopgt_handle_translation_fault(x->f->table, explore_iova(page)) == IOPGT_OK;
}

enum walker_fault explore_access(struct explore *x, const struct explore_event *event,
                                 struct walker_result *result)
{
	struct walker *walker = x->f->walkers[event->walker];
	uint64_t iova = explore_iova(event->page);
	struct walker_result own;
	enum walker_fault fault;

	if (event->access == EXPLORE_PREFETCHES)
		return walker_prefetch(walker, iova);
	result = result ? result : &own;
	fault = walker_access(walker, iova,
	                      event->access == EXPLORE_WRITES ? WALKER_WRITE : WALKER_READ, result);
	if (fault == WALKER_OK && result->phys != iova + EXPLORE_OFFSET)
		explore_wrong(x, "walker %u comes to 0x%" PRIx64 " by page %u", event->walker,
		              result->phys, event->page);
	return fault;
}

static enum walker_fault access_page(struct explore *x, const struct explore_event *event,
                                     bool late)
{
	enum walker_fault fault;

	if (x->scenario->flags & EXPLORE_EARLY)
		explore_write_back(x, explore_iova(event->page));
	explore_hide(x);
	fault = late ? explore_late_access(x, event) : explore_access(x, event, NULL);
	explore_unhide(x);
	return fault;
}

void explore_event(struct explore *x, const struct explore_event *event)
{
	static const char *const texts[] = {"writes to", "reads", "prefetches"};
	bool inside = go_outside(x), late = inside && x->scenario->flags & EXPLORE_LATE;
	enum walker_fault fault = access_page(x, event, late);

	if (fault != WALKER_OK && handle_fault(x, event->page, fault))
		fault = access_page(x, event, late);
	if (x->trace)
		fprintf(stderr, "        walker %u %s page %u: %s\n", event->walker,
		        texts[event->access], event->page, fault ? "fault" : "ok");
	if (fault != WALKER_OK && !fault_is_right(x, event->page, fault))
		explore_wrong(x, "walker %u %s page %u: fault %d", event->walker,
		              texts[event->access], event->page, (int)fault);
	if (fault == WALKER_OK && event->access == EXPLORE_WRITES) {
		x->last_write[event->page] = ++x->now;
		if (!x->first_write[event->page])
			x->first_write[event->page] = x->now;
	}
	go_back(x, inside);
}

/* --- A call that has returned --- */

static bool reported(const struct explore_cpu *cpu, uint32_t page)
{
	return explore_covers(cpu->call, page) &&
	       iopgt_bitmap_test(&cpu->bitmap, explore_iova(page));
}

/* Whether another call may have taken what was written to the page. */
static bool is_taken(const struct explore *x, const struct explore_cpu *cpu, uint32_t page)
{
	const struct explore_call *call;

	for (uint32_t i = 0; (call = explore_call_of(x->scenario, i)) != NULL; i++)
		if (call != cpu->call && (UNMAPS | CLEARS | FORGETS) >> call->verb & 1 &&
		    explore_covers(call, page))
			return true;
	return false;
}

/* Loads miss what is late, if nothing syncs before. */
static bool may_miss(const struct explore *x, const struct explore_cpu *cpu)
{
	return (x->scenario->flags & EXPLORE_LATE && (cpu->call->verb == EXPLORE_READ_AND_CLEAR ||
	                                              cpu->call->verb == EXPLORE_EACH_CLEAR)) ||
	       cpu->manner->flags & EXPLORE_ABANDONS;
}

/* All that was written before the call. */
static void judge_report(struct explore *x, const struct explore_cpu *cpu)
{
	for (uint32_t i = 0; i < x->scenario->events; i++) {
		uint32_t page = x->scenario->event[i].page;

		if (explore_covers(cpu->call, page) && x->first_write[page] &&
		    x->first_write[page] < cpu->start && !reported(cpu, page) &&
		    !is_taken(x, cpu, page))
			explore_wrong(x, "%s: page %u was dirty before, and is not reported",
			              explore_verb_text(cpu->call->verb), page);
	}
}

/* What is reported is copied now; where tracking starts, all. */
static void take(struct explore *x, const struct explore_cpu *cpu)
{
	for (uint32_t i = 0; i < x->watched_count; i++) {
		uint32_t page = x->watched[i];

		if (CLEARS >> cpu->call->verb & 1 ? reported(cpu, page)
		                                  : explore_covers(cpu->call, page))
			x->taken[page] = cpu->finish;
	}
}

static void see_bits(struct explore *x)
{
	for (uint32_t i = 0; i < EXPLORE_WORDS; i++)
		x->seen[i] |= x->words[EXPLORE_GUARD + i];
}

static void judge_unmapped(struct explore *x, uint32_t page)
{
	struct walker_leaf leaf;

	for (unsigned i = 0; i < x->f->walker_count; i++) {
		if (walker_caches_iova(x->f->walkers[i], explore_iova(page)))
			explore_wrong(x, "page %u is unmapped, and walker %u has it cached", page,
			              i);
		if (walker_translate(x->f->walkers[i], explore_iova(page), &leaf) == WALKER_OK)
			explore_wrong(x, "page %u is unmapped, and is there", page);
	}
}

/* The first, the last, and one between. */
static void each_edge(struct explore *x, const struct explore_call *call,
                      void (*judge)(struct explore *x, uint32_t page))
{
	judge(x, call->first);
	judge(x, call->first + call->pages / 2);
	judge(x, call->first + call->pages - 1);
}

/* Where walkers set access flags of tables, looks must not: they would hide a loss. */
static void judge_protected(struct explore *x, uint32_t page)
{
	if (x->f->config.flags & IOPGT_CONFIG_TABLE_ACCESS_FLAG)
		return;
	for (uint32_t i = 0; i < x->f->walker_count; i++)
		if (access_page(x, &(struct explore_event){EXPLORE_WRITES, i, page}, false) ==
		    WALKER_OK)
			explore_wrong(x, "page %u is read-only, and walker %u writes to it", page,
			              i);
}

static enum walker_fault look_at_page(struct explore *x, uint32_t page)
{
	struct walker_leaf leaf;
	enum walker_fault fault;

	if (!(x->f->config.flags & IOPGT_CONFIG_TABLE_ACCESS_FLAG))
		return access_page(x, &(struct explore_event){EXPLORE_READS, 1, page}, false);
	explore_hide(x);
	fault = walker_translate(x->f->walkers[1], explore_iova(page), &leaf);
	explore_unhide(x);
	return fault;
}

static void judge_mapped(struct explore *x, uint32_t page)
{
	enum walker_fault fault = look_at_page(x, page);

	if (fault != WALKER_OK && !is_reserved(x, page, UNMAPS))
		explore_wrong(x, "page %u is mapped, and walker 1 cannot read it: fault %d", page,
		              (int)fault);
}

/* Called when the verb has returned, and again when its op is finished. */
void explore_judge_call(struct explore *x, struct explore_cpu *cpu)
{
	const struct explore_call *call = cpu->call;
	bool inside = go_outside(x);

	if (!cpu->finish && call->verb == EXPLORE_MAP)
		each_edge(x, call, judge_mapped);
	if (cpu->finish && explore_reports(call->verb) && !may_miss(x, cpu))
		judge_report(x, cpu);
	if (cpu->finish)
		see_bits(x);
	if (cpu->finish && (CLEARS | FORGETS) >> call->verb & 1)
		take(x, cpu);
	if (!cpu->finish && call->verb == EXPLORE_MAP && cpu->manner->flags & EXPLORE_DIRTY)
		for (uint32_t page = call->first; page < call->first + call->pages; page++)
			if (x->last_write[page] < cpu->start)
				x->last_write[page] = cpu->start;
	if (cpu->finish && UNMAPS >> call->verb & 1)
		for (uint32_t page = call->first; page < call->first + call->pages; page++)
			judge_unmapped(x, page);
	if (cpu->finish && call->verb == EXPLORE_PROTECT)
		each_edge(x, call, judge_protected);
	go_back(x, inside);
}

/* --- The end --- */

/* Whether the bits outside of the bitmaps are as they were. */
static void judge_guards(struct explore *x, const uint64_t *words)
{
	for (uint32_t i = 0; i < EXPLORE_GUARD; i++)
		if (words[i] || words[EXPLORE_WORDS + EXPLORE_GUARD + i])
			explore_wrong(x, "bits outside of a bitmap");
}

static void judge_bits(struct explore *x, const struct explore_cpu *cpu)
{
	const struct iopgt_bitmap *bitmap = &cpu->bitmap;

	judge_guards(x, cpu->words);
	if (bitmap->words != cpu->words + EXPLORE_GUARD)
		return;
	for (uint64_t bit = bitmap->bits; bit < EXPLORE_PAGES; bit++)
		if (bitmap->words[bit / 64] >> bit % 64 & 1)
			explore_wrong(x, "%s: bit %u of %u is set",
			              explore_verb_text(cpu->call->verb), (unsigned)bit,
			              (unsigned)bitmap->bits);
}

/* Whoever was told of a page may look again: no call takes a bit away that another one has set. */
static void judge_seen(struct explore *x)
{
	for (uint32_t i = 0; i < EXPLORE_WORDS; i++)
		if (x->seen[i] & ~x->words[EXPLORE_GUARD + i])
			explore_wrong(x, "a bit of word %u was set, and is not any more", i);
}

/* Pages that are looked at: around the ranges, at events, and their groups. */
static bool is_watched(const struct explore *x, uint32_t page)
{
	const struct explore_call *call;

	if ((page & 7) == 0 && page < 64)
		return true;
	for (uint32_t i = 0; i < x->scenario->events; i++)
		if (page == x->scenario->event[i].page)
			return true;
	for (uint32_t i = 0; (call = explore_call_of(x->scenario, i)) != NULL; i++) {
		if (call->pages == 0 || call->pages == EXPLORE_WHOLE)
			continue;
		if (page == call->first || page == call->first + call->pages - 1 ||
		    page == call->first + call->pages || page + 1 == call->first)
			return true;
	}
	return false;
}

void explore_watch(struct explore *x)
{
	x->watched_count = 0;
	for (uint32_t page = 0; page < EXPLORE_PAGES; page++)
		if (is_watched(x, page))
			x->watched[x->watched_count++] = (uint16_t)page;
}

static void judge_page(struct explore *x, uint32_t page)
{
	bool maps = is_reserved(x, page, MAPS), unmaps = is_reserved(x, page, UNMAPS);
	bool mapped = maps || (explore_was_mapped(x, page) && !unmaps);
	bool written = !is_reserved(x, page, PROTECTS);
	struct walker_leaf leaf;
	bool there = walker_translate(x->f->walkers[0], explore_iova(page), &leaf) == WALKER_OK;

	if (maps && unmaps)
		return;
	if (there != mapped)
		explore_wrong(x, "in the end page %u %s mapped", page, there ? "is" : "is not");
	if (!there)
		return;
	if (leaf.phys != explore_iova(page) + EXPLORE_OFFSET)
		explore_wrong(x, "in the end page %u has a wrong output", page);
	if (!(leaf.permissions & WALKER_MAY_WRITE) == written)
		explore_wrong(x, "in the end page %u %s writable", page, written ? "is not" : "is");
}

/* Every write is in a report taken after it, or marked still, or nobody asks for it. */
static void judge_writes(struct explore *x)
{
	uint64_t words[EXPLORE_WORDS] = {0};
	const struct iopgt_bitmap bitmap = {words, EXPLORE_BASE, EXPLORE_PAGES, 12};
	struct iopgt_op op = new_op(x->f);
	int err;

	if (x->f->config.dirty == IOPGT_DIRTY_NONE)
		return;
	op.flags |= IOPGT_OP_SYNC;
	err = iopgt_sync_dirty_log(x->f->table, EXPLORE_BASE, (uint64_t)EXPLORE_PAGES << 12,
	                           &bitmap, &op);
	if (err)
		explore_wrong(x, "the last look: %s", iopgt_strerror(err));
	for (uint32_t i = 0; i < x->watched_count; i++) {
		uint32_t page = x->watched[i];

		if (x->last_write[page] > x->taken[page] &&
		    !is_reserved(x, page, 1u << EXPLORE_UNMAP) &&
		    !(words[page / 64] >> page % 64 & 1))
			explore_wrong(x, "the last write to page %u is lost", page);
	}
}

/* Afterwards every walker's write leaves a mark, whatever it has cached. */
static void write_again(struct explore *x)
{
	for (uint32_t i = 0; i < x->scenario->events; i++) {
		struct explore_event event = x->scenario->event[i];

		event.access = EXPLORE_WRITES;
		for (event.walker = 0; event.walker < x->f->walker_count; event.walker++)
			explore_event(x, &event);
	}
}

/* Below a table that dirty verbs skip no leaf is dirty: facts of FEAT_HAFT, by the raw bits. */
static void judge_tables(struct explore *x, uint32_t page)
{
	const uint64_t walked = UINT64_C(1) << 10 | UINT64_C(1) << 53;
	uint64_t iova = explore_iova(page), table = x->f->table->root_phys;
	struct walker_leaf leaf;

	if (walker_translate(x->f->walkers[0], iova, &leaf) != WALKER_OK ||
	    leaf.dirty != WALKER_WRITABLE_DIRTY)
		return;
	for (unsigned shift = 30; shift > 12; shift -= 9) {
		uint64_t at = table + 8 * (iova >> shift & 511);
		uint64_t d = pool_little_endian(*pool_word(x->f->host.pool, at, false));

		if (at == leaf.descriptor_phys)
			return;
		if (!(d & walked))
			explore_wrong(x, "page %u is dirty, in a table of level %u that is skipped",
			              page, (39 - shift) / 9);
		table = d & UINT64_C(0xfffffffff000);
	}
}

/* Of calls that share what may be split. */
static void judge_splits(struct explore *x)
{
	uint64_t splits = 0;

	for (uint32_t i = 0; i < x->scenario->cpus; i++)
		splits += x->cpus[i].op.stats.split;
	if (x->scenario->flags & EXPLORE_ONE_SPLIT && splits > 1)
		explore_wrong(x, "%" PRIu64 " blocks were split, of 1 that may be", splits);
}

void explore_judge_end(struct explore *x)
{
	struct iopgt_finding finding;

	x->current = 0;
	/* The last look's own sync has to make what was late seen. */
	explore_tell(x, false);
	judge_writes(x);
	explore_settle(x, NULL);
	x->told = true;
	explore_free_deferred(x);
	judge_splits(x);
	for (uint32_t i = 0; i < x->scenario->cpus; i++)
		judge_bits(x, &x->cpus[i]);
	judge_guards(x, x->words);
	judge_seen(x);
	for (uint32_t i = 0; i < x->watched_count; i++)
		judge_page(x, x->watched[i]);
	if (x->f->config.flags & IOPGT_CONFIG_TABLE_ACCESS_FLAG)
		for (uint32_t i = 0; i < x->watched_count; i++)
			judge_tables(x, x->watched[i]);
	if (iopgt_check(x->f->table, &finding))
		explore_wrong(x, "iopgt_check: %s", iopgt_rule_text(finding.rule));
	write_again(x);
	judge_writes(x);
	for (unsigned i = 0; i < x->f->walker_count; i++)
		if (walker_error(x->f->walkers[i]))
			explore_wrong(x, "%s", walker_error(x->f->walkers[i]));
	if (host_violations(&x->f->host))
		explore_wrong(x, "the host: %s", x->f->host.violation);
}
