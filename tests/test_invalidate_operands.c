/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operands of invalidations for random requests: together they cover what was
 * asked for, none is illegal, and hints are right. IOPGT_SEED sets the seed.
 */
#include "test_invalidate_operands.h"

#define MOST 5000 /* operations that are looked at */

struct answer {
	unsigned count, ranges;
	struct effect effects[MOST];
	struct iopgt_tlbi_operation operations[MOST];
};

/* Of the blocks and pages that there are, the largest that is not above the stride. */
static unsigned entry_shift(const struct question *q)
{
	unsigned step = q->config.granule_shift - 3u, shift = q->config.granule_shift;

	while (shift + step <= q->request.stride_shift)
		shift += step;
	return shift;
}

/*
 * Every aligned unit of 2^n bytes that touches the request must be hit: entries
 * are not smaller. Table descriptors that were removed lie no closer than the
 * last-level tables.
 */
static unsigned unit_shift(const struct question *q)
{
	unsigned entry = entry_shift(q);

	if (!(q->request.flags & IOPGT_INVALIDATE_WALK_CACHES))
		return entry;
	return entry < level_shift(q, 2) ? entry : level_shift(q, 2);
}

static uint64_t last_address(const struct question *q)
{
	return q->request.iova + (q->request.size - 1);
}

/* The level that an operation is to name, by the rules of iopgt_tlbi_begin. */
static int hint_of(const struct question *q)
{
	const uint32_t needed = is_smmu(q) ? IOPGT_TLBI_TTL | IOPGT_TLBI_RANGE : IOPGT_TLBI_TTL;
	int level = q->request.level;
	uint64_t mask;

	if ((q->target.flags & needed) != needed || level < 0 || (is_aarch32(q) && !is_smmu(q)))
		return IOPGT_NO_LEVEL;
	if ((q->request.flags & IOPGT_INVALIDATE_WALK_CACHES) && level != 3)
		return IOPGT_NO_LEVEL;
	mask = (UINT64_C(1) << level_shift(q, level)) - 1;
	if ((q->request.iova | q->request.size) & mask)
		return IOPGT_NO_LEVEL;
	return level_has_code(q, level, !is_smmu(q)) ? level : IOPGT_NO_LEVEL;
}

/* --- Questions --- */

static struct random source;

static unsigned pick(unsigned bound)
{
	return (unsigned)random_below(&source, bound);
}

static void pick_config(struct iopgt_config *config)
{
	config->regime = pick(IOPGT_REGIMES);
	config->granule_shift = (uint8_t)(12 + 2 * pick(3));
	config->input_bits = (uint8_t)(25 + pick(24));
	config->output_bits = 48;
	if (config->regime == IOPGT_STAGE1_AARCH32 || config->regime == IOPGT_STAGE2_AARCH32) {
		config->granule_shift = 12;
		config->output_bits = 40;
		config->input_bits = config->regime == IOPGT_STAGE2_AARCH32 ? 40 : 32;
		return;
	}
	if (config->granule_shift != 16 && pick(2))
		config->flags |= IOPGT_CONFIG_LPA2;
	if (config->granule_shift == 16 || config->flags) {
		config->output_bits = 52;
		config->input_bits = (uint8_t)(25 + pick(28));
	}
	if (config->regime == IOPGT_STAGE1_EL1 && pick(2))
		config->flags |= IOPGT_CONFIG_TTBR1;
}

static void pick_target(struct question *q)
{
	static const uint32_t bounds[] = {0, 1, 16, 4096};
	uint32_t flags = pick(8); /* SMMU, RANGE, TTL */
	bool tagged =
		q->config.regime == IOPGT_STAGE1_EL1 || q->config.regime == IOPGT_STAGE1_AARCH32;

	if (tagged && pick(2))
		flags |= IOPGT_TLBI_EVERY_ASID;
	if (q->config.regime == IOPGT_STAGE1_EL1 && pick(4) == 0)
		flags |= IOPGT_TLBI_E2H;
	q->target.config = &q->config;
	q->target.flags = flags;
	q->target.asid = (uint16_t)random_next(&source);
	q->target.vmid = (uint16_t)random_next(&source);
	if (is_aarch32(q)) {
		q->target.asid &= 0xff;
		q->target.vmid &= 0xff;
	}
	q->target.max_operations = bounds[pick(4)];
}

