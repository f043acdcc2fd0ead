/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One thread links tables, another one goes into them as soon as it sees them, and
 * nothing else orders the two: the host takes no lock, and writes new table memory by
 * plain stores. With a missing order ThreadSanitizer sees the first read of a table
 * race with these. Without it, this shows that the calls work beside each other.
 */
#include "test_mutants_threads.h"

/* --- The second thread's calls, on pages 16 to 31 of the block --- */

#define OTHERS (16 * GRANULE)

static int map_beside(struct pair *pair, uint64_t iova)
{
	return map_pages(pair, iova + OTHERS, OTHERS, IOPGT_READ);
}

static int unmap_beside(struct pair *pair, uint64_t iova)
{
	struct iopgt_op op = new_op();

	iopgt_unmap(pair->table, iova + OTHERS, OTHERS, &op);
	return iopgt_op_finish(&op);
}

static int protect_beside(struct pair *pair, uint64_t iova)
{
	struct iopgt_op op = new_op();

	iopgt_protect(pair->table, iova + OTHERS, OTHERS, IOPGT_READ, &op);
	return iopgt_op_finish(&op);
}

static int merge_beside(struct pair *pair, uint64_t iova)
{
	struct iopgt_op op = new_op();

	iopgt_merge_page(pair->table, iova + OTHERS, OTHERS, &op);
	return iopgt_op_finish(&op);
}

/* Of the next block, too: not the plain case, which looks at the same entries before. */
static int unmap_more(struct pair *pair, uint64_t iova)
{
	struct iopgt_op op = new_op();

	iopgt_unmap(pair->table, iova + OTHERS, BLOCK, &op);
	return iopgt_op_finish(&op);
}

/* The next block: below the table above alone. */
static int merge_next(struct pair *pair, uint64_t iova)
{
	struct iopgt_op op = new_op();

	iopgt_merge_page(pair->table, iova + BLOCK, BLOCK, &op);
	return iopgt_op_finish(&op);
}

static int trim_beside(struct pair *pair, uint64_t iova)
{
	struct iopgt_op op = new_op();

	iopgt_trim(pair->table, iova + OTHERS, OTHERS, &op);
	return iopgt_op_finish(&op);
}

static int read_pages(struct pair *pair, uint64_t iova, uint64_t size)
{
	uint64_t word = 0;
	const struct iopgt_bitmap bitmap = {&word, iova, 64, 12};
	struct iopgt_op op = new_op();
	int error = iopgt_sync_dirty_log(pair->table, iova, size, &bitmap, &op);

	return error ? error : iopgt_op_finish(&op);
}

static int read_dirty(struct pair *pair, uint64_t iova)
{
	return read_pages(pair, iova + OTHERS, OTHERS);
}

/* Also what the first thread is just mapping: 64 pages are looked at together. */
static int read_dirty_where_it_maps(struct pair *pair, uint64_t iova)
{
	return read_pages(pair, iova, 64 * GRANULE);
}

/* Whole tables in a row, of which the first one is there, or was linked in the round before. */
static int read_whole_tables(struct pair *pair, uint64_t iova)
{
	uint64_t words[2 * BLOCK / GRANULE / 64] = {0};
	const struct iopgt_bitmap bitmap = {words, iova - BLOCK, 2 * BLOCK / GRANULE, 12};
	struct iopgt_op op = new_op();
	int error = iopgt_sync_dirty_log(pair->table, iova - BLOCK, 2 * BLOCK, &bitmap, &op);

	return error ? error : iopgt_op_finish(&op);
}

/* From the table of the round before, behind which the scan looks for the next one. */
static int read_from_the_one_before(struct pair *pair, uint64_t iova)
{
	uint64_t first = iova < pair->stride ? 0 : iova - pair->stride;
	uint64_t size = iova + BLOCK - first, words[BLOCK / GRANULE / 64 + 1] = {0};
	const struct iopgt_bitmap bitmap = {words, first, size / BLOCK, 21};
	struct iopgt_op op = new_op();
	int error = iopgt_sync_dirty_log(pair->table, first, size, &bitmap, &op);

	return error ? error : iopgt_op_finish(&op);
}

