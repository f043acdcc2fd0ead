/* SPDX-License-Identifier: BSD-2-Clause */
/* The migration: what CPU 1 does while the guest runs on CPU 0. */
#ifndef HYPERVISOR_MIGRATE_H
#define HYPERVISOR_MIGRATE_H

#include "vm.h"

/*
 * Copies the guest's memory live, compares, and lets the guest go on from the copy. The last
 * line that it prints says how that went.
 *
 * Returns an exit status: 0 identical, and the guest runs; 1 different; 2 failed.
 */
int migrate(struct vm *vm);

#endif
