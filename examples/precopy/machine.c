/* SPDX-License-Identifier: BSD-2-Clause */
#include "machine.h"

#include <stdlib.h>
#include <string.h>

#include "random.h"

/* The host's side: where table memory comes from. */

static void *alloc_table(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys)
{
	struct machine *machine = context;

	return pool_alloc(machine->pool, bytes, flags & IOPGT_ALLOC_ZERO, phys);
}

static void free_table(void *context, void *table, uint64_t phys, uint32_t bytes)
{
	struct machine *machine = context;

	(void)table;
	pool_free(machine->pool, phys, bytes);
}

/* The walkers' side: how each is invalidated. */

static int invalidate_range(void *context, const struct iopgt_invalidation *request)
{
	struct machine_port *port = context;

	if (!port->machine->options.deaf)
		walker_post_range(port->model, request);
	return 0;
}

static int invalidate_all(void *context)
{
	struct machine_port *port = context;

	if (!port->machine->options.deaf)
		walker_post_all(port->model);
	return 0;
}

static int sync_walker(void *context)
{
	struct machine_port *port = context;

	walker_sync(port->model);
	return 0;
}

static const struct iopgt_tlb_ops walker_ops = {
	.invalidate_range = invalidate_range,
	.invalidate_all = invalidate_all,
	.sync = sync_walker,
	.max_ranges = 512,
	.join_bytes = 1 << 16,
};

/* Called by the walker model before the bytes of each write change. */
static void note_writer(void *context, uint64_t iova, uint64_t phys, size_t bytes)
{
	struct machine_port *port = context;
	uint64_t first = (phys - MACHINE_PHYS) >> MACHINE_RECORD_SHIFT;
	uint64_t last = (phys - MACHINE_PHYS + bytes - 1) >> MACHINE_RECORD_SHIFT;

	(void)iova;
	for (uint64_t record = first; record <= last; record++)
		atomic_store_explicit(&port->machine->writers[record], port->device,
		                      memory_order_relaxed);
}

static struct walker *make_model(const struct machine *machine, unsigned device)
{
	const struct machine_options *options = &machine->options;
	struct walker_config config = walker_usual(options->seed + device);

	/* A large TLB that forgets little by itself: stale entries have time to do harm. */
	config.tlb_entries = 512;
	config.evict_one_in = 4096;
	config.complete_one_in = 256;
	config.pool = machine->pool;
	config.root = machine->domain.table.root_phys;
	config.flags = WALKER_HA | WALKER_HD | WALKER_SMMU;
	if (options->bbm_level == 0)
		config.flags |= WALKER_RETRIES;
	config.stage = (uint8_t)options->stage;
	config.granule_shift = (uint8_t)options->granule_shift;
	config.input_bits = MACHINE_ADDRESS_BITS;
	config.output_bits = MACHINE_ADDRESS_BITS;
	config.bbm_level = (uint8_t)options->bbm_level;
	return walker_create(&config);
}

static int add_port(struct machine *machine)
{
	unsigned device = machine->ports_made++;
	struct machine_port *port = &machine->ports[device];

	port->machine = machine;
	port->device = (uint8_t)(device + 1);
	port->model = make_model(machine, device);
	port->memory = (struct walker_guest){
		.base = machine->memory,
		.phys_base = MACHINE_PHYS,
		.bytes = machine->options.size,
		.wrote = note_writer,
		.context = port,
	};
	port->iommu = (struct iopgt_walker){
		.flags = IOPGT_WALKER_DIRTY | IOPGT_WALKER_COHERENT,
		.bbm_level = (uint8_t)machine->options.bbm_level,
		.input_bits = MACHINE_ADDRESS_BITS,
		.output_bits = MACHINE_ADDRESS_BITS,
		.tlb = &walker_ops,
		.context = port,
	};
	/* Level 0 breaks a live entry for a moment: these devices try again when they fault. */
	if (machine->options.bbm_level == 0)
		port->iommu.flags |= IOPGT_WALKER_FAULTS_RETRIED;
	return iopgt_domain_attach(&machine->domain, &port->iommu);
}

