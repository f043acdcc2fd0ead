/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table under test, walked by the PE that the image runs on: registers as iopgt_registers
 * gives them, accesses at the level that walks it, and the PE's own translation (AT).
 */
#ifndef RIG_H
#define RIG_H

#include "host.h"
#include "runtime.h"

enum rig_kind {
	RIG_EL1_LOW,  /* stage 1 at EL1, TTBR0: the image runs in it */
	RIG_EL1_HIGH, /* stage 1 at EL1, TTBR1; the image runs in a table of the other half */
	RIG_EL2,      /* stage 1 at EL2: the image runs in it */
	RIG_STAGE2,   /* stage 2: a guest at EL1 with its MMU off; the image at EL2 */
	RIG_NESTED,   /* stage 2 below a guest with a stage 1 of its own */
	RIG_KINDS,
};

extern const char *const rig_names[RIG_KINDS];

struct rig {
	enum rig_kind kind;
	struct iopgt_domain domain;
	struct iopgt_table *table; /* the domain's */
	struct iopgt_walker walker;
	struct host host;
	struct iopgt_registers words;
	/* Where the image runs if not in the table under test, and a guest's stage 1. */
	struct iopgt_table home, guest;
	struct host home_host, guest_host;
	uint8_t guest_granule; /* RIG_NESTED, in: 0: as the table under test */
};

/* Where stub.S is mapped for a lower level, and struct control behind it. */
#define STUB_IOVA    0x10000
#define CONTROL_IOVA 0x20000

/* A guest's address of an IPA, where it has a stage 1 (48 bits). */
#define GUEST_OFFSET 0x400000000000

/* Whether the image was started at a level that has it. */
bool rig_available(enum rig_kind kind);
bool rig_has_granule(enum rig_kind kind, uint32_t granule_shift);
/* Whether this PE has the granule, and LPA2 if the configuration wants it. */
bool rig_has(enum rig_kind kind, const struct iopgt_config *config);

/* The regime of the table under test. */
uint32_t rig_regime(enum rig_kind kind);

/*
 * What iopgt_best_config says for this PE and tables that reach `iova_last`, with the
 * dirty management it has.
 */
void rig_best_config(enum rig_kind kind, uint32_t granule_shift, uint64_t iova_last,
                     struct iopgt_config *config);

/* Makes the table, with what the image needs mapped, and writes the registers. */
void rig_open(struct rig *rig, enum rig_kind kind, const struct iopgt_config *config);
/* Switches translation off, frees all tables: none may be left. */
void rig_close(struct rig *rig);
/* Writes the same registers on another CPU (1), which runs the caller. */
void rig_join(const struct rig *rig);
void rig_leave(const struct rig *rig);

/* Maps, in the guest's own table too; it must succeed. */
void rig_map(struct rig *rig, const struct iopgt_mapping *mapping);
void rig_unmap(struct rig *rig, uint64_t iova, uint64_t size);

/* Lowest and highest address where nothing is mapped by rig_open. */
uint64_t rig_free_first(const struct rig *rig);
uint64_t rig_free_last(const struct rig *rig);

/* The address by which an access reaches `iova` of the table under test. */
uint64_t rig_address(const struct rig *rig, uint64_t iova);

/* What an access ended with. */
struct outcome {
	bool faulted;
	bool stage2; /* the fault was taken at EL2 from a guest */
	uint8_t status;
	uint64_t esr, far; /* far: of the access, IPA of a stage-2 fault in pages of 4 KiB */
	uint64_t value;
};

enum access_level {
	BY_PRIVILEGED, /* EL1, or EL2 where that is under test */
	BY_USER,       /* EL0 */
};

/* Runs a function of stub.S with `iova`, translated by rig_address, and a value. */
struct outcome rig_run(const struct rig *rig, enum access_level level, const void *function,
                       uint64_t iova, uint64_t value);
struct outcome rig_read(const struct rig *rig, uint64_t iova);
struct outcome rig_write(const struct rig *rig, uint64_t iova, uint64_t value);
struct outcome rig_execute(const struct rig *rig, enum access_level level, uint64_t iova);

/* Runs stub_writer over `pages` (a power of two) until control.stop is set. */
void rig_run_writer(const struct rig *rig, uint64_t iova, uint64_t pages, unsigned shift);

/* AT for a read, of one or both stages. Gives PAR_EL1. */
uint64_t rig_at(const struct rig *rig, enum access_level level, uint64_t iova);
#define PAR_FAULT(par)  ((par)&1)
#define PAR_STATUS(par) ((par) >> 1 & 0x3f)
#define PAR_PHYS(par)   ((par)&0xffffffffff000)
#define PAR_MEMORY(par) ((par) >> 56)
#define PAR_SHARE(par)  ((par) >> 7 & 3)

/* The status of a fault of that kind at that level. */
uint8_t status_at(uint8_t status, int level);

/*
 * The descriptor that maps `iova`, found as a walker does it (4 KiB granule, no LPA2);
 * null if nothing does.
 */
volatile uint64_t *rig_leaf(const struct iopgt_table *table, uint64_t iova);

/* Checks the tree, and that the library did what it was to do. */
void rig_check(const struct rig *rig);
void rig_finish(struct iopgt_op *op);

#endif
