/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory types, attributes and software bits stay, whatever verb is called. */
#include "test_attributes.h"

struct kind {
	uint32_t prot, memory, attributes;
};

static const struct kind stage_1[] = {
	{R | W, IOPGT_WRITE_BACK, 0},
	{R | W, IOPGT_WRITE_BACK, IOPGT_SOFTWARE_0},
	{R | W | XU, IOPGT_WRITE_BACK, IOPGT_NOT_SHAREABLE | IOPGT_GLOBAL | IOPGT_SOFTWARE_1},
	{R | W | PRIV | X, IOPGT_WRITE_BACK, IOPGT_OUTER_SHAREABLE | IOPGT_GUARDED},
	{R | W, IOPGT_INNER_NON_CACHEABLE, IOPGT_INNER_SHAREABLE | IOPGT_NON_SECURE},
	{R | W, IOPGT_NON_CACHEABLE, IOPGT_SOFTWARE_0 | IOPGT_SOFTWARE_1},
	{R | W, IOPGT_DEVICE_NGNRNE, IOPGT_NON_SECURE | IOPGT_GLOBAL},
	{R | W | IOPGT_NO_TRACK, IOPGT_DEVICE_GRE, IOPGT_SOFTWARE_1},
	{R | XP, IOPGT_WRITE_BACK, IOPGT_GUARDED | IOPGT_SOFTWARE_0},
};

static const struct kind stage_2[] = {
	{R | W, IOPGT_WRITE_BACK, 0},
	{R | W, IOPGT_WRITE_BACK, IOPGT_SOFTWARE_0},
	{R | W | XU, IOPGT_WRITE_BACK, IOPGT_NOT_SHAREABLE | IOPGT_SOFTWARE_1},
	{R | W | XP, IOPGT_WRITE_BACK, IOPGT_OUTER_SHAREABLE},
	{R | W, IOPGT_INNER_NON_CACHEABLE, IOPGT_INNER_SHAREABLE},
	{R | W, IOPGT_NON_CACHEABLE, IOPGT_SOFTWARE_0 | IOPGT_SOFTWARE_1},
	{R | W, IOPGT_DEVICE_NGRE, IOPGT_SOFTWARE_1},
	{W | IOPGT_NO_TRACK, IOPGT_DEVICE_NGNRNE, 0},
	{R | X, IOPGT_WRITE_BACK, IOPGT_SOFTWARE_0},
};

static struct iopgt_mapping kind_number(struct fixture *f, size_t number)
{
	const struct kind *kind = is_stage2(f) ? &stage_2[number] : &stage_1[number];
	struct iopgt_mapping mapping =
		fixture_mapping(FIRST(f), PHYS(f), 2 * block(f) + 3 * granule(f), kind->prot);

	_Static_assert(COUNT(stage_1) == COUNT(stage_2), "one loop for both");
	mapping.memory = kind->memory;
	mapping.attributes = kind->attributes;
	return mapping;
}

static void expect_kept(struct fixture *f, const struct iopgt_mapping *want)
{
	check(f);
	expect_kind(f, want);
	expect_kind_of_runs(f, want);
}

static bool is_tracked(const struct iopgt_mapping *mapping)
{
	return mapping->prot & W && !(mapping->prot & IOPGT_NO_TRACK);
}

/* A walker writes, if it may at all. */
static void write_some(struct fixture *f, const struct iopgt_mapping *mapping)
{
	uint32_t access = WALKER_WRITE | (mapping->prot & PRIV ? WALKER_PRIVILEGED : 0u);

	if (!(mapping->prot & W))
		return;
	assert_true(access_ok(f, 0, FIRST(f) + 5 * granule(f), access));
	assert_true(access_ok(f, 0, FIRST(f) + 2 * block(f), access));
}

/* A test runs once for each kind. */
static void for_each_kind(struct fixture *f,
                          void (*run)(struct fixture *f, const struct iopgt_mapping *mapping))
{
	for (size_t i = 0; i < COUNT(stage_1); i++) {
		struct iopgt_mapping mapping = kind_number(f, i);

		fixture_map(f, &mapping);
		expect_kept(f, &mapping);
		run(f, &mapping);
		unmap(f, mapping.iova, mapping.size);
	}
}

static void split_and_merge_one(struct fixture *f, const struct iopgt_mapping *mapping)
{
	write_some(f, mapping);
	split(f, FIRST(f), block(f));
	expect_level(f, FIRST(f), 3);
	expect_kept(f, mapping);
	merge(f, FIRST(f), 3 * block(f));
	expect_level(f, FIRST(f), 2);
	expect_kept(f, mapping);
}

static void split_and_merge_keep_attributes(struct fixture *f)
{
	for_each_kind(f, split_and_merge_one);
}

