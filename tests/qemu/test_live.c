/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks and contiguous groups are split and merged while another CPU writes into them: at
 * break-before-make levels 1 and 2 no access faults; at level 0 each fault is retried. No
 * write is lost, and each page keeps its output address.
 */
#include "copier.h"
#include "cpu.h"
#include "faults.h"

#define ROUNDS 4

static struct rig rig;
static struct copier copier;
static uint64_t block; /* size of the largest leaf */
static uint64_t block_iova;
static uint64_t changes;
static unsigned cycles; /* of split and merge of each block */

static void rounds(unsigned count)
{
	while (count--) {
		copier_round(&copier, COPY_AFTER_FINISH);
		CHECK(copier.lost == 0, "round %u, %u writes: %u lost", copier.rounds,
		      copier_writes(), copier.lost);
	}
}

/* Until the writer has been everywhere, more or less. */
static void let_it_write(void)
{
	uint64_t writes = copier_writes() + 2 * copier.pages;

	while (copier_writes() < writes)
		copier_round(&copier, COPY_AFTER_FINISH);
	rounds(1);
}

static void leaf_is(uint64_t iova, uint64_t bytes)
{
	struct iopgt_translation said;
	int err = iopgt_translate(rig.table, iova, &said);

	CHECK(err == 0 && said.leaf_size == bytes, "%s, a leaf of %x bytes, not %x",
	      iopgt_strerror(err), said.leaf_size, bytes);
}

typedef int (*change_verb)(struct iopgt_table *, uint64_t, uint64_t, struct iopgt_op *);

static void change(change_verb verb, uint64_t iova, uint64_t size)
{
	struct iopgt_op op = {0};
	int err = verb(rig.table, iova, size, &op);

	CHECK(err == 0, "%s", iopgt_strerror(err));
	rig_finish(&op);
	changes += op.stats.split + op.stats.merged + op.stats.grouped + op.stats.ungrouped;
	rig_check(&rig);
}

/* Splits at once, or in pieces with rounds between; back to one block. */
static void one_cycle(unsigned cycle)
{
	uint64_t page = UINT64_C(1) << rig.host.config.granule_shift;
	uint64_t bytes = copier.pages * page;

	let_it_write();
	if (cycle % 2) {
		change(iopgt_split_block, copier.iova, block < DATA_BYTES ? block : DATA_BYTES);
	} else {
		change(iopgt_split_block, copier.iova, page);
		rounds(1);
		change(iopgt_split_block, copier.iova, bytes);
	}
	leaf_is(copier.iova, page);
	leaf_is(copier.iova + bytes - page, page);
	rounds(ROUNDS);
	let_it_write();
	change(iopgt_merge_page, block_iova, block);
	leaf_is(copier.iova, block);
	rounds(ROUNDS);
}

static void map_block(void)
{
	struct iopgt_mapping mapping = {
		.phys = DATA_PHYS & ~(block - 1),
		.size = block,
		.prot = IOPGT_READ | IOPGT_WRITE,
		.memory = IOPGT_WRITE_BACK,
	};
	struct iopgt_tracking tracking = {.policy = IOPGT_SPLIT_NONE};
	struct iopgt_op op = {0};
	uint64_t room = block < DATA_BYTES ? block : DATA_BYTES;

	mapping.iova = block_iova = (rig_free_last(&rig) - (2 * block - 1)) & ~(block - 1);
	rig_map(&rig, &mapping);
	leaf_is(block_iova, block);
	CHECK(iopgt_set_dirty_tracking(&rig.domain, true, &tracking, &op) == 0, "tracking");
	rig_finish(&op);
	copier = (struct copier){
		.rig = &rig,
		.iova = block_iova + DATA_PHYS - mapping.phys,
		.pages = room >> rig.host.config.granule_shift,
	};
	if (copier.pages > 512)
		copier.pages = 512;
}

static void one_block(enum rig_kind kind, struct iopgt_config config, uint64_t size)
{
	config.leaf_sizes = iopgt_all_leaf_sizes(&config) & (2 * size - 1);
	if (config.bbm_level == 0)
		config.flags |= IOPGT_CONFIG_FAULTS_RETRIED;
	rig_open(&rig, kind, &config);
	block = size;
	map_block();
	copier_start(&copier);
	for (unsigned cycle = 0; cycle < cycles; cycle++)
		one_cycle(cycle);
	copier_stop(&copier);
	CHECK(copier.lost == 0, "%u lost", copier.lost);
	CHECK(config.bbm_level == 0 || copier.translation_faults == 0, "%u translation faults",
	      copier.translation_faults);
	rig_close(&rig);
}

static void one_config(enum rig_kind kind, uint8_t granule_shift, uint8_t level, uint32_t flags)
{
	struct iopgt_config config;

	if (!rig_has_granule(kind, granule_shift))
		return;
	rig_best_config(kind, granule_shift, 0x7ffffffffff, &config);
	config.flags |= flags;
	if (config.bbm_level < level || !rig_has(kind, &config))
		return;
	config.bbm_level = level;
	for (uint64_t size = 2 << granule_shift; size <= GIB(1); size *= 2)
		if (iopgt_all_leaf_sizes(&config) & size)
			one_block(kind, config, size);
}

int main(void)
{
	cycles = is_long_run() ? 40 : 2;
	for (enum rig_kind kind = 0; kind < RIG_KINDS; kind++) {
		if (!rig_available(kind))
			continue;
		topic(rig_names[kind]);
		changes = 0;
		for (uint8_t level = 0; level <= 2; level++)
			for (uint8_t shift = 12; shift <= 16; shift += 2)
				one_config(kind, shift, level, 0);
		one_config(kind, 12, 2, IOPGT_CONFIG_LPA2);
		say("%s: %u splits and merges under the writer\n", rig_names[kind], changes);
		CHECK(changes > 0, "none");
	}
	say("passed, %u checks\n", checks);
	return 0;
}
