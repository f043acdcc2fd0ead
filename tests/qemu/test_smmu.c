/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device's DMA through an SMMUv3 (stage 1): stream table entry, context descriptor and
 * commands as the library gives them. Pages, groups and blocks of each granule, unmap and
 * invalidation, what is not mapped or not allowed. (QEMU 7.2 lets no device go beyond 48 bits,
 * so that a table of TTBR1 can only stand beside the one under test.)
 */
#include "cpu.h"
#include "host.h"
#include "runtime.h"
#include "smmu.h"

#define ASID 0x1234
#define LINE 64 /* bytes, of most transfers */

static struct smmu smmu;
static struct iopgt_table table, upper;
static struct iopgt_config upper_config;
static uint64_t transfers;

static unsigned char *memory(uint64_t phys)
{
	return (unsigned char *)(uintptr_t)phys;
}

static void no_event(void)
{
	struct smmu_event event;

	CHECK(!smmu_take_event(&event), "event %x at %x", EVENT_TYPE(&event), EVENT_INPUT(&event));
}

/* Exactly this one, or several of the same transfer. */
static void an_event(uint64_t type, uint64_t iova)
{
	struct smmu_event event;

	CHECK(smmu_take_event(&event), "no event");
	CHECK(EVENT_TYPE(&event) == type && EVENT_STREAM(&event) == SMMU_STREAM, "event %x",
	      event.word[0]);
	CHECK(EVENT_INPUT(&event) == iova, "event at %x, not %x", EVENT_INPUT(&event), iova);
	while (smmu_take_event(&event))
		CHECK(EVENT_TYPE(&event) == type, "event %x", event.word[0]);
}

static void fill(uint64_t phys, uint64_t bytes)
{
	for (uint64_t i = 0; i < bytes; i++)
		memory(phys)[i] = (unsigned char)random_number();
}

/* What the device has read at `from` it writes at `to`; both map to what is given. */
static void copies(uint64_t from, uint64_t from_phys, uint64_t to, uint64_t to_phys)
{
	fill(from_phys, LINE);
	memset(memory(to_phys), 0, LINE);
	edu_read(from, LINE);
	edu_write(to, LINE);
	no_event();
	CHECK(memcmp(memory(from_phys), memory(to_phys), LINE) == 0, "%x to %x: other bytes", from,
	      to);
	transfers += 2;
}

/* Memory at `phys` stays as it is. */
static void does_not_write(uint64_t iova, uint64_t phys, uint64_t type)
{
	fill(phys, LINE);
	memset(memory(phys), 0x77, LINE);
	edu_write(iova, LINE);
	for (unsigned i = 0; i < LINE; i++)
		CHECK(memory(phys)[i] == 0x77, "%x was written", iova);
	an_event(type, iova);
	transfers++;
}

static void map(uint64_t iova, uint64_t phys, uint64_t size, uint32_t prot)
{
	struct iopgt_mapping mapping = {
		.iova = iova,
		.phys = phys,
		.size = size,
		.prot = prot,
		.memory = IOPGT_WRITE_BACK,
	};
	struct iopgt_op op = {0};
	int err = iopgt_map(&table, &mapping, &op);

	CHECK(err == 0, "map %x: %s", iova, iopgt_strerror(err));
	CHECK(iopgt_op_finish(&op) == 0, "finish");
}

static void change(int (*verb)(struct iopgt_table *, uint64_t, uint64_t, struct iopgt_op *),
                   uint64_t iova, uint64_t size)
{
	struct iopgt_op op = {0};
	int err = verb(&table, iova, size, &op);

	CHECK(err == 0, "%x: %s", iova, iopgt_strerror(err));
	CHECK(iopgt_op_finish(&op) == 0, "finish");
}

