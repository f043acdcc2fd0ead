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

/* What the bits of a leaf say, but for its kind, address and dirty state. */
struct iopgt_leaf_kind {
	uint32_t prot;       /* of enum iopgt_prot */
	uint32_t memory;     /* enum iopgt_memory, or another value: no such type */
	uint32_t attributes; /* of enum iopgt_attribute */
};

/*
 * A descriptor format as data, for the loops, and two functions, for once a
 * call. Kind arrays: [0] above the last level, [1] at the last level. All masks
 * and values are of the 64-bit descriptor.
 */
struct iopgt_format {
	uint64_t present;       /* a descriptor is present when any of these is set;
	                             of bits 1:0 and 63:56 */
	uint64_t leaf_mask[2];  /* (d & leaf_mask) == leaf_value: a leaf */
	uint64_t leaf_value[2]; /* with one of the bits of `present` */
	uint64_t table_mask;    /* above the last level, present and == table_value: a table */
	uint64_t table_value;
	uint64_t address_low;  /* address bits that stand in place */
	uint64_t address_high; /* where the bits moved down by address_shift go; 0: none */
	uint8_t address_shift;
	uint8_t age_shift;        /* of `age` */
	uint64_t accessed;        /* access flag of a leaf, set when accessed; 0: none */
	uint64_t no_cache;        /* nT of a block (break-before-make level 1); 0: none */
	uint64_t state_mask;      /* permission to write, and its tracking */
	uint64_t state_clean;     /* writable-clean */
	uint64_t state_dirty;     /* writable-dirty */
	uint64_t state_untracked; /* writable, never reported */
	uint64_t state_read_only;
	uint64_t kept_dirty; /* software bit of a read-only leaf: written before it was read-only */
	uint64_t cleaned; /* software bit of a table descriptor: visible to a non-coherent walker */
	uint64_t unsettled;  /* software bit of a table descriptor: the invalidation of the
	                            block that the table replaced is not complete */
	uint64_t walked;     /* access flag of a table descriptor; 0: walkers do not set it */
	uint64_t was_walked; /* software bit of a table descriptor: it had that flag when it was
	                            last cleaned, so that what was marked late is still found */
	uint64_t age;        /* software bits of a table descriptor: how many scans that clean
	                             found nothing dirty below, one after the other */
	uint64_t broken;     /* in an entry while it is broken (level 0), maybe with what it held */
	uint64_t contiguous; /* Contiguous bit of a leaf; 0: none */
	uint64_t ungrouping; /* software bit of a leaf: its Contiguous bit was cleared, but the
	                             invalidation of the group is not complete */
	uint64_t leaf_reserved; /* bits of a leaf that are 0, whoever made it */
	uint64_t table_ignored; /* bits of a table descriptor that change no translation */
	uint64_t prot_mask;     /* bits that iopgt_protect changes, state_mask aside */
	/* Checks a kind of leaf; gives its bits but for format, address and group. */
	int (*leaf_bits)(const struct iopgt_format *format, const struct iopgt_leaf_kind *kind,
	                 uint64_t *bits);
	/* The kind of a leaf. prot is without IOPGT_CLEAN. */
	void (*leaf_kind)(const struct iopgt_format *format, uint64_t leaf,
	                  struct iopgt_leaf_kind *kind);
	uint32_t traits;    /* for leaf_bits and leaf_kind alone */
	bool dirty_managed; /* leaves are tracked: writable ones start clean or dirty */
};

/* The shape of the tree. Levels are Arm's: 3 is the last, the start may be -1. */
struct iopgt_geometry {
	uint8_t granule_shift;
	uint8_t input_bits;
	uint8_t output_bits;
	int8_t start_level;
	uint32_t root_bytes;  /* of the start table, concatenated ones included */
	uint64_t input_first; /* lowest input address: 0, or of TTBR1 the top of the space */
	uint64_t input_last;  /* highest one */
	uint64_t output_last; /* highest output address */
	uint64_t leaf_sizes;  /* bit n: leaves of 2^n bytes are allowed; groups are leaves too */
	/* [level + 1]: log2 of what an entry covers; highest index in a table. */
	uint8_t shift[5];
	uint32_t last_index[5];
	uint8_t group_bits[5]; /* [level + 1]: log2 of the entries of a contiguous group; 0: none */
};

/*
 * What the shortest walk needs (core/direct.h). It serves linear tables of 4 KiB pages,
 * whose table descriptors hold nothing but kind and address.
 */
struct iopgt_direct {
	uint64_t page_bytes;   /* 0: the table is another one */
	uint64_t four_levels;  /* bytes of the input space, if it has so many; else 0 */
	uint64_t three_levels; /* the same */
	uint64_t table_value;  /* the format's */
	uint64_t no_address;   /* bits of a descriptor that are no part of the address */
	uintptr_t linear_offset;
};

#define IOPGT_CLAIMS 16

/* A range that a verb works on, if IOPGT_DEBUG is set. All fields are atomic. */
struct iopgt_claim {
	uint32_t state; /* 0: none; else a serial number and the verb: enum in overlap.h */
	uint64_t first, last;
};

#ifdef __cplusplus
}
#endif

#endif
