/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configurations and HALs, good ones with some fields spoiled: what config.h calls legal
 * is accepted, maps, and translates in the walker model as was asked for; all else is
 * refused with an error that names a field that is wrong, and nothing is allocated.
 */
#include <string.h>

#include "common.h"
#include "host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAPPINGS 6

struct trial {
	struct source source;
	struct iopgt_config config;
	struct test_host host;
	struct iopgt_hal hal;
	struct iopgt_domain domain;
	struct iopgt_table *table; /* the domain's */
	struct walker *walker;
	struct iopgt_mapping mapping[MAPPINGS];
	unsigned count;
	bool bare; /* not as a domain */
	bool bad_hal;
};

static uint64_t take(struct trial *trial, uint64_t bound)
{
	return source_below(&trial->source, bound);
}

/* --- What is wrong, by config.h --- */

struct faults {
	int error[12];
	unsigned count;
};

static void fault_if(struct faults *faults, bool wrong, int error)
{
	if (wrong)
		faults->error[faults->count++] = error;
}

static bool is_wide(const struct iopgt_config *config)
{
	return config->granule_shift == 16 || config->flags & IOPGT_CONFIG_LPA2;
}

static bool flags_wrong(const struct iopgt_config *config)
{
	uint32_t flags = config->flags;
	bool stage2 = config->regime == IOPGT_STAGE2, aarch32 = fuzz_is_aarch32(config);

	if (flags & ~(uint32_t)IOPGT_CONFIG_ALL_FLAGS)
		return true;
	if (!stage2 && flags & (IOPGT_CONFIG_FORCED_WRITE_BACK | IOPGT_CONFIG_XNX))
		return true;
	if (flags & IOPGT_CONFIG_LPA2 && (aarch32 || config->granule_shift == 16))
		return true;
	if (aarch32 && flags & (IOPGT_CONFIG_SMALL_TABLES | IOPGT_CONFIG_TABLE_ACCESS_FLAG))
		return true;
	if (config->regime != IOPGT_STAGE1_EL1 && flags & IOPGT_CONFIG_TTBR1)
		return true;
	if (fuzz_is_stage2(config) && flags & IOPGT_CONFIG_SECURE)
		return true;
	return flags & IOPGT_CONFIG_TABLE_ACCESS_FLAG && config->dirty != IOPGT_DIRTY_HARDWARE;
}

static bool output_wrong(const struct iopgt_config *config)
{
	switch (config->output_bits) {
	case 32:
	case 36:
	case 40:
		return false;
	case 42:
	case 44:
	case 48:
		return fuzz_is_aarch32(config);
	case 52:
		return fuzz_is_aarch32(config) || !is_wide(config);
	default:
		return true;
	}
}

static bool input_wrong(const struct iopgt_config *config)
{
	unsigned bits = config->input_bits, least = 25, most = is_wide(config) ? 52 : 48;

	if (config->flags & IOPGT_CONFIG_SMALL_TABLES)
		least = config->granule_shift == 16 ? 17 : 16;
	if (fuzz_is_aarch32(config))
		most = config->regime == IOPGT_STAGE1_AARCH32 ? 32 : 40;
	if (fuzz_is_stage2(config) && bits > config->output_bits)
		return true;
	return bits < least || bits > most;
}

/* The table in config.h: pages and blocks, each with its groups behind it. */
static const struct {
	uint8_t granule_shift, single, group;
	bool wide; /* LPA2, or 52 output bits with 64 KiB */
} sizes[] = {
	{12, 12, 16, false}, {12, 21, 25, false}, {12, 30, 34, false}, {12, 39, 0, true},
	{14, 14, 21, false}, {14, 25, 30, false}, {14, 36, 0, true},   {16, 16, 21, false},
	{16, 29, 34, false}, {16, 42, 0, true},
};

static bool leaves_wrong(const struct iopgt_config *config)
{
	bool wide = config->granule_shift == 16 ? config->output_bits == 52
	                                        : !!(config->flags & IOPGT_CONFIG_LPA2);
	uint64_t rest = config->leaf_sizes;
	bool missing = false;

	for (size_t i = 0; i < COUNT(sizes); i++) {
		bool given = rest & BIT(sizes[i].single);

		if (sizes[i].granule_shift != config->granule_shift || (sizes[i].wide && !wide))
			continue;
		if (given && missing)
			return true;
		missing |= !given;
		if (sizes[i].single == config->granule_shift && !given)
			return config->leaf_sizes != 0;
		if (given)
			rest &= ~(BIT(sizes[i].single) |
			          (sizes[i].group ? BIT(sizes[i].group) : 0));
	}
	return rest != 0;
}

