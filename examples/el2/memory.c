/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions that compilers call by themselves. Built with -fno-builtin. */
#include "memory.h"

#include <stdbool.h>
#include <stdint.h>

/* Memory is large, and guests wait: four words at a time, where all is aligned. */
struct words {
	uint64_t word[4];
};

#define EACH_BYTE UINT64_C(0x0101010101010101)

static bool aligned(const void *one, const void *other)
{
	return ((uintptr_t)one | (uintptr_t)other) % sizeof(uint64_t) == 0;
}

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
	unsigned char *out = to;
	const unsigned char *in = from;

	if (aligned(to, from))
		for (; bytes >= sizeof(struct words); bytes -= sizeof(struct words)) {
			*(struct words *)(void *)out = *(const struct words *)(const void *)in;
			out += sizeof(struct words);
			in += sizeof(struct words);
		}
	while (bytes--)
		*out++ = *in++;
	return to;
}

void *memset(void *to, int byte, size_t bytes)
{
	uint64_t word = (unsigned char)byte * EACH_BYTE;
	unsigned char *out = to;

	if (aligned(to, to))
		for (; bytes >= sizeof(struct words); bytes -= sizeof(struct words)) {
			*(struct words *)(void *)out = (struct words){{word, word, word, word}};
			out += sizeof(struct words);
		}
	while (bytes--)
		*out++ = (unsigned char)byte;
	return to;
}

static bool same(const struct words *a, const struct words *b)
{
	return ((a->word[0] ^ b->word[0]) | (a->word[1] ^ b->word[1]) | (a->word[2] ^ b->word[2]) |
	        (a->word[3] ^ b->word[3])) == 0;
}

int memcmp(const void *one, const void *other, size_t bytes)
{
	const unsigned char *a = one;
	const unsigned char *b = other;

	if (aligned(one, other))
		for (; bytes >= sizeof(struct words); bytes -= sizeof(struct words)) {
			if (!same((const void *)a, (const void *)b))
				break;
			a += sizeof(struct words);
			b += sizeof(struct words);
		}
	for (; bytes; bytes--, a++, b++)
		if (*a != *b)
			return *a < *b ? -1 : 1;
	return 0;
}

void *memmove(void *to, const void *from, size_t bytes)
{
	unsigned char *out = to;
	const unsigned char *in = from;

	if (out <= in)
		for (size_t i = 0; i < bytes; i++)
			out[i] = in[i];
	else
		while (bytes--)
			out[bytes] = in[bytes];
	return to;
}
