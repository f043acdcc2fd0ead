/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table access flag (FEAT_HAFT): a scan goes only into tables that were walked
 * through. Two levels of tables; LOWERS = 1: both pages in one table, 2: each in its
 * own. iopgt_scan_enter and iopgt_scan_leave are the ways in and out, walked_by_cursor is
 * called by all that makes or leaves dirty leaves.
 *
 * H, a software bit of table descriptors, `was_walked` in lib/: walked through in the last
 * round but one.
 * UNFINISHED: an op may serve several calls before it is finished.
 * TWO_WAITS: the other right order, without H and with a wait more.
 */
#define FLAG
#ifndef LOWERS
#define LOWERS 1
#endif
#define NO_FLIGHT /* so that every transaction is over at once */
#include "walker.pml"

byte found;   /* the bitmap */
#ifdef UNFINISHED
bit owed_upper, owed_lower[2]; /* its flag was moved, and that has not been waited for */
#define WAITS(p) (found & PAGE(p))
#else
#define WAITS(p) false
#endif
byte marking; /* page + 1 that software is just making dirty, or 0 */

/* Invariant: AF = 0 and H = 0 means no dirty leaf below. */
#define FINDS(p) ((upper_af || upper_h) && (lower_af[LOWER(p)] || lower_h[LOWER(p)]))
#define LOST(p)                                                                    \
	(fresh[p] && !(page[p] == DIRTY && FINDS(p)) && marking != (p) + 1 && !WAITS(p))

inline check() { d_step { assert(!LOST(0)); assert(!LOST(1)) } }

/* A plain load of a flag, too, may miss what a walker set. */
#define LOAD_AF(af, l, value)                                                      \
	if                                                                         \
	:: l -> value = 0                                                          \
	:: d_step { value = af; l = 0 }                                            \
	fi

/* AF = 0 and H = 1 in one atomic operation. */
#ifdef BREAK_NO_H
#define MOVE(af, h, l) d_step { af = 0; l = 0 }
#else
#define MOVE(af, h, l) d_step { af = 0; h = 1; l = 0 }
#endif

/* Leaves out that nothing happened, which would only cost states. */
#define NOTHING_ELSE :: else

/*
 * On the way in. `moves`: the call covers and cleans all below. The load and what
 * follows are one step: a flag that is seen stays set meanwhile.
 */
#ifdef BREAK_H_CLEARED_ON_THE_WAY_IN
#define TAKE_H(h) :: !saw && moves -> h = 0
#else
#define TAKE_H(h)
#endif
#ifdef UNFINISHED
#define OWE(owed) owed = 1;
#else
#define OWE(owed)
#endif
#define ENTER(af, h, l, moved, owed)                                               \
	atomic {                                                                   \
		LOAD_AF(af, l, saw);                                               \
		moved = 0;                                                         \
		visits = (saw || h);                                               \
		if                                                                 \
		:: saw && moves -> MOVE(af, h, l); OWE(owed) moved = 1; moved_any = 1 \
		TAKE_H(h)                                                          \
		NOTHING_ELSE                                                       \
		fi;                                                                \
		saw = 0                                                            \
	}

/*
 * On the way out of what was wholly cleaned, if the flag was not set on the way in, nor
 * moved by an earlier call of the op.
 */
#if defined(UNFINISHED) && !defined(BREAK_FORGETS_BEFORE_THE_WAIT)
#define NOT_OWED(owed) && !owed
#else
#define NOT_OWED(owed)
#endif
#if defined(BREAK_H_CLEARED_ON_THE_WAY_IN)
#define LEAVE(af, h, moved, owed) skip
#elif defined(BREAK_PLAIN_STORE)
#define STEP
#define LEAVE(af, h, moved, owed)                                                  \
	if                                                                         \
	:: moves && !moved -> saw = af; d_step { h = 0; af = saw; saw = 0 }        \
	NOTHING_ELSE                                                               \
	fi
#else
#define LEAVE(af, h, moved, owed)                                                  \
	h = (moves && !moved NOT_OWED(owed) -> 0 : h)
#endif

#ifndef STEP
#define STEP atomic
#endif

/*
 * A dirty leaf is made or left: AF = 1 in every ancestor, after the leaf and from the
 * bottom up: a scan beside it may clear H above a flag that is still to be set.
 */
#ifdef BREAK_TELLS_TOP_DOWN
#define TELL(p)                                                                    \
	d_step { upper_af = 1; late_upper = 0 };                                   \
	d_step { lower_af[LOWER(p)] = 1; late_lower[LOWER(p)] = 0 }
