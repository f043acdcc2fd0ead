/* SPDX-License-Identifier: BSD-2-Clause */
/* Making and ending fixtures; running tests over combinations. */
#include "fixture_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Making --- */

static bool is_aarch32(uint32_t regime)
{
	return regime == IOPGT_STAGE1_AARCH32 || regime == IOPGT_STAGE2_AARCH32;
}

static bool is_stage2(uint32_t regime)
{
	return regime == IOPGT_STAGE2 || regime == IOPGT_STAGE2_AARCH32;
}

static uint8_t usual_input_bits(uint32_t regime)
{
	if (!is_aarch32(regime))
		return 48;
	return is_stage2(regime) ? 40 : 32;
}

static void fill_config(struct fixture *f)
{
	static const uint32_t modes[] = {IOPGT_DIRTY_HARDWARE, IOPGT_DIRTY_SOFTWARE,
	                                 IOPGT_DIRTY_NONE};
	const struct fixture_options *options = &f->options;

	f->bbm_level = (uint8_t)(2 - options->level);
	f->config = (struct iopgt_config){
		.regime = options->regime,
		.flags = options->config_flags,
		.granule_shift = options->granule_shift ? options->granule_shift : 12,
		.input_bits = options->input_bits ? options->input_bits
	                                          : usual_input_bits(options->regime),
		.output_bits = options->output_bits          ? options->output_bits
	                       : is_aarch32(options->regime) ? 40
	                                                     : 48,
		.bbm_level = f->bbm_level,
		.dirty = modes[options->dirty],
		.leaf_sizes = options->leaf_sizes,
	};
	if (options->walks & FIXTURE_TABLE_ACCESS && f->config.dirty == IOPGT_DIRTY_HARDWARE)
		f->config.flags |= IOPGT_CONFIG_TABLE_ACCESS_FLAG;
	if (options->leaf_sizes == FIXTURE_ALL_LEAF_SIZES)
		f->config.leaf_sizes = iopgt_all_leaf_sizes(&f->config);
}

static uint32_t walker_flags(const struct iopgt_config *config)
{
	static const struct {
		uint32_t from, to;
	} same[] = {
		{IOPGT_CONFIG_NON_COHERENT, WALKER_NON_COHERENT},
		{IOPGT_CONFIG_FORCED_WRITE_BACK, WALKER_FWB},
		{IOPGT_CONFIG_LPA2, WALKER_LPA2},
		{IOPGT_CONFIG_SMALL_TABLES, WALKER_SMALL_TABLES},
		{IOPGT_CONFIG_TTBR1, WALKER_TTBR1},
		{IOPGT_CONFIG_SECURE, WALKER_SECURE},
		{IOPGT_CONFIG_XNX, WALKER_XNX},
	};
	const uint32_t no_updates = WALKER_AARCH32 | WALKER_NON_COHERENT;
	uint32_t flags = 0;

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		if (config->flags & same[i].from)
			flags |= same[i].to;
	if (config->regime == IOPGT_STAGE1_EL2)
		flags |= WALKER_EL2;
	if (is_aarch32(config->regime))
		flags |= WALKER_AARCH32;
	if (config->dirty == IOPGT_DIRTY_HARDWARE)
		flags |= WALKER_HA | WALKER_HD;
	if (config->flags & IOPGT_CONFIG_ACCESS_FLAG && !(flags & no_updates))
		flags |= WALKER_HA;
	if (config->flags & IOPGT_CONFIG_TABLE_ACCESS_FLAG)
		flags |= WALKER_HAFT;
	return flags;
}

struct walker_config fixture_walker_config(const struct iopgt_config *config, uint64_t root)
{
	return (struct walker_config){
		.root = root,
		.seed = 1,
		.flags = walker_flags(config),
		.stage = is_stage2(config->regime) ? 2 : 1,
		.granule_shift = config->granule_shift,
		.input_bits = config->input_bits,
		.output_bits = config->output_bits,
		.bbm_level = config->bbm_level,
	};
}

/*
 * It caches all that it can and keeps it until it has to drop it: a posted
 * invalidation is complete after sync and not before.
 */
static struct walker_config stubborn_walker(const struct fixture *f)
{
	static const uint16_t groups[] = {1, 2, 0};
	struct walker_config config = fixture_walker_config(&f->config, f->table->root_phys);

	config.tlb_entries = 2048;
	config.walk_cache_entries = 128;
	config.contiguous_one_in = groups[f->options.groups];
	if (f->walker_count % 2 == 0)
		config.flags |= WALKER_SMMU;
	if (f->options.walks & FIXTURE_ATS && config.flags & WALKER_SMMU) {
		config.flags |= WALKER_ATS;
		config.atc_entries = 2048;
	}
	return config;
}

