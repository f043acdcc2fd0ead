/* SPDX-License-Identifier: BSD-2-Clause */
/* What the library asks of its host, on a bare PE: memory from a pool, and TLBI. */
#ifndef HOST_H
#define HOST_H

#include <iopgt/iopgt.h>

/* How to do invalidations wrongly: for tests that must notice. */
enum host_fault {
	HOST_CORRECT,
	HOST_DEAF,  /* not at all */
	HOST_LOCAL, /* on this PE alone */
	/* Stage 2, half of it: */
	HOST_NOT_COMBINED,  /* entries that combine both stages stay */
	HOST_COMBINED_ONLY, /* entries of stage 2 itself stay */
};

/* The context of one table's HAL. */
struct host {
	struct iopgt_tlbi_target target; /* with the table's own configuration */
	struct iopgt_config config;
	enum host_fault fault;
	uint64_t invalidations; /* TLBI instructions */
	/* Called first in publish, invalidations and sync: in the midst of verbs. May be null. */
	void (*interfere)(void *context);
	void *interfere_context;
};

extern const struct iopgt_hal host_hal;

/* Of this PE, by its ID registers. */
void host_capabilities(struct iopgt_capabilities *capabilities);

/* A context, for tables of that configuration with this ASID or VMID. */
void host_init(struct host *host, const struct iopgt_config *config, uint16_t id);

/* Tables that are in use now: 0 when all tables are gone. */
uint64_t host_tables_in_use(void);

#endif
