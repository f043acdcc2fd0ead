/* SPDX-License-Identifier: BSD-2-Clause */
/* A program of someone else's, that links the installed library. */
#include <iopgt/iopgt.h>
#include <stdio.h>

int main(void)
{
	struct iopgt_op op = {0};

	puts(iopgt_strerror(iopgt_init(NULL, NULL, NULL, NULL)));
	return iopgt_op_finish(&op) == IOPGT_OK ? 0 : 1;
}
