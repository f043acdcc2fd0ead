/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_check finds groups that table memory was made to break (D8.7.1.1). */
#include "test_groups.h"

/* Two groups, and single entries after them. */
static void map_some(struct fixture *f)
{
	map_groups(f, 2, RW | IOPGT_CLEAN);
	map(f, group(f, 3), phys_of(f, group(f, 3)), group_bytes(f) - entry_bytes(f),
	    RW | IOPGT_CLEAN);
}

static uint32_t rule_found(struct fixture *f, struct iopgt_finding *finding)
{
	int error;

	*finding = (struct iopgt_finding){0};
	error = iopgt_check(f->table, finding);
	expect(finding->rule == IOPGT_RULE_NONE ? IOPGT_OK : IOPGT_CORRUPT, error);
	return finding->rule;
}

/* Entry `number` is made to hold `descriptor`: the rule that is broken in its group. */
static uint32_t rule_of(struct fixture *f, unsigned number, uint64_t descriptor)
{
	uint64_t iova = entry(f, number), good = raw(f, iova);
	uint64_t phys = look_at(f, iova).descriptor_phys;
	_Atomic uint64_t *word = pool_word(f->host.pool, phys, false);
	uint64_t first = iova & ~(group_bytes(f) - 1);
	struct iopgt_finding finding;

	atomic_store(word, pool_little_endian(descriptor));
	if (rule_found(f, &finding) != IOPGT_RULE_NONE) {
		assert_int_equal(finding.level, shape(f)->level);
		assert_true(finding.iova >= first && finding.iova < first + group_bytes(f));
	}
	atomic_store(word, pool_little_endian(good));
	check(f);
	return finding.rule;
}

static uint32_t rule_of_bits(struct fixture *f, unsigned number, uint64_t bits)
{
	return rule_of(f, number, raw(f, entry(f, number)) ^ bits);
}

/* Each place in a group: its first, others, its last, and those of the next group. */
static bool place(const struct fixture *f, unsigned i, unsigned *number)
{
	const unsigned places[] = {
		0, 1, entries(f) / 2, entries(f) - 1, entries(f), 2 * entries(f) - 1};

	*number = places[i < COUNT(places) ? i : 0];
	return i < COUNT(places);
}

static void an_entry_without_the_bit_is_found(struct fixture *f)
{
	unsigned number;

	map_some(f);
	for (unsigned i = 0; place(f, i, &number); i++)
		assert_int_equal(rule_of_bits(f, number, CONTIGUOUS), IOPGT_RULE_GROUP);
}

static void an_invalid_entry_is_found(struct fixture *f)
{
	unsigned number;

	map_some(f);
	for (unsigned i = 0; place(f, i, &number); i++)
		assert_int_equal(rule_of(f, number, 0), IOPGT_RULE_GROUP);
}

static void an_entry_with_another_output_is_found(struct fixture *f)
{
	unsigned number;

	map_some(f);
	for (unsigned i = 0; place(f, i, &number); i++) {
		uint64_t good = raw(f, entry(f, number));

		assert_int_equal(rule_of(f, number, good + entry_bytes(f)), IOPGT_RULE_GROUP);
		assert_int_equal(rule_of(f, number, good ^ BIT(40)), IOPGT_RULE_GROUP);
	}
}

/* As another mapping has them, so that each is right by itself. */
static void an_entry_with_other_permissions_is_found(struct fixture *f)
{
	const uint32_t prots[] = {IOPGT_READ, RW | IOPGT_EXECUTE, RW | IOPGT_NO_TRACK};
	unsigned number;

	map_some(f);
	for (size_t i = 0; i < COUNT(prots); i++) {
		uint64_t keep = (BIT(48) - 1) & ~(entry_bytes(f) - 1), bits;

		map(f, group(f, 2), phys_of(f, group(f, 2)), entry_bytes(f), prots[i]);
		bits = (raw(f, group(f, 2)) & ~keep) | CONTIGUOUS;
		for (unsigned j = 0; place(f, j, &number); j++)
			assert_int_equal(
				rule_of(f, number, (raw(f, entry(f, number)) & keep) | bits),
				IOPGT_RULE_GROUP);
		unmap(f, group(f, 2), entry_bytes(f));
	}
}

