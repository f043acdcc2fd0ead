/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What it costs to ask which pages were written: nanoseconds a page, for 4 GiB
 * of 4 KiB pages, beside a plain read of the same leaf tables in the same run.
 *
 * Every run is checked first: the bits must be those of the pages made dirty.
 * Table memory is found through the HAL and its descriptors are written as a
 * walker would (stage 1: DBM is bit 51; AP[2], bit 7, is clear when dirty), with
 * numbers from the architecture, not from the library.
 */
#include <endian.h>
#include <inttypes.h>
#include <iopgt/iopgt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAGE_SHIFT    12
#define TABLE_ENTRIES 512
#define IOVA          UINT64_C(0x100000000)
#define PHYS          UINT64_C(0x8000000000) /* the mapped memory, which nobody touches */
#define MOST_RUNS     15
#define SEED          UINT64_C(0x9E3779B97F4A7C15)

#define DESCRIPTOR_ADDRESS UINT64_C(0x0000FFFFFFFFF000)
#define DESCRIPTOR_DBM     (UINT64_C(1) << 51)
#define DESCRIPTOR_AP2     (UINT64_C(1) << 7)

struct machine {
	struct iopgt_table table;
	uint64_t pages;
	uint64_t **leaf_tables; /* in the order of the addresses they map */
	void **tables;          /* all that the library asked for */
	size_t table_count, table_room;
	uint64_t *expected, *found; /* bitmaps */
	uint64_t random;
};

static void die(const char *what, int error)
{
	fprintf(stderr, "bench_sync: %s: %s\n", what, iopgt_strerror(error));
	exit(1);
}

static void *checked(void *memory)
{
	if (memory == NULL) {
		fputs("bench_sync: out of memory\n", stderr);
		exit(1);
	}
	return memory;
}

/* The host: physical addresses of tables are their virtual ones. */

static void *alloc_table(void *context, uint32_t bytes, uint32_t flags, uint64_t *phys)
{
	struct machine *machine = context;
	void *memory = checked(aligned_alloc(bytes < 64 ? 64 : bytes, bytes));

	(void)flags;
	if (machine->table_count == machine->table_room) {
		machine->table_room = machine->table_room ? 2 * machine->table_room : 64;
		machine->tables =
			checked(realloc(machine->tables, machine->table_room * sizeof(void *)));
	}
	machine->tables[machine->table_count++] = memory;
	memset(memory, 0, bytes);
	*phys = (uintptr_t)memory;
	return memory;
}

/* Kept until the end: `tables` may name it. */
static void free_table(void *context, void *table, uint64_t phys, uint32_t bytes)
{
	(void)context;
	(void)table;
	(void)phys;
	(void)bytes;
}

static void *phys_to_virt(void *context, uint64_t phys, uint32_t bytes)
{
	(void)context;
	(void)bytes;
	return (void *)(uintptr_t)phys;
}

static int invalidate_range(void *context, const struct iopgt_invalidation *request)
{
	(void)context;
	(void)request;
	return 0;
}

static int nothing_to_do(void *context)
{
	(void)context;
	return 0;
}

static const struct iopgt_hal hal = {
	.flags = IOPGT_HAL_LINEAR,
	.alloc_table = alloc_table,
	.free_table = free_table,
	.phys_to_virt = phys_to_virt,
	.tlb = {.invalidate_range = invalidate_range,
                .invalidate_all = nothing_to_do,
                .sync = nothing_to_do},
};

/* The machine: everything mapped in pages, writable-clean. */

/* A leaf table is one whose first descriptor leads to the mapped memory. */
static void find_leaf_tables(struct machine *machine)
{
	uint64_t count = machine->pages / TABLE_ENTRIES, seen = 0;

	machine->leaf_tables = checked(calloc(count, sizeof(uint64_t *)));
	for (size_t i = 0; i < machine->table_count; i++) {
		uint64_t *table = machine->tables[i];
		uint64_t page = ((le64toh(table[0]) & DESCRIPTOR_ADDRESS) - PHYS) >> PAGE_SHIFT;

		if (le64toh(table[0]) != 0 && page < machine->pages) {
			seen += machine->leaf_tables[page / TABLE_ENTRIES] == NULL;
			machine->leaf_tables[page / TABLE_ENTRIES] = table;
		}
	}
	if (seen != count) {
		fprintf(stderr, "bench_sync: %" PRIu64 " leaf tables, not %" PRIu64 "\n", seen,
		        count);
		exit(1);
	}
}

