/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a unit test starts from: a host, walkers and an empty table, made anew
 * for each test and each combination of granule, regime and break-before-make
 * level that the test is run over, and checked as a whole when it ends.
 */
#ifndef TEST_FIXTURE_H
#define TEST_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <iopgt/iopgt.h>

#include "host.h"

#define FIXTURE_WALKERS 4
#define RW              (IOPGT_READ | IOPGT_WRITE)

/* All leaf sizes, contiguous groups too: for fixture_options.leaf_sizes. */
#define FIXTURE_ALL_LEAF_SIZES UINT64_MAX

/* What a test is run over; else the first of each. */
enum fixture_axis {
	FIXTURE_GRANULES = 1 << 0, /* 4, 16, 64 KiB */
	FIXTURE_REGIMES = 1 << 1,  /* stage 1 EL1, stage 1 EL2, stage 2 */
	FIXTURE_STAGES = 1 << 2,   /* stage 1 EL1, stage 2 */
	FIXTURE_LEVELS = 1 << 3,   /* break-before-make levels 2, 1, 0 */
};

enum fixture_dirty {
	FIXTURE_HARDWARE,
	FIXTURE_SOFTWARE,
	FIXTURE_NO_DIRTY,
};

/* What walkers make of the Contiguous bit. */
enum fixture_groups {
	FIXTURE_GROUPS_WHOLE,     /* a group is cached as one translation */
	FIXTURE_GROUPS_SOMETIMES, /* by chance */
	FIXTURE_GROUPS_SINGLE,    /* each entry by itself */
};

/* What walkers do beside the usual. */
enum fixture_walk {
	/* SMMU walkers are in front of devices with ATS (WALKER_ATS). */
	FIXTURE_ATS = 1 << 0,
	/*
	 * Table access flags are used, and set (WALKER_HAFT); where dirty management is
	 * not hardware's, this changes nothing.
	 */
	FIXTURE_TABLE_ACCESS = 1 << 1,
};

enum fixture_level {
	FIXTURE_LEVEL_2,
	FIXTURE_LEVEL_1,
	FIXTURE_LEVEL_0,
};

/* All zero is a good choice. */
struct fixture_options {
	struct host_options host;
	enum fixture_dirty dirty;
	enum fixture_level level;
	enum fixture_groups groups;
	uint32_t regime;                 /* enum iopgt_regime */
	uint32_t config_flags;           /* enum iopgt_config_flag */
	uint32_t domain_flags;           /* enum iopgt_domain_flag */
	uint32_t walks;                  /* enum fixture_walk */
	uint64_t leaf_sizes;             /* as in struct iopgt_config */
	uint8_t granule_shift;           /* 0: 12 */
	uint8_t input_bits, output_bits; /* 0: 48; AArch32: 32, stage 2 and output 40 */
	uint8_t walkers;                 /* 0: one */
	bool domain;                     /* the table is a domain's, the walkers are attached */
};

struct fixture;

/*
 * Called around each HAL call: `done` is false before it acts, true after; and
 * in the middle of a sync with HOST_ATC. It stands for what runs beside the
 * library: walkers may be used.
 */
typedef void fixture_hook(struct fixture *f, enum host_call call, bool done);

struct fixture {
	struct test_host host;
	struct fixture_options options;
	struct iopgt_config config;
	struct iopgt_hal hal; /* the host's, with the hook around it */
	struct iopgt_table own_table;
	struct iopgt_domain domain;
	struct iopgt_table *table; /* own_table, or the domain's; null before init */
	struct walker *walkers[FIXTURE_WALKERS];
	struct host_walker *host_walkers[FIXTURE_WALKERS]; /* in a domain */
	struct iopgt_walker domain_walkers[FIXTURE_WALKERS];
	struct iopgt_tlb_ops domain_tlb;
	unsigned walker_count;
	fixture_hook *hook;
	void *hook_context;
	bool in_hook;
	struct iopgt_bitmap bitmap; /* of fixture_bitmap */
	uint8_t bbm_level;
};

