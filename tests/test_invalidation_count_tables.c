/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Verbs that change what is mapped, or the tables, ask for the fewest invalidations
 * and waits.
 */
#include "test_invalidation_count.h"

#define ROUNDS 2

/* --- Removing and protecting --- */

/* Pages of a unit. */
struct span {
	uint64_t first, count;
};

/* From the first to the last page of the span that is mapped and has no mark. */
static void add_pages(struct piece *p, unsigned unit, struct span span)
{
	uint64_t end = span.first + span.count, first = end, last = 0, g = granule(p->f);

	for (uint64_t i = span.first; i < end; i++) {
		if (!p->mapped[unit][i] || p->marked[unit][i])
			continue;
		first = first == end ? i : first;
		last = i;
	}
	if (first < end)
		model_leaf(&p->model, unit_at(p, unit) + first * g, (last - first + 1) * g, 3);
}

/* The pages of a unit that lie in the range; false if there are none. */
static bool cut(const struct piece *p, unsigned unit, uint64_t first, uint64_t last,
                struct span *span)
{
	uint64_t begin = unit_at(p, unit), end = begin + (block(p->f) - 1);

	if (last < begin || first > end)
		return false;
	begin = first > begin ? first : begin;
	end = last < end ? last : end;
	*span = (struct span){(begin - unit_at(p, unit)) / granule(p->f),
	                      (end - begin) / granule(p->f) + 1};
	return true;
}

/*
 * A block is a leaf, a table that goes takes walk caches with it, and of a table
 * that stays it is the pages from the first to the last that went.
 */
static void model_unmap(struct piece *p, uint64_t first, uint64_t last)
{
	struct span span;

	for (unsigned unit = 0; unit < UNITS; unit++) {
		bool whole;

		if (p->units[unit] == UNIT_HOLE || !cut(p, unit, first, last, &span))
			continue;
		whole = span.count == unit_pages(p);
		if (p->units[unit] == UNIT_BLOCK)
			model_leaf(&p->model, unit_at(p, unit), block(p->f), 2);
		else if (whole)
			model_table(&p->model, unit_at(p, unit), block(p->f));
		else
			add_pages(p, unit, span);
		fill(p->mapped[unit], span.first, span.count, false);
		p->units[unit] = whole ? UNIT_HOLE : UNIT_SPARSE;
	}
}

static void unmap_ranges(struct piece *p)
{
	for (unsigned i = 0; i < 5; i++) {
		struct iopgt_op op = new_op(p->f);
		uint64_t first, last;

		random_range(p, &first, &last);
		model_start(&p->model, p->f);
		model_unmap(p, first, last);
		expect(IOPGT_OK, iopgt_unmap(p->f->table, first, last - first + 1, &op));
		finish(p->f, &op);
		model_expect(&p->model, &op);
	}
}

static void unmap_asks_for_what_went(struct fixture *f)
{
	over_pieces(f, ROUNDS, unmap_ranges);
}

/* One wait more, before: for the marks of transactions that have finished. */
static void unmap_dirty_ranges(struct piece *p)
{
	for (unsigned i = 0; i < 5; i++) {
		struct iopgt_op op = new_op(p->f);
		uint64_t first, last;

		random_range(p, &first, &last);
		page_bitmap(p->f, FIRST(p->f), SIZE(p->f));
		model_start(&p->model, p->f);
		model_wait(&p->model);
		model_unmap(p, first, last);
		expect(IOPGT_OK,
		       iopgt_unmap_dirty(p->f->table, first, last - first + 1, &p->f->bitmap, &op));
		finish(p->f, &op);
		model_expect(&p->model, &op);
	}
}

static void unmap_dirty_waits_once_more(struct fixture *f)
{
	over_pieces(f, ROUNDS, unmap_dirty_ranges);
}

/* What is read-only already is not changed again. */
static void protect_ranges(struct piece *p)
{
	for (unsigned i = 0; i < 6; i++) {
		struct iopgt_op op = new_op(p->f);
		uint64_t first, last;
		struct span span;

		random_range(p, &first, &last);
		model_start(&p->model, p->f);
		for (unsigned unit = 0; unit < UNITS; unit++) {
			if (!cut(p, unit, first, last, &span))
				continue;
			if (p->units[unit] != UNIT_BLOCK)
				add_pages(p, unit, span);
			else if (!p->marked[unit][0])
				model_leaf(&p->model, unit_at(p, unit), block(p->f), 2);
			fill(p->marked[unit], span.first, span.count, true);
		}
		expect(IOPGT_OK,
		       iopgt_protect(p->f->table, first, last - first + 1, IOPGT_READ, &op));
		finish(p->f, &op);
		model_expect(&p->model, &op);
	}
}

