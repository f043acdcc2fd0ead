/* SPDX-License-Identifier: BSD-2-Clause */
/* Accesses at this level and below, and address translation instructions. */
#include "cpu.h"
#include "rig.h"

/* SPSR: EL0 and EL1 with its own stack pointer, all interrupts masked. */
#define SPSR_EL0 0x3c0
#define SPSR_EL1 0x3c5

/* Whether EL1 is below us. */
static bool has_guest(const struct rig *rig)
{
	return rig->kind >= RIG_STAGE2;
}

static uint64_t stub_alias(const void *function)
{
	return STUB_IOVA + (uint64_t)((const char *)function - stub_begin);
}

static void set_outcome(struct outcome *outcome, uint64_t esr, uint64_t far)
{
	outcome->faulted = true;
	outcome->esr = esr;
	outcome->far = far;
	outcome->status = ESR_STATUS(esr);
	CHECK(is_data_abort(esr) || is_instruction_abort(esr), "an exception: esr %x far %x", esr,
	      far);
}

/* Calls a function of the stub here. An expected fault ends it. */
static struct outcome run_here(const void *function, const uint64_t *x)
{
	uint64_t (*call)(uint64_t, uint64_t, uint64_t, uint64_t) =
		(uint64_t(*)(uint64_t, uint64_t, uint64_t, uint64_t))(uintptr_t)function;
	struct cpu *cpu = this_cpu();
	struct outcome outcome = {0};

	cpu->faulted = false;
	cpu->expects = true;
	outcome.value = call(x[0], x[1], x[2], x[3]);
	cpu->expects = false;
	if (cpu->faulted)
		set_outcome(&outcome, cpu->esr, cpu->far);
	return outcome;
}

/* Whether the exception was stub_return's system call, direct or through a guest's vectors. */
static bool has_returned(const struct cpu *cpu)
{
	if (ESR_CLASS(cpu->esr) == CLASS_SVC)
		return true;
	return ESR_CLASS(cpu->esr) == CLASS_HVC && ESR_CLASS(read_esr_el1()) == CLASS_SVC;
}

/* Runs at a lower level; x30 leads to the system call that ends it. */
static struct outcome run_below(enum access_level level, uint64_t pc, const uint64_t *x)
{
	struct cpu *cpu = this_cpu();
	struct outcome outcome = {0};

	memcpy(cpu->x, x, 4 * sizeof(*x));
	cpu->lr = stub_alias((const void *)(uintptr_t)stub_return);
	cpu->pc = pc;
	cpu->spsr = level == BY_USER ? SPSR_EL0 : SPSR_EL1;
	for (;;) {
		enter(cpu);
		if (has_returned(cpu))
			break;
		if (ESR_CLASS(cpu->esr) == CLASS_HVC) {
			set_outcome(&outcome, read_esr_el1(), read_far_el1());
			break;
		}
		if (cpu->retry && cpu->retry(cpu->retry_context, cpu->esr, cpu->far))
			continue;
		set_outcome(&outcome, cpu->esr, cpu->far);
		outcome.stage2 = at_el2();
		break;
	}
	outcome.value = cpu->x[0];
	return outcome;
}

struct outcome rig_run(const struct rig *rig, enum access_level level, const void *function,
                       uint64_t iova, uint64_t value)
{
	uint64_t x[4] = {rig_address(rig, iova), value};

	if (level == BY_USER || has_guest(rig))
		return run_below(level, stub_alias(function), x);
	return run_here(function, x);
}

struct outcome rig_read(const struct rig *rig, uint64_t iova)
{
	return rig_run(rig, BY_PRIVILEGED, (const void *)(uintptr_t)stub_read, iova, 0);
}

struct outcome rig_write(const struct rig *rig, uint64_t iova, uint64_t value)
{
	return rig_run(rig, BY_PRIVILEGED, (const void *)(uintptr_t)stub_write, iova, value);
}

struct outcome rig_execute(const struct rig *rig, enum access_level level, uint64_t iova)
{
	uint64_t x[4] = {rig_address(rig, iova)};

	if (level == BY_USER || has_guest(rig))
		return run_below(level, x[0], x);
	return run_here((const void *)(uintptr_t)stub_execute, x);
}

void rig_run_writer(const struct rig *rig, uint64_t iova, uint64_t pages, unsigned shift)
{
	bool below = has_guest(rig);
	uint64_t x[4] = {rig_address(rig, iova), pages - 1, shift,
	                 below ? CONTROL_IOVA : (uintptr_t)&control};
	const void *writer = (const void *)(uintptr_t)stub_writer;
	struct outcome outcome =
		below ? run_below(BY_PRIVILEGED, stub_alias(writer), x) : run_here(writer, x);

	CHECK(!outcome.faulted, "the writer: esr %x far %x", outcome.esr, outcome.far);
}

uint64_t rig_at(const struct rig *rig, enum access_level level, uint64_t iova)
{
	uint64_t address = rig_address(rig, iova);

	if (rig->kind == RIG_EL2)
		AT(4, 0, address); /* S1E2R */
	else if (has_guest(rig) && level == BY_USER)
		AT(4, 6, address); /* S12E0R */
	else if (has_guest(rig))
		AT(4, 4, address); /* S12E1R */
	else if (level == BY_USER)
		AT(0, 2, address); /* S1E0R */
	else
		AT(0, 0, address); /* S1E1R */
	return read_par_el1();
}

uint8_t status_at(uint8_t status, int level)
{
	if (level >= 0)
		return (uint8_t)(status | level);
	return status == STATUS_TRANSLATION ? STATUS_TRANSLATION_ABOVE : 0x3f;
}
