/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a verb is in the tree. A cursor stands on an entry of a table and moves
 * through the range in ascending order; a verb reads the entry, goes down into
 * the table that it links, or deals with a run of entries and steps over it.
 *
 * After the last entry of a table (or of the range in it) the cursor comes up:
 * it then stands on the entry that links that table, which is done.
 */
#ifndef IOPGT_CORE_CURSOR_H
#define IOPGT_CORE_CURSOR_H

#include "core/table.h"

struct iopgt_cursor {
	const struct iopgt_table *table;
	struct iopgt_range range;
	uint64_t iova;      /* where it is; inside the entry's range */
	uint64_t budget;    /* entries that may be stepped over; 0: no bound */
	uint64_t looked_at; /* entries stepped over or gone down through */
	struct iopgt_range
		unsettled; /* of the outermost such table gone into; none: first > last */
	bool left_table;   /* it has come up from the table that its entry links, or linked */
	bool after_table;  /* the same of the entry before */
	int level;
	live_descriptor *path[IOPGT_MAX_LEVELS]; /* tables, [level + 1] */
};

enum cursor_move {
	CURSOR_MORE, /* on the next entry of the same table */
	CURSOR_UP,   /* on the entry that links the table just left */
	CURSOR_END,  /* the range is done */
};

/* Goes up to the start table, at the same address: those below may have gone. */
static inline void cursor_restart(struct iopgt_cursor *c)
{
	c->unsettled = (struct iopgt_range){1, 0};
	c->level = c->table->geometry.start_level;
	c->path[c->level + 1] = c->table->root;
}

static inline void cursor_start(struct iopgt_cursor *c, const struct iopgt_table *table,
                                struct iopgt_range range, struct iopgt_op *op)
{
	c->table = table;
	c->range = range;
	c->iova = range.first;
	c->budget = op ? op->budget : 0;
	c->looked_at = 0;
	c->left_table = false;
	c->after_table = false;
	cursor_restart(c);
	if (op)
		op->resumed_from = 0;
}

/* The table that the cursor stands in. */
static inline live_descriptor *cursor_table(const struct iopgt_cursor *c)
{
	return c->path[c->level + 1];
}

/* The table that the cursor has just come up from. */
static inline live_descriptor *cursor_child(const struct iopgt_cursor *c)
{
	return c->path[c->level + 2];
}

static inline uint32_t cursor_index(const struct iopgt_cursor *c)
{
	return geometry_index(&c->table->geometry, c->level, c->iova);
}

static inline live_descriptor *cursor_entry(const struct iopgt_cursor *c)
{
	return cursor_table(c) + cursor_index(c);
}

/* The entry of an upper level that leads to the cursor's table. */
static inline live_descriptor *cursor_entry_above(const struct iopgt_cursor *c, int level)
{
	return c->path[level + 1] + geometry_index(&c->table->geometry, level, c->iova);
}

/* First and last address of the entry, whatever the range is. */
static inline uint64_t cursor_first(const struct iopgt_cursor *c)
{
	return geometry_first(&c->table->geometry, c->level, c->iova);
}

static inline uint64_t cursor_last(const struct iopgt_cursor *c)
{
	return geometry_last(&c->table->geometry, c->level, c->iova);
}

/*
 * The table behind the cursor's, to be fetched ahead: the one that the next entry above links,
 * in the range, in linear memory. Else the cursor's own.
 */
static inline const live_descriptor *cursor_ahead(const struct iopgt_cursor *c)
{
	const struct iopgt_geometry *g = &c->table->geometry;
	int above = c->level - 1;
	uint64_t d;

	if (!c->table->linear || above < g->start_level ||
	    geometry_last(g, above, c->iova) >= c->range.last ||
	    geometry_index(g, above, c->iova) == geometry_entries(g, above) - 1)
		return cursor_table(c);
	d = live_load(cursor_entry_above(c, above) + 1);
	return format_is_table(&c->table->format, above, d)
	               ? table_virt(c->table, format_address(&c->table->format, d))
	               : cursor_table(c);
}

/* Whether the entry lies wholly in the range. */
static inline bool cursor_covers(const struct iopgt_cursor *c)
{
	return cursor_first(c) >= c->range.first && cursor_last(c) <= c->range.last;
}

/* Entries from here on that are in this table and in the range; the last maybe in part. */
static inline uint32_t cursor_rest(const struct iopgt_cursor *c)
{
	const struct iopgt_geometry *g = &c->table->geometry;
	uint64_t left = (c->range.last >> geometry_shift(g, c->level)) -
	                (c->iova >> geometry_shift(g, c->level)) + 1;
	uint32_t rest = geometry_entries(g, c->level) - cursor_index(c);

	return left < rest ? (uint32_t)left : rest;
}

/* Those of them that are in the budget: at least one, and no part of a contiguous group. */
static inline uint32_t cursor_run(const struct iopgt_cursor *c)
{
	uint32_t rest = cursor_rest(c);
	uint32_t run, end, group;

	if (!c->budget || c->looked_at + rest <= c->budget)
		return rest;
	run = c->looked_at < c->budget ? (uint32_t)(c->budget - c->looked_at) : 1;
	group = c->table->grouped ? geometry_group_entries(&c->table->geometry, c->level) : 1;
	end = (cursor_index(c) + run + group - 1) & ~(group - 1);
	run = end - cursor_index(c);
	return run < rest ? run : rest;
}

/* Entries that may be stepped over before the call ends; without a budget, UINT64_MAX. */
static inline uint64_t cursor_budget_left(const struct iopgt_cursor *c)
{
	if (!c->budget)
		return UINT64_MAX;
	return c->budget > c->looked_at ? c->budget - c->looked_at : 0;
}