static void an_entry_of_another_memory_type_is_found(struct fixture *f)
{
	/* Write-back to non-cacheable: AttrIndx 1 to 0; MemAttr 0xf to 0x5; SH 3 to 2. */
	uint64_t bits = BIT(8) | (f->config.regime == IOPGT_STAGE2 ? 0xa << 2 : 1 << 2);
	unsigned number;

	map_some(f);
	for (unsigned i = 0; place(f, i, &number); i++)
		assert_int_equal(rule_of_bits(f, number, bits), IOPGT_RULE_GROUP);
}

/* Hardware marks any of them (R_LCGVS): that is no fault. */
static void entries_may_differ_in_dirty_state(struct fixture *f)
{
	unsigned number;

	map_some(f);
	for (unsigned i = 0; place(f, i, &number); i++)
		assert_int_equal(rule_of_bits(f, number, BIT(7)), IOPGT_RULE_NONE);
}

static void a_group_at_a_misaligned_output_is_found(struct fixture *f)
{
	struct iopgt_finding finding;

	map(f, group(f, 0), phys_apart(f) + entry_bytes(f), group_bytes(f), RW);
	for (unsigned i = 0; i < entries(f); i++)
		set_raw(f, entry(f, i), raw(f, entry(f, i)) | CONTIGUOUS);
	assert_int_equal(rule_found(f, &finding), IOPGT_RULE_GROUP);
	for (unsigned i = 0; i < entries(f); i++)
		set_raw(f, entry(f, i), raw(f, entry(f, i)) & ~CONTIGUOUS);
}

/* The bit in what could be no group: a lone entry, or one short of a group. */
static void the_bit_outside_of_groups_is_found(struct fixture *f)
{
	struct iopgt_finding finding;

	map_some(f);
	assert_int_equal(rule_of_bits(f, 3 * entries(f), CONTIGUOUS), IOPGT_RULE_GROUP);
	for (unsigned i = 0; i < entries(f) - 1; i++)
		set_raw(f, entry(f, 3 * entries(f) + i),
		        raw(f, entry(f, 3 * entries(f) + i)) | CONTIGUOUS);
	assert_int_equal(rule_found(f, &finding), IOPGT_RULE_GROUP);
	for (unsigned i = 0; i < entries(f) - 1; i++)
		set_raw(f, entry(f, 3 * entries(f) + i),
		        raw(f, entry(f, 3 * entries(f) + i)) & ~CONTIGUOUS);
}

/* A table that opted for other groups, or for none. */
static void with_sizes(struct fixture *f, uint64_t leaf_sizes)
{
	struct fixture_options options = f->options;
	struct fixture *other;
	struct iopgt_finding finding;

	options.leaf_sizes = leaf_sizes;
	other = fixture_create(&options, false);
	map(other, group(f, 0), phys_apart(f), group_bytes(f), RW);
	for (unsigned i = 0; i < entries(f); i++)
		set_raw(other, entry(f, i), raw(other, entry(f, i)) | CONTIGUOUS);
	assert_int_equal(rule_found(other, &finding), IOPGT_RULE_GROUP);
	for (unsigned i = 0; i < entries(f); i++)
		set_raw(other, entry(f, i), raw(other, entry(f, i)) & ~CONTIGUOUS);
	fixture_end(other);
	fixture_destroy(other);
}

static void groups_of_a_size_that_is_not_allowed_are_found(struct fixture *f)
{
	with_sizes(f, 0);
	with_sizes(f, f->config.leaf_sizes & ~group_bytes(f));
}

int main(void)
{
	const uint32_t all = FIXTURE_REGIMES;
	const struct fixture_test tests[] = {
		TEST(all, an_entry_without_the_bit_is_found),
		TEST(all, an_invalid_entry_is_found),
		TEST(all, an_entry_with_another_output_is_found),
		TEST(all, an_entry_with_other_permissions_is_found),
		TEST(all, an_entry_of_another_memory_type_is_found),
		TEST(all, entries_may_differ_in_dirty_state),
		TEST(all, a_group_at_a_misaligned_output_is_found),
		TEST(all, the_bit_outside_of_groups_is_found),
		TEST(all, groups_of_a_size_that_is_not_allowed_are_found),
	};

	return GROUPS_RUN(tests);
}
