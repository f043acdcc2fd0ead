/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iopgt_best_config and iopgt_walker_from_capabilities: what they choose for known
 * walkers, and for random ones that what they choose is accepted and cannot be better.
 */
#include <string.h>

#include <iopgt/capabilities.h>

#include "test_registers.h"

#define K4    (1u << 12)
#define K16   (1u << 14)
#define K64   (1u << 16)
#define HAFT  IOPGT_CONFIG_TABLE_ACCESS_FLAG
#define DIRTY IOPGT_WISH_DIRTY

/* An SMMU of 48 bits with all that there is. */
static const struct iopgt_capabilities full = {
	.flags = IOPGT_CAN_ALL,
	.granules_stage1 = K4 | K16 | K64,
	.granules_stage2 = K4 | K16 | K64,
	.input_bits_64k = 48,
	.input_bits_lpa2 = 48,
	.output_bits = 48,
	.update = IOPGT_UPDATE_TABLES,
	.bbm_level = 2,
	.asid_bits = 16,
	.vmid_bits = 16,
};

struct choice {
	const char *name;
	struct iopgt_wishes wishes;
	uint32_t without; /* of full.flags */
	uint8_t update;
	uint8_t bbm_level;
	int want;
	struct iopgt_config config; /* leaf_sizes aside */
};

#define LAST40 UINT64_C(0xffffffffff)
#define LAST48 UINT64_C(0xffffffffffff)
#define LAST52 UINT64_C(0xfffffffffffff)

