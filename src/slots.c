/*-------------------------------------------------------------------------
 *
 * slots.c
 *	  Open time, busy time and the rules of one service make slots.
 *
 * Pure: it reads no table.  A live appointment's busy span [from, until) rules
 * out the starts strictly between
 *
 *		from - end of a part's busy time, and until - its begin,
 *
 * both counted from the start of the service.  Counted in whole microseconds
 * these starts are half-open spans again: see block_starts().  What they leave
 * of a piece of open time are gaps [first, last], closed on both sides, since
 * touching is not overlapping.  The grid says which starts of a gap are slots.
 * The caller's window, the notice, and the rule that the whole service lies in
 * open time cut the gap without moving the grid.
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
	const SpanList *blocked;
	const SlotRule *rule;
	const DateWindow *window;
	Zone	   *zone;
	StartList  *result;
	bool		is_disordered;
	TimestampTz reached;		/* for which these are the positions of the */
	int			open_at;		/* first open span and the first */
	int			blocked_at;		/* blocked one that end after it */
} Search;

/* ---- the parts of a service ---- */

int
rule_part_count(const SlotRule *rule)
{
	if (rule->parts != NULL)
		return rule->part_count;
	return Max(rule->step_count, 1);
}

/*
 * One part of a service that starts at that instant.  The buffers are before
 * the first and after the last; parts of an appointment's own have their own.
 */
void
rule_part(const SlotRule *rule, int position, TimestampTz starts_at,
		  Part *part)
{
	bool		is_last = position == rule_part_count(rule) - 1;

	if (rule->parts != NULL)
	{
		*part = rule->parts[position];
		part->work.from += starts_at;
		part->work.until += starts_at;
		part->busy.from += starts_at;
		part->busy.until += starts_at;
		return;
	}
	part->work.from = starts_at;
	part->work.until = starts_at + rule->duration_us;
	if (rule->step_count > 0)
	{
		part->work.from = starts_at + rule->steps[position].starts_us;
		part->work.until = starts_at + rule->steps[position].ends_us;
	}
	part->busy = part->work;
	if (position == 0)
		part->busy.from -= rule->buffer_before_us;
	if (is_last)
		part->busy.until += rule->buffer_after_us;
}

/*
 * What a normalized list of busy spans rules out for one part of a service.
 */
static void
block_part(const Part *part, const SpanList *busy, SpanList *blocked)
{
	for (int i = 0; i < busy->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		spans_append(blocked, busy->spans[i].from - part->busy.until + 1,
					 busy->spans[i].until - part->busy.from);
	}
}

/*
 * Turns normalized busy spans into the starts that they rule out.
 */
void
block_starts(const SlotRule *rule, SpanList *busy)
{
	int			part_count = rule_part_count(rule);
	SpanList	blocked = {0};
	Part		part;

	rule_part(rule, 0, 0, &part);
	if (part_count == 1)
	{
		/* in its place, as no span grows into one not yet read */
		blocked.spans = busy->spans;
		blocked.capacity = busy->capacity;
	}
	block_part(&part, busy, &blocked);
	for (int p = 1; p < part_count; p++)
	{
		SpanList	more = {0};

		rule_part(rule, p, 0, &part);
		block_part(&part, busy, &more);
		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < more.count; i++)
			spans_add(&blocked, more.spans[i].from, more.spans[i].until);
	}
	if (part_count > 1)
		spans_normalize(&blocked);
	*busy = blocked;
}

/* ---- the grid ---- */

void
add_start(StartList *list, TimestampTz at, int seats_left)
{
	if (list->count == list->capacity)
		list->starts = grow_array(list->starts, &list->capacity,
								  list->count + 1, sizeof(Start));
	list->starts[list->count++] = (Start) {at, seats_left};
}

/*
 * A start of the grid, if it is in the window.
 */
static void
add_grid_start(Search *search, TimestampTz at)
{
	StartList  *list = search->result;

	if (search->window->check_dates)
	{
		DateADT		date = zone_date(search->zone, at);

		if (date < search->window->from_date ||
			date > search->window->to_date)
			return;
	}
	if (list->count > 0 && list->starts[list->count - 1].at >= at)
		search->is_disordered = true;
	add_start(list, at, search->rule->capacity);
}

