/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where iopgt_map sets the Contiguous bit and where not: compared with the
 * largest leaf that a plain search finds for each address, and read back as raw
 * descriptors.
 */
#include "test_groups.h"

/* --- The oracle: the largest allowed leaf that lies whole in the mapping --- */

static uint64_t wanted_leaf(const struct iopgt_mapping *mapping, uint64_t sizes, uint64_t iova)
{
	for (unsigned shift = 47; shift > 12; shift--) {
		uint64_t first = iova & ~(BIT(shift) - 1);

		if (sizes & BIT(shift) && first >= mapping->iova &&
		    first + (BIT(shift) - 1) <= mapping->iova + (mapping->size - 1) &&
		    (mapping->phys - mapping->iova) % BIT(shift) == 0)
			return BIT(shift);
	}
	return BIT(12);
}

/* The entry that a leaf of this size is made of (table D8-104). */
static uint64_t entry_of(const struct fixture *f, uint64_t leaf)
{
	for (size_t i = 0; i < SHAPES; i++)
		if (shape_number(i)->granule_shift == f->config.granule_shift &&
		    BIT(shape_number(i)->group_shift) == leaf)
			return BIT(shape_number(i)->entry_shift);
	return leaf;
}

static void expect_bit(struct fixture *f, uint64_t iova, bool wanted)
{
	if (is_contiguous(f, iova) == wanted)
		return;
	print_error("at 0x%llx: Contiguous bit %s\n", (unsigned long long)iova,
	            wanted ? "missing" : "set");
	fail();
}

static void expect_as_wanted(struct fixture *f, const struct iopgt_mapping *mapping)
{
	uint64_t offset = mapping->phys - mapping->iova, at = mapping->iova;
	uint64_t last = mapping->iova + (mapping->size - 1);

	while (at <= last) {
		uint64_t leaf = wanted_leaf(mapping, f->config.leaf_sizes, at);
		uint64_t size = entry_of(f, leaf);

		expect_leaf(f, at, leaf);
		expect_leaf(f, at + leaf - 1, leaf);
		for (uint64_t i = 0; i < leaf; i += size) {
			expect_bit(f, at + i, leaf != size);
			assert_int_equal(look_at(f, at + i).phys, at + i + offset);
			assert_int_equal(look_at(f, at + i + size - 1).phys,
			                 at + i + size - 1 + offset);
		}
		if (last - at < leaf)
			break;
		at += leaf;
	}
}

static void map_as_wanted(struct fixture *f, uint64_t iova, uint64_t phys, uint64_t size)
{
	struct iopgt_mapping mapping = fixture_mapping(iova, phys, size, RW);

	fixture_map(f, &mapping);
	expect_as_wanted(f, &mapping);
	unmap(f, 0, SPACE);
	assert_int_equal(pool_in_use(f->host.pool), 1);
}

/* --- Alignment --- */

static void a_whole_aligned_group_gets_the_bit(struct fixture *f)
{
	map_groups(f, 1, RW);
	expect_group(f, group(f, 0), phys_apart(f));
	unmap(f, group(f, 0), group_bytes(f));
	map_groups(f, 3, RW);
	for (uint64_t i = 0; i < 3; i++)
		expect_group(f, group(f, i), phys_of(f, group(f, i)));
}

static void a_misaligned_address_gives_no_group(struct fixture *f)
{
	uint64_t moved = group(f, 0) + entry_bytes(f);

	map(f, moved, phys_apart(f), group_bytes(f), RW);
	expect_singles(f, moved, phys_apart(f), group_bytes(f));
}

static void a_misaligned_output_gives_no_group(struct fixture *f)
{
	uint64_t phys = phys_apart(f) + entry_bytes(f);

	map(f, group(f, 0), phys, 2 * group_bytes(f), RW);
	expect_singles(f, group(f, 0), phys, 2 * group_bytes(f));
}

/* Both are off by the same: the groups in between are whole. */
static void the_ends_of_a_mapping_stay_single(struct fixture *f)
{
	uint64_t iova = entry(f, 1), size = 3 * group_bytes(f) - 2 * entry_bytes(f);

	map(f, iova, phys_of(f, iova), size, RW);
	expect_singles(f, iova, phys_of(f, iova), group_bytes(f) - entry_bytes(f));
	expect_group(f, group(f, 1), phys_of(f, group(f, 1)));
	expect_singles(f, group(f, 2), phys_of(f, group(f, 2)), group_bytes(f) - entry_bytes(f));
}

static void a_group_without_one_entry_is_none(struct fixture *f)
{
	uint64_t size = group_bytes(f) - entry_bytes(f);

	map(f, group(f, 0), phys_apart(f), size, RW);
	expect_singles(f, group(f, 0), phys_apart(f), size);
	map(f, group(f, 1) + entry_bytes(f), phys_of(f, entry(f, entries(f) + 1)), size, RW);
	expect_singles(f, group(f, 1) + entry_bytes(f), phys_of(f, entry(f, entries(f) + 1)), size);
}

