/* SPDX-License-Identifier: BSD-2-Clause */
/* The short ways to a page of a plain table come to the same as the long one, at less cost. */
#include <string.h>

#include "test_raw.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (12 * block(f))

/* One table where they are, and one without, since other walkers than these are to walk it. */
struct both {
	struct fixture *f;
	struct iopgt_table other;
	struct iopgt_op op, other_op;
};

/* In every table of level 2 and 3 that the first two of level 1 and 2 link, and one more. */
static uint64_t base_of(const struct fixture *f, unsigned i)
{
	return (i & 1) * level_size(f, 2) + (i >> 1 & 1) * level_size(f, 1) +
	       (i >> 2 & 1) * level_size(f, 0) + (i >> 3) * 3 * level_size(f, 1);
}

#define BASES 9

static uint64_t phys_of(const struct fixture *f, unsigned i)
{
	return PHYS(f) + (32 * i + 1) * granule(f);
}

static void expect_same_translation(struct both *b, uint64_t iova)
{
	struct iopgt_translation one = {0}, two = {0};
	int error = iopgt_translate(&b->other, iova, &two);

	expect(error, iopgt_translate(b->f->table, iova, &one));
	assert_memory_equal(&one, &two, sizeof(one));
}

enum {
	MAP,
	UNMAP
};

struct step {
	int verb;
	unsigned first, count; /* pages */
	uint64_t budget;
	int want;
	unsigned done; /* pages */
};

static int run_step(struct iopgt_table *table, const struct step *step,
                    const struct iopgt_mapping *mapping, struct iopgt_op *op)
{
	op->budget = step->budget;
	op->stats = (struct iopgt_stats){0};
	return step->verb == MAP ? iopgt_map(table, mapping, op)
	                         : iopgt_unmap(table, mapping->iova, mapping->size, op);
}

static void run_on_both(struct both *b, const struct step *step, unsigned base)
{
	struct fixture *f = b->f;
	uint64_t iova = base_of(f, base) + step->first * granule(f);
	uint64_t phys = phys_of(f, base) + step->first * granule(f);
	struct iopgt_mapping mapping = fixture_mapping(iova, phys, step->count * granule(f), RW);
	struct iopgt_stats *stats = &b->op.stats;

	if (iova > space_last(f))
		return;
	expect(step->want, run_step(f->table, step, &mapping, &b->op));
	expect(step->want, run_step(&b->other, step, &mapping, &b->other_op));
	assert_int_equal(step->verb == MAP ? stats->mapped : stats->unmapped, step->done);
	/* The long way also counts those that it comes up through. */
	assert_in_range(stats->looked_at, step->done, b->other_op.stats.looked_at);
	stats->looked_at = b->other_op.stats.looked_at;
	assert_memory_equal(stats, &b->other_op.stats, sizeof(*stats));
	if (step->want == IOPGT_AGAIN) {
		assert_int_equal(b->op.next, iova + step->done * granule(f));
		assert_int_equal(b->other_op.next, b->op.next);
	}
	for (unsigned i = 0; i < 24; i++)
		expect_same_translation(b, base_of(f, base) + i * granule(f) + 5);
}

/* Where an upper level ends the walk: the output is no table. */
static void map_block_on_both(struct both *b, int level)
{
	uint64_t size = level_size(b->f, level);
	struct iopgt_mapping mapping =
		fixture_mapping((5 + (uint64_t)level) * size, 8 * size, size, RW);

	expect(IOPGT_OK, iopgt_map(b->f->table, &mapping, &b->op));
	expect(IOPGT_OK, iopgt_map(&b->other, &mapping, &b->other_op));
	for (uint64_t at = mapping.iova; at - mapping.iova < size; at += size / 8)
		expect_same_translation(b, at + granule(b->f) + 5);
}

