/* SPDX-License-Identifier: BSD-2-Clause */
/* The scan kernel and the masks of 64 leaves, against the plainest loops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/bits.h"
#include "core/cursor.h"
#include "pool.h"
#include "random.h"

#define ROUNDS 2000

static struct random random_state;

static uint64_t sparse_or_dense(void)
{
	uint64_t mask = random_next(&random_state);

	switch (random_below(&random_state, 4)) {
	case 0:
		return mask & random_next(&random_state) & random_next(&random_state);
	case 1:
		return mask | random_next(&random_state) | random_next(&random_state);
	case 2:
		return random_chance(&random_state, 2) ? 0 : ~UINT64_C(0);
	default:
		return mask;
	}
}

static void match_finds_exactly_the_equal_ones(void **state)
{
	/* Bit 63 is never in a mask. */
	static const uint64_t masks[] = {3 | 1ull << 51 | 1ull << 7, 1, ~0ull >> 1, 1ull << 62};
	live_descriptor entries[64];

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t mask = masks[round % 4], value = random_next(&random_state) & mask;
		uint32_t count = (uint32_t)random_below(&random_state, 64) + 1;
		uint64_t plain = 0;

		for (uint32_t i = 0; i < 64; i++) {
			uint64_t d = random_next(&random_state);

			if (random_chance(&random_state, 2))
				d = (d & ~mask) | value;
			live_store(&entries[i], d);
			if (i < count && (d & mask) == value)
				plain |= UINT64_C(1) << i;
		}
		assert_int_equal(live_match(entries, count, mask, value), plain);
	}
}

/* Wherever it stands, and however many it is asked about, of those up to the next 64. */
static void a_cursor_matches_from_where_it_stands(void **state)
{
	static live_descriptor entries[512] __attribute__((aligned(64)));
	struct iopgt_table table = {
		.geometry = {.granule_shift = 12, .start_level = 3, .input_bits = 21}};
	struct iopgt_cursor c = {.table = &table, .level = 3};

	(void)state;
	iopgt_geometry_set_levels(&table.geometry);
	c.path[c.level + 1] = entries;
	for (unsigned i = 0; i < 512; i++)
		live_store(&entries[i], random_next(&random_state) & 3);
	for (unsigned first = 128; first < 256; first++) {
		uint64_t plain = 0;

		c.iova = (uint64_t)first << 12;
		for (uint32_t count = 1; count <= 64 - first % 64; count++) {
			unsigned last = first + count - 1;

			plain |= (uint64_t)((live_load(&entries[last]) & 1) == 1) << (count - 1);
			assert_int_equal(cursor_match(&c, count, 1, 1), plain);
		}
	}
}

static void a_descriptor_is_little_endian_in_memory(void **state)
{
	live_descriptor entry;
	const unsigned char *bytes = (const unsigned char *)&entry;

	(void)state;
	live_store(&entry, UINT64_C(0x0807060504030201));
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(bytes[i], i + 1);
	assert_int_equal(live_set(&entry, UINT64_C(0xf0)), UINT64_C(0x0807060504030201));
	assert_int_equal(bytes[0], 0xf1);
	assert_int_equal(live_clear(&entry, UINT64_C(0x08) << 56), UINT64_C(0x08070605040302f1));
	assert_int_equal(bytes[7], 0);
}

static void counts_and_ends_agree_with_a_loop(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t mask = sparse_or_dense();
		uint32_t count = 0, lowest = 64, highest = 64;

		for (uint32_t i = 0; i < 64; i++) {
			if (!(mask >> i & 1))
				continue;
			count++;
			highest = i;
			lowest = lowest == 64 ? i : lowest;
		}
		assert_int_equal(bits_count(mask), count);
		if (!mask)
			continue;
		assert_int_equal(bits_lowest(mask), lowest);
		assert_int_equal(bits_highest(mask), highest);
	}
}

static void runs_are_maximal_and_cover_the_mask(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t mask = sparse_or_dense(), left = mask, covered = 0;
		uint32_t end = 0;

		while (left) {
			uint32_t first, count;

			bits_take_run(&left, &first, &count);
			assert_true(covered == 0 || first > end);
			covered |= bits_low(count) << first;
			end = first + count;
		}
		assert_int_equal(covered, mask);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(match_finds_exactly_the_equal_ones),
		cmocka_unit_test(a_cursor_matches_from_where_it_stands),
		cmocka_unit_test(a_descriptor_is_little_endian_in_memory),
		cmocka_unit_test(counts_and_ends_agree_with_a_loop),
		cmocka_unit_test(runs_are_maximal_and_cover_the_mask),
	};

	random_state.state = seed_from_environment("IOPGT_SEED", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
