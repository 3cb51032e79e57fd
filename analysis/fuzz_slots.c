/*-------------------------------------------------------------------------
 *
 * fuzz_slots.c
 *	  slots.c against every instant of a case, asked one by one.
 *
 * The model is the definition of a slot: at each instant it looks at the open
 * pieces, the busy spans, the notice, the window and the grid, and remembers
 * nothing of the instant before.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "harness.h"

#define MOST_STEPS 4

typedef struct Case
{
	Scale		scale;
	pg_tz		tz;
	Zone		zone;
	OpenTime	open;
	Bitmap		is_open;
	SpanList	busy;
	SlotRule	rule;
	Step		steps[MOST_STEPS];
	DateWindow	window;
} Case;

/* ---- bytes to a case ---- */

/*
 * The origin lies a little before a midnight, and the switches around it.
 */
static void
read_zone(Input *input, Case *c)
{
	static const int64 units[] = {1, USECS_PER_SEC, USECS_PER_MINUTE};
	int			kind = next_below(input, 3);
	int64		unit_s = units[kind] / USECS_PER_SEC;
	int64		midnight = (next_below(input, 5) - 2) * USECS_PER_DAY;
	int64		epoch_s = (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) *
		(int64) SECS_PER_DAY;

	c->scale.unit_us = units[kind];
	c->scale.origin = midnight - next_byte(input) * units[kind];
	c->tz.count = unit_s == 0 ? 0 : next_below(input, SWITCHES + 1);
	c->tz.offset[0] = (next_below(input, 64) - 32) * unit_s;
	for (int i = 0; i < c->tz.count; i++)
	{
		int64		least = i == 0 ? c->scale.origin / USECS_PER_SEC + epoch_s :
			c->tz.switch_at[i - 1] + unit_s;

		c->tz.switch_at[i] = least + next_byte(input) * unit_s;
		c->tz.offset[i + 1] = (next_below(input, 128) - 64) * unit_s;
	}
	zone_init(&c->zone, &c->tz);
}

static void
read_open(Input *input, Case *c)
{
	int			count = next_below(input, 6);

	c->open.pieces = palloc_extended(count * sizeof(OpenPiece), 0);
	c->open.piece_count = count;
	for (int i = 0; i < count; i++)
	{
		int			from = next_below(input, CASE_UNITS - 1);
		int			until = from + 1 + next_below(input, CASE_UNITS - 1 - from);
		OpenPiece  *piece = &c->open.pieces[i];

		piece->from = scale_instant(&c->scale, from);
		piece->until = scale_instant(&c->scale, until);
		piece->anchor = scale_instant(&c->scale, from - next_below(input, 32));
		for (int at = from; at < until; at++)
			c->is_open.at[at] = true;
	}
	spans_of(&c->is_open, &c->scale, &c->open.open);
}

static void
read_rule(Input *input, Case *c)
{
	SlotRule   *rule = &c->rule;
	int64		unit = c->scale.unit_us;
	int64		elapsed = 0;

	rule->anchor = next_below(input, 3);
	rule->interval_us = (1 + next_below(input, 40)) * unit;
	rule->buffer_before_us = next_below(input, 12) * unit;
	rule->buffer_after_us = next_below(input, 12) * unit;
	rule->earliest = scale_instant(&c->scale, next_below(input, 64) - 16);
	rule->capacity = 1 + next_below(input, 3);
	rule->steps = c->steps;
	rule->step_count = next_below(input, MOST_STEPS + 1);
	if (rule->step_count == 1)
		rule->step_count = 0;
	for (int i = 0; i < rule->step_count; i++)
	{
		if (i > 0)
			elapsed += next_below(input, 20) * unit;
		c->steps[i].starts_us = elapsed;
		elapsed += (1 + next_below(input, 20)) * unit;
		c->steps[i].ends_us = elapsed;
	}
	rule->duration_us = rule->step_count > 0 ? elapsed :
		(1 + next_below(input, 50)) * unit;
}

static void
read_window(Input *input, Case *c)
{
	DateWindow *window = &c->window;
	DateADT		date = zone_date(&c->zone, c->scale.origin);

	if (next_below(input, 2) == 0)
	{
		int			from = next_below(input, 64) - 4;

		window->from = scale_instant(&c->scale, from);
		window->until = scale_instant(&c->scale, from + next_byte(input));
		return;
	}
	window->check_dates = true;
	window->from_date = date + next_below(input, 3) - 1;
	window->to_date = window->from_date + next_below(input, 2);
	zone_window(&c->zone, window->from_date, window->to_date, window);
}

/* ---- the model ---- */

/*
 * Whether a start would have some part of the service meet somebody's time.
 */
