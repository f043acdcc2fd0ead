/* SPDX-License-Identifier: BSD-2-Clause */
/* How CPU 1 waits without taking the host's time: by an interrupt that it never takes. */
#ifndef HYPERVISOR_SLEEP_H
#define HYPERVISOR_SLEEP_H

#include <stdint.h>

/* Lets the EL2 timer's interrupt reach CPU 1, where it ends WFI. */
void sleep_init(void);

/* At most 2^31 ticks of the counter, some 30 s. The guest has enabled the distributor. */
void sleep_us(uint64_t us);

#endif
