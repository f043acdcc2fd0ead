/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A model of an SMMU or MMU that walks tables in a pool, written from the
 * specification. It keeps translations and table descriptors cached until they
 * are invalidated or, by a seeded choice, evicted; it updates access flags and
 * dirty state as hardware does; it notices what hardware would punish:
 * conflicting sizes, freed tables, reserved bits.
 *
 * Its updates are visible at once to every load. Real ones are so to atomic
 * operations only, and may be missed by a plain load until an invalidation or a
 * sync has completed (R_RZYCN, IHI 0070 3.13.4): that is for tests/explore.
 *
 * Thread-safe: one mutex per walker. walker_translate takes none.
 */
#ifndef TEST_WALKER_H
#define TEST_WALKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <iopgt/hal.h>

#include "pool.h"

enum walker_flag {
	WALKER_EL2 = 1 << 0,          /* stage 1 with one privilege level */
	WALKER_HA = 1 << 1,           /* sets the access flag itself */
	WALKER_HD = 1 << 2,           /* sets dirty itself; needs WALKER_HA */
	WALKER_SMMU = 1 << 3,         /* an SMMU; else a CPU */
	WALKER_RETRIES = 1 << 4,      /* walker_read and walker_write retry: see on_fault */
	WALKER_NON_COHERENT = 1 << 5, /* reads the pool's shadow image; no HA, no HD */
	WALKER_NT_FAULTS = 1 << 6,    /* a CPU that faults on nT = 1 (R_MRRPW) */
	WALKER_SMALL_TABLES = 1 << 7, /* input sizes below 25 bits (FEAT_TTST) */
	WALKER_FWB = 1 << 8,          /* stage 2: forced write-back MemAttr */
	WALKER_XNX = 1 << 9,          /* stage 2: XN split by privilege */
	WALKER_SECURE = 1 << 10,      /* stage 1: NS may be set */
	WALKER_LPA2 = 1 << 11,        /* 4 and 16 KiB: TCR.DS = 1 */
	WALKER_TTBR1 = 1 << 12,       /* stage 1: maps the top 2^input_bits bytes */
	WALKER_AARCH32 = 1 << 13,     /* long descriptors of AArch32, G5.5: no HA, no HD */
	/*
	 * FEAT_HAFT; nothing without WALKER_HA (D8.5.1.3). Every walk, a speculative one
	 * too, sets AF in each table descriptor that it reads, before it reads what is
	 * below (R_CGKWB, R_XYNNS), and so caches none with AF = 0 (R_JFCYB). A walk that
	 * starts from a cached one leaves those above it alone. Else bit 10 of tables is
	 * ignored.
	 */
	WALKER_HAFT = 1 << 14,
	/*
	 * A device with full ATS behind an SMMU (needs WALKER_SMMU; IHI 0070 3.9, 3.13.7).
	 * It asks for a translation to read, or to write, which marks the descriptor
	 * dirty there and then, and keeps what it gets: through its own copy it goes on
	 * without the SMMU, whatever becomes of the descriptor and the TLB, until the
	 * copy is invalidated by itself. One that was asked for to read may only read, but
	 * for grant_one_in.
	 */
	WALKER_ATS = 1 << 15,
};

enum walker_fault {
	WALKER_OK = 0,
	WALKER_TRANSLATION,  /* nothing mapped, or outside of the input range */
	WALKER_ADDRESS_SIZE, /* an address in a descriptor is wider than output_bits */
	WALKER_ACCESS_FLAG,  /* AF = 0 and no WALKER_HA */
	WALKER_PERMISSION,
	WALKER_OUTSIDE, /* walker_read, walker_write: mapped to outside of guest memory */
	/* The rest are errors of whoever wrote the tables, and stick: walker_error. */
	WALKER_RESERVED,  /* a descriptor with bits set that have to be 0 (or 1) */
	WALKER_CONFLICT,  /* two translations of one address: break-before-make was missing */
	WALKER_BAD_TABLE, /* a walk into memory that is no live table */
	WALKER_FAULTS,    /* how many kinds there are */
};

/* An access is one kind, and flags. */
enum walker_access {
	WALKER_READ = 0,
	WALKER_WRITE = 1,
	WALKER_EXECUTE = 2,
	WALKER_KIND = 3,
	WALKER_PRIVILEGED = 1 << 2, /* else unprivileged; EL2 is always privileged */
};

