/* SPDX-License-Identifier: BSD-2-Clause */
/* Accesses of the walker model that move guest bytes. */
#include <sched.h>
#include <string.h>

#include "guest.h"
#include "walker_internal.h"

#define FAULT_RETRIES 10000 /* of a translation fault, without on_fault */

/* A write with ATS may land later; else what is late lands first, in order. */
static void write_piece(struct walker *walker, const struct walker_result *result,
                        const unsigned char *data, size_t bytes, const struct walker_guest *guest)
{
	unsigned char *base = guest->base;

	if (result->translated && bytes <= WALKER_LATE_BYTES &&
	    random_chance(&walker->random, walker->config.late_one_in)) {
		struct late_write late = {*guest, result->iova, result->phys, bytes, {0}};

		memcpy(late.data, data, bytes);
		ats_delay(walker, &late);
		return;
	}
	ats_land(walker, walker->late_count);
	if (guest->wrote)
		guest->wrote(guest->context, result->iova, result->phys, bytes);
	guest_write(base + (result->phys - guest->phys_base), data, bytes);
}

/* One piece, within a granule, as one critical section. `data` is read or written. */
static enum walker_fault move_piece(struct walker *walker, struct walker_result *result,
                                    unsigned char *data, size_t bytes,
                                    const struct walker_guest *guest)
{
	bool is_write = (result->access & WALKER_KIND) == WALKER_WRITE;
	uint64_t offset;

	pthread_mutex_lock(&walker->mutex);
	if (walker_perform(walker, result) == WALKER_OK) {
		unsigned char *base = guest->base;

		offset = result->phys - guest->phys_base;
		if (offset >= guest->bytes || bytes > guest->bytes - offset) {
			result->fault = WALKER_OUTSIDE;
			walker->counters.faults[WALKER_OUTSIDE]++;
		} else if (is_write) {
			write_piece(walker, result, data, bytes, guest);
		} else {
			ats_land(walker, walker->late_count);
			guest_read(data, base + offset, bytes);
		}
	}
	pthread_mutex_unlock(&walker->mutex);
	return result->fault;
}

/* After a fault, without the mutex: does the device try again? */
static bool retries(const struct walker_config *config, const struct walker_result *result,
                    unsigned *faults)
{
	if (!(config->flags & WALKER_RETRIES) || result->fault >= WALKER_OUTSIDE)
		return false;
	if (config->on_fault)
		return config->on_fault(config->fault_context, result);
	sched_yield();
	return result->fault == WALKER_TRANSLATION && ++*faults < FAULT_RETRIES;
}

static struct walker_transfer transfer(struct walker *walker, struct walker_result start,
                                       unsigned char *data, size_t bytes,
                                       const struct walker_guest *guest)
{
	struct walker_transfer done = {.result = start};
	const uint64_t granule = BIT64(walker->config.granule_shift);

	while (done.bytes < bytes) {
		uint64_t iova = start.iova + done.bytes;
		uint64_t piece = granule - (iova & (granule - 1));
		unsigned faults = 0;

		if (piece > bytes - done.bytes)
			piece = bytes - done.bytes;
		do {
			done.result = start;
			done.result.iova = iova;
			move_piece(walker, &done.result, data + done.bytes, (size_t)piece, guest);
		} while (done.result.fault && retries(&walker->config, &done.result, &faults));
		if (done.result.fault)
			break;
		done.bytes += (size_t)piece;
	}
	return done;
}

struct walker_transfer walker_write(struct walker *walker, uint64_t iova, const void *data,
                                    size_t bytes, const struct walker_guest *guest)
{
	struct walker_result start = {.iova = iova, .access = WALKER_WRITE | guest->access_flags};

	/* Only read from: the kind is WRITE. */
	return transfer(walker, start, (unsigned char *)(uintptr_t)data, bytes, guest);
}

struct walker_transfer walker_read(struct walker *walker, uint64_t iova, void *data, size_t bytes,
                                   const struct walker_guest *guest)
{
	struct walker_result start = {.iova = iova, .access = WALKER_READ | guest->access_flags};

	return transfer(walker, start, data, bytes, guest);
}
