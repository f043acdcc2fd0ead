/* SPDX-License-Identifier: BSD-2-Clause */
#include <iopgt/types.h>

#define FIRST_CODE IOPGT_AGAIN

/* By distance from FIRST_CODE. */
static const char *const texts[] = {
	"budget spent, go on at op->next",
	"a descriptor in the range is being replaced by another call",
	"no table memory",
	"already mapped",
	"not mapped",
	"needs break-before-make, which walkers may not retry",
	"a block crosses the range's end",
	"null argument",
	"address or size not a multiple of the granule",
	"size is zero, or the range leaves the input space",
	"physical range leaves the output space",
	"permissions that cannot be expressed",
	"unknown memory type",
	"bitmap malformed or too short",
	"unknown flag",
	"op still owes another table something",
	"table descriptor that leads nowhere",
	"table breaks a rule",
	"no dirty management",
	"not tracking dirty pages",
	"walker attached",
	"walker not attached",
	"walker cannot walk this table",
	"configuration: regime",
	"configuration: granule",
	"configuration: input size",
	"configuration: output size",
	"configuration: leaf sizes",
	"configuration: break-before-make level",
	"configuration: dirty mode",
	"configuration: dirty management needs a coherent walk",
	"HAL callback missing",
	"unknown split policy",
	"table memory misaligned or out of reach",
	"attribute that cannot be expressed",
	"table opened for reading alone",
	"access not allowed",
	"access flags are not managed",
	"start table misaligned or unknown",
	"overlapping call under way",
};

const char *iopgt_strerror(int error)
{
	if (error == IOPGT_OK)
		return "success";
	if (error > IOPGT_OK)
		return "a callback's value";
	if (error > FIRST_CODE)
		return "error of the host";
	if (FIRST_CODE - error >= (int)(sizeof(texts) / sizeof(texts[0])))
		return "unknown error";
	return texts[FIRST_CODE - error];
}
