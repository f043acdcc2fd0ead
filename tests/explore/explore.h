/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An explorer of interleavings: two or three CPUs, each with one call of a verb, and
 * walkers, on one table of the library's real code. The library is built so that each
 * access of table memory is a step (LIVE_STEP in core/live.h); the HAL's calls are
 * steps too. CPUs are fibers that change places at chosen steps, and walkers access
 * memory between chosen steps: these are the placements. All of up to so many are
 * tried, or random ones.
 *
 * Steps that commute with what others do are no places: a change of CPU is placed
 * only before a step that touches an entry (by its index in its table) that another CPU
 * changes, or changes one that it looks at; an event only before one that the event
 * meets so.
 *
 * Each CPU has a store buffer: what it stored relaxed may stay unseen by other CPUs
 * until it releases, and by walkers until it publishes or invalidates (which acts after
 * all earlier stores: hal.h). Loads are not delayed: a missing acquire does not show.
 *
 * Walkers may be late (EXPLORE_LATE): loads miss what they update in a descriptor
 * until a sync, or an atomic operation on that descriptor (R_RZYCN).
 *
 * Walkers that do not snoop (IOPGT_CONFIG_NON_COHERENT) see what was cleaned, and what the
 * cache has written back before: nothing, or the way to the table (EXPLORE_EARLY).
 */
#ifndef TEST_EXPLORE_H
#define TEST_EXPLORE_H

#include <ucontext.h>

#include "fixture.h"

#include "core/live.h"

#define EXPLORE_CPUS   3
#define EXPLORE_EVENTS 4
#define EXPLORE_PAGES  1024 /* two blocks: what is looked at */
#define EXPLORE_BASE   UINT64_C(0x40200000)
#define EXPLORE_OFFSET UINT64_C(0x10000000) /* phys - iova */
#define EXPLORE_GUARD  4                    /* words around each bitmap */
#define EXPLORE_WORDS  (EXPLORE_PAGES / 64)
#define EXPLORE_MOST   8 /* placements of a run */
#define EXPLORE_STEPS  16384
#define EXPLORE_STORES 1600 /* in a CPU's store buffer */
#define EXPLORE_SPOTS  1024
/* Words at the start of the pool whose stores are found at once. */
#define EXPLORE_MAP_WORDS (1u << 18)
#define EXPLORE_LATES     256

/* Bits of who touches a spot: the CPUs, then the events; of what may be placed at a step. */
#define EXPLORE_SWITCH   ((1u << EXPLORE_CPUS) - 1)
#define EXPLORE_EVENT(i) (1u << (EXPLORE_CPUS + (i)))
#define EXPLORE_ALL      0xffu

/* --- What is run --- */

enum explore_verb {
	EXPLORE_MAP,
	EXPLORE_UNMAP,
	EXPLORE_UNMAP_DIRTY,
	EXPLORE_PROTECT, /* read-only */
	EXPLORE_SPLIT,
	EXPLORE_MERGE,
	EXPLORE_TRIM,
	EXPLORE_SYNC,
	EXPLORE_CLEAR, /* clear_dirty_log, all bits given */
	EXPLORE_READ_AND_CLEAR,
	EXPLORE_EACH,
	EXPLORE_EACH_CLEAR,
	EXPLORE_ACCESSED,
	EXPLORE_TRANSLATE,
	EXPLORE_VISIT, /* for_each_mapping */
	EXPLORE_DUMP,
	EXPLORE_WRITE_FAULT,
	EXPLORE_ACCESS_FAULT,
	EXPLORE_TRANSLATION_FAULT,
	EXPLORE_SWITCH_ON, /* iopgt_switch_dirty_log, in a domain that tracks */
	EXPLORE_SWITCH_OFF,
	EXPLORE_MERGE_COLD, /* in a domain that adapts */
	EXPLORE_VERBS,
};

#define EXPLORE_WHOLE UINT32_MAX /* pages: all of the GiB that the region lies in */

struct explore_call {
	enum explore_verb verb;
	uint32_t first, pages; /* in the region */
};

/* How it is made. */
struct explore_manner {
	uint32_t budget; /* of each part of the call; finished between, too */
	uint32_t flags;  /* of enum explore_manner_flag */
};

