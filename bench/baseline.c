/* SPDX-License-Identifier: BSD-2-Clause */
#include "baseline.h"

#define WORD_BITS 64
/* A user's bitmap lies in pages, each of which is found before it is written. */
#define CHUNK_BITS (UINT64_C(8) * 4096)

/* What each of these calls costs is part of the measured walk: it is not inlined. */
#define OUT_OF_LINE __attribute__((noinline))

void baseline_open(struct baseline *baseline, struct arena *arena, uint64_t *root)
{
	*baseline = (struct baseline){
		.arena = arena,
		.root = root,
		.granule_shift = PAGE_SHIFT,
		.start_level = 0,
		.bits_per_level = 9,
	};
}

static unsigned level_shift(const struct baseline *b, unsigned level)
{
	return b->granule_shift + b->bits_per_level * (LAST_LEVEL - level);
}

static uint64_t level_size(const struct baseline *b, unsigned level)
{
	return UINT64_C(1) << level_shift(b, level);
}

static unsigned level_index(const struct baseline *b, unsigned level, uint64_t iova)
{
	return iova >> level_shift(b, level) & ((1u << b->bits_per_level) - 1);
}

static uint64_t entry_last(const struct baseline *b, unsigned level, uint64_t iova, uint64_t last)
{
	uint64_t end = iova | (level_size(b, level) - 1);

	return end < last ? end : last;
}

static bool is_table(unsigned level, uint64_t d)
{
	return level < LAST_LEVEL &&
	       (d & (DESCRIPTOR_VALID | DESCRIPTOR_TABLE)) == (DESCRIPTOR_VALID | DESCRIPTOR_TABLE);
}

static uint64_t *next_table(uint64_t d)
{
	return (uint64_t *)(uintptr_t)(d & DESCRIPTOR_ADDRESS);
}

/* The log. */

OUT_OF_LINE static void set_bits(uint64_t *words, uint64_t first, uint64_t count)
{
	uint64_t *word = words + first / WORD_BITS;
	unsigned offset = first % WORD_BITS;
	uint64_t room = WORD_BITS - offset;
	uint64_t mask = ~UINT64_C(0) << offset;

	while (count >= room) {
		*word++ |= mask;
		count -= room;
		room = WORD_BITS;
		mask = ~UINT64_C(0);
		offset = 0;
	}
	if (count)
		*word |= mask & (~UINT64_C(0) >> (WORD_BITS - offset - count));
}

OUT_OF_LINE static void log_set(struct baseline_log *log, uint64_t iova, uint64_t size)
{
	uint64_t bit = (iova - log->base) >> log->page_shift;
	uint64_t last = (iova + size - 1 - log->base) >> log->page_shift;

	do {
		uint64_t chunk = bit / CHUNK_BITS, offset = bit % CHUNK_BITS;
		uint64_t count = last - bit + 1;

		if (count > CHUNK_BITS - offset)
			count = CHUNK_BITS - offset;
		set_bits(log->words + chunk * (CHUNK_BITS / WORD_BITS), offset, count);
		bit += count;
	} while (bit <= last);
}

static void flush_now(struct baseline_flush *flush)
{
	if (flush->pending)
		flush->flushes++;
	flush->pending = false;
}

/* Grows the range; what is apart from it, or of another leaf size, flushes it first. */
OUT_OF_LINE static void flush_add(struct baseline_flush *flush, uint64_t iova, uint64_t size,
                                  uint64_t page_bytes)
{
	uint64_t last = iova + size - 1;

	if (flush->pending && page_bytes != flush->page_bytes)
		flush_now(flush);
	flush->page_bytes = page_bytes;
	if (!flush->pending) {
		flush->first = iova;
		flush->last = last;
		flush->pending = true;
		return;
	}
	if (iova < flush->first)
		flush->first = iova;
	if (last > flush->last)
		flush->last = last;
}

