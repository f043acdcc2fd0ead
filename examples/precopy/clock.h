/* SPDX-License-Identifier: BSD-2-Clause */
/* Time that only goes forward, in nanoseconds. */
#ifndef PRECOPY_CLOCK_H
#define PRECOPY_CLOCK_H

#include <errno.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_SECOND UINT64_C(1000000000)
#define NS_PER_MS     UINT64_C(1000000)

static inline uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static inline void clock_sleep_until(uint64_t ns)
{
	struct timespec until = {.tv_sec = (time_t)(ns / NS_PER_SECOND),
	                         .tv_nsec = (long)(ns % NS_PER_SECOND)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

#endif
