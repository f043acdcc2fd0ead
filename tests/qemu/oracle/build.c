/* SPDX-License-Identifier: BSD-2-Clause */
/* Random configurations and mappings; parts of them unmapped, protected, split and merged. */
#include "host.h"

#include <stdlib.h>
#include <string.h>

static uint64_t state;

static uint64_t pick(uint64_t count)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % count;
}

static uint64_t pick_aligned(uint64_t last, uint64_t size)
{
	return last < size ? 0 : pick(last / size + 1) * size;
}

/* Table memory: never given back, all of it behind struct oracle_memory. */
#define MOST_OF_A_CASE (UINT64_C(24) << 20)

static struct oracle_memory *arena;
static uint64_t used;

static void *alloc_table(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys)
{
	uint64_t size = 64, begin;

	(void)context, (void)flags;
	while (size < bytes)
		size *= 2;
	begin = (used + size - 1) & ~(size - 1);
	if (begin + size > ORACLE_BYTES)
		fail("out of table memory");
	used = begin + size;
	*phys = ORACLE_PHYS + begin;
	return (unsigned char *)arena + begin;
}

static void free_table(void *context, void *table, uint64_t phys, uint32_t bytes)
{
	(void)context, (void)phys;
	memset(table, 0xa5, bytes);
}

/* No walker runs yet. */
static int no_walker(void *context)
{
	(void)context;
	return 0;
}

static int no_range(void *context, const struct iopgt_invalidation *request)
{
	(void)context, (void)request;
	return 0;
}

static struct iopgt_hal hal = {
	.flags = IOPGT_HAL_LINEAR,
	.alloc_table = alloc_table,
	.free_table = free_table,
	.tlb = {.invalidate_range = no_range, .invalidate_all = no_walker, .sync = no_walker},
};

static void choose_config(struct iopgt_config *config)
{
	static const uint32_t regimes[] = {IOPGT_STAGE1_EL1, IOPGT_STAGE1_EL2, IOPGT_STAGE2};
	static const uint8_t outputs[] = {36, 40, 42, 44, 48, 52};

	*config = (struct iopgt_config){
		.regime = regimes[pick(3)],
		.granule_shift = (uint8_t)(12 + 2 * pick(3)),
		.input_bits = (uint8_t)(20 + pick(33)),
		.output_bits = outputs[pick(6)],
		.bbm_level = (uint8_t)pick(3),
		.dirty = pick(2) ? IOPGT_DIRTY_HARDWARE : IOPGT_DIRTY_NONE,
	};
	if (pick(2) && config->granule_shift < 16)
		config->flags |= IOPGT_CONFIG_LPA2;
	if (config->input_bits < 25)
		config->flags |= IOPGT_CONFIG_SMALL_TABLES;
	if (config->regime == IOPGT_STAGE1_EL1 && pick(2))
		config->flags |= IOPGT_CONFIG_TTBR1;
	if (config->regime == IOPGT_STAGE2 && pick(3) == 0)
		config->flags |= IOPGT_CONFIG_FORCED_WRITE_BACK;
	if (config->bbm_level == 0)
		config->flags |= IOPGT_CONFIG_FAULTS_RETRIED;
}

/* QEMU 7.2 refuses stage 2 from level 0 with 16 KiB; the image needs an address at EL2. */
static bool is_usable(const struct iopgt_config *config)
{
	if (config->regime == IOPGT_STAGE2 && config->granule_shift == 14 &&
	    config->input_bits == 52)
		return false;
	return config->regime != IOPGT_STAGE1_EL2 || config->input_bits >= 32;
}

/* All leaf sizes, or all up to one of them. */
static void choose_leaf_sizes(struct iopgt_config *config)
{
	uint64_t all = iopgt_all_leaf_sizes(config);
	uint64_t below = UINT64_C(2) << (config->granule_shift + pick(36));

	config->leaf_sizes = pick(2) ? all : all & (below - 1);
}

