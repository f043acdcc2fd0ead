/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A mapped space to measure on: table memory that lies scattered, the leaf tables
 * in the order of what they map, and pages made dirty as a walker would.
 *
 * Descriptors are read and written with numbers from the architecture (stage 1),
 * not through the library.
 */
#ifndef BENCH_SPACE_H
#define BENCH_SPACE_H

#include "bench.h"

#define PAGE_SHIFT    12
#define PAGE_BYTES    (UINT64_C(1) << PAGE_SHIFT)
#define TABLE_ENTRIES 512
#define TABLE_BYTES   4096
#define BLOCK_SHIFT   21
#define LAST_LEVEL    3

#define IOVA UINT64_C(0x10000000000)
#define PHYS UINT64_C(0x8000000000) /* the mapped memory, which nobody touches */

#define DESCRIPTOR_VALID    UINT64_C(1)
#define DESCRIPTOR_TABLE    UINT64_C(2) /* above the last level; there, of a page */
#define DESCRIPTOR_AP2      (UINT64_C(1) << 7)
#define DESCRIPTOR_AF       (UINT64_C(1) << 10)
#define DESCRIPTOR_DBM      (UINT64_C(1) << 51)
#define DESCRIPTOR_ADDRESS  UINT64_C(0x0000FFFFFFFFF000)
#define DESCRIPTOR_WRITABLE (DESCRIPTOR_VALID | DESCRIPTOR_DBM)

/*
 * Table memory, given in an order that is random once and for all: as after the
 * host has run for a while. Backed by large pages, as a kernel's linear map.
 */
struct arena {
	unsigned char *memory;
	uint32_t *free; /* a stack of table numbers */
	uint64_t count, free_count;
};

void arena_open(struct arena *arena, uint64_t tables);
void arena_close(struct arena *arena);
void *arena_take(struct arena *arena, bool zero);
void arena_give(struct arena *arena, void *table);

/*
 * The host of every table here: `context` is an arena, physical addresses of tables
 * are their virtual ones, invalidation does nothing. After 64 ranges the library is
 * to ask for one invalidation of all, as a host with a command queue wants it.
 */
extern const struct iopgt_hal bench_hal;
/* 4 KiB granule, 48 bits, stage 1, hardware dirty management; `leaf_sizes` as configured. */
struct iopgt_config bench_config(uint64_t leaf_sizes);

struct space {
	struct arena arena;
	struct iopgt_table table;
	uint64_t iova, pages; /* the range; in blocks: of 2 MiB each */
	uint32_t leaf_shift;
	uint64_t **leaves; /* leaf tables, by address */
	uint64_t *leaf_iova;
	uint64_t leaf_count, leaf_room;
	uint64_t **upper; /* the other tables */
	uint64_t upper_count, upper_room;
	uint64_t *expected, *found; /* bitmaps of `pages` bits */
	uint64_t dirty;             /* how many bits of expected are set */
	uint64_t random;
};

/* Maps `bytes` at IOVA in leaves of 2^leaf_shift bytes, writable-clean. */
void space_open(struct space *space, uint64_t bytes, uint32_t leaf_shift);
/* The same in parts: an empty table with room for so many pages; then what is mapped. */
void space_open_empty(struct space *space, uint64_t tables, const struct iopgt_config *config);
void space_map(struct space *space, uint64_t iova, uint64_t phys, uint64_t size);
/* Finds the tables of the tree; those found before are forgotten. */
void space_find_tables(struct space *space);
void space_make_bitmaps(struct space *space);
void space_close(struct space *space);

enum pattern {
	PATTERN_RANDOM,
	PATTERN_CLUSTERED, /* in runs of 32 to 287 pages */
};

/* Chooses percent of the pages and brings all descriptors to that state. */
void space_choose_dirty(struct space *space, unsigned percent, enum pattern pattern);
/* Makes the chosen pages dirty again after they were cleaned. */
void space_mark(struct space *space);
/* Descriptors that are dirty now. */
uint64_t space_dirty_descriptors(const struct space *space);
/* found == expected, or the end; `name` is the row's. */
void space_check_found(const struct space *space, const char *name);
void space_forget_found(struct space *space);

/*
 * A write by a walker with hardware management of dirty state and of the access flags
 * of tables. False: it faults.
 */
bool walker_write(uint64_t *root, uint64_t iova);
/* Sets the bit of a page in expected. */
void space_expect(struct space *space, uint64_t page);

static inline bool bit_is_set(const uint64_t *words, uint64_t bit)
{
	return ((const uint8_t *)words)[bit / 8] >> bit % 8 & 1;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "descriptors are read as they stand");

/* Where a page's descriptor is, in a space that has one range. */
static inline uint64_t *space_descriptor(const struct space *space, uint64_t page)
{
	return &space->leaves[page / TABLE_ENTRIES][page % TABLE_ENTRIES];
}

#endif
