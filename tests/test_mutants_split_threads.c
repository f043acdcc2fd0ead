/* SPDX-License-Identifier: BSD-2-Clause */
/* Two threads whose scans split blocks, as many as both together may. */
#include "test_mutants_threads.h"

/* Dirty blocks, of which so many may be split. */
static struct pair *new_adaptive_pair(uint32_t splits)
{
	const struct iopgt_config config = config_of(2, GRANULE | BLOCK);
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_ADAPTIVE, .max_splits = splits};
	struct pair *pair = new_host();
	struct iopgt_op op = {.flags = IOPGT_OP_START_DIRTY};

	assert_int_equal(iopgt_domain_init(&pair->domain, &config, &pair->hal, pair, 0), IOPGT_OK);
	pair->walker = (struct iopgt_walker){
		.flags = IOPGT_WALKER_DIRTY | IOPGT_WALKER_COHERENT | IOPGT_WALKER_ACCESSED,
		.bbm_level = 2,
		.input_bits = 48,
		.output_bits = 48,
		.tlb = &pair->hal.tlb,
		.context = pair,
	};
	assert_int_equal(iopgt_domain_attach(&pair->domain, &pair->walker), IOPGT_OK);
	assert_int_equal(map_pages(pair, FIRST, 2 * ROUNDS * BLOCK, IOPGT_READ | IOPGT_WRITE),
	                 IOPGT_OK);
	assert_int_equal(iopgt_set_dirty_tracking(&pair->domain, true, &how, &op), IOPGT_OK);
	assert_int_equal(iopgt_op_finish(&op), IOPGT_OK);
	/* Splits are counted from here on. */
	assert_int_equal(iopgt_merge_cold(&pair->domain, 0, GRANULE, &op), IOPGT_OK);
	return pair;
}

static void take_blocks(struct pair *pair, unsigned first)
{
	for (unsigned round = first; round < 2 * ROUNDS; round += 2) {
		uint64_t words[BLOCK / GRANULE / 64] = {0};
		const struct iopgt_bitmap bitmap = {words, block_of(pair, round), BLOCK / GRANULE,
		                                    12};
		struct iopgt_op op = {0};
		int error = iopgt_read_and_clear_dirty(pair->table, block_of(pair, round), BLOCK,
		                                       &bitmap, &op);

		if (!error)
			error = iopgt_op_finish(&op);
		atomic_fetch_add_explicit(&pair->errors, error || words[0] != UINT64_MAX,
		                          memory_order_relaxed);
		atomic_fetch_add_explicit(&pair->linked, (unsigned)op.stats.split,
		                          memory_order_relaxed);
	}
}

static void *take_odd_blocks(void *argument)
{
	take_blocks(argument, 1);
	return NULL;
}

static void no_more_blocks_are_split_than_may_be(void **state)
{
	struct pair *pair = new_adaptive_pair(ROUNDS);
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, take_odd_blocks, pair), 0);
	take_blocks(pair, 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(atomic_load(&pair->errors), 0);
	assert_int_equal(atomic_load(&pair->linked), ROUNDS);
	assert_int_equal(iopgt_domain_detach(&pair->domain, &pair->walker), IOPGT_OK);
	free_pair(pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_more_blocks_are_split_than_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