static void describe_walker(struct fixture *f, unsigned index)
{
	struct iopgt_walker *walker = &f->domain_walkers[index];

	*walker = (struct iopgt_walker){
		.bbm_level = f->bbm_level,
		.input_bits = f->config.input_bits,
		.output_bits = f->config.output_bits,
		.tlb = &f->domain_tlb,
		.context = f->host_walkers[index],
	};
	if (f->config.dirty == IOPGT_DIRTY_HARDWARE)
		walker->flags |= IOPGT_WALKER_DIRTY;
	if (f->config.flags & IOPGT_CONFIG_ACCESS_FLAG)
		walker->flags |= IOPGT_WALKER_ACCESSED;
	if (!(f->config.flags & IOPGT_CONFIG_NON_COHERENT))
		walker->flags |= IOPGT_WALKER_COHERENT;
	if (f->config.flags & IOPGT_CONFIG_FAULTS_RETRIED)
		walker->flags |= IOPGT_WALKER_FAULTS_RETRIED;
	if (f->config.flags & IOPGT_CONFIG_TABLE_ACCESS_FLAG)
		walker->flags |= IOPGT_WALKER_TABLE_ACCESSED;
}

unsigned fixture_add_walker(struct fixture *f)
{
	struct walker_config config = stubborn_walker(f);
	unsigned index = f->walker_count++;

	assert_true(index < FIXTURE_WALKERS);
	if (f->options.domain) {
		f->host_walkers[index] = host_add_domain_walker(&f->host, &config);
		f->walkers[index] = f->host_walkers[index]->walker;
		describe_walker(f, index);
	} else {
		f->walkers[index] = host_add_walker(&f->host, &config);
	}
	return index;
}

static void make_table(struct fixture *f)
{
	if (!f->options.domain) {
		expect(IOPGT_OK, iopgt_init(&f->own_table, &f->config, &f->hal, &f->host));
		f->table = &f->own_table;
		return;
	}
	expect(IOPGT_OK, iopgt_domain_init(&f->domain, &f->config, &f->hal, &f->host,
	                                   f->options.domain_flags));
	f->table = &f->domain.table;
}

static void make_walkers(struct fixture *f)
{
	unsigned count = f->options.walkers ? f->options.walkers : 1;

	while (f->walker_count < count) {
		unsigned index = fixture_add_walker(f);

		if (f->options.domain)
			expect(IOPGT_OK,
			       iopgt_domain_attach(&f->domain, &f->domain_walkers[index]));
	}
}

/* What is asked for in the environment. */
static void add_environment(struct fixture_options *options)
{
	if (getenv("IOPGT_DEAF"))
		options->host.mode |= HOST_DEAF | HOST_FREES_UNCHECKED;
	if (getenv("IOPGT_NO_ATC"))
		options->host.mode |= HOST_NO_ATC;
	if (getenv("IOPGT_ATC_FIRST"))
		options->host.mode |= HOST_ATC_FIRST;
	if (getenv("IOPGT_LINEAR"))
		options->host.hal_flags |= IOPGT_HAL_LINEAR;
	if (getenv("IOPGT_ATS"))
		options->walks |= FIXTURE_ATS;
	if (getenv("IOPGT_TABLE_ACCESS"))
		options->walks |= FIXTURE_TABLE_ACCESS;
}

struct fixture *fixture_create(const struct fixture_options *options, bool bare)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct host_options host;

	assert_non_null(f);
	f->options = *options;
	add_environment(&f->options);
	host = f->options.host;
	fill_config(f);
	host.granule_shift = f->config.granule_shift;
	host.large_blocks = f->config.flags & IOPGT_CONFIG_LPA2 || f->config.output_bits == 52;
	host.non_coherent = f->config.flags & IOPGT_CONFIG_NON_COHERENT;
	host_init(&f->host, &host);
	fixture_hook_hal(f);
	if (!bare) {
		make_table(f);
		make_walkers(f);
	}
	return f;
}

/* --- Ending --- */

static void detach_all(struct fixture *f)
{
	for (unsigned i = 0; i < f->walker_count; i++) {
		int error = iopgt_domain_detach(&f->domain, &f->domain_walkers[i]);

		assert_true(error == IOPGT_OK || error == IOPGT_NOT_ATTACHED);
	}
}

void fixture_end(struct fixture *f)
{
	if (f->table) {
		f->hook = NULL;
		host_fail_nothing(&f->host);
		check(f);
		for (unsigned i = 0; i < f->walker_count; i++)
			walker_forget(f->walkers[i]);
		if (f->options.domain) {
			detach_all(f);
			expect(IOPGT_OK, iopgt_domain_fini(&f->domain));
		} else {
			expect(IOPGT_OK, iopgt_fini(f->table));
		}
		f->table = NULL;
	}
	assert_int_equal(pool_in_use(f->host.pool), 0);
	host_check(&f->host);
}

