/* SPDX-License-Identifier: BSD-2-Clause */
#define _POSIX_C_SOURCE 200809L

#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static const char help[] =
	"Usage: precopy [OPTION]... [FILE or FOLDER]...\n"
	"\n"
	"Copies the memory of a simulated machine while its devices write to it by DMA,\n"
	"and finds the copy identical. Devices reach memory through an I/O page table of\n"
	"the iopgt library; the walkers that translate for them mark in it what they write.\n"
	"A disk device streams the given files into memory, up to a quarter of its size;\n"
	"without any, it takes the project's sources and build products. Other devices\n"
	"write single bytes, bursts and hot spots.\n"
	"\n"
	"  --size=N         memory in MiB, or with suffix K, M or G: 4 MiB to 32 GiB (256)\n"
	"  --devices=N      1 to 16, in turn: disk, bytes, bursts, hot spot (4)\n"
	"  --seconds=N      run for at least so long, 0 to 3600, fractions too (4)\n"
	"  --granule=N      page size in KiB: 4, 16 or 64 (4)\n"
	"  --stage=N        1 or 2 (2)\n"
	"  --bbm=N          break-before-make level of the walkers: 0, 1 or 2 (2)\n"
	"  --seed=N         for all that is random (from the clock; it is printed)\n"
	"  --plain          no colours, nothing redrawn: as when output is no terminal\n"
	"  --break=WHAT     do one step wrong, and again until the copy differs (20 times at\n"
	"                   most):\n"
	"                     no-invalidate      invalidations do not reach the walkers\n"
	"                     copy-before-flush  pages are copied before iopgt_op_finish\n"
	"                     plain-store        marks are cleared by storing an older copy\n"
	"                                        of the descriptor, not by an atomic operation\n"
	"  --help           this\n"
	"\n"
	"The last line is `precopy: identical, B bytes, R rounds, D dirty pages`: B bytes of\n"
	"memory were compared, in R rounds D dirty pages were found; or `precopy: DIFFERENT,`\n"
	"and the first address that differs.\n"
	"Exit status: 0 identical, 1 different, 2 bad options, 3 a break that did not show,\n"
	"4 no verdict.\n";

static bool read_number(const char *text, uint64_t low, uint64_t high, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 0);
	return *text >= '0' && *text <= '9' && !*end && !errno && *number >= low && *number <= high;
}

static bool read_unsigned(const char *text, unsigned low, unsigned high, unsigned *number)
{
	uint64_t wide;

	if (!read_number(text, low, high, &wide))
		return false;
	*number = (unsigned)wide;
	return true;
}

static bool read_size(const char *text, uint64_t *bytes)
{
	char *end;
	uint64_t unit = MIB;
	uint64_t number = strtoull(text, &end, 0);

	if (end == text || *text < '0' || *text > '9')
		return false;
	if (*end == 'K' || *end == 'k')
		unit = 1024;
	else if (*end == 'G' || *end == 'g')
		unit = GIB;
	else if (*end && *end != 'M' && *end != 'm')
		return false;
	if ((*end && end[1]) || number > 32 * GIB / unit)
		return false;
	*bytes = number * unit;
	return *bytes >= 4 * MIB;
}

static bool read_seconds(const char *text, uint64_t *ns)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds >= 0 && seconds <= 3600))
		return false;
	*ns = (uint64_t)(seconds * (double)NS_PER_SECOND);
	return true;
}

static bool read_granule(const char *text, unsigned *shift)
{
	uint64_t kib;

	if (!read_number(text, 4, 64, &kib) || (kib != 4 && kib != 16 && kib != 64))
		return false;
	*shift = kib == 4 ? 12 : kib == 16 ? 14 : 16;
	return true;
}

static bool read_break(const char *text, enum precopy_break *broken)
{
	static const char *const names[] = {"", "no-invalidate", "copy-before-flush",
	                                    "plain-store"};

	for (unsigned i = BREAK_NO_INVALIDATE; i <= BREAK_PLAIN_STORE; i++) {
		if (strcmp(text, names[i]) == 0) {
			*broken = (enum precopy_break)i;
			return true;
		}
	}
	return false;
}

enum letter {
	SIZE = 256, /* above all characters, so that no short option is known */
	DEVICES,
	SECONDS,
	GRANULE,
	STAGE,
	BBM,
	SEED,
	BREAK,
	PLAIN,
	HELP,
};

static const struct option long_options[] = {
	{"size", required_argument, NULL, SIZE},
	{"devices", required_argument, NULL, DEVICES},
	{"seconds", required_argument, NULL, SECONDS},
	{"granule", required_argument, NULL, GRANULE},
	{"stage", required_argument, NULL, STAGE},
	{"bbm", required_argument, NULL, BBM},
	{"seed", required_argument, NULL, SEED},
	{"break", required_argument, NULL, BREAK},
	{"plain", no_argument, NULL, PLAIN},
	{"help", no_argument, NULL, HELP},
	{0},
};

static bool read_value(struct options *options, int letter, const char *text)
{
	struct machine_options *machine = &options->precopy.machine;

	switch (letter) {
	case SIZE:
		return read_size(text, &machine->size);
	case DEVICES:
		return read_unsigned(text, 1, MACHINE_MAX_DEVICES, &machine->devices);
	case SECONDS:
		return read_seconds(text, &options->precopy.run_ns);
	case GRANULE:
		return read_granule(text, &machine->granule_shift);
	case STAGE:
		return read_unsigned(text, 1, 2, &machine->stage);
	case BBM:
		return read_unsigned(text, 0, 2, &machine->bbm_level);
	case SEED:
		return read_number(text, 0, UINT64_MAX, &machine->seed);
	default:
		return read_break(text, &options->precopy.broken);
	}
}

/* What a value must be, in the order of enum letter. */
static const char *const wanted[] = {
	"4 MiB to 32 GiB, as in 256, 256M or 1G",
	"a number from 1 to 16",
	"a number of seconds from 0 to 3600",
	"4, 16 or 64",
	"1 or 2",
	"0, 1 or 2",
	"a number, decimal or 0x and hexadecimal",
	"no-invalidate, copy-before-flush or plain-store",
};

/* Options that are right one by one must fit each other too. */
static bool check_size(const struct options *options)
{
	const struct machine_options *machine = &options->precopy.machine;

	if (machine->size % (UINT64_C(1) << machine->granule_shift) == 0)
		return true;
	fprintf(stderr, "precopy: --size must be a multiple of the granule\n");
	return false;
}

int options_read(struct options *options, int argc, char **argv)
{
	int letter, index = 0;

	*options = (struct options){0};
	options->precopy.run_ns = 4 * NS_PER_SECOND;
	options->precopy.machine = (struct machine_options){
		.size = 256 * MIB,
		.seed = clock_ns() % 1000000,
		.devices = 4,
		.granule_shift = 12,
		.stage = 2,
		.bbm_level = 2,
	};
	while ((letter = getopt_long(argc, argv, "", long_options, &index)) >= 0) {
		if (letter == HELP) {
			fputs(help, stdout);
			return OPTIONS_HELP;
		}
		if (letter == PLAIN) {
			options->plain = true;
		} else if (letter == '?') {
			fprintf(stderr, "Try precopy --help\n");
			return OPTIONS_BAD;
		} else if (!read_value(options, letter, optarg)) {
			fprintf(stderr, "precopy: --%s=%s: must be %s\nTry precopy --help\n",
			        long_options[index].name, optarg, wanted[letter - SIZE]);
			return OPTIONS_BAD;
		}
	}
	options->first_path = optind;
	return check_size(options) ? OPTIONS_GOOD : OPTIONS_BAD;
}
