/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iopgt_open of random trees: rubbish all through, and good trees with a few
 * words spoiled. Whatever it is: no crash, no endless loop; a reader changes
 * nothing; an owner that refuses leaves all as it was, one that takes it over
 * can use and free it. IOPGT_SEED, and IOPGT_ROUNDS for more.
 */
#include "test_open.h"

#define TABLES 12

struct wild {
	struct random random;
	struct test_host host;
	struct iopgt_config config;
	uint64_t tables[TABLES];
	unsigned count;
	uint64_t root, root_bytes;
};

static uint64_t choose(struct wild *wild, uint64_t bound)
{
	return random_below(&wild->random, bound);
}

/* Start tables as D8.2 has them, of sizes that need no concatenation. */
static void choose_config(struct wild *wild)
{
	static const uint32_t regimes[] = {IOPGT_STAGE1_EL1, IOPGT_STAGE1_EL2, IOPGT_STAGE2};
	static const uint8_t granules[] = {12, 12, 14, 16};
	static const uint8_t outputs[] = {36, 40, 44, 48};
	struct iopgt_config *config = &wild->config;

	*config = (struct iopgt_config){
		.regime = regimes[choose(wild, 3)],
		.granule_shift = granules[choose(wild, 4)],
		.input_bits = (uint8_t)(36 + choose(wild, 13)),
		.output_bits = outputs[choose(wild, 4)],
		.bbm_level = (uint8_t)choose(wild, 3),
		.dirty = (uint32_t)choose(wild, 3),
	};
	if (config->regime == IOPGT_STAGE2)
		config->output_bits = 48;
	if (config->dirty == IOPGT_DIRTY_NONE && choose(wild, 2))
		config->flags |= IOPGT_CONFIG_ACCESS_FLAG;
	if (config->granule_shift < 16 && choose(wild, 4) == 0) {
		config->flags |= IOPGT_CONFIG_LPA2;
		config->output_bits = 52;
	}
	if (choose(wild, 2))
		config->leaf_sizes = iopgt_all_leaf_sizes(config);
}

/* A table by the library tells how large the start table is; it is then filled at will. */
static void begin(struct wild *wild, uint64_t seed)
{
	struct host_options options = {0};
	struct iopgt_table_usage usage;
	struct iopgt_table table;

	*wild = (struct wild){.random = {seed}};
	choose_config(wild);
	options.granule_shift = wild->config.granule_shift;
	options.arena_bytes = (size_t)48 << wild->config.granule_shift;
	host_init(&wild->host, &options);
	expect(IOPGT_OK, iopgt_init(&table, &wild->config, &wild->host.hal, &wild->host));
	expect(IOPGT_OK, iopgt_table_stats(&table, &usage));
	wild->root = table.root_phys;
	wild->root_bytes = usage.bytes;
}

static void end(struct wild *wild)
{
	assert_int_equal(host_violations(&wild->host), 0);
	host_fini(&wild->host);
}

static void store(struct wild *wild, uint64_t phys, uint64_t word)
{
	*pool_word(wild->host.pool, phys, false) = pool_little_endian(word);
}

/* --- Rubbish --- */

static uint64_t random_leaf(struct wild *wild)
{
	uint64_t leaf = choose(wild, 1 << 14) << wild->config.granule_shift;

	leaf |= wild->config.regime == IOPGT_STAGE2 ? 0x00400000000007fd : 0x0060000000000f45;
	if (choose(wild, 2))
		leaf |= 2;
	if (choose(wild, 8) == 0)
		leaf ^= BIT(choose(wild, 64));
	if (choose(wild, 4) == 0)
		leaf |= RAW_CONTIGUOUS;
	return leaf;
}

static uint64_t random_link(struct wild *wild)
{
	uint64_t link = choose(wild, 8) ? wild->tables[choose(wild, wild->count)] : wild->root;

	link |= RAW_TABLE;
	if (choose(wild, 16) == 0)
		link ^= BIT(choose(wild, 64));
	return link;
}

static uint64_t random_word(struct wild *wild)
{
	switch (choose(wild, 16)) {
	case 0:
		return random_next(&wild->random);
	case 1:
		return random_next(&wild->random) | RAW_TABLE;
	case 2:
		return random_next(&wild->random) & ~UINT64_C(1);
	case 3:
	case 4:
		return random_link(wild);
	case 5:
	case 6:
		return random_leaf(wild);
	default:
		return 0;
	}
}

