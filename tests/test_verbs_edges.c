/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where verbs meet the edge of something: the end of a table's memory, an entry that another
 * call is just replacing, an address that carries into bits of a descriptor which do not
 * stand in place, a batch that is full, a host that fails.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test_edges.h"
#include "test_raw.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (12 * block(f))

/* --- Behind the last entry --- */

#define GUARDS 256

static struct {
	uint64_t phys[GUARDS];
	unsigned count;
} guards;

/* No load or store may reach what lies behind the table that was allocated last, where pages
   of the host are small enough. */
static void add_guard(struct fixture *f)
{
	size_t bytes = (size_t)granule(f);
	void *memory;

	assert_true(guards.count < GUARDS);
	memory = pool_alloc(f->host.pool, bytes, true, &guards.phys[guards.count++]);
	assert_non_null(memory);
	if (bytes % (size_t)sysconf(_SC_PAGESIZE) == 0)
		assert_int_equal(mprotect(memory, bytes, PROT_NONE), 0);
}

static void guard_new_tables(struct fixture *f, enum host_call call, bool done)
{
	if (call == HOST_ALLOC && done)
		add_guard(f);
}

static void begin_guarding(struct fixture *f)
{
	guards.count = 0;
	add_guard(f);
	f->hook = guard_new_tables;
}

static void end_guarding(struct fixture *f)
{
	size_t bytes = (size_t)granule(f);

	f->hook = NULL;
	while (guards.count) {
		uint64_t phys = guards.phys[--guards.count];
		void *memory = pool_virt(f->host.pool, phys, bytes);

		if (bytes % (size_t)sysconf(_SC_PAGESIZE) == 0)
			assert_int_equal(mprotect(memory, bytes, PROT_READ | PROT_WRITE), 0);
		pool_free(f->host.pool, phys, bytes);
	}
}

/* Over what is mapped, then over all of the space; and in the end over holes. */
static void run_guarded(struct fixture *f, const struct verb *verb, uint64_t iova, uint64_t size)
{
	uint64_t word = 0;
	struct iopgt_bitmap bitmap = whole_bitmap(f, &word);
	struct iopgt_op op = new_op(f);
	struct call call = {f, iova, size, &bitmap, &op, 0};

	if (verb->run != do_map)
		map(f, iova, 0, size, RW);
	if (verb->run == do_merge || verb->run == do_merge_cold)
		split(f, iova, size);
	expect_code(IOPGT_OK, verb->run(&call), verb);
	finish(f, &op);
	call.iova = space_first(f);
	call.size = space_last(f) - space_first(f) + 1;
	if (verb->run != do_map)
		expect_code(IOPGT_OK, verb->run(&call), verb);
	finish(f, &op);
	unmap(f, iova, size);
	unmap(f, iova, size);
}

/* At the end of the space, and where one table of level 2 ends and another one begins. */
static void no_verb_looks_behind_a_table(struct fixture *f)
{
	const uint64_t pages = 40 * granule(f), more = block(f) + granule(f);
	const uint64_t end = space_last(f) + 1, middle = 2 * level_size(f, 1);
	const struct {
		uint64_t iova, size;
	} ranges[] = {
		{end - granule(f), granule(f)}, {end - pages, pages},      {end - more, more},
		{middle - pages, 2 * pages},    {middle - more, 2 * more},
	};

	begin_guarding(f);
	track(f, IOPGT_SPLIT_ADAPTIVE);
	for (size_t i = 0; i < COUNT(ranges) * COUNT(verbs); i++)
		run_guarded(f, &verbs[i % COUNT(verbs)], ranges[i / COUNT(verbs)].iova,
		            ranges[i / COUNT(verbs)].size);
	end_guarding(f);
}

/* --- The host --- */