static uint32_t choose_prot(uint32_t regime)
{
	static const uint32_t one_level[] = {IOPGT_READ, IOPGT_READ | IOPGT_WRITE,
	                                     IOPGT_READ | IOPGT_EXECUTE,
	                                     IOPGT_READ | IOPGT_WRITE | IOPGT_CLEAN};
	uint32_t prot = one_level[pick(4)];

	if (regime == IOPGT_STAGE2 && pick(8) == 0)
		return IOPGT_WRITE;
	if (regime == IOPGT_STAGE1_EL1 && pick(2))
		prot |= IOPGT_PRIVILEGED;
	return prot;
}

static uint64_t leaf_size_of(const struct iopgt_table *table)
{
	uint64_t sizes = table->geometry.leaf_sizes;
	unsigned shift;

	do
		shift = (unsigned)pick(64);
	while (!(sizes >> shift & 1));
	return UINT64_C(1) << shift;
}

static uint64_t span(const struct iopgt_table *table)
{
	return table->geometry.input_last - table->geometry.input_first;
}

/* Some leaves of one size, in both spaces aligned to it, or to a granule alone. */
static void choose_mapping(const struct subject *subject, struct iopgt_mapping *mapping)
{
	const struct iopgt_table *table = &subject->table;
	uint64_t leaf = leaf_size_of(table);
	uint64_t granule = UINT64_C(1) << subject->config.granule_shift;
	uint64_t output_last = table->geometry.output_last;
	uint64_t aligned = pick(4) ? leaf : granule;

	*mapping = (struct iopgt_mapping){
		.size = leaf * (1 + pick(3)) + (pick(4) ? 0 : granule * pick(16)),
		.prot = choose_prot(subject->config.regime),
		.memory = pick(2) ? IOPGT_WRITE_BACK : (uint32_t)pick(IOPGT_MEMORY_TYPES),
	};
	if (pick(4) == 0)
		mapping->attributes = IOPGT_INNER_SHAREABLE << pick(3);
	/* Else all of it takes pages. */
	if (aligned < leaf && mapping->size > granule << 12)
		mapping->size = granule << 12;
	if (mapping->size - 1 > span(table))
		mapping->size = granule;
	if (mapping->size - 1 > output_last)
		mapping->size = granule;
	mapping->iova = table->geometry.input_first +
	                pick_aligned(span(table) - (mapping->size - 1), aligned);
	mapping->phys = pick_aligned(output_last - (mapping->size - 1), aligned);
}

static void add_probe(struct oracle_case *c, uint64_t iova)
{
	if (c->first + c->count == ORACLE_PROBES)
		fail("too many probes");
	arena->iova[c->first + c->count++] = iova;
}

/* Its ends, what is beside them, and addresses in it. */
static void probe_range(struct oracle_case *c, uint64_t iova, uint64_t size)
{
	add_probe(c, iova);
	add_probe(c, iova - 1);
	add_probe(c, iova + size - 1);
	add_probe(c, iova + size);
	for (int i = 0; i < 4; i++)
		add_probe(c, iova + pick(size));
}

static void must(int err, const char *what)
{
	if (err)
		fail("%s: %s", what, iopgt_strerror(err));
}

/* What has been mapped is changed in parts, and probed where it was. */
static void change_some(struct subject *subject, const struct iopgt_mapping *mapping)
{
	uint64_t granule = UINT64_C(1) << subject->config.granule_shift;
	uint64_t offset = pick_aligned(mapping->size - granule, granule);
	uint64_t size = pick_aligned(mapping->size - offset - granule, granule) + granule;
	uint64_t iova = mapping->iova + offset;
	struct iopgt_op op = {0};

	if (size / granule > 1 << 14)
		size = granule;
	switch (pick(5)) {
	case 0:
		must(iopgt_unmap(&subject->table, iova, size, &op), "unmap");
		break;
	case 1:
		must(iopgt_protect(&subject->table, iova, size,
		                   choose_prot(subject->config.regime) & ~(uint32_t)IOPGT_CLEAN,
		                   &op),
		     "protect");
		break;
	case 2:
		must(iopgt_split_block(&subject->table, iova, size, &op), "split");
		break;
	case 3:
		must(iopgt_split_block(&subject->table, iova, size, &op), "split");
		must(iopgt_merge_page(&subject->table, mapping->iova, mapping->size, &op), "merge");
		break;
	}
	must(iopgt_op_finish(&op), "finish");
}

