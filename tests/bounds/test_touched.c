/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The most descriptors that a call without a budget touches, as the lines "Touches" of the
 * headers say it, which headers.py compares with what is called here.
 */
#include "work.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void expect_at_most(uint64_t most, uint64_t touched, const char *name)
{
	print_message("# %s: %llu descriptors, %llu at most\n", name, (unsigned long long)touched,
	              (unsigned long long)most);
	assert_true(touched <= most);
}

/* --- "Touches: its range" --- */

static void calls_touch_their_range(struct fixture *like)
{
	for (size_t i = 0; i < work_count; i++) {
		const struct work *work = &work_verbs[i];
		struct fixture *f = work_begin(like, work);
		uint64_t first = work_first(f), size = work_size(f);
		struct iopgt_op op = new_op(f);
		uint64_t touched;

		touched_begin(f);
		expect(IOPGT_OK, work->call(f, first, size, &op));
		touched = touched_end();
		if (work->whole) {
			first = 0;
			size = UINT64_C(1) << f->config.input_bits;
			/* No more than there are in all tables. */
			expect_at_most(work->whole * table_entries(f), touched, work->name);
		}
		expect_at_most(most_of_a_range(f, first, size), touched, work->name);
		expect(IOPGT_OK, iopgt_op_finish(&op));
		fixture_end(f);
		fixture_destroy(f);
	}
}

/* A single page, where all that is around it is mapped. */
static void a_page_touches_little(struct fixture *like)
{
	for (size_t i = 0; i < work_count; i++) {
		const struct work *work = &work_verbs[i];
		struct fixture *f = work_begin(like, work);
		uint64_t at = work_first(f) + block(f);
		struct iopgt_op op = new_op(f);
		uint64_t touched;

		if (!work->whole) {
			touched_begin(f);
			expect(IOPGT_OK, work->call(f, at, granule(f), &op));
			touched = touched_end();
			expect_at_most(most_of_a_range(f, at, granule(f)), touched, work->name);
			expect(IOPGT_OK, iopgt_op_finish(&op));
		}
		fixture_end(f);
		fixture_destroy(f);
	}
}

/* --- What is looked at ahead, to be fetched: where the host need not be asked --- */

#define NEAR(f) level_size(f, 1) /* the first one of a table above */
#define FAR(f)  (3 * level_size(f, 1) + (table_entries(f) - 12) * block(f))

/* A table of pages, which are in no group, and holes; maybe another one, far away. */
static void map_apart(struct fixture *f, bool both)
{
	map(f, NEAR(f), granule(f), block(f), RW);
	if (both)
		map(f, FAR(f), granule(f), block(f), RW);
}

static uint64_t steps_of_sync(struct fixture *like, bool both)
{
	struct fixture *f = fixture_create(&like->options, false);
	uint64_t first = NEAR(f), size = FAR(f) + block(f) - first, steps;
	struct iopgt_op op = new_op(f);

	map_apart(f, both);
	fixture_bitmap(f, first, size, (unsigned)__builtin_ctzll(block(f)));
	touched_begin(f);
	expect(IOPGT_OK, iopgt_sync_dirty_log(f->table, first, size, &f->bitmap, &op));
	steps = touched_steps();
	touched_end();
	fixture_end(f);
	fixture_destroy(f);
	return steps;
}

static void a_look_ahead_is_made_once(struct fixture *like)
{
	uint64_t alone = steps_of_sync(like, false), both = steps_of_sync(like, true);

	print_message("# steps: %llu, with a table far away %llu\n", (unsigned long long)alone,
	              (unsigned long long)both);
	/* Two tables are read, and looked for behind the first one, through those above. */
	assert_in_range(both, alone, 20 * table_entries(like));
}

static void a_look_ahead_stays_in_the_budget(struct fixture *f)
{
	uint64_t first = NEAR(f), size = FAR(f) + block(f) - first;

	map_apart(f, true);
	fixture_bitmap(f, first, size, (unsigned)__builtin_ctzll(block(f)));
	for (uint64_t budget = 1; budget < 2 * table_entries(f);
	     budget += table_entries(f) / 4 + 1) {
		struct iopgt_op op = {.budget = budget};

		touched_begin(f);
		expect(IOPGT_AGAIN, iopgt_sync_dirty_log(f->table, first, size, &f->bitmap, &op));
		/* By 64 where groups may be. */
		expect_at_most(budget + table_entries(f) + most_of_an_address(f) + 64,
		               touched_end(), "iopgt_sync_dirty_log");
	}
}

