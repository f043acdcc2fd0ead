/* SPDX-License-Identifier: BSD-2-Clause */
#include "smmu.h"

#include "cpu.h"
#include "host.h"
#include "runtime.h"

/* Where the virt machine has it, and its registers (IHI 0070 6.3). */
#define SMMU_BASE 0x09050000

enum {
	IDR0 = 0x00,
	IDR3 = 0x0c,
	IDR5 = 0x14,
	CR0 = 0x20,
	CR0ACK = 0x24,
	CR1 = 0x28,
	STRTAB_BASE = 0x80,
	STRTAB_BASE_CFG = 0x88,
	CMDQ_BASE = 0x90,
	CMDQ_PROD = 0x98,
	CMDQ_CONS = 0x9c,
	EVENTQ_BASE = 0xa0,
	EVENTQ_PROD = 0x100a8,
	EVENTQ_CONS = 0x100ac,
};

#define CR0_SMMUEN   (1 << 0)
#define CR0_EVENTQEN (1 << 2)
#define CR0_CMDQEN   (1 << 3)
#define CR1_COHERENT 0xd75 /* queues and tables: inner shareable, write-back */

#define STREAM_BITS 6 /* of a StreamID */
#define QUEUE_BITS  8 /* entries of a queue */

#define CMD_CFGI_STE 0x03
#define CMD_CFGI_CD  0x05
#define CMD_SYNC     0x46
#define CFGI_LEAF    1

static uint64_t stream_table[1 << STREAM_BITS][8] __attribute__((aligned(64 << STREAM_BITS)));
static uint64_t context_descriptor[8] __attribute__((aligned(64)));
static uint64_t commands[1 << QUEUE_BITS][2] __attribute__((aligned(16 << QUEUE_BITS)));
static struct smmu_event events[1 << QUEUE_BITS] __attribute__((aligned(32 << QUEUE_BITS)));

static volatile uint32_t *reg32(uint32_t offset)
{
	return (volatile uint32_t *)(uintptr_t)(SMMU_BASE + offset);
}

static volatile uint64_t *reg64(uint32_t offset)
{
	return (volatile uint64_t *)(uintptr_t)(SMMU_BASE + offset);
}

static uint32_t next_position(uint32_t position)
{
	return (position + 1) & ((2u << QUEUE_BITS) - 1); /* an index, and above it a wrap bit */
}

/* Posts a command. The queue is drained by each sync, so that it is never full. */
static void post(uint64_t word0, uint64_t word1)
{
	uint32_t position = *reg32(CMDQ_PROD);
	uint64_t *command = commands[position & ((1u << QUEUE_BITS) - 1)];

	command[0] = word0;
	command[1] = word1;
	dsb_ishst();
	*reg32(CMDQ_PROD) = next_position(position);
	while (*reg32(CMDQ_CONS) != *reg32(CMDQ_PROD))
		CHECK(*reg32(CMDQ_CONS) >> 24 == 0, "command %x %x: CMDQ_CONS %x", word0, word1,
		      (uint64_t)*reg32(CMDQ_CONS));
}

static void sync_commands(void)
{
	dsb_ish();
	post(CMD_SYNC, 0);
}

void smmu_capabilities(struct iopgt_capabilities *capabilities)
{
	int err = iopgt_capabilities_from_smmu(*reg32(IDR0), *reg32(IDR3), *reg32(IDR5),
	                                       capabilities);

	CHECK(err == 0, "capabilities: %s", iopgt_strerror(err));
}

void smmu_start(void)
{
	*reg32(CR1) = CR1_COHERENT;
	*reg64(STRTAB_BASE) = (uintptr_t)stream_table;
	*reg32(STRTAB_BASE_CFG) = STREAM_BITS;
	*reg64(CMDQ_BASE) = (uintptr_t)commands | QUEUE_BITS;
	*reg64(EVENTQ_BASE) = (uintptr_t)events | QUEUE_BITS;
	*reg32(CR0) = CR0_CMDQEN | CR0_EVENTQEN;
	*reg32(CR0) = CR0_CMDQEN | CR0_EVENTQEN | CR0_SMMUEN;
	while (*reg32(CR0ACK) != *reg32(CR0))
		;
}

