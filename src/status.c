/*-------------------------------------------------------------------------
 *
 * status.c
 *	  The SQL-callable writes that change an appointment's status.
 *
 * Each locks the appointment, checks what the caller has seen and what is
 * allowed, and changes all its parts in one statement.  Time that becomes free
 * goes to the waitlist, in the same transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "booking.h"

typedef struct StatusChange
{
	const char *function;
	const char *action;			/* "... refused" */
	const char *to;
	const char *from[4];		/* NULL: no more */
	bool		frees_time;
	int			version_arg;
} StatusChange;

/* cancelled_at is the guard's trigger's to fill in */
static OwnerQuery change_query = {
	.sql = "UPDATE booking.appointments"
	" SET status = $3, cancel_reason = coalesce($4, cancel_reason),"
	" cancelled_by = coalesce($5, cancelled_by)"
	" WHERE (id = $1 OR part_of = $1) AND status = $2"
	" RETURNING id, barber_id, service_id, user_id, starts_at, ends_at,"
	" status, hold_expires_at, price_cents, visit_id, version",
	.nargs = 5,
	.argtypes = {INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID}
};

/*
 * Changes the rows and returns the head's.
 */
static Datum
write_change(const Booked *booked, const char *to, const char *reason,
			 const char *cancelled_by)
{
	Datum		values[] = {
		Int64GetDatum(booked->id),
		CStringGetTextDatum(booked->status),
		CStringGetTextDatum(to),
		reason != NULL ? CStringGetTextDatum(reason) : (Datum) 0,
		cancelled_by != NULL ? CStringGetTextDatum(cancelled_by) : (Datum) 0
	};
	char		nulls[] = {
		' ', ' ', ' ', reason != NULL ? ' ' : 'n',
		cancelled_by != NULL ? ' ' : 'n'
	};
	Datum		result = (Datum) 0;
	int			count;

	SPI_connect();
	count = run_owner_query(&change_query, values, nulls, false);
	for (int i = 0; i < count; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		bool		isnull;

		if (DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 1,
										&isnull)) == booked->id)
			result = PointerGetDatum(SPI_returntuple(row,
													 SPI_tuptable->tupdesc));
	}
	SPI_finish();
	if (result == (Datum) 0 || count < booked->part_count)
		raise_dropped_row(to);
	return result;
}

static bool
check_status(const Booked *booked, const StatusChange *change,
			 Refusal *refusal)
{
	for (int i = 0; i < (int) lengthof(change->from); i++)
	{
		if (change->from[i] != NULL &&
			strcmp(change->from[i], booked->status) == 0)
			return true;
	}
	return refuse(refusal, INVALID_TRANSITION, "Appointment " INT64_FORMAT
				  " is %s.", booked->id, booked->status);
}

/*
 * Locks the appointment that argument 0 names, if it may be changed so.
 */
static void
begin_change(FunctionCallInfo fcinfo, const StatusChange *change,
			 Booked *booked)
{
	Refusal		refusal;

	require_argument(fcinfo, 0, "appointment_id");
	PreventCommandIfReadOnly(change->function);
	if (!lock_appointment(PG_GETARG_INT64(0), booked, &refusal) ||
		!check_version(booked, fcinfo, change->version_arg, &refusal) ||
		!check_status(booked, change, &refusal))
		raise_refusal(change->action, &refusal);
}

static Datum
finish_change(const Booked *booked, const StatusChange *change,
			  const char *reason, const char *cancelled_by)
{
	Datum		result = write_change(booked, change->to, reason,
									  cancelled_by);

	if (change->frees_time)
		serve_waitlist(booked->shop_id, booked->barber_id, &booked->busy);
	return result;
}

static char *
text_argument(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(argno));
}

/* ---- pending appointments ---- */

PG_FUNCTION_INFO_V1(booking_confirm_appointment);

/*
 * confirm_appointment(appointment_id, version).  The hold is looked at again
 * when the row is stored: had it run out in between, somebody may have had a
 * limit of the customer's for which it no longer counted.
 */
Datum
booking_confirm_appointment(PG_FUNCTION_ARGS)
{
	static const StatusChange change = {
		.function = "confirm_appointment()",
		.action = "confirmation",
		.to = "confirmed",
		.from = {"pending"},
		.version_arg = 1
	};
	Booked		booked;
	Refusal		refusal;
	Datum		result;

	begin_change(fcinfo, &change, &booked);
	if (!check_hold(&booked, &refusal))
		raise_refusal(change.action, &refusal);
	result = finish_change(&booked, &change, NULL, NULL);
	if (!check_hold(&booked, &refusal))
		raise_refusal(change.action, &refusal);
	return result;
}

