/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#define WORD sizeof(uint64_t)

/* Bytes up to the next word of guest memory, at most `bytes`. */
static size_t guest_head(const void *guest, size_t bytes)
{
	size_t head = (WORD - (uintptr_t)guest % WORD) % WORD;

	return head < bytes ? head : bytes;
}

static void guest_write_bytes(void *guest, const unsigned char *source, size_t bytes)
{
	_Atomic unsigned char *to = guest;

	for (size_t i = 0; i < bytes; i++)
		atomic_store_explicit(&to[i], source[i], memory_order_relaxed);
}

static void guest_read_bytes(unsigned char *destination, const void *guest, size_t bytes)
{
	const _Atomic unsigned char *from = guest;

	for (size_t i = 0; i < bytes; i++)
		destination[i] = atomic_load_explicit(&from[i], memory_order_relaxed);
}

void guest_write(void *guest, const void *source, size_t bytes)
{
	const unsigned char *from = source;
	size_t head = guest_head(guest, bytes);
	size_t words = (bytes - head) / WORD;
	unsigned char *to = guest;
	_Atomic uint64_t *words_to = (void *)(to + head);

	guest_write_bytes(to, from, head);
	for (size_t i = 0; i < words; i++) {
		uint64_t word;

		memcpy(&word, from + head + i * WORD, WORD);
		atomic_store_explicit(&words_to[i], word, memory_order_relaxed);
	}
	head += words * WORD;
	guest_write_bytes(to + head, from + head, bytes - head);
}

void guest_read(void *destination, const void *guest, size_t bytes)
{
	const unsigned char *from = guest;
	size_t head = guest_head(guest, bytes);
	size_t words = (bytes - head) / WORD;
	unsigned char *to = destination;
	const _Atomic uint64_t *words_from = (const void *)(from + head);

	guest_read_bytes(to, from, head);
	for (size_t i = 0; i < words; i++) {
		uint64_t word = atomic_load_explicit(&words_from[i], memory_order_relaxed);

		memcpy(to + head + i * WORD, &word, WORD);
	}
	head += words * WORD;
	guest_read_bytes(to + head, from + head, bytes - head);
}
