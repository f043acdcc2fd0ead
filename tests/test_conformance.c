/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every combination of regime, granule, input and output size, LPA2, small
 * tables, TTBR and contiguous groups: the legal ones translate exactly what was
 * mapped, by the walker model, which knows them from the specification alone, and
 * by iopgt_translate; the others are refused with the error of what is wrong.
 */
#include "test_conformance.h"

/* --- What a mapping has to look like --- */

static uint64_t end_of(const struct iopgt_mapping *m)
{
	return m->iova + (m->size - 1);
}

/* The largest leaf that alignment allows at an address of the mapping. */
static uint64_t best_leaf(const struct combination *c, const struct iopgt_mapping *m, uint64_t iova)
{
	for (uint64_t size = UINT64_C(1) << 51; size > c->granule; size >>= 1) {
		uint64_t first = iova & ~(size - 1);

		if (c->sizes & size && first >= m->iova && first + (size - 1) <= end_of(m) &&
		    !((m->phys ^ m->iova) & (size - 1)))
			return size;
	}
	return c->granule;
}

static void expect_hole(struct combination *c, uint64_t iova)
{
	struct iopgt_translation translation;
	struct walker_leaf leaf;
	int error = iopgt_translate(&c->table, iova, &translation);

	REQUIRE(c, walker_translate(c->walker, iova, &leaf) == WALKER_TRANSLATION, iova);
	if (iova - c->first > c->last - c->first)
		REQUIRE(c, error == IOPGT_BAD_RANGE, iova);
	else
		REQUIRE(c, error == IOPGT_NOT_MAPPED, iova);
}

static void expect_leaf(struct combination *c, const struct iopgt_mapping *m, uint64_t iova)
{
	uint64_t phys = m->phys + (iova - m->iova), size = best_leaf(c, m, iova);
	struct iopgt_translation translation;
	struct walker_leaf leaf;

	REQUIRE(c, walker_translate(c->walker, iova, &leaf) == WALKER_OK, iova);
	REQUIRE(c, leaf.phys == phys, iova);
	REQUIRE(c, leaf.group_size == size, iova);
	REQUIRE(c, leaf.dirty == WALKER_WRITABLE_UNTRACKED, iova);
	REQUIRE(c, leaf.memory == WALKER_WRITE_BACK, iova);
	REQUIRE(c, leaf.effective_shareability == 3, iova);
	REQUIRE(c, iopgt_translate(&c->table, iova, &translation) == IOPGT_OK, iova);
	REQUIRE(c, translation.phys == phys, iova);
	REQUIRE(c, translation.leaf_size == size, iova);
	REQUIRE(c, translation.leaf_iova == (iova & ~(size - 1)), iova);
	REQUIRE(c, translation.level == leaf.level, iova);
}

static void expect_at(struct combination *c, const struct iopgt_mapping *m, uint64_t iova)
{
	if (m && iova - m->iova < m->size)
		expect_leaf(c, m, iova);
	else
		expect_hole(c, iova);
}

/* On both sides of an address. */
static void expect_around(struct combination *c, const struct iopgt_mapping *m, uint64_t iova)
{
	expect_at(c, m, iova);
	expect_at(c, m, iova - 1);
}

/*
 * At both ends, one granule further on either side, and around the alignment
 * boundaries of each size next to the ends. `m` null: nothing is mapped there.
 */
static void probe(struct combination *c, const struct iopgt_mapping *m,
                  const struct iopgt_mapping *range)
{
	const uint64_t ends[] = {range->iova, end_of(range) + 1};

	for (unsigned i = 0; i < 2; i++) {
		expect_around(c, m, ends[i]);
		expect_at(c, m, ends[i] - c->granule - 1);
		expect_at(c, m, ends[i] + c->granule);
		for (unsigned shift = c->config.granule_shift; shift < 52; shift++) {
			uint64_t size = UINT64_C(1) << shift;

			if (!(c->sizes & size) || !(ends[i] & (size - 1)))
				continue;
			expect_around(c, m, ends[i] & ~(size - 1));
			expect_around(c, m, (ends[i] | (size - 1)) + 1);
		}
	}
}

/* --- Mapping --- */

static void map_probe_unmap(struct combination *c, const struct iopgt_mapping *m)
{
	struct iopgt_op op = {0};

	REQUIRE(c, iopgt_map(&c->table, m, &op) == IOPGT_OK, m->iova);
	probe(c, m, m);
	REQUIRE(c, walker_group_is_good(c->walker, m->iova), m->iova);
	REQUIRE(c, walker_group_is_good(c->walker, end_of(m)), m->iova);
	REQUIRE(c, iopgt_unmap(&c->table, m->iova, m->size, &op) == IOPGT_OK, m->iova);
	REQUIRE(c, iopgt_op_finish(&op) == IOPGT_OK, m->iova);
	REQUIRE(c, op.stats.holes == 0, m->iova);
	REQUIRE(c, op.stats.unmapped == m->size / c->granule, m->iova);
	probe(c, NULL, m);
}

