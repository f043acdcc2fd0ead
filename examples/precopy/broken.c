/* SPDX-License-Identifier: BSD-2-Clause */
#define _POSIX_C_SOURCE 200809L

#include "broken.h"

#include <stdlib.h>

#include "clock.h"

#define STAGE1_READ_ONLY (UINT64_C(1) << 7) /* AP[2]: with DBM set, clear means dirty */
#define STAGE2_WRITE     (UINT64_C(1) << 7) /* S2AP[1]: with DBM set, set means dirty */
#define PREEMPTED_NS     (5 * NS_PER_MS)

/* The descriptors of all leaves, as they were when they were loaded. */
struct loaded {
	struct machine *machine;
	const struct iopgt_bitmap *bitmap;
	struct iopgt_op *op;
	struct entry {
		uint64_t phys, descriptor;
	} * entries;
	size_t count;
};

static void report_leaf(struct loaded *loaded, uint64_t iova, uint64_t size)
{
	uint8_t *bytes = (uint8_t *)loaded->bitmap->words;
	unsigned shift = loaded->bitmap->page_shift;
	uint64_t first = (iova - loaded->bitmap->base) >> shift;

	for (uint64_t bit = first; bit < first + (size >> shift); bit++)
		bytes[bit / 8] |= (uint8_t)(1 << bit % 8);
	loaded->op->stats.dirty++;
	loaded->op->stats.cleaned++;
}

static bool load(void *context, uint64_t iova, const struct walker_leaf *leaf)
{
	struct loaded *loaded = context;

	loaded->op->stats.looked_at++;
	if (leaf->dirty == WALKER_WRITABLE_DIRTY)
		report_leaf(loaded, iova, leaf->size);
	loaded->entries[loaded->count++] = (struct entry){
		.phys = leaf->descriptor_phys,
		.descriptor = leaf->descriptor,
	};
	return true;
}

/* WRONG: what walkers did to the descriptors since they were loaded is lost. */
static void store_clean(struct loaded *loaded)
{
	for (size_t i = 0; i < loaded->count; i++) {
		uint64_t descriptor = loaded->entries[i].descriptor;

		if (loaded->machine->options.stage == 1)
			descriptor |= STAGE1_READ_ONLY;
		else
			descriptor &= ~STAGE2_WRITE;
		atomic_store(pool_word(loaded->machine->pool, loaded->entries[i].phys, false),
		             pool_little_endian(descriptor));
	}
}

int broken_read_and_clear(struct machine *machine, const struct iopgt_bitmap *bitmap,
                          struct iopgt_op *op)
{
	struct loaded loaded = {.machine = machine, .bitmap = bitmap, .op = op};
	uint64_t last = MACHINE_IOVA + machine->options.size - 1;

	loaded.entries = calloc(bitmap->bits, sizeof(*loaded.entries));
	if (!loaded.entries)
		return IOPGT_NO_MEMORY;
	walker_for_each_leaf(machine->ports[0].model, MACHINE_IOVA, last, load, &loaded);
	/* A thread can lose the CPU anywhere. Here it is all that it takes. */
	clock_sleep_until(clock_ns() + PREEMPTED_NS);
	store_clean(&loaded);
	free(loaded.entries);
	machine_invalidate_all(machine);
	machine_sync(machine);
	op->stats.invalidations++;
	op->stats.waits++;
	return 0;
}