static void random_mappings_get_the_bit_where_a_group_fits(struct fixture *f)
{
	struct random random = {seed_from_environment("IOPGT_SEED", 5)};
	const uint64_t steps[] = {granule(f), entry_bytes(f), group_bytes(f), upper_bytes(f)};

	for (unsigned round = 0; round < 40; round++) {
		uint64_t window = 4 * upper_bytes(f);
		uint64_t begin = steps[random_below(&random, 4)];
		uint64_t size = steps[random_below(&random, 4)] * (1 + random_below(&random, 3));
		uint64_t step = steps[random_below(&random, 4)], phys;

		begin = 4 * upper_bytes(f) + random_below(&random, window / begin) * begin;
		phys = 16 * upper_bytes(f) + begin % upper_bytes(f) +
		       random_below(&random, upper_bytes(f) / step) * step;
		/* No more leaves than can be looked at. */
		map_as_wanted(f, begin, phys, size < 2048 * step ? size : 2048 * step);
	}
}

static void groups_at_both_ends_of_the_space(struct fixture *f)
{
	uint64_t top = SPACE - group_bytes(f), size = group_bytes(f);

	map_as_wanted(f, 0, 0, size);
	map_as_wanted(f, top, top, size);
	map_as_wanted(f, top - granule(f), top - granule(f), size + granule(f));
	map_as_wanted(f, top - 2 * size, top - 3 * size, 3 * size);
	map_as_wanted(f, SPACE - entry_bytes(f), 0, entry_bytes(f));
}

/* --- Neighbours --- */

static void neighbours_are_not_joined(struct fixture *f)
{
	map(f, entry(f, 0), phys_apart(f), group_bytes(f) / 2, RW);
	map(f, group(f, 0) + group_bytes(f) / 2, phys_apart(f) + group_bytes(f) / 2,
	    group_bytes(f) / 2, RW);
	expect_singles(f, group(f, 0), phys_apart(f), group_bytes(f));
}

static void entries_of_groups_beside_are_left_alone(struct fixture *f)
{
	uint64_t before[3];

	map_groups(f, 1, RW);
	map(f, group(f, 2), phys_of(f, group(f, 2)), group_bytes(f), IOPGT_READ);
	before[0] = raw(f, group(f, 0));
	before[1] = raw(f, group(f, 1) - 1);
	before[2] = raw(f, group(f, 2));
	map(f, group(f, 1), phys_of(f, group(f, 1)), group_bytes(f), RW);
	expect_group(f, group(f, 1), phys_of(f, group(f, 1)));
	assert_int_equal(raw(f, group(f, 0)), before[0]);
	assert_int_equal(raw(f, group(f, 1) - 1), before[1]);
	assert_int_equal(raw(f, group(f, 2)), before[2]);
}

/* A page that was there stops the call; of the group nothing else stays. */
static void a_page_in_the_middle_of_a_group_refuses_it(struct fixture *f)
{
	const unsigned places[] = {1, entries(f) / 2, entries(f) - 1};

	for (size_t i = 0; i < COUNT(places); i++) {
		uint64_t iova = entry(f, places[i]);
		struct iopgt_mapping mapping =
			fixture_mapping(group(f, 0), phys_apart(f), 2 * group_bytes(f), RW);
		struct iopgt_op op = new_op(f);

		map(f, iova, 0, granule(f), IOPGT_READ);
		expect(IOPGT_EXISTS, iopgt_map(f->table, &mapping, &op));
		finish(f, &op);
		for (unsigned j = 0; j < 2 * entries(f); j++)
			if (j != places[i])
				assert_int_equal(raw(f, entry(f, j)), 0);
		assert_int_equal(look_at(f, iova).phys, 0);
		assert_true(entry_bytes(f) == granule(f) ||
		            look_at(f, iova + granule(f)).fault == WALKER_TRANSLATION);
		unmap(f, 0, SPACE); /* with the tables */
		fixture_map(f, &mapping);
		expect_group(f, group(f, 0), phys_apart(f));
		unmap(f, 0, SPACE);
	}
}

/* "Tables that earlier calls left empty are reused or replaced by blocks." */
static void empty_tables_do_not_keep_a_group_away(struct fixture *f)
{
	const unsigned places[] = {0, entries(f) / 2, entries(f) - 1};

	for (size_t i = 0; i < COUNT(places); i++) {
		map(f, entry(f, places[i]), 0, granule(f), RW);
		unmap(f, entry(f, places[i]), granule(f));
	}
	map_groups(f, 1, RW);
	expect_group(f, group(f, 0), phys_apart(f));
}

