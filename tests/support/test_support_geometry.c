/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walker model's shapes and wide addresses, against tables and descriptors
 * typed from the specification.
 */
#include "test_rig.h"

#define TIB (1024 * GIB)

struct start {
	uint32_t flags;
	uint8_t stage, granule_shift, input_bits, output_bits;
	int level;
	unsigned tables;
	uint64_t bytes;
};

#define LPA2  WALKER_LPA2
#define SMALL WALKER_SMALL_TABLES
#define A32   WALKER_AARCH32

static const struct start starts[] = {
	/* Table D8-18: 4 KiB, stage 1 */
	{LPA2, 1, 12, 52, 52, -1, 1, 128},
	{LPA2, 1, 12, 49, 52, -1, 1, 64},
	{LPA2, 1, 12, 48, 52, 0, 1, 4 * KIB},
	{LPA2, 1, 12, 52, 32, -1, 1, 128},
	{SMALL, 1, 12, 24, 40, 2, 1, 64},
	{SMALL, 1, 12, 22, 40, 2, 1, 64},
	{SMALL, 1, 12, 21, 40, 3, 1, 4 * KIB},
	{SMALL, 1, 12, 16, 40, 3, 1, 128},
	/* Table D8-28: 16 KiB, stage 1 */
	{LPA2, 1, 14, 52, 52, 0, 1, 256},
	{LPA2, 1, 14, 48, 52, 0, 1, 64},
	{LPA2, 1, 14, 47, 48, 1, 1, 16 * KIB},
	{SMALL, 1, 14, 24, 40, 3, 1, 8 * KIB},
	{SMALL, 1, 14, 16, 40, 3, 1, 64},
	/* Table D8-37: 64 KiB, stage 1; input and output sizes are independent */
	{0, 1, 16, 52, 52, 1, 1, 8 * KIB},
	{0, 1, 16, 52, 48, 1, 1, 8 * KIB},
	{0, 1, 16, 42, 52, 2, 1, 64 * KIB},
	{SMALL, 1, 16, 24, 40, 3, 1, 2 * KIB},
	{SMALL, 1, 16, 17, 40, 3, 1, 64},
	/* Table D8-21 to D8-24: 4 KiB, stage 2 */
	{LPA2, 2, 12, 52, 52, 0, 16, 64 * KIB},
	{LPA2, 2, 12, 49, 52, 0, 2, 8 * KIB},
	{LPA2, 2, 12, 48, 52, 0, 1, 4 * KIB},
	{LPA2, 2, 12, 43, 52, 1, 16, 64 * KIB},
	{SMALL, 2, 12, 24, 40, 2, 1, 64},
	{SMALL, 2, 12, 22, 40, 2, 1, 64},
	{SMALL, 2, 12, 21, 40, 3, 1, 4 * KIB},
	{SMALL, 2, 12, 16, 32, 3, 1, 128},
	/* Table D8-30 to D8-33: 16 KiB, stage 2; 48 bits with DS = 1 may still start at 1 */
	{LPA2, 2, 14, 52, 52, 0, 1, 256},
	{LPA2, 2, 14, 51, 52, 1, 16, 256 * KIB},
	{LPA2, 2, 14, 48, 48, 1, 2, 32 * KIB},
	{SMALL, 2, 14, 16, 40, 3, 1, 64},
	/* Table D8-39 to D8-41: 64 KiB, stage 2 */
	{0, 2, 16, 52, 52, 1, 1, 8 * KIB},
	{0, 2, 16, 47, 52, 1, 1, 256},
	{SMALL, 2, 16, 17, 40, 3, 1, 64},
	/* G5.5.7.1: more than 30 bits start at level 1 */
	{A32, 1, 12, 32, 40, 1, 1, 64},
	{A32, 1, 12, 31, 40, 1, 1, 64},
	{A32, 1, 12, 30, 40, 2, 1, 4 * KIB},
	{A32, 1, 12, 25, 40, 2, 1, 128},
	/* G5.5.6.1: 40 bits are two tables, Table G5-4: 31 to 34 bits as many of level 2 */
	{A32, 2, 12, 40, 40, 1, 2, 8 * KIB},
	{A32, 2, 12, 39, 40, 1, 1, 4 * KIB},
	{A32, 2, 12, 35, 40, 1, 1, 256},
	{A32, 2, 12, 34, 40, 2, 16, 64 * KIB},
	{A32, 2, 12, 31, 32, 2, 2, 8 * KIB},
	{A32, 2, 12, 25, 32, 2, 1, 128},
};