static bool
is_blocked(const Case *c, TimestampTz at)
{
	const SlotRule *rule = &c->rule;
	int			count = rule->step_count > 0 ? rule->step_count : 1;

	for (int p = 0; p < count; p++)
	{
		TimestampTz from = at;
		TimestampTz until = at + rule->duration_us;

		if (rule->step_count > 0)
		{
			from = at + c->steps[p].starts_us;
			until = at + c->steps[p].ends_us;
		}
		if (p == 0)
			from -= rule->buffer_before_us;
		if (p == count - 1)
			until += rule->buffer_after_us;
		for (int i = 0; i < c->busy.count; i++)
		{
			if (c->busy.spans[i].from < until && from < c->busy.spans[i].until)
				return true;
		}
	}
	return false;
}

static bool
is_all_open(const Case *c, int from, int until)
{
	for (int at = from; at < until; at++)
	{
		if (at < 0 || at >= CASE_UNITS || !c->is_open.at[at])
			return false;
	}
	return true;
}

static int64
local_time(const Case *c, TimestampTz at)
{
	return at + zone_offset_at(&c->tz, at) * USECS_PER_SEC;
}

/*
 * Rounds down: dates before 2000 are negative.
 */
static int64
local_day(const Case *c, TimestampTz at)
{
	int64		local = local_time(c, at);

	return local / USECS_PER_DAY - (local % USECS_PER_DAY < 0);
}

static bool
is_in_window(const Case *c, TimestampTz at)
{
	if (!c->window.check_dates)
		return at >= c->window.from && at < c->window.until;
	return local_day(c, at) >= c->window.from_date &&
		local_day(c, at) <= c->window.to_date;
}

/*
 * A packed grid starts where the barber has just become available.
 */
static bool
is_on_grid(const Case *c, const OpenPiece *piece, TimestampTz at)
{
	TimestampTz gap_start = at;

	switch (c->rule.anchor)
	{
		case ANCHOR_OPENING:
			return (at - piece->anchor) % c->rule.interval_us == 0;
		case ANCHOR_CLOCK:
			return (local_time(c, at) - local_day(c, at) * USECS_PER_DAY) %
				c->rule.interval_us == 0;
		case ANCHOR_PACKED:
			while (gap_start > piece->from &&
				   !is_blocked(c, gap_start - c->scale.unit_us))
				gap_start -= c->scale.unit_us;
			return (at - gap_start) % c->rule.interval_us == 0;
	}
	return false;
}

static bool
is_slot(const Case *c, int position)
{
	TimestampTz at = scale_instant(&c->scale, position);
	int			length = c->rule.duration_us / c->scale.unit_us;

	if (at < c->rule.earliest || !is_in_window(c, at) ||
		!is_all_open(c, position, position + length) || is_blocked(c, at))
		return false;
	for (int p = 0; p < c->open.piece_count; p++)
	{
		const OpenPiece *piece = &c->open.pieces[p];

		if (at >= piece->from && at < piece->until && is_on_grid(c, piece, at))
			return true;
	}
	return false;
}

/* ---- what must hold ---- */

static void
try_blocked(const Case *c, SpanList *blocked)
{
	expect_normalized(blocked);
	for (int position = -64; position < CASE_UNITS + 64; position++)
	{
		TimestampTz at = scale_instant(&c->scale, position);
		int			i = 0;

		while (i < blocked->count && blocked->spans[i].until <= at)
			i++;
		expect((i < blocked->count && blocked->spans[i].from <= at) ==
			   is_blocked(c, at));
	}
}

/*
 * Every slot is found, ascending, once, and nothing else is.
 */
static void
try_starts(Case *c, const SpanList *blocked)
{
	StartList	found = {0};
	int			next = 0;

	add_start(&found, DT_NOEND, 0);
	find_starts(&c->open, blocked, &c->rule, &c->window, &c->zone, &found);
	for (int position = -2; position < CASE_UNITS + 2; position++)
	{
		if (!is_slot(c, position))
			continue;
		expect(next < found.count);
		expect(found.starts[next].at == scale_instant(&c->scale, position));
		expect(found.starts[next].seats_left == c->rule.capacity);
		next++;
	}
	expect(next == found.count);
}

int			LLVMFuzzerTestOneInput(const uint8 *bytes, size_t size);

int
LLVMFuzzerTestOneInput(const uint8 *bytes, size_t size)
{
	Input		input = {bytes, size};
	Case		c = {0};
	SpanList	blocked = {0};

	read_zone(&input, &c);
	read_rule(&input, &c);
	read_window(&input, &c);
	read_open(&input, &c);
	read_spans(&input, &c.scale, 12, &c.busy);
	for (int i = 0; i < c.busy.count; i++)
		spans_add(&blocked, c.busy.spans[i].from, c.busy.spans[i].until);
	spans_normalize(&blocked);

	block_starts(&c.rule, &blocked);
	try_blocked(&c, &blocked);
	try_starts(&c, &blocked);
	reset_memory();
	return 0;
}
