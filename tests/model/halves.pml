/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two callers, each with one half of a contiguous group: each reads and clears its
 * half any number of times, makes a final read of it, and unmaps it in the end
 * with iopgt_unmap_dirty, which breaks the group up; so may both at once. The wait
 * of a break-up may fail.
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
byte unmapped;  /* callers that are done */

#define IS_MEMBER(p) (page[p] != NONE && (contiguous[p] || note[p]))
#define OTHER        (1 - p)

/*
 * marks_of: of leaves, and of entries that are broken at this moment. Two looks that
 * step over these may both miss the mark: the group may be put back between them, its
 * wait having failed, and broken again.
 */
#ifdef BREAK_BROKEN_UNSEEN
#define LOAD_MARK(q) LOAD(q, seen)
#else
#define LOAD_MARK(q)                                                               \
	if                                                                         \
	:: atomic { broken[q] != NONE -> seen = broken[q] }                        \
	:: atomic { broken[q] == NONE -> LOAD(q, seen) }                           \
	fi
#endif

/* iopgt_group_leaf_marks */
inline any_marked()
{
	LOAD_MARK(0);
	marked = (seen == DIRTY);
	LOAD_MARK(1);
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

/* look_for_marks, iopgt_scan_is_unmarked: the place crosses an end of the range. */
#ifdef BREAK_ONE_LOOK
#define LOOK_TWICE(marks) marks()
#else
#define LOOK_TWICE(marks)                                                          \
	marks();                                                                   \
	if                                                                         \
	:: marked -> is_broken = 0                                                 \
	:: else ->                                                                 \
	   any_broken();                                                           \
	   if                                                                      \
	   :: !is_broken -> marks()                                                \
	   :: else                                                                 \
	   fi                                                                      \
	fi
#endif

/*
 * scan_grouped_pages for this half: reports into `found`, cleans a single page.
 * busy: IOPGT_BUSY. cleaned: the page is owed its invalidation.
 */
inline scan(cleans)
{
	busy = 0;
	cleaned = 0;
	LOOK_TWICE(any_marked); /* iopgt_scan_is_unmarked */
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
		LOOK_TWICE(any_marked);
#endif
		if
		:: !marked && is_broken -> busy = 1
		:: marked -> found = found | PAGE(p)
		:: else
		fi
	   :: else ->
		/* Of several pages some might not be back yet. */
		any_broken();
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

/* iopgt_group_change of one entry: compare-and-swap while it is a member */
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
inline make_dirty(q)
{
	d_step {
		if
		:: IS_MEMBER(q) -> STORE_PAGE(q, DIRTY)
		:: else
		fi
	}
}

/* iopgt_group_member_marks */
#define LOAD_MEMBER(q)                                                             \
	if                                                                         \
	:: atomic { broken[q] != NONE -> seen = broken[q] }                        \
	:: atomic { broken[q] == NONE && IS_MEMBER(q) -> LOAD(q, seen) }           \
	:: atomic { broken[q] == NONE && !IS_MEMBER(q) -> seen = NONE }            \
	fi
inline member_marks()
{
	LOAD_MEMBER(0);
	marked = (seen == DIRTY);
	LOAD_MEMBER(1);
	marked = (seen == DIRTY -> 1 : marked)
}

/* iopgt_group_dissolve: iopgt_group_spread, then the notes go. */
inline dissolve()
{
	member_marks();
#ifndef BREAK_NOT_SPREAD
	if
	:: marked -> make_dirty(0); make_dirty(1)
	:: else
	fi;
#endif
	change_member(0, 0, 0);
	change_member(1, 0, 0)
}

/* restore_entries: a load and an exchange */
inline restore(q, has_contiguous)
{
	seen = broken[q];
	if
	:: seen != NONE ->
		d_step {
			contiguous[q] = has_contiguous;
			STORE_PAGE(q, (marked && !has_contiguous -> DIRTY : seen));
			broken[q] = NONE
		}
	:: else
	fi
}

/* break_entries. `busy`: another call has the group. */
inline break_entries()
{
	d_step {
#ifdef BREAK_TAKES_LEAF
		busy = (page[0] == NONE);
#else
		busy = (page[0] == NONE || !contiguous[0]);
#endif
		if
		:: !busy -> broken[0] = page[0]; STORE_PAGE(0, NONE)
		:: else
		fi
	};
	if
	:: busy
	:: else ->
		d_step {
			if
			:: page[1] != NONE -> broken[1] = page[1]; STORE_PAGE(1, NONE)
			:: else
			fi
		}
	fi
}

/* Whether a wait may fail: once for each caller; as if nothing had been posted. */
#define MAY_FAIL (!has_failed)

/*
 * iopgt_ungroup_ends: visit_ungroup, flush, complete_ungroup. `busy`: to be called again,
 * after IOPGT_BUSY or an error of the host.
 */
inline ungroup()
{
	busy = 0;
	d_step { is_broken = (broken[p] != NONE); member = IS_MEMBER(p) };
	if
	:: is_broken -> busy = 1
	:: !is_broken && !member
	:: else ->
#if LEVEL == 0
	   break_entries();
	   if
	   :: busy
	   :: !busy ->
		post(PAGES);
		hal_sync();
		member_marks();
#ifdef BREAK_NOT_SPREAD
		marked = 0;
#endif
		restore(1, 0);
		restore(0, 0)
	   :: !busy && MAY_FAIL ->
		d_step { has_failed = 1; busy = 1 };
#ifdef BREAK_FIRST_BACK_FIRST
		restore(0, 1);
		restore(1, 1)
#else
		restore(1, 1);
		restore(0, 1)
#endif
	   fi
#else
	   change_member(0, 0, 1);
	   change_member(1, 0, 1);
	   if
	   :: post(PAGES);
	      hal_sync();
	      dissolve()
	   :: MAY_FAIL -> d_step { has_failed = 1; busy = 1 }
	   fi
#endif
	fi;
	d_step { seen = 0; marked = 0; is_broken = 0; member = 0 }
}

proctype half(byte p)
{
	byte seen;
	bit marked, is_broken, member, busy, cleaned, has_failed;

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
	      /* unmap_pages: IOPGT_BUSY on a broken entry */
	      if
	      :: busy || broken[p] != NONE -> skip
	      :: !busy && broken[p] == NONE -> break
	      fi
	   od;
	   skip;
	   /* remove_leaf: a member's mark is for its group, as far as the range goes */
	   d_step {
		found = (page[p] == DIRTY || broken[p] == DIRTY -> found | PAGE(p) : found);
		STORE_PAGE(p, NONE);
		broken[p] = NONE;
		note[p] = 0;
		contiguous[p] = 0
	   };
	   post(PAGE(p));
	   hal_sync();
	   d_step {
		fresh[p] = (found & PAGE(p) -> 0 : fresh[p]);
		found = found & ~PAGE(p);
		has_failed = 0
	   };
	   assert(!fresh[p]);
	   break
	od;
	unmapped++;
	unmapped == 2 -> assert(page[0] == NONE && page[1] == NONE)
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
