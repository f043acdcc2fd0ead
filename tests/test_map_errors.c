/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_map: refusals, failures, and calls in pieces. */
#include <string.h>

#include "fixture.h"

#define SPACE (UINT64_C(1) << 48)

/* --- Arguments --- */

struct refusal {
	int want;
	struct iopgt_mapping mapping;
};

static void expect_refusals(struct fixture *f, const struct refusal *refusals, size_t count)
{
	size_t tables = pool_in_use(f->host.pool);

	for (size_t i = 0; i < count; i++) {
		struct iopgt_op op = new_op(f);

		expect(refusals[i].want, iopgt_map(f->table, &refusals[i].mapping, &op));
		assert_null(op.gather.table);
		assert_int_equal(pool_in_use(f->host.pool), tables);
		check(f);
	}
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void map_refuses_what_is_not_aligned(struct fixture *f)
{
	uint64_t g = granule(f);
	const struct refusal refusals[] = {
		{IOPGT_BAD_ALIGNMENT, {g + 1, g, g, RW, 1, 0}},
		{IOPGT_BAD_ALIGNMENT, {g + g / 2, g, g, RW, 1, 0}},
		{IOPGT_BAD_ALIGNMENT, {g, g / 2, g, RW, 1, 0}},
		{IOPGT_BAD_ALIGNMENT, {g, g, g / 2, RW, 1, 0}},
		{IOPGT_BAD_ALIGNMENT, {g, g, g + 1, RW, 1, 0}},
	};

	expect_refusals(f, refusals, COUNT(refusals));
}

static void map_refuses_ranges_outside_of_the_input_space(struct fixture *f)
{
	uint64_t g = granule(f);
	const struct refusal refusals[] = {
		{IOPGT_BAD_RANGE, {g, g, 0, RW, 1, 0}},
		{IOPGT_BAD_RANGE, {SPACE, 0, g, RW, 1, 0}},
		{IOPGT_BAD_RANGE, {SPACE - g, 0, 2 * g, RW, 1, 0}},
		{IOPGT_BAD_RANGE, {0 - g, 0, g, RW, 1, 0}},
		{IOPGT_BAD_RANGE, {0 - g, 0, 2 * g, RW, 1, 0}},
		{IOPGT_BAD_RANGE, {2 * g, 0, 0 - g, RW, 1, 0}},
		{IOPGT_BAD_RANGE, {g, 0, SPACE, RW, 1, 0}},
	};

	expect_refusals(f, refusals, COUNT(refusals));
}

static void map_refuses_ranges_outside_of_the_output_space(struct fixture *f)
{
	uint64_t g = granule(f), out = UINT64_C(1) << f->config.output_bits;
	const struct refusal refusals[] = {
		{IOPGT_BAD_OUTPUT, {g, out, g, RW, 1, 0}},
		{IOPGT_BAD_OUTPUT, {g, out - g, 2 * g, RW, 1, 0}},
		{IOPGT_BAD_OUTPUT, {g, 0 - g, g, RW, 1, 0}},
		{IOPGT_BAD_OUTPUT, {g, 0 - g, 2 * g, RW, 1, 0}},
	};

	expect_refusals(f, refusals, COUNT(refusals));
	map(f, g, out - g, g, RW);
	expect_mapped(f, g, out - g, g);
}

static void map_refuses_unknown_permissions_and_memory_types(struct fixture *f)
{
	uint64_t g = granule(f);
	const struct refusal refusals[] = {
		{IOPGT_BAD_PROT, {g, g, g, RW | (IOPGT_ALL_PROT + 1), 1, 0}},
		{IOPGT_BAD_PROT, {g, g, g, RW | 1u << 31, 1, 0}},
		{IOPGT_BAD_PROT, {g, g, g, RW | IOPGT_CLEAN | IOPGT_NO_TRACK, 1, 0}},
		{IOPGT_BAD_MEMORY_TYPE, {g, g, g, RW, IOPGT_MEMORY_TYPES, 0}},
		{IOPGT_BAD_MEMORY_TYPE, {g, g, g, RW, UINT32_MAX, 0}},
	};

	expect_refusals(f, refusals, COUNT(refusals));
}

static void map_refuses_null_pointers(struct fixture *f)
{
	struct iopgt_mapping mapping = fixture_mapping(0, 0, granule(f), RW);
	struct iopgt_op op = {0};

	expect(IOPGT_BAD_ARGUMENT, iopgt_map(NULL, &mapping, &op));
	expect(IOPGT_BAD_ARGUMENT, iopgt_map(f->table, NULL, &op));
	expect(IOPGT_BAD_ARGUMENT, iopgt_map(f->table, &mapping, NULL));
	expect_unmapped(f, 0, granule(f));
}

static void map_refuses_unknown_op_flags(struct fixture *f)
{
	struct iopgt_mapping mapping = fixture_mapping(0, 0, granule(f), RW);
	struct iopgt_op op = {.flags = IOPGT_OP_ALL_FLAGS + 1};

	expect(IOPGT_BAD_FLAGS, iopgt_map(f->table, &mapping, &op));
	op.flags = 1u << 31;
	expect(IOPGT_BAD_FLAGS, iopgt_map(f->table, &mapping, &op));
	expect_unmapped(f, 0, granule(f));
	op.flags = IOPGT_OP_ALL_FLAGS;
	expect(IOPGT_OK, iopgt_map(f->table, &mapping, &op));
	finish(f, &op);
}

static void map_refuses_an_op_that_owes_another_table(struct fixture *f)
{
	struct iopgt_mapping mapping = fixture_mapping(block(f), 0, granule(f), RW);
	struct iopgt_table other;
	struct iopgt_op op = new_op(f);

	map(f, 0, 0, granule(f), RW);
	expect(IOPGT_OK, iopgt_init(&other, &f->config, &f->hal, &f->host));
	expect(IOPGT_OK, iopgt_unmap(f->table, 0, granule(f), &op));
	assert_ptr_equal(op.gather.table, f->table);
	expect(IOPGT_WRONG_OP, iopgt_map(&other, &mapping, &op));
	finish(f, &op);
	expect(IOPGT_OK, iopgt_map(&other, &mapping, &op));
	expect(IOPGT_OK, iopgt_op_finish(&op));
	expect(IOPGT_OK, iopgt_fini(&other));
}

/* --- What exists --- */

static void expect_exists(struct fixture *f, uint64_t iova, uint64_t phys, uint64_t size)
{
	struct iopgt_mapping mapping = fixture_mapping(iova, phys, size, RW);
	struct iopgt_op op = new_op(f);

	expect(IOPGT_EXISTS, iopgt_map(f->table, &mapping, &op));
	finish(f, &op);
}

static void map_over_a_page_leaves_nothing_behind(struct fixture *f)
{
	uint64_t size = 3 * block(f), first = 4 * block(f);
	const uint64_t places[] = {0,
	                           granule(f),
	                           block(f),
	                           block(f) + granule(f),
	                           2 * block(f) - granule(f),
	                           size - granule(f)};

	for (size_t i = 0; i < COUNT(places); i++) {
		uint64_t there = first + places[i];

		map(f, there, 9 * block(f), granule(f), IOPGT_READ);
		expect_exists(f, first, 12 * block(f), size);
		expect_exists(f, first, 12 * block(f) + granule(f), size);
		expect_mapped(f, there, 9 * block(f), granule(f));
		assert_false(access_ok(f, 0, there, WALKER_WRITE));
		expect_unmapped(f, first, places[i]);
		expect_unmapped(f, there + granule(f), size - places[i] - granule(f));
		unmap(f, there, granule(f));
	}
}

static void map_over_a_block_leaves_nothing_behind(struct fixture *f)
{
	uint64_t first = 4 * block(f);

	map(f, first, 8 * block(f), block(f), IOPGT_READ);
	expect_exists(f, first - granule(f), 0, 2 * granule(f));
	expect_exists(f, first + granule(f), 0, granule(f));
	expect_exists(f, first - block(f), 0, 2 * block(f));
	expect_exists(f, first, 8 * block(f), block(f));
	expect_mapped(f, first, 8 * block(f), block(f));
	expect_unmapped(f, first - block(f), block(f));
	expect_level(f, first, 2);
}

static void what_map_took_back_is_owed_an_invalidation(struct fixture *f)
{
	struct iopgt_mapping mapping = fixture_mapping(block(f), 0, 2 * block(f), RW);
	struct iopgt_op op = new_op(f);

	map(f, 3 * block(f) - granule(f), 0, granule(f), RW);
	/* A walker may have cached the first block before the call met the page. */
	expect(IOPGT_EXISTS, iopgt_map(f->table, &mapping, &op));
	expect_unmapped(f, block(f), block(f));
	finish(f, &op);
	assert_false(access_ok(f, 0, block(f), WALKER_READ));
	map(f, block(f), 5 * block(f), block(f), RW);
	expect_mapped(f, block(f), 5 * block(f), block(f));
}

/* --- Memory --- */

static void map_without_memory_leaves_nothing_mapped(struct fixture *f)
{
	/* Tables on both sides of a level-1 and a level-2 boundary. */
	uint64_t first = level_size(f, 1) - block(f) - granule(f);
	uint64_t size = 2 * block(f) + 2 * granule(f);
	struct iopgt_mapping mapping = fixture_mapping(first, 9 * block(f) - granule(f), size, RW);
	uint64_t nth = 0;
	int error;

	do {
		struct iopgt_op op = new_op(f);

		host_fail(&f->host, HOST_ALLOC, ++nth, false);
		error = iopgt_map(f->table, &mapping, &op);
		host_fail_nothing(&f->host);
		finish(f, &op);
		if (error == IOPGT_OK)
			break;
		expect(IOPGT_NO_MEMORY, error);
		expect_unmapped(f, first, size);
		expect(IOPGT_OK, iopgt_trim(f->table, 0, SPACE, &op));
		finish(f, &op);
		assert_int_equal(pool_in_use(f->host.pool), 1);
	} while (nth < 100);
	expect(IOPGT_OK, error);
	assert_true(nth >= 4);
	expect_mapped(f, first, mapping.phys, size);
}

static void map_goes_on_after_memory_came_back(struct fixture *f)
{
	struct iopgt_mapping mapping = fixture_mapping(0, granule(f), 3 * block(f), RW);
	struct iopgt_op op = new_op(f);

	host_fail(&f->host, HOST_ALLOC, 2, true);
	expect(IOPGT_NO_MEMORY, iopgt_map(f->table, &mapping, &op));
	host_fail_nothing(&f->host);
	expect(IOPGT_OK, iopgt_map(f->table, &mapping, &op));
	finish(f, &op);
	expect_mapped(f, 0, granule(f), 3 * block(f));
}

static uint32_t flags_of_last_alloc(struct fixture *f)
{
	struct host_event event = {0};
	uint64_t count = event_count(f, HOST_ALLOC);

	assert_true(count > 0);
	assert_true(host_event(&f->host, (uint64_t)event_index(f, HOST_ALLOC, count - 1), &event));
	return event.flags;
}

static void an_atomic_op_asks_for_atomic_memory(struct fixture *f)
{
	struct iopgt_mapping mapping = fixture_mapping(0, 0, granule(f), RW);
	struct iopgt_op op = {.flags = IOPGT_OP_ATOMIC};

	host_log_clear(&f->host);
	expect(IOPGT_OK, iopgt_map(f->table, &mapping, &op));
	finish(f, &op);
	assert_true(flags_of_last_alloc(f) & IOPGT_ALLOC_ATOMIC);
	host_log_clear(&f->host);
	map(f, SPACE / 2, 0, granule(f), RW);
	assert_false(flags_of_last_alloc(f) & IOPGT_ALLOC_ATOMIC);
}

/* --- In pieces --- */

/* Returns the number of calls. */
static unsigned map_in_pieces(struct fixture *f, struct iopgt_mapping mapping, uint64_t budget)
{
	struct iopgt_op op = new_op(f);
	unsigned calls = 1;
	int error;

	op.budget = budget;
	while ((error = iopgt_map(f->table, &mapping, &op)) == IOPGT_AGAIN) {
		uint64_t done = op.next - mapping.iova;

		assert_true(done > 0 && done < mapping.size && done % granule(f) == 0);
		check(f);
		expect_mapped(f, mapping.iova, mapping.phys, done < block(f) ? done : block(f));
		mapping.iova += done;
		mapping.phys += done;
		mapping.size -= done;
		calls++;
	}
	expect(IOPGT_OK, error);
	finish(f, &op);
	return calls;
}

static void map_in_pieces_ends_in_the_same_mapping(struct fixture *f)
{
	static const uint64_t budgets[] = {1, 2, 3, 5, 64, 1000, 1000000};
	uint64_t first = 2 * block(f) - 3 * granule(f), phys = 7 * block(f) - 3 * granule(f);
	uint64_t size = 3 * block(f) + 3 * granule(f);

	for (size_t i = 0; i < COUNT(budgets); i++) {
		unsigned calls =
			map_in_pieces(f, fixture_mapping(first, phys, size, RW), budgets[i]);

		assert_true(budgets[i] > 1 || calls > 1);
		assert_true(budgets[i] < 1000000 || calls == 1);
		expect_mapped(f, first, phys, size);
		expect_level(f, 2 * block(f), 2);
		expect_level(f, 2 * block(f) - granule(f), 3);
		expect_unmapped(f, first - granule(f), granule(f));
		expect_unmapped(f, first + size, granule(f));
		unmap(f, first, size);
	}
}

static void a_piece_that_fails_keeps_those_before_it(struct fixture *f)
{
	struct iopgt_mapping mapping = fixture_mapping(0, granule(f), 3 * block(f), RW);
	struct iopgt_op op = new_op(f);
	uint64_t done;

	op.budget = 1;
	map(f, 2 * block(f), 0, granule(f), IOPGT_READ);
	expect(IOPGT_AGAIN, iopgt_map(f->table, &mapping, &op));
	done = op.next;
	mapping = fixture_mapping(done, granule(f) + done, 3 * block(f) - done, RW);
	op.budget = 0;
	expect(IOPGT_EXISTS, iopgt_map(f->table, &mapping, &op));
	finish(f, &op);
	expect_mapped(f, 0, granule(f), done);
	expect_unmapped(f, done, 2 * block(f) - done);
	expect_mapped(f, 2 * block(f), 0, granule(f));
}

/* --- A page like the last one --- */

/* One page; nothing but what is said is wrong with it. */
static void expect_refused(struct fixture *f, int error, uint64_t iova, uint64_t phys)
{
	struct iopgt_mapping mapping = fixture_mapping(iova, phys, granule(f), RW);
	struct iopgt_op op = new_op(f);

	expect(error, iopgt_map(f->table, &mapping, &op));
	assert_int_equal(op.stats.mapped, 0);
	finish(f, &op);
}

static void a_page_like_the_last_one_is_checked_as_any(struct fixture *f)
{
	uint64_t g = granule(f), iova = 4 * block(f), phys = 12 * block(f);

	for (unsigned i = 0; i < 3; i++)
		map(f, iova + i * g, phys + i * g, g, RW);
	expect_refused(f, IOPGT_EXISTS, iova + g, phys + 7 * g);
	expect_refused(f, IOPGT_BAD_ALIGNMENT, iova + 3 * g, phys + 8);
	expect_refused(f, IOPGT_BAD_ALIGNMENT, iova + 3 * g + 8, phys);
	expect_refused(f, IOPGT_BAD_OUTPUT, iova + 3 * g, UINT64_C(1) << f->config.output_bits);
	expect_mapped(f, iova, phys, 3 * g);
	expect_unmapped(f, iova + 3 * g, g);
}

static void a_wrong_op_is_refused_for_a_page_as_for_any(struct fixture *f)
{
	uint64_t g = granule(f), iova = 4 * block(f), phys = 12 * block(f);
	struct iopgt_mapping mapping = fixture_mapping(iova + 2 * g, phys, g, RW);
	struct iopgt_op unknown = {.flags = IOPGT_OP_ALL_FLAGS + 1}, foreign = {0};
	struct iopgt_table other = {0};

	foreign.gather.table = &other;
	map(f, iova, phys, g, RW);
	map(f, iova + g, phys + g, g, RW);
	expect(IOPGT_BAD_FLAGS, iopgt_map(f->table, &mapping, &unknown));
	expect(IOPGT_BAD_FLAGS, iopgt_unmap(f->table, iova, g, &unknown));
	expect(IOPGT_WRONG_OP, iopgt_map(f->table, &mapping, &foreign));
	expect(IOPGT_WRONG_OP, iopgt_unmap(f->table, iova, g, &foreign));
	expect_mapped(f, iova, phys, 2 * g);
	expect_unmapped(f, iova + 2 * g, g);
}

/* By one op: the old translation is gone before the new one is there. */
static void a_page_that_moves_is_invalidated_between(struct fixture *f)
{
	uint64_t g = granule(f), iova = 4 * block(f), phys = 12 * block(f);
	struct iopgt_mapping mapping = fixture_mapping(iova, phys + 5 * g, g, RW);
	struct iopgt_op op = new_op(f);
	uint64_t syncs, publishes;

	map(f, iova, phys, g, RW);
	map(f, iova + g, phys + g, g, RW);
	read_page(f, iova);
	expect(IOPGT_OK, iopgt_unmap(f->table, iova, g, &op));
	syncs = host_calls(&f->host, HOST_SYNC);
	publishes = host_calls(&f->host, HOST_PUBLISH);
	expect(IOPGT_OK, iopgt_map(f->table, &mapping, &op));
	assert_int_equal(host_calls(&f->host, HOST_SYNC), syncs + 1);
	assert_int_equal(host_calls(&f->host, HOST_PUBLISH), publishes + 1);
	mapping.iova = iova + 2 * g;
	expect(IOPGT_OK, iopgt_map(f->table, &mapping, &op));
	assert_int_equal(host_calls(&f->host, HOST_SYNC), syncs + 1);
	assert_int_equal(host_calls(&f->host, HOST_PUBLISH), publishes + 2);
	finish(f, &op);
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_REGIMES;
	const struct fixture_test tests[] = {
		TEST(FIXTURE_GRANULES, a_page_like_the_last_one_is_checked_as_any),
		TEST_WITH(FIXTURE_GRANULES, a_page_like_the_last_one_is_checked_as_any,
	                  .host.hal_flags = IOPGT_HAL_LINEAR),
		TEST_WITH(FIXTURE_GRANULES, a_wrong_op_is_refused_for_a_page_as_for_any,
	                  .host.hal_flags = IOPGT_HAL_LINEAR),
		TEST(FIXTURE_GRANULES, a_page_that_moves_is_invalidated_between),
		TEST_WITH(FIXTURE_GRANULES, a_page_that_moves_is_invalidated_between,
	                  .host.hal_flags = IOPGT_HAL_LINEAR),
		TEST(FIXTURE_GRANULES, map_refuses_what_is_not_aligned),
		TEST(all, map_refuses_ranges_outside_of_the_input_space),
		TEST(FIXTURE_GRANULES, map_refuses_ranges_outside_of_the_output_space),
		TEST_WITH(FIXTURE_GRANULES, map_refuses_ranges_outside_of_the_output_space,
	                  .output_bits = 32),
		TEST_WITH(FIXTURE_GRANULES, map_refuses_ranges_outside_of_the_output_space,
	                  .output_bits = 44),
		TEST(FIXTURE_REGIMES, map_refuses_unknown_permissions_and_memory_types),
		TEST(0, map_refuses_null_pointers),
		TEST(0, map_refuses_unknown_op_flags),
		TEST(0, map_refuses_an_op_that_owes_another_table),
		TEST(all, map_over_a_page_leaves_nothing_behind),
		TEST(all, map_over_a_block_leaves_nothing_behind),
		TEST(FIXTURE_GRANULES, what_map_took_back_is_owed_an_invalidation),
		TEST(all, map_without_memory_leaves_nothing_mapped),
		TEST(FIXTURE_GRANULES, map_goes_on_after_memory_came_back),
		TEST(0, an_atomic_op_asks_for_atomic_memory),
		TEST(all, map_in_pieces_ends_in_the_same_mapping),
		TEST(FIXTURE_GRANULES, a_piece_that_fails_keeps_those_before_it),
	};

	return FIXTURE_RUN(tests);
}
