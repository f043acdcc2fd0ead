/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Output addresses in leaves (tables D8-52, D8-53), the large blocks, nT and the
 * Contiguous bit. Constants are typed from the Arm ARM.
 */
#include "test_descriptors.h"

/* A leaf of its own table. */
struct address {
	uint32_t regime, flags;
	uint8_t granule_shift, input_bits, output_bits;
	int8_t start, level; /* where the walk starts, and the leaf is */
	uint64_t iova, phys, size;
	uint64_t want;
};

#define EL1  IOPGT_STAGE1_EL1
#define S2   IOPGT_STAGE2
#define LPA2 IOPGT_CONFIG_LPA2

static void expect_address(const struct address *row)
{
	struct iopgt_config config = rig_config(row->regime, row->flags);
	const struct iopgt_mapping mapping = {
		.iova = row->iova,
		.phys = row->phys,
		.size = row->size,
		.prot = R | W,
		.memory = WB,
	};
	uint64_t either = 0;
	struct rig rig;

	config.granule_shift = row->granule_shift;
	config.input_bits = row->input_bits;
	config.output_bits = row->output_bits;
	if (row->regime == IOPGT_STAGE1_AARCH32 || row->regime == IOPGT_STAGE2_AARCH32) {
		config.dirty = IOPGT_DIRTY_NONE;
		config.bbm_level = 0;
	}
	rig_begin(&rig, &config, row->start);
	rig_map(&rig, &mapping);
	if (row->regime == IOPGT_STAGE1_AARCH32) /* PXN says nothing where XN denies all */
		either = BIT(53);
	expect_raw(row->want, raw_at(&rig.raw, row->iova, row->level) & ~either);
	rig_end(&rig);
}

static void expect_addresses(const struct address *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		expect_address(&rows[i]);
}

#define KIB UINT64_C(0x400)
#define MIB UINT64_C(0x100000)
#define GIB UINT64_C(0x40000000)
#define TIB UINT64_C(0x10000000000)

/* 47:12, 47:14, 47:16 in place; 47:21 and so on in blocks. */
static void output_addresses_stand_in_place(void **state)
{
	static const struct address rows[] = {
		{EL1, 0, 12, 48, 48, 0, 3, 0x7000, 0x0000fffffffff000, 4 * KIB, 0x0068ffffffffff47},
		{EL1, 0, 12, 48, 48, 0, 3, 0, 0x0000a5a5a5a5a000, 4 * KIB, 0x0068a5a5a5a5af47},
		{EL1, 0, 12, 48, 48, 0, 3, 0, 0x0000800000001000, 4 * KIB, 0x0068800000001f47},
		{EL1, 0, 14, 48, 48, 0, 3, 0, 0x0000ffffffffc000, 16 * KIB, 0x0068ffffffffcf47},
		{EL1, 0, 14, 48, 48, 0, 3, 0, 0x0000123456784000, 16 * KIB, 0x0068123456784f47},
		{EL1, 0, 14, 48, 48, 0, 3, 0, 0x0000800000008000, 16 * KIB, 0x0068800000008f47},
		{EL1, 0, 16, 48, 48, 1, 3, 0, 0x0000ffffffff0000, 64 * KIB, 0x0068ffffffff0f47},
		{EL1, 0, 16, 48, 48, 1, 3, 0, 0x0000123456780000, 64 * KIB, 0x0068123456780f47},
		{EL1, 0, 16, 48, 48, 1, 3, 0, 0x0000800000010000, 64 * KIB, 0x0068800000010f47},
		{EL1, 0, 12, 48, 48, 0, 2, 2 * MIB, 0x0000ffffffe00000, 2 * MIB,
	         0x0068ffffffe00f45},
		{EL1, 0, 12, 48, 48, 0, 2, 0, 0x0000800000200000, 2 * MIB, 0x0068800000200f45},
		{EL1, 0, 12, 48, 48, 0, 1, GIB, 0x0000ffffc0000000, GIB, 0x0068ffffc0000f45},
		{EL1, 0, 12, 48, 48, 0, 1, 0, 0x0000800040000000, GIB, 0x0068800040000f45},
		{EL1, 0, 14, 48, 48, 0, 2, 0, 0x0000fffffe000000, 32 * MIB, 0x0068fffffe000f45},
		{EL1, 0, 16, 48, 48, 1, 2, 0, 0x0000ffffe0000000, 512 * MIB, 0x0068ffffe0000f45},
		{S2, 0, 12, 48, 48, 0, 3, 0, 0x0000a5a5a5a5a000, 4 * KIB, 0x0048a5a5a5a5a7ff},
		{S2, 0, 12, 40, 40, 1, 2, 0, 0x000000ffffe00000, 2 * MIB, 0x004800ffffe007fd},
		{S2, 0, 16, 42, 44, 2, 2, 0, 0x00000fffe0000000, 512 * MIB, 0x00480fffe00007fd},
	};

	(void)state;
	expect_addresses(rows, COUNT(rows));
}

