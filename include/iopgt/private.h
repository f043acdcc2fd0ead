/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What struct iopgt_table is made of, here so that its storage can be the
 * caller's. No part of the interface: names and layout change without notice.
 */
#ifndef IOPGT_PRIVATE_H
#define IOPGT_PRIVATE_H

#include <iopgt/hal.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A descriptor format as data, for the loops, and two functions, for once a
 * call. Kind arrays: [0] above the last level, [1] at the last level. All masks
 * and values are of the 64-bit descriptor.
 */
struct iopgt_format {
	uint64_t present;      /* a descriptor is present when any of these is set;
	                             of bits 1:0 and 63:56 */
	uint64_t leaf_mask[2]; /* present and (d & leaf_mask) == leaf_value: a leaf */
	uint64_t leaf_value[2];
	uint64_t table_mask; /* above the last level, present and == table_value: a table */
	uint64_t table_value;
	uint64_t address_low;  /* address bits that stand in place */
	uint64_t address_high; /* where the bits moved down by address_shift go; 0: none */
	uint8_t address_shift;
	uint64_t accessed;        /* access flag of a leaf, set when accessed; 0: none */
	uint64_t no_cache;        /* nT of a block (break-before-make level 1); 0: none */
	uint64_t state_mask;      /* permission to write, and its tracking */
	uint64_t state_clean;     /* writable-clean */
	uint64_t state_dirty;     /* writable-dirty */
	uint64_t state_untracked; /* writable, never reported */
	uint64_t state_read_only;
	uint64_t kept_dirty; /* software bit of a read-only leaf: written before it was read-only */
	uint64_t cleaned; /* software bit of a table descriptor: visible to a non-coherent walker */
	uint64_t unsettled; /* software bit of a table descriptor: the invalidation of the
	                            block that the table replaced is not complete */
	uint64_t broken;    /* what stands in an entry while it is broken (level 0); not present */
	uint64_t prot_mask; /* bits that iopgt_protect changes, state_mask aside */
	/* Checks permissions and memory type; gives a leaf's bits but for kind, address and state. */
	int (*leaf_bits)(const struct iopgt_format *format, uint32_t prot, uint32_t memory,
	                 uint64_t *bits);
	/* The permissions (enum iopgt_prot) and memory type of a leaf. */
	void (*leaf_prot)(const struct iopgt_format *format, uint64_t leaf, uint32_t *prot,
	                  uint32_t *memory);
	uint8_t regime;     /* for leaf_bits and leaf_prot alone */
	bool dirty_managed; /* leaves are tracked: writable ones start clean or dirty */
};

/* The shape of the tree. Levels are Arm's: 3 is the last, the start may be -1. */
struct iopgt_geometry {
	uint8_t granule_shift;
	uint8_t level_bits; /* index bits of a table: granule_shift - 3 */
	uint8_t input_bits;
	uint8_t output_bits;
	int8_t start_level;
	uint32_t root_bytes; /* of the start table, concatenated ones included */
	uint64_t leaf_sizes; /* bit n: leaves of 2^n bytes are allowed */
};

#ifdef __cplusplus
}
#endif

#endif
