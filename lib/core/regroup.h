/* SPDX-License-Identifier: BSD-2-Clause */
/* Breaking up contiguous groups, and making them, while walkers run. */
#ifndef IOPGT_CORE_REGROUP_H
#define IOPGT_CORE_REGROUP_H

#include "core/group.h"

/*
 * Breaks up every group (tracked_only: of tracked leaves) that overlaps the
 * range: their members become single leaves, all dirty if one was. Waits. Only for
 * tables that may have groups. The budget of op, if it has one, may cut range->last;
 * IOPGT_BUSY cuts it before the entry that another call replaces.
 *
 * Return: IOPGT_OK; IOPGT_BUSY; IOPGT_WOULD_SPLIT; IOPGT_WOULD_BREAK (level 0);
 * IOPGT_BAD_TABLE; an error of the host: at level 0 the groups are whole again,
 * else their members are noted as `ungrouping` until a later call completes it,
 * and count as a group.
 */
int iopgt_ungroup(struct iopgt_table *table, struct iopgt_range *range, bool tracked_only,
                  struct iopgt_op *op);

/* The same for those groups alone that cross an end of the range. No budget. */
int iopgt_ungroup_ends(struct iopgt_table *table, struct iopgt_range range, struct iopgt_op *op);

/*
 * Makes groups of single leaves that could be one, where a group lies wholly in
 * the range and ends after `from`. Waits at level 0 alone, else op owes the
 * invalidation.
 *
 * Return: IOPGT_OK; IOPGT_BAD_TABLE; IOPGT_WOULD_BREAK (level 0); an error of the
 * host, at level 0: no group was made.
 */
int iopgt_make_groups(struct iopgt_table *table, struct iopgt_range range, uint64_t from,
                      struct iopgt_op *op);

#endif