/* A leaf level, a block or group of it, and what the range is aligned to. */
static unsigned pick_stride(struct question *q)
{
	static const uint8_t group_bits[3][4] = {{0, 4, 4, 4}, {0, 0, 5, 7}, {0, 0, 5, 5}};
	int first = q->config.granule_shift == 12 && is_lpa2(q) ? 0 : 1;
	int level = first + (int)pick((unsigned)(4 - first));
	unsigned shift = level_shift(q, level), space = q->config.input_bits;

	while (shift > space)
		shift = level_shift(q, ++level);
	q->request.level = (int8_t)level;
	if (pick(4) == 0)
		q->request.level = IOPGT_NO_LEVEL;
	else if (pick(16) == 0)
		q->request.level = -1;
	q->request.stride_shift = (uint8_t)shift;
	if (pick(4) == 0)
		q->request.stride_shift += group_bits[granule_code(q) - 1][level];
	if (q->request.stride_shift > space)
		q->request.stride_shift = (uint8_t)shift;
	return pick(8) ? q->request.stride_shift : q->config.granule_shift;
}

static uint64_t pick_size(unsigned space, unsigned align)
{
	unsigned bits = align + pick(space - align + 1);
	uint64_t most = (UINT64_C(1) << space), size = UINT64_C(1) << align;

	switch (pick(8)) {
	case 0:
		return most;
	case 1:
		return size;
	case 2:
		size <<= pick(12);
		break;
	case 3:
		size *= 1 + pick(600);
		break;
	default:
		size = (UINT64_C(1) << bits) + (random_next(&source) & ((UINT64_C(1) << bits) - 1));
		size &= ~((UINT64_C(1) << align) - 1);
	}
	return size > most ? most : size;
}

static struct question pick_question(void)
{
	struct question q = {0};
	unsigned align, space;
	uint64_t room;

	pick_config(&q.config);
	pick_target(&q);
	align = pick_stride(&q);
	space = q.config.input_bits;
	q.request.flags = pick(2) ? IOPGT_INVALIDATE_WALK_CACHES : 0;
	q.request.size = pick_size(space, align);
	room = (UINT64_C(1) << space) - q.request.size;
	q.request.iova = pick(4) ? random_next(&source) % (room + 1) : room;
	q.request.iova &= ~((UINT64_C(1) << align) - 1);
	if (q.config.flags & IOPGT_CONFIG_TTBR1)
		q.request.iova |= UINT64_MAX << space;
	return q;
}

static void print_question(const struct question *q)
{
	print_message("regime %u granule %u lpa2 %d input %u; target flags 0x%x max %u; iova "
	              "0x%" PRIx64 " size 0x%" PRIx64 " flags %u stride %u level %d\n",
	              q->config.regime, q->config.granule_shift, is_lpa2(q), q->config.input_bits,
	              q->target.flags, q->target.max_operations, q->request.iova, q->request.size,
	              q->request.flags, q->request.stride_shift, q->request.level);
}

/* --- Answers --- */

static uint32_t bound_of(const struct question *q)
{
	return q->target.max_operations ? q->target.max_operations : IOPGT_TLBI_MAX_OPERATIONS;
}

static int ask(const struct question *q, struct answer *answer)
{
	struct iopgt_tlbi_operation operation = {0}, before;
	struct iopgt_tlbi tlbi;
	int err = iopgt_tlbi_begin(&tlbi, &q->target, &q->request);

	answer->count = answer->ranges = 0;
	if (err)
		return err;
	while (iopgt_tlbi_next(&tlbi, &operation)) {
		assert_true(answer->count < MOST);
		answer->operations[answer->count] = operation;
		answer->effects[answer->count] = decode(q, &operation);
		answer->ranges += answer->effects[answer->count++].range;
	}
	before = operation;
	assert_false(iopgt_tlbi_next(&tlbi, &operation));
	assert_memory_equal(&operation, &before, sizeof(operation));
	return IOPGT_OK;
}

static uint64_t units_of(const struct question *q)
{
	unsigned unit = unit_shift(q);

	return (last_address(q) >> unit) - (q->request.iova >> unit) + 1;
}

/* "what it covers" must be so; a single address stands for its unit. */
static void expect_honest(const struct question *q, const struct iopgt_tlbi_operation *operation,
                          const struct effect *effect)
{
	uint64_t mask = (UINT64_C(1) << unit_shift(q)) - 1;
	uint64_t last = operation->iova + (operation->size - 1);

	assert_true(operation->size);
	assert_true(operation->iova >= (effect->first & ~mask));
	assert_true(last <= (effect->last | mask) && last >= operation->iova);
}

/* What the operations say that they cover is the request, without a gap. */
static void expect_claimed(const struct question *q, const struct answer *answer)
{
	uint64_t next = q->request.iova, last = last_address(q);

	for (unsigned i = 0; i < answer->count; i++) {
		const struct iopgt_tlbi_operation *operation = &answer->operations[i];
		uint64_t end = operation->iova + (operation->size - 1);

		assert_true(operation->iova <= next);
		if (end >= last)
			return;
		if (end >= next)
			next = end + 1;
	}
	fail_msg("not claimed from 0x%" PRIx64 " on", next);
}

