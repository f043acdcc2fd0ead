/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest: its stage 2, and whether it runs. */
#ifndef HYPERVISOR_VM_H
#define HYPERVISOR_VM_H

#include <iopgt/iopgt.h>
#include <stdatomic.h>

#include "el2.h"

#define VM_ID 1

enum vm_state {
	VM_RUNNING,
	VM_STOPPING, /* wanted by CPU 1 */
	VM_STOPPED,  /* by CPU 0: the guest executes nothing */
};

struct vm {
	struct iopgt_domain domain; /* stage 2 */
	struct iopgt_walker cpus;
	struct el2_port port;   /* table memory */
	atomic_int state;       /* enum vm_state */
	_Atomic uint64_t count; /* what the guest's script has counted on its console */
	atomic_bool lost;       /* it counted wrong, or found its memory changed */
};

/* Makes stage 2: memory in the largest blocks, the interrupt controller. Nothing is tracked. */
int vm_init(struct vm *vm);

/* Maps all of guest memory to `phys`. */
int vm_map_memory(struct vm *vm, uint64_t phys);

#endif
