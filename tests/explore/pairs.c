/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which verbs may run at once, by the comments of table.h, dirty.h, fault.h and
 * domain.h; and which have, with all of how many placements.
 */
#include "explore.h"

#include <inttypes.h>
#include <stdio.h>

#define VERB(verb) (1u << EXPLORE_##verb)
#define UNMAPS     (VERB(UNMAP) | VERB(UNMAP_DIRTY))
#define MERGES     (VERB(MERGE) | VERB(MERGE_COLD))
#define CHANGES    (VERB(PROTECT) | VERB(SPLIT) | MERGES)
#define SWITCHES   (VERB(SWITCH_ON) | VERB(SWITCH_OFF))
#define HANDLERS   (VERB(WRITE_FAULT) | VERB(ACCESS_FAULT) | VERB(TRANSLATION_FAULT))
#define LOOKS      (VERB(TRANSLATE) | VERB(VISIT) | VERB(DUMP) | HANDLERS)
#define DIRTY_VERBS                                                                                \
	(VERB(SYNC) | VERB(CLEAR) | VERB(READ_AND_CLEAR) | VERB(EACH) | VERB(EACH_CLEAR) |         \
	 VERB(ACCESSED))

/* Why two calls may not meet: the first reason that holds. */
static const char *const reasons[] = {
	"a: domain.h: the caller serialises switch with what maps, unmaps or changes sizes",
	"b: table.h: merge, trim and map know no leaf of which they have a part",
	"c: table.h: for split, merge, protect and switch, parts of one leaf are one range",
	"d: table.h: calls on overlapping ranges are serialised by the caller",
};

static const char *whole_leaves(uint32_t both)
{
	if (both & (VERB(MAP) | MERGES | VERB(TRIM)))
		return reasons[1];
	if (both & LOOKS)
		return NULL;
	return both & (CHANGES | SWITCHES) ? reasons[2] : NULL;
}

const char *explore_excluded(enum explore_verb a, enum explore_verb b,
                             enum explore_relation relation)
{
	uint32_t one = 1u << a, other = 1u << b, both = one | other;
	/* Trim unlinks tables as unmap does. */
	uint32_t read_beside = VERB(MAP) | UNMAPS | VERB(TRIM);

	if (both & SWITCHES && one != other && both & (VERB(MAP) | UNMAPS | CHANGES | VERB(TRIM)))
		return reasons[0];
	if (one & SWITCHES && other & SWITCHES)
		return reasons[0];
	if (relation == EXPLORE_SHARING)
		return whole_leaves(both);
	if (relation == EXPLORE_APART || both & LOOKS)
		return NULL;
	if ((one & DIRTY_VERBS && other & read_beside) ||
	    (other & DIRTY_VERBS && one & read_beside))
		return NULL;
	return reasons[3];
}

/* --- What has met --- */

#define NEVER 0xff

/* By break-before-make level: the most placements of which all were tried, and one more. */
static uint8_t deepest[3][EXPLORE_RELATIONS][EXPLORE_VERBS][EXPLORE_VERBS];

static bool share_leaf(const struct explore_scenario *s)
{
	uint32_t one = s->calls[0].first + s->calls[0].pages - 1, other = s->calls[1].first;
	uint32_t last = s->calls[1].first + s->calls[1].pages - 1, first = s->calls[0].first;

	if (other < first)
		one = last, other = first;
	switch (s->setup) {
	case EXPLORE_GROUPS:
	case EXPLORE_FULL:
		return one / 16 == other / 16 && one >= 16;
	case EXPLORE_BLOCKS:
		return one / 512 == other / 512;
	case EXPLORE_PARTS:
		if (s->parts[0].kind == EXPLORE_GROUP)
			return last - s->parts[0].first < 16;
		return s->parts[0].kind == EXPLORE_BLOCK && last - s->parts[0].first < 512;
	default:
		return false;
	}
}

static enum explore_relation relation_of(const struct explore_scenario *s)
{
	const struct explore_call *one = &s->calls[0], *other = &s->calls[1];

	if (one->pages == EXPLORE_WHOLE || other->pages == EXPLORE_WHOLE)
		return EXPLORE_SAME;
	if (one->first < other->first + other->pages && other->first < one->first + one->pages)
		return EXPLORE_SAME;
	return share_leaf(s) ? EXPLORE_SHARING : EXPLORE_APART;
}

void explore_note_pair(const struct explore *x, uint32_t depth)
{
	const struct explore_scenario *s = x->scenario;
	uint8_t *one, *other;

	if (s->cpus != 2 || s->nth || s->then[0].pages || s->then[1].pages)
		return;
	one = &deepest[x->f->bbm_level][relation_of(s)][s->calls[0].verb][s->calls[1].verb];
	other = &deepest[x->f->bbm_level][relation_of(s)][s->calls[1].verb][s->calls[0].verb];
	if (*one < depth + 1)
		*one = *other = (uint8_t)(depth + 1);
}

/* The least of all levels that were run; NEVER: not at all. */
static unsigned depth_of(unsigned relation, unsigned a, unsigned b)
{
	unsigned least = NEVER;

	for (unsigned level = 0; level < 3; level++)
		if (deepest[level][relation][a][b] && deepest[level][relation][a][b] - 1u < least)
			least = deepest[level][relation][a][b] - 1u;
	return least;
}

static uint32_t print_row(unsigned relation, unsigned a)
{
	uint32_t missing = 0;

	fprintf(stderr, "%26s", explore_verb_text(a));
	for (unsigned b = 0; b <= a; b++) {
		const char *why = explore_excluded(a, b, relation);
		unsigned depth = depth_of(relation, a, b);

		if (depth != NEVER)
			fprintf(stderr, " %2u", depth);
		else
			fprintf(stderr, "  %c", why ? why[0] : '-');
		missing += depth == NEVER && !why;
	}
	fprintf(stderr, "  %u\n", a);
	return missing;
}

uint32_t explore_print_pairs(enum explore_relation relation)
{
	static const char *const texts[] = {"with no leaf in common", "on parts of one leaf",
	                                    "on overlapping ranges"};
	uint32_t missing = 0;

	fprintf(stderr,
	        "Pairs of verbs %s: all placements of up to so many were tried at each "
	        "break-before-make level\n"
	        "(-: none; random ones besides where more would take too long). Excluded:\n",
	        texts[relation]);
	for (unsigned i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		fprintf(stderr, "  %s\n", reasons[i]);
	for (unsigned a = 0; a < EXPLORE_VERBS; a++)
		missing += print_row(relation, a);
	fprintf(stderr, "%26s", "");
	for (unsigned b = 0; b < EXPLORE_VERBS; b++)
		fprintf(stderr, " %2u", b);
	fprintf(stderr, "\n");
	if (missing)
		fprintf(stderr, "%" PRIu32 " pairs have not been run\n", missing);
	return missing;
}
