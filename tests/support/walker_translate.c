/* SPDX-License-Identifier: BSD-2-Clause */
/* The oracle: what tables in memory say, without caches or updates. */
#include "walker_internal.h"

#define DEFAULT_MAIR UINT64_C(0x000c0800f404ff44) /* as IOPGT_MAIR, typed again */

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

static unsigned mair_byte(const struct walker_config *config, unsigned index)
{
	uint64_t mair = config->mair ? config->mair : DEFAULT_MAIR;

	return mair >> (8 * index) & 0xff;
}

/* MAIR_EL1.Attr, D24.2 */
static enum walker_memory stage1_memory(unsigned attribute)
{
	switch (attribute) {
	case 0xff:
		return WALKER_WRITE_BACK;
	case 0x44:
		return WALKER_NON_CACHEABLE;
	case 0xf4:
		return WALKER_INNER_NON_CACHEABLE;
	case 0x00:
	case 0x04:
	case 0x08:
	case 0x0c:
		return WALKER_DEVICE;
	default:
		return WALKER_OTHER_MEMORY;
	}
}

/* R_HMNDG: outer in the upper two bits, inner in the lower */
static enum walker_memory stage2_memory(const struct walker_config *config, unsigned attribute)
{
	if (attribute < 4)
		return WALKER_DEVICE;
	if (attribute == 5)
		return WALKER_NON_CACHEABLE;
	if (attribute == (config->flags & WALKER_FWB ? 6 : 15))
		return WALKER_WRITE_BACK;
	if (attribute == 13 && !(config->flags & WALKER_FWB))
		return WALKER_INNER_NON_CACHEABLE;
	return WALKER_OTHER_MEMORY;
}

static void describe_memory(const struct walker_config *config, struct walker_leaf *leaf)
{
	uint64_t descriptor = leaf->descriptor;

	if (config->stage == 1) {
		leaf->attribute = descriptor >> 2 & 7;
		leaf->memory = stage1_memory(mair_byte(config, leaf->attribute));
		leaf->device = mair_byte(config, leaf->attribute) >> 2 & 3;
	} else {
		leaf->attribute = descriptor >> 2 & 15;
		leaf->memory = stage2_memory(config, leaf->attribute);
		leaf->device = leaf->attribute & 3;
	}
	if (leaf->memory != WALKER_DEVICE)
		leaf->device = 0;
	/* With DS = 1 that of TCR.SH0 or SH1 (D8.6.2), which is inner for these walkers. */
	leaf->shareability = config->flags & WALKER_LPA2 ? 3 : descriptor >> 8 & 3;
	leaf->effective_shareability = leaf->shareability;
	if (leaf->memory == WALKER_DEVICE || leaf->memory == WALKER_NON_CACHEABLE)
		leaf->effective_shareability = 2;
}

static void describe_bits(const struct walker_config *config, struct walker_leaf *leaf)
{
	bool two_levels = config->stage == 1 && !(config->flags & WALKER_EL2);
	uint64_t descriptor = leaf->descriptor;

	leaf->access_flag = descriptor & DESC_AF;
	leaf->contiguous = descriptor & DESC_CONTIGUOUS;
	leaf->no_translation = leaf->level < LAST_LEVEL && descriptor & DESC_NT;
	leaf->non_secure = config->stage == 1 && descriptor & DESC_NS;
	leaf->guarded = config->stage == 1 && descriptor & DESC_GP;
	leaf->global = two_levels && !(descriptor & DESC_NG);
	leaf->software = descriptor >> 55 & 15;
}

static void describe_leaf(const struct walker_config *config, uint64_t iova,
                          struct walker_leaf *leaf)
{
	leaf->present = true;
	leaf->size = BIT64(walker_level_shift(config, leaf->level));
	leaf->leaf_phys = decode_leaf_phys(config, leaf->level, leaf->descriptor);
	leaf->phys = leaf->leaf_phys + (iova & (leaf->size - 1));
	leaf->permissions = decode_permissions(config, leaf->descriptor);
	leaf->dirty = decode_dirty(config, leaf->descriptor);
	describe_memory(config, leaf);
	describe_bits(config, leaf);
	leaf->group_size = leaf->size;
	if (leaf->contiguous)
		leaf->group_size = BIT64(decode_group_shift(config, leaf->level));
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
		leaf->tables[leaf->table_count] = leaf->descriptor;
		leaf->tables_phys[leaf->table_count++] = leaf->descriptor_phys;
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
