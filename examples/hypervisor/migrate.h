/* SPDX-License-Identifier: BSD-2-Clause */
/* The migration: what CPU 1 does while the guest runs on CPU 0. */
#ifndef HYPERVISOR_MIGRATE_H
#define HYPERVISOR_MIGRATE_H

#include "vm.h"

enum verdict {
	VERDICT_IDENTICAL, /* and the guest runs on from the copy */
	VERDICT_DIFFERENT,
	VERDICT_FAILED, /* a line says why */
};

/* Copies the guest's memory live, compares, and lets the guest go on from the copy. */
enum verdict migrate(struct vm *vm);

#endif
