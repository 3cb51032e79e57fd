/*-------------------------------------------------------------------------
 *
 * change.c
 *	  An appointment that is to be changed: locked, with all its parts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "booking.h"

/*
 * The head comes alone, and first: whoever changes an appointment holds it, so
 * that a query with a later snapshot then sees all the parts that there are,
 * those too which somebody added while we waited.  One that is beyond the
 * caller's scope is not there for it, and is not even waited for.
 */
static OwnerQuery lock_head_query = {
	.sql = "SELECT FROM booking.appointments"
	" WHERE id = (SELECT coalesce(part_of, id) FROM booking.appointments"
	" WHERE id = $1) AND ($2 IS NULL OR user_id = $2)"
	" AND ($3 IS NULL OR barber_id IN"
	" (SELECT b.id FROM booking.barbers b WHERE b.shop_id = $3))"
	" FOR NO KEY UPDATE",
	.nargs = 3,
	.argtypes = {INT8OID, INT8OID, INT8OID}
};

/*
 * The parts follow their head, in the order of their work.  There is no join:
 * a row that was moved to another barber while we waited for it would drop out.
 */
static OwnerQuery lock_query = {
	.sql = "SELECT a.id, a.barber_id, a.service_id, a.user_id, a.visit_id,"
	" (SELECT b.shop_id FROM booking.barbers b WHERE b.id = a.barber_id),"
	" a.price_cents, a.version, a.status, a.starts_at, a.hold_expires_at,"
	" (SELECT h.cancellation_window_minutes FROM booking.barbers b"
	" JOIN booking.shops h ON h.id = b.shop_id WHERE b.id = a.barber_id),"
	" a.busy_from, a.busy_until, a.series_id, a.guest_name, a.ends_at,"
	" coalesce('limits' = ANY (a.overrides), false)"
	" FROM booking.appointments a"
	" WHERE a.id = (SELECT coalesce(part_of, id) FROM booking.appointments"
	" WHERE id = $1)"
	" OR a.part_of = (SELECT coalesce(part_of, id) FROM booking.appointments"
	" WHERE id = $1)"
	" ORDER BY a.part_of NULLS FIRST, a.starts_at, a.id"
	" FOR NO KEY UPDATE OF a",
	.nargs = 1,
	.argtypes = {INT8OID}
};

/* How many parts there are besides the head */
static OwnerQuery count_parts_query = {
	.sql = "SELECT FROM booking.appointments a"
	" WHERE a.part_of = (SELECT coalesce(part_of, id)"
	" FROM booking.appointments WHERE id = $1)",
	.nargs = 1,
	.argtypes = {INT8OID}
};

/* The columns of lock_query */
enum
{
	LOCKED_ID = 1, LOCKED_BARBER_ID, LOCKED_SERVICE_ID, LOCKED_USER_ID,
	LOCKED_VISIT_ID, LOCKED_SHOP_ID, LOCKED_PRICE, LOCKED_VERSION,
	LOCKED_STATUS, LOCKED_STARTS_AT, LOCKED_HOLD_EXPIRES_AT, LOCKED_WINDOW,
	LOCKED_BUSY_FROM, LOCKED_BUSY_UNTIL, LOCKED_SERIES_ID, LOCKED_GUEST_NAME,
	LOCKED_ENDS_AT, LOCKED_OVERRIDES_LIMITS
};

static Datum
locked_value(int row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						 column, isnull);
}

