/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_open of trees that the library built: reading them, and owning them. */
#include "test_open.h"

#define FIRST(f) (16 * block(f))
#define PHYS(f)  (64 * block(f))
#define SIZE(f)  (4 * block(f))
#define CLEAN    IOPGT_CLEAN

/* Blocks, pages, holes, all states, written and kept marks, software bits; groups if any. */
static void build(struct fixture *f)
{
	uint64_t at = FIRST(f) + 2 * block(f), g = granule(f);
	struct iopgt_mapping marked = fixture_mapping(at + 15 * g, PHYS(f), g, RW);

	map(f, FIRST(f), PHYS(f), block(f), RW | CLEAN);
	map(f, FIRST(f) + block(f), PHYS(f) + block(f), block(f), RW);
	map(f, at, PHYS(f) + 3 * g, 8 * g, RW | CLEAN);
	map(f, at + 8 * g, PHYS(f), g, IOPGT_READ);
	map(f, at + 9 * g, PHYS(f), g, RW | IOPGT_NO_TRACK);
	map(f, at + 10 * g, PHYS(f) + 21 * g, 4 * g, RW);
	marked.memory = IOPGT_DEVICE_GRE;
	marked.attributes = IOPGT_SOFTWARE_0 | IOPGT_SOFTWARE_1;
	fixture_map(f, &marked);
	if (f->config.leaf_sizes)
		map(f, at + group_size(f, 3), PHYS(f) + group_size(f, 3), group_size(f, 3),
		    RW | CLEAN);
	write_page(f, at + 2 * g);
	protect(f, at + 10 * g, 2 * g, IOPGT_READ); /* written before: kept marks */
	map(f, level_size(f, 1) * 3, PHYS(f), g, RW);
}

static void open_reading(struct fixture *f, struct iopgt_table *table, const struct iopgt_hal *hal)
{
	const struct iopgt_tree tree = {.root_phys = f->table->root_phys};

	expect(IOPGT_OK, open_tree(table, &f->config, hal, &f->host, &tree));
}

/* --- Reading --- */

static void expect_same_translation(struct fixture *f, struct iopgt_table *other, uint64_t iova)
{
	struct iopgt_translation one = {0}, two = {0};
	int error = iopgt_translate(f->table, iova, &one);

	expect(error, iopgt_translate(other, iova, &two));
	assert_memory_equal(&one, &two, sizeof(one));
	expect(error == IOPGT_OK ? IOPGT_OK : IOPGT_FAULT,
	       iopgt_handle_translation_fault(other, iova));
}

static void a_reader_translates_the_same(struct fixture *f)
{
	struct iopgt_table other;

	build(f);
	open_reading(f, &other, the_reading_hal());
	for (uint64_t at = 0; at < SIZE(f); at += granule(f))
		expect_same_translation(f, &other, FIRST(f) + at + 7);
	expect_same_translation(f, &other, 3 * level_size(f, 1));
	expect_same_translation(f, &other, 0);
	expect(IOPGT_BAD_RANGE,
	       iopgt_translate(&other, RAW_SPACE(48), &(struct iopgt_translation){0}));
	expect(IOPGT_OK, iopgt_fini(&other));
}

struct lines {
	uint64_t hash, count;
};