#else
#define TELL(p)                                                                    \
	d_step { lower_af[LOWER(p)] = 1; late_lower[LOWER(p)] = 0 };               \
	d_step { upper_af = 1; late_upper = 0 }
#endif

/* A leaf that the caller gives no bit for stays dirty. */
#ifdef BREAK_LEAVES_DIRTY_UNTOLD
#define LEAVE_DIRTY(p) skip
#else
#define LEAVE_DIRTY(p) TELL(p)
#endif
#define LEAF(p)                                                                    \
	atomic {                                                                   \
		LOAD(p, seen);                                                     \
		if                                                                 \
		:: seen == DIRTY && cleans ->                                      \
			d_step { STORE_PAGE(p, CLEAN); found = found | PAGE(p) }   \
		:: seen == DIRTY && !cleans -> found = found | PAGE(p)             \
		:: seen == DIRTY && cleans -> LEAVE_DIRTY(p)                       \
		NOTHING_ELSE                                                       \
		fi;                                                                \
		seen = 0                                                           \
	}

/* The budget is spent: the call ends here. */
#define MAY_STOP                                                                   \
	if                                                                         \
	:: !stopped -> goto stop                                                   \
	:: skip                                                                    \
	fi

#if LOWERS == 1
#define LEAVES_BELOW(k)                                                            \
	if                                                                         \
	:: range & PAGE(0) -> LEAF(0)                                              \
	NOTHING_ELSE                                                               \
	fi;                                                                        \
	MAY_STOP;                                                                  \
	if                                                                         \
	:: range & PAGE(1) -> LEAF(1)                                              \
	NOTHING_ELSE                                                               \
	fi
#define COVERS_LOWER(k) (range == PAGES)
#define IN_RANGE(k)     true
#else
#define LEAVES_BELOW(k) LEAF(k)
#define COVERS_LOWER(k) true
#define IN_RANGE(k)     (range & PAGE(k))
#endif

/* Flags move only for what the call covers wholly, and cleans. */
#if defined(BREAK_PART_MOVES)
#define MOVES(covers) moves = cleans
#elif defined(BREAK_READ_MOVES)
#define MOVES(covers) moves = (covers)
#else
#define MOVES(covers) moves = (cleans && (covers))
#endif

#define LOWER_TABLE(k)                                                             \
	if                                                                         \
	:: IN_RANGE(k) ->                                                          \
		atomic {                                                           \
			MOVES(COVERS_LOWER(k));                                    \
			ENTER(lower_af[k], lower_h[k], late_lower[k], moved_lower, \
			      owed_lower[k])                                       \
		};                                                                 \
		if                                                                 \
		:: visits -> LEAVES_BELOW(k)                                       \
		NOTHING_ELSE                                                       \
		fi;                                                                \
		STEP {                                                             \
			MOVES(COVERS_LOWER(k));                                    \
			LEAVE(lower_af[k], lower_h[k], moved_lower, owed_lower[k]); \
			moved_lower = 0                                            \
		}                                                                  \
	NOTHING_ELSE                                                               \
	fi

/* One invalidation for all that was moved and cleaned, if there was any. */
#ifdef BREAK_NO_INVALIDATION_FOR_FLAGS
#define OWES (cleans && found)
#else
#define OWES (found || moved_any)
#endif
#ifdef UNFINISHED
#define MAY_OWE true
#else
#define MAY_OWE cleans
#endif
inline finish()
{
	if
	:: MAY_OWE && OWES ->
#if defined(BREAK_LEAF_ONLY)
		post(PAGES);
#elif defined(BREAK_WALKS_ONLY)
		post(WALKS);
#elif !defined(BREAK_NO_INVALIDATION)
		post(PAGES | WALKS);
#endif
#ifndef BREAK_COPY_BEFORE_WAIT
		hal_sync();
		copy(found)
#else
		copy(found);
		hal_sync()
#endif
	:: else -> copy(found)
	fi;
	d_step {
#ifdef UNFINISHED
		owed_upper = 0; owed_lower[0] = 0; owed_lower[1] = 0;
#endif
		found = 0; visits = 0; moves = 0; moved_upper = 0; moved_lower = 0; moved_any = 0
	}
}

/* The call ends; the op may serve another one. */
inline end_call()
{
#ifdef UNFINISHED
	if
	:: finish()
	:: !stopped ->
		d_step { visits = 0; moves = 0; moved_upper = 0; moved_lower = 0 }
	fi
#else
	finish()
#endif
}

