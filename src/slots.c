/*-------------------------------------------------------------------------
 *
 * slots.c
 *	  Open time, busy time and the rules of one service make slots.
 *
 * Pure: it reads no table.  For each piece of open time, live appointments
 * leave gaps of possible starts; a gap is closed on both sides, [first, last],
 * since touching is not overlapping:
 *
 *		first = max(piece's start, end of the busy span before + buffer before)
 *		last  = start of the busy span after - buffer after - duration
 *
 * The grid says which starts of a gap are slots.  The caller's window, the
 * notice, and the rule that the whole service lies in open time cut the gap
 * without moving the grid.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "booking.h"

/* What find_starts() hands down */
typedef struct Search
{
	const OpenTime *open;
	const SpanList *busy;
	const SlotRule *rule;
	const DateWindow *window;
	Zone	   *zone;
	StartList  *result;
	bool		is_disordered;
} Search;

static void
add_start(Search *search, TimestampTz at)
{
	StartList  *list = search->result;

	if (search->window->check_dates)
	{
		DateADT		date = zone_date(search->zone, at);

		if (date < search->window->from_date ||
			date > search->window->to_date)
			return;
	}
	if (list->count == list->capacity)
		list->starts = grow_array(list->starts, &list->capacity,
								  list->count + 1, sizeof(TimestampTz));
	if (list->count > 0 && list->starts[list->count - 1] >= at)
		search->is_disordered = true;
	list->starts[list->count++] = at;
}

/*
 * Starts in [first, last] that are whole steps from the anchor, which is not
 * after first.
 */
static void
add_steps(Search *search, TimestampTz anchor, TimestampTz first,
		  TimestampTz last)
{
	int64		step = search->rule->step_us;
	TimestampTz at = anchor + (first - anchor + step - 1) / step * step;

	for (; at <= last; at += step)
		add_start(search, at);
}

/*
 * Starts in [first, last] whose local time of day is a multiple of the step.
 * Where the offset from UTC changes, the search goes on from there.
 */
static void
add_clock_steps(Search *search, TimestampTz first, TimestampTz last)
{
	int64		step = search->rule->step_us;
	TimestampTz at = first;

	while (at <= last)
	{
		int64		offset = zone_offset_us(search->zone, at);
		TimestampTz constant_until = search->zone->known_until;
		int64		time_of_day = (at + offset) % USECS_PER_DAY;
		int64		next;

		CHECK_FOR_INTERRUPTS();
		if (time_of_day < 0)
			time_of_day += USECS_PER_DAY;
		next = (time_of_day + step - 1) / step * step;
		at += Min(next, USECS_PER_DAY) - time_of_day;
		if (at >= constant_until)
			at = constant_until;
		else if (next < USECS_PER_DAY)
		{
			if (at <= last)
				add_start(search, at);
			at++;
		}
	}
}

/*
 * The slots of one gap, of which [first, last] is asked for.
 */
static void
add_gap(Search *search, const OpenPiece *piece, TimestampTz gap_start,
		TimestampTz first, TimestampTz last)
{
	if (first > last)
		return;
	switch (search->rule->anchor)
	{
		case ANCHOR_OPENING:
			add_steps(search, piece->anchor, first, last);
			break;
		case ANCHOR_CLOCK:
			add_clock_steps(search, first, last);
			break;
		case ANCHOR_PACKED:
			add_steps(search, gap_start, first, last);
			break;
	}
}

/*
 * The slots of one piece of open time, gap by gap.
 */
static void
add_piece_starts(Search *search, const OpenPiece *piece)
{
	const SlotRule *rule = search->rule;
	const SpanList *open = &search->open->open;
	const SpanList *busy = search->busy;
	const Span *whole;
	TimestampTz first;
	TimestampTz last;
	TimestampTz gap_start = piece->from;
	int			b;

	/* the service must end before the open time around the piece does */
	whole = &open->spans[spans_first_ending_after(open, piece->from)];
	first = Max(Max(piece->from, rule->earliest), search->window->from);
	last = Min(Min(piece->until, search->window->until) - 1,
			   whole->until - rule->duration_us);
	if (first > last)
		return;

	b = spans_first_ending_after(busy, piece->from - rule->buffer_before_us);
	for (; b < busy->count && gap_start <= last; b++)
	{
		const Span *span = &busy->spans[b];
		TimestampTz gap_end = span->from - rule->buffer_after_us -
			rule->duration_us;

		add_gap(search, piece, gap_start, Max(first, gap_start),
				Min(last, gap_end));
		gap_start = Max(gap_start, span->until + rule->buffer_before_us);
	}
	add_gap(search, piece, gap_start, Max(first, gap_start), last);
}

static int
compare_starts(const void *a, const void *b)
{
	TimestampTz x = *(const TimestampTz *) a;
	TimestampTz y = *(const TimestampTz *) b;

	return (x > y) - (x < y);
}

/*
 * Pieces of two dates overlap, or a clock went back: sort, each start once.
 */
static void
order_starts(StartList *list)
{
	int			kept = 0;

	qsort(list->starts, list->count, sizeof(TimestampTz), compare_starts);
	for (int i = 1; i < list->count; i++)
	{
		if (list->starts[i] != list->starts[kept])
			list->starts[++kept] = list->starts[i];
	}
	list->count = kept + 1;
}

/*
 * Replaces *result by the starts of all slots in the window, ascending.
 * Open time must reach a service's duration beyond the window's end, busy
 * time a duration and both buffers around it, and for packed grids around the
 * pieces that meet it.
 */
void
find_starts(const OpenTime *open, const SpanList *busy, const SlotRule *rule,
			const DateWindow *window, Zone *zone, StartList *result)
{
	Search		search = {open, busy, rule, window, zone, result, false};

	result->count = 0;
	for (int p = 0; p < open->piece_count; p++)
		add_piece_starts(&search, &open->pieces[p]);
	if (search.is_disordered)
		order_starts(result);
}