static void start_levels_are_those_of_the_specification(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		const struct start *start = &starts[i];
		struct walker_config config = {
			.flags = start->flags,
			.stage = start->stage,
			.granule_shift = start->granule_shift,
			.input_bits = start->input_bits,
			.output_bits = start->output_bits,
		};
		unsigned tables;
		int level;

		assert_true(walker_start_level(&config, &level, &tables));
		assert_int_equal(level, start->level);
		assert_int_equal(tables, start->tables);
		assert_int_equal(walker_start_bytes(&config), start->bytes);
	}
}

static void impossible_sizes_are_refused(void **state)
{
	static const struct start bad[] = {
		{0, 1, 12, 49, 48, 0, 0, 0},     {0, 1, 12, 48, 52, 0, 0, 0},
		{LPA2, 1, 12, 53, 52, 0, 0, 0},  {LPA2, 1, 16, 48, 48, 0, 0, 0},
		{0, 1, 16, 53, 52, 0, 0, 0},     {LPA2, 2, 12, 52, 48, 0, 0, 0},
		{0, 2, 16, 52, 48, 0, 0, 0},     {0, 1, 12, 24, 40, 0, 0, 0},
		{SMALL, 1, 12, 15, 40, 0, 0, 0}, {SMALL, 1, 16, 16, 40, 0, 0, 0},
		{A32, 1, 12, 33, 40, 0, 0, 0},   {A32, 2, 12, 41, 40, 0, 0, 0},
		{A32, 1, 12, 24, 40, 0, 0, 0},   {A32, 1, 14, 32, 40, 0, 0, 0},
		{A32, 1, 12, 32, 48, 0, 0, 0},   {A32 | LPA2, 1, 12, 32, 40, 0, 0, 0},
		{0, 1, 12, 40, 50, 0, 0, 0},     {WALKER_TTBR1, 2, 12, 40, 40, 0, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct walker_config config = {
			.flags = bad[i].flags,
			.stage = bad[i].stage,
			.granule_shift = bad[i].granule_shift,
			.input_bits = bad[i].input_bits,
			.output_bits = bad[i].output_bits,
		};

		assert_int_equal(walker_start_bytes(&config), 0);
	}
}

/* One descriptor, put as it is. */
struct wide {
	uint32_t flags;
	uint8_t stage, granule_shift, input_bits, output_bits;
	int level;
	uint64_t iova, descriptor, phys;
};

#define TOP UINT64_C(0xfffffffffffff) /* 52 bits */

/* 0x747: stage 1, AttrIndx 1, AP[1], SH 3, AF, page; 0x7ff: stage 2, MemAttr 15, S2AP 3 */
static const struct wide wides[] = {
	/* Table D8-52 with DS = 1: OAB[49:48] in place, OAB[51:50] in bits 9:8 */
	{LPA2, 1, 12, 52, 52, 3, TOP - 0xfff, 0x0003fffffffff747, 0xffffffffff000},
	{LPA2, 1, 12, 52, 52, 3, 0, 0x0002000000001547, 0x6000000001000},
	{LPA2, 1, 12, 52, 52, 2, 0, 0x0001000000200645, 0x9000000200000},
	{LPA2, 1, 12, 52, 52, 1, 0, 0x0000000040000745, 0xc000040000000},
	{LPA2, 1, 12, 52, 52, 0, 15 * 512 * GIB, 0x0003ff8000000745, 0xfff8000000000},
	{LPA2, 2, 12, 52, 52, 3, TOP - 0xfff, 0x0001fffffffff5ff, 0x5fffffffff000},
	{LPA2, 1, 14, 52, 52, 3, TOP - 0x3fff, 0x0003ffffffffc747, 0xfffffffffc000},
	{LPA2, 1, 14, 52, 52, 2, 0, 0x0001000002000545, 0x5000002000000},
	{LPA2, 2, 14, 51, 52, 1, 64 * GIB, 0x00020010000007fd, 0xe001000000000},
	/* Table D8-52: 64 KiB with FEAT_LPA: OAB[51:48] in bits 15:12 */
	{0, 1, 16, 52, 52, 3, TOP - 0xffff, 0x0000fffffffff747, 0xfffffffff0000},
	{0, 1, 16, 52, 52, 3, 0, 0x000000000001a747, 0xa000000010000},
	{0, 1, 16, 52, 52, 2, 0, 0x0000000020005745, 0x5000020000000},
	{0, 1, 16, 52, 52, 1, 4 * TIB, 0x0000040000008745, 0x8040000000000},
	{0, 2, 16, 52, 52, 1, TOP - 4 * TIB + 1, 0x0000fc000000f7fd, 0xffc0000000000},
	/* TTBR1: the top of 64 bits (D8.2.4) */
	{WALKER_TTBR1, 1, 12, 39, 48, 3, UINT64_MAX - 0xfff, 0x5747, 0x5000},
	{WALKER_TTBR1, 1, 12, 39, 48, 1, UINT64_MAX << 39, 0x40000745, 0x40000000},
	{WALKER_TTBR1 | LPA2, 1, 12, 52, 52, 0, UINT64_MAX << 52, 0x745, 0xc000000000000},
	{WALKER_TTBR1, 1, 16, 52, 52, 1, UINT64_MAX << 42, 0x1745, 0x1000000000000},
	{WALKER_TTBR1 | SMALL, 1, 12, 16, 48, 3, UINT64_MAX << 16, 0x5747, 0x5000},
	/* Small tables */
	{SMALL, 1, 12, 16, 48, 3, 0xf000, 0x5747, 0x5000},
	{SMALL, 2, 12, 22, 48, 2, 0x200000, 0x2007fd, 0x200000},
	{SMALL, 1, 14, 16, 48, 3, 0xc000, 0x8747, 0x8000},
	{SMALL, 1, 16, 17, 48, 3, 0x10000, 0x20747, 0x20000},
	/* G5.5.2: bits 39:12 */
	{A32, 1, 12, 32, 40, 3, 0xfffff000, 0xfffffff747, 0xfffffff000},
	{A32, 1, 12, 32, 40, 1, 0xc0000000, 0xffc0000745, 0xffc0000000},
	{A32, 2, 12, 40, 40, 2, UINT64_C(0x8000200000), 0xfe002007fd, 0xfe00200000},
};

static struct walker_config wide_config(const struct wide *wide)
{
	return (struct walker_config){
		.flags = wide->flags | WALKER_SMMU,
		.stage = wide->stage,
		.granule_shift = wide->granule_shift,
		.input_bits = wide->input_bits,
		.output_bits = wide->output_bits,
		.bbm_level = 2,
		.tlb_entries = 16,
		.walk_cache_entries = 16,
	};
}

static void expect_wide(struct rig *rig, const struct wide *wide)
{
	uint64_t size = UINT64_C(1) << walker_level_shift(&rig->config, wide->level);
	struct walker_result result;
	struct walker_leaf leaf;

	for (unsigned last = 0; last <= 1; last++) {
		uint64_t offset = last ? size - 1 : 0;

		assert_int_equal(walker_translate(rig->walker, wide->iova + offset, &leaf), 0);
		assert_int_equal(leaf.phys, wide->phys + offset);
		assert_int_equal(leaf.level, wide->level);
		assert_int_equal(leaf.size, size);
		assert_int_equal(walker_access(rig->walker, wide->iova + offset, 0, &result), 0);
		assert_int_equal(result.phys, wide->phys + offset);
		assert_int_equal(result.cached, last);
	}
	assert_int_equal(walker_translate(rig->walker, wide->iova - 1, &leaf), WALKER_TRANSLATION);
	assert_int_equal(walker_translate(rig->walker, wide->iova + size, &leaf),
	                 WALKER_TRANSLATION);
}

/* With tables at the lowest and at the highest addresses that descriptors can name. */
static void wide_descriptors_translate_and_their_neighbours_fault(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wides) / sizeof(wides[0]); i++) {
		struct walker_config config = wide_config(&wides[i]);
		uint64_t top = (UINT64_C(1) << config.output_bits) - 64 * MIB;

		for (unsigned high = 0; high <= 1; high++) {
			struct rig rig;

			rig_init_at(&rig, &config, high ? top : 16 * MIB);
			rig_put(&rig, rig_slot(&rig, wides[i].iova, wides[i].level), 0,
			        wides[i].descriptor);
			expect_wide(&rig, &wides[i]);
			assert_true(host_is_good(&rig.host));
			rig_fini(&rig);
		}
	}
}

