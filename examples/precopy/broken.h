/* SPDX-License-Identifier: BSD-2-Clause */
/* How not to clear dirty state: for --break=plain-store. */
#ifndef PRECOPY_BROKEN_H
#define PRECOPY_BROKEN_H

#include "machine.h"

/*
 * Does what iopgt_read_and_clear_dirty and iopgt_op_finish do together, but for
 * one step: a descriptor is cleaned by storing the copy that was read before,
 * instead of by one atomic operation on what stands there now. A page that a
 * walker marked between the two is clean again, and was not reported.
 */
int broken_read_and_clear(struct machine *machine, const struct iopgt_bitmap *bitmap,
                          struct iopgt_op *op);

#endif
