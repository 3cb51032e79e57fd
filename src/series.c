/*-------------------------------------------------------------------------
 *
 * series.c
 *	  The SQL-callable write that books a series.
 *
 * Occurrences are counted on the shop's wall clock, from the first, so that a
 * switch of daylight saving time moves none and the 31st of a month comes back.
 * A series is one attempt: whoever must wait gives back what is stored first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "booking.h"

#define MOST_OCCURRENCES 200
#define LONGEST_STEP (366 * USECS_PER_DAY)

typedef struct Outcome
{
	TimestampTz starts_at;
	int64		appointment_id; /* 0: refused */
	Refusal		refusal;
} Outcome;

typedef struct Series
{
	Request		first;
	Datum		every;			/* interval */
	int			count;
	bool		skips;			/* those that are refused */
	Outcome    *outcomes;

	/* what comes of an attempt */
	Relation	appointments;
	Decision	decision;
	Refusal		refusal;
	Holder		holder;
} Series;

/* ---- arguments ---- */

static bool
read_on_conflict(FunctionCallInfo fcinfo, int argno)
{
	char	   *given;

	require_argument(fcinfo, argno, "on_conflict");
	given = text_argument(fcinfo, argno, "on_conflict", LONGEST_WORD);
	if (strcmp(given, "skip") != 0 && strcmp(given, "fail") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("on_conflict must be fail or skip"),
				 errdetail("It is \"%s\".", given),
				 errhint("fail books all or nothing, skip what it can.")));
	return strcmp(given, "skip") == 0;
}

/*
 * Whole days, so that all occurrences begin at the same time of day; months less
 * days would not even ascend.
 */
static Datum
read_every(FunctionCallInfo fcinfo, int argno)
{
	Datum		every;
	Interval   *interval;

	require_argument(fcinfo, argno, "every");
	every = PG_GETARG_DATUM(argno);
	interval = DatumGetIntervalP(every);
	read_interval(every, "every", USECS_PER_DAY, LONGEST_STEP);
	if (interval->month < 0 || interval->day < 0 ||
		interval->time % USECS_PER_DAY != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("every must be whole days, weeks or months"),
				 errdetail("All occurrences begin at the same time of day."),
				 errhint("Pass an interval without hours or minutes.")));
	return every;
}

static void
read_series(FunctionCallInfo fcinfo, Series *series)
{
	read_request(fcinfo, 7, &series->first);
	series->every = read_every(fcinfo, 4);
	require_argument(fcinfo, 5, "occurrences");
	series->count = PG_GETARG_INT32(5);
	if (series->count < 1 || series->count > MOST_OCCURRENCES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("occurrences is out of range"),
				 errdetail("It is %d; the range is 1 to %d.", series->count,
						   MOST_OCCURRENCES),
				 errhint("Book a longer series in several calls.")));
	series->skips = read_on_conflict(fcinfo, 6);
	series->outcomes = palloc0(series->count * sizeof(Outcome));
}

/* ---- the calendar ---- */

/*
 * Works out the occurrences in the shop's time zone.
 */
static bool
find_occurrences(Series *series)
{
	Schedule   *schedule = schedule_begin();
	Service    *service = schedule_service(schedule,
										   series->first.service_id);
	Shop	   *shop = service == NULL ? NULL :
		schedule_shop(schedule, service->shop_id);
	int64		local;

	if (shop == NULL)
		return refuse(&series->refusal, NOT_FOUND, "There is no service " INT64_FORMAT
					  ".", series->first.service_id);
	local = series->first.starts_at +
		zone_offset_us(&shop->zone, series->first.starts_at);
	for (int i = 0; i < series->count; i++)
	{
		Datum		distance = DirectFunctionCall2(interval_mul,
												   series->every,
												   Float8GetDatum(i));
		Datum		at = DirectFunctionCall2(timestamp_pl_interval,
											 TimestampGetDatum(local),
											 distance);

		series->outcomes[i].starts_at = i == 0 ? series->first.starts_at :
			zone_instant(&shop->zone, DatumGetTimestamp(at));
	}
	return true;
}

/* ---- booking ---- */

/*
 * Books one occurrence.
 */
static void
book_occurrence(Series *series, int position, int64 series_id,
				TupleTableSlot *stored)
{
	Request		request = series->first;

	request.starts_at = series->outcomes[position].starts_at;
	request.series_id = series_id != 0 ? series_id : -1;
	if (!series->skips)
	{
		request.need = series->count - position;
		request.pending_to_come = request.need - 1;
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	series->decision = decide(series->appointments, &request, stored,
							  &series->refusal, &series->holder);
	PopActiveSnapshot();
}

/*
 * Books what can be booked; NO only if nothing may be skipped.
 */
static bool
book_occurrences(void *arg)
{
	Series	   *series = arg;
	TupleTableSlot *stored = table_slot_create(series->appointments, NULL);
	int64		series_id = 0;

	series->decision = DECIDED_YES;
	for (int i = 0; i < series->count && series->decision == DECIDED_YES; i++)
	{
		Outcome    *outcome = &series->outcomes[i];
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		outcome->appointment_id = 0;
		book_occurrence(series, i, series_id, stored);
		if (series->decision == DECIDED_NO && series->skips)
		{
			outcome->refusal = series->refusal;
			series->decision = DECIDED_YES;
		}
		else if (series->decision == DECIDED_YES)
		{
			outcome->appointment_id =
				DatumGetInt64(appointment_value(stored, APPT_ID, &isnull));
			if (series_id == 0)
				series_id = outcome->appointment_id;
		}
	}
	ExecDropSingleTupleTableSlot(stored);
	return series->decision == DECIDED_YES;
}

static bool
book_all(Series *series)
{
	while (!attempt(book_occurrences, series))
	{
		if (series->decision == DECIDED_NO)
			return false;
		guard_wait(&series->holder);
	}
	return true;
}

static void
put_outcome(ResultSet *result, int position, const Outcome *outcome)
{
	bool		is_refused = outcome->appointment_id == 0;
	Datum		values[5];
	bool		nulls[5] = {false, false, is_refused, !is_refused, !is_refused};

	values[0] = Int32GetDatum(position + 1);
	values[1] = TimestampTzGetDatum(outcome->starts_at);
	values[2] = Int64GetDatum(outcome->appointment_id);
	if (is_refused)
	{
		values[3] = CStringGetTextDatum(reason_name(outcome->refusal.reason));
		values[4] = CStringGetTextDatum(refusal_detail(&outcome->refusal));
	}
	tuplestore_putvalues(result->store, result->desc, values, nulls);
}

/*
 * book_series(barber_id, service_id, user_id, first_starts_at, every,
 *			   occurrences, on_conflict, overrides)
 */
MEASURED_FUNCTION(booking_book_series, OP_BOOK_SERIES)
{
	Series		series = {0};
	Relation	rel;
	ResultSet	result;

	PreventCommandIfReadOnly("book_series()");
	read_series(fcinfo, &series);
	result_begin(fcinfo, &result);
	rel = catalog_open(APPOINTMENTS, RowExclusiveLock);
	series.appointments = rel;
	if (!find_occurrences(&series) || !book_all(&series))
		raise_booking_refusal(rel, &series.refusal);
	table_close(rel, NoLock);
	for (int i = 0; i < series.count; i++)
		put_outcome(&result, i, &series.outcomes[i]);
	return (Datum) 0;
}