struct bad {
	struct wide wide;
	enum walker_fault fault;
};

static const struct bad bads[] = {
	/* Table D8-52: bits 49:48 without DS; 15:12 without FEAT_LPA */
	{{0, 1, 12, 48, 48, 3, 0, 0x0001000000001747, 0}, WALKER_RESERVED},
	{{0, 1, 16, 48, 48, 3, 0, 0x0001000000010747, 0}, WALKER_RESERVED},
	{{0, 1, 16, 48, 48, 3, 0, 0x11747, 0}, WALKER_RESERVED},
	{{0, 1, 16, 52, 52, 3, 0, 0x0001000000010747, 0}, WALKER_RESERVED},
	{{0, 1, 14, 48, 48, 3, 0, 0x5747, 0}, WALKER_RESERVED},
	/* An output wider than configured, in the bits that DS = 1 moved */
	{{LPA2, 1, 12, 48, 48, 3, 0, 0x1547, 0}, WALKER_ADDRESS_SIZE},
	{{LPA2, 1, 12, 48, 48, 3, 0, 0x0001000000001447, 0}, WALKER_ADDRESS_SIZE},
	{{LPA2, 1, 12, 48, 40, 2, 0, 0x0000010000000445, 0}, WALKER_ADDRESS_SIZE},
	/* G5.5.2: non-zero bits 47:40; DBM, GP, nT are no fields */
	{{A32, 1, 12, 32, 40, 3, 0, 0x0000010000001747, 0}, WALKER_ADDRESS_SIZE},
	{{A32, 2, 12, 32, 40, 3, 0, 0x00008000000017ff, 0}, WALKER_ADDRESS_SIZE},
	{{A32, 1, 12, 32, 40, 3, 0, 0x0008000000001747, 0}, WALKER_RESERVED},
	{{A32, 2, 12, 32, 40, 3, 0, 0x00080000000017ff, 0}, WALKER_RESERVED},
	{{A32, 1, 12, 32, 40, 3, 0, 0x0004000000001747, 0}, WALKER_RESERVED},
	{{A32, 1, 12, 32, 40, 2, 0, 0x0000000000010745, 0}, WALKER_RESERVED},
	{{A32, 1, 12, 32, 40, 3, 0, 0x0001000000001747, 0}, WALKER_RESERVED},
	{{A32, 2, 12, 32, 40, 3, 0, 0x00200000000017ff, 0}, WALKER_RESERVED},
	/* R_HMQXG: the Contiguous bit where there is no group */
	{{LPA2, 1, 12, 48, 48, 0, 0, 0x0010000000000445, 0}, WALKER_RESERVED},
	{{LPA2, 1, 14, 48, 48, 1, 0, 0x0010000000000445, 0}, WALKER_RESERVED},
	{{0, 1, 16, 48, 52, 1, 0, 0x0010000000000745, 0}, WALKER_RESERVED},
	/* R_WMNPV: a group of 2 MiB in a space of 1 MiB */
	{{SMALL, 1, 14, 20, 48, 3, 0, 0x0010000000000747, 0}, WALKER_RESERVED},
	/* Tables D8-17, D8-27, D8-36: no such block */
	{{0, 1, 12, 48, 48, 0, 0, 0x745, 0}, WALKER_TRANSLATION},
	{{0, 1, 14, 47, 48, 1, 0, 0x745, 0}, WALKER_TRANSLATION},
	{{0, 1, 16, 48, 48, 1, 0, 0x745, 0}, WALKER_TRANSLATION},
	{{LPA2, 1, 12, 52, 52, -1, 0, 0x445, 0}, WALKER_TRANSLATION},
	{{LPA2, 1, 14, 52, 52, 0, 0, 0x445, 0}, WALKER_TRANSLATION},
	/* Outside of the space: TTBR1 has the top alone */
	{{WALKER_TTBR1, 1, 12, 39, 48, 3, 0, 0x5747, 0}, WALKER_TRANSLATION},
	{{WALKER_TTBR1, 1, 12, 39, 48, 3, (UINT64_MAX << 39) - 0x1000, 0x5747, 0},
         WALKER_TRANSLATION},
	{{0, 1, 12, 39, 48, 3, UINT64_MAX - 0xfff, 0x5747, 0}, WALKER_TRANSLATION},
};

