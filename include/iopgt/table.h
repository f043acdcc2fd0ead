/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table: mapping, looking, changing block sizes.
 *
 * For all verbs that take a range and an op:
 *
 * - iova and size are multiples of the granule, size is not zero, and the range
 *   lies in the input space; else IOPGT_BAD_ALIGNMENT or IOPGT_BAD_RANGE. A null
 *   table or op is IOPGT_BAD_ARGUMENT, an unknown op flag IOPGT_BAD_FLAGS, an op
 *   that owes another table something IOPGT_WRONG_OP. All of this is checked
 *   first, and nothing is changed then.
 * - Walkers run all the time. Every change of a live descriptor is one atomic
 *   operation. What a walker may have cached is invalidated in op: a change
 *   holds for all walkers when iopgt_op_finish(op) has returned 0.
 * - IOPGT_AGAIN: the budget is spent, op->next is where to go on with the rest
 *   of the range, the table is consistent.
 * - IOPGT_BUSY: a descriptor in the range is being replaced by another call (at
 *   break-before-make level 0), or was (a split at any level). Call again.
 * - IOPGT_BAD_TABLE: phys_to_virt gave null for a linked table.
 * - IOPGT_BAD_TABLE_MEMORY: from verbs that take table memory: what alloc_table
 *   gave is misaligned or out of reach, and was given back.
 * - Calls on ranges that do not overlap may run at once, from any threads,
 *   without locks; on overlapping ranges the caller serialises, but for what a
 *   comment allows. Two ranges that share a block or a contiguous group do not
 *   overlap for unmap, map and the dirty verbs; for split, merge and protect they
 *   do. A library built with IOPGT_DEBUG returns IOPGT_OVERLAP where those meet
 *   (iopgt_hal.overlap says which), and nothing is changed.
 */
#ifndef IOPGT_TABLE_H
#define IOPGT_TABLE_H

#include <iopgt/config.h>
#include <iopgt/hal.h>
#include <iopgt/private.h>
#include <iopgt/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iopgt_finding;

/*
 * A table. The storage is the caller's, it does not move while in use, and its
 * fields are private: iopgt_registers says what walkers are to be told of it.
 */
struct iopgt_table {
	const struct iopgt_hal *hal;
	void *context;
	uintptr_t linear_offset; /* the HAL's, if it is linear */
	bool linear;             /* and the table is not opened */
	bool opened;             /* by iopgt_open: what its descriptors say is not trusted */
	bool read_only;          /* by iopgt_open */
	bool grouped;            /* leaves may carry the Contiguous bit */
	bool plain;              /* see direct.h */
	bool access_managed;     /* somebody sets cleared access flags again */
	bool adopting;       /* iopgt_open has not yet let non-coherent walkers see its tables */
	uint64_t max_tables; /* where iopgt_check gives up; 0: never */
	const struct iopgt_tlb_ops *tlb; /* the HAL's, or a domain's */
	void *tlb_context;
	void *root;         /* start table */
	uint64_t root_phys; /* for TTBR or VTTBR */
	struct iopgt_format format;
	struct iopgt_geometry geometry;
	struct iopgt_direct direct;
	uint64_t map_leaf_sizes; /* leaf sizes that map uses: pages only while tracking eagerly */
	uint8_t bbm_level;
	bool non_coherent;
	bool faults_retried;
	bool software_dirty; /* walkers fault on clean leaves, they mark nothing */
	bool map_clean;      /* what is mapped starts writable-clean */
	bool never_clean; /* of a domain that does not track: its walkers may be unable to mark */
	uint8_t split_on_clear;    /* a block that is cleaned is split: enum in scan.h */
	uint8_t cold_age;          /* a table of this age is cold; 0: tables have no age */
	uint32_t splits_left;      /* atomic: blocks that may still be split as they are cleaned */
	uint32_t kept_dirty;       /* atomic: some leaf may carry format.kept_dirty */
	uint32_t cleared_accessed; /* atomic: some access flag may be clear */
	uint32_t skips; /* atomic: all walkers set access flags of tables, dirty verbs go by them */
	uint32_t tables;            /* atomic: tables in use but for the start table */
	uint32_t failed_syncs;      /* atomic: they voided what other ops had posted */
	struct iopgt_config config; /* as given */
	uint64_t last_bits;         /* atomic: what leaf_bits gave last, and for which kind */
	uint64_t last_kind; /* atomic: what translate said last of a leaf, and of which bits */
	struct iopgt_claim claims[IOPGT_CLAIMS];
};

