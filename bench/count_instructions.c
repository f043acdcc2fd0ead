/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What callgrind counts: map, sync, read and clear, unmap of 64 MiB of 4 KiB
 * pages, in a table that has nothing but pages of them (scripts/bench --count).
 */
#include <iopgt/iopgt.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGES 16384
#define BYTES (UINT64_C(4096) * PAGES)
#define IOVA  UINT64_C(0x40000000)
#define PHYS  UINT64_C(0x80001000) /* no block fits */

static void *alloc_table(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys)
{
	void *memory = aligned_alloc(bytes, bytes);

	(void)context;
	if (memory && (flags & IOPGT_ALLOC_ZERO)) {
		for (uint32_t i = 0; i < bytes / 8; i++)
			((uint64_t *)memory)[i] = 0;
	}
	*phys = (uintptr_t)memory;
	return memory;
}

static void free_table(void *context, void *table, uint64_t phys, uint32_t bytes)
{
	(void)context;
	(void)phys;
	(void)bytes;
	free(table);
}

static int invalidate_range(void *context, const struct iopgt_invalidation *request)
{
	(void)context;
	(void)request;
	return 0;
}

static int nothing(void *context)
{
	(void)context;
	return 0;
}

static void expect(int error, const char *what)
{
	if (!error)
		return;
	fprintf(stderr, "count_instructions: %s: %s\n", what, iopgt_strerror(error));
	exit(1);
}

int main(void)
{
	static const struct iopgt_hal hal = {
		.flags = IOPGT_HAL_LINEAR,
		.alloc_table = alloc_table,
		.free_table = free_table,
		.tlb = {.invalidate_range = invalidate_range,
	                .invalidate_all = nothing,
	                .sync = nothing},
	};
	static const struct iopgt_config config = {.regime = IOPGT_STAGE1_EL1,
	                                           .granule_shift = 12,
	                                           .input_bits = 48,
	                                           .output_bits = 48,
	                                           .bbm_level = 2,
	                                           .dirty = IOPGT_DIRTY_HARDWARE};
	static const struct iopgt_mapping mapping = {.iova = IOVA,
	                                             .phys = PHYS,
	                                             .size = BYTES,
	                                             .prot = IOPGT_READ | IOPGT_WRITE,
	                                             .memory = IOPGT_WRITE_BACK};
	static uint64_t words[PAGES / 64];
	const struct iopgt_bitmap bitmap = {
		.words = words, .base = IOVA, .bits = PAGES, .page_shift = 12};
	struct iopgt_table table;
	struct iopgt_op op = {0};

	expect(iopgt_init(&table, &config, &hal, NULL), "init");
	expect(iopgt_map(&table, &mapping, &op), "map");
	/* All of it is dirty, then none. */
	expect(iopgt_read_and_clear_dirty(&table, IOVA, BYTES, &bitmap, &op), "read and clear");
	expect(iopgt_sync_dirty_log(&table, IOVA, BYTES, &bitmap, &op), "sync");
	expect(iopgt_op_finish(&op), "finish");
	expect(iopgt_unmap(&table, IOVA, BYTES, &op), "unmap");
	expect(iopgt_op_finish(&op), "finish");
	expect(iopgt_fini(&table), "fini");
	return 0;
}
