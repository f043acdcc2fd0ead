/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_strerror: each code has a text of its own, and strangers have one. */
#include <string.h>

#include "fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const int codes[] = {
	IOPGT_OK,
	IOPGT_AGAIN,
	IOPGT_BUSY,
	IOPGT_NO_MEMORY,
	IOPGT_EXISTS,
	IOPGT_NOT_MAPPED,
	IOPGT_WOULD_BREAK,
	IOPGT_WOULD_SPLIT,
	IOPGT_BAD_ARGUMENT,
	IOPGT_BAD_ALIGNMENT,
	IOPGT_BAD_RANGE,
	IOPGT_BAD_OUTPUT,
	IOPGT_BAD_PROT,
	IOPGT_BAD_MEMORY_TYPE,
	IOPGT_BAD_BITMAP,
	IOPGT_BAD_FLAGS,
	IOPGT_WRONG_OP,
	IOPGT_BAD_TABLE,
	IOPGT_CORRUPT,
	IOPGT_NO_DIRTY,
	IOPGT_NOT_TRACKING,
	IOPGT_IN_USE,
	IOPGT_NOT_ATTACHED,
	IOPGT_INCOMPATIBLE,
	IOPGT_BAD_REGIME,
	IOPGT_BAD_GRANULE,
	IOPGT_BAD_INPUT_BITS,
	IOPGT_BAD_OUTPUT_BITS,
	IOPGT_BAD_LEAF_SIZES,
	IOPGT_BAD_BBM_LEVEL,
	IOPGT_BAD_DIRTY_MODE,
	IOPGT_BAD_WALK,
	IOPGT_BAD_HAL,
	IOPGT_BAD_POLICY,
	IOPGT_BAD_TABLE_MEMORY,
};

static void every_code_has_a_text_of_its_own(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(codes); i++) {
		assert_non_null(iopgt_strerror(codes[i]));
		assert_true(strlen(iopgt_strerror(codes[i])) > 3);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(iopgt_strerror(codes[i]), iopgt_strerror(codes[j]));
	}
}

static void codes_stand_below_1000(void **state)
{
	(void)state;
	for (size_t i = 1; i < COUNT(codes); i++)
		assert_true(codes[i] < -1000);
}

static void strangers_have_a_text(void **state)
{
	static const int strangers[] = {1,     99,       INT32_MAX, -1,
	                                -12,   -999,     -1000,     IOPGT_BAD_TABLE_MEMORY - 1,
	                                -2000, INT32_MIN};

	(void)state;
	for (size_t i = 0; i < COUNT(strangers); i++) {
		assert_non_null(iopgt_strerror(strangers[i]));
		assert_true(strlen(iopgt_strerror(strangers[i])) > 3);
		for (size_t j = 0; j < COUNT(codes); j++)
			assert_string_not_equal(iopgt_strerror(strangers[i]),
			                        iopgt_strerror(codes[j]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_has_a_text_of_its_own),
		cmocka_unit_test(codes_stand_below_1000),
		cmocka_unit_test(strangers_have_a_text),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
