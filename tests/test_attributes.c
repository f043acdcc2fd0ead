/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a stage or regime cannot express is refused, with the right error, and
 * changes nothing; what it can is what walkers then see and translate tells.
 */
#include "test_attributes.h"

/* --- A refusal changes nothing --- */

struct before {
	struct iopgt_table_usage usage;
	size_t tables;
};

static struct before look(struct fixture *f)
{
	struct before before = {.tables = pool_in_use(f->host.pool)};

	expect(IOPGT_OK, iopgt_table_stats(f->table, &before.usage));
	return before;
}

static void expect_unchanged(struct fixture *f, const struct before *before,
                             const struct iopgt_mapping *mapping, const struct iopgt_op *op)
{
	struct before now = look(f);

	assert_int_equal(now.tables, before->tables);
	assert_int_equal(now.usage.tables, before->usage.tables);
	assert_null(op->gather.table);
	assert_int_equal(op->stats.mapped, 0);
	expect_unmapped(f, mapping->iova, mapping->size);
}

static const int refusals[] = {IOPGT_BAD_PROT, IOPGT_BAD_MEMORY_TYPE, IOPGT_BAD_ATTRIBUTE};

/* Maps; `refusal` is the error that the answer REFUSED stands for. */
static void try(struct fixture *f, const struct iopgt_mapping *mapping, enum answer answer,
                int refusal)
{
	struct before before = look(f);
	struct iopgt_op op = new_op(f);
	int error = iopgt_map(f->table, mapping, &op);

	if (error != (answer == REFUSED ? refusal : IOPGT_OK) && answer != OPEN)
		print_error("prot 0x%x, memory %u, attributes 0x%x\n", mapping->prot,
		            mapping->memory, mapping->attributes);
	if (answer == OPEN)
		answer = error == IOPGT_OK ? ACCEPTED : REFUSED;
	if (answer == ACCEPTED)
		expect(IOPGT_OK, error);
	else
		expect(refusal, error);
	if (error != IOPGT_OK) {
		expect_unchanged(f, &before, mapping, &op);
		return;
	}
	expect(IOPGT_OK, iopgt_op_finish(&op));
	expect_kind(f, mapping);
	expect_kind_of_runs(f, mapping);
	unmap(f, mapping->iova, mapping->size);
}

static struct iopgt_mapping one_page(struct fixture *f, uint32_t prot, uint32_t memory,
                                     uint32_t attributes)
{
	struct iopgt_mapping mapping = fixture_mapping(FIRST(f), PHYS(f), granule(f), prot);

	mapping.memory = memory;
	mapping.attributes = attributes;
	return mapping;
}

static void permissions_that_cannot_be_said_are_refused(struct fixture *f)
{
	for (uint32_t prot = 0; prot <= 2 * IOPGT_ALL_PROT + 1; prot++) {
		struct iopgt_mapping mapping = one_page(f, prot, IOPGT_WRITE_BACK, 0);

		/* CLEAN and NO_TRACK where nothing is written: neither said nor given back */
		if (answer_to_prot(f, prot) == OPEN)
			continue;
		try(f, &mapping, answer_to_prot(f, prot), IOPGT_BAD_PROT);
	}
}

static void memory_types_that_cannot_be_said_are_refused(struct fixture *f)
{
	static const uint32_t far[] = {8, 15, 16, 255, 0x100, 0x10001, UINT32_MAX};

	for (uint32_t memory = 0; memory <= IOPGT_MEMORY_TYPES; memory++) {
		struct iopgt_mapping mapping = one_page(f, RW, memory, 0);

		try(f, &mapping, answer_to_memory(f, memory), IOPGT_BAD_MEMORY_TYPE);
		mapping.prot = R;
		try(f, &mapping, answer_to_memory(f, memory), IOPGT_BAD_MEMORY_TYPE);
	}
	for (size_t i = 0; i < COUNT(far); i++) {
		struct iopgt_mapping mapping = one_page(f, RW, far[i], 0);

		try(f, &mapping, REFUSED, IOPGT_BAD_MEMORY_TYPE);
	}
}

static void attributes_that_cannot_be_said_are_refused(struct fixture *f)
{
	for (uint32_t memory = 0; memory < IOPGT_MEMORY_TYPES; memory++) {
		if (answer_to_memory(f, memory) == REFUSED)
			continue;
		for (uint32_t bits = 0; bits <= 2 * IOPGT_ALL_ATTRIBUTES + 1; bits++) {
			struct iopgt_mapping mapping = one_page(f, RW, memory, bits);

			try(f, &mapping, answer_to_attributes(f, memory, bits),
			    IOPGT_BAD_ATTRIBUTE);
		}
	}
	for (unsigned bit = 8; bit < 32; bit++) {
		struct iopgt_mapping mapping = one_page(f, RW, IOPGT_WRITE_BACK, 1u << bit);

		try(f, &mapping, REFUSED, IOPGT_BAD_ATTRIBUTE);
	}
}

