/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where things are: QEMU's machine virt with 3 GiB, and the guest in it.
 *
 *     physical                            guest (IPA)
 *     0800_0000  interrupt controller     the same: it has CPU 0's interfaces
 *     0900_0000  console                  nothing: emulated
 *     4000_0000  this hypervisor          guest memory
 *     8000_0000  guest memory
 *     c000_0000  its copy
 */
#ifndef HYPERVISOR_MACHINE_H
#define HYPERVISOR_MACHINE_H

#include <stdint.h>

#define GUEST_IPA   UINT64_C(0x40000000)
#define GUEST_SIZE  UINT64_C(0x40000000) /* one block of 1 GiB */
#define GUEST_PAGES (GUEST_SIZE >> 12)

#define MEMORY UINT64_C(0x80000000)
#define COPY   UINT64_C(0xc0000000)

/* What examples/hypervisor/run has QEMU load into guest memory. */
#define GUEST_KERNEL      GUEST_IPA
#define GUEST_DEVICE_TREE (GUEST_IPA + UINT64_C(0x07e00000))

#define GUEST_CONSOLE UINT64_C(0x09000000)

#define GIC_DISTRIBUTOR       UINT64_C(0x08000000)
#define GIC_DISTRIBUTOR_SIZE  UINT64_C(0x10000)
#define GIC_REDISTRIBUTOR     UINT64_C(0x080a0000) /* of CPU 0; that of CPU 1 follows */
#define GIC_REDISTRIBUTOR_ONE UINT64_C(0x20000)

/* A word that run has QEMU set: 1: invalidate nothing while tracking. */
#define OPTION_DEAF ((const volatile uint64_t *)0x40100000)

#endif
