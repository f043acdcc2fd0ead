/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ranges, and bitmaps of any base, length and page_shift: the verbs that take them are
 * compared with a reference that goes page by page, and knows leaves by the walker model
 * alone.
 */
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PAGES      12000
#define MOST_WORDS (UINT64_C(1) << 13)

/* A granule, and the leaf or contiguous group that it is in. */
struct page {
	uint64_t iova, phys, leaf, leaf_last;
	bool dirty, accessed;
};

struct pages {
	struct page page[PAGES];
	unsigned count;
};

/* A choice of arguments, which need not be good ones. */
struct question {
	uint64_t iova, size, last;
	struct iopgt_bitmap bitmap;
	uint64_t words; /* that there are */
	uint64_t *before;
};

enum verb {
	SYNC,
	READ,
	CLEAR,
	CLEAR_AGAIN, /* twice as often: it depends on what is given, too */
	READ_AND_CLEAR,
	UNMAP_DIRTY,
	ACCESSED,
	LOOK_ACCESSED,
	VERBS,
};

static struct source source;
static struct iopgt_config config;
static struct test_host host;
static struct iopgt_table table;
static struct walker *oracle, *walker;
static struct pages before, after;

static uint64_t take(uint64_t bound)
{
	return source_below(&source, bound);
}

/* --- A table --- */

static void map_some(void)
{
	for (unsigned count = 1 + (unsigned)take(4); count; count--) {
		struct fuzz_range range = fuzz_choose_range(&source, &config);
		struct iopgt_mapping mapping = {.iova = range.iova,
		                                .size = range.size,
		                                .prot = IOPGT_READ | IOPGT_WRITE,
		                                .memory = IOPGT_WRITE_BACK};
		static const uint32_t more[] = {IOPGT_CLEAN, 0, IOPGT_CLEAN, IOPGT_NO_TRACK};
		struct iopgt_op op = {0};

		if (range.size > 1500 * fuzz_granule(&config))
			mapping.size = 1500 * fuzz_granule(&config);
		mapping.phys = range.iova & (BIT(config.output_bits) - 1);
		mapping.prot |= more[take(4)];
		if (take(8) == 7)
			mapping.prot = IOPGT_READ;
		iopgt_map(&table, &mapping, &op);
		require(iopgt_op_finish(&op) == IOPGT_OK);
		for (unsigned writes = (unsigned)take(8); writes; writes--) {
			uint64_t offset = source_take(&source, 4) % mapping.size;

			walker_access(walker, mapping.iova + offset,
			              WALKER_PRIVILEGED | (take(3) ? WALKER_WRITE : WALKER_READ),
			              NULL);
		}
	}
}

static void set_up(void)
{
	struct host_options options = {.arena_bytes = 16 << 20};
	struct walker_config look, walk;

	fuzz_choose_config(&source, &config);
	config.flags &= ~(uint32_t)IOPGT_CONFIG_TABLE_ACCESS_FLAG;
	options.granule_shift = config.granule_shift;
	options.phys_base = BIT(config.output_bits) - options.arena_bytes;
	options.large_blocks = true;
	options.non_coherent = config.flags & IOPGT_CONFIG_NON_COHERENT;
	host_init(&host, &options);
	require(iopgt_init(&table, &config, &host.hal, &host) == IOPGT_OK);
	look = fuzz_walker(&config, host.pool, table.root_phys);
	look.flags &= ~(uint32_t)WALKER_NON_COHERENT;
	oracle = walker_create(&look);
	walk = fuzz_walker(&config, host.pool, table.root_phys);
	if (config.dirty != IOPGT_DIRTY_NONE)
		walk.flags |= WALKER_HA | WALKER_HD;
	walker = walker_create(&walk);
	map_some();
}

static void tear_down(void)
{
	require(iopgt_fini(&table) == IOPGT_OK);
	require(pool_in_use(host.pool) == 0);
	walker_destroy(oracle);
	walker_destroy(walker);
	host_fini(&host);
}

/* --- The reference --- */

static bool add_pages(void *context, uint64_t iova, const struct walker_leaf *leaf)
{
	uint64_t granule = fuzz_granule(&config);
	struct pages *pages = context;
	struct page page = {.leaf = iova,
	                    .leaf_last = iova + (leaf->size - 1),
	                    .dirty = leaf->dirty == WALKER_WRITABLE_DIRTY,
	                    .accessed = leaf->access_flag};
	struct walker_group group;

	if (leaf->contiguous && walker_group_at(oracle, iova, &group)) {
		page.leaf = group.iova;
		page.leaf_last = group.iova + (group.size - 1);
		page.dirty = group.dirty != 0;
		page.accessed = group.accessed != 0;
	}
	for (uint64_t offset = 0; offset < leaf->size; offset += granule) {
		page.iova = iova + offset;
		page.phys = leaf->leaf_phys + offset;
		if (pages->count == PAGES)
			return false;
		pages->page[pages->count++] = page;
	}
	return true;
}