static struct faults find_faults(const struct trial *trial)
{
	const struct iopgt_config *config = &trial->config;
	bool aarch32 = fuzz_is_aarch32(config), granule;
	struct faults faults = {.count = 0};

	fault_if(&faults, config->regime >= IOPGT_REGIMES, IOPGT_BAD_REGIME);
	if (faults.count)
		return faults;
	granule = config->granule_shift == 12 ||
	          (!aarch32 && (config->granule_shift == 14 || config->granule_shift == 16));
	fault_if(&faults, !granule, IOPGT_BAD_GRANULE);
	fault_if(&faults, flags_wrong(config), IOPGT_BAD_FLAGS);
	fault_if(&faults, output_wrong(config), IOPGT_BAD_OUTPUT_BITS);
	fault_if(&faults, input_wrong(config), IOPGT_BAD_INPUT_BITS);
	fault_if(&faults, granule && leaves_wrong(config), IOPGT_BAD_LEAF_SIZES);
	fault_if(&faults, config->bbm_level > 2 || (aarch32 && config->bbm_level == 1),
	         IOPGT_BAD_BBM_LEVEL);
	fault_if(&faults, config->dirty > 2 || (aarch32 && config->dirty), IOPGT_BAD_DIRTY_MODE);
	fault_if(&faults, config->dirty && config->flags & IOPGT_CONFIG_NON_COHERENT,
	         IOPGT_BAD_WALK);
	fault_if(&faults, trial->bad_hal, IOPGT_BAD_HAL);
	return faults;
}

/* --- Choices --- */

/* Sizes around those where something begins or ends, or any. */
static uint8_t choose_bits(struct trial *trial)
{
	static const uint8_t edges[] = {16, 17, 24, 25, 32, 33, 40, 41, 48, 49, 52, 53};

	if (take(trial, 4) == 3)
		return (uint8_t)fuzz_number(&trial->source);
	return edges[take(trial, COUNT(edges))];
}

static void spoil_config(struct trial *trial)
{
	struct iopgt_config *config = &trial->config;
	struct source *source = &trial->source;

	switch (take(trial, 8)) {
	case 0:
		config->regime = (uint32_t)(take(trial, 2) ? take(trial, 8) : fuzz_number(source));
		break;
	case 1:
		config->flags ^= (uint32_t)BIT(take(trial, 3) ? take(trial, 11) : take(trial, 32));
		break;
	case 2:
		config->granule_shift =
			(uint8_t)(take(trial, 2) ? 10 + take(trial, 8) : fuzz_number(source));
		break;
	case 3:
		config->input_bits = choose_bits(trial);
		break;
	case 4:
		config->output_bits = choose_bits(trial);
		break;
	case 5:
		config->bbm_level =
			(uint8_t)(take(trial, 2) ? take(trial, 4) : fuzz_number(source));
		break;
	case 6:
		config->dirty = (uint32_t)(take(trial, 2) ? take(trial, 4) : fuzz_number(source));
		break;
	default:
		config->leaf_sizes ^= BIT(take(trial, 64));
	}
}

static void spoil_hal(struct trial *trial)
{
	struct iopgt_hal *hal = &trial->hal;

	/* Those of a domain's HAL are not used. */
	trial->bad_hal = true;
	switch (take(trial, trial->bare ? 7 : 4)) {
	case 0:
		hal->alloc_table = NULL;
		break;
	case 1:
		hal->free_table = NULL;
		break;
	case 2:
		hal->phys_to_virt = NULL;
		break;
	case 3:
		hal->clean = NULL;
		trial->bad_hal = trial->config.flags & IOPGT_CONFIG_NON_COHERENT;
		break;
	case 4:
		hal->tlb.invalidate_range = NULL;
		break;
	case 5:
		hal->tlb.invalidate_all = NULL;
		break;
	default:
		hal->tlb.sync = NULL;
	}
}

