/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a table is made for, and what a mapping can say.
 */
#ifndef IOPGT_CONFIG_H
#define IOPGT_CONFIG_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum iopgt_regime {
	IOPGT_STAGE1_EL1, /* two privilege levels: EL1&0, EL2&0, SMMU streams of EL1 */
	IOPGT_STAGE1_EL2, /* one privilege level */
	IOPGT_STAGE2,
	/*
	 * Long descriptors of AArch32 (G5.5): 4 KiB granule, no dirty management, no
	 * break-before-make level 1.
	 */
	IOPGT_STAGE1_AARCH32, /* PL1&0; 25 to 32 input bits */
	IOPGT_STAGE2_AARCH32, /* 25 to 40 input bits */
	IOPGT_REGIMES,
};

enum iopgt_dirty_mode {
	IOPGT_DIRTY_NONE,     /* writes leave no mark */
	IOPGT_DIRTY_HARDWARE, /* walkers mark writable-clean leaves (HD = 1, HA = 1) */
	IOPGT_DIRTY_SOFTWARE, /* the same encoding: writes to clean leaves fault, the host marks */
};

enum iopgt_config_flag {
	/*
	 * The walk does not snoop the CPU's caches: table memory is cleaned through
	 * the HAL. Excludes dirty management (R_WLTNL: the walker's update is atomic
	 * on shareable write-back walks only).
	 */
	IOPGT_CONFIG_NON_COHERENT = 1 << 0,
	/*
	 * Accesses that fault for a moment are retried by every walker or its
	 * driver, so break-before-make level 0 may break a live entry.
	 */
	IOPGT_CONFIG_FAULTS_RETRIED = 1 << 1,
	/* IOPGT_STAGE2: memory types are encoded for forced write-back (FEAT_S2FWB). */
	IOPGT_CONFIG_FORCED_WRITE_BACK = 1 << 2,
	/*
	 * 4 and 16 KiB granule: TCR.DS = 1 (FEAT_LPA2), needed for more than 48 bits.
	 * Shareability then comes from TCR.SHn, which is inner, for all of the table.
	 */
	IOPGT_CONFIG_LPA2 = 1 << 3,
	/* Input sizes below 25 bits (FEAT_TTST, SMMU_IDR3.STT); AArch64. */
	IOPGT_CONFIG_SMALL_TABLES = 1 << 4,
	/* IOPGT_STAGE1_EL1: TTBR1's table, for the top 2^input_bits bytes of the 64-bit space. */
	IOPGT_CONFIG_TTBR1 = 1 << 5,
	/* Stage 1: walked in Secure state, so that IOPGT_NON_SECURE has a meaning. */
	IOPGT_CONFIG_SECURE = 1 << 6,
	/* IOPGT_STAGE2: XN tells privileged from unprivileged execution (FEAT_XNX). */
	IOPGT_CONFIG_XNX = 1 << 7,
	/*
	 * Access flags are managed though dirty state is not: walkers set them (HA =
	 * 1), or the host calls iopgt_handle_access_fault. Dirty management implies it.
	 */
	IOPGT_CONFIG_ACCESS_FLAG = 1 << 8,
	/*
	 * Every walker sets the access flag of the tables that it goes through
	 * (FEAT_HAFT, SMMU_IDR0.HTTU = 3; iopgt_registers enables it), so that dirty verbs
	 * skip tables that no walker went through; in a domain while every attached
	 * walker can (IOPGT_WALKER_TABLE_ACCESSED). Needs IOPGT_DIRTY_HARDWARE. What it
	 * asks of the caller: dirty.h.
	 */
	IOPGT_CONFIG_TABLE_ACCESS_FLAG = 1 << 9,
	IOPGT_CONFIG_ALL_FLAGS = (1 << 10) - 1,
};

struct iopgt_config {
	uint32_t regime;       /* enum iopgt_regime */
	uint32_t flags;        /* of enum iopgt_config_flag */
	uint8_t granule_shift; /* 12, 14 or 16 */
	uint8_t input_bits;    /* size of the input space: 25 to 48 (TxSZ = 64 - input_bits); from
	                          16 with SMALL_TABLES, 17 with 64 KiB; to 52 with LPA2 or 64 KiB
	                          (FEAT_LVA). At stage 2 at most output_bits */
	uint8_t output_bits;   /* 32, 36, 40, 42, 44, 48, as walkers have it (IPS, PS); 52 with LPA2
	                          or 64 KiB (FEAT_LPA); AArch32: at most 40 */
	uint8_t bbm_level;     /* break-before-make level of the weakest walker: 0, 1 or 2 */
	uint32_t dirty;        /* enum iopgt_dirty_mode */
	/*
	 * Bit n: leaves of 2^n bytes may be used. 0: all pages and blocks that there
	 * are, no groups. Pages must be among them, no block size may be missing below
	 * one that is given, and a contiguous group needs the size of its entries.
	 * iopgt_all_leaf_sizes tells what there is.
	 */
	uint64_t leaf_sizes;
};

