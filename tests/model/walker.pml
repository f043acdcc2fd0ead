/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two walkers, the host that invalidates them, and what a write is. Included by
 * each model, which says before what there is besides two pages:
 *
 *     GROUPS    the pages may be a contiguous group
 *     TABLES    the table of the pages may be linked or not; walkers cache the link
 *     BLOCKS    a block may take the table's place (asks for TABLES)
 *     ONE_SIZE  no walker may have a page and the block cached at once
 *     ONE_GROUP_SIZE  nor a page and the group
 *     FLAG      two levels of tables above the pages, whose descriptors have access
 *               flags that walkers set; LOWERS: how many tables of the lower level
 *     ONE_WALKER  the ATS device asks for nothing
 *     NO_SHOW   marks may be late for ever (where no final read is modelled)
 *     NO_FLIGHT what walker 0 may write arrives at once: one that came later would be as
 *               one that was let through later, by an entry not yet forgotten
 *     LAZY      TLBs and walk caches take in and evict at any time
 *     NO_FAULTS an access never meets an invalid entry (with TABLES)
 *
 * Walker 0 is a device behind an SMMU, walker 1 an ATS device behind another.
 * Each has a TLB of its own; the ATS device also holds the translations that it
 * asked for, which mark at the request and are written through later. Writes
 * never end and are not counted, so that every number of them is covered.
 *
 * A TLB takes in whatever it can at once, and keeps the best of it (dirty before
 * clean) until it is told to forget; but its device may act as if it had less. So
 * late fills and evictions are covered without states of their own; LAZY has them.
 */

/* A page or block in memory, or in a TLB. */
#define NONE  0 /* invalid, not cached */
#define CLEAN 1
#define DIRTY 2

/* Where pages are taken together: of a bitmap, of an invalidation. */
#define PAGE(p)    (1 << (p))
#define PAGES      3
#define THE_BLOCK  4
#define THE_GROUP  8
#define WALKS      16 /* walk caches */
#define EVERYTHING 31

byte page[2]; /* the entries of the last-level table */
byte late[2]; /* who made the mark that plain loads may miss still: walker + 1, or 0 */
byte tlb[4];  /* [2 * walker + page] */
bit atc[2];   /* the ATS device may write the page by itself */
byte flight;  /* of walker 0: page + 1 that it may write now, or 0 */
bit drain;    /* ... by an entry that was invalidated since */
bit fresh[2]; /* the page was written since it was copied last */
byte stopped; /* how many callers have the devices stand still */

byte posted[2];  /* to the TLBs: invalidations handed over, not carried out */
byte posted_atc; /* the same to the ATS device */
byte owed_atc;   /* pages that it is to forget in the next sync */

#define SETTLES 4 /* in late[]: will be visible when the sync is complete */

#define TLB(w, p)        tlb[2 * (w) + (p)]
#define RAISE(to, value) to = ((value) > to -> (value) : to)

#ifdef GROUPS
bit contiguous[2];
byte tlb_group[2];
#endif

#ifdef TABLES
#define NOTHING 0
#define TABLE   1
#define BLOCK   2
byte top; /* the entry that links the table, or is the block */
bit walk_cache[2];
#define WALKS_TO(w, p) (walk_cache[w])
#elif defined(FLAG)
#define LOWER(p) (LOWERS == 1 -> 0 : (p))
bit upper_af = 1, upper_h, upper_cache[2];
bit lower_af[2], lower_h[2]; /* [LOWER(page)] */
bit lower_cache[4];          /* [2 * walker + LOWER(page)] */
byte late_upper, late_lower[2]; /* as late[], of the flags */
#define LOWER_CACHE(w, p) lower_cache[2 * (w) + LOWER(p)]
#define WALKS_TO(w, p)    (LOWER_CACHE(w, p))
#else
#define WALKS_TO(w, p) true
#endif

#ifdef BLOCKS
byte block;   /* its state, while top is BLOCK */
bit no_cache; /* nT */
byte late_block;
byte tlb_block[2];
#endif

