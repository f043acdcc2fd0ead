/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of a scan share: its state on the way, what it reports and may
 * clean (scan_report.c), contiguous groups (scan_group.c).
 */
#ifndef IOPGT_CORE_SCAN_STATE_H
#define IOPGT_CORE_SCAN_STATE_H

#include "core/gather.h"
#include "core/group.h"
#include "core/marks.h"
#include "core/scan.h"

/* A descriptor is one if (descriptor & mask) == value. */
struct scan_match {
	uint64_t mask, value;
};

/*
 * Most pages are mostly unmarked. Whether any of 64 has the bit that marks them takes half of
 * the instructions that which of them do takes; so that is asked first, but seldom where the
 * answer was mostly yes.
 */
struct scan_sieve {
	uint64_t bit;        /* of the match, in which marked pages differ from most others */
	uint32_t pause;      /* how often it is not asked, from now on */
	uint32_t next_pause; /* after the next such answer */
};

#define SCAN_SIEVE_PAUSE 31 /* at most */

/*
 * Mostly all of 64 pages are mapped and tracked: then their marks alone are picked, with SSE2 in
 * four fifths of the instructions of a match. Where they are not, that is not tried for a while.
 */
struct scan_pick {
	bool possible;   /* live_pick_ahead can tell, as in the architecture's formats, and pays */
	unsigned bit;    /* number of the bit that is picked */
	uint64_t others; /* the other bits of the match, which are set in what matches */
	uint64_t flip;   /* of what is picked: all of it, if the bit is clear in what matches */
	uint32_t pause;  /* how often it is not tried, from now on */
};

#define SCAN_PICK_PAUSE 31

struct scan_state {
	struct iopgt_scan *scan;
	struct iopgt_table *table;
	struct iopgt_op *op;
	struct iopgt_cursor c;
	struct split_batch *batch;
	bool batch_failed; /* in the midst of the range */
	/* The live block that this call split last, all of it, and its level. */
	struct iopgt_range split;
	int split_level;
	struct scan_match match;    /* pages that the scan is after, but for those kept dirty */
	struct scan_sieve sieve;    /* of those pages */
	struct scan_pick pick;      /* the same */
	struct scan_match simple;   /* tables of pages about which nothing else has to be done */
	bool streams;               /* through such tables */
	live_descriptor *ahead_of;  /* a table; null: none */
	live_descriptor *ahead;     /* what iopgt_scan_ahead told of it */
	struct scan_match marked;   /* blocks that it is after */
	struct scan_match unmarked; /* most of those that it is not after */
	live_descriptor *seen;      /* the 64 entries among which it looked for those last */
	uint64_t seen_unmarked;     /* and found these */
	bool hops;                  /* over unmarked blocks and holes */
	bool takes;                 /* the marked blocks between them, too */
	bool skips;                 /* passes by tables that were not walked */
	/* [level + 1]: was_walked of that table, in which the scan is, goes when it leaves. */
	bool forgets[IOPGT_MAX_LEVELS];
	bool ages; /* tables grow older, or young again */
	/* [level + 1]: leaves that were found when the scan went into that table. */
	uint64_t found_before[IOPGT_MAX_LEVELS];
	uint64_t begin; /* where the sequence of calls began */
	/* Tables whose `walked` the op cleared before this call, and has not waited for. */
	struct iopgt_range moved;
};

/* Whether a leaf has the mark that the scan is after. */
static inline bool is_marked(const struct scan_state *s, uint64_t leaf)
{
	const struct iopgt_format *f = &s->table->format;

	return s->scan->flags & SCAN_ACCESSED ? (leaf & f->accessed) != 0
	                                      : format_is_dirty(f, leaf);
}

/* Takes the mark from those leaves of up to 64 that are in `mask`. */
static inline void clean_leaves(const struct scan_state *s, live_descriptor *entries, int level,
                                uint64_t mask)
{
	const struct iopgt_format *f = &s->table->format;

	if (s->scan->flags & SCAN_ACCESSED) {
		for (; mask; mask &= mask - 1) {
			live_descriptor *entry = &entries[bits_lowest(mask)];

			marks_not_accessed(f, entry, level);
			table_clean(s->table, entry, 1);
		}
	} else {
		for (; mask; mask &= mask - 1)
			marks_clean(f, &entries[bits_lowest(mask)], level);
	}
}

/*
 * A clean leaf becomes dirty. Nothing is owed to walkers that update marks: a cached
 * clean entry looks at memory before it is written through (R_SGJBL). Others fault on
 * it (R_XCLRD), so it has to go.
 */
static inline void scan_make_dirty(struct scan_state *s, live_descriptor *entry,
                                   struct iopgt_range leaf)
{
	marks_dirty(&s->table->format, entry);
	if (s->table->software_dirty)
		gather_at_cursor(s->table, s->op, &s->c, leaf);
}

/* Those that the scan is after among up to 64 pages. */
static inline uint64_t marked_pages(const struct scan_state *s, live_descriptor *entries,
                                    uint32_t count)
{
	if (s->scan->flags & SCAN_ACCESSED)
		return scan_accessed_mask(s->table, entries, count, IOPGT_LAST_LEVEL);
	return scan_dirty_mask(s->table, entries, count, IOPGT_LAST_LEVEL);
}

