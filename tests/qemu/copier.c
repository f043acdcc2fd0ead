/* SPDX-License-Identifier: BSD-2-Clause */
#include "copier.h"

#include "cpu.h"
#include "faults.h"

const char *const copier_ways[COPY_WAYS] = {
	"as it must be",   "copy before the invalidation", "plain stores",
	"no invalidation", "local invalidation",           "invalidation before the clear",
};

static uint64_t words[COPIER_PAGES / 64];
static uint64_t copies[COPIER_PAGES];
static bool differed[COPIER_PAGES]; /* after the last round, from its copy */

static uint64_t page_bytes(const struct copier *copier)
{
	return UINT64_C(1) << copier->rig->host.config.granule_shift;
}

static uint64_t load(const struct copier *copier, uint64_t page)
{
	return *(volatile uint64_t *)(uintptr_t)(DATA_PHYS + page * page_bytes(copier));
}

static void write_without_pause(void *argument)
{
	struct copier *copier = argument;

	rig_join(copier->rig);
	faults_handle(copier->rig);
	rig_run_writer(copier->rig, copier->iova + copier->hot_first * page_bytes(copier),
	               copier->hot_pages ? copier->hot_pages : copier->pages,
	               copier->rig->host.config.granule_shift);
	copier->translation_faults += faults_ignore().translations;
	rig_leave(copier->rig);
}

void copier_start(struct copier *copier)
{
	CHECK(copier->pages <= COPIER_PAGES && copier->pages * page_bytes(copier) <= DATA_BYTES,
	      "%u pages", copier->pages);
	copier->rounds = copier->lost = copier->reported = 0;
	for (uint64_t page = 0; page < copier->pages; page++) {
		copies[page] = load(copier, page);
		differed[page] = false;
	}
	control.stop = 0;
	control.count = 0;
	control.seed = random_number();
	start_cpu1(write_without_pause, copier);
	while (control.count == 0)
		;
}

uint64_t copier_writes(void)
{
	return control.count;
}

static bool is_reported(uint64_t page)
{
	return words[page / 64] >> page % 64 & 1;
}

static void copy_reported(struct copier *copier)
{
	for (uint64_t page = 0; page < copier->pages; page++)
		if (is_reported(page)) {
			copies[page] = load(copier, page);
			copier->reported++;
		}
}

/*
 * A page that differs from its copy was written after the copy, so its mark is there before
 * the next round (as QEMU does it: the mark first): if that does not report it, the write is
 * lost.
 */
static void look_for_losses(struct copier *copier)
{
	for (uint64_t page = 0; page < copier->pages; page++) {
		if (differed[page] && !is_reported(page)) {
			copier->lost++;
			copies[page] = load(copier, page);
		}
		differed[page] = load(copier, page) != copies[page];
	}
}

/* What is done in the wrong order loses a write that comes between: some do. */
static void let_writes_come_between(void)
{
	uint64_t until = control.count + 256;

	while (!control.stop && control.count < until)
		;
}

static void read_and_clear(struct copier *copier, struct iopgt_op *op)
{
	struct iopgt_bitmap bitmap = {
		.words = words,
		.base = copier->iova,
		.bits = copier->pages,
		.page_shift = copier->rig->host.config.granule_shift,
	};
	int err = iopgt_read_and_clear_dirty(copier->rig->table, copier->iova,
	                                     copier->pages * page_bytes(copier), &bitmap, op);

	CHECK(err == 0, "read and clear: %s", iopgt_strerror(err));
}

/*
 * Reads descriptors, then stores them as they were, but clean: a mark that was made between
 * is gone. AP[2], or S2AP[1], is bit 7 (D8.3.1).
 */
static void clear_by_plain_stores(struct copier *copier)
{
	bool stage2 = rig_regime(copier->rig->kind) == IOPGT_STAGE2;
	uint64_t found[64];

	for (uint64_t first = 0; first < copier->pages; first += 64) {
		volatile uint64_t *leaves =
			rig_leaf(copier->rig->table, copier->iova + first * page_bytes(copier));

		for (unsigned i = 0; i < 64; i++)
			found[i] = leaves[i];
		if (first == 0)
			let_writes_come_between();
		for (unsigned i = 0; i < 64; i++) {
			bool dirty = (found[i] >> 7 & 1) == stage2;

			words[first / 64] |= (uint64_t)dirty << i;
			leaves[i] = stage2 ? found[i] & ~UINT64_C(128) : found[i] | 128;
		}
	}
}

static void invalidate_all(struct copier *copier)
{
	const struct iopgt_tlb_ops *tlb = &host_hal.tlb;

	CHECK(tlb->invalidate_all(&copier->rig->host) == 0 && tlb->sync(&copier->rig->host) == 0,
	      "invalidate");
}

static void take(struct copier *copier, enum copier_way way, struct iopgt_op *op)
{
	if (way == COPY_AFTER_EARLY_INVALIDATION) {
		invalidate_all(copier);
		/* Not always: what is written before the next clear would not be lost. */
		if (copier->rounds % 2)
			let_writes_come_between();
	}
	if (way == COPY_WITH_PLAIN_STORES) {
		clear_by_plain_stores(copier);
		invalidate_all(copier);
	} else {
		read_and_clear(copier, op);
	}
	if (way == COPY_BEFORE_FINISH) {
		copy_reported(copier);
		let_writes_come_between();
	}
	if (way == COPY_WITH_LOCAL_INVALIDATION)
		copier->rig->host.fault = HOST_LOCAL;
	else if (way == COPY_WITHOUT_INVALIDATION || way == COPY_AFTER_EARLY_INVALIDATION)
		copier->rig->host.fault = HOST_DEAF;
	rig_finish(op);
	copier->rig->host.fault = HOST_CORRECT;
	if (way != COPY_BEFORE_FINISH)
		copy_reported(copier);
}

void copier_round(struct copier *copier, enum copier_way way)
{
	struct iopgt_op op = {0};

	memset(words, 0, copier->pages / 8);
	take(copier, way, &op);
	/* Through what is stale now. */
	if (way == COPY_AFTER_EARLY_INVALIDATION)
		let_writes_come_between();
	look_for_losses(copier);
	copier->rounds++;
	copier->split = op.stats.split + op.stats.ungrouped;
}

void copier_stop(struct copier *copier)
{
	control.stop = 1;
	join_cpu1();
	copier_round(copier, COPY_AFTER_FINISH);
	for (uint64_t page = 0; page < copier->pages; page++) {
		struct outcome outcome =
			rig_read(copier->rig, copier->iova + page * page_bytes(copier));

		copier->lost += load(copier, page) != copies[page];
		CHECK(!outcome.faulted && outcome.value == load(copier, page),
		      "page %u: esr %x, %x", page, outcome.esr, outcome.value);
	}
}
