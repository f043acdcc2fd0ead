/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the parts of the walker model: decoding (pure), caches, accesses. */
#ifndef TEST_WALKER_INTERNAL_H
#define TEST_WALKER_INTERNAL_H

#include <pthread.h>

#include "random.h"
#include "walker.h"

#define BIT64(n) (UINT64_C(1) << (n))
/* Bits `high` down to `low`. */
#define BITS64(high, low) ((UINT64_MAX >> (63 - (high))) & (UINT64_MAX << (low)))

#define DESC_VALID         BIT64(0)
#define DESC_TABLE_OR_PAGE BIT64(1)
#define DESC_NS            BIT64(5)
#define DESC_UNPRIVILEGED  BIT64(6) /* stage 1: AP[1] */
#define DESC_READ_ONLY     BIT64(7) /* stage 1: AP[2] */
#define DESC_S2_READ       BIT64(6) /* stage 2: S2AP[0] */
#define DESC_S2_WRITE      BIT64(7) /* stage 2: S2AP[1] */
#define DESC_AF            BIT64(10)
#define DESC_NG            BIT64(11)
#define DESC_NT            BIT64(16)
#define DESC_GP            BIT64(50)
#define DESC_DBM           BIT64(51)
#define DESC_CONTIGUOUS    BIT64(52)
#define DESC_PXN           BIT64(53)
#define DESC_XN            BIT64(54) /* UXN, or XN in a regime with one privilege level */

#define LAST_LEVEL   3
#define MOST_MEMBERS 128 /* entries of a contiguous group (16 KiB, level 3) */

enum decode_kind {
	DECODE_INVALID,
	DECODE_TABLE,
	DECODE_LEAF
};

/* walker_geometry.c */
bool decode_in_range(const struct walker_config *config, uint64_t iova);
/* log2 of what a contiguous group of this level covers; 0: there is none. */
unsigned decode_group_shift(const struct walker_config *config, int level);
bool decode_block_allowed(const struct walker_config *config, int level);

/* walker_decode.c */
enum decode_kind decode_kind(const struct walker_config *config, int level, uint64_t descriptor);
/* OK, or TRANSLATION, ADDRESS_SIZE, RESERVED; RESERVED says which bits in *wrong. */
enum walker_fault decode_check(const struct walker_config *config, int level, uint64_t descriptor,
                               uint64_t *wrong);
uint64_t decode_table_phys(const struct walker_config *config, uint64_t descriptor);
uint64_t decode_leaf_phys(const struct walker_config *config, int level, uint64_t descriptor);
enum walker_dirty decode_dirty(const struct walker_config *config, uint64_t descriptor);
uint64_t decode_make_dirty(const struct walker_config *config, uint64_t descriptor);
/* Memory type, shareability, global: what may not differ between two copies. */
uint64_t decode_attributes(const struct walker_config *config, uint64_t descriptor);

/* walker_permissions.c */
uint32_t decode_permissions(const struct walker_config *config, uint64_t descriptor);
/* May the access (enum walker_access) go through this leaf, were it writable-dirty? */
bool decode_permits(const struct walker_config *config, uint64_t descriptor, uint32_t access);

/* walker_translate.c */
/* Reads one descriptor; false if that is no live table. */
bool walker_fetch(const struct walker_config *config, uint64_t phys, uint64_t *descriptor);

struct leaf_entry {
	uint64_t iova;                        /* first address */
	uint64_t descriptor, descriptor_phys; /* of a group: of the member that was walked to */
	unsigned shift;                       /* covers 2^shift bytes */
	unsigned step; /* a descriptor covers 2^step bytes: less than shift in a group */
	int level;
	uint64_t gone[MOST_MEMBERS / 64]; /* members that were invalidated */
};

static inline bool is_group(const struct leaf_entry *entry)
{
	return entry->shift > entry->step;
}

/* Which member stands for an address in the entry. */
static inline unsigned member_at(const struct leaf_entry *entry, uint64_t iova)
{
	return (unsigned)((iova - entry->iova) >> entry->step);
}

static inline bool is_gone(const struct leaf_entry *entry, unsigned member)
{
	return entry->gone[member / 64] >> member % 64 & 1;
}

struct table_entry {
	uint64_t iova;  /* first address */
	uint64_t table; /* physical address of the table at `level` */
	unsigned shift; /* the whole table covers 2^shift bytes */
	int level;
};

