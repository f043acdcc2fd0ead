/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests of iopgt_registers: a host with memory for one start table, at the
 * physical address that the test asks for, and rows of whole words.
 *
 * The words in the rows were put together by hand from the field tables of
 * DDI 0487 D24.2 (TCR_ELx .194/.195, TTBRn_ELx .209 to .213, VTCR_EL2 .224, VTTBR_EL2
 * .225), G8.2 (TTBCR .165, TTBR0 .167, VTCR .172, VTTBR .173) and IHI 0070 5.2
 * (STE), 5.4 (CD); the comment above each names its fields that are not 0. Word n of
 * CD and STE is bits 64 * n + 63 to 64 * n.
 */
#ifndef TEST_REGISTERS_H
#define TEST_REGISTERS_H

#include <stdlib.h>
#include <string.h>

#include <iopgt/registers.h>

#include "fixture.h"

#define COUNT(array)   (sizeof(array) / sizeof((array)[0]))
#define FIELD(w, h, l) (((w) >> (l)) & (UINT64_MAX >> (63 - (h) + (l))))
#define MOST_BYTES     (1u << 20) /* of a start table: 16 of 64 KiB */

struct place {
	uint64_t phys;
	void *memory;
	uint32_t bytes;
};

static inline void *place_alloc(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys)
{
	struct place *place = context;

	assert_null(place->memory);
	assert_true(bytes <= MOST_BYTES);
	place->memory = aligned_alloc(bytes, bytes);
	assert_non_null(place->memory);
	memset(place->memory, flags & IOPGT_ALLOC_ZERO ? 0 : 0xa5, bytes);
	place->bytes = bytes;
	*phys = place->phys;
	return place->memory;
}

static inline void place_free(void *context, void *table, uint64_t phys, uint32_t bytes)
{
	struct place *place = context;

	assert_ptr_equal(table, place->memory);
	assert_int_equal(phys, place->phys);
	assert_int_equal(bytes, place->bytes);
	free(place->memory);
	place->memory = NULL;
}

static inline void *place_virt(void *context, uint64_t phys, uint32_t bytes)
{
	const struct place *place = context;

	return phys == place->phys && bytes <= place->bytes ? place->memory : NULL;
}

static inline void place_clean(void *context, const void *address, uint32_t bytes)
{
	(void)context;
	(void)address;
	(void)bytes;
}

static inline int place_range(void *context, const struct iopgt_invalidation *request)
{
	(void)context;
	(void)request;
	return 0;
}

static inline int place_all(void *context)
{
	(void)context;
	return 0;
}

static const struct iopgt_hal place_hal = {
	.alloc_table = place_alloc,
	.free_table = place_free,
	.phys_to_virt = place_virt,
	.clean = place_clean,
	.tlb = {.invalidate_range = place_range, .invalidate_all = place_all, .sync = place_all},
};

/* Makes a table at `phys`, which suits it, and takes its words. */
static inline int words_of(const struct iopgt_config *config, uint64_t phys,
                           const struct iopgt_register_inputs *inputs, struct iopgt_registers *out)
{
	struct place place = {.phys = phys};
	struct iopgt_table table;
	int err = iopgt_init(&table, config, &place_hal, &place);

	if (err)
		fail_msg("iopgt_init: %s", iopgt_strerror(err));
	assert_int_equal(table.root_phys, phys);
	err = iopgt_registers(&table, inputs, out);
	assert_int_equal(iopgt_fini(&table), IOPGT_OK);
	assert_null(place.memory);
	return err;
}

static inline struct iopgt_registers good_words(const struct iopgt_config *config, uint64_t phys,
                                                const struct iopgt_register_inputs *inputs)
{
	struct iopgt_registers out;
	int err;

	memset(&out, 0x5a, sizeof(out));
	err = words_of(config, phys, inputs, &out);
	if (err)
		fail_msg("iopgt_registers: %s", iopgt_strerror(err));
	return out;
}

struct row {
	const char *name;
	struct iopgt_config config;
	uint64_t phys;
	struct iopgt_register_inputs inputs;
	struct iopgt_registers want;
};

struct word {
	const char *name;
	size_t offset;
};

#define WORD(field)                                                                                \
	{                                                                                          \
#field, offsetof(struct iopgt_registers, field)                                    \
	}

static const struct word all_words[] = {
	WORD(tcr),    WORD(tcr2),   WORD(mair),   WORD(ttbr0),  WORD(ttbr1),  WORD(vtcr),
	WORD(vttbr),  WORD(cd[0]),  WORD(cd[1]),  WORD(cd[2]),  WORD(cd[3]),  WORD(cd[4]),
	WORD(cd[5]),  WORD(cd[6]),  WORD(cd[7]),  WORD(ste[0]), WORD(ste[1]), WORD(ste[2]),
	WORD(ste[3]), WORD(ste[4]), WORD(ste[5]), WORD(ste[6]), WORD(ste[7]),
};

static inline uint64_t word_at(const struct iopgt_registers *words, size_t offset)
{
	uint64_t word;

	memcpy(&word, (const char *)words + offset, sizeof(word));
	return word;
}

/* Bits that hardware ignores, so that they may have any value. */
static inline uint64_t ignored_bits(uint32_t regime, size_t offset)
{
	if (regime == IOPGT_STAGE1_EL2 && offset == offsetof(struct iopgt_registers, cd[0]))
		return UINT64_C(1) << 30; /* EPD1 */
	if (regime == IOPGT_STAGE1_AARCH32 && offset == offsetof(struct iopgt_registers, cd[0]))
		return UINT64_C(7) << 32 | 3 << 6 | 7 << 3; /* IPS, TG0, T0SZ[5:3] */
	if (regime == IOPGT_STAGE2_AARCH32 && offset == offsetof(struct iopgt_registers, ste[2]))
		return UINT64_C(7) << 48 | UINT64_C(3) << 36; /* S2PS, S2T0SZ[5:4] */
	return 0;
}

static inline void expect_words(const struct row *row, const struct iopgt_registers *got)
{
	for (size_t i = 0; i < COUNT(all_words); i++) {
		uint64_t care = ~ignored_bits(row->config.regime, all_words[i].offset);
		uint64_t want = word_at(&row->want, all_words[i].offset);
		uint64_t is = word_at(got, all_words[i].offset);

		if ((want ^ is) & care)
			fail_msg("%s: %s is 0x%016" PRIx64 ", not 0x%016" PRIx64, row->name,
			         all_words[i].name, is, want);
	}
}

static inline void expect_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct iopgt_registers got =
			good_words(&rows[i].config, rows[i].phys, &rows[i].inputs);

		expect_words(&rows[i], &got);
	}
}

#endif