/*
 * Makes an empty table. `hal` must outlive it, `config` is copied.
 *
 * Return: IOPGT_OK; IOPGT_BAD_ARGUMENT; IOPGT_BAD_REGIME, _GRANULE,
 * _INPUT_BITS, _OUTPUT_BITS, _LEAF_SIZES, _BBM_LEVEL, _DIRTY_MODE, _FLAGS,
 * _WALK, _HAL: that field of the configuration or the HAL; IOPGT_NO_MEMORY;
 * IOPGT_BAD_TABLE_MEMORY. After a failure nothing is allocated.
 * Stack: 512 bytes. Touches: no descriptor.
 */
int iopgt_init(struct iopgt_table *table, const struct iopgt_config *config,
               const struct iopgt_hal *hal, void *context);

/*
 * Frees all tables. Mappings still there go with them.
 *
 * Context: no walker uses the table any more and none has it cached; no other
 * call on the table runs; every op on it is finished.
 * Return: IOPGT_OK; IOPGT_BAD_ARGUMENT; IOPGT_BAD_TABLE: what was behind that
 * table descriptor is not freed, all else is.
 * Stack: 256 bytes. Touches: all tables.
 */
int iopgt_fini(struct iopgt_table *table);

enum iopgt_open_flag {
	/* All verbs; the tables become this library's and go back through free_table. */
	IOPGT_OPEN_OWNING = 1 << 0,
};

/* A tree that exists. */
struct iopgt_tree {
	uint64_t root_phys;  /* of the start table */
	uint32_t flags;      /* of enum iopgt_open_flag */
	uint64_t max_tables; /* give up when there are more, here (OWNING) and in iopgt_check:
	                        IOPGT_BAD_TABLE; 0: no bound */
	struct iopgt_finding *finding; /* out, may be null: the broken rule, or IOPGT_RULE_NONE */
};

/*
 * Makes a table of a tree that someone else built: firmware, another hypervisor
 * before a live update, a crash dump. `config` says what it is, as for iopgt_init.
 *
 * Without OWNING nothing in the tree is ever changed: iopgt_translate,
 * iopgt_for_each_mapping, iopgt_dump, iopgt_check and the dirty verbs that only
 * read work, all others return IOPGT_READ_ONLY, iopgt_fini frees nothing, and of
 * the HAL only phys_to_virt is needed. It is needed with OWNING, too, since
 * IOPGT_HAL_LINEAR cannot say that no table is at an address.
 *
 * The tree is not trusted. A table that phys_to_virt does not know, or beyond
 * the output space, is IOPGT_BAD_TABLE from the verb that meets it, and so is,
 * for verbs on a range, one that is linked again below itself (iopgt_translate
 * goes down as a walker would). A reader may still meet one table in very many
 * places: give its op a budget.
 *
 * OWNING looks at all of the tree first, each table once: every rule of
 * iopgt_check must hold, but that invalid descriptors may hold anything (they are
 * cleared in the end) and that a leaf may have memory types and attributes which
 * this library has no name for (every verb keeps them). To find tables that are
 * linked twice it maps those that it has met in a table of its own, which takes
 * one table for each 2^granule_shift / 8 or less, and is freed again; then it
 * looks a second time. phys_to_virt must know no memory that is somebody else's,
 * or free: nobody could tell a link to that from a good one.
 *
 * Bits 55 and 56 of a leaf are taken for this library's notes, that a contiguous
 * group was being broken up and that a leaf was written; and bit 54 of a table,
 * that a split was not complete. Where OWNING finds the first or the last it
 * invalidates all, waits, and completes it: what may have been written is dirty
 * then.
 *
 * Context: walkers may run; nobody else changes the tree from now on (OWNING), or
 * while a verb runs.
 * Return: as iopgt_init; IOPGT_BAD_ROOT; IOPGT_CORRUPT: a broken rule;
 * IOPGT_BAD_TABLE: more than max_tables; an error of the HAL. After a failure the
 * tree is as before, and nothing is owned.
 * Stack: 5120 bytes. Touches: all tables.
 */
int iopgt_open(struct iopgt_table *table, const struct iopgt_config *config,
               const struct iopgt_hal *hal, void *context, const struct iopgt_tree *tree);

