/*-------------------------------------------------------------------------
 *
 * shim.c
 *	  The few functions of the server that the pure modules call.
 *
 * Memory comes from malloc(), so that the sanitizers see every byte.  Time
 * zones are tables made up by a case; what the server's code promises about
 * them is said here by its definition, one switch after the other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <stdlib.h>

#include "miscadmin.h"
#include "utils/datetime.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "harness.h"

#undef qsort
#undef errstart

#define EPOCH_DIFFERENCE \
	((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY)

volatile sig_atomic_t InterruptPending = false;

void
ProcessInterrupts(void)
{
}

/* ---- memory ---- */

static void *chunks[256];
static int	chunk_count;

static void *
remember(int i, void *chunk)
{
	if (chunk == NULL)
		abort();
	return chunks[i] = chunk;
}

void *
palloc_extended(Size size, int flags)
{
	if (chunk_count == lengthof(chunks))
		abort();
	return remember(chunk_count++, malloc(size));
}

void *
repalloc_huge(void *pointer, Size size)
{
	int			i = 0;

	while (chunks[i] != pointer)
		i++;
	return remember(i, realloc(pointer, size));
}

/*
 * Ends the life of a case's memory context.
 */
void
reset_memory(void)
{
	while (chunk_count > 0)
		free(chunks[--chunk_count]);
}

void
pg_qsort(void *base, size_t count, size_t size,
		 int (*compare) (const void *, const void *))
{
	qsort(base, count, size, compare);
}

/* ---- errors: no case may raise one ---- */

bool
errstart_cold(int elevel, const char *domain)
{
	abort();
}

bool
errstart(int elevel, const char *domain)
{
	abort();
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	abort();
}

int
errcode(int sqlerrcode)
{
	return 0;
}

int
errmsg(const char *format,...)
{
	return 0;
}

/* ---- time zones ---- */

/*
 * The offset in seconds that is in force at an instant.
 */
int
zone_offset_at(const pg_tz *tz, TimestampTz at)
{
	int			offset = tz->offset[0];

	for (int i = 0; i < tz->count; i++)
	{
		if ((tz->switch_at[i] - EPOCH_DIFFERENCE) * USECS_PER_SEC <= at)
			offset = tz->offset[i + 1];
	}
	return offset;
}

/*
 * The first switch after *from, and the offsets on its two sides.
 */
int
pg_next_dst_boundary(const pg_time_t *from, long int *before,
					 int *before_is_dst, pg_time_t *boundary,
					 long int *after, int *after_is_dst, const pg_tz *tz)
{
	int			i = 0;

	while (i < tz->count && tz->switch_at[i] <= *from)
		i++;
	*before = tz->offset[i];
	*before_is_dst = 0;
	if (i == tz->count)
		return 0;
	*boundary = tz->switch_at[i];
	*after = tz->offset[i + 1];
	*after_is_dst = 0;
	return 1;
}

/*
 * Only what DetermineTimeZoneOffset() below wants to know: the day, and the
 * seconds that have passed of it.
 */
int
timestamp2tm(Timestamp local, int *tzp, struct pg_tm *tm, fsec_t *fsec,
			 const char **tzn, pg_tz *attimezone)
{
	int64		day = local / USECS_PER_DAY - (local % USECS_PER_DAY < 0);

	tm->tm_mday = (int) day;
	tm->tm_sec = (int) ((local - day * USECS_PER_DAY) / USECS_PER_SEC);
	return 0;
}

/*
 * Seconds west of UTC at a local time.  A local time that occurs twice is its
 * second occurrence; one that never occurs is read with the offset in force
 * before the gap, which moves it forward.
 */
int
DetermineTimeZoneOffset(struct pg_tm *tm, pg_tz *tz)
{
	int64		local = tm->tm_mday * (int64) SECS_PER_DAY + tm->tm_sec;

	for (int i = tz->count; i >= 0; i--)
	{
		TimestampTz at = (local - tz->offset[i]) * USECS_PER_SEC;

		if (zone_offset_at(tz, at) == tz->offset[i])
			return -tz->offset[i];
	}
	for (int i = 0; i < tz->count; i++)
	{
		pg_time_t	gap = tz->switch_at[i] - EPOCH_DIFFERENCE;

		if (local >= gap + tz->offset[i] && local < gap + tz->offset[i + 1])
			return -tz->offset[i];
	}
	abort();
}
