/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Appended to a copy of core/gather.c: waits that are none, of which all is taken for done;
 * and whether what is weakened was come by (weak.h).
 */

int iopgt_mutant_came;

int iopgt_lost_sync(struct iopgt_op *op)
{
	op->gather.unsynced = false;
	op->gather.ranges = 0;
	return IOPGT_OK;
}

int iopgt_lost_flush(struct iopgt_op *op)
{
	int err;

	if (!op->gather.table)
		return IOPGT_OK;
	err = free_tables(op);
	if (!err)
		op->gather = (struct iopgt_gather){0};
	return err;
}

int iopgt_flush_unwaited(struct iopgt_op *op)
{
	int err = op->gather.table ? post_all(op) : IOPGT_OK;

	return err ? err : iopgt_lost_flush(op);
}
