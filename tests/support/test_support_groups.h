/* SPDX-License-Identifier: BSD-2-Clause */
/* Groups of 16 pages, put by hand. */
#ifndef TEST_SUPPORT_GROUPS_H
#define TEST_SUPPORT_GROUPS_H

#include "test_rig.h"

#define CONTIGUOUS (UINT64_C(1) << 52)
#define CLEAN      (RIG_S1_CLEAN | CONTIGUOUS)
#define DIRTY      (RIG_S1_DIRTY | CONTIGUOUS)
#define PAGE       (4 * KIB)
#define GROUP      (64 * KIB)
#define MEMBERS    16u

static inline struct walker_config whole_groups(void)
{
	struct walker_config config = rig_usual();

	config.contiguous_one_in = 1;
	return config;
}

/* 16 pages from iova, identity mapped. */
static inline void put_group(struct rig *rig, uint64_t iova, uint64_t bits)
{
	for (uint64_t page = iova; page < iova + GROUP; page += PAGE)
		rig_leaf(rig, page, 3, bits | page);
}

#endif