static void what_a_format_does_not_have_faults(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		const struct wide *wide = &bads[i].wide;
		struct walker_config config = wide_config(wide);
		struct walker_leaf leaf;
		struct rig rig;

		rig_init(&rig, &config);
		rig_put(&rig, rig_slot(&rig, wide->iova, wide->level), 0, wide->descriptor);
		if (walker_translate(rig.walker, wide->iova, &leaf) != bads[i].fault)
			fail_msg("row %zu: fault %d", i, leaf.fault);
		rig_expect(&rig, wide->iova, WALKER_READ, bads[i].fault);
		assert_int_equal(walker_error(rig.walker) != NULL,
		                 bads[i].fault == WALKER_RESERVED);
		rig_fini(&rig);
	}
}

/* Table D8-50: with DS = 1 bits 49:48 and 9:8 of a table descriptor are address. */
static void table_addresses_are_checked_too(void **state)
{
	static const struct bad tables[] = {
		{{LPA2, 1, 12, 48, 48, 2, 0, 0x0001000040000003, 0}, WALKER_ADDRESS_SIZE},
		{{LPA2, 1, 12, 48, 48, 2, 0, 0x0000000040000203, 0}, WALKER_ADDRESS_SIZE},
		{{0, 1, 16, 48, 48, 2, 0, 0x0000000040001003, 0}, WALKER_RESERVED},
		{{0, 1, 12, 48, 48, 2, 0, 0x0001000040000003, 0}, WALKER_RESERVED},
		{{A32, 1, 12, 32, 40, 2, 0, 0x0000010040000003, 0}, WALKER_ADDRESS_SIZE},
		{{A32, 1, 12, 32, 40, 2, 0, 0x0008000040000003, 0}, WALKER_RESERVED},
		/* Without DS, bits 9:8 are ignored: a walk into nowhere. */
		{{0, 1, 12, 48, 48, 2, 0, 0x0000000140000203, 0}, WALKER_BAD_TABLE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		const struct wide *wide = &tables[i].wide;
		struct walker_config config = wide_config(wide);
		struct rig rig;

		rig_init(&rig, &config);
		rig_put(&rig, rig_slot(&rig, 0, wide->level), 0, wide->descriptor);
		rig_expect(&rig, 0, WALKER_READ, tables[i].fault);
		rig_fini(&rig);
	}
}

struct look {
	uint32_t flags;
	uint8_t stage;
	uint64_t bits; /* of a page, beside AF and its kind */
	struct walker_leaf want;
};

#define WB                 .memory = WALKER_WRITE_BACK
#define NC                 .memory = WALKER_NON_CACHEABLE
#define DEV                .memory = WALKER_DEVICE
#define SH(raw, effective) .shareability = raw, .effective_shareability = effective

static const struct look looks[] = {
	/* Table D8-52 with MAIR 000C 0800 F404 FF44; D8.6: SH 0 none, 2 outer, 3 inner */
	{0, 1, 0x844, {WB, .attribute = 1, SH(0, 0)}},
	{0, 1, 0xb44, {WB, .attribute = 1, SH(3, 3)}},
	{0, 1, 0x344, {WB, .attribute = 1, SH(3, 3), .global = true}},
	{0, 1, 0xb40, {NC, .attribute = 0, SH(3, 2)}},
	{0, 1, 0xa48, {DEV, .attribute = 2, SH(2, 2), .device = 1}},
	{0, 1, 0xa50, {DEV, .attribute = 4, SH(2, 2), .device = 0}},
	{0, 1, 0xa54, {DEV, .attribute = 5, SH(2, 2), .device = 2}},
	{0, 1, 0xa58, {DEV, .attribute = 6, SH(2, 2), .device = 3}},
	{0, 1, 0xa4c, {.memory = WALKER_INNER_NON_CACHEABLE, .attribute = 3, SH(2, 2)}},
	{WALKER_SECURE, 1, 0xb64, {WB, .attribute = 1, SH(3, 3), .non_secure = true}},
	{0, 1, 0x0004000000000b44, {WB, .attribute = 1, SH(3, 3), .guarded = true}},
	{0, 1, 0x0780000000000b44, {WB, .attribute = 1, SH(3, 3), .software = 15}},
	{WALKER_EL2, 1, 0x344, {WB, .attribute = 1, SH(3, 3)}},
	{LPA2, 1, 0x844, {WB, .attribute = 1, SH(3, 3)}},
	{LPA2, 1, 0x840, {NC, .attribute = 0, SH(3, 2)}},
	{A32, 1, 0x844, {WB, .attribute = 1, SH(0, 0)}},
	/* Table D8-53; R_HMNDG */
	{0, 2, 0x37c, {WB, .attribute = 15, SH(3, 3)}},
	{0, 2, 0x354, {NC, .attribute = 5, SH(3, 2)}},
	{0, 2, 0x374, {.memory = WALKER_INNER_NON_CACHEABLE, .attribute = 13, SH(3, 3)}},
	{0, 2, 0x04c, {DEV, .attribute = 3, SH(0, 2), .device = 3}},
	{0, 2, 0x044, {DEV, .attribute = 1, SH(0, 2), .device = 1}},
	{WALKER_FWB, 2, 0x358, {WB, .attribute = 6, SH(3, 3)}},
	{WALKER_FWB, 2, 0x354, {NC, .attribute = 5, SH(3, 2)}},
	{A32, 2, 0x27c, {WB, .attribute = 15, SH(2, 2)}},
};

static void attributes_are_decoded(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
		const struct wide wide = {looks[i].flags, looks[i].stage, 12, 32, 40, 3, 0, 0, 0};
		const struct walker_leaf *want = &looks[i].want;
		struct walker_config config = wide_config(&wide);
		struct walker_leaf leaf;
		struct rig rig;

		rig_init(&rig, &config);
		rig_leaf(&rig, 0, 3, looks[i].bits | RIG_AF);
		assert_int_equal(walker_translate(rig.walker, 0, &leaf), WALKER_OK);
		assert_int_equal(leaf.memory, want->memory);
		assert_int_equal(leaf.attribute, want->attribute);
		assert_int_equal(leaf.device, want->device);
		assert_int_equal(leaf.shareability, want->shareability);
		assert_int_equal(leaf.effective_shareability, want->effective_shareability);
		assert_int_equal(leaf.software, want->software);
		assert_int_equal(leaf.non_secure, want->non_secure);
		assert_int_equal(leaf.guarded, want->guarded);
		assert_int_equal(leaf.global, want->global);
		assert_int_equal(leaf.group_size, leaf.size);
		rig_fini(&rig);
	}
}

