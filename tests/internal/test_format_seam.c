/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The seam for a second format: a made-up one, with other bit positions than
 * Arm's, no kind bits at the last level, and a dirty mark that is set where
 * Arm's stage 1 clears one. Map, the dirty verbs, split, merge and unmap work on
 * it as they are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <iopgt/iopgt.h>

#include "core/table.h"
#include "host.h"

#define BIT(n) (UINT64_C(1) << (n))

#define PRESENT    BIT(62)
#define LEAF       BIT(61) /* above the last level */
#define READ       BIT(3)
#define WRITE      BIT(4)
#define TRACKED    BIT(5)
#define DIRTY      BIT(6)
#define NOT_CACHED BIT(7)
#define ACCESSED   BIT(9)

#define PAGE  UINT64_C(0x1000)
#define BLOCK UINT64_C(0x200000)
#define IOVA  UINT64_C(0x40000000)
#define PHYS  UINT64_C(0x80000000)
#define PAGES 1024

struct seam {
	struct test_host host;
	struct iopgt_table table;
	struct iopgt_bitmap bitmap;
	uint64_t words[PAGES / 64];
};

static int leaf_bits(const struct iopgt_format *f, const struct iopgt_leaf_kind *kind,
                     uint64_t *bits)
{
	*bits = READ | ACCESSED;
	if (kind->prot & IOPGT_WRITE)
		*bits |= kind->prot & IOPGT_CLEAN ? f->state_clean : f->state_dirty;
	return IOPGT_OK;
}

static void leaf_kind(const struct iopgt_format *f, uint64_t leaf, struct iopgt_leaf_kind *kind)
{
	(void)f;
	*kind = (struct iopgt_leaf_kind){
		.prot = IOPGT_READ | (leaf & WRITE ? (uint32_t)IOPGT_WRITE : 0),
		.memory = IOPGT_WRITE_BACK,
	};
}

static const struct iopgt_format made_up = {
	.present = PRESENT,
	.leaf_mask = {PRESENT | LEAF, PRESENT},
	.leaf_value = {PRESENT | LEAF, PRESENT},
	.table_mask = PRESENT | LEAF,
	.table_value = PRESENT,
	.address_low = UINT64_C(0x000ffffffffff000),
	.accessed = ACCESSED,
	.no_cache = NOT_CACHED,
	.state_mask = WRITE | TRACKED | DIRTY,
	.state_clean = WRITE | TRACKED,
	.state_dirty = WRITE | TRACKED | DIRTY,
	.state_untracked = WRITE,
	.state_read_only = 0,
	.kept_dirty = BIT(57),
	.cleaned = BIT(55),
	.unsettled = BIT(54),
	.broken = BIT(8),
	.prot_mask = READ,
	.leaf_bits = leaf_bits,
	.leaf_kind = leaf_kind,
	.dirty_managed = true,
};

/* A table of the made-up format: 4 KiB pages, 2 MiB blocks, three levels. */
static void seam_init_of(struct seam *s, const struct iopgt_format *format)
{
	struct host_options options = {.arena_bytes = 8u << 20};

	memset(s, 0, sizeof(*s));
	host_init(&s->host, &options);
	s->table.format = *format;
	s->table.geometry = (struct iopgt_geometry){
		.granule_shift = 12,
		.input_bits = 39,
		.output_bits = 48,
		.start_level = 1,
		.root_bytes = 4096,
		.leaf_sizes = PAGE | BLOCK,
	};
	iopgt_geometry_set_levels(&s->table.geometry);
	s->table.map_leaf_sizes = s->table.geometry.leaf_sizes;
	s->table.bbm_level = 1;
	s->table.tlb = &s->host.hal.tlb;
	s->table.tlb_context = &s->host;
	assert_int_equal(iopgt_table_init(&s->table, &s->host.hal, &s->host), IOPGT_OK);
	s->bitmap = (struct iopgt_bitmap){
		.words = s->words, .base = IOVA, .bits = PAGES, .page_shift = 12};
}

static void seam_init(struct seam *s)
{
	seam_init_of(s, &made_up);
}

