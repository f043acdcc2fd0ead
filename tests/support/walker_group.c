/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Contiguous groups (D8.7.1, D8.5.5): a walker may take any entry for the whole
 * group, and keep the access flag and dirty state of all in any of them.
 */
#include <inttypes.h>

#include "walker_internal.h"

/* The entries of a group in memory. */
struct members {
	const struct walker_config *config;
	uint64_t slot;  /* physical address of the first descriptor */
	uint64_t first; /* address that it maps */
	unsigned count, step;
	int level;
};

static bool find_members(const struct walker_config *config, const struct leaf_entry *leaf,
                         struct members *members)
{
	unsigned step = walker_level_shift(config, leaf->level);
	unsigned shift = decode_group_shift(config, leaf->level);

	if (!shift)
		return false;
	*members = (struct members){
		.config = config,
		/* A group is aligned in its table (Table D8-104). */
		.slot = leaf->descriptor_phys & ~(BIT64(shift - step + 3) - 1),
		.first = leaf->iova >> shift << shift,
		.count = 1u << (shift - step),
		.step = step,
		.level = leaf->level,
	};
	return true;
}

/* Reads a member; false unless it is a leaf. */
static bool read_member(const struct members *members, unsigned member, uint64_t *descriptor)
{
	return walker_fetch(members->config, members->slot + 8 * member, descriptor) &&
	       decode_kind(members->config, members->level, *descriptor) == DECODE_LEAF;
}

static uint64_t group_phys(const struct members *members, unsigned member, uint64_t descriptor)
{
	return decode_leaf_phys(members->config, members->level, descriptor) -
	       ((uint64_t)member << members->step);
}

static bool is_aligned(const struct members *members, uint64_t phys)
{
	return !(phys & (((uint64_t)members->count << members->step) - 1));
}

/*
 * What is wrong between one member, which has the Contiguous bit, and another
 * leaf. R_QTRPM: a valid entry without the bit; to have it meanwhile is what
 * break-before-make levels 1 and 2 are for (R_KHRBC; IHI 0070 3.21.1.3).
 */
static const char *mismatch(const struct members *members, uint64_t descriptor, uint64_t phys,
                            unsigned member)
{
	const struct walker_config *config = members->config;
	uint64_t other;

	if (!read_member(members, member, &other))
		return NULL;
	if (!(other & DESC_CONTIGUOUS))
		return config->bbm_level ? NULL : "an entry without the Contiguous bit";
	if (group_phys(members, member, other) != phys)
		return "outputs that do not follow each other";
	if (decode_attributes(config, other) != decode_attributes(config, descriptor))
		return "different attributes";
	return NULL;
}

enum walker_fault group_consider(struct walker *walker, struct leaf_entry *entry)
{
	struct members members;
	const char *why = NULL;
	unsigned member;
	uint64_t phys;

	if (!find_members(&walker->config, entry, &members))
		return WALKER_OK;
	member = (unsigned)((entry->iova - members.first) >> members.step);
	phys = group_phys(&members, member, entry->descriptor);
	if (!is_aligned(&members, phys))
		why = "an output that is not aligned to it";
	for (unsigned other = 0; other < members.count && !why; other++)
		if (other != member)
			why = mismatch(&members, entry->descriptor, phys, other);
	if (why) {
		walker_record(walker,
		              "conflict: contiguous group at 0x%" PRIx64
		              " (level %d, seen from 0x%" PRIx64 ") has %s",
		              members.first, entry->level, entry->iova, why);
		return WALKER_CONFLICT;
	}
	if (random_chance(&walker->random, walker->config.contiguous_one_in))
		entry->shift = decode_group_shift(&walker->config, entry->level);
	return WALKER_OK;
}

typedef bool member_test(const struct walker_config *config, uint64_t descriptor);

/* Is there such a member, in memory and of the group? */
static bool any_member(const struct members *members, member_test *has)
{
	uint64_t descriptor;

	for (unsigned member = 0; member < members->count; member++)
		if (read_member(members, member, &descriptor) && descriptor & DESC_CONTIGUOUS &&
		    has(members->config, descriptor))
			return true;
	return false;
}

static bool has_access_flag(const struct walker_config *config, uint64_t descriptor)
{
	(void)config;
	return descriptor & DESC_AF;
}

static bool has_dirty(const struct walker_config *config, uint64_t descriptor)
{
	return decode_dirty(config, descriptor) == WALKER_WRITABLE_DIRTY;
}

bool group_is_accessed(struct walker *walker, const struct leaf_entry *entry)
{
	struct members members;

	return is_group(entry) && find_members(&walker->config, entry, &members) &&
	       random_chance(&walker->random, 2) && any_member(&members, has_access_flag);
}

/*
 * Marks a member, if it still is what the entry says but for its access flag and
 * dirty state (R_SGJBL: the copy is checked against memory).
 */
