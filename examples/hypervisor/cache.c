/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache.h"

#include "sysreg.h"

#define CTR_IDC                 (UINT64_C(1) << 28) /* data need not be cleaned */
#define CTR_DATA_LINE_SIZE(ctr) (UINT64_C(4) << ((ctr) >> 16 & 15))

void cache_sync_instructions(uint64_t address, uint64_t bytes)
{
	uint64_t ctr = sysreg_read(ctr_el0);

	if (!(ctr & CTR_IDC))
		for (uint64_t line = 0; line < bytes; line += CTR_DATA_LINE_SIZE(ctr))
			system(dc, cvau, address + line);
	dsb(ish);
	__asm__ volatile("ic ialluis" : : : "memory");
	dsb(ish);
}