struct walker_result {
	enum walker_fault fault;
	uint32_t access;          /* of enum walker_access, as asked for */
	uint64_t iova;            /* as asked for */
	uint64_t phys;            /* output address of iova, if WALKER_OK */
	uint64_t size;            /* bytes of the leaf, if there was one; of its group, if it was
	                             used as one translation */
	uint64_t descriptor;      /* the last one used, with updates; 0 if none was read */
	uint64_t descriptor_phys; /* where it stands */
	int level;                /* its level */
	bool cached;              /* it came from the TLB, or the device's own copy */
	bool translated;          /* the device used ATS */
};

/*
 * With the caches and chances 0 it caches nothing and leaves nothing to chance.
 * walker_usual fills in the caches and the chances of a usual walker.
 */
struct walker_config {
	struct pool *pool;
	uint64_t root; /* physical address of the start table(s) */
	uint64_t seed;
	uint64_t mair;         /* stage 1; 0: the usual 0x000c0800f404ff44 */
	uint32_t flags;        /* of enum walker_flag */
	uint8_t stage;         /* 1 or 2 */
	uint8_t granule_shift; /* 12, 14 or 16 */
	uint8_t input_bits;
	/*
	 * Also the PA size for the rules of stage-2 start levels. 52 with 64 KiB stands
	 * for FEAT_LPA, else for DS = 1.
	 */
	uint8_t output_bits;
	uint8_t bbm_level;           /* 0 to 2: what it tolerates */
	uint16_t tlb_entries;        /* 0: caches no leaf */
	uint16_t walk_cache_entries; /* 0: caches no table descriptor */
	uint16_t atc_entries;        /* WALKER_ATS: 0: keeps no copy */
	/* Each happens once in so many chances; 0: never; 1: always. */
	uint16_t evict_one_in;     /* an access first evicts one leaf and one table descriptor */
	uint16_t complete_one_in;  /* a posted invalidation completes early, at a post or access */
	uint16_t speculate_one_in; /* a hit also walks memory again and compares */
	uint16_t from_root_one_in; /* a walk begins at the root, walk caches notwithstanding */
	uint16_t untranslated_one_in; /* WALKER_ATS: an access goes through the SMMU after all */
	/* WALKER_ATS: who asks to read a writable-dirty leaf may write too (IHI 0070 13.7.2). */
	uint16_t grant_one_in;
	/*
	 * WALKER_ATS: a walker_write of at most WALKER_LATE_BYTES within a granule only
	 * asks and returns; its bytes land with a later access, at the latest when
	 * the invalidation of the device's copy completes. Writes land in their order,
	 * and before the device reads.
	 */
	uint16_t late_one_in;
	/*
	 * A leaf with the Contiguous bit stands for its whole group (R_SKQHL): one
	 * cached translation, whose access flag and dirty state hardware may keep in
	 * any of the entries (R_GPHKF, R_JKCXG). Else it is used like any other leaf.
	 */
	uint16_t contiguous_one_in;
	/*
	 * With WALKER_RETRIES: called without the walker's mutex when an access of
	 * walker_read or walker_write faults; true: try again. Null: translation
	 * faults are tried again some thousand times.
	 */
	bool (*on_fault)(void *context, const struct walker_result *result);
	void *fault_context;
};

struct walker_counters {
	uint64_t accesses, hits, walks;
	uint64_t dirty_updates, access_flag_updates;
	uint64_t table_updates;         /* access flags of table descriptors */
	uint64_t atc_hits, requests;    /* WALKER_ATS: without the SMMU; translations asked for */
	uint64_t late;                  /* writes that did not land at once */
	uint64_t rereads;               /* a clean entry differed from memory: walked again */
	uint64_t ranges, alls, syncs;   /* posted ranges, posted alls, syncs */
	uint64_t removed;               /* cache entries removed by invalidations */
	uint64_t evicted;               /* by chance or for room */
	uint64_t faults[WALKER_FAULTS]; /* by kind; [WALKER_OK]: accesses that went well */
};

enum walker_dirty {
	WALKER_READ_ONLY,
	WALKER_WRITABLE_CLEAN,
	WALKER_WRITABLE_DIRTY,
	WALKER_WRITABLE_UNTRACKED,
};

