/* SPDX-License-Identifier: BSD-2-Clause */
/* iopgt_registers and the functions that join words: every error, nothing changed then. */
#include "test_registers.h"

static const struct iopgt_config stage1 = {
	.regime = IOPGT_STAGE1_EL1, .granule_shift = 12, .input_bits = 48, .output_bits = 48};
static const struct iopgt_config el2 = {
	.regime = IOPGT_STAGE1_EL2, .granule_shift = 12, .input_bits = 48, .output_bits = 48};
static const struct iopgt_config stage2 = {
	.regime = IOPGT_STAGE2, .granule_shift = 12, .input_bits = 40, .output_bits = 40};
static const struct iopgt_config stage1_32 = {
	.regime = IOPGT_STAGE1_AARCH32, .granule_shift = 12, .input_bits = 32, .output_bits = 40};
static const struct iopgt_config stage2_32 = {
	.regime = IOPGT_STAGE2_AARCH32, .granule_shift = 12, .input_bits = 40, .output_bits = 40};

/* A base that suits each of them. */
#define BASE UINT64_C(0x40010000)

struct bad {
	const char *name;
	const struct iopgt_config *config;
	struct iopgt_register_inputs inputs;
	int want;
};

static void expect_error(const struct bad *bad)
{
	struct iopgt_registers before, out;
	int err;

	memset(&before, 0xa5, sizeof(before));
	out = before;
	err = words_of(bad->config, BASE, &bad->inputs, &out);
	if (err != bad->want)
		fail_msg("%s: %s, not %s", bad->name, iopgt_strerror(err),
		         iopgt_strerror(bad->want));
	if (bad->want)
		assert_memory_equal(&out, &before, sizeof(out));
}

static void expect_errors(const struct bad *bad, size_t count)
{
	for (size_t i = 0; i < count; i++)
		expect_error(&bad[i]);
}

#define NO  IOPGT_BAD_ARGUMENT
#define YES IOPGT_OK
#define A16 IOPGT_REGISTERS_ASID16
#define V16 IOPGT_REGISTERS_VMID16

/* TTBRn and CD.ASID, VTTBR and STE.S2VMID: 8 bits, 16 with the flag. */
static const struct bad identifiers[] = {
	{"asid 255", &stage1, {.asid = 255}, YES},
	{"asid 256", &stage1, {.asid = 256}, NO},
	{"asid 0x8000", &stage1, {.asid = 0x8000}, NO},
	{"asid 0xffff", &stage1, {.asid = 0xffff, .flags = A16}, YES},
	{"asid 256, VMID16", &stage1, {.asid = 256, .flags = V16}, NO},
	{"asid 256, AArch32", &stage1_32, {.asid = 256}, NO},
	{"vmid 255", &stage2, {.vmid = 255}, YES},
	{"vmid 256", &stage2, {.vmid = 256}, NO},
	{"vmid 0xffff", &stage2, {.vmid = 0xffff, .flags = V16}, YES},
	{"vmid 256, AArch32", &stage2_32, {.vmid = 256}, NO},
	{"vmid 256 of a stage 1", &stage1, {.vmid = 256}, NO},
	{"vmid 256 of a stage 1, ASID16", &stage1, {.vmid = 256, .flags = A16}, NO},
	{"vmid 0xffff of a stage 1", &stage1, {.vmid = 0xffff, .flags = V16}, YES},
};

static void identifiers_that_do_not_fit_are_refused(void **state)
{
	(void)state;
	expect_errors(identifiers, COUNT(identifiers));
}