/* DS = 1: OA[49:48] at 49:48, OA[51:50] at 9:8. 52 input bits start at level -1 (4 KiB). */
static void lpa2_moves_two_bits_of_the_address(void **state)
{
	static const struct address rows[] = {
		{EL1, LPA2, 12, 52, 52, -1, 3, 0, 0x000ffffffffff000, 4 * KIB, 0x006bffffffffff47},
		{EL1, LPA2, 12, 52, 52, -1, 3, 0, 0x0004000000001000, 4 * KIB, 0x0068000000001d47},
		{EL1, LPA2, 12, 52, 52, -1, 3, 0, 0x0008000000001000, 4 * KIB, 0x0068000000001e47},
		{EL1, LPA2, 12, 52, 52, -1, 3, 0, 0x0001000000001000, 4 * KIB, 0x0069000000001c47},
		{EL1, LPA2, 12, 52, 52, -1, 3, 0, 0x0002000000001000, 4 * KIB, 0x006a000000001c47},
		{EL1, LPA2, 12, 48, 52, 0, 3, 0, 0x000e876543210000, 4 * KIB, 0x006a876543210f47},
		{EL1, LPA2, 12, 52, 52, -1, 2, 0, 0x000f800000200000, 2 * MIB, 0x006b800000200f45},
		{EL1, LPA2, 12, 52, 52, -1, 1, 0, 0x0009800040000000, GIB, 0x0069800040000e45},
		{EL1, LPA2, 14, 52, 52, 0, 3, 0, 0x000fffffffffc000, 16 * KIB, 0x006bffffffffcf47},
		{EL1, LPA2, 14, 52, 52, 0, 3, 0, 0x0006000000004000, 16 * KIB, 0x006a000000004d47},
		{EL1, LPA2, 14, 52, 52, 0, 2, 0, 0x000d000002000000, 32 * MIB, 0x0069000002000f45},
		{S2, LPA2, 12, 52, 52, 0, 3, 0, 0x000ffffffffff000, 4 * KIB, 0x004bfffffffff7ff},
		{S2, LPA2, 12, 52, 52, 0, 2, 0, 0x0005800000200000, 2 * MIB, 0x00498000002005fd},
		{S2, LPA2, 14, 52, 52, 0, 3, 0, 0x000a000000004000, 16 * KIB, 0x004a0000000046ff},
		{S2, LPA2, 14, 48, 48, 1, 3, 0, 0x0000800000004000, 16 * KIB, 0x00488000000044ff},
	};

	(void)state;
	expect_addresses(rows, COUNT(rows));
}

/* 64 KiB with 52 output bits: OA[51:48] at 15:12; with 48, these bits are zero. */
static void four_bits_stand_low_with_64_kib(void **state)
{
	static const struct address rows[] = {
		{EL1, 0, 16, 52, 52, 1, 3, 0, 0x000fffffffff0000, 64 * KIB, 0x0068ffffffffff47},
		{EL1, 0, 16, 52, 52, 1, 3, 0, 0x0001000000010000, 64 * KIB, 0x0068000000011f47},
		{EL1, 0, 16, 48, 52, 1, 3, 0, 0x000a876543210000, 64 * KIB, 0x006887654321af47},
		{EL1, 0, 16, 52, 52, 1, 2, 0, 0x0004000020000000, 512 * MIB, 0x0068000020004f45},
		{EL1, 0, 16, 52, 48, 1, 3, 0, 0x0000876543210000, 64 * KIB, 0x0068876543210f47},
		{S2, 0, 16, 52, 52, 1, 3, 0, 0x000fffffffff0000, 64 * KIB, 0x0048fffffffff7ff},
		{S2, 0, 16, 52, 52, 1, 2, 0, 0x0008000020000000, 512 * MIB, 0x00480000200087fd},
	};

	(void)state;
	expect_addresses(rows, COUNT(rows));
}

