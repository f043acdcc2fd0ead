/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A walker that does not snoop reads a second image of table memory, which
 * changes only where the library cleans the cache: what each verb did is seen
 * there, and never half of it.
 */
#include "fixture.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (12 * block(f))

/* What stands in the live memory, by iopgt_translate, is what the walker finds. */
static void expect_seen(struct fixture *f, uint64_t iova, uint64_t size)
{
	for (uint64_t at = iova; at < iova + size; at += granule(f)) {
		struct iopgt_translation live;
		struct walker_leaf seen;
		int error = iopgt_translate(f->table, at, &live);

		walker_translate(f->walkers[0], at, &seen);
		if (error == IOPGT_NOT_MAPPED) {
			assert_int_equal(seen.fault, WALKER_TRANSLATION);
			continue;
		}
		expect(IOPGT_OK, error);
		assert_int_equal(seen.fault, WALKER_OK);
		assert_int_equal(seen.phys, live.phys);
		assert_int_equal(seen.size, live.leaf_size);
		assert_int_equal(!(seen.permissions & WALKER_MAY_WRITE),
		                 !(live.prot & IOPGT_WRITE));
	}
}

static void every_verb_is_seen(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f), 2 * block(f), RW);
	expect_seen(f, FIRST(f), 2 * block(f));
	read_page(f, FIRST(f));
	split(f, FIRST(f), block(f));
	expect_seen(f, FIRST(f), 2 * block(f));
	read_page(f, FIRST(f) + granule(f));
	protect(f, FIRST(f) + 2 * granule(f), block(f), IOPGT_READ);
	expect_seen(f, FIRST(f), 2 * block(f));
	assert_false(access_ok(f, 0, FIRST(f) + 2 * granule(f), WALKER_WRITE));
	protect(f, FIRST(f), 2 * block(f), RW);
	expect_seen(f, FIRST(f), 2 * block(f));
	merge(f, FIRST(f), 2 * block(f));
	expect_level(f, FIRST(f), 2);
	expect_seen(f, FIRST(f), 2 * block(f));
	read_page(f, FIRST(f) + block(f));
	unmap(f, FIRST(f) + granule(f), block(f));
	expect_seen(f, FIRST(f), 2 * block(f));
	assert_false(access_ok(f, 0, FIRST(f) + block(f), WALKER_READ));
	unmap(f, 0, UINT64_C(1) << 48);
	expect_seen(f, FIRST(f), 2 * block(f));
}

static void a_gibibyte_is_seen_split_and_merged(struct fixture *f)
{
	uint64_t gib = UINT64_C(1) << 30;

	map(f, gib, 5 * gib, gib, RW);
	split(f, gib, gib);
	expect_seen(f, gib, gib);
	merge(f, gib, gib);
	expect_level(f, gib, 1);
	expect_seen(f, gib, granule(f));
	unmap(f, gib + 5 * granule(f), granule(f));
	expect_seen(f, gib, 8 * block(f));
}

/* No walk ever meets memory that was not cleaned: fresh memory is garbage there. */
static void walk_around(struct fixture *f, enum host_call call, bool done)
{
	const uint64_t offsets[] = {0, granule(f), block(f) - granule(f), block(f),
	                            3 * block(f) - granule(f)};

	(void)call;
	(void)done;
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		struct walker_leaf leaf;
		enum walker_fault fault =
			walker_translate(f->walkers[0], FIRST(f) + offsets[i], &leaf);

		assert_true(fault == WALKER_OK || fault == WALKER_TRANSLATION);
		if (fault == WALKER_OK)
			assert_int_equal(leaf.phys, PHYS(f) + offsets[i]);
	}
}

static void no_walk_meets_what_was_not_cleaned(struct fixture *f)
{
	f->hook = walk_around;
	for (int round = 0; round < 3; round++) {
		map(f, FIRST(f), PHYS(f), 3 * block(f), RW);
		split(f, FIRST(f), 3 * block(f));
		protect(f, FIRST(f) + granule(f), block(f), IOPGT_READ);
		protect(f, FIRST(f) + granule(f), block(f), RW);
		merge(f, FIRST(f), 3 * block(f));
		unmap(f, FIRST(f) + block(f) / 2, block(f));
		unmap(f, FIRST(f), 3 * block(f));
	}
	f->hook = NULL;
}

/* Lines may be written back at any time as well: the order of stores holds. */
static struct random eviction = {1};

static void evict_and_walk(struct fixture *f, enum host_call call, bool done)
{
	for (int i = 0; i < 30; i++)
		pool_evict_random(f->host.pool, &eviction);
	walk_around(f, call, done);
}

static void early_write_back_is_harmless(struct fixture *f)
{
	f->hook = evict_and_walk;
	for (int round = 0; round < 3; round++) {
		map(f, FIRST(f), PHYS(f), 3 * block(f), RW);
		split(f, FIRST(f), 3 * block(f));
		merge(f, FIRST(f), 3 * block(f));
		unmap(f, FIRST(f) + granule(f), 2 * block(f));
		unmap(f, FIRST(f), 3 * block(f));
	}
	f->hook = NULL;
}

static void a_failed_map_leaves_nothing_to_be_seen(struct fixture *f)
{
	struct iopgt_mapping mapping = fixture_mapping(FIRST(f), PHYS(f), 3 * block(f), RW);
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f) + 2 * block(f) + granule(f), 0, granule(f), RW);
	expect(IOPGT_EXISTS, iopgt_map(f->table, &mapping, &op));
	finish(f, &op);
	expect_unmapped(f, FIRST(f), 2 * block(f));
	expect_seen(f, FIRST(f), 3 * block(f));
}

