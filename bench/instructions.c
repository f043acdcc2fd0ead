/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The main operations, each once, for callgrind to count (scripts/bench
 * --instructions): on 64 MiB of 4 KiB pages, in a table that has nothing but
 * pages of them.
 *
 *     bench_instructions --list    name and pages of each operation, in order
 *     bench_instructions           runs them: each is one call of `measured`
 */
#include <stdlib.h>
#include <string.h>

#include "baseline.h"
#include "space.h"

#define BYTES (UINT64_C(64) << 20)
#define PAGES (BYTES >> PAGE_SHIFT)

struct subject {
	struct space space;
	struct baseline baseline;
	struct iopgt_op op;
	struct baseline_flush flush;
	struct baseline_log log;
	int error;
};

typedef void operation_function(struct subject *s);

struct operation {
	const char *name;
	operation_function *prepare; /* may be null */
	operation_function *run;
	enum pattern pattern;
	unsigned percent; /* of pages that are dirty */
	bool is_mapped;   /* before */
	bool in_blocks;   /* of 2 MiB */
};

/* The library. */

static struct iopgt_bitmap whole_bitmap(struct subject *s)
{
	return (struct iopgt_bitmap){s->space.found, IOVA, PAGES, PAGE_SHIFT};
}

static void map(struct subject *s)
{
	struct iopgt_mapping mapping = {
		.iova = IOVA,
		.phys = PHYS,
		.size = BYTES,
		.prot = IOPGT_READ | IOPGT_WRITE | IOPGT_CLEAN,
		.memory = IOPGT_WRITE_BACK,
	};

	s->error = iopgt_map(&s->space.table, &mapping, &s->op);
}

static void map_pages(struct subject *s)
{
	struct iopgt_mapping mapping = {
		.iova = IOVA,
		.phys = PHYS,
		.size = PAGE_BYTES,
		.prot = IOPGT_READ | IOPGT_WRITE | IOPGT_CLEAN,
		.memory = IOPGT_WRITE_BACK,
	};
	int error = 0;

	for (uint64_t at = 0; at < BYTES; at += PAGE_BYTES) {
		mapping.iova = IOVA + at;
		mapping.phys = PHYS + at;
		error |= iopgt_map(&s->space.table, &mapping, &s->op);
	}
	s->error = error;
}

static void finish(struct subject *s)
{
	if (!s->error)
		s->error = iopgt_op_finish(&s->op);
}

static void unmap(struct subject *s)
{
	s->error = iopgt_unmap(&s->space.table, IOVA, BYTES, &s->op);
	finish(s);
}

static void unmap_pages(struct subject *s)
{
	int error = 0;

	for (uint64_t iova = IOVA; iova < IOVA + BYTES; iova += PAGE_BYTES)
		error |= iopgt_unmap(&s->space.table, iova, PAGE_BYTES, &s->op);
	s->error = error;
	finish(s);
}

static void unmap_dirty(struct subject *s)
{
	struct iopgt_bitmap bitmap = whole_bitmap(s);

	s->error = iopgt_unmap_dirty(&s->space.table, IOVA, BYTES, &bitmap, &s->op);
	finish(s);
}

static void protect(struct subject *s)
{
	s->error = iopgt_protect(&s->space.table, IOVA, BYTES, IOPGT_READ, &s->op);
	finish(s);
}

static void read_dirty(struct subject *s)
{
	struct iopgt_bitmap bitmap = whole_bitmap(s);

	s->error = iopgt_sync_dirty_log(&s->space.table, IOVA, BYTES, &bitmap, &s->op);
}

/* Bit 0 is a page that lies 21 pages before the range: no word begins with a table. */
static void read_shifted(struct subject *s)
{
	struct iopgt_bitmap bitmap = {s->space.found, IOVA - 21 * PAGE_BYTES, PAGES + 21,
	                              PAGE_SHIFT};

	s->error = iopgt_sync_dirty_log(&s->space.table, IOVA, BYTES, &bitmap, &s->op);
}

/* A bit covers 64 KiB. */
static void read_coarse(struct subject *s)
{
	struct iopgt_bitmap bitmap = {s->space.found, IOVA, PAGES / 16, PAGE_SHIFT + 4};

	s->error = iopgt_sync_dirty_log(&s->space.table, IOVA, BYTES, &bitmap, &s->op);
}

static void read_and_clear(struct subject *s)
{
	struct iopgt_bitmap bitmap = whole_bitmap(s);

	s->error = iopgt_read_and_clear_dirty(&s->space.table, IOVA, BYTES, &bitmap, &s->op);
	finish(s);
}

static void give_all(struct subject *s)
{
	memcpy(s->space.found, s->space.expected, PAGES / 8);
}

