/* SPDX-License-Identifier: BSD-2-Clause */
#include "format/geometry.h"

#include "format/regime.h"

#define CONCATENATED_MAX_BITS 4 /* up to 16 tables at the start level (D8.2.2) */
#define START_TABLE_BYTES_MIN 64
#define AARCH32_OUTPUT_BITS   40

/* Addresses beyond 48 bits: with 64 KiB pages (FEAT_LPA, FEAT_LVA), else with DS = 1. */
static bool has_52_bits(const struct iopgt_config *config)
{
	return config->granule_shift == 16 || (config->flags & IOPGT_CONFIG_LPA2);
}

static int check_output_bits(const struct iopgt_config *config)
{
	static const uint8_t sizes[] = {32, 36, 40, 42, 44, 48, 52};
	unsigned bits = config->output_bits;

	if (regime_is_aarch32(config->regime) && bits > AARCH32_OUTPUT_BITS)
		return IOPGT_BAD_OUTPUT_BITS;
	if (bits == 52 && !has_52_bits(config))
		return IOPGT_BAD_OUTPUT_BITS;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (sizes[i] == bits)
			return IOPGT_OK;
	}
	return IOPGT_BAD_OUTPUT_BITS;
}

/* D8.2: TxSZ is at most 39, or with small tables 48, 47 with 64 KiB pages. */
static unsigned input_bits_min(const struct iopgt_config *config)
{
	if (!(config->flags & IOPGT_CONFIG_SMALL_TABLES))
		return 25;
	return config->granule_shift == 16 ? 17 : 16;
}

static unsigned input_bits_max(const struct iopgt_config *config)
{
	if (config->regime == IOPGT_STAGE1_AARCH32)
		return 32;
	if (config->regime == IOPGT_STAGE2_AARCH32)
		return AARCH32_OUTPUT_BITS;
	return has_52_bits(config) ? 52 : 48;
}

static int check_input_bits(const struct iopgt_config *config)
{
	unsigned bits = config->input_bits;

	if (bits < input_bits_min(config) || bits > input_bits_max(config))
		return IOPGT_BAD_INPUT_BITS;
	/* D8.2.3: stage 2 translates no more than there are physical addresses. */
	if (regime_is_stage2(config->regime) && bits > config->output_bits)
		return IOPGT_BAD_INPUT_BITS;
	return IOPGT_OK;
}

/* Index bits of a table below the start table. */
static unsigned level_bits(const struct iopgt_geometry *g)
{
	return g->granule_shift - 3u;
}

void iopgt_geometry_set_levels(struct iopgt_geometry *g)
{
	g->input_last = g->input_first | (geometry_input_size(g) - 1);
	g->output_last = (UINT64_C(1) << g->output_bits) - 1;
	for (int level = -1; level <= IOPGT_LAST_LEVEL; level++) {
		unsigned shift =
			g->granule_shift + (unsigned)(IOPGT_LAST_LEVEL - level) * level_bits(g);
		unsigned bits = level == g->start_level ? g->input_bits - shift : level_bits(g);

		g->shift[level + 1] = (uint8_t)shift;
		g->last_index[level + 1] = (UINT32_C(1) << (bits & 31)) - 1;
	}
}

static int start_level_of(const struct iopgt_geometry *g, bool stage2)
{
	int level = IOPGT_LAST_LEVEL;

	while (geometry_shift(g, level) + level_bits(g) < g->input_bits)
		level--;
	/*
	 * A start table of at most 16 entries is replaced by that many tables one
	 * level down, but for 4 KiB at level 3, which would need small-table support.
	 */
	if (stage2 && g->input_bits - geometry_shift(g, level) <= CONCATENATED_MAX_BITS &&
	    level < (g->granule_shift == 12 ? 2 : IOPGT_LAST_LEVEL))
		level++;
	return level;
}

/* The highest level that has blocks (D8.3.1). */
static int block_level_of(const struct iopgt_config *config)
{
	if (config->granule_shift == 16)
		return config->output_bits == 52 ? 1 : 2;
	if (config->granule_shift == 14)
		return config->flags & IOPGT_CONFIG_LPA2 ? 1 : 2;
	return config->flags & IOPGT_CONFIG_LPA2 ? 0 : 1;
}