static void read_and_clear_one(struct fixture *f, const struct iopgt_mapping *mapping)
{
	write_some(f, mapping);
	take_dirty(f, mapping->iova, mapping->size);
	assert_int_equal(count_bits(f) != 0, is_tracked(mapping));
	expect_kept(f, mapping);
	write_some(f, mapping);
	expect_kept(f, mapping);
	take_dirty(f, mapping->iova, mapping->size);
	expect_kept(f, mapping);
}

static void cleaning_keeps_attributes(struct fixture *f)
{
	for_each_kind(f, read_and_clear_one);
}

static void unmap_a_part_of_one(struct fixture *f, const struct iopgt_mapping *mapping)
{
	struct iopgt_mapping again = *mapping, rest = *mapping;
	uint64_t at = block(f) / 2;

	unmap(f, FIRST(f) + at, granule(f));
	rest.size = at;
	expect_kept(f, &rest);
	rest.iova = FIRST(f) + at + granule(f);
	rest.phys = PHYS(f) + at + granule(f);
	rest.size = mapping->size - at - granule(f);
	expect_kept(f, &rest);
	again.iova += at;
	again.phys += at;
	again.size = granule(f);
	fixture_map(f, &again);
	expect_kept(f, mapping);
}

static void partial_unmap_keeps_the_attributes_of_the_rest(struct fixture *f)
{
	for_each_kind(f, unmap_a_part_of_one);
}

static void protect_one(struct fixture *f, const struct iopgt_mapping *mapping)
{
	struct iopgt_mapping read_only = *mapping;

	write_some(f, mapping);
	protect(f, mapping->iova, mapping->size, R);
	read_only.prot = R;
	expect_kept(f, &read_only);
	protect(f, mapping->iova, mapping->size, mapping->prot);
	expect_kept(f, mapping);
	/* a part of a block, and of a group */
	read_only.iova += 3 * granule(f);
	read_only.phys += 3 * granule(f);
	read_only.size = 2 * granule(f);
	protect(f, read_only.iova, read_only.size, R);
	expect_kept(f, &read_only);
	protect(f, read_only.iova, read_only.size, mapping->prot);
	expect_kept(f, mapping);
}

static void protect_keeps_attributes(struct fixture *f)
{
	for_each_kind(f, protect_one);
}

static void track_one(struct fixture *f, const struct iopgt_mapping *mapping)
{
	const struct iopgt_tracking eager = {.policy = IOPGT_SPLIT_EAGER};
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, true, &eager, &op));
	finish(f, &op);
	expect_kept(f, mapping);
	write_some(f, mapping);
	take_dirty(f, mapping->iova, mapping->size);
	expect_kept(f, mapping);
	expect(IOPGT_OK, iopgt_set_dirty_tracking(&f->domain, false, NULL, &op));
	finish(f, &op);
	expect_level(f, FIRST(f), 2);
	expect_kept(f, mapping);
}

static void tracking_keeps_attributes(struct fixture *f)
{
	for_each_kind(f, track_one);
}

/* --- Merge looks at all of them --- */

/* What the one page differs in from the others, which are RW write-back. */
static const struct kind unlike[] = {
	{R | W, IOPGT_WRITE_BACK, IOPGT_SOFTWARE_0},
	{R | W, IOPGT_WRITE_BACK, IOPGT_SOFTWARE_1},
	{R | W, IOPGT_WRITE_BACK, IOPGT_OUTER_SHAREABLE},
	{R | W, IOPGT_WRITE_BACK, IOPGT_NOT_SHAREABLE},
	{R | W, IOPGT_WRITE_BACK, IOPGT_GLOBAL},
	{R | W, IOPGT_WRITE_BACK, IOPGT_NON_SECURE},
	{R | W, IOPGT_WRITE_BACK, IOPGT_GUARDED},
	{R | W, IOPGT_NON_CACHEABLE, 0},
	{R | W, IOPGT_DEVICE_GRE, 0},
	{R | W, IOPGT_INNER_NON_CACHEABLE, 0},
	{R | W | IOPGT_NO_TRACK, IOPGT_WRITE_BACK, 0},
	{R | W | X, IOPGT_WRITE_BACK, 0},
	{R | W | XU, IOPGT_WRITE_BACK, 0},
	{R | W | PRIV, IOPGT_WRITE_BACK, 0},
	{W, IOPGT_WRITE_BACK, 0},
	{R, IOPGT_WRITE_BACK, 0},
};

/* All of a block by pages, one of them of another kind. */
static void map_pages_with_one(struct fixture *f, const struct kind *kind, uint64_t at)
{
	struct iopgt_mapping one = fixture_mapping(FIRST(f) + at, PHYS(f) + at, granule(f), 0);

	one.prot = kind->prot;
	one.memory = kind->memory;
	one.attributes = kind->attributes;
	map(f, FIRST(f), PHYS(f), block(f), RW);
	unmap(f, FIRST(f) + at, granule(f));
	fixture_map(f, &one);
}

