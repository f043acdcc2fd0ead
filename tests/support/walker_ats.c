/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device with full ATS (IHI 0070 3.9.1, 3.13.7, 13.7.2): the translations that
 * it keeps, and the writes that it was granted and has not made yet.
 */
#include <string.h>

#include "guest.h"
#include "walker_internal.h"

bool ats_is_used(struct walker *walker, const struct walker_result *result)
{
	return walker->config.flags & WALKER_ATS &&
	       (result->access & WALKER_KIND) != WALKER_EXECUTE &&
	       !random_chance(&walker->random, walker->config.untranslated_one_in);
}

static bool covers(const struct atc_entry *copy, uint64_t iova)
{
	return (iova ^ copy->iova) >> copy->shift == 0;
}

static bool serves(const struct atc_entry *copy, const struct walker_result *result)
{
	bool is_write = (result->access & WALKER_KIND) == WALKER_WRITE;

	return covers(copy, result->iova) &&
	       copy->privileged == (result->access & WALKER_PRIVILEGED) &&
	       (is_write ? copy->may_write : copy->may_read);
}

bool ats_hit(struct walker *walker, struct walker_result *result)
{
	unsigned count = walker->copy_count;
	unsigned first = count ? (unsigned)random_below(&walker->random, count) : 0;

	/* Any of several: an older one may differ in size. */
	for (unsigned i = 0; i < count; i++) {
		const struct atc_entry *copy = &walker->copies[(first + i) % count];

		if (!serves(copy, result))
			continue;
		walker->counters.atc_hits++;
		result->fault = WALKER_OK;
		result->phys = copy->phys + (result->iova - copy->iova);
		result->size = BIT64(copy->shift);
		result->descriptor = copy->descriptor;
		result->descriptor_phys = copy->descriptor_phys;
		result->level = copy->level;
		result->cached = true;
		return true;
	}
	return false;
}

static void remove_copy(struct walker *walker, unsigned i)
{
	walker->copies[i] = walker->copies[--walker->copy_count];
}

static void evict_copy(struct walker *walker)
{
	if (!walker->copy_count)
		return;
	remove_copy(walker, (unsigned)random_below(&walker->random, walker->copy_count));
	walker->counters.evicted++;
}

/* Where the copy goes: in place of one that says less of the same bytes. */
static struct atc_entry *place_for(struct walker *walker, const struct atc_entry *copy)
{
	for (unsigned i = 0; i < walker->copy_count; i++) {
		struct atc_entry *old = &walker->copies[i];

		if (old->iova == copy->iova && old->shift == copy->shift &&
		    old->privileged == copy->privileged)
			return old;
	}
	if (walker->copy_count == walker->config.atc_entries)
		evict_copy(walker);
	return &walker->copies[walker->copy_count++];
}

/* What the device may do with the copy beside what it asked for. */
static bool is_granted(struct walker *walker, const struct leaf_entry *entry, uint32_t access)
{
	enum walker_dirty dirty = decode_dirty(&walker->config, entry->descriptor);
	bool is_write = (access & WALKER_KIND) == WALKER_WRITE;

	/* A write to a clean leaf has to be asked for: it is then that it is marked. */
	if (is_write && dirty == WALKER_WRITABLE_CLEAN)
		return false;
	return decode_permits(&walker->config, entry->descriptor, access);
}

void ats_keep(struct walker *walker, const struct leaf_entry *entry,
              const struct walker_result *result)
{
	uint32_t privileged = result->access & WALKER_PRIVILEGED;
	bool is_write = (result->access & WALKER_KIND) == WALKER_WRITE;
	unsigned shift = entry->shift;
	struct atc_entry copy;

	walker->counters.requests++;
	if (result->fault != WALKER_OK || !walker->config.atc_entries)
		return;
	/* Of a group of which some members are gone, one member. */
	if (is_group(entry) && (entry->gone[0] || entry->gone[1]))
		shift = entry->step;
	copy = (struct atc_entry){
		.iova = result->iova >> shift << shift,
		.phys = result->phys >> shift << shift,
		.descriptor = result->descriptor,
		.descriptor_phys = result->descriptor_phys,
		.shift = shift,
		.level = entry->level,
		.privileged = privileged,
		.may_read = is_granted(walker, entry, WALKER_READ | privileged),
		.may_write = is_write,
	};
	if (!is_write && random_chance(&walker->random, walker->config.grant_one_in))
		copy.may_write = is_granted(walker, entry, WALKER_WRITE | privileged);
	*place_for(walker, &copy) = copy;
}

bool ats_caches(const struct walker *walker, uint64_t iova)
{
	for (unsigned i = 0; i < walker->copy_count; i++)
		if (covers(&walker->copies[i], iova))
			return true;
	return false;
}

static bool overlaps(const struct iopgt_invalidation *request, uint64_t first, uint64_t bytes)
{
	return first - request->iova < request->size || request->iova - first < bytes;
}

void ats_invalidate(struct walker *walker, const struct iopgt_invalidation *request)
{
	unsigned landing = 0;

	/* What went through a copy has landed before its invalidation is complete. */
	for (unsigned i = 0; i < walker->late_count; i++)
		if (!request || overlaps(request, walker->late[i].iova, walker->late[i].bytes))
			landing = i + 1;
	ats_land(walker, landing);
	for (unsigned i = walker->copy_count; i-- > 0;) {
		const struct atc_entry *copy = &walker->copies[i];

		if (request && !overlaps(request, copy->iova, BIT64(copy->shift)))
			continue;
		remove_copy(walker, i);
		walker->counters.removed++;
	}
}

void ats_land(struct walker *walker, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct late_write *write = &walker->late[i];
		const struct walker_guest *guest = &write->guest;
		unsigned char *base = guest->base;

		if (guest->wrote)
			guest->wrote(guest->context, write->iova, write->phys, write->bytes);
		guest_write(base + (write->phys - guest->phys_base), write->data, write->bytes);
	}
	walker->late_count -= count;
	memmove(walker->late, walker->late + count, walker->late_count * sizeof(walker->late[0]));
}

void ats_delay(struct walker *walker, const struct late_write *write)
{
	if (walker->late_count == LATE_MOST)
		ats_land(walker, 1);
	walker->late[walker->late_count++] = *write;
	walker->counters.late++;
}

void ats_fate(struct walker *walker)
{
	if (random_chance(&walker->random, walker->config.evict_one_in))
		evict_copy(walker);
	if (walker->late_count && random_chance(&walker->random, 4))
		ats_land(walker, 1 + (unsigned)random_below(&walker->random, walker->late_count));
}

void walker_land(struct walker *walker)
{
	pthread_mutex_lock(&walker->mutex);
	ats_land(walker, walker->late_count);
	pthread_mutex_unlock(&walker->mutex);
}
