/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors in a pool, read and written raw. Where they stand, and where the
 * next table is, is computed here from the specification alone (D8.2, D8.3.1).
 */
#ifndef TEST_RAW_H
#define TEST_RAW_H

#include "fixture.h"

#define BIT(n)           (UINT64_C(1) << (n))
#define BITS(high, low)  ((UINT64_MAX >> (63 - (high))) & (UINT64_MAX << (low)))
#define COUNT(array)     (sizeof(array) / sizeof((array)[0]))
#define RAW_SPACE(bits)  (UINT64_C(1) << (bits))
#define RAW_TABLE        UINT64_C(3)
#define RAW_AF           BIT(10)
#define RAW_NT           BIT(16)
#define RAW_DBM          BIT(51)
#define RAW_CONTIGUOUS   BIT(52)
#define RAW_UNGROUPING   BIT(55)
#define RAW_KEPT_DIRTY   BIT(56)
#define RAW_BIT_7        BIT(7) /* stage 1: AP[2], read-only; stage 2: S2AP[1], write */
#define RAW_EL1_RW_CLEAN UINT64_C(0x0068000000000fc7) /* a page, write-back, nG, never executed */
#define RAW_EL1_RW_DIRTY UINT64_C(0x0068000000000f47)
#define RAW_EL1_RO       UINT64_C(0x0060000000000fc7)

/* A tree somewhere in a pool. */
struct raw {
	struct pool *pool;
	const struct iopgt_config *config;
	uint64_t root;
	int start; /* level */
};

static inline uint64_t raw_load(const struct raw *raw, uint64_t phys)
{
	_Atomic uint64_t *word = pool_word(raw->pool, phys, false);

	assert_non_null(word);
	return pool_little_endian(atomic_load(word));
}

static inline void raw_store(const struct raw *raw, uint64_t phys, uint64_t descriptor)
{
	_Atomic uint64_t *word = pool_word(raw->pool, phys, false);

	assert_non_null(word);
	atomic_store(word, pool_little_endian(descriptor));
}

/* Tables 8-50, 8-51: NLTA; bits 51:48 at 15:12 (64 KiB), or 49:48 and 51:50 at 9:8 (DS). */
static inline uint64_t raw_next_table(const struct raw *raw, uint64_t descriptor)
{
	uint64_t address = descriptor & BITS(47, raw->config->granule_shift);

	if (raw->config->flags & IOPGT_CONFIG_LPA2)
		return address | (descriptor & BITS(49, 48)) | (descriptor & BITS(9, 8)) << 42;
	if (raw->config->granule_shift == 16 && raw->config->output_bits == 52)
		return address | (descriptor & BITS(15, 12)) << 36;
	return address;
}

static inline unsigned raw_shift(const struct raw *raw, int level)
{
	unsigned granule_shift = raw->config->granule_shift;

	return granule_shift + (unsigned)(3 - level) * (granule_shift - 3);
}

static inline uint64_t raw_index(const struct raw *raw, uint64_t iova, int level)
{
	uint64_t in_space = iova & (RAW_SPACE(raw->config->input_bits) - 1);
	uint64_t index = in_space >> raw_shift(raw, level);

	if (level == raw->start)
		return index;
	return index & (RAW_SPACE(raw->config->granule_shift - 3) - 1);
}

/* Where the descriptor of `level` for iova stands. The tables above it are there. */
static inline uint64_t raw_slot(const struct raw *raw, uint64_t iova, int level)
{
	uint64_t table = raw->root;

	for (int at = raw->start; at < level; at++) {
		uint64_t descriptor = raw_load(raw, table + 8 * raw_index(raw, iova, at));

		assert_int_equal(descriptor & 3, RAW_TABLE);
		table = raw_next_table(raw, descriptor);
	}
	return table + 8 * raw_index(raw, iova, level);
}

static inline uint64_t raw_at(const struct raw *raw, uint64_t iova, int level)
{
	return raw_load(raw, raw_slot(raw, iova, level));
}

/* Of a fixture whose walkers know where walks start. */
static inline struct raw raw_of(struct fixture *f)
{
	struct raw raw = {
		.pool = f->host.pool,
		.config = &f->config,
		.root = f->table->root_phys,
	};
	unsigned tables;

	assert_true(walker_start_level(walker_config(f->walkers[0]), &raw.start, &tables));
	return raw;
}

static inline void raw_expect(uint64_t want, uint64_t got, const char *file, int line)
{
	if (want == got)
		return;
	print_error("wanted descriptor 0x%016llx, got 0x%016llx\n", (unsigned long long)want,
	            (unsigned long long)got);
	_fail(file, line);
}
#define expect_raw(want, got) raw_expect(want, got, __FILE__, __LINE__)

#endif
