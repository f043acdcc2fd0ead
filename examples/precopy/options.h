/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PRECOPY_OPTIONS_H
#define PRECOPY_OPTIONS_H

#include "precopy.h"

struct options {
	struct precopy_options precopy;
	bool plain;
	int first_path; /* index in argv of the first file or folder; argc: there is none */
};

enum options_result {
	OPTIONS_GOOD,
	OPTIONS_BAD,  /* said why */
	OPTIONS_HELP, /* printed it */
};

/* Returns an enum options_result. Reorders argv: paths come last. */
int options_read(struct options *options, int argc, char **argv);

#endif
