/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's console: as much of a PL011 as Linux needs to print ("arm,sbsa-uart"). */
#ifndef HYPERVISOR_GUEST_CONSOLE_H
#define HYPERVISOR_GUEST_CONSOLE_H

#include "guest.h"
#include "vm.h"

/*
 * Does what the guest's load or store of a console register would do, and steps over it. Whole
 * lines are printed, and vm->count follows what the guest's script counts.
 *
 * Returns false if the instruction is of a kind that the CPU does not describe.
 */
bool guest_console_access(struct vm *vm, struct guest *guest, uint64_t esr, uint64_t offset);

#endif
