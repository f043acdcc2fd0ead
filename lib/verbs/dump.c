/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/cursor.h"
#include "core/describe.h"
#include "core/group.h"

/* The longest line: indent, level, two addresses, size, memory type, attributes, state. */
#define LINE_BYTES 256

struct line {
	char text[LINE_BYTES];
	uint32_t used;
};

/* What consecutive entries have in common to stand in one line. */
struct dump_run {
	uint64_t iova, phys, count;
	uint64_t bits; /* of the leaf without its address; 0: a hole */
	int level;
	bool open;
};

struct dump_state {
	const struct iopgt_table *table;
	const struct iopgt_writer *writer;
	struct iopgt_cursor c;
	struct dump_run run;
};

static void put_text(struct line *line, const char *text)
{
	while (*text && line->used < LINE_BYTES - 1)
		line->text[line->used++] = *text++;
	line->text[line->used] = '\0';
}

static void put_hex(struct line *line, uint64_t value)
{
	char digits[17];
	unsigned n = sizeof(digits);

	digits[--n] = '\0';
	do {
		digits[--n] = "0123456789abcdef"[value & 15];
		value >>= 4;
	} while (value);
	put_text(line, "0x");
	put_text(line, &digits[n]);
}

static uint64_t power_of_ten(unsigned n)
{
	uint64_t power = 1;

	while (n--)
		power *= 10;
	return power;
}

/* By subtraction: for a division of 64 bits compilers for 32-bit hosts call a library. */
static void put_decimal(struct line *line, uint64_t value)
{
	char digit[2] = "0";
	unsigned n = 0;

	while (n < 19 && power_of_ten(n + 1) <= value)
		n++;
	do {
		uint64_t unit = power_of_ten(n);

		for (digit[0] = '0'; value >= unit; value -= unit)
			digit[0]++;
		put_text(line, digit);
	} while (n--);
}

/* Two spaces a level below the start, the level, the address. */
static void begin_line(const struct dump_state *s, struct line *line, int level, uint64_t iova)
{
	line->used = 0;
	for (int i = s->table->geometry.start_level; i < level; i++)
		put_text(line, "  ");
	put_text(line, "L");
	if (level < 0)
		put_text(line, "-");
	put_decimal(line, (uint64_t)(level < 0 ? -level : level));
	put_text(line, " ");
	put_hex(line, iova);
}

static void put_prot(struct line *line, uint32_t prot)
{
	put_text(line, prot & IOPGT_READ ? " r" : " -");
	put_text(line, prot & IOPGT_WRITE ? "w" : "-");
	if (prot & IOPGT_EXECUTE_PRIVILEGED)
		put_text(line, "P");
	else if (prot & IOPGT_EXECUTE_UNPRIVILEGED)
		put_text(line, "U");
	else
		put_text(line, prot & IOPGT_EXECUTE ? "x" : "-");
	put_text(line, prot & IOPGT_PRIVILEGED ? "p" : "-");
}

static void put_attributes(struct line *line, uint32_t attributes)
{
	static const char *const names[] = {
		" inner-shareable", " outer-shareable", " not-shareable", " global",
		" non-secure",      " guarded",         " software-0",    " software-1",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (attributes >> i & 1)
			put_text(line, names[i]);
	}
}

static void put_leaf(const struct dump_state *s, struct line *line, uint64_t leaf)
{
	static const char *const states[] = {" read-only", " clean", " dirty", " untracked"};
	static const char *const memories[IOPGT_MEMORY_TYPES] = {
		" non-cacheable", " write-back",  " device",     " inner-non-cacheable",
		" device-nGnRnE", " device-nGRE", " device-GRE",
	};
	const struct iopgt_format *f = &s->table->format;
	struct iopgt_leaf_kind kind;

	f->leaf_kind(f, leaf, &kind);
	put_prot(line, kind.prot);
	put_text(line, kind.memory < IOPGT_MEMORY_TYPES ? memories[kind.memory] : " unknown-type");
	put_attributes(line, kind.attributes);
	put_text(line, states[describe_state(f, leaf)]);
	if (leaf & f->contiguous)
		put_text(line, " contiguous");
	if (leaf & f->kept_dirty)
		put_text(line, " written");
}

static void give_run(struct dump_state *s)
{
	struct dump_run *run = &s->run;
	struct line line;

	if (!run->open)
		return;
	run->open = false;
	begin_line(s, &line, run->level, run->iova);
	if (run->bits) {
		put_text(&line, run->level == IOPGT_LAST_LEVEL ? " page" : " block");
		put_text(&line, " -> ");
		put_hex(&line, run->phys);
	} else {
		put_text(&line, " hole");
	}
	put_text(&line, " x");
	put_decimal(&line, run->count);
	if (run->bits)
		put_leaf(s, &line, run->bits);
	s->writer->line(s->writer->context, line.text);
}

static void dump_table_line(struct dump_state *s, uint64_t d)
{
	struct line line;

	give_run(s);
	begin_line(s, &line, s->c.level, cursor_first(&s->c));
	put_text(&line, " table ");
	put_hex(&line, format_address(&s->table->format, d));
	s->writer->line(s->writer->context, line.text);
}

/* A leaf or a hole: one more of the run, or the first of a new one. */
static void dump_entry(struct dump_state *s, uint64_t d)
{
	const struct iopgt_format *f = &s->table->format;
	struct dump_run *run = &s->run;
	bool leaf = format_is_leaf(f, s->c.level, d);
	uint64_t size = geometry_size(&s->table->geometry, s->c.level);
	uint64_t phys = leaf ? describe_phys(s->table, s->c.level, d) : 0;
	uint64_t bits;

	if (leaf && s->table->grouped && format_is_member(f, s->c.level, d)) {
		struct iopgt_group group = group_at(&s->c);

		d = iopgt_group_leaf(s->table, &group, d);
	}
	bits = leaf ? (d & ~format_address_bits(f)) : 0;
	if (run->open && run->level == s->c.level && run->bits == bits &&
	    run->iova + run->count * size == cursor_first(&s->c) &&
	    (!leaf || run->phys + run->count * size == phys)) {
		run->count++;
		return;
	}
	give_run(s);
	*run = (struct dump_run){.iova = cursor_first(&s->c),
	                         .phys = phys,
	                         .count = 1,
	                         .bits = bits,
	                         .level = s->c.level,
	                         .open = true};
}

static int dump_loop(struct dump_state *s, struct iopgt_op *op)
{
	for (;;) {
		uint64_t d = live_load_table(cursor_entry(&s->c));
		int err;

		if (format_is_table(&s->table->format, s->c.level, d)) {
			dump_table_line(s, d);
			err = cursor_down(&s->c, d);
			if (err)
				return err;
			continue;
		}
		dump_entry(s, d);
		if (!cursor_next(&s->c, 1))
			return IOPGT_OK;
		if (cursor_spent(&s->c))
			return cursor_again(&s->c, op);
	}
}

int iopgt_dump(const struct iopgt_table *table, uint64_t iova, uint64_t size,
               const struct iopgt_writer *writer, struct iopgt_op *op)
{
	struct dump_state s = {.table = table, .writer = writer};
	struct iopgt_range range;
	int err = iopgt_check_call(table, iova, size, op, &range);

	if (err)
		return err;
	if (!writer || !writer->line)
		return IOPGT_BAD_ARGUMENT;
	cursor_start(&s.c, table, range, op);
	err = dump_loop(&s, op);
	give_run(&s);
	op->stats.looked_at += s.c.looked_at;
	return err;
}
