/*-------------------------------------------------------------------------
 *
 * waitlist.c
 *	  Offers time that became free to those who wait for it.
 *
 * Whoever frees time serves the waitlist in the same transaction; what becomes
 * free in any other way is found by expire_holds(), which looks at all that
 * somebody waits for.  The first in line whose wish fits gets a hold.  The
 * starts that can be had are computed once for each service of the barber, and
 * the line is read against them in batches, by id, until they are used up.
 *
 * Nobody is waited for.  Of two who serve at once, the second passes over the
 * entry that the first is serving: the row locks on the entry and its user
 * say so, and are taken only with the hold.  If the first rolls back, that
 * entry is where it was in the line.
 *
 * A user with an offer that is still open gets no other, so that nobody has
 * two.  An offer is open until waitlist.offer_ends_at; if somebody else in
 * line wishes its time, the hold goes on to occupy it for the shop's grace, so
 * that the next in line is served before anybody else can book.  A call first
 * takes back the offers that ran out lately, as many as it can afford;
 * expire_holds() gets them all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "booking.h"

/*
 * How many entries that fit, but cannot be served, a call that frees time
 * passes over before it leaves the rest to expire_holds().
 */
#define MOST_PASSED_OVER 50

/* Entries that are read at once */
#define BATCH_SIZE 50
#define BATCH_SIZE_TEXT "50"

typedef struct Entry
{
	int64		id;
	int64		user_id;
	TimestampTz earliest;
	TimestampTz latest;
} Entry;

/*
 * Those who wait for one service with the barber.
 */
typedef struct Line
{
	Wanted		wanted;
	int64		duration_us;
	Span		busy;			/* of a start at 0, buffers included */
	StartList	starts;			/* that can be had */
	int			known_servings; /* of which the starts know */
	Entry		entries[BATCH_SIZE];
	int			count;
	int			next;			/* of the entries, by id */
	int64		last_id;		/* up to which the line was read */
	bool		is_read;		/* to its end */
	bool		is_over;
} Line;

/*
 * The serving of one barber's lines.
 */
typedef struct Serving
{
	Relation	appointments;
	int64		barber_id;
	int64		hold_us;
	int64		grace_us;
	const Span *freed;			/* NULL: all that can be had */
	Line	   *lines;
	int			line_count;
	int			served_count;
	int			passed_count;	/* fitted, and could not be served */
} Serving;

static int64
entry_value(int row, int column)
{
	bool		isnull;

	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[row],
									   SPI_tuptable->tupdesc, column,
									   &isnull));
}

/* ---- what can be had ---- */

/*
 * The time in which a start may have become a slot: some part of the service,
 * with its buffers, meets what was freed.  Where the day was full, or the grid
 * hangs on its appointments, that may be anywhere on the date.
 */
static void
affected_window(Offer *offer, const Span *freed, DateWindow *window)
{
	const SlotRule *rule = &offer->rule;
	Zone	   *zone = &offer->barber->shop->zone;

	window->check_dates = true;
	window->from_date = DATEVAL_NOBEGIN;
	window->to_date = offer->last_date;
	window->from = freed->from - rule->duration_us - rule->buffer_after_us + 1;
	window->until = freed->until + rule->buffer_before_us;
	if (offer->barber->max_per_day > 0 || rule->anchor == ANCHOR_PACKED)
	{
		DateWindow	dates;

		zone_window(zone, zone_date(zone, freed->from),
					zone_date(zone, freed->until), &dates);
		window->from = Min(window->from, dates.from);
		window->until = Max(window->until, dates.until);
	}
}

/*
 * The starts at which a service can be had, within what is wanted; an offer
 * that would end at once is none.
 */
