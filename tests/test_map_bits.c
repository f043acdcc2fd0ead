/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors that iopgt_map writes, against constants typed from the
 * architecture (DDI 0487 D8.3.1, D8.4, D8.6), bit by bit:
 *
 *   stage 1: 1:0 page 3, block 1; 4:2 AttrIndx; 6 AP[1]; 7 AP[2]; 9:8 SH; 10 AF;
 *            51 DBM; 53 PXN; 54 UXN or XN
 *   stage 2: 1:0 the same; 5:2 MemAttr; 6 S2AP[0]; 7 S2AP[1]; 9:8 SH; 10 AF;
 *            51 DBM; 54:53 XN
 */
#include "fixture.h"

#define SOFTWARE UINT64_C(0x0780000000000000) /* 58:55 are free for software */
#define SH       UINT64_C(0x300)              /* means nothing for these memory types */
#define NG       UINT64_C(0x800)              /* global or not: the interface does not say */
#define PXN      UINT64_C(0x0020000000000000)

#define X    IOPGT_EXECUTE
#define PRIV IOPGT_PRIVILEGED
#define R    IOPGT_READ
#define W    IOPGT_WRITE

struct bits {
	uint32_t prot, memory;
	uint64_t page;   /* all but the address */
	uint64_t either; /* bits that are not said */
};

static const struct bits el1[] = {
	{R | W, IOPGT_WRITE_BACK, 0x0068000000000747, NG},
	{R | W | IOPGT_CLEAN, IOPGT_WRITE_BACK, 0x00680000000007c7, NG},
	{R | W | IOPGT_NO_TRACK, IOPGT_WRITE_BACK, 0x0060000000000747, NG},
	{R, IOPGT_WRITE_BACK, 0x00600000000007c7, NG},
	{R | W | PRIV, IOPGT_WRITE_BACK, 0x0068000000000707, NG},
	{R | PRIV, IOPGT_WRITE_BACK, 0x0060000000000787, NG},
	{R | X, IOPGT_WRITE_BACK, 0x00000000000007c7, NG | PXN},
	{R | W | X, IOPGT_WRITE_BACK, 0x0008000000000747, NG | PXN},
	{R | X | PRIV, IOPGT_WRITE_BACK, 0x0040000000000787, NG},
	{R | W, IOPGT_NON_CACHEABLE, 0x0068000000000443, NG | SH},
	{R | W, IOPGT_DEVICE, 0x006800000000044b, NG | SH},
	{R | W | IOPGT_NO_TRACK, IOPGT_DEVICE, 0x006000000000044b, NG | SH},
};

static const struct bits el2[] = {
	{R | W, IOPGT_WRITE_BACK, 0x0048000000000747, 0},
	{R | W | IOPGT_CLEAN, IOPGT_WRITE_BACK, 0x00480000000007c7, 0},
	{R | W | IOPGT_NO_TRACK, IOPGT_WRITE_BACK, 0x0040000000000747, 0},
	{R, IOPGT_WRITE_BACK, 0x00400000000007c7, 0},
	{R | X, IOPGT_WRITE_BACK, 0x00000000000007c7, 0},
	{R | W | X, IOPGT_WRITE_BACK, 0x0008000000000747, 0},
	{R | W, IOPGT_NON_CACHEABLE, 0x0048000000000443, SH},
	{R | W, IOPGT_DEVICE, 0x004800000000044b, SH},
};

static const struct bits stage2[] = {
	{R | W, IOPGT_WRITE_BACK, 0x00480000000007ff, 0},
	{R | W | IOPGT_CLEAN, IOPGT_WRITE_BACK, 0x004800000000077f, 0},
	{R | W | IOPGT_NO_TRACK, IOPGT_WRITE_BACK, 0x00400000000007ff, 0},
	{R, IOPGT_WRITE_BACK, 0x004000000000077f, 0},
	{W, IOPGT_WRITE_BACK, 0x00480000000007bf, 0},
	{R | X, IOPGT_WRITE_BACK, 0x000000000000077f, 0},
	{R | W | X, IOPGT_WRITE_BACK, 0x00080000000007ff, 0},
	{R | W, IOPGT_NON_CACHEABLE, 0x00480000000004d7, SH},
	{R | W, IOPGT_DEVICE, 0x00480000000004c7, SH},
};

