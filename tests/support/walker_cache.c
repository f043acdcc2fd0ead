/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a walker remembers: leaf descriptors (TLB) and table descriptors (walk
 * cache), how they leave, and which may not stand beside each other.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "walker_internal.h"

void walker_record(struct walker *walker, const char *format, ...)
{
	va_list arguments;

	if (walker->error[0])
		return;
	va_start(arguments, format);
	vsnprintf(walker->error, sizeof(walker->error), format, arguments);
	va_end(arguments);
}

static bool covers(uint64_t first, unsigned shift, uint64_t iova)
{
	return (iova ^ first) >> shift == 0;
}

/* A group has no translation left where its members were invalidated. */
static bool translates(const struct leaf_entry *entry, uint64_t iova)
{
	return covers(entry->iova, entry->shift, iova) && !is_gone(entry, member_at(entry, iova));
}

struct leaf_entry *cache_find_leaf(struct walker *walker, uint64_t iova)
{
	for (unsigned i = 0; i < walker->leaf_count; i++)
		if (translates(&walker->leaves[i], iova))
			return &walker->leaves[i];
	return NULL;
}

const struct table_entry *cache_find_table(struct walker *walker, uint64_t iova)
{
	const struct table_entry *deepest = NULL;

	if (random_chance(&walker->random, walker->config.from_root_one_in))
		return NULL;
	for (unsigned i = 0; i < walker->table_count; i++) {
		const struct table_entry *entry = &walker->tables[i];

		if (covers(entry->iova, entry->shift, iova) &&
		    (!deepest || entry->level > deepest->level))
			deepest = entry;
	}
	return deepest;
}

static void remove_leaf(struct walker *walker, unsigned i)
{
	walker->leaves[i] = walker->leaves[--walker->leaf_count];
}

static void remove_table(struct walker *walker, unsigned i)
{
	walker->tables[i] = walker->tables[--walker->table_count];
}

void cache_drop_leaf(struct walker *walker, const struct leaf_entry *entry)
{
	for (unsigned i = walker->leaf_count; i-- > 0;)
		if (walker->leaves[i].iova == entry->iova &&
		    walker->leaves[i].shift == entry->shift)
			remove_leaf(walker, i);
}

uint64_t cache_output(const struct walker *walker, const struct leaf_entry *entry, uint64_t iova)
{
	/* What a member of a group says of the whole group (Table D8-104). */
	uint64_t phys = decode_leaf_phys(&walker->config, entry->level, entry->descriptor);

	return (phys >> entry->shift << entry->shift) + (iova - entry->iova);
}

/* Is there an address that both translate? */
static bool overlap(const struct leaf_entry *one, const struct leaf_entry *other)
{
	const struct leaf_entry *large = one->shift > other->shift ? one : other;
	const struct leaf_entry *small = large == one ? other : one;
	unsigned members = 1u << (large->shift - large->step);

	if (!covers(large->iova, large->shift, small->iova))
		return false;
	/* A smaller one lies in one member of the larger one. */
	if (small->shift < large->shift)
		return !is_gone(large, member_at(large, small->iova));
	for (unsigned member = 0; member < members; member++)
		if (!is_gone(large, member) && !is_gone(small, member))
			return true;
	return false;
}

/*
 * Why two entries of one address may not be cached at once; null if they may.
 * R_WHZWS: another output address or attribute needs break-before-make always.
 * Another size does below level 2 (nT entries are never cached), a change of
 * the Contiguous bit at level 0. Permissions, AF and dirty state never do.
 */
static const char *conflict(const struct walker *walker, const struct leaf_entry *one,
                            const struct leaf_entry *other)
{
	const struct walker_config *config = &walker->config;
	uint64_t iova = one->shift < other->shift ? one->iova : other->iova;

	if (cache_output(walker, one, iova) != cache_output(walker, other, iova))
		return "another output address";
	if (decode_attributes(config, one->descriptor) !=
	    decode_attributes(config, other->descriptor))
		return "other attributes";
	if (one->level != other->level && config->bbm_level < 2)
		return "another size";
	if ((one->descriptor ^ other->descriptor) & DESC_CONTIGUOUS && config->bbm_level < 1)
		return "another Contiguous bit";
	return NULL;
}

/* Removes each cached entry that conflicts with `entry`, and records it. */
static enum walker_fault drop_conflicts(struct walker *walker, const struct leaf_entry *entry)
{
	enum walker_fault fault = WALKER_OK;