static void
find_starts_for_line(const Serving *serving, Line *line)
{
	BusyReader *reader;
	Offer		offer;
	Refusal		refusal;
	DateWindow	window;
	Part		part;

	line->starts.count = 0;
	line->known_servings = serving->served_count;
	if (!find_offer(schedule_begin(), serving->barber_id,
					line->wanted.service_id, &offer, &refusal))
		return;
	line->duration_us = offer.rule.duration_us;
	rule_part(&offer.rule, 0, 0, &part);
	line->busy.from = part.busy.from;
	rule_part(&offer.rule, rule_part_count(&offer.rule) - 1, 0, &part);
	line->busy.until = part.busy.until;
	if (serving->freed != NULL)
		affected_window(&offer, serving->freed, &window);
	else
		offer_window(&offer, DATEVAL_NOBEGIN, DATEVAL_NOEND, &window);
	window.from = Max(Max(window.from, line->wanted.earliest),
					  Max(offer.rule.earliest, booking_now() + 1));
	window.until = Min(window.until,
					   line->wanted.latest - line->duration_us + 1);
	PushActiveSnapshot(GetTransactionSnapshot());
	reader = busy_open();
	offer_starts(&offer, reader, NULL, &window, &line->starts);
	busy_close(reader);
	PopActiveSnapshot();
}

/* ---- the line ---- */

/*
 * Whose wish may fit, behind $5 in the line: it holds some of the starts, as far
 * as the first and the last can tell.  So written, the index on the line is the
 * only one with this order, and answers all but the barber without a row.
 */
#define MAY_FIT \
	"w.service_id >= $1 AND w.service_id <= $1 AND w.id > $5" \
	" AND w.status = 'waiting'" \
	" AND (w.barber_id IS NULL OR w.barber_id = $2)" \
	" AND w.earliest <= $3 AND w.latest >= $4"
#define IN_LINE " ORDER BY w.service_id, w.id LIMIT "

static OwnerQuery batch_query = {
	.sql = "SELECT w.id, w.user_id, w.earliest, w.latest"
	" FROM booking.waitlist w WHERE " MAY_FIT IN_LINE BATCH_SIZE_TEXT,
	.nargs = 5,
	.argtypes = {INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID}
};

/*
 * Reads the next entries of a line, whose starts there are.
 */
static void
read_batch(const Serving *serving, Line *line)
{
	const StartList *starts = &line->starts;
	Datum		values[] = {
		Int64GetDatum(line->wanted.service_id),
		Int64GetDatum(serving->barber_id),
		TimestampTzGetDatum(starts->starts[starts->count - 1].at),
		TimestampTzGetDatum(starts->starts[0].at + line->duration_us),
		Int64GetDatum(line->last_id)
	};

	line->next = 0;
	SPI_connect();
	line->count = run_owner_query(&batch_query, values, NULL, false);
	for (int i = 0; i < line->count; i++)
		line->entries[i] = (Entry) {
		entry_value(i, 1), entry_value(i, 2), entry_value(i, 3),
			entry_value(i, 4)
	};
	SPI_finish();
	line->is_read = line->count < BATCH_SIZE;
	if (line->count > 0)
		line->last_id = line->entries[line->count - 1].id;
}

/*
 * Sees to it that the line is over, or has a next entry.  Servings since may
 * have used its starts up.
 */
static void
advance_line(const Serving *serving, Line *line)
{
	if (line->is_over)
		return;
	if (line->known_servings != serving->served_count)
		find_starts_for_line(serving, line);
	if (line->starts.count > 0 && line->next == line->count && !line->is_read)
		read_batch(serving, line);
	line->is_over = line->starts.count == 0 || line->next == line->count;
}

/*
 * The line whose next entry has waited the longest; NULL: all are over.
 */
static Line *
next_line(Serving *serving)
{
	Line	   *first = NULL;

	for (int i = 0; i < serving->line_count; i++)
	{
		Line	   *line = &serving->lines[i];

		advance_line(serving, line);
		if (!line->is_over &&
			(first == NULL ||
			 line->entries[line->next].id < first->entries[first->next].id))
			first = line;
	}
	return first;
}

/*
 * The position of the first start that is not before an instant.
 */