enum explore_manner_flag {
	EXPLORE_DIRTY = 1 << 0,    /* map: writable-dirty */
	EXPLORE_ABANDONS = 1 << 1, /* what is left when the budget is spent */
	EXPLORE_EVEN = 1 << 3,     /* clear_dirty_log: the bits of even pages alone */
	EXPLORE_OPEN = 1 << 2,     /* its op is not finished: the same verb on the same range
	                              follows, in the same op */
};

struct explore_event {
	enum {
		EXPLORE_WRITES,
		EXPLORE_READS,
		EXPLORE_PREFETCHES
	} access;
	uint32_t walker, page;
};

/* What is mapped before, writable-clean. */
enum explore_setup {
	EXPLORE_EMPTY,
	EXPLORE_SINGLES, /* pages 0 to 63 */
	EXPLORE_GROUPS,  /* groups at 16 and 32, single pages 8 to 15 and 48 to 55 */
	EXPLORE_BLOCKS,  /* both blocks */
	EXPLORE_FULL,    /* the first block, in groups, and page 512 */
	EXPLORE_HOLLOW,  /* empty tables of both blocks */
	EXPLORE_PARTS,   /* scenario.parts */
};

/* What is there for one of two calls. */
struct explore_part {
	enum explore_kind {
		EXPLORE_NOTHING,
		EXPLORE_PAGE,
		EXPLORE_GROUP,
		EXPLORE_TABLE, /* 512 pages, in groups */
		EXPLORE_SHELL, /* a table that maps nothing */
		EXPLORE_BLOCK,
	} kind;
	uint32_t first; /* page */
};

enum explore_flag {
	EXPLORE_ONE_BITMAP = 1 << 0, /* for all CPUs; else each its own, that begins at its range */
	EXPLORE_DEFERS = 1 << 1,     /* IOPGT_HAL_DEFERS_FREE */
	EXPLORE_WARM = 1 << 2,       /* walkers read the pages of their events before */
	EXPLORE_MARKED = 1 << 3,     /* walker 0 writes there before */
	EXPLORE_ONCE = 1 << 4,       /* a failed sync passes once the library knows of it */
	EXPLORE_LATE = 1 << 5,       /* loads miss what walkers update, see above */
	EXPLORE_COLD = 1 << 8,       /* tables are not walked, as after some rounds */
	EXPLORE_KEEPS = 1 << 7,      /* a domain that tracks splits nothing */
	EXPLORE_WARM_FIRST = 1 << 6, /* EXPLORE_WARM for the first event alone */
	EXPLORE_ONE_SPLIT = 1 << 11, /* EXPLORE_ADAPTS: one block may be split */
	EXPLORE_ADAPTS =
		1 << 10,        /* a domain that tracks adapts; with EXPLORE_COLD tables are cold */
	EXPLORE_EARLY = 1 << 9, /* caches write table descriptors back before each access */
};

struct explore_scenario {
	enum explore_setup setup;
	uint32_t flags;
	uint32_t cpus, events;
	struct explore_call calls[EXPLORE_CPUS];
	struct explore_call then[EXPLORE_CPUS]; /* after the first; of no page: nothing */
	struct explore_manner manner[EXPLORE_CPUS], manner_then[EXPLORE_CPUS];
	struct explore_part parts[2]; /* of EXPLORE_PARTS */
	struct explore_event event[EXPLORE_EVENTS];
	enum host_call fails; /* the nth of these, while nth is not 0 */
	uint32_t nth;
};

struct explore_bounds {
	uint32_t depth;   /* all of up to so many placements, if that is affordable: */
	uint32_t failing; /* the same where the host fails */
	uint64_t most;    /* at most about so many runs of a scenario; else less deep, */
	uint64_t random;  /* and so many random ones */
};

/* Each call of `first` with each of `second`, where that is legal; walkers late, and not. */
struct explore_family {
	struct explore_scenario scenario; /* all but the first two calls and the failures */
	const struct explore_call *first;
	uint32_t firsts;
	const struct explore_call *second;
	uint32_t seconds;
	bool (*legal)(const struct explore_call *first, const struct explore_call *second);
	bool fails; /* also with each of some failures of the host */
};

#define EXPLORE_CALLS(calls) calls, sizeof(calls) / sizeof((calls)[0])

/* At step `at`: an event, or a change of CPU. */
struct explore_placement {
	uint32_t at;
	uint8_t event; /* the number of events and more: to the next CPU but one, ... */
	bool keeps;    /* the CPU's store buffer does not drain before */
};

/* --- A run --- */

