/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dirty state is read and cleared while walkers run: switch-on, any number of
 * rounds, a final read, and devices that may run on after it.
 */
#include "walker.pml"

byte found; /* the bitmap */
bit cleared;

#define LOST(p) (fresh[p] && page[p] != DIRTY)

/* Between rounds: what was written since its copy is marked in the table. */
inline check() { d_step { assert(!LOST(0)); assert(!LOST(1)) } }

/* scan_64: scan_dirty_mask, a plain load a page; then the bitmap. */
inline read(p)
{
	LOAD(p, seen);
	if
	:: seen == DIRTY -> found = found | PAGE(p)
	:: else
	fi
}

/* clean_pages: marks_clean, an atomic operation on what was found dirty. */
inline clean(p)
{
#if defined(BREAK_PLAIN_STORE)
	/* An older copy without its mark, whatever a walker did since. */
	d_step { STORE_PAGE(p, CLEAN) }
#else
	d_step {
		if
		:: found & PAGE(p) -> STORE_PAGE(p, CLEAN)
		:: else
		fi
	}
#endif
}

/* iopgt_read_and_clear_dirty, iopgt_op_finish, copy. */
inline round()
{
#ifdef BREAK_INVALIDATE_FIRST
	post(PAGES);
	hal_sync();
#endif
	read(0);
	read(1);
	clean(0);
	clean(1);
#ifdef BREAK_COPY_BEFORE_WAIT
	copy(found);
#endif
#if !defined(BREAK_NO_INVALIDATION) && !defined(BREAK_INVALIDATE_FIRST)
	/* owe_pages: iopgt_gather_leaves; then iopgt_gather_flush: post_all */
	post(found);
#endif
#ifndef BREAK_NO_WAIT
	hal_sync(); /* iopgt_gather_sync */
#endif
#ifndef BREAK_COPY_BEFORE_WAIT
	copy(found);
#endif
	found = 0
}

active proctype software()
{
	byte seen;

	/* Before, nothing was tracked: iopgt_map makes writable-dirty leaves. */
	d_step { page[0] = DIRTY; page[1] = DIRTY; fresh[0] = 1; fresh[1] = 1; CHANGED };

	/* iopgt_set_dirty_tracking: switch_on, a scan that cleans; finish; the first full copy. */
	found = PAGES;
	clean(0);
	clean(1);
	post(PAGES);
#ifdef BREAK_START_COPY_FIRST
	copy(PAGES);
	hal_sync();
#else
	hal_sync();
	copy(PAGES);
#endif
	found = 0;
	do
	:: check();
	   round()
	:: check();
	   /* The final read: IOPGT_OP_SYNC after the devices have stopped. */
	   stop_devices();
#ifndef BREAK_NO_FINAL_SYNC
	   hal_sync(); /* iopgt_scan_run */
#endif
	   read(0);
	   read(1);
	   if
	   :: skip /* IOPGT_OP_NO_CLEAR */
	   :: clean(0); clean(1); post(found);
#ifndef BREAK_RUN_ON_UNFINISHED
	      hal_sync();
#endif
	   fi;
	   copy(found);
	   assert(!fresh[0] && !fresh[1]);
	   found = 0;
	   seen = 0;
	   start_devices(); /* cancelled: they run on */
#ifdef BREAK_RUN_ON_UNFINISHED
	   /* The op is finished when it is too late. */
	   hal_sync();
#endif
	od
}
