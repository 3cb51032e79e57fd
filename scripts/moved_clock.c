/*
 * moved_clock.c
 *		Lets a program see another date.
 *
 * Preloaded (LD_PRELOAD), this adds BOOKING_CLOCK_OFFSET seconds to whatever
 * the program reads from the system's wall clock.  Time still runs at its own
 * speed, and nothing else changes: clocks that only measure, timers, sleeps and
 * the times of files remain the system's.  So timeouts fire as they always do.
 *
 * libfaketime does more, and too much: under it, PostgreSQL's statement_timeout
 * does not fire while a backend waits on a latch.
 *
 * It takes no locks and keeps no files, because a signal handler may ask for the
 * time, and a server may be killed.  Deadlines given as a wall clock's time to
 * the C library (pthread_cond_timedwait() and the like) are not translated;
 * neither PostgreSQL nor the tests use any.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

typedef int (*ClockReader) (clockid_t clock, struct timespec *now);

static ClockReader system_clock;
static time_t offset;

/*
 * Libraries that were loaded earlier may ask before the constructor ran, hence
 * the test in clock_gettime().
 */
__attribute__((constructor))
static void
find_system_clock(void)
{
	const char *setting = getenv("BOOKING_CLOCK_OFFSET");

	offset = setting ? strtoll(setting, NULL, 10) : 0;
	system_clock = (ClockReader) dlsym(RTLD_NEXT, "clock_gettime");
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	int			result;

	if (!system_clock)
		find_system_clock();
	result = system_clock(clock, now);
	if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += offset;
	return result;
}

int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec precise;

	(void) zone;				/* obsolete; always zeroes on Linux */
	if (clock_gettime(CLOCK_REALTIME, &precise) != 0)
		return -1;
	now->tv_sec = precise.tv_sec;
	now->tv_usec = precise.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *result)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (result)
		*result = now.tv_sec;
	return now.tv_sec;
}