static void protect_asks_for_what_it_changed(struct fixture *f)
{
	over_pieces(f, ROUNDS, protect_ranges);
}

static bool is_empty(const struct piece *p, unsigned unit)
{
	bool any = false;

	for (uint64_t i = 0; i < unit_pages(p); i++)
		any |= p->mapped[unit][i];
	return !any;
}

static void trim_tables(struct piece *p)
{
	struct iopgt_op op = new_op(p->f);

	for (unsigned unit = 0; unit < UNITS; unit++) {
		uint64_t half = block(p->f) / 2;

		if (p->units[unit] < UNIT_PAGES || random_chance(p->random, 2))
			continue;
		unmap(p->f, unit_at(p, unit), half);
		if (random_chance(p->random, 4))
			continue;
		unmap(p->f, unit_at(p, unit) + half, half);
		fill(p->mapped[unit], 0, unit_pages(p), false);
	}
	model_start(&p->model, p->f);
	for (unsigned unit = 0; unit < UNITS; unit++) {
		if (p->units[unit] >= UNIT_PAGES && is_empty(p, unit))
			model_table(&p->model, unit_at(p, unit), block(p->f));
	}
	expect(IOPGT_OK, iopgt_trim(p->f->table, FIRST(p->f), SIZE(p->f), &op));
	finish(p->f, &op);
	model_expect(&p->model, &op);
}

static void trim_asks_for_the_tables_that_went(struct fixture *f)
{
	over_pieces(f, ROUNDS, trim_tables);
}

/* --- Changing sizes --- */

#define BLOCKS 200
#define BATCH  64 /* blocks that share their waits */

struct blocks {
	bool mapped[BLOCKS];
	struct model model;
};

static void map_some_blocks(struct fixture *f, struct blocks *b)
{
	struct random random = {seed_from_environment("IOPGT_SEED", UINT64_C(0xb10c5))};

	for (uint64_t i = 0; i < BLOCKS; i++) {
		b->mapped[i] = !random_chance(&random, 7);
		if (b->mapped[i])
			map(f, FIRST(f) + i * block(f), PHYS(f) + i * block(f), block(f),
			    RW | IOPGT_CLEAN);
	}
}

/* The next blocks that are mapped, at most a batch of them: as leaves, or as tables. */
static uint64_t model_batch(struct blocks *b, uint64_t from, bool tables)
{
	struct fixture *f = b->model.f;
	uint64_t taken = 0;

	for (; from < BLOCKS && taken < BATCH; from++) {
		if (!b->mapped[from])
			continue;
		if (tables)
			model_table(&b->model, FIRST(f) + from * block(f), block(f));
		else
			model_leaf(&b->model, FIRST(f) + from * block(f), block(f), 2);
		taken++;
	}
	if (taken)
		model_wait(&b->model);
	return from;
}

/*
 * Once for the blocks that went, and at level 1 once before for those that may not
 * be cached any more.
 */
static void model_split(struct blocks *b)
{
	for (uint64_t from = 0; from < BLOCKS;) {
		uint64_t begin = from;

		from = model_batch(b, begin, false);
		if (b->model.f->bbm_level == 1)
			model_batch(b, begin, false);
	}
}

/* Once for pages and tables, and at level 1 once more for blocks that may be cached now. */
static void model_merge(struct blocks *b)
{
	for (uint64_t from = 0; from < BLOCKS;) {
		uint64_t begin = from;

		from = model_batch(b, begin, true);
		if (b->model.f->bbm_level == 1)
			model_batch(b, begin, false);
	}
}

