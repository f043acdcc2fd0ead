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

/* The descriptor of the next table that is linked there, from `index` on; or 0. */
static uint64_t next_link(const struct scan_state *s, int level, uint32_t index)
{
	const struct iopgt_format *f = &s->table->format;
	live_descriptor *entries = s->c.path[level + 1];
	uint32_t count = geometry_entries(&s->table->geometry, level);
	uint64_t skip = (UINT64_C(1) << (index & 63)) - 1;
	uint64_t d = live_load(&entries[index]);

	if (format_is_table(f, level, d))
		return d;
	for (index &= ~UINT32_C(63); index < count; index += 64, skip = 0) {
		uint32_t n = count - index < 64 ? count - index : 64;
		uint64_t tables = live_match(&entries[index], n, f->table_mask, f->table_value);

		if (tables & ~skip)
			return live_load(&entries[index + bits_lowest(tables & ~skip)]);
	}
	return 0;
}

/* The table that the scan will be in next, if it is to be fetched ahead; else null. */
static live_descriptor *next_table(const struct scan_state *s)
{
	const struct iopgt_format *f = &s->table->format;
	const struct iopgt_geometry *g = &s->table->geometry;
	int above = IOPGT_LAST_LEVEL - 1;
	uint32_t index;
	uint64_t d;

	/* The host is not asked where tables are more often than needed. */
	if (!s->table->linear || above < g->start_level ||
	    geometry_last(g, above, s->c.iova) >= s->c.range.last)
		return NULL;
	index = geometry_index(g, above, s->c.iova) + 1;
	if (index == geometry_entries(g, above))
		return NULL;
	d = next_link(s, above, index);
	if (!format_is_table(f, above, d) || (s->skips && !(d & (f->walked | f->was_walked))))
		return NULL;
	return table_virt(s->table, format_address(f, d));
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

/*
 * The words of the bitmap for 64 pages each, from iova on, if the run reports and a word
 * begins there. Else null.
 */
static live_descriptor *whole_words(const struct scan_state *s, uint64_t iova, enum run run)
{
	const struct iopgt_bitmap *bitmap = s->scan->bitmap;
	uint64_t bit = run == RUN_REPORTS ? bitmap_bit(bitmap, iova) : 1;

	return bit % 64 ? NULL : (live_descriptor *)&bitmap->words[bit / 64];
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

/* Pages from the cursor on. Returns how many are done. */
static uint32_t scan_run(struct scan_state *s, uint32_t count, enum run run)
{
	const struct scan_match match = s->match;
	unsigned shift = s->table->geometry.granule_shift;
	live_descriptor *next = next_table(s), *ahead;
	struct pages p = {.entries = cursor_entry(&s->c), .iova = s->c.iova};
	uint32_t n = 64 - (cursor_index(&s->c) & 63), dirty = 0;
	size_t done = 0, end, word = 0;
	bool cleans = (s->scan->flags & SCAN_CLEAN) != 0;
	live_descriptor *words;

	if (n > count)
		n = count;
	if (n < 64) {
		if (!run_some(s, p, n, run))
			return 0;
		done = n;
	}
	/* While one table is read, the same part of the next one is fetched. */
	ahead = next ? next + cursor_index(&s->c) : p.entries;
	words = whole_words(s, p.iova + ((uint64_t)done << shift), run);
	end = done + ((count - done) & ~(size_t)63);
	/* Kept marks are rare: then each 64 are looked at by themselves. */
	for (; done < end && looks_for_kept(s); done += 64, word++) {
		if (!run_some(s, pages_behind(&p, done, shift), 64, run))
			return (uint32_t)done;
	}
	for (; done < end; done += 64, word++) {
		uint64_t mask =
			live_match_ahead(p.entries + done, match.mask, match.value, ahead + done);

		if (mask && words) {
			dirty += bits_count(mask);
			live_set(&words[word], mask);
			if (cleans) {
				struct pages found = pages_behind(&p, done, shift);

				clean_pages(s, &found, mask);
			}
		} else if (mask) {
			p.mask = mask;
			if (!found_pages(s, pages_behind(&p, done, shift), run))
				return (uint32_t)done;
		}
	}
	s->op->stats.dirty += dirty;
	s->op->stats.cleaned += cleans ? dirty : 0;
	p = pages_behind(&p, done, shift);
	if (done == count || run_some(s, p, count - (uint32_t)done, run))
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