static const struct choice choices[] = {
	{"dirty, flags of tables",
         {IOPGT_STAGE2, DIRTY, HAFT, 0, LAST40, LAST40},
         0,
         IOPGT_UPDATE_TABLES,
         2,
         IOPGT_OK,
         {IOPGT_STAGE2, HAFT, 12, 40, 48, 2, IOPGT_DIRTY_HARDWARE, 0}},
	{"flags of tables are not taken unasked",
         {IOPGT_STAGE2, DIRTY, 0, 0, LAST40, LAST40},
         0,
         IOPGT_UPDATE_TABLES,
         2,
         IOPGT_OK,
         {IOPGT_STAGE2, 0, 12, 40, 48, 2, IOPGT_DIRTY_HARDWARE, 0}},
	{"flags of tables that walkers do not set",
         {IOPGT_STAGE2, DIRTY, HAFT, 0, LAST40, LAST40},
         0,
         IOPGT_UPDATE_DIRTY,
         2,
         IOPGT_INCOMPATIBLE,
         {0}},
	{"flags of tables without dirty management",
         {IOPGT_STAGE2, 0, HAFT, 0, LAST40, LAST40},
         0,
         IOPGT_UPDATE_TABLES,
         2,
         IOPGT_INCOMPATIBLE,
         {0}},
	{"flags of tables with dirty management in software",
         {IOPGT_STAGE2, DIRTY | IOPGT_WISH_SOFTWARE_DIRTY, HAFT, 0, LAST40, LAST40},
         0,
         IOPGT_UPDATE_ACCESSED,
         2,
         IOPGT_INCOMPATIBLE,
         {0}},
	{"flags of tables at AArch32",
         {IOPGT_STAGE2_AARCH32, DIRTY, HAFT, 0, LAST40, LAST40},
         0,
         IOPGT_UPDATE_TABLES,
         2,
         IOPGT_INCOMPATIBLE,
         {0}},
	{"flags of tables on a walk that does not snoop",
         {IOPGT_STAGE1_EL1, DIRTY, HAFT, 0, LAST40, LAST40},
         IOPGT_CAN_COHERENT_WALK,
         IOPGT_UPDATE_TABLES,
         2,
         IOPGT_INCOMPATIBLE,
         {0}},
	{"dirty in hardware that does not set flags of tables",
         {IOPGT_STAGE1_EL1, DIRTY | IOPGT_WISH_SOFTWARE_DIRTY, 0, 0, LAST40, LAST40},
         0,
         IOPGT_UPDATE_DIRTY,
         1,
         IOPGT_OK,
         {IOPGT_STAGE1_EL1, 0, 12, 40, 48, 1, IOPGT_DIRTY_HARDWARE, 0}},
	{"dirty in software where hardware cannot",
         {IOPGT_STAGE1_EL1, DIRTY | IOPGT_WISH_SOFTWARE_DIRTY, 0, 0, LAST40, LAST40},
         0,
         IOPGT_UPDATE_ACCESSED,
         1,
         IOPGT_OK,
         {IOPGT_STAGE1_EL1, 0, 12, 40, 48, 1, IOPGT_DIRTY_SOFTWARE, 0}},
	{"dirty that hardware cannot",
         {IOPGT_STAGE1_EL1, DIRTY, 0, 0, LAST40, LAST40},
         0,
         IOPGT_UPDATE_ACCESSED,
         1,
         IOPGT_INCOMPATIBLE,
         {0}},
	{"not coherent, conflict aborts",
         {IOPGT_STAGE1_EL2, 0, 0, 0, LAST40, LAST40},
         IOPGT_CAN_COHERENT_WALK | IOPGT_CAN_AVOID_CONFLICTS,
         0,
         2,
         IOPGT_OK,
         {IOPGT_STAGE1_EL2, IOPGT_CONFIG_NON_COHERENT, 12, 40, 48, 1, 0, 0}},
	{"few addresses, small tables",
         {IOPGT_STAGE1_EL1, 0, IOPGT_CONFIG_TTBR1, K64, UINT64_MAX - 0xfffff, LAST40},
         0,
         0,
         0,
         IOPGT_OK,
         {IOPGT_STAGE1_EL1, IOPGT_CONFIG_TTBR1 | IOPGT_CONFIG_SMALL_TABLES, 16, 20, 48, 0, 0, 0}},
	{"few addresses, no small tables",
         {IOPGT_STAGE1_EL1, 0, 0, 0, 0xfffff, LAST40},
         IOPGT_CAN_SMALL_TABLES,
         0,
         0,
         IOPGT_OK,
         {IOPGT_STAGE1_EL1, 0, 12, 25, 48, 0, 0, 0}},
	{"more than 48 bits",
         {IOPGT_STAGE1_EL1, 0, 0, 0, UINT64_C(1) << 48, LAST40},
         0,
         0,
         0,
         IOPGT_INCOMPATIBLE,
         {0}},
	{"AArch32",
         {IOPGT_STAGE1_AARCH32, 0, 0, 0, 0xffffffff, LAST40},
         0,
         0,
         2,
         IOPGT_OK,
         {IOPGT_STAGE1_AARCH32, 0, 12, 32, 40, 0, 0, 0}},
	{"execute never by privilege",
         {IOPGT_STAGE2, 0, IOPGT_CONFIG_XNX, 0, LAST40, LAST40},
         0,
         0,
         2,
         IOPGT_OK,
         {IOPGT_STAGE2, IOPGT_CONFIG_XNX, 12, 40, 48, 2, 0, 0}},
	{"execute never by privilege, which walkers do not know",
         {IOPGT_STAGE2, 0, IOPGT_CONFIG_XNX, 0, LAST40, LAST40},
         IOPGT_CAN_XNX,
         0,
         2,
         IOPGT_INCOMPATIBLE,
         {0}},
	{"the fewest addresses that need no small tables",
         {IOPGT_STAGE1_EL1, 0, 0, 0, 0x1ffffff, LAST40},
         0,
         0,
         0,
         IOPGT_OK,
         {IOPGT_STAGE1_EL1, 0, 12, 25, 48, 0, 0, 0}},
	{"hardly an address",
         {IOPGT_STAGE1_EL1, 0, 0, 0, 0xff, LAST40},
         0,
         0,
         0,
         IOPGT_OK,
         {IOPGT_STAGE1_EL1, IOPGT_CONFIG_SMALL_TABLES, 12, 16, 48, 0, 0, 0}},
	{"hardly an address, 64 KiB",
         {IOPGT_STAGE1_EL1, 0, 0, K64, 0xff, LAST40},
         0,
         0,
         0,
         IOPGT_OK,
         {IOPGT_STAGE1_EL1, IOPGT_CONFIG_SMALL_TABLES, 16, 17, 48, 0, 0, 0}},
	{"a break-before-make level that is not defined yet",
         {IOPGT_STAGE2, 0, 0, 0, LAST40, LAST40},
         0,
         0,
         3,
         IOPGT_OK,
         {IOPGT_STAGE2, 0, 12, 40, 48, 2, 0, 0}},
	{"dirty at AArch32",
         {IOPGT_STAGE2_AARCH32, DIRTY, 0, 0, LAST40, LAST40},
         0,
         IOPGT_UPDATE_TABLES,
         0,
         IOPGT_INCOMPATIBLE,
         {0}},
	{"dirty on a walk that does not snoop",
         {IOPGT_STAGE1_EL1, DIRTY | IOPGT_WISH_SOFTWARE_DIRTY, 0, 0, LAST40, LAST40},
         IOPGT_CAN_COHERENT_WALK,
         IOPGT_UPDATE_TABLES,
         0,
         IOPGT_INCOMPATIBLE,
         {0}},
	{"no such regime",
         {IOPGT_REGIMES, 0, 0, 0, LAST40, LAST40},
         0,
         0,
         0,
         IOPGT_BAD_REGIME,
         {0}},
	{"no such wish",
         {IOPGT_STAGE2, IOPGT_WISH_ALL + 1, 0, 0, LAST40, LAST40},
         0,
         0,
         0,
         IOPGT_BAD_FLAGS,
         {0}},
	{"no such flag",
         {IOPGT_STAGE2, 0, IOPGT_CONFIG_ALL_FLAGS + 1, 0, LAST40, LAST40},
         0,
         0,
         0,
         IOPGT_BAD_FLAGS,
         {0}},
};

