/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the stream interpreter share. */
#ifndef TEST_STREAM_PRIVATE_H
#define TEST_STREAM_PRIVATE_H

#include <setjmp.h>

#include <iopgt/iopgt.h>

#include "host.h"
#include "reference.h"
#include "source.h"
#include "stream.h"
#include "walker.h"

#define STREAM_OPS     2
#define STREAM_WALKERS 3
#define STREAM_LINES   60
#define STREAM_LINE    200
#define STREAM_RECENT  3
#define STREAM_REPORTS 5  /* the first serves the verbs that are done when they return */
#define STREAM_HOOKED  24 /* accesses in the callbacks of one call */
#define STREAM_WRITES  (2 * STREAM_HOOKED) /* a write may come to a fault that is handled */

struct stream;

struct stream_walker {
	struct stream *stream;
	struct walker *model;
	struct host_walker *posted;     /* in a domain, else null */
	struct iopgt_walker attachment; /* in a domain */
	uint32_t flags;                 /* enum walker_flag */
	bool attached;                  /* it walks */
};

/* One leaf, or what one invalid descriptor covers. Inclusive. */
struct spot {
	uint64_t first, last;
	/*
	 * A contiguous group is one leaf: leaf_phys, size, access_flag and dirty are
	 * those of all of it, accessed or dirty if any entry is.
	 */
	struct walker_leaf leaf;
};

/* A bitmap, and what it ought to be; bit arrays in bytes, bit 0 first. */
struct report {
	struct iopgt_bitmap bitmap;
	uint8_t *before, *must, *may;
	size_t bytes;
	uint64_t first, last; /* the range it was made for */
	unsigned op;          /* bit: kept in this op; 0: free */
};

/* A leaf that was dirty when a dirty verb was called. */
struct dirty_leaf {
	uint64_t first, last;
	bool sure; /* else read-only, and perhaps cleaned since it was written */
};

/* One access of a walker. */
struct access {
	struct stream_walker *walker;
	struct reference_granule *granule; /* null: outside of all windows */
	uint64_t iova;
	uint32_t access; /* enum walker_access */
	struct walker_result result;
};

struct use {
	uint64_t iova;
	bool worked;
};

struct call;

struct verb {
	const char *name;
	/* Sets call->expected, and notes what is there. May be null. */
	void (*expect)(struct stream *stream, struct call *call);
	int (*invoke)(struct stream *stream, struct call *call);
	/* From call->iova to `last` it is done. May be null. */
	void (*done)(struct stream *stream, struct call *call, uint64_t last);
	/* May be null: then a failure changes nothing. */
	void (*failed)(struct stream *stream, struct call *call, int error);
	/* The whole sequence is done, without error. May be null. */
	void (*finished)(struct stream *stream, struct call *call);
	uint32_t flags; /* of enum verb_flag */
};

enum verb_flag {
	VERB_MOVES = 1 << 0,   /* what the range maps to changes while it runs */
	VERB_NO_NEED = 1 << 1, /* works without memory as well */
	VERB_KEEPS = 1 << 2,   /* works for a const table, changes nothing at all */
	VERB_CLEANS = 1 << 3,  /* a dirty verb that cleans what it reports, by its flags */
	VERB_GIVEN = 1 << 4,   /* ... or what is set in the bitmap */
	VERB_RESIZES = 1 << 6, /* splits and merges, or looks whether tables are empty */
	VERB_FRESH =
		1 << 5, /* nothing of its range may be cached: finish before it is tried again */
	VERB_AGES = 1 << 7, /* clears access flags */
};

/* A call, or a sequence of calls by budget, or an iopgt_op_finish. */
struct call {
	const struct verb *verb;
	struct iopgt_op *op;
	uint64_t start;               /* of the whole sequence */
	uint64_t iova, last;          /* what is left of it, inclusive */
	struct iopgt_mapping mapping; /* map; its prot for protect */
	struct report *report;
	void *more; /* of the verb's own */
	struct iopgt_stats before;
	uint64_t boundary; /* unmap, protect: bytes from iova to what cannot be split */
	struct use wrote[STREAM_WRITES]; /* or made writable: worked is false */
	struct use uses[STREAM_HOOKED];
	unsigned wrote_count, use_count, hooked;
	unsigned op_bit;
	unsigned pieces;       /* calls that returned AGAIN */
	int expected, also;    /* what it may return if the host does not fail */
	uint32_t failures;     /* bit n: enum host_call n failed in this call */
	uint32_t all_failures; /* in the sequence */
	bool on;               /* of tracking verbs */
	bool owed_before;      /* the op owed something already */
};

struct stream {
	struct test_host host; /* first: the context of the HAL, for our own callbacks */
	struct iopgt_hal hal;
	struct iopgt_tlb_ops walker_tlb;
	struct source source;
	const struct stream_options *options;
	struct stream_result *result;

