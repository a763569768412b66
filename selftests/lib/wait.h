/* SPDX-License-Identifier: GPL-2.0 */
/* Waiting for something to become true, never for a fixed time. */
#ifndef WREN_TEST_WAIT_H
#define WREN_TEST_WAIT_H

#include <stdbool.h>
#include <time.h>
#include <unistd.h>

static inline long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* Longer than anything takes on the slowest and busiest machine, shorter than a hang */
#define LONG_MS		60000

/* Looks at the condition until it holds: true, or LONG_MS are over: false. */
#define eventually(condition) ({					\
	long long deadline_ = now_ms() + LONG_MS;			\
	bool holds_;							\
									\
	while (!(holds_ = !!(condition)) && now_ms() < deadline_)	\
		usleep(2000);						\
	holds_;								\
})

/* The condition holds, and still does after so many milliseconds. */
#define stays(condition, msecs) ({					\
	long long deadline_ = now_ms() + (msecs);			\
	bool holds_;							\
									\
	while ((holds_ = !!(condition)) && now_ms() < deadline_)	\
		usleep(2000);						\
	holds_;								\
})

#endif