OUT_OF_LINE static int record(struct baseline_log *log, uint64_t iova, uint64_t size)
{
	if (log->words)
		log_set(log, iova, size);
	if (log->flush)
		flush_add(log->flush, iova, size, size);
	return 0;
}

/* Dirty pages. */

struct dirty_walk {
	const struct baseline *baseline;
	struct baseline_log *log;
	baseline_record *record;
	bool clear;
};

static bool is_dirty(uint64_t d)
{
	return (d & (DESCRIPTOR_WRITABLE | DESCRIPTOR_AP2)) == DESCRIPTOR_WRITABLE;
}

static int visit_dirty(const struct dirty_walk *walk, uint64_t *entry, uint64_t iova, uint64_t size)
{
	if (walk->clear)
		__atomic_fetch_or(entry, DESCRIPTOR_AP2, __ATOMIC_RELAXED);
	return walk->record(walk->log, iova, size);
}

static int walk_dirty(const struct dirty_walk *walk, uint64_t *table, unsigned level, uint64_t iova,
                      uint64_t last)
{
	while (true) {
		unsigned shift = level_shift(walk->baseline, level);
		uint64_t end = iova | ((UINT64_C(1) << shift) - 1);
		uint64_t *entry = &table[iova >> shift & (TABLE_ENTRIES - 1)];
		uint64_t d = __atomic_load_n(entry, __ATOMIC_RELAXED);
		int error = 0;

		if (end > last)
			end = last;
		if (is_table(level, d))
			error = walk_dirty(walk, next_table(d), level + 1, iova, end);
		else if (is_dirty(d))
			error = visit_dirty(walk, entry, iova, end - iova + 1);
		if (error || end == last)
			return error;
		iova = end + 1;
	}
}

int baseline_dirty(const struct baseline *baseline, uint64_t iova, uint64_t size,
                   struct baseline_log *log, bool clear)
{
	struct dirty_walk walk = {baseline, log, record, clear};

	return walk_dirty(&walk, baseline->root, baseline->start_level, iova, iova + size - 1);
}

/* Map. */

static int write_pages(const struct baseline *b, uint64_t *table, uint64_t iova, uint64_t phys,
                       uint64_t last)
{
	unsigned first = level_index(b, LAST_LEVEL, iova), end = level_index(b, LAST_LEVEL, last);
	uint64_t kind = DESCRIPTOR_WRITABLE | DESCRIPTOR_TABLE | DESCRIPTOR_AP2 | DESCRIPTOR_AF;

	for (unsigned i = first; i <= end; i++) {
		if (__atomic_load_n(&table[i], __ATOMIC_RELAXED) & DESCRIPTOR_VALID)
			return IOPGT_EXISTS;
	}
	for (unsigned i = first; i <= end; i++)
		__atomic_store_n(&table[i], kind | (phys + (i - first) * level_size(b, LAST_LEVEL)),
		                 __ATOMIC_RELAXED);
	return 0;
}