/* A pattern everywhere, so that a page which is never copied shows as well. */
static int make_memory(struct machine *machine)
{
	const struct machine_options *options = &machine->options;
	struct random random = {.state = options->seed};

	machine->memory = aligned_alloc(1 << 16, (options->size + 0xffff) & ~UINT64_C(0xffff));
	machine->writers = calloc(options->size >> MACHINE_RECORD_SHIFT, 1);
	if (!machine->memory || !machine->writers)
		return IOPGT_NO_MEMORY;
	for (uint64_t offset = 0; offset < options->size; offset += sizeof(uint64_t)) {
		uint64_t word = random_next(&random);

		memcpy(machine->memory + offset, &word, sizeof(word));
	}
	return 0;
}

static int make_table(struct machine *machine)
{
	const struct machine_options *options = &machine->options;
	struct iopgt_config config = {
		.regime = options->stage == 1 ? IOPGT_STAGE1_EL1 : IOPGT_STAGE2,
		.granule_shift = (uint8_t)options->granule_shift,
		.input_bits = MACHINE_ADDRESS_BITS,
		.output_bits = MACHINE_ADDRESS_BITS,
		.bbm_level = (uint8_t)options->bbm_level,
		.dirty = IOPGT_DIRTY_HARDWARE,
		.flags = options->bbm_level ? 0 : IOPGT_CONFIG_FAULTS_RETRIED,
	};

	machine->pool = pool_create((options->size >> 6) + (1 << 24), MACHINE_TABLES, 0);
	machine->hal = (struct iopgt_hal){
		.flags = IOPGT_HAL_LINEAR,
		.linear_offset = pool_linear_offset(machine->pool),
		.alloc_table = alloc_table,
		.free_table = free_table,
	};
	return iopgt_domain_init(&machine->domain, &config, &machine->hal, machine,
	                         IOPGT_DOMAIN_ENFORCE_DIRTY);
}

/* Alignment of both addresses lets the library use the largest blocks. */
static int map_memory(struct machine *machine)
{
	struct iopgt_op op = {0};
	struct iopgt_mapping mapping = {
		.iova = MACHINE_IOVA,
		.phys = MACHINE_PHYS,
		.size = machine->options.size,
		.prot = IOPGT_READ | IOPGT_WRITE,
		.memory = IOPGT_WRITE_BACK,
	};
	int error = iopgt_map(&machine->domain.table, &mapping, &op);

	return error ? error : iopgt_op_finish(&op);
}

int machine_init(struct machine *machine, const struct machine_options *options)
{
	int error;

	*machine = (struct machine){.options = *options};
	error = make_memory(machine);
	if (!error)
		error = make_table(machine);
	if (error)
		return error;
	for (unsigned i = 0; i < options->devices && !error; i++)
		error = add_port(machine);
	return error ? error : map_memory(machine);
}

void machine_fini(struct machine *machine)
{
	for (unsigned i = 0; i < machine->ports_made; i++) {
		iopgt_domain_detach(&machine->domain, &machine->ports[i].iommu);
		walker_destroy(machine->ports[i].model);
	}
	if (machine->pool) {
		iopgt_domain_fini(&machine->domain);
		pool_destroy(machine->pool);
	}
	free(machine->memory);
	free((void *)machine->writers);
}

void machine_sync(struct machine *machine)
{
	for (unsigned i = 0; i < machine->ports_made; i++)
		walker_sync(machine->ports[i].model);
}

void machine_invalidate_all(struct machine *machine)
{
	for (unsigned i = 0; i < machine->ports_made; i++)
		walker_post_all(machine->ports[i].model);
}

void machine_leaves(const struct machine *machine, uint64_t counts[64])
{
	struct iopgt_translation leaf;
	uint64_t end = MACHINE_IOVA + machine->options.size;

	memset(counts, 0, 64 * sizeof(*counts));
	for (uint64_t iova = MACHINE_IOVA; iova < end; iova = leaf.leaf_iova + leaf.leaf_size) {
		unsigned shift = machine->options.granule_shift;

		if (iopgt_translate(&machine->domain.table, iova, &leaf))
			break;
		while (leaf.leaf_size >> shift > 1)
			shift++;
		counts[shift]++;
	}
}

const char *machine_error(struct machine *machine)
{
	const char *error = NULL;

	for (unsigned i = 0; i < machine->ports_made && !error; i++)
		error = walker_error(machine->ports[i].model);
	return error;
}
