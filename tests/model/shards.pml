/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two callers, each with an op of its own, read and clear one page each: into
 * one word of a bitmap, over one host. Waits fail now and then; that of one op voids
 * what the other had posted (hal.h: sync).
 */
#define NO_SHOW
#define NO_FLIGHT
#include "walker.pml"

#ifndef FAILURES
#define FAILURES 1
#endif

byte found;        /* a word that both set bits in */
byte failed_syncs; /* of the table */
bit stuck;         /* the host: sync fails until invalidate_all is called */

#define LOST(p) (fresh[p] && page[p] != DIRTY)

byte failures; /* so far */

/*
 * The host's sync for callers on several threads: whose wait fails voids what all
 * had posted, and no other wait may succeed on that.
 */
inline sync()
{
	if
	:: d_step { failures < FAILURES ->
		failures++;
		posted[0] = 0; posted[1] = 0; posted_atc = 0; owed_atc = 0; drain = 0;
#ifndef BREAK_HAL_FORGETS
		stuck = 1;
#endif
		failed = 1 }
	:: d_step { TLBS_DONE -> posted_atc = posted_atc | owed_atc; owed_atc = 0 };
	   d_step {
		posted_atc == 0 ->
		failed = stuck
	   }
	fi
}

/* look_for_failed_syncs */
#define LOOK all = (unsynced && counted != failed_syncs -> 1 : all)

/* note_posted */
#define NOTE_POSTED counted = (unsynced -> counted : failed_syncs); unsynced = 1

/* iopgt_gather_sync */
inline gather_sync()
{
	sync();
#ifndef BREAK_NOT_COUNTED
	if
	:: failed -> failed_syncs++ /* atomic */
	:: else
	fi;
#endif
	d_step {
#if defined(BREAK_NOT_LOOKED_AFTER) || defined(BREAK_NOT_COUNTED)
		all = (failed -> 1 : all); /* of its own failure alone */
#else
		LOOK;
#endif
		unsynced = (failed -> unsynced : 0);
		counted = (unsynced -> counted : 0);
		failed = 0
	}
}

/* post_all, after the range was handed over; what remains to be waited for */
inline post_all()
{
	d_step { LOOK };
	if
	:: all ->
		d_step { unsynced = 0; NOTE_POSTED };
		d_step {
			stuck = 0; /* invalidate_all */
			posted[0] = PAGES;
			posted[1] = PAGES;
			owed_atc = PAGES;
			all = 0
		}
	:: else
	fi
}

/* iopgt_op_finish, until it returns 0 */
inline finish()
{
	do
	:: unsynced || all ->
	   post_all();
	   gather_sync()
	:: !unsynced && !all -> break
	od;
	skip
}

proctype shard(byte p)
{
	byte seen, counted, word;
	bit all, unsynced, failed;

	do
	:: atomic { assert(!LOST(p)); LOAD(p, seen) };
	   if
	   :: seen == DIRTY ->
#ifdef BREAK_PLAIN_OR
		word = found;
		found = word | PAGE(p);
		word = 0;
#else
		/* iopgt_bitmap_mark_pages: atomic */
#endif
		d_step {
#ifndef BREAK_PLAIN_OR
			found = found | PAGE(p);
#endif
			STORE_PAGE(p, CLEAN)
		};
		d_step { NOTE_POSTED };
		/* post_range; a host that refuses the range is asked for all */
		if
#ifdef BREAK_NO_INVALIDATION
		:: skip
#else
		:: post(PAGE(p))
#endif
#ifdef REFUSALS
		:: all = 1
#endif
		fi;
		/* Another verb with this op may sync before it is finished (IOPGT_OP_SYNC). */
		if
		:: gather_sync()
		:: skip
		fi
	   :: else
	   fi;
#ifdef BREAK_COPY_BEFORE_WAIT
	   d_step {
		fresh[p] = (found & PAGE(p) -> 0 : fresh[p]);
		found = found & ~PAGE(p)
	   };
#endif
	   finish();
	   d_step {
		fresh[p] = (found & PAGE(p) -> 0 : fresh[p]);
		found = found & ~PAGE(p);
		seen = 0
	   }
	od
}

init
{
	d_step { page[0] = DIRTY; page[1] = DIRTY; fresh[0] = 1; fresh[1] = 1; CHANGED };
	atomic { run shard(0); run shard(1) }
}
