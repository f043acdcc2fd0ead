/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many invalidations a call may ask for, and which: computed here from the
 * leaves and tables that it changed, in ascending order, by the words of hal.h
 * alone. Ranges that lie at most join_bytes apart are one request; of the leaves in
 * it the smallest is its stride, their level its hint if they have one; walk caches
 * go only where tables went. Past max_ranges requests the whole table is one. What
 * changed nothing asks for nothing, and waits for nothing.
 *
 * And a piece of the input space that is mapped in every way at random.
 */
#ifndef TEST_INVALIDATION_COUNT_H
#define TEST_INVALIDATION_COUNT_H

#include <string.h>

#include "fixture.h"

#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define UNITS         10 /* blocks of the piece */
#define MOST_PAGES    8192
#define MOST_REQUESTS 2048

#define FIRST(f) (4 * block(f))
#define PHYS(f)  (24 * block(f))
#define SIZE(f)  (UNITS * block(f))

/* --- What is to be asked for --- */

/* What is handed to the host: a range, all, or a wait. */
struct request {
	enum host_call call;
	struct iopgt_invalidation range;
};

struct model {
	struct fixture *f;
	struct iopgt_invalidation ranges[MOST_REQUESTS]; /* until the next wait */
	uint64_t count;
	struct request requests[MOST_REQUESTS];
	uint64_t requested;
	unsigned copies; /* of each request: to every walker of a domain one */
};

/* Leaves of one level, or with walk caches a table and what was below it. */
struct change {
	uint64_t first, size;
	int level; /* or IOPGT_NO_LEVEL */
	uint32_t flags;
};

static inline unsigned log2_of(uint64_t size)
{
	unsigned shift = 0;

	while (size >> shift > 1)
		shift++;
	return shift;
}

/* The next change, at a higher address than all before. */
static inline void model_add(struct model *m, struct change change)
{
	bool any = change.level == IOPGT_NO_LEVEL;
	uint8_t stride = (uint8_t)log2_of(any ? granule(m->f) : level_size(m->f, change.level));
	struct iopgt_invalidation *last = &m->ranges[m->count ? m->count - 1 : 0];

	if (m->count && change.first - (last->iova + last->size) <= m->f->host.options.join_bytes) {
		last->size = change.first + change.size - last->iova;
		last->flags |= change.flags;
		if (stride < last->stride_shift)
			last->stride_shift = stride;
		if (last->level != change.level)
			last->level = IOPGT_NO_LEVEL;
		return;
	}
	assert_true(m->count < MOST_REQUESTS);
	m->ranges[m->count++] = (struct iopgt_invalidation){
		.iova = change.first,
		.size = change.size,
		.flags = change.flags,
		.stride_shift = stride,
		.level = (int8_t)change.level,
	};
}

static inline void model_leaf(struct model *m, uint64_t first, uint64_t size, int level)
{
	model_add(m, (struct change){first, size, level, 0});
}

/* A table that mapped this went; its leaves were of any level. */
static inline void model_table(struct model *m, uint64_t first, uint64_t size)
{
	model_add(m, (struct change){first, size, IOPGT_NO_LEVEL, IOPGT_INVALIDATE_WALK_CACHES});
}

static inline void model_start(struct model *m, struct fixture *f)
{
	m->f = f;
	m->count = 0;
	m->requested = 0;
	m->copies = f->options.domain ? f->walker_count : 1;
	host_log_clear(&f->host);
}

static inline void model_request(struct model *m, enum host_call call,
                                 const struct iopgt_invalidation *range)
{
	assert_true(m->requested < MOST_REQUESTS);
	m->requests[m->requested++] =
		(struct request){call, range ? *range : (struct iopgt_invalidation){0}};
}

/* Once all changes of the model are made they are waited for. */
static inline void model_wait(struct model *m)
{
	uint64_t most = m->f->host.options.max_ranges;
	bool all = most && m->count > most;

	for (uint64_t i = 0; i < (all ? most : m->count); i++)
		model_request(m, HOST_RANGE, &m->ranges[i]);
	if (all)
		model_request(m, HOST_ALL, NULL);
	model_request(m, HOST_SYNC, NULL);
	m->count = 0;
}

