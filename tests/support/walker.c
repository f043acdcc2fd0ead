/* SPDX-License-Identifier: BSD-2-Clause */
/* Accesses of the walker model: walks, permission checks, updates. */
#include "walker.h"

#include <inttypes.h>
#include <stdlib.h>

#include "walker_internal.h"

#define PROGRESS_TRIES 1000000 /* re-walks of one access before the model is thought broken */

struct walker_config walker_usual(uint64_t seed)
{
	return (struct walker_config){
		.seed = seed,
		.tlb_entries = 64,
		.walk_cache_entries = 16,
		.evict_one_in = 64,
		.complete_one_in = 4,
		.speculate_one_in = 16,
		.from_root_one_in = 4,
		.contiguous_one_in = 2,
		.atc_entries = 32,
		.untranslated_one_in = 8,
		.grant_one_in = 2,
		.late_one_in = 4,
	};
}

static void check_config(const struct walker_config *config)
{
	const uint32_t updates = WALKER_HA | WALKER_HD;
	const char *wrong = NULL;

	if (!walker_start_bytes(config))
		wrong = "impossible stage, granule or sizes";
	else if (!config->pool)
		wrong = "no pool";
	else if (config->bbm_level > 2)
		wrong = "break-before-make level";
	else if ((config->flags & updates) == WALKER_HD)
		wrong = "HD without HA";
	else if (config->flags & WALKER_NON_COHERENT && config->flags & updates)
		wrong = "updates on a non-coherent walk";
	else if ((config->flags & (WALKER_ATS | WALKER_SMMU)) == WALKER_ATS)
		wrong = "ATS without an SMMU";
	if (!wrong)
		return;
	fprintf(stderr, "walker_create: %s\n", wrong);
	abort();
}

static void *allocate(size_t count, size_t bytes)
{
	void *memory = calloc(count ? count : 1, bytes);

	if (!memory)
		abort();
	return memory;
}

struct walker *walker_create(const struct walker_config *config)
{
	struct walker *walker = allocate(1, sizeof(*walker));
	unsigned tables;

	check_config(config);
	walker->config = *config;
	walker_start_level(config, &walker->start_level, &tables);
	walker->random.state = config->seed;
	walker->leaves = allocate(config->tlb_entries, sizeof(*walker->leaves));
	walker->tables = allocate(config->walk_cache_entries, sizeof(*walker->tables));
	walker->copies = allocate(config->atc_entries, sizeof(*walker->copies));
	if (pthread_mutex_init(&walker->mutex, NULL))
		abort();
	return walker;
}

void walker_destroy(struct walker *walker)
{
	pthread_mutex_destroy(&walker->mutex);
	free(walker->leaves);
	free(walker->tables);
	free(walker->copies);
	free(walker);
}

const struct walker_config *walker_config(const struct walker *walker)
{
	return &walker->config;
}

void walker_set_root(struct walker *walker, uint64_t root)
{
	pthread_mutex_lock(&walker->mutex);
	walker->config.root = root;
	pthread_mutex_unlock(&walker->mutex);
}

/* Reads and checks the descriptor of one level into *entry; records sticky errors. */
static enum walker_fault read_level(struct walker *walker, struct leaf_entry *entry)
{
	const struct walker_config *config = &walker->config;
	enum walker_fault fault;
	uint64_t wrong;

	if (!walker_fetch(config, entry->descriptor_phys, &entry->descriptor)) {
		walker_record(walker,
		              "bad table: walk of 0x%" PRIx64 " reads level %d at 0x%" PRIx64
		              ", no live table",
		              entry->iova, entry->level, entry->descriptor_phys);
		return WALKER_BAD_TABLE;
	}
	pool_mark_walked(config->pool, entry->descriptor_phys);
	fault = decode_check(config, entry->level, entry->descriptor, &wrong);
	if (fault == WALKER_RESERVED)
		walker_record(walker,
		              "reserved bits 0x%" PRIx64 " in descriptor 0x%" PRIx64
		              " of level %d at 0x%" PRIx64 ", iova 0x%" PRIx64,
		              wrong, entry->descriptor, entry->level, entry->descriptor_phys,
		              entry->iova);
	return fault;
}

/* One atomic update of a descriptor in memory; false if it no longer was `expected`. */
static bool update_memory(const struct walker *walker, const struct leaf_entry *expected,
                          uint64_t desired)
{
	_Atomic uint64_t *word = pool_word(walker->config.pool, expected->descriptor_phys, false);
	uint64_t old = pool_little_endian(expected->descriptor);

	return word && atomic_compare_exchange_strong(word, &old, pool_little_endian(desired));
}

enum step {
	STEP_DOWN,
	STEP_LEAF,
	STEP_AGAIN,
	STEP_FAULT
};

