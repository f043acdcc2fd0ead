/* SPDX-License-Identifier: BSD-2-Clause */
/* Table memory, and the checks that all verbs begin with. */
#ifndef IOPGT_CORE_TABLE_H
#define IOPGT_CORE_TABLE_H

#include <iopgt/table.h>

#include "core/live.h"
#include "format/format.h"
#include "format/geometry.h"

/* A range inside the library: offsets in the input space, both inclusive. */
struct iopgt_range {
	uint64_t first, last;
};

/*
 * Makes an empty table of any format and geometry. tlb and tlb_context: whom to
 * invalidate. Checks the HAL. For iopgt_init, domains, and other formats.
 */
int iopgt_table_init(struct iopgt_table *table, const struct iopgt_hal *hal, void *context);

/* Whether the HAL has the callbacks that a table needs. */
int iopgt_table_check_hal(const struct iopgt_table *table, const struct iopgt_hal *hal);

/* Checks a configuration and fills the table's fields from it, but for the start table. */
int iopgt_table_configure(struct iopgt_table *table, const struct iopgt_config *config);

/* All input addresses. */
static inline struct iopgt_range table_whole(const struct iopgt_table *table)
{
	return (struct iopgt_range){table->geometry.input_first,
	                            geometry_input_last(&table->geometry)};
}

/* Whether these sizes have contiguous groups among them. */
static inline bool table_has_groups(const struct iopgt_geometry *g, uint64_t leaf_sizes)
{
	for (int level = g->start_level; level <= IOPGT_LAST_LEVEL; level++) {
		if (geometry_group_allowed(leaf_sizes, g, level))
			return true;
	}
	return false;
}

static inline void table_set_hal(struct iopgt_table *table, const struct iopgt_hal *hal,
                                 void *context)
{
	table->hal = hal;
	table->context = context;
	table->linear_offset = hal->linear_offset;
}

/* The common checks of a verb with a range and an op. They change nothing. */
static inline int iopgt_check_range(const struct iopgt_table *table, uint64_t iova, uint64_t size,
                                    struct iopgt_range *range)
{
	const struct iopgt_geometry *g;

	if (!table)
		return IOPGT_BAD_ARGUMENT;
	g = &table->geometry;
	if ((iova | size) & (geometry_granule(g) - 1))
		return IOPGT_BAD_ALIGNMENT;
	if (!geometry_has_input(g, iova) || !size || size - 1 > geometry_input_last(g) - iova)
		return IOPGT_BAD_RANGE;
	range->first = iova;
	range->last = iova + (size - 1);
	return IOPGT_OK;
}

static inline int iopgt_check_op(const struct iopgt_table *table, const struct iopgt_op *op)
{
	if (!table || !op)
		return IOPGT_BAD_ARGUMENT;
	if (op->flags & ~(uint32_t)IOPGT_OP_ALL_FLAGS)
		return IOPGT_BAD_FLAGS;
	if (op->gather.table && op->gather.table != table)
		return IOPGT_WRONG_OP;
	return IOPGT_OK;
}

static inline int iopgt_check_call(const struct iopgt_table *table, uint64_t iova, uint64_t size,
                                   const struct iopgt_op *op, struct iopgt_range *range)
{
	int err = iopgt_check_op(table, op);

	return err ? err : iopgt_check_range(table, iova, size, range);
}

/* The same for a verb that changes the table. */
static inline int iopgt_check_change(const struct iopgt_table *table, uint64_t iova, uint64_t size,
                                     const struct iopgt_op *op, struct iopgt_range *range)
{
	int err = iopgt_check_call(table, iova, size, op, range);

	return !err && table->read_only ? IOPGT_READ_ONLY : err;
}

/* Whether the entries of a live leaf may be replaced, or a group changed, at all. */
static inline bool table_may_break(const struct iopgt_table *table, const struct iopgt_op *op)
{
	return table->bbm_level > 0 || table->faults_retried || (op->flags & IOPGT_OP_MAY_BREAK);
}

/* A table below the start table. alloc_flags: of enum iopgt_alloc_flag. */
struct iopgt_new_table {
	live_descriptor *entries;
	uint64_t phys;
};

int iopgt_table_alloc(struct iopgt_table *table, uint32_t alloc_flags,
                      struct iopgt_new_table *made);
void iopgt_table_free(struct iopgt_table *table, live_descriptor *entries, uint64_t phys);

static inline uint32_t table_alloc_flags(const struct iopgt_op *op)
{
	return op->flags & IOPGT_OP_ATOMIC ? IOPGT_ALLOC_ATOMIC : 0;
}

static inline uint32_t table_bytes(const struct iopgt_table *table)
{
	return UINT32_C(1) << table->geometry.granule_shift;
}

/* 64 bytes: the smallest start table. Vectors and cache lines count on it. */
static inline bool table_is_aligned(const void *memory)
{
	return (uintptr_t)memory % 64 == 0;
}

/* Null: not table memory. */
static inline live_descriptor *table_virt(const struct iopgt_table *table, uint64_t phys)
{
	void *memory;

	if (table->linear)
		return (live_descriptor *)((uintptr_t)phys + table->linear_offset);
	if (table->opened && phys > geometry_output_last(&table->geometry))
		return NULL;
	memory = table->hal->phys_to_virt(table->context, phys, table_bytes(table));
	return table->opened && !table_is_aligned(memory) ? NULL : memory;
}

/* Earlier stores before later ones, as walkers see them. */
static inline void table_publish(const struct iopgt_table *table)
{
	if (table->hal->publish) {
		table->hal->publish(table->context);
	} else {
		LIVE_STEP(LIVE_FENCE_STORES, NULL);
		atomic_thread_fence(memory_order_release);
	}
}

