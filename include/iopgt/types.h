/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errors, the operation object that goes with every verb, and what it owes.
 *
 * Addresses and sizes are uint64_t on every host and count bytes. A range is
 * (iova, size). `iova` is an input address of the table, `phys` an output
 * address or the address of a table. A granule is the size of the smallest page.
 *
 * In a function's comment "Stack" is the most that a call needs, as gcc 12 compiles it for
 * x86-64 with -O2, without what callbacks need; no function calls itself, and no frame's size
 * depends on input. "Touches" says which descriptors the call reads or writes at most:
 *
 * - an address: one a level, 5 at most, and those of a contiguous group, 128 at most.
 * - its range: at each level those of which the range covers a part, and at its ends all of
 *   a table that takes a block's place, or that may be empty, and of a contiguous group.
 *   (Of iopgt_set_dirty_tracking: all of the table.) With a budget: see iopgt_op.
 * - all tables: those of all tables; with iopgt_tree.max_tables of so many.
 * - what is owed: two of each table that was unlinked; all where dirty bits are taken.
 */
#ifndef IOPGT_TYPES_H
#define IOPGT_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iopgt_table;

/*
 * What every function returns: IOPGT_OK, one of these, or an error of a HAL
 * callback passed up unchanged. The library's own codes stand below -1000, so
 * that a host may use its errno values (-1 to -999) in its callbacks.
 */
enum iopgt_error {
	IOPGT_OK = 0,
	IOPGT_AGAIN = -1001,           /* the budget is spent: go on at op->next */
	IOPGT_BUSY = -1002,            /* another call is replacing a descriptor in the range */
	IOPGT_NO_MEMORY = -1003,       /* alloc_table gave no memory */
	IOPGT_EXISTS = -1004,          /* map: something is mapped there already */
	IOPGT_NOT_MAPPED = -1005,      /* nothing is mapped at this address */
	IOPGT_WOULD_BREAK = -1006,     /* needs break-before-make, which walkers may not retry */
	IOPGT_WOULD_SPLIT = -1007,     /* a block crosses the range's end, and NO_SPLIT was given */
	IOPGT_BAD_ARGUMENT = -1008,    /* a pointer that must not be null is */
	IOPGT_BAD_ALIGNMENT = -1009,   /* an address or a size is no multiple of the granule */
	IOPGT_BAD_RANGE = -1010,       /* size is zero, or the range leaves the input space */
	IOPGT_BAD_OUTPUT = -1011,      /* the physical range leaves the output space */
	IOPGT_BAD_PROT = -1012,        /* permissions that this stage or regime cannot express */
	IOPGT_BAD_MEMORY_TYPE = -1013, /* no such memory type */
	IOPGT_BAD_BITMAP = -1014,      /* a bitmap that is malformed or does not cover the range */
	IOPGT_BAD_FLAGS = -1015,       /* a flag that the call does not know */
	IOPGT_WRONG_OP = -1016,        /* the op still owes something to another table */
	IOPGT_BAD_TABLE = -1017,       /* a table descriptor that leads nowhere */
	IOPGT_CORRUPT = -1018,         /* iopgt_check found a broken rule */
	IOPGT_NO_DIRTY = -1019,        /* no dirty management in the table or in a walker */
	IOPGT_NOT_TRACKING = -1020,    /* the domain does not track dirty pages */
	IOPGT_IN_USE = -1021,          /* a walker is attached already, or still attached */
	IOPGT_NOT_ATTACHED = -1022,    /* the walker is not attached to this domain */
	IOPGT_INCOMPATIBLE = -1023,    /* the walker cannot walk this table */
	IOPGT_BAD_REGIME = -1024,      /* config: no such regime */
	IOPGT_BAD_GRANULE = -1025,     /* config: the granule is not 4, 16 or 64 KiB */
	IOPGT_BAD_INPUT_BITS =
		-1026, /* config: input size out of bounds for the granule or stage */
	IOPGT_BAD_OUTPUT_BITS =
		-1027, /* config: not 32, 36, 40, 42, 44, 48 or 52, or not with this granule */
	IOPGT_BAD_LEAF_SIZES =
		-1028, /* config: a leaf size that the granule does not have, or no page */
	IOPGT_BAD_BBM_LEVEL = -1029,    /* config: break-before-make level above 2, or not there */
	IOPGT_BAD_DIRTY_MODE = -1030,   /* config: no such dirty mode, or not in this regime */
	IOPGT_BAD_WALK = -1031,         /* config: dirty management asks for a coherent walk */
	IOPGT_BAD_HAL = -1032,          /* a callback that the configuration needs is missing */
	IOPGT_BAD_POLICY = -1033,       /* no such split policy */
	IOPGT_BAD_TABLE_MEMORY = -1034, /* alloc_table gave misaligned or unreachable memory */
	IOPGT_BAD_ATTRIBUTE = -1035,    /* an attribute that this stage or regime cannot express */
	IOPGT_READ_ONLY = -1036,        /* the table was opened for reading alone */
	IOPGT_FAULT = -1037,            /* a fault handler: this access is not allowed */
	IOPGT_NO_ACCESS_FLAG = -1038,   /* nobody would set a cleared access flag again */
	IOPGT_BAD_ROOT = -1039,         /* open: the start table is misaligned or unknown */
	IOPGT_OVERLAP = -1040,          /* library built with IOPGT_DEBUG: a call on an overlapping
	                                   range, which the caller has to serialise, is under way */
};