/* False: there are too many. */
static bool find_pages(struct pages *pages)
{
	pages->count = 0;
	return walker_for_each_leaf(oracle, fuzz_first(&config), fuzz_last(&config), add_pages,
	                            pages);
}

static bool bit_of(const uint64_t *words, uint64_t bit)
{
	return ((const unsigned char *)words)[bit / 8] >> (bit % 8) & 1;
}

static void set_bit(uint64_t *words, uint64_t bit)
{
	((unsigned char *)words)[bit / 8] |= (unsigned char)(1u << (bit % 8));
}

static uint64_t bit_at(const struct question *q, uint64_t iova)
{
	return q->bitmap.page_shift < 64 ? (iova - q->bitmap.base) >> q->bitmap.page_shift : 0;
}

/* --- Questions --- */

static void choose_bitmap(struct question *q)
{
	uint64_t unit, shift = config.granule_shift;

	switch (take(4)) {
	case 0:
		q->bitmap.page_shift = (uint32_t)take(66);
		break;
	case 1:
		q->bitmap.page_shift = (uint32_t)(shift + take(24));
		break;
	case 2:
		q->bitmap.page_shift = (uint32_t)(shift - take(4));
		break;
	default:
		q->bitmap.page_shift = (uint32_t)shift;
	}
	unit = BIT(q->bitmap.page_shift & 63);
	if (unit > fuzz_granule(&config))
		unit = fuzz_granule(&config);
	q->bitmap.base = q->iova;
	if (take(2))
		q->bitmap.base = take(2) ? q->iova - take(1 << 20) * unit : fuzz_number(&source);
	if (take(8) == 7)
		q->bitmap.base += 1 + take(16);
	q->bitmap.bits = bit_at(q, q->last) % UINT64_MAX + 1;
	if (take(3) == 2)
		q->bitmap.bits = take(2) ? fuzz_number(&source) : q->bitmap.bits - 1;
}

static bool question_is_good(const struct question *q, int *error)
{
	uint64_t granule = fuzz_granule(&config), unit;
	const struct iopgt_bitmap *bitmap = &q->bitmap;

	*error = IOPGT_BAD_ALIGNMENT;
	if (q->iova % granule || q->size % granule)
		return false;
	*error = IOPGT_BAD_RANGE;
	if (!q->size || q->iova < fuzz_first(&config) || q->iova > fuzz_last(&config) ||
	    q->size > fuzz_last(&config) - q->iova + 1)
		return false;
	*error = IOPGT_BAD_BITMAP;
	if (bitmap->page_shift > 63)
		return false;
	unit = BIT(bitmap->page_shift) < granule ? BIT(bitmap->page_shift) : granule;
	if (bitmap->base % unit || bitmap->base > q->iova || bit_at(q, q->last) >= bitmap->bits)
		return false;
	*error = IOPGT_OK;
	return true;
}

/* Where something is mapped, or anywhere; or no legal range at all. */
static void choose_question(struct question *q)
{
	struct fuzz_range range = fuzz_choose_range(&source, &config);
	uint64_t granule = fuzz_granule(&config);

	q->iova = range.iova;
	q->size = range.size;
	if (before.count && take(4)) {
		const struct page *page = &before.page[source_take(&source, 2) % before.count];
		uint64_t left;

		q->iova = take(2) ? page->iova : page->leaf;
		left = fuzz_last(&config) - q->iova + 1;
		q->size = take(2) ? granule * (1 + take(700)) : page->leaf_last - page->leaf + 1;
		if (q->size > left)
			q->size = left;
	}
	switch (take(24)) {
	case 21:
		q->iova = fuzz_number(&source);
		break;
	case 22:
		q->size = fuzz_number(&source);
		break;
	case 23:
		q->size = 0;
		break;
	default:
		break;
	}
	q->last = q->iova + (q->size - 1);
	choose_bitmap(q);
}

/* Exactly as many words as the range needs: the rest of a longer bitmap is not touched. */
static bool make_words(struct question *q, bool good)
{
	q->words = good ? bit_at(q, q->last) / 64 + 1 : 1;
	if (q->words > MOST_WORDS)
		return false;
	q->bitmap.words = malloc(q->words * 8);
	q->before = malloc(q->words * 8);
	require(q->bitmap.words && q->before);
	memset(q->bitmap.words, take(2) ? 0xff : 0, q->words * 8);
	for (unsigned count = (unsigned)take(8); count; count--)
		q->bitmap.words[source_take(&source, 3) % q->words] ^= source_take(&source, 8);
	memcpy(q->before, q->bitmap.words, q->words * 8);
	return true;
}

/* --- Answers --- */

static int ask(enum verb verb, const struct question *q, struct iopgt_op *op)
{
	switch (verb) {
	case SYNC:
		return iopgt_sync_dirty_log(&table, q->iova, q->size, &q->bitmap, op);
	case READ:
	case READ_AND_CLEAR:
		op->flags |= verb == READ ? IOPGT_OP_NO_CLEAR : 0;
		return iopgt_read_and_clear_dirty(&table, q->iova, q->size, &q->bitmap, op);
	case CLEAR:
		return iopgt_clear_dirty_log(&table, q->iova, q->size, &q->bitmap, op);
	case UNMAP_DIRTY:
		return iopgt_unmap_dirty(&table, q->iova, q->size, &q->bitmap, op);
	default:
		op->flags |= verb == LOOK_ACCESSED ? IOPGT_OP_NO_CLEAR : 0;
		return iopgt_read_and_clear_accessed(&table, q->iova, q->size, &q->bitmap, op);
	}
}

