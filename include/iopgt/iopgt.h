/* SPDX-License-Identifier: BSD-2-Clause */
/* The whole library. */
#ifndef IOPGT_IOPGT_H
#define IOPGT_IOPGT_H

#include <iopgt/capabilities.h>
#include <iopgt/config.h>
#include <iopgt/dirty.h>
#include <iopgt/domain.h>
#include <iopgt/fault.h>
#include <iopgt/hal.h>
#include <iopgt/invalidate.h>
#include <iopgt/registers.h>
#include <iopgt/table.h>
#include <iopgt/types.h>

#endif
