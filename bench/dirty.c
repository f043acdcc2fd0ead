/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages that walkers wrote to. */
#include "space.h"

#include <string.h>

void space_expect(struct space *space, uint64_t page)
{
	uint8_t *byte = (uint8_t *)space->expected + page / 8;

	space->dirty += !(*byte >> page % 8 & 1);
	*byte |= (uint8_t)(1u << page % 8);
}

static void choose(struct space *space, uint64_t count, enum pattern pattern)
{
	memset(space->expected, count == space->pages ? 0xFF : 0, space->pages / 8);
	space->dirty = count == space->pages ? count : 0;
	while (space->dirty < count) {
		uint64_t page = random_below(&space->random, space->pages), run = 1;

		if (pattern == PATTERN_CLUSTERED)
			run = 32 + random_below(&space->random, 256);
		for (; run && page < space->pages && space->dirty < count; run--)
			space_expect(space, page++);
	}
}

static void clean_all(struct space *space)
{
	for (uint64_t t = 0; t < space->leaf_count; t++) {
		for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
			if ((space->leaves[t][i] & DESCRIPTOR_WRITABLE) != DESCRIPTOR_WRITABLE)
				die_text("a descriptor is not writable and tracked");
			space->leaves[t][i] |= DESCRIPTOR_AP2;
		}
	}
}

void space_mark(struct space *space)
{
	for (uint64_t w = 0; w < space->pages / 64; w++) {
		uint64_t *entries = space_descriptor(space, 64 * w);

		for (uint64_t word = space->expected[w]; word; word &= word - 1)
			entries[__builtin_ctzll(word)] &= ~DESCRIPTOR_AP2;
	}
}

void space_choose_dirty(struct space *space, unsigned percent, enum pattern pattern)
{
	choose(space, space->pages * percent / 100, pattern);
	clean_all(space);
	space_mark(space);
}

uint64_t space_dirty_descriptors(const struct space *space)
{
	uint64_t count = 0;

	for (uint64_t t = 0; t < space->leaf_count; t++) {
		for (unsigned i = 0; i < TABLE_ENTRIES; i++)
			count += (space->leaves[t][i] & (DESCRIPTOR_DBM | DESCRIPTOR_AP2)) ==
			         DESCRIPTOR_DBM;
	}
	return count;
}

void space_forget_found(struct space *space)
{
	memset(space->found, 0, (space->pages + 63) / 64 * 8);
}

void space_check_found(const struct space *space, const char *name)
{
	if (memcmp(space->found, space->expected, (space->pages + 63) / 64 * 8) == 0)
		return;
	fprintf(stderr, "%s: ", name);
	die_text("the bitmap is wrong");
}

bool walker_write(uint64_t *root, uint64_t iova)
{
	uint64_t *table = root;

	for (unsigned shift = PAGE_SHIFT + 9 * LAST_LEVEL;; shift -= 9) {
		uint64_t *entry = &table[iova >> shift & (TABLE_ENTRIES - 1)];
		uint64_t d = *entry;

		if (!(d & DESCRIPTOR_VALID))
			return false;
		if (shift > PAGE_SHIFT && (d & DESCRIPTOR_TABLE)) {
			*entry = d | DESCRIPTOR_AF;
			table = (uint64_t *)(uintptr_t)(d & DESCRIPTOR_ADDRESS);
			continue;
		}
		if ((d & DESCRIPTOR_AP2) && !(d & DESCRIPTOR_DBM))
			return false;
		*entry = d & ~DESCRIPTOR_AP2;
		return true;
	}
}
