/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each of two calls makes its claim before it looks at those of others, so that at least
 * one of them finds the other.
 */
#include "core/overlap.h"

#ifdef IOPGT_DEBUG

#define VERB_BITS 4
#define RESERVED  ((1u << VERB_BITS) - 1) /* the range is being written */
#define SERIAL    (1u << VERB_BITS)

static const char *const names[] = {
	[OVERLAP_SPLIT] = "iopgt_split_block",    [OVERLAP_MERGE] = "iopgt_merge_page",
	[OVERLAP_PROTECT] = "iopgt_protect",      [OVERLAP_SWITCH] = "iopgt_switch_dirty_log",
	[OVERLAP_ATTACH] = "iopgt_domain_attach", [OVERLAP_DETACH] = "iopgt_domain_detach",
};

static _Atomic uint32_t *state_of(struct iopgt_claim *claim)
{
	return (_Atomic uint32_t *)&claim->state;
}

static uint64_t bound(const uint64_t *bound)
{
	return atomic_load_explicit((const _Atomic uint64_t *)bound, memory_order_relaxed);
}

static void set_bound(uint64_t *bound, uint64_t value)
{
	atomic_store_explicit((_Atomic uint64_t *)bound, value, memory_order_relaxed);
}

/* The leaves at the ends belong to the range as a whole. */
static struct iopgt_range widen(const struct iopgt_table *table, struct iopgt_range range)
{
	struct iopgt_translation t;

	if (!iopgt_translate(table, range.first, &t) && t.leaf_iova < range.first)
		range.first = t.leaf_iova;
	if (!iopgt_translate(table, range.last, &t) && t.leaf_iova + (t.leaf_size - 1) > range.last)
		range.last = t.leaf_iova + (t.leaf_size - 1);
	return range;
}

static struct iopgt_claim *reserve(struct iopgt_table *table, uint32_t *serial)
{
	for (unsigned i = 0; i < IOPGT_CLAIMS; i++) {
		uint32_t old =
			atomic_load_explicit(state_of(&table->claims[i]), memory_order_relaxed);

		*serial = (old & ~RESERVED) + SERIAL;
		if (!(old & RESERVED) && atomic_compare_exchange_strong(state_of(&table->claims[i]),
		                                                        &old, *serial | RESERVED))
			return &table->claims[i];
	}
	return NULL;
}

/* Reads another call's claim. False: there is none, or it has just gone, or come. */
static bool read_claim(struct iopgt_claim *claim, struct iopgt_range *range,
                       enum overlap_verb *verb)
{
	uint32_t state = atomic_load_explicit(state_of(claim), memory_order_acquire);

	if (!(state & RESERVED) || (state & RESERVED) == RESERVED)
		return false;
	*range = (struct iopgt_range){bound(&claim->first), bound(&claim->last)};
	*verb = (enum overlap_verb)((state & RESERVED) - 1);
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(state_of(claim), memory_order_relaxed) == state;
}

static void tell(const struct iopgt_table *table, enum overlap_verb running, struct iopgt_range his,
                 enum overlap_verb refused, struct iopgt_range mine)
{
	const struct iopgt_overlap overlap = {
		.running = names[running],
		.refused = names[refused],
		.running_iova = his.first,
		.running_size = his.last - his.first + 1,
		.refused_iova = mine.first,
		.refused_size = mine.last - mine.first + 1,
	};

	if (table->hal->overlap)
		table->hal->overlap(table->context, &overlap);
}

int iopgt_overlap_begin(struct iopgt_table *table, enum overlap_verb verb, struct iopgt_range range,
                        struct iopgt_claim **claim)
{
	uint32_t serial;

	*claim = reserve(table, &serial);
	if (!*claim)
		return IOPGT_OK;
	range = widen(table, range);
	set_bound(&(*claim)->first, range.first);
	set_bound(&(*claim)->last, range.last);
	atomic_store(state_of(*claim), serial | ((uint32_t)verb + 1));
	atomic_thread_fence(memory_order_seq_cst);
	for (unsigned i = 0; i < IOPGT_CLAIMS; i++) {
		struct iopgt_range other;
		enum overlap_verb running;

		if (&table->claims[i] == *claim ||
		    !read_claim(&table->claims[i], &other, &running) || other.first > range.last ||
		    range.first > other.last)
			continue;
		iopgt_overlap_end(*claim);
		*claim = NULL;
		tell(table, running, other, verb, range);
		return IOPGT_OVERLAP;
	}
	return IOPGT_OK;
}

void iopgt_overlap_end(struct iopgt_claim *claim)
{
	if (claim)
		atomic_fetch_and_explicit(state_of(claim), ~RESERVED, memory_order_release);
}

#endif
