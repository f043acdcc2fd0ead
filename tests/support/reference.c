/* SPDX-License-Identifier: BSD-2-Clause */
#include "reference.h"

#include <stdlib.h>

void reference_add_window(struct reference *reference, uint64_t first, uint64_t last)
{
	struct reference_window *window = &reference->windows[reference->window_count++];

	window->first = first;
	window->last = last;
	window->granules =
		calloc(((last - first) >> reference->granule_shift) + 1, sizeof(*window->granules));
	if (!window->granules)
		abort();
}

void reference_fini(struct reference *reference)
{
	for (unsigned i = 0; i < reference->window_count; i++)
		free(reference->windows[i].granules);
	reference->window_count = 0;
}

struct reference_granule *reference_at(const struct reference *reference, uint64_t iova)
{
	for (unsigned i = 0; i < reference->window_count; i++) {
		const struct reference_window *window = &reference->windows[i];

		if (iova >= window->first && iova <= window->last)
			return &window->granules[(iova - window->first) >>
			                         reference->granule_shift];
	}
	return NULL;
}

struct reference_steps reference_range(const struct reference *reference, uint64_t iova,
                                       uint64_t last)
{
	return (struct reference_steps){.reference = reference, .first = iova, .last = last};
}

bool reference_enter_window(struct reference_steps *steps)
{
	const struct reference *reference = steps->reference;

	while (steps->window < reference->window_count) {
		const struct reference_window *window = &reference->windows[steps->window++];
		uint64_t last = steps->last < window->last ? steps->last : window->last;

		steps->iova = steps->first > window->first ? steps->first : window->first;
		if (steps->iova > last)
			continue;
		steps->granule = &window->granules[(steps->iova - window->first) >>
		                                   reference->granule_shift];
		steps->left = (last - steps->iova) >> reference->granule_shift;
		return true;
	}
	return false;
}

static uint8_t privileged(uint32_t prot)
{
	uint8_t permissions = 0;

	if (prot & IOPGT_READ)
		permissions |= WALKER_MAY_READ;
	if (prot & IOPGT_WRITE)
		permissions |= WALKER_MAY_WRITE;
	if (prot & (IOPGT_EXECUTE | IOPGT_EXECUTE_PRIVILEGED))
		permissions |= WALKER_MAY_EXECUTE;
	return permissions;
}

static uint8_t unprivileged(uint32_t prot)
{
	uint8_t permissions = 0;

	if (prot & IOPGT_READ)
		permissions |= WALKER_MAY_READ_UNPRIVILEGED;
	if (prot & IOPGT_WRITE)
		permissions |= WALKER_MAY_WRITE_UNPRIVILEGED;
	if (prot & (IOPGT_EXECUTE | IOPGT_EXECUTE_UNPRIVILEGED))
		permissions |= WALKER_MAY_EXECUTE_UNPRIVILEGED;
	return permissions;
}

/* At stage 2 both levels are those of the guest. */
uint8_t reference_may(const struct reference *reference, uint32_t prot)
{
	if (reference->regime == IOPGT_STAGE1_EL2 || prot & IOPGT_PRIVILEGED)
		return privileged(prot);
	return privileged(prot) | unprivileged(prot);
}

uint8_t reference_sure(const struct reference *reference, uint32_t prot)
{
	uint8_t permissions = reference_may(reference, prot);
	bool levels =
		reference->regime == IOPGT_STAGE1_EL1 || reference->regime == IOPGT_STAGE1_AARCH32;

	/* Table D8-65: what the unprivileged may write the privileged need not execute. */
	if (levels && prot & IOPGT_WRITE && !(prot & IOPGT_PRIVILEGED))
		permissions &= ~WALKER_MAY_EXECUTE;
	return permissions;
}

uint32_t reference_prot(const struct reference *reference, uint32_t prot)
{
	prot &= ~(uint32_t)IOPGT_CLEAN;
	if (!reference->dirty_managed || !(prot & IOPGT_WRITE))
		prot &= ~(uint32_t)IOPGT_NO_TRACK;
	if (prot & IOPGT_PRIVILEGED && prot & IOPGT_EXECUTE_PRIVILEGED)
		prot = (prot & ~(uint32_t)IOPGT_EXECUTE_PRIVILEGED) | IOPGT_EXECUTE;
	return prot;
}

static uint8_t first_state(const struct reference *reference, uint32_t prot)
{
	if (!(prot & IOPGT_WRITE))
		return REFERENCE_READ_ONLY;
	if (!reference->dirty_managed || prot & IOPGT_NO_TRACK)
		return REFERENCE_UNTRACKED;
	return reference->tracking || prot & IOPGT_CLEAN ? REFERENCE_CLEAN : REFERENCE_DIRTY;
}

