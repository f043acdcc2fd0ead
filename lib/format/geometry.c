/* SPDX-License-Identifier: BSD-2-Clause */
#include "format/geometry.h"

#define INPUT_BITS_MIN        25
#define INPUT_BITS_MAX        48
#define CONCATENATED_MAX_BITS 4 /* up to 16 tables at the start level (D8.2.2) */
#define START_TABLE_BYTES_MIN 64

static bool output_bits_known(unsigned bits)
{
	static const uint8_t sizes[] = {32, 36, 40, 42, 44, 48};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (sizes[i] == bits)
			return true;
	}
	return false;
}

/* Pages, and blocks at the levels that have them below 52 bits (D8.3.1). */
static uint64_t leaf_sizes_of(const struct iopgt_geometry *g)
{
	uint64_t sizes = geometry_granule(g) | geometry_size(g, 2);

	if (g->granule_shift == 12)
		sizes |= geometry_size(g, 1);
	return sizes;
}

static int start_level_of(const struct iopgt_geometry *g, bool stage2)
{
	int level = IOPGT_LAST_LEVEL;

	while (geometry_shift(g, level) + g->level_bits < g->input_bits)
		level--;
	/*
	 * A start table of at most 16 entries is replaced by that many tables one
	 * level down, but for 4 KiB at level 3, which needs small-table support.
	 */
	if (stage2 && g->input_bits - geometry_shift(g, level) <= CONCATENATED_MAX_BITS &&
	    level < (g->granule_shift == 12 ? 2 : IOPGT_LAST_LEVEL))
		level++;
	return level;
}

static int init_leaf_sizes(struct iopgt_geometry *g, uint64_t wanted)
{
	uint64_t possible = leaf_sizes_of(g);
	uint64_t missing;

	if (!wanted)
		wanted = possible;
	missing = possible & ~wanted;
	if ((wanted & ~possible) || !(wanted & geometry_granule(g)))
		return IOPGT_BAD_LEAF_SIZES;
	/* A block is split one level at a time: no size is missing below one that is allowed. */
	if (missing && (missing & -missing) < wanted)
		return IOPGT_BAD_LEAF_SIZES;
	/* A block larger than the start level's entries never fits. */
	g->leaf_sizes = wanted & ((geometry_size(g, g->start_level) << 1) - 1);
	return IOPGT_OK;
}

int iopgt_geometry_init(struct iopgt_geometry *g, const struct iopgt_config *config)
{
	bool stage2 = config->regime == IOPGT_STAGE2;
	unsigned shift = config->granule_shift;

	if (shift != 12 && shift != 14 && shift != 16)
		return IOPGT_BAD_GRANULE;
	if (!output_bits_known(config->output_bits))
		return IOPGT_BAD_OUTPUT_BITS;
	if (config->input_bits < INPUT_BITS_MIN || config->input_bits > INPUT_BITS_MAX)
		return IOPGT_BAD_INPUT_BITS;
	/* D8.2.3: stage 2 translates no more than there are physical addresses. */
	if (stage2 && config->input_bits > config->output_bits)
		return IOPGT_BAD_INPUT_BITS;
	*g = (struct iopgt_geometry){
		.granule_shift = (uint8_t)shift,
		.level_bits = (uint8_t)(shift - 3),
		.input_bits = config->input_bits,
		.output_bits = config->output_bits,
	};
	g->start_level = (int8_t)start_level_of(g, stage2);
	g->root_bytes = geometry_entries(g, g->start_level) * (uint32_t)sizeof(uint64_t);
	if (g->root_bytes < START_TABLE_BYTES_MIN)
		g->root_bytes = START_TABLE_BYTES_MIN;
	return init_leaf_sizes(g, config->leaf_sizes);
}
