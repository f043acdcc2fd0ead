/* SPDX-License-Identifier: BSD-2-Clause */
#include "compare.h"

#include <string.h>

#define PIECE (UINT64_C(1) << MACHINE_RECORD_SHIFT)

static void note_difference(struct precopy *precopy, uint64_t offset)
{
	struct precopy_verdict *verdict = &precopy->verdict;

	if (verdict->different_bytes++)
		return;
	verdict->first_iova = MACHINE_IOVA + offset;
	verdict->writer = precopy->machine.writers[offset >> MACHINE_RECORD_SHIFT];
}

static void compare_bytes(struct precopy *precopy)
{
	const uint8_t *memory = precopy->machine.memory;
	const uint8_t *copy = precopy->copy;
	uint64_t size = precopy->machine.options.size;

	for (uint64_t begin = 0; begin < size; begin += PIECE) {
		if (memcmp(memory + begin, copy + begin, PIECE) == 0)
			continue;
		for (uint64_t offset = begin; offset < begin + PIECE; offset++)
			if (memory[offset] != copy[offset])
				note_difference(precopy, offset);
	}
}

void compare(struct precopy *precopy)
{
	struct precopy_verdict *verdict = &precopy->verdict;
	uint64_t size = precopy->machine.options.size;

	verdict->bytes = size;
	compare_bytes(precopy);
	verdict->memory_hash = hash_bytes(HASH_START, precopy->machine.memory, size);
	verdict->copy_hash = hash_bytes(HASH_START, precopy->copy, size);
	devices_compare_files(&precopy->devices, precopy->copy, &verdict->files);
	verdict->faults = devices_faults(&precopy->devices);
	verdict->table_wrong = machine_error(&precopy->machine) != NULL;
	verdict->identical = verdict->different_bytes == 0 &&
	                     verdict->memory_hash == verdict->copy_hash &&
	                     verdict->files.different == 0;
	if (verdict->different_bytes == 0 && verdict->files.different) {
		/* The copy is as memory is, but DMA did not put there what was read. */
		uint64_t offset = verdict->files.different_offset;

		verdict->first_iova = MACHINE_IOVA + offset;
		verdict->writer = precopy->machine.writers[offset >> MACHINE_RECORD_SHIFT];
	}
}
