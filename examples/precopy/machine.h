/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine that is copied: guest memory, the I/O page table through which
 * devices reach it, and for each device the walker that translates for it.
 *
 * Walkers are models (tests/support/walker.h): each has translation caches of its
 * own and marks descriptors dirty in memory, atomically, as an SMMU does.
 */
#ifndef PRECOPY_MACHINE_H
#define PRECOPY_MACHINE_H

#include <iopgt/iopgt.h>
#include <stdatomic.h>
#include <stdint.h>

#include "pool.h"
#include "walker.h"

#define MACHINE_MAX_DEVICES  16
#define MACHINE_IOVA         UINT64_C(0x100000000) /* aligned so that the largest blocks fit */
#define MACHINE_PHYS         UINT64_C(0x80000000)
#define MACHINE_TABLES       UINT64_C(0x4000000000) /* physical address of table memory */
#define MACHINE_ADDRESS_BITS 40
#define MACHINE_RECORD_SHIFT 12 /* the record of writers has an entry for each 4 KiB */
#define MACHINE_NO_WRITER    0

struct machine_options {
	uint64_t size; /* bytes of guest memory, a multiple of the granule */
	uint64_t seed;
	unsigned devices;       /* 1 to MACHINE_MAX_DEVICES */
	unsigned granule_shift; /* 12, 14 or 16 */
	unsigned stage;         /* 1 or 2 */
	unsigned bbm_level;     /* 0, 1 or 2 */
	bool deaf;              /* --break=no-invalidate: walkers get no invalidation */
};

/* What stands between a device and memory. */
struct machine_port {
	struct iopgt_walker iommu;  /* as the domain knows it */
	struct walker *model;       /* what it stands for */
	struct walker_guest memory; /* guest memory as the model reaches it */
	struct machine *machine;
	uint8_t device; /* number of the device, from 1 */
};

struct machine {
	struct machine_options options;
	struct iopgt_hal hal;
	struct iopgt_domain domain;
	struct pool *pool;        /* table memory */
	uint8_t *memory;          /* guest memory */
	_Atomic uint8_t *writers; /* which device wrote there last, one entry per record */
	struct machine_port ports[MACHINE_MAX_DEVICES];
	unsigned ports_made;
};

/*
 * Memory with a pattern in it, mapped by the largest blocks, walkers attached.
 * Returns 0 or an enum iopgt_error; what was made is freed by machine_fini.
 */
int machine_init(struct machine *machine, const struct machine_options *options);

/* No device runs any more. */
void machine_fini(struct machine *machine);

/* What an SMMU driver does by CMD_SYNC: waits until finished DMA has left its marks. */
void machine_sync(struct machine *machine);

/* Posts an invalidation of everything to all walkers; machine_sync waits for it. */
void machine_invalidate_all(struct machine *machine);

/* How many leaves the table has of each size: counts[n] of 2^n bytes. */
void machine_leaves(const struct machine *machine, uint64_t counts[64]);

/* The first device error that correct software never sees, as text, or null. */
const char *machine_error(struct machine *machine);

#endif