	struct iopgt_config config;
	struct iopgt_domain *domain; /* null: a bare table */
	struct iopgt_table *table;
	struct iopgt_domain domain_storage;
	struct iopgt_table table_storage[2]; /* one for the next iopgt_open */
	bool table_is_up;
	uint32_t policy, max_splits, domain_flags;
	uint64_t leaf_sizes; /* what the table can use */
	struct stream_walker walkers[STREAM_WALKERS];
	unsigned walker_count;
	struct walker *probe; /* walks memory as it is, caches nothing */
	struct reference reference;
	uint64_t space_first, space_last; /* the input space, inclusive */
	bool large;                       /* windows of many granules */
	uint64_t phys_base[REFERENCE_WINDOWS];

	struct iopgt_op ops[STREAM_OPS];
	bool pending[STREAM_OPS];
	struct report reports[STREAM_REPORTS];
	struct dirty_leaf *dirty;
	size_t dirty_count, dirty_room;
	struct {
		uint64_t iova, last;
	} recent[STREAM_RECENT];
	unsigned recent_count;

	struct call *call; /* that runs now */
	bool hooking;
	bool calm;      /* the host does not fail */
	bool armed;     /* it is about to */
	bool unsettled; /* it failed a verb: tables may be marked, to be invalidated once more */
	unsigned hook_one_in;

	char lines[STREAM_LINES][STREAM_LINE];
	uint64_t line_count;
	jmp_buf failed;
};

