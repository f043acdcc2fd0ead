/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table against the reference: what a walker finds in memory, what
 * iopgt_translate says, iopgt_check and the counts.
 */
#include <inttypes.h>

#include "stream_private.h"

/*
 * Bit 55: a group whose break-up was begun, and whose entries walkers may still
 * take for all of it. Until that is completed it counts as a group.
 */
static bool is_grouped(const struct walker_leaf *leaf)
{
	return leaf->contiguous || leaf->software & 1;
}

/* From the leaf that was found to the group that it belongs to. */
static void widen_to_group(struct stream *stream, const struct walker *viewer, uint64_t iova,
                           struct walker_leaf *leaf)
{
	struct walker_group group;

	if (!walker_group_at(viewer, iova, &group))
		stream_fail(stream, "a walk to 0x%" PRIx64 " finds a group, and then not", iova);
	if (group.wrong || group.valid < group.entries ||
	    group.contiguous != (leaf->contiguous ? group.entries : 0))
		stream_fail(stream, "group at 0x%" PRIx64 ": %u of %u valid, %u with the bit: %s",
		            iova, group.valid, group.entries, group.contiguous,
		            group.wrong ? group.wrong : "incomplete");
	/* Without hardware that keeps the marks of all in one, entries may not differ. */
	if (stream->config.dirty == IOPGT_DIRTY_SOFTWARE && group.dirty &&
	    group.dirty < group.entries)
		stream_fail(stream, "group at 0x%" PRIx64 ": %u of %u dirty in software", iova,
		            group.dirty, group.entries);
	leaf->leaf_phys -= (iova & ~(leaf->size - 1)) - group.iova;
	leaf->size = group.size;
	leaf->access_flag = group.accessed;
	if (group.dirty)
		leaf->dirty = WALKER_WRITABLE_DIRTY;
}

void stream_spot(struct stream *stream, const struct walker *viewer, uint64_t iova,
                 struct spot *spot)
{
	uint64_t size;

	switch (walker_translate(viewer, iova, &spot->leaf)) {
	case WALKER_OK:
		if (is_grouped(&spot->leaf))
			widen_to_group(stream, viewer, iova, &spot->leaf);
		size = spot->leaf.size;
		break;
	case WALKER_TRANSLATION:
		size = UINT64_C(1) << walker_level_shift(walker_config(viewer), spot->leaf.level);
		break;
	default:
		stream_fail(stream,
		            "a walk to 0x%" PRIx64 " ends with fault %d at level %d: 0x%" PRIx64,
		            iova, spot->leaf.fault, spot->leaf.level, spot->leaf.descriptor);
	}
	spot->first = iova & ~(size - 1);
	spot->last = spot->first + size - 1;
	if (spot->last > stream->space_last)
		spot->last = stream->space_last;
}

bool stream_is_group(const struct stream *stream, const struct spot *spot)
{
	unsigned shift = walker_level_shift(walker_config(stream->probe), spot->leaf.level);

	return spot->leaf.fault == WALKER_OK && spot->leaf.size > UINT64_C(1) << shift;
}

static void check_hole(struct stream *stream, const struct reference_granule *granule,
                       uint64_t iova)
{
	if (reference_has(granule, REFERENCE_MAPPED))
		stream_fail(stream, "0x%" PRIx64 " ought to be mapped", iova);
}

static void check_mapping(struct stream *stream, const struct reference_granule *granule,
                          uint64_t iova, const struct spot *spot)
{
	const struct walker_leaf *leaf = &spot->leaf;
	const struct reference *reference = &stream->reference;
	uint8_t may = reference_may(reference, granule->prot);
	uint8_t sure = reference_sure(reference, granule->prot);

	if (!reference_has(granule, REFERENCE_MAPPED))
		stream_fail(stream, "0x%" PRIx64 " ought not to be mapped", iova);
	if (leaf->leaf_phys + (iova - spot->first) != granule->phys)
		stream_fail(stream, "0x%" PRIx64 " maps to 0x%" PRIx64 ", not 0x%" PRIx64, iova,
		            leaf->leaf_phys + (iova - spot->first), granule->phys);
	if ((leaf->permissions & ~may) || (sure & ~leaf->permissions))
		stream_fail(stream, "0x%" PRIx64 " has permissions 0x%x, not 0x%x", iova,
		            leaf->permissions, sure);
	if (leaf->no_translation)
		stream_fail(stream, "nT is left in the block at 0x%" PRIx64, spot->first);
	if (!stream_leaf_is_kind(stream, leaf, granule->memory, granule->attributes))
		stream_fail(stream,
		            "0x%" PRIx64 " is not of memory type %u, attributes 0x%x: 0x%" PRIx64,
		            iova, granule->memory, granule->attributes, leaf->descriptor);
}

