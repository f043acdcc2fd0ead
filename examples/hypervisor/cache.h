/* SPDX-License-Identifier: BSD-2-Clause */
/* Caches, for memory that will be executed. */
#ifndef HYPERVISOR_CACHE_H
#define HYPERVISOR_CACHE_H

#include <stdint.h>

/* What was stored there may be executed, by CPUs that do an ISB after this has returned. */
void cache_sync_instructions(uint64_t address, uint64_t bytes);

#endif
