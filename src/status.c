/*-------------------------------------------------------------------------
 *
 * status.c
 *	  The SQL-callable writes that change an appointment's status.
 *
 * Each locks the appointment, checks what the caller has seen and what is
 * allowed, and changes all its parts in one statement.  Time that becomes free
 * goes to the waitlist, in the same transaction.
 *
 * All of them are safe to repeat: what has been done already is answered with
 * the row as it is, whatever version the caller has seen.  Nothing is written
 * then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "booking.h"

typedef struct StatusChange
{
	const char *function;
	const char *action;			/* "... refused" */
	const char *to;
	const char *from[4];		/* NULL: no more */
	const char *done[3];		/* what a repeat finds; NULL: no more */
	const char *by;				/* and who has done it; NULL: anybody */
	bool		frees_time;
	const char *shops_act;		/* what no customer may do; NULL: not so */
	bool		takes_offer;	/* which may then wait for the shop */
	int			version_arg;
} StatusChange;

#define RESULT_COLUMNS \
	"id, barber_id, service_id, user_id, starts_at, ends_at," \
	" status, hold_expires_at, price_cents, visit_id, version"

/*
 * cancelled_at is the guard's trigger's to fill in.  coalesce() keeps the planner
 * from reading the index on what is live, whole, to find one of its rows.
 */
static OwnerQuery change_query = {
	.sql = "UPDATE booking.appointments"
	" SET status = $3, cancel_reason = coalesce($4, cancel_reason),"
	" cancelled_by = coalesce($5, cancelled_by)"
	" WHERE (id = $1 OR part_of = $1) AND coalesce(status, '') = $2"
	" RETURNING " RESULT_COLUMNS,
	.by_index = true,
	.nargs = 5,
	.argtypes = {INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID}
};

/*
 * The head's of the rows that a query has changed, within SPI, as the result of
 * the calling function.
 */
static Datum
changed_row(const Booked *booked, const char *to, int count)
{
	Datum		result = (Datum) 0;

	for (int i = 0; i < count; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		bool		isnull;

		if (DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 1,
										&isnull)) == booked->id)
			result = PointerGetDatum(SPI_returntuple(row,
													 SPI_tuptable->tupdesc));
	}
	if (result == (Datum) 0 || count < booked->part_count)
		raise_dropped_row(to);
	return result;
}

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
	Datum		result;

	SPI_connect();
	result = changed_row(booked, to,
						 run_owner_query(&change_query, values, nulls,
										 false));
	SPI_finish();
	return result;
}

static bool
is_one_of(const char *status, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (names[i] != NULL && strcmp(names[i], status) == 0)
			return true;
	}
	return false;
}

static OwnerQuery done_query = {
	.sql = "SELECT " RESULT_COLUMNS " FROM booking.appointments"
	" WHERE id = $1 AND ($2 IS NULL OR cancelled_by = $2)",
	.by_index = true,
	.nargs = 2,
	.argtypes = {INT8OID, TEXTOID}
};

/*
 * Whether the change has been made before; if so, *result is the row.  It is
 * locked, so the latest snapshot has it as it is.
 */
static bool
is_done(const Booked *booked, const StatusChange *change, Datum *result)
{
	Datum		values[] = {
		Int64GetDatum(booked->id),
		change->by != NULL ? CStringGetTextDatum(change->by) : (Datum) 0
	};
	char		nulls[] = {' ', change->by != NULL ? ' ' : 'n'};
	bool		found;

	if (!is_one_of(booked->status, change->done, lengthof(change->done)))
		return false;
	SPI_connect();
	PushActiveSnapshot(GetLatestSnapshot());
	found = run_owner_query(&done_query, values, nulls, true) > 0;
	PopActiveSnapshot();
	if (found)
		*result = PointerGetDatum(SPI_returntuple(SPI_tuptable->vals[0],
												  SPI_tuptable->tupdesc));
	SPI_finish();
	return found;
}

/*
 * Whether the customer has taken the offer before, and the shop has yet to
 * confirm; if so, *result is the row.
 */
static bool
is_taken(const Booked *booked, Datum *result)
{
	const StatusChange taken = {.done = {"pending"}};

	return booked->is_request && !speaks_for_shop() &&
		was_offered(booked->id) && is_done(booked, &taken, result);
}

static bool
check_status(const Booked *booked, const StatusChange *change,
			 Refusal *refusal)
{
	return is_one_of(booked->status, change->from, lengthof(change->from)) ||
		refuse(refusal, INVALID_TRANSITION, "Appointment " INT64_FORMAT
			   " is %s.", booked->id, booked->status);
}

/*
 * Locks the appointment that argument 0 names, if it may be changed so.
 * False: it has been already, and *result is its row.
 */
