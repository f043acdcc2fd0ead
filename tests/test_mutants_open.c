/* SPDX-License-Identifier: BSD-2-Clause */
/* A tree that is taken over: what its owner before did not clean, and walkers that run. */
#include "test_mutants_torn.h"

#define FIRST(f) (4 * block(f))
#define OTHERS   (UINT64_C(1) << 55) /* a software bit, which this library uses in groups */

static void clean_nothing(void *context, const void *memory, uint32_t bytes)
{
	(void)context;
	(void)memory;
	(void)bytes;
}

static void take_over(struct fixture *f)
{
	static struct iopgt_table opened;
	struct iopgt_tree tree = {.root_phys = f->table->root_phys, .flags = IOPGT_OPEN_OWNING};

	expect(IOPGT_OK, iopgt_open(&opened, &f->config, &f->hal, &f->host, &tree));
	f->table = &opened;
}

/* Walkers that do not snoop see all of it, whoever made it. */
static void what_was_never_cleaned_is_seen(struct fixture *f)
{
	struct iopgt_mapping mapping = fixture_mapping(FIRST(f), 0, granule(f), RW);
	void (*clean)(void *context, const void *memory, uint32_t bytes) = f->hal.clean;
	struct iopgt_op op = new_op(f);

	f->hal.clean = clean_nothing;
	expect(IOPGT_OK, iopgt_map(f->table, &mapping, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	f->hal.clean = clean;
	assert_false(access_ok(f, 0, FIRST(f), WALKER_READ));
	take_over(f);
	assert_true(access_ok(f, 0, FIRST(f), WALKER_READ));
	expect_mapped(f, FIRST(f), 0, granule(f));
}

static void write_beside(struct fixture *f)
{
	access_ok(f, 0, FIRST(f), WALKER_WRITE);
}

/* Their bit goes, marks that walkers set meanwhile stay. */
static void writes_beside_the_opening_are_kept(struct fixture *f)
{
	uint64_t phys;
	_Atomic uint64_t *word;

	map(f, FIRST(f), 0, group_size(f, 3), RW | IOPGT_CLEAN);
	phys = leaf_at(f, FIRST(f)).descriptor_phys;
	word = pool_word(f->host.pool, phys, false);
	*word |= pool_little_endian(OTHERS);
	before_a_store(f, phys, write_beside);
	take_over(f);
	expect_it_came();
	look_dirty(f, FIRST(f), group_size(f, 3));
	expect_only_bits(f, FIRST(f), group_size(f, 3));
	assert_int_equal(pool_little_endian(*word) & OTHERS, 0);
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_STAGES, what_was_never_cleaned_is_seen,
	                  .dirty = FIXTURE_NO_DIRTY, .config_flags = IOPGT_CONFIG_NON_COHERENT),
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_STAGES, writes_beside_the_opening_are_kept,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES, .groups = FIXTURE_GROUPS_SINGLE),
	};

	return TORN_RUN(tests);
}
