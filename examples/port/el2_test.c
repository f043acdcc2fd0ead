/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is the port whole? On QEMU's CPU, a small guest at EL1 writes through stage 2; what it wrote
 * is found, and found again; what is unmapped stays out of its reach.
 */
#include "console.h"
#include "el2.h"
#include "guest.h"
#include "memory.h"
#include "sysreg.h"

#define IPA   UINT64_C(0x1000000000) /* where the guest has its memory */
#define SIZE  (UINT64_C(4) << 20)
#define PAGES (SIZE >> 12)

#define HCR_VM (UINT64_C(1) << 0)
#define HCR_DC (UINT64_C(1) << 12) /* stage 1 is off, and memory still cached */
#define HCR_RW (UINT64_C(1) << 31)

#define CLASS_HVC        0x16
#define CLASS_DATA_ABORT 0x24

static struct iopgt_domain domain;
static struct el2_port port;
static struct iopgt_walker walker;
static _Alignas(1 << 21) unsigned char memory[SIZE];
static _Alignas(1 << 16) unsigned char tables[1 << 20];
static uint64_t words[PAGES / 64];
static int wrong;

static void expect(bool right, const char *what)
{
	if (!right)
		console_line("wrong: %s", what);
	wrong += !right;
}

void unexpected_exception(void)
{
	console_line("port.el2: exception at EL2, ESR %x", sysreg_read(esr_el2));
	console_exit(3);
}

void start_second(void)
{
}

/* The guest: stores w1 to the address in x0, and comes back. */
void guest_code(void);
__asm__("	.balign 4096\n"
        "guest_code:\n"
        "	strb w1, [x0]\n"
        "	hvc #0\n"
        "	.balign 4096\n");

/* Returns the class of the exception that ended it. */
static unsigned guest_writes(uint64_t page, unsigned char byte)
{
	struct guest guest = {
		.x = {IPA + page * 4096 + 123, byte},
		.pc = (uintptr_t)guest_code,
		.pstate = GUEST_PSTATE,
	};

	guest_run(&guest);
	return sysreg_read(esr_el2) >> 26 & 0x3f;
}

static void expect_write(unsigned page, unsigned char byte)
{
	expect(guest_writes(page, byte) == CLASS_HVC, "the guest can write");
	expect(memory[page * 4096 + 123] == byte, "where the table says");
}

/* Whether page `one` and page `other` are all that is reported, and cleans them. */
static void expect_dirty(unsigned one, unsigned other)
{
	const struct iopgt_bitmap dirty = {words, IPA, PAGES, 12};
	struct iopgt_op op = {0};

	memset(words, 0, sizeof(words));
	expect(!iopgt_read_and_clear_dirty(&domain.table, IPA, SIZE, &dirty, &op) &&
	               !iopgt_op_finish(&op),
	       "dirty state is read and cleared");
	for (unsigned i = 0; i < PAGES; i++)
		expect(iopgt_bitmap_test(&dirty, IPA + i * UINT64_C(4096)) ==
		               (i == one || i == other),
		       "what was written is dirty, and nothing else");
}

static int set_up(void)
{
	const struct iopgt_mapping code = {
		.iova = (uintptr_t)guest_code,
		.phys = (uintptr_t)guest_code,
		.size = 4096,
		.prot = IOPGT_READ | IOPGT_EXECUTE,
		.memory = IOPGT_WRITE_BACK,
	};
	const struct iopgt_mapping data = {
		.iova = IPA,
		.phys = (uintptr_t)memory,
		.size = SIZE,
		.prot = IOPGT_READ | IOPGT_WRITE,
		.memory = IOPGT_WRITE_BACK,
	};
	struct iopgt_config config;
	struct iopgt_op op = {0};
	int error;

	el2_port_init(&port, tables, sizeof(tables));
	error = el2_configure(&port, &config, &walker);
	if (!error)
		error = iopgt_domain_init(&domain, &config, &el2_hal, &port, 0);
	if (!error)
		error = iopgt_domain_attach(&domain, &walker);
	if (!error)
		error = iopgt_map(&domain.table, &code, &op);
	if (!error)
		error = iopgt_map(&domain.table, &data, &op);
	if (!error)
		error = el2_load(&domain.table, 1);
	sysreg_write(hcr_el2, HCR_VM | HCR_DC | HCR_RW);
	isb();
	return error;
}

static void run(void)
{
	const struct iopgt_tracking how = {.policy = IOPGT_SPLIT_EAGER};
	struct iopgt_op op = {0};

	expect_write(3, 1); /* before it is tracked; its block is in the TLB now */
	expect(!iopgt_set_dirty_tracking(&domain, true, &how, &op) && !iopgt_op_finish(&op),
	       "tracking can be turned on");
	expect_write(3, 2);
	expect_write(700, 3);
	expect_dirty(3, 700);
	expect_write(3, 4); /* missed, if its translation is still cached */
	expect_dirty(3, 3);
	expect_write(5, 5);
	expect(!iopgt_unmap(&domain.table, IPA, 6 << 12, &op) && !iopgt_op_finish(&op),
	       "memory can be unmapped");
	expect(guest_writes(5, 6) == CLASS_DATA_ABORT, "the guest reaches nothing unmapped");
	expect_write(6, 7);
	expect_dirty(6, 6);
	expect(!iopgt_set_dirty_tracking(&domain, false, NULL, &op) && !iopgt_op_finish(&op),
	       "tracking can be turned off");
	expect_write(6, 8);
}

void start(void)
{
	int error = set_up();

	if (error)
		console_line("wrong: %s", iopgt_strerror(error));
	else
		run();
	console_line("port.el2: %s", error || wrong ? "WRONG" : "right");
	console_exit(error || wrong);
}