static bool
begin_change(FunctionCallInfo fcinfo, const StatusChange *change,
			 Booked *booked, Datum *result)
{
	Refusal		refusal;

	require_argument(fcinfo, 0, "appointment_id");
	PreventCommandIfReadOnly(change->function);
	if (change->shops_act != NULL)
		require_no_customer(change->shops_act);
	if (!lock_appointment(PG_GETARG_INT64(0), booked, &refusal))
		raise_refusal(change->action, &refusal);
	if (is_done(booked, change, result) ||
		(change->takes_offer && is_taken(booked, result)))
		return false;
	if (!check_version(booked, fcinfo, change->version_arg, &refusal) ||
		!check_status(booked, change, &refusal))
		raise_refusal(change->action, &refusal);
	return true;
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

/*
 * The argument reason, or NULL.
 */
static const char *
read_reason(FunctionCallInfo fcinfo)
{
	return text_argument(fcinfo, 1, "reason", LONGEST_TEXT);
}

/* ---- pending appointments ---- */

/*
 * Whether it is the shop that has to confirm the appointment.
 */
static bool
waits_for_shop(const Booked *booked)
{
	Service    *service = schedule_service(schedule_begin(),
										   booked->service_id);

	return booked->is_request || booked->hold_expires_at == DT_NOEND ||
		(service != NULL && service->requires_confirmation);
}

/*
 * Whether the shop that the caller acts for knows the customer.  To confirm a
 * hold is to book for him.
 */
static bool
check_known(const Booked *booked, Refusal *refusal)
{
	return !is_hidden_user(booked->is_walk_in, booked->user_id,
						   GetTransactionSnapshot()) ||
		check_user(booked->user_id, true, refusal);
}

/*
 * Whether, besides, the shop takes bookings of the customer.
 */
static bool
check_guest(const Booked *booked, Refusal *refusal)
{
	return check_known(booked, refusal) &&
		(booked->is_walk_in ||
		 check_welcome(schedule_begin(), booked->shop_id, booked->user_id,
					   refusal));
}

/*
 * Whether it may still be confirmed: its hold has not run out, and it has not
 * begun, unless staff override the notice.
 */
static bool
check_confirmable(const Booked *booked, int overrides, Refusal *refusal)
{
	if (!check_hold(booked, refusal))
		return false;
	if ((overrides & OVERRIDE_NOTICE) != 0 ||
		booking_now() < booked->starts_at)
		return true;
	return refuse(refusal, booked->hold_expires_at != DT_NOEND &&
				  !booked->is_request ? HOLD_EXPIRED : NOTICE_TOO_SHORT,
				  "Appointment " INT64_FORMAT " began at %s.", booked->id,
				  instant_text(booked->starts_at));
}

static OwnerQuery request_query = {
	.sql = "UPDATE booking.appointments"
	" SET is_request = true, hold_expires_at = $2"
	" WHERE (id = $1 OR part_of = $1) AND coalesce(status, '') = 'pending'"
	" RETURNING " RESULT_COLUMNS,
	.by_index = true,
	.nargs = 2,
	.argtypes = {INT8OID, TIMESTAMPTZOID}
};

/*
 * Makes an offer that its customer takes a request, which the shop has to
 * confirm, as a booking of the service would be; returns its row.
 */
static Datum
request_of_offer(const Booked *booked)
{
	Shop	   *shop = schedule_shop(schedule_begin(), booked->shop_id);
	TimestampTz expires_at = shop == NULL ? DT_NOEND :
		request_deadline(shop, booked->starts_at);
	Datum		values[] = {
		Int64GetDatum(booked->id), TimestampTzGetDatum(expires_at)
	};
	const char	nulls[] = {' ', expires_at == DT_NOEND ? 'n' : ' '};
	Datum		result;

	SPI_connect();
	result = changed_row(booked, "requested",
						 run_owner_query(&request_query, values, nulls,
										 false));
	SPI_finish();
	close_offer(booked->id);
	return result;
}

/*
 * The customer's answer to an offer of a service that the shop has to confirm:
 * makes it a request, whose row *result is then.  False: it is not that.
 */
static bool
take_offer(const Booked *booked, Datum *result)
{
	Refusal		refusal;

	if (booked->is_request || booked->hold_expires_at == DT_NOEND ||
		speaks_for_shop() || !was_offered(booked->id))
		return false;
	if (!check_guest(booked, &refusal) ||
		!check_confirmable(booked, 0, &refusal))
		raise_refusal("confirmation", &refusal);
	*result = request_of_offer(booked);
	if (!check_hold(booked, &refusal))
		raise_refusal("confirmation", &refusal);
	return true;
}

/*
 * confirm_appointment(appointment_id, version, overrides).  The hold is looked
 * at again when the row is stored: had it run out in between, somebody may
 * have had a limit of the customer's for which it no longer counted.
 */
MEASURED_FUNCTION(booking_confirm_appointment, OP_CONFIRM_APPOINTMENT)
{
	static const StatusChange change = {
		.function = "confirm_appointment()",
		.action = "confirmation",
		.to = "confirmed",
		.from = {"pending"},
		.done = {"confirmed", "checked_in", "completed"},
		.takes_offer = true,
		.version_arg = 1
	};
	int			overrides = read_rule_overrides(fcinfo, 2);
	Booked		booked;
	Refusal		refusal;
	Datum		result;

	if (!begin_change(fcinfo, &change, &booked, &result))
		return result;
	if (waits_for_shop(&booked))
	{
		if (take_offer(&booked, &result))
			return result;
		require_staff("confirm for the shop");
		if (!check_known(&booked, &refusal))
			raise_refusal(change.action, &refusal);
	}
	else if (!check_guest(&booked, &refusal))
		raise_refusal(change.action, &refusal);
	if (!check_confirmable(&booked, overrides, &refusal))
		raise_refusal(change.action, &refusal);
	result = finish_change(&booked, &change, NULL, NULL);
	if (!check_hold(&booked, &refusal))
		raise_refusal(change.action, &refusal);
	return result;
}

/*
 * decline_appointment(appointment_id, reason, version)
 */
MEASURED_FUNCTION(booking_decline_appointment, OP_DECLINE_APPOINTMENT)
{
	static const StatusChange change = {
		.function = "decline_appointment()",
		.action = "decline",
		.shops_act = "decline an appointment",
		.to = "cancelled",
		.from = {"pending"},
		.done = {"cancelled"},
		.by = "shop",
		.frees_time = true,
		.version_arg = 2
	};
	Booked		booked;
	Datum		result;

	if (!begin_change(fcinfo, &change, &booked, &result))
		return result;
	return finish_change(&booked, &change, read_reason(fcinfo), "shop");
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
	given = text_argument(fcinfo, argno, "cancelled_by", LONGEST_WORD);
	if (strcmp(given, "customer") != 0 && strcmp(given, "shop") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cancelled_by must be customer or shop"),
				 errdetail("It is \"%s\".", given),
				 errhint("A customer is bound by the shop's cancellation window, the shop is not.")));
	return given;
}

