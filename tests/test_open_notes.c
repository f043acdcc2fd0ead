/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iopgt_open of trees that have software bit 55 in leaves: this library's note
 * that a contiguous group is being broken up. A tree whose break-up was cut short
 * has it, and others use the bit for their own ends (D8.3.1.2: 58:55 are free).
 * Who owns the tree completes the notes; who only reads takes them for a group.
 */
#include "random.h"
#include "test_open_tree.h"

#define NOTE   RAW_UNGROUPING
#define PLACES 3 /* of groups; they begin at the second place of the table */
#define MOST   (PLACES * 128)
#define ROUNDS 40

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

static unsigned count_of(const struct noted *n)
{
	return PLACES * n->kind->entries;
}

static uint64_t index_of(const struct noted *n, unsigned i)
{
	return n->kind->entries + i;
}

static uint64_t iova_at(const struct noted *n, unsigned i)
{
	return iova_of(&n->tree, n->kind->level, index_of(n, i));
}

static void load_leaves(struct noted *n)
{
	for (unsigned i = 0; i < count_of(n); i++)
		n->leaf[i] = get(&n->tree, n->kind->level, index_of(n, i));
}

static bool is_stage2(const struct noted *n)
{
	return n->tree.config.regime == IOPGT_STAGE2;
}

/* D8.5: DBM, and AP[2] clear or S2AP[1] set. */
static bool is_dirty(const struct noted *n, uint64_t leaf)
{
	bool writable = is_stage2(n) ? leaf & RAW_BIT_7 : !(leaf & RAW_BIT_7);

	return leaf & 1 && ((leaf & RAW_DBM && writable) || leaf & RAW_KEPT_DIRTY);
}

static uint64_t make_dirty(const struct noted *n, uint64_t leaf)
{
	if (!(leaf & RAW_DBM))
		return leaf | RAW_KEPT_DIRTY;
	return is_stage2(n) ? leaf | RAW_BIT_7 : leaf & ~RAW_BIT_7;
}

static uint64_t clean_leaf(const struct noted *n, unsigned i)
{
	int level = n->kind->level;
	uint64_t kind = level == 3 ? 2 : 0;

	return (good_leaf(&n->tree) ^ RAW_BIT_7) | kind |
	       index_of(n, i) * size_at(&n->tree, level);
}

static void put_leaf(struct noted *n, unsigned i, uint64_t leaf)
{
	put(&n->tree, n->kind->level, index_of(n, i), leaf);
}

/* All places full of clean leaves with these bits. */
static void plant_clean(struct noted *n, const struct kind *kind, uint64_t bits)
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
static void scatter_place(struct noted *n, struct random *random, unsigned first, uint32_t flags)
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

