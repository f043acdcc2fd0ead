/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arm long-descriptor format, stage 1 and 2 (Arm ARM D8.3).
 */
#ifndef IOPGT_FORMAT_LPAE_H
#define IOPGT_FORMAT_LPAE_H

#include <iopgt/table.h>

/* Fills *format for a configuration that was found legal. */
void iopgt_lpae_format(const struct iopgt_config *config, struct iopgt_format *format);

#endif