/* Permissions and attributes do not hinder each other. */
static void what_can_be_said_can_be_said_together(struct fixture *f)
{
	struct random random = {seed_from_environment("IOPGT_SEED", 3)};

	for (int i = 0; i < 2000; i++) {
		uint32_t prot = (uint32_t)random_next(&random) & IOPGT_ALL_PROT;
		uint32_t bits = (uint32_t)random_next(&random) & IOPGT_ALL_ATTRIBUTES;
		uint32_t memory = (uint32_t)random_below(&random, IOPGT_MEMORY_TYPES);
		struct iopgt_mapping mapping = one_page(f, prot, memory, bits);

		if (answer_to_prot(f, prot) != ACCEPTED ||
		    answer_to_memory(f, memory) != ACCEPTED ||
		    answer_to_attributes(f, memory, bits) != ACCEPTED)
			continue;
		try(f, &mapping, ACCEPTED, 0);
	}
}

static void several_faults_are_one_of_the_errors(struct fixture *f)
{
	struct iopgt_mapping mapping = one_page(f, W | X | XU, 99, UINT32_MAX);
	struct before before = look(f);
	struct iopgt_op op = new_op(f);
	int error = iopgt_map(f->table, &mapping, &op);
	bool known = false;

	for (size_t i = 0; i < COUNT(refusals); i++)
		known |= error == refusals[i];
	assert_true(known);
	expect_unchanged(f, &before, &mapping, &op);
}

/* --- protect refuses what map refuses, and CLEAN --- */

static void protect_refuses_and_changes_nothing(struct fixture *f)
{
	struct iopgt_mapping mapping = one_page(f, RW, IOPGT_WRITE_BACK, IOPGT_SOFTWARE_0);
	uint64_t descriptor;

	fixture_map(f, &mapping);
	descriptor = leaf_at(f, FIRST(f)).descriptor;
	for (uint32_t prot = 0; prot <= 2 * IOPGT_ALL_PROT + 1; prot++) {
		struct iopgt_op op = new_op(f);

		if (answer_to_prot(f, prot) != REFUSED && !(prot & IOPGT_CLEAN))
			continue;
		expect(IOPGT_BAD_PROT, iopgt_protect(f->table, FIRST(f), granule(f), prot, &op));
		assert_null(op.gather.table);
		assert_int_equal(leaf_at(f, FIRST(f)).descriptor, descriptor);
	}
}

/* --- What walkers make of it --- */

static uint32_t wanted_execution(const struct fixture *f, uint32_t prot)
{
	const uint32_t privileged = WALKER_MAY_EXECUTE;
	const uint32_t unprivileged = WALKER_MAY_EXECUTE_UNPRIVILEGED;

	if (f->config.regime == IOPGT_STAGE1_EL2)
		return prot & X ? privileged : 0;
	if (prot & X)
		return prot & PRIV ? privileged : privileged | unprivileged;
	return (prot & XP ? privileged : 0) | (prot & XU ? unprivileged : 0);
}

static uint32_t wanted_permissions(const struct fixture *f, uint32_t prot)
{
	uint32_t may = wanted_execution(f, prot);

	may |= prot & R ? WALKER_MAY_READ : 0u;
	may |= prot & W ? WALKER_MAY_WRITE : 0u;
	if (f->config.regime == IOPGT_STAGE1_EL2 || prot & PRIV)
		return may;
	may |= prot & R ? WALKER_MAY_READ_UNPRIVILEGED : 0u;
	return may | (prot & W ? WALKER_MAY_WRITE_UNPRIVILEGED : 0u);
}

/*
 * Of bits that hardware overrules nothing is asked: execution by the privileged
 * of what the unprivileged write (table D8-65), by the unprivileged of what they
 * may not read (AArch32).
 */
static uint32_t said_permissions(const struct fixture *f, uint32_t prot)
{
	uint32_t said = UINT32_MAX;

	if (has_levels(f) && prot & W && !(prot & PRIV))
		said &= ~(uint32_t)WALKER_MAY_EXECUTE;
	if (f->config.regime == IOPGT_STAGE1_AARCH32 && prot & PRIV)
		said &= ~(uint32_t)WALKER_MAY_EXECUTE_UNPRIVILEGED;
	return said;
}

static void expect_permissions(struct fixture *f, uint32_t prot)
{
	uint32_t said = said_permissions(f, prot);

	assert_int_equal(leaf_at(f, FIRST(f)).permissions & said,
	                 wanted_permissions(f, prot) & said);
}

static void expect_execution(struct fixture *f, uint32_t prot)
{
	uint32_t want = wanted_permissions(f, prot);
	bool privileged = want & WALKER_MAY_EXECUTE;

	if (f->config.regime == IOPGT_STAGE1_EL1 && prot & W && !(prot & PRIV))
		privileged = false;
	assert_int_equal(access_ok(f, 0, FIRST(f), WALKER_EXECUTE | WALKER_PRIVILEGED), privileged);
	if (f->config.regime != IOPGT_STAGE1_EL2 && f->config.regime != IOPGT_STAGE1_AARCH32)
		assert_int_equal(access_ok(f, 0, FIRST(f), WALKER_EXECUTE),
		                 !!(want & WALKER_MAY_EXECUTE_UNPRIVILEGED));
}

