/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dirty verbs over entries that map blocks, clean or dirty, among them holes and tables of
 * pages, in which one page may be dirty: a scan looks at 64 of them together, and goes into
 * the tables between.
 */
#include "random.h"
#include "test_raw.h"

#define ENTRIES  200
#define FIRST(f) (level_size(f, 1) - 70 * block(f)) /* in two tables, aligned in neither */

enum entry {
	CLEAN,
	DIRTY,
	HOLE,
	TABLE,
	DIRTY_TABLE,
	KINDS
};

struct row {
	struct fixture *f;
	bool dirty[ENTRIES];
};

static uint64_t entry_at(const struct fixture *f, uint64_t entry)
{
	return FIRST(f) + entry * block(f);
}

/* What a walker would have marked, in a block (level 2) or page. */
static void make_dirty(struct fixture *f, uint64_t iova, int level)
{
	struct raw raw = raw_of(f);

	raw_store(&raw, raw_slot(&raw, iova, level), raw_at(&raw, iova, level) ^ RAW_BIT_7);
}

static void fill_entry(struct row *row, uint64_t entry, enum entry kind, uint64_t page)
{
	struct fixture *f = row->f;
	uint64_t iova = entry_at(f, entry);

	row->dirty[entry] = kind == DIRTY || kind == DIRTY_TABLE;
	if (kind == HOLE)
		unmap(f, iova, block(f));
	if (kind == TABLE || kind == DIRTY_TABLE)
		split(f, iova, block(f));
	if (kind == DIRTY)
		make_dirty(f, iova, 2);
	if (kind == DIRTY_TABLE)
		make_dirty(f, iova + page * granule(f), 3);
}

/* One in 1 << spread is not a clean block. */
static struct row make_row(struct fixture *f, uint64_t seed, unsigned spread)
{
	struct random random = {seed_from_environment("IOPGT_SEED", seed)};
	struct row row = {.f = f};

	map(f, FIRST(f), FIRST(f), ENTRIES * block(f), RW | IOPGT_CLEAN);
	for (uint64_t entry = 0; entry < ENTRIES; entry++) {
		enum entry kind = (enum entry)random_below(&random, KINDS);

		if (random_below(&random, UINT64_C(1) << spread) == 0)
			fill_entry(&row, entry, kind, random_below(&random, block(f) / granule(f)));
	}
	return row;
}

/* A bit an entry, of all of them. */
static void row_bitmap(struct fixture *f)
{
	fixture_bitmap(f, FIRST(f), ENTRIES * block(f), (unsigned)__builtin_ctzll(block(f)));
}

static void expect_reported(const struct row *row, uint64_t first, uint64_t count)
{
	for (uint64_t entry = 0; entry < ENTRIES; entry++) {
		bool want = row->dirty[entry] && entry >= first && entry < first + count;

		if (bit_at(row->f, entry_at(row->f, entry)) != want)
			fail_msg("entry %llu: wanted %d", (unsigned long long)entry, want);
	}
}

static void read_and_clear(struct row *row, uint64_t first, uint64_t count)
{
	struct iopgt_op op = new_op(row->f);

	row_bitmap(row->f);
	expect(IOPGT_OK, iopgt_read_and_clear_dirty(row->f->table, entry_at(row->f, first),
	                                            count * block(row->f), &row->f->bitmap, &op));
	finish(row->f, &op);
	expect_reported(row, first, count);
	for (uint64_t entry = first; entry < first + count; entry++)
		row->dirty[entry] = false;
}

/* In one call; from the first of 64, and from between, to where they end or before. */
static void each_mark_is_reported_once(struct fixture *f)
{
	static const uint64_t firsts[] = {0, 6, 71, 100};
	static const uint64_t ends[] = {140, ENTRIES};

	for (unsigned i = 0; i < COUNT(firsts) * COUNT(ends); i++) {
		uint64_t first = firsts[i % COUNT(firsts)], end = ends[i / COUNT(firsts)];
		struct row row = make_row(f, 1 + i, i % 5);

		read_and_clear(&row, first, end - first);
		read_and_clear(&row, 0, ENTRIES);
		read_and_clear(&row, 0, ENTRIES);
		unmap(f, FIRST(f), ENTRIES * block(f));
	}
}

/* Each place of a dirty block behind each place of a table: no other is taken for it. */
static void a_dirty_block_behind_a_table(struct fixture *f)
{
	for (uint64_t table = 70; table < 134; table += 21) {
		struct row row = {.f = f};

		map(f, FIRST(f), FIRST(f), ENTRIES * block(f), RW | IOPGT_CLEAN);
		fill_entry(&row, table, TABLE, 0);
		for (uint64_t dirty = table + 1; dirty < 140; dirty++) {
			fill_entry(&row, dirty, DIRTY, 0);
			read_and_clear(&row, 0, ENTRIES);
		}
		unmap(f, FIRST(f), ENTRIES * block(f));
	}
}

/* One budget after the other: pieces begin anywhere. */
static void in_pieces(struct fixture *f)
{
	for (uint64_t budget = 1; budget < 100; budget += 33) {
		struct row row = make_row(f, budget, budget % 4);
		struct iopgt_op op = {.budget = budget};
		uint64_t at = FIRST(f), end = FIRST(f) + ENTRIES * block(f);
		int err;

		row_bitmap(f);
		do {
			err = iopgt_read_and_clear_dirty(f->table, at, end - at, &f->bitmap, &op);
			at = op.next;
		} while (err == IOPGT_AGAIN);
		expect(IOPGT_OK, err);
		finish(f, &op);
		expect_reported(&row, 0, ENTRIES);
		unmap(f, FIRST(f), ENTRIES * block(f));
	}
}

static const struct fixture_test tests[] = {
	TEST(FIXTURE_GRANULES | FIXTURE_STAGES, each_mark_is_reported_once),
	TEST(FIXTURE_STAGES, a_dirty_block_behind_a_table),
	TEST(FIXTURE_GRANULES, in_pieces),
};

int main(void)
{
	return FIXTURE_RUN(tests);
}
