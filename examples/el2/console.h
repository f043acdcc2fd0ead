/* SPDX-License-Identifier: BSD-2-Clause */
/* Text out, and the end. */
#ifndef EL2_CONSOLE_H
#define EL2_CONSOLE_H

#include <stdint.h>

/*
 * One line, whole, though several CPUs print. Knows %s, %d (int), %u (uint64_t), %x (uint64_t)
 * and %%. The line end is added.
 */
void console_line(const char *format, ...);

/* Ends the machine with an exit status, by semihosting. */
_Noreturn void console_exit(int status);

#endif
