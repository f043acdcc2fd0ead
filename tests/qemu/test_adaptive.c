/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Adaptive tracking under a second CPU that writes here, then there: what it writes to is soon
 * reported by pages, what it leaves alone stays in blocks, or is one again. Nothing is lost.
 */
#include "copier.h"
#include "cpu.h"

#define HOT_PAGES  16
#define COLD_SCANS 2

static struct rig rig;
static struct copier copier;
static uint64_t page, block; /* what is cold is in blocks, or in groups of them */
static uint64_t places, split, merged;

static uint64_t leaf_size(uint64_t iova)
{
	struct iopgt_translation said;
	int err = iopgt_translate(rig.table, iova, &said);

	CHECK(err == 0, "%x: %s", iova, iopgt_strerror(err));
	return said.leaf_size;
}

static void one_round(void)
{
	struct iopgt_op op = {0};
	int err;

	copier_round(&copier, COPY_AFTER_FINISH);
	CHECK(copier.lost == 0, "round %u, %u writes: %u lost", copier.rounds, copier_writes(),
	      copier.lost);
	split += copier.split;
	err = iopgt_merge_cold(&rig.domain, copier.iova, copier.pages * page, &op);
	CHECK(err == 0, "merge: %s", iopgt_strerror(err));
	rig_finish(&op);
	merged += op.stats.merged + op.stats.grouped;
	rig_check(&rig);
}

static uint64_t in_pages(void)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i < copier.pages; i++)
		count += leaf_size(copier.iova + i * page) == page;
	return count;
}

/* Each round in which something was written takes blocks apart by one level. */
static void one_place(void)
{
	uint64_t bytes = copier.pages * page, hot, pages;

	copier.hot_pages = HOT_PAGES;
	copier.hot_first = random_number() % (copier.pages / HOT_PAGES) * HOT_PAGES;
	hot = copier.iova + copier.hot_first * page;
	copier_start(&copier);
	while (leaf_size(hot) != page || leaf_size(hot + (HOT_PAGES - 1) * page) != page)
		one_round();
	for (int i = 0; i < 4; i++)
		one_round();
	pages = in_pages();
	/* Where there is more than one block. */
	CHECK(pages * page <= bytes / 4 || block > bytes / 4, "%u of %u pages for %u hot ones",
	      pages, copier.pages, (uint64_t)HOT_PAGES);
	copier_stop(&copier);
	CHECK(copier.lost == 0, "%u lost", copier.lost);
	for (int i = 0; i < 4 * (COLD_SCANS + 2); i++)
		one_round();
	/* Groups of blocks are not made again: their table is not all in the range. */
	CHECK(leaf_size(hot) == block && in_pages() == 0, "still a leaf of %x bytes",
	      leaf_size(hot));
	places++;
}

static void map_blocks(void)
{
	struct iopgt_mapping mapping = {
		.phys = DATA_PHYS,
		.size = DATA_BYTES,
		.prot = IOPGT_READ | IOPGT_WRITE,
		.memory = IOPGT_WRITE_BACK,
	};
	struct iopgt_tracking tracking = {
		.policy = IOPGT_SPLIT_ADAPTIVE,
		.cold_scans = COLD_SCANS,
	};
	struct iopgt_op op = {0};

	mapping.iova = (rig_free_last(&rig) - (2 * DATA_BYTES - 1)) & ~(DATA_BYTES - 1);
	rig_map(&rig, &mapping);
	CHECK(iopgt_set_dirty_tracking(&rig.domain, true, &tracking, &op) == 0, "tracking");
	rig_finish(&op);
	copier = (struct copier){.rig = &rig, .iova = mapping.iova, .pages = DATA_BYTES / page};
	CHECK(leaf_size(mapping.iova) >= block && in_pages() == 0, "no blocks");
}

static void one_config(enum rig_kind kind, uint8_t granule_shift, bool groups, uint8_t level)
{
	struct iopgt_config config;

	if (!rig_has_granule(kind, granule_shift))
		return;
	rig_best_config(kind, granule_shift, 0x7ffffffffff, &config);
	if (config.bbm_level < level)
		return;
	config.bbm_level = level;
	if (level == 0)
		config.flags |= IOPGT_CONFIG_FAULTS_RETRIED;
	page = UINT64_C(1) << granule_shift;
	block = page << (granule_shift - 3);
	config.leaf_sizes =
		groups ? iopgt_all_leaf_sizes(&config) & (2 * DATA_BYTES - 1) : page | block;
	rig_open(&rig, kind, &config);
	map_blocks();
	for (int i = is_long_run() ? 100 : 2; i; i--)
		one_place();
	rig_close(&rig);
}

int main(void)
{
	for (enum rig_kind kind = 0; kind < RIG_KINDS; kind++) {
		if (!rig_available(kind))
			continue;
		topic(rig_names[kind]);
		places = split = merged = 0;
		for (uint8_t level = 0; level <= 2; level++)
			/* Blocks of 64 KiB tables are larger than the memory that there is. */
			for (uint8_t shift = 12; shift <= 14; shift += 2) {
				one_config(kind, shift, false, level);
				one_config(kind, shift, true, level);
			}
		say("%s: %u places, %u splits, %u merges\n", rig_names[kind], places, split,
		    merged);
		CHECK(places > 0 && split > 0 && merged > 0, "nothing to see");
	}
	say("passed, %u checks\n", checks);
	return 0;
}
