/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dirty state as a walker marks it: exactly what was written is reported, by pages, contiguous
 * groups and blocks; again when it is written again after it was cleaned and invalidated; and
 * not when the invalidation was left out, by which this test knows that it could fail. Where
 * the PE marks nothing, through the fault handlers: the same must hold.
 */
#include "cpu.h"
#include "faults.h"
#include "rig.h"

#define LEAVES 6

static struct rig rig;
static uint64_t leaf_bytes, base; /* of the leaves under test: LEAVES of them from base on */
static uint64_t rounds;
static uint64_t words[64];

enum write_flag {
	NORMAL =
		1 << 0, /* needs normal memory: without stage 1 all of a guest's is device memory */
	ACROSS = 1 << 1, /* writes before the address, too */
	ATOMIC = 1 << 2, /* FEAT_LSE */
};

static const struct {
	void (*run)(uint64_t address, uint64_t value);
	uint32_t flags; /* of enum write_flag */
} writes[] = {
	{stub_write, 0},
	{stub_store_pair, 0},
	{stub_zero_line, NORMAL},
	{stub_add, NORMAL | ATOMIC},
	{stub_swap, NORMAL | ATOMIC},
	{stub_store_exclusive, NORMAL},
	{stub_write_across, NORMAL | ACROSS},
};

static void (*const no_writes[])(uint64_t address) = {
	stub_prefetch,
	stub_clean_line,
	stub_load_exclusive,
};

static void call(const void *function, uint64_t iova)
{
	struct outcome outcome = rig_run(&rig, BY_PRIVILEGED, function, iova, random_number());

	CHECK(!outcome.faulted, "access to %x: esr %x", iova, outcome.esr);
}

/* An address in a leaf where there is memory behind it; the first one with `offset` 0. */
static uint64_t in_leaf(unsigned leaf, uint64_t offset)
{
	uint64_t room = leaf_bytes < DATA_BYTES ? leaf_bytes : DATA_BYTES;
	uint64_t window = leaf_bytes > DATA_BYTES ? DATA_PHYS & (leaf_bytes - 1) : 0;

	return base + leaf * leaf_bytes + window + offset % room;
}

/* A bit for each page, or some 64 for each leaf. */
static struct iopgt_bitmap empty_bitmap(void)
{
	struct iopgt_bitmap bitmap = {.words = words, .base = base};

	bitmap.page_shift = rig.host.config.granule_shift;
	while (leaf_bytes >> bitmap.page_shift > 64)
		bitmap.page_shift++;
	bitmap.bits = LEAVES * leaf_bytes >> bitmap.page_shift;
	memset(words, 0, sizeof(words));
	return bitmap;
}

static void bitmap_is(const struct iopgt_bitmap *bitmap, uint32_t leaves, const char *what)
{
	for (uint64_t offset = 0; offset < LEAVES * leaf_bytes;
	     offset += UINT64_C(1) << bitmap->page_shift) {
		bool wanted = leaves >> offset / leaf_bytes & 1;

		CHECK(iopgt_bitmap_test(bitmap, base + offset) == wanted,
		      "%s: bit of leaf %u, leaves of %x bytes, wanted %x", what,
		      offset / leaf_bytes, leaf_bytes, (uint64_t)leaves);
	}
}

typedef int (*dirty_verb)(struct iopgt_table *, uint64_t, uint64_t, const struct iopgt_bitmap *,
                          struct iopgt_op *);

static void reports(dirty_verb verb, uint32_t leaves, const char *what)
{
	struct iopgt_bitmap bitmap = empty_bitmap();
	struct iopgt_op op = {0};
	int err = verb(rig.table, base, LEAVES * leaf_bytes, &bitmap, &op);

	CHECK(err == 0, "%s: %s", what, iopgt_strerror(err));
	rig_finish(&op);
	bitmap_is(&bitmap, leaves, what);
}

