/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two callers, each with one half of a contiguous group: each reads and clears its
 * half any number of times, makes a final read of it, and unmaps it in the end
 * with iopgt_unmap_dirty, which breaks the group up; so may both at once.
 * LEVEL is that of break-before-make.
 */
#define GROUPS
#define NO_FLIGHT
#if LEVEL == 0
#define ONE_GROUP_SIZE
#endif
#include "walker.pml"

bit note[2];    /* `ungrouping` */
byte broken[2]; /* level 0: what the invalid entry keeps, or NONE */
byte found;     /* the bitmap */

#define IS_MEMBER(p) (page[p] != NONE && (contiguous[p] || note[p]))
#define OTHER        (1 - p)

/* any_marked, any_page_marked: a plain load of each */
inline any_marked()
{
	LOAD(0, seen);
	marked = (seen == DIRTY);
	LOAD(1, seen);
	marked = (seen == DIRTY -> 1 : marked)
}

/* iopgt_scan_any_broken */
inline any_broken()
{
	is_broken = 0;
#if LEVEL == 0
	is_broken = (broken[0] != NONE);
	is_broken = (broken[1] != NONE -> 1 : is_broken)
#endif
}

/* look_for_marks: the place crosses an end of the range. */
inline look_for_marks()
{
	any_marked();
#ifndef BREAK_ONE_LOOK
	if
	:: marked -> is_broken = 0
	:: else ->
	   any_broken();
	   if
	   :: !is_broken -> any_marked()
	   :: else
	   fi
	fi
#endif
}

/*
 * scan_grouped_pages for this half: reports into `found`, cleans a single page.
 * busy: IOPGT_BUSY. cleaned: the page is owed its invalidation.
 */
inline scan(cleans)
{
	busy = 0;
	cleaned = 0;
	look_for_marks(); /* iopgt_scan_is_unmarked, which then takes a closer look */
	if
	:: !marked && !is_broken
	:: else ->
	   /* The entry's value: what it is is decided by this one load. */
	   d_step {
		is_broken = (broken[p] != NONE);
		member = IS_MEMBER(p);
		seen = NONE
	   };
	   if
	   :: is_broken -> busy = 1
	   :: !is_broken && member -> /* iopgt_scan_group: not cleaned, since it is not whole */
#ifdef BREAK_MEMBERS_AGAIN
		/* Only entries that are members still count. */
		member = (IS_MEMBER(0) && page[0] == DIRTY && !late[0]);
		marked = (IS_MEMBER(1) && page[1] == DIRTY && !late[1] -> 1 : member);
		is_broken = 0;
#else
		look_for_marks();
#endif
		if
		:: !marked && is_broken -> busy = 1
		:: marked -> found = found | PAGE(p)
		:: else
		fi
	   :: else ->
#ifndef BREAK_SINGLE_TOO_SOON
		any_broken();
#endif
		if
		:: is_broken -> busy = 1
		:: else -> /* scan_64 */
		   LOAD(p, seen);
		   if
		   :: seen == DIRTY ->
			found = found | PAGE(p);
			if
			:: cleans ->
				d_step {
					if
					:: page[p] == DIRTY -> STORE_PAGE(p, CLEAN)
					:: else
					fi
				};
				cleaned = 1
			:: else
			fi
		   :: else
		   fi
		fi
	   fi
	fi;
	d_step { seen = 0; marked = 0; is_broken = 0; member = 0 }
}

inline change_member(q, has_contiguous, has_note)
{
	d_step {
		if
		:: IS_MEMBER(q) ->
			contiguous[q] = has_contiguous;
			note[q] = has_note;
			STORE_PAGE(q, page[q])
		:: else
		fi
	}
}

/* iopgt_group_make_dirty, of one member */
inline make_dirty(q)
{
	d_step {
		if
		:: IS_MEMBER(q) -> STORE_PAGE(q, DIRTY)
		:: else
		fi
	}
}

