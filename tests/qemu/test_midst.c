/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A write in the midst of a verb: where it calls its host, before a table is linked, before
 * and after each invalidation, one place after the other. Wherever it falls, it is in what the
 * verb reports or is still marked afterwards, and the table is whole.
 */
#include "cpu.h"
#include "rig.h"

#define PAGES 512

static struct rig rig;
static uint64_t page, block, iova;
static uint64_t words[PAGES / 64];

/* The one write: when, where, and whether it has been made. */
static struct {
	uint64_t at;    /* how many calls of the host before it */
	uint64_t calls; /* so far */
	uint64_t page;
	bool done;
} intruder;

static uint64_t tried, made;

/* At level 0 there may be nothing to write to: a fault that could not be retried here. */
static void interfere(void *context)
{
	struct iopgt_translation said;
	uint64_t address = iova + intruder.page * page;

	(void)context;
	if (intruder.calls++ != intruder.at || iopgt_translate(rig.table, address, &said))
		return;
	CHECK(!rig_write(&rig, address, random_number()).faulted, "a fault in the midst");
	intruder.done = true;
}

static struct iopgt_bitmap empty_bitmap(void)
{
	struct iopgt_bitmap bitmap = {
		.words = words,
		.base = iova,
		.bits = PAGES,
		.page_shift = rig.host.config.granule_shift,
	};

	memset(words, 0, sizeof(words));
	return bitmap;
}

static bool is_reported(uint64_t number)
{
	return words[number / 64] >> number % 64 & 1;
}

static void take(void)
{
	struct iopgt_bitmap bitmap = empty_bitmap();
	struct iopgt_op op = {0};
	int err = iopgt_read_and_clear_dirty(rig.table, iova, PAGES * page, &bitmap, &op);

	CHECK(err == 0, "read and clear: %s", iopgt_strerror(err));
	rig_finish(&op);
}

static int do_split(struct iopgt_op *op)
{
	return iopgt_split_block(rig.table, iova, PAGES * page, op);
}

static int do_merge(struct iopgt_op *op)
{
	return iopgt_merge_page(rig.table, iova & ~(block - 1), block, op);
}

static int do_protect(struct iopgt_op *op)
{
	return iopgt_protect(rig.table, iova, PAGES / 2 * page, IOPGT_READ | IOPGT_WRITE, op);
}

static int do_read_and_clear(struct iopgt_op *op)
{
	struct iopgt_bitmap bitmap = empty_bitmap();

	return iopgt_read_and_clear_dirty(rig.table, iova, PAGES * page, &bitmap, op);
}

static const struct step {
	const char *name;
	int (*verb)(struct iopgt_op *op);
	bool after_write; /* else all is clean before */
} steps[] = {
	{"split", do_split, false},
	{"merge", do_merge, false},
	{"split of what is dirty", do_split, true},
	{"merge of what is dirty", do_merge, true},
	{"split, again", do_split, false},
	{"read and clear of pages", do_read_and_clear, true},
	{"merge, again", do_merge, false},
	{"read and clear of a block", do_read_and_clear, true},
	{"protect a part of a block", do_protect, true},
	{"merge after protect", do_merge, true},
};

/* Pages that the verb reported are copied when it is finished: after the write. */
static void must_be_known(const struct step *step, uint64_t number, const char *when)
{
	bool reported = step->verb == do_read_and_clear && is_reported(number);

	if (!reported)
		take();
	CHECK(reported || is_reported(number), "%s: written %s, at call %u, and not reported",
	      step->name, when, intruder.at);
}

/* Returns whether the verb calls its host often enough for a write at that place. */
static bool one_step(const struct step *step, uint64_t at)
{
	uint64_t before = random_number() % PAGES;
	struct iopgt_op op = {0};
	int err;

	take();
	intruder.at = at;
	intruder.calls = 0;
	intruder.done = false;
	intruder.page = random_number() % PAGES;
	if (step->after_write)
		CHECK(!rig_write(&rig, iova + before * page, 1).faulted, "write");
	memset(words, 0, sizeof(words));
	rig.host.interfere = interfere;
	err = step->verb(&op);
	CHECK(err == 0, "%s: %s", step->name, iopgt_strerror(err));
	rig_finish(&op);
	rig.host.interfere = NULL;
	tried++;
	made += intruder.done;
	/* Of two pages one: looking takes the marks of both. */
	if (intruder.done && (!step->after_write || random_number() % 4))
		must_be_known(step, intruder.page, "in the midst");
	else if (step->after_write)
		must_be_known(step, before, "before");
	return intruder.calls > at;
}

/* Each step leaves what the next one begins with. */
static void all_steps(uint64_t at, bool *more)
{
	for (size_t i = 0; i < COUNT(steps); i++)
		*more |= one_step(&steps[i], at);
	rig_check(&rig);
}

static void one_config(enum rig_kind kind, uint8_t granule_shift, uint8_t level, bool groups)
{
	struct iopgt_config config;
	struct iopgt_mapping mapping = {
		.prot = IOPGT_READ | IOPGT_WRITE | IOPGT_CLEAN,
		.memory = IOPGT_WRITE_BACK,
	};
	bool more = true;

	if (!rig_has_granule(kind, granule_shift))
		return;
	rig_best_config(kind, granule_shift, 0x7ffffffffff, &config);
	config.bbm_level = level;
	if (level == 0)
		config.flags |= IOPGT_CONFIG_FAULTS_RETRIED;
	page = UINT64_C(1) << granule_shift;
	block = page << (granule_shift - 3);
	config.leaf_sizes = groups ? iopgt_all_leaf_sizes(&config) & (2 * block - 1) : page | block;
	rig_open(&rig, kind, &config);
	mapping.phys = DATA_PHYS & ~(block - 1);
	mapping.size = block;
	mapping.iova = (rig_free_last(&rig) - (2 * block - 1)) & ~(block - 1);
	rig_map(&rig, &mapping);
	iova = mapping.iova + DATA_PHYS - mapping.phys;
	for (uint64_t at = 0; more; at++) {
		more = false;
		for (int i = 0; i < 4; i++)
			all_steps(at, &more);
	}
	rig_close(&rig);
}

int main(void)
{
	for (enum rig_kind kind = 0; kind < RIG_KINDS; kind++) {
		if (!rig_available(kind))
			continue;
		topic(rig_names[kind]);
		tried = made = 0;
		for (uint8_t level = 0; level <= 2; level++)
			for (uint8_t shift = 12; shift <= 16; shift += 2) {
				one_config(kind, shift, level, false);
				one_config(kind, shift, level, true);
			}
		say("%s: %u verbs, %u with a write in their midst\n", rig_names[kind], tried, made);
		CHECK(made > 0, "none");
	}
	say("passed, %u checks\n", checks);
	return 0;
}