static void split_and_merge_share_their_waits(struct fixture *f)
{
	struct blocks *b = calloc(1, sizeof(*b));
	struct iopgt_op op = new_op(f);

	assert_non_null(b);
	map_some_blocks(f, b);
	model_start(&b->model, f);
	model_split(b);
	expect(IOPGT_OK, iopgt_split_block(f->table, FIRST(f), BLOCKS * block(f), &op));
	finish(f, &op);
	model_expect(&b->model, &op);
	/* Again: there is nothing to split. */
	op.stats = (struct iopgt_stats){0};
	model_start(&b->model, f);
	expect(IOPGT_OK, iopgt_split_block(f->table, FIRST(f), BLOCKS * block(f), &op));
	finish(f, &op);
	model_expect(&b->model, &op);
	model_merge(b);
	expect(IOPGT_OK, iopgt_merge_page(f->table, FIRST(f), BLOCKS * block(f), &op));
	finish(f, &op);
	model_expect(&b->model, &op);
	op.stats = (struct iopgt_stats){0};
	model_start(&b->model, f);
	expect(IOPGT_OK, iopgt_merge_page(f->table, FIRST(f), BLOCKS * block(f), &op));
	finish(f, &op);
	model_expect(&b->model, &op);
	free(b);
}

/*
 * A block two levels up: one live block, but as many tables as it has blocks below,
 * and table.h's bound counts them all.
 */
static void split_of_two_levels_keeps_the_bound(struct fixture *f)
{
	uint64_t size = level_size(f, 1);
	struct iopgt_op op = new_op(f);

	map(f, size, 2 * size, size, RW);
	expect_level(f, size, 1);
	host_log_clear(&f->host);
	expect(IOPGT_OK, iopgt_split_block(f->table, size, size, &op));
	finish(f, &op);
	assert_int_equal(op.stats.split, 513);
	assert_int_equal(event_count(f, HOST_SYNC), op.stats.waits);
	assert_true(op.stats.waits <= 2 + 2 * op.stats.split / 64);
	/* Each batch is one range, or at level 1 two. */
	assert_true(op.stats.invalidations <= op.stats.waits);
}

/* --- Several verbs in one op --- */

static void one_op_joins_what_its_verbs_changed(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	struct model *m = calloc(1, sizeof(*m));
	uint64_t g = granule(f);

	assert_non_null(m);
	map(f, FIRST(f), PHYS(f) + g, 2 * block(f), RW);
	model_start(m, f);
	model_leaf(m, FIRST(f), 5 * g, 3);
	model_leaf(m, FIRST(f) + block(f) - 2 * g, 4 * g, 3);
	page_bitmap(f, FIRST(f), 2 * block(f));
	expect(IOPGT_OK, iopgt_protect(f->table, FIRST(f), 2 * g, IOPGT_READ, &op));
	expect(IOPGT_OK, iopgt_unmap(f->table, FIRST(f) + 2 * g, 2 * g, &op));
	expect(IOPGT_OK,
	       iopgt_read_and_clear_dirty(f->table, FIRST(f) + 4 * g, g, &f->bitmap, &op));
	expect(IOPGT_OK, iopgt_unmap(f->table, FIRST(f) + block(f) - 2 * g, 4 * g, &op));
	finish(f, &op);
	model_expect(m, &op);
	free(m);
}

/* --- Domains --- */

static void switch_tracking(struct piece *p, bool on, uint32_t flags)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_NONE};
	struct iopgt_op op = new_op(p->f);

	op.flags |= flags;
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&p->f->domain, on, &how, &op));
	finish(p->f, &op);
	model_expect(&p->model, &op);
}

/*
 * Leaves that become dirty owe nothing: walkers look at memory before they write
 * through what is clean (R_SGJBL). Those that become clean do.
 */
static void start_and_stop_tracking(struct piece *p)
{
	model_start(&p->model, p->f);
	switch_tracking(p, false, 0);
	for (unsigned unit = 0; unit < UNITS; unit++)
		fill(p->marked[unit], 0, unit_pages(p), true);
	model_marked(p, FIRST(p->f), FIRST(p->f) + (SIZE(p->f) - 1));
	switch_tracking(p, true, 0);
	model_start(&p->model, p->f);
	switch_tracking(p, true, 0);
	switch_tracking(p, false, 0);
	switch_tracking(p, true, IOPGT_OP_START_DIRTY);
	switch_tracking(p, false, 0);
}

static void tracking_asks_for_the_leaves_that_became_clean(struct fixture *f)
{
	over_pieces(f, ROUNDS, start_and_stop_tracking);
}

/* max_ranges and join_bytes of three walkers, in that order. */
static const struct strict {
	uint32_t max_ranges[3], most;
	uint64_t join_pages[3], joined;
} stricts[] = {
	{{0, 0, 0}, 0, {0, 0, 0}, 0}, {{5, 0, 9}, 5, {4, 4, 4}, 4}, {{0, 7, 3}, 3, {9, 4, 6}, 4},
	{{2, 7, 3}, 2, {9, 9, 0}, 0}, {{0, 0, 4}, 4, {7, 9, 8}, 7},
};