static void best_config(uint8_t granule_shift, uint32_t flags, struct iopgt_config *config)
{
	struct iopgt_capabilities can;
	struct iopgt_wishes wishes = {
		.regime = IOPGT_STAGE1_EL1,
		.config_flags = flags,
		.granules = 1u << granule_shift,
		.iova_last = flags & IOPGT_CONFIG_TTBR1 ? ~UINT64_C(0x7fffffffff) : 0x7ffffffffff,
		.phys_last = DATA_PHYS + DATA_BYTES - 1,
	};
	int err;

	smmu_capabilities(&can);
	err = iopgt_best_config(&can, &wishes, config);
	CHECK(err == 0 && config->bbm_level == 2, "%s, level %d", iopgt_strerror(err),
	      config->bbm_level);
}

static void get_words(const struct iopgt_table *of, struct iopgt_registers *words)
{
	struct iopgt_register_inputs inputs = {
		.flags = IOPGT_REGISTERS_ASID16,
		.asid = ASID,
		.context_ptr = smmu_context_descriptor(),
	};
	int err = iopgt_registers(of, &inputs, words);

	CHECK(err == 0, "registers: %s", iopgt_strerror(err));
}

static void open_stream(uint8_t granule_shift, bool with_upper)
{
	struct iopgt_config config;
	struct iopgt_registers words, upper_words;
	int err;

	best_config(granule_shift, 0, &config);
	smmu_init(&smmu, &config, ASID);
	err = iopgt_init(&table, &config, &smmu_hal, &smmu);
	CHECK(err == 0, "init: %s", iopgt_strerror(err));
	get_words(&table, &words);
	if (with_upper) {
		best_config(granule_shift, IOPGT_CONFIG_TTBR1, &upper_config);
		err = iopgt_init(&upper, &upper_config, &smmu_hal, &smmu);
		CHECK(err == 0, "init: %s", iopgt_strerror(err));
		get_words(&upper, &upper_words);
		err = iopgt_registers_both_halves(&words, &upper_words, &words);
		CHECK(err == 0, "both halves: %s", iopgt_strerror(err));
	}
	smmu_set_stream(&words);
}

static void close_stream(bool with_upper)
{
	struct iopgt_finding finding;

	CHECK(iopgt_check(&table, &finding) == 0, "%s at %x", iopgt_rule_text(finding.rule),
	      finding.iova);
	smmu_set_stream(NULL);
	CHECK(smmu_hal.tlb.invalidate_all(&smmu) == 0 && smmu_hal.tlb.sync(&smmu) == 0, "sync");
	CHECK(iopgt_fini(&table) == 0, "fini");
	if (with_upper)
		CHECK(iopgt_fini(&upper) == 0, "fini");
	CHECK(host_tables_in_use() == 0, "%u tables are left", host_tables_in_use());
}

/* Two pages that are neighbours to the device, and not in memory. */
static void pages(uint64_t iova, uint64_t page)
{
	uint64_t first = DATA_PHYS + 3 * page, second = DATA_PHYS + page;

	map(iova, first, page, IOPGT_READ | IOPGT_WRITE);
	map(iova + page, second, page, IOPGT_READ | IOPGT_WRITE);
	copies(iova, first, iova + page, second);
	copies(iova + page + 128, second + 128, iova + page - LINE, first + page - LINE);
	fill(first, page);
	fill(second, page);
	edu_read(iova + 256, 1024);
	edu_write(iova + page - 512, 1024);
	CHECK(memcmp(memory(first + 256), memory(first + page - 512), 512) == 0 &&
	              memcmp(memory(first + 768), memory(second), 512) == 0,
	      "across two pages");
	no_event();
	change(iopgt_unmap, iova, page);
	does_not_write(iova, first, F_TRANSLATION);
	copies(iova + page, second, iova + page + LINE, second + LINE);
	/* Elsewhere now. */
	map(iova, DATA_PHYS + 5 * page, page, IOPGT_READ | IOPGT_WRITE);
	copies(iova + page, second, iova, DATA_PHYS + 5 * page);
	change(iopgt_unmap, iova, 2 * page);
	does_not_write(iova + page, second, F_TRANSLATION);
}

