/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_dump: text that is stable and short. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (12 * block(f))
#define SPACE    (UINT64_C(1) << 48)
#define LINES    64
#define WIDTH    200

struct text {
	unsigned lines;
	char line[LINES][WIDTH];
};

static void note_line(void *context, const char *text)
{
	struct text *all = context;

	assert_non_null(text);
	assert_true(all->lines < LINES);
	assert_true(strlen(text) > 0 && strlen(text) < WIDTH);
	assert_null(strchr(text, '\n'));
	memset(all->line[all->lines], 0, WIDTH);
	strcpy(all->line[all->lines++], text);
}

static void dump(struct fixture *f, uint64_t iova, uint64_t size, struct text *text)
{
	const struct iopgt_writer writer = {note_line, text};
	struct iopgt_op op = new_op(f);

	*text = (struct text){0};
	expect(IOPGT_OK, iopgt_dump(f->table, iova, size, &writer, &op));
	assert_null(op.gather.table);
}

static void expect_same(const struct text *one, const struct text *other)
{
	assert_int_equal(one->lines, other->lines);
	for (unsigned i = 0; i < one->lines; i++)
		assert_string_equal(one->line[i], other->line[i]);
}

static void two_dumps_are_equal(struct fixture *f)
{
	struct text one, other;

	map(f, FIRST(f), PHYS(f), block(f) + 3 * granule(f), RW);
	dump(f, 0, SPACE, &one);
	dump(f, 0, SPACE, &other);
	assert_true(one.lines >= 3); /* the start table, the block, the pages */
	expect_same(&one, &other);
}

static void like_descriptors_share_a_line(struct fixture *f)
{
	struct text few, many, mixed;

	map(f, FIRST(f), PHYS(f) + granule(f), 8 * granule(f), RW);
	dump(f, 0, SPACE, &few);
	map(f, FIRST(f) + 8 * granule(f), PHYS(f) + 9 * granule(f), 56 * granule(f), RW);
	dump(f, 0, SPACE, &many);
	assert_int_equal(many.lines, few.lines);
	protect(f, FIRST(f) + 5 * granule(f), granule(f), IOPGT_READ);
	dump(f, 0, SPACE, &mixed);
	assert_int_equal(mixed.lines, many.lines + 2);
}

static bool contains(const struct text *text, const char *word)
{
	for (unsigned i = 0; i < text->lines; i++)
		if (strstr(text->line[i], word))
			return true;
	return false;
}

static void runs_say_how_long_they_are(struct fixture *f)
{
	static const unsigned counts[] = {1, 9, 10, 11, 19, 20, 64, 99, 100, 101, 110, 400, 500};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct text text;
		char word[32];

		map(f, FIRST(f), PHYS(f) + granule(f), counts[i] * granule(f), RW);
		snprintf(word, sizeof(word), "page -> 0x%" PRIx64 " x%u ", PHYS(f) + granule(f),
		         counts[i]);
		dump(f, 0, SPACE, &text);
		assert_true(contains(&text, word));
		unmap(f, FIRST(f), block(f));
	}
}

static void addresses_are_in_the_text(struct fixture *f)
{
	struct text text;

	map(f, UINT64_C(0x123450000), UINT64_C(0x876540000), granule(f), RW);
	dump(f, 0, SPACE, &text);
	assert_true(contains(&text, "123450000"));
	assert_true(contains(&text, "876540000"));
}

static void permissions_and_state_make_a_difference(struct fixture *f)
{
	const uint32_t prots[] = {IOPGT_READ, RW, RW | IOPGT_CLEAN, RW | IOPGT_NO_TRACK,
	                          RW | IOPGT_EXECUTE};
	struct text texts[5];

	for (unsigned i = 0; i < 5; i++) {
		map(f, FIRST(f), PHYS(f), granule(f), prots[i]);
		dump(f, 0, SPACE, &texts[i]);
		unmap(f, FIRST(f), granule(f));
		for (unsigned j = 0; j < i; j++)
			assert_memory_not_equal(&texts[i], &texts[j], sizeof(texts[i]));
	}
}

static void only_the_range_is_written(struct fixture *f)
{
	struct text all, none;

	map(f, FIRST(f), PHYS(f), block(f), RW);
	dump(f, 0, SPACE, &all);
	dump(f, 2 * FIRST(f), granule(f), &none);
	assert_true(none.lines < all.lines);
}

static void an_empty_table_has_a_text(struct fixture *f)
{
	struct text text;

	dump(f, 0, SPACE, &text);
	assert_true(text.lines >= 1);
}

/* The one line with this word. */
static const char *line_with(const struct text *text, const char *word)
{
	const char *found = NULL;

	for (unsigned i = 0; i < text->lines; i++) {
		if (!strstr(text->line[i], word))
			continue;
		assert_null(found);
		found = text->line[i];
	}
	assert_non_null(found);
	return found;
}

