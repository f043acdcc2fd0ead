/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PRECOPY_COMPARE_H
#define PRECOPY_COMPARE_H

#include "precopy.h"

/*
 * Compares guest memory with the copy, byte by byte and by hash, and the files
 * in the copy with what was read from them: fills in precopy->verdict.
 *
 * Context: devices have stopped.
 */
void compare(struct precopy *precopy);

#endif
