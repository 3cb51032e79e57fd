/*-------------------------------------------------------------------------
 *
 * fuzz_intervals.c
 *	  intervals.c and array.c against bitmaps.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "harness.h"

static void
try_first_ending_after(const SpanList *list, const Scale *scale)
{
	for (int position = -1; position <= CASE_UNITS + 1; position++)
	{
		TimestampTz at = scale_instant(scale, position);
		int			expected = 0;

		while (expected < list->count && list->spans[expected].until <= at)
			expected++;
		expect(spans_first_ending_after(list, at) == expected);
	}
	expect(spans_first_ending_after(list, DT_NOBEGIN) == 0);
	expect(spans_first_ending_after(list, DT_NOEND) == list->count);
}

/*
 * Results are appended: what was there before stays, and is taken off again
 * to look at the rest.
 */
static void
try_pair(const SpanList *list, const SpanList *other, const Scale *scale,
		 bool subtract)
{
	SpanList	result = {0};
	Bitmap		left;
	Bitmap		right;

	bitmap_of(list, scale, &left);
	bitmap_of(other, scale, &right);
	for (int i = 0; i < CASE_UNITS; i++)
		left.at[i] = left.at[i] && right.at[i] == !subtract;

	spans_add(&result, DT_NOBEGIN, DT_NOEND);
	if (subtract)
		spans_subtract(list, other, &result);
	else
		spans_intersect(list, other, &result);
	expect(result.spans[0].from == DT_NOBEGIN);
	expect(result.spans[0].until == DT_NOEND);
	result.count--;
	memmove(result.spans, result.spans + 1, result.count * sizeof(Span));
	expect_bitmap(&result, scale, &left);
}

/*
 * All of time, and nothing: neutral or absorbing.
 */
static void
try_extremes(const SpanList *list, const Scale *scale)
{
	SpanList	everything = {0};
	SpanList	nothing = {0};
	SpanList	rest = {0};
	SpanList	again = {0};
	Bitmap		bitmap;

	bitmap_of(list, scale, &bitmap);
	spans_add(&everything, DT_NOBEGIN, DT_NOEND);
	spans_subtract(list, &everything, &nothing);
	expect(nothing.count == 0);
	spans_intersect(&everything, list, &again);
	expect_bitmap(&again, scale, &bitmap);
	spans_subtract(&everything, list, &rest);
	expect_normalized(&rest);
	expect(rest.count == list->count + 1);
	again.count = 0;
	spans_subtract(&everything, &rest, &again);
	expect_bitmap(&again, scale, &bitmap);
}

int			LLVMFuzzerTestOneInput(const uint8 *bytes, size_t size);

int
LLVMFuzzerTestOneInput(const uint8 *bytes, size_t size)
{
	Input		input = {bytes, size};
	Scale		scale = {next_byte(&input) - 128, 1};
	SpanList	list = {0};
	SpanList	other = {0};
	Bitmap		before;

	read_spans(&input, &scale, 40, &list);
	bitmap_of(&list, &scale, &before);
	spans_normalize(&list);
	expect_bitmap(&list, &scale, &before);
	read_spans(&input, &scale, 40, &other);
	spans_normalize(&other);

	try_first_ending_after(&list, &scale);
	try_pair(&list, &other, &scale, true);
	try_pair(&list, &other, &scale, false);
	try_extremes(&list, &scale);
	reset_memory();
	return 0;
}