#ifdef ONE_GROUP_SIZE
#define AS_PAGE(p) (!contiguous[p])
#else
#define AS_PAGE(p) true /* a member may be cached alone, too */
#endif

/* --- TLBs take in what stands in memory --- */

#define TAKE_PAGE(w, p)                                                            \
	if                                                                         \
	:: WALKS_TO(w, p) && AS_PAGE(p) -> RAISE(TLB(w, p), page[p])               \
	:: else                                                                    \
	fi
#ifdef GROUPS
#define TAKE_GROUP(w, p)                                                           \
	if                                                                         \
	:: WALKS_TO(w, p) && contiguous[p] -> RAISE(tlb_group[w], page[p])         \
	:: else                                                                    \
	fi;
#else
#define TAKE_GROUP(w, p)
#endif
#ifdef TABLES
#define TAKE_LINK(w) RAISE(walk_cache[w], (top == TABLE));
#else
#define TAKE_LINK(w)
#endif
#ifdef BLOCKS
#define TAKE_BLOCK(w)                                                              \
	if                                                                         \
	:: top == BLOCK && !no_cache -> RAISE(tlb_block[w], block)                 \
	:: else                                                                    \
	fi;
#else
#define TAKE_BLOCK(w)
#endif

#ifdef ONE_SIZE
#define CHECK_SIZES(w) assert(tlb_block[w] == NONE || (TLB(w, 0) == NONE && TLB(w, 1) == NONE));
#elif defined(ONE_GROUP_SIZE)
#define CHECK_SIZES(w) assert(tlb_group[w] == NONE || (TLB(w, 0) == NONE && TLB(w, 1) == NONE));
#else
#define CHECK_SIZES(w)
#endif

#ifdef NO_FAULTS
#define CHECK_FAULTS(w)                                                            \
	assert(top != NOTHING && (!walk_cache[w] || (page[0] != NONE && page[1] != NONE)));
#else
#define CHECK_FAULTS(w)
#endif

#ifdef LAZY
#define WALK(w)
#define LAZY_PAGE(w, p)                                                            \
	:: d_step { WALKS_TO(w, p) && AS_PAGE(p) && TLB(w, p) != page[p] ->        \
		TLB(w, p) = page[p]; CHECK_SIZES(w) skip }                         \
	:: d_step { TLB(w, p) != NONE -> TLB(w, p) = NONE }
#ifdef GROUPS
#define LAZY_GROUP(w, p)                                                           \
	:: d_step { WALKS_TO(w, p) && contiguous[p] && tlb_group[w] != page[p] ->  \
		tlb_group[w] = page[p]; CHECK_SIZES(w) skip }                      \
	:: d_step { tlb_group[w] != NONE -> tlb_group[w] = NONE }
#else
#define LAZY_GROUP(w, p)
#endif
#ifdef BLOCKS
#define LAZY_BLOCK(w)                                                              \
	:: d_step { top == BLOCK && !no_cache && tlb_block[w] != block ->          \
		tlb_block[w] = block; CHECK_SIZES(w) skip }                        \
	:: d_step { tlb_block[w] != NONE -> tlb_block[w] = NONE }
#else
#define LAZY_BLOCK(w)
#endif
#ifdef TABLES
#define LAZY_LINK(w)                                                               \
	:: d_step { top == TABLE && !walk_cache[w] -> walk_cache[w] = 1 }          \
	:: d_step { walk_cache[w] -> walk_cache[w] = 0 }
#else
#define LAZY_LINK(w)
#endif
#define LAZY_STEPS(w)                                                              \
	LAZY_PAGE(w, 0) LAZY_PAGE(w, 1) LAZY_GROUP(w, 0) LAZY_GROUP(w, 1)          \
	LAZY_BLOCK(w) LAZY_LINK(w)
#else
#define LAZY_STEPS(w)
#define WALK(w)                                                                    \
	TAKE_LINK(w) TAKE_PAGE(w, 0); TAKE_PAGE(w, 1);                             \
	TAKE_GROUP(w, 0) TAKE_GROUP(w, 1) TAKE_BLOCK(w) CHECK_SIZES(w) CHECK_FAULTS(w)
