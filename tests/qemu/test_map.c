/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every granule, start level and leaf size, in each regime: what is mapped is reached, where
 * iopgt_translate says, and the PE's own translation (AT) says the same; what is not mapped
 * or no longer mapped is not reached.
 */
#include "cpu.h"
#include "rig.h"

static struct rig rig;
static uint64_t leaves_tested, leaves_without_room, tables_tested;

/* MAIR (D24.2.131) of each memory type. */
static const uint8_t memory_attributes[IOPGT_MEMORY_TYPES] = {
	[IOPGT_NON_CACHEABLE] = 0x44, [IOPGT_WRITE_BACK] = 0xff,
	[IOPGT_DEVICE] = 0x04,        [IOPGT_INNER_NON_CACHEABLE] = 0xf4,
	[IOPGT_DEVICE_NGNRNE] = 0x00, [IOPGT_DEVICE_NGRE] = 0x08,
	[IOPGT_DEVICE_GRE] = 0x0c,
};

static void agrees(uint64_t iova)
{
	struct iopgt_translation said;
	int err = iopgt_translate(rig.table, iova, &said);
	uint64_t par = rig_at(&rig, BY_PRIVILEGED, iova);

	CHECK(err == 0, "translate %x: %s", iova, iopgt_strerror(err));
	CHECK(!PAR_FAULT(par), "AT %x: PAR %x", iova, par);
	CHECK(PAR_PHYS(par) == (said.phys & ~UINT64_C(0xfff)), "AT %x: PAR %x, not %x", iova, par,
	      said.phys);
	if (rig.kind >= RIG_STAGE2)
		return;
	CHECK(PAR_MEMORY(par) == memory_attributes[said.memory], "AT %x: PAR %x", iova, par);
	/* With LPA2 SH is that of TCR; QEMU then does not report 2 for types without caches. */
	if (said.memory == IOPGT_WRITE_BACK || !(rig.host.config.flags & IOPGT_CONFIG_LPA2))
		CHECK(PAR_SHARE(par) == (said.memory == IOPGT_WRITE_BACK ? 3 : 2), "AT %x: PAR %x",
		      iova, par);
}

/* Both say that nothing is there; an access faults. */
static void is_not_mapped(uint64_t iova)
{
	struct iopgt_translation said;
	struct outcome outcome = rig_read(&rig, iova & ~UINT64_C(7));
	uint64_t par = rig_at(&rig, BY_PRIVILEGED, iova);

	CHECK(iopgt_translate(rig.table, iova, &said) == IOPGT_NOT_MAPPED, "translate %x", iova);
	CHECK(PAR_FAULT(par), "AT %x: PAR %x", iova, par);
	CHECK((PAR_STATUS(par) & 0x3c) == STATUS_TRANSLATION ||
	              PAR_STATUS(par) == STATUS_TRANSLATION_ABOVE,
	      "AT %x: PAR %x", iova, par);
	CHECK(outcome.faulted && outcome.status == PAR_STATUS(par), "read %x: esr %x, PAR %x", iova,
	      outcome.esr, par);
}

static void is_reached(uint64_t iova, uint64_t phys)
{
	volatile uint64_t *memory = (volatile uint64_t *)(uintptr_t)phys;
	uint64_t value = random_number();
	struct outcome outcome = rig_write(&rig, iova, value);

	CHECK(!outcome.faulted, "write %x: esr %x", iova, outcome.esr);
	CHECK(*memory == value, "write %x: %x at %x", iova, *memory, phys);
	*memory = ~value;
	outcome = rig_read(&rig, iova);
	CHECK(!outcome.faulted && outcome.value == ~value, "read %x: %x", iova, outcome.value);
}

static struct iopgt_mapping leaf_mapping(uint64_t iova, uint64_t phys, uint64_t size)
{
	return (struct iopgt_mapping){
		.iova = iova,
		.phys = phys,
		.size = size,
		.prot = IOPGT_READ | IOPGT_WRITE,
		.memory = IOPGT_WRITE_BACK,
	};
}

static void expect_leaf(uint64_t iova, uint64_t size)
{
	struct iopgt_translation said;
	int err = iopgt_translate(rig.table, iova, &said);

	CHECK(err == 0 && said.leaf_size == size && said.leaf_iova == iova,
	      "leaf of %x bytes at %x, not %x", said.leaf_size, iova, size);
}

/* A leaf over the memory for tests, large leaves with much around it. */
static void leaf_at(uint64_t iova, uint64_t size)
{
	uint64_t phys = DATA_PHYS & ~(size - 1);
	uint64_t window = DATA_PHYS - phys;
	uint64_t room = size < DATA_BYTES ? size : DATA_BYTES;
	struct iopgt_mapping mapping = leaf_mapping(iova, phys, size);

	rig_map(&rig, &mapping);
	expect_leaf(iova, size);
	agrees(iova);
	agrees(iova + size - 1);
	for (int i = 0; i < 4; i++) {
		uint64_t offset = window + random_number() % room / 8 * 8;

		is_reached(iova + offset, phys + offset);
		agrees(iova + random_number() % size);
	}
	is_reached(iova + window, phys + window);
	is_reached(iova + window + room - 8, phys + window + room - 8);
	if (iova > rig_free_first(&rig))
		is_not_mapped(iova - 1);
	if (iova + (size - 1) < rig_free_last(&rig))
		is_not_mapped(iova + size);
	rig_check(&rig);
	rig_unmap(&rig, iova, size);
	is_not_mapped(iova + window);
	is_not_mapped(iova + size - 1);
}

