/* SPDX-License-Identifier: BSD-2-Clause */
#include "rig_registers.h"

#include "cpu.h"

/* SCTLR_EL1, SCTLR_EL2: bits that are 1 where a feature is not there (D24.2.175), and M, C, I. */
#define SCTLR_EL1_OFF 0x30d00980
#define SCTLR_EL2_OFF 0x30c50830
#define SCTLR_ON      (1 << 0 | 1 << 2 | 1 << 12)

/* HCR_EL2: EL1 is AArch64 (RW); stage 2 on (VM); forced write-back (FWB). */
#define HCR_RW  (UINT64_C(1) << 31)
#define HCR_VM  (UINT64_C(1) << 0)
#define HCR_FWB (UINT64_C(1) << 46)

static void words_of(const struct iopgt_table *table, uint16_t id, struct iopgt_registers *words)
{
	struct iopgt_capabilities can;
	struct iopgt_register_inputs inputs = {0};
	int err;

	host_capabilities(&can);
	if (can.flags & IOPGT_CAN_CNP)
		inputs.flags |= IOPGT_REGISTERS_CNP;
	if (table->config.regime == IOPGT_STAGE2) {
		inputs.vmid = id;
		inputs.flags |= can.vmid_bits == 16 ? IOPGT_REGISTERS_VMID16 : 0;
	} else if (table->config.regime == IOPGT_STAGE1_EL1) {
		inputs.asid = id;
		inputs.flags |= can.asid_bits == 16 ? IOPGT_REGISTERS_ASID16 : 0;
	}
	if (table->config.dirty != IOPGT_DIRTY_HARDWARE && can.update >= IOPGT_UPDATE_ACCESSED &&
	    table->config.flags & IOPGT_CONFIG_ACCESS_FLAG)
		inputs.flags |= IOPGT_REGISTERS_HARDWARE_ACCESS;
	err = iopgt_registers(table, &inputs, words);
	CHECK(err == 0, "registers: %s", iopgt_strerror(err));
}

static struct iopgt_registers home_words, guest_words;

void rig_registers(struct rig *rig, uint16_t id)
{
	int err;

	words_of(rig->table, id, &rig->words);
	if (rig->home.root)
		words_of(&rig->home, id, &home_words);
	if (rig->guest.root)
		words_of(&rig->guest, (uint16_t)(id + 1), &guest_words);
	if (rig->kind == RIG_EL1_HIGH) {
		err = iopgt_registers_both_halves(&home_words, &rig->words, &rig->words);
		CHECK(err == 0, "both halves: %s", iopgt_strerror(err));
	}
}

/* The words of a stage 1 of EL1, whoever's. Its MMU is off. */
static void write_el1(const struct iopgt_registers *words)
{
	write_mair_el1(words->mair);
	write_tcr_el1(words->tcr);
	write_ttbr0_el1(words->ttbr0);
	write_ttbr1_el1(words->ttbr1);
	isb();
}

static void write_el2(const struct iopgt_registers *words)
{
	write_mair_el2(words->mair);
	write_tcr_el2(words->tcr);
	write_ttbr0_el2(words->ttbr0);
	isb();
}

static void forget_all(void)
{
	uint64_t none = 0;

	dsb_ish();
	if (at_el2()) {
		TLBI(4, 7, 0, none); /* ALLE2 */
		TLBI(4, 7, 4, none); /* ALLE1 */
	} else {
		TLBI(0, 7, 0, none); /* VMALLE1 */
	}
	dsb_ish();
	isb();
}

/* The guest: its vectors, its stage 1 if it has one, and stage 2. */
static void prepare_guest(const struct rig *rig)
{
	bool fwb = rig->host.config.flags & IOPGT_CONFIG_FORCED_WRITE_BACK;

	write_hcr_el2(HCR_RW | HCR_VM | (fwb ? HCR_FWB : 0));
	write_vtcr_el2(rig->words.vtcr);
	write_vttbr_el2(rig->words.vttbr);
	write_vbar_el1(STUB_IOVA);
	write_sctlr_el1(SCTLR_EL1_OFF);
	if (rig->kind == RIG_NESTED) {
		write_el1(&guest_words);
		write_sctlr_el1(SCTLR_EL1_OFF | SCTLR_ON);
	}
	isb();
}

void rig_switch_on(const struct rig *rig)
{
	if (rig->kind < RIG_EL2)
		write_el1(&rig->words);
	else
		write_el2(rig->kind == RIG_EL2 ? &rig->words : &home_words);
	if (rig->kind >= RIG_STAGE2)
		prepare_guest(rig);
	forget_all();
	if (rig->kind < RIG_EL2)
		write_sctlr_el1(SCTLR_EL1_OFF | SCTLR_ON);
	else
		write_sctlr_el2(SCTLR_EL2_OFF | SCTLR_ON);
	isb();
}

void rig_switch_off(const struct rig *rig)
{
	if (rig->kind < RIG_EL2) {
		write_sctlr_el1(SCTLR_EL1_OFF);
	} else {
		write_sctlr_el2(SCTLR_EL2_OFF);
		write_hcr_el2(HCR_RW);
		write_sctlr_el1(SCTLR_EL1_OFF);
	}
	isb();
	forget_all();
}