/* The same with 52 bits and LPA2. */
static const struct choice wide_choices[] = {
	{"48 bits of walkers of 52",
         {IOPGT_STAGE1_EL1, 0, 0, 0, LAST48, LAST48},
         0,
         0,
         0,
         IOPGT_OK,
         {IOPGT_STAGE1_EL1, 0, 12, 48, 48, 0, 0, 0}},
	{"48 bits of walkers of 52, 64 KiB",
         {IOPGT_STAGE1_EL1, 0, 0, K64, LAST48, LAST48},
         0,
         0,
         0,
         IOPGT_OK,
         {IOPGT_STAGE1_EL1, 0, 16, 48, 48, 0, 0, 0}},
	{"input of 49 bits",
         {IOPGT_STAGE1_EL1, 0, 0, 0, LAST48 + 1, LAST40},
         0,
         0,
         0,
         IOPGT_OK,
         {IOPGT_STAGE1_EL1, IOPGT_CONFIG_LPA2, 12, 49, 52, 0, 0, 0}},
	{"output of 49 bits, 16 KiB",
         {IOPGT_STAGE2, 0, 0, K16 | K64, LAST40, LAST48 + 1},
         0,
         0,
         0,
         IOPGT_OK,
         {IOPGT_STAGE2, IOPGT_CONFIG_LPA2, 14, 40, 52, 0, 0, 0}},
	{"52 bits, 64 KiB",
         {IOPGT_STAGE2, 0, 0, K64, LAST52, LAST52},
         0,
         0,
         0,
         IOPGT_OK,
         {IOPGT_STAGE2, 0, 16, 52, 52, 0, 0, 0}},
	{"53 bits",
         {IOPGT_STAGE1_EL1, 0, 0, 0, LAST52 + 1, LAST40},
         0,
         0,
         0,
         IOPGT_INCOMPATIBLE,
         {0}},
};

