/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Both stages by the library, each with its own dirty state: a write marks both leaves, the
 * update of the guest's leaf marks the page of the guest's table at stage 2, faults name the
 * stage they belong to, and each half of the invalidation is needed.
 */
#include "cpu.h"
#include "rig.h"

#define PAGES 8
#define PAGE  KIB(4)
#define ALL   ((1u << PAGES) - 1)

/* An abort in a walk of stage 1 (S1PTW). */
#define DURING_WALK (1 << 7)

static struct rig rig;
static uint64_t base;       /* IPA */
static uint64_t table_page; /* IPA of the guest's table that maps it */

static uint32_t take(struct iopgt_table *table, uint64_t iova, uint64_t pages)
{
	uint64_t word = 0;
	struct iopgt_bitmap bitmap = {&word, iova, pages, 12};
	struct iopgt_op op = {0};
	int err = iopgt_read_and_clear_dirty(table, iova, pages * PAGE, &bitmap, &op);

	CHECK(err == 0, "read and clear: %s", iopgt_strerror(err));
	rig_finish(&op);
	return (uint32_t)word;
}

static uint32_t taken_below(void)
{
	return take(rig.table, base, PAGES);
}

static uint32_t taken_in_guest(void)
{
	return take(&rig.guest, base + GUEST_OFFSET, PAGES);
}

static uint32_t taken_of_table(void)
{
	return take(rig.table, table_page, 1);
}

static void write_pages(uint32_t pages)
{
	for (unsigned i = 0; i < PAGES; i++)
		if (pages >> i & 1)
			CHECK(!rig_write(&rig, base + i * PAGE, i).faulted, "write %u",
			      (uint64_t)i);
}

static void protect(struct iopgt_table *table, uint64_t iova, uint64_t pages, uint32_t prot)
{
	struct iopgt_op op = {0};
	int err = iopgt_protect(table, iova, pages * PAGE, prot, &op);

	CHECK(err == 0, "protect: %s", iopgt_strerror(err));
	rig_finish(&op);
}

static void prepare(void)
{
	struct iopgt_config config;
	struct iopgt_mapping mapping = {
		.phys = DATA_PHYS,
		.size = PAGES * PAGE,
		.prot = IOPGT_READ | IOPGT_WRITE | IOPGT_CLEAN,
		.memory = IOPGT_WRITE_BACK,
	};

	rig_best_config(RIG_NESTED, 12, 0x7ffffffffff, &config);
	config.leaf_sizes = PAGE | MIB(2);
	rig_open(&rig, RIG_NESTED, &config);
	base = mapping.iova = UINT64_C(0x10000000000);
	rig_map(&rig, &mapping);
	table_page = (uintptr_t)rig_leaf(&rig.guest, base + GUEST_OFFSET) & ~(PAGE - 1);
	/* The page of the guest's table is tracked, out of a block that is not. */
	protect(rig.table, table_page, 1, IOPGT_READ | IOPGT_WRITE);
	taken_in_guest();
	taken_below();
	taken_of_table();
}

static void each_stage_has_its_own_state(void)
{
	for (unsigned i = 0; i < PAGES; i++)
		CHECK(!rig_read(&rig, base + i * PAGE).faulted, "read");
	CHECK(taken_in_guest() == 0 && taken_below() == 0, "reads");
	for (int round = 0; round < 16; round++) {
		uint32_t pages = 1 + (uint32_t)random_number() % ALL;
		uint32_t others = (uint32_t)random_number() & ALL, below, guest;

		write_pages(pages);
		below = taken_below();
		CHECK(below == pages, "%x below, not %x", (uint64_t)below, (uint64_t)pages);
		write_pages(others);
		guest = taken_in_guest();
		CHECK(guest == (pages | others), "%x in the guest, not %x", (uint64_t)guest,
		      (uint64_t)(pages | others));
		write_pages(pages);
		CHECK(taken_below() == (pages | others), "below, after the guest's was cleared");
		CHECK(taken_in_guest() == pages, "in the guest");
	}
}