/* Pages and blocks; one larger than the start level's entries never fits. */
static uint64_t single_sizes_of(const struct iopgt_geometry *g, const struct iopgt_config *config)
{
	int level = block_level_of(config);
	uint64_t sizes = 0;

	for (level = level < g->start_level ? g->start_level : level; level <= IOPGT_LAST_LEVEL;
	     level++)
		sizes |= geometry_size(g, level);
	return sizes;
}

/* D8.7.1, by granule and level 3 to 1; level 0 has none. */
static void set_group_bits(struct iopgt_geometry *g)
{
	static const uint8_t group_bits[3][3] = {{4, 4, 4}, {7, 5, 0}, {5, 5, 0}};

	for (int level = IOPGT_LAST_LEVEL; level > 0; level--) {
		unsigned bits = group_bits[(g->granule_shift - 12u) >> 1][IOPGT_LAST_LEVEL - level];

		/* A group does not pass the end of the input space (R_WMNPV). */
		if (level >= g->start_level && geometry_shift(g, level) + bits <= g->input_bits)
			g->group_bits[level + 1] = (uint8_t)bits;
	}
}

static uint64_t group_sizes_of(const struct iopgt_geometry *g, uint64_t single_sizes)
{
	uint64_t sizes = 0;

	for (int level = g->start_level; level <= IOPGT_LAST_LEVEL; level++) {
		if (geometry_group_bits(g, level) && (single_sizes & geometry_size(g, level)))
			sizes |= geometry_group_size(g, level);
	}
	return sizes;
}

uint64_t iopgt_geometry_all_leaf_sizes(const struct iopgt_geometry *g,
                                       const struct iopgt_config *config)
{
	uint64_t singles = single_sizes_of(g, config);

	return singles | group_sizes_of(g, singles);
}

/* What the granule has, whatever the input space is. Level 0 is the highest with blocks. */
static struct iopgt_geometry boundless(const struct iopgt_config *config)
{
	struct iopgt_geometry all = {.granule_shift = config->granule_shift, .input_bits = 63};

	iopgt_geometry_set_levels(&all);
	set_group_bits(&all);
	return all;
}

/* Sizes that are legal, but too large for this input space, are left out. */
static int init_leaf_sizes(struct iopgt_geometry *g, const struct iopgt_config *config)
{
	struct iopgt_geometry all = boundless(config);
	uint64_t singles = single_sizes_of(&all, config);
	uint64_t wanted = config->leaf_sizes ? config->leaf_sizes : singles;
	uint64_t missing = singles & ~wanted;

	if (wanted & ~(singles | group_sizes_of(&all, wanted & singles)))
		return IOPGT_BAD_LEAF_SIZES;
	/*
	 * A block is split one level at a time: no size is missing below one that is allowed.
	 * So there are pages, since `wanted` has a single size at least.
	 */
	if (missing && (missing & -missing) < (wanted & singles))
		return IOPGT_BAD_LEAF_SIZES;
	g->leaf_sizes = wanted & iopgt_geometry_all_leaf_sizes(g, config);
	return IOPGT_OK;
}

int iopgt_geometry_init(struct iopgt_geometry *g, const struct iopgt_config *config)
{
	unsigned shift = config->granule_shift;
	int err;

	if ((shift != 12 && shift != 14 && shift != 16) ||
	    (regime_is_aarch32(config->regime) && shift != 12))
		return IOPGT_BAD_GRANULE;
	err = check_output_bits(config);
	if (!err)
		err = check_input_bits(config);
	if (err)
		return err;
	*g = (struct iopgt_geometry){
		.granule_shift = (uint8_t)shift,
		.input_bits = config->input_bits,
		.output_bits = config->output_bits,
	};
	if (config->flags & IOPGT_CONFIG_TTBR1)
		g->input_first = ~(geometry_input_size(g) - 1);
	/* Its shifts are needed to find the start level. */
	iopgt_geometry_set_levels(g);
	g->start_level = (int8_t)start_level_of(g, regime_is_stage2(config->regime));
	iopgt_geometry_set_levels(g);
	g->root_bytes = geometry_entries(g, g->start_level) * (uint32_t)sizeof(uint64_t);
	if (g->root_bytes < START_TABLE_BYTES_MIN)
		g->root_bytes = START_TABLE_BYTES_MIN;
	set_group_bits(g);
	return init_leaf_sizes(g, config);
}
