/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef IOPGT_FORMAT_REGIME_H
#define IOPGT_FORMAT_REGIME_H

#include <iopgt/config.h>

static inline bool regime_is_stage2(uint32_t regime)
{
	return regime == IOPGT_STAGE2 || regime == IOPGT_STAGE2_AARCH32;
}

static inline bool regime_is_aarch32(uint32_t regime)
{
	return regime == IOPGT_STAGE1_AARCH32 || regime == IOPGT_STAGE2_AARCH32;
}

#endif