static void expect_choice(const struct choice *c, bool wide)
{
	struct iopgt_capabilities walkers = full;
	struct iopgt_config got, before;
	int err;

	walkers.flags &= ~c->without;
	walkers.update = c->update;
	walkers.bbm_level = c->bbm_level;
	if (wide) {
		walkers.lpa2_stage1 = walkers.lpa2_stage2 = K4 | K16;
		walkers.input_bits_64k = walkers.input_bits_lpa2 = walkers.output_bits = 52;
	}
	memset(&got, 0xa5, sizeof(got));
	before = got;
	err = iopgt_best_config(&walkers, &c->wishes, &got);
	if (err != c->want)
		fail_msg("%s: %s", c->name, iopgt_strerror(err));
	if (err) {
		assert_memory_equal(&got, &before, sizeof(got));
		return;
	}
	print_message("%s\n", c->name);
	assert_int_equal(got.regime, c->config.regime);
	assert_int_equal(got.flags, c->config.flags);
	assert_int_equal(got.granule_shift, c->config.granule_shift);
	assert_int_equal(got.input_bits, c->config.input_bits);
	assert_int_equal(got.output_bits, c->config.output_bits);
	assert_int_equal(got.bbm_level, c->config.bbm_level);
	assert_int_equal(got.dirty, c->config.dirty);
	assert_int_equal(got.leaf_sizes, iopgt_all_leaf_sizes(&got));
}

static void the_configuration_for_known_walkers_is_this(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(choices); i++)
		expect_choice(&choices[i], false);
	for (size_t i = 0; i < COUNT(wide_choices); i++)
		expect_choice(&wide_choices[i], true);
}

/* --- Walkers --- */

/* By enum iopgt_update: what a walker marks. */
static void a_walker_marks_what_its_registers_say(void **state)
{
	static const uint32_t marks[] = {
		0,
		IOPGT_WALKER_ACCESSED,
		IOPGT_WALKER_ACCESSED | IOPGT_WALKER_DIRTY,
		IOPGT_WALKER_ACCESSED | IOPGT_WALKER_DIRTY | IOPGT_WALKER_TABLE_ACCESSED,
	};

	(void)state;
	for (uint32_t regime = 0; regime < IOPGT_REGIMES; regime++) {
		struct iopgt_config config = {regime, 0, 12, 32, 40, 0, 0, 0};
		bool aarch32 = regime == IOPGT_STAGE1_AARCH32 || regime == IOPGT_STAGE2_AARCH32;

		for (uint8_t update = 0; update < COUNT(marks); update++) {
			struct iopgt_capabilities can = full;
			struct iopgt_walker walker = {.flags = UINT32_MAX};

			can.update = update;
			assert_int_equal(iopgt_walker_from_capabilities(&can, &config, &walker),
			                 IOPGT_OK);
			assert_int_equal(walker.flags,
			                 IOPGT_WALKER_COHERENT | (aarch32 ? 0 : marks[update]));
			assert_int_equal(walker.bbm_level, aarch32 ? 0 : 2);
		}
	}
}

/* --- Random walkers and wishes --- */

static struct iopgt_capabilities random_walkers(struct random *random)
{
	struct iopgt_capabilities cpu, smmu;

	assert_int_equal(iopgt_capabilities_from_cpu(random_next(random), random_next(random),
	                                             random_next(random), &cpu),
	                 IOPGT_OK);
	assert_int_equal(iopgt_capabilities_from_smmu((uint32_t)random_next(random),
	                                              (uint32_t)random_next(random),
	                                              (uint32_t)random_next(random), &smmu),
	                 IOPGT_OK);
	if (random_chance(random, 3))
		assert_int_equal(iopgt_capabilities_both(&cpu, &smmu, &cpu), IOPGT_OK);
	return random_chance(random, 2) ? cpu : smmu;
}

