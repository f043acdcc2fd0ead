/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What takes numbers alone: fault handlers, register words, capabilities of any
 * identification registers, operands of invalidations. No undefined behaviour; what
 * fails changes nothing; operands cover what was asked for, and no more than the
 * comments of invalidate.h allow.
 */
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "host.h"
#include "operands.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct source source;
static struct iopgt_config config;

static uint64_t take(uint64_t bound)
{
	return source_below(&source, bound);
}

/* --- Fault handlers --- */

static void map_some(struct iopgt_table *table)
{
	for (unsigned count = 1 + (unsigned)take(4); count; count--) {
		struct fuzz_range range = fuzz_choose_range(&source, &config);
		struct iopgt_mapping mapping = {.iova = range.iova,
		                                .size = range.size,
		                                .prot = IOPGT_READ | (uint32_t)take(64),
		                                .memory = (uint32_t)take(IOPGT_MEMORY_TYPES)};
		struct iopgt_op op = {.budget = 4000};

		mapping.phys = range.iova & (BIT(config.output_bits) - 1);
		iopgt_map(table, &mapping, &op);
		require(iopgt_op_finish(&op) == IOPGT_OK);
	}
}

static bool may_write(const struct walker_leaf *leaf, uint32_t access)
{
	bool levels = config.regime == IOPGT_STAGE1_EL1 || config.regime == IOPGT_STAGE1_AARCH32;
	uint32_t needed = WALKER_MAY_WRITE;

	if (leaf->fault != WALKER_OK)
		return false;
	if (levels && !(access & IOPGT_PRIVILEGED))
		needed = WALKER_MAY_WRITE_UNPRIVILEGED;
	return leaf->permissions & needed;
}

static void try_write_fault(struct iopgt_table *table, struct walker *oracle, uint64_t iova)
{
	uint32_t access = take(2) ? IOPGT_PRIVILEGED : 0;
	struct iopgt_op op = {.flags = 0};
	struct walker_leaf was, is;
	int error;

	walker_translate(oracle, iova, &was);
	error = iopgt_handle_write_fault(table, iova, access, &op);
	require(iopgt_op_finish(&op) == IOPGT_OK);
	walker_translate(oracle, iova, &is);
	require_of((error == IOPGT_OK) == may_write(&was, access), -error, was.descriptor);
	if (error != IOPGT_OK) {
		require_result(error, IOPGT_FAULT);
		require_of(is.descriptor == was.descriptor, is.descriptor, was.descriptor);
	} else {
		require_of(is.dirty == WALKER_WRITABLE_DIRTY || is.dirty == was.dirty,
		           is.descriptor, was.descriptor);
		require_of(is.dirty != WALKER_WRITABLE_CLEAN, is.descriptor, was.descriptor);
		require_of(is.phys == was.phys && is.size == was.size, is.phys, was.phys);
	}
}

static void try_faults(struct iopgt_table *table, struct pool *pool)
{
	struct walker_config look = fuzz_walker(&config, pool, table->root_phys);
	struct walker *oracle;

	look.flags &= ~(uint32_t)WALKER_NON_COHERENT;
	oracle = walker_create(&look);
	for (unsigned count = (unsigned)take(12); count; count--) {
		uint64_t iova = take(4) ? fuzz_address(&source, &config) : fuzz_number(&source);
		bool mapped;
		struct walker_leaf leaf;

		try_write_fault(table, oracle, iova);
		mapped = walker_translate(oracle, iova, &leaf) == WALKER_OK;
		require((iopgt_handle_access_fault(table, iova) == IOPGT_OK) == mapped);
		require((iopgt_handle_translation_fault(table, iova) == IOPGT_OK) == mapped);
	}
	walker_destroy(oracle);
}

/* --- Register words --- */

static struct iopgt_register_inputs choose_inputs(void)
{
	struct iopgt_register_inputs inputs = {.flags = (uint32_t)take(1 << 10)};

