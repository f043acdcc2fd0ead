/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Permissions, memory types, attributes: what can be said in which regime (enum
 * iopgt_prot, iopgt_memory, iopgt_attribute), and what walkers and translate make of it.
 */
#include "stream_private.h"

#define ANY_EXECUTE                                                                                \
	((uint32_t)(IOPGT_EXECUTE | IOPGT_EXECUTE_PRIVILEGED | IOPGT_EXECUTE_UNPRIVILEGED))
#define SHAREABILITY                                                                               \
	((uint32_t)(IOPGT_INNER_SHAREABLE | IOPGT_OUTER_SHAREABLE | IOPGT_NOT_SHAREABLE))

static bool is_single(uint32_t bits)
{
	return (bits & (bits - 1)) == 0;
}

static bool execute_is_legal(const struct stream *stream, uint32_t prot)
{
	uint32_t regime = stream->config.regime;
	bool privileged = prot & IOPGT_PRIVILEGED;

	if (!is_single(prot & ANY_EXECUTE))
		return false;
	/* G5.6.3: what may not be read is not executed. */
	if (regime == IOPGT_STAGE2_AARCH32 && prot & ANY_EXECUTE && !(prot & IOPGT_READ))
		return false;
	if (!(prot & (IOPGT_EXECUTE_PRIVILEGED | IOPGT_EXECUTE_UNPRIVILEGED)))
		return true;
	if (!stream_has_levels(stream) && !(stream->config.flags & IOPGT_CONFIG_XNX))
		return false;
	if (prot & IOPGT_EXECUTE_UNPRIVILEGED)
		return !privileged;
	if (regime == IOPGT_STAGE1_AARCH32)
		return privileged;
	/* Table D8-65: what the unprivileged may write the privileged never execute. */
	return regime != IOPGT_STAGE1_EL1 || privileged || !(prot & IOPGT_WRITE);
}

bool stream_prot_is_legal(const struct stream *stream, uint32_t prot)
{
	const uint32_t tracking = IOPGT_NO_TRACK | IOPGT_CLEAN;

	if (prot & ~(uint32_t)IOPGT_ALL_PROT || (prot & tracking) == tracking)
		return false;
	if (prot & IOPGT_PRIVILEGED && !stream_has_levels(stream))
		return false;
	if (!(prot & IOPGT_READ) && !stream_is_stage2(stream))
		return false;
	return execute_is_legal(stream, prot);
}

/* Nothing is said of no access at all, nor of tracking what is not written. */
static bool prot_is_open(uint32_t prot)
{
	return !(prot & (IOPGT_READ | IOPGT_WRITE)) ||
	       (prot & (IOPGT_NO_TRACK | IOPGT_CLEAN) && !(prot & IOPGT_WRITE));
}

/* Device memory and non-cacheable memory is outer shareable, whatever is said. */
static bool is_outer_anyway(uint32_t memory)
{
	return memory != IOPGT_WRITE_BACK && memory != IOPGT_INNER_NON_CACHEABLE;
}

static bool shareability_is_legal(const struct stream *stream, uint32_t memory, uint32_t attributes)
{
	uint32_t shareability = attributes & SHAREABILITY;

	if (!shareability)
		return true;
	if (is_outer_anyway(memory))
		return shareability == IOPGT_OUTER_SHAREABLE;
	if (stream->config.flags & IOPGT_CONFIG_LPA2)
		return shareability == IOPGT_INNER_SHAREABLE;
	return is_single(shareability);
}

static bool attributes_are_legal(const struct stream *stream, uint32_t memory, uint32_t attributes)
{
	uint32_t legal = SHAREABILITY | IOPGT_SOFTWARE_0 | IOPGT_SOFTWARE_1;

	if (stream_has_levels(stream))
		legal |= IOPGT_GLOBAL;
	if (stream->config.flags & IOPGT_CONFIG_SECURE)
		legal |= IOPGT_NON_SECURE;
	if (!stream_is_stage2(stream) && !stream_is_aarch32(stream))
		legal |= IOPGT_GUARDED;
	return !(attributes & ~legal) && shareability_is_legal(stream, memory, attributes);
}

static bool memory_is_legal(const struct stream *stream, uint32_t memory)
{
	if (memory == IOPGT_INNER_NON_CACHEABLE)
		return !(stream->config.flags & IOPGT_CONFIG_FORCED_WRITE_BACK);
	return memory < IOPGT_MEMORY_TYPES;
}

/* --- Choosing --- */

static uint32_t choose_execute(struct stream *stream)
{
	static const uint32_t execute[] = {IOPGT_EXECUTE, IOPGT_EXECUTE_PRIVILEGED,
	                                   IOPGT_EXECUTE_UNPRIVILEGED};

	return execute[stream_below(stream, 3)];
}

