/*-------------------------------------------------------------------------
 *
 * waitlist.c
 *	  Who gets what becomes free.
 *
 * Whoever frees time serves the waitlist in the same transaction: the first in
 * line whose wish fits gets a hold.  Nobody is waited for.  Of two who free
 * time at once, the second passes over the entry that the first is serving: the
 * row locks on the entry and its user say so, and are taken only with the hold.
 * If the first rolls back, that entry is where it was in the line.
 *
 * A user with an offer that is still open gets no other, so that nobody has
 * two.  Offers that ran out since are taken back first, as many as a call
 * can afford; expire_holds() gets them all.
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

typedef struct Entry
{
	int64		id;
	int64		user_id;
	int64		service_id;
	TimestampTz earliest;
	TimestampTz latest;
} Entry;

typedef struct EntryList
{
	Entry	   *entries;
	int			count;
} EntryList;

/* ---- the line ---- */

static OwnerQuery anybody_query = {
	.sql = "SELECT EXISTS (SELECT FROM booking.services s"
	" WHERE s.shop_id = $1 AND s.is_active AND EXISTS"
	" (SELECT FROM booking.waitlist w"
	" WHERE w.service_id = s.id AND w.status = 'waiting'))",
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

/* Whose wish meets some time of a barber, in the order of the line */
static OwnerQuery line_query = {
	.sql = "SELECT w.id, w.user_id, w.service_id, w.earliest, w.latest"
	" FROM booking.barber_services o"
	" JOIN booking.waitlist w ON w.service_id = o.service_id"
	" WHERE o.barber_id = $1 AND w.status = 'waiting'"
	" AND (w.barber_id IS NULL OR w.barber_id = $1)"
	" AND w.earliest < $3 AND w.latest > $2"
	" ORDER BY w.id",
	.nargs = 3,
	.argtypes = {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static int64
entry_value(int row, int column)
{
	bool		isnull;

	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[row],
									   SPI_tuptable->tupdesc, column,
									   &isnull));
}

/*
 * Reads the line for some time of a barber; what has begun is no use.
 */
static void
read_line(int64 barber_id, const Span *time, EntryList *line)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[] = {
		Int64GetDatum(barber_id),
		TimestampTzGetDatum(Max(time->from, booking_now())),
		TimestampTzGetDatum(time->until)
	};

	SPI_connect();
	line->count = run_owner_query(&line_query, values, NULL, false);
	line->entries = MemoryContextAlloc(caller,
									   Max(line->count, 1) * sizeof(Entry));
	for (int i = 0; i < line->count; i++)
		line->entries[i] = (Entry) {
		entry_value(i, 1), entry_value(i, 2), entry_value(i, 3),
			entry_value(i, 4), entry_value(i, 5)
	};
	SPI_finish();
}

/* ---- one entry ---- */

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
 * The starts at which freed time of a barber would fulfil a wish.
 */
static void
find_wished_starts(const Entry *entry, int64 barber_id, const Span *freed,
				   StartList *starts)
{
	BusyReader *reader;
	Offer		offer;
	Refusal		refusal;
	DateWindow	window = {.check_dates = true, .from_date = DATEVAL_NOBEGIN};

	starts->count = 0;
	if (!find_offer(schedule_begin(), barber_id, entry->service_id, &offer,
					&refusal))
		return;
	affected_window(&offer, freed, &window);
	window.from = Max(window.from, Max(entry->earliest, offer.rule.earliest));
	window.until = Min(window.until,
					   entry->latest - offer.rule.duration_us + 1);
	window.to_date = offer.last_date;
	reader = busy_open();
	offer_starts(&offer, reader, NULL, &window, starts);
	busy_close(reader);
}

static OwnerQuery take_query = {
	.sql = "SELECT FROM booking.waitlist w"
	" JOIN booking.users u ON u.id = w.user_id"
	" WHERE w.id = $1 AND w.status = 'waiting' AND u.is_active"
	" FOR NO KEY UPDATE SKIP LOCKED",
	.nargs = 1,
	.argtypes = {INT8OID}
};

static OwnerQuery open_offer_query = {
	.sql = "SELECT FROM booking.waitlist w"
	" JOIN booking.appointments a ON a.id = w.appointment_id"
	" WHERE w.user_id = $1 AND w.status = 'served'"
	" AND a.status = 'pending' AND a.hold_expires_at > $2 LIMIT 1",
	.nargs = 2,
	.argtypes = {INT8OID, TIMESTAMPTZOID}
};

static OwnerQuery serve_query = {
	.sql = "UPDATE booking.waitlist SET status = 'served',"
	" appointment_id = $2, served_at = $3 WHERE id = $1",
	.nargs = 3,
	.argtypes = {INT8OID, INT8OID, TIMESTAMPTZOID}
};

/*
 * Whether a user who is locked has an offer that is still open.  Whoever made
 * one had that lock, too: so the latest snapshot sees it, while that of a
 * REPEATABLE READ transaction may be older.
 */
static bool
has_open_offer(int64 user_id)
{
	Datum		values[] = {
		Int64GetDatum(user_id), TimestampTzGetDatum(booking_now())
	};
	bool		result;

	PushActiveSnapshot(GetLatestSnapshot());
	result = run_owner_query(&open_offer_query, values, NULL, true) > 0;
	PopActiveSnapshot();
	return result;
}

/*
 * Locks an entry and its user; false when either is locked by somebody else,
 * no longer waiting, or has an open offer.
 */
