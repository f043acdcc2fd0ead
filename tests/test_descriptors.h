/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whole 64-bit descriptors that iopgt_map writes, one row each, read raw from
 * the pool. The constants are typed from the Arm ARM (DDI 0487 M.a.a), in hex,
 * with the rule or table beside them; none is computed.
 */
#ifndef TEST_DESCRIPTORS_H
#define TEST_DESCRIPTORS_H

#include "test_raw.h"

#define R     IOPGT_READ
#define W     IOPGT_WRITE
#define X     IOPGT_EXECUTE
#define PRIV  IOPGT_PRIVILEGED
#define CLEAN IOPGT_CLEAN
#define FREE  IOPGT_NO_TRACK
#define XP    IOPGT_EXECUTE_PRIVILEGED
#define XU    IOPGT_EXECUTE_UNPRIVILEGED
#define WB    IOPGT_WRITE_BACK

struct row {
	uint32_t prot, memory, attributes;
	uint64_t page;   /* all but the address; a block has bit 1 clear */
	uint64_t either; /* bits that say nothing here */
};

/* A host and a table, without walkers: not every configuration has a model. */
struct rig {
	struct test_host host;
	struct iopgt_config config;
	struct iopgt_table table;
	struct raw raw;
};

static inline struct iopgt_config rig_config(uint32_t regime, uint32_t flags)
{
	return (struct iopgt_config){
		.regime = regime,
		.flags = flags,
		.granule_shift = 12,
		.input_bits = 48,
		.output_bits = 48,
		.bbm_level = 2,
		.dirty = IOPGT_DIRTY_HARDWARE,
	};
}

/* `start`: the level that a walk starts at. */
static inline void rig_begin(struct rig *rig, const struct iopgt_config *config, int start)
{
	struct host_options options = {.granule_shift = config->granule_shift};

	rig->config = *config;
	host_init(&rig->host, &options);
	expect(IOPGT_OK, iopgt_init(&rig->table, &rig->config, &rig->host.hal, &rig->host));
	rig->raw = (struct raw){rig->host.pool, &rig->config, rig->table.root_phys, start};
}

static inline void rig_end(struct rig *rig)
{
	struct iopgt_finding finding;

	expect(IOPGT_OK, iopgt_check(&rig->table, &finding));
	expect(IOPGT_OK, iopgt_fini(&rig->table));
	assert_int_equal(pool_in_use(rig->host.pool), 0);
	host_check(&rig->host);
	host_fini(&rig->host);
}

static inline void rig_map(struct rig *rig, const struct iopgt_mapping *mapping)
{
	struct iopgt_op op = {0};

	expect(IOPGT_OK, iopgt_map(&rig->table, mapping, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
}

static inline void rig_expect(struct rig *rig, uint64_t iova, int level, uint64_t want)
{
	expect_raw(want, raw_at(&rig->raw, iova, level));
}

/* One page and one level-2 block of this kind. */
static inline void rig_expect_row(struct rig *rig, uint64_t iova, const struct row *row)
{
	uint64_t block_size = RAW_SPACE(raw_shift(&rig->raw, 2));
	uint64_t page_size = RAW_SPACE(rig->config.granule_shift);
	struct iopgt_mapping mapping = {
		.iova = iova,
		.phys = 2 * block_size,
		.size = block_size + page_size,
		.prot = row->prot,
		.memory = row->memory,
		.attributes = row->attributes,
	};

	rig_map(rig, &mapping);
	expect_raw((row->page & ~UINT64_C(2)) | mapping.phys,
	           raw_at(&rig->raw, iova, 2) & ~row->either);
	expect_raw(row->page | (mapping.phys + block_size),
	           raw_at(&rig->raw, iova + block_size, 3) & ~row->either);
}

static inline void expect_rows(const struct iopgt_config *config, int start, const struct row *rows,
                               size_t count)
{
	struct rig rig;

	rig_begin(&rig, config, start);
	for (size_t i = 0; i < count; i++)
		rig_expect_row(&rig, (uint64_t)(4 * i + 4) << raw_shift(&rig.raw, 2), &rows[i]);
	rig_end(&rig);
}

#endif
