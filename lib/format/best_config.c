/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration that suits given walkers, and what a walker can do of one. */
#include <iopgt/capabilities.h>

#include "format/regime.h"

static unsigned smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Bits that an address takes. */
static unsigned width(uint64_t address)
{
	unsigned bits = 0;

	for (; address; address >>= 1)
		bits++;
	return bits;
}

static bool has_granule(uint32_t granules, unsigned shift)
{
	return shift < 32 && (granules >> shift & 1);
}

/* Whether such a table can be walked, sizes and dirty management aside. */
static bool can_walk(const struct iopgt_capabilities *c, const struct iopgt_config *config)
{
	bool stage2 = regime_is_stage2(config->regime), aarch32 = regime_is_aarch32(config->regime);
	uint32_t needed = stage2 ? IOPGT_CAN_STAGE2 : IOPGT_CAN_STAGE1;

	needed |= aarch32 ? IOPGT_CAN_AARCH32 : IOPGT_CAN_AARCH64;
	if (config->regime == IOPGT_STAGE1_EL2)
		needed |= IOPGT_CAN_EL2;
	if (config->flags & IOPGT_CONFIG_FORCED_WRITE_BACK)
		needed |= IOPGT_CAN_FORCED_WRITE_BACK;
	if (config->flags & IOPGT_CONFIG_XNX)
		needed |= IOPGT_CAN_XNX;
	if (config->flags & IOPGT_CONFIG_SMALL_TABLES)
		needed |= IOPGT_CAN_SMALL_TABLES;
	if (needed & ~c->flags)
		return false;
	if (aarch32)
		return config->granule_shift == 12;
	if ((config->flags & IOPGT_CONFIG_LPA2) &&
	    !has_granule(stage2 ? c->lpa2_stage2 : c->lpa2_stage1, config->granule_shift))
		return false;
	return has_granule(stage2 ? c->granules_stage2 : c->granules_stage1, config->granule_shift);
}

/* Output bits with this granule and LPA2 or not. */
static unsigned output_bits_of(const struct iopgt_capabilities *c,
                               const struct iopgt_config *config)
{
	bool has_52_bits = config->granule_shift == 16 || (config->flags & IOPGT_CONFIG_LPA2);

	if (regime_is_aarch32(config->regime))
		return smaller(c->output_bits, 40);
	return smaller(c->output_bits, has_52_bits ? 52 : 48);
}

static unsigned input_bits_of(const struct iopgt_capabilities *c, const struct iopgt_config *config)
{
	if (config->regime == IOPGT_STAGE1_AARCH32)
		return 32;
	if (regime_is_stage2(config->regime))
		return output_bits_of(c, config);
	if (config->granule_shift == 16)
		return c->input_bits_64k;
	return config->flags & IOPGT_CONFIG_LPA2 ? c->input_bits_lpa2 : 48;
}

static uint8_t bbm_level_of(const struct iopgt_capabilities *c, uint32_t regime)
{
	/* AArch32 descriptors have no nT, and SMMUs state the level of AArch64 tables. */
	if (regime_is_aarch32(regime))
		return 0;
	return (uint8_t)smaller(c->bbm_level, c->flags & IOPGT_CAN_AVOID_CONFLICTS ? 2 : 1);
}

/* Whether what the flag asks for is there; it serves dirty tracking in hardware alone. */
static bool table_access_fits(const struct iopgt_capabilities *c, const struct iopgt_config *config)
{
	if (!(config->flags & IOPGT_CONFIG_TABLE_ACCESS_FLAG))
		return true;
	return config->dirty == IOPGT_DIRTY_HARDWARE && c->update >= IOPGT_UPDATE_TABLES;
}

static bool choose_dirty(const struct iopgt_capabilities *c, const struct iopgt_wishes *wishes,
                         struct iopgt_config *config)
{
	config->dirty = IOPGT_DIRTY_NONE;
	if (!(wishes->flags & IOPGT_WISH_DIRTY))
		return true;
	if (c->update >= IOPGT_UPDATE_DIRTY)
		config->dirty = IOPGT_DIRTY_HARDWARE;
	else if (wishes->flags & IOPGT_WISH_SOFTWARE_DIRTY)
		config->dirty = IOPGT_DIRTY_SOFTWARE;
	return config->dirty != IOPGT_DIRTY_NONE;
}

