/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the user sees. On a terminal, a map of memory stays below the lines of
 * the rounds and is drawn anew after each; elsewhere each round has a line of map.
 */
#ifndef PRECOPY_REPORT_H
#define PRECOPY_REPORT_H

#include "precopy.h"

#define REPORT_COLUMNS 64
#define REPORT_ROWS    4

struct report {
	bool terminal;  /* escape sequences may be used */
	bool map_drawn; /* it is above the cursor and will be drawn over */
	uint8_t heat[REPORT_ROWS * REPORT_COLUMNS];
};

/* What is shown, and how to read it. */
void report_start(struct report *report, const struct precopy *precopy);

void report_tracking_on(struct report *report, const struct precopy *precopy);
void report_round(struct report *report, const struct precopy *precopy);
void report_tracking_off(struct report *report, const struct precopy *precopy,
                         const struct iopgt_stats *stats);

/* What the comparison found, but for the last line. */
void report_verdict(struct report *report, struct precopy *precopy);

/* The last line of all. */
void report_last_line(const struct precopy *precopy);

#endif