PG_FUNCTION_INFO_V1(booking_decline_appointment);

/*
 * decline_appointment(appointment_id, reason, version)
 */
Datum
booking_decline_appointment(PG_FUNCTION_ARGS)
{
	static const StatusChange change = {
		.function = "decline_appointment()",
		.action = "decline",
		.to = "cancelled",
		.from = {"pending"},
		.frees_time = true,
		.version_arg = 2
	};
	Booked		booked;

	begin_change(fcinfo, &change, &booked);
	return finish_change(&booked, &change, text_argument(fcinfo, 1), "shop");
}

/* ---- cancelling ---- */

/*
 * The argument cancelled_by.
 */
static const char *
read_canceller(FunctionCallInfo fcinfo, int argno)
{
	char	   *given;

	require_argument(fcinfo, argno, "cancelled_by");
	given = text_argument(fcinfo, argno);
	if (strcmp(given, "customer") != 0 && strcmp(given, "shop") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cancelled_by must be customer or shop"),
				 errdetail("It is \"%s\".", given),
				 errhint("A customer is bound by the shop's cancellation window, the shop is not.")));
	return given;
}

PG_FUNCTION_INFO_V1(booking_cancel_appointment);

/*
 * cancel_appointment(appointment_id, reason, cancelled_by, version)
 */
Datum
booking_cancel_appointment(PG_FUNCTION_ARGS)
{
	static const StatusChange customers = {
		.function = "cancel_appointment()",
		.action = "cancellation",
		.to = "cancelled",
		.from = {"pending", "confirmed"},
		.frees_time = true,
		.version_arg = 3
	};
	static const StatusChange shops = {
		.function = "cancel_appointment()",
		.action = "cancellation",
		.to = "cancelled",
		.from = {"pending", "confirmed", "checked_in"},
		.frees_time = true,
		.version_arg = 3
	};
	const char *cancelled_by = read_canceller(fcinfo, 2);
	bool		is_customer = strcmp(cancelled_by, "customer") == 0;
	const StatusChange *change = is_customer ? &customers : &shops;
	Booked		booked;
	Refusal		refusal;

	begin_change(fcinfo, change, &booked);
	if (is_customer && !check_window(&booked, &refusal))
		raise_refusal(change->action, &refusal);
	return finish_change(&booked, change, text_argument(fcinfo, 1),
						 cancelled_by);
}

/* ---- the day itself ---- */

PG_FUNCTION_INFO_V1(booking_check_in);

/*
 * check_in(appointment_id, version)
 */
Datum
booking_check_in(PG_FUNCTION_ARGS)
{
	static const StatusChange change = {
		.function = "check_in()",
		.action = "check-in",
		.to = "checked_in",
		.from = {"confirmed"},
		.version_arg = 1
	};
	Booked		booked;

	begin_change(fcinfo, &change, &booked);
	return finish_change(&booked, &change, NULL, NULL);
}

PG_FUNCTION_INFO_V1(booking_complete_appointment);

/*
 * complete_appointment(appointment_id, version)
 */
Datum
booking_complete_appointment(PG_FUNCTION_ARGS)
{
	static const StatusChange change = {
		.function = "complete_appointment()",
		.action = "completion",
		.to = "completed",
		.from = {"confirmed", "checked_in"},
		.frees_time = true,
		.version_arg = 1
	};
	Booked		booked;

	begin_change(fcinfo, &change, &booked);
	return finish_change(&booked, &change, NULL, NULL);
}

PG_FUNCTION_INFO_V1(booking_mark_no_show);

/*
 * mark_no_show(appointment_id, version)
 */
Datum
booking_mark_no_show(PG_FUNCTION_ARGS)
{
	static const StatusChange change = {
		.function = "mark_no_show()",
		.action = "no-show",
		.to = "no_show",
		.from = {"confirmed", "checked_in"},
		.frees_time = true,
		.version_arg = 1
	};
	Booked		booked;
	Refusal		refusal;

	begin_change(fcinfo, &change, &booked);
	if (booking_now() < booked.starts_at)
	{
		refuse(&refusal, INVALID_TRANSITION, "Appointment " INT64_FORMAT
			   " does not begin before %s.", booked.id,
			   instant_text(booked.starts_at));
		raise_refusal(change.action, &refusal);
	}
	return finish_change(&booked, &change, NULL, NULL);
}