/*
 * live_match of `count` entries from the cursor on, all in one 64 of the table. The second
 * half of such a 64, or more of its end, is sooner looked at with all of it, by vectors.
 */
static inline uint64_t cursor_match(const struct iopgt_cursor *c, uint32_t count, uint64_t mask,
                                    uint64_t value)
{
	live_descriptor *entry = cursor_entry(c);
	uint32_t before = cursor_index(c) & 63;

	if (before && count >= 32 && before + count == 64)
		return live_match(entry - before, 64, mask, value) >> before;
	return live_match(entry, count, mask, value);
}

/* Whether the block that once covered the cursor's entry may still be cached. */
static inline bool cursor_is_unsettled(const struct iopgt_cursor *c)
{
	return c->iova >= c->unsettled.first && c->iova <= c->unsettled.last;
}

/* Whether a table of an opened tree is linked again below itself. */
static inline bool cursor_is_below(const struct iopgt_cursor *c, const live_descriptor *entries)
{
	for (int level = c->table->geometry.start_level; level <= c->level; level++) {
		uintptr_t bytes = geometry_entries(&c->table->geometry, level) * sizeof(*entries);

		/* Unsigned: below it, too, is far away. */
		if ((uintptr_t)entries - (uintptr_t)c->path[level + 1] < bytes)
			return true;
	}
	return false;
}

/* Goes into the table that `descriptor`, the entry's value, links. */
static inline int cursor_down(struct iopgt_cursor *c, uint64_t descriptor)
{
	live_descriptor *entries =
		table_virt(c->table, format_address(&c->table->format, descriptor));

	if (!entries || (c->table->opened && cursor_is_below(c, entries)))
		return IOPGT_BAD_TABLE;
	if ((descriptor & c->table->format.unsettled) && !cursor_is_unsettled(c))
		c->unsettled = (struct iopgt_range){cursor_first(c), cursor_last(c)};
	/* Whoever linked it may not have let a non-coherent walker see that yet. */
	if (!(descriptor & c->table->format.cleaned))
		table_clean(c->table, cursor_entry(c), 1);
	IOPGT_ASSERT(c->level < IOPGT_LAST_LEVEL);
	c->looked_at++;
	c->level++;
	c->path[c->level + 1] = entries;
	return IOPGT_OK;
}

/* Leaves `count` entries behind. */
static inline enum cursor_move cursor_step(struct iopgt_cursor *c, uint32_t count)
{
	const struct iopgt_geometry *g = &c->table->geometry;
	unsigned shift = geometry_shift(g, c->level);
	uint64_t end = ((c->iova >> shift) + count) << shift;
	bool at_end = end - 1 >= c->range.last;

	IOPGT_ASSERT(count && c->iova <= c->range.last);
	c->looked_at += count;
	if (!at_end && (geometry_index(g, c->level, end) || c->level == g->start_level)) {
		c->iova = end;
		c->after_table = c->left_table;
		c->left_table = false;
		return CURSOR_MORE;
	}
	if (c->level == g->start_level)
		return CURSOR_END;
	c->iova = at_end ? c->range.last : end - 1;
	c->left_table = true;
	c->level--;
	return CURSOR_UP;
}

/* Steps, and comes up through tables that are done. False: the range is done. */
static inline bool cursor_next(struct iopgt_cursor *c, uint32_t count)
{
	enum cursor_move move = cursor_step(c, count);

	while (move == CURSOR_UP)
		move = cursor_step(c, 1);
	return move == CURSOR_MORE;
}

/* Whether the cursor is in the place of a contiguous group, but not at its first entry. */
static inline bool cursor_in_place(const struct iopgt_cursor *c)
{
	return (cursor_index(c) & (geometry_group_entries(&c->table->geometry, c->level) - 1)) != 0;
}

/* Whether a group may begin before the cursor and go on after it: no table is part of one. */
static inline bool cursor_in_group(const struct iopgt_cursor *c)
{
	return c->table->grouped && cursor_in_place(c) && !c->after_table;
}

/* To be asked after a step: whether the call has to end here. */
static inline bool cursor_spent(const struct iopgt_cursor *c)
{
	return c->budget && c->looked_at >= c->budget && !cursor_in_group(c);
}

/* Ends a call whose budget is spent. */
static inline int cursor_again(const struct iopgt_cursor *c, struct iopgt_op *op)
{
	op->next = c->iova;
	return IOPGT_AGAIN;
}

/*
 * Verbs that also take what the calls of a sequence cover together, so that work
 * in pieces ends as one call would. Kept in op->resumed_from, in the low bits.
 */
enum cursor_sequence {
	CURSOR_UNMAP = 1,
	CURSOR_MERGE = 2,
	CURSOR_TRIM = 3,
	CURSOR_SCAN = 4,
};

/* Where the sequence began that a call of this verb from `first` on continues. */
static inline uint64_t cursor_resumed_from(const struct iopgt_op *op, enum cursor_sequence verb,
                                           uint64_t first)
{
	bool continues = (op->resumed_from & 7) == (uint64_t)verb && op->next == first;

	return continues ? op->resumed_from & ~UINT64_C(7) : first;
}

static inline int cursor_again_from(const struct iopgt_cursor *c, struct iopgt_op *op,
                                    enum cursor_sequence verb, uint64_t begin)
{
	op->resumed_from = begin | (uint64_t)verb;
	return cursor_again(c, op);
}

#endif