static void map_some(struct subject *subject, struct oracle_case *c)
{
	for (uint64_t i = 16 + pick(32); i; i--) {
		struct iopgt_mapping mapping;
		struct iopgt_op op = {0};
		int err;

		choose_mapping(subject, &mapping);
		err = iopgt_map(&subject->table, &mapping, &op);
		must(iopgt_op_finish(&op), "finish");
		probe_range(c, mapping.iova, mapping.size);
		if (err == 0) {
			subject->mappings++;
			change_some(subject, &mapping);
		} else if (err != IOPGT_EXISTS && err != IOPGT_BAD_ATTRIBUTE &&
		           err != IOPGT_BAD_MEMORY_TYPE) {
			fail("map: %s", iopgt_strerror(err));
		}
	}
}

static void map_image(struct subject *subject)
{
	struct iopgt_mapping image = {
		.iova = ORACLE_IMAGE,
		.phys = ORACLE_IMAGE,
		.size = ORACLE_PHYS + ORACLE_BYTES - ORACLE_IMAGE,
		.prot = IOPGT_READ | IOPGT_WRITE | IOPGT_EXECUTE,
		.memory = IOPGT_WRITE_BACK,
	};
	struct iopgt_op op = {0};

	must(iopgt_map(&subject->table, &image, &op), "map the image");
	must(iopgt_op_finish(&op), "finish");
}

static void set_registers(const struct subject *subject, struct oracle_case *c)
{
	struct iopgt_register_inputs inputs = {.flags = 0};
	struct iopgt_registers words;

	must(iopgt_registers(&subject->table, &inputs, &words), "registers");
	c->regime = subject->config.regime == IOPGT_STAGE1_EL1   ? ORACLE_EL1
	            : subject->config.regime == IOPGT_STAGE1_EL2 ? ORACLE_EL2
	                                                         : ORACLE_STAGE2;
	c->tcr = words.tcr;
	c->mair = words.mair;
	c->ttbr0 = words.ttbr0;
	c->ttbr1 = words.ttbr1;
	c->vtcr = words.vtcr;
	c->vttbr = words.vttbr;
	if (subject->config.flags & IOPGT_CONFIG_FORCED_WRITE_BACK)
		c->hcr = UINT64_C(1) << 46;
}

/* What keeps the image running in a table of EL2 must not be changed. */
static void build_case(struct subject *subject, struct oracle_case *c)
{
	int err;

	do {
		choose_config(&subject->config);
		choose_leaf_sizes(&subject->config);
		err = IOPGT_BAD_INPUT_BITS;
		if (is_usable(&subject->config))
			err = iopgt_init(&subject->table, &subject->config, &hal, NULL);
	} while (err);
	if (subject->config.regime == IOPGT_STAGE1_EL2)
		map_image(subject);
	map_some(subject, c);
	for (int i = 0; i < 32; i++)
		add_probe(c, subject->table.geometry.input_first + pick(span(&subject->table)));
	set_registers(subject, c);
}

void oracle_build(struct oracle *oracle, uint64_t seed)
{
	struct oracle_memory *memory = oracle->memory;

	state = seed * 0x9e3779b97f4a7c15 | 1;
	arena = memory;
	memset(memory, 0, ORACLE_BYTES);
	used = sizeof(*memory);
	hal.linear_offset = (uintptr_t)memory - (uintptr_t)ORACLE_PHYS;
	memory->magic = ORACLE_MAGIC;
	memory->seed = seed;
	while (memory->cases < ORACLE_CASES && used < ORACLE_BYTES - MOST_OF_A_CASE) {
		struct oracle_case *c = &memory->list[memory->cases];

		c->first = memory->probes;
		build_case(&oracle->subjects[memory->cases++], c);
		memory->probes += c->count;
	}
}
