/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stream-SIZE-BITS: the streaming read by narrower vectors than the machine's widest,
 * which are what code compiled for all machines of a kind has. scan-SIZE-BITS: a scan that
 * compares each descriptor, with vectors of that width; 1 % of the pages are dirty.
 * write-SIZE-BITS: the streaming write.
 */
#include "space.h"
#include "yardstick.h"

struct size {
	const char *name;
	uint64_t bytes;
};

static double timed(const struct space *space, const struct yardstick *width)
{
	double begin = now_ns();

	use(width->read(space->leaves, space->leaf_count, space->leaves[0]));
	return now_ns() - begin;
}

/* After a read of all, as map's and unmap's limits are. */
static double timed_write(const struct space *space, const struct yardstick *width)
{
	double begin;

	timed(space, yardstick());
	begin = now_ns();
	width->write(space->leaves, space->leaf_count, PHYS | DESCRIPTOR_WRITABLE, PAGE_BYTES);
	return now_ns() - begin;
}

typedef double timed_function(const struct space *space, const struct yardstick *width);

static void measure(struct bench *bench, const struct space *space, const char *name,
                    const struct yardstick *width, timed_function *time_one)
{
	struct row *row = bench_row(bench, name, (double)space->pages);

	time_one(space, width);
	for (unsigned run = 0; run < bench->runs; run++) {
		samples_add(&row->subject, time_one(space, width));
		samples_add(&row->limit, time_one(space, yardstick()));
	}
	bench_done(bench, row);
}

static double timed_scan(struct space *space, yardstick_scan_function *scan)
{
	double begin;

	space_forget_found(space);
	begin = now_ns();
	scan(space->leaves, space->leaf_count, space->found);
	return now_ns() - begin;
}

static void measure_scan(struct bench *bench, struct space *space, const char *name,
                         yardstick_scan_function *scan)
{
	struct row *row = bench_row(bench, name, (double)space->pages);

	timed_scan(space, scan);
	space_check_found(space, name);
	for (unsigned run = 0; run < bench->runs; run++) {
		samples_add(&row->subject, timed_scan(space, scan));
		samples_add(&row->limit, timed(space, yardstick()));
	}
	bench_done(bench, row);
}

/* The space of a size, opened for the first row that is wanted. */
struct stream {
	const struct size *size;
	struct space space;
	bool is_open;
};

/* Whether the row is wanted; then the space is open. */
static bool wants(struct bench *bench, struct stream *stream, const char *name)
{
	if (!bench_wants(bench, name, true))
		return false;
	if (!stream->is_open) {
		space_open(&stream->space, stream->size->bytes, PAGE_SHIFT);
		space_choose_dirty(&stream->space, 1, PATTERN_RANDOM);
		stream->is_open = true;
	}
	return true;
}

/* A row for each width but the widest. */
static void rows_of_widths(struct bench *bench, struct stream *stream, const char *kind,
                           timed_function *time_one)
{
	unsigned count;
	const struct yardstick *widths = yardsticks(&count);

	for (unsigned i = 0; i + 1 < count; i++) {
		char name[48];

		snprintf(name, sizeof(name), "%s-%s-%u", kind, stream->size->name, widths[i].bits);
		if (wants(bench, stream, name))
			measure(bench, &stream->space, name, &widths[i], time_one);
	}
}

static void rows_of_size(struct bench *bench, const struct size *size)
{
	static struct stream stream;

	stream = (struct stream){.size = size};
	rows_of_widths(bench, &stream, "stream", timed);
	for (unsigned bits = 128; bits <= 512; bits *= 4) {
		yardstick_scan_function *scan = yardstick_scan(bits);
		char name[48];

		snprintf(name, sizeof(name), "scan-%s-%u", size->name, bits);
		if (scan && wants(bench, &stream, name))
			measure_scan(bench, &stream.space, name, scan);
	}
	/* What was dirty is overwritten. */
	rows_of_widths(bench, &stream, "write", timed_write);
	if (stream.is_open)
		space_close(&stream.space);
}

void rows_stream(struct bench *bench)
{
	static const struct size sizes[] = {
		{"4G", UINT64_C(4) << 30},
		{"64G", UINT64_C(64) << 30},
	};

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		rows_of_size(bench, &sizes[i]);
}
