/* SPDX-License-Identifier: BSD-2-Clause */
/* What there is in place of an operating system: console, exit, two CPUs, exceptions. */
#ifndef RUNTIME_H
#define RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Memory (image.lds): all that the image needs, then what tests write to. */
#define IMAGE_PHYS  MIB(1024)
#define IMAGE_BYTES MIB(32)
#define DATA_PHYS   (IMAGE_PHYS + IMAGE_BYTES)
#define DATA_BYTES  MIB(32)

/* A CPU, and what runs on it at a lower exception level. start.S knows the offsets. */
struct cpu {
	uint64_t x[19];
	uint64_t lr, pc, spsr;
	uint64_t esr, far;
	/* Asked first in an exception of this level; true: go on where it happened. */
	bool (*retry)(void *context, uint64_t esr, uint64_t far);
	void *retry_context;
	bool expects; /* a fault is no failure, and ends the function called */
	bool faulted;
	void (*volatile job)(void *argument); /* CPU 1: what to do */
	void *volatile argument;
	volatile bool running;
};

/* Registers at an exception of this level, in memory. */
struct frame {
	uint64_t x[31];
	uint64_t elr, spsr, esr, far;
};

extern struct cpu cpus[2];

struct cpu *this_cpu(void);
void enter(struct cpu *cpu);

/* Shared with what runs at a lower level, in pages of its own. */
struct control {
	volatile uint64_t stop;
	volatile uint64_t count;
	uint64_t seed;
};
extern struct control control;

extern char stub_begin[], stub_end[];
void stub_vectors(void), stub_return(void);
uint64_t stub_read(uint64_t address), stub_execute(uint64_t address);
void stub_write(uint64_t address, uint64_t value);
void stub_zero_line(uint64_t address, uint64_t unused);
void stub_add(uint64_t address, uint64_t value);
void stub_swap(uint64_t address, uint64_t value);
void stub_store_pair(uint64_t address, uint64_t value);
void stub_store_exclusive(uint64_t address, uint64_t value);
void stub_write_across(uint64_t address, uint64_t value);
void stub_prefetch(uint64_t address), stub_clean_line(uint64_t address);
void stub_load_exclusive(uint64_t address);
void stub_writer(uint64_t address, uint64_t mask, uint64_t shift, struct control *control);

/* Runs job(argument) on CPU 1; waits until it has returned. */
void start_cpu1(void (*job)(void *argument), void *argument);
void join_cpu1(void);

/* %s, %d (int), %u (uint64_t, decimal), %x (uint64_t) and %c. Text appears line by line. */
void say(const char *format, ...);
/* Whether the command line (-semihosting-config arg=) says "long". */
bool is_long_run(void);
void leave(int status) __attribute__((noreturn));

/* What is being tested: printed when a check fails; `details` may add to it. */
void topic(const char *name);
void topic_details(void (*details)(void));
/* Begins the line of a check that does not hold. */
void blame(const char *file, int line);
extern uint64_t checks; /* how many have held */

/* Ends the run if the condition does not hold. */
#define CHECK(condition, ...)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			blame(__FILE__, __LINE__);                                                 \
			say(__VA_ARGS__);                                                          \
			say(": not so: %s\n", #condition);                                         \
			leave(1);                                                                  \
		}                                                                                  \
		checks++;                                                                          \
	} while (0)

uint64_t semihost(uint64_t operation, const void *argument);

void *memset(void *to, int byte, size_t bytes);
void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);

/* Numbers by chance, the same in each run. */
uint64_t random_number(void);

uint64_t milliseconds(void);

int main(void);

#endif