uint64_t smmu_context_descriptor(void)
{
	return (uintptr_t)context_descriptor;
}

/* The entry is made invalid, then written with the word that holds V last (3.21.3). */
void smmu_set_stream(const struct iopgt_registers *words)
{
	volatile uint64_t *entry = stream_table[SMMU_STREAM];

	entry[0] = 0;
	dsb_ish();
	post(CMD_CFGI_STE | (uint64_t)SMMU_STREAM << 32, CFGI_LEAF);
	post(CMD_CFGI_CD | (uint64_t)SMMU_STREAM << 32, CFGI_LEAF);
	sync_commands();
	if (!words)
		return;
	for (int i = 7; i >= 0; i--)
		context_descriptor[i] = words->cd[i];
	for (int i = 7; i > 0; i--)
		entry[i] = words->ste[i];
	dsb_ish();
	entry[0] = words->ste[0];
	post(CMD_CFGI_STE | (uint64_t)SMMU_STREAM << 32, CFGI_LEAF);
	sync_commands();
}

bool smmu_take_event(struct smmu_event *event)
{
	uint32_t position = *reg32(EVENTQ_CONS);

	if (position == *reg32(EVENTQ_PROD))
		return false;
	*event = events[position & ((1u << QUEUE_BITS) - 1)];
	*reg32(EVENTQ_CONS) = next_position(position);
	return true;
}

static int invalidate_range(void *context, const struct iopgt_invalidation *request)
{
	struct smmu *smmu = context;
	struct iopgt_tlbi tlbi;
	struct iopgt_tlbi_operation operation;
	int err = iopgt_tlbi_begin(&tlbi, &smmu->target, request);

	if (err || smmu->deaf)
		return err;
	dsb_ish();
	while (iopgt_tlbi_next(&tlbi, &operation)) {
		post(operation.word[0], operation.word[1]);
		smmu->commands++;
	}
	return 0;
}

static int invalidate_all(void *context)
{
	struct smmu *smmu = context;
	struct iopgt_tlbi_operation operation;
	int err = iopgt_tlbi_all(&smmu->target, &operation);

	if (err || smmu->deaf)
		return err;
	dsb_ish();
	post(operation.word[0], operation.word[1]);
	smmu->commands++;
	return 0;
}

static int wait_for_commands(void *context)
{
	(void)context;
	sync_commands();
	return 0;
}

/* Memory as for the PE's own tables: those callbacks look at no context. */
static void *alloc_table(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys)
{
	return host_hal.alloc_table(context, bytes, flags, phys);
}

static void free_table(void *context, void *table, uint64_t phys, uint32_t bytes)
{
	host_hal.free_table(context, table, phys, bytes);
}

static void publish(void *context)
{
	(void)context;
	dsb_ish();
}

const struct iopgt_hal smmu_hal = {
	.flags = IOPGT_HAL_LINEAR,
	.alloc_table = alloc_table,
	.free_table = free_table,
	.publish = publish,
	.tlb =
		{
			.invalidate_range = invalidate_range,
			.invalidate_all = invalidate_all,
			.sync = wait_for_commands,
		},
};

void smmu_init(struct smmu *smmu, const struct iopgt_config *config, uint16_t asid)
{
	struct iopgt_capabilities can;

	smmu_capabilities(&can);
	*smmu = (struct smmu){
		.config = *config,
		.target = {.flags = IOPGT_TLBI_SMMU, .asid = asid},
	};
	smmu->target.config = &smmu->config;
	if (can.flags & IOPGT_CAN_RANGE_INVALIDATION)
		smmu->target.flags |= IOPGT_TLBI_RANGE;
	if (can.flags & IOPGT_CAN_TTL)
		smmu->target.flags |= IOPGT_TLBI_TTL;
}