/* Sizes for one granule; small tables and LPA2 where they are needed. */
static bool choose_sizes(const struct iopgt_capabilities *c, const struct iopgt_wishes *wishes,
                         struct iopgt_config *config)
{
	uint64_t far =
		wishes->config_flags & IOPGT_CONFIG_TTBR1 ? ~wishes->iova_last : wishes->iova_last;
	unsigned input = width(far), phys = width(wishes->phys_last), least = 25, most;
	bool wide = input > 48 || phys > 48;

	if (wide && config->granule_shift != 16)
		config->flags |= IOPGT_CONFIG_LPA2;
	if (input < least && (c->flags & IOPGT_CAN_SMALL_TABLES) &&
	    !regime_is_aarch32(config->regime))
		config->flags |= IOPGT_CONFIG_SMALL_TABLES;
	if (config->flags & IOPGT_CONFIG_SMALL_TABLES)
		least = config->granule_shift == 16 ? 17 : 16;
	config->input_bits = (uint8_t)(input > least ? input : least);
	most = output_bits_of(c, config);
	config->output_bits = (uint8_t)(wide ? most : smaller(most, 48));
	return config->input_bits <= input_bits_of(c, config) && phys <= config->output_bits;
}

static bool choose(const struct iopgt_capabilities *c, const struct iopgt_wishes *wishes,
                   unsigned granule_shift, struct iopgt_config *config)
{
	uint64_t leaf_sizes;

	*config = (struct iopgt_config){
		.regime = wishes->regime,
		.flags = wishes->config_flags,
		.granule_shift = (uint8_t)granule_shift,
		.bbm_level = bbm_level_of(c, wishes->regime),
	};
	if (!(c->flags & IOPGT_CAN_COHERENT_WALK))
		config->flags |= IOPGT_CONFIG_NON_COHERENT;
	if (!choose_sizes(c, wishes, config) || !choose_dirty(c, wishes, config) ||
	    !table_access_fits(c, config) || !can_walk(c, config))
		return false;
	/* None of what no table can be: dirty at AArch32, or on a walk that does not snoop. */
	leaf_sizes = iopgt_all_leaf_sizes(config);
	if (!(wishes->flags & IOPGT_WISH_NO_GROUPS))
		config->leaf_sizes = leaf_sizes;
	return leaf_sizes != 0;
}

int iopgt_best_config(const struct iopgt_capabilities *capabilities,
                      const struct iopgt_wishes *wishes, struct iopgt_config *config)
{
	struct iopgt_config chosen;

	if (!capabilities || !wishes || !config)
		return IOPGT_BAD_ARGUMENT;
	if (wishes->regime >= IOPGT_REGIMES)
		return IOPGT_BAD_REGIME;
	if ((wishes->flags & ~(uint32_t)IOPGT_WISH_ALL) ||
	    (wishes->config_flags & ~(uint32_t)IOPGT_CONFIG_ALL_FLAGS))
		return IOPGT_BAD_FLAGS;
	for (unsigned shift = 12; shift <= 16; shift += 2) {
		if (wishes->granules && !has_granule(wishes->granules, shift))
			continue;
		if (choose(capabilities, wishes, shift, &chosen)) {
			*config = chosen;
			return IOPGT_OK;
		}
	}
	return IOPGT_INCOMPATIBLE;
}

int iopgt_walker_from_capabilities(const struct iopgt_capabilities *capabilities,
                                   const struct iopgt_config *config, struct iopgt_walker *walker)
{
	uint32_t flags = 0;

	if (!capabilities || !config || !walker)
		return IOPGT_BAD_ARGUMENT;
	if (config->regime >= IOPGT_REGIMES || !can_walk(capabilities, config))
		return IOPGT_INCOMPATIBLE;
	if (capabilities->flags & IOPGT_CAN_COHERENT_WALK)
		flags |= IOPGT_WALKER_COHERENT;
	if (capabilities->update >= IOPGT_UPDATE_ACCESSED && !regime_is_aarch32(config->regime))
		flags |= IOPGT_WALKER_ACCESSED;
	if (capabilities->update >= IOPGT_UPDATE_DIRTY && !regime_is_aarch32(config->regime))
		flags |= IOPGT_WALKER_DIRTY;
	if (capabilities->update >= IOPGT_UPDATE_TABLES && !regime_is_aarch32(config->regime))
		flags |= IOPGT_WALKER_TABLE_ACCESSED;
	walker->flags = flags;
	walker->bbm_level = bbm_level_of(capabilities, config->regime);
	walker->input_bits = (uint8_t)input_bits_of(capabilities, config);
	walker->output_bits = (uint8_t)output_bits_of(capabilities, config);
	return IOPGT_OK;
}
