/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An explorer of interleavings: two or three CPUs, each with one call of a verb, and
 * walkers, on one table of the library's real code. The library is built so that each
 * access of table memory is a step (LIVE_STEP in core/live.h); the HAL's calls are
 * steps too. CPUs are fibers that change places at chosen steps, and walkers access
 * memory between chosen steps: these are the placements. All of up to so many are
 * tried, or random ones.
 *
 * Steps that commute with all that others do are no places: a step is one only if it
 * touches an entry (by its index in its table) that another CPU or walker changes, or
 * changes one that they look at.
 *
 * Each CPU has a store buffer: what it stored relaxed may stay unseen by other CPUs
 * until it releases, and by walkers until it publishes or calls the HAL. Loads are
 * not delayed: a missing acquire does not show.
 */
#ifndef TEST_EXPLORE_H
#define TEST_EXPLORE_H

#include <ucontext.h>

#include "fixture.h"

#define EXPLORE_CPUS   3
#define EXPLORE_EVENTS 4
#define EXPLORE_PAGES  1024 /* two blocks: what is looked at */
#define EXPLORE_BASE   UINT64_C(0x40200000)
#define EXPLORE_OFFSET UINT64_C(0x10000000) /* phys - iova */
#define EXPLORE_GUARD  4                    /* words around each bitmap */
#define EXPLORE_WORDS  (EXPLORE_PAGES / 64)
#define EXPLORE_MOST   8 /* placements of a run */
#define EXPLORE_STEPS  8192
#define EXPLORE_STORES 1600 /* in a CPU's store buffer */
#define EXPLORE_SPOTS  1024

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
	EXPLORE_WRITE_FAULT,
	EXPLORE_ACCESS_FAULT,
	EXPLORE_TRANSLATION_FAULT,
	EXPLORE_VERBS,
};

struct explore_call {
	enum explore_verb verb;
	uint32_t first, pages; /* in the region */
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
};

enum explore_flag {
	EXPLORE_ONE_BITMAP = 1 << 0, /* for all CPUs; else each its own, that begins at its range */
	EXPLORE_DEFERS = 1 << 1,     /* IOPGT_HAL_DEFERS_FREE */
	EXPLORE_WARM = 1 << 2,       /* walkers read the pages of their events before */
	EXPLORE_MARKED = 1 << 3,     /* walker 0 writes there before */
	EXPLORE_ONCE = 1 << 4,       /* a failed sync passes once the library knows of it */
};

struct explore_scenario {
	enum explore_setup setup;
	uint32_t flags;
	uint32_t cpus, events;
	struct explore_call calls[EXPLORE_CPUS];
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

/* Each call of `first` with each of `second`, where that is legal. */
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
	struct iopgt_op op;
	struct iopgt_bitmap bitmap;
	uint64_t words[EXPLORE_WORDS + 2 * EXPLORE_GUARD];
	uint32_t start, finish; /* time of */
	uint32_t tries;
	bool done;
	struct explore_store stores[EXPLORE_STORES];
	uint32_t stored;
	uint64_t fresh[70]; /* tables that it has not yet linked */
	uint32_t fresh_count;
	const volatile void *updated; /* by its last step: a table may be linked there now */
};

struct explore {
	struct fixture *f;
	const struct explore_scenario *scenario;
	struct explore_cpu cpus[EXPLORE_CPUS];
	uint64_t words[EXPLORE_WORDS + 2 * EXPLORE_GUARD]; /* the one bitmap */
	ucontext_t main;
	uint32_t current;
	bool inside;     /* a CPU is running, its accesses are steps */
	bool every_step; /* all steps are places: to learn which are */
	bool trace;
	uint32_t now;
	/* Of each page: the first and last write since the beginning, or 0. */
	uint32_t first_write[EXPLORE_PAGES], last_write[EXPLORE_PAGES];
	uint16_t watched[EXPLORE_PAGES]; /* pages that are looked at in the end */
	uint32_t watched_count;
	struct explore_placement placements[EXPLORE_MOST];
	uint32_t placed, next;
	uint32_t steps;
	/* Of each step: which placements make sense. */
	uint8_t stored_at[EXPLORE_STEPS], others_at[EXPLORE_STEPS];
	/* Spots: who has read and written, walkers being one more CPU. */
	uint8_t read_by[EXPLORE_SPOTS], written_by[EXPLORE_SPOTS];
	const volatile void *named[EXPLORE_SPOTS]; /* those outside of tables */
	uint32_t names;
	/* HAL */
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
	uint64_t scenarios, depths[EXPLORE_MOST]; /* by how deep all were tried */
	uint64_t seed;
	struct explore_bounds bounds;
};

void explore_wrong(struct explore *x, const char *format, ...);

/* run.c: one run of a scenario with x->placements. */
void explore_run(struct explore *x);
/* A CPU that cannot go on lets the others. False: there are none. */
bool explore_yield(struct explore *x);
/* Called in a CPU before it does what others may see. */
void explore_place(struct explore *x, const char *what, const volatile void *entry);
void explore_drain(struct explore_cpu *cpu);
/* Walkers see what they must, and no more; then as before. */
void explore_hide(struct explore *x);
void explore_unhide(struct explore *x);
void explore_spots_of_events(struct explore *x);

/* hal.c */
void explore_hal(struct explore *x);
void explore_free_deferred(struct explore *x);

/* calls.c */
void explore_setup(struct explore *x);
void explore_make_call(struct explore *x, struct explore_cpu *cpu);
void explore_teardown(struct explore *x);
bool explore_reports(enum explore_verb verb);
const char *explore_verb_text(enum explore_verb verb);

static inline uint64_t explore_iova(uint32_t page)
{
	return EXPLORE_BASE + ((uint64_t)page << 12);
}

static inline bool explore_covers(const struct explore_call *call, uint32_t page)
{
	return page >= call->first && page < call->first + call->pages;
}

/* judge.c */
void explore_watch(struct explore *x);
void explore_event(struct explore *x, const struct explore_event *event);
void explore_judge_call(struct explore *x, struct explore_cpu *cpu);
void explore_judge_end(struct explore *x);

/* search.c */
void explore_begin(struct explore *x, struct fixture *f);
void explore_search(struct explore *x, const struct explore_scenario *scenario);
void explore_family(struct explore *x, const struct explore_family *family);
bool explore_is_long(void); /* IOPGT_TEST_LONG */
/* Prints the totals, and fails the test if anything was wrong. */
void explore_end(struct explore *x);

#endif