/* D8.3.1.2: 512 GiB at level 0 and 64 GiB at level 1 with DS, 4 TiB at level 1 with LPA. */
static void the_largest_blocks(void **state)
{
	static const struct address rows[] = {
		{EL1, LPA2, 12, 52, 52, -1, 0, 0, 0x000f800000000000, 512 * GIB,
	         0x006b800000000f45},
		{EL1, LPA2, 12, 52, 52, -1, 0, 512 * GIB, 0x0000008000000000, 512 * GIB,
	         0x0068008000000c45},
		{EL1, LPA2, 12, 48, 48, 0, 0, 512 * GIB, 0x0000800000000000, 512 * GIB,
	         0x0068800000000c45},
		{S2, LPA2, 12, 52, 52, 0, 0, 0, 0x0006000000000000, 512 * GIB, 0x004a0000000005fd},
		{EL1, LPA2, 14, 52, 52, 0, 1, 0, 0x000ff00000000000, 64 * GIB, 0x006bf00000000f45},
		{EL1, LPA2, 14, 48, 48, 0, 1, 64 * GIB, 0x0000001000000000, 64 * GIB,
	         0x0068001000000c45},
		{S2, LPA2, 14, 52, 52, 0, 1, 0, 0x0008001000000000, 64 * GIB, 0x00480010000006fd},
		{EL1, 0, 16, 52, 52, 1, 1, 0, 0x000ffc0000000000, 4 * TIB, 0x0068fc000000ff45},
		{EL1, 0, 16, 48, 52, 1, 1, 4 * TIB, 0x0001040000000000, 4 * TIB,
	         0x0068040000001f45},
		{S2, 0, 16, 52, 52, 1, 1, 0, 0x0002080000000000, 4 * TIB, 0x00480800000027fd},
	};

	(void)state;
	expect_addresses(rows, COUNT(rows));
}

/* Without DS, LPA or the input for it, there is no such block: a smaller one is used. */
static void without_the_extension_the_largest_blocks_are_smaller(void **state)
{
	static const struct address rows[] = {
		{EL1, 0, 12, 48, 48, 0, 1, 0, 0x0000008000000000, 512 * GIB, 0x0068008000000f45},
		{EL1, 0, 14, 48, 48, 0, 2, 0, 0x0000001000000000, 64 * GIB, 0x0068001000000f45},
		{EL1, 0, 16, 52, 48, 1, 2, 0, 0x0000040000000000, 4 * TIB, 0x0068040000000f45},
	};

	(void)state;
	expect_addresses(rows, COUNT(rows));
}

/* AArch32: 39:12, 39:21, 39:30 (G5.5.2) */
static void aarch32_addresses(void **state)
{
	static const struct address rows[] = {
		{IOPGT_STAGE1_AARCH32, 0, 12, 32, 40, 1, 3, 0, 0x000000fffffff000, 4 * KIB,
	         0x004000ffffffff47},
		{IOPGT_STAGE1_AARCH32, 0, 12, 32, 40, 1, 2, 0, 0x000000a5a5a00000, 2 * MIB,
	         0x004000a5a5a00f45},
		{IOPGT_STAGE1_AARCH32, 0, 12, 32, 40, 1, 1, GIB, 0x00000080c0000000, GIB,
	         0x00400080c0000f45},
		{IOPGT_STAGE2_AARCH32, 0, 12, 40, 40, 1, 3, 0, 0x0000008765432000, 4 * KIB,
	         0x00400087654327ff},
		{IOPGT_STAGE2_AARCH32, 0, 12, 40, 40, 1, 1, 0, 0x000000ffc0000000, GIB,
	         0x004000ffc00007fd},
	};

	(void)state;
	expect_addresses(rows, COUNT(rows));
}

