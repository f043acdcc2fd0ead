/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two CPUs: one writes without pause, the other tracks and copies. Of millions of writes none
 * is lost; each way of doing it wrongly is found out.
 */
#include "copier.h"
#include "cpu.h"

#define PAGES         2048
#define LEAST_REPORTS (8 * PAGES)
#define PATIENCE_MS   40000

static struct rig rig;
static struct copier copier;
static uint64_t writes_wanted;

static void open_tracked(enum rig_kind kind)
{
	struct iopgt_config config;
	struct iopgt_tracking tracking = {.policy = IOPGT_SPLIT_EAGER};
	struct iopgt_op op = {0};
	struct iopgt_mapping mapping = {
		.phys = DATA_PHYS,
		.size = PAGES * KIB(4),
		.prot = IOPGT_READ | IOPGT_WRITE,
		.memory = IOPGT_WRITE_BACK,
	};

	rig_best_config(kind, 12, 0x7ffffffffff, &config);
	config.leaf_sizes = KIB(4) | MIB(2);
	if (config.bbm_level == 0)
		config.flags |= IOPGT_CONFIG_FAULTS_RETRIED;
	rig_open(&rig, kind, &config);
	mapping.iova = rig_free_last(&rig) - (2 * mapping.size - 1);
	rig_map(&rig, &mapping);
	CHECK(iopgt_set_dirty_tracking(&rig.domain, true, &tracking, &op) == 0, "tracking");
	rig_finish(&op);
	CHECK(op.stats.split >= mapping.size / MIB(2), "%u blocks split", op.stats.split);
	copier = (struct copier){.rig = &rig, .iova = mapping.iova, .pages = PAGES};
}

static void nothing_is_lost(void)
{
	uint64_t begin = milliseconds();
	uint64_t wanted = writes_wanted;

	/* Where nearly each of them is a fault. */
	if (rig.host.config.dirty == IOPGT_DIRTY_SOFTWARE)
		wanted /= 200;
	copier_start(&copier);
	while (copier_writes() < wanted || copier.reported < LEAST_REPORTS) {
		copier_round(&copier, COPY_AFTER_FINISH);
		CHECK(copier.lost == 0, "round %u, %u writes: %u lost", copier.rounds,
		      copier_writes(), copier.lost);
	}
	copier_stop(&copier);
	CHECK(copier.lost == 0, "%u lost", copier.lost);
	say("%s: %u writes, %u pages reported in %u rounds, none lost, %u ms\n",
	    rig_names[rig.kind], copier_writes(), copier.reported, copier.rounds,
	    milliseconds() - begin);
}

static void is_found_out(enum copier_way way)
{
	uint64_t begin = milliseconds();

	copier_start(&copier);
	while (copier.lost == 0 && milliseconds() - begin < PATIENCE_MS)
		copier_round(&copier, way);
	CHECK(copier.lost > 0, "%s: %u writes, %u rounds, none lost", copier_ways[way],
	      copier_writes(), copier.rounds);
	say("%s, %s: %u lost after %u writes, round %u, %u ms\n", rig_names[rig.kind],
	    copier_ways[way], copier.lost, copier_writes(), copier.rounds, milliseconds() - begin);
	copier_stop(&copier);
}

/*
 * Where nearly each write is a fault, whose handler invalidates (at stage 2 all of it), the
 * moments in which the others lose one are too rare.
 */
static bool can_be_found_out(enum copier_way way)
{
	if (rig.host.config.dirty != IOPGT_DIRTY_SOFTWARE)
		return true;
	return rig.kind < RIG_STAGE2 &&
	       (way == COPY_WITHOUT_INVALIDATION || way == COPY_WITH_LOCAL_INVALIDATION);
}

int main(void)
{
	writes_wanted = is_long_run() ? 1000000000 : 10000000;
	for (enum rig_kind kind = 0; kind < RIG_KINDS; kind++) {
		if (!rig_available(kind))
			continue;
		topic(rig_names[kind]);
		open_tracked(kind);
		nothing_is_lost();
		for (enum copier_way way = COPY_AFTER_FINISH + 1; way < COPY_WAYS; way++)
			if (can_be_found_out(way))
				is_found_out(way);
		rig_close(&rig);
	}
	say("passed, %u checks\n", checks);
	return 0;
}