void reference_map(struct reference *reference, const struct iopgt_mapping *mapping)
{
	uint8_t state = first_state(reference, mapping->prot);
	struct reference_steps steps =
		reference_range(reference, mapping->iova, mapping->iova + mapping->size - 1);

	while (reference_step(&steps)) {
		*steps.granule = (struct reference_granule){
			.phys = mapping->phys + (steps.iova - mapping->iova),
			.prot = reference_prot(reference, mapping->prot),
			.memory = mapping->memory,
			.attributes = mapping->attributes,
			.flags = REFERENCE_MAPPED | (state == REFERENCE_DIRTY ? REFERENCE_OWED : 0),
			.states = state,
			.may = reference_may(reference, mapping->prot),
			.sure = reference_sure(reference, mapping->prot),
			.accessed = true,
		};
	}
}

void reference_unmap(struct reference_granule *granule, unsigned op, bool harvest)
{
	granule->changed |= op;
	if (!(granule->flags & REFERENCE_MAPPED))
		return;
	if (harvest && granule->states == REFERENCE_DIRTY)
		granule->flags |= REFERENCE_OWED;
	granule->sure = 0;
	granule->flags &= ~(REFERENCE_MAPPED | REFERENCE_KEPT);
	if (harvest)
		granule->flags |= REFERENCE_HARVEST;
	else
		granule->flags &= ~REFERENCE_OWED;
}

static uint8_t state_after_protect(const struct reference *reference,
                                   const struct reference_granule *granule, uint32_t prot)
{
	if (!(prot & IOPGT_WRITE))
		return REFERENCE_READ_ONLY;
	if (!reference->dirty_managed || prot & IOPGT_NO_TRACK)
		return REFERENCE_UNTRACKED;
	if (granule->flags & REFERENCE_KEPT)
		return granule->kept_unsure ? REFERENCE_EITHER : REFERENCE_DIRTY;
	if (granule->states & REFERENCE_EITHER)
		return granule->states;
	/* It had no dirty state: not known to be written, so it may start either way. */
	return granule->states == REFERENCE_READ_ONLY && reference->tracking ? REFERENCE_CLEAN
	                                                                     : REFERENCE_EITHER;
}

static void keep_dirty(struct reference_granule *granule)
{
	granule->flags |= REFERENCE_KEPT;
	granule->kept_unsure = granule->states != REFERENCE_DIRTY;
}

void reference_protect(const struct reference *reference, struct reference_granule *granule,
                       uint32_t prot, unsigned op)
{
	uint8_t states;

	granule->changed |= op;
	if (!(granule->flags & REFERENCE_MAPPED))
		return;
	states = state_after_protect(reference, granule, prot);
	/* Tracking starts when no walker has the old entry any more. */
	if (granule->states == REFERENCE_UNTRACKED)
		granule->copied_after |= op;
	if (states & REFERENCE_EITHER)
		granule->flags &= ~REFERENCE_KEPT;
	else if (granule->states & REFERENCE_DIRTY)
		keep_dirty(granule);
	if (states == REFERENCE_UNTRACKED) {
		/* Whether what was written before is still reported is not said. */
		granule->kept_unsure = true;
		granule->flags &= ~REFERENCE_OWED;
	}
	granule->states = states;
	granule->prot = reference_prot(reference, prot);
	granule->may |= reference_may(reference, prot);
	granule->sure &= reference_sure(reference, prot);
}

static void settle(const struct reference *reference, struct reference_granule *granule)
{
	bool mapped = granule->flags & REFERENCE_MAPPED;

	granule->may = mapped ? reference_may(reference, granule->prot) : 0;
	granule->sure = mapped ? reference_sure(reference, granule->prot) : 0;
}

void reference_finish(struct reference *reference, unsigned op)
{
	struct reference_steps steps = reference_range(reference, 0, UINT64_MAX);

	while (reference_step(&steps)) {
		struct reference_granule *granule = steps.granule;

		granule->aging &= ~op;
		if (granule->copied_after & op) {
			granule->flags &= ~REFERENCE_OWED;
			granule->copied_after &= ~op;
		}
		if (!(granule->changed & op))
			continue;
		granule->changed &= ~op;
		if (!granule->changed)
			settle(reference, granule);
	}
}

void reference_forget(struct reference *reference, uint64_t iova, uint64_t last, uint8_t flags)
{
	struct reference_steps steps = reference_range(reference, iova, last);

	while (reference_step(&steps))
		if (steps.granule->flags & flags)
			steps.granule->flags &= ~flags;
}

uint64_t reference_count_mapped(const struct reference *reference, uint64_t iova, uint64_t last)
{
	struct reference_steps steps = reference_range(reference, iova, last);
	uint64_t count = 0;

	while (reference_step(&steps))
		count += !!(steps.granule->flags & REFERENCE_MAPPED);
	return count;
}
