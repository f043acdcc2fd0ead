/* SPDX-License-Identifier: BSD-2-Clause */
/* Table memory that is misaligned or out of reach: refused and given back. */
#include "fixture.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (12 * block(f))

/* What alloc_table adds to the address, from the nth call on; 0: nothing. */
static uint64_t spoil, spoil_after;
static unsigned spoiled;

static void *alloc_spoiled(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys)
{
	struct fixture *f = context; /* the host is its first member */
	void *memory = f->host.hal.alloc_table(context, bytes, flags, phys);

	if (spoil && memory && (!spoil_after || !--spoil_after)) {
		*phys += spoil;
		spoiled++;
	}
	return memory;
}

static void free_spoiled(void *context, void *memory, uint64_t phys, uint32_t bytes)
{
	struct fixture *f = context;
	uint64_t real = pool_phys(f->host.pool, memory);

	spoiled -= phys != real;
	f->host.hal.free_table(context, memory, real, bytes);
}

/* From now on; the table has a copy of nothing but the pointer to the HAL. */
static void start_spoiling(struct fixture *f, uint64_t by, uint64_t after)
{
	f->hal.alloc_table = alloc_spoiled;
	f->hal.free_table = free_spoiled;
	spoil = by;
	spoil_after = after;
	spoiled = 0;
}

static const uint64_t spoils[] = {64, 2048, UINT64_C(1) << 52};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void map_gives_bad_memory_back(struct fixture *f)
{
	struct iopgt_mapping mapping = fixture_mapping(FIRST(f), granule(f), 2 * block(f), RW);
	struct iopgt_op op = new_op(f);

	for (size_t i = 0; i < COUNT(spoils); i++) {
		for (uint64_t nth = 1; nth <= 2; nth++) {
			start_spoiling(f, spoils[i], nth);
			expect(IOPGT_BAD_TABLE_MEMORY, iopgt_map(f->table, &mapping, &op));
			assert_int_equal(spoiled, 0);
			spoil = 0;
			finish(f, &op);
			expect_unmapped(f, FIRST(f), 2 * block(f));
			expect(IOPGT_OK, iopgt_trim(f->table, 0, UINT64_C(1) << 48, &op));
			finish(f, &op);
		}
	}
	assert_int_equal(pool_in_use(f->host.pool), 1);
}

static void split_gives_bad_memory_back(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	size_t before;

	map(f, FIRST(f), PHYS(f), 2 * block(f), RW | IOPGT_CLEAN);
	write_page(f, FIRST(f));
	before = pool_in_use(f->host.pool);
	for (size_t i = 0; i < COUNT(spoils); i++) {
		start_spoiling(f, spoils[i], 1);
		expect(IOPGT_BAD_TABLE_MEMORY,
		       iopgt_split_block(f->table, FIRST(f), block(f), &op));
		assert_int_equal(spoiled, 0);
		spoil = 0;
		finish(f, &op);
		assert_int_equal(pool_in_use(f->host.pool), before);
		expect_level(f, FIRST(f), 2);
		assert_int_equal(state_at(f, FIRST(f)), IOPGT_LEAF_DIRTY);
	}
	split(f, FIRST(f), block(f));
}

static void unmap_and_protect_give_bad_memory_back(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map(f, FIRST(f), PHYS(f), block(f), RW);
	start_spoiling(f, 64, 1);
	expect(IOPGT_BAD_TABLE_MEMORY, iopgt_unmap(f->table, FIRST(f), granule(f), &op));
	start_spoiling(f, 64, 1);
	expect(IOPGT_BAD_TABLE_MEMORY,
	       iopgt_protect(f->table, FIRST(f), granule(f), IOPGT_READ, &op));
	assert_int_equal(spoiled, 0);
	spoil = 0;
	finish(f, &op);
	expect_mapped(f, FIRST(f), PHYS(f), block(f));
	expect_level(f, FIRST(f), 2);
	write_page(f, FIRST(f));
}

int main(void)
{
	const uint32_t levels = FIXTURE_GRANULES | FIXTURE_LEVELS;
	const struct fixture_test tests[] = {
		TEST(levels, map_gives_bad_memory_back),
		TEST(levels, split_gives_bad_memory_back),
		TEST(levels, unmap_and_protect_give_bad_memory_back),
	};

	return FIXTURE_RUN(tests);
}
