/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/direct.h"

/* The least that an address has: translate describes a leaf in so many bits. */
#define BITS_SAID ((UINT64_C(1) << 26) - 1)

void iopgt_direct_init(struct iopgt_table *table)
{
	const struct iopgt_format *f = &table->format;
	const struct iopgt_geometry *g = &table->geometry;
	uint64_t size = g->input_last - g->input_first + 1;

	/* What is remembered of leaves stands where they have their address. */
	IOPGT_ASSERT(!(~f->address_low & (BITS_SAID << g->granule_shift)));
	table->plain = !table->non_coherent && !table->grouped && !f->address_high &&
	               (f->table_value & f->present);
	table->direct.table_value = f->table_value;
	table->direct.no_address = ~f->address_low;
	table->direct.linear_offset = table->linear_offset;
	table->last_kind = UINT64_MAX; /* of no leaf */
	if (!table->plain || !table->linear || f->walked || g->granule_shift != DIRECT_PAGE_SHIFT)
		return;
	if (g->start_level == 0)
		table->direct.four_levels = size;
	if (g->start_level == 1)
		table->direct.three_levels = size;
	if (g->start_level == 0 || g->start_level == 1)
		table->direct.page_bytes = DIRECT_PAGE;
}

static inline live_descriptor *find_page(const struct iopgt_table *table, uint64_t iova, bool asks)
{
	struct direct_place place = direct_find(table, iova, table->format.unsettled, asks);

	return place.level == IOPGT_LAST_LEVEL ? place.entry : NULL;
}

/* Apart, since calls cost registers. */
static __attribute__((noinline)) live_descriptor *ask_for_page(const struct iopgt_table *table,
                                                               uint64_t iova)
{
	return find_page(table, iova, true);
}

live_descriptor *iopgt_direct_pages(const struct iopgt_table *table, struct iopgt_range range)
{
	uint64_t low = geometry_size(&table->geometry, IOPGT_LAST_LEVEL - 1) - 1;
	live_descriptor *entry;

	if (!table->plain || (range.first ^ range.last) > low || range.last - range.first == low)
		return NULL;
	if (table->direct.page_bytes && direct_walk(table, range.first, &entry))
		return entry;
	return table->linear ? find_page(table, range.first, false)
	                     : ask_for_page(table, range.first);
}
