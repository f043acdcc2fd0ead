/* SPDX-License-Identifier: BSD-2-Clause */
/*
 *     qemu_oracle build SEED tables        writes the memory to be loaded at ORACLE_PHYS
 *     qemu_oracle compare SEED memory      compares what the image left of it
 *
 * The second makes the tables again, and checks that nobody changed them, too.
 */
#include "host.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

static void *memory_of_oracle(void)
{
	void *memory = aligned_alloc(1 << 20, ORACLE_BYTES);

	if (!memory)
		fail("no memory");
	return memory;
}

static FILE *open_file(const char *name, const char *mode)
{
	FILE *file = fopen(name, mode);

	if (!file)
		fail("%s: cannot be opened", name);
	return file;
}

static void write_file(const struct oracle *oracle, const char *name)
{
	FILE *file = open_file(name, "wb");

	if (fwrite(oracle->memory, ORACLE_BYTES, 1, file) != 1 || fclose(file))
		fail("%s: cannot be written", name);
}

/* Tables begin behind the rest, and walks with all access flags set change nothing. */
static void expect_same_tables(const struct oracle *oracle, const struct oracle_memory *walked)
{
	if (memcmp(oracle->memory + 1, walked + 1, ORACLE_BYTES - sizeof(*walked)) != 0)
		fail("the walker changed tables");
}

static void compare_file(const struct oracle *oracle, const char *name)
{
	struct oracle_memory *walked = memory_of_oracle();
	FILE *file = open_file(name, "rb");
	uint64_t mappings = 0, wrong;

	if (fread(walked, ORACLE_BYTES, 1, file) != 1 || fclose(file))
		fail("%s: cannot be read", name);
	if (walked->magic != ORACLE_MAGIC || walked->seed != oracle->memory->seed ||
	    walked->cases != oracle->memory->cases)
		fail("%s: not of this seed", name);
	expect_same_tables(oracle, walked);
	for (uint64_t i = 0; i < walked->cases; i++)
		mappings += oracle->subjects[i].mappings;
	wrong = oracle_compare(oracle, walked->answers);
	printf("seed %llu: %llu tables, %llu mappings, %llu addresses, %llu wrong\n",
	       (unsigned long long)walked->seed, (unsigned long long)walked->cases,
	       (unsigned long long)mappings, (unsigned long long)walked->probes,
	       (unsigned long long)wrong);
	if (wrong)
		exit(1);
}

int main(int count, char **arguments)
{
	static struct oracle oracle;

	if (count != 4)
		fail("qemu_oracle build|compare SEED FILE");
	oracle.memory = memory_of_oracle();
	oracle_build(&oracle, strtoull(arguments[2], NULL, 0));
	if (strcmp(arguments[1], "build") == 0)
		write_file(&oracle, arguments[3]);
	else
		compare_file(&oracle, arguments[3]);
	return 0;
}