/* One call for each table below the start table that the range has a part of. */
static void a_read_asks_once_where_each_table_is(struct fixture *f)
{
	struct raw raw = raw_of(f);
	struct iopgt_op op = new_op(f);
	uint64_t size = 3 * block(f), before;

	map(f, FIRST(f), PHYS(f) + granule(f), size, RW);
	page_bitmap(f, FIRST(f), size);
	before = host_calls(&f->host, HOST_PHYS_TO_VIRT);
	expect(IOPGT_OK, iopgt_sync_dirty_log(f->table, FIRST(f), size, &f->bitmap, &op));
	assert_int_equal(host_calls(&f->host, HOST_PHYS_TO_VIRT) - before,
	                 (uint64_t)(2 - raw.start) + 3);
}

/* Also where pages are looked at by their kept marks, too, and table by table. */
static void a_read_of_kept_marks_asks_once_where_each_table_is(struct fixture *f)
{
	struct raw raw = raw_of(f);
	struct iopgt_op op = new_op(f);
	uint64_t size = 3 * block(f), before;

	map(f, FIRST(f), PHYS(f) + granule(f), size, RW);
	protect(f, FIRST(f), granule(f), IOPGT_READ);
	page_bitmap(f, FIRST(f), size);
	before = host_calls(&f->host, HOST_PHYS_TO_VIRT);
	expect(IOPGT_OK, iopgt_sync_dirty_log(f->table, FIRST(f), size, &f->bitmap, &op));
	assert_int_equal(host_calls(&f->host, HOST_PHYS_TO_VIRT) - before,
	                 (uint64_t)(2 - raw.start) + 3);
	expect_only_bits(f, FIRST(f), size);
}

/* The same of an unmap, whose tables wait to be freed: none is asked for to be fetched ahead. */
static void an_unmap_asks_once_where_each_table_is(struct fixture *f)
{
	struct raw raw = raw_of(f);
	struct iopgt_op op = new_op(f);
	uint64_t size = 3 * block(f), before;

	map(f, FIRST(f), PHYS(f) + granule(f), size + granule(f), RW);
	before = host_calls(&f->host, HOST_PHYS_TO_VIRT);
	expect(IOPGT_OK, iopgt_unmap(f->table, FIRST(f), size, &op));
	assert_int_equal(host_calls(&f->host, HOST_PHYS_TO_VIRT) - before,
	                 (uint64_t)(2 - raw.start) + 3);
	finish(f, &op);
}

/* --- Beside a call that replaces a block --- */

/* What goes by tables, by age, or by numbers alone does not meet the block. */
static bool meets_blocks(const struct verb *verb)
{
	return verb->run != do_trim && verb->run != do_dump && verb->run != do_merge_cold &&
	       verb->run != do_tables_needed;
}

/* A second caller, in a thread of its own. */
static void *call_every_verb(void *argument)
{
	struct fixture *f = argument;
	struct iopgt_translation translation;

	expect(IOPGT_BUSY, iopgt_translate(f->table, FIRST(f), &translation));
	for (size_t i = 0; i < COUNT(verbs); i++) {
		uint64_t word = UINT64_MAX;
		struct iopgt_bitmap bitmap = whole_bitmap(f, &word);
		struct iopgt_op op = new_op(f);
		struct call call = {f, FIRST(f), block(f), &bitmap, &op, 0};

		if (!meets_blocks(&verbs[i]))
			continue;
		expect_code(IOPGT_BUSY, verbs[i].run(&call), &verbs[i]);
		call.size = block(f) / 2;
		expect_code(IOPGT_BUSY, verbs[i].run(&call), &verbs[i]);
		expect(IOPGT_OK, iopgt_op_finish(&op));
	}
	return NULL;
}