static bool is_managed(enum verb verb)
{
	if (config.dirty != IOPGT_DIRTY_NONE)
		return true;
	return verb >= ACCESSED && config.flags & IOPGT_CONFIG_ACCESS_FLAG;
}

static bool is_marked(const struct page *page, enum verb verb)
{
	return verb >= ACCESSED ? page->accessed : page->dirty;
}

/* Whether all bits of the page's leaf are given. */
static bool is_given(const struct question *q, const struct page *page)
{
	for (uint64_t bit = bit_at(q, page->leaf); bit <= bit_at(q, page->leaf_last); bit++)
		if (!bit_of(q->before, bit))
			return false;
	return true;
}

static bool is_in(const struct question *q, const struct page *page)
{
	return page->iova >= q->iova && page->iova <= q->last;
}

static bool is_cleaned(const struct question *q, const struct page *page, enum verb verb)
{
	if (page->leaf < q->iova || page->leaf_last > q->last)
		return false;
	if (verb == CLEAR)
		return is_given(q, page);
	return verb == READ_AND_CLEAR || verb == ACCESSED;
}

static void expect_bits(struct question *q, enum verb verb)
{
	uint64_t granule = fuzz_granule(&config);

	for (unsigned i = 0; i < before.count && verb != CLEAR; i++) {
		const struct page *page = &before.page[i];

		if (!is_in(q, page) || !is_marked(page, verb))
			continue;
		for (uint64_t bit = bit_at(q, page->iova);
		     bit <= bit_at(q, page->iova + (granule - 1)); bit++)
			set_bit(q->before, bit);
	}
	for (uint64_t word = 0; word < q->words; word++)
		require_of(q->before[word] == q->bitmap.words[word], q->before[word],
		           q->bitmap.words[word]);
}

/* What is mapped, and dirty or accessed, after it. */
static void expect_pages(const struct question *q, enum verb verb)
{
	unsigned n = 0;

	for (unsigned i = 0; i < before.count; i++) {
		const struct page *old = &before.page[i], *now = &after.page[n];
		bool cleaned = is_cleaned(q, old, verb);

		if (verb == UNMAP_DIRTY && is_in(q, old))
			continue;
		require_of(n++ < after.count, old->iova, verb);
		require_of(now->iova == old->iova && now->phys == old->phys, old->iova, now->iova);
		require_of(now->dirty == (old->dirty && !(cleaned && verb != ACCESSED)), old->iova,
		           verb);
		if (verb != UNMAP_DIRTY) /* split leaves are accessed again */
			require_of(now->accessed ==
			                   (old->accessed && !(cleaned && verb == ACCESSED)),
			           old->iova, verb);
	}
	require_of(n == after.count, n, after.count);
}

static void expect_good(void)
{
	struct iopgt_finding finding;
	int error = iopgt_check(&table, &finding);

	require_of(error == IOPGT_OK, finding.rule, finding.descriptor);
	require(host_is_good(&host));
}

static void try_question(struct question *q, enum verb verb)
{
	int error, expected;
	bool good = question_is_good(q, &expected);
	struct iopgt_op op = {.flags = IOPGT_OP_MAY_BREAK};

	if (!make_words(q, good))
		return;
	error = ask(verb, q, &op);
	require(iopgt_op_finish(&op) == IOPGT_OK);
	if (!is_managed(verb) && error != IOPGT_BAD_ALIGNMENT && error != IOPGT_BAD_RANGE)
		require_result(error, IOPGT_NO_DIRTY, IOPGT_NO_ACCESS_FLAG, IOPGT_BAD_BITMAP);
	else
		require_of(error == expected, -error, -expected);
	require(find_pages(&after));
	if (error == IOPGT_OK) {
		/* First: which bits were given counts, not which are to be set. */
		expect_pages(q, verb);
		expect_bits(q, verb);
	} else {
		require(!memcmp(q->before, q->bitmap.words, q->words * 8));
		require(after.count == before.count &&
		        !memcmp(after.page, before.page, before.count * sizeof(struct page)));
	}
	before = after;
	expect_good();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned rounds = 8;

	source = (struct source){.data = data, .left = size};
	fuzz_describe(&config);
	set_up();
	if (!find_pages(&before))
		rounds = 0; /* there are too many */
	for (; rounds && !source_empty(&source); rounds--) {
		struct question q = {.words = 0};
		enum verb verb;

		choose_question(&q);
		verb = (enum verb)take(VERBS);
		try_question(&q, verb == CLEAR_AGAIN ? CLEAR : verb);
		free(q.bitmap.words);
		free(q.before);
	}
	tear_down();
	return 0;
}
