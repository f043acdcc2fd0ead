/* SPDX-License-Identifier: BSD-2-Clause */
#include "touched.h"

#include "core/live.h"

#define SLOTS ((size_t)1 << 20) /* of the set, more than any test touches */

static struct {
	const volatile void *entries[SLOTS];
	uint32_t rounds[SLOTS]; /* in which round a slot was taken; others are free */
	uint32_t round;
	uint64_t count, steps;
	uintptr_t own_first, own_end; /* of the table's structure */
	bool counts;
} set;

void touched_begin(const struct fixture *f)
{
	set.round++;
	set.count = set.steps = 0;
	set.own_first = (uintptr_t)f->table;
	set.own_end = (uintptr_t)(f->table + 1);
	set.counts = true;
}

uint64_t touched_end(void)
{
	set.counts = false;
	return set.count;
}

uint64_t touched_steps(void)
{
	return set.steps;
}

void iopgt_explore_step(enum live_step step, const volatile void *entry)
{
	uintptr_t at = (uintptr_t)entry;
	size_t slot = at / 8 * UINT32_C(2654435761) % SLOTS;

	if (!set.counts || (at >= set.own_first && at < set.own_end) ||
	    (step != LIVE_LOAD && step != LIVE_STORE && step != LIVE_UPDATE))
		return;
	set.steps++;
	while (set.rounds[slot] == set.round && set.entries[slot] != entry)
		slot = (slot + 1) % SLOTS;
	if (set.rounds[slot] == set.round)
		return;
	set.rounds[slot] = set.round;
	set.entries[slot] = entry;
	set.count++;
	assert_true(set.count < SLOTS / 2);
}
