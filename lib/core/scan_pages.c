/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs of single pages, 64 at a time. */
#include "core/gather.h"
#include "core/scan_state.h"
#include "core/walked.h"

/* Up to 64 pages, and which of them have the mark. */
struct pages {
	live_descriptor *entries;
	uint64_t iova; /* of the first */
	uint64_t mask;
};

static struct iopgt_range pages_range(const struct scan_state *s, const struct pages *p,
                                      uint32_t first, uint32_t count)
{
	unsigned shift = s->table->geometry.granule_shift;

	return (struct iopgt_range){p->iova + ((uint64_t)first << shift),
	                            p->iova + ((uint64_t)(first + count) << shift) - 1};
}

/* As clean_leaves does it, with few instructions for what is mostly there. */
static void clean_dirty_pages(const struct scan_state *s, live_descriptor *entries, uint64_t mask)
{
	const struct iopgt_format *f = &s->table->format;
	const struct scan_match dirty = s->match;
	const uint64_t change = f->state_dirty ^ f->state_clean, kept = f->kept_dirty;

	for (; mask; mask &= mask - 1) {
		live_descriptor *entry = &entries[bits_lowest(mask)];
		uint64_t old = live_load(entry);

		if ((old & dirty.mask) != dirty.value ||
		    !live_replace(entry, &old, (old ^ change) & ~kept))
			marks_clean(f, entry, IOPGT_LAST_LEVEL);
	}
}

/* The op owes the invalidation of pages in `mask`. */
static void gather_pages(struct scan_state *s, const struct pages *p, uint64_t mask)
{
	uint32_t first = bits_lowest(mask), count = bits_highest(mask) + 1 - first;

	/* All of the table is owed, whatever may be cached: what counts is how far it reaches. */
	if (s->op->gather.all) {
		gather_owe(&s->op->gather, pages_range(s, p, first, count));
		return;
	}
	while (mask) {
		bits_take_run(&mask, &first, &count);
		gather_at_cursor(s->table, s->op, &s->c, pages_range(s, p, first, count));
	}
}

/* That they are cleaned is counted by those who call this. */
static void clean_pages(struct scan_state *s, const struct pages *p, uint64_t mask)
{
	if (s->scan->flags & SCAN_ACCESSED)
		clean_leaves(s, p->entries, IOPGT_LAST_LEVEL, mask);
	else
		clean_dirty_pages(s, p->entries, mask);
	gather_pages(s, p, mask);
}

/* Gives them to the visitor, run by run, as far as it wants. */
static void visit_pages(struct scan_state *s, const struct pages *p)
{
	uint64_t mask = p->mask;

	while (mask) {
		struct iopgt_range run;
		uint32_t first, count;

		bits_take_run(&mask, &first, &count);
		run = pages_range(s, p, first, count);
		if (!iopgt_scan_visit(s->scan, run.first, run.last))
			return;
		s->op->stats.dirty += count;
		if (!(s->scan->flags & SCAN_CLEAN))
			continue;
		s->op->stats.cleaned += count;
		clean_pages(s, p, bits_low(count) << first);
	}
}

static void make_pages_dirty(struct scan_state *s, const struct pages *p)
{
	for (uint64_t mask = p->mask; mask; mask &= mask - 1) {
		uint32_t i = bits_lowest(mask);

		scan_make_dirty(s, &p->entries[i], pages_range(s, p, i, 1));
	}
	walked_by_cursor(&s->c);
}

/* Out of the loop that finds them, which has registers enough for itself alone. */
static __attribute__((noinline)) void take_pages(struct scan_state *s, const struct pages *p)
{
	const struct iopgt_bitmap *bitmap = s->scan->bitmap;
	unsigned shift = s->table->geometry.granule_shift;
	uint32_t flags = s->scan->flags;
	uint64_t mask = p->mask;

	if (flags & SCAN_MAKE_DIRTY) {
		make_pages_dirty(s, p);
		return;
	}
	if (s->scan->visitor) {
		visit_pages(s, p);
		return;
	}
	if (flags & SCAN_REPORT) {
		s->op->stats.dirty += bits_count(mask);
		iopgt_bitmap_mark_pages(bitmap, p->iova, shift, mask);
	}
	if (flags & SCAN_SELECT) {
		mask = iopgt_bitmap_given_pages(bitmap, p->iova, shift, mask);
		if (mask != p->mask)
			iopgt_scan_left_marked(s);
	}
	if (!(flags & SCAN_CLEAN) || !mask)
		return;
	s->op->stats.cleaned += bits_count(mask);
	clean_pages(s, p, mask);
}

