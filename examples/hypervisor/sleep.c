/* SPDX-License-Identifier: BSD-2-Clause */
#include "sleep.h"

#include "machine.h"
#include "sysreg.h"

#define TIMER_INTERRUPT (1 << 26) /* of EL2's physical timer */

#define REDISTRIBUTOR(offset)                                                                      \
	((volatile uint32_t *)(GIC_REDISTRIBUTOR + GIC_REDISTRIBUTOR_ONE + (offset)))
#define GICR_WAKER      REDISTRIBUTOR(0x14)
#define GICR_IGROUPR0   REDISTRIBUTOR(0x10080)
#define GICR_ISENABLER0 REDISTRIBUTOR(0x10100)

#define WAKER_PROCESSOR_SLEEP (1 << 1)
#define WAKER_CHILDREN_ASLEEP (1 << 2)
#define ICC_SRE_ON            7
#define ICC_PMR_ALL           0xff
#define CNTHP_ENABLE          1
#define CNTHP_STATUS          4

void sleep_init(void)
{
	sysreg_write(s3_4_c12_c9_5 /* ICC_SRE_EL2 */, ICC_SRE_ON);
	isb();
	*GICR_WAKER &= ~(uint32_t)WAKER_PROCESSOR_SLEEP;
	while (*GICR_WAKER & WAKER_CHILDREN_ASLEEP)
		;
	*GICR_IGROUPR0 |= TIMER_INTERRUPT;
	*GICR_ISENABLER0 = TIMER_INTERRUPT;
	sysreg_write(s3_0_c4_c6_0 /* ICC_PMR_EL1 */, ICC_PMR_ALL);
	sysreg_write(s3_0_c12_c12_7 /* ICC_IGRPEN1_EL1 */, 1);
	isb();
}

/* Interrupts are masked here, so that a pending one ends WFI and does no more. */
void sleep_us(uint64_t us)
{
	sysreg_write(cnthp_tval_el2, us * sysreg_read(cntfrq_el0) / 1000000);
	sysreg_write(cnthp_ctl_el2, CNTHP_ENABLE);
	isb();
	while (!(sysreg_read(cnthp_ctl_el2) & CNTHP_STATUS))
		__asm__ volatile("wfi" : : : "memory");
	sysreg_write(cnthp_ctl_el2, 0);
	isb();
}
