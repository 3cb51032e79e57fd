/*-------------------------------------------------------------------------
 *
 * risk.c
 *	  Appointments that the shop's configuration has left behind.
 *
 * Nothing is undone when a barber leaves or hours change; here staff see whom
 * to call.  What was booked keeps its own length: an appointment is judged by
 * its row's times, not by what the service would take today, and so is each
 * part of a service with steps.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "booking.h"

/*
 * The first six columns are the result's.  No appointment is longer than the
 * two days of its busy time, so the index on starts_at can leave out the past.
 */
static OwnerQuery live_query = {
	.sql = "SELECT a.id, a.barber_id, a.service_id, a.user_id, a.starts_at,"
	" a.ends_at, coalesce('hours' = ANY (a.overrides), false)"
	" FROM booking.barbers b"
	" JOIN booking.appointments a ON a.barber_id = b.id"
	" WHERE b.shop_id = $1"
	" AND a.starts_at > $2 - interval '48 hours' AND a.ends_at > $2"
	" AND a.status IN ('pending', 'confirmed', 'checked_in')"
	" AND (a.hold_expires_at IS NULL OR a.hold_expires_at > $2)"
	" ORDER BY a.starts_at, a.id",
	.nargs = 2,
	.argtypes = {INT8OID, TIMESTAMPTZOID}
};

#define RISK_COLUMNS 8

/* The query's columns, from 0 */
enum
{
	LIVE_ID, LIVE_BARBER_ID, LIVE_SERVICE_ID, LIVE_USER_ID, LIVE_STARTS_AT,
	LIVE_ENDS_AT, LIVE_IS_OUTSIDE
};

/*
 * Whether the barber is at work all the time.
 */
static bool
check_hours(Barber *barber, Span *span, Refusal *refusal)
{
	SpanList	appointment = {span, 1, 1};
	OpenTime	open = {0};
	SpanList	outside = {0};

	find_open_time(barber, span->from, span->until, &open);
	spans_subtract(&appointment, &open.open, &outside);
	if (outside.count == 0)
		return true;
	return refuse(refusal, OUTSIDE_HOURS, "Barber " INT64_FORMAT
				  " is not at work all the time from %s to %s.", barber->id,
				  instant_text(span->from), instant_text(span->until));
}

/*
 * Whether a row of the query still fits.
 */
static bool
check_live(Schedule *schedule, const Datum *live, Refusal *refusal)
{
	Span		span;
	Offer		offer;

	if (!find_offer(schedule, DatumGetInt64(live[LIVE_BARBER_ID]),
					DatumGetInt64(live[LIVE_SERVICE_ID]), &offer, refusal))
		return false;
	span.from = DatumGetTimestampTz(live[LIVE_STARTS_AT]);
	span.until = DatumGetTimestampTz(live[LIVE_ENDS_AT]);
	return DatumGetBool(live[LIVE_IS_OUTSIDE]) ||
		check_hours(offer.barber, &span, refusal);
}

/*
 * Puts the rows of the query that do not fit into the result.
 */
static void
put_risks(Schedule *schedule, int count, ResultSet *result)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext per_row = AllocSetContextCreate(caller, "booking risk",
												  ALLOCSET_DEFAULT_SIZES);
	int			risks = 0;

	for (int i = 0; i < count; i++)
	{
		Datum		values[RISK_COLUMNS];
		bool		nulls[RISK_COLUMNS] = {false};
		Refusal		refusal;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(per_row);
		MemoryContextSwitchTo(per_row);
		heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
						  values, nulls);
		if (!check_live(schedule, values, &refusal))
		{
			values[6] = CStringGetTextDatum(reason_name(refusal.reason));
			values[7] = CStringGetTextDatum(refusal_detail(&refusal));
			require_row_count(++risks);
			tuplestore_putvalues(result->store, result->desc, values, nulls);
		}
		MemoryContextSwitchTo(caller);
	}
	MemoryContextDelete(per_row);
}

/*
 * appointments_at_risk(shop_id)
 */
MEASURED_FUNCTION(booking_appointments_at_risk, OP_APPOINTMENTS_AT_RISK)
{
	Schedule   *schedule;
	Refusal		refusal;
	Datum		values[2];
	ResultSet	result;
	int			count;

	require_argument(fcinfo, 0, "shop_id");
	values[0] = PG_GETARG_DATUM(0);
	values[1] = TimestampTzGetDatum(booking_now());
	require_shop_view(PG_GETARG_INT64(0));
	result_begin(fcinfo, &result);
	SPI_connect();
	count = run_owner_query(&live_query, values, NULL, true);
	schedule = schedule_begin();
	if (schedule_shop(schedule, PG_GETARG_INT64(0)) == NULL)
	{
		refuse(&refusal, NOT_FOUND, "There is no shop " INT64_FORMAT ".",
			   PG_GETARG_INT64(0));
		raise_refusal("request", &refusal);
	}
	put_risks(schedule, count, &result);
	SPI_finish();
	return (Datum) 0;
}