#endif

/* Ends every step that changes what walkers can see. */
#ifdef ONE_WALKER
#define CHANGED WALK(0) skip
#else
#define CHANGED WALK(0) WALK(1) skip
#endif

/* --- What software does to live memory: live.h --- */

#ifdef NO_SHOW
#define IS_LATE(l)     true
#define SET_LATE(l, w) skip
#else
#define IS_LATE(l)     (l)
#define SET_LATE(l, w) l = (w) + 1
#endif

/* live_load: a walker's mark that is late may be missed; once seen, it stays so. */
#define LOAD(p, value)                                                             \
	if                                                                         \
	:: IS_LATE(late[p]) -> value = CLEAN                                                \
	:: d_step { value = page[p]; late[p] = 0 }                                 \
	fi

/* An atomic read-modify-write sees every mark (R_SGJBL). */
#define STORE_PAGE(p, value) page[p] = value; late[p] = 0; CHANGED

/* --- The host: hal.h --- */

/* invalidate_range, or several of them. The ATS device is told in the sync. */
inline post(what)
{
	d_step {
		posted[0] = posted[0] | (what);
		posted[1] = posted[1] | (what);
#ifdef GROUPS
		/* What was cached of a group goes for sure only with its whole range. */
		posted[0] = posted[0] | (((what) & PAGES) == PAGES -> THE_GROUP : 0);
		posted[1] = posted[1] | (((what) & PAGES) == PAGES -> THE_GROUP : 0);
#endif
		owed_atc = owed_atc | ((what) & THE_BLOCK -> PAGES : (what) & PAGES)
	}
}

/* A mark of a transaction that is over becomes visible with the next sync. */
#define SETTLE_FINISHED(l, is_over)                                                \
	if                                                                         \
	:: l == 2 || (l == 1 && is_over) -> l = l | SETTLES                        \
	:: else                                                                    \
	fi
#define SHOW(l) l = (l & SETTLES -> 0 : l)

inline hal_sync_begins()
{
	d_step {
		SETTLE_FINISHED(late[0], flight != 1);
		SETTLE_FINISHED(late[1], flight != 2);
#ifdef BLOCKS
		SETTLE_FINISHED(late_block, !flight)
#endif
#ifdef FLAG
		SETTLE_FINISHED(late_upper, true);
		SETTLE_FINISHED(late_lower[0], true);
		SETTLE_FINISHED(late_lower[1], true)
#endif
	}
}

inline hal_sync_ends()
{
	d_step {
		SHOW(late[0]);
		SHOW(late[1]);
#ifdef BLOCKS
		SHOW(late_block)
#endif
#ifdef FLAG
		SHOW(late_upper);
		SHOW(late_lower[0]);
		SHOW(late_lower[1])
#endif
	}
}

/* What an SMMU's CMD_SYNC waits for: the TLBs have forgotten, and accesses by that are over. */
#define TLBS_DONE (!posted[0] && !posted[1] && !drain)

/*
 * hal.h, sync. The ATS device forgets after the TLB from which it could ask
 * again (IHI 0070 3.9.1).
 */
inline hal_sync()
{
	hal_sync_begins();
#if defined(BREAK_ATC_FIRST)
	d_step { posted_atc = owed_atc; owed_atc = 0 };
	posted_atc == 0;
	TLBS_DONE;
#elif defined(BREAK_NO_ATC)
	TLBS_DONE;
	owed_atc = 0;
#elif defined(BREAK_NO_DRAIN)
	!posted[0] && !posted[1];
	d_step { drain = 0; posted_atc = owed_atc; owed_atc = 0 };
	posted_atc == 0;
#else
	d_step { TLBS_DONE -> posted_atc = posted_atc | owed_atc; owed_atc = 0 };
	posted_atc == 0;
#endif
	hal_sync_ends()
}

/* sync fails: nothing that was posted since the last one counts. */
inline hal_sync_fails()
{
	d_step {
		posted[0] = 0;
		posted[1] = 0;
		posted_atc = 0;
		owed_atc = 0;
		drain = 0
	}
}

