/* SPDX-License-Identifier: BSD-2-Clause */
/* An op of iopgt_unmap_dirty that goes on with another bitmap. */
#include "fixture.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (12 * block(f))
#define WATCHED  64

/* Writes through walks that may be stale; what they come to is noted. */
static void write_watched(struct fixture *f, bool *landed)
{
	for (unsigned i = 0; i < WATCHED; i++)
		if (access_ok(f, 0, FIRST(f) + i * granule(f), WALKER_WRITE))
			landed[i] = true;
}

static void write_during_calls(struct fixture *f, enum host_call call, bool done)
{
	(void)call;
	(void)done;
	write_watched(f, f->hook_context);
}

/* What was removed into the first bitmap is waited for, and read, before it is forgotten. */
static void another_bitmap_waits_for_writes_that_belong_into_the_first(struct fixture *f)
{
	uint64_t words[WATCHED / 64 + 1] = {0};
	const struct iopgt_bitmap other = {words, FIRST(f) + block(f), WATCHED,
	                                   f->config.granule_shift};
	struct iopgt_op op = new_op(f);
	bool landed[WATCHED] = {false};

	map(f, FIRST(f), PHYS(f) + granule(f), 2 * block(f), RW | IOPGT_CLEAN);
	for (unsigned i = 0; i < WATCHED; i++)
		read_page(f, FIRST(f) + i * granule(f));
	expect(IOPGT_OK, iopgt_unmap_dirty(f->table, FIRST(f), block(f),
	                                   page_bitmap(f, FIRST(f), block(f)), &op));
	f->hook_context = landed;
	f->hook = write_during_calls;
	expect(IOPGT_OK,
	       iopgt_unmap_dirty(f->table, FIRST(f) + block(f), WATCHED * granule(f), &other, &op));
	f->hook = NULL;
	write_watched(f, landed);
	check(f);
	finish(f, &op);
	for (unsigned i = 0; i < WATCHED; i++)
		assert_true(!landed[i] || bit_at(f, FIRST(f) + i * granule(f)));
	assert_int_equal(words[0], 0);
	assert_true(landed[WATCHED - 1]);
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST(FIXTURE_GRANULES | FIXTURE_STAGES,
	             another_bitmap_waits_for_writes_that_belong_into_the_first),
	};

	return FIXTURE_RUN(tests);
}