static void clear_given(struct subject *s)
{
	struct iopgt_bitmap bitmap = whole_bitmap(s);

	s->error = iopgt_clear_dirty_log(&s->space.table, IOVA, BYTES, &bitmap, &s->op);
	finish(s);
}

static int visit_dirty(void *context, uint64_t iova, uint64_t size)
{
	(void)context;
	(void)iova;
	(void)size;
	return 0;
}

static void for_each_dirty(struct subject *s)
{
	struct iopgt_dirty_visitor visitor = {.visit = visit_dirty};

	s->error = iopgt_for_each_dirty(&s->space.table, IOVA, BYTES, &visitor, &s->op);
}

static void accessed(struct subject *s)
{
	struct iopgt_bitmap bitmap = whole_bitmap(s);

	s->error = iopgt_read_and_clear_accessed(&s->space.table, IOVA, BYTES, &bitmap, &s->op);
	finish(s);
}

static void translate(struct subject *s)
{
	const struct iopgt_table *table = &s->space.table;
	struct iopgt_translation translation;
	int error = 0;

	for (uint64_t iova = IOVA; iova < IOVA + BYTES; iova += PAGE_BYTES)
		error |= iopgt_translate(table, iova, &translation);
	s->error = error;
}

__attribute__((noinline)) static int no_translate(const struct iopgt_table *table, uint64_t iova,
                                                  struct iopgt_translation *translation)
{
	__asm__ volatile("" : : "r"(table), "r"(iova), "r"(translation) : "memory");
	return 0;
}

/* What the loop of a call a page costs by itself. */
static void loop(struct subject *s)
{
	const struct iopgt_table *table = &s->space.table;
	struct iopgt_translation translation;
	int error = 0;

	for (uint64_t iova = IOVA; iova < IOVA + BYTES; iova += PAGE_BYTES)
		error |= no_translate(table, iova, &translation);
	s->error = error;
}

static void split(struct subject *s)
{
	s->error = iopgt_split_block(&s->space.table, IOVA, BYTES, &s->op);
	finish(s);
}

static void merge(struct subject *s)
{
	s->error = iopgt_merge_page(&s->space.table, IOVA, BYTES, &s->op);
	finish(s);
}

static void check(struct subject *s)
{
	struct iopgt_finding finding;

	s->error = iopgt_check(&s->space.table, &finding);
}

/* The textbook walker. */

static void baseline_runs_map(struct subject *s)
{
	s->error = baseline_map(&s->baseline, IOVA, PHYS, BYTES);
}

static void baseline_runs_map_pages(struct subject *s)
{
	for (uint64_t offset = 0; offset < BYTES && !s->error; offset += PAGE_BYTES)
		s->error = baseline_map(&s->baseline, IOVA + offset, PHYS + offset, PAGE_BYTES);
}

static void baseline_runs_unmap(struct subject *s)
{
	s->error = baseline_unmap(&s->baseline, IOVA, BYTES, &s->flush);
}

static void baseline_runs_unmap_pages(struct subject *s)
{
	for (uint64_t iova = IOVA; iova < IOVA + BYTES && !s->error; iova += PAGE_BYTES)
		s->error = baseline_unmap(&s->baseline, iova, PAGE_BYTES, &s->flush);
}

static void baseline_runs_read(struct subject *s)
{
	s->error = baseline_dirty(&s->baseline, IOVA, BYTES, &s->log, false);
}

static void baseline_runs_clear(struct subject *s)
{
	s->error = baseline_dirty(&s->baseline, IOVA, BYTES, &s->log, true);
}

static void baseline_runs_translate(struct subject *s)
{
	for (uint64_t iova = IOVA; iova < IOVA + BYTES; iova += PAGE_BYTES) {
		if (baseline_translate(&s->baseline, iova) == 0)
			s->error = IOPGT_NOT_MAPPED;
	}
}

#define MAPPED  .is_mapped = true
#define EMPTY   .is_mapped = false
#define CLUSTER .pattern = PATTERN_CLUSTERED

