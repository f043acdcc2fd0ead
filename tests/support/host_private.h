/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the parts of the test host. */
#ifndef TEST_HOST_PRIVATE_H
#define TEST_HOST_PRIVATE_H

#include "host.h"

static inline bool host_is_mode(const struct test_host *host, uint32_t mode)
{
	return atomic_load_explicit(&host->mode, memory_order_relaxed) & mode;
}

/* host_ats.c: one walker's part of the callbacks; all if `request` is null */
void host_post(struct host_walker *one, const struct iopgt_invalidation *request);
void host_wait(struct host_walker *one);
void host_lose_posted(struct host_walker *one);

#endif
