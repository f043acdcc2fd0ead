/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two calls that need the same new table, for walkers that do not snoop: one has linked
 * it and not cleaned the link yet when the other one comes and goes.
 */
#include "fixture.h"

#include <limits.h>

#define FIRST(f) (4 * block(f))

static unsigned cleans; /* that come before the other call */
static bool other_is_done;

/* Maps the page beside, and is over: walkers must see that. */
static void map_beside(struct fixture *f)
{
	struct iopgt_mapping mapping =
		fixture_mapping(FIRST(f) + granule(f), FIRST(f), granule(f), RW);
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_map(f->table, &mapping, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	assert_true(access_ok(f, 0, FIRST(f) + granule(f), WALKER_READ));
}

static void clean_later(void *context, const void *memory, uint32_t bytes)
{
	struct fixture *f = context; /* the host, its first member */

	if (!other_is_done && cleans-- == 0) {
		other_is_done = true;
		map_beside(f);
	}
	f->host.hal.clean(context, memory, bytes);
}

static void links_that_another_call_has_not_cleaned_are_cleaned(struct fixture *f)
{
	unsigned tried = 0;

	f->hal.clean = clean_later;
	for (other_is_done = true; other_is_done; tried++) {
		struct iopgt_mapping mapping = fixture_mapping(FIRST(f), 0, granule(f), RW);
		struct iopgt_op op = new_op(f);

		cleans = tried;
		other_is_done = false;
		expect(IOPGT_OK, iopgt_map(f->table, &mapping, &op));
		finish(f, &op);
		cleans = UINT_MAX;
		unmap(f, 0, UINT64_C(1) << 48);
	}
	/* Of three tables and their links, and of the leaf. */
	assert_true(tried > 3);
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_STAGES,
	                  links_that_another_call_has_not_cleaned_are_cleaned,
	                  .dirty = FIXTURE_NO_DIRTY, .config_flags = IOPGT_CONFIG_NON_COHERENT),
	};

	return FIXTURE_RUN(tests);
}