struct execution {
	uint32_t flags;
	uint8_t stage;
	uint64_t bits;
	bool privileged, unprivileged;
};

#define PXN (UINT64_C(1) << 53)
#define XN  (UINT64_C(1) << 54)

static void execution_follows_the_regime(void **state)
{
	static const struct execution cases[] = {
		/* G5.6.3: XN is for all, PXN for the privileged; execution needs to read */
		{A32, 1, 0x3c4, true, true},
		{A32, 1, 0x3c4 | PXN, false, true},
		{A32, 1, 0x3c4 | XN, false, false},
		{A32, 1, 0x384, true, false},
		{A32, 1, 0x384 | XN, false, false},
		/* AArch32 without UWXN: writable by both may be executed by both */
		{A32, 1, 0x344, true, true},
		{A32, 2, 0x3fc, true, true},
		{A32, 2, 0x3fc | XN, false, false},
		{A32, 2, 0x3bc, false, false},
		/* R_VWLLR, and the UXN and PXN of AArch64 */
		{0, 1, 0x344, false, true},
		{0, 1, 0x3c4 | XN, true, false},
		{0, 1, 0x3c4 | PXN, false, true},
		/* Stage 2 with FEAT_XNX: 01 unprivileged, 11 privileged */
		{WALKER_XNX, 2, 0x3fc | PXN, false, true},
		{WALKER_XNX, 2, 0x3fc | PXN | XN, true, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct wide wide = {cases[i].flags, cases[i].stage, 12, 32, 40, 3, 0, 0, 0};
		struct walker_config config = wide_config(&wide);
		struct rig rig;

		rig_init(&rig, &config);
		rig_leaf(&rig, 0, 3, cases[i].bits | RIG_AF);
		rig_expect(&rig, 0, WALKER_EXECUTE | WALKER_PRIVILEGED,
		           cases[i].privileged ? WALKER_OK : WALKER_PERMISSION);
		rig_expect(&rig, 0, WALKER_EXECUTE,
		           cases[i].unprivileged ? WALKER_OK : WALKER_PERMISSION);
		rig_fini(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_levels_are_those_of_the_specification),
		cmocka_unit_test(impossible_sizes_are_refused),
		cmocka_unit_test(wide_descriptors_translate_and_their_neighbours_fault),
		cmocka_unit_test(what_a_format_does_not_have_faults),
		cmocka_unit_test(table_addresses_are_checked_too),
		cmocka_unit_test(attributes_are_decoded),
		cmocka_unit_test(execution_follows_the_regime),
	};

	return cmocka_run_group_tests_name("walker geometry", tests, NULL, NULL);
}
