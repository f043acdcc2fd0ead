/* SPDX-License-Identifier: BSD-2-Clause */
#include "user.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 4096

/* Tables are aligned to their size; those below 64 bytes do not exist. */
static void *alloc_table(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys)
{
	void *table = aligned_alloc(bytes, bytes);

	(void)context;
	if (table && flags & IOPGT_ALLOC_ZERO)
		memset(table, 0, bytes);
	*phys = (uintptr_t)table;
	return table;
}

static void free_table(void *context, void *table, uint64_t phys, uint32_t bytes)
{
	(void)context;
	(void)phys;
	(void)bytes;
	free(table);
}

static struct user_entry *entry_of(struct user_port *port, uint64_t iova)
{
	return &port->cache[iova / PAGE % USER_CACHED];
}

static int invalidate_all(void *context)
{
	struct user_port *port = context;

	pthread_mutex_lock(&port->lock);
	for (unsigned i = 0; i < USER_CACHED; i++)
		port->cache[i].iova = USER_NOTHING;
	pthread_mutex_unlock(&port->lock);
	return 0;
}

/* The cache holds pages, whatever the stride, and nothing of the tables above them. */
static int invalidate_range(void *context, const struct iopgt_invalidation *request)
{
	struct user_port *port = context;

	if (request->size / PAGE >= USER_CACHED)
		return invalidate_all(port);
	pthread_mutex_lock(&port->lock);
	for (uint64_t offset = 0; offset < request->size; offset += PAGE)
		if (entry_of(port, request->iova + offset)->iova == request->iova + offset)
			entry_of(port, request->iova + offset)->iova = USER_NOTHING;
	pthread_mutex_unlock(&port->lock);
	return 0;
}

/* An access holds the lock from end to end, so whoever invalidated has waited for it. */
static int sync_walker(void *context)
{
	(void)context;
	return 0;
}

const struct iopgt_hal user_hal = {
	.flags = IOPGT_HAL_LINEAR, /* with offset 0 */
	.alloc_table = alloc_table,
	.free_table = free_table,
	.tlb =
		{
			.invalidate_range = invalidate_range,
			.invalidate_all = invalidate_all,
			.sync = sync_walker,
		},
};

const struct iopgt_config user_config = {
	.regime = IOPGT_STAGE2,
	.granule_shift = 12,
	.input_bits = 48,
	.output_bits = 48,
	.bbm_level = 2, /* this walker bears everything */
	.dirty = IOPGT_DIRTY_SOFTWARE,
};

int user_init(struct user_port *port)
{
	int error = pthread_mutex_init(&port->lock, NULL);

	return error ? -error : invalidate_all(port);
}

void user_fini(struct user_port *port)
{
	pthread_mutex_destroy(&port->lock);
}

/*
 * With the lock held: the page's address, null if it may not be written as it is. Only what is
 * writable-dirty is cached: a write through the cache leaves no mark.
 */
static unsigned char *walk(struct user_port *port, struct iopgt_table *table, uint64_t page)
{
	struct user_entry *entry = entry_of(port, page);
	struct iopgt_translation found;

	if (entry->iova == page)
		return entry->page;
	if (iopgt_translate(table, page, &found) ||
	    (found.state != IOPGT_LEAF_DIRTY && found.state != IOPGT_LEAF_UNTRACKED))
		return NULL;
	*entry = (struct user_entry){page, (unsigned char *)(uintptr_t)found.phys};
	return entry->page;
}

int user_device_write(struct user_port *port, struct iopgt_table *table, uint64_t iova,
                      unsigned char byte)
{
	struct iopgt_op op = {0};
	unsigned char *page;
	int error = 0;

	/* Marked by the handler, it may be cleaned again before this thread gets there. */
	while (!error) {
		pthread_mutex_lock(&port->lock);
		page = walk(port, table, iova - iova % PAGE);
		if (page)
			page[iova % PAGE] = byte;
		pthread_mutex_unlock(&port->lock);
		if (page)
			return 0;
		error = iopgt_handle_write_fault(table, iova, 0, &op);
		if (!error)
			error = iopgt_op_finish(&op);
	}
	return error;
}