	for (unsigned i = walker->leaf_count; i-- > 0;) {
		const struct leaf_entry *cached = &walker->leaves[i];
		const char *why;

		if (!overlap(cached, entry))
			continue;
		why = conflict(walker, cached, entry);
		if (!why)
			continue;
		walker_record(walker,
		              "conflict at 0x%" PRIx64 ": %s: cached 0x%" PRIx64
		              " (level %d), now 0x%" PRIx64 " (level %d)",
		              entry->iova, why, cached->descriptor, cached->level,
		              entry->descriptor, entry->level);
		remove_leaf(walker, i);
		fault = WALKER_CONFLICT;
	}
	return fault;
}

static void evict_leaf(struct walker *walker)
{
	if (!walker->leaf_count)
		return;
	remove_leaf(walker, (unsigned)random_below(&walker->random, walker->leaf_count));
	walker->counters.evicted++;
}

static void evict_table(struct walker *walker)
{
	if (!walker->table_count)
		return;
	remove_table(walker, (unsigned)random_below(&walker->random, walker->table_count));
	walker->counters.evicted++;
}

/*
 * Does an older copy of the same leaf stay, stale or not, as hardware's may? If
 * it is a group of which this member is gone, *entry shrinks to the member.
 */
static bool older_stays(const struct walker *walker, struct leaf_entry *entry)
{
	/* A member's place is that of its descriptor in the group. */
	unsigned members = 1u << (entry->shift - entry->step);
	unsigned member = (unsigned)(entry->descriptor_phys / 8) & (members - 1);

	for (unsigned i = 0; i < walker->leaf_count; i++) {
		const struct leaf_entry *cached = &walker->leaves[i];

		if (cached->iova != entry->iova || cached->shift != entry->shift)
			continue;
		if (!is_gone(cached, member))
			return true;
		entry->iova += (uint64_t)member << entry->step;
		entry->shift = entry->step;
		return older_stays(walker, entry);
	}
	return false;
}

enum walker_fault cache_insert_leaf(struct walker *walker, const struct leaf_entry *entry)
{
	struct leaf_entry kept = *entry;
	enum walker_fault fault;

	/* A leaf with nT = 1 is used, but not kept. */
	if (entry->level < LAST_LEVEL && entry->descriptor & DESC_NT)
		return WALKER_OK;
	fault = drop_conflicts(walker, entry);
	if (older_stays(walker, &kept) || !walker->config.tlb_entries)
		return fault;
	if (walker->leaf_count == walker->config.tlb_entries)
		evict_leaf(walker);
	walker->leaves[walker->leaf_count++] = kept;
	return fault;
}

void cache_insert_table(struct walker *walker, const struct table_entry *entry)
{
	if (!walker->config.walk_cache_entries)
		return;
	for (unsigned i = 0; i < walker->table_count; i++) {
		if (walker->tables[i].level != entry->level ||
		    walker->tables[i].iova != entry->iova)
			continue;
		/* A stale copy may stay, or not. */
		if (random_chance(&walker->random, 2))
			walker->tables[i] = *entry;
		return;
	}
	if (walker->table_count == walker->config.walk_cache_entries)
		evict_table(walker);
	walker->tables[walker->table_count++] = *entry;
}

void cache_drop_all(struct walker *walker)
{
	walker->leaf_count = 0;
	walker->table_count = 0;
}

/*
 * One operation at iova + i * stride for each i that stays inside the range:
 * does one of these addresses lie in [first, first + 2^shift)?
 */
static bool is_hit(const struct iopgt_invalidation *request, uint64_t first, unsigned shift)
{
	uint64_t last = first + (BIT64(shift) - 1);
	uint64_t stride_mask, steps;

	if (request->iova > last)
		return false;
	if (request->iova >= first)
		return true;
	if (request->stride_shift > 63)
		return false;
	stride_mask = BIT64(request->stride_shift) - 1;
	steps = (first - request->iova + stride_mask) >> request->stride_shift;
	if (steps > (request->size - 1) >> request->stride_shift)
		return false;
	return request->iova + (steps << request->stride_shift) <= last;
}

/*
 * What has to leave is what one descriptor translates; the Contiguous bit does not
 * make it more, and each page or block of a group wants an operation of its own
 * (R_LQLSD, I_JQPNP). True: nothing of the entry is left.
 */
static bool invalidate(struct leaf_entry *entry, const struct iopgt_invalidation *request)
{
	unsigned members = 1u << (entry->shift - entry->step), left = 0;

	for (unsigned member = 0; member < members; member++) {
		uint64_t first = entry->iova + ((uint64_t)member << entry->step);

		if (is_hit(request, first, entry->step))
			entry->gone[member / 64] |= BIT64(member % 64);
		left += !is_gone(entry, member);
	}
	return left == 0;
}

