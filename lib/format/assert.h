/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Invariants of the library itself; arguments are checked by code, in every
 * build. Off unless IOPGT_DEBUG is set, or whoever compiles it brings their own.
 */
#ifndef IOPGT_FORMAT_ASSERT_H
#define IOPGT_FORMAT_ASSERT_H

#ifndef IOPGT_ASSERT
#ifdef IOPGT_DEBUG
#define IOPGT_ASSERT(condition) ((condition) ? (void)0 : __builtin_trap())
#else
#define IOPGT_ASSERT(condition) ((void)0)
#endif
#endif

#endif
