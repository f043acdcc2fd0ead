/* SPDX-License-Identifier: BSD-2-Clause */
/* Which configurations are legal, how many, and what leaf sizes they have: by the specification. */
#ifndef TEST_CONFORMANCE_H
#define TEST_CONFORMANCE_H

#include <inttypes.h>

#include "fixture.h"

#define INPUT_FIRST 15
#define INPUT_LAST  53
#define INPUTS      (INPUT_LAST - INPUT_FIRST + 1)
#define OUTPUTS     7
#define FLAG_SETS   8
#define ALL         (IOPGT_REGIMES * 3 * INPUTS * OUTPUTS * FLAG_SETS * 2)

/*
 * How many are legal. Input sizes (facts of D8.2; TxSZ at least 16, or 12 with DS
 * or 64 KiB; at most 39, or with small tables 48, or 47 with 64 KiB):
 *
 *                           usual      small tables   output sizes
 *     4, 16 KiB, DS = 0   25 to 48: 24   16 to 48: 33   6, up to 48
 *     4, 16 KiB, DS = 1   25 to 52: 28   16 to 52: 37   7, up to 52
 *     64 KiB              25 to 52: 28   17 to 52: 36   7
 *
 * Stage 1 takes any input size with any output size. DS is not for 64 KiB.
 */
#define STAGE1 (2 * ((24 + 33) * 6 + (28 + 37) * 7) + (28 + 36) * 7)
/*
 * Stage 2 takes for an output size o the input sizes from the least one to o, o -
 * least + 1 of them. The output sizes add up to 242, with 52 to 294. (Where the
 * size of the output forbids a start level, the input is larger than it anyway:
 * 4 KiB starts at level 0 from 44 bits on, 16 KiB at level 1 from 41 and at level 0
 * with 52, 64 KiB at level 1 from 47.)
 */
#define SMALLER(sum, count, least) ((sum) - (count) * ((least)-1))
#define STAGE2_NARROW              (SMALLER(242, 6, 25) + SMALLER(242, 6, 16))
#define STAGE2_WIDE                (SMALLER(294, 7, 25) + SMALLER(294, 7, 16))
#define STAGE2_64K                 (SMALLER(294, 7, 25) + SMALLER(294, 7, 17))
#define STAGE2                     (2 * (STAGE2_NARROW + STAGE2_WIDE) + STAGE2_64K)
/*
 * AArch32: 4 KiB, output 32, 36 or 40 bits; stage 1 25 to 32 input bits, stage 2 25
 * to 40 and at most the output. TTBR1 is for EL1 alone. Each with and without groups.
 */
#define AARCH32_STAGE1 (8 * 3)
#define AARCH32_STAGE2 (8 + 12 + 16)
#define LEGAL          (2 * (2 * STAGE1 + STAGE1 + STAGE2 + AARCH32_STAGE1 + AARCH32_STAGE2))

static const uint8_t granules[] = {12, 14, 16};
static const uint8_t outputs[OUTPUTS] = {32, 36, 40, 42, 44, 48, 52};
static const uint32_t flag_bits[] = {IOPGT_CONFIG_LPA2, IOPGT_CONFIG_SMALL_TABLES,
                                     IOPGT_CONFIG_TTBR1};

/* What is wrong with a configuration: any of these may be the answer. */
enum fault {
	BAD_FLAGS = 1 << 0,
	BAD_GRANULE = 1 << 1,
	BAD_INPUT = 1 << 2,
	BAD_OUTPUT = 1 << 3,
};

struct combination {
	struct iopgt_config config;
	bool groups;
	uint32_t number;
	/* Of a legal one */
	struct test_host *host;
	struct iopgt_table table;
	struct walker *walker;
	uint64_t first, last, granule, sizes, output_last;
	int start;
};

static inline bool has(const struct combination *c, uint32_t flag)
{
	return c->config.flags & flag;
}

static inline bool is_32(const struct combination *c)
{
	return c->config.regime == IOPGT_STAGE1_AARCH32 || c->config.regime == IOPGT_STAGE2_AARCH32;
}

static inline bool is_stage2(const struct combination *c)
{
	return c->config.regime == IOPGT_STAGE2 || c->config.regime == IOPGT_STAGE2_AARCH32;
}