/* The last output addresses that there are: no memory is there, translation is enough. */
static void leaf_at_the_top_of_memory(uint64_t iova, uint64_t size)
{
	uint64_t end = rig.table->geometry.output_last + 1;
	struct iopgt_mapping mapping = leaf_mapping(iova, end - size, size);

	if (size >= end)
		return;
	rig_map(&rig, &mapping);
	expect_leaf(iova, size);
	agrees(iova);
	agrees(iova + size - 1);
	agrees(iova + random_number() % size);
	rig_unmap(&rig, iova, size);
}

static void each_leaf_size(void)
{
	for (unsigned shift = 12; shift < 52; shift++) {
		uint64_t size = UINT64_C(1) << shift;
		uint64_t last = rig_free_last(&rig);
		uint64_t iova = (last - (size - 1)) & ~(size - 1);

		if (!(rig.host.config.leaf_sizes & size))
			continue;
		if (last - rig_free_first(&rig) < size - 1 || iova < rig_free_first(&rig)) {
			leaves_without_room++;
			continue;
		}
		leaf_at(iova, size);
		leaf_at_the_top_of_memory(iova, size);
		if (iova - rig_free_first(&rig) > size)
			leaf_at(iova - size, size);
		leaves_tested++;
	}
}

/* Stage 1 alone: with stage 2 a guest's own type counts as well. */
static void each_memory_type(void)
{
	uint64_t granule = UINT64_C(1) << rig.host.config.granule_shift;
	uint64_t iova = rig_free_last(&rig) + 1 - granule;
	struct iopgt_mapping mapping = leaf_mapping(iova, DATA_PHYS, granule);

	if (rig.kind >= RIG_STAGE2)
		return;
	for (mapping.memory = 0; mapping.memory < IOPGT_MEMORY_TYPES; mapping.memory++) {
		rig_map(&rig, &mapping);
		agrees(iova);
		rig_unmap(&rig, iova, granule);
	}
}

/* QEMU 7.2 refuses stage 2 that starts at level 0 with 16 KiB, which LPA2 allows. */
static bool is_refused_by_qemu(enum rig_kind kind, const struct iopgt_config *config)
{
	return kind >= RIG_STAGE2 && config->granule_shift == 14 && config->input_bits == 52;
}

static void one_table(enum rig_kind kind, struct iopgt_config *config)
{
	bool holds_image = kind == RIG_EL1_LOW || kind == RIG_EL2 || kind == RIG_NESTED;

	if (holds_image && config->input_bits < 31)
		return;
	if (kind == RIG_EL1_HIGH)
		config->flags |= IOPGT_CONFIG_TTBR1;
	if (kind == RIG_STAGE2 && config->input_bits < 19)
		return; /* no room for the guest's code */
	config->regime = rig_regime(kind);
	config->leaf_sizes = 0;
	config->leaf_sizes = iopgt_all_leaf_sizes(config);
	if (!config->leaf_sizes || !rig_has(kind, config) || is_refused_by_qemu(kind, config))
		return;
	rig_open(&rig, kind, config);
	each_leaf_size();
	each_memory_type();
	rig_close(&rig);
	tables_tested++;
}

/* All input sizes at which the start level or the number of start tables changes, and others. */
static const uint8_t input_sizes[] = {17, 19, 20, 21, 22, 24, 25, 26, 29, 30, 31, 32, 34, 35, 36,
                                      37, 38, 39, 40, 42, 43, 44, 46, 47, 48, 49, 50, 51, 52};
static const uint8_t output_sizes[] = {40, 44, 48, 52};

static void all_sizes(enum rig_kind kind, uint8_t granule_shift, uint32_t flags)
{
	for (size_t i = 0; i < COUNT(input_sizes) * COUNT(output_sizes); i++) {
		struct iopgt_config config = {
			.granule_shift = granule_shift,
			.flags = flags,
			.input_bits = input_sizes[i / COUNT(output_sizes)],
			.output_bits = output_sizes[i % COUNT(output_sizes)],
			.bbm_level = 2,
		};

		if (config.input_bits < 25)
			config.flags |= IOPGT_CONFIG_SMALL_TABLES;
		one_table(kind, &config);
	}
}

static void all_tables(enum rig_kind kind)
{
	for (uint8_t shift = 12; shift <= 16; shift += 2) {
		all_sizes(kind, shift, 0);
		if (shift < 16)
			all_sizes(kind, shift, IOPGT_CONFIG_LPA2);
	}
	if (kind >= RIG_STAGE2)
		all_sizes(kind, 12, IOPGT_CONFIG_FORCED_WRITE_BACK);
	/* The guest's pages may be larger or smaller than those of stage 2. */
	for (uint8_t shift = 12; kind == RIG_NESTED && shift <= 16; shift += 2) {
		rig.guest_granule = shift;
		all_sizes(kind, (uint8_t)(shift == 16 ? 12 : shift + 2), 0);
	}
	rig.guest_granule = 0;
}

int main(void)
{
	for (enum rig_kind kind = 0; kind < RIG_KINDS; kind++) {
		if (!rig_available(kind))
			continue;
		topic(rig_names[kind]);
		leaves_tested = leaves_without_room = tables_tested = 0;
		all_tables(kind);
		say("%s: %u tables, %u leaf sizes, %u without room\n", rig_names[kind],
		    tables_tested, leaves_tested, leaves_without_room);
		CHECK(tables_tested > 0, "no table");
	}
	say("passed, %u checks\n", checks);
	return 0;
}
