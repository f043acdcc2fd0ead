/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Invalidation of one walker. With ATS a sync is three steps: it waits for the
 * TLB, then invalidates the same ranges in the device, then waits for that
 * (IHI 0070 3.9.1: the device may be given what the TLB holds until then).
 */
#include <string.h>

#include "host_private.h"

/* Its address tells threads apart. */
static _Thread_local char this_thread;

static bool has_ats(const struct host_walker *one)
{
	return walker_config(one->walker)->flags & WALKER_ATS;
}

static void post_tlb(struct host_walker *one, const struct iopgt_invalidation *request)
{
	if (request)
		walker_post_range(one->walker, request);
	else
		walker_post_all(one->walker);
}

/* When there is no more room, all is owed, and no failure of a thread changes that. */
static void owe(struct host_walker *one, const struct iopgt_invalidation *request)
{
	struct host_owed owed = {.poster = &this_thread, .all = !request};

	if (request)
		owed.request = *request;
	pthread_mutex_lock(&one->host->mutex);
	owed.number = ++one->host->owed_number;
	if (one->owed_count == HOST_OWED) {
		owed.all = true;
		owed.poster = NULL;
		one->owed_count--;
	}
	one->owed[one->owed_count++] = owed;
	pthread_mutex_unlock(&one->host->mutex);
}

void host_post(struct host_walker *one, const struct iopgt_invalidation *request)
{
	if (!has_ats(one) || !host_is_mode(one->host, HOST_ATC_FIRST))
		post_tlb(one, request);
	/* After it: what another thread finds owed is posted to the TLB, and waited for. */
	if (has_ats(one))
		owe(one, request);
}

/* What any thread has posted: a sync is for all of it. Returns how many. */
static unsigned copy_owed(struct host_walker *one, struct host_owed *owed)
{
	unsigned count;

	pthread_mutex_lock(&one->host->mutex);
	count = one->owed_count;
	memcpy(owed, one->owed, count * sizeof(*owed));
	pthread_mutex_unlock(&one->host->mutex);
	return count;
}

/* Those up to this number are invalidated; without one, those of this thread are lost. */
static void forget_owed(struct host_walker *one, uint64_t number)
{
	unsigned kept = 0;

	pthread_mutex_lock(&one->host->mutex);
	for (unsigned i = 0; i < one->owed_count; i++) {
		const struct host_owed *owed = &one->owed[i];

		if (number ? owed->number > number : owed->poster != &this_thread)
			one->owed[kept++] = *owed;
	}
	one->owed_count = kept;
	pthread_mutex_unlock(&one->host->mutex);
}

static void wait_for_device(struct host_walker *one, const struct host_owed *owed, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		walker_post_atc(one->walker, owed[i].all ? NULL : &owed[i].request);
	walker_sync(one->walker);
}

static void between(struct test_host *host)
{
	atomic_fetch_add_explicit(&host->calls[HOST_ATC], 1, memory_order_relaxed);
	if (host->between)
		host->between(host->between_context);
}

void host_wait(struct host_walker *one)
{
	struct host_owed owed[HOST_OWED];
	unsigned count;

	if (!has_ats(one)) {
		walker_sync(one->walker);
		return;
	}
	count = copy_owed(one, owed);
	if (host_is_mode(one->host, HOST_ATC_FIRST)) {
		wait_for_device(one, owed, count);
		between(one->host);
		for (unsigned i = 0; i < count; i++)
			post_tlb(one, owed[i].all ? NULL : &owed[i].request);
		walker_sync(one->walker);
	} else {
		walker_sync(one->walker);
		between(one->host);
		if (!host_is_mode(one->host, HOST_NO_ATC))
			wait_for_device(one, owed, count);
	}
	if (count)
		forget_owed(one, owed[count - 1].number);
}

void host_lose_posted(struct host_walker *one)
{
	walker_lose_posted(one->walker);
	forget_owed(one, 0);
}