enum walker_memory {
	WALKER_WRITE_BACK,
	WALKER_NON_CACHEABLE,
	WALKER_DEVICE,
	WALKER_OTHER_MEMORY,
	WALKER_INNER_NON_CACHEABLE, /* and outer write-back */
};

enum walker_permission {
	WALKER_MAY_READ = 1 << 0,  /* privileged, or stage 2 */
	WALKER_MAY_WRITE = 1 << 1, /* writable-clean counts as writable */
	WALKER_MAY_EXECUTE = 1 << 2,
	WALKER_MAY_READ_UNPRIVILEGED = 1 << 3,
	WALKER_MAY_WRITE_UNPRIVILEGED = 1 << 4,
	WALKER_MAY_EXECUTE_UNPRIVILEGED = 1 << 5,
};

#define WALKER_TABLES     4 /* levels above the last one */
#define WALKER_LATE_BYTES 64

/* What stands in memory for an address: a decoded leaf, or why there is none. */
struct walker_leaf {
	enum walker_fault fault; /* WALKER_OK; TRANSLATION, ADDRESS_SIZE, RESERVED, BAD_TABLE */
	/* The table descriptors above it, from the start table on, and where they stand. */
	uint64_t tables[WALKER_TABLES], tables_phys[WALKER_TABLES];
	unsigned table_count;
	uint64_t phys;       /* output address of the iova asked for */
	uint64_t leaf_phys;  /* output address of the leaf's first byte */
	uint64_t size;       /* bytes the leaf maps */
	uint64_t descriptor; /* raw; if there is none the invalid one that ended the walk */
	uint64_t descriptor_phys;
	int level;            /* where the walk ended */
	uint32_t permissions; /* of enum walker_permission */
	enum walker_dirty dirty;
	enum walker_memory memory;
	uint8_t attribute;    /* raw AttrIndx or MemAttr */
	uint8_t device;       /* of WALKER_DEVICE: 0 nGnRnE, 1 nGnRE, 2 nGRE, 3 GRE */
	uint8_t shareability; /* 0 none, 2 outer, 3 inner: of the descriptor, or of TCR with LPA2 */
	/* What counts: device and non-cacheable memory is outer shareable (D8.6.2). */
	uint8_t effective_shareability;
	uint8_t software;    /* bits 58:55 */
	uint64_t group_size; /* bytes of its contiguous group; of the leaf, if it is in none */
	bool present, access_flag, no_translation /* nT */, contiguous;
	bool non_secure, guarded, global; /* NS; GP; nG = 0 where there is such a bit */
};

/* A contiguous group as it stands in memory, and what is wrong with it. */
struct walker_group {
	uint64_t iova, size;
	unsigned entries;         /* how many make a group at this level */
	unsigned valid;           /* of them: leaves */
	unsigned contiguous;      /* with the Contiguous bit */
	unsigned dirty, accessed; /* writable-dirty; AF = 1 */
	const char *wrong;        /* null: all is well */
};

/* Guest memory as walker_read and walker_write reach it, or a late write later. */
struct walker_guest {
	void *base;         /* virtual address of phys_base */
	uint64_t phys_base; /* output address of the first byte */
	uint64_t bytes;
	uint32_t access_flags; /* WALKER_PRIVILEGED or 0 */
	/*
	 * Null, or called for each piece written, in the walker's critical section:
	 * after the descriptor is dirty, before the bytes change.
	 */
	void (*wrote)(void *context, uint64_t iova, uint64_t phys, size_t bytes);
	void *context;
};

struct walker_transfer {
	size_t bytes; /* how many were moved before the fault */
	struct walker_result
		result; /* of the last piece; result.fault is WALKER_OK if all went well */
};

struct walker;

/* Usual caches and chances; stage, granule, sizes and pool are still the caller's. */
struct walker_config walker_usual(uint64_t seed);

/*
 * Where a walk starts, by Arm ARM D8.2 alone: level, and number of concatenated
 * tables (1: one). Returns false if the configuration is impossible.
 */
bool walker_start_level(const struct walker_config *config, int *level, unsigned *tables);

/* Bytes of the start table, all concatenated ones together; 0 if impossible. */
uint64_t walker_start_bytes(const struct walker_config *config);