/* The devices stop: what they began is finished. */
inline stop_devices() { d_step { flight == 0 -> stopped++ } }
inline start_devices() { stopped-- }

/* --- Devices --- */

/* Whether the device may ask to write now, and that it got the right to. */
#ifdef NO_FLIGHT
#define NEWS(w, p) ((w) != 0 || !fresh[p]) /* or nothing would change */
#else
#define NEWS(w, p) true
#endif
#define WANTS(w, p) (!stopped && ((w) == 0 -> flight == 0 : !atc[p]))
#ifdef NO_FLIGHT
#define LET_GO(p) fresh[p] = 1
#else
#define LET_GO(p) flight = (p) + 1
#endif
#define GRANT(w, p)                                                                \
	if                                                                         \
	:: (w) == 0 -> LET_GO(p)                                                   \
	:: else -> atc[p] = 1                                                      \
	fi

#define MARK(w, state, l)                                                          \
	if                                                                         \
	:: state == CLEAN -> state = DIRTY; SET_LATE(l, w); CHANGED                \
	:: else                                                                    \
	fi

/*
 * A dirty entry is written through; a clean one, or one found by a walk, is
 * checked against memory, and what stands there counts (R_SGJBL).
 */
#define PAGE_WRITES(w, p)                                                          \
	:: d_step { WANTS(w, p) && TLB(w, p) == DIRTY && NEWS(w, p) -> GRANT(w, p) } \
	:: d_step { WANTS(w, p) && page[p] == CLEAN &&                             \
		    (TLB(w, p) != NONE || WALKS_TO(w, p)) ->                       \
		MARK(w, page[p], late[p]); GRANT(w, p) }

#ifdef GROUPS
/* A group that is cached clean may mark any member for a write to any (R_JKCXG). */
#define GROUP_WRITES(w, p)                                                         \
	:: d_step { WANTS(w, p) && tlb_group[w] == DIRTY -> GRANT(w, p) }          \
	:: d_step { WANTS(w, p) && tlb_group[w] != NONE && page[1 - (p)] == CLEAN -> \
		MARK(w, page[1 - (p)], late[1 - (p)]); GRANT(w, p) }               \
	:: d_step { WANTS(w, p) && tlb_group[w] != NONE && page[p] == CLEAN ->     \
		MARK(w, page[p], late[p]); GRANT(w, p) }
#else
#define GROUP_WRITES(w, p)
#endif

#ifdef BLOCKS
#define BLOCK_WRITES(w, p)                                                         \
	:: d_step { WANTS(w, p) && tlb_block[w] == DIRTY -> GRANT(w, p) }          \
	:: d_step { WANTS(w, p) && top == BLOCK && (block == CLEAN || no_cache) -> \
		MARK(w, block, late_block); GRANT(w, p) }
#else
#define BLOCK_WRITES(w, p)
#endif

#ifdef FLAG
/*
 * A walk through a table sets its flag (R_CGKWB), and may be cached from then on.
 * One that begins in the cache of the upper level sets the lower flag alone.
 */
#define FLAG_UP(w, af, l)                                                          \
	l = (af -> l : (w) + 1);                                                   \
	af = 1
#define LOWER_WALK(w, p)                                                           \
	:: d_step { upper_cache[w] && (!LOWER_CACHE(w, p) || !lower_af[LOWER(p)]) -> \
		FLAG_UP(w, lower_af[LOWER(p)], late_lower[LOWER(p)]);              \
		LOWER_CACHE(w, p) = 1; WALK(w) skip }
#if LOWERS == 1
#define WALKS_THROUGH(w) UPPER_WALK(w) LOWER_WALK(w, 0)
#else
#define WALKS_THROUGH(w) UPPER_WALK(w) LOWER_WALK(w, 0) LOWER_WALK(w, 1)
#endif
#define UPPER_WALK(w)                                                              \
	:: d_step { !upper_cache[w] || !upper_af ->                                \
		FLAG_UP(w, upper_af, late_upper); upper_cache[w] = 1 }
