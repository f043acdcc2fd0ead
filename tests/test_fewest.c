/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table has the fewest descriptors that can say what is mapped, and of those ways
 * the one with the fewest translations (a contiguous group is one). The optimum is
 * searched for here: for every place of a table a leaf and a table are tried, for
 * every group of places a group; only alignment and the sizes that there are count.
 */
#include <inttypes.h>
#include <string.h>

#include "fixture.h"

#define EXTENTS 4
#define CASES   40
#define BITS    53

/* A part of the input space that is mapped to consecutive addresses. */
struct extent {
	uint64_t iova, phys, size;
};

struct cost {
	uint64_t descriptors;  /* leaves, and tables but for the start table */
	uint64_t translations; /* leaves, a group counted as one */
};

struct memory {
	struct fixture *f;
	struct extent extents[EXTENTS];
	unsigned count;
	int start; /* level */
	/* Of places that lie in one extent: by level + 1 and alignment of the output. */
	struct cost known[5][BITS];
	struct random random;
	uint64_t summed; /* descriptors of all cases */
};

/* --- The optimum --- */

static bool is_less(struct cost one, struct cost other)
{
	if (one.descriptors != other.descriptors)
		return one.descriptors < other.descriptors;
	return one.translations < other.translations;
}

static void add(struct cost *sum, struct cost one)
{
	sum->descriptors += one.descriptors;
	sum->translations += one.translations;
}

/* The extent that holds all of [iova, iova + size). */
static const struct extent *holder(const struct memory *memory, uint64_t iova, uint64_t size)
{
	for (unsigned i = 0; i < memory->count; i++) {
		const struct extent *extent = &memory->extents[i];

		if (iova >= extent->iova && size <= extent->size &&
		    iova - extent->iova <= extent->size - size)
			return extent;
	}
	return NULL;
}

static bool is_touched(const struct memory *memory, uint64_t iova, uint64_t size)
{
	for (unsigned i = 0; i < memory->count; i++)
		if (memory->extents[i].iova <= iova + (size - 1) &&
		    iova <= memory->extents[i].iova + (memory->extents[i].size - 1))
			return true;
	return false;
}

/* log2 of the largest leaf that the outputs of the extent allow. */
static unsigned alignment(const struct extent *extent)
{
	unsigned bit = 0;

	while (bit < BITS - 1 && !((extent->iova ^ extent->phys) >> bit & 1))
		bit++;
	return bit;
}

/* Could one leaf, or group, of a size that there is map all of this? */
static bool can_be_leaf(const struct memory *memory, uint64_t first, uint64_t size)
{
	const struct extent *extent = holder(memory, first, size);

	return extent && memory->f->config.leaf_sizes & size && size >> alignment(extent) <= 1;
}

static struct cost best_table(struct memory *memory, int level, uint64_t first, uint64_t size);

static struct cost search_place(struct memory *memory, int level, uint64_t first)
{
	uint64_t size = level_size(memory->f, level);
	struct cost best = {UINT64_MAX, UINT64_MAX}, table;

	if (can_be_leaf(memory, first, size))
		best = (struct cost){1, 1};
	if (level == 3)
		return best;
	table = best_table(memory, level + 1, first, size);
	table.descriptors++;
	return is_less(table, best) ? table : best;
}

/* One place of a table of `level`: nothing, a leaf, or a table of the next level. */
static struct cost best_place(struct memory *memory, int level, uint64_t first)
{
	uint64_t size = level_size(memory->f, level);
	const struct extent *extent = holder(memory, first, size);
	struct cost *known;

	if (!is_touched(memory, first, size))
		return (struct cost){0, 0};
	if (!extent)
		return search_place(memory, level, first);
	/* All such places are alike. */
	known = &memory->known[level + 1][alignment(extent)];
	if (!known->descriptors)
		*known = search_place(memory, level, first);
	return *known;
}

/* The places of one group, or what there is of them. */
static struct cost best_places(struct memory *memory, int level, uint64_t first, uint64_t size)
{
	uint64_t entry = level_size(memory->f, level);
	struct cost group = {size / entry, 1}, sum = {0, 0};

	for (uint64_t at = first; at - first < size; at += entry)
		add(&sum, best_place(memory, level, at));
	if (size == group_size(memory->f, level) && can_be_leaf(memory, first, size) &&
	    is_less(group, sum))
		return group;
	return sum;
}

/* A table of `level` that maps [first, first + size). */
static struct cost best_table(struct memory *memory, int level, uint64_t first, uint64_t size)
{
	uint64_t group = group_size(memory->f, level);
	struct cost sum = {0, 0};

	if (group > size)
		group = size;
	for (uint64_t at = first; at - first < size; at += group)
		add(&sum, best_places(memory, level, at, group));
	return sum;
}

