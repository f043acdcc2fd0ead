/* SPDX-License-Identifier: BSD-2-Clause */
#include "host.h"

#include "cpu.h"
#include "runtime.h"

/*
 * Table memory: pieces of 2^n bytes from the pool, and lists of what came back. Under a lock,
 * since two CPUs may ask.
 */
#define POOL_BYTES MIB(24)
#define SIZES      21

static unsigned char pool[POOL_BYTES] __attribute__((section(".pool"), aligned(0x100000)));
static uint64_t pool_used;
static struct free_piece {
	struct free_piece *next;
} * free_pieces[SIZES];
static uint64_t tables_in_use;
static bool pool_lock;

static void lock(void)
{
	while (__atomic_test_and_set(&pool_lock, __ATOMIC_ACQUIRE))
		;
}

static void unlock(void)
{
	__atomic_clear(&pool_lock, __ATOMIC_RELEASE);
}

static unsigned size_class(uint32_t bytes)
{
	unsigned shift = 6;

	while (1u << shift < bytes)
		shift++;
	return shift;
}

static void *take_piece(unsigned shift)
{
	struct free_piece *piece = free_pieces[shift];
	uint64_t bytes = 1u << shift;
	uint64_t begin = (pool_used + bytes - 1) & ~(bytes - 1);

	if (piece) {
		free_pieces[shift] = piece->next;
		return piece;
	}
	if (begin + bytes > POOL_BYTES)
		return NULL;
	pool_used = begin + bytes;
	return pool + begin;
}

static void *alloc_table(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys)
{
	void *table;

	(void)context;
	lock();
	table = take_piece(size_class(bytes));
	tables_in_use += table != NULL;
	unlock();
	if (table && flags & IOPGT_ALLOC_ZERO)
		memset(table, 0, bytes);
	*phys = (uintptr_t)table;
	return table;
}

static void free_table(void *context, void *table, uint64_t phys, uint32_t bytes)
{
	struct free_piece *piece = table;
	unsigned shift = size_class(bytes);

	(void)context;
	(void)phys;
	/* What a walker still uses is then no table: it would show. */
	memset(table, 0x5a, bytes);
	lock();
	piece->next = free_pieces[shift];
	free_pieces[shift] = piece;
	tables_in_use--;
	unlock();
}

uint64_t host_tables_in_use(void)
{
	return tables_in_use;
}

static void interfere(struct host *host)
{
	if (host->interfere)
		host->interfere(host->interfere_context);
}

static void publish(void *context)
{
	interfere(context);
	dsb_ishst();
}

/* docs/registers.md has the table of flags and instructions. */
static void stage1_el1(uint32_t flags, uint64_t operand)
{
	switch (flags) {
	case 0:
		TLBI(0, 3, 1, operand); /* VAE1IS */
		break;
	case IOPGT_TLBI_OPERATION_LEAF:
		TLBI(0, 3, 5, operand); /* VALE1IS */
		break;
	case IOPGT_TLBI_OPERATION_RANGE:
		TLBI(0, 2, 1, operand); /* RVAE1IS */
		break;
	default:
		TLBI(0, 2, 5, operand); /* RVALE1IS */
	}
}

static void stage1_el2(uint32_t flags, uint64_t operand)
{
	switch (flags) {
	case 0:
		TLBI(4, 3, 1, operand); /* VAE2IS */
		break;
	case IOPGT_TLBI_OPERATION_LEAF:
		TLBI(4, 3, 5, operand); /* VALE2IS */
		break;
	case IOPGT_TLBI_OPERATION_RANGE:
		TLBI(4, 2, 1, operand); /* RVAE2IS */
		break;
	default:
		TLBI(4, 2, 5, operand); /* RVALE2IS */
	}
}

static void stage2(uint32_t flags, uint64_t operand)
{
	switch (flags) {
	case 0:
		TLBI(4, 0, 1, operand); /* IPAS2E1IS */
		break;
	case IOPGT_TLBI_OPERATION_LEAF:
		TLBI(4, 0, 5, operand); /* IPAS2LE1IS */
		break;
	case IOPGT_TLBI_OPERATION_RANGE:
		TLBI(4, 0, 2, operand); /* RIPAS2E1IS */
		break;
	default:
		TLBI(4, 0, 6, operand); /* RIPAS2LE1IS */
	}
}

