/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A block of two pages is split into them, and the pages are merged into the
 * block again, any number of times and with rounds of reading and clearing
 * between, while walkers run. LEVEL is that of break-before-make. Waits of splits and
 * merges may fail; the op of a split or merge is then given up, that of a scan is
 * finished later.
 */
#define TABLES
#define BLOCKS
#if LEVEL < 2
#define ONE_SIZE
#endif
#if LEVEL > 0
#define NO_FAULTS
#endif
#include "walker.pml"

bit unsettled; /* in the table descriptor */
byte found;    /* the bitmap */

#define LOST(p) (fresh[p] && (top == BLOCK -> block : page[p]) != DIRTY)

inline check() { d_step { assert(!LOST(0)); assert(!LOST(1)) } }

#define LOAD_BLOCK(value)                                                          \
	if                                                                         \
	:: late_block -> value = CLEAN                                             \
	:: d_step { value = block; late_block = 0 }                                \
	fi

#define STORE_BLOCK(value) block = value; late_block = 0

inline look(p)
{
	LOAD(p, seen);
	if
	:: seen == DIRTY -> found = found | PAGE(p)
	:: else
	fi
}

inline clean(p)
{
	if
	:: found & PAGE(p) -> d_step { STORE_PAGE(p, CLEAN) }
	:: else
	fi
}

/* op_finish until it succeeds: what a failed wait voided is asked for again, for all. */
inline finish()
{
	do
	:: hal_sync() -> break
	:: hal_sync_fails() -> post(EVERYTHING)
	od
}

/* --- Splitting: split_batch.c --- */

/* fill: the leaves of a table that is not linked. */
inline fill()
{
	d_step {
		page[0] = (all_clean -> CLEAN : from);
		page[1] = page[0];
		late[0] = 0;
		late[1] = 0
	}
}

/* link_slot: compare-and-swap against what the pages were filled from; else refill. */
inline link_slot()
{
	do
#ifdef BREAK_STALE_PAGES
	:: d_step { top = TABLE; unsettled = 1; no_cache = 0; late_block = 0; CHANGED };
	   break
#else
	:: d_step { block == from -> top = TABLE; unsettled = 1; no_cache = 0;
		late_block = 0; CHANGED };
	   break
	:: d_step { block != from -> from = block };
	   fill()
#endif
	od
}

/* iopgt_split_batch_flush: replace_live. `failed`: the first wait did, nothing has changed. */
inline replace_live()
{
	failed = 0;
#if LEVEL == 1 && !defined(BREAK_NO_NT)
	/* forbid_caching */
	d_step { no_cache = 1; late_block = 0 };
	post(THE_BLOCK);
#ifndef BREAK_NT_NOT_AWAITED
	if
	:: hal_sync()
	:: hal_sync_fails();
	   d_step { no_cache = 0; late_block = 0; failed = 1; CHANGED }
	fi
#endif
#endif
	;
	if
	:: failed
	:: else ->
#ifdef BREAK_LINK_BEFORE_FILL
	   d_step { page[0] = NONE; page[1] = NONE };
	   link_slot();
	   fill();
#else
	   link_slot();
#endif
#if defined(BREAK_PAGE_HINT)
	   post(PAGES); /* a last-level hint leaves the block behind */
#elif !defined(BREAK_SPLIT_NO_INVALIDATION)
	   post(THE_BLOCK);
#endif
	   /* wait_for_blocks */
	   if
	   :: hal_sync();
	      unsettled = 0 /* settle */
	   :: hal_sync_fails();
	      owes = 1
	   fi
	fi
}

/* replace_broken: break_block, wait, refill, exchange. */
inline replace_broken()
{
	failed = 0;
#ifdef BREAK_STALE_PAGES
	d_step { top = NOTHING; late_block = 0; CHANGED };
#else
	d_step { from = block; top = NOTHING; late_block = 0; CHANGED };
#endif
	post(THE_BLOCK);
#ifdef BREAK_NO_WAIT
	fill();
	d_step { top = TABLE; CHANGED };
	hal_sync()
#else
	if
	:: hal_sync();
	   fill();
	   d_step { top = TABLE; CHANGED }
	:: hal_sync_fails();
	   failed = 1;
	   d_step { STORE_BLOCK(from); top = BLOCK; CHANGED }
	fi
#endif
}

/* The block whose value is `seen`; its pages are clean, or inherit its state. */
inline split(make_clean)
{
	all_clean = make_clean;
	from = seen;
	fill();
#if LEVEL == 0
	replace_broken()
#else
	replace_live()
#endif
}

/* --- Merging: merge_batch.c --- */

/* look_at, or visit_old with OLD_COLLECT: the marks of both pages, by plain loads. */
inline collect()
{
	LOAD(0, seen);
	into = (seen == DIRTY -> DIRTY : into);
	LOAD(1, seen);
	into = (seen == DIRTY -> DIRTY : into)
}

/* put_back: the tables are linked again; a dirty block makes its pages dirty. */
inline put_back()
{
	d_step {
		seen = (top == BLOCK -> block : NONE);
		late_block = 0;
		no_cache = 0;
		top = TABLE;
#ifndef BREAK_PUT_BACK_SETTLED
		unsettled = 1;
#endif
		CHANGED
	};
#ifndef BREAK_PUT_BACK_CLEAN
	if
	:: seen == DIRTY ->
		d_step { STORE_PAGE(0, DIRTY) };
		d_step { STORE_PAGE(1, DIRTY) }
	:: else
	fi
#endif
}

