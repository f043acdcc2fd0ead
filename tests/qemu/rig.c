/* SPDX-License-Identifier: BSD-2-Clause */
#include "rig.h"

#include "cpu.h"
#include "rig_registers.h"

#define ID 0x57 /* ASID and VMID: of 8 bits, which all have */

const char *const rig_names[RIG_KINDS] = {
	"stage 1 EL1", "stage 1 EL1 TTBR1", "stage 1 EL2", "stage 2", "nested",
};

bool rig_available(enum rig_kind kind)
{
	return at_el2() == (kind >= RIG_EL2);
}

uint32_t rig_regime(enum rig_kind kind)
{
	return kind < RIG_EL2    ? IOPGT_STAGE1_EL1
	       : kind == RIG_EL2 ? IOPGT_STAGE1_EL2
	                         : IOPGT_STAGE2;
}

bool rig_has_granule(enum rig_kind kind, uint32_t granule_shift)
{
	struct iopgt_capabilities can;

	host_capabilities(&can);
	return (kind >= RIG_STAGE2 ? can.granules_stage2 : can.granules_stage1) &
	       1u << granule_shift;
}

bool rig_has(enum rig_kind kind, const struct iopgt_config *config)
{
	struct iopgt_capabilities can;
	uint32_t granule = 1u << config->granule_shift;
	bool stage2 = kind >= RIG_STAGE2;

	host_capabilities(&can);
	if (config->flags & IOPGT_CONFIG_LPA2 &&
	    !((stage2 ? can.lpa2_stage2 : can.lpa2_stage1) & granule))
		return false;
	if (config->flags & IOPGT_CONFIG_FORCED_WRITE_BACK &&
	    !(can.flags & IOPGT_CAN_FORCED_WRITE_BACK))
		return false;
	if (config->granule_shift == 16 && !stage2 && config->input_bits > can.input_bits_64k)
		return false;
	return rig_has_granule(kind, config->granule_shift) &&
	       config->output_bits <= can.output_bits;
}

void rig_best_config(enum rig_kind kind, uint32_t granule_shift, uint64_t iova_last,
                     struct iopgt_config *config)
{
	struct iopgt_capabilities can;
	struct iopgt_wishes wishes = {
		.regime = rig_regime(kind),
		.flags = IOPGT_WISH_DIRTY | IOPGT_WISH_SOFTWARE_DIRTY,
		.granules = 1u << granule_shift,
		.iova_last = kind == RIG_EL1_HIGH ? ~iova_last : iova_last,
		.phys_last = DATA_PHYS + DATA_BYTES - 1,
	};
	int err;

	if (kind == RIG_EL1_HIGH)
		wishes.config_flags = IOPGT_CONFIG_TTBR1;
	host_capabilities(&can);
	err = iopgt_best_config(&can, &wishes, config);
	CHECK(err == 0, "best config: %s", iopgt_strerror(err));
}

static void map_one(struct iopgt_table *table, uint64_t iova, uint64_t phys, uint64_t size,
                    uint32_t prot)
{
	struct iopgt_mapping mapping = {
		.iova = iova,
		.phys = phys,
		.size = size,
		.prot = prot,
		.memory = IOPGT_WRITE_BACK,
	};
	struct iopgt_op op = {0};
	int err = iopgt_map(table, &mapping, &op);

	CHECK(err == 0, "map %x: %s", iova, iopgt_strerror(err));
	rig_finish(&op);
}

/* Code for EL0 and guests, and what it shares with the image. */
static void map_stub(struct iopgt_table *table, bool identity)
{
	uint64_t code = identity ? STUB_IOVA : (uintptr_t)stub_begin;
	uint64_t data = identity ? CONTROL_IOVA : (uintptr_t)&control;

	map_one(table, STUB_IOVA, code, 0x10000, IOPGT_READ | IOPGT_EXECUTE);
	map_one(table, CONTROL_IOVA, data, 0x10000, IOPGT_READ | IOPGT_WRITE | IOPGT_NO_TRACK);
}

static void map_image(struct iopgt_table *table)
{
	uint32_t prot = IOPGT_READ | IOPGT_WRITE | IOPGT_EXECUTE | IOPGT_NO_TRACK;

	if (table->config.regime == IOPGT_STAGE1_EL1)
		prot |= IOPGT_PRIVILEGED;
	map_one(table, IMAGE_PHYS, IMAGE_PHYS, IMAGE_BYTES + DATA_BYTES, prot);
}

