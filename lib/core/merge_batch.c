/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order, while walkers run:
 *
 * Level 2: every table is exchanged for its block; one invalidation of the
 * ranges, of all leaf sizes and walk caches, and one wait. Until then walkers
 * mark pages of the old tables; after it nothing more is marked there. What is
 * found there is carried into the block by an atomic or, since a walker may have
 * marked the block meanwhile. Then the old tables are freed.
 *
 * Level 1: the same, but the block is put down with nT, so that no walker caches
 * it beside the pages; after the wait nT is cleared, invalidated and waited for.
 *
 * Level 0: every table is exchanged for a broken entry, invalidated and waited
 * for; then the block is made from what the old tables say, and stored.
 */
#include "core/merge_batch.h"

#include "core/gather.h"
#include "core/marks.h"
#include "core/walked.h"

static const struct iopgt_format *format_of(const struct merge_batch *b)
{
	return &b->table->format;
}

static struct iopgt_range slot_range(const struct merge_batch *b, const struct merge_slot *slot)
{
	return (struct iopgt_range){slot->iova,
	                            geometry_last(&b->table->geometry, slot->level, slot->iova)};
}

/* A block with the marks of a leaf that it stands for. */
static uint64_t with_marks_of(const struct merge_batch *b, uint64_t block, uint64_t leaf)
{
	const struct iopgt_format *f = format_of(b);

	block |= leaf & (f->accessed | f->kept_dirty);
	if (format_is_tracked(f, leaf) && format_is_dirty(f, leaf))
		block = format_with_state(f, block, f->state_dirty);
	return block;
}

/* Whether slot `from` will be a block at this entry. Slots wait in ascending order. */
static bool is_pending(const struct merge_batch *b, uint32_t from, int level, uint64_t iova)
{
	return from < b->count && b->slots[from].iova == iova && b->slots[from].level == level;
}

/* The first slot whose range begins at or after iova. */
static uint32_t first_pending(const struct merge_batch *b, uint64_t iova)
{
	uint32_t i = b->count;

	while (i > 0 && b->slots[i - 1].iova >= iova)
		i--;
	return i;
}

/*
 * Looks at every entry of the table the cursor came up from. If they could be
 * one block, *block is it, with the marks of all.
 */
static enum merge_answer look_at(const struct merge_batch *b, const struct iopgt_cursor *c,
                                 uint32_t from, uint64_t *block)
{
	const struct iopgt_format *f = format_of(b);
	const struct iopgt_geometry *g = &b->table->geometry;
	int level = c->level + 1;
	uint32_t count = geometry_entries(g, level);
	uint64_t size = geometry_size(g, level);
	uint64_t iova = cursor_first(c);
	uint64_t bits = 0, phys = 0;
	bool present = false, alike = true;

	for (uint32_t i = 0; i < count && (alike || !present); i++, iova += size, phys += size) {
		uint64_t d = live_load(&cursor_child(c)[i]);

		if (is_pending(b, from, level, iova))
			d = b->slots[from++].block;
		present |= format_is_present(f, d) || format_is_broken(f, d);
		if (i == 0) {
			phys = format_address(f, d);
			bits = format_leaf_bits(f, level, format_without_marks(f, d));
			*block = format_make_leaf(f, c->level, phys, bits);
			alike = !(phys & (geometry_size(g, c->level) - 1));
		}
		alike = alike && format_is_leaf(f, level, d) &&
		        format_without_marks(f, d) == format_make_leaf(f, level, phys, bits);
		*block = with_marks_of(b, *block, d);
	}
	if (!present)
		return MERGE_EMPTY;
	return alike ? MERGE_TAKEN : MERGE_UNLIKE;
}

enum merge_answer iopgt_merge_batch_add(struct merge_batch *b, const struct iopgt_cursor *c)
{
	const struct iopgt_format *f = format_of(b);
	uint32_t from = first_pending(b, cursor_first(c));
	uint64_t block = 0;
	enum merge_answer answer = look_at(b, c, from, &block);

	if (answer != MERGE_TAKEN)
		return answer;
	if (b->only_clean && format_is_dirty(f, block))
		return MERGE_UNLIKE;
	IOPGT_ASSERT(from < MERGE_BATCH_MAX);
	if (b->force_dirty && format_is_tracked(f, block))
		block = format_with_state(f, block, f->state_dirty);
	/* Those that wait below are read and freed with this one. */
	b->count = from;
	b->slots[b->count++] = (struct merge_slot){
		.entry = cursor_entry(c),
		.child = cursor_child(c),
		.old = live_load(cursor_entry(c)),
		.block = block,
		.iova = cursor_first(c),
		.level = (int8_t)c->level,
	};
	return MERGE_TAKEN;
}

/* What a visit to the old tables of a slot does with them. */
enum old_visit {
	OLD_COLLECT, /* add their marks to the slot's block */
	OLD_DIRTY,   /* make their leaves dirty, and mark their tables as walked */
	OLD_FREE,    /* free them */
};

static void visit_old_leaf(struct merge_batch *b, struct merge_slot *slot, live_descriptor *entry,
                           enum old_visit visit)
{
	const struct iopgt_format *f = format_of(b);
	uint64_t d = live_load(entry);