	if (take(2))
		inputs.flags &= (uint32_t)take(1 << 10) & (uint32_t)take(1 << 10);
	if (take(16) == 15)
		inputs.flags = (uint32_t)fuzz_number(&source);
	inputs.asid = (uint16_t)fuzz_number(&source);
	inputs.vmid = (uint16_t)fuzz_number(&source);
	inputs.context_ptr = fuzz_number(&source);
	inputs.context_bits = (uint8_t)take(40);
	inputs.context_format = (uint8_t)take(4);
	inputs.context_default = (uint8_t)take(4);
	inputs.ats = (uint8_t)take(5);
	if (take(2))
		inputs.context_ptr &= BIT(56) - 64;
	return inputs;
}

/* The start table's address is in the words, wherever they have it (D24.2.209). */
static void expect_base(const struct iopgt_table *table, uint64_t ttbr)
{
	uint64_t base = ttbr & (BIT(48) - 2);

	if (config.output_bits == 52 || config.flags & IOPGT_CONFIG_LPA2)
		base = (base & ~UINT64_C(63)) | (ttbr >> 2 & 15) << 48;
	require_of(base == table->root_phys, base, table->root_phys);
}

static bool try_registers(const struct iopgt_table *table, struct iopgt_registers *out)
{
	struct iopgt_register_inputs inputs = choose_inputs();
	struct iopgt_registers was;
	int error;

	memset(out, 0x5a, sizeof(*out));
	was = *out;
	error = iopgt_registers(table, &inputs, out);
	if (error) {
		require_result(error, IOPGT_BAD_ARGUMENT, IOPGT_BAD_FLAGS, IOPGT_BAD_WALK);
		require(!memcmp(out, &was, sizeof(was)));
		return false;
	}
	if (fuzz_is_stage2(&config)) {
		expect_base(table, out->vttbr);
		require(!out->tcr && !out->ttbr0 && !out->ttbr1 && !out->cd[0]);
	} else {
		expect_base(table, config.flags & IOPGT_CONFIG_TTBR1 ? out->ttbr1 : out->ttbr0);
		require(!out->vtcr && !out->vttbr && (out->cd[0] & BIT(31)));
	}
	require(out->ste[0] & 1);
	return true;
}

/* Words of any table, or any words, joined. */
static void join_registers(struct iopgt_registers *one)
{
	struct iopgt_registers other = *one, out, was;
	uint64_t ste[8] = {1, 2, 3, 4, 5, 6, 7, 8}, kept[8];
	uint64_t *words = (uint64_t *)(void *)&other;

	for (unsigned changes = (unsigned)take(6); changes; changes--)
		words[take(sizeof(other) / 8)] ^= fuzz_number(&source);
	memset(&out, 0xc3, sizeof(out));
	was = out;
	if (iopgt_registers_both_halves(one, &other, &out) != IOPGT_OK)
		require(!memcmp(&out, &was, sizeof(was)));
	memcpy(kept, ste, sizeof(ste));
	if (iopgt_registers_nested(&other, one, ste) != IOPGT_OK)
		require(!memcmp(ste, kept, sizeof(ste)));
}

static void try_table(void)
{
	struct host_options options = {.arena_bytes = 16 << 20};
	struct iopgt_registers words;
	struct iopgt_table table;
	struct test_host *host = calloc(1, sizeof(*host));

	require(host);
	fuzz_choose_config(&source, &config);
	options.granule_shift = config.granule_shift;
	options.phys_base = BIT(config.output_bits) - options.arena_bytes;
	options.large_blocks = true;
	options.non_coherent = config.flags & IOPGT_CONFIG_NON_COHERENT;
	host_init(host, &options);
	require(iopgt_init(&table, &config, &host->hal, host) == IOPGT_OK);
	for (unsigned count = 1 + (unsigned)take(4); count; count--)
		if (try_registers(&table, &words))
			join_registers(&words);
	map_some(&table);
	try_faults(&table, host->pool);
	require(iopgt_fini(&table) == IOPGT_OK);
	host_fini(host);
	free(host);
}

