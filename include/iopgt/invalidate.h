/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From an invalidation that the library asks for (hal.h) to the operands of TLBI
 * instructions of a PE, or to commands of an SMMUv3. In a host's invalidate_range:
 *
 *     struct iopgt_tlbi tlbi;
 *     struct iopgt_tlbi_operation operation;
 *     int err = iopgt_tlbi_begin(&tlbi, &target, request);
 *
 *     if (err)
 *             return err;    // the library asks for invalidate_all instead
 *     while (iopgt_tlbi_next(&tlbi, &operation))
 *             ... issue it ...
 *
 * Together the operations cover the request at least: a range is widened where
 * operands are too coarse. All functions are pure and need no memory.
 */
#ifndef IOPGT_INVALIDATE_H
#define IOPGT_INVALIDATE_H

#include <iopgt/table.h>

#ifdef __cplusplus
extern "C" {
#endif

enum iopgt_tlbi_flag {
	IOPGT_TLBI_SMMU = 1 << 0,  /* commands of an SMMUv3; else operands of A64 TLBI */
	IOPGT_TLBI_RANGE = 1 << 1, /* range operations: FEAT_TLBIRANGE, SMMU_IDR3.RIL */
	IOPGT_TLBI_TTL = 1 << 2,   /* level hints: FEAT_TTL; an SMMU has them with RIL, and
	                              RANGE is needed, too */
	/* Stage 1 with ASIDs: of every ASID (VAAE1, NH_VAA); the ASID is not used. */
	IOPGT_TLBI_EVERY_ASID = 1 << 3,
	/* IOPGT_STAGE1_EL1 used by EL2&0 (E2H): SMMU commands EL2_VA, EL2_VAA. */
	IOPGT_TLBI_E2H = 1 << 4,
	IOPGT_TLBI_ALL_FLAGS = (1 << 5) - 1,
};

/* Operations that one request may take, where the target says nothing. */
#define IOPGT_TLBI_MAX_OPERATIONS 512

/* Whose entries, and by what means. */
struct iopgt_tlbi_target {
	const struct iopgt_config *config; /* of the table: regime, granule, LPA2 are read */
	uint32_t flags;                    /* of enum iopgt_tlbi_flag */
	uint16_t asid;                     /* stage 1 but IOPGT_STAGE1_EL2 */
	uint16_t vmid;           /* SMMU: S2_IPA, and NH_VA where there is a stage 2. A PE uses the
	                  current one */
	uint32_t max_operations; /* 0: IOPGT_TLBI_MAX_OPERATIONS */
};

enum iopgt_tlbi_operation_flag {
	/* A PE's range instruction (RVAE1, RVAAE1, RVAE2, RIPAS2E1); an SMMU's TG is not 0. */
	IOPGT_TLBI_OPERATION_RANGE = 1 << 0,
	/* Leaf entries alone (VALE1, RVALE1, IPAS2LE1 ...); an SMMU's Leaf is 1. */
	IOPGT_TLBI_OPERATION_LEAF = 1 << 1,
};

struct iopgt_tlbi_operation {
	uint32_t flags;   /* of enum iopgt_tlbi_operation_flag */
	uint64_t iova;    /* what it covers */
	uint64_t size;    /* bytes; of a single address at most the stride */
	uint64_t word[2]; /* PE: word[0] is Xt, and word[1] is 0. SMMU: the command's words in
	                     host byte order, to be stored little-endian */
};

/* Where an enumeration is. Private. */
struct iopgt_tlbi {
	uint64_t iova;
	uint64_t left;  /* bytes still to be covered */
	uint64_t fixed; /* what all operations have in common in word 0 */
	uint32_t flags;
	uint8_t granule_shift;
	uint8_t stride_shift;
	int8_t level; /* hint, or IOPGT_NO_LEVEL */
	bool stage2;
	bool lpa2;
	bool ranges;
	bool leaf;
};

/*
 * Starts. What is used of the request:
 *
 * - Without IOPGT_INVALIDATE_WALK_CACHES all operations are LEAF, with it none is.
 * - Level hint (TTL) with IOPGT_TLBI_TTL if the request has a level, unless
 *   IOPGT_INVALIDATE_WALK_CACHES is set with a level other than 3 (tables below the hint
 *   would stay), the range is not aligned to that level, or the level has no
 *   encoding: none has -1; level 0 can be named by a single-address operation of a
 *   PE with LPA2 alone; level 1 of the 16 KiB granule with LPA2 alone.
 * - A stride of a contiguous group counts as that of its entries, which may be
 *   cached one by one; with WALK_CACHES it is at most what a last-level table covers.
 * - One single-address operation per stride without IOPGT_TLBI_RANGE, and where one
 *   is enough.
 * - PE range operations: (NUM + 1) * 2^(5 * SCALE + 1) granules (D8.17.5.2); an odd
 *   granule at the end is a single-address operation. With LPA2 (TCR.DS = 1) they
 *   begin at multiples of 64 KiB, and the range is widened to them. Not used with
 *   4 KiB, LPA2 and no hint, since the range that is invalidated is then
 *   UNPREDICTABLE but from multiples of 512 GiB; nor where a stride is larger than
 *   all that one can cover.
 * - SMMU range operations: (NUM + 1) * 2^SCALE granules (IHI 0070 4.4.1.1); never
 *   with NUM = SCALE = TTL = 0, which is Reserved: TG is 0 then.
 * - AArch32: no hints and no ranges at a PE; A64 instructions, addresses of 32 or 40
 *   bits.
 *
 * SMMU commands (4.4): IOPGT_STAGE1_EL1 and _AARCH32: NH_VA or NH_VAA, with E2H EL2_VA
 * or EL2_VAA; IOPGT_STAGE1_EL2: EL2_VA; stage 2: S2_IPA. Those for the Non-secure or
 * the Realm command queue. Bit 63 of a PE's IPA operand (NS, in Secure state) is 0.
 *
 * Entries that combine both stages are not covered by those of stage 2: where a
 * nested stream or a guest with a stage 1 runs, add VMALLE1 or NH_ALL.
 *
 * Return: IOPGT_OK; IOPGT_BAD_RANGE: more than max_operations operations, invalidate
 * all instead; or size is 0; IOPGT_BAD_ALIGNMENT: not a multiple of the granule;
 * IOPGT_BAD_ARGUMENT; IOPGT_BAD_FLAGS; IOPGT_BAD_REGIME; IOPGT_BAD_GRANULE.
 * Stack: 512 bytes. Touches: no descriptor.
 */
int iopgt_tlbi_begin(struct iopgt_tlbi *tlbi, const struct iopgt_tlbi_target *target,
                     const struct iopgt_invalidation *request);

/*
 * Gives the next operation. Return: false: there is none left, *operation is not changed.
 * Stack: 256 bytes. Touches: no descriptor.
 */
bool iopgt_tlbi_next(struct iopgt_tlbi *tlbi, struct iopgt_tlbi_operation *operation);

/*
 * The operation that invalidates everything of the table, walk caches too:
 * SMMU: NH_ASID, or NH_ALL with EVERY_ASID (which global leaves need); with E2H
 * EL2_ASID or EL2_ALL; IOPGT_STAGE1_EL2: EL2_ALL; stage 2: S12_VMALL. PE: the operand of
 * ASIDE1; 0 where the instruction takes none (VMALLE1, ALLE2, VMALLS12E1).
 *
 * Return: IOPGT_OK; IOPGT_BAD_ARGUMENT; IOPGT_BAD_FLAGS; IOPGT_BAD_REGIME.
 * Stack: 256 bytes. Touches: no descriptor.
 */
int iopgt_tlbi_all(const struct iopgt_tlbi_target *target, struct iopgt_tlbi_operation *operation);

#ifdef __cplusplus
}
#endif

#endif