static void seam_fini(struct seam *s)
{
	struct iopgt_op op = {0};

	assert_int_equal(iopgt_unmap(&s->table, IOVA, PAGES * PAGE, &op), IOPGT_OK);
	assert_int_equal(iopgt_op_finish(&op), IOPGT_OK);
	assert_int_equal(iopgt_fini(&s->table), IOPGT_OK);
	assert_int_equal(pool_in_use(s->host.pool), 0);
	host_fini(&s->host);
}

/* The leaf's descriptor, found by the format's own rules, typed again here. */
static uint64_t *leaf_of(struct seam *s, uint64_t iova)
{
	uint64_t *entries = s->table.root;

	for (unsigned shift = 30;; shift -= 9) {
		uint64_t *entry = &entries[iova >> shift & 511];
		uint64_t d = pool_little_endian(*entry);

		assert_true(d & PRESENT);
		if (shift == 12 || (d & LEAF))
			return entry;
		entries = pool_virt(s->host.pool, d & UINT64_C(0x000ffffffffff000), 4096);
	}
}

static uint64_t leaf_at(struct seam *s, uint64_t iova)
{
	return pool_little_endian(*leaf_of(s, iova));
}

/* What a walker of this format does on a write. */
static void walker_writes(struct seam *s, uint64_t iova)
{
	uint64_t *leaf = leaf_of(s, iova);

	assert_true(leaf_at(s, iova) & WRITE);
	*leaf |= pool_little_endian(DIRTY);
}

static void seam_map(struct seam *s, uint64_t size, uint32_t prot)
{
	struct iopgt_op op = {0};
	struct iopgt_mapping m = {.iova = IOVA, .phys = PHYS, .size = size, .prot = prot};

	m.memory = IOPGT_WRITE_BACK;
	assert_int_equal(iopgt_map(&s->table, &m, &op), IOPGT_OK);
	assert_int_equal(iopgt_op_finish(&op), IOPGT_OK);
}

static void expect_bits(const struct seam *s, uint64_t first, uint64_t count)
{
	for (uint64_t i = 0; i < PAGES; i++)
		assert_int_equal(pool_little_endian(s->words[i / 64]) >> i % 64 & 1,
		                 i >= first && i < first + count);
}

static void take_dirty(struct seam *s)
{
	struct iopgt_op op = {0};

	memset(s->words, 0, sizeof(s->words));
	assert_int_equal(iopgt_read_and_clear_dirty(&s->table, IOVA, PAGES * PAGE, &s->bitmap, &op),
	                 0);
	assert_int_equal(iopgt_op_finish(&op), IOPGT_OK);
}

static void mapping_and_translation_follow_the_format(void **state)
{
	struct iopgt_translation t;
	struct seam s;

	(void)state;
	seam_init(&s);
	seam_map(&s, BLOCK + PAGE, IOPGT_READ | IOPGT_WRITE);
	assert_int_equal(leaf_at(&s, IOVA),
	                 PRESENT | LEAF | READ | ACCESSED | WRITE | TRACKED | DIRTY | PHYS);
	assert_int_equal(leaf_at(&s, IOVA + BLOCK),
	                 PRESENT | READ | ACCESSED | WRITE | TRACKED | DIRTY | (PHYS + BLOCK));
	assert_int_equal(iopgt_translate(&s.table, IOVA + BLOCK + 5, &t), IOPGT_OK);
	assert_int_equal(t.phys, PHYS + BLOCK + 5);
	assert_int_equal(t.state, IOPGT_LEAF_DIRTY);
	seam_fini(&s);
}

static void a_set_dirty_mark_is_read_and_cleared(void **state)
{
	struct seam s;

	(void)state;
	seam_init(&s);
	seam_map(&s, BLOCK - PAGE, IOPGT_READ | IOPGT_WRITE | IOPGT_CLEAN);
	walker_writes(&s, IOVA + 7 * PAGE);
	take_dirty(&s);
	expect_bits(&s, 7, 1);
	assert_false(leaf_at(&s, IOVA + 7 * PAGE) & DIRTY);
	assert_true(leaf_at(&s, IOVA + 7 * PAGE) & WRITE);
	take_dirty(&s);
	expect_bits(&s, 0, 0);
	walker_writes(&s, IOVA + 7 * PAGE);
	take_dirty(&s);
	expect_bits(&s, 7, 1);
	seam_fini(&s);
}