/* stream.c */
void stream_fail(struct stream *stream, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));
void stream_note(struct stream *stream, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static inline uint64_t stream_below(struct stream *stream, uint64_t bound)
{
	return source_below(&stream->source, bound);
}

static inline bool stream_chance(struct stream *stream, unsigned one_in)
{
	return source_chance(&stream->source, one_in);
}

static inline uint64_t stream_granule(const struct stream *stream)
{
	return UINT64_C(1) << stream->config.granule_shift;
}

static inline bool stream_is_aarch32(const struct stream *stream)
{
	return stream->config.regime == IOPGT_STAGE1_AARCH32 ||
	       stream->config.regime == IOPGT_STAGE2_AARCH32;
}

static inline bool stream_is_stage2(const struct stream *stream)
{
	return stream->config.regime == IOPGT_STAGE2 ||
	       stream->config.regime == IOPGT_STAGE2_AARCH32;
}

/* Stage 1 with two privilege levels. */
static inline bool stream_has_levels(const struct stream *stream)
{
	return stream->config.regime == IOPGT_STAGE1_EL1 ||
	       stream->config.regime == IOPGT_STAGE1_AARCH32;
}

/*
 * To what comes after `done`, up to and including `last`: while (stream_advance()).
 * The last address may be that of the 64-bit space.
 */
static inline bool stream_advance(uint64_t *iova, uint64_t done, uint64_t last)
{
	*iova = done + 1;
	return done < last;
}

/* stream_choose.c: stream->config, and what follows from it. */
void stream_choose_config(struct stream *stream);

/* stream_config.c */
struct walker_config stream_walker_base(const struct stream *stream);
void stream_set_up(struct stream *stream);
void stream_tear_down(struct stream *stream); /* of whatever there is */

/* stream_windows.c: where the stream works. */
void stream_choose_windows(struct stream *stream);
void stream_choose_range(struct stream *stream, struct call *call);
void stream_choose_window_range(struct stream *stream, struct call *call);
void stream_choose_map_range(struct stream *stream, struct call *call);
uint64_t stream_choose_address(struct stream *stream);
void stream_remember(struct stream *stream, const struct call *call);
uint64_t stream_choose_phys(struct stream *stream, const struct call *call);
uint64_t stream_largest_leaf(const struct stream *stream); /* bytes */

/* stream_hal.c: callbacks around those of the host. */
void stream_wrap_hal(struct stream *stream);

/* stream_call.c */
struct call stream_call(struct stream *stream, const struct verb *verb);
void stream_perform(struct stream *stream, struct call *call);
void stream_set_budget(struct stream *stream, struct call *call);
void stream_finish(struct stream *stream, unsigned op);
void stream_finish_all(struct stream *stream);
/* Leaves there may have turned dirty behind the reference's back. */
void stream_soften(struct stream *stream, uint64_t first, uint64_t last);

/* stream_walk.c */
void stream_access(struct stream *stream, struct stream_walker *walker, uint64_t iova,
                   uint32_t access);
void stream_random_access(struct stream *stream, uint64_t first, uint64_t last);
void stream_burst(struct stream *stream);
void stream_hook(struct stream *stream); /* in a callback */
/* In the range of a call that changes what it maps to. */
bool stream_in_flux(const struct stream *stream, uint64_t iova);
/* A write to what unmap_dirty takes may be reported by it, by all of its leaf. */
void stream_allow_harvest(struct stream *stream, const struct access *access);
uint8_t stream_permission_of(const struct stream *stream, uint32_t access);

/* stream_fault.c: true: let it run again. */
bool stream_handle_fault(struct stream *stream, const struct access *access);
void stream_check_bad_faults(struct stream *stream);

/* stream_accessed.c */
void stream_note_use(struct stream *stream, const struct access *access);
void stream_apply_uses(struct stream *stream, const struct call *call);

/* stream_check.c */
void stream_spot(struct stream *stream, const struct walker *viewer, uint64_t iova,
                 struct spot *spot);
bool stream_groups_settled(struct stream *stream); /* none is half broken up */
bool stream_is_group(const struct stream *stream, const struct spot *spot);
void stream_check_range(struct stream *stream, const struct walker *viewer, uint64_t first,
                        uint64_t last);
void stream_check_around(struct stream *stream, uint64_t first, uint64_t last);
void stream_check_all(struct stream *stream); /* with every op finished */
bool stream_settled(const struct stream *stream);
void stream_check_host(struct stream *stream, const char *after);
void stream_check_no_tables(struct stream *stream, uint64_t first, uint64_t last);

/* stream_tables.c: access flags of tables. */
bool stream_uses_table_flags(const struct stream *stream); /* by all walkers attached now */
/* A dirty leaf is nowhere that a dirty verb would not look. */
void stream_check_tables(struct stream *stream, const struct spot *spot);
/* Who clears while another op has cleared and is not finished (dirty.h): finishes that. */
void stream_clear_alone(struct stream *stream, const struct call *call);

/* stream_level.c: what can be split and merged. */
unsigned stream_level(const struct stream *stream); /* break-before-make level now */
bool stream_may_break(const struct stream *stream, const struct iopgt_op *op);
bool stream_blocks_in(struct stream *stream, uint64_t first, uint64_t last);
/* Leaves of `size` bytes that could be made of smaller ones in the range. */
bool stream_mergeable(struct stream *stream, uint64_t first, uint64_t last, uint64_t size);
void stream_check_merged(struct stream *stream, const struct call *call);
void stream_spread(struct stream *stream, uint64_t first, uint64_t last);

/* stream_bitmap.c */
void stream_choose_bitmap(struct stream *stream, struct report *report, const struct call *call);
void stream_free_report(struct report *report);
struct report *stream_harvest(struct stream *stream, const struct call *call);
bool report_has(const struct report *report, uint64_t first, uint64_t last);
void report_add(uint8_t *bits, const struct report *report, uint64_t first, uint64_t last);
void stream_check_report(struct stream *stream, struct call *call);
void stream_check_harvest(struct stream *stream, unsigned op);

/* stream_dirty.c */
void stream_push_leaf(struct stream *stream, const struct spot *spot, bool sure);
/* Those that were pushed may be reported; in the first call of a sequence only they. */
void stream_allow_leaves(struct stream *stream, const struct call *call);
void stream_flag_range(struct stream *stream, uint64_t first, uint64_t last, uint8_t flags);
void stream_note_dirty(struct stream *stream, struct call *call);
void stream_expect_dirty(struct stream *stream, struct call *call);
void stream_done_dirty(struct stream *stream, struct call *call, uint64_t last);
void stream_failed_dirty(struct stream *stream, struct call *call, int error);

/* stream_attributes.c */
uint32_t stream_choose_prot(struct stream *stream);
bool stream_prot_is_legal(const struct stream *stream, uint32_t prot);
/* Permissions, memory type and attributes that go together. */
void stream_choose_kind(struct stream *stream, struct iopgt_mapping *mapping);
/* One of the three that the regime has not: its error. IOPGT_OK: it happens to have it. */
int stream_choose_bad_kind(struct stream *stream, struct iopgt_mapping *mapping);
bool stream_leaf_is_kind(const struct stream *stream, const struct walker_leaf *leaf,
                         uint32_t memory, uint32_t attributes);
/* Attributes as the library tells them: without what the memory type has anyway. */
uint32_t stream_given_back(const struct stream *stream, uint32_t memory, uint32_t attributes);

/* stream_map.c, _unmap.c, _dirty_verbs.c, _size.c, _look.c, _bad.c, _domain.c: the operations. */
void stream_do_map(struct stream *stream);
void stream_do_unmap(struct stream *stream);
void stream_do_unmap_dirty(struct stream *stream);
void stream_do_protect(struct stream *stream);
void stream_do_split(struct stream *stream);
void stream_do_merge(struct stream *stream);
void stream_do_merge_cold(struct stream *stream);
void stream_do_trim(struct stream *stream);
void stream_do_sync(struct stream *stream);
void stream_do_clear(struct stream *stream);
void stream_do_read_and_clear(struct stream *stream);
void stream_do_each_dirty(struct stream *stream);
void stream_do_rounds(struct stream *stream);
void stream_do_accessed(struct stream *stream);
void stream_do_each_mapping(struct stream *stream);
void stream_do_dump(struct stream *stream);
void stream_do_translate(struct stream *stream);
void stream_do_bad_range(struct stream *stream);
void stream_do_bad_mapping(struct stream *stream);
void stream_do_bad_bitmap(struct stream *stream);
void stream_do_wrong_op(struct stream *stream);
void stream_do_tracking(struct stream *stream);
void stream_do_switch(struct stream *stream);
void stream_do_open(struct stream *stream);
void stream_do_attach(struct stream *stream);
void stream_do_bad_attach(struct stream *stream);
void stream_unmap_everything(struct stream *stream);

#endif
