/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Context descriptors and stream table entries of an SMMUv3 (IHI 0070 5.2, 5.4),
 * their bits numbered from 0 to 511. Addresses stand in place there.
 */
#include "format/field.h"
#include "format/registers.h"

#define STE_CONFIG_STAGE1 5
#define STE_CONFIG_STAGE2 6
#define STE_STRW_EL2      2
#define STE_SHCFG_USE     1 /* the incoming shareability */

/* T0SZ to EPD0, or T1SZ to EPD1. */
static void put_half(uint64_t *cd, const struct iopgt_encoding *e)
{
	unsigned half = e->upper ? 16 : 0;
	unsigned other = e->upper ? 14 : 30;

	field_put(cd, half + 5, half, e->input_size); /* TxSZ */
	if (!e->aarch32)
		field_put(cd, half + 7, half + 6, e->upper ? e->tg1 : e->tg0);
	field_put(cd, half + 9, half + 8, e->region);         /* IRx */
	field_put(cd, half + 11, half + 10, e->region);       /* ORx */
	field_put(cd, half + 13, half + 12, e->shareability); /* SHx */
	/* StreamWorld EL2 has no upper half to disable. */
	if (e->regime != IOPGT_STAGE1_EL2)
		field_put_bit(cd, other, 1); /* EPDx of the other half */
}

static void context_descriptor(uint64_t *cd, const struct iopgt_encoding *e,
                               const struct iopgt_register_inputs *in)
{
	put_half(cd, e);
	field_put_bit(cd, 31, 1); /* V */
	if (!e->aarch32) {
		field_put(cd, 34, 32, e->size);   /* IPS */
		field_put_bit(cd, 41, 1);         /* AA64 */
		field_put_bit(cd, 42, e->dirty);  /* HD */
		field_put_bit(cd, 43, e->access); /* HA */
	}
	field_put_bit(cd, 44, (in->flags & IOPGT_REGISTERS_STALL) != 0);        /* S */
	field_put_bit(cd, 45, !(in->flags & IOPGT_REGISTERS_SILENT));           /* R */
	field_put_bit(cd, 46, !(in->flags & IOPGT_REGISTERS_READ_ZERO));        /* A */
	field_put_bit(cd, 47, (in->flags & IOPGT_REGISTERS_ASID_PRIVATE) != 0); /* ASET */
	if (e->regime != IOPGT_STAGE1_EL2)
		field_put(cd, 63, 48, in->asid); /* ASID */
	field_put_bit(cd, 67, e->table_access);  /* HAFT */
	if (e->upper)
		field_put(cd, 179, 132, e->root >> 4); /* TTB1 */
	else
		field_put(cd, 115, 68, e->root >> 4);                /* TTB0 */
	field_put_bit(cd, 186, (e->flags & IOPGT_CONFIG_LPA2) != 0); /* DS */
	field_put(cd, 255, 192, IOPGT_MAIR);
}

static void stage1_entry(uint64_t *ste, const struct iopgt_encoding *e,
                         const struct iopgt_register_inputs *in)
{
	bool el2 = e->regime == IOPGT_STAGE1_EL2 || (in->flags & IOPGT_REGISTERS_E2H);

	field_put(ste, 3, 1, STE_CONFIG_STAGE1);
	field_put(ste, 5, 4, in->context_format);       /* S1Fmt */
	field_put(ste, 55, 6, in->context_ptr >> 6);    /* S1ContextPtr */
	field_put(ste, 63, 59, in->context_bits);       /* S1CDMax */
	field_put(ste, 65, 64, in->context_default);    /* S1DSS */
	field_put(ste, 67, 66, e->region);              /* S1CIR */
	field_put(ste, 69, 68, e->region);              /* S1COR */
	field_put(ste, 71, 70, e->shareability);        /* S1CSH */
	field_put(ste, 95, 94, el2 ? STE_STRW_EL2 : 0); /* STRW */
}

static void stage2_entry(uint64_t *ste, const struct iopgt_encoding *e,
                         const struct iopgt_register_inputs *in)
{
	field_put(ste, 3, 1, STE_CONFIG_STAGE2);
	field_put_bit(ste, 89, (e->flags & IOPGT_CONFIG_FORCED_WRITE_BACK) != 0); /* S2FWB */
	field_put(ste, 178, 160, iopgt_stage2_control(e)); /* S2T0SZ to S2PS */
	field_put_bit(ste, 179, !e->aarch32);              /* S2AA64 */
	field_put_bit(ste, 182, (in->flags & IOPGT_REGISTERS_PROTECT_WALKS) != 0); /* S2PTW */
	field_put_bit(ste, 183, e->dirty);                                         /* S2HD */
	field_put_bit(ste, 184, e->access);                                        /* S2HA */
	field_put_bit(ste, 185, (in->flags & IOPGT_REGISTERS_STALL) != 0);         /* S2S */
	field_put_bit(ste, 186, !(in->flags & IOPGT_REGISTERS_SILENT));            /* S2R */
	field_put_bit(ste, 187, e->table_access);                                  /* S2HAFT */
	field_put_bit(ste, 195, (e->flags & IOPGT_CONFIG_LPA2) != 0);              /* S2DS */
	field_put(ste, 243, 196, e->root >> 4);                                    /* S2TTB */
}

void iopgt_registers_smmu(const struct iopgt_encoding *e, const struct iopgt_register_inputs *in,
                          struct iopgt_registers *out)
{
	if (e->stage2) {
		stage2_entry(out->ste, e, in);
	} else {
		context_descriptor(out->cd, e, in);
		stage1_entry(out->ste, e, in);
	}
	field_put_bit(out->ste, 0, 1);                /* V */
	field_put(out->ste, 93, 92, in->ats);         /* EATS */
	field_put(out->ste, 109, 108, STE_SHCFG_USE); /* SHCFG */
	field_put(out->ste, 143, 128, in->vmid);      /* S2VMID */
}