static void map_pages(struct machine *machine)
{
	struct iopgt_op op = {0};
	struct iopgt_mapping mapping = {
		.iova = IOVA,
		.phys = PHYS,
		.size = machine->pages << PAGE_SHIFT,
		.prot = IOPGT_READ | IOPGT_WRITE | IOPGT_CLEAN,
		.memory = IOPGT_WRITE_BACK,
	};
	int error = iopgt_map(&machine->table, &mapping, &op);

	if (error == IOPGT_OK)
		error = iopgt_op_finish(&op);
	if (error != IOPGT_OK)
		die("map", error);
}

static void build(struct machine *machine, uint64_t bytes)
{
	struct iopgt_config config = {
		.regime = IOPGT_STAGE1_EL1,
		.granule_shift = PAGE_SHIFT,
		.input_bits = 48,
		.output_bits = 48,
		.bbm_level = 2,
		.dirty = IOPGT_DIRTY_HARDWARE,
		.leaf_sizes = UINT64_C(1) << PAGE_SHIFT,
	};
	int error;

	memset(machine, 0, sizeof(*machine));
	machine->pages = bytes >> PAGE_SHIFT;
	machine->random = SEED;
	machine->expected = checked(calloc(machine->pages / 64, 8));
	machine->found = checked(calloc(machine->pages / 64, 8));
	error = iopgt_init(&machine->table, &config, &hal, machine);
	if (error != IOPGT_OK)
		die("init", error);
	map_pages(machine);
	find_leaf_tables(machine);
}

static void demolish(struct machine *machine)
{
	int error = iopgt_fini(&machine->table);

	if (error != IOPGT_OK)
		die("fini", error);
	for (size_t i = 0; i < machine->table_count; i++)
		free(machine->tables[i]);
	free(machine->tables);
	free(machine->leaf_tables);
	free(machine->expected);
	free(machine->found);
}

/* Dirty pages. */

static uint64_t random_below(struct machine *machine, uint64_t bound)
{
	uint64_t x = machine->random; /* xorshift64 */

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	machine->random = x;
	return x % bound;
}

static bool bit_is_set(const uint64_t *words, uint64_t bit)
{
	return ((const uint8_t *)words)[bit / 8] >> bit % 8 & 1;
}

static void choose_dirty(struct machine *machine, uint64_t count)
{
	uint8_t *bytes = (uint8_t *)machine->expected;
	bool all = count == machine->pages;

	memset(bytes, all ? 0xFF : 0, machine->pages / 8);
	for (uint64_t chosen = 0; chosen < count && !all;) {
		uint64_t page = random_below(machine, machine->pages);

		chosen += !bit_is_set(machine->expected, page);
		bytes[page / 8] |= (uint8_t)(1u << page % 8);
	}
}

static void check_descriptor(uint64_t descriptor, uint64_t page)
{
	if ((descriptor & DESCRIPTOR_ADDRESS) != PHYS + (page << PAGE_SHIFT) ||
	    !(descriptor & DESCRIPTOR_DBM)) {
		fprintf(stderr, "bench_sync: page %" PRIu64 " has descriptor %#" PRIx64 "\n", page,
		        descriptor);
		exit(1);
	}
}

/* Brings all descriptors to the state that `expected` says, as walkers would. */
static void mark(struct machine *machine)
{
	for (uint64_t page = 0; page < machine->pages; page++) {
		uint64_t *entry = &machine->leaf_tables[page / TABLE_ENTRIES][page % TABLE_ENTRIES];
		uint64_t descriptor = le64toh(*entry);

		check_descriptor(descriptor, page);
		descriptor |= DESCRIPTOR_AP2;
		if (bit_is_set(machine->expected, page))
			descriptor &= ~DESCRIPTOR_AP2;
		*entry = htole64(descriptor);
	}
}

static uint64_t dirty_descriptors(const struct machine *machine)
{
	uint64_t count = 0;

	for (uint64_t page = 0; page < machine->pages; page++)
		count += !(
			le64toh(machine->leaf_tables[page / TABLE_ENTRIES][page % TABLE_ENTRIES]) &
			DESCRIPTOR_AP2);
	return count;
}

/* What is measured. */

static double now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static volatile uint64_t sink;

/* A cache line at a time, in sums that do not wait for each other. */
static double read_tables(const struct machine *machine)
{
	double begin = now_ns();
	uint64_t sums[8] = {0};

	for (uint64_t t = 0; t < machine->pages / TABLE_ENTRIES; t++) {
		const uint64_t *table = machine->leaf_tables[t];

		for (unsigned i = 0; i < TABLE_ENTRIES; i += 8) {
			for (unsigned k = 0; k < 8; k++)
				sums[k] += table[i + k];
		}
	}
	for (unsigned k = 0; k < 8; k++)
		sink += sums[k];
	return now_ns() - begin;
}