static void sync_touches(struct fixture *f, uint64_t first, uint64_t size, uint64_t most)
{
	struct iopgt_op op = new_op(f);

	fixture_bitmap(f, first, size, f->config.granule_shift);
	touched_begin(f);
	expect(IOPGT_OK, iopgt_sync_dirty_log(f->table, first, size, &f->bitmap, &op));
	expect_at_most(most, touched_end(), "iopgt_sync_dirty_log");
}

/* The end of a table, and one page of a hole behind it; a block, the last one of 64. */
static void a_look_stays_in_the_range(struct fixture *f)
{
	uint64_t last = NEAR(f) + 63 * block(f), end = NEAR(f) + block(f) - 64 * granule(f);

	map_apart(f, false);
	sync_touches(f, end, 65 * granule(f), entries_in(f, end, 65 * granule(f)));
	map(f, last, 0, block(f), RW | IOPGT_CLEAN);
	sync_touches(f, last, block(f), LEVELS);
}

/* --- "Touches: an address" --- */

static struct iopgt_translation translation;

static int do_translate(struct fixture *f, uint64_t at, struct iopgt_op *op)
{
	(void)op;
	return iopgt_translate(f->table, at, &translation);
}

static int do_write_fault(struct fixture *f, uint64_t at, struct iopgt_op *op)
{
	return iopgt_handle_write_fault(f->table, at, IOPGT_PRIVILEGED, op);
}

static int do_access_fault(struct fixture *f, uint64_t at, struct iopgt_op *op)
{
	(void)op;
	return iopgt_handle_access_fault(f->table, at);
}

static int do_translation_fault(struct fixture *f, uint64_t at, struct iopgt_op *op)
{
	(void)op;
	return iopgt_handle_translation_fault(f->table, at);
}

static const struct {
	const char *name;
	int (*call)(struct fixture *f, uint64_t at, struct iopgt_op *op);
} points[] = {
	{"iopgt_translate", do_translate},
	{"iopgt_handle_write_fault", do_write_fault},
	{"iopgt_handle_access_fault", do_access_fault},
	{"iopgt_handle_translation_fault", do_translation_fault},
};

static void calls_touch_an_address(struct fixture *like)
{
	const struct work none = {.name = "none"};
	struct fixture *f = work_begin(like, &none);

	for (size_t i = 0; i < COUNT(points); i++) {
		uint64_t most = 0;

		for (uint64_t at = 0; at < work_size(f); at += 5 * granule(f)) {
			struct iopgt_op op = new_op(f);
			uint64_t touched;

			touched_begin(f);
			points[i].call(f, work_first(f) + at, &op);
			touched = touched_end();
			most = touched > most ? touched : most;
			expect(IOPGT_OK, iopgt_op_finish(&op));
		}
		assert_true(most >= 2);
		expect_at_most(most_of_an_address(f), most, points[i].name);
	}
	fixture_end(f);
	fixture_destroy(f);
}

/* --- "Touches: all tables", "what is owed", "no descriptor" --- */

static uint64_t in_all_tables(const struct fixture *f)
{
	struct iopgt_table_usage usage;

	expect(IOPGT_OK, iopgt_table_stats(f->table, &usage));
	return usage.bytes / 8;
}

static void touch_nothing(struct fixture *f)
{
	struct iopgt_table_usage usage;
	struct iopgt_tlbi_operation operation;
	struct iopgt_registers registers;
	const struct iopgt_register_inputs inputs = {0};
	const struct iopgt_tlbi_target target = {.config = &f->config};
	uint64_t tables;

	touched_begin(f);
	expect(IOPGT_OK, iopgt_table_stats(f->table, &usage));
	expect(IOPGT_OK, iopgt_tables_needed(f->table, work_first(f), work_size(f), &tables));
	expect(IOPGT_OK, iopgt_registers(f->table, &inputs, &registers));
	expect(IOPGT_OK, iopgt_tlbi_all(&target, &operation));
	expect_at_most(0, touched_end(), "nothing");
}

