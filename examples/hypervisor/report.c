/* SPDX-License-Identifier: BSD-2-Clause */
#include "report.h"

#include "console.h"
#include "machine.h"
#include "sysreg.h"

uint64_t report_clock_us(void)
{
	isb(); /* the counter may be read early */
	return sysreg_read(cntpct_el0) * 1000000 / sysreg_read(cntfrq_el0);
}

void report_round(const struct round *round)
{
	console_line("hypervisor: round %u%s: %u dirty pages, scan %u us, %u entries looked at, "
	             "%u blocks split, %u waits",
	             round->number, round->note, round->pages, round->scan_us, round->did.looked_at,
	             round->did.split, round->did.waits);
}

void report_leaves(const struct vm *vm)
{
	uint64_t gigabytes = 0, megabytes = 0, pages = 0;
	struct iopgt_translation leaf;

	for (uint64_t ipa = GUEST_IPA; ipa < GUEST_IPA + GUEST_SIZE; ipa += leaf.leaf_size) {
		if (iopgt_translate(&vm->domain.table, ipa, &leaf))
			break;
		gigabytes += leaf.leaf_size == 1 << 30;
		megabytes += leaf.leaf_size == 2 << 20;
		pages += leaf.leaf_size == 4096;
	}
	console_line(
		"hypervisor: guest memory is mapped by %u blocks of 1 GiB, %u of 2 MiB, %u pages",
		gigabytes, megabytes, pages);
}
