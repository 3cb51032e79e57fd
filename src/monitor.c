/*-------------------------------------------------------------------------
 *
 * monitor.c
 *	  What verify(), health() and metrics() read of the tables.
 *
 * The tables may belong to somebody whom a superuser need not trust: a rule or
 * a trigger of theirs must not run with a monitoring role's rights, let alone
 * ours.  So this reads as the tables' owner does, like all other functions,
 * and who may call it needs no privilege on a table.  The rest of health() and
 * metrics() looks at catalogs and statistics, as the caller, in PL/pgSQL.
 *
 * "Now" is the clock and not the start of the statement: what the snapshot
 * sees was committed by then, so that a hold which ran out, and was booked
 * over, is never taken for a live one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/timestamp.h"

#include "booking.h"

static OwnerQuery verify_query = {
	.sql = "SELECT * FROM booking.find_structure_faults()"
	" UNION ALL SELECT * FROM booking.find_row_faults($2, $1)",
	.nargs = 2,
	.argtypes = {TIMESTAMPTZOID, BOOLOID}
};

/* For those who may not see the rows: how many there are */
static OwnerQuery verify_figures_query = {
	.sql = "SELECT * FROM booking.find_structure_faults()"
	" UNION ALL SELECT check_name, table_name, NULL,"
	" format('%s %s', count(*), CASE count(*) WHEN 1 THEN 'row' ELSE 'rows' END)"
	" FROM booking.find_row_faults($2, $1) GROUP BY check_name, table_name",
	.nargs = 2,
	.argtypes = {TIMESTAMPTZOID, BOOLOID}
};

/*
 * At most 100 barbers, who follow a random one by id, and three days of each.
 */
static OwnerQuery sample_query = {
	.sql = "WITH first AS MATERIALIZED (SELECT min(id)"
	" + floor(random() * (max(id) - min(id) + 1))::bigint AS id"
	" FROM booking.barbers),"
	" sample AS MATERIALIZED (SELECT coalesce(array_agg(s.id), '{}') AS ids"
	" FROM (SELECT * FROM (SELECT id FROM booking.barbers"
	" WHERE id >= (SELECT id FROM first) ORDER BY id LIMIT 100) a"
	" UNION ALL SELECT * FROM (SELECT id FROM booking.barbers"
	" WHERE id < (SELECT id FROM first) ORDER BY id LIMIT 100) b"
	" LIMIT 100) s)"
	" SELECT cardinality(ids), (SELECT count(*)"
	" FROM booking.find_overlaps($1, ids, $1 - interval '1 day',"
	" $1 + interval '2 days')) FROM sample",
	.nargs = 1,
	.argtypes = {TIMESTAMPTZOID}
};

/* When an offer of the waitlist ended, whose time may still be kept */
#define OFFER_ENDS_AT \
	"(SELECT min(w.offer_ends_at) FROM booking.waitlist w" \
	" WHERE w.appointment_id = coalesce(a.part_of, a.id)" \
	" AND w.status = 'served')"

/* How long the oldest hold that ran out, and is still pending, has been so */
#define OLDEST_EXPIRED_HOLD \
	"($1 - least((SELECT min(hold_expires_at) FROM booking.appointments" \
	" WHERE status = 'pending' AND hold_expires_at <= $1" \
	" AND hold_expires_at > '-infinity')," \
	" (SELECT min(ended_at) FROM (SELECT " OFFER_ENDS_AT " AS ended_at" \
	" FROM booking.appointments a WHERE a.status = 'pending'" \
	" AND a.hold_expires_at > $1" \
	" AND a.hold_expires_at <= $1 + " LONGEST_GRACE ") o" \
	" WHERE ended_at <= $1 AND ended_at > '-infinity')))"

static OwnerQuery delays_query = {
	.sql = "SELECT " OLDEST_EXPIRED_HOLD ", (SELECT max(created_at) - $1"
	" FROM (SELECT created_at FROM booking.appointments"
	" ORDER BY id DESC LIMIT 100) n WHERE isfinite(created_at))",
	.nargs = 1,
	.argtypes = {TIMESTAMPTZOID}
};

/* Those of one kind are counted up to a limit: a scrape must not take long */
#define COUNT_UP_TO_100000(rows) \
	"(SELECT count(*)::float8 FROM (SELECT FROM " rows " LIMIT 100000) c)"

static OwnerQuery figures_query = {
	.sql = "SELECT 'appointments', s, count(a.status)::float8"
	" FROM unnest('{pending,confirmed,checked_in,completed,cancelled,no_show,"
	"expired}'::text[]) s LEFT JOIN (SELECT a.status FROM booking.barbers b"
	" JOIN booking.appointments a ON a.barber_id = b.id"
	" AND a.starts_at >= $1 AND a.starts_at < $1 + interval '24 hours') a"
	" ON a.status = s GROUP BY s"
	" UNION ALL SELECT 'holds_open', NULL, "
	COUNT_UP_TO_100000("booking.appointments a WHERE a.status = 'pending'"
					   " AND a.hold_expires_at > $1"
					   " AND NOT a.is_request"
					   " AND coalesce(" OFFER_ENDS_AT " > $1, true)")
	" UNION ALL SELECT 'holds_expired', NULL, "
	COUNT_UP_TO_100000("booking.appointments a WHERE a.status = 'pending'"
					   " AND a.hold_expires_at <= $1 + " LONGEST_GRACE
					   " AND (a.hold_expires_at <= $1 OR "
					   OFFER_ENDS_AT " <= $1)")
	" UNION ALL SELECT 'oldest_expired_hold_seconds', NULL,"
	" coalesce(extract(epoch FROM " OLDEST_EXPIRED_HOLD ")::float8, 0)"
	" UNION ALL SELECT 'waitlist_waiting', NULL, "
	COUNT_UP_TO_100000("booking.waitlist WHERE status = 'waiting'"),
	.nargs = 1,
	.argtypes = {TIMESTAMPTZOID}
};

PG_FUNCTION_INFO_V1(booking_verify);
PG_FUNCTION_INFO_V1(booking_guard_sample);
PG_FUNCTION_INFO_V1(booking_table_delays);
PG_FUNCTION_INFO_V1(booking_table_figures);

/*
 * verify(deep).  Who may not read the table's rows, such as a monitor, gets
 * figures: what is broken in a row names its customer and time.
 */
Datum
booking_verify(PG_FUNCTION_ARGS)
{
	Datum		values[2] = {TimestampTzGetDatum(booking_clock())};

	require_argument(fcinfo, 0, "deep");
	values[1] = PG_GETARG_DATUM(0);
	catalog_check_types();
	owner_query_result(fcinfo,
					   may_read_appointments() ? &verify_query :
					   &verify_figures_query, values, NULL);
	return (Datum) 0;
}

Datum
booking_guard_sample(PG_FUNCTION_ARGS)
{
	Datum		values[] = {TimestampTzGetDatum(booking_clock())};

	owner_query_result(fcinfo, &sample_query, values, NULL);
	return (Datum) 0;
}

Datum
booking_table_delays(PG_FUNCTION_ARGS)
{
	Datum		values[] = {TimestampTzGetDatum(booking_clock())};

	owner_query_result(fcinfo, &delays_query, values, NULL);
	return (Datum) 0;
}

Datum
booking_table_figures(PG_FUNCTION_ARGS)
{
	Datum		values[] = {TimestampTzGetDatum(booking_clock())};

	owner_query_result(fcinfo, &figures_query, values, NULL);
	return (Datum) 0;
}