static void short_ways_come_to_the_same(struct fixture *f)
{
	static const struct step steps[] = {
		{MAP, 3, 1, 0, IOPGT_OK, 1},       {MAP, 4, 5, 0, IOPGT_OK, 5},
		{MAP, 3, 1, 0, IOPGT_EXISTS, 0},   {MAP, 2, 3, 0, IOPGT_EXISTS, 0},
		{MAP, 10, 4, 2, IOPGT_AGAIN, 1},   {MAP, 11, 3, 20, IOPGT_OK, 3},
		{MAP, 16, 2, 0, IOPGT_OK, 2},      {UNMAP, 5, 1, 0, IOPGT_OK, 1},
		{UNMAP, 5, 1, 0, IOPGT_OK, 0},     {UNMAP, 3, 4, 0, IOPGT_OK, 3},
		{UNMAP, 10, 3, 2, IOPGT_AGAIN, 1}, {UNMAP, 11, 2, 0, IOPGT_OK, 2},
		{MAP, 5, 1, 0, IOPGT_OK, 1},       {UNMAP, 7, 2, 20, IOPGT_OK, 2},
	};
	struct iopgt_config config = f->config;
	struct both b = {.f = f};

	config.flags |= IOPGT_CONFIG_NON_COHERENT;
	expect(IOPGT_OK, iopgt_init(&b.other, &config, &f->hal, &f->host));
	for (size_t i = 0; i < COUNT(steps) * BASES; i++)
		run_on_both(&b, &steps[i / BASES], i % BASES);
	map_block_on_both(&b, 2);
	if (f->config.granule_shift == 12)
		map_block_on_both(&b, 1);
	finish(f, &b.op);
	expect(IOPGT_OK, iopgt_op_finish(&b.other_op));
	for (unsigned i = 0; i < BASES && base_of(f, i) <= space_last(f); i++) {
		expect_mapped(f, base_of(f, i) + 5 * granule(f), phys_of(f, i) + 5 * granule(f),
		              granule(f));
		expect_mapped(f, base_of(f, i) + 16 * granule(f), phys_of(f, i) + 16 * granule(f),
		              2 * granule(f));
		expect_unmapped(f, base_of(f, i) + 6 * granule(f), 7 * granule(f));
	}
	expect(IOPGT_OK, iopgt_fini(&b.other));
}

/* Of an access: one call for each table below the start table. */
static void a_page_asks_once_where_each_table_is(struct fixture *f)
{
	struct iopgt_mapping mapping =
		fixture_mapping(FIRST(f) + granule(f), PHYS(f), granule(f), RW);
	struct iopgt_translation translation;
	struct iopgt_op op = new_op(f);
	uint64_t tables = (uint64_t)(3 - raw_of(f).start), before;

	map(f, FIRST(f), PHYS(f) + granule(f), granule(f), RW);
	before = host_calls(&f->host, HOST_PHYS_TO_VIRT);
	expect(IOPGT_OK, iopgt_map(f->table, &mapping, &op));
	assert_int_equal(host_calls(&f->host, HOST_PHYS_TO_VIRT) - before, tables);
	expect(IOPGT_OK, iopgt_translate(f->table, mapping.iova, &translation));
	assert_int_equal(host_calls(&f->host, HOST_PHYS_TO_VIRT) - before, 2 * tables);
	expect(IOPGT_OK, iopgt_unmap(f->table, mapping.iova, mapping.size, &op));
	assert_int_equal(host_calls(&f->host, HOST_PHYS_TO_VIRT) - before, 3 * tables);
	finish(f, &op);
}

/* --- What is remembered of the last call --- */

/* Of a page: what map said, and what translate says then. */
struct answer {
	int error;
	struct iopgt_translation translation;
};

#define MEMORIES   (IOPGT_MEMORY_TYPES + 2)
#define ATTRIBUTES 9 /* none, and each */
#define PROTS      4
#define KINDS      (MEMORIES * ATTRIBUTES * PROTS)

static struct iopgt_mapping kind_number(struct fixture *f, unsigned number)
{
	static const uint32_t prots[PROTS] = {IOPGT_READ, RW, RW | IOPGT_CLEAN,
	                                      IOPGT_READ | IOPGT_EXECUTE};
	struct iopgt_mapping mapping =
		fixture_mapping(FIRST(f) + granule(f), PHYS(f), granule(f), prots[number % PROTS]);
	unsigned attribute = number / PROTS % ATTRIBUTES;

	mapping.memory = number / PROTS / ATTRIBUTES;
	mapping.attributes = attribute ? 1u << (attribute - 1) : 0;
	return mapping;
}

static struct answer ask_for(struct fixture *f, struct iopgt_table *table,
                             const struct iopgt_mapping *mapping)
{
	struct iopgt_op op = new_op(f);
	struct answer answer = {0};

	answer.error = iopgt_map(table, mapping, &op);
	if (answer.error == IOPGT_OK) {
		expect(IOPGT_OK, iopgt_translate(table, mapping->iova, &answer.translation));
		expect(IOPGT_OK, iopgt_unmap(table, mapping->iova, mapping->size, &op));
	}
	expect(IOPGT_OK, iopgt_op_finish(&op));
	return answer;
}

static struct answer ask(struct fixture *f, struct iopgt_table *table, unsigned number)
{
	struct iopgt_mapping mapping = kind_number(f, number);

	return ask_for(f, table, &mapping);
}

