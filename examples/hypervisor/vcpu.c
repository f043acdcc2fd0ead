/* SPDX-License-Identifier: BSD-2-Clause */
#include "vcpu.h"

#include "console.h"
#include "guest.h"
#include "guest_console.h"
#include "machine.h"
#include "sysreg.h"

#define HCR_VM  (UINT64_C(1) << 0)  /* stage 2 */
#define HCR_TSC (UINT64_C(1) << 19) /* SMC comes here, not to firmware */
#define HCR_RW  (UINT64_C(1) << 31) /* EL1 is AArch64 */

#define SCTLR_EL1_OFF   UINT64_C(0x30d00800) /* MMU and caches off, the rest is RES1 */
#define CPTR_EL2_NONE   UINT64_C(0x33ff)     /* no trap: what is RES1 without SVE and SME */
#define CNTHCTL_EL2_EL1 UINT64_C(3)          /* EL1 has counter and timer */
#define ICC_SRE_EL2_EL1 UINT64_C(0xf)        /* EL1 has the CPU interface's registers */

#define ESR_CLASS(esr)       ((esr) >> 26 & 0x3f)
#define CLASS_FETCH_ABORT    0x20
#define CLASS_DATA_ABORT     0x24
#define ESR_TRANSLATION(esr) (((esr)&0x3c) == 0x04)

/*
 * Interrupts go straight to the guest (IMO and FMO are 0), and so do timer and interrupt
 * controller: with one guest, pinned to this CPU, there is nobody to share them with.
 */
static void give_cpu_to_guest(void)
{
	sysreg_write(hcr_el2, HCR_VM | HCR_TSC | HCR_RW);
	sysreg_write(cptr_el2, CPTR_EL2_NONE);
	sysreg_write(hstr_el2, 0);
	sysreg_write(cnthctl_el2, CNTHCTL_EL2_EL1);
	sysreg_write(cntvoff_el2, 0);
	sysreg_write(s3_4_c12_c9_5 /* ICC_SRE_EL2 */, ICC_SRE_EL2_EL1);
	sysreg_write(vmpidr_el2, sysreg_read(mpidr_el1));
	sysreg_write(vpidr_el2, sysreg_read(midr_el1));
	sysreg_write(sctlr_el1, SCTLR_EL1_OFF);
	isb();
}

/*
 * CPU 1 took the permissions away. Until it gives them back, this CPU stays at EL2, and the
 * guest's clock stands still.
 */
static void wait_stopped(struct vm *vm)
{
	uint64_t begin = sysreg_read(cntpct_el0);

	atomic_store(&vm->state, VM_STOPPED);
	while (atomic_load(&vm->state) == VM_STOPPED)
		;
	sysreg_write(cntvoff_el2, sysreg_read(cntvoff_el2) + sysreg_read(cntpct_el0) - begin);
	isb(); /* and other instructions may be there now */
}

static uint64_t fault_ipa(void)
{
	return (sysreg_read(hpfar_el2) >> 4 << 12) | (sysreg_read(far_el2) & 0xfff);
}

static bool is_console(uint64_t esr)
{
	return ESR_CLASS(esr) == CLASS_DATA_ABORT && ESR_TRANSLATION(esr) &&
	       fault_ipa() >> 12 == GUEST_CONSOLE >> 12;
}

/*
 * Whether the guest can go on. A CPU may fault on a block that is just being split (nT,
 * R_MRRPW): then it tries again.
 */
static bool handle_exit(struct vm *vm, struct guest *guest, int exit)
{
	uint64_t esr = sysreg_read(esr_el2);

	if (exit != GUEST_SYNCHRONOUS ||
	    (ESR_CLASS(esr) != CLASS_DATA_ABORT && ESR_CLASS(esr) != CLASS_FETCH_ABORT))
		return false;
	if (is_console(esr))
		return guest_console_access(vm, guest, esr, fault_ipa() - GUEST_CONSOLE);
	if (ESR_TRANSLATION(esr))
		return iopgt_handle_translation_fault(&vm->domain.table, fault_ipa()) == IOPGT_OK;
	if (atomic_load(&vm->state) != VM_STOPPING)
		return false;
	wait_stopped(vm);
	return true;
}

_Noreturn void vcpu_run(struct vm *vm)
{
	static struct guest guest = {
		.x = {GUEST_DEVICE_TREE}, /* as Linux wants it; the rest is 0 */
		.pc = GUEST_KERNEL,
		.pstate = GUEST_PSTATE,
	};
	int exit;

	give_cpu_to_guest();
	do
		exit = guest_run(&guest);
	while (handle_exit(vm, &guest, exit));
	console_line("guest at pc %x: exit %d, ESR %x, FAR %x, IPA %x", guest.pc, exit,
	             sysreg_read(esr_el2), sysreg_read(far_el2), fault_ipa());
	console_line("hypervisor: FAILED, the guest did what it may not");
	console_exit(2);
}
