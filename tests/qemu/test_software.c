/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Without hardware's help: a write to a writable-clean leaf is a permission fault that changes
 * nothing, whatever the table was made for, and a cleared access flag is an access flag fault;
 * with the library's handlers each access goes on, and what it did is reported. (test_dirty,
 * run on the same PE, has the rest of dirty state.) With hardware's help for access flags
 * alone, or for both, no fault is left.
 */
#include "cpu.h"
#include "faults.h"
#include "rig.h"

#define PAGES 16

static struct rig rig;
static uint64_t page, base;
static enum iopgt_update can_update;

static uint32_t take(int (*verb)(struct iopgt_table *, uint64_t, uint64_t,
                                 const struct iopgt_bitmap *, struct iopgt_op *))
{
	uint64_t word = 0;
	struct iopgt_bitmap bitmap = {&word, base, PAGES, rig.host.config.granule_shift};
	struct iopgt_op op = {0};
	int err = verb(rig.table, base, PAGES * page, &bitmap, &op);

	CHECK(err == 0, "%s", iopgt_strerror(err));
	rig_finish(&op);
	return (uint32_t)word;
}

static void map_pages(void)
{
	struct iopgt_mapping mapping = {
		.iova = base,
		.phys = DATA_PHYS,
		.size = PAGES * page,
		.prot = IOPGT_READ | IOPGT_WRITE | IOPGT_CLEAN,
		.memory = IOPGT_WRITE_BACK,
	};

	rig_map(&rig, &mapping);
}

/* Where hardware does not mark, or must not. */
static void a_write_faults_and_changes_nothing(void)
{
	volatile uint64_t *word = (volatile uint64_t *)(uintptr_t)DATA_PHYS;
	struct outcome outcome;

	*word = 1;
	for (int i = 0; i < 2; i++) {
		outcome = rig_write(&rig, base, 2);
		CHECK(outcome.faulted && outcome.status == status_at(STATUS_PERMISSION, 3),
		      "esr %x", outcome.esr);
		CHECK(*word == 1, "it was written");
		CHECK(take(iopgt_sync_dirty_log) == 0, "it is marked");
	}
	CHECK(!rig_read(&rig, base).faulted, "read");
}

static void a_handled_write_goes_on(void)
{
	volatile uint64_t *word = (volatile uint64_t *)(uintptr_t)DATA_PHYS;
	struct fault_counts faults;

	faults_handle(&rig);
	CHECK(!rig_write(&rig, base, 2).faulted && *word == 2, "write");
	CHECK(!rig_write(&rig, base, 3).faulted && *word == 3, "second write");
	faults = faults_ignore();
	CHECK(faults.writes == 1, "%u faults", faults.writes);
	CHECK(take(iopgt_read_and_clear_dirty) == 1, "not marked");
	faults_handle(&rig);
	CHECK(!rig_write(&rig, base, 4).faulted && *word == 4, "write");
	CHECK(faults_ignore().writes == 1, "no fault after it was cleaned");
	CHECK(take(iopgt_read_and_clear_dirty) == 1, "not marked");
}

static void access_flags(bool by_hardware)
{
	uint32_t accessed, pages = 0;
	struct fault_counts faults;
	struct outcome outcome;

	take(iopgt_read_and_clear_accessed);
	CHECK(take(iopgt_read_and_clear_accessed) == 0, "not cleared");
	if (!by_hardware) {
		outcome = rig_read(&rig, base + page);
		CHECK(outcome.faulted && outcome.status == status_at(STATUS_ACCESS_FLAG, 3),
		      "esr %x", outcome.esr);
	}
	faults_handle(&rig);
	for (int i = 0; i < 40; i++) {
		unsigned chosen = (unsigned)random_number() % PAGES;

		CHECK(!rig_read(&rig, base + chosen * page).faulted, "read");
		pages |= 1u << chosen;
	}
	faults = faults_ignore();
	CHECK((faults.accesses > 0) == !by_hardware, "%u access faults", faults.accesses);
	accessed = take(iopgt_read_and_clear_accessed);
	CHECK(accessed == pages, "%x accessed, not %x", (uint64_t)accessed, (uint64_t)pages);
}

static void one_mode(enum rig_kind kind, struct iopgt_config config, uint32_t dirty)
{
	bool marks = dirty == IOPGT_DIRTY_HARDWARE && can_update >= IOPGT_UPDATE_DIRTY;
	/* HA = 1 (rig_registers.c). */
	bool by_hardware =
		can_update >= IOPGT_UPDATE_ACCESSED &&
		(dirty == IOPGT_DIRTY_HARDWARE || config.flags & IOPGT_CONFIG_ACCESS_FLAG);

	config.dirty = dirty;
	rig_open(&rig, kind, &config);
	page = UINT64_C(1) << config.granule_shift;
	base = rig_free_last(&rig) - (2 * PAGES * page - 1);
	map_pages();
	if (dirty != IOPGT_DIRTY_NONE && !marks)
		a_write_faults_and_changes_nothing();
	if (dirty == IOPGT_DIRTY_SOFTWARE)
		a_handled_write_goes_on();
	if (dirty != IOPGT_DIRTY_NONE || config.flags & IOPGT_CONFIG_ACCESS_FLAG)
		access_flags(by_hardware);
	rig_unmap(&rig, base, PAGES * page);
	rig_close(&rig);
}

static void one_granule(enum rig_kind kind, uint8_t granule_shift)
{
	struct iopgt_capabilities can;
	struct iopgt_config config;

	host_capabilities(&can);
	can_update = can.update;
	if (!rig_has_granule(kind, granule_shift))
		return;
	rig_best_config(kind, granule_shift, 0x7ffffffffff, &config);
	config.leaf_sizes = UINT64_C(1) << granule_shift;
	one_mode(kind, config, IOPGT_DIRTY_HARDWARE);
	one_mode(kind, config, IOPGT_DIRTY_SOFTWARE);
	config.flags |= IOPGT_CONFIG_ACCESS_FLAG;
	one_mode(kind, config, IOPGT_DIRTY_SOFTWARE);
	one_mode(kind, config, IOPGT_DIRTY_NONE);
}

int main(void)
{
	for (enum rig_kind kind = 0; kind < RIG_KINDS; kind++) {
		if (!rig_available(kind))
			continue;
		topic(rig_names[kind]);
		for (uint8_t shift = 12; shift <= 16; shift += 2)
			one_granule(kind, shift);
	}
	say("passed, %u checks\n", checks);
	return 0;
}
