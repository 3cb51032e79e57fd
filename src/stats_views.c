/*-------------------------------------------------------------------------
 *
 * stats_views.c
 *	  The SQL-callable functions under the views of the statistics.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "booking.h"

static const char *const operation_names[OPERATION_COUNT] = {
	[OP_AVAILABLE_SLOTS] = "available_slots",
	[OP_NEXT_SLOTS] = "next_slots",
	[OP_AVAILABILITY_BY_DAY] = "availability_by_day",
	[OP_AVAILABLE_VISITS] = "available_visits",
	[OP_FREE_TIME] = "free_time",
	[OP_CHECK_SLOT] = "check_slot",
	[OP_ACTIVE_SERVICES] = "active_services",
	[OP_ACTIVE_BARBERS] = "active_barbers",
	[OP_USER_APPOINTMENTS] = "user_appointments",
	[OP_GET_BARBER_AVAILABILITY] = "get_barber_availability",
	[OP_APPOINTMENTS_AT_RISK] = "appointments_at_risk",
	[OP_BUSINESS_METRICS] = "business_metrics",
	[OP_BOOK_SLOT] = "book_slot",
	[OP_TRY_BOOK_SLOT] = "try_book_slot",
	[OP_HOLD_SLOT] = "hold_slot",
	[OP_BOOK_VISIT] = "book_visit",
	[OP_BOOK_SERIES] = "book_series",
	[OP_CONFIRM_APPOINTMENT] = "confirm_appointment",
	[OP_DECLINE_APPOINTMENT] = "decline_appointment",
	[OP_CANCEL_APPOINTMENT] = "cancel_appointment",
	[OP_RESCHEDULE_APPOINTMENT] = "reschedule_appointment",
	[OP_CHECK_IN] = "check_in",
	[OP_COMPLETE_APPOINTMENT] = "complete_appointment",
	[OP_MARK_NO_SHOW] = "mark_no_show",
	[OP_EXPIRE_HOLDS] = "expire_holds",
	[OP_JOIN_WAITLIST] = "join_waitlist",
	[OP_LEAVE_WAITLIST] = "leave_waitlist",
	[OP_ENSURE_USER] = "ensure_user",
	[OP_GUARD_WAIT] = "guard_wait",
	[OP_GUARD_LOCK_WAIT] = "guard_lock_wait",
};

static const char *
outcome_name(int outcome)
{
	return outcome == REASON_NONE ? "ok" :
		outcome == OUTCOME_ERROR ? "error" : reason_name(outcome);
}

static Datum
milliseconds(double ns)
{
	return Float8GetDatum(ns / 1000000.0);
}

/*
 * No quantile is longer than the longest call, which is known exactly.
 */
static Datum
quantile_of(const OperationSums *sums, double quantile)
{
	double		ns = histogram_quantile(sums->buckets, quantile);

	return milliseconds(Min(ns, (double) sums->max_ns));
}

PG_FUNCTION_INFO_V1(booking_stats_operations);

/*
 * stats_operations()
 */