static void fill(struct wild *wild, uint64_t phys, uint64_t bytes)
{
	bool all = choose(wild, 4) == 0;
	uint64_t word = random_word(wild);

	for (uint64_t at = 0; at < bytes; at += 8)
		store(wild, phys + at, all ? word : random_word(wild));
}

static void fill_with_rubbish(struct wild *wild)
{
	uint64_t bytes = RAW_SPACE(wild->config.granule_shift);

	wild->count = 1 + (unsigned)choose(wild, TABLES);
	for (unsigned i = 0; i < wild->count; i++)
		assert_non_null(pool_alloc(wild->host.pool, (size_t)bytes, true, &wild->tables[i]));
	for (unsigned i = 0; i < wild->count; i++)
		fill(wild, wild->tables[i], bytes);
	fill(wild, wild->root, wild->root_bytes);
}

/* --- What has to be so --- */

static void read_it(struct wild *wild)
{
	const struct iopgt_tree tree = {.root_phys = wild->root};
	struct snapshot before = take_snapshot(&wild->host);
	struct iopgt_finding finding;
	struct iopgt_table table;

	expect(IOPGT_OK, open_tree(&table, &wild->config, &wild->host.hal, &wild->host, &tree));
	for (size_t i = 0; i < READERS; i++) {
		bool dirty = readers[i].run != run_visit && readers[i].run != run_dump;
		int error = read_in_pieces(&table, &readers[i], 24);

		if (dirty && wild->config.dirty == IOPGT_DIRTY_NONE)
			expect(IOPGT_NO_DIRTY, error);
		else
			assert_true(error == IOPGT_OK || error == IOPGT_AGAIN ||
			            error == IOPGT_BUSY || error == IOPGT_BAD_TABLE);
	}
	for (int i = 0; i < 50; i++) {
		uint64_t iova = choose(wild, RAW_SPACE(wild->config.input_bits));
		struct iopgt_translation got;
		int error = iopgt_translate(&table, iova, &got);

		assert_true(error == IOPGT_OK || error == IOPGT_NOT_MAPPED || error == IOPGT_BUSY ||
		            error == IOPGT_BAD_TABLE);
		iopgt_handle_translation_fault(&table, iova);
	}
	if (wild->count <= 2) /* iopgt_check has no budget: only where links cannot multiply */
		iopgt_check(&table, &finding);
	expect(IOPGT_OK, iopgt_fini(&table));
	expect_snapshot(&before);
	drop_snapshot(&before);
}

/* Verbs over what was taken over; each may fail, none may crash. */
static void use_it(struct wild *wild, struct iopgt_table *table)
{
	uint64_t words[1] = {0};
	struct iopgt_bitmap bitmap = wide_bitmap(words, &wild->config);
	struct iopgt_finding finding;

	expect(IOPGT_OK, iopgt_check(table, &finding));
	for (int i = 0; i < 12; i++) {
		uint64_t size = RAW_SPACE(wild->config.granule_shift) << choose(wild, 12);
		uint64_t iova = choose(wild, RAW_SPACE(wild->config.input_bits) / size) * size;
		struct iopgt_op op = {.flags = IOPGT_OP_MAY_BREAK, .budget = 5000};
		struct verb_call call = {table, iova, size, &bitmap, &op};

		changers[choose(wild, CHANGERS)].run(&call);
		expect(IOPGT_OK, iopgt_op_finish(&op));
		expect(IOPGT_OK, iopgt_check(table, &finding));
	}
}

/* Returns whether it was taken over. */
static bool own_it(struct wild *wild)
{
	const struct iopgt_tree tree = {.root_phys = wild->root, .flags = IOPGT_OPEN_OWNING};
	struct snapshot before = take_snapshot(&wild->host);
	size_t tables = pool_in_use(wild->host.pool);
	struct iopgt_table_usage usage;
	struct iopgt_table table;
	int error = open_tree(&table, &wild->config, &wild->host.hal, &wild->host, &tree);

	assert_int_equal(host_violations(&wild->host), 0);
	assert_int_equal(pool_in_use(wild->host.pool), tables);
	if (error != IOPGT_OK) {
		assert_true(error == IOPGT_CORRUPT || error == IOPGT_BAD_TABLE);
		expect_snapshot(&before);
		drop_snapshot(&before);
		return false;
	}
	drop_snapshot(&before);
	expect(IOPGT_OK, iopgt_table_stats(&table, &usage));
	assert_true(usage.tables <= tables);
	use_it(wild, &table);
	expect(IOPGT_OK, iopgt_fini(&table));
	assert_int_equal(pool_in_use(wild->host.pool), tables - usage.tables);
	return true;
}

