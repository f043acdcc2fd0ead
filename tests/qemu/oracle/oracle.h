/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the host program and the image (test_oracle.c) share: tables for all regimes, built on
 * the host for memory that begins at ORACLE_PHYS, addresses to be looked up, and room for the
 * answers. Both are little-endian.
 */
#ifndef ORACLE_H
#define ORACLE_H

#include <stdint.h>

#define ORACLE_PHYS  UINT64_C(0x48000000)
#define ORACLE_BYTES (UINT64_C(96) << 20)
#define ORACLE_MAGIC UINT64_C(0x656c6361726f)

/* Mapped one to one in tables of EL2, where the image itself runs: to the end of this. */
#define ORACLE_IMAGE UINT64_C(0x40000000)

#define ORACLE_CASES  300
#define ORACLE_PROBES (UINT64_C(1) << 18)

enum oracle_regime {
	ORACLE_EL1,
	ORACLE_EL2,
	ORACLE_STAGE2,
};

struct oracle_case {
	uint64_t regime; /* enum oracle_regime */
	uint64_t tcr, mair, ttbr0, ttbr1, vtcr, vttbr, hcr;
	uint64_t first, count; /* of its probes */
};

/* PAR_EL1 after AT for a read. */
struct oracle_answer {
	uint64_t privileged, user;
};

/* At ORACLE_PHYS; tables follow. */
struct oracle_memory {
	uint64_t magic, seed, cases, probes;
	struct oracle_case list[ORACLE_CASES];
	uint64_t iova[ORACLE_PROBES];
	struct oracle_answer answers[ORACLE_PROBES];
};

#endif