static struct iopgt_wishes random_wishes(struct random *random)
{
	struct iopgt_wishes wishes = {
		.regime = (uint32_t)random_below(random, IOPGT_REGIMES),
		.flags = (uint32_t)random_below(random, IOPGT_WISH_ALL + 1),
		.iova_last = random_next(random) >> (12 + random_below(random, 40)),
		.phys_last = random_next(random) >> (12 + random_below(random, 40)),
	};

	if (random_chance(random, 2))
		wishes.config_flags |= HAFT;
	if (random_chance(random, 8))
		wishes.config_flags |= IOPGT_CONFIG_FORCED_WRITE_BACK;
	if (wishes.regime == IOPGT_STAGE1_EL1 && random_chance(random, 4)) {
		wishes.config_flags |= IOPGT_CONFIG_TTBR1;
		wishes.iova_last = ~wishes.iova_last;
	}
	return wishes;
}

/* iopgt_init takes it, and it is all that was wished for. */
static void expect_good(const struct iopgt_config *config, const struct iopgt_wishes *wishes)
{
	const struct iopgt_register_inputs none = {0};
	struct iopgt_registers out = good_words(config, 0, &none);
	bool upper = config->flags & IOPGT_CONFIG_TTBR1;
	uint64_t far = upper ? ~wishes->iova_last : wishes->iova_last;

	assert_int_equal(far >> config->input_bits, 0);
	assert_int_equal(wishes->phys_last >> config->output_bits, 0);
	assert_int_equal(config->flags & wishes->config_flags, wishes->config_flags);
	assert_int_equal(config->dirty != IOPGT_DIRTY_NONE, (wishes->flags & DIRTY) != 0);
	/* HAFT is on where it is asked for, and nowhere else. */
	assert_int_equal(FIELD(out.tcr2, 11, 11) | FIELD(out.vtcr, 44, 44),
	                 (wishes->config_flags & HAFT) != 0);
}

/* The walkers that it was chosen for may be attached, and skip tables if that was wished. */
static void expect_attachable(const struct iopgt_capabilities *walkers,
                              const struct iopgt_config *config)
{
	struct place place = {0};
	struct iopgt_walker walker = {.tlb = &place_hal.tlb};
	struct iopgt_domain domain;

	assert_int_equal(iopgt_walker_from_capabilities(walkers, config, &walker), IOPGT_OK);
	expect(IOPGT_OK, iopgt_domain_init(&domain, config, &place_hal, &place, 0));
	expect(IOPGT_OK, iopgt_domain_attach(&domain, &walker));
	if (config->flags & HAFT)
		assert_true(walker.flags & IOPGT_WALKER_TABLE_ACCESSED);
	expect(IOPGT_OK, iopgt_domain_detach(&domain, &walker));
	expect(IOPGT_OK, iopgt_domain_fini(&domain));
}

static void what_is_chosen_is_accepted_and_has_the_smallest_granule(void **state)
{
	struct random random = {seed_from_environment("IOPGT_SEED", UINT64_C(0xbe57))};
	unsigned found = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct iopgt_capabilities walkers = random_walkers(&random);
		struct iopgt_wishes wishes = random_wishes(&random);
		struct iopgt_config config, smaller;

		if (iopgt_best_config(&walkers, &wishes, &config))
			continue;
		found++;
		expect_good(&config, &wishes);
		expect_attachable(&walkers, &config);
		wishes.granules = (1u << config.granule_shift) - 1;
		if (wishes.granules & (K4 | K16))
			assert_int_equal(iopgt_best_config(&walkers, &wishes, &smaller),
			                 IOPGT_INCOMPATIBLE);
	}
	print_message("%u configurations\n", found);
	assert_true(found > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_configuration_for_known_walkers_is_this),
		cmocka_unit_test(a_walker_marks_what_its_registers_say),
		cmocka_unit_test(what_is_chosen_is_accepted_and_has_the_smallest_granule),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
