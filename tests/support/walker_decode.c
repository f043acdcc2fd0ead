/* SPDX-License-Identifier: BSD-2-Clause */
/* Geometry and descriptors, from the Arm ARM (D8.2, D8.3): pure functions. */
#include "walker_internal.h"

static unsigned bits_per_level(const struct walker_config *config)
{
	return config->granule_shift - 3u; /* a descriptor is 8 bytes */
}

unsigned walker_level_shift(const struct walker_config *config, int level)
{
	return config->granule_shift + (unsigned)(LAST_LEVEL - level) * bits_per_level(config);
}

static bool sizes_possible(const struct walker_config *config)
{
	unsigned granule = config->granule_shift;
	unsigned least = config->flags & WALKER_SMALL_TABLES ? (granule == 16 ? 17 : 16) : 25;

	if (granule != 12 && granule != 14 && granule != 16)
		return false;
	if (config->input_bits < least || config->input_bits > 48)
		return false;
	if (config->output_bits < 32 || config->output_bits > 48)
		return false;
	if (config->stage == 2)
		return config->input_bits <= config->output_bits;
	return config->stage == 1;
}

/* Levels that the PA size forbids as the start of stage 2 (DS = 0). */
static bool start_forbidden(const struct walker_config *config, int level)
{
	switch (config->granule_shift) {
	case 12:
		return level < 0 || (level == 0 && config->output_bits < 44);
	case 14:
		return level < 1 || (level == 1 && config->output_bits < 42);
	default:
		return level < 1 || (level == 1 && config->output_bits < 44);
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
	return iova >> config->input_bits == 0;
}

uint64_t decode_slot(const struct walker *walker, int level, uint64_t table, uint64_t iova)
{
	const struct walker_config *config = &walker->config;
	uint64_t index = iova >> walker_level_shift(config, level);

	/* The start table has as many entries as the input size asks for. */
	if (level != walker->start_level)
		index &= BIT64(bits_per_level(config)) - 1;
	return table + 8 * index;
}

static bool block_allowed(const struct walker_config *config, int level)
{
	return level == 2 || (level == 1 && config->granule_shift == 12);
}

enum decode_kind decode_kind(const struct walker_config *config, int level, uint64_t descriptor)
{
	bool bit1 = descriptor & DESC_TABLE_OR_PAGE;

	if (!(descriptor & DESC_VALID))
		return DECODE_INVALID;
	if (level == LAST_LEVEL)
		return bit1 ? DECODE_LEAF : DECODE_INVALID;
	if (bit1)
		return DECODE_TABLE;
	return block_allowed(config, level) ? DECODE_LEAF : DECODE_INVALID;
}

uint64_t decode_table_phys(const struct walker_config *config, uint64_t descriptor)
{
	return descriptor & BITS64(47, config->granule_shift);
}

uint64_t decode_leaf_phys(const struct walker_config *config, int level, uint64_t descriptor)
{
	return descriptor & BITS64(47, walker_level_shift(config, level));
}

/* Bits of a table descriptor that are not 0 and ought to be. */
static uint64_t table_wrong(const struct walker_config *config, uint64_t descriptor)
{
	uint64_t zero = BITS64(63, 59) | BITS64(50, 48);

	if (config->granule_shift > 12)
		zero |= BITS64(config->granule_shift - 1u, 12);
	return descriptor & zero;
}

/* Between the granule and the block's shift, and 15:12, only nT may be set. */
static uint64_t leaf_zero_address(const struct walker_config *config, int level)
{
	uint64_t zero = BITS64(49, 48);

	if (walker_level_shift(config, level) > 12)
		zero |= BITS64(walker_level_shift(config, level) - 1, 12);
	if (level < LAST_LEVEL && config->bbm_level > 0)
		zero &= ~DESC_NT;
	return zero;
}

static uint64_t stage1_wrong(const struct walker_config *config, uint64_t descriptor)
{
	uint64_t zero = BITS64(63, 59), wrong;

	if (!(config->flags & WALKER_SECURE))
		zero |= BIT64(5);
	if (config->flags & WALKER_EL2)
		zero |= DESC_NG | DESC_PXN;
	wrong = descriptor & zero;
	if (config->flags & WALKER_EL2)
		wrong |= ~descriptor & DESC_UNPRIVILEGED; /* AP[1] is RES1 */
	return wrong;
}

static uint64_t stage2_wrong(const struct walker_config *config, uint64_t descriptor)
{
	uint64_t zero = BITS64(63, 59) | BIT64(50) | BIT64(11), wrong;

	if (!(config->flags & WALKER_XNX))
		zero |= BIT64(53);
	wrong = descriptor & zero;
	/* MemAttr 4, 8 and 12 are reserved; with forced write-back, 4 and what has bit 3. */
	if (config->flags & WALKER_FWB)
		wrong |= descriptor & BIT64(5);
	if ((descriptor & BITS64(5, 4)) && !(descriptor & BITS64(3, 2)))
		wrong |= descriptor & BITS64(5, 4);
	return wrong;
}

static uint64_t leaf_wrong(const struct walker_config *config, int level, uint64_t descriptor)
{
	uint64_t wrong = descriptor & leaf_zero_address(config, level);

	wrong |= config->stage == 1 ? stage1_wrong(config, descriptor)
	                            : stage2_wrong(config, descriptor);
	if ((descriptor & BITS64(9, 8)) == BIT64(8)) /* SH = 1 is reserved */
		wrong |= BIT64(8);
	if (level < 1 || (level == 1 && config->granule_shift != 12))
		wrong |= descriptor & DESC_CONTIGUOUS;
	return wrong;
}

enum walker_fault decode_check(const struct walker_config *config, int level, uint64_t descriptor,
                               uint64_t *wrong)
{
	enum decode_kind kind = decode_kind(config, level, descriptor);
	uint64_t address;

	*wrong = 0;
	if (kind == DECODE_INVALID)
		return WALKER_TRANSLATION;
	if (kind == DECODE_TABLE) {
		*wrong = table_wrong(config, descriptor);
		address = decode_table_phys(config, descriptor);
	} else {
		*wrong = leaf_wrong(config, level, descriptor);
		address = decode_leaf_phys(config, level, descriptor);
	}
	if (*wrong)
		return WALKER_RESERVED;
	return address >> config->output_bits ? WALKER_ADDRESS_SIZE : WALKER_OK;
}

enum walker_dirty decode_dirty(const struct walker_config *config, uint64_t descriptor)
{
	bool writable_now =
		config->stage == 1 ? !(descriptor & DESC_READ_ONLY) : descriptor & DESC_S2_WRITE;

	if (descriptor & DESC_DBM)
		return writable_now ? WALKER_WRITABLE_DIRTY : WALKER_WRITABLE_CLEAN;
	return writable_now ? WALKER_WRITABLE_UNTRACKED : WALKER_READ_ONLY;
}

uint64_t decode_make_dirty(const struct walker_config *config, uint64_t descriptor)
{
	descriptor |= DESC_AF;
	return config->stage == 1 ? descriptor & ~DESC_READ_ONLY : descriptor | DESC_S2_WRITE;
}

static uint32_t stage2_permissions(const struct walker_config *config, uint64_t descriptor)
{
	uint32_t may = 0;
	bool never = descriptor & DESC_XN, split = descriptor & DESC_PXN;

	if (descriptor & DESC_S2_READ)
		may |= WALKER_MAY_READ | WALKER_MAY_READ_UNPRIVILEGED;
	if (decode_dirty(config, descriptor) != WALKER_READ_ONLY)
		may |= WALKER_MAY_WRITE | WALKER_MAY_WRITE_UNPRIVILEGED;
	/* XN: 00 all, 01 unprivileged only, 10 none, 11 privileged only */
	if (never == split)
		may |= WALKER_MAY_EXECUTE;
	if (!never)
		may |= WALKER_MAY_EXECUTE_UNPRIVILEGED;
	return may;
}

static uint32_t one_privilege_permissions(const struct walker_config *config, uint64_t descriptor)
{
	uint32_t may = WALKER_MAY_READ;

	if (decode_dirty(config, descriptor) != WALKER_READ_ONLY)
		may |= WALKER_MAY_WRITE;
	if (!(descriptor & DESC_XN))
		may |= WALKER_MAY_EXECUTE;
	return may;
}

uint32_t decode_permissions(const struct walker_config *config, uint64_t descriptor)
{
	bool unprivileged = descriptor & DESC_UNPRIVILEGED;
	uint32_t may = WALKER_MAY_READ;

	if (config->stage == 2)
		return stage2_permissions(config, descriptor);
	if (config->flags & WALKER_EL2)
		return one_privilege_permissions(config, descriptor);
	if (unprivileged)
		may |= WALKER_MAY_READ_UNPRIVILEGED;
	if (decode_dirty(config, descriptor) != WALKER_READ_ONLY)
		may |= WALKER_MAY_WRITE | (unprivileged ? WALKER_MAY_WRITE_UNPRIVILEGED : 0u);
	if (!(descriptor & DESC_PXN))
		may |= WALKER_MAY_EXECUTE;
	if (!(descriptor & DESC_XN))
		may |= WALKER_MAY_EXECUTE_UNPRIVILEGED;
	return may;
}

uint64_t decode_attributes(const struct walker_config *config, uint64_t descriptor)
{
	uint64_t mask = BITS64(5, 2) | BITS64(9, 8);

	return descriptor & (config->stage == 1 ? mask | DESC_NG : mask);
}
