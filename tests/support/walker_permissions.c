/* SPDX-License-Identifier: BSD-2-Clause */
/* What a leaf permits, from the Arm ARM (D8.4, G5.6): pure functions. */
#include "walker_internal.h"

static uint32_t stage2_permissions(const struct walker_config *config, uint64_t descriptor)
{
	uint32_t may = 0;
	bool never = descriptor & DESC_XN, split = descriptor & DESC_PXN;

	if (descriptor & DESC_S2_READ)
		may |= WALKER_MAY_READ | WALKER_MAY_READ_UNPRIVILEGED;
	if (decode_dirty(config, descriptor) != WALKER_READ_ONLY)
		may |= WALKER_MAY_WRITE | WALKER_MAY_WRITE_UNPRIVILEGED;
	/* G5.6.3: AArch32 executes only what it may read. */
	if (config->flags & WALKER_AARCH32 && !(descriptor & DESC_S2_READ))
		return may;
	/* XN: 00 all, 01 unprivileged only, 10 none, 11 privileged only */
	if (never == split)
		may |= WALKER_MAY_EXECUTE;
	if (!never)
		may |= WALKER_MAY_EXECUTE_UNPRIVILEGED;
	return may;
}

static uint32_t one_privilege_permissions(const struct walker_config *config, uint64_t descriptor)
{
	uint32_t may = WALKER_MAY_READ;

	if (decode_dirty(config, descriptor) != WALKER_READ_ONLY)
		may |= WALKER_MAY_WRITE;
	if (!(descriptor & DESC_XN))
		may |= WALKER_MAY_EXECUTE;
	return may;
}

/* UXN and PXN each stand for one level. */
static uint32_t execution(uint64_t descriptor, uint32_t may)
{
	uint32_t execute = 0;

	/* R_VWLLR: what may be written unprivileged is never executed privileged. */
	if (!(descriptor & DESC_PXN) && !(may & WALKER_MAY_WRITE_UNPRIVILEGED))
		execute |= WALKER_MAY_EXECUTE;
	if (!(descriptor & DESC_XN))
		execute |= WALKER_MAY_EXECUTE_UNPRIVILEGED;
	return execute;
}

/* G5.6.3: XN holds for every level, PXN for the privileged; read access is needed. */
static uint32_t aarch32_execution(uint64_t descriptor, uint32_t may)
{
	uint32_t execute = 0;

	if (descriptor & DESC_XN)
		return 0;
	if (!(descriptor & DESC_PXN))
		execute |= WALKER_MAY_EXECUTE;
	if (may & WALKER_MAY_READ_UNPRIVILEGED)
		execute |= WALKER_MAY_EXECUTE_UNPRIVILEGED;
	return execute;
}

uint32_t decode_permissions(const struct walker_config *config, uint64_t descriptor)
{
	bool unprivileged = descriptor & DESC_UNPRIVILEGED;
	uint32_t may = WALKER_MAY_READ;

	if (config->stage == 2)
		return stage2_permissions(config, descriptor);
	if (config->flags & WALKER_EL2)
		return one_privilege_permissions(config, descriptor);
	if (unprivileged)
		may |= WALKER_MAY_READ_UNPRIVILEGED;
	if (decode_dirty(config, descriptor) != WALKER_READ_ONLY)
		may |= WALKER_MAY_WRITE | (unprivileged ? WALKER_MAY_WRITE_UNPRIVILEGED : 0u);
	if (config->flags & WALKER_AARCH32)
		return may | aarch32_execution(descriptor, may);
	return may | execution(descriptor, may);
}

bool decode_permits(const struct walker_config *config, uint64_t descriptor, uint32_t access)
{
	uint32_t kind = access & WALKER_KIND, wanted = WALKER_MAY_READ;
	bool el2 = config->stage == 1 && config->flags & WALKER_EL2;

	if (kind == WALKER_WRITE)
		wanted = WALKER_MAY_WRITE;
	if (kind == WALKER_EXECUTE)
		wanted = WALKER_MAY_EXECUTE;
	if (!el2 && !(access & WALKER_PRIVILEGED))
		wanted *= WALKER_MAY_READ_UNPRIVILEGED / WALKER_MAY_READ;
	return decode_permissions(config, descriptor) & wanted;
}