static struct cost optimum(struct memory *memory)
{
	memset(memory->known, 0, sizeof(memory->known));
	return best_table(memory, memory->start, 0, UINT64_C(1) << memory->f->config.input_bits);
}

/* --- What the table is --- */

struct count {
	struct memory *memory;
	struct cost cost;
	uint64_t bytes;
};

static bool count_leaf(void *context, uint64_t iova, const struct walker_leaf *leaf)
{
	struct count *count = context;

	count->cost.descriptors++;
	count->bytes += leaf->size;
	if (!(iova & (leaf->group_size - 1)))
		count->cost.translations++;
	return holder(count->memory, iova, leaf->size) != NULL;
}

static void expect_optimum(struct memory *memory)
{
	struct fixture *f = memory->f;
	struct count count = {.memory = memory};
	struct cost want = optimum(memory);
	uint64_t bytes = 0;

	assert_true(walker_for_each_leaf(f->walkers[0], 0, space_last(f), count_leaf, &count));
	count.cost.descriptors += pool_in_use(f->host.pool) - 1;
	for (unsigned i = 0; i < memory->count; i++)
		bytes += memory->extents[i].size;
	assert_int_equal(count.bytes, bytes);
	memory->summed += want.descriptors;
	if (count.cost.descriptors == want.descriptors &&
	    count.cost.translations == want.translations)
		return;
	for (unsigned i = 0; i < memory->count; i++)
		print_error("0x%" PRIx64 " to 0x%" PRIx64 ", 0x%" PRIx64 " bytes\n",
		            memory->extents[i].iova, memory->extents[i].phys,
		            memory->extents[i].size);
	print_error("\t%" PRIu64 " descriptors, best %" PRIu64 "; %" PRIu64
	            " translations, best %" PRIu64 "\n",
	            count.cost.descriptors, want.descriptors, count.cost.translations,
	            want.translations);
	fail();
}

/* --- Ranges --- */

static uint64_t below(struct memory *memory, uint64_t bound)
{
	return random_below(&memory->random, bound);
}

/* One of the leaf sizes that there are. */
static uint64_t any_size(struct memory *memory)
{
	uint64_t sizes = memory->f->config.leaf_sizes;

	for (;;) {
		uint64_t size = UINT64_C(1) << below(memory, BITS);

		if (sizes & size)
			return size;
	}
}

/* Some granules from a multiple of some leaf size, or just there. */
static uint64_t near_boundary(struct memory *memory, uint64_t space)
{
	uint64_t size = any_size(memory), g = granule(memory->f);
	uint64_t at = below(memory, space / size + 1) * size;

	if (below(memory, 3))
		return at;
	at += (below(memory, 5) * g) - 2 * g;
	return at > space ? 0 : at;
}

/* Anything but nothing: both ends near boundaries, the output aligned to some size. */
static struct extent any_extent(struct memory *memory)
{
	uint64_t space = UINT64_C(1) << memory->f->config.input_bits, end;
	struct extent extent = {0};

	do {
		extent.iova = near_boundary(memory, space);
		end = near_boundary(memory, space);
	} while (extent.iova >= end);
	extent.size = end - extent.iova;
	extent.phys = below(memory, 4) * any_size(memory) + extent.iova % any_size(memory);
	return extent;
}

static void map_extent(struct memory *memory, const struct extent *extent)
{
	map(memory->f, extent->iova, extent->phys, extent->size, RW);
}

static void empty(struct memory *memory)
{
	unmap(memory->f, 0, space_last(memory->f) + 1);
	assert_int_equal(pool_in_use(memory->f->host.pool), 1);
}

/* Output that is not aligned at all makes very many pages. */
static bool is_small(struct memory *memory)
{
	return optimum(memory).descriptors < 20000;
}

static void start(struct memory *memory, struct fixture *f)
{
	unsigned tables;

	*memory = (struct memory){.f = f, .random = {seed_from_environment("IOPGT_SEED", 1)}};
	assert_true(walker_start_level(walker_config(f->walkers[0]), &memory->start, &tables));
}

/* --- Tests --- */

static void one_mapping_uses_the_fewest_descriptors(struct fixture *f)
{
	static struct memory memory;

	start(&memory, f);
	memory.count = 1;
	for (unsigned i = 0; i < CASES; i++) {
		memory.extents[0] = any_extent(&memory);
		if (!is_small(&memory))
			continue;
		map_extent(&memory, &memory.extents[0]);
		expect_optimum(&memory);
		empty(&memory);
	}
	assert_true(memory.summed > CASES);
}