void fixture_destroy(struct fixture *f)
{
	host_fini(&f->host);
	free(f->bitmap.words);
	free(f);
}

/* --- Running --- */

static const uint8_t granules[] = {12, 14, 16};
static const uint32_t regimes[] = {IOPGT_STAGE1_EL1, IOPGT_STAGE1_EL2, IOPGT_STAGE2};
static const uint32_t stages[] = {IOPGT_STAGE1_EL1, IOPGT_STAGE2};
static const enum fixture_level levels[] = {FIXTURE_LEVEL_2, FIXTURE_LEVEL_1, FIXTURE_LEVEL_0};

/* The combinations of a test, in order; number `which`, or false. */
static bool combination(const struct fixture_test *test, unsigned which,
                        struct fixture_options *options)
{
	*options = test->options;
	if (test->axes & FIXTURE_GRANULES) {
		options->granule_shift = granules[which % 3];
		which /= 3;
	}
	if (test->axes & FIXTURE_REGIMES) {
		options->regime = regimes[which % 3];
		which /= 3;
	}
	if (test->axes & FIXTURE_STAGES) {
		options->regime = stages[which % 2];
		which /= 2;
	}
	if (test->axes & FIXTURE_LEVELS) {
		options->level = levels[which % 3];
		which /= 3;
	}
	return which == 0;
}

static char *combination_name(const struct fixture_test *test,
                              const struct fixture_options *options)
{
	static const char *const texts[IOPGT_REGIMES] = {"EL1", "EL2", "stage 2", "AArch32",
	                                                 "AArch32 stage 2"};
	unsigned shift = options->granule_shift ? options->granule_shift : 12;
	char *name = malloc(strlen(test->name) + 40);
	char *end = name;

	if (!name)
		abort();
	end += sprintf(end, "%s", test->name);
	if (test->axes & FIXTURE_GRANULES)
		end += sprintf(end, ", %u KiB", 1u << (shift - 10));
	if (test->axes & (FIXTURE_REGIMES | FIXTURE_STAGES))
		end += sprintf(end, ", %s", texts[options->regime]);
	if (test->axes & FIXTURE_LEVELS)
		sprintf(end, ", level %d", 2 - (int)options->level);
	return name;
}

/* One cmocka test. */
struct fixture_case {
	const struct fixture_test *test;
	struct fixture_options options;
	struct fixture *f;
};

static void run_case(void **state)
{
	struct fixture_case *one = *state;

	one->f = fixture_create(&one->options, false);
	one->test->test(one->f);
	fixture_end(one->f);
}

static int end_case(void **state)
{
	struct fixture_case *one = *state;

	if (one->f)
		fixture_destroy(one->f);
	return 0;
}

static size_t combinations(const struct fixture_test *test)
{
	struct fixture_options options;
	size_t count = 0;

	while (combination(test, (unsigned)count, &options))
		count++;
	return count;
}

/* With `once`, the test of number `row` over one combination, which changes from row to row. */
static size_t expand(const struct fixture_test *test, size_t row, bool once,
                     struct fixture_case *cases, struct CMUnitTest *units)
{
	size_t all = combinations(test), count = once ? 1 : all;
	size_t first = once ? row % all : 0;

	for (size_t i = 0; i < count; i++) {
		cases[i].test = test;
		combination(test, (unsigned)(first + i), &cases[i].options);
		units[i] = (struct CMUnitTest){
			.name = combination_name(test, &cases[i].options),
			.test_func = run_case,
			.teardown_func = end_case,
			.initial_state = &cases[i],
		};
	}
	return count;
}

int fixture_run(const char *group, const struct fixture_test *tests, size_t count)
{
	const char *filter = getenv("IOPGT_TEST");
	struct fixture_case *cases;
	struct CMUnitTest *units;
	bool once = getenv("IOPGT_TEST_ONCE") != NULL;
	size_t most = 0, total = 0;
	int failed;

	for (size_t i = 0; i < count; i++)
		most += combinations(&tests[i]);
	cases = calloc(most, sizeof(*cases));
	units = calloc(most, sizeof(*units));
	if (!cases || !units)
		abort();
	for (size_t i = 0; i < count; i++)
		total += expand(&tests[i], i, once, cases + total, units + total);
	if (filter)
		cmocka_set_test_filter(filter);
	failed = _cmocka_run_group_tests(group, units, total, NULL, NULL);
	for (size_t i = 0; i < total; i++)
		free((void *)(uintptr_t)units[i].name);
	free(units);
	free(cases);
	return failed;
}