/* What the device of an ATS walker keeps: leaf and output address, no table. */
struct atc_entry {
	uint64_t iova, phys;                  /* first addresses */
	uint64_t descriptor, descriptor_phys; /* as they were when it asked */
	unsigned shift;                       /* covers 2^shift bytes */
	int level;
	uint32_t privileged; /* WALKER_PRIVILEGED, or 0: for accesses like this */
	bool may_read, may_write;
};

/* A write of the device that was granted, and has not landed. */
struct late_write {
	struct walker_guest guest;
	uint64_t iova, phys;
	size_t bytes;
	unsigned char data[WALKER_LATE_BYTES];
};

#define LATE_MOST 16

struct posted {
	struct iopgt_invalidation request;
	const void *poster; /* stands for the thread that posted it */
	bool all;
	bool atc; /* of the device's copies, else of the TLB and walk caches */
};

#define POSTED_MOST 256

struct walker {
	struct walker_config config;
	pthread_mutex_t mutex; /* guards what follows */
	struct random random;
	int start_level;
	struct leaf_entry *leaves;
	unsigned leaf_count;
	struct table_entry *tables;
	unsigned table_count;
	struct atc_entry *copies;
	unsigned copy_count;
	struct late_write late[LATE_MOST]; /* in order */
	unsigned late_count;
	struct posted posted[POSTED_MOST];
	unsigned posted_count;
	struct walker_counters counters;
	char error[240]; /* the first sticky one */
};

/* walker_geometry.c: where the descriptor for `iova` stands in the table of `level` at `table`. */
uint64_t decode_slot(const struct walker *walker, int level, uint64_t table, uint64_t iova);

/* walker_cache.c; all with the mutex held */
struct leaf_entry *cache_find_leaf(struct walker *walker, uint64_t iova);
/* Null to start at the root: nothing cached, or chance has it so. */
const struct table_entry *cache_find_table(struct walker *walker, uint64_t iova);
void cache_drop_leaf(struct walker *walker, const struct leaf_entry *entry);
/* Output address that a leaf gives for `iova`. */
uint64_t cache_output(const struct walker *walker, const struct leaf_entry *entry, uint64_t iova);
/* Returns OK, or CONFLICT (recorded). What may not be cached is left out. */
enum walker_fault cache_insert_leaf(struct walker *walker, const struct leaf_entry *entry);
void cache_insert_table(struct walker *walker, const struct table_entry *entry);
void cache_drop_all(struct walker *walker);
/* What may happen at any time: eviction, early completion. */
void cache_fate(struct walker *walker);
/* Remembers the first sticky error. */
void walker_record(struct walker *walker, const char *format, ...);

/* walker_ats.c; all with the mutex held */
/* Is this an access that the device asks for, or makes through a copy of its own? */
bool ats_is_used(struct walker *walker, const struct walker_result *result);
/* Makes the access through a copy, if there is one for it. */
bool ats_hit(struct walker *walker, struct walker_result *result);
/* The SMMU granted the access through this leaf: the device keeps a copy. */
void ats_keep(struct walker *walker, const struct leaf_entry *entry,
              const struct walker_result *result);
/* Removes copies, after late writes; all if `request` is null. */
void ats_invalidate(struct walker *walker, const struct iopgt_invalidation *request);
bool ats_caches(const struct walker *walker, uint64_t iova);
/* What may happen at any time: eviction, landing. */
void ats_fate(struct walker *walker);
/* Takes a write that is to land later. */
void ats_delay(struct walker *walker, const struct late_write *write);
/* The oldest `count` late writes land. */
void ats_land(struct walker *walker, unsigned count);

/* walker_group.c; all with the mutex held */
/*
 * A walk read the leaf for entry->iova, which has the Contiguous bit: chance has it
 * stand for the group, and *entry grows. Returns OK, or CONFLICT (recorded) when
 * the group is misprogrammed.
 */
enum walker_fault group_consider(struct walker *walker, struct leaf_entry *entry);
/* Has some member AF = 1 in memory, and chance that it is enough (R_GPHKF)? */
bool group_is_accessed(struct walker *walker, const struct leaf_entry *entry);
/*
 * A write at `iova` through a writable-clean group marks some member, none if one
 * is dirty, and always the same at its choice (R_JKCXG). False: memory has changed.
 */
bool group_make_dirty(struct walker *walker, const struct leaf_entry *entry, uint64_t iova);

/* walker.c; with the mutex held: one access, asked for in result->iova and ->access */
enum walker_fault walker_perform(struct walker *walker, struct walker_result *result);

#endif