static void the_page_of_the_guests_table_is_marked(void)
{
	taken_of_table();
	CHECK(!rig_read(&rig, base).faulted && !rig_read(&rig, base + PAGE).faulted, "read");
	CHECK(taken_of_table() == 0, "reads mark the table");
	for (int round = 0; round < 4; round++) {
		write_pages(1);
		CHECK(taken_of_table() == 1, "the walker's update was not marked");
		write_pages(1);
		CHECK(taken_of_table() == 0, "a dirty leaf was updated again");
		CHECK(taken_in_guest() == 1, "in the guest");
		/* That cleaned the leaf by a store of the host's, which is none of a guest's. */
		taken_of_table();
	}
	taken_below();
}

static void each_fault_has_its_stage(void)
{
	struct outcome outcome;

	protect(&rig.guest, base + GUEST_OFFSET, 1, IOPGT_READ | IOPGT_PRIVILEGED);
	outcome = rig_write(&rig, base, 0);
	CHECK(outcome.faulted && !outcome.stage2 &&
	              outcome.status == status_at(STATUS_PERMISSION, 3),
	      "esr %x", outcome.esr);
	CHECK(outcome.far == base + GUEST_OFFSET, "far %x", outcome.far);
	protect(rig.table, base + PAGE, 1, IOPGT_READ);
	outcome = rig_write(&rig, base + PAGE, 0);
	CHECK(outcome.faulted && outcome.stage2 &&
	              outcome.status == status_at(STATUS_PERMISSION, 3),
	      "esr %x", outcome.esr);
	CHECK(!(outcome.esr & DURING_WALK), "esr %x", outcome.esr);
	/* A table of the guest's that may not be updated, then one that is not there. */
	taken_in_guest();
	protect(rig.table, table_page, 1, IOPGT_READ);
	outcome = rig_write(&rig, base + 2 * PAGE, 0);
	CHECK(outcome.faulted && outcome.stage2 && outcome.esr & DURING_WALK, "esr %x",
	      outcome.esr);
	CHECK(read_hpfar_el2() >> 4 == table_page >> 12, "hpfar %x", read_hpfar_el2());
	CHECK(!rig_read(&rig, base + 2 * PAGE).faulted, "read");
	protect(&rig.guest, base + GUEST_OFFSET, 1, IOPGT_READ | IOPGT_WRITE | IOPGT_PRIVILEGED);
	protect(rig.table, base + PAGE, 1, IOPGT_READ | IOPGT_WRITE);
	protect(rig.table, table_page, 1, IOPGT_READ | IOPGT_WRITE);
	write_pages(ALL);
}

static void with_fault(enum host_fault fault, uint32_t (*taken)(void))
{
	rig.host.fault = fault;
	taken();
	rig.host.fault = HOST_CORRECT;
}

/* QEMU may forget by itself: some of the second writes have to be missed, not each. */
static void each_half_of_the_invalidation_is_needed(void)
{
	uint32_t marked, table_missed = 0;

	taken_in_guest();
	write_pages(ALL);
	with_fault(HOST_NOT_COMBINED, taken_below);
	write_pages(ALL);
	marked = taken_below();
	CHECK(marked != ALL, "all were marked though combined entries were left");

	for (int i = 0; i < PAGES; i++) {
		taken_in_guest();
		write_pages(1u << i);
		with_fault(HOST_COMBINED_ONLY, taken_of_table);
		taken_in_guest();
		write_pages(1u << i);
		table_missed += taken_of_table() == 0;
	}
	CHECK(table_missed > 0, "all were marked though entries of stage 2 were left");
}

int main(void)
{
	topic("nested");
	prepare();
	each_stage_has_its_own_state();
	the_page_of_the_guests_table_is_marked();
	each_fault_has_its_stage();
	each_half_of_the_invalidation_is_needed();
	rig_close(&rig);
	say("passed, %u checks\n", checks);
	return 0;
}