static void call_while_waiting(struct fixture *f, enum host_call call, bool done)
{
	unsigned *times = f->hook_context;
	pthread_t thread;

	if (call != HOST_SYNC || done || (*times)++)
		return;
	assert_int_equal(pthread_create(&thread, NULL, call_every_verb, f), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* Level 0: unmap splits the block that crosses the end of its range. */
static void what_is_being_replaced_is_busy(struct fixture *f)
{
	unsigned times = 0;

	track(f, IOPGT_SPLIT_ADAPTIVE);
	map(f, FIRST(f), PHYS(f), block(f), RW);
	write_page(f, FIRST(f));
	f->hook_context = &times;
	f->hook = call_while_waiting;
	unmap(f, FIRST(f), block(f) / 2);
	f->hook = NULL;
	assert_true(times > 0);
	expect_unmapped(f, FIRST(f), block(f) / 2);
	expect_mapped(f, FIRST(f) + block(f) / 2, PHYS(f) + block(f) / 2, block(f) / 2);
	take_dirty(f, FIRST(f), block(f));
	expect_only_bits(f, FIRST(f) + block(f) / 2, block(f) / 2);
}

/* --- Addresses whose highest bits do not stand in place --- */

/* 64 KiB: 51:48 stand in 15:12; with DS: 51:50 in 9:8 (Tables D8-50, D8-51). */
static uint64_t first_carry(const struct fixture *f)
{
	return BIT(f->config.granule_shift == 16 ? 48 : 50);
}

static void a_new_table_maps_addresses_that_carry(struct fixture *f)
{
	uint64_t low = 3 * granule(f), high = 5 * granule(f);

	map(f, FIRST(f) + granule(f), first_carry(f) - low, low + high, RW);
	expect_mapped(f, FIRST(f) + granule(f), first_carry(f) - low, low + high);
}

static void a_new_table_maps_blocks_whose_addresses_carry(struct fixture *f)
{
	uint64_t low = 2 * block(f), iova = level_size(f, 1) + block(f);

	map(f, iova, first_carry(f) - low, 5 * block(f), RW);
	for (uint64_t at = 0; at < 5 * block(f); at += block(f)) {
		expect_level(f, iova + at, 2);
		assert_true(leaf_at(f, iova + at).phys == first_carry(f) - low + at);
	}
}

/* --- Addresses outside of the space --- */

/* Addresses below, above and between, which differ from a mapped one in one bit or in all above. */
static void addresses_outside_of_the_space_map_nothing(struct fixture *f)
{
	const uint64_t iova = space_first(f) + FIRST(f);
	struct iopgt_translation translation;

	begin_guarding(f);
	map(f, iova, PHYS(f), 2 * granule(f), RW);
	for (unsigned bit = f->config.input_bits; bit < 64; bit++) {
		const uint64_t outside[] = {iova ^ BIT(bit), (iova & (BIT(bit) - 1)) | BIT(bit),
		                            bit == 63 ? iova ^ BIT(63) : BIT(bit) + BIT(bit + 1)};

		for (size_t i = 0; i < COUNT(outside); i++) {
			struct iopgt_mapping mapping =
				fixture_mapping(outside[i], PHYS(f), granule(f), RW);
			struct iopgt_op op = new_op(f);

			if (outside[i] >= space_first(f) && outside[i] <= space_last(f))
				continue;
			expect(IOPGT_BAD_RANGE,
			       iopgt_translate(f->table, outside[i], &translation));
			expect(IOPGT_BAD_RANGE, iopgt_map(f->table, &mapping, &op));
			expect(IOPGT_BAD_RANGE, iopgt_unmap(f->table, outside[i], granule(f), &op));
		}
	}
	expect(IOPGT_BAD_RANGE,
	       iopgt_translate(f->table, space_first(f) ? 0 : space_last(f) + 1, &translation));
	unmap(f, iova, 2 * granule(f));
	end_guarding(f);
}

/* --- Splits in batches --- */

/* The next block is the first that was not split, though a batch was full before. */
static void a_budget_ends_behind_what_was_split(struct fixture *f)
{
	uint64_t size = 100 * block(f), entries = block(f) / granule(f);
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), 0, size, RW);
	op.budget = 150 * entries;
	expect(IOPGT_AGAIN, iopgt_split_block(f->table, FIRST(f), size, &op));
	assert_true(op.stats.split > 64 && op.stats.split < 100);
	assert_int_equal(op.next, FIRST(f) + op.stats.split * block(f));
	finish(f, &op);
	expect_level(f, op.next - granule(f), 3);
	expect_level(f, op.next, 2);
}

