/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's side: makes the tables and knows what must be answered. */
#ifndef ORACLE_HOST_H
#define ORACLE_HOST_H

#include "oracle.h"

#include <iopgt/iopgt.h>

/* One of the cases, with its table. */
struct subject {
	struct iopgt_config config;
	struct iopgt_table table;
	uint64_t mappings; /* that were made */
};

/* All of it, made from a seed; the same each time. */
struct oracle {
	struct oracle_memory *memory; /* ORACLE_BYTES */
	struct subject subjects[ORACLE_CASES];
};

void oracle_build(struct oracle *oracle, uint64_t seed);

/* Compares answers with iopgt_translate. Returns how many differ, and prints some. */
uint64_t oracle_compare(const struct oracle *oracle, const struct oracle_answer *answers);

/* Ends the program with a text. */
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
