/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptors, from the Arm ARM (D8.3, D8.6, G5.5): pure functions. */
#include "walker_internal.h"

enum decode_kind decode_kind(const struct walker_config *config, int level, uint64_t descriptor)
{
	bool bit1 = descriptor & DESC_TABLE_OR_PAGE;

	if (!(descriptor & DESC_VALID))
		return DECODE_INVALID;
	if (level == LAST_LEVEL)
		return bit1 ? DECODE_LEAF : DECODE_INVALID;
	if (bit1)
		return DECODE_TABLE;
	return decode_block_allowed(config, level) ? DECODE_LEAF : DECODE_INVALID;
}

/* 64 KiB with FEAT_LPA: OA[51:48] stand in bits 15:12. */
static bool is_lpa(const struct walker_config *config)
{
	return config->granule_shift == 16 && config->output_bits == 52;
}

/* An address of which the descriptor has the bits from `shift` up (Table D8-50, D8-52). */
static uint64_t address_of(const struct walker_config *config, uint64_t descriptor, unsigned shift)
{
	uint64_t address = descriptor & BITS64(47, shift);

	if (config->flags & WALKER_LPA2)
		address |= (descriptor & BITS64(49, 48)) | (descriptor >> 8 & 3) << 50;
	if (is_lpa(config))
		address |= (descriptor >> 12 & 15) << 48;
	return address;
}

uint64_t decode_table_phys(const struct walker_config *config, uint64_t descriptor)
{
	return address_of(config, descriptor, config->granule_shift);
}

uint64_t decode_leaf_phys(const struct walker_config *config, int level, uint64_t descriptor)
{
	return address_of(config, descriptor, walker_level_shift(config, level));
}

/* Bits above the address that no descriptor may have set. */
static uint64_t high_zero(const struct walker_config *config)
{
	/* G5.5.2: bits 47:40 are checked as an address. */
	if (config->flags & WALKER_AARCH32)
		return BITS64(51, 48);
	return config->flags & WALKER_LPA2 ? 0 : BITS64(49, 48);
}

/* Bits of an address field whose lowest address bit is `shift` that stay free. */
static uint64_t low_zero(const struct walker_config *config, unsigned shift)
{
	uint64_t zero = shift > 12 ? BITS64(shift - 1, 12) : 0;

	return is_lpa(config) ? zero & ~BITS64(15, 12) : zero;
}

/* Bits of a table descriptor that are not 0 and ought to be. */
static uint64_t table_wrong(const struct walker_config *config, uint64_t descriptor)
{
	return descriptor & (BITS64(63, 59) | BIT64(50) | high_zero(config) |
	                     low_zero(config, config->granule_shift));
}

/* In a block's address field only nT may be set beside the address. */
static uint64_t leaf_zero_address(const struct walker_config *config, int level)
{
	uint64_t zero = high_zero(config) | low_zero(config, walker_level_shift(config, level));

	if (level < LAST_LEVEL && config->bbm_level > 0 && !(config->flags & WALKER_AARCH32))
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
	/* SH = 1 is reserved; with DS = 1 these are bits of the address. */
	if (!(config->flags & WALKER_LPA2) && (descriptor & BITS64(9, 8)) == BIT64(8))
		wrong |= BIT64(8);
	if (!decode_group_shift(config, level)) /* R_HMQXG */
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

uint64_t decode_attributes(const struct walker_config *config, uint64_t descriptor)
{
	uint64_t mask = BITS64(5, 2); /* AttrIndx and NS, or MemAttr */

	if (!(config->flags & WALKER_LPA2))
		mask |= BITS64(9, 8);
	return descriptor & (config->stage == 1 ? mask | DESC_NG : mask);
}