/* Blocks that are split as they are cleaned: a batch that fails ends the call, and is said. */
static void a_batch_that_fails_is_said(struct fixture *f)
{
	uint64_t size = 70 * block(f);
	struct iopgt_op op = new_op(f);

	track(f, IOPGT_SPLIT_ADAPTIVE);
	map(f, FIRST(f), 0, size, RW);
	for (uint64_t at = 0; at < size; at += block(f))
		write_page(f, FIRST(f) + at);
	page_bitmap(f, FIRST(f), size);
	host_fail(&f->host, HOST_SYNC, 1, false);
	expect(HOST_ERROR, iopgt_read_and_clear_dirty(f->table, FIRST(f), size, &f->bitmap, &op));
	host_fail_nothing(&f->host);
	expect(IOPGT_OK, iopgt_read_and_clear_dirty(f->table, FIRST(f), size, &f->bitmap, &op));
	finish(f, &op);
	for (uint64_t at = 0; at < size; at += block(f))
		assert_true(bit_at(f, FIRST(f) + at));
}

/* The same of tables that become blocks. */
static void a_merge_says_that_a_batch_failed(struct fixture *f)
{
	uint64_t size = 70 * block(f);
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), 0, size, RW);
	split(f, FIRST(f), size);
	host_fail(&f->host, HOST_SYNC, 1, false);
	expect(HOST_ERROR, iopgt_merge_page(f->table, FIRST(f), size, &op));
	host_fail_nothing(&f->host);
	expect(IOPGT_OK, iopgt_merge_page(f->table, FIRST(f), size, &op));
	finish(f, &op);
	expect_level(f, FIRST(f), 2);
	expect_mapped(f, FIRST(f), 0, block(f));
}

/* --- Blocks in a row --- */

/* Those that a range holds wholly are cleaned, the ones that cross its ends stay dirty. */
static void blocks_across_the_ends_stay_dirty(struct fixture *f)
{
	uint64_t first = FIRST(f) + granule(f), size = 5 * block(f);

	map(f, FIRST(f), 0, 6 * block(f), RW);
	take_dirty(f, first, size);
	expect_only_bits(f, first, size);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(state_at(f, FIRST(f) + i * block(f)),
		                 i == 0 || i == 5 ? IOPGT_LEAF_DIRTY : IOPGT_LEAF_CLEAN);
}

/* Also where groups are looked for: nobody wrote to it. */
static void a_clean_block_is_not_split(struct fixture *f)
{
	track(f, IOPGT_SPLIT_ADAPTIVE);
	map(f, FIRST(f), PHYS(f) + block(f), 2 * block(f), RW);
	write_page(f, FIRST(f) + block(f));
	take_dirty(f, FIRST(f), 3 * block(f) / 2);
	expect_leaf_size(f, FIRST(f), block(f));
	expect_leaf_size(f, FIRST(f) + block(f), block(f));
	assert_int_equal(state_at(f, FIRST(f) + block(f)), IOPGT_LEAF_DIRTY);
}

/* --- Readers --- */

