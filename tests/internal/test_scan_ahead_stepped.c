/* SPDX-License-Identifier: BSD-2-Clause */
/* The same of a source that is compiled here once more, so that entries change between loads. */
#define IOPGT_EXPLORE
#define iopgt_scan_ahead scan_ahead_stepped
#include "core/scan_ahead.c"
#include "test_scan_ahead.c"
