/* SPDX-License-Identifier: BSD-2-Clause */
/* What operands of invalidations invalidate: for fuzz_values.c. */
#ifndef FUZZ_OPERANDS_H
#define FUZZ_OPERANDS_H

#include "common.h"

struct operands_question {
	struct iopgt_config config;
	struct iopgt_tlbi_target target;
	struct iopgt_invalidation request;
};

/* Makes it a request for leaves of this level, if the input space has such. */
void operands_enlarge(struct operands_question *q, int level);

/*
 * All operations of a request: each says of itself what its words say, by DDI 0487
 * D8.17.5 and IHI 0070 4.4; they follow each other, cover the range, and no more than it
 * has to be widened; there are not too many.
 */
void operands_expect(const struct operands_question *q, struct iopgt_tlbi *tlbi);

#endif