/* Whether pages are looked at by their kept mark, too. */
static bool looks_for_kept(const struct scan_state *s)
{
	return !(s->scan->flags & (SCAN_ACCESSED | SCAN_MAKE_DIRTY)) &&
	       table_counted(&s->table->kept_dirty);
}

/* Whether each marked page has its one bit set, whatever else is done about it. */
static bool reports_all(const struct scan_state *s)
{
	return s->scan->bitmap && (s->scan->flags & SCAN_REPORT) &&
	       s->scan->bitmap->page_shift == s->table->geometry.granule_shift;
}

/* What a run of pages in one table does with those that have the mark. */
enum run {
	RUN_TAKE,    /* all that the scan wants */
	RUN_REPORTS, /* the same, in short: see reports_all */
	RUN_LOOKS,   /* it ends before the first of them */
};

/* What is found, of up to 64 pages. False: the run ends before or in them. */
static inline bool found_pages(struct scan_state *s, struct pages p, enum run run)
{
	const struct iopgt_bitmap *bitmap = s->scan->bitmap;

	if (run == RUN_LOOKS)
		return false;
	if (run == RUN_TAKE) {
		take_pages(s, &p);
		return s->scan->visitor_stop == 0;
	}
	s->op->stats.dirty += bits_count(p.mask);
	bitmap_or_mask(bitmap, bitmap_bit(bitmap, p.iova), p.mask);
	if (s->scan->flags & SCAN_CLEAN) {
		s->op->stats.cleaned += bits_count(p.mask);
		clean_pages(s, &p, p.mask);
	}
	return true;
}

/* Pages that are marked by their kept mark, among up to 64. */
static uint64_t kept_pages(const struct scan_state *s, live_descriptor *entries, uint32_t n)
{
	const struct iopgt_format *f = &s->table->format;

	return live_match(entries, n, f->leaf_mask[1] | f->kept_dirty,
	                  f->leaf_value[1] | f->kept_dirty);
}

/* Up to 64 pages. */
static __attribute__((noinline)) bool run_some(struct scan_state *s, struct pages p, uint32_t n,
                                               enum run run)
{
	p.mask = live_match(p.entries, n, s->match.mask, s->match.value);
	if (looks_for_kept(s))
		p.mask |= kept_pages(s, p.entries, n);
	return !p.mask || found_pages(s, p, run);
}

static inline struct pages pages_behind(const struct pages *p, size_t count, unsigned shift)
{
	return (struct pages){p->entries + count, p->iova + ((uint64_t)count << shift), p->mask};
}

/* Of up to 64 times 64 pages: bit i: some of the 64 from 64 * i on may have the mark. */
static inline uint64_t sieve_words(const struct scan_state *s, live_descriptor *entries,
                                   uint32_t words, const live_descriptor *ahead)
{
	const uint64_t bit = s->sieve.bit, value = s->match.value;
	uint64_t some = 0;

	for (size_t i = 0; i < words; i++)
		some |= (uint64_t)live_may_match_ahead(entries + 64 * i, bit, value, ahead + 64 * i)
		        << i;
	return some;
}

/* The same, where it is worth asking; else all of them. */
static inline uint64_t words_to_match(struct scan_state *s, live_descriptor *entries,
                                      uint32_t words, const live_descriptor **ahead)
{
	struct scan_sieve *sieve = &s->sieve;
	uint64_t some;

	if (sieve->pause) {
		sieve->pause--;
		return bits_low(words);
	}
	some = sieve_words(s, entries, words, *ahead);
	*ahead = entries; /* what is ahead has been fetched */
	if (4 * bits_count(some) <= 3 * words) {
		sieve->next_pause = 0;
	} else {
		sieve->pause = sieve->next_pause;
		if (sieve->next_pause < SCAN_SIEVE_PAUSE)
			sieve->next_pause = 2 * sieve->next_pause + 1;
	}
	return some;
}

/* The word of the bitmap for 64 pages from iova on, if the run reports and it begins there. */
static live_descriptor *whole_words(const struct scan_state *s, uint64_t iova, enum run run)
{
	const struct iopgt_bitmap *bitmap = s->scan->bitmap;
	uint64_t bit = run == RUN_REPORTS ? bitmap_bit(bitmap, iova) : 1;

	return bit % 64 ? NULL : (live_descriptor *)&bitmap->words[bit / 64];
}

