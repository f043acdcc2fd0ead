/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walks tables that were built elsewhere: for each case of oracle/oracle.h its registers are
 * written, each address is looked up by AT, and all of that memory goes into a file, for the
 * program that built them to compare.
 */
#include "cpu.h"
#include "oracle/oracle.h"
#include "runtime.h"

#define SCTLR_EL1_OFF 0x30d00980
#define SCTLR_EL2_OFF 0x30c50830
#define SCTLR_ON      (1 << 0 | 1 << 2 | 1 << 12)
#define HCR_RW        (UINT64_C(1) << 31)
#define HCR_VM        (UINT64_C(1) << 0)

#define SYS_OPEN   0x01
#define SYS_CLOSE  0x02
#define SYS_WRITE  0x05
#define MODE_WRITE 5 /* "wb" */

static struct oracle_memory *const memory = (struct oracle_memory *)(uintptr_t)ORACLE_PHYS;

static void forget_all(void)
{
	uint64_t none = 0;

	dsb_ish();
	TLBI(4, 7, 0, none); /* ALLE2 */
	TLBI(4, 7, 4, none); /* ALLE1 */
	dsb_ish();
	isb();
}

static void switch_on(const struct oracle_case *c)
{
	if (c->regime == ORACLE_EL1) {
		write_mair_el1(c->mair);
		write_tcr_el1(c->tcr);
		write_ttbr0_el1(c->ttbr0);
		write_ttbr1_el1(c->ttbr1);
		write_sctlr_el1(SCTLR_EL1_OFF | SCTLR_ON);
		write_hcr_el2(HCR_RW);
	} else if (c->regime == ORACLE_STAGE2) {
		write_vtcr_el2(c->vtcr);
		write_vttbr_el2(c->vttbr);
		write_sctlr_el1(SCTLR_EL1_OFF);
		write_hcr_el2(HCR_RW | HCR_VM | c->hcr);
	} else {
		write_mair_el2(c->mair);
		write_tcr_el2(c->tcr);
		write_ttbr0_el2(c->ttbr0);
	}
	isb();
	forget_all();
	if (c->regime == ORACLE_EL2)
		write_sctlr_el2(SCTLR_EL2_OFF | SCTLR_ON);
	isb();
}

static void switch_off(void)
{
	write_sctlr_el2(SCTLR_EL2_OFF);
	write_sctlr_el1(SCTLR_EL1_OFF);
	write_hcr_el2(HCR_RW);
	isb();
	forget_all();
}

static struct oracle_answer look_up(uint64_t regime, uint64_t iova)
{
	struct oracle_answer answer;

	if (regime == ORACLE_EL1)
		AT(0, 0, iova); /* S1E1R */
	else if (regime == ORACLE_EL2)
		AT(4, 0, iova); /* S1E2R */
	else
		AT(4, 4, iova); /* S12E1R */
	answer.privileged = read_par_el1();
	if (regime == ORACLE_EL1)
		AT(0, 2, iova); /* S1E0R */
	else if (regime == ORACLE_STAGE2)
		AT(4, 6, iova); /* S12E0R */
	answer.user = read_par_el1();
	return answer;
}

static void one_case(const struct oracle_case *c)
{
	switch_on(c);
	for (uint64_t i = c->first; i < c->first + c->count; i++)
		memory->answers[i] = look_up(c->regime, memory->iova[i]);
	switch_off();
}

static void write_memory(void)
{
	static const char name[] = "walked.bin";
	uint64_t open[3] = {(uintptr_t)name, MODE_WRITE, sizeof(name) - 1};
	uint64_t handle = semihost(SYS_OPEN, open);
	uint64_t write[3] = {handle, ORACLE_PHYS, ORACLE_BYTES};

	CHECK(handle + 1 != 0, "open %s", name);
	CHECK(semihost(SYS_WRITE, write) == 0, "write %s", name);
	CHECK(semihost(SYS_CLOSE, &handle) == 0, "close %s", name);
}

int main(void)
{
	topic("oracle");
	CHECK(at_el2(), "needs EL2");
	CHECK(memory->magic == ORACLE_MAGIC && memory->probes <= ORACLE_PROBES, "no tables");
	switch_off();
	for (uint64_t i = 0; i < memory->cases; i++)
		one_case(&memory->list[i]);
	write_memory();
	say("seed %u: %u tables, %u addresses\n", memory->seed, memory->cases, memory->probes);
	return 0;
}
