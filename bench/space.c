/* SPDX-License-Identifier: BSD-2-Clause */
#include "space.h"

#include <stdlib.h>
#include <string.h>

static void map_or_die(struct iopgt_table *table, const struct iopgt_mapping *mapping)
{
	struct iopgt_op op = {0};
	int error = iopgt_map(table, mapping, &op);

	if (error == IOPGT_OK)
		error = iopgt_op_finish(&op);
	if (error != IOPGT_OK)
		die("map", error);
}

void space_map(struct space *space, uint64_t iova, uint64_t phys, uint64_t size)
{
	struct iopgt_mapping mapping = {
		.iova = iova,
		.phys = phys,
		.size = size,
		.prot = IOPGT_READ | IOPGT_WRITE | IOPGT_CLEAN,
		.memory = IOPGT_WRITE_BACK,
	};

	map_or_die(&space->table, &mapping);
}

static void append(uint64_t ***list, uint64_t *count, uint64_t *room, uint64_t *table)
{
	if (*count == *room) {
		*room = *room ? 2 * *room : 1024;
		*list = checked(realloc(*list, *room * sizeof(uint64_t *)));
	}
	(*list)[(*count)++] = table;
}

static void append_leaves(struct space *space, uint64_t *table, uint64_t iova)
{
	uint64_t room = space->leaf_room;

	append(&space->leaves, &space->leaf_count, &space->leaf_room, table);
	if (room != space->leaf_room)
		space->leaf_iova =
			checked(realloc(space->leaf_iova, space->leaf_room * sizeof(uint64_t)));
	space->leaf_iova[space->leaf_count - 1] = iova;
}

/* The table at `level`, and all below; a table of blocks is a leaf table too. */
static void find_below(struct space *space, uint64_t *table, unsigned level, uint64_t iova)
{
	unsigned shift = PAGE_SHIFT + 9 * (LAST_LEVEL - level);
	bool has_leaves = level == LAST_LEVEL;

	for (unsigned i = 0; i < TABLE_ENTRIES && level != LAST_LEVEL; i++) {
		uint64_t d = table[i];

		if (!(d & DESCRIPTOR_VALID))
			continue;
		if (d & DESCRIPTOR_TABLE)
			find_below(space, (uint64_t *)(uintptr_t)(d & DESCRIPTOR_ADDRESS),
			           level + 1, iova + ((uint64_t)i << shift));
		else
			has_leaves = true;
	}
	if (has_leaves)
		append_leaves(space, table, iova);
	else
		append(&space->upper, &space->upper_count, &space->upper_room, table);
}

void space_find_tables(struct space *space)
{
	space->leaf_count = 0;
	space->upper_count = 0;
	find_below(space, space->table.root, 0, 0);
}

void space_make_bitmaps(struct space *space)
{
	space->expected = checked(calloc((space->pages + 63) / 64, 8));
	space->found = checked(calloc((space->pages + 63) / 64, 8));
}

void space_open_empty(struct space *space, uint64_t tables, const struct iopgt_config *config)
{
	int error;

	*space = (struct space){.random = RANDOM_SEED, .leaf_shift = PAGE_SHIFT};
	arena_open(&space->arena, tables);
	error = iopgt_init(&space->table, config, &bench_hal, &space->arena);
	if (error != IOPGT_OK)
		die("init", error);
}

void space_open(struct space *space, uint64_t bytes, uint32_t leaf_shift)
{
	struct iopgt_config config = bench_config(
		leaf_shift == PAGE_SHIFT ? PAGE_BYTES : PAGE_BYTES | UINT64_C(1) << leaf_shift);
	uint64_t leaf_tables = (bytes >> leaf_shift) / TABLE_ENTRIES;

	space_open_empty(space, leaf_tables + leaf_tables / 256 + 64, &config);
	space->iova = IOVA;
	space->leaf_shift = leaf_shift;
	space->pages = bytes >> leaf_shift;
	space_map(space, IOVA, PHYS, bytes);
	space_find_tables(space);
	if (space->leaf_count != (space->pages + TABLE_ENTRIES - 1) / TABLE_ENTRIES)
		die_text("the tree does not have the leaf tables that it should have");
	space_make_bitmaps(space);
}

void space_close(struct space *space)
{
	int error = iopgt_fini(&space->table);

	if (error != IOPGT_OK)
		die("fini", error);
	if (space->arena.free_count != space->arena.count)
		die_text("table memory was not given back");
	arena_close(&space->arena);
	free(space->leaves);
	free(space->leaf_iova);
	free(space->upper);
	free(space->expected);
	free(space->found);
}