static void walkers_may_do_exactly_what_was_asked_for(struct fixture *f)
{
	for (uint32_t prot = 0; prot <= IOPGT_ALL_PROT; prot++) {
		struct iopgt_mapping mapping = one_page(f, prot, IOPGT_WRITE_BACK, 0);

		if (answer_to_prot(f, prot) != ACCEPTED)
			continue;
		fixture_map(f, &mapping);
		expect_permissions(f, prot);
		expect_execution(f, prot);
		unmap(f, FIRST(f), granule(f));
	}
}

static const uint32_t protections[] = {
	R,
	R | W,
	R | X,
	R | W | X,
	R | XP,
	R | XU,
	R | W | XU,
	R | PRIV,
	R | W | PRIV,
	R | X | PRIV,
	W,
	W | X,
	R | W | XP | PRIV,
	R | W | IOPGT_NO_TRACK,
	R | W | X | PRIV | IOPGT_NO_TRACK,
};

/* From each to each, a block and a page; memory type and attributes stay. */
static void protect_changes_permissions_and_nothing_else(struct fixture *f)
{
	struct iopgt_mapping mapping = fixture_mapping(FIRST(f), PHYS(f), block(f) + granule(f), R);

	mapping.memory = IOPGT_DEVICE_GRE;
	mapping.attributes = IOPGT_SOFTWARE_1;
	if (has_levels(f))
		mapping.attributes |= IOPGT_GLOBAL;
	fixture_map(f, &mapping);
	for (size_t from = 0; from < COUNT(protections); from++) {
		for (size_t to = 0; to < COUNT(protections); to++) {
			if (answer_to_prot(f, protections[from]) != ACCEPTED ||
			    answer_to_prot(f, protections[to]) != ACCEPTED)
				continue;
			protect(f, mapping.iova, mapping.size, protections[from]);
			protect(f, mapping.iova, mapping.size, protections[to]);
			mapping.prot = protections[to];
			expect_permissions(f, mapping.prot);
			expect_kind_of_runs(f, &mapping);
		}
	}
	expect_level(f, FIRST(f), 2);
	expect_kind(f, &mapping);
}

int main(void)
{
	const struct fixture_options all_of[] = {
		{.regime = IOPGT_STAGE1_EL1},
		{.regime = IOPGT_STAGE1_EL1, .config_flags = IOPGT_CONFIG_SECURE},
		{.regime = IOPGT_STAGE1_EL1, .config_flags = IOPGT_CONFIG_LPA2},
		{.regime = IOPGT_STAGE1_EL1, .dirty = FIXTURE_NO_DIRTY, .granule_shift = 16},
		{.regime = IOPGT_STAGE1_EL2},
		{.regime = IOPGT_STAGE1_EL2, .config_flags = IOPGT_CONFIG_SECURE},
		{.regime = IOPGT_STAGE2},
		{.regime = IOPGT_STAGE2, .config_flags = IOPGT_CONFIG_XNX},
		{.regime = IOPGT_STAGE2, .config_flags = IOPGT_CONFIG_FORCED_WRITE_BACK},
		{.regime = IOPGT_STAGE2,
	         .config_flags = IOPGT_CONFIG_LPA2 | IOPGT_CONFIG_XNX,
	         .granule_shift = 14},
		{.regime = IOPGT_STAGE1_AARCH32,
	         .dirty = FIXTURE_NO_DIRTY,
	         .level = FIXTURE_LEVEL_0},
		{.regime = IOPGT_STAGE1_AARCH32,
	         .config_flags = IOPGT_CONFIG_SECURE,
	         .dirty = FIXTURE_NO_DIRTY,
	         .level = FIXTURE_LEVEL_0},
		{.regime = IOPGT_STAGE2_AARCH32,
	         .dirty = FIXTURE_NO_DIRTY,
	         .level = FIXTURE_LEVEL_0},
	};
	const struct fixture_test each[] = {
		TEST(0, permissions_that_cannot_be_said_are_refused),
		TEST(0, memory_types_that_cannot_be_said_are_refused),
		TEST(0, attributes_that_cannot_be_said_are_refused),
		TEST(0, what_can_be_said_can_be_said_together),
		TEST(0, several_faults_are_one_of_the_errors),
		TEST(0, protect_refuses_and_changes_nothing),
		TEST(0, walkers_may_do_exactly_what_was_asked_for),
		TEST(0, protect_changes_permissions_and_nothing_else),
	};
	struct fixture_test tests[COUNT(all_of) * COUNT(each)];

	for (size_t i = 0; i < COUNT(tests); i++) {
		tests[i] = each[i % COUNT(each)];
		tests[i].options = all_of[i / COUNT(each)];
	}
	return FIXTURE_RUN(tests);
}
