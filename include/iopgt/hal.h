/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the library asks of its host: table memory, and invalidation.
 *
 * Callbacks get the `context` that was given to iopgt_init first. They may be
 * called from any thread that calls a verb, at once from several, so a host
 * that shares state between them protects it. None may call a verb on the same
 * table. Those that return int return 0 or a negative code of the host's own
 * choice, which the verb passes up unchanged, but for invalidate_range (see there).
 */
#ifndef IOPGT_HAL_H
#define IOPGT_HAL_H

#include <iopgt/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IOPGT_NO_LEVEL (-128) /* iopgt_invalidation.level: leaves of several levels */

enum iopgt_invalidation_flag {
	/*
	 * Table descriptors changed too: walk caches must forget the range. Without
	 * it, leaf entries are enough (a last-level-only operation).
	 */
	IOPGT_INVALIDATE_WALK_CACHES = 1 << 0,
};

/* A range whose cached translations must go. Covers whole leaves. */
struct iopgt_invalidation {
	uint64_t iova;        /* first address, a multiple of the granule */
	uint64_t size;        /* bytes, a multiple of the granule, never 0 */
	uint32_t flags;       /* of enum iopgt_invalidation_flag */
	uint8_t stride_shift; /* 2^stride_shift bytes: the smallest leaf that may be cached. One
	                          operation per stride (or a range operation) covers the range */
	int8_t level;         /* level of every leaf that may be cached, usable as a TTL hint; or
	                          IOPGT_NO_LEVEL: give no hint */
};

/*
 * Invalidation of one table's translations in the walkers that use it. An
 * invalidation may be posted: it need be complete only when `sync` returns.
 * Each must act after all stores to table memory that came before the call
 * (R_SPVBD: on a PE, a DSB before the TLBI).
 */
struct iopgt_tlb_ops {
	/* Posts one range. Failure: the library asks for invalidate_all in its place. */
	int (*invalidate_range)(void *context, const struct iopgt_invalidation *request);

	/*
	 * Posts the whole table: leaf entries and walk caches of its ASID or VMID; of
	 * every ASID if it has IOPGT_GLOBAL leaves.
	 */
	int (*invalidate_all)(void *context);

	/*
	 * Waits until all that was posted is complete, until no access that used a
	 * removed entry is under way, and until the descriptor updates of finished
	 * transactions are visible (SMMU: CMD_SYNC, IHI 0070 3.13.4; PE: DSB ISH).
	 * With ATS, device caches are invalidated after the TLBs, then waited for
	 * (IHI 0070 3.9.1).
	 *
	 * Failure: nothing posted since the last sync counts; every op that had posted
	 * something asks for invalidate_all. The library learns of it when sync
	 * returns: where several threads call sync at once, let it fail for all of them
	 * from the moment that posts are lost until invalidate_all is called.
	 */
	int (*sync)(void *context);

	/*
	 * Ranges posted between two waits past which the library asks for one
	 * invalidate_all instead; 0: no such limit.
	 */
	uint32_t max_ranges;

	/*
	 * Two dirty ranges that lie at most this many bytes apart are joined into
	 * one; 0: only ranges that touch. A host with range operations wants it
	 * large, one that posts an operation a page wants it small.
	 */
	uint64_t join_bytes;
};

enum iopgt_alloc_flag {
	IOPGT_ALLOC_ZERO = 1 << 0,   /* the memory must read as zero */
	IOPGT_ALLOC_ATOMIC = 1 << 1, /* the caller may not sleep (IOPGT_OP_ATOMIC) */
};

enum iopgt_hal_flag {
	/* A table's virtual address is its physical one plus linear_offset. */
	IOPGT_HAL_LINEAR = 1 << 0,
	/*
	 * free_table defers until readers that run now are done, as RCU does: then translate
	 * and the dirty reads may overlap calls that free tables of the same range, as their
	 * comments say. map is one of those: where it puts a block, it frees tables that
	 * earlier calls left empty.
	 */
	IOPGT_HAL_DEFERS_FREE = 1 << 1,
};

/*
 * Two calls that the caller should have serialised. Blocks and contiguous groups that a
 * range shares count as part of it.
 */
struct iopgt_overlap {
	const char *running; /* name of the function that was there first */
	const char *refused; /* of the one that returns IOPGT_OVERLAP, and has changed nothing */
	uint64_t running_iova, running_size;
	uint64_t refused_iova, refused_size;
};

struct iopgt_hal {
	uint32_t flags;          /* of enum iopgt_hal_flag */
	uintptr_t linear_offset; /* with IOPGT_HAL_LINEAR; may wrap around */

	/*
	 * Memory for one table, aligned to its size: a granule, or for the start
	 * table 64 bytes up to 16 granules. `flags`: of enum iopgt_alloc_flag.
	 * Sets *phys to its physical address. Returns null if there is none.
	 */
	void *(*alloc_table)(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys);

	/* Takes back what alloc_table gave. No walker can reach it any more. */
	void (*free_table)(void *context, void *table, uint64_t phys, uint32_t bytes);

	/*
	 * Where a table lies in virtual memory; null if `phys` is not table memory,
	 * never for what alloc_table gave. Called on every descent, unless
	 * IOPGT_HAL_LINEAR is set.
	 */
	void *(*phys_to_virt)(void *context, uint64_t phys, uint32_t bytes);

	/*
	 * Cleans the data cache over table memory, to where a non-coherent walker
	 * reads it, and orders that before later stores. Needed by
	 * IOPGT_CONFIG_NON_COHERENT only.
	 */
	void (*clean)(void *context, const void *address, uint32_t bytes);

	/*
	 * Orders all earlier stores to table memory before all later ones, as the
	 * walkers see them (PE: DMB or DSB ISHST; outer-shareable walkers: OSHST).
	 * Called before a table is linked and after descriptors were made valid.
	 * Null: the walkers obey the order that C11 release stores give.
	 */
	void (*publish)(void *context);

	/*
	 * Invalidation in the walkers of this table. A domain uses those of the
	 * walkers attached to it instead, and these may then be null.
	 */
	struct iopgt_tlb_ops tlb;

	/*
	 * Told, in the thread of the refused one, when two of iopgt_split_block,
	 * iopgt_merge_page, iopgt_protect, iopgt_switch_dirty_log, iopgt_domain_attach and
	 * iopgt_domain_detach overlap. Found by a library built with IOPGT_DEBUG alone,
	 * and there among the first 16 that run at once on a table. May be null.
	 */
	void (*overlap)(void *context, const struct iopgt_overlap *overlap);
};

#ifdef __cplusplus
}
#endif

#endif