static void touch_all(struct fixture *f)
{
	struct iopgt_table opened, foreign = *f->table;
	struct iopgt_finding finding;
	const struct iopgt_tree tree = {.root_phys = foreign.root_phys, .finding = &finding};
	uint64_t touched;

	touched_begin(f);
	expect(IOPGT_OK, iopgt_check(f->table, &finding));
	expect_at_most(in_all_tables(f), touched_end(), "iopgt_check");
	touched_begin(f);
	expect(IOPGT_OK, iopgt_open(&opened, &f->config, &f->hal, &f->host, &tree));
	expect_at_most(0, touched_end(), "iopgt_open to read");
	expect(IOPGT_OK, iopgt_fini(&opened));
	touched_begin(f);
	expect(IOPGT_OK, iopgt_domain_detach(&f->domain, &f->domain_walkers[0]));
	expect(IOPGT_OK, iopgt_domain_attach(&f->domain, &f->domain_walkers[0]));
	touched = touched_end();
	expect_at_most(in_all_tables(f), touched, "iopgt_domain_attach, iopgt_domain_detach");
}

/* Two words of each table that was unlinked; with a bitmap all of it. */
static void touch_what_is_owed(struct fixture *f, bool dirty)
{
	uint64_t first = work_first(f), size = work_size(f), before = in_all_tables(f);
	struct iopgt_op op = new_op(f);
	uint64_t owed;

	if (dirty)
		expect(IOPGT_OK, iopgt_unmap_dirty(f->table, first, size, &f->bitmap, &op));
	else
		expect(IOPGT_OK, iopgt_unmap(f->table, first, size, &op));
	owed = before + 4 * table_entries(f) - in_all_tables(f);
	touched_begin(f);
	expect(IOPGT_OK, iopgt_op_finish(&op));
	expect_at_most(dirty ? owed : owed / table_entries(f) * 2, touched_end(),
	               "iopgt_op_finish");
}

static void others_touch_what_they_say(struct fixture *like)
{
	const struct work none = {.name = "none"};

	for (int dirty = 0; dirty < 2; dirty++) {
		struct fixture *f = work_begin(like, &none);
		uint64_t all;

		touch_nothing(f);
		touch_all(f);
		touch_what_is_owed(f, dirty);
		all = in_all_tables(f);
		touched_begin(f);
		fixture_end(f);
		expect_at_most(all, touched_end(), "iopgt_fini, iopgt_domain_fini");
		fixture_destroy(f);
	}
}

#define LINEAR    .host.hal_flags = IOPGT_HAL_LINEAR
#define ALL_SIZES .leaf_sizes = FIXTURE_ALL_LEAF_SIZES
#define ROWS(test)                                                                                 \
	TEST_WITH(FIXTURE_GRANULES, test, .domain = true),                                         \
		TEST_WITH(FIXTURE_GRANULES | FIXTURE_LEVELS, test, .domain = true,                 \
	                  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES,                                    \
	                  .config_flags = IOPGT_CONFIG_FAULTS_RETRIED)

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(FIXTURE_GRANULES, a_look_ahead_is_made_once, LINEAR),
		TEST_WITH(FIXTURE_GRANULES, a_look_ahead_is_made_once, LINEAR, ALL_SIZES),
		TEST_WITH(FIXTURE_GRANULES, a_look_ahead_stays_in_the_budget, LINEAR),
		TEST_WITH(FIXTURE_GRANULES, a_look_ahead_stays_in_the_budget, LINEAR, ALL_SIZES),
		TEST_WITH(FIXTURE_GRANULES, a_look_stays_in_the_range, LINEAR),
		ROWS(calls_touch_their_range),
		ROWS(a_page_touches_little),
		ROWS(calls_touch_an_address),
		ROWS(others_touch_what_they_say),
	};

	return FIXTURE_RUN(tests);
}