static inline void expect_request(uint64_t nth, const struct host_event *event,
                                  const struct request *expected)
{
	const struct iopgt_invalidation *got = &event->request, *want = &expected->range;

	if (event->call != expected->call)
		fail_msg("request %" PRIu64 ": call %d, not %d", nth, event->call, expected->call);
	if (got->iova != want->iova || got->size != want->size || got->flags != want->flags ||
	    got->stride_shift != want->stride_shift || got->level != want->level)
		fail_msg("request %" PRIu64 ": 0x%" PRIx64 " + 0x%" PRIx64
		         " flags %u stride %u level %d, not 0x%" PRIx64 " + 0x%" PRIx64
		         " flags %u stride %u level %d",
		         nth, got->iova, got->size, got->flags, got->stride_shift, got->level,
		         want->iova, want->size, want->flags, want->stride_shift, want->level);
}

/* This is all that was handed to the host since model_start, for one finished op. */
static inline void model_expect(struct model *m, const struct iopgt_op *op)
{
	uint64_t seen = 0, waits = 0;

	if (m->count)
		model_wait(m);
	assert_true(host_logged(&m->f->host) <= HOST_LOG);
	for (uint64_t i = 0; i < host_logged(&m->f->host); i++) {
		struct host_event event = {0};

		assert_true(host_event(&m->f->host, i, &event));
		if (event.call != HOST_RANGE && event.call != HOST_ALL && event.call != HOST_SYNC)
			continue;
		if (seen == m->requested * m->copies)
			fail_msg("more than %" PRIu64 " requests", seen);
		expect_request(seen, &event, &m->requests[seen / m->copies]);
		waits += event.call == HOST_SYNC;
		seen++;
	}
	assert_int_equal(seen, m->requested * m->copies);
	assert_int_equal(op->stats.invalidations * m->copies, seen - waits);
	assert_int_equal(op->stats.waits * m->copies, waits);
}

/* --- The piece --- */

enum unit {
	UNIT_HOLE,
	UNIT_BLOCK,
	UNIT_PAGES,  /* all of a table */
	UNIT_SPARSE, /* some of a table */
	UNIT_GROUPS, /* contiguous groups of pages, if there are any */
	UNIT_KINDS,
};

struct piece {
	struct fixture *f;
	struct random *random;
	enum unit units[UNITS];
	bool mapped[UNITS][MOST_PAGES];
	bool marked[UNITS][MOST_PAGES]; /* by the test: written, or as it likes */
	struct model model;
};

static inline uint64_t unit_at(const struct piece *p, unsigned unit)
{
	return FIRST(p->f) + unit * block(p->f);
}

static inline uint64_t unit_pages(const struct piece *p)
{
	return block(p->f) / granule(p->f);
}

static inline void fill(bool *pages, uint64_t first, uint64_t count, bool value)
{
	for (uint64_t i = first; i < first + count; i++)
		pages[i] = value;
}

static inline void map_run(struct piece *p, unsigned unit, uint64_t first, uint64_t count)
{
	uint64_t offset = unit * block(p->f) + first * granule(p->f);

	map(p->f, FIRST(p->f) + offset, PHYS(p->f) + granule(p->f) + offset, count * granule(p->f),
	    RW | IOPGT_CLEAN);
	fill(p->mapped[unit], first, count, true);
}

static inline void map_unit(struct piece *p, unsigned unit)
{
	uint64_t offset = unit * block(p->f), pages = unit_pages(p);
	/* Aligned for a group and not for a block, else for a page alone. */
	uint64_t shift = p->units[unit] == UNIT_GROUPS ? group_size(p->f, 3) : granule(p->f);

	memset(p->mapped[unit], 0, sizeof(p->mapped[unit]));
	memset(p->marked[unit], 0, sizeof(p->marked[unit]));
	if (p->units[unit] == UNIT_HOLE)
		return;
	if (p->units[unit] == UNIT_SPARSE) {
		for (uint64_t at = random_below(p->random, pages / 4); at < pages;) {
			uint64_t count = 1 + random_below(p->random, pages / 4);

			count = count < pages - at ? count : pages - at;
			map_run(p, unit, at, count);
			at += count + 1 + random_below(p->random, pages / 4);
		}
		return;
	}
	if (p->units[unit] == UNIT_BLOCK)
		shift = 0;
	map(p->f, FIRST(p->f) + offset, PHYS(p->f) + shift + offset, block(p->f), RW | IOPGT_CLEAN);
	fill(p->mapped[unit], 0, pages, true);
}

