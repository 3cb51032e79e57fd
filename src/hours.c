/*-------------------------------------------------------------------------
 *
 * hours.c
 *	  When a barber works: the open time that the configuration makes.
 *
 * A barber's hours on local date D are its own overrides of D, else the
 * shop's, else the working hours of that weekday which are valid on D.  Every
 * piece becomes instants by itself; pieces of one date that touch or overlap
 * are one, and that one's start is the anchor of grid "opening".  Open time is
 * the union over all dates, less time off: a slot may run over midnight where
 * both sides are open.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "booking.h"

/*
 * Adds the instants of local hours on a date.
 */
static void
add_local_hours(Zone *zone, DateADT date, TimeADT opens, TimeADT closes,
				SpanList *hours)
{
	int64		midnight = (int64) date * USECS_PER_DAY;
	int64		next_day = closes < opens ? USECS_PER_DAY : 0;

	spans_add(hours, zone_instant(zone, midnight + opens),
			  zone_instant(zone, midnight + next_day + closes));
}

/*
 * Adds what overrides say of a date; returns whether they say anything.
 */
static bool
add_override_hours(const Overrides *overrides, Zone *zone, DateADT date,
				   SpanList *hours)
{
	int			low = 0;
	int			high = overrides->count;
	int			i;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (overrides->rows[middle].on_date < date)
			low = middle + 1;
		else
			high = middle;
	}
	for (i = low; i < overrides->count; i++)
	{
		OverrideRow *row = &overrides->rows[i];

		CHECK_FOR_INTERRUPTS();
		if (row->on_date != date)
			break;
		if (!row->is_closed)
			add_local_hours(zone, date, row->opens, row->closes, hours);
	}
	return i > low;
}

/*
 * The ISO weekday of a date; 2000-01-01 was a Saturday.
 */
static int
iso_weekday(DateADT date)
{
	int			days = (date + 5) % 7;

	return (days < 0 ? days + 7 : days) + 1;
}

/*
 * The barber's hours on one local date, merged.
 */
static void
hours_of_date(Barber *barber, DateADT date, SpanList *hours)
{
	Shop	   *shop = barber->shop;
	int			weekday = iso_weekday(date);

	hours->count = 0;
	if (!add_override_hours(&barber->overrides, &shop->zone, date, hours) &&
		!add_override_hours(&shop->overrides, &shop->zone, date, hours))
	{
		for (int i = barber->hours_until[weekday - 1];
			 i < barber->hours_until[weekday]; i++)
		{
			HoursRow   *row = &barber->hours[i];

			CHECK_FOR_INTERRUPTS();
			if (row->valid_from <= date && date <= row->valid_until)
				add_local_hours(&shop->zone, date, row->opens, row->closes,
								hours);
		}
	}
	spans_normalize(hours);
}

static void
add_piece(OpenTime *open, const Span *span, TimestampTz anchor)
{
	OpenPiece  *piece;

	if (open->piece_count == open->piece_capacity)
		open->pieces = grow_array(open->pieces, &open->piece_capacity,
								  open->piece_count + 1, sizeof(OpenPiece));
	piece = &open->pieces[open->piece_count++];
	piece->from = span->from;
	piece->until = span->until;
	piece->anchor = anchor;
	spans_add(&open->open, span->from, span->until);
}

/*
 * Adds what time off leaves of a piece of hours, whose start is the anchor.
 */
static void
add_pieces(OpenTime *open, const Span *piece, const SpanList *time_off)
{
	SpanList	whole = {unconstify(Span *, piece), 1, 1};
	SpanList	left = {0};

	if (time_off->count == 0)
	{
		add_piece(open, piece, piece->from);
		return;
	}
	spans_subtract(&whole, time_off, &left);
	for (int i = 0; i < left.count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		add_piece(open, &left.spans[i], piece->from);
	}
}

/*
 * The barber's open time, in whole pieces, as far as they meet [from, until).
 * An hours piece may end on the next date; where the clock was changed, the
 * gap of a zone that skipped a date moves it by one more.
 */
void
find_open_time(Barber *barber, TimestampTz from, TimestampTz until,
				   OpenTime *open)
{
	Zone	   *zone = &barber->shop->zone;
	DateADT		first = zone_date(zone, from) - 1;
	DateADT		last = zone_date(zone, until);
	int			more = zone_has_switch(zone, from - 3 * USECS_PER_DAY,
									   until + 2 * USECS_PER_DAY) ? 1 : 0;
	SpanList	hours = {0};

	for (DateADT date = first - more; date <= last + more; date++)
	{
		CHECK_FOR_INTERRUPTS();
		hours_of_date(barber, date, &hours);
		for (int h = 0; h < hours.count; h++)
		{
			const Span *piece = &hours.spans[h];

			if (piece->until > from && piece->from < until)
				add_pieces(open, piece, &barber->time_off);
		}
	}
	spans_normalize(&open->open);
}
