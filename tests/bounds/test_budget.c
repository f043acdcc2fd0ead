/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every verb with budgets from 1 upward: the same end as in one call, no call touches more
 * than its budget and so many tables (work.h), and what it costs is printed.
 */
#include "work.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What is left behind. */
struct end {
	struct iopgt_stats stats;
	struct work_seen seen;
	uint64_t tables, lines, text; /* of a dump of all */
	uint64_t bits;
};

/* Where a table lies says nothing. */
static void add_line(void *context, const char *text)
{
	struct end *end = context;

	end->lines++;
	for (; *text && (text[0] != ' ' || text[1] != 't' || text[2] != 'a'); text++)
		end->text = (end->text ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
}

static struct end look(struct fixture *f, const struct iopgt_op *done)
{
	struct end end = {.stats = done->stats, .seen = work_seen};
	const struct iopgt_writer writer = {add_line, &end};
	struct iopgt_table_usage usage;
	struct iopgt_op op = {0};

	expect(IOPGT_OK,
	       iopgt_dump(f->table, 0, UINT64_C(1) << f->config.input_bits, &writer, &op));
	expect(IOPGT_OK, iopgt_table_stats(f->table, &usage));
	end.tables = usage.tables;
	for (uint64_t bit = 0; bit < f->bitmap.bits; bit++)
		end.bits += bit_at(f, f->bitmap.base + (bit << f->bitmap.page_shift)) * (bit + 1);
	return end;
}

static void expect_alike(const struct end *whole, const struct end *pieces)
{
	const struct iopgt_stats *a = &whole->stats, *b = &pieces->stats;

	assert_int_equal(a->mapped, b->mapped);
	assert_int_equal(a->unmapped, b->unmapped);
	assert_int_equal(a->holes, b->holes);
	assert_int_equal(a->dirty, b->dirty);
	assert_int_equal(a->cleaned, b->cleaned);
	assert_int_equal(a->split, b->split);
	assert_int_equal(a->merged, b->merged);
	assert_int_equal(a->grouped, b->grouped);
	assert_int_equal(a->ungrouped, b->ungrouped);
	assert_int_equal(whole->seen.granules, pieces->seen.granules);
	assert_int_equal(whole->seen.sum, pieces->seen.sum);
	assert_int_equal(whole->seen.leaves, pieces->seen.leaves);
	assert_int_equal(whole->seen.holes, pieces->seen.holes);
	assert_int_equal(whole->bits, pieces->bits);
	assert_int_equal(whole->tables, pieces->tables);
	assert_int_equal(whole->lines, pieces->lines);
	assert_int_equal(whole->text, pieces->text);
}

static uint64_t most_of_a_call(const struct fixture *f, const struct work *work, uint64_t budget)
{
	uint64_t tables = work->tables ? work->tables : 1;

	return budget + tables * table_entries(f) + most_of_an_address(f);
}

/* Returns the most that a call touched. */
static uint64_t in_pieces(struct fixture *f, const struct work *work, struct iopgt_op *op,
                          unsigned *calls)
{
	uint64_t at = work_first(f), end = at + work_size(f), most = 0;
	int error;

	do {
		uint64_t touched;

		touched_begin(f);
		error = work->call(f, at, end - at, op);
		touched = touched_end();
		most = touched > most ? touched : most;
		++*calls;
		if (error == IOPGT_AGAIN) {
			/* The switch of a whole table begins at its first address. */
			assert_true(op->next > at || at == work_first(f));
			at = op->next;
		}
	} while (error == IOPGT_AGAIN);
	expect(IOPGT_OK, error);
	expect(IOPGT_OK, iopgt_op_finish(op));
	return most;
}

static struct end run(const struct fixture *like, const struct work *work, uint64_t budget)
{
	struct fixture *f = work_begin(like, work);
	struct iopgt_op op = new_op(f);
	unsigned calls = 0;
	struct end end;
	uint64_t most;

	op.budget = budget;
	most = in_pieces(f, work, &op, &calls);
	end = look(f, &op);
	print_message("# %s, budget %u: %u calls, %u waits, %u invalidations, at most %u touched\n",
	              work->name, (unsigned)budget, calls, (unsigned)op.stats.waits,
	              (unsigned)op.stats.invalidations, (unsigned)most);
	if (budget)
		assert_in_range(most, 1, most_of_a_call(f, work, budget));
	else
		assert_int_equal(calls, 1);
	fixture_end(f);
	fixture_destroy(f);
	return end;
}

static void pieces_end_as_one_call(struct fixture *like)
{
	static const uint64_t budgets[] = {1, 2, 3, 7, 64, 513};

	for (size_t i = 0; i < work_count; i++) {
		struct end whole = run(like, &work_verbs[i], 0);

		for (size_t j = 0; j < COUNT(budgets); j++) {
			struct end pieces = run(like, &work_verbs[i], budgets[j]);

			expect_alike(&whole, &pieces);
		}
	}
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(FIXTURE_GRANULES, pieces_end_as_one_call, .domain = true),
		TEST_WITH(FIXTURE_GRANULES, pieces_end_as_one_call, .domain = true,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES),
		TEST_WITH(0, pieces_end_as_one_call, .domain = true, .level = FIXTURE_LEVEL_1),
		TEST_WITH(0, pieces_end_as_one_call, .domain = true, .level = FIXTURE_LEVEL_0,
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES,
	                  .config_flags = IOPGT_CONFIG_FAULTS_RETRIED),
	};

	return FIXTURE_RUN(tests);
}
