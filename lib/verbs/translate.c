/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/describe.h"
#include "core/group.h"

/* Where an address ends. */
struct place {
	live_descriptor *entries; /* of the table */
	uint64_t d;
	int level;
};

/* Goes down to it. */
static int find(const struct iopgt_table *table, uint64_t iova, struct place *place)
{
	const struct iopgt_format *f = &table->format;
	const struct iopgt_geometry *g = &table->geometry;

	place->entries = table->root;
	for (place->level = g->start_level;; place->level++) {
		place->d = live_load_table(&place->entries[geometry_index(g, place->level, iova)]);
		if (!format_is_table(f, place->level, place->d))
			return IOPGT_OK;
		place->entries = table_virt(table, format_address(f, place->d));
		if (!place->entries)
			return IOPGT_BAD_TABLE;
	}
}

/* The same in a table that is plain (direct.h) and linear. */
static inline struct place find_plainly(const struct iopgt_table *table, uint64_t iova)
{
	const struct iopgt_geometry *g = &table->geometry;
	uint64_t mask = table->format.table_mask, value = table->format.table_value;
	uint64_t address = table->format.address_low;
	uintptr_t offset = table->linear_offset;
	struct place place = {.entries = table->root, .level = g->start_level};

	for (;; place.level++) {
		place.d = live_load_table(&place.entries[geometry_index(g, place.level, iova)]);
		if (place.level == IOPGT_LAST_LEVEL || (place.d & mask) != value)
			return place;
		place.entries = (live_descriptor *)((uintptr_t)(place.d & address) + offset);
	}
}

/*
 * What a leaf says, in one word, beside those of its bits that say it: the answer is
 * mostly that of the last time. In a plain table those are no address.
 */
#define KEY_SHIFT 40

static uint64_t key_of(uint64_t leaf)
{
	return (leaf >> 2 & 0x3ff) | leaf >> 50 << 10;
}

static __attribute__((noinline)) uint64_t describe(const struct iopgt_table *table, uint64_t leaf)
{
	struct iopgt_leaf_kind kind;
	uint64_t word;

	table->format.leaf_kind(&table->format, leaf, &kind);
	word = kind.prot | (uint64_t)kind.memory << 8 | (uint64_t)kind.attributes << 16 |
	       (uint64_t)describe_state(&table->format, leaf) << 24 | UINT64_C(1) << 26;
	if (table->plain)
		live_store((live_descriptor *)&table->last_kind, word | key_of(leaf) << KEY_SHIFT);
	return word;
}

static inline void describe_kind(const struct iopgt_table *table, uint64_t leaf,
                                 struct iopgt_translation *translation)
{
	uint64_t word = live_load((live_descriptor *)&table->last_kind);

	if (!word || word >> KEY_SHIFT != key_of(leaf))
		word = describe(table, leaf);
	translation->prot = word & 0xff;
	translation->memory = word >> 8 & 0xff;
	translation->attributes = word >> 16 & 0xff;
	translation->state = word >> 24 & 3;
}

/* The group that the leaf is in, if it is: its range, and the dirty mark that it has. */
static void widen_to_group(const struct iopgt_table *table, uint64_t iova, struct place *place,
                           struct iopgt_translation *translation)
{
	struct iopgt_group group = group_of_entry(
		table, place->entries, geometry_index(&table->geometry, place->level, iova),
		place->level, iova);

	if (place->d & table->format.contiguous) {
		translation->leaf_iova = group.range.first;
		translation->leaf_size = geometry_group_size(&table->geometry, place->level);
	}
	place->d = iopgt_group_leaf(table, &group, place->d);
}

int iopgt_translate(const struct iopgt_table *table, uint64_t iova,
                    struct iopgt_translation *translation)
{
	const struct iopgt_format *f;
	struct place place;
	uint64_t low;
	int err;

	if (!table || !translation)
		return IOPGT_BAD_ARGUMENT;
	f = &table->format;
	if (!geometry_has_input(&table->geometry, iova))
		return IOPGT_BAD_RANGE;
	err = IOPGT_OK;
	if (table->plain && table->linear)
		place = find_plainly(table, iova);
	else
		err = find(table, iova, &place);
	if (err)
		return err;
	if (!format_is_leaf(f, place.level, place.d))
		return format_is_broken(f, place.d) ? IOPGT_BUSY : IOPGT_NOT_MAPPED;
	low = geometry_size(&table->geometry, place.level) - 1;
	translation->phys = (format_address(f, place.d) & ~low) | (iova & low);
	translation->leaf_iova = iova & ~low;
	translation->leaf_size = low + 1;
	translation->level = place.level;
	if (table->grouped && format_is_member(f, place.level, place.d))
		widen_to_group(table, iova, &place, translation);
	describe_kind(table, place.d, translation);
	return IOPGT_OK;
}