/* --- Capabilities --- */

static struct iopgt_capabilities choose_capabilities(void)
{
	struct iopgt_capabilities one, other, both;
	uint64_t a = fuzz_number(&source), b = fuzz_number(&source), c = fuzz_number(&source);

	require(!iopgt_capabilities_from_cpu(a, b, source_take(&source, 8), &one));
	require(!iopgt_capabilities_from_smmu((uint32_t)source_take(&source, 4), (uint32_t)b,
	                                      (uint32_t)c, &other));
	require(!iopgt_capabilities_both(&one, &other, &both));
	require_of(!(both.flags & ~(one.flags & other.flags)), both.flags, one.flags);
	require(both.output_bits <= one.output_bits && both.output_bits <= other.output_bits);
	require(both.update <= one.update && both.bbm_level <= one.bbm_level);
	switch (take(3)) {
	case 0:
		return one;
	case 1:
		return other;
	default:
		return both;
	}
}

/* iopgt_init accepts what best_config gives, and it holds what was wished for. */
static void expect_wished(const struct iopgt_wishes *wishes, const struct iopgt_config *best,
                          const struct iopgt_capabilities *capabilities)
{
	struct iopgt_walker walker = {.flags = 0};
	struct iopgt_config copy = *best;

	copy.leaf_sizes = 0;
	require_of(iopgt_all_leaf_sizes(&copy), best->flags, best->granule_shift);
	require(best->regime == wishes->regime);
	require_of(fuzz_first(best) <= wishes->iova_last && wishes->iova_last <= fuzz_last(best),
	           wishes->iova_last, best->input_bits);
	require_of(best->output_bits >= 64 || !(wishes->phys_last >> best->output_bits),
	           wishes->phys_last, best->output_bits);
	require(!(wishes->config_flags & ~best->flags));
	require(!wishes->granules || wishes->granules >> best->granule_shift & 1);
	if (wishes->flags & IOPGT_WISH_DIRTY)
		require(best->dirty != IOPGT_DIRTY_NONE);
	require(iopgt_walker_from_capabilities(capabilities, best, &walker) == IOPGT_OK);
	require_of(walker.input_bits >= best->input_bits, walker.input_bits, best->input_bits);
	require_of(walker.output_bits >= best->output_bits, walker.output_bits, best->output_bits);
}

static void expect_accepted(const struct iopgt_config *best)
{
	struct test_host *host = calloc(1, sizeof(*host));
	struct host_options options = {.arena_bytes = 8 << 20,
	                               .granule_shift = best->granule_shift};
	struct iopgt_table table;

	require(host);
	options.non_coherent = best->flags & IOPGT_CONFIG_NON_COHERENT;
	host_init(host, &options);
	require(iopgt_init(&table, best, &host->hal, host) == IOPGT_OK);
	require(iopgt_fini(&table) == IOPGT_OK);
	host_fini(host);
	free(host);
}

static void try_capabilities(void)
{
	struct iopgt_capabilities capabilities = choose_capabilities();
	struct iopgt_wishes wishes = {.regime = (uint32_t)take(6),
	                              .flags = (uint32_t)take(9),
	                              .iova_last = fuzz_number(&source),
	                              .phys_last = fuzz_number(&source) >> take(40)};
	struct iopgt_config best, was;
	int error;

	if (take(2))
		wishes.config_flags = (uint32_t)BIT(take(11));
	if (take(2)) /* near what walkers have */
		wishes.phys_last = BIT(30 + take(24)) - 1;
	if (take(3) == 2)
		wishes.granules = (uint32_t)fuzz_number(&source);
	if (!(wishes.config_flags & IOPGT_CONFIG_TTBR1))
		wishes.iova_last >>= take(40);
	memset(&best, 0x77, sizeof(best));
	was = best;
	error = iopgt_best_config(&capabilities, &wishes, &best);
	fuzz_describe(&best);
	if (error) {
		require_result(error, IOPGT_INCOMPATIBLE, IOPGT_BAD_REGIME, IOPGT_BAD_FLAGS);
		require(!memcmp(&best, &was, sizeof(best)));
	} else {
		expect_wished(&wishes, &best, &capabilities);
		expect_accepted(&best);
	}
	fuzz_describe(&config);
}

