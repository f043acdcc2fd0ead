/* SPDX-License-Identifier: BSD-2-Clause */
#include "common.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const struct iopgt_config *described;

void fuzz_describe(const struct iopgt_config *config)
{
	described = config;
}

static void describe(const struct iopgt_config *config)
{
	fprintf(stderr,
	        "regime %" PRIu32 " granule %u input %u output %u bbm %u dirty %" PRIu32
	        " flags 0x%" PRIx32 " leaves 0x%" PRIx64 "\n",
	        config->regime, config->granule_shift, config->input_bits, config->output_bits,
	        config->bbm_level, config->dirty, config->flags, config->leaf_sizes);
}

void fuzz_fail(const char *file, int line, const char *text, uint64_t a, uint64_t b)
{
	fprintf(stderr, "%s:%d: %s (0x%" PRIx64 ", 0x%" PRIx64 ")\n", file, line, text, a, b);
	if (described)
		describe(described);
	abort();
}

bool fuzz_is_among(int error, const int *allowed, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (allowed[i] == error)
			return true;
	return false;
}

uint64_t fuzz_number(struct source *source)
{
	uint64_t near = BIT(source_below(source, 64));

	switch (source_below(source, 6)) {
	case 0:
		return near;
	case 1:
		return near - 1 - source_below(source, 4);
	case 2:
		return near + source_below(source, 256);
	case 3:
		return 0 - near;
	case 4:
		return source_below(source, 16);
	default:
		return source_take(source, 8);
	}
}

uint64_t fuzz_address(struct source *source, const struct iopgt_config *config)
{
	uint64_t space = BIT(config->input_bits), offset;

	switch (source_below(source, 4)) {
	case 0:
		offset = source_below(source, 1 << 24);
		break;
	case 1:
		offset = 0 - 1 - source_below(source, 1 << 24);
		break;
	default:
		offset = fuzz_number(source);
	}
	return fuzz_first(config) | (offset & (space - 1));
}

struct fuzz_range fuzz_choose_range(struct source *source, const struct iopgt_config *config)
{
	uint64_t granule = fuzz_granule(config), left, size;
	struct fuzz_range range;

	range.iova = fuzz_address(source, config) & ~(granule - 1);
	left = fuzz_last(config) - range.iova + 1; /* 0 is 2^64, which no space has */
	switch (source_below(source, 4)) {
	case 0:
		size = granule;
		break;
	case 1:
		size = granule * (1 + source_below(source, 1 << 12));
		break;
	case 2:
		size = granule << source_below(source, 40);
		break;
	default:
		size = left;
	}
	range.size = size < left ? size : left;
	return range;
}

static bool is_wide(const struct iopgt_config *config)
{
	return config->granule_shift == 16 || config->flags & IOPGT_CONFIG_LPA2;
}

static void choose_sizes(struct source *source, struct iopgt_config *config)
{
	static const uint8_t outputs[] = {48, 40, 36, 32, 42, 44, 52};
	unsigned least = 25, most = is_wide(config) ? 52 : 48;

	config->output_bits = outputs[source_below(source, 6 + is_wide(config))];
	if (fuzz_is_aarch32(config)) {
		config->output_bits = outputs[1 + source_below(source, 3)];
		most = config->regime == IOPGT_STAGE1_AARCH32 ? 32 : 40;
	} else if (source_chance(source, 5)) {
		config->flags |= IOPGT_CONFIG_SMALL_TABLES;
		least = config->granule_shift == 16 ? 17 : 16;
	}
	if (fuzz_is_stage2(config) && most > config->output_bits)
		most = config->output_bits;
	config->input_bits = most - source_below(source, most - least + 1);
}

static void choose_flags(struct source *source, struct iopgt_config *config)
{
	static const uint32_t of_regime[] = {
		[IOPGT_STAGE1_EL1] = IOPGT_CONFIG_TTBR1 | IOPGT_CONFIG_SECURE,
		[IOPGT_STAGE1_EL2] = IOPGT_CONFIG_SECURE,
		[IOPGT_STAGE2] = IOPGT_CONFIG_FORCED_WRITE_BACK | IOPGT_CONFIG_XNX,
		[IOPGT_STAGE1_AARCH32] = IOPGT_CONFIG_SECURE,
		[IOPGT_STAGE2_AARCH32] = 0,
	};
	uint32_t may =
		of_regime[config->regime] | IOPGT_CONFIG_FAULTS_RETRIED | IOPGT_CONFIG_ACCESS_FLAG;

	if (config->dirty == IOPGT_DIRTY_NONE)
		may |= IOPGT_CONFIG_NON_COHERENT;
	if (config->dirty == IOPGT_DIRTY_HARDWARE)
		may |= IOPGT_CONFIG_TABLE_ACCESS_FLAG;
	config->flags |= (uint32_t)source_take(source, 2) & may;
}

void fuzz_choose_config(struct source *source, struct iopgt_config *config)
{
	static const uint8_t granules[] = {12, 14, 16};

	*config = (struct iopgt_config){
		.regime = source_below(source, IOPGT_REGIMES),
		.granule_shift = granules[source_below(source, 3)],
		.bbm_level = source_below(source, 3),
		.dirty = (IOPGT_DIRTY_HARDWARE + source_below(source, 3)) % 3,
	};
	if (fuzz_is_aarch32(config)) {
		config->granule_shift = 12;
		config->bbm_level &= 2;
		config->dirty = IOPGT_DIRTY_NONE;
	} else if (config->granule_shift != 16 && source_chance(source, 4)) {
		config->flags |= IOPGT_CONFIG_LPA2;
	}
	choose_sizes(source, config);
	choose_flags(source, config);
	if (source_chance(source, 2))
		config->leaf_sizes = iopgt_all_leaf_sizes(config);
}

static uint32_t walker_flags(const struct iopgt_config *config)
{
	static const struct {
		uint32_t config, walker;
	} same[] = {
		{IOPGT_CONFIG_FORCED_WRITE_BACK, WALKER_FWB},
		{IOPGT_CONFIG_LPA2, WALKER_LPA2},
		{IOPGT_CONFIG_SMALL_TABLES, WALKER_SMALL_TABLES},
		{IOPGT_CONFIG_TTBR1, WALKER_TTBR1},
		{IOPGT_CONFIG_SECURE, WALKER_SECURE},
		{IOPGT_CONFIG_XNX, WALKER_XNX},
		{IOPGT_CONFIG_NON_COHERENT, WALKER_NON_COHERENT},
	};
	uint32_t flags = config->regime == IOPGT_STAGE1_EL2 ? WALKER_EL2 : 0;

	if (fuzz_is_aarch32(config))
		flags |= WALKER_AARCH32;
	for (size_t i = 0; i < COUNT(same); i++)
		if (config->flags & same[i].config)
			flags |= same[i].walker;
	return flags;
}

struct walker_config fuzz_walker(const struct iopgt_config *config, struct pool *pool,
                                 uint64_t root)
{
	return (struct walker_config){
		.pool = pool,
		.root = root,
		.flags = walker_flags(config),
		.stage = fuzz_is_stage2(config) ? 2 : 1,
		.granule_shift = config->granule_shift,
		.input_bits = config->input_bits,
		.output_bits = config->output_bits,
		.bbm_level = 2, /* it looks, and minds nothing that changes */
	};
}