/* Fixes the state where the reference left it open. */
static void check_state(struct stream *stream, struct reference_granule *granule, uint64_t iova,
                        const struct walker_leaf *leaf)
{
	if (reference_is_owed(granule) && leaf->dirty == WALKER_WRITABLE_CLEAN)
		stream_fail(stream, "lost write: 0x%" PRIx64 " was written, but is clean", iova);
	if (!(granule->states >> leaf->dirty & 1))
		stream_fail(stream, "0x%" PRIx64 " has dirty state %d, expected mask 0x%x", iova,
		            leaf->dirty, granule->states);
	if (granule->states & (granule->states - 1))
		granule->states = 1u << leaf->dirty;
	if (granule->accessed && !leaf->access_flag)
		stream_fail(stream, "0x%" PRIx64 " was used, but has lost its access flag", iova);
	granule->accessed = leaf->access_flag;
}

static void check_spot(struct stream *stream, const struct spot *spot, uint64_t first,
                       uint64_t last)
{
	struct reference_steps steps = reference_range(&stream->reference, first, last);

	while (reference_step(&steps)) {
		if (spot->leaf.fault != WALKER_OK) {
			check_hole(stream, steps.granule, steps.iova);
			continue;
		}
		check_mapping(stream, steps.granule, steps.iova, spot);
		check_state(stream, steps.granule, steps.iova, &spot->leaf);
	}
}

static void check_translated(struct stream *stream, const struct spot *spot, uint64_t iova,
                             const struct iopgt_translation *got)
{
	const struct reference_granule *granule = reference_at(&stream->reference, iova);
	static const uint8_t states[] = {IOPGT_LEAF_READ_ONLY, IOPGT_LEAF_CLEAN, IOPGT_LEAF_DIRTY,
	                                 IOPGT_LEAF_UNTRACKED};
	uint32_t attributes = stream_given_back(stream, granule->memory, granule->attributes);

	/* Of a break-up that is not complete nothing is said. */
	bool settled = spot->leaf.contiguous || !is_grouped(&spot->leaf);

	if (got->phys != spot->leaf.leaf_phys + (iova - spot->first) ||
	    (settled && (got->leaf_iova != spot->first || got->leaf_size != spot->leaf.size)) ||
	    got->level != spot->leaf.level)
		stream_fail(stream,
		            "translate 0x%" PRIx64 ": phys 0x%" PRIx64 " leaf 0x%" PRIx64
		            " size 0x%" PRIx64 " level %d",
		            iova, got->phys, got->leaf_iova, got->leaf_size, got->level);
	if (reference_prot(&stream->reference, got->prot) != granule->prot ||
	    got->memory != granule->memory || got->attributes != attributes)
		stream_fail(stream,
		            "translate 0x%" PRIx64
		            ": prot 0x%x not 0x%x, memory %u not %u, attributes 0x%x not 0x%x",
		            iova, got->prot, granule->prot, got->memory, granule->memory,
		            got->attributes, attributes);
	if (settled && got->state != states[spot->leaf.dirty])
		stream_fail(stream, "translate 0x%" PRIx64 ": state %u, not %u", iova, got->state,
		            states[spot->leaf.dirty]);
}

static void check_translate(struct stream *stream, const struct spot *spot, uint64_t iova)
{
	struct iopgt_translation got;
	bool mapped = spot->leaf.fault == WALKER_OK;
	int error = iopgt_translate(stream->table, iova, &got);

	if (error != (mapped ? IOPGT_OK : IOPGT_NOT_MAPPED))
		stream_fail(stream, "translate 0x%" PRIx64 " gave %d", iova, error);
	if (mapped)
		check_translated(stream, spot, iova, &got);
}

static void check_part(struct stream *stream, const struct walker *viewer, uint64_t first,
                       uint64_t last)
{
	struct spot spot;
	uint64_t end;

	do {
		stream_spot(stream, viewer, first, &spot);
		end = spot.last < last ? spot.last : last;
		check_spot(stream, &spot, first, end);
		stream_check_tables(stream, &spot);
		/* One leaf of four, another one each time. */
		if (viewer == stream->probe &&
		    ((first >> stream->config.granule_shift ^ stream->line_count) & 3) == 0)
			check_translate(stream, &spot, first + ((end - first) & 0xabcdef123));
	} while (stream_advance(&first, end, last));
}

