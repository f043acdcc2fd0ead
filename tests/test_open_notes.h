/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trees that have software bit 55 in leaves, this library's note that a contiguous
 * group is being broken up, and what is to be reported of them.
 */
#ifndef TEST_OPEN_NOTES_H
#define TEST_OPEN_NOTES_H

#include "random.h"
#include "test_open_tree.h"

#define NOTE   RAW_UNGROUPING
#define PLACES 3 /* of groups; they begin at the second place of the table */
#define MOST   (PLACES * 128)

/* Where groups can be (D8.7.1), and a configuration that allows them. */
struct kind {
	struct options options;
	int level;
	unsigned entries; /* of a group */
};

static const struct kind kinds[] = {
	{{IOPGT_STAGE1_EL1, 0, IOPGT_DIRTY_HARDWARE, 12, 2, 0, BIT(12) | BIT(16) | BIT(21)}, 3, 16},
	{{IOPGT_STAGE2, 0, IOPGT_DIRTY_HARDWARE, 12, 1, 0,
          BIT(12) | BIT(16) | BIT(21) | BIT(25) | BIT(30)},
         2,
         16},
	{{IOPGT_STAGE1_EL2, 0, IOPGT_DIRTY_SOFTWARE, 14, 0, 0, BIT(14) | BIT(21) | BIT(25)},
         3,
         128},
	{{IOPGT_STAGE1_EL1, 0, IOPGT_DIRTY_HARDWARE, 14, 2, 0,
          BIT(14) | BIT(21) | BIT(25) | BIT(30)},
         2,
         32},
	{{IOPGT_STAGE2, 0, IOPGT_DIRTY_HARDWARE, 16, 2, 0, BIT(16) | BIT(21) | BIT(29)}, 3, 32},
};

/* A tree with leaves at the places, and what the tests look at. */
struct noted {
	struct tree tree;
	const struct kind *kind;
	uint64_t leaf[MOST];
	bool reported[MOST];
};

static inline unsigned count_of(const struct noted *n)
{
	return PLACES * n->kind->entries;
}

static inline uint64_t index_of(const struct noted *n, unsigned i)
{
	return n->kind->entries + i;
}

static inline uint64_t iova_at(const struct noted *n, unsigned i)
{
	return iova_of(&n->tree, n->kind->level, index_of(n, i));
}

static inline void load_leaves(struct noted *n)
{
	for (unsigned i = 0; i < count_of(n); i++)
		n->leaf[i] = get(&n->tree, n->kind->level, index_of(n, i));
}

static inline bool is_stage2(const struct noted *n)
{
	return n->tree.config.regime == IOPGT_STAGE2;
}

/* D8.5: DBM, and AP[2] clear or S2AP[1] set. */
static inline bool is_dirty(const struct noted *n, uint64_t leaf)
{
	bool writable = is_stage2(n) ? leaf & RAW_BIT_7 : !(leaf & RAW_BIT_7);

	return leaf & 1 && ((leaf & RAW_DBM && writable) || leaf & RAW_KEPT_DIRTY);
}

static inline uint64_t make_dirty(const struct noted *n, uint64_t leaf)
{
	if (!(leaf & RAW_DBM))
		return leaf | RAW_KEPT_DIRTY;
	return is_stage2(n) ? leaf | RAW_BIT_7 : leaf & ~RAW_BIT_7;
}

static inline uint64_t clean_leaf(const struct noted *n, unsigned i)
{
	int level = n->kind->level;
	uint64_t kind = level == 3 ? 2 : 0;

	return (good_leaf(&n->tree) ^ RAW_BIT_7) | kind | index_of(n, i) * size_at(&n->tree, level);
}

static inline void put_leaf(struct noted *n, unsigned i, uint64_t leaf)
{
	put(&n->tree, n->kind->level, index_of(n, i), leaf);
}

/* All places full of clean leaves with these bits. */
static inline void plant_clean(struct noted *n, const struct kind *kind, uint64_t bits)
{
	n->kind = kind;
	plant(&n->tree, &kind->options);
	for (unsigned i = 0; i < count_of(n); i++)
		put_leaf(n, i, clean_leaf(n, i) | bits);
	load_leaves(n);
}

/* --- By chance --- */

enum scatter_flag {
	HALF_GROUPS = 1 << 0, /* Contiguous in some entries alone: a reader takes that, too */
};

/* What a place is made of; each leaf differs by its marks and note. */
static inline void scatter_place(struct noted *n, struct random *random, unsigned first,
                                 uint32_t flags)
{
	const uint64_t chances[] = {0, 1, 2, 4, 9};
	uint64_t notes = chances[random_below(random, 5)];
	uint64_t dirty = chances[random_below(random, 5)];
	bool group = random_chance(random, 3), read_only = random_chance(random, 4);

	for (unsigned i = first; i < first + n->kind->entries; i++) {
		uint64_t leaf = clean_leaf(n, i);
		bool half = flags & HALF_GROUPS && random_chance(random, 3);

		if (read_only)
			leaf &= ~RAW_DBM;
		if (random_chance(random, dirty))
			leaf = make_dirty(n, leaf);
		if (random_chance(random, notes))
			leaf |= NOTE;
		if (group && !half)
			leaf |= RAW_CONTIGUOUS;
		else if ((!group || half) && random_chance(random, 8))
			leaf = random_chance(random, 2) ? 0 : leaf & ~UINT64_C(1);
		put_leaf(n, i, leaf);
	}
}