static bool mark(struct walker *walker, const struct members *members,
                 const struct leaf_entry *entry, unsigned member)
{
	const struct walker_config *config = &walker->config;
	uint64_t phys = cache_output(walker, entry, entry->iova);
	uint64_t descriptor, dirty, old;
	_Atomic uint64_t *word;

	if (!read_member(members, member, &descriptor))
		return false;
	dirty = decode_make_dirty(config, descriptor);
	if (group_phys(members, member, descriptor) != phys || !(descriptor & DESC_CONTIGUOUS) ||
	    decode_attributes(config, descriptor) != decode_attributes(config, entry->descriptor))
		return false;
	if (decode_dirty(config, descriptor) == WALKER_WRITABLE_DIRTY)
		return true;
	if (decode_dirty(config, descriptor) != WALKER_WRITABLE_CLEAN)
		return false;
	word = pool_word(config->pool, members->slot + 8 * member, false);
	old = pool_little_endian(descriptor);
	if (!word || !atomic_compare_exchange_strong(word, &old, pool_little_endian(dirty)))
		return false;
	walker->counters.dirty_updates++;
	return true;
}

bool group_make_dirty(struct walker *walker, const struct leaf_entry *entry, uint64_t iova)
{
	struct members members;
	unsigned source, own, other;
	bool marked = false;

	if (!find_members(&walker->config, entry, &members))
		return false;
	source = (unsigned)((entry->descriptor_phys - members.slot) / 8);
	own = member_at(entry, iova);
	other = (unsigned)random_below(&walker->random, members.count);
	/* R_JKCXG: with one dirty entry no update is asked for. */
	if (random_chance(&walker->random, 2) && any_member(&members, has_dirty))
		return true;
	switch (random_below(&walker->random, 4)) {
	case 0: /* I_QDCMP: the one that became the cached entry */
		return mark(walker, &members, entry, source);
	case 1:
		return mark(walker, &members, entry, own);
	case 2:
		marked = mark(walker, &members, entry, own);
		return mark(walker, &members, entry, other) || marked;
	default:
		for (unsigned member = 0; member < members.count; member++)
			marked |= mark(walker, &members, entry, member);
		return marked;
	}
}

/* --- The oracle --- */

/* Permissions count, access flag and dirty state do not. */
static const char *difference(const struct members *members, uint64_t one, uint64_t other)
{
	const struct walker_config *config = members->config;

	if ((one ^ other) & DESC_CONTIGUOUS)
		return "the Contiguous bit is not in all entries (R_QTRPM)";
	if (!(one & DESC_CONTIGUOUS))
		return NULL;
	if (decode_attributes(config, one) != decode_attributes(config, other))
		return "attributes differ (R_CBXXM)";
	if (decode_make_dirty(config, one & ~DESC_AF) ==
	    decode_make_dirty(config, other & ~DESC_AF))
		return NULL;
	if (decode_permissions(config, one) != decode_permissions(config, other) ||
	    (one ^ other) & (DESC_DBM | DESC_XN | DESC_PXN | DESC_GP))
		return "permissions differ (R_CBXXM)";
	return NULL;
}

static void count_member(struct walker_group *group, const struct members *members,
                         uint64_t descriptor)
{
	group->valid++;
	group->contiguous += (descriptor & DESC_CONTIGUOUS) != 0;
	group->accessed += has_access_flag(members->config, descriptor);
	group->dirty += has_dirty(members->config, descriptor);
}

bool walker_group_at(const struct walker *walker, uint64_t iova, struct walker_group *group)
{
	struct members members;
	struct walker_leaf leaf;
	uint64_t descriptor, phys;

	*group = (struct walker_group){0};
	if (walker_translate(walker, iova, &leaf) != WALKER_OK ||
	    !find_members(&walker->config,
	                  &(struct leaf_entry){
				  .iova = iova,
				  .descriptor_phys = leaf.descriptor_phys,
				  .level = leaf.level,
			  },
	                  &members))
		return false;
	group->iova = members.first;
	group->entries = members.count;
	group->size = (uint64_t)members.count << members.step;
	phys = leaf.leaf_phys - ((iova >> members.step << members.step) - members.first);
	if (leaf.contiguous && !is_aligned(&members, phys))
		group->wrong = "the output is not aligned (Table D8-104)";
	for (unsigned member = 0; member < members.count; member++) {
		if (!read_member(&members, member, &descriptor))
			continue;
		count_member(group, &members, descriptor);
		if (group->wrong)
			continue;
		group->wrong = difference(&members, leaf.descriptor, descriptor);
		if (!group->wrong && leaf.contiguous &&
		    group_phys(&members, member, descriptor) != phys)
			group->wrong = "outputs do not follow each other (R_CBXXM)";
	}
	return true;
}

bool walker_group_is_good(const struct walker *walker, uint64_t iova)
{
	struct walker_group group;
	const char *wrong;

	if (!walker_group_at(walker, iova, &group))
		return true;
	wrong = group.wrong;
	if (!wrong && group.contiguous && group.valid < group.entries)
		wrong = "some entries are invalid";
	if (wrong)
		fprintf(stderr,
		        "contiguous group at 0x%" PRIx64 " (%u of %u valid, %u with the bit): %s\n",
		        group.iova, group.valid, group.entries, group.contiguous, wrong);
	return !wrong;
}
