/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What walkers can, read from their identification registers, and the
 * configuration that suits them best. All functions are pure.
 */
#ifndef IOPGT_CAPABILITIES_H
#define IOPGT_CAPABILITIES_H

#include <iopgt/domain.h>
#include <iopgt/table.h>

#ifdef __cplusplus
extern "C" {
#endif

enum iopgt_can {
	IOPGT_CAN_STAGE1 = 1 << 0,  /* SMMU_IDR0.S1P; a PE: always */
	IOPGT_CAN_STAGE2 = 1 << 1,  /* SMMU_IDR0.S2P; a PE: set, but it needs EL2 */
	IOPGT_CAN_AARCH64 = 1 << 2, /* SMMU_IDR0.TTF[1]; a PE: always */
	IOPGT_CAN_AARCH32 = 1 << 3, /* long descriptors of AArch32: SMMU_IDR0.TTF[0]; a PE: never
	                               set, the caller knows (ID_AA64PFR0_EL1) */
	IOPGT_CAN_FORCED_WRITE_BACK = 1 << 4,  /* MMFR2.FWB, SMMU_IDR3.FWB */
	IOPGT_CAN_XNX = 1 << 5,                /* MMFR1.XNX, SMMU_IDR3.XNX */
	IOPGT_CAN_SMALL_TABLES = 1 << 6,       /* MMFR2.ST, SMMU_IDR3.STT */
	IOPGT_CAN_TTL = 1 << 7,                /* level hints: MMFR2.TTL, SMMU_IDR3.RIL */
	IOPGT_CAN_RANGE_INVALIDATION = 1 << 8, /* SMMU_IDR3.RIL; a PE: never set, the caller
	                                          knows (ID_AA64ISAR0_EL1.TLB >= 2) */
	IOPGT_CAN_COHERENT_WALK = 1 << 9,      /* SMMU_IDR0.COHACC; a PE: always */
	IOPGT_CAN_ATS = 1 << 10,               /* SMMU_IDR0.ATS; a PE: never */
	IOPGT_CAN_BROADCAST = 1 << 11, /* obeys the TLBI of PEs: SMMU_IDR0.BTM; a PE: always */
	IOPGT_CAN_CNP = 1 << 12,       /* MMFR2.CnP; an SMMU: never, it has no such bit */
	/*
	 * Reports no conflict abort while a block changes size at break-before-make level
	 * 2: an SMMU always; a PE: never set, the caller knows its PEs, or handles the
	 * abort by invalidating all. Without it level 2 is used as level 1.
	 */
	IOPGT_CAN_AVOID_CONFLICTS = 1 << 13,
	IOPGT_CAN_EL2 = 1 << 14, /* IOPGT_STAGE1_EL2: SMMU_IDR0.Hyp (StreamWorld EL2); a PE: set,
	                            but it needs EL2 */
	IOPGT_CAN_ALL = (1 << 15) - 1,
};

/* What hardware updates in descriptors; each includes those before it. */
enum iopgt_update {
	IOPGT_UPDATE_NONE,
	IOPGT_UPDATE_ACCESSED, /* access flags of leaves */
	IOPGT_UPDATE_DIRTY,    /* dirty state of leaves */
	IOPGT_UPDATE_TABLES,   /* access flags of table descriptors (FEAT_HAFT): a PE then has
	                          TCR2_ELx, but firmware must let it use it (SCR_EL3.TCR2En) */
};

/* Granule masks: bit 12, 14 and 16 for 4, 16 and 64 KiB. */
struct iopgt_capabilities {
	uint32_t flags;           /* of enum iopgt_can */
	uint32_t granules_stage1; /* that AArch64 tables can have */
	uint32_t granules_stage2; /* 0 without stage 2 */
	uint32_t lpa2_stage1;     /* those of them with IOPGT_CONFIG_LPA2 (FEAT_LPA2, IDR5.DS) */
	uint32_t lpa2_stage2;
	uint8_t input_bits_64k;  /* stage 1, 64 KiB granule: 48 or 52 (FEAT_LVA, IDR5.VAX) */
	uint8_t input_bits_lpa2; /* stage 1 with IOPGT_CONFIG_LPA2: 52; an SMMU: IDR5.VAX */
	uint8_t output_bits;     /* physical addresses: 32, 36, 40, 42, 44, 48 or 52; more than
	                              48 with LPA2 or 64 KiB only */
	uint8_t update;          /* enum iopgt_update: MMFR1.HAFDBS, SMMU_IDR0.HTTU */
	uint8_t bbm_level;       /* as the register says: MMFR2.BBM, SMMU_IDR3.BBML: 0, 1, 2 */
	uint8_t asid_bits;       /* 8 or 16 */
	uint8_t vmid_bits;
};

/*
 * From ID_AA64MMFR0_EL1, ID_AA64MMFR1_EL1 and ID_AA64MMFR2_EL1 (D24.2). Values
 * that are not defined yet count as the largest defined one below.
 *
 * Return: IOPGT_OK; IOPGT_BAD_ARGUMENT.
 * Stack: 256 bytes. Touches: no descriptor.
 */
int iopgt_capabilities_from_cpu(uint64_t mmfr0, uint64_t mmfr1, uint64_t mmfr2,
                                struct iopgt_capabilities *capabilities);

/*
 * From SMMU_IDR0, SMMU_IDR3 and SMMU_IDR5 (IHI 0070 6.3). COHACC and HTTU may be
 * overridden by the system's description: correct the result then.
 *
 * Return: IOPGT_OK; IOPGT_BAD_ARGUMENT.
 * Stack: 256 bytes. Touches: no descriptor.
 */
int iopgt_capabilities_from_smmu(uint32_t idr0, uint32_t idr3, uint32_t idr5,
                                 struct iopgt_capabilities *capabilities);

/*
 * What both can, for a table that both walk. `out` may be one of the others.
 * Return: IOPGT_OK; IOPGT_BAD_ARGUMENT.
 * Stack: 256 bytes. Touches: no descriptor.
 */
int iopgt_capabilities_both(const struct iopgt_capabilities *a, const struct iopgt_capabilities *b,
                            struct iopgt_capabilities *out);

enum iopgt_wish {
	/* Dirty tracking: in hardware if it can, else it fails, unless: */
	IOPGT_WISH_DIRTY = 1 << 0,
	/* In software where hardware cannot; the host calls iopgt_handle_write_fault. */
	IOPGT_WISH_SOFTWARE_DIRTY = 1 << 1,
	/* No contiguous groups in leaf_sizes. */
	IOPGT_WISH_NO_GROUPS = 1 << 2,
	IOPGT_WISH_ALL = (1 << 3) - 1,
};

struct iopgt_wishes {
	uint32_t regime; /* enum iopgt_regime */
	uint32_t flags;  /* of enum iopgt_wish */
	/*
	 * Of enum iopgt_config_flag: what the configuration must have. NON_COHERENT, LPA2
	 * and SMALL_TABLES are added as needed and better not given.
	 */
	uint32_t config_flags;
	uint32_t granules;  /* those to choose from, a granule mask; 0: any */
	uint64_t iova_last; /* highest input address; with IOPGT_CONFIG_TTBR1 the lowest one */
	uint64_t phys_last; /* highest output address, of table memory too */
};

/*
 * The best configuration for given walkers:
 *
 * - The smallest granule that reaches both addresses: 4 KiB before 16 before 64.
 *   Tracking by pages is then as fine, and page sizes are shared by as many agents,
 *   as can be; large leaves make up for the TLB. (AArch32: 4 KiB.)
 * - The smallest input size that holds iova_last, at least 25 bits; below that, at
 *   least 16 (64 KiB: 17), with IOPGT_CONFIG_SMALL_TABLES if walkers have them.
 * - IOPGT_CONFIG_LPA2 if an address needs more than 48 bits, not otherwise.
 * - output_bits: all that walkers have, so that table memory may lie anywhere; but
 *   48 at most unless an address needs more, and 40 at most for AArch32.
 * - IOPGT_CONFIG_NON_COHERENT unless the walk is coherent.
 * - bbm_level of the walkers, 1 at most without IOPGT_CAN_AVOID_CONFLICTS; AArch32: 0.
 * - dirty: IOPGT_DIRTY_NONE unless wished for. It needs a coherent walk and AArch64.
 * - IOPGT_CONFIG_TABLE_ACCESS_FLAG only if wished for in config_flags, and then it must be
 *   of use: with IOPGT_WISH_DIRTY, and all of these walkers can (IOPGT_UPDATE_TABLES).
 * - leaf_sizes: all that there are, groups included unless wished otherwise.
 *
 * iopgt_init accepts the result with a HAL that fits.
 *
 * Return: IOPGT_OK; IOPGT_INCOMPATIBLE: there is none; IOPGT_BAD_ARGUMENT;
 * IOPGT_BAD_REGIME; IOPGT_BAD_FLAGS: an unknown flag or wish. After a failure
 * *config is not changed.
 * Stack: 512 bytes. Touches: no descriptor.
 */
int iopgt_best_config(const struct iopgt_capabilities *capabilities,
                      const struct iopgt_wishes *wishes, struct iopgt_config *config);

/*
 * Fills flags (DIRTY, COHERENT, ACCESSED, TABLE_ACCESSED), bbm_level, input_bits and
 * output_bits of a walker that is to walk tables of this configuration; other fields
 * stay. The caller adds IOPGT_WALKER_FAULTS_RETRIED, and IOPGT_WALKER_ACCESSED if it handles
 * access faults.
 *
 * Return: IOPGT_OK; IOPGT_BAD_ARGUMENT; IOPGT_INCOMPATIBLE: it cannot walk them: regime,
 * granule, LPA2, SMALL_TABLES, FORCED_WRITE_BACK or XNX is not there. After a failure
 * the walker is not changed. Whether sizes and dirty management suffice is for
 * iopgt_domain_attach to say. TABLE_ACCESSED is what it can: where the configuration
 * has IOPGT_CONFIG_TABLE_ACCESS_FLAG, the caller enables it (HAFT, see registers.h) or
 * takes the flag away.
 * Stack: 256 bytes. Touches: no descriptor.
 */
int iopgt_walker_from_capabilities(const struct iopgt_capabilities *capabilities,
                                   const struct iopgt_config *config, struct iopgt_walker *walker);

#ifdef __cplusplus
}
#endif

#endif