static void choose(struct trial *trial)
{
	struct host_options options = {.arena_bytes = 16 << 20, .granule_shift = 12};
	unsigned changes;

	fuzz_choose_config(&trial->source, &trial->config);
	for (changes = (unsigned)take(trial, 4); changes; changes--)
		spoil_config(trial);
	trial->bare = take(trial, 2);
	if (trial->config.output_bits >= 32 && trial->config.output_bits <= 52)
		options.phys_base = BIT(trial->config.output_bits) - options.arena_bytes;
	if (is_wide(&trial->config))
		options.large_blocks = true;
	if (trial->config.granule_shift == 14 || trial->config.granule_shift == 16)
		options.granule_shift = trial->config.granule_shift;
	options.non_coherent = trial->config.flags & IOPGT_CONFIG_NON_COHERENT;
	host_init(&trial->host, &options);
	trial->hal = trial->host.hal;
	if (source_chance(&trial->source, 6))
		spoil_hal(trial);
}

/* --- What is accepted has to work --- */

/* Null: nothing is mapped there. */
static const struct iopgt_mapping *mapping_at(const struct trial *trial, uint64_t iova)
{
	for (unsigned i = 0; i < trial->count; i++)
		if (iova - trial->mapping[i].iova < trial->mapping[i].size)
			return &trial->mapping[i];
	return NULL;
}

static void expect_at(struct trial *trial, uint64_t iova)
{
	const struct iopgt_mapping *mapping = mapping_at(trial, iova);
	struct iopgt_translation got;
	struct walker_leaf leaf;
	enum walker_fault fault = walker_translate(trial->walker, iova, &leaf);
	int error = iopgt_translate(trial->table, iova, &got);

	if (!mapping) {
		require_of(fault == WALKER_TRANSLATION, fault, iova);
		require_of(error == IOPGT_NOT_MAPPED, -error, iova);
		return;
	}
	require_of(fault == WALKER_OK, fault, iova);
	require_of(error == IOPGT_OK, -error, iova);
	require_of(leaf.phys == mapping->phys + (iova - mapping->iova), leaf.phys, iova);
	require_of(got.phys == leaf.phys, got.phys, leaf.phys);
	require_of(leaf.size & (trial->config.leaf_sizes ? trial->config.leaf_sizes : UINT64_MAX),
	           leaf.size, iova);
	require_of(walker_group_is_good(trial->walker, iova), iova, 0);
	require_of(!!(mapping->prot & IOPGT_WRITE) == (leaf.dirty != WALKER_READ_ONLY), iova,
	           leaf.descriptor);
}

static void expect_around(struct trial *trial, uint64_t iova, uint64_t size)
{
	uint64_t first = fuzz_first(&trial->config), last = fuzz_last(&trial->config);
	uint64_t inside = fuzz_number(&trial->source) % size;

	expect_at(trial, iova);
	expect_at(trial, iova + size - 1);
	expect_at(trial, iova + inside);
	if (iova != first)
		expect_at(trial, iova - 1);
	if (iova + size - 1 != last)
		expect_at(trial, iova + size);
}

static bool overlaps(const struct trial *trial, uint64_t iova, uint64_t size)
{
	for (unsigned i = 0; i < trial->count; i++)
		if (iova - trial->mapping[i].iova < trial->mapping[i].size ||
		    trial->mapping[i].iova - iova < size)
			return true;
	return false;
}

static int expected_of_map(const struct trial *trial, const struct iopgt_mapping *mapping)
{
	uint64_t output_last = BIT(trial->config.output_bits) - 1;

	if (mapping->phys > output_last || mapping->size - 1 > output_last - mapping->phys)
		return IOPGT_BAD_OUTPUT;
	return overlaps(trial, mapping->iova, mapping->size) ? IOPGT_EXISTS : IOPGT_OK;
}