static inline void map_piece(struct piece *p)
{
	bool grouped = p->f->config.leaf_sizes & group_size(p->f, 3);

	for (unsigned unit = 0; unit < UNITS; unit++) {
		p->units[unit] =
			(enum unit)random_below(p->random, grouped ? UNIT_KINDS : UNIT_GROUPS);
		map_unit(p, unit);
	}
}

static inline void unmap_piece(struct piece *p)
{
	unmap(p->f, FIRST(p->f), SIZE(p->f));
}

/* Calls test_run `rounds` times, each on a piece mapped anew, with a seed that is printed. */
static inline void over_pieces(struct fixture *f, unsigned rounds, void (*test_run)(struct piece *))
{
	struct random random = {seed_from_environment("IOPGT_SEED", UINT64_C(0xc0047))};
	struct piece *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	*p = (struct piece){.f = f, .random = &random};
	for (unsigned i = 0; i < rounds; i++) {
		map_piece(p);
		test_run(p);
		check(f);
		unmap_piece(p);
	}
	free(p);
}

/* Size of the leaf that holds a page: a block, a group or the page. */
static inline uint64_t leaf_size(const struct piece *p, unsigned unit)
{
	if (p->units[unit] == UNIT_BLOCK)
		return block(p->f);
	return p->units[unit] == UNIT_GROUPS ? group_size(p->f, 3) : granule(p->f);
}

/*
 * Adds the leaves of which some page is mapped and marked, and which lie wholly in
 * [first, last], to the model; they are not marked any more. Returns how many.
 */
static inline uint64_t model_marked(struct piece *p, uint64_t first, uint64_t last)
{
	uint64_t g = granule(p->f), found = 0;

	for (unsigned unit = 0; unit < UNITS; unit++) {
		uint64_t step = leaf_size(p, unit) / g;
		int level = p->units[unit] == UNIT_BLOCK ? 2 : 3;

		for (uint64_t i = 0; i < unit_pages(p); i += step) {
			uint64_t iova = unit_at(p, unit) + i * g;
			bool marked = false;

			if (iova < first || iova + (step * g - 1) > last)
				continue;
			for (uint64_t page = i; page < i + step; page++)
				marked |= p->mapped[unit][page] && p->marked[unit][page];
			fill(p->marked[unit], i, step, false);
			if (!marked)
				continue;
			model_leaf(&p->model, iova, step * g, level);
			found++;
		}
	}
	return found;
}

/* Writes (or reads) random pages of the piece, in runs. */
static inline void touch_some(struct piece *p, enum walker_access access)
{
	uint64_t runs = random_below(p->random, 24);

	for (uint64_t n = 0; n < runs; n++) {
		unsigned unit = (unsigned)random_below(p->random, UNITS);
		uint64_t pages = unit_pages(p), at = random_below(p->random, pages);
		uint64_t count =
			1 + (random_chance(p->random, 2) ? random_below(p->random, 70) : 0);

		for (; count && at < pages; count--, at++) {
			if (!p->mapped[unit][at])
				continue;
			assert_true(
				access_ok(p->f, 0, unit_at(p, unit) + at * granule(p->f), access));
			p->marked[unit][at] = true;
		}
	}
}

/* An address of the piece; of a unit, or anywhere in one of pages. */
static inline uint64_t random_cut(struct piece *p)
{
	unsigned unit = (unsigned)random_below(p->random, UNITS);
	bool whole = p->units[unit] == UNIT_BLOCK || p->units[unit] == UNIT_GROUPS;

	if (whole || random_chance(p->random, 3))
		return unit_at(p, unit);
	return unit_at(p, unit) + random_below(p->random, unit_pages(p)) * granule(p->f);
}

/* A range that cuts no leaf: [*first, *last]. */
static inline void random_range(struct piece *p, uint64_t *first, uint64_t *last)
{
	uint64_t one = random_cut(p), other = random_cut(p);

	if (random_chance(p->random, 4)) {
		*first = FIRST(p->f);
		*last = FIRST(p->f) + (SIZE(p->f) - 1);
		return;
	}
	*first = one < other ? one : other;
	*last = one == other ? FIRST(p->f) + (SIZE(p->f) - 1) : (one < other ? other : one) - 1;
}

#endif