static inline void fail_at(const struct combination *c, int line, const char *what, uint64_t value)
{
	print_error("line %d: %s (0x%" PRIx64 ")\n\tregime %" PRIu32
	            ", granule 2^%u, input %u, output %u, flags 0x%" PRIx32 ", %s\n",
	            line, what, value, c->config.regime, c->config.granule_shift,
	            c->config.input_bits, c->config.output_bits, c->config.flags,
	            c->groups ? "groups" : "no groups");
	fail();
}

#define REQUIRE(c, condition, value)                                                               \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail_at(c, __LINE__, #condition, value);                                   \
	} while (0)

/* --- What is legal --- */

static inline uint32_t flag_faults(const struct combination *c)
{
	bool wrong = has(c, IOPGT_CONFIG_LPA2) && c->config.granule_shift == 16;

	wrong |= has(c, IOPGT_CONFIG_TTBR1) && c->config.regime != IOPGT_STAGE1_EL1;
	wrong |= is_32(c) && c->config.flags;
	return wrong ? BAD_FLAGS : 0;
}

static inline uint32_t size_faults(const struct combination *c)
{
	bool wide = has(c, IOPGT_CONFIG_LPA2) || c->config.granule_shift == 16;
	unsigned least = 25, most = wide ? 52 : 48;
	uint32_t faults = 0;

	if (has(c, IOPGT_CONFIG_SMALL_TABLES))
		least = c->config.granule_shift == 16 ? 17 : 16;
	if (is_32(c)) {
		least = 25;
		most = is_stage2(c) ? 40 : 32;
	}
	if (is_stage2(c) && most > c->config.output_bits)
		most = c->config.output_bits;
	if (c->config.input_bits < least || c->config.input_bits > most)
		faults |= BAD_INPUT;
	if (c->config.output_bits > (is_32(c) ? 40 : wide ? 52 : 48))
		faults |= BAD_OUTPUT;
	return faults;
}

static inline uint32_t faults_of(const struct combination *c)
{
	bool granule = is_32(c) && c->config.granule_shift != 12;

	return flag_faults(c) | size_faults(c) | (granule ? BAD_GRANULE : 0);
}

static inline uint32_t fault_of_error(int error)
{
	switch (error) {
	case IOPGT_BAD_FLAGS:
		return BAD_FLAGS;
	case IOPGT_BAD_GRANULE:
		return BAD_GRANULE;
	case IOPGT_BAD_INPUT_BITS:
		return BAD_INPUT;
	case IOPGT_BAD_OUTPUT_BITS:
		return BAD_OUTPUT;
	default:
		return 0;
	}
}

/* --- Leaf sizes --- */

struct leaf_size {
	uint8_t granule, shift;
	int8_t level;
	bool group, lpa2, output52; /* needs it */
};

/* Geometry: blocks and contiguous groups (Tables D8-17, D8-27, D8-36, D8-104) */
static const struct leaf_size leaf_sizes[] = {
	{12, 12, 3, false, false, false}, {12, 21, 2, false, false, false},
	{12, 30, 1, false, false, false}, {12, 39, 0, false, true, false},
	{12, 16, 3, true, false, false},  {12, 25, 2, true, false, false},
	{12, 34, 1, true, false, false},  {14, 14, 3, false, false, false},
	{14, 25, 2, false, false, false}, {14, 36, 1, false, true, false},
	{14, 21, 3, true, false, false},  {14, 30, 2, true, false, false},
	{16, 16, 3, false, false, false}, {16, 29, 2, false, false, false},
	{16, 42, 1, false, false, true},  {16, 21, 3, true, false, false},
	{16, 34, 2, true, false, false},
};

/* A leaf stands in a table that there is, and lies in the input space. */
static inline uint64_t possible_sizes(const struct combination *c, bool groups)
{
	uint64_t sizes = 0;

	for (size_t i = 0; i < sizeof(leaf_sizes) / sizeof(leaf_sizes[0]); i++) {
		const struct leaf_size *size = &leaf_sizes[i];

		if (size->granule != c->config.granule_shift || (size->group && !groups) ||
		    (size->lpa2 && !has(c, IOPGT_CONFIG_LPA2)) ||
		    (size->output52 && c->config.output_bits != 52))
			continue;
		if (size->level >= c->start && size->shift <= c->config.input_bits)
			sizes |= UINT64_C(1) << size->shift;
	}
	return sizes;
}

#endif