struct explore_store {
	volatile void *entry;
	uint64_t hidden; /* what those see who do not see the store, while it is out: the store */
	bool narrow;     /* 32 bits */
	bool released;   /* other CPUs see it, walkers need not */
};

struct explore_cpu {
	ucontext_t context;
	char *stack;
	const struct explore_call *call;
	const struct explore_manner *manner;
	struct iopgt_op op;
	struct iopgt_bitmap bitmap;
	uint64_t words[EXPLORE_WORDS + 2 * EXPLORE_GUARD];
	uint64_t whole[4096];   /* bits of EXPLORE_WHOLE */
	uint32_t start, finish; /* time of */
	uint32_t tries;
	bool done;
	struct explore_store stores[EXPLORE_STORES];
	uint32_t stored;
	uint16_t store_at[EXPLORE_MAP_WORDS]; /* by place in the pool: index in stores, plus 1 */
	uint64_t fresh[70];                   /* tables that it has not yet linked */
	uint32_t fresh_count;
	const volatile void *updated; /* by its last step: a table may be linked there now */
};

/* A descriptor that a walker has updated, late. */
struct explore_late {
	volatile uint64_t *entry;
	/* What is not in memory: what is true; or, while that is told, what loads see. */
	uint64_t other;
};

struct explore {
	struct fixture *f;
	uintptr_t arena;            /* where the pool lies */
	struct iopgt_walker walker; /* in a domain: all of them */
	const struct explore_scenario *scenario;
	struct explore_cpu cpus[EXPLORE_CPUS];
	uint64_t words[EXPLORE_WORDS + 2 * EXPLORE_GUARD]; /* the one bitmap */
	uint64_t seen[EXPLORE_WORDS]; /* bits of it that were set when a call was finished */
	ucontext_t main;
	uint32_t current;
	bool inside;     /* a CPU is running, its accesses are steps */
	bool every_step; /* all steps are places: to learn which are */
	bool trace;
	uint32_t now;
	/* Of each page: the first and last write since the beginning, or 0. */
	uint32_t first_write[EXPLORE_PAGES], last_write[EXPLORE_PAGES];
	uint32_t taken[EXPLORE_PAGES];   /* when it was last copied, or 0 */
	uint16_t watched[EXPLORE_PAGES]; /* pages that are looked at in the end */
	uint32_t watched_count;
	struct explore_placement placements[EXPLORE_MOST];
	uint32_t placed, next;
	uint32_t steps;
	/* Of each step: which placements make sense. */
	uint8_t stored_at[EXPLORE_STEPS], others_at[EXPLORE_STEPS], meets_at[EXPLORE_STEPS];
	/* Spots: who has read and written. */
	uint8_t read_by[EXPLORE_SPOTS], written_by[EXPLORE_SPOTS];
	const volatile void *named[EXPLORE_SPOTS]; /* those outside of tables */
	uint32_t names;
	/* HAL */
	struct explore_late late[EXPLORE_LATES];
	uint32_t lates;
	bool told;          /* memory has what is true */
	uint64_t slots[64]; /* physical addresses of descriptors that walkers have used */
	uint32_t slot_count;
	uint32_t fails_in;
	bool sync_broken;
	struct explore_cpu *learns; /* whose sync failed: its next step is to tell the others */
	struct {
		void *table;
		uint64_t phys;
		uint32_t bytes;
	} deferred[64];
	uint32_t deferred_count;
	size_t tables;   /* in use before the run */
	char wrong[240]; /* the first violation of this run */
	/* Totals */
	uint64_t runs, wrong_runs;
	bool came; /* or IOPGT_EXPLORE_CAME is not set: scenarios of no use to a mutant are left */
	uint64_t limit;                           /* of runs: more would take too long */
	uint64_t scenarios, depths[EXPLORE_MOST]; /* by how deep all were tried */
	uint64_t seed;
	struct explore_bounds bounds;
};

void explore_wrong(struct explore *x, const char *format, ...);

/* run.c: one run of a scenario with x->placements. */
void explore_run(struct explore *x);
/* A CPU that cannot go on lets the others. False: there are none. */
bool explore_yield(struct explore *x);
/* Called in a CPU before it does what others may see; `meets`: what may be placed here. */
void explore_place(struct explore *x, const char *what, const volatile void *entry, uint32_t meets);
void explore_spots_of_events(struct explore *x);

