/*-------------------------------------------------------------------------
 *
 * business.c
 *	  A shop's figures by day, from its tables.
 *
 * C finds out how long the barbers are open on each local date; one query
 * counts what the appointments have become.  Everything belongs to the date on
 * which the appointment begins, so that a day's figures add up, and the index
 * on starts_at finds all of them; only booked minutes are divided at midnight,
 * as open time is.
 *
 * Whether an appointment began as a hold is seen from its row until it is
 * confirmed, from then on in its history.  What waits for the shop's word is
 * none, even if it waits only for so long; nor is it a booking once that time
 * has passed without an answer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "booking.h"

#define MOST_SPANS_PER_DAY 2

/* ---- open time ---- */

typedef struct Days
{
	Datum	   *open_minutes;	/* of each date */
	int			count;
	Datum	   *dates;			/* of each stretch of a date: see zone.c */
	Datum	   *from;
	Datum	   *until;
	int			span_count;
} Days;

static OwnerQuery barbers_query = {
	.sql = "SELECT id FROM booking.barbers WHERE shop_id = $1 AND is_active",
	.nargs = 1,
	.argtypes = {INT8OID}
};

static int64 *
find_barbers(int64 shop_id, int *count)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[] = {Int64GetDatum(shop_id)};
	int64	   *barber_ids;
	bool		isnull;

	SPI_connect();
	*count = run_owner_query(&barbers_query, values, NULL, true);
	barber_ids = MemoryContextAlloc(caller, Max(*count, 1) * sizeof(int64));
	for (int i = 0; i < *count; i++)
		barber_ids[i] = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i],
													SPI_tuptable->tupdesc, 1,
													&isnull));
	SPI_finish();
	return barber_ids;
}

/*
 * How long a barber is open on the date that has these spans.
 */
static int64
open_us(Barber *barber, const SpanList *date)
{
	OpenTime	open = {0};
	SpanList	on_date = {0};
	int64		result = 0;

	if (barber == NULL || date->count == 0)
		return 0;
	find_open_time(barber, date->spans[0].from,
				   date->spans[date->count - 1].until, &open);
	spans_intersect(&open.open, date, &on_date);
	for (int i = 0; i < on_date.count; i++)
		result += on_date.spans[i].until - on_date.spans[i].from;
	return result;
}

/*
 * Adds a date: its spans, and how long the barbers are open.
 */
static void
add_date(Schedule *schedule, Shop *shop, const int64 *barber_ids,
		 int barber_count, DateADT date, Days *days)
{
	SpanList	spans = {0};
	int64		us = 0;

	zone_date_spans(&shop->zone, date, date, &spans);
	for (int i = 0; i < spans.count; i++)
	{
		days->dates[days->span_count] = DateADTGetDatum(date);
		days->from[days->span_count] =
			TimestampTzGetDatum(spans.spans[i].from);
		days->until[days->span_count] =
			TimestampTzGetDatum(spans.spans[i].until);
		days->span_count++;
	}
	for (int i = 0; i < barber_count && shop->is_active; i++)
		us += open_us(schedule_barber(schedule, barber_ids[i]), &spans);
	days->open_minutes[days->count++] = Int64GetDatum(us / USECS_PER_MINUTE);
}