/*
 * cancel_appointment(appointment_id, reason, cancelled_by, version)
 */
MEASURED_FUNCTION(booking_cancel_appointment, OP_CANCEL_APPOINTMENT)
{
	static const StatusChange customers = {
		.function = "cancel_appointment()",
		.action = "cancellation",
		.to = "cancelled",
		.from = {"pending", "confirmed"},
		.done = {"cancelled"},
		.by = "customer",
		.frees_time = true,
		.version_arg = 3
	};
	static const StatusChange shops = {
		.function = "cancel_appointment()",
		.action = "cancellation",
		.to = "cancelled",
		.from = {"pending", "confirmed", "checked_in"},
		.done = {"cancelled"},
		.by = "shop",
		.frees_time = true,
		.version_arg = 3
	};
	const char *cancelled_by = read_canceller(fcinfo, 2);
	bool		is_customer = strcmp(cancelled_by, "customer") == 0;
	const StatusChange *change = is_customer ? &customers : &shops;
	Booked		booked;
	Refusal		refusal;
	Datum		result;

	if (!is_customer)
		require_staff("cancel for the shop");
	if (!begin_change(fcinfo, change, &booked, &result))
		return result;
	if (is_customer && !check_window(&booked, &refusal))
		raise_refusal(change->action, &refusal);
	return finish_change(&booked, change, read_reason(fcinfo),
						 cancelled_by);
}

/* ---- the day itself ---- */

/*
 * check_in(appointment_id, version)
 */
MEASURED_FUNCTION(booking_check_in, OP_CHECK_IN)
{
	static const StatusChange change = {
		.function = "check_in()",
		.action = "check-in",
		.shops_act = "check a customer in",
		.to = "checked_in",
		.from = {"confirmed"},
		.done = {"checked_in"},
		.version_arg = 1
	};
	Booked		booked;
	Datum		result;

	if (!begin_change(fcinfo, &change, &booked, &result))
		return result;
	return finish_change(&booked, &change, NULL, NULL);
}

/*
 * complete_appointment(appointment_id, version)
 */
MEASURED_FUNCTION(booking_complete_appointment, OP_COMPLETE_APPOINTMENT)
{
	static const StatusChange change = {
		.function = "complete_appointment()",
		.action = "completion",
		.shops_act = "complete an appointment",
		.to = "completed",
		.from = {"confirmed", "checked_in"},
		.done = {"completed"},
		.frees_time = true,
		.version_arg = 1
	};
	Booked		booked;
	Datum		result;

	if (!begin_change(fcinfo, &change, &booked, &result))
		return result;
	return finish_change(&booked, &change, NULL, NULL);
}

/*
 * mark_no_show(appointment_id, version)
 */
MEASURED_FUNCTION(booking_mark_no_show, OP_MARK_NO_SHOW)
{
	static const StatusChange change = {
		.function = "mark_no_show()",
		.action = "no-show",
		.shops_act = "mark a no-show",
		.to = "no_show",
		.from = {"confirmed", "checked_in"},
		.done = {"no_show"},
		.frees_time = true,
		.version_arg = 1
	};
	Booked		booked;
	Refusal		refusal;
	Datum		result;

	if (!begin_change(fcinfo, &change, &booked, &result))
		return result;
	if (booking_now() < booked.starts_at)
	{
		refuse(&refusal, INVALID_TRANSITION, "Appointment " INT64_FORMAT
			   " does not begin before %s.", booked.id,
			   instant_text(booked.starts_at));
		raise_refusal(change.action, &refusal);
	}
	return finish_change(&booked, &change, NULL, NULL);
}