/* Tables of its own: both threads count theirs. */
static int map_elsewhere(struct pair *pair, uint64_t iova)
{
	return map_pages(pair, iova + ROUNDS * BLOCK, GRANULE, IOPGT_READ);
}

static int count_tables(struct pair *pair, uint64_t iova)
{
	struct iopgt_table_usage usage;

	(void)iova;
	return iopgt_table_stats(pair->table, &usage);
}

/* The table has a note of such calls. */
static int take_accessed(struct pair *pair, uint64_t iova, uint64_t size)
{
	uint64_t word = 0;
	const struct iopgt_bitmap bitmap = {&word, iova, 64, 12};
	struct iopgt_op op = new_op();
	int error = iopgt_read_and_clear_accessed(pair->table, iova, size, &bitmap, &op);

	return error ? error : iopgt_op_finish(&op);
}

static int take_accessed_beside(struct pair *pair, uint64_t iova)
{
	return take_accessed(pair, iova + OTHERS, OTHERS);
}

static int translate(struct pair *pair, uint64_t iova)
{
	struct iopgt_translation translation;
	int error = iopgt_translate(pair->table, iova + OTHERS, &translation);

	return error == IOPGT_NOT_MAPPED ? IOPGT_OK : error;
}

static int access_fault(struct pair *pair, uint64_t iova)
{
	int error = iopgt_handle_access_fault(pair->table, iova + OTHERS);

	return error == IOPGT_FAULT ? IOPGT_OK : error;
}

static int ignore_run(void *context, const struct iopgt_mapping *run)
{
	(void)context;
	(void)run;
	return 0;
}

static int visit(struct pair *pair, uint64_t iova)
{
	const struct iopgt_mapping_visitor visitor = {.visit = ignore_run};
	struct iopgt_op op = new_op();

	return iopgt_for_each_mapping(pair->table, iova + OTHERS, OTHERS, &visitor, &op);
}

static void ignore_line(void *context, const char *text)
{
	(void)context;
	(void)text;
}

static int dump(struct pair *pair, uint64_t iova)
{
	const struct iopgt_writer writer = {.line = ignore_line};
	struct iopgt_op op = new_op();

	return iopgt_dump(pair->table, iova + OTHERS, OTHERS, &writer, &op);
}

/* --- Two threads --- */

/* Makes the table of each round's block. */
static void *link_tables(void *argument)
{
	struct pair *pair = argument;

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t iova = block_of(pair, round);
		struct iopgt_op op = new_op();
		int error;

		if (pair->splits)
			error = iopgt_split_block(pair->table, iova, BLOCK, &op);
		else
			error = map_pages(pair, iova, GRANULE, IOPGT_READ);
		if (!error && pair->notes)
			error = take_accessed(pair, iova, GRANULE);
		atomic_fetch_add_explicit(&pair->errors, error != IOPGT_OK, memory_order_relaxed);
		atomic_store_explicit(&pair->linked, round + 1, memory_order_relaxed);
		if (!pair->splits && map_pages(pair, iova + GRANULE, GRANULE, IOPGT_READ))
			atomic_fetch_add_explicit(&pair->errors, 1, memory_order_relaxed);
	}
	return NULL;
}

static void call_beside(struct pair *pair)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		while (atomic_load_explicit(&pair->linked, memory_order_relaxed) <= round) {
		}
		atomic_fetch_add_explicit(&pair->errors,
		                          pair->beside(pair, block_of(pair, round)) != IOPGT_OK,
		                          memory_order_relaxed);
	}
}

/* A table alone. */
static struct pair *new_pair(uint8_t bbm_level, uint64_t leaf_sizes)
{
	const struct iopgt_config config = config_of(bbm_level, leaf_sizes);
	struct pair *pair = new_host();

	assert_int_equal(iopgt_init(pair->table, &config, &pair->hal, pair), IOPGT_OK);
	return pair;
}

