/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest.h"

#include <stdlib.h>
#include <string.h>

const struct guest_policy guest_policies[GUEST_POLICIES] = {
	{"eager", IOPGT_SPLIT_EAGER},
	{"none", IOPGT_SPLIT_NONE},
	{"adaptive", IOPGT_SPLIT_ADAPTIVE},
};

static uint64_t guest_bytes(const struct guest *guest)
{
	return guest->blocks << BLOCK_SHIFT;
}

static uint64_t bitmap_words(const struct guest *guest)
{
	return guest->blocks * TABLE_ENTRIES / 64;
}

static void open_domain(struct guest *guest)
{
	struct iopgt_config config = bench_config(PAGE_BYTES | UINT64_C(1) << BLOCK_SHIFT);
	int error = iopgt_domain_init(&guest->domain, &config, &bench_hal, &guest->arena, 0);

	if (error == IOPGT_OK)
		error = iopgt_domain_attach(&guest->domain, &guest->walker);
	if (error != IOPGT_OK)
		die("domain", error);
}

static void close_domain(struct guest *guest)
{
	int error = iopgt_domain_detach(&guest->domain, &guest->walker);

	if (error == IOPGT_OK)
		error = iopgt_domain_fini(&guest->domain);
	if (error != IOPGT_OK)
		die("domain", error);
	if (guest->arena.free_count != guest->arena.count)
		die_text("table memory was not given back");
}

void guest_open(struct guest *guest, uint64_t bytes)
{
	*guest = (struct guest){
		.blocks = bytes >> BLOCK_SHIFT,
		.random = RANDOM_SEED,
		.walker = {.flags = IOPGT_WALKER_DIRTY | IOPGT_WALKER_COHERENT,
	                   .bbm_level = 2,
	                   .input_bits = 48,
	                   .output_bits = 48,
	                   .tlb = &bench_hal.tlb},
	};
	arena_open(&guest->arena, guest->blocks + guest->blocks / 256 + 64);
	guest->written = checked(calloc(bitmap_words(guest), 8));
	guest->found = checked(calloc(bitmap_words(guest), 8));
	open_domain(guest);
}

void guest_close(struct guest *guest)
{
	close_domain(guest);
	arena_close(&guest->arena);
	free(guest->written);
	free(guest->found);
}

void guest_reset(struct guest *guest)
{
	close_domain(guest);
	open_domain(guest);
}

void guest_map(struct guest *guest)
{
	struct iopgt_op op = {0};
	struct iopgt_mapping mapping = {
		.iova = IOVA,
		.phys = PHYS,
		.size = guest_bytes(guest),
		.prot = IOPGT_READ | IOPGT_WRITE,
		.memory = IOPGT_WRITE_BACK,
	};
	int error = iopgt_map(&guest->domain.table, &mapping, &op);

	if (error == IOPGT_OK)
		error = iopgt_op_finish(&op);
	if (error != IOPGT_OK)
		die("map", error);
}

double guest_start(struct guest *guest, enum iopgt_split_policy policy)
{
	struct iopgt_op op = {0};
	struct iopgt_tracking how = {.policy = policy};
	double begin = now_ns();
	int error = iopgt_set_dirty_tracking(&guest->domain, true, &how, &op);

	if (error == IOPGT_OK)
		error = iopgt_op_finish(&op);
	if (error != IOPGT_OK)
		die("start of tracking", error);
	return now_ns() - begin;
}

void guest_write(struct guest *guest, uint64_t block, unsigned pages)
{
	for (; pages; pages--) {
		uint64_t page = block * TABLE_ENTRIES + random_below(&guest->random, TABLE_ENTRIES);
		uint64_t bit = UINT64_C(1) << page % 64;

		if (!walker_write(guest->domain.table.root, IOVA + page * PAGE_BYTES))
			die_text("a write faults");
		guest->written_pages += !(guest->written[page / 64] & bit);
		guest->written[page / 64] |= bit;
	}
}

void guest_forget_written(struct guest *guest)
{
	memset(guest->written, 0, bitmap_words(guest) * 8);
	guest->written_pages = 0;
}

double guest_sync(struct guest *guest, struct iopgt_op *op)
{
	struct iopgt_bitmap bitmap = {guest->found, IOVA, guest->blocks * TABLE_ENTRIES,
	                              PAGE_SHIFT};
	double begin;
	int error;

	memset(guest->found, 0, bitmap_words(guest) * 8);
	begin = now_ns();
	error = iopgt_read_and_clear_dirty(&guest->domain.table, IOVA, guest_bytes(guest), &bitmap,
	                                   op);
	if (error == IOPGT_OK)
		error = iopgt_op_finish(op);
	begin = now_ns() - begin;
	if (error != IOPGT_OK)
		die("read and clear", error);
	for (uint64_t w = 0; w < bitmap_words(guest); w++) {
		if (guest->written[w] & ~guest->found[w])
			die_text("a written page was not reported");
	}
	return begin;
}

double guest_merge(struct guest *guest, struct iopgt_op *op)
{
	double begin = now_ns();
	int error = IOPGT_OK;

	if (guest->domain.how.policy == IOPGT_SPLIT_ADAPTIVE)
		error = iopgt_merge_cold(&guest->domain, IOVA, guest_bytes(guest), op);
	if (error == IOPGT_OK)
		error = iopgt_op_finish(op);
	if (error != IOPGT_OK)
		die("merge", error);
	return now_ns() - begin;
}

uint64_t guest_found_pages(const struct guest *guest)
{
	uint64_t count = 0;

	for (uint64_t w = 0; w < bitmap_words(guest); w++)
		count += (uint64_t)__builtin_popcountll(guest->found[w]);
	return count;
}

uint64_t guest_table_bytes(const struct guest *guest)
{
	struct iopgt_table_usage usage;
	int error = iopgt_table_stats(&guest->domain.table, &usage);

	if (error != IOPGT_OK)
		die("table stats", error);
	return usage.bytes;
}
