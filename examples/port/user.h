/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port for user space: a VMM whose emulated devices do DMA through a table.
 *
 * Table memory comes from malloc, and physical addresses are virtual ones. The walker is this
 * program itself: it caches translations as an IOMMU does, and marks pages by the library's
 * fault handler (IOPGT_DIRTY_SOFTWARE).
 */
#ifndef PORT_USER_H
#define PORT_USER_H

#include <iopgt/iopgt.h>
#include <pthread.h>

#define USER_CACHED 64

/* A cached translation of one page that may be written. */
struct user_entry {
	uint64_t iova; /* of the page; no page has USER_NOTHING */
	unsigned char *page;
};

#define USER_NOTHING UINT64_MAX

/* The `context` of the table's HAL. */
struct user_port {
	pthread_mutex_t lock; /* held while a device accesses memory */
	struct user_entry cache[USER_CACHED];
};

extern const struct iopgt_hal user_hal;

/* What user_hal is good for: 4 KiB pages, stage 2, 48 bits. */
extern const struct iopgt_config user_config;

int user_init(struct user_port *port);
void user_fini(struct user_port *port);

/*
 * A device writes one byte. Any thread may call this, beside any verb on the table but
 * unmap, split and merge of this address (fault.h).
 *
 * Return: IOPGT_OK; IOPGT_FAULT: not mapped, or read-only; any other error of the library.
 */
int user_device_write(struct user_port *port, struct iopgt_table *table, uint64_t iova,
                      unsigned char byte);

#endif
