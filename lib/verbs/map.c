/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/cursor.h"
#include "core/direct.h"
#include "core/gather.h"
#include "core/walked.h"

struct map_state {
	struct iopgt_table *table;
	struct iopgt_op *op;
	struct iopgt_cursor c;
	uint64_t offset; /* phys - iova, modulo 2^64 */
	uint64_t bits;   /* of every leaf: all but kind and address */
	uint32_t steps;  /* entries done; 0: the cursor moved down, or is to look again */
	struct iopgt_range trimmed; /* empty tables in here are gone; none: first > last */
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

static bool is_free(const struct iopgt_format *f, uint64_t d)
{
	return !format_is_present(f, d) && !format_is_broken(f, d);
}

/* Of `count` entries, how many before the first that is taken. */
static uint32_t free_entries(const struct iopgt_format *f, live_descriptor *entries, uint32_t count)
{
	uint32_t i = 0;

	while (i < count && is_free(f, live_load(&entries[i])))
		i++;
	return i;
}

/* Entries of a table, from `index` and `iova` on. */
struct entry_run {
	live_descriptor *entries; /* of the table */
	int level;
	uint32_t index, count;
	uint64_t iova;
};

static void run_step(const struct map_state *s, struct entry_run *run, uint32_t count)
{
	run->index += count;
	run->count -= count;
	run->iova += (uint64_t)count << geometry_shift(&s->table->geometry, run->level);
}

/*
 * How many of the run's entries are alike: contiguous groups, or single leaves
 * before a place where a group begins. *group: which.
 */
static uint32_t alike(const struct map_state *s, const struct entry_run *run, bool *group)
{
	const struct iopgt_geometry *g = &s->table->geometry;
	uint32_t entries = geometry_group_entries(g, run->level);
	uint32_t before = -run->index & (entries - 1);

	*group = false;
	if (!geometry_group_allowed(s->table->map_leaf_sizes, g, run->level) ||
	    ((run->iova ^ (run->iova + s->offset)) & (geometry_group_size(g, run->level) - 1)))
		return run->count;
	*group = before == 0 && run->count >= entries;
	if (*group)
		return run->count & ~(entries - 1);
	return before && before < run->count ? before : run->count;
}

/* Puts down `count` leaves, up to the first entry that is taken. Returns how many. */
static uint32_t write_leaves(const struct map_state *s, const struct entry_run *run, uint32_t count,
                             uint64_t bits)
{
	const struct iopgt_format *f = &s->table->format;
	uint64_t size = geometry_size(&s->table->geometry, run->level);
	uint64_t leaf = format_make_leaf(f, run->level, run->iova + s->offset, bits);
	live_descriptor *entries = &run->entries[run->index];
	uint32_t i;

	for (i = 0; i < count && is_free(f, live_load(&entries[i])); i++) {
		live_store(&entries[i], leaf);
		leaf = format_next_leaf(f, leaf, size);
	}
	return i;
}

/* The same in contiguous groups where the table has them: none is begun that is not free. */
static uint32_t write_groups(const struct map_state *s, struct entry_run run)
{
	const struct iopgt_format *f = &s->table->format;
	uint32_t all = run.count;

	while (run.count) {
		bool group;
		uint32_t count = alike(s, &run, &group);
		uint64_t bits = s->bits;
		uint32_t written;

		if (group) {
			bits |= f->contiguous;
			count = free_entries(f, &run.entries[run.index], count) &
			        ~(geometry_group_entries(&s->table->geometry, run.level) - 1);
			if (!count)
				break;
		}
		written = write_leaves(s, &run, count, bits);
		run_step(s, &run, written);
		if (written < count)
			break;
	}
	return all - run.count;
}

/* Leaves in the cursor's table, in the form that the table wants. Returns how many. */
static uint32_t put_leaves(const struct map_state *s, uint32_t count)
{
	struct entry_run run = {cursor_table(&s->c), s->c.level, cursor_index(&s->c), count,
	                        s->c.iova};

	return s->table->grouped ? write_groups(s, run) : write_leaves(s, &run, count, s->bits);
}

/* What to do about an entry, holding d, that cannot take a leaf. */
static int taken_by(struct map_state *s, uint64_t d)
{
	const struct iopgt_geometry *g = &s->table->geometry;
	uint64_t last = geometry_first(g, s->c.level, s->c.range.last + 1) - 1;
	uint64_t budget = s->op->budget;
	int err;

	if (format_is_broken(&s->table->format, d))
		return IOPGT_BUSY;
	if (!format_is_table(&s->table->format, s->c.level, d) ||
	    (s->c.iova >= s->trimmed.first && s->c.iova <= s->trimmed.last))
		return IOPGT_EXISTS;
	/* Tables that earlier calls left empty: out, all at once, before their place is used. */
	s->trimmed = (struct iopgt_range){s->c.iova, last};
	s->op->budget = 0;
	err = iopgt_trim(s->table, s->c.iova, last - s->c.iova + 1, s->op);
	s->op->budget = budget;
	if (!err)
		err = iopgt_gather_flush(s->op);
	/* The table that the cursor is in may be one of them. */
	cursor_restart(&s->c);
	return err;
}

/* Leaves in the cursor's table, which may start dirty. */
static void made_leaves(const struct map_state *s)
{
	if (format_is_dirty(&s->table->format, s->bits))
		walked_by_cursor(&s->c);
}

static int map_leaves(struct map_state *s)
{
	uint32_t count = whole_leaves(s, s->c.level, s->c.iova, cursor_run(&s->c));
	live_descriptor *entry = cursor_entry(&s->c);
	uint32_t taken;

	s->steps = put_leaves(s, count);
	if (s->steps) {
		table_clean(s->table, entry, s->steps);
		made_leaves(s);
		return IOPGT_OK;
	}
	/* The entry, or another one of the group that it was to begin; or none any more. */
	taken = free_entries(&s->table->format, entry, count);
	return taken < count ? taken_by(s, live_load(&entry[taken])) : IOPGT_OK;
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

/* Leaves into a table that no walker reaches. */
static void fill_leaves(const struct map_state *s, struct entry_run run)
{
	while (run.count) {
		bool group;
		uint32_t count = alike(s, &run, &group);

		table_fill(s->table, (struct table_run){&run.entries[run.index], count, run.level},
		           run.iova + s->offset,
		           s->bits | (group ? s->table->format.contiguous : 0));
		run_step(s, &run, count);
	}
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
	fill_leaves(s, (struct entry_run){made.entries, level, geometry_index(g, level, s->c.iova),
	                                  count, s->c.iova});
	if (!link_table(s, &made, seen)) {
		iopgt_table_free(s->table, made.entries, made.phys);
		return IOPGT_OK;
	}
	s->c.level = level;
	s->c.path[level + 1] = made.entries;
	s->steps = count;
	if (count)
		made_leaves(s);
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
	if (format_is_broken(f, d))
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

/* The plain case. False: it is not, and nothing was done. */
static bool map_direct(const struct iopgt_table *table, struct iopgt_range range, uint64_t phys,
                       uint64_t bits, struct iopgt_op *op)
{
	const struct iopgt_format *f = &table->format;
	uint32_t count = direct_count(table, range, op);
	live_descriptor *entries;

	/* What starts dirty marks the tables above. */
	if (!count || (f->walked && format_is_dirty(f, bits)))
		return false;
	entries = iopgt_direct_pages(table, range);
	if (!entries || free_entries(f, entries, count) < count)
		return false;
	live_fill(entries, count, format_make_leaf(f, IOPGT_LAST_LEVEL, phys, bits),
	          geometry_granule(&table->geometry));
	direct_looked_at(table, op, count);
	return true;
}

static __attribute__((noinline)) int map_range(struct iopgt_table *table, struct iopgt_range range,
                                               uint64_t phys, uint64_t bits, struct iopgt_op *op)
{
	struct map_state s = {.table = table,
	                      .op = op,
	                      .offset = phys - range.first,
	                      .bits = bits,
	                      .trimmed = {1, 0}};
	int err, left;

	cursor_start(&s.c, table, range, op);
	err = map_loop(&s);
	op->stats.looked_at += s.c.looked_at;
	if (!err || err == IOPGT_AGAIN)
		return err;
	left = roll_back(&s);
	return left ? left : err;
}

static struct iopgt_leaf_kind kind_of(const struct iopgt_table *table,
                                      const struct iopgt_mapping *m)
{
	bool clean = table->map_clean && !(m->prot & IOPGT_NO_TRACK);

	return (struct iopgt_leaf_kind){
		.prot = m->prot | (clean ? (uint32_t)IOPGT_CLEAN : 0),
		.memory = m->memory,
		.attributes = m->attributes,
	};
}

static __attribute__((noinline)) int map_any(struct iopgt_table *table,
                                             const struct iopgt_mapping *m, struct iopgt_op *op)
{
	struct iopgt_leaf_kind kind;
	struct iopgt_range range;
	uint64_t bits;
	int err;

	if (!m)
		return IOPGT_BAD_ARGUMENT;
	err = iopgt_check_change(table, m->iova, m->size, op, &range);
	if (!err)
		err = check_mapping(table, m);
	if (err)
		return err;
	kind = kind_of(table, m);
	err = table_leaf_bits(table, &kind, &bits);
	if (err)
		return err;
	/* What this op removed here is out of all caches before anything takes its place. */
	err = gather_settle(op, range);
	if (err)
		return err;
	if (!map_direct(table, range, m->phys, bits, op))
		err = map_range(table, range, m->phys, bits, op);
	if (err && err != IOPGT_AGAIN)
		return err;
	op->stats.mapped +=
		((err ? op->next : range.last + 1) - range.first) >> table->geometry.granule_shift;
	table_publish(table);
	return err;
}

/* One page, of the same kind as the last mapping. False: it is not plain, nothing was done. */
static inline bool map_page(struct iopgt_table *table, const struct iopgt_mapping *m,
                            struct iopgt_op *op)
{
	struct iopgt_range range = {m->iova, m->iova + (DIRECT_PAGE - 1)};
	struct iopgt_leaf_kind kind = kind_of(table, m);
	live_descriptor *entry;
	uint64_t bits;

	if (!direct_page(table, m->iova, m->size, op, &entry) || live_load(entry) ||
	    !table_last_bits(table, &kind, &bits) || (m->phys & (DIRECT_PAGE - 1)) ||
	    m->phys > geometry_output_last(&table->geometry) || gather_owes(op, range))
		return false;
	/* Its address stands in place. */
	live_store(entry, bits | table->format.leaf_value[1] | m->phys);
	direct_looked_at(table, op, 1);
	op->stats.mapped++;
	table_publish(table);
	return true;
}

int iopgt_map(struct iopgt_table *table, const struct iopgt_mapping *m, struct iopgt_op *op)
{
	return table && m && map_page(table, m, op) ? IOPGT_OK : map_any(table, m, op);
}