/*
 * A text for a code, never null; a positive or foreign code has a text too. Pure.
 * Stack: 256 bytes. Touches: no descriptor.
 */
const char *iopgt_strerror(int error);

/*
 * Dirty bits as KVM, VFIO and iommufd hold them: 64-bit words, little-endian in
 * memory on every host; bit 0 of word 0 is the page at `base`.
 */
struct iopgt_bitmap {
	uint64_t *words;     /* (bits + 63) / 64 of them, aligned to 8 bytes */
	uint64_t base;       /* address of bit 0: a multiple of the bit's size or of the granule,
	                       whichever is smaller */
	uint64_t bits;       /* how many bits are valid */
	uint32_t page_shift; /* a bit covers 2^page_shift bytes: 0 to 63 */
};

/* Flags of an operation. A verb ignores those that mean nothing to it. */
enum iopgt_op_flag {
	IOPGT_OP_ATOMIC = 1 << 0, /* table memory is asked for with IOPGT_ALLOC_ATOMIC */
	IOPGT_OP_MAY_BREAK =
		1 << 1,             /* at break-before-make level 0, accesses may fault meanwhile */
	IOPGT_OP_NO_SPLIT = 1 << 2, /* refuse to split a block: IOPGT_WOULD_SPLIT */
	IOPGT_OP_NO_CLEAR = 1 << 3, /* iopgt_read_and_clear_dirty: read only */
	IOPGT_OP_CLEAR = 1 << 4,    /* iopgt_for_each_dirty: clean what it reports */
	IOPGT_OP_START_DIRTY = 1 << 5, /* switching tracking on: all is dirty at the start */
	IOPGT_OP_SYNC = 1 << 6, /* dirty verbs: call the host's sync first (the final read) */
	IOPGT_OP_ALL_FLAGS = (1 << 7) - 1,
};

/*
 * What an operation did. Counts only grow; the caller may zero them. A block of a
 * higher level that becomes pages counts one split for every table it takes, and
 * the same on the way back. In a domain a request counts once, however many
 * walkers get it.
 */