static void clear(uint32_t leaves)
{
	struct iopgt_bitmap bitmap = empty_bitmap();
	struct iopgt_op op = {0};
	int err;

	for (uint64_t bit = 0; bit < bitmap.bits; bit++)
		if (leaves >> (bit << bitmap.page_shift) / leaf_bytes & 1)
			words[bit / 64] |= UINT64_C(1) << bit % 64;
	err = iopgt_clear_dirty_log(rig.table, base, LEAVES * leaf_bytes, &bitmap, &op);
	CHECK(err == 0, "clear: %s", iopgt_strerror(err));
	rig_finish(&op);
}

/* Writes to each leaf of the mask. Returns those that it marks. */
static uint32_t write_to(uint32_t leaves, size_t kind)
{
	uint32_t marked = leaves;

	for (unsigned leaf = 0; leaf < LEAVES; leaf++) {
		uint64_t offset = random_number() & ~UINT64_C(63);

		if (!(leaves >> leaf & 1))
			continue;
		if (writes[kind].flags & ACROSS)
			offset = 0;
		call((const void *)(uintptr_t)writes[kind].run, in_leaf(leaf, offset));
		if (writes[kind].flags & ACROSS && leaf_bytes <= DATA_BYTES)
			marked |= 1u << (leaf - 1);
	}
	return marked;
}

static void one_kind_of_write(size_t kind)
{
	uint32_t leaves = (uint32_t)random_number() % (1u << LEAVES);
	uint32_t marked, cleaned;

	if (writes[kind].flags & NORMAL && rig.kind == RIG_STAGE2)
		return;
	if (writes[kind].flags & ATOMIC && (read_id_isar0() >> 20 & 15) < 2)
		return;
	if (writes[kind].flags & ACROSS)
		leaves &= ~1u; /* nothing is mapped before the first */
	marked = write_to(leaves, kind);
	reports(iopgt_sync_dirty_log, marked, "read");
	reports(iopgt_read_and_clear_dirty, marked, "read and clear");
	reports(iopgt_sync_dirty_log, 0, "after read and clear");
	/* Through what the walker has cached since. */
	marked = write_to(leaves, kind);
	reports(iopgt_sync_dirty_log, marked, "written again");
	cleaned = marked & (uint32_t)random_number();
	clear(cleaned);
	reports(iopgt_sync_dirty_log, marked & ~cleaned, "after clear");
	marked |= write_to(leaves, kind);
	reports(iopgt_read_and_clear_dirty, marked, "written after clear");
	rounds++;
}

static void what_does_not_write(void)
{
	for (unsigned leaf = 0; leaf < LEAVES; leaf++) {
		CHECK(!rig_read(&rig, in_leaf(leaf, 0)).faulted, "read");
		for (size_t i = 0; rig.kind != RIG_STAGE2 && i < COUNT(no_writes); i++)
			call((const void *)(uintptr_t)no_writes[i], in_leaf(leaf, 64));
	}
	reports(iopgt_sync_dirty_log, 0, "reads");
}

static void map_leaves(uint32_t prot)
{
	struct iopgt_mapping mapping = {
		.phys = DATA_PHYS & ~(leaf_bytes - 1),
		.size = leaf_bytes,
		.prot = prot,
		.memory = IOPGT_WRITE_BACK,
	};

	for (unsigned leaf = 0; leaf < LEAVES; leaf++) {
		struct iopgt_translation said;

		mapping.iova = base + leaf * leaf_bytes;
		rig_map(&rig, &mapping);
		CHECK(iopgt_translate(rig.table, mapping.iova, &said) == 0 &&
		              said.leaf_size == leaf_bytes,
		      "a leaf of %x bytes, not %x", said.leaf_size, leaf_bytes);
		if ((LEAVES - leaf) * leaf_bytes <= DATA_BYTES)
			mapping.phys += leaf_bytes;
	}
}

static void unmap_reports(uint32_t leaves)
{
	struct iopgt_bitmap bitmap = empty_bitmap();
	struct iopgt_op op = {0};
	int err;

	err = iopgt_unmap_dirty(rig.table, base, LEAVES * leaf_bytes, &bitmap, &op);
	CHECK(err == 0, "unmap: %s", iopgt_strerror(err));
	rig_finish(&op);
	bitmap_is(&bitmap, leaves, "unmapped");
	CHECK(rig_read(&rig, in_leaf(0, 0)).faulted, "still there");
	rig_unmap(&rig, base, LEAVES * leaf_bytes);
}

