/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Late walkers: what they update in a descriptor comes before the access that it is
 * for (R_SGJBL), so atomic operations see it; loads do only after a sync (R_RZYCN).
 */
#include "explore.h"

#define NEAR 16 /* descriptors: a group's, aligned */

/* Exchanges what stands in memory for what does not. */
bool explore_tell(struct explore *x, bool truth)
{
	bool told = x->told;

	for (uint32_t i = 0; i < x->lates && told != truth; i++) {
		struct explore_late *late = &x->late[i];
		uint64_t seen = *late->entry;

		*late->entry = late->other;
		late->other = seen;
	}
	x->told = truth;
	return told;
}

void explore_settle(struct explore *x, const volatile void *entry)
{
	for (uint32_t i = x->lates; i-- > 0;) {
		struct explore_late *late = &x->late[i];

		if (entry && entry != late->entry)
			continue;
		if (!x->told)
			*late->entry = late->other;
		*late = x->late[--x->lates];
	}
}

void explore_forget_table(struct explore *x, uint64_t phys, uint32_t bytes)
{
	for (uint32_t i = x->lates; i-- > 0;)
		if (pool_phys(x->f->host.pool, (const void *)(uintptr_t)x->late[i].entry) - phys <
		    bytes)
			x->late[i] = x->late[--x->lates];
}

static bool is_late(const struct explore *x, const volatile void *entry)
{
	for (uint32_t i = 0; i < x->lates; i++)
		if (x->late[i].entry == entry)
			return true;
	return false;
}

/* --- Where walkers may update --- */

static void note_slot(struct explore *x, uint64_t phys)
{
	phys &= ~(uint64_t)(8 * NEAR - 1);
	for (uint32_t i = 0; i < x->slot_count; i++)
		if (x->slots[i] == phys)
			return;
	if (x->slot_count < sizeof(x->slots) / sizeof(x->slots[0]))
		x->slots[x->slot_count++] = phys;
}

/* The descriptors that a walk from the root comes to: 4 KiB, from level 1 on. */
static void note_path(struct explore *x, uint64_t iova)
{
	uint64_t table = x->f->table->root_phys;

	for (unsigned shift = 30; shift >= 12; shift -= 9) {
		uint64_t at = table + 8 * (iova >> shift & 511);
		_Atomic uint64_t *word = pool_word(x->f->host.pool, at, false);
		uint64_t d = word ? pool_little_endian(*word) : 0;

		if (!word)
			return;
		note_slot(x, at);
		if ((d & 3) != 3)
			return;
		table = d & UINT64_C(0xfffffffff000);
	}
}

static void read_slots(struct explore *x, uint64_t (*values)[NEAR])
{
	for (uint32_t i = 0; i < x->slot_count; i++)
		for (unsigned k = 0; k < NEAR; k++) {
			_Atomic uint64_t *word =
				pool_word(x->f->host.pool, x->slots[i] + 8 * k, false);

			values[i][k] = word ? *word : 0;
		}
}

/* What the access has changed is late, but for what CPUs have in their store buffers. */
static void note_updates(struct explore *x, uint64_t (*before)[NEAR], uint32_t slots)
{
	for (uint32_t i = 0; i < slots; i++)
		for (unsigned k = 0; k < NEAR; k++) {
			_Atomic uint64_t *word =
				pool_word(x->f->host.pool, x->slots[i] + 8 * k, false);

			if (!word || *word == before[i][k] || x->lates == EXPLORE_LATES ||
			    is_late(x, word) || explore_is_buffered(x, word))
				continue;
			x->late[x->lates++] =
				(struct explore_late){(volatile uint64_t *)word, before[i][k]};
		}
}

enum walker_fault explore_late_access(struct explore *x, const struct explore_event *event)
{
	uint64_t before[sizeof(x->slots) / sizeof(x->slots[0])][NEAR];
	struct walker_result result = {0};
	uint32_t slots;
	enum walker_fault fault;

	note_path(x, explore_iova(event->page));
	slots = x->slot_count;
	read_slots(x, before);
	fault = explore_access(x, event, &result);
	note_updates(x, before, slots);
	if (result.descriptor_phys)
		note_slot(x, result.descriptor_phys);
	return fault;
}