static void attach_again(struct fixture *f, unsigned walker, struct iopgt_tlb_ops *ops)
{
	expect(IOPGT_OK, iopgt_domain_detach(&f->domain, &f->domain_walkers[walker]));
	f->domain_walkers[walker].tlb = ops;
	expect(IOPGT_OK, iopgt_domain_attach(&f->domain, &f->domain_walkers[walker]));
}

/* Pages that lie ever further apart are unmapped, with one op. */
static void unmap_apart(struct fixture *f, struct model *m)
{
	struct iopgt_op op = new_op(f);
	uint64_t page = 0;

	map(f, FIRST(f), PHYS(f) + granule(f), block(f), RW);
	model_start(m, f);
	for (uint64_t gap = 0; gap < 12; gap++, page += gap) {
		uint64_t iova = FIRST(f) + page * granule(f);

		model_leaf(m, iova, granule(f), 3);
		expect(IOPGT_OK, iopgt_unmap(f->table, iova, granule(f), &op));
	}
	finish(f, &op);
	model_expect(m, &op);
	unmap(f, FIRST(f), block(f));
}

static void of_several_walkers_the_strictest_counts(struct fixture *f)
{
	struct model *m = calloc(1, sizeof(*m));
	struct iopgt_tlb_ops ops[3];

	assert_non_null(m);
	for (size_t i = 0; i < COUNT(stricts); i++) {
		for (unsigned w = 0; w < 3; w++) {
			ops[w] = *host_walker_tlb_ops();
			ops[w].max_ranges = stricts[i].max_ranges[w];
			ops[w].join_bytes = stricts[i].join_pages[w] * granule(f);
			attach_again(f, w, &ops[w]);
		}
		/* What the model goes by. */
		f->host.options.max_ranges = stricts[i].most;
		f->host.options.join_bytes = stricts[i].joined * granule(f);
		unmap_apart(f, m);
	}
	for (unsigned w = 0; w < 3; w++)
		expect(IOPGT_OK, iopgt_domain_detach(&f->domain, &f->domain_walkers[w]));
	for (unsigned w = 0; w < 3; w++) {
		f->domain_walkers[w].tlb = host_walker_tlb_ops();
		expect(IOPGT_OK, iopgt_domain_attach(&f->domain, &f->domain_walkers[w]));
	}
	free(m);
}

#define JOINED     .host.join_bytes = 8 << 16
#define FEW_JOINED .host.max_ranges = 3, .host.join_bytes = 8 << 14
#define FEW        .host.max_ranges = 2
#define GROUPED    .leaf_sizes = FIXTURE_ALL_LEAF_SIZES

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_STAGES, size = FIXTURE_GRANULES;
	const uint32_t levels = FIXTURE_GRANULES | FIXTURE_LEVELS;
	const struct fixture_test tests[] = {
		TEST(all, unmap_asks_for_what_went),
		TEST_WITH(size, unmap_asks_for_what_went, GROUPED, JOINED),
		TEST_WITH(size, unmap_asks_for_what_went, GROUPED, FEW_JOINED),
		TEST_WITH(all, unmap_dirty_waits_once_more, GROUPED),
		TEST_WITH(size, unmap_dirty_waits_once_more, FEW),
		TEST(all, protect_asks_for_what_it_changed),
		TEST_WITH(size, protect_asks_for_what_it_changed, GROUPED, FEW_JOINED),
		TEST(all, trim_asks_for_the_tables_that_went),
		TEST_WITH(size, trim_asks_for_the_tables_that_went, JOINED),
		TEST_WITH(size, trim_asks_for_the_tables_that_went, FEW),
		TEST(levels, split_and_merge_share_their_waits),
		TEST_WITH(levels, split_and_merge_share_their_waits, FEW),
		TEST(FIXTURE_LEVELS, split_of_two_levels_keeps_the_bound),
		TEST(levels, one_op_joins_what_its_verbs_changed),
		TEST_WITH(all, tracking_asks_for_the_leaves_that_became_clean, .domain = true,
	                  .walkers = 2),
		TEST_WITH(size, of_several_walkers_the_strictest_counts, .domain = true,
	                  .walkers = 3),
	};

	return FIXTURE_RUN(tests);
}