typedef int verb_function(struct iopgt_table *table, uint64_t iova, uint64_t size,
                          const struct iopgt_bitmap *bitmap, struct iopgt_op *op);

struct row {
	const char *name;
	verb_function *verb;
	unsigned percent; /* of pages that are dirty */
	bool clears;
};

static const struct row rows[] = {
	{"sync-0%", iopgt_sync_dirty_log, 0, false},
	{"sync-1%", iopgt_sync_dirty_log, 1, false},
	{"sync-100%", iopgt_sync_dirty_log, 100, false},
	{"read-and-clear-0%", iopgt_read_and_clear_dirty, 0, true},
	{"read-and-clear-1%", iopgt_read_and_clear_dirty, 1, true},
	{"read-and-clear-100%", iopgt_read_and_clear_dirty, 100, true},
};

static void check_result(const struct machine *machine, const struct row *row, uint64_t dirty)
{
	if (memcmp(machine->found, machine->expected, machine->pages / 8) != 0) {
		fprintf(stderr, "bench_sync: %s: the bitmap is wrong\n", row->name);
		exit(1);
	}
	if (dirty_descriptors(machine) != (row->clears ? 0 : dirty)) {
		fprintf(stderr, "bench_sync: %s: the table is wrong afterwards\n", row->name);
		exit(1);
	}
}

static double run_verb(struct machine *machine, const struct row *row)
{
	struct iopgt_bitmap bitmap = {machine->found, IOVA, machine->pages, PAGE_SHIFT};
	struct iopgt_op op = {0};
	double begin;
	int error;

	memset(machine->found, 0, machine->pages / 8);
	begin = now_ns();
	error = row->verb(&machine->table, IOVA, machine->pages << PAGE_SHIFT, &bitmap, &op);
	if (error == IOPGT_OK)
		error = iopgt_op_finish(&op);
	begin = now_ns() - begin;
	if (error != IOPGT_OK)
		die(row->name, error);
	return begin;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(struct machine *machine, const struct row *row, unsigned runs)
{
	double verb[MOST_RUNS], plain[MOST_RUNS], pages = (double)machine->pages;
	uint64_t dirty = machine->pages * row->percent / 100;

	choose_dirty(machine, dirty);
	for (unsigned run = 0; run < runs; run++) {
		mark(machine);
		read_tables(machine); /* all caches as full as they get */
		plain[run] = read_tables(machine);
		verb[run] = run_verb(machine, row);
		check_result(machine, row, dirty);
	}
	qsort(verb, runs, sizeof(double), compare);
	qsort(plain, runs, sizeof(double), compare);
	printf("%-20s %9" PRIu64 " %9.3f %9.3f %9.3f %9.3f %8.2f %8.2f\n", row->name, dirty,
	       verb[runs / 2] / pages, verb[0] / pages, plain[runs / 2] / pages, plain[0] / pages,
	       verb[runs / 2] / plain[runs / 2], verb[0] / plain[0]);
	fflush(stdout);
}

static void run_all(uint64_t bytes, unsigned runs, const char *filter)
{
	struct machine machine;

	build(&machine, bytes);
	printf("%" PRIu64 " MiB in pages of 4 KiB: %" PRIu64 " leaf tables; %u runs; seed %#" PRIx64
	       "\n\n",
	       bytes >> 20, machine.pages / TABLE_ENTRIES, runs, SEED);
	printf("%-20s %9s %19s %19s %17s\n", "", "", "ns a page", "plain read of them", "ratio");
	printf("%-20s %9s %9s %9s %9s %9s %8s %8s\n", "", "dirty", "median", "min", "median", "min",
	       "median", "min");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strstr(rows[i].name, filter) != NULL)
			measure(&machine, &rows[i], runs);
	}
	demolish(&machine);
}

static int usage(FILE *to, int status)
{
	fputs("usage: bench_sync [--quick] [ROW]    rows whose names contain ROW:\n", to);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		fprintf(to, "    %s\n", rows[i].name);
	return status;
}

static bool is_known(const char *filter)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strstr(rows[i].name, filter) != NULL)
			return true;
	}
	return false;
}

int main(int count, char **arguments)
{
	const char *filter = "";
	bool quick = false;

	for (int i = 1; i < count; i++) {
		if (strcmp(arguments[i], "--help") == 0)
			return usage(stdout, 0);
		if (strcmp(arguments[i], "--quick") == 0)
			quick = true;
		else if (is_known(arguments[i]) && *filter == 0)
			filter = arguments[i];
		else
			return usage(stderr, 2);
	}
	run_all(UINT64_C(1) << (quick ? 28 : 32), quick ? 7 : MOST_RUNS, filter);
	return 0;
}