/* Of a tree that starts at the last level, or whose levels all have groups. */
static void a_reader_finds_groups(struct fixture *f)
{
	const struct iopgt_tree tree = {.root_phys = f->table->root_phys};
	struct iopgt_config config = f->config;
	struct iopgt_translation translation;
	struct iopgt_op op = new_op(f);
	struct iopgt_table reader;
	uint64_t size = group_size(f, 3);

	config.leaf_sizes = 0;
	map(f, size, size, size, RW | IOPGT_CLEAN);
	expect_leaf_size(f, size, size);
	write_page(f, size + 3 * granule(f));
	expect(IOPGT_OK, iopgt_open(&reader, &config, &f->hal, &f->host, &tree));
	expect(IOPGT_OK, iopgt_translate(&reader, size + granule(f), &translation));
	assert_int_equal(translation.leaf_iova, size);
	assert_int_equal(translation.leaf_size, size);
	page_bitmap(f, 0, 4 * size);
	expect(IOPGT_OK, iopgt_sync_dirty_log(&reader, 0, 4 * size, &f->bitmap, &op));
	expect_only_bits(f, size, size);
	expect(IOPGT_OK, iopgt_fini(&reader));
}

/* --- What is counted, what is passed up --- */

static void holes_of_all_sizes_are_counted(struct fixture *f)
{
	uint64_t granules = block(f) / granule(f);
	struct iopgt_stats stats;

	map(f, FIRST(f), PHYS(f), granule(f), RW);
	map(f, FIRST(f) + 2 * block(f), PHYS(f) + 2 * block(f), block(f), RW);
	stats = protect(f, FIRST(f), 4 * block(f) - granule(f), IOPGT_READ);
	assert_int_equal(stats.holes, (granules - 1) + granules + (granules - 1));
	stats = unmap(f, FIRST(f), 4 * block(f) - granule(f));
	assert_int_equal(stats.holes, (granules - 1) + granules + (granules - 1));
	assert_int_equal(stats.unmapped, granules + 1);
}

/* What the op removed there has to be out of all caches first. */
static void map_says_that_it_could_not_complete_an_unmap(struct fixture *f)
{
	struct iopgt_mapping mapping =
		fixture_mapping(FIRST(f), PHYS(f) + block(f), granule(f), RW);
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), PHYS(f), 2 * granule(f), RW);
	expect(IOPGT_OK, iopgt_unmap(f->table, FIRST(f), granule(f), &op));
	host_fail(&f->host, HOST_SYNC, 1, false);
	expect(HOST_ERROR, iopgt_map(f->table, &mapping, &op));
	host_fail_nothing(&f->host);
	finish(f, &op);
	expect_unmapped(f, FIRST(f), granule(f));
}