/* Permissions that the regime has: mostly to read and write. */
uint32_t stream_choose_prot(struct stream *stream)
{
	uint32_t prot = IOPGT_READ | IOPGT_WRITE, more;

	if (!stream_chance(stream, 3))
		return prot;
	if (stream_chance(stream, 2))
		prot &= ~(uint32_t)IOPGT_WRITE;
	else if (stream_is_stage2(stream) && stream_chance(stream, 4))
		prot &= ~(uint32_t)IOPGT_READ;
	if (stream_has_levels(stream) && stream_chance(stream, 3))
		prot |= IOPGT_PRIVILEGED;
	more = choose_execute(stream);
	if (stream_chance(stream, 2) && stream_prot_is_legal(stream, prot | more))
		prot |= more;
	if (prot & IOPGT_WRITE && stream_chance(stream, 4))
		prot |= IOPGT_NO_TRACK;
	return prot;
}

void stream_choose_kind(struct stream *stream, struct iopgt_mapping *mapping)
{
	mapping->prot = stream_choose_prot(stream);
	if (!(mapping->prot & IOPGT_NO_TRACK) && stream_chance(stream, 4))
		mapping->prot |= IOPGT_CLEAN;
	mapping->memory = IOPGT_WRITE_BACK;
	mapping->attributes = 0;
	if (!stream_chance(stream, 4))
		return;
	mapping->memory = stream_below(stream, IOPGT_MEMORY_TYPES);
	if (!memory_is_legal(stream, mapping->memory))
		mapping->memory = IOPGT_NON_CACHEABLE;
	mapping->attributes = stream_below(stream, IOPGT_ALL_ATTRIBUTES + 1);
	/* One by one away, until what is left can be said. */
	for (uint32_t bit = 1; bit <= IOPGT_ALL_ATTRIBUTES; bit <<= 1)
		if (!attributes_are_legal(stream, mapping->memory, mapping->attributes))
			mapping->attributes &= ~bit;
}

int stream_choose_bad_kind(struct stream *stream, struct iopgt_mapping *mapping)
{
	int expected = IOPGT_OK;

	switch (stream_below(stream, 3)) {
	case 0:
		mapping->prot = stream_below(stream, 2 * IOPGT_ALL_PROT + 2);
		if (!prot_is_open(mapping->prot) && !stream_prot_is_legal(stream, mapping->prot))
			expected = IOPGT_BAD_PROT;
		break;
	case 1:
		mapping->memory = stream_below(stream, IOPGT_MEMORY_TYPES + 3);
		if (!memory_is_legal(stream, mapping->memory))
			expected = IOPGT_BAD_MEMORY_TYPE;
		break;
	default:
		mapping->memory = stream_below(stream, IOPGT_INNER_NON_CACHEABLE);
		mapping->attributes = stream_below(stream, 2 * IOPGT_ALL_ATTRIBUTES + 2);
		if (!attributes_are_legal(stream, mapping->memory, mapping->attributes))
			expected = IOPGT_BAD_ATTRIBUTE;
	}
	return expected;
}

/* --- Comparing --- */

static unsigned shareability_of(const struct stream *stream, uint32_t memory, uint32_t attributes)
{
	if (is_outer_anyway(memory))
		return 2;
	if (stream->config.flags & IOPGT_CONFIG_LPA2 || attributes & IOPGT_INNER_SHAREABLE)
		return 3;
	if (attributes & IOPGT_NOT_SHAREABLE)
		return 0;
	return attributes & IOPGT_OUTER_SHAREABLE || memory != IOPGT_WRITE_BACK ? 2 : 3;
}

bool stream_leaf_is_kind(const struct stream *stream, const struct walker_leaf *leaf,
                         uint32_t memory, uint32_t attributes)
{
	static const struct {
		uint8_t memory, device;
	} types[] = {
		[IOPGT_NON_CACHEABLE] = {WALKER_NON_CACHEABLE, 0},
		[IOPGT_WRITE_BACK] = {WALKER_WRITE_BACK, 0},
		[IOPGT_DEVICE] = {WALKER_DEVICE, 1},
		[IOPGT_INNER_NON_CACHEABLE] = {WALKER_INNER_NON_CACHEABLE, 0},
		[IOPGT_DEVICE_NGNRNE] = {WALKER_DEVICE, 0},
		[IOPGT_DEVICE_NGRE] = {WALKER_DEVICE, 2},
		[IOPGT_DEVICE_GRE] = {WALKER_DEVICE, 3},
	};
	unsigned software =
		(attributes & IOPGT_SOFTWARE_0 ? 1 : 0) | (attributes & IOPGT_SOFTWARE_1 ? 2 : 0);

	return leaf->memory == types[memory].memory && leaf->device == types[memory].device &&
	       leaf->effective_shareability == shareability_of(stream, memory, attributes) &&
	       leaf->global == !!(attributes & IOPGT_GLOBAL) &&
	       leaf->non_secure == !!(attributes & IOPGT_NON_SECURE) &&
	       leaf->guarded == !!(attributes & IOPGT_GUARDED) && leaf->software >> 2 == software;
}

uint32_t stream_given_back(const struct stream *stream, uint32_t memory, uint32_t attributes)
{
	if (stream->config.flags & IOPGT_CONFIG_LPA2)
		return attributes & ~SHAREABILITY;
	return attributes & ~(uint32_t)(memory == IOPGT_WRITE_BACK ? IOPGT_INNER_SHAREABLE
	                                                           : IOPGT_OUTER_SHAREABLE);
}
