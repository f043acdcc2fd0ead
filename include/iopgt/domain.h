/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A domain: one table, the walkers that share it, and how its dirty state is
 * tracked. Every verb of table.h and dirty.h works on &domain->table; its
 * invalidations then go to all attached walkers.
 *
 * Context for all functions here: the caller serialises them with each other
 * and, but for iopgt_domain_capable, with all verbs on the domain's table that
 * map, unmap, split, merge or protect. Walkers run.
 */
#ifndef IOPGT_DOMAIN_H
#define IOPGT_DOMAIN_H

#include <iopgt/dirty.h>
#include <iopgt/table.h>

#ifdef __cplusplus
extern "C" {
#endif

enum iopgt_walker_flag {
	IOPGT_WALKER_DIRTY = 1 << 0,          /* hardware dirty management (HTTU, HAFDBS >= 2) */
	IOPGT_WALKER_COHERENT = 1 << 1,       /* walks snoop the CPU's caches */
	IOPGT_WALKER_FAULTS_RETRIED = 1 << 2, /* as IOPGT_CONFIG_FAULTS_RETRIED */
	IOPGT_WALKER_ACCESSED = 1 << 3,       /* sets access flags (HTTU, HAFDBS >= 1), or the host
	                                         handles its access faults; implied by DIRTY */
	IOPGT_WALKER_TABLE_ACCESSED = 1 << 4, /* sets access flags of tables (HTTU, HAFDBS >= 3),
	                                         and that is enabled */
};

/*
 * One agent that walks the table: an SMMU, a CPU, an ATS device. Of max_ranges
 * and join_bytes of several the stricter one counts.
 */
struct iopgt_walker {
	uint32_t flags;                  /* of enum iopgt_walker_flag */
	uint8_t bbm_level;               /* 0, 1 or 2. A CPU may report a conflict abort at level 2
	                                    until the invalidation is complete: 2 only if it is
	                                    known not to, or its handler invalidates all */
	uint8_t input_bits, output_bits; /* the most it can handle */
	const struct iopgt_tlb_ops *tlb; /* how to invalidate it; all three callbacks */
	void *context;                   /* for tlb */
	struct iopgt_walker *next;       /* private while attached */
};

/* What tracking does with blocks and contiguous groups. */
enum iopgt_split_policy {
	IOPGT_SPLIT_NONE,  /* nothing: a block is tracked as a block */
	IOPGT_SPLIT_EAGER, /* all are split when tracking starts; new mappings use pages */
	/*
	 * What is cold stays in blocks: they are clean at the start, one that was written to
	 * is reported whole once, and split by one level as it is cleaned, so that the next
	 * scan sees which of its parts were written to; what then stays clean is merged back
	 * by iopgt_merge_cold. Contiguous groups are broken up the same way.
	 */
	IOPGT_SPLIT_ADAPTIVE,
};

#define IOPGT_MAX_COLD_SCANS 7

/* How tracking is to be done, for iopgt_set_dirty_tracking. The rest for ADAPTIVE alone. */
struct iopgt_tracking {
	uint32_t policy;           /* enum iopgt_split_policy */
	uint32_t max_splits;       /* most blocks that dirty verbs split in a round: from one
	                        iopgt_merge_cold to the next; 0: no bound. Each takes a table to
	                        be filled, and a 64th of two waits at most */
	uint32_t max_extra_tables; /* no block is split while the table has so many tables more
	                        than when this was given; counted once a round; 0: no bound */
	uint32_t cold_scans;       /* a table is cold after so many scans that clean found nothing
	                        dirty below, 1 to IOPGT_MAX_COLD_SCANS; 0: 3 */
};

enum iopgt_domain_flag {
	IOPGT_DOMAIN_ENFORCE_DIRTY = 1 << 0, /* refuse walkers without hardware dirty management */
};

/* Storage is the caller's and does not move; all fields but `table` are private. */
struct iopgt_domain {
	struct iopgt_table table;
	struct iopgt_walker *walkers;
	struct iopgt_tlb_ops tlb; /* goes out to all walkers */
	uint32_t flags;
	struct iopgt_tracking how; /* while tracking */
	uint32_t first_tables;     /* when tracking began */
	uint8_t config_bbm_level;
	bool config_faults_retried;
	bool config_access_managed;
	bool tracking;
};

/*
 * Makes a domain with an empty table and no walkers. `flags`: of enum
 * iopgt_domain_flag; ENFORCE_DIRTY asks for IOPGT_DIRTY_HARDWARE. The HAL's own
 * invalidation callbacks are not used and may be null.
 *
 * Return: as iopgt_init; IOPGT_BAD_FLAGS; IOPGT_NO_DIRTY.
 * Stack: 512 bytes. Touches: no descriptor.
 */
int iopgt_domain_init(struct iopgt_domain *domain, const struct iopgt_config *config,
                      const struct iopgt_hal *hal, void *context, uint32_t flags);

/*
 * Frees the table. Return: IOPGT_OK; IOPGT_IN_USE: walkers are attached, nothing
 * changed; as iopgt_fini.
 * Stack: 256 bytes. Touches: all tables.
 */
int iopgt_domain_fini(struct iopgt_domain *domain);

/*
 * Adds a walker: from now on it gets every invalidation. Call it before the
 * walker may walk. The table then works by the lowest break-before-make level of
 * the configuration and all walkers (1 counts as 0 at AArch32); it counts on
 * retried faults if every attached walker retries, without walkers if the
 * configuration says so. With IOPGT_DIRTY_SOFTWARE walkers need no
 * IOPGT_WALKER_DIRTY. Access flags that iopgt_read_and_clear_accessed has cleared
 * stay so: a walker without IOPGT_WALKER_ACCESSED faults on them. While a walker
 * without IOPGT_WALKER_TABLE_ACCESSED is attached, dirty verbs skip no table
 * (IOPGT_CONFIG_TABLE_ACCESS_FLAG).
 *
 * Return: IOPGT_OK; IOPGT_IN_USE: attached already; IOPGT_NO_DIRTY: no hardware
 * dirty management, which the domain enforces, or which it uses for tracking
 * now; IOPGT_INCOMPATIBLE: input or output size too small, or a non-coherent
 * walker at a table for coherent ones; IOPGT_BAD_BBM_LEVEL, IOPGT_BAD_HAL: a
 * field of the walker; IOPGT_BAD_ARGUMENT. After a failure nothing changed.
 * Stack: 512 bytes. Touches: all tables.
 */
int iopgt_domain_attach(struct iopgt_domain *domain, struct iopgt_walker *walker);

/*
 * Removes a walker, which no longer walks: levels are computed anew from those
 * that stay. Ops with anything owed are finished before; what the walker has
 * cached is the caller's to invalidate before it walks another table. If tables may
 * be skipped again from here on, each table descriptor is written first.
 *
 * Return: IOPGT_OK; IOPGT_NOT_ATTACHED; IOPGT_BAD_ARGUMENT.
 * Stack: 512 bytes. Touches: all tables.
 */
int iopgt_domain_detach(struct iopgt_domain *domain, struct iopgt_walker *walker);

enum iopgt_domain_capability {
	IOPGT_CAPABLE_DIRTY_TRACKING,    /* the table and every attached walker can */
	IOPGT_CAPABLE_LIVE_SPLIT,        /* blocks change size without faults (level 1 or 2) */
	IOPGT_CAPABLE_SPLIT,             /* blocks change size, faults are retried where needed */
	IOPGT_CAPABLE_TABLE_ACCESS_FLAG, /* dirty verbs skip tables that were not walked */
};

/*
 * Whether the domain, with the walkers attached now, can do it. Null: false.
 * Stack: 256 bytes. Touches: no descriptor.
 */
bool iopgt_domain_capable(const struct iopgt_domain *domain, uint32_t capability);

/*
 * Turns tracking on or off for all of the table: as iopgt_switch_dirty_log over
 * the whole input space, and for what is mapped from now on: that is tracked from
 * its first write, in pages with IOPGT_SPLIT_EAGER, else in the largest blocks; or,
 * when off, mapped writable-dirty in the largest blocks.
 *
 * After IOPGT_AGAIN or an error that was not found in the arguments, the state
 * for new mappings is as asked; go on with iopgt_switch_dirty_log from op->next.
 * `how` is read when turning on, and may be null when turning off.
 *
 * Return: IOPGT_OK; IOPGT_NO_DIRTY: the table or an attached walker has no dirty
 * management; IOPGT_BAD_POLICY: no such policy, or too many cold_scans; as iopgt_switch_dirty_log.
 * Stack: 6144 bytes. Touches: its range.
 */
int iopgt_set_dirty_tracking(struct iopgt_domain *domain, bool on, const struct iopgt_tracking *how,
                             struct iopgt_op *op);

/*
 * Turns tracking on or off for what is mapped in a range.
 *
 * On: forgets what was dirty: leaves become writable-clean, blocks are split by
 * the policy. Take the first full copy after iopgt_op_finish. A block that
 * cannot be split (no memory, or level 0 with walkers that do not retry) is
 * tracked as a block and counted in left_unsplit. With IOPGT_OP_START_DIRTY all
 * writable leaves are dirty at the start instead, nothing is touched that is
 * dirty already, and the first iopgt_read_and_clear_dirty reports everything,
 * cleans it, and splits by the policy, in pieces if it has a budget; with
 * IOPGT_SPLIT_ADAPTIVE no block is split until the next iopgt_merge_cold, since what
 * is dirty then was not all written to.
 *
 * Off: tables are merged back into blocks where possible, and every tracked
 * leaf becomes writable-dirty, so that walkers spend no more updates. What
 * could not be merged is counted in left_unmerged.
 *
 * After an error of the HAL, op->next is where to go on too.
 *
 * Return: IOPGT_OK; IOPGT_AGAIN; IOPGT_NO_DIRTY; IOPGT_NOT_TRACKING: on, while the
 * domain does not track; an error of the HAL; the common ones of table.h.
 * Stack: 6144 bytes. Touches: its range.
 */
int iopgt_switch_dirty_log(struct iopgt_domain *domain, bool on, uint64_t iova, uint64_t size,
                           struct iopgt_op *op);

/*
 * Ends a round of adaptive tracking: to be called once for each scan that cleans, after
 * iopgt_op_finish. Merges back the cold tables of the range that could be blocks and
 * have no dirty leaf, and makes contiguous groups of the pages of those that could not;
 * dirty verbs may then split as many blocks again as iopgt_tracking allows. What is not
 * cold costs a look at the tables above the last level. A table that cannot be merged is
 * counted in left_unmerged, and tried again when it is cold anew. Groups of blocks come
 * back when tracking ends. Without this call nothing is merged, and the bounds are not
 * counted anew.
 *
 * A leaf that a walker makes dirty while its table is merged makes the block dirty.
 *
 * Context and Return: as iopgt_merge_page, without IOPGT_WOULD_BREAK;
 * IOPGT_NOT_TRACKING: the domain does not track with IOPGT_SPLIT_ADAPTIVE.
 * Stack: 5632 bytes. Touches: its range.
 */
int iopgt_merge_cold(struct iopgt_domain *domain, uint64_t iova, uint64_t size,
                     struct iopgt_op *op);

#ifdef __cplusplus
}
#endif

#endif
