/*-------------------------------------------------------------------------
 *
 * zone.c
 *	  Local time to instants and back, for one time zone.
 *
 * Local time becomes an instant by PostgreSQL's own rule, that of
 * "timestamp AT TIME ZONE": a time in the spring gap moves forward, an
 * ambiguous one is the second.
 *
 * A Zone remembers one stretch of time over which the offset from UTC is
 * constant.  Inside it, arithmetic is an addition; only times less than a day
 * from a switch, where the rule has something to decide, ask the server's
 * time zone code.  No zone has ever been moved by more than a day.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "booking.h"

/* How far before an instant we begin to look for a constant stretch */
#define LOOK_BACK (40 * USECS_PER_DAY)

#define EPOCH_DIFFERENCE \
	((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY)

/*
 * Division that rounds down, also for years before 2000.
 */
static inline int64
floor_divide(int64 value, int64 divisor)
{
	return value / divisor - (value % divisor < 0);
}

static pg_time_t
to_unix_time(TimestampTz at)
{
	return floor_divide(at, USECS_PER_SEC) + EPOCH_DIFFERENCE;
}

static TimestampTz
from_unix_time(pg_time_t at)
{
	return (at - EPOCH_DIFFERENCE) * USECS_PER_SEC;
}

void
zone_init(Zone *zone, pg_tz *tz)
{
	zone->tz = tz;
	zone->known_from = zone->known_until = 0;
	zone->offset_us = 0;
}

/*
 * Makes [known_from, known_until) a constant stretch that contains "at".
 */
static void
learn_offset(Zone *zone, TimestampTz at)
{
	pg_time_t	from = to_unix_time(at - LOOK_BACK);

	for (;;)
	{
		long int	before;
		long int	after;
		int			before_is_dst;
		int			after_is_dst;
		pg_time_t	boundary;
		int			found;

		found = pg_next_dst_boundary(&from, &before, &before_is_dst,
									 &boundary, &after, &after_is_dst,
									 zone->tz);
		if (found < 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
					 errmsg("timestamp out of range")));
		if (found == 0 || from_unix_time(boundary) > at)
		{
			zone->known_from = from_unix_time(from);
			zone->known_until = found ? from_unix_time(boundary) : DT_NOEND;
			zone->offset_us = before * USECS_PER_SEC;
			return;
		}
		from = boundary;
	}
}

/*
 * The offset from UTC that is in force at an instant.
 */
int64
zone_offset_us(Zone *zone, TimestampTz at)
{
	if (at < zone->known_from || at >= zone->known_until)
		learn_offset(zone, at);
	return zone->offset_us;
}

/*
 * Whether a constant stretch contains [from, until) and a day on either side.
 */
static bool
offset_is_constant(Zone *zone, TimestampTz from, TimestampTz until)
{
	return from - USECS_PER_DAY >= zone->known_from &&
		until < zone->known_until - USECS_PER_DAY;
}

/*
 * The instant of a local time, given as microseconds since 2000-01-01 00:00.
 */
TimestampTz
zone_instant(Zone *zone, int64 local_us)
{
	struct pg_tm tm;
	fsec_t		fsec;
	TimestampTz guess = local_us - zone->offset_us;

	if (offset_is_constant(zone, guess, guess))
		return guess;
	guess = local_us - zone_offset_us(zone, guess);
	if (offset_is_constant(zone, guess, guess))
		return guess;

	if (timestamp2tm(local_us, NULL, &tm, &fsec, NULL, NULL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return local_us +
		DetermineTimeZoneOffset(&tm, zone->tz) * USECS_PER_SEC;
}

/*
 * The local date of an instant.
 */
DateADT
zone_date(Zone *zone, TimestampTz at)
{
	return (DateADT) floor_divide(at + zone_offset_us(zone, at),
								  USECS_PER_DAY);
}

/*
 * The first instant of a local date.  Where midnight itself is repeated,
 * that is the first of the two, although the conversion rule takes the second.
 */
TimestampTz
zone_date_start(Zone *zone, DateADT date)
{
	int64		local_us = (int64) date * USECS_PER_DAY;
	TimestampTz start = zone_instant(zone, local_us);

	if (!offset_is_constant(zone, start, start) &&
		zone_date(zone, start - 1) == date)
		start = local_us - zone_offset_us(zone, start - 1);
	return start;
}

/*
 * The instants whose local date lies in [from_date, to_date], or a little more
 * and check_dates set when a switch is near: there a date may have a part
 * before its midnight (a clock set back at 00:01 shows yesterday again).
 */
void
zone_window(Zone *zone, DateADT from_date, DateADT to_date,
			DateWindow *window)
{
	window->from_date = from_date;
	window->to_date = to_date;
	window->from = zone_date_start(zone, from_date);
	window->until = zone_date_start(zone, to_date + 1);
	window->check_dates = !offset_is_constant(zone, window->from,
											  window->until);
	if (window->check_dates)
	{
		window->from -= USECS_PER_DAY;
		window->until += USECS_PER_DAY;
	}
}
