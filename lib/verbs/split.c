/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/overlap.h"
#include "core/scan.h"

int iopgt_split_block(struct iopgt_table *table, uint64_t iova, uint64_t size, struct iopgt_op *op)
{
	struct iopgt_scan scan = {.table = table, .op = op, .split = SCAN_SPLIT_ALL};
	struct iopgt_claim *claim;
	int err = iopgt_check_change(table, iova, size, op, &scan.range);

	if (!err)
		err = iopgt_overlap_begin(table, OVERLAP_SPLIT, scan.range, &claim);
	if (err)
		return err;
	err = iopgt_scan_run(&scan);
	iopgt_overlap_end(claim);
	return err;
}
