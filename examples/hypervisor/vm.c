/* SPDX-License-Identifier: BSD-2-Clause */
#include "vm.h"

#include "broken.h"
#include "machine.h"

/* Memory in pages takes 513 tables, 2 MiB and 4 KiB. */
static _Alignas(1 << 16) unsigned char table_memory[4 << 20];

int vm_map_memory(struct vm *vm, uint64_t phys)
{
	const struct iopgt_mapping memory = {
		.iova = GUEST_IPA,
		.phys = phys,
		.size = GUEST_SIZE,
		.prot = IOPGT_READ | IOPGT_WRITE | IOPGT_EXECUTE,
		.memory = IOPGT_WRITE_BACK,
	};
	struct iopgt_op op = {0};
	int error = iopgt_map(&vm->domain.table, &memory, &op);

	return error ? error : iopgt_op_finish(&op);
}

/* A device that the guest has for itself: at its own address, written without marks. */
static int map_device(struct vm *vm, uint64_t address, uint64_t size, uint32_t prot)
{
	const struct iopgt_mapping device = {
		.iova = address,
		.phys = address,
		.size = size,
		.prot = prot,
		.memory = IOPGT_DEVICE,
	};
	struct iopgt_op op = {0};
	int error = iopgt_map(&vm->domain.table, &device, &op);

	return error ? error : iopgt_op_finish(&op);
}

/* Linux looks at the redistributors until it meets the one that is marked the last: CPU 1's. */
static int map_interrupt_controller(struct vm *vm)
{
	const uint32_t all = IOPGT_READ | IOPGT_WRITE | IOPGT_NO_TRACK;
	int error = map_device(vm, GIC_DISTRIBUTOR, GIC_DISTRIBUTOR_SIZE, all);

	if (!error)
		error = map_device(vm, GIC_REDISTRIBUTOR, GIC_REDISTRIBUTOR_ONE, all);
	if (!error)
		error = map_device(vm, GIC_REDISTRIBUTOR + GIC_REDISTRIBUTOR_ONE,
		                   GIC_REDISTRIBUTOR_ONE, IOPGT_READ);
	return error;
}

int vm_init(struct vm *vm)
{
	struct iopgt_config config;
	int error;

	el2_port_init(&vm->port, table_memory, sizeof(table_memory));
	error = el2_configure(&vm->port, &config, &vm->cpus);
	if (*OPTION_DEAF)
		vm->cpus.tlb = &broken_tlb; /* WRONG */
	if (!error)
		error = iopgt_domain_init(&vm->domain, &config, &el2_hal, &vm->port,
		                          IOPGT_DOMAIN_ENFORCE_DIRTY);
	if (!error)
		error = iopgt_domain_attach(&vm->domain, &vm->cpus);
	if (!error)
		error = vm_map_memory(vm, MEMORY);
	return error ? error : map_interrupt_controller(vm);
}
