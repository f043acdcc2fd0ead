/* SPDX-License-Identifier: BSD-2-Clause */
/* System registers and instructions of a PE. */
#ifndef CPU_H
#define CPU_H

#include <stdbool.h>
#include <stdint.h>

#define SYSTEM_REGISTER(name, encoding)                                                            \
	static inline uint64_t read_##name(void)                                                   \
	{                                                                                          \
		uint64_t value;                                                                    \
                                                                                                   \
		__asm__ volatile("mrs %0, " #encoding : "=r"(value)::"memory");                    \
		return value;                                                                      \
	}                                                                                          \
	static inline void write_##name(uint64_t value)                                            \
	{                                                                                          \
		__asm__ volatile("msr " #encoding ", %0" ::"r"(value) : "memory");                 \
	}

SYSTEM_REGISTER(tcr_el1, tcr_el1)
SYSTEM_REGISTER(mair_el1, mair_el1)
SYSTEM_REGISTER(ttbr0_el1, ttbr0_el1)
SYSTEM_REGISTER(ttbr1_el1, ttbr1_el1)
SYSTEM_REGISTER(sctlr_el1, sctlr_el1)
SYSTEM_REGISTER(vbar_el1, vbar_el1)
SYSTEM_REGISTER(esr_el1, esr_el1)
SYSTEM_REGISTER(far_el1, far_el1)
SYSTEM_REGISTER(tpidr_el1, tpidr_el1)
SYSTEM_REGISTER(par_el1, par_el1)
SYSTEM_REGISTER(tcr_el2, tcr_el2)
SYSTEM_REGISTER(mair_el2, mair_el2)
SYSTEM_REGISTER(ttbr0_el2, ttbr0_el2)
SYSTEM_REGISTER(sctlr_el2, sctlr_el2)
SYSTEM_REGISTER(tpidr_el2, tpidr_el2)
SYSTEM_REGISTER(hpfar_el2, hpfar_el2)
SYSTEM_REGISTER(hcr_el2, hcr_el2)
SYSTEM_REGISTER(vtcr_el2, vtcr_el2)
SYSTEM_REGISTER(vttbr_el2, vttbr_el2)

#define READ_ONLY_REGISTER(name, encoding)                                                         \
	static inline uint64_t read_##name(void)                                                   \
	{                                                                                          \
		uint64_t value;                                                                    \
                                                                                                   \
		__asm__ volatile("mrs %0, " #encoding : "=r"(value));                              \
		return value;                                                                      \
	}

READ_ONLY_REGISTER(current_el, CurrentEL)
READ_ONLY_REGISTER(id_isar0, id_aa64isar0_el1)
READ_ONLY_REGISTER(id_mmfr0, id_aa64mmfr0_el1)
READ_ONLY_REGISTER(id_mmfr1, id_aa64mmfr1_el1)
READ_ONLY_REGISTER(id_mmfr2, S3_0_C0_C7_2)
READ_ONLY_REGISTER(cntvct_el0, cntvct_el0)
READ_ONLY_REGISTER(cntfrq_el0, cntfrq_el0)

static inline bool at_el2(void)
{
	return read_current_el() == 2 << 2;
}

static inline void isb(void)
{
	__asm__ volatile("isb" ::: "memory");
}

static inline void dsb_ish(void)
{
	__asm__ volatile("dsb ish" ::: "memory");
}

static inline void dsb_ishst(void)
{
	__asm__ volatile("dsb ishst" ::: "memory");
}

static inline void forget_instructions(void)
{
	__asm__ volatile("dsb ish\n\tic ialluis\n\tdsb ish\n\tisb" ::: "memory");
}

/* TLBI by its encoding (C5.5), since older assemblers know no range operations. */
#define TLBI(op1, crm, op2, operand)                                                               \
	__asm__ volatile("sys #" #op1 ", C8, C" #crm ", #" #op2 ", %0" ::"r"(operand) : "memory")

/* AT (C5.4): op1 and op2; the result is in PAR_EL1. */
#define AT(op1, op2, address)                                                                      \
	__asm__ volatile("sys #" #op1 ", C7, C8, #" #op2 ", %0\n\tisb" ::"r"(address) : "memory")

/* Syndromes (D24.2.40): exception classes, and the fault status of an abort. */
#define ESR_CLASS(esr)  ((esr) >> 26 & 0x3f)
#define ESR_STATUS(esr) ((esr)&0x3f)
#define CLASS_SVC       0x15
#define CLASS_HVC       0x16

static inline bool is_instruction_abort(uint64_t esr)
{
	return ESR_CLASS(esr) == 0x20 || ESR_CLASS(esr) == 0x21;
}

static inline bool is_data_abort(uint64_t esr)
{
	return ESR_CLASS(esr) == 0x24 || ESR_CLASS(esr) == 0x25;
}

/* Write, not read (WnR). */
static inline bool is_write(uint64_t esr)
{
	return is_data_abort(esr) && esr >> 6 & 1;
}

/* Fault status codes; with the level, but for level -1. */
enum status {
	STATUS_TRANSLATION = 0x04,
	STATUS_ACCESS_FLAG = 0x08,
	STATUS_PERMISSION = 0x0c,
	STATUS_TRANSLATION_ABOVE = 0x2b, /* level -1 */
};

#endif