static unsigned rounds(unsigned usual)
{
	const char *text = getenv("IOPGT_ROUNDS");

	if (text)
		return (unsigned)strtoul(text, NULL, 0);
	return getenv("IOPGT_TEST_LONG") ? 20 * usual : usual;
}

static void rubbish_harms_nobody(void **state)
{
	uint64_t seed = seed_from_environment("IOPGT_SEED", 0x5eed);
	unsigned taken = 0, count = rounds(600);

	(void)state;
	for (unsigned i = 0; i < count; i++) {
		struct wild wild;

		begin(&wild, seed + i);
		fill_with_rubbish(&wild);
		read_it(&wild);
		taken += own_it(&wild);
		end(&wild);
	}
	print_message("# %u of %u were good trees\n", taken, count);
}

/* --- Good trees with a few words spoiled --- */

static void map_something(struct wild *wild, struct iopgt_table *table)
{
	for (int i = 0; i < 8; i++) {
		uint64_t size = RAW_SPACE(wild->config.granule_shift) << choose(wild, 12);
		uint64_t near = choose(wild, 4) ? choose(wild, 6) * 0x3300000 : 0;
		struct iopgt_mapping mapping = fixture_mapping(near / size * size, 0, size, RW);
		struct iopgt_op op = {0};

		mapping.phys = choose(wild, 64) * size;
		mapping.prot |= choose(wild, 2) ? IOPGT_CLEAN : 0u;
		mapping.attributes = choose(wild, 4) ? 0 : IOPGT_SOFTWARE_0;
		iopgt_map(table, &mapping, &op);
		expect(IOPGT_OK, iopgt_op_finish(&op));
	}
}

/* Any word of any table, a used one more likely. */
static void spoil_a_word(struct wild *wild, const struct snapshot *all)
{
	for (int tries = 0; tries < 3000; tries++) {
		size_t i = (size_t)choose(wild, all->words / 8);
		uint64_t phys = all->base + 8 * i, word = snapshot_now(all, i);

		if (!pool_word(wild->host.pool, phys, false) || (!word && choose(wild, 64)))
			continue;
		if (choose(wild, 3) == 0)
			word = random_word(wild);
		else
			word ^= BIT(choose(wild, 64));
		store(wild, phys, word);
		return;
	}
}

static void spoil(struct wild *wild)
{
	struct snapshot all = take_snapshot(&wild->host);
	uint64_t words = choose(wild, 4);

	/* Links to real tables, for random_link. */
	for (size_t i = 0; i < all.words && wild->count < TABLES; i++)
		if ((all.word[i] & 3) == RAW_TABLE &&
		    pool_virt(wild->host.pool, all.word[i] & BITS(47, 12), 4096))
			wild->tables[wild->count++] = all.word[i] & BITS(47, 12);
	if (!wild->count)
		wild->tables[wild->count++] = wild->root;
	while (words--)
		spoil_a_word(wild, &all);
	drop_snapshot(&all);
}

static void begin_good(struct wild *wild, uint64_t seed, struct iopgt_table *table)
{
	struct host_options options = {0};

	*wild = (struct wild){.random = {seed}};
	choose_config(wild);
	options.granule_shift = wild->config.granule_shift;
	options.arena_bytes = (size_t)48 << wild->config.granule_shift;
	host_init(&wild->host, &options);
	expect(IOPGT_OK, iopgt_init(table, &wild->config, &wild->host.hal, &wild->host));
	wild->root = table->root_phys;
	map_something(wild, table);
}

static void good_trees_with_a_few_words_spoiled_harm_nobody(void **state)
{
	uint64_t seed = seed_from_environment("IOPGT_SEED", 0xbad);
	unsigned taken = 0, count = rounds(600);

	(void)state;
	for (unsigned i = 0; i < count; i++) {
		struct iopgt_table given_up;
		struct wild wild;

		begin_good(&wild, seed + i, &given_up);
		spoil(&wild);
		read_it(&wild);
		taken += own_it(&wild);
		end(&wild);
	}
	print_message("# %u of %u were good trees\n", taken, count);
	assert_true(taken > count / 8 && taken < count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rubbish_harms_nobody),
		cmocka_unit_test(good_trees_with_a_few_words_spoiled_harm_nobody),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