/*
 * Maps [iova, iova + size) to [phys, phys + size) with the largest leaves that
 * alignment and configuration allow. Nothing may be mapped there yet. If another
 * op unmapped or trimmed there, it is finished: else a walker may still use the
 * old output address (R_WHZWS) or fault; what this op owes there is completed
 * first. Tables that earlier calls left empty are reused or replaced by blocks.
 *
 * Without dirty management IOPGT_CLEAN and IOPGT_NO_TRACK mean nothing.
 *
 * Writable memory starts writable-dirty while nothing tracks (so that walkers
 * spend no update) and writable-clean while a domain tracks or with IOPGT_CLEAN.
 *
 * Context: two calls that need the same new table race without harm. The
 * mapping may be used by walkers when the call has returned.
 * Return: IOPGT_OK; IOPGT_AGAIN; IOPGT_EXISTS; IOPGT_NO_MEMORY; IOPGT_BAD_PROT
 * (stage 1 cannot express write-only; NO_TRACK and CLEAN exclude each other);
 * IOPGT_BAD_MEMORY_TYPE; IOPGT_BAD_ATTRIBUTE; IOPGT_BAD_OUTPUT: phys leaves the
 * output space; the common ones above; an error of the HAL, from completing what
 * was removed here.
 * After a failure no mapping of this call remains (but, with IOPGT_BAD_TABLE, of
 * what cannot be reached), empty tables may; an earlier part that returned
 * IOPGT_AGAIN stays. What a failed call had already made valid is owed an
 * invalidation in op.
 * Stack: 2816 bytes. Touches: its range.
 */
int iopgt_map(struct iopgt_table *table, const struct iopgt_mapping *mapping, struct iopgt_op *op);

/*
 * Removes what is mapped in the range, exactly; holes are counted. A block that
 * crosses the range's end is split first, as iopgt_split_block does it, waits
 * included. Tables that lie wholly in the range are unlinked now and freed by
 * iopgt_op_finish.
 *
 * Context: until iopgt_op_finish, walkers may still access the memory.
 * Return: IOPGT_OK; IOPGT_AGAIN; IOPGT_NO_MEMORY, IOPGT_WOULD_BREAK,
 * IOPGT_WOULD_SPLIT: a block that crosses an end cannot be split, what is
 * before it is unmapped; a contiguous group that crosses one cannot be broken
 * up, nothing is unmapped; an error of the HAL; the common ones above.
 * Stack: 2304 bytes. Touches: its range.
 */
int iopgt_unmap(struct iopgt_table *table, uint64_t iova, uint64_t size, struct iopgt_op *op);

/*
 * Removes as iopgt_unmap does, and sets the bits of pages that were dirty, none
 * lost: writes that land until the invalidation is complete are counted. Calls
 * sync first, so that finished transactions are seen.
 *
 * The bitmap is complete when iopgt_op_finish has returned 0 and must stay
 * until then: it is kept in op.
 *
 * Context and Return: as iopgt_unmap; IOPGT_BAD_BITMAP, IOPGT_NO_DIRTY.
 * Stack: 2304 bytes. Touches: its range.
 */
int iopgt_unmap_dirty(struct iopgt_table *table, uint64_t iova, uint64_t size,
                      const struct iopgt_bitmap *bitmap, struct iopgt_op *op);

/*
 * Changes the permissions of what is mapped in the range; holes are counted.
 * Address, memory type and dirty state stay: a page that was written before it
 * became read-only or untracked is still reported, and is writable-dirty when it
 * becomes writable and tracked again; one that was not is writable-clean then.
 * (Not so in a domain that does not track: all that becomes writable is
 * writable-dirty, since its walkers may be unable to mark.) prot: as for
 * iopgt_map, IOPGT_CLEAN has no meaning and is refused. Blocks that cross an end
 * are split first.
 *
 * Context: until iopgt_op_finish walkers may use the old permissions.
 * Return: as iopgt_unmap; IOPGT_BAD_PROT.
 * Stack: 2304 bytes. Touches: its range.
 */
int iopgt_protect(struct iopgt_table *table, uint64_t iova, uint64_t size, uint32_t prot,
                  struct iopgt_op *op);

enum iopgt_leaf_state {
	IOPGT_LEAF_READ_ONLY,
	IOPGT_LEAF_CLEAN,     /* writable-clean: the next write is marked */
	IOPGT_LEAF_DIRTY,     /* writable-dirty */
	IOPGT_LEAF_UNTRACKED, /* writable, writes leave no mark */
};