/* wait_for_tables: leaves of all sizes, and walk caches. */
inline post_tables()
{
#if defined(BREAK_LEAF_ONLY)
	post(PAGES | THE_BLOCK)
#elif defined(BREAK_BLOCK_STRIDE)
	post(THE_BLOCK | WALKS)
#elif defined(BREAK_MERGE_NO_INVALIDATION)
	skip
#else
	post(PAGES | THE_BLOCK | WALKS)
#endif
}

/* visit_old with OLD_FREE. */
inline free_table()
{
	d_step {
		CHECK_FREED;
		page[0] = NONE;
		page[1] = NONE;
		late[0] = 0;
		late[1] = 0;
		unsettled = 0
	}
}

/* iopgt_merge_batch_flush, above level 0 */
inline merge()
{
	into = CLEAN;
	collect(); /* iopgt_merge_batch_add */
#if LEVEL == 1 && !defined(BREAK_MERGE_NO_NT)
	d_step { no_cache = 1; STORE_BLOCK(into); top = BLOCK; CHANGED };
#else
	d_step { STORE_BLOCK(into); top = BLOCK; CHANGED };
#endif
#if defined(BREAK_CARRY_BEFORE_WAIT)
	collect();
	into = (into == DIRTY -> DIRTY : block);
	d_step { STORE_BLOCK(into); CHANGED };
#elif defined(BREAK_FREE_BEFORE_WAIT)
	free_table();
#endif
	post_tables();
	if
	:: hal_sync();
#if defined(BREAK_CARRY_STORED)
	   collect();
	   d_step { STORE_BLOCK(into); CHANGED };
#elif !defined(BREAK_NOT_CARRIED) && !defined(BREAK_CARRY_BEFORE_WAIT)
	   collect(); /* carry: an atomic or */
	   d_step {
		if
		:: into == DIRTY -> STORE_BLOCK(DIRTY); CHANGED
		:: else
		fi
	   };
#endif
	   free_table();
#if LEVEL == 1
	   /* allow_caching */
	   d_step { no_cache = 0; CHANGED };
	   post(THE_BLOCK);
	   if
	   :: hal_sync()
	   :: hal_sync_fails()
	   fi
#endif
	:: hal_sync_fails();
	   put_back()
	fi;
	into = NONE
}

inline merge_0()
{
	into = CLEAN;
	collect();
	d_step { top = NOTHING; CHANGED };
	post_tables();
	if
	:: skip
#ifndef BREAK_NO_WAIT
	   ; hal_sync()
#endif
	   ;
#ifndef BREAK_NOT_CARRIED
	   collect();
#endif
	   d_step { STORE_BLOCK(into); top = BLOCK; CHANGED };
	   free_table()
	:: hal_sync_fails();
	   put_back()
	fi;
	into = NONE
}

/* --- Reading --- */

/* scan_block; with a policy that splits, what is cleaned is split: one wait for both. */
inline scan_block()
{
	LOAD_BLOCK(seen);
	if
	:: seen == DIRTY ->
		found = PAGES; /* iopgt_scan_report */
		if
		:: split(true); /* if that fails, the block stays dirty */
		   if
		   :: owes -> post(EVERYTHING)
		   :: else
		   fi
		:: d_step { STORE_BLOCK(CLEAN); CHANGED }; /* clean_block: it could not be split */
		   post(THE_BLOCK)
		fi
	:: else
	fi
}

/* scan_64 below a table that may be unsettled: gather_at_cursor. */
inline scan_pages()
{
	look(0);
	look(1);
	clean(0);
	clean(1);
	if
#ifndef BREAK_HINT_WHILE_UNSETTLED
	:: unsettled && found -> post(PAGES | THE_BLOCK)
#endif
	:: else -> post(found)
	fi
}

inline read_only()
{
	if
	:: top == BLOCK -> LOAD_BLOCK(seen); found = (seen == DIRTY -> PAGES : 0)
	:: else -> look(0); look(1)
	fi
}

active proctype software()
{
	byte seen, from, into;
	bit all_clean, failed, owes;

	d_step {
		top = BLOCK; block = DIRTY; fresh[0] = 1; fresh[1] = 1;
		CHANGED
	};
	do
	:: check();
	   if
	   :: top == BLOCK -> scan_block()
	   :: else -> scan_pages()
	   fi;
#ifdef BREAK_COPY_BEFORE_WAIT
	   copy(found);
	   finish();
	   skip;
#else
	   finish();
	   copy(found);
#endif
	   d_step { found = 0; seen = 0; from = 0; failed = 0; all_clean = 0; owes = 0 }
	:: top == BLOCK -> check(); /* iopgt_split_block */
	   LOAD_BLOCK(seen);
	   split(false);
	   d_step { seen = 0; from = 0; failed = 0; owes = 0 }
	:: top == TABLE && unsettled -> /* settle_table */
	   post(PAGES | THE_BLOCK);
	   if
	   :: hal_sync(); unsettled = 0
	   :: hal_sync_fails()
	   fi
	:: top == TABLE -> check(); /* iopgt_merge_page */
#if LEVEL == 0
	   merge_0();
#else
	   merge();
#endif
	   seen = 0
	:: check();
	   stop_devices();
	   hal_sync();
	   read_only();
	   copy(found);
	   assert(!fresh[0] && !fresh[1]);
	   d_step { found = 0; seen = 0 };
	   start_devices()
	od
}
