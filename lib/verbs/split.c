/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/scan.h"

int iopgt_split_block(struct iopgt_table *table, uint64_t iova, uint64_t size, struct iopgt_op *op)
{
	struct iopgt_scan scan = {.table = table, .op = op, .split = SCAN_SPLIT_ALL};
	int err = iopgt_check_change(table, iova, size, op, &scan.range);

	return err ? err : iopgt_scan_run(&scan);
}
