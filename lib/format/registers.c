/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System registers of a PE (D24.2; AArch32: G8.2), and what a table says of them.
 */
#include "format/registers.h"

#include "format/field.h"
#include "format/format.h"
#include "format/regime.h"

#define AARCH32_CONTROL_RES1 31 /* VTCR; TTBCR has EAE there */

#define REGION_NON_CACHEABLE 0
#define REGION_WRITE_BACK    1 /* read-allocate, write-allocate */
#define SHAREABLE_OUTER      2
#define SHAREABLE_INNER      3

static bool has_asid(uint32_t regime)
{
	return regime == IOPGT_STAGE1_EL1 || regime == IOPGT_STAGE1_AARCH32;
}

/* IPS and PS (D24.2.194); also that of SMMUs. */
static unsigned encode_size(unsigned bits)
{
	static const uint8_t sizes[] = {32, 36, 40, 42, 44, 48, 52};
	unsigned code = 0;

	while (code + 1 < sizeof(sizes) && sizes[code] != bits)
		code++;
	return code;
}

/*
 * SL0 of VTCR_EL2 (D24.2.224): of 4 KiB, levels 3 to 0 are 3, 0, 1, 2. SL2 is for level -1,
 * where stage 2 never starts: 52 bits are 16 tables of level 0.
 */
static unsigned encode_start_level(unsigned granule_shift, int level)
{
	return (unsigned)((granule_shift == 12 ? 2 : IOPGT_LAST_LEVEL) - level) & 3;
}

/* TxSZ: of AArch32 3 bits at stage 1, 4 signed bits at stage 2 (G8.2 TTBCR, VTCR). */
static unsigned encode_input_size(const struct iopgt_config *config)
{
	if (config->regime == IOPGT_STAGE1_AARCH32)
		return 32u - config->input_bits;
	if (config->regime == IOPGT_STAGE2_AARCH32)
		return (32u - config->input_bits) & 0xf;
	return 64u - config->input_bits;
}

static void set_walk(struct iopgt_encoding *e)
{
	bool coherent = !(e->flags & IOPGT_CONFIG_NON_COHERENT);

	e->region = coherent ? REGION_WRITE_BACK : REGION_NON_CACHEABLE;
	/*
	 * With DS = 1 this is the shareability of all that the table maps. A
	 * non-cacheable walk is outer shareable whatever is said here.
	 */
	e->shareability =
		coherent || (e->flags & IOPGT_CONFIG_LPA2) ? SHAREABLE_INNER : SHAREABLE_OUTER;
}

static void encode(const struct iopgt_table *table, uint32_t flags, struct iopgt_encoding *e)
{
	const struct iopgt_config *config = &table->config;
	static const uint8_t tg0[] = {0, 2, 1}; /* 4, 16, 64 KiB */
	static const uint8_t tg1[] = {2, 1, 3};
	unsigned granule = (config->granule_shift - 12u) / 2;

	*e = (struct iopgt_encoding){
		.regime = config->regime,
		.flags = config->flags,
		.size = encode_size(config->output_bits),
		.input_size = encode_input_size(config),
		.tg0 = tg0[granule],
		.tg1 = tg1[granule],
		.sl0 = encode_start_level(config->granule_shift, table->geometry.start_level),
		.stage2 = regime_is_stage2(config->regime),
		.aarch32 = regime_is_aarch32(config->regime),
		.upper = (config->flags & IOPGT_CONFIG_TTBR1) != 0,
		.dirty = config->dirty == IOPGT_DIRTY_HARDWARE,
		.table_access = (config->flags & IOPGT_CONFIG_TABLE_ACCESS_FLAG) != 0,
		.root = table->root_phys,
	};
	e->access = e->dirty || (flags & IOPGT_REGISTERS_HARDWARE_ACCESS);
	set_walk(e);
}

/*
 * BADDR, and CnP. A[51:48] are in bits 5:2 (D24.2.209); only where base registers hold 52
 * bits does a table lie so high.
 */
static uint64_t base_register(const struct iopgt_encoding *e, uint32_t flags)
{
	uint64_t value = e->root & FIELD_MASK(47, 1);

	field_put(&value, 5, 2, e->root >> 48);
	field_put_bit(&value, 0, (flags & IOPGT_REGISTERS_CNP) != 0);
	return value;
}

