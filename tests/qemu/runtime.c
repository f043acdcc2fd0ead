/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime.h"

#include "cpu.h"

_Static_assert(offsetof(struct cpu, lr) == 152 && offsetof(struct cpu, pc) == 160 &&
                       offsetof(struct cpu, spsr) == 168 && offsetof(struct cpu, esr) == 176 &&
                       offsetof(struct cpu, far) == 184,
               "start.S has these numbers");
_Static_assert(offsetof(struct frame, elr) == 248 && offsetof(struct frame, esr) == 264 &&
                       sizeof(struct frame) <= 288,
               "start.S has these numbers");

struct cpu cpus[2];
struct control control __attribute__((section(".control"), aligned(0x10000)));
uint64_t checks;
static const char *current_topic = "start";
static void (*current_details)(void);

void on_exception(struct frame *frame);
void on_bad_vector(uint64_t number) __attribute__((noreturn));
void cpu_main(struct cpu *cpu);
void cpu_entry(void);
uint64_t psci_by_hvc(uint64_t function, uint64_t a, uint64_t b, uint64_t c);
uint64_t psci_by_smc(uint64_t function, uint64_t a, uint64_t b, uint64_t c);

void topic(const char *name)
{
	current_topic = name;
}

void topic_details(void (*details)(void))
{
	current_details = details;
}

void blame(const char *file, int line)
{
	say("%s:%d: %s: ", file, line, current_topic);
	if (current_details)
		current_details();
}

struct cpu *this_cpu(void)
{
	return (struct cpu *)(uintptr_t)(at_el2() ? read_tpidr_el2() : read_tpidr_el1());
}

/*
 * An expected fault ends the function that made the access, as if it returned: all that may
 * fault is in stub.S, and uses no stack.
 */
void on_exception(struct frame *frame)
{
	struct cpu *cpu = this_cpu();

	if (cpu->retry && cpu->retry(cpu->retry_context, frame->esr, frame->far))
		return;
	if (!cpu->expects) {
		say("%s: exception: esr %x far %x elr %x lr %x\n", current_topic, frame->esr,
		    frame->far, frame->elr, frame->x[30]);
		leave(2);
	}
	cpu->expects = false;
	cpu->faulted = true;
	cpu->esr = frame->esr;
	cpu->far = frame->far;
	frame->elr = frame->x[30];
}

void on_bad_vector(uint64_t number)
{
	say("%s: exception by vector %u\n", current_topic, number);
	leave(2);
}

#define PSCI_CPU_ON 0xc4000003

/* CPU 1 comes up with its MMU off, and stays in cpu_main. */
static void wake_cpu1(void)
{
	uint64_t (*psci)(uint64_t, uint64_t, uint64_t, uint64_t) =
		at_el2() ? psci_by_smc : psci_by_hvc;
	uint64_t status =
		psci(PSCI_CPU_ON, 1, (uint64_t)(uintptr_t)cpu_entry, (uint64_t)(uintptr_t)&cpus[1]);

	CHECK(status == 0, "CPU_ON: %x", status);
}

void start_cpu1(void (*job)(void *argument), void *argument)
{
	static bool awake;

	cpus[1].argument = argument;
	cpus[1].running = true;
	dsb_ish();
	cpus[1].job = job;
	if (!awake)
		wake_cpu1();
	awake = true;
}

void join_cpu1(void)
{
	while (cpus[1].running)
		;
	dsb_ish();
}

void cpu_main(struct cpu *cpu)
{
	for (;;) {
		void (*job)(void *) = cpu->job;

		if (!job)
			continue;
		dsb_ish();
		job(cpu->argument);
		cpu->job = NULL;
		dsb_ish();
		cpu->running = false;
	}
}

/* Bytes, without letting the compiler see a call to itself in the loop. */
__attribute__((optimize("no-tree-loop-distribute-patterns"))) void *memset(void *to, int byte,
                                                                           size_t bytes)
{
	unsigned char *d = to;
	uint64_t word = 0x0101010101010101 * (unsigned char)byte;

	while (bytes && (uintptr_t)d % 8)
		*d++ = (unsigned char)byte, bytes--;
	for (; bytes >= 8; d += 8, bytes -= 8)
		*(uint64_t *)(void *)d = word;
	while (bytes--)
		*d++ = (unsigned char)byte;
	return to;
}

__attribute__((optimize("no-tree-loop-distribute-patterns"))) void *memcpy(void *to,
                                                                           const void *from,
                                                                           size_t bytes)
{
	unsigned char *d = to;
	const unsigned char *s = from;

	while (bytes--)
		*d++ = *s++;
	return to;
}

__attribute__((optimize("no-tree-loop-distribute-patterns"))) void *memmove(void *to,
                                                                            const void *from,
                                                                            size_t bytes)
{
	unsigned char *d = to;
	const unsigned char *s = from;

	if (d < s)
		return memcpy(to, from, bytes);
	while (bytes--)
		d[bytes] = s[bytes];
	return to;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
	const unsigned char *x = a, *y = b;

	for (; bytes--; x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

uint64_t random_number(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

uint64_t milliseconds(void)
{
	return read_cntvct_el0() / (read_cntfrq_el0() / 1000);
}
