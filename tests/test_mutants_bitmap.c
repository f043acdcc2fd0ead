/* SPDX-License-Identifier: BSD-2-Clause */
/* A word of a bitmap that two calls set bits in: of another table, or of what one unmaps. */
#include "test_mutants_torn.h"

#include <stdlib.h>
#include <string.h>

#define FIRST(f) (4 * block(f))
#define EARLY(f) FIRST(f)
#define LATE(f)  (FIRST(f) + 7 * granule(f))
#define PAGES    128
#define WHOLE(f) (PAGES * granule(f))

static struct iopgt_bitmap shared;

/* Written, and unmapped: nobody else will say so. */
static void unmap_what_is_written_beside(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	access_ok(f, 0, LATE(f), WALKER_WRITE);
	if (!iopgt_unmap_dirty(f->table, LATE(f), granule(f), &shared, &op))
		iopgt_op_finish(&op);
}

static void map_pages(struct fixture *f)
{
	/* Aligned so that no block or group can be made. */
	map(f, FIRST(f), granule(f), WHOLE(f), RW | IOPGT_CLEAN);
	f->hal.flags |= IOPGT_HAL_DEFERS_FREE;
	shared = (struct iopgt_bitmap){aligned_alloc(65536, 65536), FIRST(f), PAGES,
	                               f->config.granule_shift};
	assert_non_null(shared.words);
	memset(shared.words, 0, 65536);
}

static void expect_both_bits(struct fixture *f)
{
	expect_it_came();
	assert_true(iopgt_bitmap_test(&shared, EARLY(f)));
	assert_true(iopgt_bitmap_test(&shared, LATE(f)));
	free(shared.words);
}

static void bits_set_beside_a_read_are_kept(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_pages(f);
	write_page(f, EARLY(f));
	before_a_store_to(f, shared.words, unmap_what_is_written_beside);
	expect(IOPGT_OK, iopgt_sync_dirty_log(f->table, FIRST(f), WHOLE(f), &shared, &op));
	finish(f, &op);
	expect_both_bits(f);
}

static void bits_set_beside_a_read_that_clears_are_kept(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	map_pages(f);
	write_page(f, EARLY(f));
	before_a_store_to(f, shared.words, unmap_what_is_written_beside);
	expect(IOPGT_OK, iopgt_read_and_clear_dirty(f->table, FIRST(f), WHOLE(f), &shared, &op));
	finish(f, &op);
	expect_both_bits(f);
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST(FIXTURE_GRANULES | FIXTURE_STAGES, bits_set_beside_a_read_are_kept),
		TEST(FIXTURE_GRANULES | FIXTURE_STAGES,
	             bits_set_beside_a_read_that_clears_are_kept),
	};

	return TORN_RUN(tests);
}
