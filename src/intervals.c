/*-------------------------------------------------------------------------
 *
 * intervals.c
 *	  Set algebra over sorted half-open intervals.
 *
 * Pure: it knows no table, no catalog and no clock.  A list owns its array,
 * palloc'd in the context that is current when the list first grows; a zeroed
 * SpanList is an empty one.
 *
 * A list is normalized when its spans are sorted, disjoint and do not touch.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "booking.h"

/*
 * Appends [from, until); nothing when it is empty.
 */
void
spans_add(SpanList *list, TimestampTz from, TimestampTz until)
{
	if (from >= until)
		return;
	if (list->count == list->capacity)
		list->spans = grow_array(list->spans, &list->capacity,
								 list->count + 1, sizeof(Span));
	list->spans[list->count].from = from;
	list->spans[list->count].until = until;
	list->count++;
}

/*
 * The same to a normalized list that begins nowhere after "from", and stays
 * normalized.
 */
void
spans_append(SpanList *list, TimestampTz from, TimestampTz until)
{
	if (list->count > 0 && from <= list->spans[list->count - 1].until)
		list->spans[list->count - 1].until =
			Max(list->spans[list->count - 1].until, until);
	else
		spans_add(list, from, until);
}

static int
compare_spans(const void *a, const void *b)
{
	TimestampTz x = ((const Span *) a)->from;
	TimestampTz y = ((const Span *) b)->from;

	return (x > y) - (x < y);
}

/*
 * Merges what touches or overlaps, up to the first span that is out of order:
 * returns whether there is none.
 */
static bool
merge_ordered(SpanList *list)
{
	Span	   *spans = list->spans;
	int			count = list->count;
	int			kept = 0;
	int			i;

	for (i = 1; i < count && spans[i].from >= spans[kept].from; i++)
	{
		if (spans[i].from > spans[kept].until)
			spans[++kept] = spans[i];
		else if (spans[i].until > spans[kept].until)
			spans[kept].until = spans[i].until;
	}
	list->count = kept + 1;
	for (int rest = i; rest < count; rest++)
		spans[list->count++] = spans[rest];
	return i == count;
}

/*
 * Sorts, and merges what touches or overlaps.  Costs one pass when the spans
 * are in order.
 */
void
spans_normalize(SpanList *list)
{
	if (list->count > 1 && !merge_ordered(list))
	{
		qsort(list->spans, list->count, sizeof(Span), compare_spans);
		merge_ordered(list);
	}
}

/*
 * Of a normalized list, the position of the first span that ends after "at";
 * list->count when there is none.
 */
int
spans_first_ending_after(const SpanList *list, TimestampTz at)
{
	int			low = 0;
	int			high = list->count;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (list->spans[middle].until > at)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/*
 * The same, of an instant that is not before the one for which "position" was
 * found.
 */
int
spans_seek(const SpanList *list, int position, TimestampTz at)
{
	while (position < list->count && list->spans[position].until <= at)
		position++;
	return position;
}

/*
 * Appends to result what of a normalized list lies outside the holes, which
 * are normalized too.
 */
void
spans_subtract(const SpanList *list, const SpanList *holes, SpanList *result)
{
	int			first = list->count == 0 ? 0 :
		spans_first_ending_after(holes, list->spans[0].from);

	for (int i = 0; i < list->count; i++)
	{
		TimestampTz from = list->spans[i].from;
		TimestampTz until = list->spans[i].until;

		CHECK_FOR_INTERRUPTS();
		first = spans_seek(holes, first, from);
		for (int h = first;
			 h < holes->count && holes->spans[h].from < until; h++)
		{
			spans_add(result, from, holes->spans[h].from);
			from = holes->spans[h].until;
		}
		spans_add(result, from, until);
	}
}

/*
 * Appends to result what two normalized lists have in common.
 */
void
spans_intersect(const SpanList *list, const SpanList *other,
				SpanList *result)
{
	int			first = list->count == 0 ? 0 :
		spans_first_ending_after(other, list->spans[0].from);

	for (int i = 0; i < list->count; i++)
	{
		const Span *span = &list->spans[i];

		CHECK_FOR_INTERRUPTS();
		first = spans_seek(other, first, span->from);
		for (int o = first;
			 o < other->count && other->spans[o].from < span->until; o++)
			spans_add(result, Max(span->from, other->spans[o].from),
					  Min(span->until, other->spans[o].until));
	}
}