static void expect_covered(const struct question *q, const struct answer *answer)
{
	unsigned unit = unit_shift(q);
	uint64_t next = q->request.iova >> unit, end = last_address(q) >> unit;

	for (unsigned i = 0; i < answer->count; i++) {
		const struct effect *effect = &answer->effects[i];

		if (effect->first >> unit > next)
			fail_msg("0x%" PRIx64 " is not covered", next << unit);
		if (effect->last >> unit >= next)
			next = (effect->last >> unit) + 1;
	}
	if (next <= end)
		fail_msg("0x%" PRIx64 " is not covered", next << unit);
}

static void expect_hints(const struct question *q, const struct answer *answer)
{
	int hint = hint_of(q);

	for (unsigned i = 0; i < answer->count; i++) {
		assert_int_equal(answer->effects[i].level, hint);
		assert_int_equal(answer->effects[i].leaf,
		                 !(q->request.flags & IOPGT_INVALIDATE_WALK_CACHES));
	}
}

/* Nothing far beyond the request is invalidated. */
static void expect_not_too_much(const struct question *q, const struct answer *answer)
{
	unsigned coarse = unit_shift(q);
	uint64_t mask;

	if (is_lpa2(q) && answer->ranges && coarse < 16)
		coarse = 16;
	mask = (UINT64_C(1) << coarse) - 1;
	for (unsigned i = 0; i < answer->count; i++) {
		assert_true(answer->effects[i].first >= (q->request.iova & ~mask));
		assert_true(answer->effects[i].last <= (last_address(q) | mask));
	}
}

/*
 * How many operations: one per unit at most, and few ranges. A PE's reach 2^21
 * granules and take 4 to a rest, an odd granule one more at each end; a command's
 * reach 2^36 with SCALE up to 31, 5 bits of the number of granules at a time.
 */
static void expect_few(const struct question *q, const struct answer *answer)
{
	uint64_t granules = q->request.size >> q->config.granule_shift;
	bool ranges = (q->target.flags & IOPGT_TLBI_RANGE) && (is_smmu(q) || !is_aarch32(q));

	assert_true(answer->count <= bound_of(q));
	if (!ranges)
		assert_int_equal(answer->count, units_of(q));
	assert_true(answer->count <= units_of(q) + 1);
	if (ranges && is_smmu(q))
		assert_true(answer->count <= 10 + (granules >> 36));
	if (ranges && !is_smmu(q) && unit_shift(q) == q->config.granule_shift && answer->ranges)
		assert_true(answer->count <= 7 + (granules >> 21));
}

static void expect_too_many(const struct question *q, struct answer *answer)
{
	struct question more = *q;

	more.target.config = &more.config;
	if (!(q->target.flags & IOPGT_TLBI_RANGE)) {
		assert_true(units_of(q) > bound_of(q));
		return;
	}
	more.target.max_operations = MOST - 1;
	if (!ask(&more, answer))
		assert_true(answer->count > bound_of(q));
}

static void expect_answer(const struct question *q, struct answer *answer)
{
	int err = ask(q, answer);

	if (err == IOPGT_BAD_RANGE) {
		expect_too_many(q, answer);
		return;
	}
	assert_int_equal(err, IOPGT_OK);
	assert_true(answer->count);
	for (unsigned i = 0; i < answer->count; i++)
		expect_honest(q, &answer->operations[i], &answer->effects[i]);
	expect_covered(q, answer);
	expect_claimed(q, answer);
	expect_hints(q, answer);
	expect_not_too_much(q, answer);
	expect_few(q, answer);
}

static void random_requests_are_covered_by_legal_operations(void **state)
{
	static struct answer answer;
	static struct question q;
	unsigned whole = 0, answered = 0, ranged = 0, hinted = 0;

	(void)state;
	source.state = seed_from_environment("IOPGT_SEED", 0x71b1);
	for (unsigned i = 0; i < 40000; i++) {
		uint64_t seed = source.state;

		q = pick_question();
		q.target.config = &q.config;
		if (getenv("IOPGT_TRACE")) {
			print_message("0x%" PRIx64 ": ", seed);
			print_question(&q);
		}
		expect_answer(&q, &answer);
		whole += !answer.count;
		answered += answer.count != 0;
		ranged += answer.ranges != 0;
		hinted += answer.count && hint_of(&q) != IOPGT_NO_LEVEL;
	}
	print_message("%u answers, %u with ranges, %u with hints, %u too large\n", answered, ranged,
	              hinted, whole);
	assert_true(answered > 20000 && ranged > 5000 && hinted > 3000 && whole > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_requests_are_covered_by_legal_operations),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
