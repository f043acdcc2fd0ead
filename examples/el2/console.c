/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's PL011, which firmware (here QEMU) has set up. */
#include "console.h"

#include <stdarg.h>
#include <stdatomic.h>

#define PL011_DATA  ((volatile uint32_t *)0x09000000)
#define PL011_FLAGS ((volatile uint32_t *)0x09000018)
#define PL011_FULL  (1 << 5)

static void put(char character)
{
	while (*PL011_FLAGS & PL011_FULL)
		;
	*PL011_DATA = (unsigned char)character;
}

static void put_text(const char *text)
{
	while (*text)
		put(*text++);
}

static void put_number(uint64_t number, unsigned base)
{
	char digits[24];
	unsigned count = 0;

	do {
		digits[count++] = "0123456789abcdef"[number % base];
		number /= base;
	} while (number);
	while (count)
		put(digits[--count]);
}

static void put_int(int number)
{
	if (number < 0)
		put('-');
	put_number(number < 0 ? -(uint64_t)number : (uint64_t)number, 10);
}

/* The `arguments` are a pointer, since what va_list is differs. */
static void put_argument(char kind, va_list *arguments)
{
	switch (kind) {
	case 's':
		put_text(va_arg(*arguments, const char *));
		break;
	case 'd':
		put_int(va_arg(*arguments, int));
		break;
	case 'u':
		put_number(va_arg(*arguments, uint64_t), 10);
		break;
	case 'x':
		put_number(va_arg(*arguments, uint64_t), 16);
		break;
	default:
		put(kind);
	}
}

void console_line(const char *format, ...)
{
	static atomic_flag busy = ATOMIC_FLAG_INIT;
	va_list arguments;

	while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire))
		;
	va_start(arguments, format);
	for (; *format; format++) {
		if (*format == '%')
			put_argument(*++format, &arguments);
		else
			put(*format);
	}
	va_end(arguments);
	put('\n');
	atomic_flag_clear_explicit(&busy, memory_order_release);
}

_Noreturn void console_exit(int status)
{
	const uint64_t reason_and_status[2] = {0x20026 /* ADP_Stopped_ApplicationExit */,
	                                       (uint64_t)status};
	register uint64_t operation __asm__("x0") = 0x18; /* SYS_EXIT */
	register const uint64_t *block __asm__("x1") = reason_and_status;

	for (;;)
		__asm__ volatile("hlt #0xf000" : "+r"(operation) : "r"(block) : "memory");
}
