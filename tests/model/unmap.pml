/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iopgt_unmap_dirty of one page, of both, of a contiguous group, and of a whole
 * table, with rounds before and new mappings after, while walkers run. Page 0 stands
 * for the two entries in which an unlinked table keeps its place in the list
 * (gather.c), page 1 for all others.
 */
#define TABLES
#define GROUPS
#include "walker.pml"

byte found; /* the bitmap */

/* A walker may drop late marks of a descriptor that is gone (unmap.c), so that an
   exchange misses them: of devices that stand still, for all else would be lost. */
bit drops;

#define LOST(p)                                                                    \
	(fresh[p] && page[p] != DIRTY && !(contiguous[p] && page[1 - (p)] == DIRTY))

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
		:: (found & PAGE(p)) && page[p] == DIRTY -> STORE_PAGE(p, CLEAN)
		:: else
		fi
	}
}

inline read_and_clear()
{
	look(0);
	look(1);
	found = (found && contiguous[0] -> PAGES : found);
	clean(0);
	clean(1);
	post(found);
	hal_sync();
	copy(found);
	found = 0
}

/* iopgt_op_finish until it succeeds */
inline finish()
{
	do
	:: hal_sync() -> break
	:: hal_sync_fails() -> post(EVERYTHING)
	od
}

/* live_exchange: `seen` is what it returns. */
inline exchange(p)
{
#ifdef BREAK_STALE_VALUE
	LOAD(p, seen);
	d_step { STORE_PAGE(p, NONE) }
#else
	if
	:: drops && late[p] -> d_step { seen = CLEAN; STORE_PAGE(p, NONE) }
	:: d_step { seen = page[p]; STORE_PAGE(p, NONE) }
	fi
#endif
}

/* remove_leaf; a member's mark is for its group, which goes whole. */
inline remove_leaf(p)
{
	exchange(p);
	if
	:: seen == DIRTY && !contiguous[p] -> found = found | PAGE(p)
	:: seen == DIRTY && contiguous[p] ->
#ifdef BREAK_GROUP_AS_PAGES
		found = found | PAGE(p)
#else
		found = PAGES
#endif
	:: else
	fi
}

inline begin_unmap()
{
#ifndef BREAK_NO_FIRST_SYNC
	hal_sync() /* iopgt_unmap_dirty: iopgt_gather_sync */
#else
	skip
#endif
}

inline end_unmap(which)
{
#ifdef BREAK_COPY_BEFORE_WAIT
	copy(found);
	finish();
	skip;
#else
	finish();
	copy(found);
#endif
	d_step { found = 0; seen = 0; contiguous[0] = 0; contiguous[1] = 0 };
	d_step {
		assert(!((which) & PAGE(0)) || !fresh[0]);
		assert(!((which) & PAGE(1)) || !fresh[1])
	}
}

/* unmap_pages, for a part of a table */
inline unmap_pages(which)
{
	begin_unmap();
	if
	:: (which) & PAGE(0) -> remove_leaf(0)
	:: else
	fi;
	if
	:: (which) & PAGE(1) -> remove_leaf(1)
	:: else
	fi;
#ifndef BREAK_NO_INVALIDATION
	post(which);
#endif
	end_unmap(which)
}

/* harvest, harvest_groups: what walkers left in the unlinked table. */
inline harvest()
{
	look(1);
	if
#ifndef BREAK_GROUP_NOT_HARVESTED
	:: found && contiguous[1] -> found = PAGES
#endif
	:: else
	fi
}

/* free_tables */
inline free_table()
{
	d_step { CHECK_FREED; page[0] = NONE; page[1] = NONE; late[0] = 0; late[1] = 0 }
}

/* unlink_child, iopgt_gather_table, and what iopgt_gather_flush does with the table */
inline unmap_table()
{
	begin_unmap();
	d_step { top = NOTHING; CHANGED };
#if defined(BREAK_LEAF_ONLY)
	post(PAGES);
#elif !defined(BREAK_TABLE_NO_INVALIDATION)
	post(PAGES | WALKS);
#endif
#ifdef BREAK_LINK_STORED
	d_step { STORE_PAGE(0, NONE) };
#else
	exchange(0);
	found = (seen == DIRTY -> (contiguous[0] -> PAGES : PAGE(0)) : found); /* harvest_taken */
#endif
#ifdef BREAK_HARVEST_BEFORE_WAIT
	harvest();
#endif
#ifdef BREAK_FREE_BEFORE_WAIT
	free_table();
#endif
	finish();
#if !defined(BREAK_NOT_HARVESTED) && !defined(BREAK_HARVEST_BEFORE_WAIT)
	harvest();
#endif
	free_table();
	end_unmap(PAGES)
}

#define BOTH_MAPPED (top == TABLE && page[0] != NONE && page[1] != NONE)

inline unmap()
{
	if
	:: BOTH_MAPPED -> unmap_table()
	:: BOTH_MAPPED -> unmap_pages(PAGES)
	:: BOTH_MAPPED && !contiguous[0] -> unmap_pages(PAGE(0))
	:: page[1] != NONE && !contiguous[1] -> unmap_pages(PAGE(1))
	:: else
	fi
}

active proctype software()
{
	byte seen;

	do
	:: BOTH_MAPPED -> check();
	   read_and_clear();
	   seen = 0
	:: page[0] == NONE || page[1] == NONE -> check();
	   /* iopgt_map: from now on it is tracked, and clean */
	   d_step { contiguous[0] = 0; contiguous[1] = 0 };
	   if
	   :: page[0] == NONE && page[1] == NONE ->
		if
		:: d_step { contiguous[0] = 1; contiguous[1] = 1 }
		:: skip
		fi
	   :: else
	   fi;
	   d_step {
		page[0] = (page[0] == NONE -> CLEAN : page[0]);
		page[1] = (page[1] == NONE -> CLEAN : page[1]);
		top = TABLE;
		CHANGED
	   }
	:: check();
	   unmap()
	:: stop_devices(); /* then what had finished before must be found */
	   drops = 1;
	   unmap();
	   drops = 0;
	   start_devices()
	od
}