/* --- Operands --- */

static void choose_request(struct operands_question *q)
{
	uint64_t granule, mask;

	fuzz_choose_config(&source, &q->config);
	q->target = (struct iopgt_tlbi_target){.config = &q->config,
	                                       .flags = (uint32_t)take(32),
	                                       .asid = (uint16_t)source_take(&source, 2),
	                                       .vmid = (uint16_t)source_take(&source, 2)};
	if (q->config.regime != IOPGT_STAGE1_EL1)
		q->target.flags &= ~(uint32_t)IOPGT_TLBI_E2H;
	if (take(4) == 3)
		q->target.max_operations = (uint32_t)take(2000);
	granule = fuzz_granule(&q->config);
	mask = ~(granule - 1);
	q->request.iova = fuzz_address(&source, &q->config) & mask;
	q->request.size = (take(3) ? granule * (1 + take(3000)) : fuzz_number(&source)) & mask;
	if (q->request.size - 1 > fuzz_last(&q->config) - q->request.iova)
		q->request.size = fuzz_last(&q->config) - q->request.iova + 1;
	q->request.flags = (uint32_t)take(2);
	q->request.level = take(2) ? IOPGT_NO_LEVEL : (int8_t)((int)take(6) - 2);
	q->request.stride_shift = q->config.granule_shift;
	/* Larger leaves: the range covers whole ones (hal.h). */
	if (take(2))
		operands_enlarge(q, (int)take(4));
}

static void try_operands(void)
{
	struct operands_question q;
	struct iopgt_tlbi tlbi;
	int error;

	choose_request(&q);
	fuzz_describe(&q.config);
	memset(&tlbi, 0xee, sizeof(tlbi));
	error = iopgt_tlbi_begin(&tlbi, &q.target, &q.request);
	if (error)
		require_result(error, IOPGT_BAD_RANGE);
	else
		operands_expect(&q, &tlbi);
	fuzz_describe(&config);
}

/* Any bytes at all: bounded, and no undefined behaviour. */
static void try_wild_operands(void)
{
	struct iopgt_config wild = {.regime = (uint32_t)take(7)};
	struct iopgt_tlbi_target target = {.config = &wild, .flags = (uint32_t)take(64)};
	struct iopgt_invalidation request = {.iova = fuzz_number(&source),
	                                     .size = fuzz_number(&source),
	                                     .flags = (uint32_t)take(4),
	                                     .stride_shift = (uint8_t)source_take(&source, 1),
	                                     .level = (int8_t)source_take(&source, 1)};
	struct iopgt_tlbi_operation operation;
	struct iopgt_tlbi tlbi;
	uint32_t count = 0;

	wild.granule_shift = (uint8_t)(take(4) ? 12 + 2 * take(3) : source_take(&source, 1));
	wild.flags = (uint32_t)take(1 << 10);
	if (take(2)) {
		request.iova &= ~UINT64_C(0xffff);
		request.size &= ~UINT64_C(0xffff);
	}
	if (iopgt_tlbi_begin(&tlbi, &target, &request) == IOPGT_OK)
		while (iopgt_tlbi_next(&tlbi, &operation))
			require_of(count++ < IOPGT_TLBI_MAX_OPERATIONS, request.iova, request.size);
	iopgt_tlbi_all(&target, &operation);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	source = (struct source){.data = data, .left = size};
	fuzz_describe(&config);
	for (unsigned rounds = 0; rounds < 12 && !source_empty(&source); rounds++) {
		switch (take(6)) {
		case 0:
			try_table();
			break;
		case 1:
			try_capabilities();
			break;
		case 2:
			try_wild_operands();
			break;
		default:
			try_operands();
		}
	}
	return 0;
}