struct iopgt_stats {
	uint64_t looked_at; /* descriptors read or written */
	uint64_t skipped;   /* tables that a dirty verb left alone, since no walker went there */
	uint64_t mapped;    /* granules that became mapped */
	uint64_t unmapped;  /* granules that were mapped and no longer are */
	uint64_t holes;     /* granules in an unmapped or protected range that were not mapped */
	/* Leaves found dirty, or accessed, and made clean. A contiguous group counts once. */
	uint64_t dirty, cleaned;
	uint64_t split;         /* blocks replaced by tables */
	uint64_t merged;        /* tables replaced by blocks */
	uint64_t ungrouped;     /* contiguous groups broken up */
	uint64_t grouped;       /* contiguous groups made of single leaves by merge */
	uint64_t left_unsplit;  /* blocks and groups that were to be split and could not */
	uint64_t left_unmerged; /* last-level tables that were to be merged and could not */
	uint64_t invalidations; /* requests handed to the host, whole-table ones included */
	uint64_t waits;         /* completed waits for invalidations */
};

/*
 * What an operation owes the walkers: invalidations not issued or not waited
 * for, and table memory to be freed after them. Private but for its presence:
 * zero-initialise it, and do not copy an op that owes something.
 */
struct iopgt_gather {
	struct iopgt_table *table;      /* to whom; null: nothing is owed */
	uint64_t first, last;           /* one joined range not yet handed over, while has_range */
	uint64_t owed_first, owed_last; /* bounds of all ranges since the last wait; last 0: none */
	uint64_t free_list;             /* link to the first unlinked table, or 0 */
	struct iopgt_bitmap harvest; /* where dirty bits of unlinked tables go, while has_harvest */
	uint32_t ranges;             /* ranges handed over since the last wait */
	uint32_t failed_syncs;       /* of the table, when the first range was handed over */
	uint8_t stride_shift;        /* smallest leaf in the joined range */
	int8_t level;                /* level of all leaves in it, or IOPGT_NO_LEVEL */
	bool has_range, has_harvest;
	bool walk_caches;                   /* tables were unlinked in the joined range */
	bool all;                           /* the whole table is to be invalidated */
	bool unsynced;                      /* handed over, not waited for */
	uint64_t walked_first, walked_last; /* bounds of tables whose access flag was cleared
	                                       since the last wait; last 0: none */
};

/*
 * An operation: its bounds, and what it owes and did. Zero-initialised, it is
 * ready: no bound, no flags. One op serves any number of calls on one table,
 * one call at a time; what they owe is joined.
 */
struct iopgt_op {
	uint32_t flags;  /* of enum iopgt_op_flag */
	uint64_t budget; /* descriptors a call may touch, 0: no bound. Each call makes
	                               some progress, and may exceed it by one table and what
	                               leads there; unmap by two; by 64 where block sizes change.
	                               Where it splits a block it waits, and completes all that
	                               op owes */
	uint64_t next;   /* out, on IOPGT_AGAIN: call again with the range from here on.
	                               Until it is done, the whole range belongs to the sequence */
	struct iopgt_stats stats;
	struct iopgt_gather gather;
	uint64_t resumed_from; /* private: where a sequence of calls began, and of which verb */
};

/*
 * Completes an operation: hands over the invalidations owed, waits for them,
 * and frees the tables they guarded. Pages whose dirty state was cleared in the
 * op may be copied once this has returned IOPGT_OK, and not before: until then
 * a walker may write through a stale entry without a mark.
 *
 * An op that is given up instead leaks its tables, all that was cleared in it must
 * be treated as dirty, and before anyone relies on dirty state again every walker's
 * caches are to be invalidated by the host.
 *
 * Context: any lock the host's invalidation callbacks allow. Idempotent.
 * Return: IOPGT_OK; IOPGT_BAD_ARGUMENT; an error of invalidate_all or sync, or
 * IOPGT_BUSY: failed waits of other ops made this one's worthless: nothing was
 * freed, all is still owed, call again; IOPGT_BAD_TABLE: phys_to_virt gave null
 * for an unlinked table, the tables are still owed.
 * Stack: 512 bytes. Touches: what is owed.
 */
int iopgt_op_finish(struct iopgt_op *op);

#ifdef __cplusplus
}
#endif

#endif
