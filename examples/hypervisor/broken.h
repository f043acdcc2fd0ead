/* SPDX-License-Identifier: BSD-2-Clause */
/* How not to do it: for run --break=no-invalidate. */
#ifndef HYPERVISOR_BROKEN_H
#define HYPERVISOR_BROKEN_H

#include <iopgt/iopgt.h>
#include <stdbool.h>

/*
 * el2_tlb without invalidations: pages that were cleaned are written through cached
 * translations, without a mark.
 */
extern const struct iopgt_tlb_ops broken_tlb;

/* From now on it is as el2_tlb: else the guest could not be stopped. */
void broken_repair(void);

#endif