/* Clips a range to the space; `phys` is that of `at`, which lies in the range. */
static void map_range(struct combination *c, uint64_t from, uint64_t to, uint64_t at, uint64_t phys)
{
	struct iopgt_mapping m = {.prot = RW, .memory = IOPGT_WRITE_BACK};

	/* Offsets into the space: TTBR1's ends at the top of 64 bits. */
	from -= c->first;
	to -= c->first;
	if ((int64_t)from < 0)
		from = 0;
	if (to - 1 > c->last - c->first)
		to = c->last - c->first + 1;
	if (from >= to)
		return;
	m.iova = c->first + from;
	m.size = to - from;
	m.phys = phys + (m.iova - at);
	if (m.phys > phys && m.iova < at)
		return;
	if (m.phys > c->output_last || c->output_last - m.phys < m.size - 1)
		return;
	map_probe_unmap(c, &m);
}

static unsigned top_bit(uint64_t mask)
{
	unsigned bit = 63;

	while (!(mask >> bit & 1))
		bit--;
	return bit;
}

/* Tables left empty must not be in the way of the next leaf. */
static void trim_around(struct combination *c, uint64_t at, uint64_t size)
{
	uint64_t reach = size + (UINT64_C(1) << top_bit(c->sizes));
	uint64_t from = at - c->first, space = c->last - c->first + 1, to = from + reach;
	struct iopgt_op op = {0};

	from = from > reach ? from - reach : 0;
	to = to < space ? to : space;
	REQUIRE(c, iopgt_trim(&c->table, c->first + from, to - from, &op) == IOPGT_OK, at);
	REQUIRE(c, iopgt_op_finish(&op) == IOPGT_OK, at);
}

/* Ranges that begin and end one granule before and after a boundary of `size`. */
static void around_boundary(struct combination *c, uint64_t at, uint64_t size, uint64_t phys)
{
	const uint64_t g = c->granule;

	/* In an order in which no table is left empty where a leaf of `size` is to come. */
	map_range(c, at, at + size, at, phys);
	map_range(c, at - g, at + size + g, at, phys);
	map_range(c, at + g, at + size, at, phys);
	map_range(c, at - g, at + g, at, phys);
	/* An output that is not aligned as the input is: pages, or the next smaller size */
	map_range(c, at - g, at + g, at, phys + g);
	trim_around(c, at, size);
}

/* Every boundary, with the lowest and the highest output, or for most one of each in turn. */
static void sweep_size(struct combination *c, unsigned shift, bool all)
{
	uint64_t size = UINT64_C(1) << shift;
	uint64_t boundaries[] = {c->first, c->first + size, c->last + 1 - size};
	uint64_t outputs_at[] = {0, size, c->output_last + 1 - size, c->output_last + 1 - 2 * size};
	unsigned turn = c->number + shift;

	if (size - 1 > c->output_last)
		return;
	for (unsigned i = 0; i < 3; i++) {
		if (!all && i != turn % 3)
			continue;
		if (boundaries[i] - c->first > c->last - c->first)
			continue;
		for (unsigned j = 0; j < 4; j++)
			if ((all || j == turn % 4) && outputs_at[j] <= c->output_last)
				around_boundary(c, boundaries[i], size, outputs_at[j]);
	}
}

/* The first and the last granule at once, to the last and the first of the output. */
static void map_both_ends(struct combination *c)
{
	struct iopgt_mapping low = {.prot = RW, .memory = IOPGT_WRITE_BACK}, high;
	struct iopgt_finding finding;
	struct iopgt_op op = {0};

	low.iova = c->first;
	low.size = c->granule;
	low.phys = c->output_last + 1 - c->granule;
	high = low;
	high.iova = c->last + 1 - c->granule;
	high.phys = 0;
	REQUIRE(c, iopgt_map(&c->table, &low, &op) == IOPGT_OK, 0);
	REQUIRE(c, iopgt_map(&c->table, &high, &op) == IOPGT_OK, 0);
	expect_leaf(c, &low, low.iova);
	expect_leaf(c, &low, end_of(&low));
	expect_leaf(c, &high, high.iova);
	expect_leaf(c, &high, end_of(&high));
	expect_hole(c, c->first - 1);
	expect_hole(c, c->last + 1);
	if (c->number % 8 == 0)
		REQUIRE(c, iopgt_check(&c->table, &finding) == IOPGT_OK, finding.descriptor);
	low.phys += c->granule;
	low.iova += c->granule;
	REQUIRE(c, iopgt_map(&c->table, &low, &op) == IOPGT_BAD_OUTPUT, low.phys);
	high.iova += c->granule;
	REQUIRE(c, iopgt_map(&c->table, &high, &op) == IOPGT_BAD_RANGE, high.iova);
	REQUIRE(c, iopgt_unmap(&c->table, c->first, c->last - c->first + 1, &op) == IOPGT_OK, 0);
	REQUIRE(c, iopgt_op_finish(&op) == IOPGT_OK, 0);
	REQUIRE(c, op.stats.unmapped == 2, op.stats.unmapped);
	expect_hole(c, c->first);
	expect_hole(c, c->last);
}

