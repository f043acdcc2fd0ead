/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions that compilers call by themselves. Built with -fno-builtin. */
#include "memory.h"

#include <stdint.h>

/* Words where both are aligned; the compiler makes pairs of them. */
void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
	unsigned char *out = to;
	const unsigned char *in = from;

	if (((uintptr_t)to | (uintptr_t)from) % sizeof(uint64_t) == 0)
		for (; bytes >= sizeof(uint64_t); bytes -= sizeof(uint64_t)) {
			*(uint64_t *)(void *)out = *(const uint64_t *)(const void *)in;
			out += sizeof(uint64_t);
			in += sizeof(uint64_t);
		}
	while (bytes--)
		*out++ = *in++;
	return to;
}

void *memset(void *to, int byte, size_t bytes)
{
	unsigned char *out = to;

	if ((uintptr_t)to % sizeof(uint64_t) == 0)
		for (; bytes >= sizeof(uint64_t); bytes -= sizeof(uint64_t)) {
			*(uint64_t *)(void *)out =
				(unsigned char)byte * UINT64_C(0x0101010101010101);
			out += sizeof(uint64_t);
		}
	while (bytes--)
		*out++ = (unsigned char)byte;
	return to;
}

int memcmp(const void *one, const void *other, size_t bytes)
{
	const unsigned char *a = one;
	const unsigned char *b = other;

	for (size_t i = 0; i < bytes; i++)
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	return 0;
}

void *memmove(void *to, const void *from, size_t bytes)
{
	unsigned char *out = to;
	const unsigned char *in = from;

	if (out <= in)
		return memcpy(to, from, bytes);
	while (bytes--)
		out[bytes] = in[bytes];
	return to;
}
