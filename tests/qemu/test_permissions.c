/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each permission allows each exception level, by pages and blocks: accesses that are
 * allowed succeed, all others fault as permission faults at the leaf's level and change
 * nothing; also right after iopgt_protect, next to neighbours with other permissions.
 */
#include "cpu.h"
#include "rig.h"

#define R    IOPGT_READ
#define W    IOPGT_WRITE
#define X    IOPGT_EXECUTE
#define PRIV IOPGT_PRIVILEGED
#define XP   IOPGT_EXECUTE_PRIVILEGED
#define XU   IOPGT_EXECUTE_UNPRIVILEGED

#define RETURN_INSTRUCTION UINT64_C(0xd65f03c0)

static struct rig rig;
static uint64_t combinations;

static const uint32_t two_levels[] = {
	R,
	R | W,
	R | X,
	R | W | X,
	R | PRIV,
	R | W | PRIV,
	R | X | PRIV,
	R | W | X | PRIV,
	R | XP,
	R | XU,
	R | W | XU,
	R | XP | PRIV,
	R | W | XP | PRIV,
};
static const uint32_t one_level[] = {R, R | W, R | X, R | W | X};
static const uint32_t stage2[] = {R, W, R | W, R | X, R | W | X};
static const uint32_t stage2_xnx[] = {R, R | X, R | XP, R | XU, R | W | XP, R | W | XU};

struct allowed {
	bool read, write, execute;
};

/*
 * From the tables of D8.4, not from the library. Memory that EL0 may write is never
 * executable at EL1 (R_XMHHG).
 */
static struct allowed allowed(uint32_t prot, enum access_level level)
{
	struct allowed may = {
		.read = prot & R,
		.write = prot & W,
		.execute = prot & (X | (level == BY_USER ? XU : XP)),
	};

	if (rig.kind >= RIG_EL2)
		return may;
	if (level == BY_USER && prot & PRIV)
		return (struct allowed){0};
	if (level == BY_PRIVILEGED && prot & W && !(prot & PRIV))
		may.execute = false;
	return may;
}

static void expect(const struct outcome *outcome, bool may, const char *what, uint64_t iova)
{
	struct iopgt_translation leaf;

	CHECK(iopgt_translate(rig.table, iova, &leaf) == 0, "%x", iova);
	CHECK(outcome->faulted == !may, "%s of %x, prot %x: esr %x", what, iova,
	      (uint64_t)leaf.prot, outcome->esr);
	if (may)
		return;
	CHECK(outcome->status == status_at(STATUS_PERMISSION, leaf.level),
	      "%s of %x, level %d: esr %x", what, iova, leaf.level, outcome->esr);
	CHECK(outcome->stage2 == (rig.kind >= RIG_STAGE2), "%s of %x: esr %x", what, iova,
	      outcome->esr);
}

static void at_agrees(uint64_t iova, enum access_level level, bool may)
{
	uint64_t par = rig_at(&rig, level, iova);

	CHECK(PAR_FAULT(par) == !may, "AT %x: PAR %x", iova, par);
}

/*
 * `phys` holds a return instruction, and a word behind it that is written. First: QEMU 7.2
 * takes a writable-clean leaf for read-only when it asks whether EL1 may execute it.
 */
static void one_level_has(enum access_level level, uint64_t iova, uint64_t phys, uint32_t prot)
{
	volatile uint64_t *word = (volatile uint64_t *)(uintptr_t)(phys + 64);
	struct allowed may = allowed(prot, level);
	uint64_t value = random_number(), before = *word;
	struct outcome outcome;

	outcome = rig_run(&rig, level, (const void *)(uintptr_t)stub_read, iova + 64, 0);
	expect(&outcome, may.read, "read", iova);
	CHECK(outcome.faulted || outcome.value == before, "%x at %x", outcome.value, iova);
	at_agrees(iova, level, may.read);
	outcome = rig_run(&rig, level, (const void *)(uintptr_t)stub_write, iova + 64, value);
	expect(&outcome, may.write, "write", iova);
	CHECK(*word == (may.write ? value : before), "%x at %x", *word, iova);
	outcome = rig_execute(&rig, level, iova);
	expect(&outcome, may.execute, "execution", iova);
}

