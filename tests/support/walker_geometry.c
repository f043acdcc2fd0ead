/* SPDX-License-Identifier: BSD-2-Clause */
/* Shapes of the tree, from the Arm ARM (D8.2, D8.7.1, G5.5): pure functions. */
#include "walker_internal.h"

static unsigned bits_per_level(const struct walker_config *config)
{
	return config->granule_shift - 3u; /* a descriptor is 8 bytes */
}

unsigned walker_level_shift(const struct walker_config *config, int level)
{
	return config->granule_shift + (unsigned)(LAST_LEVEL - level) * bits_per_level(config);
}

/* G5.5.6: stage 1 has 25 to 32 input bits, stage 2 25 to 40; 40 output bits. */
static bool aarch32_possible(const struct walker_config *config)
{
	const uint32_t never = WALKER_EL2 | WALKER_HA | WALKER_HD | WALKER_LPA2 | WALKER_TTBR1 |
	                       WALKER_SMALL_TABLES | WALKER_FWB | WALKER_XNX;
	unsigned most = config->stage == 1 ? 32 : 40;

	return !(config->flags & never) && config->granule_shift == 12 &&
	       config->input_bits >= 25 && config->input_bits <= most && config->output_bits <= 40;
}

/* More than 48 bits: DS = 1 (Table D8-16, D8-26), or 64 KiB (Table D8-35). */
static bool wide_possible(const struct walker_config *config)
{
	return config->granule_shift == 16 || config->flags & WALKER_LPA2;
}

static bool input_possible(const struct walker_config *config)
{
	unsigned least = 25, most = wide_possible(config) ? 52 : 48;

	if (config->flags & WALKER_SMALL_TABLES)
		least = config->granule_shift == 16 ? 17 : 16; /* TxSZ 47, 48 */
	return config->input_bits >= least && config->input_bits <= most;
}

static bool output_possible(const struct walker_config *config)
{
	if (config->output_bits == 52)
		return wide_possible(config);
	return config->output_bits >= 32 && config->output_bits <= 48;
}

static bool sizes_possible(const struct walker_config *config)
{
	unsigned granule = config->granule_shift;

	if (config->stage != 1 && config->stage != 2)
		return false;
	if (granule != 12 && granule != 14 && granule != 16)
		return false;
	if (config->flags & WALKER_LPA2 && granule == 16)
		return false;
	/* Two ranges of addresses: two privilege levels. */
	if (config->flags & WALKER_TTBR1 && (config->stage == 2 || config->flags & WALKER_EL2))
		return false;
	if (config->flags & WALKER_AARCH32 && !aarch32_possible(config))
		return false;
	if (!input_possible(config) || !output_possible(config))
		return false;
	return config->stage == 1 || config->input_bits <= config->output_bits;
}

/* Levels that the PA size forbids as the start of stage 2 (VTCR_EL2.SL0, D24.2). */
static bool start_forbidden(const struct walker_config *config, int level)
{
	unsigned pa = config->output_bits;

	switch (config->granule_shift) {
	case 12:
		return (level < 0 && pa < 52) || (level == 0 && pa < 44);
	case 14:
		return level < 0 || (level == 0 && pa < 52) || (level == 1 && pa < 42);
	default:
		return level < 1 || (level == 1 && pa < 44);
	}
}

bool walker_start_level(const struct walker_config *config, int *level, unsigned *tables)
{
	unsigned entry_bits;

	if (!sizes_possible(config))
		return false;
	*level = LAST_LEVEL;
	*tables = 1;
	while (config->input_bits > walker_level_shift(config, *level) + bits_per_level(config))
		--*level;
	if (config->stage == 1)
		return true;
	/* Up to 16 entries: as many tables one level on (R_HRSBS), but not at 4 KiB level 3. */
	entry_bits = config->input_bits - walker_level_shift(config, *level);
	if (entry_bits <= 4 && *level < LAST_LEVEL &&
	    !(config->granule_shift == 12 && *level == LAST_LEVEL - 1)) {
		++*level;
		*tables = 1u << entry_bits;
	}
	return !start_forbidden(config, *level);
}

uint64_t walker_start_bytes(const struct walker_config *config)
{
	unsigned tables;
	uint64_t bytes;
	int level;

	if (!walker_start_level(config, &level, &tables))
		return 0;
	if (config->input_bits <= walker_level_shift(config, level))
		return 64;
	bytes = BIT64(config->input_bits - walker_level_shift(config, level) + 3);
	return bytes < 64 ? 64 : bytes;
}

bool decode_in_range(const struct walker_config *config, uint64_t iova)
{
	/* D8.2.4: TTBR1's range ends at the top of the 64-bit space. */
	return (config->flags & WALKER_TTBR1 ? ~iova : iova) >> config->input_bits == 0;
}

uint64_t decode_slot(const struct walker *walker, int level, uint64_t table, uint64_t iova)
{
	const struct walker_config *config = &walker->config;
	uint64_t index =
		(iova & (BIT64(config->input_bits) - 1)) >> walker_level_shift(config, level);

	/* The start table has as many entries as the input size asks for. */
	if (level != walker->start_level)
		index &= BIT64(bits_per_level(config)) - 1;
	return table + 8 * index;
}

bool decode_block_allowed(const struct walker_config *config, int level)
{
	switch (config->granule_shift) {
	case 12: /* Table D8-17: 512 GiB with DS = 1 */
		return level == 1 || level == 2 || (level == 0 && config->flags & WALKER_LPA2);
	case 14: /* Table D8-27: 64 GiB with DS = 1 */
		return level == 2 || (level == 1 && config->flags & WALKER_LPA2);
	default: /* Table D8-36: 4 TiB with FEAT_LPA */
		return level == 2 || (level == 1 && config->output_bits == 52);
	}
}

/* Table D8-104; G5.7.4.2.1: 16 entries at every level of AArch32. */
static unsigned group_bits(const struct walker_config *config, int level)
{
	switch (config->granule_shift) {
	case 12:
		return level >= 1 ? 4 : 0;
	case 14:
		return level == 3 ? 7 : level == 2 ? 5 : 0;
	default:
		return level >= 2 ? 5 : 0;
	}
}

unsigned decode_group_shift(const struct walker_config *config, int level)
{
	unsigned bits = group_bits(config, level);
	unsigned shift = walker_level_shift(config, level) + bits;

	/* R_WMNPV: a group that is larger than the input range is an error. */
	return bits && shift <= config->input_bits ? shift : 0;
}