/* Pieces of one mapping, in any order: merged, they are as if mapped at once. */
static void merged_pieces_use_the_fewest_descriptors(struct fixture *f)
{
	static struct memory memory;

	start(&memory, f);
	memory.count = 1;
	for (unsigned i = 0; i < CASES; i++) {
		struct extent whole = any_extent(&memory), low = whole, high = whole;

		memory.extents[0] = whole;
		if (!is_small(&memory) || whole.size == granule(f))
			continue;
		low.size = (1 + below(&memory, whole.size / granule(f) - 1)) * granule(f);
		high.iova += low.size;
		high.phys += low.size;
		high.size -= low.size;
		map_extent(&memory, i % 2 ? &low : &high);
		map_extent(&memory, i % 2 ? &high : &low);
		merge(f, 0, space_last(f) + 1);
		expect_optimum(&memory);
		empty(&memory);
	}
	assert_true(memory.summed > CASES / 2);
}

/* A hole in the middle splits blocks and groups; what is left comes together again. */
static void what_a_hole_leaves_uses_the_fewest_descriptors(struct fixture *f)
{
	static struct memory memory;

	start(&memory, f);
	for (unsigned i = 0; i < CASES; i++) {
		struct extent low = any_extent(&memory), high = low;
		uint64_t granules = low.size / granule(f), skip, hole;

		memory.extents[0] = low;
		memory.count = 1;
		if (!is_small(&memory) || granules < 3)
			continue;
		map_extent(&memory, &low);
		skip = 1 + below(&memory, granules - 2);
		hole = 1 + below(&memory, i % 2 ? 3 : granules);
		if (skip + hole >= granules)
			hole = granules - skip - 1;
		low.size = skip * granule(f);
		high.iova += (skip + hole) * granule(f);
		high.phys += (skip + hole) * granule(f);
		high.size -= (skip + hole) * granule(f);
		memory.extents[0] = low;
		memory.extents[1] = high;
		memory.count = 2;
		unmap(f, low.iova + low.size, hole * granule(f));
		merge(f, 0, space_last(f) + 1);
		expect_optimum(&memory);
		empty(&memory);
	}
	assert_true(memory.summed > CASES / 2);
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SIZE(shift)  (UINT64_C(1) << (shift))
#define ALL_SIZES    FIXTURE_ALL_LEAF_SIZES

static const struct fixture_options spaces[] = {
	/* 4 KiB, 16 places of 2 MiB: pages; and blocks; and groups of both */
	{.input_bits = 25, .leaf_sizes = SIZE(12)},
	{.input_bits = 25, .leaf_sizes = SIZE(12) | SIZE(21)},
	{.input_bits = 25, .leaf_sizes = SIZE(12) | SIZE(16)},
	{.input_bits = 25, .leaf_sizes = ALL_SIZES},
	{.input_bits = 27, .leaf_sizes = SIZE(12) | SIZE(21) | SIZE(25)},
	/* Small tables, and one concatenated */
	{.input_bits = 16, .leaf_sizes = ALL_SIZES, .config_flags = IOPGT_CONFIG_SMALL_TABLES},
	{.input_bits = 31, .leaf_sizes = ALL_SIZES, .regime = IOPGT_STAGE2},
	/* 1 GiB blocks, AArch32, 512 GiB blocks and 16 GiB groups */
	{.input_bits = 32, .leaf_sizes = ALL_SIZES},
	{.input_bits = 32,
         .leaf_sizes = ALL_SIZES,
         .regime = IOPGT_STAGE1_AARCH32,
         .dirty = FIXTURE_NO_DIRTY},
	{.input_bits = 40, .leaf_sizes = ALL_SIZES, .config_flags = IOPGT_CONFIG_LPA2},
	/* 16 KiB: 2 MiB, 32 MiB, 1 GiB, 64 GiB */
	{.granule_shift = 14, .input_bits = 27, .leaf_sizes = SIZE(14) | SIZE(25)},
	{.granule_shift = 14, .input_bits = 31, .leaf_sizes = ALL_SIZES},
	{.granule_shift = 14,
         .input_bits = 37,
         .leaf_sizes = ALL_SIZES,
         .config_flags = IOPGT_CONFIG_LPA2},
	/* 64 KiB: 2 MiB, 512 MiB, 16 GiB */
	{.granule_shift = 16, .input_bits = 30, .leaf_sizes = SIZE(16) | SIZE(29)},
	{.granule_shift = 16, .input_bits = 35, .leaf_sizes = ALL_SIZES},
};

int main(void)
{
	static const struct fixture_test each[] = {
		TEST(0, one_mapping_uses_the_fewest_descriptors),
		TEST(0, merged_pieces_use_the_fewest_descriptors),
		TEST(0, what_a_hole_leaves_uses_the_fewest_descriptors),
	};
	struct fixture_test tests[COUNT(spaces) * COUNT(each)];

	for (size_t i = 0; i < COUNT(tests); i++) {
		tests[i] = each[i % COUNT(each)];
		tests[i].options = spaces[i / COUNT(each)];
	}
	return FIXTURE_RUN(tests);
}
