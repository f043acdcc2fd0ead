/* SPDX-License-Identifier: BSD-2-Clause */
/* System registers and barriers. */
#ifndef EL2_SYSREG_H
#define EL2_SYSREG_H

#include <stdint.h>

#define sysreg_read(name)                                                                          \
	__extension__({                                                                            \
		uint64_t sysreg_value;                                                             \
		__asm__ volatile("mrs %0, " #name : "=r"(sysreg_value) : : "memory");              \
		sysreg_value;                                                                      \
	})

#define sysreg_write(name, value)                                                                  \
	__asm__ volatile("msr " #name ", %0" : : "r"((uint64_t)(value)) : "memory")

#define dsb(domain) __asm__ volatile("dsb " #domain : : : "memory")
#define isb()       __asm__ volatile("isb" : : : "memory")

/* An instruction with one operand: system(tlbi, ipas2e1is, operand). */
#define system(instruction, name, operand)                                                         \
	__asm__ volatile(#instruction " " #name ", %0" : : "r"((uint64_t)(operand)) : "memory")

#endif
