/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults that walkers without hardware update raise, and faults of a moment.
 *
 * The dirty encoding is the same for both kinds of walkers (facts of D8.5), so a
 * table may be shared by a CPU that faults on a writable-clean leaf and an SMMU
 * that marks it.
 *
 * For all handlers: iova has any alignment. They take no locks, ask for no
 * memory, change a leaf by one atomic operation, and may run beside any verb on
 * any range, but beside those that free tables of this address only with
 * IOPGT_HAL_DEFERS_FREE (as iopgt_translate). A null table or op is
 * IOPGT_BAD_ARGUMENT; an address outside of the input space is IOPGT_FAULT.
 *
 * Return: IOPGT_OK: let the access run again; IOPGT_FAULT: it is not allowed, and
 * nothing was changed; IOPGT_BAD_TABLE; IOPGT_READ_ONLY; IOPGT_WRONG_OP,
 * IOPGT_BAD_FLAGS from those with an op.
 */
#ifndef IOPGT_FAULT_H
#define IOPGT_FAULT_H

#include <iopgt/table.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A permission fault of a write. A writable-clean leaf becomes writable-dirty,
 * and all entries of a contiguous group with it, so that entries cannot differ in
 * what such a walker may do.
 *
 * `access`: 0, or IOPGT_PRIVILEGED if a privileged level wrote (stage 1 with two
 * levels; without it a write to privileged memory is IOPGT_FAULT).
 *
 * The walker may have the read-only entry cached (R_XCLRD): op owes the leaf's
 * invalidation, and the access is to run again after iopgt_op_finish(op). So it
 * does where the leaf is writable already.
 * Stack: 512 bytes. Touches: an address.
 */
int iopgt_handle_write_fault(struct iopgt_table *table, uint64_t iova, uint32_t access,
                             struct iopgt_op *op);

/*
 * An access flag fault: sets the flag, in all entries of a contiguous group. No
 * invalidation is needed: an entry without it is never cached.
 * Stack: 512 bytes. Touches: an address.
 */
int iopgt_handle_access_fault(struct iopgt_table *table, uint64_t iova);

/*
 * A translation fault. IOPGT_OK: something is mapped, or is being replaced at
 * this moment (break-before-make level 0; nT at level 1, which a CPU may report
 * so, R_MRRPW).
 * Stack: 256 bytes. Touches: an address.
 */
int iopgt_handle_translation_fault(const struct iopgt_table *table, uint64_t iova);

#ifdef __cplusplus
}
#endif

#endif
