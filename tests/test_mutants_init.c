/* SPDX-License-Identifier: BSD-2-Clause */
/* The start table of a new table: whoever is told its address finds it empty. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <iopgt/iopgt.h>

#define GRANULE 4096

struct host {
	struct iopgt_hal hal;
	void *start;
	bool published; /* since the start table was written */
};

static void *alloc_table(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys)
{
	struct host *host = context;

	assert_null(host->start);
	host->start = aligned_alloc(GRANULE, bytes < GRANULE ? GRANULE : bytes);
	assert_non_null(host->start);
	memset(host->start, flags & IOPGT_ALLOC_ZERO ? 0 : 0x54, bytes);
	host->published = false;
	*phys = 0x10000;
	return host->start;
}

static void free_table(void *context, void *table, uint64_t phys, uint32_t bytes)
{
	(void)context;
	(void)phys;
	(void)bytes;
	free(table);
}

static void *phys_to_virt(void *context, uint64_t phys, uint32_t bytes)
{
	struct host *host = context;

	(void)bytes;
	return phys == 0x10000 ? host->start : NULL;
}

static void publish(void *context)
{
	struct host *host = context;

	host->published = true;
}

static int invalidate_range(void *context, const struct iopgt_invalidation *request)
{
	(void)context;
	(void)request;
	return IOPGT_OK;
}

static int succeed(void *context)
{
	(void)context;
	return IOPGT_OK;
}

/* Walkers that are given registers after that see no older content. */
static void the_start_table_is_published(void **state)
{
	const struct iopgt_config config = {.regime = IOPGT_STAGE1_EL1,
	                                    .granule_shift = 12,
	                                    .input_bits = 48,
	                                    .output_bits = 48,
	                                    .bbm_level = 2,
	                                    .dirty = IOPGT_DIRTY_HARDWARE};
	struct host host = {.hal = {.alloc_table = alloc_table,
	                            .free_table = free_table,
	                            .phys_to_virt = phys_to_virt,
	                            .publish = publish,
	                            .tlb = {.invalidate_range = invalidate_range,
	                                    .invalidate_all = succeed,
	                                    .sync = succeed}}};
	struct iopgt_table table;

	(void)state;
	assert_int_equal(iopgt_init(&table, &config, &host.hal, &host), IOPGT_OK);
	assert_true(host.published);
	assert_int_equal(iopgt_fini(&table), IOPGT_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_start_table_is_published),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