/* --- scan_pages.c --- */

/* Sets up what the others here need. */
void iopgt_scan_start_pages(struct scan_state *s);

/*
 * At an entry that links a last-level table, for a scan that streams: deals with tables of
 * single pages from there on, as many as follow each other, are in range and budget, and ask
 * for nothing else. Returns how many; the cursor stays.
 */
uint32_t iopgt_scan_tables(struct scan_state *s);

/* Deals with `count` single pages from the cursor on, all in its table. */
void iopgt_scan_pages(struct scan_state *s, uint32_t count);

/*
 * Of `count` pages from the cursor on, how many come before the first that has the mark;
 * or some fewer: 64 are looked at together.
 */
uint32_t iopgt_scan_unmarked(struct scan_state *s, uint32_t count);

/* --- scan_ahead.c --- */

/* The pages of the table that the scan will be in after that of iova; null: not known. */
live_descriptor *iopgt_scan_ahead(const struct scan_state *s, uint64_t iova);

/* --- scan_report.c --- */

/* Gives the visitor the run that waits. */
void iopgt_scan_give_run(struct iopgt_scan *scan);

/*
 * Adds to the run that waits, or gives that one and begins another. False: the
 * visitor asked to stop, and [first, last] is not taken: it is where to go on.
 */
bool iopgt_scan_visit(struct iopgt_scan *scan, uint64_t first, uint64_t last);

/* Reports a block or group. False: the visitor asked to stop before it. */
bool iopgt_scan_report(struct scan_state *s, struct iopgt_range leaf);

/* Whether this call may clean all of a leaf. */
bool iopgt_scan_may_clean(const struct scan_state *s, struct iopgt_range leaf);

/* Whether policy and call want the block or group that the cursor is on split. */
bool iopgt_scan_wants_split(const struct scan_state *s, uint64_t d, bool cleans);

/* --- scan_blocks.c --- */

/* Sets up what the other here needs. */
void iopgt_scan_start_blocks(struct scan_state *s);

/*
 * At an entry above the last level that links no table: how many entries from there on
 * are done with; 0: it needs a closer look. For a scan that hops.
 */
uint32_t iopgt_scan_blocks(struct scan_state *s);

/* --- scan_skip.c --- */

/* Sets up what the others here need. */
void iopgt_scan_start_skipping(struct scan_state *s);

/* What is done about a table. */
enum scan_way {
	SCAN_GO_DOWN,
	SCAN_PASS_BY,
	SCAN_LOOK_AGAIN, /* it is gone */
};

/* At a table, whose descriptor is d. */
enum scan_way iopgt_scan_enter(struct scan_state *s, uint64_t d);

/*
 * At a table to be passed by: how many entries from there on are such; 0: somebody has
 * just walked through it.
 */
uint32_t iopgt_scan_pass_by(struct scan_state *s);

/* A leaf in the cursor's table stays dirty, in a table that may count as cleaned. */
void iopgt_scan_left_marked(const struct scan_state *s);

/* The cursor came up from a table. */
void iopgt_scan_leave(struct scan_state *s);

/* --- scan_age.c, while tables have an age --- */

/* The scan goes into the table that the cursor's entry links. */
void iopgt_scan_age_enter(struct scan_state *s);

/* The table that the cursor's entry links is done, or was passed by. */
void iopgt_scan_age_leave(struct scan_state *s);

/* The call ends where the cursor is. */
void iopgt_scan_age_cut(struct scan_state *s);

/* --- scan_group.c --- */

/*
 * Whether d, the cursor's entry, is in a group. In a tree that is only read, and
 * not trusted, one member makes a group of all leaves of its place.
 */
bool iopgt_scan_in_group(const struct scan_state *s, uint64_t d);

/*
 * A group whose member `d` the cursor is on. *steps: how many entries are done;
 * 0: look again at what are single leaves now.
 */
int iopgt_scan_group(struct scan_state *s, uint64_t d, uint32_t *steps);

/* SCAN_MAKE_DIRTY of the group that the cursor is in: whole, since its entries may not differ. */
void iopgt_scan_dirty_group(struct scan_state *s);

/* Whether another call is replacing an entry of the place (level 0). */
bool iopgt_scan_any_broken(const struct scan_state *s, const struct iopgt_group *place);

/*
 * Of the `run` pages from the cursor on, how many come before the first place of a group
 * that has a mark. `around`: 64, or the entries of a group, if those are more.
 */
uint32_t iopgt_scan_unmarked_places(struct scan_state *s, uint32_t run, uint32_t around);

/* Whether nothing in the aligned `around` pages that the cursor is in asks for a closer look. */
bool iopgt_scan_is_unmarked(const struct scan_state *s, uint32_t around);

/* Breaks up groups that have to be for a split, many with one wait. *cut: so the range was. */
int iopgt_scan_break_groups(struct iopgt_scan *scan, bool *cut);

#endif
