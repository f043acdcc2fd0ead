/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's part where walkers do not update descriptors: faults, handed to the library. */
#ifndef FAULTS_H
#define FAULTS_H

#include "rig.h"

struct fault_counts {
	uint64_t writes, accesses, translations;
};

/* On this CPU, from now on: accesses to rig's table that the library allows run again. */
void faults_handle(struct rig *rig);
/* No longer. Gives what there was. */
struct fault_counts faults_ignore(void);

#endif
