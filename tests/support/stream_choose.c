/* SPDX-License-Identifier: BSD-2-Clause */
/* A random configuration: every legal geometry, some of the flags. */
#include "stream_private.h"

static unsigned restricted(struct stream *stream, int restriction, unsigned bound)
{
	unsigned pick = stream_below(stream, bound);

	return restriction == STREAM_ANY ? pick : (unsigned)restriction;
}

static void choose_granule(struct stream *stream)
{
	static const uint8_t granules[] = {12, 14, 16};
	struct iopgt_config *config = &stream->config;

	config->granule_shift = granules[stream_below(stream, 3)];
	if (stream->options->granule_shift != STREAM_ANY)
		config->granule_shift = stream->options->granule_shift;
	if (stream_is_aarch32(stream))
		config->granule_shift = 12;
	if (stream_is_aarch32(stream) || config->granule_shift == 16)
		return;
	if (stream_chance(stream, 4))
		config->flags |= IOPGT_CONFIG_LPA2;
}

/* More than 48 bits: DS = 1, or 64 KiB. */
static bool is_wide(const struct iopgt_config *config)
{
	return config->granule_shift == 16 || config->flags & IOPGT_CONFIG_LPA2;
}

static void choose_output_bits(struct stream *stream)
{
	static const uint8_t usual[] = {48, 40, 36, 32, 42, 44};
	static const uint8_t aarch32[] = {40, 36, 32};
	struct iopgt_config *config = &stream->config;

	if (stream_is_aarch32(stream))
		config->output_bits = aarch32[stream_below(stream, sizeof(aarch32))];
	else if (is_wide(config) && stream_chance(stream, 2))
		config->output_bits = 52;
	else
		config->output_bits = usual[stream_below(stream, sizeof(usual))];
}

static uint8_t most_input_bits(const struct stream *stream)
{
	const struct iopgt_config *config = &stream->config;
	uint8_t most = is_wide(config) ? 52 : 48;

	if (config->regime == IOPGT_STAGE1_AARCH32)
		most = 32;
	if (config->regime == IOPGT_STAGE2_AARCH32)
		most = 40;
	if (stream_is_stage2(stream) && most > config->output_bits)
		most = config->output_bits;
	return most;
}

/* Small tables are for TxSZ up to 48, with 64 KiB 47. */
static void choose_input_bits(struct stream *stream)
{
	static const uint8_t usual[] = {48, 39, 40, 36, 32, 47, 42, 30, 52};
	struct iopgt_config *config = &stream->config;
	uint8_t bits = usual[stream_below(stream, sizeof(usual))];
	uint8_t most = most_input_bits(stream), least = 25;

	if (!stream_is_aarch32(stream) && stream_chance(stream, 6)) {
		config->flags |= IOPGT_CONFIG_SMALL_TABLES;
		least = config->granule_shift == 16 ? 17 : 16;
		bits = least + stream_below(stream, 25 - least);
	}
	if (stream_chance(stream, 3))
		bits = least + stream_below(stream, most - least + 1u);
	config->input_bits = bits < most ? bits : most;
}

static void choose_flags(struct stream *stream)
{
	struct iopgt_config *config = &stream->config;

	if (stream_chance(stream, 2))
		config->flags |= IOPGT_CONFIG_FAULTS_RETRIED;
	if (config->regime == IOPGT_STAGE2 && stream_chance(stream, 3))
		config->flags |= IOPGT_CONFIG_FORCED_WRITE_BACK;
	if (config->regime == IOPGT_STAGE2 && stream_chance(stream, 3))
		config->flags |= IOPGT_CONFIG_XNX;
	if (config->regime == IOPGT_STAGE1_EL1 && stream_chance(stream, 4))
		config->flags |= IOPGT_CONFIG_TTBR1;
	if (!stream_is_stage2(stream) && stream_chance(stream, 4))
		config->flags |= IOPGT_CONFIG_SECURE;
	if (stream_chance(stream, 3))
		config->flags |= IOPGT_CONFIG_ACCESS_FLAG;
	if (config->dirty == IOPGT_DIRTY_NONE && stream_chance(stream, 2))
		config->flags |= IOPGT_CONFIG_NON_COHERENT;
	if (config->dirty == IOPGT_DIRTY_HARDWARE && stream_chance(stream, 2))
		config->flags |= IOPGT_CONFIG_TABLE_ACCESS_FLAG;
}