/*
 * Whatever else makes a leaf dirty: map, carry at a merge, split of a dirty block, the
 * write-fault handler. What was written has no other mark.
 */
#define MAKE_DIRTY(p)                                                              \
	d_step { marking == 0 && page[p] == CLEAN && !fresh[p] && !stopped ->      \
		marking = (p) + 1; fresh[p] = 1; STORE_PAGE(p, DIRTY) }
#ifdef BREAK_MAKES_DIRTY_UNTOLD
#define TELL_MADE(p) skip
#else
#define TELL_MADE(p) TELL(p)
#endif

#ifdef BESIDE
/* ... while another call reads and clears, as iopgt_map may. */
active proctype other_call()
{
end:	do
	:: MAKE_DIRTY(0);
	   TELL_MADE(0);
	   marking = 0
	od
}
#endif

#if defined(TWO_WAITS) || defined(BREAK_OBVIOUS_ORDER) || defined(BREAK_LEAVES_FIRST)
#define WITHOUT_H
/* H stands here for `noted` */
#define NOTE(af, h, l)                                                             \
	atomic {                                                                   \
		LOAD_AF(af, l, saw);                                               \
		if                                                                 \
		:: saw -> d_step { af = 0; h = 1; l = 0; moved_any = 1 }           \
		NOTHING_ELSE                                                       \
		fi;                                                                \
		saw = 0                                                            \
	}
#ifdef BREAK_OBVIOUS_ORDER
#define VISITS(af, h, l) visits = h
#else
#define VISITS(af, h, l) LOAD_AF(af, l, saw); visits = (saw || h); saw = 0
#endif

/* Clear the flags from the top down, invalidate, wait; then visit what was noted. */
inline note_then_visit()
{
#ifdef BREAK_LEAVES_FIRST
	if
	:: upper_af && lower_af[0] -> LEAF(0); LEAF(1)
	:: else
	fi;
#endif
	NOTE(upper_af, upper_h, late_upper);
	if
	:: upper_h -> NOTE(lower_af[0], lower_h[0], late_lower[0])
	:: else
	fi;
#ifndef BREAK_LEAVES_FIRST
	if
	:: moved_any -> post(PAGES | WALKS); hal_sync()
	:: else
	fi;
	moved_any = 0;
	atomic { VISITS(upper_af, upper_h, late_upper) };
	if
	:: visits ->
		atomic { VISITS(lower_af[0], lower_h[0], late_lower[0]) };
		if
		:: visits -> LEAF(0); LEAF(1)
		NOTHING_ELSE
		fi
	NOTHING_ELSE
	fi;
#endif
	d_step { upper_h = 0; lower_h[0] = 0 };
	finish()
}
#endif

active proctype software()
{
	byte seen, range;
	bit saw, visits, moves, cleans, moved_upper, moved_lower, moved_any;

	d_step {
		page[0] = CLEAN;
		page[1] = CLEAN;
		lower_af[0] = 1;
		lower_af[1] = (LOWERS == 2)
	};
again:
	atomic {
		check();
		range = PAGES;
		cleans = 1;
		if
		:: skip
		:: range = PAGE(0)
		:: range = PAGE(1)
		:: cleans = 0 /* IOPGT_OP_NO_CLEAR: moves nothing */
		:: cleans = 0; /* the final read */
		   d_step { marking == 0 -> stopped = 1 }
#ifndef BESIDE
		:: MAKE_DIRTY(0); TELL_MADE(0); marking = 0; goto again
#endif
		fi
	};
	if
#ifndef BREAK_NO_FINAL_SYNC
	:: stopped -> hal_sync()
#endif
	:: else
	fi;
#ifdef WITHOUT_H
	if
	:: range == PAGES && cleans -> note_then_visit(); goto again
	:: else
	fi;
#endif
	atomic {
		MOVES(range == PAGES);
		ENTER(upper_af, upper_h, late_upper, moved_upper, owed_upper)
	};
	if
	:: visits ->
		LOWER_TABLE(0);
#if LOWERS == 2
		MAY_STOP;
		LOWER_TABLE(1);
#endif
		STEP {
			MOVES(range == PAGES);
			LEAVE(upper_af, upper_h, moved_upper, owed_upper)
		}
	:: else
	fi;
	end_call();
	if
	:: stopped -> d_step { assert(!fresh[0] && !fresh[1]); stopped = 0 }
	:: else
	fi;
	goto again;
stop:
	end_call();
	goto again
}