static int64
locked_int8(int row, int column)
{
	bool		isnull;
	Datum		value = locked_value(row, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

static void
read_head(Booked *booked)
{
	bool		isnull;

	booked->id = locked_int8(0, LOCKED_ID);
	booked->barber_id = locked_int8(0, LOCKED_BARBER_ID);
	booked->service_id = locked_int8(0, LOCKED_SERVICE_ID);
	booked->user_id = locked_int8(0, LOCKED_USER_ID);
	(void) locked_value(0, LOCKED_USER_ID, &booked->is_walk_in);
	booked->visit_id = locked_int8(0, LOCKED_VISIT_ID);
	booked->shop_id = locked_int8(0, LOCKED_SHOP_ID);
	booked->price_cents = locked_int8(0, LOCKED_PRICE);
	booked->version = DatumGetInt32(locked_value(0, LOCKED_VERSION, &isnull));
	booked->starts_at = locked_int8(0, LOCKED_STARTS_AT);
	booked->ends_at = locked_int8(0, LOCKED_ENDS_AT);
	booked->hold_expires_at =
		DatumGetTimestampTz(locked_value(0, LOCKED_HOLD_EXPIRES_AT, &isnull));
	if (isnull)
		booked->hold_expires_at = DT_NOEND;
	booked->window_minutes = DatumGetInt32(locked_value(0, LOCKED_WINDOW,
														&isnull));
	booked->series_id = locked_int8(0, LOCKED_SERIES_ID);
	booked->guest_name = SPI_getvalue(SPI_tuptable->vals[0],
									  SPI_tuptable->tupdesc,
									  LOCKED_GUEST_NAME);
	booked->overrides_limits =
		DatumGetBool(locked_value(0, LOCKED_OVERRIDES_LIMITS, &isnull));
}

/*
 * Lists the parts that share the head's status, which are what a change is
 * about; somebody may have changed one by itself.
 */
static void
read_parts(Booked *booked, int count)
{
	booked->status = SPI_getvalue(SPI_tuptable->vals[0],
								  SPI_tuptable->tupdesc, LOCKED_STATUS);
	booked->part_ids = palloc(count * sizeof(int64));
	for (int i = 0; i < count; i++)
	{
		char	   *status = SPI_getvalue(SPI_tuptable->vals[i],
										  SPI_tuptable->tupdesc,
										  LOCKED_STATUS);

		if (strcmp(status, booked->status) != 0)
			continue;
		booked->part_ids[booked->part_count++] = locked_int8(i, LOCKED_ID);
		spans_add(&booked->busy, locked_int8(i, LOCKED_BUSY_FROM),
				  locked_int8(i, LOCKED_BUSY_UNTIL));
	}
}

/*
 * At REPEATABLE READ the query above does not see a part that was added after
 * the transaction's snapshot, which would be left behind.
 */
static void
require_all_parts(int64 id, int count)
{
	Datum		values[] = {Int64GetDatum(id)};
	int			present;

	if (!IsolationUsesXactSnapshot())
		return;
	PushActiveSnapshot(GetLatestSnapshot());
	present = run_owner_query(&count_parts_query, values, NULL, true) + 1;
	PopActiveSnapshot();
	if (present != count)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update"),
				 errdetail("Parts were added to appointment " INT64_FORMAT " after the transaction's snapshot was taken.",
						   id),
				 errhint("Retry the transaction.")));
}

/*
 * Locks an appointment, whichever of its parts is named, until the end of the
 * transaction, and reads it.  False: not_found, or not the caller's to change.
 */
bool
lock_appointment(int64 id, Booked *booked, Refusal *refusal)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[3] = {Int64GetDatum(id)};
	char		nulls[3] = {' '};
	Scope		scope;
	int			count;

	memset(booked, 0, sizeof(*booked));
	find_scope(&scope);
	scope_parameters(&scope, &values[1], &nulls[1]);
	SPI_connect();
	count = run_owner_query(&lock_head_query, values, nulls, false);
	if (count > 0)
		count = run_owner_query(&lock_query, values, NULL, false);
	if (count > 0)
	{
		MemoryContext spi = MemoryContextSwitchTo(caller);

		read_head(booked);
		read_parts(booked, count);
		MemoryContextSwitchTo(spi);
		require_all_parts(id, count);
	}
	SPI_finish();
	if (count > 0 && booked->hold_expires_at != DT_NOEND)
		booked->hold_expires_at = Min(booked->hold_expires_at,
									  offer_deadline(booked->id));
	return count > 0 ||
		refuse(refusal, NOT_FOUND, "There is no appointment " INT64_FORMAT
			   ".", id);
}

/*
 * Whether the appointment has the version that the caller has seen; NULL: any.
 */
bool
check_version(const Booked *booked, FunctionCallInfo fcinfo, int argno,
			  Refusal *refusal)
{
	if (PG_ARGISNULL(argno) || PG_GETARG_INT32(argno) == booked->version)
		return true;
	return refuse(refusal, VERSION_CONFLICT, "Appointment " INT64_FORMAT
				  " has version %d, not %d.", booked->id, booked->version,
				  PG_GETARG_INT32(argno));
}

/*
 * Whether a customer may still give up the time.  A hold promises nothing.
 */
bool
check_window(const Booked *booked, Refusal *refusal)
{
	TimestampTz deadline = booked->starts_at -
		booked->window_minutes * USECS_PER_MINUTE;

	if (booked->hold_expires_at != DT_NOEND || booking_now() <= deadline)
		return true;
	return refuse(refusal, CANCELLATION_WINDOW_CLOSED, "Appointment "
				  INT64_FORMAT " could be cancelled or moved until %s.",
				  booked->id, instant_text(deadline));
}

/*
 * Whether its time is still its own, if it is a hold.  The clock decides, not
 * the statement's start: the row may have been waited for, and others may book
 * over a hold from the moment on when it is over.
 */
bool
check_hold(const Booked *booked, Refusal *refusal)
{
	if (booked->hold_expires_at > booking_clock())
		return true;
	return refuse(refusal, HOLD_EXPIRED, "The hold on appointment "
				  INT64_FORMAT " ended at %s.", booked->id,
				  instant_text(booked->hold_expires_at));
}

/*
 * A BEFORE trigger of the user's returned NULL.
 */
void
raise_dropped_row(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
			 errmsg("the appointment was not %s", what),
			 errdetail("A BEFORE trigger on table booking.appointments returned NULL."),
			 errhint("Let the trigger return the row, or raise an error.")));
	pg_unreachable();
}
