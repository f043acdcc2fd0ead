/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest memory is written by a device while somebody else copies it. Real DMA
 * may race like this; C may not, so both sides copy by relaxed atomics: words
 * of eight bytes where `guest` is aligned, bytes at the edges.
 */
#ifndef TEST_GUEST_H
#define TEST_GUEST_H

#include <stddef.h>

/* From private memory into guest memory. */
void guest_write(void *guest, const void *source, size_t bytes);

/* From guest memory into private memory. */
void guest_read(void *destination, const void *guest, size_t bytes);

#endif
