/* SPDX-License-Identifier: BSD-2-Clause */
#include "broken.h"

#include "el2.h"

static bool repaired;

static int invalidate_range(void *context, const struct iopgt_invalidation *request)
{
	return repaired ? el2_tlb.invalidate_range(context, request) : 0;
}

static int invalidate_all(void *context)
{
	return repaired ? el2_tlb.invalidate_all(context) : 0;
}

static int sync_cpus(void *context)
{
	return repaired ? el2_tlb.sync(context) : 0;
}

const struct iopgt_tlb_ops broken_tlb = {
	.invalidate_range = invalidate_range,
	.invalidate_all = invalidate_all,
	.sync = sync_cpus,
};

void broken_repair(void)
{
	repaired = true;
}