/* nT, Contiguous bit and access flag of a leaf that was just read. */
static enum step accept_leaf(struct walker *walker, struct leaf_entry *entry,
                             enum walker_fault *fault)
{
	const uint32_t flags = walker->config.flags;

	if (entry->level < LAST_LEVEL && entry->descriptor & DESC_NT &&
	    (flags & (WALKER_NT_FAULTS | WALKER_SMMU)) == WALKER_NT_FAULTS) {
		*fault = WALKER_TRANSLATION;
		return STEP_FAULT;
	}
	if (entry->descriptor & DESC_CONTIGUOUS)
		*fault = group_consider(walker, entry);
	if (*fault != WALKER_OK)
		return STEP_FAULT;
	if (entry->descriptor & DESC_AF)
		return STEP_LEAF;
	if (!(flags & WALKER_HA)) {
		*fault = WALKER_ACCESS_FLAG;
		return STEP_FAULT;
	}
	if (group_is_accessed(walker, entry)) {
		entry->descriptor |= DESC_AF;
		return STEP_LEAF;
	}
	if (!update_memory(walker, entry, entry->descriptor | DESC_AF))
		return STEP_AGAIN;
	walker->counters.access_flag_updates++;
	entry->descriptor |= DESC_AF;
	return STEP_LEAF;
}

/* FEAT_HAFT: the access flag of a table descriptor that was just read. False: it changed. */
static bool accept_table(struct walker *walker, struct leaf_entry *entry)
{
	const uint32_t wanted = WALKER_HAFT | WALKER_HA;
	uint64_t accessed = entry->descriptor | DESC_AF;

	if ((walker->config.flags & wanted) != wanted || entry->descriptor == accessed)
		return true;
	if (!update_memory(walker, entry, accessed))
		return false;
	walker->counters.table_updates++;
	entry->descriptor = accessed;
	return true;
}

/* One level of a walk for `iova`: reads the table at *table. */
static enum step walk_level(struct walker *walker, uint64_t *table, struct leaf_entry *entry,
                            enum walker_fault *fault)
{
	const struct walker_config *config = &walker->config;
	unsigned shift = walker_level_shift(config, entry->level);

	entry->descriptor_phys = decode_slot(walker, entry->level, *table, entry->iova);
	*fault = read_level(walker, entry);
	if (*fault != WALKER_OK)
		return STEP_FAULT;
	if (decode_kind(config, entry->level, entry->descriptor) == DECODE_LEAF) {
		entry->shift = shift;
		entry->step = shift;
		return accept_leaf(walker, entry, fault);
	}
	if (!accept_table(walker, entry))
		return STEP_AGAIN;
	*table = decode_table_phys(config, entry->descriptor);
	entry->level++;
	cache_insert_table(walker, &(struct table_entry){
					   .iova = entry->iova >> shift << shift,
					   .table = *table,
					   .shift = shift,
					   .level = entry->level,
				   });
	return STEP_DOWN;
}

/*
 * A walk, from the root or from a cached table, which may be stale. On a fault
 * *entry says where it ended; else it is the leaf, with AF set, in the TLB.
 */
static enum walker_fault walk(struct walker *walker, uint64_t iova, struct leaf_entry *entry)
{
	enum walker_fault fault = WALKER_OK;
	enum step step = STEP_AGAIN;
	uint64_t table = 0;

	walker->counters.walks++;
	while (step == STEP_AGAIN || step == STEP_DOWN) {
		if (step == STEP_AGAIN) {
			const struct table_entry *from = cache_find_table(walker, iova);

			table = from ? from->table : walker->config.root;
			*entry = (struct leaf_entry){
				.iova = iova,
				.level = from ? from->level : walker->start_level,
			};
		}
		step = walk_level(walker, &table, entry, &fault);
	}
	if (step == STEP_FAULT)
		return fault;
	entry->iova = iova >> entry->shift << entry->shift;
	return cache_insert_leaf(walker, entry);
}

/*
 * A write through a writable-clean copy. The copy is checked against memory and
 * thrown away when memory has changed (R_SGJBL). Returns false: walk again.
 */
static bool make_dirty(struct walker *walker, struct leaf_entry *entry, uint64_t iova)
{
	uint64_t dirty = decode_make_dirty(&walker->config, entry->descriptor);
	struct leaf_entry *cached = cache_find_leaf(walker, iova);
	bool done;

	if (is_group(entry)) {
		done = group_make_dirty(walker, entry, iova);
	} else {
		done = update_memory(walker, entry, dirty);
		walker->counters.dirty_updates += done;
	}
	if (!done) {
		walker->counters.rereads++;
		cache_drop_leaf(walker, entry);
		return false;
	}
	entry->descriptor = dirty;
	if (cached && cached->shift == entry->shift)
		cached->descriptor = dirty;
	return true;
}