static void permissions(uint64_t iova, uint64_t page)
{
	struct iopgt_op op = {0};

	map(iova, DATA_PHYS, page, IOPGT_READ);
	map(iova + page, DATA_PHYS + page, page, IOPGT_READ | IOPGT_WRITE);
	copies(iova, DATA_PHYS, iova + page, DATA_PHYS + page);
	does_not_write(iova, DATA_PHYS, F_PERMISSION);
	CHECK(iopgt_protect(&table, iova + page, page, IOPGT_READ, &op) == 0 &&
	              iopgt_op_finish(&op) == 0,
	      "protect");
	does_not_write(iova + page, DATA_PHYS + page, F_PERMISSION);
	change(iopgt_unmap, iova, 2 * page);
}

/* The IOTLB keeps what was unmapped until it is told: seen, since else nothing here could fail. */
static void stale_until_invalidated(uint64_t iova, uint64_t page)
{
	map(iova, DATA_PHYS, page, IOPGT_READ | IOPGT_WRITE);
	copies(iova, DATA_PHYS, iova + LINE, DATA_PHYS + LINE);
	smmu.deaf = true;
	change(iopgt_unmap, iova, page);
	smmu.deaf = false;
	copies(iova, DATA_PHYS, iova + LINE, DATA_PHYS + LINE);
	CHECK(smmu_hal.tlb.invalidate_all(&smmu) == 0 && smmu_hal.tlb.sync(&smmu) == 0, "sync");
	does_not_write(iova, DATA_PHYS, F_TRANSLATION);
}

static void leaf_is(uint64_t iova, uint64_t size)
{
	struct iopgt_translation said;

	CHECK(iopgt_translate(&table, iova, &said) == 0 && said.leaf_size == size,
	      "a leaf of %x bytes, not %x", said.leaf_size, size);
}

/* A block or group over the memory for tests; split, merged, cut, removed. */
static void block(uint64_t iova, uint64_t page, uint64_t size)
{
	uint64_t phys = DATA_PHYS & ~(size - 1), window = DATA_PHYS - phys;
	uint64_t room = size < DATA_BYTES ? size : DATA_BYTES;
	uint64_t here = iova + window, last = room - LINE;

	map(iova, phys, size, IOPGT_READ | IOPGT_WRITE);
	leaf_is(iova, size);
	copies(here, DATA_PHYS, here + last, DATA_PHYS + last);
	copies(here + room / 2, DATA_PHYS + room / 2, here + page, DATA_PHYS + page);
	change(iopgt_split_block, here, room);
	leaf_is(here, page);
	copies(here + last, DATA_PHYS + last, here + room / 2, DATA_PHYS + room / 2);
	change(iopgt_merge_page, iova, size);
	leaf_is(iova, size);
	copies(here + page, DATA_PHYS + page, here + last, DATA_PHYS + last);
	change(iopgt_unmap, here + page, page);
	does_not_write(here + page, DATA_PHYS + page, F_TRANSLATION);
	copies(here, DATA_PHYS, here + last, DATA_PHYS + last);
	change(iopgt_unmap, iova, size);
	does_not_write(here + last, DATA_PHYS + last, F_TRANSLATION);
}

static void one_stream(uint8_t granule_shift, bool with_upper)
{
	uint64_t page = UINT64_C(1) << granule_shift, iova, sizes;

	open_stream(granule_shift, with_upper);
	iova = UINT64_C(0x10000000000);
	sizes = iopgt_all_leaf_sizes(&table.config);
	pages(iova, page);
	permissions(iova, page);
	stale_until_invalidated(iova, page);
	for (uint64_t size = 2 * page; size <= GIB(1); size *= 2)
		if (sizes & size)
			block(iova, page, size);
	close_stream(with_upper);
}

int main(void)
{
	topic("SMMU");
	smmu_start();
	edu_start();
	for (uint8_t shift = 12; shift <= 16; shift += 2) {
		one_stream(shift, false);
		one_stream(shift, true);
	}
	say("passed, %u transfers, %u checks\n", transfers, checks);
	return 0;
}