/* log2 of what one descriptor of `level` covers. */
unsigned walker_level_shift(const struct walker_config *config, int level);

/* Copies the configuration; aborts with a message if it is impossible. */
struct walker *walker_create(const struct walker_config *config);
void walker_destroy(struct walker *walker);
const struct walker_config *walker_config(const struct walker *walker);

/* Before the first access, or after walker_forget. */
void walker_set_root(struct walker *walker, uint64_t root);

/* One access, which moves no data. Returns result->fault; `result` may be null. */
enum walker_fault walker_access(struct walker *walker, uint64_t iova, uint32_t access,
                                struct walker_result *result);

/*
 * Walks and caches as a speculative read would, even if a translation is cached.
 * A copy of the same leaf that is cached already stays, stale or not.
 */
enum walker_fault walker_prefetch(struct walker *walker, uint64_t iova);

/*
 * Moves bytes at `iova`. Each piece within one granule is one critical section
 * of translation, dirty update, and copy, so walker_sync waits for it.
 */
struct walker_transfer walker_write(struct walker *walker, uint64_t iova, const void *data,
                                    size_t bytes, const struct walker_guest *guest);
struct walker_transfer walker_read(struct walker *walker, uint64_t iova, void *data, size_t bytes,
                                   const struct walker_guest *guest);

/* The device has stopped: all writes that it was granted have landed. */
void walker_land(struct walker *walker);

/* Invalidations are posted; they are sure to be complete after walker_sync only. */
void walker_post_range(struct walker *walker, const struct iopgt_invalidation *request);
void walker_post_all(struct walker *walker);
void walker_sync(struct walker *walker);

/*
 * WALKER_ATS: the copies of the device, of which those that overlap the range go,
 * after writes through them that are late; all if `request` is null. The two above
 * reach the SMMU alone. To be posted when a walker_sync has completed those:
 * else the device may get what is stale from the SMMU again (IHI 0070 3.9.1).
 */
void walker_post_atc(struct walker *walker, const struct iopgt_invalidation *request);

/* A sync failed: what this thread posted and is not complete never will be. */
void walker_lose_posted(struct walker *walker);

/* Drops all that is cached, posted or late, as a walker does that is switched off. */
void walker_forget(struct walker *walker);

/*
 * Is a translation of this address cached, by the device too, or a leaf or table
 * of this memory?
 */
bool walker_caches_iova(struct walker *walker, uint64_t iova);
bool walker_caches_table(struct walker *walker, uint64_t phys, uint64_t bytes);

void walker_counters(struct walker *walker, struct walker_counters *counters);

/*
 * The first RESERVED, CONFLICT or BAD_TABLE seen, in words; null if there was
 * none. Valid until walker_clear_error.
 */
const char *walker_error(struct walker *walker);
void walker_clear_error(struct walker *walker);

/*
 * The oracle: what stands in memory for `iova`, without caches, updates or
 * locks. Returns leaf->fault.
 */
enum walker_fault walker_translate(const struct walker *walker, uint64_t iova,
                                   struct walker_leaf *leaf);

/*
 * The group that the leaf at `iova` is in by its level and address, with or
 * without the Contiguous bit. Wrong are: some entries with the bit and some
 * valid ones without (R_QTRPM); entries with it whose outputs do not follow each
 * other from an aligned address, or whose attributes or permissions differ
 * (R_CBXXM; access flag and dirty state may differ, R_LCGVS). Holes are not: the
 * caller knows whether there may be any. False: no leaf, or a level without groups.
 */
bool walker_group_at(const struct walker *walker, uint64_t iova, struct walker_group *group);

/*
 * Nothing is wrong with the group around the leaf at `iova`, if there is any, and
 * if it has the Contiguous bit it is complete. Else says what, to stderr.
 */
bool walker_group_is_good(const struct walker *walker, uint64_t iova);

/*
 * The leaves that map `iova` to `last` (inclusive), in order, each with its own
 * first address, which may lie before `iova`; holes are left out. Stops and
 * returns false at the first fault but WALKER_TRANSLATION, or if `each` does.
 */
bool walker_for_each_leaf(const struct walker *walker, uint64_t iova, uint64_t last,
                          bool (*each)(void *context, uint64_t iova,
                                       const struct walker_leaf *leaf),
                          void *context);

#endif