/* IHI 0070 5.2: S1ContextPtr[55:6], S1CDMax has 5 bits, S1Fmt, S1DSS and EATS 2. */
static const struct bad stream_inputs[] = {
	{"highest pointer", &stage1, {.context_ptr = UINT64_C(0xffffffffffffc0)}, YES},
	{"pointer of 2^56", &stage1, {.context_ptr = UINT64_C(1) << 56}, NO},
	{"pointer of 2^63", &stage1, {.context_ptr = UINT64_C(1) << 63}, NO},
	{"pointer not aligned to 64", &stage1, {.context_ptr = 32}, NO},
	{"pointer not aligned at all", &stage1, {.context_ptr = 1}, NO},
	{"2^20 CDs", &stage1, {.context_bits = 20}, YES},
	{"2^32 CDs", &stage1, {.context_bits = 32}, NO},
	{"2^255 CDs", &stage1, {.context_bits = 255}, NO},
	{"S1Fmt 2", &stage1, {.context_bits = 1, .context_format = 2}, YES},
	{"S1Fmt 3", &stage1, {.context_bits = 1, .context_format = 3}, NO},
	{"S1Fmt 3 of one CD", &stage1, {.context_format = 3}, NO},
	{"S1Fmt 4", &stage1, {.context_bits = 1, .context_format = 4}, NO},
	{"S1Fmt 255", &stage1, {.context_bits = 1, .context_format = 255}, NO},
	{"S1DSS 2", &stage1, {.context_bits = 1, .context_default = 2}, YES},
	{"S1DSS 3", &stage1, {.context_bits = 1, .context_default = 3}, NO},
	{"S1DSS 4", &stage1, {.context_bits = 1, .context_default = 4}, NO},
	{"EATS 3", &stage1, {.ats = 3}, YES},
	{"EATS 4", &stage1, {.ats = 4}, NO},
	{"EATS 255 at EL2", &el2, {.ats = 255}, NO},
};

static void stream_inputs_that_do_not_fit_are_refused(void **state)
{
	(void)state;
	expect_errors(stream_inputs, COUNT(stream_inputs));
}

/* 5.2 S1Fmt: which bits of S1ContextPtr are RES0. */
static unsigned first_pointer_bit(unsigned s1fmt, unsigned s1cdmax)
{
	if (s1cdmax == 0)
		return 6;
	if (s1fmt == 0)
		return s1cdmax + 6;
	if (s1fmt == 1)
		return s1cdmax > 9 ? s1cdmax - 3 : 6;
	return s1cdmax > 13 ? s1cdmax - 7 : 6;
}

static void tables_of_context_descriptors_are_aligned_to_their_size(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3 * 32; i++) {
		struct bad bad = {
			"pointer",
			&stage1,
			{.context_format = (uint8_t)(i / 32), .context_bits = (uint8_t)(i % 32)},
			NO};
		unsigned first = first_pointer_bit(i / 32, i % 32);

		for (unsigned bit = 0; bit < 56; bit++) {
			bad.inputs.context_ptr = UINT64_C(1) << bit;
			bad.want = bit < first ? NO : YES;
			expect_error(&bad);
		}
	}
}

#undef NO
#define NO IOPGT_BAD_FLAGS
#define HA IOPGT_REGISTERS_HARDWARE_ACCESS
#define E2 IOPGT_REGISTERS_E2H

static const struct bad flags[] = {
	{"bit 10", &stage1, {.flags = 1 << 10}, NO},
	{"bit 31", &stage2, {.flags = 1u << 31}, NO},
	{"bit 10 and a good one", &stage1, {.flags = 1 << 10 | A16}, NO},
	{"ASID16, AArch32", &stage1_32, {.flags = A16}, NO},
	{"VMID16, AArch32", &stage1_32, {.flags = V16}, NO},
	{"ASID16, AArch32 stage 2", &stage2_32, {.flags = A16}, NO},
	{"VMID16, AArch32 stage 2", &stage2_32, {.flags = V16}, NO},
	{"HARDWARE_ACCESS, AArch32", &stage1_32, {.flags = HA}, NO},
	{"HARDWARE_ACCESS, AArch32 stage 2", &stage2_32, {.flags = HA}, NO},
	{"HARDWARE_ACCESS without management", &stage1, {.flags = HA}, NO},
	{"HARDWARE_ACCESS at EL2 without", &el2, {.flags = HA}, NO},
	{"HARDWARE_ACCESS at stage 2 without", &stage2, {.flags = HA}, NO},
	{"E2H", &stage1, {.flags = E2}, YES},
	{"E2H at EL2", &el2, {.flags = E2}, NO},
	{"E2H at stage 2", &stage2, {.flags = E2}, NO},
	{"E2H, AArch32", &stage1_32, {.flags = E2}, NO},
	{"E2H, AArch32 stage 2", &stage2_32, {.flags = E2}, NO},
	{"stall", &stage2, {.flags = IOPGT_REGISTERS_STALL}, YES},
	{"stall with ATS at stage 2", &stage2, {.flags = IOPGT_REGISTERS_STALL, .ats = 1}, NO},
	{"stall with ATS at stage 1", &stage1, {.flags = IOPGT_REGISTERS_STALL, .ats = 1}, YES},
	{"ATS at stage 2", &stage2, {.ats = 1}, YES},
};

