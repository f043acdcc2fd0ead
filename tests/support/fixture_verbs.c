/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs, finished and checked; what is mapped, dirty and logged. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

const char *fixture_error_text(int error)
{
	return error == HOST_ERROR ? "error of the host" : iopgt_strerror(error);
}

void fixture_expect(int want, int got, const char *what, const char *file, int line)
{
	if (got == want)
		return;
	print_error("%s\n\twanted %d (%s), got %d (%s)\n", what, want, fixture_error_text(want),
	            got, fixture_error_text(got));
	_fail(file, line);
}

void fixture_check(struct fixture *f, const char *file, int line)
{
	struct iopgt_finding finding;
	int error = iopgt_check(f->table, &finding);

	if (error != IOPGT_OK) {
		print_error("iopgt_check: %s: %s at 0x%" PRIx64 ", level %d, descriptor 0x%" PRIx64
		            "\n",
		            fixture_error_text(error), iopgt_rule_text(finding.rule), finding.iova,
		            finding.level, finding.descriptor);
		_fail(file, line);
	}
	if (!host_is_good(&f->host))
		_fail(file, line);
}

void fixture_finish(struct fixture *f, struct iopgt_op *op, const char *file, int line)
{
	fixture_expect(IOPGT_OK, iopgt_op_finish(op), "iopgt_op_finish", file, line);
	fixture_check(f, file, line);
}

struct iopgt_mapping fixture_mapping(uint64_t iova, uint64_t phys, uint64_t size, uint32_t prot)
{
	return (struct iopgt_mapping){
		.iova = iova,
		.phys = phys,
		.size = size,
		.prot = prot,
		.memory = IOPGT_WRITE_BACK,
	};
}

void fixture_map(struct fixture *f, const struct iopgt_mapping *mapping)
{
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_map(f->table, mapping, &op));
	finish(f, &op);
}

struct iopgt_stats unmap(struct fixture *f, uint64_t iova, uint64_t size)
{
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_unmap(f->table, iova, size, &op));
	finish(f, &op);
	return op.stats;
}

struct iopgt_stats protect(struct fixture *f, uint64_t iova, uint64_t size, uint32_t prot)
{
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_protect(f->table, iova, size, prot, &op));
	finish(f, &op);
	return op.stats;
}

struct iopgt_stats split(struct fixture *f, uint64_t iova, uint64_t size)
{
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_split_block(f->table, iova, size, &op));
	finish(f, &op);
	return op.stats;
}

struct iopgt_stats merge(struct fixture *f, uint64_t iova, uint64_t size)
{
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK, iopgt_merge_page(f->table, iova, size, &op));
	finish(f, &op);
	return op.stats;
}

/* --- What is mapped --- */

static void expect_phys(struct fixture *f, uint64_t iova, uint64_t phys)
{
	struct walker_leaf leaf;
	enum walker_fault fault = walker_translate(f->walkers[0], iova, &leaf);

	if (fault == WALKER_OK && leaf.phys == phys)
		return;
	print_error("at 0x%" PRIx64 ": wanted 0x%" PRIx64 ", got 0x%" PRIx64 ", fault %d\n", iova,
	            phys, leaf.phys, fault);
	fail();
}

void expect_mapped(struct fixture *f, uint64_t iova, uint64_t phys, uint64_t size)
{
	for (uint64_t at = 0; at < size; at += granule(f)) {
		uint64_t last = at + granule(f) - 1;

		expect_phys(f, iova + at, phys + at);
		expect_phys(f, iova + last, phys + last);
	}
}

void expect_unmapped(struct fixture *f, uint64_t iova, uint64_t size)
{
	struct walker_leaf leaf;

	for (uint64_t at = 0; at < size; at += granule(f)) {
		enum walker_fault fault = walker_translate(f->walkers[0], iova + at, &leaf);

		if (fault == WALKER_TRANSLATION)
			continue;
		print_error("at 0x%" PRIx64 ": wanted none, got 0x%" PRIx64 ", fault %d\n",
		            iova + at, leaf.phys, fault);
		fail();
	}
}

struct walker_leaf leaf_at(struct fixture *f, uint64_t iova)
{
	struct walker_leaf leaf;

	assert_int_equal(walker_translate(f->walkers[0], iova, &leaf), WALKER_OK);
	return leaf;
}

void expect_level(struct fixture *f, uint64_t iova, int level)
{
	struct iopgt_translation translation;

	expect(IOPGT_OK, iopgt_translate(f->table, iova, &translation));
	assert_int_equal(translation.level, level);
	assert_int_equal(translation.leaf_size, level_size(f, level));
	assert_int_equal(leaf_at(f, iova).level, level);
}

struct walker_group group_at(struct fixture *f, uint64_t iova)
{
	struct walker_group group;

	assert_true(walker_group_at(f->walkers[0], iova, &group));
	return group;
}