static uint64_t *table_for(const struct baseline *b, uint64_t *entry)
{
	uint64_t d = __atomic_load_n(entry, __ATOMIC_ACQUIRE), expected = 0;
	uint64_t *table;

	if (d & DESCRIPTOR_VALID)
		return next_table(d);
	table = arena_take(b->arena, true);
	if (table &&
	    !__atomic_compare_exchange_n(entry, &expected,
	                                 (uintptr_t)table | DESCRIPTOR_VALID | DESCRIPTOR_TABLE,
	                                 false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
		arena_give(b->arena, table);
		return next_table(expected);
	}
	return table;
}

static int map_level(const struct baseline *b, uint64_t *table, unsigned level,
                     struct iopgt_mapping *rest)
{
	uint64_t last = rest->iova + rest->size - 1;

	if (level == LAST_LEVEL)
		return write_pages(b, table, rest->iova, rest->phys, last);
	while (true) {
		uint64_t end = entry_last(b, level, rest->iova, last);
		uint64_t *next = table_for(b, &table[level_index(b, level, rest->iova)]);
		struct iopgt_mapping part = *rest;
		int error;

		part.size = end - rest->iova + 1;
		error = next ? map_level(b, next, level + 1, &part) : IOPGT_NO_MEMORY;
		if (error || end == last)
			return error;
		rest->iova += part.size;
		rest->phys += part.size;
	}
}

int baseline_map(const struct baseline *baseline, uint64_t iova, uint64_t phys, uint64_t size)
{
	struct iopgt_mapping rest = {.iova = iova, .phys = phys, .size = size};

	return map_level(baseline, baseline->root, baseline->start_level, &rest);
}

/* Unmap. */

struct unmap_walk {
	const struct baseline *baseline;
	struct baseline_flush *flush;
};

static int clear_pages(const struct unmap_walk *walk, uint64_t *table, uint64_t iova, uint64_t last)
{
	const struct baseline *b = walk->baseline;
	unsigned i = level_index(b, LAST_LEVEL, iova), end = level_index(b, LAST_LEVEL, last);
	uint64_t page = level_size(b, LAST_LEVEL);

	for (; i <= end; i++, iova += page) {
		if (!(__atomic_load_n(&table[i], __ATOMIC_RELAXED) & DESCRIPTOR_VALID))
			return IOPGT_NOT_MAPPED;
		__atomic_store_n(&table[i], 0, __ATOMIC_RELAXED);
		flush_add(walk->flush, iova, page, page);
	}
	return 0;
}

static int unmap_level(const struct unmap_walk *walk, uint64_t *table, unsigned level,
                       uint64_t iova, uint64_t last)
{
	const struct baseline *b = walk->baseline;

	if (level == LAST_LEVEL)
		return clear_pages(walk, table, iova, last);
	while (true) {
		uint64_t *entry = &table[level_index(b, level, iova)];
		uint64_t d = __atomic_load_n(entry, __ATOMIC_RELAXED);
		uint64_t end = entry_last(b, level, iova, last);
		int error = is_table(level, d)
		                    ? unmap_level(walk, next_table(d), level + 1, iova, end)
		                    : IOPGT_NOT_MAPPED;

		if (!error && end - iova + 1 == level_size(b, level)) {
			__atomic_store_n(entry, 0, __ATOMIC_RELAXED);
			arena_give(b->arena, next_table(d));
		}
		if (error || end == last)
			return error;
		iova = end + 1;
	}
}

int baseline_unmap(const struct baseline *baseline, uint64_t iova, uint64_t size,
                   struct baseline_flush *flush)
{
	struct unmap_walk walk = {baseline, flush};
	int error =
		unmap_level(&walk, baseline->root, baseline->start_level, iova, iova + size - 1);

	flush_now(flush);
	return error;
}

static void give_below(const struct baseline *b, uint64_t *table, unsigned level)
{
	for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
		if (!is_table(level, table[i]))
			continue;
		give_below(b, next_table(table[i]), level + 1);
		arena_give(b->arena, next_table(table[i]));
		table[i] = 0;
	}
}

void baseline_close(const struct baseline *baseline)
{
	give_below(baseline, baseline->root, baseline->start_level);
}

/* Translate. */

OUT_OF_LINE static uint64_t translate_level(const struct baseline *b, const uint64_t *table,
                                            unsigned level, uint64_t iova)
{
	uint64_t d = __atomic_load_n(&table[level_index(b, level, iova)], __ATOMIC_RELAXED);

	if (!(d & DESCRIPTOR_VALID))
		return 0;
	if (is_table(level, d))
		return translate_level(b, next_table(d), level + 1, iova);
	return (d & DESCRIPTOR_ADDRESS & ~(level_size(b, level) - 1)) |
	       (iova & (level_size(b, level) - 1));
}

uint64_t baseline_translate(const struct baseline *baseline, uint64_t iova)
{
	return translate_level(baseline, baseline->root, baseline->start_level, iova);
}
