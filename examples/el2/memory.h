/* SPDX-License-Identifier: BSD-2-Clause */
/* As in C's string.h, which a freestanding compiler does not have. */
#ifndef EL2_MEMORY_H
#define EL2_MEMORY_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);
int memcmp(const void *one, const void *other, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);

#endif
