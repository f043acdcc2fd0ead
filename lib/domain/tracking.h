/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef IOPGT_DOMAIN_TRACKING_H
#define IOPGT_DOMAIN_TRACKING_H

#include <iopgt/domain.h>

/* How all that is mapped and cleaned from now on is treated. Null: nothing is tracked. */
void iopgt_domain_set_policy(struct iopgt_domain *domain, const struct iopgt_tracking *how);

/* Whether the table and all its walkers can. */
bool iopgt_domain_can_track(const struct iopgt_domain *domain);

#endif
