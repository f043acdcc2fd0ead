/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/cursor.h"
#include "core/gather.h"

struct map_state {
	struct iopgt_table *table;
	struct iopgt_op *op;
	struct iopgt_cursor c;
	uint64_t offset;     /* phys - iova, modulo 2^64 */
	uint64_t bits;       /* of every leaf: all but kind and address */
	uint32_t steps;      /* entries done; 0: the cursor moved down, or is to look again */
	uint64_t trimmed_to; /* empty tables before this address are gone */
};

static int check_mapping(const struct iopgt_table *table, const struct iopgt_mapping *m)
{
	const struct iopgt_geometry *g = &table->geometry;

	if (m->phys & (geometry_granule(g) - 1))
		return IOPGT_BAD_ALIGNMENT;
	if (m->phys > geometry_output_last(g) || m->size - 1 > geometry_output_last(g) - m->phys)
		return IOPGT_BAD_OUTPUT;
	return IOPGT_OK;
}

/* Whether a leaf of this level can start at iova. */
static bool leaf_fits(const struct map_state *s, int level, uint64_t iova)
{
	const struct iopgt_geometry *g = &s->table->geometry;
	uint64_t low = geometry_size(g, level) - 1;

	return geometry_leaf_allowed(s->table->map_leaf_sizes, g, level) &&
	       !((iova | (iova + s->offset)) & low) && s->c.range.last - iova >= low;
}

/* Of `count` entries from iova on, how many lie wholly in the range. */
static uint32_t whole_leaves(const struct map_state *s, int level, uint64_t iova, uint32_t count)
{
	uint64_t whole = (s->c.range.last - iova + 1) >> geometry_shift(&s->table->geometry, level);

	return whole < count ? (uint32_t)whole : count;
}

/* Puts down `count` leaves, up to the first entry that is taken. Returns how many. */
static uint32_t write_leaves(const struct map_state *s, live_descriptor *entries, int level,
                             struct iopgt_range at, uint32_t count)
{
	const struct iopgt_format *f = &s->table->format;
	uint64_t size = geometry_size(&s->table->geometry, level);
	uint64_t phys = at.first + s->offset;
	uint32_t i;

	for (i = 0; i < count; i++, phys += size) {
		uint64_t d = live_load(&entries[i]);

		if (format_is_present(f, d) || d == f->broken)
			break;
		live_store(&entries[i], format_make_leaf(f, level, phys, s->bits));
	}
	return i;
}

/* Why the entry at the cursor could not take a leaf. */
static int taken_by(struct map_state *s, uint64_t d)
{
	const struct iopgt_geometry *g = &s->table->geometry;
	uint64_t end = geometry_first(g, s->c.level, s->c.range.last + 1);
	uint64_t budget = s->op->budget;
	int err;

	if (d == s->table->format.broken)
		return IOPGT_BUSY;
	if (!format_is_table(&s->table->format, s->c.level, d) || s->c.iova < s->trimmed_to)
		return IOPGT_EXISTS;
	/* Tables that earlier calls left empty: out, all at once, before their place is used. */
	s->trimmed_to = end;
	s->op->budget = 0;
	err = iopgt_trim(s->table, s->c.iova, end - s->c.iova, s->op);
	s->op->budget = budget;
	return err ? err : iopgt_gather_flush(s->op);
}

static int map_leaves(struct map_state *s)
{
	uint32_t count = whole_leaves(s, s->c.level, s->c.iova, cursor_run(&s->c));
	live_descriptor *entries = cursor_entry(&s->c);

	s->steps = write_leaves(s, entries, s->c.level,
	                        (struct iopgt_range){s->c.iova, s->c.range.last}, count);
	table_clean(s->table, entries, s->steps);
	return s->steps ? IOPGT_OK : taken_by(s, live_load(entries));
}

/* Links a complete table at the cursor, whose entry holds `seen`. False: another call did. */
static bool link_table(struct map_state *s, const struct iopgt_new_table *made, uint64_t seen)
{
	const struct iopgt_format *f = &s->table->format;
	live_descriptor *entry = cursor_entry(&s->c);

	table_clean(s->table, made->entries, geometry_entries(&s->table->geometry, s->c.level + 1));
	table_publish(s->table);
	if (!live_replace(entry, &seen, format_make_table(f, made->phys)))
		return false;
	table_count(&s->table->tables, 1);
	if (s->table->non_coherent) {
		table_clean(s->table, entry, 1);
		live_set(entry, f->cleaned);
	}
	return true;
}

