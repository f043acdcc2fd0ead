/* SPDX-License-Identifier: BSD-2-Clause */
/* QEMU's device for teaching (docs/specs/edu.txt there): it copies to and from memory. */
#include "runtime.h"
#include "smmu.h"

#define ECAM         UINT64_C(0x4010000000)
#define CONFIG_SPACE (ECAM + (SMMU_STREAM << 12))
#define EDU_ID       0x11e81234
#define BAR0         0x10000000 /* in the machine's window for 32-bit BARs */

/* Registers; its own memory as it names it to itself. */
#define SOURCE  0x80
#define TARGET  0x88
#define BYTES   0x90
#define COMMAND 0x98
#define BUFFER  0x40000

#define COMMAND_START     1
#define COMMAND_TO_MEMORY 2

static volatile uint32_t *config_word(uint32_t offset)
{
	return (volatile uint32_t *)(uintptr_t)(CONFIG_SPACE + offset);
}

static volatile uint64_t *edu_register(uint32_t offset)
{
	return (volatile uint64_t *)(uintptr_t)(BAR0 + offset);
}

void edu_start(void)
{
	CHECK(*config_word(0) == EDU_ID, "no edu: %x", (uint64_t)*config_word(0));
	*config_word(0x10) = BAR0;
	*config_word(4) = 6; /* answers in memory space, may be bus master */
}

static void copy(uint64_t source, uint64_t target, uint64_t bytes, uint64_t command)
{
	*edu_register(SOURCE) = source;
	*edu_register(TARGET) = target;
	*edu_register(BYTES) = bytes;
	*edu_register(COMMAND) = command | COMMAND_START;
	while (*edu_register(COMMAND) & COMMAND_START)
		;
}

void edu_read(uint64_t iova, uint64_t bytes)
{
	copy(iova, BUFFER, bytes, 0);
}

void edu_write(uint64_t iova, uint64_t bytes)
{
	copy(BUFFER, iova, bytes, COMMAND_TO_MEMORY);
}