/* TCR_EL1, and TCR_EL2 with E2H (D24.2.194). */
static uint64_t tcr_el1(const struct iopgt_encoding *e, uint32_t flags)
{
	unsigned half = e->upper ? 16 : 0;
	uint64_t tcr = 0;

	field_put(&tcr, half + 5, half, e->input_size);         /* TxSZ */
	field_put(&tcr, half + 9, half + 8, e->region);         /* IRGNx */
	field_put(&tcr, half + 11, half + 10, e->region);       /* ORGNx */
	field_put(&tcr, half + 13, half + 12, e->shareability); /* SHx */
	field_put(&tcr, half + 15, half + 14, e->upper ? e->tg1 : e->tg0);
	field_put_bit(&tcr, e->upper ? 7 : 23, 1);                      /* EPDx of the other */
	field_put(&tcr, 34, 32, e->size);                               /* IPS */
	field_put_bit(&tcr, 36, (flags & IOPGT_REGISTERS_ASID16) != 0); /* AS */
	field_put_bit(&tcr, 39, e->access);                             /* HA */
	field_put_bit(&tcr, 40, e->dirty);                              /* HD */
	field_put_bit(&tcr, 59, (e->flags & IOPGT_CONFIG_LPA2) != 0);   /* DS */
	return tcr;
}

/* TCR2_EL1, TCR2_EL2 (D24.2.190, .191). */
static uint64_t tcr2(const struct iopgt_encoding *e)
{
	uint64_t value = 0;

	field_put_bit(&value, 11, e->table_access); /* HAFT */
	return value;
}

/* TCR_EL2 without E2H (D24.2.195). */
static uint64_t tcr_el2(const struct iopgt_encoding *e)
{
	uint64_t tcr = 0;

	field_put(&tcr, 5, 0, e->input_size);                         /* T0SZ */
	field_put(&tcr, 9, 8, e->region);                             /* IRGN0 */
	field_put(&tcr, 11, 10, e->region);                           /* ORGN0 */
	field_put(&tcr, 13, 12, e->shareability);                     /* SH0 */
	field_put(&tcr, 15, 14, e->tg0);                              /* TG0 */
	field_put(&tcr, 18, 16, e->size);                             /* PS */
	field_put_bit(&tcr, 21, e->access);                           /* HA */
	field_put_bit(&tcr, 22, e->dirty);                            /* HD */
	field_put_bit(&tcr, 23, 1);                                   /* RES1 */
	field_put_bit(&tcr, 31, 1);                                   /* RES1 */
	field_put_bit(&tcr, 32, (e->flags & IOPGT_CONFIG_LPA2) != 0); /* DS */
	return tcr;
}

/* TTBCR in the long-descriptor format (G8.2.165). */
static uint64_t ttbcr(const struct iopgt_encoding *e)
{
	uint64_t value = 0;

	field_put(&value, 2, 0, e->input_size);     /* T0SZ */
	field_put(&value, 9, 8, e->region);         /* IRGN0 */
	field_put(&value, 11, 10, e->region);       /* ORGN0 */
	field_put(&value, 13, 12, e->shareability); /* SH0 */
	field_put_bit(&value, 23, 1);               /* EPD1 */
	field_put_bit(&value, 31, 1);               /* EAE */
	return value;
}

uint64_t iopgt_stage2_control(const struct iopgt_encoding *e)
{
	uint64_t value = 0;

	field_put(&value, 5, 0, e->input_size);     /* T0SZ; AArch32: 3:0 */
	field_put(&value, 7, 6, e->sl0);            /* SL0 */
	field_put(&value, 9, 8, e->region);         /* IRGN0 */
	field_put(&value, 11, 10, e->region);       /* ORGN0 */
	field_put(&value, 13, 12, e->shareability); /* SH0 */
	if (!e->aarch32) {
		field_put(&value, 15, 14, e->tg0);  /* TG0 */
		field_put(&value, 18, 16, e->size); /* PS */
	}
	return value;
}

/* VTCR_EL2 (D24.2.224), VTCR (G8.2.172). */
static uint64_t vtcr(const struct iopgt_encoding *e, uint32_t flags)
{
	uint64_t value = iopgt_stage2_control(e);

	field_put_bit(&value, 31, 1); /* RES1 */
	if (e->aarch32) {
		field_put_bit(&value, 4, e->input_size >> 3); /* S, the sign of T0SZ */
		return value;
	}
	field_put_bit(&value, 19, (flags & IOPGT_REGISTERS_VMID16) != 0); /* VS */
	field_put_bit(&value, 21, e->access);                             /* HA */
	field_put_bit(&value, 22, e->dirty);                              /* HD */
	field_put_bit(&value, 32, (e->flags & IOPGT_CONFIG_LPA2) != 0);   /* DS */
	field_put_bit(&value, 44, e->table_access);                       /* HAFT */
	return value;
}