static void map_one(struct trial *trial)
{
	struct fuzz_range range = fuzz_choose_range(&trial->source, &trial->config);
	struct iopgt_mapping mapping = {.iova = range.iova,
	                                .size = range.size,
	                                .prot = IOPGT_READ | (uint32_t)take(trial, 4),
	                                .memory = (uint32_t)take(trial, 3)};
	uint64_t granule = fuzz_granule(&trial->config), needed, before;
	struct iopgt_op op = {0};
	int error;

	mapping.phys = fuzz_number(&trial->source) & ~(granule - 1);
	if (take(trial, 3))
		mapping.phys = range.iova & (BIT(trial->config.output_bits) - 1);
	require(iopgt_tables_needed(trial->table, range.iova, range.size, &needed) == IOPGT_OK);
	if (needed > 200)
		return;
	before = pool_in_use(trial->host.pool);
	error = iopgt_map(trial->table, &mapping, &op);
	require_of(error == expected_of_map(trial, &mapping), -error, mapping.iova);
	require_of(pool_in_use(trial->host.pool) <= before + needed, before, needed);
	require(iopgt_op_finish(&op) == IOPGT_OK);
	if (!error)
		trial->mapping[trial->count++] = mapping;
	expect_around(trial, mapping.iova, mapping.size);
}

static void expect_good(struct trial *trial)
{
	struct iopgt_finding finding;
	int error = iopgt_check(trial->table, &finding);

	require_of(error == IOPGT_OK, finding.rule, finding.descriptor);
	require(host_is_good(&trial->host));
}

/* The end of one mapping goes, which may split a block. */
static void unmap_some(struct trial *trial)
{
	struct iopgt_mapping *mapping = &trial->mapping[take(trial, trial->count)];
	uint64_t granules = mapping->size >> trial->config.granule_shift;
	uint64_t kept = (fuzz_number(&trial->source) % granules) << trial->config.granule_shift;
	struct iopgt_op op = {.flags = IOPGT_OP_MAY_BREAK};
	uint64_t iova = mapping->iova + kept, size = mapping->size - kept;

	require(iopgt_unmap(trial->table, iova, size, &op) == IOPGT_OK);
	require(iopgt_op_finish(&op) == IOPGT_OK);
	require(op.stats.unmapped == size >> trial->config.granule_shift);
	mapping->size = kept;
	expect_around(trial, iova, size);
	if (!kept)
		*mapping = trial->mapping[--trial->count];
}

static void expect_sizes(const struct iopgt_config *config)
{
	uint64_t all = iopgt_all_leaf_sizes(config);

	require_of(all & fuzz_granule(config), all, 0);
	require_of(!(all >> config->input_bits >> 1), all, config->input_bits);
}

static void use_it(struct trial *trial)
{
	struct walker_config walker =
		fuzz_walker(&trial->config, trial->host.pool, trial->table->root_phys);

	trial->walker = walker_create(&walker);
	expect_sizes(&trial->config);
	while (trial->count < MAPPINGS && !source_empty(&trial->source)) {
		map_one(trial);
		if (trial->count && source_chance(&trial->source, 3))
			unmap_some(trial);
	}
	for (unsigned i = 0; i < trial->count; i++)
		expect_around(trial, trial->mapping[i].iova, trial->mapping[i].size);
	expect_good(trial);
	walker_destroy(trial->walker);
	require(iopgt_fini(trial->table) == IOPGT_OK);
}

/* Domains without walkers: nothing is invalidated, nothing else differs. */
static int init(struct trial *trial)
{
	memset(&trial->domain, 0xa5, sizeof(trial->domain));
	trial->table = &trial->domain.table;
	if (trial->bare)
		return iopgt_init(trial->table, &trial->config, &trial->hal, &trial->host);
	return iopgt_domain_init(&trial->domain, &trial->config, &trial->hal, &trial->host, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct trial trial;
	struct faults faults;
	int error;

	memset(&trial, 0, offsetof(struct trial, host));
	trial.source = (struct source){.data = data, .left = size};
	trial.count = 0;
	trial.bad_hal = false;
	fuzz_describe(&trial.config);
	choose(&trial);
	faults = find_faults(&trial);
	error = init(&trial);
	if (faults.count) {
		require_of(fuzz_is_among(error, faults.error, faults.count), -error,
		           -faults.error[0]);
		require(host_calls(&trial.host, HOST_ALLOC) == 0);
	} else {
		require_of(error == IOPGT_OK, -error, 0);
		use_it(&trial);
	}
	require(pool_in_use(trial.host.pool) == 0);
	host_fini(&trial.host);
	return 0;
}
