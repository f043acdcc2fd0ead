/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hypervisor that migrates its only guest, from one half of memory to the other: the guest
 * runs on CPU 0, the migration on CPU 1. docs/hypervisor.md walks through it.
 */
#include "console.h"
#include "guest.h"
#include "migrate.h"
#include "sleep.h"
#include "sysreg.h"
#include "vcpu.h"

#define PSCI_CPU_ON UINT64_C(0xc4000003)

static struct vm vm;

extern char _start[];

static int64_t start_cpu(uint64_t mpidr)
{
	register uint64_t x0 __asm__("x0") = PSCI_CPU_ON;
	register uint64_t x1 __asm__("x1") = mpidr;
	register uint64_t x2 __asm__("x2") = (uintptr_t)_start;
	register uint64_t x3 __asm__("x3") = 0;

	__asm__ volatile("smc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "memory");
	return (int64_t)x0;
}

/* CPU 0. */
void start(void)
{
	int error = vm_init(&vm);

	if (!error)
		error = el2_load(&vm.domain.table, VM_ID);
	if (error || start_cpu(1)) {
		console_line("hypervisor: FAILED to start, %s", iopgt_strerror(error));
		console_exit(2);
	}
	vcpu_run(&vm);
}

/* CPU 1: the guest's VMID is what its invalidations go by. */
void start_second(void)
{
	el2_load(&vm.domain.table, VM_ID); /* as it did on CPU 0 */
	sleep_init();
	console_exit(migrate(&vm));
}

void unexpected_exception(void)
{
	console_line("hypervisor: FAILED, exception at EL2: ESR %x, ELR %x, FAR %x",
	             sysreg_read(esr_el2), sysreg_read(elr_el2), sysreg_read(far_el2));
	console_exit(3);
}