struct fixture_test {
	const char *name;
	void (*test)(struct fixture *f);
	uint32_t axes; /* of enum fixture_axis */
	struct fixture_options options;
};

/* Rows of the table of tests: over which axes, and what differs from the usual. */
#define TEST(over, run)                                                                            \
	{                                                                                          \
		.name = #run, .test = run, .axes = over                                            \
	}
#define TEST_WITH(over, run, ...)                                                                  \
	{                                                                                          \
		.name = #run, .test = run, .axes = over, .options = { __VA_ARGS__ }                \
	}

/*
 * Runs all, each combination as a cmocka test of its own; to be returned from
 * main. In the environment: IOPGT_TEST: a pattern of names to run;
 * IOPGT_TEST_ONCE: each test over one combination alone, another from test to
 * test; IOPGT_DEAF: invalidations do nothing, to see which tests notice;
 * IOPGT_ATS and IOPGT_TABLE_ACCESS: as in enum fixture_walk, for all tests;
 * IOPGT_NO_ATC and IOPGT_ATC_FIRST: as in enum host_mode; IOPGT_LINEAR: as
 * IOPGT_HAL_LINEAR.
 */
int fixture_run(const char *group, const struct fixture_test *tests, size_t count);

#define FIXTURE_RUN(tests) fixture_run(__FILE__, tests, sizeof(tests) / sizeof((tests)[0]))

/*
 * The walker that such a table is for, without caches and chances; pool and
 * what it is (WALKER_SMMU) are the caller's.
 */
struct walker_config fixture_walker_config(const struct iopgt_config *config, uint64_t root);

/* Makes one; without a table if `bare`. Frees one, without a check. */
struct fixture *fixture_create(const struct fixture_options *options, bool bare);
void fixture_destroy(struct fixture *f);

/* iopgt_fini, and nothing may be left allocated. Tests need not call it. */
void fixture_end(struct fixture *f);

/* Makes a further walker as the others are, not attached to a domain. */
unsigned fixture_add_walker(struct fixture *f);

/* --- Sizes --- */

static inline uint64_t granule(const struct fixture *f)
{
	return UINT64_C(1) << f->config.granule_shift;
}

/* First address of the input space: 0, or of TTBR1 the first of the top 2^input_bits. */
static inline uint64_t space_first(const struct fixture *f)
{
	bool top = f->config.flags & IOPGT_CONFIG_TTBR1;

	return top ? UINT64_MAX << f->config.input_bits : 0;
}

static inline uint64_t space_last(const struct fixture *f)
{
	return space_first(f) + ((UINT64_C(1) << f->config.input_bits) - 1);
}

/* What a descriptor of this level covers. */
static inline uint64_t level_size(const struct fixture *f, int level)
{
	return granule(f) << ((3 - level) * (f->config.granule_shift - 3));
}

/* What a contiguous group of this level covers (D8.7.1). */
static inline uint64_t group_size(const struct fixture *f, int level)
{
	unsigned bits = f->config.granule_shift == 12 ? 4 : 5;

	return level_size(f, level) << (f->config.granule_shift == 14 && level == 3 ? 7 : bits);
}

/* The block that every granule has. */
static inline uint64_t block(const struct fixture *f)
{
	return level_size(f, 2);
}

/* --- Operations; at level 0 they may break --- */

static inline struct iopgt_op new_op(const struct fixture *f)
{
	struct iopgt_op op = {0};

	op.flags = f->bbm_level == 0 ? IOPGT_OP_MAY_BREAK : 0;
	return op;
}

const char *fixture_error_text(int error);
void fixture_expect(int want, int got, const char *what, const char *file, int line);
#define expect(want, call) fixture_expect(want, call, #call, __FILE__, __LINE__)