static const struct bits forced_write_back[] = {
	{R | W, IOPGT_WRITE_BACK, 0x00480000000007db, 0},
	{R | W, IOPGT_NON_CACHEABLE, 0x00480000000004d7, SH},
	{R | W, IOPGT_DEVICE, 0x00480000000004c7, SH},
	{R, IOPGT_WRITE_BACK, 0x004000000000075b, 0},
};

static const struct bits no_dirty_management[] = {
	{R | W, IOPGT_WRITE_BACK, 0x0060000000000747, NG},
	{R, IOPGT_WRITE_BACK, 0x00600000000007c7, NG},
};

static void expect_bits(struct fixture *f, uint64_t iova, uint64_t phys, const struct bits *bits)
{
	uint64_t either = bits->either | SOFTWARE;
	uint64_t got = leaf_at(f, iova).descriptor;
	uint64_t want = bits->page | phys;

	if (leaf_at(f, iova).level != 3)
		want &= ~UINT64_C(2);
	if (((got ^ want) & ~either) == 0)
		return;
	print_error("prot 0x%x, memory %u: wanted 0x%llx, got 0x%llx\n", bits->prot, bits->memory,
	            (unsigned long long)want, (unsigned long long)got);
	fail();
}

static void map_with(struct fixture *f, uint64_t iova, uint64_t phys, const struct bits *bits)
{
	struct iopgt_mapping mapping = fixture_mapping(iova, phys, block(f) + granule(f), 0);

	mapping.prot = bits->prot;
	mapping.memory = bits->memory;
	fixture_map(f, &mapping);
}

/* One block and one page each. */
static void expect_all_bits(struct fixture *f, const struct bits *bits, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t iova = 4 * block(f) * (i + 1);
		uint64_t phys = UINT64_C(0x8765c0000000);

		map_with(f, iova, phys, &bits[i]);
		expect_level(f, iova, 2);
		expect_level(f, iova + block(f), 3);
		expect_bits(f, iova, phys, &bits[i]);
		expect_bits(f, iova + block(f), phys + block(f), &bits[i]);
	}
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void stage_1_el1_descriptors_are_as_specified(struct fixture *f)
{
	expect_all_bits(f, el1, COUNT(el1));
}

static void stage_1_el2_descriptors_are_as_specified(struct fixture *f)
{
	expect_all_bits(f, el2, COUNT(el2));
}

static void stage_2_descriptors_are_as_specified(struct fixture *f)
{
	expect_all_bits(f, stage2, COUNT(stage2));
}

static void forced_write_back_descriptors_are_as_specified(struct fixture *f)
{
	expect_all_bits(f, forced_write_back, COUNT(forced_write_back));
}

static void descriptors_without_dirty_management_have_no_dbm(struct fixture *f)
{
	expect_all_bits(f, no_dirty_management, COUNT(no_dirty_management));
}

static void level_1_blocks_are_as_specified(struct fixture *f)
{
	static const struct bits want = {R | W, IOPGT_WRITE_BACK, 0x0068000000000747, NG};

	map(f, UINT64_C(1) << 30, UINT64_C(0x8765c0000000), UINT64_C(1) << 30, RW);
	expect_level(f, UINT64_C(1) << 30, 1);
	expect_bits(f, UINT64_C(1) << 30, UINT64_C(0x8765c0000000), &want);
}

/* Bits 47:granule are the next table, 1:0 are 3, and 58:51 are free or ignored. */
static void table_descriptors_hold_an_address_and_nothing_else(struct fixture *f)
{
	const uint64_t free_bits = UINT64_C(0x07f8000000000000);
	uint64_t address = (UINT64_C(1) << 48) - granule(f);
	uint64_t table;
	_Atomic uint64_t *entry = NULL;

	map(f, 0, 0, granule(f), RW);
	/* The last-level table's start is where the first page's descriptor stands. */
	table = leaf_at(f, 0).descriptor_phys;
	for (uint64_t phys = f->table->root_phys;; phys = pool_little_endian(*entry) & address) {
		entry = pool_word(f->host.pool, phys, false);
		assert_non_null(entry);
		assert_int_equal(pool_little_endian(*entry) & ~(address | free_bits), 3);
		if ((pool_little_endian(*entry) & address) == table)
			break;
	}
}