/*
 * Starts in [first, last] that are whole steps from the anchor, which is not
 * after first.
 */
static void
add_steps(Search *search, TimestampTz anchor, TimestampTz first,
		  TimestampTz last)
{
	int64		step = search->rule->interval_us;
	TimestampTz at = anchor + (first - anchor + step - 1) / step * step;

	Assert(step > 0);
	for (; at <= last; at += step)
	{
		CHECK_FOR_INTERRUPTS();
		add_grid_start(search, at);
	}
}

/*
 * Starts in [first, last] whose local time of day is a multiple of the step.
 * Where the offset from UTC changes, the search goes on from there.
 */
static void
add_clock_steps(Search *search, TimestampTz first, TimestampTz last)
{
	int64		step = search->rule->interval_us;
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
				add_grid_start(search, at);
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
 * Goes to where a piece begins.  Almost always that is after the one before;
 * not where pieces of two dates overlap.
 */
static void
go_to(Search *search, TimestampTz at)
{
	if (at >= search->reached)
	{
		search->open_at = spans_seek(&search->open->open, search->open_at, at);
		search->blocked_at = spans_seek(search->blocked, search->blocked_at,
										at);
	}
	else
	{
		search->open_at = spans_first_ending_after(&search->open->open, at);
		search->blocked_at = spans_first_ending_after(search->blocked, at);
	}
	search->reached = at;
}

/*
 * The slots of one piece of open time, gap by gap.
 */
static void
add_piece_starts(Search *search, const OpenPiece *piece)
{
	const SlotRule *rule = search->rule;
	const SpanList *blocked = search->blocked;
	const Span *whole;
	TimestampTz first;
	TimestampTz last;
	TimestampTz gap_start = piece->from;

	/* the service must be inside the open time around the piece */
	go_to(search, piece->from);
	whole = &search->open->open.spans[search->open_at];
	first = Max(Max(piece->from, rule->earliest), search->window->from);
	first = Max(first, whole->from + rule->lead_us);
	last = Min(Min(piece->until, search->window->until) - 1,
			   whole->until - rule->duration_us);
	if (first > last)
		return;

	for (int b = search->blocked_at; b < blocked->count && gap_start <= last; b++)
	{
		const Span *span = &blocked->spans[b];

		CHECK_FOR_INTERRUPTS();
		add_gap(search, piece, gap_start, Max(first, gap_start),
				Min(last, span->from - 1));
		gap_start = Max(gap_start, span->until);
	}
	add_gap(search, piece, gap_start, Max(first, gap_start), last);
}

static int
compare_starts(const void *a, const void *b)
{
	TimestampTz x = ((const Start *) a)->at;
	TimestampTz y = ((const Start *) b)->at;

	return (x > y) - (x < y);
}

/*
 * Sorts, each start once.
 */
void
order_starts(StartList *list)
{
	int			kept = 0;

	if (list->count == 0)
		return;
	qsort(list->starts, list->count, sizeof(Start), compare_starts);
	for (int i = 1; i < list->count; i++)
	{
		if (list->starts[i].at != list->starts[kept].at)
			list->starts[++kept] = list->starts[i];
	}
	list->count = kept + 1;
}

/*
 * Whether an ordered list has that start.
 */
bool
has_start(const StartList *list, TimestampTz at)
{
	int			low = 0;
	int			high = list->count;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (list->starts[middle].at < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low < list->count && list->starts[low].at == at;
}

/*
 * Replaces *result by the starts of all slots in the window, ascending, with
 * all their seats.  Open time must reach a service's duration beyond the
 * window's end; what is blocked must be known in the window, and for packed
 * grids in the pieces that meet it.
 */
void
find_starts(const OpenTime *open, const SpanList *blocked,
			const SlotRule *rule, const DateWindow *window, Zone *zone,
			StartList *result)
{
	Search		search = {
		.open = open,
		.blocked = blocked,
		.rule = rule,
		.window = window,
		.zone = zone,
		.result = result,
		.reached = DT_NOBEGIN
	};

	result->count = 0;
	for (int p = 0; p < open->piece_count; p++)
	{
		CHECK_FOR_INTERRUPTS();
		add_piece_starts(&search, &open->pieces[p]);
	}
	/* pieces of two dates overlap, or a clock went back */
	if (search.is_disordered)
		order_starts(result);
}
