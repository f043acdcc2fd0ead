/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A contiguous group of two pages: read and cleaned whole, broken up, dissolved
 * by a scan, made again, any number of times, while walkers run. LEVEL is that
 * of break-before-make. The wait of a break-up may fail; its op is given up.
 */
#define GROUPS
#if LEVEL == 0
#define ONE_GROUP_SIZE
#endif
#include "walker.pml"

bit note[2];    /* `ungrouping` */
byte broken[2]; /* level 0: what the invalid entry keeps, or NONE */
byte found;     /* the bitmap */

#ifdef BREAK_NO_NOTE
#define IS_MEMBER(p) (contiguous[p])
#else
#define IS_MEMBER(p) (contiguous[p] || note[p])
#endif
#define IS_GROUP (IS_MEMBER(0) || IS_MEMBER(1))

#define LOST(p) (fresh[p] && page[p] != DIRTY && !(IS_GROUP && page[1 - (p)] == DIRTY))

inline check() { d_step { assert(!LOST(0)); assert(!LOST(1)) } }

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
	d_step {
		if
		:: page[p] == DIRTY -> STORE_PAGE(p, CLEAN)
		:: else
		fi
	}
}

inline clean_found(p)
{
	if
	:: found & PAGE(p) -> clean(p)
	:: else
	fi
}

inline make_dirty(p) { d_step { STORE_PAGE(p, DIRTY) } }

/* iopgt_group_is_dirty: plain loads. */
inline group_is_dirty()
{
	any = CLEAN;
	LOAD(0, seen);
	if
	:: seen == DIRTY -> any = DIRTY
	:: else
	fi;
	LOAD(1, seen);
	if
	:: seen == DIRTY -> any = DIRTY
	:: else
	fi
}

/* iopgt_group_make_dirty if it is. */
inline spread()
{
	group_is_dirty();
	if
	:: any == DIRTY -> make_dirty(0); make_dirty(1)
	:: else
	fi
}

/* change_member: compare-and-swap of the Contiguous bit and the note. */
inline change_member(p, has_contiguous, has_note)
{
	d_step { contiguous[p] = has_contiguous; note[p] = has_note; STORE_PAGE(p, page[p]) }
}

/*
 * iopgt_group_dissolve: single_out, for a scan that takes the whole group. After
 * the last page the scan looks again at what are single leaves now.
 */
inline dissolve()
{
#ifndef BREAK_DISSOLVED_UNSPREAD
	spread();
#endif
	change_member(0, 0, 0);
	change_member(1, 0, 0);
	post(PAGES);
	found = 0;
	look(0);
	look(1)
}

/* iopgt_scan_group, or scan_64 for single pages; op_finish; copy. */
inline round()
{
	look(0);
	look(1);
	if
	:: IS_GROUP && found ->
		if
#if LEVEL > 0
		:: dissolve() /* SCAN_SPLIT_CLEANED */
#endif
		:: skip
		fi
	:: else
	fi;
	if
#ifndef BREAK_READ_SINGLY
	:: IS_GROUP && found -> found = PAGES /* clean_group */
#endif
	:: else
	fi;
	clean_found(0);
	clean_found(1);
#if defined(BREAK_INVALIDATE_ONE)
	seen = (found == PAGES -> PAGE(0) : found);
	post(seen);
#elif !defined(BREAK_NO_INVALIDATION)
	post(found);
#endif
#ifdef BREAK_COPY_BEFORE_WAIT
	copy(found);
	hal_sync();
#else
	hal_sync();
	copy(found);
#endif
	found = 0
}

/* iopgt_ungroup: visit_ungroup, flush, complete_ungroup. */
inline ungroup()
{
#ifdef BREAK_SPREAD_BEFORE_WAIT
	spread();
#endif
#ifdef BREAK_PLAIN_STORE
	seen = page[0];
	d_step { contiguous[0] = 0; note[0] = 1; STORE_PAGE(0, seen) };
#else
	change_member(0, 0, 1);
#endif
	change_member(1, 0, 1);
#ifndef BREAK_UNGROUP_NO_INVALIDATION
	post(PAGES);
#endif
	if
	:: hal_sync();
#if !defined(BREAK_NOT_SPREAD) && !defined(BREAK_SPREAD_BEFORE_WAIT)
	   spread();
#endif
	   change_member(0, 0, 0);
	   change_member(1, 0, 0)
	:: hal_sync_fails()
	fi
}

/* iopgt_make_groups: visit_make. The op owes the invalidation, and is finished. */
inline make_group()
{
	change_member(0, 1, 0);
	change_member(1, 1, 0);
	post(PAGES);
	hal_sync()
}

/* --- Level 0 --- */

/* break_entries: compare-and-swap, whose value counts. */
inline break_entry(p) { d_step { broken[p] = page[p]; STORE_PAGE(p, NONE) } }

inline restore(p, state, has_contiguous)
{
	d_step { contiguous[p] = has_contiguous; STORE_PAGE(p, state); broken[p] = NONE }
}

inline ungroup_0()
{
#ifdef BREAK_STALE_VALUE
	/* What was loaded before, not what the exchange returned. */
	seen = page[0];
	break_entry(0);
	broken[0] = seen;
#else
	break_entry(0);
#endif
	break_entry(1);
	post(PAGES);
	if
	:: skip
#ifndef BREAK_NO_WAIT
	   ; hal_sync()
#endif
	   ;
#ifndef BREAK_NOT_SPREAD
	   /* broken_is_dirty */
	   any = (broken[0] == DIRTY || broken[1] == DIRTY -> DIRTY : CLEAN);
	   restore(0, any, 0); /* restore_entries */
	   restore(1, any, 0)
#else
	   restore(0, broken[0], 0);
	   restore(1, broken[1], 0)
#endif
	:: hal_sync_fails();
	   restore(0, broken[0], 1);
	   restore(1, broken[1], 1)
	fi
}

/* visit_make, complete_group */
inline make_group_0()
{
	break_entry(0);
	break_entry(1);
	post(PAGES);
	if
	:: hal_sync();
	   restore(0, broken[0], 1);
	   restore(1, broken[1], 1)
	:: hal_sync_fails();
	   restore(0, broken[0], 0);
	   restore(1, broken[1], 0)
	fi
}

active proctype software()
{
	byte seen, any;

	/* One of the two was written before, and is in no copy. */
	d_step {
		page[0] = CLEAN; page[1] = DIRTY; fresh[0] = 1; fresh[1] = 1;
		contiguous[0] = 1; contiguous[1] = 1;
		CHANGED
	};
	do
	:: check();
	   round()
	:: IS_GROUP -> check();
#if LEVEL == 0
	   ungroup_0()
#else
	   ungroup()
#endif
	:: !IS_GROUP && !note[0] && !note[1] -> check();
#if LEVEL == 0
	   make_group_0()
#else
	   make_group()
#endif
	:: check();
	   stop_devices();
	   hal_sync();
	   look(0);
	   look(1);
	   if
#ifndef BREAK_READ_SINGLY
	   :: IS_GROUP && found -> found = PAGES
#endif
	   :: else
	   fi;
	   copy(found);
	   assert(!fresh[0] && !fresh[1]);
	   found = 0;
	   start_devices()
	od
}
