/* SPDX-License-Identifier: BSD-2-Clause */
/* Ages of tables, which adaptive tracking keeps in descriptors that others change. */
#include "test_mutants_torn.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (12 * block(f))

static void track(struct fixture *f)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_ADAPTIVE, .cold_scans = 5};
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, true, &how, &op));
	finish(f, &op);
}

/* Pages, since no block can be made of them: clean, in a table of age 1. */
static void make_table(struct fixture *f)
{
	f->hal.flags |= IOPGT_HAL_DEFERS_FREE;
	track(f);
	map(f, FIRST(f), PHYS(f) + granule(f), block(f), RW);
	take_dirty(f, FIRST(f), block(f));
}

/* As another CPU, which looks at nothing else. */
static void unmap_beside(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	if (!iopgt_unmap(f->table, FIRST(f), block(f), &op))
		iopgt_op_finish(&op);
}

static void expect_gone(struct fixture *f)
{
	expect_it_came();
	expect_unmapped(f, FIRST(f), block(f));
	check(f);
}

static void tables_that_are_unmapped_while_they_grow_older_are_gone(struct fixture *f)
{
	make_table(f);
	before_a_store(f, link_of(f, FIRST(f), 0), unmap_beside);
	take_dirty(f, FIRST(f), block(f));
	expect_gone(f);
}

static void tables_that_are_unmapped_while_they_grow_young_are_gone(struct fixture *f)
{
	make_table(f);
	write_page(f, FIRST(f) + 7 * granule(f));
	before_a_store(f, link_of(f, FIRST(f), 0), unmap_beside);
	take_dirty(f, FIRST(f), block(f));
	expect_gone(f);
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_STAGES;
	const struct fixture_test tests[] = {
		TEST_WITH(all, tables_that_are_unmapped_while_they_grow_older_are_gone,
	                  .domain = true),
		TEST_WITH(all, tables_that_are_unmapped_while_they_grow_young_are_gone,
	                  .domain = true),
	};

	return TORN_RUN(tests);
}
