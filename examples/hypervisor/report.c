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

struct leaves {
	uint64_t gigabytes, megabytes, pages;
};

static struct leaves count_leaves(const struct vm *vm)
{
	struct leaves count = {0};
	struct iopgt_translation leaf;

	for (uint64_t ipa = GUEST_IPA; ipa < GUEST_IPA + GUEST_SIZE; ipa += leaf.leaf_size) {
		if (iopgt_translate(&vm->domain.table, ipa, &leaf))
			break;
		count.gigabytes += leaf.leaf_size == 1 << 30;
		count.megabytes += leaf.leaf_size == 2 << 20;
		count.pages += leaf.leaf_size == 4096;
	}
	return count;
}

void report_leaves(const struct vm *vm)
{
	struct leaves are = count_leaves(vm);

	console_line("hypervisor: guest memory is %u x 1 GiB + %u x 2 MiB + %u x 4 KiB",
	             are.gigabytes, are.megabytes, are.pages);
}

void report_round(const struct vm *vm, const struct round *round)
{
	struct leaves are = count_leaves(vm);

	console_line("hypervisor: round %u%s: %u dirty pages, scan %u us, %u entries looked at, "
	             "%u waits; now %u x 1 GiB + %u x 2 MiB + %u x 4 KiB",
	             round->number, round->note, round->pages, round->scan_us, round->did.looked_at,
	             round->did.waits, are.gigabytes, are.megabytes, are.pages);
}