static void complete_range(struct walker *walker, const struct iopgt_invalidation *request)
{
	for (unsigned i = walker->leaf_count; i-- > 0;) {
		if (request->level != IOPGT_NO_LEVEL && request->level != walker->leaves[i].level)
			continue;
		if (!invalidate(&walker->leaves[i], request))
			continue;
		remove_leaf(walker, i);
		walker->counters.removed++;
	}
	if (!(request->flags & IOPGT_INVALIDATE_WALK_CACHES))
		return;
	for (unsigned i = walker->table_count; i-- > 0;) {
		if (!is_hit(request, walker->tables[i].iova, walker->tables[i].shift))
			continue;
		remove_table(walker, i);
		walker->counters.removed++;
	}
}

/* Completes the nth posted invalidation; the others keep their order. */
static void complete(struct walker *walker, unsigned nth)
{
	struct posted posted = walker->posted[nth];

	walker->posted_count--;
	memmove(&walker->posted[nth], &walker->posted[nth + 1],
	        (walker->posted_count - nth) * sizeof(posted));
	if (posted.atc) {
		ats_invalidate(walker, posted.all ? NULL : &posted.request);
	} else if (posted.all) {
		walker->counters.removed += walker->leaf_count + walker->table_count;
		cache_drop_all(walker);
	} else {
		complete_range(walker, &posted.request);
	}
}

static void complete_early(struct walker *walker)
{
	if (walker->posted_count && random_chance(&walker->random, walker->config.complete_one_in))
		complete(walker, (unsigned)random_below(&walker->random, walker->posted_count));
}

void cache_fate(struct walker *walker)
{
	complete_early(walker);
	if (random_chance(&walker->random, walker->config.evict_one_in)) {
		evict_leaf(walker);
		evict_table(walker);
	}
	if (walker->config.flags & WALKER_ATS)
		ats_fate(walker);
}

/* Its address tells threads apart. */
static _Thread_local char this_thread;

static void post(struct walker *walker, const struct posted *posted)
{
	struct posted *slot;

	if (walker->posted_count == POSTED_MOST)
		complete(walker, 0);
	slot = &walker->posted[walker->posted_count++];
	*slot = *posted;
	slot->poster = &this_thread;
	complete_early(walker);
}

void walker_post_range(struct walker *walker, const struct iopgt_invalidation *request)
{
	pthread_mutex_lock(&walker->mutex);
	walker->counters.ranges++;
	if (request->size)
		post(walker, &(struct posted){.request = *request});
	pthread_mutex_unlock(&walker->mutex);
}

void walker_post_all(struct walker *walker)
{
	pthread_mutex_lock(&walker->mutex);
	walker->counters.alls++;
	post(walker, &(struct posted){.all = true});
	pthread_mutex_unlock(&walker->mutex);
}

void walker_post_atc(struct walker *walker, const struct iopgt_invalidation *request)
{
	struct posted posted = {.all = !request, .atc = true};

	if (request)
		posted.request = *request;
	pthread_mutex_lock(&walker->mutex);
	post(walker, &posted);
	pthread_mutex_unlock(&walker->mutex);
}

void walker_sync(struct walker *walker)
{
	pthread_mutex_lock(&walker->mutex);
	walker->counters.syncs++;
	while (walker->posted_count)
		complete(walker, 0);
	pthread_mutex_unlock(&walker->mutex);
}

void walker_lose_posted(struct walker *walker)
{
	unsigned kept = 0;

	pthread_mutex_lock(&walker->mutex);
	for (unsigned i = 0; i < walker->posted_count; i++)
		if (walker->posted[i].poster != &this_thread)
			walker->posted[kept++] = walker->posted[i];
	walker->posted_count = kept;
	pthread_mutex_unlock(&walker->mutex);
}

void walker_forget(struct walker *walker)
{
	pthread_mutex_lock(&walker->mutex);
	walker->posted_count = 0;
	walker->copy_count = 0;
	walker->late_count = 0;
	cache_drop_all(walker);
	pthread_mutex_unlock(&walker->mutex);
}

bool walker_caches_iova(struct walker *walker, uint64_t iova)
{
	bool cached;

	pthread_mutex_lock(&walker->mutex);
	cached = cache_find_leaf(walker, iova) != NULL || ats_caches(walker, iova);
	pthread_mutex_unlock(&walker->mutex);
	return cached;
}

bool walker_caches_table(struct walker *walker, uint64_t phys, uint64_t bytes)
{
	bool cached = false;

	pthread_mutex_lock(&walker->mutex);
	for (unsigned i = 0; i < walker->leaf_count; i++)
		cached |= walker->leaves[i].descriptor_phys - phys < bytes;
	for (unsigned i = 0; i < walker->table_count; i++)
		cached |= walker->tables[i].table - phys < bytes;
	pthread_mutex_unlock(&walker->mutex);
	return cached;
}
