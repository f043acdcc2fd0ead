/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the parts of the fixture. */
#ifndef TEST_FIXTURE_PRIVATE_H
#define TEST_FIXTURE_PRIVATE_H

#include "fixture.h"

/* fixture_hook.c: f->hal and f->domain_tlb, the host's with f->hook around it */
void fixture_hook_hal(struct fixture *f);

#endif