void expect_leaf_size(struct fixture *f, uint64_t iova, uint64_t size)
{
	struct iopgt_translation translation;

	expect(IOPGT_OK, iopgt_translate(f->table, iova, &translation));
	assert_int_equal(translation.leaf_size, size);
	assert_int_equal(translation.leaf_iova, iova & ~(size - 1));
	assert_int_equal(leaf_at(f, iova).group_size, size);
}

static bool is_good_group(void *context, uint64_t iova, const struct walker_leaf *leaf)
{
	const struct fixture *f = context;

	(void)leaf;
	return walker_group_is_good(f->walkers[0], iova);
}

void expect_good_groups(struct fixture *f, uint64_t iova, uint64_t size)
{
	assert_true(walker_for_each_leaf(f->walkers[0], iova, iova + (size - 1), is_good_group, f));
}

enum iopgt_leaf_state state_at(struct fixture *f, uint64_t iova)
{
	struct iopgt_translation translation;

	expect(IOPGT_OK, iopgt_translate(f->table, iova, &translation));
	return translation.state;
}

bool access_ok(struct fixture *f, unsigned walker, uint64_t iova, enum walker_access access)
{
	return walker_access(f->walkers[walker], iova, access, NULL) == WALKER_OK;
}

void write_page(struct fixture *f, uint64_t iova)
{
	assert_true(access_ok(f, 0, iova, WALKER_WRITE));
}

void read_page(struct fixture *f, uint64_t iova)
{
	assert_true(access_ok(f, 0, iova, WALKER_READ));
}

/* --- Dirty bits --- */

struct iopgt_bitmap *fixture_bitmap(struct fixture *f, uint64_t base, uint64_t size,
                                    unsigned page_shift)
{
	uint64_t bits = ((size - 1) >> page_shift) + 1;

	free(f->bitmap.words);
	f->bitmap = (struct iopgt_bitmap){
		.words = calloc((bits + 63) / 64, 8),
		.base = base,
		.bits = bits,
		.page_shift = page_shift,
	};
	assert_non_null(f->bitmap.words);
	return &f->bitmap;
}

struct iopgt_bitmap *page_bitmap(struct fixture *f, uint64_t iova, uint64_t size)
{
	return fixture_bitmap(f, iova, size, f->config.granule_shift);
}

static bool bit_number(const struct iopgt_bitmap *bitmap, uint64_t bit)
{
	return pool_little_endian(bitmap->words[bit / 64]) >> bit % 64 & 1;
}

bool bit_at(const struct fixture *f, uint64_t iova)
{
	uint64_t bit = (iova - f->bitmap.base) >> f->bitmap.page_shift;

	assert_true(iova >= f->bitmap.base && bit < f->bitmap.bits);
	return bit_number(&f->bitmap, bit);
}

void set_bits(struct fixture *f, uint64_t iova, uint64_t size)
{
	uint64_t bit = (iova - f->bitmap.base) >> f->bitmap.page_shift;
	uint64_t last = (iova + size - 1 - f->bitmap.base) >> f->bitmap.page_shift;

	for (; bit <= last; bit++)
		f->bitmap.words[bit / 64] |= pool_little_endian(UINT64_C(1) << bit % 64);
}

uint64_t count_bits(const struct fixture *f)
{
	uint64_t count = 0;

	/* Bits past the end count too: none may be set. */
	for (uint64_t bit = 0; bit < (f->bitmap.bits + 63) / 64 * 64; bit++)
		count += bit_number(&f->bitmap, bit);
	return count;
}

void expect_only_bits(struct fixture *f, uint64_t iova, uint64_t size)
{
	uint64_t pages = size >> f->bitmap.page_shift;

	for (uint64_t at = 0; at < pages; at++)
		assert_true(bit_at(f, iova + (at << f->bitmap.page_shift)));
	assert_int_equal(count_bits(f), pages);
}

void take_dirty(struct fixture *f, uint64_t iova, uint64_t size)
{
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK,
	       iopgt_read_and_clear_dirty(f->table, iova, size, page_bitmap(f, iova, size), &op));
	finish(f, &op);
}

void look_dirty(struct fixture *f, uint64_t iova, uint64_t size)
{
	struct iopgt_op op = new_op(f);

	expect(IOPGT_OK,
	       iopgt_sync_dirty_log(f->table, iova, size, page_bitmap(f, iova, size), &op));
	finish(f, &op);
}

/* --- The log --- */

int64_t event_index(struct fixture *f, enum host_call call, uint64_t nth)
{
	struct host_event event;

	for (uint64_t i = 0; i < host_logged(&f->host); i++) {
		if (!host_event(&f->host, i, &event) || event.failed || event.call != call)
			continue;
		if (nth-- == 0)
			return (int64_t)i;
	}
	return -1;
}

uint64_t event_count(struct fixture *f, enum host_call call)
{
	struct host_event event;
	uint64_t count = 0;

	for (uint64_t i = 0; i < host_logged(&f->host); i++)
		if (host_event(&f->host, i, &event) && !event.failed && event.call == call)
			count++;
	return count;
}