static void
find_days(int64 shop_id, DateADT from_date, DateADT to_date, Days *days)
{
	int			barber_count;
	int64	   *barber_ids = find_barbers(shop_id, &barber_count);
	Schedule   *schedule = schedule_begin();
	Shop	   *shop = schedule_shop(schedule, shop_id);
	int			most_spans = (to_date - from_date + 1) * MOST_SPANS_PER_DAY;
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext per_date;
	Refusal		refusal;

	if (shop == NULL)
	{
		refuse(&refusal, NOT_FOUND, "There is no shop " INT64_FORMAT ".",
			   shop_id);
		raise_refusal("request", &refusal);
	}
	days->open_minutes = palloc((to_date - from_date + 1) * sizeof(Datum));
	days->dates = palloc(most_spans * sizeof(Datum));
	days->from = palloc(most_spans * sizeof(Datum));
	days->until = palloc(most_spans * sizeof(Datum));
	per_date = AllocSetContextCreate(caller, "booking business",
									 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(per_date);
	for (DateADT date = from_date; date <= to_date; date++)
	{
		CHECK_FOR_INTERRUPTS();
		add_date(schedule, shop, barber_ids, barber_count, date, days);
		MemoryContextReset(per_date);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(per_date);
}

/* ---- what became of the appointments ---- */

/* No appointment is longer than the two days of its busy time */
#define SHOPS_ROWS \
	" FROM spans s JOIN booking.barbers b ON b.shop_id = $1" \
	" JOIN booking.appointments a ON a.barber_id = b.id"

static OwnerQuery figures_query = {
	.sql =
	"WITH spans AS (SELECT * FROM unnest($3, $4, $5)"
	" AS u (day, from_at, until_at)),"
	" appointments AS (SELECT s.day, a.status, a.cancelled_by, a.price_cents,"
	" NOT a.is_request AND (a.hold_expires_at IS NOT NULL"
	" OR coalesce(h.was_hold, false)) AS is_hold,"
	" a.is_request AND (a.status = 'expired' OR a.status = 'pending'"
	" AND a.hold_expires_at <= $6) AS is_unanswered,"
	" h.confirmed_at, h.confirmed_at - a.created_at AS took"
	SHOPS_ROWS " AND a.part_of IS NULL"
	" AND a.starts_at >= s.from_at AND a.starts_at < s.until_at"
	" CROSS JOIN LATERAL (SELECT"
	" bool_or(v.was_hold) AS was_hold,"
	" min(v.changed_at) FILTER (WHERE v.from_status = 'pending'"
	" AND v.to_status = 'confirmed') AS confirmed_at"
	/* a version that went to another shop or customer has two entries */
	" FROM (SELECT min(c.changed_at) AS changed_at,"
	" bool_or(c.from_values ->> 'hold_expires_at' IS NOT NULL) AS was_hold,"
	" max(c.from_values ->> 'status') AS from_status,"
	" max(c.to_values ->> 'status') AS to_status"
	" FROM booking.appointment_history c WHERE c.appointment_id = a.id"
	" GROUP BY c.version) v) h),"
	" judged AS (SELECT a.*, confirmed_at IS NOT NULL"
	" OR NOT is_hold AND NOT coalesce(is_unanswered, false)"
	" AS is_booking FROM appointments a),"
	" counted AS (SELECT day, count(*) AS attempts,"
	" count(*) FILTER (WHERE is_booking) AS bookings,"
	" count(*) FILTER (WHERE is_hold) AS holds,"
	" count(*) FILTER (WHERE is_hold AND is_booking) AS holds_confirmed,"
	" percentile_cont(0.5) WITHIN GROUP (ORDER BY took)"
	" FILTER (WHERE is_hold AND is_booking) AS hold_to_confirm_median,"
	" count(*) FILTER (WHERE is_booking AND status = 'cancelled')"
	" AS cancellations,"
	" count(*) FILTER (WHERE is_booking AND cancelled_by = 'customer')"
	" AS cancelled_by_customer,"
	" count(*) FILTER (WHERE is_booking AND cancelled_by = 'shop')"
	" AS cancelled_by_shop,"
	" count(*) FILTER (WHERE status = 'no_show') AS no_shows,"
	" count(*) FILTER (WHERE status = 'completed') AS completed,"
	" sum(price_cents) FILTER (WHERE status = 'completed') AS revenue_cents"
	" FROM judged GROUP BY day),"
	" busy AS (SELECT s.day, range_agg(tstzrange("
	"greatest(a.starts_at, s.from_at), least(a.ends_at, s.until_at))) AS time"
	SHOPS_ROWS
	" AND a.starts_at > s.from_at - interval '48 hours'"
	" AND a.starts_at < s.until_at AND a.ends_at > s.from_at"
	" AND (a.status IN ('confirmed', 'checked_in', 'completed', 'no_show')"
	" OR a.status = 'pending'"
	" AND (a.hold_expires_at IS NULL OR a.hold_expires_at > $6))"
	" GROUP BY s.day, b.id),"
	" booked AS (SELECT day,"
	" floor(sum(extract(epoch FROM upper(t) - lower(t))) / 60)::bigint"
	" AS minutes FROM busy, unnest(time) t GROUP BY day),"
	" days AS (SELECT $2 + o.n::int - 1 AS day, o.minutes"
	" FROM unnest($7) WITH ORDINALITY AS o (minutes, n))"
	" SELECT d.day, coalesce(c.attempts, 0), coalesce(c.bookings, 0),"
	" coalesce(c.holds, 0), coalesce(c.holds_confirmed, 0),"
	" c.hold_to_confirm_median, coalesce(c.cancellations, 0),"
	" coalesce(c.cancelled_by_customer, 0), coalesce(c.cancelled_by_shop, 0),"
	" coalesce(c.no_shows, 0), coalesce(c.completed, 0),"
	" coalesce(k.minutes, 0), d.minutes,"
	" round(coalesce(k.minutes, 0)::numeric / nullif(d.minutes, 0), 4),"
	" CASE WHEN c.revenue_cents IS NULL THEN 0"
	" WHEN abs(c.revenue_cents) <= 9223372036854775807"
	" THEN c.revenue_cents::bigint END"
	" FROM days d LEFT JOIN counted c ON c.day = d.day"
	" LEFT JOIN booked k ON k.day = d.day ORDER BY d.day",
	.nargs = 7,
	.argtypes = {INT8OID, DATEOID, DATEARRAYOID, TIMESTAMPTZARRAYOID,
	TIMESTAMPTZARRAYOID, TIMESTAMPTZOID, INT8ARRAYOID}
};

static Datum
int8_array(Datum *values, int count, Oid type)
{
	return PointerGetDatum(construct_array(values, count, type, sizeof(int64),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * business_metrics(shop_id, from_date, to_date)
 */
MEASURED_FUNCTION(booking_business_metrics, OP_BUSINESS_METRICS)
{
	DateADT		from_date;
	DateADT		to_date;
	Days		days = {0};
	Datum		values[7];

	require_argument(fcinfo, 0, "shop_id");
	require_argument(fcinfo, 1, "from_date");
	require_shop_view(PG_GETARG_INT64(0));
	read_date_range(fcinfo, 1, 2, &from_date, &to_date);
	find_days(PG_GETARG_INT64(0), from_date, to_date, &days);
	values[0] = PG_GETARG_DATUM(0);
	values[1] = DateADTGetDatum(from_date);
	values[2] = PointerGetDatum(construct_array(days.dates, days.span_count,
												DATEOID, sizeof(DateADT), true,
												TYPALIGN_INT));
	values[3] = int8_array(days.from, days.span_count, TIMESTAMPTZOID);
	values[4] = int8_array(days.until, days.span_count, TIMESTAMPTZOID);
	values[5] = TimestampTzGetDatum(booking_now());
	values[6] = int8_array(days.open_minutes, days.count, INT8OID);
	owner_query_result(fcinfo, &figures_query, values, NULL);
	return (Datum) 0;
}