/* The age in a table's descriptor, which another call may be replacing, becomes 0. */
static inline void table_grow_young(const struct iopgt_table *table, live_descriptor *entry,
                                    int level)
{
	const struct iopgt_format *f = &table->format;
	uint64_t d = live_load(entry);

	while (format_is_table(f, level, d) && (d & f->age) &&
	       !live_replace(entry, &d, d & ~f->age)) {
	}
}

/* Lets a non-coherent walker see `count` descriptors. */
static inline void table_clean(const struct iopgt_table *table, live_descriptor *entries,
                               uint32_t count)
{
	if (table->non_coherent)
		table->hal->clean(table->context, (const void *)entries,
		                  count * (uint32_t)sizeof(*entries));
}

/* All of the start table; by a shift, since some 32-bit hosts cannot divide. */
static inline void table_clean_root(const struct iopgt_table *table)
{
	table_clean(table, table->root, table->geometry.root_bytes >> 3);
}

/* Entries of one level, in memory that no walker reaches. */
struct table_run {
	live_descriptor *entries;
	uint32_t count;
	int level;
};

/* Makes them leaves, whose outputs follow each other from phys on, with the given bits. */
static inline void table_fill(const struct iopgt_table *table, struct table_run run, uint64_t phys,
                              uint64_t bits)
{
	const struct iopgt_format *f = &table->format;
	unsigned shift = geometry_shift(&table->geometry, run.level);

	while (run.count) {
		uint64_t in_place = format_leaves_in_place(f, phys, shift);
		uint32_t count = in_place < run.count ? (uint32_t)in_place : run.count;

		live_fill_new(run.entries, count, format_make_leaf(f, run.level, phys, bits),
		              UINT64_C(1) << shift);
		run.entries += count;
		run.count -= count;
		phys += (uint64_t)count << shift;
	}
}

/*
 * format.leaf_bits. What was asked for last is remembered, with its bits in one word: the
 * kind stands where a leaf has its address.
 */
int iopgt_table_new_bits(struct iopgt_table *table, const struct iopgt_leaf_kind *kind,
                         uint64_t *bits);

/* 0: none. That of no permissions, which nothing is remembered of, may be. */
static inline uint64_t table_kind_key(const struct iopgt_leaf_kind *kind)
{
	uint64_t key = kind->attributes << 11 | kind->memory << 8 | kind->prot;

	return (kind->prot | kind->attributes) >= 1 << 8 || kind->memory >= 1 << 3 ? 0 : key << 16;
}

/* False: it was another kind. */
static inline bool table_last_bits(struct iopgt_table *table, const struct iopgt_leaf_kind *kind,
                                   uint64_t *bits)
{
	uint64_t address = table->format.address_low;
	uint64_t last = live_load((live_descriptor *)&table->last_bits);
	uint64_t key = table_kind_key(kind);

	*bits = last & ~address;
	return key && (last & address) == key;
}

static inline int table_leaf_bits(struct iopgt_table *table, const struct iopgt_leaf_kind *kind,
                                  uint64_t *bits)
{
	return table_last_bits(table, kind, bits) ? IOPGT_OK
	                                          : iopgt_table_new_bits(table, kind, bits);
}

/* Leaves among up to 64 entries of one level. */
static inline uint64_t table_leaf_mask(const struct iopgt_table *table, live_descriptor *entries,
                                       uint32_t count, int level)
{
	const struct iopgt_format *f = &table->format;
	unsigned kind = format_kind(level);

	return live_match(entries, count, f->leaf_mask[kind], f->leaf_value[kind]);
}

/* Whether all 64 entries of a last-level table are pages. Those at `ahead` will be wanted soon. */
static inline bool table_all_pages(const struct iopgt_table *table, live_descriptor *entries,
                                   const live_descriptor *ahead)
{
	const struct iopgt_format *f = &table->format;

	IOPGT_ASSERT(f->leaf_value[1] == f->leaf_mask[1]);
	return live_all_have_ahead(entries, f->leaf_value[1], ahead);
}

/* Counters of the table that calls change at once. */
/* NOLINTNEXTLINE(readability-non-const-parameter): it is written to, as an atomic. */
static inline void table_count(uint32_t *counter, uint32_t change)
{
	LIVE_STEP(LIVE_COUNT, counter);
	atomic_fetch_add_explicit((_Atomic uint32_t *)counter, change, memory_order_relaxed);
}

static inline uint32_t table_counted(const uint32_t *counter)
{
	LIVE_STEP(LIVE_COUNTED, counter);
	return atomic_load_explicit((const _Atomic uint32_t *)counter, memory_order_relaxed);
}

/* Takes one of what a counter says is left. False: nothing is. UINT32_MAX has no end. */
static inline bool table_take(uint32_t *counter)
{
	_Atomic uint32_t *left = (_Atomic uint32_t *)counter;
	uint32_t old = table_counted(counter);

	do {
		if (old == 0 || old == UINT32_MAX)
			return old != 0;
		LIVE_STEP(LIVE_COUNT, counter);
	} while (!atomic_compare_exchange_weak_explicit(left, &old, old - 1, memory_order_relaxed,
	                                                memory_order_relaxed));
	return true;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): it is written to, as an atomic. */
static inline void table_set(uint32_t *word, uint32_t value)
{
	LIVE_STEP(LIVE_NOTE, word);
	atomic_store_explicit((_Atomic uint32_t *)word, value, memory_order_relaxed);
}

static inline void table_note(uint32_t *flag)
{
	table_set(flag, true);
}

#endif