/*
 * All leaf sizes that such a table can have, as a mask for leaf_sizes:
 *
 *            pages and blocks                        contiguous groups (D8.7.1)
 *     4 KiB  4 KiB, 2 MiB, 1 GiB, 512 GiB (LPA2)     64 KiB, 32 MiB, 16 GiB
 *    16 KiB  16 KiB, 32 MiB, 64 GiB (LPA2)           2 MiB, 1 GiB
 *    64 KiB  64 KiB, 512 MiB, 4 TiB (52 output bits) 2 MiB, 16 GiB
 *
 * as far as the input space holds one. config->leaf_sizes is not read.
 * Return: the mask; 0: the configuration is wrong.
 * Stack: 512 bytes. Touches: no descriptor.
 */
uint64_t iopgt_all_leaf_sizes(const struct iopgt_config *config);

/*
 * Permissions of a mapping: READ or WRITE, or both; stage 1 cannot express
 * WRITE without READ. CLEAN and NO_TRACK say something of WRITE alone.
 *
 * At most one of the three EXECUTE. Those for one level need a regime that tells
 * levels apart: stage 1 EL1 and AArch32 (where execution cannot be privileged
 * alone, unless all access is), stage 2 with XNX.
 */
enum iopgt_prot {
	IOPGT_READ = 1 << 0,
	IOPGT_WRITE = 1 << 1,
	IOPGT_EXECUTE = 1 << 2,    /* by every level that may access it */
	IOPGT_PRIVILEGED = 1 << 3, /* no unprivileged access; stage 1 with two privilege levels */
	IOPGT_NO_TRACK = 1 << 4,   /* writes leave no mark: MMIO, MSI doorbells */
	/*
	 * Mapped writable-clean though no domain tracks: the first write is marked.
	 * For users of a table without a domain.
	 */
	IOPGT_CLEAN = 1 << 5,
	IOPGT_EXECUTE_PRIVILEGED = 1 << 6,   /* by the privileged level alone (UXN) */
	IOPGT_EXECUTE_UNPRIVILEGED = 1 << 7, /* by the unprivileged level alone (PXN) */
	IOPGT_ALL_PROT = (1 << 8) - 1,
};

/*
 * Memory types; the MAIR index at stage 1. Write-back is inner shareable, the
 * others outer shareable, unless an attribute says otherwise.
 */
enum iopgt_memory {
	IOPGT_NON_CACHEABLE,       /* normal, inner and outer non-cacheable */
	IOPGT_WRITE_BACK,          /* normal, inner and outer write-back */
	IOPGT_DEVICE,              /* device nGnRE */
	IOPGT_INNER_NON_CACHEABLE, /* normal, inner non-cacheable, outer write-back; not with
	                              forced write-back */
	IOPGT_DEVICE_NGNRNE,
	IOPGT_DEVICE_NGRE,
	IOPGT_DEVICE_GRE,
	IOPGT_MEMORY_TYPES,
};

/* MAIR_ELx as the memory types of stage 1 need it, from index 0: 44 FF 04 F4 00 08 0C. */
#define IOPGT_MAIR UINT64_C(0x000C0800F404FF44)

/*
 * What else can be said of a mapping. At most one of the three shareabilities;
 * those of device memory and of IOPGT_NON_CACHEABLE are outer whatever a
 * descriptor says (so another one is refused), with LPA2 all else is inner.
 */
enum iopgt_attribute {
	IOPGT_INNER_SHAREABLE = 1 << 0,
	IOPGT_OUTER_SHAREABLE = 1 << 1,
	IOPGT_NOT_SHAREABLE = 1 << 2,
	/*
	 * nG = 0, in stage 1 with two privilege levels: cached for every ASID, so that
	 * an invalidation by ASID alone does not remove it.
	 */
	IOPGT_GLOBAL = 1 << 3,
	IOPGT_NON_SECURE = 1 << 4, /* stage 1 with IOPGT_CONFIG_SECURE */
	IOPGT_GUARDED = 1 << 5,    /* GP, AArch64 stage 1: branch targets are checked (FEAT_BTI) */
	IOPGT_SOFTWARE_0 = 1 << 6, /* the caller's own: bit 57 of a leaf */
	IOPGT_SOFTWARE_1 = 1 << 7, /* the caller's own: bit 58 of a leaf */
	IOPGT_ALL_ATTRIBUTES = (1 << 8) - 1,
};

struct iopgt_mapping {
	uint64_t iova;       /* multiple of the granule */
	uint64_t phys;       /* multiple of the granule */
	uint64_t size;       /* multiple of the granule, not 0 */
	uint32_t prot;       /* of enum iopgt_prot */
	uint32_t memory;     /* enum iopgt_memory */
	uint32_t attributes; /* of enum iopgt_attribute */
};

#ifdef __cplusplus
}
#endif

#endif
