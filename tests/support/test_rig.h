/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hand-built tables for the tests of the oracle itself. All constants are typed
 * from the Arm ARM, none is taken from the model.
 */
#ifndef TEST_RIG_H
#define TEST_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define RIG_AF       UINT64_C(0x400)
#define RIG_SH       UINT64_C(0x300)
#define RIG_DBM      (UINT64_C(1) << 51)
#define RIG_NT       (UINT64_C(1) << 16)
#define RIG_BIT7     UINT64_C(0x80)            /* AP[2], or S2AP[1] */
#define RIG_S1       (RIG_SH | UINT64_C(0x44)) /* AttrIndx 1, AP[1] */
#define RIG_S2       (RIG_SH | UINT64_C(0x7c)) /* MemAttr 15, S2AP[0] */
#define RIG_S1_DIRTY (RIG_S1 | RIG_AF | RIG_DBM)
#define RIG_S1_CLEAN (RIG_S1_DIRTY | RIG_BIT7)

/* A host with one walker and a start table; caches are certain, chance is off. */
struct rig {
	struct test_host host;
	struct walker *walker;
	struct walker_config config;
	uint64_t root;
	int start;
};

static inline uint64_t rig_table(struct rig *rig, uint64_t bytes)
{
	uint64_t phys;

	assert_non_null(pool_alloc(rig->host.pool, (size_t)bytes, true, &phys));
	return phys;
}

static inline void rig_put(struct rig *rig, uint64_t table, uint64_t index, uint64_t descriptor)
{
	_Atomic uint64_t *word = pool_word(rig->host.pool, table + 8 * index, false);

	assert_non_null(word);
	atomic_store(word, pool_little_endian(descriptor));
}

static inline uint64_t rig_get(struct rig *rig, uint64_t phys)
{
	_Atomic uint64_t *word = pool_word(rig->host.pool, phys, false);

	assert_non_null(word);
	return pool_little_endian(atomic_load(word));
}

static inline uint64_t rig_granule(const struct rig *rig)
{
	return UINT64_C(1) << rig->config.granule_shift;
}

static inline bool rig_is_lpa(const struct rig *rig)
{
	return rig->config.granule_shift == 16 && rig->config.output_bits == 52;
}

/* An address as descriptors hold it (Table D8-50): 51:50 in 9:8, or 51:48 in 15:12. */
static inline uint64_t rig_address(const struct rig *rig, uint64_t phys)
{
	if (rig->config.flags & WALKER_LPA2)
		return (phys & UINT64_C(0x3fffffffff000)) | (phys >> 50 & 3) << 8;
	if (rig_is_lpa(rig))
		return (phys & UINT64_C(0xffffffff0000)) | (phys >> 48 & 15) << 12;
	return phys;
}

static inline uint64_t rig_next(const struct rig *rig, uint64_t descriptor)
{
	if (rig->config.flags & WALKER_LPA2)
		return (descriptor & UINT64_C(0x3fffffffff000)) | (descriptor >> 8 & 3) << 50;
	if (rig_is_lpa(rig))
		return (descriptor & UINT64_C(0xffffffff0000)) | (descriptor >> 12 & 15) << 48;
	return descriptor & UINT64_C(0xfffffffff000);
}

/* Where the descriptor of `level` for `iova` stands; makes the tables on the way. */
static inline uint64_t rig_slot(struct rig *rig, uint64_t iova, int level)
{
	unsigned step = rig->config.granule_shift - 3u;
	uint64_t table = rig->root;

	iova &= (UINT64_C(1) << rig->config.input_bits) - 1;
	for (int at = rig->start;; at++) {
		uint64_t index = iova >> (rig->config.granule_shift + (unsigned)(3 - at) * step);
		uint64_t slot;

		if (at > rig->start)
			index &= (UINT64_C(1) << step) - 1;
		slot = table + 8 * index;
		if (at == level)
			return slot;
		if (!(rig_get(rig, slot) & 1))
			rig_put(rig, slot, 0,
			        rig_address(rig, rig_table(rig, rig_granule(rig))) | 3);
		table = rig_next(rig, rig_get(rig, slot));
	}
}

/* Puts a leaf; `bits` without the low two. Returns where it stands. */
static inline uint64_t rig_leaf(struct rig *rig, uint64_t iova, int level, uint64_t bits)
{
	uint64_t slot = rig_slot(rig, iova, level);

	rig_put(rig, slot, 0, bits | (level == 3 ? 3 : 1));
	return slot;
}

static inline struct walker_config rig_usual(void)
{
	return (struct walker_config){
		.stage = 1,
		.granule_shift = 12,
		.input_bits = 39,
		.output_bits = 40,
		.flags = WALKER_HA | WALKER_HD | WALKER_SMMU,
		.bbm_level = 2,
		.tlb_entries = 64,
		.walk_cache_entries = 16,
		.seed = 1,
	};
}

static inline void rig_init_at(struct rig *rig, const struct walker_config *config,
                               uint64_t phys_base)
{
	struct host_options options = {.phys_base = phys_base};
	unsigned tables;

	memset(rig, 0, sizeof(*rig));
	options.non_coherent = config->flags & WALKER_NON_COHERENT;
	host_init(&rig->host, &options);
	rig->config = *config;
	assert_true(walker_start_level(config, &rig->start, &tables));
	rig->root = rig_table(rig, walker_start_bytes(config));
	rig->config.root = rig->root;
	rig->walker = host_add_walker(&rig->host, &rig->config);
}

static inline void rig_init(struct rig *rig, const struct walker_config *config)
{
	rig_init_at(rig, config, UINT64_C(0x40000000));
}

static inline void rig_fini(struct rig *rig)
{
	host_fini(&rig->host);
}

static inline void rig_expect(struct rig *rig, uint64_t iova, uint32_t access,
                              enum walker_fault fault)
{
	assert_int_equal(walker_access(rig->walker, iova, access, NULL), fault);
}

static inline struct walker_counters rig_counters(struct rig *rig)
{
	struct walker_counters counters;

	walker_counters(rig->walker, &counters);
	return counters;
}

/* One range, posted and synced, through the host. */
static inline void rig_invalidate(struct rig *rig, const struct iopgt_invalidation *request)
{
	assert_int_equal(rig->host.hal.tlb.invalidate_range(&rig->host, request), 0);
	assert_int_equal(rig->host.hal.tlb.sync(&rig->host), 0);
}

#endif