static void registers_cpu(const struct iopgt_encoding *e, const struct iopgt_register_inputs *in,
                          struct iopgt_registers *out)
{
	uint64_t base = base_register(e, in->flags);

	if (e->stage2) {
		out->vtcr = vtcr(e, in->flags);
		out->vttbr = base;
		field_put(&out->vttbr, 63, 48, in->vmid);
		return;
	}
	if (has_asid(e->regime))
		field_put(&base, 63, 48, in->asid);
	if (e->upper)
		out->ttbr1 = base;
	else
		out->ttbr0 = base;
	out->mair = IOPGT_MAIR;
	if (e->aarch32) {
		out->tcr = ttbcr(e);
		return;
	}
	out->tcr = e->regime == IOPGT_STAGE1_EL2 ? tcr_el2(e) : tcr_el1(e, in->flags);
	out->tcr2 = tcr2(e);
}

/* Bits of S1ContextPtr that S1Fmt and S1CDMax make RES0 (IHI 0070 5.2 S1Fmt). */
static bool context_ptr_aligned(const struct iopgt_register_inputs *in)
{
	static const int8_t bytes_shift[] = {6, -3, -7};
	int shift = in->context_bits + bytes_shift[in->context_format];

	if (shift < 6 || !in->context_bits)
		shift = 6;
	return !(in->context_ptr & ((UINT64_C(1) << shift) - 1));
}

static int check_values(const struct iopgt_register_inputs *in, uint32_t regime)
{
	if (has_asid(regime) && in->asid > 0xff && !(in->flags & IOPGT_REGISTERS_ASID16))
		return IOPGT_BAD_ARGUMENT;
	if (in->vmid > 0xff && !(in->flags & IOPGT_REGISTERS_VMID16))
		return IOPGT_BAD_ARGUMENT;
	if (in->context_bits > 31 || in->context_format > 2 || in->context_default > 2 ||
	    in->ats > 3)
		return IOPGT_BAD_ARGUMENT;
	if (in->context_ptr >> 56 || !context_ptr_aligned(in))
		return IOPGT_BAD_ARGUMENT;
	return IOPGT_OK;
}

static int check_flags(const struct iopgt_register_inputs *in, const struct iopgt_config *config)
{
	bool aarch32 = regime_is_aarch32(config->regime);
	bool access_managed =
		config->dirty != IOPGT_DIRTY_NONE || (config->flags & IOPGT_CONFIG_ACCESS_FLAG);
	uint32_t known = IOPGT_REGISTERS_ALL_FLAGS;

	if (aarch32)
		known &= ~(uint32_t)(IOPGT_REGISTERS_ASID16 | IOPGT_REGISTERS_VMID16);
	if (aarch32 || !access_managed)
		known &= ~(uint32_t)IOPGT_REGISTERS_HARDWARE_ACCESS;
	if (config->regime != IOPGT_STAGE1_EL1)
		known &= ~(uint32_t)IOPGT_REGISTERS_E2H;
	/* An STE that stalls at stage 2 and answers ATS requests is ILLEGAL (5.2 EATS). */
	if (in->ats && regime_is_stage2(config->regime))
		known &= ~(uint32_t)IOPGT_REGISTERS_STALL;
	if (in->flags & ~known)
		return IOPGT_BAD_FLAGS;
	if ((in->flags & IOPGT_REGISTERS_HARDWARE_ACCESS) &&
	    (config->flags & IOPGT_CONFIG_NON_COHERENT))
		return IOPGT_BAD_WALK;
	return IOPGT_OK;
}

int iopgt_registers(const struct iopgt_table *table, const struct iopgt_register_inputs *inputs,
                    struct iopgt_registers *out)
{
	struct iopgt_encoding encoding;
	int err;

	if (!table || !inputs || !out)
		return IOPGT_BAD_ARGUMENT;
	err = check_flags(inputs, &table->config);
	if (!err)
		err = check_values(inputs, table->config.regime);
	if (err)
		return err;
	encode(table, inputs->flags, &encoding);
	*out = (struct iopgt_registers){0};
	registers_cpu(&encoding, inputs, out);
	iopgt_registers_smmu(&encoding, inputs, out);
	return IOPGT_OK;
}