/* Also as map takes back what it had mapped, whatever it failed with first. */
static void map_says_that_it_could_not_reach_a_table(struct fixture *f)
{
	uint64_t size = 3 * block(f), last = FIRST(f) + size - granule(f), injected = 1;
	struct iopgt_mapping mapping = fixture_mapping(FIRST(f), PHYS(f) + granule(f), size, RW);

	map(f, last, PHYS(f), granule(f), RW);
	for (uint64_t nth = 1; injected; nth++) {
		uint64_t before = host_injected(&f->host);
		struct iopgt_op op = new_op(f);
		int error;

		host_fail(&f->host, HOST_PHYS_TO_VIRT, nth, false);
		error = iopgt_map(f->table, &mapping, &op);
		injected = host_injected(&f->host) - before;
		host_fail_nothing(&f->host);
		expect(injected ? IOPGT_BAD_TABLE : IOPGT_EXISTS, error);
		finish(f, &op);
		unmap(f, FIRST(f), size - granule(f));
	}
	expect_mapped(f, last, PHYS(f), granule(f));
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(FIXTURE_GRANULES, no_verb_looks_behind_a_table, .domain = true,
	                  .host.hal_flags = IOPGT_HAL_LINEAR),
		TEST(FIXTURE_GRANULES, a_read_asks_once_where_each_table_is),
		TEST(FIXTURE_GRANULES, a_read_of_kept_marks_asks_once_where_each_table_is),
		TEST(FIXTURE_GRANULES, an_unmap_asks_once_where_each_table_is),
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_STAGES, what_is_being_replaced_is_busy,
	                  .domain = true, .level = FIXTURE_LEVEL_0,
	                  .host.hal_flags = IOPGT_HAL_DEFERS_FREE),
		TEST_WITH(0, addresses_outside_of_the_space_map_nothing,
	                  .host.hal_flags = IOPGT_HAL_LINEAR),
		TEST_WITH(0, addresses_outside_of_the_space_map_nothing,
	                  .host.hal_flags = IOPGT_HAL_LINEAR, .input_bits = 39),
		TEST_WITH(0, addresses_outside_of_the_space_map_nothing,
	                  .host.hal_flags = IOPGT_HAL_LINEAR, .config_flags = IOPGT_CONFIG_TTBR1),
		TEST_WITH(0, addresses_outside_of_the_space_map_nothing,
	                  .host.hal_flags = IOPGT_HAL_LINEAR, .config_flags = IOPGT_CONFIG_TTBR1,
	                  .input_bits = 39),
		TEST(FIXTURE_LEVELS, a_budget_ends_behind_what_was_split),
		TEST_WITH(FIXTURE_LEVELS, a_batch_that_fails_is_said, .domain = true),
		TEST(FIXTURE_LEVELS, a_merge_says_that_a_batch_failed),
		TEST(FIXTURE_GRANULES | FIXTURE_STAGES, blocks_across_the_ends_stay_dirty),
		TEST_WITH(FIXTURE_GRANULES, a_clean_block_is_not_split, .domain = true),
		TEST_WITH(FIXTURE_GRANULES, a_clean_block_is_not_split, .domain = true,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
		TEST_WITH(0, a_reader_finds_groups, .leaf_sizes = FIXTURE_ALL_LEAF_SIZES,
	                  .input_bits = 20, .config_flags = IOPGT_CONFIG_SMALL_TABLES),
		TEST_WITH(0, a_reader_finds_groups, .leaf_sizes = FIXTURE_ALL_LEAF_SIZES,
	                  .input_bits = 39),
		TEST_WITH(0, a_reader_finds_groups, .leaf_sizes = FIXTURE_ALL_LEAF_SIZES,
	                  .granule_shift = 14, .input_bits = 24,
	                  .config_flags = IOPGT_CONFIG_SMALL_TABLES),
		TEST_WITH(0, a_reader_finds_groups, .leaf_sizes = FIXTURE_ALL_LEAF_SIZES,
	                  .granule_shift = 16, .input_bits = 28),
		TEST(FIXTURE_GRANULES, holes_of_all_sizes_are_counted),
		TEST(FIXTURE_GRANULES, map_says_that_it_could_not_reach_a_table),
		TEST(FIXTURE_GRANULES, map_says_that_it_could_not_complete_an_unmap),
		TEST_WITH(0, a_new_table_maps_addresses_that_carry, .granule_shift = 12,
	                  .output_bits = 52, .config_flags = IOPGT_CONFIG_LPA2),
		TEST_WITH(0, a_new_table_maps_addresses_that_carry, .granule_shift = 14,
	                  .output_bits = 52, .config_flags = IOPGT_CONFIG_LPA2),
		TEST_WITH(0, a_new_table_maps_addresses_that_carry, .granule_shift = 16,
	                  .output_bits = 52),
		TEST_WITH(0, a_new_table_maps_blocks_whose_addresses_carry, .granule_shift = 12,
	                  .output_bits = 52, .config_flags = IOPGT_CONFIG_LPA2),
		TEST_WITH(0, a_new_table_maps_blocks_whose_addresses_carry, .granule_shift = 14,
	                  .output_bits = 52, .config_flags = IOPGT_CONFIG_LPA2),
		TEST_WITH(0, a_new_table_maps_blocks_whose_addresses_carry, .granule_shift = 16,
	                  .output_bits = 52),
	};

	return FIXTURE_RUN(tests);
}