static void a_page_after_whole_groups_takes_them_back(struct fixture *f)
{
	struct iopgt_mapping mapping =
		fixture_mapping(group(f, 0), phys_apart(f), 3 * group_bytes(f), RW);
	struct iopgt_op op = new_op(f);

	map(f, group(f, 2), 0, granule(f), RW);
	expect(IOPGT_EXISTS, iopgt_map(f->table, &mapping, &op));
	finish(f, &op);
	for (unsigned j = 0; j < 2 * entries(f); j++)
		assert_false(is_present(f, entry(f, j)));
	assert_int_equal(look_at(f, group(f, 2)).phys, 0);
}

/* --- In pieces --- */

static void map_in_pieces_ends_the_same(struct fixture *f)
{
	const uint64_t budgets[] = {1, 3, entries(f) / 2, entries(f) - 1, entries(f) + 1, 100};

	for (size_t i = 0; i < COUNT(budgets); i++) {
		struct iopgt_mapping mapping =
			fixture_mapping(entry(f, 1), phys_of(f, entry(f, 1)),
		                        4 * group_bytes(f) + 2 * entry_bytes(f), RW);
		const struct iopgt_mapping whole = mapping;
		struct iopgt_op op = new_op(f);
		int error;

		op.budget = budgets[i];
		while ((error = iopgt_map(f->table, &mapping, &op)) == IOPGT_AGAIN) {
			uint64_t done = op.next - mapping.iova;

			assert_true(done > 0 && done < mapping.size);
			mapping.iova += done;
			mapping.phys += done;
			mapping.size -= done;
			check(f);
		}
		expect(IOPGT_OK, error);
		finish(f, &op);
		assert_int_equal(op.stats.mapped, whole.size / granule(f));
		expect_as_wanted(f, &whole);
		unmap(f, 0, SPACE);
	}
}

/* --- Readers --- */

struct runs {
	unsigned count;
	struct iopgt_mapping run[8];
};

static int note_run(void *context, const struct iopgt_mapping *run)
{
	struct runs *runs = context;

	assert_true(runs->count < COUNT(runs->run));
	runs->run[runs->count++] = *run;
	return 0;
}

static void for_each_mapping_joins_groups_and_their_neighbours(struct fixture *f)
{
	struct runs runs = {0};
	const struct iopgt_mapping_visitor visitor = {note_run, &runs};
	uint64_t iova = entry(f, 1), size = 2 * group_bytes(f);
	struct iopgt_op op = new_op(f);

	map(f, iova, phys_of(f, iova), size, RW | IOPGT_CLEAN);
	mark(f, group(f, 1) + entry_bytes(f));
	expect(IOPGT_OK, iopgt_for_each_mapping(f->table, 0, SPACE, &visitor, &op));
	assert_int_equal(runs.count, 1);
	assert_int_equal(runs.run[0].iova, iova);
	assert_int_equal(runs.run[0].phys, phys_of(f, iova));
	assert_int_equal(runs.run[0].size, size);
	/* Cut at the range's ends, in the middle of a group. */
	runs.count = 0;
	iova = group(f, 1) + granule(f);
	expect(IOPGT_OK, iopgt_for_each_mapping(f->table, iova, 2 * granule(f), &visitor, &op));
	assert_int_equal(runs.count, 1);
	assert_int_equal(runs.run[0].iova, iova);
	assert_int_equal(runs.run[0].phys, phys_of(f, iova));
	assert_int_equal(runs.run[0].size, 2 * granule(f));
}

static void translate_gives_the_group_for_every_byte(struct fixture *f)
{
	const uint64_t offsets[] = {0,
	                            1,
	                            entry_bytes(f) - 1,
	                            entry_bytes(f),
	                            group_bytes(f) / 2 + 77,
	                            group_bytes(f) - 1};
	struct iopgt_translation got;

	map_groups(f, 2, RW | IOPGT_CLEAN);
	mark(f, entry(f, entries(f) - 1));
	for (size_t i = 0; i < COUNT(offsets); i++) {
		uint64_t iova = group(f, 0) + offsets[i];

		expect(IOPGT_OK, iopgt_translate(f->table, iova, &got));
		assert_int_equal(got.phys, phys_of(f, iova));
		assert_int_equal(got.leaf_iova, group(f, 0));
		assert_int_equal(got.leaf_size, group_bytes(f));
		assert_int_equal(got.level, shape(f)->level);
		assert_int_equal(got.prot, RW);
		assert_int_equal(got.state, IOPGT_LEAF_DIRTY); /* any entry is */
		expect(IOPGT_OK, iopgt_translate(f->table, iova + group_bytes(f), &got));
		assert_int_equal(got.state, IOPGT_LEAF_CLEAN);
	}
}

struct text {
	unsigned lines, bytes;
	uint64_t sum; /* of all characters, by place */
};