static bool can_be_said(struct fixture *f, const struct kind *kind)
{
	return answer_to_prot(f, kind->prot) == ACCEPTED &&
	       answer_to_attributes(f, kind->memory, kind->attributes) == ACCEPTED;
}

static void merge_leaves_unlike_pages_alone(struct fixture *f)
{
	uint64_t places[] = {0, 7 * granule(f), block(f) / 2, block(f) - granule(f)};

	for (size_t i = 0; i < COUNT(unlike); i++) {
		uint64_t at = places[i % COUNT(places)];
		struct iopgt_stats stats;

		if (!can_be_said(f, &unlike[i]))
			continue;
		map_pages_with_one(f, &unlike[i], at);
		stats = merge(f, FIRST(f), block(f));
		assert_int_equal(stats.merged, 0);
		assert_int_equal(stats.left_unmerged, 1);
		assert_int_equal(leaf_at(f, FIRST(f)).level, 3);
		assert_int_equal(leaf_at(f, FIRST(f) + at).level, 3);
		unmap(f, FIRST(f), block(f));
	}
}

/* The group of the unlike page stays single pages; others may become groups. */
static void merge_makes_no_group_of_unlike_pages(struct fixture *f)
{
	uint64_t size = group_size(f, 3), at = size + granule(f);

	for (size_t i = 0; i < COUNT(unlike); i++) {
		struct iopgt_translation got;

		if (!can_be_said(f, &unlike[i]))
			continue;
		map_pages_with_one(f, &unlike[i], at);
		merge(f, FIRST(f), block(f));
		expect_good_groups(f, FIRST(f), block(f));
		expect(IOPGT_OK, iopgt_translate(f->table, FIRST(f) + at, &got));
		assert_int_equal(got.leaf_size, granule(f));
		expect(IOPGT_OK, iopgt_translate(f->table, FIRST(f) + size, &got));
		assert_int_equal(got.leaf_size, granule(f));
		expect(IOPGT_OK, iopgt_translate(f->table, FIRST(f) + 2 * size, &got));
		assert_int_equal(got.leaf_size, size);
		unmap(f, FIRST(f), block(f));
	}
}

/* Runs end where attributes or software bits change. */
static void runs_end_where_attributes_change(struct fixture *f)
{
	for (size_t i = 0; i < COUNT(unlike); i++) {
		struct iopgt_mapping other = fixture_mapping(FIRST(f), PHYS(f), granule(f), 0);

		if (!can_be_said(f, &unlike[i]))
			continue;
		map_pages_with_one(f, &unlike[i], 4 * granule(f));
		other.size = 4 * granule(f);
		other.prot = RW;
		expect_kind_of_runs(f, &other);
		other.iova += 4 * granule(f);
		other.phys += 4 * granule(f);
		other.size = granule(f);
		other.prot = unlike[i].prot;
		other.memory = unlike[i].memory;
		other.attributes = unlike[i].attributes;
		expect_kind_of_runs(f, &other);
		unmap(f, FIRST(f), block(f));
	}
}

#define STAGE_1 .regime = IOPGT_STAGE1_EL1, .config_flags = IOPGT_CONFIG_SECURE
#define STAGE_2 .regime = IOPGT_STAGE2, .config_flags = IOPGT_CONFIG_XNX
#define GROUPS  .leaf_sizes = FIXTURE_ALL_LEAF_SIZES
#define BOTH(over, run)                                                                            \
	TEST_WITH(over, run, STAGE_1), TEST_WITH(over, run, STAGE_2),                              \
		TEST_WITH(over, run, STAGE_1, GROUPS), TEST_WITH(over, run, STAGE_2, GROUPS)

int main(void)
{
	const uint32_t levels = FIXTURE_LEVELS;
	const struct fixture_test tests[] = {
		BOTH(levels, split_and_merge_keep_attributes),
		BOTH(levels, cleaning_keeps_attributes),
		BOTH(levels, partial_unmap_keeps_the_attributes_of_the_rest),
		BOTH(levels, protect_keeps_attributes),
		TEST_WITH(levels, tracking_keeps_attributes, STAGE_1, .domain = true),
		TEST_WITH(levels, tracking_keeps_attributes, STAGE_2, .domain = true),
		TEST_WITH(levels, tracking_keeps_attributes, STAGE_1, GROUPS, .domain = true),
		BOTH(levels, runs_end_where_attributes_change),
		TEST_WITH(levels, merge_leaves_unlike_pages_alone, STAGE_1),
		TEST_WITH(levels, merge_leaves_unlike_pages_alone, STAGE_2),
		TEST_WITH(FIXTURE_GRANULES, merge_makes_no_group_of_unlike_pages, STAGE_1, GROUPS),
		TEST_WITH(FIXTURE_GRANULES, merge_makes_no_group_of_unlike_pages, STAGE_2, GROUPS),
	};

	return FIXTURE_RUN(tests);
}
