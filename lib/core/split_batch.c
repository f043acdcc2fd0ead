/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order, while walkers run:
 *
 * Level 2: every block is replaced by its table by compare-and-swap against the
 * value that the table was filled from: a mark that a walker made meanwhile
 * makes it fail, and the table is filled again. Then one invalidation of the
 * blocks' ranges and one wait.
 *
 * Level 1: first nT is set in every block, invalidated and waited for: no
 * walker caches the block any more. Then as at level 2.
 *
 * Level 0: every block is exchanged for a broken entry, invalidated and waited
 * for; the tables are filled from what the exchange returned and stored.
 *
 * Between the replacement and the end of the wait a walker may still use a
 * block from its cache, so the table descriptor carries the `unsettled` bit
 * until then: whoever cleans or removes a page below invalidates the block's
 * range, without a level hint.
 */
#include "core/split_batch.h"

#include "core/gather.h"
#include "core/walked.h"

static const struct iopgt_format *format_of(const struct split_batch *b)
{
	return &b->table->format;
}

static struct iopgt_range slot_range(const struct split_batch *b, const struct split_slot *slot)
{
	return (struct iopgt_range){slot->iova,
	                            geometry_last(&b->table->geometry, slot->level, slot->iova)};
}

/*
 * The entry that links the slot's table. A private one has no old block to fear,
 * and is cleaned with the table that it is in.
 */
static uint64_t slot_link(const struct split_batch *b, const struct split_slot *slot)
{
	uint64_t d = format_make_table(format_of(b), slot->table.phys);

	if (!slot->is_private)
		return d | format_of(b)->unsettled;
	return b->table->non_coherent ? d | format_of(b)->cleaned : d;
}

/* Fills the slot's table with the leaves that its block stands for. */
static void fill(const struct split_batch *b, struct split_slot *slot, uint64_t block)
{
	const struct iopgt_format *f = format_of(b);
	int level = slot->level + 1;
	uint64_t bits = format_leaf_bits(f, slot->level, block & ~f->no_cache);
	uint64_t phys = format_address(f, block & ~f->no_cache);
	uint32_t count = geometry_entries(&b->table->geometry, level);

	phys &= ~(geometry_size(&b->table->geometry, slot->level) - 1);
	if (slot->clean && format_is_tracked(f, block))
		bits = format_with_state(f, bits, f->state_clean);
	if (slot->clean)
		bits &= ~f->kept_dirty;
	table_fill(b->table, (struct table_run){slot->table.entries, count, level}, phys, bits);
	slot->block = block;
}

/* Slots from `first` on that belong to its subtree: itself and the private ones behind it. */
static uint32_t subtree_end(const struct split_batch *b, uint32_t first)
{
	uint32_t end = first + 1;

	while (end < b->count && b->slots[end].is_private)
		end++;
	return end;
}

/* Fills a whole subtree anew from what now stands in the live entry. */
static void refill(struct split_batch *b, uint32_t first, uint64_t block)
{
	uint32_t end = subtree_end(b, first);

	fill(b, &b->slots[first], block);
	for (uint32_t i = first + 1; i < end; i++) {
		struct split_slot *slot = &b->slots[i];

		fill(b, slot, live_load(slot->entry));
		live_store(slot->entry, slot_link(b, slot));
	}
}

/* What non-coherent walkers will read, in memory; and all of it before the link. */
static void make_visible(struct split_batch *b)
{
	for (uint32_t i = 0; i < b->count; i++) {
		const struct split_slot *slot = &b->slots[i];

		table_clean(b->table, slot->table.entries,
		            geometry_entries(&b->table->geometry, slot->level + 1));
	}
	table_publish(b->table);
}

bool iopgt_split_batch_is_private(const struct split_batch *b, const struct iopgt_cursor *c)
{
	for (uint32_t i = b->count; i-- > 0;) {
		struct iopgt_range range;

		if (b->slots[i].is_private)
			continue;
		range = slot_range(b, &b->slots[i]);
		return c->level > b->slots[i].level && c->iova >= range.first &&
		       c->iova <= range.last;
	}
	return false;
}

