/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's only CPU. */
#ifndef HYPERVISOR_VCPU_H
#define HYPERVISOR_VCPU_H

#include "vm.h"

/* Runs the guest's kernel on this CPU for ever. */
_Noreturn void vcpu_run(struct vm *vm);

#endif
