/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Caches of CPUs write lines back at any time. The worst for a walker that does not snoop:
 * what leads to a table comes to memory early, and what is in it late.
 */
#include "explore.h"

/* From the root on: 4 KiB, from level 1 on. */
static void write_back_path(struct explore *x, uint64_t iova)
{
	struct pool *pool = x->f->host.pool;
	uint64_t table = x->f->table->root_phys;

	for (unsigned shift = 30; shift > 12; shift -= 9) {
		uint64_t at = table + 8 * (iova >> shift & 511), d;
		_Atomic uint64_t *word = pool_word(pool, at, false);

		if (!word)
			return;
		pool_clean(pool, (const void *)word, sizeof(*word));
		d = pool_little_endian(*word);
		if ((d & 3) != 3)
			return;
		table = d & UINT64_C(0xfffffffff000);
	}
}

/* What is in the store buffer of the CPU that runs is in no cache. */
void explore_write_back(struct explore *x, uint64_t iova)
{
	struct explore_cpu *cpu = x->current < x->scenario->cpus ? &x->cpus[x->current] : NULL;

	if (cpu)
		explore_swap_unreleased(cpu);
	write_back_path(x, iova);
	if (cpu)
		explore_swap_unreleased(cpu);
}
