/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's CPU, as EL2 sees it. guest.S knows this layout. */
#ifndef EL2_GUEST_H
#define EL2_GUEST_H

#include <stdint.h>

struct guest {
	uint64_t x[31];
	uint64_t pc;
	uint64_t pstate;
};

#define GUEST_PSTATE UINT64_C(0x3c5) /* EL1 on its own stack, interrupts masked */

enum guest_exit {
	GUEST_SYNCHRONOUS, /* ESR_EL2 says why */
	GUEST_IRQ,
	GUEST_FIQ,
	GUEST_SERROR,
};

/* Runs until the next exception to EL2. Stage 2 and HCR_EL2 are the caller's to set. */
int guest_run(struct guest *guest);

/* Defined by the program: where CPU 0 and CPU 1 start, and what an exception at EL2 does. */
void start(void);
void start_second(void);
void unexpected_exception(void);

#endif