/* stores.c: store buffers. */
void explore_drain(const struct explore *x, struct explore_cpu *cpu);
/* What it has stored in lines that it cleans. */
void explore_drain_lines(const struct explore *x, struct explore_cpu *cpu, const void *memory,
                         uint32_t bytes);
void explore_buffer(struct explore *x, enum live_step step, const volatile void *entry);
/* The CPU stops, or goes on: others do not see what it has not released. */
void explore_swap_unreleased(struct explore_cpu *cpu);
/* Walkers see what they must, and no more; then as before. */
void explore_hide(struct explore *x);
void explore_unhide(struct explore *x);
bool explore_is_buffered(struct explore *x, const volatile void *entry);

/* late.c: what walkers update, and loads miss. */
/* Memory has what is true, or what loads see. Returns how it was. */
bool explore_tell(struct explore *x, bool truth);
void explore_settle(struct explore *x, const volatile void *entry); /* null: all */
void explore_forget_table(struct explore *x, uint64_t phys, uint32_t bytes);
/* An access by a walker, while memory has what is true; what it updates is late. */
enum walker_fault explore_late_access(struct explore *x, const struct explore_event *event);

/* early.c: the cache writes back what leads to the table of an address, and not that table. */
void explore_write_back(struct explore *x, uint64_t iova);

/* hal.c */
void explore_hal(struct explore *x);
void explore_free_deferred(struct explore *x);

/* setup.c */
bool explore_was_mapped(const struct explore *x, uint32_t page);
void explore_setup(struct explore *x);
void explore_teardown(struct explore *x);

/* calls.c */
/* What the CPU has to do. */
void explore_make_calls(struct explore *x, struct explore_cpu *cpu);
bool explore_reports(enum explore_verb verb);
const char *explore_verb_text(enum explore_verb verb);

static inline uint64_t explore_iova(uint32_t page)
{
	return EXPLORE_BASE + ((uint64_t)page << 12);
}

static inline uint64_t explore_first(const struct explore_call *call)
{
	return call->pages == EXPLORE_WHOLE ? UINT64_C(1) << 30 : explore_iova(call->first);
}

static inline uint64_t explore_size(const struct explore_call *call)
{
	return call->pages == EXPLORE_WHOLE ? UINT64_C(1) << 30 : (uint64_t)call->pages << 12;
}

/* All calls of a scenario, by a number from 0 on; null: no more. */
static inline const struct explore_call *explore_call_of(const struct explore_scenario *s,
                                                         uint32_t number)
{
	if (number < s->cpus)
		return &s->calls[number];
	return number < 2 * s->cpus ? &s->then[number - s->cpus] : NULL;
}

static inline bool explore_covers(const struct explore_call *call, uint32_t page)
{
	if (call->pages == EXPLORE_WHOLE)
		return true;
	return page >= call->first && page < call->first + call->pages;
}

/* judge.c */
void explore_watch(struct explore *x);
void explore_event(struct explore *x, const struct explore_event *event);
/* The access alone; `result` may be null. */
enum walker_fault explore_access(struct explore *x, const struct explore_event *event,
                                 struct walker_result *result);
void explore_judge_call(struct explore *x, struct explore_cpu *cpu);
void explore_judge_end(struct explore *x);

/* pairs.c: which verbs have met, and how deep. */
enum explore_relation {
	EXPLORE_APART,   /* no leaf in common */
	EXPLORE_SHARING, /* parts of one group or block */
	EXPLORE_SAME,    /* ranges that overlap */
	EXPLORE_RELATIONS,
};
/* Null: the contract allows it; else why not, in words. */
const char *explore_excluded(enum explore_verb a, enum explore_verb b,
                             enum explore_relation relation);
void explore_note_pair(const struct explore *x, uint32_t depth);
/* The table of what this program has run so. Returns how many allowed pairs it has not. */
uint32_t explore_print_pairs(enum explore_relation relation);

/* search.c */
void explore_begin(struct explore *x, struct fixture *f);
void explore_search(struct explore *x, const struct explore_scenario *scenario);
/* The same with each of some failures of the host. */
void explore_failing(struct explore *x, const struct explore_scenario *scenario);
void explore_family(struct explore *x, const struct explore_family *family);
bool explore_is_long(void); /* IOPGT_TEST_LONG */
/* Prints the totals, and fails the test if anything was wrong. */
void explore_end(struct explore *x);

#endif