/* Low or high in the descriptor, set or cleared by a write; and what tracks may be a 0, too. */
static void a_page_is_marked_by_any_bit(void **state)
{
	static const unsigned marks[] = {2, 6, 10, 11, 52, 60};

	(void)state;
	for (unsigned i = 0; i < 8 * sizeof(marks) / sizeof(marks[0]); i++) {
		const uint64_t mark = BIT(marks[i / 8]);
		const bool clears = i & 1, tracked_by_0 = i & 2;
		const uint64_t tracked = tracked_by_0 ? 0 : TRACKED;
		const uint64_t other = (i & 4) != 0 ? TRACKED : 0; /* of all but one */
		struct iopgt_format format = made_up;
		struct seam s;

		format.state_mask = WRITE | TRACKED | mark;
		format.state_clean = WRITE | tracked | (clears ? mark : 0);
		format.state_dirty = WRITE | tracked | (clears ? 0 : mark);
		format.state_untracked = WRITE | (TRACKED ^ tracked);
		seam_init_of(&s, &format);
		seam_map(&s, BLOCK - PAGE, IOPGT_READ | IOPGT_WRITE | IOPGT_CLEAN);
		for (uint64_t page = 0; page < 511; page++) {
			uint64_t *leaf = leaf_of(&s, IOVA + page * PAGE);

			*leaf ^= pool_little_endian(mark | (page == 100 ? 0 : other));
		}
		take_dirty(&s);
		expect_bits(&s, other ? 100 : 0, other ? 1 : 511);
		seam_fini(&s);
	}
}

static void a_block_splits_and_merges_with_its_mark(void **state)
{
	struct iopgt_op op = {0};
	struct seam s;

	(void)state;
	seam_init(&s);
	seam_map(&s, BLOCK, IOPGT_READ | IOPGT_WRITE | IOPGT_CLEAN);
	assert_int_equal(iopgt_split_block(&s.table, IOVA, BLOCK, &op), IOPGT_OK);
	assert_int_equal(leaf_at(&s, IOVA + 9 * PAGE),
	                 PRESENT | READ | ACCESSED | WRITE | TRACKED | (PHYS + 9 * PAGE));
	walker_writes(&s, IOVA + 9 * PAGE);
	assert_int_equal(iopgt_merge_page(&s.table, IOVA, BLOCK, &op), IOPGT_OK);
	assert_int_equal(iopgt_op_finish(&op), IOPGT_OK);
	assert_int_equal(leaf_at(&s, IOVA),
	                 PRESENT | LEAF | READ | ACCESSED | WRITE | TRACKED | DIRTY | PHYS);
	take_dirty(&s);
	expect_bits(&s, 0, 512);
	seam_fini(&s);
}

static void unmap_dirty_harvests_unlinked_tables(void **state)
{
	struct iopgt_op op = {0};
	struct seam s;

	(void)state;
	seam_init(&s);
	seam_map(&s, BLOCK, IOPGT_READ | IOPGT_WRITE | IOPGT_CLEAN);
	assert_int_equal(iopgt_split_block(&s.table, IOVA, BLOCK, &op), IOPGT_OK);
	walker_writes(&s, IOVA);
	walker_writes(&s, IOVA + PAGE);
	walker_writes(&s, IOVA + 2 * PAGE);
	assert_int_equal(iopgt_unmap_dirty(&s.table, IOVA, BLOCK, &s.bitmap, &op), IOPGT_OK);
	assert_int_equal(iopgt_op_finish(&op), IOPGT_OK);
	expect_bits(&s, 0, 3);
	seam_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mapping_and_translation_follow_the_format),
		cmocka_unit_test(a_set_dirty_mark_is_read_and_cleared),
		cmocka_unit_test(a_page_is_marked_by_any_bit),
		cmocka_unit_test(a_block_splits_and_merges_with_its_mark),
		cmocka_unit_test(unmap_dirty_harvests_unlinked_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