/* What an address maps to. */
struct iopgt_translation {
	uint64_t phys;      /* output address of iova itself */
	uint64_t leaf_iova; /* where its page, block or contiguous group begins */
	uint64_t leaf_size; /* bytes */
	uint32_t prot;      /* of enum iopgt_prot, without IOPGT_CLEAN */
	uint32_t memory;    /* enum iopgt_memory; IOPGT_MEMORY_TYPES: another, in an opened table */
	uint32_t attributes; /* of enum iopgt_attribute; without what the memory type has anyway */
	uint32_t state;      /* enum iopgt_leaf_state; of a group: dirty if any entry is */
	int32_t level;
};

/*
 * Looks up one address, of any alignment.
 *
 * Context: may run beside any verb on other ranges; beside unmap, trim, split and
 * merge of this address, and a map that frees empty tables there, only with
 * IOPGT_HAL_DEFERS_FREE. The state is that of one instant: a walker may change it
 * at once.
 * Return: IOPGT_OK; IOPGT_NOT_MAPPED; IOPGT_BUSY: being replaced, ask again;
 * IOPGT_BAD_RANGE; IOPGT_BAD_ARGUMENT; IOPGT_BAD_TABLE.
 * Stack: 256 bytes. Touches: an address.
 */
int iopgt_translate(const struct iopgt_table *table, uint64_t iova,
                    struct iopgt_translation *translation);

/* A callback gets each run; a value other than 0 ends the visit and is returned. */
struct iopgt_mapping_visitor {
	int (*visit)(void *context, const struct iopgt_mapping *run);
	void *context;
};

/*
 * Gives each run of mappings that continue each other in both spaces with equal
 * permissions and memory type, in ascending order, cut at the range's ends.
 * prot of a run has no IOPGT_CLEAN.
 *
 * Context: as iopgt_translate. The callback may call translate on this table.
 * Return: IOPGT_OK; IOPGT_AGAIN (a run may then be cut in two); the callback's
 * value; the common ones above.
 * Stack: 512 bytes. Touches: its range.
 */
int iopgt_for_each_mapping(const struct iopgt_table *table, uint64_t iova, uint64_t size,
                           const struct iopgt_mapping_visitor *visitor, struct iopgt_op *op);

/* Takes one line of text, without line end, ended by a zero byte. */
struct iopgt_writer {
	void (*line)(void *context, const char *text);
	void *context;
};

/*
 * Writes the tree as text: a line per table, leaf run and hole run, like
 * descriptors folded into one line with a count.
 *
 * Context: as iopgt_translate.
 * Return: IOPGT_OK; IOPGT_AGAIN; the common ones above.
 * Stack: 1024 bytes. Touches: its range.
 */
int iopgt_dump(const struct iopgt_table *table, uint64_t iova, uint64_t size,
               const struct iopgt_writer *writer, struct iopgt_op *op);

/* Rules that iopgt_check knows. */
enum iopgt_rule {
	IOPGT_RULE_NONE,
	IOPGT_RULE_TABLE_ADDRESS, /* a table is beyond the output space, or unknown */
	IOPGT_RULE_TABLE_BITS,    /* attribute or reserved bits set in a table descriptor, or
	                             address bits below the table's size */
	IOPGT_RULE_LEAF_LEVEL,    /* a leaf at a level or of a size that is not allowed */
	IOPGT_RULE_LEAF_ADDRESS,  /* a leaf's output is misaligned or beyond the output space */
	IOPGT_RULE_LEAF_BITS,     /* reserved bits set, nT left behind, AF clear, no such type */
	IOPGT_RULE_LEAF_STATE,    /* a dirty state that the configuration cannot have */
	IOPGT_RULE_INVALID_BITS,  /* an invalid descriptor that is not zero */
	IOPGT_RULE_NOT_CLEANED,   /* a linked table that a non-coherent walker may not see */
	IOPGT_RULE_TABLE_COUNT,   /* more or fewer tables linked than the count says */
	IOPGT_RULE_GROUP, /* Contiguous bit in a group that is incomplete, unlike or not allowed */
	IOPGT_RULE_TABLE_SHARED, /* open: a table that is linked twice, or links itself */
	IOPGT_RULE_TABLE_ACCESS, /* a dirty leaf in a table that dirty verbs would skip */
};

struct iopgt_finding {
	uint32_t rule; /* enum iopgt_rule */
	int32_t level;
	uint64_t iova; /* first address of the descriptor's range */
	uint64_t descriptor;
};

