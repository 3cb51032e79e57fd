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

/*
 * Without overflow: the next switch may lie beyond the last instant there is.
 */
static TimestampTz
from_unix_time(pg_time_t at)
{
	int64		seconds = at - EPOCH_DIFFERENCE;

	if (seconds >= END_TIMESTAMP / USECS_PER_SEC)
		return DT_NOEND;
	return seconds <= DT_NOBEGIN / USECS_PER_SEC ? DT_NOBEGIN :
		seconds * USECS_PER_SEC;
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
 * Whether the offset from UTC may change between two instants; no means no.
 */
bool
zone_has_switch(Zone *zone, TimestampTz from, TimestampTz until)
{
	(void) zone_offset_us(zone, from);
	return until >= zone->known_until;
}

/*
 * Whether the known stretch contains an instant and a day on either side.
 */
static bool
is_far_from_switch(Zone *zone, TimestampTz at)
{
	return at - USECS_PER_DAY >= zone->known_from &&
		at < zone->known_until - USECS_PER_DAY;
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

	if (is_far_from_switch(zone, guess))
		return guess;
	guess = local_us - zone_offset_us(zone, guess);
	if (is_far_from_switch(zone, guess))
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
 * The same, and until when all later instants have that date too.
 */
DateADT
zone_date_until(Zone *zone, TimestampTz at, TimestampTz *until)
{
	DateADT		date = zone_date(zone, at);
	TimestampTz midnight = ((int64) date + 1) * USECS_PER_DAY -
		zone->offset_us;

	*until = Min(midnight, zone->known_until);
	return date;
}

/*
 * Appends the instants whose local date lies in [from_date, to_date],
 * normalized.  Almost always that is one span.  A date that the zone skipped
 * has none; one whose first minute was followed by a step back into the day
 * before has two.
 */
void
zone_date_spans(Zone *zone, DateADT from_date, DateADT to_date,
				SpanList *spans)
{
	int64		local_from = (int64) from_date * USECS_PER_DAY;
	int64		local_until = ((int64) to_date + 1) * USECS_PER_DAY;
	int64		guess = zone_offset_us(zone, local_from);
	TimestampTz at = local_from - guess - USECS_PER_DAY;
	TimestampTz end = local_until - guess + USECS_PER_DAY;

	while (at < end)
	{
		int64		offset = zone_offset_us(zone, at);
		TimestampTz constant_until = Min(zone->known_until, end);

		spans_add(spans, Max(at, local_from - offset),
				  Min(constant_until, local_until - offset));
		at = constant_until;
	}
	spans_normalize(spans);
}

/*
 * The window of a range of local dates, which may be empty.
 */
void
zone_window(Zone *zone, DateADT from_date, DateADT to_date,
			DateWindow *window)
{
	SpanList	spans = {0};

	zone_date_spans(zone, from_date, to_date, &spans);
	window->from_date = from_date;
	window->to_date = to_date;
	window->from = spans.count == 0 ? 0 : spans.spans[0].from;
	window->until = spans.count == 0 ? 0 : spans.spans[spans.count - 1].until;
	window->check_dates = spans.count > 1;
}

/*
 * Whether a window has an instant.
 */
bool
window_has(const DateWindow *window, Zone *zone, TimestampTz at)
{
	DateADT		date;

	if (at < window->from || at >= window->until)
		return false;
	if (!window->check_dates)
		return true;
	date = zone_date(zone, at);
	return date >= window->from_date && date <= window->to_date;
}