/* iopgt_check, the walkers' errors, the host's; finishes nothing. */
void fixture_check(struct fixture *f, const char *file, int line);
#define check(f) fixture_check(f, __FILE__, __LINE__)

/* iopgt_op_finish, then check. */
void fixture_finish(struct fixture *f, struct iopgt_op *op, const char *file, int line);
#define finish(f, op) fixture_finish(f, op, __FILE__, __LINE__)

struct iopgt_mapping fixture_mapping(uint64_t iova, uint64_t phys, uint64_t size, uint32_t prot);

/* The whole verb, finished and checked; must succeed. Memory is write-back. */
void fixture_map(struct fixture *f, const struct iopgt_mapping *mapping);
#define map(f, iova, phys, size, prot)                                                             \
	do {                                                                                       \
		struct iopgt_mapping mapping_ = fixture_mapping(iova, phys, size, prot);           \
		fixture_map(f, &mapping_);                                                         \
	} while (0)
struct iopgt_stats unmap(struct fixture *f, uint64_t iova, uint64_t size);
struct iopgt_stats protect(struct fixture *f, uint64_t iova, uint64_t size, uint32_t prot);
struct iopgt_stats split(struct fixture *f, uint64_t iova, uint64_t size);
struct iopgt_stats merge(struct fixture *f, uint64_t iova, uint64_t size);

/* --- What is mapped, by the walker's oracle --- */

/* Every granule, at its first and last byte. */
void expect_mapped(struct fixture *f, uint64_t iova, uint64_t phys, uint64_t size);
void expect_unmapped(struct fixture *f, uint64_t iova, uint64_t size);

/* The leaf at iova has this level, by iopgt_translate and by the oracle. */
void expect_level(struct fixture *f, uint64_t iova, int level);

/*
 * The leaf at iova has this size, a group's if it is in one, by both; and all
 * groups that overlap the range are complete and alike (walker_group_is_good).
 */
void expect_leaf_size(struct fixture *f, uint64_t iova, uint64_t size);
void expect_good_groups(struct fixture *f, uint64_t iova, uint64_t size);

struct walker_leaf leaf_at(struct fixture *f, uint64_t iova);
struct walker_group group_at(struct fixture *f, uint64_t iova); /* not empty */
enum iopgt_leaf_state state_at(struct fixture *f, uint64_t iova);

/* An access by a walker; unprivileged where there is such a thing. */
bool access_ok(struct fixture *f, unsigned walker, uint64_t iova, enum walker_access access);
void write_page(struct fixture *f, uint64_t iova); /* by walker 0, must succeed */
void read_page(struct fixture *f, uint64_t iova);

/* --- Dirty bits, a bit a granule unless said --- */

/* f->bitmap: cleared, over [base, base + size), 2^page_shift bytes a bit. */
struct iopgt_bitmap *fixture_bitmap(struct fixture *f, uint64_t base, uint64_t size,
                                    unsigned page_shift);
struct iopgt_bitmap *page_bitmap(struct fixture *f, uint64_t iova, uint64_t size);

bool bit_at(const struct fixture *f, uint64_t iova);
void set_bits(struct fixture *f, uint64_t iova, uint64_t size);
uint64_t count_bits(const struct fixture *f);

/* Exactly the bits of [iova, iova + size) are set; of size 0, none. */
void expect_only_bits(struct fixture *f, uint64_t iova, uint64_t size);

/* read_and_clear over the range, finished; into a fresh f->bitmap. */
void take_dirty(struct fixture *f, uint64_t iova, uint64_t size);
/* sync over the range, finished; into a fresh f->bitmap. */
void look_dirty(struct fixture *f, uint64_t iova, uint64_t size);

/* --- The log --- */

/* Index of the nth (0: first) successful event of this kind, or -1. */
int64_t event_index(struct fixture *f, enum host_call call, uint64_t nth);
uint64_t event_count(struct fixture *f, enum host_call call);

#endif