static inline void plant_some(struct noted *n, const struct kind *kind, struct random *random,
                              uint32_t flags)
{
	n->kind = kind;
	plant(&n->tree, &kind->options);
	for (unsigned place = 0; place < PLACES; place++)
		scatter_place(n, random, place * kind->entries, flags);
	load_leaves(n);
}

/* --- What has to be --- */

/* In a place with a group, or what may be one, all leaves are dirty if any is. */
static inline void predict_reports(struct noted *n)
{
	for (unsigned i = 0; i < count_of(n); i++) {
		unsigned first = i - i % n->kind->entries;
		bool dirty = false, group = false;

		for (unsigned j = first; j < first + n->kind->entries; j++) {
			dirty |= is_dirty(n, n->leaf[j]);
			group |= n->leaf[j] & 1 && n->leaf[j] & (RAW_CONTIGUOUS | NOTE);
		}
		n->reported[i] = n->leaf[i] & 1 && (group ? dirty : is_dirty(n, n->leaf[i]));
	}
}

/* What the leaves become: false if there was no note. */
static inline bool predict_completion(struct noted *n)
{
	bool notes = false;

	for (unsigned first = 0; first < count_of(n); first += n->kind->entries) {
		bool dirty = false;

		for (unsigned i = first; i < first + n->kind->entries; i++)
			dirty |= n->leaf[i] & NOTE && is_dirty(n, n->leaf[i]);
		for (unsigned i = first; i < first + n->kind->entries; i++) {
			if (!(n->leaf[i] & 1)) {
				n->leaf[i] = 0;
			} else if (n->leaf[i] & NOTE) {
				n->leaf[i] &= ~NOTE;
				notes = true;
				if (dirty)
					n->leaf[i] = make_dirty(n, n->leaf[i]);
			}
		}
	}
	return notes;
}

/* Of what stays a group any entry may have the mark (R_JKCXG): the reports tell. */
static inline void expect_leaves(const struct noted *n)
{
	for (unsigned i = 0; i < count_of(n); i++) {
		uint64_t free = n->leaf[i] & RAW_CONTIGUOUS ? RAW_BIT_7 | RAW_KEPT_DIRTY : 0;

		expect_raw(n->leaf[i] | free, get(&n->tree, n->kind->level, index_of(n, i)) | free);
	}
}

/* --- Looking, by all verbs that can --- */

static inline int collect_bits(void *context, uint64_t iova, uint64_t size)
{
	const struct iopgt_bitmap *bitmap = context;

	for (uint64_t at = iova; at < iova + size; at += UINT64_C(1) << bitmap->page_shift) {
		uint64_t bit = (at - bitmap->base) >> bitmap->page_shift;

		assert_true(bit < bitmap->bits);
		((unsigned char *)bitmap->words)[bit / 8] |= (unsigned char)(1u << bit % 8);
	}
	return 0;
}

static inline int run_each(const struct verb_call *call)
{
	struct iopgt_bitmap bitmap = *call->bitmap;
	const struct iopgt_dirty_visitor visitor = {collect_bits, &bitmap};

	return iopgt_for_each_dirty(call->table, call->iova, call->size, &visitor, call->op);
}

static const struct verb lookers[] = {
	{"sync_dirty_log", run_sync},
	{"read_and_clear_dirty, reading", run_read},
	{"for_each_dirty", run_each},
	{"unmap_dirty", run_unmap_dirty},
};

#define READING 3 /* of them */

/*
 * Entries [first, first + count) and no others: the bitmap ends where they end, and
 * lies on the heap, where a sanitizer sees who writes beyond it.
 */
static inline void expect_reports(struct noted *n, struct iopgt_table *table,
                                  const struct verb *verb, unsigned first, unsigned count)
{
	uint64_t size = size_at(&n->tree, n->kind->level);
	uint64_t *words = calloc((count + 63) / 64, 8);
	const struct iopgt_bitmap bitmap = {
		.words = words,
		.base = iova_at(n, first),
		.bits = count,
		.page_shift = raw_shift(&n->tree.raw, n->kind->level),
	};
	struct iopgt_op op = {.flags = IOPGT_OP_MAY_BREAK};
	const struct verb_call call = {table, bitmap.base, count * size, &bitmap, &op};

	expect(IOPGT_OK, verb->run(&call));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	for (unsigned i = 0; i < count; i++) {
		bool bit = iopgt_bitmap_test(&bitmap, iova_at(n, first + i));

		if (n->leaf[first + i] & 1 && bit != n->reported[first + i]) {
			print_error("%s of [%u, %u): entry %u, 0x%llx: bit %d\n", verb->name, first,
			            first + count, first + i,
			            (unsigned long long)n->leaf[first + i], bit);
			fail();
		}
	}
	for (unsigned bit = count; bit < (count + 63) / 64 * 64; bit++)
		assert_false(((unsigned char *)words)[bit / 8] >> (bit % 8) & 1);
	free(words);
}

static inline void expect_all_reports(struct noted *n, struct iopgt_table *table,
                                      struct random *random)
{
	for (unsigned i = 0; i < READING; i++) {
		unsigned first = (unsigned)random_below(random, count_of(n));
		unsigned count = 1 + (unsigned)random_below(random, count_of(n) - first);

		expect_reports(n, table, &lookers[i], 0, count_of(n));
		expect_reports(n, table, &lookers[i], first, count);
	}
}

#endif