/* complete_ungroup, above level 0 */
inline complete()
{
	marked = 0;
	/* iopgt_group_is_dirty: members alone */
	if
	:: atomic { IS_MEMBER(0) -> LOAD(0, seen) }; marked = (seen == DIRTY)
	:: else
	fi;
	if
	:: atomic { IS_MEMBER(1) -> LOAD(1, seen) }; marked = (seen == DIRTY -> 1 : marked)
	:: else
	fi;
#ifndef BREAK_NOT_SPREAD
	if
	:: marked -> make_dirty(0); make_dirty(1)
	:: else
	fi;
#endif
	change_member(0, 0, 0);
	change_member(1, 0, 0)
}

/* break_entries of one member */
inline break_entry(q)
{
	d_step {
		if
		:: page[q] != NONE -> broken[q] = page[q]; STORE_PAGE(q, NONE)
		:: else
		fi
	}
}

inline restore(q)
{
	d_step {
		if
		:: broken[q] != NONE ->
			contiguous[q] = 0;
			STORE_PAGE(q, (marked -> DIRTY : broken[q]));
			broken[q] = NONE
		:: else
		fi
	}
}

/* iopgt_ungroup_ends: visit_ungroup, flush, completion */
inline ungroup()
{
	busy = 0;
	d_step { is_broken = (broken[p] != NONE); member = IS_MEMBER(p) };
	if
	:: is_broken -> busy = 1
	:: !is_broken && !member
	:: else ->
#if LEVEL == 0
	   /* The first member decides which of two calls goes on. */
	   d_step {
		busy = (page[0] == NONE);
		if
		:: !busy -> broken[0] = page[0]; STORE_PAGE(0, NONE)
		:: else
		fi
	   };
	   if
	   :: busy
	   :: else ->
		break_entry(1);
		post(PAGES);
		hal_sync();
		marked = (broken[0] == DIRTY || broken[1] == DIRTY);
		restore(0);
		restore(1)
	   fi
#else
	   change_member(0, 0, 1);
	   change_member(1, 0, 1);
	   post(PAGES);
	   hal_sync();
	   complete()
#endif
	fi;
	d_step { seen = 0; marked = 0; is_broken = 0; member = 0 }
}

proctype half(byte p)
{
	byte seen;
	bit marked, is_broken, member, busy, cleaned;

	do
	:: page[p] != NONE || broken[p] != NONE -> /* iopgt_read_and_clear_dirty, finish, copy */
	   scan(true);
	   if
	   :: cleaned -> post(PAGE(p)); hal_sync()
	   :: else
	   fi;
	   d_step {
		fresh[p] = (found & PAGE(p) -> 0 : fresh[p]);
		found = found & ~PAGE(p);
		busy = 0;
		cleaned = 0
	   }
	:: page[p] != NONE || broken[p] != NONE -> /* the final read, until it is not busy */
	   stop_devices();
	   hal_sync();
	   do
	   :: scan(false);
	      if
	      :: busy -> skip
	      :: !busy -> break
	      fi
	   od;
	   skip;
	   d_step {
		fresh[p] = (found & PAGE(p) -> 0 : fresh[p]);
		found = found & ~PAGE(p)
	   };
	   assert(!fresh[p]);
	   start_devices()
	:: page[p] != NONE || broken[p] != NONE -> /* iopgt_unmap_dirty */
	   hal_sync();
	   do
	   :: ungroup();
	      if
	      :: busy -> skip
	      :: !busy -> break
	      fi
	   od;
	   /* unmap_pages: IOPGT_BUSY on a broken entry */
	   broken[p] == NONE;
	   /* remove_leaf: a member's mark is for its group, as far as the range goes */
	   d_step {
		found = (page[p] == DIRTY -> found | PAGE(p) : found);
		STORE_PAGE(p, NONE);
		note[p] = 0;
		contiguous[p] = 0
	   };
	   post(PAGE(p));
	   hal_sync();
	   d_step {
		fresh[p] = (found & PAGE(p) -> 0 : fresh[p]);
		found = found & ~PAGE(p)
	   };
	   assert(!fresh[p]);
	   break
	od
}

init
{
	d_step {
		page[0] = CLEAN; page[1] = DIRTY; fresh[0] = 1; fresh[1] = 1;
		contiguous[0] = 1; contiguous[1] = 1;
		CHANGED
	};
	atomic { run half(0); run half(1) }
}