/* Those of 64 pages that match. */
static inline uint64_t matched_pages(struct scan_state *s, live_descriptor *entries,
                                     const live_descriptor *ahead)
{
	struct scan_pick *pick = &s->pick;
	uint64_t found;

	if (pick->pause) {
		pick->pause--;
	} else if (pick->possible) {
		if (live_pick_ahead(entries, pick->bit, pick->others, &found, ahead))
			return found ^ pick->flip;
		pick->pause = SCAN_PICK_PAUSE;
	}
	return live_match_ahead(entries, s->match.mask, s->match.value, ahead);
}

/*
 * Whole 64 of pages, 512 at most, from p on, while as many are fetched from `ahead`. Returns how
 * many pages are done: all, or those before the end of the run.
 */
static __attribute__((noinline)) uint32_t scan_words(struct scan_state *s, const struct pages *p,
                                                     uint32_t count, const live_descriptor *ahead,
                                                     enum run run)
{
	live_descriptor *bits = whole_words(s, p->iova, run);
	unsigned shift = s->table->geometry.granule_shift;
	bool cleans = (s->scan->flags & SCAN_CLEAN) != 0;
	uint64_t some = words_to_match(s, p->entries, count / 64, &ahead);
	uint32_t dirty = 0;

	for (; some; some &= some - 1) {
		size_t word = bits_lowest(some);
		struct pages found = pages_behind(p, 64 * word, shift);

		found.mask = matched_pages(s, found.entries, ahead + 64 * word);
		if (!found.mask)
			continue;
		if (bits) {
			dirty += bits_count(found.mask);
			live_set(&bits[word], found.mask);
			if (cleans)
				clean_pages(s, &found, found.mask);
		} else if (!found_pages(s, found, run)) {
			return (uint32_t)(64 * word);
		}
	}
	s->op->stats.dirty += dirty;
	s->op->stats.cleaned += cleans ? dirty : 0;
	return count;
}

/* Any number of them. */
static inline uint32_t scan_all_words(struct scan_state *s, const struct pages *p, uint32_t count,
                                      const live_descriptor *ahead, enum run run)
{
	/* A run that ends before what it finds looks no further than that. */
	const uint32_t most = run == RUN_LOOKS ? 64 : 512;
	uint32_t done = 0, part, n;

	do {
		const struct pages rest = pages_behind(p, done, s->table->geometry.granule_shift);

		part = count - done < most ? count - done : most;
		n = scan_words(s, &rest, part, ahead + done, run);
		done += n;
	} while (n == part && done < count);
	return done;
}

/* While one table is read, the same part of the next one is fetched; else its own. */
static const live_descriptor *fetched_ahead(struct scan_state *s)
{
	const live_descriptor *entries = cursor_table(&s->c);

	if (s->ahead_of != entries) {
		s->ahead_of = cursor_table(&s->c);
		s->ahead = iopgt_scan_ahead(s, s->c.iova);
	}
	return (s->ahead ? s->ahead : entries) + cursor_index(&s->c);
}

/* Pages from the cursor on. Returns how many are done. */
static uint32_t scan_run(struct scan_state *s, uint32_t count, enum run run)
{
	const struct iopgt_bitmap *bitmap = s->scan->bitmap;
	unsigned shift = s->table->geometry.granule_shift;
	const struct pages p = {.entries = cursor_entry(&s->c), .iova = s->c.iova};
	uint32_t n = 64 - (cursor_index(&s->c) & 63);
	size_t done = 0, end;

	if (n > count)
		n = count;
	if (n < 64) {
		if (!run_some(s, p, n, run))
			return 0;
		done = n;
	}
	end = done + ((count - done) & ~(size_t)63);
	/* Kept marks are rare: then each 64 are looked at by themselves. */
	for (; done < end && looks_for_kept(s); done += 64) {
		if (!run_some(s, pages_behind(&p, done, shift), 64, run))
			return (uint32_t)done;
	}
	if (done < end) {
		const struct pages words = pages_behind(&p, done, shift);
		const live_descriptor *ahead = fetched_ahead(s);

		/* The bitmap's line comes while the first pages are read. */
		if (run == RUN_REPORTS)
			__builtin_prefetch(&bitmap->words[bitmap_bit(bitmap, p.iova) / 64]);
		done += scan_all_words(s, &words, (uint32_t)(end - done), ahead + done, run);
		if (done < end)
			return (uint32_t)done;
	}
	if (done == count ||
	    run_some(s, pages_behind(&p, done, shift), count - (uint32_t)done, run))
		return count;
	return (uint32_t)done;
}

