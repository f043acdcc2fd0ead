/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The operation streams of tests/support/stream.h, with the fuzzer's bytes as
 * choices: a fault of the library, of its accounting of dirty pages or of memory
 * ends the run.
 */
#include <stdlib.h>

#include "stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stream_options options = {
		.data = data,
		.size = size,
		.operations = 60,
		.regime = STREAM_ANY,
		.granule_shift = STREAM_ANY,
		.bbm_level = STREAM_ANY,
	};
	struct stream_result result;

	if (!stream_run(&options, &result))
		abort();
	return 0;
}
