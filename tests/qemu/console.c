/* SPDX-License-Identifier: BSD-2-Clause */
/* Text and exit status by semihosting, which needs no device and no mapping of one. */
#include "runtime.h"

#include <stdarg.h>

#define SYS_WRITE0      0x04
#define SYS_GET_CMDLINE 0x15
#define SYS_EXIT        0x18
/* Why the run ends: ADP_Stopped_ApplicationExit. */
#define EXIT_REASON 0x20026

static char line[256];
static size_t used;

static void put(char c)
{
	if (c == '\n' || used == sizeof(line) - 2) {
		line[used++] = '\n';
		line[used] = 0;
		semihost(SYS_WRITE0, line);
		used = 0;
	} else {
		line[used++] = c;
	}
}

static void put_text(const char *text)
{
	while (*text)
		put(*text++);
}

static void put_number(uint64_t value, unsigned base)
{
	char digits[24];
	size_t count = 0;

	do
		digits[count++] = "0123456789abcdef"[value % base];
	while (value /= base);
	while (count)
		put(digits[--count]);
}

static void put_signed(int value)
{
	if (value < 0)
		put('-');
	put_number(value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10);
}

void say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	for (; *format; format++) {
		if (*format != '%') {
			put(*format);
			continue;
		}
		switch (*++format) {
		case 's':
			put_text(va_arg(arguments, const char *));
			break;
		case 'c':
			put((char)va_arg(arguments, int));
			break;
		case 'd':
			put_signed(va_arg(arguments, int));
			break;
		case 'u':
			put_number(va_arg(arguments, uint64_t), 10);
			break;
		default:
			put_number(va_arg(arguments, uint64_t), 16);
		}
	}
	va_end(arguments);
}

bool is_long_run(void)
{
	static char text[64];
	uint64_t block[2] = {(uintptr_t)text, sizeof(text) - 1};

	if (semihost(SYS_GET_CMDLINE, block))
		return false;
	for (const char *c = text; *c; c++)
		if (memcmp(c, "long", 4) == 0)
			return true;
	return false;
}

void leave(int status)
{
	uint64_t block[2] = {EXIT_REASON, (uint64_t)status};

	if (used)
		put('\n');
	semihost(SYS_EXIT, block);
	for (;;)
		;
}