static void has(uint64_t iova, uint64_t phys, uint32_t prot)
{
	*(volatile uint64_t *)(uintptr_t)phys = RETURN_INSTRUCTION;
	forget_instructions();
	one_level_has(BY_PRIVILEGED, iova, phys, prot);
	/* At EL2 there is no other level; a nested guest's own table has it all to EL1. */
	if (rig.kind != RIG_EL2 && rig.kind != RIG_NESTED)
		one_level_has(BY_USER, iova, phys, prot);
	combinations++;
}

static void protect(uint64_t iova, uint64_t size, uint32_t prot)
{
	struct iopgt_op op = {0};
	int err = iopgt_protect(rig.table, iova, size, prot, &op);

	CHECK(err == 0, "protect %x: %s", (uint64_t)prot, iopgt_strerror(err));
	rig_finish(&op);
}

/* Three leaves of one permission, of which the middle one then gets another, and its own back. */
static void three_leaves(uint64_t size, uint32_t first, uint32_t then)
{
	struct iopgt_mapping mapping = {
		.iova = (rig_free_last(&rig) - (4 * size - 1)) & ~(size - 1),
		.phys = DATA_PHYS,
		.size = 3 * size,
		.prot = first | (first & W ? IOPGT_CLEAN : 0),
		.memory = IOPGT_WRITE_BACK,
	};
	uint64_t iova = mapping.iova;

	rig_map(&rig, &mapping);
	for (uint64_t offset = 0; offset < 3 * size; offset += size)
		has(iova + offset, DATA_PHYS + offset, first);
	protect(iova + size, size, then);
	has(iova + size, DATA_PHYS + size, then);
	has(iova, DATA_PHYS, first);
	has(iova + 2 * size, DATA_PHYS + 2 * size, first);
	protect(iova + size, size, first);
	has(iova + size, DATA_PHYS + size, first);
	rig_unmap(&rig, iova, 3 * size);
}

static void all_pairs(const uint32_t *prots, size_t count)
{
	uint64_t granule = UINT64_C(1) << rig.host.config.granule_shift;

	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++)
			three_leaves(granule, prots[i], prots[j]);
	for (size_t i = 0; rig.host.config.granule_shift == 12 && i < count; i++)
		three_leaves(MIB(2), prots[i], prots[(i + 1) % count]);
}

static void all_pairs_of_regime(void)
{
	if (rig.host.config.flags & IOPGT_CONFIG_XNX)
		all_pairs(stage2_xnx, COUNT(stage2_xnx));
	else if (rig.kind >= RIG_STAGE2)
		all_pairs(stage2, COUNT(stage2));
	else if (rig.kind == RIG_EL2)
		all_pairs(one_level, COUNT(one_level));
	else
		all_pairs(two_levels, COUNT(two_levels));
}

static void one_config(enum rig_kind kind, uint8_t granule_shift, uint32_t flags, uint32_t dirty)
{
	struct iopgt_config config;
	struct iopgt_capabilities can;

	host_capabilities(&can);
	if (!rig_has_granule(kind, granule_shift))
		return;
	rig_best_config(kind, granule_shift, 0xffffffffff, &config);
	config.flags |= flags;
	config.dirty = dirty;
	if (!rig_has(kind, &config) || (flags & IOPGT_CONFIG_XNX && !(can.flags & IOPGT_CAN_XNX)))
		return;
	rig_open(&rig, kind, &config);
	all_pairs_of_regime();
	rig_close(&rig);
}

int main(void)
{
	for (enum rig_kind kind = 0; kind < RIG_KINDS; kind++) {
		if (!rig_available(kind))
			continue;
		topic(rig_names[kind]);
		combinations = 0;
		for (uint8_t shift = 12; shift <= 16; shift += 2)
			one_config(kind, shift, 0, IOPGT_DIRTY_HARDWARE);
		one_config(kind, 12, IOPGT_CONFIG_LPA2, IOPGT_DIRTY_HARDWARE);
		one_config(kind, 14, IOPGT_CONFIG_LPA2, IOPGT_DIRTY_HARDWARE);
		one_config(kind, 12, 0, IOPGT_DIRTY_NONE);
		if (kind == RIG_STAGE2)
			one_config(kind, 12, IOPGT_CONFIG_XNX, IOPGT_DIRTY_HARDWARE);
		say("%s: %u\n", rig_names[kind], combinations);
		CHECK(combinations > 0, "none");
	}
	say("passed, %u checks\n", checks);
	return 0;
}
