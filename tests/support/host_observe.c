/* SPDX-License-Identifier: BSD-2-Clause */
/* What a test asks of its host: failures, counters, the log, the verdict. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host.h"

void host_fail(struct test_host *host, enum host_call call, uint64_t nth, bool forever)
{
	pthread_mutex_lock(&host->mutex);
	host->fail_after[call] = nth;
	host->fail_forever[call] = forever;
	atomic_store(&host->armed, true);
	pthread_mutex_unlock(&host->mutex);
}

void host_fail_nothing(struct test_host *host)
{
	pthread_mutex_lock(&host->mutex);
	memset(host->fail_after, 0, sizeof(host->fail_after));
	atomic_store(&host->armed, false);
	pthread_mutex_unlock(&host->mutex);
}

uint64_t host_injected(struct test_host *host)
{
	uint64_t injected;

	pthread_mutex_lock(&host->mutex);
	injected = host->injected;
	pthread_mutex_unlock(&host->mutex);
	return injected;
}

uint64_t host_calls(const struct test_host *host, enum host_call call)
{
	return atomic_load(&host->calls[call]);
}

uint64_t host_logged(struct test_host *host)
{
	uint64_t logged;

	pthread_mutex_lock(&host->mutex);
	logged = host->logged;
	pthread_mutex_unlock(&host->mutex);
	return logged;
}

bool host_event(struct test_host *host, uint64_t nth, struct host_event *event)
{
	bool kept;

	pthread_mutex_lock(&host->mutex);
	kept = nth < host->logged && host->logged - nth <= HOST_LOG;
	if (kept)
		*event = host->log[nth % HOST_LOG];
	pthread_mutex_unlock(&host->mutex);
	return kept;
}

void host_log_clear(struct test_host *host)
{
	pthread_mutex_lock(&host->mutex);
	host->logged = 0;
	pthread_mutex_unlock(&host->mutex);
}

static void print_event(const struct host_event *event)
{
	static const char *const names[HOST_CALLS] = {
		[HOST_ALLOC] = "alloc", [HOST_RANGE] = "range", [HOST_ALL] = "all",
		[HOST_SYNC] = "sync",   [HOST_FREE] = "free",
	};

	fprintf(stderr, "  %s", names[event->call]);
	if (event->call == HOST_RANGE)
		fprintf(stderr,
		        " iova 0x%" PRIx64 " size 0x%" PRIx64 " flags 0x%" PRIx32
		        " stride %u level %d",
		        event->request.iova, event->request.size, event->request.flags,
		        event->request.stride_shift, event->request.level);
	if (event->call == HOST_ALLOC || event->call == HOST_FREE)
		fprintf(stderr, " 0x%" PRIx64 " bytes 0x%" PRIx32 " flags 0x%" PRIx32, event->phys,
		        event->bytes, event->flags);
	fprintf(stderr, "%s\n", event->failed ? " FAILED" : "");
}

void host_log_print(struct test_host *host)
{
	uint64_t logged = host_logged(host);
	struct host_event event;

	for (uint64_t n = logged > HOST_LOG ? logged - HOST_LOG : 0; n < logged; n++)
		if (host_event(host, n, &event))
			print_event(&event);
}

uint64_t host_violations(struct test_host *host)
{
	uint64_t violations;

	pthread_mutex_lock(&host->mutex);
	violations = host->violations;
	pthread_mutex_unlock(&host->mutex);
	return violations;
}

bool host_is_good(struct test_host *host)
{
	uint64_t violations = host_violations(host);
	bool good = !violations;

	if (violations)
		fprintf(stderr, "host: %" PRIu64 " violations, the first: %s\n", violations,
		        host->violation);
	for (unsigned i = 0; i < host->walker_count; i++) {
		const char *error = walker_error(host->walkers[i].walker);

		if (!error)
			continue;
		fprintf(stderr, "walker %u: %s\n", i, error);
		good = false;
	}
	return good;
}