static void plant_some(struct noted *n, const struct kind *kind, struct random *random,
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
static void predict_reports(struct noted *n)
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
static bool predict_completion(struct noted *n)
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

static void expect_leaves(const struct noted *n)
{
	for (unsigned i = 0; i < count_of(n); i++)
		expect_raw(n->leaf[i], get(&n->tree, n->kind->level, index_of(n, i)));
}

/* --- Looking, by all verbs that can --- */

static int set_bits(void *context, uint64_t iova, uint64_t size)
{
	const struct iopgt_bitmap *bitmap = context;

	for (uint64_t at = iova; at < iova + size; at += UINT64_C(1) << bitmap->page_shift) {
		uint64_t bit = (at - bitmap->base) >> bitmap->page_shift;

		assert_true(bit < bitmap->bits);
		((unsigned char *)bitmap->words)[bit / 8] |= (unsigned char)(1u << bit % 8);
	}
	return 0;
}

static int run_each(const struct verb_call *call)
{
	struct iopgt_bitmap bitmap = *call->bitmap;
	const struct iopgt_dirty_visitor visitor = {set_bits, &bitmap};

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
static void expect_reports(struct noted *n, struct iopgt_table *table, const struct verb *verb,
                           unsigned first, unsigned count)
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

static void expect_all_reports(struct noted *n, struct iopgt_table *table, struct random *random)
{
	for (unsigned i = 0; i < READING; i++) {
		unsigned first = (unsigned)random_below(random, count_of(n));
		unsigned count = 1 + (unsigned)random_below(random, count_of(n) - first);

		expect_reports(n, table, &lookers[i], 0, count_of(n));
		expect_reports(n, table, &lookers[i], first, count);
	}
}

/* --- Owners --- */

static unsigned events_of(struct noted *n, enum host_call call)
{
	struct host_event event;
	unsigned events = 0;

	for (uint64_t i = 0; host_event(&n->tree.host, i, &event); i++)
		events += event.call == call && !event.failed;
	return events;
}

static void expect_check(const struct iopgt_table *table)
{
	struct iopgt_finding finding;

	expect(IOPGT_OK, iopgt_check(table, &finding));
}

static void close_tree(struct noted *n, struct iopgt_table *table)
{
	expect(IOPGT_OK, iopgt_fini(table));
	assert_int_equal(pool_in_use(n->tree.host.pool), 0);
	uproot(&n->tree);
}

/* Marks spread to all noted leaves of a place; the rest is as it was. */
static void an_owner_completes_the_notes(void **state)
{
	struct random random = {seed_from_environment("IOPGT_SEED", 1)};
	static struct noted n;

	(void)state;
	for (unsigned i = 0; i < ROUNDS * COUNT(kinds); i++) {
		struct iopgt_table table;
		bool notes;

		plant_some(&n, &kinds[i % COUNT(kinds)], &random, 0);
		notes = predict_completion(&n);
		predict_reports(&n);
		expect(IOPGT_OK, open_as(&n.tree, IOPGT_OPEN_OWNING, &table, NULL));
		expect_leaves(&n);
		/* Without a note walkers are let alone. */
		assert_int_equal(events_of(&n, HOST_ALL), notes);
		assert_int_equal(events_of(&n, HOST_SYNC), notes);
		assert_int_equal(events_of(&n, HOST_RANGE), 0);
		expect_check(&table);
		expect_all_reports(&n, &table, &random);
		close_tree(&n, &table);
	}
}

/* Of any part: no dirty page goes unreported, no bit is set outside of the bitmap. */
static void an_owner_removes_parts_of_noted_places(void **state)
{
	struct random random = {seed_from_environment("IOPGT_SEED", 2)};
	static struct noted n;

	(void)state;
	for (unsigned i = 0; i < ROUNDS * COUNT(kinds); i++) {
		struct iopgt_table table;
		unsigned first, count;

		plant_some(&n, &kinds[i % COUNT(kinds)], &random, 0);
		predict_completion(&n);
		predict_reports(&n);
		expect(IOPGT_OK, open_as(&n.tree, IOPGT_OPEN_OWNING, &table, NULL));
		first = (unsigned)random_below(&random, count_of(&n));
		count = 1 + (unsigned)random_below(&random, count_of(&n) - first);
		expect_reports(&n, &table, &lookers[READING], first, count);
		for (unsigned j = 0; j < count_of(&n); j++)
			n.reported[j] &= j < first || j >= first + count;
		expect_all_reports(&n, &table, &random);
		expect_check(&table);
		close_tree(&n, &table);
	}
}

/* --- The wait --- */

static struct {
	struct noted *noted;
	struct snapshot before;
	int (*sync)(void *context);
	unsigned mark, syncs;
} waiting;

/* Until the wait is over, a walker may write to one page of the group and mark another. */
static int mark_while_waiting(void *context)
{
	struct noted *n = waiting.noted;

	if (!waiting.syncs++) {
		assert_int_equal(events_of(n, HOST_ALL), 1);
		for (unsigned i = 0; i < count_of(n); i++)
			expect_raw(n->leaf[i], get(&n->tree, n->kind->level, index_of(n, i)));
		put_leaf(n, waiting.mark, make_dirty(n, n->leaf[waiting.mark]));
	}
	return waiting.sync(context);
}

static void a_mark_set_before_the_wait_is_over_spreads(void **state)
{
	static struct noted n;

	(void)state;
	for (unsigned i = 0; i < 3 * COUNT(kinds); i++) {
		const struct kind *kind = &kinds[i % COUNT(kinds)];
		struct iopgt_table table;

		plant_clean(&n, kind, NOTE);
		waiting.noted = &n;
		waiting.sync = n.tree.host.hal.tlb.sync;
		waiting.syncs = 0;
		waiting.mark = kind->entries + (kind->entries - 1) * (i % 3) / 2;
		n.tree.host.hal.tlb.sync = mark_while_waiting;
		expect(IOPGT_OK, open_as(&n.tree, IOPGT_OPEN_OWNING, &table, NULL));
		assert_int_equal(waiting.syncs, 1);
		n.leaf[waiting.mark] = make_dirty(&n, n.leaf[waiting.mark]);
		predict_completion(&n);
		expect_leaves(&n);
		close_tree(&n, &table);
	}
}

static void a_failed_wait_leaves_the_tree_as_it_was(void **state)
{
	const enum host_call calls[] = {HOST_ALL, HOST_SYNC};
	static struct noted n;

	(void)state;
	for (unsigned i = 0; i < 2 * COUNT(kinds); i++) {
		struct iopgt_finding finding = {.rule = 99};
		struct iopgt_table table;
		struct snapshot before;
		size_t tables;

		plant_clean(&n, &kinds[i / 2], NOTE);
		put_leaf(&n, 5, make_dirty(&n, n.leaf[5]));
		load_leaves(&n);
		before = take_snapshot(&n.tree.host);
		tables = pool_in_use(n.tree.host.pool);
		host_fail(&n.tree.host, calls[i % 2], 1, false);
		expect(HOST_ERROR, open_as(&n.tree, IOPGT_OPEN_OWNING, &table, &finding));
		assert_int_equal(finding.rule, IOPGT_RULE_NONE);
		expect_snapshot(&before);
		drop_snapshot(&before);
		assert_int_equal(pool_in_use(n.tree.host.pool), tables);
		expect(IOPGT_OK, open_as(&n.tree, IOPGT_OPEN_OWNING, &table, &finding));
		predict_completion(&n);
		expect_leaves(&n);
		close_tree(&n, &table);
	}
}

/* --- Where there are no groups --- */

static void split_and_cut(struct tree *tree, struct iopgt_table *table)
{
	uint64_t block = iova_of(tree, 2, 2), granule = size_at(tree, 3);
	struct iopgt_op op = {.flags = IOPGT_OP_MAY_BREAK};
	struct iopgt_translation got;

	expect(IOPGT_OK, iopgt_unmap(table, block + granule, granule, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	expect(IOPGT_NOT_MAPPED, iopgt_translate(table, block + granule, &got));
	expect(IOPGT_OK, iopgt_translate(table, block, &got));
	assert_int_equal(got.phys, size_at(tree, 2));
	expect(IOPGT_OK, iopgt_unmap(table, iova_of(tree, 3, 1), granule, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	expect_check(table);
}

static void the_bit_goes_where_there_are_no_groups(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * COUNT(plain); i++) {
		struct iopgt_op op = {.flags = IOPGT_OP_MAY_BREAK};
		uint64_t page, block;
		struct iopgt_table table;
		struct tree tree;

		plant(&tree, &plain[i / 2]);
		page = get(&tree, 3, 1);
		block = get(&tree, 2, 2);
		put(&tree, 3, 1, page | NOTE);
		put(&tree, 2, 2, block | NOTE);
		expect_reader_survives(&tree);
		expect(IOPGT_OK, open_as(&tree, IOPGT_OPEN_OWNING, &table, NULL));
		expect_raw(page, get(&tree, 3, 1));
		expect_raw(block, get(&tree, 2, 2));
		expect_check(&table);
		if (i % 2)
			expect(IOPGT_OK, iopgt_split_block(&table, iova_of(&tree, 2, 2),
			                                   size_at(&tree, 2), &op));
		split_and_cut(&tree, &table);
		expect(IOPGT_OK, iopgt_fini(&table));
		assert_int_equal(pool_in_use(tree.host.pool), 0);
		uproot(&tree);
	}
}

/* --- Readers --- */

/* The size of a group is that of leaves with the Contiguous bit. */
static void expect_sizes(struct noted *n, struct iopgt_table *table)
{
	uint64_t size = size_at(&n->tree, n->kind->level);

	for (unsigned i = 0; i < count_of(n); i++) {
		uint64_t want = n->leaf[i] & RAW_CONTIGUOUS ? size * n->kind->entries : size;
		struct iopgt_translation got;

		if (!(n->leaf[i] & 1)) {
			expect(IOPGT_NOT_MAPPED, iopgt_translate(table, iova_at(n, i), &got));
			continue;
		}
		expect(IOPGT_OK, iopgt_translate(table, iova_at(n, i), &got));
		assert_int_equal(got.leaf_size, want);
		assert_int_equal(got.leaf_iova, iova_at(n, i) & ~(want - 1));
		assert_int_equal(got.phys, index_of(n, i) * size);
	}
}

/* Whatever stands there, nothing that is dirty goes unreported, and nothing is changed. */
static void a_reader_takes_any_note_for_a_group(void **state)
{
	struct random random = {seed_from_environment("IOPGT_SEED", 3)};
	static struct noted n;

	(void)state;
	for (unsigned i = 0; i < ROUNDS * COUNT(kinds); i++) {
		uint32_t flags = i & 1 ? HALF_GROUPS : 0;
		struct iopgt_table table;
		struct snapshot before;

		plant_some(&n, &kinds[i % COUNT(kinds)], &random, flags);
		predict_reports(&n);
		before = take_snapshot(&n.tree.host);
		expect(IOPGT_OK, open_as(&n.tree, 0, &table, NULL));
		expect_all_reports(&n, &table, &random);
		expect_sizes(&n, &table);
		expect(IOPGT_OK, iopgt_fini(&table));
		expect_snapshot(&before);
		drop_snapshot(&before);
		assert_int_equal(events_of(&n, HOST_ALL) + events_of(&n, HOST_SYNC), 0);
		uproot(&n.tree);
	}
}

/* A place that links a table, too: at least what is dirty. */
static void a_reader_loses_nothing_beside_a_table(void **state)
{
	const uint64_t bits[] = {0, NOTE, RAW_CONTIGUOUS};
	static struct noted n;

	(void)state;
	for (unsigned i = 0; i < 4 * COUNT(bits); i++) {
		unsigned link = i % 4 * 5, dirty = (link + 7) % 16;
		uint64_t words[1] = {0};
		struct iopgt_bitmap bitmap = {.words = words, .bits = 48, .page_shift = 21};
		struct iopgt_table table;
		struct iopgt_op op = {0};

		plant_clean(&n, &kinds[1], bits[i / 4]);
		put_leaf(&n, dirty, make_dirty(&n, n.leaf[dirty]) & ~RAW_CONTIGUOUS & ~NOTE);
		put_leaf(&n, link, new_table(&n.tree) | RAW_TABLE);
		bitmap.base = iova_at(&n, 0);
		expect(IOPGT_OK, open_as(&n.tree, 0, &table, NULL));
		expect(IOPGT_OK, iopgt_sync_dirty_log(&table, bitmap.base, 48 * size_at(&n.tree, 2),
		                                      &bitmap, &op));
		assert_true(iopgt_bitmap_test(&bitmap, iova_at(&n, dirty)));
		assert_false(iopgt_bitmap_test(&bitmap, iova_at(&n, 16)));
		expect(IOPGT_OK, iopgt_fini(&table));
		uproot(&n.tree);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_owner_completes_the_notes),
		cmocka_unit_test(an_owner_removes_parts_of_noted_places),
		cmocka_unit_test(a_mark_set_before_the_wait_is_over_spreads),
		cmocka_unit_test(a_failed_wait_leaves_the_tree_as_it_was),
		cmocka_unit_test(the_bit_goes_where_there_are_no_groups),
		cmocka_unit_test(a_reader_takes_any_note_for_a_group),
		cmocka_unit_test(a_reader_loses_nothing_beside_a_table),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
