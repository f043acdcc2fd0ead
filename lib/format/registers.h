/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What registers of a PE and structures of an SMMU have in common.
 */
#ifndef IOPGT_FORMAT_REGISTERS_H
#define IOPGT_FORMAT_REGISTERS_H

#include <iopgt/registers.h>

/* Encodings of a table; those of IRGN, ORGN and SH are the same everywhere. */
struct iopgt_encoding {
	uint32_t regime;
	uint32_t flags;        /* of enum iopgt_config_flag */
	unsigned region;       /* IRGN, ORGN */
	unsigned shareability; /* SH */
	unsigned size;         /* IPS, PS */
	unsigned input_size;   /* TxSZ, as wide as the regime has it */
	unsigned tg0, tg1;     /* TG for the lower half and for stage 2, for the upper half */
	unsigned sl0;          /* stage 2 */
	bool stage2, aarch32;
	bool upper;         /* TTBR1 */
	bool access, dirty; /* HA, HD */
	bool table_access;  /* HAFT */
	uint64_t root;
};

/* Bits 18:0 of VTCR_EL2, without PS those of VTCR: bits 178:160 of an STE. */
uint64_t iopgt_stage2_control(const struct iopgt_encoding *encoding);

/* CD of stage 1, and the STE. `out` is zero there. */
void iopgt_registers_smmu(const struct iopgt_encoding *encoding,
                          const struct iopgt_register_inputs *inputs, struct iopgt_registers *out);

#endif