/* The image's own table. */
static void open_home(struct rig *rig)
{
	struct iopgt_config config = {
		.regime = rig->kind == RIG_EL1_HIGH ? IOPGT_STAGE1_EL1 : IOPGT_STAGE1_EL2,
		.granule_shift = rig->kind == RIG_EL1_HIGH ? rig->host.config.granule_shift : 12,
		.flags = rig->kind == RIG_EL1_HIGH ? rig->host.config.flags & IOPGT_CONFIG_LPA2 : 0,
		.input_bits = 39,
		.output_bits =
			rig->host.config.output_bits > 48 ? 48 : rig->host.config.output_bits,
	};
	int err;

	host_init(&rig->home_host, &config, ID);
	err = iopgt_init(&rig->home, &config, &host_hal, &rig->home_host);
	CHECK(err == 0, "home: %s", iopgt_strerror(err));
	map_image(&rig->home);
	if (rig->kind == RIG_EL1_HIGH)
		map_stub(&rig->home, false);
}

/*
 * A guest's stage 1. Its tables are at IPAs that equal physical addresses, in memory that
 * stage 2 maps for it alone.
 */
static void open_guest(struct rig *rig)
{
	struct iopgt_config config;
	int err;

	rig_best_config(RIG_EL1_LOW,
	                rig->guest_granule ? rig->guest_granule : rig->host.config.granule_shift,
	                0xffffffffffff, &config);
	host_init(&rig->guest_host, &config, ID + 1);
	err = iopgt_init(&rig->guest, &config, &host_hal, &rig->guest_host);
	CHECK(err == 0, "guest: %s", iopgt_strerror(err));
	map_stub(&rig->guest, true);
}

static void attach(struct rig *rig)
{
	struct iopgt_capabilities can;
	int err;

	host_capabilities(&can);
	err = iopgt_walker_from_capabilities(&can, &rig->host.config, &rig->walker);
	CHECK(err == 0, "walker: %s", iopgt_strerror(err));
	rig->walker.flags |= IOPGT_WALKER_ACCESSED; /* by faults.c if not by hardware */
	rig->walker.tlb = &host_hal.tlb;
	rig->walker.context = &rig->host;
	if (rig->host.config.flags & IOPGT_CONFIG_FAULTS_RETRIED)
		rig->walker.flags |= IOPGT_WALKER_FAULTS_RETRIED;
	err = iopgt_domain_attach(&rig->domain, &rig->walker);
	CHECK(err == 0, "attach: %s", iopgt_strerror(err));
}

static const struct rig *open_rig;

static void say_config(void)
{
	const struct iopgt_config *config = &open_rig->host.config;

	say("granule 2^%d, input %d, output %d, flags %x, level %d, leaves %x: ",
	    config->granule_shift, config->input_bits, config->output_bits, (uint64_t)config->flags,
	    config->bbm_level, config->leaf_sizes);
}

void rig_open(struct rig *rig, enum rig_kind kind, const struct iopgt_config *config)
{
	uint8_t guest_granule = rig->guest_granule;
	int err;

	memset(rig, 0, sizeof(*rig));
	rig->kind = kind;
	rig->guest_granule = guest_granule;
	host_init(&rig->host, config, ID);
	rig->table = &rig->domain.table;
	open_rig = rig;
	topic_details(say_config);
	err = iopgt_domain_init(&rig->domain, config, &host_hal, &rig->host, 0);
	CHECK(err == 0, "init: %s", iopgt_strerror(err));
	attach(rig);
	if (kind == RIG_EL1_LOW || kind == RIG_EL2)
		map_image(rig->table);
	else
		open_home(rig);
	if (kind != RIG_EL1_HIGH && kind != RIG_EL2)
		map_stub(rig->table, false);
	if (kind == RIG_NESTED) {
		map_one(rig->table, IMAGE_PHYS, IMAGE_PHYS, IMAGE_BYTES,
		        IOPGT_READ | IOPGT_WRITE | IOPGT_NO_TRACK);
		open_guest(rig);
	}
	rig_registers(rig, ID);
	rig_switch_on(rig);
}

void rig_join(const struct rig *rig)
{
	rig_switch_on(rig);
}

void rig_leave(const struct rig *rig)
{
	rig_switch_off(rig);
}