/*
 * Walks the whole table and names the first broken rule.
 *
 * Context: no other call on the table runs, every op is finished. Walkers may
 * run. Time is that of reading all tables: for tests and debug builds.
 * Return: IOPGT_OK: `finding` has IOPGT_RULE_NONE; IOPGT_CORRUPT; IOPGT_BAD_ARGUMENT.
 * Stack: 3840 bytes. Touches: all tables.
 */
int iopgt_check(const struct iopgt_table *table, struct iopgt_finding *finding);

/*
 * A text for an enum iopgt_rule, never null. Pure.
 * Stack: 256 bytes. Touches: no descriptor.
 */
const char *iopgt_rule_text(uint32_t rule);

/*
 * The most tables that mapping the range, or splitting all of it to pages, can
 * take from alloc_table: what to reserve before an IOPGT_OP_ATOMIC call.
 *
 * Return: IOPGT_OK; IOPGT_BAD_ARGUMENT, _BAD_ALIGNMENT, _BAD_RANGE.
 * Stack: 256 bytes. Touches: no descriptor.
 */
int iopgt_tables_needed(const struct iopgt_table *table, uint64_t iova, uint64_t size,
                        uint64_t *tables);

struct iopgt_table_usage {
	uint64_t tables; /* the start table included, concatenated ones counted as one */
	uint64_t bytes;  /* of table memory */
};

/*
 * Memory in use. Tables that an unfinished op still holds are not counted.
 * Return: IOPGT_OK; IOPGT_BAD_ARGUMENT.
 * Stack: 256 bytes. Touches: no descriptor.
 */
int iopgt_table_stats(const struct iopgt_table *table, struct iopgt_table_usage *stats);

/*
 * Unlinks tables that lie wholly in the range and map nothing; iopgt_op_finish
 * frees them.
 *
 * Context: no other call maps or unmaps in the range; readers as beside iopgt_unmap.
 * Return: IOPGT_OK; IOPGT_AGAIN; an error of the HAL; the common ones above.
 * Stack: 512 bytes. Touches: its range.
 */
int iopgt_trim(struct iopgt_table *table, uint64_t iova, uint64_t size, struct iopgt_op *op);

/*
 * Splits every block that overlaps the range, so that the range is mapped by
 * pages, while walkers use it; what lies outside of it may stay in smaller
 * blocks.
 * Output addresses, permissions and attributes stay, each page inherits its
 * block's dirty state. Live blocks are replaced by break-before-make level
 * (Arm ARM D8.17.1): at level 2 at once, at level 1 under nT, at level 0
 * accesses fault between. Waits are shared: at most 2 + 2 * blocks / 64, and for
 * contiguous groups that are broken up 1 + groups / 32.
 *
 * Needs 1 table per block. Nothing is owed for the split when the call returns
 * IOPGT_OK or IOPGT_AGAIN: the op serves its gather and stats.
 *
 * Context: no other split, merge, protect or switch on the blocks.
 * Return: IOPGT_OK; IOPGT_AGAIN; IOPGT_NO_MEMORY; IOPGT_WOULD_BREAK: level 0,
 * faults are not retried and IOPGT_OP_MAY_BREAK is not given; an error of the
 * HAL; the common ones above. After a failure blocks are split or whole, none
 * half. After a HAL error, tables whose block may still be cached are marked, and
 * op owes the invalidation; until this verb is called again over them, cleaning
 * or removing a page below invalidates the whole block's range.
 * Stack: 6144 bytes. Touches: its range.
 */
int iopgt_split_block(struct iopgt_table *table, uint64_t iova, uint64_t size, struct iopgt_op *op);

/*
 * Replaces every table that lies wholly in the range and could be a block by
 * one, bottom up to the largest allowed leaf, while walkers use it: all entries
 * mapped, outputs contiguous and aligned, attributes equal. The block is dirty
 * if any page was: nothing that a walker marks meanwhile is lost. Last-level
 * tables that cannot be merged are counted in stats.left_unmerged. Waits are
 * shared as for iopgt_split_block.
 *
 * Context: no other split, merge, protect, switch, map or unmap on the range.
 * Return: IOPGT_OK; IOPGT_AGAIN; IOPGT_WOULD_BREAK; the common ones above; an
 * error of the HAL: the tables whose replacement was under way are linked again,
 * with all that was marked; or, if it was the second wait of level 1, they are
 * blocks. Either way op owes the invalidation.
 * Stack: 5632 bytes. Touches: its range.
 */
int iopgt_merge_page(struct iopgt_table *table, uint64_t iova, uint64_t size, struct iopgt_op *op);

#ifdef __cplusplus
}
#endif

#endif
