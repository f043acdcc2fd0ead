/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/describe.h"
#include "core/direct.h"
#include "core/group.h"

/*
 * What a leaf says, in one word, which is remembered beside those bits of the leaf that
 * say it, as those of a page: the answer is mostly that of the last time.
 */
static __attribute__((noinline)) uint32_t describe(const struct iopgt_table *table, uint64_t leaf)
{
	const struct iopgt_format *f = &table->format;
	struct iopgt_leaf_kind kind;

	f->leaf_kind(f, leaf, &kind);
	return kind.prot | kind.memory << 8 | kind.attributes << 16 | describe_state(f, leaf) << 24;
}

static uint32_t describe_as_before(const struct iopgt_table *table, uint64_t leaf)
{
	const struct iopgt_format *f = &table->format;
	live_descriptor *memory = (live_descriptor *)&table->last_kind;
	uint64_t page = (leaf & ~f->leaf_mask[1]) | f->leaf_value[1];
	uint64_t last = live_load(memory);
	uint32_t said;

	if (!((page ^ last) & table->direct.no_address))
		return (uint32_t)(last >> table->geometry.granule_shift);
	said = describe(table, leaf);
	live_store(memory, (page & table->direct.no_address) |
	                           (uint64_t)said << table->geometry.granule_shift);
	return said;
}

static inline void say(uint32_t said, struct iopgt_translation *translation)
{
	translation->prot = said & 0xff;
	translation->memory = said >> 8 & 0xff;
	/* To make a vector of the four takes longer than to store them. */
	atomic_signal_fence(memory_order_acq_rel);
	translation->attributes = said >> 16 & 0xff;
	translation->state = said >> 24 & 3;
}

/* The group that the leaf is in, if it is: its range, and the dirty mark that it has. */
static void widen_to_group(const struct iopgt_table *table, uint64_t iova,
                           struct direct_place *place, struct iopgt_translation *translation)
{
	uint32_t index = geometry_index(&table->geometry, place->level, iova);
	struct iopgt_group group =
		group_of_entry(table, place->entry - index, index, place->level, iova);

	if (place->d & table->format.contiguous) {
		translation->leaf_iova = group.range.first;
		translation->leaf_size = geometry_group_size(&table->geometry, place->level);
	}
	place->d = iopgt_group_leaf(table, &group, place->d);
}

/* Goes to where iova ends, in any table. */
static int find(const struct iopgt_table *table, uint64_t iova, struct direct_place *place)
{
	const struct iopgt_format *f = &table->format;
	live_descriptor *entries = table->root;

	for (place->level = table->geometry.start_level;; place->level++) {
		place->entry = &entries[geometry_index(&table->geometry, place->level, iova)];
		place->d = live_load_table(place->entry);
		if (!format_is_table(f, place->level, place->d))
			return IOPGT_OK;
		entries = table_virt(table, format_address(f, place->d));
		if (!entries)
			return IOPGT_BAD_TABLE;
	}
}

static __attribute__((noinline)) int translate_any(const struct iopgt_table *table, uint64_t iova,
                                                   struct iopgt_translation *translation)
{
	const struct iopgt_format *f = &table->format;
	struct direct_place place;
	uint64_t low;
	int err = IOPGT_OK;

	if (!geometry_has_input(&table->geometry, iova))
		return IOPGT_BAD_RANGE;
	if (table->plain && table->linear)
		place = direct_find(table, iova, 0, false);
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
	say(table->plain ? describe_as_before(table, place.d) : describe(table, place.d),
	    translation);
	return IOPGT_OK;
}

/* A page that says what was said last. False: not so, or not plain. */
static inline bool translate_page(const struct iopgt_table *table, uint64_t iova,
                                  struct iopgt_translation *translation)
{
	live_descriptor *entry;
	uint64_t leaf, last;

	if (!direct_walk(table, iova, &entry))
		return false;
	leaf = live_load_table(entry);
	last = live_load((live_descriptor *)&table->last_kind);
	/* What is no leaf differs, too. */
	if ((leaf ^ last) & table->direct.no_address)
		return false;
	translation->phys = (leaf & table->format.address_low) | (iova & (DIRECT_PAGE - 1));
	translation->leaf_iova = iova & ~(DIRECT_PAGE - 1);
	translation->leaf_size = DIRECT_PAGE;
	translation->level = IOPGT_LAST_LEVEL;
	say((uint32_t)(last >> DIRECT_PAGE_SHIFT), translation);
	return true;
}

int iopgt_translate(const struct iopgt_table *table, uint64_t iova,
                    struct iopgt_translation *translation)
{
	if (!table || !translation)
		return IOPGT_BAD_ARGUMENT;
	return translate_page(table, iova, translation) ? IOPGT_OK
	                                                : translate_any(table, iova, translation);
}