void rig_close(struct rig *rig)
{
	int err;

	rig_check(rig);
	rig_switch_off(rig);
	err = iopgt_domain_detach(&rig->domain, &rig->walker);
	CHECK(err == 0, "detach: %s", iopgt_strerror(err));
	err = iopgt_domain_fini(&rig->domain);
	CHECK(err == 0, "fini: %s", iopgt_strerror(err));
	if (rig->home.root)
		iopgt_fini(&rig->home);
	if (rig->guest.root)
		iopgt_fini(&rig->guest);
	topic_details(NULL);
	CHECK(host_tables_in_use() == 0, "%u tables are left", host_tables_in_use());
}

void rig_finish(struct iopgt_op *op)
{
	int err = iopgt_op_finish(op);

	CHECK(err == 0, "finish: %s", iopgt_strerror(err));
}

/* Whole pages of the guest's: its granule may be another. */
static void guest_range(const struct rig *rig, uint64_t *iova, uint64_t *size)
{
	uint64_t mask = (UINT64_C(1) << rig->guest_host.config.granule_shift) - 1;
	uint64_t end = (*iova + *size + mask) & ~mask;

	*iova &= ~mask;
	*size = end - *iova;
}

void rig_map(struct rig *rig, const struct iopgt_mapping *mapping)
{
	uint64_t iova = mapping->iova, size = mapping->size;
	struct iopgt_op op = {0};
	int err = iopgt_map(rig->table, mapping, &op);

	CHECK(err == 0, "map %x at %x, %x bytes: %s", mapping->phys, mapping->iova, mapping->size,
	      iopgt_strerror(err));
	rig_finish(&op);
	if (rig->kind != RIG_NESTED)
		return;
	guest_range(rig, &iova, &size);
	map_one(&rig->guest, rig_address(rig, iova), iova, size,
	        IOPGT_READ | IOPGT_WRITE | IOPGT_EXECUTE | IOPGT_PRIVILEGED);
}

void rig_unmap(struct rig *rig, uint64_t iova, uint64_t size)
{
	struct iopgt_op op = {0};
	int err = iopgt_unmap(rig->table, iova, size, &op);

	CHECK(err == 0, "unmap %x: %s", iova, iopgt_strerror(err));
	rig_finish(&op);
	if (rig->kind == RIG_NESTED) {
		guest_range(rig, &iova, &size);
		err = iopgt_unmap(&rig->guest, rig_address(rig, iova), size, &op);
		CHECK(err == 0, "unmap %x in the guest: %s", iova, iopgt_strerror(err));
		rig_finish(&op);
	}
}

uint64_t rig_free_first(const struct rig *rig)
{
	if (rig->kind == RIG_EL1_HIGH)
		return rig->table->geometry.input_first;
	if (rig->kind == RIG_STAGE2)
		return CONTROL_IOVA + 0x10000;
	return DATA_PHYS + DATA_BYTES;
}

uint64_t rig_free_last(const struct rig *rig)
{
	uint64_t last = rig->table->geometry.input_last;

	/* rig_address must stay below 2^48. */
	return rig->kind == RIG_NESTED && last >= GUEST_OFFSET ? GUEST_OFFSET - 1 : last;
}

uint64_t rig_address(const struct rig *rig, uint64_t iova)
{
	return rig->kind == RIG_NESTED ? iova + GUEST_OFFSET : iova;
}

void rig_check(const struct rig *rig)
{
	struct iopgt_finding finding;
	int err = iopgt_check(rig->table, &finding);

	CHECK(err == 0, "%s: level %d iova %x: %x", iopgt_rule_text(finding.rule), finding.level,
	      finding.iova, finding.descriptor);
}

volatile uint64_t *rig_leaf(const struct iopgt_table *table, uint64_t iova)
{
	volatile uint64_t *entries = table->root;

	for (int level = table->geometry.start_level; level <= 3; level++) {
		unsigned shift = 12 + 9 * (unsigned)(3 - level);
		/* The start table may be larger than others, and smaller. */
		uint64_t mask = level == table->geometry.start_level
		                        ? table->geometry.last_index[level + 1]
		                        : 511;
		uint64_t index = iova >> shift & mask;
		uint64_t d = entries[index];

		if (!(d & 1))
			return NULL;
		if (level == 3 || !(d & 2))
			return &entries[index];
		entries = (volatile uint64_t *)(uintptr_t)(d & 0xfffffffff000);
	}
	return NULL;
}