/* --- Contiguous, bit 52, in every entry (table D8-104) --- */

struct group {
	uint8_t granule_shift;
	int8_t level;
	unsigned entries;
	uint64_t size;
	uint64_t first, second, last; /* entries 0, 1 and the last */
};

static void expect_group(const struct group *group)
{
	struct iopgt_config config = rig_config(EL1, 0);
	struct iopgt_mapping mapping = {
		.iova = 4 * group->size,
		.phys = 6 * group->size,
		.size = group->size,
		.prot = R | W,
		.memory = WB,
	};
	uint64_t entry = group->size / group->entries;
	struct rig rig;

	config.granule_shift = group->granule_shift;
	config.leaf_sizes = iopgt_all_leaf_sizes(&config);
	rig_begin(&rig, &config, group->granule_shift == 16 ? 1 : 0);
	rig_map(&rig, &mapping);
	rig_expect(&rig, mapping.iova, group->level, group->first);
	rig_expect(&rig, mapping.iova + entry, group->level, group->second);
	rig_expect(&rig, mapping.iova + group->size - entry, group->level, group->last);
	rig_end(&rig);
}

static void contiguous_groups(void **state)
{
	static const struct group groups[] = {
		{12, 3, 16, 64 * KIB, 0x0078000000060f47, 0x0078000000061f47, 0x007800000006ff47},
		{12, 2, 16, 32 * MIB, 0x007800000c000f45, 0x007800000c200f45, 0x007800000de00f45},
		{12, 1, 16, 16 * GIB, 0x0078001800000f45, 0x0078001840000f45, 0x0078001bc0000f45},
		{14, 3, 128, 2 * MIB, 0x0078000000c00f47, 0x0078000000c04f47, 0x0078000000dfcf47},
		{14, 2, 32, GIB, 0x0078000180000f45, 0x0078000182000f45, 0x00780001be000f45},
		{16, 3, 32, 2 * MIB, 0x0078000000c00f47, 0x0078000000c10f47, 0x0078000000df0f47},
		{16, 2, 32, 16 * GIB, 0x0078001800000f45, 0x0078001820000f45, 0x0078001be0000f45},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(groups); i++)
		expect_group(&groups[i]);
}

/* --- Outputs that pass from bits that stand in place to those that do not --- */

/* Four leaves from two before the first address whose higher bits are moved. */
struct passing {
	uint32_t flags;
	uint8_t granule_shift;
	int8_t start, level;
	uint64_t first_moved, size;
	uint64_t want[4];
};

static void expect_passing(const struct passing *row)
{
	struct iopgt_config config = rig_config(EL1, row->flags);
	struct iopgt_mapping mapping = {
		.phys = row->first_moved - 2 * row->size,
		.size = 4 * row->size,
		.prot = R | W,
		.memory = WB,
	};
	struct rig rig;

	config.granule_shift = row->granule_shift;
	config.output_bits = 52;
	rig_begin(&rig, &config, row->start);
	/* In a new table, and in one that is there. */
	for (mapping.iova = 8 * row->size; mapping.iova < 17 * row->size;
	     mapping.iova += 8 * row->size) {
		rig_map(&rig, &mapping);
		for (unsigned i = 0; i < 4; i++)
			rig_expect(&rig, mapping.iova + i * row->size, row->level, row->want[i]);
	}
	rig_end(&rig);
}