/* All of the table, on this PE. */
static void invalidate_here(uint32_t regime)
{
	uint64_t none = 0;

	if (regime == IOPGT_STAGE1_EL1)
		TLBI(0, 7, 0, none); /* VMALLE1 */
	else if (regime == IOPGT_STAGE1_EL2)
		TLBI(4, 7, 0, none); /* ALLE2 */
	else
		TLBI(4, 7, 4, none); /* ALLE1, since QEMU broadcasts VMALLS12E1 */
}

/*
 * QEMU 7.2 takes a range operation with SCALE 3 and NUM of 15 or more for one of a single
 * granule: the library is to ask for all instead.
 */
#define TOO_MANY_GRANULES (1u << 19)

static int invalidate_range(void *context, const struct iopgt_invalidation *request)
{
	struct host *host = context;
	struct iopgt_tlbi tlbi;
	struct iopgt_tlbi_operation operation;
	int err = iopgt_tlbi_begin(&tlbi, &host->target, request);

	interfere(host);
	if (err || host->fault == HOST_DEAF || host->fault == HOST_COMBINED_ONLY)
		return err;
	if (request->size >> host->config.granule_shift >= TOO_MANY_GRANULES)
		return -1;
	dsb_ishst();
	if (host->fault == HOST_LOCAL) {
		invalidate_here(host->config.regime);
		return 0;
	}
	while (iopgt_tlbi_next(&tlbi, &operation)) {
		host->invalidations++;
		if (host->config.regime == IOPGT_STAGE1_EL1)
			stage1_el1(operation.flags, operation.word[0]);
		else if (host->config.regime == IOPGT_STAGE1_EL2)
			stage1_el2(operation.flags, operation.word[0]);
		else
			stage2(operation.flags, operation.word[0]);
	}
	return 0;
}

static int invalidate_all(void *context)
{
	struct host *host = context;
	struct iopgt_tlbi_operation operation;
	int err = iopgt_tlbi_all(&host->target, &operation);

	interfere(host);
	if (err || host->fault == HOST_DEAF)
		return err;
	dsb_ishst();
	host->invalidations++;
	if (host->fault == HOST_LOCAL)
		invalidate_here(host->config.regime);
	else if (host->config.regime == IOPGT_STAGE1_EL1)
		TLBI(0, 3, 2, operation.word[0]); /* ASIDE1IS */
	else if (host->config.regime == IOPGT_STAGE1_EL2)
		TLBI(4, 3, 0, operation.word[0]); /* ALLE2IS */
	else
		TLBI(4, 3, 6, operation.word[0]); /* VMALLS12E1IS */
	return 0;
}

/* Entries that combine a guest's stage 1 with stage 2 do not obey the stage-2 operations. */
static int sync_walkers(void *context)
{
	struct host *host = context;
	bool combined = host->config.regime == IOPGT_STAGE2 && host->fault != HOST_DEAF &&
	                host->fault != HOST_LOCAL && host->fault != HOST_NOT_COMBINED;
	uint64_t none = 0;

	interfere(host);
	dsb_ish();
	if (combined) {
		TLBI(0, 3, 0, none); /* VMALLE1IS */
		dsb_ish();
	}
	isb();
	return 0;
}

const struct iopgt_hal host_hal = {
	.flags = IOPGT_HAL_LINEAR,
	.alloc_table = alloc_table,
	.free_table = free_table,
	.publish = publish,
	.tlb =
		{
			.invalidate_range = invalidate_range,
			.invalidate_all = invalidate_all,
			.sync = sync_walkers,
		},
};

/* QEMU never reports a conflict abort. */
void host_capabilities(struct iopgt_capabilities *capabilities)
{
	int err = iopgt_capabilities_from_cpu(read_id_mmfr0(), read_id_mmfr1(), read_id_mmfr2(),
	                                      capabilities);

	CHECK(err == 0, "capabilities: %s", iopgt_strerror(err));
	capabilities->flags |= IOPGT_CAN_AVOID_CONFLICTS;
	if ((read_id_isar0() >> 56 & 15) >= 2)
		capabilities->flags |= IOPGT_CAN_RANGE_INVALIDATION;
}

void host_init(struct host *host, const struct iopgt_config *config, uint16_t id)
{
	struct iopgt_capabilities capabilities;

	host_capabilities(&capabilities);
	*host = (struct host){
		.config = *config,
		.target =
			{
				.flags = capabilities.flags & IOPGT_CAN_TTL ? IOPGT_TLBI_TTL : 0,
				.asid = id,
				.vmid = id,
			},
	};
	if (capabilities.flags & IOPGT_CAN_RANGE_INVALIDATION)
		host->target.flags |= IOPGT_TLBI_RANGE;
	host->target.config = &host->config;
}