	if (visit == OLD_COLLECT)
		slot->block = with_marks_of(b, slot->block, d);
	else if (visit == OLD_DIRTY && format_is_clean(f, d))
		marks_dirty(f, entry);
}

static void free_old(struct merge_batch *b, live_descriptor *entries, uint64_t link)
{
	iopgt_table_free(b->table, entries, format_address(format_of(b), link));
	table_count(&b->table->tables, (uint32_t)-1);
	b->op->stats.merged++;
}

/* Every leaf below the slot's entry, and every table on the way out of it. */
static void visit_old(struct merge_batch *b, struct merge_slot *slot, enum old_visit visit)
{
	struct iopgt_cursor c;

	cursor_start(&c, b->table, slot_range(b, slot), NULL);
	c.level = slot->level + 1;
	c.path[c.level + 1] = slot->child;
	while (c.level > slot->level) {
		uint64_t d = live_load(cursor_entry(&c));
		enum cursor_move move;

		if (format_is_table(format_of(b), c.level, d)) {
			if (visit == OLD_DIRTY && format_of(b)->walked)
				walked_mark_entry(format_of(b), cursor_entry(&c), c.level);
			if (cursor_down(&c, d) == IOPGT_OK)
				continue;
		}
		visit_old_leaf(b, slot, cursor_entry(&c), visit);
		move = cursor_step(
			&c, visit == OLD_FREE && c.level == IOPGT_LAST_LEVEL ? cursor_rest(&c) : 1);
		while (move == CURSOR_UP && c.level > slot->level) {
			if (visit == OLD_FREE)
				free_old(b, cursor_child(&c), live_load(cursor_entry(&c)));
			move = cursor_step(&c, 1);
		}
	}
	if (visit == OLD_FREE)
		free_old(b, slot->child, slot->old);
}

static int wait_for_tables(struct merge_batch *b)
{
	for (uint32_t i = 0; i < b->count; i++)
		iopgt_gather_walk_caches(b->table, b->op, slot_range(b, &b->slots[i]));
	return iopgt_gather_flush(b->op);
}

/*
 * The first wait failed: the tables go back. What a walker wrote through a block
 * was marked there only, so a dirty block makes all its pages dirty.
 */
static void put_back(struct merge_batch *b)
{
	for (uint32_t i = 0; i < b->count; i++) {
		struct merge_slot *slot = &b->slots[i];
		/* Until the op's next wait a walker may have the block cached. */
		uint64_t link = slot->old | format_of(b)->unsettled | format_of(b)->walked;
		uint64_t block = live_exchange(slot->entry, link);

		table_clean(b->table, slot->entry, 1);
		if (format_is_leaf(format_of(b), slot->level, block) &&
		    format_is_tracked(format_of(b), block) && format_is_dirty(format_of(b), block))
			visit_old(b, slot, OLD_DIRTY);
		walked_at(b->table, slot->iova, slot->level);
	}
	b->count = 0;
}

/* Adds what walkers left in the old tables to the block that is live in their place. */
static void carry(struct merge_batch *b, struct merge_slot *slot)
{
	const struct iopgt_format *f = format_of(b);
	uint64_t before = slot->block;

	visit_old(b, slot, OLD_COLLECT);
	if (slot->block == before)
		return;
	if (slot->block & f->accessed)
		live_set(slot->entry, f->accessed);
	if (format_is_tracked(f, slot->block) && format_is_dirty(f, slot->block))
		marks_dirty(f, slot->entry);
}

/* Level 1: walkers may cache the blocks from here on. */
static int allow_caching(struct merge_batch *b)
{
	for (uint32_t i = 0; i < b->count; i++) {
		struct merge_slot *slot = &b->slots[i];

		live_clear(slot->entry, format_of(b)->no_cache);
		table_clean(b->table, slot->entry, 1);
		iopgt_gather_leaves(b->table, b->op, slot_range(b, slot), slot->level);
	}
	return iopgt_gather_flush(b->op);
}

int iopgt_merge_batch_flush(struct merge_batch *b)
{
	unsigned bbm_level = b->table->bbm_level;
	int err;

	if (!b->count)
		return IOPGT_OK;
	for (uint32_t i = 0; i < b->count; i++) {
		struct merge_slot *slot = &b->slots[i];
		uint64_t block =
			bbm_level == 1 ? slot->block | format_of(b)->no_cache : slot->block;

		live_exchange(slot->entry, bbm_level == 0 ? format_of(b)->broken : block);
		table_clean(b->table, slot->entry, 1);
	}
	err = wait_for_tables(b);
	if (err) {
		put_back(b);
		return err;
	}
	for (uint32_t i = 0; i < b->count; i++) {
		struct merge_slot *slot = &b->slots[i];

		if (bbm_level == 0) {
			visit_old(b, slot, OLD_COLLECT);
			live_exchange(slot->entry, slot->block);
			table_clean(b->table, slot->entry, 1);
		} else {
			carry(b, slot);
		}
		walked_at(b->table, slot->iova, slot->level);
		visit_old(b, slot, OLD_FREE);
	}
	if (bbm_level == 1)
		err = allow_caching(b);
	b->count = 0;
	return err;
}