static const struct operation operations[] = {
	{"read-0%", NULL, read_dirty, .percent = 0, MAPPED},
	{"read-1%", NULL, read_dirty, .percent = 1, MAPPED},
	{"read-1%-clustered", NULL, read_dirty, .percent = 1, MAPPED, CLUSTER},
	{"read-10%", NULL, read_dirty, .percent = 10, MAPPED},
	{"read-10%-clustered", NULL, read_dirty, .percent = 10, MAPPED, CLUSTER},
	{"read-50%", NULL, read_dirty, .percent = 50, MAPPED},
	{"read-50%-clustered", NULL, read_dirty, .percent = 50, MAPPED, CLUSTER},
	{"read-100%", NULL, read_dirty, .percent = 100, MAPPED},
	{"read-10%-shifted", NULL, read_shifted, .percent = 10, MAPPED},
	{"read-10%-coarse", NULL, read_coarse, .percent = 10, MAPPED},
	{"for-each-dirty-10%", NULL, for_each_dirty, .percent = 10, MAPPED},
	{"clear-0%", NULL, read_and_clear, .percent = 0, MAPPED},
	{"clear-1%", NULL, read_and_clear, .percent = 1, MAPPED},
	{"clear-1%-clustered", NULL, read_and_clear, .percent = 1, MAPPED, CLUSTER},
	{"clear-10%", NULL, read_and_clear, .percent = 10, MAPPED},
	{"clear-10%-clustered", NULL, read_and_clear, .percent = 10, MAPPED, CLUSTER},
	{"clear-50%", NULL, read_and_clear, .percent = 50, MAPPED},
	{"clear-50%-clustered", NULL, read_and_clear, .percent = 50, MAPPED, CLUSTER},
	{"clear-100%", NULL, read_and_clear, .percent = 100, MAPPED},
	{"clear-given-10%", give_all, clear_given, .percent = 10, MAPPED},
	{"accessed", NULL, accessed, MAPPED},
	{"map", NULL, map, EMPTY},
	{"map-page", NULL, map_pages, EMPTY},
	{"unmap", NULL, unmap, MAPPED},
	{"unmap-page", NULL, unmap_pages, MAPPED},
	{"unmap-dirty-10%", NULL, unmap_dirty, .percent = 10, MAPPED},
	{"protect", NULL, protect, MAPPED},
	{"translate", NULL, translate, MAPPED},
	{"loop", NULL, loop, MAPPED},
	{"split", NULL, split, MAPPED, .in_blocks = true},
	{"merge", split, merge, MAPPED, .in_blocks = true},
	{"check", NULL, check, MAPPED},
	{"baseline-read-0%", NULL, baseline_runs_read, .percent = 0, MAPPED},
	{"baseline-read-10%", NULL, baseline_runs_read, .percent = 10, MAPPED},
	{"baseline-read-50%", NULL, baseline_runs_read, .percent = 50, MAPPED},
	{"baseline-read-100%", NULL, baseline_runs_read, .percent = 100, MAPPED},
	{"baseline-clear-100%", NULL, baseline_runs_clear, .percent = 100, MAPPED},
	{"baseline-map", NULL, baseline_runs_map, EMPTY},
	{"baseline-map-page", NULL, baseline_runs_map_pages, EMPTY},
	{"baseline-unmap", NULL, baseline_runs_unmap, MAPPED},
	{"baseline-unmap-page", NULL, baseline_runs_unmap_pages, MAPPED},
	{"baseline-translate", NULL, baseline_runs_translate, MAPPED},
};

/* What callgrind counts, callees included. */
__attribute__((noinline)) static void measured(operation_function *run, struct subject *s)
{
	run(s);
	__asm__ volatile("" : : : "memory"); /* no jump in place of the call */
}

static void open_subject(struct subject *s, const struct operation *operation)
{
	struct iopgt_config config = bench_config(PAGE_BYTES | UINT64_C(1) << BLOCK_SHIFT);

	if (!operation->in_blocks)
		config.leaf_sizes = PAGE_BYTES;
	memset(s, 0, sizeof(*s));
	space_open_empty(&s->space, 64, &config);
	s->space.iova = IOVA;
	s->space.pages = PAGES;
	s->space.expected = checked(calloc(PAGES / 64 + 1, 8));
	s->space.found = checked(calloc(PAGES / 64 + 1, 8));
	if (operation->is_mapped)
		space_map(&s->space, IOVA, PHYS, BYTES);
	if (operation->is_mapped && !operation->in_blocks) {
		space_find_tables(&s->space);
		space_choose_dirty(&s->space, operation->percent, operation->pattern);
	}
	baseline_open(&s->baseline, &s->space.arena, s->space.table.root);
	s->log = (struct baseline_log){s->space.found, IOVA, PAGES, PAGE_SHIFT, &s->flush};
}

static void run_operation(const struct operation *operation)
{
	struct subject s;

	open_subject(&s, operation);
	if (operation->prepare)
		operation->prepare(&s);
	if (s.error == 0)
		measured(operation->run, &s);
	finish(&s);
	if (s.error != 0)
		die(operation->name, s.error);
	baseline_close(&s.baseline);
	s.space.table.tables = 0; /* what the baseline took or gave back was not counted */
	space_close(&s.space);
}

int main(int count, char **arguments)
{
	bool list = count == 2 && strcmp(arguments[1], "--list") == 0;

	if (count > 1 && !list) {
		fputs("usage: bench_instructions [--list]\n", stderr);
		return 2;
	}
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		if (list)
			printf("%s %" PRIu64 "\n", operations[i].name, PAGES);
		else
			run_operation(&operations[i]);
	}
	return 0;
}