static void note_line(void *context, const char *line)
{
	struct text *text = context;

	for (text->lines++; *line; line++)
		text->sum += (uint64_t)(unsigned char)*line * ++text->bytes;
}

static struct text dump(struct fixture *f)
{
	struct text text = {0};
	const struct iopgt_writer writer = {note_line, &text};
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_dump(f->table, 0, SPACE, &writer, &op));
	return text;
}

/* Groups fold into one line; single entries read otherwise. */
static void dump_tells_groups_from_single_entries(struct fixture *f)
{
	struct text one, three, single;

	map_groups(f, 1, RW);
	one = dump(f);
	unmap(f, 0, SPACE);
	map_groups(f, 3, RW);
	three = dump(f);
	unmap(f, 0, SPACE);
	map_singles(f, 3, RW);
	single = dump(f);
	assert_int_equal(three.lines, one.lines);
	assert_int_equal(single.lines, one.lines);
	assert_true(three.sum != single.sum);
	unmap(f, entry(f, 0), granule(f));
	assert_true(dump(f).lines > single.lines);
}

/* --- Tables that are walked without snooping --- */

static uint64_t shadow_of(struct fixture *f, uint64_t iova)
{
	uint64_t phys = look_at(f, iova).descriptor_phys;

	return pool_little_endian(*pool_word(f->host.pool, phys, true));
}

static void expect_seen(struct fixture *f, uint64_t iova, uint64_t size)
{
	for (uint64_t at = iova; at < iova + size; at += entry_bytes(f)) {
		uint64_t phys = look_at(f, at).descriptor_phys;
		uint64_t live = pool_little_endian(*pool_word(f->host.pool, phys, false));

		assert_int_equal(shadow_of(f, at), live);
	}
}

static void groups_are_seen_by_walkers_that_do_not_snoop(struct fixture *f)
{
	map_groups(f, 2, RW);
	expect_seen(f, group(f, 0), 2 * group_bytes(f));
	expect_group(f, group(f, 0), phys_apart(f));
	read_page(f, group(f, 0));
	protect(f, entry(f, 2), entry_bytes(f), IOPGT_READ);
	expect_seen(f, group(f, 0), 2 * group_bytes(f));
	assert_false(access_ok(f, 0, entry(f, 2), WALKER_WRITE));
	assert_true(access_ok(f, 0, entry(f, 3), WALKER_WRITE));
	protect(f, entry(f, 2), entry_bytes(f), RW);
	merge(f, group(f, 0), 2 * group_bytes(f));
	expect_group(f, group(f, 0), phys_apart(f));
	expect_seen(f, group(f, 0), 2 * group_bytes(f));
	unmap(f, group(f, 1), entry_bytes(f));
	expect_singles(f, group(f, 1) + entry_bytes(f), phys_of(f, group(f, 1) + entry_bytes(f)),
	               group_bytes(f) - entry_bytes(f));
	assert_false(access_ok(f, 0, group(f, 1), WALKER_READ));
	unmap(f, group(f, 0), group_bytes(f));
	assert_false(access_ok(f, 0, group(f, 0), WALKER_READ));
}

int main(void)
{
	const uint32_t all = FIXTURE_STAGES | FIXTURE_LEVELS;
	const struct fixture_test tests[] = {
		TEST(all, a_whole_aligned_group_gets_the_bit),
		TEST(all, a_misaligned_address_gives_no_group),
		TEST(all, a_misaligned_output_gives_no_group),
		TEST(FIXTURE_REGIMES, the_ends_of_a_mapping_stay_single),
		TEST(FIXTURE_REGIMES, a_group_without_one_entry_is_none),
		TEST(FIXTURE_STAGES, random_mappings_get_the_bit_where_a_group_fits),
		TEST(FIXTURE_STAGES, groups_at_both_ends_of_the_space),
		TEST(FIXTURE_STAGES, neighbours_are_not_joined),
		TEST(FIXTURE_STAGES, entries_of_groups_beside_are_left_alone),
		TEST(all, a_page_in_the_middle_of_a_group_refuses_it),
		TEST(all, empty_tables_do_not_keep_a_group_away),
		TEST(all, a_page_after_whole_groups_takes_them_back),
		TEST(FIXTURE_STAGES, map_in_pieces_ends_the_same),
		TEST(FIXTURE_STAGES, for_each_mapping_joins_groups_and_their_neighbours),
		TEST(FIXTURE_STAGES, translate_gives_the_group_for_every_byte),
		TEST(FIXTURE_STAGES, dump_tells_groups_from_single_entries),
		TEST_WITH(all, groups_are_seen_by_walkers_that_do_not_snoop,
	                  .dirty = FIXTURE_NO_DIRTY, .config_flags = IOPGT_CONFIG_NON_COHERENT),
	};

	return GROUPS_RUN(tests);
}
