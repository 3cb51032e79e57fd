/*-------------------------------------------------------------------------
 *
 * harness.c
 *	  Bytes to cases, and bitmaps to compare with.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

#undef fprintf

/*
 * A property does not hold: the fuzzer reports the case.
 */
void
fail(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}

int
next_byte(Input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->bytes++;
}

/*
 * A number from 0 to limit - 1.
 */
int
next_below(Input *input, int limit)
{
	return next_byte(input) % limit;
}

TimestampTz
scale_instant(const Scale *scale, int position)
{
	return scale->origin + position * scale->unit_us;
}

/*
 * The position of an instant, which must be a whole number of units.
 */
int
scale_position(const Scale *scale, TimestampTz at)
{
	expect((at - scale->origin) % scale->unit_us == 0);
	return (int) ((at - scale->origin) / scale->unit_us);
}

/*
 * Appends up to that many spans, some of them empty.
 */
void
read_spans(Input *input, const Scale *scale, int most, SpanList *list)
{
	int			count = next_below(input, most + 1);

	for (int i = 0; i < count; i++)
	{
		int			from = next_byte(input);
		int			until = from + next_below(input, 24);

		spans_add(list, scale_instant(scale, from),
				  scale_instant(scale, Min(until, CASE_UNITS)));
	}
}

void
bitmap_of(const SpanList *list, const Scale *scale, Bitmap *bitmap)
{
	memset(bitmap, 0, sizeof(*bitmap));
	for (int i = 0; i < list->count; i++)
	{
		int			until = scale_position(scale, list->spans[i].until);

		for (int at = scale_position(scale, list->spans[i].from); at < until;
			 at++)
		{
			expect(at >= 0 && at < CASE_UNITS);
			bitmap->at[at] = true;
		}
	}
}

/*
 * Appends the runs of a bitmap.
 */
void
spans_of(const Bitmap *bitmap, const Scale *scale, SpanList *list)
{
	int			from = -1;

	for (int at = 0; at <= CASE_UNITS; at++)
	{
		bool		is_in = at < CASE_UNITS && bitmap->at[at];

		if (is_in && from < 0)
			from = at;
		else if (!is_in && from >= 0)
		{
			spans_add(list, scale_instant(scale, from),
					  scale_instant(scale, at));
			from = -1;
		}
	}
}

/*
 * Sorted, none empty, none touching.
 */
void
expect_normalized(const SpanList *list)
{
	for (int i = 0; i < list->count; i++)
	{
		expect(list->spans[i].from < list->spans[i].until);
		expect(i == 0 || list->spans[i - 1].until < list->spans[i].from);
	}
}

/*
 * The list has the bitmap's runs, neither more nor less.
 */
void
expect_bitmap(const SpanList *list, const Scale *scale, const Bitmap *bitmap)
{
	Bitmap		found;

	expect_normalized(list);
	bitmap_of(list, scale, &found);
	expect(memcmp(&found, bitmap, sizeof(found)) == 0);
}
