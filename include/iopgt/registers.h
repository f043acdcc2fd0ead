/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a table to the words that make hardware walk it: system registers of a
 * PE, context descriptor (CD) and stream table entry (STE) of an SMMUv3.
 * Operands of invalidations are in invalidate.h; docs/registers.md has examples.
 *
 * Section numbers: Arm ARM DDI 0487 (D24.2, G8.2), SMMUv3 IHI 0070 (5.2, 5.4).
 */
#ifndef IOPGT_REGISTERS_H
#define IOPGT_REGISTERS_H

#include <iopgt/table.h>

#ifdef __cplusplus
extern "C" {
#endif

enum iopgt_register_flag {
	/* TTBRn or VTTBR: CnP, the table is the same for all PEs that share a TLB (FEAT_TTCNP). */
	IOPGT_REGISTERS_CNP = 1 << 0,
	/* ASIDs have 16 bits (MMFR0.ASIDBits, SMMU_IDR0.ASID16): TCR.AS. Not for AArch32. */
	IOPGT_REGISTERS_ASID16 = 1 << 1,
	/* VMIDs have 16 bits (MMFR1.VMIDBits, SMMU_IDR0.VMID16): VTCR.VS. Not for AArch32. */
	IOPGT_REGISTERS_VMID16 = 1 << 2,
	/*
	 * The walker sets access flags (HA = 1) where the configuration has them
	 * managed, by IOPGT_DIRTY_SOFTWARE or IOPGT_CONFIG_ACCESS_FLAG, and where the
	 * hardware can (MMFR1.HAFDBS, SMMU_IDR0.HTTU >= 1). IOPGT_DIRTY_HARDWARE has it
	 * without being asked.
	 */
	IOPGT_REGISTERS_HARDWARE_ACCESS = 1 << 3,
	/*
	 * IOPGT_STAGE1_EL1: the EL2&0 regime of a host with HCR_EL2.E2H = 1 (SMMU_CR2.E2H
	 * for an SMMU). TCR_EL2 and TTBRn_EL2 then have the layout of those of EL1; only
	 * STE.STRW differs.
	 */
	IOPGT_REGISTERS_E2H = 1 << 4,
	/*
	 * SMMU: what happens to a transaction that faults in translation (IHI 0070
	 * 5.5). Without any of these it is aborted and recorded (A = 1, R = 1, S = 0).
	 */
	IOPGT_REGISTERS_STALL = 1 << 5,        /* S, S2S: held until software resumes it */
	IOPGT_REGISTERS_SILENT = 1 << 6,       /* R = 0, S2R = 0: no event, unless it stalls */
	IOPGT_REGISTERS_READ_ZERO = 1 << 7,    /* A = 0: ends as RAZ/WI; stage 1 only, needs
	                                       SMMU_IDR0.TERM_MODEL = 0 */
	IOPGT_REGISTERS_ASID_PRIVATE = 1 << 8, /* CD.ASET: the ASID is none of a PE's */
	IOPGT_REGISTERS_PROTECT_WALKS = 1
	                                << 9, /* STE.S2PTW: stage-1 walks to device memory fault */
	IOPGT_REGISTERS_ALL_FLAGS = (1 << 10) - 1,
};

/* What the table does not know. Zero-initialised it is good for a table of ASID or VMID 0. */
struct iopgt_register_inputs {
	uint32_t flags; /* of enum iopgt_register_flag */
	uint16_t asid;  /* stage 1 with two privilege levels; up to 255 without ASID16 */
	uint16_t vmid;  /* stage 2, and the STE of a stage 1 that an SMMU with stage 2 walks
	                   (STE.S2VMID); up to 255 without VMID16 */
	/* STE of stage 1 (IHI 0070 5.2). */
	uint64_t context_ptr;    /* S1ContextPtr: of the CD or of a table of CDs, a multiple of 64
	                            below 2^56; with a stage 2 below it, an IPA */
	uint8_t context_bits;    /* S1CDMax: the table has 2^context_bits CDs; 0: one CD */
	uint8_t context_format;  /* S1Fmt: 0 linear, 1 two levels of 4 KiB, 2 of 64 KiB */
	uint8_t context_default; /* S1DSS: without a substream 0 abort, 1 bypass, 2 CD 0 */
	uint8_t ats;             /* EATS: 0 none, 1 full ATS, 2 split-stage, 3 as DPT checks it */
};

/*
 * The words, each as it is written to hardware: SMMU words in host byte order,
 * to be stored little-endian. What a regime does not have is 0:
 *
 *                         tcr, tcr2, mair, ttbr, cd vtcr, vttbr    ste
 *   IOPGT_STAGE1_EL1      TCR_EL1, TCR2_EL1, TTBRn_EL1             Config 5
 *   IOPGT_STAGE1_EL2      TCR_EL2, TCR2_EL2, TTBR0_EL2             Config 5, STRW 2
 *   IOPGT_STAGE2                                    _EL2           Config 6
 *   IOPGT_STAGE1_AARCH32  TTBCR, TTBR0                             Config 5
 *   IOPGT_STAGE2_AARCH32                            VTCR, VTTBR    Config 6
 *
 * Fields that follow from the table: TxSZ, TGx, IRGNx, ORGNx and SHx (write-back
 * and inner shareable; for IOPGT_CONFIG_NON_COHERENT non-cacheable and outer shareable,
 * but with IOPGT_CONFIG_LPA2 SHx stays inner, which is what its leaves are then),
 * IPS or PS from output_bits, DS, SL0 (SL2 is 0), HA and HD (both for
 * IOPGT_DIRTY_HARDWARE), HAFT (TCR2, VTCR, CD, S2HAFT; for
 * IOPGT_CONFIG_TABLE_ACCESS_FLAG), EPDx = 1 for the half that has no table.
 *
 * Left 0, for the caller to or in where wanted:
 *   TCR     A1 (the ASID of TTBR0 is used), TBIn, TBIDn, HPDn, HWUnnn, NFDn, E0PDn,
 *           TCMAn, MTXn; TCR2 all but HAFT (PIE is off)
 *   VTCR    HWUnn, NSW, NSA (Secure and Realm state), TL0, TL1, S2PIE
 *   CD      ENDI (descriptors are little-endian), AFFD (an access flag of 0 faults),
 *           WXN, UWXN, TBIn, PAN, HADn, E0PDn, NSCFGn, HWUnnn, PIE, AMAIR, PARTID, PMG
 *   STE     S1STALLD (a PCIe stream wants it where stalls can be configured), MEV, CONT,
 *           DRE, DCP, PPAR, MTCFG, MemAttr, ALLOCCFG, NSCFG, PRIVCFG, INSTCFG, S2ENDI,
 *           S2AFFD, S2HWUnn, Secure stage 2, VMSPtr, PARTID, PMG
 *
 * The STE's S1CIR, S1COR and S1CSH follow the table's walk, SHCFG is 1: the incoming
 * shareability is used.
 *
 * HAFT means something where MMFR1.HAFDBS is 3 or more, or SMMU_IDR0.HTTU is 3. A PE
 * takes that of TCR2_EL1 for 0 unless HCRX_EL2.TCR2En (where there is an EL2) and
 * SCR_EL3.TCR2En are 1, that of TCR2_EL2 unless the latter is. Writes of a walker without
 * it are lost in a table with IOPGT_CONFIG_TABLE_ACCESS_FLAG, unless the table is a
 * domain's and the walker attached without IOPGT_WALKER_TABLE_ACCESSED.
 *
 * Elsewhere: HCR_EL2.FWB (PE) is the caller's to set with
 * IOPGT_CONFIG_FORCED_WRITE_BACK; STE.S2FWB is set here. SCTLR, HCR_EL2.VM, AMAIR
 * too are the caller's.
 */
struct iopgt_registers {
	uint64_t tcr;   /* TCR_EL1, TCR_EL2 or TTBCR (with EAE = 1) */
	uint64_t tcr2;  /* TCR2_EL1, TCR2_EL2 (FEAT_TCR2): 0, or HAFT; a PE without it has no
	                   such register, nor HAFT */
	uint64_t mair;  /* MAIR_EL1, MAIR_EL2; AArch32: MAIR0 is the low half, MAIR1 the high one */
	uint64_t ttbr0; /* 0 for a table with IOPGT_CONFIG_TTBR1 */
	uint64_t ttbr1; /* 0 for one without */
	uint64_t vtcr;  /* VTCR_EL2 or VTCR */
	uint64_t vttbr; /* VTTBR_EL2 or VTTBR */
	uint64_t cd[8]; /* word n is bits 64 * n + 63 to 64 * n */
	uint64_t ste[8];
};

/*
 * Computes the words for a table that iopgt_init or iopgt_open has made. Reads
 * the table's configuration and start table alone, and changes nothing in it.
 *
 * Context: any; pure. When to write the words, in which order and with which
 * invalidations is the host's affair (D8.17; IHI 0070 3.21).
 * Return: IOPGT_OK; IOPGT_BAD_ARGUMENT: a null pointer, an ASID, VMID or other
 * input that does not fit its field; IOPGT_BAD_FLAGS: an unknown flag, or one that
 * this regime or configuration has no use for (ASID16, VMID16, HARDWARE_ACCESS at
 * AArch32; HARDWARE_ACCESS where access flags are not managed; E2H elsewhere than at
 * IOPGT_STAGE1_EL1; STALL with ats at stage 2, which is ILLEGAL); IOPGT_BAD_WALK:
 * HARDWARE_ACCESS on a non-coherent walk (R_WLTNL). After a failure *out is not
 * changed.
 * Stack: 512 bytes. Touches: no descriptor.
 */
int iopgt_registers(const struct iopgt_table *table, const struct iopgt_register_inputs *inputs,
                    struct iopgt_registers *out);

/*
 * Joins the words of two IOPGT_STAGE1_EL1 tables, one of the lower half of the
 * address space, one made with IOPGT_CONFIG_TTBR1, for one regime or one CD: each
 * half's fields from its own table, IPS the larger one, HA, HD and HAFT if either has
 * them. The same rule by hand: bits 15:0 of TCR from the lower one, 31:16 from
 * the upper one, the larger IPS, all else or-ed, TCR2 too.
 *
 * A walker that marks leaves of a table with IOPGT_DIRTY_SOFTWARE does no harm.
 * One that sets access flags in table descriptors of the half without
 * IOPGT_CONFIG_TABLE_ACCESS_FLAG does none either: it is an atomic update of a bit
 * that says nothing there (Table D8-50), no table descriptor faults for it
 * (I_HZHJT), and all that changes is that a table is not cached before it has one.
 * Both need a write-back walk (R_WLTNL); halves of which one alone is coherent are
 * refused.
 *
 * `out` may be one of the others.
 *
 * Return: IOPGT_OK; IOPGT_BAD_ARGUMENT; IOPGT_INCOMPATIBLE: not a lower and an upper
 * half; DS, ASID or anything else of TCR, CD and STE that both share differs (the
 * coherence of the walk, too). After a failure *out is not changed.
 * Stack: 256 bytes. Touches: no descriptor.
 */
int iopgt_registers_both_halves(const struct iopgt_registers *lower,
                                const struct iopgt_registers *upper, struct iopgt_registers *out);

/*
 * The STE of a nested stream (Config 7): the CD of a stage 1 walks through a
 * stage 2. The CD stays what `stage1` has; its addresses, and S1ContextPtr, are
 * IPAs now. Stage 1's words may stem from tables of a guest, too.
 *
 * `out` has 8 words and may be an ste of the arguments.
 *
 * Return: IOPGT_OK; IOPGT_BAD_ARGUMENT; IOPGT_INCOMPATIBLE: not a stage 1 (of
 * StreamWorld EL1: no IOPGT_STAGE1_EL2, no E2H) and a stage 2; another VMID; an
 * AArch64 stage 1 above an AArch32 stage 2 (ILLEGAL, IHI 0070 5.4 AA64); ats that
 * differs, where neither is 0, or with a stage 2 that stalls (ILLEGAL, 5.2 EATS).
 * After a failure out is not changed.
 * Stack: 256 bytes. Touches: no descriptor.
 */
int iopgt_registers_nested(const struct iopgt_registers *stage1,
                           const struct iopgt_registers *stage2, uint64_t *out);

#ifdef __cplusplus
}
#endif

#endif
