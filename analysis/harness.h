/*-------------------------------------------------------------------------
 *
 * harness.h
 *	  What the fuzz targets share.
 *
 * A target turns bytes into a small case, asks the code under test, and asks a
 * model that is too simple to be wrong: a bitmap with one bit per unit of time.
 * All instants of a case are whole units from its origin, so that the model
 * can try every one of them.  What a case says in microseconds is then exact
 * to the microsecond.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HARNESS_H
#define HARNESS_H

#include "booking.h"

/* Units of time in a case */
#define CASE_UNITS 256

/* ---- harness.c: bytes to cases ---- */

typedef struct Input
{
	const uint8 *bytes;
	size_t		left;
} Input;

typedef struct Bitmap
{
	bool		at[CASE_UNITS];
} Bitmap;

/* Where a case lies, and how long its unit is */
typedef struct Scale
{
	TimestampTz origin;
	int64		unit_us;
} Scale;

#define expect(condition) \
	do { \
		if (!(condition)) \
			fail(#condition, __FILE__, __LINE__); \
	} while (0)

extern pg_attribute_noreturn() void fail(const char *condition,
										 const char *file, int line);
extern int	next_byte(Input *input);
extern int	next_below(Input *input, int limit);
extern TimestampTz scale_instant(const Scale *scale, int position);
extern int	scale_position(const Scale *scale, TimestampTz at);
extern void read_spans(Input *input, const Scale *scale, int most,
					   SpanList *list);
extern void bitmap_of(const SpanList *list, const Scale *scale,
					  Bitmap *bitmap);
extern void spans_of(const Bitmap *bitmap, const Scale *scale,
					 SpanList *list);
extern void expect_normalized(const SpanList *list);
extern void expect_bitmap(const SpanList *list, const Scale *scale,
						  const Bitmap *bitmap);

/* ---- shim.c: the server's part, with a time zone made up for a case ---- */

#define SWITCHES 3

/* Offsets are in seconds; the first is in force before all switches */
struct pg_tz
{
	int			count;
	pg_time_t	switch_at[SWITCHES];	/* ascending, in Unix time */
	int			offset[SWITCHES + 1];
};

extern void reset_memory(void);
extern int	zone_offset_at(const pg_tz *tz, TimestampTz at);

#endif							/* HARNESS_H */