int iopgt_split_batch_add(struct split_batch *b, struct iopgt_cursor *c, uint64_t block, bool clean)
{
	struct split_slot *slot = &b->slots[b->count];
	int err;

	IOPGT_ASSERT(!split_batch_full(b) && c->level < IOPGT_LAST_LEVEL);
	if (b->op->flags & IOPGT_OP_NO_SPLIT)
		return IOPGT_WOULD_SPLIT;
	if (!table_may_break(b->table, b->op))
		return IOPGT_WOULD_BREAK;
	/* Groups are broken up before; another call made this one. */
	if (format_is_member(format_of(b), c->level, block))
		return IOPGT_BUSY;
	*slot = (struct split_slot){
		.entry = cursor_entry(c),
		.iova = cursor_first(c),
		.level = (int8_t)c->level,
		.clean = clean,
		.is_private = iopgt_split_batch_is_private(b, c),
	};
	err = iopgt_table_alloc(b->table, table_alloc_flags(b->op), &slot->table);
	if (err)
		return err;
	fill(b, slot, block);
	if (slot->is_private)
		live_store(slot->entry, slot_link(b, slot));
	b->count++;
	c->looked_at += geometry_entries(&b->table->geometry, c->level + 1);
	c->level++;
	c->path[c->level + 1] = slot->table.entries;
	return IOPGT_OK;
}

/* Gives the tables of slots that were not linked back to the host. */
static void drop_unlinked(struct split_batch *b)
{
	for (uint32_t i = 0; i < b->count; i++) {
		if (!b->slots[i].done)
			iopgt_table_free(b->table, b->slots[i].table.entries,
			                 b->slots[i].table.phys);
	}
	b->count = 0;
}

/* Invalidates every live block, and waits. */
static int wait_for_blocks(struct split_batch *b)
{
	for (uint32_t i = 0; i < b->count; i++) {
		if (!b->slots[i].is_private)
			iopgt_gather_leaves(b->table, b->op, slot_range(b, &b->slots[i]),
			                    b->slots[i].level);
	}
	return iopgt_gather_flush(b->op);
}

/* Level 1, first half. On failure every block may be cached again. */
static int forbid_caching(struct split_batch *b)
{
	uint64_t no_cache = format_of(b)->no_cache;
	int err;

	for (uint32_t i = 0; i < b->count; i++) {
		struct split_slot *slot = &b->slots[i];
		uint64_t expected = slot->block;

		/* A walker's mark is no reason to give up; another call's table is. */
		while (!slot->is_private &&
		       !live_replace(slot->entry, &expected, expected | no_cache)) {
			if (!format_is_leaf(format_of(b), slot->level, expected))
				break;
		}
		if (!slot->is_private)
			table_clean(b->table, slot->entry, 1);
	}
	err = wait_for_blocks(b);
	if (!err)
		return IOPGT_OK;
	for (uint32_t i = 0; i < b->count; i++) {
		struct split_slot *slot = &b->slots[i];
		uint64_t expected = live_load(slot->entry);

		while (!slot->is_private && format_is_leaf(format_of(b), slot->level, expected) &&
		       !live_replace(slot->entry, &expected, expected & ~no_cache)) {
		}
		if (!slot->is_private)
			table_clean(b->table, slot->entry, 1);
	}
	return err;
}

/*
 * Links one live slot's subtree. False: another call put something else there,
 * or took nT back because its wait failed: walkers may cache the block again.
 */
static bool link_slot(struct split_batch *b, uint32_t index)
{
	struct split_slot *slot = &b->slots[index];
	uint64_t no_cache = b->table->bbm_level == 1 ? format_of(b)->no_cache : 0;
	uint64_t expected = slot->block | no_cache;

	while (!live_replace(slot->entry, &expected, slot_link(b, slot))) {
		if (!format_is_leaf(format_of(b), slot->level, expected) ||
		    (expected & no_cache) != no_cache)
			return false;
		refill(b, index, expected);
		make_visible(b);
		expected = slot->block | no_cache;
	}
	return true;
}