/* --- One combination --- */

static void expect_refusal(struct combination *c, uint32_t faults)
{
	int error = iopgt_init(&c->table, &c->config, &c->host->hal, c->host);

	REQUIRE(c, fault_of_error(error) & faults, (uint64_t)(int64_t)error);
	REQUIRE(c, pool_in_use(c->host->pool) == 0, 0);
	REQUIRE(c, iopgt_all_leaf_sizes(&c->config) == 0, iopgt_all_leaf_sizes(&c->config));
}

static void describe_space(struct combination *c)
{
	const struct walker_config walker = fixture_walker_config(&c->config, 0);
	unsigned tables;

	c->first = has(c, IOPGT_CONFIG_TTBR1) ? UINT64_MAX << c->config.input_bits : 0;
	c->last = c->first + ((UINT64_C(1) << c->config.input_bits) - 1);
	c->granule = UINT64_C(1) << c->config.granule_shift;
	c->output_last = (UINT64_C(1) << c->config.output_bits) - 1;
	REQUIRE(c, walker_start_level(&walker, &c->start, &tables), 0);
	c->sizes = possible_sizes(c, c->groups);
}

static void make_walker(struct combination *c)
{
	struct walker_config walker = fixture_walker_config(&c->config, c->table.root_phys);

	walker.flags |= WALKER_SMMU;
	walker.pool = c->host->pool;
	c->walker = walker_create(&walker);
}

static void sweep(struct combination *c)
{
	uint64_t sizes = iopgt_all_leaf_sizes(&c->config);
	bool all;

	describe_space(c);
	REQUIRE(c, sizes == possible_sizes(c, true), sizes);
	c->config.leaf_sizes = c->groups ? sizes : 0;
	REQUIRE(c, iopgt_init(&c->table, &c->config, &c->host->hal, c->host) == IOPGT_OK, 0);
	REQUIRE(c, c->table.geometry.start_level == c->start, 0);
	make_walker(c);
	/* All of it everywhere takes minutes. */
	all = getenv("IOPGT_TEST_LONG") ||
	      (c->config.output_bits == 52 && c->config.input_bits % 8 == 4);
	for (unsigned shift = c->config.granule_shift; shift <= top_bit(c->sizes); shift++)
		if (c->sizes >> shift & 1)
			sweep_size(c, shift, all);
	map_both_ends(c);
	REQUIRE(c, pool_in_use(c->host->pool) == 1, pool_in_use(c->host->pool));
	REQUIRE(c, host_is_good(c->host), 0);
	REQUIRE(c, iopgt_fini(&c->table) == IOPGT_OK, 0);
	REQUIRE(c, pool_in_use(c->host->pool) == 0, 0);
	walker_destroy(c->walker);
}

static void run(struct combination *c, uint32_t *legal, uint32_t *illegal)
{
	uint32_t faults = faults_of(c);

	if (faults) {
		expect_refusal(c, faults);
		++*illegal;
	} else {
		sweep(c);
		++*legal;
	}
}

/* All that share regime, granule and output size; tables at the top of the output space. */
static void run_host(struct combination *c, uint32_t *legal, uint32_t *illegal)
{
	static struct test_host host;
	struct host_options options = {
		.granule_shift = c->config.granule_shift,
		.large_blocks = c->config.output_bits == 52 || c->config.granule_shift != 16,
		.arena_bytes = (size_t)128 << 20,
	};

	options.phys_base = (UINT64_C(1) << c->config.output_bits) - options.arena_bytes;
	host_init(&host, &options);
	c->host = &host;
	for (uint32_t i = 0; i < INPUTS * FLAG_SETS * 2; i++) {
		c->config.input_bits = (uint8_t)(INPUT_FIRST + i / (FLAG_SETS * 2));
		c->config.flags = 0;
		for (unsigned bit = 0; bit < 3; bit++)
			if (i >> (bit + 1) & 1)
				c->config.flags |= flag_bits[bit];
		c->config.leaf_sizes = 0;
		c->groups = i & 1;
		c->number++;
		run(c, legal, illegal);
	}
	host_fini(&host);
}

static void every_combination_translates_exactly_or_is_refused(void **state)
{
	static struct combination c;
	uint32_t legal = 0, illegal = 0;

	(void)state;
	for (uint32_t i = 0; i < IOPGT_REGIMES * 3 * OUTPUTS; i++) {
		c.config = (struct iopgt_config){
			.regime = i / (3 * OUTPUTS),
			.granule_shift = granules[i / OUTPUTS % 3],
			.output_bits = outputs[i % OUTPUTS],
			.bbm_level = 2,
		};
		run_host(&c, &legal, &illegal);
	}
	print_message("%" PRIu32 " legal combinations, %" PRIu32 " refused, of %d\n", legal,
	              illegal, (int)ALL);
	assert_int_equal(legal, LEGAL);
	assert_int_equal(illegal, ALL - LEGAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_combination_translates_exactly_or_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