/* Finds the leaf for `iova` in the TLB or by a walk. A hit may be compared with memory. */
static enum walker_fault find_leaf(struct walker *walker, uint64_t iova, struct leaf_entry *entry,
                                   bool *cached)
{
	const struct leaf_entry *found = cache_find_leaf(walker, iova);

	*cached = found != NULL;
	if (!found)
		return walk(walker, iova, entry);
	walker->counters.hits++;
	*entry = *found;
	if (random_chance(&walker->random, walker->config.speculate_one_in)) {
		struct leaf_entry other;
		enum walker_fault fault = walk(walker, iova, &other);

		/* Its own faults are of no account, but for errors of the tables. */
		if (fault >= WALKER_RESERVED)
			return fault;
	}
	return WALKER_OK;
}

/* *entry: the leaf that was used, if there is one. */
static enum walker_fault attempt(struct walker *walker, struct walker_result *result,
                                 struct leaf_entry *entry, bool *again)
{
	const struct walker_config *config = &walker->config;
	enum walker_fault fault;

	*again = false;
	*entry = (struct leaf_entry){.level = walker->start_level};
	result->level = entry->level;
	if (!decode_in_range(config, result->iova))
		return WALKER_TRANSLATION;
	fault = find_leaf(walker, result->iova, entry, &result->cached);
	result->level = entry->level;
	result->descriptor = entry->descriptor;
	result->descriptor_phys = entry->descriptor_phys;
	if (fault != WALKER_OK)
		return fault;
	result->size = BIT64(entry->shift);
	if (!decode_permits(config, entry->descriptor, result->access))
		return WALKER_PERMISSION;
	if ((result->access & WALKER_KIND) == WALKER_WRITE &&
	    decode_dirty(config, entry->descriptor) == WALKER_WRITABLE_CLEAN) {
		if (!(config->flags & WALKER_HD))
			return WALKER_PERMISSION;
		*again = !make_dirty(walker, entry, result->iova);
		result->descriptor = entry->descriptor;
	}
	result->phys = cache_output(walker, entry, result->iova);
	return WALKER_OK;
}

/* Through TLB and walks. */
static void translate(struct walker *walker, struct walker_result *result, struct leaf_entry *entry)
{
	unsigned tries = 0;
	bool again;

	do {
		if (tries++ == PROGRESS_TRIES) {
			fprintf(stderr, "walker: no progress at 0x%" PRIx64 "\n", result->iova);
			abort();
		}
		result->fault = attempt(walker, result, entry, &again);
	} while (again);
}

enum walker_fault walker_perform(struct walker *walker, struct walker_result *result)
{
	struct leaf_entry entry;
	bool device;

	walker->counters.accesses++;
	cache_fate(walker);
	device = ats_is_used(walker, result);
	result->translated = device;
	if (!device || !ats_hit(walker, result)) {
		translate(walker, result, &entry);
		if (device)
			ats_keep(walker, &entry, result);
	}
	walker->counters.faults[result->fault]++;
	return result->fault;
}

enum walker_fault walker_access(struct walker *walker, uint64_t iova, uint32_t access,
                                struct walker_result *result)
{
	struct walker_result own = {.iova = iova, .access = access};

	pthread_mutex_lock(&walker->mutex);
	walker_perform(walker, &own);
	pthread_mutex_unlock(&walker->mutex);
	if (result)
		*result = own;
	return own.fault;
}

enum walker_fault walker_prefetch(struct walker *walker, uint64_t iova)
{
	struct leaf_entry entry;
	enum walker_fault fault = WALKER_TRANSLATION;

	pthread_mutex_lock(&walker->mutex);
	if (decode_in_range(&walker->config, iova))
		fault = walk(walker, iova, &entry);
	if (fault >= WALKER_RESERVED)
		walker->counters.faults[fault]++;
	pthread_mutex_unlock(&walker->mutex);
	return fault;
}

void walker_counters(struct walker *walker, struct walker_counters *counters)
{
	pthread_mutex_lock(&walker->mutex);
	*counters = walker->counters;
	pthread_mutex_unlock(&walker->mutex);
}

const char *walker_error(struct walker *walker)
{
	const char *error;

	pthread_mutex_lock(&walker->mutex);
	error = walker->error[0] ? walker->error : NULL;
	pthread_mutex_unlock(&walker->mutex);
	return error;
}

void walker_clear_error(struct walker *walker)
{
	pthread_mutex_lock(&walker->mutex);
	walker->error[0] = '\0';
	pthread_mutex_unlock(&walker->mutex);
}