/* AArch32 has neither dirty management nor nT. */
static void choose_management(struct stream *stream)
{
	struct iopgt_config *config = &stream->config;

	config->bbm_level = restricted(stream, stream->options->bbm_level, 3);
	config->dirty = IOPGT_DIRTY_HARDWARE;
	if (stream_chance(stream, 4))
		config->dirty = stream_below(stream, 3);
	if (!stream_is_aarch32(stream))
		return;
	config->dirty = IOPGT_DIRTY_NONE;
	if (config->bbm_level == 1)
		config->bbm_level = 0;
}

/* Table D8-17, D8-27, D8-36 for blocks, D8-104 for contiguous groups. */
static const struct leaf_size {
	uint8_t granule_shift, shift;
	int8_t level;
	bool wide; /* only with DS = 1, or 52 output bits */
} leaf_sizes[] = {
	{12, 12, 3, false}, {12, 16, 3, false}, {12, 21, 2, false}, {12, 25, 2, false},
	{12, 30, 1, false}, {12, 34, 1, false}, {12, 39, 0, true},  {14, 14, 3, false},
	{14, 21, 3, false}, {14, 25, 2, false}, {14, 30, 2, false}, {14, 36, 1, true},
	{16, 16, 3, false}, {16, 21, 3, false}, {16, 29, 2, false}, {16, 34, 2, false},
	{16, 42, 1, true},
};

#define LEAF_SIZES (sizeof(leaf_sizes) / sizeof(*leaf_sizes))

static bool is_group(const struct leaf_size *size)
{
	return size->shift != size->granule_shift + (3 - size->level) * (size->granule_shift - 3);
}

static bool is_there(const struct stream *stream, const struct leaf_size *size, int start)
{
	const struct iopgt_config *config = &stream->config;

	if (size->granule_shift != config->granule_shift || size->level < start ||
	    size->shift > config->input_bits)
		return false;
	return !size->wide || config->flags & IOPGT_CONFIG_LPA2 ||
	       (size->granule_shift == 16 && config->output_bits == 52);
}

/* All that there are, with or without groups. */
static uint64_t all_leaf_sizes(struct stream *stream, bool groups)
{
	struct walker_config config = stream_walker_base(stream);
	uint64_t sizes = 0;
	unsigned tables;
	int start;

	if (!walker_start_level(&config, &start, &tables))
		stream_fail(stream, "the walker cannot have this configuration");
	for (size_t i = 0; i < LEAF_SIZES; i++)
		if (is_there(stream, &leaf_sizes[i], start) &&
		    (groups || !is_group(&leaf_sizes[i])))
			sizes |= UINT64_C(1) << leaf_sizes[i].shift;
	return sizes;
}

/* No block without that of the size below, no group without its entries' size. */
static uint64_t some_leaf_sizes(struct stream *stream, uint64_t all)
{
	uint64_t some = UINT64_C(1) << stream->config.granule_shift;
	bool gap = false;

	for (size_t i = 0; i < LEAF_SIZES; i++) {
		uint64_t size = UINT64_C(1) << leaf_sizes[i].shift;

		if (leaf_sizes[i].granule_shift != stream->config.granule_shift || !(all & size) ||
		    size == (some & -some))
			continue;
		if (is_group(&leaf_sizes[i])) {
			some |= !gap && stream_chance(stream, 2) ? size : 0;
			continue;
		}
		gap |= stream_chance(stream, 3);
		some |= gap ? 0 : size;
	}
	return some;
}

static void choose_leaf_sizes(struct stream *stream)
{
	uint64_t all = all_leaf_sizes(stream, true), told = iopgt_all_leaf_sizes(&stream->config);

	if (told != all)
		stream_fail(stream, "all_leaf_sizes is 0x%" PRIx64 ", not 0x%" PRIx64, told, all);
	switch (stream_below(stream, 4)) {
	case 0:
		stream->config.leaf_sizes = 0;
		stream->leaf_sizes = all_leaf_sizes(stream, false);
		return;
	case 1:
		all = some_leaf_sizes(stream, all);
		break;
	default:
		break;
	}
	stream->config.leaf_sizes = stream->leaf_sizes = all;
}

void stream_choose_config(struct stream *stream)
{
	struct iopgt_config *config = &stream->config;

	config->regime = restricted(stream, stream->options->regime, IOPGT_REGIMES);
	choose_granule(stream);
	choose_output_bits(stream);
	choose_input_bits(stream);
	choose_management(stream);
	choose_flags(stream);
	choose_leaf_sizes(stream);
	stream->space_last = (UINT64_C(1) << config->input_bits) - 1;
	if (config->flags & IOPGT_CONFIG_TTBR1) {
		stream->space_first = ~stream->space_last;
		stream->space_last = UINT64_MAX;
	}
}