Datum
booking_stats_operations(PG_FUNCTION_ARGS)
{
	ResultSet	result;

	result_begin(fcinfo, &result);
	for (int op = 0; op < OPERATION_COUNT; op++)
	{
		OperationSums sums;
		uint64		calls = 0;
		Datum		values[8];
		bool		nulls[8] = {false};

		stats_read_operation(op, &sums);
		for (int i = 0; i < OUTCOME_COUNT; i++)
			calls += sums.outcomes[i];
		values[0] = CStringGetTextDatum(operation_names[op]);
		values[1] = Int64GetDatum((int64) calls);
		values[2] = Int64GetDatum((int64) sums.rows);
		values[3] = milliseconds((double) sums.total_ns);
		values[4] = quantile_of(&sums, 0.5);
		values[5] = quantile_of(&sums, 0.95);
		values[6] = quantile_of(&sums, 0.99);
		values[7] = milliseconds((double) sums.max_ns);
		for (int i = 4; i < 8; i++)
			nulls[i] = calls == 0;
		tuplestore_putvalues(result.store, result.desc, values, nulls);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(booking_stats_outcome_counts);

/*
 * stats_outcome_counts()
 */
Datum
booking_stats_outcome_counts(PG_FUNCTION_ARGS)
{
	ResultSet	result;

	result_begin(fcinfo, &result);
	for (int op = 0; op < OPERATION_COUNT; op++)
	{
		OperationSums sums;

		stats_read_operation(op, &sums);
		for (int i = 0; i < OUTCOME_COUNT; i++)
		{
			Datum		values[3];
			bool		nulls[3] = {false};

			if (sums.outcomes[i] == 0)
				continue;
			values[0] = CStringGetTextDatum(operation_names[op]);
			values[1] = CStringGetTextDatum(outcome_name(i));
			values[2] = Int64GetDatum((int64) sums.outcomes[i]);
			tuplestore_putvalues(result.store, result.desc, values, nulls);
		}
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(booking_stats_cache_counts);

/*
 * stats_cache_counts()
 */
Datum
booking_stats_cache_counts(PG_FUNCTION_ARGS)
{
	uint64		events[CACHE_EVENT_COUNT];
	Datum		values[CACHE_EVENT_COUNT];
	bool		nulls[CACHE_EVENT_COUNT] = {false};

	stats_read_cache(events);
	for (int i = 0; i < CACHE_EVENT_COUNT; i++)
		values[i] = Int64GetDatum((int64) events[i]);
	return composite_result(fcinfo, values, nulls);
}

PG_FUNCTION_INFO_V1(booking_stats_info);

/*
 * stats_info()
 */
Datum
booking_stats_info(PG_FUNCTION_ARGS)
{
	StatsState	state;
	const char *detail;
	Datum		values[4];
	bool		nulls[4] = {false};

	stats_read_state(&state);
	detail = !state.is_available ? state.no_memory :
		!booking_is_tracked() ?
		"Setting booking.track is off in this session: its calls are not counted." :
		"Calls are counted, of all databases of the server.";
	values[0] = BoolGetDatum(state.is_available);
	values[1] = BoolGetDatum(state.is_preloaded);
	values[2] = TimestampTzGetDatum(state.reset_at);
	nulls[2] = !state.is_available;
	values[3] = CStringGetTextDatum(detail);
	return composite_result(fcinfo, values, nulls);
}

PG_FUNCTION_INFO_V1(booking_stats_reset);

/*
 * stats_reset()
 */
Datum
booking_stats_reset(PG_FUNCTION_ARGS)
{
	stats_clear();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(booking_histogram_quantiles);

/*
 * For the tests, which declare it themselves: what quantiles a histogram
 * gives of lengths of time, bigint[] and float8[] to float8[].
 */
Datum
booking_histogram_quantiles(PG_FUNCTION_ARGS)
{
	ArrayType  *lengths = PG_GETARG_ARRAYTYPE_P(0);
	ArrayType  *quantiles = PG_GETARG_ARRAYTYPE_P(1);
	int			length_count = ArrayGetNItems(ARR_NDIM(lengths),
											  ARR_DIMS(lengths));
	int			quantile_count = ArrayGetNItems(ARR_NDIM(quantiles),
												ARR_DIMS(quantiles));
	uint64		buckets[HISTOGRAM_BUCKETS] = {0};
	Datum	   *values = palloc(quantile_count * sizeof(Datum));

	for (int i = 0; i < length_count; i++)
		buckets[histogram_bucket(((uint64 *) ARR_DATA_PTR(lengths))[i])]++;
	for (int i = 0; i < quantile_count; i++)
		values[i] = Float8GetDatum(histogram_quantile(buckets,
													  ((float8 *) ARR_DATA_PTR(quantiles))[i]));
	PG_RETURN_ARRAYTYPE_P(construct_array(values, quantile_count, FLOAT8OID,
										  sizeof(float8), FLOAT8PASSBYVAL,
										  TYPALIGN_DOUBLE));
}