static bool
take_entry(const Entry *entry)
{
	Datum		values[] = {Int64GetDatum(entry->id)};
	bool		taken;

	SPI_connect();
	taken = run_owner_query(&take_query, values, NULL, false) > 0 &&
		!has_open_offer(entry->user_id);
	SPI_finish();
	return taken;
}

static void
mark_served(const Entry *entry, Datum appointment_id)
{
	Datum		values[] = {
		Int64GetDatum(entry->id), appointment_id,
		TimestampTzGetDatum(booking_now())
	};

	SPI_connect();
	run_owner_query(&serve_query, values, NULL, false);
	SPI_finish();
}

/*
 * Holds the first of the starts that is to be had at once.
 */
static bool
hold_one(Relation appointments, const Entry *entry, int64 barber_id,
		 int64 hold_us, const StartList *starts)
{
	TupleTableSlot *hold = table_slot_create(appointments, NULL);
	Decision	decision = DECIDED_NO;
	Request		request = {
		.barber_id = barber_id,
		.service_id = entry->service_id,
		.user_id = entry->user_id,
		.is_hold = true,
		.hold_us = hold_us,
		.need = 1
	};

	for (int i = 0; i < starts->count && decision != DECIDED_YES; i++)
	{
		Refusal		refusal;
		Holder		holder;

		CHECK_FOR_INTERRUPTS();
		request.starts_at = starts->starts[i].at;
		PushActiveSnapshot(GetTransactionSnapshot());
		decision = decide(appointments, &request, hold, &refusal, &holder);
		PopActiveSnapshot();
	}
	if (decision == DECIDED_YES)
	{
		bool		isnull;

		mark_served(entry, appointment_value(hold, APPT_ID, &isnull));
	}
	ExecDropSingleTupleTableSlot(hold);
	return decision == DECIDED_YES;
}

/*
 * Serving one entry, or leaving it as it was.
 */
typedef struct Serving
{
	Relation	appointments;
	const Entry *entry;
	int64		barber_id;
	int64		hold_us;
	StartList	starts;
} Serving;

static bool
try_to_serve(void *arg)
{
	Serving    *serving = arg;

	return take_entry(serving->entry) &&
		hold_one(serving->appointments, serving->entry, serving->barber_id,
				 serving->hold_us, &serving->starts);
}

static void
serve_entry(Relation appointments, const Entry *entry, int64 barber_id,
			int64 hold_us, const Span *freed)
{
	Serving		serving = {appointments, entry, barber_id, hold_us};

	PushActiveSnapshot(GetTransactionSnapshot());
	find_wished_starts(entry, barber_id, freed, &serving.starts);
	PopActiveSnapshot();
	if (serving.starts.count > 0)
		attempt(try_to_serve, &serving);
}

/* ---- freed time ---- */

static int64
waitlist_hold_us(int64 shop_id)
{
	Shop	   *shop = schedule_shop(schedule_begin(), shop_id);

	return shop == NULL ? 0 : shop->waitlist_hold_minutes * USECS_PER_MINUTE;
}

static void
serve_freed(int64 shop_id, int64 barber_id, const SpanList *freed)
{
	int64		hold_us = waitlist_hold_us(shop_id);
	Relation	rel = catalog_open(APPOINTMENTS, RowExclusiveLock);

	for (int i = 0; i < freed->count; i++)
	{
		const Span *span = &freed->spans[i];
		EntryList	line;

		if (span->until <= booking_now())
			continue;
		/* a service that meets the span may reach a day beyond it */
		read_line(barber_id, &(Span) {
			span->from - 2 * USECS_PER_DAY, span->until + 2 * USECS_PER_DAY
		}, &line);
		for (int e = 0; e < line.count; e++)
			serve_entry(rel, &line.entries[e], barber_id, hold_us, span);
	}
	table_close(rel, NoLock);
}

/* The shop's offers among the holds that ran out last */
static OwnerQuery lapse_query = {
	.sql = "WITH due AS (SELECT a.id FROM booking.appointments a"
	" WHERE a.id IN (SELECT coalesce(h.part_of, h.id)"
	" FROM booking.appointments h"
	" WHERE h.status = 'pending' AND h.hold_expires_at <= $2"
	" ORDER BY h.hold_expires_at DESC LIMIT 100)"
	" AND a.status = 'pending' AND a.hold_expires_at <= $2"
	" AND EXISTS (SELECT FROM booking.waitlist w WHERE w.appointment_id = a.id)"
	" AND a.barber_id IN (SELECT b.id FROM booking.barbers b"
	" WHERE b.shop_id = $1)"
	" ORDER BY a.id FOR NO KEY UPDATE SKIP LOCKED)"
	" UPDATE booking.appointments a SET status = 'expired' FROM due"
	" WHERE (a.id = due.id OR a.part_of = due.id) AND a.status = 'pending'"
	" RETURNING a.barber_id, a.busy_from, a.busy_until",
	.nargs = 2,
	.argtypes = {INT8OID, TIMESTAMPTZOID}
};

/*
 * Takes back the shop's offers that ran out, and gives their time to the next.
 */
static void
lapse_offers(int64 shop_id)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[] = {
		Int64GetDatum(shop_id), TimestampTzGetDatum(booking_now())
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
		serve_freed(shop_id, barber_ids[i],
					&(SpanList) {&freed.spans[i], 1, 1});
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
	serve_freed(shop_id, barber_id, freed);
}