/* Written, cleaned without an invalidation, written again: whether that left no mark. */
static bool is_missed(void)
{
	uint32_t all = (1u << LEAVES) - 1, last = 1u << (LEAVES - 1);
	struct iopgt_bitmap bitmap;
	struct iopgt_op op = {0};
	bool missed;

	write_to(all, 0);
	rig.host.fault = HOST_DEAF;
	reports(iopgt_read_and_clear_dirty, all, "read and clear");
	rig.host.fault = HOST_CORRECT;
	/* This one, since a fault of another one would invalidate it at stage 2. */
	write_to(last, 0);
	bitmap = empty_bitmap();
	CHECK(iopgt_sync_dirty_log(rig.table, base, LEAVES * leaf_bytes, &bitmap, &op) == 0,
	      "sync");
	missed = !iopgt_bitmap_test(&bitmap, base + (LEAVES - 1) * leaf_bytes);
	/* From here on nothing stale is cached, and all is clean. */
	CHECK(rig.table->tlb->invalidate_all(rig.table->tlb_context) == 0 &&
	              rig.table->tlb->sync(rig.table->tlb_context) == 0,
	      "invalidate");
	clear(all);
	return missed;
}

/* QEMU may drop an entry by itself, but not each time. */
static void a_missing_invalidation_is_seen(void)
{
	uint32_t missed = 0;

	for (int i = 0; i < 8; i++)
		missed += is_missed();
	CHECK(missed > 0, "each second write was marked, without an invalidation");
}

static void one_leaf_size(enum rig_kind kind, struct iopgt_config config, uint64_t size)
{
	struct fault_counts faults;
	uint32_t leaves;

	config.leaf_sizes = iopgt_all_leaf_sizes(&config) & (2 * size - 1);
	rig_open(&rig, kind, &config);
	faults_handle(&rig);
	leaf_bytes = size;
	base = ((rig_free_last(&rig) - 2 * LEAVES * size) & ~(size - 1)) + size;
	map_leaves(IOPGT_READ | IOPGT_WRITE | IOPGT_CLEAN);
	what_does_not_write();
	for (size_t i = 0; i < 2 * COUNT(writes); i++)
		one_kind_of_write(i % COUNT(writes));
	if (size == KIB(4))
		a_missing_invalidation_is_seen();
	leaves = write_to((uint32_t)random_number() % (1u << LEAVES), 0);
	faults = faults_ignore();
	CHECK((faults.writes > 0) == (config.dirty == IOPGT_DIRTY_SOFTWARE), "%u faults handled",
	      faults.writes);
	unmap_reports(leaves);
	map_leaves(IOPGT_READ | IOPGT_WRITE | IOPGT_NO_TRACK);
	write_to((1u << LEAVES) - 1, 0);
	reports(iopgt_sync_dirty_log, 0, "untracked");
	rig_unmap(&rig, base, LEAVES * size);
	rig_close(&rig);
}

static void one_config(enum rig_kind kind, uint8_t granule_shift, uint32_t flags)
{
	struct iopgt_config config;

	if (!rig_has_granule(kind, granule_shift))
		return;
	rig_best_config(kind, granule_shift, 0x7ffffffffff, &config);
	config.flags |= flags;
	if (!rig_has(kind, &config))
		return;
	for (uint64_t size = KIB(4); size <= GIB(512); size *= 2)
		if (iopgt_all_leaf_sizes(&config) & size)
			one_leaf_size(kind, config, size);
}

int main(void)
{
	for (enum rig_kind kind = 0; kind < RIG_KINDS; kind++) {
		if (!rig_available(kind))
			continue;
		topic(rig_names[kind]);
		rounds = 0;
		for (uint8_t shift = 12; shift <= 16; shift += 2) {
			one_config(kind, shift, 0);
			if (shift < 16)
				one_config(kind, shift, IOPGT_CONFIG_LPA2);
		}
		say("%s: %u rounds\n", rig_names[kind], rounds);
	}
	say("passed, %u checks\n", checks);
	return 0;
}
