/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/gather.h"
#include "core/overlap.h"
#include "core/regroup.h"
#include "core/split_batch.h"
#include "core/walked.h"

struct protect_state {
	struct iopgt_table *table;
	struct iopgt_op *op;
	struct iopgt_cursor c;
	bool levels; /* groups are made level first, see level_group */
	/* What a leaf becomes: what is kept of it, and what it gets by its state. */
	uint64_t kept;
	uint64_t was_dirty, was_clean, was_neither;
};

/* bits: permissions and state wanted, as a leaf has them. */
static void choose_states(struct protect_state *s, uint64_t bits)
{
	const struct iopgt_format *f = &s->table->format;
	uint64_t prot = bits & f->prot_mask;
	uint64_t wanted = bits & f->state_mask;

	s->kept = ~(f->prot_mask | f->state_mask | f->kept_dirty);
	s->was_dirty = prot | wanted | f->kept_dirty;
	s->was_clean = prot | wanted;
	s->was_neither = prot | wanted;
	if (wanted != f->state_dirty)
		return;
	/* A leaf that is clean already may stay so. */
	s->was_clean = prot | f->state_clean;
	if (!s->table->never_clean)
		s->was_neither = s->was_clean;
	s->was_dirty = f->kept_dirty ? prot | wanted : s->was_neither;
}

static inline uint64_t protected_leaf(const struct protect_state *s, uint64_t old)
{
	const struct iopgt_format *f = &s->table->format;

	return (old & s->kept) | (format_is_dirty(f, old)   ? s->was_dirty
	                          : format_is_clean(f, old) ? s->was_clean
	                                                    : s->was_neither);
}

/*
 * The entry holds the leaf `old`. True: it changed; also if another call put something
 * else there meanwhile, which costs an invalidation too many.
 */
static inline bool protect_leaf(struct protect_state *s, live_descriptor *entry, int level,
                                uint64_t old)
{
	const struct iopgt_format *f = &s->table->format;
	uint64_t leaf;

	do {
		leaf = protected_leaf(s, old);
		if (leaf == old)
			return false;
		/* Readers of dirty state look for the note from here on. */
		if (leaf & f->kept_dirty)
			table_note(&s->table->kept_dirty);
		/* Fails if a walker marked the leaf: its mark is taken into account. */
	} while (!live_replace(entry, &old, leaf) && format_is_leaf(f, level, old));
	return true;
}

/*
 * Before the first member of a group: where walkers do not mark, its entries may
 * not differ (R_LCGVS), so that all count as written if one does.
 */
static void level_group(struct protect_state *s, live_descriptor *entries, uint32_t index,
                        uint64_t iova)
{
	struct iopgt_group group;

	if (!s->levels)
		return;
	group = group_of_entry(s->table, entries, index, s->c.level, iova);
	if (&entries[index] == group.entries &&
	    format_is_member(&s->table->format, s->c.level, live_load(group.entries)) &&
	    iopgt_group_member_marks(s->table, &group).dirty)
		iopgt_group_spread(s->table, &group);
}

static uint32_t protect_pages(struct protect_state *s)
{
	live_descriptor *entries = cursor_entry(&s->c);
	uint64_t granule = geometry_granule(&s->table->geometry);
	struct iopgt_range changed = {1, 0};
	uint32_t run = cursor_run(&s->c);
	uint64_t iova = s->c.iova;

	for (uint32_t i = 0; i < run; i++, iova += granule) {
		uint64_t old;

		level_group(s, cursor_table(&s->c), cursor_index(&s->c) + i, iova);
		old = live_load(&entries[i]);
		if (!format_is_leaf(&s->table->format, IOPGT_LAST_LEVEL, old)) {
			s->op->stats.holes++;
		} else if (protect_leaf(s, &entries[i], IOPGT_LAST_LEVEL, old)) {
			if (changed.first > changed.last)
				changed.first = iova;
			changed.last = iova + granule - 1;
		}
	}
	if (changed.first <= changed.last) {
		table_clean(s->table, entries, run);
		walked_by_cursor(&s->c);
		gather_at_cursor(s->table, s->op, &s->c, changed);
	}
	return run;
}

/* A block; *steps is 0 if it was split, and the cursor is to look again. */
static int protect_block(struct protect_state *s, uint64_t d, uint32_t *steps)
{
	live_descriptor *entry = cursor_entry(&s->c);

	if (!cursor_covers(&s->c)) {
		*steps = 0;
		return iopgt_split_one(s->table, &s->c, d, s->op);
	}
	level_group(s, cursor_table(&s->c), cursor_index(&s->c), s->c.iova);
	d = live_load(entry);
	if (format_is_leaf(&s->table->format, s->c.level, d) &&
	    protect_leaf(s, entry, s->c.level, d)) {
		table_clean(s->table, entry, 1);
		walked_by_cursor(&s->c);
		gather_at_cursor(s->table, s->op, &s->c,
		                 (struct iopgt_range){cursor_first(&s->c), cursor_last(&s->c)});
	}
	return IOPGT_OK;
}

static int protect_entry(struct protect_state *s, uint32_t *steps)
{
	const struct iopgt_format *f = &s->table->format;
	uint64_t last = cursor_last(&s->c);
	uint64_t d;

	if (s->c.level == IOPGT_LAST_LEVEL) {
		*steps = protect_pages(s);
		return IOPGT_OK;
	}
	d = live_load_table(cursor_entry(&s->c));
	*steps = 0;
	if (format_is_table(f, s->c.level, d))
		return cursor_down(&s->c, d);
	*steps = 1;
	if (format_is_leaf(f, s->c.level, d))
		return protect_block(s, d, steps);
	if (format_is_broken(f, d))
		return IOPGT_BUSY;
	if (last > s->c.range.last)
		last = s->c.range.last;
	s->op->stats.holes += (last - s->c.iova + 1) >> s->table->geometry.granule_shift;
	return IOPGT_OK;
}

static int protect_range(struct protect_state *s, struct iopgt_range range)
{
	int err = iopgt_ungroup_ends(s->table, range, s->op);

	if (err)
		return err;
	cursor_start(&s->c, s->table, range, s->op);
	while (!err) {
		uint32_t steps;

		err = protect_entry(s, &steps);
		if (err || !steps)
			continue;
		if (!cursor_next(&s->c, steps))
			break;
		if (cursor_spent(&s->c))
			err = cursor_again(&s->c, s->op);
	}
	s->op->stats.looked_at += s->c.looked_at;
	table_publish(s->table);
	return err;
}

int iopgt_protect(struct iopgt_table *table, uint64_t iova, uint64_t size, uint32_t prot,
                  struct iopgt_op *op)
{
	struct protect_state s = {.table = table, .op = op};
	struct iopgt_claim *claim;
	struct iopgt_range range;
	struct iopgt_leaf_kind kind = {.prot = prot, .memory = IOPGT_WRITE_BACK};
	uint64_t bits;
	int err = iopgt_check_change(table, iova, size, op, &range);

	if (err)
		return err;
	if (prot & IOPGT_CLEAN)
		return IOPGT_BAD_PROT;
	err = table->format.leaf_bits(&table->format, &kind, &bits);
	if (!err)
		err = iopgt_overlap_begin(table, OVERLAP_PROTECT, range, &claim);
	if (err)
		return err;
	choose_states(&s, bits);
	s.levels = table->grouped && table->software_dirty;
	err = protect_range(&s, range);
	iopgt_overlap_end(claim);
	return err;
}
