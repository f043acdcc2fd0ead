/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/scan.h"

int iopgt_clear_dirty_log(struct iopgt_table *table, uint64_t iova, uint64_t size,
                          const struct iopgt_bitmap *bitmap, struct iopgt_op *op)
{
	struct iopgt_scan scan = {
		.table = table, .op = op, .flags = SCAN_CLEAN | SCAN_SELECT, .bitmap = bitmap};
	int err = iopgt_scan_check(&scan, iova, size);

	if (err)
		return err;
	scan.split = table->split_on_clear;
	return iopgt_scan_run(&scan);
}

int iopgt_read_and_clear_dirty(struct iopgt_table *table, uint64_t iova, uint64_t size,
                               const struct iopgt_bitmap *bitmap, struct iopgt_op *op)
{
	struct iopgt_scan scan = {.table = table, .op = op, .flags = SCAN_REPORT, .bitmap = bitmap};
	int err;

	if (op && !(op->flags & IOPGT_OP_NO_CLEAR))
		scan.flags |= SCAN_CLEAN;
	err = iopgt_scan_check(&scan, iova, size);
	if (err)
		return err;
	if (scan.flags & SCAN_CLEAN)
		scan.split = table->split_on_clear;
	return iopgt_scan_run(&scan);
}

int iopgt_for_each_dirty(struct iopgt_table *table, uint64_t iova, uint64_t size,
                         const struct iopgt_dirty_visitor *visitor, struct iopgt_op *op)
{
	struct iopgt_scan scan = {
		.table = table, .op = op, .flags = SCAN_REPORT, .visitor = visitor};
	int err;

	if (!visitor || !visitor->visit)
		return IOPGT_BAD_ARGUMENT;
	if (op && (op->flags & IOPGT_OP_CLEAR))
		scan.flags |= SCAN_CLEAN;
	err = iopgt_scan_check(&scan, iova, size);
	if (err)
		return err;
	if (scan.flags & SCAN_CLEAN)
		scan.split = table->split_on_clear;
	return iopgt_scan_run(&scan);
}

int iopgt_read_and_clear_accessed(struct iopgt_table *table, uint64_t iova, uint64_t size,
                                  const struct iopgt_bitmap *bitmap, struct iopgt_op *op)
{
	struct iopgt_scan scan = {
		.table = table, .op = op, .flags = SCAN_REPORT | SCAN_ACCESSED, .bitmap = bitmap};
	int err;

	if (op && !(op->flags & IOPGT_OP_NO_CLEAR))
		scan.flags |= SCAN_CLEAN;
	err = iopgt_scan_check(&scan, iova, size);
	return err ? err : iopgt_scan_run(&scan);
}
