/* SPDX-License-Identifier: BSD-2-Clause */
#include "el2.h"

#include "memory.h"
#include "sysreg.h"

#define PAGE     4096
#define PHYS_END (UINT64_C(1) << 39)

static void lock(struct el2_port *port)
{
	while (atomic_flag_test_and_set_explicit(&port->busy, memory_order_acquire))
		;
}

/* A page, or a start table of up to 16: those are rare, and go back page by page. */
static void *alloc_table(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys)
{
	struct el2_port *port = context;
	uint64_t *table = NULL;
	uintptr_t begin;

	lock(port);
	bytes = bytes < PAGE ? PAGE : bytes;
	begin = (port->next + bytes - 1) & ~(uintptr_t)(bytes - 1);
	if (bytes == PAGE && port->free) {
		table = port->free;
		port->free = (uint64_t *)(uintptr_t)*table;
	} else if (begin <= port->end && port->end - begin >= bytes) {
		table = (uint64_t *)begin;
		port->next = begin + bytes;
	}
	atomic_flag_clear_explicit(&port->busy, memory_order_release);
	if (table && flags & IOPGT_ALLOC_ZERO)
		memset(table, 0, bytes);
	*phys = (uintptr_t)table;
	return table;
}

static void free_table(void *context, void *table, uint64_t phys, uint32_t bytes)
{
	struct el2_port *port = context;

	lock(port);
	for (uint64_t *page = table; (uintptr_t)page < phys + bytes; page += PAGE / sizeof(*page)) {
		*page = (uintptr_t)port->free;
		port->free = page;
	}
	atomic_flag_clear_explicit(&port->busy, memory_order_release);
}

/* Stores to tables, before the stores or the walks that come after. */
static void publish(void *context)
{
	(void)context;
	dsb(ishst);
}

const struct iopgt_hal el2_hal = {
	.flags = IOPGT_HAL_LINEAR, /* with offset 0 */
	.alloc_table = alloc_table,
	.free_table = free_table,
	.publish = publish,
};

/* An operation for each page or block; CPUs with FEAT_TLBIRANGE and FEAT_TTL could do better. */
static int invalidate_range(void *context, const struct iopgt_invalidation *request)
{
	static const struct iopgt_config stage2 = {.regime = IOPGT_STAGE2, .granule_shift = 12};
	static const struct iopgt_tlbi_target target = {.config = &stage2};
	struct iopgt_tlbi_operation operation;
	struct iopgt_tlbi tlbi;
	int error = iopgt_tlbi_begin(&tlbi, &target, request);

	(void)context;
	dsb(ishst);
	while (!error && iopgt_tlbi_next(&tlbi, &operation))
		if (operation.flags & IOPGT_TLBI_OPERATION_LEAF)
			system(tlbi, ipas2le1is, operation.word[0]);
		else
			system(tlbi, ipas2e1is, operation.word[0]);
	return error;
}

static int invalidate_all(void *context)
{
	(void)context;
	dsb(ishst);
	__asm__ volatile("tlbi vmalls12e1is" : : : "memory");
	return 0;
}

/* Entries that combine a guest's stage 1 with stage 2 are known by no IPA: all of them go. */
static int sync_cpus(void *context)
{
	(void)context;
	dsb(ish);
	__asm__ volatile("tlbi vmalle1is" : : : "memory");
	dsb(ish);
	isb();
	return 0;
}

const struct iopgt_tlb_ops el2_tlb = {
	.invalidate_range = invalidate_range,
	.invalidate_all = invalidate_all,
	.sync = sync_cpus,
	.max_ranges = 64, /* then all: the guest fills its TLB again sooner than we write 64 */
};

void el2_port_init(struct el2_port *port, void *memory, uint64_t bytes)
{
	*port = (struct el2_port){.next = (uintptr_t)memory, .end = (uintptr_t)memory + bytes};
	atomic_flag_clear(&port->busy);
}

int el2_configure(struct el2_port *port, struct iopgt_config *config, struct iopgt_walker *walker)
{
	const struct iopgt_wishes wishes = {.regime = IOPGT_STAGE2,
	                                    .flags = IOPGT_WISH_DIRTY,
	                                    .granules = PAGE,
	                                    .iova_last = PHYS_END - 1,
	                                    .phys_last = PHYS_END - 1};
	struct iopgt_capabilities cpu;
	int error = iopgt_capabilities_from_cpu(sysreg_read(id_aa64mmfr0_el1),
	                                        sysreg_read(id_aa64mmfr1_el1),
	                                        sysreg_read(id_aa64mmfr2_el1), &cpu);

	*walker = (struct iopgt_walker){.tlb = &el2_tlb, .context = port};
	error = error ? error : iopgt_best_config(&cpu, &wishes, config);
	return error ? error : iopgt_walker_from_capabilities(&cpu, config, walker);
}

int el2_load(const struct iopgt_table *table, uint16_t vmid)
{
	const struct iopgt_register_inputs inputs = {.vmid = vmid};
	struct iopgt_registers words;
	int error = iopgt_registers(table, &inputs, &words);

	if (!error) {
		sysreg_write(vtcr_el2, words.vtcr);
		sysreg_write(vttbr_el2, words.vttbr);
		isb();
	}
	return error;
}