void stream_check_range(struct stream *stream, const struct walker *viewer, uint64_t first,
                        uint64_t last)
{
	for (unsigned i = 0; i < stream->reference.window_count; i++) {
		const struct reference_window *window = &stream->reference.windows[i];
		uint64_t from = first > window->first ? first : window->first;
		uint64_t to = last < window->last ? last : window->last;

		if (from <= to)
			check_part(stream, viewer, from, to);
	}
}

void stream_check_around(struct stream *stream, uint64_t first, uint64_t last)
{
	uint64_t mask = stream_largest_leaf(stream) - 1;

	stream_check_range(stream, stream->probe, first & ~mask, last | mask);
}

bool stream_groups_settled(struct stream *stream)
{
	struct reference_steps steps = reference_range(&stream->reference, 0, UINT64_MAX);

	while (reference_step(&steps)) {
		struct walker_leaf leaf;

		if (!walker_translate(stream->probe, steps.iova, &leaf) && is_grouped(&leaf) &&
		    !leaf.contiguous)
			return false;
	}
	return true;
}

bool stream_settled(const struct stream *stream)
{
	for (unsigned op = 0; op < STREAM_OPS; op++)
		if (stream->pending[op])
			return false;
	return true;
}

static void check_counts(struct stream *stream)
{
	struct iopgt_table_usage stats;

	if (iopgt_table_stats(stream->table, &stats) != IOPGT_OK)
		stream_fail(stream, "table_stats failed");
	if (stats.tables != pool_in_use(stream->host.pool))
		stream_fail(stream, "table_stats: %" PRIu64 " tables, allocated are %zu",
		            stats.tables, pool_in_use(stream->host.pool));
	/* The pool counts whole lines, a start table may be smaller. */
	if (stats.bytes > pool_bytes_in_use(stream->host.pool) ||
	    stats.bytes + POOL_LINE < pool_bytes_in_use(stream->host.pool))
		stream_fail(stream, "table_stats: %" PRIu64 " bytes, allocated are %zu",
		            stats.bytes, pool_bytes_in_use(stream->host.pool));
}

void stream_check_all(struct stream *stream)
{
	struct iopgt_finding finding;

	if (iopgt_check(stream->table, &finding) != IOPGT_OK)
		stream_fail(stream, "check: %s at 0x%" PRIx64 " level %d: 0x%" PRIx64,
		            iopgt_rule_text(finding.rule), finding.iova, finding.level,
		            finding.descriptor);
	stream_check_range(stream, stream->probe, stream->space_first, stream->space_last);
	for (unsigned i = 0; i < stream->walker_count; i++)
		if (stream->walkers[i].flags & WALKER_NON_COHERENT)
			stream_check_range(stream, stream->walkers[i].model, stream->space_first,
			                   stream->space_last);
	check_counts(stream);
}

/* The HAL's contract, and what walkers punish. */
void stream_check_host(struct stream *stream, const char *after)
{
	if (host_violations(&stream->host))
		stream_fail(stream, "%s: contract violated: %s", after, stream->host.violation);
	for (unsigned i = 0; i < stream->walker_count; i++) {
		const char *error = walker_error(stream->walkers[i].model);

		if (error)
			stream_fail(stream, "%s: walker %u: %s", after, i, error);
	}
}

static unsigned hole_parent_shift(const struct stream *stream, const struct spot *spot)
{
	return walker_level_shift(walker_config(stream->probe), spot->leaf.level - 1);
}

void stream_check_no_tables(struct stream *stream, uint64_t first, uint64_t last)
{
	struct walker_config config = *walker_config(stream->probe);
	uint64_t iova = first;
	unsigned tables;
	struct spot spot;
	int start;

	walker_start_level(&config, &start, &tables);
	do {
		stream_spot(stream, stream->probe, iova, &spot);
		if (spot.leaf.fault != WALKER_OK && spot.leaf.level > start) {
			uint64_t size = UINT64_C(1) << hole_parent_shift(stream, &spot);
			uint64_t table = iova & ~(size - 1);

			if (table == iova && size - 1 <= last - table &&
			    !reference_count_mapped(&stream->reference, table, table + size - 1))
				stream_fail(stream,
				            "an empty table of level %d is left at 0x%" PRIx64,
				            spot.leaf.level, table);
		}
	} while (stream_advance(&iova, spot.last, last));
}
