/* SPDX-License-Identifier: BSD-2-Clause */
/* Access flags that walkers set in pages while these become a block. */
#include "fixture.h"

#define FIRST(f) (4 * block(f))
#define LATE(f)  (FIRST(f) + 9 * granule(f))

/* Through the old table, which a walk cache still has. */
static void read_before_the_wait(struct fixture *f, enum host_call call, bool done)
{
	if (call == HOST_SYNC && !done && !*(bool *)f->hook_context)
		*(bool *)f->hook_context = access_ok(f, 0, LATE(f), WALKER_READ);
}

static void clear_accessed(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	page_bitmap(f, FIRST(f), block(f));
	expect(IOPGT_OK,
	       iopgt_read_and_clear_accessed(f->table, FIRST(f), block(f), &f->bitmap, &op));
	finish(f, &op);
}

static void access_flags_set_until_the_wait_are_carried(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	bool came = false;

	map(f, FIRST(f), 0, block(f), RW | IOPGT_CLEAN);
	split(f, FIRST(f), block(f));
	clear_accessed(f);
	read_page(f, FIRST(f)); /* the way to the table is cached */
	clear_accessed(f);
	f->hook_context = &came;
	f->hook = read_before_the_wait;
	expect(IOPGT_OK, iopgt_merge_page(f->table, FIRST(f), block(f), &op));
	f->hook = NULL;
	finish(f, &op);
	expect_level(f, FIRST(f), 2);
	assert_true(came);
	clear_accessed(f);
	expect_only_bits(f, FIRST(f), block(f));
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST(FIXTURE_GRANULES | FIXTURE_STAGES,
	             access_flags_set_until_the_wait_are_carried),
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_STAGES,
	                  access_flags_set_until_the_wait_are_carried, .level = FIXTURE_LEVEL_1),
	};

	return FIXTURE_RUN(tests);
}
