/*-------------------------------------------------------------------------
 *
 * fuzz_zone.c
 *	  zone.c against a made-up zone's table of switches.
 *
 * A unit is 15 minutes, a case a little more than two and a half days; switches
 * come as close to each other as they like where only offsets and dates are
 * asked for.  Local times are turned into instants with switches two days and
 * more apart, as in every real zone, for the rule speaks of one switch.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "harness.h"

#define UNIT_S 900
#define EPOCH_S \
	((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY)

static void
read_zone(Input *input, const Scale *scale, int apart, pg_tz *tz)
{
	pg_time_t	at = scale->origin / USECS_PER_SEC + EPOCH_S;

	tz->count = next_below(input, SWITCHES + 1);
	tz->offset[0] = (next_below(input, 96) - 48) * UNIT_S;
	for (int i = 0; i < tz->count; i++)
	{
		at += (i == 0 ? 0 : apart + 1 + next_byte(input)) * UNIT_S;
		if (i == 0)
			at += next_byte(input) * UNIT_S;
		tz->switch_at[i] = at;
		tz->offset[i + 1] = (next_below(input, 96) - 48) * UNIT_S;
	}
}

static DateADT
date_at(const pg_tz *tz, TimestampTz at)
{
	int64		local = at + zone_offset_at(tz, at) * USECS_PER_SEC;

	return local / USECS_PER_DAY - (local % USECS_PER_DAY < 0);
}

/*
 * Asked in any order: what is remembered of one instant must not be taken for
 * another.
 */
static void
try_offsets(Input *input, const Scale *scale, pg_tz *tz)
{
	Zone		zone;

	zone_init(&zone, tz);
	for (int i = 0; i < 64; i++)
	{
		TimestampTz at = scale_instant(scale, next_byte(input)) +
			next_below(input, 3) - 1;

		expect(zone_offset_us(&zone, at) ==
			   zone_offset_at(tz, at) * USECS_PER_SEC);
		expect(zone_date(&zone, at) == date_at(tz, at));
	}
}

static void
try_instants(Input *input, const Scale *scale, pg_tz *tz)
{
	Zone		zone;

	zone_init(&zone, tz);
	for (int i = 0; i < 64; i++)
	{
		int64		local = scale_instant(scale, next_byte(input));
		struct pg_tm tm;
		fsec_t		fsec;

		timestamp2tm(local, NULL, &tm, &fsec, NULL, NULL);
		expect(zone_instant(&zone, local) == local +
			   DetermineTimeZoneOffset(&tm, tz) * USECS_PER_SEC);
	}
}

/*
 * An instant is in the spans, and in the window, exactly if its date is asked
 * for.
 */
static void
try_dates(Input *input, const Scale *scale, pg_tz *tz)
{
	DateADT		from = date_at(tz, scale->origin) + next_below(input, 5);
	DateADT		to = from + next_below(input, 3) - 1;
	SpanList	spans = {0};
	DateWindow	window;
	Zone		zone;

	zone_init(&zone, tz);
	zone_date_spans(&zone, from, to, &spans);
	zone_window(&zone, from, to, &window);
	expect_normalized(&spans);
	for (int position = -200; position < 2 * CASE_UNITS; position++)
	{
		TimestampTz at = scale_instant(scale, position);
		bool		is_asked_for = date_at(tz, at) >= from &&
			date_at(tz, at) <= to;
		int			i = 0;

		while (i < spans.count && spans.spans[i].until <= at)
			i++;
		expect((i < spans.count && spans.spans[i].from <= at) ==
			   is_asked_for);
		if (is_asked_for)
			expect(at >= window.from && at < window.until);
		else if (!window.check_dates)
			expect(at < window.from || at >= window.until);
	}
}

int			LLVMFuzzerTestOneInput(const uint8 *bytes, size_t size);

int
LLVMFuzzerTestOneInput(const uint8 *bytes, size_t size)
{
	Input		input = {bytes, size};
	Scale		scale = {0, UNIT_S * USECS_PER_SEC};
	pg_tz		tz = {0};

	scale.origin = (next_below(&input, 5) - 2) * USECS_PER_DAY;
	if (next_below(&input, 2) == 0)
	{
		read_zone(&input, &scale, 0, &tz);
		try_offsets(&input, &scale, &tz);
		try_dates(&input, &scale, &tz);
	}
	else
	{
		read_zone(&input, &scale, 2 * SECS_PER_DAY / UNIT_S, &tz);
		try_dates(&input, &scale, &tz);
		try_instants(&input, &scale, &tz);
	}
	reset_memory();
	return 0;
}