#else
#define WALKS_THROUGH(w)
#endif

/* --- Invalidations are carried out, some time before the sync is complete --- */

#define FORGET(w, what, entry) entry = (posted[w] & (what) -> NONE : entry)
#define SETTLE(w, l)           l = (l == (w) + 1 -> l | SETTLES : l)

#ifdef GROUPS
#define FORGET_GROUP(w) FORGET(w, THE_GROUP, tlb_group[w]);
#else
#define FORGET_GROUP(w)
#endif
#ifdef BLOCKS
#define FORGET_BLOCK(w) FORGET(w, THE_BLOCK, tlb_block[w]); SETTLE(w, late_block);
#else
#define FORGET_BLOCK(w)
#endif
#ifdef TABLES
#define FORGET_WALKS(w) FORGET(w, WALKS, walk_cache[w]);
#elif defined(FLAG)
#define FORGET_WALKS(w)                                                            \
	FORGET(w, WALKS, upper_cache[w]); FORGET(w, WALKS, LOWER_CACHE(w, 0));     \
	FORGET(w, WALKS, LOWER_CACHE(w, 1));                                       \
	SETTLE(w, late_upper); SETTLE(w, late_lower[0]); SETTLE(w, late_lower[1]);
#else
#define FORGET_WALKS(w)
#endif

#define INVALIDATIONS(w)                                                           \
	:: d_step { posted[w] ->                                                   \
		FORGET(w, PAGE(0), TLB(w, 0)); FORGET(w, PAGE(1), TLB(w, 1));      \
		SETTLE(w, late[0]); SETTLE(w, late[1]);                            \
		FORGET_GROUP(w) FORGET_BLOCK(w) FORGET_WALKS(w)                    \
		drain = ((w) == 0 && flight -> 1 : drain);                         \
		posted[w] = 0;                                                     \
		WALK(w) skip }

active proctype walker_0()
{
end:	do
	PAGE_WRITES(0, 0)
	PAGE_WRITES(0, 1)
	GROUP_WRITES(0, 0)
	GROUP_WRITES(0, 1)
	BLOCK_WRITES(0, 0)
	BLOCK_WRITES(0, 1)
	WALKS_THROUGH(0)
	LAZY_STEPS(0)
	INVALIDATIONS(0)
	/* The data of the write that was let through arrives. */
	:: d_step { flight -> fresh[flight - 1] = 1; flight = 0; drain = 0 }
	od
}

active proctype walker_1()
{
end:	do
#ifndef ONE_WALKER
	PAGE_WRITES(1, 0)
	PAGE_WRITES(1, 1)
	GROUP_WRITES(1, 0)
	GROUP_WRITES(1, 1)
	BLOCK_WRITES(1, 0)
	BLOCK_WRITES(1, 1)
	WALKS_THROUGH(1)
	LAZY_STEPS(1)
#endif
	INVALIDATIONS(1)
	:: d_step { atc[0] && !stopped && !fresh[0] -> fresh[0] = 1 }
	:: d_step { atc[1] && !stopped && !fresh[1] -> fresh[1] = 1 }
	:: d_step { posted_atc ->
		atc[0] = (posted_atc & PAGE(0) -> 0 : atc[0]);
		atc[1] = (posted_atc & PAGE(1) -> 0 : atc[1]);
		posted_atc = 0 }
	od
}

/* --- The property --- */

/* Taken from the page as it is now; later writes are not in it. */
inline copy(which)
{
	d_step {
		fresh[0] = ((which) & PAGE(0) -> 0 : fresh[0]);
		fresh[1] = ((which) & PAGE(1) -> 0 : fresh[1])
	}
}

#ifdef TABLES
/* Memory that goes back to the host must be out of reach. */
#define CHECK_FREED                                                                \
	assert(!walk_cache[0] && !walk_cache[1]);                                  \
	assert(TLB(0, 0) == NONE && TLB(0, 1) == NONE && TLB(1, 0) == NONE && TLB(1, 1) == NONE)
#endif