static int
first_start(const StartList *starts, TimestampTz at)
{
	int			low = 0;
	int			high = starts->count;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (starts->starts[middle].at < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* ---- one entry ---- */

static OwnerQuery take_query = {
	.sql = "SELECT FROM booking.waitlist w"
	" JOIN booking.users u ON u.id = w.user_id"
	" WHERE w.id = $1 AND w.status = 'waiting'"
	" FOR NO KEY UPDATE SKIP LOCKED",
	.nargs = 1,
	.argtypes = {INT8OID}
};

static OwnerQuery eligible_query = {
	.sql = "SELECT FROM booking.users u WHERE u.id = $1 AND u.is_active"
	" AND NOT EXISTS (SELECT FROM booking.waitlist w"
	" WHERE w.user_id = $1 AND w.status = 'served'"
	" AND coalesce(w.offer_ends_at > $2, true)"
	" AND (SELECT a.status = 'pending' AND a.hold_expires_at > $2"
	" FROM booking.appointments a WHERE a.id = w.appointment_id))",
	.nargs = 2,
	.argtypes = {INT8OID, TIMESTAMPTZOID}
};

static OwnerQuery serve_query = {
	.sql = "UPDATE booking.waitlist SET status = 'served',"
	" appointment_id = $2, served_at = $3, offer_ends_at = $4 WHERE id = $1",
	.nargs = 4,
	.argtypes = {INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static OwnerQuery wished_query = {
	.sql = "SELECT FROM booking.waitlist w WHERE " MAY_FIT
	" AND w.user_id <> $6" IN_LINE "1",
	.nargs = 6,
	.argtypes = {INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID,
	INT8OID}
};

/*
 * Whether a user is active and has no open offer.  Whoever made one had the
 * user's lock: so under that lock the latest snapshot sees it, while that of a
 * REPEATABLE READ transaction may be older.
 */
static bool
is_eligible(int64 user_id)
{
	Datum		values[] = {
		Int64GetDatum(user_id), TimestampTzGetDatum(booking_now())
	};
	bool		result;

	SPI_connect();
	PushActiveSnapshot(GetLatestSnapshot());
	result = run_owner_query(&eligible_query, values, NULL, true) > 0;
	PopActiveSnapshot();
	SPI_finish();
	return result;
}

/*
 * Locks an entry and its user; false when either is locked by somebody else,
 * or the entry is no longer waiting, or the user not eligible.
 */
static bool
take_entry(const Entry *entry)
{
	Datum		values[] = {Int64GetDatum(entry->id)};
	bool		taken;

	SPI_connect();
	taken = run_owner_query(&take_query, values, NULL, false) > 0;
	SPI_finish();
	return taken && is_eligible(entry->user_id);
}

static void
mark_served(const Entry *entry, Datum appointment_id,
			TimestampTz offer_ends_at)
{
	Datum		values[] = {
		Int64GetDatum(entry->id), appointment_id,
		TimestampTzGetDatum(booking_now()), TimestampTzGetDatum(offer_ends_at)
	};

	SPI_connect();
	run_owner_query(&serve_query, values, NULL, false);
	SPI_finish();
}

/*
 * Whether another user in a line wishes one of its starts that meet some busy
 * time.  Of those ahead of the entry nobody does, if nobody was passed over.
 */
static bool
is_wished(const Serving *serving, const Line *line, const Span *busy,
		  const Entry *entry)
{
	const StartList *starts = &line->starts;
	int			first = first_start(starts,
									busy->from - line->busy.until + 1);
	int			end = first_start(starts, busy->until - line->busy.from);
	Datum		values[] = {
		Int64GetDatum(line->wanted.service_id),
		Int64GetDatum(serving->barber_id), (Datum) 0, (Datum) 0,
		Int64GetDatum(serving->passed_count > 0 ? PG_INT64_MIN : entry->id),
		Int64GetDatum(entry->user_id)
	};
	bool		result;

	if (first >= end)
		return false;
	values[2] = TimestampTzGetDatum(starts->starts[end - 1].at);
	values[3] = TimestampTzGetDatum(starts->starts[first].at +
									line->duration_us);
	SPI_connect();
	result = run_owner_query(&wished_query, values, NULL, false) > 0;
	SPI_finish();
	return result;
}

static TimestampTz
offer_end(const Serving *serving, TimestampTz starts_at)
{
	return Min(booking_now() + serving->hold_us, starts_at);
}

/*
 * How long an offer occupies its time: until it ends, or beyond that for the
 * grace if it would go to the next in line then.
 */
static int64
occupied_us(const Serving *serving, const Line *line, const Entry *entry,
			TimestampTz starts_at)
{
	Span		busy = {
		starts_at + line->busy.from, starts_at + line->busy.until
	};
	TimestampTz until = offer_end(serving, starts_at);
	bool		is_next = false;

	if (serving->grace_us > 0 && until < starts_at)
	{
		for (int i = 0; i < serving->line_count && !is_next; i++)
			is_next = is_wished(serving, &serving->lines[i], &busy, entry);
	}
	if (is_next)
		until = Min(until + serving->grace_us, starts_at);
	return until - booking_now();
}

/*
 * Where to go on after a start that was refused: a limit, be it the user's or
 * the day's, stands for all of the date.
 */
static TimestampTz
next_to_try(const Serving *serving, TimestampTz starts_at,
			const Refusal *refusal)
{
	Barber	   *barber;
	TimestampTz until;

	if (refusal->reason != LIMIT_REACHED)
		return starts_at + 1;
	barber = schedule_barber(schedule_begin(), serving->barber_id);
	if (barber == NULL)
		return DT_NOEND;
	zone_date_until(&barber->shop->zone, starts_at, &until);
	return Max(until, starts_at + 1);
}

/*
 * An entry that is to be served.
 */
typedef struct Candidate
{
	Serving    *serving;
	const Line *line;
	const Entry *entry;
} Candidate;

/*
 * Holds the first of the starts that fit and are to be had at once.
 */
static bool
hold_one(const Candidate *candidate, TupleTableSlot *hold)
{
	const Serving *serving = candidate->serving;
	const Line *line = candidate->line;
	const StartList *starts = &line->starts;
	TimestampTz from = candidate->entry->earliest;
	Request		request = {
		.barber_id = serving->barber_id,
		.service_id = line->wanted.service_id,
		.user_id = candidate->entry->user_id,
		.is_hold = true,
		.need = 1
	};

	for (int i = first_start(starts, from);
		 i < starts->count && starts->starts[i].at <=
		 candidate->entry->latest - line->duration_us;
		 i = first_start(starts, from))
	{
		Decision	decision;
		Refusal		refusal = {REASON_NONE};
		Holder		holder;

		CHECK_FOR_INTERRUPTS();
		request.starts_at = starts->starts[i].at;
		request.hold_us = occupied_us(serving, line, candidate->entry,
									  request.starts_at);
		PushActiveSnapshot(GetTransactionSnapshot());
		decision = decide(serving->appointments, &request, hold, &refusal,
						  &holder);
		PopActiveSnapshot();
		if (decision == DECIDED_YES)
			return true;
		from = next_to_try(serving, request.starts_at, &refusal);
	}
	return false;
}

/*
 * Serving one entry, or leaving it as it was.
 */
static bool
try_to_serve(void *arg)
{
	const Candidate *candidate = arg;
	const Serving *serving = candidate->serving;
	TupleTableSlot *hold;
	bool		is_held;
	bool		isnull;

	if (!take_entry(candidate->entry))
		return false;
	hold = table_slot_create(serving->appointments, NULL);
	is_held = hold_one(candidate, hold);
	if (is_held)
	{
		TimestampTz starts_at =
			DatumGetTimestampTz(appointment_value(hold, APPT_STARTS_AT,
												  &isnull));

		mark_served(candidate->entry,
					appointment_value(hold, APPT_ID, &isnull),
					offer_end(serving, starts_at));
	}
	ExecDropSingleTupleTableSlot(hold);
	return is_held;
}

/*
 * Serves an entry, if its wish fits.  An error that a trigger or a CHECK raises
 * about this customer's row is a warning: it is not the fault of the call which
 * frees the time, and the others in line are served.
 */
static void
serve_entry(Serving *serving, const Line *line, const Entry *entry)
{
	Candidate	candidate = {serving, line, entry};
	int			first = first_start(&line->starts, entry->earliest);

	if (first == line->starts.count ||
		line->starts.starts[first].at > entry->latest - line->duration_us)
		return;
	/* asked again under the user's lock */
	if (is_eligible(entry->user_id) &&
		attempt_or_warn(try_to_serve, &candidate, "waitlist entry", entry->id))
		serving->served_count++;
	else
		serving->passed_count++;
}

/*
 * Serves the lines for what the barber has, the longest waiting first, until
 * that is used up or too many were passed over.
 */
static void
serve_lines(int64 barber_id, const Span *freed, const Wanted *wanted,
			int count, int most_passed_over)
{
	Barber	   *barber = schedule_barber(schedule_begin(), barber_id);
	Serving		serving = {.barber_id = barber_id, .freed = freed};
	Line	   *line;

	if (barber == NULL)
		return;
	/* a CHECK that was dropped must not make an offer of no time */
	serving.hold_us = Max(barber->shop->waitlist_hold_minutes, 1) *
		USECS_PER_MINUTE;
	serving.grace_us = Max(barber->shop->waitlist_grace_minutes, 0) *
		USECS_PER_MINUTE;
	serving.lines = palloc0(Max(count, 1) * sizeof(Line));
	serving.line_count = count;
	for (int i = 0; i < count; i++)
	{
		serving.lines[i].wanted = wanted[i];
		serving.lines[i].last_id = PG_INT64_MIN;
		find_starts_for_line(&serving, &serving.lines[i]);
	}
	serving.appointments = catalog_open(APPOINTMENTS, RowExclusiveLock);
	while (serving.passed_count < most_passed_over &&
		   (line = next_line(&serving)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		serve_entry(&serving, line, &line->entries[line->next++]);
	}
	table_close(serving.appointments, NoLock);
}

/*
 * Gives whatever can be had of a barber to those who wait for it.
 */
void
serve_barber(int64 barber_id, const Wanted *wanted, int count)
{
	serve_lines(barber_id, NULL, wanted, count, PG_INT32_MAX);
}

/* ---- freed time ---- */

/*
 * Whether somebody waits, for anything or for a service.  In this form only the
 * index on the line will do, and one entry of it is read, whatever the
 * statistics say.
 */
#define IS_WAITED(condition) \
	"(SELECT true FROM booking.waitlist w WHERE w.status = 'waiting'" \
	condition " ORDER BY w.service_id LIMIT 1)"
#define IS_WAITED_FOR(service_id) \
	IS_WAITED(" AND w.service_id >= " service_id \
			  " AND w.service_id <= " service_id)

static OwnerQuery anybody_query = {
	.sql = "SELECT " IS_WAITED("") " IS NOT NULL AND EXISTS"
	" (SELECT FROM booking.services s WHERE s.shop_id = $1 AND s.is_active"
	" AND " IS_WAITED_FOR("s.id") ")",
	.nargs = 1,
	.argtypes = {INT8OID}
};

static bool
anybody_waits(int64 shop_id)
{
	Datum		values[] = {Int64GetDatum(shop_id)};
	bool		result;
	bool		isnull;

	SPI_connect();
	run_owner_query(&anybody_query, values, NULL, false);
	result = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0],
										SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	return result;
}

/* Which of a barber's services somebody waits for */
static OwnerQuery wanted_query = {
	.sql = "SELECT o.service_id FROM booking.barber_services o"
	" WHERE o.barber_id = $1 AND " IS_WAITED_FOR("o.service_id"),
	.nargs = 1,
	.argtypes = {INT8OID}
};

static Wanted *
find_wanted(int64 barber_id, int *count)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[] = {Int64GetDatum(barber_id)};
	Wanted	   *wanted;

	SPI_connect();
	*count = run_owner_query(&wanted_query, values, NULL, false);
	wanted = MemoryContextAlloc(caller, Max(*count, 1) * sizeof(Wanted));
	for (int i = 0; i < *count; i++)
		wanted[i] = (Wanted) {
		entry_value(i, 1), DT_NOBEGIN, DT_NOEND
	};
	SPI_finish();
	return wanted;
}

static void
serve_freed(int64 barber_id, const SpanList *freed)
{
	int			count;
	Wanted	   *wanted = find_wanted(barber_id, &count);

	for (int i = 0; i < freed->count && count > 0; i++)
	{
		if (freed->spans[i].until > booking_now())
			serve_lines(barber_id, &freed->spans[i], wanted, count,
						MOST_PASSED_OVER);
	}
}

/* ---- offers that ran out ---- */

/*
 * The shop's offers among the holds that ran out last, and among those that
 * run out next, which may be kept for the grace alone; $3 is when that ends at
 * the latest.
 */
static OwnerQuery lapse_query = {
	.sql = "WITH due AS (SELECT a.id FROM booking.appointments a"
	" WHERE a.id IN (SELECT coalesce(h.part_of, h.id)"
	" FROM ((SELECT id, part_of FROM booking.appointments"
	" WHERE status = 'pending' AND hold_expires_at <= $2"
	" ORDER BY hold_expires_at DESC LIMIT 100)"
	" UNION ALL (SELECT id, part_of FROM booking.appointments"
	" WHERE status = 'pending' AND hold_expires_at > $2"
	" AND hold_expires_at <= $3 ORDER BY hold_expires_at LIMIT 100)) h)"
	" AND a.status = 'pending'"
	" AND (SELECT bool_or(a.hold_expires_at <= $2 OR w.offer_ends_at <= $2)"
	" FROM booking.waitlist w WHERE w.appointment_id = a.id)"
	" AND a.barber_id IN (SELECT b.id FROM booking.barbers b"
	" WHERE b.shop_id = $1)"
	" ORDER BY a.id FOR NO KEY UPDATE SKIP LOCKED)"
	" UPDATE booking.appointments a SET status = 'expired' FROM due"
	" WHERE (a.id = due.id OR a.part_of = due.id) AND a.status = 'pending'"
	" RETURNING a.barber_id, a.busy_from, a.busy_until",
	.nargs = 3,
	.argtypes = {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

/*
 * Takes back the shop's offers that ran out, and gives their time to the next.
 */
static void
lapse_offers(int64 shop_id)
{
	MemoryContext caller = CurrentMemoryContext;
	Shop	   *shop = schedule_shop(schedule_begin(), shop_id);
	int			minutes = shop == NULL ? 0 : shop->waitlist_grace_minutes;
	Datum		values[] = {
		Int64GetDatum(shop_id), TimestampTzGetDatum(booking_now()),
		TimestampTzGetDatum(booking_now() + minutes * USECS_PER_MINUTE)
	};
	SpanList	freed = {0};
	int64	   *barber_ids;
	int			count;

	SPI_connect();
	count = run_owner_query(&lapse_query, values, NULL, false);
	barber_ids = MemoryContextAlloc(caller, Max(count, 1) * sizeof(int64));
	for (int i = 0; i < count; i++)
	{
		MemoryContext spi = MemoryContextSwitchTo(caller);

		barber_ids[i] = entry_value(i, 1);
		spans_add(&freed, entry_value(i, 2), entry_value(i, 3));
		MemoryContextSwitchTo(spi);
	}
	SPI_finish();
	for (int i = 0; i < count; i++)
		serve_freed(barber_ids[i], &(SpanList) {&freed.spans[i], 1, 1});
}

/*
 * Gives time that this transaction has freed to those who wait for it.
 */
void
serve_waitlist(int64 shop_id, int64 barber_id, const SpanList *freed)
{
	if (!anybody_waits(shop_id))
		return;
	lapse_offers(shop_id);
	serve_freed(barber_id, freed);
}

static OwnerQuery deadline_query = {
	.sql = "SELECT pg_catalog.min(offer_ends_at) FROM booking.waitlist"
	" WHERE appointment_id OPERATOR(pg_catalog.=) $1"
	" AND status OPERATOR(pg_catalog.=) 'served'",
	.nargs = 1,
	.argtypes = {INT8OID}
};

/*
 * Until when a hold may be taken if it is an offer of the waitlist, else
 * DT_NOEND.  read_only: by the active snapshot; else the caller has locked the
 * appointment.  The query names its operators: a caller's search_path may hold.
 */
TimestampTz
offer_deadline(int64 appointment_id, bool read_only)
{
	Datum		values[] = {Int64GetDatum(appointment_id)};
	Datum		deadline;
	bool		isnull;

	SPI_connect();
	run_owner_query(&deadline_query, values, NULL, read_only);
	deadline = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
							 &isnull);
	SPI_finish();
	return isnull ? DT_NOEND : DatumGetTimestampTz(deadline);
}
