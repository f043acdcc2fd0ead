/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A walker, or another CPU, that comes just before a store to a table: the page is made
 * read-only. What loads an entry, and stores it in a second step, comes too late then; an
 * atomic operation begins after that.
 */
#ifndef TEST_MUTANTS_TORN_H
#define TEST_MUTANTS_TORN_H

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"

static struct {
	struct fixture *f;
	void (*event)(struct fixture *f);
	unsigned char *page;
	size_t bytes;
	struct sigaction before;
	bool came;
} torn;

static void torn_open(void)
{
	mprotect(torn.page, torn.bytes, PROT_READ | PROT_WRITE);
	sigaction(SIGSEGV, &torn.before, NULL);
}

/* A fault elsewhere comes again, with the handler that was there before. */
static void torn_fault(int number, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr - (uintptr_t)torn.page;

	(void)number;
	(void)context;
	torn_open();
	if (at >= torn.bytes)
		return;
	torn.came = true;
	torn.event(torn.f);
}

/* `event` comes before the next store to the page that holds `memory`, once. */
static inline void before_a_store_to(struct fixture *f, const volatile void *memory,
                                     void (*event)(struct fixture *f))
{
	struct sigaction action = {0};
	uintptr_t at = (uintptr_t)memory;

	torn.f = f;
	torn.event = event;
	torn.bytes = (size_t)sysconf(_SC_PAGESIZE);
	torn.page = (unsigned char *)(at & ~(uintptr_t)(torn.bytes - 1));
	torn.came = false;
	action.sa_sigaction = torn_fault;
	/* The event may post and wait, as a thread may. */
	action.sa_flags = SA_SIGINFO | SA_NODEFER;
	assert_int_equal(sigaction(SIGSEGV, &action, &torn.before), 0);
	assert_int_equal(mprotect(torn.page, torn.bytes, PROT_READ), 0);
}

/* The same of the descriptor at phys. */
static inline void before_a_store(struct fixture *f, uint64_t phys,
                                  void (*event)(struct fixture *f))
{
	before_a_store_to(f, pool_word(f->host.pool, phys, false), event);
}

/*
 * Instead of FIXTURE_RUN. ThreadSanitizer's own code holds a lock while it stores
 * (GCC's macro; clang's feature): the event would wait for that for ever.
 */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TORN_NEVER 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define TORN_NEVER 1
#endif
#ifdef TORN_NEVER
#define TORN_RUN(tests) ((void)(tests), 0)
#else
#define TORN_RUN(tests) FIXTURE_RUN(tests)
#endif

static inline void expect_it_came(void)
{
	assert_true(torn.came);
}

/* Of the table descriptor that leads to the table of the leaf at iova, or further up. */
static inline uint64_t link_of(struct fixture *f, uint64_t iova, unsigned up)
{
	struct walker_leaf leaf = leaf_at(f, iova);

	assert_true(leaf.table_count > up);
	return leaf.tables_phys[leaf.table_count - 1 - up];
}

#endif