/*
 * Makes the table below the cursor's entry. If leaves go into it right here,
 * they are filled in before it is linked, and the cursor goes down to step over
 * them; else it is linked empty.
 */
static int add_table(struct map_state *s, uint64_t seen)
{
	const struct iopgt_geometry *g = &s->table->geometry;
	int level = s->c.level + 1;
	uint32_t entries = geometry_entries(g, level);
	uint32_t index = geometry_index(g, level, s->c.iova);
	bool fills = leaf_fits(s, level, s->c.iova);
	struct iopgt_cursor below = s->c;
	struct iopgt_new_table made;
	uint32_t count = 0;
	int err;

	below.level = level;
	if (fills)
		count = whole_leaves(s, level, s->c.iova, cursor_run(&below));
	err = iopgt_table_alloc(s->table,
	                        table_alloc_flags(s->op) |
	                                (count < entries ? (uint32_t)IOPGT_ALLOC_ZERO : 0),
	                        &made);
	if (err)
		return err;
	for (uint32_t i = 0; i < count; i++)
		live_store(&made.entries[index + i],
		           format_make_leaf(&s->table->format, level,
		                            s->c.iova + s->offset +
		                                    ((uint64_t)i << geometry_shift(g, level)),
		                            s->bits));
	if (!link_table(s, &made, seen)) {
		iopgt_table_free(s->table, made.entries, made.phys);
		return IOPGT_OK;
	}
	s->c.level = level;
	s->c.path[level + 1] = made.entries;
	s->steps = count;
	return IOPGT_OK;
}

static int map_entry(struct map_state *s)
{
	const struct iopgt_format *f = &s->table->format;
	uint64_t d;

	s->steps = 0;
	if (leaf_fits(s, s->c.level, s->c.iova))
		return map_leaves(s);
	d = live_load_table(cursor_entry(&s->c));
	if (d == f->broken)
		return IOPGT_BUSY;
	if (format_is_table(f, s->c.level, d))
		return cursor_down(&s->c, d);
	return format_is_present(f, d) ? IOPGT_EXISTS : add_table(s, d);
}

static int map_loop(struct map_state *s)
{
	for (;;) {
		int err = map_entry(s);

		if (err)
			return err;
		if (!s->steps)
			continue;
		if (!cursor_next(&s->c, s->steps))
			return IOPGT_OK;
		if (cursor_spent(&s->c))
			return cursor_again(&s->c, s->op);
	}
}

/* Takes back what this call mapped, which is all before the cursor. */
static int roll_back(struct map_state *s)
{
	struct iopgt_op *op = s->op;
	struct iopgt_stats stats = op->stats;
	uint64_t budget = op->budget;
	int err;

	if (s->c.iova == s->c.range.first)
		return IOPGT_OK;
	op->budget = 0;
	err = iopgt_unmap(s->table, s->c.range.first, s->c.iova - s->c.range.first, op);
	op->budget = budget;
	op->stats.unmapped = stats.unmapped;
	op->stats.holes = stats.holes;
	return err;
}

int iopgt_map(struct iopgt_table *table, const struct iopgt_mapping *m, struct iopgt_op *op)
{
	struct map_state s = {.table = table, .op = op};
	struct iopgt_range range;
	uint32_t prot;
	int err;

	if (!m)
		return IOPGT_BAD_ARGUMENT;
	err = iopgt_check_call(table, m->iova, m->size, op, &range);
	if (!err)
		err = check_mapping(table, m);
	if (err)
		return err;
	prot = m->prot;
	if (table->map_clean && !(prot & IOPGT_NO_TRACK))
		prot |= IOPGT_CLEAN;
	err = table->format.leaf_bits(&table->format, prot, m->memory, &s.bits);
	if (err)
		return err;
	s.offset = m->phys - m->iova;
	/* What this op removed here is out of all caches before anything takes its place. */
	err = iopgt_gather_settle(op, range);
	if (err)
		return err;
	cursor_start(&s.c, table, range, op);
	err = map_loop(&s);
	op->stats.looked_at += s.c.looked_at;
	if (err && err != IOPGT_AGAIN) {
		int left = roll_back(&s);

		return left ? left : err;
	}
	op->stats.mapped +=
		((err ? op->next : range.last + 1) - range.first) >> table->geometry.granule_shift;
	table_publish(table);
	return err;
}
