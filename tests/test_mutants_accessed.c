/* SPDX-License-Identifier: BSD-2-Clause */
/* Access flags that were cleared while somebody was there to set them again. */
#include "fixture.h"

#define FIRST(f) (4 * block(f))
#define LEAF_AF  (UINT64_C(1) << 10) /* D8.3.1.2 */

static void clear_accessed(struct fixture *f)
{
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_read_and_clear_accessed(f->table, FIRST(f), block(f),
	                                               page_bitmap(f, FIRST(f), block(f)), &op));
	finish(f, &op);
}

/* They stay so when the last walker that sets them has gone, and the table is good. */
static void tables_are_good_when_nobody_sets_access_flags_any_more(struct fixture *f)
{
	expect(IOPGT_OK, iopgt_domain_detach(&f->domain, &f->domain_walkers[0]));
	f->domain_walkers[0].flags |= IOPGT_WALKER_ACCESSED;
	expect(IOPGT_OK, iopgt_domain_attach(&f->domain, &f->domain_walkers[0]));
	map(f, FIRST(f), 0, block(f), RW);
	clear_accessed(f);
	assert_false(leaf_at(f, FIRST(f)).descriptor & LEAF_AF);
	walker_forget(f->walkers[0]);
	expect(IOPGT_OK, iopgt_domain_detach(&f->domain, &f->domain_walkers[0]));
	check(f);
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_STAGES,
	                  tables_are_good_when_nobody_sets_access_flags_any_more, .domain = true,
	                  .dirty = FIXTURE_NO_DIRTY),
	};

	return FIXTURE_RUN(tests);
}
