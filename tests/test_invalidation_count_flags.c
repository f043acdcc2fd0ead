/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * With access flags of tables, reading and clearing asks for the fewest invalidations:
 * of a table that was walked since it was last cleaned one range, walk caches too, of
 * one that was not nothing, nor is it looked at after the next time.
 */
#include "test_invalidation_count.h"

#define ROUNDS 10

/* What the descriptors of the piece's tables are to say. */
static struct flags {
	bool walked;     /* AF: since it was last cleared some walk went through the table */
	bool was_walked; /* in the round before */
} flags[UNITS];

static bool has_table(const struct piece *p, unsigned unit)
{
	return p->units[unit] != UNIT_HOLE && p->units[unit] != UNIT_BLOCK;
}

static bool any_marked(const struct piece *p, unsigned unit)
{
	bool any = false;

	for (uint64_t i = 0; i < unit_pages(p); i++)
		any |= p->mapped[unit][i] && p->marked[unit][i];
	return any;
}

/* The part of a unit from `first` to `last`, which may be all; returns whether it is skipped. */
static bool model_unit(struct piece *p, unsigned unit, uint64_t first, uint64_t last)
{
	bool whole = last - first == block(p->f) - 1;

	if (!has_table(p, unit)) {
		model_marked(p, first, last);
		return false;
	}
	if (!flags[unit].walked) {
		/* No walk, so no mark: and that is all that skipping needs. */
		assert_false(any_marked(p, unit));
		if (!flags[unit].was_walked)
			return true;
		flags[unit].was_walked = !whole;
		return false;
	}
	if (!whole) {
		model_marked(p, first, last);
		return false;
	}
	model_table(&p->model, first, block(p->f));
	fill(p->marked[unit], 0, unit_pages(p), false);
	flags[unit] = (struct flags){.was_walked = true};
	return false;
}

/* Returns how many tables are skipped. */
static uint64_t model_range(struct piece *p, uint64_t first, uint64_t last)
{
	uint64_t skipped = 0;

	for (unsigned unit = 0; unit < UNITS; unit++) {
		uint64_t begin = unit_at(p, unit), end = begin + (block(p->f) - 1);

		if (last < begin || first > end)
			continue;
		begin = first > begin ? first : begin;
		end = last < end ? last : end;
		skipped += model_unit(p, unit, begin, end);
	}
	return skipped;
}

/*
 * A table whose flag is clear is not cached (R_JFCYB), nor is a leaf below, since its
 * range was invalidated: so a walk sets the flag again.
 */
static void touch_and_note(struct piece *p)
{
	touch_some(p, WALKER_WRITE);
	for (unsigned unit = 0; unit < UNITS; unit++)
		flags[unit].walked |= any_marked(p, unit);
}

static void look(struct piece *p)
{
	struct iopgt_op op = new_op(p->f);

	model_start(&p->model, p->f);
	expect(IOPGT_OK,
	       iopgt_sync_dirty_log(p->f->table, FIRST(p->f), SIZE(p->f), &p->f->bitmap, &op));
	finish(p->f, &op);
	model_expect(&p->model, &op);
}

/* Returns how many descriptors were looked at. */
static uint64_t clear(struct piece *p, uint64_t first, uint64_t last)
{
	struct iopgt_op op = new_op(p->f);
	uint64_t skipped;

	page_bitmap(p->f, FIRST(p->f), SIZE(p->f));
	look(p);
	model_start(&p->model, p->f);
	skipped = model_range(p, first, last);
	expect(IOPGT_OK, iopgt_read_and_clear_dirty(p->f->table, first, last - first + 1,
	                                            &p->f->bitmap, &op));
	finish(p->f, &op);
	model_expect(&p->model, &op);
	assert_int_equal(op.stats.skipped, skipped);
	return op.stats.looked_at;
}

/* New tables count as walked. */
static void start(struct piece *p)
{
	for (unsigned unit = 0; unit < UNITS; unit++)
		flags[unit] = (struct flags){.walked = has_table(p, unit)};
}

static void clear_all_and_parts(struct piece *p)
{
	start(p);
	for (unsigned i = 0; i < 12; i++) {
		uint64_t first, last;

		if (!random_chance(p->random, 3))
			touch_and_note(p);
		random_range(p, &first, &last);
		clear(p, first, last);
	}
}

static void tables_that_were_walked_are_asked_for_once(struct fixture *f)
{
	over_pieces(f, ROUNDS, clear_all_and_parts);
}

/*
 * Nobody writes: one round for what was mapped, one that forgets, then no table of
 * pages is looked at, only those above.
 */
static void clear_what_is_quiet(struct piece *p)
{
	uint64_t first = FIRST(p->f), last = first + (SIZE(p->f) - 1);

	start(p);
	for (unsigned i = 0; i < 4; i++) {
		uint64_t looked_at = clear(p, first, last);

		assert_true(i < 1 || p->model.requested == 0);
		assert_true(i < 2 || looked_at <= UNITS + 5);
	}
}

static void what_is_quiet_is_asked_for_once(struct fixture *f)
{
	over_pieces(f, ROUNDS, clear_what_is_quiet);
}

#define FLAGS      .config_flags = IOPGT_CONFIG_TABLE_ACCESS_FLAG
#define FEW_JOINED .host.max_ranges = 3, .host.join_bytes = 8 << 14
#define GROUPED    .leaf_sizes = FIXTURE_ALL_LEAF_SIZES

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_STAGES, size = FIXTURE_GRANULES;
	const struct fixture_test tests[] = {
		TEST_WITH(all, tables_that_were_walked_are_asked_for_once, FLAGS),
		TEST_WITH(all, tables_that_were_walked_are_asked_for_once, FLAGS, GROUPED),
		TEST_WITH(size, tables_that_were_walked_are_asked_for_once, FLAGS, FEW_JOINED),
		TEST_WITH(all, what_is_quiet_is_asked_for_once, FLAGS, GROUPED),
	};

	return FIXTURE_RUN(tests);
}