/* A shareability that the memory type has anyway is not said (table.h, config.h). */
static void expect_what_was_asked_for(struct fixture *f, unsigned number,
                                      const struct iopgt_translation *got)
{
	struct iopgt_mapping mapping = kind_number(f, number);
	uint32_t usual =
		mapping.memory == IOPGT_WRITE_BACK ? IOPGT_INNER_SHAREABLE : IOPGT_OUTER_SHAREABLE;

	assert_int_equal(got->memory, mapping.memory);
	assert_int_equal(got->prot, mapping.prot & ~(uint32_t)IOPGT_CLEAN);
	assert_int_equal(got->attributes, mapping.attributes & ~usual);
	if (!(mapping.prot & IOPGT_WRITE))
		assert_int_equal(got->state, IOPGT_LEAF_READ_ONLY);
	else
		assert_int_equal(got->state,
		                 mapping.prot & IOPGT_CLEAN ? IOPGT_LEAF_CLEAN : IOPGT_LEAF_DIRTY);
}

/* The answer of a table that was asked nothing before. */
static struct answer ask_first(struct fixture *f, unsigned number)
{
	struct iopgt_table table;
	struct answer answer;

	expect(IOPGT_OK, iopgt_init(&table, &f->config, &f->hal, &f->host));
	answer = ask(f, &table, number);
	expect(IOPGT_OK, iopgt_fini(&table));
	return answer;
}

/* What is like the last kind but for a bit that means nothing is refused. */
static void expect_refusals_after(struct fixture *f, unsigned number)
{
	const struct iopgt_mapping good = kind_number(f, number);

	for (unsigned bit = 8; bit < 32; bit++) {
		struct iopgt_mapping prot = good, memory = good, attributes = good;

		prot.prot |= 1u << bit;
		memory.memory |= 1u << (bit - 5);
		attributes.attributes |= 1u << bit;
		assert_int_equal(ask_for(f, f->table, &prot).error, IOPGT_BAD_PROT);
		assert_int_equal(ask_for(f, f->table, &memory).error, IOPGT_BAD_MEMORY_TYPE);
		assert_int_equal(ask_for(f, f->table, &attributes).error, IOPGT_BAD_ATTRIBUTE);
	}
	/* One whose fields come to the same when they are put together. */
	for (uint32_t memory = 0; memory < IOPGT_MEMORY_TYPES; memory++) {
		struct iopgt_mapping prot = good;

		prot.memory = memory;
		prot.prot |= (good.memory & ~memory) << 8 | good.attributes << 11;
		prot.attributes = 0;
		if (prot.prot != good.prot)
			assert_int_equal(ask_for(f, f->table, &prot).error, IOPGT_BAD_PROT);
	}
}

/* Beside a page that keeps the table there, each kind after each other one. */
static void answers_do_not_depend_on_the_last_one(struct fixture *f)
{
	static struct answer first[KINDS];
	unsigned good = 0;

	map(f, FIRST(f), PHYS(f), granule(f), RW);
	for (unsigned i = 0; i < KINDS; i++) {
		first[i] = ask_first(f, i);
		good += first[i].error == IOPGT_OK;
	}
	assert_true(good > 50 && good < KINDS);
	for (unsigned i = 0; i < KINDS; i++) {
		if (first[i].error)
			continue;
		expect_what_was_asked_for(f, i, &first[i].translation);
		ask(f, f->table, i);
		expect_refusals_after(f, i);
		for (unsigned j = 0; j < KINDS; j++) {
			struct answer answer;

			ask(f, f->table, i);
			answer = ask(f, f->table, j);
			assert_memory_equal(&answer, &first[j], sizeof(answer));
		}
	}
}

int main(void)
{
	const struct fixture_test tests[] = {
		TEST_WITH(FIXTURE_STAGES, short_ways_come_to_the_same, .dirty = FIXTURE_NO_DIRTY,
	                  .host.hal_flags = IOPGT_HAL_LINEAR),
		TEST_WITH(FIXTURE_STAGES | FIXTURE_GRANULES, short_ways_come_to_the_same,
	                  .dirty = FIXTURE_NO_DIRTY),
		TEST_WITH(0, short_ways_come_to_the_same, .dirty = FIXTURE_NO_DIRTY,
	                  .host.hal_flags = IOPGT_HAL_LINEAR, .input_bits = 39),
		TEST(FIXTURE_GRANULES, a_page_asks_once_where_each_table_is),
		TEST_WITH(FIXTURE_STAGES, answers_do_not_depend_on_the_last_one,
	                  .host.hal_flags = IOPGT_HAL_LINEAR,
	                  .config_flags = IOPGT_CONFIG_ACCESS_FLAG),
		TEST_WITH(0, answers_do_not_depend_on_the_last_one,
	                  .config_flags = IOPGT_CONFIG_SECURE),
	};

	return FIXTURE_RUN(tests);
}