void iopgt_scan_pages(struct scan_state *s, uint32_t count)
{
	scan_run(s, count, reports_all(s) ? RUN_REPORTS : RUN_TAKE);
}

uint32_t iopgt_scan_unmarked(struct scan_state *s, uint32_t count)
{
	return scan_run(s, count, RUN_LOOKS);
}

/* --- Tables, one after the other --- */

static struct scan_pick pick_of(const struct scan_match *match, uint64_t bits)
{
	unsigned bit = bits_lowest(bits);
	uint64_t others = match->mask & ~(UINT64_C(1) << bit);

	return (struct scan_pick){
		.possible = LIVE_PICK_PAYS && (match->value & others) == others &&
	                    bit >= LIVE_PICK_FIRST && bit <= LIVE_PICK_LAST,
		.bit = bit,
		.others = others,
		.flip = match->value >> bit & 1 ? 0 : UINT64_MAX,
	};
}

void iopgt_scan_start_pages(struct scan_state *s)
{
	const struct iopgt_format *f = &s->table->format;
	uint64_t bits = f->state_mask, state = f->state_dirty;
	uint64_t cleaned = s->table->non_coherent ? f->cleaned : 0;

	s->sieve.bit = format_dirty_bits(f);
	if (s->scan->flags & SCAN_ACCESSED)
		s->sieve.bit = bits = state = f->accessed;
	else if (s->scan->flags & SCAN_MAKE_DIRTY)
		state = f->state_clean;
	s->match = (struct scan_match){f->leaf_mask[1] | bits, f->leaf_value[1] | state};
	s->pick = pick_of(&s->match, s->sieve.bit);
	s->simple = (struct scan_match){f->table_mask | f->unsettled | cleaned,
	                                f->table_value | cleaned};
	s->streams = s->scan->bitmap && !s->skips && !s->ages && !s->table->grouped;
}

/* Tables from the cursor on that lie wholly in the range. */
static uint32_t whole_tables(const struct iopgt_cursor *c)
{
	unsigned shift = geometry_shift(&c->table->geometry, c->level);
	uint64_t count = (c->range.last - c->iova + 1) >> shift;
	uint32_t rest = cursor_rest(c);

	if (cursor_first(c) != c->iova)
		return 0;
	return count < rest ? (uint32_t)count : rest;
}

/* The pages of a table about which nothing else has to be done, linked by d; else null. */
static inline live_descriptor *simple_table(const struct scan_state *s, uint64_t d)
{
	live_descriptor *entries;

	if ((d & s->simple.mask) != s->simple.value)
		return NULL;
	entries = table_virt(s->table, format_address(&s->table->format, d));
	return s->table->opened && entries && cursor_is_below(&s->c, entries) ? NULL : entries;
}

uint32_t iopgt_scan_tables(struct scan_state *s)
{
	const struct iopgt_geometry *g = &s->table->geometry;
	const uint32_t pages = geometry_entries(g, IOPGT_LAST_LEVEL);
	/* Going into a table, its pages, and leaving it behind. */
	const uint32_t steps = 1 + pages + 1;
	const enum run run = reports_all(s) ? RUN_REPORTS : RUN_TAKE;
	live_descriptor *links = cursor_entry(&s->c);
	struct pages p = {.iova = s->c.iova};
	uint64_t left = cursor_budget_left(&s->c);
	uint32_t count, done = 0;

	if (s->c.level != IOPGT_LAST_LEVEL - 1)
		return 0;
	count = whole_tables(&s->c);
	for (; done < count && left >= steps; done++, left -= steps) {
		uint64_t d = live_load_table(&links[done]);
		const live_descriptor *ahead;

		/* With kept marks each is gone into by itself: the host is asked for it then. */
		p.entries = looks_for_kept(s) ? NULL : simple_table(s, d);
		if (!p.entries)
			break;
		ahead = iopgt_scan_ahead(s, p.iova);
		s->c.level++;
		scan_all_words(s, &p, pages, ahead ? ahead : p.entries, run);
		s->c.level--;
		p.iova += geometry_size(g, s->c.level);
	}
	/* Leaving each behind is counted by who steps over them. */
	s->c.looked_at += (uint64_t)done * (steps - 1);
	return done;
}