/* Pages, a block, and groups where there are any. */
static void cleared_access_flags_are_seen(struct fixture *f)
{
	uint64_t size = 3 * block(f);
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), PHYS(f), block(f), RW);
	map(f, FIRST(f) + block(f), PHYS(f) + granule(f), block(f), RW);
	map(f, FIRST(f) + 2 * block(f), PHYS(f) + 2 * block(f), block(f) / 2, RW);
	page_bitmap(f, FIRST(f), size);
	expect(IOPGT_OK, iopgt_read_and_clear_accessed(f->table, FIRST(f), size, &f->bitmap, &op));
	finish(f, &op);
	for (uint64_t at = FIRST(f), next; at < FIRST(f) + size - block(f) / 2; at = next) {
		struct iopgt_translation leaf;

		expect(IOPGT_OK, iopgt_translate(f->table, at, &leaf));
		next = at + leaf.leaf_size;
		assert_int_equal(walker_access(f->walkers[0], at, WALKER_READ, NULL),
		                 WALKER_ACCESS_FLAG);
		expect(IOPGT_OK, iopgt_handle_access_fault(f->table, at));
		for (; at < next; at += granule(f))
			assert_int_equal(walker_access(f->walkers[0], at, WALKER_READ, NULL),
			                 WALKER_OK);
	}
}

/* --- Beside a call that has linked a table, and not yet cleaned the link --- */

static struct {
	bool inside;
	unsigned seen;
} beside;

/* What another call finds there, it lets walkers see before it goes on. */
static void look_beside(struct fixture *f)
{
	struct iopgt_op op = {.flags = IOPGT_OP_NO_CLEAR};
	struct iopgt_translation live;
	struct walker_leaf seen;

	page_bitmap(f, FIRST(f), 2 * block(f));
	expect(IOPGT_OK,
	       iopgt_read_and_clear_accessed(f->table, FIRST(f), 2 * block(f), &f->bitmap, &op));
	if (iopgt_translate(f->table, FIRST(f) + block(f), &live))
		return;
	beside.seen++;
	walker_translate(f->walkers[0], FIRST(f) + block(f), &seen);
	assert_int_equal(seen.fault, WALKER_OK);
	assert_int_equal(seen.phys, live.phys);
}

/* One descriptor alone: a link, whose table was cleaned before. */
static void clean_late(void *context, const void *address, uint32_t bytes)
{
	struct fixture *f = context;

	if (bytes == 8 && !beside.inside) {
		beside.inside = true;
		look_beside(f);
		beside.inside = false;
	}
	f->host.hal.clean(context, address, bytes);
}

/* Of a table behind one that was seen long ago. */
static void who_finds_a_link_lets_it_be_seen(struct fixture *f)
{
	map(f, FIRST(f), PHYS(f) + granule(f), block(f), RW);
	f->hal.clean = clean_late;
	beside.seen = 0;
	map(f, FIRST(f) + block(f), PHYS(f) + granule(f), 2 * granule(f), RW);
	f->hal.clean = f->host.hal.clean;
	assert_int_equal(beside.seen, 1);
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_REGIMES | FIXTURE_LEVELS;
	const struct fixture_test tests[] = {
		TEST_WITH(all, every_verb_is_seen, .dirty = FIXTURE_NO_DIRTY,
	                  .config_flags = IOPGT_CONFIG_NON_COHERENT),
		TEST_WITH(FIXTURE_STAGES | FIXTURE_LEVELS, a_gibibyte_is_seen_split_and_merged,
	                  .dirty = FIXTURE_NO_DIRTY, .config_flags = IOPGT_CONFIG_NON_COHERENT),
		TEST_WITH(all, no_walk_meets_what_was_not_cleaned, .dirty = FIXTURE_NO_DIRTY,
	                  .config_flags = IOPGT_CONFIG_NON_COHERENT),
		TEST_WITH(all, early_write_back_is_harmless, .dirty = FIXTURE_NO_DIRTY,
	                  .config_flags = IOPGT_CONFIG_NON_COHERENT),
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_STAGES, cleared_access_flags_are_seen,
	                  .dirty = FIXTURE_NO_DIRTY,
	                  .config_flags = IOPGT_CONFIG_NON_COHERENT | IOPGT_CONFIG_ACCESS_FLAG),
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_STAGES, cleared_access_flags_are_seen,
	                  .dirty = FIXTURE_NO_DIRTY, .leaf_sizes = FIXTURE_ALL_LEAF_SIZES,
	                  .config_flags = IOPGT_CONFIG_NON_COHERENT | IOPGT_CONFIG_ACCESS_FLAG),
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_STAGES, who_finds_a_link_lets_it_be_seen,
	                  .dirty = FIXTURE_NO_DIRTY,
	                  .config_flags = IOPGT_CONFIG_NON_COHERENT | IOPGT_CONFIG_ACCESS_FLAG),
		TEST_WITH(FIXTURE_GRANULES, a_failed_map_leaves_nothing_to_be_seen,
	                  .dirty = FIXTURE_NO_DIRTY, .config_flags = IOPGT_CONFIG_NON_COHERENT),
	};

	return FIXTURE_RUN(tests);
}
