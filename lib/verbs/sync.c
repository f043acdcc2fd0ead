/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/scan.h"

int iopgt_sync_dirty_log(struct iopgt_table *table, uint64_t iova, uint64_t size,
                         const struct iopgt_bitmap *bitmap, struct iopgt_op *op)
{
	struct iopgt_scan scan = {.table = table, .op = op, .flags = SCAN_REPORT, .bitmap = bitmap};
	int err = iopgt_scan_check(&scan, iova, size);

	return err ? err : iopgt_scan_run(&scan);
}
