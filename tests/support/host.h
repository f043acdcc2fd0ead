/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A host for tests: table memory from a pool, invalidations to walker models,
 * failures on demand, a log, and checks of the HAL's contract.
 *
 * The context of host->hal is the struct test_host. All callbacks are
 * thread-safe. Read counters and the log while no callback runs, or through the
 * functions below.
 */
#ifndef TEST_HOST_H
#define TEST_HOST_H

#include <pthread.h>
#include <stdatomic.h>

#include <iopgt/hal.h>

#include "pool.h"
#include "walker.h"

#define HOST_ERROR   (-77) /* what a callback returns that was made to fail */
#define HOST_WALKERS 8
#define HOST_LOG     4096

enum host_call {
	HOST_ALLOC,
	HOST_RANGE, /* invalidate_range */
	HOST_ALL,   /* invalidate_all */
	HOST_SYNC,
	HOST_PHYS_TO_VIRT,
	HOST_ANY, /* host_fail only: counts all of the above; those below cannot fail */
	HOST_FREE,
	HOST_CLEAN,
	HOST_PUBLISH,
	/*
	 * No callback of the HAL: in a sync, between the invalidation of a TLB and that
	 * of the copies of an ATS device. Counted, not logged; see between.
	 */
	HOST_ATC,
	HOST_CALLS,
};

enum host_mode {
	/* Invalidations are dropped and sync does nothing: which tests notice? */
	HOST_DEAF = 1 << 0,
	/* Frees are not checked against caches and posted invalidations. */
	HOST_FREES_UNCHECKED = 1 << 1,
	/*
	 * A sync does not invalidate the copies of ATS devices, or does so before the
	 * TLBs. Both are wrong (IHI 0070 3.9.1): which tests notice?
	 */
	HOST_NO_ATC = 1 << 2,
	HOST_ATC_FIRST = 1 << 3,
};

struct host_options {
	size_t arena_bytes; /* 0: 64 MiB */
	uint64_t phys_base;
	uint64_t join_bytes;   /* of struct iopgt_tlb_ops */
	uint32_t max_ranges;   /* of struct iopgt_tlb_ops */
	uint32_t mode;         /* of enum host_mode; host_set_mode changes it later */
	uint32_t hal_flags;    /* IOPGT_HAL_LINEAR: then there is no phys_to_virt */
	uint8_t granule_shift; /* for the checks of requests; 0: 12 */
	bool large_blocks;     /* for them: there are blocks of one level more (Table D8-17, ...) */
	bool non_coherent;     /* pool with a shadow image */
};

/* ALLOC, FREE: phys, bytes, flags. RANGE: request. Failed calls are logged too. */
struct host_event {
	enum host_call call;
	bool failed;
	const struct walker *walker; /* null: to all walkers of the host */
	uint64_t phys;
	uint32_t bytes, flags;
	struct iopgt_invalidation request;
};

#define HOST_OWED 64

/* What an ATS device is owed by the next sync. */
struct host_owed {
	struct iopgt_invalidation request;
	uint64_t number;    /* in the order of posting */
	const void *poster; /* stands for the thread that posted it */
	bool all;
};

/* The context of host_walker_tlb_ops: one walker, for a domain. */
struct host_walker {
	struct test_host *host;
	struct walker *walker;
	bool broadcast; /* the host's own invalidations reach it as well */
	/* Private, with the host's mutex. */
	unsigned owed_count;
	struct host_owed owed[HOST_OWED];
};

struct test_host {
	struct iopgt_hal hal; /* ready for iopgt_init, with the test_host as context */
	struct pool *pool;
	struct host_walker walkers[HOST_WALKERS];
	unsigned walker_count;
	/* Null, or called at HOST_ATC, without locks: devices and walkers may be used. */
	void (*between)(void *context);
	void *between_context;
	/* The rest is private: use the functions. */
	struct host_options options;
	pthread_mutex_t mutex;
	uint64_t identity, owed_number;
	_Atomic uint32_t mode;
	_Atomic uint64_t calls[HOST_CALLS];
	atomic_bool armed; /* some failure may be due */
	uint64_t fail_after[HOST_CALLS];
	bool fail_forever[HOST_CALLS];
	uint64_t injected;
	uint64_t violations;
	char violation[200]; /* the first */
	uint64_t logged;     /* events ever, from the last host_log_clear on */
	struct host_event log[HOST_LOG];
};

/* All options zero are good ones. Aborts if there is no memory. */
void host_init(struct test_host *host, const struct host_options *options);

/* Destroys its walkers and its pool, live tables included. */
void host_fini(struct test_host *host);

/*
 * A new walker, of this configuration but with the host's pool, which the
 * host's invalidations reach; the host owns it.
 */
struct walker *host_add_walker(struct test_host *host, const struct walker_config *config);

/*
 * The same, but it is invalidated through host_walker_tlb_ops alone, with the
 * returned pointer as context: for struct iopgt_walker of a domain.
 */
struct host_walker *host_add_domain_walker(struct test_host *host,
                                           const struct walker_config *config);

/* Destroys all walkers; no pointer to one of them, or to a host_walker, is good any more. */
void host_remove_walkers(struct test_host *host);

const struct iopgt_tlb_ops *host_walker_tlb_ops(void);

void host_set_mode(struct test_host *host, uint32_t mode);

/*
 * The nth next call of this kind fails (1: the very next), and all after it
 * when `forever`. 0 switches it off.
 * A failed invalidation does nothing; a failed sync loses what the thread had posted.
 */
void host_fail(struct test_host *host, enum host_call call, uint64_t nth, bool forever);
void host_fail_nothing(struct test_host *host);
uint64_t host_injected(struct test_host *host); /* failures since host_init */

uint64_t host_calls(const struct test_host *host, enum host_call call); /* failed ones too */

/* Events since the last clear: how many; the nth (0 is the first), false if it fell out. */
uint64_t host_logged(struct test_host *host);
bool host_event(struct test_host *host, uint64_t nth, struct host_event *event);
void host_log_clear(struct test_host *host);
void host_log_print(struct test_host *host); /* to stderr */

uint64_t host_violations(struct test_host *host);

/*
 * No contract violated, no walker's sticky error? Else says what, to stderr. A
 * violation is: a range of size 0, misaligned or overflowing; a level hint that
 * the range is not aligned to; unknown flags; an odd allocation; a table freed
 * that a walker still caches, or, if one ever walked it, before the freeing
 * thread synced what it posted.
 */
bool host_is_good(struct test_host *host);

/* With cmocka included: */
#define host_check(host) assert_true(host_is_good(host))

#endif