static void memory_types_are_those_of_mair(struct fixture *f)
{
	static const struct {
		uint32_t memory;
		enum walker_memory want;
		uint8_t device;
	} types[] = {
		{IOPGT_NON_CACHEABLE, WALKER_NON_CACHEABLE, 0},
		{IOPGT_WRITE_BACK, WALKER_WRITE_BACK, 0},
		{IOPGT_DEVICE, WALKER_DEVICE, 1},
		{IOPGT_INNER_NON_CACHEABLE, WALKER_INNER_NON_CACHEABLE, 0},
		{IOPGT_DEVICE_NGNRNE, WALKER_DEVICE, 0},
		{IOPGT_DEVICE_NGRE, WALKER_DEVICE, 2},
		{IOPGT_DEVICE_GRE, WALKER_DEVICE, 3},
	};

	assert_int_equal(COUNT(types), IOPGT_MEMORY_TYPES);
	for (size_t i = 0; i < COUNT(types); i++) {
		uint64_t iova = granule(f) * i;
		struct iopgt_mapping mapping = fixture_mapping(iova, 0, granule(f), RW);

		mapping.memory = types[i].memory;
		if (f->config.flags & IOPGT_CONFIG_FORCED_WRITE_BACK &&
		    types[i].want == WALKER_INNER_NON_CACHEABLE)
			continue;
		fixture_map(f, &mapping);
		assert_int_equal(leaf_at(f, iova).memory, types[i].want);
		if (types[i].want == WALKER_DEVICE)
			assert_int_equal(leaf_at(f, iova).device, types[i].device);
	}
}

/* "Without dirty management IOPGT_CLEAN and IOPGT_NO_TRACK mean nothing." */
static void without_dirty_management_clean_and_untracked_mean_nothing(struct fixture *f)
{
	const uint32_t prots[] = {RW, RW | IOPGT_CLEAN, RW | IOPGT_NO_TRACK};

	for (uint64_t i = 0; i < COUNT(prots); i++) {
		map(f, i * granule(f), 0, granule(f), prots[i]);
		write_page(f, i * granule(f));
		assert_int_equal(state_at(f, i * granule(f)), IOPGT_LEAF_UNTRACKED);
		assert_int_equal(leaf_at(f, i * granule(f)).descriptor, leaf_at(f, 0).descriptor);
	}
}

int main(void)
{
	const uint32_t el1_el2_stage2 = FIXTURE_GRANULES | FIXTURE_REGIMES;
	const struct fixture_test tests[] = {
		TEST(FIXTURE_GRANULES | FIXTURE_LEVELS, stage_1_el1_descriptors_are_as_specified),
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_LEVELS,
	                  stage_1_el2_descriptors_are_as_specified, .regime = IOPGT_STAGE1_EL2),
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_LEVELS, stage_2_descriptors_are_as_specified,
	                  .regime = IOPGT_STAGE2),
		TEST_WITH(FIXTURE_GRANULES, forced_write_back_descriptors_are_as_specified,
	                  .regime = IOPGT_STAGE2, .config_flags = IOPGT_CONFIG_FORCED_WRITE_BACK),
		TEST_WITH(FIXTURE_GRANULES, descriptors_without_dirty_management_have_no_dbm,
	                  .dirty = FIXTURE_NO_DIRTY),
		TEST_WITH(FIXTURE_GRANULES, stage_1_el1_descriptors_are_as_specified,
	                  .dirty = FIXTURE_SOFTWARE),
		TEST(FIXTURE_LEVELS, level_1_blocks_are_as_specified),
		TEST(el1_el2_stage2, table_descriptors_hold_an_address_and_nothing_else),
		TEST(FIXTURE_REGIMES, memory_types_are_those_of_mair),
		TEST_WITH(0, memory_types_are_those_of_mair, .regime = IOPGT_STAGE2,
	                  .config_flags = IOPGT_CONFIG_FORCED_WRITE_BACK),
		TEST_WITH(FIXTURE_REGIMES,
	                  without_dirty_management_clean_and_untracked_mean_nothing,
	                  .dirty = FIXTURE_NO_DIRTY),
	};

	return FIXTURE_RUN(tests);
}