static void run(struct pair *pair, int (*beside)(struct pair *pair, uint64_t iova))
{
	struct iopgt_finding finding;
	pthread_t thread;

	pair->beside = beside;
	/* The tables above are there from the beginning: each round makes one. */
	assert_int_equal(map_pages(pair, FIRST - BLOCK, GRANULE, IOPGT_READ), IOPGT_OK);
	assert_int_equal(pthread_create(&thread, NULL, link_tables, pair), 0);
	call_beside(pair);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(atomic_load(&pair->errors), 0);
	assert_int_equal(iopgt_check(pair->table, &finding), IOPGT_OK);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct iopgt_translation t;

		assert_int_equal(iopgt_translate(pair->table, block_of(pair, round), &t), IOPGT_OK);
		assert_int_equal(t.leaf_size, GRANULE);
	}
	free_pair(pair);
}

/* --- Tests --- */

static int (*const calls[])(struct pair *pair, uint64_t iova) = {
	map_beside,  unmap_beside,      protect_beside, merge_beside,
	trim_beside, map_elsewhere,     count_tables,   read_dirty_where_it_maps,
	read_dirty,  translate,         access_fault,   visit,
	dump,        read_whole_tables,
};

#define CALLS (sizeof(calls) / sizeof(calls[0]))

static void tables_that_map_links_are_complete(void **state)
{
	(void)state;
	for (size_t i = 0; i < CALLS; i++)
		run(new_pair(2, GRANULE | BLOCK), calls[i]);
}

/* The walks that ask the host are others. */
static void those_who_ask_where_tables_are_see_complete_tables(void **state)
{
	const struct iopgt_config config = config_of(2, GRANULE | BLOCK);

	(void)state;
	for (size_t i = 0; i < CALLS; i++) {
		struct pair *pair = new_host();

		pair->hal.flags = 0;
		assert_int_equal(iopgt_init(pair->table, &config, &pair->hal, pair), IOPGT_OK);
		run(pair, calls[i]);
	}
}

/* In each round two tables, one below the other. */
static void tables_that_link_tables_are_complete(void **state)
{
	static int (*const above[])(struct pair * pair, uint64_t iova) = {
		map_beside, unmap_more, protect_beside,          merge_next,
		read_dirty, translate,  read_from_the_one_before};

	(void)state;
	for (size_t i = 0; i < sizeof(above) / sizeof(above[0]); i++) {
		struct pair *pair = new_pair(2, GRANULE | BLOCK);

		pair->stride = BLOCK << 9;
		run(pair, above[i]);
	}
}

static void notes_are_made_by_both(void **state)
{
	struct pair *pair = new_pair(2, GRANULE | BLOCK);

	(void)state;
	pair->notes = true;
	run(pair, take_accessed_beside);
}

static void those_who_look_for_groups_see_complete_tables(void **state)
{
	(void)state;
	for (size_t i = 0; i < CALLS; i++)
		run(new_pair(2, GRANULE | 16 * GRANULE | BLOCK), calls[i]);
}

static void split_blocks_beside(uint8_t bbm_level)
{
	for (size_t i = 0; i < CALLS; i++) {
		struct pair *pair = new_pair(bbm_level, GRANULE | BLOCK);

		/* Merging is not for those that one splits. */
		if (calls[i] == map_beside || calls[i] == merge_beside) {
			free_pair(pair);
			continue;
		}
		pair->splits = true;
		assert_int_equal(map_pages(pair, FIRST, ROUNDS * BLOCK, IOPGT_READ | IOPGT_WRITE),
		                 IOPGT_OK);
		run(pair, calls[i]);
	}
}

static void tables_that_replace_blocks_are_complete(void **state)
{
	(void)state;
	split_blocks_beside(2);
	split_blocks_beside(1);
}

static void tables_that_replace_broken_blocks_are_complete(void **state)
{
	(void)state;
	split_blocks_beside(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_that_map_links_are_complete),
		cmocka_unit_test(those_who_ask_where_tables_are_see_complete_tables),
		cmocka_unit_test(tables_that_link_tables_are_complete),
		cmocka_unit_test(notes_are_made_by_both),
		cmocka_unit_test(those_who_look_for_groups_see_complete_tables),
		cmocka_unit_test(tables_that_replace_blocks_are_complete),
		cmocka_unit_test(tables_that_replace_broken_blocks_are_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