/* Each by itself, with a memory type for which it says something. */
static void attributes_are_in_the_text(struct fixture *f)
{
	static const struct {
		uint32_t attributes, memory;
		const char *text;
	} rows[] = {
		{0, IOPGT_WRITE_BACK, " rw-- write-back dirty"},
		{0, IOPGT_DEVICE, " rw-- device dirty"},
		{IOPGT_INNER_SHAREABLE, IOPGT_INNER_NON_CACHEABLE,
	         " rw-- inner-non-cacheable inner-shareable dirty"},
		{IOPGT_OUTER_SHAREABLE, IOPGT_WRITE_BACK, " rw-- write-back outer-shareable dirty"},
		{IOPGT_NOT_SHAREABLE, IOPGT_WRITE_BACK, " rw-- write-back not-shareable dirty"},
		{IOPGT_GLOBAL, IOPGT_WRITE_BACK, " rw-- write-back global dirty"},
		{IOPGT_NON_SECURE, IOPGT_NON_CACHEABLE, " rw-- non-cacheable non-secure dirty"},
		{IOPGT_GUARDED, IOPGT_WRITE_BACK, " rw-- write-back guarded dirty"},
		{IOPGT_SOFTWARE_0, IOPGT_WRITE_BACK, " rw-- write-back software-0 dirty"},
		{IOPGT_SOFTWARE_1, IOPGT_WRITE_BACK, " rw-- write-back software-1 dirty"},
		{IOPGT_GLOBAL | IOPGT_SOFTWARE_1, IOPGT_DEVICE_GRE,
	         " rw-- device-GRE global software-1 dirty"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct iopgt_mapping mapping = fixture_mapping(FIRST(f), PHYS(f), granule(f), RW);
		struct text text;
		const char *line;

		mapping.memory = rows[i].memory;
		mapping.attributes = rows[i].attributes;
		fixture_map(f, &mapping);
		dump(f, FIRST(f), granule(f), &text);
		line = strstr(line_with(&text, " page "), " rw");
		assert_string_equal(line, rows[i].text);
		unmap(f, FIRST(f), granule(f));
	}
}

/* Levels, addresses and counts of a tree; what stands before " table" is where it is. */
static void every_line_says_where_it_is(struct fixture *f)
{
	uint64_t size = f->config.input_bits == 52 ? level_size(f, -1) : level_size(f, 0);
	struct text text;
	char word[64];

	map(f, 0, PHYS(f), granule(f), RW);
	dump(f, 0, size, &text);
	if (f->config.input_bits == 52) {
		assert_int_equal(strncmp(text.line[0], "L-1 0x0 table 0x", 16), 0);
		assert_int_equal(strncmp(text.line[1], "  L0 0x0 table 0x", 17), 0);
		return;
	}
	assert_int_equal(text.lines, 7);
	assert_int_equal(strncmp(text.line[0], "L0 0x0 table 0x", 15), 0);
	assert_int_equal(strncmp(text.line[1], "  L1 0x0 table 0x", 17), 0);
	assert_int_equal(strncmp(text.line[2], "    L2 0x0 table 0x", 19), 0);
	snprintf(word, sizeof(word), "      L3 0x0 page -> 0x%" PRIx64 " x1 rw--", PHYS(f));
	assert_int_equal(strncmp(text.line[3], word, strlen(word)), 0);
	assert_string_equal(text.line[4], "      L3 0x1000 hole x511");
	assert_string_equal(text.line[5], "    L2 0x200000 hole x511");
	assert_string_equal(text.line[6], "  L1 0x40000000 hole x511");
}

static void count_line(void *context, const char *text)
{
	(void)text;
	++*(unsigned *)context;
}

static void dump_comes_to_an_end_in_pieces(struct fixture *f)
{
	struct iopgt_op op = new_op(f);
	unsigned lines = 0, calls = 1;
	const struct iopgt_writer writer = {count_line, &lines};
	uint64_t at = 0;
	int error;

	map(f, FIRST(f), PHYS(f) + granule(f), 2 * block(f), RW);
	op.budget = 1;
	while ((error = iopgt_dump(f->table, at, SPACE - at, &writer, &op)) == IOPGT_AGAIN) {
		assert_true(op.next > at && op.next < SPACE);
		at = op.next;
		calls++;
	}
	expect(IOPGT_OK, error);
	assert_true(calls > 1 && lines > 2);
}

static void a_writer_must_be_given(struct fixture *f)
{
	const struct iopgt_writer none = {NULL, NULL};
	struct iopgt_op op = new_op(f);

	expect(IOPGT_BAD_ARGUMENT, iopgt_dump(f->table, 0, granule(f), NULL, &op));
	expect(IOPGT_BAD_ARGUMENT, iopgt_dump(f->table, 0, granule(f), &none, &op));
}

int main(void)
{
	const uint32_t all = FIXTURE_GRANULES | FIXTURE_REGIMES;
	const struct fixture_test tests[] = {
		TEST(all, two_dumps_are_equal),
		TEST(FIXTURE_GRANULES, runs_say_how_long_they_are),
		TEST(all, like_descriptors_share_a_line),
		TEST(all, addresses_are_in_the_text),
		TEST(all, permissions_and_state_make_a_difference),
		TEST_WITH(0, attributes_are_in_the_text, .config_flags = IOPGT_CONFIG_SECURE),
		TEST(0, every_line_says_where_it_is),
		TEST_WITH(0, every_line_says_where_it_is, .input_bits = 52, .output_bits = 52,
	                  .config_flags = IOPGT_CONFIG_LPA2),
		TEST(all, only_the_range_is_written),
		TEST(all, an_empty_table_has_a_text),
		TEST(FIXTURE_GRANULES, dump_comes_to_an_end_in_pieces),
		TEST(0, a_writer_must_be_given),
	};

	return FIXTURE_RUN(tests);
}
