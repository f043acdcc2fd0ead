/* SPDX-License-Identifier: BSD-2-Clause */
/* Time, and what is said of the migration. */
#ifndef HYPERVISOR_REPORT_H
#define HYPERVISOR_REPORT_H

#include "vm.h"

struct round {
	uint64_t number;
	const char *note;       /* printed behind the number */
	uint64_t pages;         /* found dirty, and copied */
	uint64_t scan_us;       /* read, clear, invalidate and wait */
	struct iopgt_stats did; /* by the library */
};

uint64_t report_clock_us(void);

void report_round(const struct vm *vm, const struct round *round);

/* How guest memory is mapped now: how many leaves there are of each size. */
void report_leaves(const struct vm *vm);

#endif