/* Of pages and blocks alike: at 2^50 with DS = 1, at 2^48 with 64 KiB. */
static void outputs_pass_to_the_moved_bits(void **state)
{
	static const struct passing rows[] = {
		{LPA2,
	         12,
	         0,
	         3,
	         1024 * TIB,
	         4 * KIB,
	         {0x006bffffffffec47, 0x006bfffffffffc47, 0x0068000000000d47, 0x0068000000001d47}},
		{LPA2,
	         12,
	         0,
	         2,
	         1024 * TIB,
	         2 * MIB,
	         {0x006bffffffc00c45, 0x006bffffffe00c45, 0x0068000000000d45, 0x0068000000200d45}},
		{LPA2,
	         14,
	         0,
	         2,
	         1024 * TIB,
	         32 * MIB,
	         {0x006bfffffc000c45, 0x006bfffffe000c45, 0x0068000000000d45, 0x0068000002000d45}},
		{0,
	         16,
	         1,
	         3,
	         256 * TIB,
	         64 * KIB,
	         {0x0068fffffffe0f47, 0x0068ffffffff0f47, 0x0068000000001f47, 0x0068000000011f47}},
		{0,
	         16,
	         1,
	         2,
	         256 * TIB,
	         512 * MIB,
	         {0x0068ffffc0000f45, 0x0068ffffe0000f45, 0x0068000000001f45, 0x0068000020001f45}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		expect_passing(&rows[i]);
}

/* --- nT, bit 16, while a block is split at level 1 (D8.17.1, D8.7.3) --- */

struct seen {
	struct raw raw;
	uint64_t iova, at_first_wait;
	bool waited;
};

static void look_at_first_wait(struct fixture *f, enum host_call call, bool done)
{
	struct seen *seen = f->hook_context;

	if (call != HOST_SYNC || done || seen->waited)
		return;
	seen->waited = true;
	seen->at_first_wait = raw_at(&seen->raw, seen->iova, 2);
}

static void expect_nt_in_split(struct fixture *f, uint32_t prot, uint64_t phys, uint64_t want)
{
	struct seen seen = {.raw = raw_of(f), .iova = 4 * block(f)};

	map(f, seen.iova, phys, block(f), prot);
	f->hook_context = &seen;
	f->hook = look_at_first_wait;
	split(f, seen.iova, block(f));
	f->hook = NULL;
	assert_true(seen.waited);
	expect_raw(want, seen.at_first_wait);
	unmap(f, seen.iova, block(f));
}

static void level_1_sets_nt_in_the_block(struct fixture *f)
{
	expect_nt_in_split(f, R | W, 0x0000800000200000, 0x0068800000210f45);
	expect_nt_in_split(f, R | W | CLEAN, 0x0000800000200000, 0x0068800000210fc5);
	expect_nt_in_split(f, R, 0x0000000000400000, 0x0060000000410fc5);
}

static void level_1_sets_nt_in_a_stage_2_block(struct fixture *f)
{
	expect_nt_in_split(f, R | W, 0x0000800000200000, 0x00488000002107fd);
	expect_nt_in_split(f, W, 0x0000800000200000, 0x00488000002107bd);
	expect_nt_in_split(f, R | X, 0x0000000000400000, 0x000000000041077d);
}

/* RES0 without FEAT_BBML1: never set at level 0; not needed at level 2. */
static void other_levels_leave_nt_clear(struct fixture *f)
{
	struct seen seen = {.raw = raw_of(f), .iova = 4 * block(f)};

	map(f, seen.iova, 8 * block(f), block(f), R | W);
	f->hook_context = &seen;
	f->hook = look_at_first_wait;
	split(f, seen.iova, block(f));
	f->hook = NULL;
	assert_true(seen.waited);
	assert_false((seen.at_first_wait & 1) && (seen.at_first_wait & RAW_NT) &&
	             !(seen.at_first_wait & 2));
}

static int run_plain(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_addresses_stand_in_place),
		cmocka_unit_test(lpa2_moves_two_bits_of_the_address),
		cmocka_unit_test(four_bits_stand_low_with_64_kib),
		cmocka_unit_test(the_largest_blocks),
		cmocka_unit_test(without_the_extension_the_largest_blocks_are_smaller),
		cmocka_unit_test(aarch32_addresses),
		cmocka_unit_test(contiguous_groups),
		cmocka_unit_test(outputs_pass_to_the_moved_bits),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(0, level_1_sets_nt_in_the_block, .level = FIXTURE_LEVEL_1),
		TEST_WITH(0, level_1_sets_nt_in_a_stage_2_block, .level = FIXTURE_LEVEL_1,
	                  .regime = IOPGT_STAGE2),
		TEST_WITH(FIXTURE_STAGES, other_levels_leave_nt_clear, .level = FIXTURE_LEVEL_0),
		TEST_WITH(FIXTURE_STAGES, other_levels_leave_nt_clear, .level = FIXTURE_LEVEL_2),
	};
	int failed = run_plain();

	return FIXTURE_RUN(tests) + failed;
}