static void flags_without_a_use_are_refused(void **state)
{
	(void)state;
	expect_errors(flags, COUNT(flags));
}

/* R_WLTNL: hardware updates of descriptors need a shareable write-back walk. */
static void access_flags_in_hardware_need_a_coherent_walk(void **state)
{
	struct iopgt_config config = stage1;
	struct bad bad = {"HARDWARE_ACCESS, not coherent", &config, {.flags = HA}, IOPGT_BAD_WALK};

	(void)state;
	config.flags = IOPGT_CONFIG_ACCESS_FLAG | IOPGT_CONFIG_NON_COHERENT;
	expect_error(&bad);
	config.regime = IOPGT_STAGE1_EL2;
	expect_error(&bad);
	config.regime = IOPGT_STAGE2;
	expect_error(&bad);
	config.flags = IOPGT_CONFIG_ACCESS_FLAG;
	bad.want = IOPGT_OK;
	expect_error(&bad);
}

/* HARDWARE_ACCESS says nothing new where dirty state is marked by hardware. */
static void hardware_dirty_has_access_flags_without_being_asked(void **state)
{
	const struct iopgt_register_inputs none = {0}, asked = {.flags = HA};
	struct iopgt_config config = stage1;
	struct iopgt_registers a, b;

	(void)state;
	config.dirty = IOPGT_DIRTY_HARDWARE;
	a = good_words(&config, BASE, &none);
	b = good_words(&config, BASE, &asked);
	assert_memory_equal(&a, &b, sizeof(a));
}

static void null_pointers_are_refused(void **state)
{
	const struct iopgt_register_inputs inputs = {0};
	struct iopgt_registers lower = good_words(&stage1, BASE, &inputs), out;
	struct place place = {.phys = BASE};
	struct iopgt_table table;
	uint64_t ste[8];

	(void)state;
	assert_int_equal(iopgt_init(&table, &stage1, &place_hal, &place), IOPGT_OK);
	assert_int_equal(iopgt_registers(NULL, &inputs, &out), IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_registers(&table, NULL, &out), IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_registers(&table, &inputs, NULL), IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_fini(&table), IOPGT_OK);
	out = lower;
	assert_int_equal(iopgt_registers_both_halves(NULL, &lower, &out), IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_registers_both_halves(&lower, NULL, &out), IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_registers_both_halves(&lower, &lower, NULL), IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_registers_nested(NULL, &lower, ste), IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_registers_nested(&lower, NULL, ste), IOPGT_BAD_ARGUMENT);
	assert_int_equal(iopgt_registers_nested(&lower, &lower, NULL), IOPGT_BAD_ARGUMENT);
	assert_memory_equal(&out, &lower, sizeof(out));
}

/* "a table that iopgt_init or iopgt_open has made" */
static void an_opened_table_has_the_same_words(void **state)
{
	const struct iopgt_register_inputs inputs = {.asid = 3, .flags = IOPGT_REGISTERS_CNP};
	struct iopgt_registers made = good_words(&stage1, BASE, &inputs), opened = {0};
	struct place place = {.phys = BASE, .bytes = 4096, .memory = aligned_alloc(4096, 4096)};
	const struct iopgt_tree tree = {.root_phys = BASE};
	struct iopgt_table table;

	(void)state;
	memset(place.memory, 0, place.bytes);
	assert_int_equal(iopgt_open(&table, &stage1, &place_hal, &place, &tree), IOPGT_OK);
	assert_int_equal(iopgt_registers(&table, &inputs, &opened), IOPGT_OK);
	assert_memory_equal(&made, &opened, sizeof(made));
	assert_int_equal(iopgt_fini(&table), IOPGT_OK);
	free(place.memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identifiers_that_do_not_fit_are_refused),
		cmocka_unit_test(stream_inputs_that_do_not_fit_are_refused),
		cmocka_unit_test(tables_of_context_descriptors_are_aligned_to_their_size),
		cmocka_unit_test(flags_without_a_use_are_refused),
		cmocka_unit_test(access_flags_in_hardware_need_a_coherent_walk),
		cmocka_unit_test(hardware_dirty_has_access_flags_without_being_asked),
		cmocka_unit_test(null_pointers_are_refused),
		cmocka_unit_test(an_opened_table_has_the_same_words),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
