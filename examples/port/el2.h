/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port for bare metal: a hypervisor at EL2 whose guests' stage 2 the library keeps. No
 * operating system, no C library; one address map, in which virtual is physical.
 */
#ifndef PORT_EL2_H
#define PORT_EL2_H

#include <iopgt/iopgt.h>
#include <stdatomic.h>

/* Where table memory comes from; the `context` of el2_hal, and of el2_tlb. */
struct el2_port {
	atomic_flag busy;
	uint64_t *free;      /* pages that came back, each with the next one in its first word */
	uintptr_t next, end; /* what was never used */
};

/* For iopgt_domain_init; its invalidation is el2_tlb. */
extern const struct iopgt_hal el2_hal;

/*
 * The CPUs as one walker, since their invalidations are broadcast. They go by VMID: every CPU
 * that calls a verb has done el2_load.
 */
extern const struct iopgt_tlb_ops el2_tlb;

/* `memory` is aligned to 64 KiB, a start table's most, and cached by every CPU. */
void el2_port_init(struct el2_port *port, void *memory, uint64_t bytes);

/*
 * The best stage-2 configuration for this CPU with hardware dirty management and 39 bits of
 * address, so that tables begin at the level of 1 GiB blocks; and the walker that fits it.
 * Return: as iopgt_best_config and iopgt_walker_from_capabilities.
 */
int el2_configure(struct el2_port *port, struct iopgt_config *config, struct iopgt_walker *walker);

/* Makes this CPU walk the table (once HCR_EL2.VM is set) and invalidate for it. */
int el2_load(const struct iopgt_table *table, uint16_t vmid);

#endif