static void hash_line(void *context, const char *text)
{
	struct lines *lines = context;

	lines->count++;
	for (; *text; text++)
		lines->hash = (lines->hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
}

static int hash_run(void *context, const struct iopgt_mapping *run)
{
	const uint64_t fields[] = {run->iova, run->phys,   run->size,
	                           run->prot, run->memory, run->attributes};
	struct lines *lines = context;

	lines->count++;
	for (size_t i = 0; i < COUNT(fields); i++)
		lines->hash = (lines->hash ^ fields[i]) * UINT64_C(0x100000001b3);
	return 0;
}

static struct lines look(struct fixture *f, struct iopgt_table *table, bool dump)
{
	struct lines lines = {0};
	const struct iopgt_writer writer = {hash_line, &lines};
	const struct iopgt_mapping_visitor visitor = {hash_run, &lines};
	struct iopgt_op op = new_op(f);

	if (dump)
		expect(IOPGT_OK, iopgt_dump(table, 0, RAW_SPACE(48), &writer, &op));
	else
		expect(IOPGT_OK, iopgt_for_each_mapping(table, 0, RAW_SPACE(48), &visitor, &op));
	assert_true(lines.count > 4);
	return lines;
}

static void a_reader_dumps_and_visits_the_same(struct fixture *f)
{
	struct iopgt_finding finding = {.rule = 99};
	struct iopgt_table other;

	build(f);
	open_reading(f, &other, the_reading_hal());
	for (int dump = 0; dump < 2; dump++) {
		struct lines one = look(f, f->table, dump), two = look(f, &other, dump);

		assert_true(one.hash == two.hash && one.count == two.count);
	}
	expect(IOPGT_OK, iopgt_check(&other, &finding));
	assert_int_equal(finding.rule, IOPGT_RULE_NONE);
	expect(IOPGT_OK, iopgt_fini(&other));
}

static int set_run(void *context, uint64_t iova, uint64_t size)
{
	set_bits(context, iova, size);
	return 0;
}

/* What was dirty when the machine stopped, kept marks too. */
static void the_dirty_pages_of_a_crash_dump_are_read(struct fixture *f)
{
	const struct verb readings[] = {readers[2], readers[3]};
	const struct iopgt_dirty_visitor visitor = {set_run, f};
	uint64_t *want, bytes = SIZE(f) / granule(f) / 8;
	struct iopgt_op op = new_op(f);
	struct iopgt_table other;

	build(f);
	look_dirty(f, FIRST(f), SIZE(f));
	assert_true(bit_at(f, FIRST(f) + 2 * block(f) + 2 * granule(f)));
	assert_true(bit_at(f, FIRST(f) + 2 * block(f) + 10 * granule(f)));
	assert_false(bit_at(f, FIRST(f)));
	want = malloc(bytes);
	assert_non_null(want);
	memcpy(want, f->bitmap.words, bytes);
	open_reading(f, &other, the_reading_hal());
	for (size_t i = 0; i < COUNT(readings); i++) {
		struct verb_call call = {&other, FIRST(f), SIZE(f),
		                         page_bitmap(f, FIRST(f), SIZE(f)), &op};

		expect(IOPGT_OK, readings[i].run(&call));
		assert_memory_equal(want, f->bitmap.words, bytes);
	}
	page_bitmap(f, FIRST(f), SIZE(f));
	expect(IOPGT_OK, iopgt_for_each_dirty(&other, FIRST(f), SIZE(f), &visitor, &op));
	assert_memory_equal(want, f->bitmap.words, bytes);
	free(want);
	expect(IOPGT_OK, iopgt_op_finish(&op));
	expect(IOPGT_OK, iopgt_fini(&other));
}

/* For memory that nobody writes any more: there is nothing to wait for. */
static void a_reader_whose_hal_has_no_sync_may_ask_for_one(struct fixture *f)
{
	uint64_t at = FIRST(f) + 2 * block(f);
	struct iopgt_op op = new_op(f);
	struct iopgt_table other;

	build(f);
	open_reading(f, &other, the_reading_hal());
	assert_null(the_reading_hal()->tlb.sync);
	op.flags |= IOPGT_OP_SYNC;
	expect(IOPGT_OK,
	       iopgt_sync_dirty_log(&other, at, block(f), page_bitmap(f, at, block(f)), &op));
	assert_true(bit_at(f, at + 2 * granule(f)));
	assert_null(op.gather.table);
	expect(IOPGT_OK, iopgt_op_finish(&op));
	expect(IOPGT_OK, iopgt_fini(&other));
}

static void a_reader_refuses_every_change(struct fixture *f)
{
	const uint64_t places[][2] = {
		{FIRST(f), block(f)},
		{FIRST(f), SIZE(f)},
		{FIRST(f) + granule(f), granule(f)},
		{0, RAW_SPACE(48)},
		{9 * FIRST(f), granule(f)},
	};
	struct snapshot before;
	uint64_t words[1] = {0};
	struct iopgt_bitmap bitmap = wide_bitmap(words, &f->config);
	struct iopgt_table other;

	build(f);
	before = take_snapshot(&f->host);
	open_reading(f, &other, the_reading_hal());
	for (size_t i = 0; i < CHANGERS * COUNT(places); i++) {
		struct iopgt_op op = new_op(f);
		struct verb_call call = {&other, places[i / CHANGERS][0], places[i / CHANGERS][1],
		                         &bitmap, &op};
		int error = changers[i % CHANGERS].run(&call);

		if (error != IOPGT_READ_ONLY)
			print_error("%s\n", changers[i % CHANGERS].name);
		expect(IOPGT_READ_ONLY, error);
		assert_null(op.gather.table);
		expect(IOPGT_OK, iopgt_op_finish(&op));
	}
	expect(IOPGT_OK, iopgt_fini(&other));
	expect_snapshot(&before);
	drop_snapshot(&before);
	assert_int_equal(words[0], 0);
}

static void a_reader_changes_nothing(struct fixture *f)
{
	struct snapshot before;
	struct iopgt_table other;

	build(f);
	before = take_snapshot(&f->host);
	open_reading(f, &other, the_reading_hal());
	for (size_t i = 0; i < READERS; i++)
		expect(IOPGT_OK, read_in_pieces(&other, &readers[i], 100000));
	expect(IOPGT_OK, iopgt_fini(&other));
	expect_snapshot(&before);
	drop_snapshot(&before);
}

/* IOPGT_HAL_LINEAR cannot say that an address is none of a table. */
static void a_linear_hal_is_not_relied_on(struct fixture *f)
{
	struct iopgt_hal hal = reading_hal();
	struct iopgt_tree tree = {.root_phys = f->table->root_phys};
	struct iopgt_translation got;
	struct iopgt_table other;

	build(f);
	hal.flags = IOPGT_HAL_LINEAR;
	hal.linear_offset = 0x123450; /* wrong: whoever uses it crashes */
	open_reading(f, &other, &hal);
	expect(IOPGT_OK, iopgt_translate(&other, FIRST(f), &got));
	expect(IOPGT_OK, iopgt_fini(&other));
	hal.phys_to_virt = NULL;
	expect(IOPGT_BAD_HAL, iopgt_open(&other, &f->config, &hal, &f->host, &tree));
}

/* --- Owning --- */

/* From now on the fixture's table is an opened one; the first is simply not used any more. */
static void take_over(struct fixture *f)
{
	static struct iopgt_table tables[2];
	struct iopgt_tree tree = {.root_phys = f->table->root_phys, .flags = IOPGT_OPEN_OWNING};
	struct iopgt_table *table = &tables[f->table == &tables[0]];

	expect(IOPGT_OK, open_tree(table, &f->config, &f->hal, &f->host, &tree));
	memset(f->table, 0x5a, sizeof(*f->table));
	f->table = table;
	check(f);
}

static void owning_changes_nothing_in_a_good_tree(struct fixture *f)
{
	struct iopgt_table_usage one, two;
	struct snapshot before;

	build(f);
	expect(IOPGT_OK, iopgt_table_stats(f->table, &one));
	before = take_snapshot(&f->host);
	host_log_clear(&f->host);
	take_over(f);
	assert_int_equal(event_count(f, HOST_RANGE) + event_count(f, HOST_ALL), 0);
	expect_snapshot(&before);
	drop_snapshot(&before);
	expect(IOPGT_OK, iopgt_table_stats(f->table, &two));
	assert_int_equal(one.tables, two.tables);
	assert_int_equal(one.bytes, two.bytes);
}

/* fixture_end finds every table freed, once. */
static void an_owner_frees_all_tables(struct fixture *f)
{
	build(f);
	assert_true(pool_in_use(f->host.pool) > 3);
	take_over(f);
}

static void an_owner_can_use_all_verbs(struct fixture *f)
{
	uint64_t at = FIRST(f) + 2 * block(f);

	build(f);
	take_over(f);
	take_dirty(f, FIRST(f), SIZE(f));
	assert_true(bit_at(f, at + 2 * granule(f)) && bit_at(f, at + 10 * granule(f)));
	write_page(f, FIRST(f));
	split(f, FIRST(f), 2 * block(f));
	expect_level(f, FIRST(f), 3);
	expect_mapped(f, FIRST(f), PHYS(f), 2 * block(f));
	take_dirty(f, FIRST(f), 2 * block(f));
	expect_only_bits(f, FIRST(f), block(f));
	merge(f, FIRST(f), 2 * block(f));
	expect_level(f, FIRST(f), 2);
	protect(f, at, granule(f), IOPGT_READ);
	unmap(f, FIRST(f) + granule(f), block(f));
	expect_unmapped(f, FIRST(f) + granule(f), block(f));
	expect_mapped(f, FIRST(f) + block(f) + granule(f), PHYS(f) + block(f) + granule(f),
	              block(f) - granule(f));
	map(f, FIRST(f) + granule(f), PHYS(f), granule(f), RW);
	take_over(f); /* and once more */
	unmap(f, 0, RAW_SPACE(48));
	expect_unmapped(f, FIRST(f), SIZE(f));
	map(f, 0, PHYS(f), 2 * block(f), RW);
	expect_mapped(f, 0, PHYS(f), 2 * block(f));
}

static void an_owner_knows_kept_marks(struct fixture *f)
{
	uint64_t at = FIRST(f) + 2 * block(f) + 10 * granule(f);

	build(f);
	take_over(f);
	protect(f, at, granule(f), RW);
	assert_int_equal(state_at(f, at), IOPGT_LEAF_DIRTY);
	take_dirty(f, at, 2 * granule(f));
	expect_only_bits(f, at, 2 * granule(f));
	take_dirty(f, at, 2 * granule(f));
	assert_int_equal(count_bits(f), 0);
}

static void rubbish_in_invalid_descriptors_is_cleared(struct fixture *f)
{
	static const uint64_t rubbish[] = {
		0x2, 0xfffffffffffffffe, 0x8000000000000000, 0x0400000000000000, 0x123456789abcdef0,
		0x4};
	struct raw raw = raw_of(f);
	uint64_t slots[COUNT(rubbish)];

	build(f);
	for (size_t i = 0; i < COUNT(rubbish); i++) {
		uint64_t at = i % 2 ? 9 * FIRST(f) + i * block(f)
		                    : FIRST(f) + 2 * block(f) + (20 + i) * granule(f);

		if (i % 2)
			at = FIRST(f) + (4 + i) * block(f);
		slots[i] = raw_slot(&raw, at, i % 2 ? 2 : 3);
		expect_raw(0, raw_load(&raw, slots[i]));
		raw_store(&raw, slots[i], rubbish[i]);
	}
	take_over(f);
	for (size_t i = 0; i < COUNT(rubbish); i++)
		expect_raw(0, raw_load(&raw, slots[i]));
	map(f, FIRST(f) + 4 * block(f), PHYS(f), 8 * block(f), RW);
}

/* AttrIndx 7, MemAttr 0b1010: no memory type of this library. */
static void unknown_memory_types_are_kept(struct fixture *f)
{
	bool stage2 = f->config.regime == IOPGT_STAGE2;
	uint64_t mask = stage2 ? 0x3c : 0x1c, value = stage2 ? 0x28 : 0x1c;
	struct raw raw = raw_of(f);
	struct iopgt_translation got;
	uint64_t slot;

	map(f, FIRST(f), PHYS(f), block(f), RW | CLEAN);
	slot = raw_slot(&raw, FIRST(f), 2);
	raw_store(&raw, slot, (raw_load(&raw, slot) & ~mask) | value);
	take_over(f);
	expect(IOPGT_OK, iopgt_translate(f->table, FIRST(f), &got));
	assert_int_equal(got.memory, IOPGT_MEMORY_TYPES);
	split(f, FIRST(f), block(f));
	for (uint64_t at = 0; at < block(f); at += granule(f))
		assert_int_equal(raw_at(&raw, FIRST(f) + at, 3) & mask, value);
	protect(f, FIRST(f), block(f), IOPGT_READ | IOPGT_EXECUTE);
	merge(f, FIRST(f), block(f));
	assert_int_equal(raw_at(&raw, FIRST(f), 2) & (mask | 3), value | 1);
}

static void cleared_access_flags_are_accepted_where_somebody_sets_them(struct fixture *f)
{
	struct iopgt_tree tree = {.root_phys = f->table->root_phys, .flags = IOPGT_OPEN_OWNING};
	struct iopgt_config config = f->config;
	struct raw raw = raw_of(f);
	struct iopgt_table other;
	uint64_t slot;

	map(f, FIRST(f), PHYS(f), granule(f), IOPGT_READ);
	slot = raw_slot(&raw, FIRST(f), 3);
	raw_store(&raw, slot, raw_load(&raw, slot) & ~RAW_AF);
	config.dirty = IOPGT_DIRTY_NONE;
	expect(IOPGT_CORRUPT, open_tree(&other, &config, &f->hal, &f->host, &tree));
	config.flags |= IOPGT_CONFIG_ACCESS_FLAG;
	f->config = config;
	take_over(f);
	read_page(f, FIRST(f));
}

static void max_tables_is_a_bound(struct fixture *f)
{
	struct iopgt_tree tree = {.root_phys = f->table->root_phys, .flags = IOPGT_OPEN_OWNING};
	struct iopgt_table_usage usage;
	struct iopgt_table other;
	struct snapshot before;

	build(f);
	expect(IOPGT_OK, iopgt_table_stats(f->table, &usage));
	before = take_snapshot(&f->host);
	for (tree.max_tables = 1; tree.max_tables < usage.tables - 1; tree.max_tables++) {
		expect(IOPGT_BAD_TABLE, iopgt_open(&other, &f->config, &f->hal, &f->host, &tree));
		expect_snapshot(&before);
	}
	drop_snapshot(&before);
	tree.max_tables = usage.tables;
	expect(IOPGT_OK, iopgt_open(&other, &f->config, &f->hal, &f->host, &tree));
	f->own_table = other;
	f->table = &f->own_table;
}

/* A page in each of four tables, which lie far apart in memory. */
static void build_apart(struct fixture *f)
{
	for (uint64_t i = 0; i < 4; i++) {
		uint64_t phys;

		assert_non_null(pool_alloc(f->host.pool, 4 << 20, false, &phys));
		map(f, i * block(f), PHYS(f), granule(f), RW);
		pool_free(f->host.pool, phys, 4 << 20);
	}
}

/* An owner needs some to find tables that are linked twice; the more, the further apart. */
static void no_memory_to_look_for_links_is_no_finding(struct fixture *f)
{
	struct iopgt_tree tree = {.root_phys = f->table->root_phys, .flags = IOPGT_OPEN_OWNING};
	struct iopgt_table other;
	uint64_t failing = 0;
	size_t in_use;
	int error;

	build_apart(f);
	in_use = pool_in_use(f->host.pool);
	do {
		host_fail(&f->host, HOST_ALLOC, ++failing, false);
		error = open_tree(&other, &f->config, &f->hal, &f->host, &tree);
		expect(host_injected(&f->host) == failing ? IOPGT_NO_MEMORY : IOPGT_OK, error);
		assert_int_equal(pool_in_use(f->host.pool), in_use);
		host_fail_nothing(&f->host);
	} while (error);
	/* Of those that are for a first address: one each level. */
	assert_true(failing - 1 > 4);
	f->own_table = other;
	f->table = &f->own_table;
}

#define ARENA .host = {.arena_bytes = 8 << 20}

int main(void)
{
	const uint32_t all = FIXTURE_REGIMES | FIXTURE_GRANULES;
	const struct fixture_test tests[] = {
		TEST(all, a_reader_translates_the_same),
		TEST(all, a_reader_dumps_and_visits_the_same),
		TEST(all, the_dirty_pages_of_a_crash_dump_are_read),
		TEST_WITH(all, the_dirty_pages_of_a_crash_dump_are_read,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
		TEST(all, a_reader_whose_hal_has_no_sync_may_ask_for_one),
		TEST_WITH(all, a_reader_refuses_every_change, ARENA),
		TEST_WITH(all, a_reader_changes_nothing, ARENA,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
		TEST(0, a_linear_hal_is_not_relied_on),
		TEST_WITH(all, owning_changes_nothing_in_a_good_tree, ARENA),
		TEST_WITH(all, owning_changes_nothing_in_a_good_tree, ARENA,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
		TEST_WITH(FIXTURE_GRANULES, an_owner_frees_all_tables,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
		TEST(all | FIXTURE_LEVELS, an_owner_can_use_all_verbs),
		TEST(all, an_owner_knows_kept_marks),
		TEST(all, rubbish_in_invalid_descriptors_is_cleared),
		TEST(FIXTURE_GRANULES | FIXTURE_STAGES, unknown_memory_types_are_kept),
		TEST(all, cleared_access_flags_are_accepted_where_somebody_sets_them),
		TEST_WITH(FIXTURE_GRANULES, max_tables_is_a_bound, ARENA),
		TEST(FIXTURE_STAGES, no_memory_to_look_for_links_is_no_finding),
	};

	return FIXTURE_RUN(tests);
}
