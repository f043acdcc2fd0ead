/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest_console.h"

#include "console.h"

#define ESR_ISV      (UINT64_C(1) << 24) /* the fields below are valid */
#define ESR_SRT(esr) ((esr) >> 16 & 31)  /* register; 31 is the zero register */
#define ESR_WNR      (UINT64_C(1) << 6)  /* it is a store */

#define PL011_DATA                    0x00
#define PL011_FLAGS                   0x18
#define FLAGS_NOTHING_TO_READ_OR_SEND 0x90

#define LINE 120

/* What follows `prefix` in the text; null: it does not begin so. */
static const char *skip(const char *text, const char *prefix)
{
	while (*prefix)
		if (*text++ != *prefix++)
			return NULL;
	return text;
}

/* "count 12, memory good": each count is one more than the one before. */
static void note_count(struct vm *vm, const char *line)
{
	uint64_t count = 0;

	line = skip(line, "count ");
	if (!line)
		return;
	for (; *line >= '0' && *line <= '9'; line++)
		count = count * 10 + (uint64_t)(*line - '0');
	line = skip(line, ", memory good");
	if (!line || *line || count != atomic_load(&vm->count) + 1)
		atomic_store(&vm->lost, true);
	atomic_store(&vm->count, count);
}

static void put(struct vm *vm, char character)
{
	static char line[LINE + 1];
	static unsigned length;

	if (character != '\n' && character != '\r')
		line[length++] = character;
	if (character != '\n' && length < LINE)
		return;
	line[length] = 0;
	console_line("guest: %s", line);
	note_count(vm, line);
	length = 0;
}

bool guest_console_access(struct vm *vm, struct guest *guest, uint64_t esr, uint64_t offset)
{
	unsigned number = ESR_SRT(esr);

	if (!(esr & ESR_ISV))
		return false;
	guest->pc += 4;
	if (esr & ESR_WNR) {
		if (offset == PL011_DATA)
			put(vm, number == 31 ? 0 : (char)guest->x[number]);
	} else if (number != 31) {
		guest->x[number] = offset == PL011_FLAGS ? FLAGS_NOTHING_TO_READ_OR_SEND : 0;
	}
	return true;
}
