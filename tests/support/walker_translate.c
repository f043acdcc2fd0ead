/* SPDX-License-Identifier: BSD-2-Clause */
/* The oracle: what tables in memory say, without caches or updates. */
#include "walker_internal.h"

#define DEFAULT_MAIR UINT64_C(0xf404ff44) /* as IOPGT_MAIR, typed again */

bool walker_fetch(const struct walker_config *config, uint64_t phys, uint64_t *descriptor)
{
	bool shadow = config->flags & WALKER_NON_COHERENT;
	_Atomic uint64_t *word = pool_word(config->pool, phys, shadow);

	if (!word)
		return false;
	*descriptor = pool_little_endian(atomic_load_explicit(word, memory_order_acquire));
	/* Freed while it was read: that is a bad table too. */
	return pool_word(config->pool, phys, shadow) != NULL;
}

static enum walker_memory stage1_memory(const struct walker_config *config, unsigned index)
{
	uint64_t mair = config->mair ? config->mair : DEFAULT_MAIR;

	switch (mair >> (8 * index) & 0xff) {
	case 0xff:
		return WALKER_WRITE_BACK;
	case 0x44:
		return WALKER_NON_CACHEABLE;
	case 0x00:
	case 0x04:
	case 0x08:
	case 0x0c:
		return WALKER_DEVICE;
	default:
		return WALKER_OTHER_MEMORY;
	}
}

static enum walker_memory stage2_memory(const struct walker_config *config, unsigned attribute)
{
	if (attribute < 4)
		return WALKER_DEVICE;
	if (attribute == 5)
		return WALKER_NON_CACHEABLE;
	if (attribute == (config->flags & WALKER_FWB ? 6 : 15))
		return WALKER_WRITE_BACK;
	return WALKER_OTHER_MEMORY;
}

static void describe_leaf(const struct walker_config *config, uint64_t iova,
                          struct walker_leaf *leaf)
{
	uint64_t descriptor = leaf->descriptor;

	leaf->present = true;
	leaf->size = BIT64(walker_level_shift(config, leaf->level));
	leaf->leaf_phys = decode_leaf_phys(config, leaf->level, descriptor);
	leaf->phys = leaf->leaf_phys + (iova & (leaf->size - 1));
	leaf->permissions = decode_permissions(config, descriptor);
	leaf->dirty = decode_dirty(config, descriptor);
	leaf->access_flag = descriptor & DESC_AF;
	leaf->contiguous = descriptor & DESC_CONTIGUOUS;
	leaf->no_translation = leaf->level < LAST_LEVEL && descriptor & DESC_NT;
	leaf->shareability = descriptor >> 8 & 3;
	if (config->stage == 1) {
		leaf->attribute = descriptor >> 2 & 7;
		leaf->memory = stage1_memory(config, leaf->attribute);
	} else {
		leaf->attribute = descriptor >> 2 & 15;
		leaf->memory = stage2_memory(config, leaf->attribute);
	}
}

enum walker_fault walker_translate(const struct walker *walker, uint64_t iova,
                                   struct walker_leaf *leaf)
{
	const struct walker_config *config = &walker->config;
	uint64_t table = config->root, wrong;

	*leaf = (struct walker_leaf){.level = walker->start_level};
	if (!decode_in_range(config, iova))
		return leaf->fault = WALKER_TRANSLATION;
	for (;;) {
		leaf->descriptor_phys = decode_slot(walker, leaf->level, table, iova);
		if (!walker_fetch(config, leaf->descriptor_phys, &leaf->descriptor))
			return leaf->fault = WALKER_BAD_TABLE;
		leaf->fault = decode_check(config, leaf->level, leaf->descriptor, &wrong);
		if (leaf->fault != WALKER_OK)
			return leaf->fault;
		if (decode_kind(config, leaf->level, leaf->descriptor) == DECODE_LEAF)
			break;
		table = decode_table_phys(config, leaf->descriptor);
		leaf->level++;
	}
	describe_leaf(config, iova, leaf);
	return WALKER_OK;
}

bool walker_for_each_leaf(const struct walker *walker, uint64_t iova, uint64_t last,
                          bool (*each)(void *context, uint64_t iova,
                                       const struct walker_leaf *leaf),
                          void *context)
{
	struct walker_leaf leaf;
	uint64_t mask;

	while (iova <= last && decode_in_range(&walker->config, iova)) {
		enum walker_fault fault = walker_translate(walker, iova, &leaf);

		mask = BIT64(walker_level_shift(&walker->config, leaf.level)) - 1;
		if (fault == WALKER_OK) {
			if (!each(context, iova & ~mask, &leaf))
				return false;
		} else if (fault != WALKER_TRANSLATION) {
			return false;
		}
		iova = (iova | mask) + 1;
	}
	return true;
}
