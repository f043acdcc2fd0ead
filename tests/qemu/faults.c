/* SPDX-License-Identifier: BSD-2-Clause */
#include "faults.h"

#include "cpu.h"

#define HPFAR_PAGE(hpfar) (((hpfar) & ~UINT64_C(15)) << 8)
#define DURING_WALK       (1 << 7)

static struct fault_counts counts[2];

static struct fault_counts *my_counts(void)
{
	return &counts[this_cpu() - cpus];
}

/*
 * The address in the table under test. HPFAR_EL2 has the IPA, but not after a permission fault
 * of stage 2 (D24.2.62): then the guest's own address is translated once more.
 */
static uint64_t fault_iova(const struct rig *rig, uint64_t esr, uint64_t far)
{
	if (rig->kind < RIG_STAGE2)
		return far;
	if ((ESR_STATUS(esr) & 0x3c) != STATUS_PERMISSION || esr & DURING_WALK)
		return HPFAR_PAGE(read_hpfar_el2()) | (far & 0xfff);
	AT(0, 0, far); /* S1E1R */
	CHECK(!PAR_FAULT(read_par_el1()), "the guest's %x: PAR %x", far, read_par_el1());
	return PAR_PHYS(read_par_el1()) | (far & 0xfff);
}

static int handle_write(struct rig *rig, uint64_t iova)
{
	uint32_t access = rig_regime(rig->kind) == IOPGT_STAGE1_EL1 ? IOPGT_PRIVILEGED : 0;
	struct iopgt_op op = {0};
	int err = iopgt_handle_write_fault(rig->table, iova, access, &op);

	rig_finish(&op);
	my_counts()->writes += err == 0;
	return err;
}

static bool retry(void *context, uint64_t esr, uint64_t far)
{
	struct rig *rig = context;
	uint64_t iova;
	int err = IOPGT_FAULT;

	if (!is_data_abort(esr) && !is_instruction_abort(esr))
		return false;
	iova = fault_iova(rig, esr, far);
	switch (ESR_STATUS(esr) & 0x3c) {
	case STATUS_PERMISSION:
		if (is_write(esr))
			err = handle_write(rig, iova);
		break;
	case STATUS_ACCESS_FLAG:
		err = iopgt_handle_access_fault(rig->table, iova);
		my_counts()->accesses += err == 0;
		break;
	case STATUS_TRANSLATION:
		err = iopgt_handle_translation_fault(rig->table, iova);
		my_counts()->translations += err == 0;
		break;
	}
	return err == 0;
}

void faults_handle(struct rig *rig)
{
	*my_counts() = (struct fault_counts){0};
	this_cpu()->retry_context = rig;
	this_cpu()->retry = retry;
}

struct fault_counts faults_ignore(void)
{
	this_cpu()->retry = NULL;
	return *my_counts();
}