static void mark_done(struct split_batch *b, uint32_t first)
{
	uint32_t end = subtree_end(b, first);

	for (uint32_t i = first; i < end; i++) {
		b->slots[i].done = true;
		b->op->stats.split++;
	}
	table_count(&b->table->tables, end - first);
	if (b->table->non_coherent) {
		table_clean(b->table, b->slots[first].entry, 1);
		live_set(b->slots[first].entry, format_of(b)->cleaned);
	}
}

/*
 * The blocks are invalidated: pages may be cleaned by themselves from here on.
 * Walkers ignore the mark.
 */
static void settle(struct split_batch *b)
{
	for (uint32_t i = 0; i < b->count; i++) {
		struct split_slot *slot = &b->slots[i];
		uint64_t d = live_load(slot->entry);

		while (slot->done && !slot->is_private && (d & format_of(b)->unsettled) &&
		       format_is_table(format_of(b), slot->level, d) &&
		       !live_replace(slot->entry, &d, d & ~format_of(b)->unsettled)) {
		}
	}
}

static int replace_live(struct split_batch *b)
{
	int err = b->table->bbm_level == 1 ? forbid_caching(b) : IOPGT_OK;
	int busy = IOPGT_OK;

	if (err) {
		drop_unlinked(b);
		return err;
	}
	make_visible(b);
	for (uint32_t i = 0; i < b->count; i = subtree_end(b, i)) {
		if (link_slot(b, i))
			mark_done(b, i);
		else
			busy = IOPGT_BUSY;
	}
	err = wait_for_blocks(b);
	if (!err)
		settle(b);
	drop_unlinked(b);
	return err ? err : busy;
}

/* Level 0, first half: false if another call is at it. */
static bool break_block(struct split_batch *b, struct split_slot *slot)
{
	uint64_t expected = slot->block;

	while (!live_replace(slot->entry, &expected, format_of(b)->broken)) {
		if (!format_is_leaf(format_of(b), slot->level, expected))
			return false;
	}
	table_clean(b->table, slot->entry, 1);
	slot->block = expected;
	return true;
}

/* Level 0. The slots' `done` tells meanwhile which entries this call broke. */
static int replace_broken(struct split_batch *b)
{
	int busy = IOPGT_OK;
	int err;

	for (uint32_t i = 0; i < b->count; i = subtree_end(b, i)) {
		b->slots[i].done = break_block(b, &b->slots[i]);
		if (!b->slots[i].done)
			busy = IOPGT_BUSY;
	}
	err = wait_for_blocks(b);
	for (uint32_t i = 0; i < b->count && !err; i = subtree_end(b, i)) {
		if (b->slots[i].done)
			refill(b, i, b->slots[i].block);
	}
	make_visible(b);
	for (uint32_t i = 0; i < b->count; i = subtree_end(b, i)) {
		struct split_slot *slot = &b->slots[i];

		if (!slot->done)
			continue;
		slot->done = false;
		live_exchange(slot->entry,
		              err ? slot->block : slot_link(b, slot) & ~format_of(b)->unsettled);
		if (err)
			table_clean(b->table, slot->entry, 1);
		else
			mark_done(b, i);
	}
	drop_unlinked(b);
	return err ? err : busy;
}

int iopgt_split_batch_flush(struct split_batch *b)
{
	uint32_t count = b->count;
	int err;

	if (!count)
		return IOPGT_OK;
	err = b->table->bbm_level == 0 ? replace_broken(b) : replace_live(b);
	/* What was to be clean may have stayed as it was. */
	for (uint32_t i = 0; i < count && err; i++)
		walked_at(b->table, b->slots[i].iova, b->slots[i].level);
	return err;
}

int iopgt_split_one(struct iopgt_table *table, struct iopgt_cursor *c, uint64_t block,
                    struct iopgt_op *op)
{
	struct split_batch batch;
	struct split_slot slot;
	int level = c->level;
	int err;

	split_batch_start(&batch, table, op, &slot, 1);
	err = iopgt_split_batch_add(&batch, c, block, false);
	if (err)
		return err;
	c->level = level;
	err = iopgt_split_batch_flush(&batch);
	/* Another call's table, or its broken entry: the caller looks again. */
	return err == IOPGT_BUSY ? IOPGT_OK : err;
}
