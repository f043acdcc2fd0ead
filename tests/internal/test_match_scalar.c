/* SPDX-License-Identifier: BSD-2-Clause */
/* The variant for builds without vector registers. */
#define IOPGT_MATCH_SCALAR
#include "test_match.c"
